"""`fhfix schema`: the shape of the configuration, for editors."""

from __future__ import annotations

import click

from fixer.config import schema_text
from fixer.registry import all_rules
from fixer.show.output import put


@click.command()
def schema() -> None:
    """Print the JSON schema of .fhfix.toml, by which editors complete and check it.

    `fhfix init` writes it beside the configuration; after an upgrade: `fhfix schema > .fhfix.schema.json`.
    """
    put(schema_text(all_rules()))
