"""Terraform files: blocks and attributes by tree-sitter, edited by splicing. Expressions are texts.

https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from fixer.grammars import parser
from fixer.model import Address, Blocked, Change, Edit, FileError, Parts, Source, Span
from fixer.records import entity

if TYPE_CHECKING:
    from tree_sitter import Node


@entity
class Block:
    """`resource "aws_ecs_cluster" "main" { … }`: its type, labels, and where its body is in the plain data."""

    kind: str
    labels: tuple[str, ...]
    at: Address
    node: Node
    document: Hcl

    @property
    def span(self) -> Span:
        return Span(self.node.start_byte, self.node.end_byte)

    @property
    def attributes(self) -> dict[str, str]:
        """The expressions of its attributes, as they are written."""
        found: dict[str, str] = self.document.inside(self)["attributes"]
        return found

    def blocks(self, kind: str) -> Iterator[Block]:
        return (each for each in self.document.blocks_of(self.at, _body(self.node)) if each.kind == kind)


class Hcl:
    """One file of Terraform. `parse` raises FileError for what is no HCL."""

    def __init__(self, source: Source, root: Node) -> None:
        self.source = source
        self._root = root

    @classmethod
    def parse(cls, source: Source) -> Self:
        # The parser counts bytes. With every other character written as a letter, bytes are characters.
        root = parser("hcl").parse(re.sub(r"[^\x00-\x7f]", "x", source.text).encode("ascii")).root_node
        if root.has_error:
            raise FileError(source.path, "not valid HCL", "let `terraform validate` say where")
        return cls(source, root)

    def plain(self) -> Any:
        return self._data(_body(self._root))

    @cached_property
    def data(self) -> Any:
        return self.plain()

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of the file itself."""
        return tuple(self.blocks_of((), _body(self._root)))

    def blocks_of(self, at: Address, body: Node | None) -> Iterator[Block]:
        for index, node in enumerate(each for each in _children(body) if each.type == "block"):
            kind, *labels = self._words(node)
            yield Block(kind, tuple(labels), (*at, "blocks", index, "body"), node, self)

    def inside(self, block: Block) -> Any:
        found = self.data
        for step in block.at:
            found = found[step]
        return found

    def set_attribute(self, block: Block, name: str, value: str) -> Parts:
        """Gives an attribute that is there another text as its value."""
        for node in _children(_body(block.node)):
            if node.type == "attribute" and self._text(node.named_children[0]) == name:
                span = Span(node.named_children[1].start_byte, node.named_children[1].end_byte)
                written = f'"{value}"'
                return (
                    Edit(self.source.path, span, written, (Change("set", (*block.at, "attributes", name), written),)),
                )
        return Blocked(f"{self.source.path} has no {name} there", "add it by hand")

    def add_block(self, block: Block, kind: str, attributes: Mapping[str, str]) -> Parts:
        """Adds a block of texts behind what a block holds, as `terraform fmt` has it."""
        body = _body(block.node)
        children = _children(body)
        line = self.source.text[self.source.line_start(block.span.end - 1) : block.span.end - 1]
        if not children or line.strip():
            return Blocked(f"{self.source.path}: {kind} has no place of its own", "add it by hand")
        indent = f"{line}  "
        widest = max(map(len, attributes))
        lines = [f"{indent}{kind} {{"]
        lines += [f'{indent}  {name.ljust(widest)} = "{value}"' for name, value in attributes.items()]
        lines.append(f"{indent}}}")
        end = self.source.line_end(children[-1].end_byte)
        value = {name: f'"{text}"' for name, text in attributes.items()}
        made = {"type": kind, "labels": [], "body": {"attributes": value, "blocks": []}}
        change = Change("insert", (*block.at, "blocks", len(self.inside(block)["blocks"])), made)
        newline = self.source.newline
        return (Edit(self.source.path, Span(end, end), newline * 2 + newline.join(lines), (change,)),)

    # -- what is written ------------------------------------------------------------------------------------------

    def _data(self, body: Node | None) -> dict[str, Any]:
        found: dict[str, Any] = {"attributes": {}, "blocks": []}
        for node in _children(body):
            if node.type == "attribute":
                name, value = node.named_children[0], node.named_children[-1]
                found["attributes"][self._text(name)] = self._text(value)
            elif node.type == "block":
                kind, *labels = self._words(node)
                found["blocks"].append({"type": kind, "labels": labels, "body": self._data(_body(node))})
        return found

    def _words(self, block: Node) -> list[str]:
        """The type and the labels of a block, without quotes."""
        words = [each for each in block.named_children if each.type in ("identifier", "string_lit")]
        return [self._text(each).strip('"') for each in words]

    def _text(self, node: Node) -> str:
        return self.source.text[node.start_byte : node.end_byte]


def _body(around: Node) -> Node | None:
    return next((each for each in around.named_children if each.type == "body"), None)


def _children(body: Node | None) -> list[Node]:
    return [each for each in body.named_children if each.type != "comment"] if body is not None else []
