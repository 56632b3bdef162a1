"""Containers that commands start: `docker compose run web pytest`, `docker run acme/shop migrate`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fixer.docker.compose import Mount, mount_of, ports_of
from fixer.records import record
from fixer.runtime.composed import Compositions
from fixer.runtime.following import Where, is_docker
from fixer.runtime.images import Images
from fixer.runtime.launching import Launch, launched
from fixer.runtime.places import Place
from fixer.runtime.programs import Environment, OutOfReach, Program, Server, Started, Value
from fixer.runtime.texts import Fixed

if TYPE_CHECKING:
    from fixer.repository import Repository

# Options that take a value: https://docs.docker.com/reference/cli/docker/compose/run/ and …/docker/container/run/
_VALUED = frozenset((
    "-e", "--env", "--env-file", "--entrypoint", "-f", "--file", "-l", "--label", "--name", "-p", "--publish",
    "--profile", "--project-directory", "--project-name", "--pull", "-u", "--user", "-v", "--volume", "-w", "--workdir",
    "--index", "--network", "--net", "--mount", "--add-host", "--cap-add", "--cap-drop", "--cpus", "--device", "--dns",
    "-h", "--hostname", "--ip", "--link", "--log-driver", "--log-opt", "-m", "--memory", "--platform", "--restart",
    "--shm-size", "--tmpfs", "--ulimit", "--health-cmd", "--health-interval", "--health-timeout", "--health-retries",
    "--gpus", "--security-opt", "--ansi", "--parallel", "--progress",
))  # fmt: skip


_DETACHED = re.compile(r"-[a-z]*d[a-z]*|--detach")
"""`-d`, also among other short options: `-itd`."""
_PROGRAMS = ("docker", "docker-compose", "podman", "podman-compose")


@record
class Call:
    """A call of docker: `verb` is `run`, `exec`, `up` …; `what` the service or image; `rest` what is run there.
    `options` stand before these, each with its value, in the order in which they are given."""

    composes: bool
    verb: str
    what: str
    rest: tuple[str, ...]
    options: tuple[tuple[str, str], ...]

    def given(self, *names: str) -> tuple[str, ...]:
        """The values of all options with one of these names."""
        return tuple(value for name, value in self.options if name in names)

    @property
    def files(self) -> tuple[str, ...]:
        """The compose files that it names."""
        return self.given("-f", "--file") if self.composes else ()

    @property
    def entrypoint(self) -> str:
        return next(iter(self.given("--entrypoint")), "")

    @property
    def stays(self) -> bool:
        """Whether the container goes on when the command has ended."""
        return any(_DETACHED.fullmatch(name) for name, _ in self.options) or bool(self.given("--restart"))

    @property
    def rights(self) -> str:
        """Which rights of root it gives on purpose, as words behind "gives"."""
        if self.given("--privileged", "--cap-add") or "host" in self.given("--pid"):
            return "rights of root"
        return "devices of the host" if self.given("--device") else ""

    def mounts(self, folder: str) -> tuple[Mount, ...]:
        """What it mounts, given in this folder of the repository."""
        found = [mount_of(text, folder) for text in self.given("-v", "--volume")]
        found = [replace(each, bind=each.bind or each.source.startswith("$")) for each in found]
        for text in self.given("--mount"):
            said = dict(part.partition("=")[::2] for part in text.split(","))
            source, target = (
                said.get("source", said.get("src", "")),
                said.get("target", said.get("dst", said.get("destination", ""))),
            )
            read_only = "readonly" in said or "ro" in said
            plain = mount_of(f"{source}:{target}", folder)
            found.append(replace(plain, bind=said.get("type") == "bind", read_only=read_only))
        return tuple(found)


def call_of(started: Started) -> Call | None:
    """What a command tells docker; None for another program."""
    if not is_docker(started.command):
        return None
    words = [word.text for word in started.command.words]
    words = words[next(at for at, word in enumerate(words) if word in _PROGRAMS) :]
    if words[0] in ("docker-compose", "podman-compose"):
        composes, words = True, words[1:]
    elif words[0] in ("docker", "podman") and words[1:2] == ["compose"]:
        composes, words = True, words[2:]
    else:
        composes, words = False, words[2:] if words[1:2] == ["container"] else words[1:]
    given: list[tuple[str, str]] = []
    plain: list[str] = []
    at = 0
    while at < len(words) and len(plain) < 2:
        option, equals, value = words[at].partition("=")
        at += 1
        if not option.startswith("-"):
            plain.append(words[at - 1])
            if not composes and len(plain) == 1 and plain[0] not in ("run", "exec"):
                break
        elif option in _VALUED and not equals:
            given.append((option, words[at] if at < len(words) else ""))
            at += 1
        else:
            given.append((option, value))
    verb, what = [*plain, "", ""][:2]
    return Call(composes, verb, what, tuple(words[at:]), tuple(given))


def _starts_composition(started: Started) -> bool:
    call = call_of(started)
    return call is not None and call.composes and call.verb in ("up", "start", "run", "create")


def published(started: Started, repository: Repository) -> Iterator[Server]:
    """The servers of the compose files that a command starts, as the machine reaches them."""
    compositions = repository.fact(Compositions) if _starts_composition(started) else None
    if compositions is None:
        return
    paths = _paths(started, compositions)
    for server in compositions.servers:
        if server.place.path in paths:
            yield replace(server, host="localhost", port=server.published or server.port)


def files_of(started: Started, programs: Sequence[Program]) -> set[str]:
    """The compose files whose services a command starts; empty for other commands."""
    known = {program.path for program in programs if program.origin == "compose"}
    return _of_known(started, known) if _starts_composition(started) else set()


def _paths(started: Started, compositions: Compositions) -> set[str]:
    known = {program.path for program in compositions.programs} | {s.place.path for s in compositions.servers}
    return _of_known(started, known)


def _of_known(started: Started, known: set[str]) -> set[str]:
    """The compose files that a command means: those that it names, else those of its folder, else all."""
    call = call_of(started)
    folder = started.folder or ""
    named = {posixpath.normpath(posixpath.join(folder, each)) for each in call.files} if call is not None else set()
    if named & known:
        return named & known
    here = {path for path in known if posixpath.dirname(path) == folder}
    return here or known


def contained(started: Started, place: Place, origin: str, repository: Repository) -> Iterator[Program]:
    """The program that a command starts in a container; none for other commands."""
    call = call_of(started)
    if call is None or call.verb not in ("run", "exec") or not call.what:
        return
    compositions = repository.fact(Compositions) if call.composes or call.verb == "exec" else None
    known = compositions.programs if compositions is not None else ()
    if call.composes:
        paths = _paths(started, compositions) if compositions is not None else set()
        service = next((each for each in known if each.name == call.what and each.path in paths), None)
        if service is not None and call.rest:
            yield _again(service, call, started, place, origin, repository)
        return
    if call.verb == "exec":
        service = next((each for each in known if _is_container(call.what, each.name)), None)
        if service is not None and call.rest:
            yield _again(service, call, started, place, origin, repository)
        return
    images = repository.fact(Images)
    image = images.named(call.what) if images is not None else None
    if image is None:
        return
    where = Where(repository, image.folder, image, contained=True)
    words = Launch.of_words(call.rest, Fixed(started.path, started.line)) if call.rest else None
    entry = Launch.of_words([call.entrypoint], Fixed(started.path, started.line)) if call.entrypoint else None
    launch = launched(entry, words, image, where, place.name)
    environment = Environment(_given(call, place), OutOfReach(place, f"{started.path}:{started.line}"))
    yield Program(
        call.what,
        place,
        origin,
        tuple(launch.commands),
        environment,
        image,
        call.what,
        user=next(iter(call.given("-u", "--user")), ""),
        mounts=call.mounts(started.folder or ""),
        settings=launch.settings(environment),
        is_django=launch.is_django(environment),
        unfollowed=launch.unknown,
        calls=launch.calls,
        ports=tuple(port for text in call.given("-p", "--publish") for port in ports_of(text)),
        rights=call.rights,
    )


def _is_container(name: str, service: str) -> bool:
    """Whether compose gives this name to a service's container: `project-service-1`."""
    return re.search(rf"(^|[-_]){re.escape(service)}([-_]\d+)?$", name) is not None


def _again(
    service: Program, call: Call, started: Started, place: Place, origin: str, repository: Repository
) -> Program:
    """A service with another command."""
    environment = replace(service.environment, values=(*_given(call, place), *service.environment.values))
    image = service.image
    where = Where(repository, service.folder, image, service.mounts, contained=True)
    text = Fixed(started.path, started.line)
    if call.verb == "exec" or call.entrypoint:
        words = [*([call.entrypoint] if call.entrypoint else []), *call.rest]
        launch = launched(Launch.of_words(words, text), None, None, where, place.name)
    else:
        launch = launched(None, Launch.of_words(call.rest, text), image, where, place.name)
    return replace(
        service,
        place=place,
        origin=origin,
        commands=tuple(launch.commands),
        environment=environment,
        settings=launch.settings(environment),
        is_django=launch.is_django(environment),
        unfollowed=launch.unknown,
        calls=launch.calls,
        user=next(iter(call.given("-u", "--user")), service.user),
    )


def _given(call: Call, place: Place) -> tuple[Value, ...]:
    said = [text.partition("=") for text in reversed(call.given("-e", "--env"))]
    return tuple(Value(name, text if equals and "$" not in text else None, place) for name, equals, text in said)
