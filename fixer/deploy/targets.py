"""What a command gives a new version: the service of ECS, the workload of Kubernetes, the release of Helm."""

from __future__ import annotations

import re

from fixer.deploy.command_lines import CommandLine, read
from fixer.deploy.commands import waits
from fixer.deploy.deployment import Deployment
from fixer.deploy.values import value_of
from fixer.deploy.ways import ECS, HELM, Start
from fixer.github.workflow import Step
from fixer.languages.shell import Command, Script, Structure
from fixer.model import Span

_NO_PODS = re.compile(
    r"namespaces?|ns|configmaps?|secrets?|serviceaccounts?|ingress(?:es)?|hpa|horizontalpodautoscaler|pvc?|"
    r"persistentvolume(?:claim)?|storageclass|(?:cluster)?role(?:binding)?|rbac|networkpolic(?:y|ies)|certificate|"
    r"(?:cluster)?issuer|pdb|poddisruptionbudget|resourcequota|limitrange"
)
"""Kinds of Kubernetes, and how files are named for them, that start nothing by themselves."""


def is_update(command: Command) -> bool:
    """Whether a command is `aws ecs update-service`, also with options of `aws` itself before its words."""
    return aws_operation(command) == ("ecs", "update-service")


def aws_operation(command: Command) -> tuple[str, ...]:
    """The service and the operation of an `aws` command; empty for other programs."""
    return read(command).texts[:2] if command.name == "aws" else ()


def ecs_update(command: Command, script: Script, step: Step, span: Span) -> Deployment:
    """What `aws ecs update-service` changes."""
    if command.has("--cli-input-json", "--cli-input-yaml"):
        unknown = "which service is deployed stands in a file that the job makes"
        return Deployment(step, ECS, "aws ecs update-service", span, {}, unknown, command.start)
    target: dict[str, str] = {}
    unknown = _where_unknown(command)
    for name in ("cluster", "service", "region", "profile"):
        word = command.value(f"--{name}")
        if word is None:
            continue
        value = value_of(word.text, step, script)
        unknown = unknown or _unseen(word.text, value)
        if value is not None:
            target[name] = value
    revision = command.value("--task-definition")
    if revision is not None:  # mostly what the script has just registered, which only the shell knows
        value = value_of(revision.text, step, script)
        target["task_definition"] = value if value is not None else revision.text
    if "service" not in target and not unknown:
        unknown = "the command names no service"
    target.setdefault("cluster", "default")
    return Deployment(step, ECS, "aws ecs update-service", span, target, unknown, command.start)


def _where_unknown(command: Command) -> str:
    if command.within(Structure.LOOP):
        return "it deploys in a loop of the shell"
    if command.within(Structure.FUNCTION):
        return "it deploys in a function of the shell"
    if command.within(Structure.BRANCH):
        return "a condition of the shell decides what is deployed"
    return ""


def kubernetes_change(start: Start, command: Command, script: Script, step: Step, span: Span) -> Deployment | None:
    """What a command of kubectl or helm changes; None where it starts nothing anew."""
    line = start.line
    if line is None:
        return None
    target: dict[str, str] = {}
    reasons = [_where_unknown(command)]
    for name, spellings in (("namespace", ("--namespace", "-n")), ("context", ("--context", "--kube-context"))):
        word = line.value(*spellings)
        if word is not None:
            value = value_of(word.text, step, script)
            reasons.append(_unseen(word.text, value))
            target[name] = value or ""
    kept = ""
    if start.way is HELM:
        release = start.name(0)
        if not release:
            return None
        value = value_of(release, step, script)
        reasons += [start.doubt, _unseen(release, value)]
        target["release"] = value or ""
    else:
        workload, kept = _changed_workload(command, line, script, step)
        if workload is None:
            return None
        value = value_of(workload, step, script)
        reasons += [start.doubt, kept if not workload else "", _unseen(workload, value)]
        target["workload"] = value or workload
    unknown = next(filter(None, reasons), "")
    return Deployment(step, start.way, start.words, span, target, unknown, command.start, kept=kept)


def _unseen(text: str, value: str | None) -> str:
    return "" if value is not None else f"it cannot be seen what {text} is"


def _changed_workload(command: Command, line: CommandLine, script: Script, step: Step) -> tuple[str | None, str]:
    """The workload that a kubectl command gives a new version, as it is written, and why it cannot be put back.

    None where the command changes none, and empty where it does not say which.
    """
    words = list(line.texts)
    if words[:2] == ["set", "image"]:
        workload, why = _workload(words[2:]), ""
        if not workload:
            return "", "kubectl set image does not say by name which workloads it changes"
    elif words[:2] == ["rollout", "restart"]:
        workload = _workload(words[2:])
        why = "it restarts what is there, so what runs depends on where a tag points, which an undo keeps"
    elif words[:1] == ["patch"]:
        workload, why = _workload(words[1:]), ""
        if workload.partition("/")[0].lower() not in _WORKLOADS:
            return None, ""
    elif words[:1] in (["apply"], ["replace"]) and not _starts_no_pods(command, script):
        waited = _rolled_out(step)
        if len(waited) != 1:
            several = f"the job waits for {len(waited)}" if waited else "nothing waits for one"
            return "", f"kubectl {words[0]} does not say which workloads it changes, and {several}"
        workload, why = waited.pop(), ""
    else:
        return None, ""
    kind = workload.partition("/")[0].lower()
    if "/" in workload and kind not in ("deployment", "deployments", "deploy", "deployment.apps"):
        why = why or f"{workload} is no deployment, and keeps no revisions of that kind"
    return workload, why


_WORKLOADS = (
    *("deployment", "deployments", "deploy", "deployment.apps", "statefulset", "statefulsets", "sts"),
    *("daemonset", "daemonsets", "ds"),
)


def _starts_no_pods(command: Command, script: Script) -> bool:
    """Whether all that `kubectl apply` changes is what surrounds workloads: namespaces, secrets and the like."""
    feeders = [c for c in script.commands if any(other.start == command.start for other in c.receivers)]
    made = [[w.text for w in c.args if not w.text.startswith("-")] for c in feeders if c.name == "kubectl"]
    if any("create" in words and any(map(_NO_PODS.fullmatch, words)) for words in made):
        return True
    kinds = re.findall(r"^\s*kind:\s*(\w+)", "\n".join(map(_told, (command, *feeders))), re.MULTILINE)
    if kinds:
        return all(_NO_PODS.fullmatch(kind.lower()) for kind in kinds)
    words = [word.text for word in command.args]
    files = [words[at + 1] for at, text in enumerate(words[:-1]) if text in ("-f", "--filename")]
    names = [re.findall(r"[a-z]+", file.rpartition("/")[2].rpartition(".")[0].lower()) for file in files]
    return bool(names) and all(name and all(map(_NO_PODS.fullmatch, name)) for name in names)


def _told(command: Command) -> str:
    """What a command says, here-documents included, without comments."""
    documents = (command.script.text[r.start : r.end] for r in command.redirects if r.operator.startswith("<<"))
    lines = "\n".join((command.source, *documents)).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def _workload(words: list[str]) -> str:
    """`deployment/web`, also where it is written `deployment web`; empty where no word names one."""
    if not words or "=" in words[0]:
        return ""
    if "/" in words[0] or len(words) < 2 or "=" in words[1]:
        return words[0]
    return f"{words[0]}/{words[1]}"


def _rolled_out(step: Step) -> set[str]:
    """The workloads that the job waits for."""
    found: set[str] = set()
    for other in step.job.steps if step.job is not None else ():
        script = other.script
        for command in waits(script) if script is not None else ():
            words = list(read(command).texts)
            if command.name == "kubectl" and words[:2] == ["rollout", "status"] and len(words) > 2:
                found.add(_workload(words[2:]))
    return found
