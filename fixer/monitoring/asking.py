"""What asks, from outside, whether the application answers: workflows by a clock, and monitors of others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from fixer.deploy.health_check import health_checks, is_local
from fixer.github.workflow import Step, Workflow
from fixer.github.workflows import Workflows
from fixer.records import entity

if TYPE_CHECKING:
    from fixer.repository import Repository

_ADDRESS = re.compile(r"https?://[\w.-]+[^\s\"'`;|)<>\\]*")
_OTHERS = re.compile(
    r"(^|\.)(github\.com|githubusercontent\.com|slack\.com|discord(app)?\.com|telegram\.org|pypi\.org|npmjs\.(org|com)|"
    r"docker\.(io|com)|amazonaws\.com|googleapis\.com|example\.com)$"
)
_NAMED = re.compile(r"up-?time|health|heart-?beat|monitor|smoke|synthetic|alive|ping|status", re.IGNORECASE)
_MONITORS = (
    "aws_route53_health_check", "aws_synthetics_canary", "AWS::Route53::HealthCheck", "AWS::Synthetics::Canary",
    "google_monitoring_uptime_check_config", "azurerm_application_insights_web_test",
    "azurerm_application_insights_standard_web_test", "datadog_synthetics_test", "uptimerobot_monitor",
    "betteruptime_monitor", "checkly_check", "statuscake_uptime_check", "pingdom_check", "digitalocean_uptime_check",
)  # fmt: skip
_SUFFIXES = (".tf", ".template", ".yml", ".yaml", ".json")
_TOLD_ELSEWHERE = re.compile(r"^upptime/|blackbox[-_]exporter")


@entity
class Check:
    """A workflow that runs by a clock and asks addresses."""

    workflow: Workflow
    step: Step
    hosts: frozenset[str]

    @property
    def is_named_so(self) -> bool:
        """Whether its names say that it watches something."""
        job = self.step.job
        texts = (
            self.workflow.path.rpartition("/")[2],
            self.workflow.name,
            job.id if job is not None else "",
            self.step.name,
        )
        return any(map(_NAMED.search, texts))


@entity
class Asking:
    """`elsewhere` is the file that says by which other monitor the application is watched; empty where none does."""

    checks: tuple[Check, ...]
    elsewhere: str = ""

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Every repository has this fact."""
        workflows = repository.fact(Workflows)
        documents = workflows.documents if workflows is not None else ()
        checks: list[Check] = []
        for workflow in documents:
            for step in workflow.steps if "schedule" in workflow.triggers else ():
                hosts = frozenset(_hosts(step))
                if hosts:
                    checks.append(Check(workflow, step, hosts))
        return cls(tuple(checks), _elsewhere(repository, documents))


def host_of(address: str) -> str:
    """The host of an address, in lower case; empty for one that is none."""
    return (urlsplit(address).hostname or "").lower()


def _hosts(step: Step) -> Iterator[str]:
    """The hosts of the addresses that a step asks, written in its script or in the variables around it."""
    script = step.script
    if script is None or not (health_checks(script) or _asks(step)):
        return
    env = {**step.workflow.env, **(step.job.env if step.job is not None else {}), **step.env}
    for text in (script.code, *env.values()):
        for address in _ADDRESS.findall(text):
            host = host_of(address)
            if host and not is_local(address) and not _OTHERS.search(host):
                yield host


def _asks(step: Step) -> bool:
    """Whether a step looks at the status that a request gets."""
    script = step.script
    return script is not None and re.search(r"\bcurl\b.*(http_code|response_code|--head|-I\b)", script.code) is not None


def _elsewhere(repository: Repository, documents: tuple[Workflow, ...]) -> str:
    for path in repository.ending(*_SUFFIXES):
        name = path.rpartition("/")[2]
        if name in (".upptimerc.yml", "checkly.config.ts", "checkly.config.js"):
            return path
        if name.endswith(_SUFFIXES) and "node_modules" not in path:
            text = repository.text(path) if name.endswith(".tf") or "loud" in path or "infra" in path else ""
            if any(word in text for word in _MONITORS) or (
                "prometheus" in path and "blackbox" in repository.text(path)
            ):
                return path
    for workflow in documents:
        if any(_TOLD_ELSEWHERE.search(step.action) for step in workflow.steps):
            return workflow.path
    return ""
