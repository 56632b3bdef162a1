"""A step sets an output, a variable or the PATH by printing a workflow command that GitHub has retired.

## Why

`echo "::set-env …"` and `echo "::add-path::…"` have been switched off since November 2020: the step fails
(https://github.blog/changelog/2020-10-01-github-actions-deprecating-set-env-and-add-path-commands/). `::set-output`
still works and warns in each run
(https://github.blog/changelog/2022-10-11-github-actions-deprecating-save-state-and-set-output-commands/): whatever
prints untrusted text could set outputs by it. The files `$GITHUB_OUTPUT`, `$GITHUB_ENV` and `$GITHUB_PATH` take their
place, line by line: `echo "name=value" >> "$GITHUB_OUTPUT"`.

## When it is left alone

Where `echo` has options, where its output goes elsewhere, where it stands in quotes for another shell, and where a
variable holds the name. `::save-state` has no use in a step. A pipe behind `echo`, a value with `%0A`, `%0D` or `%25`
(which only the command decodes), and variables that no step may set are reported without a fix.

## What is safe

The value stays as it is written. In double quotes the result of a variable or of another command may have several
lines: the command took the first of them, and the file takes none, so that fix is for review.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.github.workflow import Step, Workflow
from fixer.languages.shell import Command, Structure
from fixer.model import Blocked, Finding, Fix, Level, Rule, Tier, listed
from fixer.records import record
from fixer.scripts import ScriptText

COMMAND = re.compile(
    r"(?P<quote>[\"']?)::(?:(?P<named>set-output|set-env)\s+name\s*=\s*(?P<name>[A-Za-z_][\w-]*)|(?P<path>add-path))::"
)
FILES = {"set-output": "GITHUB_OUTPUT", "set-env": "GITHUB_ENV", "add-path": "GITHUB_PATH"}
SWITCHED_OFF = frozenset(("set-env", "add-path"))
ALLOWED = "ACTIONS_ALLOW_UNSECURE_COMMANDS"
"""The variable that switches them on again."""

ESCAPED = re.compile(r"%(0[AaDd]|25)")
EXPANSION = re.compile(r"[$`]")
# https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#setting-an-environment-variable
RESERVED = re.compile(r"(GITHUB_|RUNNER_)|NODE_OPTIONS$", re.IGNORECASE)


@record
class Printed:
    """A retired command that a step prints. `start`..`end` is what names it, in the script; `value` is what follows."""

    kind: str
    name: str
    start: int
    end: int
    command: Command
    value: str

    @property
    def may_have_lines(self) -> bool:
        """Whether something in double quotes is only known when the step runs."""
        quoted = '"' in self.command.source
        return quoted and EXPANSION.search(self.value) is not None


def check(workflow: Workflow) -> Iterator[Finding]:
    if not any(f"::{kind}" in workflow.source.text for kind in FILES):
        return
    for step in workflow.steps:
        script = step.script
        if script is None:
            continue
        printed = [found for command in script.commands if (found := _printed(command)) is not None]
        by_reason: dict[Blocked | None, list[Printed]] = {}
        for each in printed:
            by_reason.setdefault(_why_not(each, script.text), []).append(each)
        for reason, alike in by_reason.items():
            yield _finding(workflow, step, alike, reason)


def _printed(command: Command) -> Printed | None:
    if command.words[0].text != "echo" or not command.args:
        return None
    if command.outputs or command.within(Structure.SUBSTITUTION):
        return None
    text = command.script.text
    first, last = command.args[0], command.args[-1]
    found = COMMAND.match(text, first.start)
    if found is None:
        return None
    kind = found["named"] or found["path"]
    return Printed(kind, found["name"] or "", found.end("quote"), found.end(), command, text[found.end() : last.end])


def _why_not(printed: Printed, script: str) -> Blocked | None:
    file = FILES[printed.kind]
    if printed.command.within(Structure.PIPELINE):
        return Blocked("a pipe reads what it prints", f'write what comes out of the pipe to "${file}" by hand')
    if ESCAPED.search(script):
        return Blocked(
            "the script escapes line ends or percent signs, which only the retired command decodes",
            "write the value with a delimiter: https://docs.github.com/actions/reference/workflows-and-actions/"
            "workflow-commands#multiline-strings",
        )
    if printed.kind == "set-env" and RESERVED.match(printed.name):
        return Blocked(f"{printed.name} cannot be set by a step", "use another name")
    return None


def _finding(workflow: Workflow, step: Step, printed: list[Printed], reason: Blocked | None) -> Finding:
    assert step.run is not None
    kinds = tuple(dict.fromkeys(each.kind for each in printed))
    allowed = ALLOWED in workflow.source.text
    off = [kind for kind in kinds if kind in SWITCHED_OFF and not allowed]
    retired = [kind for kind in kinds if kind not in off]
    said = [(off, "fails the step", "fail the step"), (retired, "is retired", "are retired")]
    message = "; ".join(f"{_named(some)} {one if len(some) == 1 else more}" for some, one, more in said if some)
    first = printed[0].command
    span = workflow.span_of(step.run, first.start, first.end)
    cure = reason or _fix(workflow, step, printed)
    return Finding(workflow.path, span, message, cure, Level.ERROR if off else None)


def _named(kinds: list[str]) -> str:
    return listed(f"`::{kind}`" for kind in kinds)


def _fix(workflow: Workflow, step: Step, printed: list[Printed]) -> Fix | Blocked:
    assert step.run is not None
    edits: list[tuple[int, int, ScriptText]] = []
    for each in printed:
        end = each.command.args[-1].end
        name = ScriptText.of("@name@=", name=ScriptText.written(each.name)) if each.name else ScriptText.of("")
        edits.append((each.start, each.end, name))
        edits.append((end, end, ScriptText.of(' >> "$@file@"', file=ScriptText.name(FILES[each.kind]))))
    files = tuple(dict.fromkeys(f"${FILES[each.kind]}" for each in printed))
    unsure = [each for each in printed if each.may_have_lines]
    effects = [f"{workflow.path}: {each.name or 'the PATH'} is set by ${FILES[each.kind]}" for each in printed]
    return Fix.of(
        f"write to {listed(files)}",
        workflow.splice_scalar(step.run, edits),
        tier=Tier.REVIEW if unsure else Tier.SAFE,
        effects=effects,
    )


def _runs_commands(workflow: Workflow) -> bool:
    return any(step.run is not None for step in workflow.steps)


RULE = Rule(
    __name__,
    "A step prints a workflow command that GitHub has retired",
    check,
    criterion="No step depends on a workflow command that GitHub has retired",
    level=Level.WARNING,
    applies=_runs_commands,
)
