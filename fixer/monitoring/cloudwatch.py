"""What brings metrics of an application on ECS to CloudWatch, and who owns its cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from fixer.project.packages import PythonPackages

if TYPE_CHECKING:
    from fixer.repository import Repository

_EXPORTS = re.compile(
    r"containerInsights|ContainerInsights|aws-otel-collector|cloudwatch-agent|amazon-cloudwatch-agent|awsemf|"
    r"aws_embedded_metrics|aws-embedded-metrics|put-metric-data|put_metric_data|PutMetricData|datadog/agent|newrelic-infra"
)
_PACKAGES = ("watchtower", "aws-embedded-metrics", "aws-otel-python")
_CLUSTERS = {
    "Terraform": re.compile(r'resource\s+"aws_ecs_cluster"|terraform-aws-modules/ecs'),
    "CloudFormation": re.compile(r"AWS::ECS::Cluster\b"),
    "CDK": re.compile(r"\b(ecs\.Cluster|CfnCluster)\("),
    "Pulumi": re.compile(r"aws\.ecs\.Cluster\("),
}
_KINDS = (".tf", ".yml", ".yaml", ".json", ".template", ".ts", ".js", ".py", ".sh", ".hcl")
_ASIDE = re.compile(
    r"(^|/)(node_modules|dist|build|docs?|tests?|locales?|static|public|assets)/|(^|/)package(-lock)?\.json$"
)


@dataclass(frozen=True)
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
        for path in repository.files:
            if not path.endswith(_KINDS) or _ASIDE.search(path):
                continue
            text = repository.text(path)
            if not by and _EXPORTS.search(text):
                by = path
            for tool, pattern in _CLUSTERS.items():
                if not owner and pattern.search(text):
                    owner, owner_path = tool, path
            if not task_definition and '"containerDefinitions"' in text and path.endswith(".json"):
                task_definition = path
        packages = repository.fact(PythonPackages)
        asked = next((name for name in _PACKAGES if packages is not None and packages.of(name)), "")
        return cls(by or asked, owner, owner_path, task_definition)
