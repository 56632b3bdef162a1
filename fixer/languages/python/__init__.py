"""Python modules such as Django's settings.py: read with `ast`, placed with `tokenize`, edited by splicing.

What a module means, for comparison: a list with one item per statement. An assignment is `{target: value}`, where
literal dicts and lists are dicts and lists, and every other expression is its canonical text. A compound
statement is its header and its bodies. So an edit within `DATABASES["default"]` is a change of one key.
"""

from fixer.languages.python.module import WIDTH, PythonModule
from fixer.languages.python.nodes import assigned, constant, dotted, has_spread, item, key, named_values, text
from fixer.languages.python.plain import Code, plain_of
from fixer.languages.python.settings_files import is_settings, may_be_settings

__all__ = [
    "WIDTH", "Code", "PythonModule", "assigned", "constant", "dotted", "has_spread", "is_settings", "item", "key",
    "may_be_settings", "named_values", "plain_of", "text",
]  # fmt: skip
