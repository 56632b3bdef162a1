"""Texts as words of a script that is written: quoted where they must be, refused where nothing helps."""

from __future__ import annotations

import re
import shlex

from fixer.model import Blocked
from fixer.scripts import Inside, Quoted

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def word(text: str) -> Quoted | Blocked:
    """A text as one word of a script, quoted where it must be: `apps/api` as it is, `'apps/my api'` in quotes.

    Blocked for what no script of a workflow can hold: a line break or another control character, and `${{`, which
    GitHub replaces before a shell reads it.
    """
    if (blocked := _unspeakable(text)) is not None:
        return blocked
    if "'" in text:  # `"it's"`, where shlex writes `'it'"'"'s'`
        return Quoted(f'"{_escaped(text)}"')
    if text.startswith("="):  # `==` in front of a word is an operator for the grammar that reads it again
        return Quoted(f"'{text}'")
    return Quoted(shlex.quote(text))


def path_word(path: str) -> Quoted | Blocked:
    """A path as one word, which no program takes for an option: `./-rf`."""
    return word(f"./{path}" if path.startswith("-") else path)


def in_quotes(text: str) -> Inside | Blocked:
    """A text as it is written between the double quotes of a message: `"::error::cost \\$5 is missing"`."""
    return _unspeakable(text) or Inside(_escaped(text))


def expanded_word(text: str) -> Quoted | None:
    """A word of a script with its variables as one word of another, which puts their values in: `"$URL/health"`.

    None where it holds more than names of variables: quotes, escapes, commands.
    """
    return None if re.search(r'["`\\\n]|\$\(', text) else Quoted(f'"{text}"')


def _escaped(text: str) -> str:
    return re.sub(r'([$`"\\])', r"\\\1", text)


def _unspeakable(text: str) -> Blocked | None:
    if _CONTROL.search(text):
        return Blocked(f"{text!r} holds a character that no line of a script can hold", "rename it")
    if "${{" in text:
        return Blocked(f"GitHub would take `${{{{` in {text!r} for an expression", "rename it")
    return None
