"""What a script would no longer do if it ended where one of its commands fails."""

from __future__ import annotations

import re
from typing import Literal

from fixer.languages.shell import Command
from fixer.model import Blocked
from fixer.recovery.scripts import DUMPS, RESTORES, UPLOADS

_BACKS_UP_MORE = frozenset(("tar", "zip", "7z", "rsync", "restic", "borg", "duplicity", "redis-cli", "sqlite3", "ssh"))
_STARTS_AGAIN = frozenset(
    ("start", "up", "unpause", "restart", "resume", "uncordon", "deactivate", "maintenance:off", "--off", "off")
)
_ENDS_WHAT_IS_FOR_NOW = frozenset(("stop", "down", "rm", "kill", "delete"))
_STARTERS = frozenset(
    ("docker", "docker-compose", "systemctl", "service", "supervisorctl", "pm2", "kubectl", "heroku", "podman")
)
_REMOVES = frozenset(("rm", "rmdir", "unlink", "shred", "umount", "swapoff"))
_REPORTS = frozenset(("mail", "mailx", "mutt", "sendmail", "msmtp", "ssmtp", "swaks"))
_TAKES_IN = frozenset(("gzip", "pigz", "bzip2", "xz", "zstd", "gpg", "age", "openssl", "scp", "curl", *UPLOADS))
_SAYS = frozenset(("echo", "printf", "logger"))
_CALLED_LIKE_MESSAGES = frozenset((
    "debug", "echo", "error", "info", "log", "message", "msg", "notice", "print", "say", "success", "warn", "warning",
))  # fmt: skip
"""How the names of functions begin that only say something, where a script takes them from a file that it sources."""
_MISSED_BY_NOBODY = frozenset((
    "", ":", "[", "[[", "awk", "basename", "bc", "break", "cat", "cd", "chmod", "chown", "cmp", "command",
    "continue", "createdb", "cut", "date", "declare", "df", "diff", "dirname", "dropdb", "du", "exit", "export",
    "expr", "false", "file", "find", "grep", "gunzip", "head", "hostname", "id", "let", "local", "ls", "md5sum",
    "mkdir", "nl", "numfmt", "pg_isready", "pushd", "popd", "pwd", "read", "readonly", "realpath", "return", "sed",
    "set", "sha256sum", "shift", "sleep", "sort", "source", "stat", "sync", "tail", "tee", "test", "touch", "tput",
    "tr", "true", "type", "uniq", "unset", "wait", "wc", "which", "whoami", "xargs", "zcat", *DUMPS, *RESTORES,
))  # fmt: skip
"""What a script measures, computes or sets for itself, and what it does with the database that the command is about."""
_FILES = ("-f", "--file", "-r", "--result-file", "-o", "--out", "--archive")
Kind = Literal["other", "cleans", "takes", ""]


def left_out(command: Command, files: tuple[str, ...], *, in_function: bool = False) -> Blocked | bool:
    """Whether other backups come after a command that writes `files`, which do not rest on it. Blocked where a service
    would stay stopped, what is to be cleaned up would stay, or nobody would be told; or where both kinds of work are
    mixed. `in_function`: where only its function ends."""
    kinds = [(_kind(each, files), each) for each in _after(command, in_function=in_function)]
    other = next((each for kind, each in kinds if kind == "other"), None)
    takes = any(kind == "takes" for kind, _ in kinds)
    lost = next((each for kind, each in kinds if kind == "cleans"), None)
    lost = lost or (other if takes or command.function else None)
    return _lost(command, lost) if lost is not None else other is not None


def stays_undone(command: Command, files: tuple[str, ...]) -> Blocked | None:
    """What is to be started again, or cleaned up, after a command that reads `files`, if anything."""
    after = _after(command, in_function=False)
    lost = next((each for each in after if _kind(each, files) == "cleans"), None)
    return _lost(command, lost) if lost is not None else None


def in_short(command: Command) -> str:
    """A command as a sentence names it."""
    cut = " ".join(command.source.split())
    return cut if len(cut) <= 60 else f"{cut[:57]}…"


def _lost(command: Command, lost: Command) -> Blocked:
    return Blocked(
        f"`{in_short(lost)}` comes after {command.name}, and would be left out where that fails",
        f"do it in any case, from a trap say, and then end with `exit 1` where {command.name} has failed",
    )


def files_of(command: Command) -> tuple[str, ...]:
    """The files that the pipe of a command reads and writes, as they are named, and what the variables of their names
    are set to."""
    last = command.receivers[-1] if command.receivers else command
    named = [each.target for each in (*last.redirects, *command.redirects) if each.descriptor in ("", "0", "1")]
    named += [value.text for option in _FILES if (value := command.value(option)) is not None]
    found = [_plain(each) for each in named if each and not each.isdigit() and not each.startswith("/dev/")]
    values = (command.script.assignments.get(each.removeprefix("$")) for each in found if each.startswith("$"))
    return tuple(dict.fromkeys((*found, *(_plain(each.text) for each in values if each is not None and each.text))))


def _plain(text: str) -> str:
    """Without quotes and braces, so that `"${A}"` is `$A`."""
    return re.sub(r"[{}\"]", "", text)


def _after(command: Command, *, in_function: bool) -> list[Command]:
    """The commands that run after another, those of functions included that are called there."""
    commands = command.script.commands
    found = [each for each in commands if each.function == command.function and each.start > command.statement[1]]
    seen = {command.function}
    waiting = [call for call in commands if command.function and call.name == command.function and not in_function]
    while waiting:
        call = waiting.pop()
        found += [each for each in commands if each.function == call.function and each.start > call.start]
        if call.function not in seen:
            seen.add(call.function)
            waiting += [each for each in commands if call.function and each.name == call.function]
    called = {each.name for each in found} - {command.function}
    return [*found, *(each for each in commands if each.function and each.function in called)]


def _kind(command: Command, files: tuple[str, ...]) -> Kind:
    source = _plain(command.source)
    words, started = [word.text for word in command.words], [word.text for word in command.argv]
    folders = {each.rpartition("/")[0] for each in files} - {""}
    beside = {_plain(word.text).rpartition("/")[0] for word in command.args}
    mentions = any(each in source for each in files)
    if command.name in _SAYS or _is_sourced_message(command):
        return "takes" if mentions else ""
    starter = command.name in _STARTERS
    called_off = _STARTS_AGAIN | _ENDS_WHAT_IS_FOR_NOW if starter else _STARTS_AGAIN
    if not called_off.isdisjoint(words[1:] if starter else started[1:6]) or command.name in _REPORTS:
        return "cleans"
    if command.name in _REMOVES:
        of_backups = (mentions or bool(folders & beside)) and not command.has("-r", "-R", "--recursive")
        return "takes" if of_backups else "cleans"
    if mentions or command.name in _TAKES_IN:
        return "takes"
    if command.name in _BACKS_UP_MORE or (command.name == "docker" and words[1:2] in (["cp"], ["run"])):
        given = {_plain(word.text).rstrip("/") for word in command.args}
        return "takes" if folders & given else "other"
    own = command.name in command.script.functions  # what it does is looked at itself
    return "" if own or command.name in _MISSED_BY_NOBODY else "cleans"


def _is_sourced_message(command: Command) -> bool:
    """Whether it only says something by a function from a file that the script sources."""
    first = re.split(r"[_:.-]", command.name.lstrip("_"), maxsplit=1)[0]
    return first in _CALLED_LIKE_MESSAGES and any(each.name in ("source", ".") for each in command.script.commands)
