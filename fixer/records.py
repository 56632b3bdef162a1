"""Values with named fields, made in a quarter of the time of `dataclass(frozen=True)`: a start makes two hundred kinds.

Most of that time goes into compiling methods for each class, so these share theirs. mypy refuses whoever sets a field;
Python does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(kind: type[T]) -> type[T]:
    """A class of values that are equal where their fields are."""
    made = entity(kind)
    names = [each.name for each in made.__dataclass_fields__.values() if each.compare]  # type: ignore[attr-defined]
    values = attrgetter(*names) if names else lambda self: ()

    def equal(self: Any, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    made.__eq__ = equal  # type: ignore[method-assign]
    made.__hash__ = lambda self: hash(values(self))  # type: ignore[method-assign]
    return made


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
def entity(kind: type[T]) -> type[T]:
    """A class of things of which each is equal to itself alone."""
    kind.__doc__ = kind.__doc__ or kind.__name__  # else its signature is made and written there, which takes as long
    made = dataclass(repr=False, eq=False)(kind)
    if made.__repr__ is object.__repr__:
        made.__repr__ = _shown  # type: ignore[method-assign]
    return made


def _shown(self: Any) -> str:
    said = (f"{each.name}={getattr(self, each.name)!r}" for each in self.__dataclass_fields__.values() if each.repr)
    return f"{type(self).__qualname__}({', '.join(said)})"
