"""Writing is all or nothing, whatever happens in the middle, and can be taken back."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixer import disk, writing
from fixer.model import FileChange, FileError, Piece, Plan, Source
from fixer.repository import Repository
from tests.fixture_cases import write

WORKFLOW = ".github/workflows/ci.yml"
SETTINGS = "src/settings.py"
NEW = ".github/scripts/wait/healthy.sh"
OLD = {WORKFLOW: b"\xef\xbb\xbfon: push\r\njobs: {}\r\n", SETTINGS: b"DEBUG = True", "README.md": b"# Shop\n"}
CHANGED = {
    WORKFLOW: b"\xef\xbb\xbfon: push\r\njobs:\r\n  test: {}\r\n",
    SETTINGS: b"DEBUG = False",
    NEW: b"#!/bin/sh\n",
}

Tree = dict[str, bytes]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = write(tmp_path / "shop", OLD)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def plan_of(before: Mapping[str, bytes], after: Mapping[str, bytes], executable: str = "") -> Plan:
    files = {}
    for path, data in after.items():
        source = Source.from_bytes(path, data)
        old = Source.from_bytes(path, before[path]) if path in before else None
        files[path] = FileChange(path, old, source, (Piece(source.text),), path == executable)
    return Plan(files, ())


PLAN = plan_of(OLD, CHANGED, executable=NEW)


def tree(root: Path) -> Tree:
    """Every file of the work tree, and every empty folder (as `path/`)."""
    found = {}
    for folder, folders, names in os.walk(root):
        if folder == str(root) and ".git" in folders:
            folders.remove(".git")
        for name in names:
            path = Path(folder, name)
            found[str(path.relative_to(root))] = path.read_bytes()
        if not names and not folders:
            found[str(Path(folder).relative_to(root)) + "/"] = b""
    return found


AFTER = {**OLD, **CHANGED}


# -- the ordinary day -------------------------------------------------------------------------------------------


def test_an_apply_writes_exactly_the_bytes_of_the_plan(root: Path) -> None:
    receipt = writing.apply(root, PLAN)

    assert tree(root) == AFTER
    assert (receipt.changed, receipt.created) == ((WORKFLOW, SETTINGS), (NEW,))


def test_an_undo_restores_every_file_and_removes_what_was_new(root: Path) -> None:
    writing.apply(root, PLAN)

    receipt = writing.undo(root)

    assert {p: hashlib.sha256(b).digest() for p, b in tree(root).items()} == {
        p: hashlib.sha256(b).digest() for p, b in OLD.items()
    }
    assert (sorted(receipt.changed), receipt.removed) == ([WORKFLOW, SETTINGS], (NEW,))


def test_applies_are_taken_back_one_after_the_other(root: Path) -> None:
    second = {SETTINGS: b"DEBUG = None"}
    writing.apply(root, PLAN)
    writing.apply(root, plan_of(AFTER, second))

    writing.undo(root)
    assert tree(root) == AFTER
    writing.undo(root)
    assert tree(root) == OLD
    with pytest.raises(writing.NothingToUndoError, match="every apply has been taken back"):
        writing.undo(root)


def test_there_is_nothing_to_undo_where_fhfix_never_wrote(root: Path) -> None:
    with pytest.raises(writing.NothingToUndoError, match="has not changed this repository"):
        writing.undo(root)


def test_a_plan_that_changes_nothing_leaves_no_trace(root: Path) -> None:
    receipt = writing.apply(root, plan_of(OLD, {WORKFLOW: OLD[WORKFLOW]}))

    assert receipt == writing.Receipt()
    assert not (root / ".git/fhfix").exists()


def test_the_history_is_bounded(root: Path) -> None:
    content = OLD[SETTINGS]
    for number in range(writing.HISTORY + 3):
        writing.apply(root, plan_of({SETTINGS: content}, {SETTINGS: b"N = %d\n" % number}))
        content = b"N = %d\n" % number

    assert len(list((root / ".git/fhfix/applied").iterdir())) == writing.HISTORY


def test_git_sees_nothing_of_the_journal(root: Path) -> None:
    writing.apply(root, PLAN)

    status = subprocess.run(["git", "-C", str(root), "status", "--porcelain", "-uall"], capture_output=True, text=True)

    assert {line[3:] for line in status.stdout.splitlines()} == set(AFTER)


def test_without_git_the_journal_ignores_itself(root: Path, tmp_path: Path) -> None:
    (root / ".git").rename(tmp_path / "away")

    writing.apply(root, PLAN)

    assert (root / ".fhfix/.gitignore").read_bytes() == b"*\n"
    assert set(Repository(root).files) == set(AFTER)
    writing.undo(root)
    assert {path: data for path, data in tree(root).items() if not path.startswith(".fhfix")} == OLD


def test_a_linked_work_tree_has_a_history_of_its_own(root: Path, tmp_path: Path) -> None:
    git = ["git", "-C", str(root), "-c", "user.name=T", "-c", "user.email=t@example.com"]
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "Start"], check=True)
    subprocess.run([*git, "worktree", "add", "-q", str(tmp_path / "linked")], check=True)

    writing.apply(tmp_path / "linked", PLAN)

    assert not (tmp_path / "linked/.fhfix").exists()
    with pytest.raises(writing.NothingToUndoError):
        writing.undo(root)
    writing.undo(tmp_path / "linked")
    assert {p: b for p, b in tree(tmp_path / "linked").items() if p != ".git"} == OLD


# -- modes, owners, links ---------------------------------------------------------------------------------------


def test_modes_are_kept_and_new_scripts_are_executable(root: Path) -> None:
    os.chmod(root / SETTINGS, 0o640)
    os.chmod(root / WORKFLOW, 0o755)
    mask = os.umask(0o027)
    try:
        writing.apply(root, PLAN)
    finally:
        os.umask(mask)

    assert [stat.S_IMODE((root / path).stat().st_mode) for path in (SETTINGS, WORKFLOW, NEW)] == [0o640, 0o755, 0o750]
    writing.undo(root)
    assert [stat.S_IMODE((root / path).stat().st_mode) for path in (SETTINGS, WORKFLOW)] == [0o640, 0o755]


@pytest.mark.parametrize("target", ["inside", "outside"])
def test_a_symbolic_link_is_refused_and_its_target_untouched(root: Path, tmp_path: Path, target: str) -> None:
    real = root / "real.py" if target == "inside" else tmp_path / "real.py"
    real.write_bytes(OLD[SETTINGS])
    (root / SETTINGS).unlink()
    (root / SETTINGS).symlink_to(real)

    with pytest.raises(writing.WriteError, match=r"src/settings\.py: a symbolic link"):
        writing.apply(root, PLAN)

    assert (root / SETTINGS).is_symlink()
    assert real.read_bytes() == OLD[SETTINGS]
    assert (root / WORKFLOW).read_bytes() == OLD[WORKFLOW]


def test_a_folder_that_links_out_of_the_repository_is_not_entered(root: Path, tmp_path: Path) -> None:
    (root / "src").rename(tmp_path / "elsewhere")
    (root / "src").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(writing.WriteError, match="src is a symbolic link"):
        writing.apply(root, PLAN)

    assert (tmp_path / "elsewhere/settings.py").read_bytes() == OLD[SETTINGS]


@pytest.mark.parametrize(
    "path", ["../out.py", "/etc/out.py", ".git/hooks/pre-commit", "a/.GIT/config", "a//b", ".fhfix/x"]
)
def test_paths_that_are_nobodys_business_are_refused(root: Path, path: str) -> None:
    with pytest.raises(FileError, match="not a path that fhfix may write"):
        writing.apply(root, plan_of({}, {path: b"x"}))


def test_a_journal_that_came_with_the_repository_cannot_reach_out_of_it(root: Path, tmp_path: Path) -> None:
    journal = root / ".git/fhfix/journal"
    journal.mkdir(parents=True)
    (journal / "manifest.json").write_text(
        '{"version": 1, "id": "0badf00d", "kind": "apply", "folders": [], "undoes": "",'
        ' "moves": [{"path": "../victim", "before": null, "after": null}]}'
    )
    (tmp_path / "victim").write_text("mine")

    with pytest.raises(writing.WriteError, match="cannot be used"):
        writing.recover(root)

    assert (tmp_path / "victim").read_text() == "mine"


# -- refusals ---------------------------------------------------------------------------------------------------


def test_a_file_that_changed_since_it_was_read_stops_everything(root: Path) -> None:
    (root / SETTINGS).write_bytes(b"DEBUG = 1")

    with pytest.raises(writing.WriteError, match=r"src/settings\.py: changed since it was read; run fhfix again"):
        writing.apply(root, PLAN)

    assert tree(root) == {**OLD, SETTINGS: b"DEBUG = 1"}


def test_a_file_that_vanished_stops_everything(root: Path) -> None:
    (root / SETTINGS).unlink()

    with pytest.raises(writing.WriteError, match=r"src/settings\.py: no longer there"):
        writing.apply(root, PLAN)

    assert (root / WORKFLOW).read_bytes() == OLD[WORKFLOW]


def test_a_new_file_never_overwrites(root: Path) -> None:
    (root / NEW).parent.mkdir(parents=True)
    (root / NEW).write_bytes(b"mine")

    with pytest.raises(writing.WriteError, match=r"healthy\.sh: there already"):
        writing.apply(root, PLAN)

    assert tree(root) == {**OLD, NEW: b"mine"}


def test_an_undo_names_every_file_that_was_edited_since_and_restores_none(root: Path) -> None:
    writing.apply(root, PLAN)
    (root / SETTINGS).write_bytes(b"DEBUG = 'mine'")
    (root / NEW).write_bytes(b"mine")
    before = tree(root)

    with pytest.raises(writing.WriteError) as refusal:
        writing.undo(root)

    assert [(p.path, p.reason) for p in refusal.value.problems] == [
        (NEW, "edited since fhfix wrote it"),
        (SETTINGS, "edited since fhfix wrote it"),
    ]
    assert tree(root) == before
    (root / SETTINGS).write_bytes(CHANGED[SETTINGS])
    (root / NEW).write_bytes(CHANGED[NEW])
    writing.undo(root)
    assert tree(root) == OLD


@pytest.mark.parametrize("put_back", [(SETTINGS,), (SETTINGS, NEW), tuple(CHANGED)])
def test_what_somebody_has_put_back_already_needs_no_undo(root: Path, put_back: tuple[str, ...]) -> None:
    writing.apply(root, PLAN)
    for path in put_back:
        if path in OLD:
            (root / path).write_bytes(OLD[path])
        else:
            (root / path).unlink()

    receipt = writing.undo(root)

    assert tree(root) == OLD
    assert sorted((*receipt.changed, *receipt.removed)) == sorted(set(CHANGED) - set(put_back))
    with pytest.raises(writing.NothingToUndoError):
        writing.undo(root)


def test_an_undo_keeps_a_folder_that_somebody_put_a_file_into(root: Path) -> None:
    writing.apply(root, PLAN)
    (root / NEW).with_name("mine.sh").write_bytes(b"mine")

    writing.undo(root)

    assert tree(root) == {**OLD, ".github/scripts/wait/mine.sh": b"mine"}


def test_two_runs_at_once_are_kept_apart(root: Path) -> None:
    writing.apply(root, PLAN)
    (root / ".git/fhfix/journal").mkdir()
    reader, writer = os.pipe()
    holder = forked(lambda: hold_lock(root, writer))
    os.read(reader, 1)
    try:
        for attempt in (
            lambda: writing.apply(root, plan_of(AFTER, OLD)),
            lambda: writing.undo(root),
            lambda: writing.recover(root),
        ):
            with pytest.raises(writing.BusyError, match=rf"another fhfix \(process {holder}\) is at work"):
                attempt()
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)

    (root / ".git/fhfix/journal").rmdir()
    writing.undo(root)  # the kernel dropped the dead one's lock
    assert tree(root) == OLD


def hold_lock(root: Path, writer: int) -> None:
    with writing._locked(root):
        os.write(writer, b"x")
        signal.pause()


# -- killed at every step ---------------------------------------------------------------------------------------


CALLS = "open write fsync rename link unlink mkdir rmdir fchmod fchown ftruncate pwrite"


class Watched(SimpleNamespace):
    """The module `os`, as seen by writing.py, with `watch` asked before each system call that matters."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(**{name: getattr(os, name) for name in dir(os)})

        def watched(name: str) -> Callable[..., Any]:
            # A process that dies takes nothing of the kernel with it: waiting for the disk would only cost time.
            real = getattr(os, name) if name != "fsync" else lambda file: None

            def call(*args: Any, **options: Any) -> Any:
                watch(name, args)
                return real(*args, **options)

            return call

        for name in CALLS.split():
            setattr(self, name, watched(name))


Watch = Callable[[str, tuple[Any, ...]], object]


def watch(seen: Watch) -> None:
    """From here on, in this process, `seen` is asked before each system call that matters."""
    for module in (writing, disk):
        setattr(module, "os", Watched(seen))  # noqa: B010


def watch_within(patch: pytest.MonkeyPatch, seen: Watch) -> None:
    watched = Watched(seen)
    for module in (writing, disk):
        patch.setattr(module, "os", watched)


def forked(work: Callable[[], object]) -> int:
    """Run `work` in a child process; its number."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return child


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Run `work` in a child that dies of SIGKILL at its system call number `step`; whether it came so far.

    A write dies in the middle: half of its bytes are in the file.
    """

    def die(name: str, args: tuple[Any, ...]) -> None:
        nonlocal step
        step -= 1
        if step < 0:
            if name == "write":
                os.write(args[0], bytes(args[1][: len(args[1]) // 2]))
            os.kill(os.getpid(), signal.SIGKILL)

    def child() -> None:
        watch(die)
        work()

    status = os.waitpid(forked(child), 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def every_step(work: Callable[[], object], reset: Callable[[], None]) -> Iterator[int]:
    """Kill `work` at each of its steps in turn; the caller looks at what is left."""
    step = 0
    while True:
        reset()
        if not killed_at(step, work):
            return
        yield step
        step += 1


def start_afresh(root: Path) -> None:
    for path in root.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(root / ".git/fhfix", ignore_errors=True)
    for name, data in OLD.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


@pytest.mark.slow
def test_an_apply_killed_at_any_step_is_all_or_nothing_at_the_next_start(root: Path) -> None:
    outcomes = []
    for step in every_step(lambda: writing.apply(root, PLAN), lambda: start_afresh(root)):
        recovery = writing.recover(root)

        found = tree(root)
        assert found in (OLD, AFTER), f"killed at step {step}: {sorted(found)}"
        assert not writing.interrupted(root)
        outcomes.append((recovery.finished if recovery else None, found == AFTER))
        if found == AFTER:
            writing.undo(root)
        else:
            writing.apply(root, PLAN)
            assert tree(root) == AFTER

    assert len(outcomes) > 50
    # Before the journal, taken back, finished, after the journal.
    assert list(dict.fromkeys(outcomes)) == [(None, False), (False, False), (True, True), (None, True)]


@pytest.mark.slow
def test_an_undo_killed_at_any_step_is_all_or_nothing_at_the_next_start(root: Path) -> None:
    def applied() -> None:
        start_afresh(root)
        writing.apply(root, PLAN)

    outcomes = []
    for step in every_step(lambda: writing.undo(root), applied):
        recovery = writing.recover(root)

        found = tree(root)
        assert found in (OLD, AFTER), f"killed at step {step}: {sorted(found)}"
        outcomes.append((recovery.finished if recovery else None, found == OLD))
        if found == AFTER:
            writing.undo(root)
            assert tree(root) == OLD
        else:
            with pytest.raises(writing.NothingToUndoError):
                writing.undo(root)

    assert len(outcomes) > 40
    assert list(dict.fromkeys(outcomes))[:3] == [(None, False), (False, False), (True, True)]


@pytest.mark.slow
def test_a_recovery_may_itself_be_killed_at_any_step(root: Path) -> None:
    def renamed_once() -> None:
        start_afresh(root)
        seen = []

        def stop(name: str, args: tuple[Any, ...]) -> None:
            seen.append(name)
            if name == "link":  # the two changed files are in place, the new one is not
                os.kill(os.getpid(), signal.SIGKILL)

        def child() -> None:
            watch(stop)
            writing.apply(root, PLAN)

        os.waitpid(forked(child), 0)
        assert (root / SETTINGS).read_bytes() == CHANGED[SETTINGS]
        assert not (root / NEW).exists()

    steps = 0
    for step in every_step(lambda: writing.recover(root), renamed_once):
        writing.recover(root)
        assert tree(root) == OLD, f"killed at step {step}"
        steps += 1

    assert steps > 10


def test_the_next_apply_clears_up_by_itself_and_says_so(root: Path) -> None:
    assert killed_at(45, lambda: writing.apply(root, PLAN))
    assert writing.interrupted(root)

    receipt = writing.apply(root, PLAN)

    assert receipt.recovery is not None
    assert str(receipt.recovery) == "an interrupted apply of 3 files was taken back"
    assert tree(root) == AFTER


def test_what_somebody_edits_between_a_kill_and_the_next_start_is_theirs(root: Path) -> None:
    def stop(name: str, args: tuple[Any, ...]) -> None:
        if name == "link":
            os.kill(os.getpid(), signal.SIGKILL)

    def child() -> None:
        watch(stop)
        writing.apply(root, PLAN)

    os.waitpid(forked(child), 0)
    (root / SETTINGS).write_bytes(b"DEBUG = 'mine'")

    recovery = writing.recover(root)

    assert recovery is not None
    assert (recovery.finished, recovery.kept) == (False, (SETTINGS,))
    assert tree(root) == {**OLD, SETTINGS: b"DEBUG = 'mine'"}
    assert recovery.originals is not None
    assert OLD[SETTINGS] in [path.read_bytes() for path in recovery.originals.iterdir()]


# -- faults -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
def test_a_fault_of_the_disk_at_any_step_leaves_all_or_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    """One call fails and the next ones work, as when a full disk has room again for smaller things."""
    step, refused = 0, 0
    while True:
        left = step

        def fail(name: str, args: tuple[Any, ...]) -> None:
            nonlocal left
            left -= 1
            if left == -1:
                raise OSError(fault, os.strerror(fault))

        start_afresh(root)
        said = ""
        with monkeypatch.context() as patch:
            watch_within(patch, fail)
            try:
                writing.apply(root, PLAN)
            except writing.WriteError as error:
                said = str(error)
        if left >= 0:
            break
        refused += bool(said)
        assert not said or os.strerror(fault) in said
        writing.recover(root)
        assert tree(root) == (OLD if said else AFTER), f"step {step}"
        step += 1

    assert refused > 30


@pytest.mark.slow
def test_an_undo_that_failed_at_any_step_can_be_repeated(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, refused = 0, 0
    while True:
        left = step

        def fail(name: str, args: tuple[Any, ...]) -> None:
            nonlocal left
            left -= 1
            if left == -1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        start_afresh(root)
        said = ""
        with monkeypatch.context() as patch:
            watch_within(patch, lambda name, args: None)
            writing.apply(root, PLAN)
            watch_within(patch, fail)
            try:
                writing.undo(root)
            except writing.WriteError as error:
                said = str(error)
        if left >= 0:
            break
        refused += bool(said)
        writing.recover(root)
        assert files(root) == (AFTER if said else OLD), f"step {step}"
        if said:
            writing.undo(root)
            assert files(root) == OLD
        step += 1

    assert refused > 20


def files(root: Path) -> Tree:
    """The tree without empty folders: where removing one fails the undo is none the worse."""
    return {path: data for path, data in tree(root).items() if not path.endswith("/")}


def test_a_disk_that_stays_broken_loses_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second rename on, everything that writes fails: also the way back. The next start has it."""
    renames = 0

    def fail(name: str, args: tuple[Any, ...]) -> None:
        nonlocal renames
        renames += name == "rename"
        if renames >= 3 and name in ("rename", "write", "link", "unlink", "mkdir"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        watch_within(patch, fail)
        with pytest.raises(writing.WriteError, match="Nothing is lost: the originals are in"):
            writing.apply(root, PLAN)

    assert tree(root) != OLD
    recovery = writing.recover(root)
    assert recovery is not None
    assert tree(root) == OLD


def test_an_interruption_from_the_keyboard_takes_everything_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(name: str, args: tuple[Any, ...]) -> None:
        if name == "link":
            raise KeyboardInterrupt

    watch_within(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        writing.apply(root, PLAN)

    assert tree(root) == OLD
    assert not writing.interrupted(root)


def test_a_file_too_large_for_the_disk_is_refused_by_the_kernel_and_by_name(root: Path) -> None:
    """A limit on the size of files is a real refusal of write(2), after part of the file was written."""
    large = plan_of(OLD, {**CHANGED, SETTINGS: b"#" * 100_000})

    def child() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        with pytest.raises(writing.WriteError, match=r"src/settings\.py: cannot be written: File too large"):
            writing.apply(root, large)

    assert os.waitpid(forked(child), 0)[1] == 0
    assert tree(root) == OLD


def test_a_folder_without_write_permission_is_named(root: Path) -> None:
    os.chmod(root / "src", 0o555)

    assert (
        os.waitpid(forked(lambda: as_nobody(root, r"src/settings\.py: cannot be written: Permission denied")), 0)[1]
        == 0
    )

    os.chmod(root / "src", 0o755)
    assert tree(root) == OLD


def test_a_git_directory_without_write_permission_is_named(root: Path) -> None:
    os.chmod(root / ".git", 0o555)

    assert os.waitpid(forked(lambda: as_nobody(root, "cannot keep its journal here: Permission denied")), 0)[1] == 0

    os.chmod(root / ".git", 0o755)
    assert tree(root) == OLD


def as_nobody(root: Path, message: str) -> None:
    """Permissions do not bind the superuser, so become somebody whom they bind."""
    if os.geteuid() == 0:
        for folder, _, names in os.walk(root.parent):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                os.chown(path, 65534, 65534)
        os.chroot(root.parent)  # the folders above may be closed to others
        root = Path("/", root.name)
        os.setgid(65534)
        os.setuid(65534)
    with pytest.raises(writing.WriteError, match=message):
        writing.apply(root, PLAN)


def test_an_edit_while_fhfix_writes_is_not_overwritten(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renames = 0

    def edit(name: str, args: tuple[Any, ...]) -> None:
        nonlocal renames
        renames += name == "rename"
        if renames == 2 and name == "rename":  # the first puts the journal in place, this one the first file
            (root / SETTINGS).write_bytes(b"DEBUG = 'mine'")

    with monkeypatch.context() as patch:
        watch_within(patch, edit)
        with pytest.raises(writing.WriteError, match=r"src/settings\.py: changed while fhfix was writing"):
            writing.apply(root, PLAN)

    assert tree(root) == {**OLD, SETTINGS: b"DEBUG = 'mine'"}


def test_a_file_system_without_hard_links_will_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, args: tuple[Any, ...]) -> None:
        if name == "link":
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    watch_within(monkeypatch, refuse)
    writing.apply(root, PLAN)

    assert tree(root) == AFTER


def test_a_file_system_that_knows_no_locks_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)

    with pytest.raises(writing.WriteError, match="fhfix cannot keep other runs away here: No locks available"):
        writing.apply(root, PLAN)
    assert tree(root) == OLD


def test_content_is_durable_before_its_name_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power cut needs: the bytes are synced before the rename that shows them, and the folder after it."""
    calls: list[str] = []
    watch_within(monkeypatch, lambda name, args: calls.append(name))
    writing.apply(root, PLAN)

    unsynced = 0
    for before, name, after in zip(["", *calls], calls, [*calls[1:], ""], strict=False):
        unsynced += name == "write"
        unsynced = 0 if name == "fsync" else unsynced
        if name in ("rename", "link"):
            assert unsynced == 0, f"{before} {name}"
            assert after in ("fsync", "unlink", "open")
    assert calls.count("rename") == 4
    assert calls.count("link") == 1


def test_writing_starts_fast() -> None:
    """A dry run asks whether something was interrupted, so this module must not bring heavy ones with it."""
    code = "import sys, fixer.writing; print([m for m in sys.modules if m in ('click', 'rich', 'deepdiff', 'httpx')])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
