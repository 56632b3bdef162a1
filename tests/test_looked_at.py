"""Never silent: what was looked at is said, and so is that nothing was."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest
from click.testing import CliRunner, Result

from fixer import repository as reading
from fixer.cli import main
from fixer.documents import word_of
from fixer.model import Coverage, Source
from fixer.session import open_session
from fixer.show.looked_at import looked_at
from fixer.show.text import text
from tests.fixture_cases import CASES, Case, sampled, write

WORKFLOW = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: some/thing@v1\n"


def fhfix(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def last_line(result: Result) -> str:
    return result.stdout.rstrip().rpartition("\n")[2]


@pytest.mark.parametrize("command", ["check", "apply", "audit"])
@pytest.mark.parametrize("files", [{}, {"README.md": "# shop\n"}], ids=["empty", "of no known kind"])
def test_a_folder_in_which_nothing_is_read_is_no_clean_folder(
    tmp_path: Path, command: str, files: dict[str, str]
) -> None:
    result = fhfix(command, write(tmp_path, files))

    assert result.exit_code == 0
    assert f"nothing was looked at: {tmp_path} holds no file that fhfix reads" in result.stderr
    assert "it reads workflows, actions, compose files, Dockerfiles" in result.stderr


def test_no_findings_is_not_said_where_nothing_was_read(tmp_path: Path) -> None:
    assert fhfix("check", tmp_path).stdout == "No findings, since nothing was looked at.\n"


def test_rules_that_read_nothing_of_what_is_there_say_so(tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM scratch\n"})

    result = fhfix("check", "--select", "retired-workflow-command", tmp_path)

    assert "none of the chosen rules reads a file of" in result.stderr


def test_the_last_line_says_what_was_looked_at_and_what_was_not(tmp_path: Path) -> None:
    write(tmp_path, {".github/workflows/a.yml": WORKFLOW, ".github/workflows/b.yml": "jobs: [\n"})
    write(tmp_path, {"Dockerfile": "FROM scratch\nUSER 1\n", "old/Dockerfile": "FROM scratch\n"})
    write(tmp_path, {"vendor/x/Dockerfile": "", "fixtures/a/Dockerfile": "", "secret/Dockerfile": "", "x.env": ""})
    write(tmp_path, {".gitignore": "/secret/\n*.env\n"})
    git(tmp_path, "init", "-q")
    result = fhfix("check", "--exclude", "old", tmp_path)
    looked = json.loads(fhfix("check", "--exclude", "old", "--format", "json", tmp_path).stdout)["looked_at"]
    left_out = {
        "data of tests": 1,
        "excluded": 1,
        "vendored": 1,
        "ignored by git": 1,
        "folder(s) ignored by git": 1,
    }

    assert result.exit_code == 1
    assert looked["files"]["workflow"] == 1
    assert looked["files"]["Dockerfile"] == 1
    assert looked["left_out"] == left_out
    assert looked["unreadable"] == 1
    assert looked["unknown_actions"] == ["some/thing"]
    assert last_line(result).startswith("Looked at 1 workflow and 1 Dockerfile. Not readable: 1.")
    assert "1 data of tests, 1 excluded, 1 folder(s) ignored by git, 1 ignored by git and 1 vendored" in last_line(
        result
    )
    assert last_line(result).endswith(
        "1 action is not in the catalog, so nothing is said of their versions: some/thing."
    )


def test_the_audit_says_it_too(tmp_path: Path) -> None:
    write(tmp_path, {".github/workflows/a.yml": WORKFLOW})

    assert "## What was looked at\n\nLooked at 1 workflow" in fhfix("audit", tmp_path).stdout
    assert json.loads(fhfix("audit", "--format", "json", tmp_path).stdout)["looked_at"]["files"]["workflow"] == 1


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("README.md", "not a kind of file that fhfix reads"),
        ("vendor/x/Dockerfile", "vendored, so it is not looked at"),
        ("vendor", "vendored, so it is not looked at"),
        ("secret/Dockerfile", "git ignores it"),
        ("secret", "git ignores it"),
        ("old/Dockerfile", "excluded; take the pattern out of `exclude` that names it"),
        ("old", "excluded; take the pattern out of `exclude` that names it"),
    ],
)
def test_who_names_what_is_not_looked_at_hears_so(tmp_path: Path, named: str, says: str) -> None:
    write(tmp_path, {"README.md": "", "vendor/x/Dockerfile": "", "secret/Dockerfile": "", "old/Dockerfile": ""})
    write(tmp_path, {".gitignore": "/secret/\n", ".fhfix.toml": 'exclude = ["old/"]\n'})
    git(tmp_path, "init", "-q")

    for command in ("check", "apply"):
        result = fhfix(command, tmp_path / named)

        assert result.exit_code == 2
        assert says in result.stderr


def test_data_of_tests_is_looked_at_where_it_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"fixtures/a/Dockerfile": "FROM scratch\nUSER 1\n"})

    assert "Looked at 1 Dockerfile" in fhfix("check", tmp_path / "fixtures/a/Dockerfile").stdout


@contextmanager
def as_somebody(root: Path) -> Iterator[None]:
    """Folders can be closed to any user but root, who becomes another one here."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(root, 65534, -1)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("with_git", [False, True])
@pytest.mark.parametrize("named", ["", "closed"])
def test_a_folder_that_cannot_be_listed_is_a_problem(
    with_git: bool, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TemporaryDirectory() as folder:
        root = write(Path(folder), {"closed/Dockerfile": "FROM scratch\n", "Dockerfile": "FROM scratch\nUSER 1\n"})
        fhfix("check", root)  # all modules are imported before somebody else asks for them
        monkeypatch.setenv("HOME", folder)
        (root / "closed").chmod(0)
        with as_somebody(root):
            if with_git:
                git(root, "init", "-q")
            result = fhfix("check", root / named)

    assert result.exit_code == 1
    assert "closed: a folder that cannot be listed" in result.stderr


@pytest.mark.parametrize("case", sampled(CASES))
def test_check_names_every_kind_of_file_that_it_read(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is noted where files are read, so that the line cannot say less, or more."""
    read: set[str] = set()

    def noted(root: Path, path: str) -> Source:
        source = original(root, path)
        read.add(path)
        return source

    original = reading._read
    monkeypatch.setattr(reading, "_read", noted)
    write(tmp_path, case.before)
    report = open_session(tmp_path, select=[case.rule_id] if case.rule_id != "financehub" else []).check()
    unreadable = {problem.path for problem in report.problems}
    said = click.unstyle(text(report, lambda path: Source(path, "")))

    assert report.coverage is not None
    assert sum(report.coverage.read.values()) + report.coverage.others == len(read - unreadable)
    for word in {word_of(path) or "other file" for path in read - unreadable}:
        assert word in said.rstrip().rpartition("\n")[2]


def test_many_unknown_actions_are_named_in_part() -> None:
    names = tuple(f"a/{letter}" for letter in "bcdefgh")

    assert looked_at(Coverage({}, unknown_actions=names)).endswith("a/b, a/c, a/d, a/e, a/f and 2 more.")


def test_a_pattern_of_the_command_line_that_matches_nothing_is_named(tmp_path: Path) -> None:
    write(tmp_path, {".github/workflows/a.yml": "on: push\njobs: {}\n", "notes/b.yml": "a: 1\n"})

    session = open_session(tmp_path, exclude=["nothing/**", "notes/**"])

    assert session.coverage().idle == ("nothing/**",)
    assert "--exclude leaves nothing out by nothing/**." in looked_at(session.coverage())
