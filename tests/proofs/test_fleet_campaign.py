"""A campaign against a GitHub of the loopback with real git: one right pull request each, whatever goes wrong."""

from __future__ import annotations

import base64
import json
import os
import pickle
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import pytest

from fixer.fleet.looking import How
from fixer.fleet.proposing import Job, Order, proposed
from fixer.fleet.sources import Target
from fixer.fleet.standing import QUERY, Standing, as_they_stand
from fixer.forge.github import GitHub
from tests.proofs.fakehub import FakeHub, Fault, Pull, Token, serving
from tests.proofs.postgres import DATABASE, PASSWORD, USER, postgres

pytestmark = pytest.mark.needs("git", "dbos")

ROOT = Path(__file__).parent.parent.parent
TOKEN = "t0ken-of-ada"
CI = b"on: push\njobs:\n  lint:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v3\n"
BLOCKED = CI.replace(b"checkout@v3", b"checkout@master")
FIXED = CI.replace(b"checkout@v3", b"checkout@v5")
BRANCH = "fhfix-deploys"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    """Its checks turn green by themselves."""
    for made in serving(tmp_path / "hub"):
        over = threading.Event()

        def check(hub: FakeHub = made, over: threading.Event = over) -> None:
            while not over.wait(0.2):
                for pull in list(hub.pulls):
                    pull.checks = pull.checks or "SUCCESS"

        thread = threading.Thread(target=check, daemon=True)
        thread.start()
        yield made
        over.set()
        thread.join()


def seed(hub: FakeHub, *names: str) -> None:
    more = {"logo.png": b"\x89PNG\0" * 50, ".github/workflows/release.yml": BLOCKED}
    for name in names:
        hub.seed(f"acme/{name}", {".github/workflows/ci.yml": CI, **more})


def started(
    hub: FakeHub, tmp_path: Path, *words: str, database: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    around = {
        **{name: value for name, value in os.environ.items() if not name.startswith("FHFIX")},
        "FHFIX_HOST": hub.url.partition("://")[2],
        "FHFIX_TOKEN": TOKEN,
        "FHFIX_FLEET_DATABASE": database,
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(tmp_path / "cache of the user"),
        **(environment or {}),
    }
    command = [sys.executable, "-m", "fixer", "fleet", *words, "--state", str(tmp_path / "state")]
    return subprocess.Popen(
        command, env=around, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def ran(
    hub: FakeHub,
    tmp_path: Path,
    *words: str,
    code: int = 0,
    database: str = "",
    environment: Mapping[str, str] | None = None,
) -> str:
    process = started(hub, tmp_path, *words, database=database, environment=environment)
    out, error = process.communicate(timeout=300)
    assert process.returncode == code, f"{words}: {out}{error}"
    return out + error


def proposing(tmp_path: Path, *more: str) -> list[str]:
    quick = ("--per-hour", "36000", "--poll", "0.3", "--first", "2", "--wave", "5", "--author", "Ada <ada@example.com>")
    return ["pr", "deploys", "--org", "acme", "--cache", str(tmp_path / "cache"), "-y", *quick, *more]


def shown(hub: FakeHub, slug: str, path: str = ".github/workflows/ci.yml") -> str:
    return hub.git(hub.folder / f"{slug}.git", "show", f"{BRANCH}:{path}")


def assert_one_right_pull_request_each(hub: FakeHub, *names: str) -> None:
    assert Counter(pull.repository for pull in hub.pulls) == Counter(f"acme/{name}" for name in names)
    for pull in hub.pulls:
        slug, bare = pull.repository, hub.folder / f"{pull.repository}.git"
        assert (pull.base, pull.head, pull.state) == ("main", BRANCH, "open")
        assert hub.git(bare, "merge-base", "main", BRANCH) == hub.tip(slug, "main")
        assert hub.git(bare, "diff", "--name-only", "main", BRANCH) == ".github/workflows/ci.yml"
        assert shown(hub, slug) == FIXED.decode().strip()
        assert hub.git(bare, "rev-list", "--count", f"main..{BRANCH}") == "1"
        assert "use actions/checkout v5.1.0" in pull.body


# -- whatever happens -----------------------------------------------------------------------------------------------


def test_killed_again_and_again_among_faults_each_repository_gets_one_pull_request(
    hub: FakeHub, tmp_path: Path
) -> None:
    dice = random.Random(7)
    names = [f"r{number:02}" for number in range(9)]
    seed(hub, *names)
    hub.faults += [
        Fault(r"POST /repos/acme/r0[0-4]/pulls", status=502, after=True, times=3),
        Fault(r"POST /repos/acme/r0[5-9]/pulls", status=403, message="secondary rate limit",
              headers={"Retry-After": "1"}, times=2),
        Fault(r"GET /repos/acme/r0[4-6]", status=503, times=2),
        Fault(r"GET /acme/r0[2-6].git/info/refs\?service=git-upload-pack", status=503, times=2),
        Fault(r"POST /acme/r0[7-9].git/git-receive-pack\?", status=502, after=True, times=2),
        Fault(r"POST /graphql", status=502, times=1),
        Fault(r"POST /repos/acme/r0[2-4]/pulls", half=True, stall=1.0),
        Fault(r"POST /acme/r0[1-6].git/git-(upload|receive)-pack\?", half=True, stall=1.0, times=3),
        Fault(r"(GET|PATCH) /repos/acme/.*", half=True, stall=1.0, times=2),
        Fault(r"POST /graphql", half=True, stall=1.0),
    ]  # fmt: skip

    # It dies at requests, not after seconds, of which a quick machine needs few.
    moments = sorted(dice.sample(range(10, 80), 3))
    process, kills, end = started(hub, tmp_path, *proposing(tmp_path)), 0, time.monotonic() + 400
    while True:
        try:
            out, error = process.communicate(timeout=0.05)
        except subprocess.TimeoutExpired:
            assert time.monotonic() < end
            if kills == len(moments) or len(hub.requests) < moments[kills]:
                continue
            kills += 1
            # All of it, or the program alone, whose processes end with it.
            (os.killpg if kills % 2 else os.kill)(process.pid, signal.SIGKILL)
            process.communicate()
            begun = (tmp_path / "state/deploys.db").exists()
            process = started(hub, tmp_path, *(["resume", "deploys"] if begun else proposing(tmp_path)))
            continue
        if "has no round yet" in error:
            process = started(hub, tmp_path, *proposing(tmp_path))
            continue
        break

    assert process.returncode == 0, out + error
    assert kills == len(moments), len(hub.requests)
    assert_one_right_pull_request_each(hub, *names)
    lines = [json.loads(line) for line in (tmp_path / "state/deploys.audit.jsonl").read_text().splitlines()]
    asked = {re.sub(r".*/repos/(\S+)/pulls", r"\1", each["what"]) for each in lines if each["what"].endswith("/pulls")}
    assert asked == {f"acme/{name}" for name in names}
    kept = [path for path in (*(tmp_path / "state").rglob("*"), *(tmp_path / "cache").rglob("*")) if path.is_file()]
    assert [path for path in kept if TOKEN.encode() in path.read_bytes()] == []


@pytest.mark.needs("postgres")
def test_two_workers_on_one_postgresql_and_one_takes_over_from_the_other(hub: FakeHub, tmp_path: Path) -> None:
    names = [f"r{number}" for number in range(6)]
    seed(hub, *names)
    with postgres() as server:
        url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{server.port}/{DATABASE}"
        first = started(hub, tmp_path, *proposing(tmp_path, "--at-once", "2", "--worker", "a"), database=url)
        wait_until(lambda: len(hub.pulls) > 0, first)
        second = started(hub, tmp_path, "resume", "deploys", "--worker", "b", database=url)
        wait_until(lambda: len(hub.pulls) > 2, first)
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
        os.killpg(second.pid, signal.SIGKILL)
        second.communicate()
        said = ran(hub, tmp_path, "resume", "deploys", "--worker", "b", "--instead-of", "a", database=url)
        kept = "".join(path.read_text(errors="replace") for path in (tmp_path / "state").iterdir())

    assert_one_right_pull_request_each(hub, *names)
    assert PASSWORD not in said + kept


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


# -- when to stop, and how to go on ---------------------------------------------------------------------------------


def test_it_stops_when_the_first_are_red_and_goes_on_when_it_is_told_to(hub: FakeHub, tmp_path: Path) -> None:
    names = [f"r{number}" for number in range(4)]
    seed(hub, *names)
    hub.faults.append(Fault(r"POST /graphql", after=True, status=502, act=lambda: redden(hub)))

    stopped = ran(hub, tmp_path, *proposing(tmp_path, "--canary", "acme/r3", "--canary", "acme/r2"), code=1)
    first = [pull.repository for pull in hub.pulls]
    ran(hub, tmp_path, "close", "deploys", "--only", "acme/r3", "-y")
    closed = {pull.repository: pull.state for pull in hub.pulls}
    state = json.loads(ran(hub, tmp_path, "status", "deploys", "--format", "json", code=1))
    ran(hub, tmp_path, "resume", "deploys")

    assert sorted(first) == ["acme/r2", "acme/r3"]
    assert "1 of 2 pull requests are red" in stopped
    assert closed == {"acme/r2": "open", "acme/r3": "closed"}  # who closes one goes on with no other
    assert state["stopped"].startswith("1 of 2 pull requests are red")
    assert {one["name"]: one["state"] for one in state["repositories"]} == {
        "acme/r0": "planned", "acme/r1": "planned", "acme/r2": "green", "acme/r3": "closed",
    }  # fmt: skip
    hub.pulls = [pull for pull in hub.pulls if pull.repository != "acme/r3"]
    assert_one_right_pull_request_each(hub, *names[:3])


def test_where_checks_cannot_be_read_it_waits_for_a_person_once(hub: FakeHub, tmp_path: Path) -> None:
    names = [f"r{number}" for number in range(2)]
    seed(hub, *names)
    hub.tokens[TOKEN] = Token(checks=False)

    stopped = ran(hub, tmp_path, *proposing(tmp_path, "--first", "1", "--wave", "1"), code=1)
    ran(hub, tmp_path, "resume", "deploys")

    assert "the checks of 1 pull request are not readable for this token" in stopped
    assert "1 checks not readable, 1 planned" in stopped
    assert_one_right_pull_request_each(hub, *names)


def redden(hub: FakeHub) -> None:
    for pull in hub.pulls:
        pull.checks = "FAILURE" if pull.repository == "acme/r3" else "SUCCESS"


def test_no_more_are_open_than_was_said_and_each_is_followed_to_its_end(hub: FakeHub, tmp_path: Path) -> None:
    names = [f"r{number}" for number in range(4)]
    seed(hub, *names)
    process = started(hub, tmp_path, *proposing(tmp_path, "--open-at-a-time", "2"))
    wait_until(lambda: len(hub.pulls) == 2, process)
    process.terminate()
    assert "`fhfix fleet resume deploys` goes on" in process.communicate(timeout=60)[1]
    assert process.returncode == 128 + signal.SIGTERM
    assert "no process is at work at it" in ran(hub, tmp_path, "status", "deploys", code=1)
    process = started(hub, tmp_path, "resume", "deploys")
    hub.requests.clear()
    wait_until(lambda: hub.count("POST /graphql") > 3, process)
    held = len(hub.pulls)
    hub.pulls[0].merged, hub.pulls[0].state = True, "closed"
    hub.pulls[1].state = "closed"

    out, error = process.communicate(timeout=240)

    assert (held, len(hub.pulls), process.returncode) == (2, 4, 0), out + error
    ran(hub, tmp_path, "close", "deploys", "-y")
    assert [pull.state for pull in hub.pulls] == ["closed"] * 4
    page = tmp_path / "fleet.html"
    ran(hub, tmp_path, "status", "deploys", "--html", str(page), "--watch")
    assert "3 closed" in page.read_text()
    assert "use actions/checkout v5" in page.read_text()
    assert "1 merged" in page.read_text()


def test_a_dry_run_and_a_token_that_may_too_little_write_nothing(hub: FakeHub, tmp_path: Path) -> None:
    seed(hub, "r0")
    said = ran(hub, tmp_path, *proposing(tmp_path, "--dry-run"))
    typo = ran(hub, tmp_path, *proposing(tmp_path, "--canary", "acme/r00"), code=2)
    hub.tokens[TOKEN] = Token(scopes=("repo",))
    hub.requests.clear()
    refused = ran(hub, tmp_path, *proposing(tmp_path), code=3)

    assert "1 pull request to open" in said
    assert "acme/r00: none of the repositories" in typo
    assert "lacks the scope `workflow`" in refused
    assert hub.requests == ["GET /user"]  # before the first clone
    assert hub.pulls == []
    assert hub.tip("acme/r0", BRANCH) == ""


def test_what_is_kept_is_plain() -> None:
    from fixer.fleet.campaign import Plain

    kept = Plain().serialize({"args": ["acme/a", {"n": 1}], "kwargs": {}})

    assert json.loads(kept)["value"]["args"] == ["acme/a", {"n": 1}]
    assert Plain().deserialize(kept) == {"args": ["acme/a", {"n": 1}], "kwargs": {}}
    assert str(Plain().deserialize(Plain().serialize(ValueError("why")))) == "why"
    with pytest.raises(ValueError, match="Expecting value"):
        Plain().deserialize(base64.b64encode(pickle.dumps(print)).decode())


def test_what_becomes_of_repositories_within_a_campaign_is_followed_or_said(hub: FakeHub, tmp_path: Path) -> None:
    """The first pull request is asked for when all have been looked at, and none of the others has had its turn."""
    seed(hub, "first", "renamed", "given", "archived", "moved", "deleted")

    def happen() -> None:
        hub.move("acme/renamed", "acme/shop")
        hub.move("acme/given", "other/given")
        (hub.folder / "acme/archived.git/archived").touch()
        hub.git(hub.folder / "acme/moved.git", "branch", "-m", "main", "trunk")
        hub.delete("acme/deleted")

    hub.faults.append(Fault(r"POST /repos/acme/first/pulls", status=502, after=True, act=happen))
    said = ran(hub, tmp_path, *proposing(tmp_path, "--canary", "acme/first"), code=3)

    assert {pull.repository: pull.base for pull in hub.pulls} == {
        "acme/first": "main", "acme/shop": "main", "other/given": "main", "acme/moved": "trunk",
    }  # fmt: skip
    states = standings(hub, tmp_path, code=3)
    assert {name: one["state"] for name, one in states.items()} == {
        "acme/first": "green", "acme/renamed": "green", "acme/given": "green", "acme/moved": "green",
        "acme/archived": "archived", "acme/deleted": "failed",
    }  # fmt: skip
    assert states["acme/renamed"]["why"] == "it is acme/shop now"
    assert states["acme/given"]["why"] == "it is other/given now"
    assert "GitHub shows no repository acme/deleted to this token: was it deleted?" in said

    # Later some happen to what is open; the second round knows what was renamed by its new name alone.
    hub.move("acme/first", "acme/second")
    (hub.folder / "acme/moved.git/archived").touch()
    hub.delete("other/given")
    ran(hub, tmp_path, *proposing(tmp_path), code=3)
    states = standings(hub, tmp_path, code=3)

    assert Counter(pull.repository for pull in hub.pulls) == Counter(("acme/second", "acme/shop", "acme/moved"))
    assert {name: one["state"] for name, one in states.items()} == {
        "acme/second": "green", "acme/shop": "green", "acme/moved": "archived", "acme/given": "not visible",
        "acme/archived": "archived", "acme/deleted": "failed",
    }  # fmt: skip
    hub.move("acme/second", "acme/third")
    ran(hub, tmp_path, "close", "deploys", "-y", code=3)
    assert {pull.repository: pull.state for pull in hub.pulls} == {
        "acme/third": "closed", "acme/shop": "closed", "acme/moved": "open",
    }  # fmt: skip


def standings(hub: FakeHub, tmp_path: Path, code: int) -> dict[str, dict[str, str]]:
    said = json.loads(ran(hub, tmp_path, "status", "deploys", "--format", "json", code=code))
    return {one["name"]: one for one in said["repositories"]}


# -- one repository -------------------------------------------------------------------------------------------------


@pytest.fixture
def job(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Standing]:
    """Propose to one repository, without the engine around it."""
    monkeypatch.setattr(GitHub, "sleep", lambda self, seconds: None)

    def run(name: str) -> Standing:
        how = asdict(How(""))
        order = Order("deploys", how, "Ada <ada@example.com>")
        target = Target(f"acme/{name}", f"{hub.url}/acme/{name}.git")
        return proposed(Job(order, target, {}, str(tmp_path / "cache"), str(tmp_path / "audit"), TOKEN)).standing

    return run


def test_the_same_work_is_the_same_commit_wherever_it_is_done(
    hub: FakeHub, job: Callable[[str], Standing], tmp_path: Path
) -> None:
    seed(hub, "a")
    first = job("a")
    hub.git(hub.folder / "acme/a.git", "update-ref", "-d", f"refs/heads/{BRANCH}")
    shutil.rmtree(tmp_path / "cache")
    second = job("a")

    assert (first.state, second.state) == ("open", "open")
    assert first.commit == second.commit == hub.tip("acme/a", BRANCH)
    assert len(hub.pulls) == 1


def test_when_the_base_moves_the_same_pull_request_is_brought_up_to_date(
    hub: FakeHub, job: Callable[[str], Standing]
) -> None:
    seed(hub, "a")
    first = job("a")
    hub.seed("acme/a", {".github/workflows/ci.yml": CI, "more.md": b"more\n"}, "More")
    hub.seed("acme/a", {".github/workflows/ci.yml": CI, "more.md": b"still more\n"}, "Still more")
    second = job("a")

    assert (second.state, second.number) == ("open", first.number)
    assert second.commit != first.commit
    assert_one_right_pull_request_each(hub, "a")


def test_when_the_default_branch_is_another_the_pull_request_moves_there(
    hub: FakeHub, job: Callable[[str], Standing]
) -> None:
    seed(hub, "a")
    job("a")
    hub.git(hub.folder / "acme/a.git", "branch", "trunk", "main")
    hub.seed("acme/a", {".github/workflows/ci.yml": CI, "new.md": b"new\n"}, "New", branch="trunk")
    hub.git(hub.folder / "acme/a.git", "symbolic-ref", "HEAD", "refs/heads/trunk")

    standing = job("a")

    assert standing.state == "open"
    assert [(pull.base, pull.head) for pull in hub.pulls] == [("trunk", BRANCH)]
    assert hub.git(hub.folder / "acme/a.git", "merge-base", "trunk", BRANCH) == hub.tip("acme/a", "trunk")


def test_what_a_person_has_done_is_left_alone_and_said(hub: FakeHub, job: Callable[[str], Standing]) -> None:
    seed(hub, "pushed", "closed", "archived", "merged")
    for name in ("pushed", "closed", "archived", "merged"):
        job(name)
    hub.seed("acme/pushed", {".github/workflows/ci.yml": b"mine\n"}, "Mine", branch=BRANCH)
    mine = hub.tip("acme/pushed", BRANCH)
    by_name = {pull.repository: pull for pull in hub.pulls}
    by_name["acme/closed"].state = "closed"
    by_name["acme/merged"].state, by_name["acme/merged"].merged = "closed", True
    hub.seed("acme/merged", {".github/workflows/ci.yml": FIXED, "logo.png": b"x"}, "Merged")
    (hub.folder / "acme/archived.git/archived").touch()
    hub.seed("acme/archived", {".github/workflows/ci.yml": CI, "more.md": b"more\n"}, "More")

    found = {name: job(name) for name in ("pushed", "closed", "archived", "merged")}

    assert {name: one.state for name, one in found.items()} == {
        "pushed": "left alone", "closed": "closed", "archived": "archived", "merged": "nothing",
    }  # fmt: skip
    assert "somebody else has worked on" in found["pushed"].why
    assert "closed without being merged" in found["closed"].why
    assert hub.tip("acme/pushed", BRANCH) == mine
    assert len(hub.pulls) == 4


# -- where they stand -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"checks": ""}, "open"),
        ({"checks": "PENDING"}, "running"),
        ({"checks": "EXPECTED"}, "running"),
        ({"checks": "SUCCESS"}, "green"),
        ({"checks": "FAILURE"}, "red"),
        ({"checks": "ERROR"}, "red"),
        ({"checks": "FAILURE", "mergeable": "CONFLICTING"}, "conflict"),
        ({"checks": "FAILURE", "review": "CHANGES_REQUESTED"}, "changes asked"),
        ({"state": "closed"}, "closed"),
        ({"state": "closed", "merged": True}, "merged"),
    ],
)
def test_what_stands_most_in_the_way_is_said(tmp_path: Path, change: dict[str, str], state: str) -> None:
    for hub in serving(tmp_path / "hub"):
        hub.pulls.append(Pull(1, "acme/a", "acme", BRANCH, "main", "t", "b", False, "1" * 40, "2" * 40))
        for key, value in change.items():
            setattr(hub.pulls[0], key, value)
        known = Standing("acme/a", "open", f"{hub.url}/acme/a/pull/1", 1, hub.pulls[0].node, "1" * 40)

        [now] = as_they_stand([known], GitHub(f"{hub.url}/api/v3", TOKEN))
        hub.base_checks["acme/a"] = "FAILURE"
        [with_red_base] = as_they_stand([known], GitHub(f"{hub.url}/api/v3", TOKEN))

    assert now.state == state
    assert with_red_base.state == ("red like its base" if state == "red" else state)


def test_a_hundred_are_asked_for_at_once_and_what_is_no_longer_shown_is_said(tmp_path: Path) -> None:
    for hub in serving(tmp_path / "hub"):
        for number in range(150):
            hub.pulls.append(Pull(number, "acme/a", "acme", BRANCH, "main", "t", "b", False, "1" * 40, "2" * 40))
        known = [Standing(f"acme/{pull.number}", "open", "u", 1, pull.node) for pull in hub.pulls]
        found = as_they_stand([*known, Standing("x", "open", "u", 1, "unknown")], GitHub(f"{hub.url}/api/v3", TOKEN))
        asked = hub.count("POST /graphql")

    assert asked == 2
    assert len(found) == 151
    assert (found[0].state, found[-1].state) == ("open", "not visible")
    assert "GitHub shows it no more to this token" in found[-1].why


@pytest.mark.needs("graphql-core")
def test_question_and_answer_are_as_githubs_schema_says(tmp_path: Path) -> None:
    from graphql import build_schema, graphql_sync, parse, validate

    schema = build_schema((Path(__file__).parent / "data/github.graphql").read_text(encoding="utf-8"))
    for hub in serving(tmp_path / "hub"):
        pull = Pull(1, "acme/a", "acme", BRANCH, "main", "t", "b", False, "1" * 40, "2" * 40, checks="SUCCESS")
        answer = hub.show_node(pull) | {"__typename": "PullRequest"}
        answer["baseRef"]["target"]["__typename"] = "Commit"

    said = graphql_sync(schema, QUERY, {"nodes": [answer]}, variable_values={"ids": [pull.node]})

    assert validate(schema, parse(QUERY)) == []
    assert said.errors is None
    assert said.data is not None
    assert said.data["nodes"][0]["commits"] == answer["commits"]
    assert said.data["nodes"][0].keys() == answer.keys() - {"__typename"}
