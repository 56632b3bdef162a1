"""The waits that fhfix writes, run by the runner's shells against a real HTTP server.

The text of the scripts stays as it is written. `sleep` and `date` are played by programs on PATH that share a clock, so
that five minutes pass at once; curl is the real one, and its configuration sends every host to the test's server.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixer.registry import all_rules
from tests.components import path as component
from tests.fixture_cases import CASES, FIXTURES, Case, planned
from tests.proofs.aws import CLUSTER, REGION, SERVICE, Aws, emulator
from tests.proofs.github_code import github_code
from tests.proofs.loopback import served
from tests.proofs.runner import JobRun, Played, Runner, StepRun, does_nothing

pytestmark = pytest.mark.needs("node", "github-parser")

RULES = {rule.id: rule for rule in all_rules()}
BOTH = ("hardcoded-sleep", "single-shot-health-check")
SITE = "http://orchard.example/health"
API = "http://api.orchard.example/health"

Answers = Callable[[int], int]
"""The status of the n-th request, from 1; 0 drops the connection without an answer."""


def healthy(number: int) -> int:
    return 200


def never(number: int) -> int:
    return 503


def from_the(first: int) -> Answers:
    return lambda number: 200 if number >= first else 503


def until_the(last: int) -> Answers:
    return lambda number: 200 if number < last else 500


def flapping(number: int) -> int:
    return 200 if number % 2 == 0 else 503


class Site:
    """A server on a free port of this machine; what it answers, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[str, Answers] = {}
        self.asked: dict[str, int] = {}
        self.headers: list[dict[str, str]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host = self.headers["Host"]
                site.asked[host] = site.asked.get(host, 0) + 1
                site.headers.append(dict(self.headers))
                status = site.answers.get(host, healthy)(site.asked[host])
                if status:
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(b"what people see")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                pass

        self.running = ExitStack()
        url = self.running.enter_context(served(Handler))
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / ".curlrc").write_text(f'connect-to = "::{url.removeprefix("http://")}"\n')

    def close(self) -> None:
        self.running.close()


class Clock:
    """`sleep` and `date` for the scripts: time passes only where they sleep."""

    START = 1_700_000_000

    def __init__(self, folder: Path) -> None:
        self.path = folder / "clock"
        self.path.mkdir()
        self.now = self.path / "now"
        self.now.write_text(str(self.START))
        program(
            self.path,
            "sleep",
            f'echo $(($(cat "{self.now}") + $1)) > "{self.now}.new"; mv "{self.now}.new" "{self.now}"',
        )
        program(self.path, "date", f'[ "$*" = "+%s" ] && cat "{self.now}"')

    @property
    def passed(self) -> int:
        """Seconds since the start."""
        return int(self.now.read_text()) - self.START


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


def workflow(*steps: str, shell: str = "") -> str:
    """A job that deploys and then takes these steps; each is a script."""
    made = {
        "on": "push",
        "jobs": {
            "deploy": {
                "runs-on": "ubuntu-latest",
                **({"defaults": {"run": {"shell": shell}}} if shell else {}),
                "steps": [
                    {"uses": "superfly/flyctl-actions@1.5", "with": {"args": "deploy"}},
                    *({"run": step} for step in steps),
                ],
            }
        },
    }
    return yaml.safe_dump(made, sort_keys=False)


def rewritten(text: str, folder: Path, *rules: str, config: str = "") -> str:
    """What these rules make of a workflow; they must make something of it."""
    root = folder / "repository"
    at = ".github/workflows/deploy.yml"
    found = planned(root, {at: text.encode()}, [RULES[rule] for rule in rules or ("hardcoded-sleep",)], config)
    assert [fault.what for fault in found.faults] == []
    return found.files[at].after.text


def run(
    text: str,
    site: Site,
    clock: Clock | None = None,
    *,
    secrets: dict[str, str] | None = None,
    plays: dict[str, Any] | None = None,
) -> JobRun:
    made = Runner(
        text,
        plays=plays or {"superfly/flyctl-actions": does_nothing},
        path=[clock.path] if clock else [],
        env={"CURL_HOME": str(site.home)},
        secrets=secrets,
    )
    return made.run().jobs["deploy"]


def last(job: JobRun) -> StepRun:
    return [step for step in job.steps if step.outcome != "skipped"][-1]


WAIT = workflow("sleep 30", f"curl -f {SITE} || exit 1\ncurl -f {API} || exit 1\n")
SOAK = workflow(f"curl -f {SITE} || exit 1", f"sleep 60\ncurl -f {SITE} || exit 1\n")


# -- waiting until a deployment is healthy --------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["", "bash", "sh", "bash {0}"])
def test_what_is_healthy_at_once_is_not_waited_for(shell: str, site: Site, clock: Clock, tmp_path: Path) -> None:
    text = rewritten(workflow("sleep 30", f"curl -f {SITE}", shell=shell), tmp_path)
    job = run(text, site, clock)

    assert (job.result, clock.passed) == ("success", 0), job.log
    assert f"{SITE} is healthy" in job.steps[1].log
    assert "what people see" not in job.steps[1].log


@pytest.mark.parametrize("shell", ["", "bash", "sh", "bash {0}"])
def test_what_becomes_healthy_late_is_waited_for(shell: str, site: Site, clock: Clock, tmp_path: Path) -> None:
    text = rewritten(workflow("sleep 30", f"curl -f {SITE}", shell=shell), tmp_path)
    site.answers["orchard.example"] = from_the(9)
    job = run(text, site, clock)

    assert (job.result, clock.passed) == ("success", 8 * 5), job.log
    assert "503" in job.steps[1].log


@pytest.mark.parametrize("shell", ["", "bash", "sh", "bash {0}"])
def test_what_never_becomes_healthy_fails_the_wait_at_its_deadline(
    shell: str, site: Site, clock: Clock, tmp_path: Path
) -> None:
    config = "rules.hardcoded-sleep.timeout = 100\n"
    text = rewritten(workflow("sleep 30", f"curl -f {SITE}", shell=shell), tmp_path, config=config)
    site.answers["orchard.example"] = never
    job = run(text, site, clock)

    assert (job.result, last(job).name) == ("failure", "run 1")
    assert clock.passed == 100
    assert job.steps[1].log.splitlines()[-1] == f"::error::{SITE} is not healthy after 100 seconds"


def test_a_dropped_connection_is_not_healthy(site: Site, clock: Clock, tmp_path: Path) -> None:
    site.answers["orchard.example"] = lambda number: 200 if number > 3 else 0
    job = run(rewritten(WAIT, tmp_path), site, clock)

    assert (job.result, clock.passed) == ("success", 15), job.log


def test_flapping_is_healthy_enough_to_go_on(site: Site, clock: Clock, tmp_path: Path) -> None:
    site.answers["orchard.example"] = flapping
    job = run(rewritten(WAIT, tmp_path), site, clock)

    assert job.steps[1].outcome == "success", job.log
    assert clock.passed == 5


def test_every_address_is_waited_for_within_one_deadline(site: Site, clock: Clock, tmp_path: Path) -> None:
    site.answers = {"orchard.example": from_the(21), "api.orchard.example": never}
    job = run(rewritten(WAIT, tmp_path), site, clock)

    assert job.result == "failure"
    assert site.asked["orchard.example"] == 21
    assert clock.passed == 300
    assert job.steps[1].log.splitlines()[-1] == f"::error::{API} is not healthy after 300 seconds"


def test_the_wait_holds_on_a_real_clock(site: Site, tmp_path: Path) -> None:
    config = "rules.hardcoded-sleep.timeout = 60\nrules.hardcoded-sleep.interval = 1\n"
    site.answers["orchard.example"] = from_the(3)
    job = run(rewritten(WAIT, tmp_path, config=config), site)

    assert job.result == "success", job.log
    assert 1.9 < job.steps[1].seconds < 60


def test_a_server_that_does_not_answer_at_all_is_given_up_on(site: Site, clock: Clock, tmp_path: Path) -> None:
    text = rewritten(WAIT, tmp_path)
    site.close()
    job = run(text, site, clock)

    assert (job.result, clock.passed) == ("failure", 300)
    assert "curl: (7)" in job.log


def test_a_script_that_judges_for_itself_still_does(site: Site, clock: Clock, tmp_path: Path) -> None:
    judge = (
        "sleep 30\n"
        f"code=$(curl -s -o /dev/null -w '%{{http_code}}' {SITE})\n"
        'if [ "$code" = 200 ]; then echo judged well; else echo judged badly; fi\n'
    )
    text = rewritten(workflow(judge), tmp_path)
    assert "judged well" in run(text, site, clock).log

    site.answers["orchard.example"] = never
    job = run(text, site, clock)
    assert job.result == "success"
    assert f"::warning::{SITE} is not healthy after 300 seconds" in job.log
    assert "judged badly" in job.log


# -- while the old version still answers ------------------------------------------------------------------------------

ROLLING = {
    "kubectl": "kubectl set image deployment/web web=orchard:2",
    "aws": "aws ecs update-service --cluster orchard --service web --task-definition web:2",
    "railway": "railway up --service web",
}
"""Commands that return while the old version answers: it is replaced when somebody waits, or after 25 seconds."""


@pytest.mark.parametrize("tool", ROLLING)
@pytest.mark.parametrize("good", [True, False])
def test_the_old_version_is_not_asked_for_the_new_one(
    tool: str, good: bool, site: Site, clock: Clock, tmp_path: Path
) -> None:
    rolled = tmp_path / "rolled-out"
    program(clock.path, tool, f'case "$*" in *" wait "*|"rollout status"*) touch "{rolled}" ;; esac')
    sign_in = {"uses": "aws-actions/configure-aws-credentials@v6", "with": {"aws-region": "eu-west-1"}}
    made = yaml.safe_load(workflow(ROLLING[tool], "sleep 30", f"curl -f {SITE}"))
    made["jobs"]["deploy"]["steps"][0] = sign_in
    text = yaml.safe_dump({"on": "push", "jobs": made["jobs"]}, sort_keys=False)

    site.answers["orchard.example"] = lambda number: 200 if good or not (rolled.exists() or clock.passed >= 25) else 503
    plays = {"aws-actions/configure-aws-credentials": does_nothing}
    job = run(rewritten(text, tmp_path), site, clock, plays=plays)

    assert job.result == ("success" if good else "failure"), job.log


# -- staying healthy ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["", "bash", "sh", "bash {0}"])
def test_a_soak_lasts_as_long_as_the_sleep_did(shell: str, site: Site, clock: Clock, tmp_path: Path) -> None:
    text = workflow(f"curl -f {SITE} || exit 1", f"sleep 60\ncurl -f {SITE} || exit 1\n", shell=shell)
    job = run(rewritten(text, tmp_path), site, clock)

    assert (job.result, clock.passed) == ("success", 60), job.log
    assert site.asked["orchard.example"] == 1 + 60 // 5
    assert "healthy for 60 seconds" in last(job).log


@pytest.mark.parametrize("shell", ["", "bash", "sh", "bash {0}"])
def test_a_soak_fails_as_soon_as_the_service_does(shell: str, site: Site, clock: Clock, tmp_path: Path) -> None:
    text = workflow(f"curl -f {SITE} || exit 1", f"sleep 60\ncurl -f {SITE} || exit 1\n", shell=shell)
    site.answers["orchard.example"] = until_the(6)
    job = run(rewritten(text, tmp_path), site, clock)

    assert (job.result, clock.passed) == ("failure", 20), job.log
    assert last(job).log.splitlines()[-1] == f"::error::{SITE} did not stay healthy for 60 seconds"


def test_a_soak_sees_what_flaps_and_the_sleep_did_not(site: Site, clock: Clock, tmp_path: Path) -> None:
    answers: Answers = lambda number: 503 if number == 3 else 200  # noqa: E731
    site.answers["orchard.example"] = answers
    assert run(SOAK, site, clock).result == "success"

    site.asked.clear()
    assert run(rewritten(SOAK, tmp_path), site, clock).result == "failure"


def test_a_soak_watches_every_address(site: Site, clock: Clock, tmp_path: Path) -> None:
    both = f"curl -f {SITE} || exit 1\ncurl -f {API} || exit 1\n"
    site.answers["api.orchard.example"] = until_the(4)
    job = run(rewritten(workflow(both, f"sleep 60\n{both}"), tmp_path), site, clock)

    assert (job.result, clock.passed) == ("failure", 10)
    assert last(job).log.splitlines()[-1] == f"::error::{API} did not stay healthy for 60 seconds"


def test_a_soak_whose_check_does_not_care_only_warns(site: Site, clock: Clock, tmp_path: Path) -> None:
    care = f"curl -sf {SITE} || echo away\ncurl -sf {API} || echo away\n"
    text = rewritten(workflow(care, f"sleep 60\n{care}"), tmp_path)
    site.answers["api.orchard.example"] = until_the(4)
    job = run(text, site, clock)

    assert (job.result, clock.passed) == ("success", 10), job.log
    assert f"::warning::{API} did not stay healthy for 60 seconds" in job.log


# -- one attempt and several ----------------------------------------------------------------------------------------

QUICK = "rules.single-shot-health-check.delay = 1\nrules.single-shot-health-check.retries = 2\n"
LOOPS = QUICK + 'rules.single-shot-health-check.style = "loop"\n'
ONCE = workflow(f"curl -f {SITE} || exit 1", f"curl -f {SITE}\necho after\n")


@pytest.mark.parametrize("config", [QUICK, LOOPS], ids=["curl", "loop"])
def test_a_hiccup_no_longer_fails_the_job(config: str, site: Site, tmp_path: Path) -> None:
    site.answers["orchard.example"] = lambda number: (503, 0, 200, 404, 200)[number - 1]
    assert run(ONCE, site).result == "failure"

    site.asked.clear()
    job = run(rewritten(ONCE, tmp_path, "single-shot-health-check", config=config), site)
    assert job.result == "success", job.log
    assert site.asked["orchard.example"] == 5


@pytest.mark.parametrize("config", [QUICK, LOOPS], ids=["curl", "loop"])
def test_what_stays_down_still_fails_the_job(config: str, site: Site, tmp_path: Path) -> None:
    site.answers["orchard.example"] = never
    job = run(rewritten(ONCE, tmp_path, "single-shot-health-check", config=config), site)

    assert (job.result, last(job).name) == ("failure", "run 1")
    assert site.asked["orchard.example"] == 3


# -- together -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [WAIT, SOAK, ONCE], ids=["wait", "soak", "once"])
def test_both_rules_come_to_the_same_in_either_order_and_an_end(text: str, tmp_path: Path) -> None:
    forward = rewritten(text, tmp_path / "a", *BOTH)
    backward = rewritten(text, tmp_path / "b", *reversed(BOTH))
    again = planned(tmp_path / "c", {".github/workflows/deploy.yml": forward.encode()}, [RULES[rule] for rule in BOTH])

    assert forward == backward
    assert again.taken == ()


def test_a_finished_deployment_of_the_bundled_repository_passes_and_a_dying_one_fails(
    site: Site, clock: Clock, tmp_path: Path
) -> None:
    at = ".github/workflows/deploy.yml"
    before = (FIXTURES / "financehub/before" / at).read_text().replace("https://", "http://")
    text = planned(tmp_path / "r", {at: before.encode()}, [RULES[rule] for rule in BOTH]).files[at].after.text
    assert text.count("sleep 5\n") == 1  # the soak; what deploys is asked about the rest
    assert "sleep 30" not in text
    assert "sleep 60" not in text
    for name in ("aws", "docker"):
        program(clock.path, name, "echo ACTIVE")

    def ship() -> JobRun:
        played = Played(outputs={"registry": "registry.example"})
        plays = {
            step["uses"].split("@")[0]: lambda with_, env: played
            for job in yaml.safe_load(text)["jobs"].values()
            for step in job["steps"]
            if "uses" in step
        }
        made = Runner(text, plays=plays, path=[clock.path], env={"CURL_HOME": str(site.home)})
        return made.run().jobs["ship-production"]

    site.answers["api.harvestbook.example"] = from_the(4)
    assert ship().result == "success"

    site.asked.clear()
    site.answers["harvestbook.example"] = until_the(8)
    job = ship()
    assert job.result == "failure"
    assert "did not stay healthy for 60 seconds" in job.log
    assert job.step("Release page").outcome == "skipped"


# -- where nothing says which address to ask ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with emulator(tmp_path_factory.mktemp("aws")) as found:
        yield found


@pytest.mark.needs("aws", "moto")
@pytest.mark.parametrize(("image", "result"), [("web:v2", "success"), ("web:bad", "failure")])
def test_the_service_is_waited_for_by_the_real_command_line(
    image: str, result: str, aws: Aws, site: Site, tmp_path: Path
) -> None:
    aws.reset()
    aws.create_service(aws.task_definition("web:v1"))
    update = f"aws ecs update-service --cluster {CLUSTER} --service ${{{{ vars.SERVICE }}}} --task-definition {SERVICE}"
    text = rewritten(workflow(f"{update} --region {REGION}", "sleep 120", "echo next"), tmp_path)
    aws.task_definition(image)
    made = Runner(
        text,
        plays={"superfly/flyctl-actions": does_nothing},
        path=[aws.path],
        env=aws.env,
        variables={"SERVICE": SERVICE},
    )
    job = made.run().jobs["deploy"]

    assert aws.calls[1] == f"ecs wait services-stable --cluster {CLUSTER} --services {SERVICE} --region {REGION}"
    assert (job.result, job.steps[2].outcome) == (result, result), job.log


# -- what a script may be told --------------------------------------------------------------------------------------


def test_a_value_never_becomes_part_of_a_script(site: Site, clock: Clock, tmp_path: Path) -> None:
    text = rewritten(
        workflow("sleep 30", 'curl -f -H "X-Key: ${{ secrets.KEY }}" "http://${{ secrets.HOST }}/health"'), tmp_path
    )
    wait = yaml.safe_load(text)["jobs"]["deploy"]["steps"][1]
    assert "${{" not in wait["run"]

    marker = tmp_path / "marker"
    for value in (f'"; touch {marker}; "', f"$(touch {marker})", f"`touch {marker}`"):
        text_of_wait = yaml.safe_load(text)
        del text_of_wait["jobs"]["deploy"]["steps"][2]
        run(yaml.safe_dump(text_of_wait), site, clock, secrets={"KEY": value, "HOST": f"orchard.example/{value}"})
    assert not marker.exists()

    site.headers.clear()
    job = run(text, site, clock, secrets={"KEY": "let me in", "HOST": "orchard.example"})
    assert job.result == "success", job.log
    assert [headers["X-Key"] for headers in site.headers] == ["let me in", "let me in"]


# -- the scripts themselves -----------------------------------------------------------------------------------------


def jobs_of(data: bytes) -> dict[str, Any]:
    """The jobs of a workflow, or what a composite action runs."""
    found = yaml.safe_load(data)
    jobs: dict[str, Any] = found.get("jobs") or {"runs": found["runs"]}
    return jobs


def scripts_written() -> Iterator[tuple[str, str, str]]:
    """Where it stands, before, and after."""
    for case in CASES:
        if case.rule_id not in BOTH:
            continue
        for path, data in case.after.items():
            before, after = jobs_of(case.before[path]), jobs_of(data)
            for name, job in after.items():
                for number, step in enumerate(job["steps"]):
                    old = before[name]["steps"][number]
                    if step != old:
                        yield (
                            f"{case.name}/{name}/{number}",
                            *(each.get("run") or each["with"]["script"] for each in (old, step)),
                        )


def complaints(script: str, shell: str) -> Counter[str]:
    """What shellcheck says of a step, as actionlint asks it: an expression is a word, variables come from outside."""
    text = re.sub(r"\$\{\{.*?\}\}", "_expression_", script)
    command = [component("shellcheck"), "-s", shell, "-f", "gcc", "-e", "SC2154,SC2034", "-"]
    found = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return Counter(re.findall(r"\[(SC\d+)\]", found.stdout))


@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize(("before", "after"), [pytest.param(old, new, id=name) for name, old, new in scripts_written()])
def test_shellcheck_finds_nothing_in_what_is_written(before: str, after: str) -> None:
    for shell in ("bash", "sh"):
        assert complaints(after, shell) - complaints(before, shell) == Counter()


@pytest.mark.needs("actionlint", "shellcheck")
@pytest.mark.parametrize("case", [case for case in CASES if case.rule_id in BOTH and case.after], ids=lambda c: c.name)
def test_linters_find_nothing_new_in_the_workflow(case: Case, tmp_path: Path) -> None:
    def said(data: bytes) -> Counter[str]:
        file = tmp_path / "workflow.yml"
        file.write_bytes(data)
        command = [component("actionlint"), "-no-color", "-oneline", "-shellcheck", component("shellcheck"), str(file)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        return Counter(re.findall(r"(SC\d+)|\[([\w-]+)\]$", found.stdout, re.MULTILINE))

    for path, data in case.after.items():
        if ".github/workflows/" not in path:
            continue
        assert said(data) - said(case.before[path]) == Counter()
        assert github_code().errors(data.decode()) == []
