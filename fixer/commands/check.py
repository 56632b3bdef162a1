"""`fhfix check`: the findings, by file and line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from fixer.commands.opening import (
    exit_code,
    exit_zero,
    repository_options,
    same_repository,
    say_nothing_read,
    say_problems,
)
from fixer.model import FileError, Source
from fixer.session import Session
from fixer.show.output import put, put_commands, save, say


@click.command()
@repository_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="For people, for programs, for code scanning, for a run of a workflow: annotations and a summary.",
)
@click.option("--statistics", is_flag=True, help="Count the findings by rule.")
@click.option("--write-baseline", type=click.Path(path_type=Path, dir_okay=False), help="Write the findings to a file.")
@click.option("-q", "--quiet", is_flag=True, help="One line per finding, and nothing else.")
@click.option("-v", "--verbose", is_flag=True, help="Also the line of the file, and what a fix changes.")
@exit_zero
def check(
    opened: Session, form: str, statistics: bool, write_baseline: Path | None, quiet: bool, verbose: bool, zero: bool
) -> None:
    """Show the findings below PATH (default: the current folder). Changes nothing."""
    report = opened.check()
    read = opened.repository.read
    command = same_repository("apply", click.get_current_context())
    if write_baseline is not None:
        from fixer.ignores import baseline_text

        sources: dict[str, Source] = {}
        for path in {reported.finding.path for reported in report.findings}:
            try:
                sources[path] = read(path)
            except FileError:
                continue
        save(baseline_text(report.findings, sources), write_baseline, opened.repository.root)
        say(f"{write_baseline}: {len(report.findings)} known findings")
        say_problems(report)
        sys.exit(exit_code(report, found=False, zero=zero))
    if form == "json":
        from fixer.show.json import report_json

        put(report_json(report, read))
    elif form == "sarif":
        from fixer.show.sarif import sarif

        put(sarif(report, read))
    elif form == "github":
        from fixer.show.github import annotate
        from fixer.show.summary import summary_of_a_job

        file = os.environ.get("GITHUB_STEP_SUMMARY", "")
        put_commands(
            annotate(report, read, "the summary of the job has them all" if file else "`fhfix check` prints them all")
        )
        if file:
            save(summary_of_a_job(report, read, command), Path(file), opened.repository.root, more=True)
    elif statistics:
        from fixer.show.statistics import statistics_text

        put(statistics_text(report.findings))
    else:
        from fixer.show.text import text

        put(text(report, read, verbose=verbose, quiet=quiet, command=command))
    if form == "text":
        say_problems(report)
    say_nothing_read(opened, report)
    sys.exit(exit_code(report, found=bool(report.findings), zero=zero))
