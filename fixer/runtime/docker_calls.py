"""Containers that commands start: `docker compose run web pytest`, `docker run acme/shop migrate`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

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


_PROGRAMS = ("docker", "docker-compose", "podman", "podman-compose")


class Call(NamedTuple):
    """A call of docker: `verb` is `run`, `exec`, `up` …; `what` the service or image; `rest` what is run there."""

    composes: bool
    verb: str
    what: str
    rest: tuple[str, ...]
    files: tuple[str, ...]
    variables: tuple[tuple[str, str | None], ...]
    entrypoint: str


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
    variables = tuple(
        (name, value if equals else None)
        for option, text in given
        if option in ("-e", "--env")
        for name, equals, value in [text.partition("=")]
    )
    files = tuple(text for option, text in given if composes and option in ("-f", "--file"))
    entrypoint = next((text for option, text in given if option == "--entrypoint"), "")
    verb, what = [*plain, "", ""][:2]
    return Call(composes, verb, what, tuple(words[at:]), files, variables, entrypoint)


def starts_composition(started: Started) -> bool:
    call = call_of(started)
    return call is not None and call.composes and call.verb in ("up", "start", "run", "create")


def published(started: Started, compositions: Compositions) -> Iterator[Server]:
    """The servers of the compose files that a command starts, as the machine reaches them."""
    for server in compositions.servers:
        if server.place.path in _paths(started, compositions):
            yield replace(server, host="localhost", port=server.published or server.port)


def _paths(started: Started, compositions: Compositions) -> set[str]:
    """The compose files that a command means: those that it names, else those of its folder, else all."""
    call = call_of(started)
    folder = started.folder or ""
    known = {program.path for program in compositions.programs} | {s.place.path for s in compositions.servers}
    named = {posixpath.normpath(posixpath.join(folder, each)) for each in call.files} if call is not None else set()
    if named & known:
        return named & known
    here = {path for path in known if posixpath.dirname(path) == folder}
    return here or known


def contained(
    started: Started,
    place: Place,
    origin: str,
    compositions: Compositions | None,
    images: Images | None,
    repository: Repository,
) -> Iterator[Program]:
    """The program that a command starts in a container; none for other commands."""
    call = call_of(started)
    if call is None or call.verb not in ("run", "exec") or not call.what:
        return
    if call.composes:
        known = compositions.programs if compositions is not None else ()
        paths = _paths(started, compositions) if compositions is not None else set()
        service = next((each for each in known if each.name == call.what and each.path in paths), None)
        if service is not None and call.rest:
            yield _again(service, call, started, place, origin, repository)
        return
    if call.verb == "exec":
        known = compositions.programs if compositions is not None else ()
        service = next((each for each in known if _is_container(call.what, each.name)), None)
        if service is not None and call.rest:
            yield _again(service, call, started, place, origin, repository)
        return
    image = images.named(call.what) if images is not None and call.verb == "run" else None
    if image is None:
        return
    where = Where(repository, image.folder, image, contained=True)
    words = Launch.of_words(call.rest, Fixed(started.path, started.line)) if call.rest else None
    entry = Launch.of_words([call.entrypoint], Fixed(started.path, started.line)) if call.entrypoint else None
    launch = launched(entry, words, image, where, place.name)
    values = _given(call, place)
    environment = Environment(values, OutOfReach(place, f"{started.path}:{started.line}"))
    yield Program(
        call.what,
        place,
        origin,
        tuple(launch.commands),
        environment,
        image,
        call.what,
        settings=launch.settings(environment),
        is_django=launch.is_django(environment),
        unfollowed=launch.unknown,
        calls=launch.calls,
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
    )


def _given(call: Call, place: Place) -> tuple[Value, ...]:
    return tuple(
        Value(name, None if text is None or "$" in text else text, place) for name, text in reversed(call.variables)
    )
