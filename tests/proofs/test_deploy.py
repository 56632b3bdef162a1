"""The deploy pack, executed: rewritten workflows run step by step, by the real AWS command line, against an emulator.

The workflow is the one of fixtures/financehub. What GitHub's actions do is played by the test; `docker push` pushes to
the emulator's registry; the application is an HTTP server that is healthy as the running image decides. Only time is
shortened: waiters poll quickly, `sleep` sleeps a moment, and deadlines are seconds.
"""

from __future__ import annotations

import json
import re
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from fixer.registry import all_rules
from tests.components import path as component
from tests.fixture_cases import FIXTURES, files, planned
from tests.proofs.aws import ACCOUNT, CLUSTER, REGION, REGISTRY, REPOSITORY, SERVICE, Aws, emulator
from tests.proofs.github_code import github_code
from tests.proofs.loopback import served
from tests.proofs.runner import Played, Runner, WorkflowRun, does_nothing

pytestmark = pytest.mark.needs("aws", "moto", "node", "github-parser", "jq")

DEPLOY = ".github/workflows/deploy.yml"
CONFIG = '[rules.missing-predeploy-backup]\ninstance = "${{ vars.RDS_INSTANCE }}"\n'
PACK = {
    "missing-rollback",
    "missing-deploy-migration",
    "hardcoded-sleep",
    "deprecated-release-action",
    "single-shot-health-check",
    "missing-predeploy-backup",
}
DOCKER = """\
#!/bin/sh
# Builds nothing; `docker push` pushes the test's manifest.
[ "$1" = push ] || exit 0
exec aws ecr put-image --repository-name "%s" --image-tag "${2##*:}" --image-manifest "file://$PUSHED_MANIFEST" \\
  --output text --query image.imageId.imageTag
"""


INLINE = "".join(f'[rules.{rule}]\nstyle = "inline"\n' for rule in ("missing-rollback", "missing-deploy-migration"))
STYLES = {"action": CONFIG, "inline": f'{CONFIG}style = "inline"\n{INLINE}'}
CONFIGURATIONS = STYLES | {"platform": 'rules.missing-rollback.style = "platform"\n'}


class Repository(str):
    """The text of a deploy workflow, with all files of its repository."""

    files: dict[str, bytes]


def fixed(before: dict[str, bytes], root: Path, *, rules: set[str] = PACK, style: str = "action") -> Repository:
    """What the pack makes of a repository, in one apply, and nothing in a second one."""
    chosen = [rule for rule in all_rules() if rule.id in rules]
    plan = planned(root / "first", before, chosen, CONFIGURATIONS[style])
    assert not plan.faults
    after = before | {name: change.after.to_bytes() for name, change in plan.files.items()}
    again = planned(root / "second", after, chosen, CONFIGURATIONS[style])
    assert not again.files
    made = Repository(after[DEPLOY].decode())
    made.files = after
    return made


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with emulator(tmp_path_factory.mktemp("aws")) as found:
        for name, text in {
            "docker": DOCKER % REPOSITORY,
            "sleep": "#!/bin/sh\nexec /bin/sleep 0.05\n",
            "gh": "#!/bin/sh\n",
        }.items():
            program = found.path / name
            program.write_text(text)
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        yield found


@dataclass
class Application:
    """Answers 200 where `healthy` says so, else 503."""

    port: int
    healthy: Callable[[], bool] = lambda: True
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def application() -> Iterator[Application]:
    found = Application(0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            self.send_response(200 if found.healthy() else 503)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with served(Handler) as url:
        found.port = int(url.rpartition(":")[2])
        yield found


@pytest.fixture(scope="module", params=STYLES)
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def rewritten(style: str, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return fixed(files(FIXTURES / "financehub" / "before"), tmp_path_factory.mktemp("fixed"), style=style)


@dataclass
class World:
    """A steady service on the first image, and what a run did to it."""

    aws: Aws
    application: Application
    first: str
    revision: str
    second: str = ""
    releases: list[dict[str, Any]] = field(default_factory=list)
    notified: bool = True

    @property
    def on_first(self) -> bool:
        return self.aws.running_images() == {self.first}

    def deploy(self, workflow: str, *, job: str = "production", image: str = "second", **more: Any) -> WorkflowRun:
        """Run the jobs of one environment; `image` is what the build makes."""
        self.second = self.aws.push(image, "probe")
        manifest = self.aws.folder / "manifest.json"
        manifest.write_text(self.aws.manifest(image))
        names = [name for name in re.findall(r"^  ([\w-]+):$", workflow, re.MULTILINE) if job in name]
        plays = {
            "actions/checkout": does_nothing,
            "aws-actions/configure-aws-credentials": self.sign_in,
            "aws-actions/amazon-ecr-login": lambda with_, env: Played({"registry": REGISTRY}),
            "8398a7/action-slack": lambda with_, env: Played(ok=self.notified),
            "softprops/action-gh-release": self.release,
        }
        more.setdefault("variables", {"RDS_INSTANCE": "harvestbook-db"})
        plays |= more.pop("plays", {})
        environment = {**self.aws.env, "PUSHED_MANIFEST": str(manifest)}
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
            environment.pop(name)
        text = shortened(workflow, self.application.port)
        repository = getattr(workflow, "files", {})
        return Runner(
            text,
            secrets={
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "hidden-key",
                "SLACK_WEBHOOK": "hidden-hook",
                **more.pop("secrets", {}),
            },
            plays=plays,
            env=environment,
            path=[self.aws.path],
            only=names,
            files={p: shortened(d.decode(), 0).encode() for p, d in repository.items() if ".github/actions/" in p},
            **more,
        ).run()

    def sign_in(self, with_: dict[str, Any], env: dict[str, str]) -> Played:
        """As the action does; with `mask-aws-account-id`, which hides the account's number in outputs."""
        return Played(
            env={
                "AWS_ACCESS_KEY_ID": with_["aws-access-key-id"],
                "AWS_SECRET_ACCESS_KEY": with_["aws-secret-access-key"],
                "AWS_REGION": with_["aws-region"],
                "AWS_DEFAULT_REGION": with_["aws-region"],
            },
            masks=(ACCOUNT,),
        )

    def release(self, with_: dict[str, Any], env: dict[str, str]) -> Played:
        self.releases.append(with_)
        return Played()


def shortened(workflow: str, port: int) -> str:
    """The same workflow, with the application on this machine, deadlines in seconds and no pause between retries."""
    text: str = re.sub(r"https://[\w.-]*harvestbook\.example", f"http://127.0.0.1:{port}", workflow)
    text = re.sub(r"(date \+%s\) \+ )(\d+)", lambda found: f"{found[1]}{3 if int(found[2]) > 100 else 1}", text)
    return re.sub(r"--retry \d+ --retry-delay \d+", "--retry 2 --retry-delay 1", text)


@pytest.fixture
def world(aws: Aws, application: Application) -> World:
    return start(aws, application)


def start(aws: Aws, application: Application, **environment: str) -> World:
    aws.reset()
    first = aws.push("first", "0", "production")
    revision = aws.task_definition(f"{REGISTRY}/{REPOSITORY}:production", **environment)
    aws.create_service(revision)
    application.healthy, application.asked = lambda: True, []
    return World(aws, application, first, revision)


def position(calls: list[str], command: str) -> int:
    return next((at for at, call in enumerate(calls) if command in call), -1)


# -- the rewritten workflow of FinanceHub's shape ---------------------------------------------------------------------


@pytest.mark.needs("actionlint", "shellcheck")
def test_github_and_the_linters_accept_the_rewritten_workflow(rewritten: Repository, tmp_path: Path) -> None:
    assert github_code().problems(rewritten) == []
    file = tmp_path / DEPLOY
    file.parent.mkdir(parents=True)
    file.write_text(rewritten)
    (tmp_path / ".git").mkdir()
    command = [component("actionlint"), "-shellcheck", component("shellcheck"), "-format", "{{json .}}", DEPLOY]
    found = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout)
    before = (FIXTURES / "financehub" / "before" / DEPLOY).read_text()
    lines = rewritten.splitlines()
    for problem in found:
        # Whatever a linter still says is about a line that was there before.
        script = lines[problem["line"] - 1]
        assert script in before, problem


def test_a_healthy_version_is_deployed_after_a_snapshot_and_a_migration(world: World, rewritten: Repository) -> None:
    run = world.deploy(rewritten)
    assert run.result == "success", run.log
    calls = world.aws.calls
    order = [position(calls, c) for c in ("create-db-snapshot", "run-task", "update-service", "wait services-stable")]
    assert order == sorted(order)
    assert order[0] > 0
    assert world.aws.running_images() == {world.second}
    assert [(s["DBSnapshotIdentifier"], s["Status"]) for s in world.aws.snapshots()] == [
        ("pre-deploy-77-1", "available")
    ]
    assert run.jobs["rollback-ship-production"].result == "skipped"
    assert world.releases[0]["target_commitish"] == "0123456789" * 4
    assert "hidden" not in run.log


def test_an_unhealthy_version_ends_on_the_image_that_ran_before_and_a_red_run(
    world: World, rewritten: Repository
) -> None:
    world.application.healthy = lambda: world.on_first
    run = world.deploy(rewritten)
    assert run.jobs["ship-production"].result == "failure"
    assert run.jobs["ship-production"].outputs["previous_task_definition"] == world.revision
    assert run.jobs["rollback-ship-production"].result == "success", run.log
    assert run.result == "failure"
    assert world.on_first
    assert world.aws.runs() == world.revision
    assert world.aws.digest_of("production") == world.first
    assert "snapshot pre-deploy-77-1" in run.jobs["rollback-ship-production"].log
    assert not world.releases


def test_a_version_that_never_starts_is_noticed_though_the_old_one_still_answers(
    world: World, rewritten: Repository
) -> None:
    run = world.deploy(rewritten, image="bad")
    assert "was not steady" in run.jobs["ship-production"].log
    assert run.jobs["rollback-ship-production"].result == "success", run.log
    assert run.result == "failure"
    assert world.on_first


def test_a_circuit_breaker_that_went_back_by_itself_is_a_failed_deployment(
    aws: Aws, application: Application, rewritten: Repository
) -> None:
    world = start(aws, application)
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    aws.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, deploymentConfiguration=breaker)
    world.deploy(rewritten, image="bad")
    # Only the tag tells the two apart; with its first image back the service runs as before.
    assert world.on_first


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"SIM_EXIT_CODE": "3"}, "failed with exit code 3"),
        ({"SIM_STOP": "pull"}, "failed with exit code unknown: CannotPull"),
        ({"SIM_RUN_FAILURE": "RESOURCE:ENI"}, "was not started: RESOURCE:ENI"),
    ],
)
def test_a_failed_migration_stops_before_the_service_is_touched(
    aws: Aws, application: Application, rewritten: Repository, environment: dict[str, str], said: str
) -> None:
    world = start(aws, application, **environment)
    run = world.deploy(rewritten)
    production = run.jobs["ship-production"]
    assert said in production.step("Migrate the database").log
    assert production.step("New tasks in production").outcome == "skipped"
    assert position(world.aws.calls, "update-service") < 0 or run.jobs["rollback-ship-production"].result == "success"
    assert run.result == "failure"
    assert world.on_first
    assert aws.digest_of("production") == world.first


def test_a_migration_that_takes_longer_than_one_waiter_is_waited_for(
    aws: Aws, application: Application, rewritten: Repository
) -> None:
    world = start(aws, application, SIM_TICKS="30")
    run = world.deploy(rewritten)
    assert run.result == "success", run.log
    assert sum("wait tasks-stopped" in call for call in aws.calls) > 1


@pytest.mark.parametrize(("instance", "said"), [("broken-db", "failed"), ("", "No database instance is named")])
def test_without_a_snapshot_nothing_is_migrated_or_deployed(
    world: World, rewritten: Repository, instance: str, said: str
) -> None:
    run = world.deploy(rewritten, variables={"RDS_INSTANCE": instance})
    production = run.jobs["ship-production"]
    assert said in production.step("Snapshot the database").log
    assert production.step("Migrate the database").outcome == "skipped"
    assert position(world.aws.calls, "run-task") < 0
    assert run.result == "failure"
    assert world.on_first


def test_a_second_attempt_of_a_run_takes_a_snapshot_of_its_own(world: World, rewritten: Repository) -> None:
    assert world.deploy(rewritten).result == "success"
    assert world.deploy(rewritten, image="third", github={"run_attempt": "2"}).result == "success"
    assert {s["DBSnapshotIdentifier"] for s in world.aws.snapshots()} == {"pre-deploy-77-1", "pre-deploy-77-2"}


def test_the_first_deployment_of_all_has_nothing_to_go_back_to_and_says_so(
    aws: Aws, application: Application, rewritten: Repository
) -> None:
    aws.reset()
    aws.push("bad", "0", "production")
    revision = aws.task_definition(f"{REGISTRY}/{REPOSITORY}:production")
    aws.create_service(revision)
    world = World(aws, application, "", revision)
    run = world.deploy(rewritten, image="bad again")
    assert "has never run steadily" in run.jobs["ship-production"].step("Record what runs now").log
    assert run.jobs["rollback-ship-production"].result == "failure"
    assert "Nothing to go back to" in run.jobs["rollback-ship-production"].log
    assert run.result == "failure"


def test_a_first_deployment_that_works_is_let_through(
    aws: Aws, application: Application, rewritten: Repository
) -> None:
    aws.reset()
    application.healthy = lambda: True
    aws.push("bad", "0", "production")
    revision = aws.task_definition(f"{REGISTRY}/{REPOSITORY}:production")
    aws.create_service(revision)
    assert World(aws, application, "", revision).deploy(rewritten).result == "success"


def test_what_is_recorded_is_the_last_version_that_ran_steadily(world: World, rewritten: Repository) -> None:
    """The deployment before this one never became steady, and is still being tried."""
    world.aws.push("bad", "1", "production")
    world.aws.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, forceNewDeployment=True)
    world.application.healthy = lambda: world.on_first
    run = world.deploy(rewritten)
    assert run.jobs["rollback-ship-production"].result == "success", run.log
    assert world.on_first


def test_a_cancelled_deployment_goes_back_too(world: World, rewritten: Repository) -> None:
    run = world.deploy(rewritten, cancel_in="Give it time")
    assert run.jobs["ship-production"].result == "cancelled"
    assert run.jobs["rollback-ship-production"].result == "success", run.log
    assert world.on_first


def test_a_message_that_cannot_be_sent_rolls_no_healthy_version_back(world: World, rewritten: Repository) -> None:
    world.notified = False
    run = world.deploy(rewritten)
    assert run.jobs["ship-production"].result == "failure"
    assert run.jobs["rollback-ship-production"].result == "skipped"
    assert world.aws.running_images() == {world.second}


def test_a_deployment_that_is_not_meant_for_this_branch_is_not_rolled_back(world: World, rewritten: Repository) -> None:
    run = world.deploy(rewritten, github={"ref": "refs/heads/topic"})
    assert {run.jobs[name].result for name in ("ship-production", "rollback-ship-production")} == {"skipped"}


# -- a rollback that was there, and did not work ----------------------------------------------------------------------

BROKEN = FIXTURES / "missing-rollback" / "reads-after-the-deployment"


def test_a_rollback_that_reads_after_the_deployment_keeps_the_version_that_failed(world: World) -> None:
    world.application.healthy = lambda: world.on_first
    run = world.deploy((BROKEN / "before" / DEPLOY).read_text())
    assert run.jobs["rollback-production"].step("Put it back").outcome == "success"
    assert not world.on_first


def test_and_repaired_it_restores_what_ran_before(world: World, style: str, tmp_path: Path) -> None:
    world.application.healthy = lambda: world.on_first
    repaired = fixed(files(BROKEN / "before"), tmp_path, rules={"missing-rollback"}, style=style)
    run = world.deploy(repaired)
    assert run.jobs["rollback-production"].result == "success", run.log
    assert run.result == "failure"
    assert world.on_first


POSTS = FIXTURES / "missing-rollback" / "posts-to-the-deployments-api"


@pytest.mark.parametrize("repaired", [False, True])
def test_a_deployment_that_is_only_posted_to_github_restores_nothing(
    world: World, tmp_path: Path, repaired: bool
) -> None:
    world.aws.task_definition("harvestbook:2")
    world.application.healthy = lambda: world.aws.runs() == world.revision
    before = files(POSTS / "before")
    workflow = fixed(before, tmp_path, rules={"missing-rollback"}) if repaired else before[DEPLOY].decode()
    run = world.deploy(workflow)
    assert run.jobs["rollback-production"].result == "success", run.log
    assert run.result == "failure"
    assert (world.aws.runs() == world.revision) is repaired


# -- a task definition of its own for each version --------------------------------------------------------------------

REVISIONS = FIXTURES / "missing-rollback" / "task-definition-action"


def register_and_deploy(world: World, with_: dict[str, Any]) -> Played:
    """aws-actions/amazon-ecs-deploy-task-definition, as far as these workflows use it."""
    definition = json.loads(Path(with_["task-definition"]).read_text())
    for name in ("revision", "status", "registeredAt"):
        definition.pop(name, None)
    ecs = world.aws.client("ecs")
    arn = ecs.register_task_definition(**definition)["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster=with_["cluster"], service=with_["service"], taskDefinition=arn)
    return Played({"task-definition-arn": arn})


def rendered(world: World, image: str, **environment: str) -> Callable[[dict[str, Any], dict[str, str]], Played]:
    """aws-actions/amazon-ecs-render-task-definition: a file that also holds what cannot be registered."""

    def play(with_: dict[str, Any], env: dict[str, str]) -> Played:
        container = {
            "name": with_["container-name"],
            "image": image,
            "environment": [{"name": name, "value": value} for name, value in environment.items()],
        }
        file = world.aws.folder / "task-definition.json"
        definition = {
            "family": SERVICE,
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [container],
            "revision": 4,
            "status": "ACTIVE",
            "registeredAt": "2026-01-01T00:00:00Z",
        }
        file.write_text(json.dumps(definition))
        return Played({"task-definition": str(file)})

    return play


def plays_of(world: World, image: str, **environment: str) -> dict[str, Any]:
    return {
        "aws-actions/amazon-ecs-render-task-definition": rendered(world, image, **environment),
        "aws-actions/amazon-ecs-deploy-task-definition": lambda with_, env: register_and_deploy(world, with_),
    }


@pytest.fixture(scope="module")
def revisions(style: str, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return fixed(files(REVISIONS / "before"), tmp_path_factory.mktemp("revisions"), style=style)


def test_the_new_revision_migrates_before_it_is_deployed(world: World, revisions: Repository) -> None:
    run = world.deploy(revisions, plays=plays_of(world, "harvestbook:2"))
    assert run.result == "success", run.log
    assert "Migrating with harvestbook-api:2" in run.log
    assert world.aws.runs() == f"{SERVICE}:3"


def test_a_revision_whose_migration_fails_is_not_deployed(world: World, revisions: Repository) -> None:
    run = world.deploy(revisions, plays=plays_of(world, "harvestbook:2", SIM_EXIT_CODE="1"))
    assert run.result == "failure"
    assert run.jobs["deploy-production"].step("Deploy").outcome == "skipped"
    assert world.aws.runs() == world.revision


def test_an_unhealthy_revision_is_replaced_by_the_one_before(world: World, revisions: Repository) -> None:
    world.application.healthy = lambda: world.aws.runs() == world.revision
    run = world.deploy(revisions, plays=plays_of(world, "harvestbook:2"))
    assert run.jobs["rollback-production"].result == "success", run.log
    assert run.result == "failure"
    assert world.aws.runs() == world.revision
    assert REGION in world.aws.env["AWS_REGION"]


def test_a_service_whose_name_is_a_secret_goes_back_by_the_number_of_its_revision(world: World, tmp_path: Path) -> None:
    """GitHub drops `family:revision` here; the emulator's family is called like the service."""
    world.application.healthy = lambda: world.aws.runs() == world.revision
    case = FIXTURES / "missing-rollback" / "names-kept-as-secrets"
    workflow = fixed(files(case / "before"), tmp_path, rules={"missing-rollback"})
    secrets = {"ECS_CLUSTER": CLUSTER, "ECS_SERVICE": SERVICE}
    run = world.deploy(workflow, secrets=secrets, plays=plays_of(world, "harvestbook:2"))
    assert run.jobs["deploy-production"].outputs == {"previous_revision": "1"}
    assert run.jobs["rollback-production"].result == "success", run.log
    assert run.result == "failure"
    assert world.aws.runs() == world.revision


# -- a migration and a snapshot that are there, and that nobody waits for ---------------------------------------------

FORGOTTEN = FIXTURES / "missing-deploy-migration" / "failures-that-nobody-notices"
ENDS = {
    "well": ({}, "success"),
    "with an exit code": ({"SIM_EXIT_CODE": "3"}, "failure"),
    "before it started": ({"SIM_STOP": "pull"}, "failure"),
    "without a task": ({"SIM_RUN_FAILURE": "RESOURCE:ENI"}, "failure"),
}


@pytest.mark.parametrize(
    ("job", "end"),
    [*(("forgotten", end) for end in ENDS), ("unread", "without a task"), ("by-jq", "without a task")],
)
def test_a_migration_that_nobody_looked_at_fails_its_step_when_it_fails(
    aws: Aws, application: Application, job: str, end: str
) -> None:
    environment, ends = ENDS[end]
    world = start(aws, application, **environment)
    results = []
    for side in ("before", "after"):
        text = (FORGOTTEN / side / ".github/workflows/ecs.yml").read_text()
        network = f"'awsvpcConfiguration={{subnets=[{aws.subnet}],securityGroups=[{aws.group}]}}'"
        text = text.replace("quince-migrate", f"{SERVICE} --launch-type FARGATE --network-configuration {network}")
        text = (
            text.replace('"name":"web"', '"name":"api"')
            .replace("=='web'", "=='api'")
            .replace("$NAME", "api")
            .replace("us-east-1", REGION)
        )
        text = text.replace("--cluster quince", f"--cluster {CLUSTER}").replace('"$CLUSTER"', CLUSTER)
        plays = {"aws-actions/configure-aws-credentials": signed_in}
        text = text.replace("--service web", f"--service {SERVICE}")
        run = world.deploy(text, job=job, image=side, plays=plays)
        results.append(run.result)
    hangs = job == "unread"  # the waiter's own end, after ten minutes
    assert results == ["failure" if hangs else "success", ends], run.log


def signed_in(with_: dict[str, Any], env: dict[str, str]) -> Played:
    """aws-actions/configure-aws-credentials, with a role."""
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return Played(env={**keys, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION})


DAILY = FIXTURES / "missing-predeploy-backup" / "a-snapshot-of-one-name-a-day"


@pytest.mark.parametrize("job", ["production", "production-eu"])
def test_a_snapshot_of_one_name_a_day_is_taken_again_and_waited_for(world: World, job: str) -> None:
    plays = {"aws-actions/configure-aws-credentials": signed_in}
    for side, second in (("before", "failure"), ("after", "success")):
        text = (DAILY / side / DEPLOY).read_text().replace("identifier quince ", "identifier harvestbook-db ")
        text = text.replace("eu-west-1", REGION).replace("web:${{ github.run_number }}", SERVICE)
        text = text.replace("--cluster quince", f"--cluster {CLUSTER}").replace("--service web", f"--service {SERVICE}")
        text = re.sub(rf"^  {job}:$", "  chosen:", text, flags=re.MULTILINE)
        attempts = [
            world.deploy(text, job="chosen", image=f"{side}-{n}", plays=plays, github={"run_attempt": n})
            for n in ("1", "2")
        ]
        assert [run.result for run in attempts] == ["success", second]
        taken = [snapshot["Status"] for snapshot in world.aws.snapshots()]
        assert taken[-2:] == (["creating"] if side == "before" else ["available", "available"])


# -- by what ECS has -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "healthy", "result", "back"),
    [("second", True, "success", False), ("bad", True, "failure", True), ("second", False, "failure", False)],
)
def test_ecs_takes_back_what_does_not_start_and_not_what_only_the_workflow_finds_unhealthy(
    world: World, tmp_path: Path, image: str, healthy: bool, result: str, back: bool
) -> None:
    """The last is why it is not enough, and why the fix says so."""
    world.application.healthy = lambda: healthy
    before = files(FIXTURES / "missing-rollback" / "task-definition-action" / "before")
    workflow = fixed(before, tmp_path, rules={"missing-rollback"}, style="platform")
    run = world.deploy(workflow, plays=plays_of(world, f"harvestbook:{image}"))
    assert run.result == result, run.log
    assert (world.aws.runs() == world.revision) is back
    assert "rollback-production" not in run.jobs
