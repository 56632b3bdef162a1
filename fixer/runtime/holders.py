"""Where a variable of a program is written: a mapping or list of a YAML file, or a file of variables."""

from __future__ import annotations

from fixer.languages.lines import Lines
from fixer.languages.yaml import Node, Yaml
from fixer.model import Parts
from fixer.records import entity
from fixer.runtime.places import Place
from fixer.runtime.programs import OutOfReach


@entity
class InMapping:
    """`environment` is a mapping or a list of `NAME=value`; where there is none (None), `owner` gets the key `name`,
    before the key `before` where it has that."""

    document: Yaml
    owner: Node
    name: str
    environment: Node | None
    place: Place
    before: str = ""

    @property
    def key(self) -> tuple[str, int]:
        return self.document.source.path, (self.environment or self.owner).start

    def add(self, name: str, value: str) -> Parts:
        environment = self.environment
        if environment is not None and environment.is_sequence:
            return self.document.insert_item(environment, len(environment.items), f"{name}={value}")
        if environment is not None and environment.is_mapping:
            return self.document.add_key(environment, name, value)
        before = self.before if self.owner.get(self.before) is not None else None
        return self.document.add_key(self.owner, self.name, {name: value}, before=before)


@entity
class InEnvFile:
    """A tracked file of variables."""

    document: Lines
    place: Place

    @property
    def key(self) -> tuple[str, int]:
        return self.document.source.path, 0

    def add(self, name: str, value: str) -> Parts:
        return self.document.append(f"{name}={value}")


@entity
class InNamedList:
    """A list of entries such as `{name: A, value: b}`, as in Kubernetes and Render; `label` is the key of the name.
    Where there is none (None), `owner` gets the key `key_name`."""

    document: Yaml
    owner: Node
    key_name: str
    entries: Node | None
    place: Place
    label: str

    @property
    def key(self) -> tuple[str, int]:
        return self.document.source.path, (self.entries or self.owner).start

    def add(self, name: str, value: str) -> Parts:
        if self.document.source.path.endswith(".json"):
            return OutOfReach(self.place, self.document.source.path).add(name, value)
        entry = {self.label: name, "value": value}
        if self.entries is not None and self.entries.is_sequence:
            return self.document.insert_item(self.entries, len(self.entries.items), entry)
        return self.document.add_key(self.owner, self.key_name, [entry])
