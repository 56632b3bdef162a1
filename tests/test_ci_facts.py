"""What is read from a repository before a job is added to its workflows. Nothing of it is ever run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from fixer.django.ci import DjangoCI
from fixer.django.local_access import local_access
from fixer.django.migrations import Migrations
from fixer.django.routes import HealthUrl, Routes
from fixer.github.origin import DefaultBranch
from fixer.github.runners import current
from fixer.github.workflows import Workflows, commands_of, folder_of
from fixer.languages.yaml import plain_of
from fixer.model import Blocked, Level
from fixer.project.frontend import FrontEnd, FrontEnds
from fixer.project.task_runners import TaskRunners
from fixer.project.test_suites import Suite, TestSuites
from fixer.registry import all_rules
from fixer.repository import Repository
from fixer.scripts import ScriptText
from tests.fixture_cases import FIXTURES, files, planned, write

F = TypeVar("F")
MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings")\n'
CI = ".github/workflows/ci.yml"
CI_OF_TESTS = ".github/workflows/tests.yml"


def check_of(ci: DjangoCI) -> ScriptText:
    return ScriptText.of("@manage@ check", manage=ci.manage)


def fact(kind: type[F], root: Path, files: dict[str, str]) -> F:
    write(root, {path: text.encode() for path, text in files.items()})
    found = Repository(root).fact(kind)
    assert found is not None
    return found


def workflow(*runs: str, triggers: str = "[push, pull_request]", more: str = "", env: str = "{}") -> str:
    """A workflow with one job, `test`, one step per script."""
    steps = "".join("      - run: |\n" + "".join(f"          {line}\n" for line in run.splitlines()) for run in runs)
    return (
        f"on: {triggers}\njobs:\n  test:\n    runs-on: ubuntu-latest\n    env: {env}\n{more}"
        f"    steps:\n      - uses: actions/checkout@v5\n{steps}"
    )


# -- where a command runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "folder"),
    [
        ("wanted", ""),
        ("cd server\nwanted", "server"),
        ("cd server && cd ./app/\nwanted", "server/app"),
        ("cd server\ncd ..\nwanted", ""),
        ("cd $GITHUB_WORKSPACE/server\nwanted", "server"),
        ("cd ${{ github.workspace }}\nwanted", ""),
        ("(cd server && make)\nwanted", ""),
        ("(cd server && wanted)", "server"),
        ("pushd web\nwanted", "web"),
        ("wanted\ncd later", ""),
        ('cd "$ELSEWHERE"\nwanted', None),
        ("cd /opt\nwanted", None),
        ("cd ..\nwanted", None),
        ("cd\nwanted", None),
    ],
)
def test_the_folder_of_a_command_follows_every_cd_before_it(tmp_path: Path, script: str, folder: str | None) -> None:
    found = fact(Workflows, tmp_path, {CI: workflow(script)})
    step, command = next((step, command) for step, command in found.commands() if command.name == "wanted")

    assert folder_of(command, step) == folder


def test_the_folder_of_a_command_starts_at_the_working_directory_of_its_step(tmp_path: Path) -> None:
    text = workflow("cd app\nwanted", more="    defaults: { run: { working-directory: ./server } }\n")
    [step] = [step for step in fact(Workflows, tmp_path, {CI: text}).documents[0].steps if step.run is not None]

    assert folder_of(commands_of(step)[-1], step) == "server/app"


# -- which workflow judges changes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "best"),
    [
        ({"docs.yml": workflow("tox -e docs"), "verify.yml": workflow("pytest")}, "verify.yml"),
        ({"a.yml": workflow("echo"), "b.yml": workflow("make unit-test")}, "b.yml"),
        ({"a.yml": workflow("pytest", triggers="push"), "b.yml": workflow("pytest")}, "b.yml"),
        (
            {"a.yml": workflow("pytest", triggers="{ pull_request: { paths: [web] } }"), "b.yml": workflow("pytest")},
            "b.yml",
        ),
        (
            {"a.yml": workflow("pytest", triggers="{ pull_request: { types: [closed] } }"), "b.yml": workflow("tox")},
            "b.yml",
        ),
        ({"all.yml": workflow("pytest"), "ci.yml": workflow("pytest")}, "ci.yml"),
        ({"ci.yml": workflow("./verify")}, "ci.yml"),
        ({"ci.yml": workflow("./verify", triggers="push")}, None),
        ({"nightly.yml": workflow("pytest", triggers="{ schedule: [{ cron: '0 3 * * *' }] }")}, None),
        ({"release-tests.yml": workflow("pytest")}, None),
        ({"labels.yml": workflow("echo")}, None),
    ],
)
def test_the_workflow_that_judges_changes(tmp_path: Path, files: dict[str, str], best: str | None) -> None:
    found = fact(Workflows, tmp_path, {f".github/workflows/{name}": text for name, text in files.items()})

    assert (found.integration.path.rpartition("/")[2] if found.integration else None) == best


def test_a_workflow_that_calls_one_for_the_tests_judges_changes(tmp_path: Path) -> None:
    caller = "on: pull_request\njobs:\n  unit:\n    uses: ./.github/workflows/rest-tests.yml\n"
    found = fact(Workflows, tmp_path, {".github/workflows/all.yml": caller})

    assert found.integration is not None


# -- task runners -------------------------------------------------------------------------------------------------


def test_a_task_runner_counts_only_where_a_workflow_reaches_it(tmp_path: Path) -> None:
    found = fact(
        TaskRunners,
        tmp_path,
        {
            CI: workflow("make check"),
            "Makefile": "check:\n\t./scripts/verify.sh\n",
            "scripts/verify.sh": "python manage.py makemigrations --check  # always\n",
            "scripts/locally.sh": "locust --headless\n",
            "tox.ini": "[testenv]\ncommands = trivy fs .\n",
        },
    )

    assert [path for path, _ in found.texts] == ["Makefile", "scripts/verify.sh"]
    assert found.where("makemigrations", "--check") == "scripts/verify.sh"
    assert not found.run("--check", "makemigrations")
    assert not found.run("locust")
    assert not found.run("trivy")
    assert not found.run("always"), "a comment runs nothing"


def test_without_workflows_no_task_runner_counts(tmp_path: Path) -> None:
    found = fact(TaskRunners, tmp_path, {"Makefile": "check:\n\ttrivy fs .\n"})

    assert found.texts == ()


# -- front ends ---------------------------------------------------------------------------------------------------


def angular(*outputs: object) -> str:
    projects = {str(at): {"architect": {"build": {"options": {"outputPath": it}}}} for at, it in enumerate(outputs)}
    return json.dumps({"projects": projects})


def test_front_ends_know_their_framework_output_and_limiter(tmp_path: Path) -> None:
    package = '{{ "scripts": {{ "build": "{}" }}, "dependencies": {{ "{}": "1" }} }}'
    found = fact(
        FrontEnds,
        tmp_path,
        {
            "web/package.json": package.format("next build", "next"),
            "web/next.config.js": 'module.exports = { distDir: "./out" };\n',
            "shop/package.json": package.format("vite build --outDir ../server/files", "vite"),
            "old/package.json": '{ "scripts": { "build": "react-scripts build" }, '
            '"devDependencies": { "react-scripts": "5", "size-limit": "11" } }',
            "broken/package.json": "{",
            "library/package.json": package.format("tsc", "typescript"),
            "watched/package.json": '{ "scripts": { "start": "vite" }, "dependencies": { "vite": "7" } }',
        },
    )

    assert found.applications == (
        FrontEnd("old", "react-scripts", "build", "", "size-limit"),
        FrontEnd("shop", "vite", "../server/files", ""),
        FrontEnd("web", "next", "out", "cache"),
    )
    assert found.of("web") == found.applications[2]
    assert found.of("") is None, "any of three"
    assert found.of("library") is None


@pytest.mark.parametrize(
    ("package", "config", "output"),
    [
        ("vite", {}, "dist"),
        ("vite", {"vite.config.ts": 'export default { build: {\n  outDir: "site", // was "dist"\n} }'}, "site"),
        ("vite", {"vite.config.ts": "// outDir: where(),\nexport default { plugins: [emptyOutDir()] }"}, "dist"),
        ("vite", {"vite.config.ts": "const outDir = where()\nexport default { build: { outDir } }"}, ""),
        (
            "vite",
            {"vite.config.ts": 'export default { build: { outDir: "a" }, plugins: [dts({ outDir: "a/t" })] }'},
            "",
        ),
        ("vite", {"vite.config.ts": 'export default {\n  root: "src",\n}'}, ""),
        ("@sveltejs/kit", {}, ""),
        ("next", {"next.config.ts": 'export default { output: "export" }'}, "out"),
        ("next", {"next.config.ts": 'export default { output: "standalone" }'}, ".next"),
        ("next", {"next.config.ts": 'export default { output: CI ? "export" : undefined }'}, ""),
        ("@vue/cli-service", {"vue.config.js": 'module.exports = { outputDir: "../site" }'}, "../site"),
        ("@angular/core", {}, "dist"),
        ("@angular/core", {"angular.json": angular("dist/shop", {"base": "dist/admin"})}, "dist"),
        ("@angular/core", {"angular.json": angular("../static")}, "../static"),
        ("@angular/core", {"angular.json": angular("dist/shop", {"base": "../static/"})}, ""),
    ],
)
def test_where_a_build_goes_is_known_or_there_is_a_reason(
    tmp_path: Path, package: str, config: dict[str, str], output: str
) -> None:
    scripts = {"build": "npm run pack", "pack": "vite build && ng build && vue-cli-service build && next build"}
    wanted = dict.fromkeys([package, *(["vite"] if package == "@sveltejs/kit" else [])], "1")
    files = {"package.json": json.dumps({"scripts": scripts, "dependencies": wanted})}

    [found] = fact(FrontEnds, tmp_path, files | config).applications

    assert (found.output, bool(found.problem)) == (output, not output)


def test_scripts_that_build_into_several_folders_are_a_reason(tmp_path: Path) -> None:
    scripts = {"build": "vite build", "build:prod": "vite build --outDir ../server/static", "watch": "vite build -w"}
    package = {"scripts": scripts, "dependencies": {"vite": "7"}}

    [found] = fact(FrontEnds, tmp_path, {"package.json": json.dumps(package)}).applications

    assert found.problem == "its build scripts name several folders of output"


def test_a_package_that_only_tests_with_a_framework_is_no_front_end(tmp_path: Path) -> None:
    package = {"scripts": {"build": "tsc", "dev": "vite"}, "devDependencies": {"vite": "7"}}

    write(tmp_path, {"package.json": json.dumps(package).encode()})

    assert Repository(tmp_path).fact(FrontEnds) is None


# -- suites -------------------------------------------------------------------------------------------------------


def test_suites_are_found_by_folder_name_marker_and_tool(tmp_path: Path) -> None:
    found = fact(
        TestSuites,
        tmp_path,
        {
            "tests/integration/test_orders.py": "",
            "tests/integration/stock/test_levels.py": "",
            "api/test_integration.py": "",
            "api/test_integrations.py": "# of partners\n",
            "pytest.ini": "[pytest]\nmarkers =\n    integration: needs services\n",
            "api/test_flow.py": "import pytest\n\npytestmark = pytest.mark.integration\n",
            "load/locustfile.py": "",
            "load/k6-peak.js": 'import http from "k6/http";\n',
            "e2e/playwright.config.ts": "",
            "Dockerfile": "HEALTHCHECK CMD curl -f http://localhost:8000/up/\n",
        },
    )

    assert found.integration == (
        Suite("pytest", "api/test_integration.py"),
        Suite("pytest", "tests/integration/stock/test_levels.py"),
        Suite("pytest", "tests/integration"),
        Suite("marker", "pytest.ini"),
    )
    assert [suite.kind for suite in found.load] == ["locust", "k6"]
    assert found.health_path("") == "/up/"
    assert not found.deselected


@pytest.mark.parametrize("option", ['addopts = -m "not integration"', "addopts = --ignore=tests/integration"])
def test_suites_that_pytest_leaves_out_by_default_are_known(tmp_path: Path, option: str) -> None:
    files = {"pytest.ini": f"[pytest]\n{option}\n", "tests/integration/test_a.py": ""}

    assert fact(TestSuites, tmp_path, files).deselected


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("pytest.ini", "[pytest]\ntestpaths = unit more\n", ("unit", "more")),
        ("setup.cfg", "[tool:pytest]\ntestpaths =\n    unit\n    more\nother = 1\n", ("unit", "more")),
        ("api/pyproject.toml", '[tool.pytest.ini_options]\ntestpaths = ["unit", "./more"]\n', ("api/unit", "api/more")),
        ("pytest.ini", "[pytest]\n", ()),
    ],
)
def test_the_paths_that_pytest_takes_by_itself_are_known(
    tmp_path: Path, path: str, text: str, found: tuple[str, ...]
) -> None:
    assert fact(TestSuites, tmp_path, {path: text}).testpaths == found


# -- the environment of a new job ---------------------------------------------------------------------------------

POSTGRES = """\
import os
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": os.environ["DB_NAME"],
    "USER": os.environ["DB_USER"],
    "PASSWORD": os.environ["DB_PASSWORD"],
    "HOST": os.environ["DB_HOST"],
}}
"""
TESTS = ("pip install django", "python manage.py test")
ONLY_INSTALLS = ("pip install -r requirements.txt", "mypy .")


def django_ci(root: Path, settings: str, text: str = "", **files: str) -> DjangoCI:
    given = {path.replace("__", "/"): content for path, content in files.items()}
    settings += "INSTALLED_APPS = ['orders']\nMIDDLEWARE = []\n"  # by these it is known as a settings module
    basis = {
        "manage.py": MANAGE,
        "site/settings.py": settings,
        CI: text or workflow(*TESTS),
        "requirements.txt": "django",
    }
    return fact(DjangoCI, root, {**basis, **given})


def new_job(ci: DjangoCI, **env: str) -> dict[str, Any] | Blocked:
    job = ci.new_job("rule", "Title", minutes=5, env=env, project=ci.tested, with_tests=True, everything=True)
    return job if isinstance(job, Blocked) else plain_of(job)


def environment(ci: DjangoCI, **env: str) -> Any:
    job = new_job(ci, **env)
    assert isinstance(job, dict), job
    return job.get("env", {})


def test_a_database_of_its_own_is_named_by_the_variables_that_the_settings_read(tmp_path: Path) -> None:
    ci = django_ci(tmp_path, POSTGRES, workflow(*TESTS, env="{ DATABASE_URL: postgres://nobody/reads-it }"))

    assert environment(ci) == {"DB_NAME": "test", "DB_USER": "test", "DB_PASSWORD": "test", "DB_HOST": "localhost"}


PARSED = """\
import os
from urllib.parse import urlparse
url = urlparse(os.getenv("SHOP_URL"))
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": url.path.replace("/", ""),
    "USER": url.username,
    "HOST": url.hostname,
}}
"""


def test_a_database_that_is_taken_out_of_a_url_is_named_by_a_url(tmp_path: Path) -> None:
    ci = django_ci(tmp_path, PARSED, workflow(*TESTS))

    assert environment(ci) == {"SHOP_URL": "postgres://test:test@localhost:5432/test"}


def test_where_no_variable_leads_to_the_database_no_job_is_made(tmp_path: Path) -> None:
    job = new_job(django_ci(tmp_path, PARSED.replace('os.getenv("SHOP_URL")', "load()"), workflow(*TESTS)))

    assert isinstance(job, Blocked)
    assert job.reason == (
        "site/settings.py:8 takes HOST from `url.hostname`, and no variable is seen that leads it to the PostgreSQL "
        "of a job"
    )


def test_a_service_of_the_tests_is_taken_over_under_its_name_and_on_a_known_port(tmp_path: Path) -> None:
    service = (
        "    services: { data: { image: 'postgis/postgis:17-3.5', env: { POSTGRES_PASSWORD: ci }, ports: ['5432'] } }\n"
    )
    ci = django_ci(tmp_path, POSTGRES, workflow(*TESTS, more=service))
    job = new_job(ci)

    assert isinstance(job, dict)
    assert list(job["services"]) == ["data"]
    assert job["services"]["data"]["ports"] == ["5432:5432"]
    assert job["env"]["DB_USER"] == "postgres"


def test_all_variables_that_are_missing_are_asked_for_at_once_beside_those_that_are_configured(tmp_path: Path) -> None:
    reads = (f"{name} = os.environ['SHOP_{name}']\n" for name in ("AREA", "MODE", "ZONE"))
    asked = new_job(django_ci(tmp_path, "import os\n" + "".join(reads), workflow(*ONLY_INSTALLS)), SHOP_AREA="north")

    assert isinstance(asked, Blocked)
    assert (
        asked.reason == "site/settings.py:3 requires SHOP_MODE, the settings 2 variables in all, and no job sets them"
    )
    assert asked.config == 'rules.rule.env = { SHOP_AREA = "north", SHOP_MODE = "…", SHOP_ZONE = "…" }'


def test_a_required_variable_comes_from_the_step_the_job_the_configuration_or_is_asked_for(tmp_path: Path) -> None:
    settings = "import os\nMODE = os.environ['SHOP_MODE']\nSECRET_KEY = os.environ['SHOP_SECRET']\n"
    text = workflow(*ONLY_INSTALLS)
    asked = new_job(django_ci(tmp_path / "1", settings, text))
    assert isinstance(asked, Blocked)
    assert asked.reason == "site/settings.py:2 requires SHOP_MODE, and no job sets it"
    assert asked.config == 'rules.rule.env = { SHOP_MODE = "…" }'

    configured = environment(django_ci(tmp_path / "2", settings, text), SHOP_MODE="quick")
    assert configured == {"SHOP_SECRET": "only-for-tests", "SHOP_MODE": "quick"}

    of_job = django_ci(tmp_path / "3", settings, workflow(*TESTS, env="{ SHOP_MODE: of-the-job }"))
    assert environment(of_job)["SHOP_MODE"] == "of-the-job"

    text = workflow(*TESTS, env="{ SHOP_MODE: of-the-job }") + "        env: { SHOP_MODE: of-the-step }\n"
    assert environment(django_ci(tmp_path / "4", settings, text))["SHOP_MODE"] == "of-the-step"


def test_what_the_tests_run_without_is_not_required(tmp_path: Path) -> None:
    settings = "import os\nMODE = os.environ['SHOP_MODE']\n"
    assert environment(django_ci(tmp_path / "1", settings)) == {}, "manage.py test imports the same settings"

    text = workflow("pip install django", "pytest")
    named = {
        "pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = site.settings\nenv =\n    D:SHOP_MODE=quick\n    OTHER=1\n"
    }
    assert environment(django_ci(tmp_path / "2", settings, text, **named)) == {"SHOP_MODE": "quick"}

    asked = new_job(django_ci(tmp_path / "3", settings, text))
    assert isinstance(asked, Blocked), "that pytest imports the settings is said nowhere"


def test_what_only_other_settings_demand_is_not_asked_for(tmp_path: Path) -> None:
    settings = "import os\nif os.getenv('KIND') == 'production':\n    from .production import *\n"
    files = {"site__production.py": "import os\nBUCKET = os.environ['BUCKET']\nINSTALLED_APPS = []\n"}

    assert environment(django_ci(tmp_path, settings, **files)) == {}


def test_each_variable_of_a_cache_gets_its_own_part_of_the_address(tmp_path: Path) -> None:
    settings = """\
import os
HOST = os.getenv("REDIS_HOST", "cache")
CACHES = {"default": {
    "BACKEND": "django_redis.cache.RedisCache",
    "LOCATION": f"redis://:{os.getenv('REDIS_PASSWORD')}@{HOST}:{os.getenv('REDIS_PORT')}/{os.getenv('REDIS_DB')}",
}}
"""

    assert environment(django_ci(tmp_path, settings)) == {
        "REDIS_DB": "0", "REDIS_HOST": "localhost", "REDIS_PORT": "6379",
    }  # fmt: skip


def test_groups_of_dependencies_bring_django(tmp_path: Path) -> None:
    text = workflow("pip install --group main --group dev", "python manage.py test")
    files = {"pyproject.toml": '[dependency-groups]\nmain = ["django>=5"]\ndev = ["factory-boy"]\n'}
    job = new_job(django_ci(tmp_path, "DEBUG = True\n", text, **files))

    assert isinstance(job, dict), job
    assert job["steps"][1]["run"] == "pip install --group main --group dev\n"


def test_a_file_of_variables_that_the_job_writes_may_hold_the_required_ones(tmp_path: Path) -> None:
    settings = "import os\nMODE = os.environ['SHOP_MODE']\n"
    ci = django_ci(tmp_path, settings, workflow("cp .env.example .env", *TESTS))

    assert "SHOP_MODE" not in environment(ci)


def test_the_settings_of_the_tests_are_named_where_manage_py_has_others(tmp_path: Path) -> None:
    text = workflow("pip install django", "pytest")
    files = {"site__settings_test": "from .settings import *\n"}
    ci = django_ci(
        tmp_path / "1", "DEBUG = True\n", text, **{"site__settings_test.py": files["site__settings_test"]},
        **{"pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = site.settings_test\n"},
    )  # fmt: skip
    assert environment(ci) == {"DJANGO_SETTINGS_MODULE": "site.settings_test"}

    without_migrations = django_ci(
        tmp_path / "2", "DEBUG = True\n", text,
        **{"site__settings_test.py": "from .settings import *\nMIGRATION_MODULES = {'orders': None}\n"},
        **{"pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = site.settings_test\n"},
    )  # fmt: skip
    assert environment(without_migrations) == {}, "a project without migrations would have none to miss"


def test_only_what_sets_the_project_up_is_taken_over(tmp_path: Path) -> None:
    text = workflow("pip install django", "cd app\nruff check .", 'echo "a=b" >> "$GITHUB_OUTPUT"', "npm ci", TESTS[1])
    job = new_job(django_ci(tmp_path, "DEBUG = True\n", text))

    assert isinstance(job, dict)
    assert [step["run"].strip() for step in job["steps"][1:]] == ["pip install django", "npm ci"]


def test_a_script_of_the_repository_is_trusted_to_install(tmp_path: Path) -> None:
    assert isinstance(new_job(django_ci(tmp_path, "DEBUG = True\n", workflow("make install", TESTS[1]))), dict)


def test_a_job_that_tests_the_project_as_a_whole_is_preferred_to_one_in_a_browser(tmp_path: Path) -> None:
    others = {".github/workflows/a_e2e.yml": workflow("pip install django", "pytest e2e")}

    assert django_ci(tmp_path, "DEBUG = True\n", **others).workflow.path == CI


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("    container: python:3.13\n", "runs in a container"),
        ("    strategy: { matrix: '${{ fromJSON(vars.VERSIONS) }}' }\n", "from its matrix"),
    ],
)
def test_a_job_that_cannot_be_a_model_is_said(tmp_path: Path, more: str, reason: str) -> None:
    text = workflow("pip install django~=${{ matrix.django }}", "python manage.py test", more=more)
    blocked = new_job(django_ci(tmp_path, POSTGRES, text))

    assert isinstance(blocked, Blocked)
    assert reason in blocked.reason


def test_an_action_that_installs_nothing_is_no_reason(tmp_path: Path) -> None:
    action = "runs:\n  using: composite\n  steps:\n    - {shell: bash, run: echo hello}\n"
    text = workflow("echo hello", more="").replace("      - run", "      - uses: ./.github/actions/greet\n      - run")
    ci = django_ci(tmp_path, "DEBUG = True\n", text, **{".github/actions/greet/action.yml": action})

    assert "install its packages" in ci.reason


# -- what a new job takes over ------------------------------------------------------------------------------------


def steps_of(job: dict[str, Any] | Blocked) -> list[str]:
    """What the steps of a job run, or use."""
    assert isinstance(job, dict), job
    return [str(step.get("run") or step.get("uses")).strip() for step in job["steps"]]


def check_job(ci: DjangoCI) -> dict[str, Any] | Blocked:
    """A job that only looks at the migrations."""
    job = ci.new_job("rule", "Title", minutes=5, env={}, project=ci.tested, with_tests=False, everything=False)
    return job if isinstance(job, Blocked) else plain_of(job)


def step_of(ci: DjangoCI, command: ScriptText) -> dict[str, Any]:
    """The step of that job which runs a command."""
    job = check_job(ci)
    assert isinstance(job, dict), job
    return ci.step(job, "Look", command)


@pytest.mark.parametrize(
    ("script", "left"),
    [
        ("pip install django\n# no errors of syntax\nflake8 . --count\nblack --check .", "pip install django"),
        ("pip install flake8 black\npip install django", "pip install django"),
        ("pip install django && mypy .", "pip install django"),
        ("pip install -r ${{ vars.FILE }}\nflake8 ${{ vars.PLACE || '.' }}", "pip install -r ${{ vars.FILE }}"),
        ("pip install django\nnpm ci\nnpm run build", "pip install django"),
        ("pip install django\npython --version\npip freeze", "pip install django"),
        ("pip install django\npython manage.py migrate", "pip install django"),
        (
            "pip install django\nif [ -f .flake8 ]; then\n  flake8 .\nfi\ncp env.ci .env",
            "pip install django\ncp env.ci .env",
        ),
    ],
)
def test_of_a_script_only_what_the_job_needs_is_taken_over(tmp_path: Path, script: str, left: str) -> None:
    job = check_job(django_ci(tmp_path, "DEBUG = True\n", workflow(script, TESTS[1])))

    assert steps_of(job)[1:] == [left]


def test_what_the_script_of_the_tests_installs_becomes_a_step_of_its_own(tmp_path: Path) -> None:
    text = workflow("python -m venv env\nsource env/bin/activate\npip install django\nflake8 .\npython manage.py test")
    ci = django_ci(tmp_path, "DEBUG = True\n", text)

    assert steps_of(check_job(ci))[1:] == ["python -m venv env\nsource env/bin/activate\npip install django"]
    assert step_of(ci, check_of(ci))["run"] == "source env/bin/activate\npython manage.py check\n"


def test_tests_keep_what_management_commands_prepare_and_other_jobs_do_not(tmp_path: Path) -> None:
    text = workflow(TESTS[0], "python manage.py migrate", "python manage.py collectstatic", TESTS[1])
    ci = django_ci(tmp_path, "DEBUG = True\n", text)

    assert steps_of(new_job(ci))[1:] == ["pip install django", "python manage.py collectstatic"]
    assert steps_of(check_job(ci))[1:] == ["pip install django"]


SERVICE = "    services: { data: { image: 'postgres:16', env: { POSTGRES_PASSWORD: ci }, ports: ['5432:5432'] } }\n"
SQLITE = 'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db"}}\n'


@pytest.mark.parametrize(
    ("settings", "env", "services"),
    [
        (POSTGRES, "{}", ["data"]),
        (POSTGRES, "{ DB_HOST: db.shop.example }", []),
        (POSTGRES.replace('os.environ["DB_HOST"]', '"db.shop.example"'), "{}", []),
        (SQLITE, "{}", []),
        ("import dj_database_url\nDATABASES = {'default': dj_database_url.config()}\n", "{}", ["data"]),
        (
            "import dj_database_url\nDATABASES = {'default': dj_database_url.config()}\n",
            "{ DATABASE_URL: 'sqlite:///db' }",
            [],
        ),
    ],
)
def test_a_service_comes_along_where_the_settings_reach_it(
    tmp_path: Path, settings: str, env: str, services: list[str]
) -> None:
    job = check_job(django_ci(tmp_path, settings, workflow(*TESTS, env=env, more=SERVICE)))

    assert isinstance(job, dict)
    assert list(job.get("services", {})) == services


def test_an_old_django_needs_the_database_that_a_step_waits_for(tmp_path: Path) -> None:
    wait = "until pg_isready -h localhost; do sleep 1; done"
    text = workflow("pip install -r requirements.txt", wait, "python manage.py test")

    new = check_job(django_ci(tmp_path / "1", SQLITE, text, **{"requirements.txt": "django==5.2.8"}))
    old = check_job(django_ci(tmp_path / "2", SQLITE, text, **{"requirements.txt": "django==3.1.14"}))

    assert steps_of(new)[1:] == ["pip install -r requirements.txt"]
    assert steps_of(old)[1:] == ["pip install -r requirements.txt", wait]


SEARCH = "    services: { search: { image: 'elasticsearch:8.17.0', ports: ['9201:9200'] } }\n"


@pytest.mark.parametrize(
    ("script", "steps", "services"),
    [
        ("timeout 60 bash -c 'until curl -s http://localhost:9201; do sleep 2; done'", [], []),
        ("until nc -z localhost $SEARCH_PORT; do sleep 1; done", [], []),
        ("until nc -z localhost 5432; do sleep 1; done", [], []),
        ("./load.sh localhost:9201", ["./load.sh localhost:9201"], ["search"]),
    ],
)
def test_no_step_waits_for_a_service_that_stays_behind(
    tmp_path: Path, script: str, steps: list[str], services: list[str]
) -> None:
    text = workflow("pip install django", script, "python manage.py test", env="{ SEARCH_PORT: 9201 }", more=SEARCH)
    job = check_job(django_ci(tmp_path, SQLITE, text))

    assert isinstance(job, dict)
    assert steps_of(job)[1:] == ["pip install django", *steps]
    assert list(job.get("services", {})) == services


def test_tests_of_a_project_that_is_not_in_the_repository_say_nothing(tmp_path: Path) -> None:
    text = workflow("cd moved && pip install -r requirements.txt", "cd moved && python manage.py test")
    ci = django_ci(tmp_path, SQLITE, text)

    assert ci.run is None
    assert isinstance(check_job(ci), Blocked)


@pytest.mark.parametrize(
    ("before", "program"), [("true", "docker compose"), ("sudo apt-get install -y docker-compose", "docker-compose")]
)
def test_a_new_job_starts_containers_by_what_its_runner_has(tmp_path: Path, before: str, program: str) -> None:
    text = workflow(before, "docker-compose -f local.yml build", "docker-compose -f local.yml run web pytest")
    compose = "services: { web: { build: . } }\n"
    ci = django_ci(tmp_path, SQLITE, text, **{"local.yml": compose, "Dockerfile": "FROM python:3.13\n"})

    assert steps_of(check_job(ci))[-1] == f"{program} -f local.yml build"
    assert step_of(ci, check_of(ci))["run"] == f"{program} -f local.yml run web python manage.py check"


def test_a_database_that_a_step_starts_is_trusted(tmp_path: Path) -> None:
    mysql = POSTGRES.replace("postgresql", "mysql")
    blocked = new_job(django_ci(tmp_path / "1", mysql))
    assert isinstance(blocked, Blocked)
    assert "no job starts one" in blocked.reason

    text = workflow("sudo systemctl start mysql.service", *TESTS)
    job = new_job(django_ci(tmp_path / "2", mysql, text))
    assert isinstance(job, dict), job
    assert "services" not in job


def test_a_variable_that_only_a_step_can_know_stays_with_the_steps(tmp_path: Path) -> None:
    url = "postgres://u:p@localhost:${{ job.services.data.ports[5432] }}/shop"
    more = SERVICE.replace("'5432:5432'", "'5432'")
    text = workflow(*TESTS, more=more) + f"        env: {{ DATABASE_URL: '{url}' }}\n"
    ci = django_ci(tmp_path, "import dj_database_url\nDATABASES = {'default': dj_database_url.config()}\n", text)
    job = check_job(ci)

    assert isinstance(job, dict), job
    assert "env" not in job, "the variables of a job know no context `job`"
    assert job["services"]["data"]["ports"] == ["5432"]
    assert step_of(ci, ci.manage)["env"] == {"DATABASE_URL": url}


PORT_OF_CACHE = "${{ job.services.Cache.ports[6379] }}"


@pytest.mark.parametrize(
    ("settings", "script", "kept"),
    [
        (SQLITE + "import os\nPORT = int(os.environ.get('CACHE_PORT', '6379'))\n", TESTS[0], False),
        (SQLITE + "import os\nPORT = os.environ['CACHE_PORT']\n", TESTS[0], True),
        (SQLITE, f"{TESTS[0]}\necho PORT={PORT_OF_CACHE} > .env", True),
    ],
)
def test_what_tells_of_a_service_is_left_out_without_it(tmp_path: Path, settings: str, script: str, kept: bool) -> None:
    more = "    services: { cache: { image: 'redis:7', ports: ['6379'] } }\n"
    text = workflow(script, *TESTS[1:], more=more) + f"        env: {{ CACHE_PORT: '{PORT_OF_CACHE}' }}\n"
    ci = django_ci(tmp_path, settings, text)
    job = check_job(ci)

    assert isinstance(job, dict), job
    assert list(job.get("services", {})) == (["cache"] if kept else [])
    assert step_of(ci, ci.manage).get("env") == ({"CACHE_PORT": PORT_OF_CACHE} if kept else None)


def test_what_a_script_writes_into_an_env_file_is_not_asked_for(tmp_path: Path) -> None:
    settings = SQLITE + "import os\nLIMIT = os.environ['LIMIT']\n"
    text = workflow(TESTS[0], "python tools/prepare.py", "pytest")
    asked = check_job(django_ci(tmp_path / "1", settings, text, **{"tools/prepare.py": "print(1)\n"}))
    assert isinstance(asked, Blocked)
    assert "requires LIMIT" in asked.reason

    writes = "with open('.env', 'w') as file:\n    file.write('LIMIT=3')\n"
    job = check_job(django_ci(tmp_path / "2", settings, text, **{"tools/prepare.py": writes}))
    assert isinstance(job, dict), job
    assert "python tools/prepare.py" in [step.get("run", "").strip() for step in job["steps"]]
    assert "env" not in job


@pytest.mark.parametrize(
    ("files", "script", "kept"),
    [
        ({}, TESTS[0], False),
        ({"pyproject.toml": "[build-system]\nrequires = ['setuptools-scm']\n"}, TESTS[0], True),
        ({"version.sh": "git describe --tags > version\n"}, f"{TESTS[0]}\n./version.sh", True),
        ({}, f"{TESTS[0]}\ngit describe --tags > version", True),
    ],
)
def test_the_history_comes_along_only_where_it_may_be_looked_at(
    tmp_path: Path, files: dict[str, str], script: str, kept: bool
) -> None:
    whole = "actions/checkout@v5\n        with:\n          fetch-depth: 0\n"
    text = workflow(script, *TESTS[1:]).replace("actions/checkout@v5\n", whole)
    ci = django_ci(tmp_path, SQLITE, text, **files)
    job, full = check_job(ci), new_job(ci)

    assert isinstance(job, dict), job
    assert job["steps"][0]["with"] == {**({"fetch-depth": 0} if kept else {}), "persist-credentials": False}
    assert isinstance(full, dict), full
    assert full["steps"][0]["with"]["fetch-depth"] == 0, "tests may look at it"


@pytest.mark.parametrize(
    ("around", "own", "left"),
    [
        ("{}", "{ working-directory: . }", None),
        ("{}", "{ working-directory: ./, shell: bash }", {"run": {"shell": "bash"}}),
        ("{ run: { working-directory: server } }", "{ working-directory: . }", {"run": {"working-directory": "."}}),
        ("{}", "{ shell: bash }", {"run": {"shell": "bash"}}),
    ],
)
def test_the_folder_where_all_steps_start_is_not_said_again(
    tmp_path: Path, around: str, own: str, left: dict[str, Any] | None
) -> None:
    text = f"defaults: {around}\n" + workflow(*TESTS, more=f"    defaults: {{ run: {own} }}\n")
    job = check_job(django_ci(tmp_path, SQLITE, text))

    assert isinstance(job, dict), job
    assert job.get("defaults") == left


ELSEWHERE = """\
on: [push, pull_request]
jobs:
  screens:
    uses: example/shared/.github/workflows/ci-node.yml@main
  server:
    uses: example/shared/.github/workflows/ci-django.yml@main
  release:
    uses: example/shared/.github/workflows/release.yml@main
"""


TAGGED = """\
on: { push: { tags: ['*'] } }
jobs:
  build:
    uses: example/shared/.github/workflows/image.yml@main
"""


def test_what_a_workflow_does_with_tags_is_no_test(tmp_path: Path) -> None:
    text = workflow(*ONLY_INSTALLS)
    ci = django_ci(tmp_path, SQLITE, text, **{".github/workflows/all.yml": TAGGED})

    assert ci.job is not None
    assert ci.unseen is None


def test_what_a_workflow_of_another_repository_does_is_not_known(tmp_path: Path) -> None:
    wanted = ("missing-migration-check", "missing-integration-tests")
    rules = [rule for rule in all_rules() if rule.id in wanted]
    files = {
        "manage.py": MANAGE,
        "site/settings.py": SQLITE + "INSTALLED_APPS = ['orders']\nMIDDLEWARE = []\n",
        "requirements.txt": "django",
        "orders/models.py": "from django.db import models\n\n\nclass Order(models.Model):\n    pass\n",
        "orders/migrations/0001_initial.py": "",
        "tests/integration/test_orders.py": "",
        CI: ELSEWHERE,
    }
    plan = planned(tmp_path, {path: text.encode() for path, text in files.items()}, rules)
    found = {reported.rule.id: reported.finding for reported in plan.left}

    assert found.keys() == set(wanted)
    for finding in found.values():
        assert isinstance(finding.cure, Blocked)
        assert finding.cure.reason.startswith("job server calls example/shared/.github/workflows/ci-django.yml@main")
        assert " is seen to " in finding.message
    assert found["missing-migration-check"].level is Level.NOTE


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("matrix.django == '5.2'", {}),
        ("matrix['django'] != '5.2'", None),
        ("steps.tools.outputs.cache-hit != 'true'", {"if": "steps.tools.outputs.cache-hit != 'true'"}),
        ("always()", None),
        ("contains(matrix.django, '5')", Blocked),
    ],
)
def test_a_condition_of_a_step_is_decided_kept_or_said(tmp_path: Path, condition: str, kept: Any) -> None:
    text = workflow("pip install django~=${{ matrix.django }}", "npm ci", TESTS[1], more=VERSIONS).replace(
        "      - run: |\n          npm ci\n",
        f'      - id: tools\n        run: touch a\n      - if: "{condition}"\n        run: touch b\n',
    )
    job = check_job(django_ci(tmp_path, "DEBUG = True\n", text))

    if kept is Blocked:
        assert isinstance(job, Blocked)
        assert "depends on its matrix" in job.reason
        return
    assert isinstance(job, dict), job
    assert job["steps"][1]["run"] == "pip install django~=5.2\n"
    assert job["steps"][3:] == ([] if kept is None else [{**kept, "run": "touch b"}])


VERSIONS = "    strategy: { matrix: { django: ['5.2', '4.2'] } }\n"


def test_the_guard_of_the_job_comes_along_with_what_it_waits_for(tmp_path: Path) -> None:
    more = "    needs: [lint, changes]\n    if: needs.changes.outputs.server == 'true'\n"
    job = check_job(django_ci(tmp_path, "DEBUG = True\n", workflow(*TESTS, more=more)))

    assert isinstance(job, dict), job
    assert (job["if"], job["needs"]) == ("needs.changes.outputs.server == 'true'", "changes")


def test_what_another_job_left_is_waited_for(tmp_path: Path) -> None:
    text = workflow(*TESTS, more="    needs: build\n").replace(
        "      - run: |\n          pip", "      - uses: actions/download-artifact@v7\n      - run: |\n          pip"
    )
    job = check_job(django_ci(tmp_path, "DEBUG = True\n", text))

    assert isinstance(job, dict), job
    assert job["needs"] == "build"


def test_tests_in_a_container_of_compose_are_a_model_too(tmp_path: Path) -> None:
    text = workflow("docker compose -f ci.yml build", "docker compose -f ci.yml run --rm web pytest -q")
    ci = django_ci(tmp_path, POSTGRES, text)

    assert steps_of(check_job(ci))[1:] == ["docker compose -f ci.yml build"]
    assert ci.manage == "docker compose -f ci.yml run --rm web python manage.py"


@pytest.mark.parametrize(
    ("command", "manage"),
    [
        ("python3 manage.py test", "python3 manage.py"),
        ("coverage run --source=. manage.py test", "python manage.py"),
        ("uv run --frozen coverage run ./manage.py test", "uv run --frozen ./manage.py"),
        ("uv run -m pytest", "uv run python manage.py"),
        (".venv/bin/pytest -q", ".venv/bin/python manage.py"),
        ("xvfb-run -a poetry run pytest", "poetry run python manage.py"),
        ("python -Wa manage.py test", "python manage.py"),
    ],
)
def test_a_management_command_is_started_as_the_tests_are(tmp_path: Path, command: str, manage: str) -> None:
    assert django_ci(tmp_path, "DEBUG = True\n", workflow("pip install django", command)).manage == manage


def test_a_repository_whose_ci_runs_no_tests_is_said(tmp_path: Path) -> None:
    files = {"docs__requirements.txt": "mkdocs\n", "Makefile": "test:\n\tpytest\n"}
    nothing = django_ci(tmp_path / "1", "DEBUG = True\n", workflow("pip install -r docs/requirements.txt"), **files)
    blocked = new_job(nothing)
    assert isinstance(blocked, Blocked)
    assert (
        blocked.reason
        == "no job that judges every change is seen to run the tests of the project, or to install its packages"
    )
    assert nothing.span == nothing.workflow.root.key_spans["jobs"]

    blocked = new_job(django_ci(tmp_path / "2", "DEBUG = True\n", workflow("make test"), **files))
    assert isinstance(blocked, Blocked)
    assert blocked.reason.startswith("job test leaves the tests to `make test`")


# -- answering on localhost ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ("DEBUG = True\n", {}),
        ("DEBUG = True\nALLOWED_HOSTS = []\n", {}),
        ("ALLOWED_HOSTS = ['*']\n", {}),
        ("ALLOWED_HOSTS = os.environ.get('HOSTS', 'shop.example').split()\n", {"HOSTS": "localhost"}),
        ("ALLOWED_HOSTS = env.list('HOSTS', default=['localhost'])\n", {}),
        ("ALLOWED_HOSTS = ['localhost', *env.list('HOSTS')]\n", {}),
        ("ALLOWED_HOSTS = ['*']\nSECURE_SSL_REDIRECT = env.bool('HTTPS', default=True)\n", {"HTTPS": "False"}),
        ("ALLOWED_HOSTS = ['*']\nSECURE_SSL_REDIRECT = env.bool('HTTPS', default=False)\n", {}),
        ("ALLOWED_HOSTS = ['*']\nDEBUG = True\nif not DEBUG:\n    SECURE_SSL_REDIRECT = True\n", {}),
        ("ALLOWED_HOSTS = ['*']\nSECURE_SSL_REDIRECT = not DEBUG\n", {}),
        ("", "site/settings.py allows no host"),
        ("ALLOWED_HOSTS = ['shop.example']\n", "site/settings.py:2 does not allow localhost"),
        ("DEBUG = True\nALLOWED_HOSTS = ['shop.example']\n", "site/settings.py:3 does not allow localhost"),
        ("SECURE_SSL_REDIRECT = True\n", "site/settings.py:2 sends every request on to HTTPS"),
        (
            "DEBUG = os.environ.get('DEBUG') == 'yes'\nif not DEBUG:\n    SECURE_SSL_REDIRECT = True\n",
            "site/settings.py:4 sends every request on to HTTPS",
        ),
    ],
)
def test_settings_that_turn_localhost_away_get_their_variable_or_are_said(
    tmp_path: Path, settings: str, found: dict[str, str] | str
) -> None:
    ci = django_ci(tmp_path, "import os\n" + settings)
    made = local_access(ci.project, {}, "rule")

    assert (made.reason if isinstance(made, Blocked) else made) == found


def test_other_settings_are_named_where_the_settings_leave_no_choice(tmp_path: Path) -> None:
    local = "from .settings import *\nINSTALLED_APPS = ['orders', 'toolbar']\nMIDDLEWARE = []\n"
    others = {
        "site__settings_dev.py": local + "ALLOWED_HOSTS = ['dev.shop.example']\n",
        "site__settings_local.py": local + "ALLOWED_HOSTS = ['localhost']\n",
    }
    ci = django_ci(tmp_path, "ALLOWED_HOSTS = ['shop.example']\n", **others)
    made = local_access(ci.project, {}, "rule")

    assert isinstance(made, Blocked)
    assert made.config == 'rules.rule.env = { DJANGO_SETTINGS_MODULE = "site.settings_local" }'


def test_what_the_job_sets_already_is_respected(tmp_path: Path) -> None:
    ci = django_ci(tmp_path, "import os\nALLOWED_HOSTS = os.environ['HOSTS'].split(',')\n")

    assert local_access(ci.project, {"HOSTS": "shop.example,localhost"}, "rule") == {}
    assert local_access(ci.project, {"HOSTS": "shop.example"}, "rule") == {"HOSTS": "localhost"}


# -- URLs ---------------------------------------------------------------------------------------------------------

URLS = {
    "manage.py": MANAGE,
    "site/settings.py": "ROOT_URLCONF = 'site.urls'\n",
    "site/urls.py": """
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path, re_path
from .api import api
urlpatterns = [
    path("admin/", admin.site.urls),
    path("shop/", include("orders.urls")),
    path("partner/", include("partner.urls")),
    path("goods/<int:number>/", show),
    re_path(r"^about/$", about),
    path("v1/", api.urls),
] + static("/media/")
""",
    "orders/urls.py": 'urlpatterns = [path("open/", open_orders), path("", start)]\n',
    "site/api.py": """
from ninja import NinjaAPI
from .status import router as status
api = NinjaAPI()
api.add_router("/status", status)
""",
    "site/status.py": """
from ninja import Router
router = Router()
@router.get("/health")
def health(request): ...
""",
}


@pytest.mark.parametrize(
    ("path", "answers"),
    [
        ("/shop/open/", True),
        ("/shop/open", True),
        ("/shop/", True),
        ("/about/", True),
        ("/v1/status/health", True),
        ("/shop/closed/", False),
        ("/api/health", False),
        ("/v1/health", False),
        ("/", False),
        ("/admin/orders/", None),
        ("/partner/health/", None),
        ("/goods/7/", None),
    ],
)
def test_whether_a_url_is_there_as_far_as_the_urlconf_says(tmp_path: Path, path: str, answers: bool | None) -> None:
    assert fact(Routes, tmp_path, URLS).answers(path) is answers


@pytest.mark.parametrize(
    ("urls", "answers"),
    [("urlpatterns = routes()\n", None), ("urlpatterns = [*shop]\n", None), ("urlpatterns = [\n", None), ("", None)],
)
def test_of_a_urlconf_that_is_not_literal_nothing_is_said(tmp_path: Path, urls: str, answers: bool | None) -> None:
    assert fact(Routes, tmp_path, {**URLS, "site/urls.py": urls + "# \n"}).answers("/up/") is answers


@pytest.mark.parametrize(
    ("probed", "urls", "expected"),
    [
        ("/up/", 'urlpatterns = [path("up/", up)]', HealthUrl("/up/")),
        ("/api/health", 'urlpatterns = [path("health/", up)]', HealthUrl("/health/", "/api/health", "/health/")),
        ("/minio/health/live", 'urlpatterns = [path("shop/", up)]', HealthUrl("", "/minio/health/live")),
        ("", 'urlpatterns = [path("healthz", up)]', HealthUrl("/healthz", "", "/healthz")),
        ("/up/", "urlpatterns = [*others]", HealthUrl("/up/")),
    ],
)
def test_a_health_url_is_one_that_the_application_has(
    tmp_path: Path, probed: str, urls: str, expected: HealthUrl
) -> None:
    probe = f"HEALTHCHECK CMD curl -f http://localhost:8000{probed}\n" if probed else "USER 1000\n"

    assert fact(HealthUrl, tmp_path, {**URLS, "site/urls.py": urls + "\n", "Dockerfile": probe}) == expected


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("ubuntu-20.04", "ubuntu-latest"),
        ("ubuntu-24.04", "ubuntu-24.04"),
        (["self-hosted", "linux"], ["self-hosted", "linux"]),
        ({"group": "large"}, {"group": "large"}),
        ("macos-12", "macos-latest"),
        (None, None),
    ],
)
def test_a_new_job_asks_for_no_runner_that_is_gone(given: object, wanted: object) -> None:
    assert current(given) == wanted


def test_the_default_branch_is_the_one_that_a_clone_has_written_down(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": b"", ".git/refs/remotes/origin/HEAD": b"ref: refs/remotes/origin/stage/next\n"})

    assert Repository(tmp_path).fact(DefaultBranch) == DefaultBranch("stage/next")
    assert Repository(tmp_path / "elsewhere").fact(DefaultBranch) is None


def test_a_scan_of_its_own_runs_for_the_default_branch(tmp_path: Path) -> None:
    files = {
        ".github/workflows/ci.yml": b"on:\n  pull_request:\n    branches: [develop]\njobs:\n  test:\n"
        b"    runs-on: ubuntu-latest\n    steps:\n      - run: make\n",
        "Dockerfile": b"FROM scratch\n",
        ".git/refs/remotes/origin/HEAD": b"ref: refs/remotes/origin/main\n",
    }
    rules = [rule for rule in all_rules() if rule.id == "missing-trivy-scan"]

    plan = planned(tmp_path, files, rules)

    assert "  push:\n    branches: [main]\n" in plan.files[".github/workflows/trivy.yml"].after.text


# -- which applications have migrations ---------------------------------------------------------------------------

MODEL = "from django.db import models\n\n\nclass Order(models.Model):\n    pass\n"
SETTINGS = "INSTALLED_APPS = ['shop.orders']\nDATABASES = {}\n"


def migrations(root: Path, files: dict[str, str]) -> Migrations:
    return fact(Migrations, root, {"manage.py": MANAGE, "site/settings.py": SETTINGS} | files)


def test_a_package_of_migrations_without_any_needs_one_for_the_model_beside_it(tmp_path: Path) -> None:
    found = migrations(tmp_path, {"shop/orders/models.py": MODEL, "shop/orders/migrations/__init__.py": ""})

    assert found.unmade == ("shop/orders/migrations", "shop/orders/models.py:4")
    assert found.can_be_missing


@pytest.mark.parametrize(
    "models",
    [
        MODEL.replace(
            "class Order(models.Model):\n    pass",
            "class Order(models.Model):\n    class Meta:\n        abstract = True",
        ),
        "from django.db import models\n\n\nclass Kind(models.TextChoices):\n    ONE = 'one'\n",
        "from mongoengine import Document\n\n\nclass Order(Document):\n    pass\n",
        "class Order:\n    pass\n",
    ],
)
def test_what_has_no_table_needs_no_migration(models: str, tmp_path: Path) -> None:
    found = migrations(tmp_path, {"shop/orders/models.py": models, "shop/orders/migrations/__init__.py": ""})

    assert found.unmade is None
    assert not found.can_be_missing


def test_an_application_that_is_not_installed_needs_no_migration(tmp_path: Path) -> None:
    found = migrations(tmp_path, {"shop/bills/models.py": MODEL, "shop/bills/migrations/__init__.py": ""})

    assert found.unmade is None
    assert found.can_be_missing


def test_where_no_module_of_models_is_there_yet_one_may_come(tmp_path: Path) -> None:
    found = migrations(tmp_path, {"shop/orders/views.py": ""})

    assert not found.modelled
    assert found.can_be_missing


def test_what_models_take_from_elsewhere_may_be_a_model(tmp_path: Path) -> None:
    found = migrations(tmp_path, {"shop/orders/models.py": "from .entities import Order\n"})

    assert found.can_be_missing
    assert found.folders == frozenset()


# -- what a reason says of a job -----------------------------------------------------------------------------------


def reason(rule: str, root: Path, before: Mapping[str, bytes]) -> tuple[str, str]:
    """What the one finding of a rule says, and why it stays."""
    (left,) = planned(root, before, [each for each in all_rules() if each.id == rule]).left
    assert isinstance(left.finding.cure, Blocked)
    return left.finding.message, left.finding.cure.reason


def test_a_job_without_services_is_not_said_to_have_them(tmp_path: Path) -> None:
    with_services = files(FIXTURES / "missing-integration-tests/left-to-a-script-with-the-services/before")
    settings = b"DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'shop.db'}}\n"
    without = {**with_services, "shop/settings.py": b"SECRET_KEY = 'x'\nINSTALLED_APPS = ['orders']\n" + settings}
    lines = [
        line for line in with_services[CI_OF_TESTS].splitlines() if b"services" not in line and b"image" not in line
    ]
    without[CI_OF_TESTS] = b"\n".join(lines) + b"\n"
    rule = "missing-integration-tests"

    message, said = reason(rule, tmp_path / "with", with_services)
    assert message.endswith(" with the services that the settings use")
    assert said == "job test has the services and leaves its tests to `./scripts/tests.sh`, which may run them"
    message, said = reason(rule, tmp_path / "without", without)
    assert message == "no job is seen to run the integration tests in tests/integration"
    assert said == "job test leaves its tests to `./scripts/tests.sh`, which may run them"


@pytest.mark.parametrize(
    ("step", "another"),
    [
        ("run: npx wrangler pages deploy .vercel/output/static --project-name=shop", "web/.vercel/output/static"),
        ("run: netlify deploy --prod --dir=public", "web/public"),
        ("run: aws s3 sync public s3://shop-site --delete", "web/public"),
        ("{uses: peaceiris/actions-gh-pages@v4, with: {publish_dir: web/public}}", "web/public"),
        ("run: npx wrangler pages deploy .next", ""),
        ("run: aws s3 sync .next/static s3://shop-site", ""),
        ("run: aws s3 sync s3://shop-site public", ""),
        ('run: netlify deploy --prod --dir="$SITE"', ""),
        ("{uses: peaceiris/actions-gh-pages@v4, with: {publish_dir: ./web/.next}}", ""),
    ],
)
def test_what_a_job_deploys_is_what_is_measured(step: str, another: str, tmp_path: Path) -> None:
    before = files(FIXTURES / "missing-bundle-size-check/another-folder-is-deployed/before")
    path = ".github/workflows/site.yml"
    deploying = b"run: npx wrangler pages deploy .vercel/output/static --project-name=shop"
    assert deploying in before[path]
    before[path] = before[path].replace(deploying, step.encode())
    if not another:
        rules = [each for each in all_rules() if each.id == "missing-bundle-size-check"]
        assert list(planned(tmp_path, before, rules).files) == [path]
        return

    _, said = reason("missing-bundle-size-check", tmp_path, before)

    assert said == f"job site deploys {another}, and next writes to .next"
