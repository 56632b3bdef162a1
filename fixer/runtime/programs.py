"""The nouns of what runs where: places, values, environments, mounts, servers, commands, programs.

What is not known is never left out: it is a sentence in `unknown`, which a fix that rests on "nobody else" must name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from fixer.docker.compose import Mount
from fixer.languages.shell import Command, Structure
from fixer.languages.shell import word as shell_word
from fixer.languages.yaml import Node, Yaml
from fixer.model import Blocked, Parts
from fixer.records import entity, record
from fixer.runtime.images import Image
from fixer.runtime.places import Place
from fixer.scripts import ScriptText

SETTINGS_VARIABLE = "DJANGO_SETTINGS_MODULE"
Origin = str
"""What says it: `compose`, `workflow`, `dockerfile`, `procfile`, `kubernetes`, `render`, `env file` and so on."""
ONCE: Origin = "ecs task"
"""The origin of a task that no service keeps running: it runs when somebody, or the clock, asks for it."""


@record
class Value:
    """A value that a variable has. `text` is None where it comes from outside of the repository; `open`: the text is
    only what it is where nothing outside says otherwise, as in `${DB_HOST:-db}`."""

    name: str
    text: str | None
    place: Place
    open: bool = False


class Holder(Protocol):
    """Where a variable of a program can be written. Two programs may share one: an anchor, an env file."""

    @property
    def place(self) -> Place: ...

    @property
    def key(self) -> tuple[str, int]:
        """Equal for holders that write to the same place."""
        ...

    def add(self, name: str, value: str) -> Parts: ...


@entity
class OutOfReach:
    """A holder that is no file of the repository; `who` has to be told."""

    place: Place
    who: str

    @property
    def key(self) -> tuple[str, int]:
        return self.who, 0

    def add(self, name: str, value: str) -> Parts:
        return Blocked(f"{self.who} gives {self.place.name} its variables", f"set {name}={value} there")


@entity
class Environment:
    """The variables of one program. `values`: the strongest first. `unknown`: sources that cannot be read here."""

    values: tuple[Value, ...]
    holder: Holder
    unknown: tuple[str, ...] = ()

    @cached_property
    def _by_name(self) -> dict[str, list[Value]]:
        found: dict[str, list[Value]] = {}
        for value in self.values:
            found.setdefault(value.name, []).append(value)
        return found

    @property
    def names(self) -> Iterable[str]:
        return self._by_name.keys()

    def of(self, name: str) -> tuple[Value, ...]:
        """Every value that the variable can have here: the strongest, and those below it as long as it is open."""
        found: list[Value] = []
        for value in self._by_name.get(name, ()):
            found.append(value)
            if not value.open:
                break
        return tuple(found)

    def sets(self, name: str) -> bool:
        return name in self._by_name

    def text(self, name: str) -> str | None:
        """The strongest value, None where there is none or where it is not known."""
        values = self._by_name.get(name)
        return values[0].text if values else None

    def add(self, name: str, value: str) -> Parts:
        """Writes the variable where this program reads it; blocked, with who must do it, where that is no file."""
        return self.holder.add(name, value)


@entity
class Server:
    """A database, cache or pooler that a program can reach.

    `name` is the service's name; empty for one that is only known by its address. `host` and `port` are those that a
    program uses, empty where not known; `published` is the port of the machine that leads to it. `local`: started by
    the repository's own files, or an address of the machine itself. `speaks_tls` is None where not known. `image` is
    what runs.
    """

    engine: str
    name: str
    host: str
    port: str
    place: Place
    origin: Origin
    local: bool
    speaks_tls: bool | None
    pooler: bool = False
    image: str = ""
    published: str = ""


class Kind(StrEnum):
    """What a command is for."""

    SERVER = "server"
    WORKER = "worker"
    MIGRATION = "migration"
    TEST = "test"
    TOOL = "tool"


class Text(Protocol):
    """Shell code and where it stands in a file."""

    @property
    def path(self) -> str: ...

    def line(self, offset: int) -> int: ...

    def insert(self, offset: int, text: ScriptText) -> Parts: ...


@entity
class Started:
    """A command that a program runs, and the text that it is written in. `folder` is where it runs, from the top of
    the repository; None where not known. `exported` are variables that the scripts around it set before."""

    command: Command
    text: Text
    folder: str | None
    exported: tuple[Value, ...] = ()
    surely: bool = True

    @property
    def path(self) -> str:
        return self.text.path

    @property
    def line(self) -> int:
        return self.text.line(self.command.start)

    @property
    def source(self) -> str:
        return self.command.source

    @property
    def argv(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.command.argv)

    @cached_property
    def inline(self) -> dict[str, str]:
        """What stands before the command or after `env`: `NAME=value command`."""
        return dict(_inline(self.command))

    @property
    def conditional(self) -> bool:
        """Whether a condition decides if it runs."""
        inside = self.command.within(Structure.BRANCH, Structure.FUNCTION, Structure.LOOP)
        return not self.surely or inside or bool(self.command.guard)

    @cached_property
    def kind(self) -> Kind:
        return kind_of(self.argv, self.command.name)

    def given(self, name: str, value: str) -> Parts:
        """The same command with a variable of its own: `NAME=value command`."""
        given = shell_word(value)
        if isinstance(given, Blocked) or given != value or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            return Blocked(f"{name}={value} would need quotes", "write it by hand")
        text = ScriptText.of("@name@=@value@ ", name=ScriptText.name(name), value=given)
        return self.text.insert(_environment_start(self.command), text)


def _inline(command: Command) -> Iterator[tuple[str, str]]:
    for child in command.node.named_children:
        if child.type == "variable_assignment":
            text = command.script.text[child.start_byte : child.end_byte]
            name, _, value = text.partition("=")
            yield name, value.strip("\"'")
    for word in command.words[: len(command.words) - len(command.argv)]:
        name, equals, value = word.text.partition("=")
        if equals and re.fullmatch(r"[A-Za-z_]\w*", name):
            yield name, value


def _environment_start(command: Command) -> int:
    """Where a variable can be put: before the first word, behind `exec` and `time`, which are no programs."""
    for word in command.words:
        if word.text not in ("exec", "time", "command"):
            return word.start
    return command.start


_SERVERS = frozenset((
    "bjoern", "caddy", "daphne", "fastapi", "flask", "granian", "gunicorn", "hypercorn", "mod_wsgi-express", "nginx",
    "puma", "runserver", "serve", "supervisord", "unitd", "uvicorn", "uwsgi", "waitress-serve",
))  # fmt: skip
_WORKERS = frozenset(("celery", "dramatiq", "huey", "procrastinate", "rq", "rqworker", "sidekiq"))
_TESTERS = frozenset(("nox", "pytest", "py.test", "tox", "jest", "vitest", "playwright", "cypress"))
_DJANGO_VERBS = {
    "runserver": Kind.SERVER, "runserver_plus": Kind.SERVER, "testserver": Kind.SERVER, "gunicorn": Kind.SERVER,
    "migrate": Kind.MIGRATION, "migrate_schemas": Kind.MIGRATION, "syncdb": Kind.MIGRATION, "test": Kind.TEST,
    "qcluster": Kind.WORKER, "rqworker": Kind.WORKER, "run_huey": Kind.WORKER, "procrastinate": Kind.WORKER,
    "process_tasks": Kind.WORKER, "rqscheduler": Kind.WORKER, "db_worker": Kind.WORKER, "celery": Kind.WORKER,
}  # fmt: skip
_MIGRATES = {"alembic": "upgrade", "flask": "db", "sqitch": "deploy", "prisma": "migrate", "knex": "migrate:latest"}


def kind_of(argv: tuple[str, ...], name: str) -> Kind:
    """What a command is for, by its program and its first words."""
    verb = django_verb(argv)
    if verb:
        return _DJANGO_VERBS.get(verb, Kind.TOOL)
    program = name.rpartition("/")[2]
    if program in _WORKERS:
        return Kind.WORKER
    if program in _TESTERS:
        return Kind.TEST
    if program in _MIGRATES and _MIGRATES[program] in argv[1:3]:
        return Kind.MIGRATION
    if program in _SERVERS:
        return Kind.SERVER
    return Kind.TOOL


def django_verb(argv: tuple[str, ...]) -> str:
    """The management command of `python manage.py migrate`, `./manage.py migrate`, `django-admin migrate`; else ''."""
    for at, word in enumerate(argv[:4]):
        base = word.rpartition("/")[2]
        if base in ("manage.py", "django-admin", "django-admin.py", "django") and (at == 0 or base == "manage.py"):
            return next((each for each in argv[at + 1 :] if not each.startswith("-")), "")
    return ""


@entity
class Program:
    """One thing that is started, as one file says it.

    `image` is a build of this repository, `image_name` what the file calls it, `folder` where a container starts,
    `user` whom the file names, instead of the image's own. `commands` are all that it runs, in order, after following
    scripts and task runners. `reaches` are the servers that its environment, its neighbours or
    its links name. `settings` are the Django settings modules that it may load; `is_django` also where which one is
    not known. `unfollowed` are sentences about commands that cannot be followed, `calls` the commands that led to
    others: a script, `npm run start`. `ports` are those of the container that are published; `rights` says which rights
    of root it is given on purpose. `written` is the mapping of a YAML file that says it.
    """

    name: str
    place: Place
    origin: Origin
    commands: tuple[Started, ...]
    environment: Environment
    image: Image | None = None
    image_name: str = ""
    folder: str = ""
    user: str = ""
    mounts: tuple[Mount, ...] = ()
    reaches: tuple[Server, ...] = ()
    settings: frozenset[str] = frozenset()
    is_django: bool = False
    unfollowed: tuple[str, ...] = ()
    development: bool = False
    calls: tuple[Started, ...] = ()
    ports: tuple[int, ...] = ()
    rights: str = ""
    written: tuple[Yaml, Node] | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        return self.place.path

    @property
    def unknown(self) -> tuple[str, ...]:
        """All that is not known of it, as sentences."""
        nothing = () if self.commands or self.unfollowed else (f"{self.place}: what {self.name} starts",)
        return (*self.environment.unknown, *self.unfollowed, *nothing)

    def running(self, *kinds: Kind) -> tuple[Started, ...]:
        return tuple(each for each in self.commands if each.kind in kinds)

    @property
    def migrations(self) -> tuple[Started, ...]:
        """The commands that migrate a database."""
        return self.running(Kind.MIGRATION)

    @property
    def serves(self) -> bool:
        return bool(self.running(Kind.SERVER))

    def may_load(self, *modules: str) -> bool:
        """Whether it may load one of these settings modules: it says one of them, or is Django and leaves it open."""
        return self.is_django and (self.settings_are_open or not self.settings.isdisjoint(modules))

    @property
    def settings_are_open(self) -> bool:
        """Whether variables that cannot be seen may name other settings than `settings`."""
        return not self.settings or (bool(self.environment.unknown) and not self.environment.sets(SETTINGS_VARIABLE))

    def databases(self, engine: str = "postgresql") -> tuple[Server, ...]:
        return tuple(server for server in self.reaches if server.engine == engine)
