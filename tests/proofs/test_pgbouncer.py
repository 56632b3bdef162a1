"""What missing-pgbouncer writes, run under Django: pgbouncer with this configuration, PostgreSQL with SCRAM."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from tests.components import path as component
from tests.fixture_cases import FIXTURES
from tests.proofs.postgres import DATABASE, PASSWORD, USER, Server, free_port, pgbouncer, postgres

pytestmark = pytest.mark.needs("postgres", "pgbouncer", "django")

CASE = FIXTURES / "missing-pgbouncer/host-of-a-variable"
INI = (CASE / "after/pgbouncer/pgbouncer.ini").read_text(encoding="utf-8")
FEW = INI.replace("default_pool_size = 20", "default_pool_size = 3")
CURSORS = '"DISABLE_SERVER_SIDE_CURSORS": True,'

SETTINGS = """\
from shop.settings import *
DATABASES["default"] |= {"NAME": "%s", "USER": "%s", "PORT": os.environ["PORT"]}
"""
# Twelve clients, each of which reads all rows in small steps.
READING = """\
import threading, django
django.setup()
from django.contrib.contenttypes.models import ContentType
from django.db import connection
failed = []
def read():
    try:
        for _ in range(8):
            assert len(list(ContentType.objects.iterator(chunk_size=1))) > 3
    except Exception as error:
        failed.append(error)
    finally:
        connection.close()
threads = [threading.Thread(target=read) for _ in range(12)]
[each.start() for each in threads]
[each.join() for each in threads]
print(len(failed), failed[:1])
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


def project(folder: Path) -> Path:
    shutil.copytree(CASE / "before", folder)
    shutil.copytree(CASE / "after", folder, dirs_exist_ok=True)
    (folder / "proof.py").write_text(SETTINGS % (DATABASE, USER), encoding="utf-8")
    return folder


def python(root: Path, server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": os.environ["PATH"], "SECRET_KEY": "x", "DB_HOST": server.host, "DB_PASSWORD": PASSWORD,
        "PORT": str(server.port), "DJANGO_SETTINGS_MODULE": "proof",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, *words], cwd=root, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def asked(server: Server, sql: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """As the health check asks."""
    psql = Path(component("postgres")).parent / "psql"
    env = {"PGPASSWORD": password, "PGCONNECT_TIMEOUT": "5"}
    where = ["-h", server.host, "-p", str(server.port), "-U", USER, "-d", DATABASE]
    return subprocess.run([str(psql), *where, "-Atc", sql], env=env, capture_output=True, text=True, check=False)


def test_django_migrates_and_reads_through_the_pooler(server: Server, tmp_path: Path) -> None:
    root = project(tmp_path / "shop")
    settings = root / "shop/settings.py"
    with pgbouncer(server, FEW) as pooler:
        migrated = python(root, pooler, "-m", "django", "migrate")
        assert migrated.returncode == 0, migrated.stderr

        well = python(root, pooler, "-c", READING)
        assert well.stdout == "0 []\n", well.stdout + well.stderr

        text = settings.read_text(encoding="utf-8")
        assert CURSORS in text
        settings.write_text(text.replace(CURSORS, ""), encoding="utf-8")
        cursors = python(root, pooler, "-c", READING)
        assert "does not exist" in cursors.stdout, "server-side cursors are lost between transactions"

        used = server.ask(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{DATABASE}' AND usename = '{USER}'")
        assert int(used) <= 3


def test_a_password_logs_in_and_a_hash_of_md5_does_not(server: Server) -> None:
    hashed = hashlib.md5(f"{PASSWORD}{USER}".encode(), usedforsecurity=False).hexdigest()
    with pgbouncer(server, INI) as pooler:
        assert asked(pooler, "select 1").stdout == "1\n"
        assert asked(pooler, "select 1", "wrong").returncode != 0
    with pgbouncer(server, INI, users=f'"{USER}" "md5{hashed}"\n') as pooler:
        assert asked(pooler, "select 1").returncode != 0


def test_the_health_check_sees_that_the_database_is_away(server: Server) -> None:
    """Which a check of the pooler alone does not."""
    ready = Path(component("postgres")).parent / "pg_isready"
    with pgbouncer(replace(server, port=free_port()), INI) as pooler:
        where = ["-h", pooler.host, "-p", str(pooler.port)]
        assert subprocess.run([str(ready), *where], capture_output=True, check=False).returncode == 0
        assert asked(pooler, "select 1").returncode != 0


def test_what_one_client_sets_another_one_gets(server: Server) -> None:
    """Why settings of a session block the rule."""
    one = FEW.replace("default_pool_size = 3", "default_pool_size = 1")
    code = dedent(
        f"""\
        import psycopg2
        def client():
            made = psycopg2.connect("host=127.0.0.1 port=PORT user={USER} password={PASSWORD} dbname={DATABASE}")
            made.autocommit = True
            return made.cursor()
        first, second = client(), client()
        first.execute("SET search_path TO tenant_one")
        second.execute("SHOW search_path")
        print(second.fetchone()[0])
        """
    )
    with pgbouncer(server, one) as pooler:
        done = subprocess.run(
            [sys.executable, "-c", code.replace("PORT", str(pooler.port))], capture_output=True, text=True, check=False
        )
        assert done.stdout == "tenant_one\n", done.stderr
