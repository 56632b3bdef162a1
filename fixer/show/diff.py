"""The unified diff of a plan: exact, because it is built from where every changed character comes from.

`git apply` takes the bytes of `patch` and gives the files that `fhfix apply` would have written. The format is the
one of git-diff (https://git-scm.com/docs/diff-generate-patch): quoted names, modes, new files, blob ids for
`git apply --3way`.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, groupby

from fixer.model import FileChange, Plan, Span
from fixer.records import record

CONTEXT = 3
"""Unchanged lines shown on each side of a change, as git does."""


@record
class Block:
    """A run of changed lines. Positions are line indexes from 0; `origins` are indexes into `Plan.taken`."""

    before: int
    removed: tuple[str, ...]
    after: int
    added: tuple[str, ...]
    origins: tuple[int, ...]


@record
class Line:
    """`sign` is `-`, `+` or a space; the text has its line end. Numbers from 1 are 0 where the side has no line."""

    sign: str
    text: str
    before: int = 0
    after: int = 0


@record
class Hunk:
    """Changed lines with context. `header` is `@@ -1,4 +1,5 @@`."""

    header: str
    lines: tuple[Line, ...]
    origins: tuple[int, ...]


@record
class FileDiff:
    """All changed lines of a file, each with the fixes that changed it. A byte order mark is part of line 0."""

    change: FileChange
    before: tuple[str, ...]
    after: tuple[str, ...]
    blocks: tuple[Block, ...]

    def hunks(self, chosen: Sequence[Block] | None = None, context: int = CONTEXT) -> list[Hunk]:
        """Hunks over the chosen blocks (all by default). Context never reaches into a block that was not chosen."""
        wanted = set(self.blocks if chosen is None else chosen)
        groups: list[list[int]] = []
        for index, block in enumerate(self.blocks):
            if block not in wanted:
                continue
            joins = groups and groups[-1][-1] == index - 1 and self._gap(index) <= 2 * context
            if joins:
                groups[-1].append(index)
            else:
                groups.append([index])
        return [self._hunk(group[0], group[-1], context) for group in groups]

    def by_fixes(self) -> list[tuple[tuple[int, ...], list[Block]]]:
        """Blocks that the same fixes made, in the order in which the file meets them first."""
        groups: dict[tuple[int, ...], list[Block]] = {}
        for block in self.blocks:
            groups.setdefault(block.origins, []).append(block)
        return list(groups.items())

    def _gap(self, index: int) -> int:
        """The number of unchanged lines before a block, back to the block before it."""
        earlier = self.blocks[index - 1] if index else None
        return self.blocks[index].before - (earlier.before + len(earlier.removed) if earlier else 0)

    def _hunk(self, first: int, last: int, context: int) -> Hunk:
        start = min(context, self._gap(first))
        final = self.blocks[last]
        rest = self._gap(last + 1) if last + 1 < len(self.blocks) else len(self.before)
        stop = min(final.before + len(final.removed) + min(context, rest), len(self.before))
        old, new = self.blocks[first].before - start, self.blocks[first].after - start
        from_old, from_new = old, new
        lines: list[Line] = []
        for block in self.blocks[first : last + 1]:
            while old < block.before:
                lines.append(Line(" ", self.before[old], old + 1, new + 1))
                old, new = old + 1, new + 1
            lines += [Line("-", text, old + i + 1, 0) for i, text in enumerate(block.removed)]
            lines += [Line("+", text, 0, new + i + 1) for i, text in enumerate(block.added)]
            old, new = old + len(block.removed), new + len(block.added)
        while old < stop:
            lines.append(Line(" ", self.before[old], old + 1, new + 1))
            old, new = old + 1, new + 1
        header = f"@@ -{_range(from_old, old)} +{_range(from_new, new)} @@"
        origins = sorted({origin for block in self.blocks[first : last + 1] for origin in block.origins})
        return Hunk(header, tuple(lines), tuple(origins))


def file_diff(change: FileChange) -> FileDiff:
    """Raises ValueError where the pieces do not add up to the file before and after: never a guess."""
    before = ("\ufeff" * change.before.bom + change.before.text) if change.before else ""
    after = "\ufeff" * change.after.bom + change.after.text
    parts = [(p.text if p.origin is None else p.removed, p.text, p.origin) for p in change.pieces]
    if change.after.bom:
        parts.insert(0, ("\ufeff", "\ufeff", None) if change.before else ("", "\ufeff", change.pieces[0].origin))
    if "".join(old for old, _, _ in parts) != before or "".join(new for _, new, _ in parts) != after:
        raise ValueError(f"{change.path}: the pieces of the change do not add up to the file")
    return FileDiff(change, lines_of(before), lines_of(after), tuple(_blocks(parts)))


def patch(plan: Plan) -> bytes:
    """All files of the plan as one patch; empty where nothing changes."""
    return b"".join(file_patch(plan.files[path]) for path in sorted(plan.files))


def file_patch(change: FileChange) -> bytes:
    old_data = change.before.to_bytes() if change.before else None
    new_data = change.after.to_bytes()
    if old_data == new_data:
        return b""
    hunks = file_diff(change).hunks()
    # Where no hunk names the file, git takes it from the first line, and is lost where a blank stands before a slash.
    only_here = not hunks and " /" in change.path
    old_name, new_name = (quoted(f"{side}/{change.path}", always=only_here) for side in "ab")
    out = [f"diff --git {old_name} {new_name}\n"]
    if old_data is None:
        out.append(f"new file mode {'100755' if change.executable else '100644'}\n")
        old_name = "/dev/null"
    out.append(f"index {_blob_id(old_data)}..{_blob_id(new_data)}\n")
    if hunks:
        out += [f"--- {_field(old_name)}\n", f"+++ {_field(new_name)}\n"]
    for hunk in hunks:
        out.append(hunk.header + "\n")
        for line in hunk.lines:
            out.append(line.sign + line.text)
            if not line.text.endswith("\n"):
                out.append("\n\\ No newline at end of file\n")
    return "".join(out).encode()


def quoted(name: str, *, always: bool = False) -> str:
    """A path as git writes it: between quotes, with octal escapes, where it holds unusual bytes."""
    data = os.fsencode(name)
    if not always and all(0x20 <= byte < 0x7F and byte not in b'"\\' for byte in data):
        return name
    escapes = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}
    return (
        '"'
        + "".join(
            f"\\{escapes[byte]}" if byte in escapes else chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}"
            for byte in data
        )
        + '"'
    )


def lines_of(text: str) -> tuple[str, ...]:
    """Lines with their ends. Only a line feed ends a line, as for git; `str.splitlines` knows eight others."""
    parts = text.split("\n")
    return (*(part + "\n" for part in parts[:-1]), *((parts[-1],) if parts[-1] else ()))


def _field(name: str) -> str:
    """A name with a space ends with a tab, or `patch` would take what follows the space for a date."""
    return name + "\t" if " " in name and not name.startswith('"') else name


def _range(start: int, stop: int) -> str:
    return f"{start + 1 if stop > start else start},{stop - start}"


def _blob_id(data: bytes | None) -> str:
    if data is None:
        return "0" * 40
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


Part = tuple[str, str, int | None]
"""Text before, text after, and the fix that made the one of the other; None where both are the same, untouched."""


def _blocks(parts: list[Part]) -> Iterator[Block]:
    """Cut where both sides stand at the start of a line; what differs between two cuts belongs to its origins."""
    run = _Run(0, 0)
    for was, now, origin in parts:
        if origin is None:
            head, feed, tail = was.partition("\n")
            run.add(head + feed, head + feed, None)
            if not feed:
                continue
            yield from run.blocks()
            whole = tail.rfind("\n") + 1
            old_line, new_line = run.ends()
            run = _Run(old_line + tail.count("\n"), new_line + tail.count("\n"))
            run.add(tail[whole:], tail[whole:], None)
            continue
        run.add(was, now, origin)
        if run.at_line_starts():
            yield from run.blocks()
            run = _Run(*run.ends())
    yield from run.blocks()


class _Run:
    """Text between two cuts. A line counts as unchanged where every character of it is untouched; lines of different
    fixes are never compared with each other, however alike they are."""

    def __init__(self, old_line: int, new_line: int) -> None:
        self.old_line = old_line
        self.new_line = new_line
        self.old = ""
        self.new = ""
        self.parts: list[tuple[Span, Span, int | None]] = []

    def add(self, was: str, now: str, origin: int | None) -> None:
        if not was and not now:
            return
        old = Span(len(self.old), len(self.old) + len(was))
        new = Span(len(self.new), len(self.new) + len(now))
        self.parts.append((old, new, origin))
        self.old += was
        self.new += now

    def at_line_starts(self) -> bool:
        return all(not text or text.endswith("\n") for text in (self.old, self.new))

    def ends(self) -> tuple[int, int]:
        return self.old_line + len(lines_of(self.old)), self.new_line + len(lines_of(self.new))

    def blocks(self) -> Iterator[Block]:
        if self.old == self.new and len({origin for _, _, origin in self.parts}) < 2:
            return
        was, now = _Lines(self.old), _Lines(self.new)
        i = k = 0
        for j, m in (*self._untouched(was, now), (len(was.texts), len(now.texts))):
            yield from self._gap(was, i, j, now, k, m)
            i, k = j + 1, m + 1

    def _untouched(self, was: _Lines, now: _Lines) -> Iterator[tuple[int, int]]:
        """Indexes, ascending, of the lines on both sides whose words stand in one untouched part.

        What is put in behind a line may bring the line's end along: `a⏎` becomes `a` + `⏎b` + `⏎`.
        """
        last = (-1, -1)
        for old, new, origin in self.parts:
            if origin is not None:
                continue
            for j in was.within(old):
                m = now.at(new.start + was.starts[j] - old.start)
                if m is not None and now.texts[m] == was.texts[j] and j > last[0] and m > last[1]:
                    last = (j, m)
                    yield last

    def _gap(self, was: _Lines, i: int, j: int, now: _Lines, k: int, m: int) -> Iterator[Block]:
        removed, added = was.texts[i:j], now.texts[k:m]
        if removed == added:
            return
        old, new = was.extent(i, j), now.extent(k, m)
        origins = sorted({o for a, b, o in self.parts if o is not None and (_meet(a, old) or _meet(b, new))})
        if len(origins) > 1:
            yield from self._shared(was, i, j, now, k, m, tuple(origins))
        else:
            yield from self._own(self.old_line + i, removed, self.new_line + k, added, tuple(origins))

    def _shared(
        self, was: _Lines, i: int, j: int, now: _Lines, k: int, m: int, origins: tuple[int, ...]
    ) -> Iterator[Block]:
        """Several fixes put whole lines into one place, and at most one of them took lines away: each has its own."""
        removed, added = was.texts[i:j], now.texts[k:m]
        takers = [self._takers(was, number) for number in range(i, j)]
        writers = [self._writers(now, number) for number in range(k, m)]
        if len(set(takers)) > 1 or any(len(each) != 1 for each in (*takers, *writers)):
            yield Block(self.old_line + i, removed, self.new_line + k, added, origins)
            return
        taker = takers[0] if takers else ()
        if removed and taker not in writers:
            yield Block(self.old_line + i, removed, self.new_line + k, (), taker)
            i, removed = j, ()
        start = 0
        for writer, lines in groupby(writers):
            stop = start + len(list(lines))
            gone = removed if writer == taker else ()
            yield from self._own(self.old_line + i, gone, self.new_line + k + start, added[start:stop], writer)
            if gone:
                i, removed = j, ()
            start = stop

    @staticmethod
    def _own(
        before: int, removed: tuple[str, ...], after: int, added: tuple[str, ...], origins: tuple[int, ...]
    ) -> Iterator[Block]:
        """What one fix made of some lines."""
        for op, a, b, c, d in SequenceMatcher(None, removed, added, autojunk=False).get_opcodes():
            if op != "equal":
                yield Block(before + a, removed[a:b], after + c, added[c:d], origins)

    def _takers(self, was: _Lines, number: int) -> tuple[int, ...]:
        """The fixes that took words of a line away, or the line itself where it has no words."""
        return tuple(sorted({o for old, _, o in self.parts if o is not None and _meet(old, was.told(number))}))

    def _writers(self, now: _Lines, number: int) -> tuple[int, ...]:
        """The fixes that wrote words of a line, or the line itself where it has no words."""
        return tuple(sorted({o for _, new, o in self.parts if o is not None and _meet(new, now.told(number))}))


class _Lines:
    """The lines of a text, and where they start."""

    def __init__(self, text: str) -> None:
        self.texts = lines_of(text)
        self.starts = [0, *accumulate(map(len, self.texts))]
        ends = zip(self.starts, self.texts, strict=False)
        self._words_end = [start + len(text.rstrip("\r\n")) for start, text in ends]
        self._numbers = {start: number for number, start in enumerate(self.starts[:-1])}

    def at(self, start: int) -> int | None:
        """The line that starts at this offset."""
        return self._numbers.get(start)

    def within(self, span: Span) -> range:
        """The lines whose words lie in a span; their line ends may not."""
        first = bisect_left(self.starts, span.start)
        stop = bisect_right(self._words_end, span.end)
        return range(first, max(first, stop))

    def told(self, number: int) -> Span:
        """What tells whose a line is: its words without its end; where it has none, the line itself."""
        words = Span(self.starts[number], self._words_end[number])
        return words if words.start < words.end else self.extent(number, number + 1)

    def extent(self, start: int, stop: int) -> Span:
        """From one line to before another, with the end of the line above, which what is put in may have brought."""
        above = self._words_end[start - 1] if start else 0
        return Span(above, self.starts[stop])


def _meet(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end
