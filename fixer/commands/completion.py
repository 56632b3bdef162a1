"""What a shell completes: names of rules, where the command line asks for one."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def rule_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids with their summaries, then packs and audit references."""
    from fixer.registry import all_rules
    from fixer.selectors import all_selectors

    rules = all_rules()
    known = {rule.id: rule.summary for rule in rules}
    names = dict.fromkeys([*known, *sorted(all_selectors(rules))])
    return [CompletionItem(name, help=known.get(name)) for name in names if name.startswith(incomplete)]
