"""Makes or refreshes the data of one repository of actions from its tags.

Only versions that the data does not have yet are read. A release whose tag names another commit than before is
reported: that is how actions were taken over in 2025 and 2026.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fixer.github.action_ref import Version, version_of
from fixer.records import record

_ACTION_FILE = re.compile(r"(?:(?P<path>.+)/)?(?P<name>action\.ya?ml|Dockerfile)\Z")
_NOT_ACTIONS = re.compile(
    r"(^|/)(\.github|\.git|__tests__|tests?|examples?|samples?|fixtures|docs?|dist|misc|node_modules|src|lib)(/|$)"
)
_MAJOR_BRANCH = re.compile(r"(releases?/)?v[0-9]+\Z")


class Tags(Protocol):
    """Where the tags of a repository are read from. Commits and blobs are named by their SHA."""

    def default_branch(self) -> str: ...

    def tags(self) -> dict[str, str]:
        """Every tag and its commit, also of annotated tags."""
        ...

    def branches(self) -> dict[str, str]: ...

    def files(self, commit: str) -> dict[str, str]:
        """Path and blob of every file."""
        ...

    def text(self, blob: str) -> str: ...


class CloneError(Exception):
    """A folder that is no git repository, or that git cannot read."""


@record
class Clone:
    """Tags of a local clone, bare or not."""

    folder: Path

    def _git(self, *arguments: str) -> str:
        command = ["git", "-c", "core.fsmonitor=false", "-C", str(self.folder), *arguments]
        try:
            return subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8", "replace")
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", b"") or str(error).encode()
            raise CloneError(f"{self.folder}: {said.decode('utf-8', 'replace').strip()}") from None

    def default_branch(self) -> str:
        for name in ("refs/remotes/origin/HEAD", "HEAD"):
            try:
                return self._git("symbolic-ref", "--short", name).strip().removeprefix("origin/")
            except CloneError:
                continue
        return ""

    def _refs(self, pattern: str) -> dict[str, str]:
        listing = self._git("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", pattern)
        found = {}
        for line in listing.splitlines():
            name, commit, *peeled = line.split(" ")
            found[name.removeprefix(pattern)] = peeled[0] if peeled and peeled[0] else commit
        return found

    def tags(self) -> dict[str, str]:
        return self._refs("refs/tags/")

    def branches(self) -> dict[str, str]:
        return {**self._refs("refs/heads/"), **self._refs("refs/remotes/origin/")}

    def files(self, commit: str) -> dict[str, str]:
        listing = self._git("ls-tree", "-r", "-z", commit)
        return {name: entry.split()[2] for row in listing.split("\0") if row for entry, name in [row.split("\t", 1)]}

    def text(self, blob: str) -> str:
        return self._git("cat-file", "blob", blob)


class Client(Protocol):
    """What is needed of a client of GitHub's API."""

    def get(self, path: str, **query: str) -> Any: ...


@dataclass
class Remote:
    """Tags by GitHub's API, of github.com or of an Enterprise Server."""

    client: Client
    repository: str
    _trees: dict[str, dict[str, str]] = field(default_factory=dict)

    def _get(self, path: str, **query: str) -> Any:
        return self.client.get(f"/repos/{self.repository}{path}", **query)

    def _pages(self, path: str) -> Iterator[Any]:
        page = 1
        while True:
            found = self._get(path, per_page="100", page=str(page))
            yield from found
            if len(found) < 100:
                return
            page += 1

    def default_branch(self) -> str:
        return str(self._get("")["default_branch"])

    def tags(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for ref in self._pages("/git/matching-refs/tags"):
            target = ref["object"]
            while target["type"] == "tag":
                target = self._get(f"/git/tags/{target['sha']}")["object"]
            found[ref["ref"].removeprefix("refs/tags/")] = target["sha"]
        return found

    def branches(self) -> dict[str, str]:
        return {branch["name"]: branch["commit"]["sha"] for branch in self._pages("/branches")}

    def files(self, commit: str) -> dict[str, str]:
        if commit not in self._trees:
            tree = self._get(f"/git/trees/{commit}", recursive="1")["tree"]
            self._trees[commit] = {entry["path"]: entry["sha"] for entry in tree if entry["type"] == "blob"}
        return self._trees[commit]

    def text(self, blob: str) -> str:
        return base64.b64decode(self._get(f"/git/blobs/{blob}")["content"]).decode("utf-8", "replace")


@record
class Refreshed:
    """New data, and what a person should hear: versions that were read, and tags that moved."""

    data: dict[str, Any]
    read: tuple[str, ...]
    moved: tuple[str, ...]
    unreadable: tuple[str, ...]


def refresh(repository: str, tags: Tags, known: Mapping[str, Any] | None, *, as_of: str, source: str) -> Refreshed:
    """The data of a repository as its tags are on a day (ISO 8601), on top of what was known."""
    old = known or {}
    commits = tags.tags()
    before: Mapping[str, str] = old.get("tags", {})
    moved = tuple(
        f"{tag}: {before[tag]} is now {commits.get(tag, 'gone')}"
        for tag in before
        if _is_release(tag) and commits.get(tag) != before[tag]
    )
    actions: dict[str, dict[str, Any]] = json.loads(json.dumps(old.get("actions", {})))
    alone = set(_majors_alone(commits))
    releases = sorted(
        (version, tag)
        for tag in commits
        if (_is_release(tag) or tag in alone) and f"{tag}.0" not in commits and (version := version_of(tag))
    )
    done = _newest_read(actions)
    blobs: dict[str, dict[str, Any] | None] = {}
    read: list[str] = []
    unreadable: list[str] = []
    for version, tag in releases:
        if version[0] in done and version <= done[version[0]]:
            continue
        read.append(tag)
        for path, blob, name in _action_files(tags.files(commits[tag])):
            if blob not in blobs:
                blobs[blob] = {"runtime": "dockerfile-only"} if name == "Dockerfile" else metadata_of(tags.text(blob))
            found_file = blobs[blob]
            if found_file is None:
                unreadable.append(f"{tag}: {path or 'action'}")
                continue
            majors = actions.setdefault(path, {})
            majors[f"v{version[0]}"] = fold(majors.get(f"v{version[0]}"), tag, found_file)
    _read_calls(actions, tags, commits)
    default, branches = tags.default_branch(), tags.branches()
    if not any(actions.values()) and default in branches:
        # No release has an action: what the default branch has can be followed, or pinned to a commit.
        actions = {path: {} for path, _, _ in _action_files(tags.files(branches[default]))}
    wanted = {default, *old.get("branches", {})}
    data = {
        "repository": repository,
        "as_of": as_of,
        "source": source,
        "branch": default,
        "advisories": old.get("advisories", []),
        "observed": {tag: sha for tag, sha in old.get("observed", {}).items() if tag not in commits},
        "actions": {path: actions[path] for path in sorted(actions)},
        "branches": {
            name: sha for name, sha in sorted(branches.items()) if name in wanted or _MAJOR_BRANCH.match(name)
        },
        "tags": commits,
    }
    return Refreshed(data, tuple(read), moved, tuple(unreadable))


def _read_calls(actions: dict[str, dict[str, Any]], tags: Tags, commits: Mapping[str, str]) -> None:
    """What the newest release of each composite major calls, where that is not known."""
    for path, majors in actions.items():
        for major in majors.values():
            runtime = major["runtime"] if isinstance(major["runtime"], str) else major["runtime"][-1][1]
            if runtime != "composite" or "calls" in major or major["release"] not in commits:
                continue
            files = {folder: blob for folder, blob, _ in _action_files(tags.files(commits[major["release"]]))}
            found = metadata_of(tags.text(files[path])) if path in files else None
            if found is not None:
                major["calls"] = found.get("calls", [])


def _newest_read(actions: Mapping[str, Mapping[str, Any]]) -> dict[int, Version]:
    """The newest release of each major that has been read."""
    done: dict[int, Version] = {}
    for name, major in (item for majors in actions.values() for item in majors.items()):
        found = version_of(name)
        if found is not None:
            newest = version_of(major["release"]) or found
            done[found[0]] = max(newest, done.get(found[0], newest))
    return done


def _majors_alone(tags: Iterable[str]) -> Iterator[str]:
    """Tags such as `v20` that name a release themselves: nothing more exact has this major."""
    exact = {version[0] for tag in tags if _is_release(tag) and (version := version_of(tag))}
    for tag in tags:
        version = version_of(tag)
        if version is not None and version[3] == 1 and "." not in tag and version[0] not in exact:
            yield tag


def _is_release(tag: str) -> bool:
    version = version_of(tag)
    return version is not None and version[3] == 1 and "." in tag


def _action_files(files: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Folder, blob and name of each action's file; a Dockerfile counts where there is no action.yml."""
    found: dict[str, tuple[str, str]] = {}
    for path, blob in files.items():
        match = _ACTION_FILE.match(path)
        if match is None or _NOT_ACTIONS.search(path):
            continue
        folder, name = match["path"] or "", match["name"]
        if name != "Dockerfile" or (folder == "" and folder not in found):
            found[folder] = (blob, name)
    for folder, (blob, name) in sorted(found.items()):
        yield folder, blob, name


def metadata_of(text: str) -> dict[str, Any] | None:
    """Runtime, inputs and outputs of an action.yml; None for what cannot be read.

    https://docs.github.com/actions/reference/workflows-and-actions/metadata-syntax
    """
    import yaml

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    runs = data.get("runs") if isinstance(data, dict) else None
    if not isinstance(runs, dict) or not runs.get("using"):
        return None
    runtime = str(runs["using"]).lower()
    if runtime == "docker" and str(runs.get("image", "")).startswith("docker://"):
        runtime = "docker:image"
    inputs = {}
    for name, found in (data.get("inputs") or {}).items():
        declared = found if isinstance(found, dict) else {}
        required = str(declared.get("required", "")).lower() == "true" and declared.get("default") is None
        inputs[str(name)] = {
            **({"required": True} if required else {}),
            **({"deprecated": True} if declared.get("deprecationMessage") else {}),
        }
    made = {"runtime": runtime, "inputs": inputs, "outputs": [str(name) for name in data.get("outputs") or {}]}
    return {**made, "calls": list(_calls(runs))} if runtime == "composite" else made


def _calls(runs: Mapping[str, Any]) -> Iterator[str]:
    """The actions of other repositories that a composite action uses in any case, each once."""
    steps = runs.get("steps")
    always = [step for step in steps if isinstance(step, dict) and "if" not in step] if isinstance(steps, list) else []
    used = (step.get("uses") for step in always)
    yield from dict.fromkeys(str(name) for name in used if name and not str(name).startswith((".", "docker:")))


def fold(major: Mapping[str, Any] | None, tag: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """A major as it was, and one more release of it."""
    inputs: Mapping[str, Any] = found.get("inputs", {})
    outputs: list[str] = found.get("outputs", [])
    if major is None:
        return {
            "release": tag,
            "runtime": found["runtime"],
            "inputs": {name: inputs[name] for name in sorted(inputs)},
            "outputs": dict.fromkeys(sorted(outputs), ""),
            **({"calls": found["calls"]} if "calls" in found else {}),
        }
    since = {name: {"since": entry["since"]} for name, entry in major["inputs"].items() if "since" in entry}
    new = {name: {"since": tag} for name in inputs if name not in major["inputs"]}
    dropped = {name: last for name, last in major.get("dropped", {}).items() if name not in inputs}
    dropped.update({name: major["release"] for name in major["inputs"] if name not in inputs})
    runtimes = major["runtime"]
    history = runtimes if isinstance(runtimes, list) else [[f"v{(version_of(tag) or (0,))[0]}.0.0", runtimes]]
    if history[-1][1] != found["runtime"]:
        runtimes = [*history, [tag, found["runtime"]]]
    return {
        "release": tag,
        "runtime": runtimes,
        "inputs": {name: {**inputs[name], **since.get(name, {}), **new.get(name, {})} for name in sorted(inputs)},
        **({"dropped": dict(sorted(dropped.items()))} if dropped else {}),
        "outputs": {name: major["outputs"].get(name, tag) for name in sorted(outputs)},
        **({"calls": found["calls"]} if "calls" in found else {}),
    }


def rendered(data: Mapping[str, Any]) -> str:
    """JSON with a line for each major and tag, so that a difference between two days can be read."""
    lines: list[str] = []
    for key, value in data.items():
        if key == "actions":
            blocks = []
            for path, majors in value.items():
                rows = ",\n".join(f"   {_json(name)}: {_json(major)}" for name, major in majors.items())
                blocks.append(f"  {_json(path)}: {{\n{rows}\n  }}" if rows else f"  {_json(path)}: {{}}")
            lines.append(' "actions": {\n' + ",\n".join(blocks) + "\n }" if blocks else ' "actions": {}')
        elif isinstance(value, dict) and value:
            rows = ",\n".join(f"  {_json(name)}: {_json(entry)}" for name, entry in value.items())
            lines.append(f" {_json(key)}: {{\n{rows}\n }}")
        elif isinstance(value, list) and value:
            rows = ",\n".join(f"  {_json(entry)}" for entry in value)
            lines.append(f" {_json(key)}: [\n{rows}\n ]")
        elif value or key == "branch":
            lines.append(f" {_json(key)}: {_json(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
