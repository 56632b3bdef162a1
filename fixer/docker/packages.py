"""System packages of an image: which only serve to compile, and what they leave to be needed.

The names stand in `runtime_packages.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from fixer import kept
from fixer.docker.images import Family
from fixer.languages.shell import Command, Word

_VALUED = frozenset(
    ("-t", "--target-release", "-o", "--option", "-c", "--virtual", "-X", "--repository", "-p", "--root")
)
_INSTALLS = {"apt-get": "install", "apt": "install", "apk": "add"}
_REMOVES = {"apt-get": ("purge", "remove", "autoremove"), "apt": ("purge", "remove"), "apk": ("del",)}


def installed(command: Command) -> tuple[Word, ...]:
    """The packages that a command installs, without versions; none for another command."""
    verb = _INSTALLS.get(command.name)
    words = list(command.args)
    if verb is None or not any(word.text == verb for word in words):
        return ()
    found: list[Word] = []
    skip = False
    for word in words:
        if skip or word.text == verb:
            skip = False
        elif word.text.startswith("-"):
            skip = word.text in _VALUED or (command.name == "apk" and word.text == "-t")
        else:
            found.append(word)
    return tuple(found)


def name_of(word: Word) -> str:
    """A package without its version: `libpq5=15.*` is libpq5."""
    return re.split(r"[=<>~:@]", word.text)[0]


def removes(command: Command) -> bool:
    return any(word.text in _REMOVES.get(command.name, ()) for word in command.args)


_COMPILERS = frozenset(("gcc", "g++", "build-essential", "build-base", "clang", "rustc", "rust", "cargo", "cmake"))


def compiles(name: str) -> bool:
    """Whether a package brings a compiler."""
    return name in _COMPILERS


def is_for_compiling(name: str, family: Family) -> bool:
    """Whether a package only serves to compile something, as far as its name tells."""
    return name in _data(family).get("tools", ()) or _is_headers(name)


def _is_headers(name: str) -> bool:
    return name.endswith("-dev") or re.search(r"-dev-compat$", name) is not None


def release_of(tag: str) -> str:
    """The release of Debian that the tag of an image names, such as `bookworm`; empty for one of the newest two."""
    found = re.search(r"(?:^|-)(jessie|stretch|buster|bullseye|bookworm|trixie|forky|sid)(?:-|$)", tag)
    return found[1] if found is not None else ""


def needed_at_run_time(names: Iterable[str], family: Family, release: str = "") -> tuple[list[str], list[str]]:
    """What programs need that were compiled with these packages, and of which of them that is not known."""
    data = _data(family)
    releases = data.get("releases", {})
    found: dict[str, None] = {}
    unknown: list[str] = []
    for name in names:
        if name in data.get("tools", ()):
            if family == "alpine" and name in ("g++", "build-base"):
                found["libstdc++"] = None
            continue
        numbered = re.sub(r"^postgresql\d+-dev$", "postgresql-dev", name)
        runtime = releases.get(release, {}).get(numbered, data.get("runtime", {}).get(numbered))
        if release and release not in releases and any(numbered in each for each in releases.values()):
            runtime = None
        if runtime is None:
            unknown.append(name)
        else:
            found |= dict.fromkeys(runtime)
    return list(found), unknown


@cache
def _load() -> dict[str, Any]:
    return kept.table(__file__, "runtime_packages.toml")


def _data(family: Family) -> dict[str, Any]:
    found: dict[str, Any] = _load().get(family, {})
    return found
