"""Journal and history are ours, or are not believed; an interrupted run is put right before anything is looked at."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fixer import disk, writing
from fixer.cli import main
from fixer.model import FileChange, FileError, Piece, Plan, Source
from tests.test_writing import forked, watch

ROOT = Path(__file__).parent.parent
DOCKERFILE = (
    "FROM python:3.12 AS builder\nCOPY . .\nRUN pip install .\nFROM python:3.12-slim\nCOPY --from=builder /x /x\n"
)
WORKFLOW = """\
on: push
jobs:
  types:
    runs-on: ubuntu-latest
    steps:
      - run: mypy . || true
"""


def fhfix(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A tree without git, as an archive unpacks."""
    root = tmp_path / "unpacked"
    (root / ".github/workflows").mkdir(parents=True)
    (root / ".github/workflows/ci.yml").write_text(WORKFLOW)
    return root


def one_file(before: bytes | None, after: bytes, path: str = "a.py") -> Plan:
    source = Source.from_bytes(path, after)
    old = None if before is None else Source.from_bytes(path, before)
    return Plan({path: FileChange(path, old, source, (Piece(source.text),))}, ())


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# -- what came with the tree --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["applied", "journal", "preparing", "discarded-00000000", "lock", "mark", ".gitignore"]
)
def test_a_link_in_a_state_folder_of_an_archive_leads_nowhere(unpacked: Path, tmp_path: Path, name: str) -> None:
    backups = tmp_path / "backups"
    for number in range(20240101, 20240126):
        (backups / str(number)).mkdir(parents=True)
        (backups / str(number) / "db.sql").write_text(f"dump {number}")
    before = everything(backups)
    (unpacked / ".fhfix").mkdir()
    (unpacked / f".fhfix/{name}").symlink_to(backups)

    result = fhfix("apply", unpacked)

    assert result.exit_code == 3 or name in (".gitignore", "mark")
    assert everything(backups) == before
    assert len(list(backups.iterdir())) == 25


def test_a_linked_history_in_a_git_directory_is_not_followed(unpacked: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(unpacked)], check=True)
    (tmp_path / "backups/20240101").mkdir(parents=True)
    (unpacked / ".git/fhfix").mkdir()
    (unpacked / ".git/fhfix/applied").symlink_to(tmp_path / "backups")

    for command in ("apply", "undo"):
        result = fhfix(command, unpacked)
        assert result.exit_code == 3
        assert "applied: a symbolic link or a file, not a folder; remove it" in result.output
    assert [path.name for path in (tmp_path / "backups").iterdir()] == ["20240101"]


@pytest.mark.parametrize("folder", ["link", "file"])
def test_a_state_folder_that_is_none_is_refused(unpacked: Path, tmp_path: Path, folder: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    if folder == "link":
        (unpacked / ".fhfix").symlink_to(tmp_path / "elsewhere")
    else:
        (unpacked / ".fhfix").write_text("")

    result = fhfix("apply", unpacked)

    assert result.exit_code == 3
    assert ".fhfix: a symbolic link or a file; remove it" in result.output
    assert list((tmp_path / "elsewhere").iterdir()) == []


def crafted(moves: list[dict[str, Any]], **other: Any) -> str:
    return json.dumps(
        {"version": 1, "id": "0badf00d", "kind": "undo", "folders": [], "undoes": "", "moves": moves} | other
    )


def move(path: str, before: bytes | None, after: bytes | None, **other: Any) -> dict[str, Any]:
    names = {"before": writing._sha(before), "after": writing._sha(after)}
    return {"path": path, "executable": False, "mode": 0o644, **names, **other}


def put_journal(state: Path, manifest: str, *originals: bytes) -> None:
    (state / "journal").mkdir(parents=True)
    (state / "journal/manifest.json").write_text(manifest)
    for data in originals:
        (state / f"journal/{writing._sha(data)}").write_bytes(data)


def test_a_journal_that_came_in_an_archive_is_not_believed(unpacked: Path) -> None:
    (unpacked / "kept.txt").write_bytes(b"kept")
    manifest = crafted([move("tool", b"#!/bin/sh\n", None, mode=0o4755), move("kept.txt", b"kept", b"gone")])
    put_journal(unpacked / ".fhfix", manifest, b"#!/bin/sh\n")
    (unpacked / ".fhfix/mark").write_text("4711\n")
    before = everything(unpacked)

    result = fhfix("apply", unpacked)

    assert result.exit_code == 3
    assert ".fhfix: came with the files, and not from fhfix at this place; remove it" in result.output
    assert everything(unpacked) == before
    assert not writing.interrupted(unpacked)
    assert fhfix("check", unpacked).exit_code == 1


def test_no_journal_sets_a_user_id(unpacked: Path) -> None:
    subprocess.run(["git", "init", "-q", str(unpacked)], check=True)
    (unpacked / "kept.txt").write_bytes(b"kept")
    manifest = crafted([move("tool", b"#!/bin/sh\n", None, mode=0o6755), move("kept.txt", b"kept", b"gone")])
    put_journal(unpacked / ".git/fhfix", manifest, b"#!/bin/sh\n")

    writing.recover(unpacked)

    assert stat.S_IMODE((unpacked / "tool").stat().st_mode) == 0o755


def test_a_state_folder_of_another_user_is_refused(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing.apply(unpacked, one_file(None, b"a = 1\n"))
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    with pytest.raises(writing.WriteError, match="belongs to another user"):
        writing.undo(unpacked)

    assert (unpacked / "a.py").exists()


def test_a_git_file_that_names_the_repository_of_somebody_else_is_not_followed(unpacked: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    subprocess.run(["git", "init", "-q", str(mine)], check=True)
    writing.apply(mine, one_file(None, b"a = 1\n"))
    (unpacked / ".git").write_text(f"gitdir: {mine}/.git\n")

    writing.apply(unpacked, one_file(None, b"b = 1\n", "b.py"))

    assert (unpacked / ".fhfix/applied").is_dir()
    assert writing.undo(mine).removed == ("a.py",)
    assert writing.undo(unpacked).removed == ("b.py",)


def test_a_git_directory_that_is_a_link_is_not_followed(unpacked: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    subprocess.run(["git", "init", "-q", str(mine)], check=True)
    (unpacked / ".git").symlink_to(mine / ".git")

    writing.apply(unpacked, one_file(None, b"b = 1\n", "b.py"))

    assert not (mine / ".git/fhfix").exists()


def test_a_submodule_has_its_history_in_its_own_git_directory(unpacked: Path, tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always", "-C"]
    for name in ("inner", "outer"):
        (tmp_path / name).mkdir()
        subprocess.run([*git, str(tmp_path / name), "init", "-q"], check=True)
        (tmp_path / name / "f").write_text(name)
        subprocess.run([*git, str(tmp_path / name), "add", "f"], check=True)
        subprocess.run([*git, str(tmp_path / name), "commit", "-qm", "Start"], check=True)
    subprocess.run(
        [*git, str(tmp_path / "outer"), "submodule", "--quiet", "add", str(tmp_path / "inner"), "sub"], check=True
    )

    writing.apply(tmp_path / "outer/sub", one_file(None, b"a = 1\n"))

    assert (tmp_path / "outer/.git/modules/sub/fhfix/applied").is_dir()
    assert writing.undo(tmp_path / "outer/sub").removed == ("a.py",)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (crafted([], version=7), "it is of version 7, and this fhfix knows version 1"),
        (crafted([], folders=[5]), "5 is no str"),
        (crafted([], folders="ab"), "'ab' is no list"),
        (crafted([{**move("a", None, None), "path": 5}]), "5 is no str"),
        (crafted([move("a", None, None, mode="0644")]), "'0644' is no int"),
        (crafted([move("a", None, None, mode=True)]), "True is no int"),
        (crafted([move("a", None, None, executable=1)]), "1 is no bool"),
        (crafted([move("../a", None, None)]), "not a path that fhfix may write"),
        (crafted([{"path": "a"}]), "before"),
        (crafted([], undoes="../../x"), "its names are not those that fhfix gives"),
        (crafted([], undoes="٣"), "its names are not those that fhfix gives"),
        ("[" * 100_000, "maximum recursion depth exceeded"),
        ("[]", "list indices"),
        ("null", "NoneType"),
        ("\x00", "Expecting value"),
    ],
)
def test_a_manifest_that_fhfix_did_not_write_is_refused_in_one_line(unpacked: Path, manifest: str, said: str) -> None:
    subprocess.run(["git", "init", "-q", str(unpacked)], check=True)
    put_journal(unpacked / ".git/fhfix", manifest)
    before = everything(unpacked / ".github")

    for command in ("apply", "undo"):
        result = fhfix(command, unpacked)

        assert result.exit_code == 3
        assert "cannot be used: " in result.output
        assert said in result.output
        assert "Traceback" not in result.output
    assert everything(unpacked / ".github") == before


@pytest.mark.parametrize("damage", ["changed", "gone", "folder", "link"])
def test_an_undo_whose_original_is_damaged_changes_nothing(unpacked: Path, damage: str) -> None:
    (unpacked / "a.py").write_bytes(b"a = 1\n")
    writing.apply(unpacked, one_file(b"a = 1\n", b"a = 2\n"))
    blob = unpacked / f".fhfix/applied/00000001/{writing._sha(b'a = 1' + bytes([10]))}"
    if damage == "changed":
        blob.write_bytes(b"a = 3\n")
    else:
        blob.unlink()
    if damage == "folder":
        blob.mkdir()
    elif damage == "link":
        blob.symlink_to("/etc/passwd")

    result = fhfix("undo", unpacked)

    assert result.exit_code == 3
    assert "a.py: its original" in result.output or "not a regular file" in result.output
    assert (unpacked / "a.py").read_bytes() == b"a = 2\n"


# -- an interruption ----------------------------------------------------------------------------------------------


def cut_short(work: Callable[[], object], name: str, count: int) -> None:
    """Run `work` in a process that dies before its call number `count` of this system call."""

    def die(called: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        count -= called == name
        if not count:
            os.kill(os.getpid(), signal.SIGKILL)

    def child() -> None:
        watch(die)
        work()

    assert os.WIFSIGNALED(os.waitpid(forked(child), 0)[1])


@pytest.fixture
def halfway(tmp_path: Path) -> Path:
    """Two projects with a Dockerfile each, fixed, of which an undo has removed one new file."""
    root = tmp_path / "two"
    for folder in ("a", "b"):
        (root / folder).mkdir(parents=True)
        (root / folder / "Dockerfile").write_text('FROM python:3.12\nWORKDIR /app\nCOPY . .\nCMD ["python", "x.py"]\n')
    (root / "compose.yml").write_text("services:\n  a:\n    build: ./a\n  b:\n    build: ./b\n")
    assert fhfix("apply", root).exit_code in (0, 1)
    cut_short(lambda: writing.undo(root), "unlink", 2)
    assert len(list(root.rglob(".dockerignore"))) == 1
    return root


def test_an_apply_after_an_interruption_looks_at_what_recovery_left(halfway: Path) -> None:
    result = fhfix("apply", halfway)

    assert "FAULT" not in result.output
    assert "an interrupted undo of" in result.stderr
    assert result.exit_code in (0, 1)
    assert len(list(halfway.rglob(".dockerignore"))) == 2


def test_a_new_file_that_an_interrupted_apply_left_is_not_missed(tmp_path: Path) -> None:
    root = tmp_path / "one"
    root.mkdir()
    (root / "Dockerfile").write_text('FROM python:3.12\nWORKDIR /app\nCOPY . .\nCMD ["python", "x.py"]\n')
    expected = tmp_path / "expected"
    expected.mkdir()
    (expected / "Dockerfile").write_bytes((root / "Dockerfile").read_bytes())
    fhfix("apply", expected)
    cut_short(lambda: fhfix("apply", root), "link", 1)

    result = fhfix("apply", root)

    assert "not handled" not in result.output
    assert {p: b for p, b in everything(root).items() if ".fhfix" not in p} == {
        p: b for p, b in everything(expected).items() if ".fhfix" not in p
    }


@pytest.mark.parametrize(
    "words", [("check",), ("preview", "--html", "-"), ("audit",), ("init", "--stdout"), ("apply", "-n")], ids=" ".join
)
def test_every_command_looks_at_a_tree_that_is_whole(halfway: Path, words: tuple[str, ...]) -> None:
    result = fhfix(*words, halfway)

    assert re.search(r"an interrupted undo of \d files was (taken back|finished)", result.stderr)
    assert len(list(halfway.rglob(".dockerignore"))) in (0, 2)
    assert "interrupted" not in fhfix(*words, halfway).stderr


@pytest.mark.parametrize("words", [("check",), ("audit",), ("apply", "-n")], ids=" ".join)
def test_a_command_that_only_reads_shows_the_files_in_between_while_another_writes(
    halfway: Path, words: tuple[str, ...]
) -> None:
    before = everything(halfway)

    with writing._locked(halfway):
        result = fhfix(*words, halfway)

    assert "an apply or undo is halfway, and this shows the files in between" in result.stderr
    assert "is at work in this repository" in result.stderr
    assert result.exit_code in (0, 1)
    assert {p: b for p, b in everything(halfway).items() if "lock" not in p} == {
        p: b for p, b in before.items() if "lock" not in p
    }


def test_a_second_interruption_says_which_files_are_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "r"
    root.mkdir()
    sources = {name: Source(name, "new\n") for name in ("a.py", "b.py", "c.py")}
    for name in sources:
        (root / name).write_text("old\n")
    changes = {n: FileChange(n, Source(n, "old\n"), s, (Piece(s.text),)) for n, s in sources.items()}
    renames = 0

    def interrupt(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal renames
        renames += name == "rename"
        if name == "rename" and renames in (4, 5):  # the third file, then the first original that is put back
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        from tests.test_writing import watch_within

        watch_within(patch, interrupt)
        with pytest.raises(writing.HalfWrittenError) as stopped:
            writing.apply(root, Plan(changes, ()))

    assert "the next `fhfix apply` or `fhfix undo` puts that right. Half-written now:" in str(stopped.value)
    torn = {name for name in sources if (root / name).read_text() == "new\n"}
    assert torn == {problem.path for problem in stopped.value.problems} == {"a.py", "b.py"}
    writing.recover(root)
    assert {(root / name).read_text() for name in sources} == {"old\n"}


# -- how the process ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_it_with_a_word_and_leaves_nothing(unpacked: Path, number: signal.Signals) -> None:
    """It waits at a pipe that never opens, as at a question: the lock's holder is named when the signal comes."""
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # the shell of the tests may ignore it
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # and nohup does
        "from fixer import __main__, engine\n"
        f"engine.plan = lambda *a, **k: (signal.raise_signal({int(number)}), __import__('time').sleep(60))\n"
        f"sys.argv = ['fhfix', 'apply', {str(unpacked)!r}]\n"
        "__main__.main()\n"
    )
    before = everything(unpacked)

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )

    assert done.returncode == 128 + number
    assert done.stderr == b"fhfix: stopped\n"
    assert everything(unpacked) == before


@pytest.mark.parametrize("number", [1, 5, 25, 125])
def test_an_interruption_at_the_very_start_shows_no_traceback(unpacked: Path, number: int) -> None:
    """While modules are loaded: at the first import behind the main module, at the fifth, … As long as there is nothing
    to take back it ends without a word."""
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # the shell of the tests may ignore it
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # and nohup does
        "from fixer import __main__\n"
        f"left = {number}\n"
        "def interrupt(event, arguments):\n"
        "    global left\n"
        "    left -= event == 'import'\n"
        "    if event == 'import' and left == 0:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "sys.addaudithook(interrupt)\n"
        f"sys.argv = ['fhfix', 'check', {str(unpacked)!r}]\n"
        "__main__.main()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )

    assert (done.returncode, done.stderr) in ((-signal.SIGINT, b""), (130, b"fhfix: stopped\n"))


def test_a_signal_while_a_class_is_made_is_no_fault(unpacked: Path) -> None:
    """Python 3.11 wraps what is raised there into a RuntimeError."""
    code = (
        "import signal, sys\n"
        "from fixer import __main__, engine\n"
        "class Field:\n"
        "    def __set_name__(self, owner, name):\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "engine.plan = lambda *_, **__: type('Made', (), {'field': Field()})\n"
        f"sys.argv = ['fhfix', 'apply', {str(unpacked)!r}]\n"
        "__main__.main()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )

    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, b"fhfix: stopped\n")


@pytest.mark.parametrize("place", ["cli.main.make_context", "__main__._end"])
def test_a_signal_before_or_after_the_work_ends_it_without_a_word(unpacked: Path, place: str) -> None:
    """It ends by the signal itself: 1 would say that something was found."""
    code = (
        "import signal, sys\n"
        "from fixer import __main__, cli\n"
        f"{place} = lambda *_, **__: signal.raise_signal(signal.SIGTERM)\n"
        f"sys.argv = ['fhfix', 'check', {str(unpacked)!r}]\n"
        "__main__.main()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )

    assert (done.returncode, done.stderr) == (-signal.SIGTERM, b"")


def test_what_nobody_expected_is_one_line_and_exit_code_3(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("full_name")

    monkeypatch.setattr("fixer.engine.check", fail)

    result = fhfix("check", unpacked)

    assert result.exit_code == 3
    assert result.stderr.startswith("fhfix: FAULT: KeyError: 'full_name' (test_state.py:")
    assert len(result.stderr.splitlines()) == 1
    assert isinstance(fhfix("--debug", "check", unpacked).exception, KeyError)


def test_the_guarded_reading_names_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 11)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("large")
    (tmp_path / "in").symlink_to("folder")
    os.mkfifo(tmp_path / "pipe")
    wrong = {"large": "larger than", "folder": "not a regular", "link": "a symbolic link", "pipe": "not a regular"}
    for path, reason in {**wrong, "in/x": "in is a symbolic link"}.items():
        with pytest.raises(FileError, match=reason):
            disk.read(tmp_path, path, 10)
    assert disk.read(tmp_path, "large", 11)[0] == b"x" * 11
    with pytest.raises(FileError, match="larger than"):
        disk.read(Path("/proc/self"), "environ", 3)  # says of itself that it is empty
