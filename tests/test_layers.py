"""The rooms of docs/architecture.md, in their order: each imports only rooms that stand above it in the table.

Imports within functions and for type checkers count too: what is only imported late is still known.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.sources import MODULES as PATHS
from tests.sources import ROOT, name, nodes

MODULES = {name(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__"): path for path in PATHS}


def rooms() -> list[str]:
    """`fixer.model`, `fixer.languages` … as the table names them: a file, a folder, or a file beside the one before."""
    table = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    paths = [path for cell in cells for path in re.findall(r"`([^`]+)`", cell)]
    names = [path.removesuffix("/").removesuffix(".py").replace("/", ".") for path in paths]
    return [name if name.startswith(("fixer", "transforms")) else f"fixer.{name}" for name in names]


ROOMS = rooms()


def room_of(module: str) -> str:
    return next((room for room in ROOMS if module == room or module.startswith(f"{room}.")), "")


@cache
def imported(module: str) -> frozenset[str]:
    found: set[str] = set()
    for node in nodes(MODULES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & MODULES.keys() or {node.module}
    return frozenset((found & MODULES.keys()) - {module})


def test_every_module_stands_in_a_room_of_the_table_and_every_room_is_there() -> None:
    assert [module for module in MODULES if not room_of(module) and module != "fixer"] == []
    assert [room for room in ROOMS if not any(room_of(module) == room for module in MODULES)] == []
    assert len(ROOMS) == len(set(ROOMS))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_above_it(room: str) -> None:
    above = ROOMS[: ROOMS.index(room) + 1]

    assert [
        f"{module} imports {other}"
        for module in MODULES
        if room_of(module) == room
        for other in sorted(imported(module))
        if room_of(other) not in above
    ] == []


def test_no_module_is_imported_by_what_it_imports() -> None:
    try:
        TopologicalSorter({module: imported(module) for module in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_no_language_knows_another() -> None:
    def language(module: str) -> str:
        return ".".join(module.split(".")[:3]) if module.startswith("fixer.languages.") else ""

    arrows = [
        f"{module} imports {other}"
        for module in MODULES
        if language(module)
        for other in imported(module)
        if language(other) not in ("", language(module))
    ]
    assert arrows == []
