"""Which kind of document a path holds: the one table of what fhfix reads."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from fixer.records import record

if TYPE_CHECKING:
    from fixer.model import Document


@record
class _Kind:
    """A path that this pattern finds ends with one of the suffixes, `""` being a name without a dot, or has one of the
    marks somewhere; so most of many files are told by their suffix alone."""

    pattern: re.Pattern[str]
    document: str
    word: str
    suffixes: tuple[str, ...]
    marks: tuple[str, ...]


_YAML = (".yml", ".yaml")

# (pattern of the path, document type, what people call it, suffixes, marks): the first match wins. Modules are imported
# when a file needs them, since everybody feels the start-up.
_KINDS: tuple[_Kind, ...] = tuple(
    _Kind(re.compile(pattern, re.IGNORECASE), document, word, suffixes, marks)
    for pattern, document, word, suffixes, marks in (
        (r"(^|/)\.github/workflows/[^/]+\.ya?ml$", "github.workflow.Workflow", "workflow", _YAML, ()),
        (r"(^|/)action\.ya?ml$", "github.workflow.Workflow", "action", _YAML, ()),
        (r"(^|/)([\w-]+[._-])?(docker-)?compose[^/]*\.ya?ml$", "docker.compose.Compose", "compose file", _YAML, ()),
        # As https://cookiecutter-django.readthedocs.io names them.
        (
            r"^([^/.]+/)?(local|dev|stag(e|ing)|prod(uction)?)\.ya?ml$",
            "docker.compose.Compose",
            "compose file",
            _YAML,
            (),
        ),
        (
            # Not templates of Dockerfiles, programs that are about them, or what an editor or a person put aside.
            r"(^|/)(dockerfile|containerfile)"
            r"(\.(?!([\w.]*\.)?((docker|container)ignore|eex|ejs|erb|go|hbs|html|in|j2|jinja2?|js|json|md|mustache|py|rs|sh|"
            r"bak|backup|old|orig|save|template|tmpl|tpl|ts|tt|txt|ya?ml)$)[^/]+|[-_][^./]+)?$"
            r"|\.(dockerfile|containerfile)$",
            "languages.dockerfile.Dockerfile",
            "Dockerfile",
            (),
            ("dockerfile", "containerfile"),
        ),
        (r"\.ya?ml$", "languages.yaml.edit.Yaml", "YAML file", _YAML, ()),
        (
            r"(^|/)next\.config\.m?[jt]s$",
            "languages.javascript.JavaScript",
            "Next.js configuration",
            (),
            ("next.config",),
        ),
        (r"\.py$", "languages.python.module.PythonModule", "Python file", (".py",), ()),
        (
            r"(^|/)[^/]*(requirements|constraints)[^/]*\.(txt|in)$|(^|/)requirements/[^/]+\.(txt|in)$",
            "languages.lines.Lines",
            "requirements file",
            (".txt", ".in"),
            (),
        ),
        (r"(^|/)setup\.cfg$", "languages.lines.Lines", "package file", (".cfg",), ()),
        (r"(^|/)(pyproject\.toml|pipfile)$", "languages.toml.Toml", "package file", (".toml", ""), ()),
        (r"\.tf$", "languages.hcl.Hcl", "Terraform file", (".tf",), ()),
        (r"(^|/)[^/]*task[-_.]?def[^/]*\.json$", "languages.json.Json", "task definition", (".json",), ()),
        (
            r"(^|/)([^/]*\.dockerignore|\.(container|git)ignore)$",
            "languages.lines.Lines",
            "ignore file",
            (".dockerignore", ".containerignore", ".gitignore"),
            (),
        ),
        (r"(^|/)procfile$", "languages.lines.Lines", "Procfile", ("",), ()),
        (
            r"\.env$|(^|/)\.env(\.[^/]+)?$|(^|/)\.envs/([^/]+/)*[^/]+$",
            "languages.lines.Lines",
            "env file",
            (),
            (".env",),
        ),
        # Scripts may have no extension.
        (
            r"\.(sh|bash)$|(^|/)(bin|compose|docker|scripts?)/([^/]+/)*[\w-]+$"
            r"|(^|/)((docker-)?entrypoint|start|run|boot|release|migrate|celery\w*)[\w-]*$",
            "languages.lines.Lines",
            "script",
            (".sh", ".bash", ""),
            (),
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
    kind = _of(path)
    return kind.document if kind is not None else ""


KINDS = tuple(dict.fromkeys(kind.word for kind in _KINDS))
"""What people call the kinds of files that are read."""

SUFFIXES = tuple(dict.fromkeys(suffix for kind in _KINDS for suffix in kind.suffixes))
MARKS = tuple(mark for kind in _KINDS for mark in kind.marks)
"""A path of a known kind has one of these suffixes, or one of these marks somewhere, in lower case."""


def word_of(path: str) -> str:
    """What people call a file of this kind, such as `workflow`; empty for a file of no known kind."""
    kind = _of(path)
    return kind.word if kind is not None else ""


def _of(path: str) -> _Kind | None:
    plain = path.lower()
    marked = False
    for mark in MARKS:
        marked = marked or mark in plain
    for kind in _with_suffix(suffix_of(path), marked):
        if kind.pattern.search(path):
            return kind
    return None


@cache
def _with_suffix(suffix: str, marked: bool) -> tuple[_Kind, ...]:
    return tuple(kind for kind in _KINDS if suffix in kind.suffixes or (marked and kind.marks))


def suffix_of(path: str) -> str:
    """What the name ends with, such as `.py`, in lower case; empty for a name without a dot."""
    _, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return f".{suffix.lower()}" if dot else ""


def name_of(document: type[Document]) -> str:
    return f"{document.__module__.removeprefix('fixer.')}.{document.__name__}"


def document_type(kind: str) -> type[Document]:
    module, _, name = kind.rpartition(".")
    found: type[Document] = getattr(import_module(f"fixer.{module}"), name)
    return found
