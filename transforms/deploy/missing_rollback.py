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
and never an ARN: GitHub drops an output that holds a masked value, and an account id often is one. Where names are
kept as secrets, the number of the revision is passed on beside it.

## When it is left alone

A job whose rollback reads its target before the deployment; `helm upgrade --atomic`; clusters that a job makes for
its own tests. What fhfix cannot follow is reported with the reason: loops and conditions of the shell, CodeDeploy, a
way of deploying that it does not know. For those, `command` and `record` say how to go back. A matrix takes neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from fixer.deploy.deployments import (
    DeployJob,
    Deployment,
    Deployments,
    aws_operation,
    copy_of,
    exports,
    filled_in,
    refers_to,
)
from fixer.deploy.rollbacks import Flaw, flaw_of, idle_rollback, is_atomic, rollback_of
from fixer.deploy.ways import ECS, HELM, KUBERNETES
from fixer.github.expressions import ANY, conditions, names_read, only_read, reads_below
from fixer.github.workflow import Job, Step, Workflow
from fixer.languages.yaml import Flow, Node
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Tier, option

RECORD_ECS = """\
steady="[?rolloutState=='COMPLETED' || !rolloutState] | [0].[id, taskDefinition]"
found=$(aws ecs describe-services --cluster "$CLUSTER" --services "$SERVICE" --output text \\
  --query "services[?status=='ACTIVE'] | [0].deployments$steady")
read -r deployment previous <<<"$found"
case "${previous:-}" in
  arn:*:task-definition/*) ;;
  *)
    echo "::warning::$SERVICE has never run steadily: if this deployment fails, there is nothing to go back to"
    exit 0
    ;;
esac
# family:revision and no ARN: GitHub drops an output that holds a masked value, such as an account id.
echo "task_definition=${previous##*/}" >> "$GITHUB_OUTPUT"
{revision}echo "If $deployment cannot be replaced, $SERVICE goes back to ${previous##*/}"
"""
RECORD_REVISION = """\
# A name that is kept as a secret is masked too; the number of the revision is not.
echo "revision=${previous##*:}" >> "$GITHUB_OUTPUT"
"""
IMAGES = """\
images() {
  local listed found
  listed=$(aws ecs list-tasks --cluster "$CLUSTER" --service-name "$SERVICE" --output text --query taskArns) || return
  read -r -a tasks <<<"$listed"
  [ "${tasks[0]:-None}" != None ] || return 0
  found=$(aws ecs describe-tasks --cluster "$CLUSTER" --tasks "${tasks[@]}" --output text \\
    --query "tasks[$1].containers[].[image, imageDigest]") || return
  # Without the registry's address, which holds the account id.
  sed -n -E 's#^[0-9]+\\.dkr\\.ecr\\.[^/]+/([^@:[:space:]]+:[^@[:space:]]+)\\s+(sha256:.*)$#\\1=\\2#p' <<<"$found" |
    sort -u | paste -s -d ' ' -
}
"""
RECORD_IMAGES = """\
# The service keeps its revision, and a tag of its image moves: what runs is told by the digest.
running=$(images "?startedBy=='$deployment'")
echo "images=$running" >> "$GITHUB_OUTPUT"
echo "Images that run: ${running:-none}"
"""
STEADY_ECS = """\
primary() {
  aws ecs describe-services --cluster "$CLUSTER" --services "$SERVICE" --output text \\
    --query "services[0].deployments[?status=='PRIMARY'] | [0].id"
}
started=$(primary)
# One waiter gives up after ten minutes.
steady() { aws ecs wait services-stable --cluster "$CLUSTER" --services "$SERVICE"; }
if ! steady && ! steady; then
  echo "::error::$SERVICE was not steady within twenty minutes"
  exit 1
fi
# A circuit breaker that goes back by itself also ends steady, with a deployment of its own.
if [ "$(primary)" != "$started" ]; then
  echo "::error::$SERVICE is steady, but not on what was deployed: ECS went back by itself"
  exit 1
fi
"""
STATE_ECS = """\
state() {
  local found
  found=$(aws ecs describe-services --cluster "$CLUSTER" --services "$SERVICE" --output text \\
    --query 'services[0].[taskDefinition, length(deployments)]') || return
  sed -E 's#^.*/##; s#\\s+# #' <<<"$found"
}
"""
FROM_REVISION = """\
# GitHub drops an output that holds a secret, such as the family's name: the family is still that of the service.
if [ -z "${PREVIOUS_TASK_DEFINITION:-}" ] && [ -n "${PREVIOUS_REVISION:-}" ]; then
  state=$(state)
  PREVIOUS_TASK_DEFINITION="${state%:*}:$PREVIOUS_REVISION"
fi
"""
REFUSE_ECS = """\
case "${PREVIOUS_TASK_DEFINITION:-}" in
  ?*:[0-9]*) ;;
  *)
    echo "::error::Nothing to go back to: no steady revision of $SERVICE was recorded before the deployment"
    exit 1
    ;;
esac
"""
RESTORE_IMAGES = """\
if [ -z "${PREVIOUS_IMAGES:-}" ]; then
  echo "::error::No running image of $SERVICE was recorded, and its revision alone does not tell what runs"
  exit 1
fi
moved=""
for entry in $PREVIOUS_IMAGES; do
  image=${entry%%=*} digest=${entry#*=}
  repository=${image%:*} tag=${image##*:}
  now=$(aws ecr batch-get-image --repository-name "$repository" --image-ids "imageTag=$tag" --output text \\
    --query 'images[0].imageId.imageDigest')
  if [ "$now" != "$digest" ]; then
    manifest=$(aws ecr batch-get-image --repository-name "$repository" --image-ids "imageDigest=$digest" \\
      --query 'images[0].imageManifest' --output text)
    media=$(aws ecr batch-get-image --repository-name "$repository" --image-ids "imageDigest=$digest" \\
      --query 'images[0].imageManifestMediaType' --output text)
    aws ecr put-image --repository-name "$repository" --image-tag "$tag" --image-digest "$digest" --output text \\
      --image-manifest "$manifest" --image-manifest-media-type "$media" --query image.imageId.imageTag
    echo "$image is $digest again"
    moved=yes
  fi
done
state=$(state)
if [ -z "$moved" ] && [ "$state" = "$PREVIOUS_TASK_DEFINITION 1" ] && [ "$(images "")" = "$PREVIOUS_IMAGES" ]; then
  echo "The deployment had not touched $SERVICE yet: $PREVIOUS_TASK_DEFINITION runs as before"
  exit 0
fi
"""
RESTORE_ECS = """\
aws ecs update-service --cluster "$CLUSTER" --service "$SERVICE" --task-definition "$PREVIOUS_TASK_DEFINITION" \\
  {force}--query service.status --output text
aws ecs wait services-stable --cluster "$CLUSTER" --services "$SERVICE" ||
  aws ecs wait services-stable --cluster "$CLUSTER" --services "$SERVICE"
state=$(state)
if [ "$state" != "$PREVIOUS_TASK_DEFINITION 1" ]; then
  echo "::error::$SERVICE is on ${state% *} in ${state#* } deployments, not on $PREVIOUS_TASK_DEFINITION alone"
  exit 1
fi
"""
VERIFY_IMAGES = """\
running=$(images "")
if [ "$running" != "$PREVIOUS_IMAGES" ]; then
  echo "::error::$SERVICE runs ${running:-nothing}, not $PREVIOUS_IMAGES"
  exit 1
fi
"""
SAID = """\
echo "{what} is back on {to}"
if [ -n "${SNAPSHOT_ID:-}" ]; then
  echo "::notice::Migrations are not undone. The database as it was before: snapshot $SNAPSHOT_ID"
fi
"""
RECORD_KUBERNETES = """\
name=${WORKLOAD#*/}
# The newest revision that has ready pods: the last rollout may still be failing.
columns='OWNER:.metadata.ownerReferences[0].name'
columns+=',REVISION:.metadata.annotations.deployment\\.kubernetes\\.io/revision,READY:.status.readyReplicas'
revision=$(kubectl get replicasets{options} --no-headers --output "custom-columns=$columns" |
  awk -v name="$name" '$1 == name && $3 + 0 > 0 { print $2 }' | sort -n | tail -n 1)
if [ -z "$revision" ]; then
  echo "::warning::$WORKLOAD has no revision with ready pods: if this deployment fails, there is nothing to go back to"
  exit 0
fi
echo "revision=$revision" >> "$GITHUB_OUTPUT"
echo "A failed deployment of $WORKLOAD goes back to revision $revision"
"""
STEADY_KUBERNETES = 'kubectl rollout status "$WORKLOAD"{options} --timeout=10m'
RESTORE_KUBERNETES = """\
if [ -z "${PREVIOUS_REVISION:-}" ]; then
  echo "::error::Nothing to go back to: no revision of $WORKLOAD was recorded before the deployment"
  exit 1
fi
kubectl rollout undo "$WORKLOAD"{options} --to-revision="$PREVIOUS_REVISION"
kubectl rollout status "$WORKLOAD"{options} --timeout=10m
"""
RECORD_HELM = """\
revision=$(helm history "$RELEASE"{options} --output json 2>/dev/null |
  jq -r '[.[] | select(.status == "deployed")][-1].revision // empty' || true)
if [ -z "$revision" ]; then
  echo "::warning::$RELEASE was never deployed: if this deployment fails, there is nothing to go back to"
  exit 0
fi
echo "revision=$revision" >> "$GITHUB_OUTPUT"
echo "A failed deployment of $RELEASE goes back to revision $revision"
"""
RESTORE_HELM = """\
if [ -z "${PREVIOUS_REVISION:-}" ]; then
  echo "::error::Nothing to go back to: no revision of $RELEASE was recorded before the deployment"
  exit 1
fi
helm rollback "$RELEASE" "$PREVIOUS_REVISION"{options} --wait --timeout 10m
"""
RECORD_COMMAND = """\
previous=$({command})
if [ -z "$previous" ]; then
  echo "::warning::What runs now could not be told: if this deployment fails, there is nothing to go back to"
  exit 0
fi
echo "version=$previous" >> "$GITHUB_OUTPUT"
"""
RESTORE_COMMAND = """\
if [ -z "${PREVIOUS:-}" ]; then
  echo "::error::Nothing to go back to: what ran was not recorded before the deployment"
  exit 1
fi
{command}
"""
NOT_HELD_BACK = {"if": "${{ !cancelled() }}"}
"""One service that cannot be restored, or was not deployed at all, does not hold back the others."""
HEALTH = """\
for url in $HEALTH_URLS; do
  curl --fail --silent --show-error --output /dev/null --max-time 10 \\
    --retry 24 --retry-delay 5 --retry-all-errors "$url"
  echo "$url is healthy"
done
"""

_USES_ECR = re.compile(r"amazon-ecr-login|\.dkr\.ecr\.|ecr get-login|\bECR")
_CHANGES = re.compile(r"(?:terraform|tofu|terragrunt) apply|pulumi up|cdk deploy|cloudformation deploy|sam deploy")
# Names of secrets that hold the name of something, and no key to it.
_IS_A_NAME = re.compile(
    r"(?!\w*(?:KEY|TOKEN|PASSWORD|ROLE|ARN|ID|URI|URL|REGISTRY)\b)"
    r"\w*(?:ECS|ECR|TASK|SERVICE|CLUSTER|FAMILY|CONTAINER|REPO|IMAGE)",
    re.IGNORECASE,
)
_RECORD = 'rules.missing-rollback.record = "…"'
_COMMAND = 'rules.missing-rollback.command = "…"'
_BOTH_COMMANDS = f"{_RECORD}\n{_COMMAND}"


class Options(RuleOptions):
    record: str = option("", "a command that prints which version runs, for ways of deploying that fhfix does not know")
    command: str = option("", "a command that goes back to the version in $PREVIOUS, likewise")


def check(workflow: Workflow, deployments: Deployments, options: Options) -> Iterator[Finding]:
    jobs = deployments.of(workflow)
    for job in jobs:
        elsewhere = {other.id for other in jobs if other.environment != job.environment}
        existing = rollback_of(job, elsewhere)
        if existing is None:
            idle = idle_rollback(job, elsewhere)
            if idle is not None and job.way.restored:
                yield _idle(job, idle)
            elif not is_atomic(job):
                yield _missing(job, options)
        else:
            found = _broken(job, existing) if isinstance(existing, Job) else _broken_step(job, existing)
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


def _missing(job: DeployJob, options: Options) -> Finding:
    words = job.deployments[0].words
    message = f"job {job.id} deploys ({words}), and nothing goes back when that fails"
    return Finding(job.workflow.path, job.deployments[0].step.span, message, _cure(job, options))


def _cure(job: DeployJob, options: Options) -> Fix | Blocked:
    steps = job.editable_steps
    if isinstance(steps, Blocked):
        return steps
    why = _why_not(job)
    if not job.way.restored or (why is not None and filled_in(options.command)):
        return _by_command(job, steps, options)
    if why is not None:
        return why
    workflow = job.workflow
    records = _records(job)
    rollback = _job_name(job)
    made = _rollback_job(job, records)
    if isinstance(made, Blocked):
        return made
    jobs = workflow.root.get("jobs")
    assert jobs is not None
    moved = _permissions_of_the_job(job)
    parts = [*moved, *_recording(job, records, followed=True)]
    parts.append(workflow.add_key(jobs, rollback, made))  # last: it may stand where the last step ends
    return Fix.of(
        f"record what runs, and add job {rollback}",
        *parts,
        tier=Tier.REVIEW,
        effects=[
            *_effects(job, rollback),
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
    if "write" not in shared.data.values():
        return []
    moved = workflow.delete(workflow.root, "permissions")
    if isinstance(moved, Blocked):
        return []
    return [moved, workflow.add_key(job.job.node, "permissions", shared.data, before="steps")]


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
    steps = [copy_of(step) for step in job.sign_in]
    missing = refers_to(steps, job.sign_in)
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
    # The rollback takes over the job's own variables.
    if job.is_local(steps, *own) or job.is_local(given):
        return _blocked("signing in depends on values of this job only", "use `vars`, `secrets` or `env`")
    return None


def _known_too_late(job: DeployJob) -> Blocked | None:
    places = [value for deployment in job.deployments for value in _target_env(deployment).values()]
    if all(map(job.knows_before, places)):
        return None
    return _blocked(
        f"job {job.id} finds out behind its first deployment what it deploys next, too late to record what runs",
        "find it out in a step before",
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
    named = _name_in_secret(job.workflow)
    if named:
        return _blocked(
            f"what runs is told by the image's name, and GitHub drops a job's output that holds secrets.{named}",
            f"a name is no secret: make it a variable, as in `vars.{named}`",
        )
    return None


def _name_in_secret(workflow: Workflow) -> str:
    """A secret that holds the name of something; empty where there is none."""
    return next(filter(_IS_A_NAME.match, names_read("secrets", workflow.plain())), "")


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
    read = {*names_read("env", [copy_of(step) for step in job.sign_in]), *_read_by_shell(job)}
    return {name: env[name] for name in env if name in read or ANY in read}


def _read_by_shell(job: DeployJob) -> set[str]:
    """The variables that the scripts of signing in read, as `$NAME`."""
    scripts = [script for step in job.sign_in if (script := step.script) is not None]
    return {name for script in scripts for name in script.reads}


@dataclass(frozen=True)
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
        passed = (*self.keys, *(name.lower() for name in _target_env(self.deployment)))
        return {self.step_id, *(f"previous_{name}{self.suffix}" for name in passed)}

    @property
    def outputs(self) -> dict[str, str]:
        """Output of the job → output of the step."""
        return {f"previous_{key}{self.suffix}": key for key in self.keys}

    @property
    def keys(self) -> tuple[str, ...]:
        if self.deployment.way is not ECS:
            return ("revision",)
        return ("task_definition", *(["revision"] if self.is_masked else []), *(["images"] if self.moves_a_tag else []))

    @property
    def is_masked(self) -> bool:
        """Whether GitHub may take the name of a task definition for a secret, and drop the output that holds it."""
        return _name_in_secret(self.deployment.step.workflow) != ""


def _records(job: DeployJob) -> list[Record]:
    taken = {step.id for step in job.job.steps if step.id} | set(_outputs(job))
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


def _outputs(job: DeployJob) -> list[str]:
    """The outputs that the job has already."""
    return list(job.job.node.mapping("outputs"))


def _healthy(job: DeployJob) -> str:
    """The output that says whether the last check was reached."""
    return "healthy" if "healthy" not in _outputs(job) else "deployment_healthy"


def _free_id(job: DeployJob, wanted: str) -> str:
    taken = {step.id for step in job.job.steps}
    return wanted if wanted not in taken else _free_id(job, f"{wanted}_again")


def _target_env(deployment: Deployment) -> dict[str, str]:
    target = deployment.target
    names = {
        ECS: {"CLUSTER": "cluster", "SERVICE": "service", "AWS_REGION": "region", "AWS_PROFILE": "profile"},
        KUBERNETES: {"WORKLOAD": "workload", "NAMESPACE": "namespace", "CONTEXT": "context"},
        HELM: {"RELEASE": "release", "NAMESPACE": "namespace", "CONTEXT": "context"},
    }.get(deployment.way, {})
    return {name: target[key] for name, key in names.items() if target.get(key)}


def _options_of(deployment: Deployment) -> str:
    """`--namespace` and `--context` for kubectl and helm, where the deployment gives them."""
    made = ' --namespace "$NAMESPACE"' if deployment.target.get("namespace") else ""
    if deployment.target.get("context"):
        made += ' --context "$CONTEXT"' if deployment.way is KUBERNETES else ' --kube-context "$CONTEXT"'
    return made


def _record_script(record: Record) -> str:
    deployment = record.deployment
    if deployment.way is ECS:
        before, after = (IMAGES, RECORD_IMAGES) if record.moves_a_tag else ("", "")
        return before + RECORD_ECS.replace("{revision}", RECORD_REVISION if record.is_masked else "") + after
    text = RECORD_KUBERNETES if deployment.way is KUBERNETES else RECORD_HELM
    return text.replace("{options}", _options_of(deployment))


def _record_step(job: DeployJob, record: Record) -> dict[str, Any]:
    env, script = _target_env(record.deployment), _record_script(record)
    passed = [name for name, value in env.items() if job.is_local(value)]
    if passed:
        lines = "".join(f'echo "{name.lower()}=${name}" >> "$GITHUB_OUTPUT"\n' for name in passed)
        script = lines + script
    made: dict[str, Any] = {"name": f"Record what runs now{_of(job, record.deployment)}", "id": record.step_id}
    if job.knows_before(record.deployment.condition):
        made |= record.deployment.condition
    made |= record.deployment.surroundings
    return made | {"env": {**record.deployment.credentials, **env}, "run": script}


def _of(job: DeployJob, deployment: Deployment) -> str:
    """Which of several services, for the name of a step."""
    if len(set(map(_called, job.deployments))) < 2:
        return ""
    name = _called(deployment)
    read = only_read(name)
    name = read.keys[-1].text if read is not None else name
    return f" ({name})" if name else ""


def _called(deployment: Deployment) -> str:
    return next(filter(None, map(deployment.target.get, ("service", "workload", "release"))), "")


def _recording(job: DeployJob, records: list[Record], *, followed: bool = False) -> list[Parts]:
    """The steps that record what runs, right after the job has signed in; those that see whether the deployment is
    steady and healthy; and the outputs of the job. `followed`: a new job is added behind them."""
    workflow, steps = job.workflow, job.steps_node
    assert steps is not None
    outputs: dict[str, str] = {}
    for record in records:
        for name, key in record.outputs.items():
            outputs[name] = f"${{{{ steps.{record.step_id}.outputs.{key} }}}}"
        for name, value in _target_env(record.deployment).items():
            if job.is_local(value):
                outputs[f"previous_{name.lower()}{record.suffix}"] = (
                    f"${{{{ steps.{record.step_id}.outputs.{name.lower()} }}}}"
                )
    later: dict[int, list[dict[str, Any]]] = {}
    for index, waiting in _steady_steps(job):
        later.setdefault(index, []).append(waiting)
    last = job.last_check
    if last is not None:
        step: dict[str, Any] = {"name": "The deployment is healthy", "id": _free_id(job, "healthy")}
        step |= job.deployments[0].surroundings | {"run": 'echo "healthy=true" >> "$GITHUB_OUTPUT"'}
        outputs[_healthy(job)] = f"${{{{ steps.{step['id']}.outputs.healthy }}}}"
        later.setdefault(last + 1, []).append(step)
    parts: list[Parts] = [workflow.insert_item(steps, job.earliest, *(_record_step(job, record) for record in records))]
    parts += [workflow.insert_item(steps, index, *made, followed=followed) for index, made in later.items()]
    own = job.job.node.get("outputs")
    if own is not None:
        parts.append(workflow.add_keys(own, outputs))
    else:
        parts.append(workflow.add_key(job.job.node, "outputs", outputs, before="steps"))
    return parts


def _steady_steps(job: DeployJob) -> list[tuple[int, dict[str, Any]]]:
    """A wait behind each deployment that nothing waits for; else a failed rollout would go unseen."""
    made: list[tuple[int, dict[str, Any]]] = []
    if job.way is HELM:
        return made
    last = {deployment.place: deployment for deployment in job.deployments}
    for deployment in last.values():
        if job.waits_for(deployment):
            continue
        script = STEADY_ECS if job.way is ECS else STEADY_KUBERNETES.replace("{options}", _options_of(deployment))
        step: dict[str, Any] = {"name": f"Wait until the rollout is steady{_of(job, deployment)}"}
        step |= deployment.condition
        env = {**deployment.credentials, **_target_env(deployment)}
        made.append((deployment.index + 1, step | deployment.surroundings | {"env": env, "run": script}))
    return made


# -- the job that rolls back --------------------------------------------------------------------------------------


def _job_name(job: DeployJob) -> str:
    name = re.sub(r"deploy(?:ment)?", "rollback", job.id, count=1, flags=re.IGNORECASE)
    name = name if name != job.id else f"rollback-{job.id}"
    while name in job.workflow.jobs:
        name += "-again"
    return name


def _condition(job: DeployJob) -> str:
    """After a failure, a time-out and a cancellation of the deployment or of a job that checks it; not where it was
    skipped, and not where only what follows the last health check failed, such as a message to the team.

    A job that ran out of time or was cancelled is no failure for `failure()`.
    """
    failed = [f"(needs.{n}.result == 'failure' || needs.{n}.result == 'cancelled')" for n in _needed(job)]
    if job.last_check is not None:
        failed[0] = f"needs.{job.id}.outputs.{_healthy(job)} != 'true' && {failed[0]}"
        if len(failed) > 1:
            failed[0] = f"({failed[0]})"
    return f"always() && {failed[0]}" if len(failed) == 1 else f"always() && ({' || '.join(failed)})"


def _rights(job: DeployJob) -> Any:
    """The permissions that signing in needs: those of the job, which writes to GitHub where a rollback does not."""
    granted = job.job.data.get("permissions", job.workflow.root.data.get("permissions"))
    if not isinstance(granted, dict):
        return granted
    return {name: "read" if right == "write" and name != "id-token" else right for name, right in granted.items()}


def _needed(job: DeployJob) -> list[str]:
    return [job.id, *(other.id for other in job.checked_by)]


def _rollback_job(job: DeployJob, records: list[Record]) -> dict[str, Any] | Blocked:
    data = job.job.data
    env = data.get("env", {}) if job.signed_in_by == "environment" else _own_env(job)
    local = _surroundings_are_its_own(job, env)
    if local is not None:
        return local
    made: dict[str, Any] = {}
    if "name" in data and not job.is_local(data["name"]):
        short = re.sub(r"(?i)^deploy(?:s|ing|ment)?(?:\s+(?:to|of))?\s+", "", str(data["name"]))
        made["name"] = f"Roll back {short}"
    needs = _needed(job)
    made["needs"] = Flow(tuple(needs)) if len(needs) > 1 else job.id
    made["if"] = _condition(job)
    made["runs-on"] = data.get("runs-on")
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
    made["steps"] = [*map(copy_of, job.sign_in), *_restore_steps(job, records), *_health_step(job, records)]
    return made


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


def _health_step(job: DeployJob, records: list[Record]) -> list[dict[str, Any]]:
    """One step that asks every address that is asked for after the deployment; none where none is."""
    if not job.urls:
        return []
    urls = "".join(f"{url}\n" for url in job.urls) if len(job.urls) > 1 else job.urls[0]
    held = NOT_HELD_BACK if len(records) > 1 else {}
    step = {"name": "Check health after the rollback", **held, **job.deployments[0].surroundings}
    return [{**step, "env": {"HEALTH_URLS": urls}, "run": HEALTH}]


def _restore_steps(job: DeployJob, records: list[Record]) -> list[Any]:
    made: list[Any] = []
    for record in reversed(records):
        name = {"name": f"Go back to what ran before{_of(job, record.deployment)}"}
        others = NOT_HELD_BACK if record is not records[-1] else {}
        shell = record.deployment.surroundings
        made.append(name | others | shell | {"env": _restore_env(job, record), "run": _restore_script(record)})
    return made


def _restore_env(job: DeployJob, record: Record) -> dict[str, str]:
    needs = f"needs.{job.id}.outputs"
    env = dict(record.deployment.credentials)
    for name, value in _target_env(record.deployment).items():
        passed = f"${{{{ {needs}.previous_{name.lower()}{record.suffix} }}}}"
        env[name] = passed if job.is_local(value) else value
    for output, key in record.outputs.items():
        env[f"PREVIOUS_{key.upper()}"] = f"${{{{ {needs}.{output} }}}}"
    if "snapshot_id" in _outputs(job):
        env["SNAPSHOT_ID"] = f"${{{{ {needs}.snapshot_id }}}}"
    return env


def _restore_script(record: Record) -> str:
    deployment = record.deployment
    if deployment.way is ECS:
        moved = record.moves_a_tag
        pieces = [
            IMAGES if moved else "",
            STATE_ECS,
            FROM_REVISION if record.is_masked else "",
            REFUSE_ECS,
            RESTORE_IMAGES if moved else "",
            RESTORE_ECS.replace("{force}", "--force-new-deployment " if moved else ""),
            VERIFY_IMAGES if moved else "",
            SAID.replace("{what}", "$SERVICE").replace("{to}", "$PREVIOUS_TASK_DEFINITION"),
        ]
        return "".join(pieces)
    text, what = (RESTORE_KUBERNETES, "$WORKLOAD") if deployment.way is KUBERNETES else (RESTORE_HELM, "$RELEASE")
    said = SAID.replace("{what}", what).replace("{to}", "revision $PREVIOUS_REVISION")
    return text.replace("{options}", _options_of(deployment)) + said


def _effects(job: DeployJob, rollback: str) -> list[str]:
    return [
        f"job {job.id} records what runs before it changes anything",
        f"job {rollback} restores it when {job.id} fails, is cancelled or runs out of time, and checks health",
        f"job {rollback} fails, and says so, where nothing was recorded; the run stays red in any case",
    ]


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
    if isinstance(limit, int) and limit < 60 and _steady_steps(job):
        made.append(
            "leave room for the wait until the rollout is steady, up to twenty minutes: timeout-minutes of job "
            f"{job.id} is {limit}"
        )
    if "concurrency" in job.job.data:
        made.append(
            f"move the concurrency group of job {job.id} to the workflow: else the next deployment can start before "
            "the rollback of this one"
        )
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
        job.workflow.insert_item(
            steps, job.first, first | recording | {"run": RECORD_COMMAND.replace("{command}", record)}
        ),
        job.workflow.insert_item(
            steps,
            len(steps.items),
            last | shell | {"env": env, "run": RESTORE_COMMAND.replace("{command}", command)},
        ),
        tier=Tier.REVIEW,
        effects=[f"job {job.id} runs the configured command when a step fails or the job is cancelled"],
    )


# -- a rollback that does not work --------------------------------------------------------------------------------


def _idle(job: DeployJob, rollback: Job) -> Finding:
    """A rollback that tells GitHub of a deployment, or people of a failure, and starts no old version."""
    message = f"job {rollback.id} does not roll job {job.id} back: nothing in it puts an old version back"
    node = rollback.node.get("name") or rollback.node.get("if") or rollback.node
    return Finding(job.workflow.path, node.span, message, _made_to_work(job, rollback))


def _made_to_work(job: DeployJob, rollback: Job) -> Fix | Blocked:
    workflow, steps = job.workflow, rollback.steps_node
    why = _why_not(job)
    if why is not None:
        return replace(why, config="")
    if steps is None or steps.target is not None or steps.style == "flow" or job.id not in rollback.needs:
        return Blocked(f"the steps of job {rollback.id} cannot be edited", "delete the job; fhfix then writes one")
    records = _records(job)
    there = {step.action for step in rollback.steps if step.action}
    signing_in = {step.action for step in job.sign_in if step.action}
    signed_in = [step.index for step in rollback.steps if step.action in signing_in]
    made = [copy_of(step) for step in job.sign_in if step.action not in there] + _restore_steps(job, records)
    parts = _recording(job, records)
    parts.append(workflow.insert_item(steps, max(signed_in, default=-1) + 1, *made))
    parts.append(_better_condition(job, rollback))
    parts += _same_rights(job, rollback)
    return Fix.of(
        f"record what runs, and let job {rollback.id} restore it",
        *parts,
        tier=Tier.REVIEW,
        effects=_effects(job, rollback.id),
        todo=_todo(job),
    )


def _same_rights(job: DeployJob, rollback: Job) -> list[Parts]:
    """The environment, whose secrets signing in needs, and permissions such as `id-token`."""
    workflow, made = job.workflow, list[Parts]()
    own = rollback.node.get("permissions")
    wanted = _rights(job)
    if own is not None and own.is_mapping and isinstance(wanted, dict):
        missing = {name: level for name, level in wanted.items() if name not in own.value}
        if missing:
            made.append(workflow.add_keys(own, missing))
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


def _broken(job: DeployJob, rollback: Job) -> Finding | None:
    """A rollback whose target is read after the deployment, or that names none."""
    flaw = flaw_of(job, rollback.steps)
    if flaw is None:
        return None
    message = f"job {rollback.id} does not roll job {job.id} back: it {flaw.why}"
    return Finding(job.workflow.path, flaw.span, message, _repaired(job, rollback, flaw))


def _broken_step(job: DeployJob, step: Step) -> Finding | None:
    """The same, where it is a step of the job that deploys."""
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


def _repaired(job: DeployJob, rollback: Job, flaw: Flaw) -> Fix | Blocked:
    why = _why_not(job)
    if why is not None:
        return replace(why, config="")
    workflow, records = job.workflow, _records(job)
    if len(records) != 1:
        return Blocked(f"job {job.id} deploys several services", "delete the rollback; fhfix then writes a new one")
    step, steps, run = flaw.step, rollback.steps_node, flaw.step.run
    if steps is None or run is None:
        return _better_deleted("the rollback's steps cannot be edited")
    source = flaw.source if flaw.source is not step else None
    if source is not None and (needed := _does_more(source, step, rollback)):
        return _better_deleted(needed)
    if not _only_runs(step, "describe-services", "update-service", "wait"):
        return _better_deleted(f"step {step.name} of job {rollback.id} does more than update the service")
    parts = _recording(job, records)
    if step.node.get("env") is None:
        parts.append(workflow.add_key(step.node, "env", _restore_env(job, records[0]), before="run"))
    else:
        parts.append(_better_deleted(f"step {step.name} has an env of its own"))
    parts.append(workflow.set_scalar(run, _restore_script(records[0])))
    if source is not None:
        parts.append(workflow.delete(steps, source.index))
    parts.append(_better_condition(job, rollback))
    return Fix.of(
        f"record what runs before the deployment, and let job {rollback.id} restore that",
        *parts,
        tier=Tier.REVIEW,
        effects=_effects(job, rollback.id),
        todo=_todo(job),
    )


def _better_deleted(reason: str) -> Blocked:
    return Blocked(reason, "delete the rollback; fhfix then writes one")


def _does_more(source: Step, step: Step, rollback: Job) -> str:
    """Why the step that finds out a revision must stay; empty where nothing but `step` needs it."""
    others = [other for other in rollback.steps if other not in (source, step)]
    if source.id and any(read.touches(f"steps.{source.id}") for read in reads_below([other.data for other in others])):
        return f"other steps of job {rollback.id} use what step {source.id} found"
    if not _only_runs(source, "describe-services"):
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
