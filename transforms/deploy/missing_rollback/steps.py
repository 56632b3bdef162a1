"""What the steps of a rollback do, for each way of deploying that can be put back: record, wait, restore, check."""

from __future__ import annotations

from collections.abc import Mapping

from fixer.deploy.deployment import Deployment
from fixer.deploy.local_actions import REGION, Input, LocalAction, Work, with_blocks, with_options
from fixer.deploy.ways import ECS, HELM, KUBERNETES, Way
from fixer.scripts import ScriptText, script

NAMESPACE = Input("namespace", "NAMESPACE", "Namespace; by default that of the current context", "")
CONTEXT = Input("context", "CONTEXT", "Context of the kubeconfig; by default the current one", "")
PLACES: Mapping[Way, tuple[Input, ...]] = {
    ECS: (
        Input("cluster", "CLUSTER", "Name of the ECS cluster"),
        Input("service", "SERVICE", "Name of the ECS service"),
        REGION,
    ),
    KUBERNETES: (Input("workload", "WORKLOAD", "The deployment, such as deployment/web"), NAMESPACE, CONTEXT),
    HELM: (Input("release", "RELEASE", "Name of the Helm release"), NAMESPACE, CONTEXT),
}
"""What says which service, workload or release it is."""
SERVICE: Mapping[Way, str] = {ECS: "ECS service", KUBERNETES: "Kubernetes deployment", HELM: "Helm release"}
NAMES: Mapping[Way, str] = {ECS: "ecs", KUBERNETES: "kubernetes", HELM: "helm"}
SCRIPTS: Mapping[tuple[str, Way], ScriptText] = {
    ("record", ECS): script(__package__, "record-ecs.sh"),
    ("record", HELM): script(__package__, "record-helm.sh"),
    ("record", KUBERNETES): script(__package__, "record-kubernetes.sh"),
    ("wait", ECS): script(__package__, "wait-ecs.sh"),
    ("wait", KUBERNETES): script(__package__, "wait-kubernetes.sh"),
    ("undo", KUBERNETES): script(__package__, "undo-kubernetes.sh"),
    ("restore", ECS): script(__package__, "restore-ecs.sh"),
    ("restore", HELM): script(__package__, "restore-helm.sh"),
    ("restore", KUBERNETES): script(__package__, "restore-kubernetes.sh"),
}


def record(deployment: Deployment, *, moves_a_tag: bool) -> Work:
    """Which version runs now, before anything changes."""
    way, what = deployment.way, SERVICE[deployment.way]
    outputs = {"revision": "Number of the revision that runs"}
    if way is ECS:
        outputs = {
            "task-definition": "family:revision of the task definition that runs steadily",
            "revision": "Its number alone, for a family that holds a secret",
        }
        if moves_a_tag:
            outputs["images"] = "Tags and digests of the images that run"
    title, description = f"Record the {what}", f"Records which version of the {what} runs, for a rollback to it"
    return _work(deployment, "record", title, description, (), outputs, _blocks(moves_a_tag))


def wait(deployment: Deployment) -> Work:
    """Until the rollout is done; a failure where it does not come to an end, or went back by itself."""
    what = SERVICE[deployment.way]
    description = f"Waits until the {what} runs what was deployed, and fails where it does not"
    return _work(deployment, "wait", f"Wait for the {what}", description, (), {}, ())


def restore(deployment: Deployment, *, moves_a_tag: bool) -> Work:
    """Back to what was recorded."""
    what = SERVICE[deployment.way]
    wanted = [Input("revision", "PREVIOUS_REVISION", "Number of the revision that ran before")]
    if deployment.way is ECS:
        wanted = [Input("task-definition", "PREVIOUS_TASK_DEFINITION", "family:revision that ran before")]
        wanted.append(Input("revision", "PREVIOUS_REVISION", "Its number alone, for a family that holds a secret"))
        if moves_a_tag:
            wanted.append(Input("images", "PREVIOUS_IMAGES", "Tags and digests of the images that ran before"))
    description = f"Puts the recorded version of the {what} back, and fails where it does not come up"
    blocks = _blocks(moves_a_tag)
    return _work(deployment, "restore", f"Restore the {what}", description, tuple(wanted), {}, blocks)


def check_health() -> Work:
    """Every address, until it answers."""
    text = script(__package__, "check-health.sh")
    urls = Input("urls", "HEALTH_URLS", "Addresses that must answer, one a line")
    description = "Asks addresses until each answers with success, for two minutes at most"
    return Work(LocalAction("check-health", "Check health", description, "check-health.sh", text, (urls,), {}), text)


def _blocks(moves_a_tag: bool) -> tuple[str, ...]:
    return ("images" if moves_a_tag else "plain",)


def _work(
    deployment: Deployment,
    verb: str,
    title: str,
    description: str,
    inputs: tuple[Input, ...],
    outputs: Mapping[str, str],
    blocks: tuple[str, ...],
) -> Work:
    way = deployment.way
    text = SCRIPTS[verb, way]
    variants = [block for block in blocks if way is ECS and block != "plain"]
    action = LocalAction(
        "-".join((NAMES[way], verb, *variants)),
        title,
        description,
        f"{verb}.sh",
        with_blocks(text, "options", *blocks),
        (*PLACES[way], *inputs),
        outputs,
    )
    return Work(action, with_options(with_blocks(text, *blocks), deployment))
