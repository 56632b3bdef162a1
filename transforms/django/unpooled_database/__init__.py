"""A PostgreSQL database whose connections are not used again, or on which a request may wait for ever.

## Why
Django opens a connection for each request unless it is told otherwise: 3 to 9 ms each on one machine, more over a
network. Without `connect_timeout` a server that does not answer holds a worker for minutes; without
`statement_timeout` one bad query holds it for ever. What works depends on the versions, and on what runs the
application:

* under WSGI `CONN_MAX_AGE = 600`, with `CONN_HEALTH_CHECKS` from Django 4.1 on; 60 before, where a connection that
  the server closed costs a request. An image of Python 3.7 has such an older Django, whatever the requirements allow;
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
Behind a pooler statements get no limit, since its sessions are shared; nor where a provider is named that has one
beside each database, and no host tells which of the two it is. A URL is one of PostgreSQL where its driver is
installed. `CONN_MAX_AGE = 300` beside DATABASES does nothing, and says for how long somebody meant to keep them. Beside
what forks (Celery's workers, a preloading gunicorn) there is no pool. Where nothing tells WSGI from ASGI,
`CONN_MAX_AGE` is blocked.
"""

from collections.abc import Iterator

from fixer.django.app_server import Applications, AppServer
from fixer.django.databases import DatabaseServers
from fixer.django.forks import Forks
from fixer.django.project import DjangoProject
from fixer.django.pythons import DeployedPython
from fixer.django.settings import Database, SettingsModule
from fixer.languages.python import key
from fixer.model import Blocked, Finding, Fix, Rule, Span, Tier, listed
from fixer.project.packages import PythonPackages
from fixer.project.python_style import PythonStyles
from transforms.django.unpooled_database.cell import Cell
from transforms.django.unpooled_database.homes import homes_of
from transforms.django.unpooled_database.lacking import Wanted, reuse, waits
from transforms.django.unpooled_database.limit import statement_limit
from transforms.django.unpooled_database.meant import is_for_production, is_replaced, may_be_postgres
from transforms.django.unpooled_database.options import Options
from transforms.django.unpooled_database.said import Said
from transforms.django.unpooled_database.written import edits


def check(
    django: DjangoProject,
    server: AppServer | None,
    applications: Applications | None,
    servers: DatabaseServers,
    packages: PythonPackages | None,
    styles: PythonStyles,
    forks: Forks,
    python: DeployedPython | None,
    options: Options,
) -> Iterator[Finding]:
    for project in django.projects:
        if project.is_aside:
            continue
        here = server.near(project.root) if server is not None and django.others else server
        cell = Cell(project, here, servers, packages, styles, forks, python, options)
        wanted = [
            (settings, database)
            for settings in project.modules.values()
            if _may_be_loaded(project, settings)
            for database in settings.databases
            if is_for_production(database)
        ]
        here_alone = [database for _, database in wanted if is_replaced(database, [other for _, other in wanted])]
        wanted = [(settings, database) for settings, database in wanted if database not in here_alone]
        for settings, database in wanted:
            yield from _database(settings, database, cell)
        if applications is not None and any(may_be_postgres(cell, database) for _, database in wanted):
            yield from statement_limit(applications, [database for _, database in wanted], cell)


def _may_be_loaded(project: DjangoProject, settings: SettingsModule) -> bool:
    if not project.is_left_over(settings.path):
        return settings.role in ("production", "shared")
    # What no `import` could name is a template, which is copied to where it is used.
    return settings.role == "production" and bool(project.module_name(settings.path))


def _database(settings: SettingsModule, database: Database, cell: Cell) -> Iterator[Finding]:
    if homes_of(cell.project, settings, database) is None:
        return
    is_left_over = cell.project.is_left_over(settings.path)
    is_postgres = database.vendor == "postgresql" and database.shape == "literal"
    if not is_postgres and (not may_be_postgres(cell, database) or settings.opaque or database.in_class):
        return
    module = database.module
    name = f"database '{database.alias}'"
    if cell.cannot_start:
        if is_postgres:
            reason = f"Django {cell.project.version} does not know psycopg 3, and cannot start with it"
            cure = Blocked(reason, "ask for psycopg2, or for Django 4.2 or later")
            yield Finding(module.path, _start(database), f"{name} cannot be reached", cure)
        return
    said = Said.of(cell.project, database)
    wanted = Wanted()
    reuse(said, cell, wanted)
    if is_postgres and said.knows_options:
        waits(said, cell, wanted)
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
    if unseen := _unseen(settings, cell.project):
        wanted.effects.append(
            f"{unseen} takes over settings that are not in the repository, and that may say otherwise"
        )
    fix = Fix.of(
        _title(database, wanted),
        *edits(settings, said, cell, wanted),
        tier=Tier.REVIEW,
        effects=wanted.effects,
        todo=wanted.todo,
    )
    yield Finding(place[0].path, span, f"{name} {listed(wanted.lacks)}", fix)


def _unseen(settings: SettingsModule, project: DjangoProject) -> str:
    """The module behind which settings that nobody sees may define the database anew; empty where there is none."""
    above = (settings, *(each for each in project.importers(settings.path) if each.role in ("shared", "production")))
    return next((each.path for each in above if each.takes_unseen), "")


def _unnamed(settings: SettingsModule, cell: Cell) -> Blocked:
    name = cell.project.module_name(settings.path) or settings.path
    return Blocked(
        f"nothing in the repository names {name} as settings, and what starts the application names others",
        f"name it where it is used, as DJANGO_SETTINGS_MODULE={name}, or delete it",
    )


def _title(database: Database, wanted: Wanted) -> str:
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


def _has_databases(django: DjangoProject) -> bool:
    """Whether production has a database that connections are made to, and no file."""
    for project in django.projects:
        for settings in project.modules.values() if not project.is_aside else ():
            if settings.role not in ("test", "development") and any(map(is_for_production, settings.databases)):
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
