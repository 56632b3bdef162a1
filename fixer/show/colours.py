"""Syntax colours by pygments: for each line of a file, which characters are a key, a string, a comment."""

from __future__ import annotations

from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from fixer import kept

if TYPE_CHECKING:
    from pygments.lexer import Lexer

Stretch = tuple[int, int, str]
"""Characters of a line, from and to, and their class in the style sheet."""

LONGEST = 200_000
"""Characters of a file that is coloured; nobody reads a longer one for its colours."""

_CLASSES = {
    "Token.Comment": "sc",
    "Token.Keyword": "sk",
    "Token.Name.Tag": "st",
    "Token.Name.Builtin": "sb",
    "Token.Name.Function": "sb",
    "Token.Name.Variable": "sv",
    "Token.Literal.String": "ss",
    "Token.Literal.Number": "sn",
}


def colours(path: str, text: str) -> list[list[Stretch]]:
    """By line. Empty where pygments knows nothing of the file; lines end at line feeds alone."""
    lexer = _lexer(_kind(path))
    if lexer is None or len(text) > LONGEST:
        return []
    lines: list[list[Stretch]] = [[]]
    column = 0
    for _, token, words in lexer.get_tokens_unprocessed(text):
        name = _class(token)
        head, *more = words.split("\n")
        if name and head:
            lines[-1].append((column, column + len(head), name))
        column += len(head)
        for line in more:
            lines.append([(0, len(line), name)] if name and line else [])
            column = len(line)
    return lines


def _kind(path: str) -> str:
    name = PurePosixPath(path).name
    if name.lower().startswith(("dockerfile", "containerfile")) or name.lower().endswith(".dockerfile"):
        return "dockerfile"
    return PurePosixPath(path).suffix


@cache
def _lexer(kind: str) -> Lexer | None:
    with kept.patterns_of_the_program():
        return _made(kind)


def _made(kind: str) -> Lexer | None:
    """Imported by kind: pygments' own search through all of its languages takes longer than the colours."""
    if kind in (".yml", ".yaml"):
        from pygments.lexers.data import YamlLexer

        return YamlLexer()
    if kind == ".json":
        from pygments.lexers.data import JsonLexer

        return JsonLexer()
    if kind == ".py":
        from pygments.lexers.python import PythonLexer

        return PythonLexer()
    if kind == ".sh":
        from pygments.lexers.shell import BashLexer

        return BashLexer()
    if kind == "dockerfile":
        from pygments.lexers.configs import DockerLexer

        return DockerLexer()
    if kind == ".toml":
        from pygments.lexers.configs import TOMLLexer

        return TOMLLexer()
    if kind in (".ini", ".cfg"):
        from pygments.lexers.configs import IniLexer

        return IniLexer()
    return None


@cache
def _class(token: object) -> str:
    name = str(token)
    while name not in _CLASSES and "." in name:
        name = name.rpartition(".")[0]
    return _CLASSES.get(name, "")
