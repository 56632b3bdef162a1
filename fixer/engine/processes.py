"""Work in several processes, which inherit everything by fork and end with this one, however it ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

S = TypeVar("S")
R = TypeVar("R")


def in_processes(
    work: Callable[[S], R], shares: Sequence[S], meanwhile: Callable[[], object] | None = None
) -> list[R | None]:
    """What `work` says of each share, each in a process of its own; None where that process died. `meanwhile` is what
    this process does before it waits.

    `concurrent.futures` would do, but its workers wait for a killed parent for ever, and hold its standard output.
    """
    parent = os.getpid()
    # Whoever holds the writing end is alive: only this process, since each child closes it.
    watched, alive = os.pipe()
    running: list[tuple[int, int]] = []
    try:
        for share in shares:
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(alive)
                _work(work, share, writer, parent, watched)
            os.close(writer)
            running.append((child, reader))
        if meanwhile is not None:
            meanwhile()
        return [_answer(reader) for _, reader in running]
    finally:
        os.close(alive)
        os.close(watched)
        for child, reader in running:
            os.close(reader)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _answer(reader: int) -> R | None:
    import pickle  # late: a single repository hardly ever needs a second process

    blocks = []
    while block := os.read(reader, 1 << 20):
        blocks.append(block)
    try:
        return pickle.loads(b"".join(blocks))  # type: ignore[no-any-return]
    except (EOFError, pickle.UnpicklingError):
        return None


def _work(work: Callable[[S], R], share: S, writer: int, parent: int, watched: int) -> None:
    """What a forked process does. It never returns, and leaves the streams of its parent alone."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        _end_with(parent, watched)
        with os.fdopen(writer, "wb") as stream_of_answer:
            import pickle

            pickle.dump(work(share), stream_of_answer)
    finally:
        os._exit(0)


def _end_with(parent: int, watched: int) -> None:
    """Be killed when the parent dies, of SIGKILL too: it cannot say goodbye."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)
        if os.getppid() != parent:  # it died before this
            os._exit(0)
        return

    def wait() -> None:
        os.read(watched, 1)  # nothing is ever written: it ends when nobody holds the other end
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
