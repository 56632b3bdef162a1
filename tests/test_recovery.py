"""The rules about recovery together: one makes what the next one needs, and none undoes another's work."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.audit.criteria import State, criteria
from fixer.audit.document import Audit, items_of, markdown
from fixer.engine import check
from fixer.model import Blocked, Fix, Plan, Report, Source
from fixer.registry import all_rules
from fixer.repository import Repository
from tests.fixture_cases import FIXTURES, files, planned

RULES = {rule.id: rule for rule in all_rules()}


def plan(case: str, folder: Path, *rules: str, config: str = "") -> Plan:
    found = planned(folder, files(FIXTURES / case / "before"), [RULES[rule] for rule in rules], config)
    assert found.faults == ()
    return found


def text(found: Plan, path: str) -> str:
    return found.files[path].after.text


def test_a_backup_is_there_before_its_restore_test(tmp_path: Path) -> None:
    found = plan("missing-backup-job/reached-by-a-secret", tmp_path, "missing-restore-test", "missing-backup-job")

    image = "postgres:16-alpine"
    assert set(found.files) == {".github/workflows/backup.yml", ".github/workflows/restore-test.yml"}
    assert image in text(found, ".github/workflows/restore-test.yml")
    assert [reported.rule.id for reported in found.left] == []


@pytest.mark.parametrize(
    ("given", "is_taken", "said"),
    [
        ('role-to-assume: "${{ secrets.ROLE }}"', True, "if environment production asks for an approval"),
        ("role-to-assume: arn:aws:iam::1:role/deploy", False, "trusts only jobs of environment production"),
    ],
)
def test_an_environment_comes_along_only_for_secrets(given: str, is_taken: bool, said: str, tmp_path: Path) -> None:
    before = files(FIXTURES / "missing-backup-job/rds/before")
    path = ".github/workflows/deploy.yml"
    deploying = before[path].decode().replace("    steps:\n", "    environment: production\n    steps:\n")
    keys = 'aws-access-key-id: "${{ secrets.AWS_KEY }}", aws-secret-access-key: "${{ secrets.AWS_SECRET }}"'
    assert keys in deploying
    before[path] = deploying.replace(keys, given).encode()

    found = planned(tmp_path, before, [RULES["missing-backup-job"]])

    (taken,) = found.taken
    assert ("environment: production" in text(found, ".github/workflows/backup.yml")) is is_taken
    assert isinstance(taken.finding.cure, Fix)
    assert said in " ".join(taken.finding.cure.todo)


def test_behind_a_pooler_no_session_is_given_a_limit(tmp_path: Path) -> None:
    case = "missing-pgbouncer/host-of-a-variable"
    alone = plan(case, tmp_path / "alone", "unpooled-database", config='[rules.unpooled-database]\nserver = "wsgi"\n')
    both = plan(
        case,
        tmp_path / "both",
        "missing-pgbouncer",
        "unpooled-database",
        config='[rules.unpooled-database]\nserver = "wsgi"\n',
    )

    settings = text(both, "shop/settings.py")
    assert "CONN_MAX_AGE" in text(alone, "shop/settings.py")
    assert "CONN_MAX_AGE" in settings
    assert "DISABLE_SERVER_SIDE_CURSORS" in settings
    assert not any("statement_timeout" in change.after.text for change in both.files.values())


def test_a_limit_of_the_session_keeps_the_pooler_away(tmp_path: Path) -> None:
    """Which fhfix may have written itself, when there was no pooler."""
    before = files(FIXTURES / "missing-pgbouncer/host-of-a-variable/before")
    before["shop/limits.py"] = b'def limit(cursor):\n    cursor.execute("SET statement_timeout = 30000")\n'

    found = planned(tmp_path, before, [RULES["missing-pgbouncer"]])

    (left,) = found.left
    assert found.files == {}
    assert "shop/limits.py:2" in str(left.finding.cure)


def test_what_a_backup_script_writes_its_restore_reads(tmp_path: Path) -> None:
    case = "partial-restore/after-the-database-is-dropped"
    found = plan(case, tmp_path, "silent-backup-failure", "partial-restore")

    assert "--clean" not in text(found, "docker/restore")
    assert "ON_ERROR_STOP" in text(found, "docker/restore")


def reason_of_the_pooler(folder: Path, before: dict[str, bytes]) -> str:
    """Why none is put in front."""
    (left,) = planned(folder, before, [RULES["missing-pgbouncer"]]).left
    assert isinstance(left.finding.cure, Blocked)
    return left.finding.cure.reason


def test_what_a_condition_starts_tells_nothing_of_a_compose_file(tmp_path: Path) -> None:
    before = files(FIXTURES / "missing-pgbouncer/host-of-a-variable/before")
    before["Dockerfile"] = b'FROM python:3.12-slim\nCOPY . .\nCMD ["./start.sh"]\n'
    start = 'if [ "$1" = --debug ]; then\n  python manage.py runserver\nelse\n  gunicorn shop.wsgi\nfi\n'
    before["start.sh"] = f"#!/bin/sh\n{start}".encode()
    surely = files(FIXTURES / "missing-pgbouncer/compose-of-development/before")

    doubtful = reason_of_the_pooler(tmp_path / "doubtful", before)
    said = reason_of_the_pooler(tmp_path / "sure", surely)

    assert doubtful == (
        "whether compose.yml is for development is not known: a condition decides whether it starts "
        "`python manage.py runserver`"
    )
    assert said.startswith("compose.yml is for development, since it starts `python manage.py runserver 0.0.0.0:8000`")


def test_of_several_jobs_that_deploy_one_by_compose_counts(tmp_path: Path) -> None:
    before = files(FIXTURES / "missing-pgbouncer/production-elsewhere/before")
    elsewhere = reason_of_the_pooler(tmp_path / "one", before)
    deploy = (
        b"on: {push: {branches: [main]}}\njobs:\n  production:\n    runs-on: ubuntu-latest\n    steps:\n"
        b"      - run: ssh shop@shop.example 'cd shop && git pull && docker compose up -d'\n"
    )
    before[".github/workflows/deploy-server.yml"] = deploy

    found = planned(tmp_path / "both", before, [RULES["missing-pgbouncer"]])

    assert elsewhere.startswith("job production of .github/workflows/deploy.yml deploys otherwise than by")
    assert found.left == ()
    assert "compose.yml" in found.files


def test_more_connections_than_the_server_takes_are_a_defect(tmp_path: Path) -> None:
    before = files(FIXTURES / "missing-pgbouncer/host-of-a-variable/before")
    before["Dockerfile"] = before["Dockerfile"].replace(b'"--workers", "4"', b'"--workers", "40"')

    found = planned(tmp_path, before, [RULES["missing-pgbouncer"]])

    (taken,) = found.taken
    assert taken.level == "warning"
    assert taken.finding.message == "up to 160 connections are opened, and PostgreSQL takes 97"


@pytest.mark.parametrize(
    ("rule", "case", "config", "more", "said"),
    [
        (
            "missing-pgbouncer",
            "production-elsewhere",
            "[rules.missing-pgbouncer]\ncompose = true\n",
            {},
            "half, since compose.yml starts one; 1 finding; see below for what is missing",
        ),
        (
            "missing-cloudwatch-export",
            "a-cluster-of-production",
            "",
            {"shop/urls.py": b'urlpatterns = [path("", include("django_prometheus.urls"))]\n'},
            "half, since .github/workflows/deploy.yml exports the metrics of the containers; 1 finding; see below",
        ),
    ],
)
def test_what_is_so_in_compose_or_for_containers_alone_is_half(
    tmp_path: Path, rule: str, case: str, config: str, more: dict[str, bytes], said: str
) -> None:
    before = {**files(FIXTURES / rule / case / "before"), **more}
    found = planned(tmp_path, before, [RULES[rule]], config)
    assert State.OPEN in {
        each.state for each in criteria([RULES[rule]], Repository(tmp_path), check_of(tmp_path, rule))
    }

    for path, change in found.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(change.after.to_bytes())

    report = check_of(tmp_path, rule)
    (half,) = criteria([RULES[rule]], Repository(tmp_path), report)
    assert half.state is State.HALF
    items = items_of(report, lambda path: Source.from_bytes(path, (tmp_path / path).read_bytes()))
    assert said in markdown(Audit("shop", "", False, items, (half,), (half,), (), ()))


def check_of(folder: Path, rule: str) -> Report:
    return check(Repository(folder), [RULES[rule]])
