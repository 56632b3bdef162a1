"""Ids name fixes for a person: the same words, the same id, whatever else changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixer.cli import main
from fixer.selection import Chosen, fix_ids, group_id, ids_in
from tests import examples

PATH = ".github/workflows/ci.yml"
BEFORE = """\
on: push
jobs:
  types:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v3
      - run: mypy . || true
      - uses: actions/checkout@v3
      - uses: actions/setup-python@v4
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repo" / PATH
    path.parent.mkdir(parents=True)
    path.write_text(BEFORE)
    return tmp_path / "repo"


def fhfix(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def shown(repository: Path) -> dict[str, str]:
    """The id that a dry run shows, by rule and title."""
    said = json.loads(fhfix("apply", "--dry-run", "--format", "json", repository).stdout)
    return {f"{each['rule']} {each['fix']['title']}": each["id"] for each in said["taken"]}


def test_findings_that_are_alike_have_ids_of_their_own_and_one_of_their_group() -> None:
    silent = examples.report().findings[0]

    one, other = fix_ids([silent, silent])
    assert one != other
    assert fix_ids([silent]) == [one]
    assert group_id(silent) not in (one, other)


def test_an_id_stays_when_lines_above_change(repository: Path) -> None:
    before = shown(repository)
    (repository / PATH).write_text("# a comment\n\n" + BEFORE)

    assert shown(repository) == before


def test_only_the_fixes_that_are_named_are_made(repository: Path) -> None:
    (name,) = [i for words, i in shown(repository).items() if words.startswith("silent-type-check")]

    result = fhfix("apply", "--only", name, repository)

    assert result.exit_code == 0, result.output
    assert (repository / PATH).read_text() == BEFORE.replace(" || true", "")


def test_a_group_is_taken_by_its_one_id(repository: Path) -> None:
    from fixer.session import open_session

    made = open_session(repository).plan()
    (checkout,) = {group_id(r) for r in made.taken if "checkout" in r.finding.message}

    assert fhfix("apply", "--only", checkout, repository).exit_code == 0
    text = (repository / PATH).read_text()
    assert "checkout@v3" not in text
    assert "setup-python@v4" in text


def test_a_file_of_ids_is_a_selection(repository: Path, tmp_path: Path) -> None:
    names = [i for words, i in shown(repository).items() if words.startswith("silent-type-check")]
    file = tmp_path / "chosen.txt"
    file.write_text(f"# what we take\n{names[0]}  # the type check\n")

    assert fhfix("apply", "--selection", file, repository).exit_code == 0
    assert (repository / PATH).read_text() == BEFORE.replace(" || true", "")


def test_an_id_that_no_fix_has_is_said_and_fails(repository: Path) -> None:
    result = fhfix("apply", "--only", "00000000", repository)

    assert result.exit_code == 1
    assert "no fix has the id 00000000" in result.stderr
    assert (repository / PATH).read_text() == BEFORE


@pytest.mark.parametrize("words", ["3f2a91b", "silent-type-check", "3F2A91BC"])
def test_what_is_no_id_is_a_usage_error(repository: Path, words: str) -> None:
    result = fhfix("apply", "--only", words, repository)

    assert result.exit_code == 2
    assert "is no id" in result.stderr


def test_ids_stand_between_commas_blanks_and_comments() -> None:
    assert ids_in("3f2a91bc,00000000  # why\n\n11111111") == ("3f2a91bc", "00000000", "11111111")


def test_what_was_not_met_is_known() -> None:
    silent, outdated = examples.report().findings[:2]
    chosen = Chosen([*fix_ids([silent]), *fix_ids([outdated])])

    assert chosen(silent, None)
    assert chosen.unmet == tuple(fix_ids([outdated]))
