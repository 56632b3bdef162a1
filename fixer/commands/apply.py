"""`fhfix apply`: fixes in place, or with `--dry-run` only shows them."""

from __future__ import annotations

import sys

import click

from fixer.commands.opening import exit_code, exit_zero, repository_options, say_problems
from fixer.model import Blocked, Plan
from fixer.session import Session
from fixer.show.output import Refusal, console, page, put, put_patch, say
from fixer.show.place import Read, unwritten


@click.command()
@repository_options
@click.option("-n", "--dry-run", is_flag=True, help="Show what would change, and why; write nothing at all.")
@click.option("-i", "--interactive", is_flag=True, help="Ask for each fix: yes, no, all of this rule, file, quit.")
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
@exit_zero
def apply(
    opened: Session, dry_run: bool, interactive: bool, safe: bool, form: str, differs: bool, quiet: bool, zero: bool
) -> None:
    """Fix what can be fixed below PATH (default: the current folder). `fhfix undo` takes it back."""
    from fixer import writing

    root = opened.repository.root
    try:
        made = opened.plan()
        if interactive and made.taken:
            from fixer.show.interactive import choose

            made = opened.plan(choose(made))
        if not quiet:
            _show(opened, made, form, dry_run=dry_run)
        say_problems(made)
        if not dry_run:
            receipt = writing.apply(root, made)
            if receipt.recovery:  # of a run that was cut short while this one was planning
                say(str(receipt.recovery))
            if not quiet and (receipt.changed or receipt.created):
                say("written; `fhfix undo` takes it back")
    except writing.WriteError as error:
        raise Refusal(*error.lines) from None
    if dry_run:
        sys.exit(3 if made.faults else 1 if differs and made.files else 0)
    unfixed = [reported for reported in made.left if interactive or isinstance(reported.finding.cure, Blocked)]
    sys.exit(exit_code(made, found=bool(unfixed), zero=zero))


def _show(opened: Session, made: Plan, form: str, dry_run: bool) -> None:
    """Places are those of the files on disk: as they are in a dry run, as they will be otherwise."""
    read: Read = opened.after(made).read
    if dry_run:
        made, read = unwritten(made, opened.repository.read)
    if form == "patch":
        from fixer.show.diff import patch

        put_patch(patch(made))
    elif form == "json":
        from fixer.show.json import plan_json

        put(plan_json(made, read))
    else:
        from fixer.show.terminal import show

        screen = console()
        with screen.capture() as captured:
            show(made, read, screen)
        if dry_run:
            page(captured.get())
        else:
            put(captured.get())
