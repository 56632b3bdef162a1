"""Where something about a program is said."""

from __future__ import annotations

from fixer.model import Source, Span
from fixer.records import record


@record
class Place:
    """Where something is said. `name` is its address for a message: `services.web`, `jobs.test`, `CMD`."""

    path: str
    span: Span
    line: int
    name: str

    @classmethod
    def of(cls, source: Source, start: int, end: int, name: str) -> Place:
        return cls(source.path, Span(start, end), source.line_of(start), name)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"
