"""Which Django settings module a command loads: by option, by the environment, or by what manage.py and wsgi.py say.

https://docs.djangoproject.com/en/stable/topics/settings/#designating-the-settings
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from fixer.runtime.programs import SETTINGS_VARIABLE as VARIABLE
from fixer.runtime.programs import Environment, Started, django_verb

if TYPE_CHECKING:
    from fixer.repository import Repository

_APPLICATION = re.compile(r"[A-Za-z_][\w.]*(:[\w.()]+)?$")
_SERVERS = frozenset(("gunicorn", "uvicorn", "daphne", "hypercorn", "granian", "waitress-serve", "uwsgi"))
_WORKERS = frozenset(("celery", "dramatiq"))
IS_DJANGOS = re.compile(
    r"^\s*(from|import)\s+(django|channels)\b|get_[aw]sgi_application|DJANGO_SETTINGS|django\.conf\b", re.MULTILINE
)
"""What a module says that is, or loads, an application of Django."""
_TEST_CONFIGURATIONS = ("pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.\w+)+")
_FAMILY = re.compile(r"((?:[A-Za-z_]\w*\.)+)(?:$|%|\{)")
_IN_CONFIGURATION = re.compile(r"^\s*DJANGO_SETTINGS_MODULE\s*=\s*[\"']?([\w.]+)", re.MULTILINE)


def runs_django(commands: Iterable[Started], environment: Environment, repository: Repository) -> bool:
    """Whether one of the commands is Django's, as far as the repository's files tell."""
    return any(_is_django(each, environment, repository) for each in commands)


def loads(commands: Iterable[Started], environment: Environment, repository: Repository) -> frozenset[str]:
    """The settings modules that these commands load; empty where one of them leaves it open."""
    found: set[str] = set()
    for command in commands:
        if not _is_django(command, environment, repository):
            continue
        names = _told(command, environment)
        if names is None:
            names = _by_default(command, repository)
        if not names:
            return frozenset()
        found |= names
    return frozenset(found)


def _is_django(command: Started, environment: Environment, repository: Repository) -> bool:
    if django_verb(command.argv):
        return True
    name = command.command.name.rpartition("/")[2]
    if name in ("pytest", "py.test"):
        told = (
            VARIABLE in command.inline
            or environment.sets(VARIABLE)
            or any(v.name == VARIABLE for v in command.exported)
        )
        return (
            told
            or bool(_by_configuration(command, repository))
            or _file("manage.py", command.folder, repository) is not None
        )
    if name in _SERVERS or name in _WORKERS:
        files = list(_application_files(command, repository))
        return any(IS_DJANGOS.search(repository.text(path)) for path in files) or (not files and name in _SERVERS)
    if name.startswith("python") or name.endswith(".py"):
        script = next((word for word in command.argv if word.endswith(".py")), "")
        path = _file(script, command.folder, repository) if script else None
        return path is not None and VARIABLE in repository.text(path)
    return False


def _told(command: Started, environment: Environment) -> set[str] | None:
    """What an option or the environment says; None where neither does, an empty set where it is not known."""
    given = command.command.value("--settings", "--ds")
    if given is not None:
        return {given.text} if given.literal else set()
    if VARIABLE in command.inline:
        return {command.inline[VARIABLE]}
    own = [value for value in command.exported if value.name == VARIABLE]
    values = [own[-1]] if own else list(environment.of(VARIABLE))
    if not values:
        return None
    if any(not value.text or "$" in value.text for value in values):
        return set()
    return {value.text for value in values if value.text}


def _by_default(command: Started, repository: Repository) -> set[str]:
    """What the started files say where nobody else does."""
    name = command.command.name.rpartition("/")[2]
    if name in ("pytest", "py.test"):
        return _by_configuration(command, repository)
    found: set[str] = set()
    for path in _application_files(command, repository):
        found |= set(said_in(repository.text(path)))
    return found


def _by_configuration(command: Started, repository: Repository) -> set[str]:
    folder = command.folder or ""
    while True:
        for name in _TEST_CONFIGURATIONS:
            said = configured_in(repository.text(posixpath.join(folder, name)))
            if said:
                return {said[0]}
        if not folder:
            return set()
        folder = posixpath.dirname(folder)


def _application_files(command: Started, repository: Repository) -> Iterator[str]:
    """The Python files that a command starts from: manage.py, the module of the application."""
    if django_verb(command.argv):
        script = next(
            (word for word in command.argv if word.endswith(".py") and "django-admin" not in word), "manage.py"
        )
        path = _file(script, command.folder, repository)
        if path is not None:
            yield path
        return
    name = command.command.name.rpartition("/")[2]
    if name.startswith("python") or name.endswith(".py"):
        script = next((word for word in command.argv if word.endswith(".py")), "")
        path = _file(script, command.folder, repository) if script else None
        if path is not None:
            yield path
        return
    if name in _WORKERS:
        given = command.command.value("-A", "--app")
        module = given.text if given is not None else ""
        tails = [f"{module.replace('.', '/')}{end}" for end in ("/celery.py", ".py", "/celery_app.py", "/__init__.py")]
        for tail in tails if module else []:
            path = _file(tail, command.folder, repository)
            if path is not None:
                yield path
        return
    for word in command.argv[1:]:
        if _APPLICATION.match(word) and ("." in word or ":" in word):
            module = word.partition(":")[0].replace(".", "/")
            path = _file(f"{module}.py", command.folder, repository)
            if path is not None:
                yield path
                return


def _file(tail: str, folder: str | None, repository: Repository) -> str | None:
    """The file below the folder of a command, else the only one whose path ends like this."""
    tail = tail.lstrip("./") if tail.startswith("./") else tail.lstrip("/")
    if folder is not None and repository.exists(path := posixpath.normpath(posixpath.join(folder, tail))):
        return path
    named = repository.named(posixpath.basename(tail))
    found = [path for path in named if path == tail or path.endswith(f"/{tail}")]
    inside = [path for path in found if folder and path.startswith(f"{folder}/")]
    return (inside or found)[0] if len(inside or found) == 1 else None


def configured_in(text: str) -> list[str]:
    """The settings modules that a configuration of tests names."""
    return _IN_CONFIGURATION.findall(text)


@lru_cache(maxsize=256)
def said_in(text: str) -> tuple[str, ...]:
    """The settings modules that a Python file names: `os.environ.setdefault("DJANGO_SETTINGS_MODULE", "…")`."""
    return tuple(said for said, alone in _strings(text) if _MODULE.fullmatch(said) or (alone and said.isidentifier()))


@lru_cache(maxsize=256)
def families_in(text: str) -> tuple[str, ...]:
    """What names of settings modules begin with that a Python file puts together: `f"config.settings.{NAME}"`."""
    begun = (_FAMILY.match(said) for said, _ in _strings(text))
    return tuple(found[1] for found in begun if found is not None)


def _strings(text: str) -> tuple[tuple[str, bool], ...]:
    """All strings of what the variable is set to, also through a name that is assigned in the file, each with whether
    it stands alone."""
    if VARIABLE not in text:
        return ()
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return ()
    nodes = list(ast.walk(tree))
    given = [value for node in nodes if (value := _given(node)) is not None]
    names = {each.id for value in given for each in ast.walk(value) if isinstance(each, ast.Name)}
    given += [node.value for node in nodes if isinstance(node, ast.Assign) and names & _targets(node)]
    texts = ((each, each is value) for value in given for each in ast.walk(value) if isinstance(each, ast.Constant))
    return tuple(dict.fromkeys((each.value, alone) for each, alone in texts if isinstance(each.value, str)))


def _given(node: ast.AST) -> ast.expr | None:
    """What a statement or a call sets the variable to."""
    if isinstance(node, ast.Call) and len(node.args) == 2 and _is_variable(node.args[0]):
        return node.args[1]
    if isinstance(node, ast.Assign):
        target = node.targets[0]
        if isinstance(target, ast.Subscript) and _is_variable(target.slice):
            return node.value
    return None


def _targets(node: ast.Assign) -> set[str]:
    return {each.id for each in node.targets if isinstance(each, ast.Name)}


def _is_variable(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == VARIABLE
