"""Clones of which only what fhfix reads is fetched, kept by commit.

One commit without history and without files is fetched; then the files of known kinds, in one request; then whatever a
rule asks for besides, when it asks, together with all files of the same kind. A file that was not fetched stands there
empty, so that every question about which files there are is answered as in a whole clone. Git writes all files, and
neither hook nor filter runs: the user's configuration, which could name one, is not read then.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from fixer.documents import kind_of
from fixer.fleet.locks import LockError, alone
from fixer.forge.answers import Hosted
from fixer.forge.git import Git, GitError, Remote, sweep
from fixer.forge.github import GitHub, GitHubError, Slug
from fixer.records import record

FIRST = frozenset((
    ".fhfix.toml", "pyproject.toml", "package.json", "Makefile", "setup.cfg", "setup.py", "Pipfile", "tox.ini",
    "README.md", "fly.toml", "app.json", "poetry.lock", "uv.lock", "Pipfile.lock", "pytest.ini", "justfile",
    "angular.json", "vite.config.js", "vite.config.ts", "Cargo.toml", "go.mod", "actions.lock",
))  # fmt: skip
"""Names of files that are read in most repositories that have them, beside those of known kinds."""

KEPT = 1 << 30
"""Bytes of clones that stay for the next run."""

_LINK, _SUBMODULE = "120000", "160000"
_NOBODYS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@record
class Tip:
    """The branch that a repository has checked out, and its commit."""

    branch: str
    commit: str


@dataclass(slots=True)
class Clone:
    """A clone in use. `absent` are the files that stand there empty, with their objects."""

    root: Path
    tip: Tip
    remote: Remote
    paths: tuple[str, ...] = ()
    absent: dict[str, str] = field(default_factory=dict)

    def bring(self, path: str) -> None:
        """Fetch a file that is asked for, and all of its kind with it: who asks for one asks for the next."""
        if path not in self.absent:
            return
        suffix = PurePosixPath(path).suffix or PurePosixPath(path).name
        alike = [each for each in self.absent if (PurePosixPath(each).suffix or PurePosixPath(each).name) == suffix]
        git = Git(self.root)
        _fetch(git, self.remote, [self.absent[each] for each in alike])
        listing = b"".join(os.fsencode(each) + b"\0" for each in alike)
        git.run("update-index", "-z", "--no-skip-worktree", "--stdin", stdin=listing)
        git.run("checkout-index", "--quiet", "--force", "-z", "--stdin", stdin=listing, environment=_NOBODYS)
        for each in alike:
            del self.absent[each]

    def deepen(self, commit: str, branch: str, depth: int) -> None:
        """Fetch the last commits of another branch, without their files."""
        git = Git(self.root)
        if git.maybe("rev-parse", "--quiet", "--verify", f"refs/fhfix/{commit}"):
            return
        quiet = ("--quiet", f"--depth={depth}", "--filter=blob:none", "--no-tags", "--no-write-fetch-head")
        git.run("fetch", *quiet, "origin", f"+refs/heads/{branch}:refs/fhfix/{commit}", remote=self.remote)


def tip(remote: Remote, folder: Path) -> Tip:
    """What the repository has now. Raises GitError."""
    answer = os.fsdecode(Git(folder).run("ls-remote", "--symref", remote.url, "HEAD", remote=remote))
    branch, commit = "", ""
    for line in answer.splitlines():
        said, _, name = line.partition("\t")
        if name == "HEAD" and said.startswith("ref: refs/heads/"):
            branch = said.removeprefix("ref: refs/heads/")
        elif name == "HEAD":
            commit = said
    if not branch or not commit:
        raise GitError("the repository is empty: it has no commit")
    return Tip(branch, commit)


def found(remote: Remote, folder: Path) -> tuple[Remote, Tip]:
    """The repository and what it has now, also where it has another name by now. Git follows no redirection, which
    could lead the token to another host, so the API is asked. Raises GitError."""
    try:
        return remote, tip(remote, folder)
    except GitError:
        there = _moved(remote)
        if there is None:
            raise
        return there, tip(there, folder)


def _moved(remote: Remote) -> Remote | None:
    """Where a repository is that does not answer; None where that is not why. Raises GitError where it is gone."""
    try:
        slug = Slug.of(remote.url)
        answer = GitHub(slug.api, remote.token).maybe(f"/repos/{slug}")
        now = Hosted.of(answer) if answer is not None else None
    except GitHubError:
        return None
    if now is None:
        raise GitError(f"GitHub shows no repository {slug} to this token: was it deleted?", final=True)
    same_host = now.clone_url.startswith(f"{slug.web}/")
    return replace(remote, url=now.clone_url) if same_host and now.full_name.lower() != str(slug).lower() else None


@contextmanager
def opened(remote: Remote, wanted: Tip, folder: Path) -> Iterator[Clone]:
    """The clone of a branch at a commit, for this process alone as long as it is open. Raises GitError, LockError."""
    name = hashlib.sha256(f"{remote.url}\0{wanted.branch}".encode()).hexdigest()[:16]
    place = folder / f"{name}-{wanted.commit}"
    with alone(folder / f"{name}.lock"):
        if not place.is_dir():
            making = folder / "making"
            making.mkdir(exist_ok=True)
            sweep(making)
            with TemporaryDirectory(prefix=f"fhfix-{os.getpid()}-", dir=making) as made:
                root = Path(made) / "clone"
                _make(remote, wanted, root)
                root.rename(place)
        os.utime(place)
        yield _as_it_stands(place, wanted, remote)


def _make(remote: Remote, wanted: Tip, root: Path) -> None:
    root.mkdir()
    git = Git(root)
    git.run("init", "--quiet", "--template=", f"--initial-branch={wanted.branch}", environment=_NOBODYS)
    for key, value in (
        ("remote.origin.url", remote.url),
        ("remote.origin.promisor", "true"),
        ("remote.origin.partialclonefilter", "blob:none"),
    ):
        git.run("config", key, value)
    quiet = ("--quiet", "--depth=1", "--filter=blob:none", "--no-tags", "--no-write-fetch-head")
    tracked = f"refs/remotes/origin/{wanted.branch}"
    git.run("fetch", *quiet, "origin", f"+refs/heads/{wanted.branch}:{tracked}", remote=remote)
    came = git.line("rev-parse", tracked)
    if came != wanted.commit:
        raise GitError(f"{wanted.branch} moved while it was fetched; run it again")
    git.run("update-ref", f"refs/heads/{wanted.branch}", came)
    git.run("symbolic-ref", "refs/remotes/origin/HEAD", tracked)  # as `git clone` does: it says the default branch
    entries = _entries(git)
    chosen = {path for path, (mode, _) in entries.items() if mode == _LINK or _is_read(path)}
    _fetch(git, remote, [entries[path][1] for path in chosen])
    _write(git, entries, chosen)


def _is_read(path: str) -> bool:
    return bool(kind_of(path)) or path.rpartition("/")[2] in FIRST


def _entries(git: Git) -> dict[str, tuple[str, str]]:
    """Mode and object of each path of the commit."""
    found: dict[str, tuple[str, str]] = {}
    for line in git.run("ls-tree", "-r", "-z", "HEAD").split(b"\0"):
        about, _, path = line.partition(b"\t")
        if path:
            mode, _, identity = about.decode().split()
            found[os.fsdecode(path)] = (mode, identity)
    return found


def _fetch(git: Git, remote: Remote, objects: Sequence[str]) -> None:
    """As git itself fetches what a partial clone lacks, but all at once (partial-clone design notes of git)."""
    if not objects:
        return
    quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--filter=blob:none")
    listing = "".join(f"{identity}\n" for identity in dict.fromkeys(objects)).encode()
    negotiation = ("-c", "fetch.negotiationAlgorithm=noop")
    git.run(*negotiation, "fetch", *quiet, "--stdin", "origin", stdin=listing, remote=remote)


def _write(git: Git, entries: dict[str, tuple[str, str]], chosen: Iterable[str]) -> None:
    """The chosen files as they are, and the others empty: from an index that says so, which git itself follows."""
    nothing = git.line("hash-object", "-w", "--stdin")
    wanted = frozenset(chosen)
    empty = [path for path, (mode, _) in entries.items() if path not in wanted and mode != _SUBMODULE]
    first = {**_NOBODYS, "GIT_INDEX_FILE": str(git.root / ".git/index.first")}
    lines = []
    for path, (mode, identity) in entries.items():
        here = identity if path in wanted or mode == _SUBMODULE else nothing
        lines.append(f"{mode} {here}\t{path}\0")
    git.run("update-index", "-z", "--index-info", stdin=os.fsencode("".join(lines)), environment=first)
    git.run("checkout-index", "--quiet", "--all", environment=first)
    git.run("read-tree", "HEAD")
    if empty:
        listing = b"".join(os.fsencode(path) + b"\0" for path in empty)
        git.run("update-index", "-z", "--skip-worktree", "--stdin", stdin=listing)


def _as_it_stands(root: Path, known: Tip, remote: Remote) -> Clone:
    entries = _entries(git := Git(root))
    absent = {}
    for line in git.run("ls-files", "-t", "-z").split(b"\0"):
        if line.startswith(b"S "):
            path = os.fsdecode(line[2:])
            absent[path] = entries[path][1]
    return Clone(root, known, remote, tuple(entries), absent)


@dataclass(slots=True)
class Room:
    """For clones in a folder. It measures each of them once, since they are many and grow little."""

    folder: Path
    largest: int = KEPT
    _sizes: dict[Path, int] = field(default_factory=dict)

    def make(self) -> None:
        """Clones that were used longest ago go, until the others take no more than this. One in use stays."""
        known = []
        for place in self.folder.glob("*-*"):
            with suppress(OSError):
                known.append((place.stat().st_mtime, place))
        before = self._sizes
        self._sizes = {place: before[place] if place in before else _size(place) for _, place in known}
        left = self.largest
        for _, place in sorted(known, reverse=True):
            left -= self._sizes[place]
            if left < 0:
                _remove(place)


def _size(root: Path) -> int:
    found = 0
    for folder, _, names in os.walk(root):
        for name in names:
            with suppress(OSError):
                found += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return found


def _remove(place: Path) -> None:
    lock = place.parent / f"{place.name.partition('-')[0]}.lock"
    with suppress(LockError), alone(lock, wait=False) as held:
        if held:
            shutil.rmtree(place, ignore_errors=True)
