"""What machine formats say of fhfix itself: read from the installed package."""

from __future__ import annotations

from functools import cache
from importlib.metadata import metadata, version

NAME = "fhfix"


@cache
def tool_version() -> str:
    return version(NAME)


@cache
def homepage() -> str:
    """The project's address, without a slash at its end; empty where the package declares none."""
    for line in metadata(NAME).get_all("Project-URL") or ():
        label, _, address = line.partition(",")
        if label.strip().lower() in ("homepage", "repository", "source"):
            return str(address.strip().rstrip("/"))
    return ""
