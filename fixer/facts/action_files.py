"""Files outside of the workflows that decide how an action behaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from fixer.repository import Repository

LOCK = ".github/workflows/actions.lock"
_CONFIGURATION = (".github/labeler.yml", ".github/release-drafter.yml", ".golangci.yml", ".golangci.yaml")


@dataclass(frozen=True)
class ActionFiles:
    """`lock` is the text of actions.lock, `configuration` the texts of the files that some actions read, by path.

    `package_manager`: a package.json names its package manager, which setup-node acts on from v5 on.
    """

    lock: str
    configuration: Mapping[str, str]
    package_manager: bool

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Every repository has this fact; the texts are empty where there is no such file."""
        return cls(
            repository.text(LOCK),
            {path: repository.text(path) for path in _CONFIGURATION if repository.exists(path)},
            any(
                '"packageManager"' in repository.text(path)
                for path in repository.glob("package.json", "*/package.json")
            ),
        )
