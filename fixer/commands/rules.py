"""`fhfix rules`: what there is to find."""

from __future__ import annotations

import click

from fixer.registry import all_rules
from fixer.show.output import put


@click.command()
def rules() -> None:
    """List the rules: id, pack, audit reference, and what each finds."""
    found = all_rules()
    width = max(len(rule.id) for rule in found)
    references = max(len(", ".join(rule.audit)) for rule in found)
    for rule in sorted(found, key=lambda rule: (rule.pack, rule.id)):
        put(f"{rule.id:<{width}}  {rule.pack:<7}  {', '.join(rule.audit):<{references}}  {rule.summary}\n")
