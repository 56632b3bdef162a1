"""`fhfix init`: the first configuration of a repository."""

from __future__ import annotations

import sys

import click

from fixer.commands.opening import repository_options, say_problems
from fixer.config import FILE, starting_text
from fixer.inferred import inferred
from fixer.session import Session
from fixer.show.output import put, save


@click.command()
@repository_options
@click.option("--stdout", is_flag=True, help="Print the file instead of writing it.")
def init(opened: Session, stdout: bool) -> None:
    """Write a commented .fhfix.toml: what was inferred, the values that blocked findings ask for, every option.

    Until a comment is taken away it changes nothing. Never overwrites a file.
    """
    made = opened.plan()
    text = starting_text(opened.rules, made.left, inferred(opened.repository))
    if stdout:
        put(text)
    else:
        _write(opened, text)
    say_problems(made)
    sys.exit(3 if made.faults else 0)


def _write(opened: Session, text: str) -> None:
    if opened.config.origin:
        raise click.UsageError(
            f"{opened.config.origin} configures fhfix already; --stdout prints what init would write"
        )
    path = opened.repository.root / FILE
    save(text, path, opened.repository.root, new=True)
    put(f"wrote {path}\n")
