"""Where the files and folders are that settings put together from their own place: `BASE_DIR / "media"`."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Callable, Iterator, Mapping

from fixer.django.settings import SettingsModule
from fixer.languages.python import assigned, dotted, text

_DEEPEST = 12
_SAME = frozenset(("abspath", "realpath", "normpath", "Path", "PurePath", "str", "fspath", "resolve", "absolute"))
_JOINS = frozenset(("join", "joinpath", "path"))


def named_places(modules: Mapping[str, SettingsModule], home: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """The names of settings and keys whose value is an absolute path, with it. `home` says where a module of the
    repository stands; empty where that is not known.

    A value that the environment may give counts as what it is without.
    """
    reader = _Reader(modules, home)
    for module in modules.values():
        for node in ast.walk(module.document.tree):
            for name, value in _named(node):
                found = reader.path(module, value)
                if found is not None and found.startswith("/"):
                    yield name, found


def _named(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign | ast.AnnAssign):
        yield from assigned(node).items()
    elif isinstance(node, ast.Dict):
        yield from ((text(key), value) for key, value in zip(node.keys, node.values, strict=True) if key is not None)


class _Reader:
    """What expressions of settings are as paths."""

    def __init__(self, modules: Mapping[str, SettingsModule], home: Callable[[str], str]) -> None:
        self.modules = modules
        self.home = home

    def path(self, module: SettingsModule, node: ast.expr, depth: int = _DEEPEST) -> str | None:
        if not depth:
            return None
        match node:
            case ast.Constant(value=str(said)):
                return said
            case ast.Name(id="__file__"):
                return self.home(module.path) or None
            case ast.Name(id=name):
                return self._of_name(module, name, depth - 1)
            case ast.Attribute(value=value, attr="parent"):
                return _above(self.path(module, value, depth - 1), 1)
            case ast.Subscript(value=ast.Attribute(value=value, attr="parents"), slice=ast.Constant(value=int(number))):
                return _above(self.path(module, value, depth - 1), number + 1)
            case ast.BinOp(left=left, op=ast.Sub(), right=ast.Constant(value=int(number))):  # environ.Path
                return _above(self.path(module, left, depth - 1), number)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self._joined(module, [left, right], "/", depth - 1)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined(module, [left, right], "", depth - 1)
            case ast.JoinedStr(values=values):
                plain = [each.value if isinstance(each, ast.FormattedValue) else each for each in values]
                return self._joined(module, plain, "", depth - 1)
            case ast.Call():
                return self._of_call(module, node, depth - 1)
        return None

    def _of_name(self, module: SettingsModule, name: str, depth: int) -> str | None:
        """What a name stands for: in its module, else in the others, which it may take over."""
        for each in (module, *(other for other in self.modules.values() if other is not module)):
            values = each.document.assignments.get(name, [])
            if values:
                return self.path(each, values[0], depth) if len(values) == 1 else None
        return None

    def _of_call(self, module: SettingsModule, node: ast.Call, depth: int) -> str | None:
        called = dotted(node.func).rpartition(".")[2] or (
            node.func.attr if isinstance(node.func, ast.Attribute) else ""
        )
        if called == "dirname" and node.args:
            return _above(self.path(module, node.args[0], depth), 1)
        method = isinstance(node.func, ast.Attribute) and not dotted(node.func).startswith(("os.", "pathlib."))
        if called in _SAME:
            inner = node.args[0] if node.args else node.func.value if isinstance(node.func, ast.Attribute) else None
            return self.path(module, inner, depth) if inner is not None else None
        if called in _JOINS and node.args:
            first = [node.func.value] if method and isinstance(node.func, ast.Attribute) else []
            return self._joined(module, [*first, *node.args], "/", depth)
        given = next((each.value for each in node.keywords if each.arg == "default"), None)
        if given is None and len(node.args) > 1 and text(node.args[0]):
            given = node.args[1]  # os.environ.get("MEDIA_ROOT", BASE_DIR / "media")
        if given is not None:
            return self.path(module, given, depth)
        if isinstance(node.func, ast.Name) and len(node.args) == 1 and text(node.args[0]):  # environ.Path
            return self._joined(module, [node.func, *node.args], "/", depth)
        return None

    def _joined(self, module: SettingsModule, nodes: list[ast.expr], between: str, depth: int) -> str | None:
        found = [self.path(module, each, depth) for each in nodes]
        if any(each is None for each in found):
            return None
        parts = [each for each in found if each is not None]
        said = posixpath.join(*parts) if between else "".join(parts)
        return posixpath.normpath(said) if said.startswith("/") else said


def _above(path: str | None, number: int) -> str | None:
    for _ in range(number if path is not None else 0):
        path = posixpath.dirname(path or "")
    return path if path is None or path.startswith("/") else None
