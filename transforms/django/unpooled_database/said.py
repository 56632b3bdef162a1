"""What a project says about a database already: where it is defined, and further down."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any, Self

from fixer.django.project import DjangoProject
from fixer.django.settings import Database, Later, environment_reads, own_dict, resolve
from fixer.languages.python import PythonModule, constant, dotted, has_spread, item, key
from fixer.records import record

KEYS = ("CONN_MAX_AGE", "CONN_HEALTH_CHECKS", "sslmode", "connect_timeout", "pool")


@record
class Age:
    """One place that says how long a connection is kept."""

    module: PythonModule
    value: ast.expr
    at: str


@record
class Said:
    """What is said about a database where it is defined, and further down.

    `handled` are the keys that anything names further down, or that a helper or an unseen dict is given. `ages` are
    the values of CONN_MAX_AGE in the order in which they take effect. `options` are the OPTIONS that count, in
    `options_in`; None where there are none; `knows_options` is false where they cannot be seen.
    """

    database: Database
    handled: frozenset[str]
    ages: tuple[Age, ...]
    options: ast.Dict | None
    options_in: PythonModule
    knows_options: bool

    @classmethod
    def of(cls, project: DjangoProject, database: Database) -> Self:
        later = project.later_of(database)
        module, options, known = _options(database, later)
        return cls(database, _handled(later) | named(database), tuple(_ages(database, later)), options, module, known)

    @property
    def at(self) -> str:
        return f"DATABASES.{self.database.alias}"

    @property
    def says_age(self) -> bool:
        return bool(self.ages) or "CONN_MAX_AGE" in self.handled

    @property
    def beside(self) -> int | None:
        """What the module says as CONN_MAX_AGE beside DATABASES, where no Django reads it, though it was meant."""
        given = self.database.module.assignments.get("CONN_MAX_AGE", ())
        value = constant(given[0]) if len(given) == 1 else None
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def names(self, name: str) -> bool:
        return key(self.database.node, name) is not None or name in self.handled

    def names_option(self, name: str) -> bool:
        return key(self.options, name) is not None or name in self.handled


def number(age: Age) -> tuple[Any, ast.expr | None]:
    """The number that a value of CONN_MAX_AGE has, or has by default, with its node; None for both where none is."""
    value = resolve(age.module, age.value)  # `CONN_MAX_AGE = env.int("CONN_MAX_AGE", 600)`, by its name
    given = constant(value)
    if given is not ... and not isinstance(given, bool):
        return (0 if given in (0, "0") else given), value
    numbers = [
        node
        for node in ast.walk(value)
        if isinstance(node, ast.Constant)
        and not isinstance(node.value, bool)
        and (isinstance(node.value, int) or (isinstance(node.value, str) and node.value.isdigit()))
    ]
    if len(numbers) != 1:
        read = next(environment_reads(age.module, value), None)
        return (0 if read is not None and not numbers else None), None  # a variable alone: somebody chose it
    only = numbers[0].value
    return (0 if only in (0, "0") else only), numbers[0]


def _ages(database: Database, later: Sequence[Later]) -> list[Age]:
    """Everything that sets CONN_MAX_AGE where it can be seen, in order."""
    found = list(_ages_in(database.module, database.node, database.path))
    replacing = replacing_update(later)
    for change in later:
        if change is replacing:
            found = []  # what makes a database from a URL sets 0 unless it is told otherwise
        if change.keys == ("CONN_MAX_AGE",) and change.how == "set" and change.value is not None:
            found.append(Age(change.module, change.value, f"{change.module.path}:{change.statement.lineno}"))
        elif not change.keys and change.how == "update" and change.value is not None:
            found += _ages_in(change.module, change.value, change.module.path)
    return found


def replacing_update(later: Sequence[Later]) -> Later | None:
    """The last `update` with a dict that something else makes: what it holds wins over the definition."""
    made = [each for each in later if not each.keys and each.how == "update" and _is_made(each)]
    return made[-1] if made else None


def _is_made(change: Later) -> bool:
    return change.value is not None and not isinstance(resolve(change.module, change.value), ast.Dict)


def _ages_in(module: PythonModule, node: ast.expr, path: str) -> Iterator[Age]:
    found = resolve(module, node)
    value = item(found, "CONN_MAX_AGE")
    if value is not None:
        yield Age(module, value, f"{path}:{module.line_of(value)}")
        return
    calls = [found] if isinstance(found, ast.Call) else []
    if isinstance(found, ast.Dict) and has_spread(found):
        spread = (resolve(module, v) for k, v in zip(found.keys, found.values, strict=True) if k is None)
        calls = [each for each in spread if isinstance(each, ast.Call)]
    for call in calls:
        for keyword in call.keywords:
            if keyword.arg in ("conn_max_age", "CONN_MAX_AGE"):
                yield Age(module, keyword.value, f"{path}:{module.line_of(keyword.value)}")


def named(database: Database) -> frozenset[str]:
    """The keys that the call or a dict that is not a plain literal names itself."""
    if database.shape == "literal":
        return frozenset()
    return frozenset(_said_in(_written(database)))


def _written(database: Database) -> str:
    """The text of the value, and of all statements about a name that stands for it or for its OPTIONS."""
    module = database.module
    names = {each.id for each in (database.node, database.options) if isinstance(each, ast.Name)}
    about: list[ast.stmt] = []
    plain = (each for each in module.top_level() if not hasattr(each, "body")) if names else ()
    for statement in reversed([*plain]):
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
        for node in _about_existing(change):
            found |= _said_in(ast.unparse(node))
        if isinstance(change.value, ast.Name):
            found |= _said_in(ast.unparse(resolve(change.module, change.value)))
    return frozenset(found - {"OPTIONS"})


def _about_existing(change: Later) -> Iterator[ast.AST]:
    """The statement, without what makes further databases of computed names: that says nothing about this one."""
    if change.alias != "*":
        yield change.statement
        return
    todo: list[ast.AST] = [change.statement]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Assign) and all(map(_is_alias, node.targets)) and not _names_databases(node.value):
            continue
        inner = [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)]
        if inner:
            todo += ast.iter_child_nodes(node)
        else:
            yield node


def _names_databases(value: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "DATABASES" for node in ast.walk(value))


def _is_alias(target: ast.expr) -> bool:
    return isinstance(target, ast.Subscript) and dotted(target.value) == "DATABASES"


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
