"""What the catalog knows of an action."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Self

from fixer.github.action_ref import ActionRef, RefKind, Version, version_of
from fixer.github.catalog.changes import Migration
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

FOLDER = os.path.dirname(os.path.abspath(__file__))
NEWEST: Version = (1_000_000, 0, 0, 1)


@record
class Input:
    """An input of an action. `required` means: required, and without a default."""

    name: str
    required: bool = False
    since: Version = (0, 0, 0, 0)


@record
class Advisory:
    """A vulnerability. Source: GitHub Advisory Database."""

    id: str
    affected: tuple[tuple[Version, Version], ...]

    def affects(self, version: Version) -> bool:
        return any(introduced <= version < fixed for introduced, fixed in self.affected)


@record
class Major:
    """One major of an action, as its newest release is, and what differed in its older ones.

    `runtimes` are (first version, runtime) in order: `node24`, `composite`, `docker` and so on. `calls` are the actions
    that the newest release uses itself, in any case, where it is a composite one.
    """

    number: int
    release: str
    runtimes: tuple[tuple[Version, str], ...]
    inputs: Mapping[str, Input]
    outputs: Mapping[str, Version]
    dropped: Mapping[str, Version]
    calls: tuple[str, ...] = ()

    @property
    def version(self) -> Version:
        """The newest release's version."""
        return version_of(self.release) or (self.number, 0, 0, 1)

    def runtime(self, version: Version = NEWEST) -> str:
        return next((name for since, name in reversed(self.runtimes) if since <= version), self.runtimes[0][1])

    def inputs_at(self, version: Version = NEWEST) -> frozenset[str]:
        """The names of the inputs that this version has."""
        names = {name for name, found in self.inputs.items() if found.since <= version}
        return frozenset(names | {name for name, last in self.dropped.items() if version <= last})

    def outputs_at(self, version: Version = NEWEST) -> frozenset[str]:
        return frozenset(name for name, since in self.outputs.items() if since <= version)

    @property
    def required(self) -> frozenset[str]:
        return frozenset(name for name, found in self.inputs.items() if found.required)


@record
class Replacement:
    """What to use instead of an action, from which major on. `migration` rewrites a step exactly, where it can."""

    name: str
    migration: Migration | None = None
    at_least: int = 0


@record
class _Entry:
    """The files of one repository."""

    repository: str
    as_of: str
    source: str
    branch: str
    tags: Mapping[str, str]
    branches: Mapping[str, str]
    observed: Mapping[str, str]
    advisories: tuple[Advisory, ...]
    actions: Mapping[str, Any]
    curated: Mapping[str, Any]

    @cached_property
    def versions_by_sha(self) -> dict[str, list[tuple[Version, str]]]:
        """The version tags of each commit: releases before pre-releases, and the most exact and newest first.

        A tag that follows a major stands for its newest release, also where it was moved on without one.
        """
        found: dict[str, list[tuple[Version, str]]] = {}
        earlier = ((entry["version"], sha) for sha, entry in self.curated.get("commits", {}).items())
        versions = [
            (version, tag, sha)
            for tag, sha in (*self.tags.items(), *self.observed.items(), *earlier)
            if (version := version_of(tag)) is not None
        ]
        newest: dict[int, Version] = {}
        for version, tag, _ in versions:
            if "." in tag and version[3]:
                newest[version[0]] = max(version, newest.get(version[0], version))
        for version, tag, sha in versions:
            found.setdefault(sha, []).append((version if "." in tag else newest.get(version[0], version), tag))
        for pairs in found.values():
            pairs.sort(key=lambda pair: (pair[0][3], min(pair[1].count("."), 2), pair[0]), reverse=True)
        return found


@record
class Action:
    """An action, or one below the root of its repository."""

    name: str
    entry: _Entry = field(repr=False)
    majors: Mapping[int, Major]
    curated: Mapping[str, Any] = field(repr=False)

    @property
    def repository(self) -> str:
        return self.entry.repository

    @property
    def as_of(self) -> str:
        """The day when the tags were read, ISO 8601."""
        return self.entry.as_of

    @property
    def source(self) -> str:
        return self.entry.source

    @property
    def tags(self) -> Mapping[str, str]:
        """Every tag and the commit that it stood for."""
        return self.entry.tags

    @property
    def branch(self) -> str:
        """The default branch."""
        return self.entry.branch

    @property
    def status(self) -> Mapping[str, Any]:
        """`state` (archived, majors-shut-off …) and its `source`; empty where nothing is to be said."""
        found: Mapping[str, Any] = self.curated.get("status") or self.entry.curated.get("status") or {}
        return found

    @property
    def read_to(self) -> int:
        """The newest major whose changes a person has read and written down, if any; 0 where nobody has."""
        found: int = _table("read.json")["majors"].get(self.repository.lower(), 0)
        return found

    @property
    def note(self) -> str:
        return str(self.entry.curated.get("note", ""))

    @property
    def advisories(self) -> tuple[Advisory, ...]:
        return self.entry.advisories

    def advisories_of(self, version: Version) -> tuple[Advisory, ...]:
        return tuple(found for found in self.entry.advisories if found.affects(version))

    @property
    def newest(self) -> Major | None:
        return self.majors[max(self.majors)] if self.majors else None

    @cached_property
    def newest_known(self) -> Version:
        """The newest version that was seen anywhere, also where its inputs are not known."""
        names = (*self.entry.observed, *(major.release for major in self.majors.values()))
        return max((version for name in names if (version := version_of(name))), default=(0, 0, 0, 0))

    @cached_property
    def _newest_tag(self) -> Version:
        """Of what was seen elsewhere since the tags were read, it is not known which other tags came with it: `v6`."""
        return max((version for tag in self.entry.tags if (version := version_of(tag))), default=(0, 0, 0, 0))

    # -- references ---------------------------------------------------------------------------------------------

    def sha_of(self, tag: str) -> str:
        """The commit of a tag or release; empty where it is not known."""
        return self.entry.tags.get(tag) or self.entry.observed.get(tag, "")

    def version_of_sha(self, sha: str, number: int | None = None) -> tuple[Version, str] | None:
        """The version of a commit, and the tag that names it best; of this major, where it has one."""
        found = self.entry.versions_by_sha.get(sha.lower(), [])
        return next((pair for pair in found if pair[0][0] == number), found[0] if found else None)

    def resolve(self, ref: ActionRef) -> Version | None:
        """The version that a reference stood for when the tags were read; None where that is not known.

        A moving tag resolves to the release that it pointed at, which need not be the newest.
        """
        if ref.kind is RefKind.SHA:
            found = self.version_of_sha(ref.ref)
            return found[0] if found else None
        sha = self.entry.tags.get(ref.ref) or self.entry.branches.get(ref.ref)
        named = version_of(ref.ref.removeprefix("releases/").removeprefix("release/"))
        if sha is not None:
            found = self.version_of_sha(sha, named[0] if named else None)
            if found is not None:
                return found[0]
        if named is None or sha is None:
            return named
        major = self.majors.get(named[0])
        return major.version if major and ref.ref.count(".") == 0 else named

    def exists(self, ref: ActionRef) -> bool:
        """Whether a tag, branch or commit was there when the tags were read, or is newer than that."""
        if ref.kind is RefKind.SHA or ref.ref in self.entry.tags or ref.ref in self.entry.branches:
            return True
        named = version_of(ref.ref)
        return named is None or ref.ref in self.entry.observed or named > self._newest_tag

    def branch_is_at(self, branch: str, tag: str) -> bool:
        """Whether a branch stood at the commit of a tag when both were read."""
        return self.entry.branches.get(branch, "") == self.sha_of(tag) != ""

    def moving(self, number: int) -> str:
        """The tag that follows a major, `v4`; empty where there is none, as for newer majors of some actions."""
        names = (f"v{number}", str(number))
        tag = next((name for name in names if name in self.entry.tags or name in self.entry.observed), "")
        return tag or next((name for name in (names[0], f"release/v{number}") if name in self.entry.branches), "")

    def with_precision(self, ref: str, number: int) -> str:
        """How to name the newest release of a major, as exactly as `ref` names its own version."""
        release = self.majors[number].release
        dots = ref.count(".")
        if dots == 0 and self.moving(number):
            return self.moving(number)
        if dots == 1:
            shorter = ".".join(release.split(".")[:2])
            if shorter in self.entry.tags and self.entry.tags[shorter] == self.sha_of(release):
                return shorter
        return release

    # -- changes ------------------------------------------------------------------------------------------------

    @cached_property
    def migrations(self) -> tuple[tuple[Version, Migration], ...]:
        """What changed, each at the version in which it did, in order."""
        found = {
            version: Migration.of(data)
            for name, data in self.curated.get("changes", {}).items()
            if (version := version_of(name)) is not None
        }
        return tuple(sorted(found.items(), key=lambda pair: pair[0]))

    @property
    def replacement(self) -> Replacement | None:
        """What its own maintainers name instead of it."""
        data = self.curated.get("replace")
        if data:
            migration = Migration.of(data) if data.get("exact") else None
            return Replacement(str(data["with"]), migration, data.get("at_least", 0))
        names = self.status.get("replacement", ())
        return Replacement(str(names[0])) if names else None

    @cached_property
    def shut_off(self) -> tuple[tuple[Version, Version], ...]:
        """Ranges [from, before) of versions that GitHub or the maintainers have switched off."""
        return tuple(
            (version_of(start) or (0, 0, 0, 0), version_of(end) or NEWEST)
            for start, end in self.status.get("shut_off", ())
        )

    def is_shut_off(self, version: Version) -> bool:
        return any(start <= version < end for start, end in self.shut_off)


@record
class Catalog:
    """Every action that is known, and the runtimes of GitHub's runners, as of a day (ISO 8601).

    `removed` is the day when a runtime went, `runtimes` its name; `audit` are the lowest majors that the audit
    accepts, by repository in lower case.
    """

    as_of: str
    removed: Mapping[str, str]
    runtimes: Mapping[str, str]
    audit: Mapping[str, int]

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """The catalog is a fact of every repository."""
        return cls.load()

    @classmethod
    def load(cls) -> Self:
        data = _table("runtimes.json")
        return cls(
            data["as_of"],
            {name: found["removed"] for name, found in data["runtimes"].items()},
            {name: found["name"] for name, found in data["runtimes"].items()},
            _table("audit.json")["majors"],
        )

    def runtime_name(self, runtime: str) -> str:
        return self.runtimes.get(runtime, runtime)

    def audit_major(self, action: Action) -> int:
        """The lowest major that the audit accepts; 0 where it names none."""
        return self.audit.get(action.repository.lower(), 0)

    def is_supported(self, runtime: str) -> bool:
        """Whether GitHub's hosted runners execute this runtime on the day of the catalog."""
        removed = self.removed.get(runtime, "")
        return not removed or removed > self.as_of

    def calls_gone(self, major: Major, version: Version = NEWEST) -> tuple[str, str] | None:
        """An action that this version calls itself, and its runtime, which GitHub's runners no longer have.

        What releases before the newest of a major call is not known.
        """
        if version < major.version:
            return None
        for text in major.calls:
            ref = ActionRef.parse(text)
            called = self.of(ref)
            known = called.resolve(ref) if called is not None else None
            inner = called.majors.get(known[0]) if called is not None and known is not None else None
            if inner is None or known is None:
                continue
            if not self.is_supported(inner.runtime(known)):
                return str(ref), inner.runtime(known)
            below = self.calls_gone(inner, known)
            if below is not None:
                return below
        return None

    def is_sound(self, action: Action, ref: ActionRef, version: Version) -> bool:
        """Whether a version that a reference names runs, is not switched off, and has no known vulnerability."""
        major = action.majors.get(version[0])
        return (
            major is not None
            and self.is_supported(major.runtime(version))
            and self.calls_gone(major, version) is None
            and not action.is_shut_off(version)
            and not action.advisories_of(version)
            and action.exists(ref)
        )

    def action(self, name: str) -> Action | None:
        """An action by `owner/repo[/path]`, in any case; None for one that is not in the catalog."""
        return _action(name.lower())

    def of(self, ref: ActionRef) -> Action | None:
        return _action(ref.name.lower()) if ref.repo else None

    @property
    def moved(self) -> Mapping[str, str]:
        """Repositories that have another name now, in lower case, and that name."""
        found: Mapping[str, str] = _table("moved.json")["repositories"]
        return found

    def names(self) -> Iterator[str]:
        """Every action of the catalog, by name."""
        folder = os.path.join(FOLDER, "actions")
        for owner in sorted(os.listdir(folder)):
            for file in sorted(os.listdir(os.path.join(folder, owner))):
                entry = _entry(f"{owner}/{file.removesuffix('.json')}")
                if entry is not None:
                    yield from (f"{entry.repository}/{path}".rstrip("/") for path in entry.actions)

    def target(self, action: Action, *, policy: str, at_least: int = 0) -> Major | None:
        """The major that a policy chooses; None where none fits.

        `supported`: the lowest that is at least `at_least`, runs on a supported runtime and is not switched off.
        `latest`: the newest. Neither chooses one whose newest release has a known advisory.
        """
        fitting = [
            major
            for number, major in sorted(action.majors.items())
            if number >= at_least
            and self.is_supported(major.runtime())
            and not self.calls_gone(major)
            and not action.is_shut_off(major.version)
            and not action.advisories_of(major.version)
        ]
        if policy == "latest":
            return fitting[-1] if fitting else None
        return fitting[0] if fitting else None


# -- reading the files --------------------------------------------------------------------------------------------


@cache
def _action(name: str) -> Action | None:
    owner, _, rest = name.partition("/")
    repo, _, path = rest.partition("/")
    entry = _entry(f"{owner}/{repo}")
    if entry is None:
        return None
    paths = {known.lower(): known for known in entry.actions}
    if path not in paths:
        return None
    spelled = paths[path]
    curated = {**entry.curated.get("actions", {}).get("*", {}), **entry.curated.get("actions", {}).get(spelled, {})}
    majors = {**entry.actions[spelled]}
    majors.update(_second_hand(curated.get("second_hand", {}), majors))
    return Action(
        f"{entry.repository}/{spelled}".rstrip("/"),
        entry,
        {number: found for name, data in majors.items() if (found := _major(name, data)) for number in (found.number,)},
        curated,
    )


def _second_hand(found: Mapping[str, Any], majors: Mapping[str, Any]) -> dict[str, Any]:
    """Releases that are newer than the tags that were read, known to differ in nothing but what is written here."""
    return {
        name: {**majors[data["like"]], **{key: value for key, value in data.items() if key != "like"}}
        for name, data in found.items()
    }


def _major(name: str, data: Mapping[str, Any]) -> Major | None:
    version = version_of(name)
    if version is None:
        return None
    runtime = data["runtime"]
    pairs = runtime if isinstance(runtime, list) else [["v0", runtime]]
    return Major(
        version[0],
        data["release"],
        tuple((_version(since), what) for since, what in pairs),
        {
            key: Input(key, bool(found.get("required")), _version(found.get("since", "v0")))
            for key, found in data["inputs"].items()
        },
        {key: _version(since or "v0") for key, since in data["outputs"].items()},
        {key: _version(last) for key, last in data.get("dropped", {}).items()},
        tuple(data.get("calls", ())),
    )


def _version(name: str) -> Version:
    return version_of(name) or (0, 0, 0, 0)


@cache
def _entry(name: str) -> _Entry | None:
    """The two files of one repository, also by a name that it had before; the name is in lower case."""
    data = _read("actions", name)
    if data is None:
        moved = _table("moved.json")["repositories"].get(name)
        return _entry(moved) if moved is not None else None
    return _Entry(
        data["repository"],
        data["as_of"],
        data["source"],
        data["branch"],
        data.get("tags", {}),
        data.get("branches", {}),
        data.get("observed", {}),
        tuple(
            Advisory(
                found["id"],
                tuple((_version(start), _version(end) if end else NEWEST) for start, end in found["affected"]),
            )
            for found in data.get("advisories", ())
        ),
        data["actions"],
        _read("migrations", name) or {},
    )


@cache
def _table(name: str) -> dict[str, Any]:
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
        return found


def _read(kind: str, name: str) -> dict[str, Any] | None:
    owner, _, repo = name.partition("/")
    if not repo or {owner, repo} & {".", ".."}:
        return None
    try:
        with open(os.path.join(FOLDER, kind, owner, f"{repo}.json"), encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
            return found
    except FileNotFoundError:
        return None
