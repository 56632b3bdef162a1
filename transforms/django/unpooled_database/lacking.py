"""What a database lacks: reuse of its connections, and limits for waiting."""

import ast
from dataclasses import dataclass, field
from typing import Any

from fixer.django.settings import environment_reads
from fixer.languages.python import dotted, item
from fixer.model import Blocked
from transforms.django.unpooled_database.cell import CONNECT_TIMEOUT, MOST_CONNECTIONS, Cell
from transforms.django.unpooled_database.said import Age, Said, number

URL_MAY_POOL = Blocked(
    "psycopg_pool is installed, and a URL may ask for a pool, beside which Django refuses to keep connections",
    "set CONN_MAX_AGE, or a pool, there",
)


@dataclass
class Wanted:
    """What one database lacks: keys beside NAME, keys of OPTIONS, and words for each."""

    add: dict[str, Any] = field(default_factory=dict)
    add_options: dict[str, Any] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    zero: Age | None = None
    lacks: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)
    blocked: Blocked | None = None

    def __bool__(self) -> bool:
        return bool(self.add or self.add_options or self.delete or self.zero)


def reuse(said: Said, cell: Cell, wanted: Wanted) -> None:
    """CONN_MAX_AGE, CONN_HEALTH_CHECKS and the pool: each excludes, or asks for, another."""
    if item(said.database.node, "POOL") is not None:
        wanted.delete.append("POOL")
        wanted.lacks.append("has a POOL, which no Django reads")
        wanted.effects.append(f"{said.at}.POOL: removed, it had no effect")
    if not _keeps(said, cell, wanted):
        return
    if not said.names("CONN_HEALTH_CHECKS") and cell.has_health_checks:
        wanted.add["CONN_HEALTH_CHECKS"] = True
        wanted.lacks.append("does not check a kept connection before it is used")
        since = "" if cell.project.version is not None else "from Django 4.1 on, "
        wanted.effects.append(f"{said.at}.CONN_HEALTH_CHECKS: {since}a connection that the server closed is replaced")
    others = ", ".join(f"{c.path}:{c.line} ({c.server})" for c in (cell.server.contradicting if cell.server else ()))
    if "CONN_MAX_AGE" in wanted.add and others:
        wanted.todo.append(f"where {others} runs the application instead, set CONN_MAX_AGE to 0")


def waits(said: Said, cell: Cell, wanted: Wanted) -> None:
    at = f"{said.at}.OPTIONS"
    if not said.names_option("sslmode"):
        host = cell.servers.takes_tls(cell.project, said.database)
        if host:
            wanted.add_options["sslmode"] = "require"
            wanted.lacks.append("does not insist on TLS")
            wanted.effects.append(f"{at}.sslmode: require, which {host} speaks")
    if not said.names_option("connect_timeout"):
        wanted.add_options["connect_timeout"] = CONNECT_TIMEOUT
        wanted.lacks.append("may wait for ever for a connection")
        wanted.effects.append(f"{at}.connect_timeout: {CONNECT_TIMEOUT} s")


def _keeps(said: Said, cell: Cell, wanted: Wanted) -> bool:
    """Sees to it that connections are used again, and says whether they then are."""
    pooled = said.names_option("pool")
    may_pool = cell.has_pool and said.database.shape == "literal" and said.database.vendor == "postgresql"
    if pooled or (cell.isolates_requests and may_pool and not cell.is_green):
        return _pools(said, cell, wanted, pooled=pooled)
    if cell.isolates_requests:
        if said.ages:
            _not_kept(said, wanted, "keeps connections that are never used again", cell.reason)
        elif not said.says_age and cell.is_green:
            reason = f"{cell.reason}, whose greenlets never use a kept connection again"
            wanted.blocked = Blocked(reason, "put pgbouncer in front, or use threads")
        elif not said.says_age:
            wanted.blocked = _no_pool(cell)
        return False
    if said.says_age:
        return not said.ages or number(said.ages[-1])[0] != 0  # somebody may want none
    if not cell.interface:
        wanted.blocked = _unknown_server(cell)
        return False
    if cell.has_pool and said.database.shape != "literal":
        wanted.blocked = URL_MAY_POOL
        return False
    age = cell.age if said.beside is None else said.beside
    if age == 0:
        return False  # meant, though it stands where nothing reads it
    wanted.add["CONN_MAX_AGE"] = age
    wanted.lacks.append("opens a connection for every request")
    as_said = "" if said.beside is None else ", as it says where no Django reads it"
    wanted.effects.append(f"{said.at}.CONN_MAX_AGE: connections are kept for {age} s{as_said}; {cell.reason}")
    made = said.database.node
    if isinstance(made, ast.Call) and dotted(made.func).rpartition(".")[2] in ("db", "db_url"):  # django-environ's
        wanted.todo.append("a conn_max_age in the URL itself no longer counts")
    kept = cell.server.connections if cell.server is not None else None
    if kept is not None and kept > MOST_CONNECTIONS:
        wanted.todo.append(f"see that PostgreSQL's max_connections is above {kept} for each instance")
    return True


def _pools(said: Said, cell: Cell, wanted: Wanted, *, pooled: bool) -> bool:
    """Django's pool, beside which it refuses to keep connections."""
    if not pooled and not said.knows_options:
        wanted.blocked = Blocked("OPTIONS is built elsewhere", "set OPTIONS['pool'] and CONN_MAX_AGE = 0 together")
        return False
    if not pooled and not said.ages and said.says_age:
        reason = "CONN_MAX_AGE is set elsewhere, and Django refuses it beside a pool"
        wanted.blocked = Blocked(reason, "set OPTIONS['pool'] and CONN_MAX_AGE = 0 together")
        return False
    if not pooled and cell.forks.by:
        wanted.blocked = Blocked(
            f"{cell.forks.by} forks what has loaded these settings, and a pool does not outlive a fork",
            "set OPTIONS['pool'] only in the settings of the server, or put pgbouncer in front",
        )
        if said.ages:
            _not_kept(said, wanted, "keeps connections that are never used again", cell.reason)
        return False
    if said.ages:
        _not_kept(said, wanted, "keeps connections beside a pool", "Django refuses to keep connections beside a pool")
    if not pooled:
        wanted.add_options["pool"] = cell.pool
        wanted.lacks.append("opens a connection for every request")
        wanted.effects.append(f"{said.at}.OPTIONS.pool: connections are pooled; {cell.reason}")
    return True


def _not_kept(said: Said, wanted: Wanted, lack: str, reason: str) -> None:
    """What says last how long a connection is kept, set to 0 where it may be more."""
    last = said.ages[-1]
    value, _ = number(last)
    if value == 0:
        return
    wanted.zero = last
    wanted.lacks.append(lack)
    wanted.effects.append(f"{said.at}.CONN_MAX_AGE: 0{_unless(last)}; {reason}")


def _unless(age: Age) -> str:
    read = next(environment_reads(age.module, age.value), None)
    return f" unless {read.name} says otherwise" if read is not None else ""


def _unknown_server(cell: Cell) -> Blocked:
    line = 'rules.unpooled-database.server = "wsgi"'
    by_interface: dict[str, str] = {}
    for command in cell.server.deciding if cell.server is not None else ():
        if command.interface:
            by_interface.setdefault(command.interface, f"{command.path}:{command.line} starts {command.server}")
    if len(by_interface) > 1:
        reason = f"{by_interface['wsgi']} (WSGI) and {by_interface['asgi']} (ASGI), where a kept connection is a leak"
        return Blocked(reason, "give each of them settings of its own, or say which serves the requests", line)
    greens = {each.is_green: f"{each.path}:{each.line}" for each in (cell.server.deciding if cell.server else ())}
    if len(greens) > 1:
        reason = (
            f"{greens[True]} starts greenlets, which never use a kept connection again, and {greens[False]} does not"
        )
        return Blocked(reason, "give each of them settings of its own, or say which serves the requests", line)
    if cell.server is not None and cell.server.own:
        reason = f"{cell.server.own} starts Django's own server, whose threads never use a kept connection again"
        return Blocked(reason, "start an application server there, or say what serves in production", line)
    reason = "no command that fhfix reads tells whether WSGI or ASGI serves: a kept connection is a leak under ASGI"
    return Blocked(reason, "say which, by configuration", line)


def _no_pool(cell: Cell) -> Blocked:
    missing = [] if cell.project.version and cell.project.version.at_least(5, 1) else ["Django 5.1 or later"]
    if cell.project.driver != "psycopg":
        missing.append("psycopg[pool] instead of psycopg2")
    elif not cell.project.has_pool:
        missing.append("psycopg[pool]")
    if not missing:
        return Blocked(
            f"{cell.reason}, and what the database is is known only at run time",
            "set OPTIONS['pool'] and CONN_MAX_AGE = 0 there",
        )
    files = cell.project.requirements
    return Blocked(
        f"{cell.reason}: under ASGI only a pool reuses connections, and Django's needs {' and '.join(missing)}",
        f"ask for {' and '.join(missing)}" + (f" in {files[0]}" if files else "") + ", or put pgbouncer in front",
    )
