"""What stands after `uses:`: an action or reusable workflow at a ref, an image, or a folder.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsuses
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Self

from fixer.records import record

_REMOTE = re.compile(
    r"(?P<owner>[A-Za-z0-9_.-]+)/(?P<repo>[A-Za-z0-9_.-]+)(?:/(?P<path>[^@]+?))?/?@"
    r"(?P<prefix>refs/(?:tags|heads)/)?(?P<ref>\S+)\Z"
)
_SHA = re.compile(r"[0-9a-f]{40}\Z", re.IGNORECASE)
_MAJOR = re.compile(r"v?[0-9]+\Z")
_VERSION = re.compile(r"v?([0-9]{1,18})(?:\.([0-9]{1,18}))?(?:\.([0-9]{1,18}))?(?P<rest>[-+.][0-9A-Za-z.+-]+)?\Z")

Version = tuple[int, int, int, int]
"""Major, minor, patch, and 0 for a pre-release or 1 for a release: these compare as versions do."""


class RefKind(StrEnum):
    """What a reference points at. A `branch` is any name that is neither a version nor a commit."""

    MAJOR = "tag-major"
    EXACT = "exact version"
    SHA = "sha"
    BRANCH = "branch"
    EXPRESSION = "expression"
    DOCKER = "docker"
    LOCAL = "local"
    UNKNOWN = "unknown"


@record
class ActionRef:
    """A parsed reference. `str(ActionRef.parse(text)) == text`, always. `ref` is without `refs/tags/` before it."""

    text: str
    kind: RefKind
    owner: str = ""
    repo: str = ""
    path: str = ""
    ref: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Never fails: what is no reference has the kind `unknown`."""
        if text.startswith("docker://"):
            return cls(text, RefKind.DOCKER)
        if text.startswith(("./", "../", "$/")) or text == ".":
            return cls(text, RefKind.LOCAL)
        if "${{" in text:
            return cls(text, RefKind.EXPRESSION)
        found = _REMOTE.match(text)
        if found is None:
            return cls(text, RefKind.UNKNOWN)
        ref = found["ref"]
        if found["prefix"] == "refs/heads/":
            kind = RefKind.BRANCH
        elif _SHA.match(ref):
            kind = RefKind.SHA
        elif _MAJOR.match(ref):
            kind = RefKind.MAJOR
        elif _VERSION.match(ref):
            kind = RefKind.EXACT
        else:
            kind = RefKind.BRANCH
        return cls(text, kind, found["owner"], found["repo"], found["path"] or "", ref)

    @property
    def repository(self) -> str:
        return f"{self.owner}/{self.repo}" if self.repo else ""

    @property
    def name(self) -> str:
        """`owner/repo`, or `owner/repo/path` for an action below the root of its repository."""
        return f"{self.repository}/{self.path}" if self.path else self.repository

    def at(self, ref: str) -> str:
        """The same action at another ref, spelled as it is here."""
        return self.text[: self.text.rindex("@") + 1] + ref

    def __str__(self) -> str:
        return self.text


def version_of(text: str) -> Version | None:
    """The version that a tag names, `v4` as 4.0.0; None for any other name."""
    found = _VERSION.match(text)
    if found is None:
        return None
    rest = found["rest"] or ""
    released = not rest or rest[0] == "+" or (rest[0] == "." and rest[1:].isdigit())
    return int(found[1]), int(found[2] or 0), int(found[3] or 0), int(released)
