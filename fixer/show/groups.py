"""What belongs together when a person reads it: findings of one rule that are answered in the same way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fixer.model import Blocked, FileError, Fix, Level, Reported, Rule, Tier
from fixer.records import record
from fixer.selection import answer, group_id
from fixer.tasks import task_of

MESSAGES = 3
"""How many different messages of a group are shown unless all are asked for."""


@record
class Group:
    """Findings of one rule with one answer. `numbers` are their indexes in what was grouped; `along` are findings of
    other rules that go with them."""

    id: str
    rule: Rule
    answer: str
    tier: Tier | None
    members: tuple[Reported, ...]
    numbers: tuple[int, ...]
    along: tuple[Reported, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(member.id for member in self.members)

    @property
    def level(self) -> Level:
        """The worst of its findings."""
        return min((member.level for member in self.members), key=lambda level: level.rank)

    @property
    def name(self) -> str:
        """What to call it on a command line: its own id, or that of its one member."""
        return self.ids[0] if len(self.ids) == 1 else self.id

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(member.finding.path for member in self.members))

    @property
    def messages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(member.finding.message for member in self.members))

    @property
    def also(self) -> tuple[str, ...]:
        """What else is gone with these fixes, in words."""
        return tuple(dict.fromkeys(f"{each.rule.id}: {each.finding.message}" for each in self.along))

    @property
    def todo(self) -> tuple[str, ...]:
        cures = (member.finding.cure for member in self.members)
        return tuple(dict.fromkeys(todo for cure in cures if isinstance(cure, Fix) for todo in cure.todo))

    @property
    def blocked(self) -> Blocked | None:
        """Why nothing is done, where that is so."""
        cure = self.members[0].finding.cure
        return cure if isinstance(cure, Blocked) else None


def grouped(reported: Sequence[Reported], along: Mapping[int, Sequence[Reported]] | None = None) -> list[Group]:
    """The worst level first, then by task; otherwise in the order in which each group is met first. `along` are those
    of a plan, where these are the fixes that it takes."""
    found: dict[tuple[str, tuple[str, str]], list[int]] = {}
    for number, each in enumerate(reported):
        found.setdefault((each.rule.id, answer(each)), []).append(number)
    gone = along or {}
    groups = [
        _group([reported[n] for n in numbers], numbers, [each for n in numbers for each in gone.get(n, ())])
        for numbers in found.values()
    ]
    return sorted(groups, key=_rank)


def _rank(group: Group) -> tuple[int, int, str]:
    task = task_of(group.rule)
    return group.level.rank, task.rank, task.id


def _group(members: Sequence[Reported], numbers: Iterable[int], along: Iterable[Reported]) -> Group:
    first = members[0]
    cure = first.finding.cure
    tier = cure.tier if isinstance(cure, Fix) else None
    return Group(group_id(first), first.rule, answer(first)[1], tier, tuple(members), tuple(numbers), tuple(along))


@record
class NotHandled:
    """Files that could not be handled for one reason."""

    problems: tuple[FileError, ...]

    @property
    def path(self) -> str:
        return self.problems[0].path

    def __str__(self) -> str:
        """One file as it says itself; several by their number, and the first of them."""
        first, *others = self.problems
        if not others:
            return str(first)
        advice = f"; {first.advice}" if first.advice else ""
        more = f" and {len(others) - 2} more" if len(others) > 2 else ""
        named = ", ".join(problem.path for problem in self.problems[:3])
        return f"{len(self.problems)} files: {_kind(first)}{advice} ({named}{more})"


def not_handled(problems: Iterable[FileError]) -> list[NotHandled]:
    """In the order in which each reason is met first."""
    found: dict[tuple[str, str], list[FileError]] = {}
    for problem in problems:
        found.setdefault((_kind(problem), problem.advice), []).append(problem)
    return [NotHandled(tuple(alike)) for alike in found.values()]


def _kind(problem: FileError) -> str:
    """The reason without what differs from file to file, such as who generated it."""
    return problem.reason.partition(" (")[0]


def places(group: Group) -> str:
    """`15 places in 3 files`, or the one file."""
    count, files = len(group.members), len(group.paths)
    if count == 1:
        return group.paths[0]
    where = group.paths[0] if files == 1 else f"{files} files"
    return f"{count} places in {where}"
