"""Values with named fields, made in a tenth of the time of `dataclass(frozen=True)`: a start makes two hundred kinds.

Most of that time goes into compiling methods for each class. So these share theirs, but for `__init__`, which is made
with the first value: no run meets values of every kind. `NamedTuple` takes longer still, and says of its values that
they are pairs and triples. `dataclasses.replace`, `fields` and `asdict` take records as their own. mypy refuses whoever
sets a field; Python does not.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, Field, field
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

from fixer.kept import compiled

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
    fields: dict[str, Field[Any]] = {}
    for base in reversed(kind.__mro__[1:]):
        fields |= getattr(base, "__dataclass_fields__", {})
    fields |= {name: _field(kind, name, said) for name, said in kind.__annotations__.items()}
    made: dict[str, Any] = {"__dataclass_fields__": fields, "__match_args__": tuple(fields)}
    if "__init__" not in kind.__dict__:
        made["__init__"] = _first(kind, fields)
    if kind.__repr__ is object.__repr__:
        made["__repr__"] = _shown
    for name, value in made.items():
        setattr(kind, name, value)
    return kind


def _field(kind: type[Any], name: str, said: Any) -> Field[Any]:
    """A field of a class, whose default is what the class says of it."""
    given = kind.__dict__.get(name, MISSING)
    made: Any = given if isinstance(given, Field) else field(default=given)
    made.name, made.type, made._field_type = name, said, dataclasses._FIELD  # type: ignore[attr-defined]
    if made.default is not MISSING:
        setattr(kind, name, made.default)
    elif isinstance(given, Field):
        delattr(kind, name)
    return made  # type: ignore[no-any-return]


def _first(kind: Any, fields: dict[str, Field[Any]]) -> Any:
    """The `__init__` that the first value of a class is made with: it makes the one for all others."""

    def init(self: Any, *given: Any, **named: Any) -> None:
        known: dict[str, Any] = {"_later": MISSING}
        takes, does = ["self"], []
        for name, each in fields.items():
            value = name
            if each.default is not MISSING:
                known[f"_{name}"] = each.default
                takes.append(f"{name}=_{name}")
            elif each.default_factory is not MISSING:
                known[f"_{name}"] = each.default_factory
                takes.append(f"{name}=_later")
                value = f"_{name}() if {name} is _later else {name}"
            else:
                takes.append(name)
            does.append(f"self.{name} = {value}")
        if hasattr(kind, "__post_init__"):
            does.append("self.__post_init__()")
        exec(compiled(f"def __init__({', '.join(takes)}):\n " + "\n ".join(does or ["pass"])), known)
        kind.__init__ = known["__init__"]
        kind.__init__(self, *given, **named)

    return init


def _shown(self: Any) -> str:
    said = (f"{each.name}={getattr(self, each.name)!r}" for each in self.__dataclass_fields__.values() if each.repr)
    return f"{type(self).__qualname__}({', '.join(said)})"
