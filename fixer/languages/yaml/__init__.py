"""YAML: read for positions, edited by splicing, never dumped.

Read from libyaml's event stream, the fastest reader that says where everything stands (docs/decisions.md), and
resolved by the core schema of YAML 1.2, as GitHub reads it: `on` is a string. What libyaml knows of positions has two
traps that are handled here: a block collection ends, for it, at the next token, and a block scalar ends after the
blank lines that follow it.
"""

from fixer.languages.yaml.edit import Yaml
from fixer.languages.yaml.node import Node, Tagged, dotted
from fixer.languages.yaml.render import Commented, Copied, Flow, Style, entry_lines, is_plain, plain_of, render_scalar

__all__ = [
    "Commented", "Copied", "Flow", "Node", "Style", "Tagged", "Yaml", "dotted", "entry_lines", "is_plain", "plain_of",
    "render_scalar",
]  # fmt: skip
