"""Files that one process holds at a time: the system lets go of them when it ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class LockError(Exception):
    """Why nothing can be held there, and what to do."""


@contextmanager
def alone(file: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a file, which is made where it is not there; whether it is held, which without `wait` another may do. Raises
    LockError."""
    try:
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise LockError(f"{file} cannot be written: {error.strerror}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError as error:  # folders on a network may know no locks
            raise LockError(
                f"{file} cannot be locked: {error.strerror}; name a folder on a disk of this machine"
            ) from None
        yield True
    finally:
        os.close(lock)
