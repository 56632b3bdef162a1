"""What the repository says of the servers behind DATABASES: poolers, time limits, and every value of a variable."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.django.project import DjangoProject
from fixer.django.settings import Database
from fixer.languages.python import constant, item

if TYPE_CHECKING:
    from fixer.repository import Repository

_POOLER_IMAGE = re.compile(
    r"^[^\n#]*\bimage:[^\n]*(pgbouncer|pgcat|odyssey|supavisor|pgpool)"
    r"|^\s*repository:[^\n]*pgbouncer|^\[pgbouncer\]",
    re.IGNORECASE | re.MULTILINE,
)
# Neon's and Supabase's own poolers, https://neon.com/docs/connect/connection-pooling; `.proxy-` is RDS Proxy, which
# refuses startup options too, https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy.html#rds-proxy.limitations
_POOLER = re.compile(r"pgbouncer|pgcat|pooler|supavisor|\.proxy-|(^|:)(6432|6543)(/|$)", re.IGNORECASE)
# What a pooler by transaction asks of Django.
_CURSORS = re.compile(r"DISABLE_SERVER_SIDE_CURSORS(?!['\"]?\]?(:| =) False)|disable_server_side_cursors=True")
# Hosts of providers whose servers speak TLS with every client.
_MANAGED = re.compile(
    r"\.(rds\.amazonaws\.com|neon\.tech|supabase\.(com?|net)|postgres\.database\.azure\.com|ondigitalocean\.com"
    r"|aivencloud\.com|render\.com|tsdb\.cloud\.timescale\.com|compute(-1)?\.amazonaws\.com)$",
    re.IGNORECASE,
)
_HOST_OF_URL = re.compile(r"^\w+://(?:[^@/\s]*@)?(?P<host>[^:/?\s]+)")
_SAYS_VALUES = re.compile(
    r"(^|/)(\.env[^/]*|[^/]*\.env|[^/]*\.(ya?ml|toml|json|md|rst|txt|sh|ini|cfg|conf|tf|tfvars|example|sample)"
    r"|[^/]*Dockerfile[^/]*|Procfile|Makefile|justfile)$",
    re.IGNORECASE,
)
_NOT_VALUES = re.compile(r"(^|/)(node_modules|\.venv|venv|site-packages)/|(-lock|\.lock|lock)\.(json|ya?ml)$|\.lock$")
_MAY_LIMIT = re.compile(r"\.(py|ya?ml|conf|sql|tf|sh|env|ini)$|(^|/)(\.env[^/]*|Dockerfile[^/]*)$")


@dataclass(frozen=True, eq=False)
class DatabaseServers:
    """Read only when it is asked for: it means reading most text files of the repository."""

    repository: Repository

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        return cls(repository)

    @cached_property
    def pooler(self) -> str:
        """The file that starts or configures a connection pooler, or an empty string."""
        paths = (path for path in self.repository.files if path.endswith((".yml", ".yaml", ".ini")))
        return self._first(paths, lambda text: _POOLER_IMAGE.search(text) is not None)

    @cached_property
    def limited_by(self) -> str:
        """The file that gives PostgreSQL a `statement_timeout` of its own, or an empty string."""
        paths = (path for path in self.repository.files if _MAY_LIMIT.search(path))
        return self._first(paths, lambda text: "statement_timeout" in text)

    def _first(self, paths: Iterable[str], wanted: Callable[[str], bool]) -> str:
        return next((p for p in paths if not _NOT_VALUES.search(p) and wanted(self.repository.text(p))), "")

    def values(self, variable: str) -> Iterator[tuple[str, str]]:
        """(value, path) of every place that gives a variable a value: env files, compose, manifests, scripts, prose."""
        given = re.compile(
            rf"(?<![\w$]){re.escape(variable)}(?!\w)[`\"']*\s*(?:[:=|]\s*(?:value:\s*)?|\s\s*)[`\"'<]*([^\s\"'`|,}}>]+)"
            rf"|name:\s*{re.escape(variable)}\s*\n\s*value:\s*[\"']?([^\s\"']+)"
        )
        for path in self._saying_values:
            text = self.repository.text(path)
            if variable in text:
                for found in given.finditer(text):
                    yield found[1] or found[2], path

    @cached_property
    def _saying_values(self) -> tuple[str, ...]:
        return tuple(p for p in self.repository.files if _SAYS_VALUES.search(p) and not _NOT_VALUES.search(p))

    def pooler_of(self, project: DjangoProject, database: Database) -> str:
        """What says that a pooler may stand before a database (a place or a value), or an empty string."""
        said = [ast.unparse(database.node), *(ast.unparse(each.statement) for each in project.later_of(database))]
        if any(map(_CURSORS.search, said)):
            return f"{database.path} switches server-side cursors off"
        for value, place in self._addresses(project, database):
            if _POOLER.search(value):
                return f"{value.rpartition('@')[2]} in {place}"
        return self.pooler

    def takes_tls(self, project: DjangoProject, database: Database) -> str:
        """The host of a provider whose servers speak TLS, where every host that is known is such a one."""
        hosts = [_host(value) for value, _ in self._addresses(project, database)]
        known = [host for host in hosts if host and not host.isdigit()]
        return known[0] if known and all(map(_MANAGED.search, known)) else ""

    def _addresses(self, project: DjangoProject, database: Database) -> Iterator[tuple[str, str]]:
        """(host, port or URL, place) that an alias may have, in any settings module and for any of its variables."""
        for module in project.modules.values():
            for each in module.databases:
                if each.alias != database.alias:
                    continue
                for name in ("HOST", "PORT"):
                    given = constant(item(each.node, name))
                    if isinstance(given, str | int):
                        yield str(given), each.path
                yield from (
                    (node.value, each.path)
                    for node in ast.walk(each.node)
                    if isinstance(node, ast.Constant) and isinstance(node.value, str) and "://" in node.value
                )
                for name in ("HOST", "PORT", "URL"):
                    read = each.reads.get(name)
                    if read is None:
                        continue
                    if read.default:
                        yield read.default, each.path
                    yield from self.values(read.name)


def _host(value: str) -> str:
    url = _HOST_OF_URL.match(value)
    return url["host"] if url else value
