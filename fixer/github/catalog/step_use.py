"""A step that uses an action, and what around it decides how it migrates: asked of its job, not of the file's text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.github.action_files import ActionFiles
from fixer.github.catalog.migration import StepUse
from fixer.github.expressions import ANY, only_read, reads_below
from fixer.github.timeline import Moment, Scope
from fixer.github.workflow import Step, Workflow
from fixer.github.workflows import commands_of


def step_use_of(step: Step, files: ActionFiles) -> StepUse:
    """What the conditions of migrations ask of a step."""
    workflow = step.workflow
    moment = Moment.before(step, files.actions)
    steps = step.job.steps if step.job is not None else workflow.steps
    around = step.job.node if step.job is not None else workflow.root
    outer = {
        name: "${{ env." + name + " }}" if variable.value is None else variable.value
        for name, variable in moment.environment.items()
        if variable.scope is not Scope.STEP
    }
    return StepUse(
        step.inputs,
        step.env,
        outer,
        triggers=workflow.triggers,
        composite=workflow.composite,
        files=files.configuration,
        package_manager=files.package_manager,
        possible={name: tuple(_possible(value, step, outer)) for name, value in step.inputs.items() if "${{" in value},
        tools=lambda: (tool.name for tool in moment.tools),
        uses=lambda: (other.action.lower() for other in workflow.steps if other.uses is not None),
        commands=lambda: (text for other in workflow.steps for text in _commands(other)),
        later=lambda: (text for other in steps if other.index > step.index for text in _commands(other)),
        neighbours=lambda: (text for other in steps if other.node is not step.node for text in other.inputs.values()),
        reads=lambda: (read.dotted for read in reads_below(around.data, around.at)),
        downloads_all=lambda: _downloads_all(workflow),
        go=files.go,
        toolchain=files.toolchain or workflow.composite,  # a composite action may run in another repository
    )


def _commands(step: Step) -> Iterator[str]:
    """The commands of a step as they are written; the lines of a script that is none of bash's."""
    commands = commands_of(step)
    yield from (command.source for command in commands)
    text = step.run.value if step.run is not None and not commands else step.inputs.get("script", "")
    for line in text.splitlines():
        if not re.match(r"\s*(#|//|$)", line):
            yield line.strip()


def _possible(value: str, step: Step, outer: dict[str, str]) -> Iterator[str]:
    """The values that an expression may have, as far as the workflow says them."""
    read = only_read(value)
    if read is None:
        return
    match read.context:
        case "matrix" if step.job is not None and step.job.matrix is not None:
            yield from map(str, step.job.matrix.values(read.name) or ())
        case "env":
            variables = {**outer, **step.env}
            values = variables.values() if read.name == ANY else [variables.get(read.name, "")]
            yield from (value for value in values if "${{" not in value)
        case "inputs":
            yield from _values_of_input(step.workflow, read.name)


def _values_of_input(workflow: Workflow, name: str) -> Iterator[str]:
    """The default and the choices of an input of a workflow or action."""
    on = workflow.root.get("on")
    events = [on.get(event) for event in ("workflow_dispatch", "workflow_call")] if on is not None else []
    for place in (*events, workflow.root):
        declared = place.mapping("inputs").get(name) if place is not None else None
        default = declared.get("default") if declared is not None else None
        options = declared.get("options") if declared is not None else None
        if default is not None and default.is_scalar:
            yield default.value
        for option in options.items if options is not None else ():
            yield option.value


def _downloads_all(workflow: Workflow) -> bool:
    """Whether a step downloads every artifact of the run."""
    downloads = (step for step in workflow.steps if step.action.lower() == "actions/download-artifact")
    return any("name" not in step.inputs and "pattern" not in step.inputs for step in downloads)
