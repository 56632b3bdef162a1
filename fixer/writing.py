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
where there is none.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

from fixer.model import FileError, Plan

HISTORY = 20
"""Applies that can be taken back, newest first; older ones are forgotten."""

_VERSION = 1
_JOURNAL, _PREPARING, _DISCARDED, _HISTORY, _UNDONE = "journal", "preparing", "discarded", "applied", "undone"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ADVICE = {
    errno.ENOSPC: "free some space, then run it again",
    errno.EDQUOT: "free some space, then run it again",
    errno.EROFS: "make the file system writable, then run it again",
    errno.EACCES: "check the permissions of the file and of its folder",
    errno.EPERM: "check the permissions of the file and of its folder",
}
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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
    with _locked(root, _state_folder(root)) as state:
        recovery = _recover(root, state)
        _refuse_changed(root, moves, "changed since it was read", "run fhfix again")
        folders = _missing_folders(root, moves)
        record = _Record(secrets.token_hex(4), "apply", tuple(moves), folders)
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
    state = _state_folder(root)
    if not state.is_dir():
        raise NothingToUndoError("there is nothing to undo: fhfix has not changed this repository")
    with _locked(root, state) as state:
        recovery = _recover(root, state)
        history = _history(state)
        if not history:
            raise NothingToUndoError("there is nothing to undo: every apply has been taken back")
        done = _Record.read(history[-1])
        moves = [move for move in done.moves if not _stands(root, move.path, move.before)]
        back = tuple(_Move(m.path, m.after, m.before, mode=m.mode) for m in reversed(moves))
        _refuse_changed(root, back, "edited since fhfix wrote it", "take that edit back first")
        contents = {move.path: _blob(history[-1], move) for move in moves if move.before is not None}
        record = _Record(secrets.token_hex(4), "undo", back, done.folders, undoes=history[-1].name)
        _carry_out(root, state, record, contents)
    return Receipt(
        changed=tuple(move.path for move in moves if move.before is not None),
        removed=tuple(move.path for move in moves if move.before is None),
        recovery=recovery,
    )


def interrupted(root: Path) -> bool:
    """Whether an apply or undo was cut short here. Writes nothing, so a dry run may ask."""
    return (_state_folder(root) / _JOURNAL).is_dir()


def recover(root: Path) -> Recovery | None:
    """Finish or take back what was interrupted; None where nothing was. Raises BusyError while another fhfix runs."""
    if not interrupted(root):
        return None
    with _locked(root, _state_folder(root)) as state:
        return _recover(root, state)


# -- the journal ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Move:
    """One file's way. `before` and `after` are SHA-256, None for "not there"; `mode` is what `before` had."""

    path: str
    before: str | None
    after: str | None
    executable: bool = False
    mode: int = 0o644

    def __post_init__(self) -> None:
        parts = self.path.split("/")
        if any(part.lower() in ("", ".", "..", ".git", ".fhfix") or "\0" in part for part in parts):
            raise FileError(self.path, "not a path that fhfix may write")
        if any(sha is not None and not _SHA256.fullmatch(sha) for sha in (self.before, self.after)):
            raise ValueError(f"not a SHA-256: {self.before}, {self.after}")


@dataclass(frozen=True, slots=True)
class _Record:
    """A journal's manifest. `folders` are those that an apply makes, and that its undo removes, outermost first."""

    id: str
    kind: Literal["apply", "undo"]
    moves: tuple[_Move, ...]
    folders: tuple[str, ...] = ()
    undoes: str = ""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises WriteError for what fhfix did not write: it may come with a repository, so nothing is believed."""
        try:
            data = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            if data.pop("version") != _VERSION:
                raise ValueError("it is of another version of fhfix")
            data["moves"] = tuple(_Move(**move) for move in data["moves"])
            record = cls(**data)
            if not (
                re.fullmatch(r"[0-9a-f]{8}", record.id)
                and re.fullmatch(r"\d*", record.undoes)
                and record.kind in ("apply", "undo")
            ):
                raise ValueError("its names are not those that fhfix gives")
            for path in record.folders:
                _Move(path, None, None)
        except (OSError, ValueError, KeyError, TypeError, FileError) as error:
            raise WriteError(f"the journal {folder} cannot be used: {error}; look at it, then remove it") from None
        return record

    def to_json(self) -> bytes:
        return json.dumps({"version": _VERSION, **asdict(self)}, indent=1).encode()

    def staged(self, move: _Move) -> str:
        """The name of the temporary file beside the target."""
        return f".fhfix-{self.id}-{self.moves.index(move)}"


def _state_folder(root: Path) -> Path:
    """Where journal and history live. Git's own files are read; git is not run."""
    git = root / ".git"
    if git.is_file():
        with suppress(OSError, UnicodeDecodeError):
            key, _, value = git.read_text(encoding="utf-8").partition(":")
            git = root / value.strip() if key == "gitdir" else git
    return git / "fhfix" if (git / "HEAD").is_file() else root / ".fhfix"


def _history(state: Path) -> list[Path]:
    """The applies that can be taken back, oldest first."""
    folder = state / _HISTORY
    return sorted(path for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


@contextmanager
def _locked(root: Path, state: Path) -> Iterator[Path]:
    """Keep other runs out. The kernel drops the lock with the process, however it ends."""
    try:
        with _naming(state, "fhfix cannot keep its journal here"):
            if state.is_symlink():
                raise FileError(str(state), "a symbolic link", "remove it")
            if not state.is_dir():
                os.mkdir(state)
            if state.parent == root and not (state / ".gitignore").exists():
                _write_durably(state / ".gitignore", b"*\n")
            lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except FileError as error:
        raise WriteError("nothing was written:", [error]) from None
    try:
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
        yield state
    finally:
        os.close(lock)


def _write_durably(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        _write_all(file, data)
        os.fsync(file)
    finally:
        os.close(file)


def _write_journal(root: Path, state: Path, record: _Record) -> _Record:
    """Put the journal in place, with the originals in it; the record comes back with the files' modes."""
    preparing = state / _PREPARING
    os.mkdir(preparing)
    moves = []
    for move in record.moves:
        if move.before is None:
            moves.append(move)
            continue
        data, mode = _current(root, move.path) or (b"", 0)
        if _sha(data) != move.before:
            raise FileError(move.path, "changed while fhfix was reading it", "run fhfix again")
        if not (preparing / move.before).exists():
            _write_durably(preparing / move.before, data)
        moves.append(_Move(move.path, move.before, move.after, move.executable, mode))
    record = _Record(record.id, record.kind, tuple(moves), record.folders, record.undoes)
    _write_durably(preparing / "manifest.json", record.to_json())
    _sync_folder(preparing)
    os.rename(preparing, state / _JOURNAL)
    _sync_folder(state)
    return record


def _blob(journal: Path, move: _Move) -> bytes:
    """What the file was before, checked against its name."""
    try:
        data = (journal / str(move.before)).read_bytes()
    except OSError as error:
        raise FileError(move.path, f"its original cannot be read: {error.strerror}") from None
    if _sha(data) != move.before:
        raise FileError(move.path, f"its original in {journal} is damaged")
    return data


# -- carrying out -----------------------------------------------------------------------------------------------


def _carry_out(root: Path, state: Path, record: _Record, contents: Mapping[str, bytes]) -> None:
    try:
        with _naming(state, "the journal cannot be written"):
            record = _write_journal(root, state, record)
        _stage(root, record, contents)
        for move in record.moves:
            with _naming(move.path):
                _swap(root, record, move)
        with _naming(state, "the history cannot be written"):
            _finish(root, state, record)
    except BaseException as error:
        problem = error if isinstance(error, FileError) else None
        if (state / _JOURNAL).is_dir():
            try:
                _roll_back(root, state / _JOURNAL, record)
                _discard(state, state / _JOURNAL)
            except (OSError, FileError) as second:
                raise WriteError(
                    f"the {record.kind} failed, and could not be taken back at once ({second}). Nothing is lost: the"
                    f" originals are in {state / _JOURNAL}, and the next run of fhfix puts them back",
                    [problem] if problem else [],
                ) from error
        else:
            _sweep(state)
        if problem:
            raise WriteError("nothing was written:", [problem]) from None
        raise
    _sweep(state)


def _stage(root: Path, record: _Record, contents: Mapping[str, bytes]) -> None:
    for move in record.moves:
        if move.after is not None:
            with _naming(move.path), _folder_of(root, move.path, make=True) as (folder, name):
                _write_beside(folder, name, record.staged(move), contents[move.path], move)


def _swap(root: Path, record: _Record, move: _Move) -> None:
    current = _current(root, move.path)
    if _sha(current[0] if current else None) != move.before:
        raise FileError(move.path, "changed while fhfix was writing", "run fhfix again")
    with _folder_of(root, move.path) as (folder, name):
        if move.after is None:
            os.unlink(name, dir_fd=folder)
        elif move.before is None:
            _put_new(folder, record.staged(move), name)
        else:
            os.rename(record.staged(move), name, src_dir_fd=folder, dst_dir_fd=folder)
        _sync(folder)


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


def _finish(root: Path, state: Path, record: _Record) -> None:
    """File the journal: the rename is the moment from which the change counts as done."""
    if record.kind == "undo":
        _remove_folders(root, record)
        with suppress(FileNotFoundError):
            os.rename(state / _HISTORY / record.undoes, state / _JOURNAL / _UNDONE)
        _discard(state, state / _JOURNAL)
        return
    history = _history(state)
    if not history and not (state / _HISTORY).is_dir():
        os.mkdir(state / _HISTORY)
    number = int(history[-1].name) + 1 if history else 1
    os.rename(state / _JOURNAL, state / _HISTORY / f"{number:08}")
    # Were this lost with the power, the next start would find the journal with all its files in place and file it.
    with suppress(OSError):
        _sync_folder(state / _HISTORY)
        _sync_folder(state)
    for forgotten in history[: max(0, len(history) + 1 - HISTORY)]:
        with suppress(OSError):
            _discard(state, forgotten)


def _roll_back(root: Path, journal: Path, record: _Record) -> tuple[str, ...]:
    """Put every original back; returns the files that are neither what they were nor what they became."""
    kept = []
    if (journal / _UNDONE).is_dir():
        os.rename(journal / _UNDONE, journal.parent / _HISTORY / record.undoes)
    for move in reversed(record.moves):
        now = _sha_now(root, move.path)
        if now == move.after:
            with _naming(move.path), _folder_of(root, move.path, make=True) as (folder, name):
                if move.before is None:
                    os.unlink(name, dir_fd=folder)
                else:
                    _write_beside(folder, name, record.staged(move), _blob(journal, move), move)
                    os.rename(record.staged(move), name, src_dir_fd=folder, dst_dir_fd=folder)
                _sync(folder)
        elif now != move.before:
            kept.append(move.path)
    _remove_staged(root, record)
    if record.kind == "apply":
        _remove_folders(root, record)
    return tuple(kept)


def _recover(root: Path, state: Path) -> Recovery | None:
    journal = state / _JOURNAL
    try:
        _sweep(state)
        if not journal.is_dir():
            return None
        record = _Record.read(journal)
        paths = tuple(move.path for move in record.moves)
        now = [(move, _sha_now(root, move.path)) for move in record.moves]
        if all(sha != move.before for move, sha in now) and any(sha == move.after for move, sha in now):
            _remove_staged(root, record)
            _finish(root, state, record)
            _sweep(state)
            return Recovery(record.kind, True, paths)
        kept = _roll_back(root, journal, record)
        if kept:
            originals = state / f"kept-{record.id}"
            os.rename(journal, originals)
            return Recovery(record.kind, False, paths, kept, originals)
        _discard(state, journal)
        _sweep(state)
        return Recovery(record.kind, False, paths)
    except (OSError, FileError) as error:
        raise WriteError(
            f"an interrupted run could not be taken back: {error}. Nothing is lost: the originals are in {journal}"
        ) from None


def _discard(state: Path, folder: Path) -> None:
    """Take a folder of ours out of the way by one rename; `_sweep` removes what is in it."""
    if folder.is_dir():
        os.rename(folder, state / f"{_DISCARDED}-{secrets.token_hex(4)}")


def _sweep(state: Path) -> None:
    """Remove what no longer counts. What cannot be removed now is removed another time."""
    for path in state.iterdir():
        if path.name == _PREPARING or path.name.startswith(_DISCARDED):
            shutil.rmtree(path, ignore_errors=True)


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


@contextmanager
def _folder_of(root: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The open folder that holds `path`, and the file's name in it. Below `root` no link is followed."""
    *folders, name = path.split("/")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    folder = os.open(root, flags)
    try:
        for part in folders:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
                    _sync(folder)
            try:
                inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=folder)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise FileError(path, f"{part} is a symbolic link or a file, not a folder") from None
                raise
            os.close(folder)
            folder = inner
        yield folder, name
    finally:
        os.close(folder)


def _current(root: Path, path: str) -> tuple[bytes, int] | None:
    """A file's bytes and mode, None where there is none. Raises FileError for what is not a regular file."""
    try:
        with _folder_of(root, path) as (folder, name):
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            try:
                about = os.fstat(file)
                if not stat.S_ISREG(about.st_mode):
                    raise FileError(path, "not a regular file", "exclude it")
                blocks = []
                while block := os.read(file, 1 << 20):
                    blocks.append(block)
                return b"".join(blocks), stat.S_IMODE(about.st_mode)
            finally:
                os.close(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileError(path, "a symbolic link", "fix the file that it points to") from None
        raise FileError(path, f"cannot be read: {error.strerror}", _ADVICE.get(error.errno or 0, "")) from None


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
        _write_all(file, data)
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
        with suppress(OSError, FileError), _folder_of(root, path) as (folder, name):
            os.rmdir(name, dir_fd=folder)
            _sync(folder)


def _remove_staged(root: Path, record: _Record) -> None:
    for move in record.moves:
        with suppress(FileNotFoundError, FileError), _folder_of(root, move.path) as (folder, _):
            os.unlink(record.staged(move), dir_fd=folder)


def _sha(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync(folder)
    finally:
        os.close(folder)


def _sync(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:  # some network file systems cannot sync a folder
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise


@contextmanager
def _naming(path: Path | str, doing: str = "cannot be written") -> Iterator[None]:
    """Let an operating system's error name the file."""
    try:
        yield
    except OSError as error:
        reason = f"{doing}: {error.strerror}"
        raise FileError(str(path), reason, _ADVICE.get(error.errno or 0, "")) from None
