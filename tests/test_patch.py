"""The patch of a plan is taken by `git apply`, and gives exactly the bytes that an apply would write."""

from __future__ import annotations

import subprocess
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixer.model import FileChange, Piece, Plan, Source
from fixer.registry import all_rules
from fixer.show.diff import file_diff, lines_of, patch, quoted
from tests.fixture_cases import CASES, SHAPES, Case, files, planned, shaped

LINE = st.text(st.sampled_from("ab -+@\\\t\r\x0b\u2028é🐍\ufeff"), max_size=6)
TEXT = st.builds(
    lambda lines, final, end: end.join(lines) + (end if final else ""),
    st.lists(LINE, max_size=14),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
NAME = st.lists(
    st.text(st.sampled_from('ab "\\\t\n.-é日\x01'), min_size=1, max_size=5).filter(lambda n: n not in (".", "..")),
    min_size=1,
    max_size=3,
).map("/".join)


def spliced(pieces: list[Piece], start: int, end: int, text: str, origin: int) -> list[Piece]:
    """Pieces after one more edit: what the edit takes away of the original text goes into its `removed`."""
    out: list[Piece] = []
    removed, at, done = "", 0, False
    for piece in pieces:
        low, high = max(start - at, 0), min(end - at, len(piece.text))
        at += len(piece.text)
        if high < low or (high == low and (done or end > start or not 0 <= low <= len(piece.text))):
            out.append(piece)
            continue
        if piece.origin is None:
            out.append(Piece(piece.text[:low]))
            removed += piece.text[low:high]
            rest = Piece(piece.text[high:])
        else:
            out.append(Piece(piece.text[:low], piece.origin, piece.removed))
            rest = Piece(piece.text[high:], piece.origin)
        out.append(Piece(text if not done else "", origin, removed))
        removed, done = "", True
        out.append(rest)
    return out if done else [*out, Piece(text, origin)]


@st.composite
def changes(draw: st.DrawFn, name: str) -> FileChange:
    bom = draw(st.booleans())
    if draw(st.integers(0, 4)) == 0:
        text = draw(TEXT)
        after = Source(name, text, bom)
        return FileChange(name, None, after, (Piece(text, 0),), draw(st.booleans()))
    before = Source(name, draw(TEXT), bom)
    pieces = [Piece(before.text)]
    for origin in range(draw(st.integers(1, 4))):
        length = sum(len(piece.text) for piece in pieces)
        start = draw(st.integers(0, length))
        end = draw(st.integers(start, min(length, start + 12)))
        pieces = spliced(pieces, start, end, draw(TEXT), origin)
    return FileChange(name, before, Source(name, "".join(p.text for p in pieces), bom), tuple(pieces))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    names = draw(st.lists(NAME, min_size=1, max_size=4, unique=True))
    # No name may be a folder of another one.
    names = [n for n in names if not any(other.startswith(n + "/") for other in names)]
    return Plan({name: draw(changes(name)) for name in names}, ())


def git_apply(folder: Path, data: bytes) -> subprocess.CompletedProcess[bytes]:
    command = ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", "-"]
    return subprocess.run(command, cwd=folder, input=data, capture_output=True, check=False)


@given(plans())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_git_apply_gives_the_bytes_that_an_apply_would_write(
    tmp_path_factory: pytest.TempPathFactory, plan: Plan
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    for change in plan.files.values():
        (folder / change.path).parent.mkdir(parents=True, exist_ok=True)
        if change.before is not None:
            (folder / change.path).write_bytes(change.before.to_bytes())
    data = patch(plan)
    if data:
        done = git_apply(folder, data)
        assert done.returncode == 0, (done.stderr, data)
    for change in plan.files.values():
        assert (folder / change.path).read_bytes() == change.after.to_bytes()
        if change.before is None:
            assert bool((folder / change.path).stat().st_mode & 0o100) == change.executable


def test_git_apply_takes_an_empty_file_in_a_folder_whose_name_ends_in_a_blank(tmp_path: Path) -> None:
    change = FileChange("odd /-", None, Source("odd /-", ""), ())

    assert git_apply(tmp_path, patch(Plan({change.path: change}, ()))).stderr == b""
    assert (tmp_path / change.path).read_bytes() == b""


@given(changes("a"))
def test_the_hunks_say_only_what_changed_and_who_changed_it(change: FileChange) -> None:
    diff = file_diff(change)
    lines, at = list[str](), 0
    for block in diff.blocks:
        assert block.removed != block.added
        assert block.origins
        if len(block.origins) == 1 and block.removed and block.added:
            assert block.removed[0] != block.added[0]
        lines += diff.before[at : block.before]
        assert len(lines) == block.after
        lines += block.added
        assert diff.before[block.before : block.before + len(block.removed)] == block.removed
        at = block.before + len(block.removed)
    assert tuple(lines) + diff.before[at:] == diff.after


def test_each_block_names_the_fix_that_made_it() -> None:
    before = Source("ci.yml", "a: 1\nb: 2\nc: 3\n")
    pieces = (Piece("a: "), Piece("9", 1, "1"), Piece("\nb: 2\nc: 3"), Piece("\nd: 4", 0), Piece("\n"))
    change = FileChange("ci.yml", before, Source("ci.yml", "a: 9\nb: 2\nc: 3\nd: 4\n"), pieces)

    blocks = file_diff(change).blocks

    assert [(b.removed, b.added, b.origins) for b in blocks] == [
        (("a: 1\n",), ("a: 9\n",), (1,)),
        ((), ("d: 4\n",), (0,)),
    ]


def test_lines_of_two_fixes_are_not_compared_however_alike_they_are() -> None:
    """One fix puts a job in at the end of a line, another takes an `env` away just below it."""
    before = Source("ci.yml", "a: 1\n  env:\n    B: 2\nc: 3\n")
    job, gone = "\n  env:\n    B: 2\n  d: 4", "\n  env:\n    B: 2"
    pieces = (Piece("a: 1"), Piece(job, 0), Piece("", 1, gone), Piece("\nc: 3\n"))
    after = Source("ci.yml", "".join(piece.text for piece in pieces))

    blocks = file_diff(FileChange("ci.yml", before, after, pieces)).blocks

    assert [(block.removed, block.added, block.origins) for block in blocks] == [
        (("  env:\n", "    B: 2\n"), (), (1,)),
        ((), ("  env:\n", "    B: 2\n", "  d: 4\n"), (0,)),
    ]


def test_what_a_fix_puts_behind_lines_that_another_rewrites_is_its_own() -> None:
    """One fix rewrites the last step, others put jobs in behind it: at the end of the file all meet."""
    before = Source("ci.yml", "a:\n  run: |\n    cd x\n    du\n")
    pieces = (
        *(Piece("a:\n  run: |\n"), Piece("    cd x\n    du | limit", 0, "    cd x\n    du"), Piece("\nb: 1", 1)),
        *(Piece("\nc: 2", 2), Piece("\n")),
    )
    after = Source("ci.yml", "".join(piece.text for piece in pieces))

    diff = file_diff(FileChange("ci.yml", before, after, pieces))

    assert [(block.removed, block.added, block.origins) for block in diff.blocks] == [
        (("    du\n",), ("    du | limit\n",), (0,)),
        ((), ("b: 1\n",), (1,)),
        ((), ("c: 2\n",), (2,)),
    ]
    assert len(diff.hunks()) == 1


@pytest.mark.parametrize("ahead", [False, True], ids=["lines", "line ends ahead"])
def test_whole_lines_that_several_fixes_put_into_one_place_stand_each_below_its_own(ahead: bool) -> None:
    texts = ("\nx: 1", "\ny: 2\nz: 3") if ahead else ("x: 1\n", "y: 2\nz: 3\n")
    head, tail = ("a: 1", "\nb: 2\n") if ahead else ("a: 1\n", "b: 2\n")
    pieces = (Piece(head), Piece(texts[0], 1), Piece(texts[1], 0), Piece(tail))
    text = "".join(piece.text for piece in pieces)
    made = file_diff(FileChange("f", Source("f", "a: 1\nb: 2\n"), Source("f", text), pieces))

    assert [(block.after, block.added, block.origins) for block in made.blocks] == [
        (1, ("x: 1\n",), (1,)),
        (2, ("y: 2\n", "z: 3\n"), (0,)),
    ]
    assert [[line.text for line in hunk.lines if line.sign == "+"] for hunk in made.hunks([made.blocks[1]])] == [
        ["y: 2\n", "z: 3\n"]
    ]


def test_a_hunk_of_one_fix_never_shows_the_neighbouring_change_of_another() -> None:
    text = "".join(f"{n}\n" for n in range(9))
    pieces = (Piece("0\n1\n2\n"), Piece("x", 0, "3"), Piece("\n4\n"), Piece("y", 1, "5"), Piece("\n6\n7\n8\n"))
    after = Source("f", "".join(p.text for p in pieces))
    diff = file_diff(FileChange("f", Source("f", text), after, pieces))

    (hunk,) = diff.hunks([diff.blocks[0]])

    assert "".join(line.sign + line.text for line in hunk.lines) == " 0\n 1\n 2\n-3\n+x\n 4\n"
    assert hunk.header == "@@ -1,5 +1,5 @@"


def test_pieces_that_do_not_add_up_are_refused() -> None:
    change = FileChange("f", Source("f", "a\n"), Source("f", "b\n"), (Piece("b\n", 0, "z\n"),))

    with pytest.raises(ValueError, match="do not add up"):
        file_diff(change)


def test_names_are_quoted_as_git_quotes_them(tmp_path: Path) -> None:
    for name in ("plain.yml", "a b.yml", "café.yml", 'say "hi".yml', "tab\t.yml", "back\\slash", "bell\a", "line\nend"):
        (tmp_path / name).write_text("x")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--others"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.splitlines()

    assert sorted(quoted(path.name) for path in tmp_path.iterdir() if path.name != ".git") == sorted(listed)


def test_only_a_line_feed_ends_a_line() -> None:
    assert lines_of("a\r\nb\x0bc\u2028d\n\ne") == ("a\r\n", "b\x0bc\u2028d\n", "\n", "e")
    assert lines_of("") == ()


# Each case in one of the four shapes, in turn.
SHAPED = [(case, shape) for case, shape in zip((c for c in CASES if c.after), cycle(SHAPES), strict=False)]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "shape"), SHAPED, ids=[f"{case.name}, {shape}" for case, shape in SHAPED])
def test_the_patch_of_a_fixture_gives_what_the_plan_says(tmp_path: Path, case: Case, shape: str) -> None:
    before = shaped(case.before, SHAPES[shape])
    rules = [rule for rule in all_rules() if rule.id in (case.rule_id, *_others(case))]
    made = planned(tmp_path, before, rules, case.config)

    done = git_apply(tmp_path, patch(made))

    assert done.returncode == 0, done.stderr
    found = files(tmp_path)
    assert found == before | {path: change.after.to_bytes() for path, change in made.files.items()}
    for path, change in made.files.items():
        assert change.before is not None or bool((tmp_path / path).stat().st_mode & 0o100) == change.executable


def _others(case: Case) -> list[str]:
    """The fixture of a whole repository is for all rules."""
    return [] if case.rule_id in {rule.id for rule in all_rules()} else [rule.id for rule in all_rules()]
