"""Which repositories a fleet has: of an organisation, of a search, of a file, of a folder of clones."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from fixer.disk import read
from fixer.forge.answers import Listed, listed_of
from fixer.forge.git import Git, GitError
from fixer.forge.github import GitHub, GitHubError, Slug
from fixer.model import FileError
from fixer.records import record

DEEPEST = 4
"""Folders below `--path` in which a clone is looked for: HOST/OWNER/NAME has three."""


class SourceError(Exception):
    """Why it is not known which repositories are meant, and what to do."""


@record
class Target:
    """A repository of the fleet. `name` is what people call it, `url` where git finds it, without a password; `folder`
    is a clone of the user's, which is looked at as it stands."""

    name: str
    url: str = ""
    folder: str = ""


@record
class Wanted:
    """Which of the repositories are taken. Empty: any."""

    topics: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()
    archived: bool = False
    forks: bool = False
    pushed_since: str = ""

    @property
    def asks_github(self) -> bool:
        return bool(self.topics or self.languages or self.pushed_since)

    def takes_name(self, name: str) -> bool:
        named = not self.names or any(_matches(name, pattern) for pattern in self.names)
        return named and not any(_matches(name, pattern) for pattern in self.excepted)

    def takes(self, about: Listed) -> bool:
        """What GitHub says of it; whether it was asked for by its name is another question."""
        topics = not self.topics or bool({topic.lower() for topic in self.topics} & set(about.topics))
        languages = not self.languages or about.language.lower() in {each.lower() for each in self.languages}
        return topics and languages and about.pushed_at[:10] >= self.pushed_since

    def takes_unasked(self, about: Listed) -> bool:
        """Likewise for one that nobody named: archived ones and forks only where that was said."""
        kinds = (self.archived or not about.archived) and (self.forks or not about.fork)
        return kinds and not about.disabled and self.takes(about)


def holds(paths: Iterable[str], patterns: Sequence[str]) -> bool:
    """Whether a path of the repository matches one of the patterns; any does where there is none."""
    return not patterns or any(_matches(path, pattern) for path in paths for pattern in patterns)


def _matches(name: str, pattern: str) -> bool:
    """A shell's pattern for the whole, or for the part behind the owner: `*` crosses `/`."""
    lowered = name.lower()
    return fnmatchcase(lowered, pattern.lower()) or fnmatchcase(lowered.rpartition("/")[2], pattern.lower())


def day(text: str) -> str:
    """A date as GitHub writes it. Raises ValueError for what is none."""
    return date.fromisoformat(text).isoformat() if text else ""


Ask = Callable[[str], GitHub]
"""Makes the client where it is needed, for an account's repositories: a folder of clones needs no token."""


def from_organisation(name: str, web: str, ask: Ask, wanted: Wanted) -> Iterator[Target]:
    try:
        hub = ask(name)
    except GitHubError as error:
        raise SourceError(f"{name}: {error}") from None
    try:
        found = hub.all(f"/orgs/{name}/repos", type="all", sort="full_name")
        yield from _taken(found, web, wanted)
    except GitHubError as error:
        if error.status != 404:
            raise SourceError(f"{name}: {error}") from None
        try:
            yield from _taken(hub.all(f"/users/{name}/repos", type="owner", sort="full_name"), web, wanted)
        except GitHubError as second:
            raise SourceError(f"GitHub shows no organisation or person {name} to this token: {second}") from None


def from_search(query: str, web: str, ask: Ask, wanted: Wanted) -> Iterator[Target]:
    """GitHub's search gives a thousand repositories at most, and it says so in its documentation only."""
    try:
        found = ask("").all("/search/repositories", "items", q=query, sort="updated")
        yield from _taken(found, web, wanted)
    except GitHubError as error:
        raise SourceError(f"the search {query!r}: {error}") from None


def _taken(answers: Iterable[object], web: str, wanted: Wanted) -> Iterator[Target]:
    for answer in answers:
        about = listed_of(answer)
        if wanted.takes_unasked(about) and wanted.takes_name(about.full_name):
            yield Target(about.full_name, f"{web}/{about.full_name}.git")


def from_file(file: Path, web: str, ask: Ask, wanted: Wanted) -> Iterator[Target]:
    """A line each: OWNER/NAME, an address, or the path of a clone, seen from the file; `#` begins a comment."""
    try:
        text = read(file.parent, file.name)[0].decode("utf-8-sig")
    except (OSError, FileError, UnicodeDecodeError) as error:
        raise SourceError(f"{file}: cannot be read: {error}") from None
    for number, line in enumerate(text.splitlines(), 1):
        written = re.sub(r"(^|\s)#.*", "", line).strip()
        if not written:
            continue
        try:
            target = _named(written, file.parent, web)
        except GitHubError as error:
            raise SourceError(f"{file}:{number}: {error}") from None
        if wanted.takes_name(target.name) and _is_taken(target, web, ask, wanted):
            yield target


def _named(written: str, beside: Path, web: str) -> Target:
    if re.fullmatch(r"[\w.-]+/[\w.-]+", written) and not (beside / written).is_dir():
        return Target(written, f"{web}/{written}.git")
    if "://" in written or re.match(r"[\w.-]+@[\w.-]+:", written):
        slug = Slug.of(written)
        return Target(str(slug), f"{slug.web}/{slug}.git")
    folder = beside / Path(written).expanduser()
    if not folder.is_dir():
        raise GitHubError(f"{written} is no OWNER/NAME, no address and no folder")
    return _of_folder(folder)


def _is_taken(target: Target, web: str, ask: Ask, wanted: Wanted) -> bool:
    """Whether the filters that only GitHub can answer take it; one request, where there are any."""
    if not wanted.asks_github or not target.url.startswith(f"{web}/"):
        return True
    try:
        found = ask(target.name.partition("/")[0]).maybe(f"/repos/{target.name}")
    except GitHubError as error:
        raise SourceError(f"{target.name}: {error}") from None
    return found is not None and wanted.takes(listed_of(found))


def from_folder(folder: Path, web: str, ask: Ask, wanted: Wanted) -> Iterator[Target]:
    """The clones below a folder, by name. What a clone holds is not searched for more."""
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder")
    for clone in _clones(folder, DEEPEST):
        target = _of_folder(clone, folder)
        if wanted.takes_name(target.name) and _is_taken(target, web, ask, wanted):
            yield target


def _clones(folder: Path, deepest: int) -> Iterator[Path]:
    if (folder / ".git").exists():
        yield folder
        return
    if deepest == 0:
        return
    with os.scandir(folder) as entries:
        below = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in below:
        yield from _clones(folder / name, deepest - 1)


def _of_folder(folder: Path, root: Path | None = None) -> Target:
    """By the name that its `origin` has on GitHub, else by its place."""
    name, url = str(folder.relative_to(root)) if root and folder != root else folder.resolve().name, ""
    try:
        slug = Slug.of(Git(folder).address("origin"))
        name, url = str(slug), f"{slug.web}/{slug}.git"
    except (GitError, GitHubError):
        pass  # a clone of no forge, which can be looked at all the same
    return Target(name, url, str(folder.resolve()))


def once(targets: Iterable[Target]) -> list[Target]:
    """Each repository once, in the order of names, whatever source named it first."""
    found: dict[str, Target] = {}
    for target in targets:
        found.setdefault((target.url or target.folder).lower(), target)
    return sorted(found.values(), key=lambda target: target.name.lower())
