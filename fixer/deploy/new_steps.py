"""What new steps are made of: steps that are there already, and commands of the configuration."""

from __future__ import annotations

import re
from typing import Any

from fixer.github.expressions import ANY, reads_below
from fixer.github.workflow import Step
from fixer.languages.yaml import Commented
from fixer.scripts import ScriptText


def filled_in(command: str) -> ScriptText:
    """A command of the configuration, which is one where a person says so; empty where it still is the `…` of a
    message."""
    return ScriptText.written("" if "…" in command else command)


def as_script(command: ScriptText) -> ScriptText:
    """A command as the `run:` of a step: of several lines the last one ends too."""
    return ScriptText.lines([command]) if "\n" in command else command


def copy_of(step: Step) -> dict[str, Any]:
    """A step as a value to write again, as it is written; the comment beside its pin stays with it."""
    found: dict[str, Any] = step.workflow.as_it_stands(step.node, step.data)
    if step.uses is not None:
        comment = step.workflow.comment_of(step.uses)
        if comment and re.match(r"v?\d", comment):
            found["uses"] = Commented(step.uses.value, comment)
    found.pop("if", None)
    return found


_NAMES_SNAPSHOT = ScriptText.of(
    'echo "::notice::Migrations are not undone. The database as it was before: snapshot $SNAPSHOT_ID"'
)


def snapshot_notice(job_id: str) -> dict[str, Any]:
    """The step of a rollback that names the snapshot which this job took of its database."""
    snapshot = f"needs.{job_id}.outputs.snapshot_id"
    return {
        "name": "Name the snapshot of the database",
        "if": f"always() && {snapshot}",
        "env": {"SNAPSHOT_ID": f"${{{{ {snapshot} }}}}"},
        "run": _NAMES_SNAPSHOT,
    }


def refers_to(value: Any, steps: tuple[Step, ...]) -> str:
    """A step that this value refers to and that is not among these; empty where there is none."""
    known = {step.id.lower() for step in steps if step.id}
    named = (read.name for read in reads_below(value) if read.context in ("steps", ANY))
    return next((name for name in named if name.lower() not in known), "")
