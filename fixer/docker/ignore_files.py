"""Files such as .dockerignore: what a builder does not get. https://docs.docker.com/build/concepts/context/#syntax"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from fixer.records import record


@record
class IgnorePattern:
    """One line of an ignore file. `keeps` is the meaning of a leading `!`."""

    text: str
    keeps: bool
    tokens: tuple[Token, ...]
    regex: re.Pattern[str] | None
    """The same, where it has few enough wildcards for a search that goes back and forth."""

    def matches(self, name: str) -> bool:
        return bool(self.regex.fullmatch(name)) if self.regex is not None else _matches(self.tokens, name)


def read_ignore(lines: Iterable[str]) -> Iterator[IgnorePattern]:
    """Patterns as the builder reads them, https://docs.docker.com/build/concepts/context/#syntax"""
    return filter(None, map(_pattern, lines))


@lru_cache(maxsize=4096)
def _pattern(line: str) -> IgnorePattern | None:
    """None for a line that says nothing, or nothing that the builder takes."""
    text = line.strip()
    if not text or line.startswith("#"):
        return None
    keeps = text.startswith("!")
    cleaned = posixpath.normpath(text.removeprefix("!").strip()).lstrip("/")
    if cleaned in (".", ""):
        return None
    try:
        tokens = tuple(_tokens(cleaned))
        few = sum(token.repeats for token in tokens) <= _FEW
        whole = re.compile("".join(token.regex for token in tokens)) if few else None
    except re.error:
        return None
    return IgnorePattern(text, keeps, tokens, whole)


def is_ignored(path: str, patterns: tuple[IgnorePattern, ...]) -> bool:
    """Whether a path from the context is excluded. The last pattern that matches it, or a folder above, decides."""
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    excluded = False
    for pattern in patterns:
        if excluded == pattern.keeps and any(map(pattern.matches, above)):
            excluded = not pattern.keeps
    return excluded


@record
class Token:
    """A character, a class of them, or a wildcard: `*` stays within a name, `**` goes over folders, and `**/` ends with
    one, or is nothing."""

    regex: str
    one: re.Pattern[str]
    """A character that it takes."""
    repeats: bool = False
    folders: bool = False

    @classmethod
    def of(cls, regex: str) -> Token:
        return cls(regex, re.compile(regex, re.DOTALL))


_NAME = Token("[^/]*", re.compile("[^/]", re.DOTALL), repeats=True)
_ANY = Token(".*", re.compile(".", re.DOTALL), repeats=True)
_FOLDERS = Token("(?:.*/)?", re.compile(".", re.DOTALL), repeats=True, folders=True)
_FEW = 2


def _tokens(pattern: str) -> Iterator[Token]:
    at = 0
    while at < len(pattern):
        char = pattern[at]
        end = pattern.find("]", at + 2) if char == "[" else -1
        if pattern.startswith("**/", at):
            at += 3
            yield _FOLDERS
        elif pattern.startswith("**", at):
            at += 2
            yield _ANY
        elif char == "[" and end >= 0:
            yield Token.of("[" + pattern[at + 1 : end].replace("\\", "\\\\") + "]")
            at = end + 1
        elif char == "\\" and at + 1 < len(pattern):
            yield Token.of(re.escape(pattern[at + 1]))
            at += 2
        else:
            at += 1
            yield {"*": _NAME, "?": Token.of("[^/]")}.get(char) or Token.of(re.escape(char))


def _matches(tokens: tuple[Token, ...], name: str) -> bool:
    """All ways at once, so that it takes no longer for many wildcards. A place is a token and whether it has begun."""

    def reached(places: set[tuple[int, bool]]) -> set[tuple[int, bool]]:
        found = set(places)
        for at, begun in places:
            while at < len(tokens) and tokens[at].repeats and not (tokens[at].folders and begun):
                at, begun = at + 1, False
                found.add((at, False))
        return found

    places = reached({(0, False)})
    for char in name:
        after = set()
        for at, _ in places:
            if at < len(tokens) and tokens[at].one.match(char):
                after.add((at, True) if tokens[at].repeats else (at + 1, False))
                if tokens[at].folders and char == "/":
                    after.add((at + 1, False))
        places = reached(after)
    return (len(tokens), False) in places
