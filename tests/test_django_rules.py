"""What the rules of the pack say where they cannot fix, and that the line to configure does what it promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fixer.model import Blocked, Plan
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
        ({"app/reports.py": "rows = Model.objects.raw('SELECT 1')\n"}, False),
    ],
)
def test_to_opt_in_is_asked_only_where_that_is_enough(files: dict[str, str], helps: bool, tmp_path: Path) -> None:
    given = {"manage.py": "", "app/settings.py": LITERAL, "requirements.txt": "Django==5.2.1\npsycopg\n", **files}
    contents = {path: text.encode() for path, text in given.items()}
    (cure,) = blocked(planned(tmp_path, contents, UNPREPARED))
    assert bool(cure.config) is helps

    opted_in = planned(tmp_path, contents, UNPREPARED, "rules.unprepared-statements.server-side-binding = true")
    assert bool(opted_in.taken) is helps
