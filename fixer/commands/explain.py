"""`fhfix explain`: rules, whole."""

from __future__ import annotations

import sys
from difflib import get_close_matches

import click

from fixer.commands.completion import rule_names
from fixer.docs import explanation
from fixer.registry import all_rules
from fixer.selectors import all_selectors, matches
from fixer.show.output import console, put


@click.command()
@click.argument("rule", metavar="RULE", shell_complete=rule_names)
def explain(rule: str) -> None:
    """Say what RULE finds, why, what it leaves alone, and what can be configured.

    RULE is an id, or a pack or audit reference (D-009.5) for all rules of it.
    """
    rules = all_rules()
    found = [each for each in rules if matches(rule, each)]
    if not found:
        near = get_close_matches(rule, list(all_selectors(rules)), n=1)
        raise click.UsageError(f"no rule {rule!r}; " + (f"did you mean {near[0]}?" if near else "see fhfix rules"))
    text = "\n".join(explanation(each) for each in found)
    if sys.stdout.isatty():
        from rich.markdown import Markdown

        console().print(Markdown(text, hyperlinks=False))
    else:
        put(text)
