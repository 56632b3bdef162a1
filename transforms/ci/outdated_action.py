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
`majors` sets it per action. `pin = "sha"` writes commits with the version beside them.

## When it is left alone

Images, local actions, branches of repositories with the same owner (by git's remote `origin`), actions that the catalog
does not know at a version or commit, and what is newer than the catalog. Never a step back. A step is blocked, with the
reason, where the new version has no counterpart for something that the step says. `actions/create-release` and
`actions/upload-release-asset` belong to `deprecated-release-action`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from fixer.github.action_files import ActionFiles
from fixer.github.action_ref import ActionRef, RefKind, Version, version_of
from fixer.github.catalog import Action, Catalog, Major, Migrated, Migration, StepUse, between, migrate
from fixer.github.catalog.artifacts import ArtifactNames, artifact_names, only_artifact
from fixer.github.catalog.references import FIRST_PARTY
from fixer.github.catalog.slack import WEBHOOK as SLACK_WEBHOOK
from fixer.github.catalog.slack import slack_message
from fixer.github.origin import Origin
from fixer.github.workflow import Job, Step, Workflow
from fixer.languages.yaml import Node
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Tier, option

# The majors that the audit names, by repository.
_AUDIT = {
    "actions/cache": 4,
    "actions/checkout": 4,
    "actions/download-artifact": 4,
    "actions/setup-python": 5,
    "actions/upload-artifact": 4,
    "codecov/codecov-action": 4,
    "github/codeql-action": 3,
    "softprops/action-gh-release": 2,
}
_OF_OTHER_RULES = frozenset(("actions/create-release", "actions/upload-release-asset"))
_SLACK = frozenset(("8398a7/action-slack",))
_NONE: Mapping[str, Any] = MappingProxyType({})
_BRANCHES = frozenset(("master", "main", "develop", "dev", "trunk", "head"))
_REPLACED = frozenset(("archived", "unmaintained", "deprecated"))
_RUNTIMES = {"node12": "Node 12", "node16": "Node 16", "node20": "Node 20", "plugin": "a plugin of old runners"}
_ARTIFACTS_V4 = (4, 0, 0, 1)
_DOWNLOADS_V5 = (5, 0, 0, 1)
# A version that a comment begins with, as pinning tools write it: `v4.2.2`, `tag=v4.2.2`, `ratchet:owner/repo@v4`.
_VERSION_BESIDE = re.compile(r"(?:tag\s*[=:]\s*|pin@|ratchet:\S+?@)?(v?\d+(?:\.\d+)*)(?=$|[\s,;)])")


class _Use(NamedTuple):
    """One place that uses an action: a step, or a job that calls a reusable workflow."""

    node: Node
    ref: ActionRef
    workflow: Workflow
    step: Step | None
    job: Job | None


class _Bump(NamedTuple):
    """Where a use should go, and why. `before` is None for a branch, whose version is not known."""

    action: Action
    why: str
    before: Version | None
    old: Major | None
    target: Major


class Options(RuleOptions):
    policy: Literal["supported", "latest", "audit"] = option("supported", "which major to take")
    majors: Mapping[str, int | str] = option({}, 'the major of single actions: {"actions/checkout" = "v5"}')
    pin: Literal["as-is", "sha"] = option("as-is", "`sha` writes commits with the version beside them")
    relock: bool = option(False, "whether you run `gh actions-lock` after fhfix where there is an actions.lock")


def check(
    workflow: Workflow, catalog: Catalog, files: ActionFiles, origin: Origin | None, options: Options
) -> Iterator[Finding]:
    """Asks the catalog about every `uses:`."""
    if "uses" not in workflow.source.text:
        return
    together: list[tuple[_Use, _Bump]] = []
    for use in _uses(workflow):
        if origin is not None and _is_own_branch(use.ref, origin):
            continue
        judged = _judge(use, catalog, files, options)
        if isinstance(judged, Finding):
            yield judged
        elif judged is not None and _changes_artifacts(judged):
            together.append((use, judged))
        elif judged is not None:
            yield _found(use, f"{use.ref} {judged.why}", _cure(use, judged, files, options))
    if together:
        yield from _artifacts(workflow, together, files, options)


def _uses(workflow: Workflow) -> Iterator[_Use]:
    for step in workflow.steps:
        if step.uses is not None and step.uses.target is None:
            yield _Use(step.uses, ActionRef.parse(step.uses.value), workflow, step, step.job)
    for job in workflow.jobs.values():
        if job.uses is not None and job.uses.target is None and job.node.target is None:
            yield _Use(job.uses, ActionRef.parse(job.uses.value), workflow, None, job)


def _is_own_branch(ref: ActionRef, origin: Origin) -> bool:
    """Who may push to a branch of the owner's other repositories is trusted with this one already."""
    return (
        ref.kind is RefKind.BRANCH
        and version_of(ref.ref.rpartition("/")[2]) is None
        and ref.owner.lower() == origin.owner
    )


def _judge(use: _Use, catalog: Catalog, files: ActionFiles, options: Options) -> Finding | _Bump | None:
    ref = use.ref
    if ref.kind in (RefKind.DOCKER, RefKind.LOCAL, RefKind.UNKNOWN):
        return None
    if ref.kind is RefKind.EXPRESSION:
        return _found(
            use, f"{ref} cannot be checked", Blocked("the reference is an expression", "name one version of one action")
        )
    action = catalog.of(ref)
    if action is None:
        return _unknown(use, options)
    if action.name.lower() in _OF_OTHER_RULES:
        return None
    if action.status.get("state") in _REPLACED and options.policy != "audit":
        return _replaced(use, action, catalog, files, options)
    bump = _bump(ref, action, catalog, options)
    if bump is None and ref.kind is RefKind.SHA:
        return _unknown_commit(use, action, catalog)
    if bump is None:
        return _pin(use, action, options)
    if isinstance(bump, Blocked):
        return _found(use, f"{ref} {_reason_of(ref, action, catalog)}", bump)
    return bump


def _found(use: _Use, message: str, cure: Fix | Blocked) -> Finding:
    return Finding(use.workflow.path, use.node.span, message, cure)


# -- where to -----------------------------------------------------------------------------------------------------


def _bump(ref: ActionRef, action: Action, catalog: Catalog, options: Options) -> _Bump | Blocked | None:
    """The target and the reason; None where the use is as it should be."""
    configured = _configured(action, options)
    if isinstance(configured, Blocked):
        return configured
    policy = options.policy
    floor = _AUDIT.get(action.repository.lower(), 0)
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
        sound = current is not None and _is_sound(ref, action, current, before, catalog) and before[0] >= floor
        if sound and policy != "latest":
            return None
        target = catalog.target(action, policy=policy, at_least=max(floor, before[0]))
        if sound and (target is None or target.number <= before[0]):
            return None
    why = _reason_of(ref, action, catalog)
    if target is None:
        return _no_successor(action)
    if target.version < before or (target.version == before and action.exists(ref)):
        return None
    if ref.kind is not RefKind.SHA and action.with_precision(ref.ref, target.number) == ref.ref:
        return None  # the tag moves, and has moved on since the catalog was made
    if configured is not None:
        chosen = f"rules.outdated-action.majors sets v{configured}"
    else:
        chosen = f"policy {policy} takes " + (f"v{target.number}" if target.number != before[0] else target.release)
    return _Bump(action, f"{why}; {chosen}", before, action.majors.get(before[0]), target)


def _is_sound(ref: ActionRef, action: Action, major: Major, version: Version, catalog: Catalog) -> bool:
    return (
        catalog.is_supported(major.runtime(version))
        and not action.is_shut_off(version)
        and not action.advisories_of(version)
        and action.exists(ref)
    )


def _reason_of(ref: ActionRef, action: Action, catalog: Catalog) -> str:
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
        return f"runs on {_RUNTIMES.get(runtime, runtime)}, which GitHub's runners no longer have"
    return "is behind"


def _bump_of_branch(ref: ActionRef, action: Action, catalog: Catalog, wanted: int | None) -> _Bump | Blocked | None:
    if ref.ref.lower() not in _BRANCHES or ref.ref in action.curated.get("branches_meant", ()):
        return None
    why = "follows a branch, whose code can change at any time"
    reason = str(action.curated.get("no_release", ""))
    if reason:
        return Blocked(reason, f"pin {action.name} to a commit")
    if wanted is not None:
        return _Bump(action, f"{why}; rules.outdated-action.majors sets v{wanted}", None, None, action.majors[wanted])
    target = catalog.target(action, policy="latest")
    if target is None:
        return _no_successor(action)
    if ref.ref != action.branch and ref.ref not in action.entry.branches:
        return Blocked(
            f"{ref.ref} is not the default branch of {action.repository} any more, and the catalog does not know what "
            "it holds",
            "name the major that you want",
            f'rules.outdated-action.majors."{action.repository}" = "v{target.number}"',
        )
    return _Bump(action, f"{why}; its newest release is {target.release}", None, None, target)


def _no_successor(action: Action) -> Blocked:
    newest = action.newest
    known = action.newest_known
    if newest is not None and known > newest.version:
        name = ".".join(str(part) for part in known[:3])
        return Blocked(
            f"the newest release of {action.name} that the catalog knows in full is {newest.release}; v{name} exists, "
            "but its inputs are not known",
            f"look at its release notes, and `fhfix catalog update {action.repository}`",
        )
    return Blocked(
        f"the catalog knows no release of {action.name} that is better (as of {action.as_of})",
        f"replace it, or `fhfix catalog update {action.repository}` where there is a newer one",
    )


def _configured(action: Action, options: Options) -> int | Blocked | None:
    """The major that the configuration sets for an action, or for all of its repository."""
    majors = {name.lower(): value for name, value in options.majors.items()}
    value = majors.get(action.name.lower(), majors.get(action.repository.lower()))
    if value is None:
        return None
    version = version_of(str(value))
    if version is None or version[0] not in action.majors:
        known = ", ".join(f"v{number}" for number in action.majors)
        return Blocked(
            f"rules.outdated-action.majors sets {value}, which the catalog does not know", f"set one of {known}"
        )
    return version[0]


# -- artifacts ----------------------------------------------------------------------------------------------------


class _Inputs(NamedTuple):
    """Changes of a step's inputs that come from its neighbours."""

    rename: Mapping[str, str] = _NONE
    set: Mapping[str, str] = _NONE
    add: Mapping[str, Any] = _NONE
    todo: tuple[str, ...] = ()

    def as_edit(self) -> dict[str, Mapping[str, Any]]:
        return {"rename": self.rename, "set": self.set, "add": self.add}


def _changes_artifacts(bump: _Bump) -> bool:
    """Whether a bump crosses from v3 to v4, where uploads and downloads stopped understanding each other."""
    return (
        bump.action.name in ("actions/upload-artifact", "actions/download-artifact")
        and bump.before is not None
        and bump.before < _ARTIFACTS_V4 <= bump.target.version
    )


def _artifacts(
    workflow: Workflow, together: list[tuple[_Use, _Bump]], files: ActionFiles, options: Options
) -> Iterator[Finding]:
    """Uploads and downloads of a workflow go to v4 and newer together, or not at all."""
    crossing = [use.step.at for use, _ in together if use.step is not None]
    names = artifact_names(workflow, crossing, files.artifact_readers)
    if isinstance(names, Blocked):
        for use, bump in together:
            yield _found(use, f"{use.ref} {bump.why}", names)
        return
    cures = [_cure(use, bump, files, options, _named(use.step, names)) for use, bump in together]
    blocked = next((cure for cure in cures if isinstance(cure, Blocked)), None)
    if blocked is not None:
        for (use, bump), cure in zip(together, cures, strict=True):
            own = Blocked(f"it goes together with another step, which is blocked: {blocked.reason}", blocked.next_step)
            yield _found(use, f"{use.ref} {bump.why}", cure if isinstance(cure, Blocked) else own)
        return
    fixes = [cure for cure in cures if isinstance(cure, Fix)]
    if not names.uploads:
        for (use, bump), fix in zip(together, fixes, strict=True):
            yield _found(use, f"{use.ref} {bump.why}", fix)
        return
    first, bump = together[0]
    moved = {use.step.at for use, _ in together if use.step is not None}
    others = [
        workflow.edit_mapping(step.with_, **_named(step, names).as_edit())
        for step in workflow.steps
        if step.at in names.downloads and step.at not in moved and step.with_ is not None
    ]
    whole = Fix.of(
        "move uploads and downloads together, and give each upload a name of its own",
        *(fix.edits for fix in fixes),
        *others,
        tier=Tier.REVIEW,
        todo=dict.fromkeys(text for fix in fixes for text in fix.todo),
    )
    count = f" ({len(together)} steps)" if len(together) > 1 else ""
    yield _found(
        first,
        f"{first.ref}{count} {bump.why}; from v4 on a run can upload an artifact once, and here one is repeated",
        whole,
    )


def _named(step: Step | None, names: ArtifactNames) -> _Inputs:
    if step is None:
        return _Inputs()
    if step.at in names.uploads:
        new = names.uploads[step.at]
        return _Inputs(set={"name": new}) if "name" in step.node.texts("with") else _Inputs(add={"name": new})
    if step.at in names.downloads:
        return _Inputs({"name": "pattern"}, {"name": names.downloads[step.at]}, {"merge-multiple": True})
    return _Inputs()


def _unpacked(use: _Use, bump: _Bump) -> _Inputs:
    """Up to v4 a download of all artifacts gave each a folder; from v5 on it gives none to the only one of a run.

    https://github.com/actions/download-artifact/blob/v5.0.0/src/download-artifact.ts#L175
    """
    given = use.step.node.texts("with") if use.step is not None else {}
    crosses = bump.before is not None and bump.before < _DOWNLOADS_V5 <= bump.target.version
    one = {"name", "pattern", "artifact-ids"} & given.keys() or given.get("merge-multiple") == "true"
    if bump.action.name != "actions/download-artifact" or not crosses or one:
        return _Inputs()
    only = only_artifact(use.workflow) if "run-id" not in given else None
    if only is None:
        return _Inputs(
            todo=(
                "download-artifact v5 puts the files of a run's only artifact straight into path: see that later paths "
                "fit where there is just one",
            )
        )
    if not only:
        return _Inputs()
    if "path" in given:
        return _Inputs(set={"path": posixpath.join(given["path"], only)})
    return _Inputs(add={"path": only})


# -- other findings -----------------------------------------------------------------------------------------------


def _unknown(use: _Use, options: Options) -> Finding | None:
    """An action that the catalog does not know: only a branch is wrong for certain."""
    # The catalog holds no reusable workflows.
    adds = f"; `fhfix catalog update {use.ref.repository}` adds it" if use.step is not None else ""
    if options.pin == "sha" and use.ref.kind in (RefKind.MAJOR, RefKind.EXACT):
        return _found(
            use,
            f"{use.ref} is a tag, which can be moved",
            Blocked(
                f"{use.ref.name} is not in the catalog, so that its commit is not known",
                f"pin it by hand{adds}",
            ),
        )
    if use.ref.kind is RefKind.BRANCH and use.ref.ref.lower() in _BRANCHES and options.policy != "audit":
        return _found(
            use,
            f"{use.ref} follows a branch, whose code can change at any time",
            Blocked(
                f"{use.ref.name} is not in the catalog, so that no release of it is known",
                f"pin it to a release or a commit{adds}",
            ),
        )
    return None


def _unknown_commit(use: _Use, action: Action, catalog: Catalog) -> Finding | None:
    """A commit that is no known release, beside a comment that names an outdated one. Comments prove nothing."""
    found = _VERSION_BESIDE.match(use.workflow.comment_of(_place_of_comment(use)))
    name = found[1] if found is not None and found[1].startswith("v") else ""
    claimed = version_of(name)
    major = action.majors.get(claimed[0]) if claimed is not None else None
    if claimed is None or major is None or action.resolve(use.ref) is not None:
        return None
    if _is_sound(use.ref, action, major, claimed if "." in name else major.version, catalog):
        return None
    return _found(
        use,
        f"{use.ref.name} is pinned to a commit that is none of its releases, beside a comment that says {name}",
        Blocked("what that commit holds is not known", f"pin a release of {action.name}; then fhfix can move it"),
    )


def _replaced(use: _Use, action: Action, catalog: Catalog, files: ActionFiles, options: Options) -> Finding:
    """An archived action, and its replacement where the step can be rewritten for it exactly."""
    state = str(action.status["state"])
    replacement = action.replacement
    message = f"{use.ref.name} is {state}" + (f"; {replacement.name} takes its place" if replacement else "")
    advice = str(action.curated.get("replace", {}).get("advice", ""))
    successor = catalog.action(replacement.name) if replacement else None
    if replacement is None or successor is None:
        return _found(use, message, Blocked(f"the catalog knows no successor of {action.name}", "replace it"))
    target = catalog.target(successor, policy=options.policy, at_least=replacement.at_least)
    before = action.resolve(use.ref)
    if use.ref.ref == action.branch and action.newest is not None:
        before = action.newest.version
    if target is None or before is None or action.majors.get(before[0]) is None:
        return _found(use, message, Blocked(f"it is not known what {use.ref} holds", advice or "rewrite the step"))
    bump = _Bump(successor, message, before, action.majors[before[0]], target)
    if action.name in _SLACK:
        return _found(use, message, _slack(use, bump, files, options))
    if replacement.migration is None:
        return _found(
            use,
            message,
            Blocked(
                f"{replacement.name} takes other inputs, which have to be chosen",
                advice or f"rewrite the step for {replacement.name}",
            ),
        )
    return _found(use, message, _cure(use, bump, files, options, migrations=(replacement.migration,)))


def _slack(use: _Use, bump: _Bump, files: ActionFiles, options: Options) -> Fix | Blocked:
    step = use.step
    if step is None or step.with_ is None or bump.before is None or bump.before[0] != 3:
        return Blocked("only steps of action-slack v3 can be rewritten", "write the message as a payload")
    around = _around(use, files)
    message = slack_message(around.inputs, around.env, around.outer_env)
    if isinstance(message, Blocked):
        return message
    reference = _reference(use, bump, options)
    if isinstance(reference, Blocked):
        return reference
    parts = [use.workflow.edit_mapping(step.with_, delete=list(around.inputs), add=message.inputs)]
    env = step.node.get("env")
    if message.drops_variable and env is not None:
        parts.append(use.workflow.delete(env, SLACK_WEBHOOK))
    return Fix.of(
        f"send the message with {bump.action.name} {bump.target.release}",
        *reference,
        *parts,
        tier=Tier.REVIEW,
        todo=["see that the message looks as you want it: the commit is shown in full now"],
    )


def _pin(use: _Use, action: Action, options: Options) -> Finding | None:
    """With `pin = "sha"`, a tag that is otherwise as it should be."""
    if options.pin != "sha" or use.ref.kind not in (RefKind.MAJOR, RefKind.EXACT):
        return None
    version = action.resolve(use.ref)
    sha = action.sha_of(use.ref.ref)
    found = action.version_of_sha(sha) if sha else None
    message = f"{use.ref} is a tag, which can be moved"
    if version is None or found is None:
        return _found(use, message, Blocked(f"the catalog does not know the commit of {use.ref}", "pin it by hand"))
    parts = (
        use.workflow.set_scalar(use.node, use.ref.at(sha)),
        _with_version_beside(use, found[1]),
    )
    return _found(use, message, Fix.of(f"pin {use.ref.name} to {found[1]}", *parts))


# -- how ----------------------------------------------------------------------------------------------------------


def _cure(
    use: _Use,
    bump: _Bump,
    files: ActionFiles,
    options: Options,
    inputs: _Inputs | None = None,
    migrations: tuple[Migration, ...] | None = None,
) -> Fix | Blocked:
    if use.ref.repository.lower() in files.lock.lower() and not options.relock:
        return Blocked(
            "actions.lock holds this action, and would no longer be right",
            "run `gh actions-lock` after fhfix, and say so",
            "rules.outdated-action.relock = true",
        )
    reference = _reference(use, bump, options)
    if isinstance(reference, Blocked):
        return reference
    migrated = _migrated(use, bump, files, migrations)
    if isinstance(migrated, Blocked):
        return migrated
    for changed in (inputs or _Inputs(), _unpacked(use, bump)):
        migrated = migrated._replace(
            rename={**migrated.rename, **changed.rename},
            set={**migrated.set, **changed.set},
            add={**migrated.add, **changed.add},
            todo=(*migrated.todo, *changed.todo),
        )
    todo = list(migrated.todo)
    if use.ref.repository.lower() in files.lock.lower():
        todo.append("run `gh actions-lock`")
    if _is_self_hosted(use.job) and bump.target.runtime() == "node24":
        todo.append("see that the self-hosted runner is v2.327.1 or newer, which Node 24 needs")
    return Fix.of(
        f"use {bump.action.name} {bump.target.release}",
        *reference,
        *_edits(use, migrated),
        tier=Tier.REVIEW if todo else Tier.SAFE,
        todo=todo,
    )


def _reference(use: _Use, bump: _Bump, options: Options) -> tuple[Parts, ...] | Blocked:
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
        return (parts, *_version_beside(use, bump))
    return (parts, _with_version_beside(use, target.release))


def _place_of_comment(use: _Use) -> Node:
    """The comment of a step that is written on one line stands behind the step."""
    step = use.step.node if use.step is not None else None
    return step if step is not None and step.style == "flow" and step.target is None else use.node


def _version_beside(use: _Use, bump: _Bump) -> Iterator[Parts]:
    """The version in the comment beside a reference moves with it."""
    place = _place_of_comment(use)
    comment = use.workflow.comment_of(place)
    named = _VERSION_BESIDE.match(comment)
    # A bare number may be anything else.
    if named is None or (named[1].isdigit() and named[0] != comment):
        return
    action, target = bump.action, bump.target
    moving = action.moving(target.number)
    beside = target.release
    if "." not in named[1] and moving and action.sha_of(moving) == action.sha_of(target.release):
        beside = moving
    yield use.workflow.set_comment(place, comment[: named.start(1)] + beside + comment[named.end(1) :])


def _with_version_beside(use: _Use, version: str) -> Parts:
    place = _place_of_comment(use)
    comment = use.workflow.comment_of(place)
    named = _VERSION_BESIDE.match(comment)
    if named is not None:
        comment = comment[: named.start(1)] + version + comment[named.end(1) :]
    else:
        comment = f"{version} {comment}".strip()
    return use.workflow.set_comment(place, comment)


def _migrated(
    use: _Use, bump: _Bump, files: ActionFiles, migrations: tuple[Migration, ...] | None
) -> Migrated | Blocked:
    what = f"{bump.action.name} v{bump.target.number}"
    if use.step is None:
        return Blocked("the inputs of a reusable workflow are not in the catalog", "change the reference by hand")
    given = use.step.node.get("with")
    if given is not None and use.step.with_ is None and given.data:
        return Blocked("`with:` is not a mapping", "change the step by hand")
    if migrations is None:
        migrations = between(bump.action, bump.before, bump.target.version) if bump.before is not None else ()
    # Without a change on the way only the inputs themselves are looked at.
    around = _around(use, files) if migrations else StepUse(use.step.node.texts("with"), {}, {}, "")
    before = bump.before or (0, 0, 0, 0)
    return migrate(around, bump.old, bump.target, before, migrations, what=what)


def _around(use: _Use, files: ActionFiles) -> StepUse:
    step, workflow = use.step, use.workflow
    assert step is not None
    outer = {**workflow.root.texts("env"), **(step.job.node.texts("env") if step.job else {})}
    steps = step.job.steps if step.job else workflow.steps
    actions = frozenset(ActionRef.parse(other.uses.value).name.lower() for other in steps if other.uses is not None)
    return StepUse(
        step.node.texts("with"),
        step.node.texts("env"),
        outer,
        workflow.source.text,
        workflow.triggers,
        workflow.composite,
        files.configuration,
        files.package_manager,
        actions,
        "\n".join(node.value for node in (step.job.node if step.job else workflow.root).scalars()),
        _downloads_all(workflow),
        files.go,
        files.toolchain or workflow.composite,  # a composite action may run in another repository
    )


def _downloads_all(workflow: Workflow) -> bool:
    """Whether a step downloads every artifact of the run."""
    if "download-artifact" not in workflow.source.text:
        return False
    for step in workflow.steps:
        if step.uses is not None and step.uses.value.lower().startswith("actions/download-artifact@"):
            given = step.node.texts("with")
            if "name" not in given and "pattern" not in given:
                return True
    return False


def _is_self_hosted(job: Job | None) -> bool:
    runs_on = job.node.get("runs-on") if job else None
    if runs_on is None:
        return False
    return runs_on.is_mapping or any("self-hosted" in node.value for node in runs_on.scalars())


def _edits(use: _Use, migrated: Migrated) -> Iterator[Parts]:
    step, workflow = use.step, use.workflow
    assert step is not None
    if migrated.touches_inputs:
        if step.with_ is None:
            if step.node.get("with") is not None:
                yield Blocked("`with:` is empty", "remove it")
            else:
                yield workflow.add_key(step.node, "with", dict(migrated.add), after="uses")
        else:
            yield workflow.edit_mapping(
                step.with_,
                rename=migrated.rename,
                set=migrated.set,
                delete=migrated.delete,
                add=migrated.add,
            )
    env = step.node.get("env")
    if migrated.env_delete or migrated.env_add:
        if env is None:
            yield workflow.add_key(step.node, "env", dict(migrated.env_add), after="uses")
        else:
            yield workflow.edit_mapping(env, delete=migrated.env_delete, add=migrated.env_add)
    yield from _output_edits(use, migrated)
    if migrated.permissions:
        yield _permission_edits(use, migrated.permissions)
    for script in migrated.scripts:
        yield _script_edits(use, script)


def _output_edits(use: _Use, migrated: Migrated) -> Iterator[Parts]:
    """`steps.<id>.outputs.<old>` becomes the new name wherever the job, or the action, reads it."""
    step, workflow = use.step, use.workflow
    assert step is not None
    if not step.id or not (migrated.outputs or migrated.lost_outputs):
        return
    pattern = re.compile(rf"\bsteps\.{re.escape(step.id)}\.outputs\.([\w-]+)")
    for node in (step.job.node if step.job else workflow.root).scalars():
        if f"steps.{step.id}.outputs" not in node.value:
            continue
        changed: list[tuple[int, int, str]] = []
        for found in pattern.finditer(node.value):
            if found[1] in migrated.outputs:
                changed.append((*found.span(1), migrated.outputs[found[1]]))
            elif found[1] in migrated.lost_outputs:
                yield Blocked(f"the new version no longer has the output {found[1]}, which is read", "use another")
        if changed:
            yield workflow.splice_scalar(node, changed)


def _permission_edits(use: _Use, wanted: Mapping[str, str]) -> Parts:
    """Permissions that the new version needs, where the job's token is restricted."""
    workflow = use.workflow
    for place in (use.job.node if use.job else None, workflow.root):
        given = place.get("permissions") if place is not None else None
        if given is None:
            continue
        if given.is_scalar and given.value == "write-all":
            return ()
        if not given.is_mapping or (given.style == "flow" and not given.value):
            return Blocked(
                f"the job's permissions are {given.value or 'none'}, and the new version needs "
                + ", ".join(f"{name}: {level}" for name, level in wanted.items()),
                "write them out",
            )
        missing = {name: level for name, level in wanted.items() if name not in given.value}
        higher = {
            name: level for name, level in wanted.items() if name in given.value and given.value[name].value != level
        }
        if (missing or higher) and "workflow_call" in workflow.triggers:
            # GitHub starts no workflow that calls another one which asks for more than the calling job has.
            asked = ", ".join(f"{name}: {level}" for name, level in (missing | higher).items())
            return Blocked(
                f"the new version needs the permission {asked}, and other workflows call this one",
                "give it to the calling jobs and to this one, then run fhfix again",
            )
        return workflow.edit_mapping(given, set=higher, add=missing)
    return ()


_REST = (
    r"\bgithub\.(actions|activity|apps|billing|checks|codesOfConduct|codeScanning|emojis|enterpriseAdmin|gists|git|"
    r"gitignore|interactions|issues|licenses|markdown|meta|migrations|orgs|packages|projects|pulls|rateLimit|reactions|"
    r"repos|search|secretScanning|teams|users)\.(?=\w)"
)


def _script_edits(use: _Use, name: str) -> Parts:
    """`github.issues.create` became `github.rest.issues.create`."""
    given = use.step.with_ if use.step else None
    script = given.get("script") if given is not None else None
    if script is None or name != "github-rest":
        return ()
    if "require(" in script.value or re.search(r"[({,]\s*github\s*[,})]|=\s*github\b(?!\.)", script.value):
        return Blocked(
            "REST methods moved from `github.*` to `github.rest.*`, and the script passes `github` on to other code",
            "put `.rest` in there by hand",
        )
    return use.workflow.splice_scalar(
        script,
        [
            (found.end(1) - len(found[1]), found.end(1), f"rest.{found[1]}")
            for found in re.finditer(_REST, script.value)
        ],
    )


RULE = Rule(
    __name__,
    "An action is used at an outdated, vulnerable, archived or mutable version",
    check,
    audit=("D-009.1",),
)
