"""Production has a database, and nothing backs it up on a schedule.

## Why
A script that nobody calls is no backup. Of 50 Django repositories 11 have a pg_dump somewhere, and one runs it on a
schedule. What is made once a week by hand is missing on the day on which it is needed.

A workflow that is red when something is wrong is added, one of two:

* `dump`, where the runner reaches the database: a dump by the client of the server's own version, read to its last
  byte, uploaded to S3 with its checksum last, so that what broke off counts for nothing. Old ones go after that, and
  the newest seven stay in any case.
* `rds`, where the database is RDS, which a runner does not reach: whether RDS's own backups are kept for a week,
  encrypted, and fresh. A dump would be red for ever there.

Which one follows from the repository: a job that uses the URL of the database from a secret reaches it; a repository
that speaks of RDS, and has no such job, does not. `method` says it otherwise.

## When it is left alone
Jobs on a schedule that dump or take snapshots; Terraform, CDK and CloudFormation with backups switched on, platforms
that keep them (Render, Heroku, DigitalOcean), CronJobs and containers that are made for it; repositories that deploy
nothing, and databases other than PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from fixer.deploy.deployments import Deployments
from fixer.django.project import DjangoProject
from fixer.github.action_files import ActionFiles
from fixer.github.catalog.actions import Catalog
from fixer.github.expressions import only_read, reads
from fixer.github.workflow import Job
from fixer.github.workflows import Workflows
from fixer.model import Blocked, Finding, Fix, NewFile, Profile, Rule, RuleOptions, Tier, option
from fixer.recovery.backups import Backups
from fixer.recovery.schedules import postgres_image, production, scheduled_workflow, sign_in
from fixer.runtime.picture import Runtime
from fixer.scripts import script

_URL = re.compile(r"(?:DATABASE|DB|POSTGRES|PG)_?UR[LI]", re.IGNORECASE)


class Options(RuleOptions):
    method: Literal["", "rds", "dump"] = option(
        "", "a dump to S3, or a check of RDS's own backups; by default what the repository tells"
    )
    cron: str = option("23 2 * * *", "when, in UTC")
    keep_days: int = option(30, "days that dumps are kept")
    image: str = option("", "the image of PostgreSQL in production's version; by default that of the compose files")
    instance: str = option(
        "", "the RDS instance of production: its name, or an expression such as ${{ vars.DB_INSTANCE }}"
    )


def check(
    django: DjangoProject,
    deployments: Deployments,
    workflows: Workflows,
    backups: Backups,
    runtime: Runtime,
    catalog: Catalog,
    files: ActionFiles,
    options: Options,
) -> Iterator[Finding]:
    job = production(deployments)
    if job is None or not django.has_postgres or backups.scheduled is not None or backups.infrastructure:
        return
    yield Finding(
        job.workflow.path,
        job.deployments[0].step.span,
        f"job {job.id} deploys, and nothing in the repository backs the database up on a schedule",
        _cure(job.job, workflows, backups, runtime, catalog, files, options),
    )


def _cure(
    job: Job,
    workflows: Workflows,
    backups: Backups,
    runtime: Runtime,
    catalog: Catalog,
    files: ActionFiles,
    options: Options,
) -> Fix | Blocked:
    url = _url(workflows)
    method = options.method or ("dump" if url is not None else "rds" if backups.rds else "")
    if not method:
        return Blocked(
            "whether a runner reaches the database, or it is RDS and none does, cannot be read from the repository",
            "say which of the two",
            'rules.missing-backup-job.method = "dump"',
        )
    named = options.instance or _instance(workflows)
    takes_more = method == "dump" or "${{" in named
    others = (other for workflow in workflows.documents for other in workflow.jobs.values())
    signed = sign_in([*([url[0]] if url is not None else []), job, *others], catalog, files, takes_more=takes_more)
    if isinstance(signed, Blocked):
        return signed
    path = workflows.free_path("backup", "database-backup")
    if isinstance(path, Blocked):
        return path
    todo: list[str] = []
    step: dict[str, Any] = {"name": "Dump, check and upload", "shell": "bash"}
    title, minutes = "Back up the database", 60
    if method == "dump":
        image = postgres_image(runtime, options.image, "rules.missing-backup-job.image")
        if isinstance(image, Blocked):
            return image
        secret = url[1] if url is not None else "DATABASE_URL"
        if url is None:
            todo.append("set the secret DATABASE_URL to the address of the database itself, not of a pooler")
        todo += [
            "set the variable BACKUP_BUCKET to a bucket with versioning and encryption, and allow the AWS identity "
            "s3:PutObject, s3:ListBucket and s3:DeleteObject there",
            "let the database accept connections from the runner",
        ]
        step["env"] = {
            "DATABASE_URL": f"${{{{ secrets.{secret} }}}}",
            "BACKUP_BUCKET": "${{ vars.BACKUP_BUCKET }}",
            "POSTGRES": image,
            "KEEP_DAYS": str(options.keep_days),
        }
        text = script(__package__, "dump.sh")
    else:
        title, minutes = "Check RDS's backups", 10
        instance = named or "${{ vars.DB_INSTANCE }}"
        read = only_read(instance)
        if read is not None and read.context == "vars":
            todo.append(f"set the variable {read.name} to the name of the production database instance")
        todo.append("allow the AWS identity rds:DescribeDBInstances")
        step = {"name": "Check retention, encryption and age"}
        step["env"] = {"DB_INSTANCE": instance, "KEEP_DAYS": "7", "MAX_AGE_MINUTES": "60"}
        text = script(__package__, "rds.sh")
    todo += signed.todo
    made = {
        "name": title,
        "runs-on": "ubuntu-latest",
        "timeout-minutes": minutes,
        **signed.keys,
        "steps": [signed.step, {**step, "run": text}],
    }
    content = scheduled_workflow("Backup", options.cron, "backup", made, job.workflow)
    return Fix.of(
        f"add the workflow {path}",
        NewFile(path, content),
        tier=Tier.REVIEW,
        effects=["a dump of the database every night, and a red run where there is none"]
        if method == "dump"
        else ["a red run where RDS keeps no fresh, encrypted backups"],
        todo=todo,
    )


def _url(workflows: Workflows) -> tuple[Job, str] | None:
    """The job that reaches the database by an address from a secret, and the secret."""
    for workflow in workflows.documents:
        for job in workflow.jobs.values():
            if job.services:
                continue
            for name, value in [
                *workflow.env.items(),
                *job.env.items(),
                *(p for s in job.steps for p in s.env.items()),
            ]:
                read = only_read(value) if _URL.search(name) else None
                if read is not None and read.context == "secrets" and job.steps:
                    return job, read.name
    return None


def _instance(workflows: Workflows) -> str:
    """The expression by which another step names the instance."""
    for workflow in workflows.documents:
        for step in workflow.steps:
            for name, value in (*step.env.items(), *step.inputs.items()):
                if name.lower().replace("_", "-") in ("db-instance", "rds-instance", "db-instance-identifier"):
                    found = [read for read in reads(value) if read.context in ("vars", "secrets")]
                    if found:
                        return value
    return ""


def _has_something_to_lose(django: DjangoProject, deployments: Deployments) -> bool:
    return production(deployments) is not None and django.has_postgres


RULE = Rule(
    __name__,
    "Nothing backs the database of production up on a schedule",
    check,
    audit=("D-005.3",),
    criterion="The database of production is backed up on a schedule",
    hours=(3, 4),
    profile=Profile.AUDIT,
    applies=_has_something_to_lose,
)
