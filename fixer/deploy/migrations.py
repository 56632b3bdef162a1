"""How a job migrates its database, and whether anybody notices that a migration failed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.deploy.command_lines import CommandLine, read
from fixer.deploy.commands import StepScript, code_of, says_migrate
from fixer.github.workflow import Job, Step
from fixer.languages.shell import Command, Silence
from fixer.records import entity
from fixer.runtime.programs import Kind, Started

_MIGRATE = re.compile(r"\bmigrate\b")


@entity
class Migration:
    """A step that migrates. `flaw` says why a failure goes unnoticed, empty where nothing is seen to hide it; `command`
    is then the one that hides it."""

    step: Step
    flaw: str = ""
    command: Command | None = None


def may_migrate(started: Started) -> bool:
    """Whether a command migrates a database, as it does surely or by the name of its program: `-m shop.cli.migrate`."""
    if started.kind is Kind.MIGRATION:
        return True
    words = [word for word in started.argv[:3] if not word.startswith("-")]
    return any(re.fullmatch(r"(?:.*[./_-])?migrate(?:\.(?:sh|py))?", word) for word in words)


def named_for_it(text: str) -> bool:
    """Whether a name says that something migrates, and not only looks at migrations."""
    text = text.lower()
    return "migrat" in text and re.search(r"makemigrations|check|lint|dry|missing|test", text) is None


def step_migrates(step: Step) -> bool:
    """Whether a step migrates a database, by its name or by what it runs."""
    if named_for_it(f"{step.name} {step.id}"):
        return True
    texts = [step.run.value] if step.run is not None else []
    texts += [*step.node.texts("with").values(), *step.node.texts("env").values()]
    lines = [line for text in texts for line in text.splitlines() if not line.lstrip().startswith("#")]
    return any(map(says_migrate, lines))


def migrations(job: Job) -> Iterator[Migration]:
    """The steps of a job that migrate."""
    for step in job.steps:
        if not step_migrates(step):
            continue
        place = StepScript.of(step)
        hidden = _hidden(place, job) if place is not None else None
        yield hidden if hidden is not None else Migration(step)


def _hidden(place: StepScript, job: Job) -> Migration | None:
    for command in place.script.commands:
        line = read(command)
        flaw = ""
        if command.name == "heroku" and line.texts[:1] == ("run",) and _MIGRATE.search(command.source):
            if not line.has("--exit-code", "-x"):
                flaw = "`heroku run` succeeds whatever its command does, without `--exit-code`"
        elif command.name == "aws" and line.texts[:2] == ("ecs", "run-task"):
            flaw = _unread_task(line, command, place, job)
        elif _MIGRATE.search(command.source) and any(
            silencer.kind is Silence.OR for silencer in place.script.silencers(command)
        ):
            flaw = "what stands behind `||` hides it"
        if flaw:
            return Migration(place.step, flaw, command)
    return None


def _unread_task(line: CommandLine, command: Command, place: StepScript, job: Job) -> str:
    """What is missing behind `aws ecs run-task`, which succeeds as soon as it has asked for a task."""
    later = [place.script.code[command.end :]]
    later += [code_of(step) for step in job.steps[place.step.index + 1 :]]
    text = "\n".join(later)
    if not re.search(r"tasks-stopped|describe-tasks", text):
        return "`run-task` only starts it, and nothing waits until it is done"
    if not re.search(r"exitCode|exit_code", text):
        return "nothing reads the exit code of its task (`containers[].exitCode`)"
    return ""
