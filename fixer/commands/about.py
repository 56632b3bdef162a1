"""What a page says of itself: of what it is, as of when, and by which command."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from fixer.commands.opening import same_repository
from fixer.forge.git import Git
from fixer.show.page import About


def about(root: Path, command: str, title: str = "") -> About:
    """`title` is the name of the folder where none is given."""
    context = click.get_current_context()
    return about_of(root, same_repository(command, context), same_repository("apply", context), title)


def about_of(root: Path, command: str, apply: str, title: str = "") -> About:
    commit, uncommitted = commit_of(root)
    return About(title or root.resolve().name, command, apply, commit + ", with changes since" * uncommitted, now())


def now() -> str:
    """The date and time in words."""
    today = datetime.now().astimezone()
    return f"{today.day} {today:%B %Y, %H:%M}"


def commit_of(root: Path) -> tuple[str, bool]:
    """The commit that is checked out, short, empty for none; and whether tracked files differ from it."""
    git = Git(root)
    commit = git.maybe("rev-parse", "--short", "HEAD") if (root / ".git").exists() else ""
    return commit, bool(commit and git.uncommitted())
