"""What brings metrics of an application on ECS to CloudWatch, and who owns its cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from fixer.languages.tables import json_object, mapping, sequence
from fixer.patterns import Rare
from fixer.project.packages import PythonPackages
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

_AGENTS = ("datadog/agent", "newrelic-infra")
_INSIGHTS = ("containerInsights", "ContainerInsights", *_AGENTS)
_APPLICATION = (
    "aws-otel-collector", "cloudwatch-agent", "awsemf", "aws_embedded_metrics", "aws-embedded-metrics",
    "put-metric-data", "put_metric_data", "PutMetricData", *_AGENTS,
)  # fmt: skip
_ALARMS = (
    "put-metric-alarm", "put_metric_alarm", "aws_cloudwatch_metric_alarm", "AWS::CloudWatch::Alarm",
    "cloudwatch.Alarm(",
)  # fmt: skip
_PACKAGES = ("watchtower", "aws-embedded-metrics", "aws-otel-python")
_CLUSTERS = {
    "Terraform": Rare(
        r'resource\s+"aws_ecs_cluster"|terraform-aws-modules/ecs', '"aws_ecs_cluster"', "terraform-aws-modules/ecs"
    ),
    "CloudFormation": Rare(r"AWS::ECS::Cluster\b", "AWS::ECS::Cluster"),
    "CDK": Rare(r"\b(ecs\.Cluster|CfnCluster)\(", "Cluster"),
    "Pulumi": Rare(r"aws\.ecs\.Cluster\(", "aws.ecs.Cluster("),
}
_KINDS = (".tf", ".yml", ".yaml", ".json", ".template", ".ts", ".js", ".py", ".sh", ".hcl")  # in lower case only
_ASIDE = re.compile(
    r"(^|/)(node_modules|dist|build|docs?|tests?|locales?|static|public|assets)/|(^|/)package(-lock)?\.json$"
)


@record
class CloudWatch:
    """`by` is the file that says what exports metrics of containers or of the application, `application` one about the
    application; `alarms` one that makes alarms. `owner` is the tool, and `owner_path` the file, that makes the cluster.
    `task_definition` is the first file of the repository that is one, and `unlogged` its containers without logs."""

    by: str = ""
    application: str = ""
    alarms: str = ""
    owner: str = ""
    owner_path: str = ""
    task_definition: str = ""
    unlogged: tuple[str, ...] = ()

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Every repository has this fact."""
        by = application = alarms = owner = owner_path = task_definition = ""
        unlogged: tuple[str, ...] = ()
        for path in repository.files:
            if not path.endswith(_KINDS) or _ASIDE.search(path):
                continue
            text = repository.text(path)
            by = by or (path if any(word in text for word in _INSIGHTS) else "")
            application = application or (path if any(word in text for word in _APPLICATION) else "")
            alarms = alarms or (path if any(word in text for word in _ALARMS) else "")
            for tool, pattern in _CLUSTERS.items():
                if not owner and pattern.search(text):
                    owner, owner_path = tool, path
            if not task_definition and '"containerDefinitions"' in text and path.endswith(".json"):
                task_definition, unlogged = path, tuple(_unlogged(text))
        packages = repository.fact(PythonPackages)
        application = application or next(
            (name for name in _PACKAGES if packages is not None and packages.of(name)), ""
        )
        return cls(by or application, application, alarms, owner, owner_path, task_definition, unlogged)


def _unlogged(text: str) -> Iterator[str]:
    """The containers of a task definition that send what they print to nobody; none for a template."""
    for each in map(mapping, sequence(json_object(text).get("containerDefinitions"))):
        if isinstance(each.get("name"), str) and not each.get("logConfiguration"):
            yield each["name"]
