"""Files whose meaning is a list of lines: .dockerignore, .gitignore, requirements, Procfile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Self

from fixer.model import Change, Edit, Parts, Source, Span


class Lines:
    """A file of lines. Comments and empty lines are lines too; the line ends and the last one's absence are not
    part of the meaning. A line feed ends a line, and a carriage return before it or before the end of the file belongs
    to that end, as Go's bufio.ScanLines has it for Docker.

    An empty line always has a line end: without one it could not be told from the end of the file. Indexes count
    from 0. Builders raise IndexError for a line that is not there and ValueError for text that would
    be more than one line.
    """

    def __init__(self, source: Source) -> None:
        self.source = source

    @classmethod
    def parse(cls, source: Source) -> Self:
        return cls(source)

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Where each line stands, without its line end."""
        found, start, text = [], 0, self.source.text
        while start < len(text):
            after = text.find("\n", start) + 1 or len(text)
            end = after - 1 if text[after - 1] == "\n" else after
            found.append(Span(start, end - (end > start and text[end - 1] == "\r")))
            start = after
        return tuple(found)

    @cached_property
    def lines(self) -> tuple[str, ...]:
        return tuple(self.source.text[span.start : span.end] for span in self.spans)

    def plain(self) -> list[str]:
        return list(self.lines)

    def insert(self, index: int, *lines: str) -> Parts:
        """New lines before the line `index`; `index == len(lines)` appends."""
        if not lines:
            return ()
        if not 0 <= index <= len(self.lines):
            raise IndexError(index)
        newline, text = self.source.newline, self.source.text
        if index < len(self.lines):
            at, new = self.spans[index].start, "".join(_checked(line) + newline for line in lines)
        elif text and not text.endswith("\n"):
            at, new = len(text), "".join(newline + _checked(line) for line in lines) + newline * (not lines[-1])
            new = new.removeprefix("\r") if text.endswith("\r") else new
        else:
            at, new = len(text), "".join(_checked(line) + newline for line in lines)
        changes = tuple(Change("insert", (index,), line) for line in reversed(lines))
        return (Edit(self.source.path, Span(at, at), new, changes),)

    def append(self, *lines: str) -> Parts:
        """New lines at the end. A file that does not end in a line end still does not."""
        return self.insert(len(self.lines), *lines)

    def replace(self, index: int, line: str) -> Parts:
        """Another text for one line; its line end stays."""
        span = self._span(index)
        ended = line or span.end < len(self.source.text)
        new = _checked(line) if ended else self.source.newline
        return (Edit(self.source.path, span, new, (Change("set", (index,), line),)),)

    def delete(self, *indexes: int) -> Parts:
        """These lines, with their line ends, taken away."""
        edits = []
        for first, last in _runs(indexes):
            changes = tuple(Change("delete", (index,)) for index in range(last, first - 1, -1))
            edits.append(Edit(self.source.path, self._with_line_end(first, last), "", changes))
        return tuple(edits)

    def _span(self, index: int) -> Span:
        if not 0 <= index < len(self.spans):
            raise IndexError(index)
        return self.spans[index]

    def _with_line_end(self, first: int, last: int) -> Span:
        text, start = self.source.text, self._span(first).start
        self._span(last)
        if last + 1 < len(self.spans):
            return Span(start, self.spans[last + 1].start)
        if text.endswith("\n") or first == 0 or self.lines[first - 1][-1:] in ("", "\r"):
            return Span(start, len(text))
        # The last line has no line end of its own: the one before it goes, so that the file still has none.
        return Span(self.spans[first - 1].end, len(text))


def _runs(indexes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Neighbouring indexes joined: `1, 2, 5` is `(1, 2)`, `(5, 5)`."""
    ordered = sorted(set(indexes))
    start = 0
    for at in range(1, len(ordered) + 1):
        if at == len(ordered) or ordered[at] != ordered[at - 1] + 1:
            yield ordered[start], ordered[at - 1]
            start = at


def _checked(line: str) -> str:
    if "\n" in line or line.endswith("\r"):
        raise ValueError(f"not one line: {line!r}")
    return line
