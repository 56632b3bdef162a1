"""Where the project writes SQL by hand, which server-side parameters may break."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Self

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
            if path.endswith(".py") and not _ASIDE.search(path):
                text = self.repository.text(path)
                found = _RAW.search(text)
                if found:
                    return f"{path}:{text.count(chr(10), 0, found.start()) + 1}"
        return ""
