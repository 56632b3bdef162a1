"""A deployment that fails leaves the failed version running, or goes "back" to a version that was never good.

## Why

When the health check after a deployment fails, users already see the new version. Going back by hand takes minutes
that nobody has. Many workflows that do roll back read what to go back to *after* the deployment; by then the newest
deployment, `deployments[0]`, is the one that failed.

The fix records what runs before anything changes: of the service's deployments the newest whose rollout was
completed, since the last one may still be failing. It waits until the rollout is steady, and notices when ECS went
back by itself. A job then restores what was recorded, waits, verifies that the steady revision is the one that was
asked for, and checks health. It runs after a failure, a time-out and a cancellation alike, and it fails where nothing
was recorded. Jobs that check the deployment count as part of it.

Where a service is only started anew (`--force-new-deployment`), its revision stays and the image's tag has moved; so
the digests of the running images are recorded too, and the tags are put back. What is passed on is `family:revision`
and never an ARN: GitHub drops an output that holds a masked value, and an account id often is one. The family may hold
a secret too, such as the name of a stage, so the number of the revision is passed on beside it.

With `style = "platform"` the platform goes back instead: ECS by its circuit breaker, and by the CloudWatch `alarms`
that are named, Helm by `--atomic`, Kubernetes by `rollout undo` where the rollout fails. That is less to read and works
while nobody runs a job; it sees pods and tasks that do not start, and neither a check of the workflow that fails
afterwards nor a cancelled job. Where ECS goes back already, what is asked for is that somebody notices: a service that
went back is steady, and a plain waiter is content with it.

## When it is left alone

A job whose rollback reads its target before the deployment; `helm upgrade --atomic`; clusters that a job makes for
its own tests. What fhfix cannot follow is reported with the reason: loops and conditions of the shell, CodeDeploy, a
way of deploying that it does not know, a rollback that answers for several deployments, a deployment whose failure
`continue-on-error` forgets. For those, `command` and `record` say how to go back. A matrix takes neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.deployments import Deployments
from fixer.deploy.local_actions import (
    LocalActions,
)
from fixer.deploy.new_steps import copy_of, filled_in, refers_to, snapshot_notice
from fixer.deploy.rollbacks import (
    Flaw,
    Green,
    ends_green,
    flaw_of,
    goes_back_by_itself,
    idle_rollback,
    notices_ecs,
    rollback_of,
)
from fixer.deploy.targets import aws_operation
from fixer.deploy.values import exports
from fixer.deploy.ways import ECS, HELM, KUBERNETES
from fixer.github.expressions import ANY, conditions, names_read, reads_below
from fixer.github.permissions import grant
from fixer.github.runners import current
from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import Workflows
from fixer.languages.shell import Command, Structure
from fixer.languages.yaml import Flow, Node
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Tier, option
from fixer.scripts import ScriptText
from transforms.deploy.missing_rollback import steps
from transforms.deploy.missing_rollback.going_back import (
    GoingBack,
    Record,
    going_back_of,
    healthy_output,
    name_in_secret,
    of_which,
    outputs_of,
    recording,
    target_env,
    waited_for,
    waiting_helm,
)
from transforms.deploy.missing_rollback.platform import by_helm, by_platform, noticed

RECORD_COMMAND = ScriptText.of("""\
previous=$(@command@)
if [ -z "$previous" ]; then
  echo "::warning::What runs now could not be told: if this deployment fails, there is nothing to go back to"
  exit 0
fi
echo "version=$previous" >> "$GITHUB_OUTPUT"
""")
RESTORE_COMMAND = ScriptText.of("""\
if [ -z "${PREVIOUS:-}" ]; then
  echo "::error::Nothing to go back to: what ran was not recorded before the deployment"
  exit 1
fi
@command@
""")
NOT_HELD_BACK = {"if": "${{ !cancelled() }}"}
"""One service that cannot be restored, or was not deployed at all, does not hold back the others."""
_USES_ECR = re.compile(r"amazon-ecr-login|\.dkr\.ecr\.|ecr get-login|\bECR")
_CHANGES = re.compile(r"(?:terraform|tofu|terragrunt) apply|pulumi up|cdk deploy|cloudformation deploy|sam deploy")
_RECORD = 'rules.missing-rollback.record = "…"'
_COMMAND = 'rules.missing-rollback.command = "…"'
_BOTH_COMMANDS = f"{_RECORD}\n{_COMMAND}"


class Options(RuleOptions):
    style: Literal["action", "inline", "platform"] = option(
        "action",
        "what goes back: a job by actions of the repository, a job with its shell inline, or what the platform has: "
        "ECS's circuit breaker, `helm upgrade --atomic`, `kubectl rollout undo`",
    )
    alarms: Sequence[str] = option((), "CloudWatch alarms by which ECS goes back too, with style platform")
    record: str = option("", "a command that prints which version runs, for ways of deploying that fhfix does not know")
    command: str = option("", "a command that goes back to the version in $PREVIOUS, likewise")


def check(
    workflow: Workflow,
    deployments: Deployments,
    local: LocalActions,
    workflows: Workflows | None,
    options: Options,
) -> Iterator[Finding]:
    jobs = deployments.of(workflow)
    for job in jobs:
        elsewhere = job.elsewhere(jobs)
        existing = rollback_of(job, elsewhere)
        if existing is None:
            idle = idle_rollback(job, elsewhere)
            if idle is not None and job.way.restored:
                yield _idle(job, idle, jobs, local, workflows, options)
            elif not goes_back_by_itself(job):
                yield _missing(job, deployments.breaker, local, options)
            elif job.way is ECS and waited_for(job) and not notices_ecs(job):
                yield _unnoticed(job, local, options)
        else:
            found = (
                _broken(job, existing, jobs, local, options)
                if isinstance(existing, Job)
                else _broken_step(job, existing)
            )
            if found is not None:
                yield found
    for step in deployments.composite.get(workflow.path, ()):
        yield Finding(
            workflow.path,
            step.node.span if step.uses is None else step.uses.span,
            "this action deploys, and nothing goes back when that fails",
            Blocked(
                "an action cannot hold the job that rolls back",
                "add the rollback to the workflow that uses this action",
            ),
        )


# -- a rollback that is missing -----------------------------------------------------------------------------------


def _missing(job: DeployJob, breaker: str, local: LocalActions, options: Options) -> Finding:
    """`breaker` is the file that lets ECS go back by itself, where tasks do not start."""
    words = job.deployments[0].words
    message = f"job {job.id} deploys ({words}), and nothing goes back when that fails"
    if breaker and job.way is ECS:
        message = (
            f"job {job.id} deploys ({words}), and nothing in the workflow goes back when that fails; by {breaker} ECS "
            "does where tasks do not start, and not where a check fails"
        )
    return Finding(job.workflow.path, job.deployments[0].step.span, message, _cure(job, local, options))


def _unnoticed(job: DeployJob, local: LocalActions, options: Options) -> Finding:
    """A circuit breaker that rolls back: the service is steady again, on the version before."""
    message = f"ECS goes back by itself where the deployment of job {job.id} fails, and nobody notices"
    steps = job.editable_steps
    cure = steps if isinstance(steps, Blocked) else _sign_in_is_unseen(job) or noticed(job, local, options.style)
    return Finding(job.workflow.path, job.deployments[0].step.span, message, cure)


def _cure(job: DeployJob, local: LocalActions, options: Options) -> Fix | Blocked:
    if options.style == "platform" and job.way is HELM:
        return by_helm(job)
    steps = job.editable_steps
    if isinstance(steps, Blocked):
        return steps
    if options.style == "platform" and job.way.restored:
        return _sign_in_is_unseen(job) or by_platform(job, local, options.alarms)
    why = _why_not(job)
    if not job.way.restored or (why is not None and filled_in(options.command)):
        return _by_command(job, steps, options)
    if why is not None:
        return why
    workflow = job.workflow
    going_back = going_back_of(job, options.style)
    if going_back.dropped:
        return _is_dropped(job, going_back)
    files = going_back.files(local)
    rollback = _job_name(job)
    made = _rollback_job(going_back)
    if isinstance(made, Blocked):
        return made
    if isinstance(files, Blocked):
        return files
    jobs = workflow.root.get("jobs")
    assert jobs is not None
    moved = _permissions_of_the_job(job)
    parts = [*moved, *recording(going_back, followed=True), *waiting_helm(job)]
    banner = workflow.banner(made.get("name", rollback.replace("-", " ").capitalize()), job.job)
    # Last: it may stand where the last step ends.
    parts.append(workflow.add_key(jobs, rollback, workflow.dressed(made, job.job), comment=banner))
    return Fix.of(
        f"record what runs, and add job {rollback}",
        *parts,
        *files,
        tier=Tier.REVIEW,
        effects=[
            *_effects(job, rollback, _after_any_end(job) + (", and checks health" if job.urls else "")),
            *(["the permissions of the workflow become those of its jobs"] if moved else []),
        ],
        todo=_todo(job),
    )


def _permissions_of_the_job(job: DeployJob) -> list[Parts]:
    """A workflow of one job may give it permissions from above; of two jobs each is better given its own."""
    workflow = job.workflow
    shared = workflow.root.get("permissions")
    if shared is None or not shared.is_mapping or len(workflow.jobs) != 1 or "permissions" in job.job.data:
        return []
    levels = shared.data
    if "write" not in levels.values() or not all(isinstance(level, str) for level in levels.values()):
        return []
    moved = workflow.delete(workflow.root, "permissions")
    if isinstance(moved, Blocked):
        return []
    return [moved, workflow.add_key(job.job.node, "permissions", levels, before="steps")]


def _why_not(job: DeployJob) -> Blocked | None:
    """Why no other job can put back what this one deploys; None where one can."""
    if job.unknown:
        return _blocked(f"job {job.id}: {job.unknown}", "say how to go back, and what tells which version runs")
    return (
        _sign_in_is_unseen(job)
        or _changed_before(job)
        or _sign_in_is_its_own(job)
        or _known_too_late(job)
        or _tag_cannot_be_put_back(job)
        or _workload_is_unknown(job)
    )


def _blocked(reason: str, next_step: str) -> Blocked:
    return Blocked(reason, next_step, _BOTH_COMMANDS)


def _sign_in_is_unseen(job: DeployJob) -> Blocked | None:
    if job.signs_in_while_deploying:
        return _blocked(
            f"a step of job {job.id} signs in and deploys, so no other step can do either",
            "sign in with a step of its own",
        )
    if not job.signed_in_by:
        return _blocked(
            f"it cannot be seen how job {job.id} signs in, and the rollback must do the same",
            "sign in with an action such as aws-actions/configure-aws-credentials in this job",
        )
    return None


def _changed_before(job: DeployJob) -> Blocked | None:
    """An earlier step may itself change what runs."""
    scripts = (step.run.value for step in job.job.steps[: job.earliest] if step.run is not None)
    changed = next(filter(None, map(_CHANGES.search, scripts)), None)
    if changed is None:
        return None
    return _blocked(
        f"{changed[0]} may change the service before job {job.id} can be told which service it is",
        "name cluster and service in the workflow, so that what runs is recorded first",
    )


def _sign_in_is_its_own(job: DeployJob) -> Blocked | None:
    signing_in = [step.data for step in job.sign_in]
    missing = refers_to(signing_in, job.sign_in)
    if missing:
        return _blocked(
            f"signing in depends on step {missing}, which the rollback does not have",
            "take what it finds out from `vars`, `secrets` or `env`",
        )
    own = _own_env(job)
    before = [step for step in job.job.steps[: job.first] if step not in job.sign_in]
    passed = next((name for name in _read_by_shell(job) if any(exports(step, name) for step in before)), "")
    if passed:
        return _blocked(
            f"signing in reads {passed}, which a step before it sets", "take it from `vars`, `secrets` or `env`"
        )
    given = [own, *(deployment.credentials for deployment in job.deployments)]
    if job.is_local(signing_in, *own) or job.is_local(given):
        return _blocked("signing in depends on values of this job only", "use `vars`, `secrets` or `env`")
    return None


def _known_too_late(job: DeployJob) -> Blocked | None:
    places = [value for deployment in job.deployments for value in target_env(deployment).values()]
    if all(map(job.knows_before, places)):
        return None
    return _blocked(
        f"job {job.id} finds out behind its first deployment what it deploys next, too late to record what runs",
        "find it out in a step before",
    )


def _is_dropped(job: DeployJob, going_back: GoingBack) -> Blocked:
    name = going_back.dropped
    return _blocked(
        f"what job {job.id} deploys is known in this job only, and GitHub drops an output that holds secrets.{name}",
        f"a name is no secret: make it a variable, as in `vars.{name}`",
    )


def _tag_cannot_be_put_back(job: DeployJob) -> Blocked | None:
    """Where the same revision is started anew, the image's tag tells what runs."""
    if not any(deployment.moves_a_tag for deployment in job.deployments):
        return None
    text = job.workflow.source.text
    if not _USES_ECR.search(text):
        return _blocked(
            f"job {job.id} starts the same revision anew, and it cannot be seen that the image's tag is in Amazon ECR, "
            "where it could be put back",
            "deploy a task definition that names each image by its own tag or digest",
        )
    named = name_in_secret(job.workflow)
    if named:
        return _blocked(
            f"what runs is told by the image's name, and GitHub drops a job's output that holds secrets.{named}",
            f"a name is no secret: make it a variable, as in `vars.{named}`",
        )
    return None


def _workload_is_unknown(job: DeployJob) -> Blocked | None:
    if all(each.target.get("workload") for each in job.deployments if each.way is KUBERNETES):
        return None
    return _blocked(
        "it cannot be seen which workload is deployed", "wait for it with `kubectl rollout status deployment/…`"
    )


def _own_env(job: DeployJob) -> dict[str, Any]:
    """The variables of the job itself that its way of signing in reads."""
    env = job.job.data.get("env")
    if not isinstance(env, dict):
        return {}
    read = {*names_read("env", [step.data for step in job.sign_in]), *_read_by_shell(job)}
    return {name: env[name] for name in env if name in read or ANY in read}


def _read_by_shell(job: DeployJob) -> set[str]:
    """The variables that the scripts of signing in read, as `$NAME`."""
    scripts = [script for step in job.sign_in if (script := step.script) is not None]
    return {name for script in scripts for name in script.reads}


# -- the job that rolls back --------------------------------------------------------------------------------------


def _job_name(job: DeployJob) -> str:
    deploying = re.sub(r"^(?:build|test|push|publish)(?:[-_]and)?[-_](?=deploy)", "", job.id)
    name = re.sub(r"deploy(?:ment)?", "rollback", deploying, count=1, flags=re.IGNORECASE)
    name = name if name != job.id else job.workflow.job_id(f"rollback-{job.id}")
    while name in job.workflow.jobs:
        name += "-again"
    return name


def _title(name: str) -> str:
    """How the job is called that rolls back what a job of this name deploys."""
    last = re.search(r"(?i)(?:,|\band|&|\+)\s*(deploy(?:s|ing)?\s+(?:to|of)\s+.*)$", name)
    name = last[1] if last is not None else name  # of what is built, tested and deployed, the last is taken back
    what = re.sub(r"(?i)^(?:deploy(?:s|ing|ment)?|releas(?:e|ing)|ship)(?:\s+(?:to|of))?(?:\s+|$)", "", name)
    is_work = re.match(r"(?i)(?:push|build|publish|update|run|create|test|upload|ci|cd)\b", what) is not None
    return f"Roll back after {name}" if is_work else f"Roll back {what}".strip()


def _condition(job: DeployJob) -> str:
    """After a failure, a time-out and a cancellation of the deployment or of a job that checks it; not where it was
    skipped, and not where only what follows the last health check failed, such as a message to the team.

    A job that ran out of time or was cancelled is no failure for `failure()`.
    """
    failed = [f"(needs.{n}.result == 'failure' || needs.{n}.result == 'cancelled')" for n in _needed(job)]
    if job.last_check is not None:
        failed[0] = f"needs.{job.id}.outputs.{healthy_output(job)} != 'true' && {failed[0]}"
        if len(failed) > 1:
            failed[0] = f"({failed[0]})"
    return f"always() && {failed[0]}" if len(failed) == 1 else f"always() && ({' || '.join(failed)})"


def _rights(job: DeployJob) -> Any:
    """The permissions that signing in needs: those of the job, which writes to GitHub where a rollback does not."""
    granted = job.job.data.get("permissions", job.workflow.root.data.get("permissions"))
    if not isinstance(granted, dict):
        return granted
    rights = {name: right for name, right in granted.items() if isinstance(right, str)}
    return {name: "read" if right == "write" and name != "id-token" else right for name, right in rights.items()}


def _needed(job: DeployJob) -> list[str]:
    return [job.id, *(other.id for other in job.checked_by)]


def _rollback_job(going_back: GoingBack) -> dict[str, Any] | Blocked:
    job, records = going_back.job, going_back.records
    data = job.job.data
    env = data.get("env", {}) if job.signed_in_by == "environment" else {**_own_env(job), **going_back.carried}
    local = _surroundings_are_its_own(job, env)
    if local is not None:
        return local
    made: dict[str, Any] = {}
    if "name" in data and not job.is_local(data["name"]):
        made["name"] = _title(str(data["name"]))
    needs = _needed(job)
    made["needs"] = Flow(tuple(needs)) if len(needs) > 1 else job.id
    made["if"] = _condition(job)
    made["runs-on"] = current(data.get("runs-on"))
    if job.job.environment:
        made["environment"] = job.job.environment
    rights = _rights(job)
    if rights is not None:
        made["permissions"] = rights
    made["timeout-minutes"] = max(30, 10 + 20 * len(records))  # two waiters of ten minutes each, and health
    if "container" in data:
        made["container"] = data["container"]
    if env:
        made["env"] = env
    signing_in = [step for step in job.sign_in if step is not going_back.checkout]
    made["steps"] = [
        *_checkout_steps(going_back),
        *map(copy_of, signing_in),
        *_restore_steps(going_back),
        *_health_step(going_back),
        *([snapshot_notice(job.id)] if "snapshot_id" in outputs_of(job) else []),
    ]
    return made


def _checkout_steps(going_back: GoingBack) -> list[dict[str, Any]]:
    """The same in another job: of the whole repository, as it is by default."""
    if going_back.checkout is None:
        return []
    return [{key: value for key, value in copy_of(going_back.checkout).items() if key in ("name", "uses")}]


def _surroundings_are_its_own(job: DeployJob, env: dict[str, Any]) -> Blocked | None:
    """Why no other job can run where this one does; None where one can."""
    for what, value, next_step in (
        ("the runner of job {} is", job.job.data.get("runs-on"), "name it, or take it from inputs"),
        ("the environment of job {} is", job.job.environment, "name it, or take it from inputs"),
        ("the container of job {} is", job.job.data.get("container"), "name it"),
        ("the environment variables of job {} are", env, "take what signing in needs from `vars` or `secrets`"),
    ):
        if job.is_local(value):
            return Blocked(f"{what.format(job.id)} known in this job only", next_step)
    return None


def _health_step(going_back: GoingBack) -> list[dict[str, Any]]:
    """One step that asks every address that is asked for after the deployment; none where none is."""
    job = going_back.job
    if not job.urls:
        return []
    urls = "".join(f"{url}\n" for url in job.urls) if len(job.urls) > 1 else job.urls[0]
    held = NOT_HELD_BACK if len(going_back.records) > 1 else {}
    step = {"name": "Check health after the rollback", **held}
    if not going_back.shared:
        step |= job.deployments[0].surroundings
    return [step | steps.check_health().step({"HEALTH_URLS": urls}, shared=going_back.shared)]


def _restore_steps(going_back: GoingBack) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for record in reversed(going_back.records):
        step: dict[str, Any] = {"name": f"Go back to what ran before{of_which(going_back.job, record.deployment)}"}
        step |= NOT_HELD_BACK if record is not going_back.records[-1] else {}
        if not going_back.shared:
            step |= record.deployment.surroundings
        values = _restore_values(going_back, record)
        made.append(step | going_back.restore(record).step(values, shared=going_back.shared))
    return made


def _restore_values(going_back: GoingBack, record: Record) -> dict[str, str]:
    job = going_back.job
    needs = f"needs.{job.id}.outputs"
    env = dict(record.deployment.credentials)
    for name, value in going_back.place(record.deployment).items():
        passed = f"${{{{ {needs}.previous_{name.lower()}{record.suffix} }}}}"
        env[name] = passed if going_back.is_local(value) else value
    for output, key in record.outputs.items():
        env[f"PREVIOUS_{key.upper()}"] = f"${{{{ {needs}.{output} }}}}"
    return env


def _effects(job: DeployJob, rollback: str, when: str) -> list[str]:
    return [
        f"job {job.id} records what runs before it changes anything",
        *([f"helm waits in job {job.id} until what it upgrades is ready"] if waiting_helm(job) else []),
        f"job {rollback} restores it {when}",
        f"job {rollback} fails, and says so, where nothing was recorded; no failed deployment turns green",
    ]


def _of_one_that_was_there(job: DeployJob, rollback: Job) -> list[str]:
    """The effects where the job that goes back keeps its condition, unless that is made a better one."""
    better = _better_condition(job, rollback) != ()
    return _effects(job, rollback.id, _after_any_end(job) if better else "where its own condition lets it run")


def _after_any_end(job: DeployJob) -> str:
    return f"when {job.id} fails, is cancelled or runs out of time"


def _todo(job: DeployJob) -> list[str]:
    made: list[str] = []
    if any(deployment.moves_a_tag for deployment in job.deployments):
        made.append(
            "allow the deploying AWS identity ecs:DescribeServices, ecs:ListTasks, ecs:DescribeTasks, "
            "ecr:BatchGetImage and ecr:PutImage, and keep untagged images for as long as a deployment takes"
        )
    elif job.way is ECS:
        made.append("allow the deploying AWS identity ecs:DescribeServices")
    elif job.way is KUBERNETES:
        made.append("allow the deploying identity to list replica sets")
    limit = job.job.data.get("timeout-minutes")
    if isinstance(limit, int) and limit < 60 and waited_for(job):
        made.append(
            "leave room for the wait until the rollout is steady, up to twenty minutes: timeout-minutes of job "
            f"{job.id} is {limit}"
        )
    if "concurrency" in job.job.data:
        made.append(
            f"move the concurrency group of job {job.id} to the workflow: else the next deployment can start before "
            "the rollback of this one"
        )
    if any(re.search(r"\bmaintenance\b", f"{step.name} {step.data.get('run', '')}", re.I) for step in job.job.steps):
        made.append(f"a rollback leaves the maintenance mode as job {job.id} has left it: see that it is turned off")
    if job.job.environment:
        made.append(f"if environment {job.job.environment} asks for an approval, the rollback waits for it too")
    return made


# -- a configured command -----------------------------------------------------------------------------------------


def _by_command(job: DeployJob, steps: Node, options: Options) -> Fix | Blocked:
    """A step of the same job, which has everything that deploying needs."""
    command, record = filled_in(options.command), filled_in(options.record)
    if not command or not record:
        missing = _RECORD if command else _COMMAND if record else _BOTH_COMMANDS
        way = job.way
        why = f": {way.why}" if way.why else ""
        back = f" ({way.back})" if way.back else ""
        return Blocked(
            f"job {job.id} deploys in a way that fhfix cannot put back by itself ({job.deployments[0].words}){why}",
            f"say with `record` what tells which version runs, and with `command` how to go back to $PREVIOUS{back}",
            missing,
        )
    first: dict[str, Any] = {"name": "Record what runs now", "id": "previous"}
    first |= job.deployments[0].condition
    given = job.deployments[0].credentials
    shell = {key: value for key, value in job.deployments[0].surroundings.items() if key == "shell"}
    env = {**given, "PREVIOUS": "${{ steps.previous.outputs.version }}"}
    recording = shell | ({"env": given} if given else {})
    started = "steps.previous.outcome == 'success'"
    last = {"name": "Go back to what ran before", "if": f"(failure() || cancelled()) && {started}"}
    return Fix.of(
        "record what runs, and go back to it after a failure",
        job.workflow.insert_item(steps, job.first, first | recording | {"run": RECORD_COMMAND.filled(command=record)}),
        job.workflow.insert_item(
            steps,
            len(steps.items),
            last | shell | {"env": env, "run": RESTORE_COMMAND.filled(command=command)},
        ),
        tier=Tier.REVIEW,
        effects=[f"job {job.id} runs the configured command when a step fails or the job is cancelled"],
    )


# -- a rollback that does not work --------------------------------------------------------------------------------


def _idle(
    job: DeployJob,
    rollback: Job,
    jobs: Sequence[DeployJob],
    local: LocalActions,
    workflows: Workflows | None,
    options: Options,
) -> Finding:
    """A rollback that tells GitHub of a deployment, or people of a failure, and starts no old version."""
    message = f"job {rollback.id} does not roll job {job.id} back: nothing in it puts an old version back"
    node = rollback.node.get("name") or rollback.node.get("if") or rollback.node
    cure = _goes_back_for_others(job, rollback, jobs) or _made_to_work(job, rollback, local, workflows, options)
    return Finding(job.workflow.path, node.span, message, cure)


def _made_to_work(
    job: DeployJob, rollback: Job, local: LocalActions, workflows: Workflows | None, options: Options
) -> Fix | Blocked:
    workflow, steps_node = job.workflow, rollback.steps_node
    why = _why_not(job)
    if why is not None:
        return replace(why, config="")
    listed = steps_node is not None and steps_node.target is None and steps_node.style != "flow"
    if steps_node is None or not listed or job.id not in rollback.needs:
        return Blocked(f"the steps of job {rollback.id} cannot be edited", "delete the job; fhfix then writes one")
    going_back = going_back_of(job, options.style, repeats=False)
    if going_back.dropped:
        return replace(_is_dropped(job, going_back), config="")
    files = going_back.files(local)
    if isinstance(files, Blocked):
        return files
    there = {step.action for step in rollback.steps if step.action}
    signing_in = {step.action for step in job.sign_in if step.action}
    signed_in = [step.index for step in rollback.steps if step.action in signing_in]
    made = [] if "actions/checkout" in there else _checkout_steps(going_back)
    made += [copy_of(step) for step in job.sign_in if step.action not in {*there, "actions/checkout"}]
    made += _restore_steps(going_back)
    parts = recording(going_back)
    parts.append(workflow.insert_item(steps_node, max(signed_in, default=-1) + 1, *made))
    parts.append(_better_condition(job, rollback))
    parts += _same_rights(job, rollback, workflows)
    return Fix.of(
        f"record what runs, and let job {rollback.id} restore it",
        *parts,
        *files,
        tier=Tier.REVIEW,
        effects=_of_one_that_was_there(job, rollback),
        todo=_todo(job),
    )


def _same_rights(job: DeployJob, rollback: Job, workflows: Workflows | None) -> list[Parts]:
    """The environment, whose secrets signing in needs, and permissions such as `id-token`."""
    workflow, made = job.workflow, list[Parts]()
    wanted = _rights(job)
    if isinstance(wanted, dict) and rollback.node.get("permissions") is not None:
        made.append(grant(rollback, wanted, workflows))
    if job.job.environment and not rollback.environment:
        made.append(workflow.add_key(rollback.node, "environment", job.job.environment, before="steps"))
    return made


def _better_condition(job: DeployJob, rollback: Job) -> Parts:
    """`failure()` misses a job that was cancelled or ran out of time; any other condition is somebody's decision."""
    condition = rollback.node.get("if")
    plain = condition is not None and conditions(condition.value) == {"failure()"}
    if condition is None or not plain or set(rollback.needs) != set(_needed(job)):
        return ()
    return job.workflow.set_scalar(condition, _condition(job))


def _goes_back_for_others(job: DeployJob, rollback: Job, jobs: Sequence[DeployJob]) -> Blocked | None:
    """A rollback that runs where other deployments fail, too: it would take this one back then, and those never."""
    others = [other.id for other in jobs if other.id in rollback.needs and other.id != job.id]
    if not others:
        return None
    also = " and ".join(f"job {other}" for other in others)
    return Blocked(
        f"job {rollback.id} also goes back where {also} has failed, which deploys something else",
        "delete the rollback; fhfix then writes one for each job that deploys",
    )


def _broken(
    job: DeployJob, rollback: Job, jobs: Sequence[DeployJob], local: LocalActions, options: Options
) -> Finding | None:
    """A rollback whose target is read after the deployment, or that names none."""
    flaw = flaw_of(job, rollback.steps)
    if flaw is None:
        return None
    message = f"job {rollback.id} does not roll job {job.id} back: it {flaw.why}"
    cure = _goes_back_for_others(job, rollback, jobs) or _repaired(job, rollback, flaw, local, options)
    return Finding(job.workflow.path, flaw.span, message, cure)


def _broken_step(job: DeployJob, step: Step) -> Finding | None:
    """The same, where it is a step of the job that deploys; or one that hides what it went back for."""
    green = ends_green(step)
    if green is not None and step.run is not None:
        return _green(job, step, green)
    flaw = flaw_of(job, (step,))
    if flaw is None or step.run is None:
        return None
    message = f"step {step.name or step.id or step.index} does not roll job {job.id} back: it {flaw.why}"
    why = _why_not(job)
    blocked = Blocked(
        "it is one step of the job that failed, and knows only what runs by then",
        "delete the step; fhfix then records what runs, and writes a job that restores it",
    )
    return Finding(job.workflow.path, step.run.span, message, replace(why, config="") if why is not None else blocked)


def _green(job: DeployJob, step: Step, green: Green) -> Finding:
    workflow, run, text = job.workflow, step.run, green.undo.script.text
    assert run is not None
    message = (
        f"job {job.id} ends green where it went back (`{_shown(green.undo)}`): nobody learns that nothing was deployed"
    )
    span = workflow.span_of(run, green.undo.start, green.undo.end)
    if green.exit is not None:
        edits = [(green.exit.start, green.exit.end, ScriptText.of("exit 1"))]
    elif green.undo.within(Structure.LIST) and green.undo.block == green.undo.decided_by[-1].block:
        undo = green.undo.script.part(green.undo.start, green.undo.end)
        edits = [(green.undo.start, green.undo.end, ScriptText.of("{ @undo@; exit 1; }", undo=undo))]
    else:
        start, end = green.last.statement
        line = text[text.rfind("\n", 0, start) + 1 : start]
        own = ScriptText.of("\nexit 1").indented(line) if not line.strip() else ScriptText.of("; exit 1")
        edits = [(end, end, own)]
    fix = Fix.of(
        "let the job fail after it went back",
        workflow.splice_scalar(run, edits),
        tier=Tier.REVIEW,
        effects=[f"job {job.id} is red, and jobs behind it do not run, where the deployment failed and was undone"],
    )
    return Finding(workflow.path, span, message, fix)


def _shown(command: Command) -> str:
    return " ".join((command.name, *(word.text for word in command.args[:2])))


def _repaired(job: DeployJob, rollback: Job, flaw: Flaw, local: LocalActions, options: Options) -> Fix | Blocked:
    why = _why_not(job)
    if why is not None:
        return replace(why, config="")
    workflow, going_back = job.workflow, going_back_of(job, options.style, repeats=False)
    if len(going_back.records) != 1:
        return Blocked(f"job {job.id} deploys several services", "delete the rollback; fhfix then writes a new one")
    if going_back.dropped:
        return replace(_is_dropped(job, going_back), config="")
    files = going_back.files(local, checking=False)
    if isinstance(files, Blocked):
        return files
    step, steps_node, run = flaw.step, rollback.steps_node, flaw.step.run
    if steps_node is None or run is None:
        return _better_deleted("the rollback's steps cannot be edited")
    source = flaw.source if flaw.source is not step else None
    if source is not None and (needed := _does_more(source, step, rollback)):
        return _better_deleted(needed)
    if not _only_runs(step, "describe-services", "list-task-definitions", "update-service", "wait"):
        return _better_deleted(f"step {step.name} of job {rollback.id} does more than update the service")
    if step.node.get("env") is not None:
        return _better_deleted(f"step {step.name} has an env of its own")
    record = going_back.records[0]
    parts = recording(going_back)
    values = _restore_values(going_back, record)
    if going_back.shared:
        there = any(other.action == "actions/checkout" for other in rollback.steps)
        parts += [] if there else [workflow.insert_item(steps_node, 0, *_checkout_steps(going_back))]
        parts.append(
            workflow.edit_mapping(step.node, delete=["run"], add=going_back.restore(record).action.call(values))
        )
    else:
        parts.append(workflow.add_key(step.node, "env", values, before="run"))
        parts.append(workflow.set_scalar(run, going_back.restore(record).inline))
    if source is not None:
        parts.append(workflow.delete(steps_node, source.index))
    parts.append(_better_condition(job, rollback))
    return Fix.of(
        f"record what runs before the deployment, and let job {rollback.id} restore that",
        *parts,
        *files,
        tier=Tier.REVIEW,
        effects=_of_one_that_was_there(job, rollback),
        todo=_todo(job),
    )


def _better_deleted(reason: str) -> Blocked:
    return Blocked(reason, "delete the rollback; fhfix then writes one")


def _does_more(source: Step, step: Step, rollback: Job) -> str:
    """Why the step that finds out a revision must stay; empty where nothing but `step` needs it."""
    others = [other for other in rollback.steps if other not in (source, step)]
    if source.id and any(read.touches(f"steps.{source.id}") for read in reads_below([other.data for other in others])):
        return f"other steps of job {rollback.id} use what step {source.id} found"
    if not _only_runs(source, "describe-services", "list-task-definitions"):
        return f"step {source.name or source.id} of job {rollback.id} does more than find out a revision"
    return ""


def _only_runs(step: Step, *operations: str) -> bool:
    """Whether a script does nothing but ask for these operations of `aws`, and say so."""
    script = step.script
    if script is None or script.error:
        return False
    return all(
        command.name in ("echo", "set") or set(aws_operation(command)[1:]) & set(operations)
        for command in script.commands
    )


RULE = Rule(
    __name__,
    "A failed deployment is not rolled back",
    check,
    audit=("D-010.1",),
    criterion="No job deploys without going back when that fails",
    hours=(3, 3),
)
