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

Repositories without a manage.py, or whose settings have no DATABASES; jobs that deploy a front end, or an application
that is named for another framework; jobs that migrate, or that need one that does; images that migrate when they start;
what compose starts where none of it is Django; SQLite in a file of the container, which each deployment makes anew.
Where the image is built and deployed by one step there is no place in between, and that is what is reported. Where the
tasks of a playbook, or a start command that stands in no file here, may migrate, it is a note that says so.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from fixer.deploy.command_lines import read
from fixer.deploy.commands import code_of, says_migrate
from fixer.deploy.containers import composes_no_django, loses_its_database
from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.deployment import Deployment
from fixer.deploy.deployments import Deployments
from fixer.deploy.local_actions import (
    REGION,
    Input,
    LocalAction,
    LocalActions,
    Work,
    can_use_local_actions,
    shared_place,
    with_blocks,
    with_options,
)
from fixer.deploy.migrations import Migration, may_migrate, migrations, named_for_it
from fixer.deploy.names import names_another_framework
from fixer.deploy.new_steps import as_script, filled_in
from fixer.deploy.values import value_of
from fixer.deploy.ways import ECS, HELM, KUBERNETES
from fixer.django.migrations import MigratingCommands
from fixer.django.project import DjangoProject
from fixer.github.expressions import names_read, without
from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import commands_of
from fixer.model import Blocked, Finding, Fix, Level, NewFile, Rule, RuleOptions, Tier, option
from fixer.records import record
from fixer.runtime.picture import Runtime
from fixer.runtime.programs import ONCE
from fixer.scripts import script
from transforms.deploy.missing_deploy_migration.noticed import noticed

DEFAULT = '["python", "manage.py", "migrate", "--noinput"]'
"""What migrates, in words, as JSON."""
ECS_INPUTS = (
    Input("cluster", "CLUSTER", "Name of the ECS cluster"),
    Input("service", "SERVICE", "Name of the ECS service, whose network and launch type the task takes over"),
    REGION,
)
KUBERNETES_INPUTS = (
    Input("workload", "WORKLOAD", "The deployment, such as deployment/web, whose pod is run once"),
    Input("namespace", "NAMESPACE", "Namespace; by default that of the current context", ""),
    Input("context", "CONTEXT", "Context of the kubeconfig; by default the current one", ""),
    Input("container", "CONTAINER", "The container that migrates"),
    Input("image", "IMAGE", "The image that is about to be deployed"),
)
COMMAND = Input("command", "COMMAND", "What migrates, in words, as JSON", DEFAULT)
TIMEOUT = Input("timeout-minutes", "TIMEOUT_MINUTES", "Minutes that it may take", "60")
FILE = Input("task-definition-file", "TASK_DEFINITION_FILE", "File of the task definition that is about to be deployed")
DEFINITION = Input("task-definition", "TASK_DEFINITION", "The task definition that is about to be deployed")
CONTAINER = Input("container", "CONTAINER", "The container that migrates")
ENVIRONMENT = Input("environment", "ENVIRONMENT", "Further variables of the task, as the list that ECS takes", "[]")

_NAMES = {
    ("service", "found"): "ecs-migrate",
    ("service", "container"): "ecs-migrate-container",
    ("file", "found"): "ecs-migrate-file",
    ("file", "container"): "ecs-migrate-revision",
    ("named", "found"): "ecs-migrate-named",
    ("named", "container"): "ecs-migrate-definition",
}
"""What the actions are called: by which revision migrates, and how its container is known."""

_COMMAND = 'rules.missing-deploy-migration.command = "…"'
_INLINE = 'rules.missing-deploy-migration.style = "inline"'
_PUSHES = re.compile(r"docker (?:image )?push|--push\b|register-task-definition|buildah push|skopeo copy")


class Options(RuleOptions):
    style: Literal["action", "inline"] = option(
        "action", "where its shell stands: in an action of the repository, or inline in the job"
    )
    container: str = option("", "the container that migrates, where the service has several")
    manage: Sequence[str] = option(
        (), "the command in the container, in words; python manage.py migrate --noinput by default"
    )
    timeout: int = option(60, "minutes that a migration may take")
    command: str = option(
        "", "a command that migrates, for ways of deploying that have no one-off task", about="migration"
    )


def check(
    workflow: Workflow,
    deployments: Deployments,
    django: DjangoProject,
    local: LocalActions,
    runtime: Runtime,
    commands: MigratingCommands,
    options: Options,
) -> Iterator[Finding]:
    if not django.manage_py and not django.others:
        return
    if all(project.has_no_database for project in django.projects):
        return
    jobs = deployments.of(workflow)
    for job in jobs:
        if deployments.migrates_on_start or _migrates_on_start(job, runtime) or not _deploys_django(job, django):
            continue
        if composes_no_django(job, runtime) or loses_its_database(job, django, runtime):
            continue
        if says_migrate(job.said_elsewhere):
            continue
        found = _migrations(job, job.elsewhere(jobs), commands)
        if not found:
            # What a server, a playbook or a platform's own configuration starts beside it may migrate.
            unseen = "does not migrate" if job.way.restored else "is not seen to migrate"
            message = f"job {job.id} deploys a Django project and {unseen} its database"
            level = Level.NOTE if _unread(job) else None
            span = job.deployments[0].step.span
            yield Finding(workflow.path, span, message, _cure(job, django, local, options), level)
        elif all(each.flaw for each in found):
            yield _unnoticed(job, found[0])


def _migrates_on_start(job: DeployJob, runtime: Runtime) -> bool:
    """Whether what is deployed migrates when it starts. A compose file starts what is deployed only where compose
    deploys."""
    composed = job.way.name in ("Docker Compose", "Docker", "a server")
    lasting = (program for program in runtime.deployed if program.origin != ONCE)
    migrating = (program for program in lasting if any(map(may_migrate, program.commands)))
    return any(composed or program.origin != "compose" for program in migrating)


def _migrations(job: DeployJob, elsewhere: set[str], commands: MigratingCommands) -> list[Migration]:
    """How this job migrates, or a job that it needs, or one that follows it, by way of others too."""
    found: list[Migration] = []
    for each in (*job.workflow.upstream(job.id, without=elsewhere), *_following(job, elsewhere)):
        found += migrations(each)
        if not found:
            found += [Migration(step) for step in each.steps if _runs(step, commands)]
        called = each.uses.value if each.uses is not None else ""
        if (named_for_it(called) or named_for_it(f"{each.id} {each.name}")) and not found:
            found += [Migration(step) for step in each.steps[:1]] or [Migration(job.job.steps[0])]
    return found


def _following(job: DeployJob, elsewhere: set[str]) -> Iterator[Job]:
    for other in job.workflow.jobs.values():
        before = {each.id for each in job.workflow.upstream(other.id, without=elsewhere)}
        if job.id in before and job.id != other.id:
            yield other


def _runs(step: Step, commands: MigratingCommands) -> bool:
    """Whether a step runs a management command of the project that migrates: `init` alone may be anybody's."""
    for command in commands_of(step) if commands.names else ():
        plainly = "manage.py" in command.source
        parts = {part for word in command.words for part in re.findall(r"\w+", word.text) if plainly or "_" in part}
        if parts & commands.names:
            return True
    return False


def _unnoticed(job: DeployJob, migration: Migration) -> Finding:
    """A migration whose failure does not stop the deployment."""
    step, command = migration.step, migration.command
    message = f"a failed migration of job {job.id} is not noticed: {migration.flaw}"
    span = step.span
    if command is not None and step.run is not None:
        span = job.workflow.span_of(step.run, command.start, command.end)
    cure = Fix.of(
        "let a failed migration fail the step",
        noticed(migration),
        tier=Tier.REVIEW,
        effects=[f"job {job.id} does not go on where the migration fails"],
        todo=_todo_of_waiting(migration),
    )
    return Finding(job.workflow.path, span, message, cure)


def _todo_of_waiting(migration: Migration) -> list[str]:
    command = migration.command
    if command is None or command.name != "aws":
        return []
    return ["allow the deploying AWS identity ecs:DescribeTasks"]


def _deploys_django(job: DeployJob, django: DjangoProject) -> bool:
    """False for what names itself a front end, or another framework, or is given another folder, beside a back end in
    the same repository."""
    folders = [_folder(deployment) for deployment in job.deployments]
    if all(folders) and not any(f"{found.root}/".startswith(f"{f}/") for f in folders for found in django.projects):
        return False
    return not job.is_front_end and not names_another_framework(_names(job))


def _names(job: DeployJob) -> Iterator[str]:
    """What the job, its workflow and the applications that it deploys are called."""
    yield from (job.id, job.job.name, job.workflow.name, posixpath.basename(job.workflow.path))
    for deployment in job.deployments:
        yield from (deployment.step.inputs.get(name, "") for name in _APPLICATIONS)
        yield from (deployment.target.get(name, "") for name in ("service", "workload", "release"))


_APPLICATIONS = ("app-name", "heroku_app_name", "service")
"""Inputs of actions that say which application is deployed: Azure's, Heroku's, Cloud Run's."""

_FOLDERS = ("appdir", "package", "source", "app_location")
"""Inputs of actions that say which folder of the repository is deployed: Heroku's, Azure's, Cloud Run's."""


def _folder(deployment: Deployment) -> str:
    """The folder of the repository that an action is given; empty for all of it, or where that is not said."""
    given = [deployment.step.inputs[name] for name in _FOLDERS if name in deployment.step.inputs]
    path = posixpath.normpath(given[0]) if given else "."
    # What has an ending is made by the job.
    return "" if path == "." or "$" in path or "." in posixpath.basename(path) else path


def _unread(job: DeployJob) -> str:
    """What this job starts that nobody can read here, and that may migrate; mostly empty."""
    unread = (each for deployment in job.deployments for each in (*deployment.unread, deployment.way.unread) if each)
    return next(unread, "")


def _cure(job: DeployJob, django: DjangoProject, local: LocalActions, options: Options) -> Fix | Blocked:
    steps = job.editable_steps
    if isinstance(steps, Blocked):
        return steps
    if _unread(job) and not filled_in(options.command):
        return Blocked(
            f"job {job.id} may migrate there: {_unread(job)}",
            "say how to migrate, or ignore this where it does",
            _COMMAND,
        )
    if not filled_in(options.command) and (not job.way.restored or job.way is HELM):
        return Blocked(
            f"job {job.id} deploys in a way for which fhfix knows no one-off task ({job.deployments[0].words})",
            "say how to migrate",
            _COMMAND,
        )
    if job.unknown and not filled_in(options.command):
        return Blocked(f"job {job.id}: {job.unknown}", "say how to migrate", _COMMAND)
    if not filled_in(options.command) and all(project.has_only_files for project in django.projects):
        return Blocked(
            "the settings keep the database in a file (SQLite), and a task of its own would migrate one of its own",
            "migrate when the container starts, or use a database that each version reaches",
        )
    deployment = job.deployments[0] if filled_in(options.command) else _serving(job)
    if deployment is None:
        return Blocked(
            f"what job {job.id} deploys is made behind its first deployment, and migrations go before that one",
            "make it in a step before",
            _COMMAND,
        )
    step: dict[str, Any] = {"name": "Migrate the database"} | deployment.condition
    files: list[NewFile] | Blocked = []
    if filled_in(options.command):
        step |= _by_command(options)
    else:
        one_off = _one_off(job, deployment, django, options)
        if isinstance(one_off, Blocked):
            return one_off
        shared = options.style == "action" and not deployment.credentials
        shared = shared and can_use_local_actions(job.job, job.first)
        files = local.made([one_off.work.action]) if shared else []
        step |= one_off.step(job, deployment, shared=shared)
    if isinstance(files, Blocked):
        return replace(files, config=_INLINE)
    return Fix.of(
        "migrate the database before the deployment",
        job.workflow.insert_item(steps, job.first, step),
        *files,
        tier=Tier.REVIEW,
        effects=[f"job {job.id} does not go on to deploy where the migration fails"],
        todo=_todo(job, deployment, options),
    )


@record
class OneOff:
    """A task of the service's own kind that runs once, and the values that it is given, by variable."""

    work: Work
    values: dict[str, str]

    def step(self, job: DeployJob, deployment: Deployment, *, shared: bool) -> dict[str, Any]:
        """The keys of the step."""
        if shared:
            return self.work.step(shared_place(job, self.values), shared=True)
        values = {**deployment.credentials, **self.values}
        return deployment.surroundings | self.work.step(values, shared=False)


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
    texts = ((each, (*each.target.values(), each.condition)) for each in job.deployments)
    known = [each for each, found in texts if all(map(job.knows_before, found))]
    for deployment in known:
        if not aside.search(deployment.target.get("service", "") + deployment.target.get("workload", "")):
            return deployment
    return known[0] if known else None


def _by_command(options: Options) -> dict[str, Any]:
    return {"run": as_script(filled_in(options.command))}


def _argv(options: Options) -> str:
    words = list(options.manage)
    return json.dumps(words) if words else DEFAULT


def _minutes(job: DeployJob, options: Options) -> str:
    """How long a migration may take: no longer than its job."""
    limit = job.job.data.get("timeout-minutes")
    return str(min(options.timeout, limit) if isinstance(limit, int) else options.timeout)


def _one_off(job: DeployJob, deployment: Deployment, django: DjangoProject, options: Options) -> OneOff | Blocked:
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
    values = {"CLUSTER": target["cluster"], "SERVICE": target["service"]}
    if target.get("region"):
        values["AWS_REGION"] = target["region"]
    blocks, inputs = ["service"], list(ECS_INPUTS)
    if target.get("file"):
        values["TASK_DEFINITION_FILE"] = target["file"]
        blocks, inputs = ["file"], [*inputs, FILE]
    elif target.get("task_definition"):
        if "$" in without(target["task_definition"]):
            return Blocked(
                f"it cannot be seen which task definition {target['task_definition']} is",
                "say how to migrate",
                _COMMAND,
            )
        values["TASK_DEFINITION"] = target["task_definition"]
        blocks, inputs = ["named"], [*inputs, DEFINITION]
    container = options.container or _rendered_container(job, deployment)
    if container:
        values["CONTAINER"] = container
        blocks, inputs = [*blocks, "container"], [*inputs, CONTAINER]
    else:
        blocks.append("found")
    values |= {"COMMAND": _argv(options), "TIMEOUT_MINUTES": _minutes(job, options)}
    if django.limit_variables:
        values["ENVIRONMENT"] = _without_limits(django)
    inputs += [COMMAND, TIMEOUT, ENVIRONMENT]
    text = script(__package__, "migrate-ecs.sh")
    action = LocalAction(
        _NAMES[blocks[0], blocks[1]],
        "Migrate the database by an ECS task",
        "Runs a migration as a task of an ECS service's own kind, and fails where it fails",
        "migrate.sh",
        with_blocks(text, "options", *blocks, "environment"),
        tuple(inputs),
        {},
    )
    overrides = "environment" if django.limit_variables else "command"
    return OneOff(Work(action, with_blocks(text, *blocks, overrides)), values)


def _without_limits(django: DjangoProject) -> str:
    """The environment of the task: settings that limit statements by a variable do not limit it."""
    return json.dumps([{"name": name, "value": "0"} for name in django.limit_variables])


def _pushed_and_deployed(deployment: Deployment) -> str:
    found = _PUSHES.search(code_of(deployment.step)[: deployment.offset])
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


def _in_kubernetes(job: DeployJob, deployment: Deployment, options: Options) -> OneOff | Blocked:
    text = deployment.step.script
    commands = text.commands if text is not None else ()
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
    value = value_of(image, deployment.step, text)
    if value is None or not job.knows_before(value):
        return Blocked(f"it cannot be seen what {image} is", "say how to migrate", _COMMAND)
    values = {"WORKLOAD": deployment.target["workload"], "CONTAINER": wanted, "IMAGE": value}
    places = [name for name in ("namespace", "context") if deployment.target.get(name)]
    values |= {name.upper(): deployment.target[name] for name in places}
    values |= {"COMMAND": _argv(options), "TIMEOUT_MINUTES": _minutes(job, options)}
    migrating = script(__package__, "migrate-kubernetes.sh")
    action = LocalAction(
        "kubernetes-migrate",
        "Migrate the database by a Kubernetes job",
        "Runs a migration in a pod of a deployment's own kind, with the new image, and fails where it fails",
        "migrate.sh",
        with_blocks(migrating, "options"),
        (*KUBERNETES_INPUTS, COMMAND, TIMEOUT),
        {},
    )
    return OneOff(Work(action, with_options(with_blocks(migrating), deployment)), values)


def _puts_django_into_service(workflow: Workflow, deployments: Deployments, django: DjangoProject) -> bool:
    runs = bool(django.manage_py or django.others)
    return runs and any(_deploys_django(job, django) for job in deployments.of(workflow))


RULE = Rule(
    __name__,
    "A Django project is deployed without migrating its database",
    check,
    audit=("D-010.2",),
    criterion="No Django project is deployed without migrating its database",
    hours=(4, 4),
    level=Level.ERROR,
    applies=_puts_django_into_service,
)
