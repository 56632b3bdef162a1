"""What starts the Django application in production, from Dockerfiles, compose, systemd, supervisor and Procfile.

Whether it is WSGI or ASGI decides about database connections: under ASGI a persistent connection is never used
again, https://docs.djangoproject.com/en/stable/ref/databases/#caveats
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from fixer.languages.python import PythonModule, text
from fixer.languages.tables import natural
from fixer.project.packages import PythonPackages
from fixer.runtime.picture import Runtime

if TYPE_CHECKING:
    from fixer.django.project import DjangoProject
    from fixer.repository import Repository

Interface = Literal["wsgi", "asgi", ""]

_SERVERS: dict[str, Interface] = {
    "gunicorn": "wsgi", "uwsgi": "wsgi", "waitress-serve": "wsgi", "mod_wsgi-express": "wsgi", "bjoern": "wsgi",
    "unitd": "", "uvicorn": "asgi", "daphne": "asgi", "hypercorn": "asgi", "granian": "",
}  # fmt: skip
_WSGI_PACKAGES = ("gunicorn", "uwsgi", "waitress", "mod-wsgi", "bjoern")
_ASGI_PACKAGES = ("uvicorn", "uvicorn-worker", "daphne", "hypercorn", "granian", "channels")
_STARTS_SERVER = re.compile(
    r"(?<![\w./-])(?:[\w./-]*/)?(gunicorn|uwsgi|waitress-serve|mod_wsgi-express|uvicorn|daphne|hypercorn|granian)(?![\w.])"
)
_ASGI_WORKER = re.compile(r"uvicorn|asgi|hypercorn", re.IGNORECASE)
_GREEN_WORKER = re.compile(r"gevent|eventlet", re.IGNORECASE)
_SCRIPT = re.compile(
    r"(?<![\w./-])([\w./-]+\.(?:sh|bash))\b|(?:^|[\s\"'\[/])((?:entrypoint|start|run|serve)[\w-]*)(?=[\s\"'\],]|$)"
)
# The first that starts a server decides: a container runs as it is built wherever it is deployed.
_SOURCES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "container",
        re.compile(r"(^|/)([^/]*Dockerfile[^/]*|Containerfile|(docker-)?compose[^/]*\.ya?ml)$", re.IGNORECASE),
    ),
    ("service", re.compile(r"\.service$|(^|/)[^/]*supervisor[^/]*\.(conf|ini)$")),
    ("procfile", re.compile(r"(^|/)(Procfile|render\.ya?ml|railway\.(json|toml)|nixpacks\.toml|fly\.toml)$")),
)
_MAKES = re.compile(r"get_[aw]sgi_application\(")
_ASIDE = re.compile(
    r"(^|[/._-])(tests?|testing|dev|devel|development|local|e2e|ci|examples?|docs?)([/._-]|$)", re.IGNORECASE
)


class ServerCommand(NamedTuple):
    """One command that starts an application server. `workers` and `threads` are None where it does not say.

    `is_green`: each request has a greenlet of its own, by gevent or eventlet. `timeout` is how many seconds a request
    may take, 0 for any time, None where it does not say.
    """

    path: str
    line: int
    server: str
    interface: Interface
    application: str
    workers: int | None
    threads: int | None
    source: str
    is_green: bool = False
    timeout: int | None = None


@dataclass(frozen=True)
class AppServer:
    """Every command that starts the Django application; `by_packages` is what the requirements alone tell."""

    commands: tuple[ServerCommand, ...]
    by_packages: Interface

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where nothing tells how the application is started."""
        found: list[ServerCommand] = []
        for source, pattern in _SOURCES:
            for path in repository.files:
                if pattern.search(path):
                    found += _commands(repository, path, source)
        if not found:
            found = list(_followed(repository))
        packages = repository.fact(PythonPackages)
        by_packages: Interface = ""
        if packages is not None:
            names = {requirement.name for requirement in packages.requirements if not requirement.development}
            if names & set(_WSGI_PACKAGES) and not names & set(_ASGI_PACKAGES):
                by_packages = "wsgi"
        found = [command for command in found if _is_django(repository, command)]
        found.sort(key=lambda command: _ASIDE.search(command.path) is not None)
        return cls(tuple(found), by_packages) if found or by_packages else None

    @property
    def applications(self) -> tuple[str, ...]:
        """Dotted names of the modules that the deciding commands start."""
        return tuple(command.application.partition(":")[0] for command in self.deciding if command.application)

    def near(self, folder: str) -> AppServer:
        """The same for one of several projects: the commands below its folder, else in the nearest above."""
        own = [command for command in self.commands if f"{command.path}/".startswith(f"{folder}/" if folder else "")]
        above = folder
        while not own and above:
            above = above.rpartition("/")[0]
            own = [command for command in self.commands if command.path.rpartition("/")[0] == above]
        return AppServer(tuple(own), self.by_packages)

    @cached_property
    def deciding(self) -> tuple[ServerCommand, ...]:
        """The commands of the first kind of source that has any; those for development do not count beside others."""
        for source, _ in _SOURCES:
            here = [command for command in self.commands if command.source == source]
            production = [command for command in here if not _ASIDE.search(command.path)]
            if production or here:
                return tuple(production or here)
        return ()

    @property
    def interface(self) -> Interface:
        """What production runs; empty where commands of one kind contradict each other, or none tells."""
        found = {command.interface for command in self.deciding}
        if len(found) == 1:
            return found.pop()
        return "" if found else self.by_packages

    @property
    def is_green(self) -> bool:
        """Whether any command that decides gives each request a greenlet of its own."""
        return any(command.is_green for command in self.deciding)

    @property
    def timeout(self) -> int | None:
        """How many seconds a request may take at most, 0 for any time; None where no command says."""
        given = [command.timeout for command in self.deciding if command.timeout is not None]
        return (0 if 0 in given else max(given)) if given else None

    @property
    def contradicting(self) -> tuple[ServerCommand, ...]:
        """Commands that start the other interface than the one that decides."""
        return tuple(c for c in self.commands if c.interface and self.interface and c.interface != self.interface)

    @property
    def connections(self) -> int | None:
        """How many connections all workers and threads of one instance may keep open, None where it is not said."""
        counts = [(c.workers or 1) * (c.threads or 1) for c in self.deciding if c.workers or c.threads]
        return max(counts, default=None)

    @property
    def reason(self) -> str:
        """Which file says so, for a message."""
        if self.deciding:
            first = self.deciding[0]
            return f"{first.path}:{first.line} starts {first.server} ({first.interface.upper()})"
        return "no ASGI server is among the requirements" if self.by_packages else ""


@dataclass(frozen=True, eq=False)
class Applications:
    """The modules that make the application for a server: wsgi.py, asgi.py, by their calls."""

    modules: tuple[PythonModule, ...]
    server: AppServer | None

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where there is none."""
        documents = repository.documents(PythonModule, lambda source: "sgi_application" in source.text)
        found = [module for module in documents if _MAKES.search(module.source.text)]
        return cls(tuple(found), repository.fact(AppServer)) if found else None

    def of(self, project: DjangoProject, interface: str) -> tuple[PythonModule, ...]:
        """The modules that a server of this interface ("wsgi", "asgi", or empty for either) loads for a project.

        Of several those that a command or the settings name; none where that does not tell.
        """
        roots = {other.root for other in project.others if other.root and other.root != project.root}
        below = f"{project.root}/" if project.root else ""
        own = [
            module
            for module in self.modules
            if module.path.startswith(below)
            and not _ASIDE.search(module.path)
            and not any(module.path.startswith(f"{root}/") for root in roots)
            and (not interface or f"get_{interface}_application(" in module.source.text)
        ]
        names = list(self.server.applications) if self.server is not None else []
        for settings in project.chain(project.production_path):
            for name in ("WSGI_APPLICATION", "ASGI_APPLICATION"):
                values = settings.document.assignments.get(name, ())
                names += [text(value).rpartition(".")[0] for value in values]
        named = [module for module in own if any(_is_module(module.path, name) for name in names if name)]
        kinds = [module.path.rpartition("/")[2] for module in own]
        return tuple(named or (own if len(set(kinds)) == len(kinds) else ()))


def _is_module(path: str, name: str) -> bool:
    return f"/{path}".endswith(f"/{name.replace('.', '/')}.py")


def _followed(repository: Repository) -> Iterator[ServerCommand]:
    """What deployed programs start through other files, such as `ENTRYPOINT ["make", "serve"]`."""
    runtime = repository.fact(Runtime)
    for program in runtime.deployed if runtime is not None else ():
        for started in program.commands:
            if _STARTS_SERVER.search(started.command.source):
                yield from _parsed(repository, started.path, started.line, started.command.source, "container")


def _commands(repository: Repository, path: str, source: str) -> Iterator[ServerCommand]:
    for number, line in _starts(path, repository.text(path)):
        if _STARTS_SERVER.search(line):
            yield from _parsed(repository, path, number, line, source)
            continue
        scripts = {(script[1] or script[2]).rpartition("/")[2] for script in _SCRIPT.finditer(line)} - {""}
        for other in sorted(path for script in scripts for path in repository.named(script)):
            for at, inner in _logical_lines(repository.text(other)):
                if _STARTS_SERVER.search(inner):
                    yield from _parsed(repository, other, at, inner, source)


def _starts(path: str, text: str) -> Iterator[tuple[int, str]]:
    """(line number, text) of what may start a process."""
    if re.search(r"(?i)dockerfile|containerfile", path):
        kept = re.compile(r"(CMD|ENTRYPOINT)\b", re.IGNORECASE)
    elif path.endswith((".yml", ".yaml")):
        kept = re.compile(r"(?!image:|container_name:|build:|context:|dockerfile:)")
    else:
        kept = re.compile(r"(ExecStart|command)\s*=|[\w-]+:")
    return ((number, line) for number, line in _logical_lines(text) if kept.match(line))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of its first line, text) of every line but comments, with the lines that a backslash joins to it."""
    joined, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        content = line.strip()
        if content.startswith("#"):
            continue
        joined, first = (f"{joined} {content}", first) if joined else (content, number)
        if joined.endswith("\\"):
            joined = joined[:-1]
            continue
        yield first, joined
        joined = ""


def _parsed(repository: Repository, path: str, line: int, text: str, source: str) -> Iterator[ServerCommand]:
    found = _STARTS_SERVER.search(text)
    if found is None:
        return
    rest = re.sub(r"""[\[\]"',]""", " ", text[found.start() :])
    try:
        words = shlex.split(rest)
    except ValueError:
        words = rest.split()
    server = found[1]
    if len(words) < 2:
        return  # a mention, such as a service's name
    options = _options(words)
    config = _gunicorn_config(repository, options) if server == "gunicorn" else {}
    interface = _SERVERS[server]
    if server == "gunicorn":
        worker = options.get("-k") or options.get("--worker-class") or config.get("worker_class", "")
        interface = "asgi" if _ASGI_WORKER.search(worker) else "wsgi"
    elif server == "granian":
        interface = "wsgi" if options.get("--interface") == "wsgi" else "asgi"
    elif (server == "uvicorn" and options.get("--interface") == "wsgi") or (server == "hypercorn" and "wsgi:" in text):
        interface = "wsgi"
    application = next((word for word in words[1:] if re.match(r"[A-Za-z_][\w.]*(:[\w.()]+)?$", word) and
                        ("." in word or ":" in word) and word not in options.values()), "")  # fmt: skip
    workers = options.get("-w") or options.get("--workers") or options.get("--processes") or config.get("workers", "")
    threads = options.get("--threads") or config.get("threads", "")
    timeout = options.get("-t") or options.get("--timeout") or config.get("timeout", "") if server == "gunicorn" else ""
    green = _GREEN_WORKER.search(options.get("-k") or options.get("--worker-class") or config.get("worker_class", ""))
    is_green = green is not None or "--gevent" in options
    yield ServerCommand(
        path,
        line,
        server,
        interface,
        application,
        natural(workers),
        natural(threads),
        source,
        is_green,
        natural(timeout),
    )


def _options(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for index, word in enumerate(words):
        if word.startswith("-"):
            name, equals, value = word.partition("=")
            following = words[index + 1] if index + 1 < len(words) and not words[index + 1].startswith("-") else ""
            found[name] = value if equals else following
    return found


def _gunicorn_config(repository: Repository, options: dict[str, str]) -> dict[str, str]:
    name = (
        (options.get("-c") or options.get("--config") or "gunicorn.conf.py")
        .removeprefix("python:")
        .removeprefix("file:")
    )
    file = name if name.endswith(".py") else name.replace(".", "/") + ".py"
    last = file.rpartition("/")[2]
    for path in repository.named(last):
        return dict(re.findall(r"""^(\w+)\s*=\s*["']?([\w.]+)["']?""", repository.text(path), re.MULTILINE))
    return {}


def _is_django(repository: Repository, command: ServerCommand) -> bool:
    """Whether the command can be Django's: its application is a module that speaks of Django, or is not ours to see."""
    module = command.application.partition(":")[0]
    if not module:
        return True
    tail = module.replace(".", "/") + ".py"
    named = repository.named(tail.rpartition("/")[2])
    found = [path for path in named if path == tail or path.endswith(f"/{tail}")]
    if not found:
        return "sgi" in module or "." in module
    return any(re.search(r"django|get_[aw]sgi_application", repository.text(path)) for path in found)
