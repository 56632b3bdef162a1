"""The process `fhfix`: how it ends when it is told to."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from types import FrameType

from fixer import kept

# A run is short, and keeps nearly all that it makes, modules too: looking for garbage costs more than it frees.
gc.disable()

# Until there is something to take back, an interruption ends the process without a word.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Stopped(KeyboardInterrupt):
    """Asked to end by a signal; what is half done is taken back on the way out, as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Stoppable:
    """While a command is at work a signal that asks the process to end raises `Stopped`. Before and after that there is
    nothing to take back, and it ends the process without a word."""

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` and a shell's background jobs ignore some
                signal.signal(number, _stop)

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is _stop:
                signal.signal(number, signal.SIG_DFL)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


def main() -> None:
    kept.use()
    from fixer.cli import main as command_line

    try:
        command_line(obj=Stoppable())
    except SystemExit as stop:
        if isinstance(stop.code, int):
            _end(stop.code)
        raise


def _end(code: int) -> None:
    """Ends the process without taking everything down that it has made, one object after the other: that would take a
    tenth of its time. Where the output cannot be finished, Python has its own way of saying so."""
    kept.keep()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
