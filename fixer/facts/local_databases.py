"""Where a stock PostgreSQL server, which has no TLS, runs beside the application: CI jobs and compose services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fixer.languages.compose import Compose
from fixer.languages.workflow import Workflow
from fixer.languages.yaml import Node, Yaml
from fixer.model import Parts

if TYPE_CHECKING:
    from fixer.repository import Repository

_POSTGRES = re.compile(r"(^|/)(postgres|postgis|pgvector|timescaledb(-ha)?|alpine-postgres|postgresql)(-\w+)*(:|@|$)")
_POOLER = re.compile(r"pgbouncer|pgcat|odyssey|supavisor", re.IGNORECASE)
_PYTHON = re.compile(r"\b(python3?|pytest|tox|nox|coverage|manage\.py|uv|poetry|pipenv|pdm|hatch|make|just)\b")
_RUNS_DJANGO = re.compile(
    r"manage\.py|gunicorn|uvicorn|daphne|uwsgi|celery|dramatiq|python|\.sh\b|DJANGO_|DATABASE_URL"
)


@dataclass(frozen=True, eq=False)
class Place:
    """A job or compose service that talks to such a server. `name` is its address, for a message."""

    document: Yaml
    node: Node
    name: str

    @property
    def path(self) -> str:
        return self.document.source.path

    @property
    def _key(self) -> str:
        return "env" if isinstance(self.document, Workflow) else "environment"

    def sets(self, variable: str) -> bool:
        """Whether the variable has a value here, in a step of the job, or for the whole workflow."""
        own = [self.node.get(self._key)]
        if isinstance(self.document, Workflow):
            own.append(self.document.root.get("env"))
            steps = self.node.get("steps")
            own += [step.get("env") for step in steps.items] if steps is not None else []
        return any(variable in _names(node) for node in own if node is not None)

    def set(self, variable: str, value: str) -> Parts:
        """Gives the variable a value, below those that are there."""
        environment = self.node.get(self._key)
        if environment is not None and environment.is_sequence:
            return self.document.insert_item(environment, len(environment.items), f"{variable}={value}")
        if environment is not None and environment.is_mapping:
            return self.document.add_key(environment, variable, value)
        if isinstance(self.document, Workflow):
            return self.document.add_key(self.node, self._key, {variable: value}, before="steps")
        return self.document.add_key(self.node, self._key, {variable: value})


@dataclass(frozen=True, eq=False)
class LocalDatabases:
    """`places` are where the application uses a stock server; `pooler` names a connection pooler in compose."""

    places: tuple[Place, ...]
    pooler: str

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where no workflow and no compose file starts PostgreSQL or a pooler."""
        places: list[Place] = []
        pooler = ""
        for workflow in repository.documents(
            Workflow, lambda source: re.search("postg|timescale", source.text) is not None
        ):
            places += _jobs(workflow)
        for compose in repository.documents(Compose, lambda source: "image:" in source.text):
            places += _services(compose)
            pooler = pooler or _pooler(compose)
        return cls(tuple(places), pooler) if places or pooler else None


def _jobs(workflow: Workflow) -> Iterator[Place]:
    for job in workflow.jobs.values():
        services = job.node.get("services")
        if services is None or not services.is_mapping or job.node.target is not None:
            continue
        stock = any(_is_stock(service.data) for service in services.value.values() if service.is_mapping)
        if stock and any(_PYTHON.search(str(step.data.get("run", ""))) for step in job.steps):
            yield Place(workflow, job.node, f"jobs.{job.id}")


def _services(compose: Compose) -> Iterator[Place]:
    servers = {name for name, service in compose.services.items() if _is_stock(service.data)}
    for name, service in compose.services.items():
        if name in servers or service.node.target is not None or "<<" in service.data:
            continue
        own = "image" not in service.data or "build" in service.data
        if servers & set(service.depends_on) and own and _RUNS_DJANGO.search(str(service.data)):
            yield Place(compose, service.node, f"services.{name}")


def _pooler(compose: Compose) -> str:
    for name, service in compose.services.items():
        if _POOLER.search(str(service.data.get("image", ""))):
            return f"{compose.source.path}: service {name}"
    return ""


def _is_stock(service: dict[str, Any]) -> bool:
    """An official image, or one made from it, that is not told to speak TLS."""
    image = str(service.get("image", ""))
    return _POSTGRES.search(image) is not None and not re.search(r"ssl\s*=\s*on", str(service))


def _names(node: Node) -> set[str]:
    """The keys of a mapping, or what stands before `=` in a list."""
    if node.is_mapping:
        return set(node.value)
    return {str(item.value).partition("=")[0] for item in node.items if item.is_scalar}
