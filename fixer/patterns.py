"""Patterns that few texts match, looked for in many."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property


class Rare:
    """A pattern of which every match holds one of some words; in lower case where the pattern begins with `(?i`.

    Python finds a word ten times as fast as a pattern, so a text is searched only if it has a word, and nothing is
    compiled until then. `tests/test_patterns.py` sees to it that no match is without a word.
    """

    def __init__(self, pattern: str, *words: str) -> None:
        self.pattern = pattern
        self.words = words
        self._in_any_case = pattern.startswith("(?i")

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def search(self, text: str) -> re.Match[str] | None:
        return self._compiled.search(text) if self._may_match(text) else None

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        return self._compiled.finditer(text) if self._may_match(text) else iter(())

    def _may_match(self, text: str) -> bool:
        plain = text.lower() if self._in_any_case else text
        for word in self.words:  # noqa: SIM110 - half of what `any` costs, tens of thousands of times
            if word in plain:
                return True
        return False
