"""`fhfix init`: the first configuration of a repository."""

from __future__ import annotations

import sys

import click

from fixer.commands.opening import repository_options, say_problems
from fixer.config import FILE, SCHEMA, schema_text, starting_text
from fixer.inferred import inferred
from fixer.registry import all_rules
from fixer.session import Session
from fixer.show.output import put, save


@click.command()
@repository_options
@click.option("--stdout", is_flag=True, help="Print the configuration instead of writing it.")
@click.option("--schema/--no-schema", "with_schema", default=True, show_default=True, help="For editors; see above.")
def init(opened: Session, stdout: bool, with_schema: bool) -> None:
    """Write a commented .fhfix.toml: what was inferred, the values that blocked findings ask for, every option.

    Until a comment is taken away it changes nothing. Beside it goes .fhfix.schema.json, which its first line names, so
    that editors complete and check it. Never overwrites a configuration.
    """
    made = opened.plan()
    text = starting_text(opened.rules, made.left, opened.ask(inferred), f"./{SCHEMA}" if with_schema else "")
    if stdout:
        put(text)
    else:
        _write(opened, text, with_schema=with_schema)
    say_problems(made)
    sys.exit(3 if made.faults else 0)


def _write(opened: Session, text: str, *, with_schema: bool) -> None:
    if opened.config.origin:
        raise click.UsageError(
            f"{opened.config.origin} configures fhfix already; --stdout prints what init would write"
        )
    root = opened.repository.root
    save(text, root / FILE, root, new=True)
    put(f"wrote {root / FILE}\n")
    if with_schema:
        save(schema_text(all_rules()), root / SCHEMA, root)
        put(f"wrote {root / SCHEMA}\n")
