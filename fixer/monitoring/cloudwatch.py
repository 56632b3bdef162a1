"""What brings metrics of an application on ECS to CloudWatch, and who owns its cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from fixer.patterns import Rare
from fixer.project.packages import PythonPackages
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

_EXPORTS = (
    "containerInsights", "ContainerInsights", "aws-otel-collector", "cloudwatch-agent", "awsemf",
    "aws_embedded_metrics", "aws-embedded-metrics", "put-metric-data", "put_metric_data", "PutMetricData",
    "datadog/agent", "newrelic-infra",
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
    """`by` says what exports metrics already; `owner` is the tool, and `owner_path` the file, that makes the cluster.
    `task_definition` is the first file of the repository that looks like one."""

    by: str = ""
    owner: str = ""
    owner_path: str = ""
    task_definition: str = ""

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Every repository has this fact."""
        by = owner = owner_path = task_definition = ""
        for path in repository.ending(*_KINDS):
            if not path.endswith(_KINDS) or _ASIDE.search(path):
                continue
            text = repository.text(path)
            if not by and any(word in text for word in _EXPORTS):
                by = path
            for tool, pattern in _CLUSTERS.items():
                if not owner and pattern.search(text):
                    owner, owner_path = tool, path
            if not task_definition and '"containerDefinitions"' in text and path.endswith(".json"):
                task_definition = path
        packages = repository.fact(PythonPackages)
        asked = next((name for name in _PACKAGES if packages is not None and packages.of(name)), "")
        return cls(by or asked, owner, owner_path, task_definition)
