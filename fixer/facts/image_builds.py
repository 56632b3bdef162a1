"""From which folder each Dockerfile is built, what that folder sends to the builder, and how compose runs the image."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.facts.workflows import Workflows, commands_of, folder_of
from fixer.languages.compose import Compose, Service
from fixer.languages.dockerfile import Dockerfile, Instruction
from fixer.languages.lines import Lines
from fixer.languages.workflow import Workflow

if TYPE_CHECKING:
    from fixer.repository import Repository


@dataclass(frozen=True, eq=False)
class ImageBuild:
    """One Dockerfile. `context` is a folder from the top of the repository, None where none fits.

    `services` are the compose services that run this image, `is_action` says that GitHub runs it as an action.
    """

    path: str
    context: str | None
    services: tuple[tuple[str, Service], ...]
    is_action: bool
    repository: Repository = field(repr=False)

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Files of the context, from there, whether ignored or not."""
        if self.context is None:
            return ()
        start = f"{self.context}/" if self.context else ""
        return tuple(path[len(start) :] for path in self.repository.files if path.startswith(start))

    @cached_property
    def ignore_path(self) -> str:
        """The ignore file that the builder reads: one named after the Dockerfile wins over the context's."""
        own = f"{self.path}.dockerignore"
        return own if self.repository.exists(own) else posixpath.join(self.context or "", ".dockerignore")

    @cached_property
    def ignore(self) -> Lines | None:
        """The ignore file; None where there is none."""
        if not self.repository.exists(self.ignore_path):
            return None
        document = self.repository.document(self.ignore_path)
        return document if isinstance(document, Lines) else None

    @cached_property
    def patterns(self) -> tuple[IgnorePattern, ...]:
        return tuple(read_ignore(self.ignore.lines)) if self.ignore else ()

    def excluded(self, path: str) -> bool:
        """Whether a path, from the context, is kept from the builder."""
        return is_ignored(path, self.patterns)

    def text(self, path: str) -> str:
        """The text of a file of the context; empty where there is none."""
        return self.repository.text(posixpath.join(self.context or "", path))

    def named(self, name: str) -> tuple[str, ...]:
        """Files of the context with this name, those that the ignore file excludes left out."""
        return tuple(path for path in self.files if posixpath.basename(path) == name and not self.excluded(path))


@dataclass(frozen=True, eq=False)
class ImageBuilds:
    """Every Dockerfile that can be read."""

    builds: dict[str, ImageBuild]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where there is no Dockerfile."""
        dockerfiles = {document.source.path: document for document in repository.documents(Dockerfile)}
        if not dockerfiles:
            return None
        services: dict[str, list[tuple[str, Service]]] = {}
        contexts: dict[str, list[str]] = {}
        for compose in repository.documents(Compose):
            for service in compose.services.values():
                if service.build is not None and service.build.dockerfile in dockerfiles:
                    services.setdefault(service.build.dockerfile, []).append((compose.source.path, service))
                    contexts.setdefault(service.build.dockerfile, []).append(service.build.context)
        for path, context in _workflow_builds(repository):
            contexts.setdefault(path, []).append(context)
        actions = set(_actions(repository))
        return cls(
            {
                path: ImageBuild(
                    path,
                    _context(path, document, contexts.get(path, []), repository),
                    tuple(services.get(path, ())),
                    path in actions,
                    repository,
                )
                for path, document in dockerfiles.items()
            }
        )


def local_sources(instruction: Instruction) -> tuple[str, ...]:
    """What COPY or ADD takes from the context, cleaned: no remote file, no here-document, nothing with a variable."""
    if instruction.op not in ("COPY", "ADD") or instruction.flag("from"):
        return ()
    sources = instruction.args[:-1]
    return tuple(
        posixpath.normpath(source.strip("\"'").lstrip("/") or ".")
        for source in sources
        if not source.startswith("<<") and "://" not in source and "$" not in source and not source.startswith("git@")
    )


def _context(path: str, document: Dockerfile, known: list[str], repository: Repository) -> str | None:
    """The folder that a build says, else the nearest one that has everything that is copied."""
    if known:
        return max(set(known), key=known.count)
    wanted = {source for instruction in document.instructions for source in local_sources(instruction) if source != "."}
    folder = posixpath.dirname(path)
    folders = {posixpath.dirname(name) for name in repository.files}
    while True:
        if all(_is_there(posixpath.join(folder, source), repository, folders) for source in wanted):
            return folder
        if not folder:
            return None
        folder = posixpath.dirname(folder)


def _is_there(path: str, repository: Repository, folders: set[str]) -> bool:
    if repository.exists(path) or path in folders or any(folder.startswith(path + "/") for folder in folders):
        return True
    return bool(re.search(r"[*?\[]", path)) and next(repository.glob(path), None) is not None


def _workflow_builds(repository: Repository) -> Iterator[tuple[str, str]]:
    """(Dockerfile, context) of builds in workflows: docker/build-push-action, `docker build`, `docker buildx build`."""
    workflows = repository.fact(Workflows)
    for workflow in workflows.documents if workflows else ():
        for step in workflow.steps:
            uses, data = step.uses, step.data.get("with")
            if uses is not None and str(uses.value).startswith("docker/build-push-action@") and isinstance(data, dict):
                found = _build(str(data.get("context", "")), str(data.get("file", "")), "")
                if found is not None and "context" in data:
                    yield found
            if step.run is None or "docker" not in str(step.run.value):
                continue
            for command in commands_of(step):
                words = [word.text for word in command.argv]
                if words[:2] != ["docker", "build"] and words[:3] != ["docker", "buildx", "build"]:
                    continue
                folder = folder_of(command, step)
                file = command.value("-f", "--file")
                if folder is not None and command.args and not command.args[-1].text.startswith("-"):
                    found = _build(command.args[-1].text, file.text if file else "", folder)
                    if found is not None:
                        yield found


def _build(context: str, file: str, folder: str) -> tuple[str, str] | None:
    if re.search(r"\$|://|^-$|^/", context) or re.search(r"\$|^-$|^/", file):
        return None
    inside = posixpath.normpath(posixpath.join(folder, context or "."))
    path = posixpath.normpath(posixpath.join(folder, file) if file else posixpath.join(inside, "Dockerfile"))
    return None if inside.startswith("..") else (path, "" if inside == "." else inside)


def _actions(repository: Repository) -> Iterator[str]:
    for workflow in repository.documents(Workflow):
        if not re.search(r"(^|/)action\.ya?ml$", workflow.source.path):
            continue
        runs = workflow.root.get("runs")
        data = runs.data if runs is not None else None
        if isinstance(data, dict) and data.get("using") == "docker":
            image = str(data.get("image", ""))
            yield posixpath.normpath(posixpath.join(posixpath.dirname(workflow.source.path), image))


# -- .dockerignore --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IgnorePattern:
    """One line of an ignore file. `keeps` is the meaning of a leading `!`."""

    text: str
    keeps: bool
    matches: re.Pattern[str]


def read_ignore(lines: tuple[str, ...] | list[str]) -> Iterator[IgnorePattern]:
    """Patterns as the builder reads them, https://docs.docker.com/build/concepts/context/#syntax"""
    for line in lines:
        text = line.strip()
        if not text or line.startswith("#"):
            continue
        keeps = text.startswith("!")
        cleaned = posixpath.normpath(text.removeprefix("!").strip()).lstrip("/")
        if cleaned in (".", ""):
            continue
        try:
            yield IgnorePattern(text, keeps, re.compile(_regex(cleaned)))
        except re.error:
            continue


def is_ignored(path: str, patterns: tuple[IgnorePattern, ...]) -> bool:
    """Whether a path from the context is excluded. The last pattern that matches it, or a folder above, decides."""
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    excluded = False
    for pattern in patterns:
        if excluded == pattern.keeps and any(pattern.matches.fullmatch(name) for name in above):
            excluded = not pattern.keeps
    return excluded


def _regex(pattern: str) -> str:
    """`*` and `?` stay within a name, `**` goes over folders, `[…]` is a class."""
    found, at = [], 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            at += 2
            if pattern.startswith("/", at):
                at += 1
                found.append("(?:.*/)?")
            else:
                found.append(".*")
            continue
        char = pattern[at]
        at += 1
        if char == "*":
            found.append("[^/]*")
        elif char == "?":
            found.append("[^/]")
        elif char == "[":
            end = pattern.find("]", at + 1)
            if end < 0:
                found.append(re.escape(char))
                continue
            found.append("[" + pattern[at:end].replace("\\", "\\\\") + "]")
            at = end + 1
        elif char == "\\" and at < len(pattern):
            found.append(re.escape(pattern[at]))
            at += 1
        else:
            found.append(re.escape(char))
    return "".join(found)


def split(command: str | list[str]) -> list[str]:
    """The words of a compose command; none where its quotes do not match."""
    if isinstance(command, list):
        return command
    try:
        return shlex.split(command)
    except ValueError:
        return []
