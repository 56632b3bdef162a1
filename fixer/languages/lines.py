"""Files whose meaning is a list of lines: .dockerignore, .gitignore, requirements, Procfile."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Self

from fixer.model import Blocked, Change, Edit, Parts, Source, Span


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

    @cached_property
    def text(self) -> str:
        """The file with the line ends of Unix, which is what offsets of `splice` and `span_of` count in."""
        return self.source.text.replace("\r\n", "\n")

    def span_of(self, start: int, end: int) -> Span:
        """Where a range of `text` stands in the file."""
        return Span(self._offset(start), self._offset(end))

    def splice(self, edits: Sequence[tuple[int, int, str]]) -> Parts:
        """Replaces ranges of `text`. What stays within a line, and whole lines that are added, can be combined with
        other edits of that line; the rest of what touches the same line becomes one edit."""
        if "\r" in self.text:  # a line end behind it would make it part of that
            return Blocked(f"{self.source.path} has a carriage return within a line", "convert its line ends")
        if not self.lines:
            new = "".join(new for _, _, new in edits)
            return self.insert(0, *new.removesuffix("\n").split("\n")) if new else ()
        groups: list[tuple[int, int, list[tuple[int, int, str]]]] = []
        for start, end, new in sorted(edits):
            first, last = self._line(start), self._line(end)
            if groups and groups[-1][1] >= first:
                top, bottom, members = groups[-1]
                groups[-1] = (top, max(bottom, last), [*members, (start, end, new)])
            else:
                groups.append((first, last, [(start, end, new)]))
        found: list[Edit] = []
        for first, last, members in groups:
            alone = [self._alone(*edit) for edit in members]
            found += [edit for edit in alone if edit] if all(alone) else [self._spliced(first, last, members)]
        return tuple(found)

    def _alone(self, start: int, end: int, new: str) -> Edit | None:
        """An edit that says nothing of what else its line holds; None where it takes or breaks lines."""
        line = self._line(start)
        begin = self._starts[line]
        stop = begin + len(self.lines[line])
        lines = new.split("\n")
        if len(lines) == 1 and end <= stop and (new or stop < len(self.text) or end - start < stop - begin):
            changes = [Change("splice", (line,), (start - begin, end - begin, new))]
        elif start == end == begin and not lines[-1]:
            changes = [Change("insert", (line,), each) for each in reversed(lines[:-1])]
        elif start == end == stop and not lines[0] and lines[-1]:
            changes = [Change("insert", (line + 1,), each) for each in reversed(lines[1:])]
        else:
            return None
        text = new.replace("\n", self.source.newline)
        return Edit(self.source.path, self.span_of(start, end), text, tuple(changes))

    def _spliced(self, first: int, last: int, edits: list[tuple[int, int, str]]) -> Edit:
        start, end = edits[0][0], edits[-1][1]
        new, at = "", start
        for left, right, text in edits:
            new += self.text[at:left] + text
            at = right
        begin, stop = self._starts[first], self._starts[last] + len(self.lines[last])
        wanted = (self.text[begin:start] + new + self.text[end:stop]).split("\n")
        if max(stop, end) == len(self.text) and not wanted[-1]:  # the end of the file, and no line
            wanted.pop()
        kept = min(len(wanted), last + 1 - first)
        changes = [Change("set", (first + number,), wanted[number]) for number in range(kept)]
        changes += [Change("delete", (number,)) for number in range(last, first + kept - 1, -1)]
        changes += [Change("insert", (first + kept,), line) for line in reversed(wanted[kept:])]
        return Edit(self.source.path, self.span_of(start, end), new.replace("\n", self.source.newline), tuple(changes))

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        """Where each line starts in `text`."""
        found, at = [], 0
        for line in self.lines:
            found.append(at)
            at += len(line) + 1
        return tuple(found)

    def _line(self, offset: int) -> int:
        """The index of the line that holds an offset of `text`; what stands behind the last one belongs to it."""
        return max(0, bisect_right(self._starts, offset) - 1)

    def _offset(self, offset: int) -> int:
        line = self._line(offset)
        if not self._starts or offset > self._starts[line] + len(self.lines[line]):
            return len(self.source.text)
        return self.spans[line].start + offset - self._starts[line]

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
