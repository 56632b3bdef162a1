"""Builds nodes from libyaml's events."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from fixer.languages.yaml.layout import PROPERTIES, trailing_blank
from fixer.languages.yaml.node import Node
from fixer.model import Address, FileError, Source, Span

_COLON = re.compile(r"[ \t]*:")
_MOST_VALUES = 1_000_000
"""In one file, aliases counted as what they stand for: a few lines of aliases of aliases could fill any memory."""
# What some readers of YAML take for the end of a line, and others for a letter.
_DISPUTED = re.compile(r"\A\ufeff|\r(?!\n)|[\x85\u2028\u2029]")


def read(source: Source) -> tuple[Node, list[Node]]:
    """The root of a document, and every alias in it. Raises FileError, `yaml.YAMLError` or RecursionError."""
    return _Reader(source).read()


class _Reader:
    """Builds nodes from libyaml's events."""

    def __init__(self, source: Source) -> None:
        disputed = _DISPUTED.search(source.text)
        if disputed:
            line = source.line_of(disputed.start())
            raise FileError(
                source.path,
                f"line {line}: readers disagree on the character U+{ord(disputed[0]):04X}",
                "remove it",
            )
        self.source = source
        self.next_event: Callable[[], Any] = yaml.CLoader(source.text).get_event
        self.anchors: dict[str, Node] = {}
        self.aliases: list[Node] = []
        self.values = 0
        self.sizes: dict[str, int] = {}

    def read(self) -> tuple[Node, list[Node]]:
        get_event = self.next_event
        get_event()  # stream start
        event = get_event()
        if isinstance(event, yaml.StreamEndEvent):
            return Node((), 0, "plain", ""), []
        root = self.node((), get_event())
        get_event()  # document end
        if not isinstance(get_event(), yaml.StreamEndEvent):
            raise FileError(self.source.path, "holds several YAML documents", "split it")
        return root, self.aliases

    def node(self, at: Address, event: Any) -> Node:
        kind = type(event)
        start: int = event.start_mark.index
        before = self.values
        self.values += 1
        if kind is yaml.ScalarEvent:
            style = event.style or "plain"
            tag = event.tag or ""
            found = Node(at, start, style, event.value, event.anchor or "", tag)
            end = event.end_mark.index
            if style in "|>":
                text = self.source.text[start:end]
                end = start + len(text) - len(trailing_blank(text, event.value))
            found.end = end
            if event.anchor:
                self.anchors[event.anchor] = found
                self.sizes[event.anchor] = 1
            return found
        if kind is yaml.AliasEvent:
            return self.alias(at, event)
        found = Node(at, start, "flow" if event.flow_style else "block", None, event.anchor or "", event.tag or "")
        if event.anchor:
            self.anchors[event.anchor] = found
            self.sizes.pop(event.anchor, None)  # until its end: an alias within would never come to one
        end = self.mapping(found, at) if kind is yaml.MappingStartEvent else self.sequence(found, at)
        if event.anchor:
            self.sizes[event.anchor] = self.values - before
        if found.style == "flow":
            found.end = end
        if found.style == "block" and (found.anchor or found.tag):
            match = PROPERTIES.match(self.source.text, start)
            found.start = match.end() if match else start
        return found

    def alias(self, at: Address, event: Any) -> Node:
        target = self.anchors.get(event.anchor)
        where = f"(line {event.start_mark.line + 1})"
        if target is None:
            problem = f"not valid YAML: alias *{event.anchor} has no anchor {where}"
            raise FileError(self.source.path, problem, "repair it by hand")
        if event.anchor not in self.sizes:
            raise FileError(self.source.path, f"alias *{event.anchor} is part of itself {where}", "repair it by hand")
        self.values += self.sizes[event.anchor]
        if self.values > _MOST_VALUES:
            problem = f"its aliases stand for more than {_MOST_VALUES} values"
            raise FileError(self.source.path, problem, "write it without them")
        found = Node(at, event.start_mark.index, target.style, target.value, tag=target.tag)
        found.target = target
        found.key_spans = target.key_spans
        found.end = event.end_mark.index
        self.aliases.append(found)
        return found

    def mapping(self, found: Node, at: Address) -> int:
        children: dict[str, Node] = {}
        found.value = children
        get_event: Callable[[], Any] = self.next_event
        end = found.start
        while True:
            event = get_event()
            kind = type(event)
            if kind is yaml.MappingEndEvent:
                found.end = end
                return int(event.end_mark.index)
            line = event.start_mark.line + 1
            if kind is not yaml.ScalarEvent:
                raise FileError(self.source.path, f"line {line}: a key that is not a scalar", "write it as text")
            key: str = event.value
            if key in children:
                raise FileError(self.source.path, f"line {line}: duplicate key {key!r}", "remove one of the two")
            if event.anchor:
                raise FileError(self.source.path, f"line {line}: an anchor on a key", "put it before the value")
            after: int = event.end_mark.index
            if (
                found.style == "block"
                and not self.source.text.startswith(":", after)
                and not _COLON.match(self.source.text, after)
            ):
                raise FileError(self.source.path, f"line {line}: a key after `?`", "write it as `key: value`")
            found.key_spans[key] = Span(event.start_mark.index, after)
            child = self.node((*at, key), get_event())
            children[key] = child
            end = child.end

    def sequence(self, found: Node, at: Address) -> int:
        children: list[Node] = []
        found.value = children
        get_event: Callable[[], Any] = self.next_event
        end = found.start
        while True:
            event = get_event()
            after: int = event.end_mark.index
            if isinstance(event, yaml.SequenceEndEvent):
                found.end = end
                return after
            child = self.node((*at, len(children)), event)
            children.append(child)
            end = child.end
