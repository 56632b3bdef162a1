"""What makes a job able to speak to the cloud or cluster: its sign-in, and the programs for that."""

from __future__ import annotations

import re

from fixer.deploy.commands import code_of
from fixer.deploy.ways import ECS, Way
from fixer.github.permissions import may
from fixer.github.workflow import Job, Step
from fixer.languages.shell import Command

AWS_SIGN_IN = re.compile(r"^aws-actions/configure-aws-credentials(?:-[\w-]+)?@", re.IGNORECASE)
_CLUSTER_SIGN_IN = re.compile(
    r"^(?:aws-actions/configure-aws-credentials|azure/(?:login|aks-set-context|k8s-set-context|setup-kubectl|setup-helm|"
    r"use-kubelogin)|google-github-actions/(?:auth|setup-gcloud|get-gke-credentials)|digitalocean/action-doctl)@",
    re.IGNORECASE,
)
_LOCAL_SIGN_IN = re.compile(r"^\./.*(?:aws|credential|sign-?in|log-?in|auth|kube)[\w-]*/?$", re.IGNORECASE)
OWN_SIGN_IN = re.compile(
    r"\bexport (?:KUBECONFIG|AWS_)|update-kubeconfig|get-credentials|\.kube/config|config use-context|"
    r"aws configure|sts assume-role|doctl kubernetes|\bgcloud auth|\baz login"
)
_CLUSTER_SCRIPT = re.compile(r"update-kubeconfig|get-credentials|kubeconfig|KUBECONFIG|\.kube/config")
_TOOL_BY_ACTION = re.compile(r"^azure/(?:setup-kubectl|setup-helm|use-kubelogin)@", re.IGNORECASE)
_TOOL_BY_ADDRESS = re.compile(r"get-helm|get\.helm\.sh|dl\.k8s\.io|kubernetes-release|awscli-exe")
_INSTALLERS = frozenset(("apt", "apt-get", "apk", "dnf", "yum", "snap", "brew", "pip", "pip3", "gcloud"))
_TOOLS = frozenset(("helm", "kubectl", "awscli", "aws-cli"))
"""The programs by which is deployed."""


def installs_tool(step: Step) -> bool:
    """Whether a step does no more than to install what speaks to the cloud or cluster."""
    if step.uses is not None:
        return _TOOL_BY_ACTION.match(step.uses.value) is not None
    code = code_of(step)
    if not code or OWN_SIGN_IN.search(code):
        return False
    commands = step.script.commands if step.script is not None else ()
    return _TOOL_BY_ADDRESS.search(code) is not None or any(map(_installs, commands))


def _installs(command: Command) -> bool:
    words = {word.text.partition("=")[0] for word in command.args}
    return command.name in _INSTALLERS and not words.isdisjoint(("install", "add")) and not words.isdisjoint(_TOOLS)


def signs_in(step: Step, way: Way) -> bool:
    """Whether later steps can speak to the cloud, or to the cluster, since this one has run."""
    pattern = AWS_SIGN_IN if way is ECS else _CLUSTER_SIGN_IN
    if step.uses is not None:
        return pattern.match(step.uses.value) is not None or _LOCAL_SIGN_IN.match(step.uses.value) is not None
    if step.run is None:
        return False
    if way is ECS:
        return re.search(r"\baws configure set\b|\baws sts assume-role", code_of(step)) is not None
    return _CLUSTER_SCRIPT.search(code_of(step)) is not None


def takes_over(later: Step, step: Step, job: Job) -> bool:
    """Whether a later sign-in to AWS puts its credentials in the place of these, and needs none of them for that:
    the first was for the registry, say."""
    both = (step.uses, later.uses)
    if any(uses is None or AWS_SIGN_IN.match(uses.value) is None for uses in both) or later.condition:
        return False
    given = later.inputs
    by_token = may(job, {"id-token": "write"}, None) is True
    return "aws-access-key-id" in given or (by_token and "role-to-assume" in given and "role-chaining" not in given)
