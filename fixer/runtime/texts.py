"""Shell code where it stands: in a script, a value of a YAML file, an instruction, a line of a Procfile."""

from __future__ import annotations

import re

from fixer.languages.dockerfile import Dockerfile, Instruction
from fixer.languages.lines import Lines
from fixer.languages.yaml import Node, Yaml
from fixer.model import Blocked, Parts, Source
from fixer.records import entity
from fixer.scripts import ScriptText, with_edits


@entity
class Fixed:
    """Code that was put together from several places, or that no builder can change."""

    path: str
    at: int
    """The line of the file that says it."""

    def line(self, offset: int) -> int:
        return self.at

    def insert(self, offset: int, text: ScriptText) -> Parts:
        return Blocked(f"{self.path}:{self.at} cannot be changed in place", f"put `{text.strip()}` there by hand")


@entity
class InFile:
    """Code of a file of its own, or of a part of it that starts at `start`."""

    source: Source
    document: Lines | None
    start: int = 0

    @property
    def path(self) -> str:
        return self.source.path

    def line(self, offset: int) -> int:
        return self.source.line_of(min(self.start + offset, len(self.source.text)))

    def insert(self, offset: int, text: ScriptText) -> Parts:
        if self.document is None:
            return Fixed(self.path, self.line(offset)).insert(offset, text)
        index = self.line(offset) - 1
        column = self.start + offset - self.document.spans[index].start
        line = self.document.lines[index]
        return self.document.replace(index, line[:column] + text + line[column:])


@entity
class InYaml:
    """A scalar."""

    document: Yaml
    node: Node

    @property
    def path(self) -> str:
        return self.document.source.path

    def line(self, offset: int) -> int:
        return self.document.source.line_of(self.document.span_of(self.node, offset, offset).start)

    def insert(self, offset: int, text: ScriptText) -> Parts:
        return self.document.splice_scalar(self.node, [(offset, offset, text)])


@entity
class InInstruction:
    """The shell form of CMD or ENTRYPOINT, or one string of its JSON form (`item`)."""

    dockerfile: Dockerfile
    instruction: Instruction
    item: int | None = None

    @property
    def path(self) -> str:
        return self.dockerfile.source.path

    def line(self, offset: int) -> int:
        return self.dockerfile.line(self.instruction)

    def insert(self, offset: int, text: ScriptText) -> Parts:
        body = self.instruction.body
        if self.item is None and isinstance(body, str):
            span = self.instruction.span
            if "\n" in self.dockerfile.source.text[span.start : span.end]:
                return Fixed(self.path, self.line(0)).insert(0, text)
            return self.dockerfile.set_body(self.instruction, with_edits(body, [(offset, offset, text)]))
        if self.item is None:
            return Fixed(self.path, self.line(0)).insert(0, text)
        words = list(body)
        words[self.item] = words[self.item][:offset] + text + words[self.item][offset:]
        return self.dockerfile.set_body(self.instruction, words)


Outer = Fixed | InFile | InYaml | InInstruction


@entity
class Within:
    """Code in quotes within other code, as in `sh -c "…"`: the same characters, from `start` on."""

    outer: Outer | Within
    start: int

    @property
    def path(self) -> str:
        return self.outer.path

    def line(self, offset: int) -> int:
        return self.outer.line(self.start + offset)

    def insert(self, offset: int, text: ScriptText) -> Parts:
        return self.outer.insert(self.start + offset, text)


Written = Outer | Within


def quoted(outer: Written, code: str, start: int, end: int, value: str) -> Written:
    """Where the value of a quoted word stands; fixed where the quotes change what it says."""
    raw = code[start:end]
    for lead in (1, 2, 0):
        if re.sub(r"^\$?[\"']|[\"']$", "", raw) == value and raw[lead : lead + len(value)] == value:
            return Within(outer, start + lead)
    return Fixed(outer.path, outer.line(start))
