"""How the repository's workflows deploy: what, where to, and which addresses are checked afterwards.

Read from the shell of each job and from the actions that it uses. Values are carried along as they are written: a
literal, or text with `${{ … }}`. A shell variable is followed to where it is set; where that cannot be seen, the
deployment says so in `unknown`, and nobody guesses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self

from fixer.deploy.application import Application, Infrastructure
from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.deploying_steps import Following, deployments_of, of_composite
from fixer.deploy.names import ASIDE_OF_PRODUCTION, PREVIEW, ROLLBACK, is_preview, is_rollback
from fixer.deploy.ways import ECS, mentioned
from fixer.github.workflow import Step, Workflow
from fixer.model import Source
from fixer.records import entity, record

if TYPE_CHECKING:
    from fixer.repository import Repository


@entity
class _Deploying:
    """What one workflow deploys: its jobs; of a composite action, its steps."""

    jobs: tuple[DeployJob, ...]
    steps: tuple[Step, ...]

    @classmethod
    def detect(cls, repository: Repository, path: str) -> Self:
        """Always something: it may deploy nothing, though it says a word of that."""
        workflow = repository.document(path)
        assert isinstance(workflow, Workflow)
        if workflow.composite:
            return cls((), tuple(step for step in workflow.steps if of_composite(step)))
        return cls(tuple(_deploy_jobs(workflow, Following(repository))), ())


@record
class Deployments:
    """Every job that deploys, by the path of its workflow; and which file says that the application migrates when it
    starts, which one that it has a database, and which one that ECS goes back by itself; empty where none does."""

    jobs: Mapping[str, tuple[DeployJob, ...]]
    composite: Mapping[str, tuple[Step, ...]]
    migrates_on_start: str
    database: str
    breaker: str = ""

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where no workflow deploys."""
        jobs: dict[str, tuple[DeployJob, ...]] = {}
        composite: dict[str, tuple[Step, ...]] = {}
        for workflow in repository.documents(Workflow, _may_deploy):
            if not (workflow.is_run or workflow.composite):
                continue
            found = repository.part(_Deploying, workflow.path)
            if found is not None and found.steps:
                composite[workflow.path] = found.steps
            if found is not None and found.jobs:
                jobs[workflow.path] = found.jobs
        if not jobs and not composite:
            return None
        on_ecs = any(job.way is ECS for found in jobs.values() for job in found)
        infrastructure = repository.fact(Infrastructure) if on_ecs else None
        application = repository.fact(Application)
        assert application is not None
        breaker = infrastructure.breaker if infrastructure is not None else ""
        return cls(jobs, composite, application.migrates_on_start, application.database, breaker)

    def of(self, workflow: Workflow) -> tuple[DeployJob, ...]:
        return self.jobs.get(workflow.path, ())


def _may_deploy(source: Source) -> bool:
    return mentioned(source.text)


def _deploy_jobs(workflow: Workflow, following: Following) -> Iterator[DeployJob]:
    if ROLLBACK.search(workflow.path) or ROLLBACK.search(workflow.name) or is_preview(workflow):
        return
    for job in workflow.jobs.values():
        named = f"{job.id} {job.name} {job.environment}"
        if PREVIEW.search(named) or ASIDE_OF_PRODUCTION.search(f"{workflow.path} {workflow.name} {named}"):
            continue
        if is_rollback(job) or not mentioned(workflow.source.text[job.node.start : job.node.end]):
            continue
        found = tuple(deployment for step in job.steps for deployment in deployments_of(step, job, following))
        if found:
            yield DeployJob(workflow, job, found)
