"""What the commands of a fleet share: which repositories are meant, and how they are looked at."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fixer.commands.opening import OPTIONS
from fixer.records import record
from fixer.show.output import Refusal, say

if TYPE_CHECKING:
    from fixer.fleet.configuration import FleetConfig
    from fixer.fleet.looked import Looked
    from fixer.fleet.looking import How, Look
    from fixer.fleet.sources import Target
    from fixer.forge.github import GitHub
    from fixer.forge.identity import Tokens
    from fixer.show.page import About

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

CACHE = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where clones and answers are kept (default: fhfix/fleet in the user's cache).",
)
_CHOSEN = ("select", "ignore", "exclude", "settings", "profile", "min_severity")
LOOKING: tuple[Callable[[Any], Any], ...] = (
    *OPTIONS[1:7],
    click.option("--safe", is_flag=True, help="Take only fixes that keep the meaning except for the defect."),
    click.option("--processes", type=click.IntRange(1), help="How many at once (default: one for each processor)."),
    CACHE,
)
"""How they are looked at."""


def options_of(*groups: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def add(function: Any) -> Any:
        for option in reversed([each for group in groups for each in group]):
            function = option(function)
        return function

    return add


@record
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
        how = How(str(cache_of(values["cache"])), **chosen, safe=values["safe"], planned=planned, holds=values["holds"])
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

        for name, reason in self.left_out:
            say(f"{name} is left out: {reason}")
        if not self.targets:
            raise Refusal("no repository is meant: nothing that was named has one, or the filters leave none")
        return [Look(target, self.how, self.config.below(target.name)) for target in self.targets]


def targets_of(values: dict[str, Any]) -> list[Target]:
    from fixer.fleet import sources
    from fixer.forge.github import host_from, web_of
    from fixer.forge.identity import Tokens

    web = web_of(host_from(os.environ))
    try:
        since = sources.day(values["pushed_since"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--pushed-since") from None
    names = ("topics", "languages", "names", "excepted", "archived", "forks")
    wanted = sources.Wanted(**{name: values[name] for name in names}, pushed_since=since)
    if not any(values[name] for name in ("organisations", "searches", "lists", "folders")):
        raise click.UsageError("which repositories? Name them with --org, --search, --repos or --path")

    tokens = Tokens()

    def ask(owner: str) -> GitHub:
        return client(tokens, owner)

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


def client(tokens: Tokens, owner: str = "") -> GitHub:
    """The API of the host that the user named, for an account's repositories. Raises GitHubError."""
    from fixer.forge.github import GitHub, Slug, host_from, web_of

    here = Slug(web_of(host_from(os.environ)), owner, "")
    return GitHub(here.api, tokens.token_of(here), say=say)


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


def cache_of(given: Path | None) -> Path:
    return (given or user_folder("XDG_CACHE_HOME", ".cache")).resolve()


def user_folder(variable: str, otherwise: str) -> Path:
    """https://specifications.freedesktop.org/basedir-spec"""
    root = os.environ.get(variable, "")
    return (Path(root) if root else Path.home() / otherwise) / "fhfix/fleet"
