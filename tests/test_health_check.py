"""Which calls are health checks, where they point, and what deploys."""

from __future__ import annotations

import pytest

from fixer.deploy.commands import StepScript, action_deploys, deploys, job_deploys
from fixer.deploy.health_check import HealthCheck, Probe, health_checks, is_local, stay_healthy, wait_until_healthy
from fixer.github.expressions import places
from fixer.github.workflow import Step, Workflow
from fixer.languages.shell import Script
from fixer.model import Source
from fixer.scripts import Quoted


def one(text: str) -> HealthCheck | None:
    found = health_checks(Script.parse(text, placeholders=places(text)))
    assert len(found) < 2
    return found[0] if found else None


def step(text: str, uses: str = "") -> Step:
    body = "\n".join(f"            {line}" for line in text.splitlines())
    with_ = f"      - uses: {uses}\n        with:\n          script: |\n{body}\n"
    run = f"      - run: |\n{body}\n"
    lines = f"on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{with_ if uses else run}"
    return Workflow.parse(Source(".github/workflows/a.yml", lines)).steps[0]


@pytest.mark.parametrize(
    ("text", "url", "options", "fails"),
    [
        ("curl -f https://a.example/x", "https://a.example/x", [], True),
        ("curl --fail-with-body --silent https://a.example", "https://a.example", [], True),
        ("curl -sSfL https://a.example", "https://a.example", ["-L"], True),
        ("curl -fo /dev/null -H 'A: b' --insecure $URL", "$URL", ["-H", "A: b", "--insecure"], True),
        ("curl -fm5 -u me:$PASS --url https://a.example", "https://a.example", ["-u", "me:$PASS"], True),
        ("curl https://a.example/health", "https://a.example/health", [], False),
        ("curl -f https://a.example | jq .ok", "https://a.example", [], True),
        ("curl -f https://a.example > /dev/null 2>&1", "https://a.example", [], True),
        ("curl -f -X GET https://a.example", "https://a.example", [], True),
        ("wget -q --spider https://a.example", "https://a.example", [], True),
        ("wget -qO- --timeout=5 https://a.example", "https://a.example", [], True),
        ("wget --tries=3 -O /dev/null https://a.example", "https://a.example", [], True),
    ],
)
def test_a_call_that_fetches_one_address_and_keeps_nothing_is_a_check(
    text: str, url: str, options: list[str], fails: bool
) -> None:
    found = one(text)

    assert found is not None
    assert (found.url.text, [word.text for word in found.options], found.fails) == (url, options, fails)


@pytest.mark.parametrize(
    "text",
    [
        "curl https://a.example/page",
        "curl -f -X POST https://a.example/deploy",
        "curl -fd x=1 https://a.example/health",
        "curl -fsSL https://a.example/install.sh | bash",
        "curl -fsSL https://a.example/a.tgz 2>/dev/null | tar xz",
        "curl -fO https://a.example/a.tgz",
        "curl -f https://a.example/a.json -o a.json",
        "curl -f https://a.example/a.json > a.json",
        "curl -f https://a.example https://b.example",
        "curl -f https://api.github.com/repos/a/b",
        "curl -f https://hooks.slack.com/services/x",
        "wget https://a.example/a.tgz",
        "wget -qO- https://a.example/install.sh | sh",
        "wget -q --header 'A: b' --spider https://a.example",
        "echo curl -f https://a.example",
    ],
)
def test_other_calls_are_none(text: str) -> None:
    assert one(text) is None


def test_a_status_that_is_compared_with_a_failure_expects_one() -> None:
    read = "code=$(curl -s -o /dev/null -w '%{http_code}' https://a.example/private)\n"
    good, bad = one(read + '[ "$code" = 200 ]'), one(read + '[ "$code" = 401 ]')

    assert good is not None
    assert good.reads_status
    assert good.expects_success
    assert bad is not None
    assert not bad.expects_success


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8000/health", True),
        ("localhost/health", True),
        ("http://127.0.0.1", True),
        ("http://0.0.0.0:$PORT/", True),
        ("http://web:8000/health", True),
        ("http://web/health", True),
        ("https://a.example/localhost", False),
        ("https://localhost.example/", False),
        ("$URL/health", False),
        ("https://${{ vars.HOST }}:8443/health", False),
    ],
)
def test_an_address_on_the_runner_is_told_from_one_elsewhere(url: str, local: bool) -> None:
    assert is_local(url) == local


def test_the_loops_leave_the_variables_of_the_script_alone() -> None:
    text = 'url=mine\ndeadline=tomorrow\necho "$url"\n'
    lines = "\n".join(wait_until_healthy([Probe(Quoted("https://a.example"))], 60, 5, text))
    soak = "\n".join(stay_healthy([Probe(Quoted("https://a.example"))], 60, 5, text))

    for script in (lines, soak):
        assert "health_url=https://a.example" in script
        assert "$url" not in script
        assert "$deadline" not in script


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("aws ecs update-service --cluster a --service b --force-new-deployment", True),
        ("aws --region x ecs update-service --cluster a --service b --task-definition c", True),
        ("aws ecs update-service --cluster a --service b --desired-count 2", False),
        ("aws ecs describe-services --cluster a", False),
        ("kubectl -n shop set image deployment/web web=x", True),
        ("kubectl get pods", False),
        ("helm upgrade --install web ./chart", True),
        ("flyctl deploy --remote-only", True),
        ("curl -X POST $RENDER_DEPLOY_HOOK", True),
        ("curl -X POST https://a.example/api/login", False),
        ("ssh me@host 'docker compose up -d'", True),
        ("docker compose up -d", False),
        ("echo aws ecs update-service", False),
        ("npx vercel deploy --prod", True),
    ],
)
def test_commands_that_deploy(text: str, wanted: bool) -> None:
    assert deploys(step(text)) == wanted


def test_what_an_ssh_action_runs_is_a_script_on_a_server() -> None:
    found = StepScript.of(step("docker compose up -d\nsleep 5", uses="appleboy/ssh-action@v1"))

    assert found is not None
    assert found.remote
    assert [command.name for command in found.deploying()] == ["docker"]


@pytest.mark.parametrize(
    ("uses", "wanted"),
    [
        ("appleboy/ssh-action@v1", True),
        ("akhileshns/heroku-deploy@v3", True),
        ("somebody/deploy-to-somewhere@v1", True),
        ("somebody/deploy-tools/push@v1", False),
        ("superfly/flyctl-actions/setup-flyctl@master", False),
        ("actions/checkout@v6", False),
        ("actions/upload-pages-artifact@v4", False),
        ("chrnorm/deployment-action@v2", False),
    ],
)
def test_actions_that_deploy(uses: str, wanted: bool) -> None:
    assert action_deploys(step("x", uses=uses)) == wanted


def test_a_job_deploys_if_one_that_it_needs_does() -> None:
    text = (
        "on: push\njobs:\n"
        "  a: {runs-on: x, steps: [{run: kamal deploy}]}\n"
        "  b: {runs-on: x, needs: a, steps: [{run: echo}]}\n"
        "  c: {runs-on: x, needs: [b], steps: [{run: echo}]}\n"
        "  d: {runs-on: x, steps: [{run: echo}]}\n"
    )
    jobs = Workflow.parse(Source(".github/workflows/a.yml", text)).jobs

    assert {name: job_deploys(job) for name, job in jobs.items()} == {"a": True, "b": True, "c": True, "d": False}
