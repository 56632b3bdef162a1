"""What GitHub answers, as far as a pull request needs it: read once, with its types, before anything is made of it.

A portal or a proxy may answer in GitHub's place, with 200 and a page of its own; nothing of such an answer is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Self, TypeVar

from fixer.forge.github import GitHubError
from fixer.records import record

T = TypeVar("T")
_NAME = re.compile(r"(?!\.{1,2}/)[A-Za-z0-9._-]+/(?!\.{1,2}$)[A-Za-z0-9._-]+")


@record
class Hosted:
    """A repository as GitHub knows it."""

    full_name: str
    clone_url: str
    owner: str
    archived: bool
    private: bool
    may_push: bool

    @classmethod
    def of(cls, answer: Any) -> Self:
        name = _value(answer, "full_name", str)
        if not _NAME.fullmatch(name):
            raise _odd("full_name")
        permissions = _value(answer, "permissions", dict, {})
        return cls(
            name,
            _value(answer, "clone_url", str),
            _value(_value(answer, "owner", dict), "login", str),
            archived=_value(answer, "archived", bool, False),
            private=_value(answer, "private", bool, False),
            may_push=_value(permissions, "push", bool, True),
        )


@record
class Pull:
    """A pull request. `body` is its text, `node` its id for GraphQL."""

    number: int
    node: str
    url: str
    is_open: bool
    merged: bool
    title: str
    body: str
    head: str
    base: str
    labels: tuple[str, ...]

    @classmethod
    def of(cls, answer: Any) -> Self:
        labels = _value(answer, "labels", list, [])
        return cls(
            _value(answer, "number", int),
            _value(answer, "node_id", str, ""),
            _value(answer, "html_url", str),
            is_open=_value(answer, "state", str) == "open",
            merged=bool(_value(answer, "merged_at", str, "")),
            title=_value(answer, "title", str),
            body=_value(answer, "body", str, ""),
            head=_value(_value(answer, "head", dict), "ref", str),
            base=_value(_value(answer, "base", dict), "ref", str),
            labels=tuple(_value(label, "name", str) for label in labels),
        )


@record
class Listed:
    """A repository as it stands in a list of GitHub's. `pushed_at` is a time in ISO 8601, empty for never."""

    full_name: str
    topics: tuple[str, ...]
    language: str
    archived: bool
    disabled: bool
    fork: bool
    pushed_at: str


def listed_of(answer: Any) -> Listed:
    name = _value(answer, "full_name", str)
    if not _NAME.fullmatch(name):
        raise _odd("full_name")
    topics = _value(answer, "topics", list, [])
    return Listed(
        name,
        tuple(str(topic).lower() for topic in topics),
        _value(answer, "language", str, ""),
        archived=_value(answer, "archived", bool, False),
        disabled=_value(answer, "disabled", bool, False),
        fork=_value(answer, "fork", bool, False),
        pushed_at=_value(answer, "pushed_at", str, ""),
    )


@record
class Installed:
    """Where an account has an app."""

    number: int
    account: str
    suspended: bool


def installed_of(answer: Any) -> Installed:
    account = _value(answer, "account", dict)
    name = _value(account, "login", str, "") or _value(account, "slug", str)  # an enterprise has no login
    return Installed(_value(answer, "id", int), name, bool(_value(answer, "suspended_at", str, "")))


def installations_of(answer: Any) -> list[Installed]:
    if not isinstance(answer, list):
        raise _odd("list of installations")
    return [installed_of(one) for one in answer]


@record
class Granted:
    """A token of an app. `ends` is in seconds since 1970; `permissions` are `read` or `write` by what they are for."""

    token: str = field(repr=False)
    ends: float
    permissions: Mapping[str, str]


def granted_of(answer: Any) -> Granted:
    try:
        ends = datetime.fromisoformat(_value(answer, "expires_at", str)).timestamp()
    except ValueError:
        raise _odd("expires_at") from None
    return Granted(_value(answer, "token", str), ends, _value(answer, "permissions", dict, {}))


def pulls_of(answer: Any) -> list[Pull]:
    if not isinstance(answer, list):
        raise _odd("list of pull requests")
    return [Pull.of(one) for one in answer]


def is_protected(answer: Any) -> bool:
    """Whether a branch is protected."""
    return _value(answer, "protected", bool, False)


def comparison(answer: Any) -> str:
    """How two commits stand to each other: `ahead`, `behind`, `identical`, `diverged`."""
    return _value(answer, "status", str)


def _value(answer: Any, key: str, kind: type[T], default: T | None = None) -> T:
    """Raises GitHubError where the value is of another kind, or missing; null counts as missing."""
    value = answer.get(key) if isinstance(answer, dict) else None
    if value is None and default is not None and isinstance(answer, dict):
        return default
    if type(value) is not kind:
        raise _odd(key)
    return value


def _odd(what: str) -> GitHubError:
    return GitHubError(
        f"the answer is not GitHub's: its {what} is missing or of another kind; something between here and there may"
        " answer in its place"
    )
