"""All workflows of the repository, and which of them is its continuous integration."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.languages import kind_of
from fixer.languages.shell import Command, Script, Structure
from fixer.languages.workflow import Step, Workflow

if TYPE_CHECKING:
    from fixer.repository import Repository

_WORKSPACE = re.compile(r"\$\{\{\s*github\.workspace\s*\}\}|\$\{?GITHUB_WORKSPACE\}?")


@dataclass(frozen=True, eq=False)
class Workflows:
    """The workflows that can be read; composite actions are not among them."""

    documents: tuple[Workflow, ...]
    has_dockerfile: bool = False

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where the repository has no workflow in its `.github/workflows`."""
        found = tuple(
            workflow
            for workflow in repository.documents(Workflow)
            if not workflow.composite and workflow.path.startswith(".github/workflows/") and workflow.jobs
        )
        return cls(found, any(kind_of(path) == "dockerfile.Dockerfile" for path in repository.files)) if found else None

    @cached_property
    def integration(self) -> Workflow | None:
        """The workflow that judges changes: run for pull requests or pushes, the one with most jobs that test."""
        ranked = [
            (_ci_rank(workflow), workflow)
            for workflow in self.documents
            if {"pull_request", "push"} & set(workflow.triggers)
        ]
        best = max(ranked, key=lambda pair: pair[0], default=None)
        return best[1] if best is not None and best[0] > (0, 0, 0, 0) else None

    def commands(self) -> Iterator[tuple[Step, Command]]:
        """Every shell command of every step, with the step."""
        for workflow in self.documents:
            for step in workflow.steps:
                for command in commands_of(step):
                    yield step, command


def commands_of(step: Step) -> tuple[Command, ...]:
    """The commands of a step's script; none where it has no script, or one that cannot be parsed."""
    script = Script.of(step)
    return script.commands if script is not None else ()


def folder_of(command: Command, step: Step) -> str | None:
    """The folder, from the top of the repository, in which a command runs; None where that cannot be told."""
    folder = _joined("", step.working_directory)
    for other in command.script.commands:
        if other.start >= command.start:
            break
        if other.name not in ("cd", "pushd") or (other.within(Structure.SUBSHELL) and other.block != command.block):
            continue
        if len(other.args) != 1:
            return None
        folder = _joined(folder, other.args[0].text) if folder is not None else None
    return folder


def _joined(folder: str, target: str) -> str | None:
    target = target.strip()
    if _WORKSPACE.match(target):
        folder, target = "", _WORKSPACE.sub("", target, count=1).lstrip("/")
    if "$" in target or target.startswith(("/", "~", "-")):
        return None
    path = posixpath.normpath(posixpath.join(folder, target))
    return None if path.startswith("..") else "" if path == "." else path


def _ci_rank(workflow: Workflow) -> tuple[int, int, int, int]:
    testing = sum(
        bool(re.search(r"\b(pytest|tox|manage\.py test|npm (run )?test|npm t|yarn test|pnpm test|jest|vitest)\b", text))
        for job in workflow.jobs.values()
        for text in (" ".join(str(step.data.get("run", "")) for step in job.steps),)
    )
    named = re.search(r"(^|/)(ci|test|tests|main|build|check|checks|continuous-integration)\.ya?ml$", workflow.path)
    pull_request = "pull_request" in workflow.triggers
    return (1 if testing else 0, pull_request, testing, 1 if named else 0)


def in_folder(folder: str, command: str, like: Step | None, start: str = "") -> dict[str, str]:
    """The keys of a step that runs a command in a folder, in the way in which another step does it.

    `start` is the folder in which steps run by default.
    """
    if folder == start:
        return {"run": command}
    relative = posixpath.relpath(folder or ".", start or ".") if start else folder
    if like is not None and like.node.get("working-directory") is None and not start:
        return {"run": f"cd {relative}\n{command.rstrip()}\n"}
    return {"working-directory": folder or ".", "run": command}
