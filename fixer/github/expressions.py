"""GitHub's expressions: what stands between `${{` and `}}`, and what a bare `if:` holds.

One parser answers what an expression reads, in whatever spelling, and where each name stands, so that a fix can rename
one in its own spelling. Offsets count characters of the text that was given.
https://docs.github.com/actions/reference/workflows-and-actions/expressions
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from fixer.records import record
from fixer.scripts import ScriptText

OWN_TOKEN = ("secrets.github_token", "github.token")
"""The token that GitHub makes for each job, by both of its names."""

ANY = "*"
"""A key that is not known: a filter (`steps.*`), one that is computed (`steps[inputs.x]`), or one not understood."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PART = re.compile(r"[\w.()\[\]-]+", re.ASCII)
_NUMBER = re.compile(
    r"[-+]?(?:0[xX][0-9A-Fa-f]+|0[oO][0-7]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|Infinity\b|NaN\b)(?![\w.])"
)
_STRING = re.compile(r"'((?:[^']|'')*)'")
_OPERATOR = re.compile(r"&&|\|\||==|!=|<=|>=|[<>!()\[\],.*]")
_KEYWORDS = {"null": None, "true": True, "false": False, "Infinity": float("inf"), "NaN": float("nan")}
# From what binds least to what binds most.
_BINARY = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))
_DEEPEST = 50  # levels; GitHub's own limit


@record
class Key:
    """One step of a read. `text` is as it was written, or `ANY`; `start`..`end` is the name without quotes or dot."""

    text: str
    start: int
    end: int


@record
class Read:
    """A value of a context that an expression reads, such as `steps.rel.outputs.html_url`.

    What it reads is the value at its path and everything below: `toJSON(steps)` reads all outputs of all steps.
    """

    keys: tuple[Key, ...]
    start: int
    end: int

    @property
    def path(self) -> tuple[str, ...]:
        """The keys in lower case: GitHub does not tell upper from lower case."""
        return tuple(key.text.lower() for key in self.keys)

    @property
    def context(self) -> str:
        """`steps`, `env`, …; `ANY` for an expression that could not be read."""
        return self.path[0]

    @property
    def name(self) -> str:
        """The key behind the context as it is written; `ANY` where it reads several, or one that is computed."""
        return self.keys[1].text if len(self.keys) > 1 else ANY

    @property
    def dotted(self) -> str:
        """The path with dots, in lower case."""
        return ".".join(self.path)

    def is_(self, *dotted: str) -> bool:
        """Whether it reads exactly this value, such as `github.ref`."""
        return self.dotted in (path.lower() for path in dotted)

    def may_read(self, dotted: str) -> bool:
        """Whether this value may be (part of) what it reads: by its name, by a filter, or with all around it."""
        wanted = dotted.lower().split(".")
        return len(self.path) <= len(wanted) and self._agrees(wanted)

    def touches(self, dotted: str) -> bool:
        """Whether it may read this value, or something inside of it."""
        return self._agrees(dotted.lower().split("."))

    def _agrees(self, wanted: list[str]) -> bool:
        if self.context == ANY:
            return True
        return all(key in (other, ANY) or other == ANY for key, other in zip(self.path, wanted, strict=False))


@record
class Literal:
    value: str | float | bool | None
    start: int
    end: int

    @property
    def text(self) -> str:
        """As GitHub writes it into a text."""
        match self.value:
            case None:
                return ""
            case bool():
                return "true" if self.value else "false"
            case float():
                return f"{self.value:.15g}"
        return self.value


@record
class Call:
    """A function with its arguments; `function` is in lower case."""

    function: str
    arguments: tuple[Term, ...]
    start: int
    end: int


@record
class Operation:
    """`!` has one operand, every other operator two; a chain such as `a && b && c` is one operation of three."""

    operator: str
    operands: tuple[Term, ...]
    start: int
    end: int


@record
class Part:
    """What is taken out of a value that is no context, such as `fromJSON(…).version`."""

    of: Term
    index: Term
    start: int
    end: int


Term = Read | Literal | Call | Operation | Part


@record
class Expression:
    """One expression. `start`..`end` holds its braces; `error` says why it could not be read, and `root` is None then.

    What could not be read may read anything: its one read has `ANY` for a context.
    """

    text: str
    start: int
    end: int
    root: Term | None
    reads: tuple[Read, ...] = ()
    functions: frozenset[str] = frozenset()
    error: str = ""

    @property
    def inner(self) -> str:
        """The expression without braces and blanks around it."""
        if self.text.startswith("${{"):
            return self.text.removeprefix("${{").removesuffix("}}").strip()
        return self.text.strip()

    @property
    def read(self) -> Read | None:
        """The value that it is, where it only reads one."""
        return self.root if isinstance(self.root, Read) and not self.error else None


# -- what a text holds --------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def expressions_in(text: str, whole: bool = False) -> tuple[Expression, ...]:
    """The expressions of a text. `whole`: all of it is one, also without braces, as the value of `if:` is."""
    if "${{" in text:
        return tuple(_embedded(text))
    if whole and text.strip():
        return (_parsed(text, 0, len(text), 0, len(text)),)
    return ()


def reads(text: str, whole: bool = False) -> tuple[Read, ...]:
    """Everything that the expressions of a text read, in order."""
    return tuple(read for expression in expressions_in(text, whole) for read in expression.reads)


def is_whole(at: tuple[str | int, ...]) -> bool:
    """Whether the value at this address of a workflow or action is an expression also without braces."""
    return at[-1:] in (("if",), ("pre-if",), ("post-if",)) and at[-2:-1] not in (("with",), ("env",), ("inputs",))


def expressions_below(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Expression]]:
    """Every expression of plain data, with its address; `at` is where the data stands in a workflow. Keys count."""
    if isinstance(value, dict):
        for key, inner in value.items():
            for expression in expressions_in(key) if isinstance(key, str) else ():
                yield (*at, key), expression
            yield from expressions_below(inner, (*at, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from expressions_below(inner, (*at, number))
    elif isinstance(value, str):
        for expression in expressions_in(value, is_whole(at)):
            yield at, expression


def reads_below(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[Read]:
    """Everything that plain data of a workflow reads."""
    for _, expression in expressions_below(value, at):
        yield from expression.reads


def names_read(context: str, value: Any) -> tuple[str, ...]:
    """The names that plain data reads of this context, as in `env.NAME`; `ANY` where it may read every one."""
    return tuple(read.name for read in reads_below(value) if read.context in (context, ANY))


def services_read(value: Any) -> set[str]:
    """The services of a job, in lower case, that plain data reads: `job.services.db.ports[5432]`; `ANY` for all."""
    return {([*read.path, ANY, ANY])[2] for read in reads_below(value) if read.touches("job.services")}


def only(text: str) -> Expression | None:
    """The expression that this text is, blanks around it aside; None for a text with anything else in it."""
    found = expressions_in(text)
    if len(found) != 1 or text[: found[0].start].strip() or text[found[0].end :].strip():
        return None
    return found[0]


def only_read(text: str) -> Read | None:
    """The value that this text is, as in `${{ github.ref }}`; None for a text that is or holds anything else."""
    expression = only(text)
    return expression.read if expression is not None else None


def is_own_token(text: str) -> bool:
    """Whether a text is the token that GitHub makes for each job."""
    read = only_read(text)
    return read is not None and read.is_(*OWN_TOKEN)


def literals(text: str) -> tuple[str, ...]:
    """What stands before, between and behind the expressions of a text: always one more than there are of them."""
    parts, at = [], 0
    for expression in expressions_in(text):
        parts.append(text[at : expression.start])
        at = expression.end
    return (*parts, text[at:])


def replaced(text: str, new: Callable[[Expression], str]) -> str:
    """The text with each of its expressions replaced."""
    found = expressions_in(text)
    made = [part for pair in zip(literals(text), map(new, found), strict=False) for part in pair]
    return "".join([*made, literals(text)[-1]])


def places(text: str) -> tuple[tuple[int, int], ...]:
    """Where the expressions of a text stand: starts and ends."""
    return tuple((expression.start, expression.end) for expression in expressions_in(text))


def masked(text: str, letter: str) -> str:
    """The text with each of its expressions written as that many letters, so that places stay."""
    return replaced(text, lambda expression: letter * (expression.end - expression.start))


def without(text: str) -> str:
    """The text without its expressions."""
    return "".join(literals(text))


def conditions(text: str) -> frozenset[str]:
    """What must all hold where this is the value of an `if:`, each in one spelling; the whole if it cannot be read."""
    if not text.strip():
        return frozenset()
    parts = _conjuncts(text)
    return frozenset(map(canonical, parts)) if parts else frozenset((text,))


def _conjuncts(text: str) -> tuple[Term, ...]:
    """The terms that must all hold; none for a condition that is empty, cannot be read, or is a text around one."""
    found = expressions_in(text, whole=True)
    mixed = "${{" in text and without(text).strip() != ""
    root = found[0].root if found and not mixed else None
    if root is None:
        return ()
    return root.operands if isinstance(root, Operation) and root.operator == "&&" else (root,)


def equalities(text: str) -> Iterator[tuple[Read, Literal]]:
    """What must have which value where this is the value of an `if:` that holds."""
    for term in _conjuncts(text):
        if isinstance(term, Operation) and term.operator == "==":
            left, right = term.operands
            if isinstance(left, Literal):
                left, right = right, left
            if isinstance(left, Read) and isinstance(right, Literal):
                yield left, right


def only_after_failure(text: str) -> bool:
    """Whether the value of an `if:` can hold only where something before has failed or was cancelled."""
    return any(map(_failed, _conjuncts(text)))


def _failed(term: Term) -> bool:
    match term:
        case Call(function="failure" | "cancelled"):
            return True
        case Operation("==", (Read() as found, Literal() as wanted) | (Literal() as wanted, Read() as found)):
            return _asks_for_failure(found, wanted)
        case Call(function="contains", arguments=(Read() as found, Literal() as wanted)):  # `needs.*.result`
            return _asks_for_failure(found, wanted)
        case Operation("&&", operands):
            return any(map(_failed, operands))
        case Operation("||", operands):
            return all(map(_failed, operands))
    return False


def _asks_for_failure(found: Read, wanted: Literal) -> bool:
    asked = found.context in ("needs", "steps") and found.path[-1] in ("result", "outcome", "conclusion")
    return asked and wanted.text.lower() in ("failure", "cancelled")


def canonical(term: Term) -> str:
    """A term in the one spelling that all spellings of it have."""
    match term:
        case Read():
            return term.dotted
        case Literal():
            return "'" + term.text.replace("'", "''") + "'" if isinstance(term.value, str) else term.text or "null"
        case Call():
            return f"{term.function}({', '.join(map(canonical, term.arguments))})"
        case Part():
            return f"{canonical(term.of)}[{canonical(term.index)}]"
    operands = [_enclosed(operand) for operand in term.operands]
    return f"!{operands[0]}" if term.operator == "!" else f" {term.operator} ".join(operands)


def _enclosed(term: Term) -> str:
    written = canonical(term)
    return f"({written})" if isinstance(term, Operation) and term.operator != "!" else written


def part_of_expression(text: str) -> ScriptText:
    """What is written between `${{` and `}}`, also of a script: GitHub reads it, no shell does, and nothing of it ends
    the expression. Raises ValueError for more than names, dots, calls and indexes."""
    if not _PART.fullmatch(text):
        raise ValueError(f"{text!r} is no part of an expression")
    return ScriptText.written(text)


def renamed(text: str, found: Read, dotted: str) -> list[tuple[int, int, ScriptText]]:
    """The edits of a text that make a read of it mean another path, each key in the spelling that it has.

    Both paths have as many keys. What is the same stays as it is; there are no edits for a read with `ANY` in it.
    """
    wanted = dotted.split(".")
    if len(wanted) != len(found.keys) or ANY in found.path:
        raise ValueError(f"{found.dotted} cannot be renamed to {dotted}")
    return [
        (key.start, key.end, part_of_expression(new))
        for key, new in zip(found.keys, wanted, strict=True)
        if key.text.lower() != new.lower()
    ]


# -- the parser ---------------------------------------------------------------------------------------------------


class _UnreadableError(Exception):
    pass


@record
class _Token:
    kind: str
    text: str
    start: int
    end: int


def _embedded(text: str) -> Iterator[Expression]:
    at = 0
    while (start := text.find("${{", at)) >= 0:
        end = _closing(text, start + 3)
        if end < 0:
            yield _unreadable(text[start:], start, len(text), "it is not closed")
            return
        yield _parsed(text, start, end, start + 3, end - 2)
        at = end


def _closing(text: str, at: int) -> int:
    """Behind the `}}` that ends an expression; braces in its strings do not. -1 where there is none."""
    quoted = False
    while at < len(text):
        if text[at] == "'":
            quoted = not quoted
        elif not quoted and text.startswith("}}", at):
            return at + 2
        at += 1
    return -1


def _parsed(text: str, start: int, end: int, inner_start: int, inner_end: int) -> Expression:
    try:
        parser = _Parser(list(_tokens(text, inner_start, inner_end)))
        root = parser.all()
    except _UnreadableError as error:
        return _unreadable(text[start:end], start, end, str(error))
    return Expression(text[start:end], start, end, root, tuple(parser.reads), frozenset(parser.functions))


def _unreadable(text: str, start: int, end: int, why: str) -> Expression:
    anything = Read((Key(ANY, start, end),), start, end)
    return Expression(text, start, end, None, (anything,), error=why)


def _tokens(text: str, at: int, end: int) -> Iterator[_Token]:
    previous = ""
    while at < end:
        if text[at].isspace():
            at += 1
            continue
        kind, found = _token_at(text, at, end, behind_value=previous in ("name", ")", "]", ANY))
        yield _Token(kind, found[0], at, found.end())
        previous = found[0] if kind == "operator" else kind
        at = found.end()


def _token_at(text: str, at: int, end: int, *, behind_value: bool) -> tuple[str, re.Match[str]]:
    for kind, pattern in (("string", _STRING), ("name", _NAME), ("number", _NUMBER), ("operator", _OPERATOR)):
        # Behind a value, a dot takes a part of it and begins no number.
        if kind == "number" and behind_value:
            continue
        found = pattern.match(text, at, end)
        if found is not None:
            return kind, found
    raise _UnreadableError(f"`{text[at:end].strip()[:20]}` is not understood")


class _Parser:
    """Recursive descent. What was read and called is noted on the way."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.reads: list[Read] = []
        self.functions: set[str] = set()

    def all(self) -> Term:
        if not self.tokens:
            raise _UnreadableError("it is empty")
        root = self.term(0)
        if self.at < len(self.tokens):
            raise _UnreadableError(f"`{self.tokens[self.at].text}` is not expected")
        self.reads.sort(key=lambda read: read.start)
        return root

    def next_is(self, *operators: str) -> bool:
        return (
            self.at < len(self.tokens)
            and self.tokens[self.at].kind == "operator"
            and self.tokens[self.at].text in operators
        )

    def take(self) -> _Token:
        if self.at >= len(self.tokens):
            raise _UnreadableError("it ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, operator: str) -> _Token:
        found = self.take()
        if found.kind != "operator" or found.text != operator:
            raise _UnreadableError(f"`{found.text}` stands where `{operator}` is expected")
        return found

    def term(self, level: int) -> Term:
        if level == len(_BINARY):
            return self.negation()
        first = self.term(level + 1)
        while self.next_is(*_BINARY[level]):
            operator = self.take().text
            operands = [first, self.term(level + 1)]
            while operator in ("&&", "||") and self.next_is(operator):
                self.take()
                operands.append(self.term(level + 1))
            first = Operation(operator, tuple(operands), first.start, operands[-1].end)
        return first

    def negation(self) -> Term:
        if not self.next_is("!"):
            return self.value()
        start = self.take().start
        self.deeper()
        operand = self.negation()
        self.depth -= 1
        return Operation("!", (operand,), start, operand.end)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _UnreadableError("it is nested too deeply")

    def value(self) -> Term:
        token = self.take()
        match token.kind:
            case "string":
                return Literal(token.text[1:-1].replace("''", "'"), token.start, token.end)
            case "number":
                return Literal(_number(token.text), token.start, token.end)
            case "name" if self.next_is("("):
                return self.parts_of(self.call(token))
            case "name" if token.text in _KEYWORDS:
                return Literal(_KEYWORDS[token.text], token.start, token.end)
            case "name":
                return self.read(token)
        if token.text != "(":
            raise _UnreadableError(f"`{token.text}` is not expected")
        self.deeper()
        inner = self.term(0)
        self.depth -= 1
        self.expect(")")
        return self.parts_of(inner)

    def call(self, name: _Token) -> Call:
        self.expect("(")
        self.deeper()
        arguments: list[Term] = []
        while not self.next_is(")"):
            if arguments:
                self.expect(",")
            arguments.append(self.term(0))
        self.depth -= 1
        function = name.text.lower()
        self.functions.add(function)
        return Call(function, tuple(arguments), name.start, self.expect(")").end)

    def read(self, name: _Token) -> Read:
        keys = [Key(name.text, name.start, name.end)]
        end = name.end
        while self.next_is(".", "["):
            key, _, end = self.key()
            keys.append(key)
        read = Read(tuple(keys), name.start, end)
        self.reads.append(read)
        return read

    def parts_of(self, value: Term) -> Term:
        while self.next_is(".", "["):
            _, index, end = self.key()
            value = Part(value, index, value.start, end)
        return value

    def key(self) -> tuple[Key, Term, int]:
        """`.name`, `.*`, `['name']`, `[*]`, `[0]` or `[computed]`: the key, its term, and where it ends."""
        if self.take().text == ".":
            token = self.take()
            if token.kind != "name" and token.text != ANY:
                raise _UnreadableError(f"`{token.text}` is no name")
            return Key(token.text, token.start, token.end), Literal(token.text, token.start, token.end), token.end
        if self.next_is(ANY):
            token = self.take()
            return Key(ANY, token.start, token.end), Literal(ANY, token.start, token.end), self.expect("]").end
        self.deeper()
        index = self.term(0)
        self.depth -= 1
        closing = self.expect("]")
        if not isinstance(index, Literal):
            return Key(ANY, index.start, index.end), index, closing.end
        quotes = isinstance(index.value, str)
        return Key(index.text, index.start + quotes, index.end - quotes), index, closing.end


def _number(text: str) -> float:
    unsigned = text.lstrip("+-").lower()
    sign = -1.0 if text.startswith("-") else 1.0
    try:
        if unsigned.startswith("0x"):
            return sign * int(unsigned, 16)
        if unsigned.startswith("0o"):
            return sign * int(unsigned, 8)
        return sign * float(unsigned)
    except OverflowError:  # hundreds of digits
        return sign * math.inf
