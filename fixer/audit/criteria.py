"""Which criteria hold: what is so when a rule finds nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from fixer import engine
from fixer.documents import kind_of, name_of
from fixer.engine import OptionsFor, default_options
from fixer.engine.asking import without_the_costly
from fixer.model import Fault, Report, Reported, Rule, RuleOptions
from fixer.records import record
from fixer.repository import Repository
from fixer.tasks import task_of


class State(StrEnum):
    """Whether a criterion holds. Only `met` is ticked, and only `met` was verified. `half`: something is found, and a
    part of what the criterion asks for is there all the same."""

    MET = "met"
    HALF = "half"
    OPEN = "open"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not applicable"


@record
class Criterion:
    """What must be so for a rule to find nothing, and what it still found. `why` says why it is unknown, or what of it
    is so where it is half."""

    rule: Rule
    state: State
    left: tuple[Reported, ...] = ()
    why: str = ""

    @property
    def text(self) -> str:
        return self.rule.criterion or f"Nothing is left for `{self.rule.id}` to find"

    @property
    def references(self) -> str:
        return ", ".join(self.rule.audit) or self.rule.id


def criteria(
    rules: Sequence[Rule], repository: Repository, found: Report, options: OptionsFor = default_options
) -> list[Criterion]:
    """One for each rule, by task and audit reference. `found` is all that the rules find in `repository`."""
    repository = without_the_costly(repository, found.problems)
    by_rule: dict[str, list[Reported]] = {}
    for reported in found.findings:
        by_rule.setdefault(reported.rule.id, []).append(reported)
    broken = {fault.rule_id: fault.what for fault in found.faults}
    made = []
    for rule in sorted(rules, key=lambda rule: (task_of(rule).rank, *_natural(rule))):
        left = tuple(by_rule.get(rule.id, ()))
        unseen = [problem.path for problem in found.problems if _looks_at(rule, problem.path)]
        if left:
            made.append(_open(rule, left, repository, options(rule)))
        elif rule.id in broken:
            made.append(Criterion(rule, State.UNKNOWN, why=f"the rule failed: {broken[rule.id]}"))
        elif not _has_subject(rule, repository):
            made.append(Criterion(rule, State.NOT_APPLICABLE))
        elif unseen:
            made.append(Criterion(rule, State.UNKNOWN, why=f"not looked at: {', '.join(unseen)}"))
        else:
            made.append(_judged(rule, repository, options(rule)))
    return made


def _open(rule: Rule, left: tuple[Reported, ...], repository: Repository, options: RuleOptions) -> Criterion:
    """Open, or half where a part of it is so."""
    holds = engine.partly(rule, repository, options)
    half = isinstance(holds, str) and holds
    return Criterion(rule, State.HALF, left, half) if half else Criterion(rule, State.OPEN, left)


def _judged(rule: Rule, repository: Repository, options: RuleOptions) -> Criterion:
    """Met where there was something to judge."""
    applies = engine.applies(rule, repository, options)
    if isinstance(applies, Fault):
        return Criterion(rule, State.UNKNOWN, why=f"the rule failed: {applies.what}")
    return Criterion(rule, State.MET if applies else State.NOT_APPLICABLE)


def _natural(rule: Rule) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", rule.audit[0] if rule.audit else "")], rule.id


def _has_subject(rule: Rule, repository: Repository) -> bool:
    """Whether the repository has what the rule looks at and every fact that it needs."""
    if not rule.subject.is_fact and not any(repository.paths_of(rule.subject.kind)):
        return False
    return all(repository.fact(kind) is not None for kind in rule.needs)


def _looks_at(rule: Rule, path: str) -> bool:
    return rule.subject.is_fact or kind_of(path) == name_of(rule.subject.kind)
