"""Public base images: which tools they bring, whom they run as, and why some start as root (`images.toml`)."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal

from fixer import kept
from fixer.languages.dockerfile import ImageRef
from fixer.records import record

Family = Literal["debian", "redhat", "alpine", "none", "windows"]

FAMILIES: tuple[Family, ...] = ("debian", "redhat", "alpine", "none", "windows")
_DEBIAN = re.compile(
    r"slim|debian|ubuntu|trixie|bookworm|bullseye|buster|stretch|jessie|jammy|focal|noble|bionic|resolute"
)
# What runs under these names belongs to the system, not to an application.
ROOT = frozenset(("root", "0", "ContainerAdministrator"))


@record
class BaseImage:
    """What an image is as a base. `user` is an unprivileged user that is there (empty: none), `id` its number."""

    family: Family
    runs_as: str
    user: str
    id: int | None
    keeps_root: str
    instead: str
    source: str


# https://github.com/docker-library/official-images#architectures-other-than-amd64
_ARCHITECTURE = re.compile(r"^(amd64|arm32v[567]|arm64v8|i386|mips64le|ppc64le|riscv64|s390x)/")


def base_image(image: ImageRef) -> BaseImage | None:
    """What is known about an image; None where it is not among the known ones."""
    if not image.registry:
        image = replace(image, name=_ARCHITECTURE.sub("", image.name))
    for entry in _entries():
        named = any(_matches(name, image, entry.get("suffixes", ())) for name in entry["names"])
        if named and re.search(entry.get("tags", ""), image.tag):
            major = re.match("[0-9]{1,9}", image.tag)
            there = "since" not in entry or (major is not None and int(major[0]) >= entry["since"])
            runs_as = entry.get("runs_as", "root")
            if image.registry == "gcr.io" and "nonroot" in image.tag:
                runs_as = "nonroot"
            return BaseImage(
                _family(entry["family"], entry.get("otherwise", "debian"), image.tag),
                runs_as,
                entry.get("user", "") if there else "",
                entry.get("id") if there else None,
                entry.get("keeps_root", ""),
                entry.get("instead", ""),
                entry["source"],
            )
    return None


def made_up(family: Family, runs_as: str = "root") -> BaseImage:
    """An image of which a configuration says the family."""
    return BaseImage(family, runs_as, "", None, "", "", "")


@cache
def _entries() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kept.table(__file__, "images.toml")["image"]
    return found


def _matches(name: str, image: ImageRef, suffixes: tuple[str, ...]) -> bool:
    name, _, tag = name.partition(":")
    if tag and not image.tag.startswith(tag):
        return False
    found = image.repository.removeprefix("public.ecr.aws/docker/library/").removeprefix("mirror.gcr.io/library/")
    if found == name or any(found == name + suffix for suffix in suffixes):
        return True
    return "*" in name and fnmatchcase(found, name)


def _family(family: str, otherwise: Family, tag: str) -> Family:
    if family != "tag":
        return next(known for known in FAMILIES if known == family)
    if "alpine" in tag:
        return "alpine"
    if re.search(r"windows|nanoserver", tag):
        return "windows"
    if re.search(r"distroless|chiseled|scratch", tag):
        return "none"
    if re.search(r"azurelinux|mariner|cbl|ubi|oracle|al2023|amazonlinux|al2\b", tag):
        return "none"
    return "debian" if _DEBIAN.search(tag) else otherwise
