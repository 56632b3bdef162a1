"""The tasks that rules belong to; titles and priorities are those of the audit that the rules come from."""

from __future__ import annotations

from fixer.model import Rule
from fixer.records import record


@record
class Task:
    """A task of the audit. `rank` sorts: the most urgent first."""

    id: str
    title: str
    priority: str
    rank: int

    @property
    def reference(self) -> str:
        """How the audit calls it; empty for a pack that no audit names."""
        return self.id if self.id in TASKS else ""


TASKS = {
    task.id: task
    for task in (
        Task("D-010", "Deployment safety and rollback", "critical", 0),
        Task("D-009", "Continuous integration", "high", 1),
        Task("D-011", "Docker security", "medium", 2),
        Task("D-012", "Database performance", "medium", 3),
        Task("D-004", "Monitoring", "medium", 4),
        Task("D-005", "Recovery and production readiness", "medium", 5),
    )
}
"""By id. A rule that names none of these stands under its pack."""


def task_of(rule: Rule) -> Task:
    for reference in rule.audit:
        task = TASKS.get(reference.partition(".")[0])
        if task:
            return task
    return Task(rule.pack, rule.pack_title, "medium", 9)
