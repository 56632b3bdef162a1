"""Finds the rules: every module below `transforms` that has a `RULE`. Registration is reading a value."""

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
    for module in _modules(transforms):
        rule = getattr(module, "RULE", None)
        if not isinstance(rule, Rule) or rule.module != module.__name__:
            raise TypeError(f"{module.__name__} has no RULE of its own name")
        if rule.id in found:
            raise TypeError(f"{module.__name__} and {found[rule.id].module} are both called {rule.id}")
        found[rule.id] = rule
    return tuple(found[rule_id] for rule_id in sorted(found))


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for entry in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        module = import_module(entry.name)
        if entry.ispkg:
            yield from _modules(module)
        else:
            yield module
