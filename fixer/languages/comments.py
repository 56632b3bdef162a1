"""Comments as edits of text: what they say is no part of a file's meaning, and that is checked by reading it again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fixer.model import Blocked, Document, Edit, FileError, Parts, Source, Span
from fixer.splice import splice


def changes_no_meaning(document: Document, *edits: Edit) -> bool:
    """Whether the file means the same with these edits: they stand in comments, and in no text or script."""
    source = document.source
    try:
        after = type(document).parse(Source(source.path, splice(source.text, edits), source.bom))
    except FileError:
        return False
    return bool(after.plain() == document.plain())


def comments_among(document: Document, spans: Sequence[Span]) -> frozenset[int]:
    """Which of these, by their numbers, are comments: what is written into them is read nowhere. The file is read once
    for all. None of them where that cannot be said."""
    source = document.source
    mark = "read"
    while mark in source.text:
        mark += "_"
    edits = [
        Edit(source.path, Span(span.start + 1, span.start + 1), f"{mark}{number};", ())
        for number, span in enumerate(spans)
    ]
    try:
        after = type(document).parse(Source(source.path, splice(source.text, edits), source.bom))
    except FileError:
        return frozenset()
    read = {int(number) for number in re.findall(rf"{mark}(\d+);", repr(after.plain()))}
    return frozenset(range(len(spans))) - read


def may_all_go(document: Document, spans: Iterable[Span]) -> bool:
    """Whether the file says the same without any of these, so that each can go; the file is read once for all."""
    return changes_no_meaning(document, *(_edit(document.source, span, "") for span in spans))


def rewritten(document: Document, span: Span, text: str, *, certain: bool = False) -> Parts:
    """Other text in the place of a comment or of a part of one. A comment that goes takes the blanks before it along,
    and its line where it has one of its own. `certain`: it is known to be a comment."""
    edit = _edit(document.source, span, text)
    if not certain and not changes_no_meaning(document, edit):
        return Blocked("the file says something else without it", "delete it by hand")
    return (edit,)


def _edit(source: Source, span: Span, text: str) -> Edit:
    start, end = span.start, span.end
    if not text:
        line = source.line_start(start)
        start = line + len(source.text[line:start].rstrip(" \t"))
        if start == line and end == source.line_end(span.start):
            end = source.text.find("\n", end) + 1 or len(source.text)
    return Edit(source.path, Span(start, end), text, ())
