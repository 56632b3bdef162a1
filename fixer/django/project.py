"""The Django project: its settings modules, databases, caches, versions, and what it reads from the environment.

Everything is read from the text of files; no module of the repository is imported or run.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from functools import cached_property
from keyword import iskeyword
from typing import TYPE_CHECKING, Literal, Self

from fixer.django.naming import SettingsNames, is_application
from fixer.django.settings import (
    Cache,
    Database,
    EnvRead,
    Later,
    Role,
    SettingsModule,
    SettingsReader,
    caches_of,
    folder_of,
    import_folders,
    is_item,
    joined,
    module_reads,
    vendor_of,
)
from fixer.languages.python import is_settings, may_be_settings
from fixer.project.packages import PythonPackages, VersionRange
from fixer.records import entity
from fixer.runtime.picture import Runtime

if TYPE_CHECKING:
    from fixer.repository import Repository

_ASIDE = re.compile(
    r"(^|/)(tests?|testing|examples?|docs?|samples?|demos?|templates?|fixtures|test_?\w*projects?|sandbox|benchmarks?|"
    r"\{\{[^/]*)/"
)


@entity
class DjangoProject:
    """The Django project of the repository; `others` are further ones, each with a manage.py of its own.

    `root` is the folder of manage.py (the import root, empty for the repository's), `manage_py` its path, empty
    where there is none. `settings` is the dotted name that manage.py sets, `settings_path` its file. `named` are the
    settings that files of the repository name, with those files; `deployed` those of them that programs of production
    are told. `requirements` are the files that install Django, the best first. `is_template`: projects are made from
    it, under other names. `empty_settings` is what manage.py names where that module says nothing.
    """

    root: str
    manage_py: str
    settings: str
    settings_path: str
    modules: Mapping[str, SettingsModule]
    named: Mapping[str, tuple[str, ...]]
    deployed: frozenset[str]
    version: VersionRange | None
    driver: Literal["psycopg", "psycopg2", ""]
    has_pool: bool
    requirements: tuple[str, ...]
    test_runner: Literal["pytest", "manage.py test"]
    is_template: bool = False
    empty_settings: str = ""
    others: tuple[DjangoProject, ...] = ()

    @property
    def has_postgres(self) -> bool:
        """Whether the settings of production name a database of PostgreSQL, or a URL beside its driver."""
        for project in self.projects:
            chain = project.chain(project.production_path) if not project.is_aside else ()
            if any(project.is_postgres(database) for settings in chain for database in settings.databases):
                return True
        return False

    def is_postgres(self, database: Database) -> bool:
        return database.vendor == "postgresql" or (database.shape == "url" and bool(self.driver))

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where the repository has no Django settings."""
        named_so = (path for path in repository.ending(".py") if may_be_settings(path) and "{{" not in path)
        paths = [
            path
            for path in named_so
            if is_settings(path, repository.text(path))
            and not repository.exists(f"{path.removesuffix('.py')}/__init__.py")
        ]
        managers = repository.named("manage.py")
        if not paths and not managers:
            return None
        names = repository.fact(SettingsNames)
        assert names is not None  # detect says None of no repository
        named = names.files
        packages = repository.fact(PythonPackages)
        roots = sorted(
            {folder_of(path) for path in managers}, key=lambda root: (_is_aside(root), root.count("/"), root)
        )
        known = frozenset(roots)
        own: dict[str, list[str]] = defaultdict(list)
        for path in sorted(paths):
            own[_home(path, roots, known)].append(path)
        names_from = _names_from(repository, named)
        made = (
            cls._of(repository, root, own[root], names_from(root), names.deployed, packages) for root in roots or [""]
        )
        found = [project for project in made if project is not None]
        if not found:
            return None
        found.sort(key=lambda project: (_is_aside(project.root), not project.databases, project.root.count("/")))
        first = found[0]
        return replace(first, others=tuple(found[1:]))

    @classmethod
    def _of(
        cls,
        repository: Repository,
        root: str,
        paths: Sequence[str],
        named: Mapping[str, tuple[str, ...]],
        deployed: Set[str],
        packages: PythonPackages | None,
    ) -> Self | None:
        reader = SettingsReader(repository, root)
        modules: dict[str, SettingsModule] = {}
        below = f"{root}/" if root else ""
        todo = [*paths, *(path for path in map(reader.path_of, named) if path.startswith(below) and "{{" not in path)]
        while todo:
            path = todo.pop(0)
            if path and path not in modules:
                module = reader.read(path)
                if module is not None:
                    modules[path] = module
                    todo += module.imports
        if not modules:
            return None
        modules = _with_roles(modules)
        manage_py = joined(root, "manage.py")
        here = _started(repository, {name: files for name, files in named.items() if reader.path_of(name) in modules})
        settings = _default_settings(here, manage_py, modules, reader)
        settings_path = reader.path_of(settings) if settings else _first(modules)
        near = settings_path or _first(modules)
        version = packages.version("django", near) if packages else None

        def empty(name: str) -> bool:
            path = reader.path_of(name)
            return bool(path) and not repository.text(path).strip()

        return cls(
            root=root,
            manage_py=manage_py if repository.exists(manage_py) else "",
            settings=settings,
            settings_path=settings_path,
            modules=modules,
            named=here,
            deployed=frozenset(deployed & here.keys()),
            version=version,
            driver=_driver(packages, near, version),
            has_pool=_has_pool(packages, near),
            requirements=packages.files_that_install("django", near) if packages else (),
            is_template="{{" in repository.text(manage_py),
            empty_settings=next((name for name, files in named.items() if manage_py in files and empty(name)), ""),
            test_runner=_test_runner(repository, packages, near, root),
        )

    # -- modules --------------------------------------------------------------------------------------------------

    @property
    def projects(self) -> tuple[DjangoProject, ...]:
        """This project and the others."""
        return (self, *self.others)

    @property
    def is_aside(self) -> bool:
        """Whether this is a template, or an example or a project for tests by its folder: not what anybody deploys."""
        return self.is_template or _is_aside(self.root)

    def chain(self, path: str) -> tuple[SettingsModule, ...]:
        """The modules that make up one settings module, in the order in which they take effect."""
        found: list[SettingsModule] = []
        seen: set[str] = set()
        waiting = [(path, False)]
        while waiting:
            at, is_complete = waiting.pop()
            module = self.modules.get(at)
            if module is not None and is_complete:
                found.append(module)
            elif module is not None and at not in seen:
                seen.add(at)
                waiting.append((at, True))
                waiting.extend((other, False) for other in reversed(module.imports))
        return tuple(found)

    @cached_property
    def _taken_over_by(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for module in self.modules.values():
            for other in module.imports:
                found[other].append(module.path)
        return found

    def importers(self, path: str) -> tuple[SettingsModule, ...]:
        """The modules that take this one over, directly or not."""
        found: set[str] = set()
        waiting = [path] if path in self.modules else []
        while waiting:
            new = set(self._taken_over_by.get(waiting.pop(), ())) - found
            found |= new
            waiting += new
        return tuple(module for module in self.modules.values() if module.path in found and module.path != path)

    def is_left_over(self, path: str) -> bool:
        """Whether nothing that the repository names loads a module, while it names settings that are served."""
        return path in self._left_over

    @cached_property
    def _left_over(self) -> frozenset[str]:
        if not any(map(self._is_named, self.modules)):
            return frozenset()
        loaded = {module.path for path in self.modules if self._is_named(path) for module in self.chain(path)}
        if not self._serves_others:  # then whoever deploys it names them
            meant = (path for path, module in self.modules.items() if module.role == "production")
            loaded |= {module.path for path in meant for module in self.chain(path)}
        return frozenset(self.modules.keys() - loaded)

    def _is_named(self, path: str) -> bool:
        return any(self._names(name, path) for name in self.named)

    @cached_property
    def _served(self) -> frozenset[str]:
        """The names of what serves the application."""
        return self.deployed | {name for name, files in self.named.items() if any(map(is_application, files))}

    def is_served(self, path: str) -> bool:
        """Whether what serves the application names this module."""
        return any(self._names(name, path) for name in self._served)

    @cached_property
    def _serves_others(self) -> bool:
        """Whether what serves the application names settings that are neither for development nor for tests."""
        return any(
            module.role not in ("test", "development") and self.is_served(path) for path, module in self.modules.items()
        )

    @cached_property
    def production_path(self) -> str:
        """The settings that production runs with: as far as names tell, else what manage.py names."""
        ranked: list[tuple[int, str]] = []
        for path, module in self.modules.items():
            if module.role in ("test", "development"):
                continue
            # A module that nothing names may be left over, where another one is served.
            is_meant = module.role == "production" and (self._is_named(path) or not self._serves_others)
            is_deployed = any(self._names(name, path) for name in self.deployed)
            ranks = (is_meant and is_deployed, is_meant, self.is_served(path), path == self.settings_path, True)
            ranked.append((ranks.index(True), path))
        return min(ranked, default=(0, self.settings_path))[1]

    @cached_property
    def deployed_paths(self) -> tuple[str, ...]:
        """The settings that programs of production are told, neither for development nor for tests."""
        told = (path for path in self.modules if any(self._names(name, path) for name in self.deployed))
        return tuple(path for path in told if self.modules[path].role not in ("test", "development"))

    def module_path(self, name: str) -> str:
        """The file of a dotted settings module, or an empty string."""
        return next((path for path in self.modules if self._names(name, path)), "")

    def _names(self, name: str, path: str) -> bool:
        return f"/{path}".endswith((f"/{name.replace('.', '/')}.py", f"/{name.replace('.', '/')}/__init__.py"))

    def module_name(self, path: str) -> str:
        """The name by which a file is imported: as the settings are, else from the folder of manage.py."""
        tail = self.settings.replace(".", "/")
        for suffix in (f"{tail}.py", f"{tail}/__init__.py"):
            if tail and f"/{self.settings_path}".endswith(f"/{suffix}"):
                return dotted_name(path, self.settings_path[: -len(suffix)].rstrip("/"))
        return dotted_name(path, self.root)

    # -- databases ------------------------------------------------------------------------------------------------

    @cached_property
    def databases(self) -> tuple[Database, ...]:
        """What DATABASES holds with the settings that manage.py names."""
        return self.databases_of(self.settings_path)

    def databases_of(self, path: str) -> tuple[Database, ...]:
        """What DATABASES holds with these settings: of several definitions of an alias the last.

        Of those that depend on conditions, the first for PostgreSQL.
        """
        found: dict[str, Database] = {}
        for module in self.chain(path):
            if any(not database.guards and not is_item(database.statement) for database in module.databases):
                found = {}
            for database in module.databases:
                known = found.get(database.alias)
                new = known is None or known.module is not module.document or not database.guards
                if new or (known and known.guards and (known.vendor, database.vendor) == ("sqlite", "postgresql")):
                    found[database.alias] = database
        return tuple(found.values())

    @cached_property
    def has_no_database(self) -> bool:
        """Whether no settings module says DATABASES, and none takes over what cannot be seen: Django then has none.

        https://docs.djangoproject.com/en/stable/ref/settings/#databases
        """
        modules = self.modules.values()
        says = any(module.databases or module.later for module in modules)
        unseen = any(module.opaque or module.takes_unseen for module in modules)
        return bool(self.settings_path) and not says and not unseen

    @cached_property
    def has_only_files(self) -> bool:
        """Whether every database that any settings module says is a file of SQLite, and none is said elsewhere."""
        modules = self.modules.values()
        databases = [database for module in modules for database in module.databases]
        unseen = any(module.opaque or module.takes_unseen or module.later for module in modules)
        return bool(databases) and not unseen and all(database.vendor == "sqlite" for database in databases)

    def later_of(self, database: Database) -> tuple[Later, ...]:
        """What is done to this alias afterwards, in its own module and in those that take it over."""
        modules = [self.modules[database.path], *self.importers(database.path)] if database.path in self.modules else []
        return tuple(
            later
            for module in modules
            for later in module.later
            if later.alias in (database.alias, "*")
            and (later.module is not database.module or later.statement.lineno > database.statement.lineno)
        )

    # -- caches and environment -----------------------------------------------------------------------------------

    @cached_property
    def caches(self) -> tuple[Cache, ...]:
        """What CACHES holds with the settings that manage.py names, where it is a literal."""
        found: dict[str, Cache] = {}
        for module in self.chain(self.settings_path):
            for value in module.document.assignments.get("CACHES", []):
                found = {cache.alias: cache for cache in caches_of(module.document, value)} or found
        return tuple(found.values())

    @cached_property
    def environment(self) -> tuple[EnvRead, ...]:
        """Every variable that the settings named by manage.py read when they are imported, by name."""
        return self.environment_of(self.settings_path)

    def environment_of(self, path: str) -> tuple[EnvRead, ...]:
        """What a settings module demands without a condition is required; what stands below an `if` is not."""
        found: dict[str, EnvRead] = {}
        firm = {path}
        for module in reversed(self.chain(path)):
            if module.path in firm:
                firm.update(other for other in module.imports if other not in module.conditional)
            for read in module_reads(module.document):
                read = read if module.path in firm else replace(read, required=False)
                known = found.get(read.name)
                if known is None or (read.required and not known.required):
                    found[read.name] = read
        return tuple(found[name] for name in sorted(found))

    @cached_property
    def ssl_variables(self) -> tuple[str, ...]:
        """Variables that decide about TLS with PostgreSQL, where it is required unless they say otherwise."""
        return self._variables(r"SSL_?MODE$")

    @cached_property
    def limit_variables(self) -> tuple[str, ...]:
        """Variables that say after how many milliseconds PostgreSQL cancels a statement."""
        return self._variables(r"STATEMENT_TIMEOUT(_MS)?$")

    def _variables(self, pattern: str) -> tuple[str, ...]:
        reads = [read for module in self.modules.values() for read in module_reads(module.document)]
        return tuple(sorted({read.name for read in reads if re.search(pattern, read.name)}))

    def database_environment(
        self, *, host: str, port: str, name: str, user: str, password: str, alias: str = "default"
    ) -> dict[str, str]:
        """The variables that lead these settings to a throw-away PostgreSQL server without TLS.

        A key that the settings fix has no variable here: compare `Database.values`.
        """
        database = next((each for each in self.databases if each.alias == alias), None)
        if database is None:
            return {}
        wanted = {"NAME": name, "USER": user, "PASSWORD": password, "HOST": host, "PORT": port}
        found = {read.name: wanted[key] for key, read in database.reads.items() if key in wanted}
        if "URL" in database.reads:
            found[database.reads["URL"].name] = f"postgres://{user}:{password}@{host}:{port}/{name}"
        engine = database.reads.get("ENGINE")
        if engine is not None and vendor_of(engine.default or "") != "postgresql":
            short = "." not in (engine.default or ".")  # joined to a prefix, such as `django.db.backends.` + name
            found[engine.name] = "postgresql" if short else "django.db.backends.postgresql"
        return found | dict.fromkeys(self.ssl_variables, "prefer")


# -- the project around the modules -------------------------------------------------------------------------------


def _names_from(
    repository: Repository, named: Mapping[str, tuple[str, ...]]
) -> Callable[[str], Mapping[str, tuple[str, ...]]]:
    """Those names, for a root, whose first part stands where modules are looked for from there: with hundreds of
    projects, each has few of the names of all."""
    standing: dict[str, set[str]] = defaultdict(set)
    for path in repository.ending(".py"):
        folder, _, name = path.removesuffix(".py").rpartition("/")
        while name and name not in standing[folder]:
            standing[folder].add(name)
            folder, _, name = folder.rpartition("/")
    by_first: dict[str, list[str]] = defaultdict(list)
    for name in named:
        by_first[name.partition(".")[0]].append(name)
    order = {name: number for number, name in enumerate(named)}
    everywhere = by_first.keys() & standing[""]

    def names_from(root: str) -> Mapping[str, tuple[str, ...]]:
        here = everywhere.union(*(by_first.keys() & standing[folder] for folder in import_folders(root)))
        names = sorted((name for first in here for name in by_first[first]), key=order.__getitem__)
        return {name: named[name] for name in names}

    return names_from


def _started(repository: Repository, named: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    """Without what a wsgi.py or asgi.py names that no server starts, where servers start others; where none starts
    any, without those that name other settings than manage.py, beside one that names the same."""
    applications = {path for files in named.values() for path in files if is_application(path)}
    if sum(any(map(is_application, files)) for files in named.values()) < 2:
        return named
    runtime = repository.fact(Runtime)
    words = {
        word.partition(":")[0].replace(".", "/")
        for program in (runtime.programs if runtime is not None else ())
        if program.origin not in ("workflow", "script")
        for command in program.commands
        for word in command.argv
    }
    started = {path for path in applications if any(f"/{path}".endswith(f"/{word}.py") for word in words)}
    managed = (files for files in named.values() if any(path.endswith("manage.py") for path in files))
    started = started or {path for files in managed for path in files if path in applications}
    left = {name: tuple(file for file in files if file not in applications - started) for name, files in named.items()}
    return {name: files for name, files in left.items() if files} if started else named


def _default_settings(
    named: Mapping[str, tuple[str, ...]], manage_py: str, modules: Mapping[str, SettingsModule], reader: SettingsReader
) -> str:
    """What manage.py sets, else what wsgi.py or anything else names, else the shortest name of a module."""
    for wanted in (manage_py, "wsgi.py", "asgi.py", ""):
        for name, files in named.items():
            if any(path == wanted or (wanted != manage_py and path.endswith(wanted)) for path in files):
                return name
    path = _first(modules)
    return dotted_name(path, reader.root)


def dotted_name(path: str, root: str) -> str:
    """The name by which a module is imported when `root` is on the path; empty where it lies outside, or where no
    `import` could say it."""
    if root and not path.startswith(root + "/"):
        return ""
    inner = path[len(root) + 1 if root else 0 :].removesuffix(".py").removesuffix("/__init__")
    parts = inner.split("/")
    return ".".join(parts) if all(part.isidentifier() and not iskeyword(part) for part in parts) else ""


def _first(modules: Mapping[str, SettingsModule]) -> str:
    order = {"shared": 0, "production": 1, "development": 2, "test": 3}
    return min(modules, key=lambda path: (_is_aside(path), order[modules[path].role], path.count("/"), path))


def _home(path: str, roots: Sequence[str], known: Set[str]) -> str:
    """The root of the project that a settings module is of: the deepest root above it, else the nearest."""
    folder = path
    while folder:
        folder = folder_of(folder)
        if folder in known:
            return folder

    def shared(each: str) -> int:
        pairs = zip(each.split("/"), path.split("/"), strict=False)
        return next((i for i, (left, right) in enumerate(pairs) if left != right), len(each.split("/")))

    return max(roots, key=shared, default="")


def _is_aside(path: str) -> bool:
    return _ASIDE.search(f"{path}/") is not None


def _driver(
    packages: PythonPackages | None, near: str, version: VersionRange | None
) -> Literal["psycopg", "psycopg2", ""]:
    if packages is None:
        return ""
    for development in (False, True):
        third = any(packages.has(n, near, development=development) for n in ("psycopg", "psycopg-binary", "psycopg-c"))
        second = any(
            packages.has(n, near, development=development) for n in ("psycopg2", "psycopg2-binary", "psycopg2cffi")
        )
        if third and second:  # Django prefers psycopg from 4.2 on, and knows only psycopg2 before
            return "psycopg" if version is not None and version.at_least(4, 2) else "psycopg2"
        if third or second:
            return "psycopg" if third else "psycopg2"
    return ""


def _has_pool(packages: PythonPackages | None, near: str) -> bool:
    if packages is None:
        return False
    asked = [*packages.of("psycopg", near), *packages.of("psycopg-pool", near)]
    return any(not each.development and (each.name == "psycopg-pool" or "pool" in each.extras) for each in asked)


def _with_roles(modules: Mapping[str, SettingsModule]) -> dict[str, SettingsModule]:
    """A module without a role in its name has that of what it takes over, where that is development or tests.

    What is taken over under a condition or further down, such as a local file or a debug toolbar, says nothing of it;
    nor does one of many parts of which a package puts its settings together.
    """

    roles = {path: module.role for path, module in modules.items()}
    taken_over_by: dict[str, list[str]] = defaultdict(list)
    for path, module in modules.items():
        for other in module.bases:
            taken_over_by[other].append(path)
    inherited: tuple[Role, ...] = ("test", "development")
    for role in inherited:
        waiting = [path for path, known in roles.items() if known == role]
        while waiting:
            takers = taken_over_by.get(waiting.pop(), ())
            new = [path for path in takers if roles[path] == "shared" and _is_mostly(role, modules[path], roles)]
            roles |= dict.fromkeys(new, role)
            waiting += new
    return {path: replace(module, role=roles[path]) for path, module in modules.items()}


def _is_mostly(role: Role, module: SettingsModule, roles: Mapping[str, Role]) -> bool:
    """Whether at least half of what a module takes over has this role."""
    bases = [roles[path] for path in module.bases if path in roles]
    return bases.count(role) * 2 >= len(bases)


def _test_runner(
    repository: Repository, packages: PythonPackages | None, near: str, root: str
) -> Literal["pytest", "manage.py test"]:
    if packages is not None and (packages.has("pytest-django", near) or packages.has("pytest-django", root)):
        return "pytest"
    folder = root
    while True:
        for name in ("pytest.ini", "pyproject.toml", "setup.cfg", "tox.ini"):
            if "DJANGO_SETTINGS_MODULE" in repository.text(joined(folder, name)):
                return "pytest"
        if not folder:
            return "manage.py test"
        folder = folder_of(folder)
