"""Files that start containers but cannot be read: templates, and what is not valid in its language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fixer.docker.compose import Compose
from fixer.documents import kind_of, name_of
from fixer.model import FileError
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

# An image, as a YAML file names it; a template is text to everybody.
_IMAGE = re.compile(r"^\s*(?:-\s+)?[\"']?image[\"']?:[ \t]+[\"']?([^\s\"'#]+)", re.MULTILINE)
_BUILD = re.compile(r"^\s*(?:-\s+)?[\"']?build[\"']?:", re.MULTILINE)
_OF_TEMPLATES = (
    ".ejs", ".erb", ".hbs", ".in", ".j2", ".jinja", ".jinja2", ".mustache", ".njk", ".template", ".tmpl", ".tpl",
)  # fmt: skip
_COMPOSE = re.compile(r"(^|/)([\w-]+[._-])?(docker-)?compose[^/]*$", re.IGNORECASE)


@record
class Unread:
    """One such file. `reason` says why, behind its name; `text` is what it holds, as far as that is known."""

    path: str
    reason: str
    text: str

    @property
    def images(self) -> Iterator[str]:
        """The images that it names, variables and all."""
        return (found[1] for found in _IMAGE.finditer(self.text))

    @property
    def builds(self) -> bool:
        """Whether it says itself how an image is built."""
        return _BUILD.search(self.text) is not None


def unread_compose_files(repository: Repository) -> Iterator[Unread]:
    """Compose files that are none as they stand, by their names or because YAML is not what they hold."""
    for path in repository.ending(".yml", ".yaml"):
        if kind_of(path) != name_of(Compose):
            continue
        text = repository.text(path)
        try:
            if "image:" in text or "build:" in text:
                repository.document(path)
        except FileError as error:
            yield Unread(path, f"cannot be read ({error.reason})", text)
    for path in repository.ending(*_OF_TEMPLATES):
        if _COMPOSE.search(path):
            yield Unread(path, "is a template", repository.text(path))
