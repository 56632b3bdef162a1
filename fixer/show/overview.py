"""The first screen: what matters most, what would change, what stays, what a person must do, and what to type next.

The terminal, the page, the pull request and the summary of a workflow run all begin with these words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from fixer.model import Level, Plan, Reported
from fixer.records import record
from fixer.show.groups import Group, grouped
from fixer.show.words import configuration
from fixer.tasks import task_of

WORST = 10
"""How many groups the first screen names."""


@record
class Row:
    """How many findings of a task have each level, and how many of them are gone with the fixes that are taken."""

    reference: str
    title: str
    counts: dict[Level, int]
    fixed: int
    left: int


@record
class Overview:
    """`groups` are the fixes, the worst first; `stays` the findings without one, likewise."""

    rows: tuple[Row, ...]
    groups: tuple[Group, ...]
    stays: tuple[Group, ...]
    todo: tuple[str, ...]
    config: tuple[str, ...]

    @property
    def worst(self) -> tuple[Group, ...]:
        return tuple(group for group in self.groups if group.level is Level.ERROR)[:WORST]


def overview(
    taken: Sequence[Reported], left: Sequence[Reported] = (), along: Mapping[int, Sequence[Reported]] | None = None
) -> Overview:
    groups, stays = grouped(taken, along), grouped(left)
    gone = [reported for group in groups for reported in group.along]
    return Overview(
        tuple(_rows([*taken, *gone], left)),
        tuple(groups),
        tuple(stays),
        tuple(dict.fromkeys(todo for group in groups for todo in group.todo)),
        configuration(member.finding.cure for group in stays for member in group.members),
    )


def overview_of(plan: Plan) -> Overview:
    return overview(plan.taken, plan.left, plan.along)


def _rows(taken: Iterable[Reported], left: Iterable[Reported]) -> Iterable[Row]:
    """By task, the most urgent first; rules without one stand under their pack."""
    fixed, stays = Counter[str](), Counter[str]()
    levels: dict[str, Counter[Level]] = {}
    tasks = {}
    for count, found in ((fixed, taken), (stays, left)):
        for reported in found:
            task = task_of(reported.rule)
            tasks[task.id] = task
            count[task.id] += 1
            levels.setdefault(task.id, Counter())[reported.level] += 1
    for task in sorted(tasks.values(), key=lambda each: (each.rank, each.id)):
        yield Row(task.reference, task.title, dict(levels[task.id]), fixed[task.id], stays[task.id])
