"""How a step that fhfix writes names an action."""

from __future__ import annotations

from fixer.github.action_ref import ActionRef, RefKind
from fixer.github.catalog.actions import Catalog
from fixer.github.catalog.migration import StepUse, between, migrate
from fixer.github.workflow import Step, Workflow
from fixer.languages.yaml import Commented
from fixer.model import Blocked

# Their owners run the machines that execute the workflow, or publish the action as part of their own product.
FIRST_PARTY = frozenset({"actions", "github"})
_TAGS = (RefKind.MAJOR, RefKind.EXACT)


def reference(catalog: Catalog, name: str, workflow: Workflow) -> str | Commented:
    """The lowest supported major of an action, or a newer one that the workflow names already.

    Pinned by SHA, with the version beside it, where the workflow pins its own actions so, and for an action of a third
    party, whose tags can be moved: nearly all of trivy-action's were, on 2026-03-19 (GHSA-69fq-xp46-6x23). Raises
    LookupError for an action that is not in the catalog.
    """
    action = catalog.action(name)
    major = catalog.target(action, policy="supported") if action is not None else None
    if action is None or major is None:
        raise LookupError(f"{name} is not in the catalog")
    first_party = name.partition("/")[0] in FIRST_PARTY
    for step in workflow.steps:
        ref = ActionRef.parse(step.uses.value) if step.uses is not None else None
        if step.uses is None or ref is None or ref.name.lower() != action.name.lower():
            continue
        version = action.resolve(ref) if ref.kind is RefKind.SHA or (first_party and ref.kind in _TAGS) else None
        if version is not None and version[0] > major.number and not action.advisories_of(version):
            comment = workflow.comment_of(step.uses)
            return Commented(str(ref), comment) if comment and ref.kind is RefKind.SHA else str(ref)
    moving = action.moving(major.number)
    if moving and first_party and not pins(workflow):
        return f"{name}@{moving}"
    sha = action.sha_of(major.release)
    return Commented(f"{name}@{sha}", major.release) if sha else f"{name}@{major.release}"


def pins(workflow: Workflow) -> bool:
    """Whether most references to remote actions in a workflow are commits."""
    kinds = [ActionRef.parse(step.uses.value).kind for step in workflow.steps if step.uses is not None]
    remote = [kind for kind in kinds if kind not in (RefKind.LOCAL, RefKind.DOCKER)]
    return bool(remote) and remote.count(RefKind.SHA) * 2 > len(remote)


def newer_reference(catalog: Catalog, step: Step) -> str | Commented | None:
    """How a copy of a step names a supported major of its action, in the same style.

    None where it does already, or where more than the name would have to change.
    """
    if step.uses is None:
        return None
    ref = ActionRef.parse(step.uses.value)
    action = catalog.of(ref)
    major = catalog.target(action, policy="supported") if action is not None else None
    before = action.resolve(ref) if action is not None else None
    if action is None or major is None or before is None or before[0] >= major.number:
        return None
    if ref.kind not in (*_TAGS, RefKind.SHA):
        return None
    use = StepUse(step.inputs, step.env, {})
    changes = between(action, before, major.version)
    found = migrate(use, action.majors.get(before[0]), major, before, changes, what=f"{action.name} v{major.number}")
    if isinstance(found, Blocked) or found.touches_inputs or found.scripts or found.permissions:
        return None
    if ref.kind is RefKind.SHA:
        return Commented(f"{ref.name}@{action.sha_of(major.release)}", major.release)
    return f"{ref.name}@{action.with_precision(ref.ref, major.number)}"
