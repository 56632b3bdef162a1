"""Files of lines: positions, builders, and that insert and delete undo each other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.languages.lines import Lines
from fixer.model import Blocked, Parts, Source
from fixer.splice import splice
from fixer.verify import perform

FILES = st.lists(st.sampled_from(["a", "#", " ", "é", "\n", "\r\n", "\r", "\f", "\u2028"]), max_size=8).map("".join)


def lines(text: str) -> Lines:
    return Lines.parse(Source(".dockerignore", text))


def spliced(text: str, parts: Parts) -> str:
    assert not isinstance(parts, Blocked)
    return splice(text, parts)


def performed(plain: list[str], parts: Parts) -> Any:
    assert not isinstance(parts, Blocked)
    return perform(plain, parts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n", [""]),
        (".git", [".git"]),
        (".git\n", [".git"]),
        (".git\r\n\r\n# x\r\n", [".git", "", "# x"]),
        ("a\r\nb\nc", ["a", "b", "c"]),
        ("a\rb\r", ["a\rb"]),
        ("a\u2028b\fc\n", ["a\u2028b\fc"]),
    ],
)
def test_line_ends_are_not_part_of_the_meaning(text: str, expected: list[str]) -> None:
    assert lines(text).plain() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "x\ny\n"),
        ("a\n", "a\nx\ny\n"),
        ("a", "a\nx\ny"),
        ("a\r\nb\r\n", "a\r\nb\r\nx\r\ny\r\n"),
        ("a\r", "a\r\nx\ny"),
    ],
)
def test_appending_keeps_the_files_line_ends(text: str, expected: str) -> None:
    assert spliced(text, lines(text).append("x", "y")) == expected


def test_a_line_goes_before_another() -> None:
    assert spliced("a\nb", lines("a\nb").insert(1, "x")) == "a\nx\nb"


def test_replacing_keeps_the_line_end() -> None:
    assert spliced("a\r\nb\r\n", lines("a\r\nb\r\n").replace(0, "c")) == "c\r\nb\r\n"


@pytest.mark.parametrize(
    ("text", "indexes", "expected"),
    [("a\nb\nc", [1, 2], "a"), ("a\nb\nc\n", [0, 2], "b\n"), ("a", [0], ""), ("a\nb\nc", [2, 0], "b")],
)
def test_deleting_takes_the_line_end_along(text: str, indexes: list[int], expected: str) -> None:
    assert spliced(text, lines(text).delete(*indexes)) == expected


def test_text_of_two_lines_is_no_line() -> None:
    with pytest.raises(ValueError, match="not one line"):
        lines("a\n").append("b\nc")


def test_a_line_that_is_not_there_cannot_be_changed() -> None:
    one = lines("a\n")
    with pytest.raises(IndexError):
        one.replace(-1, "b")
    with pytest.raises(IndexError):
        one.delete(1)
    with pytest.raises(IndexError):
        one.insert(2, "b")


@given(FILES, st.lists(st.sampled_from(["x", "", "# y"]), min_size=1, max_size=3), st.integers(0, 12))
def test_text_and_meaning_of_an_insertion_agree_and_deleting_undoes_it(text: str, new: list[str], at: int) -> None:
    before = lines(text)
    index = min(at, len(before.lines))
    parts = before.insert(index, *new)
    after = lines(spliced(text, parts))

    assert after.plain() == performed(before.plain(), parts)
    undone = spliced(after.source.text, after.delete(*range(index, index + len(new))))
    assert lines(undone).plain() == before.plain()
    assert undone == text or (index == len(before.lines) and not text.endswith("\n"))


@given(FILES, st.sampled_from(["x", ""]), st.integers(0, 7))
def test_text_and_meaning_of_a_replacement_agree(text: str, new: str, at: int) -> None:
    before = lines(text)
    if at < len(before.lines):
        parts = before.replace(at, new)

        assert lines(spliced(text, parts)).plain() == performed(before.plain(), parts)


@given(FILES, st.sets(st.integers(0, 12)))
def test_text_and_meaning_of_a_deletion_agree(text: str, wanted: set[int]) -> None:
    before = lines(text)
    parts = before.delete(*(index for index in wanted if index < len(before.lines)))

    assert lines(spliced(text, parts)).plain() == performed(before.plain(), parts)


@given(
    FILES,
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), st.sampled_from(["", "x", "x\n", "\ny\nz"])), max_size=3),
)
def test_a_splice_is_what_its_changes_say(text: str, wanted: list[tuple[int, int, str]]) -> None:
    document = lines(text)
    edits: list[tuple[int, int, str]] = []
    for start, size, new in sorted(wanted):
        if document.lines and (not edits or start > edits[-1][1]) and start + size < len(document.text):
            edits.append((start, start + size, new))
    unix = document.text
    for start, end, new in reversed(edits):
        unix = unix[:start] + new + unix[end:]

    parts = document.splice(edits)
    if "\r" in document.text:
        assert isinstance(parts, Blocked)
        return
    after = spliced(text, parts)

    assert after.replace("\r\n", "\n") == unix
    assert performed(document.plain(), parts) == lines(after).plain()


@given(
    FILES,
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from(["x", "", "x\n", "\nx", "\n", "a\nb"])),
        max_size=3,
    ),
)
def test_text_and_meaning_of_splices_of_several_calls_agree(text: str, wanted: list[tuple[int, int, str]]) -> None:
    before = lines(text)
    edits: list[tuple[int, int, str]] = []
    for start, length, new in sorted(wanted):
        at = min(max(start, edits[-1][1] + 1 if edits else 0), len(before.text))
        if not edits or at > edits[-1][1]:
            edits.append((at, min(at + length, len(before.text)), new))
    if "\r" in before.text:
        assert isinstance(before.splice(edits), Blocked)
        return

    together = before.splice(edits)

    assert lines(spliced(text, together)).plain() == performed(before.plain(), together)


@pytest.mark.parametrize("text", ["a\ndump\nb\n", "dump", "a\r\ndump\r\n"])
def test_what_is_said_of_one_line_in_two_calls_agrees(text: str) -> None:
    before = lines(text)
    at = before.text.index("dump")
    parts = [before.splice([(at, at, "set -o pipefail\n")]), before.splice([(at + 4, at + 4, " || failed=1")])]
    parts.append(before.splice([(at + 4, at + 4, "\nexit")]))
    together = tuple(edit for each in parts if not isinstance(each, Blocked) for edit in each)

    assert lines(spliced(text, together)).plain() == performed(before.plain(), together)
    assert "set -o pipefail" in lines(spliced(text, together)).plain()
