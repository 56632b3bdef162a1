"""Which files there are: by name, by suffix, by kind, and by the folder that they are in.

Each index is made when somebody asks for it, and once: whoever looks at the same files, whatever is in them, shares it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property

from fixer.documents import MARKS, SUFFIXES, kind_of, suffix_of


class Listing:
    """Paths, sorted."""

    def __init__(self, files: tuple[str, ...]) -> None:
        self.files = files

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self.files)

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder in which a file stands, or a folder with one."""
        found: set[str] = set()
        for path in self.files:
            folder = path.rpartition("/")[0]
            while folder and folder not in found:
                found.add(folder)
                folder = folder.rpartition("/")[0]
        return frozenset(found)

    def named(self, name: str) -> Sequence[str]:
        """Every path whose last part is this name."""
        return self._by_name.get(name, ())

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.files:
            found.setdefault(path.rpartition("/")[2], []).append(path)
        return found

    def ending(self, suffix: str) -> Sequence[str]:
        """Every path with this suffix, in whatever case."""
        return self._by_suffix.get(suffix, ())

    @cached_property
    def _by_suffix(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.files:
            found.setdefault(suffix_of(path), []).append(path)
        return found

    def beginning(self, start: str) -> tuple[str, ...]:
        first = bisect_left(self.files, start)
        end = bisect_right(self.files, start, first, key=lambda path: path[: len(start)])
        return self.files[first:end]

    def holding(self, text: str) -> Iterator[str]:
        """Every path in which a text stands, in whatever case; it is given in lower case."""
        return (path for path, plain in zip(self.files, self._in_lower_case, strict=True) if text in plain)

    @cached_property
    def _in_lower_case(self) -> list[str]:
        return [path.lower() for path in self.files]

    @cached_property
    def by_kind(self) -> dict[str, list[str]]:
        """Paths by the kind of document that they hold."""
        found: dict[str, list[str]] = {}
        marked = {path for mark in MARKS for path in self.holding(mark)}
        for path in sorted(marked.union(*(self.ending(suffix) for suffix in SUFFIXES))):
            found.setdefault(kind_of(path), []).append(path)
        return found
