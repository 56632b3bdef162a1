"""JSON and TOML as plain data, for files that fhfix reads and does not edit."""

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
