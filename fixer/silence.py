"""What a user asked not to hear about, and what of it did silence something, as far as rules were asked."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from fixer.documents import kind_of
from fixer.ignores import Baseline, comments, comments_about_file, fingerprint, lines_about, speaks
from fixer.model import Document, FileError, Reported, Rule, Source
from fixer.records import record
from fixer.repository import Repository
from fixer.selectors import names_of


@dataclass
class Silence:
    """The wishes of one run. No file tells all of them, so the run itself gives this fact to the repository, and asks
    the rules that want it after all others.

    `patterns` are those of the configuration at `config`, `idle` the ones among them that match no file.
    """

    rules: Sequence[Rule]
    """All that there are."""
    asked: Sequence[Rule]
    config: str = ""
    patterns: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    baseline: Baseline | None = None
    comments: set[tuple[str, str]] = field(default_factory=set)
    """Those that silenced something: path and text."""
    fingerprints: set[str] = field(default_factory=set)
    """Of all findings, as the baseline has them; none without one."""
    _noted: set[tuple[str, Source, range | None]] = field(default_factory=set)
    """What has been asked already: one line may have many findings, and many comments."""

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        return None

    def note(self, reported: Reported, source: Source) -> None:
        if self.baseline is not None:
            line = source.line_of(reported.finding.span.start)
            self.fingerprints.add(fingerprint(reported.rule.id, source, line))
        self.note_file(reported.rule, source)
        if speaks(source.text):
            lines = lines_about(reported, source)
            found = comments(source)
            first = bisect_left(found, lines[-1], key=lambda each: source.line_of(each.span.start))
            last = bisect_right(found, lines[0], key=lambda each: source.line_of(each.span.start))
            self._note(reported.rule, source, range(first, last))

    def note_file(self, rule: Rule, source: Source) -> None:
        """A rule had to do with a file: with a finding there, or a fix that would change it."""
        self._note(rule, source, None)

    def _note(self, rule: Rule, source: Source, which: range | None) -> None:
        """Comments of a file, by number, or those about the whole of it. Which of several of the same text it was does
        not matter: all of them count as used."""
        if (rule.id, source, which) in self._noted:
            return
        self._noted.add((rule.id, source, which))
        names = names_of(rule)
        about = comments_about_file(source) if which is None else comments(source)[which.start : which.stop]
        for comment in about:
            if not comment.spellings.isdisjoint(names):
                self.comments.add((source.path, comment.text))


@record
class Marked:
    """The files in which a comment speaks to fhfix: of those that rules look at, and what facts have read."""

    paths: tuple[str, ...]
    repository: Repository

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        silence = repository.fact(Silence)
        if silence is None:
            return None
        kinds = {rule.subject.kind for rule in silence.rules if not rule.subject.is_fact}
        paths = {path for kind in kinds for path in repository.paths_of(kind)} | set(repository.looked_at())
        return cls(tuple(path for path in sorted(paths) if _speaks(path, repository)), repository)

    def documents(self) -> Iterator[Document]:
        """One after the other: what one costs counts for it alone."""
        for path in self.paths:
            with suppress(FileError):
                document = self.repository.document(path)
                if document is not None:
                    yield document

    @property
    def partly(self) -> bool:
        """Whether only a part of the repository is looked at."""
        return bool(self.repository.only)

    def source(self, path: str) -> Source:
        """A file that the run was told of; empty where the repository does not have it."""
        try:
            return self.repository.read(path)
        except FileError:
            return Source(path, "")


def _speaks(path: str, repository: Repository) -> bool:
    return bool(kind_of(path)) and speaks(repository.text(path))
