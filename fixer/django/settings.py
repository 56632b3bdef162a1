"""Settings modules as they stand: the databases that they define, what feeds them, and what happens to them later."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from fixer.languages.python import PythonModule, constant, dotted, has_spread, item, text
from fixer.model import FileError
from fixer.records import entity, record

if TYPE_CHECKING:
    from fixer.repository import Repository

Vendor = Literal["postgresql", "mysql", "sqlite", "oracle", "other", ""]
Role = Literal["test", "development", "production", "shared"]

ENGINES: Mapping[str, Vendor] = {
    "django.db.backends.postgresql": "postgresql",
    "django.db.backends.postgresql_psycopg2": "postgresql",
    "django.contrib.gis.db.backends.postgis": "postgresql",
    "django_prometheus.db.backends.postgresql": "postgresql",
    "django_prometheus.db.backends.postgis": "postgresql",
    "django_tenants.postgresql_backend": "postgresql",
    "tenant_schemas.postgresql_backend": "postgresql",
    "psqlextra.backend": "postgresql",
    "django.db.backends.mysql": "mysql",
    "django.contrib.gis.db.backends.mysql": "mysql",
    "django_prometheus.db.backends.mysql": "mysql",
    "mysql.connector.django": "mysql",
    "django.db.backends.sqlite3": "sqlite",
    "django.contrib.gis.db.backends.spatialite": "sqlite",
    "django_prometheus.db.backends.sqlite3": "sqlite",
    "django.db.backends.oracle": "oracle",
}
"""Vendor of the backends that are in use; other names are judged by their words."""

OWN_POOL = re.compile(r"geventpool|conn_pool|postgrespool|db_pool|django_psycopg2_pool", re.IGNORECASE)
"""Backends that bring a pool of their own, with settings of their own."""

_TEST = re.compile(
    r"(^|[_./-])(tests?|testing|ci|pytest|e2e|github|circle|circleci|travis|jenkins|codeship)([_./-]|$)", re.IGNORECASE
)
_DEVELOPMENT = re.compile(
    r"(^|[_./-])(dev|devel|develop|development|local|debug|docker_?local|sandbox|example|sample|dist|template|docs"
    r"|sphinx|rtd|readthedocs)([_./-]|$)",
    re.IGNORECASE,
)
_PRODUCTION = re.compile(r"(^|[_./-])(prod|production|live|deploy|staging|stage|heroku|aws|azure)([_./-]|$)", re.I)
_SAYS_SETTINGS = re.compile(r"\b(DATABASES|INSTALLED_APPS|LOGGING|CACHES|SECRET_KEY|ROOT_URLCONF|DEBUG|MIDDLEWARE)\b")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*[A-Z0-9]$")
_READERS = re.compile(
    r"^(?:os\.)?(?:getenv|environ\.get|environ\.setdefault)$"
    r"|^(?:\w*env\w*|ENV|config|decouple\.config|environ)(?:\.\w+)?$"
    r"|(?:^|\.)(?:get_?env\w*|env_?var\w*|get_secret|get_config|getenv\w*|env_\w+|from_env\w*)$",
    re.IGNORECASE,
)
_URL_CALLS = re.compile(
    r"(^|\.)(dj_database_url|database_url|db_url|dburl)(\.(config|parse|parse_url))?$"
    r"|^\w*env\w*\.(db|db_url|dj_db_url|database_url)$|^values\.DatabaseURLValue$",
    re.IGNORECASE,
)


@record
class EnvRead:
    """A variable that settings read from the environment.

    `default` is its text where it is a literal; `required`: without the variable the settings cannot be imported.
    `reader` is the function, or mapping, that reads it, as the module spells it.
    """

    name: str
    default: str | None
    required: bool
    path: str
    line: int
    reader: str


@entity
class Later:
    """What is done to a database after it was defined: `DATABASES["default"]["OPTIONS"] = …` and the like.

    `keys` is the way below the alias (empty for the whole database), `how` the operation; `value` is what is
    assigned, or given to `update`.
    """

    alias: str
    keys: tuple[str, ...]
    how: Literal["set", "update", "remove", "other"]
    value: ast.expr | None
    statement: ast.stmt
    module: PythonModule
    guards: tuple[str, ...]


@entity
class Database:
    """One alias of DATABASES, as one statement of one settings module gives it.

    `shape`: a dict literal; made from a URL at run time (`dj_database_url`, `env.db()`); or opaque, for which
    `reason` says why. `node` is the value, `engine` its literal ENGINE or an empty string. `guards` are the
    conditions that the statement stands in. `reads` tells which variable feeds which key (`OPTIONS.sslmode` for
    one within OPTIONS, `URL` for a URL), `values` the keys that are literal strings.
    """

    alias: str
    shape: Literal["literal", "url", "opaque"]
    node: ast.expr
    statement: ast.stmt
    module: PythonModule
    engine: str = ""
    reason: str = ""
    guards: tuple[str, ...] = ()
    in_class: bool = False
    reads: Mapping[str, EnvRead] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def vendor(self) -> Vendor:
        return vendor_of(self.engine) or ("sqlite" if self._has_options_of_sqlite else "")

    @property
    def _has_options_of_sqlite(self) -> bool:
        """Whether OPTIONS holds what no other backend takes.
        https://docs.djangoproject.com/en/stable/ref/databases/#sqlite-notes"""
        options = self.options
        return any(item(options, name) is not None for name in ("transaction_mode", "timeout", "check_same_thread"))

    @property
    def path(self) -> str:
        return self.module.path

    @property
    def options(self) -> ast.expr | None:
        """The value of OPTIONS in the literal."""
        return item(self.node, "OPTIONS")


@record
class Cache:
    """One alias of CACHES. `location` is a literal or the default of what is read."""

    alias: str
    backend: str
    location: str
    reads: tuple[EnvRead, ...]

    @property
    def is_redis(self) -> bool:
        return "redis" in self.backend.lower() or self.location.startswith(("redis://", "rediss://"))


@entity
class SettingsModule:
    """One settings module as it stands: what it takes over from others, in order, and what it says itself.

    `conditional` are those of its `imports` that stand below an `if`. `takes_unseen`: it also takes over a module that
    is not in the repository, such as local settings, or runs what it reads from a file.
    `imports` are all that it takes over, `bases` those that it begins with, under no condition.
    """

    document: PythonModule
    imports: tuple[str, ...]
    conditional: frozenset[str]
    bases: tuple[str, ...]
    databases: tuple[Database, ...]
    later: tuple[Later, ...]
    opaque: str
    role: Role
    takes_unseen: bool = False

    @property
    def path(self) -> str:
        return self.document.path


def vendor_of(engine: str) -> Vendor:
    """The vendor of an ENGINE; empty where the name does not tell."""
    if engine in ENGINES:
        return ENGINES[engine]
    if not engine:
        return ""
    name = engine.lower()
    if "postgres" in name or "postgis" in name:
        return "postgresql"
    if "mysql" in name or "mariadb" in name:
        return "mysql"
    return "sqlite" if "sqlite" in name or "spatialite" in name else "other"


def role_of(path: str) -> Role:
    """What a settings module is for, by its name."""
    parts = path.removesuffix(".py").split("/")
    name = parts[-2] if parts[-1] == "__init__" and len(parts) > 1 else parts[-1]
    inner = parts[parts.index("settings") + 1 :] if "settings" in parts else [name]
    words = "/".join(inner) or name
    if len(parts) > 1 and parts[-2] in ("test", "tests"):
        return "test"
    if parts[-1] == "settings" and {"dev", "development"} & {*parts[:-1]}:
        return "development"
    if _TEST.search(words):
        return "test"
    if _DEVELOPMENT.search(words):
        return "development"
    return "production" if _PRODUCTION.search(words) else "shared"


def environment_reads(module: PythonModule, node: ast.AST, depth: int = 4) -> Iterator[EnvRead]:
    """The variables that an expression takes from the environment, also through names that are assigned once."""
    for child in ast.walk(node):
        read = _read(module, child)
        if read is not None:
            yield read
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load) and depth:
            values = module.assignments.get(child.id, [])
            if len(values) == 1 and child not in ast.walk(values[0]):
                yield from environment_reads(module, values[0], depth - 1)


def resolve(module: PythonModule, node: ast.expr) -> ast.expr:
    """The value of a name that is assigned once in its module, else the node itself."""
    for _ in range(4):
        values = module.assignments.get(node.id, []) if isinstance(node, ast.Name) else []
        if len(values) != 1:
            break
        node = values[0]
    return node


def own_dict(module: PythonModule, node: ast.expr | None) -> ast.Dict | None:
    """The dict display that a value is, or that a name stands for which is used for nothing else.

    None for anything else, and for a display that takes in another by `**`.
    """
    found = resolve(module, node) if node is not None else None
    if not isinstance(found, ast.Dict) or has_spread(found):
        return None
    return found if found is node or (node is not None and _uses(module, node) == 1) else None


# -- reading one module -------------------------------------------------------------------------------------------


class SettingsReader:
    """Reads settings modules below one import root."""

    def __init__(self, repository: Repository, root: str) -> None:
        self.repository = repository
        self.root = root

    def read(self, path: str) -> SettingsModule | None:
        try:
            document = self.repository.document(path)
        except FileError:
            return None
        if not isinstance(document, PythonModule):
            return None
        scan = _Scan(document)
        scan.body(document.tree.body, ())
        if not _SAYS_SETTINGS.search(document.source.text) and not scan.imports and not scan.included:
            return None
        imports = [other for name in scan.imports if (other := self._imported(path, name))]
        bases = [self._imported(path, name) for name in scan.bases]
        for pattern in scan.included:
            imports += self.repository.glob(joined(folder_of(path), pattern))
        return SettingsModule(
            document,
            tuple(dict.fromkeys(i for i in imports if i != path)),
            frozenset(self._imported(path, name) for name in scan.conditional),
            tuple(i for i in bases if i != path),
            _surviving(scan.databases),
            tuple(scan.later),
            scan.opaque,
            role_of(path),
            self._takes_unseen(path, scan),
        )

    def _takes_unseen(self, path: str, scan: _Scan) -> bool:
        """Whether a module takes over what is not in the repository, or runs code that is not known."""
        missing = [name for name in scan.imports if not self._imported(path, name)]
        missing += [name for name in scan.included if not self.repository.glob(joined(folder_of(path), name))]
        return scan.executes or bool(missing)

    def path_of(self, name: str, near: str = "") -> str:
        """The file of a dotted module name, or an empty string."""
        tail = name.replace(".", "/")
        folders = import_folders(self.root)
        at = near
        while at:
            folders.append(at)
            at = folder_of(at)
        for folder in (*folders, ""):
            # Python takes the package where there are both.
            for candidate in (joined(folder, f"{tail}/__init__.py"), joined(folder, f"{tail}.py")):
                if self.repository.exists(candidate):
                    return candidate
        return ""

    def function(self, module: PythonModule, name: str) -> ast.FunctionDef | None:
        """The function that a module calls by this name: its own, or one that it imports from the project."""
        document = self.home_of(module, name)
        own = module.imported.get(name, "").rpartition(".")[2] or name
        statements = document.tree.body if document is not None else []
        return next((each for each in statements if isinstance(each, ast.FunctionDef) and each.name == own), None)

    def home_of(self, module: PythonModule, name: str) -> PythonModule | None:
        """The module of the project that a name comes from: this one, or the one that it is imported from."""
        origin = module.imported.get(name, "")
        path = self._imported(module.path, origin.rpartition(".")[0] or ".") if origin else module.path
        try:
            document = self.repository.document(path) if path else None
        except FileError:
            return None
        return document if isinstance(document, PythonModule) else None

    def _imported(self, path: str, name: str) -> str:
        if not name.startswith("."):
            return self.path_of(name, folder_of(path))
        level = len(name) - len(name.lstrip("."))
        folder = folder_of(path)
        for _ in range(level - 1):
            folder = folder_of(folder)
        tail = joined(folder, name.lstrip(".").replace(".", "/")) if name.lstrip(".") else folder
        for candidate in (f"{tail}/__init__.py", f"{tail}.py"):
            if self.repository.exists(candidate):
                return candidate
        return ""


class _Scan:
    """One walk over the statements of a settings module."""

    def __init__(self, module: PythonModule) -> None:
        self.module = module
        self.imports: list[str] = []
        self.conditional: list[str] = []
        self.bases: list[str] = []
        self.begun = False
        self.included: list[str] = []
        self.databases: list[Database] = []
        self.later: list[Later] = []
        self.opaque = ""
        self.executes = "exec" in module.source.text and any(
            isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in ("exec", "execfile")
            for each in ast.walk(module.tree)
        )

    def body(self, statements: Iterable[ast.stmt], guards: tuple[str, ...], in_class: bool = False) -> None:
        for statement in statements:
            self.statement(statement, guards, in_class)

    def statement(self, statement: ast.stmt, guards: tuple[str, ...], in_class: bool) -> None:
        if isinstance(statement, ast.If):
            test = ast.unparse(statement.test)
            self.body(statement.body, (*guards, test), in_class)
            self.body(statement.orelse, (*guards, f"not ({test})"), in_class)
        elif isinstance(statement, ast.Try):
            self.body(statement.body, (*guards, "try"), in_class)
            for handler in statement.handlers:
                self.body(handler.body, (*guards, "except"), in_class)
            self.body(statement.orelse, (*guards, "try"), in_class)
            self.body(statement.finalbody, guards, in_class)
        elif isinstance(statement, ast.With):
            self.body(statement.body, guards, in_class)
        elif isinstance(statement, ast.ClassDef):
            self.body(statement.body, (*guards, f"class {statement.name}"), True)
        elif isinstance(statement, ast.For | ast.While):
            if _mentions_databases(statement):
                self.later.append(Later("*", (), "other", None, statement, self.module, guards))
        elif isinstance(statement, ast.ImportFrom):
            if any(alias.name in ("*", "DATABASES") for alias in statement.names):
                name = "." * statement.level + (statement.module or "")
                self.imports.append(name)
                if set(guards) - {"try"}:
                    self.conditional.append(name)
                self.bases += [] if guards or self.begun else [name]
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                self.assigned(target, statement.value, statement, guards, in_class)
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            self.assigned(statement.target, statement.value, statement, guards, in_class)
        elif isinstance(statement, ast.AugAssign):
            keys = self.keys(statement.target)
            if keys is not None:
                self.updated(keys, statement.value, statement, guards)
        elif isinstance(statement, ast.Delete):
            for target in statement.targets:
                keys = self.keys(target)
                if keys:
                    self.later.append(Later(keys[0], keys[1:], "remove", None, statement, self.module, guards))
        elif isinstance(statement, ast.Expr):
            self.called(statement.value, statement, guards)
        elif isinstance(statement, ast.FunctionDef) and statement.name == "DATABASES":
            self.opaque = "DATABASES is a function"

    def assigned(
        self, target: ast.expr, value: ast.expr, statement: ast.stmt, guards: tuple[str, ...], in_class: bool
    ) -> None:
        self.begun = True
        keys = self.keys(target)
        if keys is None:
            if isinstance(target, ast.Tuple | ast.List) and any(dotted(each) == "DATABASES" for each in target.elts):
                self.opaque = f"DATABASES is unpacked on line {statement.lineno}"
            return
        if not keys:
            self.whole(value, statement, guards, in_class)
        elif keys == ("*",):
            # Any alias may be meant, and what is said of it above no longer counts.
            self.later.append(Later("*", (), "other", None, statement, self.module, guards))
        elif len(keys) == 1:
            self.databases.append(self.database(keys[0], value, statement, guards, in_class))
        else:
            self.later.append(Later(keys[0], keys[1:], "set", value, statement, self.module, guards))

    def whole(self, value: ast.expr, statement: ast.stmt, guards: tuple[str, ...], in_class: bool) -> None:
        resolved = resolve(self.module, value)
        if not isinstance(resolved, ast.Dict):
            self.opaque = f"DATABASES is built at run time (line {statement.lineno})"
            return
        for key, each in zip(resolved.keys, resolved.values, strict=True):
            alias = self.alias(key) if key is not None else "*"
            if alias == "*":
                where = f"line {each.lineno}"
                self.opaque = f"an alias of DATABASES is computed ({where})"
            else:
                self.databases.append(self.database(alias, each, statement, guards, in_class))

    def keys(self, node: ast.AST) -> tuple[str, ...] | None:
        """The keys of `DATABASES["default"]["OPTIONS"]`; () for DATABASES itself, None for another target.

        A key that is computed is `*`.
        """
        if isinstance(node, ast.Name):
            return () if node.id == "DATABASES" else None
        if isinstance(node, ast.Subscript):
            inner = self.keys(node.value)
            return None if inner is None else (*inner, self.alias(node.slice))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            inner = self.keys(node.func.value) if node.func.attr in ("setdefault", "get") else None
            return None if inner is None or not node.args else (*inner, self.alias(node.args[0]))
        return None

    def alias(self, key: ast.expr) -> str:
        """The text of a key: a literal, or a name that stands for one; Django's own constant is "default"."""
        if dotted(key).rpartition(".")[2] == "DEFAULT_DB_ALIAS":
            return "default"
        return text(resolve(self.module, key)) or "*"

    def database(
        self, alias: str, value: ast.expr, statement: ast.stmt, guards: tuple[str, ...], in_class: bool
    ) -> Database:
        node = resolve(self.module, value)
        if node is not value and _uses(self.module, value) > 1:
            node = value
        reads: dict[str, EnvRead] = {}
        if isinstance(node, ast.Dict):
            reads = _whole_url(_reads_by_key(self.module, node))
            values = {key: text(each) for key, each in _literal_items(self.module, node) if text(each)}
            engine = text(resolve(self.module, found)) if (found := item(node, "ENGINE")) else ""
            spread = next((each for key, each in zip(node.keys, node.values, strict=True) if key is None), None)
            if spread is not None:
                engine = engine or self._engine_in(spread)
                url = _is_url(self.module, spread)
                read = _url_read(self.module, spread)
                reads |= {"URL": read} if read else {}
                return Database(
                    alias, "url" if url else "opaque", node, statement, self.module, engine,
                    f"takes in {ast.unparse(spread)[:40]}", guards, in_class, reads, values,
                )  # fmt: skip
            return Database(alias, "literal", node, statement, self.module, engine, "", guards, in_class, reads, values)
        shape: Literal["url", "opaque"] = "url" if _is_url(self.module, node) else "opaque"
        read = _url_read(self.module, node)
        reason = f"is made by `{ast.unparse(value)[:60]}`"
        engine = next(filter(None, map(self._engine_in, _taken_in(node))), "")
        return Database(
            alias, shape, value, statement, self.module, engine, reason, guards, in_class, {"URL": read} if read else {}
        )

    def _engine_in(self, node: ast.expr) -> str:
        """The ENGINE that a dict gives to one that takes it in."""
        engine = item(resolve(self.module, node), "ENGINE")
        return text(resolve(self.module, engine)) if engine is not None else ""

    def given(self, call: ast.Call) -> Iterator[ast.expr]:
        """The arguments of a call, with those that a list gives it: `include(*PARTS)`."""
        for each in call.args:
            listed = resolve(self.module, each.value) if isinstance(each, ast.Starred) else None
            if isinstance(listed, ast.List | ast.Tuple):
                yield from listed.elts
            else:
                yield each

    def updated(
        self, keys: tuple[str, ...], value: ast.expr | None, statement: ast.stmt, guards: tuple[str, ...]
    ) -> None:
        if not keys and isinstance(value, ast.Dict):
            self.whole(value, statement, guards, False)
        elif not keys:
            self.opaque = f"DATABASES is updated at run time (line {statement.lineno})"
        else:
            self.later.append(Later(keys[0], keys[1:], "update", value, statement, self.module, guards))

    def called(self, call: ast.expr, statement: ast.stmt, guards: tuple[str, ...]) -> None:
        if not isinstance(call, ast.Call):
            return
        name = dotted(call.func)
        if name in ("include", "split_settings.tools.include"):
            patterns = [_pattern(each) for each in self.given(call)]
            self.executes = self.executes or not all(patterns)
            self.included += [pattern for pattern in patterns if pattern]
            return
        if name.endswith("heroku.settings") or name in ("exec", "locals().update"):
            self.opaque = f"`{name}` changes the settings at run time (line {statement.lineno})"
            return
        if isinstance(call.func, ast.Attribute):
            if isinstance(call.func.value, ast.Call) and dotted(call.func.value.func) in ("locals", "globals"):
                self.opaque = f"`{ast.unparse(call.func)}` changes the settings at run time (line {statement.lineno})"
                return
            keys = self.keys(call.func.value)
            if keys is not None and call.func.attr == "update":
                value = call.args[0] if call.args else None
                self.updated(keys, value, statement, guards)
                return
        if _mentions_databases(call):
            self.later.append(Later("*", (), "other", None, statement, self.module, guards))


def _surviving(databases: Iterable[Database]) -> tuple[Database, ...]:
    """Without those that an unconditional definition of the same alias further down replaces."""
    found: list[Database] = []
    for database in databases:
        if not database.guards and not is_item(database.statement):
            found = [other for other in found if other.statement is database.statement]
        elif not database.guards or database.in_class:
            found = [other for other in found if other.alias != database.alias or other.guards != database.guards]
        found.append(database)
    return tuple(found)


def _pattern(node: ast.expr) -> str:
    """What `include` of django-split-settings is given: `"base.py"`, or `optional("local.py")`."""
    return text(node.args[0]) if isinstance(node, ast.Call) and node.args else text(node)


def is_item(statement: ast.stmt) -> bool:
    """Whether a statement is `DATABASES["…"] = …`."""
    return isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript)


def _taken_in(node: ast.expr) -> list[ast.expr]:
    """What `dict(NAME="shop", **SHARED)` takes in."""
    if not isinstance(node, ast.Call) or dotted(node.func) != "dict":
        return []
    return [each.value for each in node.keywords if each.arg is None]


def _mentions_databases(node: ast.AST) -> bool:
    return any(isinstance(child, ast.Name) and child.id == "DATABASES" for child in ast.walk(node))


def _uses(module: PythonModule, name: ast.expr) -> int:
    wanted = dotted(name)
    return sum(
        isinstance(n, ast.Name) and n.id == wanted and isinstance(n.ctx, ast.Load) for n in ast.walk(module.tree)
    )


def _literal_items(module: PythonModule, node: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    for key, value in zip(node.keys, node.values, strict=True):
        if key is not None and text(key):
            yield text(key), resolve(module, value)


def _reads_by_key(module: PythonModule, node: ast.Dict, prefix: str = "") -> dict[str, EnvRead]:
    found: dict[str, EnvRead] = {}
    for key, value in _literal_items(module, node):
        if isinstance(value, ast.Dict):
            found |= _reads_by_key(module, value, f"{prefix}{key}.")
        elif read := next(environment_reads(module, value), None):
            found[prefix + key] = read
    return found


def _whole_url(reads: dict[str, EnvRead]) -> dict[str, EnvRead]:
    """One variable from which both the host and the name are taken, by `urlparse` say, holds a URL."""
    host, name = reads.get("HOST"), reads.get("NAME")
    if host is None or name is None or host.name != name.name:
        return reads
    return {key: read for key, read in reads.items() if read.name != host.name} | {"URL": host}


def _is_url(module: PythonModule, node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = dotted(node.func)
    head, _, tail = name.partition(".")
    origin = module.imported.get(head, head)
    if _URL_CALLS.search(name) or _URL_CALLS.search(f"{origin}.{tail}".strip(".")):
        return True
    cast = next((keyword.value for keyword in node.keywords if keyword.arg == "cast"), None)
    return cast is not None and _URL_CALLS.search(dotted(cast) or "-") is not None


def _url_read(module: PythonModule, node: ast.expr) -> EnvRead | None:
    """The variable that holds the URL; the helpers read DATABASE_URL unless they are told otherwise."""
    if not isinstance(node, ast.Call) or not _is_url(module, node):
        return next(environment_reads(module, node), None)
    for child in (*node.args, *(keyword.value for keyword in node.keywords if keyword.arg in ("env", "var"))):
        if _VARIABLE.match(text(child) or "-"):
            demanded = not _has_default(node) and not dotted(node.func).endswith("config")
            return EnvRead(text(child), None, demanded, module.path, node.lineno, dotted(node.func))
        read = next(environment_reads(module, child), None)
        if read:
            return read
    default = next((text(keyword.value) for keyword in node.keywords if keyword.arg == "default"), None)
    optional = _has_default(node) or dotted(node.func).endswith("config")
    return EnvRead("DATABASE_URL", default or None, not optional, module.path, node.lineno, dotted(node.func))


def _has_default(call: ast.Call) -> bool:
    return len(call.args) > 1 or any(keyword.arg == "default" for keyword in call.keywords)


def _read(module: PythonModule, node: ast.AST) -> EnvRead | None:
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        name = dotted(node.value)
        if name in ("os.environ", "environ", "env") and _VARIABLE.match(text(node.slice) or "-"):
            return EnvRead(text(node.slice), None, True, module.path, node.lineno, name)
        return None
    if not isinstance(node, ast.Call):
        return None
    name = dotted(node.func)
    variable = text(node.args[0]) if node.args else ""
    if not variable:
        named = [keyword.value for keyword in node.keywords if keyword.arg in ("env", "var", "name", "key")]
        variable = text(named[0]) if named else ""
    if not name or not _VARIABLE.match(variable or "-") or not _READERS.search(name):
        return None
    given = [keyword.value for keyword in node.keywords if keyword.arg == "default"]
    given += [argument for argument in node.args[1:2] if not _is_cast(argument)]
    value = constant(resolve(module, given[0])) if given else ...
    default = None if value is ... or value is None else str(value)
    optional = bool(given) or name.rpartition(".")[2] in ("getenv", "get", "setdefault")
    return EnvRead(variable, default, not optional, module.path, node.lineno, name)


def _is_cast(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("bool", "int", "str", "float", "list", "dict")


@lru_cache(maxsize=256)
def module_reads(module: PythonModule) -> tuple[EnvRead, ...]:
    """What a module reads when it is imported; a read within `if` or `try` is not required."""
    return tuple(_module_reads(module))


def _module_reads(module: PythonModule) -> Iterator[EnvRead]:
    firm = {id(child) for statement in module.tree.body if not _is_compound(statement) for child in ast.walk(statement)}
    for statement in module.top_level():
        if _is_compound(statement) and not isinstance(statement, ast.ClassDef):
            nodes = list(ast.walk(statement.test)) if isinstance(statement, ast.If | ast.While) else []
        else:
            nodes = list(ast.walk(statement))
        for node in nodes:
            read = _read(module, node)
            if read is None and isinstance(node, ast.Call) and _is_url(module, node):
                read = _url_read(module, node)
            if read is not None:
                yield read if id(node) in firm else replace(read, required=False)


def _is_compound(statement: ast.stmt) -> bool:
    return hasattr(statement, "body")


def caches_of(module: PythonModule, value: ast.expr) -> Iterator[Cache]:
    if not isinstance(value, ast.Dict):
        return
    for alias, each in _literal_items(module, value):
        backend, location = item(each, "BACKEND"), item(each, "LOCATION")
        reads = tuple(environment_reads(module, each))
        if isinstance(location, ast.List | ast.Tuple) and location.elts:
            location = location.elts[0]
        literal = text(resolve(module, location)) if location is not None else ""
        default = next((read.default for read in reads if read.default), "")
        yield Cache(alias, text(backend), literal or default or "", reads)


def import_folders(root: str) -> list[str]:
    """Where modules of a project are looked for before anywhere else."""
    return [root, *(joined(root, inner) for inner in ("src", "apps", "app"))]


def folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
