"""moto's server with the parts of the life of ECS and RDS that moto 5.2.5 leaves out.

    python -m tests.proofs.moto_live -H 127.0.0.1 -p 5556        (the options of moto_server)

moto alone hides a broken rollback: its update-service leaves `deployments` as they were, so that deployments[0] is the
old revision, the reverse of AWS. It also stores a bare family as the service's task definition, is stable at once,
starts no tasks for a service, gives every one-off task exit code 0, and never answers run-task with `failures`.

Here a rolling deployment makes progress with each describe-services call. What should happen is said with ordinary AWS
data, so a test needs no second channel:

* an image whose tag or pushed manifest contains "bad" never gets a running task;
* deploymentCircuitBreaker: after three failures the rollout is FAILED, and rolled back if the service asks for it;
* environment of a container (task definition, or an override of run-task):
  SIM_EXIT_CODE=3 (exit code of the stopped task), SIM_STOP=pull (TaskFailedToStart, no exit code at all),
  SIM_RUN_FAILURE=RESOURCE:ENI (run-task answers tasks=[] with failures, and HTTP 200),
  SIM_TICKS=40 (describe-tasks calls until it stops);
* a database instance whose id contains "broken" has snapshots that end as `failed`; others are `creating` once.

It patches private functions of moto, hence the exact version.
"""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ecr import models as ecr
from moto.ecs import models as ecs
from moto.ecs import responses as ecs_responses
from moto.rds import models as rds

BREAKER_FAILURES = 3
STEPS_TO_STEADY = 2
SNAPSHOT_STEPS = 1

Backend = ecs.EC2ContainerServiceBackend
Answers = ecs_responses.EC2ContainerServiceResponse


# -- images -----------------------------------------------------------------------------------------------------------


def _manifest(backend: Any, image: str) -> tuple[str, str]:
    """What an image reference points to now: its digest and manifest. Unknown registries have neither."""
    host, _, rest = image.partition("/")
    name, _, tag = rest.partition(":")
    if ".dkr.ecr." not in host:
        return "", ""
    registry = ecr.ecr_backends[backend.account_id][backend.region_name]
    found = registry.repositories.get(name)
    for one in found.images if found else ():
        if tag in (one.image_tags or ()):
            return one.get_image_digest(), one.image_manifest
    return "", ""


def _is_bad(backend: Any, task_definition: str) -> bool:
    containers = backend.describe_task_definition(task_definition).container_definitions
    images = [container.get("image") or "" for container in containers]
    return any("bad" in image or "bad" in _manifest(backend, image)[1] for image in images)


# -- services ---------------------------------------------------------------------------------------------------------


def _new_deployment(backend: Any, service: Any) -> dict[str, Any]:
    now = utcnow()
    return {
        "id": f"ecs-svc/{uuid.uuid4().int % 10**19}",
        "createdAt": now,
        "updatedAt": now,
        "status": "PRIMARY",
        "taskDefinition": service.task_definition,
        "desiredCount": service.desired_count,
        "pendingCount": service.desired_count,
        "runningCount": 0,
        "failedTasks": 0,
        "launchType": service.launch_type,
        "rolloutState": "IN_PROGRESS",
        "rolloutStateReason": "ECS deployment in progress.",
        "_steps": 0,
        "_bad": _is_bad(backend, service.task_definition),
        "_tasks": [],
    }


def _count(service: Any) -> None:
    service.running_count = sum(d["runningCount"] for d in service.deployments)
    service.pending_count = sum(d["pendingCount"] for d in service.deployments)


def _start_deployment(backend: Any, service: Any) -> None:
    for deployment in service.deployments:
        deployment["status"] = "ACTIVE"
    service.deployments.insert(0, _new_deployment(backend, service))  # AWS: the newest, PRIMARY, comes first
    _count(service)


def _start_tasks(backend: Any, service: Any, deployment: dict[str, Any]) -> None:
    definition = backend.describe_task_definition(deployment["taskDefinition"])
    cluster = service.cluster_name
    for _ in range(service.desired_count):
        name = uuid.uuid4().hex
        arn = f"arn:aws:ecs:{backend.region_name}:{backend.account_id}:task/{cluster}/{name}"
        containers = []
        for container in definition.container_definitions:
            digest, _ = _manifest(backend, container["image"])
            shown = {"name": container["name"], "image": container["image"], "lastStatus": "RUNNING"}
            containers.append(shown | ({"imageDigest": digest} if digest else {}))
        deployment["_tasks"].append(
            {
                "taskArn": arn,
                "clusterArn": service.cluster_arn,
                "taskDefinitionArn": definition.arn,
                "startedBy": deployment["id"],
                "group": f"service:{service.name}",
                "lastStatus": "RUNNING",
                "desiredStatus": "RUNNING",
                "containers": containers,
            }
        )


def _progress(backend: Any, service: Any) -> None:
    if not service.deployments:
        return
    primary = service.deployments[0]
    primary["_steps"] += 1
    if primary["_bad"]:
        if primary["rolloutState"] == "FAILED":
            return
        primary["failedTasks"] += 1
        breaker = (getattr(service, "deployment_configuration", None) or {}).get("deploymentCircuitBreaker") or {}
        if breaker.get("enable") and primary["failedTasks"] >= BREAKER_FAILURES:
            primary.update(rolloutState="FAILED", pendingCount=0, desiredCount=0)
            primary["rolloutStateReason"] = "ECS deployment circuit breaker: tasks failed to start."
            if breaker.get("rollback") and len(service.deployments) > 1:
                service.task_definition = service.deployments[1]["taskDefinition"]
                _start_deployment(backend, service)
    elif primary["_steps"] >= STEPS_TO_STEADY and primary["rolloutState"] != "COMPLETED":
        count = service.desired_count
        primary.update(runningCount=count, pendingCount=0, desiredCount=count, rolloutState="COMPLETED")
        primary["rolloutStateReason"] = "ECS deployment completed."
        _start_tasks(backend, service, primary)
        del service.deployments[1:]
    _count(service)


_create_service = Backend.create_service


def create_service(self: Any, *args: Any, **kwargs: Any) -> Any:
    service = _create_service(self, *args, **kwargs)
    service.deployments = [_new_deployment(self, service)]
    _count(service)
    return service


def update_service(self: Any, properties: dict[str, Any]) -> Any:
    service = self._get_service(properties.get("cluster", "default"), properties["service"].split("/")[-1])
    if service.status == "INACTIVE":
        raise ecs.ServiceNotFoundException
    for name in ("deployment_configuration", "network_configuration", "platform_version"):
        if properties.get(name) is not None:
            setattr(service, name, properties[name])
    if properties.get("desired_count") is not None:
        service.desired_count = properties["desired_count"]
    asked, changed = properties.get("task_definition"), False
    if asked:
        arn = self.describe_task_definition(asked).arn
        changed, service.task_definition = arn != service.task_definition, arn
    if changed or properties.get("force_new_deployment"):
        _start_deployment(self, service)
    _count(service)
    return service


_describe_services = Backend.describe_services


def describe_services(self: Any, cluster: str, names: list[str]) -> Any:
    services, failures = _describe_services(self, cluster, names)
    for service in services:
        _progress(self, service)
    return services, failures


_resources = Backend._calculate_task_resource_requirements


def resources(definition: Any) -> Any:
    for container in definition.container_definitions:  # Fargate: the task's own memory is enough
        if not {"memory", "memoryReservation"} & set(container):
            container["memory"] = 0
    return _resources(definition)


Backend.create_service, Backend.update_service = create_service, update_service
Backend.describe_services = describe_services
Backend._calculate_task_resource_requirements = staticmethod(resources)
NetworkInterface.private_dns_name = ""  # absent outside of a VPC with DNS host names, where run-task answers 500


# -- tasks ------------------------------------------------------------------------------------------------------------


def _service_tasks(backend: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for service in backend.services.values():
        for deployment in service.deployments:
            found.update({task["taskArn"]: task for task in deployment.get("_tasks", ())})
    return found


_list_tasks, _describe_tasks_answer = Answers.list_tasks, Answers.describe_tasks


def list_tasks(self: Any) -> ActionResult:
    wanted = self._get_param("serviceName")
    if not wanted:
        return _list_tasks(self)
    group = f"service:{wanted.split('/')[-1]}"
    cluster = (self._get_param("cluster") or "default").split("/")[-1]
    tasks = _service_tasks(self.ecs_backend).values()
    arns = [t["taskArn"] for t in tasks if t["group"] == group and t["clusterArn"].endswith(f"/{cluster}")]
    return ActionResult({"taskArns": arns})


def describe_tasks_answer(self: Any) -> ActionResult:
    known = _service_tasks(self.ecs_backend)
    asked = self._get_param("tasks") or []
    if asked and all(arn in known for arn in asked):
        return ActionResult({"tasks": [known[arn] for arn in asked], "failures": []})
    return _describe_tasks_answer(self)


def _environment(definition: Any, overrides: dict[str, Any] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for container in [*definition.container_definitions, *((overrides or {}).get("containerOverrides") or [])]:
        found.update({entry["name"]: entry["value"] for entry in container.get("environment") or []})
    return found


_run_task = Answers.run_task


def run_task(self: Any) -> ActionResult:
    definition = self.ecs_backend.describe_task_definition(self._get_param("taskDefinition"))
    overrides = self._get_param("overrides")
    names = {container["name"] for container in definition.container_definitions}
    for override in (overrides or {}).get("containerOverrides") or []:
        if override.get("name") not in names:
            wrong = f"Override for container named {override.get('name')} is not a container in the TaskDefinition."
            raise ecs.InvalidParameterException(wrong)
    reason = _environment(definition, overrides).get("SIM_RUN_FAILURE")
    if reason:
        return ActionResult({"tasks": [], "failures": [{"arn": definition.arn, "reason": reason}]})
    network = (self._get_param("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    if definition.network_mode == "awsvpc":
        if not network.get("subnets"):
            raise ecs.InvalidParameterException("Network Configuration must be provided when networkMode is awsvpc.")
        place = SimpleNamespace(_account_id=self.ecs_backend.account_id, region_name=self.ecs_backend.region_name)
        groups = network.get("securityGroups", [])
        wanted = {"awsvpcConfiguration": {"subnets": network["subnets"], "securityGroups": groups}}
        ecs.Service._validate_network(place, wanted)
    return _run_task(self)


_describe_tasks = Backend.describe_tasks


def describe_tasks(self: Any, cluster: str, tasks: Any) -> Any:
    found = _describe_tasks(self, cluster, tasks)
    for task in found:
        container = task.containers[0]
        environment = _environment(self.describe_task_definition(task.task_definition_arn), task.overrides)
        task.asked = getattr(task, "asked", 0) + 1
        if task.asked <= int(environment.get("SIM_TICKS", "1")):
            if hasattr(container, "exitCode"):
                del container.exitCode
            container.last_status = "RUNNING"
            task._status = "RUNNING"
        elif not getattr(task, "ended", False):
            task.ended, task.desired_status, container.last_status = True, "STOPPED", "STOPPED"
            task._status = "STOPPED"
            if environment.get("SIM_STOP") == "pull":
                task.stop_code, task.stopped_reason = "TaskFailedToStart", "CannotPullContainerError: not found"
                continue
            container.exitCode = int(environment.get("SIM_EXIT_CODE", "0"))
            task.stop_code, task.stopped_reason = "EssentialContainerExited", "Essential container in task exited"
    return found


ecs.Task.advance = lambda self: None  # describe_tasks above decides when a task stops
Backend.describe_tasks = describe_tasks
Answers.list_tasks, Answers.describe_tasks, Answers.run_task = list_tasks, describe_tasks_answer, run_task


# -- database snapshots -----------------------------------------------------------------------------------------------

_create_snapshot, _describe_snapshots = rds.RDSBackend.create_db_snapshot, rds.RDSBackend.describe_db_snapshots


def create_db_snapshot(self: Any, db_instance_identifier: str, *args: Any, **kwargs: Any) -> Any:
    snapshot = _create_snapshot(self, db_instance_identifier, *args, **kwargs)
    snapshot.status, snapshot.percent_progress, snapshot.asked = "creating", 0, 0
    snapshot.broken = "broken" in db_instance_identifier
    return snapshot


def describe_db_snapshots(self: Any, *args: Any, **kwargs: Any) -> Any:
    found = _describe_snapshots(self, *args, **kwargs)
    for snapshot in found:
        if getattr(snapshot, "status", None) == "creating" and hasattr(snapshot, "asked"):
            snapshot.asked += 1
            if snapshot.asked > SNAPSHOT_STEPS:
                snapshot.status, snapshot.percent_progress = ("failed", 40) if snapshot.broken else ("available", 100)
    return found


rds.RDSBackend.create_db_snapshot, rds.RDSBackend.describe_db_snapshots = create_db_snapshot, describe_db_snapshots


if __name__ == "__main__":
    from moto.server import main

    main()
