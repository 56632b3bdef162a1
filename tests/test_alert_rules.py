"""What is said where rules for alerts may not reach the Prometheus that is to read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.model import Fix
from fixer.registry import all_rules
from tests.fixture_cases import CASES, planned

RULES = [rule for rule in all_rules() if rule.id == "missing-alerts"]


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("prometheus-without-rules", False),
        ("prometheus-with-its-folder", False),
        ("prometheus-built-with-its-file", True),
    ],
)
def test_a_file_of_rules_that_no_container_mounts_is_for_a_person(case: str, says: bool, tmp_path: Path) -> None:
    (chosen,) = [each for each in CASES if each.name == f"missing-alerts/{case}"]
    found = planned(tmp_path, chosen.before, RULES)
    cures = [each.finding.cure for each in found.taken]
    todo = [line for cure in cures if isinstance(cure, Fix) for line in cure.todo]

    assert any(line.startswith("Bring monitoring/alerts.yml to where Prometheus reads") for line in todo) == says
