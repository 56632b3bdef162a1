"""How a person names single fixes: by short ids, which stay the same while the rest of the repository changes.

A fix has an id of its own, `Reported.id`, and shares a second one with all that do the same. Both are made of words
(rule, file, finding, title or reason), never of lines: an edit elsewhere in the file, or another fix, leaves them as
they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from fixer.model import ID_LENGTH, Blocked, Reported, short_id

_LINES = re.compile(r"(?<=\w):\d+\b|\bline \d+:? ?")
"""How sentences name lines: `Dockerfile:12`, `line 12: …`."""
ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}\Z")


def ids_in(text: str) -> tuple[str, ...]:
    """The ids of a list that a person or a page wrote: between commas, blanks or line ends; `#` begins a comment.

    Raises ValueError for what is no id.
    """
    lines = (line.partition("#")[0] for line in text.splitlines())
    found = tuple(name for line in lines for name in line.replace(",", " ").split())
    wrong = next((name for name in found if not ID.match(name)), None)
    if wrong is not None:
        rule = "-" in wrong and f"; for all fixes of a rule: --select {wrong}"
        raise ValueError(f"{wrong!r} is no id: an id has {ID_LENGTH} characters, such as 3f2a91bc{rule or ''}")
    return found


def group_id(reported: Reported) -> str:
    """The same for all findings of a rule that are answered in the same way, wherever they stand."""
    return short_id(reported.rule.id, *group_words(reported))


def group_words(reported: Reported) -> tuple[str, str]:
    """The answer without the numbers of lines that a reason may name."""
    kind, words = answer(reported)
    return kind, _LINES.sub("", words)


def answer(reported: Reported) -> tuple[str, str]:
    """What is done about a finding, in words: the tier and title of its fix, or why there is none."""
    cure = reported.finding.cure
    if isinstance(cure, Blocked):
        return "blocked", cure.reason
    return str(cure.tier), cure.title


def named(reported: Iterable[Reported]) -> dict[str, Reported]:
    """Findings by their own ids, and by those of their groups."""
    found: dict[str, Reported] = {}
    for each in reported:
        found.setdefault(each.id, each)
        found.setdefault(group_id(each), each)
    return found


def like(name: str, known: Mapping[str, Reported]) -> list[str]:
    """Ids that differ from this one by little, as by a slip of the finger."""
    from difflib import get_close_matches

    return get_close_matches(name, known, 3, 0.7)


class Chosen:
    """Answers the engine's question of each fix: only those that were named are taken.

    `names` are ids of fixes and of groups. `unmet` says which of them no fix answered to: what they depend on was not
    chosen, or the repository has changed.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        self._names = frozenset(self.names)
        self._answered: set[str] = set()

    def __call__(self, reported: Reported, repository: object) -> bool:
        both = {reported.id, group_id(reported)} & self._names
        self._answered |= both
        return bool(both)

    @property
    def unmet(self) -> tuple[str, ...]:
        return tuple(sorted(self._names - self._answered))


def companions(needs: Mapping[int, Iterable[int]], lines: Iterable[Sequence[int]]) -> dict[int, frozenset[int]]:
    """For each fix the others that are chosen with it: whose text it edits, and who change the same lines.

    `needs` are those of a plan, `lines` the fixes of each changed run of lines (`Block.origins`).
    """
    found: dict[int, set[int]] = {number: set(others) for number, others in needs.items()}
    for run in lines:
        for one in run:
            found.setdefault(one, set()).update(other for other in run if other != one)
    return {number: frozenset(others) for number, others in found.items() if others}
