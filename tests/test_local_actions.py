"""The composite actions that fixes add to a repository: as GitHub reads them, and as their callers use them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.components import path as component
from tests.fixture_cases import FIXTURES

ACTIONS = sorted(
    path for path in FIXTURES.glob("*/*/after/.github/actions/*/action.yml") if (path.parent / "action.yml").exists()
)
MADE = [path for path in ACTIONS if "GITHUB_ACTION_PATH" in path.read_text(encoding="utf-8")]


def called(path: Path) -> str:
    return "/".join((path.parts[-7], path.parts[-6], path.parts[-2]))


def test_there_are_some() -> None:
    assert len({path.parent.name for path in MADE}) > 8


@pytest.mark.parametrize("path", MADE, ids=called)
def test_an_action_gives_its_script_every_input_and_names_its_outputs(path: Path) -> None:
    action = yaml.safe_load(path.read_text(encoding="utf-8"))
    (step,) = action["runs"]["steps"]
    script = path.parent / step["run"].rpartition("/")[2].strip('"')
    text = script.read_text(encoding="utf-8")

    assert step["shell"] == "bash"
    assert set(step["env"].values()) == {f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    assert all(f"${name}" in text or f"${{{name}" in text for name in step["env"])
    for name in action.get("outputs", {}):
        assert f"{name.replace('-', '_')}=" in text
    assert all(each["description"] for each in (*action["inputs"].values(), *action.get("outputs", {}).values()))


@pytest.mark.parametrize("path", MADE, ids=called)
def test_who_uses_an_action_gives_what_it_requires_and_nothing_else(path: Path) -> None:
    action = yaml.safe_load(path.read_text(encoding="utf-8"))
    required = {name for name, each in action["inputs"].items() if each.get("required")}
    workflows = (path.parents[2] / "workflows").glob("*.yml")
    jobs = [job for each in workflows for job in yaml.safe_load(each.read_text(encoding="utf-8"))["jobs"].values()]
    steps = [step for job in jobs for step in job.get("steps", ())]
    calls = [step for step in steps if step.get("uses") == f"./.github/actions/{path.parent.name}"]

    assert calls
    for step in calls:
        assert required <= step["with"].keys() <= action["inputs"].keys()


@pytest.mark.needs("shellcheck")
def test_shellcheck_has_nothing_to_say_of_their_scripts() -> None:
    scripts = sorted(script for path in MADE for script in path.parent.glob("*.sh"))
    done = subprocess.run([component("shellcheck"), *scripts], capture_output=True, text=True)
    assert done.stdout == ""
    assert scripts
