"""Who backs the database up on a schedule, and who tries whether what is kept can be restored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from fixer.github.workflow import Job, Workflow
from fixer.github.workflows import path_within
from fixer.languages.shell import Command
from fixer.patterns import Rare
from fixer.records import entity, record
from fixer.recovery.scripts import DUMPS
from fixer.runtime.following import Code, Followed, Where
from fixer.runtime.texts import InYaml

if TYPE_CHECKING:
    from fixer.repository import Repository

_BACKS_UP = re.compile(
    r"create-db-(?:cluster-)?snapshot|pg_dump|pg_basebackup|mysqldump|start-backup-job|sql backups create|"
    r"velero backup|barman|wal-g|pgbackrest|\bbackup\b[\w-]*\.(?:sh|py)|dbbackup"
)
CHECKS_RDS = "BackupRetentionPeriod"
"""The property of RDS by which a job sees whether RDS itself keeps backups."""
KEPT = ".dump.sha256"
"""What a backup of fhfix has when it is whole, and is looked for when one is restored."""

_RESTORES = frozenset(("pg_restore", "dropdb"))
_RESTORES_RDS = re.compile(r"restore-db-(?:instance|cluster)-(?:from|to)")
# Files that say that a platform, or something else than a workflow, keeps backups: the path, and what they all hold.
_INFRASTRUCTURE: tuple[tuple[re.Pattern[str], tuple[Rare, ...]], ...] = tuple(
    (re.compile(path), tuple(texts))
    for path, *texts in (
        # A variable or a condition is taken to keep some in production.
        (r"\.tf$", Rare(r"(?m)^\s*backup_retention_period\s*=\s*(?!0\b|null\b)\S", "backup_retention_period")),
        (r"\.tf$", Rare(r"(?m)^\s*resource\s+\"aws_backup_plan\"", "aws_backup_plan")),
        (
            r"\.(?:ts|py)$",
            Rare(r"aws_rds|aws-rds|aws_backup", "aws_rds", "aws-rds", "aws_backup"),
            Rare(r"(?:backup_retention=|backupRetention:|BackupPlan\()", "backup", "BackupPlan"),
        ),
        (
            r"(?:^|/)(?:template|cloudformation)[^/]*\.(?:ya?ml|json)$",
            Rare(r"BackupRetentionPeriod\W{1,4}[1-9]", "BackupRetentionPeriod"),
        ),
        (r"(?:^|/)render\.ya?ml$", Rare(r"(?m)^databases:", "databases:")),
        (r"(?:^|/)app\.json$", Rare(r"heroku-postgresql", "heroku-postgresql")),
        (r"(?:^|/)\.do/[^/]+\.ya?ml$", Rare(r"engine: PG", "engine: PG")),
        (
            r"(?:^|/)(?:crontab[^/]*|cron\.d/[^/]+|[^/]+\.cron)$",
            Rare(r"(?m)^[^#\n]*(?:pg_dump|backup)", "pg_dump", "backup"),
        ),
        (r"^(?!\.github/).*\.ya?ml$", Rare(r"(?m)^kind: CronJob", "CronJob"), Rare(r"pg_dump", "pg_dump")),
        (
            r"^(?!\.github/).*\.ya?ml$",
            Rare(
                r"(?m)^kind: ScheduledBackup|^\s*(?:- )?image:\s*\S*(?:postgres-backup|db-backup|pgback)",
                *("ScheduledBackup", "postgres-backup", "db-backup", "pgback"),
            ),
        ),
        (
            r"(?:^|/)(?:celery|settings|beat|schedule)[^/]*\.py$",
            Rare(r"dbbackup", "dbbackup"),
            Rare(r"crontab\(", "crontab("),
        ),
    )
)
_INFRASTRUCTURE_SUFFIXES = (".tf", ".ts", ".py", ".yml", ".yaml", ".json", ".cron")
_RDS = Rare(
    r"\baws rds \w|aws_db_instance|\.rds\.amazonaws\.com|RDS_INSTANCE|rds-snapshot|aws_rds|aws-rds",
    *("aws rds ", "aws_db_instance", ".rds.amazonaws.com", "RDS_INSTANCE", "rds-snapshot", "aws_rds", "aws-rds"),
)
_CODE_SUFFIXES = (".sh", ".bash", ".tf", ".ts", ".py", ".yml", ".yaml", ".env", ".json", "")
_CODE = re.compile(r"\.(?:sh|bash|tf|ts|py|ya?ml|env|json)$|(?:^|/)\.env[\w.]*$|(?:^|/)(?:bin|scripts)/[\w-]+$")


def backs_up(text: str) -> bool:
    """Whether commands back a database up, by the programs, calls and scripts that they name."""
    return _BACKS_UP.search(text) is not None


@entity
class Scheduled:
    """A job that runs on a schedule, and all commands that it runs, those of the repository's scripts included."""

    job: Job
    commands: tuple[Command, ...]

    @property
    def text(self) -> str:
        return "\n".join(command.source for command in self.commands)

    @property
    def backs_up(self) -> bool:
        named = any("backup" in step.action.lower() for step in self.job.steps)
        return named or backs_up(self.text) or CHECKS_RDS in self.text

    @property
    def keeps_checked_dumps(self) -> bool:
        """Whether it uploads dumps, and their checksum last, as fhfix's own job does."""
        script = "\n".join(str(step.run.value) for step in self.job.steps if step.run is not None)
        return any(command.name in DUMPS or "pg_dump" in command.source for command in self.commands) and (
            'dump.sha256"' in script and "BACKUP_BUCKET" in script
        )

    @property
    def restores(self) -> bool:
        """Whether it restores what was kept, with psql or pg_restore, or a snapshot."""
        if _RESTORES_RDS.search(self.text):
            return True
        for command in self.commands:
            name = "pg_restore" if re.search(r"\bpg_restore\b", command.source) else command.name
            if name in _RESTORES and "/dev/null" not in command.source and not command.has("--list", "-l"):
                return True
            if command.name == "psql" and any(each.operator == "<" for each in command.redirects):
                return True
        return False


@entity
class Backups:
    """The jobs that run on a schedule; the file that says that something else keeps backups, and one that speaks of
    RDS; empty where none does."""

    jobs: tuple[Scheduled, ...]
    infrastructure: str
    rds: str

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Every repository has this fact; it is empty where nothing runs on a schedule."""
        code = sorted({*repository.ending(*_CODE_SUFFIXES), *repository.holding(".env")})
        rds = (path for path in code if _CODE.search(path) and _tells(path, repository).rds)
        return cls(tuple(_scheduled(repository)), _infrastructure(repository), next(rds, ""))

    @property
    def scheduled(self) -> Scheduled | None:
        """A job that backs up."""
        return next((each for each in self.jobs if each.backs_up and not each.restores), None)

    @property
    def tried(self) -> Scheduled | None:
        """A job that restores."""
        return next((each for each in self.jobs if each.restores), None)


def _scheduled(repository: Repository) -> Iterator[Scheduled]:
    for workflow in repository.documents(Workflow, lambda source: "schedule" in source.text):
        if not workflow.is_run or "schedule" not in workflow.triggers:
            continue
        for job in workflow.jobs.values():
            commands: list[Command] = []
            for step in job.steps:
                script = step.script
                if step.run is None or script is None or script.error:
                    continue
                followed = Followed()
                where = Where(repository, path_within("", step.working_directory or "."))
                followed.run(Code(script, InYaml(workflow, step.run)), where)
                commands += [each.command for each in (*followed.commands, *followed.calls)]
            yield Scheduled(job, tuple(commands))


def _infrastructure(repository: Repository) -> str:
    paths = sorted({*repository.ending(*_INFRASTRUCTURE_SUFFIXES), *repository.holding("cron")})
    return next((path for path in paths if _tells(path, repository).keeps_backups), "")


@record
class _Tells:
    """What one file says of backups that no workflow makes, and of RDS."""

    keeps_backups: bool = False
    rds: bool = False

    @classmethod
    def detect(cls, repository: Repository, path: str) -> Self:
        text = repository.text(path)
        backups = any(named.search(path) and all(p.search(text) for p in said) for named, said in _INFRASTRUCTURE)
        return cls(backups, _RDS.search(text) is not None)


def _tells(path: str, repository: Repository) -> _Tells:
    return repository.part(_Tells, path) or _Tells()
