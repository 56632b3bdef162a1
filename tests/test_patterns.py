"""No pattern takes much longer than its text is long: each is fed texts made from its own parts, growing ones.

A search may be quadratic in a run of one character, since it begins anew at each; what the budget of a file bounds. It
must not be cubic or worse, as it is where two repetitions can share that run.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from fixer.budget import OutOfTime, limited

ROOT = Path(__file__).parent.parent
LENGTH = 1600
SECONDS = 0.4
"""Of the processor, for one search: a quadratic one of this length takes about 0.02, a cubic one minutes."""


def literal(node: ast.expr) -> str | None:
    """The text of a literal; of an f-string with a word in each hole."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [literal(part) if isinstance(part, ast.Constant) else "word" for part in node.values]
        return "".join(part or "" for part in parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = literal(node.left), literal(node.right)
        return left + right if left is not None and right is not None else None
    return None


def patterns() -> Iterator[tuple[str, str, int]]:
    """Every literal pattern of the program: where it stands, its text, its flags."""
    for package in ("fixer", "transforms"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not node.args or not isinstance(node.func, ast.Attribute):
                    continue
                if ast.unparse(node.func.value) != "re" or node.func.attr in ("escape", "purge"):
                    continue
                text = literal(node.args[0])
                said = " ".join(
                    ast.unparse(argument) for argument in [*node.args[1:], *(k.value for k in node.keywords)]
                )
                flags = sum(
                    int(getattr(re, name)) for name in ("IGNORECASE", "MULTILINE", "DOTALL", "VERBOSE") if name in said
                )
                if text is not None:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", text, flags


def sample(items: Any) -> str:
    """A short text that these items match, as far as that is easily said."""
    made = ""
    for code, argument in items:
        made += _sample(code, argument)
    return made


def _sample(code: Any, argument: Any) -> str:
    if code is op.LITERAL:
        return chr(argument)
    if code in (op.NOT_LITERAL, op.ANY):
        return "a"
    if code is op.IN:
        return in_class(argument)
    if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        low, _, body = argument
        return sample(body) * max(int(low), 1)
    if code is op.SUBPATTERN:
        return sample(argument[3])
    if code is op.ATOMIC_GROUP:
        return sample(argument)
    if code is op.BRANCH:
        return sample(argument[1][0])
    return ""


def in_class(items: Any) -> str:
    negated = bool(items) and items[0][0] is op.NEGATE
    if negated:
        excluded = {chr(a) for c, a in items if c is op.LITERAL}
        return next((c for c in "a b-0" if c not in excluded), "")
    code, argument = items[0]
    if code is op.LITERAL:
        return chr(int(argument))
    if code is op.RANGE:
        return chr(int(argument[0]))
    named: dict[Any, str] = {op.CATEGORY_SPACE: " ", op.CATEGORY_DIGIT: "0"}
    return named.get(argument, "a")


def repeated(items: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """Each endless repetition: a text that leads to it, and a text that it repeats."""
    for code, argument in items:
        if code in (op.MAX_REPEAT, op.MIN_REPEAT):
            _, high, body = argument
            if high is op.MAXREPEAT:
                yield before, sample(body) or "a"
            yield from repeated(body, before)
        elif code is op.SUBPATTERN:
            yield from repeated(argument[3], before)
        elif code is op.BRANCH:
            for branch in argument[1]:
                yield from repeated(branch, before)
        elif code in (op.ASSERT, op.ASSERT_NOT):
            yield from repeated(argument[1], before)
        before += _sample(code, argument)


def probes(text: str, flags: int) -> Iterator[str]:
    seen = set()
    for before, body in repeated(parser.parse(text, flags)):
        for unit in (body, f"{body} ", before + body):
            run = (unit * LENGTH)[: LENGTH * min(len(unit), 4)]
            for probe in (before + run + "\x00", run + "\x00", before + run):
                if probe not in seen:
                    seen.add(probe)
                    yield probe


FOUND = sorted({(text, flags): (place, text, flags) for place, text, flags in patterns()}.values())


def test_the_patterns_are_found() -> None:
    assert len(FOUND) > 100


@pytest.mark.parametrize(("place", "text", "flags"), FOUND, ids=[f"{place}" for place, _, _ in FOUND])
def test_a_pattern_is_not_worse_than_quadratic(place: str, text: str, flags: int) -> None:
    pattern = re.compile(text, flags)
    slow = [f"{probe[:40]}… of {len(probe)} characters" for probe in probes(text, flags) if too_long(pattern, probe)]
    assert slow == [], f"{place}: {text!r} takes more than {SECONDS} s"


def too_long(pattern: re.Pattern[str], probe: str) -> bool:
    try:
        with limited(SECONDS):
            pattern.search(probe)
    except OutOfTime:
        return True
    return False


@pytest.mark.parametrize("text", [r"\s*x?\s*y?\s*$", r"(a+)+$", r"(\w+\s?)*$"])
def test_a_bad_pattern_would_be_noticed(text: str) -> None:
    assert any(too_long(re.compile(text), probe) for probe in probes(text, 0))


def test_the_probes_are_short_enough_to_be_run_often() -> None:
    started = time.process_time()

    re.compile(r"\S+x").search("a" * LENGTH)

    assert time.process_time() - started < SECONDS / 4
