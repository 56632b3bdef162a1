"""A workflow uses an action at a version that is past its time.

## Why

GitHub's runners stop executing old runtimes: Node 16 went in 2024, Node 20 in September 2026. Some actions were
switched off by their service (upload-artifact v1 to v3), some are archived, some versions have known vulnerabilities.
A branch such as `@master` can become anything overnight: in March 2026 most tags of a scanner used by thousands were
replaced by a credential stealer.

A higher number alone breaks workflows: GitHub only warns of an input that an action does not have. So the inputs,
outputs, permissions and variables of the step are migrated with it, over every major in between.

The option `policy` chooses the target. `supported`: the lowest major, not below the audit's, that runs on a runtime
which GitHub's runners have. `latest`: the newest that the catalog knows. `audit`: the majors that the audit names.
`majors` sets it per action, or per action and reference. `pin = "sha"` writes commits with the version beside them.

## When it is left alone

Images, local actions, branches of repositories with the same owner (by git's remote `origin`), actions that the catalog
does not know at a version or commit, and what is newer than the catalog. Never a step back. A step is blocked, with the
reason, where the new version has no counterpart for something that the step says. `actions/create-release` and
`actions/upload-release-asset` belong to `deprecated-release-action`.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixer.github.action_files import ActionFiles
from fixer.github.action_ref import ActionRef, RefKind, version_of
from fixer.github.catalog import Action, Catalog
from fixer.github.origin import Origin
from fixer.github.workflow import Workflow
from fixer.github.workflows import Workflows
from fixer.model import Blocked, Finding, Fix, Rule
from transforms.ci.outdated_action.artifacts import changes_artifacts, move_together
from transforms.ci.outdated_action.options import Options
from transforms.ci.outdated_action.reference import VERSION_BESIDE, place_of_comment, with_version_beside
from transforms.ci.outdated_action.replaced import replaced
from transforms.ci.outdated_action.rewrite import fix_of
from transforms.ci.outdated_action.target import BRANCHES, Bump, bump_of, reason_of
from transforms.ci.outdated_action.uses import Use, finding, uses_of

_OF_OTHER_RULES = frozenset(("actions/create-release", "actions/upload-release-asset"))
REPLACED = frozenset(("archived", "unmaintained", "deprecated"))


def check(
    workflow: Workflow,
    catalog: Catalog,
    files: ActionFiles,
    workflows: Workflows | None,
    origin: Origin | None,
    options: Options,
) -> Iterator[Finding]:
    """Asks the catalog about every `uses:`."""
    if "uses" not in workflow.source.text:
        return

    def judged(document: Workflow) -> Iterator[tuple[Use, Finding | Bump | None]]:
        for use in uses_of(document, workflows):
            if origin is None or not _is_own_branch(use.ref, origin):
                yield use, _judge(use, catalog, files, options)

    together: list[tuple[Use, Bump]] = []
    for use, found in judged(workflow):
        if isinstance(found, Finding):
            yield found
        elif found is not None and changes_artifacts(found):
            together.append((use, found))
        elif found is not None:
            yield finding(use, f"{use.ref} {found.why}", fix_of(use, found, files, options))
    if not together:
        return
    crossing = {workflow.path: together}
    for other in workflows.in_one_run(workflow) if workflows is not None and not workflow.composite else ():
        if other.path != workflow.path and "artifact" in other.source.text:
            crossing[other.path] = [
                (use, found) for use, found in judged(other) if isinstance(found, Bump) and changes_artifacts(found)
            ]
    yield from move_together(workflow, crossing, workflows, files, options)


def _is_own_branch(ref: ActionRef, origin: Origin) -> bool:
    """Who may push to a branch of the owner's other repositories is trusted with this one already."""
    return (
        ref.kind is RefKind.BRANCH
        and version_of(ref.ref.rpartition("/")[2]) is None
        and ref.owner.lower() == origin.owner
    )


def _judge(use: Use, catalog: Catalog, files: ActionFiles, options: Options) -> Finding | Bump | None:
    ref = use.ref
    if ref.kind in (RefKind.DOCKER, RefKind.LOCAL, RefKind.UNKNOWN):
        return None
    if ref.kind is RefKind.EXPRESSION:
        return finding(
            use, f"{ref} cannot be checked", Blocked("the reference is an expression", "name one version of one action")
        )
    action = catalog.of(ref)
    if action is None:
        return _unknown(use, options)
    if action.name.lower() in _OF_OTHER_RULES:
        return None
    if action.status.get("state") in REPLACED and options.policy != "audit":
        return replaced(use, action, catalog, files, options)
    bump = bump_of(ref, action, catalog, options)
    if bump is None and ref.kind is RefKind.SHA:
        return _unknown_commit(use, action, catalog)
    if bump is None:
        return _pin(use, action, options)
    if isinstance(bump, Blocked):
        return finding(use, f"{ref} {reason_of(ref, action, catalog)}", bump)
    return bump


# -- other findings -----------------------------------------------------------------------------------------------


def _unknown(use: Use, options: Options) -> Finding | None:
    """An action that the catalog does not know: only a branch is wrong for certain."""
    # The catalog holds no reusable workflows.
    adds = f"; `fhfix catalog update {use.ref.repository}` adds it" if use.step is not None else ""
    if options.pin == "sha" and use.ref.kind in (RefKind.MAJOR, RefKind.EXACT):
        return finding(
            use,
            f"{use.ref} is a tag, which can be moved",
            Blocked(
                f"{use.ref.name} is not in the catalog, so that its commit is not known",
                f"pin it by hand{adds}",
            ),
        )
    if use.ref.kind is RefKind.BRANCH and use.ref.ref.lower() in BRANCHES and options.policy != "audit":
        return finding(
            use,
            f"{use.ref} follows a branch, whose code can change at any time",
            Blocked(
                f"{use.ref.name} is not in the catalog, so that no release of it is known",
                f"pin it to a release or a commit{adds}",
            ),
        )
    return None


def _unknown_commit(use: Use, action: Action, catalog: Catalog) -> Finding | None:
    """A commit that is no known release, beside a comment that names an outdated one. Comments prove nothing."""
    found = VERSION_BESIDE.match(use.workflow.comment_of(place_of_comment(use)))
    name = found[1] if found is not None and found[1].startswith("v") else ""
    claimed = version_of(name)
    major = action.majors.get(claimed[0]) if claimed is not None else None
    if claimed is None or major is None or action.resolve(use.ref) is not None:
        return None
    if catalog.is_sound(action, use.ref, claimed if "." in name else major.version):
        return None
    return finding(
        use,
        f"{use.ref.name} is pinned to a commit that is none of its releases, beside a comment that says {name}",
        Blocked("what that commit holds is not known", f"pin a release of {action.name}; then fhfix can move it"),
    )


def _pin(use: Use, action: Action, options: Options) -> Finding | None:
    """With `pin = "sha"`, a tag that is otherwise as it should be."""
    if options.pin != "sha" or use.ref.kind not in (RefKind.MAJOR, RefKind.EXACT):
        return None
    version = action.resolve(use.ref)
    sha = action.sha_of(use.ref.ref)
    found = action.version_of_sha(sha) if sha else None
    message = f"{use.ref} is a tag, which can be moved"
    if version is None or found is None:
        return finding(use, message, Blocked(f"the catalog does not know the commit of {use.ref}", "pin it by hand"))
    parts = (
        use.workflow.set_scalar(use.node, use.ref.at(sha)),
        with_version_beside(use, found[1]),
    )
    return finding(use, message, Fix.of(f"pin {use.ref.name} to {found[1]}", *parts))


def _uses_known_actions(workflow: Workflow, catalog: Catalog, workflows: Workflows | None) -> bool:
    return any(catalog.of(use.ref) is not None for use in uses_of(workflow, workflows))


RULE = Rule(
    __name__,
    "An action is used at an outdated, vulnerable, archived or mutable version",
    check,
    audit=("D-009.1",),
    criterion="Every action of the catalog is at a major version that is supported",
    hours=(1, 1),
    applies=_uses_known_actions,
    security=True,
)
