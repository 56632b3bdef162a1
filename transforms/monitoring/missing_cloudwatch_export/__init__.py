"""What runs on ECS sends no metrics to CloudWatch, so nobody sees its processor, memory and tasks.

## Why
Without Container Insights CloudWatch knows of a service only what its load balancer sees. An account setting turns it
on for clusters that are made later, not for those that are there.

The fix adds a step to the job that deploys to production, right before the deployment. It reads the setting of the
cluster, turns it on where it is off, reads it again, and is red where it is still off; a cluster that does not exist is
red, too. `enabled`, the older and cheaper kind, is left as it is.

With `alarm-topic` the same job makes two alarms, for processor and memory above 90 % in a quarter of an hour.

## What else is found
Containers of a task definition that send what they print to nobody: they get a group of CloudWatch, as their
neighbours have it. Metrics that the application exports for Prometheus and that nothing brings to CloudWatch are
reported with what belongs into the task definition, since a collector cannot be run where fixes are proven. No filter
is put on logs that may not be JSON; it would count nothing for ever.

## When it is left alone
Where any file speaks of Container Insights, the CloudWatch agent, the OpenTelemetry collector of AWS or embedded
metrics; where nothing is deployed to ECS. Beside Terraform, CloudFormation, CDK or Pulumi that makes the cluster,
nothing is written into the job, since the two would undo each other: the setting is written into the resource of
Terraform or CloudFormation, and for the others it is said what belongs there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.deployments import Deployments
from fixer.deploy.ways import ECS
from fixer.documents import DEVELOPMENT
from fixer.github.expressions import names_read, reads_below
from fixer.languages.hcl import Block
from fixer.languages.yaml import Node
from fixer.languages.yaml.edit import Yaml
from fixer.model import Blocked, Finding, Fix, Level, Parts, Profile, Rule, RuleOptions, Tier, joined, listed, option
from fixer.monitoring.cloudwatch import CloudWatch, TaskDefinition
from fixer.monitoring.exporters import Exporters
from fixer.monitoring.prometheus import PrometheusFiles
from fixer.scripts import ScriptText, script

_SETTINGS = {
    "Terraform": 'add `setting { name = "containerInsights" value = "enhanced" }` to the cluster',
    "CloudFormation": "add `ClusterSettings: [{Name: containerInsights, Value: enhanced}]` to the cluster",
    "CDK": "give the cluster `containerInsightsV2: ecs.ContainerInsights.ENHANCED`",
    "Pulumi": 'give the cluster `settings: [{name: "containerInsights", value: "enhanced"}]`',
}
_SETTING = {"Name": "containerInsights", "Value": "enhanced"}


class Options(RuleOptions):
    cluster: str = option("", "the ECS cluster of production, where the job does not say it")
    region: str = option("", "the region whose CloudWatch takes the logs, where no file says it")
    alarm_topic: str = option("", "the SNS topic that alarms are sent to, `arn:aws:sns:…`; without it none are made")


def check(
    deployments: Deployments,
    cloudwatch: CloudWatch,
    exporters: Exporters,
    prometheus: PrometheusFiles,
    options: Options,
) -> Iterator[Finding]:
    metrics_stay = exporters.prometheus and not cloudwatch.application and not prometheus.configs
    seen: set[str] = set()
    for jobs in deployments.jobs.values():
        for job in jobs:
            cluster = options.cluster or job.deployments[0].target.get("cluster", "")
            if job.way is ECS and job.environment == "production" and (cluster or job.id) not in seen:
                seen.add(cluster or job.id)
                yield from _of_cluster(job, cluster, cloudwatch, options)
                if metrics_stay and len(seen) == 1:
                    yield _finding(job, "what the application counts does not reach CloudWatch", _collector(cloudwatch))
                for definition in cloudwatch.task_definitions if len(seen) == 1 else ():
                    if definition.unlogged and not DEVELOPMENT.search(definition.path):
                        yield _unlogged(job, definition, options)


def _of_cluster(job: DeployJob, cluster: str, cloudwatch: CloudWatch, options: Options) -> Iterator[Finding]:
    if not cloudwatch.by:
        message = f"job {job.id} deploys to ECS, and nothing exports metrics of what runs there to CloudWatch"
        yield _finding(job, message, _cure(job, cluster, cloudwatch))
    if options.alarm_topic and not cloudwatch.alarms:
        message = f"job {job.id} deploys to ECS, and no alarm is made for what runs there"
        yield _finding(job, message, _alarms(job, cluster, options.alarm_topic))


def _finding(job: DeployJob, message: str, cure: Fix | Blocked) -> Finding:
    return Finding(job.workflow.path, job.deployments[0].span, message, cure)


def _collector(cloudwatch: CloudWatch) -> Blocked:
    where = cloudwatch.task_definition or "the task definition, which is not in the repository"
    return Blocked(
        f"that needs a collector beside the application, in {where}",
        "add a container of aws-otel-collector that asks localhost for /metrics with the token and exports by `awsemf`,"
        " and allow the task's role logs:PutLogEvents and cloudwatch:PutMetricData",
    )


def _unlogged(job: DeployJob, definition: TaskDefinition, options: Options) -> Finding:
    names = listed(definition.unlogged)
    does = "sends what it prints" if len(definition.unlogged) == 1 else "send what they print"
    return _finding(job, f"{names} of {definition.path} {does} to nobody", _logs(job, definition, options))


def _logs(job: DeployJob, definition: TaskDefinition, options: Options) -> Fix | Blocked:
    given = definition.log_options
    group = given.get("awslogs-group") or f"/ecs/{definition.data.get('family') or definition.unlogged[0]}"
    region = given.get("awslogs-region") or options.region or definition.region or _region(job)
    made = {"awslogs-group": group, "awslogs-region": region, "awslogs-stream-prefix": "ecs"}
    if not given:
        made["awslogs-create-group"] = "true"
    if not region:
        return Blocked(
            f"which region's CloudWatch takes what {definition.path} prints is not known",
            "name it",
            f'rules.{RULE.id}.region = "…"',
        )
    if definition.document is None:
        said = json.dumps({"logConfiguration": {"logDriver": "awslogs", "options": made}})[1:-1]
        return Blocked(f"{definition.path} is no task definition by its name", f"add `{said}` to each container")
    parts = [
        definition.document.add_key(
            ("containerDefinitions", index), "logConfiguration", {"logDriver": "awslogs", "options": made}
        )
        for index, each in enumerate(definition.containers)
        if each.get("name") in definition.unlogged and not each.get("logConfiguration")
    ]
    todo = [f"Give the group {group} a retention: it keeps everything for ever."]
    if not given:
        todo.append("Allow the execution role of the task logs:CreateLogGroup, and what else writes logs.")
    return Fix.of(
        "send what the containers print to CloudWatch",
        joined(parts),
        tier=Tier.REVIEW,
        effects=(f"{definition.path}: {listed(definition.unlogged)} to {group}",),
        todo=todo,
    )


def _region(job: DeployJob) -> str:
    """The region that a job deploys to, where it is written out."""
    said = job.deployments[0].target.get("region", "")
    name = re.fullmatch(r"\$\{?(\w+)\}?", said)
    names = [name[1]] if name is not None else sorted(names_read("env", said))
    known = {**job.workflow.env, **job.job.node.texts("env")}
    said = known.get(names[0], "") if names else said
    return said if re.fullmatch(r"[a-z]{2}-[a-z-]+-\d", said) else ""


def _cure(job: DeployJob, cluster: str, cloudwatch: CloudWatch) -> Fix | Blocked:
    if cloudwatch.clusters:
        return _in_terraform(cloudwatch.clusters)
    if cloudwatch.stacks:
        return _in_cloudformation(cloudwatch.stacks)
    if cloudwatch.owner:
        return Blocked(
            f"{cloudwatch.owner} makes the cluster ({cloudwatch.owner_path}), and would undo what a job sets",
            _SETTINGS[cloudwatch.owner],
        )
    step = _step(job, cluster, "Export metrics to CloudWatch", {}, script(__package__, "insights.sh"))
    at = f" ({cloudwatch.task_definition})" if cloudwatch.task_definition else ", which is not in the repository"
    todo = [
        "Allow the deploying AWS identity ecs:DescribeClusters and ecs:UpdateCluster.",
        "Container Insights costs by the metrics that it sends: see the price of its enhanced kind.",
        f"Metrics of the application itself need a collector in the task definition{at}.",
    ]
    return Fix.of(
        "turn Container Insights on before the deployment",
        step,
        tier=Tier.REVIEW,
        effects=(f"job {job.id}: processor, memory, network and tasks of {cluster} go to CloudWatch",),
        todo=todo,
    )


def _in_terraform(clusters: tuple[Block, ...]) -> Fix | Blocked:
    """The setting of each cluster that Terraform makes: the job would undo it, or it the job's."""
    parts: list[Parts] = []
    for cluster in clusters:
        there = [each for each in cluster.blocks("setting") if "containerInsights" in each.attributes.get("name", "")]
        if there:
            parts.append(cluster.document.set_attribute(there[0], "value", "enhanced"))
        else:
            setting = {"name": "containerInsights", "value": "enhanced"}
            parts.append(cluster.document.add_block(cluster, "setting", setting))
    names = [".".join(cluster.labels) for cluster in clusters]
    return _where_it_is_made("Terraform", names, parts, "See `terraform plan`, and apply it.")


def _in_cloudformation(stacks: tuple[tuple[Yaml, str, Node], ...]) -> Fix | Blocked:
    parts: list[Parts] = []
    for document, _, resource in stacks:
        properties = resource.get("Properties")
        if properties is None:
            parts.append(document.add_key(resource, "Properties", {"ClusterSettings": [_SETTING]}))
        elif properties.is_mapping and properties.get("ClusterSettings") is None:
            parts.append(document.add_key(properties, "ClusterSettings", [_SETTING]))
        else:
            parts.append(Blocked(f"{document.source.path} has settings of the cluster", _SETTINGS["CloudFormation"]))
    names = [name for _, name, _ in stacks]
    return _where_it_is_made("CloudFormation", names, parts, "See the change set, and execute it.")


def _where_it_is_made(tool: str, names: list[str], parts: list[Parts], todo: str) -> Fix | Blocked:
    return Fix.of(
        f"turn Container Insights on where {tool} makes the cluster",
        joined(parts),
        tier=Tier.REVIEW,
        effects=(f"{listed(names)}: processor, memory, network and tasks go to CloudWatch",),
        todo=(todo, "Container Insights costs by the metrics that it sends: see the price of its enhanced kind."),
    )


def _alarms(job: DeployJob, cluster: str, topic: str) -> Fix | Blocked:
    service = job.deployments[0].target.get("service", "")
    if not service:
        return Blocked(f"which service job {job.id} deploys is not known", "make the alarms by hand")
    told = {"SERVICE": service, "TOPIC": topic}
    step = _step(job, cluster, "Make alarms for processor and memory", told, script(__package__, "alarms.sh"))
    return Fix.of(
        "make alarms before the deployment",
        step,
        tier=Tier.REVIEW,
        effects=(f"job {job.id}: {topic} hears when {service} is above 90 % of its processor or memory",),
        todo=("Allow the deploying AWS identity cloudwatch:PutMetricAlarm.", "Subscribe to the topic."),
    )


def _step(job: DeployJob, cluster: str, name: str, env: Mapping[str, str], run: ScriptText) -> Parts:
    """A step right before the deployment, that knows its cluster and signs in as it does."""
    if not cluster:
        return Blocked(
            f"which cluster job {job.id} deploys to is not known", "name it", f'rules.{RULE.id}.cluster = "…"'
        )
    steps = job.editable_steps
    if isinstance(steps, Blocked):
        return steps
    if not job.signed_in_by or job.signs_in_while_deploying:
        return Blocked(f"how job {job.id} signs in to AWS is not known", "do by hand what the step would do")
    deployment = job.deployments[0]
    region = deployment.target.get("region", "")
    place = {"CLUSTER": cluster, **env} | ({"AWS_REGION": region} if region else {})
    if any(read.context == "steps" and not job.knows_before(place) for read in reads_below(place)):
        return Blocked(f"job {job.id} knows its cluster only later", "do by hand what the step would do")
    step: dict[str, Any] = {
        "name": name,
        **deployment.condition,
        **deployment.surroundings,
        "env": {**deployment.credentials, **place},
        "run": run,
    }
    return job.workflow.insert_item(steps, job.first, step)


def _deploys_to_ecs(deployments: Deployments) -> bool:
    jobs = (job for jobs in deployments.jobs.values() for job in jobs)
    return any(job.way is ECS and job.environment == "production" for job in jobs)


def _what_is_exported(cloudwatch: CloudWatch) -> str:
    return f"{cloudwatch.by} exports the metrics of the containers" if cloudwatch.by else ""


RULE = Rule(
    __name__,
    "What runs on ECS sends no metrics to CloudWatch",
    check,
    audit=("D-004.4",),
    criterion="What runs on ECS exports the metrics of its containers",
    hours=(2, 3),
    level=Level.NOTE,
    profile=Profile.AUDIT,
    applies=_deploys_to_ecs,
    partly=_what_is_exported,
)
