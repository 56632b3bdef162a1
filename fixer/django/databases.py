"""Where a stock PostgreSQL server, which has no TLS, runs beside the application: CI jobs and compose services."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fixer.docker.compose import Compose
from fixer.documents import kind_of, name_of
from fixer.github.workflow import Workflow
from fixer.languages.yaml import Node, Yaml
from fixer.model import Parts

if TYPE_CHECKING:
    from fixer.repository import Repository

_IMAGE = r"(postgres|postgis|pgvector|timescaledb(-ha)?|alpine-postgres|postgresql)(-\w+)*"
_POSTGRES = re.compile(rf"(^|/){_IMAGE}(:|@|$)")
_POOLER = re.compile(r"pgbouncer|pgcat|odyssey|supavisor", re.IGNORECASE)
_PYTHON = re.compile(r"\b(python3?|pytest|tox|nox|coverage|manage\.py|uv|poetry|pipenv|pdm|hatch|make|just)\b")
_HOST_PYTHON = re.compile(
    r"^(?!.*\bdocker\b).*(\bmanage\.py|(?<![\w./-])(pytest|tox|nox|coverage|(uv|poetry|pipenv|pdm|hatch) run)\b)",
    re.MULTILINE,
)
"""A line that may run Django beside containers, not within one."""
_SURELY_DJANGO = re.compile(r"manage\.py|gunicorn|uvicorn|daphne|uwsgi|celery|dramatiq|DJANGO_|DATABASE_URL")
_RUNS_DJANGO = re.compile(rf"{_SURELY_DJANGO.pattern}|python|\.sh\b")
_RUNS_SERVER = re.compile(rf"\bdocker\s+(container\s+)?run\b(?:[^\n\\]|\\\n|\\.)*?[\s/\"']{_IMAGE}(?=[:@\s\"']|$)")
_RUNS_COMPOSE = re.compile(r"\bdocker[ -]compose\b(?:[^\n\\]|\\\n)*?\s(up|run|start)\b")
_SERVER_ACTION = re.compile(r"postgres", re.IGNORECASE)
_NAMES_SERVER = re.compile(rf"(\b\w*image:|^\s*-(\s*name:)?)\s*[\"']?([\w.:-]+/)*{_IMAGE}([:@\"'\s]|$)", re.MULTILINE)
_ELSEWHERE = re.compile(
    r"(^|/)(\.circleci/[^/]+\.ya?ml|\.gitlab-ci[^/]*\.ya?ml|azure-pipelines[^/]*\.ya?ml|bitbucket-pipelines\.ya?ml|"
    r"\.drone\.ya?ml|Jenkinsfile|[Mm]akefile|[Jj]ustfile|tox\.ini|[^/]*compose[^/]*)$"
)
_MANIFEST = re.compile(
    r"(^|[/_.-])(k8s|kube\w*|manifests?|deploy\w*|helm|charts?|openshift|postgres\w*|database|db)([/_.-].*)?\.ya?ml$"
)
_RUNS_PODS = re.compile(r"^kind:\s*[\"']?(Deployment|StatefulSet|Pod)\b", re.MULTILINE)


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

    @property
    def environment(self) -> Node | None:
        """Where its variables stand: with itself, or with an anchor that it takes over."""
        found = next((each for holder in _with_merged(self.node) if (each := holder.get(self._key)) is not None), None)
        return found if found is None or found.target is None else found.target

    def sets(self, variable: str) -> bool:
        """Whether the variable has a value here, in a step of the job, or for the whole workflow."""
        own = [self.environment]
        if isinstance(self.document, Workflow):
            own.append(self.document.root.get("env"))
            steps = self.node.get("steps")
            own += [step.get("env") for step in steps.items] if steps is not None else []
        return any(variable in _names(node) for node in own if node is not None)

    def set(self, variable: str, value: str) -> Parts:
        """Gives the variable a value, below those that are there."""
        environment = self.environment
        if environment is not None and environment.is_sequence:
            return self.document.insert_item(environment, len(environment.items), f"{variable}={value}")
        if environment is not None and environment.is_mapping:
            return self.document.add_key(environment, variable, value)
        if isinstance(self.document, Workflow):
            return self.document.add_key(self.node, self._key, {variable: value}, before="steps")
        return self.document.add_key(self.node, self._key, {variable: value})


@dataclass(frozen=True, eq=False)
class LocalDatabases:
    """`places` are where the application uses a stock server; `pooler` names a connection pooler in compose.

    `elsewhere` are other files that start such a server: of other CI systems, and those that leave open who uses it.
    `deployed` are files that may start one for production: manifests of Kubernetes, and what compose files include.
    """

    places: tuple[Place, ...]
    pooler: str
    elsewhere: tuple[str, ...] = ()
    deployed: tuple[str, ...] = ()

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where nothing starts PostgreSQL or a pooler."""
        folders: dict[str, list[Compose]] = {}
        for compose in repository.documents(Compose, lambda source: "services:" in source.text):
            folders.setdefault(compose.source.path.rpartition("/")[0], []).append(compose)
        composes = [compose for together in folders.values() for compose in together]
        in_compose = any(_is_stock(service.data) for each in composes for service in each.services.values())
        places: list[Place] = []
        for workflow in repository.documents(
            Workflow, lambda source: re.search("postg|timescale|compose", source.text) is not None
        ):
            places += _jobs(workflow, in_compose)
        elsewhere: list[str] = []
        for together in folders.values():
            served = _services(together)
            places += served
            elsewhere += [] if served else _only_servers(together)
        pooler = next(filter(None, map(_pooler, composes)), "")
        known = {compose.source.path for compose in composes}
        elsewhere += [
            path
            for path in repository.files
            if _ELSEWHERE.search(path)
            and path not in known
            and (_NAMES_SERVER.search(repository.text(path)) or _RUNS_SERVER.search(repository.text(path)))
        ]
        deployed = [path for path in repository.files if _MANIFEST.search(path) and _runs_server(repository, path)]
        deployed += [path for path in _included(repository) if _NAMES_SERVER.search(repository.text(path))]
        found = cls(tuple(places), pooler, tuple(sorted(elsewhere)), tuple(deployed))
        return found if places or pooler or elsewhere or deployed else None

    def lacking(self, variable: str) -> Iterator[Place]:
        """The places where a variable has no value, one for each mapping or list that would get it."""
        seen: set[int] = set()
        for place in self.places:
            where = place.environment or place.node
            if not place.sets(variable) and id(where) not in seen:
                seen.add(id(where))
                yield place


def _runs_server(repository: Repository, path: str) -> bool:
    """Whether a manifest of Kubernetes starts a PostgreSQL server."""
    text = repository.text(path)
    return "postg" in text and _RUNS_PODS.search(text) is not None and _NAMES_SERVER.search(text) is not None


def _included(repository: Repository) -> Iterator[str]:
    """The files that compose files include and that are not named like one, so that they are not read as one."""
    for compose in repository.documents(Compose, lambda source: "include:" in source.text):
        listed = compose.root.get("include")
        for each in listed.items if listed is not None else ():
            paths = each.data.get("path", ()) if each.is_mapping else each.data
            for path in paths if isinstance(paths, list) else (paths,):
                found = posixpath.normpath(posixpath.join(posixpath.dirname(compose.source.path), str(path)))
                if kind_of(found) != name_of(Compose):
                    yield found


def _jobs(workflow: Workflow, in_compose: bool) -> Iterator[Place]:
    for job in workflow.jobs.values():
        if job.node.target is not None:
            continue
        runs = [str(step.data.get("run", "")) for step in job.steps]
        starts = (
            any(_is_stock(each.data) for each in job.node.mapping("services").values() if each.is_mapping)
            or any(_SERVER_ACTION.search(str(step.data.get("uses", ""))) for step in job.steps)
            or any(map(_RUNS_SERVER.search, runs))
        )
        composes = in_compose and any(map(_RUNS_COMPOSE.search, runs))
        if (starts and any(map(_PYTHON.search, runs))) or (composes and any(map(_HOST_PYTHON.search, runs))):
            yield Place(workflow, job.node, f"jobs.{job.id}")


def _services(together: Sequence[Compose]) -> list[Place]:
    """Of the compose files of one folder: what a file does not define itself is of those that it is merged with."""
    found: list[Place] = []
    everything = _defined(together)
    for compose in together:
        own = _defined([compose])
        known = {**everything, **own}
        built = {each.get("image") for each in known.values() if "build" in each}
        beside = any(map(_is_stock, own.values()))
        for name, each in own.items():
            node = compose.services[name].node
            is_own = "build" in each or each.get("image") in (None, *built)
            speaks_java = "jdbc:" in str(each)
            if _is_server(each) or node.target is not None or not is_own or speaks_java:
                continue
            servers = [known[other] for other in _reached(name, known) if _is_server(known[other])]
            # A service may also leave unsaid what it needs.
            runs = _RUNS_DJANGO if any(map(_is_stock, servers)) else _SURELY_DJANGO if beside and not servers else None
            if runs is not None and runs.search(str(each)):
                found.append(Place(compose, node, f"services.{name}"))
    return found


def _only_servers(together: Sequence[Compose]) -> list[str]:
    """The files of one folder that start a stock server which no service of theirs needs, but somebody outside."""
    everything = _defined(together)
    needed: set[str] = set().union(*(_reached(name, everything) for name in everything))
    return [
        compose.source.path
        for compose in together
        if any(_is_stock(each) and name not in needed for name, each in _defined([compose]).items())
    ]


def _defined(together: Sequence[Compose]) -> dict[str, dict[str, Any]]:
    return {name: _whole(service.node) for compose in together for name, service in compose.services.items()}


def _reached(name: str, services: dict[str, dict[str, Any]]) -> set[str]:
    """The services that one needs, directly or not."""
    found: set[str] = set()
    todo = [name]
    while todo:
        each = services[todo.pop()]
        said = [each.get(key) for key in ("depends_on", "links")]
        named = (str(other).partition(":")[0] for names in said if isinstance(names, dict | list) for other in names)
        new = {other for other in named if other in services} - found
        found |= new
        todo += new
    return found


def _pooler(compose: Compose) -> str:
    for name, service in compose.services.items():
        if _POOLER.search(str(service.data.get("image", ""))):
            return f"{compose.source.path}: service {name}"
    return ""


def _is_server(service: dict[str, Any]) -> bool:
    """By its image, or, where it is built here, by the folder of its data."""
    built = "build" in service and "/var/lib/postgresql" in str(service.get("volumes", ""))
    return built or _POSTGRES.search(str(service.get("image", ""))) is not None


def _is_stock(service: dict[str, Any]) -> bool:
    """An official image, or one made from it, that is not told to speak TLS."""
    return _is_server(service) and not re.search(r"ssl\s*=\s*on", str(service))


def _with_merged(node: Node) -> Iterator[Node]:
    """A mapping, then what it takes over by `<<`: what comes first wins."""
    yield node
    merged = node.get("<<")
    for each in () if merged is None else merged.items if merged.is_sequence else (merged,):
        yield from _with_merged(each)


def _whole(node: Node) -> dict[str, Any]:
    """The plain data of a mapping with all that it takes over."""
    found: dict[str, Any] = {}
    for each in _with_merged(node):
        for key, value in each.data.items() if each.is_mapping else ():
            found.setdefault(key, value)
    return found


def _names(node: Node) -> set[str]:
    """The keys of a mapping, also of what it takes over, or what stands before `=` in a list."""
    if node.is_mapping:
        return {key for each in _with_merged(node) if each.is_mapping for key in each.value}
    return {str(item.value).partition("=")[0] for item in node.items if item.is_scalar}
