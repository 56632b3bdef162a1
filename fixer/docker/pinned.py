"""Images that fixes write, by tag and digest: `pinned.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path


def pinned(name: str) -> str:
    """An image as it is written, `repository:tag@digest`. Raises KeyError for one that is not in the table."""
    row = _table()[name]
    return f"{row['image']}@{row['digest']}"


@cache
def _table() -> dict[str, dict[str, str]]:
    return tomllib.loads((Path(__file__).parent / "pinned.toml").read_text(encoding="utf-8"))
