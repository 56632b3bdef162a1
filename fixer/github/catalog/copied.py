"""A step that a new job takes over from another one: at the version that a new step would have."""

from __future__ import annotations

from typing import Any

from fixer.github.action_files import ActionFiles
from fixer.github.action_ref import ActionRef, RefKind
from fixer.github.catalog.actions import Action, Catalog, Major
from fixer.github.catalog.migration import Migrated, between, migrate
from fixer.github.catalog.step_use import step_use_of
from fixer.github.workflow import Step
from fixer.languages.tables import mapping
from fixer.languages.yaml import Commented
from fixer.model import Blocked

# Both sides of an artifact have to move at once.
_MOVE_TOGETHER = frozenset(("actions/upload-artifact", "actions/download-artifact"))


def copied(step: Step, catalog: Catalog, files: ActionFiles) -> dict[str, Any]:
    """The plain data of a step, for a new job.

    An action that no longer runs is taken at its lowest supported major, with its inputs, so that no new job is born
    outdated. The step stays as it is where more than inputs would change, or a person has to look at it.
    """
    made = dict(step.data)
    uses = step.uses
    if uses is None:
        return made
    ref = ActionRef.parse(uses.value)
    comment = step.workflow.comment_of(uses)
    if ref.kind is RefKind.SHA and comment:
        made["uses"] = Commented(uses.value, comment)
    action = catalog.of(ref)
    target = _target(action, ref, catalog) if action is not None else None
    before = action.resolve(ref) if action is not None else None
    if action is None or target is None or before is None:
        return made
    migrations = between(action, before, target.version)
    migrated = migrate(
        step_use_of(step, files), action.majors.get(before[0]), target, before, migrations, what=action.name
    )
    if isinstance(migrated, Blocked) or not _only_inputs(migrated):
        return made
    given = {migrated.rename.get(name, name): value for name, value in mapping(made.get("with")).items()}
    given.update({migrated.rename.get(name, name): value for name, value in migrated.set.items()})
    inputs = {name: value for name, value in given.items() if name not in migrated.delete} | dict(migrated.add)
    made["uses"] = _named(action, ref, target)
    made.pop("with", None)
    return {**made, **({"with": inputs} if inputs else {})}


def _target(action: Action, ref: ActionRef, catalog: Catalog) -> Major | None:
    """The major that a step should have; None where it is as it should be, or where that is not known."""
    before = action.resolve(ref) if ref.kind in (RefKind.MAJOR, RefKind.EXACT, RefKind.SHA) else None
    if before is None or before > action.newest_known or action.name in _MOVE_TOGETHER:
        return None
    floor = catalog.audit_major(action)
    if before[0] >= floor and catalog.is_sound(action, ref, before):
        return None
    target = catalog.target(action, policy="supported", at_least=max(floor, before[0]))
    read = target is not None and target.number <= max(action.read_to, before[0])
    return target if target is not None and read and target.version > before else None


def _only_inputs(migrated: Migrated) -> bool:
    others = (
        migrated.env_delete,
        migrated.env_add,
        migrated.outputs,
        migrated.permissions,
        migrated.scripts,
        migrated.todo,
    )
    return not any(others)


def _named(action: Action, ref: ActionRef, target: Major) -> str | Commented:
    if ref.kind is not RefKind.SHA:
        return f"{ref.name}@{action.with_precision(ref.ref, target.number)}"
    sha = action.sha_of(target.release)
    return Commented(f"{ref.name}@{sha}", target.release) if sha else f"{ref.name}@{target.release}"
