"""A type check whose failure cannot fail the job.

## Why
`mypy . || true` looks like a check and is none: the step is green whatever the types say, errors pile up, and the day
somebody looks there are hundreds. The same holds for `|| echo …`, a pipe into `tee` under GitHub's default shell
(which has no pipefail), a checker left of `&&` with more commands below, `set +e`, and `continue-on-error: true`. On
Windows, PowerShell and cmd go on after a program that failed, and forget it if another one follows.

The shell is parsed, so what is found is what the shell would do: `mypy . ; true` is no finding in a shell that stops
at the first failure, and `|| true` in a comment or after another command is none either. Every fix is for review: the
job may turn red, and the steps below would not run any more.

## When it is left alone
* The script looks at the failure itself: `if ! mypy …`, `mypy … || FAILED=1`, `$?`, `$(mypy …)`, a pipe into `grep`.
* The checker writes its output to a file that something later reads or uploads (a `tee` that lost the status does not
  count, unless the same script reads the file).
* `continue-on-error` with an expression, and steps whose `outcome` is asked for elsewhere.
* Reported, not fixed: `[ -f mypy.ini ] && mypy || true` as the last statement, which without `|| true` would also fail
  where the file is missing.
* Scripts of PowerShell and cmd that are more than plain commands, one a line. Those that bash would take for the same
  get `shell: bash`; the others are reported.
* Test runners and linters that are silenced, also by an option such as `pylint --exit-zero`, are reported, and fixed
  only when `also` names them: a linter may be silent on purpose while a project cleans up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from fixer.github.expressions import Read, reads_below
from fixer.github.workflow import Job, Step, Workflow
from fixer.languages.shell import Command, Script, Silence, Silencer
from fixer.languages.toml import toml_value
from fixer.languages.yaml import dotted
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Tier, joined, listed, option
from fixer.scripts import ScriptText
from transforms.ci.silent_type_check.checks import LINTERS, TESTS, TYPES, Check, always_succeeds, check_of
from transforms.ci.silent_type_check.windows import WindowsScript

MENTION = re.compile(
    "|".join(sorted(map(re.escape, TYPES | TESTS | LINTERS), key=len, reverse=True)) + "|type|lint|test"
)
SILENCED = re.compile(
    r"\|\||\||&&|set \+|continue-on-error|shell:|windows|--exit-zero|--no-fail|ruff .*-e\b", re.IGNORECASE
)
_ONLY_WARNS = re.compile(r"\bwarn(ing)?s?[- ]only\b|\bnon[- ]blocking\b", re.IGNORECASE)


class Options(RuleOptions):
    also: Sequence[str] = option((), "test runners and linters to treat alike, by the name that the finding gives")


def check(workflow: Workflow, options: Options) -> Iterator[Finding]:
    if not SILENCED.search(workflow.source.text) or not MENTION.search(workflow.source.text):
        return
    also = frozenset(options.also)
    said = _Said()
    for step in workflow.steps:
        run = step.run
        if run is None or not MENTION.search(run.value):
            continue
        windows = WindowsScript.of(step)
        if windows is not None:
            yield from _on_windows(workflow, step, windows, also)
        script = step.script
        if script is None:
            continue
        for command in script.commands:
            yield from _succeeding(workflow, step, command, also)
        checks = [(command, found) for command in script.commands if (found := check_of(command)) is not None]
        silent = [(command, found, _silencers(script, command, step, said)) for command, found in checks]
        for types in (True, False):
            wanted = [(c, found, s) for c, found, s in silent if s and found.types == types]
            if wanted:
                yield _in_the_shell(workflow, step, script, wanted, types, also)
        if not any(_output_is_read(script, command, step, said) for command, _ in checks):
            yield from _allowed_to_fail(workflow, step, [found for _, found in checks], also)
    for job in workflow.jobs.values():
        yield from _job_allowed_to_fail(workflow, job, also)


# -- silenced in the shell ----------------------------------------------------------------------------------------


def _silencers(script: Script, command: Command, step: Step, said: _Said) -> tuple[Silencer, ...]:
    found = script.silencers(command)
    if any(silencer.kind in (Silence.HANDLED, Silence.BACKGROUND) for silencer in found):
        return ()
    # `| tee file` keeps a copy, and nobody means it to hide a failure: only a later judge of the file counts.
    piped = all(silencer.kind == Silence.PIPE for silencer in found)
    return () if found and _output_is_read(script, command, None if piped else step, said) else found


def _output_is_read(script: Script, command: Command, step: Step | None, said: _Said) -> bool:
    """Whether a file that the command writes is named again, later in the script or in a later step."""
    start, end = command.statement
    names = [redirect.target for redirect in command.redirects if ">" in redirect.operator]
    names += [word.text for option in ("-o", "--output", "--output-file", "--junitxml", "--junit-xml")
              if (word := command.value(option)) is not None]  # fmt: skip
    for other in script.commands:
        if other.name == "tee" and start <= other.start < end:
            names += [word.text for word in other.args if not word.text.startswith("-")]
    files = {name.rpartition("/")[2] for name in names} - {"", "1", "2", "null", "stderr", "stdout"}
    if not files:
        return False
    later = [word for other in script.commands if other.start >= end for word in _written(other)]
    if any(name in text for name in files for text in later):
        return True
    return step is not None and any(said.after(step, name) for name in files)


class _Said:
    """What the steps of each job are given and run, put together once: every checker of a job asks what stands behind
    it."""

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[str, dict[int, int]]] = {}

    def after(self, step: Step, name: str) -> bool:
        """Whether a later step of the job says this name."""
        if step.job is None:
            return False
        if step.job.id not in self._jobs:
            self._jobs[step.job.id] = _joined(step.job)
        text, ends = self._jobs[step.job.id]
        return text.find(name, ends[step.node.start]) >= 0


def _joined(job: Job) -> tuple[str, dict[int, int]]:
    """The texts of all steps of a job, and where those of each step end, by the place of the step in the file.

    Between two texts stands what no YAML file can hold, so that no name is found across them.
    """
    parts: list[str] = []
    ends: dict[int, int] = {}
    length = 0
    for step in sorted(job.steps, key=lambda each: each.node.start):
        for text in _said(step):
            parts.append(text)
            length += len(text) + 1
        ends[step.node.start] = length
    return "\0".join(parts), ends


def _written(command: Command) -> Iterator[str]:
    """The words of a command and the files that it is joined to; what stands in a comment is neither."""
    yield command.source
    yield from (redirect.target for redirect in command.redirects)


def _said(step: Step) -> Iterator[str]:
    """What a step is given, and its commands; its whole script where that cannot be read."""
    yield from (*step.inputs.values(), *step.env.values())
    script = step.script
    if script is not None and not script.error:
        for command in script.commands:
            yield from _written(command)
    elif step.run is not None:
        yield step.run.value


def _in_the_shell(
    workflow: Workflow,
    step: Step,
    script: Script,
    silent: list[tuple[Command, Check, tuple[Silencer, ...]]],
    types: bool,
    also: frozenset[str],
) -> Finding:
    run = step.run
    assert run is not None
    labels = _unique(found.label for _, found, _ in silent)
    command, _, silencers = silent[0]
    reasons = _unique(_reason(script, silencer) for _, _, found in silent for silencer in found)
    span = workflow.span_of(run, min(command.start, silencers[0].start), max(command.end, silencers[0].end))
    message = f"the failure of {listed(_quoted(labels))} cannot fail the step: {'; '.join(reasons)}"
    if not types and not also.issuperset(labels):
        return Finding(workflow.path, span, message, _unnamed(label for label in labels if label not in also))
    cure = Fix.of(
        f"let {listed(_quoted(labels))} fail the step",
        _unsilenced(workflow, step, script, [(command, found) for command, _, found in silent]),
        tier=Tier.REVIEW,  # the job may turn red, and what follows would not run
        effects=[f"{dotted(run.at)}: failure of {listed(labels)} now fails the step"],
    )
    return Finding(workflow.path, span, message, cure)


def _reason(script: Script, silencer: Silencer) -> str:
    match silencer.kind:
        case Silence.OR:
            cut = " ".join(script.text[silencer.start : silencer.end].replace("\\\n", " ").split())
            return f"`{cut}` follows"
        case Silence.PIPE:
            return "it is piped, and the shell has no pipefail"
        case Silence.AND:
            return "it stands left of `&&`, and the script goes on"
        case _:
            return "the shell goes on after a failure"


def _unsilenced(
    workflow: Workflow, step: Step, script: Script, silent: list[tuple[Command, tuple[Silencer, ...]]]
) -> Parts:
    run = step.run
    assert run is not None
    text = script.text
    going = [(each.start, each.end) for _, silencers in silent for each in silencers if each.kind == Silence.OR]
    for said in _ONLY_WARNS.finditer(text):
        if not any(start <= said.start() < end for start, end in going):
            return Blocked(
                f"the script says of itself `{said.group()}`, which would no longer be true",
                "change what it says, where that is over, then run fhfix again",
            )
    edits: set[tuple[int, int, ScriptText]] = set()
    pipefail: list[int] = []
    for command, silencers in silent:
        for silencer in silencers:
            start, end = command.statement
            if silencer.kind == Silence.PIPE:
                pipefail.append(silencer.start)
            elif command.guard and (command.last or silencer.kind != Silence.OR):
                return Blocked(
                    f"the step would also fail where `{command.guard}` does not hold",
                    f"write it as `if {command.guard}; then …; fi`, then run fhfix again",
                )
            elif silencer.kind == Silence.OR:
                edits.add((silencer.start, silencer.end, ScriptText.of("")))
            elif silencer.kind == Silence.AND and command.start == start:
                edits.add((silencer.start, silencer.end, ScriptText.blanks("\n" + _indent(text, start))))
            elif silencer.kind == Silence.AND:
                edits.add((end, end, ScriptText.of(" || exit 1")))
            else:
                edits.add((silencer.end, silencer.end, ScriptText.of(" || exit 1")))
    parts: list[Parts] = []
    if pipefail:
        container = step.job is not None and step.job.data.get("container")
        if script.shell.posix or (container and not step.shell):
            return Blocked("sh has no pipefail", "give the step `shell: bash` where its image has bash")
        if not step.shell and len(script.pipelines) == 1:
            parts.append(workflow.add_key(step.node, "shell", "bash", before="run"))
        else:
            start = min(pipefail)
            line = _indent(text, start)
            first = not text[:start].rpartition("\n")[2].strip()
            behind = ScriptText.blanks("\n" + line) if first else ScriptText.of("; ")
            edits.add((start, start, ScriptText.of("set -o pipefail") + behind))
    if edits:
        parts.append(workflow.splice_scalar(run, sorted(edits)))
    return joined(parts)


def _indent(text: str, at: int) -> str:
    line = text[:at].rpartition("\n")[2]
    return line[: len(line) - len(line.lstrip())]


# -- silenced by an option, or by the shell of Windows ------------------------------------------------------------


def _succeeding(workflow: Workflow, step: Step, command: Command, also: frozenset[str]) -> Iterator[Finding]:
    """A linter with an option that makes it succeed."""
    option_word, run = always_succeeds(command), step.run
    if option_word is None or run is None:
        return
    text = command.script.text
    start = option_word.start - len(text[: option_word.start]) + len(text[: option_word.start].rstrip(" "))
    yield Finding(
        workflow.path,
        workflow.span_of(run, command.start, command.end),
        f"`{command.name}` succeeds whatever it finds: `{option_word.text}` says so",
        _unnamed([command.name])
        if command.name not in also
        else Fix.of(
            f"let `{command.name}` fail the step",
            workflow.splice_scalar(run, [(start, option_word.end, "")]),
            tier=Tier.REVIEW,
            effects=[f"{dotted(run.at)}: failure of {command.name} now fails the step"],
        ),
    )


def _on_windows(workflow: Workflow, step: Step, script: WindowsScript, also: frozenset[str]) -> Iterator[Finding]:
    """Checks whose exit code is forgotten, and those of a step that may fail."""
    run = step.run
    assert run is not None
    checks = [(line, found) for line in script.lines if (found := check_of(line.command)) is not None]
    lost = [(line, found) for line, found in checks if script.forgotten(line) and found.types]
    if lost:
        labels = _unique(found.label for _, found in lost)
        yield Finding(
            workflow.path,
            workflow.span_of(run, lost[0][0].start, lost[0][0].end),
            f"the failure of {listed(_quoted(labels))} is forgotten: {script.shell} goes on after a failure, "
            "and what comes last decides how the step ends",
            _run_by_bash(workflow, step, script, labels),
        )
    if step.script is None:
        yield from _allowed_to_fail(workflow, step, [found for _, found in checks], also)


def _run_by_bash(workflow: Workflow, step: Step, script: WindowsScript, labels: list[str]) -> Fix | Blocked:
    if not script.is_bash_too or step.node.get("shell") is not None:
        return Blocked(f"the script is one for {script.shell}", "give each check a step of its own")
    run = step.run
    assert run is not None
    return Fix.of(
        f"let {listed(_quoted(labels))} fail the step",
        workflow.add_key(step.node, "shell", "bash", before="run"),
        tier=Tier.REVIEW,
        effects=[f"{dotted(run.at)}: bash runs it on every runner, and stops at the first failure"],
    )


# -- silenced by continue-on-error --------------------------------------------------------------------------------


def _allowed_to_fail(workflow: Workflow, step: Step, checks: list[Check], also: frozenset[str]) -> Iterator[Finding]:
    key = step.node.get("continue-on-error")
    if key is None or key.data is not True or not checks:
        return
    if step.id and any(_looks_at(read, step.id) for read in reads_below(workflow.plain())):
        return
    yield _allowed(workflow, step, "step", checks, also)


def _looks_at(read: Read, step_id: str) -> bool:
    """Whether something asks how a step ended."""
    return read.touches(f"steps.{step_id}.outcome") or read.touches(f"steps.{step_id}.conclusion")


def _job_allowed_to_fail(workflow: Workflow, job: Job, also: frozenset[str]) -> Iterator[Finding]:
    key = job.node.get("continue-on-error")
    if key is None or key.data is not True:
        return
    scripts = [script for step in job.steps if (script := step.script) is not None]
    checks = [found for script in scripts for command in script.commands if (found := check_of(command)) is not None]
    if any(found.types for found in checks):
        yield _allowed(workflow, job, "job", checks, also)


def _allowed(workflow: Workflow, place: Step | Job, what: str, checks: list[Check], also: frozenset[str]) -> Finding:
    key = place.node.get("continue-on-error")
    assert key is not None
    labels = _unique(found.label for found in checks)
    message = f"the failure of {listed(_quoted(labels))} cannot fail the job: the {what} has `continue-on-error: true`"
    others = _unique(found.label for found in checks if not found.types and found.label not in also)
    if others:
        return Finding(workflow.path, key.span, message, _unnamed(others))
    cure = Fix.of(
        f"let {listed(_quoted(labels))} fail the job",
        workflow.delete(place.node, "continue-on-error"),
        tier=Tier.REVIEW,  # the job may turn red, and what follows would not run
        effects=[f"{dotted(place.at)}: failure of {listed(labels)} now fails the job"],
    )
    return Finding(workflow.path, key.span, message, cure)


# -- words --------------------------------------------------------------------------------------------------------


def _unnamed(labels: Iterable[str]) -> Blocked:
    names = _unique(labels)
    checks, it = ("checks", "it if its") if len(names) == 1 else ("check", "them if their")
    return Blocked(
        f"{listed(_quoted(names))} {checks} no types and may be silent on purpose",
        f"name {it} failure should count",
        f"rules.silent-type-check.also = {toml_value(names)}",
    )


def _quoted(names: list[str]) -> list[str]:
    return [f"`{name}`" for name in names]


def _unique(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))


def _checks_types(workflow: Workflow, options: Options) -> bool:
    """Whether a step checks types, or runs what `also` names. A script that cannot be read may."""
    for step in workflow.steps:
        script = step.script
        if script is None or script.error:
            if step.run is not None and any(re.search(rf"\b{name}\b", step.run.value) for name in TYPES):
                return True
        elif any(
            found.types or found.label in options.also
            for command in script.commands
            if (found := check_of(command)) is not None
        ):
            return True
    return False


RULE = Rule(
    __name__,
    "A type check cannot fail the job",
    check,
    audit=("D-009.5",),
    criterion="A type check that fails, fails its job",
    hours=(0.5, 0.5),
    applies=_checks_types,
)
