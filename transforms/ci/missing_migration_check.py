"""A model can change without its migration, and nothing in the workflows notices.

## Why
`makemigrations --check` fails when the models and the migrations have drifted apart. Without it the drift is found when
a deployment meets a table that lacks a column.

## What the new job does
It sets the project up as the job does that runs the tests: same runner, Python, services and install steps. Its
environment holds what settings.py really reads, and its install step uses a file that really brings Django along.

## When it is left alone
Where a workflow, or a Makefile, tox, nox, just, pre-commit or package.json script, already runs the check; where no
workflow runs the tests of the project, since there is nothing to learn from; where the tests run in a container.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fixer.django.ci import DjangoCI, manages
from fixer.github.workflows import Workflows
from fixer.model import Blocked, Finding, Fix, Rule, RuleOptions, Tier, option
from fixer.project.task_runners import TaskRunners

JOB = "migrations-check"


class Options(RuleOptions):
    env: Mapping[str, str] = option({}, "Environment variables for the new job, for what cannot be inferred.")


def check(ci: DjangoCI, workflows: Workflows, runners: TaskRunners, options: Options) -> Iterator[Finding]:
    if _checked(workflows) or runners.run("makemigrations", "--check"):
        return
    job = ci.new_job(
        RULE.id,
        "Migrations Check",
        minutes=10,
        env=options.env,
        project=ci.tested,
        with_tests=ci.prefix != "",
        redis=False,
    )
    cure: Fix | Blocked
    if isinstance(job, Blocked):
        cure = job
    else:
        command = f"{ci.prefix}python manage.py makemigrations --check --dry-run"
        job["steps"].append(ci.run("Check that no migration is missing", command))
        cure = Fix.of(
            f"add job {JOB}",
            ci.workflow.add_job(JOB, job, like=ci.job),
            tier=Tier.REVIEW,
            effects=(f"jobs.{JOB}: a model that changed without a migration now fails the workflow",),
        )
    yield Finding(
        ci.workflow.path,
        ci.job.node.span,
        f"no workflow checks that every model change of {ci.project.root or 'the project'} has its migration",
        cure,
    )


def _checked(workflows: Workflows) -> bool:
    return any(manages(command) == "makemigrations" and command.has("--check") for _, command in workflows.commands())


RULE = Rule(
    __name__,
    "A model change without its migration goes unnoticed",
    check,
    audit=("D-009.2",),
    criterion="No model change passes CI without its migration",
    hours=(2, 2),
)
