"""A campaign: a pull request for each repository, a few first, then in waves, to the end whatever happens.

DBOS keeps every step in a database, starts again what a killed process left, spaces the starts, and repeats what
failed. What is decided here is policy alone: which repositories come next, and when to stop.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

from dbos import DBOS, DBOSClient, DBOSConfig, Serializer, SetWorkflowID, WorkflowHandle, WorkflowStatus
from dbos import error as engine
from sqlalchemy.exc import SQLAlchemyError

from fixer.fleet.locks import LockError, alone
from fixer.fleet.looked import Looked
from fixer.fleet.looking import in_own_process
from fixer.fleet.overview import FleetOverview
from fixer.fleet.proposing import CLOSING, CampaignError, Job, Order, done
from fixer.fleet.sources import Target
from fixer.fleet.standing import OPEN, UNREADABLE, Standing, as_they_stand
from fixer.forge.github import GitHub
from fixer.forge.identity import Tokens
from fixer.records import record

FORM = "1"
"""Of what is kept: a campaign is gone on with by a version that keeps the same."""

TRIES, FIRST_PAUSE = 7, 2.0
"""How often a repository is tried, and the seconds before the second time; the pause doubles."""

SETTLING = 60.0
"""Seconds in which the checks of a new pull request appear; one without any is then taken to have none."""

FOREVER = 10_000
A_DAY = 86_400.0
GO_ON, STOPPED, WAITS = "go on", "stopped", "waits"
ACTIVE = frozenset(("PENDING", "ENQUEUED", "DELAYED"))

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
"""A campaign's name is part of a branch, a queue and a file."""


class _PassingError(Exception):
    """It may do when it is tried again."""


class Plain(Serializer):
    """What is kept is JSON: whoever can write into the database cannot make a worker run something else by it."""

    def serialize(self, data: Any) -> str:
        return json.dumps({"error": _words(data)} if isinstance(data, BaseException) else {"value": data})

    def deserialize(self, serialized_data: str) -> Any:
        said = json.loads(serialized_data)
        return CampaignError(said["error"]) if "error" in said else said["value"]

    def name(self) -> str:
        return "fhfix_json"


def _words(error: BaseException) -> str:
    """The last of several failures is the one that a person can do something about."""
    last = error.errors[-1] if isinstance(error, engine.DBOSMaxStepRetriesExceeded) and error.errors else error
    return str(last)


# -- what is durable ------------------------------------------------------------------------------------------------


@DBOS.workflow(name="campaign", max_recovery_attempts=FOREVER)
def campaign(said: dict[str, Any], work: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All repositories of one round, in waves. `work` are targets, with what the fleet configures and what is known."""
    order, waiting = Order.of(said), _canary_first(Order.of(said), work)
    answers: list[dict[str, Any]] = []
    accepted, size = Accepted(), len(_canary(order, work)) or order.first
    while waiting:
        size = min(size, _room(order, answers)) if order.action == "propose" else len(waiting)
        handles = [_enqueued(order, said, each) for each in waiting[:size]]
        waiting = waiting[size:]
        answers += [handle.get_result() for handle in handles]
        if order.action == "propose":
            accepted = _looked_after(order, answers, accepted, more=bool(waiting))
        size = order.wave
    return answers


def _canary(order: Order, work: Sequence[Mapping[str, Any]]) -> list[str]:
    named = {name.lower() for name in order.canary}
    return [each["target"]["name"] for each in work if each["target"]["name"].lower() in named]


def _canary_first(order: Order, work: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first = set(_canary(order, work))
    return sorted(work, key=lambda each: each["target"]["name"] not in first)


def _room(order: Order, answers: list[dict[str, Any]]) -> int:
    """How many more may be open; waits until it is one."""
    told = False
    while True:
        room = order.open_at_a_time - _counted(order.name, answers)["open"]
        if room > 0:
            return room
        if not told:
            many = f"{order.open_at_a_time} pull requests are open, as many as may be"
            DBOS.set_event(WAITS, f"{many} ({len(answers)} repositories are done): waits until one is merged or closed")
            told = True
        DBOS.sleep(order.poll)


@record
class Accepted:
    """What a person has said to go on with: so many red ones, and that checks cannot be read."""

    red: int = 0
    unread: bool = False


def _looked_after(order: Order, answers: list[dict[str, Any]], accepted: Accepted, *, more: bool) -> Accepted:
    """Wait until the checks of what was opened are done, and for a person where too many are red, or where nobody can
    tell whether they are."""
    if not more or not any(answer["node"] for answer in answers):
        return accepted
    counted = _counted(order.name, answers)
    polls = max(1, round(order.patience * 60 / order.poll))
    for number in range(polls):
        settled = order.poll * number >= SETTLING or not counted["without"]
        if not counted["running"] and settled:
            break
        DBOS.sleep(order.poll)
        counted = _counted(order.name, answers)
    if counted["unreadable"] and not accepted.unread:
        count = "1 pull request" if counted["unreadable"] == 1 else f"{counted['unreadable']} pull requests"
        _wait_for_a_person(order, f"the checks of {count} are not readable for this token: look at them yourself")
        return replace(accepted, unread=True)
    red = counted["red"] - accepted.red
    failed = sum(answer["state"] == "failed" for answer in answers)
    opened = sum(bool(answer["node"]) for answer in answers)
    if red * 100 < order.stop_at * opened or red < 1:
        return accepted
    told = f"{red} of {opened} pull requests are red" + (f", {failed} repositories failed" if failed else "")
    _wait_for_a_person(order, f"{told}: look at them")
    return replace(accepted, red=counted["red"])


def _wait_for_a_person(order: Order, why: str) -> None:
    DBOS.set_event(STOPPED, f"{why}, then `fhfix fleet resume {order.name}`")
    while DBOS.recv(GO_ON, timeout_seconds=A_DAY) is None:
        pass
    DBOS.set_event(STOPPED, "")


@DBOS.step(name="count", retries_allowed=True, max_attempts=FOREVER, interval_seconds=10, backoff_rate=1.5)
def _counted(name: str, answers: list[dict[str, Any]]) -> dict[str, int]:
    known = [Standing(**answer) for answer in answers if answer["node"]]
    states = [one.state for one in live(known, _Here.tokens)]
    return {
        "open": sum(state in OPEN for state in states),
        "red": sum(state in ("red", "conflict") for state in states),
        "running": states.count("running"),
        "without": states.count("open"),
        "unreadable": states.count(UNREADABLE),
    }


def _enqueued(order: Order, said: dict[str, Any], each: dict[str, Any]) -> WorkflowHandle[dict[str, Any]]:
    with SetWorkflowID(f"{DBOS.workflow_id}/{each['target']['name']}"):
        return DBOS.enqueue_workflow(queue_of(order.name, order.action), one, said, each)


@DBOS.workflow(name="one", max_recovery_attempts=FOREVER)
def one(said: dict[str, Any], each: dict[str, Any]) -> dict[str, Any]:
    """One repository. It comes to an end with a word, also where that is `failed`."""
    while True:
        try:
            answer = _try(said, each)
        except (engine.DBOSMaxStepRetriesExceeded, CampaignError) as error:  # what is left after all tries
            return asdict(Standing(each["target"]["name"], "failed", why=_words(error)))
        if not answer["wait"]:
            return answer["standing"]  # type: ignore[no-any-return]
        DBOS.sleep(answer["wait"])


@DBOS.step(name="try", retries_allowed=True, max_attempts=TRIES, interval_seconds=FIRST_PAUSE, backoff_rate=2)
def _try(said: dict[str, Any], each: dict[str, Any]) -> dict[str, Any]:
    target = Target(**each["target"])
    known = Standing(**each["known"]) if each.get("known") else None
    job = Job(
        Order.of(said), target, each["below"], _Here.cache, _Here.audit, _Here.tokens.token_for(target.url), known
    )
    answer = in_own_process(done, job)
    if answer.passing and not answer.wait:
        raise _PassingError(answer.standing.why)
    return {"standing": asdict(answer.standing), "wait": answer.wait}


class _Here:
    """What this process brings to every step, and what is never kept."""

    cache = ""
    audit = ""
    tokens = Tokens()


def queue_of(name: str, action: str) -> str:
    return f"fhfix {name} closing" if action == CLOSING else f"fhfix {name}"


# -- where it is kept, and who works at it --------------------------------------------------------------------------


class Place:
    """Where a campaign is kept: a file of SQLite in a folder, or PostgreSQL for several hosts.

    The address of the latter holds a password, so it comes from the environment alone.
    """

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        if not NAME.match(name):
            raise CampaignError(
                f"{name!r} is no name for a campaign: letters from a to z, digits and hyphens, 40 at most"
            )
        self.name = name
        self.folder = folder
        self.shared = environment.get("FHFIX_FLEET_DATABASE", "")

    @property
    def audit(self) -> Path:
        return self.folder / f"{self.name}.audit.jsonl"

    @property
    def looked(self) -> Path:
        """What the last look found, a repository a line."""
        return self.folder / f"{self.name}.looked.jsonl"

    @property
    def url(self) -> str:
        return self.shared or f"sqlite:///{self.folder / self.name}.db"

    @property
    def schema(self) -> str:
        return f"fhfix_{self.name.replace('-', '_')}"

    @property
    def known(self) -> bool:
        return bool(self.shared) or (self.folder / f"{self.name}.db").exists()

    @property
    def at_work(self) -> bool:
        """Whether a process is at the campaign; true of a shared one, since nobody knows it of other hosts."""
        return bool(self.shared) or any(map(_is_held, self.folder.glob(f"{self.name}.*.lock")))

    def keep_looked(self, lines: Sequence[str]) -> None:
        with _said_in_words():
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.looked.with_suffix(f".{os.getpid()}")
            part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            part.replace(self.looked)

    def overview(self) -> FleetOverview:
        """What the last look from this machine found."""
        made = FleetOverview()
        with suppress(FileNotFoundError), self.looked.open(encoding="utf-8") as lines:
            for line in lines:
                made.add(Looked.of(json.loads(line)))
        return made

    @contextmanager
    def working(self, worker: str, cache: Path, order: Order | None = None) -> Iterator[None]:
        """This process works at the campaign, under a name: what it leaves when it is killed, it finds when it comes
        back by the same name. An order is that of a new round.

        Who closes is another worker for the engine, with a queue of its own: nothing else goes on meanwhile.
        """
        with _said_in_words():
            self.folder.mkdir(parents=True, exist_ok=True)
        action = order.action if order is not None else ""
        with self._held(worker):
            _Here.cache, _Here.audit, _Here.tokens = str(cache), str(self.audit), Tokens()
            try:
                with _said_in_words():
                    self._launch(f"{worker}-closing" if action == CLOSING else worker, queue_of(self.name, action))
                if order is not None:
                    period = 3600 / order.per_hour
                    DBOS.register_queue(
                        queue_of(self.name, action),
                        global_concurrency=order.at_once,
                        limiter={"limit": 1, "period": period},
                        polling_interval_sec=min(1.0, period),
                        on_conflict="always_update",
                    )
                yield
            finally:
                with suppress(engine.DBOSException):
                    DBOS.destroy(workflow_completion_timeout_sec=0)

    @contextmanager
    def _held(self, worker: str) -> Iterator[None]:
        try:
            with alone(self.folder / f"{self.name}.{worker}.lock", wait=False) as held:
                if not held:
                    raise CampaignError(
                        f"a worker {worker} is at the campaign {self.name} already; --worker names another, where the"
                        " state is on PostgreSQL"
                    )
                yield
        except LockError as error:
            raise CampaignError(str(error)) from None

    def leave(self, code: int) -> NoReturn:
        """End the process. What waits for a person, or for its turn, waits in the database, not in this process."""
        os._exit(code)

    def _launch(self, worker: str, queue: str) -> None:
        config: DBOSConfig = {
            "name": "fhfix-fleet",
            "system_database_url": self.url,
            "dbos_system_schema": self.schema,
            "executor_id": worker,
            "application_version": FORM,
            "serializer": Plain(),
            "log_level": "CRITICAL",
            "enable_otlp": False,
        }
        DBOS(config=config)
        DBOS.listen_queues([queue])
        DBOS.launch()


def _is_held(file: Path) -> bool:
    with alone(file, wait=False) as free:
        return not free


def host() -> str:
    return socket.gethostname() or "local"


# -- rounds ---------------------------------------------------------------------------------------------------------


@contextmanager
def _asked(place: Place) -> Iterator[DBOSClient]:
    with _said_in_words():
        DBOS.migrate(place.url, schema=place.schema)  # whoever made the place may have been killed before its tables
        client = DBOSClient(system_database_url=place.url, dbos_system_schema=place.schema, serializer=Plain())
        try:
            yield client
        finally:
            client.destroy()


@contextmanager
def _said_in_words() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise CampaignError(f"the state of the campaign cannot be read or written: {cause}") from None


def _rounds(client: DBOSClient, place: Place) -> list[WorkflowStatus]:
    """The rounds of a campaign, the first one first."""
    found = client.list_workflows(name="campaign", workflow_id_prefix=f"{place.name}/", load_output=False)
    return sorted(found, key=_number)


def _number(each: WorkflowStatus) -> int:
    return int(each.workflow_id.rpartition("/")[2])


def _unfinished(found: Sequence[WorkflowStatus]) -> WorkflowStatus | None:
    """The round that is to be gone on with. One that closes is not: `close` looks anew at what is open."""
    left = [each for each in found if each.status in ACTIVE and _input(each)[0]["action"] != CLOSING]
    return left[-1] if left else None


@record
class Rounds:
    """The numbers of the last round and of the one that is to be gone on with; 0 for none."""

    last: int = 0
    unfinished: int = 0


def rounds_of(place: Place) -> Rounds:
    if not place.known:
        return Rounds()
    with _asked(place) as client:
        found = _rounds(client, place)
    left = _unfinished(found)
    return Rounds(_number(found[-1]) if found else 0, _number(left) if left else 0)


def stopped(place: Place) -> str:
    """Why the campaign waits for a person; empty where it does not."""
    with _asked(place) as client:
        left = _unfinished(_rounds(client, place))
        said = client.get_event(left.workflow_id, STOPPED, timeout_seconds=0) if left else ""
    if left and not said and not place.at_work:
        return f"no process is at work at it, `fhfix fleet resume {place.name}` goes on"
    return str(said or "")


def last_order(place: Place, names: Collection[str]) -> tuple[Order, list[dict[str, Any]]]:
    """The order of the last round that proposed, and the work of these repositories, wherever it was given."""
    order: Order | None = None
    work: dict[str, dict[str, Any]] = {}
    with _asked(place) as client:
        for each in _rounds(client, place):
            said, given = _input(each)
            order = Order.of(said) if said["action"] == "propose" or order is None else order
            work |= {one["target"]["name"]: one for one in given}
    if order is None:
        raise CampaignError(f"the campaign {place.name} has no round")
    return order, [work[name] for name in sorted(names) if name in work]


def _input(each: WorkflowStatus) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    given: Any = each.input
    said, work = given["args"]
    return said, work


def handle_of(place: Place, number: int) -> WorkflowHandle[Any]:
    return DBOS.retrieve_workflow(f"{place.name}/{number}")


def take_over(place: Place, worker: str) -> None:
    """What a worker left that does not come back, for whoever is there."""
    left = DBOS.list_workflows(status="PENDING", executor_id=worker, load_input=False, load_output=False)
    DBOS.resume_workflows([each.workflow_id for each in left if each.workflow_id.startswith(f"{place.name}/")])


def standings_of(place: Place) -> list[Standing]:
    """Where each repository stands, as far as the campaign knows: the last word of each, `planned` before the first."""
    with _asked(place) as client:
        return _standings(client, place)


def _standings(client: DBOSClient, place: Place) -> list[Standing]:
    found: dict[str, Standing] = {}
    for each in _rounds(client, place):
        for work in _input(each)[1]:
            target = work["target"]["name"]
            found.setdefault(target, Standing(target, "planned"))
        answers = client.list_workflows(name="one", workflow_id_prefix=f"{each.workflow_id}/")
        for answer in answers:
            if isinstance(answer.output, dict):
                latest = Standing(**answer.output)
                found[latest.name] = _kept(found.get(latest.name), latest)
                _forget_its_old_name(found, latest)
            elif answer.error:
                target = answer.workflow_id.removeprefix(f"{each.workflow_id}/")
                found[target] = Standing(target, "failed", why=str(answer.error))
    return sorted(found.values(), key=lambda one: one.name.lower())


def _forget_its_old_name(found: dict[str, Standing], latest: Standing) -> None:
    """A repository that was renamed between two rounds has one row, by its name of the later one."""
    for name in [one.name for one in found.values() if latest.node and one.node == latest.node]:
        if name != latest.name:
            del found[name]


def _kept(before: Standing | None, latest: Standing) -> Standing:
    """A later round that could do nothing forgets no pull request."""
    if before is not None and before.node and not latest.node:
        return replace(before, state=latest.state if latest.state != "nothing" else before.state, why=latest.why)
    return latest


def live(known: Sequence[Standing], tokens: Tokens) -> list[Standing]:
    """Likewise, with what GitHub says now, asked together of each host as far as one token is for them."""
    found = [one for one in known if not one.url]
    asked: dict[tuple[str, str], list[Standing]] = {}
    for one in known:
        if one.url:
            asked.setdefault((one.slug.api, tokens.token_of(one.slug)), []).append(one)
    for (api, token), some in asked.items():
        found += as_they_stand(some, GitHub(api, token))
    return sorted(found, key=lambda one: one.name.lower())


def start(order: Order, work: list[dict[str, Any]], number: int) -> WorkflowHandle[Any]:
    with SetWorkflowID(f"{order.name}/{number}"):
        return DBOS.start_workflow(campaign, order.to_json(), work)


def follow(handle: WorkflowHandle[Any], say: Callable[[str], None], *, resumed: bool = False) -> str:
    """Work until the round is done, or until it stops; why it stopped, else empty."""
    name = handle.get_workflow_id()
    old = DBOS.get_event(name, STOPPED, timeout_seconds=0) if resumed else ""
    if old:
        DBOS.send(name, "go on", GO_ON)
    told, waits = 0, ""
    while True:
        status = handle.get_status()
        if status.status == "SUCCESS":
            return ""
        if status.status not in ACTIVE:
            raise CampaignError(f"the round {name} ended: {status.status.lower()}, {status.error}")
        now = str(DBOS.get_event(name, STOPPED, timeout_seconds=0) or "")
        if now and now != old:
            return now
        old = old if now else ""
        count = len(
            DBOS.list_workflows(
                name="one", workflow_id_prefix=f"{name}/", status="SUCCESS", load_input=False, load_output=False
            )
        )
        if count > told:
            say(f"{count:,} {'repository' if count == 1 else 'repositories'} done")
            told = count
        why = str(DBOS.get_event(name, WAITS, timeout_seconds=0) or "")
        if why != waits:
            say(why)
            waits = why
        time.sleep(1)


def work_of(target: Target, below: Mapping[str, Any]) -> dict[str, Any]:
    return {"target": asdict(target), "below": dict(below), "known": None}
