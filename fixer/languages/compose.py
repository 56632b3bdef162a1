"""Compose files, as services. https://github.com/compose-spec/compose-spec/blob/main/spec.md"""

from __future__ import annotations

from functools import cached_property

from fixer.languages.yaml import Node, Yaml


class Compose(Yaml):
    """A compose file."""

    @cached_property
    def services(self) -> dict[str, Node]:
        """The mapping of every service, by name."""
        found = self.root.get("services")
        return (
            {name: node for name, node in found.value.items() if node.is_mapping} if found and found.is_mapping else {}
        )
