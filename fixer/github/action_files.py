"""Files beside a workflow that decide how the actions in it behave, or what depends on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from fixer.github.action_ref import version_of
from fixer.github.timeline import NO_ACTIONS, LocalActions
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

LOCK = ".github/workflows/actions.lock"
_CONFIGURATION = (".github/labeler.yml", ".github/release-drafter.yml", ".golangci.yml", ".golangci.yaml")
# What reads artifacts of another run: by an action, by the command line, or with a token.
_READS_RUNS = re.compile(
    r"action-download-artifact@|gh run download|listWorkflowRunArtifacts|^\s*run-id:", re.MULTILINE
)
_GO_FILES = ("go.mod", "*/go.mod", "go.work", "*/go.work")
_GO = re.compile(r"^go\s+(\d+\.\d+(?:\.\d+)?)", re.MULTILINE)
_TOOLCHAIN = re.compile(r"^toolchain\s+go", re.MULTILINE)


@record
class ActionFiles:
    """`lock` is the text of actions.lock, `configuration` the texts of the files that some actions read, by path.

    `package_manager`: a package.json names its package manager, which setup-node acts on from v5 on.
    `go`: the version of Go that the go.mod at the top asks for, else the lowest of any other; empty where none does.
    `toolchain`: a go.mod or go.work has a toolchain line, which setup-go acts on from v6 on.
    `actions`: the repository's own composite actions.
    `artifact_readers`: the texts of workflows that read artifacts of other runs, by path.
    """

    lock: str
    configuration: Mapping[str, str]
    package_manager: bool
    artifact_readers: Mapping[str, str]
    go: str
    toolchain: bool
    actions: LocalActions

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Every repository has this fact; the texts are empty where there is no such file."""
        packages = repository.named("package.json")
        modules = ("go.mod",) if repository.exists("go.mod") else repository.named("go.mod")
        versions = [found[1] for path in modules if (found := _GO.search(repository.text(path)))]
        workflows = {path: repository.text(path) for path in repository.glob(".github/workflows/*.y*ml")}
        return cls(
            repository.text(LOCK),
            {path: repository.text(path) for path in _CONFIGURATION if repository.exists(path)},
            any('"packageManager"' in repository.text(path) for path in packages),
            {path: text for path, text in workflows.items() if _READS_RUNS.search(text)},
            min(versions, default="", key=lambda name: version_of(name) or ()),
            any(_TOOLCHAIN.search(repository.text(path)) for path in repository.glob(*_GO_FILES)),
            repository.fact(LocalActions) or NO_ACTIONS,
        )
