"""A PostgreSQL database without reuse of connections, or whose connections may hang, run for ever, or go unencrypted.

## Why
Django opens a connection for each request unless it is told otherwise: 3 to 9 ms each on one machine, more over a
network. Without `connect_timeout` a server that does not answer holds a worker for minutes; without
`statement_timeout` one bad query holds it for ever. What works depends on the versions, and on what runs the
application:

* under WSGI `CONN_MAX_AGE = 600`, with `CONN_HEALTH_CHECKS` from Django 4.1 on; 60 before, where a connection that
  the server closed costs a request;
* under ASGI no persistent connection (it would never be used again), but Django's pool where Django ≥ 5.1, psycopg 3
  and psycopg_pool are there, with `CONN_MAX_AGE = 0`, since one excludes the other;
* `POOL` beside `NAME` does nothing in any Django, and is removed.

`sslmode` is read from the environment and is `require` without the variable. CI jobs and compose services that use a
PostgreSQL server of their own, which has no TLS, get `prefer` in the same fix; other files that start one are named.
`statement_timeout` can be set by the environment too: 0 for migrations and long jobs.

Settings made from a URL (`dj_database_url`, `env.db()`) or by another expression, with an engine from the environment,
or with OPTIONS under a condition, get a loop below DATABASES that does the same to PostgreSQL and leaves SQLite alone.

## When it is left alone
Other databases than PostgreSQL, settings and aliases for tests and development, branches for tests, projects in
folders for tests or examples, backends with a pool of their own, and every key that is set anywhere. `verify-full`
stays. Behind pgbouncer there is no `statement_timeout`, since pgbouncer refuses it or drops it silently. A server at a
literal local address is not asked for TLS. Where nothing tells WSGI from ASGI, only `CONN_MAX_AGE` is blocked.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fixer.django.app_server import AppServer
from fixer.django.databases import LocalDatabases, Place
from fixer.django.project import DjangoProject
from fixer.django.settings import (
    OWN_POOL,
    Database,
    Later,
    SettingsModule,
    limit_variable,
    own_dict,
    resolve,
    vendor_of,
)
from fixer.languages.python import Code, PythonModule, constant, item, key, text
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Span, Tier, listed, option

CONNECT_TIMEOUT = 10  # seconds
AGE_WITHOUT_HEALTH_CHECKS = 60
POOL_MIN = 5
MOST_CONNECTIONS = 80  # of PostgreSQL's default of 100; some are for people and for jobs
LOCAL = re.compile(r"^(localhost|127\.\d+\.\d+\.\d+|::1|/.*|db|postgres|postgresql|database|)$")
# django-environ's and environs' Env, decouple's Config.
LIBRARY = re.compile(r"(^|\.)((FileAware)?Env|AutoConfig|Config)$")
POOLED_HOST = re.compile(r"pgbouncer|pooler", re.IGNORECASE)
CURSORS = re.compile(r"DISABLE_SERVER_SIDE_CURSORS(?!['\"]?\]?(:| =) False)")  # what a pooler by transaction asks for
POOLED_PORTS = frozenset({"6432", "6543"})
ASIDE = re.compile(
    r"\b(tests?|testing|pytest|ci|github\w*|debug|local|dev|development)\b|TEST|GITHUB|\bCI_|CIRCLECI|TRAVIS|JENKINS",
    re.I,
)
UNKNOWN_SERVER = Blocked(
    "nothing says whether WSGI or ASGI runs the application; a kept connection is a leak under ASGI",
    "say which, by configuration",
    'rules.unpooled-database.server = "wsgi"',
)
KEYS = ("CONN_MAX_AGE", "CONN_HEALTH_CHECKS", "sslmode", "connect_timeout", "statement_timeout", "pool")


class Options(RuleOptions):
    server: Literal["", "wsgi", "asgi"] = option("", "what runs the application, where no file tells")
    max_age: int = option(600, "seconds for which a connection is kept under WSGI")
    pool_max_size: int = option(20, "most connections of one process under ASGI, with Django's pool")
    statement_timeout_ms: int = option(30000, "after how many milliseconds PostgreSQL cancels a statement")


def check(
    django: DjangoProject, server: AppServer | None, local: LocalDatabases | None, options: Options
) -> Iterator[Finding]:
    for project in django.projects:
        if project.is_aside:
            continue
        here = server.near(project.root) if server is not None and django.others else server
        cell = _Cell(project, here, local, options)
        for settings in project.modules.values():
            if settings.role in ("test", "development"):
                continue
            wanted = [database for database in settings.databases if _is_for_production(database)]
            literal = [each for each in wanted if each.shape == "literal" and each.vendor == "postgresql"]
            late = [database for database in wanted if _is_made_at_run_time(project, database)]
            if late and not settings.opaque:
                others = [database for database in literal if database not in late]
                yield from _made_at_run_time(project, settings, [*late, *others], cell)
                continue
            for database in literal:
                yield from _literal(project, settings, database, cell)
    yield from _without_tls(django, local)


# -- what is right for this project -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cell:
    """What the versions, the driver and the application server allow."""

    project: DjangoProject
    server: AppServer | None
    local: LocalDatabases | None
    options: Options

    @property
    def interface(self) -> str:
        return str(self.options.server or (self.server.interface if self.server else ""))

    @property
    def isolates_requests(self) -> bool:
        """Under ASGI every request has a thread of its own since Django 4.0; 3.2 has one thread for all."""
        return self.interface == "asgi" and not self.is_older_than(4, 0)

    def is_older_than(self, *release: int) -> bool:
        return self.project.version is not None and self.project.version.may_be_older_than(*release)

    @property
    def cannot_start(self) -> bool:
        return self.project.driver == "psycopg" and self.is_older_than(4, 2)

    @property
    def has_pool(self) -> bool:
        version = self.project.version
        return (
            self.project.has_pool
            and self.project.driver == "psycopg"
            and version is not None
            and version.at_least(5, 1)
        )

    @property
    def has_health_checks(self) -> bool:
        return not self.is_older_than(4, 1)

    @property
    def age(self) -> int:
        return int(self.options.max_age) if self.has_health_checks else AGE_WITHOUT_HEALTH_CHECKS

    @property
    def pool(self) -> dict[str, int]:
        """Sizes are per process, so that all workers together stay below what the server allows."""
        processes = max([command.workers or 1 for command in self.server.deciding] if self.server else [1], default=1)
        largest = max(2, min(int(self.options.pool_max_size), MOST_CONNECTIONS // processes))
        return {"min_size": min(POOL_MIN, largest), "max_size": largest, "timeout": CONNECT_TIMEOUT}

    @property
    def reason(self) -> str:
        if self.options.server:
            return f"the configuration says {self.options.server}"
        return self.server.reason if self.server else ""


@dataclass(frozen=True)
class _Said:
    """What is said about a database: where it is defined, and further down (`handled`).

    `options` are the OPTIONS that count, in `module`; None where there are none, or where they are built elsewhere.
    """

    database: Database
    handled: frozenset[str]
    module: PythonModule
    options: ast.Dict | None

    @property
    def at(self) -> str:
        return f"DATABASES.{self.database.alias}"

    @property
    def knows_options(self) -> bool:
        return self.options is not None or item(self.database.node, "OPTIONS") is None

    @property
    def age(self) -> ast.expr | None:
        return item(self.database.node, "CONN_MAX_AGE")

    @property
    def keeps_connections(self) -> bool:
        return self.age is not None and constant(self.age) not in (0, ...)

    def names(self, name: str) -> bool:
        """Whether a key of the database is there, or is set further down."""
        return key(self.database.node, name) is not None or name in self.handled

    def names_option(self, name: str) -> bool:
        return key(self.options, name) is not None or name in self.handled


@dataclass
class _Wanted:
    """What one database lacks: keys beside NAME, keys of OPTIONS, and words for each."""

    add: dict[str, Any] = field(default_factory=dict)
    set: dict[str, Any] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    add_options: dict[str, Any] = field(default_factory=dict)
    set_options: dict[str, Any] = field(default_factory=dict)
    lacks: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)
    blocked: Blocked | None = None

    def __bool__(self) -> bool:
        return bool(self.add or self.set or self.delete or self.add_options or self.set_options)


def _literal(project: DjangoProject, settings: SettingsModule, database: Database, cell: _Cell) -> Iterator[Finding]:
    assert isinstance(database.node, ast.Dict)
    module = database.module
    span = module.span(key(database.node, "ENGINE") or database.node)
    name = f"database '{database.alias}'"
    if cell.cannot_start:
        reason = f"Django {project.version} does not know psycopg 3, and cannot start with it"
        yield Finding(
            module.path,
            span,
            f"{name} cannot be reached",
            Blocked(reason, "ask for psycopg2, or for Django 4.2 or later"),
        )
        return
    later = project.later_of(database)
    said = _Said(database, _handled(later), *_options(database, later))
    wanted = _Wanted()
    _reuse(said, cell, wanted)
    if said.knows_options:
        _tls(said, wanted)
        _timeouts(said, cell, wanted)
    if wanted.blocked is not None:
        yield Finding(module.path, span, f"{name} opens a connection for every request", wanted.blocked)
    if not wanted:
        return
    parts = list(_edits(project, settings, said, cell.local, wanted))
    if "sslmode" in wanted.add_options and cell.local is not None:
        variable, theirs = database.ssl_variable, _production(project, settings, database)
        parts += [
            place.set(variable, "prefer")
            for place in cell.local.lacking(variable)
            if not theirs or any(_runs_with(project, place, other) for other in theirs)
        ]
    yield Finding(
        module.path,
        span,
        f"{name} {listed(wanted.lacks)}",
        Fix.of(
            f"reuse the connections of '{database.alias}' and bound every wait" if wanted.add or wanted.set else
            f"bound every wait for '{database.alias}'",
            *parts,
            tier=Tier.REVIEW,
            effects=wanted.effects,
            todo=wanted.todo,
        ),
    )  # fmt: skip


def _reuse(said: _Said, cell: _Cell, wanted: _Wanted) -> None:
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
        wanted.effects.append(f"{said.at}.CONN_HEALTH_CHECKS: a connection that the server closed is replaced")
    others = ", ".join(f"{c.path}:{c.line} ({c.server})" for c in (cell.server.contradicting if cell.server else ()))
    if wanted.add and others:
        wanted.todo.append(f"where {others} runs the application instead, set CONN_MAX_AGE to 0")


def _keeps(said: _Said, cell: _Cell, wanted: _Wanted) -> bool:
    """Sees to it that connections are used again, and says whether they then are."""
    says_age = said.age is not None or "CONN_MAX_AGE" in said.handled
    if said.names_option("pool") or (cell.isolates_requests and cell.has_pool):
        return _pools(said, cell, wanted)
    if cell.isolates_requests:
        if said.keeps_connections:
            wanted.set["CONN_MAX_AGE"] = 0
            wanted.lacks.append("keeps connections that ASGI never uses again")
            wanted.effects.append(f"{said.at}.CONN_MAX_AGE: 0; {cell.reason}")
        elif not says_age:
            wanted.blocked = _no_pool(cell)
        return False
    if says_age:
        return not cell.interface or constant(said.age) != 0  # somebody may want none
    if not cell.interface:
        wanted.blocked = UNKNOWN_SERVER
        return False
    wanted.add["CONN_MAX_AGE"] = cell.age
    wanted.lacks.append("opens a connection for every request")
    wanted.effects.append(f"{said.at}.CONN_MAX_AGE: connections are kept for {cell.age} s; {cell.reason}")
    kept = cell.server.connections if cell.server is not None else None
    if kept is not None and kept > MOST_CONNECTIONS:
        wanted.todo.append(f"see that PostgreSQL's max_connections is above {kept} for each instance")
    return True


def _pools(said: _Said, cell: _Cell, wanted: _Wanted) -> bool:
    """Django's pool, beside which it refuses to keep connections."""
    pooled = said.names_option("pool")
    age_is_unknown = "CONN_MAX_AGE" in said.handled or (said.age is not None and constant(said.age) is ...)
    if not pooled and (not said.knows_options or age_is_unknown):
        reason = "CONN_MAX_AGE is set elsewhere, and Django refuses it beside a pool"
        wanted.blocked = Blocked(
            reason if said.knows_options else "OPTIONS is built elsewhere",
            "set OPTIONS['pool'] and CONN_MAX_AGE = 0 together",
        )
        return False
    if said.keeps_connections:
        wanted.set["CONN_MAX_AGE"] = 0
        wanted.effects.append(f"{said.at}.CONN_MAX_AGE: 0, since Django refuses to keep connections beside a pool")
    if not pooled:
        wanted.add_options["pool"] = cell.pool
        wanted.lacks.append("opens a connection for every request")
        wanted.effects.append(f"{said.at}.OPTIONS.pool: connections are pooled; {cell.reason}")
    return True


def _no_reuse(cell: _Cell) -> Blocked | None:
    """Why a loop cannot let connections be used again, where it cannot."""
    if not cell.interface:
        return UNKNOWN_SERVER
    if not cell.isolates_requests:
        return None
    if not cell.has_pool:
        return _no_pool(cell)
    return Blocked(
        f"{cell.reason}, and DATABASES is made at run time", "set OPTIONS['pool'] and CONN_MAX_AGE = 0 there"
    )


def _no_pool(cell: _Cell) -> Blocked:
    missing = [] if cell.project.version and cell.project.version.at_least(5, 1) else ["Django 5.1 or later"]
    missing += (
        [] if cell.project.driver == "psycopg" and cell.project.has_pool else ["psycopg[pool] instead of psycopg2"]
    )
    if cell.project.driver == "psycopg" and not cell.project.has_pool:
        missing[-1] = "psycopg[pool]"
    files = cell.project.requirements
    return Blocked(
        f"{cell.reason}: under ASGI only a pool reuses connections, and Django's needs {' and '.join(missing)}",
        f"ask for {' and '.join(missing)}" + (f" in {files[0]}" if files else "") + ", or put pgbouncer in front",
    )


def _tls(said: _Said, wanted: _Wanted) -> None:
    if "sslmode" in said.handled or not _needs_tls(said):
        return
    variable = said.database.ssl_variable
    required = f"{_read(said.module, said.database, variable)} or {said.module.quoted('require')}"
    wanted.add_options["sslmode"] = Code(required)
    wanted.lacks.append("does not insist on TLS")
    wanted.effects.append(f"{said.at}.OPTIONS.sslmode: {variable}, else require")


def _timeouts(said: _Said, cell: _Cell, wanted: _Wanted) -> None:
    at = f"{said.at}.OPTIONS"
    if not said.names_option("connect_timeout"):
        wanted.add_options["connect_timeout"] = CONNECT_TIMEOUT
        wanted.lacks.append("may wait for ever for a connection")
        wanted.effects.append(f"{at}.connect_timeout: {CONNECT_TIMEOUT} s")
    given = item(said.options, "options")
    has_limit = {"statement_timeout", "options"} & said.handled or (
        given is not None and "statement_timeout" in ast.unparse(given)
    )
    built_elsewhere = given is not None and not text(given)
    if has_limit or built_elsewhere or _pooler(said.database, cell):
        return
    milliseconds = str(cell.options.statement_timeout_ms)
    own = limit_variable(said.database.ssl_variable)
    before = f"{text(given)} " if given is not None else ""
    value = Code(
        f"{said.module.quoted(before + '-c statement_timeout=')} + "
        f"({_read(said.module, said.database, own)} or {said.module.quoted(milliseconds)})"
    )
    (wanted.set_options if given is not None else wanted.add_options)["options"] = value
    wanted.lacks.append("lets a query run for ever")
    wanted.effects.append(f"{at}.options: a statement is cancelled after {own}, else {milliseconds} ms")
    wanted.todo.append(_without_limit_elsewhere(said.database.ssl_variable))


def _edits(
    project: DjangoProject,
    settings: SettingsModule,
    said: _Said,
    local: LocalDatabases | None,
    wanted: _Wanted,
) -> Iterator[Parts]:
    database, options = said.database, said.options
    assert isinstance(database.node, ast.Dict)
    module = database.module
    add, add_options = dict(wanted.add), dict(wanted.add_options)
    elsewhere = _production(project, settings, database) if said.module is module else ()
    if "sslmode" in add_options and elsewhere:
        del add_options["sslmode"]
        variable = database.ssl_variable
        for other in elsewhere:
            yield from _assigned_in(other.document, database, variable)
    set_ = dict(wanted.set)
    if options is None and add_options:
        add["OPTIONS"] = add_options
    elif options is not None and options is database.options and not module.spans_lines(database.node):
        # All on one line, which may get too long and be broken up: one edit for both.
        given = {
            text(name): Code(module.text_of(value)) for name, value in zip(options.keys, options.values, strict=True)
        }
        if add_options or wanted.set_options:
            set_["OPTIONS"] = given | wanted.set_options | add_options
    elif options is not None and (add_options or wanted.set_options):
        yield said.module.edit_dict(options, add=add_options, set=wanted.set_options)
    if add or set_ or wanted.delete:
        yield module.edit_dict(database.node, add=add, set=set_, delete=wanted.delete)
    values = (*add_options.values(), *wanted.set_options.values())
    if any(isinstance(value, Code) and "os." in value.text for value in values):
        yield said.module.add_import("os", options if options is not None else database.node)
    if "sslmode" in wanted.add_options:
        wanted.todo.append(_without_tls_elsewhere(database.ssl_variable, local, of_production=bool(elsewhere)))


def _production(project: DjangoProject, settings: SettingsModule, database: Database) -> tuple[SettingsModule, ...]:
    """The modules of production that take this one over, as those of development and of tests do: TLS belongs there.

    None of them where the alias may be missing, or be another, there.
    """
    same = [other for each in project.modules.values() for other in each.databases if other.alias == database.alias]
    others = [each for each in same if each is not database and project.modules[each.path].role != "development"]
    if settings.role != "shared" or database.guards or any(project.modules[o.path].role != "test" for o in others):
        return ()
    return tuple(other for other in project.importers(database.path) if other.role == "production")


def _without_tls_elsewhere(variable: str, local: LocalDatabases | None, *, of_production: bool = False) -> str:
    """What is left to do for servers without TLS that no edit reaches."""
    files = (*local.deployed, *(() if of_production else local.elsewhere))[:3] if local is not None else ()
    also = f", and for what {listed(files)} start{'' if len(files) > 1 else 's'}" if files else ""
    return f"set {variable}=prefer where PostgreSQL has no TLS, on a developer's machine, say{also}"


def _without_limit_elsewhere(variable: str) -> str:
    return f"set {limit_variable(variable)}=0 where migrations and long jobs run: the limit holds for them too"


def _runs_with(project: DjangoProject, place: Place, settings: SettingsModule) -> bool:
    """Whether a job or service names this settings module, or none while it is the project's own or an image's."""
    text, module = place.document.source.text, settings.path.removesuffix(".py").rpartition("/")[2]
    if "DJANGO_SETTINGS_MODULE" not in text:
        named_by = (file for name, files in project.named.items() if name.endswith(f".{module}") for file in files)
        in_image = "build" in place.node.data and any("Dockerfile" in file for file in named_by)
        return in_image or project.settings_path == settings.path
    return f".{module}" in text


def _assigned_in(module: PythonModule, database: Database, variable: str) -> Iterator[Parts]:
    target = f"DATABASES[{module.quoted(database.alias)}][{module.quoted('OPTIONS')}][{module.quoted('sslmode')}]"
    last = _below_databases(module.tree.body)
    if last is None:
        yield Blocked(f"{module.path} takes over no DATABASES", "set sslmode there by hand")
        return
    reader = _getter(module, last)
    ignored = "  # noqa: F405" if re.search(r"\S  # noqa: [^\n]*F405", module.source.text) else ""
    code = f"{target} = {reader or 'os.environ.get'}({module.quoted(variable)}) or {module.quoted('require')}{ignored}"
    yield module.insert_after(last, code, blank_lines=1)
    if not reader:
        yield module.add_import("os", last)


# -- settings that are made at run time ---------------------------------------------------------------------------


def _made_at_run_time(
    project: DjangoProject, settings: SettingsModule, databases: list[Database], cell: _Cell
) -> Iterator[Finding]:
    """One loop below DATABASES, for what is PostgreSQL only when the program runs."""
    module, first = settings.document, databases[0]
    said = [_handled(project.later_of(database)) | _named(database) for database in databases]
    missing = [name for name in KEYS[:-1] if name not in frozenset.intersection(*said)]
    if "pool" in frozenset.union(*said) and "CONN_MAX_AGE" in missing:
        missing.remove("CONN_MAX_AGE")  # Django refuses it beside a pool
    aliases = ", ".join(f"'{alias}'" for alias in dict.fromkeys(each.alias for each in databases) if alias != "*")
    if "CONN_MAX_AGE" in missing and (blocked := _no_reuse(cell)) and not any(each.in_class for each in databases):
        message = f"{aliases or 'DATABASES'}: opens a connection for every request"
        yield Finding(module.path, module.span(first.node), message, blocked)
    if cell.isolates_requests or not cell.interface:
        missing = [name for name in missing if not name.startswith("CONN_")]
    elif not cell.has_health_checks:
        missing = [name for name in missing if name != "CONN_HEALTH_CHECKS"]
    if any(_pooler(database, cell) for database in databases) and "statement_timeout" in missing:
        missing.remove("statement_timeout")
    if not missing or cell.cannot_start or any(database.in_class for database in databases):
        return
    message = f"{aliases or 'DATABASES'}: {listed(missing)} not set, and what it holds is known only at run time"
    cure = _loop_below(module, first, missing, cell)
    yield Finding(module.path, module.span(first.node), message, cure)


def _loop_below(module: PythonModule, first: Database, missing: list[str], cell: _Cell) -> Fix | Blocked:
    last = _below_databases(module.tree.body)
    if last is None:
        return Blocked(
            "DATABASES is defined only under conditions",
            "define it for every case, `DATABASES = {}` at least, and set them below",
        )
    variable = first.ssl_variable
    code = _loop(module, first, missing, variable, cell)
    parts: list[Parts] = [module.insert_after(last, code, blank_lines=1)]
    if "os." in code:
        parts.append(module.add_import("os", last))
    todo = []
    if "sslmode" in missing:
        todo.append(_without_tls_elsewhere(variable, cell.local))
        if cell.local is not None:
            parts += [place.set(variable, "prefer") for place in cell.local.lacking(variable)]
    if "statement_timeout" in missing:
        todo.append(_without_limit_elsewhere(variable))
    return Fix.of(
        "give PostgreSQL databases reuse of connections and limits, below DATABASES",
        *parts,
        tier=Tier.REVIEW,
        effects=(f"DATABASES: {listed(missing)} for every PostgreSQL database that does not say otherwise",),
        todo=todo,
    )


def _loop(module: PythonModule, database: Database, missing: list[str], variable: str, cell: _Cell) -> str:
    q, step = module.quoted, module.indentation
    engine, options = q("ENGINE"), q("OPTIONS")
    lines = [
        "# PostgreSQL alone: other engines know none of these.",
        "for _database in DATABASES.values():",
        f"{step}if {q('postg')} in _database.get({engine}, {q('')}):",
    ]
    body: list[str] = []
    pool = cell.has_pool and "CONN_MAX_AGE" in missing  # a URL may ask for one, and Django refuses both
    if pool or {"sslmode", "connect_timeout", "statement_timeout"} & set(missing):
        body.append(f"_options = _database.setdefault({options}, {{}})")
    if "sslmode" in missing:
        body.append(f"_options.setdefault({q('sslmode')}, {_read(module, database, variable)} or {q('require')})")
    if "connect_timeout" in missing:
        body.append(f"_options.setdefault({q('connect_timeout')}, {CONNECT_TIMEOUT})")
    if "statement_timeout" in missing:
        own = limit_variable(variable)
        given = f"(_options.get({q('options')}) or {q('')})"
        limit = f"{_read(module, database, own)} or {q(str(cell.options.statement_timeout_ms))}"
        body += [
            f"if {q('statement_timeout')} not in {given}:",
            f"{step}_limit = {q(' -c statement_timeout=')} + ({limit})",
            f"{step}_options[{q('options')}] = ({given} + _limit).strip()",
        ]
    if "CONN_MAX_AGE" in missing:  # helpers write a 0 of their own, so that setdefault would do nothing
        age = q("CONN_MAX_AGE")
        kept = f"_database.get({age}) or {cell.age}"
        body.append(f"_database[{age}] = " + (f"0 if _options.get({q('pool')}) else {kept}" if pool else kept))
    if "CONN_HEALTH_CHECKS" in missing:
        body.append(f"_database[{q('CONN_HEALTH_CHECKS')}] = True")
    return "\n".join([*lines, *(step * 2 + line for line in body)])


def _named(database: Database) -> frozenset[str]:
    """The keys that the call or the literal names itself."""
    found = _said_in(_written(database))
    if "pool" in found:
        found |= {"CONN_MAX_AGE"}
    return frozenset(found)


def _written(database: Database) -> str:
    """The text of the value, and of all statements about a name that stands for it or for its OPTIONS."""
    names = {each.id for each in (database.node, database.options) if isinstance(each, ast.Name)}
    about = [
        statement
        for statement in database.module.top_level()
        if not hasattr(statement, "body")
        and any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(statement))
    ]
    return "\n".join(map(ast.unparse, [database.node, *about]))


def _said_in(written: str) -> set[str]:
    """The keys that a statement names, as keys or, in small letters, as arguments of a helper."""
    found = {name for name in KEYS if re.search(rf"\b{name}\b", written, re.IGNORECASE)}
    found |= {"options"} if re.search(r"['\"]options['\"]", written) else set()
    return found | ({"sslmode"} if "ssl_require" in written else set())


# -- databases without TLS beside settings that ask for it --------------------------------------------------------


def _without_tls(django: DjangoProject, local: LocalDatabases | None) -> Iterator[Finding]:
    """Jobs and services that start a server without TLS, and do not tell settings that require it."""
    variables = {
        read.name
        for settings in django.modules.values()
        for database in settings.databases
        if (read := database.reads.get("OPTIONS.sslmode")) and read.default is None and not read.required
        and re.search(r"\bor ['\"](require|verify)", ast.unparse(database.node))
    }  # fmt: skip
    for variable in sorted(variables):
        for place in local.lacking(variable) if local is not None else ():
            yield Finding(
                place.path,
                Span(place.node.start, place.node.start),
                f"{place.name} talks to a PostgreSQL without TLS, and the settings require TLS without {variable}",
                Fix.of(f"set {variable} for {place.name}", place.set(variable, "prefer")),
            )


# -- questions ----------------------------------------------------------------------------------------------------


def _is_for_production(database: Database) -> bool:
    if ASIDE.search(database.alias) or OWN_POOL.search(database.engine):
        return False
    return not any(ASIDE.search(guard) and not guard.startswith("not ") for guard in database.guards)


def _is_made_at_run_time(project: DjangoProject, database: Database) -> bool:
    """Made from a URL, by `update` with something unknown or under a condition, or with an engine from outside."""
    if database.shape != "literal":
        value = ast.unparse(resolve(database.module, database.node))
        return "URL" in database.reads or database.shape == "url" or vendor_of(value) == "postgresql"
    if not database.engine:
        return item(database.node, "ENGINE") is not None and bool(project.driver)
    later = project.later_of(database)
    if any(change.keys == ("OPTIONS",) and change.guards and change.module is database.module for change in later):
        return True  # what OPTIONS holds depends on a condition
    replaced = [
        change
        for change in later
        if change.how == "update" and not change.keys and not isinstance(change.value, ast.Dict)
    ]
    return bool(replaced) and replaced[-1].module is database.module


def _handled(later: tuple[Later, ...]) -> frozenset[str]:
    """What is said about a database further down, in any way."""
    found: set[str] = set()
    for change in later:
        found.update(change.keys)
        found |= _said_in(ast.unparse(change.statement))
        if isinstance(change.value, ast.Name):
            found |= _said_in(ast.unparse(resolve(change.module, change.value)))
    return frozenset(found - {"OPTIONS"})


def _options(database: Database, later: tuple[Later, ...]) -> tuple[PythonModule, ast.Dict | None]:
    """The OPTIONS that count, with the module that they stand in: what is assigned later wins."""
    for change in reversed(later):
        if change.keys == ("OPTIONS",) and change.how == "set" and isinstance(change.value, ast.Dict):
            return change.module, change.value
    return database.module, own_dict(database.module, database.options)


def _needs_tls(said: _Said) -> bool:
    host = item(said.database.node, "HOST")
    if key(said.options, "sslmode") is not None or host is None:
        return False
    literal = constant(host)
    return not (isinstance(literal, str) and LOCAL.match(literal))


def _pooler(database: Database, cell: _Cell) -> bool:
    host = database.values.get("HOST", "") + (database.reads["HOST"].default or "" if "HOST" in database.reads else "")
    port = database.values.get("PORT", "") or (database.reads["PORT"].default if "PORT" in database.reads else "")
    said = [_written(database), *(ast.unparse(later.statement) for later in cell.project.later_of(database))]
    return bool(
        POOLED_HOST.search(host)
        or port in POOLED_PORTS
        or any(map(CURSORS.search, said))
        or (cell.local is not None and cell.local.pooler)
    )


def _read(module: PythonModule, database: Database, variable: str) -> str:
    """The expression for a variable that may be missing or empty, in the way in which this module reads others."""
    name = module.quoted(variable)
    empty = module.quoted("")
    for read in database.reads.values() if module is database.module else ():
        reader = read.reader.partition(".")[0]
        if read.reader.endswith(("getenv", "environ.get")):
            return f"{read.reader}({name})"
        if read.reader.endswith("environ"):
            return f"{read.reader}.get({name})"
        if reader in ("env", "config") and _takes_default(module, reader):
            return f"{reader}({name}, default={empty})"
    at = database.node if module is database.module else None
    return f"{_getter(module, at) or 'os.environ.get'}({name})"


def _takes_default(module: PythonModule, reader: str) -> bool:
    """Whether a reader is called with `default`: one of a library, or one that this module shows to take it."""
    values = module.assignments.get(reader, [])
    if values:
        return all(isinstance(each, ast.Call) and LIBRARY.search(ast.unparse(each.func)) for each in values)
    if module.imported.get(reader, "").startswith(("decouple.", "environs.", "environ.")):
        return True
    return any(
        (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == reader
            and any(k.arg == "default" for k in node.keywords)
        )
        or (isinstance(node, ast.FunctionDef) and node.name == reader and "default" in ast.unparse(node.args))
        for node in ast.walk(module.tree)
    )


def _getter(module: PythonModule, above: ast.AST | None) -> str:
    """What reads the environment there, by the name that the module has for it; empty where it imports none."""
    return module.name_of("os.environ.get", above) or module.name_of("os.getenv", above)


def _below_databases(statements: Sequence[ast.stmt]) -> ast.stmt | None:
    """The last statement about DATABASES, in the only block that defines it where it may be left undefined."""
    speaking = [statement for statement in statements if _speaks(statement)]
    if any(map(_defines, speaking)):
        return speaking[-1]
    stars = [statement for statement in statements if _takes_over(statement)]
    if stars:
        return (speaking or stars)[-1]
    if len(speaking) == 1 and isinstance(speaking[0], ast.If) and not any(map(_speaks, speaking[0].orelse)):
        return _below_databases(speaking[0].body)
    return None


def _speaks(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "DATABASES" for node in ast.walk(statement))


def _takes_over(statement: ast.stmt) -> bool:
    names = {alias.name for alias in statement.names} if isinstance(statement, ast.ImportFrom) else set()
    return bool(names & {"*", "DATABASES"})


def _defines(statement: ast.stmt) -> bool:
    """Whether DATABASES is there for certain once this statement has run."""
    if isinstance(statement, ast.If):
        return _define(statement.body) and _define(statement.orelse)
    if isinstance(statement, ast.Try):
        ways = [[*statement.body, *statement.orelse], *(handler.body for handler in statement.handlers)]
        return all(map(_define, ways)) or _define(statement.finalbody)
    if isinstance(statement, ast.With):
        return _define(statement.body)
    return not hasattr(statement, "body") and (_speaks(statement) or _takes_over(statement))


def _define(statements: Sequence[ast.stmt]) -> bool:
    return any(_defines(each) or isinstance(each, ast.Raise) for each in statements)


RULE = Rule(
    __name__,
    "PostgreSQL is used without connection reuse, TLS or time limits",
    check,
    audit=("D-012.1",),
    criterion="Database connections are reused, and have timeouts",
    hours=(2, 2),
)
