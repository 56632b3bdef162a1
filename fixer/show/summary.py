"""Findings as Markdown, for the summary of a workflow's job: the same groups as in a terminal, the worst first.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary
"""

from __future__ import annotations

from collections.abc import Iterator

from fixer.model import Blocked, Fix, Level, Report
from fixer.show.groups import MESSAGES, Group, grouped, not_handled
from fixer.show.looked_at import looked_at
from fixer.show.markdown import cell, code, fenced, fitting, length, words
from fixer.show.overview import Overview, overview
from fixer.show.place import Read, places_of
from fixer.show.text import summary
from fixer.show.words import Once

LONGEST = 250_000
"""Characters; GitHub takes a mebibyte of a step, and a character may have four bytes."""


def summary_of_a_job(report: Report, read: Read, command: str) -> str:
    """`command` is what applies the fixes of these findings, without what chooses among them."""
    fixable = [reported for reported in report.findings if isinstance(reported.finding.cure, Fix)]
    blocked = [reported for reported in report.findings if isinstance(reported.finding.cure, Blocked)]
    seen = overview(fixable, blocked)
    head = ["### fhfix", "", f"**{_plain(summary(report))}**"]
    if seen.rows:
        head += ["", *_table(seen)]
    tail = [*_next(seen, command), *_trouble(report)]
    if report.coverage is not None and (said := looked_at(report.coverage)):
        tail += ["", _plain(said)]
    room = LONGEST - length([*head, *tail])
    listed = fitting([*_listed(grouped(report.findings), read)], room, "* … and more: `fhfix check` has them all")
    return "\n".join([*head, *listed, *tail]) + "\n"


def _table(seen: Overview) -> Iterator[str]:
    """Tasks by level."""
    yield f"| | {' | '.join(map(str, Level))} | can be fixed | blocked |"
    yield "| --- |" + " --: |" * (len(Level) + 2)
    for row in seen.rows:
        numbers = [*(row.counts.get(level, 0) for level in Level), row.fixed, row.left]
        name = cell(_plain(f"{row.reference} {row.title}".strip()))
        yield f"| {name} | {' | '.join(str(number or '·') for number in numbers)} |"


def _listed(groups: list[Group], read: Read) -> Iterator[str]:
    level, todo = None, Once()
    for group in groups:
        if group.level is not level:
            level = group.level
            yield from ("", f"#### {level}", "")
        yield from _group(group, read, todo)


def _group(group: Group, read: Read, todo: Once) -> Iterator[str]:
    """What is wrong, where, and what is done about it."""
    said = group.messages
    more = f", and {len(said) - MESSAGES} more of the kind" if len(said) > MESSAGES else ""
    yield f"* `{group.rule.id}`: {'; '.join(map(_plain, said[:MESSAGES]))}{more}"
    yield f"  * at {code(places_of(group.members, read))}"
    cure = group.members[0].finding.cure
    if isinstance(cure, Fix):
        yield f"  * fix ({cure.tier}): {_plain(cure.title)} `{group.name}`"
        yield from (f"  * to do: {_plain(line)}" for line in todo.new(group.todo))
        return
    step = f"; next: {_plain(cure.next_step)}" if cure.next_step else ""
    yield f"  * no fix: {_plain(cure.reason)}{step}"


def _next(seen: Overview, command: str) -> Iterator[str]:
    """What to type, on a machine that has the repository."""
    offers: list[str] = []
    if seen.groups:
        offers.append(f"{command} --dry-run")
    if seen.worst:
        offers.append(f"{command} --only {','.join(group.name for group in seen.worst)}")
    if offers:
        yield from ("", "#### Next", "", *fenced("\n".join(offers), "sh").split("\n"))
    if seen.config:
        yield from ("", "What blocked findings wait for, in `.fhfix.toml`; `fhfix configure` asks for it:", "")
        yield from fenced("\n".join(seen.config), "toml").split("\n")


def _trouble(report: Report) -> Iterator[str]:
    if report.faults or report.problems:
        yield from ("", "#### Not handled", "")
    for fault in report.faults:
        yield f"* fault in `{fault.rule_id}`: {_plain(f'{fault.path} {fault.what}')}"
    yield from (f"* {_plain(str(alike))}" for alike in not_handled(report.problems))


def _plain(text: str) -> str:
    return words(text, mentions=False)
