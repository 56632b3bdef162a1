"""Production is deployed without a snapshot of its database to go back to.

## Why

A rollback restores code, not data. A migration that drops or rewrites a column is undone by a snapshot alone, and the
automatic backup of last night is not what people wrote since.

The fix takes a snapshot right before the deployment (and before the migration, where there is one), waits until it is
available, and passes its id on, so that the rollback can name it. The id holds the number of the run and of the
attempt: a second attempt of the same run must not collide with the first. A guard fails the job, before anything is
touched, where the name of the database instance is empty.

## When it is left alone

Repositories in which nothing speaks of a database, or only Django does, which keeps SQLite in a file of the container;
jobs that do not deploy to production, by their environment, their name or what they deploy to; jobs that take a
snapshot or a dump already. Which database instance it is cannot be read from a workflow: `instance` says it, as a name
or as an expression such as `${{ vars.RDS_INSTANCE }}`. For other ways of backing up, `command` is run instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from fixer.deploy.containers import loses_its_database
from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.deployments import Deployments
from fixer.deploy.local_actions import (
    REGION,
    Input,
    LocalAction,
    LocalActions,
    Work,
    can_use_local_actions,
    shared_place,
    with_blocks,
)
from fixer.deploy.names import is_rollback
from fixer.deploy.new_steps import as_script, filled_in, snapshot_notice
from fixer.deploy.ways import ECS, HOSTING
from fixer.django.project import DjangoProject
from fixer.github.expressions import names_read, only_read
from fixer.github.workflow import Job, Workflow
from fixer.model import Blocked, Finding, Fix, NewFile, Parts, Rule, RuleOptions, Tier, listed, option
from fixer.recovery.backups import backs_up
from fixer.runtime.picture import Runtime
from fixer.scripts import script
from transforms.deploy.missing_predeploy_backup.reliable import Snapshot

_INLINE = 'rules.missing-predeploy-backup.style = "inline"'
_NAMED = re.compile(
    r"back-?\s?up|\b(?:database|db|rds)\b.*\b(?:snapshot|dump)|\b(?:snapshot|dump)\b.*\b(?:database|db|rds)", re.I
)
_TEXT = re.compile(r"^[A-Za-z][A-Za-z0-9-]{0,62}$")


class Options(RuleOptions):
    instance: str = option(
        "",
        "the RDS instance of production: its name, or an expression such as ${{ vars.RDS_INSTANCE }}",
        about="instance",
    )
    style: Literal["action", "inline"] = option(
        "action", "where its shell stands: in an action of the repository, or inline in the job"
    )
    command: str = option("", "a command that backs the database up, instead of an RDS snapshot")


def check(
    workflow: Workflow,
    deployments: Deployments,
    django: DjangoProject | None,
    runtime: Runtime,
    local: LocalActions,
    options: Options,
) -> Iterator[Finding]:
    if not (deployments.database or options.instance or filled_in(options.command)):
        return
    jobs = deployments.of(workflow)
    of_django = django if _is_of_python(deployments.database) and not filled_in(options.command) else None
    for job in jobs:
        if not _may_be_production(job) or (_is_what_browsers_load(job) and job.migration is None):
            continue
        if of_django is not None and loses_its_database(job, of_django, runtime):
            continue
        if not _backs_up(job, job.elsewhere(jobs)):
            message = f"job {job.id} deploys to {_where(job)} without a snapshot of the database"
            yield Finding(workflow.path, job.deployments[0].step.span, message, _cure(job, local, options))
        else:
            yield from _unsound(job)


def _is_of_python(path: str) -> bool:
    """Whether a file says which packages Python needs."""
    return re.search(r"requirements[^/]*\.(txt|in)$|(^|/)(pyproject\.toml|setup\.cfg|Pipfile)$", path) is not None


def _unsound(job: DeployJob) -> Iterator[Finding]:
    """Snapshots of this job that nobody waits for, or whose name is taken when it runs a second time."""
    for step in job.job.steps[: job.first]:
        script = step.script
        for command in script.commands if script is not None else ():
            snapshot = Snapshot.of(command, step)
            if snapshot is None or not snapshot.flaws or step.run is None:
                continue
            message = f"the snapshot of job {job.id} is no backup to rely on: {listed(snapshot.flaws)}"
            fix = Fix.of(
                "take a snapshot that can be relied on",
                snapshot.relied_on(),
                tier=Tier.REVIEW,
                effects=[f"job {job.id} does not go on to deploy before the backup is there"],
                todo=["allow the deploying AWS identity rds:DescribeDBSnapshots"],
            )
            yield Finding(job.workflow.path, job.workflow.span_of(step.run, command.start, command.end), message, fix)


def _where(job: DeployJob) -> str:
    return "production" if job.environment == "production" else "an environment that is chosen at run time"


def _backs_up(job: DeployJob, elsewhere: set[str]) -> bool:
    """Whether this job, or one that it needs, backs the database up."""
    if backs_up(job.said_elsewhere):
        return True
    for found in job.workflow.upstream(job.job.id, without=elsewhere):
        named = any(_NAMED.search(step.name) for step in found.steps)
        if (
            named
            or backs_up(_text(found))
            or re.search(r"backup|snapshot", f"{found.id} {found.uses and found.uses.value}")
        ):
            return True
    return False


def _text(job: Job) -> str:
    texts = []
    for step in job.steps:
        if step.run is not None:
            texts.append(step.run.value)
        texts += step.node.texts("with").values()
    return "\n".join(line for text in texts for line in text.splitlines() if not line.lstrip().startswith("#"))


def _cure(job: DeployJob, local: LocalActions, options: Options) -> Fix | Blocked:
    workflow, steps = job.workflow, job.editable_steps
    if "${{" in job.environment:
        return Blocked(
            f"job {job.id} may deploy to production or elsewhere, as {job.environment.strip()} decides",
            "give production a job of its own, or ignore this finding where the other environments are copies",
        )
    if isinstance(steps, Blocked):
        return steps
    name = "Back up the database" if filled_in(options.command) else "Snapshot the database"
    step: dict[str, Any] = {"name": name, "id": _free_id(job)} | job.deployments[0].condition
    outputs = job.job.node.get("outputs")
    parts: list[Parts] = []
    files: list[NewFile] | Blocked = []
    if filled_in(options.command):
        step["run"] = as_script(filled_in(options.command))
    else:
        why = _why_not(job, options.instance)
        if why is not None:
            return why
        region = job.deployments[0].target.get("region", "")
        place = {"DB_INSTANCE": options.instance} | ({"AWS_REGION": region} if region else {})
        credentials = job.deployments[0].credentials
        shared = options.style == "action" and not credentials
        shared = shared and can_use_local_actions(job.job, _index(job))
        work = _snapshot()
        files = local.made([work.action]) if shared else []
        if shared:
            step |= work.step(shared_place(job, place), shared=True)
        else:
            step |= job.deployments[0].surroundings | work.step({**credentials, **place}, shared=False)
        passed = {"snapshot_id": f"${{{{ steps.{step['id']}.outputs.id }}}}"}
        if outputs is None:
            parts.append(workflow.add_key(job.job.node, "outputs", passed, before="steps"))
        elif "snapshot_id" not in outputs.value:
            parts.append(workflow.add_keys(outputs, passed))
        parts += _named_in_rollback(job)
    if isinstance(files, Blocked):
        return replace(files, config=_INLINE)
    parts.append(workflow.insert_item(steps, _index(job), step))
    return Fix.of(
        "back the database up before the deployment",
        *parts,
        *files,
        tier=Tier.REVIEW,
        effects=[f"job {job.id} does not go on to deploy before the backup is there"],
        todo=_todo(job, options),
    )


def _index(job: DeployJob) -> int:
    """Before the deployment, and before the migration."""
    migration = job.migration
    return min(job.first, migration.index) if migration is not None and len(migration.at) == 4 else job.first


def _snapshot() -> Work:
    text = script(__package__, "snapshot-rds.sh")
    action = LocalAction(
        "rds-snapshot",
        "Take an RDS snapshot",
        "Takes a snapshot of an RDS instance, and waits until it is available",
        "snapshot.sh",
        with_blocks(text, "options"),
        (Input("db-instance", "DB_INSTANCE", "Name of the database instance"), REGION),
        {"id": "Name of the snapshot"},
    )
    return Work(action, with_blocks(text))


def _todo(job: DeployJob, options: Options) -> list[str]:
    if filled_in(options.command):
        return []
    made = ["allow the deploying AWS identity rds:CreateDBSnapshot and rds:DescribeDBSnapshots"]
    limit = job.job.data.get("timeout-minutes")
    if isinstance(limit, int) and limit < 90:
        made.append(f"leave room for the snapshot, which is given an hour: timeout-minutes of job {job.id} is {limit}")
    for variable in names_read("vars", options.instance):
        made.insert(0, f"set the variable {variable} to the name of the production database instance")
    return made


def _why_not(job: DeployJob, instance: str) -> Blocked | None:
    signs_in = any(
        step.uses is not None and "configure-aws-credentials" in step.uses.value for step in job.job.steps[: job.first]
    )
    if (job.way is not ECS and not signs_in) or not job.signed_in_by:
        return Blocked(
            f"job {job.id} does not sign in to AWS, so it cannot take a snapshot of an RDS instance",
            "say how to back the database up",
            'rules.missing-predeploy-backup.command = "…"',
        )
    if not instance:
        return Blocked(
            "which database instance belongs to production cannot be read from the workflow",
            "name it, or the variable that holds it",
            'rules.missing-predeploy-backup.instance = "${{ vars.RDS_INSTANCE }}"',
        )
    read = only_read(instance)
    of_settings = read is not None and len(read.keys) == 2 and read.context in ("vars", "secrets", "env", "inputs")
    if not _TEXT.match(instance) and not of_settings:
        return Blocked(
            f"{instance!r} is no name of a database instance, and no expression of vars, secrets, env or inputs",
            "name the instance",
            'rules.missing-predeploy-backup.instance = "${{ vars.RDS_INSTANCE }}"',
        )
    return None


def _free_id(job: DeployJob) -> str:
    taken = {step.id for step in job.job.steps}
    return next(name for name in ("snapshot", "predeploy_snapshot", "fhfix_snapshot") if name not in taken)


def _named_in_rollback(job: DeployJob) -> Iterator[Parts]:
    """The rollback that is there already names the snapshot too."""
    for other in job.workflow.jobs.values():
        steps = other.steps_node
        if job.id not in other.needs or not is_rollback(other) or steps is None or "snapshot_id" in str(other.data):
            continue
        if steps.target is None and steps.style != "flow":
            yield job.workflow.insert_item(steps, len(steps.items), snapshot_notice(job.id))


def _changes_production(workflow: Workflow, deployments: Deployments, options: Options) -> bool:
    """Whether a job deploys to production, where there is a database."""
    has_database = bool(deployments.database or options.instance or filled_in(options.command))
    return has_database and any(_may_be_production(job) for job in deployments.of(workflow))


def _is_what_browsers_load(job: DeployJob) -> bool:
    return job.is_front_end or job.way is HOSTING


def _may_be_production(job: DeployJob) -> bool:
    return "${{" in job.environment or job.environment == "production"


RULE = Rule(
    __name__,
    "Production is deployed without a snapshot of its database",
    check,
    audit=("D-010.6",),
    criterion="No job deploys to production without a snapshot of its database",
    hours=(2, 2),
    applies=_changes_production,
)
