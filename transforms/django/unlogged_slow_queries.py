"""A slow query leaves no trace in production, since Django logs queries only where DEBUG is on.

## Why
Django writes queries to the logger `django.db.backends` at the level DEBUG, and only while `DEBUG` is true. In
production that logger stays silent at every level; setting it to WARNING, as is often advised, logs nothing at all.

The fix adds a small module, `slow_queries.py`, beside the settings. It times every query of every connection (of
requests, commands and background jobs) and logs those that take longer than `SLOW_QUERY_SECONDS`, 0.5 without that
variable, as warnings of `django.db.backends.slow`. Parameters are never logged; values that the SQL itself spells out
are. It costs about a microsecond for each query, and is for review: every query of production passes through it.
Where LOGGING has no handler that would show them in production, it gets one.

## When it is left alone
Projects whose own code wraps the execution of queries, whose server logs them (`log_min_duration_statement` in compose,
postgresql.conf or Terraform), or that are watched by an agent that traces queries. Projects without PostgreSQL, and the
settings of examples and test projects. Where LOGGING is built at run time, all settings are handed to something that
may change it (`locals()`), or they call what sets up logging by itself, the module still comes, and what is left to do
is said.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

from fixer.django.databases import DatabaseServers
from fixer.django.project import DjangoProject
from fixer.django.query_log import QueryLog
from fixer.django.settings import SettingsModule, resolve
from fixer.languages.python import PythonModule, constant, dotted, has_spread, item, text
from fixer.model import (
    Blocked,
    Finding,
    Fix,
    Level,
    NewFile,
    Parts,
    Rule,
    RuleOptions,
    Span,
    Tier,
    joined,
    option,
)
from fixer.project.python_style import PythonStyles, Style, licence_header

LOGGER = "django.db.backends"
CHILD = "django.db.backends.slow"  # beside an entry that somebody wrote for all queries
ABOVE = (CHILD, LOGGER, "django.db", "django")
SILENT = re.compile(r"NullHandler|AdminEmailHandler|\bmail_admins\b")
_SETTING_UP = ("setup", "set_up", "config", "init", "install")
_GENERAL = {"ALLOWED_HOSTS", "DEBUG", "INSTALLED_APPS", "MIDDLEWARE", "ROOT_URLCONF", "SECRET_KEY", "TEMPLATES"}
LEVELS = {"NOTSET": 0, "DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40, "CRITICAL": 50, "FATAL": 50}

MODULE = '''\
"""Logs slow queries as warnings of the logger `django.db.backends.slow`."""

{imports}

# Django itself logs queries only where DEBUG is on. The settings call `watch`,
# so that the connections of requests, commands and background jobs are seen
# alike. Parameters are not logged: they may hold personal data.
LONGEST_SQL = 2000


{limit}
    # Read late: settings may load variables from a file first.
    return {reading}


{time_query}
    start = time.monotonic()
    try:
        return execute(sql, params, many, context)
    finally:  # also where the query fails, for instance by a time limit
        seconds = time.monotonic() - start
        if seconds >= _limit():
            # Asked for late: a logger that exists before LOGGING takes effect
            # may be switched off by it.
            logging.getLogger("django.db.backends.slow").warning(
                "slow query (%.3f s, %s): %s",
                seconds,
                context["connection"].alias,
                str(sql)[:LONGEST_SQL],
            )


{connected}
    # The signal comes with every new connection of the same wrapper, not once.
    if _time_query not in connection.execute_wrappers:
        connection.execute_wrappers.append(_time_query)


{watch}
    """Time the queries of every connection that is made from now on."""
    connection_created.connect(_connected, dispatch_uid="slow_queries")
'''
UNTYPED = {
    "{limit}": "def _limit():",
    "{time_query}": "def _time_query(execute, sql, params, many, context):",
    "{connected}": "def _connected(connection, **_kwargs):",
    "{watch}": "def watch():",
}
TYPED = {
    "{limit}": "def _limit() -> float:",
    "{time_query}": """\
def _time_query(
    execute: Callable[..., object],
    sql: object,
    params: object,
    many: object,
    context: dict[str, Any],
) -> object:""",
    "{connected}": "def _connected(connection: BaseDatabaseWrapper, **_kwargs: object) -> None:",
    "{watch}": "def watch() -> None:",
}


class Options(RuleOptions):
    seconds: float = option(0.5, "how long a query takes before it is logged")


def check(
    django: DjangoProject, servers: DatabaseServers, log: QueryLog, styles: PythonStyles, options: Options
) -> Iterator[Finding]:
    if log.by:
        return
    for project in django.projects:
        if project.manage_py and not project.is_aside and _has_postgres(project, servers):
            yield from _check(project, log, styles, options)


def _check(project: DjangoProject, log: QueryLog, styles: PythonStyles, options: Options) -> Iterator[Finding]:
    chain = _of_production(project)
    speaking = [settings for settings in chain if settings.document.assignments.get("LOGGING")]
    home = speaking[-1] if speaking else _home(chain)
    module = home.document
    value = module.assignments["LOGGING"][-1] if speaking else None
    folder = module.path.rpartition("/")[0]
    path = f"{folder}/slow_queries.py" if folder else "slow_queries.py"
    name = project.module_name(path)
    message = "slow queries leave no trace in production: Django logs queries only where DEBUG is on"
    span = module.span(value) if value is not None else _start(module)
    if path in log.taken or not name:
        reason = f"{path} exists and does something else" if name else f"{path} cannot be imported by name"
        yield Finding(module.path, span, message, Blocked(reason, "log slow queries there, by an execute wrapper"))
        return
    style = styles.of(path)
    calling = _called(module, path, name, styles.of(module.path), chain)
    if isinstance(calling, Blocked):
        yield Finding(module.path, span, message, calling)
        return
    code, importing = calling
    source = licence_header(module.source.text) + _module(chain, style, str(options.seconds))
    parts: list[Parts | NewFile] = [NewFile(path, module.in_its_quotes(source))]
    todo: list[str] = []
    effects = [f"{path}: logs queries that take longer than {options.seconds} s, or than SLOW_QUERY_SECONDS"]
    if not speaking and not _may_be_elsewhere(home, chain, project):
        code = f"{_new_logging(module)}\n\n{code}"
        effects.append("LOGGING: warnings of django.db.backends go to the console")
    else:
        edits = _heard(module, value, styles.of(module.path).width)
        if edits is None:
            todo.append("see that warnings of the logger django.db.backends.slow reach a handler in production")
        elif edits:
            parts.append(edits)
            effects.append("LOGGING: these warnings go to a handler that works in production")
    parts += [importing, module.append_code(code)]
    cure = Fix.of("log slow queries", *parts, tier=Tier.REVIEW, effects=effects, todo=todo)
    yield Finding(module.path, span, message, cure)


def _of_production(project: DjangoProject) -> tuple[SettingsModule, ...]:
    """Without what is for development or tests where only a condition takes it over."""
    chain = project.chain(project.production_path)
    conditional = frozenset[str]().union(*(each.conditional for each in chain))
    return tuple(each for each in chain if each.role in ("shared", "production") or each.path not in conditional)


def _module(chain: tuple[SettingsModule, ...], style: Style, seconds: str) -> str:
    """The new module; decouple reads variables from a file, too, which os.environ does not see."""
    by_decouple = any(origin.startswith("decouple.") for each in chain for origin in each.document.imported.values())
    standard = ["import logging", "import time"] if by_decouple else ["import logging", "import os", "import time"]
    others = ["from django.db.backends.signals import connection_created"]
    reading = f'float(os.environ.get("SLOW_QUERY_SECONDS") or "{seconds}")'
    if style.is_typed:
        standard += ["from collections.abc import Callable", "from typing import Any"]
        others.insert(0, "from django.db.backends.base.base import BaseDatabaseWrapper")
    if by_decouple:
        others.insert(0, "from decouple import config")
        reading = f'float(config("SLOW_QUERY_SECONDS", default="") or "{seconds}")'
    imports = "\n".join([*standard, "", *others]) + "\n" * (style.blank_lines_after_imports - 1)
    source = MODULE.replace("{imports}", imports).replace("{reading}", reading)
    for place, head in (TYPED if style.is_typed else UNTYPED).items():
        source = source.replace(place, head)
    return source


def _called(
    module: PythonModule, path: str, name: str, style: Style, chain: tuple[SettingsModule, ...]
) -> tuple[str, Parts] | Blocked:
    """The code at the end of the settings, and the import at their top where it can stand there."""
    package = name.rpartition(".")[0]
    # What is run within another module has the package of that one.
    is_included = module is not chain[-1].document and any("split_settings" in e.document.source.text for e in chain)
    relative = not is_included and not style.bans_relative
    other = _spelled_otherwise(chain, package) if package and not relative else ""
    if other:
        return Blocked(
            f"{package} is imported as {other}, too, and which of the two production can import is not seen",
            "import it by one name everywhere",
        )
    importing = module.add_sibling(
        package,
        "slow_queries",
        relative=relative,
        known=style.takes_for_own(path.removesuffix(f"{name.replace('.', '/')}.py").rstrip("/")),
        alone=style.is_single_line,
        last=not style.has_below_local,
    )
    if importing is not None:
        return "slow_queries.watch()", importing
    absolute = f"from {package} import slow_queries" if package else "import slow_queries"
    noqa = style.noqa("E402")
    blank = "\n" * style.blank_lines_after_imports
    return f"{absolute}{noqa}\n{blank}slow_queries.watch()", ()


def _spelled_otherwise(chain: tuple[SettingsModule, ...], package: str) -> str:
    """Another name by which the settings import the same package, from a folder above."""
    origins = (origin for each in chain for origin in each.document.imported.values())
    found = next((f".{origin}." for origin in origins if f".{package}." in f".{origin}."[1:]), "")
    return f"{found.partition(f'.{package}.')[0]}.{package}".strip(".") if found else ""


def _home(chain: tuple[SettingsModule, ...]) -> SettingsModule:
    """Where the project says most about its databases and applications, unless that is about databases alone: then
    the module that takes it over."""
    for settings in chain:
        if settings.databases and settings.role in ("shared", "production"):
            return settings if settings.document.assignments.keys() & _GENERAL else chain[-1]
    return chain[-1]


def _start(module: PythonModule) -> Span:
    places = module.assignments.get("DATABASES") or module.assignments.get("INSTALLED_APPS")
    return module.span(module.statement_of(places[-1])) if places else Span(0, 0)


def _has_postgres(project: DjangoProject, servers: DatabaseServers) -> bool:
    """Of all branches: which of them production takes is known only there."""
    databases = [each for settings in project.chain(project.production_path) for each in settings.databases]
    databases = [each for each in databases if each.vendor or not servers.is_another(project, each)]
    vendors = {database.vendor for database in databases if not database.in_class}
    return "postgresql" in vendors or ("" in vendors and bool(project.driver))


def _may_be_elsewhere(home: SettingsModule, chain: tuple[SettingsModule, ...], project: DjangoProject) -> bool:
    """Whether LOGGING may come from where it is not seen: a class, code, a module that is not in the repository, or
    one that is put together with these at run time."""
    in_class = any(database.in_class for database in home.databases)
    speaking = (each for each in project.modules.values() if each not in chain)
    others = (each for each in speaking if "LOGGING" in each.document.assignments)
    if any(each.role in ("shared", "production") or _is_started(each.path, project) for each in others):
        return True
    if any(_hands_over_all(each.document) or _sets_up_logging(each.document) for each in chain):
        return True
    if any("LOGGING" in each.document.imported for each in chain):
        return True
    return in_class or _configured_by_code(chain) or any(each.takes_unseen for each in chain)


def _is_started(path: str, project: DjangoProject) -> bool:
    """Whether these settings are those that run, whatever their name says."""
    return path == project.settings_path or project.is_served(path)


def _hands_over_all(module: PythonModule) -> bool:
    """Whether something is given all settings to change: `django_heroku.settings(locals())`."""
    calls = (node for each in module.top_level() for node in ast.walk(each) if isinstance(node, ast.Call))
    return any(isinstance(call.func, ast.Name) and call.func.id in ("locals", "globals", "vars") for call in calls)


def _sets_up_logging(module: PythonModule) -> bool:
    """Whether the settings call what sets up logging by itself: `configure_logging()`, `logging.config.dictConfig`."""
    statements = (each for each in module.top_level() if isinstance(each, ast.Expr))
    calls = (dotted(each.value.func).lower() for each in statements if isinstance(each.value, ast.Call))
    return any("log" in called and any(word in called for word in _SETTING_UP) for called in calls)


def _configured_by_code(chain: tuple[SettingsModule, ...]) -> bool:
    """Whether LOGGING_CONFIG is set: then LOGGING may mean nothing, or something else."""
    return any("LOGGING_CONFIG" in settings.document.assignments for settings in chain)


def _new_logging(module: PythonModule) -> str:
    value: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "loggers": {LOGGER: _entry("console")},
    }
    return f"# Slow queries, which slow_queries.py logs below this logger.\nLOGGING = {module.literal(value)}"


def _entry(handler: str) -> dict[str, Any]:
    return {"handlers": [handler], "level": "WARNING", "propagate": False}


# -- an existing LOGGING ------------------------------------------------------------------------------------------


def _heard(module: PythonModule, value: ast.expr | None, width: int) -> Parts | None:
    """What LOGGING needs so that a warning is heard; nothing where it is, None where that cannot be told."""
    if value is None or module.statement_of(value) not in module.tree.body:
        return None  # under a condition, production may have another
    logging = resolve(module, value)
    if not isinstance(logging, ast.Dict) or has_spread(logging):
        return None
    handlers, loggers = item(logging, "handlers"), item(logging, "loggers")
    for part in (handlers, loggers):
        if part is not None and (not isinstance(part, ast.Dict) or has_spread(part)):
            return None
    working = _working(handlers, module.path)
    if _is_heard(logging, loggers, handlers, working):
        return ()
    name, new = _handler(handlers, working, _used_above(logging, loggers))
    logger = LOGGER if item(loggers, LOGGER) is None else CHILD
    edits: list[Parts] = []
    if new and isinstance(handlers, ast.Dict):
        edits.append(module.edit_dict(handlers, add=new, width=width))
    add: dict[str, Any] = {"handlers": new} if new and handlers is None else {}
    if isinstance(loggers, ast.Dict):
        edits.append(module.edit_dict(loggers, add={logger: _entry(name)}, width=width))
    else:
        add["loggers"] = {logger: _entry(name)}
    if add:
        edits.append(module.edit_dict(logging, add=add, width=width))
    return joined(edits)


def _is_heard(logging: ast.Dict, loggers: ast.expr | None, handlers: ast.expr | None, working: list[str]) -> bool:
    """Whether a warning reaches a handler that shows it, and none that would send a mail while somebody waits."""
    heard = False
    level: ast.expr | None = None
    for name in (*ABOVE, ""):
        entry = item(loggers, name) if name else _root(logging, loggers)
        if entry is None:
            continue
        level = level or item(entry, "level")
        given = item(entry, "handlers")
        chosen = given is not None and not isinstance(given, ast.List | ast.Tuple)  # by the environment, say
        if any(_mails(item(handlers, each)) for each in _names(given)):
            return False
        heard = heard or chosen or any(each in working for each in _names(given))
        if constant(item(entry, "propagate")) in (False, 0):
            break
    return heard and _is_low_enough(level)


def _is_low_enough(level: ast.expr | None) -> bool:
    """A level that is read from the environment counts as one: somebody chose it."""
    if level is None or constant(level) is ...:
        return True
    given = constant(level)
    return (LEVELS.get(str(given).upper(), 0) if not isinstance(given, int) else given) <= LEVELS["WARNING"]


def _working(handlers: ast.expr | None, path: str) -> list[str]:
    """Handlers that show a warning in production; one of the project's own may write it into the very database."""
    own = tuple(f"{folder}." for folder in path.split("/")[:-1])
    found = []
    for name, value in zip(handlers.keys, handlers.values, strict=True) if isinstance(handlers, ast.Dict) else ():
        written = ast.unparse(value)
        debug_only = "require_debug_true" in written or "RequireDebugTrue" in written
        of_project = text(item(value, "class")).startswith(own)
        shows = not debug_only and not SILENT.search(written) and not of_project
        if text(name) and shows and _is_low_enough(item(value, "level")):
            found.append(text(name))
    return found


def _root(logging: ast.Dict, loggers: ast.expr | None) -> ast.expr | None:
    """The root logger, which from Python 3.9 on may also be called by its name: https://bugs.python.org/issue37742."""
    return item(logging, "root") or item(loggers, "") or item(loggers, "root")


def _used_above(logging: ast.Dict, loggers: ast.expr | None) -> list[str]:
    """The handlers of the loggers above, the nearest first: where the project expects such messages."""
    entries = [*(item(loggers, name) for name in ABOVE), _root(logging, loggers)]
    return [name for entry in entries for name in _names(item(entry, "handlers"))]


def _handler(handlers: ast.expr | None, working: list[str], used: list[str]) -> tuple[str, dict[str, Any]]:
    """A handler that works, with what must be added for it."""
    usual = ("console", "stdout", "stderr", "stream", "default")
    among = [name for name in used if name in working]
    best = next((name for name in (*(each for each in usual if each in among), *among, *usual) if name in working), "")
    if best or working:
        return best or working[0], {}
    new = {"class": "logging.StreamHandler"}
    if item(handlers, "console") is None:
        return "console", {"console": new}
    return "slow_queries", {"slow_queries": {**new, "level": "WARNING"}}  # the other shows what DEBUG adds


def _mails(handler: ast.expr | None) -> bool:
    """Whether a handler sends warnings by mail."""
    return (
        handler is not None and "AdminEmailHandler" in ast.unparse(handler) and _is_low_enough(item(handler, "level"))
    )


def _names(node: ast.expr | None) -> list[str]:
    return [text(each) for each in node.elts] if isinstance(node, ast.List | ast.Tuple) else []


def _runs_with_postgres(django: DjangoProject, servers: DatabaseServers) -> bool:
    ours = [project for project in django.projects if project.manage_py and not project.is_aside]
    return any(_has_postgres(project, servers) for project in ours)


RULE = Rule(
    __name__,
    "Slow queries leave no trace in production",
    check,
    audit=("D-012.2",),
    criterion="Slow queries leave a trace in production",
    hours=(1, 1),
    level=Level.NOTE,
    applies=_runs_with_postgres,
)
