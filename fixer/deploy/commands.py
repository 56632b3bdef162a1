"""The scripts of steps, and what in them puts a new version into service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from fixer.deploy.command_lines import read
from fixer.deploy.ways import HELM, KUBERNETES, SERVER, Means, Returns, Start, of_action, of_command
from fixer.github.remote import of_ssh_action, over_ssh
from fixer.github.workflow import Job, Step
from fixer.languages.shell import Command, Script
from fixer.languages.yaml import Node
from fixer.records import entity

_DOKKU_STARTS = frozenset(
    ("git:sync", "git:from-image", "git:from-archive", "git:load-image", "ps:rebuild", "tags:deploy")
)
"""What of Dokku's commands, which have a colon, puts a new version into service.

https://dokku.com/docs/deployment/application-deployment/
"""
_ANYTHING = Means(("ssh",), Returns.STOPPED, perhaps=True)
"""What a command on a server does that nobody can read here."""
_LOOKS = frozenset(
    (
        *("cd", "ls", "mkdir", "echo", "printf", "cat", "test", "[", "chmod", "chown", "df", "du", "tail", "head"),
        *("grep", "sleep", "set", "export", "exit", "true", "whoami", "hostname", "uname", "date", "find", "free"),
    )
)
"""Programs that put no version into service, whatever they are given."""
_MIGRATES = re.compile(r"(?:manage\.py|django-admin|-m django)[\"',\s]+migrate\b|[\"']migrate[\"']")
_DUMPS = re.compile(r"\b(?:pg_dump|pg_dumpall|mysqldump)\b")
_MAKES_A_CLUSTER = re.compile(
    r"(?:^|/)(?:kind-action|setup-kind|setup-minikube|minikube|k3d-action|setup-k3[ds])", re.I
)
_CLUSTER_MAKERS = {
    "kind": (("create", "cluster"),),
    "minikube": (("start",),),
    "k3d": (("cluster", "create"),),
    "microk8s": ((),),
}


@entity
class StepScript:
    """A script that a step runs: its `run:`, or what an SSH action runs on the server (`remote`)."""

    step: Step
    node: Node
    script: Script
    remote: bool = False

    @classmethod
    def of(cls, step: Step) -> StepScript | None:
        """None where the step runs no script, or one that is not read."""
        if step.run is not None:
            script = step.script
            return cls(step, step.run, script) if script is not None and not script.error else None
        remote = of_ssh_action(step)
        return cls(step, remote.node, remote.script, remote=True) if remote is not None else None

    @cached_property
    def starts(self) -> tuple[Start, ...]:
        """What in this script starts a deployment, in order."""
        if self.remote:
            found = _starts(self.script, None, server=True)
            return tuple(replace(start, way=SERVER) for start in found)
        return tuple(_starts(self.script, self.step.job, server=_runs_on_the_server(self.step)))

    def deploying(self, *, surely: bool = False) -> Iterator[Command]:
        """The commands of this script that deploy; `surely` leaves out those that may do anything, such as `ssh`."""
        for start in self.starts:
            if start.command is not None and not (surely and start.means.perhaps):
                yield start.command


def _starts(script: Script, job: Job | None, *, server: bool) -> Iterator[Start]:
    for command in script.commands:
        found = start_of(command) if command.name == "ssh" else of_command(command, server=server)
        if found is None or (found.way in (KUBERNETES, HELM) and job is not None and has_own_cluster(job)):
            continue
        yield found


def start_of(command: Command) -> Start | None:
    """What a command of a script of the repository starts, on the runner or over `ssh`."""
    return _over_ssh(command) if command.name == "ssh" else of_command(command)


def _over_ssh(command: Command) -> Start | None:
    """What `ssh` starts on the server: by the first command there that deploys for certain, else for all one knows."""
    scripts = tuple(over_ssh(command))
    found = [start for script in scripts for start in _starts(script, None, server=True)]
    surest = sorted(found, key=lambda start: start.means.perhaps)
    if not surest:
        seen = bool(scripts) and not any(script.error for script in scripts)
        if seen and all(_serves_nothing_new(each) for script in scripts for each in script.commands):
            return None
        return Start(SERVER, _ANYTHING, Returns.STOPPED, command, read(command))
    return replace(surest[0], way=SERVER, command=command)


def _serves_nothing_new(command: Command) -> bool:
    if re.fullmatch(r"[\w-]+:[\w-]+", command.name) and command.name not in _DOKKU_STARTS:
        return True
    return command.name in _LOOKS or says_migrate(command.source) or _DUMPS.search(command.source) is not None


def says_migrate(text: str) -> bool:
    """Whether a command in a text of the shell migrates a Django database."""
    return _MIGRATES.search(text) is not None


def _runs_on_the_server(step: Step) -> bool:
    """Whether a step's commands act on the machine that serves: a runner that stands there, or Docker's host there."""
    job = step.job
    if job is not None and "self-hosted" in str(job.data.get("runs-on")):
        return True
    script = step.script
    places = [step.node, *([job.node] if job is not None else []), step.workflow.root]
    if any("DOCKER_HOST" in place.mapping("env") for place in places):
        return True
    said = " ".join(each.run.value for each in job.steps if each.run is not None) if job is not None else ""
    return script is not None and re.search(r"DOCKER_HOST=|docker context use|--context|-H ssh", said) is not None


def has_own_cluster(job: Job) -> bool:
    """Whether the Kubernetes cluster is made by the job itself, for a test."""
    return any(_makes_a_cluster(step) for step in job.steps)


def _makes_a_cluster(step: Step) -> bool:
    if step.uses is not None:
        return _MAKES_A_CLUSTER.search(step.action) is not None
    script = step.script
    for command in script.commands if script is not None else ():
        words = tuple(word.text for word in command.args if not word.text.startswith("-"))
        if any(words[: len(known)] == known for known in _CLUSTER_MAKERS.get(command.name, ())):
            return True
    return False


def code_of(step: Step) -> str:
    """The script of a step without its comments; empty where it has none."""
    if step.run is None:
        return ""
    script = step.script
    return script.code if script is not None else step.run.value


def action_deploys(step: Step) -> bool:
    """Whether the step's action deploys."""
    return of_action(step) is not None


def starts_of(step: Step) -> tuple[Start, ...]:
    """Every deployment that a step starts, by its action or by the commands of its script."""
    action, place = of_action(step), StepScript.of(step)
    found = place.starts if place is not None else ()
    return (action, *found) if action is not None and not found else found


def deploys(step: Step) -> bool:
    """Whether a step puts a new version into service, as far as its commands or its action say."""
    return bool(starts_of(step))


def job_deploys(job: Job) -> bool:
    """Whether a job, or one that it needs, deploys."""
    return any(deploys(step) for each in job.workflow.upstream(job.id) for step in each.steps)


def waits(script: Script) -> Iterator[Command]:
    """The commands that wait until a rollout is done: the waiters of `aws`, `kubectl rollout status` and `wait`."""
    for command in script.commands:
        if command.name not in ("aws", "kubectl"):
            continue
        words = read(command).texts
        waiting = words[1:2] == ("wait",) if command.name == "aws" else words[:1] == ("wait",)
        if waiting or (command.name == "kubectl" and words[:2] == ("rollout", "status")):
            yield command


def waits_by_action(step: Step) -> bool:
    """Whether a step uses the repository's own action that waits for a rollout, as missing-rollback writes it."""
    return re.fullmatch(r"\./\.github/actions/(?:ecs|kubernetes)-wait/?", step.action) is not None


def waits_for_ecs(script: Script) -> bool:
    """Whether a script waits with the AWS command line's own waiter until a service is stable."""
    return any("services-stable" in read(command).texts for command in waits(script))
