"""The jobs and steps that the CI pack writes, executed step by step on a small real Django project with PostgreSQL."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixer.engine import plan
from fixer.model import Rule, RuleOptions
from fixer.registry import all_rules
from fixer.repository import Repository
from tests.corpus.linters import worse
from tests.fixture_cases import CASES, FIXTURES, Case, write
from tests.proofs.postgres import DATABASE, PASSWORD, USER, Server, free_port, postgres
from tests.proofs.runner import Runner, WorkflowRun, does_nothing

CASE = FIXTURES / "missing-migration-check/derived-from-the-test-job/before"
WORKFLOW = ".github/workflows/ci.yml"

PROJECT = {
    "server/requirements/base.txt": "django~=4.2\npsycopg2-binary\ngunicorn\n",
    "server/pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = shop.settings\n",
    "server/shop/__init__.py": "",
    "server/shop/wsgi.py": """
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
""",
    "server/shop/urls.py": """
import time

from django.http import HttpResponse
from django.urls import path

from orders.models import Order


def health(request):
    return HttpResponse(f"{Order.objects.count()} orders")


def slow(request):
    time.sleep(0.4)
    return HttpResponse("at last")


def broken(request):
    return HttpResponse("no", status=500)


urlpatterns = [path("healthz/", health), path("slow/", slow), path("broken/", broken)]
""",
    "server/orders/__init__.py": "",
    "server/orders/models.py": """
from django.db import models


class Order(models.Model):
    number = models.IntegerField()
""",
    "server/orders/migrations/__init__.py": "",
    "server/orders/migrations/0001_initial.py": """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            "Order",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.IntegerField()),
            ],
        )
    ]
""",
    "server/Dockerfile": """
FROM python:3.12-slim
COPY . /app
USER 1000
HEALTHCHECK CMD curl -f http://localhost:8000/healthz/ || exit 1
CMD ["gunicorn", "shop.wsgi:application"]
""",
    "tests/performance/locustfile.py": """
from locust import HttpUser, task


class Visitor(HttpUser):
    @task
    def look(self):
        self.client.get("/healthz/")
""",
}
EXTRA_SETTINGS = """
ROOT_URLCONF = "shop.urls"
ALLOWED_HOSTS = ["localhost"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""

# A short load test on a machine that may be busy: how quick it answers is no matter of the proof.
UNHURRIED = {"seconds": 3, "users": 2, "p50": 10_000, "p95": 10_000, "p99": 10_000}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small shop whose workflow is the fixture's."""
    root = tmp_path / "workspace"
    shutil.copytree(CASE, root)
    write(root, {name: text.lstrip("\n") for name, text in PROJECT.items()})
    settings = root / "server/shop/settings.py"
    settings.write_text(settings.read_text() + EXTRA_SETTINGS)
    return root


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """pip does nothing, since what it would install is here already; python is the one that runs the tests."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "pip").write_text("#!/bin/sh\nexit 0\n")
    for name in ("python", "python3"):
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for file in folder.iterdir():
        file.chmod(0o755)
    return folder


def fix(root: Path, rule_id: str, **values: Any) -> str:
    """Applies one rule to the project in place, and returns its workflow."""

    def options(rule: Rule) -> RuleOptions:
        return rule.options_type.of(values)

    rules = [rule for rule in all_rules() if rule.id == rule_id]
    made = plan(Repository(root), rules, options=options)
    assert not made.faults
    assert made.taken
    for path, change in made.files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(change.after.to_bytes())
    return (root / WORKFLOW).read_text()


def replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: replaced(child, old, new) for key, child in value.items()}
    if isinstance(value, list):
        return [replaced(child, old, new) for child in value]
    return value.replace(old, new) if isinstance(value, str) else value


def run(root: Path, workflow: str, job: str, server: Server, programs: Path, **kwargs: Any) -> WorkflowRun:
    """One job of the workflow. Its service is the test's own PostgreSQL; everything else is as it stands."""
    uploads = dict.fromkeys(("actions/checkout", "actions/setup-python", "actions/upload-artifact"), does_nothing)
    runner = Runner(
        workflow,
        plays=uploads,
        path=[programs, Path(sys.executable).parent],
        workspace=root,
        only=[job],
        event=kwargs.pop("event", "push"),
    )
    made = runner.data["jobs"][job]
    [service] = made.pop("services").values()
    assert service["ports"], "without a published port the steps could not reach the service"
    address = {"DB_NAME": DATABASE, "DB_USER": USER, "DB_PASSWORD": PASSWORD, "DB_PORT": str(server.port)}
    assert set(address) <= set(made["env"]), "the settings read these"
    made["env"] |= address
    runner.data["jobs"][job] = replaced(made, "8000", str(free_port()))
    return runner.run()


@pytest.mark.needs("postgres", "django", "node", "github-parser")
def test_the_migration_check_is_green_until_a_model_changes_without_its_migration(
    project: Path, programs: Path, server: Server
) -> None:
    workflow = fix(project, "missing-migration-check")

    assert run(project, workflow, "migrations-check", server, programs).result == "success"

    models = project / "server/orders/models.py"
    models.write_text(models.read_text() + '    note = models.TextField(default="")\n')
    red = run(project, workflow, "migrations-check", server, programs)
    assert red.result == "failure"
    assert "Add field note to order" in red.log


JUDGED = """\
        run: |
          cd server
          pip install -r requirements/dev.txt
          # no errors of style
          flake8 . && black --check .
          export SHOP_MODE=tests
          cp env.ci .env
"""


@pytest.mark.needs("postgres", "django", "node", "github-parser")
def test_what_judges_the_code_stays_behind_and_what_prepares_it_comes_along(
    project: Path, programs: Path, server: Server
) -> None:
    text = (project / WORKFLOW).read_text()
    install = "        run: |\n          cd server\n          pip install -r requirements/dev.txt\n"
    assert install in text
    (project / WORKFLOW).write_text(text.replace(install, JUDGED))
    (project / "server/env.ci").write_text("SHOP_MODE=tests\n")
    settings = project / "server/shop/settings.py"
    settings.write_text(settings.read_text() + "\nSHOP_MODE = open('.env').read()\n")
    for name in ("flake8", "black"):
        (programs / name).write_text("#!/bin/sh\necho $0 is red\nexit 1\n")
        (programs / name).chmod(0o755)
    workflow = fix(project, "missing-migration-check")

    green = run(project, workflow, "migrations-check", server, programs)
    assert green.result == "success", green.log

    job = workflow.index("migrations-check:")
    prepared = "cp env.ci .env\n"
    for planted in ("flake8 .\n", "black --check .\n"):
        at = workflow.index(prepared, job)
        judged = workflow[:at] + planted + "          " + workflow[at:]
        red = run(project, judged, "migrations-check", server, programs)
        assert red.result == "failure"
        assert "is red" in red.log
    (project / "server/.env").unlink()
    without = workflow[:job] + workflow[job:].replace(prepared, "true\n")
    assert run(project, without, "migrations-check", server, programs).result == "failure"


@pytest.mark.needs("django", "node", "github-parser")
def test_a_folder_with_a_blank_is_entered(tmp_path: Path, programs: Path) -> None:
    case = FIXTURES / "missing-migration-check/folders-that-a-shell-would-split"
    root = tmp_path / "workspace"
    shutil.copytree(case / "before", root)
    text = (case / "after" / WORKFLOW).read_text()

    def result(workflow: str) -> WorkflowRun:
        return Runner(
            workflow,
            plays={"actions/checkout": does_nothing},
            path=[programs, Path(sys.executable).parent],
            workspace=root,
            only=["migrations-check"],
        ).run()

    green = result(text)
    assert green.result == "success", green.log

    job = text.index("migrations-check:")
    elsewhere = text[:job] + text[job:].replace("working-directory: apps/my api", "working-directory: apps")
    assert result(elsewhere).result == "failure"


@pytest.mark.needs("postgres", "django", "node", "github-parser")
def test_the_scaffolded_integration_tests_run_against_a_real_database(
    project: Path, programs: Path, server: Server
) -> None:
    workflow = fix(project, "missing-integration-tests", scaffold=True)

    green = run(project, workflow, "integration-tests", server, programs)
    assert green.result == "success", green.log
    assert "3 passed" in green.log

    urls = project / "server/shop/urls.py"
    urls.write_text(urls.read_text().replace("{Order.objects.count()} orders", "{1 / 0}"))
    assert run(project, workflow, "integration-tests", server, programs).result == "failure"


@pytest.mark.needs("postgres", "django", "locust", "node", "github-parser")
def test_the_load_test_starts_the_application_and_passes(project: Path, programs: Path, server: Server) -> None:
    workflow = fix(project, "missing-performance-tests", **UNHURRIED)

    made = run(project, workflow, "performance-tests", server, programs, event="workflow_dispatch")

    assert made.result == "success", made.log
    assert "failures, %: 0.0 (limit 1)" in made.log
    assert (project / "performance_stats.csv").exists()


@pytest.mark.needs("postgres", "django", "locust", "node", "github-parser")
@pytest.mark.parametrize(("url", "missed"), [("/slow/", "p50, ms"), ("/broken/", "failures, %")])
def test_the_load_test_fails_where_a_threshold_is_missed(
    project: Path, programs: Path, server: Server, url: str, missed: str
) -> None:
    locustfile = project / "tests/performance/locustfile.py"
    locustfile.write_text(locustfile.read_text().replace("/healthz/", url))
    workflow = fix(project, "missing-performance-tests", seconds=3, users=2)

    made = run(project, workflow, "performance-tests", server, programs, event="workflow_dispatch")

    assert made.result == "failure"
    assert f"above the limit: {missed}" in made.log


@pytest.mark.needs("postgres", "django", "node", "github-parser")
def test_the_load_test_fails_and_shows_the_log_where_the_application_does_not_start(
    project: Path, programs: Path, server: Server
) -> None:
    workflow = fix(project, "missing-performance-tests").replace("SECONDS + 60", "SECONDS + 10")
    (project / "server/shop/wsgi.py").write_text("raise RuntimeError('the wrong trousers')\n")

    made = run(project, workflow, "performance-tests", server, programs, event="workflow_dispatch")

    assert made.result == "failure"
    assert "was not healthy within" in made.log
    assert "the wrong trousers" in made.log


ONLY_FROM_OUTSIDE = """
ALLOWED_HOSTS = os.getenv("SHOP_HOSTS", "shop.example").split(",")
SECURE_SSL_REDIRECT = os.getenv("SHOP_HTTPS", "True") == "True"
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
"""


@pytest.mark.needs("postgres", "django", "locust", "node", "github-parser")
def test_an_application_for_another_host_and_https_is_reached_by_the_variables_that_the_job_sets(
    project: Path, programs: Path, server: Server
) -> None:
    settings = project / "server/shop/settings.py"
    settings.write_text(settings.read_text() + ONLY_FROM_OUTSIDE)
    workflow = fix(project, "missing-performance-tests", **UNHURRIED)

    green = run(project, workflow, "performance-tests", server, programs, event="workflow_dispatch")
    assert green.result == "success", green.log

    for variable in ("      SHOP_HOSTS: localhost\n", "      SHOP_HTTPS: 'False'\n"):
        without = workflow.replace(variable, "").replace("SECONDS + 60", "SECONDS + 3")
        assert without.count("\n") == workflow.count("\n") - 1
        red = run(project, without, "performance-tests", server, programs, event="workflow_dispatch")
        assert "was not healthy within" in red.log


@pytest.mark.needs("actionlint", "shellcheck", "zizmor", "check-jsonschema", "node", "github-parser")
def test_no_linter_and_not_github_itself_objects_to_what_the_fixtures_expect() -> None:
    adding = {rule.id for rule in all_rules() if rule.pack == "ci" and rule.id.startswith("missing-")}
    changed = {
        f"{case.name}/{path}": (case.before.get(path) or _beside(case), after)
        for case in CASES
        for path, after in case.after.items()
        if case.rule_id in adding and path.startswith(".github/workflows/")
    }

    assert {name.partition("/")[0] for name in changed} == adding
    assert worse(changed) == []


def _beside(case: Case) -> bytes:
    """A workflow that was there before: a new one is written in its style, tags instead of commits for instance."""
    return next(text for text in case.before.values() if b"uses: actions/checkout@v" in text)


@pytest.mark.needs("node", "github-parser")
def test_the_load_test_does_not_run_for_a_push(project: Path, programs: Path) -> None:
    workflow = fix(project, "missing-performance-tests")
    runner = Runner(workflow, plays={}, workspace=project, only=["performance-tests"])
    del runner.data["jobs"]["performance-tests"]["services"]

    assert runner.run().jobs["performance-tests"].result == "skipped"


@pytest.mark.needs("node", "github-parser")
@pytest.mark.parametrize("case", ["no-check", "compares-text"])
@pytest.mark.parametrize(("megabytes", "cache", "result"), [(1, 0, "success"), (3, 0, "failure"), (1, 3, "success")])
def test_a_bundle_above_the_limit_fails_and_a_cache_does_not_count(
    tmp_path: Path, case: str, megabytes: int, cache: int, result: str
) -> None:
    folder = FIXTURES / "missing-bundle-size-check" / case
    text = re.sub(r"limit_kb=\d+", "limit_kb=2048", (folder / "after/.github/workflows/web.yml").read_text())
    npm = tmp_path / "programs/npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\nexit 0\n")
    npm.chmod(0o755)
    output = tmp_path / "workspace/web/.next"
    (output / "cache").mkdir(parents=True)
    (output / "main.js").write_bytes(b"x" * megabytes * 1024 * 1024)
    (output / "cache/0.pack").write_bytes(b"x" * cache * 1024 * 1024)

    made = Runner(
        text, plays={"actions/checkout": does_nothing}, path=[npm.parent], workspace=tmp_path / "workspace"
    ).run()

    assert made.result == result, made.log
    assert "limit 2048 kB" in made.log


@pytest.mark.needs("node", "github-parser")
def test_a_bundle_that_was_not_built_fails(tmp_path: Path) -> None:
    text = (FIXTURES / "missing-bundle-size-check/no-check/after/.github/workflows/web.yml").read_text()
    npm = tmp_path / "programs/npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\nexit 0\n")
    npm.chmod(0o755)
    (tmp_path / "workspace/web").mkdir(parents=True)

    made = Runner(
        text, plays={"actions/checkout": does_nothing}, path=[npm.parent], workspace=tmp_path / "workspace"
    ).run()

    assert made.result == "failure"
    assert "nothing was built" in made.log
