"""Where a workflow uses actions."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.github.action_ref import ActionRef
from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import Workflows
from fixer.languages.yaml import Node
from fixer.model import Blocked, Finding, Fix
from fixer.records import record


@record
class Use:
    """One place that uses an action: a step, or a job that calls a reusable workflow."""

    node: Node
    ref: ActionRef
    workflow: Workflow
    step: Step | None
    job: Job | None
    workflows: Workflows | None = None


def uses_of(workflow: Workflow, workflows: Workflows | None) -> Iterator[Use]:
    for step in workflow.steps:
        if step.uses is not None and step.uses.target is None:
            yield Use(step.uses, ActionRef.parse(step.uses.value), workflow, step, step.job, workflows)
    for job in workflow.jobs.values():
        if job.uses is not None and job.uses.target is None and job.node.target is None:
            yield Use(job.uses, ActionRef.parse(job.uses.value), workflow, None, job, workflows)


def finding(use: Use, message: str, cure: Fix | Blocked) -> Finding:
    return Finding(use.workflow.path, use.node.span, message, cure)
