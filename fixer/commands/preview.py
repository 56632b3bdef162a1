"""`fhfix preview`: what an apply would do, as one HTML file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fixer.commands.opening import exit_code, repository_options, say_nothing_read, say_problems
from fixer.session import Session
from fixer.show.output import save, say


@click.command()
@repository_options
@click.option(
    "--html",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    metavar="FILE",
    help="`-` for stdout.",
)
@click.option("--safe", is_flag=True, help="Only fixes that keep the meaning except for the defect.")
@click.option("--title", default="", help="What the page is called; by default the name of the folder.")
def preview(opened: Session, file: Path, safe: bool, title: str) -> None:
    """Write what an apply would do below PATH as one self-contained HTML file, before and after. Fixes nothing."""
    from fixer.commands.about import about
    from fixer.show.html import html
    from fixer.show.words import plan_in_words

    root = opened.repository.root
    made = opened.plan()
    save(html(made, opened.repository.read, about(root, "preview", title)), file, root)
    say(f"{file}: {plan_in_words(made)}")
    say_problems(made)
    say_nothing_read(opened, made)
    sys.exit(exit_code(made, found=False))
