"""What the rules of the pack say where they cannot fix, and that the line to configure does what it promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fixer.model import Blocked, Fix, Plan
from fixer.registry import all_rules
from tests.fixture_cases import planned

RULES = [rule for rule in all_rules() if rule.id == "unpooled-database"]
UNPREPARED = [rule for rule in all_rules() if rule.id == "unprepared-statements"]
LITERAL = 'DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": "db.example.com"}}\n'
URL = 'import dj_database_url\n\nDATABASES = {"default": dj_database_url.config()}\n'


def made(root: Path, settings: str, config: str = "", **files: str) -> Plan:
    given = {"manage.py": "", "app/settings.py": settings, "requirements.txt": "Django==5.2.1\npsycopg\n", **files}
    return planned(root, {path: text.encode() for path, text in given.items()}, RULES, config)


def blocked(found: Plan) -> list[Blocked]:
    return [reported.finding.cure for reported in found.left if isinstance(reported.finding.cure, Blocked)]


@pytest.mark.parametrize("settings", [LITERAL, URL])
def test_an_unknown_server_is_said_and_its_line_is_enough(settings: str, tmp_path: Path) -> None:
    first = made(tmp_path, settings)
    (cure,) = blocked(first)
    assert all("CONN_MAX_AGE" not in change.after.text for change in first.files.values())

    line = cure.config.removeprefix("rules.unpooled-database.")
    second = made(tmp_path, settings, f"[rules.unpooled-database]\n{line}\n")
    assert blocked(second) == []
    assert re.search(r"\bconn_max_age\b", second.files["app/settings.py"].after.text, re.IGNORECASE)


def test_two_kinds_of_servers_are_both_named(tmp_path: Path) -> None:
    compose = "services:\n  api:\n    build: .\n    command: uvicorn app.asgi:application\n"
    files = {"Dockerfile": "FROM python:3\nCMD gunicorn app.wsgi\n", "compose.yaml": compose}
    (cure,) = blocked(made(tmp_path, LITERAL, "", **files))

    assert cure.reason.startswith("Dockerfile:2 starts gunicorn (WSGI) and compose.yaml:4 starts uvicorn (ASGI)")


@pytest.mark.parametrize("settings", [LITERAL, URL])
def test_what_a_pool_needs_is_said_under_asgi(settings: str, tmp_path: Path) -> None:
    (cure,) = blocked(made(tmp_path, settings, Dockerfile="FROM python:3\nCMD uvicorn app.asgi:application\n"))

    assert "Django's needs psycopg[pool]" in cure.reason
    assert cure.next_step == "ask for psycopg[pool] in requirements.txt, or put pgbouncer in front"


@pytest.mark.parametrize(
    ("files", "helps"),
    [
        ({}, True),
        ({"requirements.txt": "Django==5.2.1\npsycopg2\n"}, False),
        ({"app/reports.py": "rows = Model.objects.raw('SELECT * FROM app_row WHERE id = %s', [1])\n"}, False),
    ],
)
def test_to_opt_in_is_asked_only_where_that_is_enough(files: dict[str, str], helps: bool, tmp_path: Path) -> None:
    given = {"manage.py": "", "app/settings.py": LITERAL, "requirements.txt": "Django==5.2.1\npsycopg\n", **files}
    contents = {path: text.encode() for path, text in given.items()}
    (cure,) = blocked(planned(tmp_path, contents, UNPREPARED))
    assert bool(cure.config) is helps

    opted_in = planned(tmp_path, contents, UNPREPARED, "rules.unprepared-statements.server-side-binding = true")
    assert bool(opted_in.taken) is helps


@pytest.mark.parametrize(
    ("url", "is_found"), [("mysql://shop@db/shop", False), ("sqlite:///db", True), ("postgres://shop@db/shop", True)]
)
def test_a_database_that_only_urls_of_mysql_lead_to_is_none_of_postgresql(
    url: str, is_found: bool, tmp_path: Path
) -> None:
    text = f"services:\n  web:\n    build: .\n    environment:\n      DATABASE_URL: {url}\n"
    rules = [rule for rule in all_rules() if rule.id in ("unpooled-database", "unlogged-slow-queries")]
    given = {
        "manage.py": "", "app/settings.py": URL, "requirements.txt": "Django==5.2.1\npsycopg\ndj-database-url==3.0\n",
        "app/wsgi.py": "application = get_wsgi_application()\n", "compose.yaml": text,
        "Dockerfile": "FROM python:3\nCMD gunicorn app.wsgi\n",
    }  # fmt: skip
    found = planned(tmp_path, {path: content.encode() for path, content in given.items()}, rules)

    assert len({each.rule.id for each in (*found.taken, *found.left)}) == (2 if is_found else 0)


def test_a_template_that_is_copied_is_no_module_that_anybody_could_name(tmp_path: Path) -> None:
    served = {
        "Procfile": "web: gunicorn app.wsgi\n",
        "app/wsgi.py": 'x.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")',
    }
    template = made(tmp_path / "a", "DATABASES = {}\n", "", **served, **{"app/templates/settings.prod.py": LITERAL})
    assert not template.left
    left_over = made(tmp_path / "b", "DATABASES = {}\n", "", **served, **{"app/other/settings_prod.py": LITERAL})
    assert "app.other.settings_prod" in left_over.left[0].finding.cure.reason  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("imports", "says"), [("try:\n    from .local import *\nexcept ImportError:\n    pass\n", True), ("", False)]
)
def test_settings_that_nobody_sees_may_say_otherwise(imports: str, says: bool, tmp_path: Path) -> None:
    found = made(tmp_path, LITERAL + imports, Procfile="web: gunicorn app.wsgi\n")
    cures = [reported.finding.cure for reported in found.taken]
    effects = [effect for cure in cures if isinstance(cure, Fix) for effect in cure.effects]
    assert any("not in the repository" in effect for effect in effects) is says


@pytest.mark.parametrize(("host", "says"), [('"db.example.com"', False), ('os.environ["DB_HOST"]', True)])
def test_a_limit_tells_of_a_pooler_where_no_host_is_known(host: str, says: bool, tmp_path: Path) -> None:
    settings = f"import os\n\n{LITERAL.replace(chr(34) + 'db.example.com' + chr(34), host)}"
    wsgi = "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n"
    found = made(tmp_path, settings, **{"app/wsgi.py": wsgi, "app/__init__.py": ""})
    cures = [each.finding.cure for each in found.taken if each.finding.path == "app/wsgi.py"]
    (limit,) = [cure for cure in cures if isinstance(cure, Fix)]

    assert any(todo.startswith("behind a pooler by transaction") for todo in limit.todo) == says


def test_what_keeps_connections_is_said_to_change_where_it_stands(tmp_path: Path) -> None:
    base = 'import dj_database_url\n\nDATABASES = {"default": dj_database_url.config(conn_max_age=600)}\n'
    files = {
        "app/settings/dev.py": "from .base import *\n",
        "app/settings/production.py": "from .base import *\n",
        "app/settings/base.py": base,
        "Dockerfile": "FROM python:3\nENV DJANGO_SETTINGS_MODULE=app.settings.production\nCMD uvicorn app.asgi:app\n",
    }
    found = made(tmp_path, "", **{**files, "app/settings.py": ""})
    cures = [each.finding.cure for each in found.taken if isinstance(each.finding.cure, Fix)]
    (effect,) = [effect for cure in cures for effect in cure.effects if ".CONN_MAX_AGE: 0" in effect]

    assert list(found.files) == ["app/settings/base.py"]
    assert "(in " not in effect
