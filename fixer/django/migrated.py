"""The fields of an application's models as its migrations leave them, read from their text."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from fixer.languages.python import PythonModule, assigned, constant, dotted, text
from fixer.model import FileError
from fixer.records import entity, record

if TYPE_CHECKING:
    from fixer.repository import Repository

# Of these a state of fields knows nothing: https://docs.djangoproject.com/en/stable/ref/migration-operations/
_OF_NO_FIELD = frozenset(
    {
        "RunPython", "RunSQL", "AlterUniqueTogether", "AlterIndexTogether", "AlterModelTable", "AlterModelTableComment",
        "AlterModelManagers", "AlterOrderWithRespectTo", "AddConstraint", "RemoveConstraint", "AlterConstraint",
        "AddConstraintNotValid", "ValidateConstraint", "CreateExtension", "CreateCollation", "BloomExtension",
        "BtreeGinExtension", "BtreeGistExtension", "CITextExtension", "CryptoExtension", "HStoreExtension",
        "TrigramExtension", "UnaccentExtension",
    }
)  # fmt: skip
_ARGUMENTS = {
    "CreateModel": ("name", "fields", "options"),
    "DeleteModel": ("name",),
    "RenameModel": ("old_name", "new_name"),
    "AddField": ("model_name", "name", "field", "preserve_default"),
    "AlterField": ("model_name", "name", "field", "preserve_default"),
    "RemoveField": ("model_name", "name"),
    "RenameField": ("model_name", "old_name", "new_name"),
    "AlterModelOptions": ("name", "options"),
    "AddIndex": ("model_name", "index"),
    "RemoveIndex": ("model_name", "name"),
    "RenameIndex": ("model_name", "new_name", "old_name", "old_fields"),
    "SeparateDatabaseAndState": ("database_operations", "state_operations"),
}


@record
class MigratedField:
    """`call` makes the field, with the names of `module`. `forgets_default`: its default was for this one time."""

    call: ast.Call
    module: PythonModule
    forgets_default: bool = False


@entity
class MigratedModel:
    """`fields` by their names in lower case, `indexes` those that have a name of their own, `options` as they stand."""

    fields: dict[str, MigratedField]
    options: dict[str, ast.expr]
    indexes: set[str]


Body = dict[str, ast.expr]
Models = dict[str, MigratedModel]


class _UnreadableError(Exception):
    """An operation, or an order, that the text does not tell."""


def models_after_migrations(folder: str, labels: frozenset[str], repository: Repository) -> Models | None:
    """The models by their names in lower case; None where that cannot be read from the text.

    `labels` are the names by which other migrations may call the application in this folder.
    """
    within = posixpath.join(folder, "migrations")
    try:
        found = dict(_migrations(within, repository))
        models: Models = {}
        for name in _in_order(found, labels):
            module, body = found[name]
            if not _replaced(name, found):  # those that it stands for are still there
                for operation in _items(body.get("operations")):
                    _apply(operation, module, models)
    except _UnreadableError:
        return None
    return models


def _migrations(folder: str, repository: Repository) -> Iterator[tuple[str, tuple[PythonModule, Body]]]:
    """The migrations by name, with what their class assigns."""
    for path in repository.ending(".py"):
        if posixpath.dirname(path) != folder or path.endswith("/__init__.py"):
            continue
        try:
            module = repository.parsed(path, PythonModule)
        except FileError:
            raise _UnreadableError from None
        declared = next((n for n in module.tree.body if isinstance(n, ast.ClassDef) and n.name == "Migration"), None)
        if declared is None:
            continue
        body: Body = {}
        for statement in declared.body:
            if isinstance(statement, ast.AugAssign):
                raise _UnreadableError
            body |= assigned(statement)
        yield posixpath.basename(path).removesuffix(".py"), (module, body)


def _replaced(name: str, found: Mapping[str, tuple[PythonModule, Body]]) -> set[str]:
    """The migrations for which one stands, where they are still there."""
    replaced = {other for _, other in _pairs(found[name][1].get("replaces"))}
    there = replaced & found.keys()
    if there and there != replaced:
        raise _UnreadableError
    return there


def _in_order(found: Mapping[str, tuple[PythonModule, Body]], labels: frozenset[str]) -> Iterator[str]:
    """The names so that each comes behind those that it depends on."""
    waiting = {
        name: {other for label, other in _pairs(body.get("dependencies")) if label in labels and other in found}
        | _replaced(name, found)
        for name, (_, body) in found.items()
    }
    while waiting:
        ready = sorted(name for name, needed in waiting.items() if not needed & waiting.keys())
        if not ready:
            raise _UnreadableError
        for name in ready:
            del waiting[name]
            yield name


def _pairs(node: ast.expr | None) -> Iterator[tuple[str, str]]:
    for each in _items(node):
        if isinstance(each, ast.Tuple) and len(each.elts) == 2:
            yield text(each.elts[0]), text(each.elts[1])


def _items(node: ast.expr | None) -> list[ast.expr]:
    if node is None:
        return []
    if not isinstance(node, ast.List | ast.Tuple):
        raise _UnreadableError
    return node.elts


def _apply(operation: ast.expr, module: PythonModule, models: Models) -> None:
    name = dotted(operation.func).rpartition(".")[2] if isinstance(operation, ast.Call) else ""
    name = name.removesuffix("Concurrently")
    if name in _OF_NO_FIELD:
        return
    if name not in _ARGUMENTS or not isinstance(operation, ast.Call):
        raise _UnreadableError
    given: dict[str, ast.expr] = dict(zip(_ARGUMENTS[name], operation.args, strict=False))
    given |= {each.arg: each.value for each in operation.keywords if each.arg is not None}
    if name == "SeparateDatabaseAndState":
        for each in _items(given.get("state_operations")):
            _apply(each, module, models)
        return
    said = {key: text(value).lower() for key, value in given.items()}
    try:
        _change(name, given, said, module, models)
    except KeyError:
        raise _UnreadableError from None


def _change(
    name: str, given: Mapping[str, ast.expr], said: Mapping[str, str], module: PythonModule, models: Models
) -> None:
    if name == "CreateModel":
        models[said["name"]] = _created(given, module)
        return
    if name == "DeleteModel":
        del models[said["name"]]
        return
    if name == "RenameModel":
        models[said["new_name"]] = models.pop(said["old_name"])
        return
    model = models[said.get("model_name") or said["name"]]
    if name == "AlterModelOptions":
        model.options.clear()
        model.options.update(_options(given.get("options")))
    elif name == "RemoveField":
        del model.fields[said["name"]]
    elif name == "RenameField":
        model.fields[said["new_name"]] = model.fields.pop(said["old_name"])
    elif name == "AddIndex":
        model.indexes.add(_name_of(given["index"]))
    elif name == "RemoveIndex":
        model.indexes.discard(text(given["name"]))
    elif name == "RenameIndex":
        model.indexes.discard(text(given.get("old_name")))
        model.indexes.add(text(given["new_name"]))
    else:
        field = given["field"]
        if not isinstance(field, ast.Call):
            raise _UnreadableError
        forgets = constant(given.get("preserve_default")) is False
        model.fields[said["name"]] = MigratedField(field, module, forgets)


def _created(given: Mapping[str, ast.expr], module: PythonModule) -> MigratedModel:
    options = _options(given.get("options"))
    indexes = {_name_of(each) for each in _items(options.pop("indexes", None))}
    return MigratedModel(dict(_fields(given["fields"], module)), options, indexes)


def _options(node: ast.expr | None) -> dict[str, ast.expr]:
    if node is None:
        return {}
    if not isinstance(node, ast.Dict) or None in node.keys:
        raise _UnreadableError
    return {text(key): value for key, value in zip(node.keys, node.values, strict=True)}


def _name_of(index: ast.expr) -> str:
    named = (each.value for each in index.keywords if each.arg == "name") if isinstance(index, ast.Call) else iter(())
    return text(next(named, None))


def _fields(node: ast.expr, module: PythonModule) -> Iterator[tuple[str, MigratedField]]:
    for pair in _items(node):
        if not isinstance(pair, ast.Tuple) or len(pair.elts) != 2 or not isinstance(pair.elts[1], ast.Call):
            raise _UnreadableError
        yield text(pair.elts[0]).lower(), MigratedField(pair.elts[1], module)
