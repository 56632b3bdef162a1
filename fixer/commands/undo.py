"""`fhfix undo`: takes the last apply back."""

from __future__ import annotations

from pathlib import Path

import click

from fixer.commands.opening import repository_of
from fixer.show.output import Refusal, put, say
from fixer.show.visible import visible


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path())
def undo(path: Path) -> None:
    """Take the last apply back, byte for byte. Refuses, by name, where a file has been edited since."""
    from fixer import writing

    repository = repository_of(path)
    try:
        receipt = writing.undo(repository.root)
    except writing.WriteError as error:
        raise Refusal(*error.lines) from None
    if receipt.recovery:
        say(str(receipt.recovery))
    for name in receipt.changed:
        put(f"restored {visible(name)}\n")
    for name in receipt.removed:
        put(f"removed {visible(name)}\n")
    if not receipt.changed and not receipt.removed:
        put("every file is as it was before the last apply: nothing had to be taken back\n")
