"""Whether the application, started on the runner, answers a plain request to http://localhost, as its settings say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from fixer.django.settings import EnvRead, environment_reads, resolve
from fixer.languages.python import PythonModule, constant, text
from fixer.model import Blocked

if TYPE_CHECKING:
    from fixer.django.project import DjangoProject

HOSTS = frozenset({"*", "localhost", ".localhost"})
_ON = re.compile(r"(1|true|yes|on|t|y)$", re.IGNORECASE)


def local_access(project: DjangoProject, environment: Mapping[str, str], rule: str) -> dict[str, str] | Blocked:
    """The variables without which these settings would turn a request to http://localhost away.

    `environment` is what is set already; `rule` is the id of the rule whose option `env` could name other settings.
    Where the settings leave no choice, why, and which settings to take instead. What cannot be told counts as open.
    """
    found = _access(project, environment)
    if isinstance(found, dict):
        return found
    reason, name = found
    others = (
        replace(project, settings=project.module_name(path), settings_path=path)
        for path, module in project.modules.items()
        if module.role == "development" and path != project.settings_path
    )
    other = next((each.settings for each in others if isinstance(_access(each, environment), dict)), "")
    config = f'rules.{rule}.env = {{ DJANGO_SETTINGS_MODULE = "{other}" }}' if other else ""
    return Blocked(reason, f"read {name} from the environment" + (", or start other settings" if other else ""), config)


def _access(project: DjangoProject, environment: Mapping[str, str]) -> dict[str, str] | tuple[str, str]:
    """The variables, or the reason and the name of the setting that leaves no choice."""
    found: dict[str, str] = {}
    off = _is_off(project, environment)
    redirect = _last(project, "SECURE_SSL_REDIRECT", off)
    if redirect is not None:
        module, value = redirect
        read = next(environment_reads(module, value), None)
        if read is not None and _may_be_on(read, environment):
            found[read.name] = "False"
        elif read is None and constant(value) is True:
            return f"{module.path}:{value.lineno} sends every request on to HTTPS", "SECURE_SSL_REDIRECT"
    hosts = _last(project, "ALLOWED_HOSTS", off)
    if hosts is None:
        return (f"{project.settings_path} allows no host", "ALLOWED_HOSTS") if off else found
    module, value = hosts
    read = next(environment_reads(module, value), None)
    names = {text(node) for node in ast.walk(resolve(module, value)) if text(node)}
    if read is not None:
        given = environment.get(read.name, read.default)
        if not HOSTS & {*re.split(r"[\s,;]+", str(given or "")), *(names - {read.name})}:
            found[read.name] = "localhost"
    # Django lets localhost in where the list is empty and DEBUG is on.
    elif _is_literal(value) and not HOSTS & names and (names or off):
        return f"{module.path}:{value.lineno} does not allow localhost", "ALLOWED_HOSTS"
    return found


def _is_literal(value: ast.expr) -> bool:
    return isinstance(value, ast.List | ast.Tuple) and all(text(each) for each in value.elts)


def _is_off(project: DjangoProject, environment: Mapping[str, str]) -> bool:
    """Whether DEBUG is off for certain."""
    found = _last(project, "DEBUG", off=False)
    if found is None:
        return True  # Django's own default
    module, value = found
    if constant(value) in (True, False):
        return constant(value) is False
    reads = list(environment_reads(module, value))
    if len(reads) != 1 or isinstance(resolve(module, value), ast.UnaryOp):
        return False
    given = environment.get(reads[0].name, reads[0].default)
    return given is None or not _ON.match(str(given).strip())


def _may_be_on(read: EnvRead, environment: Mapping[str, str]) -> bool:
    given = environment.get(read.name, read.default)
    return given is not None and bool(_ON.match(str(given).strip()))


def _last(project: DjangoProject, name: str, off: bool) -> tuple[PythonModule, ast.expr] | None:
    """The value that a setting ends up with: plain statements, and those below `if not DEBUG` where that is `off`."""
    found = None
    for module in project.chain(project.settings_path):
        for statement in _statements(module.document.tree.body, off):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if statement.value is not None and any(isinstance(t, ast.Name) and t.id == name for t in targets):
                found = (module.document, statement.value)
    return found


def _statements(body: list[ast.stmt], off: bool) -> Iterator[ast.Assign | ast.AnnAssign]:
    for statement in body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            yield statement
        elif isinstance(statement, ast.If) and off:
            test = ast.unparse(statement.test)
            if test == "not DEBUG":
                yield from _statements(statement.body, off)
            elif test == "DEBUG":
                yield from _statements(statement.orelse, off)
