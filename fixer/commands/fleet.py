"""`fhfix fleet`: many repositories at once."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fixer.commands.opening import OPTIONS, exit_zero
from fixer.show.output import Refusal, put, save, say

if TYPE_CHECKING:
    from fixer.fleet.configuration import FleetConfig
    from fixer.fleet.looked import Looked
    from fixer.fleet.looking import How, Look
    from fixer.fleet.sources import Target
    from fixer.forge.github import GitHub
    from fixer.show.page import About

SETTINGS = {"help_option_names": ["-h", "--help"]}

SOURCES: tuple[Callable[[Any], Any], ...] = (
    click.option("--org", "organisations", multiple=True, metavar="NAME", help="All of an organisation or person."),
    click.option("--search", "searches", multiple=True, metavar="QUERY", help="What GitHub's search finds."),
    click.option(
        "--repos",
        "lists",
        multiple=True,
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="A line each: OWNER/NAME, an address, or the folder of a clone.",
    ),
    click.option(
        "--path",
        "folders",
        multiple=True,
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Clones below a folder, as they stand there.",
    ),
    click.option("--name", "names", multiple=True, metavar="PATTERN", help="Only these; `acme/web-*` or `web-*`."),
    click.option("--except", "excepted", multiple=True, metavar="PATTERN", help="All but these."),
    click.option("--topic", "topics", multiple=True, metavar="NAME", help="Only with one of these topics."),
    click.option("--language", "languages", multiple=True, metavar="NAME", help="Only with one of these languages."),
    click.option("--pushed-since", default="", metavar="DATE", help="Only where somebody has pushed since."),
    click.option("--holds", multiple=True, metavar="PATTERN", help="Only with such a path, `.github/workflows/*` say."),
    click.option("--archived", is_flag=True, help="Also archived ones."),
    click.option("--forks", is_flag=True, help="Also forks."),
    click.option(
        "--fleet-config",
        "config",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="What holds for all where they say nothing, with tables for some.",
    ),
)
"""Which repositories are meant."""

_CHOSEN = ("select", "ignore", "exclude", "settings", "profile", "min_severity")
LOOKING: tuple[Callable[[Any], Any], ...] = (
    *OPTIONS[1:7],
    click.option("--safe", is_flag=True, help="Take only fixes that keep the meaning except for the defect."),
    click.option("--processes", type=click.IntRange(1), help="How many at once (default: one for each processor)."),
    click.option(
        "--cache",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Where clones and answers are kept (default: fhfix/fleet in the user's cache).",
    ),
)
"""How they are looked at."""


def _options(*groups: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def add(function: Any) -> Any:
        for option in reversed([each for group in groups for each in group]):
            function = option(function)
        return function

    return add


@click.group(context_settings=SETTINGS)
def fleet() -> None:
    """Many repositories at once: of an organisation, a search, a file, or a folder of clones.

    \b
    fhfix fleet check --org acme --html fleet.html    what is found, grouped over all of them
    fhfix fleet pr deploys --org acme --dry-run       what the campaign `deploys` would propose
    fhfix fleet pr deploys --org acme                 propose it, a few first

    The token is that of `fhfix pr`, or what git's credential helper knows of the host. FHFIX_HOST names an Enterprise
    Server.
    """


@fleet.command(short_help="What is found, over all repositories.")
@_options(SOURCES, LOOKING)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="For people, for programs, for spreadsheets.",
)
@click.option(
    "--html",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also one page with everything.",
)
@click.option("-v", "--verbose", is_flag=True, help="Every group, not only the first.")
@exit_zero
def check(form: str, file: Path | None, verbose: bool, zero: bool, **values: Any) -> None:
    """Look at all repositories and show what is found, grouped over all of them. Changes nothing.

    Of a remote repository one commit is fetched, without history, and of its files only what is read. Answers are kept
    by commit: a repository that did not change, while fhfix did not either, is not looked at again.
    """
    from fixer.fleet import telling
    from fixer.fleet.overview import FleetOverview

    asked = Asked.of(values)
    looks = asked.looks()
    seen = FleetOverview()
    first = True
    put({"json": telling.json_head, "csv": telling.csv_head}.get(form, str)())
    for looked in watched(looks, asked.processes):
        seen.add(looked)
        if form == "json":
            put(telling.json_repository(looked, first=first))
            first = False
        elif form == "csv":
            for row in telling.csv_repository(looked):
                put(row)
    if form == "json":
        put(telling.json_tail(seen))
    elif form == "text":
        put(telling.fleet_text(seen, every=verbose))
    if file is not None:
        from fixer.fleet.page import fleet_page

        save(fleet_page(seen, about_fleet(asked.title)), file, file.parent)
        say(f"{file}: {seen.in_words()}")
    sys.exit(3 if seen.not_looked_at or seen.faults else 1 if seen.rows and not zero else 0)


# -- what all of them do --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What the options say: which repositories, and how they are looked at."""

    targets: tuple[Target, ...]
    left_out: tuple[tuple[str, str], ...]
    how: How
    config: FleetConfig
    processes: int
    title: str

    @classmethod
    def of(cls, values: dict[str, Any], *, planned: bool = False) -> Asked:
        from fixer.config import ConfigError
        from fixer.fleet.configuration import load_fleet_config
        from fixer.fleet.looking import How

        try:
            config = load_fleet_config(values["config"])
        except ConfigError as error:
            raise click.UsageError("\n".join(error.errors)) from None
        found = targets_of(values)
        why = {target.name: config.left_out(target.name) for target in found}
        chosen = {name: values[name] for name in _CHOSEN}
        chosen |= {name: chosen[name] or "" for name in ("profile", "min_severity")}
        cache = values["cache"] or _user_cache()
        how = How(str(cache.resolve()), **chosen, safe=values["safe"], planned=planned, holds=values["holds"])
        sources = (*values["organisations"], *values["searches"], *map(str, (*values["lists"], *values["folders"])))
        return cls(
            tuple(target for target in found if not why[target.name]),
            tuple((name, reason) for name, reason in why.items() if reason),
            how,
            config,
            values["processes"] or os.cpu_count() or 1,
            ", ".join(sources),
        )

    def looks(self) -> list[Look]:
        from fixer.fleet.looking import Look
        from fixer.forge.identity import Tokens

        for name, reason in self.left_out:
            say(f"{name} is left out: {reason}")
        if not self.targets:
            raise Refusal("no repository is meant: nothing that was named has one, or the filters leave none")
        tokens = Tokens()
        return [
            Look(
                target, self.how, self.config.below(target.name), "" if target.folder else tokens.token_for(target.url)
            )
            for target in self.targets
        ]


def targets_of(values: dict[str, Any]) -> list[Target]:
    from fixer.fleet import sources
    from fixer.forge.github import host_from, web_of

    web = web_of(host_from(os.environ))
    try:
        since = sources.day(values["pushed_since"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--pushed-since") from None
    names = ("topics", "languages", "names", "excepted", "archived", "forks")
    wanted = sources.Wanted(**{name: values[name] for name in names}, pushed_since=since)
    if not any(values[name] for name in ("organisations", "searches", "lists", "folders")):
        raise click.UsageError("which repositories? Name them with --org, --search, --repos or --path")

    def ask() -> GitHub:
        return client()

    found: list[Target] = []
    try:
        for name in values["organisations"]:
            found += sources.from_organisation(name, web, ask, wanted)
        for query in values["searches"]:
            found += sources.from_search(query, web, ask, wanted)
        for file in values["lists"]:
            found += sources.from_file(file, web, ask, wanted)
        for folder in values["folders"]:
            found += sources.from_folder(folder, web, ask, wanted)
    except sources.SourceError as error:
        raise Refusal(str(error)) from None
    return sources.once(found)


def client() -> GitHub:
    """The API of the host that the user named."""
    from fixer.forge.github import GitHub, Slug, host_from, web_of
    from fixer.forge.identity import token_for

    here = Slug(web_of(host_from(os.environ)), "", "")
    return GitHub(here.api, token_for(here), say=say)


def watched(looks: Sequence[Look], processes: int) -> Iterator[Looked]:
    """The repositories looked at, with a line now and then for who waits."""
    from fixer.fleet.looking import each_looked_at

    return _counted(each_looked_at(looks, processes), len(looks))


def _counted(found: Iterable[Looked], total: int) -> Iterator[Looked]:
    for number, looked in enumerate(found, 1):
        if total >= 20 and number % max(10, total // 10) == 0:
            say(f"{number:,} of {total:,} repositories")
        yield looked


def about_fleet(title: str) -> About:
    from fixer.commands.about import now
    from fixer.show.page import About

    return About(title, shlex.join(["fhfix", *sys.argv[1:]]), date=now())


def _user_cache() -> Path:
    """https://specifications.freedesktop.org/basedir-spec: the place for what can be made again."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if root else Path.home() / ".cache") / "fhfix/fleet"
