"""`fhfix fleet check`: what is found, over all repositories."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fixer.commands.fleet_sources import LOOKING, SOURCES, Asked, about_fleet, options_of, watched
from fixer.commands.opening import exit_zero
from fixer.show.output import put, save, say


@click.command(short_help="What is found, over all repositories.")
@options_of(SOURCES, LOOKING)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="For people, for programs, for spreadsheets.",
)
@click.option(
    "--html",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also one page with everything.",
)
@click.option("-v", "--verbose", is_flag=True, help="Every group, not only the first.")
@exit_zero
def check(form: str, file: Path | None, verbose: bool, zero: bool, **values: Any) -> None:
    """Look at all repositories and show what is found, grouped over all of them. Changes nothing.

    Of a remote repository one commit is fetched, without history, and of its files only what is read. Answers are kept
    by commit: a repository that did not change, while fhfix did not either, is not looked at again.
    """
    from fixer.fleet import telling
    from fixer.fleet.looking import HOLDS_NOT
    from fixer.fleet.overview import FleetOverview

    asked = Asked.of(values)
    looks = asked.looks()
    seen = FleetOverview()
    first = True
    put({"json": telling.json_head, "csv": telling.csv_head}.get(form, str)())
    for looked in watched(looks, asked.processes):
        seen.add(looked)
        if looked.why == HOLDS_NOT:
            continue
        if form == "json":
            put(telling.json_repository(looked, first=first))
            first = False
        elif form == "csv":
            for row in telling.csv_repository(looked):
                put(row)
    if form == "json":
        put(telling.json_tail(seen))
    elif form == "text":
        put(telling.fleet_text(seen, every=verbose))
    if file is not None:
        from fixer.fleet.page import fleet_page

        save(fleet_page(seen, about_fleet(asked.title)), file, file.parent)
        say(f"{file}: {seen.in_words()}")
    sys.exit(3 if seen.not_looked_at or seen.faults else 1 if seen.rows and not zero else 0)
