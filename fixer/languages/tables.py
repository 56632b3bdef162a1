"""Plain data of files that fhfix reads and does not edit, JSON and TOML, and values where anything may stand."""

from __future__ import annotations

import json
import tomllib
from typing import Any


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
