"""The limit for statements, in what the server starts."""

from collections.abc import Iterator, Sequence

from fixer.django.app_server import Applications
from fixer.django.settings import Database
from fixer.languages.python import PythonModule
from fixer.model import Blocked, Finding, Fix, Tier
from transforms.django.unpooled_database.cell import Cell
from transforms.django.unpooled_database.options import STATEMENT_TIMEOUT_MS

LIMIT = """\
def _limit_statements({parameters}:
{step}# Of requests alone: what manage.py and workers run may take longer.
{step}if connection.vendor == {postgresql}:
{step}{step}with connection.cursor() as cursor:
{step}{step}{step}cursor.execute({statement})


connection_created.connect(_limit_statements)
"""
SET = "SET statement_timeout = '{}'"
PARAMETERS = "connection, **_kwargs)"
TYPED = "connection: BaseDatabaseWrapper, **_kwargs: object) -> None"


def statement_limit(applications: Applications, databases: Sequence[Database], cell: Cell) -> Iterator[Finding]:
    """In what the server starts, once a connection is made: not for manage.py, nor for workers."""
    if cell.servers.limited_by or cell.cannot_start:
        return
    milliseconds = cell.statement_timeout_ms
    if not milliseconds:
        return
    limit = f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"
    todo = ["see that no view needs longer, an export, say"]
    if not any(cell.servers.is_known(cell.project, database) for database in databases):
        todo.append(f"behind a pooler by transaction, limit the role instead: ALTER ROLE … {SET.format(limit)}")
    pooler = next(filter(None, (cell.servers.pooler_of(cell.project, database) for database in databases)), "")
    for module in applications.of(cell.project, cell.interface):
        if "statement_timeout" in module.source.text:
            continue
        message = "a request may wait for ever for a statement of PostgreSQL"
        span = module.span(module.tree.body[-1])
        if pooler:
            reason = f"connections may go through a pooler ({pooler}), whose sessions others use, too"
            advice = f"limit the role that the application signs in with: ALTER ROLE … {SET.format(limit)}"
            yield Finding(module.path, span, message, Blocked(reason, advice))
            continue
        if unknown := cell.times_out_by:
            reason = f"{unknown} says only at run time how long a request may take"
            line = f"rules.unpooled-database.statement-timeout-ms = {STATEMENT_TIMEOUT_MS * 2}"
            yield Finding(module.path, span, message, Blocked(reason, "say how long a statement may take", line))
            continue
        style = cell.styles.of(module.path)
        is_typed, first = style.is_typed, style.django_first
        code = LIMIT.format(
            parameters=TYPED if is_typed else PARAMETERS,
            step=module.indentation,
            postgresql=module.quoted("postgresql"),
            statement=_in_quotes(module, SET.format(limit)),
        )
        fix = Fix.of(
            f"cancel a statement of a request after {limit}",
            module.add_import_from("django.db.backends.base.base", "BaseDatabaseWrapper", first=first)
            if is_typed
            else (),
            module.add_import_from("django.db.backends.signals", "connection_created", first=first),
            module.append_code(code, blank_lines=2),
            tier=Tier.REVIEW,
            effects=(f"{module.path}: PostgreSQL cancels a statement of a request after {limit}",),
            todo=todo,
        )
        yield Finding(module.path, span, message, fix)


def _in_quotes(module: PythonModule, value: str) -> str:
    return f'"{value}"' if "'" in value else module.quoted(value)
