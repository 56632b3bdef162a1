"""Tools that keep things in the home of whoever runs them, and what moves those elsewhere (`homes.toml`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from fixer import kept
from fixer.records import record


@record
class HomeTool:
    """`keeps` says what is kept there; one of `variables` moves it, `NAME=option` where its value has that option."""

    pattern: re.Pattern[str]
    variables: tuple[str, ...]
    keeps: str

    def is_moved(self, known: Mapping[str, str | None]) -> bool:
        """Whether one of the variables that are known moves it."""
        for variable in self.variables:
            name, _, option = variable.partition("=")
            if name in known and option in (known[name] or ""):
                return True
        return False


def tool_in_home(texts: Iterable[str], known: Mapping[str, str | None]) -> str:
    """What these texts of shell code install into the home of whoever runs them; empty where nothing is known to.
    `known` are the variables that are set."""
    codes = tuple(texts)
    for tool in _entries("tool"):
        moved = tool.is_moved(known) or any(f"{name}=" in codes[0] for name in tool.variables)
        if not moved and any(tool.pattern.search(code) for code in codes):
            return tool.keeps
    return ""


def runner_in_home(code: str, known: Mapping[str, str | None]) -> tuple[str, str] | None:
    """A program that looks for what it needs in the home of its user, and the variable that moves that, if one does."""
    for runner in _entries("runner"):
        found = runner.pattern.search(code)
        if found and not runner.is_moved(known):
            return found[1], next(iter(runner.variables), "")
    return None


@cache
def _entries(kind: str) -> tuple[HomeTool, ...]:
    found = []
    for entry in kept.table(__file__, "homes.toml")[kind]:
        pattern = entry["pattern"] if kind == "tool" else rf"(?:^|[\s;&|])({entry['pattern']})(?=\s|$)"
        found.append(HomeTool(re.compile(pattern), tuple(entry["variables"]), entry.get("keeps", "")))
    return tuple(found)
