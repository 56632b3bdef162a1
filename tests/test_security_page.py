"""docs/security.md says nothing that no test holds."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"\[([\w/]+): (\w+)\]", TEXT)


def test_each_sentence_names_a_test_that_is_there() -> None:
    for module, name in NAMED:
        folder, _, stem = module.rpartition("/")
        path = ROOT / "tests" / folder / f"test_{stem}.py"
        assert f"def test_{name}(" in path.read_text(encoding="utf-8"), f"{module}: {name}"


def test_each_sentence_has_a_test_or_says_what_to_look_at() -> None:
    points = re.split(r"^\* ", TEXT, flags=re.MULTILINE)[1:]

    assert len(points) > 20
    assert [
        point for point in points if not re.search(r"\[[\w/]+: \w+\]", point) and "look at it first" not in point
    ] == []
