"""Records and entities: what dataclasses are, but for the time that they take."""

from __future__ import annotations

from dataclasses import asdict, field, fields, replace
from typing import Any

import pytest

from fixer.records import entity, record


@record
class Point:
    x: int
    y: int = 0
    names: list[str] = field(default_factory=list)
    note: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("negative")


@record
class Place(Point):
    z: int = 5
    y: int = 7


@entity
class Thing:
    name: str


class Undecorated(Thing):
    pass


def test_defaults_are_as_the_class_says_and_lists_are_not_shared() -> None:
    one, two = Point(1), Point(1, y=2)
    one.names.append("a")
    assert (one.x, one.y, one.names, one.note) == (1, 0, ["a"], "")
    assert (two.y, two.names) == (2, [])
    assert Point.y == 0
    assert not hasattr(Point, "names")


def test_what_a_class_is_made_with_is_checked_from_its_first_value_on() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="negative"):
            Point(-1)
        with pytest.raises(TypeError):
            Point()  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            Point(1, unknown=2)  # type: ignore[call-arg]


def test_a_class_below_another_has_its_fields_first() -> None:
    assert [each.name for each in fields(Place)] == ["x", "y", "names", "note", "z"]
    assert (Place(1).y, Place(1).z, Point(1).y) == (7, 5, 0)
    assert Undecorated("a").name == "a"
    assert isinstance(Undecorated("b"), Thing)


def test_records_are_equal_where_their_fields_are_and_entities_never() -> None:
    assert Point(1, note="a") == Point(1, note="b")
    assert Point(1) != Place(1)
    assert Thing("a") != Thing("a")
    assert len({Thing("a"), Thing("a")}) == 2


def test_dataclasses_take_them_as_their_own() -> None:
    assert replace(Place(1, z=2), x=3) == Place(3, z=2)
    assert asdict(Point(1, 2, ["a"], "b")) == {"x": 1, "y": 2, "names": ["a"], "note": "b"}
    match Place(4):
        case Point(x, y):
            assert (x, y) == (4, 7)


def test_what_they_show() -> None:
    shown: list[Any] = [Point(1), Thing("a")]
    assert [*map(repr, shown)] == ["Point(x=1, y=0, names=[])", "Thing(name='a')"]
