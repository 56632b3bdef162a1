"""A model can change without its migration, and nothing in the workflows notices.

## Why
`makemigrations --check` fails when the models and the migrations have drifted apart. Without it the drift is found when
a deployment meets a table that lacks a column.

## What the new job does
It sets the project up as the job does that runs the tests: same runner, Python, services and install commands, without
what judges the code or reports, without programs that serve beside the tests, and without other languages. What that
job runs without is not required. Where no job runs the tests, it is made after one that installs the packages and
starts Django.

It is blocked, with the reason, where no such job is seen, where its failure is ignored, or where it installs packages
for another Python than the one that tests; where `make`, tox and the like do all; where the container in which the
tests run makes missing migrations when it starts; where migrations are not committed. So it is where the check would
fail on the repository as it is: a model that is seen to differ from what its migrations leave, or a field that holds
the time, or a value of chance, from when its module was loaded. What fhfix cannot read (computed values, models of
packages) may lack a migration all the same. A job that tests and deploys on a runner of its own is no model either.
Where a workflow of another repository may run the tests, what it checks is not known, and the finding is a note.

## When it is left alone
Where a workflow, or a Makefile, tox, nox, just, pre-commit or package.json script, already runs the check; where a
test does it (`call_command("makemigrations", check=True)`, or `MigrationAutodetector` itself), or the deployed image
when it starts; in a repository without workflows; where the settings have no DATABASES; where no model of Django is
among those that the repository declares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from fixer.deploy.names import named_deployment
from fixer.django.ci import DjangoCI
from fixer.django.drift import ModelDrift
from fixer.django.migrations import Migrations
from fixer.github.runners import is_own
from fixer.github.workflows import Workflows, commands_of
from fixer.languages.shell import Command
from fixer.model import Blocked, Finding, Fix, Level, Rule, RuleOptions, Tier, option
from fixer.project.task_runners import TaskRunners
from fixer.project.test_suites import TestSuites
from fixer.runtime.picture import Runtime
from fixer.scripts import ScriptText

JOB = "migrations-check"
_LOOKS = re.compile(r"No changes detected|^git (diff|status)\b")


class Options(RuleOptions):
    env: Mapping[str, str] = option(
        {}, "Environment variables for the new job, for what cannot be inferred.", about="variable"
    )


def check(
    ci: DjangoCI,
    migrations: Migrations,
    drift: ModelDrift,
    workflows: Workflows,
    runners: TaskRunners,
    suites: TestSuites,
    runtime: Runtime,
    options: Options,
) -> Iterator[Finding]:
    if ci.project.has_no_database or not migrations.can_be_missing:
        return
    if suites.migrations or runners.run("makemigrations", "--check") or _is_checked(workflows, runtime):
        return
    job = ci.new_job(
        RULE.id,
        "Migrations Check",
        minutes=10,
        env=options.env,
        project=ci.tested,
        with_tests=False,
        everything=False,
    )
    cure: Fix | Blocked | None = _always_fails(migrations) or _on_what_serves(ci)
    if cure is None:
        cure = job if isinstance(job, Blocked) else _finds_nothing(ci, runtime) or _has_drifted(migrations, drift)
    if cure is None:
        assert not isinstance(job, Blocked)
        name = ci.workflow.job_id(JOB)
        command = ScriptText.of("@manage@ makemigrations --check --dry-run", manage=ci.manage)
        job["steps"].append(ci.step(job, "Check that no migration is missing", command, alone=True))
        cure = Fix.of(
            f"add job {name}",
            ci.add_job(JOB, job),
            tier=Tier.REVIEW,
            effects=(f"jobs.{name}: a model that changed without a migration now fails the workflow",),
        )
    checks = "is seen to check" if ci.unseen else "checks"
    yield Finding(
        ci.workflow.path,
        ci.span,
        f"no workflow {checks} that every model change of {ci.project.root or 'the project'} has its migration",
        ci.unseen or cure,
        Level.NOTE if ci.unseen else None,
    )


def _always_fails(migrations: Migrations) -> Blocked | None:
    """Why the check would say the same of every change."""
    if migrations.unsteady:
        return Blocked(
            f"{migrations.unsteady}: the check would fail without any change",
            "let a function give the value, commit what `manage.py makemigrations` writes, then run fhfix again",
        )
    if migrations.elsewhere:
        return None
    if migrations.unmade is not None:
        package, model = migrations.unmade
        return Blocked(
            f"{package} holds no migration, and {model} declares a model: the check would fail until one is committed",
            "commit what `manage.py makemigrations` writes, then run fhfix again",
        )
    if migrations.declared and not migrations.folders:
        return Blocked(
            "no application has migrations, and makemigrations looks only at those that have",
            "commit what `manage.py makemigrations APPLICATION` writes for each, then run fhfix again",
        )
    return None


def _has_drifted(migrations: Migrations, drift: ModelDrift) -> Blocked | None:
    """Why the check would fail on the repository as it is."""
    if migrations.elsewhere or not drift.first:
        return None
    return Blocked(
        f"{drift.first}: the check would fail until a migration says the same",
        "commit what `manage.py makemigrations` writes, then run fhfix again",
    )


def _on_what_serves(ci: DjangoCI) -> Blocked | None:
    """Why a job beside the one that tests would stop no deployment, and work on the machine that serves."""
    if ci.job is None or not is_own(ci.job.data.get("runs-on")) or not named_deployment(ci.job, or_release=False):
        return None
    return Blocked(
        f"job {ci.job.id} tests and deploys on a runner of its own, and a job beside it would stop no deployment",
        "test in a job that the deployment needs, then run fhfix again",
    )


def _finds_nothing(ci: DjangoCI, runtime: Runtime) -> Blocked | None:
    """Why the check would never fail."""
    containers = (program for program in runtime.programs if program.origin == "compose") if ci.in_container else ()
    for program in containers:
        for started in program.commands:
            if "makemigrations" in _said(started.command):
                return Blocked(
                    f"{started.path}:{started.line} makes missing migrations when the container starts, so that the "
                    "check would find none missing",
                    "commit the migrations, and take that out",
                )
    return None


def _is_checked(workflows: Workflows, runtime: Runtime) -> bool:
    """Whether a job runs the check, by whatever program and however quoted, or what is deployed does when it starts."""
    commands = [command for _, command in workflows.commands()]
    for program in runtime.programs:
        if program.origin == "workflow" or program in runtime.deployed:
            commands += [started.command for started in program.commands]
    if any(_looks_for_missing(command) for command in commands):
        return True
    return any(_reads_what_is_made(commands_of(step)) for workflow in workflows.documents for step in workflow.steps)


def _looks_for_missing(command: Command) -> bool:
    """`--dry-run` makes nothing, so that whoever runs it reads what it says."""
    said = _said(command)
    return re.search(r"\bmakemigrations\b", said) is not None and re.search(r"--(check|dry-run)\b", said) is not None


def _reads_what_is_made(commands: Iterable[Command]) -> bool:
    """Whether one step makes migrations and looks whether there was anything to make."""
    said = [_said(command) for command in commands]
    return any("makemigrations" in each for each in said) and any(map(_LOOKS.search, said))


def _said(command: Command) -> str:
    return " ".join(word.text for word in command.words)


RULE = Rule(
    __name__,
    "A model change without its migration goes unnoticed",
    check,
    audit=("D-009.2",),
    criterion="No model change passes CI without its migration",
    hours=(2, 2),
)
