"""Whether the catalog's data holds together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from fixer.github.action_ref import ActionRef, Version, version_of
from fixer.github.catalog.actions import Action, Catalog
from fixer.github.catalog.changes import Migration
from fixer.github.catalog.migration import StepUse

_SHA = re.compile(r"[0-9a-f]{40}\Z")
_NOTHING = StepUse({}, {}, {})
# The form of a change in the data files. An entry has the first keys; it may have the others, and `when`.
_MAPPINGS = frozenset(
    ("rename", "invert", "combine", "values", "lost", "env_to_input", "input_to_env", "outputs"),
)
_TEXTS = frozenset(("drop", "env_drop", "source"))
_ENTRIES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "set": (frozenset(("input", "value")), frozenset(("todo",))),
    "env": (frozenset(("name", "value")), frozenset()),
    "permissions": (frozenset(("add",)), frozenset()),
    "block": (frozenset(("reason",)), frozenset(("next",))),
    "todo": (frozenset(("text",)), frozenset()),
}


def problems(catalog: Catalog) -> Iterator[str]:
    """What is wrong, one line each; nothing where all is well."""
    for name in catalog.names():
        action = catalog.action(name)
        if action is None:
            yield f"{name}: cannot be looked up by its own name"
            continue
        yield from _data_problems(action, catalog)
        misshapen = list(_misshapen(action))
        yield from misshapen
        for version, migration in action.migrations if not misshapen else ():
            for problem in _migration_problems(action, version, migration):
                yield f"{name} {'.'.join(map(str, version[:3]))}: {problem}"
        data = action.curated.get("replace")
        if data and catalog.action(str(data["with"])) is None:
            yield f"{name}: its replacement {data['with']} is not in the catalog"
    for name, now in catalog.moved.items():
        found = catalog.of(ActionRef.parse(f"{name}@v1"))
        if found is None or found.repository.lower() != now:
            yield f"{name}: what it is now, {now}, is not in the catalog, or the old name is"


def unspoken(catalog: Catalog) -> Iterator[str]:
    """Inputs that a major lost and no migration speaks of: steps that give one are blocked."""
    for name in catalog.names():
        action = catalog.action(name)
        if action is None or any(_misshapen(action)):
            continue
        spoken = {word for _, migration in action.migrations for word in _spoken(migration)}
        numbers = sorted(action.majors)
        for before, after in pairwise(numbers):
            lost = action.majors[before].inputs_at() - action.majors[after].inputs_at() - spoken
            if lost:
                yield f"{name} v{before} to v{after}: {', '.join(sorted(lost))}"


def _spoken(migration: Migration) -> Iterator[str]:
    yield from (*migration.rename, *migration.invert, *migration.lost, *migration.drop, *migration.input_to_env)
    for templates in migration.combine.values():
        for template in templates:
            yield from re.findall(r"\$\{([\w-]+)\}", template)
    for entry in migration.block:
        if "input" in entry.get("when", {}):
            yield entry["when"]["input"]


def _misshapen(action: Action) -> Iterator[str]:
    """What is written otherwise than a change is, one line each."""
    for version, change in action.curated.get("changes", {}).items():
        for key, value in change.items():
            wrong = _wrong_form(key, value)
            if wrong:
                yield f"{action.name} {version}: {wrong}"


def _wrong_form(key: str, value: Any) -> str:
    if key in _MAPPINGS:
        return "" if isinstance(value, dict) else f"{key} is no mapping"
    if key in _TEXTS:
        fits = isinstance(value, list) and all(isinstance(text, str) for text in value)
        return "" if fits else f"{key} is no list of texts"
    if key not in _ENTRIES:
        return "" if key == "script" else f"{key} is nothing that a change may say"
    needed, more = _ENTRIES[key]
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        return f"{key} is no list of mappings, each with {', '.join(sorted(needed))}"
    for entry in value:
        if needed - entry.keys():
            return f"an entry of {key} has no {', '.join(sorted(needed - entry.keys()))}"
        if entry.keys() - needed - more - {"when"}:
            return f"an entry of {key} may not have {', '.join(sorted(entry.keys() - needed - more - {'when'}))}"
    return ""


def _data_problems(action: Action, catalog: Catalog) -> Iterator[str]:
    earlier = ((entry["version"], sha) for sha, entry in action.entry.curated.get("commits", {}).items())
    for tag, sha in (*action.tags.items(), *action.entry.branches.items(), *action.entry.observed.items(), *earlier):
        if not _SHA.match(sha):
            yield f"{action.name}: {tag} has no well-formed commit: {sha}"
    if list(action.majors) != sorted(action.majors):
        yield f"{action.name}: its majors are not in order"
    for number, major in action.majors.items():
        if major.version[0] != number and not action.curated.get("unversioned"):
            yield f"{action.name}: v{number} has the release {major.release}"
        second_hand = action.curated.get("second_hand", {}).get(f"v{number}")
        if not second_hand and not action.sha_of(major.release):
            yield f"{action.name}: the release {major.release} is no tag"
        starts = [since for since, _ in major.runtimes]
        if starts != sorted(starts):
            yield f"{action.name}: the runtimes of v{number} are not in order"
        for _, runtime in major.runtimes:
            if runtime.startswith("node") and runtime not in catalog.removed:
                yield f"{action.name}: it is not known when {runtime} of v{number} ends"


def _migration_problems(action: Action, version: Version, migration: Migration) -> Iterator[str]:
    """Old names must be inputs of a version before, new ones of this version or a later one."""
    earlier = [major for major in action.majors.values() if major.number <= version[0]]
    before = {name for major in earlier for name, found in major.inputs.items() if found.since < version}
    before |= {name for major in earlier for name, last in major.dropped.items() if last < version}
    after = {name for major in action.majors.values() if major.number >= version[0] for name in major.inputs_at()}
    old = {*migration.rename, *migration.invert, *migration.lost, *migration.drop, *migration.values}
    new = {*migration.rename.values(), *migration.invert.values(), *migration.combine}
    new |= {str(entry["input"]) for entry in migration.set} | set(migration.env_to_input.values())
    old |= {part for found in migration.combine.values() for text in found for part in re.findall(r"\$\{(.+?)\}", text)}
    old |= set(migration.input_to_env)
    for name in sorted(old - before):
        yield f"no version before has the input {name}"
    for name in sorted(new - after):
        yield f"no version from here on has the input {name}"
    if not migration.source:
        yield "it names no source"
    conditions: list[Mapping[str, Any]] = [
        entry.get("when", {})
        for entry in (*migration.block, *migration.todo, *migration.set, *migration.env, *migration.permissions)
    ]
    for when in conditions:
        try:
            _NOTHING.holds(when, version, {})
        except (ValueError, re.error) as error:
            yield str(error)
        for name in when.get("unless_from") or ():
            if version_of(name) is None:
                yield f"{name} is no version"
