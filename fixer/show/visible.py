"""Text of a repository made safe to show."""

from __future__ import annotations

import os
import re
import unicodedata

# Control, format (direction overrides among them), surrogate, and the two separators that some terminals obey.
_UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp")
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
"""The one kind of escape sequence that fhfix itself writes (ECMA-48, SGR)."""


def visible(text: str) -> str:
    """One line. Control and direction characters by their escapes: a file cannot move the cursor, end the line, or
    reorder what is shown (https://trojansource.codes). Tabs stay."""
    return _escaped(text, keep="\t")


def visible_lines(text: str) -> str:
    """The same for a text of several lines."""
    return _escaped(text, keep="\t\n")


def visible_in_colour(text: str) -> str:
    """The same for lines to which colours were added."""
    if "\x1b" not in text:
        return visible_lines(text)
    parts = _COLOUR.split(text)
    parts[::2] = map(visible_lines, parts[::2])
    return "".join(parts)


def in_the_log(text: str) -> str:
    """Lines that the runner of GitHub Actions takes for no command, where it reads along.

    It takes `::name::` at the start of a line, after blanks too, and `##[name]` anywhere:
    https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return text
    return re.sub(r"^([^\S\n]*)::", r"\1\\x3a:", text.replace("##[", "##\\x5b"), flags=re.MULTILINE)


def _escaped(text: str, keep: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    unsafe = {c for c in set(text) if c not in keep and unicodedata.category(c) in _UNSAFE}
    return text.translate({ord(c): ascii(c)[1:-1] for c in unsafe}) if unsafe else text
