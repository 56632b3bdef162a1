"""Ignore comments, entries of a baseline and patterns that do nothing: as findings of the rule `useless-ignore`.

What once silenced a finding and does not any more will silence the next one, which nobody has seen. A comment is judged
only where every rule that it names was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Self

from fixer.documents import kind_of
from fixer.ignores import Baseline, Comment, comments, fingerprint, lines_about
from fixer.languages.comments import changes_no_meaning, rewritten
from fixer.languages.python import PythonModule
from fixer.model import Blocked, Document, Edit, FileError, Finding, Fix, Level, Reported, Rule, Source, Span, listed
from fixer.repository import Repository
from fixer.selectors import all_selectors, matches

MARK = "fhfix:"


@dataclass(frozen=True)
class Marked:
    """The files in which a comment speaks to fhfix, of those that some rule has looked at."""

    documents: tuple[Document, ...]
    repository: Repository

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        found: list[Document] = []
        for path in repository.looked_at():
            if not kind_of(path) or MARK not in repository.text(path):
                continue
            try:
                document = repository.document(path)
            except FileError:
                continue
            if document is not None:
                found.append(document)
        return cls(tuple(found), repository)


@dataclass
class Used:
    """The comments and the entries of a baseline that silenced something, as far as rules were asked."""

    has_baseline: bool = False
    comments: set[tuple[str, str]] = field(default_factory=set)
    fingerprints: set[str] = field(default_factory=set)

    def note(self, reported: Reported, source: Source) -> None:
        if self.has_baseline:
            line = source.line_of(reported.finding.span.start)
            self.fingerprints.add(fingerprint(reported.rule.id, source, line))
        self.note_file(reported.rule, source)
        if MARK in source.text:
            lines = lines_about(reported, source)
            self._note(reported.rule, source, [c for c in comments(source) if source.line_of(c.span.start) in lines])

    def note_file(self, rule: Rule, source: Source) -> None:
        """A rule had to do with a file: with a finding there, or a fix that would change it."""
        self._note(rule, source, [comment for comment in comments(source) if comment.whole_file])

    def _note(self, rule: Rule, source: Source, about: Iterable[Comment]) -> None:
        """Which of several comments of the same text it was does not matter: all of them count as used."""
        for comment in about:
            if any(matches(name, rule) for name in comment.names):
                self.comments.add((source.path, comment.text))


@dataclass(frozen=True)
class Wishes:
    """What a user said in files about what not to hear: `patterns` of the configuration at `config`."""

    rules: Sequence[Rule]
    """All that there are."""
    asked: Sequence[Rule]
    config: str = ""
    patterns: tuple[str, ...] = ()
    baseline: Baseline | None = None


def useless_ignore(wishes: Wishes, used: Used) -> Rule:
    """The rule, to be asked after all others. Its level is note: nothing breaks."""

    def check(marked: Marked) -> Iterator[Finding]:
        for document in marked.documents:
            for comment in comments(document.source):
                finding = _of_comment(document, comment, wishes, used)
                if finding is not None:
                    yield finding
        yield from _of_patterns(marked.repository, wishes)
        yield from _of_baseline(marked.repository, wishes, used)

    return Rule(
        "fixer.ignores.useless_ignore",
        "An ignore comment, a pattern or a baseline that does nothing",
        check,
        criterion="Nothing is ignored that is not there",
        level=Level.NOTE,
    )


USELESS = useless_ignore(Wishes((), ()), Used())
"""The rule as it is named in a configuration."""


# -- comments -----------------------------------------------------------------------------------------------------


def _of_comment(document: Document, comment: Comment, wishes: Wishes, used: Used) -> Finding | None:
    source = document.source
    whole = Edit(source.path, comment.span, "", ())
    if isinstance(document, PythonModule) and not changes_no_meaning(document, whole):
        return None  # a text that looks like such a comment
    span = comment.span
    if not comment.names:
        message = "names no rule, so it ignores nothing"
        return Finding(source.path, span, f"`{comment.text}` {message}", _without(document, comment, comment.names))
    known = (*wishes.rules, USELESS)
    unknown = [name for name in comment.names if not any(matches(name, rule) for rule in known)]
    if unknown:
        near = [_near(name, known) for name in unknown]
        names = listed(repr(name) for name in unknown)
        message = f"the comment ignores nothing by {names}: no rule, pack or reference is so called{''.join(near)}"
        return Finding(source.path, span, message, _without(document, comment, unknown))
    judged = all(rule in wishes.asked for rule in wishes.rules if any(matches(name, rule) for name in comment.names))
    if not judged or (source.path, comment.text) in used.comments or any(matches(n, USELESS) for n in comment.names):
        return None
    message = f"`{comment.text}` ignores nothing: no rule that it names finds anything here"
    return Finding(source.path, span, message, _without(document, comment, comment.names))


def _near(name: str, rules: Iterable[Rule]) -> str:
    close = get_close_matches(name, list(all_selectors(rules)), 1, 0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _without(document: Document, comment: Comment, names: Sequence[str]) -> Fix | Blocked:
    left = [name for name in comment.names if name not in names]
    if left:
        parts = rewritten(document, comment.names_span, ", ".join(left))
        return Fix.of(f"take {listed(names)} out of the comment", parts)
    return Fix.of("delete the comment", rewritten(document, comment.span, ""))


# -- patterns and baselines ---------------------------------------------------------------------------------------


def _of_patterns(repository: Repository, wishes: Wishes) -> Iterator[Finding]:
    if not wishes.patterns or not repository.exists(wishes.config):
        return
    source = repository.read(wishes.config)
    for pattern in wishes.patterns:
        at = _place(source, pattern)
        if at is not None:
            delete = f"delete {source.text[at.start : at.end]}"
            cure = Blocked("what it was to leave out may have got another name", delete)
            yield Finding(wishes.config, at, f"the pattern {pattern!r} matches no file", cure)


def _place(source: Source, pattern: str) -> Span | None:
    found = re.search(rf"""(["']){re.escape(pattern)}\1""", source.text)
    return Span(found.start(), found.end()) if found is not None else None


def _of_baseline(repository: Repository, wishes: Wishes, used: Used) -> Iterator[Finding]:
    """Judged where every rule looked at the whole repository."""
    baseline = wishes.baseline
    if baseline is None or repository.only or any(rule not in wishes.asked for rule in wishes.rules):
        return
    stale = baseline.known - used.fingerprints
    if stale and repository.exists(baseline.path):
        text = repository.read(baseline.path).text
        at = min(max(text.find(each), 0) for each in stale)
        message = f"{len(stale)} of {len(baseline.known)} entries of the baseline match no finding any more"
        again = f"write it again: `fhfix check --write-baseline {baseline.path}`"
        yield Finding(baseline.path, Span(at, at), message, Blocked("which of them may come back is not known", again))
