"""The plan as one self-contained HTML file: what matters first, then each group of fixes with every hunk of it.

Without script everything can be read; script adds the ticks, the filter, the switches and the keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fixer.model import Fix, Level, Plan, Reported
from fixer.records import record
from fixer.selection import companions
from fixer.show.diff import FileDiff, file_diff
from fixer.show.groups import Group, places
from fixer.show.overview import Overview, overview_of
from fixer.show.page import About, part, rendered
from fixer.show.place import Read, place_of, source_of
from fixer.show.sides import Chunk, Sides
from fixer.show.visible import visible
from fixer.show.words import TIER_WORDS, configuration, in_words, plan_in_words
from fixer.tasks import task_of


@record
class File:
    """What a fix changes in one file."""

    path: str
    new: bool
    executable: bool
    chunks: tuple[Chunk, ...]


@record
class Other:
    """A fix that is chosen together with another."""

    id: str
    title: str
    group: str


@record
class Member:
    """One fix. `line` is that of the file on disk that it changes first."""

    id: str
    path: str
    line: int
    message: str
    files: tuple[File, ...]
    others: tuple[Other, ...]


@record
class Card:
    """A group of fixes. `why` are its reasons where all of its members share them."""

    group: Group
    why: tuple[str, ...]
    changes: tuple[str, ...]
    place: str
    members: tuple[Member, ...]


@record
class Place:
    """Where a finding stays, with its line."""

    path: str
    line: int
    text: str


@record
class Stays:
    group: Group
    config: str
    places: tuple[Place, ...]


@record
class Part:
    """A task in the navigation."""

    id: str
    title: str
    cards: tuple[Card, ...]


def html(plan: Plan, read: Read, about: About, *, scripts: Sequence[str] = ("report.js",), form: str = "") -> str:
    """`read` gives the file in which findings that stay have their places.

    `form` is the secret with which a page that is served may ask its server to change something.
    """
    seen = overview_of(plan)
    cards = _cards(plan, seen)
    return rendered(
        "report.html",
        scripts,
        "'self'" if form else "",
        about=about,
        said=plan_in_words(plan),
        seen=seen,
        levels=[(level, sum(row.counts.get(level, 0) for row in seen.rows)) for level in Level],
        level_list=list(Level),
        tiers=TIER_WORDS,
        cards=cards,
        parts=list(_parts(cards)),
        worst=[card for card in cards if card.group in seen.worst],
        stays=[_stays(group, read) for group in seen.stays],
        total=len(plan.taken),
        faults=plan.faults,
        problems=plan.problems,
        form=form,
    )


def chosen_html(plan: Plan) -> str:
    """Every file that a plan changes, with all of its changes: a part of a page."""
    files: list[File] = []
    for path in sorted(plan.files):
        side = Sides(file_diff(plan.files[path]))
        change = plan.files[path]
        files.append(File(path, change.before is None, change.executable, tuple(map(side.chunk, side.diff.hunks()))))
    return part("result.html", files=files)


def _cards(plan: Plan, seen: Overview) -> list[Card]:
    diffs = {path: file_diff(plan.files[path]) for path in sorted(plan.files)}
    sides = {path: Sides(diff) for path, diff in diffs.items()}
    others = _others(plan, seen, diffs)
    return [_card(group, sides, others) for group in seen.groups]


def _others(plan: Plan, seen: Overview, diffs: dict[str, FileDiff]) -> dict[int, tuple[Other, ...]]:
    """For each fix those that are chosen with it."""
    ids = {
        number: (name, group.id) for group in seen.groups for number, name in zip(group.numbers, group.ids, strict=True)
    }
    lines = (block.origins for diff in diffs.values() for block in diff.blocks)
    found = companions(plan.needs, lines)
    return {
        number: tuple(Other(ids[one][0], _title(plan.taken[one]), ids[one][1]) for one in sorted(together))
        for number, together in found.items()
    }


def _card(group: Group, sides: dict[str, Sides], others: dict[int, tuple[Other, ...]]) -> Card:
    members = tuple(
        _member(number, name, reported, sides, others.get(number, ()))
        for number, name, reported in zip(group.numbers, group.ids, group.members, strict=True)
    )
    first = group.members[0].finding.cure
    assert isinstance(first, Fix)
    return Card(group, group.messages, in_words(first), places(group), members)


def _member(number: int, name: str, reported: Reported, sides: dict[str, Sides], others: tuple[Other, ...]) -> Member:
    files = tuple(_files(number, sides))
    path = reported.finding.path
    line = next((chunk.line for file in files if file.path == path for chunk in file.chunks), 0)
    return Member(name, path, line, reported.finding.message, files, others)


def _files(number: int, sides: dict[str, Sides]) -> Iterable[File]:
    for path, side in sides.items():
        blocks = [block for block in side.diff.blocks if number in block.origins]
        if blocks:
            change = side.diff.change
            chunks = tuple(map(side.chunk, side.diff.hunks(blocks)))
            yield File(path, change.before is None, change.executable, chunks)


def _title(reported: Reported) -> str:
    cure = reported.finding.cure
    return cure.title if isinstance(cure, Fix) else cure.reason


def _parts(cards: Iterable[Card]) -> Iterable[Part]:
    """By task, the one with the worst group first."""
    tasks: dict[str, list[Card]] = {}
    for card in cards:
        tasks.setdefault(task_of(card.group.rule).id, []).append(card)
    for own in tasks.values():
        task = task_of(own[0].group.rule)
        yield Part(task.reference, task.title, tuple(own))


def _stays(group: Group, read: Read) -> Stays:
    config = "\n".join(configuration(member.finding.cure for member in group.members))
    return Stays(group, config, tuple(_place(member, read) for member in group.members))


def _place(reported: Reported, read: Read) -> Place:
    finding = reported.finding
    source = source_of(finding.path, read)
    line = place_of(finding.span, source).line
    start = min(finding.span.start, len(source.text))
    text = source.text[source.line_start(start) : source.line_end(start)]
    return Place(finding.path, line, visible(text.strip()))
