"""The workflows that missing-backup-job and missing-restore-test add, run against real PostgreSQL and an emulated S3.

`docker run postgres:N …` is played by the programs of that version on this machine. Every fault here has to end red,
and what is well green.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.components import path as component
from tests.fixture_cases import FIXTURES
from tests.proofs.aws import Aws, emulator
from tests.proofs.postgres import DATABASE, PASSWORD, USER, Server, postgres
from tests.proofs.runner import Runner, WorkflowRun, does_nothing

pytestmark = pytest.mark.needs("postgres", "postgres-18", "aws", "moto", "jq", "node")

BUCKET = "backups"
ADDED = FIXTURES / "missing-restore-test/dumps-of-a-known-form"
BACKUP = (ADDED / "before/.github/workflows/backup.yml").read_text(encoding="utf-8")
RESTORE = (ADDED / "after/.github/workflows/restore-test.yml").read_text(encoding="utf-8")
RDS = (FIXTURES / "missing-backup-job/rds/after/.github/workflows/backup.yml").read_text(encoding="utf-8")
SIGNED_IN = {"aws-actions/configure-aws-credentials": does_nothing}

DOCKER = """\
#!{python}
import os, sys
bins = {bins}
words = sys.argv[2:]
while words[0].startswith("--"):
    name = words.pop(0)
    if name != "--rm":
        value = words.pop(0)
        if name == "--volume":
            os.chdir(value.partition(":")[0])
version = words.pop(0).partition(":")[2]
os.environ["PATH"] = bins[version] + ":" + os.environ["PATH"]
os.execvp(words[0], words)
"""


@dataclass(frozen=True)
class World:
    """A database of production, and a bucket."""

    server: Server
    aws: Aws
    folder: Path

    @property
    def url(self) -> str:
        return f"postgres://{USER}:{PASSWORD}@127.0.0.1:{self.server.port}/{DATABASE}"

    def backup(self, url: str | None = None, bucket: str = BUCKET, image: str = "postgres:15") -> WorkflowRun:
        secrets = {"SHOP_DATABASE_URL": self.url if url is None else url}
        return self._run(BACKUP.replace("postgres:16-alpine", image), secrets, bucket)

    def restore(self, image: str = "postgres:15", bucket: str = BUCKET) -> WorkflowRun:
        """Into an empty database of the same server, in the place of the job's service."""
        self.server.ask("DROP DATABASE IF EXISTS restored")
        self.server.ask("CREATE DATABASE restored OWNER restore")
        return self._run(
            RESTORE.replace("postgres:16-alpine", image).replace("1:5432/", f"1:{self.server.port}/"), {}, bucket
        )

    def _run(self, workflow: str, secrets: dict[str, str], bucket: str) -> WorkflowRun:
        runner = Runner(
            workflow,
            event="schedule",
            secrets=secrets,
            variables={"BACKUP_BUCKET": bucket},
            plays=SIGNED_IN,
            env=self.aws.env,
            path=[self.folder, self.aws.path],
        )
        for job in runner.data["jobs"].values():
            job.pop("services", None)
        return runner.run()

    # -- the bucket -----------------------------------------------------------------------------------------------

    def empty(self) -> None:
        s3 = self.aws.client("s3")
        for key in self.kept():
            s3.delete_object(Bucket=BUCKET, Key=f"database/{key}")

    def kept(self) -> list[str]:
        found = self.aws.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return sorted(each["Key"].removeprefix("database/") for each in found)

    def put(self, data: bytes, *, hours: float = 0, checksum: str | None = None, whole: bool = True) -> None:
        """A dump of that age, with its own checksum unless another is said, or none where its upload broke off."""
        then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=hours, minutes=1)
        name = then.strftime("database-%Y%m%dT%H%M%SZ.dump")
        s3 = self.aws.client("s3")
        s3.put_object(Bucket=BUCKET, Key=f"database/{name}", Body=data)
        if whole:
            line = f"{checksum or hashlib.sha256(data).hexdigest()}  {name}\n"
            s3.put_object(Bucket=BUCKET, Key=f"database/{name}.sha256", Body=line.encode())

    def dump(self, *options: str, programs: Path | None = None, database: str = DATABASE) -> bytes:
        folder = programs or Path(component("postgres")).parent
        url = self.url.replace(f"/{DATABASE}", f"/{database}")
        command = [str(folder / "pg_dump"), "-Fc", "--no-owner", "--no-privileges", *options, url]
        return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with emulator(tmp_path_factory.mktemp("aws")) as found:
        yield found


@pytest.fixture(scope="module")
def world(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("programs")
    bins = {"15": str(Path(component("postgres")).parent), "18": str(Path(component("postgres-18")).parent)}
    docker = folder / "docker"
    docker.write_text(DOCKER.format(python=sys.executable, bins=json.dumps(bins)), encoding="utf-8")
    docker.chmod(0o755)
    with postgres() as server:
        server.ask("CREATE ROLE restore SUPERUSER LOGIN PASSWORD 'restore'")
        server.ask("CREATE DATABASE bare OWNER app")
        server.ask(
            "CREATE TABLE django_migrations (id int, app text, name text, applied timestamptz);"
            "CREATE TABLE auth_user (id int primary key, username text);"
            "CREATE TABLE entry (id int primary key, note text);"
            "CREATE TABLE nothing_yet (id int);"
            "INSERT INTO django_migrations VALUES (1, 'shop', '0001_initial', now());"
            "INSERT INTO auth_user SELECT i, 'user' || i FROM generate_series(1, 3) i;"
            "INSERT INTO entry SELECT i, md5(i::text) || repeat(md5((i * 7)::text), 4) FROM generate_series(1, 5000) i;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO app"
        )
        aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield World(server, aws, folder)


@pytest.fixture(autouse=True)
def _empty(world: World) -> None:
    world.empty()


@pytest.fixture(scope="module")
def good(world: World) -> bytes:
    return world.dump()


def test_what_the_backup_keeps_the_restore_test_restores(world: World) -> None:
    backup = world.backup()

    assert backup.result == "success", backup.log
    assert [key.partition(".")[2] for key in world.kept()] == ["dump", "dump.sha256"]

    restore = world.restore()

    assert restore.result == "success", restore.log
    assert "1 migrations, 3 tables with rows" in restore.log


@pytest.mark.parametrize("wrong", ["secret", "scheme", "variable", "bucket", "password", "database", "rows", "version"])
def test_a_backup_that_is_none_is_red_and_deletes_nothing(world: World, wrong: str) -> None:
    for days in range(30, 42):
        world.put(b"old", hours=24 * days)
    before = world.kept()

    run = {
        "secret": lambda: world.backup(""),
        "scheme": lambda: world.backup(world.url.replace("postgres:", "postgis:")),
        "variable": lambda: world.backup(bucket=""),
        "bucket": lambda: world.backup(bucket="nowhere"),
        "password": lambda: world.backup(world.url.replace(PASSWORD, "wrong")),
        "database": lambda: world.backup(world.url.replace(f"/{DATABASE}", "/nothing")),
        "rows": lambda: world.backup(world.url.replace(f"/{DATABASE}", "/bare")),
        "version": lambda: _of_a_newer_server(world),
    }[wrong]()

    assert run.result == "failure", run.log
    assert world.kept() == before
    assert PASSWORD not in run.log


def _of_a_newer_server(world: World) -> WorkflowRun:
    with postgres(programs=Path(component("postgres-18")).parent) as newer:
        return world.backup(world.url.replace(str(world.server.port), str(newer.port)))


def test_old_dumps_go_when_a_new_one_is_safe_and_seven_stay(world: World) -> None:
    for days in (*range(31, 41), 5):
        world.put(b"old", hours=24 * days)

    assert world.backup().result == "success"

    dumps = [key for key in world.kept() if key.endswith(".dump")]
    assert len(dumps) == 7
    assert len(world.kept()) == 14, "each with its checksum"


@pytest.mark.parametrize(
    "fault",
    [
        "none", "old", "cut off", "cut off on its way", "a byte", "empty", "plain SQL", "schema only",
        "another database", "newer client", "newer client on both sides",
    ],
)  # fmt: skip
def test_the_restore_test_is_red(world: World, good: bytes, fault: str) -> None:
    newer = Path(component("postgres-18")).parent
    middle = len(good) // 2
    match fault:
        case "old":
            world.put(good, hours=30)
        case "cut off":
            world.put(good[:middle])
        case "cut off on its way":
            world.put(good[:middle], checksum=hashlib.sha256(good).hexdigest())
        case "a byte":
            world.put(bytes([*good[:middle], good[middle] ^ 255, *good[middle + 1 :]]))
        case "empty":
            world.put(b"")
        case "plain SQL":
            world.put(b"SELECT 1;")
        case "schema only":
            world.put(world.dump("--schema-only"))
        case "another database":
            world.put(world.dump(database="bare"))
        case "newer client" | "newer client on both sides":
            world.put(world.dump(programs=newer))

    run = world.restore("postgres:18" if fault.endswith("sides") else "postgres:15")

    assert run.result == "failure", run.log


def test_what_broke_off_on_its_way_is_no_backup(world: World, good: bytes) -> None:
    world.put(good, hours=2)
    world.put(good[:100], whole=False)

    run = world.restore()

    assert run.result == "success", run.log


def test_no_bucket_nothing_restored(world: World) -> None:
    assert world.restore(bucket="").result == "failure"


@pytest.mark.parametrize(
    ("retention", "encrypted", "minutes", "result"),
    [(7, True, 5, "success"), (1, True, 5, "failure"), (7, False, 5, "failure"), (7, True, 90, "failure"),
     (7, True, None, "failure")],
)  # fmt: skip
def test_the_backups_of_rds_are_kept_encrypted_and_fresh(
    world: World, tmp_path: Path, retention: int, encrypted: bool, minutes: int | None, result: str
) -> None:
    """The answer is AWS' documented form; the emulator has no time to which it can restore."""
    instance = {"BackupRetentionPeriod": retention, "StorageEncrypted": encrypted}
    if minutes is not None:
        then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=minutes)
        instance["LatestRestorableTime"] = then.isoformat()  # type: ignore[assignment]
    (tmp_path / "aws").write_text(f"#!/bin/sh\ncat <<'X'\n{json.dumps({'DBInstances': [instance]})}\nX\n")
    (tmp_path / "aws").chmod(0o755)

    run = Runner(RDS, event="schedule", variables={"DB_INSTANCE": "shop"}, plays=SIGNED_IN, path=[tmp_path]).run()

    assert run.result == result, run.log


def test_an_instance_that_nobody_names_is_red(world: World) -> None:
    run = Runner(RDS, event="schedule", plays=SIGNED_IN, env=world.aws.env, path=[world.aws.path]).run()

    assert run.result == "failure"


def test_the_calls_are_those_of_rds(world: World) -> None:
    """An instance that does not exist is an error of the real command line against the emulator, not of our reading."""
    variables = {"DB_INSTANCE": "not-there"}

    run = Runner(RDS, variables=variables, plays=SIGNED_IN, env=world.aws.env, path=[world.aws.path]).run()

    assert run.result == "failure"
    assert "DBInstanceNotFound" in run.log
