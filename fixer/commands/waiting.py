"""What a person sees who waits: a sign of life on stderr, and a pager for what is longer than the screen."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

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


def page(text: str) -> None:
    """Prints, through the pager of PAGER where the terminal is too small. Colours go where they are not wanted."""
    from shutil import get_terminal_size  # it brings every format of archives along

    lines = get_terminal_size().lines
    if sys.stdout.isatty() and text.count("\n") >= lines:
        # Quit at once where it fits after all, keep colours, leave the text on the screen: as git does.
        os.environ.setdefault("LESS", "FRX")
        click.echo_via_pager(text, color=not os.environ.get("NO_COLOR"))
    else:
        click.echo(text, nl=False)
