"""Files such as .dockerignore: what a builder does not get. https://docs.docker.com/build/concepts/context/#syntax"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple


class IgnorePattern(NamedTuple):
    """One line of an ignore file. `keeps` is the meaning of a leading `!`."""

    text: str
    keeps: bool
    matches: re.Pattern[str]


def read_ignore(lines: tuple[str, ...] | list[str]) -> Iterator[IgnorePattern]:
    """Patterns as the builder reads them, https://docs.docker.com/build/concepts/context/#syntax"""
    for line in lines:
        text = line.strip()
        if not text or line.startswith("#"):
            continue
        keeps = text.startswith("!")
        cleaned = posixpath.normpath(text.removeprefix("!").strip()).lstrip("/")
        if cleaned in (".", ""):
            continue
        try:
            yield IgnorePattern(text, keeps, re.compile(_regex(cleaned)))
        except re.error:
            continue


def is_ignored(path: str, patterns: tuple[IgnorePattern, ...]) -> bool:
    """Whether a path from the context is excluded. The last pattern that matches it, or a folder above, decides."""
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    excluded = False
    for pattern in patterns:
        if excluded == pattern.keeps and any(pattern.matches.fullmatch(name) for name in above):
            excluded = not pattern.keeps
    return excluded


def _regex(pattern: str) -> str:
    """`*` and `?` stay within a name, `**` goes over folders, `[…]` is a class."""
    found, at = [], 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            at += 2
            if pattern.startswith("/", at):
                at += 1
                found.append("(?:.*/)?")
            else:
                found.append(".*")
            continue
        char = pattern[at]
        at += 1
        if char == "*":
            found.append("[^/]*")
        elif char == "?":
            found.append("[^/]")
        elif char == "[":
            end = pattern.find("]", at + 1)
            if end < 0:
                found.append(re.escape(char))
                continue
            found.append("[" + pattern[at:end].replace("\\", "\\\\") + "]")
            at = end + 1
        elif char == "\\" and at < len(pattern):
            found.append(re.escape(pattern[at]))
            at += 1
        else:
            found.append(re.escape(char))
    return "".join(found)
