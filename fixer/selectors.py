"""How users name rules: by id, by pack, by audit reference or the start of one, or all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from fixer.model import Rule


def matches(selector: str, rule: Rule) -> bool:
    """`silent-type-check`, `ci`, `D-009`, `D-009.5` (in either case) or `all`."""
    return not spellings((selector,)).isdisjoint(names_of(rule))


def spellings(selectors: Iterable[str]) -> frozenset[str]:
    """What users wrote, as `names_of` has it: references count in either case."""
    return frozenset(spelling for selector in selectors for spelling in (selector, selector.upper()))


def names_of(rule: Rule) -> frozenset[str]:
    """Everything that names a rule."""
    return _names(rule.id, rule.pack, rule.audit)


@lru_cache(maxsize=1024)
def _names(rule_id: str, pack: str, audit: tuple[str, ...]) -> frozenset[str]:
    parts = [reference.split(".") for reference in audit]
    references = (".".join(each[:number]) for each in parts for number in range(1, len(each) + 1))
    return frozenset(("all", rule_id, pack, *references))


def all_selectors(rules: Iterable[Rule]) -> Iterator[str]:
    """Everything that names one of these rules, some of it several times."""
    yield "all"
    for rule in rules:
        yield from (rule.id, rule.pack, *rule.audit, *(reference.partition(".")[0] for reference in rule.audit))
