"""A PostgreSQL database whose connections are not used again, or on which a request may wait for ever.

## Why
Django opens a connection for each request unless it is told otherwise: 3 to 9 ms each on one machine, more over a
network. Without `connect_timeout` a server that does not answer holds a worker for minutes; without
`statement_timeout` one bad query holds it for ever. What works depends on the versions, and on what runs the
application:

* under WSGI `CONN_MAX_AGE = 600`, with `CONN_HEALTH_CHECKS` from Django 4.1 on; 60 before, where a connection that
  the server closed costs a request;
* under ASGI, and with workers of gevent, no persistent connection (it would never be used again); under ASGI Django's
  pool where Django ≥ 5.1, psycopg 3 and psycopg_pool are there, with `CONN_MAX_AGE = 0`, since one excludes the other.
  Whatever keeps connections there is set to 0: a key, an argument, a later assignment, the default of a variable;
* `POOL` beside `NAME` does nothing in any Django, and is removed.

It is written where a person would write it: into the literal, into the arguments of `dj_database_url`, else as lines
below. Where the settings of development or of tests take the module over, it goes into those of production.

The limit for statements is set by the module that the server starts (wsgi.py or asgi.py), once a connection is made:
it holds for requests, not for migrations and jobs, and asks nothing of a connection that a pooler could refuse. Where
gunicorn may take longer for a request (`--timeout`), it is as long.

TLS is insisted on only where every host that the repository knows belongs to a provider whose servers speak it.
Elsewhere libpq's own default stays: TLS where the server has it, and what PGSSLMODE says.

## When it is left alone
Other databases than PostgreSQL, settings and aliases for tests and development, branches for tests, projects in
folders for tests or examples, backends with a pool of their own, and every key that is set anywhere. Where the
repository names the settings that are served, others are left alone; production's by their name alone are blocked.
Behind a pooler statements get no limit, since its sessions are shared. Beside what forks (Celery's workers, a
preloading gunicorn) there is no pool. Where nothing tells WSGI from ASGI, `CONN_MAX_AGE` is blocked.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Literal, Self

from fixer.django.app_server import Applications, AppServer
from fixer.django.databases import DatabaseServers
from fixer.django.forks import Forks
from fixer.django.project import DjangoProject
from fixer.django.settings import (
    OWN_POOL,
    Database,
    Later,
    SettingsModule,
    environment_reads,
    is_item,
    own_dict,
    resolve,
    vendor_of,
)
from fixer.languages.python import Code, PythonModule, constant, dotted, has_spread, item, key
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Span, Tier, listed, option
from fixer.project.packages import PythonPackages
from fixer.project.python_style import PythonStyles
from fixer.records import record

CONNECT_TIMEOUT = 10  # seconds
STATEMENT_TIMEOUT_MS = 30000
AGE_WITHOUT_HEALTH_CHECKS = 60
POOL_MIN = 5
MOST_CONNECTIONS = 80  # of PostgreSQL's default of 100; some are for people and for jobs
ASIDE = re.compile(
    r"(?<![^\W_])(tests?|testing|pytest|ci|github\w*|debug|local|dev|development)(?![^\W_])"
    r"|TEST|GITHUB|CIRCLECI|TRAVIS|JENKINS",
    re.I,
)
# What takes conn_max_age as an argument: dj_database_url, and environs, which calls it.
URL_CALLS = re.compile(r"^dj_database_url\.(config|parse)$|\.dj_db_url$")
URL_MAY_POOL = Blocked(
    "psycopg_pool is installed, and a URL may ask for a pool, beside which Django refuses to keep connections",
    "set CONN_MAX_AGE, or a pool, there",
)
KEYS = ("CONN_MAX_AGE", "CONN_HEALTH_CHECKS", "sslmode", "connect_timeout", "pool")
LIMIT = """\
def _limit_statements({parameters}:
{step}# Of requests alone: what manage.py and workers run may take longer.
{step}if connection.vendor == {postgresql}:
{step}{step}with connection.cursor() as cursor:
{step}{step}{step}cursor.execute({statement})


connection_created.connect(_limit_statements)
"""


PARAMETERS, TYPED = "connection, **_kwargs)", "connection: Any, **_kwargs: Any) -> None"


class Options(RuleOptions):
    server: Literal["", "wsgi", "asgi"] = option("", "what runs the application, where no file tells")
    max_age: int = option(600, "seconds for which a connection is kept under WSGI")
    pool_max_size: int = option(20, "most connections of one process under ASGI, with Django's pool")
    statement_timeout_ms: int = option(30000, "after how many milliseconds PostgreSQL cancels a statement of a request")


def check(
    django: DjangoProject,
    server: AppServer | None,
    applications: Applications | None,
    servers: DatabaseServers,
    packages: PythonPackages | None,
    styles: PythonStyles,
    forks: Forks,
    options: Options,
) -> Iterator[Finding]:
    for project in django.projects:
        if project.is_aside:
            continue
        here = server.near(project.root) if server is not None and django.others else server
        cell = _Cell(project, here, servers, packages, styles, forks, options)
        wanted = [
            (settings, database)
            for settings in project.modules.values()
            if settings.role == "production" or (settings.role == "shared" and not project.is_left_over(settings.path))
            for database in settings.databases
            if _is_for_production(database)
        ]
        here_alone = [database for _, database in wanted if _is_replaced(database, [other for _, other in wanted])]
        wanted = [(settings, database) for settings, database in wanted if database not in here_alone]
        for settings, database in wanted:
            yield from _database(settings, database, cell)
        if applications is not None and any(_may_be_postgres(cell, database) for _, database in wanted):
            yield from _limit(applications, [database for _, database in wanted], cell)


# -- what is right for this project -------------------------------------------------------------------------------


@record
class _Cell:
    """What the versions, the driver and the application server allow."""

    project: DjangoProject
    server: AppServer | None
    servers: DatabaseServers
    packages: PythonPackages | None
    styles: PythonStyles
    forks: Forks
    options: Options

    @property
    def interface(self) -> str:
        return str(self.options.server or (self.server.interface if self.server else ""))

    @property
    def isolates_requests(self) -> bool:
        """Under ASGI every request has a thread of its own since Django 4.0; 3.2 has one thread for all.

        Workers of gevent and eventlet give each one a greenlet, which is the same for Django.
        """
        return self.is_green or (self.interface == "asgi" and not self.is_older_than(4, 0))

    @property
    def is_green(self) -> bool:
        return not self.options.server and self.server is not None and self.server.is_green

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

    def takes_health_checks(self, near: str) -> bool:
        """Whether every dj-database-url that may be installed knows `conn_health_checks`."""
        version = self.packages.version("dj-database-url", near) if self.packages is not None else None
        return version is not None and not version.may_be_older_than(1, 2)

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

    @property
    def statement_timeout_ms(self) -> int:
        """The option, or as long as the server lets a request run, where that is longer; 0 for no limit."""
        given = int(self.options.statement_timeout_ms)
        allowed = self.server.timeout if self.server is not None else None
        if allowed is None or given != STATEMENT_TIMEOUT_MS:
            return given
        return max(given, allowed * 1000) if allowed else 0

    def width(self, module: PythonModule) -> int:
        return self.styles.of(module.path).width


@record
class _Age:
    """One place that says how long a connection is kept."""

    module: PythonModule
    value: ast.expr
    at: str


@record
class _Said:
    """What is said about a database where it is defined, and further down.

    `handled` are the keys that anything names further down, or that a helper or an unseen dict is given. `ages` are
    the values of CONN_MAX_AGE in the order in which they take effect. `options` are the OPTIONS that count, in
    `options_in`; None where there are none; `knows_options` is false where they cannot be seen.
    """

    database: Database
    handled: frozenset[str]
    ages: tuple[_Age, ...]
    options: ast.Dict | None
    options_in: PythonModule
    knows_options: bool

    @classmethod
    def of(cls, project: DjangoProject, database: Database) -> Self:
        later = project.later_of(database)
        module, options, known = _options(database, later)
        return cls(database, _handled(later) | _named(database), tuple(_ages(database, later)), options, module, known)

    @property
    def at(self) -> str:
        return f"DATABASES.{self.database.alias}"

    @property
    def says_age(self) -> bool:
        return bool(self.ages) or "CONN_MAX_AGE" in self.handled

    def names(self, name: str) -> bool:
        return key(self.database.node, name) is not None or name in self.handled

    def names_option(self, name: str) -> bool:
        return key(self.options, name) is not None or name in self.handled


@dataclass
class _Wanted:
    """What one database lacks: keys beside NAME, keys of OPTIONS, and words for each."""

    add: dict[str, Any] = field(default_factory=dict)
    add_options: dict[str, Any] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    zero: _Age | None = None
    lacks: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)
    blocked: Blocked | None = None

    def __bool__(self) -> bool:
        return bool(self.add or self.add_options or self.delete or self.zero)


def _database(settings: SettingsModule, database: Database, cell: _Cell) -> Iterator[Finding]:
    if _homes(cell.project, settings, database) is None:
        return
    is_left_over = cell.project.is_left_over(settings.path)
    is_postgres = database.vendor == "postgresql" and database.shape == "literal"
    if not is_postgres and (not _may_be_postgres(cell, database) or settings.opaque or database.in_class):
        return
    module = database.module
    name = f"database '{database.alias}'"
    if cell.cannot_start:
        if is_postgres:
            reason = f"Django {cell.project.version} does not know psycopg 3, and cannot start with it"
            cure = Blocked(reason, "ask for psycopg2, or for Django 4.2 or later")
            yield Finding(module.path, _start(database), f"{name} cannot be reached", cure)
        return
    said = _Said.of(cell.project, database)
    wanted = _Wanted()
    _reuse(said, cell, wanted)
    if is_postgres and said.knows_options:
        _waits(said, cell, wanted)
    if is_left_over:
        if wanted or wanted.blocked is not None:
            yield Finding(module.path, _start(database), f"{name} lacks reuse or limits", _unnamed(settings, cell))
        return
    if wanted.blocked is not None:
        yield Finding(module.path, _start(database), f"{name} opens a connection for every request", wanted.blocked)
    if not wanted:
        return
    place = (wanted.zero.module, wanted.zero.value) if wanted.zero else (module, None)
    span = place[0].span(place[1]) if place[1] is not None else _start(database)
    fix = Fix.of(
        _title(database, wanted),
        *_edits(settings, said, cell, wanted),
        tier=Tier.REVIEW,
        effects=wanted.effects,
        todo=wanted.todo,
    )
    yield Finding(place[0].path, span, f"{name} {listed(wanted.lacks)}", fix)


def _unnamed(settings: SettingsModule, cell: _Cell) -> Blocked:
    name = cell.project.module_name(settings.path) or settings.path
    return Blocked(
        f"nothing in the repository names {name} as settings, and what starts the application names others",
        f"name it where it is used, as DJANGO_SETTINGS_MODULE={name}, or delete it",
    )


def _title(database: Database, wanted: _Wanted) -> str:
    titles = []
    if "pool" in wanted.add_options:
        titles.append(f"pool the connections of '{database.alias}'")
    elif wanted.zero:
        titles.append(f"keep no connection of '{database.alias}' behind a request")
    elif "CONN_MAX_AGE" in wanted.add:
        titles.append(f"reuse the connections of '{database.alias}'")
    elif wanted.add:
        titles.append(f"check a kept connection of '{database.alias}' before it is used")
    if "sslmode" in wanted.add_options:
        titles.append("insist on TLS")
    if "connect_timeout" in wanted.add_options:
        titles.append("bound the wait for a connection")
    return listed(titles) if titles else f"remove what does nothing from '{database.alias}'"


def _start(database: Database) -> Span:
    return database.module.span(key(database.node, "ENGINE") or database.node)


# -- what a database lacks ----------------------------------------------------------------------------------------


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
    if "CONN_MAX_AGE" in wanted.add and others:
        wanted.todo.append(f"where {others} runs the application instead, set CONN_MAX_AGE to 0")


def _keeps(said: _Said, cell: _Cell, wanted: _Wanted) -> bool:
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
        return not said.ages or _number(said.ages[-1])[0] != 0  # somebody may want none
    if not cell.interface:
        wanted.blocked = _unknown_server(cell)
        return False
    if cell.has_pool and said.database.shape != "literal":
        wanted.blocked = URL_MAY_POOL
        return False
    wanted.add["CONN_MAX_AGE"] = cell.age
    wanted.lacks.append("opens a connection for every request")
    wanted.effects.append(f"{said.at}.CONN_MAX_AGE: connections are kept for {cell.age} s; {cell.reason}")
    kept = cell.server.connections if cell.server is not None else None
    if kept is not None and kept > MOST_CONNECTIONS:
        wanted.todo.append(f"see that PostgreSQL's max_connections is above {kept} for each instance")
    return True


def _pools(said: _Said, cell: _Cell, wanted: _Wanted, *, pooled: bool) -> bool:
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


def _not_kept(said: _Said, wanted: _Wanted, lack: str, reason: str) -> None:
    """What says last how long a connection is kept, set to 0 where it may be more."""
    last = said.ages[-1]
    value, _ = _number(last)
    if value == 0:
        return
    wanted.zero = last
    wanted.lacks.append(lack)
    wanted.effects.append(f"{said.at}.CONN_MAX_AGE: 0{_unless(last)}; {reason}")


def _unless(age: _Age) -> str:
    read = next(environment_reads(age.module, age.value), None)
    return f" unless {read.name} says otherwise" if read is not None else ""


def _unknown_server(cell: _Cell) -> Blocked:
    line = 'rules.unpooled-database.server = "wsgi"'
    by_interface: dict[str, str] = {}
    for command in cell.server.deciding if cell.server is not None else ():
        if command.interface:
            by_interface.setdefault(command.interface, f"{command.path}:{command.line} starts {command.server}")
    if len(by_interface) > 1:
        reason = f"{by_interface['wsgi']} (WSGI) and {by_interface['asgi']} (ASGI), where a kept connection is a leak"
        return Blocked(reason, "give each of them settings of its own, or say which serves the requests", line)
    if cell.server is not None and cell.server.own:
        reason = f"{cell.server.own} starts Django's own server, whose threads never use a kept connection again"
        return Blocked(reason, "start an application server there, or say what serves in production", line)
    reason = "no command that fhfix reads tells whether WSGI or ASGI serves: a kept connection is a leak under ASGI"
    return Blocked(reason, "say which, by configuration", line)


def _no_pool(cell: _Cell) -> Blocked:
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


def _waits(said: _Said, cell: _Cell, wanted: _Wanted) -> None:
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


# -- where it is written ------------------------------------------------------------------------------------------


def _edits(settings: SettingsModule, said: _Said, cell: _Cell, wanted: _Wanted) -> Iterator[Parts]:
    database = said.database
    if wanted.zero is not None:
        yield _zeroed(wanted.zero)
    homes = () if _suits_development(said, cell, wanted) else _homes(cell.project, settings, database)
    update = _replacing(cell.project.later_of(database))
    if homes:
        wanted.effects = [f"{effect} (in {listed(h.path for h in homes)})" for effect in wanted.effects]
        for home in homes:
            yield from _lines_in(home.document, said, cell, wanted)
        if wanted.delete and isinstance(database.node, ast.Dict):
            yield database.module.edit_dict(database.node, delete=wanted.delete)
    elif update is not None and update.value is not None:
        yield from _around_call(update.module, update.value, update.statement, said, cell, wanted)
    elif isinstance(database.node, ast.Dict):
        yield from _in_literal(said, cell, wanted)
    elif wanted.add:
        yield from _around_call(database.module, database.node, database.statement, said, cell, wanted)


def _suits_development(said: _Said, cell: _Cell, wanted: _Wanted) -> bool:
    """Whether what is added may as well hold for development and tests: they may keep connections for as long as they
    do already, but no longer; and a wait for one may end there, too, as long as none of them turns to another engine.
    """
    database = said.database
    if wanted.delete:
        return False
    if wanted.add:
        return wanted.add.keys() <= {"CONN_HEALTH_CHECKS"} and "CONN_MAX_AGE" in _named(database)
    changed = {later.module.path for later in cell.project.later_of(database)}
    modules = (cell.project.modules[path] for path in changed if path in cell.project.modules)
    spared = any(module.role in ("development", "test") for module in modules)
    return wanted.add_options.keys() == {"connect_timeout"} and not spared


def _in_literal(said: _Said, cell: _Cell, wanted: _Wanted) -> Iterator[Parts]:
    database, options, module = said.database, said.options, said.database.module
    assert isinstance(database.node, ast.Dict)
    add = dict(wanted.add)
    set_: dict[str, Any] = {}
    if wanted.add_options and options is None:
        if annotation := _without_dicts(database.statement):
            yield Blocked(
                f"DATABASES is annotated as {annotation}, which has no place for the dict of OPTIONS",
                "annotate it as `dict[str, dict[str, Any]]`, then run fhfix again",
            )
            return
        add["OPTIONS"] = wanted.add_options
    elif wanted.add_options and options is database.options and not module.spans_lines(database.node):
        # All on one line, which may get too long and be broken up: one edit for both.
        assert options is not None
        given = {_key(name): Code(module.text_of(v)) for name, v in zip(options.keys, options.values, strict=True)}
        set_["OPTIONS"] = {**given, **wanted.add_options}
    elif wanted.add_options and options is not None:
        width = cell.width(said.options_in)
        yield said.options_in.edit_dict(options, add=wanted.add_options, width=width)
    if add or set_ or wanted.delete:
        yield module.edit_dict(database.node, add=add, set=set_, delete=wanted.delete, width=cell.width(module))


def _without_dicts(statement: ast.stmt) -> str:
    """The annotation of what is assigned, where a type checker would refuse a dict among the values of a database."""
    said = ast.unparse(statement.annotation) if isinstance(statement, ast.AnnAssign) else ""
    inner = re.fullmatch(r"dict\[str, dict\[str, (.+)\]\]", said, re.IGNORECASE)
    return said if inner and not re.search(r"\b(Any|object|dict|Mapping)\b", inner[1], re.IGNORECASE) else ""


def _key(node: ast.expr | None) -> str:
    return str(constant(node))


def _around_call(
    module: PythonModule, value: ast.expr, statement: ast.stmt, said: _Said, cell: _Cell, wanted: _Wanted
) -> Iterator[Parts]:
    """Arguments of what makes the database from a URL, else lines below the statement."""
    call = resolve(module, value)
    lines = dict(wanted.add)
    if isinstance(call, ast.Call) and URL_CALLS.search(_origin(module, call.func)):
        names = [name for name in lines if name != "CONN_HEALTH_CHECKS" or cell.takes_health_checks(module.path)]
        arguments = {name.lower(): lines[name] for name in names}
        if names and _may_take(module, call, arguments, cell.width(module)):
            lines = {name: value for name, value in lines.items() if name not in names}
            yield module.add_arguments(call, arguments, width=cell.width(module))
    if lines and (item := _item_of_variable(module, value, statement)):
        name, last = item
        code = "\n".join(f"{name}[{module.quoted(key)}] = {set_to!r}" for key, set_to in lines.items())
        yield module.insert_after(last, code)
    elif lines:
        last = _last_about(module, statement)
        noqa = _noqa(module, cell)
        code = "\n".join(f"{_target(module, said.database, n)} = {value!r}{noqa}" for n, value in lines.items())
        yield module.insert_after(last, code)


def _item_of_variable(module: PythonModule, value: ast.expr, statement: ast.stmt) -> tuple[str, ast.stmt] | None:
    """The variable that a database is kept in, with the last of its keys that are set one by one before it is used:
    `CONFIG["CONN_MAX_AGE"] = 60`."""
    if not isinstance(value, ast.Name) or statement not in module.tree.body:
        return None
    used = [each for each in ast.walk(module.tree) if isinstance(each, ast.Name) and each.id == value.id]
    items = [each for each in used if isinstance(module.parent(each), ast.Subscript)]
    if len(used) - len(items) > 2:  # what makes it and what takes it; a copy would take over what is set above
        return None
    above = module.tree.body[: module.tree.body.index(statement)]
    setting = [each for each in above if is_item(each) and any(node in items for node in ast.walk(each))]
    return (value.id, setting[-1]) if setting else None


def _may_take(module: PythonModule, call: ast.Call, arguments: Mapping[str, Any], width: int) -> bool:
    """Whether the call has room for arguments on its line, or may have a line for each: not within a dict on one."""
    holder = module.parent(call)
    if not isinstance(holder, ast.Dict) or module.spans_lines(holder):
        return True
    longer = sum(len(f", {name}={value!r}") for name, value in arguments.items())
    end = module.source.line_end(module.span(call).end)
    return end - module.source.line_start(module.span(call).start) + longer <= width


def _origin(module: PythonModule, function: ast.expr) -> str:
    """The full name of what is called: `dj_database_url.parse` for `parse as db_url`."""
    head, _, tail = dotted(function).partition(".")
    return f"{module.imported.get(head, head)}.{tail}".strip(".")


def _speaker(module: PythonModule, database: Database) -> PythonModule:
    """The module whose quotes count: that of the database, where one that takes it over has no text at all."""
    return module if module.own_quote else database.module


def _target(module: PythonModule, database: Database, *names: str) -> str:
    quoted = _speaker(module, database).quoted
    alias = quoted(database.alias)
    statement = database.statement
    if database.module is module and isinstance(statement, ast.Assign) and is_item(statement):
        target = statement.targets[0]
        assert isinstance(target, ast.Subscript)
        if isinstance(target.slice, ast.Name | ast.Attribute):  # a name that stands for the alias
            alias = ast.unparse(target.slice)
    return "DATABASES" + "".join(f"[{each}]" for each in (alias, *map(quoted, names)))


def _noqa(module: PythonModule, cell: _Cell) -> str:
    """What linters need where DATABASES comes by a star, if that import itself needs it."""
    if "DATABASES" in module.assignments or "DATABASES" in module.imported:
        return ""
    stars = [each for each in module.tree.body if isinstance(each, ast.ImportFrom) and each.names[0].name == "*"]
    marked = any("noqa" in "".join(module.comments_beside(each)) for each in stars)
    return cell.styles.of(module.path).noqa("F405") if marked else ""


def _lines_in(module: PythonModule, said: _Said, cell: _Cell, wanted: _Wanted) -> Iterator[Parts]:
    """The same as lines in a module that takes DATABASES over."""
    last = next((each for each in reversed(module.tree.body) if _speaks(each) or _takes_over(each)), None)
    if last is None:
        yield Blocked(f"{module.path} takes DATABASES over nowhere at its top level", "set it there by hand")
        return
    noqa = _noqa(module, cell)
    values: list[tuple[tuple[str, ...], Any]] = [((name,), value) for name, value in wanted.add.items()]
    if wanted.add_options and said.options is None:
        values.append((("OPTIONS",), wanted.add_options))
    else:
        values += [(("OPTIONS", name), value) for name, value in wanted.add_options.items()]
    inline = _speaker(module, said.database).inline
    code = "\n".join(f"{_target(module, said.database, *names)} = {inline(value)}{noqa}" for names, value in values)
    if code:
        below_imports = cell.styles.of(module.path).blank_lines_after_imports
        place = last if _speaks(last) else _last_import(module, last)
        yield module.insert_after(place, code, blank_lines=0 if _speaks(last) else below_imports)


def _last_import(module: PythonModule, statement: ast.stmt) -> ast.stmt:
    """The last of the imports that follow a statement at once: nothing belongs between them."""
    below = module.tree.body[module.tree.body.index(statement) + 1 :]
    following = takewhile(lambda each: isinstance(each, ast.Import | ast.ImportFrom), below)
    return next(iter(reversed(list(following))), statement)


def _homes(project: DjangoProject, settings: SettingsModule, database: Database) -> tuple[SettingsModule, ...] | None:
    """The modules of production to write into, where those of development or tests take the alias over as well.

    Empty where it is written where it is defined; None where production has another definition.
    """
    importers = project.importers(database.path)
    if settings.role != "shared" or database.in_class or not importers:
        return ()
    inherit = [each for each in importers if not _defines_anew(project, each, database)]
    spared = [each for each in inherit if each.role in ("development", "test")]
    others = [each for each in inherit if each not in spared and not project.is_left_over(each.path)]
    is_named = project.is_served(settings.path) or settings.path == project.settings_path
    if not others and not is_named and len(inherit) < len(importers):
        return None
    if database.guards or not spared or is_named:
        return ()
    if any(_takes_the_place(other, database) for other in settings.databases):
        return None  # lines behind both would change the other, too
    meant = [each for each in others if each.role == "production"]
    meant = meant or [each for each in others if project.is_served(each.path)] or others
    return tuple(each for each in meant if not any(each in project.importers(other.path) for other in meant))


def _defines_anew(project: DjangoProject, importer: SettingsModule, database: Database) -> bool:
    """Whether a module that takes a database over, or one between the two, defines its alias anew in any case."""
    if database.guards:
        between = (each for each in project.chain(importer.path) if each.path != database.path)
        above = {each.path for each in project.chain(database.path)}
        return any(
            not other.guards and other.alias == database.alias
            for each in between
            if each.path not in above
            for other in each.databases
        )
    return database not in project.databases_of(importer.path)


def _takes_the_place(other: Database, database: Database) -> bool:
    """Whether production defines the same alias anew, under a condition."""
    return other is not database and other.alias == database.alias and bool(other.guards) and _is_for_production(other)


def _zeroed(age: _Age) -> Parts:
    value, node = _number(age)
    if node is None:
        return Blocked(f"{age.at} keeps connections, for how long cannot be told", "set CONN_MAX_AGE to 0 there")
    return age.module.set_value(node, "0" if isinstance(value, str) else 0)


def _number(age: _Age) -> tuple[Any, ast.expr | None]:
    """The number that a value of CONN_MAX_AGE has, or has by default, with its node; None for both where none is."""
    given = constant(age.value)
    if given is not ... and not isinstance(given, bool):
        return (0 if given in (0, "0") else given), age.value
    numbers = [
        node
        for node in ast.walk(age.value)
        if isinstance(node, ast.Constant)
        and not isinstance(node.value, bool)
        and (isinstance(node.value, int) or (isinstance(node.value, str) and node.value.isdigit()))
    ]
    if len(numbers) != 1:
        read = next(environment_reads(age.module, age.value), None)
        return (0 if read is not None and not numbers else None), None  # a variable alone: somebody chose it
    only = numbers[0].value
    return (0 if only in (0, "0") else only), numbers[0]


# -- the limit for statements -------------------------------------------------------------------------------------


def _limit(applications: Applications, databases: Sequence[Database], cell: _Cell) -> Iterator[Finding]:
    """In what the server starts, once a connection is made: not for manage.py, nor for workers."""
    if cell.servers.limited_by or cell.cannot_start:
        return
    milliseconds = cell.statement_timeout_ms
    if not milliseconds:
        return
    limit = f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"
    pooler = next(filter(None, (cell.servers.pooler_of(cell.project, database) for database in databases)), "")
    for module in applications.of(cell.project, cell.interface):
        if "statement_timeout" in module.source.text:
            continue
        message = "a request may wait for ever for a statement of PostgreSQL"
        span = module.span(module.tree.body[-1])
        if pooler:
            reason = f"connections may go through a pooler ({pooler}), whose sessions others use, too"
            advice = (
                f"limit the role that the application signs in with: ALTER ROLE … SET statement_timeout = '{limit}'"
            )
            yield Finding(module.path, span, message, Blocked(reason, advice))
            continue
        is_typed = cell.styles.of(module.path).is_typed
        code = LIMIT.format(
            parameters=TYPED if is_typed else PARAMETERS,
            step=module.indentation,
            postgresql=module.quoted("postgresql"),
            statement=_in_quotes(module, f"SET statement_timeout = '{limit}'"),
        )
        fix = Fix.of(
            f"cancel a statement of a request after {limit}",
            module.add_import_from("typing", "Any") if is_typed else (),
            module.add_import_from(
                "django.db.backends.signals", "connection_created", first=cell.styles.of(module.path).django_first
            ),
            module.append_code(code, blank_lines=2),
            tier=Tier.REVIEW,
            effects=(f"{module.path}: PostgreSQL cancels a statement of a request after {limit}",),
            todo=("see that no view needs longer, an export, say",),
        )
        yield Finding(module.path, span, message, fix)


def _in_quotes(module: PythonModule, value: str) -> str:
    return f'"{value}"' if "'" in value else module.quoted(value)


# -- questions ----------------------------------------------------------------------------------------------------


def _is_for_production(database: Database) -> bool:
    written = ast.unparse(resolve(database.module, database.node))
    if ASIDE.search(database.alias) or OWN_POOL.search(database.engine) or OWN_POOL.search(written):
        return False
    said = [guard for guard in database.guards if not guard.startswith("not ") and "!=" not in guard]
    return not any(ASIDE.search(guard) for guard in said)


def _is_replaced(database: Database, others: Sequence[Database]) -> bool:
    """Whether it is a database of the developer's own machine, and a condition puts another one in its place."""
    host = item(database.node, "HOST") if database.shape == "literal" else None
    read = database.reads.get("HOST")
    usual = constant(host) if read is None else read.default
    if host is None or usual not in ("", "localhost", "127.0.0.1"):
        return False
    same = [other for other in others if other.alias == database.alias and other.module is database.module]
    if database.guards:  # what is left where no URL is given
        return any(other.shape == "url" and _excludes(database, other) for other in same)
    return read is None and any(other.guards for other in same)


def _excludes(database: Database, other: Database) -> bool:
    """Whether one is given just where a condition does not hold under which the other one is."""
    return any(f"not ({guard})" in database.guards for guard in other.guards)


def _may_be_postgres(cell: _Cell, database: Database) -> bool:
    """PostgreSQL by its engine, or by what is known at run time: a URL, an engine from outside."""
    if cell.servers.is_another(cell.project, database):
        return False
    if database.vendor or (database.shape == "literal" and database.engine):
        return database.vendor == "postgresql"
    if database.shape == "literal":
        return item(database.node, "ENGINE") is not None and bool(cell.project.driver)
    value = ast.unparse(resolve(database.module, database.node))
    return "URL" in database.reads or database.shape == "url" or vendor_of(value) == "postgresql"


def _ages(database: Database, later: Sequence[Later]) -> list[_Age]:
    """Everything that sets CONN_MAX_AGE where it can be seen, in order."""
    found = list(_ages_in(database.module, database.node, database.path))
    replacing = _replacing(later)
    for change in later:
        if change is replacing:
            found = []  # what makes a database from a URL sets 0 unless it is told otherwise
        if change.keys == ("CONN_MAX_AGE",) and change.how == "set" and change.value is not None:
            found.append(_Age(change.module, change.value, f"{change.module.path}:{change.statement.lineno}"))
        elif not change.keys and change.how == "update" and change.value is not None:
            found += _ages_in(change.module, change.value, change.module.path)
    return found


def _replacing(later: Sequence[Later]) -> Later | None:
    """The last `update` with a dict that something else makes: what it holds wins over the definition."""
    made = [each for each in later if not each.keys and each.how == "update" and _is_made(each)]
    return made[-1] if made else None


def _is_made(change: Later) -> bool:
    return change.value is not None and not isinstance(resolve(change.module, change.value), ast.Dict)


def _ages_in(module: PythonModule, node: ast.expr, path: str) -> Iterator[_Age]:
    found = resolve(module, node)
    value = item(found, "CONN_MAX_AGE")
    if value is not None:
        yield _Age(module, value, f"{path}:{module.line_of(value)}")
        return
    calls = [found] if isinstance(found, ast.Call) else []
    if isinstance(found, ast.Dict) and has_spread(found):
        spread = (resolve(module, v) for k, v in zip(found.keys, found.values, strict=True) if k is None)
        calls = [each for each in spread if isinstance(each, ast.Call)]
    for call in calls:
        for keyword in call.keywords:
            if keyword.arg in ("conn_max_age", "CONN_MAX_AGE"):
                yield _Age(module, keyword.value, f"{path}:{module.line_of(keyword.value)}")


def _named(database: Database) -> frozenset[str]:
    """The keys that the call or a dict that is not a plain literal names itself."""
    if database.shape == "literal":
        return frozenset()
    return frozenset(_said_in(_written(database)))


def _written(database: Database) -> str:
    """The text of the value, and of all statements about a name that stands for it or for its OPTIONS."""
    module = database.module
    names = {each.id for each in (database.node, database.options) if isinstance(each, ast.Name)}
    about: list[ast.stmt] = []
    for statement in reversed([each for each in module.top_level() if not hasattr(each, "body")]):
        mentioned = {each.id for each in ast.walk(statement) if isinstance(each, ast.Name)}
        if mentioned & names:
            about.append(statement)
        if (
            isinstance(statement, ast.Assign)
            and {each.id for each in statement.targets if isinstance(each, ast.Name)} & names
        ):
            names |= mentioned & module.assignments.keys()  # a copy of another
    return "\n".join(map(ast.unparse, [database.node, *about, *_helpers(module, database.node)]))


def _helpers(module: PythonModule, node: ast.expr) -> Iterator[ast.FunctionDef]:
    """The functions of the module itself that make a value."""
    called = {each.func.id for each in ast.walk(node) if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)}
    for each in ast.walk(module.tree) if called else ():
        if isinstance(each, ast.FunctionDef) and each.name in called:
            yield each


def _said_in(written: str) -> set[str]:
    """The keys that a statement names, as keys or, in small letters, as arguments of a helper."""
    found = {name for name in KEYS if re.search(rf"\b{name}\b", written, re.IGNORECASE)}
    return found | ({"sslmode"} if "ssl_require" in written else set())


def _handled(later: Sequence[Later]) -> frozenset[str]:
    """What is said about a database further down, in any way."""
    found: set[str] = set()
    for change in later:
        found.update(change.keys)
        found |= _said_in(ast.unparse(change.statement))
        if isinstance(change.value, ast.Name):
            found |= _said_in(ast.unparse(resolve(change.module, change.value)))
    return frozenset(found - {"OPTIONS"})


def _options(database: Database, later: Sequence[Later]) -> tuple[PythonModule, ast.Dict | None, bool]:
    """The OPTIONS that count, the module that they stand in, and whether that is known: what is assigned later wins."""
    for change in reversed(later):
        if change.keys == ("OPTIONS",) and change.how == "set":
            known = isinstance(change.value, ast.Dict) and not change.guards
            return change.module, change.value if isinstance(change.value, ast.Dict) else None, known
        if change.keys[:1] != ("OPTIONS",) and (change.keys or isinstance(change.value, ast.Dict)):
            continue
        if not change.keys and change.how == "update":
            return change.module, None, False  # what it takes in may bring OPTIONS of its own
    given = database.options
    options = own_dict(database.module, given)
    return database.module, options, given is None or options is not None


def _last_about(module: PythonModule, statement: ast.stmt) -> ast.stmt:
    """The last plain statement about DATABASES in the block of the one that defines it."""
    holder: Any = module.parent(statement)
    blocks = [b for b in (getattr(holder, name, None) for name in ("body", "orelse", "finalbody")) if b]
    block = next(b for b in blocks if any(each is statement for each in b))
    start = next(index for index, each in enumerate(block) if each is statement)
    about = [each for each in block[start:] if _speaks(each) and not hasattr(each, "body")]
    return about[-1] if about else statement


def _speaks(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "DATABASES" for node in ast.walk(statement))


def _takes_over(statement: ast.stmt) -> bool:
    names = {alias.name for alias in statement.names} if isinstance(statement, ast.ImportFrom) else set()
    return bool(names & {"*", "DATABASES"})


def _has_databases(django: DjangoProject) -> bool:
    """Whether production has a database that connections are made to, and no file."""
    for project in django.projects:
        for settings in project.modules.values() if not project.is_aside else ():
            if settings.role not in ("test", "development") and any(map(_is_for_production, settings.databases)):
                return True
    return False


RULE = Rule(
    __name__,
    "PostgreSQL is used without connection reuse or time limits",
    check,
    audit=("D-012.1",),
    criterion="Database connections are reused, and have timeouts",
    hours=(2, 2),
    applies=_has_databases,
)
