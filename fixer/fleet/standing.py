"""Where a pull request of a campaign stands, in one word, and what GitHub says of many at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """One repository of a campaign. `why` says more where the word alone does not do."""

    name: str
    state: str
    url: str = ""
    number: int = 0
    why: str = ""

    @property
    def level(self) -> str:
        """How loud a page says it."""
        if self.state in BAD:
            return "error"
        return "warning" if self.state in SLOW else "note"


BAD = frozenset(("red", "conflict", "failed"))
SLOW = frozenset(("changes asked", "closed", "left alone", "archived"))
