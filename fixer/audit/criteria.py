"""The tasks of the audit, and which of their criteria hold.

Titles, priorities and hours are those of the audit that the rules come from; hours are for doing it by hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fixer.documents import kind_of, name_of
from fixer.model import Report, Reported, Rule
from fixer.repository import Repository


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the audit. `rank` sorts: the most urgent first."""

    id: str
    title: str
    priority: str
    rank: int


TASKS = {
    task.id: task
    for task in (
        Task("D-010", "Deployment safety and rollback", "critical", 0),
        Task("D-009", "Continuous integration", "high", 1),
        Task("D-011", "Docker security", "medium", 2),
        Task("D-012", "Database performance", "medium", 3),
    )
}
"""By id. A rule that names none of these stands under its pack."""

HOURS: dict[str, tuple[float, float]] = {
    "D-009.1": (1, 1), "D-009.2": (2, 2), "D-009.3": (4, 6), "D-009.4": (4, 8),
    "D-009.5": (0.5, 0.5), "D-009.6": (0.5, 0.5), "D-009.7": (1, 1), "D-009.8": (1, 2),
    "D-010.1": (3, 3), "D-010.2": (4, 4), "D-010.3": (2, 2), "D-010.4": (1, 1), "D-010.5": (1, 1), "D-010.6": (2, 2),
    "D-011.1": (1, 1), "D-011.2": (0.5, 0.5),
    "D-012.1": (2, 2), "D-012.2": (1, 1), "D-012.3": (0.5, 0.5), "D-012.4": (1, 1),
}  # fmt: skip
"""Least and most hours by audit reference."""


CRITERIA = {
    "outdated-action": "Every action of the catalog is at a major version that is supported",
    "missing-migration-check": "No model change passes CI without its migration",
    "missing-integration-tests": "CI does not go without integration tests",
    "missing-performance-tests": "The workflows do not go without a load test",
    "silent-type-check": "A type check that fails, fails its job",
    "missing-pip-cache": "Jobs that install the Python packages of the project have a cache",
    "missing-bundle-size-check": "No job builds the front end without a size limit that can fail it",
    "missing-trivy-scan": "Known holes are scanned for, and no result of a Trivy scan gets lost",
    "missing-rollback": "No job deploys without going back when that fails",
    "missing-deploy-migration": "No Django project is deployed without migrating its database",
    "hardcoded-sleep": "No deployment is waited for by the clock alone",
    "deprecated-release-action": "No release is made by an archived action",
    "single-shot-health-check": "No health check after a deployment asks only once",
    "missing-predeploy-backup": "No job deploys to production without a snapshot of its database",
    "root-user": "Images do not run as root",
    "leaky-builder-stage": "Neither secrets nor needless files can reach a layer of an image",
    "unpooled-database": "Database connections are reused, and have timeouts",
    "unlogged-slow-queries": "Slow queries leave a trace in production",
    "mysql-options-on-postgres": "No PostgreSQL database has options of MySQL",
    "unprepared-statements": "Prepared statements are configured so that they work",
}
"""What is so when a rule finds nothing, by rule. It says that the defect is not there, not what is there instead: a
repository that deploys nothing has no rollback, and its box is ticked all the same."""


class State(StrEnum):
    """Whether a criterion holds. Only `met` is ticked, and only `met` was verified."""

    MET = "met"
    OPEN = "open"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Criterion:
    """What must be so for a rule to find nothing, and what it still found. `why` says why it is unknown."""

    rule: Rule
    state: State
    left: tuple[Reported, ...] = ()
    why: str = ""

    @property
    def text(self) -> str:
        return CRITERIA.get(self.rule.id, f"Nothing is left for `{self.rule.id}` to find")

    @property
    def references(self) -> str:
        return ", ".join(self.rule.audit) or self.rule.id


def task_of(rule: Rule) -> Task:
    for reference in rule.audit:
        task = TASKS.get(reference.partition(".")[0])
        if task:
            return task
    return Task(rule.pack, rule.pack.capitalize(), "medium", 9)


def hours_of(rule: Rule) -> tuple[float, float] | None:
    known = [HOURS[reference] for reference in rule.audit if reference in HOURS]
    return (sum(low for low, _ in known), sum(high for _, high in known)) if known else None


def criteria(rules: Sequence[Rule], repository: Repository, found: Report) -> list[Criterion]:
    """One for each rule, by task and audit reference. `found` is all that the rules find in `repository`."""
    by_rule: dict[str, list[Reported]] = {}
    for reported in found.findings:
        by_rule.setdefault(reported.rule.id, []).append(reported)
    broken = {fault.rule_id: fault.what for fault in found.faults}
    made = []
    for rule in sorted(rules, key=lambda rule: (task_of(rule).rank, *_natural(rule))):
        left = tuple(by_rule.get(rule.id, ()))
        unseen = [problem.path for problem in found.problems if _looks_at(rule, problem.path)]
        if left:
            made.append(Criterion(rule, State.OPEN, left))
        elif rule.id in broken:
            made.append(Criterion(rule, State.UNKNOWN, why=f"the rule failed: {broken[rule.id]}"))
        elif not _applies(rule, repository):
            made.append(Criterion(rule, State.NOT_APPLICABLE))
        elif unseen:
            made.append(Criterion(rule, State.UNKNOWN, why=f"not looked at: {', '.join(unseen)}"))
        else:
            made.append(Criterion(rule, State.MET))
    return made


def _natural(rule: Rule) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", rule.audit[0] if rule.audit else "")], rule.id


def _applies(rule: Rule, repository: Repository) -> bool:
    """Whether the repository has what the rule looks at and every fact that it needs."""
    if not rule.subject.is_fact and not any(repository.paths_of(rule.subject.kind)):
        return False
    return all(repository.fact(kind) is not None for kind in rule.needs)


def _looks_at(rule: Rule, path: str) -> bool:
    return rule.subject.is_fact or kind_of(path) == name_of(rule.subject.kind)
