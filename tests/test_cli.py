"""The command line as people use it: exit codes, bad input, a dry run that writes nothing, apply and undo."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fixer.cli import main
from fixer.registry import all_rules

WORKFLOW = """\
name: CI
on: push
jobs:
  types:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - run: mypy . || true  # one day
"""
PATH = ".github/workflows/ci.yml"
RULE = "silent-type-check"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repo" / PATH
    path.parent.mkdir(parents=True)
    path.write_text(WORKFLOW)
    return tmp_path / "repo"


def fhfix(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def process(
    *words: str | Path, cwd: Path | None = None, stdout: Any = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    """In a process of its own, with streams as they are there."""
    command = [sys.executable, "-c", "from fixer.cli import main; main()", *map(str, words)]
    where = {"PYTHONUTF8": "1", "PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, **where}, cwd=cwd, check=False
    )


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def test_check_shows_the_finding_with_its_place_and_changes_nothing(repository: Path) -> None:
    before = hashes(repository)

    result = fhfix("check", "--select", RULE, repository)

    assert result.exit_code == 1
    assert f"{PATH}:8:14: warning: {RULE}" in result.output
    assert hashes(repository) == before


def test_check_exits_with_0_where_there_is_nothing(repository: Path) -> None:
    (repository / PATH).write_text(WORKFLOW.replace(" || true", ""))

    result = fhfix("check", "--select", RULE, repository)

    assert result.exit_code == 0
    assert "No findings" in result.output


def test_a_dry_run_writes_nothing_at_all(repository: Path) -> None:
    before = hashes(repository)

    result = fhfix("apply", "--dry-run", repository)

    assert result.exit_code == 0
    assert "+      - run: mypy .  # one day" in result.output.replace("\x1b", "")
    assert hashes(repository) == before
    assert sorted(path.name for path in repository.iterdir()) == [".github"]


def test_a_dry_run_can_say_by_its_exit_code_that_something_would_change(repository: Path) -> None:
    assert fhfix("apply", "--dry-run", "--exit-code", "--select", RULE, repository).exit_code == 1
    assert fhfix("apply", "--select", RULE, repository).exit_code == 0
    assert fhfix("apply", "--dry-run", "--exit-code", "--select", RULE, repository).exit_code == 0


def test_apply_changes_the_line_and_undo_restores_every_byte(repository: Path) -> None:
    before = hashes(repository)

    assert fhfix("apply", "--select", RULE, repository).exit_code == 0
    assert (repository / PATH).read_text() == WORKFLOW.replace(" || true", "")
    again = fhfix("apply", "--select", RULE, repository)
    assert again.exit_code == 0
    assert "nothing to change" in again.output

    assert fhfix("undo", repository).exit_code == 0
    assert {path: sha for path, sha in hashes(repository).items() if not path.startswith(".fhfix/")} == before


def test_undo_refuses_by_name_where_somebody_edited_since(repository: Path) -> None:
    fhfix("apply", "--select", RULE, repository)
    edited = (repository / PATH).read_text() + "# mine\n"
    (repository / PATH).write_text(edited)

    result = fhfix("undo", repository)

    assert result.exit_code == 3
    assert PATH in result.output
    assert (repository / PATH).read_text() == edited


def test_undo_of_nothing_says_so(repository: Path) -> None:
    result = fhfix("undo", repository)

    assert result.exit_code == 3
    assert "nothing to undo" in result.output


def test_the_patch_of_a_dry_run_is_taken_by_git(repository: Path) -> None:
    result = fhfix("apply", "--dry-run", "--format", "patch", "--select", RULE, repository)

    subprocess.run(["git", "apply", "-"], cwd=repository, input=result.stdout_bytes, check=True)

    assert (repository / PATH).read_text() == WORKFLOW.replace(" || true", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "nowhere"), "nowhere: no such file or folder"),
        (("check", "--select", "silent-typecheck", "."), "silent-type-check"),
        (("check", "--set", "rules.outdated-action.polciy=latest", "."), "policy"),
        (("check", "--config", "missing.toml", "."), "missing.toml"),
        (("check", "--changed-since", "no-such-branch", "."), "no-such-branch"),
        (("explain", "silent-type-chek"), "did you mean silent-type-check"),
        (("apply", "--format", "xml", "."), "xml"),
    ],
)
def test_wrong_usage_is_one_clear_message_and_exit_code_2(
    repository: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(repository)
    subprocess.run(["git", "init", "-q"], check=True)

    result = fhfix(*words)

    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_configuration_with_an_unknown_key_is_an_error_with_a_suggestion(repository: Path) -> None:
    (repository / ".fhfix.toml").write_text('selct = ["ci"]\n')

    result = fhfix("check", repository)

    assert result.exit_code == 2
    assert "select" in result.output


def test_a_pattern_that_is_none_is_an_error_on_the_command_line_too(repository: Path) -> None:
    result = fhfix("check", "--exclude", "!", repository)

    assert result.exit_code == 2
    assert "--exclude '!': not a pattern" in result.output


def test_a_baseline_that_cannot_be_written_is_named(repository: Path) -> None:
    result = fhfix("check", "--write-baseline", repository / "nowhere/known.json", repository)

    assert result.exit_code == 3
    assert "known.json: cannot be written: No such file or directory" in result.output


def test_rules_can_be_given_with_commas(repository: Path) -> None:
    assert fhfix("check", "--select", f"docker, {RULE}", repository).exit_code == 1
    assert fhfix("check", "--select", f"ci,{RULE}", "--ignore", "ci,docker", repository).exit_code == 0


def test_an_apply_says_that_it_wrote_and_how_it_is_taken_back(repository: Path) -> None:
    assert "written" not in fhfix("apply", "--dry-run", repository).output
    assert "`fhfix undo` takes it back" in fhfix("apply", repository).stderr
    assert "written" not in fhfix("apply", repository).output, "there was nothing left to write"


def test_files_that_cannot_be_handled_are_named_with_advice_and_the_others_are_done(repository: Path) -> None:
    folder = repository / ".github/workflows"
    (folder / "latin.yml").write_bytes(b"name: caf\xe9\n")
    (folder / "broken.yml").write_text("jobs: [\n")
    (folder / "huge.yml").write_text("#" * (5 * 1024 * 1024))
    (folder / "binary.yml").write_bytes(b"\0\1\2")
    (folder / "folder.yml").mkdir()
    (folder / "outside.yml").symlink_to("/etc/hostname")
    (repository / "manage.py").write_text("")
    (repository / "shop").mkdir()
    (repository / "shop/settings.py").write_text("DATABASES = {\nINSTALLED_APPS = []\n")

    result = fhfix("apply", "--ignore", "missing-trivy-scan", repository)

    assert result.exit_code == 1
    assert (repository / PATH).read_text() == WORKFLOW.replace(" || true", "")
    for name in ("latin.yml", "broken.yml", "huge.yml", "binary.yml", "outside.yml"):
        (line,) = [each for each in result.stderr.splitlines() if name in each]
        assert line.startswith("fhfix: not handled: .github/workflows/")
        assert "; " in line, "what to do"
    assert "Traceback" not in result.output


def test_an_empty_folder_without_git_is_no_trouble(tmp_path: Path) -> None:
    assert fhfix("check", tmp_path).exit_code == 0
    assert fhfix("apply", tmp_path).exit_code == 0


def test_one_file_can_be_checked(repository: Path) -> None:
    other = repository / ".github/workflows/other.yml"
    other.write_text(WORKFLOW)

    result = fhfix("check", "--select", RULE, other)

    assert "other.yml" in result.output
    assert "ci.yml" not in result.output


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["Dockerfile"], "outside of Dockerfile"),
        ([".", "--exclude", ".dockerignore"], "which is excluded"),
        ([".", "--config", "apart.toml"], "which is excluded"),
        (["by-comment"], "which is excluded"),
    ],
)
def test_a_fix_does_not_reach_into_files_that_are_left_alone(
    repository: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], reason: str
) -> None:
    monkeypatch.chdir(repository)
    subprocess.run(["git", "init", "-q"], check=True)
    (repository / "Dockerfile").write_text("FROM scratch\nCOPY . .\nUSER 1\n")
    (repository / "apart.toml").write_text('[per-path-ignores]\n".dockerignore" = ["docker"]\n')

    if options == ["by-comment"]:
        options = ["."]
        (repository / ".dockerignore").write_text("# fhfix: ignore-file[leaky-builder-stage] made elsewhere\n")
    before = hashes(repository)

    result = fhfix("check", "--select", "leaky-builder-stage", *options)

    assert f"no fix: its fix also changes .dockerignore, {reason}" in result.output
    assert fhfix("apply", "-q", "--select", "leaky-builder-stage", *options).exit_code == 1
    assert hashes(repository) == before


def test_a_subfolder_is_looked_at_with_the_whole_repository_in_mind(repository: Path) -> None:
    subprocess.run(["git", "init", "-q", str(repository)], check=True)

    result = fhfix("check", "--select", RULE, repository / ".github")

    assert f"{PATH}:8" in result.output


def test_what_git_ignores_and_what_is_vendored_does_not_count(repository: Path) -> None:
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    (repository / ".gitignore").write_text("scratch/\n")
    for folder in ("scratch", "node_modules/x", "venv/lib/python3.12/site-packages/y", "env"):
        path = repository / folder / PATH
        path.parent.mkdir(parents=True)
        path.write_text(WORKFLOW)
    (repository / "env/pyvenv.cfg").write_text("home = /usr\n")
    subprocess.run(["git", "-C", str(repository), "add", "-f", "node_modules", "venv", "env"], check=True)

    result = fhfix("check", "-q", "--select", RULE, repository)

    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [PATH]


def test_where_git_refuses_to_list_the_files_nothing_is_guessed(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    with monkeypatch.context() as patch:
        patch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        result = fhfix("apply", repository)
    assert result.exit_code == 2
    assert f"{repository}: belongs to another user, so git does not list its files; git config" in result.output

    (repository / ".git/index").write_text("broken")
    result = fhfix("apply", repository)
    assert result.exit_code == 2
    assert f"{repository}: git cannot list its files: fatal:" in result.output
    assert (repository / PATH).read_text() == WORKFLOW


def test_a_submodule_that_was_copied_without_its_git_is_a_folder(repository: Path) -> None:
    (repository / ".git").write_text("gitdir: ../elsewhere\n")

    assert fhfix("check", "--select", RULE, repository).exit_code == 1


def test_a_generated_workflow_is_refused_by_name(repository: Path) -> None:
    (repository / PATH).write_text("# Generated by tool; do not edit.\n" + WORKFLOW)

    result = fhfix("apply", repository)

    assert "generated" in result.stderr
    assert "|| true" in (repository / PATH).read_text()


def test_a_comment_about_other_generated_things_refuses_nothing(repository: Path) -> None:
    (repository / PATH).write_text("# Attaches the provenance generated by the builder.\n" + WORKFLOW)

    assert fhfix("check", "--select", RULE, repository).exit_code == 1


def test_a_template_is_not_asked_to_be_repaired(repository: Path) -> None:
    for name in ("{{cookiecutter.slug}}", "templates"):
        path = repository / name / PATH
        path.parent.mkdir(parents=True)
        path.write_text("jobs:\n  {% if tests %}\n" + WORKFLOW)

    result = fhfix("check", "--select", RULE, repository)

    assert "2 files: a template, of which a file is made later; run fhfix on what is made of it" in result.stderr


def test_the_data_of_tests_counts_only_where_it_is_asked_for(repository: Path) -> None:
    path = repository / "tests/fixtures/bad" / PATH
    path.parent.mkdir(parents=True)
    path.write_text(WORKFLOW)

    assert "fixtures" not in fhfix("check", "-q", "--select", RULE, repository).stdout
    (repository / ".git").mkdir()
    assert "fixtures" in fhfix("check", "-q", "--select", RULE, repository / "tests/fixtures/bad").stdout


def test_a_path_that_is_not_utf_8_is_shown_and_handled(repository: Path) -> None:
    strange = os.fsdecode(b"caf\xe9.yml")
    (repository / ".github/workflows" / strange).write_text(WORKFLOW)

    made = process("check", "-q", "--select", RULE, repository)

    assert made.returncode == 1
    assert b"Traceback" not in made.stderr
    assert len(made.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "-o", "FILE"),
        pytest.param(("preview", "--html", "FILE"), marks=pytest.mark.slow),
        pytest.param(("check", "--write-baseline", "FILE"), marks=pytest.mark.slow),
        pytest.param(("init", "."), marks=pytest.mark.slow),
    ],
)
def test_a_document_may_speak_of_a_path_that_is_not_utf_8(
    repository: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (repository / PATH).rename(repository / ".github/workflows" / os.fsdecode(b"caf\xe9.yml"))
    made = process(*(str(tmp_path / "x") if word == "FILE" else word for word in words), cwd=repository)

    assert (made.returncode, b"Traceback" in made.stderr) == (0, False)


def test_output_that_cannot_be_written_is_one_line(repository: Path, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with (tmp_path / "out").open("wb") as out:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # as on a full disk; stderr is a pipe
        try:
            made = process("check", repository, stdout=out)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert (made.returncode, made.stderr) == (3, b"fhfix: [Errno 27] File too large\n")


@pytest.mark.parametrize("form", ["json", "sarif", "github"])
def test_machine_formats_come_alone_on_standard_output(repository: Path, form: str) -> None:
    result = fhfix("check", "--format", form, "--select", RULE, repository)

    assert result.exit_code == 1
    if form == "github":
        assert result.stdout.startswith("::")
    else:
        assert json.loads(result.stdout)


def test_every_rule_is_listed_and_can_be_explained() -> None:
    listed = fhfix("rules")
    assert listed.exit_code == 0
    for rule in all_rules():
        assert rule.id in listed.output
        explained = fhfix("explain", rule.id)
        assert explained.exit_code == 0
        assert "## Why" in explained.output


def test_every_command_has_help() -> None:
    result = fhfix("--help")
    assert result.exit_code == 0
    for line in ("check", "apply", "undo", "preview", "pr", "audit", "rules", "explain", "catalog", "init"):
        assert line in result.output
        assert fhfix(line, "--help").exit_code == 0


def test_the_version_says_how_old_the_catalog_is() -> None:
    result = CliRunner().invoke(main, ["--version"])

    assert result.exit_code == 0
    assert re.fullmatch(r"fhfix, version \S+; catalog of actions as of \d{4}-\d\d-\d\d\n", result.output)


def test_check_says_which_actions_it_does_not_know(tmp_path: Path) -> None:
    text = (
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: some/thing@v1\n      - uses: other/one@v2\n"
    )
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "ci.yml").write_text(text)

    said = CliRunner().invoke(main, ["check", str(tmp_path)]).output

    assert "2 actions are not in the catalog, so nothing is said of their versions: other/one, some/thing." in said
    assert "catalog" not in CliRunner().invoke(main, ["check", "--quiet", str(tmp_path)]).output
