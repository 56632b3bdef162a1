"""Containers of a task definition of ECS.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from fixer.docker.compose import Mount
from fixer.documents import DEVELOPMENT
from fixer.languages.dockerfile import ImageRef
from fixer.model import Span
from fixer.runtime.datum import Datum
from fixer.runtime.described import Described
from fixer.runtime.following import yaml_of
from fixer.runtime.holders import InNamedList
from fixer.runtime.images import Image, Images
from fixer.runtime.launching import Launch
from fixer.runtime.places import Place
from fixer.runtime.programs import ONCE, Holder, Kind, OutOfReach, Program, Value
from fixer.runtime.texts import Fixed

if TYPE_CHECKING:
    from fixer.repository import Repository

_NOWHERE = Span(0, 0)
_PLACEHOLDER = re.compile(r"<\w+>")
_DJANGO = re.compile(r"\bmanage\.py\b|\b[aw]sgi\b|\bcelery\b")


def task_definition(path: str, repository: Repository, images: Images | None) -> Iterator[Program]:
    """The programs of a task definition that is a JSON file."""
    document = yaml_of(path, repository)
    if document is None:
        return
    root = document.root.get("taskDefinition") or document.root
    listed = root.get("containerDefinitions")
    found: list[Program] = []
    for node in listed.items if listed is not None else ():
        if not node.is_mapping:
            continue
        container = Datum.of_node(document, node)
        name = container.get("name")
        place = Place.of(document.source, node.start, node.end, name.shell if name is not None else "")
        holder = InNamedList(document, node, "environment", node.get("environment"), place, "name")
        found.append(described(container, place, holder, images, repository).program(repository))
    yield from _kept(found)


def task(
    definitions: Iterable[Datum], name: str, images: Images | None, repository: Repository, *, once: bool
) -> Iterator[Program]:
    """The programs of a task that another file than one in JSON defines. `name` is what the file calls the task;
    `once`: no service keeps it running."""
    found: list[Program] = []
    for container in definitions:
        path, line = container.text.path, container.line
        said = container.get("name")
        place = Place(path, _NOWHERE, line, said.said or name if said is not None else name)
        holder = OutOfReach(place, f"the environment of {place.name} in {path}")
        program = described(container, place, holder, images, repository).program(repository)
        found.append(replace(program, development=DEVELOPMENT.search(path) is not None))
    yield from _as_once(found) if once else _kept(found)


def _kept(programs: list[Program]) -> Iterator[Program]:
    """A task that ends when it has migrated is kept by no service, which would start it again and again."""
    django = [each for each in programs if each.is_django]
    ends = bool(django) and all(each.commands[-1].kind is Kind.MIGRATION for each in django)
    yield from _as_once(programs) if ends else programs


def _as_once(programs: list[Program]) -> Iterator[Program]:
    return (replace(each, origin=ONCE) for each in programs)


def described(
    container: Datum, place: Place, holder: Holder, images: Images | None, repository: Repository
) -> Described:
    """What a container definition says."""
    unknown: list[str] = []
    unfollowed: list[str] = []
    values = [*_values(container, place, unknown), *_secrets(container, place, unknown)]
    if container.get("environmentFiles", "environment_files") is not None:
        unknown.append(f"{place}: the files of environmentFiles")
    for name in _names_of_keys(container):
        unknown.append(f"{place}: what {name} sets")
    mounts = tuple(_mounts(container, place, unknown))
    image = container.get("image")
    reference = image.shell if image is not None else ""
    entrypoint = _words(container.get("entryPoint", "entrypoint"), "the entry point", place, unfollowed)
    command = _words(container.get("command"), "the command", place, unfollowed)
    user = container.get("user")
    starts = [word for launch in (entrypoint, command) if launch is not None for word in launch.words]
    built = _image(image, starts, images, repository)
    return Described(
        place.name, place, "ecs", holder, tuple(values), built, reference, entrypoint, command,
        user=(user.said or "") if user is not None else "", mounts=mounts, unknown=tuple(dict.fromkeys(unknown)),
        unfollowed=tuple(unfollowed), rights=_rights(container), ports=tuple(_ports(container)),
    )  # fmt: skip


def _names_of_keys(container: Datum) -> Iterator[str]:
    """What may bring more keys into a container."""
    inside = container.value if isinstance(container.value, dict) else {}
    yield from (name for key, each in inside.items() if each.is_unknown and each.value == key for name in each.holes)


def _image(image: Datum | None, starts: list[str], images: Images | None, repository: Repository) -> Image | None:
    """The image that is built here: by its name, or, where the deployment fills in which, as the only one, or the only
    one that holds the Django project that is started."""
    if image is None or images is None:
        return None
    reference = _PLACEHOLDER.sub("", image.shell)
    known = images.named(reference) if reference else None
    if known is not None:
        return known
    registry, _, name = ImageRef.parse(reference).repository.rpartition("/")
    if "$" in registry and "$" not in name:
        known = _ending(name, images)
    left_open = image.shell != reference or "$" in f"{registry}{name}" or not re.search(r"\w", reference)
    if known is not None or not left_open:
        return known
    shipped = [each for each in images.images if not _for_development(each)]
    if len(shipped) > 1 and any(_DJANGO.search(word) for word in starts):
        shipped = [each for each in shipped if _holds_project(each, repository)]
    if len(shipped) != 1:
        return None
    # What is pushed under other names is not what this name means.
    return shipped[0] if not name or "$" in name or not shipped[0].names else None


def _holds_project(image: Image, repository: Repository) -> bool:
    return image.context is not None and repository.exists(posixpath.join(image.context, "manage.py"))


def _ending(name: str, images: Images) -> Image | None:
    """The only image whose name ends so, in whichever registry."""
    found = [each for each in images.images if any(f"/{known}".endswith(f"/{name}") for known in each.names)]
    return found[0] if len(found) == 1 else None


def _for_development(image: Image) -> bool:
    return DEVELOPMENT.search(image.path) is not None or DEVELOPMENT.search(image.stage.name) is not None


def _values(container: Datum, place: Place, unknown: list[str]) -> Iterator[Value]:
    environment = container.get("environment")
    for each in _entries(environment, place, unknown, "the variables"):
        name, value = each.get("name"), each.get("value")
        if name is None or name.said is None:
            unknown.append(f"{place}: the variables of {', '.join(each.unknown_names())}")
            continue
        at = value or each
        where = Place(at.text.path, _NOWHERE, at.line, name.said)
        yield Value(name.said, value.said if value is not None else None, where, at.open)


def _secrets(container: Datum, place: Place, unknown: list[str]) -> Iterator[Value]:
    for each in _entries(container.get("secrets"), place, unknown, "the secrets"):
        name = each.get("name")
        if name is None or name.said is None:
            unknown.append(f"{place}: the secrets of {', '.join(each.unknown_names())}")
            continue
        yield Value(name.said, None, Place(each.text.path, _NOWHERE, each.line, name.said))


def _entries(listed: Datum | None, place: Place, unknown: list[str], what: str) -> Iterator[Datum]:
    """The mappings of a list; what is not known of it is said."""
    if listed is None:
        return
    for each in (listed, *listed.items):
        if each.is_unknown:
            unknown.append(f"{place}: {what} of {each.holes[0]}")
        elif isinstance(each.value, dict):
            yield each


def _words(node: Datum | None, what: str, place: Place, unfollowed: list[str]) -> Launch | None:
    if node is None or not (node.items or node.is_unknown):
        return None
    unknown = [each for each in (node, *node.items[:1]) if each.is_unknown]
    if unknown:
        unfollowed.append(f"{place}: {what}, which {unknown[0].holes[0]} says")
        return None
    words = tuple(each.shell for each in node.items)
    return Launch(words, tuple(each.text for each in node.items), Fixed(node.text.path, node.line))


def _mounts(container: Datum, place: Place, unknown: list[str]) -> Iterator[Mount]:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_MountPoint.html"""
    for each in _entries(container.get("mountPoints", "mount_points"), place, unknown, "the mounts"):
        source, target = each.get("sourceVolume"), each.get("containerPath")
        if target is None or target.said is None:
            unknown.append(f"{place}: what is mounted")
            continue
        limited = each.get("readOnly")
        read_only = limited is not None and limited.said == "true"
        name = source.shell if source is not None else ""
        yield Mount(name, target.said, bind=False, read_only=read_only, of_root=not read_only)


def _ports(container: Datum) -> Iterator[int]:
    mappings = container.get("portMappings", "port_mappings")
    for each in mappings.items if mappings is not None else ():
        port = each.get("containerPort", "container_port")
        if port is not None and port.number is not None:
            yield port.number


def _rights(container: Datum) -> str:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html"""
    linux = container.get("linuxParameters", "linux_parameters")
    capabilities = linux.get("capabilities") if linux is not None else None
    added = capabilities.get("add") if capabilities is not None else None
    privileged = container.get("privileged")
    if (privileged is not None and privileged.said == "true") or (added is not None and added.items):
        return "rights of root"
    devices = linux.get("devices") if linux is not None else None
    return "devices of the host" if devices is not None and devices.items else ""
