"""What is read from a Django repository: packages, settings, databases, servers. Nothing of it is ever run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import pytest

from fixer.django.app_server import Applications, AppServer
from fixer.django.databases import DatabaseServers
from fixer.django.forks import Forks
from fixer.django.project import DjangoProject
from fixer.django.query_log import QueryLog
from fixer.django.raw_sql import RawSql
from fixer.django.settings import Database, role_of, vendor_of
from fixer.engine import check
from fixer.model import FileError
from fixer.project.packages import PythonPackages
from fixer.registry import all_rules
from fixer.repository import Repository
from tests.fixture_cases import write

F = TypeVar("F")
MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "{}")\n'


def fact(kind: type[F], root: Path, files: dict[str, str]) -> F:
    write(root, {path: text.encode() for path, text in files.items()})
    found = Repository(root).fact(kind)
    assert found is not None
    return found


def project(root: Path, settings: str, **files: str) -> DjangoProject:
    """A project with one settings module, site/settings.py."""
    given = {path.replace("__", "/", 1): text for path, text in files.items()}
    return fact(
        DjangoProject, root, {"manage.py": MANAGE.format("site.settings"), "site/settings.py": settings, **given}
    )


def default(found: DjangoProject) -> Database:
    return next(database for database in found.databases if database.alias == "default")


# -- which settings run ---------------------------------------------------------------------------------------------

LIVE = "shop.settings.live"
NAMING = {
    "render": {
        "render.yaml": "services:\n  - type: web\n    name: shop\n    runtime: python\n"
        f"    startCommand: gunicorn shop.wsgi\n    envVars:\n      - {{key: DJANGO_SETTINGS_MODULE, value: {LIVE}}}\n"
    },
    "fly": {
        "fly.toml": f'app = "shop"\n[env]\nDJANGO_SETTINGS_MODULE = "{LIVE}"\n[processes]\napp = "gunicorn shop.wsgi"\n'
    },
    "app.json": {
        "Procfile": "web: gunicorn shop.wsgi\n",
        "app.json": json.dumps({"env": {"DJANGO_SETTINGS_MODULE": {"value": LIVE}}}),
    },
    "a manifest": {
        "k8s/web.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n"
        "      containers:\n        - name: web\n          image: shop\n          command: [gunicorn, shop.wsgi]\n"
        f"          env: [{{name: DJANGO_SETTINGS_MODULE, value: {LIVE}}}]\n"
    },
    "a config map": {
        "k8s/web.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n"
        "      containers:\n        - name: web\n          image: shop\n          command: [gunicorn, shop.wsgi]\n"
        "          envFrom: [{configMapRef: {name: web}}]\n",
        "k8s/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"
        f"data: {{DJANGO_SETTINGS_MODULE: {LIVE}}}\n",
    },
    "values of a chart": {
        "Dockerfile": 'FROM python:3.12\nCOPY . .\nCMD ["gunicorn", "shop.wsgi"]\n',
        "chart/Chart.yaml": "name: shop\n",
        "chart/values.yaml": f"image: {{repository: shop}}\nenv: {{DJANGO_SETTINGS_MODULE: {LIVE}}}\n",
    },
    "an env file": {".env.production": f"DJANGO_SETTINGS_MODULE={LIVE}\n"},
    "compose": {
        "compose.yml": f"services:\n  web:\n    image: shop\n    command: gunicorn shop.wsgi\n    environment:\n"
        f"      - DJANGO_SETTINGS_MODULE={LIVE}\n"
    },
    "a workflow": {
        ".github/workflows/ci.yml": "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n"
        f"      - run: python manage.py migrate --settings={LIVE}\n"
    },
    "code that chooses": {
        "shop/wsgi.py": 'import os\nmodule = "shop.settings.live" if "SITE" in os.environ else "shop.settings.base"\n'
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", module)\n'
    },
    "code that puts it together": {
        "shop/wsgi.py": 'import os\nos.environ["DJANGO_SETTINGS_MODULE"] = f"shop.settings.{os.environ[\'STAGE\']}"\n'
    },
    "settings that load it": {
        "shop/settings/__init__.py": "import importlib, os\n"
        "globals().update(vars(importlib.import_module(f\".{os.environ['STAGE']}\", __package__)))\n",
        "celery.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n',
    },
}


@pytest.mark.parametrize("files", NAMING.values(), ids=NAMING)
def test_whatever_may_name_settings_is_heard(tmp_path: Path, files: dict[str, str]) -> None:
    base = {
        "manage.py": MANAGE.format("shop.settings.base"),
        "shop/wsgi.py": MANAGE.format("shop.settings.base"),
        "shop/settings/__init__.py": "",
        "shop/settings/base.py": "DEBUG = False\n",
        "shop/settings/live.py": "from .base import *\nDATABASES = {}\n",
        "shop/settings/staging.py": "from .base import *\nDATABASES = {}\n",
    }
    found = fact(DjangoProject, tmp_path, {**base, **files})
    assert not found.is_left_over("shop/settings/live.py")
    assert found.is_left_over("shop/settings/staging.py") is not any("STAGE" in text for text in files.values())


# -- packages -----------------------------------------------------------------------------------------------------

DEPENDENCIES = {
    "a range": ({"requirements.txt": "Django>=4.2,<5.0\n"}, (4, 2), False),
    "files for the layers of an image": (
        {
            "backend/image/reqs/early/requirements.txt": "Django==3.2.1\n",
            "backend/image/reqs/late/requirements.txt": "Django==3.2.4\n",
            "tools/requirements.txt": "Django==2.2.1\n",
        },
        (3, 2, 1),
        True,
    ),
    "a pin": ({"requirements.txt": "django == 5.2.4 ; python_version > '3.9'  # web\n"}, (5, 2, 4), True),
    "a compatible release": ({"requirements.txt": "Django[argon2]~=5.1\n"}, (5, 1), False),
    "a series": ({"requirements.txt": "Django==3.2.*\n"}, (3, 2), False),
    "hashes and continued lines": (
        {"requirements.txt": "django==4.2.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"},
        (4, 2, 1),
        True,
    ),
    "an included file": (
        {"requirements/prod.txt": "-r base.txt\n", "requirements/base.txt": "Django>=5.0\n"},
        (5, 0),
        False,
    ),
    "a file that another folder includes": (
        {"requirements.txt": "-r deploy/web.txt\n", "deploy/web.txt": "Django==5.1\n"},
        (5, 1),
        True,
    ),
    "a constraint": (
        {"requirements.txt": "-c constraints.txt\nDjango\n", "constraints.txt": "Django==4.1.9\n"},
        (4, 1, 9),
        True,
    ),
    "a repository": ({"requirements.txt": "git+https://github.com/django/django@5.0.2#egg=Django\n"}, (5, 0, 2), True),
    "PEP 621": ({"pyproject.toml": '[project]\ndependencies = ["django>=5.1", "psycopg[pool]"]\n'}, (5, 1), False),
    "poetry": ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\nDjango = "^4.2"\n'}, (4, 2), False),
    "poetry's table": (
        {"pyproject.toml": '[tool.poetry.dependencies]\nDjango = {version = "~5.1", extras = ["bcrypt"]}\n'},
        (5, 1),
        False,
    ),
    "Pipfile": ({"Pipfile": '[packages]\ndjango = ">=3.2"\n[dev-packages]\ndjango = ">=1"\n'}, (3, 2), False),
    "setup.cfg": ({"setup.cfg": "[options]\ninstall_requires =\n    Django>=4.2\n    requests\n"}, (4, 2), False),
    "a lock before a range": (
        {
            "pyproject.toml": '[project]\ndependencies = ["django>=4.2"]\n',
            "poetry.lock": '[[package]]\nname = "django"\nversion = "5.2.1"\ngroups = ["main"]\n',
        },
        (5, 2, 1),
        True,
    ),
    "Pipfile.lock": ({"Pipfile.lock": json.dumps({"default": {"django": {"version": "==4.2.30"}}})}, (4, 2, 30), True),
    "a tree around it": ({"../x": "", "backend/requirements.txt": "Django>=4.0\n"}, (4, 0), False),
}


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_the_lowest_version_that_may_be_installed_is_found(name: str, tmp_path: Path) -> None:
    files, lowest, exact = DEPENDENCIES[name]
    found = fact(PythonPackages, tmp_path, {path: text for path, text in files.items() if not path.startswith("..")})

    version = found.version("Django", "backend/site/settings.py")

    assert version is not None
    assert (version.lowest, version.exact) == (lowest, exact)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_requirements_that_powershell_wrote_are_read_as_pip_reads_them(tmp_path: Path, encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    write(tmp_path, {"requirements.txt": f"{mark}Django==5.2.4\r\npsycopg2==2.9\r\n".encode(encoding)})
    repository = Repository(tmp_path)
    packages = repository.fact(PythonPackages)

    assert packages is not None
    assert [each.name for each in packages.requirements] == ["django", "psycopg2"]
    with pytest.raises(FileError, match="UTF-16"):
        repository.read("requirements.txt")


def test_a_version_says_what_is_certain(tmp_path: Path) -> None:
    found = fact(PythonPackages, tmp_path, {"requirements.txt": "Django>=4.2,<5.2\npsycopg\n"})
    django, psycopg = found.version("django"), found.version("psycopg")

    assert django is not None
    assert psycopg is not None
    assert django.at_least(4, 2)
    assert not django.at_least(4, 2, 1)
    assert django.may_be_older_than(5, 0)
    assert django.below == (5, 2)
    assert not psycopg.at_least(1)
    assert not psycopg.may_be_older_than(99)


def test_what_uv_locks_for_development_alone_is_told_from_what_the_project_leads_to(tmp_path: Path) -> None:
    lock = """version = 1

[[package]]
name = "shop"
source = { virtual = "." }
dependencies = [
    { name = "django" },
    { name = "psycopg", extra = ["binary", "pool"] },
]

[package.dev-dependencies]
dev = [
    { name = "psycopg2-binary" },
]

[[package]]
name = "django"
version = "5.2.4"
dependencies = [
    { name = "sqlparse" },
]

[[package]]
name = "psycopg"
version = "3.2.9"

[[package]]
name = "psycopg2-binary"
version = "2.9.10"

[[package]]
name = "sqlparse"
version = "0.5.3"
"""
    found = fact(PythonPackages, tmp_path, {"uv.lock": lock})

    assert found.has("psycopg", development=False)
    assert not found.has("psycopg2-binary", development=False)
    assert found.has("psycopg2_binary")
    assert found.has("sqlparse", development=False)
    assert [requirement.extras for requirement in found.of("psycopg")] == [{"binary", "pool"}]


def test_the_files_that_install_a_package_are_listed_best_first(tmp_path: Path) -> None:
    found = fact(
        PythonPackages,
        tmp_path,
        {
            "backend/requirements.txt": "django\n",
            "backend/requirements-dev.txt": "-r requirements.txt\npytest\n",
            "backend/requirements/azure.txt": "-r ../requirements.txt\n",
            "other/requirements.txt": "django\n",
        },
    )

    assert found.files_that_install("Django", "backend/src/site/settings.py") == (
        "backend/requirements.txt", "backend/requirements/azure.txt", "backend/requirements-dev.txt",
    )  # fmt: skip
    assert found.installed_by("backend/requirements-dev.txt") == {"django", "pytest"}


def test_files_that_cannot_be_read_say_nothing(tmp_path: Path) -> None:
    found = fact(
        PythonPackages,
        tmp_path,
        {
            "pyproject.toml": "[project\n",
            "Pipfile.lock": "{",
            "setup.cfg": "x",
            "requirements.txt": "-e .\n--pre\nDjango\n",
        },
    )

    assert [requirement.name for requirement in found.requirements] == ["django"]


# -- settings -----------------------------------------------------------------------------------------------------


def test_a_repository_without_settings_is_no_django_project(tmp_path: Path) -> None:
    write(tmp_path, {"app/views.py": b"DATABASES = {}\n", "settings.py": b"def settings(): ...\n"})

    assert Repository(tmp_path).fact(DjangoProject) is None


READS = {
    'os.getenv("DB_HOST", "db")': ("DB_HOST", "db", False),
    'os.environ["DB_HOST"]': ("DB_HOST", None, True),
    'os.environ.get("DB_HOST")': ("DB_HOST", None, False),
    'env("DB_HOST")': ("DB_HOST", None, True),
    'env.str("DB_HOST", default="x")': ("DB_HOST", "x", False),
    'config("DB_HOST", default="x", cast=str)': ("DB_HOST", "x", False),
    'config("DB_HOST", cast=str)': ("DB_HOST", None, True),
    'get_env_variable("DB_HOST")': ("DB_HOST", None, True),
    "f\"{os.getenv('DB_HOST')}.internal\"": ("DB_HOST", None, False),
    "HOST": ("DB_HOST", "named", False),
}


@pytest.mark.parametrize("written", READS)
def test_the_variable_behind_a_key_is_found(written: str, tmp_path: Path) -> None:
    text = f'HOST = os.getenv("DB_HOST", "named")\nDATABASES = {{"default": {{"ENGINE": "x", "HOST": {written}}}}}\n'
    found = default(project(tmp_path, text))

    read = found.reads["HOST"]
    assert (read.name, read.default, read.required) == READS[written]


URLS = {
    "dj_database_url.config()": "DATABASE_URL",
    'dj_database_url.config(env="PG_URL")': "PG_URL",
    'dj_database_url.parse(os.environ["PG_URL"])': "PG_URL",
    "env.db()": "DATABASE_URL",
    'env.db("PG_URL", default="sqlite:///x")': "PG_URL",
    'config("PG_URL", cast=db_url)': "PG_URL",
    '{**env.db("PG_URL"), "CONN_MAX_AGE": 60}': "PG_URL",
}


@pytest.mark.parametrize("written", URLS)
def test_a_database_from_a_url_knows_its_variable(written: str, tmp_path: Path) -> None:
    text = f'from dj_database_url import parse as db_url\nDATABASES = {{"default": {written}}}\n'
    found = default(project(tmp_path, text))

    assert found.shape == "url"
    assert found.reads["URL"].name == URLS[written]


def test_what_settings_need_from_the_environment_is_told_from_what_they_can_do_without(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        'SECRET_KEY = os.environ["SECRET_KEY"]\nDEBUG = os.getenv("DEBUG")\nDATABASES = {}\n'
        'if DEBUG:\n    MAIL = os.environ["MAIL_HOST"]\ndef later():\n    return os.environ["NEVER"]\n',
    )

    assert {read.name: read.required for read in found.environment} == {
        "SECRET_KEY": True, "DEBUG": False, "MAIL_HOST": False,
    }  # fmt: skip


def test_the_environment_for_a_throw_away_server_is_what_the_settings_read(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        'DATABASES = {"default": {"ENGINE": "django.db.backends." + os.getenv("DB_KIND", "sqlite3"),'
        ' "NAME": os.getenv("PGDATABASE"), "HOST": os.getenv("PGHOST"), "USER": "fixed",'
        ' "OPTIONS": {"sslmode": os.getenv("PGSSLMODE") or "require"}}}\n',
    )

    given = found.database_environment(host="localhost", port="5432", name="n", user="u", password="p")

    assert given == {"DB_KIND": "postgresql", "PGDATABASE": "n", "PGHOST": "localhost", "PGSSLMODE": "prefer"}
    assert default(found).values == {"USER": "fixed"}


def test_settings_that_take_others_over_are_read_in_order(tmp_path: Path) -> None:
    found = fact(
        DjangoProject,
        tmp_path,
        {
            "backend/manage.py": MANAGE.format("config.settings.local"),
            "backend/config/settings/__init__.py": "",
            "backend/config/settings/base.py": 'DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}\n',
            "backend/config/settings/local.py": "from .base import *\nDEBUG = True\n",
            "backend/config/settings/production.py": "from config.settings.base import *\nfrom .mail import *\n",
            "backend/config/settings/mail.py": "SECRET_KEY = 'x'\n",
            "backend/config/settings/docker.py": "from .local import *\n",
            "backend/config/wsgi.py": MANAGE.format("config.settings.production"),
            "pyproject.toml": '[project]\ndependencies = ["django", "psycopg2"]\n',
        },
    )

    assert (found.root, found.settings) == ("backend", "config.settings.local")
    assert found.production_path == "backend/config/settings/production.py"
    names = [module.path.rpartition("/")[2] for module in found.chain(found.production_path)]
    assert names == ["base.py", "mail.py", "production.py"]
    assert found.modules["backend/config/settings/docker.py"].role == "development"
    assert {module.role for module in found.importers("backend/config/settings/base.py")} == {
        "development",
        "production",
    }
    assert default(found).vendor == "postgresql"
    assert found.module_name("backend/config/slow_queries.py") == "config.slow_queries"
    assert found.driver == "psycopg2"


def test_settings_in_components_are_found(tmp_path: Path) -> None:
    found = fact(
        DjangoProject,
        tmp_path,
        {
            "manage.py": MANAGE.format("server.settings"),
            "server/settings/__init__.py": "from split_settings.tools import include\ninclude('components/*.py')\n",
            "server/settings/components/database.py": "DATABASES = {'default': {'ENGINE': 'django.db.backends.mysql'}}",
        },
    )

    assert default(found).vendor == "mysql"


def test_settings_in_a_list_of_components_are_found(tmp_path: Path) -> None:
    found = fact(
        DjangoProject,
        tmp_path,
        {
            "manage.py": MANAGE.format("server.settings"),
            "server/settings/__init__.py": (
                "from split_settings.tools import include, optional\n"
                "PARTS = ['components/database.py', optional('local.py'), f'environments/{ENV}.py']\n"
                "include(*PARTS)\n"
            ),
            "server/settings/components/database.py": "DATABASES = {'default': {'ENGINE': 'django.db.backends.mysql'}}",
        },
    )

    assert default(found).vendor == "mysql"
    assert found.modules[found.settings_path].takes_unseen


def test_what_happens_to_a_database_later_is_noticed(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        'DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}\n'
        'DATABASES["default"]["OPTIONS"] = {"sslmode": "require"}\n'
        'if X:\n    DATABASES["default"].update({"CONN_MAX_AGE": 1})\n'
        'DATABASES["default"].setdefault("OPTIONS", {})["x"] = 1\n'
        'for d in DATABASES.values():\n    d["ATOMIC_REQUESTS"] = True\n',
    )

    later = found.later_of(default(found))
    assert [(change.how, change.keys, change.guards) for change in later] == [
        ("set", ("OPTIONS",), ()), ("update", (), ("X",)), ("set", ("OPTIONS", "x"), ()), ("other", (), ()),
    ]  # fmt: skip


OPAQUE = {
    "DATABASES = load()\n": "built at run time",
    "DATABASES = {name: x for name in y}\n": "built at run time",
    'DATABASES = {}\nlocals().update(load("settings.json"))\n': "at run time",
    "import django_heroku\ndjango_heroku.settings(locals())\nDATABASES = {}\n": "django_heroku.settings",
    "DATABASES = {**base.DATABASES}\n": "computed",
}


@pytest.mark.parametrize("text", OPAQUE)
def test_settings_that_are_made_at_run_time_are_not_guessed(text: str, tmp_path: Path) -> None:
    found = project(tmp_path, text)

    assert OPAQUE[text] in found.modules["site/settings.py"].opaque
    assert found.databases == ()


def test_of_several_definitions_the_last_counts(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        'DATABASES = {"default": {"ENGINE": "a"}, "other": {"ENGINE": "b"}}\n'
        'DATABASES = {"default": {"ENGINE": "c"}}\nif T:\n    DATABASES["default"] = {"ENGINE": "d"}\n',
    )

    assert [(database.alias, database.engine) for database in found.databases] == [("default", "c")]


def test_caches_and_roles_and_vendors(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        'DATABASES = {}\nCACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache",'
        ' "LOCATION": os.getenv("REDIS_URL", "redis://r:6379/1")}}\n',
    )

    (cache,) = found.caches
    assert (cache.is_redis, cache.location, cache.reads[0].name) == (True, "redis://r:6379/1", "REDIS_URL")
    assert role_of("config/settings/ci.py") == "test"
    assert role_of("core/test_settings.py") == "test"
    assert role_of("tests/config.py") == role_of("app/settings/circleci.py") == "test"
    assert role_of("local_settings.py") == "development"
    assert role_of("app/settings/prod/__init__.py") == "production"
    assert role_of("core/settings.py") == "shared"
    assert vendor_of("django.db.backends.postgresql_psycopg2") == "postgresql"
    assert vendor_of("company.backends.postgis_readonly") == "postgresql"
    assert vendor_of("company.backend") == "other"
    assert vendor_of("") == ""


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("from .local import *\nDEBUG = True\n", "development"),
        ("DEBUG = False\nfrom .local import *\n", "shared"),
        ("DATABASES = {}\ntry:\n    from .local import *\nexcept ImportError:\n    pass\n", "shared"),
        ("if __debug__:\n    from .local import *\nDATABASES = {}\n", "shared"),
    ],
)
def test_a_module_has_the_role_of_what_it_begins_with(text: str, role: str, tmp_path: Path) -> None:
    found = project(tmp_path, text, **{"site/local.py": "DEBUG = True\n"})

    assert found.modules["site/settings.py"].role == role


def test_a_driver_is_what_django_would_import(tmp_path: Path) -> None:
    both = "psycopg2\npsycopg[binary]\n"
    found = project(tmp_path, "DATABASES = {}\n", **{"requirements.txt": "Django>=4.2\n" + both})
    assert (found.driver, found.has_pool) == ("psycopg", False)

    older = project(tmp_path / "older", "DATABASES = {}\n", **{"requirements.txt": "Django==3.2\n" + both})
    assert older.driver == "psycopg2"

    pooled = project(tmp_path / "pool", "DATABASES = {}\n", **{"requirements.txt": "Django==5.2\npsycopg[c,pool]\n"})
    assert (pooled.driver, pooled.has_pool) == ("psycopg", True)


def test_each_manage_py_has_a_project_of_its_own_and_examples_come_last(tmp_path: Path) -> None:
    settings = 'DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}\n'
    found = fact(
        DjangoProject,
        tmp_path,
        {
            "examples/manage.py": MANAGE.format("demo.settings"), "examples/demo/settings.py": settings,
            "services/api/manage.py": MANAGE.format("api.settings"), "services/api/api/settings.py": settings,
            "services/jobs/manage.py": MANAGE.format("jobs.settings"), "services/jobs/jobs/settings.py": settings,
        },
    )  # fmt: skip

    assert [each.root for each in found.projects] == ["services/api", "services/jobs", "examples"]
    assert [each.settings for each in found.projects] == ["api.settings", "jobs.settings", "demo.settings"]


# -- servers ------------------------------------------------------------------------------------------------------

SERVERS = {
    "gunicorn in JSON": (
        {"Dockerfile": 'FROM x\nCMD ["gunicorn", "a.wsgi:application", "-w", "4", "--threads", "2"]\n'},
        "wsgi",
        8,
    ),
    "gunicorn with uvicorn's worker": (
        {"Dockerfile": "FROM x\nCMD gunicorn a.asgi -k uvicorn.workers.UvicornWorker\n"},
        "asgi",
        None,
    ),
    "gunicorn's configuration": (
        {
            "Dockerfile": "FROM x\nCMD gunicorn -c gunicorn.conf.py a.wsgi\n",
            "gunicorn.conf.py": 'workers = 3\nworker_class = "gthread"\nthreads = 4\n',
        },
        "wsgi",
        12,
    ),
    "a script": (
        {
            "Dockerfile": 'FROM x\nENTRYPOINT ["/app/start.sh"]\n',
            "start.sh": "#!/bin/sh\nexec daphne \\\n  -b 0.0.0.0 a.asgi:application\n",
        },
        "asgi",
        None,
    ),
    "one script after another": (
        {
            "Dockerfile": 'FROM x\nENTRYPOINT ["/bin/bash"]\nCMD ["-c", "bin/setup.sh; bin/serve.sh"]\n',
            "bin/setup.sh": "python manage.py migrate\n",
            "bin/serve.sh": "python -m gunicorn --workers 3 a.wsgi\n",
        },
        "wsgi",
        3,
    ),
    "compose": (
        {"compose.yaml": "services:\n  web:\n    build: .\n    command: uvicorn a.asgi:application --workers 2\n"},
        "asgi",
        2,
    ),
    "a Procfile": ({"Procfile": "release: python manage.py migrate\nweb: gunicorn a.wsgi\n"}, "wsgi", None),
    "a container before a Procfile": (
        {"Dockerfile": "FROM x\nCMD gunicorn a.wsgi\n", "Procfile": "web: daphne a.asgi:application\n"},
        "wsgi",
        None,
    ),
    "systemd": (
        {"deploy/web.service": "[Service]\nExecStart=/srv/venv/bin/uwsgi --ini /srv/uwsgi.ini\n"},
        "wsgi",
        None,
    ),
    "a list that may say the worker": (
        {
            "Dockerfile": 'FROM x\nCOPY start.sh /start.sh\nCMD ["/start.sh"]\n',
            "start.sh": 'START=(-k uvicorn.workers.UvicornWorker a.asgi)\nexec gunicorn --workers 3 "${START[@]}"\n',
        },
        "",
        3,
    ),
    "two that contradict each other": ({"Procfile": "web: gunicorn a.wsgi\nws: daphne a.asgi:application\n"}, "", None),
    "granian": ({"Dockerfile": "FROM x\nCMD granian --interface wsgi a.wsgi:application\n"}, "wsgi", None),
    "requirements alone": ({"requirements.txt": "Django\ngunicorn\n"}, "wsgi", None),
    "requirements with both": (
        {"requirements.txt": "Django\ngunicorn\nuvicorn\n", "Procfile": "web: waitress-serve a.wsgi:application\n"},
        "wsgi",
        None,
    ),
}


@pytest.mark.parametrize("name", SERVERS)
def test_the_server_is_read_from_what_starts_it(name: str, tmp_path: Path) -> None:
    files, interface, connections = SERVERS[name]
    found = fact(AppServer, tmp_path, files)

    assert (found.interface, found.connections) == (interface, connections)


@pytest.mark.parametrize(
    ("command", "timeout"),
    [
        ("gunicorn a.wsgi", None),
        ("gunicorn a.wsgi --timeout 300", 300),
        ("gunicorn a.wsgi -t 0", 0),
        ("uwsgi -t 5 -w a", 5),
        ("uwsgi --harakiri=60 --module a.wsgi", 60),
        ("daphne -t 5 a.asgi:application", None),
    ],
)
def test_how_long_a_request_may_take_is_what_the_server_is_told(
    command: str, timeout: int | None, tmp_path: Path
) -> None:
    assert fact(AppServer, tmp_path, {"Procfile": f"web: {command}\n"}).timeout == timeout


def test_a_script_that_nothing_is_seen_to_start_may_be_what_lets_requests_run_longer(tmp_path: Path) -> None:
    files = {"Procfile": "web: gunicorn a.wsgi\n", "startup.sh": "#!/bin/sh\ngunicorn a.wsgi --timeout 120\n"}

    assert fact(AppServer, tmp_path, files).timeout == 120


def test_greenlets_beside_other_workers_tell_nothing_of_both(tmp_path: Path) -> None:
    files = {"Procfile": "web: gunicorn a.wsgi\nadmin: gunicorn b.wsgi -k gevent\n"}

    found = fact(AppServer, tmp_path, files)

    assert (found.interface, found.is_green) == ("", False)


@pytest.mark.parametrize(
    ("command", "configuration", "interface"),
    [
        ("gunicorn a.wsgi -c $CONFIG", 'worker_class = "uvicorn.workers.UvicornWorker"\n', "asgi"),
        ("gunicorn a.wsgi -c $CONFIG", "", ""),
        ("gunicorn a.wsgi -c $CONFIG -k gthread", "", "wsgi"),
        ("gunicorn a.wsgi -k $KIND", "", ""),
    ],
)
def test_what_only_the_start_tells_of_workers_is_not_guessed(
    command: str, configuration: str, interface: str, tmp_path: Path
) -> None:
    files = {"Procfile": f"web: {command}\n"} | ({"gunicorn.conf.py": configuration} if configuration else {})

    assert fact(AppServer, tmp_path, files).interface == interface


@pytest.mark.parametrize(
    ("command", "is_green"),
    [
        ("gunicorn a.wsgi -k gevent", True),
        ("gunicorn a.wsgi --worker-class=eventlet", True),
        ("uwsgi --gevent 100 --module a.wsgi", True),
        ("gunicorn a.wsgi -k gthread", False),
    ],
)
def test_workers_of_greenlets_are_known(command: str, is_green: bool, tmp_path: Path) -> None:
    assert fact(AppServer, tmp_path, {"Procfile": f"web: {command}\n"}).is_green is is_green


def test_a_server_of_something_else_is_not_djangos(tmp_path: Path) -> None:
    found = fact(
        AppServer,
        tmp_path,
        {
            "api/Dockerfile": "FROM x\nCMD uvicorn main:app\n",
            "api/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
            "web/Dockerfile": "FROM x\nRUN pip install uvicorn gunicorn\n# CMD daphne a.asgi\nCMD gunicorn shop.wsgi\n",
            "web/shop/wsgi.py": "from django.core.wsgi import get_wsgi_application\n",
        },
    )

    assert [(command.path, command.line) for command in found.commands] == [("web/Dockerfile", 4)]


def test_what_a_server_serves_is_the_module_where_it_runs(tmp_path: Path) -> None:
    flask = "from flask import Flask  # Django asks this service\napp = Flask(__name__)\n"
    found = fact(
        AppServer,
        tmp_path,
        {
            "requirements.txt": "Django\ngunicorn\n",
            "scores/Dockerfile": "FROM x\nWORKDIR /app\nCOPY app.py .\nCMD gunicorn --timeout 120 app:app\n",
            "scores/app.py": flask,
            "other/app.py": "import django\n",
            "web/Dockerfile": "FROM x\nCOPY . .\nCMD python manage.py runserver\n",
        },
    )

    assert found.commands == ()


def test_the_file_of_settings_of_uwsgi_is_read(tmp_path: Path) -> None:
    found = fact(
        AppServer,
        tmp_path,
        {
            "Procfile": "web: uwsgi uwsgi.ini\n",
            "uwsgi.ini": "[uwsgi]\nmodule = a.wsgi\nharakiri = 60\nprocesses = 2\nthreads = 4\n",
        },
    )

    assert (found.timeout, found.connections, found.applications) == (60, 8, ("a.wsgi",))


def test_of_several_projects_each_has_the_server_that_is_nearest(tmp_path: Path) -> None:
    found = fact(
        AppServer,
        tmp_path,
        {"a/Dockerfile": "FROM x\nCMD gunicorn a.wsgi\n", "b/Dockerfile": "FROM x\nCMD uvicorn b.asgi:application\n"},
    )

    assert found.interface == ""
    assert found.near("a/src").interface == "wsgi"
    assert found.near("b").interface == "asgi"


# -- servers of databases, logs, SQL by hand, forks ---------------------------------------------------------------

DATABASE = 'import os\nDATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", %s}}\n'
BY_VARIABLES = DATABASE % '"HOST": os.environ["DB_HOST"], "PORT": os.environ.get("DB_PORT", "5432")'
BY_URL = 'import dj_database_url\nDATABASES = {"default": dj_database_url.config(%s)}\n'
NEON = "postgres://u:p@ep-cool-1-pooler.eu-central-1.aws.neon.tech/shop"


def servers(tmp_path: Path, settings: str, files: dict[str, str]) -> tuple[DatabaseServers, DjangoProject]:
    given = {"manage.py": MANAGE.format("shop.settings"), "shop/settings.py": settings, **files}
    write(tmp_path, {path: text.encode() for path, text in given.items()})
    repository = Repository(tmp_path)
    found, project = repository.fact(DatabaseServers), repository.fact(DjangoProject)
    assert found is not None
    assert project is not None
    return found, project


@pytest.mark.parametrize(
    ("settings", "files", "pooler"),
    [
        (BY_VARIABLES, {}, ""),
        (BY_VARIABLES, {".env.example": "DB_HOST=localhost\nDB_PORT=5432\n"}, ""),
        (BY_VARIABLES, {".env.example": "DB_HOST=pgbouncer\n"}, "pgbouncer in .env.example"),
        (BY_VARIABLES, {"README.md": "| name | value |\n| `DB_PORT` | `6432` |\n"}, "6432 in README.md"),
        (BY_VARIABLES, {"k8s/web.yaml": "env:\n- name: DB_HOST\n  value: pooler.db\n"}, "pooler.db in k8s/web.yaml"),
        (DATABASE % '"HOST": "db.internal", "PORT": 6432', {}, "6432 in shop/settings.py"),
        (BY_URL % f'default="{NEON}"', {}, "ep-cool-1-pooler.eu-central-1.aws.neon.tech/shop in shop/settings.py"),
        (BY_URL % "", {"docs/x.md": f"DATABASE_URL={NEON}\n"}, "ep-cool-1-pooler.eu-central-1.aws.neon.tech/shop in "
         "docs/x.md"),
        (BY_URL % "", {"compose.yaml": "services:\n  pool:\n    image: edoburu/pgbouncer:1.23\n"}, "compose.yaml"),
        (BY_URL % "disable_server_side_cursors=True", {}, "shop/settings.py switches server-side cursors off"),
    ],
)  # fmt: skip
def test_a_pooler_is_known_by_any_value_that_the_repository_gives(
    settings: str, files: dict[str, str], pooler: str, tmp_path: Path
) -> None:
    found, project = servers(tmp_path, settings, files)

    assert found.pooler_of(project, project.databases[0]) == pooler


def test_another_settings_module_tells_of_a_pooler_too(tmp_path: Path) -> None:
    other = DATABASE % '"HOST": "pgbouncer.internal"'
    found, project = servers(tmp_path, BY_VARIABLES, {"shop/settings_production.py": other})

    assert found.pooler_of(project, project.databases[0]) == "pgbouncer.internal in shop/settings_production.py"


@pytest.mark.parametrize(
    ("files", "host"),
    [
        ({}, ""),
        ({".env.example": "DB_HOST=shop.abc.eu-west-1.rds.amazonaws.com\n"}, "shop.abc.eu-west-1.rds.amazonaws.com"),
        ({".env.example": "DB_HOST=x.rds.amazonaws.com\n", "compose.yaml": "services: {a: {environment: [DB_HOST=d]}}"},
         ""),
    ],
)  # fmt: skip
def test_tls_is_known_only_where_every_host_is_a_providers(files: dict[str, str], host: str, tmp_path: Path) -> None:
    found, project = servers(tmp_path, BY_VARIABLES, files)

    assert found.takes_tls(project, project.databases[0]) == host


def test_a_limit_of_its_own_is_found(tmp_path: Path) -> None:
    sql = "ALTER ROLE shop SET statement_timeout = '5s';\n"

    assert servers(tmp_path, BY_URL % "", {"db/roles.sql": sql})[0].limited_by == "db/roles.sql"


@pytest.mark.parametrize(
    ("files", "by"),
    [
        ({"requirements.txt": "celery==5.4\n"}, "celery (requirements.txt)"),
        ({"requirements-dev.txt": "celery==5.4\n"}, ""),
        ({"shop/reports.py": "from multiprocessing import Pool\n"}, "shop/reports.py"),
        ({"Procfile": "web: gunicorn --preload shop.wsgi\n"}, "Procfile (preload)"),
        ({"shop/tests/test_x.py": "import multiprocessing\n"}, ""),
    ],
)
def test_what_forks_is_found(files: dict[str, str], by: str, tmp_path: Path) -> None:
    assert fact(Forks, tmp_path, files).by == by


WSGI = "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n"
ASGI = WSGI.replace("wsgi", "asgi")


@pytest.mark.parametrize(
    ("files", "interface", "paths"),
    [
        ({"shop/wsgi.py": WSGI, "shop/asgi.py": ASGI}, "wsgi", ["shop/wsgi.py"]),
        ({"shop/wsgi.py": WSGI, "shop/asgi.py": ASGI}, "asgi", ["shop/asgi.py"]),
        ({"shop/wsgi.py": WSGI, "shop/asgi.py": ASGI}, "", ["shop/asgi.py", "shop/wsgi.py"]),
        ({"shop/wsgi.py": WSGI, "old/wsgi.py": WSGI}, "wsgi", []),
        ({"shop/wsgi.py": WSGI, "old/wsgi.py": WSGI, "Procfile": "web: uwsgi shop.wsgi\n"}, "wsgi", ["shop/wsgi.py"]),
        ({"shop/wsgi.py": WSGI, "old/wsgi.py": WSGI, "shop/settings.py": 'WSGI_APPLICATION = "shop.wsgi.application"\n'
          'INSTALLED_APPS = []\n'}, "wsgi", ["shop/wsgi.py"]),
        ({"shop/wsgi.py": WSGI, "shop/asgi.py": ASGI, "shop/settings.py": 'WSGI_APPLICATION = "shop.wsgi.application"\n'
          'INSTALLED_APPS = []\n'}, "", ["shop/asgi.py", "shop/wsgi.py"]),
        ({"shop/wsgi.py": WSGI, "shop/asgi.py": ASGI, "Procfile": "web: uwsgi shop.wsgi\n"}, "", ["shop/wsgi.py"]),
    ],
)  # fmt: skip
def test_the_modules_that_a_server_loads(
    files: dict[str, str], interface: str, paths: list[str], tmp_path: Path
) -> None:
    given = {"manage.py": MANAGE.format("shop.settings"), "shop/settings.py": BY_VARIABLES, **files}
    project, applications = fact(DjangoProject, tmp_path, given), fact(Applications, tmp_path, given)

    assert sorted(module.path for module in applications.of(project, interface)) == paths


@pytest.mark.parametrize(
    ("files", "by"),
    [
        ({"app/middleware.py": "with connection.execute_wrapper(log):\n    pass\n"}, "app/middleware.py"),
        ({"compose.yaml": "services: {db: {command: postgres -c log_min_duration_statement=500}}\n"}, "compose.yaml"),
        ({"requirements.txt": "newrelic==9.0\n"}, ""),
        (
            {"requirements.txt": "newrelic==9.0\n", "Procfile": "web: newrelic-admin run-program gunicorn a.wsgi\n"},
            "the package newrelic",
        ),
        ({"requirements-dev.txt": "django-silk\n"}, ""),
        ({"app/views.py": "execute_wrapper\n", "app/test_queries.py": "execute_wrapper\n"}, ""),
    ],
)
def test_what_tells_of_slow_queries_is_found(files: dict[str, str], by: str, tmp_path: Path) -> None:
    assert fact(QueryLog, tmp_path, files).by == by


def test_sql_by_hand_is_found_outside_of_tests_and_migrations(tmp_path: Path) -> None:
    files = {
        "app/migrations/0001.py": "cursor.execute('x')\n", "app/tests/test_x.py": "Model.objects.raw('x')\n",
        "app/reports.py": "\n\nrows = Model.objects.raw('SELECT %s', [1])\n",
    }  # fmt: skip

    assert fact(RawSql, tmp_path, files).first == "app/reports.py:3"
    assert fact(RawSql, tmp_path / "none", {"app/x.py": "execute(1)\n"}).first == ""


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("cursor.execute('SELECT 1')", False),
        ("cursor.execute('SELECT 1;')", False),
        ("Order.objects.raw('SELECT 1')", False),
        ("cursor.execute('SELECT 1; SELECT 2')", True),
        ("cursor.execute('SELECT %s', [a])", True),
        ("cursor.execute('SELECT %s', params=[a])", True),
        ("cursor.execute(sql)", True),
        ("cursor.execute(f'SELECT {a}')", True),
        ("cursor.executemany('SELECT 1')", True),
        ("Order.objects.raw('SELECT 1').extra(where=[a])", True),
        ("cursor.execute('SELECT 1'", True),
    ],
)
def test_sql_with_nothing_that_can_be_bound_is_not_found(code: str, is_found: bool, tmp_path: Path) -> None:
    assert fact(RawSql, tmp_path, {"app/x.py": f"{code}\n"}).first == ("app/x.py:1" if is_found else "")


def test_settings_that_cannot_be_parsed_are_named_and_the_others_still_read(tmp_path: Path) -> None:
    settings = 'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3"}}\n'
    files = {
        "manage.py": MANAGE.format("site.settings"),
        "site/settings.py": settings,
        "old/settings.py": "DATABASES = (\n",
    }
    write(tmp_path, {path: text.encode() for path, text in files.items()})

    found = check(Repository(tmp_path), [rule for rule in all_rules() if rule.pack == "django"])

    assert [problem.path for problem in found.problems] == ["old/settings.py"]
    assert found.faults == ()
