"""The uptime workflow, executed against a site that goes down, falters, redirects and hangs, and a small GitHub."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import pytest

from tests.fixture_cases import FIXTURES
from tests.proofs.github_code import github_code
from tests.proofs.issues import Issues, issues
from tests.proofs.loopback import served
from tests.proofs.monitoring import Receiver, receiver
from tests.proofs.runner import JobRun, Runner

pytestmark = pytest.mark.needs("node", "github-parser", "jq")

CASE = FIXTURES / "missing-uptime-check/addresses-of-the-deployment/after/.github/workflows/uptime.yml"
HANGS = 0


@dataclass
class Site:
    """What each path answers: one status after the other, the last one for ever."""

    url: str
    answers: dict[str, list[int]] = field(default_factory=dict)


@contextmanager
def site() -> Iterator[Site]:
    found = Site("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            plan = found.answers.get(self.path, [200])
            status = plan.pop(0) if len(plan) > 1 else plan[0]
            if status == HANGS:
                time.sleep(3)
                return
            self.send_response(status)
            if status == 308:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with served(Handler) as found.url:
        yield found


@dataclass
class World:
    site: Site
    hub: Issues
    team: Receiver
    text: str

    def run(self, **answers: list[int]) -> JobRun:
        self.site.answers = {f"/{path.removeprefix('first')}": plan for path, plan in answers.items()}
        secrets = {"SLACK_WEBHOOK": self.team.url}
        runner = Runner(self.text, event="schedule", env={"GITHUB_API_URL": self.hub.url}, secrets=secrets)
        return runner.run().jobs["uptime"]

    @property
    def told(self) -> list[str]:
        return [str(each["text"]).partition(": http")[0] for each in self.team.told]


@pytest.fixture
def world() -> Iterator[World]:
    text = CASE.read_text()
    assert github_code().problems(text) == []
    with site() as web, issues() as hub, receiver() as team:
        for address in ("https://api.shop.example", "https://shop.example"):
            assert address in text
            text = text.replace(address, web.url)
        text = text.replace("--retry-delay 15", "--retry-delay 1").replace("--max-time 10", "--max-time 1")
        yield World(web, hub, team, text.replace("/health/", "/health"))


def test_one_issue_is_opened_renamed_and_closed(world: World) -> None:
    assert world.run().result == "success"
    assert world.hub.issues == []
    assert world.run(health=[500]).result == "failure"
    assert world.run(health=[500]).result == "failure"
    assert len(world.hub.issues) == 1, "while it is down, no second issue"
    assert world.run(health=[500], first=[502]).result == "failure"
    title = str(world.hub.issues[0]["title"])
    assert "health (500)" in title
    assert "/ (502)" in title, "the second address is asked although the first is down"
    assert world.run().result == "success"
    issue = world.hub.issues[0]
    assert (issue["state"], issue["labels"], len(issue["comments"])) == ("closed", ["uptime"], 1)
    assert len(world.team.told) == 2, "the team hears of the beginning and the end"


def test_what_answers_in_the_end_is_not_down(world: World) -> None:
    assert world.run(health=[503, 503, 200]).result == "success"
    assert world.run(first=[308]).result == "success"
    assert world.hub.issues == []


def test_what_hangs_is_down(world: World) -> None:
    assert world.run(first=[HANGS]).result == "failure"
    assert "(000)" in str(world.hub.issues[0]["title"])


def test_where_issues_are_disabled_the_run_is_red(world: World) -> None:
    world.hub.disabled = True
    found = world.run(health=[500])
    assert found.result == "failure"
    assert found.step("Open or close the issue").outcome == "failure"
    assert world.run().result == "failure", "also while all is well: nobody could be told"


def test_without_retries_and_redirects_the_same_workflow_is_a_false_alarm(world: World) -> None:
    """The faults that the tests above must see."""
    right = world.text
    world.text = right.replace("--retry 3", "--retry 0")
    assert world.run(health=[503, 503, 200]).result == "failure"
    world.text = right.replace("--location ", "").replace("--fail ", "--fail --max-redirs 0 ")
    world.text = world.text.replace('"$url"); then', '"$url") && [ "$status" = 200 ]; then')
    assert world.run(first=[308]).result == "failure"


def test_a_workflow_that_asked_once_asks_again_after_its_fix(world: World) -> None:
    """And as it stood before, one answer of 503 fails it."""
    case = FIXTURES / "missing-uptime-check/asked-once"
    ended = []
    for shape in ("before", "after"):
        text = (case / shape / ".github/workflows/watch.yml").read_text()
        text = text.replace("https://shop.example", world.site.url).replace("https://api.shop.example", world.site.url)
        text = text.replace("--retry-delay 15", "--retry-delay 1").split("      - name: With a pause")[0]
        world.site.answers = {"/shop/": [503, 503, 200]}
        ended.append(Runner(text, event="schedule").run().jobs["watch"].result)
    assert ended == ["failure", "success"]
