"""A type check that was silent fails its step or job once fhfix has been there, under the runner's own shells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixture_cases import CASES, FIXTURES
from tests.proofs.runner import Runner, WorkflowRun, does_nothing

pytestmark = pytest.mark.needs("node", "github-parser")

CHECKERS = ("mypy", "pyright", "tsc", "flake8", "pylint")
STARTERS = ("npx", "uv", "poetry", "python", "npm")
OTHERS = ("pip", "pip-audit", "docker", "git", "pytest")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Checkers that end as CHECKERS_END says, programs that start them, and others that succeed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for names, script in (
        (CHECKERS, 'echo "checked by $(basename "$0")"; exit "$CHECKERS_END"'),
        (STARTERS, 'case "$*" in *mypy* | *tsc* | *type-check*) echo checked; exit "$CHECKERS_END" ;; esac'),
        (OTHERS, "exit 0"),
    ):
        for name in names:
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
    return folder


def run(text: str, programs: Path, folder: Path, *, checkers_end: int) -> WorkflowRun:
    workspace = folder / f"workspace-{checkers_end}"
    (workspace / "apps/api/src").mkdir(parents=True, exist_ok=True)
    (workspace / "apps/web").mkdir(parents=True, exist_ok=True)
    made = Runner(
        text,
        plays={"actions/checkout": does_nothing},
        path=[programs],
        workspace=workspace,
        inputs={"folder": "apps/api"},
        env={"CHECKERS_END": str(checkers_end)},
    )
    return made.run()


def jobs_of(data: bytes) -> dict[str, Any]:
    """The jobs of a workflow, or what a composite action runs."""
    found = yaml.safe_load(data)
    jobs: dict[str, Any] = found.get("jobs") or {"runs": found["runs"]}
    return jobs


def changed_steps(*, windows: bool) -> Iterator[Any]:
    """Each step that the rule changes and bash runs then, alone in a workflow: before and after."""
    for case in CASES:
        if case.rule_id != "silent-type-check":
            continue
        for path, data in case.after.items():
            before, after = jobs_of(case.before[path]), jobs_of(data)
            for name, job in after.items():
                if windows != ("windows" in f"{job.get('runs-on')} {job.get('strategy')}"):
                    continue
                for number, step in enumerate(job["steps"]):
                    old = before[name]["steps"][number]
                    if step != old and step.get("shell") != "pwsh":
                        yield pytest.param(old, step, id=f"{case.folder.name}/{name}/{number}")


def alone(step: dict[str, Any]) -> str:
    return yaml.safe_dump({"on": "push", "jobs": {"check": {"runs-on": "ubuntu-latest", "steps": [step]}}})


@pytest.mark.parametrize(("before", "after"), list(changed_steps(windows=False)))
def test_a_step_fails_where_it_was_silent_and_passes_where_the_types_are_right(
    before: dict[str, Any], after: dict[str, Any], programs: Path, tmp_path: Path
) -> None:
    assert run(alone(before), programs, tmp_path, checkers_end=1).result == "success"
    assert run(alone(after), programs, tmp_path, checkers_end=1).result == "failure"

    passed = run(alone(after), programs, tmp_path, checkers_end=0)
    assert passed.result == "success", passed.log
    assert "checked" in passed.log


@pytest.mark.parametrize(("before", "after"), list(changed_steps(windows=True)))
def test_what_bash_runs_on_windows_fails_with_its_first_checker(
    before: dict[str, Any], after: dict[str, Any], programs: Path, tmp_path: Path
) -> None:
    assert after == before | {"shell": "bash"}
    assert run(alone(after), programs, tmp_path, checkers_end=1).result == "failure"
    assert run(alone(after), programs, tmp_path, checkers_end=0).result == "success"


def test_a_job_that_was_allowed_to_fail_now_fails_the_run(programs: Path, tmp_path: Path) -> None:
    at = ".github/workflows/ci.yml"
    case = FIXTURES / "silent-type-check/continue-on-error"
    results = {
        (when, end): run((case / when / at).read_text(), programs, tmp_path, checkers_end=end).jobs["mypy"].result
        for when in ("before", "after")
        for end in (0, 1)
    }

    assert results == {
        ("before", 0): "success",
        ("before", 1): "success",
        ("after", 0): "success",
        ("after", 1): "failure",
    }


def test_every_checker_of_a_script_counts(programs: Path, tmp_path: Path) -> None:
    at = ".github/workflows/ci.yml"
    text = yaml.safe_load((FIXTURES / "silent-type-check/or-true/after" / at).read_text())
    step = next(step for step in text["jobs"]["backend-lint"]["steps"] if step.get("name", "").startswith("Every"))
    lines = step["run"].replace("\\\n", "").splitlines()

    assert len(lines) == 5
    for line in lines:
        assert run(alone({"run": line}), programs, tmp_path, checkers_end=1).result == "failure", line
