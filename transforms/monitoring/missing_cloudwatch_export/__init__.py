"""What runs on ECS sends no metrics to CloudWatch, so nobody sees its processor, memory and tasks.

## Why
Without Container Insights CloudWatch knows of a service only what its load balancer sees. An account setting turns it
on for clusters that are made later, not for those that are there.

The fix adds a step to the job that deploys to production, right before the deployment. It reads the setting of the
cluster, turns it on where it is off, reads it again, and is red where it is still off; a cluster that does not exist is
red, too. `enabled`, the older and cheaper kind, is left as it is.

With `alarm-topic` the same job makes two alarms, for processor and memory above 90 % in a quarter of an hour.

## What else is found
Metrics that the application exports for Prometheus and that nothing brings to CloudWatch, and containers of a task
definition that send their logs to nobody. Both are reported with what belongs into the task definition: a collector
cannot be run where fixes are proven, and the name of a group of logs is the account's. No filter is put on logs that
may not be JSON; it would count nothing for ever.

## When it is left alone
Where any file speaks of Container Insights, the CloudWatch agent, the OpenTelemetry collector of AWS or embedded
metrics; where nothing is deployed to ECS. Beside Terraform, CloudFormation, CDK or Pulumi that makes the cluster,
nothing is written into the job, since the two would undo each other: it is said what belongs there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fixer.deploy.deployments import DeployJob, Deployments
from fixer.deploy.ways import ECS
from fixer.github.expressions import reads_below
from fixer.model import Blocked, Finding, Fix, Level, Parts, Profile, Rule, RuleOptions, Tier, listed, option
from fixer.monitoring.cloudwatch import CloudWatch
from fixer.monitoring.exporters import Exporters
from fixer.monitoring.prometheus import PrometheusFiles
from fixer.scripts import ScriptText, script

_SETTINGS = {
    "Terraform": 'add `setting { name = "containerInsights" value = "enhanced" }` to the cluster',
    "CloudFormation": "add `ClusterSettings: [{Name: containerInsights, Value: enhanced}]` to the cluster",
    "CDK": "give the cluster `containerInsightsV2: ecs.ContainerInsights.ENHANCED`",
    "Pulumi": 'give the cluster `settings: [{name: "containerInsights", value: "enhanced"}]`',
}


class Options(RuleOptions):
    cluster: str = option("", "the ECS cluster of production, where the job does not say it")
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
                if cloudwatch.unlogged and len(seen) == 1:
                    yield _unlogged(job, cloudwatch)


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


def _unlogged(job: DeployJob, cloudwatch: CloudWatch) -> Finding:
    names = listed(cloudwatch.unlogged)
    does = "sends what it prints" if len(cloudwatch.unlogged) == 1 else "send what they print"
    options = {"awslogs-group": f"/ecs/{cloudwatch.unlogged[0]}", "awslogs-region": "…", "awslogs-stream-prefix": "ecs"}
    given = json.dumps({"logConfiguration": {"logDriver": "awslogs", "options": options}}, ensure_ascii=False)[1:-1]
    return _finding(
        job,
        f"{names} of {cloudwatch.task_definition} {does} to nobody",
        Blocked(
            "which group of CloudWatch takes the logs, and for how long, is the account's",
            f"add `{given}` to each, and give the group a retention",
        ),
    )


def _cure(job: DeployJob, cluster: str, cloudwatch: CloudWatch) -> Fix | Blocked:
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
