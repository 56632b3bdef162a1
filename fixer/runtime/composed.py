"""Programs and servers of compose files. https://docs.docker.com/reference/compose-file/

A service is what its own file says, with what it takes over by `<<` and `extends`; a file that only adds to services of
another file of its folder is laid over that one.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from fixer.docker.compose import Compose, Mount, Service, with_merged
from fixer.documents import DEVELOPMENT, kind_of, name_of
from fixer.languages.dockerfile import ImageRef
from fixer.languages.yaml import Node, Yaml
from fixer.model import FileError, Source
from fixer.project.env_files import is_example
from fixer.records import entity
from fixer.runtime.following import Code, Where, env_values, lines_of
from fixer.runtime.holders import InEnvFile, InMapping
from fixer.runtime.images import Image, Images
from fixer.runtime.launching import Launch, launched, variables_of
from fixer.runtime.places import Place
from fixer.runtime.programs import Environment, Holder, Program, Server, Value
from fixer.runtime.servers import addresses, server_of_image
from fixer.runtime.texts import Fixed, InYaml
from fixer.runtime.unread import Unread, unread_compose_files

if TYPE_CHECKING:
    from fixer.repository import Repository

_BASES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_VARIABLE = re.compile(r"\$\$|\$(?:(\w+)|\{(\w+)(?:(:?[-?+])([^{}]*))?\})")
_DEEPEST = 8
"""`extends` and `include` that lead further go round in a circle."""


@entity
class Layer:
    """A mapping that says something of a service. `hidden` are those of its keys that count for nothing, since the
    mapping that takes it over by `<<` has them too: YAML puts nothing together.

    https://yaml.org/type/merge.html
    """

    document: Compose
    node: Node
    hidden: frozenset[str] = frozenset()

    def get(self, key: str) -> Node | None:
        return self.node.get(key) if key not in self.hidden else None

    @property
    def data(self) -> dict[str, Any]:
        return {key: value for key, value in self.node.data.items() if key not in self.hidden}


@entity
class Defined:
    """One service as one file means it: its own mapping first, then what it takes over, each in its document."""

    name: str
    compose: Compose
    layers: tuple[Layer, ...]
    missing: tuple[str, ...] = ()

    @property
    def node(self) -> Node:
        return self.layers[0].node

    @cached_property
    def place(self) -> Place:
        span = self.compose.root.mapping("services")[self.name]
        start = self.compose.root.get("services")
        key = start.key_spans[self.name] if start is not None else span.span
        return Place.of(self.compose.source, key.start, key.end, f"services.{self.name}")

    @cached_property
    def service(self) -> Service:
        """Its data with all that it takes over; `build` and mounts are from the folder of the file that says them."""
        data: dict[str, Any] = {}
        for layer in self.layers:
            for key, value in layer.data.items():
                if key not in data:
                    data[key] = value
                elif isinstance(value, list) and isinstance(data[key], list) and key != "command":
                    data[key] = [*value, *data[key]]
                elif isinstance(value, dict) and isinstance(data[key], dict):
                    data[key] = {**value, **data[key]}
        return Service(self.name, self.node, data, self._folder("build"))

    def _folder(self, key: str) -> str:
        document = next((each.document for each in self.layers if each.get(key) is not None), self.compose)
        return posixpath.dirname(document.source.path)

    def said(self, key: str) -> tuple[Compose, Node] | None:
        """The strongest layer's value of a key, with the document that it stands in."""
        for layer in self.layers:
            found = layer.get(key)
            if found is not None:
                return layer.document, found
        return None


@entity
class Composition:
    """The services that one compose file starts, by name; `others` are those of files that it is used with."""

    compose: Compose
    services: dict[str, Defined]
    others: dict[str, Defined]
    variables: Mapping[str, Value] = field(default_factory=dict)

    def defined(self, name: str) -> Defined | None:
        return self.services.get(name) or self.others.get(name)


@entity
class Compositions:
    """Every compose file with its programs and servers."""

    programs: tuple[Program, ...]
    servers: tuple[Server, ...]
    unknown: tuple[str, ...]
    unread: tuple[Unread, ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where there is no compose file."""
        compositions = list(_compositions(repository))
        unread = tuple(unread_compose_files(repository))
        if not compositions and not unread:
            return None
        images = repository.fact(Images)
        programs: list[Program] = []
        servers: list[Server] = []
        unknown: list[str] = []
        for composition in compositions:
            here = {name: _server(each) for name, each in (composition.others | composition.services).items()}
            known = {name: server for name, server in here.items() if server is not None}
            servers += [known[name] for name in composition.services if name in known]
            for name, defined in composition.services.items():
                unknown += defined.missing
                if name not in known:
                    programs.append(_program(defined, composition, known, images, repository))
        return cls(tuple(programs), tuple(servers), tuple(dict.fromkeys(unknown)), unread)


# -- which services there are ---------------------------------------------------------------------------------------


def _compositions(repository: Repository) -> Iterator[Composition]:
    folders: dict[str, list[Compose]] = {}
    seen: set[str] = set()
    for compose in repository.documents(
        Compose, lambda source: "services:" in source.text or "include:" in source.text
    ):
        folders.setdefault(posixpath.dirname(compose.source.path), []).append(compose)
        seen.add(compose.source.path)
    groups: list[tuple[str, list[Compose]]] = []
    defined: dict[str, dict[str, Defined]] = {}
    for folder, here in folders.items():
        included = [other for compose in here for other in _included(compose, repository, 0)]
        together = [*here, *(other for other in included if other.source.path not in seen)]
        seen |= {other.source.path for other in included}
        groups.append((folder, together))
        defined |= {compose.source.path: _defined(compose, repository) for compose in together}
    for folder, together in groups:
        variables = {value.name: value for value in reversed(env_values(repository, posixpath.join(folder, ".env")))}
        ordered = sorted(together, key=_rank)
        for compose in together:
            others: dict[str, Defined] = {}
            for other in ordered:
                if other is not compose:
                    for name, each in defined[other.source.path].items():
                        others.setdefault(name, each)
            own = {
                name: _laid_over(each, others.get(name) or _elsewhere(name, defined))
                for name, each in defined[compose.source.path].items()
            }
            yield Composition(compose, own, others, variables)


def _elsewhere(name: str, defined: Mapping[str, Mapping[str, Defined]]) -> Defined | None:
    """The one service of this name that any compose file says an image or a build of: what `docker compose -f
    compose.yml -f deploy/more.yml` adds to. None where several do."""
    found = [services[name] for services in defined.values() if name in services]
    found = [each for each in found if each.said("image") is not None or each.said("build") is not None]
    return found[0] if len(found) == 1 else None


def _rank(compose: Compose) -> tuple[bool, str]:
    """The file that compose reads by itself comes first."""
    name = posixpath.basename(compose.source.path)
    return name not in _BASES, compose.source.path


def _laid_over(own: Defined, other: Defined | None) -> Defined:
    """A service without image and build adds to the one of the same name."""
    if other is None or own.said("image") is not None or own.said("build") is not None:
        return own
    return replace(own, layers=(*own.layers, *other.layers))


def _defined(compose: Compose, repository: Repository) -> dict[str, Defined]:
    found = {}
    for name, service in compose.services.items():
        missing: list[str] = []
        layers = tuple(_layers(compose, service.node, repository, missing, 0))
        found[name] = Defined(name, compose, layers, tuple(missing))
    return found


def _layers(compose: Compose, node: Node, repository: Repository, missing: list[str], depth: int) -> Iterator[Layer]:
    merged = [each for each in with_merged(node) if each.is_mapping]
    said = frozenset[str]()
    for each in merged:
        yield Layer(compose, each, said)
        said |= each.value.keys()
    extends = next((found for each in merged if (found := each.get("extends")) is not None), None)
    if extends is None or depth > _DEEPEST:
        return
    told = extends.data
    name = told if isinstance(told, str) else str(told.get("service", "")) if isinstance(told, dict) else ""
    file = str(told.get("file", "")) if isinstance(told, dict) else ""
    other: Compose | None = compose
    if file:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(compose.source.path), file))
        other = compose_at(path, repository)
    base = other.services.get(name) if other is not None else None
    if base is None or other is None:
        missing.append(f"{compose.source.path}: what {name or 'a service'} of {file or 'this file'} says")
        return
    yield from _layers(other, base.node, repository, missing, depth + 1)


def _included(compose: Compose, repository: Repository, depth: int) -> Iterator[Compose]:
    """The files that a compose file includes: https://docs.docker.com/reference/compose-file/include/"""
    listed = compose.root.get("include")
    for each in listed.items if listed is not None and depth < _DEEPEST else ():
        paths = each.data.get("path", ()) if each.is_mapping else each.data
        for path in paths if isinstance(paths, list) else [paths]:
            inside = posixpath.normpath(posixpath.join(posixpath.dirname(compose.source.path), str(path)))
            other = compose_at(inside, repository)
            if other is not None:
                yield other
                yield from _included(other, repository, depth + 1)


def compose_at(path: str, repository: Repository) -> Compose | None:
    """A file read as a compose file, whatever its name; None where it cannot be."""
    if not repository.exists(path):
        return None
    try:
        if kind_of(path) == name_of(Compose):
            document = repository.document(path)
            return document if isinstance(document, Compose) else None
        return repository.parsed(path, Compose)
    except FileError:
        return None


# -- programs -------------------------------------------------------------------------------------------------------


def _program(
    defined: Defined,
    composition: Composition,
    servers: Mapping[str, Server],
    images: Images | None,
    repository: Repository,
) -> Program:
    service = defined.service
    image = images.built_by(service) if images is not None else None
    name = str(service.data.get("image", ""))
    if image is None and name and images is not None:
        image = images.named(filled(name, composition.variables)[0])
    environment = _environment(defined, composition, image, repository)
    mounts = (*service.mounts, *_given_files(defined))
    folder = str(service.data.get("working_dir", "") or "") or (image.folder if image is not None else "/")
    where = Where(repository, folder, image, mounts, contained=True)
    launch = launched(
        _said_code(defined, "entrypoint"), _said_code(defined, "command"), image, where, f"services.{defined.name}"
    )
    reached = tuple(_reached(defined, composition, servers, environment))
    unknown = [*defined.missing, *launch.unknown]
    if image is None and not name:
        unknown.append(f"{defined.place}: what {defined.name} is built from")
    return Program(
        defined.name,
        defined.place,
        "compose",
        tuple(launch.commands),
        environment,
        image,
        name,
        folder,
        service.user,
        mounts,
        reached,
        launch.settings(environment),
        launch.is_django(environment),
        tuple(dict.fromkeys(unknown)),
        DEVELOPMENT.search(defined.compose.source.path) is not None,
        launch.calls,
        service.ports,
        _rights(service),
        (defined.compose, defined.compose.services[defined.name].node),
    )


def _given_files(defined: Defined) -> Iterator[Mount]:
    """The files of the host that a service gets as secrets or configurations: outside of a swarm they are mounted, and
    keep their owner and mode. https://docs.docker.com/compose/how-tos/use-secrets/"""
    for kind, target in (("secrets", "/run/secrets"), ("configs", "")):
        listed = defined.service.data.get(kind)
        known = defined.compose.root.get(kind)
        for item in listed if isinstance(listed, list) else ():
            name = str(item.get("source", "")) if isinstance(item, dict) else str(item)
            said = known.get(name) if known is not None and known.is_mapping else None
            file = said.get("file") if said is not None and said.is_mapping else None
            if file is not None and file.is_scalar:
                given = str(item.get("target", "")) if isinstance(item, dict) else ""
                yield Mount(file.value, posixpath.join(target, given or name), bind=True, folder=None, read_only=True)


def _rights(service: Service) -> str:
    """Which rights of root a service is given on purpose, as words behind "is given"."""
    data = service.data
    if data.get("privileged") or data.get("cap_add") or data.get("pid") == "host":
        return "rights of root"
    if data.get("devices"):
        return "devices of the host"
    return ""


def _said_code(defined: Defined, key: str) -> Launch | None:
    """`command` or `entrypoint` of a service; None where it says none."""
    said = defined.said(key)
    if said is None or (said[1].is_scalar and said[1].data is None):
        return None
    document, node = said
    if node.is_sequence:
        words = tuple(item.value if item.is_scalar else "" for item in node.items)
        texts = tuple(InYaml(document, item) for item in node.items)
        return Launch(words, texts, Fixed(document.source.path, document.source.line_of(node.start)))
    if not node.is_scalar:
        return None
    # Compose splits a string into words itself; no shell reads it, and `$$` is its way to write `$`.
    code = Code.of(node.value.replace("$$", " $"), InYaml(document, node))
    return Launch.of_code(code)


def _environment(
    defined: Defined, composition: Composition, image: Image | None, repository: Repository
) -> Environment:
    values: list[Value] = []
    unknown: list[str] = []
    lowest: list[Value] = []
    holder: Holder | None = None
    env_file: InEnvFile | None = None
    for layer in defined.layers:
        document, written = layer.document, layer.get("environment")
        if written is not None:
            values += _written(document, written, composition.variables)
            if holder is None and (written.is_mapping or written.is_sequence):
                place = Place.of(document.source, written.start, written.end, defined.place.name)
                target = written if written.target is None else written.target
                holder = InMapping(document, layer.node, "environment", target, place)
        files = layer.get("env_file")
        for path, required in _env_files(document, files) if files is not None else ():
            here = env_values(repository, path)
            lowest += here
            if not repository.exists(path):
                if required:
                    unknown.append(f"{defined.place}: {path}, which is not in the repository")
                continue
            if env_file is None and not is_example(path):
                env_file = _env_file_holder(path, repository, defined.place.name)
    if image is not None:
        lowest += variables_of(image)
    if holder is None and env_file is not None:
        holder = env_file
    if holder is None:
        own = InMapping(defined.layers[0].document, defined.node, "environment", None, defined.place)
        target = defined.layers[0].document.services[defined.name].node
        holder = replace(own, owner=target if target.target is None else target.target)
    return Environment((*values, *lowest), holder, tuple(unknown))


def _env_file_holder(path: str, repository: Repository, name: str) -> InEnvFile | None:
    document = lines_of(path, repository)
    return InEnvFile(document, Place.of(document.source, 0, 0, name)) if document is not None else None


def _env_files(document: Yaml, node: Node) -> Iterator[tuple[str, bool]]:
    """The files of `env_file`, from the top of the repository, the last first since it wins; whether they must be."""
    folder = posixpath.dirname(document.source.path)
    for each in reversed([node] if node.is_scalar else node.items):
        path = each.value if each.is_scalar else _path_of(each)
        required = not (each.is_mapping and (found := each.get("required")) is not None and found.data is False)
        if path and "$" not in path:
            yield posixpath.normpath(posixpath.join(folder, path)), required


def _path_of(node: Node) -> str:
    found = node.get("path")
    return found.value if found is not None and found.is_scalar else ""


def _written(document: Compose, node: Node, variables: Mapping[str, Value]) -> Iterator[Value]:
    """The variables of `environment`, a mapping (with what it takes over) or a list."""
    if node.is_sequence:
        for item in reversed(node.items):
            if item.is_scalar:
                name, equals, text = item.value.partition("=")
                yield _value(name, text if equals else None, document.source, item, variables)
        return
    for each in with_merged(node):
        for name, child in each.value.items() if each.is_mapping else ():
            if child.is_scalar:
                yield _value(name, None if child.data is None else child.value, document.source, child, variables)


def _value(name: str, text: str | None, source: Source, node: Node, variables: Mapping[str, Value]) -> Value:
    place = Place.of(source, node.start, node.end, name)
    if text is None:  # taken from where compose is started, which reads .env too
        found = variables.get(name)
        return Value(name, found.text if found is not None else None, place, open=found is not None)
    known, is_open = filled(text, variables)
    return Value(name, None if is_open and "$" in known else known, place, is_open)


def filled(text: str, variables: Mapping[str, Value]) -> tuple[str, bool]:
    """A text with variables put in, and whether somebody outside may give another value.

    https://docs.docker.com/reference/compose-file/interpolation/
    """
    is_open = False

    def value(found: re.Match[str]) -> str:
        nonlocal is_open
        name = found[1] or found[2]
        if name is None:
            return "$"
        is_open = True
        known = variables.get(name)
        if known is not None and known.text:
            return known.text
        if found[3] in ("-", ":-"):
            return str(found[4])
        return str(found[0])

    result = _VARIABLE.sub(value, text)
    return result, is_open


# -- servers --------------------------------------------------------------------------------------------------------


def _server(defined: Defined) -> Server | None:
    """The server that a service is; None where it is another program."""
    service = defined.service
    image = str(service.data.get("image", ""))
    found = server_of_image(ImageRef.parse(image).repository if image else "", str(service.data))
    if (
        found is None
        and defined.said("build") is not None
        and "/var/lib/postgresql" in str(service.data.get("volumes"))
    ):
        found = server_of_image("postgres", str(service.data))
    if found is None:
        return None
    return replace(
        found,
        name=defined.name,
        host=defined.name,
        place=defined.place,
        origin="compose",
        image=image,
        published=_published(service.data.get("ports"), found.port),
    )


def _published(ports: Any, inside: str) -> str:
    """The port of the machine that leads to a port of the container; empty where none does."""
    for each in ports if isinstance(ports, list) else ():
        if isinstance(each, dict):
            outside, target = str(each.get("published", "")), str(each.get("target", ""))
        else:
            outside, _, target = filled(str(each), {})[0].rpartition(":")
            outside = outside.rpartition(":")[2]
        if target.partition("/")[0] == inside and outside:
            return outside
    return ""


def _reached(
    defined: Defined, composition: Composition, servers: Mapping[str, Server], environment: Environment
) -> Iterator[Server]:
    """Servers that the environment names, then those that it needs or is linked to, else all of its networks."""
    seen: set[str] = set()
    for address in addresses(environment):
        known = next((name for name in servers if address.host in (name, *_aliases(composition, name))), None)
        if known is None:
            yield address
        elif known not in seen:
            seen.add(known)
            yield replace(servers[known], host=address.host, port=address.port or servers[known].port)
    needed = [name for name in _needed(defined.name, composition) if name in servers]
    for name in needed:
        if name not in seen:
            seen.add(name)
            yield servers[name]
    engines = {servers[name].engine for name in seen}
    networks = _networks(defined)
    for name, server in servers.items():
        other = composition.defined(name)
        if name in seen or server.engine in engines or other is None or name not in composition.services:
            continue
        if networks & _networks(other):
            yield server


def _aliases(composition: Composition, name: str) -> tuple[str, ...]:
    defined = composition.defined(name)
    data = defined.service.data if defined is not None else {}
    return tuple(str(data[key]) for key in ("container_name", "hostname") if key in data)


def _networks(defined: Defined) -> set[str]:
    data = defined.service.data
    named = data.get("networks")
    if data.get("network_mode"):
        return {str(data["network_mode"])}
    return set(map(str, named)) if isinstance(named, list | dict) and named else {"default"}


def _needed(name: str, composition: Composition) -> Iterator[str]:
    """The services that one needs, directly or not."""
    seen, todo = {name}, [name]
    while todo:
        defined = composition.defined(todo.pop())
        data = defined.service.data if defined is not None else {}
        for key in ("depends_on", "links"):
            said = data.get(key)
            for other in said if isinstance(said, list | dict) else ():
                plain = str(other).partition(":")[0]
                if plain not in seen:
                    seen.add(plain)
                    todo.append(plain)
                    yield plain
