"""All workflows of the repository, and which of them is its continuous integration."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.documents import DEVELOPMENT, kind_of
from fixer.github.expressions import Expression, places, replaced
from fixer.github.workflow import WORKFLOWS, Job, Step, Workflow
from fixer.languages.shell import Command, Script, Shell, Structure, path_word
from fixer.model import Blocked
from fixer.records import entity
from fixer.scripts import ScriptText

if TYPE_CHECKING:
    from fixer.repository import Repository

_TESTS = re.compile(
    r"\b(pytest|tox|nox|manage\.py test|(npm|yarn|pnpm|bun) (run )?t(est)?|jest|vitest|go test|cargo test|rspec)\b"
    r"|\b(make|just|task) [\w-]*test|docker[ -]compose\b.*\btests?\b|workflows/[\w-]*tests?\b"
)
_CI_NAME = re.compile(
    r"/(ci|tests?|main|build|checks?|quality|continuous-integration)([_-][\w-]+)?\.ya?ml$|[_-](ci|tests?)\.ya?ml$"
)
_PUBLISHES = re.compile(r"/[^/]*(release|publish|deploy|docs)[^/]*$")
_WORKSPACE = re.compile(r"\$\{?GITHUB_WORKSPACE\}?")


@entity
class Workflows:
    """The workflows that can be read; composite actions are not among them.

    `has_dockerfile`: the repository makes an image, and not only for development or tests. `paths`: every file beside
    them, also those that cannot be read.
    """

    documents: tuple[Workflow, ...]
    has_dockerfile: bool = False
    paths: tuple[str, ...] = ()

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where the repository has no workflow in its `.github/workflows`."""
        found = tuple(
            workflow
            for workflow in repository.documents(Workflow, lambda source: source.path.startswith(WORKFLOWS))
            if workflow.jobs
        )
        if not found:
            return None
        named_so = (*repository.holding("dockerfile"), *repository.holding("containerfile"))
        images = (path for path in named_so if kind_of(path) == "languages.dockerfile.Dockerfile")
        own = any(not DEVELOPMENT.search(path) for path in images)
        return cls(found, own, repository.below(WORKFLOWS.rstrip("/")))

    def free_path(self, *names: str) -> str | Blocked:
        """Where a new workflow goes: the first of these names that no file has."""
        path = next((path for name in names if (path := f"{WORKFLOWS}{name}.yml") not in self.paths), None)
        return path or Blocked(f"{names[-1]}.yml is there already", "rename it")

    @cached_property
    def integration(self) -> Workflow | None:
        """The workflow that judges changes: run for pull requests or pushes, the one with most jobs that test.

        None where no such workflow tests, or is named as if it did.
        """
        return next(iter(self.integrations), None)

    @cached_property
    def integrations(self) -> tuple[Workflow, ...]:
        """All that judge changes, the one that does most first."""
        ranks = {each: _ci_rank(each) for each in self.documents if {"pull_request", "push"} & set(each.triggers)}
        return tuple(sorted((each for each in ranks if any(ranks[each])), key=ranks.__getitem__, reverse=True))

    def callers(self, workflow: Workflow) -> Iterator[Job]:
        """The jobs that call this reusable workflow of the repository."""
        yield from self._callers.get(f"./{workflow.path}", ())

    @cached_property
    def _callers(self) -> dict[str, list[Job]]:
        """The jobs that call a reusable workflow, by how they name it."""
        found: dict[str, list[Job]] = {}
        for workflow in self.documents:
            for job in workflow.jobs.values():
                if job.uses is not None:
                    found.setdefault(job.uses.value, []).append(job)
        return found

    def in_one_run(self, workflow: Workflow) -> tuple[Workflow, ...]:
        """The workflow, and all that may run together with it: what it calls, what calls it, and so on."""
        found: list[Workflow] = []
        todo = [workflow]
        while todo:
            at = todo.pop(0)
            if at in found:
                continue
            found.append(at)
            todo += [caller.workflow for caller in self.callers(at)]
            called = {job.uses.value for job in at.jobs.values() if job.uses is not None}
            todo += [other for other in self.documents if called and f"./{other.path}" in called]
        return tuple(found)

    def is_called_repeatedly(self, workflow: Workflow, _seen: frozenset[str] = frozenset()) -> bool:
        """Whether one run may call a workflow more than once: by several jobs, by a matrix, or by way of a caller."""
        if workflow.path in _seen:
            return False
        callers = list(self.callers(workflow))
        by_file = [job.workflow.path for job in callers]
        if len(set(by_file)) < len(by_file):
            return True
        for job in callers:
            combinations = job.matrix.combinations if job.matrix is not None else [{}]
            if combinations is None or len(combinations) > 1:
                return True
            if self.is_called_repeatedly(job.workflow, _seen | {workflow.path}):
                return True
        return False

    def commands(self) -> Iterator[tuple[Step, Command]]:
        """Every shell command of every step, with the step."""
        for workflow in self.documents:
            for step in workflow.steps:
                for command in commands_of(step):
                    yield step, command


def commands_of(step: Step) -> tuple[Command, ...]:
    """The commands of a step's script; none where it has no script, or one that cannot be parsed."""
    script = step.script
    return script.commands if script is not None else ()


def script_of(text: str, shell: Shell = Shell()) -> Script:  # noqa: B008 (a tuple)
    """A text for `run:`, in which expressions of GitHub may stand."""
    return Script.parse(text, shell, places(text))


def folder_of(command: Command, step: Step) -> str | None:
    """The folder, from the top of the repository, in which a command runs; None where that cannot be told."""
    folder = path_within("", step.working_directory)
    for other in command.script.commands:
        if other.start >= command.start:
            break
        if other.name not in ("cd", "pushd") or (other.within(Structure.SUBSHELL) and other.block != command.block):
            continue
        if len(other.args) != 1:
            return None
        folder = path_within(folder, other.args[0].text) if folder is not None else None
    return folder


def path_within(folder: str, target: str) -> str | None:
    """A path that is named in a folder, from the top of the workspace; None where it is not known, or leads out."""
    target = replaced(target.strip(), _workspace)
    if _WORKSPACE.match(target):
        folder, target = "", _WORKSPACE.sub("", target, count=1).lstrip("/")
    if "$" in target or target.startswith(("/", "~", "-")):
        return None
    path = posixpath.normpath(posixpath.join(folder, target))
    return None if path.startswith("..") else "" if path == "." else path


def _workspace(expression: Expression) -> str:
    """The shell's name for the folder of the checkout, for an expression that is it."""
    read = expression.read
    return "$GITHUB_WORKSPACE" if read is not None and read.is_("github.workspace") else expression.text


def _ci_rank(workflow: Workflow) -> tuple[bool, bool, bool, int]:
    """How much a workflow looks like the one that judges every change; all false for one that does not."""
    testing = sum(
        _TESTS.search(" ".join([*(str(step.data.get("run", "")) for step in job.own_steps), _called(job)])) is not None
        for job in workflow.jobs.values()
    )
    named = _CI_NAME.search(workflow.path) is not None
    judges = _sees_every_pull_request(workflow)
    if _PUBLISHES.search(workflow.path) or not (testing or (named and judges)):
        return (False, False, False, 0)
    return (testing > 0, judges, named, testing)


def _called(job: Job) -> str:
    """The reusable workflow that a job calls."""
    return job.uses.value if job.uses is not None else ""


def _sees_every_pull_request(workflow: Workflow) -> bool:
    if "pull_request" not in workflow.triggers:
        return False
    event = workflow.root.mapping("on").get("pull_request")
    narrowed = event.data if event is not None and event.is_mapping else {}
    types = narrowed.get("types", ["opened"])
    return "paths" not in narrowed and any(kind in types for kind in ("opened", "synchronize"))


def in_folder(folder: str, command: ScriptText, like: Step) -> dict[str, str] | Blocked:
    """The keys of a step that runs a command in a folder, in the way in which another step of its job does it."""
    start = path_within("", like.job.default("working-directory")) if like.job is not None else ""
    if folder == start:
        return {"run": command}
    name = path_word(folder or ".")
    if isinstance(name, Blocked):
        return name
    if like.node.get("working-directory") is None and start == "":
        return {"run": ScriptText.of("cd @folder@\n@command@\n", folder=name, command=command.rstrip())}
    return {"working-directory": folder or ".", "run": command}
