"""The new `uses:`, in the style of the old one, and the version in the comment beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.github.action_ref import RefKind
from fixer.github.catalog.references import FIRST_PARTY
from fixer.languages.yaml import Node
from fixer.model import Blocked, Parts
from transforms.ci.outdated_action.options import Options
from transforms.ci.outdated_action.target import Bump
from transforms.ci.outdated_action.uses import Use

# A version that a comment begins with, as people and pinning tools write it: `v4.2.2`, `tag=v4.2.2`, `owner/repo@v4`,
# `ratchet:owner/repo@v4`.
VERSION_BESIDE = re.compile(r"(?:tag\s*[=:]\s*|pin@|(?:ratchet:)?[\w.-]+/[\w./-]+@)?(v?\d+(?:\.\d+)*)(?=$|[\s,;)])")


def new_reference(use: Use, bump: Bump, options: Options) -> tuple[Parts, ...] | Blocked:
    """The new `uses:`, in the style of the old one, and the version beside a commit."""
    action, target, workflow = bump.action, bump.target, use.workflow
    name = use.ref.name if use.ref.name.lower() == action.name.lower() else action.name
    # Who trusted a branch of a third party gets a commit: its tags can be moved too, and those of trivy-action were.
    moved = use.ref.kind is RefKind.BRANCH and bump.before is None and use.ref.owner.lower() not in FIRST_PARTY
    by_commit = options.pin == "sha" or (moved and options.policy != "audit" and action.sha_of(target.release))
    if use.ref.kind is not RefKind.SHA and not by_commit:
        precision = use.ref.ref if use.ref.kind is RefKind.EXACT else "v"
        wanted = action.with_precision(precision, target.number)
        if bump.before is None and action.sha_of(wanted) != action.sha_of(target.release):
            wanted = target.release  # the moving tag lags behind its releases, and the branch does not
        return (workflow.set_scalar(use.node, f"{name}@{wanted}"), *_version_beside(use, bump))
    sha = action.sha_of(target.release)
    if not sha:
        return Blocked(f"the catalog does not know the commit of {action.name} {target.release}", "pin it by hand")
    parts = workflow.set_scalar(use.node, f"{name}@{sha}")
    if use.ref.kind is RefKind.SHA:
        return (parts, *_version_beside(use, bump), *_version_above(use, bump))
    return (parts, with_version_beside(use, target.release))


def place_of_comment(use: Use) -> Node:
    """The comment of a step that is written on one line stands behind the step."""
    step = use.step.node if use.step is not None else None
    return step if step is not None and step.style == "flow" and step.target is None else use.node


def _version_beside(use: Use, bump: Bump) -> Iterator[Parts]:
    """The version in the comment beside a reference moves with it."""
    place = place_of_comment(use)
    comment = use.workflow.comment_of(place)
    named = VERSION_BESIDE.match(comment)
    # A bare number may be anything else.
    if named is None or (named[1].isdigit() and named[0] != comment):
        return
    action, target = bump.action, bump.target
    moving = action.moving(target.number)
    beside = target.release
    if "." not in named[1] and moving and action.sha_of(moving) == action.sha_of(target.release):
        beside = moving
    yield use.workflow.set_comment(place, comment[: named.start(1)] + beside + comment[named.end(1) :])


def _comment_above(use: Use) -> str:
    """The comment on a line of its own above a reference that has none beside it."""
    return "" if use.workflow.comment_of(place_of_comment(use)) else use.workflow.comment_above(use.node)


def _version_above(use: Use, bump: Bump) -> Iterator[Parts]:
    """A comment above a commit that is nothing but its version moves with it."""
    comment = _comment_above(use)
    named = VERSION_BESIDE.match(comment)
    if named is not None and named[0] == named[1] == comment and comment.startswith("v"):
        yield use.workflow.set_comment_above(use.node, bump.target.release)


def stale_above(use: Use) -> str:
    """The version that a comment above a commit goes on naming, since it says more; empty where none does."""
    if use.ref.kind is not RefKind.SHA:
        return ""
    comment = _comment_above(use)
    named = VERSION_BESIDE.match(comment)
    return named[1] if named is not None and named[1].startswith("v") and named[0] != comment else ""


def with_version_beside(use: Use, version: str) -> Parts:
    place = place_of_comment(use)
    comment = use.workflow.comment_of(place)
    named = VERSION_BESIDE.match(comment)
    if named is not None:
        comment = comment[: named.start(1)] + version + comment[named.end(1) :]
    else:
        comment = f"{version} {comment}".strip()
    return use.workflow.set_comment(place, comment)
