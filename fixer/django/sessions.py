"""Where the project needs one session of PostgreSQL for itself, which a pooler by transaction does not give."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.patterns import Rare
from fixer.project.packages import PythonPackages
from fixer.records import entity

if TYPE_CHECKING:
    from fixer.repository import Repository

_NEEDS = (
    (Rare(r"\bpg_(?:try_)?advisory_(?:lock|unlock)\b", "advisory_"), "takes an advisory lock of the session"),
    (Rare(r"[\"'(\s]LISTEN\s+[\"{%\w]", "LISTEN"), "listens on a connection"),
    (
        Rare(
            r"(?i)\bSET\s+(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)(?:SESSION\s+)?(?:search_path|statement_timeout|role|"
            r"lock_timeout|idle_in_transaction\w*|work_mem|application_name)\b",
            *("search_path", "role", "_timeout", "idle_in_transaction", "work_mem", "application_name"),
        ),
        "sets what the next client of the connection gets too",
    ),
    (Rare(r"(?i)\bset_config\([^)]*,\s*false\s*\)", "set_config("), "sets what the next client gets too"),
    (Rare(r"(?i)\bCREATE\s+(?:LOCAL\s+)?TEMP(?:ORARY)?\s+TABLE\b", "temp"), "makes a temporary table"),
)
_PACKAGES = {
    "django-tenants": "sets the search path of each request",
    "django-tenant-schemas": "sets the search path of each request",
    "django-pgschemas": "sets the search path of each request",
    "procrastinate": "listens on a connection",
    "pgqueuer": "listens on a connection",
    "channels-postgres": "listens on a connection",
    "django-dbbackup": "dumps by the address that the settings have",
    "django-pgpubsub": "listens on a connection",
    "django-pglocks": "takes advisory locks of the session",
    "django-pglock": "takes advisory locks of the session",
}
_ASIDE = re.compile(r"(^|/)(tests?|migrations)/|(^|/)(test_[^/]*|[^/]*_tests?|conftest)\.py$")


@entity
class Sessions:
    """Read only when it is asked for: it means reading every module."""

    repository: Repository

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        return cls(repository)

    @cached_property
    def needed_by(self) -> str:
        """What needs a session for itself, as a sentence; empty where nothing does."""
        packages = self.repository.fact(PythonPackages)
        for name, what in _PACKAGES.items():
            if packages is not None and packages.has(name, development=False):
                return f"{name} {what}"
        for path in self.repository.ending(".py"):
            if not path.endswith(".py") or _ASIDE.search(path):
                continue
            text = self.repository.text(path)
            for pattern, what in _NEEDS:
                found = pattern.search(text)
                if found:
                    return f"{path}:{text.count(chr(10), 0, found.start()) + 1} {what}"
        return ""
