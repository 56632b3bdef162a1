"""`fhfix explain`: one rule, whole."""

from __future__ import annotations

from difflib import get_close_matches

import click

from fixer.registry import all_rules


@click.command()
@click.argument("rule_id", metavar="RULE")
def explain(rule_id: str) -> None:
    """Say what RULE finds, why, what it leaves alone, and what can be configured."""
    rules = {rule.id: rule for rule in all_rules()}
    rule = rules.get(rule_id)
    if rule is None:
        near = get_close_matches(rule_id, rules, n=1)
        raise click.UsageError(f"no rule {rule_id!r}" + (f"; did you mean {near[0]}?" if near else "; see fhfix rules"))
    click.echo(f"{click.style(rule.id, bold=True)}  ({rule.pack}; {', '.join(rule.audit)})\n\n{rule.explanation}")
    if rule.options:
        click.echo("\n## Configuration\n")
        for option in rule.options:
            choices = f" One of: {', '.join(option.choices)}." if option.choices else ""
            click.echo(f"rules.{rule.id}.{option.name} = {option.default!r}\n    {option.help}{choices}")
