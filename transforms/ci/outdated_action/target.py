"""Which version an action should be used at, and why."""

from __future__ import annotations

from fixer.github.action_ref import ActionRef, RefKind, Version, version_of
from fixer.github.catalog import Action, Catalog, Major
from fixer.languages.toml import toml_value
from fixer.model import Blocked
from fixer.records import record
from transforms.ci.outdated_action.options import Options

BRANCHES = frozenset(("master", "main", "develop", "dev", "trunk", "head"))


_CHOSEN = {
    "supported": "{} is the nearest that is supported",
    "latest": "{} is the newest that is supported",
    "audit": "{} is what the audit asks for",
}
"""By policy, what the version is to which a use goes."""


@record
class Bump:
    """Where a use should go, and why. `before` is None for a branch, whose version is not known."""

    action: Action
    why: str
    before: Version | None
    old: Major | None
    target: Major


def bump_of(ref: ActionRef, action: Action, catalog: Catalog, options: Options) -> Bump | Blocked | None:
    """The target and the reason; None where the use is as it should be."""
    configured = _configured(ref, action, options)
    if isinstance(configured, Blocked):
        return configured
    policy = options.policy
    floor = catalog.audit_major(action)
    wanted = configured
    if policy == "audit" and wanted is None:
        if not floor or floor not in action.majors:
            return None
        wanted = floor
    if ref.kind is RefKind.BRANCH and version_of(ref.ref.rpartition("/")[2]) is None:
        return _bump_of_branch(ref, action, catalog, wanted)
    before = action.resolve(ref)
    if before is None or before > action.newest_known or (action.newest and before[0] > action.newest.number):
        return None  # newer than the catalog, or a commit between releases
    if wanted is not None:
        if before[0] >= wanted:
            return None
        target: Major | None = action.majors[wanted]
    else:
        current = action.majors.get(before[0])
        sound = current is not None and catalog.is_sound(action, ref, before) and before[0] >= floor
        if sound and policy != "latest":
            return None
        target = catalog.target(action, policy=policy, at_least=max(floor, before[0]))
        if sound and (target is None or target.number <= before[0]):
            return None
    why = reason_of(ref, action, catalog)
    if target is None:
        return _no_successor(action)
    if target.version < before or (target.version == before and action.exists(ref)):
        return None
    if ref.kind is not RefKind.SHA and action.with_precision(ref.ref, target.number) == ref.ref:
        return None  # the tag moves, and has moved on since the catalog was made
    if configured is not None:
        chosen = f"rules.outdated-action.majors sets v{configured}"
    else:
        chosen = _CHOSEN[policy].format(f"v{target.number}" if target.number != before[0] else target.release)
    return Bump(action, f"{why}; {chosen}{_moved(ref, action)}", before, action.majors.get(before[0]), target)


def _moved(ref: ActionRef, action: Action) -> str:
    return "" if ref.name.lower() == action.name.lower() else f"; its name is {action.name} now"


def reason_of(ref: ActionRef, action: Action, catalog: Catalog) -> str:
    """What is wrong with the version that a reference names, as the rest of a sentence."""
    version = action.resolve(ref)
    if version is None or (ref.kind is RefKind.BRANCH and version_of(ref.ref.rpartition("/")[2]) is None):
        return "follows a branch, whose code can change at any time"
    if not action.exists(ref):
        return "names a tag that does not exist"
    advisories = action.advisories_of(version)
    if advisories:
        return f"has a known vulnerability ({', '.join(advisory.id for advisory in advisories)})"
    if action.is_shut_off(version):
        return "was switched off and fails"
    major = action.majors.get(version[0])
    runtime = major.runtime(version) if major else ""
    if not catalog.is_supported(runtime):
        return f"runs on {catalog.runtime_name(runtime)}, which GitHub's runners no longer have"
    called = catalog.calls_gone(major, version) if major is not None else None
    if called is not None:
        return (
            f"calls {called[0]}, which runs on {catalog.runtime_name(called[1])}, which GitHub's runners no longer have"
        )
    return "is behind"


def _bump_of_branch(ref: ActionRef, action: Action, catalog: Catalog, wanted: int | None) -> Bump | Blocked | None:
    if ref.ref.lower() not in BRANCHES or ref.ref in action.curated.get("branches_meant", ()):
        return None
    why = "follows a branch, whose code can change at any time"
    reason = str(action.curated.get("no_release", ""))
    if reason:
        return Blocked(reason, f"pin {action.name} to a commit")
    if wanted is not None:
        chosen = f"rules.outdated-action.majors sets v{wanted}{_moved(ref, action)}"
        return Bump(action, f"{why}; {chosen}", None, None, action.majors[wanted])
    target = catalog.target(action, policy="latest")
    if target is None:
        return _no_successor(action)
    if ref.ref != action.branch and ref.ref not in action.entry.branches:
        return Blocked(
            f"{ref.ref} is not the default branch of {action.repository} any more, and the catalog does not know what "
            "it holds",
            "name the major that you want",
            f'rules.outdated-action.majors.{toml_value(f"{action.repository}@{ref.ref}")} = "v{target.number}"',
        )
    return Bump(action, f"{why}; its newest release is {target.release}{_moved(ref, action)}", None, None, target)


def _no_successor(action: Action) -> Blocked:
    newest = action.newest
    known = action.newest_known
    if newest is None:
        return Blocked(f"the catalog knows no release of {action.name} (as of {action.as_of})", "pin it to a commit")
    if known > newest.version:
        name = ".".join(str(part) for part in known[:3])
        return Blocked(
            f"the newest release of {action.name} that the catalog knows in full is {newest.release}; v{name} exists, "
            "but its inputs are not known",
            f"look at its release notes, and `fhfix catalog update {action.repository}`",
        )
    return Blocked(
        f"the catalog knows no release of {action.name} that is better (as of {action.as_of})",
        str(action.curated.get("instead", ""))
        or f"replace it, or `fhfix catalog update {action.repository}` where there is a newer one",
    )


def _configured(ref: ActionRef, action: Action, options: Options) -> int | Blocked | None:
    """The major that the configuration sets for an action at this reference, for the action, or for its repository."""
    majors = {name.lower(): value for name, value in options.majors.items()}
    names = (f"{action.name}@{ref.ref}", f"{action.repository}@{ref.ref}", action.name, action.repository)
    value = next((majors[name.lower()] for name in names if name.lower() in majors), None)
    if value is None:
        return None
    version = version_of(str(value))
    if version is None or version[0] not in action.majors:
        known = ", ".join(f"v{number}" for number in action.majors)
        return Blocked(
            f"rules.outdated-action.majors sets {value}, which the catalog does not know", f"set one of {known}"
        )
    return version[0]
