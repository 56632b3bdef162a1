"""Templates of Go, as charts of Helm have them: texts, actions and their pipelines.

https://pkg.go.dev/text/template
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from fixer.model import FileError, Source
from fixer.records import entity, record

_TOKEN = re.compile(
    r"(?P<blank>\s+)|(?P<string>\"(?:[^\"\\]|\\.)*\"|`[^`]*`)|(?P<number>-?\d+(?:\.\d+)?)|(?P<variable>\$\w*)"
    r"|(?P<field>\.\w+)|(?P<dot>\.)|(?P<word>[A-Za-z_]\w*)|(?P<sign>:=|[=|(),])"
)
_OPENS = frozenset(("if", "range", "with", "define", "block"))
_CONSTANTS = {"true": True, "false": False, "nil": None}


@entity
class Text:
    """What is written as it stands, and its line."""

    text: str
    line: int


@entity
class Operand:
    """`.a`, `$.a`, `$name.a`, a constant, a pipeline in parentheses, or the name of a function. `kind` says which."""

    kind: str
    value: str | int | float | bool | Pipeline | None = None
    fields: tuple[str, ...] = ()


@entity
class Pipeline:
    """Commands, of which each gets what the one before it says as its last argument. `text`: as it is written."""

    commands: tuple[tuple[Operand, ...], ...]
    text: str


@entity
class Action:
    """What `{{ … }}` writes; a variable that it only sets is named by `sets`, and `declares` says whether it is a new
    one. `alone`: nothing else is on its line."""

    pipeline: Pipeline
    line: int
    sets: str = ""
    declares: bool = False
    alone: bool = False


@entity
class Branch:
    """`if`, `with` or `range`. `names` are the variables that get a value: key and value of `range`."""

    kind: str
    names: tuple[str, ...]
    pipeline: Pipeline
    body: tuple[Item, ...]
    otherwise: tuple[Item, ...]


Item = Text | Action | Branch


@record
class _Piece:
    """A text, or what stands in `{{ … }}`."""

    text: str
    line: int
    is_action: bool
    alone: bool = False


@record
class _Token:
    kind: str
    text: str
    glued: bool
    """Whether no blank stands before it."""


class Template:
    """One file: what it writes, and the named templates that it defines. `parse` raises FileError for what is none."""

    def __init__(self, items: tuple[Item, ...], defined: Mapping[str, tuple[Item, ...]]) -> None:
        self.items = items
        self.defined = defined

    @classmethod
    def parse(cls, source: Source) -> Self:
        reader = _Reader(source)
        items, ended = reader.items()
        if ended:
            raise reader.error(ended)
        return cls(items, reader.defined)


class _Reader:
    def __init__(self, source: Source) -> None:
        self.defined: dict[str, tuple[Item, ...]] = {}
        self._source = source
        self._pieces = list(_pieces(source))
        self._at = 0

    def error(self, text: str) -> FileError:
        return FileError(self._source.path, f"no template of Go: {text[:40]!r}", "let `helm lint` say where")

    def items(self) -> tuple[tuple[Item, ...], str]:
        """Up to `end` or `else`, which is told too; empty at the end of the file."""
        found: list[Item] = []
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            self._at += 1
            if not piece.is_action:
                found.append(Text(piece.text, piece.line))
                continue
            word = piece.text.partition(" ")[0]
            if word in ("end", "else"):
                return tuple(found), piece.text
            if word in _OPENS:
                found += self._opened(piece, word)
            elif word in ("break", "continue"):
                raise self.error(piece.text)
            else:
                found.append(self._action(piece))
        return tuple(found), ""

    def _opened(self, piece: _Piece, word: str) -> Iterator[Item]:
        rest = piece.text[len(word) :].strip()
        if word in ("define", "block"):
            name = _unquoted(rest.split()[0]) if rest else ""
            body, _ = self.items()
            self.defined[name] = body
            if word == "block":
                raise self.error(piece.text)
            return
        yield self._branch(word, rest, piece.line)

    def _branch(self, kind: str, text: str, line: int) -> Branch:
        names, tokens = self._assigned(text)
        pipeline = self._pipeline(tokens, text)
        body, ended = self.items()
        otherwise: tuple[Item, ...] = ()
        more = ended.removeprefix("else").strip() if ended.startswith("else") else ""
        if more:
            word, _, rest = more.partition(" ")
            otherwise = (self._branch(word, rest.strip(), line),)
        elif ended.startswith("else"):
            otherwise, ended = self.items()
        if not ended:
            raise self.error(text)
        return Branch(kind, names, pipeline, body, otherwise)

    def _action(self, piece: _Piece) -> Action:
        text = piece.text
        if text.startswith("template "):
            text = f"include {text.removeprefix('template ')}"
        names, tokens = self._assigned(text)
        declares = any(each.text == ":=" for each in self._tokens(text))
        return Action(self._pipeline(tokens, text), piece.line, names[0] if names else "", declares, piece.alone)

    def _assigned(self, text: str) -> tuple[tuple[str, ...], list[_Token]]:
        """The variables before `:=` or `=`, and what is behind it."""
        tokens = self._tokens(text)
        at = next((index for index, each in enumerate(tokens) if each.text in (":=", "=")), None)
        if at is None:
            return (), tokens
        return tuple(each.text for each in tokens[:at] if each.kind == "variable"), tokens[at + 1 :]

    def _tokens(self, text: str) -> list[_Token]:
        found: list[_Token] = []
        at, glued = 0, False
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self.error(text)
            kind = match.lastgroup or ""
            if kind != "blank":
                found.append(_Token(kind, match[0], glued))
            glued = kind != "blank"
            at = match.end()
        return found

    def _pipeline(self, tokens: Sequence[_Token], text: str) -> Pipeline:
        commands: list[tuple[Operand, ...]] = []
        words: list[Operand] = []
        at = 0
        while at < len(tokens):
            if tokens[at].text == "|":
                commands.append(tuple(words))
                words = []
                at += 1
                continue
            operand, at = self._operand(tokens, at, text)
            words.append(operand)
        commands.append(tuple(words))
        if not all(commands):
            raise self.error(text)
        return Pipeline(tuple(commands), text)

    def _operand(self, tokens: Sequence[_Token], at: int, text: str) -> tuple[Operand, int]:
        kind, word = tokens[at].kind, tokens[at].text
        at += 1
        operand: Operand
        if word == "(":
            end = self._closing(tokens, at, text)
            operand = Operand("pipeline", self._pipeline(tokens[at:end], text))
            at = end + 1
        elif kind == "string":
            operand = Operand("constant", _unquoted(word))
        elif kind == "number":
            operand = Operand("constant", float(word) if "." in word else int(word))
        elif kind == "word":
            operand = Operand("constant", _CONSTANTS[word]) if word in _CONSTANTS else Operand("function", word)
        elif kind == "field":
            operand = Operand("dot", None, (word[1:],))
        elif kind == "dot":
            operand = Operand("dot")
        elif kind == "variable":
            operand = Operand("variable", word)
        else:
            raise self.error(text)
        fields = list(operand.fields)
        while at < len(tokens) and tokens[at].kind == "field" and tokens[at].glued:
            fields.append(tokens[at].text[1:])
            at += 1
        return Operand(operand.kind, operand.value, tuple(fields)), at

    def _closing(self, tokens: Sequence[_Token], at: int, text: str) -> int:
        depth = 1
        for index in range(at, len(tokens)):
            depth += {"(": 1, ")": -1}.get(tokens[index].text, 0)
            if depth == 0:
                return index
        raise self.error(text)


def _pieces(source: Source) -> Iterator[_Piece]:
    """Texts and actions in their order; comments write nothing, `{{-` and `-}}` take the blanks beside them away."""
    text, at, trims = source.text, 0, False
    while True:
        start = text.find("{{", at)
        end = _end(text, start) if start >= 0 else -1
        if start >= 0 and end < 0:
            raise FileError(source.path, "an action that does not end", "let `helm lint` say where")
        said = text[at:start] if start >= 0 else text[at:]
        inside = text[start + 2 : end] if start >= 0 else ""
        before = inside[:1] == "-" and inside[1:2].isspace()
        kept = said.lstrip() if trims else said
        first = at + len(said) - len(kept)
        kept = kept.rstrip() if before else kept
        if kept:
            yield _Piece(kept, source.line_of(first), is_action=False)
        if start < 0:
            return
        trims = inside[-1:] == "-" and inside[-2:-1].isspace()
        written = inside[1:] if before else inside
        written = (written[:-1] if trims else written).strip()
        at = end + 2
        line = source.line_of(start)
        alone = not text[text.rfind("\n", 0, start) + 1 : start].strip() and not text[at : _line_end(text, at)].strip()
        if written and not written.startswith("/*"):
            yield _Piece(" ".join(written.splitlines()), line, is_action=True, alone=alone)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return end if end >= 0 else len(text)


def _end(text: str, start: int) -> int:
    """Where `}}` closes an action, outside of strings and comments; -1 where nothing does."""
    inside = text[start + 2 :].lstrip("- \t\r\n")
    if inside.startswith("/*"):
        closing = text.find("*/", start)
        return text.find("}}", closing) if closing >= 0 else -1
    quote = ""
    at = start + 2
    while at < len(text):
        letter = text[at]
        if quote:
            if letter == "\\" and quote == '"':
                at += 1
            elif letter == quote:
                quote = ""
        elif letter in '"`':
            quote = letter
        elif text.startswith("}}", at):
            return at
        at += 1
    return -1


def _unquoted(word: str) -> str:
    if word.startswith("`"):
        return word[1:-1]
    try:
        return str(ast.literal_eval(word))
    except (ValueError, SyntaxError):
        return word.strip('"')
