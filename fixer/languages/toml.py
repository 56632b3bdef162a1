"""TOML files such as pyproject.toml: meaning by `tomllib`, places by tree-sitter, edited by splicing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from fixer.grammars import parser
from fixer.model import Address, Blocked, Change, Edit, FileError, Parts, Source, Span

if TYPE_CHECKING:
    from tree_sitter import Node

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Toml:
    """One TOML file. `parse` raises FileError for what `tomllib` refuses."""

    def __init__(self, source: Source, data: dict[str, Any]) -> None:
        self.source = source
        self._data = data

    @classmethod
    def parse(cls, source: Source) -> Self:
        try:
            return cls(source, tomllib.loads(source.text))
        except (ValueError, RecursionError) as error:
            raise FileError(source.path, f"not valid TOML: {error}", "repair it by hand") from None

    def plain(self) -> Any:
        return tomllib.loads(self.source.text)  # a copy: what is compared is changed on the way

    def value(self, at: Address) -> Any:
        """What stands at this address; None where nothing does."""
        found: Any = self._data
        for step in at:
            inside = found.get(step) if isinstance(found, dict) else None
            if inside is None:
                return None
            found = inside
        return found

    def span(self, at: Address) -> Span:
        """Where the value of a key stands; the start of the file where it cannot be told."""
        pair = self._pairs.get(at)
        return self._span(_value(pair)) if pair is not None else Span(0, 0)

    def insert(self, at: Address, index: int, value: str) -> Parts:
        """Puts a text into the list at an address, before the item `index`; at its end where there are no more."""
        pair = self._pairs.get(at)
        array = _value(pair) if pair is not None else None
        items = [node for node in array.named_children if node.type != "comment"] if array is not None else []
        if array is None or array.type != "array" or not items:
            return Blocked(f"{self.source.path}: {'.'.join(map(str, at))} is no list with items", "add it by hand")
        change = Change("insert", (*at, index), value)
        beside = self._span(items[min(index, len(items) - 1)])
        written = _string(value, self.source.text[beside.start])
        start = self.source.line_start(beside.start)
        indent = self.source.text[start : beside.start]
        alone = not indent.strip()
        newline = self.source.newline
        if index < len(items):
            at_start = start if alone else beside.start
            text = f"{indent}{written},{newline}" if alone else f"{written}, "
            return (Edit(self.source.path, Span(at_start, at_start), text, (change,)),)
        comma = next((node for node in array.children if node.type == "," and node.start_byte >= beside.end), None)
        end = beside.end if comma is None else comma.end_byte
        if not alone:
            text = f" {written}" if comma is not None else f", {written}"
            return (Edit(self.source.path, Span(end, end), text, (change,)),)
        line_end = self.source.line_end(end)
        behind = self.source.text[end:line_end].strip()
        if behind and not behind.startswith("#"):  # the bracket that closes the list
            line_end = end
        text = f"{newline}{indent}{written}" + ("," if comma is not None else "")
        if comma is not None or line_end == end:
            mark = "" if comma is not None else ","
            return (Edit(self.source.path, Span(line_end, line_end), mark + text, (change,)),)
        return (
            Edit(self.source.path, Span(end, end), ",", (change,)),
            Edit(self.source.path, Span(line_end, line_end), text, ()),
        )

    def add_key(self, table: Address, key: str, value: str, after: str) -> Parts:
        """Adds `key = "value"` to a table, on the line below another of its keys."""
        beside = self._pairs.get((*table, after))
        if beside is None:
            return Blocked(f"{self.source.path} has no key {after} in a table of its own", f"add {key} by hand")
        if key in (self.value(table) or {}):
            return Blocked(f"{self.source.path} has a key {key} already", "change it by hand")
        span = Span(beside.start_byte, _value(beside).end_byte)
        quote = next((each for each in self.source.text[span.start : span.end] if each in "'\""), '"')
        name = key if _BARE_KEY.fullmatch(key) else _string(key, '"')
        indent = self.source.text[self.source.line_start(span.start) : span.start]
        end = self.source.line_end(span.end)
        text = f"{self.source.newline}{indent}{name} = {_string(value, quote)}"
        return (Edit(self.source.path, Span(end, end), text, (Change("set", (*table, key), value),)),)

    # -- where things stand ---------------------------------------------------------------------------------------

    @cached_property
    def _pairs(self) -> dict[Address, Node]:
        """Every `key = value` of the file's tables by its address; those of arrays of tables are left out."""
        # The parser counts bytes. With every other character written as a letter, bytes are characters.
        root = parser("toml").parse(re.sub(r"[^\x00-\x7f]", "x", self.source.text).encode("ascii")).root_node
        found: dict[Address, Node] = {}
        for node in root.named_children:
            if node.type == "pair":
                found[self._key(node.named_children[0])] = node
            elif node.type == "table":
                table = self._key(node.named_children[0])
                found |= {(*table, *self._key(p.named_children[0])): p for p in node.named_children if p.type == "pair"}
        return found

    def _key(self, node: Node) -> Address:
        return tuple(self._keys(node))

    def _keys(self, node: Node) -> Iterator[str]:
        if node.type == "dotted_key":
            for child in node.named_children:
                yield from self._keys(child)
            return
        span = self._span(node)
        text = self.source.text[span.start : span.end]
        yield text if node.type == "bare_key" else text[1:-1]

    def _span(self, node: Node) -> Span:
        return Span(node.start_byte, node.end_byte)


def _value(pair: Node) -> Node:
    """What stands behind `=`; a comment behind that belongs to the pair, too."""
    return pair.named_children[1]


def _string(value: str, quote: str) -> str:
    """A text in quotes of a kind; the other kind where it holds one."""
    if quote == "'" and "'" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def toml_value(value: Any) -> str:
    """A value as TOML writes it. None, which TOML lacks, is an empty text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return '""'
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml_text(str(k))} = {toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return _toml_text(str(value))


def _toml_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    # https://toml.io/en/v1.0.0#string: control characters other than tab must be escaped.
    return '"' + "".join(c if ord(c) >= 0x20 and ord(c) != 0x7F else f"\\u{ord(c):04X}" for c in escaped) + '"'
