"""Whose repository this is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

# `https://host/owner/name.git`, `git@host:owner/name`.
_OWNER = re.compile(r"[/:]([^/:@]+)/[^/:]+?/?$")


@record
class DefaultBranch:
    """`name`: the branch that GitHub shows first, whose alerts the Security tab shows."""

    name: str

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where no clone has written it down, as on a runner."""
        return cls(repository.default_branch) if repository.default_branch else None


@record
class Origin:
    """`owner`: the user or organisation that git's remote `origin` belongs to, in lower case."""

    owner: str

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None without git, or without such a remote."""
        found = _OWNER.search(repository.origin)
        return cls(found[1].lower()) if found is not None else None
