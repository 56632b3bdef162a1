"""Which kind of document a path holds: the one table of what fhfix reads."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fixer.model import Document

# (pattern of the path, document type, what people call it): the first match wins. Modules are imported when a file
# needs them, since everybody feels the start-up.
_KINDS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind, word)
    for pattern, kind, word in (
        (r"(^|/)\.github/workflows/[^/]+\.ya?ml$", "github.workflow.Workflow", "workflow"),
        (r"(^|/)action\.ya?ml$", "github.workflow.Workflow", "action"),
        (r"(^|/)(docker-)?compose[^/]*\.ya?ml$", "docker.compose.Compose", "compose file"),
        # As https://cookiecutter-django.readthedocs.io names them.
        (r"^([^/.]+/)?(local|staging|production)\.ya?ml$", "docker.compose.Compose", "compose file"),
        (
            # Not templates of Dockerfiles, and not programs that are about them.
            r"(^|/)(dockerfile|containerfile)"
            r"(\.(?!([\w.]*\.)?((docker|container)ignore|eex|ejs|erb|go|hbs|html|in|j2|jinja2?|js|json|md|mustache|py|rs|sh|"
            r"template|tmpl|tpl|ts|tt|txt|ya?ml)$)[^/]+|[-_][^./]+)?$"
            r"|\.(dockerfile|containerfile)$",
            "languages.dockerfile.Dockerfile",
            "Dockerfile",
        ),
        (r"\.ya?ml$", "languages.yaml.edit.Yaml", "YAML file"),
        (r"\.py$", "languages.python.PythonModule", "Python file"),
        (
            r"(^|/)[^/]*(requirements|constraints)[^/]*\.(txt|in)$|(^|/)requirements/[^/]+\.(txt|in)$",
            "languages.lines.Lines",
            "requirements file",
        ),
        (r"(^|/)setup\.cfg$", "languages.lines.Lines", "package file"),
        (r"(^|/)(pyproject\.toml|pipfile)$", "languages.toml.Toml", "package file"),
        (r"(^|/)([^/]*\.dockerignore|\.(container|git)ignore)$", "languages.lines.Lines", "ignore file"),
        (r"(^|/)procfile$", "languages.lines.Lines", "Procfile"),
        (r"\.env$|(^|/)\.env(\.[^/]+)?$|(^|/)\.envs/([^/]+/)*[^/]+$", "languages.lines.Lines", "env file"),
        # Scripts may have no extension.
        (
            r"\.(sh|bash)$|(^|/)(bin|compose|docker|scripts?)/([^/]+/)*[\w-]+$"
            r"|(^|/)((docker-)?entrypoint|start|run|boot|release|migrate|celery\w*)[\w-]*$",
            "languages.lines.Lines",
            "script",
        ),
    )
)

# Dockerfiles, by path, and stages whose image is for work on the project, for its tests, or for what the forge runs.
DEVELOPMENT = re.compile(
    r"(^|[/._-])(dev|devel|development|editable|local|tests?|testing|e2e|ci|devcontainer|gitpod|codesandbox)([/._-]|$)"
    r"|\.(cypress|playwright)$|(^|/)\.(buildkite|circleci|clusterfuzzlite|github|gitlab)/",
    re.IGNORECASE,
)


@cache
def kind_of(path: str) -> str:
    """The document type of a path, as `room.module.Class` within `fixer`; empty for a file that is not read."""
    return next((kind for pattern, kind, _ in _KINDS if pattern.search(path)), "")


KINDS = tuple(dict.fromkeys(word for _, _, word in _KINDS))
"""What people call the kinds of files that are read."""


def word_of(path: str) -> str:
    """What people call a file of this kind, such as `workflow`; empty for a file of no known kind."""
    return next((word for pattern, _, word in _KINDS if pattern.search(path)), "")


def name_of(document: type[Document]) -> str:
    return f"{document.__module__.removeprefix('fixer.')}.{document.__name__}"


def document_type(kind: str) -> type[Document]:
    module, _, name = kind.rpartition(".")
    found: type[Document] = getattr(import_module(f"fixer.{module}"), name)
    return found
