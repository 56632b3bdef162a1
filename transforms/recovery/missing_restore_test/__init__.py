"""Backups are made, and nothing tries whether they can be restored.

## Why
A backup is as good as its restore. What a restore finds and nothing before it: a dump of another database, of a schema
without its data, by a client of a version that production cannot read, one that was cut off on its way, one that is
older than everybody thinks. None of 50 Django repositories restores one on a schedule.

The workflow that is added takes the newest whole backup once a week, sees how old it is, holds it against its checksum,
restores it into an empty PostgreSQL of production's version, where the first error ends it, and asks for migrations and
rows. Whatever is wrong is a red run.

It reads the backups of the job that missing-backup-job adds, of which it knows the names and the checksums.

## When it is left alone
A job on a schedule that restores, from a dump or a snapshot; repositories whose infrastructure or platform keeps the
backups. Reported, not fixed: backups that another script makes, whose names and place only its people know, and RDS'
own, of which a restore costs an instance for an hour.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixer.deploy.deployments import Deployments
from fixer.django.project import DjangoProject
from fixer.github.action_files import ActionFiles
from fixer.github.catalog.actions import Catalog
from fixer.github.workflows import Workflows
from fixer.model import Blocked, Finding, Fix, NewFile, Profile, Rule, RuleOptions, Tier, option
from fixer.recovery.backups import CHECKS_RDS, Backups, Scheduled
from fixer.recovery.schedules import production, scheduled_workflow, sign_in
from fixer.scripts import script

_HEALTH = "--health-cmd pg_isready --health-interval 10s --health-timeout 5s --health-retries 5"
_DATABASE = "postgres://restore:restore@127.0.0.1:5432/restored"


class Options(RuleOptions):
    cron: str = option("41 4 * * 1", "when, in UTC")
    max_age_hours: int = option(26, "hours that the newest backup may be old")


def check(
    deployments: Deployments,
    django: DjangoProject,
    backups: Backups,
    workflows: Workflows,
    catalog: Catalog,
    files: ActionFiles,
    options: Options,
) -> Iterator[Finding]:
    job = production(deployments)
    if job is None or backups.tried is not None or backups.infrastructure or not django.has_postgres:
        return
    made = backups.scheduled
    if made is None:
        cure: Fix | Blocked = Blocked(
            "no job backs the database up on a schedule: where the newest backup is, if there is any, is not known",
            "add one first (missing-backup-job); or restore by hand what a script or a person keeps",
        )
        yield Finding(job.workflow.path, job.deployments[0].step.span, "no backup is ever restored to try it", cure)
        return
    yield Finding(
        made.job.workflow.path,
        made.job.node.span,
        f"nothing tries whether what job {made.job.id} keeps can be restored",
        _cure(made, workflows, catalog, files, options),
    )


def _cure(
    made: Scheduled, workflows: Workflows, catalog: Catalog, files: ActionFiles, options: Options
) -> Fix | Blocked:
    if CHECKS_RDS in made.text:
        return Blocked(
            "the backups are RDS', and a restore costs an instance for as long as it takes",
            "restore one by hand each quarter: `aws rds restore-db-instance-to-point-in-time`, ask it, delete it",
        )
    if not made.keeps_checked_dumps:
        return Blocked(
            f"where job {made.job.id} keeps its backups, and how the newest is found, is its own",
            "restore the newest one on a schedule, with `pg_restore --exit-on-error`, and ask for rows",
        )
    image = next((step.env["POSTGRES"] for step in made.job.steps if "POSTGRES" in step.env), "")
    bucket = next((step.env["BACKUP_BUCKET"] for step in made.job.steps if "BACKUP_BUCKET" in step.env), "")
    signed = sign_in([made.job], catalog, files, takes_more="${{" in bucket)
    path = workflows.free_path("restore-test", "backup-restore-test")
    if isinstance(signed, Blocked):
        return signed
    if isinstance(path, Blocked):
        return path
    if not image:
        return Blocked("which version of PostgreSQL the backup is of is not said", "name it there as POSTGRES")
    given = {**signed.keys.get("env", {}), "POSTGRES": image, "RESTORED": _DATABASE}
    job = {
        "name": "Restore the newest backup",
        "runs-on": "ubuntu-latest",
        "timeout-minutes": 60,
        **signed.keys,
        "services": {
            "postgres": {
                "image": image,
                "env": {"POSTGRES_DB": "restored", "POSTGRES_USER": "restore", "POSTGRES_PASSWORD": "restore"},
                "ports": ["5432:5432"],
                "options": _HEALTH,
            }
        },
        "env": given,
        "steps": [
            signed.step,
            {
                "name": "Fetch the newest backup",
                "id": "backup",
                "env": {"BACKUP_BUCKET": bucket, "MAX_AGE_HOURS": str(options.max_age_hours)},
                "run": script(__package__, "fetch.sh"),
            },
            {
                "name": "Restore it",
                "env": {"DUMP": "${{ steps.backup.outputs.dump }}"},
                "run": script(__package__, "restore.sh"),
            },
            {"name": "Ask for rows", "run": script(__package__, "ask.sh")},
        ],
    }
    return Fix.of(
        f"add the workflow {path}",
        NewFile(path, scheduled_workflow("Restore test", options.cron, "restore-test", job, made.job.workflow)),
        tier=Tier.REVIEW,
        effects=["the newest backup is restored once a week, and a red run says where it cannot be"],
        todo=[
            "allow the AWS identity s3:GetObject in the bucket",
            "the data of production comes to a runner: keep the repository private, or use a runner of your own",
            *signed.todo,
        ],
    )


def _has_something_to_lose(deployments: Deployments, django: DjangoProject) -> bool:
    return production(deployments) is not None and django.has_postgres


RULE = Rule(
    __name__,
    "Nothing tries whether backups can be restored",
    check,
    audit=("D-005.4",),
    criterion="Backups are restored on a schedule, to see that they can be",
    hours=(4, 4),
    profile=Profile.AUDIT,
    applies=_has_something_to_lose,
)
