"""A PostgreSQL database has connection options that only MySQL knows, so that no connection can be made.

## Why
Django hands every key of `OPTIONS` to the driver. `charset`, `init_command` and the like are MySQL's; psycopg2 and
psycopg answer `invalid connection option "charset"` to the first query, while `manage.py check` finds nothing.
PostgreSQL needs no substitute: Django sets the client's encoding to UTF-8 by itself.

## When it is left alone
MySQL and MariaDB are never touched, nor is SQLite, which has an `init_command` of its own. Where ENGINE comes from the
environment, or is changed later, the options may be right; that is reported only where PostgreSQL is the default.
`TEST: {"CHARSET": …}` is valid on PostgreSQL and stays. `ssl` stays too, since it says something that must be
translated rather than dropped.
"""

import ast
from collections.abc import Iterator

from fixer.django.project import DjangoProject
from fixer.django.settings import Database, Later, own_dict, resolve, vendor_of
from fixer.languages.python import PythonModule, item, key, text
from fixer.model import Blocked, Finding, Fix, Level, Rule, listed

# https://mysqlclient.readthedocs.io/user_guide.html#functions-and-attributes, less what libpq also knows
MYSQL_ONLY = (
    "charset", "collation", "init_command", "sql_mode", "use_unicode", "read_default_file", "read_default_group",
    "unix_socket", "local_infile", "compress", "conv", "named_pipe", "auth_plugin", "use_pure", "raise_on_warnings",
)  # fmt: skip
TRANSLATED = {"ssl": "sslmode, sslrootcert, sslcert and sslkey", "ssl_mode": "sslmode", "ssl_disabled": "sslmode"}


def check(django: DjangoProject) -> Iterator[Finding]:
    for project in django.projects:
        for settings in project.modules.values():
            is_used = settings.role == "production" or not project.is_left_over(settings.path)
            for database in settings.databases if is_used else ():
                yield from _check(project, database)


def _check(project: DjangoProject, database: Database) -> Iterator[Finding]:
    later = project.later_of(database)
    by_default = _is_postgres_by_default(database)
    if database.vendor != "postgresql" and not by_default:
        return
    if any(_may_change_engine(change) for change in later):
        return
    places: list[tuple[PythonModule, ast.expr | None]] = [(database.module, database.options)]
    places += [(change.module, _options_in(change)) for change in later]
    for module, value in places:
        options = own_dict(module, value)
        if options is None:
            yield from _shared(module, database, value)
            continue
        wrong = [name for name in MYSQL_ONLY if key(options, name)]
        if wrong:
            cure = _chosen_later(database, wrong) if by_default else _removed(module, options, database, wrong)
            yield Finding(module.path, module.span(key(options, wrong[0]) or options), _message(database, wrong), cure)
        for name, instead in TRANSLATED.items():
            if not by_default and key(options, name):
                yield Finding(
                    module.path,
                    module.span(key(options, name) or options),
                    _message(database, [name]),
                    Blocked(f"{name!r} asks for TLS in MySQL's words", f"say the same with {instead}, and delete it"),
                )


def _chosen_later(database: Database, wrong: list[str]) -> Blocked:
    variable = database.reads["ENGINE"].name
    return Blocked(
        f"{variable} chooses the engine when the program starts; on MySQL these options are right",
        f"move {listed(wrong)} below a test for MySQL, or write the ENGINE as a literal",
    )


def _removed(module: PythonModule, options: ast.Dict, database: Database, wrong: list[str]) -> Fix | Blocked:
    left = [name for name in TRANSLATED if key(options, name)]
    so = f"; {listed(left)} of MySQL still {'stands' if len(left) == 1 else 'stand'} there" if left else ""
    return Fix.of(
        f"remove {listed(wrong)} from the OPTIONS of '{database.alias}'",
        module.edit_dict(options, delete=wrong),
        effects=(f"DATABASES.{database.alias}.OPTIONS: {listed(wrong)} removed{so or ', so that it can connect'}",),
    )


def _shared(module: PythonModule, database: Database, value: ast.expr | None) -> Iterator[Finding]:
    """OPTIONS by a name that stands for the options of other databases, too."""
    options = resolve(module, value) if value is not None else None
    wrong = [name for name in MYSQL_ONLY if key(options, name)]
    if wrong and value is not None and database.vendor == "postgresql":
        reason = f"`{ast.unparse(value)}` is used in other places, too"
        blocked = Blocked(reason, f"give '{database.alias}' OPTIONS of its own")
        yield Finding(module.path, module.span(value), _message(database, wrong), blocked)


def _message(database: Database, wrong: list[str]) -> str:
    verb = "makes" if len(wrong) == 1 else "make"
    return f"database '{database.alias}' is PostgreSQL, and {listed(wrong)} in its OPTIONS {verb} every connection fail"


def _is_postgres_by_default(database: Database) -> bool:
    read = database.reads.get("ENGINE")
    return not database.engine and read is not None and vendor_of(read.default or "") == "postgresql"


def _options_in(change: Later) -> ast.expr | None:
    """The OPTIONS that a later statement gives, unless it stands under a condition about the engine."""
    if any("ENGINE" in guard or "mysql" in guard.lower() for guard in change.guards):
        return None
    if change.keys == ("OPTIONS",) and change.how in ("set", "update"):
        return change.value
    return item(change.value, "OPTIONS") if not change.keys and change.how in ("set", "update") else None


def _may_change_engine(change: Later) -> bool:
    if change.keys[:1] == ("ENGINE",):
        return vendor_of(text(change.value)) != "postgresql"
    if change.how == "other" or (change.how == "update" and not isinstance(change.value, ast.Dict)):
        return "ENGINE" in ast.unparse(change.statement) and "mysql" in ast.unparse(change.statement).lower()
    return change.how == "update" and not change.keys and item(change.value, "ENGINE") is not None


def _has_postgres(django: DjangoProject) -> bool:
    databases = (d for project in django.projects for settings in project.modules.values() for d in settings.databases)
    return any(database.vendor == "postgresql" or _is_postgres_by_default(database) for database in databases)


RULE = Rule(
    __name__,
    "A PostgreSQL database has MySQL's connection options",
    check,
    audit=("D-012.3",),
    criterion="No PostgreSQL database has options of MySQL",
    hours=(0.5, 0.5),
    level=Level.ERROR,
    applies=_has_postgres,
)
