"""`fhfix configure`: asks for what blocked findings wait for, and writes it into the configuration."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fixer.commands.opening import exit_code, repository_options, say_problems
from fixer.config import FILE, ConfigError, assigned, load_config, merged
from fixer.disk import write_all, written
from fixer.missing import Missing, configured, missing
from fixer.model import FileError, Plan
from fixer.proposed import Proposal, proposals
from fixer.registry import all_rules
from fixer.session import Session, SessionError
from fixer.show.output import Refusal, console, put, say
from fixer.show.visible import visible

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@repository_options
@click.option("-n", "--dry-run", is_flag=True, help="Show the fixes that become possible; write nothing.")
@click.pass_context
def configure(context: click.Context, opened: Session, dry_run: bool) -> None:
    """Ask for each fact that blocked findings below PATH wait for, show the fix that it makes possible, and write it
    into .fhfix.toml, or [tool.fhfix] in pyproject.toml where that is used.

    Comments stay. Without a terminal the values come from --set. A placeholder is no value.
    """
    settings: tuple[str, ...] = context.params["settings"]
    screen = console(stderr=True)
    if settings:
        after = opened.plan()
        _show_new(_as_configured(opened, context.params["config"]).plan(), after, screen)
    elif sys.stdin.isatty():
        settings, after = _ask(opened, screen)
    else:
        _say_what_is_asked(opened)
        return
    if settings and not dry_run:
        _write(opened, settings)
    say_problems(after)
    sys.exit(exit_code(after, found=False))


def _as_configured(opened: Session, file: Path | None) -> Session:
    """The session without the values of the command line."""
    found = load_config(opened.repository.root, file.resolve() if file else None, all_rules())
    return replace(opened, config=replace(opened.config, rules=found.rules))


def _ask(opened: Session, screen: Console) -> tuple[tuple[str, ...], Plan]:
    """The values that a person gives, and the plan with them."""
    settings: tuple[str, ...] = ()
    passed: set[str] = set()
    made = opened.plan()
    while True:
        asked = next((each for each in missing(made.left) if each.key not in passed), None)
        if asked is None:
            if not settings:
                say("no finding waits for a value" if not passed else "nothing was given")
            return settings, made
        passed.add(asked.key)
        offered = _offered(opened, asked)
        _introduce(asked, offered, screen)
        while True:
            default = offered[0].value if offered else ""
            value = click.prompt(visible(asked.key), default=default, show_default=bool(default), err=True).strip()
            if not value:
                break
            if value.isdecimal() and 0 < int(value) <= len(offered):
                value = offered[int(value) - 1].value
            setting = f"{asked.key}={value}"
            try:
                trial = opened.with_settings((*settings, setting))
            except SessionError as error:
                say(*error.errors)
                continue
            settings = (*settings, setting)
            before, made = made, trial.plan()
            _show_new(before, made, screen)
            break


def _introduce(asked: Missing, offered: Sequence[Proposal], screen: Console) -> None:
    from rich.text import Text

    screen.print()
    for reported in asked.waiting:
        screen.print(Text(f"{visible(reported.finding.path)}: {visible(reported.finding.message)}", "bold"))
    screen.print(Text(f"  {visible(asked.next_step)}"))
    if asked.help:
        screen.print(Text(f"  {asked.help}", "dim"))
    for number, each in enumerate(offered, 1):
        where = f"  ({visible(each.where)})" if each.where else ""
        screen.print(Text(f"  {number}. {visible(each.value)}{where}"), soft_wrap=True)
    if offered:
        screen.print(Text("  Enter takes the first, a number another, a blank none", "dim"))


def _show_new(before: Plan, after: Plan, screen: Console) -> None:
    """The fixes that were not possible before."""
    from fixer.show.terminal import show_taken

    known = {reported.id for reported in before.taken}
    new = [number for number, reported in enumerate(after.taken) if reported.id not in known]
    if not new:
        say("this makes no further fix possible")
    for number in new:
        show_taken(after, number, screen)


def _offered(opened: Session, asked: Missing) -> Sequence[Proposal]:
    """What stands elsewhere in the repository."""
    return opened.ask(lambda repository: proposals(asked, repository))


def _say_what_is_asked(opened: Session) -> None:
    made = opened.plan()
    asked = missing(made.left)
    if not asked:
        say("no finding waits for a value")
        say_problems(made)
        sys.exit(exit_code(made, found=False))
    lines: list[str] = []
    for each in asked:
        lines.append(f"--set {each.key}=…  {each.next_step}")
        for offered in _offered(opened, each):
            setting = shlex.quote(f"{each.key}={offered.value}")
            lines.append(f"  --set {setting}" + (f"  ({offered.where})" if offered.where else ""))
    raise click.UsageError("\n".join(["there is no terminal to ask on; give the values:", *lines]))


def _write(opened: Session, settings: tuple[str, ...]) -> None:
    given: Mapping[str, Any] = {}
    for setting in settings:
        given = merged(given, assigned(setting))
    path = write_configuration(opened, {"rules": given})
    put(f"wrote {path}\n")


def write_configuration(opened: Session, more: Mapping[str, Any]) -> Path:
    """Adds tables to the configuration of a repository, `.fhfix.toml` where it has none."""
    name = opened.config.origin or FILE
    path = opened.repository.root / name
    try:
        data = path.read_bytes() if path.exists() else b""
        text = data.decode("utf-8-sig")
        below = "tool.fhfix" if path.name == "pyproject.toml" else ""
        text = configured(text, more, all_rules(), name, below)
        with written(opened.repository.root, path) as target:
            write_all(target, b"\xef\xbb\xbf" * data.startswith(b"\xef\xbb\xbf") + text.encode())
    except ConfigError as error:
        raise Refusal(*error.errors) from None
    except UnicodeDecodeError:
        raise Refusal(f"{name}: not UTF-8") from None
    except FileError as error:
        raise Refusal(str(error)) from None
    except OSError as error:
        raise Refusal(f"{name}: cannot be written: {error.strerror}") from None
    return path
