"""A workflow that holds rules against their tests whenever they change."""

from __future__ import annotations

from typing import Any

from fixer.github.catalog.actions import Catalog
from fixer.github.catalog.references import reference
from fixer.github.workflow import new_workflow
from fixer.github.workflows import Workflows
from fixer.languages.shell import path_word
from fixer.languages.yaml import Flow
from fixer.model import Blocked, NewFile
from fixer.scripts import script

_NAMES = ("alerts", "prometheus-rules")
_MAIN = ("main", "master", "trunk")


def rules_workflow(
    folder: str, config: str, stem: str, image: str, workflows: Workflows | None, catalog: Catalog
) -> NewFile | None:
    """None where the repository has no workflows, so is tested elsewhere, or has one of each name; and where the name
    of the configuration cannot stand in a script."""
    settings, tests = path_word(config), path_word(f"{stem}.test.yml")
    if workflows is None or not workflows.documents or isinstance(settings, Blocked) or isinstance(tests, Blocked):
        return None
    path = workflows.free_path(*_NAMES)
    model = max(workflows.documents, key=lambda each: sum(step.uses is not None for step in each.steps))
    env = {"FOLDER": folder or ".", "IMAGE": image}
    run = script(__package__, "promtool.sh").filled(config=settings, tests=tests)
    job: dict[str, Any] = {
        "runs-on": "ubuntu-latest",
        "timeout-minutes": 5,
        "steps": [
            {"uses": reference(catalog, "actions/checkout", model), "with": {"persist-credentials": False}},
            {"name": "Test the rules", "env": env, "run": run},
        ],
    }
    paths = {"paths": Flow((f"{folder}/**" if folder else "*.yml",))}
    events: dict[str, Any] = {"pull_request": paths}
    branch = next((name for each in workflows.documents for name in each.branches("push") if name in _MAIN), "")
    if branch:
        events["push"] = {"branches": Flow((branch,)), **paths}
    text = new_workflow("Alerts", events, {"rules": job}, model.style, permissions={"contents": "read"})
    return NewFile(path, text) if isinstance(path, str) else None
