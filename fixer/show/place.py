"""Where a span stands, as people and formats count it: lines and columns from 1, columns in characters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fixer.model import FileError, Plan, Reported, Source, Span
from fixer.pieces import Runs, relined
from fixer.records import record

Read = Callable[[str], Source]
"""The file that the findings were made of; `Repository.read` is one."""

PLACES = 8
"""How many places of a group are named unless all are asked for."""


@record
class Place:
    line: int
    column: int
    end_line: int
    end_column: int

    def region(self) -> dict[str, int]:
        """As SARIF says it: all four, since a missing end would mean the end of the line."""
        return {
            "startLine": self.line,
            "startColumn": self.column,
            "endLine": self.end_line,
            "endColumn": self.end_column,
        }


def place_of(span: Span, source: Source) -> Place:
    """`end_column` is that of the first character after the span."""
    end = min(span.end, len(source.text))
    start = min(span.start, end)
    return Place(source.line_of(start), source.column_of(start) + 1, source.line_of(end), source.column_of(end) + 1)


def places_of(members: Sequence[Reported], read: Read, most: int = PLACES) -> str:
    """`ci.yml:20, :74; deploy.yml:28`, the first few of them."""
    by_path: dict[str, list[int]] = {}
    for reported in members[:most]:
        finding = reported.finding
        place = place_of(finding.span, source_of(finding.path, read))
        by_path.setdefault(finding.path, []).append(place.line)
    said = "; ".join(f"{path}:{', :'.join(map(str, lines))}" for path, lines in by_path.items())
    return said + (f" and {len(members) - most} more" if len(members) > most else "")


def source_of(path: str, read: Read) -> Source:
    """An empty file for a finding about one that is not there: what is missing stands at its first line."""
    try:
        return read(path)
    except FileError:
        return Source(path, "")


def written(plan: Plan) -> Plan:
    """The plan for a person who has the files of after: findings get their places in these, and what is said of them
    names their lines."""
    runs = {path: Runs(change.pieces) for path, change in plan.files.items() if change.before is not None}

    def line_of(path: str, line: int) -> int:
        change = plan.files.get(path)
        if change is None or change.before is None:
            return line
        return change.after.line_of(runs[path].now(change.before.start_of(line)))

    def moved(reported: Reported) -> Reported:
        return reported.with_cure(relined(reported.finding.cure, reported.finding.path, line_of))

    left = tuple(moved(_moved(reported, runs)) for reported in plan.left)
    return replace(plan, taken=tuple(map(moved, plan.taken)), left=left)


def _moved(reported: Reported, changed: Mapping[str, Runs]) -> Reported:
    finding = reported.finding
    runs = changed.get(finding.path)
    if runs is None:
        return reported
    start = runs.now(finding.span.start)
    end = max(start, runs.now(finding.span.end))
    return replace(reported, finding=replace(finding, span=Span(start, end)))
