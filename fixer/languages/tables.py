"""Plain data of files that fhfix reads and does not edit, JSON and TOML, and values where anything may stand."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

_NATURAL = re.compile("[0-9]{1,9}")


def json_object(text: str) -> dict[str, Any]:
    """The object that a JSON text holds; empty for anything else: its own tool will complain."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def toml_table(text: str) -> dict[str, Any]:
    """The table that a TOML text holds; empty for what is none."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def mapping(value: Any) -> dict[str, Any]:
    """The mapping that stands there; empty where nothing does, or something else."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The sequence that stands there; empty where nothing does, or something else."""
    return value if isinstance(value, list) else []


def natural(value: Any) -> int | None:
    """The whole number that stands there, as one or in at most nine digits; None for everything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 10**9 else None
    return int(value) if isinstance(value, str) and _NATURAL.fullmatch(value) else None
