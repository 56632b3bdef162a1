"""A migration that is there already, made to fail its step where it fails."""

from __future__ import annotations

import re

from fixer.deploy.command_lines import again, read
from fixer.deploy.commands import code_of
from fixer.deploy.local_actions import with_blocks
from fixer.deploy.migrations import Migration
from fixer.github.workflow import Step
from fixer.languages.shell import Command, Silence, Structure, in_quotes
from fixer.model import Blocked, Parts
from fixer.records import record
from fixer.scripts import Inside, ScriptText, script

_OF_THE_TASK = re.compile(r"tasks\[[0*]?\]\.taskArn")
"""A query that gives the task's ARN, and nothing else."""
_BY_JQ = re.compile(r"\.tasks\[0?\]\.taskArn")
_CONTAINER = re.compile(r'"containerOverrides"\s*:\s*\[\s*\{[^\]]*?"name"\s*:\s*"([\w-]+)"')
_OWN = Blocked(
    "what the step does with its task is its own",
    "wait for the task, and fail where there is none or where its exit code is not 0",
)
_TASK = ScriptText.of("task")
_NAMES = ("started", "task", "reason", "code")
"""The variables that are written into a script."""


def noticed(migration: Migration) -> Parts:
    """The edits after which a failed migration fails its step; Blocked where that is not certain."""
    step, command = migration.step, migration.command
    if command is None or step.run is None:
        return Blocked("it hides its failure", "let it fail the step")
    if command.name == "heroku":
        at = next(word.end for word in command.args if word.text == "run")
        return step.workflow.splice_scalar(step.run, [(at, at, ScriptText.of(" --exit-code"))])
    if command.name == "aws":
        return _task(step, command)
    return _not_hidden(step, command)


def _not_hidden(step: Step, command: Command) -> Parts:
    """Without `|| true` behind it."""
    silencers = command.script.silencers(command)
    if step.run is None or command.guard or any(each.kind is not Silence.OR for each in silencers):
        return Blocked("what decides whether it runs would fail the step too", "let a failed migration fail the step")
    return step.workflow.splice_scalar(step.run, [(each.start, each.end, "") for each in silencers])


# -- `aws ecs run-task`, which succeeds as soon as it has asked for a task -----------------------------------------


@record
class Held:
    """The variable that holds a task's ARN, the edits that put it there, and which block of the script reads it."""

    name: ScriptText
    edits: tuple[tuple[int, int, ScriptText], ...]
    block: str


def _task(step: Step, command: Command) -> Parts:
    if command.script.shell.posix:
        return Blocked("its step is run by sh", "give it `shell: bash`; fhfix then reads how the task ends")
    held = _captured(command) if command.alone and not command.structure else _assigned(command)
    if held is None or step.run is None:
        return _OWN
    waiting = _waiting(command, held.name)
    if waiting is None and (later := _waits_later(step)) is not None:
        return Blocked(
            f"step {later.name or later.id or later.index} waits for its task",
            "read the exit code there (`aws ecs describe-tasks`, `containers[].exitCode`)",
        )
    if waiting is None:
        made = [command.script.below(command, _text(command, held, held.block, "wait", "read"))]
    else:
        made = [
            command.script.below(command, _text(command, held, held.block)),
            command.script.below(waiting, _text(command, held, "read")),
        ]
    if None in made:
        return _OWN
    return step.workflow.splice_scalar(step.run, _joined([*held.edits, *filter(None, made)]))


def _joined(edits: list[tuple[int, int, ScriptText]]) -> list[tuple[int, int, ScriptText]]:
    """What is written behind a replaced text is part of that edit: two edits at one place have no order."""
    made: list[tuple[int, int, ScriptText]] = []
    for start, end, text in edits:
        if made and made[-1][1] == start == end:
            first, _, before = made.pop()
            made.append((first, end, before + text))
        else:
            made.append((start, end, text))
    return made


def _captured(command: Command) -> Held | None:
    """`started=$(…)` around a command whose answer nobody reads; None where somebody may."""
    line, text = read(command), command.script.text
    used = command.script.reads | command.script.assignments.keys()
    if not used.isdisjoint(_NAMES) or any(each.target != "/dev/null" for each in command.redirects):
        return None
    start, end = command.statement
    last = max(word.end for word in command.words)
    query, output = line.value("--query"), line.value("--output")
    if query is not None:
        if not _gives_the_task(command):
            return None
        return Held(_TASK, ((start, start, ScriptText.of("task=$(")), (last, end, ScriptText.of(")"))), "assigned")
    edits = [(start, start, ScriptText.of("started=$("))]
    more = ScriptText.of("--query '[tasks[0].taskArn, failures[0].reason]')")
    if output is None:
        more = ScriptText.of("--query '[tasks[0].taskArn, failures[0].reason]' --output text)")
    else:
        edits.append((output.start, output.end, ScriptText.of("text")))
    indent = ScriptText.blanks(_indent(text[start:last]) or "  ")
    return Held(_TASK, (*edits, (last, end, ScriptText.of(" \\\n") + indent + more)), "started")


def _indent(written: str) -> str:
    """That of the last of several lines."""
    line = written.rpartition("\n")[2]
    return line[: len(line) - len(line.lstrip())]


def _assigned(command: Command) -> Held | None:
    """`NAME=$(…)` as a whole statement, whose value is the task's ARN."""
    name = command.assigned_to
    return Held(ScriptText.name(name), (), "assigned") if name and _gives_the_task(command) else None


def _gives_the_task(command: Command) -> bool:
    """Whether what it prints, or what `jq` makes of that, is the ARN of its task."""
    if command.receivers:
        jq = command.receivers[0]
        raw = jq.name == "jq" and jq.has("-r", "--raw-output")
        return len(command.receivers) == 1 and raw and any(_BY_JQ.fullmatch(word.text) for word in jq.args)
    line = read(command)
    query, output = line.value("--query"), line.value("--output")
    is_text = output is not None and output.text == "text"
    return is_text and query is not None and _OF_THE_TASK.fullmatch(query.text) is not None


def _waiting(command: Command, name: str) -> Command | None:
    """The last command behind it that asks after the task; None where none does."""
    reading = re.compile(rf"\$\{{?{name}\b")
    found = None
    for other in command.script.commands:
        asks = read(other).texts in (("ecs", "wait", "tasks-stopped"), ("ecs", "describe-tasks"))
        if asks and other.start > command.end and reading.search(other.source):
            found = other if not other.within(Structure.FUNCTION) else found
    return found


def _waits_later(step: Step) -> Step | None:
    """A later step of the job that waits for a task, or asks after one."""
    for other in step.job.steps[step.index + 1 :] if step.job is not None else ():
        if re.search(r"tasks-stopped|describe-tasks", code_of(other)):
            return other
    return None


def _text(command: Command, held: Held, *blocks: str) -> ScriptText:
    """What is written, for the task of a command: with its cluster, region and profile."""
    place = again(command, "--cluster", "--region", "--profile")
    overrides = read(command).value("--overrides")
    container = _CONTAINER.search(overrides.text) if overrides is not None else None
    query = ScriptText.of("'max(tasks[0].containers[].exitCode)'")  # with several, each must have ended well
    if container is not None and isinstance(name := in_quotes(container[1]), Inside):
        query = ScriptText.of("\"tasks[0].containers[?name=='@name@'].exitCode\"", name=name)
    made = with_blocks(script(__package__, "notice-ecs.sh"), *blocks)
    made = made.replaced(' "${place[@]}"', place).replaced('"$QUERY"', query)
    return made.replaced('"$task"', ScriptText.of('"$@name@"', name=held.name))
