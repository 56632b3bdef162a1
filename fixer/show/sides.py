"""A hunk as HTML: both sides of each change at one height, what differs within alike lines marked, coloured by syntax.

Everything that comes from a file is escaped here, and made visible before.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import cached_property
from itertools import groupby, pairwise

from markupsafe import Markup

from fixer.records import record
from fixer.show.colours import Stretch, colours
from fixer.show.diff import FileDiff, Hunk, Line
from fixer.show.visible import visible

ALIKE = 0.5
"""How alike two lines are, from 0 to 1, before one counts as the other rewritten; below it all would be marked."""

MANY = 40
"""Lines on both sides of a change beyond which nobody looks for the pairs among them."""

_WORDS = re.compile(r"-*\w+|\s+|.", re.DOTALL)

Marks = tuple[tuple[int, int], ...]
Row = tuple[Line | None, Line | None]


@record
class Chunk:
    """`rows` are HTML; `header` is `@@ -1,4 +1,5 @@`."""

    header: str
    rows: Markup


@record
class Sides:
    """Draws hunks of one file."""

    diff: FileDiff

    @cached_property
    def _before(self) -> list[list[Stretch]]:
        return colours(self.diff.change.path, _text(self.diff.before))

    @cached_property
    def _after(self) -> list[list[Stretch]]:
        return colours(self.diff.change.path, _text(self.diff.after))

    def chunk(self, hunk: Hunk) -> Chunk:
        # A carriage return is shown only where the line ends of a hunk differ.
        windows = all(line.text.endswith("\r\n") for line in hunk.lines)
        parts: list[str] = []
        for changed, group in groupby(hunk.lines, lambda line: line.sign != " "):
            lines = list(group)
            rows = _paired(lines) if changed else [(line, line) for line in lines]
            marks = [_marks(old, new, windows) if changed else ((), ()) for old, new in rows]
            old = "".join(self._line(row[0], True, mark[0], windows) for row, mark in zip(rows, marks, strict=True))
            new = "".join(self._line(row[1], False, mark[1], windows) for row, mark in zip(rows, marks, strict=True))
            kind = "changed" if changed else "same"
            parts.append(
                f'<div class="rows {kind}"><div class="side old">{old}</div><div class="side new">{new}</div></div>'
            )
        return Chunk(hunk.header, Markup("".join(parts)))

    def _line(self, line: Line | None, old: bool, marks: Marks, windows: bool) -> str:
        if line is None:
            return '<div class="line filler"></div>'
        number = line.before if old else line.after
        coloured = self._before if old else self._after
        stretches = coloured[number - 1] if number <= len(coloured) else []
        code = _code(_shown(line, windows), stretches, marks)
        drawn = f'<div class="line"><span class="no" data-n="{number}"></span><code>{code}</code></div>'
        if not line.text.endswith("\n"):
            drawn += '<div class="line note">No newline at end of file</div>'
        return drawn


def _text(lines: Sequence[str]) -> str:
    """As it is shown: what is coloured and what is drawn must count the same characters."""
    return "\n".join(visible(line.rstrip("\r\n").removeprefix("\ufeff")) for line in lines)


def _shown(line: Line, windows: bool) -> str:
    text = line.text.removesuffix("\n")
    text = text.removesuffix("\r") if windows else text
    return visible(text.removeprefix("\ufeff") if 1 in (line.before, line.after) else text)


def _code(text: str, stretches: Iterable[Stretch], marks: Marks) -> str:
    """`text` cut wherever a colour or a mark begins or ends."""
    cuts = {0, len(text)}
    names: dict[int, str] = {}
    for start, end, name in stretches:
        cuts |= {min(start, len(text)), min(end, len(text))}
        names[start] = name
        names.setdefault(end, "")
    for start, end in marks:
        cuts |= {start, end}
    places = sorted(cuts)
    parts: list[str] = []
    name = ""
    marked = False
    for start, end in pairwise(places):
        name = names.get(start, name)
        inside = any(first <= start < last for first, last in marks)
        if inside != marked:
            parts.append("<mark>" if inside else "</mark>")
            marked = inside
        words = html.escape(text[start:end])
        parts.append(f'<span class="{name}">{words}</span>' if name else words)
    return "".join(parts) + ("</mark>" if marked else "")


# -- which line became which ------------------------------------------------------------------------------------------


def _paired(lines: Sequence[Line]) -> list[Row]:
    """Lines that are alike stand side by side, in order; the others beside nothing."""
    old = [line for line in lines if line.sign == "-"]
    new = [line for line in lines if line.sign == "+"]
    rows: list[Row] = []
    i = k = 0
    for a, b in (*_pairs(old, new), (len(old), len(new))):
        # What stands between two pairs goes side by side too: fewer gaps to read across.
        while i < a or k < b:
            rows.append((old[i] if i < a else None, new[k] if k < b else None))
            i, k = min(i + 1, a), min(k + 1, b)
        if a < len(old):
            rows.append((old[a], new[b]))
            i, k = a + 1, b + 1
    return rows


def _pairs(old: Sequence[Line], new: Sequence[Line]) -> list[tuple[int, int]]:
    """The longest way through both sides over lines that are alike."""
    if not old or not new or len(old) + len(new) > MANY:
        return []
    alike = [[_likeness(a.text, b.text) for b in new] for a in old]
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in reversed(range(len(old))):
        for k in reversed(range(len(new))):
            both = alike[i][k] + best[i + 1][k + 1] if alike[i][k] >= ALIKE else 0.0
            best[i][k] = max(both, best[i + 1][k], best[i][k + 1])
    found: list[tuple[int, int]] = []
    i = k = 0
    while i < len(old) and k < len(new):
        if alike[i][k] >= ALIKE and best[i][k] == alike[i][k] + best[i + 1][k + 1]:
            found.append((i, k))
            i, k = i + 1, k + 1
        elif best[i][k] == best[i + 1][k]:
            i += 1
        else:
            k += 1
    return found


def _likeness(old: str, new: str) -> float:
    """The share of characters, but for blanks, that stand in words of both."""
    was, now = _words(old.strip()), _words(new.strip())
    matcher = SequenceMatcher(None, was, now, autojunk=False)
    total = _weight(was) + _weight(now)
    if not total or 2 * min(_weight(was), _weight(now)) < ALIKE * total:
        return 0.0
    common = sum(_weight(was[match.a : match.a + match.size]) for match in matcher.get_matching_blocks())
    return 2 * common / total


def _weight(words: Iterable[str]) -> int:
    return sum(len(word) for word in words if not word.isspace())


def _marks(old: Line | None, new: Line | None, windows: bool) -> tuple[Marks, Marks]:
    """Where whole words differ, on each side; nothing in lines that have little in common."""
    if old is None or new is None:
        return (), ()
    was, now = _shown(old, windows), _shown(new, windows)
    if _likeness(was, now) < ALIKE:
        return (), ()
    left, right = _words(was), _words(now)
    starts, others = _starts(left), _starts(right)
    gone: list[tuple[int, int]] = []
    come: list[tuple[int, int]] = []
    for op, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if op == "equal":
            continue
        gone.append((starts[a], starts[b]))
        come.append((others[c], others[d]))
    return _joined(gone), _joined(come)


def _joined(marks: Iterable[tuple[int, int]]) -> Marks:
    """Without the empty ones, and with those together that touch."""
    found: list[tuple[int, int]] = []
    for start, end in marks:
        if start == end:
            continue
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return tuple(found)


def _words(text: str) -> list[str]:
    return _WORDS.findall(text)


def _starts(words: Iterable[str]) -> list[int]:
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word))
    return starts
