"""A Django project is deployed and its database is never migrated.

## Why

New code meets old tables: every request that needs the new column fails, and health checks often do not. A migration
by hand comes minutes late, or not at all.

The fix runs `migrate` as a one-off task of the service's own kind, after the image is pushed and before the service
is touched: with the service's network, launch type and container, and the revision that is about to be deployed. It
reads `failures`, since `run-task` succeeds when nothing was started; it waits for as long as `timeout` says, since
the command line's own waiter gives up after ten minutes; and it fails on the container's exit code, naming where the
logs are.

## When it is left alone

Repositories without a manage.py; jobs that deploy a front end; jobs that migrate, or that need one that does; images
that migrate when they start. Where the image is built and deployed by one step there is no place in between, and that
is what is reported.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any

from fixer.deploy.command_lines import read
from fixer.deploy.deployments import DeployJob, Deployment, Deployments, filled_in, migrates, value_of
from fixer.deploy.ways import ECS, HELM, KUBERNETES
from fixer.django.project import DjangoProject
from fixer.django.settings import limit_variable
from fixer.github.expressions import names_read, without
from fixer.github.workflow import Workflow
from fixer.model import Blocked, Finding, Fix, Level, Rule, RuleOptions, Tier, option

MIGRATE_ECS = """\
service() {
  aws ecs describe-services --cluster "$CLUSTER" --services "$SERVICE" --query "services[0].$1" --output "${2:-text}"
}
{revision}{container}options=()
network=$(service networkConfiguration json)
[ "$network" = null ] || options+=(--network-configuration "$network")
launch=$(service launchType)
strategy=$(service capacityProviderStrategy json)
if [ "$launch" != None ]; then
  options+=(--launch-type "$launch")
elif [ "$strategy" != null ] && [ "$strategy" != "[]" ]; then
  options+=(--capacity-provider-strategy "$strategy")
fi
overrides=$(printf '{"containerOverrides": [{"name": "%s", "command": %s, "environment": %s}]}' \\
  "$container" "$COMMAND" "$ENVIRONMENT")
# run-task succeeds also where it starts nothing; then it says why among its failures.
started=$(aws ecs run-task --cluster "$CLUSTER" --task-definition "$revision" --count 1 --overrides "$overrides" \\
  "${options[@]}" --query '[tasks[0].taskArn, failures[0].reason]' --output text)
read -r task reason <<<"$started"
if [ "$task" = None ]; then
  echo "::error::The migration was not started: $reason"
  exit 1
fi
echo "Migrating with ${revision##*/} in task ${task##*/}"
deadline=$((SECONDS + TIMEOUT_MINUTES * 60))
# The waiter gives up after ten minutes, and a migration may need longer.
until aws ecs wait tasks-stopped --cluster "$CLUSTER" --tasks "$task"; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    echo "::error::The migration still runs after $TIMEOUT_MINUTES minutes, in task ${task##*/}"
    exit 1
  fi
  sleep 5
done
ended=$(aws ecs describe-tasks --cluster "$CLUSTER" --tasks "$task" --output text \\
  --query "tasks[0].[containers[?name=='$container'] | [0].exitCode, stoppedReason]")
read -r code reason <<<"$ended"
logs=$(aws ecs describe-task-definition --task-definition "$revision" --output text \\
  --query "taskDefinition.containerDefinitions[?name=='$container'] | [0].logConfiguration.options.\\"awslogs-group\\"")
echo "Logs: group ${logs/None/of the container}, stream ending in $container/${task##*/}"
if [ "$code" != 0 ]; then
  echo "::error::The migration failed with exit code ${code/None/unknown}: $reason"
  exit 1
fi
echo "Migrated"
"""
SAME_REVISION = "revision=$(service taskDefinition)\n"
FROM_FILE = """\
# What a task definition is described with, and cannot be registered with.
described='del(.taskDefinitionArn, .revision, .status, .requiresAttributes, .compatibilities, .registeredAt,
  .registeredBy, .deregisteredAt) | with_entries(select(.value != null and .value != []))'
revision=$(aws ecs register-task-definition --cli-input-json "$(jq "$described" "$TASK_DEFINITION_FILE")" \\
  --query taskDefinition.taskDefinitionArn --output text)
"""
NAMED_CONTAINER = 'container="$CONTAINER"\n'
FIND_CONTAINER = """\
container=$(service 'loadBalancers[0].containerName')
if [ "$container" = None ]; then
  container=$(aws ecs describe-task-definition --task-definition "$revision" --output text \\
    --query 'taskDefinition.containerDefinitions[].name')
fi
if [ -z "$container" ] || [[ "$container" = *[[:space:]]* ]]; then
  echo "::error::$SERVICE has several containers ($container), and nothing says which one migrates"
  exit 1
fi
"""
MIGRATE_KUBERNETES = """\
job="migrate-$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT"
# The workload's own pod, with the image that is about to be deployed, once.
kubectl get "$WORKLOAD"{options} --output json |
  jq --arg job "$job" --arg container "$CONTAINER" --arg image "$IMAGE" --argjson command "$COMMAND" '
    .spec.template.spec as $pod | {apiVersion: "batch/v1", kind: "Job", metadata: {name: $job}, spec: {
      backoffLimit: 0, ttlSecondsAfterFinished: 86400, template: {spec: ($pod + {restartPolicy: "Never", containers: [
        $pod.containers[] | select(.name == $container) | .image = $image | .command = $command |
        del(.args, .livenessProbe, .readinessProbe, .startupProbe, .lifecycle, .ports)]})}}}' |
  kubectl create{options} --filename -
deadline=$((SECONDS + TIMEOUT_MINUTES * 60))
while true; do
  state=$(kubectl get job "$job"{options} --output jsonpath='{.status.succeeded}/{.status.failed}')
  case "$state" in
    1/*) break ;;
    */[1-9]*)
      kubectl logs "job/$job"{options} --tail 200 || true
      echo "::error::The migration failed, in job $job"
      exit 1
      ;;
  esac
  if [ "$SECONDS" -ge "$deadline" ]; then
    echo "::error::The migration still runs after $TIMEOUT_MINUTES minutes, in job $job"
    exit 1
  fi
  sleep 5
done
echo "Migrated"
"""

_COMMAND = 'rules.missing-deploy-migration.command = "…"'
_PUSHES = re.compile(r"docker (?:image )?push|--push\b|register-task-definition|buildah push|skopeo copy")


class Options(RuleOptions):
    container: str = option("", "the container that migrates, where the service has several")
    manage: Sequence[str] = option(
        (), "the command in the container, in words; python manage.py migrate --noinput by default"
    )
    timeout: int = option(60, "minutes that a migration may take")
    command: str = option("", "a command that migrates, for ways of deploying that have no one-off task")


def check(workflow: Workflow, deployments: Deployments, django: DjangoProject, options: Options) -> Iterator[Finding]:
    if not django.manage_py and not django.others:
        return
    for job in deployments.of(workflow):
        if deployments.migrates_on_start or _migrated(job) or not _deploys_django(job, django):
            continue
        message = f"job {job.id} deploys a Django project and does not migrate its database"
        yield Finding(workflow.path, job.deployments[0].step.span, message, _cure(job, django, options))


def _migrated(job: DeployJob) -> bool:
    """Whether this job migrates, or a job that it needs, or one that follows it."""
    following = [other.id for other in job.workflow.jobs.values() if job.id in other.needs]
    for found in job.workflow.upstream(job.id, *following):
        called = found.uses is not None and "migrat" in found.uses.value
        if called or migrates(found) or re.search(r"migrat", f"{found.id} {found.name}", re.IGNORECASE):
            return True
    return False


def _deploys_django(job: DeployJob, django: DjangoProject) -> bool:
    """False for what names itself a front end, or another folder, beside a back end in the same repository."""
    folders = [_folder(deployment) for deployment in job.deployments]
    if all(folders) and not any(f"{found.root}/".startswith(f"{f}/") for f in folders for found in django.projects):
        return False
    words = [job.id, job.job.name, job.workflow.name, job.workflow.path.rpartition("/")[2]]
    words += [
        deployment.target.get(key, "") for deployment in job.deployments for key in ("service", "workload", "release")
    ]
    front = re.compile(r"front-?end|\bui\b|\bdocs\b|storybook", re.IGNORECASE)
    return not any(front.search(word) for word in words)


def _folder(deployment: Deployment) -> str:
    """The folder of the repository that Heroku is given; empty for all of it, or where that is not said."""
    with_ = deployment.step.with_
    found = with_.get("appdir") if with_ is not None else None
    path = posixpath.normpath(found.value) if found is not None and found.is_scalar else "."
    return "" if path == "." or "$" in path else path


def _cure(job: DeployJob, django: DjangoProject, options: Options) -> Fix | Blocked:
    steps = job.editable_steps
    if isinstance(steps, Blocked):
        return steps
    if not filled_in(options.command) and (not job.way.restored or job.way is HELM):
        return Blocked(
            f"job {job.id} deploys in a way for which fhfix knows no one-off task ({job.deployments[0].words})",
            "say how to migrate",
            _COMMAND,
        )
    if job.unknown and not filled_in(options.command):
        return Blocked(f"job {job.id}: {job.unknown}", "say how to migrate", _COMMAND)
    deployment = job.deployments[0] if filled_in(options.command) else _serving(job)
    if deployment is None:
        return Blocked(
            f"what job {job.id} deploys is made behind its first deployment, and migrations go before that one",
            "make it in a step before",
            _COMMAND,
        )
    made = _by_command(options) if filled_in(options.command) else _one_off(job, deployment, django, options)
    if isinstance(made, Blocked):
        return made
    step: dict[str, Any] = {"name": "Migrate the database"} | deployment.condition
    if not filled_in(options.command):
        step |= deployment.surroundings
    return Fix.of(
        "migrate the database before the deployment",
        job.workflow.insert_item(steps, job.first, step | made),
        tier=Tier.REVIEW,
        effects=[f"job {job.id} does not go on to deploy where the migration fails"],
        todo=_todo(job, deployment, options),
    )


def _todo(job: DeployJob, deployment: Deployment, options: Options) -> list[str]:
    todo = ["see to it that the version that still runs can work with the migrated database"]
    if job.way is ECS and not filled_in(options.command):
        more = ", ecs:RegisterTaskDefinition" if deployment.target.get("file") else ""
        todo.append(f"allow the deploying AWS identity ecs:RunTask, ecs:DescribeTasks{more} and iam:PassRole")
    return todo


def _serving(job: DeployJob) -> Deployment | None:
    """Of several services the one that serves requests: workers and schedulers come after it. None where what is
    deployed is made only behind the first deployment, and the migration goes before that one."""
    aside = re.compile(r"celery|worker|beat|cron|scheduler|flower|queue|task", re.IGNORECASE)
    texts = ((each, (*each.target.values(), str(each.condition))) for each in job.deployments)
    known = [each for each, found in texts if all(map(job.knows_before, found))]
    for deployment in known:
        if not aside.search(deployment.target.get("service", "") + deployment.target.get("workload", "")):
            return deployment
    return known[0] if known else None


def _by_command(options: Options) -> dict[str, Any]:
    command: str = filled_in(options.command)
    return {"run": f"{command}\n" if "\n" in command else command}


def _argv(options: Options) -> str:
    words = list(options.manage) or ["python", "manage.py", "migrate", "--noinput"]
    return json.dumps(words)


def _minutes(job: DeployJob, options: Options) -> str:
    """How long a migration may take: no longer than its job."""
    limit = job.job.data.get("timeout-minutes")
    return str(min(options.timeout, limit) if isinstance(limit, int) else options.timeout)


def _one_off(
    job: DeployJob, deployment: Deployment, django: DjangoProject, options: Options
) -> dict[str, Any] | Blocked:
    together = _pushed_and_deployed(deployment)
    if together:
        return Blocked(
            f"one step of job {job.id} {together} and deploys it, so there is no place between the two",
            "split that step in two",
            _COMMAND,
        )
    if job.signs_in_while_deploying or not job.signed_in_by:
        return Blocked(
            f"no other step of job {job.id} can speak to what it deploys to, since none is seen to sign in",
            "sign in with a step of its own",
            _COMMAND,
        )
    if job.way is KUBERNETES:
        return _in_kubernetes(job, deployment, options)
    target = deployment.target
    env = {**deployment.credentials, "CLUSTER": target["cluster"], "SERVICE": target["service"]}
    if target.get("region"):
        env["AWS_REGION"] = target["region"]
    revision = SAME_REVISION
    if target.get("file"):
        env["TASK_DEFINITION_FILE"], revision = target["file"], FROM_FILE
    elif target.get("task_definition"):
        if "$" in without(target["task_definition"]):
            return Blocked(
                f"it cannot be seen which task definition {target['task_definition']} is",
                "say how to migrate",
                _COMMAND,
            )
        env["TASK_DEFINITION"], revision = target["task_definition"], 'revision="$TASK_DEFINITION"\n'
    container = options.container or _rendered_container(job, deployment)
    if container:
        env["CONTAINER"] = container
    env["COMMAND"], env["TIMEOUT_MINUTES"] = _argv(options), _minutes(job, options)
    env["ENVIRONMENT"] = _without_limits(django)
    script = MIGRATE_ECS.replace("{revision}", revision)
    return {"env": env, "run": script.replace("{container}", NAMED_CONTAINER if container else FIND_CONTAINER)}


def _without_limits(django: DjangoProject) -> str:
    """The environment of the task: settings that limit queries, as unpooled-database makes them, do not limit it."""
    names = sorted({limit_variable(each.ssl_variable) for each in django.databases if each.vendor == "postgresql"})
    return json.dumps([{"name": name, "value": "0"} for name in names])


def _pushed_and_deployed(deployment: Deployment) -> str:
    script = deployment.step.script if deployment.step.run is not None else None
    if script is None:
        return ""
    before = script.text[: deployment.offset]
    found = _PUSHES.search("\n".join(line for line in before.splitlines() if not line.lstrip().startswith("#")))
    if found is None:
        return ""
    return "registers a task definition" if "register" in found[0] else "pushes an image"


def _rendered_container(job: DeployJob, deployment: Deployment) -> str:
    """The container that aws-actions/amazon-ecs-render-task-definition gave its new image."""
    named = {name.lower() for name in names_read("steps", deployment.target.get("file", ""))}
    for step in job.job.steps:
        if step.id.lower() in named and step.with_ is not None:
            container = step.with_.get("container-name")
            if container is not None:
                return str(container.value)
    return ""


def _in_kubernetes(job: DeployJob, deployment: Deployment, options: Options) -> dict[str, Any] | Blocked:
    script = deployment.step.script
    commands = script.commands if script is not None else ()
    words = next((list(read(command).texts) for command in commands if command.start == deployment.offset), [])
    pairs = [word for word in words if "=" in word] if words[:2] == ["set", "image"] else []
    named = [pair.partition("=") for pair in pairs if "*" not in pair]
    wanted = options.container or (named[0][0] if len(named) == 1 else "")
    image = next((image for container, _, image in named if container == wanted), "")
    if not wanted or not image:
        return Blocked(
            f"it cannot be seen which image and container job {job.id} deploys ({deployment.words})",
            "say how to migrate",
            _COMMAND,
        )
    value = value_of(image, deployment.step, script)
    if value is None or not job.knows_before(value):
        return Blocked(f"it cannot be seen what {image} is", "say how to migrate", _COMMAND)
    flags = "".join(f' --{name} "${name.upper()}"' for name in ("namespace", "context") if deployment.target.get(name))
    env = {**deployment.credentials, "WORKLOAD": deployment.target["workload"], "CONTAINER": wanted, "IMAGE": value}
    env |= {name.upper(): deployment.target[name] for name in ("namespace", "context") if deployment.target.get(name)}
    env |= {"COMMAND": _argv(options), "TIMEOUT_MINUTES": _minutes(job, options)}
    return {"shell": "bash", "env": env, "run": MIGRATE_KUBERNETES.replace("{options}", flags)}


RULE = Rule(
    __name__,
    "A Django project is deployed without migrating its database",
    check,
    audit=("D-010.2",),
    criterion="No Django project is deployed without migrating its database",
    hours=(4, 4),
    level=Level.ERROR,
)
