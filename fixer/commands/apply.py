"""`fhfix apply`: fixes in place, or with `--dry-run` only shows them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from fixer.commands.opening import (
    exit_code,
    exit_zero,
    repository_options,
    same_repository,
    say_nothing_read,
    say_problems,
)
from fixer.editor import editor
from fixer.model import Blocked, Plan, Reported, listed
from fixer.selection import Chosen, ids_in, like, named
from fixer.session import Session
from fixer.show.output import Refusal, console, page, put, put_patch, say
from fixer.show.place import Read, written


def _ids(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Raises a usage error for what is no id."""
    try:
        return tuple(name for words in given for name in ids_in(words))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _selected(context: click.Context, parameter: click.Parameter, given: Path | None) -> tuple[str, ...]:
    """The ids in a file, or on standard input for `-`."""
    if given is None:
        return ()
    try:
        text = sys.stdin.read() if str(given) == "-" else given.read_text(encoding="utf-8")
        return ids_in(text)
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{given}: {error}") from None


@click.command()
@repository_options
@click.option("-n", "--dry-run", is_flag=True, help="Show what would change, and why; write nothing at all.")
@click.option("-i", "--interactive", is_flag=True, help="Choose groups and fixes on the terminal, beside their diffs.")
@click.option(
    "--only",
    "names",
    multiple=True,
    metavar="ID,…",
    callback=_ids,
    help="Only these fixes and groups, by the ids that a dry run shows; repeatable.",
)
@click.option(
    "--selection",
    type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
    callback=_selected,
    help="Only the fixes whose ids stand in a file, as the page of `fhfix preview` saves it.",
)
@click.option("--safe", is_flag=True, help="Only fixes that keep the meaning except for the defect.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "patch", "json"]),
    default="text",
    show_default=True,
    help="For people, for `git apply`, for programs.",
)
@click.option("--exit-code", "differs", is_flag=True, help="With --dry-run: exit 1 if something would change.")
@click.option("-q", "--quiet", is_flag=True, help="Say only which files could not be handled.")
@click.option("-v", "--verbose", is_flag=True, help="Every changed line, by file.")
@exit_zero
def apply(
    opened: Session,
    dry_run: bool,
    interactive: bool,
    names: tuple[str, ...],
    selection: tuple[str, ...],
    safe: bool,
    form: str,
    differs: bool,
    quiet: bool,
    verbose: bool,
    zero: bool,
) -> None:
    """Fix what can be fixed below PATH (default: the current folder). `fhfix undo` takes it back."""
    from fixer import writing

    root = opened.repository.root
    try:
        chosen = Chosen((*names, *selection)) if names or selection else None
        made = opened.plan(chosen)
        if interactive and made.taken:
            opened, chosen = _picked(opened, made)
            made = opened.plan(chosen)
        unmet = _unmet(opened, made, chosen) if chosen is not None else []
        if not quiet:
            options = [f"--only {','.join(chosen.names)}"] if chosen is not None and chosen.names else []
            options += ["--safe"] * safe
            _show(opened, made, form, " ".join(options), dry_run=dry_run, verbose=verbose)
        for line in unmet:
            say(line)
        say_problems(made)
        say_nothing_read(opened, made)
        if not dry_run:
            receipt = writing.apply(root, made)
            if receipt.recovery:  # of a run that was cut short while this one was planning
                say(str(receipt.recovery))
            if not quiet and (receipt.changed or receipt.created):
                say("written; `fhfix undo` takes it back")
    except writing.WriteError as error:
        raise Refusal(*error.lines) from None
    if dry_run:
        sys.exit(3 if made.faults else 1 if unmet or (differs and made.files) else 0)
    sys.exit(exit_code(made, found=bool(unmet or _unfixed(made, chosen, interactive=interactive)), zero=zero))


def _unfixed(made: Plan, chosen: Chosen | None, *, interactive: bool) -> bool:
    """Whether something is left that was asked for: what was not chosen is no failure."""
    if chosen is not None and not interactive:
        return False  # what was named, and has no fix, is unmet
    return any(interactive or isinstance(reported.finding.cure, Blocked) for reported in made.left)


def _unmet(opened: Session, made: Plan, chosen: Chosen) -> list[str]:
    """Why fixes that were named are not made. Raises a usage error for names that nothing has: then nothing is done."""
    gone = named(reported for along in made.along.values() for reported in along)
    unmet = [name for name in chosen.unmet if name not in gone]
    if not unmet:
        return []
    whole = opened.plan()
    known = named((*whole.answered, *whole.left))
    unknown = [name for name in unmet if name not in known]
    if unknown:
        raise click.UsageError("\n".join(_unknown(name, known) for name in unknown))
    return [_why_unmet(name, known[name]) for name in unmet]


def _unknown(name: str, known: Mapping[str, Reported]) -> str:
    near = [f"{each} ({known[each].rule.id}, {known[each].finding.path})" for each in like(name, known)]
    return f"no finding has the id {name}" + (f"; near it: {', '.join(near)}" if near else "; a dry run shows them")


def _why_unmet(name: str, reported: Reported) -> str:
    cure = reported.finding.cure
    if isinstance(cure, Blocked):
        return f"{name} ({reported.rule.id}) has no fix: {cure.reason}; {cure.next_step}"
    return f"{name} ({reported.rule.id}) is not made: its fix needs another that was not chosen"


def _picked(opened: Session, made: Plan) -> tuple[Session, Chosen]:
    """What a person chooses, of the files as they are in the end: some may be edited before."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("--interactive needs a terminal; --only and --selection choose without one")
    from fixer.show.picker import Edit, Never, pick

    unticked: frozenset[str] = frozenset()
    while True:
        answer = pick(made, unticked)
        if isinstance(answer, Edit):
            command = editor(os.environ, opened.repository.root / answer.path, answer.line)
            if command:
                subprocess.run(command, check=False)
            else:
                say("neither VISUAL nor EDITOR names an editor")
            opened = opened.again()
        elif isinstance(answer, Never):
            opened = _never(opened, answer.rule_id, answer.paths)
        else:
            return opened, Chosen(answer.names if answer else ())
        unticked = answer.unticked
        made = opened.plan()


def _never(opened: Session, rule_id: str, paths: Sequence[str]) -> Session:
    """Writes into the configuration that files are left alone by a rule."""
    from fixer.commands.configure import write_configuration

    ignores = dict(opened.config.per_path_ignores)
    new: dict[str, list[str]] = {}
    for path in paths:
        pattern = "/" + re.sub(r"([\\*?\[\] ])", r"\\\1", path)  # as in .gitignore
        ignores[pattern] = (*ignores.get(pattern, ()), rule_id)
        new[pattern] = list(ignores[pattern])
    written = write_configuration(opened, {"per-path-ignores": new})
    say(f"{written.name}: from now on {rule_id} leaves {listed(paths)} alone")
    config = replace(opened.config, per_path_ignores=ignores, origin=written.name)
    return replace(opened.again(), config=config)


def _show(opened: Session, made: Plan, form: str, chosen: str, *, dry_run: bool, verbose: bool) -> None:
    """`chosen` are the options that choose these fixes. Places are those of the files on disk: as they are in a dry
    run, as they will be otherwise."""
    read: Read = opened.repository.read
    if not dry_run:
        made, read = written(made), opened.after(made).read
    if form == "patch":
        from fixer.show.diff import patch

        put_patch(patch(made))
    elif form == "json":
        from fixer.show.json import plan_json

        put(plan_json(made, read))
    else:
        from fixer.show.terminal import show

        screen = console()
        command = same_repository("apply", click.get_current_context()) if dry_run else ""
        with screen.capture() as captured:
            show(made, read, screen, verbose=verbose, command=command, chosen=chosen)
        if dry_run:
            page(captured.get())
        else:
            put(captured.get())
