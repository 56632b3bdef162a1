"""What every process that looks at a repository needs, loaded once in the one that they are forked from."""

from __future__ import annotations

from fixer.fleet import looking
from fixer.github.catalog import Catalog
from fixer.registry import all_rules

looking.rules()
all_rules()
Catalog.load()
