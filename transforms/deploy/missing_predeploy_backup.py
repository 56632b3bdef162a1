"""Production is deployed without a snapshot of its database to go back to.

## Why

A rollback restores code, not data. A migration that drops or rewrites a column is undone by a snapshot alone, and the
automatic backup of last night is not what people wrote since.

The fix takes a snapshot right before the deployment (and before the migration, where there is one), waits until it is
available, and passes its id on, so that the rollback can name it. The id holds the number of the run and of the
attempt: a second attempt of the same run must not collide with the first. A guard fails the job, before anything is
touched, where the name of the database instance is empty.

## When it is left alone

Repositories in which nothing speaks of a database; jobs that do not deploy to production, by their environment, their
name or what they deploy to; jobs that take a snapshot or a dump already. Which database instance it is cannot be read
from a workflow: `instance` says it, as a name or as an expression such as `${{ vars.RDS_INSTANCE }}`. For other ways
of backing up, `command` is run instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fixer.deploy.deployments import DeployJob, Deployments, filled_in
from fixer.deploy.ways import ECS
from fixer.github.expressions import names_read, only_read
from fixer.github.workflow import Job, Workflow
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Tier, option

SNAPSHOT = """\
if [ -z "$DB_INSTANCE" ]; then
  echo "::error::No database instance is named, so no snapshot can be taken: set the variable that DB_INSTANCE reads"
  exit 1
fi
# A run can be repeated, and a snapshot's id is taken once.
id="pre-deploy-$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT"
aws rds create-db-snapshot --db-instance-identifier "$DB_INSTANCE" --db-snapshot-identifier "$id" --output text \\
  --query DBSnapshot.Status
echo "id=$id" >> "$GITHUB_OUTPUT"
# One waiter gives up after half an hour.
aws rds wait db-snapshot-available --db-snapshot-identifier "$id" ||
  aws rds wait db-snapshot-available --db-snapshot-identifier "$id"
echo "Snapshot $id of $DB_INSTANCE is available"
"""

_BACKS_UP = re.compile(
    r"create-db-(?:cluster-)?snapshot|pg_dump|pg_basebackup|mysqldump|start-backup-job|sql backups create|"
    r"velero backup|barman|wal-g|pgbackrest|\bbackup\b[\w-]*\.(?:sh|py)|dbbackup"
)
_NAMED = re.compile(
    r"back-?\s?up|\b(?:database|db|rds)\b.*\b(?:snapshot|dump)|\b(?:snapshot|dump)\b.*\b(?:database|db|rds)", re.I
)
_TEXT = re.compile(r"^[A-Za-z][A-Za-z0-9-]{0,62}$")


class Options(RuleOptions):
    instance: str = option(
        "", "the RDS instance of production: its name, or an expression such as ${{ vars.RDS_INSTANCE }}"
    )
    command: str = option("", "a command that backs the database up, instead of an RDS snapshot")


def check(workflow: Workflow, deployments: Deployments, options: Options) -> Iterator[Finding]:
    if not (deployments.database or options.instance or filled_in(options.command)):
        return
    for job in deployments.of(workflow):
        if ("${{" in job.environment or job.environment == "production") and not _backs_up(job):
            message = f"job {job.id} deploys to {_where(job)} without a snapshot of the database"
            yield Finding(workflow.path, job.deployments[0].step.span, message, _cure(job, options))


def _where(job: DeployJob) -> str:
    return "production" if job.environment == "production" else "an environment that is chosen at run time"


def _backs_up(job: DeployJob) -> bool:
    """Whether this job, or one that it needs, backs the database up."""
    for found in job.workflow.upstream(job.job.id):
        named = any(_NAMED.search(step.name) for step in found.steps)
        if (
            named
            or _BACKS_UP.search(_text(found))
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


def _cure(job: DeployJob, options: Options) -> Fix | Blocked:
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
    if filled_in(options.command):
        step["run"] = filled_in(options.command) + ("\n" if "\n" in filled_in(options.command) else "")
    else:
        why = _why_not(job, options.instance)
        if why is not None:
            return why
        step |= job.deployments[0].surroundings
        region = job.deployments[0].target.get("region", "")
        env = {**job.deployments[0].credentials, "DB_INSTANCE": options.instance}
        step["env"] = env | ({"AWS_REGION": region} if region else {})
        step["run"] = SNAPSHOT
        passed = {"snapshot_id": f"${{{{ steps.{step['id']}.outputs.id }}}}"}
        if outputs is None:
            parts.append(workflow.add_key(job.job.node, "outputs", passed, before="steps"))
        elif "snapshot_id" not in outputs.value:
            parts.append(workflow.add_keys(outputs, passed))
        parts += _named_in_rollback(job)
    migration = job.migration
    index = min(job.first, migration.index if migration is not None and len(migration.at) == 4 else job.first)
    parts.append(workflow.insert_item(steps, index, step))
    return Fix.of(
        "back the database up before the deployment",
        *parts,
        tier=Tier.REVIEW,
        effects=[f"job {job.id} does not go on to deploy before the backup is there"],
        todo=_todo(job, options),
    )


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
        for step in other.steps:
            env = step.node.get("env")
            if job.id not in other.needs or env is None or not env.is_mapping or "SNAPSHOT_ID" in env.value:
                continue
            if step.run is not None and "${SNAPSHOT_ID:-}" in step.run.value:
                yield job.workflow.add_key(env, "SNAPSHOT_ID", f"${{{{ needs.{job.id}.outputs.snapshot_id }}}}")


RULE = Rule(
    __name__,
    "Production is deployed without a snapshot of its database",
    check,
    audit=("D-010.6",),
    criterion="No job deploys to production without a snapshot of its database",
    hours=(2, 2),
)
