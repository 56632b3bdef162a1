"""The HTML preview holds everything, loads nothing, and cannot be made to run what a file of the repository says."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from fixer.model import Fault, FileChange, FileError, Finding, Fix, Piece, Plan, Reported, Source, Span
from fixer.show.html import html
from tests import examples


def page(plan: Plan | None = None) -> str:
    return html(plan or examples.plan(), examples.read_after, "owner/repo")


class Text(HTMLParser):
    """Tags with their attributes, and the text, as a browser would read them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said += data


def test_everything_that_a_reader_needs_is_there() -> None:
    said = Text(page()).said

    for words in (
        "owner/repo",
        "3 fixes (2 safe, 1 review) in 3 files; 1 finding stays (1 blocked).",
        "the failure of mypy cannot fail this step",
        "jobs.lint.steps[1].run: failure of mypy now fails it",
        "      - run: mypy . || true",
        "set the variable DB_INSTANCE",
        "the health URL is not known",
        'rules.hardcoded-sleep.url = "https://example.org/health"',
        "D-009",
        "Continuous integration",
        "scripts/snapshot.sh",
    ):
        assert words in said, words


def test_nothing_is_loaded_from_anywhere() -> None:
    for tag, attributes in Text(page()).tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert "src" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import", page())


def test_text_of_the_repository_is_text() -> None:
    evil = "</code></style><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }} \u202e\x1b"
    found = Reported(examples.SILENT, Finding("f", Span(0, 0), evil, Fix(evil, todo=(evil,), effects=(evil,))))
    change = FileChange("f", Source("f", "a\n"), Source("f", evil + "\n"), (Piece(evil, 0, "a"), Piece("\n")))
    plan = Plan({"f": change}, (found,), (), (Fault("x", "f", evil),), (FileError(evil, evil, evil),))
    text = html(plan, examples.read_after, evil)
    tags = [tag for tag, _ in Text(text).tags]

    assert tags.count("script") == 1
    assert "img" not in tags
    assert "{{ 7*7 }}" in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_the_policy_allows_exactly_the_own_style_and_script() -> None:
    policies = [a["content"] for tag, a in Text(page()).tags if a.get("http-equiv") == "Content-Security-Policy"]

    assert policies[0] is not None
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/]{43}='; script-src 'sha256-[\w+/]{43}='; base-uri 'none'",
        policies[0],
    )


def test_both_sides_of_every_changed_line_are_there_and_what_differs_is_marked() -> None:
    assert "actions/checkout@<mark>v3</mark>" in page()
    assert "actions/checkout@<mark>v6</mark>" in page()
    assert "mypy .<mark> || true</mark>" in page()


@pytest.mark.parametrize(
    ("old", "new", "marked"),
    [
        ("age: 600,", "age: 0,", ["600", "0"]),
        ("a b c", "a c", ["b "]),
        ("run mypy", "run mypy --strict", [" --strict"]),
        ("abc_1 = xy", "abc_2 = xy", ["abc_1", "abc_2"]),
        ("- aa", "- aaa", ["aa", "aaa"]),
        ("entirely new", "other, longer text", []),
    ],
)
def test_whole_words_are_marked(old: str, new: str, marked: list[str]) -> None:
    found = Reported(examples.SILENT, Finding("f", Span(0, 0), "m", Fix("t")))
    change = FileChange("f", Source("f", old + "\n"), Source("f", new + "\n"), (Piece(new, 0, old), Piece("\n")))

    assert re.findall("<mark>(.*?)</mark>", html(Plan({"f": change}, (found,)), examples.read_after, "x")) == marked


def test_a_fix_over_several_files_is_explained_once() -> None:
    said = Text(page()).said

    assert said.count("the database is not saved before it is migrated") == 1
    assert "Part of “take a snapshot first”, explained above." in said


def test_an_empty_plan_says_so() -> None:
    said = Text(page(Plan({}, ()))).said

    assert "Nothing to change." in said
    assert "Nothing would change." in said


def test_what_is_not_handled_is_listed() -> None:
    plan = Plan({}, (), (), (Fault("root-user", "Dockerfile", "crashed"),), (FileError("a.yml", "not YAML", "see"),))

    said = Text(page(plan)).said
    assert "Fault in root-user at Dockerfile: crashed" in said
    assert "a.yml: not YAML; see" in said


def test_the_end_of_a_file_without_a_newline_is_shown() -> None:
    found = Reported(examples.SILENT, Finding("f", Span(0, 0), "m", Fix("t")))
    change = FileChange(
        "f", Source("f", "\ufeffa\r\nb"), Source("f", "\ufeffa\r\nc"), (Piece("\ufeffa\r\n"), Piece("c", 0, "b"))
    )

    text = html(Plan({"f": change}, (found,)), examples.read_after, "x")
    assert text.count("No newline at end of file") == 2
