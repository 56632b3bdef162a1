"""Shell scripts as rules see them: commands, where they stand, and whether their failure counts.

A script is parsed once, by the grammar of bash, and offsets count characters of the script's text. Commands are what
the shell would run: text in comments, quotes and here-documents is never one.
"""

from fixer.languages.shell.parts import Choice, Redirect, Shell, Silence, Silencer, Structure, Word
from fixer.languages.shell.quoting import expanded_word, in_quotes, path_word, word
from fixer.languages.shell.script import Command, Placeholders, Script

__all__ = [
    "Choice", "Command", "Placeholders", "Redirect", "Script", "Shell", "Silence", "Silencer", "Structure",
    "Word", "expanded_word", "in_quotes", "path_word", "word",
]  # fmt: skip
