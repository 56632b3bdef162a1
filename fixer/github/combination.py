"""One of the jobs that a matrix makes, and what a text of the job means there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fixer.github.expressions import ANY, Expression, Literal, Operation, Read, expressions_in, only_read, replaced
from fixer.scripts import ScriptText

if TYPE_CHECKING:
    from fixer.github.workflow import Job

Combination = Mapping[str, Any]
"""The values of a matrix by their names."""

_VERSION = re.compile(r"\d+(\.\d+)*")


def combination_of(job: Job, preferred: Callable[[Combination], bool] = lambda _: False) -> Combination:
    """What a job without a matrix would be: on Ubuntu, as `preferred`, and of stable versions the newest, which the
    project keeps for longest; else the last.

    Empty where there is no matrix, or where it cannot be told what it makes.
    """
    found = job.matrix.combinations if job.matrix is not None else None
    return max(reversed(found), key=lambda one: (*_rank(one)[:2], preferred(one), _rank(one)[2])) if found else {}


def _rank(combination: Combination) -> tuple[bool, bool, tuple[tuple[bool, tuple[int, ...]], ...]]:
    """What of two combinations is preferred: one that may not fail, on Ubuntu, of newer versions."""
    texts = [str(value) for value in combination.values()]
    others = any(re.match(r"windows|macos", text) for text in texts)
    experimental = any(value is True for name, value in combination.items() if "experiment" in name.lower())
    versions = []
    for name in sorted(combination):
        found = _VERSION.fullmatch(str(combination[name]))
        versions.append((found is not None, tuple(map(int, found[0].split("."))) if found else ()))
    return not experimental, not others, tuple(versions)


def filled(value: Any, combination: Combination) -> Any:
    """Plain data of a job, with its reads of the matrix replaced by the values of one combination."""
    if isinstance(value, dict):
        return {key: filled(child, combination) for key, child in value.items()}
    if isinstance(value, list):
        return [filled(child, combination) for child in value]
    if not isinstance(value, str) or not combination:
        return value
    read = only_read(value)
    found = _value(read, combination) if read is not None else None
    if found is not None and not isinstance(found, dict | list):
        return str(found) if isinstance(found, float) else found

    def text(expression: Expression) -> str:
        known = _value(expression.read, combination) if expression.read is not None else None
        return expression.text if known is None or isinstance(known, dict | list) else _written(known)

    made = replaced(value, text)
    return ScriptText.written(made) if isinstance(value, ScriptText) else made


def holds(condition: str, combination: Combination) -> bool | None:
    """Whether a comparison with a value of the matrix holds in a combination; None for any other condition."""
    expressions = expressions_in(condition, whole=True)
    root = expressions[0].root if len(expressions) == 1 else None
    if not isinstance(root, Operation) or root.operator not in ("==", "!=") or len(root.operands) != 2:
        return None
    sides: list[str] = []
    for operand in root.operands:
        if isinstance(operand, Literal):
            sides.append(operand.text)
            continue
        value = _value(operand, combination) if isinstance(operand, Read) else None
        if value is None:
            return None
        sides.append(_written(value))
    # GitHub ignores the case of texts.
    return (sides[0].lower() == sides[1].lower()) is (root.operator == "==")


def _value(read: Read | None, combination: Combination) -> Any:
    if read is None or read.context != "matrix" or ANY in read.path:
        return None
    value: Any = combination
    for key in read.path[1:]:
        names = {name.lower(): name for name in value} if isinstance(value, dict) else {}
        if key not in names:
            return None
        value = value[names[key]]
    return value


def _written(value: Any) -> str:
    """As GitHub writes a value into a text."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
