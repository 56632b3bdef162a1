"""Programs and servers of workflow jobs: each step with a script is a program on the runner, or in a container that it
starts there; the job's services are servers beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from fixer.docker.compose import with_merged
from fixer.github.expressions import expressions_in
from fixer.github.remote import of_ssh_action, over_ssh
from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import Workflows, path_within
from fixer.languages.dockerfile import ImageRef
from fixer.languages.tables import mapping, sequence
from fixer.languages.yaml import Node
from fixer.records import entity, record
from fixer.runtime.docker_calls import call_of, contained, published
from fixer.runtime.following import Code, Followed, Where, is_docker
from fixer.runtime.holders import InMapping
from fixer.runtime.places import Place
from fixer.runtime.programs import Environment, Program, Server, Started, Value
from fixer.runtime.servers import addresses, server_of_image
from fixer.runtime.settings import loads, runs_django
from fixer.runtime.texts import Fixed, InYaml

if TYPE_CHECKING:
    from fixer.repository import Repository

_SERVER_ACTION = re.compile(r"(?<![\w])(postgres\w*|mysql|mariadb|redis)(?![\w])", re.IGNORECASE)
_TO_LATER_STEPS = re.compile(r"\$\{?GITHUB_ENV\b")


@entity
class _Running:
    """What the jobs of one workflow run and start."""

    programs: tuple[Program, ...]
    servers: tuple[Server, ...]

    @classmethod
    def detect(cls, repository: Repository, path: str) -> Self:
        """Always something: its jobs may run nothing."""
        workflow = repository.document(path)
        assert isinstance(workflow, Workflow)
        programs: list[Program] = []
        servers: list[Server] = []
        for job in workflow.jobs.values():
            if job.node.target is None:
                here = list(_services(job))
                if not job.is_written:  # what a fix chose is no word about the servers of the project
                    servers += here
                programs += _steps(job, here, repository)
        return cls(tuple(programs), tuple(servers))


@record
class JobPrograms:
    """What the jobs of all workflows run, and the servers that they start for it."""

    programs: tuple[Program, ...]
    servers: tuple[Server, ...]
    unknown: tuple[str, ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where there is no workflow."""
        workflows = repository.fact(Workflows)
        if workflows is None:
            return None
        parts = [repository.part(_Running, workflow.path) for workflow in workflows.documents]
        programs = tuple(program for part in parts if part is not None for program in part.programs)
        servers = tuple(server for part in parts if part is not None for server in part.servers)
        return cls(programs, servers, ())


def _services(job: Job) -> Iterator[Server]:
    """The servers that a job declares. Its steps reach them on localhost, or by name where it runs in a container."""
    inside = job.node.get("container") is not None
    for name, node in job.node.mapping("services").items():
        data = node.data
        image = str(data.get("image", "")) if isinstance(data, dict) else str(data)
        found = server_of_image(ImageRef.parse(image).repository, str(data))
        if found is None:
            continue
        place = Place.of(job.workflow.source, node.start, node.end, f"jobs.{job.id}.services.{name}")
        port = found.port
        for each in sequence(mapping(data).get("ports")) if not inside else ():
            outside, _, own = str(each).rpartition(":")
            port = outside.rpartition(":")[2] if own.partition("/")[0] == found.port and outside else port
        host = name if inside else "localhost"
        yield replace(found, name=name, host=host, port=port, place=place, origin="workflow", image=image)


def _steps(job: Job, servers: list[Server], repository: Repository) -> Iterator[Program]:
    there = list(servers)
    written: list[Value] = []
    for step in job.steps:
        place = Place.of(job.workflow.source, step.span.start, step.span.end, f"jobs.{job.id}")
        if step.run is None:
            there += _of_action(step, place)
            if (remote := of_ssh_action(step)) is not None:
                code = Code(remote.script, InYaml(job.workflow, remote.node))
                yield from _on_a_server(code, place, repository)
            continue
        script = step.script
        if script is None:
            continue
        environment = _environment(step, job, written)
        where = Where(repository, path_within("", step.working_directory or "."))
        followed = Followed()
        followed.run(Code(script, InYaml(job.workflow, step.run)), where)
        for started in followed.commands:
            there += _started_here(started, place)
            there += published(started, repository)
        written += _to_later_steps(followed.commands, place)
        own = [each for each in followed.commands if not is_docker(each.command)]
        yield Program(
            job.id,
            place,
            "workflow",
            tuple(own),
            environment,
            reaches=tuple(_reached(environment, there)),
            settings=loads(own, environment, repository),
            is_django=runs_django(own, environment, repository),
            unfollowed=tuple(dict.fromkeys(followed.unknown)),
            calls=tuple(followed.calls),
        )
        for started in followed.commands:
            yield from contained(started, place, "workflow", repository)
            for sent in over_ssh(started.command) if started.command.name == "ssh" else ():
                code = Code(sent, Fixed(started.path, started.line))
                yield from _on_a_server(code, place, repository)


def _on_a_server(code: Code, place: Place, repository: Repository) -> Iterator[Program]:
    """The containers of this repository's images that commands start on a server, and leave running there."""
    followed = Followed()
    followed.run(code, Where(repository, "", server=True))
    for started in followed.commands:
        call = call_of(started)
        if call is not None and not call.composes and call.verb == "run":
            origin = "server" if call.stays else "workflow"
            yield from contained(started, place, origin, repository)


def _of_action(step: Step, place: Place) -> Iterator[Server]:
    """An action whose name says that it starts a server on the runner."""
    found = _SERVER_ACTION.search(step.action.rpartition("/")[2].replace("-", " ").replace("_", " "))
    server = server_of_image(found[1].lower(), "") if found else None
    if server is not None:
        yield replace(server, name="", host="localhost", place=place, origin="workflow")


def _started_here(started: Started, place: Place) -> Iterator[Server]:
    """`docker run postgres`, and the server that is installed on the runner."""
    words = [word.text for word in started.command.words]
    if words[:2] in (["docker", "run"], ["podman", "run"]) or words[:3] == ["docker", "container", "run"]:
        for word in words[2:]:
            found = server_of_image(ImageRef.parse(word).repository, "") if not word.startswith("-") else None
            if found is not None and not found.pooler:
                yield replace(found, name="", host="localhost", place=place, origin="workflow", image=word)
                return
    joined = " ".join(started.argv)
    if re.match(
        r"(systemctl|service) (start )?postgresql|pg_ctl(cluster)? .*start|brew services start postgres", joined
    ):
        found = server_of_image("postgres", "")
        if found is not None:
            yield replace(found, name="", host="localhost", place=place, origin="workflow")


def _environment(step: Step, job: Job, written: list[Value]) -> Environment:
    values: list[Value] = []
    holders = ((step.node, False), (None, True), (job.node, False), (job.workflow.root, False))
    for owner, earlier in holders:
        if earlier:
            values += reversed(written)
            continue
        node = owner.get("env") if owner is not None else None
        for each in with_merged(node) if node is not None else ():
            for name, child in each.value.items() if each.is_mapping else ():
                if child.is_scalar:
                    values.append(_value(name, child, job.workflow))
    node = job.node.get("env")
    target = node.target if node is not None and node.target is not None else node
    place = Place.of(job.workflow.source, job.node.start, job.node.start, f"jobs.{job.id}")
    holder = InMapping(job.workflow, job.node, "env", target, place, before="steps")
    return Environment(tuple(values), holder)


def _value(name: str, node: Node, workflow: Workflow) -> Value:
    place = Place.of(workflow.source, node.start, node.end, name)
    return Value(name, None if expressions_in(node.value) else node.value, place)


def _to_later_steps(commands: list[Started], place: Place) -> Iterator[Value]:
    """What `echo NAME=value >> $GITHUB_ENV` gives to the steps that follow."""
    for started in commands:
        redirects = started.command.redirects
        if started.command.name in ("echo", "printf") and any(_TO_LATER_STEPS.search(r.target) for r in redirects):
            for word in started.command.args:
                name, equals, text = word.text.partition("=")
                if equals and re.fullmatch(r"[A-Za-z_]\w*", name):
                    yield Value(name, text if word.literal else None, place)


def _reached(environment: Environment, there: list[Server]) -> Iterator[Server]:
    """What the environment names, taken for a server of the job where that is meant; else every server of the job."""
    named = list(addresses(environment))
    used: list[Server] = []
    for address in named:
        own = next((s for s in there if s.engine == address.engine and (address.local or address.host == s.host)), None)
        if own is None:
            yield address
        elif own not in used:
            used.append(own)
            yield replace(own, host=address.host, port=address.port)
    engines = {server.engine for server in named}
    yield from (server for server in there if server.engine not in engines)
