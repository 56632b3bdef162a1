"""Where the project writes SQL by hand, which server-side parameters may break."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.languages.python import PythonModule
from fixer.model import FileError, Span
from fixer.patterns import Rare
from fixer.records import entity

if TYPE_CHECKING:
    from fixer.repository import Repository

_RAW = Rare(
    r"\.raw\(|\bcursor\.(execute|executemany|callproc)\(|\bRawSQL\(|\.extra\(\s*(select|where|tables)\b",
    *(".raw(", "cursor.", "RawSQL(", ".extra("),
)
# Nor what the server starts, where a connection is only set up.
_ASIDE = re.compile(r"(^|/)(tests?|migrations)/|(^|/)(test_[^/]*|[^/]*_tests?|conftest|[aw]sgi)\.py$")


@entity
class RawSql:
    """Read only when it is asked for: it means reading every module."""

    repository: Repository

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        return cls(repository)

    @cached_property
    def first(self) -> str:
        """`path:line` of the first place outside of tests and migrations, or an empty string."""
        for path in self.repository.ending(".py"):
            if not _ASIDE.search(path):
                text = self.repository.text(path)
                found = list(_RAW.finditer(text))
                bare = self._bare(path) if found else ()
                for each in found:
                    if not any(span.start <= each.start() < span.end for span in bare):
                        return f"{path}:{text.count(chr(10), 0, each.start()) + 1}"
        return ""

    def _bare(self, path: str) -> tuple[Span, ...]:
        """The calls with one statement that is spelled out and has no parameters, which nothing can bind."""
        try:
            module = self.repository.document(path)
        except FileError:
            return ()
        return tuple(_bare_calls(module)) if isinstance(module, PythonModule) else ()


def _bare_calls(module: PythonModule) -> Iterator[Span]:
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(
                func=ast.Attribute(ast.Name() | ast.Attribute(), "execute" | "raw"),
                args=[ast.Constant(str(sql))],
                keywords=[],
            ) if ";" not in sql.strip().removesuffix(";"):
                yield module.span(node)
