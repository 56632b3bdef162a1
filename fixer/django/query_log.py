"""What already tells of slow queries: code of the project, the server's own log, or a monitoring agent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from fixer.project.packages import PythonPackages
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

_LIKELY = re.compile(r"log|quer|slow|sql|db|database|middleware|apps|signals|monitor|metric|trac|perf|settings")
_SERVER = re.compile(r"log_min_duration_(statement|sample)\s*[=:]?\s*['\"]?\d|auto_explain")
_SERVER_FILES = re.compile(r"(^|/)([^/]*postgres[^/]*\.conf|(docker-)?compose[^/]*\.ya?ml|[^/]+\.tf)$", re.IGNORECASE)
# What shows that an agent is in use: a package in the requirements alone watches nothing.
_AGENTS = {
    "newrelic": r"newrelic-admin|newrelic\.agent|NEW_RELIC_",
    "ddtrace": r"ddtrace-run|\bimport ddtrace|\bfrom ddtrace",
    "elastic-apm": r"elasticapm\.contrib",
    "scout-apm": r"scout_apm\.",
    "appsignal": r"\bappsignal\b",
    "opentelemetry-instrumentation-psycopg2": r"opentelemetry-instrument\b|Psycopg2Instrumentor",
    "opentelemetry-instrumentation-psycopg": r"opentelemetry-instrument\b|PsycopgInstrumentor",
    "django-silk": r"""["']silk["'.]|silk\.middleware""",
    "django-slow-log": r"django_slow_log|slow_log",
}
_STARTS = re.compile(r"(^|/)([^/]*Dockerfile[^/]*|Procfile|[^/]*\.(py|sh|ya?ml|toml|ini|cfg)|start|entrypoint)$")


@record
class QueryLog:
    """`by` says what tells of slow queries, empty where nothing does; `taken` are modules named slow_queries."""

    by: str
    taken: frozenset[str]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        taken = frozenset(repository.named("slow_queries.py"))
        return cls(_found(repository), taken)


def _found(repository: Repository) -> str:
    packages = repository.fact(PythonPackages)
    asked = {each.name for each in packages.requirements if not each.development} if packages is not None else set()
    for name, use in _AGENTS.items():
        if name in asked and _is_used(repository, re.compile(use)):
            return f"the package {name}"
    for path in repository.ending(".py", ".conf", ".yml", ".yaml", ".tf"):
        file = path.rpartition("/")[2]
        if path.endswith(".py") and "test" not in file and _LIKELY.search("/".join(path.lower().split("/")[-2:])):
            text = repository.text(path)
            if "execute_wrapper" in text or "force_debug_cursor" in text:
                return path
        elif _SERVER_FILES.search(path) and _SERVER.search(repository.text(path)):
            return path
    return ""


def _is_used(repository: Repository, use: re.Pattern[str]) -> bool:
    """Whether a line of code or of what starts the program, other than a comment, shows it."""
    suffixes = ("", ".py", ".sh", ".yml", ".yaml", ".toml", ".ini", ".cfg")
    for path in sorted({*repository.ending(*suffixes), *repository.holding("dockerfile")}):
        if not _STARTS.search(path) or "test" in path.rpartition("/")[2]:
            continue
        text = repository.text(path)
        if use.search(text) and any(use.search(line.partition("#")[0]) for line in text.split("\n")):
            return True
    return False
