"""Every rule does to its fixtures exactly what stands there, in four shapes, and nothing twice."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from fixer.model import Blocked, Plan
from fixer.registry import all_rules
from fixer.selection import answer
from fixer.show.words import configuration
from tests.fixture_cases import CASES, SHAPES, Case, opened, planned, shaped

RULES = {rule.id: rule for rule in all_rules()}
FIRST = {case.rule_id: case for case in reversed(CASES)}.values()
"""One case of each rule: those that `make` tries with all rules together; `make test` tries all."""
LINE = re.compile(r"\bline \d|\.(py|sh|ya?ml|toml|cfg|ini|env|json):\d|\bDockerfile:\d")
"""The number of a line in words."""
QUICK = ("as is", "CRLF")
"""The shapes that `make` tries; `make test` tries all."""


def files_of(plan: Plan) -> dict[str, bytes]:
    return {path: change.after.to_bytes() for path, change in plan.files.items()}


def faults_of(plan: Plan) -> list[str]:
    """The faults, in words. A file that is refused with a reason (generated, not YAML) is no fault."""
    return [f"{fault.rule_id}: {fault.path}: {fault.what}" for fault in plan.faults]


@pytest.mark.parametrize(
    "shape", [pytest.param(shape, marks=[] if shape in QUICK else [pytest.mark.slow]) for shape in SHAPES]
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_rule_makes_of_before_what_stands_in_after(case: Case, shape: str, tmp_path: Path) -> None:
    before = shaped(case.before, SHAPES[shape])
    existing = {path: data for path, data in case.after.items() if path in before}
    new = {path: data for path, data in case.after.items() if path not in before}

    found = planned(tmp_path, before, [RULES[case.rule_id]], case.config)

    assert faults_of(found) == []
    assert files_of(found) == shaped(existing, SHAPES[shape]) | new
    assert bool(found.taken) == bool(case.after)


@pytest.mark.parametrize("case", [case for case in CASES if case.after], ids=lambda case: case.name)
def test_what_the_rule_has_fixed_it_leaves_alone(case: Case, tmp_path: Path) -> None:
    found = planned(tmp_path, case.before | case.after, [RULES[case.rule_id]], case.config)

    assert faults_of(found) == []
    assert [reported.finding.message for reported in found.taken] == []


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case in FIRST else [pytest.mark.slow], id=case.name) for case in CASES]
)
def test_all_rules_together_answer_each_finding_and_come_to_an_end(case: Case, tmp_path: Path) -> None:
    everything = list(RULES.values())

    session = opened(tmp_path, case.before, everything, case.config)
    checked = [reported.id for reported in session.check().findings]
    found = session.plan()
    again = planned(tmp_path, files_of(found), everything, case.config) if found.files else found

    assert faults_of(found) == []
    assert sorted(reported.id for reported in (*found.answered, *found.left)) == sorted(set(checked))
    assert len(checked) == len(set(checked))
    said = [(r.rule.id, r.finding.path, r.finding.span, r.finding.message) for r in found.left]
    assert len(said) == len(set(said)), "nothing is said twice"
    # Ids are made of these words, and must not move when lines do.
    words = {words for r in found.taken for words in (r.finding.message, answer(r)[1])}
    assert [each for each in words if LINE.search(each)] == []
    cures = [r.finding.cure for r in found.left if isinstance(r.finding.cure, Blocked)]
    assert all(cure.next_step for cure in cures)
    tomllib.loads("\n".join(configuration(cures)))
    assert faults_of(again) == []
    assert [reported.finding.message for reported in again.taken] == []
