"""Findings for people: the worst first, the same defect once with all its places, with its fix or what it waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import click

from fixer.model import Blocked, Fix, Level, Report, Reported, Source, Span, Tier
from fixer.show.groups import MESSAGES, Group, grouped
from fixer.show.looked_at import looked_at
from fixer.show.place import Read, place_of, places_of, source_of
from fixer.show.visible import visible
from fixer.show.words import Once, in_words, shortened

COLOURS = {Level.ERROR: "red", Level.WARNING: "yellow", Level.NOTE: "blue"}


def text(
    report: Report, read: Read, *, verbose: bool = False, quiet: bool = False, command: str = "fhfix apply"
) -> str:
    """Coloured; `click.echo` takes the colour away where it is not wanted. `command` makes the fixes of these findings.

    `quiet` gives one line per finding, in the order of the files. `verbose` says each finding on its own, with its line
    of the file and what a fix changes.
    """
    if quiet:
        return "".join(f"{_head(reported, read)}\n" for reported in report.findings)
    lines: list[str] = []
    config = Once()
    for group in grouped(report.findings):
        if verbose:
            for reported in group.members:
                lines += _finding(reported, read, config)
        else:
            lines += _group(group, read, config)
    fixable = any(isinstance(reported.finding.cure, Fix) for reported in report.findings)
    more = f" `{visible(command)} --dry-run` shows the fixes." if fixable else ""
    lines.append(click.style(summary(report) + more, bold=True))
    if report.coverage is not None and (said := looked_at(report.coverage)):
        lines.append(said)
    return "\n".join(lines) + "\n"


def summary(report: Report) -> str:
    """One line: how many there are of each level, and how many can be fixed."""
    if not report.findings and report.coverage is not None and not report.coverage.read:
        return "No findings, since nothing was looked at."
    if not report.findings:
        return "No findings." if not report.problems else "No findings in the files that could be read."
    fixes = [reported.finding.cure for reported in report.findings if isinstance(reported.finding.cure, Fix)]
    tiers = ", ".join(f"{n} {tier}" for tier in Tier if (n := sum(fix.tier is tier for fix in fixes)))
    levels = Counter(reported.level for reported in report.findings)
    count = len(report.findings)
    said = f"{count} {'finding' if count == 1 else 'findings'}"
    said += f" ({', '.join(_counted(levels[level], level) for level in Level if levels[level])}): "
    said += f"{len(fixes)} can be fixed ({tiers})" if fixes else "none can be fixed"
    if blocked := count - len(fixes):
        said += f", {blocked} blocked"
    return f"{said}."


def _counted(number: int, level: Level) -> str:
    return f"{number} {level}" if number == 1 else f"{number} {level}s"


def _group(group: Group, read: Read, config: Once) -> Iterator[str]:
    """One head for findings that say the same; then the other places, and the fix, once."""
    by_message: dict[str, list[Reported]] = {}
    for reported in group.members:
        by_message.setdefault(reported.finding.message, []).append(reported)
    said = list(by_message.values())
    for members in said[:MESSAGES]:
        yield _head(members[0], read)
        if len(members) > 1:
            yield f"    also at {visible(places_of(members[1:], read))}"
    if rest := said[MESSAGES:]:
        others = [reported for members in rest for reported in members]
        yield f"    and {len(rest)} more of the kind, at {visible(places_of(others, read))}"
    yield from _fix_of(group, config)


def _fix_of(group: Group, config: Once) -> Iterator[str]:
    """What a person must do besides is counted: the dry run, the page and `--verbose` say it."""
    cure = group.members[0].finding.cure
    if isinstance(cure, Fix):
        todo = f", {len(group.todo)} to do" if group.todo else ""
        yield f"    fix ({_tier(cure)}{todo}): {visible(cure.title)}  {click.style(f'[{group.name}]', dim=True)}"
        return
    yield from _blocked(cure, config)


def _head(reported: Reported, read: Read) -> str:
    """`path:line:column: level rule: message`, as compilers say it, for editors and grep."""
    finding = reported.finding
    place = place_of(finding.span, source_of(finding.path, read))
    where = click.style(f"{visible(finding.path)}:{place.line}:{place.column}", bold=True)
    level = click.style(str(reported.level), fg=COLOURS[reported.level], bold=reported.level is Level.ERROR)
    rule = click.style(reported.rule.id, fg="cyan")
    return f"{where}: {level}: {rule}: {visible(shortened(finding.message, 10_000))}"


def _finding(reported: Reported, read: Read, config: Once) -> Iterator[str]:
    finding, rule = reported.finding, reported.rule
    yield _head(reported, read)
    yield from _frame(finding.span, source_of(finding.path, read))
    cure = finding.cure
    if isinstance(cure, Fix):
        yield f"    fix ({_tier(cure)}): {visible(cure.title)}"
        yield from (f"      {visible(words)}" for words in in_words(cure))
        yield from (f"    to do: {visible(todo)}" for todo in cure.todo)
    else:
        yield from _blocked(cure, config)
    if rule.audit:
        yield f"    audit: {', '.join(rule.audit)}; `fhfix explain {rule.id}` says more"


def _frame(span: Span, source: Source) -> Iterator[str]:
    """The line of a finding with a mark below what it is about, as compilers show it."""
    if not source.text:
        return
    start = min(span.start, len(source.text))
    said = source.text[start : max(span.end, start)]
    start += len(said) - len(said.lstrip(" "))
    head, tail = source.line_start(start), source.line_end(start)
    number = str(source.line_of(start))
    shown = visible(source.text[head:tail].rstrip())
    before = visible(source.text[head:start])
    length = len(visible(source.text[start : min(max(span.end, start + 1), tail)].rstrip()))
    yield click.style(f"    {number} | {shown}", dim=True)
    # A tab stays a tab, so that the mark stands below its word whatever a terminal makes of tabs.
    indent = "".join(character if character == "\t" else " " for character in before)
    mark = "^" * max(length, 1)
    yield f"    {' ' * len(number)} | {indent}{click.style(mark, fg='red')}"


def _tier(fix: Fix) -> str:
    return click.style(str(fix.tier), fg="green" if fix.tier is Tier.SAFE else "yellow")


def _blocked(cure: Blocked, config: Once) -> Iterator[str]:
    step = f"; next: {visible(cure.next_step)}" if cure.next_step else ""
    yield f"    {click.style('no fix', fg='yellow')}: {visible(cure.reason)}{step}"
    for line in config.new(cure.config.splitlines()):
        yield f"    configure: {click.style(visible(line), fg='green')}"
