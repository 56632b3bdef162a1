"""Ids name fixes for a person: the same words, the same id, whatever else changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixer.cli import main
from fixer.engine import check, plan
from fixer.github.workflow import Workflow
from fixer.model import Blocked, Finding, Fix, Plan, Reported, Rule, Span
from fixer.repository import Repository
from fixer.selection import Chosen, group_id, ids_in
from fixer.session import open_session
from tests import examples
from tests.one_workflow import BEFORE, PATH, adding, replacing, with_steps, written


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return written(tmp_path / "repo")


def fhfix(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def shown(repository: Path) -> dict[str, str]:
    """The id that a dry run shows, by rule and title."""
    said = json.loads(fhfix("apply", "--dry-run", "--format", "json", repository).stdout)
    return {f"{each['rule']} {each['fix']['title']}": each["id"] for each in said["taken"]}


def test_findings_that_are_alike_have_ids_of_their_own_and_one_of_their_group(repository: Path) -> None:
    alike = [r for r in open_session(repository).plan().taken if "checkout" in r.finding.message]
    found = [r for r in open_session(repository).check().findings if "checkout" in r.finding.message]

    (group,) = {group_id(reported) for reported in alike}
    assert len({group, *(reported.id for reported in alike)}) == 3
    assert [reported.id for reported in found] == [reported.id for reported in alike]


MAKES = adding("dist", "alpha", "alpha", "alpha")
ALPHA = replacing("alpha", "beta")


def made_of(root: Path, rules: Sequence[Rule], *names: str) -> tuple[Plan, Chosen]:
    chosen = Chosen(names)
    return plan(Repository(root), rules, accept=chosen if names else None), chosen


def test_what_a_fix_writes_is_no_finding_it_is_written_right_at_once(tmp_path: Path) -> None:
    root = with_steps(tmp_path, "make")
    made, _ = made_of(root, [MAKES, ALPHA])

    assert [reported.finding.message for reported in made.taken] == ["no job dist"]
    assert re.findall(r"run: (alpha|beta)", made.files[PATH].after.text) == ["beta"] * 3
    assert {piece.origin for piece in made.files[PATH].pieces} == {None, 0}


def test_each_finding_has_one_answer_also_those_that_go_with_the_fix_of_another(tmp_path: Path) -> None:
    root = with_steps(tmp_path, "alpha1", "alpha2", "almond")
    rules = [replacing("alpha", "beta"), replacing("al", "el")]
    made, _ = made_of(root, rules)
    found = check(Repository(root), rules).findings

    assert {number: [gone.finding.message for gone in along] for number, along in made.along.items()} == {
        0: ["step pha1 runs al"],
        1: ["step pha2 runs al"],
    }
    assert sorted(reported.id for reported in (*made.answered, *made.left)) == sorted(each.id for each in found)


def test_what_a_fix_brings_and_nobody_can_fix_is_left_to_a_person(tmp_path: Path) -> None:
    def stuck(workflow: Workflow) -> Iterator[Finding]:
        for step in workflow.steps:
            if step.run is not None and step.run.value == "beta":
                yield Finding(PATH, step.run.span, "beta is old", Blocked("nobody knows a newer one", "ask"))

    made, _ = made_of(with_steps(tmp_path, "alpha"), [ALPHA, Rule("transforms.ci.old", "no beta", stuck)])

    assert made.left == ()
    (fix,) = (reported.finding.cure for reported in made.taken)
    assert isinstance(fix, Fix)
    assert fix.todo == (f"{PATH}: beta is old: nobody knows a newer one; ask",)


def test_what_a_fix_writes_is_as_the_rules_that_were_asked_want_it(tmp_path: Path) -> None:
    made, _ = made_of(with_steps(tmp_path, "make"), [MAKES])

    assert re.findall(r"run: (alpha|beta)", made.files[PATH].after.text) == ["alpha"] * 3


@pytest.mark.parametrize("first", [[MAKES], []], ids=["before the others", "not made"])
def test_an_id_stays_whatever_other_fixes_put_before_it(first: list[Rule], tmp_path: Path) -> None:
    root = with_steps(tmp_path, "alpha", "make", "alpha")
    everything, _ = made_of(root, [MAKES, ALPHA])
    alone, _ = made_of(root, [ALPHA])
    last = alone.taken[1].id

    assert {reported.id for reported in alone.taken} < {reported.id for reported in everything.taken}
    made, chosen = made_of(root, [MAKES, ALPHA], last, *(everything.taken[0].id for _ in first))
    assert chosen.unmet == ()
    assert re.findall(r"run: (alpha|beta|make)", made.files[PATH].after.text)[-3:] == ["alpha", "make", "beta"]


def test_an_id_stays_when_lines_above_change(repository: Path) -> None:
    before = shown(repository)
    (repository / PATH).write_text("# a comment\n\n" + BEFORE)

    assert shown(repository) == before


@pytest.mark.parametrize("reason", ["line {}: a shell that is not sh", "Dockerfile:{} starts uwsgi, which forks"])
def test_the_id_of_a_group_that_stays_holds_no_line(reason: str) -> None:
    found = [
        Reported(examples.SLEEP, Finding(PATH, Span(0, 0), "it waits", Blocked(reason.format(line), "name it")))
        for line in (7, 31)
    ]

    assert group_id(found[0]) == group_id(found[1])


def test_only_the_fixes_that_are_named_are_made(repository: Path) -> None:
    (name,) = [i for words, i in shown(repository).items() if words.startswith("silent-type-check")]

    result = fhfix("apply", "--only", name, repository)

    assert result.exit_code == 0, result.output
    assert (repository / PATH).read_text() == BEFORE.replace(" || true", "")


def test_a_group_is_taken_by_its_one_id(repository: Path) -> None:
    made = open_session(repository).plan()
    (checkout,) = {group_id(r) for r in made.taken if "checkout" in r.finding.message}

    assert fhfix("apply", "--only", checkout, repository).exit_code == 0
    text = (repository / PATH).read_text()
    assert "checkout@v3" not in text
    assert "mypy . || true" in text


def test_a_file_of_ids_is_a_selection(repository: Path, tmp_path: Path) -> None:
    names = [i for words, i in shown(repository).items() if words.startswith("silent-type-check")]
    file = tmp_path / "chosen.txt"
    file.write_text(f"# what we take\n{names[0]}  # the type check\n")

    assert fhfix("apply", "--selection", file, repository).exit_code == 0
    assert (repository / PATH).read_text() == BEFORE.replace(" || true", "")


@pytest.mark.parametrize("words", [[], ["--dry-run"], ["--dry-run", "--format", "json"]])
def test_an_id_that_nothing_has_is_a_usage_error_that_names_those_near_it(repository: Path, words: list[str]) -> None:
    (name,) = [i for title, i in shown(repository).items() if title.startswith("silent-type-check")]
    wrong = ("0" if name[0] != "0" else "1") + name[1:]

    result = fhfix("apply", *words, "--only", f"{name},{wrong}", repository)

    assert (result.exit_code, result.stdout) == (2, "")
    assert f"no finding has the id {wrong}; near it: {name} (silent-type-check, {PATH})" in result.stderr
    assert (repository / PATH).read_text() == BEFORE


def test_an_id_without_a_fix_says_why_and_fails(tmp_path: Path) -> None:
    text = BEFORE.replace("run: mypy", "run: sleep 90 && mypy").replace("types:", "deploy:")
    root = written(tmp_path / "repo", text.replace("- uses", "- run: kubectl set image deploy/a a=b\n      - uses", 1))
    stays = [each for each in open_session(root).plan().left if isinstance(each.finding.cure, Blocked)]
    assert stays

    result = fhfix("apply", "--dry-run", "--only", stays[0].id, root)

    assert result.exit_code == 1
    assert f"{stays[0].id} ({stays[0].rule.id}) has no fix: " in result.stderr


def test_what_was_not_named_and_stays_is_no_failure(tmp_path: Path) -> None:
    text = BEFORE.replace("run: mypy", "run: sleep 90 && mypy").replace("types:", "deploy:")
    root = written(tmp_path / "repo", text.replace("- uses", "- run: kubectl set image deploy/a a=b\n      - uses", 1))
    made = open_session(root).plan()
    assert any(isinstance(each.finding.cure, Blocked) for each in made.left)

    assert fhfix("apply", "--only", made.taken[0].id, root).exit_code == 0
    assert fhfix("apply", root).exit_code == 1


@pytest.mark.parametrize("words", ["3f2a91b", "silent-type-check", "3F2A91BC"])
def test_what_is_no_id_is_a_usage_error(repository: Path, words: str) -> None:
    result = fhfix("apply", "--only", words, repository)

    assert result.exit_code == 2
    assert "is no id" in result.stderr


def test_ids_stand_between_commas_blanks_and_comments() -> None:
    assert ids_in("3f2a91bc,00000000  # why\n\n11111111") == ("3f2a91bc", "00000000", "11111111")


def test_what_was_not_met_is_known() -> None:
    silent, outdated = examples.report().findings[:2]
    chosen = Chosen([silent.id, outdated.id])

    assert chosen(silent, None)
    assert chosen.unmet == (outdated.id,)
