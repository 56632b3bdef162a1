"""JSON files: meaning by `json`, places by a reading of their own, edited by splicing."""

from __future__ import annotations

import json
import re
from functools import cached_property
from json.decoder import scanstring  # type: ignore[attr-defined]  # of the standard library, and not in its stubs
from typing import Any, Self

from fixer.model import Address, Blocked, Change, Edit, FileError, Parts, Source, Span
from fixer.records import record

_BLANKS = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"[-+.\w]+")


@record
class _Value:
    """A value where it stands. `inside` are the values of an object or a list, `keys` where names of members start."""

    start: int
    end: int
    inside: dict[str | int, _Value]
    keys: tuple[int, ...] = ()


class Json:
    """One JSON file. `parse` raises FileError for what `json` refuses."""

    def __init__(self, source: Source, data: Any) -> None:
        self.source = source
        self.data = data

    @classmethod
    def parse(cls, source: Source) -> Self:
        try:
            return cls(source, json.loads(source.text))
        except (ValueError, RecursionError) as error:
            raise FileError(source.path, f"not valid JSON: {error}", "repair it by hand") from None

    def plain(self) -> Any:
        return json.loads(self.source.text)  # a copy: what is compared is changed on the way

    def span(self, at: Address) -> Span:
        """Where a value stands; the start of the file where there is none."""
        found = self._at(at)
        return Span(found.start, found.end) if found is not None else Span(0, 0)

    def add_key(self, at: Address, key: str, value: Any) -> Parts:
        """Adds a member behind the last one of the object at an address, written as its neighbours are."""
        found = self._at(at)
        if found is None or not found.keys:
            return Blocked(f"{self.source.path} has no object with members there", f"add {key} by hand")
        if key in found.inside:
            return Blocked(f"{self.source.path} has {key} there already", "change it by hand")
        end = list(found.inside.values())[-1].end
        text = self._beside(found, key, value)
        return (Edit(self.source.path, Span(end, end), text, (Change("set", (*at, key), value),)),)

    def _beside(self, found: _Value, key: str, value: Any) -> str:
        text, first = self.source.text, found.keys[0]
        indent = text[self.source.line_start(first) : first]
        if indent.strip():  # they stand on one line
            return f", {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
        line = text[self.source.line_start(found.end - 1) : found.end]
        outer = line[: len(line) - len(line.lstrip(" \t"))]
        unit = indent.removeprefix(outer) or "  "
        written = json.dumps({key: value}, indent=unit, ensure_ascii=False).splitlines()[1:-1]
        lines = (indent + each.removeprefix(unit) for each in written)
        return f",{self.source.newline}" + self.source.newline.join(lines)

    # -- where things stand ---------------------------------------------------------------------------------------

    def _at(self, at: Address) -> _Value | None:
        found: _Value | None = self._root
        for step in at:
            found = found.inside.get(step) if found is not None else None
        return found

    @cached_property
    def _root(self) -> _Value:
        return self._read(self._next(0))

    def _read(self, start: int) -> _Value:
        """The value that starts there. `json` has read the text before: it is well-formed."""
        text = self.source.text
        if text[start] == '"':
            return _Value(start, scanstring(text, start + 1)[1], {})
        if text[start] not in "{[":
            scalar = _SCALAR.match(text, start)
            assert scalar is not None
            return _Value(start, scalar.end(), {})
        inside: dict[str | int, _Value] = {}
        keys: list[int] = []
        at = self._next(start + 1)
        while text[at] not in "}]":
            step: str | int = len(inside)
            if text[start] == "{":
                keys.append(at)
                step, at = scanstring(text, at + 1)
                at = self._next(self._next(at) + 1)  # the colon
            inside[step] = self._read(at)
            at = self._next(inside[step].end)
            if text[at] == ",":
                at = self._next(at + 1)
        return _Value(start, at + 1, inside, tuple(keys))

    def _next(self, at: int) -> int:
        """Where the next thing stands that is no blank."""
        found = _BLANKS.match(self.source.text, at)
        assert found is not None  # it matches nothing, too
        return found.end()
