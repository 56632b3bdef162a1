"""`fhfix catalog`: what fhfix knows of actions; whether it holds together; and newer data."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fixer.show.output import Refusal, put, say

if TYPE_CHECKING:
    from fixer.github.catalog.update import Tags


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def catalog() -> None:
    """Show, verify or update the catalog of actions."""


@catalog.command(short_help="What is known of an action.")
@click.argument("action", metavar="ACTION")
def show(action: str) -> None:
    """What is known of ACTION, `owner/repo[/path]`: majors, inputs, changes, advisories, sources."""
    from fixer.github.catalog import Catalog

    known = Catalog.load()
    found = known.action(action.partition("@")[0])
    if found is None:
        raise Refusal(f"{action} is not in the catalog; `fhfix catalog update {action}` adds it")
    put(f"{found.name}  (as of {found.as_of}, {found.source})\n")
    if found.status:
        put(f"  {found.status['state']}: {found.status.get('source', '')}\n")
    if found.replacement:
        put(f"  replacement: {found.replacement.name}\n")
    if found.note:
        put(f"  {found.note}\n")
    for policy in ("supported", "latest"):
        target = known.target(found, policy=policy)
        reached = f"v{target.number} ({target.release})" if target else "none"
        put(f"  policy {policy}: {reached}\n")
    for number, major in sorted(found.majors.items(), reverse=True):
        runtime = major.runtime()
        ended = "" if known.is_supported(runtime) else f", gone since {known.removed[runtime]}"
        moving = found.moving(number) or "no moving tag"
        put(f"  v{number}: {major.release} {found.sha_of(major.release)[:12]} {runtime}{ended} ({moving})\n")
        names = (f"{name}*" if name in major.required else name for name in sorted(major.inputs_at()))
        put(f"    inputs: {', '.join(names) or 'none'}\n")
        if major.outputs:
            put(f"    outputs: {', '.join(sorted(major.outputs))}\n")
    for version, migration in found.migrations:
        put(f"  at {'.'.join(map(str, version[:3]))}:\n")
        for old, new in (*migration.rename.items(), *migration.env_to_input.items()):
            put(f"    {old} became {new}\n")
        for old, new in migration.invert.items():
            put(f"    {old} became {new}, with the opposite meaning\n")
        for name in sorted(migration.drop):
            put(f"    {name} is gone; nothing is lost without it\n")
        for name, advice in migration.lost.items():
            put(f"    {name} is gone: {advice}\n")
        for entry in migration.set:
            put(f"    {entry['input']}: {entry['value']} keeps what the version before did\n")
        for entry in migration.block:
            put(f"    {entry['reason']}: {entry.get('next', '')}\n")
        put(f"    source: {'; '.join(migration.source)}\n")
    for advisory in found.advisories:
        put(f"  {advisory.id} (GitHub Advisory Database, CC-BY 4.0)\n")


@catalog.command(short_help="Check that the data holds together.")
@click.option("--unspoken", is_flag=True, help="Also list inputs that went and that no migration speaks of.")
def verify(unspoken: bool) -> None:
    """Check that the data holds together: commits, majors, and that migrations name inputs that exist."""
    from fixer.github.catalog import Catalog, consistency

    known = Catalog.load()
    wrong = list(consistency.problems(known))
    for problem in wrong:
        put(f"{problem}\n")
    if unspoken:
        for line in consistency.unspoken(known):
            put(f"not spoken of: {line}\n")
    names = list(known.names())
    put(f"{len(names)} actions, {len(wrong)} problems, as of {known.as_of}\n")
    sys.exit(1 if wrong else 0)


@catalog.command(short_help="Read the tags of repositories anew.")
@click.argument("actions", nargs=-1, metavar="[OWNER/REPO]...")
@click.option("--all", "everything", is_flag=True, help="Every repository that the catalog has.")
@click.option(
    "--clones",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Read local clones, CLONES/OWNER/REPO[.git], instead of GitHub.",
)
@click.option("--server", default="https://github.com", show_default=True, help="GitHub, or an Enterprise Server.")
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), help="Where the data goes (default: into fhfix itself)."
)
@click.option("--as-of", metavar="DATE", help="The day that the data is of (default: today).")
def update(
    actions: tuple[str, ...], everything: bool, clones: Path | None, server: str, into: Path | None, as_of: str | None
) -> None:
    """Read the tags of OWNER/REPO anew, and add what is not known yet.

    The token comes from FHFIX_TOKEN, GH_TOKEN or GITHUB_TOKEN (on an Enterprise Server GH_ENTERPRISE_TOKEN or
    GITHUB_ENTERPRISE_TOKEN). What people wrote of changes between versions is not touched.
    """
    import datetime
    import json

    from fixer.forge.github import GitHubError
    from fixer.github.catalog import Catalog
    from fixer.github.catalog.actions import FOLDER
    from fixer.github.catalog.update import CloneError, refresh, rendered

    folder = into or Path(FOLDER) / "actions"
    names = list(dict.fromkeys("/".join(name.partition("@")[0].split("/")[:2]) for name in actions))
    if everything:
        names += dict.fromkeys("/".join(known.split("/")[:2]) for known in Catalog.load().names())
    if not names:
        raise click.UsageError("name the repositories, or give --all")
    today = as_of or datetime.datetime.now(datetime.UTC).date().isoformat()
    failed = False
    for name in dict.fromkeys(names):
        if name.count("/") != 1 or not all(name.split("/")):
            raise click.UsageError(f"{name} is not OWNER/REPO")
        path = folder / f"{name.lower()}.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        spelled = known["repository"] if known else name
        try:
            made = refresh(
                spelled,
                _tags(spelled, clones, server),
                known,
                as_of=today,
                source=f"tags and action.yml files of {server.rstrip('/')}/{spelled}",
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(rendered(made.data), encoding="utf-8")
        except (CloneError, GitHubError, OSError) as error:
            say(f"{name}: {error}")
            failed = True
            continue
        versions = f" ({', '.join(made.read)})" if made.read else ""
        put(f"{spelled}: {len(made.read)} versions read{versions}\n")
        for line in made.moved:
            say(f"{spelled}: a release was moved: {line}")
        for line in made.unreadable:
            say(f"{spelled}: not readable: {line}")
    sys.exit(1 if failed else 0)


def _tags(name: str, clones: Path | None, server: str) -> Tags:
    from fixer.forge.github import GitHub, GitHubError, Slug, token_from
    from fixer.github.catalog.update import Clone, CloneError, Remote

    if clones is not None:
        for folder in (clones / name, clones / f"{name}.git"):
            if folder.is_dir():
                return Clone(folder)
        raise CloneError(f"no clone at {clones / name}")
    slug = Slug.of(f"{server.rstrip('/')}/{name}")
    # The user has named the server.
    token = token_from({**os.environ, "FHFIX_HOST": slug.host}, slug)
    if not token:
        raise GitHubError(f"no token for {slug.host}; set GH_TOKEN, or FHFIX_TOKEN")
    return Remote(GitHub(slug.api, token, say), name)
