"""Git, used so that it disturbs nothing: no file, index, branch or object of the user's clone changes.

New commits are made in a temporary object store that borrows from the clone's (gitrepository-layout(5),
"alternates") and pushed from there. Nothing that a repository can bring along is run: no hooks, no file system
monitor. A token travels in the environment of the git processes that need it alone, as an HTTP header that is set for
one address (git-config(1): `GIT_CONFIG_COUNT`, `http.<url>.extraHeader`), so it is in no process list and no
configuration.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from functools import cached_property
from pathlib import Path

from fixer.records import record
from fixer.surroundings import inherited

TREE_TRAILER = "Fhfix-Tree"
"""The last line of every commit of ours names its tree, so that a commit which somebody amended is told apart."""


SILENCE = 60
"""Seconds without a byte from the server after which git gives up."""

_NOTHING_RUNS = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "gc.auto=0", "maintenance.auto=false")
"""Settings against which .git/config runs no program beside git."""

_NOTHING_RUNS_WITH_A_TOKEN = (
    "core.alternateRefsCommand=true", "push.gpgSign=false", "core.sshCommand=false", "core.askPass=",
)  # fmt: skip
"""Likewise for the calls that have the token in their environment."""

_DETOUR = re.compile(r"(http|remote)\..*(proxy|ssl|cookie|resolve|pinned)", re.IGNORECASE)
"""Settings that lead a request to another machine, or let that one pass for the right one. What a person has set for
all repositories counts, what .git/config says does not: it may have come with the files."""


class GitError(Exception):
    """Something of git's that stands in the way; the message says what to do. `final`: trying again will not do."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


@record
class Content:
    """A file in a commit. `before` are the bytes in the work tree from which it was made, None for a new file."""

    before: bytes | None
    after: bytes
    executable: bool = False


@record
class Commit:
    """A commit to be made: its message, and the files that differ from the commit before it."""

    message: str
    files: Mapping[str, Content]


@record
class Remote:
    """An address over HTTP, and the token that may read and write there; none for what everybody may read."""

    url: str
    token: str = field(repr=False)

    @property
    def _basic(self) -> str:
        # GitHub takes a token for git as the password of Basic, not as Bearer.
        return base64.b64encode(f"x-access-token:{self.token}".encode()).decode()

    def environment(self) -> dict[str, str]:
        """What git needs to be let in. The empty value drops headers from other configuration, for instance the one
        that actions/checkout leaves: two would be refused."""
        first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
        settings = [
            (f"http.{self.url}.extraHeader", ""),
            ("http.followRedirects", "false"),
            ("http.lowSpeedLimit", "1"),
            ("http.lowSpeedTime", str(SILENCE)),
            ("credential.helper", ""),
        ]
        if self.token:
            settings.insert(1, (f"http.{self.url}.extraHeader", f"Authorization: Basic {self._basic}"))
        # An address that .git/config rewrites to another kind could name a program: git-remote-ext(1).
        added = {"GIT_ALLOW_PROTOCOL": "http:https"}
        added |= {"GIT_CONFIG_COUNT": str(first + len(settings))}
        for number, (key, value) in enumerate(settings, first):
            added |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return added

    def redacted(self, text: str) -> str:
        return text.replace(self.token, "***").replace(self._basic, "***") if self.token else text


class Git:
    """The git of one clone, read only."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        remote: Remote | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> bytes:
        """Standard output. Raises GitError with git's own words, from which the token is removed."""
        # Variables of a surrounding git (a hook, say) would redirect it, and traces could show the header.
        around = {k: v for k, v in inherited().items() if not re.match(r"GIT_(?!CONFIG|SSL|AUTHOR|COMMITTER)", k)}
        around |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        if remote and remote.token and self._detours:
            raise GitError(
                f"the configuration of this clone sets {', '.join(self._detours)}, by which the token could reach"
                " somebody else; set it for all your repositories (git config --global), or take it out"
            )
        around |= remote.environment() if remote else {}
        settings: tuple[str, ...] = _NOTHING_RUNS
        settings += _NOTHING_RUNS_WITH_A_TOKEN if remote else ()
        command = ["git", "-C", str(self.root), *(part for setting in settings for part in ("-c", setting))]
        try:
            done = subprocess.run(
                [*command, *arguments], input=stdin, capture_output=True, env={**around, **(environment or {})}
            )
        except FileNotFoundError:
            raise GitError("git is not installed") from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip() or done.stdout.decode("utf-8", "replace").strip()
            raise GitError(remote.redacted(said) if remote else said)
        return done.stdout

    @cached_property
    def _detours(self) -> tuple[str, ...]:
        fields = os.fsdecode(self.run("config", "--show-scope", "--null", "--list")).split("\0")
        scopes, names = fields[0:-1:2], [entry.partition("\n")[0] for entry in fields[1::2]]
        said = {name for scope, name in zip(scopes, names, strict=True) if scope in ("local", "worktree")}
        return tuple(sorted(name for name in said if _DETOUR.match(name)))

    def line(self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> str:
        return os.fsdecode(self.run(*arguments, stdin=stdin, environment=environment)).strip()

    def maybe(self, *arguments: str) -> str:
        """The answer to a question whose answer may be no: an empty string."""
        try:
            return self.line(*arguments)
        except GitError:
            return ""

    def head(self) -> str:
        commit = self.maybe("rev-parse", "--quiet", "--verify", "HEAD^{commit}")
        if not commit:
            raise GitError(f"{self.root} is no git repository with a commit in it")
        return commit

    def branch(self) -> str:
        """The branch that is checked out; empty where HEAD is detached."""
        return self.maybe("symbolic-ref", "--quiet", "--short", "HEAD")

    def uncommitted(self) -> list[str]:
        """Tracked files that differ from the last commit, in the index or in the work tree."""
        fields = self.run(
            "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--ignore-submodules=all"
        )
        return [os.fsdecode(entry[3:]) for entry in fields.split(b"\0") if entry]

    def address(self, remote: str) -> str:
        """The address that a push to this remote goes to; GitError names the remotes that there are."""
        address = self.maybe("remote", "get-url", "--push", remote)
        if not address:
            there = ", ".join(self.maybe("remote").split()) or "none"
            raise GitError(f"there is no remote {remote!r} (remotes: {there}); add it, or name another with --remote")
        return address

    def branches(self, remote: Remote, *names: str) -> dict[str, str]:
        """Commits by branch, for those of these branches that the remote has."""
        listing = self.run("ls-remote", remote.url, *(f"refs/heads/{name}" for name in names), remote=remote)
        pairs = (line.split("\t") for line in os.fsdecode(listing).splitlines())
        return {ref.removeprefix("refs/heads/"): commit for commit, ref in pairs}

    @contextmanager
    def workshop(self) -> Iterator[Workshop]:
        sweep(Path(tempfile.gettempdir()))
        with tempfile.TemporaryDirectory(prefix=f"fhfix-{os.getpid()}-") as folder:
            yield Workshop(self, Path(folder))


def sweep(folder: Path) -> None:
    """Remove what a run left there that was killed: its folder carries the number of its process."""
    for path in folder.glob("fhfix-*-*"):
        number = path.name.split("-")[1]
        try:
            if not number.isdigit() or path.lstat().st_uid != os.geteuid():
                continue
            os.kill(int(number), 0)
        except ProcessLookupError:
            shutil.rmtree(path, ignore_errors=True)
        except (OSError, OverflowError):
            continue


class Workshop:
    """A temporary object store and index beside a clone's own."""

    def __init__(self, git: Git, folder: Path) -> None:
        self.git = git
        borrowed = git.line("rev-parse", "--path-format=absolute", "--git-path", "objects")
        quoted = '"' + borrowed.replace("\\", "\\\\").replace('"', '\\"') + '"'
        (folder / "objects").mkdir()
        self._environment = {
            "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted,
            "GIT_INDEX_FILE": str(folder / "index"),
        }

    def run(self, *arguments: str, stdin: bytes = b"", remote: Remote | None = None, date: str = "") -> str:
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {}
        environment = {**self._environment, **dates}
        return os.fsdecode(self.git.run(*arguments, stdin=stdin, remote=remote, environment=environment)).strip()

    def knows(self, commit: str) -> bool:
        try:
            self.run("cat-file", "-e", f"{commit}^{{commit}}")
        except GitError:
            return False
        return True

    def is_ancestor(self, commit: str, of: str) -> bool:
        return self._fork_point(commit, of) == commit

    def _fork_point(self, one: str, other: str) -> str:
        """Where two histories parted; empty where they have nothing in common, or too little was cloned."""
        try:
            return self.run("merge-base", one, other)
        except GitError:
            return ""

    def fetch(self, remote: Remote, branch: str) -> None:
        """Bring the commits of a branch here: no reference of the clone changes."""
        quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        self.run("fetch", *quiet, remote.url, f"refs/heads/{branch}", remote=remote)

    def commit(self, base: str, commits: Sequence[Commit]) -> str:
        """Make the commits, one on the other; the last one. They carry the date of `base`, so that the same changes
        by the same person are the same commits however often they are made."""
        try:
            self.run("var", "GIT_COMMITTER_IDENT")
        except GitError:
            raise GitError("git does not know who you are; set user.name and user.email") from None
        date = self.run("show", "--no-patch", "--format=%ct +0000", base)
        self.run("read-tree", base)
        parent, parent_tree = base, self.run("rev-parse", f"{base}^{{tree}}")
        modes = self._modes(base, [path for commit in commits for path in commit.files])
        for commit in commits:
            entries = []
            for path, content in commit.files.items():
                mode = modes.get(path, "100755" if content.executable else "100644")
                entries.append(f"{mode} {self._blob(base, path, content)}\t{path}\0")
            self.run("update-index", "-z", "--index-info", stdin=os.fsencode("".join(entries)))
            tree = self.run("write-tree", "--missing-ok")  # a partial clone lacks what nothing has read
            if tree == parent_tree:
                continue
            message = f"{commit.message.rstrip()}\n\n{TREE_TRAILER}: {tree}\n"
            parent = self.run("commit-tree", tree, "-p", parent, stdin=message.encode(), date=date)
            parent_tree = tree
        return parent

    def _modes(self, base: str, paths: Sequence[str]) -> dict[str, str]:
        listing = self.run("--literal-pathspecs", "ls-tree", "-z", base, "--", *dict.fromkeys(paths))
        entries = (entry.split("\t", 1) for entry in listing.split("\0") if entry)
        return {path: about.split()[0] for about, path in entries}

    def _blob(self, base: str, path: str, content: Content) -> str:
        """The object of a file. Line ends are converted where git converted them before, and only there."""
        if content.before is None:
            return self.run("hash-object", "-w", "--stdin", f"--path={path}", stdin=content.after)
        try:
            committed = self.run("rev-parse", "--verify", "--quiet", f"{base}:{path}")
        except GitError:
            raise GitError(f"{path} is not committed; commit it first") from None
        if self.run("hash-object", "--stdin", stdin=content.before) == committed:
            return self.run("hash-object", "-w", "--stdin", stdin=content.after)
        if self.run("hash-object", "--stdin", f"--path={path}", stdin=content.before) == committed:
            return self.run("hash-object", "-w", "--stdin", f"--path={path}", stdin=content.after)
        raise GitError(f"{path} differs from what is committed; commit or stash it first")

    def made_alike(self, one: str, other: str, base: str) -> bool:
        """Whether two branches hold the same trees and messages on the same base; who made them may differ."""
        form = "--format=%T%n%B%x00"
        if self._fork_point(one, base) != self._fork_point(other, base):
            return False
        return self.run("log", form, one, "--not", base) == self.run("log", form, other, "--not", base)

    def commits_of_others(self, tip: str, *known: str) -> list[tuple[str, str]]:
        """Commits that lead to `tip` and not to `known`, and that fhfix did not make: ids, and what people call them.

        The newest come first, each before its parents.
        """
        form = "--format=%H%x1f%T%x1f%P%x1f%h %an: %s%x1f%B%x00"
        listing = self.run("log", "--topo-order", form, tip, "--not", *known)
        found = []
        for entry in listing.split("\0"):
            if not entry.strip():
                continue
            commit, tree, parents, shown, message = entry.strip().split("\x1f", 4)
            last_line = message.strip().rpartition("\n")[2]
            if last_line != f"{TREE_TRAILER}: {tree}" and not self._merges_cleanly(tree, parents.split()):
                found.append((commit, shown))
        return found

    def shallow(self) -> bool:
        """Whether history was cut off when the clone was made."""
        return self.run("rev-parse", "--is-shallow-repository") == "true"

    def _merges_cleanly(self, tree: str, parents: Sequence[str]) -> bool:
        """Whether a merge (GitHub's "Update branch") holds nothing but what git merged by itself."""
        if len(parents) != 2:
            return False
        try:
            return self.run("merge-tree", "--write-tree", *parents) == tree
        except GitError:
            return False

    def push(self, remote: Remote, commit: str, branch: str, expected: str) -> None:
        """Set the remote's branch, if it still is at `expected` (empty: not there)."""
        lease = f"--force-with-lease=refs/heads/{branch}:{expected}"
        try:
            self.run(
                "push", "--no-verify", "--quiet", lease, remote.url, f"{commit}:refs/heads/{branch}", remote=remote
            )
        except GitError as error:
            raise _refusal(str(error), branch) from None


def _refusal(said: str, branch: str) -> GitError:
    """What a refused push means, and what to do about it."""
    if re.search(r"without `?workflows?`? (scope|permission)", said):
        return GitError(
            "GitHub refuses to let this token change workflows. A classic token needs the scope `workflow`, a"
            " fine-grained one or an app the permission “Workflows: write”; the GITHUB_TOKEN of a workflow can never"
            " have it",
            final=True,
        )
    if "stale info" in said or "fetch first" in said or "cannot lock ref" in said:
        return GitError(f"the branch {branch} was changed by somebody else in this very moment; run it again")
    if re.search(r"GH006|GH013|protected branch|rule violations", said):
        advice = f"name another one with --branch, or allow pushes to it ({_last(said)})"
        return GitError(f"the branch {branch} is protected: {advice}", final=True)
    if re.search(r"Authentication failed|could not read Username|\b401\b", said):
        return GitError("GitHub does not accept this token for git; is it expired, or made for another host?")
    if re.search(r"\b403\b|Permission .* denied|Write access .* not granted", said):
        return GitError("this token may not push here: it needs “Contents: write”, or use --fork", final=True)
    return GitError(f"the push failed: {_last(said)}")


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("remote: error", "fatal", "!", "error"))]
    return (telling or lines or ["git said nothing"])[0]
