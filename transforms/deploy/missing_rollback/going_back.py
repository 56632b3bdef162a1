"""What is recorded before a deployment, and the steps that record it and that wait until the rollout is done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from functools import lru_cache
from itertools import count
from typing import Any

from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.deployment import Deployment
from fixer.deploy.local_actions import (
    LocalAction,
    LocalActions,
    Work,
    can_use_local_actions,
    checkout_before,
    shared_place,
)
from fixer.deploy.values import exports
from fixer.deploy.ways import ECS, HELM, Returns
from fixer.github.expressions import names_read, only_read
from fixer.github.workflow import Step, Workflow
from fixer.languages.shell import Command
from fixer.languages.yaml import Node
from fixer.model import Blocked, NewFile, Parts
from fixer.records import record
from fixer.scripts import ScriptText
from transforms.deploy.missing_rollback import steps
from transforms.deploy.missing_rollback.steps import PLACES

# Names of secrets that hold the name of something, and no key to it.
_IS_A_NAME = re.compile(
    r"(?!\w*(?:KEY|TOKEN|PASSWORD|ROLE|ARN|ID|URI|URL|REGISTRY|USERNAME)\b)"
    r"\w*(?:ECS|ECR|TASK|SERVICE|CLUSTER|FAMILY|CONTAINER|REPO|IMAGE|NAME|PROJECT|PREFIX|STAGE|ENVIRONMENT|APP\b)",
    re.IGNORECASE,
)


@lru_cache(maxsize=64)
def name_in_secret(workflow: Workflow) -> str:
    """A secret that holds the name of something; empty where there is none."""
    return next(filter(_IS_A_NAME.match, names_read("secrets", workflow.plain())), "")


@record
class Record:
    """What one deployment's record step is called, and which outputs of its job pass on what it found."""

    deployment: Deployment
    suffix: str
    moves_a_tag: bool

    @property
    def step_id(self) -> str:
        return f"previous{self.suffix}"

    @property
    def names(self) -> set[str]:
        """The step's id and every output that its job may pass on for it."""
        passed = (*self.keys, *(name.lower() for name in target_env(self.deployment)))
        return {self.step_id, *(f"previous_{name}{self.suffix}" for name in passed)}

    @property
    def outputs(self) -> dict[str, str]:
        """Output of the job → output of the step."""
        return {f"previous_{key}{self.suffix}": key for key in self.keys}

    @property
    def keys(self) -> tuple[str, ...]:
        if self.deployment.way is not ECS:
            return ("revision",)
        return ("task_definition", "revision", *(["images"] if self.moves_a_tag else []))


def _records(job: DeployJob) -> list[Record]:
    taken = {step.id for step in job.job.steps if step.id} | set(outputs_of(job))
    made: dict[tuple[str, ...], Record] = {}
    for deployment in job.deployments:
        if deployment.place in made:
            continue
        same = [d for d in job.deployments if d.target.get("service") == deployment.target.get("service")]
        moves = any(d.moves_a_tag for d in same)
        numbered = (Record(deployment, _suffix(number), moves) for number in count(len(made) + 1))
        record = next(each for each in numbered if not taken & each.names)
        taken |= record.names
        made[deployment.place] = record
    return list(made.values())


def _suffix(number: int) -> str:
    return f"_{number}" if number > 1 else ""


def outputs_of(job: DeployJob) -> list[str]:
    """The outputs that the job has already."""
    return list(job.job.node.mapping("outputs"))


def healthy_output(job: DeployJob) -> str:
    """The output that says whether the last check was reached."""
    return "healthy" if "healthy" not in outputs_of(job) else "deployment_healthy"


def _free_id(job: DeployJob, wanted: str) -> str:
    taken = {step.id for step in job.job.steps}
    return wanted if wanted not in taken else _free_id(job, f"{wanted}_again")


def target_env(deployment: Deployment) -> dict[str, str]:
    """The variables that say which service, workload or release it is."""
    target = deployment.target
    named = {each.variable: target.get(each.name, "") for each in PLACES.get(deployment.way, ())}
    if deployment.way is ECS:
        named |= {"AWS_REGION": named.pop("REGION"), "AWS_PROFILE": target.get("profile", "")}
    return {name: value for name, value in named.items() if value}


@record
class GoingBack:
    """A job, and what is recorded of each of its deployments.

    `checkout` is the step that brings the actions of the repository; None where the text stays inline. `carried` are
    variables of the job's own `env` that the job which goes back gets too.
    """

    job: DeployJob
    records: tuple[Record, ...]
    checkout: Step | None = None
    carried: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shared(self) -> bool:
        """Whether its steps use actions of the repository."""
        return self.checkout is not None

    @property
    def index(self) -> int:
        """Before which step of the job it is recorded what runs."""
        return self.job.earliest if self.checkout is None else max(self.job.earliest, self.checkout.index + 1)

    def is_local(self, value: Any) -> bool:
        """Whether a value means nothing in the job that goes back, so that it must be passed on."""
        return self.job.is_local(value, *self.carried)

    @property
    def dropped(self) -> str:
        """A secret that is part of what must be passed on, which GitHub then drops; empty where none is seen.

        https://docs.github.com/actions/reference/workflows-and-actions/contexts#steps-context
        """
        passed = [v for noted in self.records for v in self.place(noted.deployment).values() if self.is_local(v)]
        named = {name.lower() for name in names_read("steps", passed)}
        job = self.job.job
        given = [job.env[name] for name in names_read("env", passed) if name in job.env]
        data = [*passed, *given, *(step.data for step in job.steps if step.id.lower() in named)]
        return next((name for name in names_read("secrets", data) if name.upper() != "GITHUB_TOKEN"), "")

    def place(self, deployment: Deployment) -> dict[str, str]:
        """What says which service it is."""
        env = target_env(deployment)
        return shared_place(self.job, env) if self.shared else env

    def record(self, record: Record) -> Work:
        return steps.record(record.deployment, moves_a_tag=record.moves_a_tag)

    def restore(self, record: Record) -> Work:
        return steps.restore(record.deployment, moves_a_tag=record.moves_a_tag)

    def files(self, local: LocalActions, *, checking: bool = True) -> list[NewFile] | Blocked:
        """The actions of the repository that its steps use and that are not there yet."""
        if not self.shared:
            return []
        used: list[LocalAction] = [self.record(record).action for record in self.records]
        used += [steps.wait(deployment).action for deployment in waited_for(self.job)]
        used += [self.restore(record).action for record in self.records]
        used += [steps.check_health().action] if checking and self.job.urls else []
        made = local.made(used)
        return replace(made, config='rules.missing-rollback.style = "inline"') if isinstance(made, Blocked) else made


def going_back_of(job: DeployJob, style: str, *, repeats: bool = True) -> GoingBack:
    """How this job goes back: by actions of the repository where it has them, and no step needs an env of its own.

    `repeats`: what goes back is written anew, and can have variables of the job's own.
    """
    values = [value for deployment in job.deployments for value in target_env(deployment).values()]
    carried = _carried(job, values) if repeats else {}
    own = any(deployment.credentials or deployment.target.get("profile") for deployment in job.deployments)
    exported = any(job.is_local(value, *carried) and names_read("env", value) for value in values)
    shared = style != "inline" and not own and not exported
    shared = shared and can_use_local_actions(job.job, job.first)
    checkout = checkout_before(job.job, job.first) if shared else None
    return GoingBack(job, tuple(_records(job)), checkout, carried)


def _carried(job: DeployJob, values: list[str]) -> dict[str, Any]:
    """The variables of the job's own `env` that say which service it is, where they mean the same in another job."""
    env = job.job.data.get("env")
    if not isinstance(env, dict):
        return {}
    read = names_read("env", values)
    known = {name: value for name, value in env.items() if name in read and not job.is_local(value)}
    return {name: value for name, value in known.items() if not any(exports(step, name) for step in job.job.steps)}


_PASSED_ON = ScriptText.of('echo "@output@=$@name@" >> "$GITHUB_OUTPUT"')


def _record_step(going_back: GoingBack, record: Record) -> dict[str, Any]:
    job, deployment = going_back.job, record.deployment
    made: dict[str, Any] = {"name": f"Record what runs now{of_which(job, deployment)}", "id": record.step_id}
    if job.knows_before(deployment.condition):
        made |= deployment.condition
    env = going_back.place(deployment)
    if going_back.shared:
        return made | going_back.record(record).step(env, shared=True)
    passed = [name for name, value in env.items() if going_back.is_local(value)]
    lines = ScriptText.lines(
        _PASSED_ON.filled(output=ScriptText.name(name.lower()), name=ScriptText.name(name)) for name in passed
    )
    step = going_back.record(record).step({**deployment.credentials, **env}, shared=False)
    return made | deployment.surroundings | step | {"run": lines + step["run"]}


def of_which(job: DeployJob, deployment: Deployment) -> str:
    """Which of several services, for the name of a step."""
    if len(set(map(_called, job.deployments))) < 2:
        return ""
    name = _called(deployment)
    read = only_read(name)
    name = read.keys[-1].text if read is not None else name
    return f" ({name})" if name else ""


def _called(deployment: Deployment) -> str:
    return next(filter(None, map(deployment.target.get, ("service", "workload", "release"))), "")


_HEALTHY = ScriptText.of('echo "healthy=true" >> "$GITHUB_OUTPUT"')


def recording(going_back: GoingBack, *, followed: bool = False) -> list[Parts]:
    """The steps that record what runs, right after the job has signed in; those that see whether the deployment is
    steady and healthy; and the outputs of the job. `followed`: a new job is added behind them."""
    job = going_back.job
    workflow, steps_node = job.workflow, job.steps_node
    assert steps_node is not None
    outputs: dict[str, str] = {}
    for noted in going_back.records:
        for name, key in noted.outputs.items():
            given = key.replace("_", "-") if going_back.shared else key
            outputs[name] = f"${{{{ steps.{noted.step_id}.outputs.{given} }}}}"
        for name, value in going_back.place(noted.deployment).items():
            if going_back.is_local(value):
                passed = f"${{{{ steps.{noted.step_id}.outputs.{name.lower()} }}}}"
                outputs[f"previous_{name.lower()}{noted.suffix}"] = value if going_back.shared else passed
    later, replaced = waits_of(going_back)
    last = job.last_check
    if last is not None:
        step: dict[str, Any] = {"name": "The deployment is healthy", "id": _free_id(job, "healthy")}
        step |= job.deployments[0].surroundings | {"run": _HEALTHY}
        outputs[healthy_output(job)] = f"${{{{ steps.{step['id']}.outputs.healthy }}}}"
        later.setdefault(last + 1, []).append(step)
    recorded = [_record_step(going_back, record) for record in going_back.records]
    parts: list[Parts] = [workflow.insert_item(steps_node, going_back.index, *recorded), *replaced]
    parts += [workflow.insert_item(steps_node, index, *made, followed=followed) for index, made in later.items()]
    own = job.job.node.get("outputs")
    if own is not None:
        parts.append(workflow.add_keys(own, outputs))
    else:
        parts.append(workflow.add_key(job.job.node, "outputs", outputs, before="steps"))
    return parts


def waits_of(going_back: GoingBack) -> tuple[dict[int, list[dict[str, Any]]], list[Parts]]:
    """The steps that wait until what is deployed is steady, by the index before which they stand; and the edits by
    which a step that waits already does it."""
    job = going_back.job
    later: dict[int, list[dict[str, Any]]] = {}
    replaced: list[Parts] = []
    better: set[int] = set()
    for deployment in waited_for(job):
        waiting = job.waiting_step(deployment)
        if waiting is not None and waiting.index not in better:
            better.add(waiting.index)
            replaced += _waits_better(going_back, deployment, waiting)
        else:
            # Where one step waits for several services, it becomes the first of several.
            place = waiting.index if waiting is not None else deployment.index
            later.setdefault(place + 1, []).append(wait_step(going_back, deployment))
    return later, replaced


def waited_for(job: DeployJob) -> list[Deployment]:
    """The deployments that nothing waits for: else a failed rollout would go unseen."""
    if job.way is HELM:
        return []
    last = {deployment.place: deployment for deployment in job.deployments}
    return [deployment for deployment in last.values() if not job.waits_for(deployment)]


@record
class InScript:
    """Replacements in the script of a step."""

    run: Node
    edits: tuple[tuple[int, int, ScriptText], ...]


def spliced(workflow: Workflow, found: Iterable[InScript]) -> list[Parts]:
    """Those in one script are one edit of it."""
    scripts: dict[int, Node] = {}
    edits: dict[int, dict[tuple[int, int, ScriptText], None]] = {}
    for each in found:
        scripts[each.run.start] = each.run
        edits.setdefault(each.run.start, {}).update(dict.fromkeys(each.edits))
    return [workflow.splice_scalar(run, list(edits[start])) for start, run in scripts.items()]


def waiting_helm(job: DeployJob) -> list[Parts]:
    """`--wait` for what Helm upgrades: else it returns before a pod has started, and no failure is seen."""
    made: list[InScript] = []
    for deployment in job.deployments:
        command, run = deployment.command, deployment.step.run
        if job.way is HELM and deployment.returns is Returns.BEGUN and command is not None and run is not None:
            at = behind_upgrade(command)
            made.append(InScript(run, ((at, at, ScriptText.of(" --wait")),)))
    return spliced(job.workflow, made)


def behind_upgrade(command: Command) -> int:
    """Where an option of `helm upgrade` goes."""
    return next(word.end for word in command.args if word.text == "upgrade")


def wait_step(going_back: GoingBack, deployment: Deployment) -> dict[str, Any]:
    step: dict[str, Any] = {"name": f"Wait until the rollout is steady{of_which(going_back.job, deployment)}"}
    step |= deployment.condition
    env = going_back.place(deployment)
    if going_back.shared:
        return step | steps.wait(deployment).step(env, shared=True)
    env = {**deployment.credentials, **env}
    return step | deployment.surroundings | steps.wait(deployment).step(env, shared=False)


def _waits_better(going_back: GoingBack, deployment: Deployment, step: Step) -> list[Parts]:
    """A step that only waits does it in the way that notices when ECS went back by itself."""
    made = wait_step(going_back, deployment)
    workflow, run = step.workflow, step.run
    assert run is not None
    if going_back.shared:
        call = {key: made[key] for key in ("uses", "with")}
        return [workflow.edit_mapping(step.node, delete=["run"], add=call)]
    added: dict[str, Any] = {key: made[key] for key in ("shell", "working-directory", "env") if key in made}
    return [workflow.edit_mapping(step.node, set={"run": made["run"]}, add=added)]
