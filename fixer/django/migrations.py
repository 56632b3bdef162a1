"""Which applications of the project declare models, and which have migrations for them."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self

from fixer.django.project import DjangoProject
from fixer.django.setting_lists import SettingList
from fixer.django.settings import joined
from fixer.languages.python import PythonModule, assigned, constant, dotted
from fixer.model import FileError
from fixer.patterns import Rare
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

_MIGRATION = re.compile(r"^(?:(.*)/)?migrations/(?!__init__\.py$)\w+\.py$")
_MODELS = re.compile(r"^(?:(.*)/)?(?:models\.py|models/\w+\.py)$")
_ASIDE = re.compile(r"(^|/)(tests?|testing|node_modules|\.?venv|site-packages|\{\{[^/]*)/")
_OF_DJANGO = re.compile(r"django\.(\w+\.)*(\w*Model|AbstractUser|AbstractBaseUser|PermissionsMixin)")
_CLOCK = re.compile(
    r"datetime\.(datetime|date)\.(now|utcnow|today)|time\.(time|localtime|gmtime)|"
    r"django\.utils\.timezone\.(now|localtime|localdate)"
)
_CHANCE = re.compile(
    r"(random|secrets)\.\w+|uuid\.uuid[14]|os\.urandom|shortuuid\.(uuid|random)|django\.utils\.crypto\.get_random_string"
)
_METHODS = re.compile(r"shortuuid\.(uuid|random)")
"""They look like functions, and are methods of an object: https://github.com/skorokithakis/shortuuid"""
# Who asks it says so, in the call or where it imports what it calls by another name; few modules of models do.
_SAYS_IT = Rare(
    r"\b(now|utcnow|today|time|localtime|gmtime|localdate|random|secrets|uuid[14]?|urandom|shortuuid|get_random_string)\b",
    "now", "today", "time", "localdate", "random", "secrets", "uuid",
)  # fmt: skip
_NO_MODEL = re.compile(
    r"(enum|typing|abc|dataclasses|collections|datetime|pydantic|mongoengine|django_mongoengine|ninja|rest_framework|"
    r"marshmallow|sqlalchemy|sqlmodel|umongo|odmantic|beanie|elasticsearch_dsl|neomodel)(\.|$)|"
    r"django\.(\w+\.)*(\w*(Choices|Manager|QuerySet|Field)|Func|Transform|Lookup|Aggregate)$"
)
"""What a class of these is, it is no model of Django."""


@record
class Migrations:
    """`folders` are those of the applications that have migrations, and `declared` names the first class of the
    repository that is, or may be, a model; empty where none is seen. `unmade` names a package of migrations that holds
    none, and the model beside it that needs one. `elsewhere`: the settings say that migrations stand in other packages.
    `modelled`: there are modules of models, without migrations beside them, to be judged by. `unsteady` says
    of a field what keeps it from ever being what a migration holds; empty where none is seen.
    """

    folders: frozenset[str]
    declared: str
    unmade: tuple[str, str] | None
    elsewhere: bool
    modelled: bool
    unsteady: str = ""

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None without a Django project."""
        project = repository.fact(DjangoProject)
        if project is None:
            return None
        paths = [path for path in repository.ending(".py") if path.endswith(".py") and not _ASIDE.search(path)]
        kept = frozenset(found[1] or "" for path in paths if (found := _MIGRATION.match(path)) is not None)
        declared, unmade, modelled = "", None, False
        installed = SettingList.of(project, project.settings_path, "INSTALLED_APPS").names
        for path in paths:
            found = _MODELS.match(path)
            if found is None or (found[1] or "") in kept:
                continue
            modelled = True
            folder = found[1] or ""
            package = joined(folder, "migrations/__init__.py")
            empty = repository.exists(package) and bool(name_of_installed(folder, project.root, installed))
            if declared and (unmade or not empty):
                continue
            classes = list(_classes(path, repository))
            declared = declared or next((place for place, _ in classes), "")
            surely = next((place for place, of_django in classes if of_django), "")
            if empty and surely and unmade is None:
                unmade = (posixpath.dirname(package), surely)
        chain = project.chain(project.settings_path)
        elsewhere = any("MIGRATION_MODULES" in settings.document.assignments for settings in chain)
        places = (_unsteady(path, repository) for path in paths if _MODELS.match(path))
        return cls(kept, declared, unmade, elsewhere, modelled, next(filter(None, places), ""))

    @property
    def can_be_missing(self) -> bool:
        """Whether a model could lack its migration: where modules of models are there, they tell; where none is, they
        may still come."""
        return bool(self.folders or self.declared or self.elsewhere or not self.modelled)


def name_of_installed(folder: str, root: str, installed: tuple[str, ...]) -> str:
    """The application in this folder as the settings name it, `shop.orders` or `shop.orders.apps.OrdersConfig`; empty
    where they do not."""
    if root and not folder.startswith(f"{root}/"):
        return ""
    below = folder.removeprefix(f"{root}/" if root else "").replace("/", ".")
    return next((name for name in installed if name == below or name.startswith(f"{below}.apps.")), "")


def _classes(path: str, repository: Repository) -> Iterator[tuple[str, bool]]:
    """`path:line` of what may be a model with a table, and whether it surely is one."""
    try:
        module = repository.parsed(path, PythonModule)
    except FileError:
        return
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and node.level and posixpath.basename(path) == "models.py":
            yield f"{path}:{node.lineno}", False  # what it brings may be a model
        if not isinstance(node, ast.ClassDef) or is_abstract(node):
            continue
        bases = [full_name(dotted(base), module) for base in node.bases]
        bases = [base for base in bases if base and base != "object" and not base.endswith(("Error", "Exception"))]
        if bases and not any(map(_NO_MODEL.match, bases)):
            yield f"{path}:{node.lineno}", any(map(_OF_DJANGO.fullmatch, bases))


def _unsteady(path: str, repository: Repository) -> str:
    """The first field that no migration can hold for good, in words: what the clock, or chance, said when its module
    was loaded, at once or by a name, or a method of one object; empty for none."""
    if not _SAYS_IT.search(repository.text(path)):
        return ""
    try:
        module = repository.parsed(path, PythonModule)
    except FileError:
        return ""
    names: dict[str, str] = {}
    for node in module.tree.body:
        for name, value in assigned(node).items():
            if said := _said_at_loading(value, module, names):
                names[name] = said
        if not isinstance(node, ast.ClassDef):
            continue
        own = dict(names)
        for each in node.body:
            for name, value in assigned(each).items():
                said = _said_at_loading(value, module, own)
                if isinstance(value, ast.Call) and dotted(value.func).endswith("Field"):
                    said = said or _method_as_default(value, module)
                    if said:
                        return f"{path}:{each.lineno} {said}"
                elif said:
                    own[name] = said
    return ""


def _said_at_loading(node: ast.AST, module: PythonModule, names: Mapping[str, str]) -> str:
    """What an expression takes at once, or by a name that holds it; a function asks later."""
    if isinstance(node, ast.Lambda):
        return ""
    if isinstance(node, ast.Call):
        called = full_name(dotted(node.func), module)
        if _CLOCK.fullmatch(called):
            return "takes the time at which its module is loaded into the field"
        if _CHANCE.fullmatch(called):
            return "takes into the field what is another value each time that its module is loaded"
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    found = (_said_at_loading(child, module, names) for child in ast.iter_child_nodes(node))
    return next(filter(None, found), "")


def _method_as_default(call: ast.Call, module: PythonModule) -> str:
    """Whether a default is a method of an object: a migration names the method of its class, which is never the same.

    https://docs.djangoproject.com/en/stable/topics/migrations/#migration-serializing
    """
    for keyword in call.keywords:
        named = dotted(keyword.value) if keyword.arg == "default" else ""
        if _METHODS.fullmatch(full_name(named, module)):
            return "has a method of an object for its default, which no migration can hold"
    return ""


def full_name(name: str, module: PythonModule) -> str:
    first, dot, rest = name.partition(".")
    return module.imported.get(first, first) + dot + rest


def is_abstract(node: ast.ClassDef) -> bool:
    """Whether a class says `abstract = True` in its Meta."""
    for inner in node.body:
        if isinstance(inner, ast.ClassDef) and inner.name == "Meta":
            return any(constant(assigned(each).get("abstract")) is True for each in inner.body)
    return False


_COMMAND = re.compile(r"(^|/)management/commands/(?!_)(\w+)\.py$")


@record
class MigratingCommands:
    """The management commands of the repository that migrate the database, by their names."""

    names: frozenset[str]

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        found: set[str] = set()
        for path in repository.ending(".py"):
            command = _COMMAND.search(path)
            if command is not None and "migrate" in repository.text(path) and _migrates(path, repository):
                found.add(command[2])
        return cls(frozenset(found))


def _migrates(path: str, repository: Repository) -> bool:
    """Whether a module calls Django's own `migrate`."""
    try:
        module = repository.parsed(path, PythonModule)
    except FileError:
        return False
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "call_command" and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and first.value == "migrate":
                return True
    return False
