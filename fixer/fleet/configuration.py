"""The configuration of a fleet: that of a repository, for all of them, with tables for some.

What a repository says of itself wins, key by key; below it stand the tables of the patterns that match its name, the
last first, and below these what the file says for all. What any of them leaves out (`ignore`, `exclude`,
`per-path-ignores`) is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fixer.config import ConfigError, from_table, laid_over, parsed
from fixer.records import record
from fixer.registry import all_rules

OWN = "repositories"
"""The table of patterns."""


@record
class FleetConfig:
    """`tables` are by pattern, in the order of the file."""

    everywhere: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def left_out(self, name: str) -> str:
        """Why a repository is left out of the fleet; empty where it is not."""
        return str(self._for(name).get("leave-out", ""))

    def below(self, name: str) -> dict[str, Any]:
        """What holds for a repository, below what its own file says."""
        found = laid_over(self.everywhere, self._for(name))
        found.pop("leave-out", None)
        return found

    def _for(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for pattern, table in self.tables.items():
            if fnmatchcase(name.lower(), pattern.lower()):
                found = laid_over(found, table)
        return found


def load_fleet_config(file: Path | None) -> FleetConfig:
    """Raises ConfigError, which says all that is wrong at once."""
    return FleetConfig() if file is None else from_fleet_table(parsed(file), str(file))


def from_fleet_table(table: Mapping[str, Any], name: str) -> FleetConfig:
    """The configuration that a parsed file says."""
    everywhere = {key: value for key, value in table.items() if key != OWN}
    tables = table.get(OWN, {})
    rules = all_rules()
    errors: list[str] = []
    if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
        raise ConfigError([f"{name}: {OWN}: must be tables by a pattern of names, [{OWN}.'acme/*']"])
    for place, each in {"": everywhere, **tables}.items():
        own = dict(each)
        why = own.pop("leave-out", "") if place else ""
        prefix = f"{OWN}.{place!r}." if place else ""
        if not isinstance(why, str):
            errors.append(f"{name}: {prefix}leave-out: must be a text, the reason")
        try:
            from_table(own, rules, name, prefix)
        except ConfigError as error:
            errors += error.errors
    if errors:
        raise ConfigError(errors)
    return FleetConfig(everywhere, tables)
