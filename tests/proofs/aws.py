"""AWS for proofs: a lifelike emulator on a free port of this machine, and the real AWS command line pointed at it."""

from __future__ import annotations

import contextlib
import json
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.components import path as component

REGION = "eu-central-1"
ACCOUNT = "123456789012"
CLUSTER, SERVICE, REPOSITORY = "harvestbook-production", "harvestbook-api", "harvestbook"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"

# `aws` for the steps under test. Neither old version 2 nor version 1 honours AWS_ENDPOINT_URL for every service, and a
# test must never reach the real AWS.
_SHIM = """\
#!/bin/sh
case $AWS_ENDPOINT_URL in
  http://127.0.0.1:*) ;;
  *) echo "aws: only this machine may be asked, not '$AWS_ENDPOINT_URL'" >&2; exit 97 ;;
esac
printf '%s\\n' "$*" >> "$AWS_CALLS"
exec {aws} --endpoint-url "$AWS_ENDPOINT_URL" "$@"
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _service_data(aws: str) -> Path:
    """Where this command line keeps its descriptions of services; each version knows other operations."""
    places = (
        Path("/usr/lib/python3/dist-packages/awscli/botocore/data"),  # Debian's package
        Path(aws).resolve().parent / "awscli/botocore/data",  # the installer of version 2
    )
    return next(place for place in places if place.is_dir())


def _fast_waiters(aws: str, folder: Path) -> None:
    """Waiter definitions that poll every 50 ms, for AWS_DATA_PATH: an unchanged `aws … wait …` then is fast."""
    data = _service_data(aws)
    for service in ("ecs", "rds"):
        for file in sorted((data / service).glob("*/waiters-2.json")):
            definition = json.loads(file.read_text())
            for waiter in definition["waiters"].values():
                waiter["delay"], waiter["maxAttempts"] = 0.05, 12
            target = folder / service / file.parent.name / file.name
            target.parent.mkdir(parents=True)
            target.write_text(json.dumps(definition))


@dataclass
class Aws:
    """The emulator, a boto3 client per service, and what a step needs to talk to it."""

    endpoint: str
    folder: Path

    def client(self, service: str) -> Any:
        import boto3  # type: ignore[import-untyped]

        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    @property
    def env(self) -> dict[str, str]:
        """For the runner's own environment. The credentials are what a signed-in job has."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CALLS": str(self.calls_file),
            "AWS_DATA_PATH": str(self.folder / "data"),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_PAGER": "",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_MAX_ATTEMPTS": "1",
        }

    @property
    def path(self) -> Path:
        return self.folder / "bin"

    @property
    def calls_file(self) -> Path:
        return self.folder / "calls"

    @property
    def calls(self) -> list[str]:
        """Every `aws` command that steps ran, in order."""
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    # -- a world to deploy to -----------------------------------------------------------------------------------

    def reset(self) -> None:
        """An empty account with a network, a cluster, a registry and two databases, one of them broken."""
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")).read()
        self.calls_file.write_text("")
        ec2, ecs, rds = self.client("ec2"), self.client("ecs"), self.client("rds")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        self.group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
        self.client("ecr").create_repository(repositoryName=REPOSITORY)
        for cluster in (CLUSTER, "harvestbook-staging"):
            ecs.create_cluster(clusterName=cluster)
        for name in ("harvestbook-db", "broken-db"):
            rds.create_db_instance(
                DBInstanceIdentifier=name,
                Engine="postgres",
                DBInstanceClass="db.t3.micro",
                AllocatedStorage=20,
                MasterUsername="postgres",
                MasterUserPassword="password1",
            )

    def push(self, content: str, *tags: str) -> str:
        """Push an image, which is a manifest with this content, under these tags; its digest."""
        ecr, digest = self.client("ecr"), ""
        for tag in tags:
            answer = ecr.put_image(repositoryName=REPOSITORY, imageTag=tag, imageManifest=self.manifest(content))
            digest = answer["image"]["imageId"]["imageDigest"]
        return digest

    @staticmethod
    def manifest(content: str) -> str:
        """The manifest of an image with one layer, which is this text."""
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        config = {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 1,
            "digest": f"sha256:{content}",
        }
        layers = [{"digest": f"sha256:{content}"}]
        return json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers})

    def digest_of(self, tag: str) -> str:
        found = self.client("ecr").describe_images(repositoryName=REPOSITORY, imageIds=[{"imageTag": tag}])
        digest: str = found["imageDetails"][0]["imageDigest"]
        return digest

    def task_definition(self, image: str, **environment: str) -> str:
        """Register a revision of the family; `family:revision`."""
        definition = self.client("ecs").register_task_definition(
            family=SERVICE,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {
                    "name": "api",
                    "image": image,
                    "environment": [{"name": k, "value": v} for k, v in environment.items()],
                }
            ],
        )["taskDefinition"]
        return f"{definition['family']}:{definition['revision']}"

    def create_service(self, task_definition: str, cluster: str = CLUSTER, **more: Any) -> None:
        """A service of two tasks that runs steadily."""
        network = {"subnets": [self.subnet], "securityGroups": [self.group], "assignPublicIp": "DISABLED"}
        self.client("ecs").create_service(
            cluster=cluster,
            serviceName=SERVICE,
            taskDefinition=task_definition,
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network},
            **more,
        )
        for _ in range(4):
            self.service(cluster)

    def service(self, cluster: str = CLUSTER) -> dict[str, Any]:
        found = self.client("ecs").describe_services(cluster=cluster, services=[SERVICE])
        service: dict[str, Any] = found["services"][0]
        return service

    def runs(self, cluster: str = CLUSTER) -> str:
        """The `family:revision` that the service is on."""
        name: str = self.service(cluster)["taskDefinition"]
        return name.rpartition("/")[2]

    def running_images(self, cluster: str = CLUSTER) -> set[str]:
        """The digests of the images that the service's tasks run."""
        ecs = self.client("ecs")
        tasks = ecs.list_tasks(cluster=cluster, serviceName=SERVICE)["taskArns"]
        described = ecs.describe_tasks(cluster=cluster, tasks=tasks)["tasks"] if tasks else []
        return {c.get("imageDigest", "") for task in described for c in task["containers"]}

    def snapshots(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
        return found


WARM = Path(__file__).parent / "warm_aws.py"


def _command(folder: Path) -> list[str]:
    """How the shim calls `aws`: Debian's package through the process that has it loaded, any other one as it is."""
    if _service_data(component("aws")).is_relative_to("/usr/lib/python3/dist-packages"):
        return ["/usr/bin/python3", "-S", "-E", str(WARM), "call", str(folder / "aws.socket")]
    return [component("aws")]


@contextlib.contextmanager
def _warm(folder: Path) -> Iterator[None]:
    if _command(folder)[0] == component("aws"):
        yield
        return
    server = folder / "aws.socket"
    process = subprocess.Popen(["/usr/bin/python3", str(WARM), "serve", str(server)])
    try:
        while not server.exists():
            assert process.poll() is None
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


@contextlib.contextmanager
def emulator(folder: Path) -> Iterator[Aws]:
    """Start the emulator, and stop it by its own process. Tests that use it need `aws` and `moto`."""
    port = _free_port()
    (folder / "bin").mkdir()
    shim = folder / "bin" / "aws"
    shim.write_text(_SHIM.replace("{aws}", " ".join(_command(folder))))
    shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
    _fast_waiters(component("aws"), folder / "data")
    command = [sys.executable, "-m", "tests.proofs.moto_live", "-H", "127.0.0.1", "-p", str(port)]
    with open(folder / "moto.log", "w") as log:
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=log, stderr=subprocess.STDOUT)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{endpoint}/moto-api/data.json", timeout=5).read()
                break
            assert process.poll() is None, (folder / "moto.log").read_text()
            time.sleep(0.1)
        with _warm(folder):
            yield Aws(endpoint, folder)
    finally:
        process.terminate()
        process.wait(timeout=60)
