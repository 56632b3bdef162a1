"""What starts the Django application in production: the servers among the commands of what runs.

Whether it is WSGI or ASGI decides about database connections: under ASGI a persistent connection is never used
again, https://docs.djangoproject.com/en/stable/ref/databases/#caveats
"""

from __future__ import annotations

import ast
import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self

from fixer.languages.python import PythonModule, text
from fixer.languages.tables import natural
from fixer.project.packages import PythonPackages
from fixer.records import entity, record
from fixer.runtime.picture import Runtime
from fixer.runtime.programs import django_verb
from fixer.runtime.settings import IS_DJANGOS

if TYPE_CHECKING:
    from fixer.django.project import DjangoProject
    from fixer.repository import Repository
    from fixer.runtime.programs import Program, Started

Interface = Literal["wsgi", "asgi", ""]

_SERVERS: dict[str, Interface] = {
    "gunicorn": "wsgi", "uwsgi": "wsgi", "waitress-serve": "wsgi", "mod_wsgi-express": "wsgi", "bjoern": "wsgi",
    "unitd": "", "uvicorn": "asgi", "daphne": "asgi", "hypercorn": "asgi", "granian": "",
}  # fmt: skip
_GREEN_PACKAGES = ("gevent", "eventlet")
_WSGI_PACKAGES = ("gunicorn", "uwsgi", "waitress", "mod-wsgi", "bjoern")
_ASGI_PACKAGES = ("uvicorn", "uvicorn-worker", "daphne", "hypercorn", "granian", "channels")
_ASGI_WORKER = re.compile(r"uvicorn|asgi|hypercorn", re.IGNORECASE)
_GREEN_WORKER = re.compile(r"gevent|eventlet", re.IGNORECASE)
_APPLICATION = re.compile(r"[A-Za-z_][\w.]*(:[\w.()]+)?")
# Whose file says how the application runs decides in this order: a container runs as it is built wherever it is
# deployed, and a Procfile beside it is for another place.
_SOURCES = ("container", "service", "procfile")
_OF_ORIGIN = {"systemd": "service", "supervisor": "service"} | dict.fromkeys(
    ("procfile", "app.json", "render", "railway", "fly", "heroku.yml", "app engine", "digitalocean"), "procfile"
)
# Where each request may meet another function, which is frozen between them with all that it keeps.
_FUNCTIONS = ("vercel.json", "zappa_settings.json", "zappa_settings.yml", "serverless.yml", "netlify.toml")
_NOT_DEPLOYED = ("workflow", "script")
_MAKES = re.compile(r"get_[aw]sgi_application\(")
_ASIDE = re.compile(
    r"(^|[/._-])(tests?|testing|dev|devel|development|local|e2e|ci|examples?|docs?)([/._-]|$)", re.IGNORECASE
)


@record
class ServerCommand:
    """One command that starts an application server. `workers` and `threads` are None where it does not say.

    `is_green`: each request has a greenlet of its own, by gevent or eventlet. `timeout` is how many seconds a request
    may take, 0 for any time, None where it does not say; `times_out_by` is what says it when the program starts.
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
    times_out_by: str = ""

    @property
    def is_aside(self) -> bool:
        """Whether the file is for development, tests or examples."""
        return _ASIDE.search(self.path) is not None


@record
class AppServer:
    """Every command that starts the Django application; `by_packages` is what the requirements alone tell, which is
    nothing where workers may be green. `own` is where Django's own server is started, and no other is. `uncalled`
    stand in scripts that nothing here is seen to start: a person or a platform may."""

    commands: tuple[ServerCommand, ...]
    by_packages: Interface
    own: str = ""
    uncalled: tuple[ServerCommand, ...] = ()

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where nothing tells how the application is started."""
        runtime = repository.fact(Runtime)
        programs = runtime.programs if runtime is not None else ()
        # A script that an image and a Procfile start is that of the image.
        deployed = [each for each in programs if each.origin not in _NOT_DEPLOYED]
        found = _servers(repository, sorted(deployed, key=lambda each: _SOURCES.index(_source(each))))
        in_scripts = _servers(repository, [each for each in programs if each.origin == "script"])
        uncalled = tuple(each for at, each in in_scripts.items() if at not in found)
        running = runtime.deployed if runtime is not None else ()
        started_by_django = (each for program in running for each in program.commands if _is_own(each))
        own = next((f"{each.path}:{each.line}" for each in started_by_django), "") if not found else ""
        packages = repository.fact(PythonPackages)
        by_packages: Interface = ""
        only_asgi = repository.named("asgi.py") and not repository.named("wsgi.py")
        frozen = any(repository.named(name) for name in _FUNCTIONS)
        if packages is not None and not (own or only_asgi or frozen):
            names = {requirement.name for requirement in packages.requirements if not requirement.development}
            if names & set(_WSGI_PACKAGES) and not names & {*_ASGI_PACKAGES, *_GREEN_PACKAGES}:
                by_packages = "wsgi"
        commands = sorted(found.values(), key=lambda command: (command.is_aside, _SOURCES.index(command.source)))
        return cls(tuple(commands), by_packages, own, uncalled) if commands or by_packages or own else None

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
        return AppServer(tuple(own), self.by_packages, self.own, self.uncalled)

    @cached_property
    def deciding(self) -> tuple[ServerCommand, ...]:
        """The commands of the first kind of source that has any; those for development do not count beside others."""
        for source in _SOURCES:
            here = [command for command in self.commands if command.source == source]
            production = [command for command in here if not command.is_aside]
            if production or here:
                return tuple(production or here)
        return ()

    @property
    def interface(self) -> Interface:
        """What production runs; empty where commands of one kind contradict each other, or none tells."""
        found = {(command.interface, command.is_green) for command in self.deciding}
        if len(found) == 1:
            return found.pop()[0]
        return "" if found else self.by_packages

    @property
    def is_green(self) -> bool:
        """Whether the commands that decide give each request a greenlet of its own."""
        return bool(self.deciding) and all(command.is_green for command in self.deciding)

    @property
    def timeout(self) -> int | None:
        """How many seconds a request may take at most, 0 for any time; None where no command says, nor one that
        nothing is seen to start."""
        given = [each.timeout for each in (*self.deciding, *self.uncalled) if each.timeout is not None]
        return (0 if 0 in given else max(given)) if given else None

    @property
    def times_out_by(self) -> str:
        """What says only when the program starts how long a request may take; empty where nothing does."""
        return next(
            (
                f"{each.path}:{each.line} ({each.times_out_by})"
                for each in (*self.deciding, *self.uncalled)
                if each.times_out_by
            ),
            "",
        )

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


@entity
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
        started = self.server.applications if self.server is not None else ()
        # Of `wsgi` and `shop.wsgi` a server that starts at the top loads the first.
        tops = [module for module in own if any(module.path == f"{below}{_path_of(name)}" for name in started if name)]
        if tops:
            return tuple(tops)
        handlers = [module for module in own if _handles_events(module)]
        if handlers and not any(_is_module(module.path, name) for module in own for name in started if name):
            return tuple(handlers)
        names = list(started)
        for settings in project.chain(project.production_path):
            for name in ("WSGI_APPLICATION", "ASGI_APPLICATION"):
                values = settings.document.assignments.get(name, ())
                names += [text(value).rpartition(".")[0] for value in values]
        named = [module for module in own if any(_is_module(module.path, name) for name in names if name)]
        if named and not interface and not started:
            # The settings name what Django's own server runs, which is no word about the other interface.
            named += _of_the_other_interface(own, named)
        kinds = [module.path.rpartition("/")[2] for module in own]
        return tuple(named or (own if len(set(kinds)) == len(kinds) else ()))


def _of_the_other_interface(own: list[PythonModule], named: list[PythonModule]) -> list[PythonModule]:
    """The one module that makes what none of the named makes, where it is one."""
    found = [
        module
        for call in ("get_wsgi_application(", "get_asgi_application(")
        if not any(call in module.source.text for module in named)
        for module in own
        if call in module.source.text
    ]
    return found if len(found) == 1 else []


def _is_own(started: Started) -> bool:
    return django_verb(started.argv) in ("runserver", "runserver_plus")


def _handles_events(module: PythonModule) -> bool:
    """Whether it has what AWS Lambda calls: `def handler(event, context)`.

    https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html
    """
    functions = (each for each in module.tree.body if isinstance(each, ast.FunctionDef))
    return any([arg.arg for arg in each.args.args] == ["event", "context"] for each in functions)


def _is_module(path: str, name: str) -> bool:
    return f"/{path}".endswith(f"/{_path_of(name)}")


def _path_of(name: str) -> str:
    return f"{name.replace('.', '/')}.py"


def _servers(repository: Repository, programs: Iterable[Program]) -> dict[tuple[str, int, str], ServerCommand]:
    """What starts a server in some programs, by where it stands; the first of those that stand at one place."""
    found: dict[tuple[str, int, str], ServerCommand] = {}
    for program in programs:
        for started in program.commands:
            command = _server(repository, program, started)
            if command is not None:
                found.setdefault((command.path, command.line, command.application), command)
    return found


def _server(repository: Repository, program: Program, started: Started) -> ServerCommand | None:
    """The server that a command starts, where what it serves may be Django."""
    words = [*started.argv]
    at = next((at for at, word in enumerate(words) if word.rpartition("/")[2] in _SERVERS), None)
    if at is None or {"install", "add", "which"} & {*words[:at]}:
        return None
    server, given = words[at].rpartition("/")[2], words[at + 1 :]
    options = _options(given)
    is_told_elsewhere = False
    if server == "gunicorn":
        options = {**_options(_given_by(program)), **options}
        file = options.get("-c") or options.get("--config") or "gunicorn.conf.py"
        if "$" in file:  # known when it starts: the only configuration that is here, else none that is known
            found = list(repository.glob("*gunicorn*.py"))
            file = posixpath.basename(found[0]) if len(found) == 1 else ""
        is_told_elsewhere = not file
        options = {**_gunicorn_file(_text_of(repository, started, file)), **options}
    elif server == "uwsgi":
        file = options.get("--ini") or next((word for word in given if word.endswith(".ini")), "")
        options = {**_uwsgi_file(_text_of(repository, started, file)), **options}
    application = _application(given, options)
    if not _serves_django(repository, started, application):
        return None
    worker = _first(options, "-k", "--worker-class")
    is_unknown = (not worker and is_told_elsewhere) or "$" in worker
    allowed = _first(options, *_TIMEOUTS.get(server, ()))
    return ServerCommand(
        started.path,
        started.line,
        server,
        "" if is_unknown else _interface(server, worker, application, given, options),
        application,
        natural(_first(options, "-w", "--workers", "--processes")),
        natural(_first(options, "--threads")),
        _source(program),
        _GREEN_WORKER.search(worker) is not None or "--gevent" in options,
        natural(allowed),
        allowed if natural(allowed) is None else "",
    )


def _given_by(program: Program) -> Sequence[str]:
    """The words that gunicorn takes from its variable, before those of the command.

    https://docs.gunicorn.org/en/stable/settings.html#settings
    """
    try:
        return shlex.split(program.environment.text("GUNICORN_CMD_ARGS") or "")
    except ValueError:  # a quote that is not closed
        return ()


def _source(program: Program) -> str:
    return _OF_ORIGIN.get(program.origin, "container")


# How long one request may take; of the others none says.
_TIMEOUTS = {"gunicorn": ("-t", "--timeout"), "uwsgi": ("--harakiri", "-t")}


def _interface(
    server: str, worker: str, application: str, given: Sequence[str], options: Mapping[str, str]
) -> Interface:
    """What a server speaks; empty where a list that is made elsewhere may say the worker with the application."""
    if server == "gunicorn":
        if not worker and not application and any(map(_is_list, given)):
            return ""
        return "asgi" if _ASGI_WORKER.search(worker) else "wsgi"
    if server == "granian":
        return "wsgi" if options.get("--interface") == "wsgi" else "asgi"
    if (server == "uvicorn" and options.get("--interface") == "wsgi") or application.startswith("wsgi:"):
        return "wsgi"
    return _SERVERS[server]


def _is_list(word: str) -> bool:
    """Whether a word of a shell stands for any number of words: `"${ARGS[@]}"`, `"$@"`."""
    return word.startswith(("$@", "$*", "${@", "${*")) or (word.startswith("${") and "[@]" in word)


def _application(given: Sequence[str], options: Mapping[str, str]) -> str:
    """What is served, as `package.module:name`; empty where a file or a variable says it."""
    said = _first(options, "--module", "-w", "--wsgi-app", "-A", "--app")
    words = [said, *(word for word in given if word not in options.values())]
    return next(
        (w for w in words if _APPLICATION.fullmatch(w) and (":" in w or "." in w) and not w.endswith(".ini")), ""
    )


def _options(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for index, word in enumerate(given):
        if word.startswith("-"):
            name, equals, value = word.partition("=")
            following = given[index + 1] if index + 1 < len(given) and not given[index + 1].startswith("-") else ""
            found[name] = value if equals else following
    return found


def _first(options: Mapping[str, str], *names: str) -> str:
    return next((options[name] for name in names if options.get(name)), "")


def _text_of(repository: Repository, started: Started, name: str) -> str:
    """A file that a server reads, by its name where it runs, else by the only one that ends like it."""
    if name.startswith("python:"):
        name = _path_of(name.removeprefix("python:"))
    name = name.removeprefix("file:")
    path = posixpath.normpath(posixpath.join(started.folder or "", name))
    if not name or repository.exists(path):
        return repository.text(path) if name else ""
    found = list(repository.named(posixpath.basename(name)))
    return repository.text(found[0]) if len(found) == 1 else ""


def _gunicorn_file(code: str) -> dict[str, str]:
    """What gunicorn's configuration, which is Python, assigns as plain values, by the names of its options; of what
    decides how it serves also expressions, as they are written.

    https://docs.gunicorn.org/en/stable/settings.html
    """
    try:
        statements = ast.parse(code).body
    except (SyntaxError, ValueError):
        return {}
    found = {}
    for each in statements:
        if not isinstance(each, ast.Assign) or not isinstance(each.targets[0], ast.Name):
            continue
        name = each.targets[0].id
        if isinstance(each.value, ast.Constant):
            found[f"--{name.replace('_', '-')}"] = str(each.value.value)
        elif name in ("timeout", "worker_class"):
            found[f"--{name.replace('_', '-')}"] = ast.unparse(each.value)
    return found


def _uwsgi_file(written: str) -> dict[str, str]:
    """What an ini file of uWSGI says, by the names of its options.

    https://uwsgi-docs.readthedocs.io/en/latest/Configuration.html
    """
    found = {}
    for line in written.split("\n"):
        name, equals, value = line.partition("=")
        if equals and re.fullmatch(r"[\w-]+", name.strip()):
            found[f"--{name.strip()}"] = value.strip()
    return found


def _serves_django(repository: Repository, started: Started, application: str) -> bool:
    """Whether what a server serves is Django's: the module where it runs, else any of its name, speaks of Django."""
    module = application.partition(":")[0]
    if not module:
        return True
    tail = module.replace(".", "/") + ".py"
    own = posixpath.normpath(posixpath.join(started.folder or "", tail))
    if started.folder is not None and repository.exists(own):
        return IS_DJANGOS.search(repository.text(own)) is not None
    named = repository.named(posixpath.basename(tail))
    found = [path for path in named if f"/{path}".endswith(f"/{tail}")]
    if not found:
        return "sgi" in module or "." in module
    return any(IS_DJANGOS.search(repository.text(path)) for path in found)
