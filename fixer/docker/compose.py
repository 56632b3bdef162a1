"""Compose files: YAML, seen as services. https://docs.docker.com/reference/compose-file/services/"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from fixer.languages.dockerfile import ImageRef
from fixer.languages.tables import sequence
from fixer.languages.yaml import Node, Yaml
from fixer.model import Address, Change
from fixer.records import entity, record
from fixer.scripts import known_to_be_code

_HERE = re.compile(r"^(\$PWD|\$\{PWD\}|\$\(pwd\)|`pwd`|\$GITHUB_WORKSPACE|\$\{GITHUB_WORKSPACE\})(?=/|$)")
"""The folder in which a command is given, or the checkout of a workflow."""
_OF_THE_HOST = re.compile(rf"[./~]|\$\{{?HOME\b|{_HERE.pattern}")


@record
class Build:
    """How an image is built, paths from the top of the repository. `dockerfile` is empty where it stands inline."""

    context: str
    dockerfile: str
    target: str


@record
class Mount:
    """A volume. `source` is a name, a path as written, or empty; `bind` says whether it is a folder of the host, and
    `folder` which one of the repository that is, from its top (None: none). `of_root`: a platform makes it for root,
    whoever owned the folder in the image."""

    source: str
    target: str
    bind: bool
    folder: str | None = None
    read_only: bool = False
    of_root: bool = False


@entity
class Service:
    """One service. `data` is its plain data, `node` where it stands."""

    name: str
    node: Node
    data: dict[str, Any]
    folder: str

    @property
    def merged(self) -> Service:
        """The same with what its mapping takes over by `<<`."""
        data: dict[str, Any] = {}
        for each in with_merged(self.node):
            if each.is_mapping:
                data = {**each.data, **data}
        return Service(self.name, self.node, data, self.folder)

    @property
    def image(self) -> ImageRef | None:
        """None where there is none, or where a variable names it."""
        text = self.data.get("image")
        return ImageRef.parse(text) if isinstance(text, str) and "$" not in text else None

    @property
    def build(self) -> Build | None:
        """None where nothing is built, or where the context is a variable or lies outside of the repository."""
        data = self.data.get("build")
        found: dict[str, Any] = {"context": data} if isinstance(data, str) else data if isinstance(data, dict) else {}
        if not found:
            return None
        context = _within(self.folder, str(found.get("context", ".")))
        if context is None:
            return None
        name = "" if "dockerfile_inline" in found else str(found.get("dockerfile", "Dockerfile"))
        dockerfile = _within(context, name) if name else ""
        return Build(context, dockerfile, str(found.get("target", ""))) if dockerfile is not None else None

    @property
    def command(self) -> str | list[str]:
        return _command(self.data.get("command"))

    @property
    def entrypoint(self) -> str | list[str]:
        return _command(self.data.get("entrypoint"))

    @property
    def user(self) -> str:
        return str(self.data.get("user", ""))

    @property
    def environment(self) -> dict[str, str | None]:
        """Names and values; None for a value that is taken from where compose is started."""
        data = self.data.get("environment")
        if isinstance(data, dict):
            return {str(name): None if value is None else _text(value) for name, value in data.items()}
        items = (str(item).partition("=") for item in data) if isinstance(data, list) else ()
        return {name: value if equals else None for name, equals, value in items}

    @property
    def ports(self) -> tuple[int, ...]:
        """Ports inside the container that are published; ranges give their ends."""
        found: list[int] = []
        for item in sequence(self.data.get("ports")):
            found += ports_of(str(item.get("target", "")) if isinstance(item, dict) else str(item))
        return tuple(found)

    @property
    def mounts(self) -> tuple[Mount, ...]:
        found: list[Mount] = []
        for item in sequence(self.data.get("volumes")):
            if isinstance(item, dict):
                source, bind = str(item.get("source", "")), item.get("type") == "bind"
                folder = _within(self.folder, source) if bind else None
                found.append(Mount(source, str(item.get("target", "")), bind, folder, item.get("read_only") is True))
                continue
            found.append(mount_of(str(item), self.folder))
        return tuple(found)


def with_merged(node: Node) -> Iterator[Node]:
    """A mapping, then what it takes over by `<<`: what comes first wins."""
    yield node if node.target is None else node.target
    merged = node.get("<<")
    for each in () if merged is None else merged.items if merged.is_sequence else (merged,):
        yield from with_merged(each)


def mount_of(text: str, folder: str) -> Mount:
    """`source:target:options`, as compose files and `docker run -v` say it; `folder` is where it is said."""
    # A variable may hold a colon: ${DATA:-./data}:/data
    parts = re.sub(r"\$\{[^}]*\}", lambda v: v[0].replace(":", "\0"), text).split(":")
    parts = [part.replace("\0", ":") for part in parts]
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    bind = _OF_THE_HOST.match(source) is not None
    here = _HERE.sub(".", source)
    read_only = len(parts) > 2 and "ro" in parts[2].split(",")
    return Mount(source, target, bind, _within(folder, here) if bind else None, read_only)


def ports_of(text: str) -> list[int]:
    """The ports inside of the container that `8000:80` publishes; a range gives its ends."""
    last = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?(?:/\w+)?", text.rpartition(":")[2])
    return [int(number) for number in last.groups() if number] if last else []


def _is_script(at: Address) -> bool:
    return at[-1:] in (("command",), ("entrypoint",)) or at[-2:-1] == ("test",)


class Compose(Yaml):
    """A compose file. Services that are not mappings are left out."""

    @cached_property
    def services(self) -> dict[str, Service]:
        services = self.root.get("services")
        if services is None or not services.is_mapping:
            return {}
        folder = posixpath.dirname(self.source.path)
        found = {}
        for name, node in services.value.items():
            data = node.data
            if isinstance(data, dict):
                found[name] = Service(name, node, data, folder)
        return found

    def _everywhere(self, changes: Iterable[Change]) -> tuple[Change, ...]:
        """The same as for any YAML, once it is seen that what goes into a script is code."""
        return super()._everywhere(known_to_be_code(change, _is_script) for change in changes)


def _within(folder: str, path: str) -> str | None:
    """A path from the top of the repository; None where it leaves it, is absolute, remote or a variable."""
    if "$" in path or "://" in path or path.startswith(("/", "~", "git@")):
        return None
    joined = posixpath.normpath(posixpath.join(folder, path))
    return None if joined.startswith("..") else "" if joined == "." else joined


def _command(value: Any) -> str | list[str]:
    return [str(item) for item in value] if isinstance(value, list) else "" if value is None else str(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
