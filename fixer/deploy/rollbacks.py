"""What goes back after a failed deployment already, and whether it gets to a version that was good."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fixer.deploy.command_lines import read
from fixer.deploy.commands import StepScript, code_of, starts_of, waits, waits_by_action
from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.deployment import Deployment
from fixer.deploy.health_check import health_checks
from fixer.deploy.names import is_rollback
from fixer.deploy.targets import is_update
from fixer.deploy.values import value_of
from fixer.deploy.ways import ECS, HELM
from fixer.github.expressions import names_read
from fixer.github.workflow import Job, Step
from fixer.languages.shell import Command, Structure
from fixer.model import Span
from fixer.records import record

_UNDOES = re.compile(r"\bkubectl\b[^\n;|&]*\srollout\s+undo\b|\bhelm\b[^\n;|&]*\srollback\b")
_GOES_BACK = re.compile(
    rf"{_UNDOES.pattern}|rollback[\w-]*\.(?:sh|py)|make\s+\S*rollback|releases?:rollback|\bPREVIOUS\b|"
    r"\b(?:heroku|kamal|cf|vercel|wrangler|docker service|eb|dep)\s+(?:\S+\s+)*rollback|update-traffic|job revert"
)
"""Commands that go back to a version before, as they are written."""
_UNDO_COMMANDS = {
    "kubectl": (("rollout", "undo"),),
    "helm": (("rollback",),),
    "heroku": (("rollback",), ("releases:rollback",)),
    "docker": (("service", "rollback"),),
    "cf": (("rollback",),),
}
_TELLS = frozenset(("gh", "curl", "echo", "printf", "jq", "cat", "date", "exit", "set", "sleep", "true"))
_TELLING = re.compile(
    r"^(?:actions/(?:checkout|github-script)|aws-actions/configure-aws-credentials|slackapi/|8398a7/action-slack|"
    r"rtcamp/action-slack-notify|chrnorm/deployment-(?:action|status)|bobheadxi/deployments)",
    re.IGNORECASE,
)
_READS_AFTER = re.compile(r"deployments\[0\]\.taskDefinition|services\[0\]\.taskDefinition|deployments\[\]\.taskDef")
_MOVES_BACK = re.compile(r"put-image|docker (?:image )?push|imagetools create|\bcrane |skopeo copy")
_RESTORING_ACTION = re.compile(r"\./.*(?:restore|roll[_-]?back)", re.IGNORECASE)
_BREAKER = re.compile(r"deploymentCircuitBreaker\W+\{[^}]*rollback\W*[=:]\s*true", re.IGNORECASE)
_ATOMIC = ("--atomic", "--rollback-on-failure")


def rollback_of(job: DeployJob, elsewhere: set[str]) -> Job | Step | None:
    """What already restores something after this job, or a step of its own that does.

    `elsewhere` are the jobs that deploy to another environment: what rolls those back does not roll this one back.
    """
    for step in job.job.steps:
        condition = str(step.data.get("if", ""))
        after_failure = re.search(r"\b(?:failure|cancelled)\s*\(", condition) is not None
        if (after_failure or _is_called_a_rollback(step.name)) and _restores(step):
            return step
        if _UNDOES.search(code_of(step)) or any(True for _ in _ways_back(step)):
            return step
    if _GOES_BACK.search(job.said_elsewhere):
        return job.deployments[0].step
    for other in job.workflow.jobs.values():
        if other.id != job.id and is_rollback(other) and _depends_on(other, job.id, elsewhere) and _puts_back(other):
            return other
    return None


def idle_rollback(job: DeployJob, elsewhere: set[str]) -> Job | None:
    """A job that is called a rollback, runs after this one, and puts nothing back."""
    for other in job.workflow.jobs.values():
        if _is_named(other) and other.uses is None and _depends_on(other, job.id, elsewhere):
            return other
    return None


def goes_back_by_itself(job: DeployJob) -> bool:
    """Whether the platform takes every deployment back that fails: `helm upgrade --atomic`, ECS's circuit breaker."""
    if job.way is ECS:
        return all(map(_has_breaker, job.deployments))
    if job.way is not HELM:
        return False
    scripts = [deployment.step.script for deployment in job.deployments]
    commands = (command for script in scripts if script is not None for command in script.commands)
    upgrades = [command for command in commands if command.name == "helm" and read(command).has(*_ATOMIC)]
    return len(upgrades) >= len(job.deployments)


def notices_ecs(job: DeployJob) -> bool:
    """Whether a step behind the deployments looks at what ECS made of them; a plain waiter is content with whatever is
    steady."""
    return any(waits_by_action(step) or "describe-services" in code_of(step) for step in job.job.steps[job.first :])


def _has_breaker(deployment: Deployment) -> bool:
    """Whether a command of its job gives its service a circuit breaker that rolls back."""
    job = deployment.step.job
    for step in job.steps if job is not None else ():
        script = step.script
        for command in script.commands if script is not None else ():
            line = read(command)
            given, service = line.value("--deployment-configuration"), line.value("--service")
            if line.texts != ("ecs", "update-service") or given is None or service is None:
                continue
            same = value_of(service.text, step, script) == deployment.target.get("service")
            if same and _BREAKER.search(given.text):
                return True
    return False


def _puts_back(job: Job) -> bool:
    """Whether a job may put an old version back; what a called workflow does is not seen."""
    if job.uses is not None or any(map(_restores, job.steps)):
        return True
    return _is_named(job) and not _only_tells(job)


def _is_named(job: Job) -> bool:
    return _is_called_a_rollback(f"{job.id} {job.name}")


def _only_tells(job: Job) -> bool:
    """Whether all that a job does is to tell people, or GitHub."""
    for step in job.steps:
        script = step.script
        if step.run is not None and (script is None or script.error):
            return False
        if script is not None and any(command.name not in _TELLS for command in script.commands):
            return False
        if step.uses is not None and not _TELLING.match(step.uses.value):
            return False
    return True


def _restores(step: Step) -> bool:
    """Whether a step starts a deployment, or goes back to a version before, also by a local action called so."""
    if step.uses is not None and _RESTORING_ACTION.match(step.uses.value):
        return True
    place = StepScript.of(step)
    text = place.script.code if place is not None else code_of(step)
    if "kubectl" in step.action:
        text = f"kubectl {step.inputs.get('args', '')}"
    return bool(starts_of(step)) or _GOES_BACK.search(text) is not None


def _is_called_a_rollback(name: str) -> bool:
    return re.search(r"roll[\s_-]?back", name, re.IGNORECASE) is not None


def _depends_on(job: Job, wanted: str, without: set[str]) -> bool:
    """Whether a job waits for another one, directly or by way of jobs other than these."""
    return any(found.id == wanted for found in job.workflow.upstream(*job.needs, without=without))


@record
class Flaw:
    """Which step of a rollback starts the wrong revision, which one found it out, and why it is wrong."""

    step: Step
    source: Step | None
    why: str

    @property
    def span(self) -> Span:
        """The script that is wrong."""
        run = (self.source or self.step).run
        return run.span if run is not None else self.step.span


def flaw_of(job: DeployJob, steps: Sequence[Step]) -> Flaw | None:
    """What is wrong with the steps that are there to roll a job back; None where nothing is seen to be."""
    if job.way is not ECS or any(_MOVES_BACK.search(code_of(step)) for step in steps):
        return None
    scripts = ((step, script) for step in steps if (script := step.script) is not None)
    updates = ((step, command) for step, script in scripts for command in script.commands if is_update(command))
    step, command = next(updates, (None, None))
    if step is None or command is None:
        return None
    other = _another_service(job, step, command)
    if other:
        return Flaw(step, None, f"restores service {other}, which it does not deploy")
    wanted = command.value("--task-definition")
    if wanted is None:
        return Flaw(step, None, "starts the same revision anew, which is the one that failed")
    source = _source(wanted.text, step)
    if source is None or source.run is None:
        return None
    if source.job is not None and source.job.id == job.id and source.index < job.first:
        return None
    if "list-task-definitions" in code_of(source):
        return Flaw(step, source, "takes what was registered before, which need not be a revision that ran")
    if not _READS_AFTER.search(code_of(source)):
        return None
    return Flaw(step, source, "reads what to go back to after the deployment, when that is the revision that failed")


@record
class Green:
    """A command that goes back where a check failed, and after which the script ends as if all were well.

    `exit` is the `exit 0` behind it; without one the script goes on, at `end` of the last statement of its block.
    """

    undo: Command
    exit: Command | None
    last: Command


def ends_green(step: Step) -> Green | None:
    """The way back of a step that hides the failure which it went back for; None where there is none."""
    condition = str(step.data.get("if", ""))
    if re.search(r"\b(?:failure|cancelled|always)\s*\(", condition) or "continue-on-error" in step.data:
        return None
    for undo in _ways_back(step):
        commands = undo.script.commands
        if any("$" in each.source for each in commands if each.name == "exit"):
            return None  # what it found out before decides
        behind = [each for each in commands if each.start >= undo.start and each.block == undo.block]
        ending = next((each for each in behind if each.name in ("exit", "return", "false")), None)
        if ending is None and not undo.script.assigns_behind(undo):
            return Green(undo, None, behind[-1])
        if ending is not None and ending.name == "exit" and [word.text for word in ending.args] in ([], ["0"]):
            return Green(undo, ending, ending)
    return None


def _ways_back(step: Step) -> Iterator[Command]:
    """The commands of a step that go back, and that a failed wait or health check decides about."""
    script = step.script
    if step.run is None or script is None or script.error:
        return
    checks = {each.start for each in waits(script)} | {each.command.start for each in health_checks(script)}
    checks |= {start.offset for start in starts_of(step)}
    for command in script.commands:
        if not _goes_back(command) or command.within(Structure.FUNCTION, Structure.LOOP, Structure.BACKGROUND):
            continue
        if any(each.start in checks for each in command.decided_by):
            yield command


def _goes_back(command: Command) -> bool:
    if is_update(command):
        return read(command).value("--task-definition") is not None
    words = read(command).texts
    wanted = _UNDO_COMMANDS.get(command.name, ())
    return any(words[: len(each)] == each for each in wanted)


def _another_service(job: DeployJob, step: Step, command: Command) -> str:
    """The service that a rollback updates, where it is certainly none that its job deploys."""
    word = command.value("--service")
    named = value_of(word.text, step, command.script) if word is not None else None
    deployed = [deployment.target.get("service", "") for deployment in job.deployments]
    if named is None or "${{" in named or any(not each or "${{" in each or "$" in each for each in deployed):
        return ""
    return "" if named in deployed else named


def _source(text: str, step: Step) -> Step | None:
    """The step of the rollback job that finds out the revision: the one that it names, or itself."""
    if step.job is None:
        return None
    variable = re.fullmatch(r"\$\{?(\w+)\}?", text)
    written = step.env.get(variable[1], "") if variable is not None else text
    named = next(iter(names_read("steps", written)), "")
    if named:
        return next((other for other in step.job.steps if other.id.lower() == named.lower()), None)
    return step if variable is not None else None
