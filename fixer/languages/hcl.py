"""Terraform files: blocks, attributes and expressions by tree-sitter, edited by splicing.

In the plain data expressions are texts; what they are made of says `Block.expressions`.
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
class Literal:
    """A string without templates, a number, a truth value, `null`."""

    span: Span
    value: str | int | float | bool | None


@entity
class Template:
    """A string or here-document with `${…}`: its texts, as literals, and what stands between them."""

    span: Span
    parts: tuple[Expression, ...]


@entity
class Reference:
    """`var.name`, `local.a["b"]`, `aws_ecr_repository.app.repository_url`, as its steps."""

    span: Span
    path: tuple[str, ...]


@entity
class Call:
    """`name(arguments)`."""

    span: Span
    name: str
    arguments: tuple[Expression, ...]


@entity
class Tuple:
    """`[items]`."""

    span: Span
    items: tuple[Expression, ...]


@entity
class Object:
    """`{ keys = values }`; a key that is a plain name is its literal."""

    span: Span
    pairs: tuple[tuple[Expression, Expression], ...]


@entity
class For:
    """`[for key, value in over : result]`, without a condition; `key` is empty where one name is given."""

    span: Span
    key: str
    value: str
    over: Expression
    result: Expression


@entity
class Other:
    """Anything else: a condition, an operation, a splat, a directive of a template."""

    span: Span


Expression = Literal | Template | Reference | Call | Tuple | Object | For | Other

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_FRAME = ("template = <<END_OF_TEMPLATE\n", "\nEND_OF_TEMPLATE\n")
"""What makes an expression of a file that holds a template."""


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

    @cached_property
    def expressions(self) -> dict[str, Expression]:
        """The same, read."""
        return self.document.expressions_of(_body(self.node))

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

    @classmethod
    def template(cls, source: Source) -> Self:
        """A file that `templatefile` reads, as the attribute `template` of a document one line longer."""
        before, after = _FRAME
        return cls.parse(Source(source.path, f"{before}{source.text}{after}"))

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

    # -- expressions ------------------------------------------------------------------------------------------------

    @cached_property
    def expressions(self) -> dict[str, Expression]:
        """The attributes of the file itself, as a file of values has them."""
        return self.expressions_of(_body(self._root))

    def expressions_of(self, body: Node | None) -> dict[str, Expression]:
        attributes = (each for each in _children(body) if each.type == "attribute")
        return {self._text(each.named_children[0]): self._expression(each.named_children[-1]) for each in attributes}

    def _expression(self, node: Node) -> Expression:
        span = Span(node.start_byte, node.end_byte)
        inner = [each for each in node.named_children if each.type != "comment"]
        if len(inner) == 1 and node.type in ("expression", "literal_value", "template_expr", "collection_value"):
            return self._expression(inner[0])
        match node.type:
            case "numeric_lit":
                text = self._text(node)
                return Literal(span, int(text) if text.isdigit() else float(text))
            case "bool_lit":
                return Literal(span, self._text(node) == "true")
            case "null_lit":
                return Literal(span, None)
            case "string_lit" | "quoted_template" | "heredoc_template":
                return self._template(node)
            case "function_call":
                return self._call(node)
            case "tuple":
                items = (each for each in inner if each.type == "expression")
                return Tuple(span, tuple(self._expression(each) for each in items))
            case "object":
                elements = (each.named_children for each in inner if each.type == "object_elem")
                return Object(span, tuple((self._key(each[0]), self._expression(each[-1])) for each in elements))
            case "for_tuple_expr":
                return self._for(node)
            case "for_expr":
                return self._expression(inner[0])
            case "expression" | "variable_expr":
                return self._reference(node, inner, span)
        return Other(span)

    def _key(self, node: Node) -> Expression:
        """A key: a plain name is no reference, one in parentheses is."""
        only = node.named_children[0] if node.named_child_count == 1 else None
        if only is not None and only.type == "variable_expr":
            return Literal(Span(node.start_byte, node.end_byte), self._text(only))
        return self._expression(node)

    def _reference(self, node: Node, inner: list[Node], span: Span) -> Expression:
        if node.type == "variable_expr":
            return Reference(span, (self._text(node),))
        if not inner or inner[0].type != "variable_expr":
            return Other(span)
        path = [self._text(inner[0])]
        for each in inner[1:]:
            step = self._step(each)
            if step is None:
                return Other(span)
            path.append(step)
        return Reference(span, tuple(path))

    def _step(self, node: Node) -> str | None:
        """`.name`, `["name"]` or `[0]`; None where an index is computed."""
        if node.type == "get_attr":
            return self._text(node.named_children[0])
        if node.type != "index":
            return None
        text = self._text(node).strip("[]. ")
        plain = re.fullmatch(r'"([^"\\$%]*)"|(\d+)', text)
        return (plain[1] or plain[2] or "") if plain is not None else None

    def _call(self, node: Node) -> Expression:
        name, *rest = node.named_children
        span = Span(node.start_byte, node.end_byte)
        given = [each for part in rest for each in part.named_children if each.type != "comment"]
        if any(each.type == "ellipsis" for each in given):
            return Other(span)
        return Call(span, self._text(name), tuple(self._expression(each) for each in given))

    def _for(self, node: Node) -> Expression:
        span = Span(node.start_byte, node.end_byte)
        intro = next(each for each in node.named_children if each.type == "for_intro")
        results = [each for each in node.named_children if each.type == "expression"]
        names = [self._text(each) for each in intro.named_children if each.type == "identifier"]
        if len(results) != 1 or any(each.type == "for_cond" for each in node.named_children):
            return Other(span)
        over = self._expression(intro.named_children[-1])
        return For(span, "" if len(names) == 1 else names[0], names[-1], over, self._expression(results[0]))

    def _template(self, node: Node) -> Expression:
        """Texts are what stands between the interpolations: the grammar leaves blanks out of its literals. That of a
        here-document begins in the line below."""
        heredoc = node.type == "heredoc_template"
        start, end = self._inside(node, heredoc=heredoc)
        span = Span(start, end) if heredoc else Span(node.start_byte, node.end_byte)
        parts: list[Expression] = []
        for each in node.named_children:
            if each.type == "template_directive":
                return Other(span)
            if each.type == "template_interpolation":
                self._add_text(parts, start, each.start_byte, heredoc=heredoc)
                inner = next((child for child in each.named_children if child.type == "expression"), each)
                parts.append(self._expression(inner))
                start = each.end_byte
        self._add_text(parts, start, end, heredoc=heredoc)
        if all(isinstance(each, Literal) for each in parts):
            return Literal(span, "".join(str(each.value) for each in parts if isinstance(each, Literal)))
        return Template(span, tuple(parts))

    def _inside(self, node: Node, *, heredoc: bool) -> tuple[int, int]:
        """From where to where a string or here-document says something."""
        if not heredoc:
            return node.start_byte + 1, node.end_byte - 1
        first, last = (each for each in node.named_children if each.type == "heredoc_identifier")
        start = self.source.text.index("\n", first.end_byte) + 1
        return start, max(start, self.source.text.rindex("\n", 0, last.start_byte) + 1)

    def _add_text(self, parts: list[Expression], start: int, end: int, *, heredoc: bool) -> None:
        text = self.source.text[start:end]
        if not text:
            return
        if not heredoc:
            text = _ESCAPE.sub(_unescaped, text)
        plain = text.replace("$${", "${").replace("%%{", "%{")
        parts.append(Literal(Span(start, end), plain))

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


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(found[3], found[3])


def _body(around: Node) -> Node | None:
    return next((each for each in around.named_children if each.type == "body"), None)


def _children(body: Node | None) -> list[Node]:
    return [each for each in body.named_children if each.type != "comment"] if body is not None else []
