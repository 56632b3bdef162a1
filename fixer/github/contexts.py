"""What an expression may read where it stands: GitHub's table (`contexts.toml`), and what the job around it has.

GitHub rejects a whole workflow for one expression that reads a context under a key where there is none, and takes what
does not exist (a matrix that the job has not, a step that is no step of it) for an empty text. Every fix of a workflow
is held against both before it is offered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from fixer import kept
from fixer.github.expressions import ANY, Expression, Read, expressions_below
from fixer.languages.yaml import dotted
from fixer.model import Address
from fixer.records import record

_SPECIAL = frozenset(("always", "cancelled", "failure", "hashfiles", "success"))


@record
class Availability:
    """What may be used under a key: contexts, and those functions that are not available everywhere."""

    contexts: frozenset[str]
    functions: frozenset[str]


@record
class Mistake:
    """An expression that GitHub rejects, or that is always empty, and why; `at` is the value that holds it."""

    at: Address
    expression: str
    why: str


def availability(at: Address, *, action: bool = False) -> Availability | None:
    """What the value at this address of a workflow (or of an action's own file) may use; None: no expression at all."""
    return _available(tuple(key for key in at if isinstance(key, str)), action)


@lru_cache(maxsize=4096)
def _available(keys: tuple[str, ...], action: bool) -> Availability | None:
    table = _table()["action" if action else "workflow"]
    for length in range(len(keys), 0, -1):
        for pattern, available in table.items():
            if len(pattern) == length and all(part in (key, ANY) for part, key in zip(pattern, keys, strict=False)):
                return available
    return None


def mistakes(data: Any, *, action: bool = False) -> Iterator[Mistake]:
    """Every expression in the plain data of a workflow (or action) that cannot mean what it says."""
    jobs = data.get("jobs") if isinstance(data, dict) and not action else None
    for at, expression in expressions_below(data):
        available = availability(at, action=action)
        job = jobs.get(at[1]) if isinstance(jobs, dict) and at[:1] == ("jobs",) and len(at) > 1 else None
        for why in _reasons(expression, at, available, job):
            yield Mistake(at, expression.text, why)


def new_mistake(before: Any, after: Any, *, action: bool = False) -> Mistake | None:
    """A mistake of the data `after` that `before` does not have, wherever in it."""
    found = list(mistakes(_differing(after, before), action=action))
    if not found:
        return None
    known = {(mistake.expression, mistake.why) for mistake in mistakes(before, action=action)}
    return next((mistake for mistake in found if (mistake.expression, mistake.why) not in known), None)


def _differing(after: Any, before: Any) -> Any:
    """The data `after` without the jobs that are as they were: whether a value of a job is a mistake says its job."""
    if not isinstance(after, dict) or not isinstance(before, dict):
        return after
    jobs, were = after.get("jobs"), before.get("jobs")
    if not isinstance(jobs, dict) or not isinstance(were, dict):
        return after
    return {**after, "jobs": {name: job for name, job in jobs.items() if name not in were or job != were[name]}}


def _reasons(expression: Expression, at: Address, available: Availability | None, job: Any) -> Iterator[str]:
    if expression.error:
        yield f"GitHub cannot read it: {expression.error}"
        return
    place = dotted(at)
    if available is None:
        # A value without a context, such as `${{ 5 }}`, is taken where others are not.
        if expression.reads:
            yield f"GitHub takes no expression at {place}"
        return
    for read in expression.reads:
        if read.context not in available.contexts:
            yield f"GitHub has no context {read.context} at {place}, and rejects the workflow"
        elif isinstance(job, dict):
            yield from _missing(read, at, job)
    for function in sorted((expression.functions & _SPECIAL) - available.functions):
        yield f"GitHub has no function {function} at {place}, and rejects the workflow"


def _missing(read: Read, at: Address, job: Mapping[str, Any]) -> Iterator[str]:
    """Why what is read of a context is always empty in this job."""
    context, name = read.context, read.name
    if context == "matrix" and not _has_matrix(job):
        yield f"the job {at[1]} has no matrix"
    elif context == "needs" and name != ANY and name.lower() not in _needed(job):
        yield f"the job {at[1]} does not need the job {name}"
    elif context == "steps" and name != ANY and name.lower() not in _ids_before(at, job):
        yield f"the job {at[1]} has no step {name} before it"
    elif read.path[:2] == ("job", "services") and len(read.path) > 2 and read.path[2] not in {ANY, *_services(job)}:
        yield f"the job {at[1]} has no service {read.keys[2].text}"


def _services(job: Mapping[str, Any]) -> set[str]:
    services = job.get("services")
    return {str(name).lower() for name in services} if isinstance(services, Mapping) else set()


def _has_matrix(job: Mapping[str, Any]) -> bool:
    strategy = job.get("strategy")
    return isinstance(strategy, str) or (isinstance(strategy, dict) and strategy.get("matrix") is not None)


def _needed(job: Mapping[str, Any]) -> set[str]:
    needs = job.get("needs")
    names = needs if isinstance(needs, list) else [needs]
    return {str(name).lower() for name in names}


def _ids_before(at: Address, job: Mapping[str, Any]) -> set[str]:
    """The ids of the steps that have run where this value is read: all for an output of the job."""
    steps = job.get("steps")
    if not isinstance(steps, list):
        return set()
    if at[2:3] == ("steps",) and isinstance(at[3], int):
        # What runs in parallel stands in one item.
        steps = steps[: at[3] + 1]
    return set(_ids(steps))


def _ids(steps: list[Any]) -> Iterator[str]:
    for step in steps:
        if not isinstance(step, dict):
            continue
        if isinstance(step.get("id"), str):
            yield step["id"].lower()
        if isinstance(step.get("parallel"), list):
            yield from _ids(step["parallel"])


@cache
def _table() -> dict[str, dict[tuple[str, ...], Availability]]:
    """Rows by the parts of their keys, for workflows and for actions."""
    data = kept.table(__file__, "contexts.toml")
    workflow = {**data["workflow"]["keys"], **data["workflow"]["younger"]["keys"]}
    return {"workflow": dict(map(_row, workflow.items())), "action": dict(map(_row, data["action"]["keys"].items()))}


def _row(row: tuple[str, str]) -> tuple[tuple[str, ...], Availability]:
    key, available = row
    parts = tuple(ANY if part.startswith("<") else part for part in key.split("."))
    contexts, _, functions = available.partition(";")
    return parts, Availability(_names(contexts), _names(functions))


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())
