"""Comments, patterns and baselines that ignore nothing are found, at the level note; those that do are left alone."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent

import pytest
from click.testing import CliRunner, Result

from fixer.cli import main
from fixer.github.workflow import Workflow
from fixer.languages.comments import comments_among
from fixer.model import Blocked, Document, Fix, Level, Reported, Source, Span
from fixer.session import open_session
from tests.fixture_cases import write
from transforms.fhfix import useless_ignore
from transforms.fhfix.useless_ignore import SUGGESTIONS

WORKFLOW = """\
on: push
jobs:
  types:
    runs-on: ubuntu-latest
    steps:
      - run: mypy . || true{comment}
      - run: |
          make
"""
PATH = ".github/workflows/ci.yml"


def fhfix(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def useless(root: Path) -> list[Reported]:
    return [each for each in open_session(root).check().findings if each.rule.id == "useless-ignore"]


@pytest.mark.parametrize(
    ("comment", "says", "left"),
    [
        ("  # fhfix: ignore[silent-typecheck]", "did you mean 'silent-type-check'", ""),
        ("  # fhfix: ignore", "names no rule", ""),
        ("  # fhfix: ignore[] why not", "names no rule", ""),
        ("  # fhfix: ignore[hardcoded-sleep] it waits", "no rule that it names finds anything here", ""),
        ("  # noqa # fhfix: ignore[hardcoded-sleep]", "finds anything here", "  # noqa"),
        ("  # fhfix: ignore[hardcoded-sleep] # noqa", "finds anything here", " # noqa"),
        ("  # fhfix: ignore[ci, typo] it is so", "ignores nothing by 'typo'", "  # fhfix: ignore[ci] it is so"),
    ],
)
def test_a_comment_that_ignores_nothing_is_found_and_taken_away(
    tmp_path: Path, comment: str, says: str, left: str
) -> None:
    write(tmp_path, {PATH: WORKFLOW.format(comment=comment)})
    (found,) = useless(tmp_path)

    assert says in found.finding.message
    assert found.level is Level.NOTE
    assert isinstance(found.finding.cure, Fix)
    assert found.finding.span.start == WORKFLOW.index("{comment}") + comment.index("# fhfix")

    plan = open_session(tmp_path, tier=None, exclude=[]).plan(lambda each, _: each.rule.id == "useless-ignore")
    assert plan.files[PATH].after.text == WORKFLOW.format(comment=left)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_comment_on_its_own_line_goes_with_its_line(tmp_path: Path, ends: str) -> None:
    whole = ("# fhfix: ignore-file[root-user]\n# about us\n" + WORKFLOW.format(comment="")).replace("\n", ends)
    write(tmp_path, {PATH: whole})
    plan = open_session(tmp_path, ignore=["silent-type-check"]).plan()

    assert plan.files[PATH].after.text == whole.removeprefix("# fhfix: ignore-file[root-user]" + ends)


@pytest.mark.parametrize(
    "files",
    [
        {PATH: WORKFLOW.format(comment="  # fhfix: ignore[silent-type-check]")},
        {PATH: WORKFLOW.format(comment="  # fhfix: ignore[ci, D-010] one is enough")},
        {PATH: "# fhfix: ignore-file[all]\n" + WORKFLOW.format(comment="")},
        {PATH: WORKFLOW.format(comment="  # fhfix: ignore[hardcoded-sleep, useless-ignore]")},
        {PATH: WORKFLOW.format(comment="  # fhfix: ignored by all")},
        {"config/settings.py": 'NOTE = """\n# fhfix: ignore[typo]\n"""\nINSTALLED_APPS = []\n', "manage.py": ""},
    ],
)
def test_what_does_something_or_is_a_text_is_left_alone(tmp_path: Path, files: dict[str, str]) -> None:
    assert useless(write(tmp_path, files)) == []


def test_a_comment_for_a_rule_that_was_not_asked_is_not_judged(tmp_path: Path) -> None:
    write(tmp_path, {PATH: WORKFLOW.format(comment="  # fhfix: ignore[silent-type-check]")})

    assert fhfix("check", "--ignore", "silent-type-check", tmp_path).exit_code == 0


def test_a_comment_within_a_script_is_named_and_left_to_a_person(tmp_path: Path) -> None:
    text = WORKFLOW.format(comment="").replace("          make", "          make  # fhfix: ignore[typo]")
    (found,) = useless(write(tmp_path, {PATH: text}))

    assert isinstance(found.finding.cure, Blocked)
    assert "delete it by hand" in found.finding.cure.next_step


def test_patterns_that_match_no_file_are_found_where_they_stand(tmp_path: Path) -> None:
    config = 'exclude = ["old/**", "docs/"]\n[per-path-ignores]\n"gone.yml" = ["ci"]\n"*.yml" = ["docker"]\n'
    write(tmp_path, {".fhfix.toml": config, "docs/a.md": "", PATH: WORKFLOW.format(comment="")})
    found = useless(tmp_path)

    assert [each.finding.message for each in found] == [
        "the pattern 'old/**' matches no file",
        "the pattern 'gone.yml' matches no file",
    ]
    assert [config[each.finding.span.start : each.finding.span.end] for each in found] == ['"old/**"', '"gone.yml"']


def test_entries_of_a_baseline_that_match_nothing_are_found(tmp_path: Path) -> None:
    write(tmp_path, {PATH: WORKFLOW.format(comment="")})
    baseline = tmp_path / "known.json"
    fhfix("check", "--write-baseline", baseline, tmp_path)

    assert fhfix("check", "--baseline", baseline, tmp_path).exit_code == 0

    write(tmp_path, {PATH: WORKFLOW.format(comment="").replace(" || true", "")})
    result = fhfix("check", "--baseline", baseline, tmp_path)

    assert result.exit_code == 1
    assert "1 of 1 entries of the baseline match no finding any more" in result.stdout
    assert f"fhfix check --write-baseline {baseline.name}" in result.stdout


def test_who_does_not_want_to_hear_it_leaves_it_out_by_name(tmp_path: Path) -> None:
    write(tmp_path, {PATH: WORKFLOW.format(comment="  # fhfix: ignore").replace(" || true", "")})

    assert fhfix("check", tmp_path).exit_code == 1
    assert fhfix("check", "--ignore", "useless-ignore", tmp_path).exit_code == 0
    assert fhfix("check", "--min-severity", "warning", tmp_path).exit_code == 0


MANY = "# fhfix: ignore[hardcoded-sleep]\n" * 40


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        (MANY + WORKFLOW.format(comment=""), Fix),
        (WORKFLOW.format(comment="").replace("          make\n", "          make\n" + indent(MANY, " " * 10)), Blocked),
    ],
)
def test_many_comments_that_ignore_nothing_cost_a_few_readings_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, cure: type
) -> None:
    write(tmp_path, {PATH: text})
    read: list[Source] = []
    parse = Workflow.parse.__func__  # type: ignore[attr-defined]

    def counted(kind: type[Workflow], source: Source) -> Workflow:
        read.append(source)
        made: Workflow = parse(kind, source)
        return made

    monkeypatch.setattr(Workflow, "parse", classmethod(counted))

    found = useless(tmp_path)

    assert len(found) == 40
    assert all(isinstance(each.finding.cure, cure) for each in found)
    assert len(read) < 10


def test_names_are_compared_with_those_that_there_are_only_so_often(tmp_path: Path) -> None:
    names = [f"hardcoded-slee{number}" for number in range(SUGGESTIONS + 5)]
    comments = "".join(f"# fhfix: ignore[{name}]\n" for name in names)
    found = useless(write(tmp_path, {PATH: comments + WORKFLOW.format(comment="")}))

    assert [("did you mean" in each.finding.message) for each in found] == [True] * SUGGESTIONS + [False] * 5


def test_a_comment_of_many_names_is_said_in_a_few(tmp_path: Path) -> None:
    names = ",".join(f"x{number}" for number in range(2000))
    (found,) = useless(write(tmp_path, {PATH: f"# fhfix: ignore[{names}]\n" + WORKFLOW.format(comment="")}))

    assert "'x8', 'x9' and 1990 more" in found.finding.message
    assert len(found.finding.message) < 1000


def test_the_file_whose_comments_cost_too_much_is_named_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# fhfix: ignore[typo]\n" + WORKFLOW.format(comment="").replace(" || true", "")
    write(tmp_path, {".github/workflows/costly.yml": text, ".github/workflows/late.yml": text})

    def among(document: Document, spans: Sequence[Span]) -> frozenset[int]:
        if document.source.path.endswith("costly.yml"):
            signal.raise_signal(signal.SIGVTALRM)  # its time is up
        return comments_among(document, spans)

    monkeypatch.setattr(useless_ignore, "comments_among", among)

    done = fhfix("check", tmp_path)

    assert "not handled: .github/workflows/costly.yml: takes too long" in done.stderr
    assert "late.yml: takes" not in done.stderr
