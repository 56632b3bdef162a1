"""An ignore comment, a pattern of the configuration or an entry of a baseline silences nothing.

## Why

What once silenced a finding and does not any more silences the next one, which nobody has seen. A name with a typing
error, or a comment without a name, never did what its author believes.

## When it is left alone

A comment is judged only where every rule that it names was asked, and a baseline where all rules looked at the whole
repository: `--select` and `--ignore` leave both alone. A comment within a text or a script is named, and left to a
person; so are patterns and baselines, since what they were for may have got another name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from fixer.ignores import Comment, comments
from fixer.languages.comments import comments_among, may_all_go, rewritten
from fixer.languages.python import PythonModule
from fixer.model import Blocked, Document, Finding, Fix, Level, Rule, Source, Span, listed
from fixer.selectors import all_selectors, names_of, spellings
from fixer.silence import Marked, Silence


def check(marked: Marked, silence: Silence) -> Iterator[Finding]:
    meant = Meant(silence)
    for document in marked.documents():
        found = comments(document.source)
        among = comments_among(document, [comment.span for comment in found])
        certain = may_all_go(document, [found[number].span for number in sorted(among)])
        for number, comment in enumerate(found):
            if number not in among and isinstance(document, PythonModule):
                continue  # a text that speaks of such comments
            useless = _useless(comment, document.source.path, silence, meant)
            if useless is not None:
                message, names = useless
                cure = _without(document, comment, names, certain) if number in among else _IN_A_TEXT
                yield Finding(document.source.path, comment.span, message, cure)
    if silence.idle:
        yield from _of_patterns(marked.source(silence.config), silence.idle)
    if silence.baseline is not None and not marked.partly:
        yield from _of_baseline(marked, silence)


def is_anything_ignored(marked: Marked, silence: Silence) -> bool:
    return bool(marked.paths or silence.patterns or silence.baseline)


# -- comments -----------------------------------------------------------------------------------------------------


SUGGESTIONS = 50
"""How many different names that nobody knows are compared with those that there are, before it is given up."""

SHOWN = 10
"""How many names of one comment are shown."""


class Meant:
    """What names may stand for."""

    def __init__(self, silence: Silence) -> None:
        self._silence = silence
        self._near: dict[str, str] = {}

    @cached_property
    def _selectors(self) -> list[str]:
        return list(all_selectors(self._silence.rules))

    @cached_property
    def _asked(self) -> set[str]:
        return {rule.id for rule in self._silence.asked if rule.check is not check}

    @cached_property
    def _rules(self) -> dict[str, set[str]]:
        """The rules by all that names them, which imports each of them: most repositories speak of none."""
        found: dict[str, set[str]] = defaultdict(set)
        for rule in self._silence.rules:
            for name in names_of(rule):
                found[name].add(rule.id)
        return found

    def unknown(self, names: Iterable[str]) -> list[str]:
        return [name for name in dict.fromkeys(names) if self._rules.keys().isdisjoint(spellings((name,)))]

    def were_asked(self, spelled: Iterable[str]) -> bool:
        """Whether every rule that is named so was asked before this one."""
        return all(self._rules[name] <= self._asked for name in spelled if name in self._rules)

    def near(self, name: str) -> str:
        """The name that it is a typing error of, in words."""
        if name not in self._near and len(self._near) < SUGGESTIONS:
            from difflib import get_close_matches  # late: hardly any comment names a rule that is not there

            close = get_close_matches(name, self._selectors, 1, 0.6)
            self._near[name] = f"; did you mean {close[0]!r}?" if close else ""
        return self._near.get(name, "")


def _useless(comment: Comment, path: str, silence: Silence, meant: Meant) -> tuple[str, Sequence[str]] | None:
    """What a comment does not do, and the names in it that do nothing; nothing where it is of use."""
    if not comment.names:
        return f"`{comment.text}` names no rule, so it ignores nothing", ()
    unknown = meant.unknown(comment.names)
    if unknown:
        near = "".join(dict.fromkeys(meant.near(name) for name in unknown))
        names = _shown([*map(repr, unknown)])
        return f"the comment ignores nothing by {names}: no rule, pack or reference is so called{near}", unknown
    if not meant.were_asked(comment.spellings) or (path, comment.text) in silence.comments:
        return None
    return f"`{comment.text}` ignores nothing: no rule that it names finds anything here", comment.names


_IN_A_TEXT = Blocked("it stands where it is a part of a text or of a list of lines", "delete it by hand")


def _shown(names: Sequence[str]) -> str:
    more = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return listed([*names[:SHOWN], *more])


def _without(document: Document, comment: Comment, names: Sequence[str], certain: bool) -> Fix | Blocked:
    gone = frozenset(names)
    left = [name for name in comment.names if name not in gone]
    if left:
        parts = rewritten(document, comment.names_span, ", ".join(left), certain=certain)
        return Fix.of(f"take {_shown(names)} out of the comment", parts)
    return Fix.of("delete the comment", rewritten(document, comment.span, "", certain=certain))


# -- patterns and baselines ---------------------------------------------------------------------------------------


def _of_patterns(source: Source, idle: Iterable[str]) -> Iterator[Finding]:
    for pattern in idle:
        at = _place(source, pattern)
        if at is not None:
            cure = Blocked("what it was to leave out may have got another name", "correct the pattern, or delete it")
            yield Finding(source.path, at, f"the pattern {pattern!r} matches no file", cure)


def _place(source: Source, pattern: str) -> Span | None:
    found = re.search(rf"""(["']){re.escape(pattern)}\1""", source.text)
    return Span(found.start(), found.end()) if found is not None else None


def _of_baseline(marked: Marked, silence: Silence) -> Iterator[Finding]:
    """Judged where every rule looked at the whole repository."""
    baseline = silence.baseline
    if baseline is None or any(rule not in silence.asked for rule in silence.rules):
        return
    stale = baseline.known - silence.fingerprints
    source = marked.source(baseline.path)
    if stale and source.text:
        at = min(max(source.text.find(each), 0) for each in stale)
        message = f"{len(stale)} of {len(baseline.known)} entries of the baseline match no finding any more"
        again = f"write it again: `fhfix check --write-baseline {baseline.path}`"
        yield Finding(baseline.path, Span(at, at), message, Blocked("which of them may come back is not known", again))


RULE = Rule(
    __name__,
    "An ignore comment, a pattern or a baseline does nothing",
    check,
    criterion="Nothing is ignored that is not there",
    level=Level.NOTE,
    applies=is_anything_ignored,
)
