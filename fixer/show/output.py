"""The edge of the program: whatever leaves it, on a stream or into a file, leaves through here.

Names, keys and contents of a repository are not to be trusted. Where they end up, they must stay words: each way out
escapes for its place, so that nothing depends on who made the text.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO, cast

import click

from fixer.disk import write_all, written
from fixer.model import FileError
from fixer.show.visible import in_the_log, visible, visible_in_colour, visible_lines

if TYPE_CHECKING:
    from rich.console import Console


class Refusal(click.ClickException):
    """Why a command could not do its work. Each of `lines` is shown as one line, whatever it holds."""

    exit_code = 3

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines

    def show(self, file: Any = None) -> None:
        say(*self.lines)


def say(first: str, *more: str) -> None:
    """A message on stderr. Each argument is one line, whatever it holds."""
    lines = (f"fhfix: {visible(first)}", *(f"  {visible(line)}" for line in more))
    click.echo(in_the_log("\n".join(lines)), err=True)


def refuse(error: click.ClickException) -> None:
    """What click says of wrong usage: the words may be names of files, if a shell put them there."""
    error.show(cast("IO[str]", _Visible(sys.stderr)))


def put(text: str) -> None:
    """Text for people, or for programs that read text, on stdout. Colours go where they are not wanted."""
    click.echo(in_the_log(visible_in_colour(text)), nl=False)


def put_commands(text: str) -> None:
    """Workflow commands on stdout, for the runner that obeys them."""
    click.echo(visible_lines(text), nl=False)


def put_patch(data: bytes) -> None:
    """A patch on stdout: every byte where a program reads it, and visible where a person does."""
    if sys.stdout.isatty():
        put(data.decode("utf-8", "surrogateescape"))
    else:
        sys.stdout.buffer.write(data)


def page(text: str) -> None:
    """Like `put`, through the pager of PAGER where the terminal is too small."""
    from shutil import get_terminal_size

    if sys.stdout.isatty() and text.count("\n") >= get_terminal_size().lines:
        # Quit at once where it fits after all, keep colours, leave the text on the screen: as git does.
        os.environ.setdefault("LESS", "FRX")
        click.echo_via_pager(visible_in_colour(text), color=not os.environ.get("NO_COLOR"))
    else:
        put(text)


def console(*, stderr: bool = False) -> Console:
    """A rich console whose every character passes through here."""
    from rich.console import Console

    made = Console(highlight=False, stderr=stderr)
    made.size = made.size  # asked of the terminal once; rich asks again for each line
    made.file = cast("IO[str]", _Visible(sys.stderr if stderr else sys.stdout))  # rich has asked the stream already
    return made


def save(text: str, file: Path, root: Path, *, new: bool = False, more: bool = False) -> None:
    """Write what a command was asked to write; `-` is standard output. `new` refuses a file that is there, `more` adds
    to it.

    A link that lies in the repository, and so may have come with it, is not followed: it could lead anywhere.
    """
    if str(file) == "-":
        put(text)
        return
    data = visible_lines(text).encode("utf-8", "backslashreplace")
    try:
        with written(root, file, new=new, more=more) as target:
            write_all(target, data)
    except FileError as error:
        raise Refusal(f"{file}: {error.reason}; {error.advice}") from None
    except OSError as error:
        raise Refusal(f"{file}: cannot be written: {error.strerror}") from None


class _Visible(io.TextIOBase):
    """A stream that shows text and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        return self._stream.write(in_the_log(visible_in_colour(text)))

    def flush(self) -> None:
        self._stream.flush()
