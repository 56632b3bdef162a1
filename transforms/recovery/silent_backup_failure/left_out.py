"""What a script would no longer do if it ended where its dump fails."""

from __future__ import annotations

import re
from typing import Literal

from fixer.languages.shell import Command
from fixer.model import Blocked
from fixer.recovery.scripts import UPLOADS, DataScript

_BACKS_UP_MORE = frozenset(("tar", "zip", "7z", "rsync", "restic", "borg", "duplicity", "redis-cli", "sqlite3"))
_STARTS_AGAIN = frozenset(("start", "up", "unpause", "restart", "uncordon", "maintenance:off", "off"))
_STARTERS = frozenset(
    (
        "docker",
        "docker-compose",
        "systemctl",
        "service",
        "supervisorctl",
        "pm2",
        "kubectl",
        "heroku",
        "podman",
        "umount",
    )
)
_TAKES_IN = frozenset(("gzip", "pigz", "bzip2", "xz", "zstd", "gpg", "age", "openssl", "scp", "curl", "mail", *UPLOADS))
_FILES = ("-f", "--file", "-r", "--result-file", "-o", "--out", "--archive")
Kind = Literal["other", "cleans", "takes", ""]


def left_out(place: DataScript, dump: Command) -> Blocked | bool:
    """Whether other backups come after a dump, which do not rest on it. Blocked where a service would stay stopped, or
    what is to be cleaned up would stay, or where both kinds of work are mixed."""
    files = _files(dump)
    kinds = [(_kind(each, files), each) for each in _after(place, dump)]
    cleaning = next((each for kind, each in kinds if kind == "cleans"), None)
    other = next((each for kind, each in kinds if kind == "other"), None)
    takes = any(kind == "takes" for kind, _ in kinds)
    lost = cleaning or (other if takes or dump.function else None)
    if lost is None:
        return other is not None
    cut = " ".join(lost.source.split())
    cut = cut if len(cut) <= 60 else f"{cut[:57]}…"
    return Blocked(
        f"`{cut}` comes after {dump.name}, and would be left out where that fails",
        "do it in any case, from a trap say, and then end with `exit 1` where the dump has failed",
    )


def _after(place: DataScript, dump: Command) -> list[Command]:
    """The commands that run after a dump, those of functions included that are called there."""
    commands = place.script.commands
    found = [each for each in commands if each.function == dump.function and each.start > dump.statement[1]]
    seen = {dump.function}
    waiting = [call for call in commands if dump.function and call.name == dump.function]
    while waiting:
        call = waiting.pop()
        found += [each for each in commands if each.function == call.function and each.start > call.start]
        if call.function not in seen:
            seen.add(call.function)
            waiting += [each for each in commands if call.function and each.name == call.function]
    called = {each.name for each in found} - {dump.function}
    return [*found, *(each for each in commands if each.function and each.function in called)]


def _files(dump: Command) -> tuple[str, ...]:
    """The file that a dump is written to, as it is named."""
    last = dump.receivers[-1] if dump.receivers else dump
    named = [each.target for each in last.redirects if ">" in each.operator and not each.target.startswith("/dev/")]
    named += [value.text for option in _FILES if (value := dump.value(option)) is not None]
    return tuple(_plain(each) for each in named if each and not each.isdigit())


def _plain(text: str) -> str:
    """Without quotes and braces, so that `"${A}"` is `$A`."""
    return re.sub(r"[{}\"]", "", text)


def _kind(command: Command, files: tuple[str, ...]) -> Kind:
    plain = _plain(command.source)
    words = [word.text for word in command.words]
    mentions = any(each in plain for each in files)
    starts = command.name in _STARTERS and (command.name == "umount" or not _STARTS_AGAIN.isdisjoint(words[1:6]))
    if starts or (command.name == "rm" and command.has("-r", "-R", "--recursive")):
        return "cleans"
    if mentions or command.name in _TAKES_IN:
        return "takes"
    if command.name in _BACKS_UP_MORE or (command.name == "docker" and words[1:2] in (["cp"], ["run"])):
        folders = {each.rpartition("/")[0] for each in files} - {""}
        given = {_plain(word.text).rstrip("/") for word in command.args}
        return "takes" if folders & given else "other"
    return ""
