"""Text edits → text. The one function that writes into a file's text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fixer.model import Edit


def ordered(edits: Iterable[Edit]) -> list[Edit]:
    """Edits by position; those at one position in the order in which they were given.

    Insertions at a position go before a replacement that starts there.
    """
    return sorted(edits, key=lambda edit: (edit.span.start, edit.span.end))


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
