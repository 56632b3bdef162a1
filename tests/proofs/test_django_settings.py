"""Django started with the rewritten settings, against a real PostgreSQL, for each pair of Django and driver."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fixer.registry import all_rules
from tests import components
from tests.fixture_cases import planned
from tests.proofs.django_cells import Cell, cells
from tests.proofs.postgres import DATABASE, PASSWORD, USER, Server, free_port, pgbouncer, postgres

PROBE = Path(__file__).parent / "django_probe.py"
CELLS = cells()
components.COMPONENTS.update(
    {str(cell): components.Component(lambda cell=cell: cell.python, cell.how) for cell in CELLS}  # type: ignore[misc]
)

FILES = {
    "manage.py": """\
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
""",
    "site_/__init__.py": "",
    "site_/wsgi.py": """\
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")
application = get_wsgi_application()
""",
    "site_/asgi.py": """\
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")
application = get_asgi_application()
""",
    "site_/urls.py": """\
from django.db import connection
from django.http import HttpResponse
from django.urls import path


def answer(sql):
    def view(request):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return HttpResponse(str(cursor.fetchone()[0]))

    return view


urlpatterns = [
    path("pid", answer("SELECT pg_backend_pid()")),
    path("slow", answer("SELECT pg_sleep(0.7) /* the slow one */")),
    path("fast", answer("SELECT 1 /* the fast one */")),
]
""",
    "shop/__init__.py": "",
    "shop/models.py": """\
from django.db import models


class Item(models.Model):
    name = models.CharField(max_length=20)
""",
    "shop/migrations/__init__.py": "",
    "shop/migrations/0001_initial.py": """\
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            "Item",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=20)),
            ],
        ),
        migrations.RunSQL("SELECT pg_sleep(1)", migrations.RunSQL.noop),
    ]
""",
    "site_/settings.py": """\
import os

SECRET_KEY = "for a proof"
DEBUG = os.getenv("DEBUG") == "1"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "site_.urls"
INSTALLED_APPS = ["shop"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.getenv("DB_NAME"),
        "USER": os.getenv("DB_USER"),
        "PASSWORD": os.getenv("DB_PASSWORD"),
        "HOST": os.getenv("DB_HOST"),
        "PORT": os.getenv("DB_PORT"),
        # REPLACED
    },
}
""",
}

Answers = dict[str, Any]
PATIENCE = 60
"""Seconds that something may take on a machine that is busy with other things; nothing is proven by it."""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_up(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=PATIENCE).read()
    except OSError:
        return False
    return True


class Project:
    """A Django project of one cell in a folder, as found or as fixed."""

    def __init__(self, folder: Path, cell: Cell, *, server: str = "wsgi", keys: str = "", databases: str = "") -> None:
        self.folder, self.cell = folder, cell
        application = "uvicorn site_.asgi:application" if server == "asgi" else "gunicorn site_.wsgi:application"
        extra = {"requirements.txt": cell.requirements, "Dockerfile": f"FROM python:3\nCMD {application} --workers 2\n"}
        for path, text in {**FILES, **extra}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text.replace("# REPLACED", keys), encoding="utf-8")
        if databases:
            settings = folder / "site_/settings.py"
            settings.write_text(settings.read_text().partition("DATABASES")[0] + databases, encoding="utf-8")

    @property
    def settings(self) -> str:
        return (self.folder / "site_/settings.py").read_text(encoding="utf-8")

    def fix(self, config: str = "") -> Project:
        """Writes what the rules of the pack make of it."""
        rules = [rule for rule in all_rules() if rule.pack == "django"]
        found = planned(self.folder, {}, rules, config)
        assert found.faults == ()
        assert found.files
        for path, change in found.files.items():
            (self.folder / path).write_bytes(change.after.to_bytes())
        assert planned(self.folder, {}, rules, config).files == {}
        return self

    def environment(self, server: Server, **variables: str) -> dict[str, str]:
        return {
            "DB_NAME": DATABASE, "DB_USER": USER, "DB_PASSWORD": PASSWORD, "DB_HOST": server.host,
            "DB_PORT": str(server.port), **variables,
        }  # fmt: skip

    def ask(self, server: Server, *questions: str, **variables: str) -> Answers:
        """Answers of the probe; the text that Django logged is under `log`."""
        done = self.cell.run(
            str(PROBE), *questions, cwd=self.folder, env=self.environment(server, **variables)
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return {**json.loads(done.stdout.splitlines()[-1]), "log": done.stderr}

    def manage(self, server: Server, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.cell.run("manage.py", *arguments, cwd=self.folder, env=self.environment(server, **variables))

    @contextlib.contextmanager
    def served(self, server: Server, **variables: str) -> Iterator[str]:
        """The address of uvicorn, which runs the project."""
        port = free_port()
        process = subprocess.Popen(
            self.cell.command("-m", "uvicorn", "site_.asgi:application", "--port", str(port), "--log-level", "warning"),
            cwd=self.folder,
            env=self.cell.environment(self.folder, self.environment(server, **variables)),
            stderr=subprocess.DEVNULL,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: is_up(f"{address}/fast"))
            yield address
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


@pytest.fixture(scope="module")
def plain() -> Iterator[Server]:
    with postgres() as server:
        yield server


@pytest.fixture(scope="module")
def with_tls() -> Iterator[Server]:
    with postgres(tls=True) as server:
        yield server


@pytest.fixture(scope="module", params=[pytest.param(c, marks=pytest.mark.needs(str(c))) for c in CELLS], ids=str)
def cell(request: pytest.FixtureRequest) -> Cell:
    found: Cell = request.param
    found.install()
    return found


@pytest.fixture(scope="module")
def fixed(cell: Cell, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with MySQL's options, the key that no Django reads, and nothing else, after the fix."""
    keys = '"OPTIONS": {"charset": "utf8mb4"}, "POOL": {"MAX_CONNS": 20},'
    return Project(tmp_path_factory.mktemp("fixed"), cell, keys=keys).fix()


@pytest.mark.needs("postgres")
def test_as_found_no_query_succeeds(cell: Cell, plain: Server, tmp_path: Path) -> None:
    found = Project(tmp_path, cell, keys='"OPTIONS": {"charset": "utf8mb4"},')

    assert 'invalid connection option "charset"' in found.ask(plain, "select")["select"]["error"]
    assert found.manage(plain, "check").returncode == 0  # nothing but a query tells


@pytest.mark.needs("postgres")
def test_no_server_is_asked_for_tls_that_may_not_have_it_and_the_environment_decides(
    fixed: Project, plain: Server, with_tls: Server
) -> None:
    assert fixed.ask(plain, "tls")["tls"] == {"is": False}
    assert fixed.ask(with_tls, "tls")["tls"] == {"is": True}
    assert "SSL" in fixed.ask(plain, "select", PGSSLMODE="require")["select"]["error"]


@pytest.mark.needs("postgres")
def test_tls_is_insisted_on_where_every_host_is_a_providers(cell: Cell, plain: Server, tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text("DB_HOST=shop.abc.eu-west-1.rds.amazonaws.com\n")
    project = Project(tmp_path, cell).fix()

    assert "SSL" in project.ask(plain, "select")["select"]["error"]


@pytest.mark.needs("postgres")
def test_requests_share_a_connection(cell: Cell, fixed: Project, plain: Server, tmp_path: Path) -> None:
    as_found = Project(tmp_path, cell)

    assert as_found.ask(plain, "backends")["backends"] == {"is": 20}
    assert fixed.ask(plain, "backends")["backends"] == {"is": 1}


@pytest.mark.needs("postgres")
def test_a_closed_connection_is_replaced(fixed: Project, plain: Server) -> None:
    statuses = fixed.ask(plain, "healed")["healed"]["is"]

    # Health checks began with Django 4.1: before, one request meets the dead connection.
    assert statuses == (["200", "200", "200"] if fixed.cell.release >= (4, 1) else ["200", "500", "200"])


@pytest.mark.needs("postgres")
def test_a_long_statement_of_a_request_is_cancelled_and_a_migration_is_not(
    cell: Cell, fixed: Project, plain: Server, tmp_path: Path
) -> None:
    assert fixed.ask(plain, "limit")["limit"] == {"is": "30s"}

    project = Project(tmp_path, cell).fix("[rules.unpooled-database]\nstatement-timeout-ms = 300\n")
    found = project.ask(plain, "limit", "cancelled")
    assert found["limit"] == {"is": "300ms"}
    message, _, afterwards = found["cancelled"]["is"]
    assert "canceling statement due to statement timeout" in message
    assert afterwards == 1
    project.manage(plain, "migrate", "shop", "zero")
    migrated = project.manage(plain, "migrate")  # which sleeps for a second
    assert migrated.returncode == 0, migrated.stderr


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("debug", ["0", "1"])
def test_a_slow_query_is_logged_and_a_fast_one_is_not(
    cell: Cell, fixed: Project, plain: Server, tmp_path: Path, debug: str
) -> None:
    log = fixed.ask(plain, "slow", DEBUG=debug)["log"]
    assert log.count("the slow one") == 1
    assert log.count("the fast one") < 3  # of three; a busy machine may make one slow

    logger = {"handlers": ["console"], "level": "WARNING"}
    advised = {
        "version": 1,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "loggers": {"django.db.backends": logger},
    }
    as_found = Project(tmp_path, cell)
    with (tmp_path / "site_/settings.py").open("a") as file:
        file.write(f"LOGGING = {advised!r}\n")
    assert "the slow one" not in as_found.ask(plain, "slow", DEBUG=debug)["log"]


@pytest.mark.needs("postgres")
def test_management_commands_and_the_test_runner_work(fixed: Project, plain: Server) -> None:
    for command in (["check"], ["migrate"], ["makemigrations", "--check"], ["test"]):
        done = fixed.manage(plain, *command)
        assert done.returncode == 0, done.stderr


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("made", ["dj_database_url.config()", "{**dj_database_url.config()}", "made"])
def test_settings_from_a_url_get_the_same_and_keep_what_the_url_says(
    cell: Cell, plain: Server, tmp_path: Path, made: str
) -> None:
    first = "made = dj_database_url.config()\n" if made == "made" else ""
    databases = f'import dj_database_url\n\n{first}DATABASES = {{"default": {made}}}\n'
    project = Project(tmp_path, cell, databases=databases)

    def url(server: Server, query: str = "") -> str:
        return f"postgres://{USER}:{PASSWORD}@{server.host}:{server.port}/{DATABASE}{query}"

    if cell.driver == "psycopg-pool":
        assert "CONN_MAX_AGE" not in project.fix().settings  # Django refuses it beside a pool
        pooled = url(plain, "?sslmode=disable&pool=true")
        assert project.ask(plain, "select", DATABASE_URL=pooled)["select"] == {"is": 1}
        return
    project.fix()
    answers = project.ask(plain, "tls", "limit", "backends", DATABASE_URL=url(plain))
    assert (answers["tls"], answers["limit"], answers["backends"]) == ({"is": False}, {"is": "30s"}, {"is": 1})
    assert "SSL" in project.ask(plain, "select", DATABASE_URL=url(plain, "?sslmode=require"))["select"]["error"]
    assert project.ask(plain, "select", DATABASE_URL="sqlite:///x.sqlite3")["select"] == {"is": 1}


@pytest.mark.needs("postgres", "pgbouncer")
def test_a_pooler_that_nothing_tells_of_refuses_nothing(cell: Cell, plain: Server, tmp_path: Path) -> None:
    with pgbouncer(plain) as pooler:
        unknown = Project(tmp_path / "unknown", cell).fix()
        answers = unknown.ask(pooler, "select", "limit", "backends")
        assert (answers["select"], answers["limit"]) == ({"is": 1}, {"is": "30s"})

        known = Project(tmp_path / "known", cell, keys='"DISABLE_SERVER_SIDE_CURSORS": True,').fix()
        assert known.ask(pooler, "select")["select"] == {"is": 1}
        assert "statement_timeout" not in (known.folder / "site_/wsgi.py").read_text()


@pytest.mark.needs("postgres")
def test_prepare_threshold_does_what_the_rule_says_of_it(cell: Cell, plain: Server, tmp_path: Path) -> None:
    half = Project(tmp_path / "half", cell, keys='"OPTIONS": {"prepare_threshold": 5},')
    if cell.driver == "psycopg2":
        assert 'invalid connection option "prepare_threshold"' in half.ask(plain, "select")["select"]["error"]
        assert half.fix().ask(plain, "select")["select"] == {"is": 1}
        return
    half.manage(plain, "migrate")
    assert half.ask(plain, "prepared")["prepared"] == {"is": 0}
    opted_in = Project(tmp_path / "pair", cell, keys='"OPTIONS": {"prepare_threshold": 5},')
    (opted_in.folder / "site_/urls.py").write_text("urlpatterns = []\n")  # beside SQL by hand the rule refuses
    opted_in.fix("[rules.unprepared-statements]\nserver-side-binding = true\n")
    assert opted_in.ask(plain, "prepared")["prepared"]["is"] >= 1


@pytest.mark.needs("postgres")
def test_under_asgi_connections_are_pooled_where_django_can_and_never_kept_where_it_cannot(
    cell: Cell, plain: Server, tmp_path: Path
) -> None:
    project = Project(tmp_path, cell, server="asgi", keys='"CONN_MAX_AGE": 600,').fix()
    with project.served(plain) as address, ThreadPoolExecutor(8) as clients:
        ask = f"{address}/pid"
        pids = set(clients.map(lambda _: urllib.request.urlopen(ask, timeout=PATIENCE).read(), range(60)))

        def opened() -> int:
            return int(plain.ask(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{USER}'"))

        if cell.release < (4, 0):
            assert len(pids) <= 2  # one thread runs all views, and keeps its connection
        elif cell.driver == "psycopg-pool" and cell.release >= (5, 1):
            assert len(pids) <= 20
            assert opened() <= 20
        else:
            assert len(pids) > 20  # one for each request …
            wait_until(lambda: opened() <= 2)  # … and none is left behind
