"""What the repository says of the servers behind DATABASES: poolers, time limits, and every value of a variable."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.django.project import DjangoProject
from fixer.django.settings import Database
from fixer.documents import kind_of
from fixer.languages.python import constant, item
from fixer.model import Span
from fixer.patterns import Rare
from fixer.records import entity
from fixer.runtime.picture import Runtime
from fixer.runtime.places import Place
from fixer.runtime.servers import server_of_url

if TYPE_CHECKING:
    from fixer.repository import Repository

# In manifests and files of poolers, which the picture of what runs where does not read.
_POOLERS = ("pgbouncer", "pgcat", "supavisor", "pgpool")
_POOLER_IMAGE = Rare(
    r"(?im)^[^\n#]*\bimage:[^\n]*(pgbouncer|pgcat|odyssey|supavisor|pgpool)"
    r"|^\s*repository:[^\n]*pgbouncer|^\[pgbouncer\]",
    *_POOLERS,
    "odyssey",
)
_POOLER = Rare(
    r"(?i)pgbouncer|pgcat|supavisor|pgpool|aws_db_proxy|DatabaseProxy|DBProxy",
    *_POOLERS,
    *("aws_db_proxy", "databaseproxy", "dbproxy"),
)
# https://supabase.com/docs/guides/database/connecting-to-postgres, https://neon.com/docs/connect/connection-pooling
_POOLS_BESIDE = re.compile(r"SUPABASE|NEON(?![A-Z])", re.IGNORECASE)
_PROVIDER = re.compile(r"\bneon(\.tech)?\b|\bsupabase\b", re.IGNORECASE)
_INFRASTRUCTURE = (".tf", ".json", ".ts", ".template", ".yml", ".yaml")
_COMPOSE = "docker.compose.Compose"
# What a pooler by transaction asks of Django.
_NO_CURSORS = re.compile(r"DISABLE_SERVER_SIDE_CURSORS['\"]?\]?(:| =) True|disable_server_side_cursors=True")
_CURSORS = re.compile(r"DISABLE_SERVER_SIDE_CURSORS(?!['\"]?\]?(:| =) False)|disable_server_side_cursors=True")
# Hosts of providers whose servers speak TLS with every client.
_MANAGED = re.compile(
    r"\.(rds\.amazonaws\.com|neon\.tech|supabase\.(com?|net)|postgres\.database\.azure\.com|ondigitalocean\.com"
    r"|aivencloud\.com|render\.com|tsdb\.cloud\.timescale\.com|compute(-1)?\.amazonaws\.com)$",
    re.IGNORECASE,
)
_MANIFEST = re.compile(r"\.(ya?ml|toml|json|tf|tfvars|ini)$", re.IGNORECASE)
_NOT_VALUES = re.compile(r"(^|/)(node_modules|\.venv|venv|site-packages)/|(-lock|\.lock|lock)\.(json|ya?ml)$|\.lock$")
_NOWHERE = Place("", Span(0, 0), 0, "")
_MAY_LIMIT = re.compile(r"\.(py|ya?ml|conf|sql|tf|sh|env|ini)$|(^|/)(\.env[^/]*|Dockerfile[^/]*)$")


@entity
class DatabaseServers:
    """What stands behind the databases, as far as the repository says. Read when it is asked for."""

    repository: Repository
    runtime: Runtime
    known: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        runtime = repository.fact(Runtime)
        return cls(repository, runtime) if runtime is not None else None

    @cached_property
    def pooler(self) -> str:
        """The file that starts or configures a connection pooler, or an empty string."""
        known = next((each.place.path for each in self.runtime.poolers()), "")
        paths = (
            path for path in self.repository.ending(".yml", ".yaml", ".ini") if path.endswith((".yml", ".yaml", ".ini"))
        )
        return known or self._first(paths, lambda text: _POOLER_IMAGE.search(text) is not None)

    def pooler_of_compose(self, project: DjangoProject, database: Database) -> str:
        """The compose file that starts the pooler of a database, where nothing else in the repository speaks of one."""
        places = {each.place.path for each in self.runtime.poolers()}
        places |= {
            path for value, path in self._addresses(project, database) if self.runtime.is_pooler(*_address(value))
        }
        started = {path for path in places if kind_of(path) == _COMPOSE}
        infrastructure = (path for path in self.repository.ending(*_INFRASTRUCTURE) if kind_of(path) != _COMPOSE)
        if started != places or self._first(infrastructure, lambda text: _POOLER.search(text) is not None):
            return ""
        return min(started, default="")

    @cached_property
    def limited_by(self) -> str:
        """The file that gives PostgreSQL a `statement_timeout` of its own, or an empty string."""
        paths = (path for path in self.repository.files if _MAY_LIMIT.search(path))
        return self._first(paths, lambda text: "statement_timeout" in text)

    def pooler_of(self, project: DjangoProject, database: Database) -> str:
        """What says that a pooler may stand before a database (a place or a value), or an empty string."""
        said = [ast.unparse(database.node), *(ast.unparse(each.statement) for each in project.later_of(database))]
        if any(map(_CURSORS.search, said)):
            verb = "switches" if any(map(_NO_CURSORS.search, said)) else "can switch"
            return f"{database.path} {verb} server-side cursors off"
        for value, place in self._addresses(project, database):
            host, port = _address(value)
            if self.runtime.is_pooler(host, port):
                return f"{value.rpartition('@')[2]} in {place}"
        return self.pooler or self._pooler_of_provider(project, database)

    def is_known(self, project: DjangoProject, database: Database) -> bool:
        """Whether the repository says any host of a database but the developer's own; a port alone is of many."""
        return any(map(_is_elsewhere, self._hosts(project, database)))

    def _hosts(self, project: DjangoProject, database: Database) -> Iterator[str]:
        hosts = (_address(value)[0] for value, _ in self._addresses(project, database))
        return (host for host in hosts if host and not host.isdigit())

    def _pooler_of_provider(self, project: DjangoProject, database: Database) -> str:
        """Where a provider that has a pooler beside each database is named, by a variable or in words beside the
        definition, and no value tells which of the two it is."""
        if any("." in host and _is_elsewhere(host) for host in self._hosts(project, database)):
            return ""  # a service of compose, too, is only what runs where the provider does not
        definitions = [each for module in project.modules.values() for each in module.databases]
        own = [each for each in definitions if each.alias == database.alias]
        named = (read.name for each in own for read in each.reads.values())
        words = (each.module.source.text for each in own)
        return next(
            (f"{name} in {database.path}" for name in named if _POOLS_BESIDE.search(name)),
            next((f"{found[0]} in {database.path}" for found in map(_PROVIDER.search, words) if found), ""),
        )

    def is_another(self, project: DjangoProject, database: Database) -> bool:
        """Whether the URLs that the repository has for a database lead to servers, and to none of PostgreSQL."""
        servers = (server_of_url(value, _NOWHERE) for value, _ in self._addresses(project, database))
        engines = {server.engine for server in servers if server is not None}
        return bool(engines) and "postgresql" not in engines

    def takes_tls(self, project: DjangoProject, database: Database) -> str:
        """The host of a provider whose servers speak TLS, where every host that is known is such a one."""
        hosts = [_address(value)[0] for value, _ in self._addresses(project, database)]
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
                    yield from self._values(read.name)

    def _values(self, variable: str) -> tuple[tuple[str, str], ...]:
        """Each value that a variable gets, with the first path that gives it."""
        if variable not in self.known:
            first: dict[str, str] = {}
            for value, path in self._given(variable):
                first.setdefault(value, path)
            self.known[variable] = tuple(first.items())
        return self.known[variable]

    def _given(self, variable: str) -> Iterator[tuple[str, str]]:
        yield from ((each.text, each.place.path) for each in self.runtime.values(variable) if each.text)
        given = re.compile(
            rf"(?<![\w$]){re.escape(variable)}[\"']?\s*[:=]\s*[\"']?([^\s\"',}}]+)"
            rf"|name:\s*{re.escape(variable)}\s*\n\s*value:\s*[\"']?([^\s\"']+)"
        )
        for path in self._manifests:
            text = self.repository.text(path)
            for found in given.finditer(text) if variable in text else ():
                yield found[1] or found[2], path

    @cached_property
    def _manifests(self) -> tuple[str, ...]:
        paths = self.repository.ending(".yml", ".yaml", ".toml", ".json", ".tf", ".tfvars", ".ini")
        return tuple(p for p in paths if _MANIFEST.search(p) and not _NOT_VALUES.search(p))

    def _first(self, paths: Iterable[str], wanted: Callable[[str], bool]) -> str:
        return next((p for p in paths if not _NOT_VALUES.search(p) and wanted(self.repository.text(p))), "")


def _is_elsewhere(host: str) -> bool:
    return host not in ("localhost", "::1") and not host.startswith("127.")


def _address(value: str) -> tuple[str, str]:
    """Host and port of a URL; of a host, or a port, alone that value for both."""
    server = server_of_url(value, _NOWHERE)
    if server is not None:
        return server.host, server.port
    host, _, port = value.partition(":")
    return host, port or host
