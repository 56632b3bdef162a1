"""A Python file as it stands: where its nodes are, what they mean, and the style that it is written in."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Self

from fixer.languages.python.plain import bodies_of, displays_in, is_keyed, key_text, plain_statement, target_text
from fixer.model import Address, FileError, Source, Span
from fixer.records import record

_LONG_NUMBER = re.compile(r"[0-9a-fA-F_]{3000}")
_TEMPLATE = re.compile(r"\{%-?\s|\{\{\s*(cookiecutter|project_name|secret_key)\b")


@record
class _Token:
    kind: int
    text: str
    start: int
    end: int


class PythonText:
    """One Python file. Nodes are those of `ast`; offsets are characters of `Source.text`.

    `parse` raises FileError for templates, for lone carriage returns, and for what the running Python cannot
    parse: newer syntax, or Python 2.
    """

    def __init__(self, source: Source, tree: ast.Module) -> None:
        self.source = source
        self.tree = tree

    @classmethod
    def parse(cls, source: Source) -> Self:
        if re.search(r"\r(?!\n)", source.text):
            raise FileError(source.path, "has lone carriage returns", "convert its line ends")
        try:
            tree = ast.parse(source.text, source.path)
            if _LONG_NUMBER.search(source.text):
                ast.unparse(tree)  # raises ValueError for a number that Python reads and cannot write
            return cls(source, tree)
        except SyntaxError as error:
            if _TEMPLATE.search(source.text):
                raise FileError(source.path, "a template, not Python", "exclude it") from None
            advice = "correct it, or run fhfix with the Python version that the project uses"
            raise FileError(source.path, f"line {error.lineno}: {error.msg}", advice) from None
        except (RecursionError, MemoryError, ValueError) as error:
            raise FileError(source.path, f"cannot be parsed: {error}", "exclude it") from None

    @property
    def path(self) -> str:
        return self.source.path

    def plain(self) -> list[Any]:
        return [plain_statement(statement) for statement in self.tree.body]

    # -- where things stand ---------------------------------------------------------------------------------------

    @cached_property
    def _lines(self) -> list[tuple[int, str]]:
        """(offset of its start, text with its line end) of every line; only `\\n` ends one."""
        found, at = [], 0
        for line in self.source.text.split("\n"):
            found.append((at, line + "\n"))
            at += len(line) + 1
        return found

    def _offset(self, line: int, column: int) -> int:
        """`ast` counts columns in bytes of UTF-8."""
        start, text = self._lines[line - 1]
        return start + (column if text.isascii() else len(text.encode()[:column].decode()))

    def span(self, node: ast.AST) -> Span:
        """Where a statement or expression stands, without parentheses around it."""
        place: Any = node
        return Span(self._offset(place.lineno, place.col_offset), self._offset(place.end_lineno, place.end_col_offset))

    def line_of(self, node: ast.AST) -> int:
        place: Any = node
        return int(place.lineno)

    def text_of(self, node: ast.AST) -> str:
        span = self.span(node)
        return self.source.text[span.start : span.end]

    @cached_property
    def _tokens(self) -> list[_Token]:
        """Every token but line ends and indentation, in order."""
        lines = self._lines
        skipped = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
        return [
            _Token(
                token.type, token.string, lines[token.start[0] - 1][0] + token.start[1],
                lines[token.end[0] - 1][0] + token.end[1],
            )
            for token in tokenize.generate_tokens(io.StringIO(self.source.text, newline="").readline)
            if token.type not in skipped
        ]  # fmt: skip

    @cached_property
    def _token_starts(self) -> list[int]:
        return [token.start for token in self._tokens]

    def _tokens_in(self, start: int, end: int) -> list[_Token]:
        return self._tokens[bisect_left(self._token_starts, start) : bisect_left(self._token_starts, end)]

    def comments_in(self, start: int, end: int) -> list[str]:
        """The comments that stand between two offsets."""
        return [token.text for token in self._tokens_in(start, end) if token.kind == tokenize.COMMENT]

    def comments_beside(self, statement: ast.stmt) -> list[str]:
        """The comments on the last line of a statement."""
        end = self.span(statement).end
        return self.comments_in(end, self.source.line_end(end))

    # -- what things mean -----------------------------------------------------------------------------------------

    @cached_property
    def _addresses(self) -> dict[int, Address]:
        """Address of every statement and of every value that the plain data shows, by the id of its node."""
        found: dict[int, Address] = {}

        def value(node: ast.expr, at: Address) -> None:
            found[id(node)] = at
            if isinstance(node, ast.Dict):
                for index, (key, item) in enumerate(zip(node.keys, node.values, strict=True)):
                    name = key_text(key, item)
                    value(item, (*at, name) if is_keyed(node) else (*at, index, name))
            elif isinstance(node, ast.List):
                for index, item in enumerate(node.elts):
                    value(item, (*at, index))
            else:
                displays(node, at)

        def displays(node: ast.AST, at: Address) -> None:
            for index, display in enumerate(displays_in(node)):
                value(display, (*at, "displays", index))

        def body(statements: Sequence[ast.AST], at: Address) -> None:
            for index, statement in enumerate(statements):
                here = (*at, index)
                found[id(statement)] = here
                target, bodies = target_text(statement), bodies_of(statement)
                if target:
                    value(statement.value, (*here, target))  # type: ignore[attr-defined]
                elif not bodies:
                    displays(statement, here)
                for name, inner in bodies:
                    body(inner, (*here, name))

        body(self.tree.body, ())
        return found

    @cached_property
    def _parents(self) -> dict[int, ast.AST]:
        return {id(child): parent for parent in ast.walk(self.tree) for child in ast.iter_child_nodes(parent)}

    def parent(self, node: ast.AST) -> ast.AST | None:
        return self._parents.get(id(node))

    def statement_of(self, node: ast.AST) -> ast.stmt:
        """The statement that a node belongs to."""
        found: ast.AST | None = node
        while found is not None and not isinstance(found, ast.stmt):
            found = self.parent(found)
        if found is None:
            raise ValueError("not a node of this module")
        return found

    @cached_property
    def assignments(self) -> dict[str, list[ast.expr]]:
        """Every value that a name gets by a plain assignment, anywhere in the module."""
        found: dict[str, list[ast.expr]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, []).append(node.value)
            elif isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
                found.setdefault(node.target.id, []).append(node.value)
        return found

    @cached_property
    def imported(self) -> dict[str, str]:
        """Local name → dotted name, for the imports of the module itself (not those within functions)."""
        found: dict[str, str] = {}
        for statement in self.top_level():
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    name = alias.name if alias.asname else alias.name.partition(".")[0]
                    found[alias.asname or name] = name
            elif isinstance(statement, ast.ImportFrom):
                for alias in statement.names:
                    origin = "." * statement.level + (statement.module or "")
                    found[alias.asname or alias.name] = f"{origin}.{alias.name}"
        return found

    @cached_property
    def _import_lines(self) -> dict[str, int]:
        """Local name → line of its first import."""
        found: dict[str, int] = {}
        for statement in self.top_level():
            for alias in statement.names if isinstance(statement, ast.Import | ast.ImportFrom) else ():
                found.setdefault(alias.asname or alias.name.partition(".")[0], statement.lineno)
        return found

    def top_level(self) -> Iterator[ast.stmt]:
        """Statements that run on import, also within `if` and `try`; not those of functions and classes."""
        todo: list[ast.AST] = list(reversed(self.tree.body))
        while todo:
            statement = todo.pop()
            if isinstance(statement, ast.stmt):
                yield statement
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for _, inner in reversed(bodies_of(statement)):
                    todo.extend(reversed(inner))

    def name_of(self, dotted: str, above: ast.AST | None = None) -> str:
        """How this module spells an imported thing (`os.getenv`, or `getenv`), or an empty string.

        With `above`, a node, what is imported only further down does not count.
        """
        for local, origin in self.imported.items():
            if above is not None and self._import_lines[local] > self.line_of(above):
                continue
            if origin == dotted:
                return local
            if dotted.startswith(origin + "."):
                return local + dotted[len(origin) :]
        return ""

    # -- style ----------------------------------------------------------------------------------------------------

    @property
    def quote(self) -> str:
        """The quote that most one-line strings of the module have."""
        return self.own_quote or '"'

    @cached_property
    def own_quote(self) -> str:
        """The same; empty where it has none."""
        strings = [token.text.lstrip("rRbBuUfF") for token in self._tokens if token.kind == tokenize.STRING]
        quotes = [text[0] for text in strings if text[:3] not in ("'''", '"""')]
        return max(('"', "'"), key=quotes.count) if quotes else ""

    def quoted(self, value: str) -> str:
        """A string literal as the module writes them, for use within `Code`."""
        return string_of(value, self.quote)

    def in_its_quotes(self, code: str) -> str:
        """The text of new code with the quotes of this module; docstrings keep theirs."""
        if self.quote == '"':
            return code
        return re.sub(r'(?<!")"([^"\'\n]*)"(?!")', r"'\1'", code)

    @cached_property
    def indentation(self) -> str:
        """One level of indentation: a tab where most lines have one, else the smallest that a line has."""
        found = re.findall(r"^([ \t]+)\S", self.source.text, re.MULTILINE)
        if sum("\t" in space for space in found) * 2 > len(found):
            return "\t"
        widths = {len(space) for space in found if len(space) in (2, 4, 8)}
        return " " * min(widths, default=4)


def string_of(value: str, quote: str) -> str:
    written = repr(value)
    if written[0] == quote or quote in value or "\\" in written:
        return written
    return quote + written[1:-1] + quote
