"""How long one file may keep fhfix busy: what a repository holds must not decide when a run ends.

The time is the processor's, not the clock's, so that a busy machine does not change what is found. It is measured by
a timer's signal, which also interrupts a regular expression; outside of a main thread nothing is limited.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

DOCUMENT = 5.0
"""Seconds for one rule and one document, and for one document to be read or verified."""

DOCUMENT_IN_ALL = 20.0
"""Seconds for all that rules are asked about one document, again after each change."""

REPOSITORY = 10.0
"""Seconds for a fact or a rule about the whole repository, since it last asked for a file."""

_running = 0.0


class OutOfTime(BaseException):
    """The time is used up."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises OutOfTime in the body once it has used so many seconds. Within another limit that one goes on."""
    global _running
    if _running or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _out_of_time)
    _running = seconds
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        _running = 0.0
        signal.signal(signal.SIGVTALRM, before)


def another_file() -> None:
    """Begins the time anew: what follows is about another file."""
    if _running:
        signal.setitimer(signal.ITIMER_VIRTUAL, _running)


def _out_of_time(number: int, frame: FrameType | None) -> None:
    raise OutOfTime
