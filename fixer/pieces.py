"""The text of a changed file in runs, each of which knows which fix wrote it."""

from __future__ import annotations

from collections.abc import Iterable

from fixer.model import Edit, Piece
from fixer.splice import ordered


def spliced(pieces: list[Piece], edits: list[tuple[Edit, int]]) -> list[Piece]:
    """The same edits on the pieces of a file, so that every changed range knows which fix made it."""
    owners = {id(edit): owner for edit, owner in edits}
    for edit in reversed(ordered(edit for edit, _ in edits)):
        before, rest = _split(pieces, edit.span.start)
        gone, after = _split(rest, edit.span.end - edit.span.start)
        removed = "".join(p.removed + (p.text if p.origin is None else "") for p in gone)
        pieces = [*before, Piece(edit.text, owners[id(edit)], removed), *after]
    return pieces


def writers(pieces: Iterable[Piece], edit: Edit) -> set[int]:
    """The fixes in whose text an edit stands: it takes some of that text away, or puts something in between.

    At an end of such text it stands beside it.
    """
    found: set[int] = set()
    start = 0
    for piece in pieces:
        end = start + len(piece.text)
        if piece.origin is not None and start < edit.span.end and edit.span.start < end:
            found.add(piece.origin)
        if start > edit.span.end:
            break
        start = end
    return found


def original(pieces: Iterable[Piece], offset: int) -> int:
    """Where in the original text an offset of the changed text lies; for text of a fix, where the fix stands."""
    at = 0
    for piece in pieces:
        if offset < len(piece.text):
            return at + offset if piece.origin is None else at
        offset -= len(piece.text)
        at += len(piece.text) if piece.origin is None else len(piece.removed)
    return at + offset


def _split(pieces: list[Piece], offset: int) -> tuple[list[Piece], list[Piece]]:
    """Pieces before and from an offset; one that holds it is cut in two."""
    before: list[Piece] = []
    for number, piece in enumerate(pieces):
        if offset < len(piece.text) or (offset == 0 and not piece.text):
            if offset == 0:
                return before, pieces[number:]
            head = Piece(piece.text[:offset], piece.origin, piece.removed)
            tail = Piece(piece.text[offset:], piece.origin)
            return [*before, head], [tail, *pieces[number + 1 :]]
        before.append(piece)
        offset -= len(piece.text)
    return before, []
