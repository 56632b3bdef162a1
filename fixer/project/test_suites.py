"""Suites of tests that the repository holds, and the URL that tells whether the application is healthy."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Literal, Self

from fixer.languages.python import PythonModule, constant, dotted, text
from fixer.languages.tables import json_object, mapping, toml_table
from fixer.model import FileError
from fixer.project.pytest_options import is_configuration, options_of, words
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

# Tests of `integrations` with other products are mostly unit tests.
_INTEGRATION = re.compile(
    r"(^|/)(tests?/)?integration(_tests?|-tests?)?/.*\btest_\w+\.py$|(^|/)(test_(\w+_)?integration(_\w+)?)\.py$"
)
_MARKER = re.compile(r"integration\s*(:|$)")
_DESELECTED = re.compile(r"not[ _]integration|--(ignore|deselect|ignore-glob)[= ]\S*integration")
_LOCUST = re.compile(r"(^|/)locustfile[^/]*\.py$|(^|/)(load|performance|perf|stress|locust)[^/]*/[^/]*locust[^/]*\.py$")
_IS_TEST = re.compile(r"(^|/)(tests?/.*|test\w*|\w*_tests?)\.py$")
_CHECKING = frozenset({"check", "check_changes", "dry_run"})
_COMPARES = re.compile("makemigrations|MigrationAutodetector")
_K6 = re.compile(r"^\s*import\b.*\bfrom\s+['\"]k6(/[\w/]+)?['\"]", re.MULTILINE)
_BENCHMARK = re.compile(r"(^|/)(benchmarks?|performance|perf)/.*\btest_\w+\.py$|(^|/)test_\w*benchmark\w*\.py$")
_HEALTH_URL = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::(?P<port>\d+))?(?P<path>/[\w./-]*)"
)
_LOOKED_AT = (".py", ".ini", ".toml", ".cfg")
_OF_NODE = (".js", ".ts", ".mjs", ".cjs", ".mts", ".cts")
_WORDS_OF_NODE = ("playwright.config.", "k6", "load", "perf")
_PROBING = re.compile(r"dockerfile[^/]*$|compose[^/]*\.ya?ml$", re.IGNORECASE)
_PROBE = re.compile(r"HEALTHCHECK|healthcheck|health")


@record
class Suite:
    """`path` is a folder or file, or for `marker` the file that registers the pytest marker."""

    kind: Literal["pytest", "marker", "playwright", "locust", "k6", "pytest-benchmark"]
    path: str

    def __str__(self) -> str:
        return "the tests marked integration" if self.kind == "marker" else self.path


@record
class TestSuites:
    """Integration suites and load tests, and health URLs by the file that probes them.

    `deselected`: the configuration of pytest leaves integration tests out of a run that does not ask for them;
    `testpaths`: what it takes where a run names no path, empty for everything. `scripts`: every Python file.
    `environment`: the variables that the configuration of the tests sets itself, by pytest-env or in a conftest.py.
    `migrations`: a test that no migration is missing; empty where there is none.
    """

    __test__ = False  # pytest would take the name for a class of tests

    integration: tuple[Suite, ...]
    load: tuple[Suite, ...]
    health: tuple[tuple[str, str], ...]
    deselected: bool = False
    testpaths: tuple[str, ...] = ()
    scripts: frozenset[str] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict)
    migrations: str = ""

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """Always there; empty where the repository has none."""
        integration: list[Suite] = []
        load: list[Suite] = []
        health: list[tuple[str, str]] = []
        registered: list[str] = []
        testpaths: list[str] = []
        marked = deselected = False
        of_node = (path for path in repository.ending(*_OF_NODE) if any(word in path for word in _WORDS_OF_NODE))
        for path in sorted((*repository.ending(*_LOOKED_AT), *of_node)):
            name = path.rpartition("/")[2]
            if is_configuration(path):
                options = options_of(path, repository)
                deselected = deselected or _DESELECTED.search(" ".join(options.get("addopts", ()))) is not None
                folder = posixpath.dirname(path)
                testpaths += [
                    posixpath.normpath(posixpath.join(folder, word)) for word in words(options.get("testpaths", ()))
                ]
                if any(_MARKER.match(line) for line in options.get("markers", ())):
                    registered.append(path)
            if _INTEGRATION.search(path):
                folder = posixpath.dirname(path)
                found = Suite("pytest", folder if "integration" in folder.rpartition("/")[2] else path)
                if found not in integration:
                    integration.append(found)
            elif name.startswith("test_") and name.endswith(".py") and "mark.integration" in repository.text(path):
                marked = True
            elif re.match(r"playwright\.config\.[cm]?[jt]s$", name) and _declares(repository, path):
                integration.append(Suite("playwright", path))
            elif _LOCUST.search(path):
                load.append(Suite("locust", path))
            elif (
                name.endswith((".js", ".ts")) and re.search(r"k6|load|perf", path) and _K6.search(repository.text(path))
            ):
                load.append(Suite("k6", path))
            elif _BENCHMARK.search(path):
                load.append(Suite("pytest-benchmark", path))
        for path in sorted({*repository.ending(".yml", ".yaml"), *repository.holding("dockerfile")}):
            if _PROBING.search(path):
                health += [(path, url) for url in _probes(repository.text(path))]
        if marked:  # a marker that no test has would select nothing, and pytest fails then
            integration += [Suite("marker", path) for path in registered]
        order = {"locust": 0, "k6": 1, "pytest-benchmark": 2}
        load.sort(key=lambda suite: order[suite.kind])
        scripts = frozenset(path for path in repository.ending(".py") if path.endswith(".py"))
        environment = dict(_environment(repository))
        return cls(
            tuple(integration),
            tuple(load),
            tuple(health),
            deselected,
            tuple(testpaths),
            scripts,
            environment,
            _test_of_migrations(repository),
        )

    def health_path(self, near: str) -> str:
        """The path of the URL that the container nearest to this folder is probed with; empty where none is."""
        ranked = [
            (len(posixpath.commonpath([posixpath.dirname(path) or ".", near or "."]) or ""), url)
            for path, url in self.health
            if not posixpath.dirname(path) or f"{near}/".startswith(posixpath.dirname(path) + "/")
        ]
        return max(ranked, default=(0, ""), key=lambda pair: pair[0])[1]


def _test_of_migrations(repository: Repository) -> str:
    """A file of tests that runs `makemigrations` so that it only looks, or does itself what that does."""
    for path in repository.ending(".py"):
        if _IS_TEST.search(path) and _COMPARES.search(repository.text(path)) and _compares(path, repository):
            return path
    return ""


def _compares(path: str, repository: Repository) -> bool:
    """Whether a module compares the models that are loaded with the migrations."""
    try:
        module = repository.parsed(path, PythonModule)
    except FileError:
        return False
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    called = {dotted(call.func).rpartition(".")[2] for call in calls}
    # https://docs.djangoproject.com/en/stable/ref/django-admin/#makemigrations and how that command finds out
    return {"MigrationAutodetector", "from_apps"} <= called or any(map(_looks_for_missing, calls))


def _looks_for_missing(call: ast.Call) -> bool:
    if dotted(call.func).rpartition(".")[2] != "call_command" or not call.args:
        return False
    if text(call.args[0]) != "makemigrations":
        return False
    said = {text(each) for argument in call.args for each in ast.walk(argument)}
    given = {each.arg for each in call.keywords if constant(each.value) is True}
    return bool(said & {"--check", "--dry-run"} or given & _CHECKING)


def _environment(repository: Repository) -> Iterator[tuple[str, str]]:
    """What pytest-env and conftest.py put into the environment, where it is literal.

    https://github.com/pytest-dev/pytest-env
    """
    for path in repository.ending(".toml", ".ini", ".cfg", ".py"):
        if is_configuration(path):
            yield from _pairs(options_of(path, repository).get("env", ()))
        if path.endswith("pyproject.toml") and "pytest_env" in (text := repository.text(path)):
            for name, value in mapping(mapping(toml_table(text).get("tool")).get("pytest_env")).items():
                found = value.get("value") if isinstance(value, dict) else value
                if isinstance(found, str | int):
                    yield name, str(found)
        elif path.endswith("conftest.py") and "environ" in (text := repository.text(path)):
            yield from _set_by(text)


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """`NAME=value`, with the letters of pytest-env before it: `D:` for a default, `R:` for a raw value."""
    for line in lines:
        found = re.match(r"(?:[RDrd]:)*(\w+)\s*=\s*+(.*)$", line)
        if found:
            yield found[1], found[2]


def _set_by(text: str) -> Iterator[tuple[str, str]]:
    """The variables that a module sets by `os.environ[…] = …`, or by `os.environ.setdefault(…)`."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        name = value = None
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            if ast.unparse(node.targets[0].value).endswith("environ"):
                name, value = node.targets[0].slice, node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("environ.setdefault"):
            name, value = (*node.args, None, None)[:2]
        if isinstance(name, ast.Constant) and isinstance(value, ast.Constant):
            yield str(name.value), str(value.value)


def _declares(repository: Repository, config: str) -> bool:
    """Whether the package.json beside a Playwright configuration asks for Playwright: only then it can run."""
    package = json_object(repository.text(posixpath.join(posixpath.dirname(config), "package.json")))
    groups = (package.get(name) for name in ("dependencies", "devDependencies"))
    return any(isinstance(group, dict) and "@playwright/test" in group for group in groups)


def _probes(text: str) -> list[str]:
    found = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        url = _HEALTH_URL.search(line)
        around = "\n".join(lines[max(0, number - 3) : number + 1])
        if url and _PROBE.search(around):
            found.append(url["path"])
    return found
