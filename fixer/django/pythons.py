"""With which releases of Python the jobs of a repository install its packages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from fixer.django.job_setup import installs
from fixer.github.combination import filled
from fixer.github.workflows import Workflows, commands_of
from fixer.records import entity

if TYPE_CHECKING:
    from fixer.github.workflow import Job
    from fixer.repository import Repository

_RELEASE = re.compile(r"3\.(\d+)(\.\d+)?")


@entity
class Pythons:
    """`oldest` is the lowest release, as (3, 8), that a job sets up and installs packages with; `place` says which."""

    oldest: tuple[int, int]
    place: str

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where no job says which it is."""
        workflows = repository.fact(Workflows)
        found = [
            (int(release[1]), job)
            for workflow in (workflows.documents if workflows is not None else ())
            for job in workflow.jobs.values()
            if any(installs(command) for step in job.steps for command in commands_of(step))
            for said in _said(job)
            if (release := _RELEASE.fullmatch(said)) is not None
        ]
        if not found:
            return None
        minor, job = min(found, key=lambda pair: pair[0])
        return cls((3, minor), f"job {job.id} of {job.workflow.path}")


def _said(job: Job) -> Iterator[str]:
    """The values that `python-version` has in any job of the matrix."""
    for step in job.steps:
        if step.action != "actions/setup-python":
            continue
        made = job.matrix.combinations if job.matrix is not None else None
        for combination in made or [{}]:
            yield str(filled(step.inputs.get("python-version", ""), combination))
