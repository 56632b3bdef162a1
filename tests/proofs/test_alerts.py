"""Alerts, executed: rules by promtool, by a real site with Prometheus and Alertmanager, and notify jobs by GitHub's own
evaluator."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.components import path as component
from tests.fixture_cases import FIXTURES
from tests.proofs.github_code import github_code
from tests.proofs.issues import issues
from tests.proofs.monitoring import TOKEN, Receiver, get, gunicorn, prometheus, receiver, running, until
from tests.proofs.postgres import free_port
from tests.proofs.runner import Played, Runner, WorkflowRun, does_nothing

CASES = FIXTURES / "missing-alerts"
MONITORING = CASES / "prometheus-without-rules/after/monitoring"


# -- rules by themselves ------------------------------------------------------------------------------------------


def promtool(*words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([component("promtool"), *words], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.needs("promtool")
def test_the_rules_pass_their_own_tests_and_a_wrong_threshold_does_not(tmp_path: Path) -> None:
    shutil.copytree(MONITORING, tmp_path / "m")
    done = promtool("test", "rules", "alerts.test.yml", folder=tmp_path / "m")
    assert done.returncode == 0, done.stdout + done.stderr
    assert promtool("check", "config", "--syntax-only", "prometheus.yml", folder=tmp_path / "m").returncode == 0

    rules = tmp_path / "m/alerts.yml"
    for right, wrong in (("> 0.01", "> 0.1"), ("> 0.2", "> 0.4"), ("== 0", "== 2"), ("by_status_total", "by_status")):
        text = MONITORING.joinpath("alerts.yml").read_text()
        assert right in text
        rules.write_text(text.replace(right, wrong))
        assert promtool("test", "rules", "alerts.test.yml", folder=tmp_path / "m").returncode != 0, wrong


@pytest.mark.needs("promtool")
def test_the_checker_that_everybody_runs_passes_a_rule_that_can_never_fire() -> None:
    """Why names are held against what is exported."""
    folder = CASES / "rules-that-nobody-feeds/before/monitoring"
    assert promtool("check", "rules", "rules.yml", folder=folder).returncode == 0


# -- fired and resolved -------------------------------------------------------------------------------------------


@contextmanager
def alertmanager(folder: Path, to: Receiver) -> Iterator[int]:
    port = free_port()
    (folder / "webhook").write_text(to.url)
    (folder / "alertmanager.yml").write_text("""\
route: {receiver: team, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 4h}
receivers:
- name: team
  slack_configs:
  - {api_url_file: webhook, send_resolved: true, title: '{{ .CommonLabels.alertname }} {{ .Status }}', text: '-'}
""")
    command = [
        component("alertmanager"),
        "--config.file=alertmanager.yml",
        "--storage.path=am",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with running(command, folder, folder / "alertmanager.log"):
        until(lambda: get(port, "/-/ready")[0] == 200, "Alertmanager is ready")
        yield port


def load(port: int, *paths: str, until_: Any, what: str) -> None:
    """Requests by three people, until something is so."""
    deadline, done = time.monotonic() + 40, False

    def person(number: int) -> None:
        while not done and time.monotonic() < deadline:
            for path in paths:
                get(port, path, {"Host": "shop.example", "X-Forwarded-Proto": "https"})

    with ThreadPoolExecutor(3) as people:
        working = [people.submit(person, number) for number in range(3)]
        try:
            until(until_, what, 35)
        finally:
            done = True
        for each in working:
            each.result()


def titles(team: Receiver) -> set[str]:
    attachments = [each["attachments"] for each in team.told]
    return {str(each[0]["title"]) for each in attachments if isinstance(each, list)}


def hurried(rules: str) -> str:
    """Seconds for minutes."""
    return re.sub(r"for: \d+m", "for: 1s", rules.replace("[5m]", "[5s]"))


@pytest.mark.needs("prometheus", "alertmanager", "django", "django-prometheus", "gunicorn")
def test_each_alert_fires_is_told_and_is_resolved(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(CASES / "prometheus-without-rules/before", site)
    (tmp_path / "alerts.yml").write_text(hurried(MONITORING.joinpath("alerts.yml").read_text()))

    with receiver() as team, alertmanager(tmp_path, team) as alerts:
        port = free_port()
        config = f"""\
global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}
rule_files: [alerts.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alerts}']}}]}}]}}
scrape_configs:
- job_name: shop
  authorization: {{credentials: {TOKEN}}}
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""
        with prometheus(tmp_path, config) as asked:
            with gunicorn(site, tmp_path / "web", 2, "--threads", "4", at=port):
                until(lambda: asked.value('up{job="shop"}') == 1, "the site is scraped")

                def tells(*names: str) -> bool:
                    """Whether these fire, and the team knows. What else may not fire is for promtool: here a machine
                    that is busy answers slowly, too."""
                    return set(names) <= asked.firing() and {f"{name} firing" for name in names} <= titles(team)

                latencies = "count(django_http_requests_latency_seconds_by_view_method_count)"
                load(
                    port, "/hello/", until_=lambda: asked.value(latencies) and not asked.firing(), what="nothing fires"
                )
                load(port, *["/hello/"] * 9, "/broken/", until_=lambda: tells("ErrorRatio"), what="errors")
                slow = ("LatencyP50", "LatencyP95", "LatencyP99")
                load(port, "/slow/1200/", until_=lambda: tells(*slow), what="slow")
                well = {f"{name} resolved" for name in ("ErrorRatio", *slow)}
                load(port, "/hello/", until_=lambda: not asked.firing() and well <= titles(team), what="well again")
            until(lambda: "TargetDown firing" in titles(team), "the team is told that the site is stopped")


# -- notify jobs --------------------------------------------------------------------------------------------------

needs_github = pytest.mark.needs("node", "github-parser", "jq")


class Slack:
    """Plays 8398a7/action-slack: what it is told to say."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    def __call__(self, with_: dict[str, Any], env: dict[str, str]) -> Played:
        self.said.append(with_)
        return Played()


def run(case: str, side: str, name: str, work: str, **more: Any) -> WorkflowRun:
    text = (CASES / case / side / ".github/workflows" / name).read_text()
    if side == "after":
        assert github_code().problems(text) == []
    for target in ("make test", "make nightly", "make queue-is-short"):
        text = text.replace(target, work)
    text = text.replace("make lint", "exit 0").replace("make tidy", "exit 0")
    return Runner(text, **more).run()


@needs_github
@pytest.mark.parametrize(
    ("work", "event", "before", "after"),
    [
        ("exit 0", "schedule", ["success"], ["success"]),
        ("exit 3", "schedule", ["success"], ["failure"]),  # before, a failed run is told to be a success
    ],
)
def test_a_notify_job_tells_what_became_of_the_run(work: str, event: str, before: list[str], after: list[str]) -> None:
    for side, wanted in (("before", before), ("after", after)):
        slack = Slack()
        run("own-status-in-a-notify-job", side, "ci.yml", work, event=event, plays={"8398a7/action-slack": slack},
            secrets={"SLACK_WEBHOOK": "https://x"})  # fmt: skip
        assert [each["status"] for each in slack.said] == wanted
        assert slack.said[0]["text"].startswith(f"CI: {wanted[0]}\n")


@needs_github
def test_a_job_that_was_skipped_after_a_failure_runs(tmp_path: Path) -> None:
    with receiver() as team:
        secrets = {"TEAM_WEBHOOK": team.url}
        run("a-notify-job-that-is-skipped", "before", "nightly.yml", "exit 3", secrets=secrets)
        assert team.told == []
        run("a-notify-job-that-is-skipped", "after", "nightly.yml", "exit 3", secrets=secrets)
        assert team.told == [{"text": "The nightly run failed"}]
        run("a-notify-job-that-is-skipped", "after", "nightly.yml", "exit 0", secrets=secrets)
        assert len(team.told) == 1


@needs_github
def test_a_new_notify_job_tells_slack_of_a_failure_alone_and_is_red_where_it_cannot() -> None:
    case, name = "a-deployment-that-nobody-watches", "deploy.yml"

    def go(work: str, to: str, **more: Any) -> WorkflowRun:
        text = (CASES / case / "after/.github/workflows" / name).read_text()
        assert github_code().problems(text) == []
        text = re.sub(r"aws ecs update-service.*\n.*", work, text)
        plays = {"actions/checkout": lambda with_, env: Played()}
        return Runner(text, secrets={"SLACK_RELEASES_URL": to}, plays=plays, **more).run()

    with receiver() as team:
        assert go("exit 0", team.url).jobs["notify"].result == "skipped"
        assert go("exit 3", team.url).jobs["notify"].result == "success"
        assert team.told == [
            {"text": "Deploy failed in owner/repository on main: http://127.0.0.1/owner/repository/actions/runs/77"}
        ]
        missing = go("exit 3", "").jobs["notify"]
        assert (missing.result, "SLACK_RELEASES_URL is empty" in missing.log) == ("failure", True)
        team.status = 404
        assert go("exit 3", team.url).jobs["notify"].result == "failure"


@needs_github
def test_without_a_channel_one_issue_is_opened_and_then_commented_on() -> None:
    case, name = "a-nightly-run-that-nobody-watches", "nightly.yml"
    plays = {"actions/checkout": lambda with_, env: Played()}
    with issues() as hub:
        env = {"GITHUB_API_URL": hub.url}
        for event, work, opened, comments in (
            ("schedule", "exit 0", 0, 0),
            ("pull_request", "exit 3", 0, 0),
            ("schedule", "exit 3", 1, 0),
            ("schedule", "exit 3", 1, 1),
        ):
            run(case, "after", name, work, event=event, env=env, plays=plays)
            assert (len(hub.issues), sum(len(each["comments"]) for each in hub.issues)) == (opened, comments)
        assert hub.issues[0]["labels"] == ["workflow-failure"]
        assert hub.issues[0]["title"] == "Nightly fails"
        hub.disabled = True
        assert (
            run(case, "after", name, "exit 3", event="schedule", env=env, plays=plays).jobs["notify"].result
            == "failure"
        )


@needs_github
def test_what_runs_every_five_minutes_tells_of_the_first_failure_in_a_row() -> None:
    case, name = "a-watch-every-five-minutes", "queue.yml"
    plays = {"actions/checkout": lambda with_, env: Played()}
    with issues() as hub:
        env = {
            "GITHUB_API_URL": hub.url,
            "GITHUB_WORKFLOW_REF": "owner/repository/.github/workflows/queue.yml@refs/heads/main",
        }
        told = []
        for event, work in [*(("schedule", each) for each in "0333033"), ("workflow_dispatch", "3")]:
            ended = run(case, "after", name, f"exit {work}", event=event, env=env, plays=plays)
            assert ended.jobs["notify"].result == ("skipped" if work == "0" else "success")
            hub.ended.append("success" if work == "0" else "failure")
            told.append(len(hub.issues) + sum(len(each["comments"]) for each in hub.issues))
        # A person who starts it is told each time.
        assert (told, len(hub.issues)) == ([0, 1, 1, 1, 1, 2, 2, 3], 1)


# -- the rules' own workflow, and Prometheus beside the application -------------------------------------------------

DOCKER = """\
#!/usr/bin/env bash
# `docker run` of an image of Prometheus: the same program, in the folder that is mounted.
while [ "$1" != --volume ]; do shift; done
cd "${2%%:*}"
while [[ $1 != prom/prometheus:v*@sha256:* ]]; do shift; done
shift
exec PROMTOOL "$@"
"""


@pytest.mark.needs("promtool", "amtool", "check-jsonschema", "node", "github-parser")
def test_what_compose_starts_is_accepted_and_its_rules_are_tested_by_the_workflow(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    shutil.copytree(CASES / "prometheus-in-compose/after", root)
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER.replace("PROMTOOL", component("promtool")))
    docker.chmod(0o755)
    text = (root / ".github/workflows/alerts.yml").read_text()
    assert github_code().problems(text) == []
    plays = {"actions/checkout": does_nothing}

    def tested() -> str:
        runner = Runner(text, plays=plays, workspace=root, path=[docker.parent])
        return runner.run().jobs["rules"].result

    assert tested() == "success"
    assert subprocess.run([component("amtool"), "check-config", root / "monitoring/alertmanager.yml"]).returncode == 0
    schema = [component("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(root / "compose.yml")]
    assert subprocess.run(schema).returncode == 0
    rules = root / "monitoring/alerts.yml"
    rules.write_text(rules.read_text().replace("> 0.01", "> 0.1"))
    assert tested() == "failure"
