"""What nodes of `ast` say: literals, keys of dict displays, dotted names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any


def constant(node: ast.AST | None) -> Any:
    """The value of a literal: a string, number, bool or None; Ellipsis for anything else."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        number = node.operand.value
        return -number if isinstance(number, int | float) else ...
    return ...


def text(node: ast.AST | None) -> str:
    """The value of a string literal, else an empty string."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def item(node: ast.AST | None, key: str) -> ast.expr | None:
    """The value that a dict display has for a key; the last one wins, as in Python."""
    if not isinstance(node, ast.Dict):
        return None
    found = [value for name, value in zip(node.keys, node.values, strict=True) if text(name) == key and name]
    return found[-1] if found else None


def key(node: ast.AST | None, name: str) -> ast.expr | None:
    """The key node itself, for a finding to point at."""
    keys = node.keys if isinstance(node, ast.Dict) else []
    return next((each for each in keys if text(each) == name), None)


def has_spread(node: ast.Dict) -> bool:
    """Whether a dict display takes in another dict by `**`."""
    return None in node.keys


def dotted(node: ast.AST | None) -> str:
    """`a.b.c` for a name or attribute, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def assigned(statement: ast.AST) -> dict[str, ast.expr]:
    """The names that an assignment, annotated or not, gives a value; empty for other statements."""
    if isinstance(statement, ast.Assign):
        return {target.id: statement.value for target in statement.targets if isinstance(target, ast.Name)}
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value is not None:
        return {statement.target.id: statement.value}
    return {}


def named_values(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Every text with the name that it stands under: a variable, a key of a dict, a keyword; also within the call or
    expression that makes the value, but for pieces of a longer text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            pairs = [*assigned(node).items()]
        elif isinstance(node, ast.Dict):
            pairs = [(text(key), value) for key, value in zip(node.keys, node.values, strict=True) if key is not None]
        elif isinstance(node, ast.keyword) and node.arg is not None:
            pairs = [(node.arg, node.value)]
        else:
            continue
        for name, value in pairs:
            if not isinstance(value, ast.Dict | ast.List | ast.Tuple):
                inside = [value] if isinstance(value, ast.Constant) else [*ast.walk(value)]
                longer = (each for each in inside if isinstance(each, ast.JoinedStr | ast.BinOp))
                pieces = {id(piece) for each in longer for piece in ast.walk(each)}
                yield from (
                    (name, said)
                    for each in inside
                    if isinstance(each, ast.Constant) and id(each) not in pieces and (said := text(each))
                )
