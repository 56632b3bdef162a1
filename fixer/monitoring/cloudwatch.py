"""What brings metrics of an application on ECS to CloudWatch, and who owns its cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from fixer.documents import kind_of, name_of
from fixer.languages.hcl import Block, Hcl
from fixer.languages.json import Json
from fixer.languages.tables import json_object, mapping, sequence
from fixer.languages.yaml import Node
from fixer.languages.yaml.edit import Yaml
from fixer.model import FileError
from fixer.patterns import Rare
from fixer.project.packages import PythonPackages
from fixer.records import entity, record

if TYPE_CHECKING:
    from fixer.repository import Repository

_AGENTS = ("datadog/agent", "newrelic-infra")
_INSIGHTS = ("containerInsights", "ContainerInsights", *_AGENTS)
_OFF = re.compile(
    r"[cC]ontainerInsights(?:V2)?\W{1,40}(?:[vV]alue\W{1,12})?(?:ecs\.ContainerInsights\.)?(?:disabled|DISABLED|false)\b"
)
_REGION = re.compile(r"\.dkr\.ecr\.([a-z]{2}-[a-z-]+-\d)\.amazonaws|\barn:aws:\w+:([a-z]{2}-[a-z-]+-\d):")
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


@entity
class TaskDefinition:
    """A file with a task definition of ECS. `document` is None where its name does not tell what it is."""

    path: str
    data: Mapping[str, Any]
    document: Json | None

    @property
    def containers(self) -> list[dict[str, Any]]:
        return [mapping(each) for each in sequence(self.data.get("containerDefinitions"))]

    @property
    def unlogged(self) -> tuple[str, ...]:
        """The containers that send what they print to nobody."""
        found = (each.get("name") for each in self.containers if not each.get("logConfiguration"))
        return tuple(name for name in found if isinstance(name, str))

    @property
    def log_options(self) -> dict[str, Any]:
        """Where other containers of it send what they print; empty where none sends it to CloudWatch."""
        for each in self.containers:
            logged = mapping(each.get("logConfiguration"))
            if logged.get("logDriver") == "awslogs":
                return mapping(logged.get("options"))
        return {}

    @property
    def region(self) -> str:
        """The region that its images, secrets and roles are of."""
        found = _REGION.search(json.dumps(self.data))
        return (found[1] or found[2]) if found is not None else ""


@entity
class CloudWatch:
    """`by` is the file that says what exports metrics of containers or of the application, `application` one about the
    application; `alarms` one that makes alarms. `owner` is the tool, and `owner_path` the file, that makes the cluster;
    `clusters` are those of Terraform, `stacks` those of CloudFormation by template and name. `task_definitions` are
    those of the repository."""

    by: str = ""
    application: str = ""
    alarms: str = ""
    owner: str = ""
    owner_path: str = ""
    clusters: tuple[Block, ...] = ()
    stacks: tuple[tuple[Yaml, str, Node], ...] = ()
    task_definitions: tuple[TaskDefinition, ...] = ()

    @property
    def task_definition(self) -> str:
        """The first file that is one; empty where there is none."""
        return self.task_definitions[0].path if self.task_definitions else ""

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Every repository has this fact."""
        by = application = alarms = owner = owner_path = ""
        definitions: list[TaskDefinition] = []
        for path in repository.files:
            if not path.endswith(_KINDS) or _ASIDE.search(path):
                continue
            said = repository.part(_Said, path)
            if said is None:
                continue
            by = by or (path if said.sends else "")
            application = application or (path if said.application else "")
            alarms = alarms or (path if said.alarms else "")
            if said.owner and not owner:
                owner, owner_path = said.owner, path
            if said.defines:
                definitions.append(_definition(path, repository.text(path), repository))
        packages = repository.fact(PythonPackages)
        application = application or next(
            (name for name in _PACKAGES if packages is not None and packages.of(name)), ""
        )
        clusters = tuple(_clusters(repository)) if owner == "Terraform" else ()
        stacks = tuple(_stacks(repository)) if owner == "CloudFormation" else ()
        return cls(by or application, application, alarms, owner, owner_path, clusters, stacks, tuple(definitions))


@record
class _Said:
    """What one file says of it."""

    sends: bool
    application: bool
    alarms: bool
    owner: str
    defines: bool

    @classmethod
    def detect(cls, repository: Repository, path: str) -> Self | None:
        """None where it says nothing, as most files do."""
        text = repository.text(path)
        said = cls(
            _sends(text),
            any(word in text for word in _APPLICATION),
            any(word in text for word in _ALARMS),
            next((tool for tool, pattern in _CLUSTERS.items() if pattern.search(text)), ""),
            path.endswith(".json") and '"containerDefinitions"' in text,
        )
        return said if said != cls(sends=False, application=False, alarms=False, owner="", defines=False) else None


def _sends(text: str) -> bool:
    """Whether a file turns Container Insights on, or starts an agent."""
    return any(word in _OFF.sub("", text) for word in _INSIGHTS) if any(word in text for word in _INSIGHTS) else False


def _definition(path: str, text: str, repository: Repository) -> TaskDefinition:
    document = None
    if kind_of(path) == name_of(Json):
        with suppress(FileError):
            document = repository.parsed(path, Json)
    return TaskDefinition(path, json_object(text), document)


def _clusters(repository: Repository) -> Iterator[Block]:
    """The clusters that Terraform makes."""
    for document in repository.documents(Hcl, lambda source: '"aws_ecs_cluster"' in source.text):
        for block in document.blocks:
            if block.kind == "resource" and block.labels[:1] == ("aws_ecs_cluster",):
                yield block


def _stacks(repository: Repository) -> Iterator[tuple[Yaml, str, Node]]:
    """The clusters that CloudFormation makes, as far as templates are YAML."""
    for document in repository.documents(Yaml, lambda source: "AWS::ECS::Cluster" in source.text):
        resources = document.root.get("Resources")
        for name, node in resources.value.items() if resources is not None and resources.is_mapping else ():
            kind = node.get("Type") if node.is_mapping else None
            if kind is not None and kind.value == "AWS::ECS::Cluster":
                yield document, name, node
