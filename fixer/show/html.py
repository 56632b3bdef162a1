"""The plan as one self-contained HTML file: nothing is loaded from anywhere, and nothing leaves it.

The file's own policy (Content-Security-Policy) allows exactly its one style sheet and its one script, by their hashes.
Without script everything can be read; script adds the filter, the switches and the keys.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Any

from fixer.model import Blocked, Fix, Plan, Reported, Source, Tier
from fixer.show.diff import Hunk, Line, file_diff
from fixer.show.place import place_of, source_of
from fixer.show.tool import tool_version
from fixer.show.visible import visible, visible_lines
from fixer.show.words import TIER_WORDS, in_words, plan_in_words
from fixer.tasks import task_of

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True, slots=True)
class Cell:
    """One side of a line. `head`, `middle` and `tail` make its text; `middle` is what differs from the other side."""

    number: int = 0
    head: str = ""
    middle: str = ""
    tail: str = ""
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """Lines that belong together: both sides of a change, or unchanged lines."""

    changed: bool
    old: tuple[Cell, ...]
    new: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    header: str
    rows: tuple[Rows, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """Hunks of one file, under the fixes that made them. `first` are those that are explained here."""

    number: int
    fixes: tuple[Reported, ...]
    first: tuple[bool, ...]
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class File:
    path: str
    new: bool
    executable: bool
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Stays:
    """A finding that stays, with its line."""

    reported: Reported
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """A rule or a task, with what is fixed and what stays."""

    key: str
    title: str
    safe: int
    review: int
    left: int


def html(plan: Plan, read: Callable[[str], Source], title: str) -> str:
    """`read` gives files after the plan; `title` names the repository."""
    style, script = _asset("report.css"), _asset("report.js")
    return (
        _environment()
        .get_template("report.html")
        .render(
            title=title,
            version=tool_version(),
            said=plan_in_words(plan),
            tally=_tally(plan),
            files=_files(plan),
            left=[_stays(reported, read) for reported in plan.left],
            by_rule=_groups(plan, lambda reported: (reported.rule.id, reported.rule.summary)),
            by_file=_groups(plan, lambda reported: (reported.finding.path, "")),
            by_task=_groups(plan, lambda reported: (task_of(reported.rule).id, task_of(reported.rule).title)),
            config=_configuration(plan.left),
            todo=_todo(plan.taken),
            faults=plan.faults,
            problems=plan.problems,
            style=style,
            script=script,
            policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'",
        )
    )


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fixer.show"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_finalized,
    )  # fmt: skip
    environment.filters |= {"visible": visible, "words": in_words}
    environment.tests |= {"fix": lambda cure: isinstance(cure, Fix), "blocked": lambda cure: isinstance(cure, Blocked)}
    return environment


def _finalized(value: Any) -> Any:
    """Every value of a page, but for our own style and script, which are marked as safe."""
    return value if hasattr(value, "__html__") else visible_lines(str(value))


def _asset(name: str) -> str:
    return files("fixer.show").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The hash of an inline style or script: https://www.w3.org/TR/CSP3/#external-hash."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _files(plan: Plan) -> list[File]:
    found: list[File] = []
    explained: set[int] = set()
    number = 0
    for path in sorted(plan.files):
        change = plan.files[path]
        diff = file_diff(change)
        cards: list[Card] = []
        for origins, blocks in diff.by_fixes():
            number += 1
            first = tuple(origin not in explained for origin in origins)
            explained.update(origins)
            chunks = tuple(map(_chunk, diff.hunks(blocks)))
            cards.append(Card(number, tuple(plan.taken[origin] for origin in origins), first, chunks))
        found.append(File(path, change.before is None, change.executable, tuple(cards)))
    return found


def _chunk(hunk: Hunk) -> Chunk:
    windows = all(line.text.endswith("\r\n") for line in hunk.lines)
    rows: list[Rows] = []
    for changed, group in groupby(hunk.lines, lambda line: line.sign != " "):
        lines = list(group)
        if not changed:
            rows.append(
                Rows(
                    False,
                    tuple(_cell(line, line.before, windows) for line in lines),
                    tuple(_cell(line, line.after, windows) for line in lines),
                )
            )
            continue
        old = [line for line in lines if line.sign == "-"]
        new = [line for line in lines if line.sign == "+"]
        pairs = list(zip_longest(old, new)) if len(old) == len(new) else []
        rows.append(
            Rows(
                True,
                tuple(_cell(a, a.before, windows, b) for a, b in pairs)
                or tuple(_cell(a, a.before, windows) for a in old),
                tuple(_cell(b, b.after, windows, a) for a, b in pairs)
                or tuple(_cell(b, b.after, windows) for b in new),
            )
        )
    return Chunk(hunk.header, tuple(rows))


def _cell(line: Line, number: int, windows: bool, other: Line | None = None) -> Cell:
    text, unfinished = _shown(line, windows), not line.text.endswith("\n")
    if other is None:
        return Cell(number, text, unfinished=unfinished)
    against = _shown(other, windows)
    start, end = _common(text, against)
    if start + end < max(len(text), len(against)) // 4:
        return Cell(number, text, unfinished=unfinished)
    stop = len(text) - end
    return Cell(number, text[:start], text[start:stop], text[stop:], unfinished)


def _shown(line: Line, windows: bool) -> str:
    text = line.text.removesuffix("\n")
    text = text.removesuffix("\r") if windows else text
    return visible(text.removeprefix("\ufeff") if 1 in (line.before, line.after) else text)


def _common(left: str, right: str) -> tuple[int, int]:
    """How many characters both begin and end with, cut back to whole words: `v3` and `v6` differ, not `3` and `6`."""
    shorter = min(len(left), len(right))
    start = next((at for at in range(shorter) if left[at] != right[at]), shorter)
    end = next((at for at in range(shorter - start) if left[-1 - at] != right[-1 - at]), shorter - start)
    while start and _word(left[start - 1]) and (_word(left[start : start + 1]) or _word(right[start : start + 1])):
        start -= 1
    while end and _word(left[-end]) and (_word(left[-end - 1 : -end]) or _word(right[-end - 1 : -end])):
        end -= 1
    return start, end


def _word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _stays(reported: Reported, read: Callable[[str], Source]) -> Stays:
    finding = reported.finding
    source = source_of(finding.path, read)
    place = place_of(finding.span, source)
    start = min(finding.span.start, len(source.text))
    return Stays(reported, place.line, visible(source.text[source.line_start(start) : source.line_end(start)].strip()))


def _groups(plan: Plan, name: Callable[[Reported], tuple[str, str]]) -> list[Group]:
    counted: dict[tuple[str, str], list[int]] = {}
    for reported in plan.taken:
        cure = reported.finding.cure
        counted.setdefault(name(reported), [0, 0, 0])[isinstance(cure, Fix) and cure.tier == "review"] += 1
    for reported in plan.left:
        counted.setdefault(name(reported), [0, 0, 0])[2] += 1
    return [Group(*key, *numbers) for key, numbers in sorted(counted.items())]


def _tally(plan: Plan) -> list[tuple[str, int, str]]:
    """How many of each kind there are, and what the kind means."""
    tiers = [reported.finding.cure.tier for reported in plan.taken if isinstance(reported.finding.cure, Fix)]
    found = [(str(tier), tiers.count(tier), TIER_WORDS[tier]) for tier in Tier]
    found.append(("stays", len(plan.left), "no fix, or not taken; each says what it waits for"))
    return [kind for kind in found if kind[1]]


def _configuration(left: Sequence[Reported]) -> str:
    """Every line that a blocked finding asks for, once."""
    cures = (reported.finding.cure for reported in left)
    return "\n".join(dict.fromkeys(cure.config for cure in cures if isinstance(cure, Blocked) and cure.config))


def _todo(taken: Sequence[Reported]) -> list[str]:
    """What a person must still do, once each."""
    cures = (reported.finding.cure for reported in taken)
    return list(dict.fromkeys(todo for cure in cures if isinstance(cure, Fix) for todo in cure.todo))
