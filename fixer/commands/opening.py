"""What every command that looks at a repository does first: find it, read its configuration, choose the rules."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fixer import writing
from fixer.commands.completion import rule_names
from fixer.commands.waiting import sign_of_life
from fixer.documents import KINDS, kind_of
from fixer.model import Level, Plan, Profile, Report, Tier, listed
from fixer.repository import Repository
from fixer.session import NoSuchPathError, Session, SessionError, open_session, repository_at
from fixer.show.groups import not_handled
from fixer.show.output import Refusal, say
from fixer.show.visible import visible


def _separate(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for names in given for name in names.split(","))


OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.argument("path", type=click.Path(path_type=Path), default=Path()),
    click.option(
        "--select",
        multiple=True,
        metavar="RULE,…",
        callback=_separate,
        shell_complete=rule_names,
        help="Only these: rule ids, packs, or D-009.5; repeatable.",
    ),
    click.option(
        "--ignore",
        multiple=True,
        metavar="RULE,…",
        callback=_separate,
        shell_complete=rule_names,
        help="All but these; repeatable.",
    ),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave files alone (.gitignore patterns)."),
    click.option(
        "--set", "settings", multiple=True, metavar="rules.ID.NAME=VALUE", help="A rule's option; repeatable."
    ),
    click.option(
        "--profile",
        type=click.Choice([str(profile) for profile in Profile]),
        help="`default`: what does not work; `audit`: also practices that are missing.",
    ),
    click.option("--min-severity", type=click.Choice([str(level) for level in Level]), help="Leave lower levels out."),
    click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Instead of the repository's own."),
    click.option("--baseline", type=click.Path(path_type=Path, dir_okay=False), help="Leave known findings out."),
    click.option("--changed-since", metavar="REV", help="Only findings on lines that differ from a git revision."),
)


SAME = (
    "path", "select", "ignore", "exclude", "settings", "config", "baseline", "changed_since", "profile", "min_severity",
)  # fmt: skip
"""The parameters that say which rules look at what."""


def repository_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The path and the options that say which rules look at what; they arrive as one `opened`."""

    @click.pass_context
    def opening(context: click.Context, /, **values: Any) -> Any:
        given = {name: values.pop(name) for name in SAME}
        whole_again(repository_of(given["path"]).root, writes=not values.get("dry_run", True))  # only `apply` has it
        opened = _open(**given, safe=values.get("safe", False))
        return context.invoke(function, opened=opened, **values)

    opening.__doc__ = function.__doc__
    opening.__name__ = function.__name__
    # click collects parameters from the bottom up.
    opening.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    for option in reversed(OPTIONS):
        option(opening)
    return opening


def same_repository(command: str, context: click.Context) -> str:
    """The command line that looks at the same repository in the same way, to be copied."""
    words = ["fhfix", command]
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        values = context.params.get(name)
        if name not in SAME or not given or values == parameter.default:
            continue
        for value in values if isinstance(values, tuple) else (values,):
            words += [str(value)] if isinstance(parameter, click.Argument) else [parameter.opts[0], str(value)]
    return shlex.join(words)


def _open(path: Path, *, safe: bool, profile: str | None, min_severity: str | None, **values: Any) -> Session:
    """Raises click's usage errors, exit code 2, for whatever does not exist or is mistyped."""
    try:
        return open_session(
            path,
            tier=Tier.SAFE if safe else None,
            profile=Profile(profile) if profile else None,
            min_severity=Level(min_severity) if min_severity else None,
            waiting=sign_of_life,
            **values,
        )
    except SessionError as error:
        raise _usage_error(error) from None


def whole_again(root: Path, *, writes: bool) -> None:
    """After an apply or undo that was cut short the tree holds files from before and after: put right before anything
    of it is looked at, as SQLite does, since what is found in such a tree is true of no state of it. A command that
    only reads goes on where that is not possible, and says what it shows."""
    if not writing.interrupted(root):
        return
    try:
        recovery = writing.recover(root)
    except writing.WriteError as error:
        if writes:
            raise Refusal(*error.lines) from None
        say("an apply or undo is halfway, and this shows the files in between:", *error.lines)
        return
    if recovery is not None:
        say(str(recovery))


def repository_of(path: Path) -> Repository:
    try:
        return repository_at(path)
    except SessionError as error:
        raise _usage_error(error) from None


def _usage_error(error: SessionError) -> click.UsageError:
    said = "\n".join(map(visible, error.errors))
    return click.BadParameter(said, param_hint="PATH") if isinstance(error, NoSuchPathError) else click.UsageError(said)


def say_problems(made: Report | Plan) -> None:
    """One line for each reason on stderr: what could not be handled, and what to do."""
    for alike in not_handled(made.problems):
        say(f"not handled: {alike}")
    for fault in made.faults:
        where = f"{fault.path}: " if fault.path else ""
        say(f"FAULT in {fault.rule_id}: {where}{fault.what}; its work was dropped, please report this")


def say_nothing_read(opened: Session, made: Report | Plan) -> None:
    """A line on stderr where finding nothing means nothing, since no file was looked at."""
    if made.problems or opened.coverage().read:
        return
    repository = opened.repository
    where = repository.only or str(repository.root)
    kinds = listed(f"{word}s" for word in KINDS)
    if any(kind_of(path) and repository.in_scope(path) for path in repository.files):
        say(f"nothing was looked at: none of the chosen rules reads a file of {where}", "choose others, or more files")
    else:
        say(f"nothing was looked at: {where} holds no file that fhfix reads", f"it reads {kinds}")


def exit_code(made: Report | Plan, *, found: bool, zero: bool = False) -> int:
    """3 for a fault of fhfix, 1 for what is left (0 where that was asked for), else 0."""
    return 3 if made.faults else 1 if (found or made.problems) and not zero else 0


exit_zero = click.option("--exit-zero", "zero", is_flag=True, help="Exit 0 although something is left.")
