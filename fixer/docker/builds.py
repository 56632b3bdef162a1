"""From which folder each Dockerfile is built, what that folder sends to the builder, and how compose runs the image."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.docker.compose import Compose, Service
from fixer.github.workflow import Workflow
from fixer.github.workflows import Workflows, commands_of, folder_of
from fixer.languages.dockerfile import Dockerfile, Instruction
from fixer.languages.lines import Lines
from fixer.model import FileError

if TYPE_CHECKING:
    from fixer.repository import Repository

# What says how a project is built, in any folder.
_BUILD_FILE = re.compile(
    r"^(pyproject\.toml|setup\.(py|cfg)|package\.json|[a-z]+\.config\.[cm]?[jt]s|Cargo\.toml|build\.rs|pom\.xml"
    r"|(build|settings)\.gradle(\.kts)?|[\w.-]+\.(csproj|gemspec)|Directory\.Build\.(props|targets)|Makefile)$"
)
# Shell scripts, which may have no extension, settings of servers, lists of requirements, and what says how a Python
# project is built.
_READ = re.compile(
    r"\.(sh|bash|ini|py)$|^[\w-]+$|^[\w.-]*requirements[\w.-]*\.txt$|^(pyproject\.toml|setup\.(py|cfg))$"
)


@dataclass(frozen=True, eq=False)
class ImageBuild:
    """One Dockerfile. `context` is a folder from the top of the repository, None where none fits.

    `services` are the compose services that run what its final stage makes, `is_action` says that GitHub runs it as an
    action. `files` are those of the context, from there, whether ignored or not; `texts` are the scripts that it may
    start, the lists that it installs from, and what says how projects are built. `ignore_path` is the ignore file that
    the builder reads, or would read; `ignore_fault` says why it cannot be read here.
    """

    path: str
    dockerfile: Dockerfile
    context: str | None
    services: tuple[tuple[str, Service], ...]
    is_action: bool
    files: tuple[str, ...] = field(repr=False)
    texts: dict[str, str] = field(repr=False)
    ignore_path: str
    ignore: Lines | None
    ignore_fault: str

    @cached_property
    def folders(self) -> frozenset[str]:
        """Folders of the context, from there."""
        return frozenset(_folders(self.files))

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name of a file or folder in the context, without what is above it."""
        return frozenset(posixpath.basename(path) for path in (*self.files, *self.folders))

    @cached_property
    def patterns(self) -> tuple[IgnorePattern, ...]:
        return tuple(read_ignore(self.ignore.lines)) if self.ignore else ()

    def excluded(self, path: str) -> bool:
        """Whether a path, from the context, is kept from the builder."""
        return is_ignored(path, self.patterns)

    def text(self, path: str) -> str:
        """The text of a script or list of the context; empty where there is none."""
        return self.texts.get(path, "")

    def named(self, name: str) -> tuple[str, ...]:
        """Scripts of the context with this name, those that the ignore file excludes left out."""
        return tuple(path for path in self.texts if posixpath.basename(path) == name and not self.excluded(path))


@dataclass(frozen=True, eq=False)
class ImageBuilds:
    """Every Dockerfile that can be read. `written` are names of files that workflows write before they build."""

    builds: dict[str, ImageBuild]
    written: frozenset[str]

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
                    final = dockerfiles[service.build.dockerfile].final
                    if service.build.target.lower() in ("", final.name, str(final.index)):
                        services.setdefault(service.build.dockerfile, []).append((compose.source.path, service))
                    contexts.setdefault(service.build.dockerfile, []).append(service.build.context)
        for path, folder in _workflow_builds(repository):
            contexts.setdefault(path, []).append(folder)
        actions = set(_actions(repository))
        builds: dict[str, ImageBuild] = {}
        for path, document in dockerfiles.items():
            context = _context(path, document, contexts.get(path, []), repository)
            files = _inside(context, repository)
            # A file that is named after the Dockerfile wins over the context's; .containerignore is podman's.
            usual = posixpath.join(context or "", ".dockerignore")
            candidates = (f"{path}.dockerignore", usual, posixpath.join(context or "", ".containerignore"))
            ignore_path = next((name for name in candidates if repository.exists(name)), usual)
            run_by = tuple(services.get(path, ()))
            texts = _texts(document, run_by, context, files, repository)
            ignore, fault = _lines(ignore_path, repository)
            builds[path] = ImageBuild(
                path, document, context, run_by, path in actions, files, texts, ignore_path, ignore, fault
            )
        return cls(builds, frozenset(_written(repository)))


def _inside(context: str | None, repository: Repository) -> tuple[str, ...]:
    if context is None:
        return ()
    start = f"{context}/" if context else ""
    return tuple(path[len(start) :] for path in repository.files if path.startswith(start))


def _lines(path: str, repository: Repository) -> tuple[Lines | None, str]:
    if not repository.exists(path):
        return None, ""
    try:
        document = repository.document(path)
    except FileError as error:
        return None, error.reason
    return (document if isinstance(document, Lines) else None), ""


def _texts(
    document: Dockerfile,
    services: tuple[tuple[str, Service], ...],
    context: str | None,
    files: tuple[str, ...],
    repository: Repository,
) -> dict[str, str]:
    """Scripts and lists whose names stand in the Dockerfile, in a compose command, or in such a script."""
    by_name: dict[str, list[str]] = {}
    found: dict[str, str] = {}
    for path in files:
        name = posixpath.basename(path)
        if _BUILD_FILE.search(name):
            found[path] = repository.text(posixpath.join(context or "", path))
        elif _READ.search(name):
            by_name.setdefault(name, []).append(path)
    waiting = [
        document.source.text,
        *(str(s.data.get(key, "")) for _, s in services for key in ("command", "entrypoint")),
        "gunicorn.conf.py",
    ]
    while waiting:
        for name in dict.fromkeys(re.findall(r"[\w.-]*\w", waiting.pop())):
            for path in by_name.pop(name, ()):
                found[path] = repository.text(posixpath.join(context or "", path))
                if "requirements" not in name and not name.endswith((".ini", ".py")):
                    waiting.append(found[path])
    return found


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
    """The folder that most builds say, of those that have what is copied; without builds the nearest one that has."""
    wanted = {source for instruction in document.instructions for source in local_sources(instruction) if source != "."}
    folders = _folders(repository.files)

    def has_all(folder: str) -> bool:
        return all(_is_there(posixpath.join(folder, source), repository, folders) for source in wanted)

    if known:
        return max([folder for folder in known if has_all(folder)] or known, key=known.count)
    folder = posixpath.dirname(path)
    while True:
        if has_all(folder):
            return folder
        if not folder:
            return None
        folder = posixpath.dirname(folder)


def _is_there(path: str, repository: Repository, folders: set[str]) -> bool:
    if repository.exists(path) or path in folders:
        return True
    return bool(re.search(r"[*?\[]", path)) and next(repository.glob(path), None) is not None


def _folders(paths: tuple[str, ...]) -> set[str]:
    """Every folder that holds one of these paths, at any depth."""
    found: set[str] = set()
    for path in paths:
        folder = posixpath.dirname(path)
        while folder and folder not in found:
            found.add(folder)
            folder = posixpath.dirname(folder)
    return found


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


def _written(repository: Repository) -> Iterator[str]:
    """Names of environment files that steps write, for the build to take along."""
    workflows = repository.fact(Workflows)
    for workflow in workflows.documents if workflows else ():
        for step in workflow.steps:
            if step.run is None or ".env" not in str(step.run.value):
                continue
            for command in commands_of(step):
                targets = [redirect.target for redirect in command.redirects if ">" in redirect.operator]
                if command.name in ("cp", "mv", "tee", "touch") and command.args:
                    targets.append(command.args[-1].text)
                yield from (name for target in targets if (name := posixpath.basename(target)).startswith(".env"))


def _build(context: str, file: str, folder: str) -> tuple[str, str] | None:
    if re.search(r"\$|://|^-$|^/", context) or re.search(r"\$|^-$|^/", file):
        return None
    inside = posixpath.normpath(posixpath.join(folder, context or "."))
    path = posixpath.normpath(posixpath.join(folder, file) if file else posixpath.join(inside, "Dockerfile"))
    return None if inside.startswith("..") else (path, "" if inside == "." else inside)


def _actions(repository: Repository) -> Iterator[str]:
    for workflow in repository.documents(Workflow, lambda source: "docker" in source.text):
        if not workflow.composite:
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
