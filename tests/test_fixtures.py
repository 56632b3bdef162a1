"""Every rule does to its fixtures exactly what stands there, in four shapes, and nothing twice."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from fixer.model import Blocked, Fix, Plan
from fixer.registry import all_rules
from fixer.selection import group_words
from fixer.show.words import configuration
from tests.fixture_cases import CASES, SHAPES, Case, opened, planned, sampled, shaped

RULES = {rule.id: rule for rule in all_rules()}
LINE = re.compile(r"\bline \d|\.(py|sh|ya?ml|toml|cfg|ini|env|json):\d|\bDockerfile:\d")
"""The number of a line in words."""
QUICK = [pytest.param(case, "as is", id=f"{case.name}-as is") for case in CASES]
SHAPED = [
    pytest.param(*each.values, shape, marks=each.marks, id=f"{each.id}-{shape}")
    for shape in SHAPES
    if shape != "as is"
    for each in sampled(CASES)
]
"""`make` tries each case as it is, and one of each rule in the other shapes; `make test` tries all."""


def files_of(plan: Plan) -> dict[str, bytes]:
    return {path: change.after.to_bytes() for path, change in plan.files.items()}


def faults_of(plan: Plan) -> list[str]:
    """The faults, in words. A file that is refused with a reason (generated, not YAML) is no fault."""
    return [f"{fault.rule_id}: {fault.path}: {fault.what}" for fault in plan.faults]


def jobs_spoken_of(plan: Plan) -> set[bytes]:
    """The ids of jobs that effects begin with."""
    effects = [
        effect for each in plan.taken if isinstance(each.finding.cure, Fix) for effect in each.finding.cure.effects
    ]
    return {found[1].encode() for effect in effects if (found := re.match(r"jobs\.([\w-]+):", effect))}


@pytest.mark.parametrize(("case", "shape"), [*QUICK, *SHAPED])
def test_the_rule_makes_of_before_what_stands_in_after(case: Case, shape: str, tmp_path: Path) -> None:
    before = shaped(case.before, SHAPES[shape])
    existing = {path: data for path, data in case.after.items() if path in before}
    new = {path: data for path, data in case.after.items() if path not in before}

    found = planned(tmp_path, before, [RULES[case.rule_id]], case.config)

    assert faults_of(found) == []
    assert files_of(found) == shaped(existing, SHAPES[shape]) | new
    assert bool(found.taken) == bool(case.after)
    assert jobs_spoken_of(found) <= set(
        re.findall(rb"^ +[\"']?([\w-]+)[\"']?:", b"\n".join(files_of(found).values()), re.M)
    )


@pytest.mark.parametrize("case", [case for case in CASES if case.after], ids=lambda case: case.name)
def test_what_the_rule_has_fixed_it_leaves_alone(case: Case, tmp_path: Path) -> None:
    found = planned(tmp_path, case.before | case.after, [RULES[case.rule_id]], case.config)

    assert faults_of(found) == []
    assert [reported.finding.message for reported in found.taken] == []


@pytest.mark.parametrize("case", sampled(CASES))
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
    reported = (*found.taken, *found.left)
    words = {words for r in reported for words in (r.finding.message, group_words(r)[1])}
    assert [each for each in words if LINE.search(each)] == []
    cures = [r.finding.cure for r in found.left if isinstance(r.finding.cure, Blocked)]
    assert all(cure.next_step for cure in cures)
    tomllib.loads("\n".join(configuration(cures)))
    assert faults_of(again) == []
    assert [reported.finding.message for reported in again.taken] == []
