"""A type check whose failure cannot fail the job.

## Why
`mypy . || true` looks like a check and is none: the step is green whatever the types say, errors pile up, and the day
somebody looks there are hundreds. The same holds for `|| echo …`, a pipe into `tee` under GitHub's default shell
(which has no pipefail), a checker left of `&&` with more commands below, `set +e`, and `continue-on-error: true`.

The shell is parsed, so what is found is what the shell would do: `mypy . ; true` is no finding in a shell that stops
at the first failure, and `|| true` in a comment or after another command is none either.

## When it is left alone
* The script looks at the failure itself: `if ! mypy …`, `mypy … || FAILED=1`, `$?`, `$(mypy …)`, a pipe into `grep`.
* The checker writes its output to a file that something later reads or uploads (a `tee` that lost the status does not
  count, unless the same script reads the file).
* `continue-on-error` with an expression, and steps whose `outcome` is asked for elsewhere.
* Reported, not fixed: `[ -f mypy.ini ] && mypy || true` as the last statement, which without `|| true` would also fail
  where the file is missing.
* Test runners and linters that are silenced are reported, and fixed only when `also` names them: a linter may be
  silent on purpose while a project cleans up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fixer.github.workflow import Job, Step, Workflow
from fixer.languages.shell import Command, Script, Silence, Silencer
from fixer.languages.yaml import dotted
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Tier, listed, option

TYPES = {
    *("mypy", "dmypy", "pyright", "basedpyright", "pyre", "pyrefly", "pytype", "ty", "zuban"),
    *("tsc", "vue-tsc", "svelte-check", "flow"),
}
TESTS = {"pytest", "py.test", "unittest", "jest", "vitest", "mocha", "ava", "phpunit", "rspec"}
LINTERS = {
    *("flake8", "pylint", "ruff", "black", "isort", "bandit", "codespell", "pydocstyle", "djlint", "yamllint"),
    *("eslint", "stylelint", "prettier", "biome", "oxlint", "hadolint", "shellcheck", "actionlint", "golangci-lint"),
}
RUNNERS = {"npm", "yarn", "pnpm", "bun", "make", "just", "task", "poe", "hatch", "tox", "nox", "pre-commit", "composer"}
TYPES_TARGET = re.compile(
    r"(.*[:/_-])?(type-?check(s|ing|er)?|check-?types?|types|typing|tsc|mypy|pyright|basedpyright)([:/_-].*)?"
)
TESTS_TARGET = re.compile(r"(unit-?)?tests?([:/_-].*)?")
LINTERS_TARGET = re.compile(r"lint(ing)?([:/_-].*)?")

# A formatter or fixer that writes is no check; these words make it one, or make it none.
CHECKS_ONLY_WITH = {
    "black": ("--check", "--diff"),
    "isort": ("--check", "--check-only", "-c"),
    "prettier": ("--check", "-c"),
}
SUBCOMMANDS = {"ty": ("check",), "ruff": ("check",), "biome": ("check", "lint", "ci"), "pyrefly": ("check",)}
NO_CHECK = ("--version", "--help", "--install-types", "--init", "--fix", "--write", "--showConfig", "--exit-zero")

NO_EMIT = ("--noemit", "-noemit")

MENTION = re.compile(
    "|".join(sorted(map(re.escape, TYPES | TESTS | LINTERS), key=len, reverse=True)) + "|type|lint|test"
)
SILENCED = re.compile(r"\|\||\||&&|set \+|continue-on-error|shell:")


class Check(NamedTuple):
    """A command that checks something: how people call it, whether it checks types, and whether it also builds."""

    label: str
    types: bool
    builds: bool = False


class Options(RuleOptions):
    also: Sequence[str] = option((), "test runners and linters to treat alike, by the name that the finding gives")


def check(workflow: Workflow, options: Options) -> Iterator[Finding]:
    if not SILENCED.search(workflow.source.text) or not MENTION.search(workflow.source.text):
        return
    also = frozenset(options.also)
    for step in workflow.steps:
        run = step.run
        if run is None or not MENTION.search(run.value):
            continue
        script = step.script
        if script is None:
            continue
        checks = [(command, found) for command in script.commands if (found := _checks(command)) is not None]
        silent = [(command, found, _silencers(script, command, step)) for command, found in checks]
        for types in (True, False):
            wanted = [(c, found, s) for c, found, s in silent if s and found.types == types]
            if wanted:
                yield _in_the_shell(workflow, step, script, wanted, types, also)
        if not any(_output_is_read(script, command, step) for command, _ in checks):
            yield from _allowed_to_fail(workflow, step, [found for _, found in checks], also)
    for job in workflow.jobs.values():
        yield from _job_allowed_to_fail(workflow, job, also)


# -- which commands check -----------------------------------------------------------------------------------------


def _checks(command: Command) -> Check | None:
    name, words = command.name, [word.text for word in command.args]
    if any(word.split("=")[0] in NO_CHECK for word in words):
        return None
    if name in RUNNERS:
        return _target(name, words)
    if name in CHECKS_ONLY_WITH and not command.has(*CHECKS_ONLY_WITH[name]):
        return None
    if name in SUBCOMMANDS and words[:1] and words[0] not in SUBCOMMANDS[name]:
        return None
    if name in TYPES:
        return Check(name, True, name == "tsc" and not any(word.lower() in NO_EMIT for word in words))
    return Check(name, False) if name in TESTS | LINTERS else None


def _target(runner: str, words: list[str]) -> Check | None:
    """What `npm run typecheck`, `make mypy`, `tox -e types` check, by the name of the target."""
    selected = [word for word in words if not word.startswith("-") and word not in ("run", "exec", "run-script")]
    if runner in ("tox", "nox"):
        selected = [part for word in selected for part in word.split(",")]
    for target in selected[:3] if runner in ("tox", "nox", "make") else selected[:1]:
        label = " ".join([runner, *(["run"] if words[:1] == ["run"] else []), target])
        if TYPES_TARGET.fullmatch(target):
            return Check(label, True)
        if TESTS_TARGET.fullmatch(target) or LINTERS_TARGET.fullmatch(target):
            return Check(label, False)
    return Check(runner, False) if runner in ("tox", "nox") and not selected else None


# -- silenced in the shell ----------------------------------------------------------------------------------------


def _silencers(script: Script, command: Command, step: Step) -> tuple[Silencer, ...]:
    found = script.silencers(command)
    if any(silencer.kind in (Silence.HANDLED, Silence.BACKGROUND) for silencer in found):
        return ()
    # `| tee file` keeps a copy, and nobody means it to hide a failure: only a later judge of the file counts.
    piped = all(silencer.kind == Silence.PIPE for silencer in found)
    return () if found and _output_is_read(script, command, None if piped else step) else found


def _output_is_read(script: Script, command: Command, step: Step | None) -> bool:
    """Whether a file that the command writes is named again, later in the script or in a later step."""
    start, end = command.statement
    names = [redirect.target for redirect in command.redirects if ">" in redirect.operator]
    names += [word.text for option in ("-o", "--output", "--output-file", "--junitxml", "--junit-xml")
              if (word := command.value(option)) is not None]  # fmt: skip
    for other in script.commands:
        if other.name == "tee" and start <= other.start < end:
            names += [word.text for word in other.args if not word.text.startswith("-")]
    later = [script.text[end:]]
    if step is not None and step.job is not None:
        later += [str(other.data) for other in step.job.steps if other.node.start > step.node.start]
    files = {name.rpartition("/")[2] for name in names} - {"", "1", "2", "null", "stderr", "stdout"}
    return any(name in text for name in files for text in later)


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
    # A build that emits in spite of wrong types may be wanted by what comes after it.
    builds = any(found.builds for _, found, _ in silent)
    cure = Fix.of(
        f"let {listed(_quoted(labels))} fail the step",
        _unsilenced(workflow, step, script, [(command, found) for command, _, found in silent]),
        tier=Tier.SAFE if types and not builds and not _other_pipes(script, silent) else Tier.REVIEW,
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
    edits: set[tuple[int, int, str]] = set()
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
                edits.add((silencer.start, silencer.end, ""))
            elif silencer.kind == Silence.AND and command.start == start:
                edits.add((silencer.start, silencer.end, "\n" + _indent(text, start)))
            elif silencer.kind == Silence.AND:
                edits.add((end, end, " || exit 1"))
            else:
                edits.add((silencer.end, silencer.end, " || exit 1"))
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
            separator = "\n" + line if not text[:start].rpartition("\n")[2].strip() else "; "
            edits.add((start, start, f"set -o pipefail{separator}"))
    if edits:
        parts.append(workflow.splice_scalar(run, sorted(edits)))
    return next((part for part in parts if isinstance(part, Blocked)), tuple(e for p in parts for e in p))  # type: ignore[union-attr]


def _indent(text: str, at: int) -> str:
    line = text[:at].rpartition("\n")[2]
    return line[: len(line) - len(line.lstrip())]


def _other_pipes(script: Script, silent: Iterable[tuple[Command, Check, tuple[Silencer, ...]]]) -> bool:
    """Whether pipefail, if it is needed, would reach more than the statements that need it."""
    needing = {(s.start, s.end) for _, _, found in silent for s in found if s.kind == Silence.PIPE}
    return bool(needing) and bool(script.pipelines - needing)


# -- silenced by continue-on-error --------------------------------------------------------------------------------


def _allowed_to_fail(workflow: Workflow, step: Step, checks: list[Check], also: frozenset[str]) -> Iterator[Finding]:
    key = step.node.get("continue-on-error")
    if key is None or key.data is not True or not checks:
        return
    if step.id and re.search(rf"steps\.{re.escape(step.id)}\.(outcome|conclusion)", workflow.source.text):
        return
    yield _allowed(workflow, step, "step", checks, also)


def _job_allowed_to_fail(workflow: Workflow, job: Job, also: frozenset[str]) -> Iterator[Finding]:
    key = job.node.get("continue-on-error")
    if key is None or key.data is not True:
        return
    scripts = [script for step in job.steps if (script := step.script) is not None]
    checks = [found for script in scripts for command in script.commands if (found := _checks(command)) is not None]
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
        tier=Tier.SAFE if all(found.types for found in checks) else Tier.REVIEW,
        effects=[f"{dotted(place.at)}: failure of {listed(labels)} now fails the job"],
    )
    return Finding(workflow.path, key.span, message, cure)


# -- words --------------------------------------------------------------------------------------------------------


def _unnamed(labels: Iterable[str]) -> Blocked:
    names = _unique(labels)
    quoted = ", ".join(f'"{name}"' for name in names)
    return Blocked(
        f"{listed(_quoted(names))} checks no types and may be silent on purpose",
        "name it if its failure should count",
        f"rules.silent-type-check.also = [{quoted}]",
    )


def _quoted(names: list[str]) -> list[str]:
    return [f"`{name}`" for name in names]


def _unique(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))


RULE = Rule(
    __name__,
    "A type check cannot fail the job",
    check,
    audit=("D-009.5",),
    criterion="A type check that fails, fails its job",
    hours=(0.5, 0.5),
)
