"""The processes that serve the application, and what those of gunicorn need to count together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from fixer.django.project import DjangoProject
from fixer.languages.python import PythonModule
from fixer.model import Blocked, FileError, NewFile, Parts, joined
from fixer.runtime.picture import Runtime
from fixer.runtime.places import Place
from fixer.runtime.programs import Started
from fixer.scripts import script

if TYPE_CHECKING:
    from fixer.repository import Repository

_SERVERS = frozenset((
    "daphne", "fastapi", "granian", "gunicorn", "hypercorn", "mod_wsgi-express", "unitd", "uvicorn", "uwsgi",
    "waitress-serve", "bjoern",
))  # fmt: skip
_ONE_PROCESS = frozenset(("daphne", "waitress-serve", "bjoern"))
_WORKERS = ("-w", "--workers", "--processes")
_CONFIG = "gunicorn.conf.py"
_HOOKS = re.compile(r"^def (child_exit|on_exit)\b", re.MULTILINE)
_WORKERS_SET = re.compile(r"^workers\s*=\s*(\d+)\s*(?:#.*)?$", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Served:
    """A command that serves the application. `workers` is None where it does not say how many processes it starts."""

    started: Started
    place: Place
    program: str
    workers: int | None


@dataclass(frozen=True, eq=False)
class Configs:
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
                found.setdefault(
                    (started.path, started.line), Served(started, program.place, name, _count(started, name))
                )
    return tuple(found.values())


def _count(started: Started, name: str) -> int | None:
    if name in _ONE_PROCESS:
        return 1
    given = _value(started.argv, *_WORKERS)
    if given.isdigit():
        return int(given)
    return 1 if name == "uvicorn" and not given else None


def _value(argv: Sequence[str], *names: str) -> str:
    for index, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else argv[index + 1] if index + 1 < len(argv) else ""
    return ""


def sharing(servers: Iterable[Served], configs: Configs) -> tuple[Parts | NewFile, ...]:
    """What lets the workers of each server count in one folder."""
    found: dict[str, Parts | NewFile] = {}
    for each in servers:
        path, part = _sharing(each, configs)
        found.setdefault(path, part)
    return tuple(part for part in found.values() if part != ())


def _sharing(server: Served, configs: Configs) -> tuple[str, Parts | NewFile]:
    started = server.started
    place = f"{started.path}:{started.line}"
    if server.program != "gunicorn":
        return place, Blocked(
            f"{place}: the processes of {server.program} have no place to share what they count",
            "start it as `PROMETHEUS_MULTIPROC_DIR=$(mktemp -d) …`, or start one process in each container",
        )
    if _value(started.argv, "-u", "--user"):
        return place, Blocked(
            f"{place}: gunicorn changes its user, and the folder would belong to the first one",
            "let the container start as that user",
        )
    given = _value(started.argv, "-c", "--config").removeprefix("file:")
    if started.folder is None or given.startswith("python:"):
        return place, Blocked(f"{place}: where gunicorn reads its configuration is not known", f"set it in {_CONFIG}")
    path = _path(started.folder, given, configs) if given else f"{started.folder}/{_CONFIG}".lstrip("/")
    if path in configs.modules:
        return path, _extended(configs.modules[path], server)
    if given or path in configs.refused:
        why = configs.refused.get(path, "it is not there")
        return path, Blocked(f"{path}, which configures gunicorn, cannot be edited: {why}", "write it by hand")
    return path, NewFile(path, script(__package__, _CONFIG))


def _path(folder: str, given: str, configs: Configs) -> str:
    """The file of the repository that `--config` means: from where gunicorn starts, or by its end within an image."""
    path = f"{folder}/{given.removeprefix('./')}".lstrip("/") if not given.startswith("/") else given
    if path in configs.modules:
        return path
    ends = [each for each in configs.modules if given.endswith(f"/{each.rpartition('/')[2]}")]
    return ends[0] if len(ends) == 1 else path


def _extended(module: PythonModule, server: Served) -> Parts:
    """A configuration that is there gets the same lines, unless it says that there is one worker."""
    text = module.source.text
    count = _WORKERS_SET.search(text)
    if "PROMETHEUS_MULTIPROC_DIR" in text or (server.workers is None and count is not None and count[1] == "1"):
        return ()
    hook = _HOOKS.search(text)
    if hook is not None:
        return Blocked(
            f"{module.path} defines {hook[1]} already",
            "let it call prometheus_client.multiprocess.mark_process_dead(worker.pid), and set"
            " PROMETHEUS_MULTIPROC_DIR at its top",
        )
    code = script(__package__, _CONFIG).partition("import tempfile\n")[2].strip("\n")
    imports = module.add_imports("os", "shutil", "tempfile")
    return joined([imports, module.append_code(module.in_its_quotes(code))])
