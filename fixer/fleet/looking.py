"""One repository looked at, in a process of its own: what it costs goes with the process.

The processes are forked from one that has loaded the rules, and end with the one that asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from functools import cache
from importlib.resources import files
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from fixer.fleet.clones import Room, Tip, found, opened
from fixer.fleet.locks import LockError
from fixer.fleet.looked import FORM, Looked, faults, found_of, kept, troubles
from fixer.fleet.sources import Target, holds
from fixer.forge.git import Git, GitError, Remote
from fixer.forge.github import GitHubError
from fixer.forge.identity import Tokens
from fixer.model import FileError, Level, Profile, Tier
from fixer.records import record
from fixer.session import Session, SessionError, open_session

R = TypeVar("R")

EVERY = 50
"""Repositories after which old clones are removed."""


@record
class How:
    """How the repositories are looked at: the options of the command line. `cache` is the folder of what is kept;
    `planned`: what an apply would do, not only what is found."""

    cache: str
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    profile: str = ""
    min_severity: str = ""
    safe: bool = False
    planned: bool = False
    holds: tuple[str, ...] = ()

    def session(self, root: Path, below: Mapping[str, Any], bring: Callable[[str], None] | None = None) -> Session:
        """Raises SessionError."""
        return open_session(
            root,
            select=self.select,
            ignore=self.ignore,
            exclude=self.exclude,
            settings=self.settings,
            tier=Tier.SAFE if self.safe else None,
            profile=Profile(self.profile) if self.profile else None,
            min_severity=Level(self.min_severity) if self.min_severity else None,
            below=below,
            bring=bring,
        )

    @property
    def clones(self) -> Path:
        return Path(self.cache) / "clones"


@record
class Look:
    """One repository to look at, and what the fleet configures for it."""

    target: Target
    how: How
    below: Mapping[str, Any] = field(default_factory=dict)
    token: str = field(default="", repr=False)


# -- many, each in a process of its own -----------------------------------------------------------------------------


def each_looked_at(looks: Sequence[Look], processes: int) -> Iterator[Looked]:
    """In the order of the questions. A process that dies takes nothing with it but its own repository."""
    if not looks:
        return
    how, tokens = looks[0].how, Tokens()
    room = Room(how.clones)
    how.clones.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(processes) as pool:
        answers = deque((each, pool.submit(_looked_at, each, tokens)) for each in looks)
        try:
            for number in range(1, len(looks) + 1):
                each, answer = answers.popleft()
                try:
                    yield answer.result()
                except (DiedError, GitHubError) as error:
                    yield Looked(each.target.name, why=str(error), passing=True)
                if number % EVERY == 0:
                    room.make()
        finally:
            pool.shutdown(cancel_futures=True)
            room.make()


def _looked_at(look: Look, tokens: Tokens) -> Looked:
    """With the token that counts now: those that come last may wait longer than one lasts."""
    token = "" if look.target.folder else tokens.token_for(look.target.url)
    return in_own_process(look_at, replace(look, token=token))


class DiedError(Exception):
    """A process that answered nothing: it was ended, or it met a fault of fhfix, which the message names."""


def in_own_process(work: Callable[..., R], *arguments: object) -> R:
    """What `work` says, in a process of its own. Raises DiedError."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["fixer.fleet.loaded"])
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(writer, work, arguments), daemon=True)
    try:
        child.start()
        writer.close()
        answer, fault = reader.recv()
        child.join()
    except (EOFError, OSError):  # it was ended, or the one that it is forked from
        answer, fault = None, "the process was ended"
    finally:
        writer.close()
        reader.close()
    if fault:
        raise DiedError(fault)
    return answer  # type: ignore[no-any-return]


def _answer(writer: Connection, work: Callable[..., R], arguments: Sequence[Any]) -> None:
    """It leaves the streams of its parent alone: all that it says is its answer."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    _end_with_parent()
    try:
        answer = work(*arguments)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(where.filename)}:{where.lineno}"
        writer.send((None, f"FAULT: {type(error).__name__}: {error} ({place}); please report this"))
        raise
    writer.send((answer, ""))


def _end_with_parent() -> None:
    """The process that forks ends when the program does; this one then ends with it, also on SIGKILL."""
    if sys.platform == "linux":
        import ctypes

        parent = os.getppid()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)
        if os.getppid() != parent:
            os._exit(1)


# -- one ------------------------------------------------------------------------------------------------------------


def look_at(look: Look) -> Looked:
    """What a repository holds; from the cache where its commit, the rules and the options are those of last time."""
    target = look.target
    try:
        if target.folder:
            return _at_folder(look)
        remote, newest = found(Remote(target.url, look.token), look.how.clones)
        known = _file_of(look, newest)
        looked = kept(known)
        if looked is None:
            looked = _at_commit(look, remote, newest)
            _keep(known, looked)
        return looked
    except GitError as error:
        return Looked(target.name, why=str(error), passing=not error.final)
    except SessionError as error:
        return Looked(target.name, why="; ".join(error.errors))
    except (FileError, LockError) as error:
        return Looked(target.name, why=str(error))


def _at_folder(look: Look) -> Looked:
    root = Path(look.target.folder)
    git = Git(root)
    commit = git.maybe("rev-parse", "--quiet", "--verify", "HEAD^{commit}")
    here = Tip(git.branch(), commit)
    changed = bool(commit and git.uncommitted()) or bool(git.maybe("ls-files", "--others", "--exclude-standard"))
    known = _file_of(look, here)
    looked = None if changed else kept(known)
    if looked is None:
        paths = git.line("ls-files").splitlines()
        looked = _looked(look, here, look.how.session(root, look.below), paths)
        if commit and not changed:
            _keep(known, looked)
    return looked


def _at_commit(look: Look, remote: Remote, newest: Tip) -> Looked:
    with opened(remote, newest, look.how.clones) as clone:
        session = look.how.session(clone.root, look.below, clone.bring)
        return _looked(look, newest, session, clone.paths)


def _looked(look: Look, at: Tip, session: Session, paths: Sequence[str]) -> Looked:
    name = look.target.name
    if not holds(paths, look.how.holds):
        return Looked(name, at.branch, at.commit, why=HOLDS_NOT)
    if look.how.planned:
        plan = session.plan()
        found = found_of((*plan.answered, *plan.left), session.repository.read)
        counts = (len(plan.answered), len(plan.files))
        return Looked(name, at.branch, at.commit, found, troubles(plan), faults(plan), *counts)
    report = session.check()
    found = found_of(report.findings, session.repository.read)
    read_files = sum(report.coverage.read.values()) if report.coverage else 0
    return Looked(name, at.branch, at.commit, found, troubles(report), faults(report), read=read_files)


HOLDS_NOT = "holds none of the paths that were asked for"


# -- what is kept ---------------------------------------------------------------------------------------------------


def _file_of(look: Look, at: Tip) -> Path:
    """Where the answer is kept: named for all that it depends on."""
    how = look.how
    options = [how.select, how.ignore, how.exclude, how.settings, how.profile, how.min_severity, how.safe, how.planned]
    place = look.target.url or look.target.folder
    said = json.dumps([FORM, rules(), place, at.branch, at.commit, options, how.holds, look.below], sort_keys=True)
    return Path(how.cache) / "looked" / f"{hashlib.sha256(said.encode()).hexdigest()}.json"


@cache
def rules() -> str:
    """A word for the program as it is: another catalog or another rule is another word."""
    digest = hashlib.sha256()
    for package in ("fixer", "transforms"):
        root = Path(str(files(package)))
        for path in sorted(root.rglob("*")):
            if path.suffix in (".py", ".json", ".toml", ".sh", ".yml") and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _keep(file: Path, looked: Looked) -> None:
    """Whole or not at all: a file that a killed process left half written is never read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with _beside(file) as part:
        part.write_text(json.dumps({"form": FORM, "looked": looked.to_json()}), encoding="utf-8")


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    part = file.with_suffix(f".{os.getpid()}")
    try:
        yield part
        part.replace(file)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
