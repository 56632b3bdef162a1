"""Tells findings of the same words apart, so that each has an id which it keeps through all passes and selections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from fixer.model import Reported
from fixer.pieces import Runs

Words = tuple[str, ...]


class Naming:
    """What the findings of one run are called.

    A finding in the text of the file as it was is numbered among those of its words there. One in the text of a fix is
    numbered within that text, and named after that fix: so it does not matter which other fixes are made.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Words, int, int], str] = {}
        self._met: Counter[tuple[Words, str]] = Counter()

    def apart(self, found: Iterable[Reported], pieces: Mapping[str, Runs], taken: Sequence[Reported]) -> list[Reported]:
        """The same findings, each of which differs from all others. `pieces` are those of the files now."""
        placed = [(self._place(reported, pieces), reported) for reported in found]
        for place, reported in sorted(placed, key=lambda pair: pair[0]):
            key = (reported.words, *place)
            if key not in self._known:
                writer = taken[place[0]].id if place[0] >= 0 else ""
                self._met[reported.words, writer] += 1
                self._known[key] = f"{writer} {self._met[reported.words, writer]}".strip()
        return [replace(reported, apart=self._known[reported.words, *place]) for place, reported in placed]

    def _place(self, reported: Reported, pieces: Mapping[str, Runs]) -> tuple[int, int]:
        """The fix that wrote the text in which it stands, -1 for none, and where in that text."""
        finding = reported.finding
        return pieces.get(finding.path, Runs()).written_at(finding.span)
