"""Images that fixes write, by tag and digest: `pinned.toml`."""

from __future__ import annotations

from functools import cache

from fixer import kept


def pinned(name: str) -> str:
    """An image as it is written, `repository:tag@digest`. Raises KeyError for one that is not in the table."""
    row = _table()[name]
    return f"{row['image']}@{row['digest']}"


@cache
def _table() -> dict[str, dict[str, str]]:
    return kept.table(__file__, "pinned.toml")
