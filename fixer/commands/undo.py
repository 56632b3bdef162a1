"""`fhfix undo`: takes the last apply back."""

from __future__ import annotations

from pathlib import Path

import click

from fixer.commands.opening import repository_at


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path())
def undo(path: Path) -> None:
    """Take the last apply back, byte for byte. Refuses, by name, where a file has been edited since."""
    from fixer import writing

    repository = repository_at(path)
    try:
        receipt = writing.undo(repository.root)
    except writing.WriteError as error:
        raise click.ClickException(str(error)) from None
    if receipt.recovery:
        click.echo(f"fhfix: {receipt.recovery}", err=True)
    for name in receipt.changed:
        click.echo(f"restored {name}")
    for name in receipt.removed:
        click.echo(f"removed {name}")
    if not receipt.changed and not receipt.removed:
        click.echo("every file is as it was before the last apply: nothing had to be taken back")
