"""YAML: read for positions, edited by splicing, never dumped.

Read from libyaml's event stream, the fastest reader that says where everything stands (docs/decisions.md), and
resolved by the core schema of YAML 1.2, as GitHub reads it: `on` is a string. What libyaml knows of positions has two
traps that are handled here: a block collection ends, for it, at the next token, and a block scalar ends after the
blank lines that follow it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Self

import yaml

from fixer.model import Address, Blocked, Change, Edit, FileError, Parts, Source, Span, joined

# https://yaml.org/spec/1.2.2/#103-core-schema
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z|[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")

# Plain text that a YAML 1.1 reader would take for something else: PyYAML and older tools still read these files.
_AMBIGUOUS = re.compile(
    r"(y|n|yes|no|on|off|true|false|null|~|=|<<)\Z|[-+]?[0-9][0-9_,]*([.:][0-9_:.]*)?([eE][-+]?[0-9]+)?\Z|"
    r"0[xob][0-9a-fA-F_]+\Z|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[-+]?\.(inf|nan|[0-9])",
    re.IGNORECASE,
)
_INDICATORS = frozenset(",[]{}#&*!|>'\"%@`")
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+(?:#[^\r\n]*\s+)*)+")
_COLON = re.compile(r"[ \t]*:")
_BLOCK_HEADER = re.compile(
    r"[|>](?:(?P<indent>[1-9])|(?P<chomp>[-+])){0,2}(?P<beside>[ \t]+#[^\r\n]*)?[ \t]*(?:\r?\n|\Z)"
)
_MOST_VALUES = 1_000_000
"""In one file, aliases counted as what they stand for: a few lines of aliases of aliases could fill any memory."""

# What some readers of YAML take for the end of a line, and others for a letter.
_DISPUTED = re.compile(r"\A\ufeff|\r(?!\n)|[\x85\u2028\u2029]")
_SIMPLE_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/", "0": "\0", "r": "\r", "e": "\x1b", " ": " "}


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value with a tag that is not of the core schema, such as `!reset` in a compose file."""

    tag: str
    value: Any


@dataclass(frozen=True, slots=True)
class Commented:
    """A scalar to render with a comment beside it, as in `uses: owner/repo@<sha> # v1.2.3`."""

    value: str | int | bool
    beside: str


@dataclass(frozen=True, slots=True)
class Flow:
    """A list of scalars to render on one line: `needs: [lint, test]`."""

    items: tuple[str | int | bool, ...]


class Node:
    """A value and where it stands. `at` is its address; `start`..`end` its text without what follows it.

    `value` is the decoded text of a scalar, or the child nodes of a collection. An alias passes through to what it
    stands for, so its children carry the addresses of the anchor: edits land where the text is.
    """

    __slots__ = ("anchor", "at", "end", "key_spans", "start", "style", "tag", "target", "value")

    def __init__(self, at: Address, start: int, style: str, value: Any, anchor: str = "", tag: str = "") -> None:
        self.at = at
        self.start = start
        self.end = start
        self.style = style
        self.value: Any = value
        self.anchor = anchor
        self.tag = tag
        self.target: Node | None = None
        self.key_spans: dict[str, Span] = {}

    def get(self, key: str) -> Node | None:
        """The child under this key; None where there is none or where this is no mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def mapping(self, key: str) -> dict[str, Node]:
        """The children of the mapping under this key; empty where there is none."""
        child = self.get(key)
        return child.value if child is not None and child.is_mapping else {}

    def texts(self, key: str) -> dict[str, str]:
        """The scalars of the mapping under this key, as they are written."""
        return {name: child.value for name, child in self.mapping(key).items() if child.is_scalar}

    @property
    def items(self) -> list[Node]:
        """The children of a sequence; empty for anything else."""
        return self.value if isinstance(self.value, list) else []

    @property
    def children(self) -> Iterable[Node]:
        """Those of a mapping or a sequence."""
        return self.value.values() if isinstance(self.value, dict) else self.items

    def scalars(self) -> Iterator[Node]:
        """Every scalar in it, in the order of the text: what an anchor holds is not found again at its aliases."""
        if self.target is not None:
            return
        if self.is_scalar:
            yield self
        for child in self.children:
            yield from child.scalars()

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_sequence(self) -> bool:
        return isinstance(self.value, list)

    @property
    def is_scalar(self) -> bool:
        return isinstance(self.value, str)

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)

    @property
    def data(self) -> Any:
        """Plain data, made afresh: nothing in it is shared, not even between an anchor and its aliases."""
        if isinstance(self.value, dict):
            found: Any = {key: child.data for key, child in self.value.items()}
        elif isinstance(self.value, list):
            found = [child.data for child in self.value]
        elif self.style == "plain" and not self.tag:
            found = _resolve(self.value)
        else:
            found = self.value
        if self.tag and not self.tag.startswith("tag:yaml.org,2002:") and self.tag != "!":
            return Tagged(self.tag, found)
        return found


def _resolve(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    first = text[0]
    if first in "+-.0123456789":
        if _INT.match(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.match(text):
            return float(
                text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").lstrip(".")
                if "n" in text.lower()
                else text
            )
    return text


class Yaml:
    """One YAML document: nodes with positions, and the builders that edit it."""

    def __init__(self, source: Source, root: Node, aliases: list[Node]) -> None:
        self.source = source
        self.root = root
        self._aliases = aliases

    @classmethod
    def parse(cls, source: Source) -> Self:
        try:
            root, aliases = _Reader(source).read()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" (line {mark.line + 1})" if mark else ""
            problem = getattr(error, "problem", None) or str(error).split("\n")[0]
            raise FileError(source.path, f"not valid YAML: {problem}{where}", "repair it by hand") from None
        except RecursionError:
            raise FileError(source.path, "nested too deeply", "simplify it") from None
        return cls(source, root, aliases)

    def plain(self) -> Any:
        return self.root.data

    def node(self, at: Address) -> Node | None:
        """The node at this address, through aliases."""
        found: Node | None = self.root
        for step in at:
            if found is None:
                return None
            if isinstance(step, str):
                found = found.get(step)
            else:
                found = found.items[step] if step < len(found.items) else None
        return found

    # -- reading layout -----------------------------------------------------------------------------------------

    @cached_property
    def style(self) -> Style:
        return _style_of(self)

    def comment_of(self, node: Node) -> str:
        """The text of the comment on the line where this scalar ends, without `#`; empty where there is none."""
        found = self._comment(node)
        return (found["text"] or "").strip() if found else ""

    def _comment(self, node: Node) -> re.Match[str] | None:
        if node.style in "|>":
            return None
        return re.compile(r"[ \t]+#(?P<gap>[\s\u00a0]*?)(?P<text>[^\s\u00a0][^\r\n]*)?(?=\r?\n|\Z)").match(
            self.source.text, node.end
        )

    # -- builders -----------------------------------------------------------------------------------------------

    def set_scalar(self, node: Node, value: str | int | bool | float | Flow | None) -> Parts:
        """Replaces a scalar; the quotes that it has are kept. `Flow` makes a list of it, on the same line."""
        if not node.is_scalar:
            return Blocked(f"{dotted(node.at)} is not a scalar")
        if (closed := self._closed(node)) is not None:
            return closed
        start = self._content_start(node)
        inside_flow = self._inside_flow(node)
        if inside_flow and any(span.end == start for span in self._keys_around(node)):
            return Blocked(f"{dotted(node.at)} is a key without `:`", "write it as `key: value`")
        if isinstance(value, str) and "\n" in value and not inside_flow:
            literal = _literal(value, self._entry_column(node) + self.style.indent)
            if literal is not None:
                return self._set_literal(node, start, value, literal)
        if isinstance(value, Flow):
            text = _inline("", value, self.style)[0]
        elif isinstance(value, str) and "\n" in value:
            text = json.dumps(value, ensure_ascii=False)
        else:
            quote = node.style if node.style in "'\"" else ""
            plain = not quote and isinstance(value, str) and is_plain(value, flow=inside_flow)
            # The style of the file is found by reading all of it: only where it is needed.
            text = (
                str(value)
                if plain
                else render_scalar(value, quote or self.style.quote, flow=inside_flow, force=bool(quote))
            )
        if start == node.end and self.source.text[start - 1 : start].strip():  # an empty value
            text = " " + text
        return self._edit(start, node.end, text + self._beside_header(node), Change("set", node.at, plain_of(value)))

    def _set_literal(self, node: Node, start: int, value: str, literal: str) -> Parts:
        """A scalar becomes a literal block; a comment on its line stays there, beside the `|`."""
        head, _, body = literal.partition("\n")
        head += self._beside_header(node)
        if start == node.end and self.source.text[start - 1 : start].strip():
            head = " " + head
        end = _line_end(self.source.text, node.end)
        if self._swallows(end, self._entry_column(node)):
            return _blocked_below(node)
        if end == len(self.source.text):
            value = _without_final_newline(value)
        change = Change("set", node.at, value)
        if node.end == end:
            return self._edit(start, end, f"{head}\n{body}", change)
        return *self._edit(start, node.end, head, change), *self._edit(end, end, "\n" + body)

    def _beside_header(self, node: Node) -> str:
        """The comment beside the `|` of a block scalar, with the blanks before it."""
        found = _BLOCK_HEADER.match(self.source.text, self._content_start(node)) if node.style in "|>" else None
        return (found["beside"] or "") if found else ""

    def add_key(
        self, mapping: Node, key: str, value: Any, *, after: str | None = None, before: str | None = None
    ) -> Parts:
        """Adds one key: after or before another, else last."""
        return self.add_keys(mapping, {key: value}, after=after, before=before)

    def add_keys(
        self, mapping: Node, added: Mapping[str, Any], *, after: str | None = None, before: str | None = None
    ) -> Parts:
        """Adds keys in this order: after or before another, else last."""
        if (closed := self._closed(mapping)) is not None:
            return closed
        if not mapping.is_mapping:
            return Blocked(f"{dotted(mapping.at) or 'the file'} is not a mapping")
        for key in added:
            if key in mapping.value:
                raise ValueError(f"{dotted(mapping.at)} has {key} already")
        names = list(mapping.value)
        if before is not None and after is None and names.index(before) > 0:
            after, before = names[names.index(before) - 1], None
        values = [plain_of(value) for value in added.values()]
        if mapping.style == "flow":
            changes = [Change("set", (*mapping.at, key), value) for key, value in zip(added, values, strict=True)]
            return self._add_flow_keys(mapping, added, changes, after, before)
        column = self.source.column_of(mapping.key_spans[names[0]].start)
        above = mapping.value[after if after is not None else names[-1]]
        place = self._below(above, column)
        if before is None and place == len(self.source.text):
            values = _at_end_of_file(values)
        changes = [Change("set", (*mapping.at, key), value) for key, value in zip(added, values, strict=True)]
        blank = self._blank_between(mapping, added)
        lines: list[str] = []
        for key, value in added.items():
            if lines and blank:
                lines.append("")
            lines.extend(entry_lines(key, value, self.style))
        if before is not None:
            text = _join(lines, column)[column:] + ("\n" if blank else "") + "\n" + " " * column
            return self._edit(*(2 * (mapping.key_spans[before].start,)), text, *changes)
        return self._insert_below(above, place, _join(lines, column), blank, changes)

    def rename_key(self, mapping: Node, old: str, new: str) -> Parts:
        if (closed := self._closed(mapping)) is not None:
            return closed
        if new in mapping.value:
            return Blocked(f"{dotted(mapping.at)} has {new} already")
        span = mapping.key_spans[old]
        text = self.source.text[span.start : span.end]
        if text[:1] == "!":
            return Blocked(f"the key of {dotted((*mapping.at, old))} has a tag", "edit it by hand")
        rendered = render_scalar(new, text[0] if text[:1] in ("'", '"') else self.style.quote, force=text[:1] in "'\"")
        return self._edit(span.start, span.end, rendered, Change("rename", (*mapping.at, old), new))

    def delete(self, collection: Node, *which: str | int) -> Parts:
        """Deletes keys or items. A collection that would be empty goes as a whole, and its parent with it."""
        if (closed := self._closed(collection)) is not None:
            return closed
        children: list[str | int] = list(collection.value) if collection.is_mapping else [*range(len(collection.items))]
        unknown = set(which) - set(children)
        if unknown:
            raise ValueError(f"{dotted(collection.at)} has no {unknown}")
        if set(children) == set(which):
            parent = self.node(collection.at[:-1]) if collection.at else None
            if parent is None:
                return Blocked("nothing would be left of the file")
            return self.delete(parent, collection.at[-1])
        delete_run = self._delete_flow if collection.style == "flow" else self._delete_block
        gone = groupby(enumerate(children), lambda child: child[1] in which)
        return joined(delete_run(collection, children, [at for at, _ in run]) for going, run in gone if going)

    def insert_item(self, sequence: Node, index: int, *values: Any, followed: bool = False) -> Parts:
        """Inserts items before `index`; `len(sequence.items)` appends.

        `followed` says that another edit of the same fix inserts something right behind them.
        """
        if (closed := self._closed(sequence)) is not None:
            return closed
        if not sequence.is_sequence:
            return Blocked(f"{dotted(sequence.at)} is not a list")
        items = sequence.items
        plain = [plain_of(value) for value in values]
        if sequence.style == "flow":
            changes = [Change("insert", (*sequence.at, index), value) for value in reversed(plain)]
            return self._insert_flow_items(sequence, index, values, changes)
        column = self.source.column_of(sequence.start)
        place = self._below(items[index - 1], column) if index else 0
        if place == len(self.source.text) and not followed:
            plain = _at_end_of_file(plain)
        changes = [Change("insert", (*sequence.at, index), value) for value in reversed(plain)]
        dashes = self.dashes(sequence)
        blank = any(self.blank_above(dash) for dash in dashes[1:])
        lines: list[str] = []
        for value in values:
            if lines and blank:
                lines.append("")
            lines.extend(item_lines(value, self.style))
        if index == 0:
            text = _join(lines, column)[column:] + ("\n" if blank else "") + "\n" + " " * column
            return self._edit(dashes[0], dashes[0], text, *changes)
        return self._insert_below(items[index - 1], place, _join(lines, column), blank, changes)

    def edit_mapping(
        self,
        mapping: Node,
        *,
        rename: Mapping[str, str] | None = None,
        set: Mapping[str, Any] | None = None,  # noqa: A002 - the name of the operation
        delete: Iterable[str] = (),
        add: Mapping[str, Any] | None = None,
    ) -> Parts:
        """Several changes of one mapping that belong together, such as the migration of a step's `with:`."""
        names = list(mapping.value)
        gone = dict.fromkeys(delete)
        kept = [key for key in names if key not in gone]
        tail = names[names.index(kept[-1]) + 1 :] if kept else names
        parts: list[Parts] = [self.rename_key(mapping, old, new) for old, new in (rename or {}).items()]
        for key, value in (set or {}).items():
            # Performed from the end backwards: the value is set before the key in front of it is renamed.
            parts.append(self.set_scalar(mapping.value[key], value))
        if add and tail and not (kept and mapping.style == "flow"):
            parts.append(self._replace_entries(mapping, tail, add))
            gone, add = dict.fromkeys(key for key in gone if key not in tail), None
        if gone:
            parts.append(self.delete(mapping, *gone))
        if add:
            parts.append(self.add_keys(mapping, add, after=kept[-1]))
        return joined(parts)

    def splice_scalar(self, node: Node, edits: Sequence[tuple[int, int, str]]) -> Parts:
        """Replaces ranges of a scalar's decoded text (offsets into `node.value`), in the style that it has.

        Where its style cannot hold the new text, the whole scalar is written anew.
        """
        if (closed := self._closed(node)) is not None:
            return closed
        if not node.is_scalar:
            return Blocked(f"{dotted(node.at)} is not a scalar")
        value: str = node.value
        wanted = value
        for start, end, new in sorted(edits, reverse=True):
            wanted = wanted[:start] + new + wanted[end:]
        if value.endswith("\n") and not value.endswith("\n\n"):  # a block scalar drops blank lines at its end
            wanted = wanted.rstrip("\n") + "\n" if wanted.endswith("\n\n") else wanted
        change = Change("set", node.at, wanted)
        if not wanted.strip():
            return Blocked(f"nothing would be left of {dotted(node.at)}")
        positions = _positions(self.source.text, node, self._content_start(node))
        if positions is None or (node.style != "|" and any("\n" in new for _, _, new in edits)):
            return self.set_scalar(node, wanted)
        if node.style == "plain" and not is_plain(wanted, flow=self._inside_flow(node)):
            return self.set_scalar(node, wanted)
        if node.style in "|>" and (wanted[0] in " \n" or wanted.endswith("\n") != value.endswith("\n")):
            return self.set_scalar(node, wanted)
        made = [self._spliced(node, positions, *edit) for edit in sorted(edits)]
        if not made:
            return ()
        made[0] = Edit(made[0].path, made[0].span, made[0].text, self._everywhere((change,)))
        return tuple(made)

    def span_of(self, node: Node, start: int, end: int) -> Span:
        """Where a range of a scalar's decoded text stands in the file; the whole scalar where that is not known."""
        positions = _positions(self.source.text, node, self._content_start(node))
        return Span(positions[start], positions[end]) if positions is not None else node.span

    def _spliced(self, node: Node, positions: list[int], start: int, end: int, new: str) -> Edit:
        """One replacement within a scalar. In a literal block, whole lines stay whole lines."""
        value: str = node.value
        first, last = positions[start], positions[end]
        if node.style != "|":
            return Edit(self.source.path, Span(first, last), _escaped(new, node.style), ())
        indent = " " * self.source.column_of(positions[0])
        begins_line = start == 0 or value[start - 1] == "\n"
        if begins_line:
            first = self.source.line_start(first)
            if new[-1:] in ("", "\n") and (end == start or value[end - 1] == "\n"):
                last = self.source.line_start(last) if end < len(value) or end == start else last
                lines = new.split("\n")[:-1]
                text = "".join((indent + line if line else "") + "\n" for line in lines)
                return Edit(self.source.path, Span(first, last), text.replace("\n", self.source.newline), ())
        lines = new.split("\n")
        rest_is_blank = end >= len(value) or value[end] == "\n"
        shown = [
            indent + line
            if (number or begins_line) and (line or (number == len(lines) - 1 and not rest_is_blank))
            else line
            for number, line in enumerate(lines)
        ]
        return Edit(self.source.path, Span(first, last), self.source.newline.join(shown), ())

    def set_comment(self, node: Node, text: str) -> Parts:
        """Replaces the comment on the scalar's line, keeping what stands between `#` and it; or adds one."""
        if self._inside_flow(node) or node.style in "|>":
            return Blocked(f"no comment can be set on {dotted(node.at)}")
        found = self._comment(node)
        if found is None:
            end = _line_end(self.source.text, node.end)
            if self.source.text[node.end : end].strip():
                return Blocked(f"no comment can be set on {dotted(node.at)}")
            return (Edit(self.source.path, Span(node.end, end), f" # {text}", ()),)
        start, end = found.span("text") if found.group("text") else (found.end(), found.end())
        return (Edit(self.source.path, Span(start, end), text, ()),)

    # -- how edits are made -------------------------------------------------------------------------------------

    def _edit(self, start: int, end: int, text: str, *changes: Change) -> tuple[Edit, ...]:
        text = re.sub(r"\r?\n", self.source.newline, text)
        return (Edit(self.source.path, Span(start, end), text, self._everywhere(changes)),)

    def _everywhere(self, changes: Iterable[Change]) -> tuple[Change, ...]:
        """The same changes, and what they do to every alias of an anchor that they touch."""
        found: list[Change] = []
        for change in changes:
            # A new value goes to the aliases of the value; the rest changes the collection that holds it.
            *around, last = change.at
            places = self._addresses(change.at) if change.op == "set" else self._addresses(tuple(around))
            for at in places:
                found.append(Change(change.op, at if change.op == "set" else (*at, last), change.value))
        return tuple(found)

    def _addresses(self, at: Address) -> list[Address]:
        found = [at]
        for known in found:  # grows while it runs: an alias may stand inside another anchor
            for alias in self._aliases:
                target = alias.target
                assert target is not None
                depth = len(target.at)
                if len(known) >= depth and known[:depth] == target.at and (known != target.at or depth == 0):
                    mirrored = (*alias.at, *known[depth:])
                    if mirrored not in found:
                        found.append(mirrored)
                elif known == target.at and alias.at not in found:
                    found.append(alias.at)
        return found

    def _content_start(self, node: Node) -> int:
        """Where the value itself begins, after its anchor and tag."""
        if not node.anchor and not node.tag:
            return node.start
        found = _PROPERTIES.match(self.source.text, node.start)
        return min(found.end(), node.end) if found else node.start

    def _inside_flow(self, node: Node) -> bool:
        return any(
            (parent := self.node(node.at[:depth])) is not None and parent.style == "flow"
            for depth in range(len(node.at))
        )

    def _keys_around(self, node: Node) -> Iterable[Span]:
        """The keys of the mapping that holds this value."""
        holder = self.node(node.at[:-1])
        return holder.key_spans.values() if holder is not None else ()

    def _entry_column(self, node: Node) -> int:
        """The column of the key (or dash) that this value belongs to."""
        parent = self.node(node.at[:-1])
        if parent is not None and parent.is_mapping:
            return self.source.column_of(parent.key_spans[str(node.at[-1])].start)
        if parent is not None and parent.is_sequence:
            return self.source.column_of(parent.start)
        return 0

    def _closed(self, node: Node) -> Blocked | None:
        """Why no edit can be made here: it is an alias, or a tag may give another meaning to what it holds."""
        if node.target is not None:
            return Blocked(f"{dotted(node.at)} is an alias", "edit the anchor that it stands for")
        for depth in range(len(node.at) + 1):
            holder = self.node(node.at[:depth])
            if holder is not None and holder.tag:
                return Blocked(f"{dotted(holder.at)} has the tag {holder.tag}", "edit it by hand")
        return None

    def _below(self, node: Node, column: int) -> int:
        """The end of the line below which an entry at `column` that follows `node` can stand."""
        content = self.source.text
        end = _line_end(content, node.end)
        if self._keeps_blanks(_last_leaf(node)):
            while _is_blank_line(content, end):
                end = _line_end(content, content.index("\n", end) + 1)
        # Comments that stand deeper belong to what is above; a block scalar would also swallow them.
        at = end
        while (start := content.find("\n", at) + 1) > 0:
            at = _line_end(content, start)
            line = content[start:at]
            if line.strip() and not (line.lstrip().startswith("#") and len(line) - len(line.lstrip()) > column):
                break
            if line.strip() or len(line) > column:
                end = at
            if at == len(content):
                break
        return end

    def _insert_below(
        self, node: Node, place: int, text: str, blank: bool, changes: Sequence[Change]
    ) -> tuple[Edit, ...]:
        """An insertion of whole lines at `place`, which `_below` found."""
        content = self.source.text
        leaf = _last_leaf(node)
        more: tuple[Change, ...] = ()
        if leaf.style in ("|", ">") and _line_end(content, leaf.end) == len(content) and leaf.value[-1:] != "\n":
            header = _BLOCK_HEADER.match(content, self._content_start(leaf))
            if header and header["chomp"] != "-":
                # At the end of a file without a final newline a block scalar has none either; now it gets one.
                more = (Change("set", leaf.at, leaf.value + "\n"),)
        separator = "\n\n" if blank and not self._keeps_blanks(leaf) else "\n"
        return self._edit(place, place, separator + text, *changes, *more)

    def _keeps_blanks(self, leaf: Node) -> bool:
        """Whether the blank lines below this value are part of it, by `|+`."""
        header = _BLOCK_HEADER.match(self.source.text, self._content_start(leaf)) if leaf.style in "|>" else None
        return header is not None and header["chomp"] == "+"

    def _swallows(self, at: int, column: int, *, keep: bool = False) -> bool:
        """Whether a block scalar of an entry at `column`, if it ended on the line of `at`, would take what is below
        for its text: comments and blanks that stand deeper, and every blank line with `|+`."""
        text = self.source.text
        while (start := text.find("\n", at) + 1) > 0:
            at = _line_end(text, start)
            line = text[start:at]
            blanks = len(line) - len(line.lstrip())
            if line.strip() and not line.lstrip().startswith("#"):
                return False
            if blanks > column or (keep and not line.strip()):
                return True
        return False

    def _add_flow_keys(
        self, mapping: Node, added: Mapping[str, Any], changes: list[Change], after: str | None, before: str | None
    ) -> Parts:
        if any(isinstance(value, dict | list | Flow) for value in added.values()):
            return Blocked(f"{dotted(mapping.at)} is written on one line", "write it on several lines")
        pairs = ", ".join(
            f"{render_scalar(k, self.style.quote, flow=True)}: {_flow_scalar(v, self.style)}" for k, v in added.items()
        )
        names = list(mapping.value)
        if not names:
            inner = self.source.text[mapping.start : mapping.end]
            if inner.strip("{} \t"):
                return Blocked(f"{dotted(mapping.at)} holds only a comment")
            start = self._content_start(mapping)
            return self._edit(start, mapping.end, "{ " + pairs + " }", *changes)
        if before is not None:
            at = mapping.key_spans[before].start
            return self._edit(at, at, pairs + ", ", *changes)
        at = mapping.value[after if after is not None else names[-1]].end
        return self._edit(at, at, ", " + pairs, *changes)

    def _insert_flow_items(self, sequence: Node, index: int, values: Sequence[Any], changes: list[Change]) -> Parts:
        if any(isinstance(value, dict | list | Flow) for value in values):
            return Blocked(f"{dotted(sequence.at)} is written on one line", "write it on several lines")
        text = ", ".join(_flow_scalar(value, self.style) for value in values)
        items = sequence.items
        if not items:
            if self.source.text[sequence.start : sequence.end].strip("[] \t"):
                return Blocked(f"{dotted(sequence.at)} holds only a comment")
            start = self._content_start(sequence)
            return self._edit(start, sequence.end, f"[{text}]", *changes)
        if index == 0:
            return self._edit(items[0].start, items[0].start, text + ", ", *changes)
        return self._edit(items[index - 1].end, items[index - 1].end, ", " + text, *changes)

    def _delete_block(self, collection: Node, children: Sequence[str | int], run: Sequence[int]) -> Parts:
        """Whole lines go, from the first of the entries to the last."""
        first, last = children[run[0]], children[run[-1]]
        starts = self.dashes(collection) if collection.is_sequence else [s.start for s in collection.key_spans.values()]
        start, following = starts[run[0]], starts[run[-1] + 1] if run[-1] + 1 < len(starts) else None
        text = self.source.text
        end = _line_end(text, collection.value[last].end)
        blocked = self._held(collection, [children[at] for at in run], start, end)
        if blocked is not None:
            return blocked
        changes = [Change("delete", (*collection.at, children[at])) for at in reversed(run)]
        line_start = self.source.line_start(start)
        if text[line_start:start].strip():  # the first key of a list item stands on the line of the dash
            if following is None:
                return Blocked(f"{dotted((*collection.at, first))} stands on the line of a dash")
            if "#" in text[end:following]:
                return _blocked_below(collection.value[last])
            return self._edit(start, following, "", *changes)
        above = _last_leaf(collection.value[children[run[0] - 1]]) if run[0] else collection
        block_above = above.style in ("|", ">")
        if block_above and self._swallows(end, self._entry_column(above), keep=self._keeps_blanks(above)):
            return _blocked_below(collection.value[last])
        if text.startswith("\r\n", end):
            return self._edit(line_start, end + 2, "", *changes)
        if text.startswith("\n", end):
            return self._edit(line_start, end + 1, "", *changes)
        # The last line of a file without a final newline takes the line ends above it along, so that the file has none
        # either; but not those of a block scalar, which are part of its text.
        return self._edit(line_start if block_above else len(text[:line_start].rstrip()), end, "", *changes)

    def _delete_flow(self, collection: Node, children: Sequence[str | int], run: Sequence[int]) -> Parts:
        """Entries go with the comma behind them; those at the end with the comma in front of them."""
        entries = [collection.value[child] for child in children]
        if run[-1] + 1 == len(children):
            start, end = entries[run[0] - 1].end, entries[-1].end
        else:
            start = self._entry_start(collection, children[run[0]])
            end = self._entry_start(collection, children[run[-1] + 1])
        blocked = self._held(collection, [children[at] for at in run], start, end)
        changes = [Change("delete", (*collection.at, children[at])) for at in reversed(run)]
        return blocked or self._edit(start, end, "", *changes)

    def _held(self, collection: Node, going: Sequence[str | int], start: int, end: int) -> Blocked | None:
        """Why these entries, which stand between two offsets, cannot go: an anchor in them, or a comment beside."""
        entries = [collection.value[child] for child in going]
        held = next((entry for entry in entries if self._used_elsewhere(entry)), None)
        if held is not None:
            return Blocked(f"{dotted(held.at)} holds an anchor that is used elsewhere", "edit it by hand")
        if self._has_comment(start, end, entries):
            return Blocked(
                f"a comment stands beside {dotted((*collection.at, going[0]))}, and deleting one would lose the other",
                "move the comment, then run fhfix again",
            )
        return None

    def _entry_start(self, collection: Node, child: str | int) -> int:
        if isinstance(child, str):
            return collection.key_spans[child].start
        found: Node = collection.value[child]
        return found.start

    def _replace_entries(self, mapping: Node, names: Sequence[str], added: Mapping[str, Any]) -> Parts:
        """The last keys of a mapping, or all, give way to others."""
        if (closed := self._closed(mapping)) is not None:
            return closed
        changes = [Change("delete", (*mapping.at, name)) for name in names]
        start = mapping.key_spans[names[0]].start
        line_end = _line_end(self.source.text, mapping.value[names[-1]].end)
        values = [plain_of(value) for value in added.values()]
        if line_end == len(self.source.text):
            values = _at_end_of_file(values)
        changes += [Change("set", (*mapping.at, key), value) for key, value in zip(added, values, strict=True)]
        blocked = self._held(mapping, names, start, line_end)
        if blocked is not None:
            return blocked
        if mapping.style == "flow":
            return Blocked(f"{dotted(mapping.at)} is written on one line", "write it on several lines")
        column = self.source.column_of(start)
        if self._swallows(line_end, column):
            return _blocked_below(mapping)
        lines = [line for key, value in added.items() for line in entry_lines(key, value, self.style)]
        return self._edit(start, line_end, _join(lines, column)[column:], *changes)

    def _used_elsewhere(self, node: Node) -> bool:
        if not self._aliases:
            return False
        depth = len(node.at)
        return any(
            alias.target is not None and alias.target.at[:depth] == node.at and alias.at[:depth] != node.at
            for alias in self._aliases
        )

    def _has_comment(self, start: int, end: int, nodes: Iterable[Node]) -> bool:
        """Whether a comment stands between these offsets. `#` inside of scalars and keys is none."""
        text = self.source.text
        if "#" not in text[start:end]:
            return False
        at = start
        for span in sorted((span for node in nodes for span in self._texts(node)), key=lambda s: s.start):
            if span.start >= at:
                if "#" in text[at : span.start] and span.start > at and _comment_in(text[at : span.start]):
                    return True
                at = max(at, span.end)
        return _comment_in(text[at:end])

    def _texts(self, node: Node) -> Iterator[Span]:
        """The spans of all keys and scalars below a node; of a block scalar without its header."""
        if node.style in "|>" and node.target is None:
            header = _BLOCK_HEADER.match(self.source.text, self._content_start(node))
            yield Span(min(header.end(), node.end) if header else node.start, node.end)
        elif node.target is not None or node.is_scalar:
            yield node.span
        else:
            yield from node.key_spans.values()
            for child in node.children:
                yield from self._texts(child)

    def dashes(self, sequence: Node) -> list[int]:
        """Where the dash of each item of a block sequence stands."""
        text, column, found, at = self.source.text, self.source.column_of(sequence.start), [sequence.start], 0
        for item in sequence.items[:-1]:
            at = _line_end(text, item.end)
            while True:
                at = text.index("\n", at) + 1
                if text.startswith("-", at + column) and not text[at : at + column].strip(" "):
                    found.append(at + column)
                    break
                at = _line_end(text, at)
        return found

    def blank_above(self, offset: int) -> bool:
        """Whether a blank line stands above this line, or above the comments over it."""
        at = self.source.line_start(offset)
        while at > 0:
            start = self.source.line_start(at - 1)
            line = self.source.text[start : at - 1].strip()
            if not line:
                return True
            if not line.startswith("#"):
                return False
            at = start
        return False

    def _blank_between(self, mapping: Node, added: Mapping[str, Any]) -> bool:
        spans = list(mapping.key_spans.values())[1:]
        collections = any(isinstance(value, dict) and value for value in added.values())
        if not collections:
            return False
        if not spans:
            return len(mapping.at) <= 1
        return all(self.blank_above(span.start) for span in spans)


@dataclass(frozen=True, slots=True)
class Style:
    """How a file is written: columns per level, columns of a dash below its key, quotes, and whether blank lines
    stand between list items that are mappings."""

    indent: int = 2
    dash: int = 2
    quote: str = "'"
    spaced: bool = False


def _style_of(document: Yaml) -> Style:
    indents: Counter[int] = Counter()
    dashes: Counter[int] = Counter()
    quotes: Counter[str] = Counter()
    spaced: Counter[bool] = Counter()
    column_of = document.source.column_of

    def visit(node: Node) -> None:
        if node.target is not None:
            return
        if node.is_mapping and node.style == "block":
            for key, child in node.value.items():
                if child.target is None and child.style == "block" and (child.is_mapping or child.is_sequence):
                    column = column_of(node.key_spans[key].start)
                    if child.is_mapping:
                        first = next(iter(child.key_spans.values()))
                        indents[column_of(first.start) - column] += 1
                    else:
                        dashes[column_of(child.start) - column] += 1
                visit(child)
        elif node.is_sequence:
            if node.style == "block" and len(node.items) > 1 and node.items[0].is_mapping:
                blank = sum(document.blank_above(dash) for dash in document.dashes(node)[1:])
                spaced[blank * 2 > len(node.items) - 1] += 1
            for child in node.items:
                visit(child)
        elif node.is_mapping:
            for child in node.value.values():
                visit(child)
        elif node.style in ("'", '"') and "\n" not in node.value:
            quotes[node.style] += 1

    visit(document.root)
    likely = [(count, -width) for width, count in indents.items() if 1 <= width <= 8]
    indent = -max(likely)[1] if likely else 2
    offsets = [(count, -width) for width, count in dashes.items() if 0 <= width <= 8]
    dash = -max(offsets)[1] if offsets else indent
    quote = '"' if quotes['"'] > quotes["'"] else "'"
    return Style(indent, dash, quote, spaced[True] > spaced[False])


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
                end = start + len(text) - len(_trailing_blank(text, event.value))
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
            match = _PROPERTIES.match(self.source.text, start)
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


# -- rendering ----------------------------------------------------------------------------------------------------


def entry_lines(key: str, value: Any, style: Style) -> list[str]:
    """The lines of `key: value`, from column 0."""
    name = render_scalar(key, style.quote)
    if isinstance(value, dict) and value:
        nested = [line for k, v in value.items() for line in entry_lines(k, v, style)]
        return [f"{name}:", *_shift(nested, style.indent)]
    if isinstance(value, list | tuple) and value:
        return [f"{name}:", *_shift(_items_lines(value, style), style.dash)]
    return _inline(f"{name}: ", value, style)


def item_lines(value: Any, style: Style) -> list[str]:
    """The lines of `- value`, from the column of the dash."""
    if isinstance(value, dict) and value:
        nested = [line for k, v in value.items() for line in entry_lines(k, v, style)]
        return ["- " + nested[0], *_shift(nested[1:], 2)]
    if isinstance(value, list | tuple) and value:
        nested = _items_lines(value, style)
        return ["- " + nested[0], *_shift(nested[1:], 2)]
    return _inline("- ", value, style)


def _items_lines(values: Iterable[Any], style: Style) -> list[str]:
    lines: list[str] = []
    for value in values:
        if lines and style.spaced and isinstance(value, dict):
            lines.append("")
        lines.extend(item_lines(value, style))
    return lines


def _inline(head: str, value: Any, style: Style) -> list[str]:
    if isinstance(value, Commented):
        return [f"{head}{render_scalar(value.value, style.quote)} # {value.beside}"]
    if isinstance(value, Flow):
        return [f"{head}[{', '.join(render_scalar(item, style.quote, flow=True) for item in value.items)}]"]
    if isinstance(value, dict):
        return [head + "{}"]
    if isinstance(value, list | tuple):
        return [head + "[]"]
    if isinstance(value, str) and "\n" in value:
        literal = _literal(value, style.indent)
        if literal is not None:
            return (head + literal).split("\n")
        return [head + json.dumps(value, ensure_ascii=False)]
    if value is None and head.endswith(": "):
        return [head[:-1]]  # `workflow_dispatch:` is how people write it
    return [head + render_scalar(value, style.quote)]


def render_scalar(value: Any, quote: str, *, flow: bool = False, force: bool = False) -> str:
    """A scalar on one line: plain where that is safe for every reader, else in these quotes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    if not force and is_plain(text, flow=flow):
        return text
    if any(ord(c) < 32 or c in "\x7f\x85\u2028\u2029" for c in text):
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\x7f").replace("\x85", "\\x85")
    if quote == '"' and "\\" not in text and '"' not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def is_plain(text: str, *, flow: bool = False) -> bool:
    """Whether this text can stand without quotes and is a string for readers of YAML 1.1 and 1.2 alike."""
    if not text or text != text.strip() or any(ord(c) < 32 or c in "\x7f\x85\ufeff\u2028\u2029" for c in text):
        return False
    first = text[0]
    if first in _INDICATORS or (first in "-?:" and (len(text) == 1 or text[1] == " ")):
        return False
    if text.startswith(("---", "...")) or ": " in text or text.endswith(":") or " #" in text:
        return False
    # libyaml takes a `?` or `:` for a key or a value there even where no blank follows.
    if flow and (first in "?:" or ":?" in text or any(c in ",[]{}" for c in text)):
        return False
    return not _AMBIGUOUS.match(text) and isinstance(_resolve(text), str)


def plain_of(value: Any) -> Any:
    """The plain data that a value to render stands for."""
    if isinstance(value, Commented):
        return value.value
    if isinstance(value, Flow):
        return list(value.items)
    if isinstance(value, dict):
        return {key: plain_of(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain_of(child) for child in value]
    return value


def _without_final_newline(text: str) -> str:
    return text[:-1] if text.endswith("\n") else text


def _at_end_of_file(values: list[Any]) -> list[Any]:
    """What these values are when nothing, not even a line end, follows: a literal block loses its last newline."""
    plain = plain_of(values)
    holder: Any = plain
    key: Any = len(plain) - 1
    while isinstance(holder[key], dict | list) and holder[key]:
        holder = holder[key]
        key = list(holder)[-1] if isinstance(holder, dict) else len(holder) - 1
    if isinstance(holder[key], str) and "\n" in holder[key] and _literal(holder[key], 2) is not None:
        holder[key] = _without_final_newline(holder[key])
    found: list[Any] = plain
    return found


def _flow_scalar(value: Any, style: Style) -> str:
    return render_scalar(plain_of(value), style.quote, flow=True)


def _literal(text: str, indent: int) -> str | None:
    """`|` and the lines below it, or None where a literal block cannot hold the text."""
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    if not body or ends > 1 or body[0] in " \n" or any(ord(c) < 32 and c not in "\n\t" for c in body):
        return None
    return "\n".join(["|" if ends else "|-", *(" " * indent + line if line else "" for line in body.split("\n"))])


def _shift(lines: Iterable[str], columns: int) -> list[str]:
    return [" " * columns + line if line else line for line in lines]


def _join(lines: Iterable[str], column: int) -> str:
    return "\n".join(_shift(lines, column))


# -- layout of the text -------------------------------------------------------------------------------------------


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    return end - 1 if end > at and text[end - 1] == "\r" else end


def _is_blank_line(text: str, line_end: int) -> bool:
    """Whether there is a line after this line end, and it is blank."""
    start = text.find("\n", line_end) + 1
    return 0 < start < len(text) and not text[start : _line_end(text, start)].strip()


def _trailing_blank(text: str, value: str) -> str:
    """The blank lines at the end of a block scalar, without those that are part of its text by their indentation."""
    last = value.rstrip("\n").rpartition("\n")[2]
    found = re.search(r"(\r?\n)*\Z" if last.isspace() else r"(\r?\n[ \t]*)*\Z", text)
    return found.group() if found else ""


def _comment_in(text: str) -> bool:
    return re.search(r"(^|\s)#", text) is not None


def _last_leaf(node: Node) -> Node:
    while node.target is None and node.style == "block" and node.value and not node.is_scalar:
        node = node.items[-1] if node.is_sequence else list(node.value.values())[-1]
    return node


def _positions(text: str, node: Node, start: int) -> list[int] | None:
    """For each character of `node.value`, and for its end, the offset in the text; None for shapes not known."""
    value: str = node.value
    if node.style == "plain":
        return list(range(start, node.end + 1)) if text[start : node.end] == value else None
    if node.style == "'":
        return _quoted_positions(text, start, node.end, value, single=True)
    if node.style == '"':
        return _quoted_positions(text, start, node.end, value, single=False)
    return _block_positions(text, node, start, folded=node.style == ">")


def _quoted_positions(text: str, start: int, end: int, value: str, *, single: bool) -> list[int] | None:
    found: list[int] = []
    decoded: list[str] = []
    at = start + 1
    while at < end - 1:
        found.append(at)
        char = text[at]
        if char in "\r\n":
            return None
        if single and char == "'":
            decoded.append("'")
            at += 2
        elif not single and char == "\\":
            known = _SIMPLE_ESCAPES.get(text[at + 1])
            if known is None:
                return None
            decoded.append(known)
            at += 2
        else:
            decoded.append(char)
            at += 1
    return [*found, end - 1] if "".join(decoded) == value else None


def _block_positions(text: str, node: Node, start: int, *, folded: bool) -> list[int] | None:
    header = _BLOCK_HEADER.match(text, start)
    if header is None or header["indent"]:
        return None
    at = header.end()
    indent: int | None = None
    found: list[int] = []
    decoded: list[str] = []
    stop = node.end
    while at <= stop and at < len(text):
        end = _line_end(text, at)
        line = text[at:end]
        if indent is None and line.strip(" "):
            indent = len(line) - len(line.lstrip(" "))
        if indent is None or (folded and (not line.strip() or line[indent : indent + 1] in " \t")):
            return None
        content = at + min(indent, len(line))
        found.extend(range(content, end))
        decoded.append(text[content:end])
        found.append(end)
        decoded.append(" " if folded else "\n")
        newline = text.find("\n", end)
        if newline < 0:
            at = len(text) + 1
            break
        at = newline + 1
    joined_text = "".join(decoded)
    if folded:
        joined_text = joined_text[:-1] + "\n"
    value: str = node.value
    if value.endswith("\n") and joined_text.rstrip("\n") == value.rstrip("\n") and joined_text == value:
        return [*found, at]
    if joined_text[:-1] == value:
        return found
    return None


def _escaped(text: str, style: str) -> str:
    if style == "'":
        return text.replace("'", "''")
    if style == '"':
        return text.replace("\\", "\\\\").replace('"', '\\"')
    return text


def dotted(at: Address) -> str:
    """An address as people write it: `jobs.test.steps[2].run`."""
    text = ""
    for step in at:
        text += f"[{step}]" if isinstance(step, int) else ("." if text else "") + step
    return text


def _blocked_below(node: Node) -> Blocked:
    return Blocked(
        f"comments or blanks below {dotted(node.at)} would become part of a text",
        "move or remove them, then run fhfix again",
    )
