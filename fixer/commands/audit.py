"""`fhfix audit`: writes the audit document of a repository."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fixer.commands.opening import repository_options, say_nothing_read, say_problems
from fixer.session import Session
from fixer.show.output import save


@click.command()
@repository_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "html", "json"]),
    default="markdown",
    show_default=True,
    help="For people, for a browser, for programs.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default="-",
    help="A file, not the terminal.",
)
@click.option("--report", "reports", multiple=True, metavar="FILE", help="A status report to check; repeatable.")
def audit(opened: Session, form: str, output: Path, reports: tuple[str, ...]) -> None:
    """Write the audit document of what lies below PATH: findings by task with file and line, before and after,
    estimates, acceptance criteria ticked by what was verified, the secrets and variables that the workflows need, and
    which claims of its status reports are true.

    Status reports are found by their names (`DEVOPS_STATUS.md` and the like); --report names others.
    """
    from fixer.audit.claims import claims, status_reports
    from fixer.audit.document import Audit, as_html, as_json, items_of, markdown
    from fixer.audit.needed import needed
    from fixer.commands.about import commit_of

    repository = opened.repository
    for report in reports:
        if not repository.exists(report):
            raise click.BadParameter(f"{report}: no such file in the repository", param_hint="--report")
    found, made = opened.check(), opened.plan()
    looked_at = {problem.path for problem in found.problems}
    read = opened.ask(needed)
    names = [one.name for one in read]
    said = opened.ask(lambda repository: claims(repository, reports or status_reports(repository), names))
    profile = click.get_current_context().params["profile"]
    commit, uncommitted = commit_of(repository.root)
    document = Audit(
        name=f"{repository.only} in " * bool(repository.only) + repository.root.resolve().name,
        commit=commit,
        uncommitted=uncommitted,
        items=items_of(found, repository.read),
        criteria=tuple(opened.criteria()),
        after=tuple(opened.criteria(made)),
        needed=tuple(read),
        claims=tuple(said),
        faults=found.faults,
        problems=(*found.problems, *(each for path, each in opened.given_up.items() if path not in looked_at)),
        coverage=found.coverage,
        apply=f"fhfix apply --profile {profile}" if profile else "fhfix apply",
    )
    save({"markdown": markdown, "html": as_html, "json": as_json}[form](document), output, repository.root)
    say_problems(found)
    say_nothing_read(opened, found)
    sys.exit(3 if found.faults else 0)
