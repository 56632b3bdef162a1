"""The commands of a campaign: `fhfix fleet pr`, `status`, `retry`, `close`, `resume`."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fixer.commands.fleet_sources import (
    CACHE,
    LOOKING,
    SOURCES,
    Asked,
    about_fleet,
    cache_of,
    client,
    options_of,
    user_folder,
    watched,
)
from fixer.show.output import Refusal, put, save, say

if TYPE_CHECKING:
    from fixer.fleet.campaign import Place, Rounds
    from fixer.fleet.looking import Look
    from fixer.fleet.overview import FleetOverview
    from fixer.fleet.proposing import Order
    from fixer.fleet.sources import Target
    from fixer.fleet.standing import Standing

_state = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where campaigns are kept (default: fhfix/fleet in the user's state); FHFIX_FLEET_DATABASE: a PostgreSQL.",
)
_worker = click.option(
    "--worker", default="", metavar="NAME", help="What this process is called (default: the name of the host)."
)
_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
_yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
_html = click.option(
    "--html", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also one page."
)
_campaign = click.argument("name", metavar="CAMPAIGN")


def refusing(function: Callable[..., None]) -> Callable[..., None]:
    """Says in words why a campaign does not go on."""

    @wraps(function)
    def run(**values: Any) -> None:
        from fixer.fleet.proposing import CampaignError

        try:
            function(**values)
        except CampaignError as error:
            raise Refusal(str(error)) from None

    return run


PROPOSING: tuple[Callable[[Any], Any], ...] = (
    click.option("--title", default="", help="The title (default: says what was fixed)."),
    click.option("--label", "labels", multiple=True, metavar="NAME", help="A label; may be given again."),
    click.option("--reviewer", "reviewers", multiple=True, metavar="NAME", help="A person or ORG/TEAM to ask."),
    click.option("--draft", is_flag=True, help="Open them as drafts."),
    click.option("--single-commit", is_flag=True, help="One commit in all, not one for each task of the audit."),
    click.option("--again", is_flag=True, help="Also where the last one was closed without being merged."),
    click.option("--author", default="", metavar="'NAME <MAIL>'", help="Who commits (default: as git is configured)."),
)
PACING: tuple[Callable[[Any], Any], ...] = (
    click.option("--canary", multiple=True, metavar="OWNER/NAME", help="Begin with these; may be given again."),
    click.option("--first", default=3, show_default=True, type=click.IntRange(1), help="Else begin with so many."),
    click.option("--wave", default=20, show_default=True, type=click.IntRange(1), help="Then so many at a time."),
    click.option(
        "--open-at-a-time", default=50, show_default=True, type=click.IntRange(1), help="Never more open than these."
    ),
    click.option(
        "--per-hour", default=120.0, show_default=True, type=click.FloatRange(0.01), help="Repositories in an hour."
    ),
    click.option("--at-once", default=1, show_default=True, type=click.IntRange(1), help="Repositories at a time."),
    click.option(
        "--stop-at",
        default=25,
        show_default=True,
        type=click.IntRange(1, 100),
        help="Stop when so many percent are red.",
    ),
    click.option(
        "--patience", default=60.0, show_default=True, type=click.FloatRange(0), help="Minutes to wait for checks."
    ),
    click.option(
        "--poll",
        default=30.0,
        show_default=True,
        type=click.FloatRange(0.1),
        help="Seconds between two looks at checks.",
    ),
)
_ORDERED = (
    "title", "labels", "reviewers", "draft", "single_commit", "again", "canary", "first", "wave", "open_at_a_time",
    "per_hour", "at_once", "stop_at", "patience", "poll",
)  # fmt: skip


@click.command(short_help="Propose the fixes to all repositories, a few first.")
@_campaign
@options_of(SOURCES, LOOKING, PROPOSING, PACING)
@_state
@_worker
@_html
@_dry_run
@_yes
@refusing
def pr(name: str, state: Path | None, worker: str, file: Path | None, dry_run: bool, yes: bool, **values: Any) -> None:
    """Open a pull request in each repository that has something to fix, or bring it up to date. Never a second one.

    CAMPAIGN names the task, and the branch: `fhfix-CAMPAIGN`. It begins with a few repositories, waits for their
    checks, and goes on in waves; where too many turn red it stops, and `fhfix fleet resume` goes on. It may be killed
    at any time: `resume` finishes what is left. Run it again later to bring what is open up to date.
    """
    from fixer.fleet import telling
    from fixer.fleet.overview import FleetOverview

    place = place_of(name, state)
    number = 0 if dry_run else _next_round(place)
    check_token()
    asked = Asked.of(values, planned=True)
    check_app(asked.targets)
    check_names("--canary", values["canary"], (target.name for target in asked.targets))
    order = None if dry_run else _order(name, asked, values)
    seen = FleetOverview()
    work: list[Look] = []
    kept: list[str] = []
    looks = asked.looks()
    for look, looked in zip(looks, watched(looks, asked.processes), strict=True):
        seen.add(looked)
        kept.append(json.dumps(looked.to_json()))
        if (looked.fixes or looked.passing) and look.target.url:
            work.append(look)  # what could not be looked at now may be when its turn comes
    put(telling.fleet_text(seen))
    if file is not None:
        _save_page(file, seen, name)
    count = "1 pull request" if len(work) == 1 else f"{len(work):,} pull requests"
    put(f"\n{count} to open or to bring up to date, each from the branch fhfix-{name}.\n")
    planned = {look.target.name.lower() for look in work}
    for each in values["canary"]:
        if each.lower() not in planned:
            say(f"--canary {each}: nothing is to be done there")
    if order is None or not work:
        sys.exit(3 if seen.not_looked_at or seen.faults else 0)
    _ask(yes)
    place.keep_looked(kept)
    with _working(place, worker, values["cache"], order) as campaign:
        given = [campaign.work_of(each.target, each.below) for each in work]
        _follow(campaign, campaign.start(order, given, number), place)


@click.command(short_help="Where the pull requests stand.")
@_campaign
@_state
@_html
@click.option("--watch", is_flag=True, help="Look again until all are at their end.")
@click.option("--every", default=60.0, show_default=True, type=click.FloatRange(1), help="Seconds between two looks.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@refusing
def status(name: str, state: Path | None, file: Path | None, watch: bool, every: float, form: str) -> None:
    """Say where each pull request of CAMPAIGN stands now, and with --watch what changes.

    Exit codes: 0 all are at their end, 1 some are open or to come, 3 some repositories failed.
    """
    place = place_of(name, state, known=True)
    shown: list[Standing] = []
    said = None
    while True:
        known, stopped = _standing(place)
        if (known, stopped) != (shown, said):
            put(_told(known, stopped, form, shown))
            shown, said = known, stopped
        if file is not None:
            _save_page(file, place.overview(), name, known, stopped)
        code = _exit_code(known)
        if not watch or code != 1:
            sys.exit(code)
        time.sleep(every)


@click.command(short_help="Go on with what was stopped, by itself or by a kill.")
@_campaign
@_state
@_worker
@CACHE
@click.option("--instead-of", default="", metavar="NAME", help="Take over what a worker left that does not come back.")
@_dry_run
@refusing
def resume(name: str, state: Path | None, worker: str, cache: Path | None, instead_of: str, dry_run: bool) -> None:
    """Go on with CAMPAIGN: after a stop, after a kill, or as one more worker where the state is on PostgreSQL."""
    place = place_of(name, state, known=True)
    rounds = _rounds_of(place)
    if not rounds.last:
        raise Refusal(f"the campaign {name} has no round yet: `fhfix fleet pr {name}` begins it")
    if not rounds.unfinished:
        put(f"nothing is left to do: the last round of {name} is finished\n")
        return
    if dry_run:
        known, stopped = _standing(place)
        put(_told(known, stopped, "text"))
        return
    check_token()
    with _working(place, worker, cache) as campaign:
        if instead_of:
            campaign.take_over(place, instead_of)
        _follow(campaign, campaign.handle_of(place, rounds.unfinished), place, resumed=True)


@click.command(short_help="Try again where it failed.")
@_campaign
@_state
@_worker
@CACHE
@click.option("--only", multiple=True, metavar="OWNER/NAME", help="These, whatever became of them.")
@_dry_run
@_yes
@refusing
def retry(
    name: str, state: Path | None, worker: str, cache: Path | None, only: tuple[str, ...], dry_run: bool, yes: bool
) -> None:
    """Try the repositories of CAMPAIGN again that failed, or those that are named."""
    place = place_of(name, state, known=True)
    _another_round(
        place, worker, cache, "propose", only, lambda one: bool(only) or one.state == "failed",
        dry_run=dry_run, yes=yes,
    )  # fmt: skip


@click.command(short_help="Close the pull requests that are open.")
@_campaign
@_state
@_worker
@click.option("--only", multiple=True, metavar="OWNER/NAME", help="Only these.")
@_dry_run
@_yes
@refusing
def close(name: str, state: Path | None, worker: str, only: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Close the pull requests of CAMPAIGN that are open. Branches stay."""
    from fixer.fleet.proposing import CLOSING
    from fixer.fleet.standing import OPEN

    closable = OPEN | {"failed"}  # one that could not be brought up to date is open all the same
    place = place_of(name, state, known=True)
    _another_round(
        place, worker, None, CLOSING, only, lambda one: one.state in closable and bool(one.number),
        dry_run=dry_run, yes=yes,
    )  # fmt: skip


# -- what they share ------------------------------------------------------------------------------------------------


def place_of(name: str, state: Path | None, *, known: bool = False) -> Place:
    _needs_the_engine()
    from fixer.fleet.campaign import Place

    place = Place(name, (state or user_folder("XDG_STATE_HOME", ".local/state")).resolve())
    if known and not place.known:
        raise Refusal(f"there is no campaign {name} in {place.folder}; --state names another folder")
    return place


def check_token() -> None:
    """Before the first clone: whether the token may do what is asked of it, as far as it tells."""
    from fixer.forge.app import App
    from fixer.forge.github import GitHubError
    from fixer.forge.identity import Tokens

    try:
        if App.of(os.environ):
            return  # what it may do is for each account to say: `check_app`
        hub = client(Tokens())
    except GitHubError as error:
        raise Refusal(str(error)) from None
    if not hub.token:
        raise Refusal(
            "there is no token: set FHFIX_TOKEN (and FHFIX_HOST where it is not github.com) to one that may write"
            " contents, pull requests and workflows (classic: scopes `repo` and `workflow`), or FHFIX_APP and"
            " FHFIX_APP_KEY to a GitHub App that may"
        )
    try:
        hub.get("/user")
    except GitHubError as error:
        if error.status != 403:  # a token of an app is no person, and may do its work all the same
            raise Refusal(str(error)) from None
    lacking = [scope for scope in ("repo", "workflow") if hub.scopes and scope not in hub.scopes]
    if lacking == ["repo"] and hub.scopes and "public_repo" in hub.scopes:
        return
    if lacking:
        wanted = " and ".join(f"`{scope}`" for scope in lacking)
        raise Refusal(f"the token lacks the scope {wanted}, without which GitHub refuses changes of workflows")


def check_names(option: str, given: Iterable[str], names: Iterable[str]) -> None:
    """A name that is none of a repository's would be passed over in silence."""
    known = {name.lower() for name in names}
    unknown = [name for name in given if name.lower() not in known]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: none of the repositories", param_hint=option)


def check_app(targets: Iterable[Target]) -> None:
    """Likewise for a GitHub App, which each account allows what it wants."""
    from fixer.forge.app import NEEDED, App
    from fixer.forge.github import GitHubError

    app = App.of(os.environ)
    if app is None:
        return
    names = {target.name for target in targets if target.url.startswith(f"{app.web}/")}
    for owner in sorted({name.partition("/")[0] for name in names}):
        try:
            permissions = app.granted(owner).permissions
        except GitHubError as error:
            raise Refusal(str(error)) from None
        lacking = [name for name in NEEDED if permissions.get(name) != "write"]
        if lacking:
            raise Refusal(f"at {owner} the app may not write {' and '.join(lacking)}: an owner can allow it there")


def _ask(yes: bool) -> None:
    if not yes and not click.confirm("Go on?", err=True):
        raise Refusal("nothing was proposed")


def _needs_the_engine() -> None:
    from importlib.util import find_spec

    if find_spec("dbos") is None:
        raise Refusal("this needs dbos", "install fhfix[fleet], for instance: pipx install '.[fleet]'")


def _order(name: str, asked: Asked, values: dict[str, Any]) -> Order:
    from fixer.fleet.proposing import Order

    author = values["author"] or _author()
    if not re.fullmatch(r"[^<>\n]*[^<>\s] <[^<>\s]+>", author):
        raise click.BadParameter(f"{author!r} is not 'NAME <MAIL>'", param_hint="--author")
    how = {**asdict(asked.how), "planned": False, "cache": ""}
    return Order(name, how, author, **{key: values[key] for key in _ORDERED})


def _author() -> str:
    """Who git says that the user is; the same for every host, so that the same work is the same commit."""
    from fixer.forge.git import Git

    git = Git(Path.cwd())
    who, mail = git.maybe("config", "user.name"), git.maybe("config", "user.email")
    if not who or not mail:
        raise Refusal("git does not know who you are: set user.name and user.email, or use --author 'NAME <MAIL>'")
    return f"{who} <{mail}>"


@contextmanager
def _working(place: Place, worker: str, cache: Path | None, order: Order | None = None) -> Iterator[Any]:
    """The engine, with this process as one of its workers."""
    from fixer.fleet import campaign

    with place.working(worker or campaign.host(), cache_of(cache), order):
        yield campaign


def _follow(campaign: Any, handle: Any, place: Place, *, resumed: bool = False) -> None:
    """Work until the round is done or stops; then say where everything stands, and end."""
    try:
        stopped = campaign.follow(handle, say, resumed=resumed)
    except KeyboardInterrupt as stop:
        say(f"stopped; `fhfix fleet resume {place.name}` goes on")
        place.leave(128 + int(getattr(stop, "number", signal.SIGINT)))
    known, _ = _standing(place)
    put(_told(known, stopped, "text"))
    sys.stdout.flush()
    code = 1 if stopped else _exit_code(known, done=True)
    place.leave(code)


def _rounds_of(place: Place) -> Rounds:
    from fixer.fleet import campaign

    return campaign.rounds_of(place)


def _next_round(place: Place) -> int:
    """Its number. There is one at a time that proposes."""
    rounds = _rounds_of(place)
    if rounds.unfinished:
        raise Refusal(f"a round of {place.name} is not finished: `fhfix fleet resume {place.name}` goes on with it")
    return rounds.last + 1


def _standing(place: Place) -> tuple[list[Standing], str]:
    """Where each stands now, as GitHub says, and why the campaign does not go on."""
    from fixer.fleet import campaign
    from fixer.forge.github import GitHubError
    from fixer.forge.identity import Tokens

    known = campaign.standings_of(place)
    stopped = campaign.stopped(place)
    try:
        return campaign.live(known, Tokens()), stopped
    except GitHubError as error:
        raise Refusal(str(error)) from None


def _another_round(
    place: Place,
    worker: str,
    cache: Path | None,
    action: str,
    only: Sequence[str],
    chosen: Callable[[Standing], bool],
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    from fixer.fleet import campaign
    from fixer.fleet.proposing import CLOSING

    check_token()
    number = _rounds_of(place).last + 1 if action == CLOSING else _next_round(place)
    known, _ = _standing(place)
    check_names("--only", only, (one.name for one in known))
    named = {each.lower() for each in only}
    taken = [one for one in known if chosen(one) and (not named or one.name.lower() in named)]
    for one in taken:
        put(f"{action} {one.name} {one.url}".rstrip() + "\n")
    if dry_run or not taken:
        put("nothing is to be done\n" if not taken else "")
        return
    _ask(yes)
    order, work = campaign.last_order(place, {one.name for one in taken})
    by_name = {one.name: one for one in taken}
    again = [{**each, "known": asdict(by_name[each["target"]["name"]])} for each in work]
    with _working(place, worker, cache, replace(order, action=action)):
        handle = campaign.start(replace(order, action=action), again, number)
        _follow(campaign, handle, place)


def _told(known: Sequence[Standing], stopped: str, form: str, shown: Sequence[Standing] = ()) -> str:
    """What was shown before is not said again to people."""
    if form == "json":
        said = {"version": 1, "kind": "campaign", "stopped": stopped, "repositories": [asdict(one) for one in known]}
        return json.dumps(said, indent=2) + "\n"
    counts = Counter(one.state for one in known)
    lines = [", ".join(f"{count} {state}" for state, count in counts.most_common()) or "no repository"]
    width = max((len(one.name) for one in known), default=0)
    states = max((len(one.state) for one in known), default=0)
    lines += [
        f"  {one.name:<{width}}  {one.state:<{states}}  {one.url}  {one.why}".rstrip()
        for one in known
        if one not in shown
    ]
    if stopped:
        lines.append(f"stopped: {stopped}")
    return "\n".join(lines) + "\n"


def _exit_code(known: Sequence[Standing], *, done: bool = False) -> int:
    from fixer.fleet.standing import OPEN

    if any(one.state == "failed" for one in known):
        return 3
    waiting = any(one.state in OPEN or one.state == "planned" for one in known)
    return 1 if waiting and not done else 0


def _save_page(file: Path, seen: FleetOverview, title: str, known: Sequence[Standing] = (), stopped: str = "") -> None:
    from fixer.fleet.page import fleet_page

    save(fleet_page(seen, about_fleet(title), known, stopped), file, file.parent)
