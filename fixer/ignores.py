"""What a user has decided not to hear about: comments in files, a baseline, lines that did not change.

`# fhfix: ignore[rule-id]` stands on the line of the finding, or in the comment lines right above it;
`# fhfix: ignore-file[rule-id]` on a line of its own, anywhere in the file. Between the brackets: ids, packs, audit
references or `all`, with commas. Text after the bracket is the reason.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from fixer import disk
from fixer.model import FileError, Reported, Rule, Source, Span
from fixer.records import record
from fixer.selectors import names_of, spellings
from fixer.surroundings import inherited

BASELINE_VERSION = 1
_LARGEST_BASELINE = 64 * 1024 * 1024

_COMMENT = re.compile(r"(?:^|\s)#\s*fhfix:\s*ignore(-file)?\[([^\]\n]*)\]")


# What follows up to the end of the line, or to a comment for another tool, is the reason.
_WHOLE = re.compile(r"#[ \t]*fhfix:[ \t]*ignore(?P<file>-file)?\b(?:\[(?P<names>[^\]\r\n]*)\])?(?:(?![ \t]#)[^\r\n])*")


@record
class Comment:
    """A comment that asks for silence: its text, the names between its brackets, and where both stand."""

    text: str
    span: Span
    names: tuple[str, ...]
    names_span: Span
    whole_file: bool
    spellings: frozenset[str]
    """The names, as rules are asked for them."""


@lru_cache(maxsize=64)
def speaks(text: str) -> bool:
    """Whether a text may speak to fhfix: asked for each finding of a file, which may be large and have many."""
    return "fhfix:" in text


@lru_cache(maxsize=64)
def comments(source: Source) -> tuple[Comment, ...]:
    """Those of a file, also such as name nothing; what is no comment but a text that looks like one is among them."""
    found: list[Comment] = []
    for match in _WHOLE.finditer(source.text) if speaks(source.text) else ():
        names = tuple(filter(None, (name.strip() for name in (match["names"] or "").split(","))))
        inside = Span(*match.span("names")) if match["names"] is not None else Span(match.end(), match.end())
        said = match[0].rstrip()
        span = Span(match.start(), match.start() + len(said))
        found.append(Comment(said, span, names, inside, match["file"] is not None, spellings(names)))
    return tuple(found)


@lru_cache(maxsize=64)
def comments_about_file(source: Source) -> tuple[Comment, ...]:
    """Those that speak of the whole file."""
    return tuple(comment for comment in comments(source) if comment.whole_file)


@lru_cache(maxsize=64)
def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n"))


def file_ignored(rule: Rule, source: Source) -> bool:
    return not _names_about_file(source.text).isdisjoint(names_of(rule))


@lru_cache(maxsize=64)
def _names_about_file(text: str) -> frozenset[str]:
    """What the lines of their own name that speak of the whole file."""
    lines = _lines(text) if "ignore-file" in text and speaks(text) else ()
    return spellings(
        name
        for line in lines
        if "ignore-file" in line and line.lstrip().startswith("#")
        for name in _names_in(line, whole_file=True)
    )


def ignored_by_comment(reported: Reported, source: Source) -> bool:
    if not speaks(source.text):
        return False
    lines = _lines(source.text)
    names = names_of(reported.rule)
    return any(not _names_on(lines[line - 1]).isdisjoint(names) for line in lines_about(reported, source))


ABOVE = 50
"""How many lines of comments above a finding are read for one about it."""


def lines_about(reported: Reported, source: Source) -> range:
    """The numbers, from 1, of the lines on which a comment is about this finding: its own, and comments above it.

    A comment beside other code is about that code; one on a line of its own is about what follows.
    """
    lines = _lines(source.text)
    at = last = source.line_of(reported.finding.span.start)
    while at > max(1, last - ABOVE) and lines[at - 2].lstrip().startswith("#"):
        at -= 1
    return range(last, at - 1, -1)


@lru_cache(maxsize=256)
def _names_on(line: str) -> frozenset[str]:
    """What a line names that speaks of itself, or of what stands below it; one line may have many findings."""
    return spellings(_names_in(line, whole_file=False))


def _names_in(line: str, *, whole_file: bool) -> Iterator[str]:
    for found in _COMMENT.finditer(line):
        if bool(found[1]) == whole_file:
            yield from (name.strip() for name in found[2].split(","))


# -- baseline -----------------------------------------------------------------------------------------------------


@record
class Baseline:
    """Findings that were there before: by rule, path and the text of the line, so that they may move.

    Where a file has that line several times, each occurrence counts. Of a file that fixes have changed in memory, the
    line on disk counts.
    """

    root: Path
    known: frozenset[str]
    path: str = ""
    """Its own place, relative to the root; empty where it lies elsewhere."""

    @classmethod
    def load(cls, path: Path, root: Path) -> Baseline:
        """Raises FileError for a file that is not a baseline."""
        advice = f"write it with `fhfix check --write-baseline {path.name}`"
        try:
            data = json.loads(disk.read(path.parent, path.name, _LARGEST_BASELINE)[0])
            if data["version"] != BASELINE_VERSION:
                raise FileError(str(path), f"not a baseline of version {BASELINE_VERSION}", advice)
            own = path.relative_to(root).as_posix() if path.is_relative_to(root) else ""
            return cls(root, frozenset(str(entry["fingerprint"]) for entry in data["findings"]), own)
        except OSError as error:
            raise FileError(str(path), f"cannot be read: {error.strerror}", advice) from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise FileError(str(path), "not a baseline", advice) from None

    def __call__(self, reported: Reported, source: Source) -> bool:
        there, lines = _on_disk(self.root, reported, source)
        if there is None or not lines:
            return fingerprint(reported.rule.id, source, source.line_of(reported.finding.span.start)) not in self.known
        return fingerprint(reported.rule.id, there, lines[0]) not in self.known


def baseline_text(reported: Iterable[Reported], sources: Mapping[str, Source]) -> str:
    """The file to write: one entry per finding, sorted, so that it can be reviewed and merged."""
    entries: list[dict[str, Any]] = []
    for each in reported:
        finding = each.finding
        source = sources.get(finding.path) or Source(finding.path, "")
        line = source.line_of(finding.span.start)
        known = {"rule": each.rule.id, "path": finding.path, "message": finding.message}
        entries.append({**known, "fingerprint": fingerprint(each.rule.id, source, line)})
    entries.sort(key=lambda entry: (entry["path"], entry["rule"], entry["fingerprint"]))
    return json.dumps({"version": BASELINE_VERSION, "findings": entries}, indent=2) + "\n"


def fingerprint(rule_id: str, source: Source, line: int) -> str:
    """What stays the same when a finding only moves: 20 hexadecimal digits."""
    lines = _stripped(source.text)
    text = lines[line - 1]
    said = "\0".join((rule_id, source.path, text, str(lines[: line - 1].count(text))))
    import hashlib

    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:20]


@lru_cache(maxsize=64)
def _stripped(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n")]


# -- lines that changed -------------------------------------------------------------------------------------------


@record
class ChangedSince:
    """Findings on lines that differ from a revision. `changed` are paths, `untracked` those that git does not know."""

    root: Path
    revision: str
    changed: frozenset[str]
    untracked: frozenset[str]

    @classmethod
    def of(cls, root: Path, revision: str) -> ChangedSince:
        """Against the commit at which this branch left `revision`. Raises FileError where git has no such revision."""
        if not (root / ".git").exists():
            raise FileError(str(root), "not a git repository", "leave --changed-since out")
        try:
            commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}").strip()
        except subprocess.CalledProcessError:
            raise FileError(revision, "git knows no such revision", "give a branch, tag or commit") from None
        except OSError:
            raise FileError(str(root), "git cannot be run", "install git") from None
        # Unrelated histories have no such commit: then the revision itself counts.
        with suppress(subprocess.CalledProcessError):
            commit = _git(root, "merge-base", commit, "HEAD").strip()
        changed = _git(root, "diff", "--name-only", "--no-ext-diff", "--no-renames", "--relative", "-z", commit)
        others = _git(root, "ls-files", "-z", "--others", "--exclude-standard")
        return cls(root, commit, frozenset(changed.split("\0")), frozenset(others.split("\0")))

    def __call__(self, reported: Reported, source: Source) -> bool:
        path = source.path
        if path in self.untracked:
            return True
        if path not in self.changed:
            return not (self.root / path).exists()
        there, lines = _on_disk(self.root, reported, source)
        if there is None or not lines:
            return True
        return not _changed_lines(_blob(self.root, self.revision, path), there.text).isdisjoint(lines)


@lru_cache(maxsize=256)
def _blob(root: Path, commit: str, path: str) -> str:
    """A file as it was in a commit; empty where it was not there."""
    try:
        return _git(root, "cat-file", "blob", f"{commit}:./{path}").removeprefix("\ufeff")
    except subprocess.CalledProcessError:
        return ""


@lru_cache(maxsize=256)
def _changed_lines(before: str, after: str) -> frozenset[int]:
    """Numbers, from 1, of the lines of `after` that differ; line ends do not count, since git may convert them."""
    old, new = ([line.rstrip("\r") for line in text.split("\n")] for text in (before, after))
    from difflib import SequenceMatcher

    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return frozenset(line + 1 for op, _, _, k, m in codes if op != "equal" for line in range(k, m))


def _git(root: Path, *arguments: str) -> str:
    # No configuration of the repository may run a program.
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, check=True, env=inherited())
    return done.stdout.decode("utf-8", "surrogateescape")


# -- from a file in memory back to the one on disk ----------------------------------------------------------------


def _on_disk(root: Path, reported: Reported, source: Source) -> tuple[Source | None, range]:
    """The file on disk and the lines there that the finding's line comes from; none for text that a fix wrote."""
    line = source.line_of(reported.finding.span.start)
    try:
        known = (root / source.path).lstat()
        there = _read(root, source.path, (known.st_ino, known.st_size, known.st_mtime_ns))
    except (OSError, FileError):
        return None, range(0)
    if there.text == source.text:
        return there, range(line, line + 1)
    for _, i, j, k, m in _moves(there.text, source.text):
        if k <= line - 1 < m:
            same = i + line - 1 - k
            return there, range(same + 1, same + 2) if m - k == j - i else range(i + 1, j + 1)
    return there, range(0)


@lru_cache(maxsize=64)
def _read(root: Path, path: str, state: tuple[int, int, int]) -> Source:
    """A file in a state, read once for all findings in it."""
    return Source.from_bytes(path, disk.read(root, path)[0])


@lru_cache(maxsize=64)
def _moves(before: str, after: str) -> Sequence[tuple[str, int, int, int, int]]:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, before.split("\n"), after.split("\n"), autojunk=False).get_opcodes()
