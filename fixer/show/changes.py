"""Which lines each fix of a plan changed, and whose change holds them where nothing of its own is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from fixer.model import Plan
from fixer.pieces import Runs
from fixer.records import record
from fixer.selection import companions
from fixer.show.diff import Block, FileDiff, file_diff


@record
class Shown:
    """The lines that show a fix, by path. `by` is the fix that made them: itself, or the one that put other text in
    place of all that it wrote."""

    by: int
    blocks: Mapping[str, Sequence[Block]]


@record
class Changes:
    """Fixes are named by their indexes in `Plan.taken`."""

    plan: Plan

    @cached_property
    def diffs(self) -> dict[str, FileDiff]:
        return {path: file_diff(self.plan.files[path]) for path in sorted(self.plan.files)}

    @cached_property
    def together(self) -> dict[int, frozenset[int]]:
        """For each fix those that are chosen with it."""
        return companions(self.plan.needs, (block.origins for diff in self.diffs.values() for block in diff.blocks))

    @cached_property
    def within(self) -> dict[int, list[int]]:
        """By a fix, the others that are shown by its lines."""
        found: dict[int, list[int]] = {}
        for number in range(len(self.plan.taken)):
            if (by := self.of(number).by) != number:
                found.setdefault(by, []).append(number)
        return found

    def of(self, number: int) -> Shown:
        own = self._blocks.get(number)
        return Shown(number, own) if own else self._held(number)

    def line(self, number: int) -> int:
        """The line, from 1, that a fix changes first in the file of its finding, as it is on disk; 0 for none there."""
        blocks = self.of(number).blocks.get(self.plan.taken[number].finding.path, ())
        return blocks[0].before + 1 if blocks else 0

    @cached_property
    def _blocks(self) -> dict[int, dict[str, list[Block]]]:
        found: dict[int, dict[str, list[Block]]] = {}
        for path, diff in self.diffs.items():
            for block in diff.blocks:
                for number in block.origins:
                    found.setdefault(number, {}).setdefault(path, []).append(block)
        return found

    def _held(self, number: int) -> Shown:
        """The block that stands where the finding was."""
        finding = self.plan.taken[number].finding
        change = self.plan.files.get(finding.path)
        if change is None or change.before is None:
            return Shown(number, {})
        by = Runs(change.pieces).replacing(finding.span)
        blocks = self._blocks.get(by, {}).get(finding.path, ())
        if not blocks:
            return Shown(number, {})
        line = change.before.line_of(min(finding.span.start, len(change.before.text))) - 1
        near = min(blocks, key=lambda block: max(block.before - line, line - block.before - len(block.removed) + 1, 0))
        return Shown(by, {finding.path: (near,)})
