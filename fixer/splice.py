"""Text edits → text. The one function that writes into a file's text."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from fixer.model import Address, Edit


def ordered(edits: Iterable[Edit]) -> list[Edit]:
    """Edits by position; those at one position in the order in which they were given.

    Insertions at a position go before a replacement that starts there.
    """
    return sorted(edits, key=lambda edit: (edit.span.start, edit.span.end))


class Claimed:
    """What the fixes of a batch do to one file, to tell whether another one contends with them.

    That the edits of one fix contend with each other is a fault of its rule, and shows when they are made.
    """

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []  # sorted; those of two fixes do not overlap
        self._set: set[Address] = set()
        self._changed: set[Address] = set()

    def contends(self, edits: Sequence[Edit]) -> bool:
        """Whether one of these edits touches the same text, inserts at the same place, or sets the same value."""
        for edit in edits:
            span = (edit.span.start, edit.span.end)
            at = bisect_left(self._spans, span)
            if self._spans[at : at + 1] == [span]:
                return True
            if at and self._spans[at - 1][1] > span[0]:
                return True
            if at < len(self._spans) and self._spans[at][0] < span[1]:
                return True
        changes = [change for edit in edits for change in edit.changes]
        return any(change.at in (self._changed if change.op == "set" else self._set) for change in changes)

    def add(self, edits: Iterable[Edit]) -> None:
        for edit in edits:
            insort(self._spans, (edit.span.start, edit.span.end))
            self._set.update(change.at for change in edit.changes if change.op == "set")
            self._changed.update(change.at for change in edit.changes)


def splice(text: str, edits: Sequence[Edit]) -> str:
    """The text with all edits made. Raises ValueError where they overlap or lie outside of the text."""
    pieces: list[str] = []
    at = 0
    for edit in ordered(edits):
        if edit.span.start < at or edit.span.end > len(text):
            raise ValueError(f"edit {edit.span} overlaps another, or lies outside of {edit.path}")
        pieces += text[at : edit.span.start], edit.text
        at = edit.span.end
    return "".join([*pieces, text[at:]])
