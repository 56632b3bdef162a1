"""What a person sees who waits: a sign of life on stderr."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

A_MOMENT = 0.7
"""Seconds before the sign of life appears."""

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ERASE = "\r\x1b[K"


@contextmanager
def sign_of_life(what: str) -> Iterator[None]:
    """Shows `what` and the seconds on stderr when it takes longer than a moment and stderr is a terminal.

    By a timer's signal, not by a thread: the engine may fork, and forked processes inherit no timer.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb" or not hasattr(signal, "setitimer"):
        yield
        return
    started = time.monotonic()
    shown = 0

    def tick(number: int, frame: FrameType | None) -> None:
        nonlocal shown
        line = f"{_FRAMES[shown % len(_FRAMES)]} {what}, {time.monotonic() - started:.0f} s"
        os.write(2, f"{_ERASE}{line}".encode(errors="replace"))
        shown += 1

    before = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, A_MOMENT, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if shown:
            os.write(2, _ERASE.encode())
