"""What changed at one version of an action, as the catalog's data says it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

from fixer.records import record

# A named tuple takes a tenth of the time that a data class takes to define, which each start of fhfix would pay.
_NONE: Mapping[str, Any] = MappingProxyType({})


@record
class Migration:
    """What changed at one version, as data. Conditions (`when`) are those of `StepUse.holds`.

    `rename`, `invert` (booleans that turned round) and `combine` (new input: templates of old ones) carry values on.
    `drop` are inputs whose absence changes nothing, `lost` those without a counterpart and what to do instead; both
    count only where the target does not have the input. `set` adds an input, where it is not given, to keep what the
    old version did. `block` and `todo` are (condition, text …).
    """

    rename: Mapping[str, str] = _NONE
    invert: Mapping[str, str] = _NONE
    combine: Mapping[str, tuple[str, ...]] = _NONE
    values: Mapping[str, Mapping[str, str]] = _NONE
    drop: frozenset[str] = frozenset()
    lost: Mapping[str, str] = _NONE
    set: tuple[Mapping[str, Any], ...] = ()
    env_to_input: Mapping[str, str] = _NONE
    input_to_env: Mapping[str, str] = _NONE
    env: tuple[Mapping[str, Any], ...] = ()
    env_drop: tuple[str, ...] = ()
    outputs: Mapping[str, str] = _NONE
    permissions: tuple[Mapping[str, Any], ...] = ()
    script: str = ""
    block: tuple[Mapping[str, Any], ...] = ()
    todo: tuple[Mapping[str, Any], ...] = ()
    source: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """From the form of the data files."""
        return cls(
            data.get("rename", {}),
            data.get("invert", {}),
            {name: tuple(templates) for name, templates in data.get("combine", {}).items()},
            data.get("values", {}),
            frozenset(data.get("drop", ())),
            data.get("lost", {}),
            tuple(data.get("set", ())),
            data.get("env_to_input", {}),
            data.get("input_to_env", {}),
            tuple(data.get("env", ())),
            tuple(data.get("env_drop", ())),
            data.get("outputs", {}),
            tuple(data.get("permissions", ())),
            data.get("script", ""),
            tuple(data.get("block", ())),
            tuple(data.get("todo", ())),
            tuple(data.get("source", ())),
        )
