"""A health check after a deployment that asks once and fails the job at the first hiccup.

## Why
Right after a deployment a load balancer drains connections, a container warms up, a name resolves late. One request
that fails then turns a good deployment red, or rolls it back. curl retries by itself: `--retry` with
`--retry-all-errors` also covers refused connections and status codes that curl does not count as passing trouble.

`--retry` alone asks again after a time-out or a code such as 503, and not where the connection is refused. A loop
around `STATUS=$(curl …)` is left at the first refused connection, since the shell of a step stops at a failure.

With `style = "loop"` a plain check becomes a loop of the shell instead; so do plain checks that an SSH action runs on a
server, whose curl may be older than 7.71.

## When it is left alone
* Checks in a loop, with a `--retry` that covers refused connections, or under `timeout`; calls that send something or
  keep what they get.
* Checks of the runner itself, of services of others, and where no deployment comes before.
* Reported, not fixed: a loop behind which nothing fails the step, since one that goes on could end well.
* Checks whose failure is ignored (`|| true`, `|| echo …`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from fixer.deploy.commands import StepScript, deploys, job_deploys
from fixer.deploy.health_check import (
    ALL_ERRORS,
    HealthCheck,
    health_checks,
    is_about_health,
    is_local,
    retried,
    try_again,
    unretried,
)
from fixer.deploy.values import value_of
from fixer.github.workflow import Step, Workflow
from fixer.languages.shell import Command, Silence, Structure
from fixer.languages.yaml import dotted
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Tier, option
from fixer.scripts import ScriptText

ELSEWHERE = (Structure.LOOP, Structure.FUNCTION, Structure.BACKGROUND)
PART_OF_SOMETHING = (Structure.PIPELINE, Structure.CONDITION, Structure.SUBSTITUTION, Structure.NEGATION)

_REFUSED = ScriptText.of("--retry-connrefused")
SAYS = ("echo", "printf", "sleep", "exit")


class Options(RuleOptions):
    style: Literal["curl", "loop"] = option("curl", "curl's own retries, or a loop of the shell")
    retries: int = option(5, "attempts after the first")
    delay: int = option(10, "seconds between two attempts")
    max_time: int = option(10, "seconds that one request may take, where the check does not say")


def check(workflow: Workflow, options: Options) -> Iterator[Finding]:
    if "curl" not in workflow.source.text:
        return
    for steps in [job.steps for job in workflow.jobs.values()] or [workflow.steps]:
        for number, step in enumerate(steps):
            place = StepScript.of(step) if step in workflow.steps else None
            if place is None:
                continue
            for found in health_checks(place.script):
                if not _after_deployment(found, place, steps[:number]):
                    continue
                span = workflow.span_of(place.node, found.command.start, found.command.end)
                if _ends_its_loop(found, place):
                    message = (
                        f"the loop around the health check of {found.url.text} ends at the first refused connection"
                    )
                    yield Finding(workflow.path, span, message, _goes_on(workflow, place, found))
                elif _asks_once(found, place):
                    often = "asks again only where something answers" if found.retries_answers else "asks once"
                    message = f"the health check of {found.url.text} {often}, right after a deployment"
                    yield Finding(workflow.path, span, message, _cure(workflow, place, found, options))


def _ends_its_loop(found: HealthCheck, place: StepScript) -> bool:
    """Whether `NAME=$(curl …)` in a loop that tries again ends the script, since the shell stops at a failure."""
    if found.command.fails_assignment is None or not found.command.within(Structure.LOOP) or found.retries:
        return False
    again = any(command.name == "sleep" and command.within(Structure.LOOP) for command in place.script.commands)
    return again and not _is_here(found, place)


def _goes_on(workflow: Workflow, place: StepScript, found: HealthCheck) -> Fix | Blocked:
    if not _fails_at_last(place):
        return Blocked(
            "nothing is seen that fails the step after the last attempt: a loop that goes on could end well",
            "put `exit 1` behind the loop, then run fhfix again",
        )
    at = found.command.fails_assignment or 0
    title = "let the loop go on where nothing answers"
    effect = f"{dotted(place.node.at)}: a refused connection is an attempt that failed, and not the end of the script"
    return Fix.of(
        title,
        workflow.splice_scalar(place.node, [(at, at, ScriptText.of(" || true"))]),
        tier=Tier.SAFE,
        effects=[effect],
    )


def _fails_at_last(place: StepScript) -> bool:
    """Whether a step that was never answered fails: the script says so, tries for ever, or judges behind its loop."""
    commands = place.script.commands
    for command in commands:
        if command.name in ("exit", "return") and command.args and command.args[0].text != "0":
            return True
        if command.name in ("true", ":") and command.within(Structure.LOOP) and command.within(Structure.CONDITION):
            return True
    # A test is no command, but a statement of its own.
    end = max((command.end for command in commands if command.within(Structure.LOOP)), default=0)
    last = place.script.statements[-1]
    saying = any(last[0] <= command.start < last[1] and command.name in SAYS for command in commands)
    return last[0] > end and not saying


def _is_here(found: HealthCheck, place: StepScript) -> bool:
    """Whether the check asks the runner itself."""
    url = value_of(found.url.text, place.step, place.script) or found.url.text
    return is_local(url) and not place.remote


def _asks_once(found: HealthCheck, place: StepScript) -> bool:
    command = found.command
    if found.retries or command.name != "curl" or command.within(*ELSEWHERE) or command.words[0].text == "timeout":
        return False
    url = value_of(found.url.text, place.step, place.script) or found.url.text
    if _is_here(found, place):
        return False
    if not (_is_a_gate(command) and found.fails) and not is_about_health(url):
        return False
    return all(silencer.kind == Silence.HANDLED for silencer in place.script.silencers(command))


def _is_a_gate(command: Command) -> bool:
    """Whether it stands for itself, perhaps with something to do when it fails."""
    return command.structure.count(Structure.LIST) <= 1 and not command.within(*PART_OF_SOMETHING)


def _after_deployment(found: HealthCheck, place: StepScript, earlier: Sequence[Step]) -> bool:
    if any(command.start < found.command.start for command in place.deploying()):
        return True
    if any(deploys(step) for step in earlier):
        return True
    job = place.step.job
    needed = [job.workflow.jobs[name] for name in job.needs if name in job.workflow.jobs] if job is not None else []
    return any(job_deploys(other) for other in needed)


def _cure(workflow: Workflow, place: StepScript, found: HealthCheck, options: Options) -> Fix | Blocked:
    attempts, delay = int(options.retries) + 1, int(options.delay)
    why = unretried(found)
    if why is not None:
        return why
    at = found.command.argv[0].end
    if found.retries_answers:
        effect = f"{dotted(place.node.at)}: the check of {found.url.text} also asks again where nothing answers"
        also = _REFUSED if place.remote else ALL_ERRORS
        refused = workflow.splice_scalar(place.node, [(at, at, ScriptText.of(" @option@", option=also))])
        return _by_curl("ask again after every failure", refused, effect, place, also)
    parts = _as_loop(workflow, place, found, attempts, delay) if options.style == "loop" or place.remote else None
    new = "" if parts is not None else ALL_ERRORS
    if parts is None:
        retry = retried(found, attempts - 1, delay, int(options.max_time))
        parts = workflow.splice_scalar(place.node, [(at, at, retry)])
    title = f"ask up to {attempts} times, {delay} seconds apart"
    effect = f"{dotted(place.node.at)}: the check of {found.url.text} fails after {attempts} attempts, not after one"
    return _by_curl(title, parts, effect, place, new)


def _by_curl(title: str, parts: Parts, effect: str, place: StepScript, option: str) -> Fix | Blocked:
    """A fix that gives curl an option; for review where it is not the curl of GitHub's own runners."""
    job = place.step.job
    hosted = job is not None and job.runs_on.known and not job.data.get("container") and not place.remote
    if option != ALL_ERRORS or hosted:
        return Fix.of(title, parts, tier=Tier.SAFE, effects=[effect])
    todo = (f"see that the job has curl 7.71 or newer, which {option} needs",)
    return Fix.of(title, parts, tier=Tier.REVIEW, effects=[effect], todo=todo)


def _as_loop(workflow: Workflow, place: StepScript, found: HealthCheck, attempts: int, delay: int) -> Parts | None:
    """The statement as a loop; None where it is more than a check and what to do when it fails."""
    command, text = found.command, place.script.text
    start, end = command.statement
    line = text[text.rfind("\n", 0, start) + 1 : start]
    if start != command.start or line.strip() or not _is_a_gate(command):
        return None
    rest = text[command.end : end].strip().replace("\\\n", "").strip()
    if rest and not rest.startswith("||"):
        return None
    otherwise = ScriptText.written(rest.removeprefix("||").strip() or "exit 1")
    if "\n" in otherwise or "\n" in command.source:
        return None
    lines = try_again(place.script.part(command.start, command.end), attempts, delay, otherwise)
    return workflow.splice_scalar(place.node, [(start, end, ScriptText.joined("\n" + line, lines))])


def _checks_health(workflow: Workflow) -> bool:
    """Whether a check of a service comes after a deployment."""
    for steps in [job.steps for job in workflow.jobs.values()] or [workflow.steps]:
        for number, step in enumerate(steps):
            place = StepScript.of(step)
            if place is not None and any(
                _after_deployment(found, place, steps[:number]) for found in health_checks(place.script)
            ):
                return True
    return False


RULE = Rule(
    __name__,
    "A health check after a deployment asks only once",
    check,
    audit=("D-010.5",),
    criterion="No health check after a deployment asks only once",
    hours=(1, 1),
    applies=_checks_health,
)
