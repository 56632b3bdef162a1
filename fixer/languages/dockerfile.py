"""Dockerfiles: exact positions, stages with inheritance, image references, and builders.

Read as BuildKit reads them (https://github.com/moby/buildkit/tree/master/frontend/dockerfile/parser): parser
directives, continuations with comments and empty lines between, here-documents, flags, both forms of arguments. Own
reader: of 553 public Dockerfiles that BuildKit's parser takes, tree-sitter-dockerfile 0.2 sees a syntax error in 293.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import Any, Self

from fixer.model import Blocked, Change, Edit, FileError, Parts, Source, Span
from fixer.records import entity, record
from fixer.scripts import must_be_code

_INSTRUCTIONS = frozenset((
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
    "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
))  # fmt: skip
_JSON_FORM = frozenset(("ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"))
_HEREDOC_FORM = frozenset(("ADD", "COPY", "RUN"))
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*)$")
_HEREDOC = re.compile(r"\d*<<(-?)\s*([^<]+)$")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::([-+])([^{}]*))?\})")
_LONGEST = 65_536
"""Characters of a value; what is longer is not followed."""
_PLATFORM_ARGS = frozenset(
    f"{side}{part}" for side in ("BUILD", "TARGET") for part in ("PLATFORM", "OS", "ARCH", "VARIANT")
)


@record
class ImageRef:
    """An image reference, `registry/name:tag@digest`. Docker Hub's `docker.io/` and `library/` are left out."""

    registry: str
    name: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        rest, _, digest = text.partition("@")
        head, colon, tail = rest.rpartition(":")
        rest, tag = (head, tail) if colon and "/" not in tail else (rest, "")
        first, slash, others = rest.partition("/")
        registry, name = (first, others) if slash and re.search(r"[.:]|^localhost$", first) else ("", rest)
        if registry in ("docker.io", "index.docker.io", "registry-1.docker.io"):
            registry = ""
        return cls(registry, name.removeprefix("library/") if not registry else name, tag, digest)

    @property
    def repository(self) -> str:
        return f"{self.registry}/{self.name}" if self.registry else self.name

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return self.repository + tag + (f"@{self.digest}" if self.digest else "")


@record
class Flag:
    """`--name=value`; `value` is empty for a switch such as `--link`."""

    name: str
    value: str
    span: Span

    @property
    def text(self) -> str:
        return f"--{self.name}={self.value}" if self.value else f"--{self.name}"


@record
class Word:
    """A word of an instruction's body as it is written."""

    text: str
    span: Span


@record
class Heredoc:
    name: str
    text: str


@record
class New:
    """An instruction to be written. A list as body is the JSON form; a line break in a body is a continuation.
    `comment` stands above it, with its signs, as `Dockerfile.comment_above` says it."""

    op: str
    body: str | Sequence[str]
    flags: Sequence[str] = ()
    comment: str = ""


@record
class Instruction:
    """One instruction.

    `span` goes from the keyword to the last character, here-documents included, without the line end. `text` is the
    body with continuations joined and comments left out; `body` is the list of strings where it is in JSON form.
    """

    index: int
    op: str
    span: Span
    keyword: Span
    flags: tuple[Flag, ...]
    text: str
    body_span: Span
    heredocs: tuple[Heredoc, ...]
    commented: bool
    escape: str = field(repr=False)
    offsets: tuple[int, ...] = field(repr=False)

    @cached_property
    def body(self) -> str | list[str]:
        text = self.text
        if self.op == "HEALTHCHECK":
            text = text.partition(" ")[2].strip()
        if (self.op in _JSON_FORM or self.op == "HEALTHCHECK") and text.startswith("["):
            try:
                items = json.loads(text)
            except (ValueError, RecursionError):
                return self.text
            if isinstance(items, list) and all(isinstance(item, str) for item in items):
                return items
        return self.text

    @property
    def is_json(self) -> bool:
        return isinstance(self.body, list)

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The body's words, split at white space outside of quotes."""
        return tuple(
            Word(self.text[start:end], Span(self.offsets[start], self.offsets[end - 1] + 1))
            for start, end in _words(self.text, self.escape)
        )

    @cached_property
    def args(self) -> tuple[str, ...]:
        """The arguments: the strings of the JSON form, else the words."""
        return tuple(self.body) if isinstance(self.body, list) else tuple(word.text for word in self.words)

    @cached_property
    def pairs(self) -> tuple[tuple[str, str | None], ...]:
        """Names and values of ENV, ARG and LABEL, quotes removed; None for an ARG without a default."""
        words = [word.text for word in self.words]
        if self.op != "ARG" and words and "=" not in words[0]:
            return ((words[0], self.text.partition(words[0])[2].strip()),)
        found: list[tuple[str, str | None]] = []
        for word in words:
            name, equals, value = word.partition("=")
            found.append((name, _unquoted(value, self.escape) if equals else None))
        return tuple(found)

    def flag(self, name: str) -> Flag | None:
        return next((flag for flag in self.flags if flag.name == name), None)

    @property
    def script(self) -> str:
        """The shell code of a RUN: its text and its here-documents; empty for the JSON form."""
        if isinstance(self.body, list):
            return ""
        heredocs = "".join(f"\n{doc.text}" for doc in self.heredocs)
        return self.text if not heredocs else re.sub(r"\d*<<-?\s*['\"]?\w+['\"]?", "", self.text) + heredocs

    def plain(self) -> dict[str, Any]:
        data: dict[str, Any] = {"op": self.op, "flags": [flag.text for flag in self.flags]}
        if self.op == "HEALTHCHECK" and self.is_json:
            data["body"] = [self.text.split()[0], *self.body]
        else:
            data["body"] = self.body
        if self.heredocs:
            data["heredocs"] = [{"name": doc.name, "text": doc.text} for doc in self.heredocs]
        return data


@entity
class Stage:
    """A build stage. `image` is its base where that is an image whose name is known, `parent` where it is a stage."""

    index: int
    name: str
    start: Instruction
    instructions: tuple[Instruction, ...]
    base: str
    image: ImageRef | None
    parent: Stage | None

    @property
    def chain(self) -> tuple[Stage, ...]:
        """The stages that this one is made of, the first `FROM image` first, itself last."""
        found = [self]
        while (parent := found[-1].parent) is not None:
            found.append(parent)
        return tuple(reversed(found))

    @property
    def root(self) -> Stage:
        return self.chain[0]

    @property
    def inherited(self) -> tuple[Instruction, ...]:
        """Every instruction that makes this stage, in the order in which they act."""
        return tuple(instruction for stage in self.chain for instruction in stage.instructions)

    def last(self, *ops: str) -> Instruction | None:
        return next((found for found in reversed(self.inherited) if found.op in ops), None)


class Dockerfile:
    """A Dockerfile. `plain()` is the list of its instructions, as `{op, flags, body}`, and here-documents if any."""

    def __init__(self, source: Source, escape: str, instructions: tuple[Instruction, ...]) -> None:
        self.source = source
        self.escape = escape
        self.instructions = instructions

    @classmethod
    def parse(cls, source: Source) -> Self:
        """Raises FileError for what BuildKit would not build: unknown instructions, no FROM, an open here-document."""
        escape, instructions = _Reader(source).read()
        document = cls(source, escape, instructions)
        started = False
        for instruction in instructions:
            if instruction.op not in _INSTRUCTIONS:
                raise _error(source, instruction.span.start, f"unknown instruction {instruction.op[:40]!r}")
            started |= instruction.op == "FROM"
            if not started and instruction.op != "ARG":
                raise _error(source, instruction.span.start, f"{instruction.op} before the first FROM")
            if instruction.op == "FROM" and not re.fullmatch(r"\S+(\s+AS\s+\S+)?", instruction.text, re.IGNORECASE):
                raise _error(source, instruction.span.start, "FROM needs one image and at most a name")
        if not started:
            raise FileError(source.path, "has no FROM", "exclude it if it is not a Dockerfile")
        return document

    def plain(self) -> list[dict[str, Any]]:
        return [instruction.plain() for instruction in self.instructions]

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        found: list[Stage] = []
        defaults = self.global_args
        starts = [at for at, instruction in enumerate(self.instructions) if instruction.op == "FROM"]
        for number, at in enumerate(starts):
            end = starts[number + 1] if number + 1 < len(starts) else len(self.instructions)
            start = self.instructions[at]
            words = [word.text for word in start.words]
            base = expanded(words[0], defaults)
            # Names of stages are compared without case.
            parent = next((s for s in reversed(found) if base is not None and s.name == base.lower()), None)
            image = ImageRef.parse(base) if base and parent is None and base != "scratch" else None
            name = words[2].lower() if len(words) > 2 else ""
            found.append(Stage(number, name, start, self.instructions[at + 1 : end], base or "", image, parent))
        return tuple(found)

    @property
    def final(self) -> Stage:
        """The stage that a build without a target makes."""
        return self.stages[-1]

    @cached_property
    def global_args(self) -> dict[str, str | None]:
        """ARGs before the first FROM, with the values that FROM sees; None where there is no default."""
        values: dict[str, str | None] = dict.fromkeys(_PLATFORM_ARGS)
        for instruction in self.instructions:
            if instruction.op == "FROM":
                break
            for name, value in instruction.pairs:
                values[name] = expanded(value, values) if value is not None else None
        return values

    def source_stage(self, instruction: Instruction) -> Stage | None:
        """The stage that `COPY --from=` names; None where it is an image or cannot be known."""
        flag = instruction.flag("from")
        if flag is None:
            return None
        before = [stage for stage in self.stages if stage.start.index < instruction.index]
        if re.fullmatch("[0-9]{1,9}", flag.value):
            return before[int(flag.value)] if int(flag.value) < len(before) else None
        return next((stage for stage in reversed(before) if stage.name == flag.value.lower()), None)

    # -- builders ---------------------------------------------------------------------------------------------------

    def insert_after(self, anchor: Instruction, *new: New, apart: bool = False) -> Parts:
        """New instructions on their own lines after this one; an empty line goes between where one follows it, and
        where they are to stand `apart`."""
        newline, text = self.source.newline, self.source.text
        if self.escape in text[anchor.span.end : self.source.line_end(anchor.span.end)]:
            return Blocked(f"line {self.line(anchor)}: a continuation without a next line", f"remove the {self.escape}")
        after = self._next_line(anchor.span.end)
        block = self._rendered(new)
        if isinstance(block, Blocked):
            return block
        if after is None:
            gap = newline * (1 + (apart or self._blank_before(anchor)))
            return self._insertion(anchor.index + 1, len(text), gap + block, new)
        gap = newline if apart or (after < len(text) and self.source.line_end(after) == after) else ""
        return self._insertion(anchor.index + 1, after, gap + block + newline, new)

    def insert_before(self, anchor: Instruction, *new: New) -> Parts:
        """New instructions on their own lines before this one and before the comments that stand right above it; an
        empty line goes between where one stands there already."""
        block = self._rendered(new)
        if isinstance(block, Blocked):
            return block
        newline = self.source.newline
        gap = newline * self._blank_before(anchor)
        return self._insertion(anchor.index, self._block_start(anchor), block + newline + gap, new)

    def set_body(self, instruction: Instruction, body: str | Sequence[str]) -> Parts:
        """Another body. Blocked where comments or here-documents stand inside, since they would be lost."""
        _only_code(instruction.op, body)
        if instruction.commented or instruction.heredocs:
            return Blocked(
                f"line {self.line(instruction)}: comments or here-documents inside the instruction", "change it by hand"
            )
        text = self._body(body)
        if isinstance(text, Blocked):
            return text
        edit = Edit(
            self.source.path, instruction.body_span, text,
            (Change("set", (instruction.index, "body"), self._meaning(instruction.op, text)["body"]),),
        )  # fmt: skip
        return (edit,)

    def set_flag(self, instruction: Instruction, name: str, value: str = "") -> Parts:
        """Sets or adds `--name=value`."""
        old = instruction.flag(name)
        if old is not None:
            return self.change_flag(instruction, old, value)
        text = f"--{name}={value}" if value else f"--{name}"
        place = instruction.flags[-1].span.end if instruction.flags else instruction.keyword.end
        change = Change("insert", (instruction.index, "flags", len(instruction.flags)), text)
        return (Edit(self.source.path, Span(place, place), f" {text}", (change,)),)

    def change_flag(self, instruction: Instruction, flag: Flag, value: str) -> Parts:
        """Another value for one flag of several of its name."""
        text = f"--{flag.name}={value}" if value else f"--{flag.name}"
        change = Change("set", (instruction.index, "flags", instruction.flags.index(flag)), text)
        return (Edit(self.source.path, flag.span, text, (change,)),)

    def delete(self, *instructions: Instruction, comments: bool = False) -> Parts:
        """Takes instructions away with their lines, and with the `comments` right above them, which stay otherwise. Of
        two empty lines that meet one goes."""
        edits = []
        for instruction in sorted(set(instructions), key=lambda i: i.index):
            text = self.source.text
            start, end = self.source.line_start(instruction.span.start), self._next_line(instruction.span.end)
            start = self._block_start(instruction) if comments else start
            if end is None:
                # The last line of a file without a final line end takes the line end before it along.
                start = len(text[:start].removesuffix("\n").removesuffix("\r"))
                end = len(text)
            elif end < len(text) and self.source.line_end(end) == end and self._is_blank_above(start):
                end = text.find("\n", end) + 1
            change = Change("delete", (instruction.index,))
            edits.append(Edit(self.source.path, Span(start, end), "", (change,)))
        return tuple(edits)

    def line(self, instruction: Instruction) -> int:
        """The line number, from 1, of the keyword."""
        return self.source.line_of(instruction.span.start)

    def _insertion(self, index: int, at: int, text: str, new: Sequence[New]) -> Parts:
        meaning = [self._meaning(*self._parts(item)) for item in new]
        changes = tuple(Change("insert", (index,), data) for data in reversed(meaning))
        return (Edit(self.source.path, Span(at, at), text, changes),)

    def _parts(self, new: New) -> tuple[str, str]:
        body = self._body(new.body)
        assert isinstance(body, str)  # _rendered has refused the others
        return new.op, " ".join([*new.flags, body])

    def _rendered(self, new: Sequence[New]) -> str | Blocked:
        lines = []
        for item in new:
            _only_code(item.op, item.body)
            body = self._body(item.body)
            if isinstance(body, Blocked):
                return body
            op = item.op.lower() if self._lower_case else item.op
            lines += [*item.comment.splitlines(), " ".join([op, *item.flags, body])]
        return self.source.newline.join(lines)

    def _body(self, body: str | Sequence[str]) -> str | Blocked:
        if not isinstance(body, str):
            return json.dumps(list(body), ensure_ascii=False)
        lines = body.split("\n")
        if any(line.rstrip().endswith(self.escape) or line.lstrip().startswith("#") for line in lines) or not body:
            return Blocked(f"cannot be written as an instruction: {body!r}")
        return f" {self.escape}{self.source.newline}{self._indent}".join(line.strip() for line in lines)

    def _meaning(self, op: str, text: str) -> dict[str, Any]:
        """The plain data of one instruction as it will be read again."""
        # The escape character is a directive of the file, so it must be known here too.
        head = f"# escape={self.escape}\n"
        (made,) = _Reader(Source(self.source.path, f"{head}{op} {text}")).read()[1]
        return made.plain()

    @cached_property
    def _indent(self) -> str:
        """How this file indents continued lines, most often."""
        found = re.findall(rf"{re.escape(self.escape)}[ \t]*\r?\n([ \t]+)(?=\S)", self.source.text)
        return max(dict.fromkeys(found), key=found.count) if found else "    "

    @cached_property
    def _lower_case(self) -> bool:
        return all(self.source.text[i.keyword.start : i.keyword.end].islower() for i in self.instructions)

    def _next_line(self, offset: int) -> int | None:
        """Where the line after this offset's starts; None where the file ends without a line end."""
        end = self.source.text.find("\n", offset)
        return end + 1 if end >= 0 else None

    def _is_blank_above(self, start: int) -> bool:
        above = self.source.text[:start]
        return not above or re.search(r"(^|\n)[ \t]*\r?\n$", above) is not None

    def _block_start(self, instruction: Instruction) -> int:
        """Where the comments right above an instruction start, or its own line."""
        start = self.source.line_start(instruction.span.start)
        floor = self.instructions[instruction.index - 1].span.end if instruction.index else 0
        while start > floor:
            above = self.source.line_start(start - 1)
            if above < floor or not self.source.text[above:start].lstrip().startswith("#"):
                break
            start = above
        return start

    def comment_above(self, instruction: Instruction) -> str:
        """The comments right above an instruction, with their signs; empty where there is none."""
        return self.source.text[self._block_start(instruction) : self.source.line_start(instruction.span.start)]

    def _blank_before(self, instruction: Instruction) -> bool:
        start = self._block_start(instruction)
        return start > 0 and self._is_blank_above(start)


def _only_code(op: str, body: str | Sequence[str]) -> None:
    """Raises TypeError for a shell form that is no code."""
    if op in ("RUN", "CMD", "ENTRYPOINT") and isinstance(body, str):
        must_be_code(body)


def expanded(text: str, values: Mapping[str, str | None]) -> str | None:
    """`$name`, `${name}`, `${name:-default}` and `${name:+other}` replaced; None where a value is not known."""
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        known = values.get(found[1] or found[2])
        if found[3] == "-":
            return known or found[4]
        if found[3] == "+":
            return found[4] if known else ""
        missing |= known is None
        return known or ""

    result = _VARIABLE.sub(value, text)
    # Variables of variables could fill any memory.
    return None if missing or "$" in result or len(result) > _LONGEST else _unquoted(result, "\\")


class _Reader:
    """Reads instructions from lines, keeping for each character of the joined text where it stands in the file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.escape = "\\"
        self.at = 0

    def read(self) -> tuple[str, tuple[Instruction, ...]]:
        self._directives()
        found: list[Instruction] = []
        while self.at < len(self.text):
            start, end = self._line()
            content = self.text[start:end]
            lead = len(content) - len(content.lstrip())
            if not content.strip() or content[lead] == "#":
                continue
            instruction = self._instruction(len(found), start + lead, end)
            if instruction is not None:
                found.append(instruction)
        return self.escape, tuple(found)

    def _line(self) -> tuple[int, int]:
        """Takes one line: where it starts and where it ends, without its line end."""
        start = self.at
        end = self.text.find("\n", start)
        end, self.at = (len(self.text), len(self.text)) if end < 0 else (end, end + 1)
        while end > start and self.text[end - 1] == "\r":
            end -= 1
        return start, end

    def _directives(self) -> None:
        """`# escape=…` and its like count only in the first lines, before anything else."""
        seen: set[str] = set()
        for line in self.text.split("\n"):
            found = _DIRECTIVE.match(line.strip())
            name = found[1].lower() if found else ""
            if found is None or name not in ("syntax", "escape", "check") or name in seen:
                return
            seen.add(name)
            if name == "escape":
                if found[2] not in ("\\", "`"):
                    raise FileError(self.source.path, f"invalid escape character {found[2]!r}", "use \\ or `")
                self.escape = found[2]

    def _continued(self, start: int, end: int) -> int | None:
        """Where the content of a continued line ends; None for a line that is the last of its instruction."""
        stripped = end
        while stripped > start and self.text[stripped - 1] in " \t":
            stripped -= 1
        if stripped == start or self.text[stripped - 1] != self.escape:
            return None
        if stripped - 1 > start and self.text[stripped - 2] == self.escape:
            return None
        return stripped - 1

    def _instruction(self, index: int, start: int, end: int) -> Instruction | None:
        offsets: list[int] = []
        commented = False
        cut = self._continued(start, end)
        offsets.extend(range(start, end if cut is None else cut))
        while cut is not None and self.at < len(self.text):
            line_start, line_end = self._line()
            content = self.text[line_start:line_end].strip()
            if not content:
                continue
            if content.startswith("#"):
                commented = True
                continue
            cut = self._continued(line_start, line_end)
            offsets.extend(range(line_start, line_end if cut is None else cut))
        joined = "".join(self.text[at] for at in offsets)
        logical = joined.strip()
        if not logical:
            return None
        lead = len(joined) - len(joined.lstrip())
        offsets = offsets[lead : lead + len(logical)]
        found = re.match(r"\S+", logical)
        assert found is not None
        op = found[0].upper()
        flags, body = _flags(logical, found.end(), self.escape, offsets)
        text = logical[body:]
        body_span = Span(offsets[body], offsets[-1] + 1) if text else Span(offsets[-1] + 1, offsets[-1] + 1)
        heredocs, finish = self._heredocs(op, text, start)
        span = Span(start, finish if heredocs else offsets[-1] + 1)
        keyword = Span(offsets[0], offsets[found.end() - 1] + 1)
        return Instruction(
            index, op, span, keyword, flags, text, body_span, heredocs, commented, self.escape, tuple(offsets[body:])
        )

    def _heredocs(self, op: str, text: str, start: int) -> tuple[tuple[Heredoc, ...], int]:
        inner = text.partition(" ")[0].upper() if op == "ONBUILD" else op
        if inner not in _HEREDOC_FORM or "<<" not in text or text.lstrip().startswith("["):
            return (), 0
        found: list[Heredoc] = []
        finish = 0
        for first, last in _words(text, self.escape):
            match = _HEREDOC.fullmatch(text[first:last])
            if match is None:
                continue
            name = _unquoted(match[2], "\\")
            if not name or re.search(r"\s", name):
                continue
            lines: list[str] = []
            while True:
                if self.at >= len(self.text):
                    raise _error(self.source, start, f"here-document {name!r} is not ended")
                begin, end = self._line()
                line = self.text[begin:end]
                if (line.lstrip("\t") if match[1] else line) == name:
                    finish = end
                    break
                lines.append(line)
            found.append(Heredoc(name, "".join(f"{line}\n" for line in lines)))
        return tuple(found), finish


def _flags(logical: str, at: int, escape: str, offsets: Sequence[int]) -> tuple[tuple[Flag, ...], int]:
    """The flags after the keyword, and where the body starts."""
    found: list[Flag] = []
    for start, end in _words(logical[at:], escape):
        word = logical[at + start : at + end]
        if not word.startswith("--"):
            return tuple(found), at + start
        if word == "--":
            rest = logical[at + end :]
            return tuple(found), at + end + len(rest) - len(rest.lstrip())
        name, _, value = _unquoted(word, escape)[2:].partition("=")
        found.append(Flag(name, value, Span(offsets[at + start], offsets[at + end - 1] + 1)))
    return tuple(found), len(logical)


def _words(text: str, escape: str) -> Iterator[tuple[int, int]]:
    """Where words stand that are separated by white space outside of quotes."""
    start, quote, at = -1, "", 0
    while at < len(text):
        char = text[at]
        if not quote and char.isspace():
            if start >= 0:
                yield start, at
            start = -1
        else:
            start = at if start < 0 else start
            if char == escape and quote != "'":
                at += 1
            elif quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
        at += 1
    if start >= 0:
        yield start, len(text)


def _unquoted(text: str, escape: str) -> str:
    """A word without its quotes and escapes; escapes mean nothing within single quotes."""
    found, quote, at = [], "", 0
    while at < len(text):
        char = text[at]
        if char == escape and quote != "'" and at + 1 < len(text):
            at += 1
            found.append(text[at] if not quote or text[at] in f'"${escape}' else char + text[at])
        elif quote:
            quote, char = ("", "") if char == quote else (quote, char)
            found.append(char)
        elif char in "'\"":
            quote = char
        else:
            found.append(char)
        at += 1
    return "".join(found)


def _error(source: Source, offset: int, reason: str) -> FileError:
    return FileError(source.path, f"line {source.line_of(offset)}: {reason}", "fix or exclude the file")


def environment(instructions: Iterable[Instruction], outer: Mapping[str, str | None] = {}) -> dict[str, str | None]:
    """What ARG and ENV say after these instructions; None for what the build or an outer ARG would give."""
    values: dict[str, str | None] = {}
    fixed: set[str] = set()
    for instruction in instructions:
        for name, value in instruction.pairs if instruction.op in ("ENV", "ARG") else ():
            if instruction.op == "ENV":
                fixed.add(name)
            elif name in fixed:
                continue
            values[name] = expanded(value, values) if value is not None else outer.get(name)
    return values
