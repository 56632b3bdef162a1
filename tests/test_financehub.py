"""All rules over the bundled repository: what `make demo` shows, written out and read line by line in `after`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fixer.model import Blocked, Fix, Plan, Reported
from fixer.registry import all_rules
from tests.fixture_cases import FIXTURES, Case, files, opened, planned

FOLDER = FIXTURES / "financehub"
BEFORE = files(FOLDER / "before")
AFTER = {path: data for path, data in files(FOLDER / "after").items() if BEFORE.get(path) != data}
CONFIG = Case(FOLDER / "before").config

AUDIT = [f"D-009.{n}" for n in range(1, 9)] + [f"D-010.{n}" for n in range(1, 7)] + ["D-011.1", "D-011.2"]
AUDIT += [f"D-012.{n}" for n in range(1, 5)]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return planned(tmp_path_factory.mktemp("financehub"), BEFORE, all_rules(), CONFIG)


def test_every_file_becomes_what_stands_in_after(plan: Plan) -> None:
    assert [str(fault) for fault in plan.faults] == []
    assert {path: change.after.to_bytes().decode() for path, change in plan.files.items()} == {
        path: data.decode() for path, data in AFTER.items()
    }


def test_what_was_committed_by_accident_is_not_ours(plan: Plan) -> None:
    touched = {*plan.files, *(r.finding.path for r in (*plan.taken, *plan.left)), *(p.path for p in plan.problems)}

    assert [path for path in touched if path.startswith(("venv/", "node_modules/"))] == []


@pytest.mark.parametrize("item", AUDIT)
def test_each_item_of_the_audit_is_fixed_or_blocked_with_a_reason(item: str, plan: Plan) -> None:
    found = [reported for reported in (*plan.taken, *plan.left) if item in reported.rule.audit]

    assert found
    assert all(cure.reason for r in found if isinstance(cure := r.finding.cure, Blocked))


def test_each_finding_of_a_check_has_one_answer(plan: Plan, tmp_path: Path) -> None:
    found = [reported.id for reported in opened(tmp_path, BEFORE, all_rules(), CONFIG).check().findings]

    assert sorted(reported.id for reported in (*plan.answered, *plan.left)) == sorted(found)


def test_a_plan_names_the_lines_that_a_check_names(plan: Plan, tmp_path: Path) -> None:
    """Those of the files on disk, although fixes above have moved them since."""

    def lines(reported: Reported) -> list[str]:
        cure = reported.finding.cure
        words = (*cure.effects, *cure.todo) if isinstance(cure, Fix) else (cure.reason, cure.next_step)
        return [line for said in words for line in re.findall(r"[\w./-]+:\d+|line \d+", said)]

    found = {reported.id: reported for reported in opened(tmp_path, BEFORE, all_rules(), CONFIG).check().findings}
    named = {reported.id: lines(reported) for reported in (*plan.taken, *plan.left) if lines(reported)}

    assert named
    assert named == {name: lines(found[name]) for name in named}


def test_what_a_fix_leaves_to_do_elsewhere_is_a_to_do_of_that_fix(plan: Plan) -> None:
    """Once the application counts, a deployment to ECS lacks what brings the counts to CloudWatch: in another file."""
    said = "what the application counts does not reach CloudWatch"
    fixes = [(reported.rule.id, reported.finding.cure) for reported in plan.taken]

    assert [rule for rule, fix in fixes if isinstance(fix, Fix) and any(said in todo for todo in fix.todo)] == [
        "missing-metrics-endpoint"
    ]


def test_a_second_apply_finds_nothing_to_do(tmp_path: Path) -> None:
    again = planned(tmp_path, BEFORE | AFTER, all_rules(), CONFIG)

    assert [str(fault) for fault in again.faults] == []
    assert [f"{reported.rule.id}: {reported.finding.message}" for reported in again.taken] == []


@pytest.mark.slow
@pytest.mark.parametrize("config", ["", '[rules.missing-predeploy-backup]\ninstance = "${{ vars.RDS_INSTANCE }}"\n'])
def test_the_workflow_that_deploys_stays_one_that_people_review(config: str, tmp_path: Path) -> None:
    path = ".github/workflows/deploy.yml"
    made = planned(tmp_path, BEFORE, all_rules(), config)

    gained = len(made.files[path].after.to_bytes().splitlines()) - len(BEFORE[path].splitlines())
    assert gained < 180
