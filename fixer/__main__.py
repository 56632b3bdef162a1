"""The process `fhfix`: how it ends when it is told to."""

from __future__ import annotations

import signal
from types import FrameType

# Until there is something to take back, an interruption ends the process without a word.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Stopped(KeyboardInterrupt):
    """Asked to end by a signal; what is half done is taken back on the way out, as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


def main() -> None:
    from fixer.cli import main as command_line

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` and a shell's background jobs ignore some
            signal.signal(number, _stop)
    command_line()


if __name__ == "__main__":
    main()
