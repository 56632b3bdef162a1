"""What a job's own token may do, and how a job is given more.

One policy: the job gets it, never the workflow; what it had it keeps; what calls it gets it too, since a called job may
do no more than the job that calls it; and where it cannot be told what the job has or uses, nothing is written.
https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#permissions
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache

from fixer import kept
from fixer.github.action_ref import ActionRef, RefKind
from fixer.github.expressions import OWN_TOKEN, reads_below
from fixer.github.workflow import Job, Step
from fixer.github.workflows import Workflows, commands_of
from fixer.languages.yaml import Flow, Node
from fixer.model import Blocked, Parts, joined, listed
from fixer.records import record

Levels = Mapping[str, str]
"""Scopes with what they allow: `read`, `write` or `none`."""

_RANK = {"none": 0, "read": 1, "write": 2}
# They speak to GitHub with the credentials that a checkout leaves, or with a token that they find.
_TALKS_TO_GITHUB = frozenset(("git", "gh", "hub"))
_ONLY_LOCAL = frozenset(
    ("config", "status", "diff", "log", "rev-parse", "describe", "add", "commit", "show", "ls-files", "branch", "tag")
)


def may(job: Job, wanted: Levels, workflows: Workflows | None) -> bool | None:
    """Whether what is written lets a job do this; None where nothing is, and a setting of the repository decides."""
    written = job.permissions
    if written is not None:
        return _allows(written, wanted)
    callers = _callers(job, workflows)
    if not callers or set(job.workflow.triggers) - {"workflow_call", "workflow_dispatch"}:
        return None
    answers = [may(caller, wanted, workflows) for caller in callers]
    return None if None in answers else all(answers)


def grant(job: Job, wanted: Levels, workflows: Workflows | None) -> Parts:
    """Gives a job these permissions, and the jobs that call it; nothing where they have them all.

    Blocked where it cannot be told what a block of permissions would take from a job that has none of its own, and
    where jobs of other repositories may call it.
    """
    return joined(_grants(job, wanted, workflows, frozenset()))


def _grants(job: Job, wanted: Levels, workflows: Workflows | None, seen: frozenset[str]) -> Iterator[Parts]:
    if job.workflow.path in seen or may(job, wanted, workflows):
        return
    called = "workflow_call" in job.workflow.triggers
    callers = _callers(job, workflows)
    if called and not callers:
        yield Blocked(
            f"jobs of other repositories may call {job.workflow.path}, and it can do no more than they can",
            f"give job {job.id} and the jobs that call it the permissions {_written(wanted)}",
        )
        return
    if not called or job.permissions is not None:
        yield _granted(job, wanted)
    for caller in callers:
        yield from _grants(caller, wanted, workflows, seen | {job.workflow.path})


def _granted(job: Job, wanted: Levels) -> Parts:
    workflow, own, shared = job.workflow, job.node.get("permissions"), job.workflow.root.get("permissions")
    if own is not None and own.is_mapping and own.value:
        missing = {name: level for name, level in wanted.items() if name not in own.value}
        higher = {name: level for name, level in wanted.items() if name in own.value and not _covers(own, name, level)}
        return workflow.edit_mapping(own, set=higher, add=missing)
    kept = _kept(job, own if own is not None else shared)
    if isinstance(kept, Blocked):
        return kept
    if own is not None and own.is_mapping:
        return workflow.add_keys(own, _more(kept, wanted))
    if own is not None:
        return workflow.set_scalar(own, Flow(_more(kept, wanted)))
    keys = list(job.node.value)
    place = {"before": "uses"} if "uses" in keys else {"after": _neighbour(job)}
    return workflow.add_key(job.node, "permissions", _more(kept, wanted), **place)


def _neighbour(job: Job) -> str:
    """The key behind which the other jobs have their permissions, where this one has it too."""
    own: list[str] = list(job.node.value)
    for other in job.workflow.jobs.values():
        keys: list[str] = list(other.node.value)
        at = keys.index("permissions") if "permissions" in keys else 0
        if at and keys[at - 1] in own:
            return keys[at - 1]
    return next((key for key in ("timeout-minutes", "runs-on") if key in own), own[0])


def _kept(job: Job, given: Node | None) -> dict[str, str] | Blocked:
    """What a job has today and must keep, written out; `given` is what says it, None where nothing does."""
    if given is not None and given.is_mapping:
        return {name: str(level) for name, level in given.data.items()}
    needs: dict[str, str] = {}
    for step in job.steps:
        needed = needed_by(step)
        if needed is None:
            today = (
                f"has `permissions: {given.value}`" if given is not None else "has what the repository's setting says"
            )
            return Blocked(
                f"job {job.id} {today}, and what {_called(step)} needs of that is not known",
                f"write out what job {job.id} needs as its `permissions`, then run fhfix again",
            )
        needs = _more(needs, needed)
    if not job.steps:
        return Blocked(
            f"what the workflow that job {job.id} calls needs of the token is not known",
            f"write out what job {job.id} needs as its `permissions`, then run fhfix again",
        )
    return needs


def needed_by(step: Step) -> Levels | None:
    """What a step needs of the job's own token; None where that is not known."""
    if step.uses is None:
        return None if _uses_the_token(step) else {}
    ref = ActionRef.parse(step.uses.value)
    if ref.kind in (RefKind.LOCAL, RefKind.EXPRESSION):
        return None
    name = ref.name.lower()
    needed = next((levels for pattern, levels in _known().actions.items() if fnmatchcase(name, pattern)), None)
    if needed is None:
        return None
    for asked in _known().inputs:
        given = step.inputs.get(asked.name) if name == asked.action else None
        if given is not None and (not asked.words or any(word in given for word in asked.words)):
            needed = _more(needed, asked.needs)
    return needed


def _uses_the_token(step: Step) -> bool:
    """Whether a script may speak to GitHub as the job."""
    script = step.script
    if script is None or script.error:
        return True
    outer = [step.workflow.env, step.job.env if step.job is not None else {}]
    if any(read.may_read(token) for read in reads_below([step.data, *outer]) for token in OWN_TOKEN):
        return True
    for command in commands_of(step):
        if command.name in _TALKS_TO_GITHUB and not (command.args and command.args[0].text in _ONLY_LOCAL):
            return True
    return False


def _allows(written: Node, wanted: Levels) -> bool:
    if written.is_scalar:
        highest = {"write-all": "write", "read-all": "read"}.get(str(written.value), "none")
        return all(_RANK[level] <= _RANK[highest] for level in wanted.values())
    return all(_covers(written, name, level) for name, level in wanted.items())


def _covers(written: Node, name: str, level: str) -> bool:
    given = written.get(name)
    return _RANK.get(str(given.value), 0) >= _RANK[level] if given is not None else False


def _more(one: Levels, other: Levels) -> dict[str, str]:
    """Both together: the higher level of each scope."""
    found = dict(one)
    for name, level in other.items():
        if _RANK[level] > _RANK.get(found.get(name, "none"), 0):
            found[name] = level
    return found


def _callers(job: Job, workflows: Workflows | None) -> list[Job]:
    if workflows is None or "workflow_call" not in job.workflow.triggers:
        return []
    return list(workflows.callers(job.workflow))


def _called(step: Step) -> str:
    return step.action if step.uses is not None else f"the script {step.name!r}" if step.name else "its script"


def _written(levels: Levels) -> str:
    return listed(f"`{name}: {level}`" for name, level in levels.items())


@record
class _Asked:
    """What an input of an action needs besides."""

    action: str
    name: str
    words: tuple[str, ...]
    needs: Levels


@record
class _Known:
    actions: Mapping[str, Levels]
    inputs: tuple[_Asked, ...]


@cache
def _known() -> _Known:
    data = kept.table(__file__, "permissions.toml")
    asked = (_Asked(one["action"], one["input"], tuple(one["words"]), _levels(one["needs"])) for one in data["with"])
    return _Known({name: _levels(text) for name, text in data["actions"].items()}, tuple(asked))


def _levels(text: str) -> Levels:
    return dict(pair.split(": ") for pair in text.split(", ") if pair)
