"""How users name rules: by id, by pack, by audit reference or the start of one, or all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fixer.model import Rule


def matches(selector: str, rule: Rule) -> bool:
    """`silent-type-check`, `ci`, `D-009`, `D-009.5` (in either case) or `all`."""
    if selector in ("all", rule.id, rule.pack):
        return True
    wanted = selector.upper()
    return any(reference == wanted or reference.startswith(wanted + ".") for reference in rule.audit)


def all_selectors(rules: Iterable[Rule]) -> Iterator[str]:
    """Everything that names one of these rules, some of it several times."""
    yield "all"
    for rule in rules:
        yield from (rule.id, rule.pack, *rule.audit, *(reference.partition(".")[0] for reference in rule.audit))
