"""Modules of JavaScript and TypeScript that export an object: its members by tree-sitter, edited by splicing.

Expressions are texts. One grammar reads both languages, since TypeScript's is a superset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Self

from fixer.model import Blocked, Change, Edit, Parts, Source, Span
from fixer.records import record

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

# What stands around a value and changes nothing of it.
_AROUND = frozenset(("parenthesized_expression", "satisfies_expression", "as_expression"))


@record
class Exported:
    """The object literal that a module exports. `members` are its keys with their values as they are written, `others`
    what else it holds: `...base`, a method, a computed key. `through` are the functions that it is given to on the way
    out, the innermost first, and `node` where it stands."""

    members: dict[str, str]
    others: tuple[str, ...]
    through: tuple[str, ...]
    node: Node


class JavaScript:
    """One module. What the grammar does not know is no fault of the file: it only exports nothing that is plain."""

    def __init__(self, source: Source, root: Node) -> None:
        self.source = source
        self._root = root

    @classmethod
    def parse(cls, source: Source) -> Self:
        # The parser counts bytes. With every other character written as a letter, bytes are characters.
        root = _parser().parse(re.sub(r"[^\x00-\x7f]", "x", source.text).encode("ascii")).root_node
        return cls(source, root)

    def plain(self) -> Any:
        """What stands before the object, in it, and behind it; all of the text where there is none."""
        found = self.exported
        if isinstance(found, Blocked):
            return {"text": self.source.text}
        span = Span(found.node.start_byte, found.node.end_byte)
        comments = [self._text(each) for each in found.node.named_children if each.type == "comment"]
        return {
            "before": self.source.text[: span.start],
            "exported": dict(found.members),
            "others": [*found.others, *comments],
            "after": self.source.text[span.end :],
        }

    @cached_property
    def exported(self) -> Exported | Blocked:
        """The object that the module exports, where it plainly does so: once, and as nobody changes it on the way."""
        if self._root.has_error:
            return self._unknown()
        exports = list(self._exports())
        if len(exports) != 1:
            return Blocked(f"{self.source.path} exports nothing at one place", "write it as one object")
        statement, value = exports[0]
        through: list[str] = []
        value = _bare(value)
        while value.type == "call_expression":
            called, given = value.named_children[0], value.named_children[-1]
            if given.type != "arguments" or not given.named_children:
                return self._unknown()
            through.insert(0, self._text(called))
            value = _bare(given.named_children[0])
            if value.type not in ("call_expression", "identifier"):  # an object may be the function's own settings
                return self._unknown()
        if value.type == "identifier":
            named = self._declared(self._text(value), statement)
            if named is None:
                return self._unknown()
            value = _bare(named)
        if value.type != "object":
            return self._unknown()
        members: dict[str, str] = {}
        others: list[str] = []
        for node in value.named_children:
            key = node.child_by_field_name("key")
            written = node.child_by_field_name("value")
            if node.type == "pair" and key is not None and written is not None and key.type in _KEYS:
                members[self._text(key).strip("\"'")] = self._text(written)
            elif node.type != "comment":
                others.append(self._text(node))
        return Exported(members, tuple(others), tuple(through), value)

    def add(self, name: str, value: str) -> Parts:
        """Adds `name: "value"` to the exported object, as its first member."""
        found = self.exported
        if isinstance(found, Blocked):
            return found
        if name in found.members:
            return Blocked(f"{self.source.path} has {name} already", "change it by hand")
        quote = self._quote
        written = f"{quote}{value}{quote}"
        member = f"{name}: {written}"
        text, start = self.source.text, found.node.start_byte + 1
        children = found.node.named_children
        change = Change("set", ("exported", name), written)
        newline = self.source.newline
        if not text[start : found.node.end_byte - 1].strip():
            indent = self._indent(found.node.start_byte)
            span, written = Span(start, found.node.end_byte - 1), f"{newline}{indent}  {member},{newline}{indent}"
            return (Edit(self.source.path, span, written, (change,)),)
        if children[0].start_point[0] == found.node.start_point[0]:
            if children[0].type == "comment":
                return Blocked(f"{self.source.path}: a comment stands behind the bracket", "add it by hand")
            blank = " " if text[start] == " " else ""
            return (Edit(self.source.path, Span(start, start), f"{blank}{member},", (change,)),)
        indent = self._indent(children[0].start_byte)
        end = self.source.line_end(start)
        return (Edit(self.source.path, Span(end, end), f"{newline}{indent}{member},", (change,)),)

    # -- what is written ------------------------------------------------------------------------------------------

    def _exports(self) -> Iterator[tuple[Node, Node]]:
        """Each statement that exports something as the module's own value, and the value."""
        for node in _walked(self._root):
            if node.type == "export_statement" and (value := node.child_by_field_name("value")) is not None:
                yield node, value
            if node.type == "assignment_expression":
                left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
                named = self._text(left) if left is not None else ""
                if right is not None and re.match(r"(module\.)?exports\b", named):
                    yield node, right

    def _declared(self, name: str, export: Node) -> Node | None:
        """The value of a constant that nothing but the export names again."""
        value = None
        for node in _walked(self._root):
            if node.type not in ("identifier", "shorthand_property_identifier") or self._text(node) != name:
                continue
            around = node.parent
            if around is not None and around.type == "variable_declarator" and around.named_children[0] == node:
                constant = around.parent is not None and self._text(around.parent).startswith("const")
                if value is not None or not constant or around.parent is None or around.parent.parent != self._root:
                    return None
                value = around.child_by_field_name("value")
            elif not export.start_byte <= node.start_byte < export.end_byte:
                return None
        return value

    def _unknown(self) -> Blocked:
        return Blocked(
            f"{self.source.path} makes what it exports in a way that cannot be followed", "change it by hand"
        )

    @property
    def _quote(self) -> str:
        strings = [self._text(each)[0] for each in _walked(self._root) if each.type == "string"]
        return "'" if strings.count("'") > strings.count('"') else '"'

    def _indent(self, offset: int) -> str:
        line = self.source.text[self.source.line_start(offset) : offset]
        return line[: len(line) - len(line.lstrip())]

    def _text(self, node: Node) -> str:
        return self.source.text[node.start_byte : node.end_byte]


_KEYS = frozenset(("property_identifier", "string"))


@cache
def _parser() -> Parser:
    # Imported here because most runs read no JavaScript.
    import tree_sitter_typescript
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_typescript.language_typescript()))


def _bare(node: Node) -> Node:
    while node.type in _AROUND:
        node = node.named_children[0]
    return node


def _walked(node: Node) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(reversed(found.children))
