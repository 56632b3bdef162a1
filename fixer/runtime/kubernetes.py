"""Programs and servers of Kubernetes manifests, kustomizations and charts. https://kubernetes.io/docs/reference/kubernetes-api/

A manifest with templates is not read: that it is there is said.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import yaml

from fixer.docker.compose import Compose, Mount
from fixer.documents import DEVELOPMENT, kind_of, name_of
from fixer.github.workflow import Workflow
from fixer.languages.dockerfile import ImageRef
from fixer.languages.tables import natural
from fixer.languages.yaml import Node, Yaml
from fixer.model import FileError, Source
from fixer.records import entity
from fixer.runtime.following import Where, scalar
from fixer.runtime.holders import InNamedList
from fixer.runtime.images import Image, Images
from fixer.runtime.launching import Launch, launched, variables_of
from fixer.runtime.places import Place
from fixer.runtime.programs import Environment, Holder, OutOfReach, Program, Server, Value
from fixer.runtime.servers import addresses, server_of_image
from fixer.runtime.texts import Fixed, InYaml
from fixer.runtime.unread import Unread

if TYPE_CHECKING:
    from fixer.repository import Repository

_KIND = re.compile(r"^kind:\s*[\"']?(\w+)", re.MULTILINE)
_WORKLOADS = frozenset((
    "CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "Rollout", "StatefulSet",
))  # fmt: skip
_ENDING = ("CronJob", "Job")
_KEPT = (*_WORKLOADS, "ConfigMap", "Service", "Kustomization")
_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_GIVEN = ("configMap", "secret", "projected", "downwardAPI")
"""Kinds of volumes that the cluster fills, and that nobody can write to."""
_MOST_DOCUMENTS = 100


@entity
class Resource:
    """One document of a manifest. `alone`: it is all that its file has, so that builders may change it."""

    document: Yaml
    kind: str
    name: str
    alone: bool

    @property
    def root(self) -> Node:
        return self.document.root

    @cached_property
    def pod(self) -> Node | None:
        """The specification of its pods."""
        node: Node | None = self.root.get("spec")
        if self.kind == "CronJob":
            node = _path(node, "jobTemplate", "spec")
        return node if self.kind == "Pod" else _path(node, "template", "spec")

    @cached_property
    def labels(self) -> dict[str, str]:
        node = self.root.get("metadata") if self.kind == "Pod" else _path(self.root, "spec", "template", "metadata")
        return node.texts("labels") if node is not None else {}


@entity
class Manifests:
    """What the cluster runs. `unknown` are manifests and charts that cannot be read."""

    programs: tuple[Program, ...]
    servers: tuple[Server, ...]
    unknown: tuple[str, ...]
    unread: tuple[Unread, ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where there is no manifest."""
        resources: list[Resource] = []
        unknown: list[str] = []
        unread: list[Unread] = []
        charts = {posixpath.dirname(path) for path in repository.ending(".yaml") if path.endswith("Chart.yaml")}
        for path in _candidates(repository):
            chart = next(
                (each for each in charts if path.startswith(f"{each}/templates/" if each else "templates/")), None
            )
            if chart is not None:
                continue
            try:
                resources += read(repository.read(path))
            except (FileError, yaml.YAMLError, RecursionError):
                unknown.append(f"{path} is a manifest that cannot be read")
                unread.append(Unread(path, "is a manifest that cannot be read", repository.text(path)))
        images = repository.fact(Images)
        programs: list[Program] = []
        patches = {path for resource in resources for path in _patches(resource)}
        unknown += [
            f"{each.document.source.path}: what the patch changes" for each in resources if _is_in(each, patches)
        ]
        resources = [each for each in resources if not _is_in(each, patches)]
        servers = list(_servers(resources))
        for resource in resources:
            programs += _programs(resource, resources, servers, images, repository)
        for chart in sorted(charts):
            found = _chart(chart, images, repository)
            programs += [found] if found is not None else []
            unknown.append(f"{posixpath.join(chart, 'templates')}: what the chart starts")
        if not programs and not servers and not unknown:
            return None
        return cls(tuple(programs), tuple(servers), tuple(unknown), tuple(unread))


def _candidates(repository: Repository) -> Iterator[str]:
    others = (name_of(Workflow), name_of(Compose))
    for path in repository.ending(".yml", ".yaml"):
        if path.endswith((".yml", ".yaml")) and not path.startswith(".github/") and kind_of(path) not in others:
            text = repository.text(path)
            if "apiVersion:" in text and any(kind in _KEPT for kind in _KIND.findall(text)):
                yield path


def read(source: Source) -> Iterator[Resource]:
    """The documents of a manifest. Each keeps its place in the file: what stands above it is read as empty lines."""
    starts = [0, *(found.end() for found in _SEPARATOR.finditer(source.text)), len(source.text)]
    parts = [(a, b) for a, b in pairwise(starts) if source.text[a:b].strip("-\n\r \t")]
    for start, end in parts[:_MOST_DOCUMENTS]:
        if len(parts) == 1:
            document = Yaml.parse(source)
        else:
            above = re.sub(r"[^\n]", " ", source.text[:start])
            part = re.sub(r"^---", "   ", source.text[start:end]).rstrip("-")
            document = Yaml.parse(Source(source.path, above + part))
        kind = scalar(document.root.get("kind"))
        name = scalar(_path(document.root, "metadata", "name"))
        if kind in _KEPT:
            yield Resource(document, kind, name, len(parts) == 1)


def _patches(resource: Resource) -> Iterator[str]:
    """The files that a kustomization lays over other manifests, from the top of the repository.
    https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/patches/"""
    if resource.kind != "Kustomization":
        return
    folder = posixpath.dirname(resource.document.source.path)
    for key in ("patches", "patchesStrategicMerge", "patchesJson6902"):
        node = resource.root.get(key)
        for each in node.items if node is not None else ():
            name = scalar(each) or scalar(each.get("path"))
            if name:
                yield posixpath.normpath(posixpath.join(folder, name))


def _is_in(resource: Resource, paths: set[str]) -> bool:
    return resource.document.source.path in paths


def _path(node: Node | None, *keys: str) -> Node | None:
    for key in keys:
        node = node.get(key) if node is not None else None
    return node


def _containers(resource: Resource) -> Iterator[Node]:
    for key in ("initContainers", "containers"):
        node = _path(resource.pod, key)
        yield from (each for each in (node.items if node is not None else []) if each.is_mapping)


def _servers(resources: list[Resource]) -> Iterator[Server]:
    for resource in resources:
        if resource.kind not in _WORKLOADS or resource.kind in _ENDING:
            continue
        # What waits for a database, or saves it, has the database's image too.
        for container in _list(_path(resource.pod, "containers")):
            reference = scalar(container.get("image"))
            found = server_of_image(ImageRef.parse(reference).repository, str(container.data)) if reference else None
            if found is not None:
                place = Place.of(resource.document.source, container.start, container.end, resource.name)
                yield replace(
                    found, name=resource.name, host=resource.name, place=place, origin="kubernetes", image=reference
                )


def _hosts(server: Server, resources: list[Resource]) -> set[str]:
    """The names under which a workload is reached: its own, and those of the services that select it."""
    found = {server.name}
    workload = next((each for each in resources if each.kind in _WORKLOADS and each.name == server.name), None)
    for service in resources:
        selector = _path(service.root, "spec") if service.kind == "Service" else None
        wanted = selector.texts("selector") if selector is not None else {}
        if workload is not None and wanted and wanted.items() <= workload.labels.items():
            found.add(service.name)
    return found


def _programs(
    resource: Resource,
    resources: list[Resource],
    servers: list[Server],
    images: Images | None,
    repository: Repository,
) -> Iterator[Program]:
    if resource.kind not in _WORKLOADS:
        return
    for container in _containers(resource):
        reference = scalar(container.get("image"))
        if server_of_image(ImageRef.parse(reference).repository, "") is not None:
            continue
        renamed = _renamed(reference, resource, resources)
        image = images.named(renamed) if images is not None and renamed else None
        name = scalar(container.get("name"))
        place = Place.of(resource.document.source, container.start, container.end, f"{resource.kind} {resource.name}")
        environment = _environment(container, resource, resources, place, image)
        folder = scalar(container.get("workingDir")) or (image.folder if image is not None else "/")
        mounts = tuple(_mounts(container, resource))
        where = Where(repository, folder, image, mounts, contained=True)
        command, arguments = _words(resource, container.get("command")), _words(resource, container.get("args"))
        launch = launched(command, arguments, image, where, place.name)
        reaches = []
        for address in addresses(environment):
            own = next((s for s in servers if address.host.partition(".")[0] in _hosts(s, resources)), None)
            reaches.append(address if own is None else replace(own, host=address.host, port=address.port or own.port))
        yield Program(
            name or resource.name,
            place,
            "kubernetes",
            tuple(launch.commands),
            environment,
            image,
            reference,
            folder,
            _user(container, resource),
            mounts,
            tuple(reaches),
            launch.settings(environment),
            launch.is_django(environment),
            launch.unknown,
            DEVELOPMENT.search(resource.document.source.path) is not None,
            launch.calls,
            tuple(_ports(container)),
            _rights(container, resource),
        )


def _renamed(reference: str, resource: Resource, resources: list[Resource]) -> str:
    """The name that a kustomization puts in the place of an image's."""
    plain = ImageRef.parse(reference).repository
    for other in resources:
        for each in _list(other.root.get("images")) if other.kind == "Kustomization" else ():
            if scalar(each.get("name")) == plain and scalar(each.get("newName")):
                return scalar(each.get("newName"))
    return reference


def _list(node: Node | None) -> list[Node]:
    return [each for each in node.items if each.is_mapping] if node is not None else []


def _words(resource: Resource, node: Node | None) -> Launch | None:
    if node is None or not node.items:
        return None
    source = resource.document.source
    text = Fixed(source.path, source.line_of(node.start))
    texts = tuple(
        InYaml(resource.document, item) if resource.alone else Fixed(source.path, source.line_of(item.start))
        for item in node.items
    )
    return Launch(tuple(scalar(item) for item in node.items), texts, text)


def _mounts(container: Node, resource: Resource) -> Iterator[Mount]:
    """Everyone may write to an emptyDir, nobody to what comes from the API; other volumes belong to root as long as the
    pod has no fsGroup: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/"""
    volumes = {scalar(each.get("name")): each for each in _list(_path(resource.pod, "volumes"))}
    group = scalar(_path(resource.pod, "securityContext", "fsGroup"))
    for each in _list(container.get("volumeMounts")):
        name, target = scalar(each.get("name")), scalar(each.get("mountPath"))
        volume = volumes.get(name)
        given = any(_path(volume, kind) is not None for kind in _GIVEN)
        read_only = given or scalar(each.get("readOnly")) == "true"
        host = scalar(_path(volume, "hostPath", "path"))
        if host:
            yield Mount(host, target, bind=True, read_only=read_only)
            continue
        for_all = read_only or _path(volume, "emptyDir") is not None or bool(group)
        yield Mount(name, target, bind=False, read_only=read_only, of_root=not for_all)


def _ports(container: Node) -> Iterator[int]:
    for each in _list(container.get("ports")):
        port = natural(scalar(each.get("containerPort")))
        if port is not None:
            yield port


def _rights(container: Node, resource: Resource) -> str:
    security = container.get("securityContext")
    data = security.data if security is not None else None
    if isinstance(data, dict) and (data.get("privileged") or _path(security, "capabilities", "add") is not None):
        return "rights of root"
    return "rights of root" if scalar(_path(resource.pod, "hostPID")) == "true" else ""


def _user(container: Node, resource: Resource) -> str:
    for owner in (container, resource.pod):
        found = scalar(_path(owner, "securityContext", "runAsUser"))
        if found:
            return found
    return ""


def _environment(
    container: Node, resource: Resource, resources: list[Resource], place: Place, image: Image | None
) -> Environment:
    source = resource.document.source
    values: list[Value] = []
    unknown: list[str] = []
    maps = {each.name: each for each in resources if each.kind == "ConfigMap"}
    for each in reversed(_list(container.get("env"))):
        name, value = scalar(each.get("name")), each.get("value")
        at = value or each
        text = value.value if value is not None and value.is_scalar else None
        reference = _path(each, "valueFrom", "configMapKeyRef")
        if reference is not None:
            known = maps.get(scalar(reference.get("name")))
            text = _of_map(known, reference)
        values.append(Value(name, text, Place.of(source, at.start, at.end, name)))
    for each in reversed(_list(container.get("envFrom"))):
        reference, secret = each.get("configMapRef"), each.get("secretRef")
        known = maps.get(scalar(reference.get("name"))) if reference is not None else None
        if known is not None:
            values += _of_config(known)
        else:
            kind = "secret" if secret is not None else "config map"
            unknown.append(f"{place}: the {kind} {scalar((secret or reference or each).get('name'))}")
    values += variables_of(image) if image is not None else []
    holder: Holder = OutOfReach(place, f"{source.path}, which holds several documents,")
    if resource.alone:
        holder = InNamedList(resource.document, container, "env", container.get("env"), place, "name")
    return Environment(tuple(values), holder, tuple(unknown))


def _of_map(known: Resource | None, reference: Node) -> str | None:
    node = _path(known.root, "data", scalar(reference.get("key"))) if known is not None else None
    return node.value if node is not None and node.is_scalar else None


def _of_config(known: Resource) -> Iterator[Value]:
    for name, node in known.root.mapping("data").items():
        text = node.value if node.is_scalar else None
        yield Value(name, text, Place.of(known.document.source, node.start, node.end, name))


def _chart(chart: str, images: Images | None, repository: Repository) -> Program | None:
    """The program of a chart, as far as its values tell which image it runs."""
    path = posixpath.join(chart, "values.yaml")
    try:
        document = repository.parsed(path, Yaml) if repository.exists(path) else None
    except FileError:
        return None
    node = _path(document.root, "image", "repository") if document is not None else None
    image = images.named(scalar(node)) if images is not None and node is not None else None
    if document is None or node is None or image is None:
        return None
    place = Place.of(document.source, node.start, node.end, f"chart {posixpath.basename(chart) or 'of the repository'}")
    values: list[Value] = []
    for key in ("env", "envVars", "environment", "extraEnv"):
        for name, each in document.root.mapping(key).items():
            if each.is_scalar:
                values.append(Value(name, each.value, Place.of(document.source, each.start, each.end, name)))
    where = Where(repository, image.folder, image, contained=True)
    launch = launched(None, None, image, where, place.name)
    unknown = (f"{posixpath.join(chart, 'templates')}: what the chart mounts and sets",)
    environment = Environment(
        (*values, *variables_of(image)), OutOfReach(place, f"the templates of {chart or 'the chart'}"), unknown
    )
    return Program(
        posixpath.basename(chart) or "chart", place, "helm", tuple(launch.commands), environment, image, scalar(node),
        image.folder, "", (), tuple(addresses(environment)), launch.settings(environment),
        launch.is_django(environment), launch.unknown, calls=launch.calls,
    )  # fmt: skip
