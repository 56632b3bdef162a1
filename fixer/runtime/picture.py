"""The one picture of what runs where, and the questions that rules ask it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.documents import DEVELOPMENT
from fixer.languages.makefile import targets
from fixer.model import Span
from fixer.project.env_files import is_env_file
from fixer.records import entity, record
from fixer.runtime.composed import Compositions
from fixer.runtime.docker_calls import contained
from fixer.runtime.following import Code, Followed, Where, env_values, file_code, is_docker, lines_of
from fixer.runtime.holders import InEnvFile
from fixer.runtime.images import Image, Images
from fixer.runtime.jobs import JobPrograms
from fixer.runtime.kubernetes import Manifests
from fixer.runtime.launching import launched, variables_of
from fixer.runtime.manifests import PlatformPrograms
from fixer.runtime.places import Place
from fixer.runtime.programs import ONCE, Environment, Holder, OutOfReach, Program, Server, Started, Value
from fixer.runtime.servers import addresses, is_local, is_pooler, server_of_url
from fixer.runtime.settings import loads, runs_django
from fixer.runtime.texts import Fixed, InFile
from fixer.runtime.unread import Unread

if TYPE_CHECKING:
    from fixer.repository import Repository

_STARTS = re.compile(
    r"manage\.py|django-admin|\bpytest\b|gunicorn|uvicorn|daphne|uwsgi|celery|docker[ -]compose|docker run"
)
_SCRIPT = re.compile(r"\.(sh|bash|mk)$|(^|/)(bin|scripts?)/[\w-]+$|(^|/)(GNUm|[Mm])akefile$")
_DOCUMENTATION = re.compile(r"^([^/]+/)?[^/]+\.(md|rst)$|^docs/.*\.(md|rst)$", re.IGNORECASE)
_MOST_DOCUMENTS = 200
_NOWHERE = Span(0, 0)


@entity
class EnvFiles:
    """The tracked files of variables: values by path."""

    values: dict[str, tuple[Value, ...]]

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        paths = [path for path in repository.holding("env") if is_env_file(path)]
        values = {path: tuple(env_values(repository, path)) for path in paths}
        return cls({path: found for path, found in values.items() if found})


@record
class ScriptPrograms:
    """Scripts and Makefiles that start Django or containers, each as a program of the machine that it is called on."""

    programs: tuple[Program, ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        compositions = repository.fact(Compositions)
        servers = compositions.servers if compositions else ()
        found: list[Program] = []
        for path in repository.ending("", ".sh", ".bash", ".mk"):
            part = repository.part(_Script, path) if _SCRIPT.search(path) else None
            if part is not None:
                reaches = tuple(_on_the_machine(part.program.environment.values, servers))
                found += (replace(part.program, reaches=reaches), *part.inside)
        return cls(tuple(found))


@entity
class _Script:
    """What one script runs, and the programs `inside` of containers that it starts."""

    program: Program
    inside: tuple[Program, ...]

    @classmethod
    def detect(cls, repository: Repository, path: str) -> Self | None:
        """None where it starts neither Django nor containers."""
        found = repository.part(_Followed, path)
        if found is None:
            return None
        followed = found.followed
        place = Place(path, _NOWHERE, 1, path)
        here = tuple(each for each in followed.commands if each.path == path)
        own = tuple(each for each in here if not is_docker(each.command))
        values = tuple(reversed(followed.exported))
        files = [value.place.path for value in values if is_env_file(value.place.path)]
        environment = Environment(values, _holder(files, place, repository))
        program = Program(
            path,
            place,
            "script",
            own,
            environment,
            settings=loads(own, environment, repository),
            is_django=runs_django(own, environment, repository),
            unfollowed=tuple(followed.unknown),
            development=True,
        )
        inside = (each for started in here for each in contained(started, place, "script", repository))
        return cls(program, tuple(inside))


@entity
class _Followed:
    """What one script runs, whatever the containers are in which it runs that."""

    followed: Followed

    @classmethod
    def detect(cls, repository: Repository, path: str) -> Self | None:
        if not _STARTS.search(repository.text(path)):
            return None
        followed = Followed()
        for code in _codes(path, repository):
            followed.run(code, Where(repository, ""))
        return cls(followed)


@entity
class Runtime:
    """Every program that the repository's files start, and every server that they start or name.

    `unknown` are sentences about what cannot be followed. A fix that rests on "nobody else" is certain only where
    `unknown` of the picture and of the programs that it asks are empty. `unread` are files that start containers, of
    which nothing is among the programs.
    """

    programs: tuple[Program, ...]
    servers: tuple[Server, ...]
    images: Images | None
    env_files: EnvFiles
    unknown: tuple[str, ...]
    documentation: tuple[tuple[str, str], ...] = ()
    unread: tuple[Unread, ...] = ()

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Every repository has this fact; it is empty where nothing is started."""
        images = repository.fact(Images)
        composed = repository.fact(Compositions)
        jobs = repository.fact(JobPrograms)
        scripts = repository.fact(ScriptPrograms)
        programs: list[Program] = []
        servers: list[Server] = []
        unknown: list[str] = list(images.unknown if images else ())
        unread: list[Unread] = []
        for part in (composed, jobs, repository.fact(Manifests)):
            if part is not None:
                programs += part.programs
                servers += part.servers
                unknown += part.unknown
        platforms = repository.fact(PlatformPrograms)
        if platforms is not None:
            programs += platforms.programs
            unknown += platforms.unknown
        for started in (composed, repository.fact(Manifests)):
            unread += started.unread if started is not None else ()
        if images is not None:
            programs += (_of_image(image, repository) for image in images.images)
        # What a container or a job starts is no program of its own.
        others = [program for program in programs if program.origin != "supervisor"]
        followed = {started.path for program in others for started in program.commands}
        programs = [each for each in programs if each.origin != "supervisor" or each.path not in followed]
        programs += [each for each in (scripts.programs if scripts else ()) if each.place.path not in followed]
        env_files = repository.fact(EnvFiles)
        assert env_files is not None  # detect says None of no repository
        documents = [path for path in repository.ending(".md", ".rst") if _DOCUMENTATION.search(path)][:_MOST_DOCUMENTS]
        texts = tuple((path, repository.text(path)) for path in documents)
        said = tuple(dict.fromkeys(unknown))
        return cls(tuple(programs), tuple(servers), images, env_files, said, texts, tuple(unread))

    # -- programs ---------------------------------------------------------------------------------------------------

    def loading(self, *modules: str) -> tuple[Program, ...]:
        """The programs that load one of these settings modules, or Django settings of which nothing says which."""
        return tuple(program for program in self.programs if program.may_load(*modules))

    def of_image(self, image: Image) -> tuple[Program, ...]:
        """The programs that run an image of the repository, other than the image as it is built."""
        return tuple(program for program in self.programs if program.image is image and program.origin != "dockerfile")

    @cached_property
    def deployed(self) -> tuple[Program, ...]:
        """What serves or works in production: no development, no test, no job; images that only development runs are
        left out too."""
        found = [each for each in self.programs if each.origin not in ("workflow", "script") and not each.development]
        return tuple(found)

    def migrations_on_start(self, *modules: str) -> tuple[tuple[Program, Started], ...]:
        """The deployed programs that migrate when they start, with the command: from ENTRYPOINT, CMD and what compose
        files and manifests put in their place, followed into scripts."""
        found = []
        for program in self.deployed:
            if program.origin == ONCE or (modules and not program.may_load(*modules)):
                continue
            found += [(program, started) for started in program.migrations]
        return tuple(found)

    # -- servers ----------------------------------------------------------------------------------------------------

    def reached_by(self, *modules: str, engine: str = "postgresql") -> tuple[tuple[Program, Server], ...]:
        """The servers that programs with these settings reach, each with the program."""
        return tuple((program, server) for program in self.loading(*modules) for server in program.databases(engine))

    # -- variables --------------------------------------------------------------------------------------------------

    def values(self, name: str) -> tuple[Value, ...]:
        """Every value that a variable gets anywhere: in programs, in tracked env files and examples, in the
        documentation (as `NAME=value` or in a table)."""
        found = [value for program in self.programs for value in program.environment.values if value.name == name]
        found += [value for program in self.programs for each in program.commands for value in _inline(each, name)]
        found += [value for values in self.env_files.values.values() for value in values if value.name == name]
        found += self._documented(name)
        return tuple(dict.fromkeys(found))

    def _documented(self, name: str) -> Iterator[Value]:
        pattern = re.compile(rf"\b{re.escape(name)}\b[`*\s]*(?:=|:|\|)[`\s]*([^\s`|]+)")
        for path, text in self.documentation:
            for found in pattern.finditer(text) if name in text else ():
                line = text.count("\n", 0, found.start()) + 1
                yield Value(name, found[1].strip("\"'"), Place(path, _NOWHERE, line, name))

    def poolers(self, *names: str) -> tuple[Server, ...]:
        """Connection poolers: servers of the repository, and what any value of these variables names."""
        found = [server for server in self.servers if server.pooler]
        reached = (server for program in self.programs for server in program.reaches)
        found += [each for each in reached if each.pooler and not self._publishes(each.host, each.port)]
        for name in names:
            for value in self.values(name):
                server = server_of_url(value.text or "", value.place)
                if server is not None and server.pooler:
                    found += [server] if not self._publishes(server.host, server.port) else []
                elif server is None and value.text and self.is_pooler(value.text, value.text):
                    found.append(Server("postgresql", "", value.text, "", value.place, "value", False, None, True))
        return tuple(dict.fromkeys(found))

    def is_pooler(self, host: str, port: str) -> bool:
        """Whether an address is that of a pooler; a port that stands alone is given for both."""
        return is_pooler(host, port) and not self._publishes(host, port)

    def _publishes(self, host: str, port: str) -> bool:
        """Whether a compose file publishes PostgreSQL itself at this port of the machine, whatever else uses it."""
        own = (server for server in self.servers if server.engine == "postgresql" and not server.pooler)
        return (is_local(host) or host == port) and any(server.published == port for server in own)

    def lacking(self, name: str, programs: tuple[Program, ...]) -> tuple[tuple[Program, Holder], ...]:
        """Where a variable would be written so that each of these programs gets it: one entry for each place, none for
        programs that have it. `OutOfReach` among them is a to-do."""
        found: dict[tuple[str, int], tuple[Program, Holder]] = {}
        for program in programs:
            if not program.environment.sets(name):
                holder = program.environment.holder
                found.setdefault(holder.key, (program, holder))
        return tuple(found.values())


@record
class Deployed:
    """What serves or works in production, for those who ask for nothing else: where only jobs and scripts run anything,
    nobody need follow those."""

    programs: tuple[Program, ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Every repository has this fact."""
        images = repository.fact(Images)
        parts = map(repository.fact, (Compositions, Manifests, PlatformPrograms))
        if (images is None or not images.images) and not any(part and part.programs for part in parts):
            return cls(())
        runtime = repository.fact(Runtime)
        return cls(runtime.deployed if runtime is not None else ())


def _inline(started: Started, name: str) -> Iterator[Value]:
    text = started.inline.get(name)
    if text is not None:
        yield Value(name, None if "$" in text else text, Place(started.path, _NOWHERE, started.line, name))
    yield from (value for value in started.exported if value.name == name)


def _codes(path: str, repository: Repository) -> Iterator[Code]:
    """The shell code of a script, or of all targets of a Makefile."""
    if not re.search(r"akefile$|\.mk$", path):
        code = file_code(repository, path)
        if code is not None and not code.script.error:
            yield code
        return
    source = repository.read(path)
    for target in targets(source.text).values():
        for recipe in target.recipes:
            text = InFile(source, None, recipe.offset) if recipe.offset is not None else Fixed(path, recipe.line)
            yield Code.of(recipe.text, text)


def _on_the_machine(values: tuple[Value, ...], servers: tuple[Server, ...]) -> Iterator[Server]:
    """The servers that a script's variables name: those of compose by the port that they publish; without any
    variable all of them."""
    named = list(addresses(Environment(values, OutOfReach(Place("", _NOWHERE, 0, ""), ""))))
    if not named:
        yield from servers
    for address in named:
        own = next((s for s in servers if address.local and s.published == address.port), None)
        yield address if own is None else replace(own, host=address.host, port=address.port)


def _holder(files: list[str], place: Place, repository: Repository) -> Holder:
    """The tracked env file that a script reads; else whoever calls the script."""
    for path in files:
        document = lines_of(path, repository)
        if document is not None:
            return InEnvFile(document, Place.of(document.source, 0, 0, place.name))
    return OutOfReach(place, f"whoever runs {place.path}")


def _of_image(image: Image, repository: Repository) -> Program:
    """An image as it is built, by whoever runs it."""
    command = image.stage.last("CMD", "ENTRYPOINT") or image.stage.start
    place = Place.of(
        image.dockerfile.source, command.span.start, command.span.end, image.stage.name or "the last stage"
    )
    where = Where(repository, image.folder, image, contained=True)
    launch = launched(None, None, image, where, image.path)
    environment = Environment(tuple(variables_of(image)), OutOfReach(place, f"whoever runs the image of {image.path}"))
    return Program(
        image.path,
        place,
        "dockerfile",
        tuple(launch.commands),
        environment,
        image,
        folder=image.folder,
        settings=launch.settings(environment),
        is_django=launch.is_django(environment),
        unfollowed=launch.unknown,
        calls=launch.calls,
        development=DEVELOPMENT.search(image.path) is not None or DEVELOPMENT.search(image.stage.name) is not None,
    )
