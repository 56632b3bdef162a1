"""The only module that touches the user's files: all files of an apply or none, and the way back.

An apply, and likewise an undo, goes like this, under a lock:

1. every file is compared with what was read: one that changed since, or is a link, stops everything;
2. a journal (what each file was, and the SHA-256 of what it becomes) is written beside the repository's own data,
   made durable, and put in place by one rename;
3. the new contents are staged in temporary files in the folders of their targets, made durable;
4. each temporary file is renamed over its target, which is looked at once more just before;
5. the journal moves to the history, where `undo` finds it, by one rename.

Killed before 2 is over, nothing has happened. Killed before 4 is over, the next start puts the originals back from
the journal; killed later, it finishes 5. The space that a change needs is taken in 2 and 3, before any file changes.

The journal lives in `fhfix/` of the git directory (of the work tree's own, with `git worktree`), or in `.fhfix/`
where there is none. That folder is held open: what is in it is reached by its handle, and no link is followed. A
`.fhfix/` that came with the tree, in an archive say, is not believed: it lacks the mark of the place where it was made.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from fixer import disk
from fixer.disk import ADVICE, folder_of, sync, write_all
from fixer.model import FileError, Plan
from fixer.records import record

HISTORY = 20
"""Applies that can be taken back, newest first; older ones are forgotten."""

_VERSION = 1
_JOURNAL, _PREPARING, _DISCARDED, _HISTORY, _UNDONE = "journal", "preparing", "discarded", "applied", "undone"
_MANIFEST, _LOCK, _IGNORED, _MARK = "manifest.json", "lock", ".gitignore", "mark"
_LARGEST_MANIFEST = 64 * 1024 * 1024
_LARGEST_POINTER = 64 * 1024
_T = TypeVar("_T")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# What a file system without hard links answers to link(2).
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


class WriteError(Exception):
    """Nothing was written, or what was written has been taken back. `problems` says which files stood in the way."""

    def __init__(self, message: str, problems: Iterable[FileError] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join((message, *(f"  {problem}" for problem in self.problems))))
        self.lines = (message, *map(str, self.problems))


class BusyError(WriteError):
    """Another fhfix is at work in this repository."""


class NothingToUndoError(WriteError):
    """The history holds no apply."""


class HalfWrittenError(WriteError):
    """Stopped while what had been written was being taken back: the files named are not what they were."""


@record
class Recovery:
    """What became of an apply or undo that had been interrupted.

    `kept` are files that somebody edited after the interruption: they stay as they are, and what they were before
    is kept in `originals`.
    """

    interrupted: Literal["apply", "undo"]
    finished: bool
    paths: tuple[str, ...]
    kept: tuple[str, ...] = ()
    originals: Path | None = None

    def __str__(self) -> str:
        what = "finished" if self.finished else "taken back"
        said = f"an interrupted {self.interrupted} of {len(self.paths)} files was {what}"
        if self.kept:
            said += f"; edited since, and left alone: {', '.join(self.kept)} (originals: {self.originals})"
        return said


@record
class Receipt:
    """The paths that an apply or undo wrote. `recovery` tells of an earlier one that had been interrupted."""

    changed: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    recovery: Recovery | None = None


def apply(root: Path, plan: Plan) -> Receipt:
    """Write all files of a plan. Raises WriteError, and then no file is changed."""
    moves, contents = [], {}
    for change in plan.files.values():
        before = None if change.before is None else change.before.to_bytes()
        after = change.after.to_bytes()
        if before != after:
            moves.append(_Move(change.path, _sha(before), _sha(after), executable=change.executable))
            contents[change.path] = after
    if not moves:
        return Receipt()
    with _locked(root) as state:
        recovery = _recover(root, state)
        _refuse_changed(root, moves, "changed since it was read", "run fhfix again")
        folders = _missing_folders(root, moves)
        record = _Record(os.urandom(4).hex(), "apply", tuple(moves), folders)
        _carry_out(root, state, record, contents)
    return Receipt(
        changed=tuple(move.path for move in moves if move.before is not None),
        created=tuple(move.path for move in moves if move.before is None),
        recovery=recovery,
    )


def undo(root: Path) -> Receipt:
    """Take the last apply back, byte for byte. Raises WriteError where a file has been edited since.

    A file that is as it was before, since git has put it back, say, needs nothing; the receipt does not name it.
    """
    home = _home(root)
    if not os.path.lexists(home.path):
        raise NothingToUndoError("there is nothing to undo: fhfix has not changed this repository")
    with _locked(root) as state:
        recovery = _recover(root, state)
        with _refusing(), _naming(state.path, "the history cannot be read"):
            history = _history(state)
        if not history:
            raise NothingToUndoError("there is nothing to undo: every apply has been taken back")
        done = _Record.read(state, history[-1])
        moves = [move for move in done.moves if not _stands(root, move.path, move.before)]
        back = tuple(_Move(m.path, m.after, m.before, mode=m.mode) for m in reversed(moves))
        _refuse_changed(root, back, "edited since fhfix wrote it", "take that edit back first")
        with _refusing():
            contents = {move.path: _blob(state, history[-1], move) for move in moves if move.before is not None}
        number = history[-1].rpartition("/")[2]
        record = _Record(os.urandom(4).hex(), "undo", back, done.folders, undoes=number)
        _carry_out(root, state, record, contents)
    return Receipt(
        changed=tuple(move.path for move in moves if move.before is not None),
        removed=tuple(move.path for move in moves if move.before is None),
        recovery=recovery,
    )


def interrupted(root: Path) -> bool:
    """Whether an apply or undo was cut short here. Writes nothing, so a dry run may ask."""
    try:
        with _opened(_home(root)) as state:
            return state.has(_JOURNAL)
    except (OSError, FileError):
        return False


def recover(root: Path) -> Recovery | None:
    """Finish or take back what was interrupted; None where nothing was. Raises BusyError while another fhfix runs."""
    if not interrupted(root):
        return None
    with _locked(root) as state:
        return _recover(root, state)


# -- the folder that holds journal and history -----------------------------------------------------------------


@record
class _Home:
    """Where journal and history belong. `in_tree`: a repository can have brought such a folder along."""

    path: Path
    in_tree: bool


@record
class _State:
    """That folder, open. Paths in it are relative to it."""

    path: Path
    handle: int

    def has(self, path: str) -> bool:
        """Whether there is a folder of this name. Raises FileError for a link or anything else."""
        try:
            with folder_of(self.handle, f"{path}/{_MANIFEST}"):
                return True
        except FileNotFoundError:
            return False
        except FileError:
            raise FileError(f"{self.path}/{path}", "a symbolic link or a file, not a folder", "remove it") from None

    def names(self, path: str = "") -> list[str]:
        with folder_of(self.handle, f"{path}/." if path else ".") as (folder, _):
            return os.listdir(folder)

    def read(self, path: str, largest: int | None = None) -> bytes:
        with folder_of(self.handle, path) as (folder, name):
            return disk.read_in(folder, name, f"{self.path}/{path}", largest)[0]

    def make(self, path: str) -> None:
        with folder_of(self.handle, path) as (folder, name):
            os.mkdir(name, dir_fd=folder)

    def write(self, path: str, data: bytes) -> None:
        """A new file, durable."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with folder_of(self.handle, path) as (folder, name):
            file = os.open(name, flags, 0o666, dir_fd=folder)
            try:
                write_all(file, data)
                os.fsync(file)
            finally:
                os.close(file)

    def rename(self, path: str, other: str) -> None:
        with folder_of(self.handle, path) as (one, name), folder_of(self.handle, other) as (two, new):
            os.rename(name, new, src_dir_fd=one, dst_dir_fd=two)

    def sync(self, path: str = "") -> None:
        with folder_of(self.handle, f"{path}/." if path else ".") as (folder, _):
            sync(folder)


def _home(root: Path) -> _Home:
    git = _git_directory(root)
    return _Home(root / ".fhfix", True) if git is None else _Home(git / "fhfix", False)


def _git_directory(root: Path) -> Path | None:
    """The git directory of this work tree; None where there is none, or where it is another work tree's.

    Git's own files are read; git is not run. A file `.git` is followed where the directory that it names points back:
    one that came in an archive may name anybody's repository.
    """
    git = root / ".git"
    if (git / "HEAD").is_file() and not git.is_symlink():
        return git
    try:
        text = disk.read(root, ".git", _LARGEST_POINTER)[0].decode()
    except (OSError, FileError, UnicodeDecodeError):
        return None
    key, _, value = text.partition(":")
    named = root / value.strip()
    if key != "gitdir" or not (named / "HEAD").is_file():
        return None
    return named if os.path.realpath(root) in _work_trees(named) else None


def _work_trees(git: Path) -> Iterator[str]:
    """What a git directory says its work tree is: of `git worktree` in `gitdir`, of a submodule in `core.worktree`."""
    with suppress(OSError, FileError, UnicodeDecodeError):
        pointer = disk.read(git, "gitdir", _LARGEST_POINTER)[0].decode().strip()
        yield os.path.realpath(os.path.dirname(git / pointer))
    with suppress(OSError, FileError, UnicodeDecodeError):
        section = ""
        for line in disk.read(git, "config")[0].decode().split("\n"):
            if heading := re.match(r"\s*\[([^]\n]*)\]", line):
                section = heading[1].strip().lower()
            key, equals, value = line.partition("=")
            if section == "core" and equals and key.strip().lower() == "worktree":
                yield os.path.realpath(git / value.strip().strip('"'))


@contextmanager
def _opened(home: _Home) -> Iterator[_State]:
    """The folder as it is. Raises FileError where it is not ours to believe, and OSError where there is none."""
    try:
        handle = os.open(home.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise FileError(str(home.path), "a symbolic link or a file", "remove it") from None
        raise
    try:
        state = _State(home.path, handle)
        about = os.fstat(handle)
        if about.st_uid != os.geteuid():
            raise FileError(str(home.path), "belongs to another user", "remove it, or run fhfix as that user")
        if home.in_tree and not _marked(state, about.st_ino):
            raise FileError(str(home.path), "came with the files, and not from fhfix at this place", "remove it")
        yield state
    finally:
        os.close(handle)


def _marked(state: _State, inode: int) -> bool:
    """Whether this folder was made here: its mark is its number on this disk, which no archive can know. One in which
    there is nothing to believe is as good."""
    if set(state.names()) <= {_MARK, _LOCK, _IGNORED}:
        return True
    try:
        return state.read(_MARK, _LARGEST_POINTER) == _mark(inode)
    except (OSError, FileError):
        return False


def _mark(inode: int) -> bytes:
    return b"%d\n" % inode


# -- the journal ------------------------------------------------------------------------------------------------


@record
class _Move:
    """One file's way. `before` and `after` are SHA-256, None for "not there"; `mode` is what `before` had."""

    path: str
    before: str | None
    after: str | None
    executable: bool = False
    mode: int = 0o644

    @classmethod
    def of(cls, data: Any) -> Self:
        """From a manifest. Raises ValueError for what is of another type; of the mode only the permissions count."""
        before = data["before"] if data["before"] is None else _typed(data["before"], str)
        after = data["after"] if data["after"] is None else _typed(data["after"], str)
        mode = _typed(data["mode"], int) & 0o777
        return cls(_typed(data["path"], str), before, after, _typed(data["executable"], bool), mode)

    def __post_init__(self) -> None:
        parts = self.path.split("/")
        if any(part.lower() in ("", ".", "..", ".git", ".fhfix") or "\0" in part for part in parts):
            raise FileError(self.path, "not a path that fhfix may write")
        if any(sha is not None and not _SHA256.fullmatch(sha) for sha in (self.before, self.after)):
            raise ValueError(f"not a SHA-256: {self.before}, {self.after}")


@record
class _Record:
    """A journal's manifest. `folders` are those that an apply makes, and that its undo removes, outermost first."""

    id: str
    kind: Literal["apply", "undo"]
    moves: tuple[_Move, ...]
    folders: tuple[str, ...] = ()
    undoes: str = ""

    @classmethod
    def read(cls, state: _State, folder: str) -> Self:
        """Raises WriteError for what fhfix did not write: it may come with a repository, so nothing is believed."""
        try:
            data = json.loads(state.read(f"{folder}/{_MANIFEST}", _LARGEST_MANIFEST))
            version = data["version"]
            if version != _VERSION:
                raise ValueError(f"it is of version {version!r}, and this fhfix knows version {_VERSION}")
            record = cls(
                _typed(data["id"], str),
                _typed(data["kind"], str),  # type: ignore[arg-type]
                tuple(_Move.of(move) for move in _typed(data["moves"], list)),
                tuple(_typed(path, str) for path in _typed(data["folders"], list)),
                _typed(data["undoes"], str),
            )
            if not (
                re.fullmatch(r"[0-9a-f]{8}", record.id)
                and re.fullmatch(r"[0-9]*", record.undoes)
                and record.kind in ("apply", "undo")
            ):
                raise ValueError("its names are not those that fhfix gives")
            for path in record.folders:
                _Move(path, None, None)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, FileError) as error:
            why = error if str(error) else type(error).__name__
            raise WriteError(
                f"the journal {state.path}/{folder} cannot be used: {why}. It holds the originals of what it names:"
                " put back by hand what you need, then move it away"
            ) from None
        return record

    def to_json(self) -> bytes:
        return json.dumps({"version": _VERSION, **asdict(self)}, indent=1).encode()

    def staged(self, move: _Move) -> str:
        """The name of the temporary file beside the target."""
        return f".fhfix-{self.id}-{self.moves.index(move)}"


def _typed(value: Any, kind: type[_T]) -> _T:
    if type(value) is not kind:
        raise ValueError(f"{value!r:.60} is no {kind.__name__}")
    return value


def _history(state: _State) -> list[str]:
    """The applies that can be taken back, oldest first."""
    if not state.has(_HISTORY):
        return []
    numbered = sorted(name for name in state.names(_HISTORY) if re.fullmatch(r"[0-9]{8,}", name))
    return [f"{_HISTORY}/{name}" for name in numbered]


@contextmanager
def _locked(root: Path) -> Iterator[_State]:
    """Keep other runs out. The kernel drops the lock with the process, however it ends."""
    home = _home(root)
    with ExitStack() as stack:
        with _refusing(), _naming(home.path, "fhfix cannot keep its journal here"):
            with suppress(FileExistsError):
                os.mkdir(home.path)
                with folder_of(home.path.parent, ".") as (parent, _):
                    sync(parent)
            state = stack.enter_context(_opened(home))
            for name in (_JOURNAL, _HISTORY):
                state.has(name)
            lock = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=state.handle)
            stack.callback(os.close, lock)
        with _refusing(), _naming(home.path, "fhfix cannot keep other runs away here"):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(lock, 20).decode("ascii", "replace").strip()
                raise BusyError(
                    "another fhfix" + (f" (process {holder})" if holder else "") + " is at work in this repository;"
                    " wait until it is done, then run it again"
                ) from None
        with suppress(OSError):  # the number is a courtesy to whoever has to wait; a full disk must not matter here
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
        if home.in_tree:
            with _refusing(), _naming(home.path, "fhfix cannot keep its journal here"):
                _mark_as_ours(state)
        yield state


def _mark_as_ours(state: _State) -> None:
    mark = _mark(os.fstat(state.handle).st_ino)
    with suppress(FileExistsError):
        state.write(_IGNORED, b"*\n")
    with suppress(OSError, FileError):
        if state.read(_MARK, _LARGEST_POINTER) == mark:
            return
    with suppress(FileNotFoundError):
        os.unlink(_MARK, dir_fd=state.handle)
    state.write(_MARK, mark)


def _write_journal(root: Path, state: _State, record: _Record) -> _Record:
    """Put the journal in place, with the originals in it; the record comes back with the files' modes."""
    state.make(_PREPARING)
    moves = []
    kept = set()
    for move in record.moves:
        if move.before is None:
            moves.append(move)
            continue
        data, mode = _current(root, move.path) or (b"", 0)
        if _sha(data) != move.before:
            raise FileError(move.path, "changed while fhfix was reading it", "run fhfix again")
        if move.before not in kept:
            state.write(f"{_PREPARING}/{move.before}", data)
            kept.add(move.before)
        moves.append(_Move(move.path, move.before, move.after, move.executable, mode & 0o777))
    record = _Record(record.id, record.kind, tuple(moves), record.folders, record.undoes)
    state.write(f"{_PREPARING}/{_MANIFEST}", record.to_json())
    state.sync(_PREPARING)
    state.rename(_PREPARING, _JOURNAL)
    state.sync()
    return record


def _blob(state: _State, journal: str, move: _Move) -> bytes:
    """What the file was before, checked against its name."""
    try:
        data = state.read(f"{journal}/{move.before}")
    except OSError as error:
        raise FileError(move.path, f"its original cannot be read: {error.strerror}") from None
    if _sha(data) != move.before:
        raise FileError(move.path, f"its original in {state.path}/{journal} is damaged")
    return data


# -- carrying out -----------------------------------------------------------------------------------------------


def _carry_out(root: Path, state: _State, record: _Record, contents: Mapping[str, bytes]) -> None:
    try:
        with _naming(state.path, "the journal cannot be written"):
            record = _write_journal(root, state, record)
        _stage(root, record, contents)
        for move in record.moves:
            with _naming(move.path):
                _swap(root, record, move)
        with _naming(state.path, "the history cannot be written"):
            _finish(root, state, record)
    except BaseException as error:
        problem = error if isinstance(error, FileError) else None
        _take_back(root, state, record, problem)
        if problem:
            raise WriteError("nothing was written:", [problem]) from None
        raise
    _sweep(state)


def _take_back(root: Path, state: _State, record: _Record, problem: FileError | None) -> None:
    """Undo what `_carry_out` came to. Raises WriteError where that fails too, or is stopped a second time."""
    right = "the next `fhfix apply` or `fhfix undo` puts that right"
    try:
        if not state.has(_JOURNAL):
            _sweep(state)
            return
        _roll_back(root, state, record)
        _discard(state, _JOURNAL)
    except (OSError, FileError) as second:
        raise WriteError(
            f"the {record.kind} failed, and could not be taken back at once ({second}). Nothing is lost: the"
            f" originals are in {state.path}/{_JOURNAL}, and {right}",
            [problem] if problem else [],
        ) from second
    except BaseException as second:
        torn = [move.path for move in record.moves if not _stands(root, move.path, move.before)]
        said = f"stopped while the {record.kind} was being taken back. Nothing is lost: {right}. Half-written now:"
        raise HalfWrittenError(said, [FileError(path, "not what it was") for path in torn]) from second


def _stage(root: Path, record: _Record, contents: Mapping[str, bytes]) -> None:
    for move in record.moves:
        if move.after is not None:
            with _naming(move.path), folder_of(root, move.path, make=True) as (folder, name):
                _write_beside(folder, name, record.staged(move), contents[move.path], move)


def _swap(root: Path, record: _Record, move: _Move) -> None:
    current = _current(root, move.path)
    if _sha(current[0] if current else None) != move.before:
        raise FileError(move.path, "changed while fhfix was writing", "run fhfix again")
    with folder_of(root, move.path) as (folder, name):
        if move.after is None:
            os.unlink(name, dir_fd=folder)
        elif move.before is None:
            _put_new(folder, record.staged(move), name)
        else:
            os.rename(record.staged(move), name, src_dir_fd=folder, dst_dir_fd=folder)
        sync(folder)


def _put_new(folder: int, staged: str, name: str) -> None:
    """Name a staged file, and never overwrite: link(2) refuses where rename(2) would not."""
    try:
        os.link(staged, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        raise FileError(name, "there already", "move it away, or exclude it") from None
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        os.rename(staged, name, src_dir_fd=folder, dst_dir_fd=folder)
    else:
        os.unlink(staged, dir_fd=folder)


def _finish(root: Path, state: _State, record: _Record) -> None:
    """File the journal: the rename is the moment from which the change counts as done."""
    if record.kind == "undo":
        _remove_folders(root, record)
        with suppress(FileNotFoundError):
            state.rename(f"{_HISTORY}/{record.undoes}", f"{_JOURNAL}/{_UNDONE}")
        _discard(state, _JOURNAL)
        return
    history = _history(state)
    if not history and not state.has(_HISTORY):
        state.make(_HISTORY)
    number = int(history[-1].rpartition("/")[2]) + 1 if history else 1
    state.rename(_JOURNAL, f"{_HISTORY}/{number:08}")
    # Were this lost with the power, the next start would find the journal with all its files in place and file it.
    with suppress(OSError):
        state.sync(_HISTORY)
        state.sync()
    for forgotten in history[: max(0, len(history) + 1 - HISTORY)]:
        with suppress(OSError):
            _discard(state, forgotten)


def _roll_back(root: Path, state: _State, record: _Record) -> tuple[str, ...]:
    """Put every original back; returns the files that are neither what they were nor what they became."""
    kept = []
    if state.has(f"{_JOURNAL}/{_UNDONE}"):
        state.rename(f"{_JOURNAL}/{_UNDONE}", f"{_HISTORY}/{record.undoes}")
    for move in reversed(record.moves):
        now = _sha_now(root, move.path)
        if now == move.after:
            with _naming(move.path), folder_of(root, move.path, make=True) as (folder, name):
                if move.before is None:
                    os.unlink(name, dir_fd=folder)
                else:
                    _write_beside(folder, name, record.staged(move), _blob(state, _JOURNAL, move), move)
                    os.rename(record.staged(move), name, src_dir_fd=folder, dst_dir_fd=folder)
                sync(folder)
        elif now != move.before:
            kept.append(move.path)
    _remove_staged(root, record)
    if record.kind == "apply":
        _remove_folders(root, record)
    return tuple(kept)


def _recover(root: Path, state: _State) -> Recovery | None:
    try:
        _sweep(state)
        if not state.has(_JOURNAL):
            return None
        record = _Record.read(state, _JOURNAL)
        paths = tuple(move.path for move in record.moves)
        now = [(move, _sha_now(root, move.path)) for move in record.moves]
        if all(sha != move.before for move, sha in now) and any(sha == move.after for move, sha in now):
            _remove_staged(root, record)
            _finish(root, state, record)
            _sweep(state)
            return Recovery(record.kind, True, paths)
        kept = _roll_back(root, state, record)
        if kept:
            originals = f"kept-{record.id}"
            state.rename(_JOURNAL, originals)
            return Recovery(record.kind, False, paths, kept, state.path / originals)
        _discard(state, _JOURNAL)
        _sweep(state)
        return Recovery(record.kind, False, paths)
    except (OSError, FileError) as error:
        raise WriteError(
            f"an interrupted run could not be taken back: {error}. Nothing is lost: the originals are in"
            f" {state.path}/{_JOURNAL}"
        ) from None


def _discard(state: _State, folder: str) -> None:
    """Take a folder of ours out of the way by one rename; `_sweep` removes what is in it."""
    if state.has(folder):
        state.rename(folder, f"{_DISCARDED}-{os.urandom(4).hex()}")


def _sweep(state: _State) -> None:
    """Remove what no longer counts. What cannot be removed now is removed another time."""
    names: list[str] = []
    with suppress(OSError):
        names = state.names()
    for name in names:
        if name == _PREPARING or re.fullmatch(rf"{_DISCARDED}-[0-9a-f]{{8}}", name):
            import shutil

            shutil.rmtree(name, ignore_errors=True, dir_fd=state.handle)


# -- the repository's files -------------------------------------------------------------------------------------


def _stands(root: Path, path: str, sha: str | None) -> bool:
    """Whether a file is this one, or is not there where `sha` is None."""
    try:
        current = _current(root, path)
    except FileError:
        return False
    return _sha(current[0] if current else None) == sha


def _refuse_changed(root: Path, moves: Iterable[_Move], changed: str, advice: str) -> None:
    problems = []
    for move in moves:
        try:
            current = _current(root, move.path)
        except FileError as error:
            problems.append(error)
            continue
        if _sha(current[0] if current else None) == move.before:
            continue
        if current is None:
            problems.append(FileError(move.path, "no longer there", advice))
        elif move.before is None:
            problems.append(FileError(move.path, "there already", "move it away, or exclude it"))
        else:
            problems.append(FileError(move.path, changed, advice))
    if problems:
        raise WriteError("nothing was written:", problems)


def _current(root: Path, path: str) -> tuple[bytes, int] | None:
    """A file's bytes and mode, None where there is none. Raises FileError for what is not a regular file."""
    try:
        return disk.read(root, path, None)
    except FileNotFoundError:
        return None


def _sha_now(root: Path, path: str) -> str | None:
    """The SHA-256 of a file, None where there is none, and empty for what is not a readable file."""
    try:
        current = _current(root, path)
    except FileError:
        return ""
    return _sha(current[0] if current else None)


def _write_beside(folder: int, name: str, staged: str, data: bytes, move: _Move) -> None:
    """A durable temporary file with the mode, owner and attributes of the file that it will replace."""
    mode = 0o777 if move.executable else 0o666  # less the user's umask
    file = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
    try:
        write_all(file, data)
        try:
            old = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            if move.before is not None:
                os.fchmod(file, move.mode)
        else:
            try:
                _copy_attributes(old, file)
            finally:
                os.close(old)
        os.fsync(file)
    finally:
        os.close(file)


def _copy_attributes(old: int, new: int) -> None:
    about = os.fstat(old)
    with suppress(OSError):  # only root may give files away; the mode comes after, since chown may cut it
        os.fchown(new, about.st_uid, about.st_gid)
    os.fchmod(new, stat.S_IMODE(about.st_mode))
    if hasattr(os, "listxattr"):
        for attribute in os.listxattr(old):
            with suppress(OSError):
                os.setxattr(new, attribute, os.getxattr(old, attribute))


def _missing_folders(root: Path, moves: Iterable[_Move]) -> tuple[str, ...]:
    """The folders that an apply will have to make, outermost first."""
    wanted = {parent for m in moves if m.before is None for parent in _parents(m.path)}
    return tuple(sorted(path for path in wanted if not os.path.lexists(root / path)))


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _remove_folders(root: Path, record: _Record) -> None:
    """Remove the folders of a record as far as they are empty."""
    for path in sorted(record.folders, reverse=True):
        with suppress(OSError, FileError), folder_of(root, path) as (folder, name):
            os.rmdir(name, dir_fd=folder)
            sync(folder)


def _remove_staged(root: Path, record: _Record) -> None:
    for move in record.moves:
        with suppress(FileNotFoundError, FileError), folder_of(root, move.path) as (folder, _):
            os.unlink(record.staged(move), dir_fd=folder)


def _sha(data: bytes | None) -> str | None:
    import hashlib  # late: whoever only checks asks this module whether an apply was cut short

    return None if data is None else hashlib.sha256(data).hexdigest()


@contextmanager
def _refusing() -> Iterator[None]:
    """Let what is wrong with one file stop everything, before anything is written."""
    try:
        yield
    except FileError as error:
        raise WriteError("nothing was written:", [error]) from None


@contextmanager
def _naming(path: Path | str, doing: str = "cannot be written") -> Iterator[None]:
    """Let an operating system's error name the file."""
    try:
        yield
    except OSError as error:
        reason = f"{doing}: {error.strerror}"
        raise FileError(str(path), reason, ADVICE.get(error.errno or 0, "")) from None
