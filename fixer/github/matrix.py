"""The jobs that a matrix makes of one.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstrategymatrix
"""

from __future__ import annotations

from functools import cached_property
from itertools import product
from typing import Any

from fixer.records import record

_MOST = 512


@record
class Matrix:
    """`data` is the plain value of `strategy.matrix`; a text where an expression makes it."""

    data: Any

    @cached_property
    def combinations(self) -> list[dict[str, Any]] | None:
        """The values of each job; None where an expression makes them, or where there are too many to list."""
        return combinations_of(self.data)

    def values(self, key: str) -> list[Any] | None:
        """Every value that a key has in some job; None where that is not known. Keys do not tell upper from lower."""
        if self.combinations is None:
            return None
        found: list[Any] = []
        for combination in self.combinations:
            for name, value in combination.items():
                if name.lower() == key.lower() and value not in found:
                    found.append(value)
        return found


def combinations_of(matrix: Any) -> list[dict[str, Any]] | None:
    """The jobs of a matrix's plain data, as `Matrix.combinations` gives them."""
    if not isinstance(matrix, dict):
        return None
    axes = {key: values for key, values in matrix.items() if key not in ("include", "exclude")}
    if any(not isinstance(values, list) for values in axes.values()):
        return None
    count = 1
    for values in axes.values():
        count *= len(values)
    if count > _MOST:
        return None
    found = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())] if axes else []
    excluded = matrix.get("exclude", [])
    if isinstance(excluded, list):
        found = [
            one
            for one in found
            if not any(isinstance(out, dict) and all(one.get(k) == v for k, v in out.items()) for out in excluded)
        ]
    included = matrix.get("include", [])
    if not isinstance(included, list) or any(not isinstance(entry, dict) for entry in included):
        return None
    original = [dict(one) for one in found]
    for entry in included:
        fitting = [
            position
            for position, one in enumerate(original)
            if all(one[key] == value for key, value in entry.items() if key in axes)
        ]
        for position in fitting:
            found[position].update(entry)
        if not fitting:
            found.append(dict(entry))
    return found
