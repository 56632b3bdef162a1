"""What holds at a step: what the steps before it, on the same machine, checked out, set up, wrote and exported.

A job is a sequence. `Moment.before(step)` is the machine at the point where a step starts; rules ask it and not the
text of the file. `certain` means: it happened whenever the step runs (an earlier failure ends the job first). What
cannot be told, such as an action of the repository that cannot be read, is named in `Moment.unknown`.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from fixer.github.action_ref import ActionRef, RefKind
from fixer.github.expressions import only_read
from fixer.github.workflow import Step, Workflow
from fixer.github.workflows import commands_of, folder_of, path_within
from fixer.languages.shell import Command, Structure
from fixer.languages.yaml import Node
from fixer.records import entity, record

if TYPE_CHECKING:
    from fixer.repository import Repository

CHECKOUT = "actions/checkout"
_ALWAYS = frozenset(("always()", "success()", "!cancelled()", "!failure()", "true"))
_ENVIRONMENT_FILE = re.compile(r"\$\{?GITHUB_ENV\}?")
_RUNNERS_FILES = re.compile(r"\$\{?GITHUB_(ENV|OUTPUT|PATH|STATE|STEP_SUMMARY)\}?|/dev/")
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)(?P<sign>=|<<)(?P<value>.*)", re.DOTALL)
_PERHAPS = (
    Structure.CONDITION,
    Structure.BRANCH,
    Structure.LOOP,
    Structure.FUNCTION,
    Structure.BACKGROUND,
)


class Scope(StrEnum):
    """Where a variable is said; of two, the one that stands first here wins."""

    STEP = "step"
    EXPORTED = "GITHUB_ENV"
    JOB = "job"
    WORKFLOW = "workflow"
    CONTAINER = "container"


@record
class Variable:
    """One value that a variable may have. `value` is as it is written; None where a script makes it.

    `node` is the value in the file, or the script that exports it.
    """

    name: str
    value: str | None
    scope: Scope
    node: Node
    certain: bool = True


@record
class Checkout:
    """One checkout. `folder` is where it lands, from the top of the workspace (empty: there); None where an expression
    says it. `repository` and `ref` are empty for the repository and commit of the run; `sparse` are the patterns of a
    sparse checkout, empty for a whole one."""

    step: Step
    folder: str | None
    repository: str
    ref: str
    sparse: tuple[str, ...]
    certain: bool

    @property
    def is_own(self) -> bool:
        """Whether it brings the repository that the workflow belongs to."""
        return not self.repository


@record
class Tool:
    """A program that an action set up. `version` is as it is given, `version_file` names the file that says it."""

    name: str
    version: str
    version_file: str
    step: Step
    certain: bool


@record
class Written:
    """A file that a script or an action wrote; `path` is from the top of the workspace."""

    path: str
    step: Step
    certain: bool


@record
class Happened:
    """A step that ran before; `via` is the step of the job that called the repository's own action it stands in."""

    step: Step
    certain: bool
    via: Step | None = None


@record
class LocalActions:
    """The composite actions of the repository, by the path of their folder."""

    by_folder: Mapping[str, Workflow]

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Every repository has this fact; it may be empty."""
        found = {
            posixpath.dirname(action.path): action
            for action in repository.documents(Workflow, lambda source: "runs" in source.text)
            if action.composite
        }
        return cls(found)

    def of(self, step: Step) -> Workflow | None:
        """The composite action that a step calls by its folder; None for any other step."""
        if not step.action.startswith("./"):
            return None
        assert step.uses is not None
        return self.by_folder.get(posixpath.normpath(step.uses.value).rstrip("/"))


NO_ACTIONS = LocalActions(MappingProxyType({}))


@entity
class Moment:
    """The machine of a job when `step` starts. Of a composite action only its own steps are known."""

    step: Step
    actions: LocalActions = NO_ACTIONS

    @classmethod
    def before(cls, step: Step, actions: LocalActions = NO_ACTIONS) -> Self:
        return cls(step, actions)

    @cached_property
    def earlier(self) -> tuple[Happened, ...]:
        """Every step before, in order; the steps of the repository's own actions stand in the place of their call."""
        steps = self.step.job.steps if self.step.job is not None else self.step.workflow.steps
        shared = self.step.conditions | _ALWAYS
        found: list[Happened] = []
        for step in steps:
            if step.index >= self.step.index:
                break
            # It ran, if the step of this moment runs: without a condition, or under one that both have.
            certain = not step.may_fail and step.conditions <= shared
            found.extend(self._of(step, certain, None, 0))
        return tuple(found)

    def _of(self, step: Step, certain: bool, via: Step | None, depth: int) -> list[Happened]:
        action = self.actions.of(step)
        if action is None or depth > 8:
            return [Happened(step, certain, via)]
        found: list[Happened] = []
        for inner in action.steps:
            always = certain and not inner.may_fail and inner.conditions <= _ALWAYS
            found += self._of(inner, always, via or step, depth + 1)
        return found

    @property
    def unknown(self) -> tuple[Step, ...]:
        """Steps before, of which it is not known what they do: actions below the folder, and scripts, that cannot be
        read."""
        return tuple(happened.step for happened in self.earlier if _is_opaque(happened.step))

    # -- files --------------------------------------------------------------------------------------------------

    @cached_property
    def checkouts(self) -> tuple[Checkout, ...]:
        """What is checked out, in order. A checkout takes away what lay in its folder; one that may not have run
        leaves it in doubt."""
        found: list[Checkout] = []
        for happened in self.earlier:
            made = _checkout(happened)
            if made is None:
                continue
            kept = []
            for other in found:
                covered = made.folder is not None and other.folder is not None and is_in(other.folder, made.folder)
                if not covered:
                    kept.append(other)
                elif not made.certain:
                    kept.append(replace(other, certain=False) if not _is_same(made, other) else other)
            found = [*kept, made]
        return tuple(found)

    @property
    def checkout(self) -> Checkout | None:
        """The checkout of the repository itself that is certain; the one at the top where there are several."""
        own = [each for each in self.checkouts if each.is_own and each.certain and each.folder is not None]
        return min(own, key=lambda each: len(each.folder or ""), default=None)

    def place_of(self, path: str) -> str | None:
        """Where a file of the repository lies in the workspace; None where it is not certain to be there."""
        for checkout in self.checkouts:
            if checkout.is_own and checkout.certain and checkout.folder is not None and _brings(checkout, path):
                return posixpath.join(checkout.folder, path)
        return None

    def file_at(self, path: str) -> str | None:
        """The file of the repository that lies at a path of the workspace; None where none is certain to lie there."""
        for checkout in reversed(self.checkouts):
            if checkout.folder is not None and is_in(path, checkout.folder):
                if not (checkout.is_own and checkout.certain):
                    return None
                file = path[len(checkout.folder) :].lstrip("/")
                return file if _brings(checkout, file) else None
        return None

    @cached_property
    def written(self) -> tuple[Written, ...]:
        """Files that steps before wrote and that still lie there: a checkout cleans its folder, unless told not to."""
        found: list[Written] = []
        for happened in self.earlier:
            made = _checkout(happened)
            if made is not None and made.certain and made.step.inputs.get("clean", "true").lower() != "false":
                found = [each for each in found if made.folder is None or not is_in(each.path, made.folder)]
            found += _writes(happened)
        return tuple(found)

    # -- tools --------------------------------------------------------------------------------------------------

    @cached_property
    def tools(self) -> tuple[Tool, ...]:
        """What actions set up, in order."""
        return tuple(tool for happened in self.earlier for tool in _tools(happened))

    def tool(self, name: str) -> Tool | None:
        """The last action that set a program up: `python`, `node`, `uv` …; it may not be certain."""
        return next((tool for tool in reversed(self.tools) if tool.name == name), None)

    # -- variables ----------------------------------------------------------------------------------------------

    def values(self, name: str) -> tuple[Variable, ...]:
        """Every value that a variable may have at this step, the one that wins first; none where nobody sets it.

        What the runner, an image or an action sets is not among them; see `opens_environment`.
        """
        found: list[Variable] = []
        for variable in self._variables:
            if variable.name == name:
                found.append(variable)
                if variable.certain:
                    break
        return tuple(found)

    def variable(self, name: str) -> Variable | None:
        """The value that a variable has, or the first of those that it may have."""
        return next(iter(self.values(name)), None)

    @cached_property
    def environment(self) -> Mapping[str, Variable]:
        """Every variable that is set, with the value that wins."""
        found: dict[str, Variable] = {}
        for variable in self._variables:
            found.setdefault(variable.name, variable)
        return found

    @cached_property
    def _variables(self) -> tuple[Variable, ...]:
        job = self.step.job
        found = list(_given(self.step.node, Scope.STEP))
        earlier = self.earlier if job is None or job.may_export else ()
        said = [happened for happened in earlier if happened.step.mentions_environment_file]
        exported = [variable for happened in said for variable in exports(happened.step, happened.certain)]
        found += [variable for variable in reversed(exported) if variable.name]
        if job is not None:
            found += _given(job.node, Scope.JOB)
            found += _given(job.workflow.root, Scope.WORKFLOW)
            container = job.container
            found += _given(container.node, Scope.CONTAINER) if container is not None else ()
        return tuple(found)

    @property
    def opens_environment(self) -> tuple[Step, ...]:
        """Steps before that export variables whose names cannot be read: `cat .env >> $GITHUB_ENV`."""
        return tuple(
            happened.step
            for happened in self.earlier
            if any(not variable.name for variable in exports(happened.step, happened.certain))
        )


def exports(step: Step, certain: bool = True) -> Iterator[Variable]:
    """The variables that a step's script writes to `$GITHUB_ENV`; one without a name stands for unknown ones.

    https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#setting-an-environment-variable
    """
    if step.run is None or not step.mentions_environment_file:
        return
    seen = False
    for command in commands_of(step):
        if not _is_exporting(command):
            continue
        seen = True
        sure = certain and _surely_runs(command)
        for name, value in _assigned(command):
            yield Variable(name, value, Scope.EXPORTED, step.run, sure)
    if not seen:
        yield Variable("", None, Scope.EXPORTED, step.run, False)


def _given(node: Node, scope: Scope) -> Iterator[Variable]:
    for name, value in node.mapping("env").items():
        if value.is_scalar:
            yield Variable(name, value.value, scope, value)


def _is_opaque(step: Step) -> bool:
    if step.uses is not None:
        return ActionRef.parse(step.uses.value).kind in (RefKind.LOCAL, RefKind.EXPRESSION)
    script = step.script
    return script is None or bool(script.error)


# -- checkouts ----------------------------------------------------------------------------------------------------


def _checkout(happened: Happened) -> Checkout | None:
    step = happened.step
    if step.action.lower() != CHECKOUT:
        return None
    given = step.inputs
    repository = given.get("repository", "").strip()
    read = only_read(repository)
    own = not repository or (read is not None and read.is_("github.repository"))
    patterns = tuple(line.strip() for line in given.get("sparse-checkout", "").splitlines() if line.strip())
    return Checkout(
        step,
        path_within("", given.get("path", "") or "."),
        "" if own else repository,
        given.get("ref", "").strip(),
        patterns,
        happened.certain,
    )


def is_in(path: str, folder: str) -> bool:
    """Whether a path is a folder, or below it; an empty folder is the top."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def _is_same(one: Checkout, other: Checkout) -> bool:
    return (one.folder, one.repository, one.sparse) == (other.folder, other.repository, other.sparse)


def _brings(checkout: Checkout, path: str) -> bool:
    """Whether a checkout brings this file. In cone mode the patterns are folders, and files beside and above them come
    along. https://git-scm.com/docs/git-sparse-checkout#_internalscone_mode_handling"""
    if not checkout.sparse:
        return True
    folder = posixpath.dirname(path)
    if checkout.step.inputs.get("sparse-checkout-cone-mode", "true").lower() == "false":
        wanted = {pattern.strip("/") for pattern in checkout.sparse}
        return path in wanted or any(is_in(path, pattern) for pattern in wanted)
    cones = [posixpath.normpath(pattern.strip("/")) for pattern in checkout.sparse]
    return not folder or any(is_in(path, cone) or is_in(cone, folder) for cone in cones)


# -- tools and files ----------------------------------------------------------------------------------------------


@record
class _Known:
    """What is known of actions that set programs up or write files; `setups.json` says where from."""

    tools: Mapping[str, Mapping[str, Mapping[str, str]]]
    files: Mapping[str, Mapping[str, str]]


@cache
def _known() -> _Known:
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "setups.json"), encoding="utf-8") as file:
        data = json.load(file)
    return _Known(data["tools"], data["files"])


def _tools(happened: Happened) -> Iterator[Tool]:
    step = happened.step
    known = _known().tools.get(step.action.lower()) if step.uses is not None else None
    if known is None:
        return
    given = step.inputs
    for name, inputs in known.items():
        wanted = inputs.get("only_with", "")
        if not wanted or wanted in given:
            version, file = inputs.get("version", ""), inputs.get("version_file", "")
            yield Tool(name, given.get(version, ""), given.get(file, ""), step, happened.certain)


def _surely_runs(command: Command) -> bool:
    """Whether a command runs whenever its script comes to its end; what stands behind `&&` does."""
    before = command.script.text[command.statement[0] : command.start]
    return not command.within(*_PERHAPS) and not command.guard and "||" not in before


def _writes(happened: Happened) -> Iterator[Written]:
    step = happened.step
    known = _known().files.get(step.action.lower()) if step.uses is not None else None
    if known is not None:
        name = step.inputs.get(known["name"], known.get("default", ""))
        path = path_within("", posixpath.join(step.inputs.get(known.get("folder", ""), ""), name)) if name else None
        if path is not None:
            yield Written(path, step, happened.certain)
    for command in commands_of(step):
        folder = folder_of(command, step)
        certain = happened.certain and _surely_runs(command)
        for target in _targets(command):
            path = path_within(folder, target) if folder is not None else None
            if path is not None:
                yield Written(path, step, certain)


def _targets(command: Command) -> Iterator[str]:
    """The names of the files that a command writes."""
    for redirect in command.outputs:
        if redirect.operator in (">", ">>", ">|", "&>", "&>>") and not _RUNNERS_FILES.match(redirect.target):
            yield redirect.target
    words = [word.text for word in command.args if not word.text.startswith("-")]
    match command.name:
        case "tee" | "touch":
            yield from (word for word in words if not _RUNNERS_FILES.match(word))
        case "cp" | "mv" | "install" if len(words) == 2:
            source, target = words
            yield posixpath.join(target, posixpath.basename(source)) if target.endswith(("/", ".")) else target
        case "curl" | "wget":
            option = ("-o", "--output") if command.name == "curl" else ("-O", "--output-document")
            named = command.value(*option)
            if named is not None:
                yield named.text


# -- $GITHUB_ENV --------------------------------------------------------------------------------------------------


def _is_exporting(command: Command) -> bool:
    if any(_is_environment_file(redirect.target) for redirect in command.outputs):
        return True
    tees = (each for each in command.receivers if each.name == "tee")
    return any(_is_environment_file(word.text) for each in tees for word in each.args)


def _is_environment_file(target: str) -> bool:
    read = only_read(target)
    if read is not None:
        return read.is_("github.env", "env.GITHUB_ENV")
    return _ENVIRONMENT_FILE.fullmatch(target) is not None


def _assigned(command: Command) -> Iterator[tuple[str, str | None]]:
    """Names and values that a command prints for `$GITHUB_ENV`; an empty name where they cannot be read."""
    words = [word for word in command.args if not re.fullmatch(r"-[neE]+", word.text)]
    if command.name == "echo":
        text = " ".join(word.text for word in words)
        yield from _lines(text.replace("\\n", "\n"), all(word.literal for word in words))
    elif command.name == "printf" and words:
        yield from _lines(words[0].text.replace("\\n", "\n"), words[0].literal and "%" not in words[0].text)
    elif command.name == "cat" and command.here_document:
        yield from _lines(command.here_document, "$" not in command.here_document)
    elif command.name != "tee":
        yield "", None


def _lines(text: str, literal: bool) -> Iterator[tuple[str, str | None]]:
    end = ""
    for line in text.split("\n"):
        if end:
            end = "" if line.strip() == end else end
            continue
        found = _ASSIGNMENT.fullmatch(line)
        if found is None:
            if line.strip():
                yield "", None
            continue
        end = found["value"].strip() if found["sign"] == "<<" else ""
        plain = found["sign"] == "=" and (literal or not re.search(r"[$`%]", found["value"]))
        yield found["name"], found["value"] if plain else None
