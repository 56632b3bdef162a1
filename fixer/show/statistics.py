"""Findings by rule: how many, how many of them can be fixed, how many wait for something."""

from __future__ import annotations

from collections.abc import Iterable

from fixer.model import Fix, Reported, Tier
from fixer.records import record


@record
class Count:
    """The findings of one rule."""

    rule_id: str
    summary: str
    found: int
    safe: int
    review: int

    @property
    def blocked(self) -> int:
        return self.found - self.safe - self.review


def counts(findings: Iterable[Reported]) -> list[Count]:
    """Most findings first, then by id."""
    by_rule: dict[str, list[Reported]] = {}
    for reported in findings:
        by_rule.setdefault(reported.rule.id, []).append(reported)
    found = []
    for rule_id, here in by_rule.items():
        tiers = [reported.finding.cure.tier for reported in here if isinstance(reported.finding.cure, Fix)]
        summary = here[0].rule.summary
        found.append(Count(rule_id, summary, len(here), tiers.count(Tier.SAFE), tiers.count(Tier.REVIEW)))
    return sorted(found, key=lambda count: (-count.found, count.rule_id))


def statistics_text(findings: Iterable[Reported]) -> str:
    """A table with one line per rule and a last line for all; empty where nothing was found."""
    rows = counts(findings)
    if not rows:
        return ""
    total = Count("all", "", *(sum(getattr(row, name) for row in rows) for name in ("found", "safe", "review")))
    width = max(len(row.rule_id) for row in (*rows, total))
    lines = [f"{'rule':<{width}}  found   safe  review  blocked"]
    lines += [
        f"{row.rule_id:<{width}}  {row.found:5}  {row.safe:5}  {row.review:6}  {row.blocked:7}  {row.summary}".rstrip()
        for row in (*rows, total)
    ]
    return "\n".join(lines) + "\n"
