"""What already tells of slow queries: code of the project, the server's own log, or a monitoring agent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from fixer.project.packages import PythonPackages

if TYPE_CHECKING:
    from fixer.repository import Repository

_LIKELY = re.compile(r"log|quer|slow|sql|db|database|middleware|apps|signals|monitor|metric|trac|perf|settings")
_SERVER = re.compile(r"log_min_duration_(statement|sample)\s*[=:]?\s*['\"]?\d|auto_explain")
_SERVER_FILES = re.compile(r"(^|/)([^/]*postgres[^/]*\.conf|(docker-)?compose[^/]*\.ya?ml|[^/]+\.tf)$", re.IGNORECASE)
_AGENTS = (
    "newrelic", "ddtrace", "elastic-apm", "scout-apm", "appsignal", "opentelemetry-instrumentation-psycopg2",
    "opentelemetry-instrumentation-psycopg", "django-silk", "django-slow-log", "django-prometheus-query",
)  # fmt: skip


@dataclass(frozen=True)
class QueryLog:
    """`by` says what tells of slow queries, empty where nothing does; `taken` are modules named slow_queries."""

    by: str
    taken: frozenset[str]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        taken = frozenset(path for path in repository.files if path.rpartition("/")[2] == "slow_queries.py")
        return cls(_found(repository), taken)


def _found(repository: Repository) -> str:
    packages = repository.fact(PythonPackages)
    for name in _AGENTS if packages is not None else ():
        if any(r.name == name and not r.development for r in (packages.requirements if packages else ())):
            return f"the package {name}"
    for path in repository.files:
        file = path.rpartition("/")[2]
        if path.endswith(".py") and "test" not in file and _LIKELY.search("/".join(path.lower().split("/")[-2:])):
            text = repository.text(path)
            if "execute_wrapper" in text or "force_debug_cursor" in text:
                return path
        elif _SERVER_FILES.search(path) and _SERVER.search(repository.text(path)):
            return path
    return ""
