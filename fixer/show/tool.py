"""What machine formats say of fhfix itself."""

from __future__ import annotations

import json
import os
from functools import cache

NAME = "fhfix"
VERSION = "0.1.0"
"""What pyproject.toml takes as the version of the package."""


def tool_version() -> str:
    return VERSION


def catalog_date() -> str:
    """The day on which the catalog of actions was last compared; read without loading the catalog."""
    path = os.path.join(os.path.dirname(__file__), "..", "github", "catalog", "runtimes.json")
    with open(path, encoding="utf-8") as file:
        return str(json.load(file)["as_of"])


@cache
def homepage() -> str:
    """The project's address, without a slash at its end; empty where the package declares none."""
    from importlib.metadata import metadata  # late: it loads the parsers of mails

    for line in metadata(NAME).get_all("Project-URL") or ():
        label, _, address = line.partition(",")
        if label.strip().lower() in ("homepage", "repository", "source"):
            return str(address.strip().rstrip("/"))
    return ""
