"""The ways in which a new version is put into service: what deploys, when it returns, and how one goes back.

`ways.toml` is the table. Whoever asks whether something deploys asks here, so that all rules agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache, cached_property
from itertools import takewhile
from typing import Any

from fixer import kept
from fixer.deploy.command_lines import SAME_PROGRAM, CommandLine, read
from fixer.github.workflow import Step
from fixer.languages.shell import Command
from fixer.records import entity

_HOOK = re.compile(r"deploy|hook|render\.com|coolify|railway|vercel|portainer", re.IGNORECASE)
"""What the address of a deploy hook says of itself."""
_NO_HOOK = re.compile(
    r"slack|discord|teams|telegram|mattermost|office\.com|chat|api\.github\.com|sentry|newrelic|datadog|message|\"text\"|"
    r"honeybadger|rollbar|airbrake|bugsnag|appsignal|raygun|honeycomb|sleuth\.io|opslevel|swarmia|annotations|notif|"
    r"deployed|deploy(ment)?s?[-_/]?(status|marker|event|complete|finish|success|fail|done|record|track|log)",
    re.IGNORECASE,
)
"""What takes messages, also about deployments that are done."""


class Returns(StrEnum):
    """When a command or an action that deploys is done: what answers from then on.

    `serving`: the new version. `stopped`: no longer the old one. `begun`: perhaps still the old one.
    """

    SERVING = "serving"
    STOPPED = "stopped"
    BEGUN = "begun"


@entity
class Way:
    """A way of deploying. Where it is not `restored`, `why` says why fhfix cannot put back what it deploys, and `back`
    how people go back. `unread` says what else it runs, in no file that is read here; mostly empty."""

    name: str
    restored: bool = False
    why: str = ""
    back: str = ""
    unread: str = ""
    commands: tuple[Means, ...] = ()
    actions: tuple[Means, ...] = ()

    def __str__(self) -> str:
        return self.name


@entity
class Means:
    """A command line, or an action, that deploys; `pattern` is its words, or its owner and name.

    It deploys if an option of `only`, and none of `never`, is given. `perhaps`: it may as well do something else.
    `server`: only on the server where it runs. `first`: what it installs was not there before. `waiter` waits for its
    rollout, with the options that it takes over (`carried`: name here → name there).
    """

    pattern: tuple[str, ...]
    returns: Returns
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    detached: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    waits_if: Mapping[str, str] = field(default_factory=dict)
    input: Mapping[str, str] = field(default_factory=dict)
    waiter: str = ""
    carried: Mapping[str, str] = field(default_factory=dict)
    perhaps: bool = False
    server: bool = False
    first: bool = False

    @cached_property
    def mentions(self) -> tuple[str, ...]:
        """What a text must hold, in lower case, to speak of it."""
        parts = re.split(r"[*]", " ".join(self.pattern).lower())
        return tuple(word for part in parts for word in part.split())


@entity
class Start:
    """A `command`, or an action, that starts a deployment; `line` is the command as its program reads it.

    `doubt` says why its names are not known: what stands behind an option that no table knows may be its value.
    """

    way: Way
    means: Means
    returns: Returns
    command: Command | None = None
    line: CommandLine | None = None
    doubt: str = ""

    @property
    def offset(self) -> int:
        """Where the command stands in its script; 0 for an action."""
        return self.command.start if self.command is not None else 0

    @property
    def words(self) -> str:
        """How it is written, as far as it is told from others."""
        if self.line is None:
            return self.way.name
        shown = takewhile(lambda wanted: "*" not in wanted, self.means.pattern[1:])
        return " ".join((self.line.program, *shown))

    def name(self, index: int) -> str:
        """One of the words behind those by which it deploys; empty where there is none."""
        words = self.line.texts[len(self.means.pattern) - 1 :] if self.line is not None else ()
        return words[index] if index < len(words) else ""


@cache
def ways() -> tuple[Way, ...]:
    """The table, in the order in which it is written."""
    return tuple(_way(entry) for entry in kept.table(__file__, "ways.toml")["way"])


def _way(entry: Mapping[str, Any]) -> Way:
    commands = tuple(_means(each, tuple(each["run"].split())) for each in entry.get("commands", ()))
    actions = tuple(_means(each, (each["uses"].lower(),)) for each in entry.get("actions", ()))
    said = {name: entry.get(name, "") for name in ("why", "back", "unread")}
    return Way(entry["name"], entry.get("restored", False), commands=commands, actions=actions, **said)


def _means(entry: Mapping[str, Any], pattern: tuple[str, ...]) -> Means:
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    given.pop("run", None)
    given.pop("uses", None)
    return Means(pattern, Returns(given.pop("returns")), **given)


@cache
def way(name: str) -> Way:
    """The way of this name; raises StopIteration for one that the table does not have."""
    return next(each for each in ways() if each.name == name)


ECS, KUBERNETES, HELM = way("Amazon ECS"), way("Kubernetes"), way("Helm")
SERVER, HOSTING = way("a server"), way("a hosting platform")
ACTION = Way(
    "another action",
    why="what the action does is not known",
    back="deploy the version before with the same action",
)
HOOK = Way(
    "a deploy hook",
    why="what the other side deploys is known to it alone",
    back="call it for the version before, where it takes one",
)


def of_command(command: Command, *, server: bool = False) -> Start | None:
    """How a command deploys; None where it does not. `server`: it runs on the server that serves."""
    if command.name == "curl":
        return _of_hook(command)
    if not _meant_by(SAME_PROGRAM.get(command.name, command.name)):
        return None
    for unknown_takes_value in (False, True):
        line = read(command, unknown_takes_value=unknown_takes_value)
        found = _of_line(command, line, server)
        if found is not None:
            return found
        if not line.unknown:
            return None
    return None


@cache
def _meant_by(program: str) -> tuple[tuple[Way, Means], ...]:
    """The ways of which the command lines begin with this program."""
    return tuple((each, means) for each in ways() for means in each.commands if _fits(program, means.pattern[0]))


def _fits(text: str, pattern: str) -> bool:
    """Whether a text is what the table says, where `*` stands for anything. Few texts hold all of the rest, and only
    for them a pattern is made."""
    if "*" not in pattern:
        return text == pattern
    return all(part in text for part in pattern.split("*")) and fnmatchcase(text, pattern)


def _of_line(command: Command, line: CommandLine, server: bool) -> Start | None:
    for each, means in _meant_by(SAME_PROGRAM.get(line.program, line.program)):
        wanted = means.pattern[1:]
        if (means.server and not server) or len(line.texts) < len(wanted):
            continue
        if not all(_fits(text, word) for text, word in zip(line.texts, wanted, strict=False)):
            continue
        if (means.only and not line.has(*means.only)) or line.has(*means.never):
            continue
        return Start(each, means, _returns(line, means), command, line, _doubt(line, means))
    return None


def _returns(line: CommandLine, means: Means) -> Returns:
    if means.waiting and line.has(*means.waiting):
        return Returns.SERVING
    return Returns.BEGUN if means.detached and line.has(*means.detached) else means.returns


def _doubt(line: CommandLine, means: Means) -> str:
    """Why the word behind the command is no certain name."""
    if line.is_sure_of(len(means.pattern) - 1):
        return ""
    return f"what stands behind {line.unknown}, which fhfix does not know, may be its value"


def _of_hook(command: Command) -> Start | None:
    """A request that sends something to an address which says that it deploys."""
    sends = command.value("-X", "--request") is not None or command.has("-d", "--data", "--data-raw", "--json")
    texts = [word.text for word in command.args]
    if not sends or not any(map(_HOOK.search, texts)) or any(map(_NO_HOOK.search, texts)):
        return None
    means = Means(("curl",), Returns.BEGUN, perhaps=not re.search(r"deploy", " ".join(texts), re.IGNORECASE))
    return Start(HOOK, means, Returns.BEGUN, command, read(command))


# -- actions ------------------------------------------------------------------------------------------------------

_NAMED_DEPLOY = re.compile(r"deploy", re.IGNORECASE)
_DEPLOYS_NOTHING = re.compile(
    r"^actions/|^chrnorm/|^bobheadxi/|^\./|comment|status|notify|pages|storybook|docs|preview|hosting|setup|"
    r"deploy-?keys?|deployment-|wait|tag|release|delete|cancel|approv|lock",
    re.IGNORECASE,
)
"""Actions that have `deploy` in their name, and deploy no application: pages, messages, tools."""


@cache
def _meant_by_action(action: str) -> tuple[tuple[Way, Means], ...]:
    return tuple((each, means) for each in ways() for means in each.actions if _fits(action, means.pattern[0]))


def of_action(step: Step) -> Start | None:
    """How the action of a step deploys; None where it does not, or where there is none."""
    if step.uses is None:
        return None
    action = step.action.lower()
    given = step.node.texts("with")
    fitting = _meant_by_action(action)
    if fitting:
        # One action may stand there several times, by what it is given; the patterns behind it are for others.
        same = [pair for pair in fitting if pair[1].pattern == fitting[0][1].pattern]
        started = (_started(each, means, given) for each, means in same)
        return next((found for found in started if found is not None), None)
    # `owner/deploy-tools/push` only pushes.
    if _NAMED_DEPLOY.search(action.rpartition("/")[2]) and not _DEPLOYS_NOTHING.search(action):
        return Start(ACTION, Means((action,), Returns.BEGUN, perhaps=True), Returns.BEGUN)
    return None


def _started(each: Way, means: Means, given: Mapping[str, str]) -> Start | None:
    """None where what the action is given does not deploy."""
    for name, wanted in means.input.items():
        if not given.get(name) or not _fits(given[name], wanted):
            return None
    waits = any(given.get(name) and _fits(given[name].lower(), wanted) for name, wanted in means.waits_if.items())
    return Start(each, means, Returns.SERVING if waits else means.returns)


# -- what a text must hold ----------------------------------------------------------------------------------------


def mentioned(text: str) -> bool:
    """Whether a text speaks of a way to deploy at all; what is asked of every file must be quick."""
    text = text.lower()
    if "deploy" in text or "ssh" in text:
        return True
    for first, several in _mentions().items():
        if first in text and any(all(word in text for word in others) for others in several):
            return True
    return False


@cache
def _mentions() -> dict[str, tuple[tuple[str, ...], ...]]:
    """The words of each way, by the longest, which is the rarest."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for words in _texts():
        first = max(words, key=len)
        found.setdefault(first, set()).add(tuple(word for word in words if word != first))
    return {first: tuple(several) for first, several in found.items()}


def _texts() -> Iterator[tuple[str, ...]]:
    for each in ways():
        for means in each.commands:
            # On a server: behind `ssh`, or where the job itself runs there.
            yield (*means.mentions, "self-hosted") if means.server else means.mentions
            if means.server and means.pattern[0].startswith("docker"):
                yield (*means.mentions, "docker_host")
                yield (*means.mentions, "context")
        for means in each.actions:
            yield means.mentions
