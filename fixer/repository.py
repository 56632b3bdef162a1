"""The read-only picture of a repository, with an overlay of changed files.

Which files count: what git would show (tracked, or untracked and not ignored) where there is a git repository,
else everything below the folder. Vendored trees do not count even when they are committed, nothing is followed
through a symbolic link, and generated files are refused by name.
"""

from __future__ import annotations

import copy
import fnmatch
import os
import re
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar, cast

from fixer.languages import document_type, kind_of, name_of
from fixer.model import Document, FileError, Source

LARGEST = 4 * 1024 * 1024
"""Bytes; a larger file is not a workflow, Dockerfile or settings module that a person wrote."""

_VENDORED = re.compile(
    r"(^|/)(node_modules|site-packages|dist-packages|bower_components|third_party|vendor|\.git|\.tox|\.nox|"
    r"\.venv|__pycache__|\.mypy_cache|\.terraform|\.fhfix)/"
)
_GENERATED_PATH = re.compile(r"(\.lock\.ya?ml|\.generated\.ya?ml|\.gen\.ya?ml)$")
_GENERATED_HEAD = re.compile(
    r"@generated|\b(auto-?generated|generated (by|from|with|using|automatically)|automatically generated|"
    r"this (file|workflow) (is|was|has been) generated)\b",
    re.IGNORECASE,
)
_DO_NOT_EDIT = re.compile(r"\bdo not (directly |manually )?(edit|modify|change)|\bdon't edit", re.IGNORECASE)
_HEAD_LINES = 15
_LISTING = "*"
"""What a fact depends on that asked which files there are."""

D = TypeVar("D", bound=Document)
F = TypeVar("F")


class Fact(Protocol):
    """What the repository *is*, read from its files. `detect` says None where it is not so."""

    @classmethod
    def detect(cls, repository: Repository) -> Self | None: ...


def is_vendored(path: str) -> bool:
    return _VENDORED.search(path) is not None


def generated_by(path: str, text: str) -> str:
    """The line that says that this file is generated, or an empty string.

    Only comments at the very top count: prose further down may speak of other generated files.
    """
    if _GENERATED_PATH.search(path):
        return f"its name ends in {path[path.index('.', path.rindex('/') + 1 if '/' in path else 0) :]}"
    for line in text.split("\n", _HEAD_LINES)[:_HEAD_LINES]:
        comment = line.strip()
        if not comment:
            continue
        if not comment.startswith("#"):
            break
        if _GENERATED_HEAD.search(comment) or _DO_NOT_EDIT.search(comment):
            return comment.lstrip("# ")
    return ""


class Repository:
    """Files by path, documents, and facts; all computed lazily and at most once.

    `only` restricts what rules look at (a folder or a file); facts still see everything.
    """

    def __init__(self, root: Path, overlay: Mapping[str, Source] | None = None, only: str = "") -> None:
        self.root = root
        self.only = only
        self._overlay = dict(overlay or {})
        self._documents: dict[str, Document | FileError] = {}
        self._sources: dict[str, Source | FileError] = {}
        self._facts: dict[type[Any], Any] = {}
        self._depends: dict[type[Any], set[str]] = {}
        self._trails: list[set[str]] = []
        self._share: frozenset[str] | None = None
        self._ignored: dict[str, bool] = {}

    def with_changes(self, changed: Mapping[str, Source]) -> Repository:
        """The same repository with these files changed or added.

        Documents of other files are kept, and so are facts that read none of these files.
        """
        after = Repository(self.root, {**self._overlay, **changed}, self.only)
        touched = set(changed) | ({_LISTING} if any(path not in self._names for path in changed) else set())
        after._facts = {kind: fact for kind, fact in self._facts.items() if not self._depends[kind] & touched}
        after._depends = {kind: self._depends[kind] for kind in after._facts}
        after._documents = {p: d for p, d in self._documents.items() if p not in changed}
        after._sources = {p: s for p, s in self._sources.items() if p not in changed}
        after.__dict__["_on_disk"] = self._on_disk
        after._ignored = self._ignored
        return after

    def refusing(self, problem: FileError) -> Repository:
        """The same repository, in which this file cannot be read as a document."""
        after = self.with_changes({problem.path: self.read(problem.path)})
        after._documents[problem.path] = problem
        return after

    def restricted_to(self, share: frozenset[str]) -> Repository:
        """The same picture, of which rules about single documents see only these."""
        part = copy.copy(self)
        part._share = share
        return part

    # -- files --------------------------------------------------------------------------------------------------

    @cached_property
    def _on_disk(self) -> tuple[str, ...]:
        listed = _git_files(self.root)
        names = _walk(self.root) if listed is None else listed
        environments = tuple(n[: -len("pyvenv.cfg")] for n in names if n.endswith("/pyvenv.cfg"))
        ours = (n for n in names if not is_vendored(n) and not n.startswith(environments))
        # Git also lists what somebody has deleted since, and what a sparse checkout left out.
        return tuple(sorted(n for n in ours if os.path.lexists(f"{self.root}/{n}")))

    @property
    def files(self) -> tuple[str, ...]:
        """Every path that counts, sorted."""
        self._note(_LISTING)
        return self._files

    @cached_property
    def _files(self) -> tuple[str, ...]:
        added = self._overlay.keys() - self._on_disk
        return tuple(sorted((*self._on_disk, *added))) if added else self._on_disk

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.files)

    def _note(self, path: str) -> None:
        """Remembers, for the facts being computed, what they depend on."""
        for trail in self._trails:
            trail.add(path)

    def exists(self, path: str) -> bool:
        self._note(_LISTING)
        return path in self._names

    def glob(self, *patterns: str) -> Iterator[str]:
        """Paths that match a shell pattern; `*` also crosses `/`, so `*Dockerfile` finds it in every folder."""
        self._note(_LISTING)
        matches = [re.compile(fnmatch.translate(pattern)).match for pattern in patterns]
        return (path for path in self.files if any(match(path) for match in matches))

    def read(self, path: str) -> Source:
        """Raises FileError for a file that is missing, a link, unreadable, binary, huge, or not UTF-8."""
        self._note(path)
        if path in self._overlay:
            return self._overlay[path]
        if path not in self._sources:
            try:
                self._sources[path] = _read(self.root, path)
            except FileError as error:
                self._sources[path] = error
        source = self._sources[path]
        if isinstance(source, FileError):
            raise source
        return source

    def text(self, path: str) -> str:
        """The text of a file for a fact: empty where there is none or where it cannot be read."""
        try:
            return self.read(path).text if self.exists(path) else ""
        except FileError:
            return ""

    def is_ignored(self, path: str) -> bool:
        """Whether git would leave a new file out, by .gitignore or by what stands for this clone alone."""
        if path not in self._ignored:
            self._ignored[path] = _git_ignores(self.root, path)
        return self._ignored[path]

    # -- documents ----------------------------------------------------------------------------------------------

    def document(self, path: str) -> Document | None:
        """The parsed file, or None for a kind that is not read. Raises FileError, the same one each time."""
        self._note(path)
        if path not in self._documents:
            kind = kind_of(path)
            if not kind:
                return None
            try:
                source = self.read(path)
                note = generated_by(path, source.text)
                if note:
                    raise FileError(path, f"generated ({note})", "change what generates it")
                self._documents[path] = document_type(kind).parse(source)
            except FileError as error:
                self._documents[path] = error
        found = self._documents[path]
        if isinstance(found, FileError):
            raise found
        return found

    @cached_property
    def _paths_by_kind(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.files:
            found.setdefault(kind_of(path), []).append(path)
        return found

    @property
    def unreadable(self) -> tuple[FileError, ...]:
        """Why documents that somebody asked for, a fact perhaps, could not be read; within `only`."""
        found = (document for document in self._documents.values() if isinstance(document, FileError))
        return tuple(problem for problem in found if self.in_scope(problem.path))

    def documents(self, kind: type[D], wanted: Callable[[Source], bool] | None = None) -> Iterator[D]:
        """Every document of a kind that can be parsed, whether or not it is within `only`.

        `wanted` tells by the text which ones are worth parsing.
        """
        self._note(_LISTING)
        for path in self._paths_by_kind.get(name_of(kind), ()):
            try:
                if wanted is None or wanted(self.read(path)):
                    yield cast("D", self.document(path))
            except FileError:
                continue

    def paths_of(self, kind: type[Document]) -> Iterator[str]:
        """Paths within `only` whose document type is this."""
        paths = self._paths_by_kind.get(name_of(kind), ())
        return (p for p in paths if self.in_scope(p) and (self._share is None or p in self._share))

    def in_scope(self, path: str) -> bool:
        return not self.only or path == self.only or path.startswith(self.only.rstrip("/") + "/")

    # -- facts --------------------------------------------------------------------------------------------------

    def fact(self, kind: type[F]) -> F | None:
        """The fact of this type, or None where the repository has no such thing."""
        if kind not in self._facts:
            self._trails.append(set())
            try:
                self._facts[kind] = cast("type[Fact]", kind).detect(self)
            finally:
                self._depends[kind] = self._trails.pop()
        for trail in self._trails:
            trail |= self._depends[kind]
        return cast("F | None", self._facts[kind])


def find_root(path: Path) -> Path:
    """The top of the git repository that holds `path`; without git what holds `.github`, else the folder itself."""
    folder = path if path.is_dir() else path.parent
    upwards = (folder, *folder.parents)
    without_git = next((each.parent for each in upwards if each.name == ".github"), folder)
    return next((each for each in upwards if (each / ".git").exists()), without_git)


def _git_files(root: Path) -> list[str] | None:
    """None where there is no git. Raises FileError where git refuses: which files it ignores is not known then."""
    if not (root / ".git").exists():
        return None
    try:
        done = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    except OSError:
        return None
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode == 0:
        return sorted({os.fsdecode(name) for name in done.stdout.split(b"\0") if name})
    if "not a git repository" in said:  # what a .git file names may have stayed behind, as with a copied submodule
        return None
    if "dubious ownership" in said:  # https://git-scm.com/docs/git-config#Documentation/git-config.txt-safedirectory
        advice = f"git config --global --add safe.directory {root}"
        raise FileError(str(root), "belongs to another user, so git does not list its files", advice)
    last = said.strip().rpartition("\n")[2]
    raise FileError(str(root), f"git cannot list its files: {last}", "repair it first")


def _git_ignores(root: Path, path: str) -> bool:
    try:
        return (root / ".git").exists() and _git(root, "check-ignore", "--quiet", "--", path).returncode == 0
    except OSError:
        return False


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    # No configuration of the repository may run a program (core.fsmonitor could).
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, env={**os.environ, "LC_ALL": "C"}, check=False)


def _walk(root: Path) -> list[str]:
    found: list[str] = []
    for folder, folders, names in os.walk(root):
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if inside == "." else inside + "/"
        folders[:] = [f for f in folders if not is_vendored(f"{prefix}{f}/") and not os.path.islink(f"{folder}/{f}")]
        found.extend(prefix + name for name in names)
    return found


def _read(root: Path, path: str) -> Source:
    full = root / path
    try:
        mode = full.lstat().st_mode
        # A link may point at a file outside of the repository, or at one that is looked at anyway.
        if stat.S_ISLNK(mode) or os.path.realpath(full) != os.path.join(os.path.realpath(root), path):
            raise FileError(path, "a symbolic link", "fix the file that it points to")
        if not stat.S_ISREG(mode):
            raise FileError(path, "not a regular file", "exclude it")
        if full.stat().st_size > LARGEST:
            raise FileError(path, f"larger than {LARGEST // 1024 // 1024} MiB", "exclude it")
        data = full.read_bytes()
    except FileError:
        raise
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}", "check that it is there and readable") from None
    if b"\0" in data:
        raise FileError(path, "binary, or not UTF-8", "exclude it")
    return Source.from_bytes(path, data)
