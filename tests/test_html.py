"""The HTML preview holds everything, loads nothing, and cannot be made to run what a file of the repository says."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from fixer.model import Blocked, Fault, FileChange, FileError, Finding, Fix, Piece, Plan, Reported, Source, Span
from fixer.show.html import html
from fixer.show.page import About
from tests import examples

ABOUT = About("owner/repo", "fhfix preview --html x.html", "fhfix apply", "1a2b3c4", "1 May 2026, 12:00")


def page(plan: Plan | None = None) -> str:
    return html(plan or examples.plan(), examples.read_after, ABOUT)


def rewritten(old: str, new: str, path: str = "f") -> str:
    """The page of a plan that makes one text of another."""
    found = Reported(examples.SILENT, Finding(path, Span(0, 0), "m", Fix("t")))
    change = FileChange(path, Source(path, old + "\n"), Source(path, new + "\n"), (Piece(new, 0, old), Piece("\n")))
    return html(Plan({path: change}, (found,)), examples.read_after, ABOUT)


def code(text: str) -> list[str]:
    """The lines of the diff, without tags."""
    lines = re.findall(r"<code>(.*?)</code></div>", text)
    return [re.sub("<[^>]*>", "", line) for line in lines]


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
        "1a2b3c4",
        "1 May 2026, 12:00",
        "fhfix preview --html x.html",
        *(reported.id for reported in examples.plan().taken),
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
    text = html(plan, examples.read_after, About(evil, evil, evil, evil))
    tags = [tag for tag, _ in Text(text).tags]

    assert tags.count("script") == 1
    assert "img" not in tags
    assert "{{ 7*7 }}" in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_the_line_of_a_fix_is_that_of_the_file_on_disk() -> None:
    first, second = (Reported(rule, Finding("f", Span(0, 0), "m", Fix(rule.id))) for rule in examples.RULES[:2])
    pieces = (Piece("x\ny\nz\n", 0), Piece("a\n"), Piece("new\n", 1), Piece("b\n"))
    change = FileChange("f", Source("f", "a\nb\n"), Source("f", "x\ny\nz\na\nnew\nb\n"), pieces)

    text = page(Plan({"f": change}, (first, second)))

    assert re.findall(r'<span class="place">(f:\d+)</span>', text) == ["f:1", "f:2"]


def test_code_in_sentences_is_code_and_its_backticks_are_gone() -> None:
    said = "the failure of `mypy <x>` cannot fail `step"
    found = Reported(examples.SILENT, Finding("f", Span(0, 0), said, Fix("let `mypy` fail", todo=("see `a`",))))
    ci = ".github/workflows/ci.yml"
    stays = Reported(examples.SLEEP, Finding(ci, Span(0, 0), "`b` waits", Blocked("`c` is not known", "name `d`")))
    change = FileChange("f", Source("f", "a\n"), Source("f", "b\n"), (Piece("b", 0, "a"), Piece("\n")))

    text = page(Plan({"f": change}, (found,), (stays,)))

    assert "<p>the failure of <code>mypy &lt;x&gt;</code> cannot fail `step</p>" in text
    assert '<span class="title">let <code>mypy</code> fail</span>' in text
    body = re.sub(r'="[^"]*"', "", re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL))
    assert "`" not in body.replace("`step", "")


def test_the_policy_allows_exactly_the_own_style_and_script() -> None:
    policies = [a["content"] for tag, a in Text(page()).tags if a.get("http-equiv") == "Content-Security-Policy"]

    assert policies[0] is not None
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none';"
        r" script-src 'sha256-[\w+/]{43}='",
        policies[0],
    )


def test_both_sides_of_every_changed_line_are_there() -> None:
    lines = code(page())

    for line in (
        "      - uses: actions/checkout@v3  # the code",
        "      - uses: actions/checkout@v6  # the code",
        "      - run: mypy . || true",
        "      - run: mypy .",
        "      - run: ./scripts/snapshot.sh",
        "aws rds help",
    ):
        assert line in lines, line


def test_every_hunk_of_every_member_of_a_group_is_there() -> None:
    text = "".join(f"- uses: actions/checkout@v{n}\n" + "- run: x\n" * 9 for n in (1, 2, 3))
    pieces: list[Piece] = []
    for number, part in enumerate(re.split(r"(@v\d)", text)):
        pieces.append(Piece("@v6", number // 2, part) if number % 2 else Piece(part))
    found = Reported(examples.OUTDATED, Finding("a.yml", Span(0, 0), "old", Fix("move to v6")))
    change = FileChange("a.yml", Source("a.yml", text), Source("a.yml", "".join(p.text for p in pieces)), tuple(pieces))
    made = html(Plan({"a.yml": change}, (found, found, found)), examples.read_after, ABOUT)

    assert [line for line in code(made) if "@v6" in line] == ["- uses: actions/checkout@v6"] * 3
    assert [line for line in code(made) if re.search("@v[123]", line)] == [
        f"- uses: actions/checkout@v{n}" for n in (1, 2, 3)
    ]
    assert made.count('class="tick all"') == 1
    assert made.count('class="tick one"') == 3


@pytest.mark.parametrize(
    ("old", "new", "marked"),
    [
        ("age: 600,", "age: 0,", ["600", "0"]),
        ("a b c", "a c", ["b "]),
        ("run mypy", "run mypy --strict", [" --strict"]),
        ("run mypy --all", "run mypy --strict --all", ["--strict "]),
        ("value of abc_1", "value of abc_2", ["abc_1", "abc_2"]),
        ("- a long name: aa", "- a long name: aaa", ["aa", "aaa"]),
        ("entirely new", "other, longer text", []),
        ("uses: x/y@v3", "uses: x/y@v6\nwith: {depth: 0}", ["v3", "v6"]),
    ],
)
def test_whole_words_are_marked_where_lines_are_alike(old: str, new: str, marked: list[str]) -> None:
    assert re.findall("<mark>(.*?)</mark>", rewritten(old, new)) == marked


def test_what_has_no_other_side_stands_beside_a_gap() -> None:
    text = rewritten("a: 1\nsame name: 2", "same name: 3")

    assert text.count('<div class="line filler"></div>') == 1
    new = re.search(r'<div class="side new">(.*?)</div></div></div>', text)
    assert new is not None
    assert new[1].startswith('<div class="line filler">')


@pytest.mark.parametrize(
    ("path", "line", "coloured"),
    [
        ("a.yml", "key: 'text'  # why", ["st>key", *["ss>&#x27;", "ss>text", "ss>&#x27;"], "sc># why"]),
        ("a.py", 'x = "text"', ["ss>&quot;", "ss>text", "ss>&quot;"]),
        ("Dockerfile", "FROM x", ["sk>FROM", "ss>x"]),
        ("a.unknown", "key: 'text'", []),
    ],
)
def test_syntax_has_colours_by_class(path: str, line: str, coloured: list[str]) -> None:
    text = rewritten("", line, path)

    assert re.findall(r'<span class="(s\w">[^<]*)</span>', text) == [each.replace(">", '">') for each in coloured]
    assert "style=" not in text


def test_colours_fit_where_characters_are_escaped() -> None:
    assert '<span class="st">key</span>: a\\u202eb <span class="sc"># c</span>' in rewritten(
        "", "key: a\u202eb # c", "a.yml"
    ).replace('<span class="sn">', "").replace("<span>", "")


def test_fixes_that_go_together_say_so() -> None:
    plan = examples.plan()
    one, two, three = (reported.id for reported in plan.taken)
    together = Plan(plan.files, plan.taken, plan.left, needs={1: frozenset({0})})
    boxes = {a["data-id"]: a["data-with"] for _, a in Text(page(together)).tags if "data-with" in a}

    assert boxes == {one: "", two: f"{one} ", three: ""}
    assert "Chosen together with let mypy fail the step" in Text(page(together)).said


def test_fixes_of_one_line_go_together() -> None:
    taken = tuple(Reported(examples.SILENT, Finding("f", Span(0, 0), "m", Fix(title))) for title in ("a", "b"))
    change = FileChange("f", Source("f", "x y\n"), Source("f", "1 2\n"), (
        Piece("1", 0, "x"), Piece(" "), Piece("2", 1, "y"), Piece("\n"),
    ))  # fmt: skip
    boxes = [a["data-with"] for _, a in Text(html(Plan({"f": change}, taken), examples.read_after, ABOUT)).tags
             if "data-with" in a]  # fmt: skip

    assert boxes == [f"{name} " for name in reversed([reported.id for reported in taken])]


def test_a_fix_over_several_files_is_explained_once_and_names_each() -> None:
    said = Text(page()).said

    assert said.count("jobs.deploy.steps: inserted") <= 1
    assert "scripts/snapshot.sh new, executable" in said
    assert page().count('class="filename"') == 2


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

    text = html(Plan({"f": change}, (found,)), examples.read_after, ABOUT)
    assert text.count("No newline at end of file") == 2
