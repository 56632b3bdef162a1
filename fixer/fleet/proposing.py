"""One repository of a campaign: cloned, planned, proposed; or its pull request closed. Each may be cut short anywhere,
and is done again from the start: what was done is found, and not done twice."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Any, Self

from fixer.audit.needed import needed
from fixer.disk import write_all
from fixer.fleet.clones import Clone, found, opened
from fixer.fleet.locks import LockError
from fixer.fleet.looked import troubles
from fixer.fleet.looking import How
from fixer.fleet.sources import Target
from fixer.fleet.standing import Standing
from fixer.forge.git import Git, GitError, Remote
from fixer.forge.github import GitHub, GitHubError, Slug
from fixer.forge.proposal import ProposalError, Verified, Wish, propose
from fixer.model import FileError
from fixer.records import record
from fixer.session import SessionError

DEPTH = 20
"""Commits of a branch that is there already which are fetched: those of ours, and what tells that others made none."""

CLOSING = "close"
"""What an order says whose round closes pull requests; all others propose them."""

_STATES = {"closed": "closed", "others": "left alone", "archived": "archived"}
"""What a refusal means, where it is a person's word and no failure."""


class CampaignError(Exception):
    """Why a campaign does not go on, and what to do."""


@record
class Order:
    """What a campaign does on every host; it is kept in the campaign's state, so no token is in it. `how` are the
    options of `How`, `author` is who commits, `Name <mail>`."""

    name: str
    how: dict[str, Any]
    author: str
    title: str = ""
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    draft: bool = False
    single_commit: bool = False
    again: bool = False
    canary: tuple[str, ...] = ()
    first: int = 3
    wave: int = 20
    at_once: int = 1
    open_at_a_time: int = 50
    per_hour: float = 120.0
    stop_at: int = 25
    patience: float = 60.0
    poll: float = 30.0
    action: str = "propose"

    @property
    def branch(self) -> str:
        # A branch `fhfix` and one below it, `fhfix/deploys`, cannot both be: references are files for git.
        return f"fhfix-{self.name}"

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        tuples = {key: tuple(said[key]) for key in ("labels", "reviewers", "canary")}
        return cls(**{**said, **tuples})

    def to_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]


@record
class Answer:
    """What became of it. `wait` are the seconds that GitHub asks for; `passing`: it may do when it is tried again."""

    standing: Standing
    wait: float = 0.0
    passing: bool = False


@record
class Job:
    """All that a process needs to propose to one repository, or to close what was proposed."""

    order: Order
    target: Target
    below: Mapping[str, Any]
    cache: str
    audit: str
    token: str = field(repr=False)
    known: Standing | None = None


def done(job: Job) -> Answer:
    return closed(job) if job.order.action == CLOSING else proposed(job)


def proposed(job: Job) -> Answer:
    name = job.target.name
    lists = {key: tuple(value) for key, value in job.order.how.items() if isinstance(value, list)}
    how = How(**{**job.order.how, **lists, "cache": job.cache})
    how.clones.mkdir(parents=True, exist_ok=True)
    try:
        remote, newest = found(Remote(job.target.url, job.token), how.clones)
        with opened(remote, newest, how.clones) as clone:
            return Answer(_proposed(job, how, clone, remote))
    except ProposalError as error:
        state = _STATES.get(error.kind, "failed")
        return Answer(Standing(name, state, error.url, why=str(error)), error.wait, error.passing)
    except GitError as error:
        return Answer(Standing(name, "failed", why=str(error)), passing=not error.final)
    except (FileError, LockError) as error:
        return Answer(Standing(name, "failed", why=str(error)))
    except SessionError as error:
        return Answer(Standing(name, "failed", why="; ".join(error.errors)))


def _proposed(job: Job, how: How, clone: Clone, remote: Remote) -> Standing:
    order = job.order
    git = Git(clone.root)
    author, _, mail = order.author.rstrip(">").partition(" <")
    git.run("config", "user.name", author)
    git.run("config", "user.email", mail)
    if there := git.branches(remote, order.branch).get(order.branch):
        clone.deepen(there, order.branch, DEPTH)
    session = how.session(clone.root, job.below, clone.bring)
    plan = session.plan()
    before, after = session.ask(needed), session.ask(needed, plan)
    wish = Wish(
        branch=order.branch,
        title=order.title,
        labels=order.labels,
        reviewers=order.reviewers,
        draft=order.draft,
        single_commit=order.single_commit,
        again=order.again,
        follows_base=True,
    )
    verified = Verified(session.criteria(plan) if plan.files else (), before, after)
    hub = _client(job)
    made = propose(clone.root, plan, verified, wish, {}, hub=hub)
    not_handled = [f"not handled: {trouble}" for trouble in troubles(plan)]
    if made.action == "nothing":
        return Standing(job.target.name, "nothing", why="; ".join(["no fix is left to make", *not_handled]))
    why = "; ".join([*made.notes, *not_handled])
    return Standing(job.target.name, "open", made.url, made.number, made.node, made.commit, why)


def closed(job: Job) -> Answer:
    known = job.known
    assert known is not None
    try:
        _client(job).request("PATCH", f"/repos/{known.slug}/pulls/{known.number}", {"state": "closed"})
    except GitHubError as error:
        passing = error.uncertain or bool(error.wait)
        return Answer(Standing(known.name, "failed", known.url, why=str(error)), error.wait, passing)
    return Answer(Standing(known.name, "closed", known.url, known.number, known.node, known.commit, "by fhfix fleet"))


def _client(job: Job) -> GitHub:
    # The clock of a new process starts now: its first request that writes is a second after the last one's.
    hub = GitHub(Slug.of(job.target.url).api, job.token, audit=audit_into(Path(job.audit)))
    hub.written_now()
    return hub


def audit_into(file: Path) -> Callable[[str], None]:
    """A line for each write, before it is asked for and when it is answered: with the time, whole or not at all."""

    def note(what: str) -> None:
        said = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "process": os.getpid(), "what": what}
        line = json.dumps(said) + "\n"
        place = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            write_all(place, line.encode())
        finally:
            os.close(place)

    return note
