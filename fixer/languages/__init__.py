"""The languages: how each kind of file is read, and the builders that make edits to it."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fixer.model import Document

# (pattern of the path, document type): the first match wins. Modules are imported when a file needs them, since
# everybody feels the start-up.
_KINDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"(^|/)\.github/workflows/[^/]+\.ya?ml$", "workflow.Workflow"),
        (r"(^|/)action\.ya?ml$", "workflow.Workflow"),
        (r"(^|/)(docker-)?compose[^/]*\.ya?ml$", "compose.Compose"),
        (
            # Not templates of Dockerfiles, and not programs that are about them.
            r"(^|/)(dockerfile|containerfile)"
            r"(\.(?!([\w.]*\.)?((docker|container)ignore|eex|ejs|erb|go|hbs|html|in|j2|jinja2?|js|json|md|mustache|py|rs|sh|"
            r"template|tmpl|tpl|ts|tt|txt|ya?ml)$)[^/]+)?$"
            r"|\.(dockerfile|containerfile)$",
            "dockerfile.Dockerfile",
        ),
        (r"\.ya?ml$", "yaml.Yaml"),
        (r"\.py$", "settings.PythonModule"),
        (r"(^|/)[^/]*(requirements|constraints)[^/]*\.(txt|in)$|(^|/)requirements/[^/]+\.(txt|in)$", "lines.Lines"),
        (r"(^|/)([^/]*\.dockerignore|\.(container|git)ignore|procfile)$", "lines.Lines"),
    )
)

# Dockerfiles, by path, and stages whose image is for work on the project, for its tests, or for what the forge runs.
DEVELOPMENT = re.compile(
    r"(^|[/._-])(dev|devel|development|local|tests?|testing|e2e|ci|devcontainer|gitpod|codesandbox)([/._-]|$)"
    r"|\.(cypress|playwright)$|(^|/)\.(buildkite|circleci|clusterfuzzlite|github|gitlab)/",
    re.IGNORECASE,
)


@cache
def kind_of(path: str) -> str:
    """The document type of a path, as `module.Class` within this package; empty for a file that is not read."""
    return next((kind for pattern, kind in _KINDS if pattern.search(path)), "")


def name_of(document: type[Document]) -> str:
    return f"{document.__module__.rpartition('.')[2]}.{document.__name__}"


def document_type(kind: str) -> type[Document]:
    module, name = kind.split(".")
    found: type[Document] = getattr(import_module(f"{__name__}.{module}"), name)
    return found
