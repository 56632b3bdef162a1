"""Finds the rules: every module or folder of a pack, `transforms/<pack>/<rule>`. Registration is reading its `RULE`.

What rules look at and need is kept (`fixer/kept.py`), as they said it when they were imported. So a start imports a
rule only where that is there, or where more is asked of it.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterable, Iterator
from functools import cache, cached_property, partial
from importlib import import_module
from operator import attrgetter
from types import ModuleType
from typing import Any

from fixer import kept
from fixer.model import Asked, Rule

_SAID = "what rules ask for"


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, sorted by id. Raises TypeError for a module that breaks the house rules."""
    import transforms

    names = [name for pack in map(import_module, _members(transforms)) for name in _members(pack)]
    said = kept.told(_SAID)
    if said is not None and said.keys() == set(names):
        return tuple(sorted((_Late(name, said[name]) for name in names), key=_by_id))
    found: dict[str, Rule] = {}
    for name in names:
        rule = _rule(name)
        if rule.id in found:
            raise TypeError(f"{name} and {found[rule.id].module} are both called {rule.id}")
        found[rule.id] = rule
    _keep(found.values())
    return tuple(sorted(found.values(), key=_by_id))


class _Late(Rule):
    """A rule that is imported when more is asked of it than its name, what it looks at, and what it needs."""

    def __init__(self, module: str, asks: Iterable[tuple[str, str, str, bool, bool, bool]]) -> None:
        found = (Asked(*said, partial(_kind, *said[1:3])) for said in asks)
        self.__dict__.update(module=module, asks=tuple(found))

    @cached_property
    def itself(self) -> Rule:
        return _rule(self.module)


for _name in (*Rule.__match_args__, "pack_title", "explanation"):
    if _name != "module":
        setattr(_Late, _name, property(attrgetter(f"itself.{_name}")))


def _members(package: ModuleType) -> Iterator[str]:
    """What stands directly in a package: modules and folders with an `__init__.py`."""
    return (entry.name for entry in pkgutil.iter_modules(package.__path__, package.__name__ + "."))


def _rule(name: str) -> Rule:
    rule = getattr(import_module(name), "RULE", None)
    if not isinstance(rule, Rule) or rule.module != name:
        raise TypeError(f"{name} has no RULE of its own name")
    return rule


def _by_id(rule: Rule) -> str:
    return rule.id


def _kind(module: str, called: str) -> Any:
    return attrgetter(called)(import_module(module))


def _keep(rules: Iterable[Rule]) -> None:
    said = {
        rule.module: [(a.name, a.module, a.called, a.optional, a.is_fact, a.is_options) for a in rule.asks]
        for rule in rules
    }
    modules = {module for name, asks in said.items() for module in (name, *(asked[1] for asked in asks))}
    kept.tell(_SAID, said, [str(sys.modules[module].__file__) for module in sorted(modules)])
