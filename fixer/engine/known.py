"""The findings of a repository as it is: what each is called, and which of them is met again while fixes are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

from fixer.model import Finding, Reported, Span
from fixer.pieces import Runs
from fixer.records import record

UNTOUCHED = Runs()


def named(found: Sequence[Reported]) -> list[Reported]:
    """The findings of untouched files, each with an id of its own: those of the same words are counted by place."""
    counts: Counter[tuple[str, ...]] = Counter()
    answers = list(found)
    for number in sorted(range(len(found)), key=lambda number: found[number].finding.span.start):
        words = found[number].words
        counts[words] += 1
        answers[number] = replace(found[number], apart=str(counts[words]))
    return answers


@record
class Met:
    """A finding of files that fixes have changed. `owner` is the fix that made it possible, by its index among those
    taken: it was not there before. -1 for one of the untouched files, which `reported` then names as it is there."""

    reported: Reported
    owner: int = -1


class Known:
    """The findings of the untouched files. Each is answered once: what is found beyond them belongs to fixes."""

    def __init__(self, start: Iterable[Reported]) -> None:
        self._open: dict[str, dict[str, Reported]] = {}
        for reported in start:
            self._open.setdefault(reported.rule.id, {})[reported.id] = reported

    def answered(self, reported: Reported) -> None:
        del self._open[reported.rule.id][reported.id]

    def unanswered(self) -> list[Reported]:
        return [reported for found in self._open.values() for reported in found.values()]

    def met(
        self,
        found: Sequence[Reported],
        runs: Mapping[str, Runs],
        taken: Sequence[Reported],
        owner_of: Callable[[Reported], int],
    ) -> list[Met]:
        """What one rule finds now, in this order; `runs` are those of the files now. `owner_of` says which of those
        taken made a finding possible that was not there before."""
        if not found:
            return []
        before = [_before(reported.finding, runs) for reported in found]
        known = self._recognised(found, before)
        counts: Counter[tuple[str, ...]] = Counter()
        answers: list[Met] = []
        for number, reported in enumerate(found):
            if number in known:
                answers.append(Met(known[number].with_cure(reported.finding.cure)))
                continue
            counts[reported.words] += 1
            owner = owner_of(reported)
            of = taken[owner].id if owner >= 0 else ""
            answers.append(Met(replace(reported, apart=f"{of} {counts[reported.words]}"), owner))
        return answers

    def _recognised(self, found: Sequence[Reported], before: Sequence[Span]) -> dict[int, Reported]:
        """Findings of the untouched files by the index of what they are now, the surest sign first."""
        rule = found[0].rule
        left = dict(self._open.get(rule.id, {}))
        known: dict[int, Reported] = {}
        for name_of, same in _SIGNS:
            alike: dict[Hashable, list[Reported]] = {}
            for each in left.values():
                alike.setdefault(name_of(each, each.finding.span), []).append(each)
            for number, reported in enumerate(found):
                candidates = () if number in known else alike.get(name_of(reported, before[number]), ())
                first = next((each for each in candidates if each.id in left and same(each, before[number])), None)
                if first is not None:
                    known[number] = left.pop(first.id)
        new = [number for number in range(len(found)) if number not in known]
        if len(new) == len(left) == 1 and rule.subject.is_fact:
            known[new[0]] = left.popitem()[1]  # the one thing that this rule says of the repository, in other words
        return known


def _overlaps(first: Reported, before: Span) -> bool:
    there = first.finding.span
    return before.start < max(there.end, there.start + 1) and there.start < before.end


_SIGNS: Sequence[tuple[Callable[[Reported, Span], Hashable], Callable[[Reported, Span], bool]]] = (
    # The same words at the same place.
    (lambda reported, span: (reported.words, span.start), lambda first, before: True),
    # Other words of the same place, or of what was put there.
    (lambda reported, span: reported.finding.path, _overlaps),
    # The same words elsewhere: what a repository lacks stands at the first file that could have it.
    (lambda reported, span: reported.words, lambda first, before: True),
    (lambda reported, span: reported.finding.message, lambda first, before: True),
)


def _before(finding: Finding, runs: Mapping[str, Runs]) -> Span:
    """The place of a finding in the untouched file."""
    return runs.get(finding.path, UNTOUCHED).before(finding.span.start)
