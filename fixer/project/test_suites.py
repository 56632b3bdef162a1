"""Suites of tests that the repository holds, and the URL that tells whether the application is healthy."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from fixer.languages.tables import json_object

if TYPE_CHECKING:
    from fixer.repository import Repository

# Tests of `integrations` with other products are mostly unit tests.
_INTEGRATION = re.compile(
    r"(^|/)(tests?/)?integration(_tests?|-tests?)?/.*\btest_\w+\.py$|(^|/)(test_(\w+_)?integration(_\w+)?)\.py$"
)
_MARKER = re.compile(r"^\s*[\"']?integration\b\s*[:\"']", re.MULTILINE)
_MARKERS_FILE = re.compile(r"(^|/)(pytest\.ini|pyproject\.toml|setup\.cfg|tox\.ini)$")
_ADDOPTS = re.compile(r"^\s*addopts\s*=\s*(?:\[[^\]]*\]|.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
_DESELECTED = re.compile(r"not[ _]integration|--(ignore|deselect|ignore-glob)[= ]\S*integration")
_TESTPATHS = re.compile(
    r"^\s*testpaths\s*=\s*(?:\[(?P<list>[^\]]*)\]|(?P<line>.*(?:\n[ \t]+[\w./-]+[ \t]*$)*))", re.MULTILINE
)
_LOCUST = re.compile(r"(^|/)locustfile[^/]*\.py$|(^|/)(load|performance|perf|stress|locust)[^/]*/[^/]*locust[^/]*\.py$")
_K6 = re.compile(r"^\s*import\b.*\bfrom\s+['\"]k6(/[\w/]+)?['\"]", re.MULTILINE)
_BENCHMARK = re.compile(r"(^|/)(benchmarks?|performance|perf)/.*\btest_\w+\.py$|(^|/)test_\w*benchmark\w*\.py$")
_HEALTH_URL = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::(?P<port>\d+))?(?P<path>/[\w./-]*)"
)
_PROBE = re.compile(r"HEALTHCHECK|healthcheck|health")


@dataclass(frozen=True, slots=True)
class Suite:
    """`path` is a folder or file, or for `marker` the file that registers the pytest marker."""

    kind: Literal["pytest", "marker", "playwright", "locust", "k6", "pytest-benchmark"]
    path: str

    def __str__(self) -> str:
        return "the tests marked integration" if self.kind == "marker" else self.path


@dataclass(frozen=True)
class TestSuites:
    """Integration suites and load tests, and health URLs by the file that probes them.

    `deselected`: the configuration of pytest leaves integration tests out of a run that does not ask for them;
    `testpaths`: what it takes where a run names no path, empty for everything. `scripts`: every Python file.
    """

    __test__ = False  # pytest would take the name for a class of tests

    integration: tuple[Suite, ...]
    load: tuple[Suite, ...]
    health: tuple[tuple[str, str], ...]
    deselected: bool = False
    testpaths: tuple[str, ...] = ()
    scripts: frozenset[str] = frozenset()

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """Always there; empty where the repository has none."""
        integration: list[Suite] = []
        load: list[Suite] = []
        health: list[tuple[str, str]] = []
        registered: list[str] = []
        testpaths: list[str] = []
        marked = deselected = False
        for path in repository.files:
            name = path.rpartition("/")[2]
            if _MARKERS_FILE.search(path):
                options = " ".join(_ADDOPTS.findall(repository.text(path)))
                deselected = deselected or _DESELECTED.search(options) is not None
                found_paths = _TESTPATHS.search(repository.text(path))
                if found_paths:
                    words = re.findall(r"[\w./-]+", found_paths["list"] or found_paths["line"])
                    testpaths += [posixpath.normpath(posixpath.join(posixpath.dirname(path), word)) for word in words]
            if _INTEGRATION.search(path):
                folder = posixpath.dirname(path)
                found = Suite("pytest", folder if "integration" in folder.rpartition("/")[2] else path)
                if found not in integration:
                    integration.append(found)
            elif _MARKERS_FILE.search(path) and _MARKER.search(_markers(repository.text(path))):
                registered.append(path)
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
            if re.search(r"(^|/)[^/]*dockerfile[^/]*$|compose[^/]*\.ya?ml$", path, re.IGNORECASE):
                health += [(path, url) for url in _probes(repository.text(path))]
        if marked:  # a marker that no test has would select nothing, and pytest fails then
            integration += [Suite("marker", path) for path in registered]
        order = {"locust": 0, "k6": 1, "pytest-benchmark": 2}
        load.sort(key=lambda suite: order[suite.kind])
        scripts = frozenset(path for path in repository.files if path.endswith(".py"))
        return cls(tuple(integration), tuple(load), tuple(health), deselected, tuple(testpaths), scripts)

    def health_path(self, near: str) -> str:
        """The path of the URL that the container nearest to this folder is probed with; empty where none is."""
        ranked = [
            (len(posixpath.commonpath([posixpath.dirname(path) or ".", near or "."]) or ""), url)
            for path, url in self.health
            if not posixpath.dirname(path) or f"{near}/".startswith(posixpath.dirname(path) + "/")
        ]
        return max(ranked, default=(0, ""), key=lambda pair: pair[0])[1]


def _markers(text: str) -> str:
    """The part of a configuration file that registers markers."""
    found = re.search(r"^\s*markers\s*=\s*\[?((?:.*\n?)(?:^[ \t]+.*\n?|^\s*\]?\n?)*)", text, re.MULTILINE)
    return found[1] if found else ""


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
