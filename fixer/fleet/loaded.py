"""What every process that looks at a repository needs, loaded once in the one that they are forked from."""

from __future__ import annotations

from fixer.fleet import looking
from fixer.github.catalog import Catalog
from fixer.registry import all_rules

looking.rules()
for rule in all_rules():
    _ = rule.check  # a rule is imported with what is asked of it first
Catalog.load()
