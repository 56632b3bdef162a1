"""The terminal shows each hunk under the fix that made it, and nothing that a file holds can deceive the reader."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from fixer.model import Blocked, Change, Edit, FileChange, Finding, Fix, NewFile, Piece, Plan, Reported, Source, Span
from fixer.show.place import written
from fixer.show.terminal import show
from fixer.show.visible import visible
from fixer.show.words import address_in_words, describe, in_words, plan_in_words, value_in_words
from tests import examples


def shown(plan: Plan, *, width: int = 100, colour: bool = False, verbose: bool = True) -> str:
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=colour, no_color=not colour)
    show(plan, examples.read_after, console, verbose=verbose, command="fhfix apply")
    return out.getvalue()


def below_first_screen(text: str) -> str:
    """What follows the commands to type next."""
    _, _, rest = text.partition("Next\n")
    return rest.partition("\n\n")[2]


def alike(count: int) -> Plan:
    """The same bump in as many places of one file, with something else in between."""
    text = "".join(f"- uses: a/b@v1\n- run: step {n}\n" for n in range(count))
    pieces: list[Piece] = []
    for number, line in enumerate(text.splitlines(keepends=True)):
        if number % 2:
            pieces.append(Piece(line))
        else:
            pieces += [Piece("- uses: a/b@"), Piece("v2", number // 2, "v1"), Piece("\n")]
    fix = Fix("use a/b v2", effects=("uses: a/b at v2",), todo=("add the secret T",))
    found = tuple(Reported(examples.OUTDATED, Finding("f.yml", Span(0, 0), "a/b@v1 is old", fix)) for _ in range(count))
    after = Source("f.yml", "".join(piece.text for piece in pieces))
    return Plan({"f.yml": FileChange("f.yml", Source("f.yml", text), after, tuple(pieces))}, found)


def test_the_same_change_stands_once_with_all_its_places_and_one_sample() -> None:
    text = below_first_screen(shown(alike(4), verbose=False))

    assert text.count("use a/b v2") == 1
    assert "  at: f.yml:1,3,5,7\n" in text
    assert text.count("+- uses: a/b@v2") == 1
    assert text.count("to do: add the secret T") == 1


def test_a_long_change_is_cut_and_says_how_much_more_there_is() -> None:
    fix = Reported(examples.SILENT, Finding("f", Span(0, 0), "m", Fix("t")))
    after = "".join(f"line {n}\n" for n in range(30))
    plan = Plan({"f": FileChange("f", None, Source("f", after), (Piece(after, 0),))}, (fix,))

    text = below_first_screen(shown(plan, verbose=False))

    assert "+line 9" in text
    assert "+line 10" not in text
    assert "… 20 more lines; -v shows them" in text
    assert "+line 29" in shown(plan)


def test_the_first_screen_says_what_matters_most_and_what_to_type_next() -> None:
    lines = shown(examples.plan(), verbose=False).split("\n\n")[0].splitlines()

    assert len(lines) <= 40
    assert lines[0] == "3 fixes (2 safe, 1 review) in 3 files; 1 finding stays (1 blocked)"
    worst = lines[lines.index("Most serious") + 1]
    assert "silent-type-check: let mypy fail the step" in worst
    (only,) = [line for line in lines if "--only" in line]
    assert worst.split()[0] in only
    assert "  · set the variable DB_INSTANCE" in lines
    assert any(line.startswith("  fhfix apply --dry-run -v") for line in lines)


def test_every_group_is_ordered_by_its_level() -> None:
    text = below_first_screen(shown(examples.plan(), verbose=False))

    heads = [line.split()[:2] for line in text.splitlines() if line.startswith(("error", "warning", "note"))]
    assert heads == [
        ["error", "silent-type-check"],
        ["warning", "outdated-action"],
        ["note", "missing-predeploy-backup"],
        ["warning", "hardcoded-sleep"],
    ]


def test_each_hunk_stands_under_its_fix_with_tier_and_reason() -> None:
    text = below_first_screen(shown(examples.plan()))

    silent = text.index("silent-type-check  safe  let mypy fail the step")
    outdated = text.index("outdated-action  safe  move to v6")
    assert outdated < text.index("+      - uses: actions/checkout@v6  # the code") < silent
    assert silent < text.index("-      - run: mypy . || true") < text.index("+      - run: mypy .\n")
    assert "why: actions/checkout@v3 runs on a removed Node" in text
    assert "change: jobs.lint.steps[1].run: failure of mypy now fails it" in text
    assert "change: jobs.lint.steps[0].uses: now actions/checkout@v6" in text
    assert "missing-predeploy-backup  review  take a snapshot first" in text
    assert "to do: set the variable DB_INSTANCE" in text
    assert "scripts/snapshot.sh  (new file)" in text


def test_a_fix_over_two_files_is_explained_once() -> None:
    text = below_first_screen(shown(examples.plan()))

    assert text.count("the database is not saved before it is migrated") == 1
    assert "missing-predeploy-backup  review  take a snapshot first  (explained above)" in text


def test_only_lines_of_fixes_are_shown_as_changed() -> None:
    plan = examples.plan()
    text = below_first_screen(shown(plan))
    marked = [line[2:] for line in text.splitlines() if line.startswith(("  +", "  -"))]

    assert marked == [
        "-      - uses: actions/checkout@v3  # the code",
        "+      - uses: actions/checkout@v6  # the code",
        "-      - run: mypy . || true",
        "+      - run: mypy .",
        "+      - run: ./scripts/snapshot.sh",
        "+#!/bin/sh",
        "+set -eu",
        "+aws rds help",
    ]


def test_a_finding_that_stays_says_where_why_and_what_to_configure() -> None:
    text = shown(examples.plan())

    assert "warning  hardcoded-sleep  stays  .github/workflows/deploy.yml:8" in text
    assert "no fix: the health URL is not known" in text
    assert 'configure: rules.hardcoded-sleep.url = "https://example.org/health"' in text


def test_the_summary_counts_fixes_by_tier_and_what_stays() -> None:
    assert plan_in_words(examples.plan()) == "3 fixes (2 safe, 1 review) in 3 files; 1 finding stays (1 blocked)"
    assert plan_in_words(Plan({}, ())) == "nothing to change"


def test_colour_comes_and_goes_with_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32m" in shown(examples.plan(), colour=True)
    assert "\x1b" not in shown(examples.plan())

    monkeypatch.setenv("NO_COLOR", "1")
    out = StringIO()
    show(examples.plan(), examples.read_after, Console(file=out, width=100, force_terminal=True))
    assert "\x1b[32m" not in out.getvalue()


def test_prose_is_wrapped_to_the_width_and_what_is_to_be_copied_is_not() -> None:
    lines = shown(examples.plan(), width=40).splitlines()

    to_copy = ("     ", "  +", "  -", "  @", ".github", "  configure: ", "  fhfix ", "warning  hardcoded-sleep  stays")
    assert "  +      - uses: actions/checkout@v6  # the code" in lines
    assert [line for line in lines if line.startswith("  configure: ") and len(line) > 40]
    assert [line for line in lines if len(line) > 40 and not line.startswith(to_copy)] == []


def test_no_line_ends_with_blanks() -> None:
    assert [line for line in shown(examples.plan(), width=60).splitlines() if line != line.rstrip()] == []


def change_of(before: str, after: str) -> Plan:
    found = Reported(examples.SILENT, Finding("f", Span(0, 0), "m", Fix("t")))
    change = FileChange("f", Source("f", before), Source("f", after), (Piece(after, 0, before),))
    return Plan({"f": change}, (found,))


def test_control_and_direction_characters_are_shown_by_their_escapes() -> None:
    text = shown(change_of("a\n", "a \x1b[2J \u202e \x08 é\tb\n"))

    assert "+a \\x1b[2J \\u202e \\x08 é" in text
    assert visible("plain") == "plain"


def test_line_ends_are_shown_only_where_they_differ() -> None:
    assert "\\r" not in shown(change_of("a\r\nb\r\n", "a\r\nc\r\n"))
    assert "+c\\r" in shown(change_of("a\nb\n", "a\nc\r\n"))
    assert "No newline at end of file" in shown(change_of("a\n", "b"))


def test_markup_in_a_file_is_not_markup_for_the_terminal() -> None:
    assert "+[bold]x[/bold] :smile:" in shown(change_of("a\n", "[bold]x[/bold] :smile:\n"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change("set", ("jobs", "a", "timeout-minutes"), 30), "jobs.a.timeout-minutes: now 30"),
        (Change("set", ("jobs", "a", "if"), True), "jobs.a.if: now true"),
        (Change("set", ("env", "A"), ""), "env.A: now ''"),
        (Change("set", ("run",), "a\nb\n"), "run: now a text of 2 lines"),
        (Change("set", ("on", "pull request"), None), 'on["pull request"]: now empty'),
        (Change("insert", ("steps", 2), {"name": "Test", "run": "x"}), "steps[2]: inserted “Test”"),
        (Change("set", ("with",), {"cache": "pip"}), "with: now {cache: pip}"),
        (Change("set", ("jobs", "x"), {"runs-on": "u", "steps": []}), "jobs.x: now runs-on, steps"),
        (Change("set", ("needs",), ["a", "b"]), "needs: now [a, b]"),
        (Change("delete", ("with", "token")), "with.token: removed"),
        (Change("rename", ("with", "a"), "b"), "with.a: renamed to b"),
        (Change("set", (), "x"), "the file: now x"),
    ],
)
def test_a_change_is_said_in_words(change: Change, words: str) -> None:
    assert describe(change) == words


def test_what_a_rule_says_of_its_fix_goes_before_what_is_derived() -> None:
    one = Edit("a.yml", Span(0, 0), "x", (Change("delete", ("x",)),))

    assert in_words(Fix("t", (one,), effects=("said",))) == ("said",)
    assert in_words(Fix("t", (one, one))) == ("x: removed",)
    comment = Edit("a.yml", Span(0, 0), "x", ())
    assert in_words(Fix("t", (comment,))) == ("only a comment changes",)
    assert in_words(Fix("t", (comment, one))) == ("x: removed",)
    assert in_words(Fix("t", (one, Edit("b.yml", Span(0, 0), "x", ())))) == (
        "a.yml: x: removed",
        "b.yml: only a comment changes",
    )
    assert in_words(Fix("t", (one,), (NewFile("b.sh", "1\n"),))) == (
        "a.yml: x: removed",
        "b.sh: a file of 1 line is added",
    )


def test_long_values_are_shortened() -> None:
    assert value_in_words("x" * 200) == "x" * 71 + "…"
    assert value_in_words(["x" * 50, "y" * 50]) == "a list of 2"
    assert address_in_words(("a", 0, "b c")) == 'a[0]["b c"]'


def test_a_fix_outside_of_the_tier_is_named_among_what_stays() -> None:
    found = Reported(examples.SILENT, Finding("f", Span(0, 0), "m", Fix("do it")))
    out = StringIO()
    show(Plan({}, (), (found,)), lambda path: Source(path, "x\n"), Console(file=out, width=80))

    assert f"\nNot taken\n  {found.id}  safe    silent-type-check: do it  (f)\n" in out.getvalue()
    blocked = Reported(examples.SILENT, Finding("f", Span(0, 0), "m", Blocked("because")))
    assert plan_in_words(Plan({}, (), (found, blocked))) == "nothing to change; 2 findings stay (1 blocked)"


def test_what_stays_has_its_place_in_the_file_that_is_written() -> None:
    before = Source("ci.yml", "a: 1\nb: 2\nc: 3\n")
    pieces = (Piece("a: 1"), Piece("\nx: 0\ny: 0", 0, "\nb: 2"), Piece("\nc: 3\n"))
    after = Source("ci.yml", "".join(piece.text for piece in pieces))
    places = [Span(before.text.index(words), before.text.index(words) + 4) for words in ("c: 3", "b: 2", "a: 1")]
    rule = examples.plan().taken[0].rule
    stays = [Reported(rule, Finding("ci.yml", place, "it stays", Blocked("no reason"))) for place in places]
    files = {"ci.yml": FileChange("ci.yml", before, after, pieces)}

    moved = written(Plan(files, examples.plan().taken[:1], tuple(stays)))

    spans = [reported.finding.span for reported in moved.left]
    assert [after.text[span.start : span.end] for span in spans] == ["c: 3", "\nx: 0\ny: 0", "a: 1"]


def test_a_fix_whose_text_another_replaced_is_shown_by_the_lines_of_that_one() -> None:
    """One fix writes a wait in place of a sleep, another puts an action in place of the wait."""
    text = "a: 1\nb:\n  run: sleep 30\nc: 3\n"
    start = text.index("sleep")
    sleep = Reported(examples.SLEEP, Finding("f.yml", Span(start, start + 8), "sleep guesses", Fix("wait for it")))
    other = Reported(examples.BACKUP, Finding("f.yml", Span(0, 0), "m", Fix("use the action")))
    pieces = (
        Piece("a: "),
        Piece("2", 1, "1"),
        Piece("\nb:\n  "),
        Piece("uses: ./wait", 1, "run: sleep 30"),
        Piece("\nc: 3\n"),
    )
    after = Source("f.yml", "".join(piece.text for piece in pieces))
    files = {"f.yml": FileChange("f.yml", Source("f.yml", text), after, pieces)}
    plan = Plan(files, (sleep, other), needs={1: frozenset({0})})

    _, _, told = below_first_screen(shown(plan, verbose=False)).partition("wait for it")
    told = told.partition("\n\n")[0]

    assert "  at: f.yml:3\n" in told
    assert f"  within: use the action [{other.id}], which has other text in its place\n" in told
    assert "  -  run: sleep 30\n  +  uses: ./wait\n" in told
    assert "a: 2" not in told
    _, _, told = shown(plan).partition("wait for it")
    assert f"within: use the action [{other.id}]" in told


def test_what_to_type_next_is_about_the_fixes_that_were_chosen() -> None:
    out = StringIO()
    console = Console(file=out, width=120)

    show(examples.plan(), examples.read_after, console, command="fhfix apply --profile audit", chosen="--only 3f2a91bc")

    (offers,) = re.findall(r"Next\n(.*?)\n\n", out.getvalue(), re.DOTALL)
    assert [line.partition("#")[0].strip() for line in offers.splitlines()] == [
        "fhfix apply --profile audit --only 3f2a91bc --dry-run -v",
        "fhfix apply --profile audit --only 3f2a91bc",
        "fhfix configure --profile audit",
    ]


def test_words_that_only_repeat_the_lines_below_them_are_left_out() -> None:
    text = below_first_screen(shown(examples.plan(), verbose=False))

    _, _, bump = text.partition("move to v6")
    bump = bump.partition("\n\n")[0]
    assert "+      - uses: actions/checkout@v6  # the code" in bump
    assert "change:" not in bump
    assert "change: jobs.lint.steps[1].run: failure of mypy now fails it" in text


def test_what_was_written_is_told_with_the_lines_of_what_is_there_now() -> None:
    fix = Fix("do it", effects=("f.yml:2 starts it",), todo=("see g.yml:2", "see http://127.0.0.1:8000"))
    taken = Reported(examples.SILENT, Finding("f.yml", Span(0, 0), "m", fix))
    left = Reported(examples.SLEEP, Finding("f.yml", Span(2, 3), "m", Blocked("line 2: it sleeps", "mend f.yml:1")))
    pieces = (Piece("new\n", 0), Piece("a\nb\n"))
    change = FileChange("f.yml", Source("f.yml", "a\nb\n"), Source("f.yml", "new\na\nb\n"), pieces)

    made = written(Plan({"f.yml": change}, (taken,), (left,)))

    assert made.taken[0].finding.cure == replace(fix, effects=("f.yml:3 starts it",))
    assert made.left[0].finding.cure == Blocked("line 3: it sleeps", "mend f.yml:2")


def test_where_nothing_can_be_changed_no_command_to_change_it_is_offered() -> None:
    blocked = Reported(
        examples.SILENT, Finding(".github/workflows/ci.yml", Span(0, 0), "m", Blocked("because", "look"))
    )

    assert "Next" not in shown(Plan({}, (), (blocked,)))
