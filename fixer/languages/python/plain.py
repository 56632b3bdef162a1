"""What Python code means, as plain data: an assignment is `{target: value}`, a literal dict or list is one, and every
other expression is its canonical text."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import Any

from fixer.languages.python.nodes import has_spread
from fixer.records import record


@record
class Code:
    """A Python expression as text, for a value that is not a literal."""

    text: str


def plain_of(value: Any) -> Any:
    """What a value that is given to a builder means, in the form of `PythonModule.plain`."""
    return plain_value(expression_of(value))


def expression_of(value: Any) -> ast.expr:
    if isinstance(value, Code):
        return ast.parse(value.text, mode="eval").body
    if isinstance(value, dict):
        return ast.Dict([ast.Constant(key) for key in value], [expression_of(each) for each in value.values()])
    if isinstance(value, list):
        return ast.List([expression_of(each) for each in value], ast.Load())
    return ast.Constant(value)


def plain_node(node: ast.AST) -> Any:
    return plain_value(node) if isinstance(node, ast.expr) else plain_statement(node)


def plain_statement(statement: ast.AST) -> Any:
    target = target_text(statement)
    if target:
        return {target: plain_value(statement.value)}  # type: ignore[attr-defined]
    bodies = bodies_of(statement)
    if not bodies:
        return plain_code(statement)
    header = copy.copy(statement)
    for name, _ in bodies:
        setattr(header, name, [])
    return {
        "header": ast.dump(header),
        **{name: [plain_statement(each) for each in inner] for name, inner in bodies},
    }


def plain_value(node: ast.expr) -> Any:
    if isinstance(node, ast.Dict):
        pairs = [
            (key_text(key, value), None if key is None else plain_value(value))
            for key, value in zip(node.keys, node.values, strict=True)
        ]
        return dict(pairs) if is_keyed(node) else [{name: value} for name, value in pairs]
    if isinstance(node, ast.List):
        return [plain_value(each) for each in node.elts]
    return plain_code(node)


def plain_code(node: ast.AST) -> Any:
    """The text of an expression or statement. The dicts and lists that are displayed in it stand beside it, so that
    each can change without the others: `DATABASES.update({…})`."""
    displays = [plain_value(each) for each in displays_in(node)]
    if not displays:
        return ast.unparse(node)
    return {"code": ast.unparse(_Emptied().visit(copy.deepcopy(node))), "displays": displays}


def bodies_of(statement: ast.AST) -> list[tuple[str, list[ast.AST]]]:
    """(field, statements) of a compound statement, and of a module."""
    return [
        (name, inner)
        for name, inner in ast.iter_fields(statement)
        if isinstance(inner, list) and inner and isinstance(inner[0], ast.stmt | ast.ExceptHandler | ast.match_case)
    ]


def target_text(statement: ast.AST) -> str:
    """What an assignment assigns to, as the key of its value; empty for other statements."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return ast.unparse(statement.targets[0])
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        return f"{ast.unparse(statement.target)}: {ast.unparse(statement.annotation)}"
    if isinstance(statement, ast.AugAssign):
        return ast.unparse(ast.AugAssign(statement.target, statement.op, ast.Name("_"))).removesuffix(" _")
    return ""


def displays_in(node: ast.AST) -> Iterator[ast.Dict | ast.List]:
    """The outermost dict and list displays below a node, in their order."""
    waiting = [*ast.iter_child_nodes(node)][::-1]
    while waiting:
        child = waiting.pop()
        if isinstance(child, ast.Dict | ast.List):
            yield child
        else:
            waiting.extend([*ast.iter_child_nodes(child)][::-1])


class _Emptied(ast.NodeTransformer):
    """Takes out what displays hold."""

    def visit_Dict(self, node: ast.Dict) -> ast.Dict:
        return ast.Dict([], [])

    def visit_List(self, node: ast.List) -> ast.List:
        return ast.List([], node.ctx)


def is_keyed(node: ast.Dict) -> bool:
    """Whether the plain data shows a dict display as a dict: no key twice, and no `**` that order matters for."""
    names = [key_text(key, value) for key, value in zip(node.keys, node.values, strict=True)]
    return not has_spread(node) and len(set(names)) == len(names)


def key_text(key: ast.expr | None, value: ast.expr) -> str:
    if key is None:
        return f"**{ast.unparse(value)}"
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else f"`{ast.unparse(key)}`"
