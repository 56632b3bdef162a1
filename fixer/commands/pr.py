"""`fhfix pr`: opens the pull request with the fixes, or brings it up to date."""

from __future__ import annotations

import os
import sys

import click

from fixer.commands.opening import repository_options, say_nothing_read, say_problems
from fixer.session import Session
from fixer.show.output import Refusal, put, say
from fixer.show.visible import visible


@click.command()
@repository_options
@click.option("--branch", default="fhfix", show_default=True, metavar="NAME", help="The branch to propose from.")
@click.option("--base", default="", metavar="NAME", help="The branch to propose to (default: the one checked out).")
@click.option("--title", default="", help="The title (default: says what was fixed).")
@click.option("--label", "labels", multiple=True, metavar="NAME", help="A label; may be given again.")
@click.option("--reviewer", "reviewers", multiple=True, metavar="NAME", help="A person or ORG/TEAM to ask.")
@click.option("--draft", is_flag=True, help="Open it as a draft.")
@click.option("--single-commit", is_flag=True, help="One commit in all, not one for each task of the audit.")
@click.option("--fork", is_flag=True, help="Push to a fork of yours, made if need be.")
@click.option("--again", is_flag=True, help="Open another one although the last was closed without being merged.")
@click.option("--remote", default="origin", show_default=True, metavar="NAME", help="The remote that is on GitHub.")
@click.option(
    "--repository", default="", metavar="OWNER/NAME", help="The repository on GitHub, where no remote says it."
)
@click.option("--safe", is_flag=True, help="Take only fixes that keep the meaning except for the defect.")
def pr(
    opened: Session,
    branch: str,
    base: str,
    title: str,
    labels: tuple[str, ...],
    reviewers: tuple[str, ...],
    draft: bool,
    single_commit: bool,
    fork: bool,
    again: bool,
    remote: str,
    repository: str,
    safe: bool,
) -> None:
    """Open the pull request with the fixes, or bring it up to date. There is never a second one.

    Nothing in the clone changes: commits are made beside it and pushed to BRANCH. What is checked out must be what the
    remote has.

    The token comes from FHFIX_TOKEN, GH_TOKEN or GITHUB_TOKEN; on an Enterprise Server, which FHFIX_HOST names, from
    FHFIX_TOKEN, GH_ENTERPRISE_TOKEN or GITHUB_ENTERPRISE_TOKEN. It needs contents, pull requests and workflows, each
    to write; a classic token needs the scopes `repo` and `workflow`.
    """
    from fixer.audit.needed import needed
    from fixer.forge.proposal import ProposalError, Verified, Wish, propose

    repo = opened.repository
    made = opened.plan()
    say_problems(made)
    say_nothing_read(opened, made)
    verified = Verified(opened.whole().criteria(made), opened.ask(needed), opened.ask(needed, made))
    wish = Wish(
        branch=branch,
        base=base,
        title=" ".join(title.split()),
        labels=labels,
        reviewers=reviewers,
        draft=draft,
        single_commit=single_commit,
        fork=fork,
        again=again,
        remote=remote,
        repository=repository,
    )
    try:
        outcome = propose(repo.root, made, verified, wish, os.environ, say=say)
    except ProposalError as error:
        raise Refusal(str(error)) from None
    for note in outcome.notes:
        say(note)
    if outcome.action == "nothing":
        put("nothing to propose: no fix is left to make\n")
    else:
        commits = f"{outcome.commits} {'commit' if outcome.commits == 1 else 'commits'}"
        put(f"{outcome.action}: {visible(outcome.url)} ({commits})\n")
    sys.exit(3 if made.faults else 0)
