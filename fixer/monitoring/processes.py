"""The processes that serve the application in production, and the files that configure them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from fixer.django.project import DjangoProject
from fixer.languages.python import PythonModule
from fixer.model import FileError
from fixer.records import entity
from fixer.runtime.picture import Runtime
from fixer.runtime.places import Place
from fixer.runtime.programs import Started

if TYPE_CHECKING:
    from fixer.repository import Repository

_SERVERS = frozenset((
    "daphne", "fastapi", "granian", "gunicorn", "hypercorn", "mod_wsgi-express", "unitd", "uvicorn", "uwsgi",
    "waitress-serve", "bjoern",
))  # fmt: skip
_ONE_PROCESS = frozenset(("daphne", "waitress-serve", "bjoern"))
_WORKERS = ("-w", "--workers", "--processes")


@entity
class Served:
    """A command that serves the application. `workers` is None where it does not say how many processes it starts;
    `is_told_more`: a variable of gunicorn's gives it further options."""

    started: Started
    place: Place
    program: str
    workers: int | None
    is_told_more: bool = False


@entity
class GunicornConfigs:
    """The Python files that configure gunicorn, by path; `refused` are those that cannot be read, `taken` all files."""

    modules: Mapping[str, PythonModule]
    refused: Mapping[str, str]
    taken: frozenset[str]

    def packages(self, root: str) -> tuple[str, ...]:
        """The names that can be imported where a folder is the import root."""
        below = f"{root}/" if root else ""
        inside = (path.removeprefix(below) for path in self.taken if path.startswith(below) and path.endswith(".py"))
        return tuple(sorted({path.partition("/")[0].removesuffix(".py") for path in inside}))

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        modules: dict[str, PythonModule] = {}
        refused: dict[str, str] = {}
        for path in repository.glob("*gunicorn*.py"):
            try:
                document = repository.document(path)
            except FileError as error:
                refused[path] = error.reason
                continue
            if isinstance(document, PythonModule):
                modules[path] = document
        return cls(modules, refused, frozenset(repository.files))


def served(project: DjangoProject, runtime: Runtime) -> tuple[Served, ...]:
    """The commands by which production serves a project; one that several files start counts once."""
    found: dict[tuple[str, int], Served] = {}
    for program in runtime.deployed:
        if not program.is_django:
            continue
        for started in program.commands:
            name = started.command.name.rpartition("/")[2]
            if name in _SERVERS:
                more = name == "gunicorn" and program.environment.sets("GUNICORN_CMD_ARGS")
                each = Served(started, program.place, name, _count(started, name), more)
                found.setdefault((started.path, started.line), each)
    return tuple(found.values())


def _count(started: Started, name: str) -> int | None:
    if name in _ONE_PROCESS:
        return 1
    given = started_with(started, *_WORKERS)
    if given.isdigit():
        return int(given)
    return 1 if name == "uvicorn" and not given else None


def started_with(started: Started, *names: str) -> str:
    """The value of an option of a command; empty where it is not given."""
    for index, word in enumerate(started.argv):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else started.argv[index + 1] if index + 1 < len(started.argv) else ""
    return ""
