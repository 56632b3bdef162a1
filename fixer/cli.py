"""The command line. Commands are thin, and imported when they are called: everybody feels the start-up."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext
from importlib import import_module
from typing import Any, NoReturn

import click

from fixer.model import FileError
from fixer.show.output import put, refuse, say

COMMANDS = {
    "check": "Show the findings, by file and line.",
    "apply": "Fix in place; `--dry-run` only shows what would change.",
    "undo": "Take the last apply back, byte for byte.",
    "preview": "Write a self-contained HTML report, before and after.",
    "review": "Choose fixes in the browser, see the result, apply it.",
    "pr": "Open or update the pull request with the fixes.",
    "fleet": "Many repositories at once: look at them, propose to them.",
    "audit": "Write the audit document of a repository.",
    "rules": "List the rules.",
    "explain": "Say what a rule finds, why, and what it leaves alone.",
    "catalog": "Show, verify or update the catalog of actions.",
    "configure": "Ask for what blocked findings wait for, and write it into the configuration.",
    "init": "Write a commented configuration from what was inferred.",
    "schema": "Print the JSON schema of the configuration, for editors.",
}


class Lazy(click.Group):
    """Commands by name; `fixer/commands/<name>.py` holds the command of the same name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"fixer.commands.{cmd_name}"), cmd_name)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with ctx.obj or nullcontext():  # what the process does when it is told to end meanwhile
                return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort) as stop:
            _end_stopped(stop)
        except click.ClickException as error:
            refuse(error)
            sys.exit(error.exit_code)
        except (click.exceptions.Exit, OSError):
            raise
        except FileError as error:  # whatever is left out, the question has no answer
            say(f"not handled: {error}")
            sys.exit(3)
        except Exception as error:
            if isinstance(error.__cause__, KeyboardInterrupt):  # Python 3.11 wraps what is raised in a `__set_name__`
                _end_stopped(error.__cause__)
            if ctx.params.get("debug"):
                raise
            import traceback

            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{os.path.basename(where.filename)}:{where.lineno}"
            say(f"FAULT: {type(error).__name__}: {error} ({place}); please report this with what --debug shows")
            sys.exit(3)

    def main(self, *arguments: Any, **settings: Any) -> Any:
        try:
            return super().main(*arguments, **settings)
        except OSError as error:  # of the output, a full disk say; files of the repository have their own words
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what Python still holds for it would fail once more
            say(str(error))
            sys.exit(3)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _end_stopped(stop: KeyboardInterrupt | click.Abort) -> NoReturn:
    # A question that is not answered comes before all writing.
    say("stopped; nothing was written" if isinstance(stop, click.Abort) else "stopped")
    # 128 + the signal, as shells have it: 1 would say that something was found.
    sys.exit(128 + int(getattr(stop, "number", signal.SIGINT)))


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from fixer.show.tool import catalog_date, tool_version

    put(f"fhfix, version {tool_version()}; catalog of actions as of {catalog_date()}\n")
    context.exit()


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Say the version.")
@click.option("--debug", is_flag=True, help="Show where a fault of fhfix itself happened.")
@click.pass_context
def main(context: click.Context, debug: bool) -> None:
    """Fixes GitHub Actions workflows, Dockerfiles and Django settings in place, and moves nothing else.

    \b
    fhfix apply --dry-run    show exactly what would change, and why; write nothing
    fhfix apply              write it
    fhfix undo               take it back

    Exit codes: 0 nothing found or all done, 1 findings are left, 2 wrong usage, 3 fhfix could not do its work.
    """
    # https://no-color.org and https://force-color.org; click itself looks only at the terminal.
    if os.environ.get("NO_COLOR"):
        context.color = False
    elif os.environ.get("FORCE_COLOR"):
        context.color = True
    # Paths may hold bytes that are not UTF-8, and a pipe may have an encoding without arrows.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
