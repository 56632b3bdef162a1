"""The document: reads a file, and builds the edits of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, Self

import yaml

from fixer.languages.yaml.layout import (
    BLOCK_HEADER,
    PROPERTIES,
    blank_above,
    comment_in,
    dashes_of,
    escaped,
    is_blank_line,
    last_leaf,
    line_end_at,
    positions_of,
    style_of,
)
from fixer.languages.yaml.node import Node, dotted
from fixer.languages.yaml.reader import read
from fixer.languages.yaml.render import (
    Copied,
    Flow,
    Style,
    at_end_of_file,
    entry_lines,
    flow_scalar,
    inline,
    is_plain,
    item_lines,
    join_lines,
    literal_block,
    plain_of,
    render_scalar,
    without_final_newline,
)
from fixer.model import Address, Blocked, Change, Edit, FileError, Parts, Source, Span, joined
from fixer.scripts import plain, with_edits


class Yaml:
    """One YAML document: nodes with positions, and the builders that edit it."""

    def __init__(self, source: Source, root: Node, aliases: list[Node]) -> None:
        self.source = source
        self.root = root
        self._aliases = aliases

    @classmethod
    def parse(cls, source: Source) -> Self:
        try:
            root, aliases = read(source)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" (line {mark.line + 1})" if mark else ""
            problem = getattr(error, "problem", None) or str(error).split("\n")[0]
            raise FileError(source.path, f"not valid YAML: {problem}{where}", "repair it by hand") from None
        except RecursionError:
            raise FileError(source.path, "nested too deeply", "simplify it") from None
        return cls(source, root, aliases)

    def plain(self) -> Any:
        return self._plain

    @cached_property
    def _plain(self) -> Any:
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
        return style_of(self.source, self.root)

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
        """Replaces a scalar; the quotes that it has are kept. `Flow` makes a list or mapping, on the same line."""
        if not node.is_scalar:
            return Blocked(f"{dotted(node.at)} is not a scalar")
        if (closed := self._closed(node)) is not None:
            return closed
        start = self._content_start(node)
        inside_flow = self._inside_flow(node)
        if inside_flow and any(span.end == start for span in self._keys_around(node)):
            return Blocked(f"{dotted(node.at)} is a key without `:`", "write it as `key: value`")
        if isinstance(value, str) and "\n" in value and not inside_flow:
            literal = literal_block(value, self._entry_column(node) + self.style.indent)
            if literal is not None:
                return self._set_literal(node, start, value, literal)
        if isinstance(value, Flow):
            text = inline("", value, self.style)[0]
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
        end = line_end_at(self.source.text, node.end)
        if self._swallows(end, self._entry_column(node)):
            return _blocked_below(node)
        if end == len(self.source.text):
            value = without_final_newline(value)
        change = Change("set", node.at, value)
        if node.end == end:
            return self._edit(start, end, f"{head}\n{body}", change)
        return *self._edit(start, node.end, head, change), *self._edit(end, end, "\n" + body)

    def _beside_header(self, node: Node) -> str:
        """The comment beside the `|` of a block scalar, with the blanks before it."""
        found = BLOCK_HEADER.match(self.source.text, self._content_start(node)) if node.style in "|>" else None
        return (found["beside"] or "") if found else ""

    def as_it_stands(self, node: Node, value: Any) -> Any:
        """A value to render that is written as this node is, as far as it says the same: quotes, `>-`, plain ports.

        Another text of one line keeps the quotes.
        """
        if node.style == "flow" and node.data == value and (line := self._line_of(node)):
            return Copied(value, (line,))
        if isinstance(value, dict) and node.is_mapping:
            children = node.value
            return {
                key: self.as_it_stands(children[key], child) if key in children else child
                for key, child in value.items()
            }
        if isinstance(value, list) and node.is_sequence:
            known = {repr(item.data): item for item in node.items}
            return [self.as_it_stands(known.get(repr(child), node), child) for child in value]
        if not node.is_scalar or node.target is not None or node.tag:
            return value
        if node.data != value and node.style in ("'", '"') and isinstance(value, str) and "\n" not in value:
            return Copied(value, (render_scalar(value, node.style, force=True),))
        if node.data != value or node.anchor:
            return value
        lines = self._lines_of(node)
        return Copied(value, lines) if lines else value

    def _line_of(self, node: Node) -> str:
        """The text of a collection that stands on one line; empty for others, and for one with anchors or tags."""
        text = self.source.text[node.start : node.end]
        return "" if "\n" in text or re.search(r"[&*!#]", text) else text

    def _lines_of(self, node: Node) -> tuple[str, ...]:
        """The text of a scalar, lines below its first from the column of its key; empty where that is not simple."""
        first, *below = self.source.text[node.start : node.end].replace("\r\n", "\n").split("\n")
        if not below:
            return (first,)
        header = BLOCK_HEADER.match(first) if node.style in "|>" else None
        filled = [line for line in below if line.strip()]
        if header is None or first not in ("|", "|-", ">", ">-") or not filled:
            return ()
        if "-" not in first and not node.value.endswith("\n"):
            return ()  # the last line of a file that ends without one; elsewhere the block would have one
        margin = min(len(line) - len(line.lstrip(" ")) for line in filled)
        return (first, *(" " * self.style.indent + line[margin:] if line.strip() else "" for line in below))

    def add_key(
        self,
        mapping: Node,
        key: str,
        value: Any,
        *,
        after: str | None = None,
        before: str | None = None,
        comment: Sequence[str] = (),
    ) -> Parts:
        """Adds one key: after or before another, else last; lines of comment stand above it, each with its `#`."""
        return self.add_keys(mapping, {key: value}, after=after, before=before, comment=comment)

    def add_keys(
        self,
        mapping: Node,
        added: Mapping[str, Any],
        *,
        after: str | None = None,
        before: str | None = None,
        comment: Sequence[str] = (),
    ) -> Parts:
        """Adds keys in this order: after or before another where there is such a key, else last.

        What says nothing (`with: {}`, `env:` with only comments below) counts as not there: it is filled.
        """
        if (closed := self._closed(mapping)) is not None:
            return closed
        if mapping.is_empty and self._can_be_filled(mapping):
            return self._fill(mapping, added)
        if not mapping.is_mapping:
            return Blocked(f"{dotted(mapping.at) or 'the file'} is not a mapping", "edit it by hand")
        for key in added:
            if key not in mapping.value and _is_merged(mapping, key):
                return Blocked(
                    f"{dotted(mapping.at) or 'the file'} takes {key} over by `<<`, and one of its own would replace all"
                    " of that",
                    f"write out its {key}, or add to what it takes over",
                )
        filled: list[Parts] = []
        for key, value in added.items():
            present = mapping.value.get(key)
            if present is not None and not present.is_empty:
                return Blocked(f"{dotted(mapping.at) or 'the file'} has {key} already", "edit it by hand")
            if present is not None:
                filled.append(self._fill(present, value))
        if filled:
            others = {key: value for key, value in added.items() if key not in mapping.value}
            return joined((*filled, self.add_keys(mapping, others, after=after, before=before) if others else ()))
        names = list(mapping.value)
        after = after if after in names else None
        before = before if before in names and after is None else None
        if before is not None and names.index(before) > 0:
            after, before = names[names.index(before) - 1], None
        values = [plain_of(value) for value in added.values()]
        if mapping.style == "flow":
            changes = [Change("set", (*mapping.at, key), value) for key, value in zip(added, values, strict=True)]
            return self._add_flow_keys(mapping, added, changes, after, before)
        column = self.source.column_of(mapping.key_spans[names[0]].start)
        above = mapping.value[after if after is not None else names[-1]]
        place = self._below(above, column)
        if before is None and place == len(self.source.text):
            values = at_end_of_file(values)
        changes = [Change("set", (*mapping.at, key), value) for key, value in zip(added, values, strict=True)]
        blank = self._blank_between(mapping, added)
        lines: list[str] = []
        for key, value in added.items():
            if lines and blank:
                lines.append("")
            lines.extend(entry_lines(key, value, self.style))
        lines = [*comment, *lines]
        if before is not None:
            text = join_lines(lines, column)[column:] + ("\n" if blank else "") + "\n" + " " * column
            return self._edit(*(2 * (mapping.key_spans[before].start,)), text, *changes)
        return self._insert_below(above, place, join_lines(lines, column), blank, changes)

    def _can_be_filled(self, node: Node) -> bool:
        """Whether an empty value has a key of its own, on a line that a block can stand below."""
        holder = self.node(node.at[:-1]) if node.at else None
        return holder is not None and holder.is_mapping and not self._inside_flow(node)

    def _fill(self, node: Node, value: Any) -> Parts:
        """Gives an empty value a new one; comments on its line and deeper ones below it stay above the new lines."""
        if (closed := self._closed(node)) is not None:
            return closed
        if node.anchor or not self._can_be_filled(node):
            return Blocked(f"{dotted(node.at)} is empty", "fill it by hand")
        if not isinstance(value, dict | list | tuple):
            return self.set_scalar(node, value)
        if not value:
            return Blocked(f"{dotted(node.at)} is empty", "fill it by hand")
        holder = self.node(node.at[:-1])
        assert holder is not None
        key = holder.key_spans[str(node.at[-1])]
        text = self.source.text
        start = text.index(":", key.end) + 1
        if not node.is_scalar and "#" in text[start : node.end]:
            return Blocked(f"{dotted(node.at)} holds only a comment", "fill it by hand")
        column = self.source.column_of(key.start)
        place = self._below(node, column)
        plain = plain_of(value)
        if place == len(text):
            plain = at_end_of_file([plain])[0]
        below = "\n" + join_lines(entry_lines("key", value, self.style)[1:], column)
        change = Change("set", node.at, plain)
        end = max(start, node.end)
        if place == end:
            return self._edit(start, end, below, change)
        removed = self._edit(start, end, "") if end > start else ()
        return *removed, *self._edit(place, place, below, change)

    def rename_key(self, mapping: Node, old: str, new: str) -> Parts:
        if (closed := self._closed(mapping)) is not None:
            return closed
        if new in mapping.value:
            return Blocked(f"{dotted(mapping.at)} has {new} already")
        if old not in mapping.key_spans:
            return Blocked(f"{dotted(mapping.at) or 'the file'} has no {old}", "edit it by hand")
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
        if sequence.is_empty and self._can_be_filled(sequence) and not followed:
            return self._fill(sequence, list(values))
        if not sequence.is_sequence:
            return Blocked(f"{dotted(sequence.at)} is not a list", "edit it by hand")
        items = sequence.items
        plain = [plain_of(value) for value in values]
        if sequence.style == "flow":
            changes = [Change("insert", (*sequence.at, index), value) for value in reversed(plain)]
            return self._insert_flow_items(sequence, index, values, changes)
        column = self.source.column_of(sequence.start)
        place = self._below(items[index - 1], column) if index else 0
        if place == len(self.source.text) and not followed:
            plain = at_end_of_file(plain)
        changes = [Change("insert", (*sequence.at, index), value) for value in reversed(plain)]
        dashes = dashes_of(self.source, sequence)
        blank = any(blank_above(self.source, dash) for dash in dashes[1:])
        lines: list[str] = []
        for value in values:
            if lines and blank:
                lines.append("")
            lines.extend(item_lines(value, self.style))
        if index == 0:
            text = join_lines(lines, column)[column:] + ("\n" if blank else "") + "\n" + " " * column
            return self._edit(dashes[0], dashes[0], text, *changes)
        return self._insert_below(items[index - 1], place, join_lines(lines, column), blank, changes)

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
        if not mapping.is_mapping or mapping.target is not None:
            if rename or set or list(delete) or not add:
                return Blocked(f"{dotted(mapping.at)} is not a mapping", "edit it by hand")
            return self.add_keys(mapping, add)
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
            parts.append(self.add_keys(mapping, add, after=kept[-1] if kept else None))
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
        wanted = with_edits(value, edits)
        drops = value.endswith("\n") and not value.endswith("\n\n") and wanted.endswith("\n\n")
        while drops and wanted.endswith("\n\n"):  # as a block scalar does with blank lines at its end
            wanted = wanted.removesuffix("\n")
        if not wanted.strip():
            return Blocked(f"nothing would be left of {dotted(node.at)}")
        positions = positions_of(self.source.text, node, self._content_start(node))
        if positions is None or (node.style != "|" and any("\n" in new for _, _, new in edits)):
            return self.set_scalar(node, wanted)
        if node.style == "plain" and not is_plain(wanted, flow=self._inside_flow(node)):
            return self.set_scalar(node, wanted)
        begins_blank = wanted[0] in " \n" and wanted[0] != value[0]  # what begins so has an indentation indicator
        if node.style in "|>" and (begins_blank or wanted.endswith("\n") != value.endswith("\n")):
            return self.set_scalar(node, wanted)
        found: list[Edit] = []
        for edit in sorted(edits):
            made = self._spliced(node, positions, *edit)
            change = Change("splice", node.at, edit)
            if drops:
                change = Change("set", node.at, wanted)  # what the first says is said for all
            changes = () if drops and found else self._everywhere((change,))
            found.append(Edit(made.path, made.span, made.text, changes))
        return tuple(found)

    def span_of(self, node: Node, start: int, end: int) -> Span:
        """Where a range of a scalar's decoded text stands in the file; the whole scalar where that is not known."""
        positions = positions_of(self.source.text, node, self._content_start(node))
        return Span(positions[start], positions[end]) if positions is not None else node.span

    def _spliced(self, node: Node, positions: list[int], start: int, end: int, new: str) -> Edit:
        """One replacement within a scalar. In a literal block, whole lines stay whole lines."""
        value: str = node.value
        first, last = positions[start], positions[end]
        if node.style != "|":
            return Edit(self.source.path, Span(first, last), escaped(new, node.style), ())
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
            end = line_end_at(self.source.text, node.end)
            if self.source.text[node.end : end].strip():
                return Blocked(f"no comment can be set on {dotted(node.at)}")
            return (Edit(self.source.path, Span(node.end, end), f" # {text}", ()),)
        start, end = found.span("text") if found.group("text") else (found.end(), found.end())
        return (Edit(self.source.path, Span(start, end), text, ()),)

    def comment_above(self, node: Node) -> str:
        """The text of the comment that fills the line above that of a node, at the same indentation; else empty."""
        found = self._text_above(node)
        return found[1] if found is not None else ""

    def set_comment_above(self, node: Node, text: str) -> Parts:
        """Replaces that comment, keeping what stands between `#` and it."""
        found = self._text_above(node)
        if found is None:
            return Blocked(f"there is no comment above {dotted(node.at)}")
        return (Edit(self.source.path, found[0], text, ()),)

    def _text_above(self, node: Node) -> tuple[Span, str] | None:
        line = self.source.line_start(node.start)
        above = self.source.text[: max(line - 1, 0)].rstrip("\r")
        comment = above[above.rfind("\n") + 1 :]
        text = comment.lstrip(" ")
        own = self.source.text[line:]
        # Deeper than the line below it, it may be the end of a block scalar.
        if not text.startswith("#") or len(comment) - len(text) != len(own) - len(own.lstrip(" ")):
            return None
        words = text.lstrip("#").strip()
        start = len(above) - len(text.lstrip("#").lstrip())
        return Span(start, start + len(words)), words

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
            of_value = change.op in ("set", "splice")
            for at in self._addresses(change.at) if of_value else self._addresses(tuple(around)):
                found.append(Change(change.op, at if of_value else (*at, last), plain(change.value)))
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
        found = PROPERTIES.match(self.source.text, node.start)
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
        end = line_end_at(content, node.end)
        if self._keeps_blanks(last_leaf(node)):
            while is_blank_line(content, end):
                end = line_end_at(content, content.index("\n", end) + 1)
        # Comments that stand deeper belong to what is above; a block scalar would also swallow them. So do lines below
        # it that were deeper before a `#` in the first column put them out.
        at = end
        while (start := content.find("\n", at) + 1) > 0:
            at = line_end_at(content, start)
            line = content[start:at]
            is_deeper = line.lstrip().startswith("#") and len(line) - len(line.lstrip()) > column
            if line.strip() and not is_deeper and (start != end + 1 or _depth_put_out(line) <= column):
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
        leaf = last_leaf(node)
        more: tuple[Change, ...] = ()
        if (
            leaf.style in ("|", ">")
            and line_end_at(content, leaf.end) == len(content)
            and leaf.value[-1:] not in ("", "\n")
        ):
            header = BLOCK_HEADER.match(content, self._content_start(leaf))
            if header and header["chomp"] != "-":
                # At the end of a file without a final newline a block scalar has none either; now it gets one.
                more = (Change("set", leaf.at, with_edits(leaf.value, [(len(leaf.value), len(leaf.value), "\n")])),)
        apart = blank and not self._keeps_blanks(leaf)
        deeper = not content[self.source.line_start(place) : place].strip()  # blanks
        if apart and deeper and place < len(content):
            text = f"\n{text}\n"
        else:
            text = ("\n\n" if apart else "\n") + text
        return self._edit(place, place, text, *changes, *more)

    def _keeps_blanks(self, leaf: Node) -> bool:
        """Whether the blank lines below this value are part of it, by `|+`."""
        header = BLOCK_HEADER.match(self.source.text, self._content_start(leaf)) if leaf.style in "|>" else None
        return header is not None and header["chomp"] == "+"

    def _swallows(self, at: int, column: int, *, keep: bool = False) -> bool:
        """Whether a block scalar of an entry at `column`, if it ended on the line of `at`, would take what is below
        for its text: comments and blanks that stand deeper, and every blank line with `|+`."""
        text = self.source.text
        while (start := text.find("\n", at) + 1) > 0:
            at = line_end_at(text, start)
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
            f"{render_scalar(k, self.style.quote, flow=True)}: {flow_scalar(v, self.style)}" for k, v in added.items()
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
        text = ", ".join(flow_scalar(value, self.style) for value in values)
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
        starts = (
            dashes_of(self.source, collection)
            if collection.is_sequence
            else [s.start for s in collection.key_spans.values()]
        )
        start, following = starts[run[0]], starts[run[-1] + 1] if run[-1] + 1 < len(starts) else None
        text = self.source.text
        end = line_end_at(text, collection.value[last].end)
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
        above = last_leaf(collection.value[children[run[0] - 1]]) if run[0] else collection
        block_above = above.style in ("|", ">")
        if block_above and self._swallows(end, self._entry_column(above), keep=self._keeps_blanks(above)):
            return _blocked_below(collection.value[last])
        if text.startswith(("\r\n", "\n"), end):
            end += 2 if text[end] == "\r" else 1
            return self._edit(line_start, end + self._blank_lines(line_start, end), "", *changes)
        # The last line of a file without a final newline takes the line ends above it along, so that the file has none
        # either; but not those of a block scalar, which are part of its text.
        return self._edit(line_start if block_above else len(text[:line_start].rstrip()), end, "", *changes)

    def _blank_lines(self, start: int, end: int) -> int:
        """How many characters behind a deleted range are blank lines that stand in front of it too."""
        text = self.source.text
        above = re.search(r"(?:^|\n)[ \t]*\r?\n\Z", text[:start]) is not None or start == 0
        below = re.match(r"(?:[ \t]*\r?\n)+(?=[ \t]*\S)", text[end:])
        return below.end() if above and below is not None else 0

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
        line_end = line_end_at(self.source.text, mapping.value[names[-1]].end)
        values = [plain_of(value) for value in added.values()]
        if line_end == len(self.source.text):
            values = at_end_of_file(values)
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
        return self._edit(start, line_end, join_lines(lines, column)[column:], *changes)

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
                if "#" in text[at : span.start] and span.start > at and comment_in(text[at : span.start]):
                    return True
                at = max(at, span.end)
        return comment_in(text[at:end])

    def _texts(self, node: Node) -> Iterator[Span]:
        """The spans of all keys and scalars below a node; of a block scalar without its header."""
        if node.style in "|>" and node.target is None:
            header = BLOCK_HEADER.match(self.source.text, self._content_start(node))
            yield Span(min(header.end(), node.end) if header else node.start, node.end)
        elif node.target is not None or node.is_scalar:
            yield node.span
        else:
            yield from node.key_spans.values()
            for child in node.children:
                yield from self._texts(child)

    def _blank_between(self, mapping: Node, added: Mapping[str, Any]) -> bool:
        spans = list(mapping.key_spans.values())[1:]
        kinds = dict if mapping.at else (dict, list)
        collections = any(isinstance(value, kinds) and value for value in added.values())
        if not collections:
            return False
        if not spans:
            return len(mapping.at) <= 1
        return all(blank_above(self.source, span.start) for span in spans)


def _blocked_below(node: Node) -> Blocked:
    return Blocked(
        f"comments or blanks below {dotted(node.at)} would become part of a text",
        "move or remove them, then run fhfix again",
    )


def _depth_put_out(line: str) -> int:
    """How deep a line stood, at least, before a `#` in the first column put it out: some editors add a blank."""
    rest = line.removeprefix("#")
    return len(rest) - len(rest.lstrip(" ")) - 1 if rest != line else 0


def _is_merged(mapping: Node, key: str) -> bool:
    """Whether a mapping takes a list or a mapping over under this key. https://yaml.org/type/merge.html"""
    merged = mapping.get("<<")
    for each in (merged.items or [merged]) if merged is not None else ():
        found = each.get(key)
        if (found is not None and not found.is_scalar) or _is_merged(each, key):
            return True
    return False
