"""What each step deploys: by its action, by its commands, or by a script of the repository that it starts."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from fixer.deploy.commands import StepScript, start_of, starts_of
from fixer.deploy.deployment import Deployment
from fixer.deploy.names import ROLLBACK, STATIC, named_deployment
from fixer.deploy.targets import ecs_update, kubernetes_change
from fixer.deploy.ways import ECS, HELM, KUBERNETES, SERVER, Start, of_action
from fixer.github.remote import over_ssh
from fixer.github.workflow import Job, Step
from fixer.github.workflows import path_within
from fixer.languages.shell import Command
from fixer.model import Span
from fixer.records import entity
from fixer.runtime.following import Code, Followed, Where
from fixer.runtime.programs import Started
from fixer.runtime.texts import Fixed, InYaml

if TYPE_CHECKING:
    from fixer.repository import Repository

_UNREAD = re.compile(
    r"^[ \t]*(kubectl set image|helm upgrade|"
    r"aws ecs update-service(?=[\s\S]*--(?:force-new-deployment|task-definition)))\b",
    re.MULTILINE,
)


_TASK_FILES = {"fab": "fabfile.py", "inv": "tasks.py", "invoke": "tasks.py"}
_OTHER_PROGRAMS = frozenset(("ansible-playbook", "ansible", "salt-call", "puppet", "chef-client", "rake", "cap"))
"""What brings a server into another state by files that are not read here."""


@entity
class Following:
    """Finds what a step deploys by a script, a target or a task of the repository."""

    repository: Repository

    def deployments(self, step: Step, job: Job) -> Iterator[Deployment]:
        """At most one: the first command of the script that deploys for certain, else one that may."""
        script = step.script
        if step.run is None or script is None or script.error:
            return
        followed = Followed()
        where = Where(self.repository, path_within("", step.working_directory or "."))
        followed.run(Code(script, InYaml(job.workflow, step.run)), where)
        called = tuple(each for each in followed.commands if each.path != job.workflow.path)
        found = [(each, start) for each in called if (start := start_of(each.command)) is not None]
        found = [(each, start) for each, start in found if _counts(start, job)]
        if not found:
            return
        each, start = min(found, key=lambda pair: pair[1].means.perhaps)
        place = f"{each.path}:{each.line}"
        unknown = f"it deploys by {place}, and what that script deploys is its own"
        words = f"{'ssh' if each.command.name == 'ssh' else start.words} in {place}"
        yield Deployment(step, start.way, words, step.run.span, {}, unknown, returns=start.returns, called=called)

    def on_the_server(self, made: Deployment, place: StepScript) -> Deployment:
        """The same deployment with what its script starts on a server, where the repository is checked out."""
        command = made.command
        by_ssh = command is not None and command.name == "ssh"
        scripts = list(over_ssh(command)) if command is not None and by_ssh else [place.script]
        followed = Followed()
        for script in scripts:
            if not script.error:
                text = Fixed(made.step.workflow.path, made.step.workflow.source.line_of(made.span.start))
                followed.run(Code(script, text), Where(self.repository, "", server=True))
        called = tuple(each for each in followed.commands if each.path != made.step.workflow.path)
        programs, unread = list[str](), [each.partition(": ")[2] for each in followed.unknown]
        for each in followed.commands:
            if (name := _program_of(each)) is None:
                continue
            text_of = self.repository.text(name) if name and self.repository.exists(name) else ""
            if text_of:
                programs.append(text_of)
            else:
                unread.append(f"what `{each.command.source}` does is not read")
        started = tuple(followed.commands)
        return replace(made, called=called, programs=tuple(programs), unread=tuple(unread), started=started)


def _program_of(started: Started) -> str | None:
    """The file of a program in Python, or of its tasks, that a command starts, empty where it is not known which; None
    for other commands."""
    command, folder = started.command, started.folder or ""
    if command.name in _TASK_FILES:
        return posixpath.join(folder, _TASK_FILES[command.name])
    if command.name in _OTHER_PROGRAMS:
        return ""
    words = [word.text for word in command.argv if not word.text.startswith("-")]
    if re.fullmatch(r"python[\d.]*", command.name):
        words = words[1:] if not command.has("-m", "-c") else []
    script = words[0] if words else ""
    is_own = script.endswith(".py") and not script.endswith("manage.py")
    return posixpath.normpath(posixpath.join(folder, script)) if is_own else None


def of_composite(step: Step) -> bool:
    """Whether a step of a composite action deploys in a way that fhfix can take back."""
    return any(start.way.restored and not start.means.perhaps for start in starts_of(step))


def deployments_of(step: Step, job: Job, following: Following | None = None) -> Iterator[Deployment]:
    """What a step deploys; what only runs after a failure deploys nothing new."""
    if re.search(r"\b(?:failure|cancelled)\s*\(", str(step.data.get("if", ""))) or ROLLBACK.search(step.name):
        return
    place, action = StepScript.of(step), of_action(step)
    if place is None:
        if action is not None and step.uses is not None and _counts(action, job):
            yield _of_action(action, step, step.uses.span)
        else:
            yield from _unread(step)
        return
    for start in place.starts:
        if start.command is None or not _counts(start, job, there=place.remote):
            continue
        made = _of_start(start, start.command, place, job)
        if made is not None:
            there = made.way is SERVER or start.means.server
            yield following.on_the_server(made, place) if following is not None and there else made
    if not place.starts and following is not None:
        yield from following.deployments(step, job)


def _counts(start: Start, job: Job, *, there: bool = False) -> bool:
    """Whether a start puts an application into service that was there before, as far as names tell."""
    if start.means.first:
        return False
    if start.way.restored:
        return True
    texts = (job.id, job.name, job.environment, job.workflow.name, job.workflow.path.rpartition("/")[2])
    if job.workflow.triggers == ("schedule",) or any(map(STATIC.search, texts)):
        return False
    if start.means.perhaps:
        return named_deployment(job, or_release=False)
    # What runs on a server, in production too, may as well be maintenance.
    on_a_server = there or start.means.server or (start.line is not None and start.line.program == "ssh")
    return named_deployment(job) if on_a_server else True


def _unread(step: Step) -> Iterator[Deployment]:
    """A step that deploys by a script that cannot be read."""
    if step.run is None:
        return
    script = step.script
    unread = _UNREAD.search(step.run.value) if script is None or script.error else None
    if unread is None:
        return
    way = {"aws": ECS, "kubectl": KUBERNETES, "helm": HELM}[unread[1].partition(" ")[0]]
    why = script.error if script is not None else "a step deploys by a script that is neither for bash nor for sh"
    yield Deployment(step, way, unread[1], step.run.span, {}, why)


def _of_action(start: Start, step: Step, span: Span) -> Deployment:
    if start.way is not ECS:
        return Deployment(step, start.way, step.action, span, returns=start.returns)
    given = step.node.texts("with")
    unknown = ""
    if given.get("codedeploy-application") or given.get("codedeploy-appspec"):
        unknown = "AWS CodeDeploy moves the traffic, and rolls back by its own configuration"
    target = {
        "cluster": given.get("cluster", "default"),
        "service": given["service"],
        "task_definition": given.get("task-definition", ""),
        "file": given.get("task-definition", ""),
    }
    return Deployment(step, ECS, step.action, span, target, unknown, returns=start.returns)


def _of_start(start: Start, command: Command, place: StepScript, job: Job) -> Deployment | None:
    step, span = place.step, place.step.uses.span if place.step.uses is not None else place.node.span
    if not start.way.restored or place.remote:
        words = step.action if place.remote else "ssh" if command.name == "ssh" else start.words
        return Deployment(step, start.way, words, span, {}, "", start.offset, start.returns, command=command)
    made: Deployment | None = ecs_update(command, place.script, step, span) if start.way is ECS else None
    if start.way is not ECS:
        made = kubernetes_change(start, command, place.script, step, span)
    return replace(made, returns=start.returns, command=command) if made is not None else None
