"""The text of a changed file in runs, each of which knows which fix wrote it."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from fixer.model import Blocked, Edit, Fix, Piece, Span
from fixer.records import record
from fixer.splice import ordered


@record
class Runs:
    """A changed file from its beginning to its end."""

    pieces: tuple[Piece, ...] = ()

    @cached_property
    def _starts(self) -> list[int]:
        """Where each piece begins in the changed text."""
        starts, at = [], 0
        for piece in self.pieces:
            starts.append(at)
            at += len(piece.text)
        return starts

    @cached_property
    def _places(self) -> list[int]:
        """Where each piece begins in the original text; what a fix wrote stands where it took text away."""
        places, at = [], 0
        for piece in self.pieces:
            places.append(at)
            at += len(piece.text) if piece.origin is None else len(piece.removed)
        return places

    def spliced(self, edits: list[tuple[Edit, int]]) -> Runs:
        """After these edits, each with the fix that it belongs to."""
        owners = {id(edit): owner for edit, owner in edits}
        found: list[Piece] = []
        rest = list(reversed(self.pieces))
        at = 0
        for edit in ordered(edit for edit, _ in edits):
            found += _taken(rest, edit.span.start - at)
            gone = _taken(rest, edit.span.end - edit.span.start)
            at = edit.span.end
            removed = "".join(p.removed + (p.text if p.origin is None else "") for p in gone)
            found.append(Piece(edit.text, owners[id(edit)], removed))
        return Runs((*found, *reversed(rest)))

    @property
    def written(self) -> tuple[Span, ...]:
        """Where in the changed text stands what fixes wrote; pieces side by side are one."""
        spans: list[Span] = []
        for piece, start in zip(self.pieces, self._starts, strict=True):
            if piece.origin is None or not piece.text:
                continue
            end = start + len(piece.text)
            first = spans.pop().start if spans and spans[-1].end == start else start
            spans.append(Span(first, end))
        return tuple(spans)

    def writers(self, edit: Edit) -> set[int]:
        """The fixes in whose text an edit stands: it takes some of that text away, or puts something in between.

        At an end of such text it stands beside it.
        """
        first = max(bisect_right(self._starts, edit.span.start) - 1, 0)
        last = bisect_left(self._starts, edit.span.end)
        return {
            piece.origin
            for piece, start in zip(self.pieces[first:last], self._starts[first:last], strict=True)
            if piece.origin is not None and start < edit.span.end and edit.span.start < start + len(piece.text)
        }

    def now(self, offset: int) -> int:
        """Where an offset of the original text lies in the changed one; for text that is gone, what took its place."""
        number = bisect_right(self._places, offset) - 1
        if number < 0:
            return offset
        start, piece = self._starts[number], self.pieces[number]
        return start + offset - self._places[number] if piece.origin is None else start

    def before(self, offset: int) -> Span:
        """What an offset of the changed text was in the original one: itself, or all that a fix took away there."""
        number = bisect_right(self._starts, offset) - 1
        if number < 0:
            return Span(offset, offset + 1)
        piece, place = self.pieces[number], self._places[number]
        if piece.origin is None:
            place += offset - self._starts[number]
            return Span(place, place + 1)
        return Span(place, place + len(piece.removed))

    def replacing(self, span: Span) -> int:
        """The first fix that took away some of a span of the original text, or put something into it; -1 for none."""
        end = max(span.end, span.start + 1)
        for piece, place in zip(self.pieces, self._places, strict=True):
            if piece.origin is not None and place < end and span.start < max(place + len(piece.removed), place + 1):
                return piece.origin
        return -1

    def writer_of(self, span: Span) -> int:
        """The fix that wrote what stands in a span of the changed text; -1 where something of it was there before."""
        first = -1
        for number in range(max(bisect_right(self._starts, span.start) - 1, 0), len(self.pieces)):
            piece, start = self.pieces[number], self._starts[number]
            if start + len(piece.text) <= span.start:
                continue
            if start >= max(span.end, span.start + 1):
                break
            if piece.origin is None:
                return -1
            first = piece.origin if first < 0 else first
        return first


_LINE = re.compile(r"(?P<path>[^\s:;,'\"`()\[\]]+):(?P<of>\d+)\b|\bline (?P<here>\d+)\b")
"""`deploy.yml:41`, or `line 41` of the file that is spoken of."""


def relined(cure: Fix | Blocked, path: str, line_of: Callable[[str, int], int]) -> Fix | Blocked:
    """The same words with other lines: what is known of a file in between names lines that nobody sees. `line_of` says
    which line to name, of a path and a line that are named."""

    def one(match: re.Match[str]) -> str:
        if match["here"]:
            return f"line {line_of(path, int(match['here']))}"
        return f"{match['path']}:{line_of(match['path'], int(match['of']))}"

    if isinstance(cure, Blocked):
        reason, step = _LINE.sub(one, cure.reason), _LINE.sub(one, cure.next_step)
        return cure if (reason, step) == (cure.reason, cure.next_step) else replace(cure, reason=reason, next_step=step)
    effects, todo = (tuple(_LINE.sub(one, said) for said in words) for words in (cure.effects, cure.todo))
    return cure if (effects, todo) == (cure.effects, cure.todo) else replace(cure, effects=effects, todo=todo)


def _taken(rest: list[Piece], length: int) -> list[Piece]:
    """Takes so many characters from the pieces, which stand in reverse; one that goes beyond them is cut in two."""
    found: list[Piece] = []
    while length and rest:
        piece = rest.pop()
        if length < len(piece.text):
            rest.append(Piece(piece.text[length:], piece.origin))
            piece = Piece(piece.text[:length], piece.origin, piece.removed)
        found.append(piece)
        length -= len(piece.text)
    return found
