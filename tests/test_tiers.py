"""Which fixes are safe: nothing that runs elsewhere, or is somebody else's, can turn out otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.model import Fix, Tier
from fixer.registry import all_rules
from tests.fixture_cases import planned

RULES = {rule.id: rule for rule in all_rules()}
PATH = ".github/workflows/ci.yml"


def fix_of(root: Path, rule: str, text: str) -> Fix:
    (reported,) = planned(root, {PATH: text.encode()}, [RULES[rule]]).taken
    assert isinstance(reported.finding.cure, Fix)
    return reported.finding.cure


@pytest.mark.parametrize(
    ("machine", "tier"),
    [
        ("ubuntu-latest", Tier.SAFE),
        ("self-hosted", Tier.REVIEW),
        ("{group: large}", Tier.REVIEW),
        ("ubuntu-latest\n    container: debian:10", Tier.REVIEW),
    ],
)
def test_an_option_of_curl_is_safe_where_its_version_is_known(machine: str, tier: Tier, tmp_path: Path) -> None:
    steps = "      - run: kubectl apply -f k8s\n      - run: curl -f https://shop.example/health\n"

    fix = fix_of(
        tmp_path,
        "single-shot-health-check",
        f"on: push\njobs:\n  deploy:\n    runs-on: {machine}\n    steps:\n{steps}",
    )

    assert (fix.tier, bool(fix.todo)) == (tier, tier is Tier.REVIEW)


@pytest.mark.parametrize(
    ("action", "tier"),
    [("actions/checkout@v3", Tier.SAFE), ("azure/docker-login@v1", Tier.REVIEW)],
)
def test_whose_code_a_job_runs_is_for_a_person_to_decide(action: str, tier: Tier, tmp_path: Path) -> None:
    given = '\n        with: {login-server: shop.example, username: ada, password: "${{ secrets.KEY }}"}'
    step = f"      - uses: {action}{given if tier is Tier.REVIEW else ''}\n"

    fix = fix_of(tmp_path, "outdated-action", f"on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{step}")

    assert fix.tier is tier


def test_each_retired_command_is_told_what_became_of_it(tmp_path: Path) -> None:
    text = (
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n"
        '          echo "::set-env name=A::1"\n          echo "::add-path::bin"\n'
        '          echo "::set-output name=b::2"\n'
    )

    (reported,) = planned(tmp_path, {PATH: text.encode()}, [RULES["retired-workflow-command"]]).taken

    assert reported.finding.message == "`::set-env` and `::add-path` fail the step; `::set-output` is retired"


@pytest.mark.parametrize(
    ("others", "tier"),
    [
        ({}, Tier.REVIEW),
        ({"compose.yaml": b"services:\n  web: {build: web}\n"}, Tier.SAFE),
    ],
)
def test_an_ignore_file_is_safe_where_the_folder_of_the_build_is_known(
    others: dict[str, bytes], tier: Tier, tmp_path: Path
) -> None:
    dockerfile = b'FROM python:3.13\nWORKDIR /app\nCOPY . .\nCMD ["python", "app.py"]\n'
    files = {"web/Dockerfile": dockerfile, "web/app.py": b"print(1)\n", **others}

    (reported,) = planned(tmp_path, files, [RULES["leaky-builder-stage"]]).taken

    assert isinstance(reported.finding.cure, Fix)
    assert (reported.finding.cure.tier, bool(reported.finding.cure.todo)) == (tier, tier is Tier.REVIEW)


@pytest.mark.parametrize(
    ("end", "fixed"),
    [
        ("exit 1", True),
        ('[ "$status" = 200 ]', True),
        ("echo gave up", False),
        ("exit 0", False),
        ("", False),
    ],
)
def test_a_loop_goes_on_only_where_the_step_fails_at_last(end: str, fixed: bool, tmp_path: Path) -> None:
    script = f"""\
          for i in 1 2 3; do
            status=$(curl -s -o /dev/null -w '%{{http_code}}' https://shop.example/health)
            [ "$status" = 200 ] && break
            sleep 5
          done
          {end}
"""
    steps = f"      - run: kubectl apply -f k8s\n      - run: |\n{script}"
    text = f"on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n{steps}"

    plan = planned(tmp_path, {PATH: text.encode()}, [RULES["single-shot-health-check"]])

    assert (len(plan.taken), len(plan.left)) == (int(fixed), int(not fixed))
