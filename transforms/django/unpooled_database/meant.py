"""Which databases are those of production, and of PostgreSQL."""

import ast
import re
from collections.abc import Sequence

from fixer.django.settings import OWN_POOL, Database, resolve, vendor_of
from fixer.languages.python import constant, item
from transforms.django.unpooled_database.cell import Cell

ASIDE = re.compile(
    r"(?<![^\W_])(tests?|testing|pytest|ci|github\w*|debug|local|dev|development)(?![^\W_])"
    r"|TEST|GITHUB|CIRCLECI|TRAVIS|JENKINS",
    re.I,
)


def is_for_production(database: Database) -> bool:
    written = ast.unparse(resolve(database.module, database.node))
    if ASIDE.search(database.alias) or OWN_POOL.search(database.engine) or OWN_POOL.search(written):
        return False
    said = [guard for guard in database.guards if not guard.startswith("not ") and "!=" not in guard]
    return not any(ASIDE.search(guard) for guard in said)


def is_replaced(database: Database, others: Sequence[Database]) -> bool:
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


def may_be_postgres(cell: Cell, database: Database) -> bool:
    """PostgreSQL by its engine, or by what is known at run time: a URL, an engine from outside."""
    if cell.servers.is_another(cell.project, database):
        return False
    if database.vendor or (database.shape == "literal" and database.engine):
        return database.vendor == "postgresql"
    if database.shape == "literal":
        return item(database.node, "ENGINE") is not None and bool(cell.project.driver)
    if vendor_of(ast.unparse(resolve(database.module, database.node))) == "postgresql":
        return True
    # A URL alone may lead anywhere: the driver that is installed tells to what.
    return ("URL" in database.reads or database.shape == "url") and bool(cell.project.driver)
