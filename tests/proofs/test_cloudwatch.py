"""Container Insights, turned on by the step of the fixed job, with the real AWS command line against an emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import ParamValidationError  # type: ignore[import-untyped]

from tests.fixture_cases import FIXTURES
from tests.proofs.aws import Aws, emulator
from tests.proofs.github_code import github_code
from tests.proofs.runner import JobRun, Runner, does_nothing

pytestmark = pytest.mark.needs("aws", "moto", "node", "github-parser")

WORKFLOW = FIXTURES / "missing-cloudwatch-export/a-cluster-of-production/after/.github/workflows/deploy.yml"
ALARMS = FIXTURES / "missing-cloudwatch-export/alarms-for-a-topic/after/.github/workflows/deploy.yml"
STEP = "Export metrics to CloudWatch"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with emulator(tmp_path_factory.mktemp("aws")) as found:
        yield found


def run(aws: Aws, wrong: tuple[str, str] = ("", ""), workflow: Path = WORKFLOW) -> JobRun:
    text = workflow.read_text()
    assert github_code().problems(text) == []
    assert wrong[0] in text
    data = yaml.safe_load(text.replace(*wrong) if wrong[0] else text)
    steps = data["jobs"]["production"]["steps"]
    data["jobs"]["production"]["steps"] = [step for step in steps if step.get("name") != "Deploy"]
    text = yaml.safe_dump({("on" if key is True else key): value for key, value in data.items()}, sort_keys=False)
    region = {"AWS_REGION": aws.env["AWS_REGION"]}
    text = text.replace("eu-west-1", region["AWS_REGION"])
    aws.calls_file.write_text("")
    plays = {"aws-actions/configure-aws-credentials": does_nothing}
    return Runner(text, plays=plays, env=aws.env, path=[aws.path]).run().jobs["production"]


def updates(aws: Aws) -> int:
    return sum("update-cluster" in call for call in aws.calls)


def setting(aws: Aws) -> str:
    found = aws.client("ecs").describe_clusters(clusters=["shop"], include=["SETTINGS"])["clusters"][0]
    return next((each["value"] for each in found.get("settings", []) if each["name"] == "containerInsights"), "")


def test_it_is_turned_on_once_kept_where_it_is_on_and_red_without_a_cluster(aws: Aws, tmp_path: Path) -> None:
    aws.reset()
    assert run(aws).step(STEP).outcome == "failure", "there is no such cluster"
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="shop")
    assert run(aws).step(STEP).outcome == "success"
    assert (setting(aws), updates(aws)) == ("enhanced", 1)
    assert run(aws).step(STEP).outcome == "success"
    assert updates(aws) == 0
    ecs.update_cluster(cluster="shop", settings=[{"name": "containerInsights", "value": "enabled"}])
    assert run(aws).step(STEP).outcome == "success"
    assert (setting(aws), updates(aws)) == ("enabled", 0)


def test_a_step_that_turns_on_something_else_is_red(aws: Aws) -> None:
    """The planted fault: what is not read back could be anything."""
    aws.reset()
    aws.client("ecs").create_cluster(clusterName="shop")
    found = run(aws, ("value=enhanced", "value=disabled"))
    assert found.step(STEP).outcome == "failure"
    assert "does not export its metrics" in found.step(STEP).log


def test_alarms_are_made_once_and_tell_the_topic(aws: Aws) -> None:
    aws.reset()
    aws.client("ecs").create_cluster(clusterName="shop")
    for _ in range(2):
        assert run(aws, workflow=ALARMS).result == "success"
    made = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert sorted(each["MetricName"] for each in made) == ["CPUUtilization", "MemoryUtilization"]
    for each in made:
        assert [topic.rpartition(":")[2] for topic in each["AlarmActions"]] == ["team"]
        assert each["Dimensions"] == [{"Name": "ClusterName", "Value": "shop"}, {"Name": "ServiceName", "Value": "web"}]
    # The planted fault: an alarm that nobody hears of.
    assert run(aws, ('--alarm-actions "$TOPIC"', "--actions-enabled"), ALARMS).result == "success"
    assert [each["AlarmActions"] for each in aws.client("cloudwatch").describe_alarms()["MetricAlarms"]] == [[], []]


def test_the_task_definition_sends_what_its_containers_print(aws: Aws) -> None:
    """As the service reads it; the planted fault is a driver that nobody knows."""
    folder = FIXTURES / "missing-cloudwatch-export/a-task-definition-that-logs-nowhere/after/deploy"
    given = json.loads((folder / "task-definition.json").read_text())
    for each in given["containerDefinitions"]:
        each["memory"] = 256  # the emulator wants it for Fargate, too
    ecs = aws.client("ecs")
    made = ecs.register_task_definition(**given)["taskDefinition"]
    groups = [each["logConfiguration"]["options"]["awslogs-group"] for each in made["containerDefinitions"]]
    assert groups == ["/ecs/shop", "/ecs/shop"]

    given["containerDefinitions"][0]["logConfiguration"] = {"driver": "awslogs"}
    with pytest.raises(ParamValidationError):
        ecs.register_task_definition(**given)
