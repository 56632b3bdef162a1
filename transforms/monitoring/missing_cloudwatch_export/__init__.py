"""What runs on ECS sends no metrics to CloudWatch, so nobody sees its processor, memory and tasks.

## Why
Without Container Insights CloudWatch knows of a service only what its load balancer sees. An account setting turns it
on for clusters that are made later, not for those that are there.

The fix adds a step to the job that deploys to production, right before the deployment. It reads the setting of the
cluster, turns it on where it is off, reads it again, and is red where it is still off; a cluster that does not exist is
red, too. `enabled`, the older and cheaper kind, is left as it is.

These are metrics of containers. Those of the application, by Prometheus, need a collector in the task definition; it
is not written, since it cannot be run where fixes are proven, and a filter on logs that may not be JSON would count
nothing for ever.

## When it is left alone
Where any file speaks of Container Insights, the CloudWatch agent, the OpenTelemetry collector of AWS or embedded
metrics; where nothing is deployed to ECS. Beside Terraform, CloudFormation, CDK or Pulumi that makes the cluster,
nothing is written into the job, since the two would undo each other: it is said what belongs there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fixer.deploy.deployments import DeployJob, Deployments
from fixer.deploy.ways import ECS
from fixer.github.expressions import reads_below
from fixer.model import Blocked, Finding, Fix, Level, Profile, Rule, RuleOptions, Tier, option
from fixer.monitoring.cloudwatch import CloudWatch
from fixer.scripts import script

_SETTINGS = {
    "Terraform": 'add `setting { name = "containerInsights" value = "enhanced" }` to the cluster',
    "CloudFormation": "add `ClusterSettings: [{Name: containerInsights, Value: enhanced}]` to the cluster",
    "CDK": "give the cluster `containerInsightsV2: ecs.ContainerInsights.ENHANCED`",
    "Pulumi": 'give the cluster `settings: [{name: "containerInsights", value: "enhanced"}]`',
}


class Options(RuleOptions):
    cluster: str = option("", "the ECS cluster of production, where the job does not say it")


def check(deployments: Deployments, cloudwatch: CloudWatch, options: Options) -> Iterator[Finding]:
    if cloudwatch.by:
        return
    seen: set[str] = set()
    for jobs in deployments.jobs.values():
        for job in jobs:
            cluster = options.cluster or job.deployments[0].target.get("cluster", "")
            if job.way is ECS and job.environment == "production" and (cluster or job.id) not in seen:
                seen.add(cluster or job.id)
                message = f"job {job.id} deploys to ECS, and nothing exports metrics of what runs there to CloudWatch"
                cure = _cure(job, cluster, cloudwatch)
                yield Finding(job.workflow.path, job.deployments[0].span, message, cure)


def _cure(job: DeployJob, cluster: str, cloudwatch: CloudWatch) -> Fix | Blocked:
    if cloudwatch.owner:
        return Blocked(
            f"{cloudwatch.owner} makes the cluster ({cloudwatch.owner_path}), and would undo what a job sets",
            _SETTINGS[cloudwatch.owner],
        )
    if not cluster:
        return Blocked(
            f"which cluster job {job.id} deploys to is not known", "name it", f'rules.{RULE.id}.cluster = "…"'
        )
    steps = job.editable_steps
    if isinstance(steps, Blocked):
        return steps
    if not job.signed_in_by or job.signs_in_while_deploying:
        return Blocked(f"how job {job.id} signs in to AWS is not known", "turn Container Insights on by hand")
    deployment = job.deployments[0]
    region = deployment.target.get("region", "")
    place = {"CLUSTER": cluster} | ({"AWS_REGION": region} if region else {})
    if any(read.context == "steps" and not job.knows_before(place) for read in reads_below(place)):
        return Blocked(f"job {job.id} knows its cluster only later", "turn Container Insights on by hand")
    step: dict[str, Any] = {
        "name": "Export metrics to CloudWatch",
        **deployment.condition,
        **deployment.surroundings,
        "env": {**deployment.credentials, **place},
        "run": script(__package__, "insights.sh"),
    }
    at = f" ({cloudwatch.task_definition})" if cloudwatch.task_definition else ", which is not in the repository"
    todo = [
        "Allow the deploying AWS identity ecs:DescribeClusters and ecs:UpdateCluster.",
        "Container Insights costs by the metrics that it sends: see the price of its enhanced kind.",
        f"Metrics of the application itself need a collector in the task definition{at}.",
    ]
    return Fix.of(
        "turn Container Insights on before the deployment",
        job.workflow.insert_item(steps, job.first, step),
        tier=Tier.REVIEW,
        effects=(f"job {job.id}: processor, memory, network and tasks of {cluster} go to CloudWatch",),
        todo=todo,
    )


def _deploys_to_ecs(deployments: Deployments) -> bool:
    jobs = (job for jobs in deployments.jobs.values() for job in jobs)
    return any(job.way is ECS and job.environment == "production" for job in jobs)


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
)
