"""Files on disk, reached by the handles of their folders: below a root no link is followed, and nothing but a regular
file is read or written.

A link that came with a repository could lead to any file of whoever runs fhfix, a pipe could hold it up for ever, and
`/dev/zero` has no end. Between a look at a path and its use it can change; what a handle holds cannot.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fixer.model import FileError

LARGEST = 4 * 1024 * 1024
"""Bytes; a larger file is not a workflow, Dockerfile, settings module or configuration that a person wrote."""

ADVICE = {
    errno.ENOSPC: "free some space, then run it again",
    errno.EDQUOT: "free some space, then run it again",
    errno.EROFS: "make the file system writable, then run it again",
    errno.EACCES: "check the permissions of the file and of its folder",
    errno.EPERM: "check the permissions of the file and of its folder",
}
"""What to do about an operating system's refusal."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A pipe without a writer would block the opening itself.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def folder_of(root: Path | int, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The open folder that holds `path`, and the file's name in it. Below `root`, a path or a handle, no link is
    followed."""
    *folders, name = path.split("/")
    folder = os.dup(root) if isinstance(root, int) else os.open(root, _FOLDER)
    try:
        for part in folders:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
                    sync(folder)
            try:
                inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise FileError(path, f"{part} is a symbolic link or a file, not a folder") from None
                raise
            os.close(folder)
            folder = inner
        yield folder, name
    finally:
        os.close(folder)


def read_in(folder: int, name: str, path: str, largest: int | None = None) -> tuple[bytes, int]:
    """Bytes and mode of a file in an open folder; `path` is what it is called in a FileError.

    Raises FileError for what is not a regular file or larger than `largest`, and OSError for what the system refuses.
    """
    file = os.open(name, _FILE, dir_fd=folder)
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode):
            raise FileError(path, "not a regular file", "exclude it")
        if largest is not None and about.st_size > largest:
            raise FileError(path, f"larger than {largest // 1024 // 1024} MiB", "exclude it")
        blocks = []
        room = largest + 1 if largest is not None else sys.maxsize
        while block := os.read(file, 1 << 20):
            blocks.append(block)
            room -= len(block)
            if room <= 0:  # it grows while it is read
                raise FileError(path, f"larger than {(largest or 0) // 1024 // 1024} MiB", "exclude it")
        return b"".join(blocks), stat.S_IMODE(about.st_mode)
    finally:
        os.close(file)


def read(root: Path, path: str, largest: int | None = LARGEST) -> tuple[bytes, int]:
    """Bytes and mode of a file below `root`. Raises FileError, which says what is in the way, or FileNotFoundError."""
    try:
        with folder_of(root, path) as (folder, name):
            return read_in(folder, name, path, largest)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileError(path, "a symbolic link", "fix the file that it points to") from None
        raise FileError(path, f"cannot be read: {error.strerror}", ADVICE.get(error.errno or 0, "")) from None


def place_in(root: Path, file: Path) -> str:
    """The path of a file below `root`, by its names and not by where links lead; empty where it is not below it."""
    whole = Path(os.path.abspath(file))
    for parent in whole.parents:
        with suppress(OSError):
            if os.path.samefile(parent, root):
                return whole.relative_to(parent).as_posix()
    return ""


@contextmanager
def written(root: Path, file: Path, *, new: bool = False, more: bool = False) -> Iterator[int]:
    """An empty file, open to be written: one that a person named. `new` refuses one that is there, `more` goes on at
    its end.

    Links below `root` may have come with the repository, and are refused; others are the person's own.
    """
    place = place_in(root, file)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_APPEND if more else os.O_TRUNC) | (os.O_EXCL if new else 0)
    if place:
        with folder_of(root, place) as (folder, name):
            handle = _opened(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, folder, place)
    else:
        handle = os.open(file, flags, 0o666)
    try:
        yield handle
    finally:
        os.close(handle)


def _opened(name: str, flags: int, folder: int, path: str) -> int:
    try:
        handle = os.open(name, flags, 0o666, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise FileError(path, "a symbolic link or a pipe", "name another file") from None
        raise
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise FileError(path, "not a regular file", "name another file")


def write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:  # some network file systems cannot sync a folder
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
