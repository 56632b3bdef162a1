"""Programs and servers of Kubernetes manifests, kustomizations and charts. https://kubernetes.io/docs/reference/kubernetes-api/

A chart is read as its own values render it; what its templates compute otherwise is said.
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
from fixer.model import FileError, Source, Span
from fixer.records import entity
from fixer.runtime.datum import as_shell, holes_of, is_hole
from fixer.runtime.following import Where, scalar
from fixer.runtime.holders import InNamedList
from fixer.runtime.images import Image, Images
from fixer.runtime.launching import Launch, Launched, launched, variables_of
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
_NOWHERE = Span(0, 0)


@entity
class Resource:
    """One document of a manifest. `alone`: it is all that its file has, so that builders may change it. Of a template
    of a chart (`chart` is its folder, and `lines` are those of the template) nothing can be changed."""

    document: Yaml
    kind: str
    name: str
    alone: bool
    chart: str | None = None
    lines: tuple[int, ...] = ()

    @property
    def origin(self) -> str:
        return "kubernetes" if self.chart is None else "helm"

    def line_of(self, node: Node) -> int:
        line = self.document.source.line_of(node.start)
        return self.lines[line - 1] if line <= len(self.lines) else line

    def place(self, node: Node, name: str) -> Place:
        if self.chart is not None:
            return Place(self.document.source.path, _NOWHERE, self.line_of(node), name)
        return Place.of(self.document.source, node.start, node.end, name)

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
        for folder in sorted(charts):
            rendered, left, closed = _rendered(folder, repository)
            unknown += left
            unread += (Unread(path, "is a template that cannot be read", repository.text(path)) for path in closed)
            inside = list(_servers(rendered))
            servers += inside
            found = [each for one in rendered for each in _programs(one, rendered, inside, images, repository)]
            programs += found
            if not repository.has_folder(posixpath.join(folder, "templates")):
                programs += _by_its_values(folder, images, repository)
        if not programs and not servers and not unknown:
            return None
        return cls(tuple(programs), tuple(servers), tuple(unknown), tuple(unread))


def _rendered(folder: str, repository: Repository) -> tuple[list[Resource], list[str], list[str]]:
    """What a chart makes with its own values, what of it is not read, and the templates of these."""
    from fixer.runtime.charts import Chart

    chart = Chart.of(folder, _KEPT, repository)
    found: list[Resource] = []
    unread, closed = list(chart.unread), list(chart.closed)
    for path, rendered in chart.templates.items():
        if rendered.conditions and any(kind in _WORKLOADS for kind in _KIND.findall(repository.text(path))):
            unread.append(f"{path}: what it writes by `{'`, `'.join(rendered.conditions[:3])}`")
        try:
            documents = list(read(Source(path, rendered.text)))
        except (FileError, yaml.YAMLError, RecursionError):
            unread.append(f"{path}: what the chart starts")
            closed.append(path)
            continue
        found += (replace(each, alone=False, chart=folder, lines=rendered.lines) for each in documents)
    return found, unread, closed


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
    alone = len(parts) == 1 and not source.text[slice(*parts[0])].endswith("---")
    for start, end in parts[:_MOST_DOCUMENTS]:
        if alone:
            document = Yaml.parse(source)
        else:
            above = re.sub(r"[^\n]", " ", source.text[:start])
            part = re.sub(r"^---", "   ", source.text[start:end]).rstrip("-")
            document = Yaml.parse(Source(source.path, above + part))
        kind = scalar(document.root.get("kind"))
        name = scalar(_path(document.root, "metadata", "name"))
        if kind in _KEPT:
            yield Resource(document, kind, name, alone)


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
                place = resource.place(container, as_shell(resource.name))
                yield replace(
                    found, name=resource.name, host=resource.name, place=place, origin=resource.origin, image=reference
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
        reference = as_shell(scalar(container.get("image")))
        if server_of_image(ImageRef.parse(reference).repository, "") is not None:
            continue
        renamed = _renamed(reference, resource, resources)
        image = images.named(renamed) if images is not None and renamed else None
        name = as_shell(scalar(container.get("name")))
        place = resource.place(container, as_shell(f"{resource.kind} {resource.name}"))
        environment = _environment(container, resource, resources, place, image)
        folder = scalar(container.get("workingDir")) or (image.folder if image is not None else "/")
        mounts = tuple(_mounts(container, resource))
        where = Where(repository, folder, image, mounts, contained=True)
        command, arguments = _words(resource, container.get("command")), _words(resource, container.get("args"))
        open_ = [f"{place}: what `{each}` says of the container" for each in _left_open(container)]
        launch = (
            Launched([], (), tuple(open_), where) if open_ else launched(command, arguments, image, where, place.name)
        )
        reaches = []
        for address in addresses(environment):
            own = next((s for s in servers if address.host.partition(".")[0] in _hosts(s, resources)), None)
            reaches.append(address if own is None else replace(own, host=address.host, port=address.port or own.port))
        yield Program(
            name or resource.name,
            place,
            resource.origin,
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


def _left_open(container: Node) -> Iterator[str]:
    """What is not known of the keys of a container, or of the words of what it starts."""
    yield from (hole for key in container.value for hole in holes_of(key))
    for key in ("command", "args"):
        node = container.get(key)
        words = [node] if node is not None and node.is_scalar else node.items if node is not None else []
        yield from (hole for word in words if is_hole(scalar(word)) for hole in holes_of(scalar(word)))


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
    path = resource.document.source.path
    texts = tuple(
        InYaml(resource.document, item) if resource.alone else Fixed(path, resource.line_of(item))
        for item in node.items
    )
    return Launch(tuple(as_shell(scalar(item)) for item in node.items), texts, Fixed(path, resource.line_of(node)))


def _mounts(container: Node, resource: Resource) -> Iterator[Mount]:
    """Everyone may write to an emptyDir, nobody to what comes from the API; other volumes belong to root as long as the
    pod has no fsGroup: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/"""
    volumes = {scalar(each.get("name")): each for each in _list(_path(resource.pod, "volumes"))}
    group = scalar(_path(resource.pod, "securityContext", "fsGroup"))
    for each in _list(container.get("volumeMounts")):
        name, target = scalar(each.get("name")), scalar(each.get("mountPath"))
        if holes_of(target):
            continue
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
        if found and not holes_of(found):
            return found
    return ""


def _environment(
    container: Node, resource: Resource, resources: list[Resource], place: Place, image: Image | None
) -> Environment:
    values: list[Value] = []
    unknown: list[str] = []
    maps = {each.name: each for each in resources if each.kind == "ConfigMap"}
    for hole in _more(container.get("env")):
        unknown.append(f"{place}: the variables of `{hole}`")
    for each in reversed(_list(container.get("env"))):
        name, value = scalar(each.get("name")), each.get("value")
        if holes_of(name):
            unknown.append(f"{place}: the variable {as_shell(name)}")
            continue
        text = value.value if value is not None and value.is_scalar else None
        reference = _path(each, "valueFrom", "configMapKeyRef")
        if reference is not None:
            known = maps.get(scalar(reference.get("name")))
            text = _of_map(known, reference)
        values.append(_value(name, text, value or each, resource))
    for hole in _more(container.get("envFrom")):
        unknown.append(f"{place}: the variables of `{hole}`")
    for each in reversed(_list(container.get("envFrom"))):
        reference, secret = each.get("configMapRef"), each.get("secretRef")
        known = maps.get(scalar(reference.get("name"))) if reference is not None else None
        if known is not None:
            values += _of_config(known)
            more = (hole for key in known.root.mapping("data") for hole in holes_of(key))
            unknown += (f"{known.document.source.path}: the variables of `{hole}`" for hole in more)
        else:
            kind = "secret" if secret is not None else "config map"
            name = as_shell(scalar((secret or reference or each).get("name")))
            unknown.append(f"{place}: the {kind} {name}")
    mounts = container.get("volumeMounts")
    targets = [scalar(each.get("mountPath")) for each in _list(mounts)]
    for hole in (*_more(mounts), *(hole for target in targets for hole in holes_of(target))):
        unknown.append(f"{place}: what `{hole}` mounts")
    if resource.chart is not None:
        unknown.append(f"{posixpath.join(resource.chart, 'values.yaml')}: what is given instead of it")
    values += variables_of(image) if image is not None else []
    return Environment(tuple(values), _holder(container, resource, place), tuple(dict.fromkeys(unknown)))


def _holder(container: Node, resource: Resource, place: Place) -> Holder:
    path = resource.document.source.path
    if resource.chart is not None:
        return OutOfReach(place, f"{path}, a template,")
    if not resource.alone:
        return OutOfReach(place, f"{path}, which holds several documents,")
    return InNamedList(resource.document, container, "env", container.get("env"), place, "name")


def _more(node: Node | None) -> Iterator[str]:
    """What brings more into a list than is known."""
    items = node.items if node is not None and not node.is_scalar else [node] if node is not None else []
    yield from (hole for each in items if each.is_scalar for hole in holes_of(scalar(each)))


def _value(name: str, text: str | None, node: Node, resource: Resource) -> Value:
    """What a chart says holds as long as nothing else is given when it is installed."""
    known = None if text is None or holes_of(text) else text
    return Value(name, known, resource.place(node, name), open=resource.chart is not None and known is not None)


def _of_map(known: Resource | None, reference: Node) -> str | None:
    node = _path(known.root, "data", scalar(reference.get("key"))) if known is not None else None
    return node.value if node is not None and node.is_scalar else None


def _of_config(known: Resource) -> Iterator[Value]:
    for name, node in known.root.mapping("data").items():
        if not holes_of(name):
            yield _value(name, node.value if node.is_scalar else None, node, known)


def _by_its_values(chart: str, images: Images | None, repository: Repository) -> list[Program]:
    """The program of a chart whose templates are not here, as far as its values tell which image it runs."""
    path = posixpath.join(chart, "values.yaml")
    try:
        document = repository.parsed(path, Yaml) if repository.exists(path) else None
    except FileError:
        return []
    node = _path(document.root, "image", "repository") if document is not None else None
    image = images.named(scalar(node)) if images is not None and node is not None else None
    if document is None or node is None or image is None:
        return []
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
    found = Program(
        posixpath.basename(chart) or "chart", place, "helm", tuple(launch.commands), environment, image, scalar(node),
        image.folder, "", (), tuple(addresses(environment)), launch.settings(environment),
        launch.is_django(environment), launch.unknown, calls=launch.calls,
    )  # fmt: skip
    return [found]
