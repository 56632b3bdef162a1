"""The bundled repository of FinanceHub's shape: its settings, rewritten, against real servers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.registry import all_rules
from tests.fixture_cases import FIXTURES, files, planned, write
from tests.proofs.django_cells import Cell
from tests.proofs.postgres import DATABASE, PASSWORD, USER, Server, postgres

PROBE = Path(__file__).parent / "django_probe.py"
# Packages that the pair's folder does not have: enough of them for the settings to be imported.
STUBS = {
    "whitenoise/__init__.py": "",
    "whitenoise/middleware.py": "def WhiteNoiseMiddleware(get_response):\n    return get_response\n",
    "stubbed_urls.py": "urlpatterns = []\n",
}


@pytest.fixture(scope="module")
def with_tls() -> Iterator[Server]:
    with postgres(tls=True) as server:
        yield server


@pytest.mark.needs("postgres")
def test_both_databases_connect_and_nothing_of_the_audit_is_left_open(with_tls: Server, tmp_path: Path) -> None:
    cell = Cell("4.2", "psycopg2")
    cell.install()
    rules = [rule for rule in all_rules() if rule.pack == "django"]
    found = planned(tmp_path, files(FIXTURES / "financehub" / "before"), rules)
    assert found.faults == ()
    assert {reported.rule.id for reported in found.taken} == {
        "mysql-options-on-postgres", "unlogged-slow-queries", "unpooled-database",
    }  # fmt: skip
    assert {reported.rule.id for reported in found.left} == {"unprepared-statements"}
    (source,) = (tmp_path / path for path in found.files if path.endswith("settings.py"))
    write(tmp_path, {path: change.after.to_bytes() for path, change in found.files.items()})
    project = write(source.parent.parent, STUBS)

    question = "from django.db import connections\n" + (
        "def ask(alias, sql):\n    with connections[alias].cursor() as cursor:\n        cursor.execute(sql)\n"
        "        return cursor.fetchone()[0]\n"
        "import django, importlib, json, sys\ndjango.setup()\n"
        "tls = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'\n"
        "from django.conf import settings\n"
        "settings.DATABASES['figures']['NAME'] = settings.DATABASES['default']['NAME']\n"
        "if 'served' in sys.argv:\n    importlib.import_module('config.wsgi')\n"
        "print(json.dumps([ask(alias, sql) for alias in connections for sql in (tls, 'SHOW statement_timeout')]))\n"
        "ask('default', 'SELECT pg_sleep(0.6)')\n"
    )
    environment = {
        "DB_NAME": DATABASE, "DB_USER": USER, "DB_PASSWORD": PASSWORD, "DB_HOST": with_tls.host,
        "DB_PORT": str(with_tls.port), "DJANGO_SETTINGS_MODULE": f"{source.parent.name}.settings",
    }  # fmt: skip
    done = cell.run("-c", question, "served", cwd=project, env=environment)
    job = cell.run("-c", question, cwd=project, env=environment)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [True, "30s", True, "30s"]
    assert json.loads(job.stdout.splitlines()[-1]) == [True, "0", True, "0"]
    slow = re.search(r"slow query \(([\d.]+) s, default\): SELECT pg_sleep", done.stderr)
    assert slow is not None
    assert float(slow[1]) >= 0.6
