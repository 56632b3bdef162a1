"""What was looked at, in one line: finding nothing says something only of what was looked at."""

from __future__ import annotations

from fixer.model import Coverage, listed
from fixer.show.visible import visible

UNKNOWN = 5
"""How many actions that the catalog does not know are shown by name."""


def looked_at(coverage: Coverage) -> str:
    """How many files of which kind were read, what was not, and of which actions nothing is known; may be empty."""
    said: list[str] = []
    if coverage.read:
        kinds = [_counted(number, word) for word, number in coverage.read.items()]
        others = [_counted(coverage.others, "other file")] if coverage.others else []
        said.append(f"Looked at {listed([*kinds, *others])}.")
    if coverage.unreadable:
        said.append(f"Not readable: {coverage.unreadable}.")
    if coverage.left_out:
        said.append(f"Left out: {listed(f'{number} {why}' for why, number in sorted(coverage.left_out.items()))}.")
    if coverage.idle:
        said.append(f"--exclude leaves nothing out by {listed(map(visible, coverage.idle))}.")
    if coverage.unknown_actions:
        said.append(_unknown(coverage.unknown_actions))
    return " ".join(said)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _unknown(names: tuple[str, ...]) -> str:
    shown = ", ".join(map(visible, names[:UNKNOWN]))
    more = f" and {len(names) - UNKNOWN} more" if len(names) > UNKNOWN else ""
    count = f"{len(names)} actions are" if len(names) > 1 else "1 action is"
    return f"{count} not in the catalog, so nothing is said of their versions: {shown}{more}."
