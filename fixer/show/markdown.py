"""Words and code of a repository as parts of a Markdown text, so that they are only ever words and code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fixer.show.visible import visible, visible_lines


def words(text: str, *, mentions: bool = True) -> str:
    """One line without markup; what stands between backticks is code already.

    Without `mentions` no word becomes a mention of a person or a reference to an issue, as it would on GitHub.
    """
    parts = re.split(r"(`[^`]+`)", _line(text))
    for number in range(0, len(parts), 2):
        part = parts[number].replace("&", "&amp;").replace("<", "&lt;")
        part = re.sub(r"([\\*_\[\]~|`])", r"\\\1", part)
        parts[number] = part if mentions else re.sub(r"(?<!\w)(@|#)(?=\w)", r"\1<!-- -->", part)
    return "".join(parts)


def code(text: str) -> str:
    """A code span, whatever backticks the text holds (https://spec.commonmark.org/0.31.2/#code-spans)."""
    line = _line(text)
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    ticks = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{ticks}{space}{line}{space}{ticks}"


def _line(text: str) -> str:
    return visible(" ".join(text.split()))


def cell(text: str) -> str:
    """What is Markdown already, in a table's cell: a bar would end the cell even within code."""
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def length(lines: Iterable[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def fitting(lines: Sequence[str], room: int, more: str) -> list[str]:
    """As many of these lines as there is room for, in characters, and a word about the others."""
    if length(lines) <= room:
        return list(lines)
    room -= length([more])
    kept: list[str] = []
    for line in lines:
        room -= length([line])
        if room < 0:
            break
        kept.append(line)
    return [*kept, more]


def fenced(text: str, language: str = "") -> str:
    """A code block that its content cannot end."""
    longest = max((len(run) for run in re.findall(r"^ *(`{3,})", text, re.MULTILINE)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{visible_lines(text).rstrip(chr(10))}\n{fence}"
