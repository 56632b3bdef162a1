"""How a step that fhfix writes names an action."""

from __future__ import annotations

from collections.abc import Iterable

from fixer.github.action_ref import ActionRef, RefKind
from fixer.github.catalog.actions import Catalog
from fixer.github.workflow import Workflow
from fixer.languages.yaml import Commented

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


def unknown_actions(workflows: Iterable[Workflow], catalog: Catalog) -> tuple[str, ...]:
    """The actions at a tag or commit of which the catalog knows nothing, by name: nothing is said of their versions."""
    found: dict[str, None] = {}
    for workflow in workflows:
        for step in workflow.steps:
            ref = ActionRef.parse(step.uses.value) if step.uses is not None else None
            if ref is not None and ref.kind in (*_TAGS, RefKind.SHA) and catalog.of(ref) is None:
                found[ref.name] = None
    return tuple(sorted(found, key=str.lower))


def pins(workflow: Workflow) -> bool:
    """Whether most references to remote actions in a workflow are commits."""
    kinds = [ActionRef.parse(step.uses.value).kind for step in workflow.steps if step.uses is not None]
    remote = [kind for kind in kinds if kind not in (RefKind.LOCAL, RefKind.DOCKER)]
    return bool(remote) and remote.count(RefKind.SHA) * 2 > len(remote)
