"""Asking for one more Python package, in the file and in the style in which a project asks for the others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Self

from fixer.languages.lines import Lines
from fixer.languages.toml import Toml
from fixer.model import Address, Blocked, Document, FileError, Parts, joined
from fixer.project.packages import PythonPackages, Requirement, brings_django, is_development, normalise, project_folder
from fixer.records import entity, record

if TYPE_CHECKING:
    from fixer.repository import Repository

# What locks what pyproject.toml and Pipfile ask for, and the command that asks for a package in both.
_LOCKS: Mapping[str, tuple[str, str]] = {
    "uv.lock": ("pyproject.toml", "uv add {}"),
    "poetry.lock": ("pyproject.toml", "poetry add {}"),
    "pdm.lock": ("pyproject.toml", "pdm add {}"),
    "pylock.toml": ("pyproject.toml", "uv add {}"),
    "Pipfile.lock": ("Pipfile", "pipenv install {}"),
    "requirements.lock": ("pyproject.toml", "rye add {}"),
}
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_HASH = "--hash="
_PINS = re.compile(r"(===|==|~=|!=|<=|>=|<|>|\^|~)")


@record
class Release:
    """Which releases of a package are wanted: the lowest, those left out, and the first that is too new."""

    lowest: str
    without: tuple[str, ...] = ()
    below: str = ""

    @property
    def range(self) -> str:
        clauses = [f">={self.lowest}", *(f"!={each}" for each in self.without)]
        return ",".join([*clauses, f"<{self.below}"] if self.below else clauses)

    def like(self, specifier: str) -> str:
        """The range in the style of another package's specifier: pinned to one release where that one is."""
        pin = _PINS.match(specifier.strip())
        operator = pin[1] if pin else ""
        if operator in ("==", "===") or re.match(r"\d", specifier.strip()):
            return f"=={self.lowest}"
        if operator == "~=" and not (self.without or self.below):
            return f"~={self.lowest}"
        return self.range

    def as_in_poetry(self, specifier: str) -> str:
        """The same in the style of a table of poetry or Pipenv, where a bare number and `^` have a meaning."""
        text = specifier.strip()
        if text.startswith("^") and not (self.without or self.below):
            return f"^{self.lowest}"
        return self.lowest if re.match(r"\d", text) else self.like(text)


@entity
class Requiring:
    """The files that name packages, as documents that can be edited; `refused` says why another cannot be."""

    packages: PythonPackages
    documents: Mapping[str, Document]
    refused: Mapping[str, str] = field(default_factory=dict)
    locks: frozenset[str] = frozenset()

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        packages = repository.fact(PythonPackages)
        if packages is None:
            return None
        documents: dict[str, Document] = {}
        refused: dict[str, str] = {}
        for path in dict.fromkeys(each.path for each in packages.requirements if not each.locked):
            try:
                document = repository.document(path)
            except FileError as error:
                refused[path] = error.reason
                continue
            if document is not None:
                documents[path] = document
        for path in repository.ending(".txt"):
            if re.search(r"requirements[^/]*\.txt$", path) and path not in documents:
                try:
                    repository.read(path)
                except FileError as error:
                    refused.setdefault(path, error.reason)
        locks = frozenset(path for name in _LOCKS for path in repository.named(name))
        return cls(packages, documents, refused, locks)

    def add(self, name: str, release: Release, beside: str, near: str, section: str = "") -> Parts:
        """Asks for a package wherever production installs another one; nothing where it is asked for already.

        `section` is the heading that it gets in a file whose packages stand below headings.
        """
        if self.packages.has(name, near, development=False):
            return ()
        asked = beside
        path = self._home(beside, near)
        if not path and beside == "django":
            beside = self._bringing_django(near)
            path = self._home(beside, near) if beside else ""
        if not path:
            return self._unread(near, f"{name}{release.range}") or Blocked(
                f"no file for production is seen to ask for {asked}", f"install {name}{release.range} beside it"
            )
        # Which of several an image installs is not known here: each of them asks for what the other has.
        paths = dict.fromkeys((path, *self._others(beside, near, path)))
        return joined(self._added(each, name, release, beside, section) for each in paths)

    def _bringing_django(self, near: str) -> str:
        """A package that brings Django where nobody asks for Django itself; empty where none is seen."""
        asked = (each for each in self.packages.requirements if not (each.locked or each.development))
        names = dict.fromkeys(each.name for each in asked if brings_django(each.name))
        return next((name for name in names if self._home(name, near)), "")

    def _others(self, beside: str, near: str, path: str) -> Iterator[str]:
        """Further lists for production, in folders above too, that ask for a package: none includes another."""
        own = {each.path for each in self.packages.requirements if self._is_for(each, beside)}
        for other in self.packages.files_that_install(beside, near):
            apart = path not in self.packages.key_files(other) and other not in self.packages.key_files(path)
            if other in own and apart and other.endswith(".txt") and path.endswith(".txt"):
                yield other

    def _added(self, path: str, name: str, release: Release, beside: str, section: str) -> Parts:
        asked = next(each for each in self.packages.requirements if each.path == path and self._is_for(each, beside))
        locked = self._locked(path, name, release)
        if locked is not None:
            return locked
        document = self.documents[path]
        if isinstance(document, Toml):
            return _in_toml(document, name, release, asked)
        if not isinstance(document, Lines):
            return Blocked(f"{path} is of a kind that fhfix does not edit", f"add {name}{release.range} by hand")
        return _in_lines(document, name, release, asked, section)

    def _is_for(self, requirement: Requirement, name: str) -> bool:
        """Whether a list asks for a package, for production."""
        return requirement.name == normalise(name) and not (requirement.locked or requirement.development)

    def _unread(self, near: str, wanted: str) -> Blocked | None:
        """A list of requirements of the project, or above it, that pip reads and fhfix does not: one for production
        before others."""
        for path in sorted(self.refused, key=is_development):
            reason, folder = self.refused[path], path.rpartition("/")[0]
            if f"{near}/".startswith(f"{folder}/" if folder else ""):
                if reason.startswith("generated"):
                    return Blocked(f"{path} cannot be edited: {reason}", _made_again(f"'{wanted}'", reason))
                return Blocked(f"{path} cannot be read: {reason}", "save it as UTF-8")
        return None

    def _home(self, beside: str, near: str) -> str:
        """The file for production that asks for a package itself: the best of those that install it, also by `-r`."""
        own = [each.path for each in self.packages.of(beside, near) if self._is_for(each, beside)]
        for path in self.packages.files_that_install(beside, near):
            found = next((each for each in self.packages.key_files(path) or (path,) if each in own), "")
            if found:
                return found
        return ""

    def _locked(self, path: str, name: str, release: Release) -> Blocked | None:
        """Why a line added here would break the installation, and the command to run instead."""
        file = path.rpartition("/")[2]
        wanted = f"'{name}{release.range}'"
        for lock in sorted(self.locks):
            folder, _, lock_name = lock.rpartition("/")
            source, command = _LOCKS[lock_name]
            if source == file and (not folder or f"{path}/".startswith(f"{folder}/")):
                inside = f"in {folder or 'the top folder'}, " if project_folder(path) else ""
                run = command.format(wanted)
                return Blocked(
                    f"{lock} locks what {path} asks for, and is not written by fhfix", f"{inside}run `{run}`"
                )
        if path in self.refused:
            reason = self.refused[path]
            advice = _made_again(wanted, reason) if reason.startswith("generated") else f"add {wanted} there"
            return Blocked(f"{path} cannot be edited: {reason}", advice)
        document = self.documents.get(path)
        if isinstance(document, Lines) and _HASH in document.source.text:
            return Blocked(
                f"{path} pins its packages by hashes, and pip refuses one without",
                f"add {wanted} to its source, and compile it again (`pip-compile --generate-hashes`)",
            )
        exported = self._exported(path)
        if exported:
            lock, command = exported, _LOCKS[exported.rpartition("/")[2]][1].format(wanted)
            return Blocked(f"{path} pins all that {lock} does, as if exported", f"run `{command}`, and export it again")
        made = f"{path.removesuffix('.in')}.txt"
        if path.endswith(".in") and (made in self.packages.files or made in self.refused):
            return Blocked(
                f"{made}, which is installed, is compiled from {path}", f"add {wanted} to {path} and run `pip-compile`"
            )
        stem = path.removesuffix(".txt")
        if stem != path and f"{stem}.in" in self.documents:
            return Blocked(f"{path} is compiled from {stem}.in", f"add {wanted} to {stem}.in and run `pip-compile`")
        return None

    def _exported(self, path: str) -> str:
        """The lock file from which a list of requirements may be exported: beside it, where each line is a pin."""
        folder = project_folder(path)
        beside = (lock for lock in sorted(self.locks) if lock.rpartition("/")[0] == folder)
        own = [each for each in self.packages.requirements if each.path == path]
        pinned = path.endswith(".txt") and all(each.specifier.startswith("==") for each in own)
        return next(beside, "") if pinned else ""


def _made_again(wanted: str, reason: str) -> str:
    """What to do about a list that a program makes of another one."""
    command = "run `pip-compile`" if "pip-compile" in reason else "make it again, as it says itself"
    return f"add {wanted} to its source and {command}"


def _in_lines(document: Lines, name: str, release: Release, asked: Requirement, section: str) -> Parts:
    """In a requirements file or setup.cfg: below a heading of its own where there are headings, else in the order of
    the alphabet where that is kept, else at the end."""
    at = [index for index, line in enumerate(document.lines) if _named(line)]
    if document.source.path.endswith("setup.cfg"):
        at = list(_install_requires(document))
        if not at:
            return Blocked(f"{document.source.path} has no list of install_requires", f"add {name} by hand")
    first = document.lines[at[0]]
    indent = first[: len(first) - len(first.lstrip())]
    line = f"{indent}{name}{release.like(asked.specifier)}"
    if section and len(_headings(document)) > 1:
        return document.append("", f"# {section}", line)
    names = [normalise(_named(document.lines[index])) for index in at]
    place = _in_order(names, normalise(name))
    return document.insert(at[place] if place is not None and place < len(at) else at[-1] + 1, line)


def _named(line: str) -> str:
    """The package that a line asks for; empty for comments, options and addresses."""
    text = line.strip()
    found = None if text.startswith(("#", "-")) or "://" in text.partition("#")[0] else _NAME.match(text)
    return found[0] if found else ""


def _install_requires(document: Lines) -> Iterator[int]:
    """The lines of setup.cfg that stand below `install_requires =`, one package each."""
    section, inside = "", False
    for index, line in enumerate(document.lines):
        if line.startswith("["):
            section, inside = line.strip(), False
        elif line[:1].strip() and not line.startswith(("#", ";")):
            inside = section == "[options]" and re.match(r"install_requires\s*[=:]\s*$", line) is not None
        elif inside and _named(line):
            yield index


def _headings(document: Lines) -> list[int]:
    """Comments that stand behind an empty line and above a package."""
    lines = document.lines
    return [
        index
        for index in range(1, len(lines) - 1)
        if lines[index].startswith("#") and not lines[index - 1].strip() and _named(lines[index + 1])
    ]


def _in_order(names: Sequence[str], name: str) -> int | None:
    """Where a name goes among names that are in the order of the alphabet; None where they are not."""
    if len(names) < 2 or list(names) != sorted(names):
        return None
    return sum(other < name for other in names)


def _in_toml(document: Toml, name: str, release: Release, asked: Requirement) -> Parts:
    """In the list of PEP 621 (uv, pdm, hatch and others), or in a table of poetry or Pipenv."""
    for table, key in _toml_tables(document, asked.name):
        value = document.value((*table, key))
        specifier = value.get("version", "") if isinstance(value, dict) else str(value)
        return document.add_key(table, name, release.as_in_poetry(specifier), key)
    listed: Address = ("project", "dependencies")
    items = document.value(listed)
    if not isinstance(items, list):
        return Blocked(f"{document.source.path}: where it asks for {asked.name} is not known", f"add {name} by hand")
    place = _in_order([normalise(_named(str(item))) for item in items], normalise(name))
    return document.insert(listed, len(items) if place is None else place, f"{name}{release.like(asked.specifier)}")


def _toml_tables(document: Toml, beside: str) -> Iterator[tuple[Address, str]]:
    for table in (("tool", "poetry", "dependencies"), ("packages",)):
        found = document.value(table)
        for key in found if isinstance(found, dict) else ():
            if normalise(key) == beside:
                yield table, key
