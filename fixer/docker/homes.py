"""Tools that keep things in the home of whoever runs them, and what moves those elsewhere (`homes.toml`)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Container, Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple


class HomeTool(NamedTuple):
    """`keeps` says what is kept there; one of `variables` moves it."""

    pattern: re.Pattern[str]
    variables: tuple[str, ...]
    keeps: str


def tool_in_home(texts: Iterable[str], known: Container[str]) -> str:
    """What these texts of shell code install into the home of whoever runs them; empty where nothing is known to.
    `known` are the names of variables that are set."""
    codes = tuple(texts)
    for tool in _entries("tool"):
        moved = any(name in known or f"{name}=" in codes[0] for name in tool.variables)
        if not moved and any(tool.pattern.search(code) for code in codes):
            return tool.keeps
    return ""


def runner_in_home(code: str, known: Container[str]) -> tuple[str, str] | None:
    """A program that looks for what it needs in the home of its user, and the variable that moves that."""
    for runner in _entries("runner"):
        found = runner.pattern.search(code)
        if found and not any(name in known for name in runner.variables):
            return found[1], runner.variables[0]
    return None


@cache
def _entries(kind: str) -> tuple[HomeTool, ...]:
    with open(Path(__file__).with_name("homes.toml"), "rb") as file:
        listed = tomllib.load(file)[kind]
    found = []
    for entry in listed:
        pattern = entry["pattern"] if kind == "tool" else rf"(?:^|[\s;&|])({entry['pattern']})(?=\s|$)"
        found.append(HomeTool(re.compile(pattern), tuple(entry["variables"]), entry.get("keeps", "")))
    return tuple(found)
