"""The text of a changed file in runs, each of which knows which fix wrote it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fixer.model import Edit, Piece, Span
from fixer.splice import ordered


def spliced(pieces: list[Piece], edits: list[tuple[Edit, int]]) -> list[Piece]:
    """The same edits on the pieces of a file, so that every changed range knows which fix made it."""
    owners = {id(edit): owner for edit, owner in edits}
    in_order = ordered(edit for edit, _ in edits)
    begins: dict[int, int] = {}
    written: Counter[int] = Counter()
    for edit in in_order:
        begins[id(edit)] = written[owners[id(edit)]]
        written[owners[id(edit)]] += len(edit.text)
    for edit in reversed(in_order):
        before, rest = _split(pieces, edit.span.start)
        gone, after = _split(rest, edit.span.end - edit.span.start)
        removed = "".join(p.removed + (p.text if p.origin is None else "") for p in gone)
        pieces = [*before, Piece(edit.text, owners[id(edit)], removed, begins[id(edit)]), *after]
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


def written_at(pieces: Iterable[Piece], span: Span) -> tuple[int, int]:
    """Which fix wrote what stands in a span of the changed text, -1 for none, and where in what it wrote.

    Where something in the span was there before, that counts. A file without pieces is as it was.
    """
    first: tuple[int, int] | None = None
    start = end = at = 0
    for piece in pieces:
        start, end = end, end + len(piece.text)
        if piece.origin is None:
            at = piece.at + len(piece.text)
        if end <= span.start:
            continue
        if start >= max(span.end, span.start + 1):
            break
        place = (-1 if piece.origin is None else piece.origin, piece.at + max(span.start - start, 0))
        if piece.origin is None:
            return place
        first = first or place
    return first or (-1, at + span.start - end)


def _split(pieces: list[Piece], offset: int) -> tuple[list[Piece], list[Piece]]:
    """Pieces before and from an offset; one that holds it is cut in two."""
    before: list[Piece] = []
    for number, piece in enumerate(pieces):
        if offset < len(piece.text) or (offset == 0 and not piece.text):
            if offset == 0:
                return before, pieces[number:]
            head = Piece(piece.text[:offset], piece.origin, piece.removed, piece.at)
            tail = Piece(piece.text[offset:], piece.origin, at=piece.at + offset)
            return [*before, head], [tail, *pieces[number + 1 :]]
        before.append(piece)
        offset -= len(piece.text)
    return before, []
