"""The plan as one self-contained HTML file: what matters first, then each group of fixes with every hunk of it.

Without script everything can be read; script adds the ticks, the filter, the switches and the keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fixer.model import Fix, Level, Plan, Reported
from fixer.records import record
from fixer.show.changes import Changes
from fixer.show.diff import Block, file_diff
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
    """A fix that another is chosen with, or stands within."""

    id: str
    title: str
    group: str


@record
class Member:
    """One fix. `line` is that of the file on disk that it changes first; `within` is the fix whose lines are shown for
    it, since they took the place of its own."""

    id: str
    path: str
    line: int
    message: str
    files: tuple[File, ...]
    others: tuple[Other, ...]
    within: Other | None


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
        diff = file_diff(plan.files[path])
        files.append(_file(Sides(diff), diff.blocks))
    return part("result.html", files=files)


def _cards(plan: Plan, seen: Overview) -> list[Card]:
    changes = Changes(plan)
    sides = {path: Sides(diff) for path, diff in changes.diffs.items()}
    others = {
        number: Other(name, _title(plan.taken[number]), group.id)
        for group in seen.groups
        for number, name in zip(group.numbers, group.ids, strict=True)
    }
    return [_card(group, changes, sides, others) for group in seen.groups]


def _card(group: Group, changes: Changes, sides: dict[str, Sides], others: dict[int, Other]) -> Card:
    members = tuple(_member(number, changes, sides, others) for number in group.numbers)
    first = group.members[0].finding.cure
    assert isinstance(first, Fix)
    return Card(group, group.messages, in_words(first), places(group), members)


def _member(number: int, changes: Changes, sides: dict[str, Sides], others: dict[int, Other]) -> Member:
    finding = changes.plan.taken[number].finding
    shown = changes.of(number)
    files = tuple(_file(sides[path], blocks) for path, blocks in shown.blocks.items())
    together = tuple(others[one] for one in sorted(changes.together.get(number, ())))
    within = others[shown.by] if shown.by != number else None
    line = changes.line(number)
    return Member(others[number].id, finding.path, line, finding.message, files, together, within)


def _file(side: Sides, blocks: Sequence[Block]) -> File:
    change = side.diff.change
    chunks = tuple(map(side.chunk, side.diff.hunks(blocks)))
    return File(change.path, change.before is None, change.executable, chunks)


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
