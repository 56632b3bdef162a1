"""PostgreSQL plans every query anew: prepared statements are missing, or set in a way that does nothing or breaks.

## Why
A prepared statement saves parsing and planning: a join of three tables took 160 instead of 390 µs, a small query of
Django's ORM 385 instead of 415. But what is usually advised, `prepare_threshold: 100` in OPTIONS, does not give them:

* psycopg2 knows no such key, and every connection fails;
* with psycopg 3 it has no effect at all, since Django's cursors put the parameters into the text of the query, and
  psycopg prepares nothing for such cursors. Only `server_side_binding: True` beside it does.

Server-side parameters change what SQL is valid: `GROUP BY coalesce(x, %s)`, `INTERVAL %s`, `SET x = %s`, two
statements in one call, and `id__in` with more than 65,535 values fail. So they are an explicit choice, made by the
option `server-side-binding`; without it the finding is blocked and says what it takes.

## When it is left alone
A pair that is complete, a `prepare_threshold` of None (off, on purpose), other databases than PostgreSQL, projects
whose driver is unknown, and settings for tests and development. The pair is refused beside SQL that is written by hand,
but for one statement that is spelled out and has no parameters, and behind a pooler, where prepared statements of one
client meet those of another.
"""

import ast
from collections.abc import Iterator

from fixer.django.databases import DatabaseServers
from fixer.django.project import DjangoProject
from fixer.django.raw_sql import RawSql
from fixer.django.settings import Database, own_dict
from fixer.languages.python import constant, item, key
from fixer.model import Blocked, Finding, Fix, Level, Rule, RuleOptions, Tier, option

THRESHOLD = 5  # psycopg's own default; a connection keeps 100 statements
CONFIG = "rules.unprepared-statements.server-side-binding = true"


class Options(RuleOptions):
    server_side_binding: bool = option(
        False, "bind parameters on the server, which psycopg needs to prepare statements"
    )


def check(django: DjangoProject, raw_sql: RawSql, servers: DatabaseServers, options: Options) -> Iterator[Finding]:
    for project in django.projects:
        if not project.driver or project.is_aside:
            continue
        wanted = True  # once for a project: what holds for one database holds for all
        for settings in project.chain(project.production_path):
            for database in settings.databases:
                if (
                    settings.role in ("test", "development")
                    or database.vendor != "postgresql"
                    or database.shape != "literal"
                ):
                    continue
                found = _half(project, database, raw_sql, servers, options)
                if found is None and wanted and not _is_complete(database):
                    found = _missing(project, database, raw_sql, servers, options)
                    wanted = False
                if found is not None:
                    yield found


def _half(
    project: DjangoProject, database: Database, raw_sql: RawSql, servers: DatabaseServers, options: Options
) -> Finding | None:
    """A key that does nothing, or breaks."""
    given = _options(database)
    threshold = item(given, "prepare_threshold")
    if given is None or threshold is None or constant(threshold) is None:
        return None
    module, name = database.module, f"database '{database.alias}'"
    span = module.span(key(given, "prepare_threshold") or given)
    if project.driver == "psycopg2":
        edits = module.edit_dict(given, delete=("prepare_threshold",))
        effects = (f"DATABASES.{database.alias}.OPTIONS.prepare_threshold: removed, so that it can connect",)
        message = f"{name} cannot connect: psycopg2 does not know prepare_threshold"
        title = f"remove prepare_threshold from the OPTIONS of '{database.alias}'"
        return Finding(module.path, span, message, Fix.of(title, edits, effects=effects))
    if item(given, "server_side_binding") is not None:
        return None
    message = f"{name}: prepare_threshold prepares nothing without server_side_binding"
    return Finding(module.path, span, message, _pair(project, database, given, raw_sql, servers, options))


def _missing(
    project: DjangoProject, database: Database, raw_sql: RawSql, servers: DatabaseServers, options: Options
) -> Finding:
    module = database.module
    span = module.span(key(database.node, "ENGINE") or database.node)
    message = f"database '{database.alias}' plans every query anew: no prepared statements"
    if project.driver == "psycopg2":
        files = f" in {project.requirements[0]}" if project.requirements else ""
        version = "" if project.version and project.version.at_least(4, 2) else "Django 4.2 or later, and "
        return Finding(
            module.path,
            span,
            message,
            Blocked(
                "psycopg2 has no prepared statements; prepare_threshold would stop every connection",
                f"ask for {version}psycopg[binary]>=3.1.8 instead of psycopg2{files}, run the tests, then fhfix again",
            ),
        )
    return Finding(module.path, span, message, _pair(project, database, _options(database), raw_sql, servers, options))


def _pair(
    project: DjangoProject,
    database: Database,
    given: ast.Dict | None,
    raw_sql: RawSql,
    servers: DatabaseServers,
    options: Options,
) -> Fix | Blocked:
    pooler = servers.pooler_of(project, database)
    if pooler:
        return Blocked(
            f"behind a pooler ({pooler}) prepared statements meet those of other clients",
            "leave it, or connect to PostgreSQL itself",
        )
    if raw_sql.first:
        return Blocked(
            f"{raw_sql.first} has SQL written by hand, which parameters bound on the server may make invalid",
            "check it with server_side_binding, and set both keys by hand",
        )
    if not options.server_side_binding:
        return Blocked(
            "psycopg prepares statements only with parameters bound on the server, which makes some SQL invalid",
            "run the tests with server_side_binding, then opt in",
            CONFIG,
        )
    new = {"server_side_binding": True, "prepare_threshold": THRESHOLD}
    add = {name: value for name, value in new.items() if item(given, name) is None}
    module = database.module
    assert isinstance(database.node, ast.Dict)
    if given is None and item(database.node, "OPTIONS") is not None:
        return Blocked("OPTIONS is built elsewhere", "set server_side_binding and prepare_threshold there")
    edits = module.edit_dict(given, add=add) if given is not None else module.edit_dict(
        database.node, add={"OPTIONS": add}
    )  # fmt: skip
    return Fix.of(
        f"let '{database.alias}' prepare its statements",
        edits,
        tier=Tier.REVIEW,
        effects=(
            f"DATABASES.{database.alias}.OPTIONS: {', '.join(add)}: statements are prepared after {THRESHOLD} uses",
        ),
    )


def _is_complete(database: Database) -> bool:
    given = _options(database)
    threshold = item(given, "prepare_threshold")
    off = threshold is not None and constant(threshold) is None
    return off or (threshold is not None and item(given, "server_side_binding") is not None)


def _options(database: Database) -> ast.Dict | None:
    return own_dict(database.module, database.options)


def _has_postgres(django: DjangoProject) -> bool:
    for project in django.projects:
        chain = project.chain(project.production_path) if project.driver and not project.is_aside else ()
        if any(database.vendor == "postgresql" for settings in chain for database in settings.databases):
            return True
    return False


RULE = Rule(
    __name__,
    "Prepared statements are missing, or only half configured",
    check,
    audit=("D-012.4",),
    criterion="Prepared statements are configured so that they work",
    hours=(1, 1),
    level=Level.NOTE,
    applies=_has_postgres,
)
