"""Finds the rules: every module or folder of a pack, `transforms/<pack>/<rule>`. Registration is reading its `RULE`."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import ModuleType

from fixer.model import Rule


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, sorted by id. Raises TypeError for a module that breaks the house rules."""
    import transforms

    found: dict[str, Rule] = {}
    for pack in _members(transforms):
        for module in _members(pack):
            rule = getattr(module, "RULE", None)
            if not isinstance(rule, Rule) or rule.module != module.__name__:
                raise TypeError(f"{module.__name__} has no RULE of its own name")
            if rule.id in found:
                raise TypeError(f"{module.__name__} and {found[rule.id].module} are both called {rule.id}")
            found[rule.id] = rule
    return tuple(found[rule_id] for rule_id in sorted(found))


def _members(package: ModuleType) -> Iterator[ModuleType]:
    """What stands directly in a package: modules and folders with an `__init__.py`."""
    for entry in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        yield import_module(entry.name)
