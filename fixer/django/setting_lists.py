"""Lists of the settings, such as INSTALLED_APPS and MIDDLEWARE: what they hold, and where one more item goes.

A list is followed through the modules that make up the settings: literals, sums of them, `+=`, `append`, `insert`, and
`[*MIDDLEWARE, …]`. What is only added under a condition is known as well, but is no place to add to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from fixer.django.project import DjangoProject
from fixer.languages.python import PythonModule, dotted, text
from fixer.model import Blocked, Parts
from fixer.project.python_style import PythonStyles
from fixer.records import entity

Display = ast.List | ast.Tuple


@entity
class Place:
    """A literal list or tuple that goes into the setting, and the module that it stands in."""

    module: PythonModule
    node: Display
    name: str = ""

    @property
    def items(self) -> tuple[str, ...]:
        return tuple(text(each) or _named(self.module, each) for each in self.node.elts)


@entity
class SettingList:
    """One list of the settings. `names` are all texts that it may hold, in order as far as that is known.

    `places` are the literals that it is certainly put together from, in the order of their items. `unknown` says why an
    item that is added to them may not be in the list that Django sees; empty where it is.
    """

    name: str
    names: tuple[str, ...]
    places: tuple[Place, ...]
    unknown: str = ""

    @classmethod
    def of(cls, project: DjangoProject, path: str, name: str) -> SettingList:
        """The list `name` with the settings module at `path`."""
        reading = _Reading(name)
        for settings in project.chain(path):
            reading.module(settings.document)
        if not reading.places and not reading.unknown:
            reading.unknown = f"no settings module that fhfix sees assigns {name}"
        return cls(name, tuple(dict.fromkeys(reading.names)), tuple(reading.places), reading.unknown)

    def has(self, *names: str) -> bool:
        return all(name in self.names for name in names)

    def prepend(self, items: Sequence[str], styles: PythonStyles, comment: str = "") -> Parts:
        """Puts items in front of all others."""
        if self.unknown or not self.places:
            return self._refused(items)
        first = self.places[0]
        width = styles.of(first.module.path).width
        return first.module.insert_items(first.node, 0, *items, comment=comment, width=width)

    def put_behind(self, item: str, beside: str) -> Parts:
        """Puts an item right behind another one, from wherever it stands in the same literal."""
        place = next((each for each in self.places if beside in each.items), None)
        if not self.has(item) and (self.unknown or place is None):
            return self._refused([item])
        if self.unknown or place is None or (self.has(item) and item not in place.items):
            why = self.unknown or f"{item.rpartition('.')[2]} and what it belongs behind stand in two literals"
            return Blocked(why, f"put {item} right behind {beside} by hand")
        after = place.items.index(beside)
        if not self.has(item):
            return place.module.insert_items(place.node, after + 1, item)
        at = place.items.index(item)
        if at > after:
            return place.module.move_item(place.node, at, after + 1)
        return place.module.move_item(place.node, after, at)  # the same order, by moving the other one up

    def add(self, item: str, styles: PythonStyles, own: Sequence[str] = ()) -> Parts:
        """Adds an item where the order does not matter: behind the packages of others, before the project's `own`.

        Where the list is a sum, it goes to the part that is named for such packages.
        """
        if self.unknown or not self.places:
            return self._refused([item])
        place = next((each for each in self.places if _is_for_others(each.name)), self.places[-1])
        if not _is_for_others(place.name):
            place = next((each for each in reversed(self.places) if not _all_own(each.items, own)), place)
        others = [index for index, each in enumerate(place.items) if each and each.partition(".")[0] not in own]
        index = others[-1] + 1 if others else len(place.items)
        return place.module.insert_items(place.node, index, item, width=styles.of(place.module.path).width)

    def _refused(self, items: Sequence[str]) -> Blocked:
        return Blocked(
            f"{self.unknown or f'{self.name} has no literal to add to'}",
            f"add {', '.join(items)} to {self.name} by hand, and run fhfix again",
        )


def _is_for_others(name: str) -> bool:
    lowered = name.lower()
    return any(word in lowered for word in ("third", "3rd", "external", "vendor"))


def _all_own(items: Sequence[str], own: Sequence[str]) -> bool:
    return bool(items) and all(each.partition(".")[0] in own for each in items if each)


class _Reading:
    """One walk over the statements of the modules, in the order in which they take effect."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.names: list[str] = []
        self.places: list[Place] = []
        self.unknown = ""

    def module(self, module: PythonModule) -> None:
        self.body(module, module.tree.body, certain=True)

    def body(self, module: PythonModule, statements: Sequence[ast.stmt], *, certain: bool) -> None:
        for statement in statements:
            if isinstance(statement, ast.ClassDef):
                if any(self.name in _targets(each) for each in ast.walk(statement)):
                    self.refuse(module, statement, "is an attribute of a class")
            elif isinstance(statement, ast.If | ast.Try | ast.With | ast.For | ast.While):
                for inner in _branches(statement):
                    self.body(module, inner, certain=False)
            elif self.name in _targets(statement):
                self.assigned(module, statement, certain=certain)
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                self.called(module, statement.value, certain=certain)

    def assigned(self, module: PythonModule, statement: ast.stmt, *, certain: bool) -> None:
        value: ast.expr | None = getattr(statement, "value", None)
        if value is None:
            return
        found = list(_parts(module, value, self.name))
        self.names += _texts(module, value)
        if isinstance(statement, ast.AugAssign):
            if certain and all(isinstance(each, Place) for each in found):
                self.places += [each for each in found if isinstance(each, Place)]
            return
        before = next((index for index, each in enumerate(found) if each == self.name), None)
        if not certain:
            if before is None:
                self.refuse(module, statement, "is assigned again under a condition")
            elif before:
                return  # something in front, in some environment
            return
        if before is None:
            self.names = list(_texts(module, value))
            self.places = []
            self.unknown = ""
        if any(each is None for each in found):
            self.refuse(module, statement, "is made at run time")
            return
        added = [each for each in found if isinstance(each, Place)]
        own = [each for each in added if found.index(each) < (before or 0)] if before is not None else added
        rest = [each for each in added if each not in own]
        self.places = [*own, *self.places, *rest] if before is not None else added

    def called(self, module: PythonModule, call: ast.Call, *, certain: bool) -> None:
        owner, _, method = dotted(call.func).rpartition(".")
        if owner != self.name:
            return
        texts = [each for argument in call.args for each in _texts(module, argument)]
        if method == "insert" and certain and call.args and ast.unparse(call.args[0]) == "0":
            self.refuse(module, call, f"gets {', '.join(texts) or 'an item'} put in front")
        elif method not in ("append", "extend", "insert", "remove"):
            self.refuse(module, call, f"is changed by {method}")
        self.names += texts if method != "remove" else []

    def refuse(self, module: PythonModule, node: ast.AST, why: str) -> None:
        self.unknown = f"{module.path}:{module.line_of(node)}: {self.name} {why}"


def _named(module: PythonModule, node: ast.expr) -> str:
    """The text that a name stands for, where the module assigns it once."""
    given = module.assignments.get(dotted(node), [])
    return text(given[0]) if len(given) == 1 else ""


def _targets(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Assign):
        return [dotted(each) for each in node.targets]
    return [dotted(node.target)] if isinstance(node, ast.AnnAssign | ast.AugAssign) else []


def _branches(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(statement, name, [])
    for handler in getattr(statement, "handlers", ()):
        yield handler.body


def _parts(module: PythonModule, value: ast.expr, setting: str, name: str = "") -> Iterator[Place | str | None]:
    """What a value is put together from: literals, the setting itself by its name, and None for what is not known."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        yield from _parts(module, value.left, setting, name)
        yield from _parts(module, value.right, setting, name)
    elif isinstance(value, ast.List | ast.Tuple):
        spread = [each.value for each in value.elts if isinstance(each, ast.Starred)]
        if not spread:
            yield Place(module, value, name)
        elif any(dotted(each) == setting for each in spread):
            front = isinstance(value.elts[0], ast.Starred) and dotted(value.elts[0].value) == setting
            yield from (setting, Place(module, value, name)) if front else (Place(module, value, name), setting)
        else:
            for each in spread:
                yield from _parts(module, each, setting, name)
            yield Place(module, value, name)
    elif isinstance(value, ast.Name | ast.Attribute):
        if dotted(value).rpartition(".")[2] == setting:
            yield setting
            return
        given = module.assignments.get(dotted(value), [])
        if len(given) == 1:
            yield from _parts(module, given[0], setting, dotted(value))
        else:
            yield None
    elif isinstance(value, ast.Call) and dotted(value.func) in ("list", "tuple") and len(value.args) == 1:
        yield from _parts(module, value.args[0], setting, name)
    else:
        yield None


def _texts(module: PythonModule, value: ast.expr) -> Iterator[str]:
    """Every text within a value, also by names that are assigned in the module."""
    for node in ast.walk(value):
        if text(node):
            yield text(node)
        elif isinstance(node, ast.Name):
            for given in module.assignments.get(node.id, ()):
                yield from (text(each) for each in ast.walk(given) if text(each))
