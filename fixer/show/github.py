"""Findings as annotations of a GitHub Actions run: workflow commands on standard output.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands: a finding has its level, a fault of a
rule or a file that cannot be read is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.model import Fix, Level, Report
from fixer.show.groups import Group, grouped, not_handled
from fixer.show.place import Read, place_of, places_of, source_of

MOST = 10
"""GitHub shows so many of a step and level, and drops the others without a word:
https://docs.github.com/rest/checks/runs."""

_COMMAND = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def annotate(report: Report, read: Read, elsewhere: str) -> str:
    """At most ten lines, the worst first: what could not be handled, then one for each group of findings. Behind them
    a line in the log says how many more there are; `elsewhere` where they can be read."""
    trouble = [*_trouble(report)]
    groups = grouped(report.findings)
    room = max(MOST - len(trouble), 0)
    lines = [*trouble, *(_group(group, read) for group in groups[:room])][:MOST]
    if left := len(trouble) + len(groups) - len(lines):
        lines.append(_rest(left, groups[room:], elsewhere))
    return "".join(f"{line}\n" for line in lines)


def _group(group: Group, read: Read) -> str:
    """At its worst place."""
    first = min(group.members, key=lambda reported: reported.level.rank)
    others = [reported for reported in group.members if reported is not first]
    finding = first.finding
    place = place_of(finding.span, source_of(finding.path, read))
    properties: dict[str, str | int] = {
        "title": f"fhfix {group.rule.id}",
        "file": finding.path,
        "line": place.line,
        "endLine": place.end_line,
    }
    # GitHub shows columns only within one line, and refuses them across lines.
    if place.line == place.end_line:
        properties |= {"col": place.column, "endColumn": place.end_column}
    said = [finding.message]
    if others:
        count = "1 more place" if len(others) == 1 else f"{len(others)} more places"
        said.append(f"and {count}: {places_of(others, read)}")
    return command(_COMMAND[group.level], properties, "\n".join([*said, *_cure(group)]))


def _cure(group: Group) -> Iterator[str]:
    cure = group.members[0].finding.cure
    if isinstance(cure, Fix):
        yield f"Fix ({cure.tier}): {cure.title} [{group.name}]"
        return
    yield f"No fix: {cure.reason}"
    if cure.next_step:
        yield f"Next: {cure.next_step}"
    if cure.config:
        yield f"Configure: {cure.config}"


def _rest(number: int, groups: Sequence[Group], elsewhere: str) -> str:
    places = sum(len(group.members) for group in groups)
    return f"fhfix: {number} more, for {places} findings: {elsewhere}"


def _trouble(report: Report) -> Iterator[str]:
    for fault in report.faults:
        yield command("error", {"title": f"fhfix fault in {fault.rule_id}", "file": fault.path}, fault.what)
    for alike in not_handled(report.problems):
        yield command("error", {"title": "fhfix: not handled", "file": alike.path}, str(alike))


def command(name: str, properties: dict[str, str | int], message: str) -> str:
    """One workflow command, escaped as the runner unescapes it; empty properties are left out."""
    said = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value != "")
    return f"::{name} {said}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
