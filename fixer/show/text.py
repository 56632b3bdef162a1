"""Findings for people, by file and line, each with its cure or with what it waits for."""

from __future__ import annotations

from collections.abc import Iterator

import click

from fixer.model import Finding, Fix, Report, Reported, Tier
from fixer.show.place import Read, place_of, source_of
from fixer.show.visible import visible
from fixer.show.words import in_words, shortened


def text(report: Report, read: Read, *, verbose: bool = False, quiet: bool = False) -> str:
    """Coloured; `click.echo` takes the colour away where it is not wanted. `quiet` leaves one line per finding,
    `verbose` adds the line of the file and what a fix changes."""
    lines: list[str] = []
    for reported in report.findings:
        lines += _finding(reported, read, verbose=verbose, quiet=quiet)
    if not quiet:
        lines.append(click.style(summary(report), bold=True))
    return "\n".join(lines) + "\n" if lines else ""


def summary(report: Report) -> str:
    if not report.findings:
        return "No findings." if not report.problems else "No findings in the files that could be read."
    fixes = [reported.finding.cure for reported in report.findings if isinstance(reported.finding.cure, Fix)]
    tiers = ", ".join(f"{n} {tier}" for tier in Tier if (n := sum(fix.tier is tier for fix in fixes)))
    count = len(report.findings)
    said = f"{count} {'finding' if count == 1 else 'findings'}: "
    said += f"{len(fixes)} can be fixed ({tiers})" if fixes else "none can be fixed"
    if blocked := count - len(fixes):
        said += f", {blocked} blocked"
    return said + (". `fhfix apply --dry-run` shows the fixes." if fixes else ".")


def _finding(reported: Reported, read: Read, *, verbose: bool, quiet: bool) -> Iterator[str]:
    finding, rule = reported.finding, reported.rule
    source = source_of(finding.path, read)
    place = place_of(finding.span, source)
    where = click.style(f"{visible(finding.path)}:{place.line}:{place.column}", bold=True)
    yield f"{where}: {click.style(rule.id, fg='cyan')}: {visible(shortened(finding.message, 10_000))}"
    if quiet:
        return
    if verbose and source.text:
        line = source.text[source.line_start(finding.span.start) : source.line_end(finding.span.start)]
        yield click.style(f"    | {visible(line.rstrip())}", dim=True)
    yield from _cure(finding, verbose)
    if verbose and rule.audit:
        yield f"    audit: {', '.join(rule.audit)}; `fhfix explain {rule.id}` says more"


def _cure(finding: Finding, verbose: bool) -> Iterator[str]:
    cure = finding.cure
    if isinstance(cure, Fix):
        colour = "green" if cure.tier is Tier.SAFE else "yellow"
        yield f"    fix ({click.style(str(cure.tier), fg=colour)}): {visible(cure.title)}"
        if verbose:
            yield from (f"      {visible(words)}" for words in in_words(cure))
        yield from (f"    to do: {visible(todo)}" for todo in cure.todo)
        return
    yield f"    {click.style('no fix', fg='yellow')}: {visible(cure.reason)}"
    if cure.next_step:
        yield f"    next: {visible(cure.next_step)}"
    yield from (f"    configure: {click.style(visible(line), fg='green')}" for line in cure.config.splitlines())
