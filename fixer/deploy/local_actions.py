"""Composite actions of the repository itself, in `.github/actions`: what several jobs do alike is written once.

A script of a rule has blocks for what not every use of it needs, between `#: name` and `#: end`. As an action it stands
in a file of its own beside `action.yml`; where an action cannot be used it becomes the `run:` of a step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.deployment import Deployment
from fixer.deploy.ways import HELM
from fixer.github.workflow import Job, Step, Workflow
from fixer.model import Blocked, NewFile
from fixer.records import entity, record
from fixer.scripts import ScriptText

if TYPE_CHECKING:
    from fixer.repository import Repository

FOLDER = ".github/actions"
_BLOCK = re.compile(r"^#: (?P<name>[\w-]+)\n(?P<text>.*?)^#: end\n", re.MULTILINE | re.DOTALL)
_CHECKOUT = re.compile(r"^actions/checkout@", re.IGNORECASE)
_OTHER_FILES = ("repository", "ref", "path", "sparse-checkout")
"""Inputs of actions/checkout with which the workspace may not hold this commit's actions at its root."""

_OPTIONS = {
    "namespace": ScriptText.of(' --namespace "$NAMESPACE"'),
    "context": ScriptText.of(' --context "$CONTEXT"'),
    "kube-context": ScriptText.of(' --kube-context "$CONTEXT"'),
}


def with_blocks(script: ScriptText, *names: str) -> ScriptText:
    """A script with these of its blocks, and without the others."""
    return ScriptText.written(_BLOCK.sub(lambda found: found["text"] if found["name"] in names else "", script))


def with_options(script: ScriptText, deployment: Deployment) -> ScriptText:
    """A script with `--namespace` and `--context` for kubectl or helm, where a deployment gives them, in place of its
    `"${options[@]}"`."""
    given = [_OPTIONS["namespace"]] if deployment.target.get("namespace") else []
    if deployment.target.get("context"):
        given.append(_OPTIONS["kube-context" if deployment.way is HELM else "context"])
    return script.replaced(' "${options[@]}"', ScriptText.joined("", given))


@record
class Input:
    """An input of an action: what it is for, the variable in which its script reads it, and what it is if not given.

    `default` None: it must be given.
    """

    name: str
    variable: str
    description: str
    default: str | None = None


@record
class LocalAction:
    """A composite action whose one step runs a script. `outputs` are descriptions by name."""

    folder: str
    title: str
    description: str
    script_name: str
    script: ScriptText
    inputs: tuple[Input, ...]
    outputs: Mapping[str, str]

    @property
    def path(self) -> str:
        return f"{FOLDER}/{self.folder}/action.yml"

    @cached_property
    def files(self) -> tuple[NewFile, NewFile]:
        """What makes it: action.yml, and the script beside it."""
        script = ScriptText.of("#!/usr/bin/env bash\nset -euo pipefail\n\n") + self.script
        return NewFile(self.path, self._text), NewFile(f"{FOLDER}/{self.folder}/{self.script_name}", script, True)

    @property
    def _text(self) -> str:
        lines = [f"name: {self.title}", f"description: {self.description}", "", "inputs:"]
        for each in self.inputs:
            lines += [f"  {each.name}:", f"    description: {each.description}"]
            lines.append("    required: true" if each.default is None else f"    default: '{each.default}'")
        step = self.script_name.removesuffix(".sh")
        if self.outputs:
            lines += ["", "outputs:"]
        for name, description in self.outputs.items():
            value = f"${{{{ steps.{step}.outputs.{name.replace('-', '_')} }}}}"
            lines += [f"  {name}:", f"    description: {description}", f"    value: {value}"]
        lines += ["", "runs:", "  using: composite", "  steps:"]
        lines += [f"    - id: {step}", "      shell: bash"] if self.outputs else ["    - shell: bash"]
        lines.append("      env:")
        lines += [f"        {each.variable}: ${{{{ inputs.{each.name} }}}}" for each in self.inputs]
        lines.append(f'      run: bash "$GITHUB_ACTION_PATH/{self.script_name}"')
        return "\n".join(lines) + "\n"

    def call(self, values: Mapping[str, str]) -> dict[str, Any]:
        """The keys of a step that uses it; `values` are by variable, and those that are not inputs are left out."""
        given = {
            each.name: values[each.variable]
            for each in self.inputs
            if values.get(each.variable) and values[each.variable] != each.default
        }
        return {"uses": f"./{FOLDER}/{self.folder}", "with": given}


@record
class Work:
    """What one step does: an action of the repository, or the same as a script of its own (`inline`)."""

    action: LocalAction
    inline: ScriptText

    def step(self, values: Mapping[str, str], *, shared: bool) -> dict[str, Any]:
        """The keys of a step; `values` are by variable, and `shared` says that it uses the action."""
        if shared:
            return self.action.call(values)
        return {"env": dict(values), "run": self.inline}


REGION = Input("region", "REGION", "AWS region; by default that of the job", "")


def shared_place(job: DeployJob, place: Mapping[str, str]) -> dict[str, str]:
    """What says which service it is, for an action: without the region to which the job signs in."""
    found = dict(place)
    region = found.pop("AWS_REGION", "")
    if region not in {step.node.texts("with").get("aws-region", "") for step in job.sign_in}:
        found["REGION"] = region
    return found


@entity
class LocalActions:
    """The composite actions that the repository has, by path."""

    documents: Mapping[str, Workflow]

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Always something: a repository may have none."""
        found = repository.documents(Workflow, lambda source: source.path.startswith(f"{FOLDER}/"))
        return cls({each.path: each for each in found if each.composite})

    def made(self, actions: Iterable[LocalAction]) -> list[NewFile] | Blocked:
        """The files that must be added for these; Blocked where another action stands at the place of one."""
        files: dict[str, NewFile] = {}
        for action in actions:
            there = self.documents.get(action.path)
            if there is None:
                files |= {file.path: file for file in action.files}
            elif missing := _missing(there, action):
                return Blocked(
                    f"{action.path} is there already, and has no {missing}",
                    "give that action another name, or delete it",
                )
        return list(files.values())


def _missing(there: Workflow, action: LocalAction) -> str:
    """An input or output that an action of this name would need; empty where it has them all."""
    inputs, outputs = there.root.mapping("inputs"), there.root.mapping("outputs")
    lacking = [f"input {each.name}" for each in action.inputs if each.name not in inputs]
    lacking += [f"output {name}" for name in action.outputs if name not in outputs]
    return next(iter(lacking), "")


def checkout_before(job: Job, index: int) -> Step | None:
    """The step before this index that brings the repository's own actions; None where none does for certain."""
    found = [step for step in job.steps[:index] if step.uses is not None and _CHECKOUT.match(step.uses.value)]
    if len(found) != 1 or "if" in found[0].data:
        return None
    given = found[0].node.texts("with")
    return None if any(name in given for name in _OTHER_FILES) else found[0]


def can_use_local_actions(job: Job, index: int) -> bool:
    """Whether a step at this index may use an action of the repository: its files are there by then.

    In a workflow that others call, `./` is the repository of the caller; a job that has such a step itself can only be
    called from where these actions are. Workflows of another folder are patterns of other repositories.
    """
    called = "workflow_call" in job.workflow.triggers
    at_home = any(step.uses is not None and step.uses.value.startswith("./") for step in job.steps)
    return job.workflow.is_run and (at_home or not called) and checkout_before(job, index) is not None
