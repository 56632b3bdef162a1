"""Models that differ from what their migrations leave, as far as the text of both tells for certain.

`makemigrations --check` would fail on such a project as it stands. What is made when the models are loaded, by other
packages or by values that have names, is not looked at: where nothing is found, there may be something all the same.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.django.migrated import MigratedField, MigratedModel, models_after_migrations
from fixer.django.migrations import Migrations, full_name, is_abstract, name_of_installed
from fixer.django.project import DjangoProject
from fixer.django.setting_lists import SettingList
from fixer.languages.python import PythonModule, assigned, constant, dotted, text
from fixer.model import FileError
from fixer.records import entity

if TYPE_CHECKING:
    from fixer.repository import Repository

_HOMES = ("django.db.models.", "django.contrib.gis.db.models.")
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef, ast.Expr, ast.Pass)
_ADDS = re.compile("add_to_class|contribute_to_class")
_MODELS = frozenset(f"{home}Model" for home in _HOMES)
_RELATIONS = frozenset({"ForeignKey", "OneToOneField", "ManyToManyField"})
_AUTOMATIC = frozenset({"AutoField", "BigAutoField", "SmallAutoField"})
_AS_DJANGO_MAKES_IT = {"auto_created": True, "primary_key": True, "verbose_name": "ID", "serialize": False}
_OPTIONS = ("ordering", "verbose_name", "verbose_name_plural")
# How Django ends the name that it gives to an index itself.
_HASHED = re.compile(r"_[0-9a-f]{6}_idx$")
# Arguments that a migration repeats when they are not these: what `deconstruct` leaves out.
_USUAL = {"null": False, "blank": False, "unique": False, "auto_now": False, "auto_now_add": False}
_KEPT = ("default", "verbose_name", "help_text")
"""Arguments that a migration repeats whenever they are given."""
_BOTH = ("max_length", "max_digits", "decimal_places")
"""Arguments that some fields have by themselves, so that only what both say is compared."""


@entity
class ModelDrift:
    """`first` says in words where a model and its migrations differ; empty where nothing is seen."""

    repository: Repository
    project: DjangoProject
    migrations: Migrations

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None without a Django project."""
        project, migrations = repository.fact(DjangoProject), repository.fact(Migrations)
        return cls(repository, project, migrations) if project is not None and migrations is not None else None

    @cached_property
    def first(self) -> str:
        installed = SettingList.of(self.project, self.project.settings_path, "INSTALLED_APPS").names
        for folder in sorted(self.migrations.folders):
            name = name_of_installed(folder, self.project.root, installed)
            if name:
                said = next(self._differences(folder, name), "")
                if said:
                    return said
        return ""

    def _differences(self, folder: str, installed: str) -> Iterator[str]:
        configurations = list(self._configurations(folder, installed))
        labels = {posixpath.basename(folder), *(text(each.get("label")) for each in configurations)}
        models = models_after_migrations(folder, frozenset(labels), self.repository)
        if not models:
            return
        key = self._automatic_key(configurations)
        for module, node in self._classes(folder):
            migrated = models.get(node.name.lower())
            at = f"{module.source.path}:{node.lineno}"
            if migrated is None:
                if _is_plain(node, module):
                    yield f"{at} declares {node.name}, which no migration makes"
            else:
                yield from _differences(node, module, migrated, key)

    def _configurations(self, folder: str, installed: str) -> Iterator[dict[str, ast.expr]]:
        """What the configurations of an application assign; only of the one that the settings name, where they do."""
        path = posixpath.join(folder, "apps.py")
        module = self._parsed(path) if self.repository.exists(path) else None
        if module is None:
            return
        chosen = installed.rpartition(".apps.")[2] if ".apps." in installed else ""
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and chosen in ("", node.name):
                yield _assigned(node)

    def _automatic_key(self, configurations: list[dict[str, ast.expr]]) -> str:
        """The class of the primary keys that no model declares; empty where it is not known.

        https://docs.djangoproject.com/en/stable/ref/settings/#default-auto-field, since Django 3.2
        """
        version = self.project.version
        if version is None or not version.at_least(3, 2) or len(configurations) > 1:
            return ""
        for each in configurations:
            if "default_auto_field" in each:
                return text(each["default_auto_field"]).rpartition(".")[2]
        values = [
            value
            for settings in self.project.chain(self.project.settings_path)
            for value in settings.document.assignments.get("DEFAULT_AUTO_FIELD", [])
        ]
        if values:
            return text(values[-1]).rpartition(".")[2]
        return "BigAutoField" if version.at_least(6) else "AutoField" if version.exact else ""

    def _classes(self, folder: str) -> Iterator[tuple[PythonModule, ast.ClassDef]]:
        """The models in the modules that Django loads: models.py, or what the package takes in from its modules."""
        found: list[tuple[PythonModule, ast.ClassDef]] = []
        for path in self._modules(folder):
            module = self._parsed(path)
            if module is not None:
                found += [(module, node) for node in module.tree.body if isinstance(node, ast.ClassDef)]
        names = [node.name for _, node in found]
        for module, node in found:
            if names.count(node.name) == 1 and not is_abstract(node) and not _is_apart(node):
                yield module, node

    def _parsed(self, path: str) -> PythonModule | None:
        try:
            return self.repository.parsed(path, PythonModule)
        except FileError:
            return None

    def _modules(self, folder: str) -> Iterator[str]:
        if self.repository.exists(single := posixpath.join(folder, "models.py")):
            yield single
        package = posixpath.join(folder, "models")
        if not self.repository.exists(whole := f"{package}/__init__.py"):
            return
        yield whole
        module = self._parsed(whole)
        for node in module.tree.body if module is not None else ():
            if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
                path = f"{package}/{node.module.replace('.', '/')}.py"
                if self.repository.exists(path):
                    yield path


def _meta(node: ast.ClassDef) -> Mapping[str, ast.expr]:
    for inner in node.body:
        if isinstance(inner, ast.ClassDef) and inner.name == "Meta":
            return _assigned(inner)
    return {}


def _assigned(node: ast.ClassDef) -> dict[str, ast.expr]:
    return {name: value for statement in node.body for name, value in assigned(statement).items()}


def _is_apart(node: ast.ClassDef) -> bool:
    """Whether the migrations of this application need not know all of a model."""
    meta = _meta(node)
    return "app_label" in meta or "proxy" in meta or "managed" in meta or bool(node.keywords)


def _is_plain(node: ast.ClassDef, module: PythonModule) -> bool:
    """Whether a class is a model that has its fields from nowhere else."""
    return len(node.bases) == 1 and full_name(dotted(node.bases[0]), module) in _MODELS


def _differences(node: ast.ClassDef, module: PythonModule, migrated: MigratedModel, key: str) -> Iterator[str]:
    declared = _assigned(node)
    for name, value in declared.items():
        kind = _kind(value, module)
        if not kind or not isinstance(value, ast.Call):
            continue
        at = f"{module.source.path}:{value.lineno}"
        known = migrated.fields.get(name.lower())
        if known is None:
            yield f"{at} declares {name} of {node.name}, which no migration adds"
        elif (before := _kind(known.call, known.module)) and before != kind:
            yield f"{at} declares {name} of {node.name} as {kind}, and the migrations have it as {before}"
        elif before:
            for argument in _other_arguments(value, known, kind):
                yield f"{at} gives {name} of {node.name} another {argument} than the migrations have"
    here = f"{module.source.path}:{node.lineno}"
    plain = _is_plain(node, module)
    yield from _other_options(node, here, migrated, plain=plain)
    if not plain:
        return
    own = [name.lower() for name in declared]
    keys = [value for value in declared.values() if isinstance(value, ast.Call) and _has(value, "primary_key")]
    automatic = migrated.fields.get("id")
    if automatic is not None and "id" not in own and not keys:
        found = _kind(automatic.call, automatic.module)
        if key and found in _AUTOMATIC and found != key:
            yield f"{here} leaves the primary key of {node.name} to {key}, and the migrations have it as {found}"
        given = {each.arg: constant(each.value) for each in automatic.call.keywords}
        if found in _AUTOMATIC and not _AS_DJANGO_MAKES_IT.items() <= given.items():
            yield f"{here} leaves the primary key of {node.name} to Django, and the migrations have another id"
    if all(isinstance(each, _SIMPLE) for each in node.body) and not _ADDS.search(module.source.text):
        for name in sorted(migrated.fields.keys() - {"id", "_order", *own}):
            if not any(name.startswith(f"{each}_") for each in own):
                yield f"{here} declares no {name} in {node.name}, which the migrations have"


def _other_options(node: ast.ClassDef, here: str, migrated: MigratedModel, *, plain: bool) -> Iterator[str]:
    """The options of Meta in which a model differs from what the migrations have, as far as both are literal."""
    if any(isinstance(each, ast.ClassDef) and each.name == "Meta" and each.bases for each in node.body):
        return
    meta = _meta(node)
    for name in _OPTIONS:
        there = name in migrated.options
        differs = (name in meta and not there) or (plain and there and name not in meta)
        if differs and _is_literal(meta.get(name), migrated.options.get(name)):
            yield f"{here} says {name} of {node.name} otherwise than the migrations"
    indexes = meta.get("indexes", ast.List(elts=[]))
    if not plain or not isinstance(indexes, ast.List | ast.Tuple):
        return
    names: list[str | None] = []
    for each in indexes.elts:
        if not isinstance(each, ast.Call):
            return
        names.append(next((text(keyword.value) for keyword in each.keywords if keyword.arg == "name"), None))
    if "" in names:
        return
    named = {each for each in names if each}
    for gone in sorted(migrated.indexes - named - {""}):
        if None not in names or not _HASHED.search(gone):
            yield f"{here} has no index {gone} in {node.name}, which the migrations have"
    for new in sorted(named - migrated.indexes):
        yield f"{here} has the index {new} in {node.name}, which no migration makes"


def _is_literal(*nodes: ast.expr | None) -> bool:
    """Whether each of them that is there is a text, or a list of texts that says something."""
    for node in nodes:
        items = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
        if node is not None and not (items and all(map(text, items))):
            return False
    return True


def _kind(node: ast.expr, module: PythonModule) -> str:
    """The class of a field of Django's own; empty for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    name = full_name(dotted(node.func), module)
    home, _, kind = name.rpartition(".")
    own = any(f"{home}.".startswith(each) for each in _HOMES)
    return kind if own and kind.endswith(("Field", "ForeignKey")) else ""


def _has(call: ast.Call, argument: str) -> bool:
    return any(each.arg == argument for each in call.keywords)


def _other_arguments(call: ast.Call, known: MigratedField, kind: str) -> Iterator[str]:
    """The arguments in which a field differs from what the migrations have, where both stand there as literals."""
    if any(each.arg is None for each in (*call.keywords, *known.call.keywords)) or known.call.args:
        return
    given = {each.arg or "": each.value for each in call.keywords}
    before = {each.arg or "": each.value for each in known.call.keywords}
    if call.args and kind not in _RELATIONS:
        if len(call.args) > 1:
            return
        given["verbose_name"] = call.args[0]
    if known.forgets_default:
        before.pop("default", None)
    left_out = set()
    if {"auto_now", "auto_now_add", "primary_key"} & given.keys() or kind in ("BooleanField", "NullBooleanField"):
        left_out |= {"blank", "null"} if kind != "BooleanField" else {"blank"}
    if kind in ("OneToOneField", "ManyToManyField") or "primary_key" in given:
        left_out |= {"unique", "null"}
    for name, usual in _USUAL.items():
        now, then = (constant(each[name]) if name in each else usual for each in (given, before))
        if name not in left_out and ... not in (now, then) and now != then:
            yield name
    for name in _BOTH:
        if name in given and name in before:
            now, then = constant(given[name]), constant(before[name])
            if ... not in (now, then) and now != then:
                yield name
    if "limit_choices_to" in before and "limit_choices_to" not in given:
        yield "limit_choices_to"
    for name in _KEPT:
        now, then = (constant(each[name]) if name in each else None for each in (given, before))
        if ... not in (now, then) and (now != then and not (name == "help_text" and not now and not then)):
            yield name
