"""What machine formats say of fhfix itself."""

from __future__ import annotations

import json
import os
from functools import cache
from urllib.parse import urlsplit

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
    """The project's address, without a slash at its end: the one place that links to its pages are made from.

    What the package declares; else FHFIX_HOMEPAGE, which the action sets to where it comes from; else the repository
    that pip installed from. Empty where none of them says it.
    """
    from importlib.metadata import distribution  # late: it loads the parsers of mails

    installed = distribution(NAME)
    for line in installed.metadata.get_all("Project-URL") or ():
        label, _, address = line.partition(",")
        if label.strip().lower() in ("homepage", "repository", "source"):
            return str(address.strip().rstrip("/"))
    return os.environ.get("FHFIX_HOMEPAGE", "").rstrip("/") or _origin(installed.read_text("direct_url.json"))


def _origin(record: str | None) -> str:
    """The repository that a package was installed from, as pip notes it
    (https://packaging.python.org/specifications/direct-url/), without what somebody signed in with."""
    noted = json.loads(record) if record else {}
    address = urlsplit(noted.get("url", ""))
    if "vcs_info" not in noted or address.scheme != "https" or not address.hostname:
        return ""
    host = f"{address.hostname}:{address.port}" if address.port else address.hostname
    return f"https://{host}{address.path.removesuffix('/').removesuffix('.git')}"


def page_of(rule_id: str) -> str:
    """The address of a rule's page; empty where the project has none."""
    return f"{homepage()}/blob/HEAD/docs/rules/{rule_id}.md" if homepage() else ""
