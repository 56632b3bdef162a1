"""Makefiles, as far as they say which shell code a target runs. https://www.gnu.org/software/make/manual/make.html

Read by lines, never evaluated: functions and conditionals stay as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import lru_cache

from fixer.records import record

_ASSIGNMENT = re.compile(r"(?:export\s+|override\s+)*([\w.-]+)\s*(?:\?|::?:?|\+)?=\s*(.*)$")
_BEHIND_COLON = re.compile(r"([^=;#]*)(?:;(.*)|#.*)?$")
_VARIABLE = re.compile(r"\$(?:\(([\w.-]+)\)|\{([\w.-]+)\}|\$)")


@record
class Recipe:
    """One command line of a target. `text` is what the shell gets; `offset` is where it stands in the file, None where
    variables were put in or lines joined, so that the two differ."""

    text: str
    offset: int | None
    line: int


@record
class Target:
    name: str
    needs: tuple[str, ...]
    recipes: list[Recipe] = field(default_factory=list)


@lru_cache(maxsize=64)
def targets(text: str) -> Mapping[str, Target]:
    """The targets by name, the first of the file first; of two with one name the recipes are joined."""
    variables: dict[str, str] = {}
    found: dict[str, Target] = {}
    current: list[Target] = []
    for start, line, number in _logical(text):
        if line.startswith("\t") and current:
            recipe = _recipe(line, start, number, text, variables)
            for target in current:
                target.recipes.extend(recipe)
            continue
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        assigned = _ASSIGNMENT.match(content)
        if assigned:
            variables[assigned[1]] = _expanded(assigned[2].strip(), variables)
            continue
        rule = _rule(content)
        if rule is None:
            continue
        names, needed, recipe_beside = rule
        needs = tuple(_expanded(needed, variables).replace("|", " ").split())
        current = []
        for name in names:
            known = found.get(name)
            target = Target(name, needs if known is None else (*known.needs, *needs), known.recipes if known else [])
            found[name] = target
            current.append(target)
        if recipe_beside:
            for target in current:
                target.recipes.append(Recipe(_expanded(recipe_beside, variables), None, number))
    return found


def _rule(line: str) -> tuple[list[str], str, str] | None:
    """The targets of a rule, what they need, and the recipe behind a semicolon."""
    head, colon, rest = line.partition(":")
    behind = _BEHIND_COLON.match(rest.removeprefix(":"))
    if not colon or behind is None or "=" in head or "#" in head:
        return None
    return head.split(), behind[1], (behind[2] or "").strip()


def _recipe(line: str, start: int, number: int, text: str, variables: Mapping[str, str]) -> Iterator[Recipe]:
    body = line.lstrip("\t ")
    code = body.lstrip("@-+ ")
    if not code or code.startswith("#"):
        return
    shown = _expanded(code, variables)
    offset = start + len(line) - len(code)
    exact = text[offset : offset + len(code)] == shown
    yield Recipe(shown, offset if exact else None, number)


def _logical(text: str) -> Iterator[tuple[int, str, int]]:
    """(offset, text, number from 1) of each line; lines that a backslash continues are one."""
    start = at = 0
    number = first = 1
    joined = ""
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end].removesuffix("\r")
        joined += line
        at = end + 1
        if line.endswith("\\"):
            joined += "\n"
        else:
            yield start, joined, first
            joined, start, first = "", at, number + 1
        number += 1
    if joined:
        yield start, joined, first


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if not name:
            return "$"
        # What the file does not set comes from the environment, or holds a function.
        return variables.get(name, "make" if name == "MAKE" else f"${{{name}}}")

    return _VARIABLE.sub(value, text)
