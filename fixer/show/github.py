"""Findings as annotations of a GitHub Actions run: workflow commands on standard output.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands: a finding has its level, a fault of a
rule or a file that cannot be read is an error.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixer.model import Fix, Level, Report, Reported
from fixer.show.place import Read, place_of, source_of

_COMMAND = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def annotate(report: Report, read: Read) -> str:
    lines = [_finding(reported, read) for reported in report.findings]
    lines += _trouble(report)
    return "".join(f"{line}\n" for line in lines)


def _finding(reported: Reported, read: Read) -> str:
    finding = reported.finding
    place = place_of(finding.span, source_of(finding.path, read))
    properties: dict[str, str | int] = {
        "title": f"fhfix {reported.rule.id}",
        "file": finding.path,
        "line": place.line,
        "endLine": place.end_line,
    }
    # GitHub shows columns only within one line, and refuses them across lines.
    if place.line == place.end_line:
        properties |= {"col": place.column, "endColumn": place.end_column}
    return command(_COMMAND[reported.level], properties, "\n".join([finding.message, *_cure(reported)]))


def _cure(reported: Reported) -> Iterator[str]:
    cure = reported.finding.cure
    if isinstance(cure, Fix):
        yield f"Fix ({cure.tier}): {cure.title}"
        return
    yield f"No fix: {cure.reason}"
    if cure.next_step:
        yield f"Next: {cure.next_step}"
    if cure.config:
        yield f"Configure: {cure.config}"


def _trouble(report: Report) -> Iterator[str]:
    for fault in report.faults:
        yield command("error", {"title": f"fhfix fault in {fault.rule_id}", "file": fault.path}, fault.what)
    for problem in report.problems:
        yield command("error", {"title": "fhfix: not handled", "file": problem.path}, str(problem))


def command(name: str, properties: dict[str, str | int], message: str) -> str:
    """One workflow command, escaped as the runner unescapes it; empty properties are left out."""
    said = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value != "")
    return f"::{name} {said}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
