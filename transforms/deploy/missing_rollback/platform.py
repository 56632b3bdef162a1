"""Going back as the platform itself does it: what it looks at, and what it does not see.

Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html,
https://helm.sh/docs/helm/helm_upgrade/,
https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from fixer.deploy.command_lines import read
from fixer.deploy.commands import waits
from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.deployment import Deployment
from fixer.deploy.local_actions import LocalActions, with_blocks, with_options
from fixer.deploy.ways import ECS
from fixer.github.workflow import Step
from fixer.languages.shell import Command, in_quotes
from fixer.model import Blocked, Fix, NewFile, Parts, Tier, listed
from fixer.scripts import Inside, ScriptText, script
from transforms.deploy.missing_rollback import steps
from transforms.deploy.missing_rollback.going_back import (
    GoingBack,
    InScript,
    behind_upgrade,
    going_back_of,
    of_which,
    spliced,
    target_env,
    waited_for,
    waits_of,
)

_BREAKER = ScriptText.of("deploymentCircuitBreaker={enable=true,rollback=true}")
_WITH_ALARMS = ScriptText.of("@breaker@,alarms={alarmNames=[@names@],enable=true,rollback=true}")
_PLACE = {
    "-n": ScriptText.of("-n"),
    "--namespace": ScriptText.of("--namespace"),
    "--context": ScriptText.of("--context"),
    "--kubeconfig": ScriptText.of("--kubeconfig"),
}


def by_platform(job: DeployJob, local: LocalActions, alarms: Sequence[str]) -> Fix | Blocked:
    """Lets ECS or kubectl go back by itself, and the job fail where it did."""
    if job.unknown:
        return Blocked(f"job {job.id}: {job.unknown}", "let the platform go back where the service is defined")
    if job.way is ECS:
        return _by_ecs(job, local, alarms)
    return Fix.of(
        "undo a rollout that fails",
        *_each(job, _undone),
        tier=Tier.REVIEW,
        effects=_effects(
            job, "kubectl goes back to the revision before, which need not be a good one", "pods are not ready in time"
        ),
        todo=["allow the deploying identity to update deployments and to list replica sets"],
    )


def by_helm(job: DeployJob) -> Fix | Blocked:
    """Lets Helm go back by itself, wherever in a script it stands."""
    return Fix.of(
        "let Helm go back by itself",
        *_each(job, _atomic),
        tier=Tier.REVIEW,
        effects=_effects(job, "Helm goes back to the release before", "a pod is not ready in time, or a hook fails"),
    )


def noticed(job: DeployJob, local: LocalActions, style: str) -> Fix | Blocked:
    """Lets the job fail where ECS went back by itself."""
    going_back = going_back_of(job, style)
    files = _files(going_back, local)
    if isinstance(files, Blocked):
        return files
    return Fix.of(
        "notice that ECS went back",
        *_waits(going_back),
        *files,
        tier=Tier.REVIEW,
        effects=[f"job {job.id} fails where ECS went back to the version before"],
        todo=["allow the deploying AWS identity ecs:DescribeServices"],
    )


def _each(job: DeployJob, made: Callable[[DeployJob, Deployment], Parts | InScript]) -> list[Parts]:
    """What is made of each deployment: parts, or replacements in a script that another one may stand in too."""
    parts: list[Parts] = []
    scripts: list[InScript] = []
    for deployment in job.deployments:
        found = made(job, deployment)
        if isinstance(found, InScript):
            scripts.append(found)
        else:
            parts.append(found)
    return [*parts, *spliced(job.workflow, scripts)]


def _effects(job: DeployJob, goes_back: str, when: str) -> list[str]:
    """What the platform does, and why that may not be enough."""
    effects = [f"{goes_back}, where {when}; job {job.id} fails then"]
    blind = ["that the job is cancelled"]
    if job.urls or job.checked_by or job.last_check is not None:
        blind.insert(0, "that a check of this workflow fails afterwards")
    return [*effects, f'it does not see {listed(blind)}: for that, style = "action" records what runs and restores it']


# -- ECS ----------------------------------------------------------------------------------------------------------


def _by_ecs(job: DeployJob, local: LocalActions, alarms: Sequence[str]) -> Fix | Blocked:
    going_back = going_back_of(job, "platform")
    files = _files(going_back, local)
    if isinstance(files, Blocked):
        return files
    strange = next((name for name in alarms if not re.fullmatch(r"[\w.:/-]+", name)), None)
    if strange is not None:
        return Blocked(
            f"{strange!r} cannot be written into a list of alarms", "name the alarm without blanks and commas"
        )
    configuration = _BREAKER
    if alarms:
        names = ScriptText.joined(",", [made for each in alarms if isinstance(made := in_quotes(each), Inside)])
        configuration = _WITH_ALARMS.filled(breaker=_BREAKER, names=names)
    effects = _effects(job, "ECS goes back to the last steady deployment", "tasks do not start or stay unhealthy")
    if alarms:
        effects[0] = effects[0].replace(
            ", where ", f", where {listed(list(alarms))} alarm{'s' * (len(alarms) == 1)}, or "
        )
    todo = [
        "see to it that the service is deployed by rolling updates, which the circuit breaker is for",
        "allow the deploying AWS identity ecs:UpdateService and ecs:DescribeServices",
    ]
    if alarms:
        todo.append("allow it cloudwatch:DescribeAlarms, and let the alarms watch what users see of this service")
    if any(deployment.moves_a_tag for deployment in job.deployments):
        todo.append("leave `versionConsistency` of the containers on: only so is what ran before known by its digest")
    return Fix.of(
        "let ECS go back by itself, and notice it",
        *_each(job, partial(_guarded, configuration)),
        *_waits(going_back),
        *files,
        tier=Tier.REVIEW,
        effects=effects,
        todo=todo,
    )


def _guarded(configuration: ScriptText, job: DeployJob, deployment: Deployment) -> Parts | InScript:
    """The deployment with a circuit breaker: an option of the command, or a step before the action."""
    command, step, steps_node = deployment.command, deployment.step, job.steps_node
    if command is None:
        return _guarded_before(job, deployment, configuration)
    if command.value("--deployment-configuration") is not None or step.run is None or steps_node is None:
        return Blocked("the command has a deployment configuration of its own", f'add "{_BREAKER}" to it')
    last = max(word.end for word in command.words)
    text = command.script.text[command.start : last]
    line = text.rpartition("\n")[2]
    indent = line[: len(line) - len(line.lstrip())] if "\n" in text else "  "
    option = ScriptText.of('--deployment-configuration "@configuration@"', configuration=configuration)
    before = ScriptText.of(" \\\n") + ScriptText.blanks(indent)
    return InScript(step.run, _with_its_end(command, last, last, before + option))


def _with_its_end(command: Command, start: int, end: int, text: ScriptText) -> tuple[tuple[int, int, ScriptText], ...]:
    """A replacement in a script; where that was one line, and becomes several, its last line ends too."""
    script = command.script
    if "\n" in script.text:
        return ((start, end, text),)
    rest = script.part(end, len(script.text))
    return ((start, len(script.text), ScriptText.lines([text + rest])),)


def _guarded_before(job: DeployJob, deployment: Deployment, configuration: ScriptText) -> Parts:
    steps_node = job.steps_node
    assert steps_node is not None
    text = with_blocks(script(__package__, "breaker-ecs.sh")).replaced("$configuration", configuration)
    step: dict[str, Any] = {"name": f"Let ECS go back by itself{of_which(job, deployment)}"} | deployment.condition
    step |= deployment.surroundings | {"env": {**deployment.credentials, **target_env(deployment)}, "run": text}
    return deployment.step.workflow.insert_item(steps_node, deployment.index, step)


def _files(going_back: GoingBack, local: LocalActions) -> list[NewFile] | Blocked:
    """The actions that its waits use."""
    if not going_back.shared:
        return []
    made = local.made([steps.wait(deployment).action for deployment in waited_for(going_back.job)])
    return replace(made, config='rules.missing-rollback.style = "inline"') if isinstance(made, Blocked) else made


def _waits(going_back: GoingBack) -> list[Parts]:
    job, steps_node = going_back.job, going_back.job.steps_node
    assert steps_node is not None
    later, replaced = waits_of(going_back)
    return [*replaced, *(job.workflow.insert_item(steps_node, index, *made) for index, made in later.items())]


# -- Helm and Kubernetes ------------------------------------------------------------------------------------------


def _atomic(job: DeployJob, deployment: Deployment) -> Parts | InScript:
    command, run = deployment.command, deployment.step.run
    if command is None or run is None:
        return Blocked("an action calls Helm", "give it what makes `helm upgrade` atomic")
    if read(command).has("--atomic", "--rollback-on-failure"):
        return ()
    at = behind_upgrade(command)
    fourth = any(map(_brings_helm_4, job.job.steps))
    option = ScriptText.of(" --rollback-on-failure") if fourth else ScriptText.of(" --atomic")
    return InScript(run, ((at, at, option),))


def _brings_helm_4(step: Step) -> bool:
    """Where `--atomic` is deprecated."""
    version = step.node.texts("with").get("version", "")
    return step.action.lower() == "azure/setup-helm" and re.match(r"v?4\b", version) is not None


_OR_UNDONE = ScriptText.of("if ! @waiting@; then\n  @undo@\n  exit 1\nfi")


def _undone(job: DeployJob, deployment: Deployment) -> Parts | InScript:
    """The wait for a rollout, with what is done where it fails."""
    workflow, steps_node = job.workflow, job.steps_node
    assert steps_node is not None
    for step in job.job.steps[deployment.index :]:
        found = _waiting(step, deployment)
        if found is not None and step.run is not None:
            start, end = found.statement
            text = _OR_UNDONE.filled(waiting=found.script.part(start, end), undo=_undo(found))
            return InScript(step.run, _with_its_end(found, start, end, text))
        if found is not None:
            break
    if job.waits_for(deployment):
        return Blocked(
            "how the job waits for the rollout is its own",
            f"run `kubectl rollout undo {deployment.target['workload']}` there",
        )
    text = with_options(with_blocks(steps.SCRIPTS["undo", deployment.way]), deployment)
    made: dict[str, Any] = {"name": f"Wait for the rollout, and undo it where it fails{of_which(job, deployment)}"}
    made |= deployment.condition | deployment.surroundings
    made |= {"env": {**deployment.credentials, **target_env(deployment)}, "run": text}
    return workflow.insert_item(steps_node, deployment.index + 1, made)


def _waiting(step: Step, deployment: Deployment) -> Command | None:
    """`kubectl rollout status` of this workload, as a statement of its own."""
    name = deployment.target["workload"].rpartition("/")[2]
    found = None
    for command in waits(step.script) if step.script is not None else ():
        named = any(word.text.rpartition("/")[2] == name for word in command.args)
        if command.name == "kubectl" and read(command).texts[:1] == ("rollout",) and named:
            found = command if command.alone and not command.structure else found
    return found


def _undo(command: Command) -> ScriptText:
    """`kubectl rollout undo` of what a command waits for, in the same place."""
    line, script = read(command), command.script
    words = [script.part(word.start, word.end) for word in line.words[2:]]
    for name, word in line.options:
        if name in _PLACE and word is not None:
            words += [_PLACE[name], script.part(word.start, word.end)]
    return ScriptText.joined(" ", (ScriptText.of("kubectl rollout undo"), *words))
