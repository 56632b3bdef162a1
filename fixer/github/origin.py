"""Whose repository this is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from fixer.repository import Repository

# `https://host/owner/name.git`, `git@host:owner/name`.
_OWNER = re.compile(r"[/:]([^/:@]+)/[^/:]+?/?$")


class Origin(NamedTuple):
    """`owner`: the user or organisation that git's remote `origin` belongs to, in lower case."""

    owner: str

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None without git, or without such a remote."""
        found = _OWNER.search(repository.origin)
        return cls(found[1].lower()) if found is not None else None
