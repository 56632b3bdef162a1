"""No pattern takes much longer than its text is long.

A search may be quadratic in a run of one character, since it begins anew at each; what the budget of a file bounds. It
must not be cubic or worse, as it is where two repetitions can share that run.
"""

from __future__ import annotations

import ast
import importlib
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from fixer.patterns import Rare
from tests import sources
from tests.ambiguity import growth

ANCHORED = {"match", "fullmatch"}
FLAGS = {"IGNORECASE", "I", "MULTILINE", "M", "DOTALL", "S", "VERBOSE", "X", "ASCII", "A"}


class Found(NamedTuple):
    """Where a pattern stands, its text, its flags, and whether it is searched for and not only matched."""

    place: str
    text: str
    flags: int
    searched: bool


def literal(node: ast.expr, module: ModuleType) -> str | None:
    """The text of a literal, with what the module puts into it; of an f-string with a word in each other hole."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [literal(p.value if isinstance(p, ast.FormattedValue) else p, module) or "word" for p in node.values]
        return "".join(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = literal(node.left, module), literal(node.right, module)
        return left + right if left is not None and right is not None else None
    if isinstance(node, ast.Attribute) and node.attr == "pattern" and isinstance(node.value, ast.Name):
        return str(getattr(getattr(module, node.value.id, None), "pattern", "word"))
    if isinstance(node, ast.Name) and isinstance(getattr(module, node.id, None), str):
        return str(getattr(module, node.id))
    return None


def module_of(path: Path) -> ModuleType:
    return importlib.import_module(sources.name(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."))


@cache
def uses() -> dict[tuple[str, str], set[str]]:
    """What is done with a name: the methods called on it, "?" for anything else. A private name is its module's."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for module in sources.MODULES:
        path, called = sources.name(module), {}
        for node in sources.nodes(module):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                called[node.value] = node.attr
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found[_owner(path, node.id), node.id].add(called.get(node, "?"))
            elif isinstance(node, ast.Attribute):
                found[_owner(path, node.attr), node.attr].add(called.get(node, "?"))
    return found


def _owner(path: str, name: str) -> str:
    return path if name.startswith("_") else ""


def patterns() -> Iterator[Found]:
    for file in sources.MODULES:
        path, module = sources.name(file), module_of(file)
        names = {id(s.value): s.targets[0] for s in sources.nodes(file) if isinstance(s, ast.Assign)}
        for node in sources.nodes(file):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            if isinstance(node.func, ast.Name) and node.func.id == "Rare":
                yield Found(f"{path}:{node.lineno}", literal(node.args[0], module) or "", 0, True)
                continue
            if not isinstance(node.func, ast.Attribute):
                continue
            if ast.unparse(node.func.value) != "re" or node.func.attr in ("escape", "purge"):
                continue
            text = literal(node.args[0], module)
            if text is None:
                continue
            said = {
                each.attr
                for arg in (*node.args, *node.keywords)
                for each in ast.walk(arg)
                if isinstance(each, ast.Attribute)
            }
            flags = sum(int(getattr(re, name)) for name in FLAGS & said)
            name = names.get(id(node))
            methods = {node.func.attr}
            if node.func.attr == "compile":
                methods = uses()[_owner(path, name.id), name.id] if isinstance(name, ast.Name) else {"?"}
            yield Found(f"{path}:{node.lineno}", text, flags, not methods <= ANCHORED)


def in_tables() -> Iterator[Found]:
    """Patterns that are made from a table, or by a comprehension: what a module holds."""
    for path in sources.MODULES:
        for name, value in vars(module_of(path)).items():
            for pattern in _held(value):
                yield Found(f"{sources.name(path)}: {name}", pattern.pattern, pattern.flags & ~re.UNICODE, True)


def _held(value: object) -> Iterator[re.Pattern[str]]:
    if not isinstance(value, re.Pattern):  # it is told by where it is made
        yield from (each for each in _below(value) if isinstance(each, re.Pattern))


def _below(value: object) -> Iterator[object]:
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, _SEVERAL) else ():
        yield from _below(each)


_SEVERAL = (tuple, list, set, frozenset)


def rare() -> Iterator[tuple[str, Rare]]:
    for path in sources.MODULES:
        for name, value in vars(module_of(path)).items():
            yield from ((f"{sources.name(path)}: {name}", each) for each in _below(value) if isinstance(each, Rare))


def is_held(words: tuple[str, ...], items: Iterable[Any], fold: Callable[[str], str], run: str = "") -> bool:
    """Whether whatever matches these items, behind a run of characters, holds one of the words."""
    for code, argument in items:
        if code is op.LITERAL:
            run += fold(chr(argument))
            continue
        if any(word in run for word in words):
            return True
        if code is op.SUBPATTERN and is_held(words, argument[-1], fold, run):
            return True
        if code is op.BRANCH and all(is_held(words, side, fold, run) for side in argument[1]):
            return True
        if code in (op.MAX_REPEAT, op.MIN_REPEAT) and argument[0] > 0 and is_held(words, argument[2], fold):
            return True
        run = ""
    return any(word in run for word in words)


def test_no_pattern_is_worse_than_quadratic() -> None:
    every = sorted({each[1:]: each for each in (*in_tables(), *patterns())}.values())

    assert len(every) > 100
    worse = {found: power for found in every if (power := growth(found.text, found.flags, searched=found.searched)) > 2}
    assert worse == {}


@pytest.mark.parametrize(("place", "pattern"), list(rare()))
def test_no_match_of_a_rare_pattern_is_without_a_word(place: str, pattern: Rare) -> None:
    fold = str.lower if pattern.pattern.startswith("(?i") else str
    assert pattern.words
    assert all(word == fold(word) for word in pattern.words)
    assert is_held(pattern.words, parser.parse(pattern.pattern), fold)


@pytest.mark.parametrize(
    ("text", "words", "held"),
    [
        ("ab|cd", ("a", "d"), True),
        ("ab|cd", ("a",), False),
        ("x(ab|ac)y", ("xa",), True),
        ("x(ab)?", ("b",), False),
        ("x(ab)+", ("b",), True),
        (r"a\sb", ("a b",), False),
        ("(?i)AB", ("ab",), True),
    ],
)
def test_what_a_match_holds(text: str, words: tuple[str, ...], held: bool) -> None:
    assert is_held(words, parser.parse(text), str.lower) is held


@pytest.mark.parametrize(
    ("text", "matched", "searched"),
    [
        ("abc", 1, 1),
        (r"\s+$", 1, 2),
        (r"^\s+$", 1, 1),
        (r"\S+x", 1, 2),
        (r"\s*\s*$", 2, 3),
        (r"\s*+\s*$", 1, 2),
        (r"\s*(?!\s)\s*$", 1, 2),
        (r"\s*x?\s*y?\s*$", 3, 4),
        (r".*x.*", 2, 3),
        (r"(?s:.*)x", 1, 2),
        (r"[^x]*x.*", 1, 2),
        (r"(?m)^\s*a", 1, 2),
        (r"(?m)^[ \t]*a", 1, 1),
        (r"(\d+)(\.\d+)*$", 1, 2),
        (r"(['\"]).*\1", 1, 2),
        (r"(?<!\S)\S*x", 1, 1),
        (r"\b\w+x", 1, 1),
        (r"(?m)(\w+\s*$\n[ ]*)*$", 1, 2),
        (r"(\w+\s*\n\s*)*$", math.inf, math.inf),
        (r"(a+)+$", math.inf, math.inf),
        (r"(\w+\s?)*$", math.inf, math.inf),
        (r"(a|a)*$", math.inf, math.inf),
        (r"(a|ab|b)*$", math.inf, math.inf),
        (r"(a|b)*$", 1, 2),
    ],
)
def test_the_growth_of_known_patterns(text: str, matched: float, searched: float) -> None:
    assert growth(text, searched=False) == matched
    assert growth(text, searched=True) == searched
