"""What fhfix would answer to its own questions: values that stand elsewhere in the repository, each with its place.

An option says what it is about (`option(…, about=…)`); nothing here knows a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice, pairwise
from urllib.parse import urlsplit

from fixer.config import as_typed, placeholder
from fixer.deploy.health_check import health_checks, is_about_health, is_local
from fixer.django.routes import HealthUrl, Routes
from fixer.github.expressions import reads_below, without
from fixer.github.workflow import Step, Workflow
from fixer.languages.shell import Command
from fixer.missing import Missing
from fixer.project.test_suites import TestSuites
from fixer.records import record
from fixer.repository import Repository
from fixer.runtime.picture import Runtime
from fixer.runtime.programs import Kind

MOST = 4
"""How many values are proposed for one question."""


@record
class Proposal:
    """A value as a person types it, and where it stands."""

    value: str
    where: str


def proposals(asked: Missing, repository: Repository) -> list[Proposal]:
    """The likeliest first; the value that the finding itself proposes comes last, since it may be an example."""
    finder = _FINDERS.get(asked.about)
    found = finder(asked, repository) if finder is not None else iter(())
    own = [Proposal(asked.proposed, "")] if asked.proposed else []
    seen: dict[str, Proposal] = {}
    for each in (*islice(found, 100), *own):
        if not placeholder(each.value):
            seen.setdefault(each.value, each)
    return list(seen.values())[:MOST]


def _addresses(asked: Missing, repository: Repository) -> Iterator[Proposal]:
    """What is asked by `curl` anywhere after a deployment, and the address of a job's environment."""
    waiting = {reported.finding.path for reported in asked.waiting}
    found: list[tuple[bool, bool, Proposal]] = []
    for workflow, step in _steps(repository):
        script = step.script if step.run is not None else None
        for check in health_checks(script) if script is not None else ():
            url = check.url.text
            if _is_known(url) and not is_local(url):
                place = Proposal(url, f"{workflow.path}:{_line(workflow, step)} asks it")
                found.append((workflow.path not in waiting, not is_about_health(url), place))
    yield from (proposal for *_, proposal in sorted(found, key=lambda each: each[:2]))
    health = repository.fact(HealthUrl)
    up = health.path if health is not None else ""
    for workflow in repository.documents(Workflow):
        for job in workflow.jobs.values():
            said = job.data.get("environment")
            address = said.get("url") if isinstance(said, Mapping) else None
            if isinstance(address, str) and _is_known(address):
                yield Proposal(address.rstrip("/") + up, f"{workflow.path}: the address of job {job.name}")


def _paths(asked: Missing, repository: Repository) -> Iterator[Proposal]:
    """What containers and workflows probe, and what the URLconf has."""
    health, suites, routes = repository.fact(HealthUrl), repository.fact(TestSuites), repository.fact(Routes)
    if health is not None and health.path:
        yield Proposal(health.path, "the URLconf has it, or a container is probed with it")
    for word in ("health", "ready", "status", "ping"):
        if routes is not None and (url := routes.containing(word)):
            yield Proposal(url, "the URLconf has it")
    for path, probed in suites.health if suites is not None else ():
        if routes is None or routes.answers(probed) is not False:
            yield Proposal(probed, f"{path} probes it")
    for proposal in _addresses(asked, repository):
        asked_for = urlsplit(without(proposal.value)).path
        if asked_for:
            yield Proposal(asked_for, proposal.where)


def _instances(asked: Missing, repository: Repository) -> Iterator[Proposal]:
    """Names that other commands give, hosts of RDS, and variables that workflows read already."""
    for workflow, step in _steps(repository):
        script = step.script if step.run is not None else None
        for command in script.commands if script is not None else ():
            name = _option(command, "--db-instance-identifier")
            if command.name == "aws" and name and _is_known(name):
                yield Proposal(name, f"{workflow.path}:{_line(workflow, step)} names it")
    runtime = repository.fact(Runtime)
    reached = (server for program in runtime.programs for server in program.reaches) if runtime is not None else ()
    for server in reached:
        instance, _, rest = server.host.partition(".")
        if rest.endswith(".rds.amazonaws.com") and not instance.startswith("$"):
            yield Proposal(instance, f"{server.place} connects to it")
    for workflow in repository.documents(Workflow):
        for read in reads_below(workflow.plain()):
            named = read.name.upper()
            if read.context in ("vars", "secrets") and "INSTANCE" in named and ("RDS" in named or "DB" in named):
                yield Proposal(f"${{{{ {read.context}.{read.name} }}}}", f"{workflow.path} reads it")


def _values(asked: Missing, repository: Repository) -> Iterator[Proposal]:
    """What else gives this variable a value."""
    name = asked.key.rpartition(".")[2]
    runtime = repository.fact(Runtime)
    if runtime is None:
        return
    programs = (program.environment.of(name) for program in runtime.programs)
    files = (values for values in runtime.env_files.values.values())
    for values in (*programs, *files):
        for value in values:
            if value.name == name and value.text:
                yield Proposal(as_typed(value.text), f"{value.place} gives it")


def _migrations(asked: Missing, repository: Repository) -> Iterator[Proposal]:
    runtime = repository.fact(Runtime)
    for program in runtime.programs if runtime is not None else ():
        for started in program.commands:
            if started.kind is Kind.MIGRATION and "\n" not in started.source:
                yield Proposal(started.source, f"{started.path}:{started.line} runs it")


_FINDERS: Mapping[str, Callable[[Missing, Repository], Iterator[Proposal]]] = {
    "address": _addresses,
    "path": _paths,
    "instance": _instances,
    "variable": _values,
    "migration": _migrations,
}


def _steps(repository: Repository) -> Iterator[tuple[Workflow, Step]]:
    for workflow in repository.documents(Workflow):
        for step in workflow.steps:
            yield workflow, step


def _line(workflow: Workflow, step: Step) -> int:
    return workflow.source.line_of(step.span.start)


def _option(command: Command, name: str) -> str:
    words = [word.text for word in command.args]
    return next((value for option, value in pairwise(words) if option == name), "")


def _is_known(text: str) -> bool:
    """Whether a value means the same wherever it is written: it reads no variable of a shell, a step or a matrix."""
    reads = reads_below(text)
    return "$" not in without(text) and all(read.context in ("vars", "secrets") for read in reads)
