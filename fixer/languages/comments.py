"""Comments as edits of text: what they say is no part of a file's meaning, and that is checked by reading it again."""

from __future__ import annotations

from collections.abc import Iterable

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


def is_comment(document: Document, span: Span) -> bool:
    """Whether the file says the same without what stands there; a text that looks like a comment says something."""
    return changes_no_meaning(document, Edit(document.source.path, span, "", ()))


def are_comments(document: Document, spans: Iterable[Span]) -> bool:
    """Whether the file says the same without any of these, so that each can go; the file is read once for all."""
    return changes_no_meaning(document, *(_edit(document.source, span, "") for span in spans))


def rewritten(document: Document, span: Span, text: str, *, certain: bool = False) -> Parts:
    """Other text in the place of a comment or of a part of one. A comment that goes takes the blanks before it along,
    and its line where it has one of its own. `certain`: it is known to be a comment."""
    edit = _edit(document.source, span, text)
    if not certain and not changes_no_meaning(document, edit):
        return Blocked("it stands where it is a part of a text or of a list of lines", "delete it by hand")
    return (edit,)


def _edit(source: Source, span: Span, text: str) -> Edit:
    start, end = span.start, span.end
    if not text:
        line = source.line_start(start)
        start = line + len(source.text[line:start].rstrip(" \t"))
        if start == line and end == source.line_end(span.start):
            end = source.text.find("\n", end) + 1 or len(source.text)
    return Edit(source.path, Span(start, end), text, ())
