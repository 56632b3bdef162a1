"""One command or action that puts a new version into service: what it changes, and how it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from fixer.deploy.values import output_of_shell, value_of
from fixer.deploy.ways import ECS, Returns, Way
from fixer.github.expressions import names_read, only_read
from fixer.github.workflow import Step
from fixer.languages.shell import Command
from fixer.model import Span
from fixer.records import entity
from fixer.runtime.programs import Started


@entity
class Deployment:
    """One command or action that changes what runs.

    `unknown` says why nobody can tell what it changes, `kept` why going back to a revision before does not undo it.
    `target` holds cluster, service, region, profile, task_definition (ECS; empty where the service keeps its revision
    and only starts anew), namespace, context, workload (Kubernetes), release (Helm). `words` is how it is written.
    `called` is what the repository's own script runs that the step starts, here or on a server, where it deploys by
    one; `programs` are texts of its programs that are no shell, and `unread` says what is started that cannot be read.
    `started` are all commands of the step, where they run on a server or start containers there.
    """

    step: Step
    way: Way
    words: str
    span: Span
    target: Mapping[str, str] = field(default_factory=dict)
    unknown: str = ""
    offset: int = 0
    returns: Returns = Returns.BEGUN
    kept: str = ""
    command: Command | None = None
    called: tuple[Started, ...] = ()
    programs: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    started: tuple[Started, ...] = ()

    @property
    def index(self) -> int:
        """Which step of its job it is."""
        return self.step.index

    @property
    def place(self) -> tuple[str, ...]:
        """What tells one service, workload or release from another."""
        return tuple(self.target.get(key, "") for key in ("cluster", "service", "namespace", "workload", "release"))

    @property
    def condition(self) -> dict[str, Any]:
        """The `if:` of its step, as a key that another step can take over; empty where it has none."""
        return {"if": self.step.data["if"]} if "if" in self.step.data else {}

    @property
    def surroundings(self) -> dict[str, str]:
        """The keys that a script beside its step needs so that bash reads it, at the root of the workspace."""
        step, made = self.step, dict[str, str]()
        if step.job is not None and "windows" in str(step.job.data.get("runs-on")):
            made["shell"] = "bash"
        for place in (step.job.node if step.job is not None else None, step.workflow.root):
            defaults = place.get("defaults") if place is not None else None
            run = defaults.get("run") if defaults is not None else None
            shell = run.get("shell") if run is not None else None
            if shell is not None and shell.value != "bash":
                made["shell"] = "bash"
            if run is not None and run.get("working-directory") is not None:
                made["working-directory"] = "."
        return made

    @property
    def credentials(self) -> dict[str, str]:
        """The variables of its step that let it speak to the cloud or cluster; another step needs them too."""
        given = self.step.node.texts("env")
        return {name: value for name, value in given.items() if name.startswith(("AWS_", "KUBE"))}

    @property
    def moves_a_tag(self) -> bool:
        """Whether what runs depends on where an image's tag points: the same revision is started anew, or each new one
        names the image by the same tag, such as `latest`."""
        return self.way is ECS and (not self.target.get("task_definition") or self._names_one_tag)

    @property
    def _names_one_tag(self) -> bool:
        """Whether the image that aws-actions/amazon-ecs-render-task-definition fills in has the same tag every time."""
        image, step = self._rendered
        if image is None or step is None:
            return False
        read = only_read(image)
        if read is not None:
            image, step = output_of_shell(read, step)
        tag = re.search(r":([^:/@]+)$", image)
        if tag is None:
            return False
        value = value_of(tag[1], step, step.script)
        return value is not None and "${{" not in value

    @property
    def _rendered(self) -> tuple[str | None, Step | None]:
        """The image that is filled into the task definition, and the step that does it."""
        named = {name.lower() for name in names_read("steps", self.target.get("file", ""))}
        for step in self.step.job.steps if self.step.job is not None else ():
            image = step.with_.get("image") if step.with_ is not None else None
            if step.id.lower() in named and image is not None:
                return str(image.value), step
        return None, None
