"""How the text lies: line ends, blank lines, comments, dashes, and where each character of a scalar stands."""

from __future__ import annotations

import re
from collections import Counter

from fixer.languages.yaml.node import Node
from fixer.languages.yaml.render import Style
from fixer.model import Source

PROPERTIES = re.compile(r"(?:[&!]\S*\s+(?:#[^\r\n]*[\r\n]\s*)*)+")
BLOCK_HEADER = re.compile(
    r"[|>](?:(?P<indent>[1-9])|(?P<chomp>[-+])){0,2}(?P<beside>[ \t]+#[^\r\n]*)?[ \t]*(?:\r?\n|\Z)"
)
_SIMPLE_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/", "0": "\0", "r": "\r", "e": "\x1b", " ": " "}


def line_end_at(text: str, at: int) -> int:
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    return end - 1 if end > at and text[end - 1] == "\r" else end


def is_blank_line(text: str, line_end: int) -> bool:
    """Whether there is a line after this line end, and it is blank."""
    start = text.find("\n", line_end) + 1
    return 0 < start < len(text) and not text[start : line_end_at(text, start)].strip()


def trailing_blank(text: str, value: str) -> str:
    """The blank lines at the end of a block scalar, without those that are part of its text by their indentation."""
    last = value.rstrip("\n").rpartition("\n")[2]
    found = re.search(r"(\r?\n)*\Z" if last.isspace() else r"(\r?\n[ \t]*)*\Z", text)
    return found.group() if found else ""


def comment_in(text: str) -> bool:
    return re.search(r"(^|\s)#", text) is not None


def last_leaf(node: Node) -> Node:
    while node.target is None and node.style == "block" and node.value and not node.is_scalar:
        node = node.items[-1] if node.is_sequence else list(node.value.values())[-1]
    return node


def dashes_of(source: Source, sequence: Node) -> list[int]:
    """Where the dash of each item of a block sequence stands."""
    text, column, found, at = source.text, source.column_of(sequence.start), [sequence.start], 0
    for item in sequence.items[:-1]:
        at = line_end_at(text, item.end)
        while True:
            at = text.index("\n", at) + 1
            if text.startswith("-", at + column) and not text[at : at + column].strip(" "):
                found.append(at + column)
                break
            at = line_end_at(text, at)
    return found


def blank_above(source: Source, offset: int) -> bool:
    """Whether a blank line stands above this line, or above the comments over it."""
    at = source.line_start(offset)
    while at > 0:
        start = source.line_start(at - 1)
        line = source.text[start : at - 1].strip()
        if not line:
            return True
        if not line.startswith("#"):
            return False
        at = start
    return False


def style_of(source: Source, root: Node) -> Style:
    indents: Counter[int] = Counter()
    dashes: Counter[int] = Counter()
    of_mappings: Counter[int] = Counter()
    quotes: Counter[str] = Counter()
    spaced: Counter[bool] = Counter()
    apart: Counter[str] = Counter()
    column_of = source.column_of

    def visit(node: Node) -> None:
        if node.target is not None:
            return
        if node.is_mapping and node.style == "block":
            for key, child in list(node.value.items())[1:]:
                if child.is_sequence and child.style == "block" and child.target is None:
                    apart[key] += 1 if blank_above(source, node.key_spans[key].start) else -1
            for key, child in node.value.items():
                if child.target is None and child.style == "block" and (child.is_mapping or child.is_sequence):
                    column = column_of(node.key_spans[key].start)
                    if child.is_mapping:
                        first = next(iter(child.key_spans.values()))
                        indents[column_of(first.start) - column] += 1
                    else:
                        kind = of_mappings if child.items[0].is_mapping else dashes
                        kind[column_of(child.start) - column] += 1
                visit(child)
        elif node.is_sequence:
            if node.style == "block" and len(node.items) > 1 and node.items[0].is_mapping:
                blank = sum(blank_above(source, dash) for dash in dashes_of(source, node)[1:])
                spaced[blank * 2 > len(node.items) - 1] += 1
            for child in node.items:
                visit(child)
        elif node.is_mapping:
            for child in node.value.values():
                visit(child)
        elif node.style in ("'", '"') and "\n" not in node.value:
            quotes[node.style] += 1

    visit(root)
    indent = _usual(indents, range(1, 9), 2)
    either = _usual(dashes + of_mappings, range(9), indent)
    dash, dash_of_mappings = (_usual(found, range(9), either) for found in (dashes, of_mappings))
    quote = '"' if quotes['"'] > quotes["'"] else "'"
    lists = frozenset(key for key, more in apart.items() if more > 0)
    return Style(indent, dash, dash_of_mappings, quote, spaced[True] > spaced[False], lists)


def _usual(widths: Counter[int], possible: range, otherwise: int) -> int:
    """The width that is found most often, of several the smallest."""
    likely = [(count, -width) for width, count in widths.items() if width in possible]
    return -max(likely)[1] if likely else otherwise


def positions_of(text: str, node: Node, start: int) -> list[int] | None:
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
    header = BLOCK_HEADER.match(text, start)
    if header is None:
        return None
    at = header.end()
    indent: int | None = None
    found: list[int] = []
    decoded: list[str] = []
    stop = node.end
    while at <= stop and at < len(text):
        end = line_end_at(text, at)
        line = text[at:end]
        if indent is None and line.strip(" "):
            # With an indentation indicator (`|2`) the text itself begins with spaces.
            first = node.value.lstrip("\n").partition("\n")[0]
            indent = len(line) - len(line.lstrip(" ")) - (len(first) - len(first.lstrip(" ")))
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
    # `|+` keeps the blank lines below its text, at which the node ends already.
    for _ in range(len(node.value) - len(node.value.rstrip("\n")) - 1):
        if at <= stop or text[at : line_end_at(text, at)].strip():
            break
        found.append(line_end_at(text, at))
        decoded.append("\n")
        newline = text.find("\n", at)
        at = newline + 1 if newline >= 0 else len(text) + 1
    joined_text = "".join(decoded)
    if folded:
        joined_text = joined_text[:-1] + "\n"
    value: str = node.value
    if value.endswith("\n") and joined_text.rstrip("\n") == value.rstrip("\n") and joined_text == value:
        return [*found, at]
    if joined_text[:-1] == value:
        return found
    return None


def escaped(text: str, style: str) -> str:
    if style == "'":
        return text.replace("'", "''")
    if style == '"':
        return text.replace("\\", "\\\\").replace('"', '\\"')
    return text
