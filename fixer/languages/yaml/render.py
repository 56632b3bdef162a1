"""Values as the lines that a person would have written, in the style of the file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from fixer.languages.yaml.node import resolve
from fixer.records import record

# Plain text that a YAML 1.1 reader would take for something else: PyYAML and older tools still read these files.
_AMBIGUOUS = re.compile(
    r"(y|n|yes|no|on|off|true|false|null|~|=|<<)\Z|[-+]?[0-9][0-9_,]*([.:][0-9_:.]*)?([eE][-+]?[0-9]+)?\Z|"
    r"0[xob][0-9a-fA-F_]+\Z|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[-+]?\.(inf|nan|[0-9])",
    re.IGNORECASE,
)
_INDICATORS = frozenset(",[]{}#&*!|>'\"%@`")


@record
class Commented:
    """A scalar to render with a comment beside it, as in `uses: owner/repo@<sha> # v1.2.3`."""

    value: str | int | bool
    beside: str


@record
class Copied:
    """A scalar to render as it stands elsewhere in the file. `lines`: what follows `key: `, and the lines below it
    from the column of that key."""

    value: Any
    lines: tuple[str, ...]


@record
class Flow:
    """A list or mapping of scalars to render on one line: `needs: [lint, test]`, `permissions: {contents: read}`."""

    items: tuple[str | int | bool, ...] | Mapping[str, str | int | bool]


@record
class Style:
    """How a file is written: columns per level, columns of a dash below its key (before words, and before mappings),
    quotes, whether blank lines stand between list items that are mappings, and the keys that have one above (`steps:`
    below the rest of a job)."""

    indent: int = 2
    dash: int = 2
    dash_of_mappings: int = 2
    quote: str = "'"
    spaced: bool = False
    apart: frozenset[str] = frozenset()


def entry_lines(key: str, value: Any, style: Style) -> list[str]:
    """The lines of `key: value`, from column 0."""
    name = render_scalar(key, style.quote)
    if isinstance(value, dict) and value:
        return [f"{name}:", *_shift(_entries_lines(value, style), style.indent)]
    if isinstance(value, list | tuple) and value:
        dash = style.dash_of_mappings if isinstance(value[0], dict) else style.dash
        return [f"{name}:", *_shift(_items_lines(value, style), dash)]
    return inline(f"{name}: ", value, style)


def _entries_lines(values: Mapping[str, Any], style: Style) -> list[str]:
    lines: list[str] = []
    for key, value in values.items():
        if lines and key in style.apart:
            lines.append("")
        lines.extend(entry_lines(key, value, style))
    return lines


def item_lines(value: Any, style: Style) -> list[str]:
    """The lines of `- value`, from the column of the dash."""
    if isinstance(value, dict) and value:
        nested = _entries_lines(value, style)
        return ["- " + nested[0], *_shift(nested[1:], 2)]
    if isinstance(value, list | tuple) and value:
        nested = _items_lines(value, style)
        return ["- " + nested[0], *_shift(nested[1:], 2)]
    return inline("- ", value, style)


def _items_lines(values: Iterable[Any], style: Style) -> list[str]:
    lines: list[str] = []
    for value in values:
        if lines and style.spaced and isinstance(value, dict):
            lines.append("")
        lines.extend(item_lines(value, style))
    return lines


def inline(head: str, value: Any, style: Style) -> list[str]:
    if isinstance(value, Commented):
        return [f"{head}{render_scalar(value.value, style.quote)} # {value.beside}"]
    if isinstance(value, Copied):
        return [head + value.lines[0], *value.lines[1:]]
    if isinstance(value, Flow):
        return [head + _flow(value, style)]
    if isinstance(value, dict):
        return [head + "{}"]
    if isinstance(value, list | tuple):
        return [head + "[]"]
    if isinstance(value, str) and "\n" in value:
        literal = literal_block(value, style.indent)
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
    if isinstance(value, float) and not math.isfinite(value):
        return str(value).replace("inf", ".inf").replace("nan", ".nan")
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
    return not _AMBIGUOUS.match(text) and isinstance(resolve(text), str)


def _flow(value: Flow, style: Style) -> str:
    if isinstance(value.items, Mapping):
        pairs = (f"{key}: {render_scalar(item, style.quote, flow=True)}" for key, item in value.items.items())
        return f"{{{', '.join(pairs)}}}"
    return f"[{', '.join(render_scalar(item, style.quote, flow=True) for item in value.items)}]"


def plain_of(value: Any) -> Any:
    """The plain data that a value to render stands for."""
    if isinstance(value, Commented | Copied):
        return value.value
    if isinstance(value, Flow):
        return dict(value.items) if isinstance(value.items, Mapping) else list(value.items)
    if isinstance(value, dict):
        return {key: plain_of(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain_of(child) for child in value]
    return value


def without_final_newline(text: str) -> str:
    return text.removesuffix("\n")


def at_end_of_file(values: list[Any]) -> list[Any]:
    """What these values are when nothing, not even a line end, follows: a literal block loses its last newline."""
    plain = plain_of(values)
    holder: Any = plain
    key: Any = len(plain) - 1
    while isinstance(holder[key], dict | list) and holder[key]:
        holder = holder[key]
        key = list(holder)[-1] if isinstance(holder, dict) else len(holder) - 1
    if isinstance(holder[key], str) and "\n" in holder[key] and literal_block(holder[key], 2) is not None:
        holder[key] = without_final_newline(holder[key])
    found: list[Any] = plain
    return found


def flow_scalar(value: Any, style: Style) -> str:
    return render_scalar(plain_of(value), style.quote, flow=True)


def literal_block(text: str, indent: int) -> str | None:
    """`|` and the lines below it, or None where a literal block cannot hold the text."""
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    if not body or ends > 1 or body[0] in " \n" or any(ord(c) < 32 and c not in "\n\t" for c in body):
        return None
    return "\n".join(["|" if ends else "|-", *(" " * indent + line if line else "" for line in body.split("\n"))])


def _shift(lines: Iterable[str], columns: int) -> list[str]:
    return [" " * columns + line if line else line for line in lines]


def join_lines(lines: Iterable[str], column: int) -> str:
    return "\n".join(_shift(lines, column))
