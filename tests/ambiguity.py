"""How much longer a pattern can take as its text grows, decided from its parse.

A backtracking matcher tries the ways through a pattern one after the other. As long as the number of ways in which it
can read a text stays below a constant, whatever the text, it takes time in proportion to the text. That number grows
as a power of the length where repetitions can share a run of the text, one more for each that takes part, and
exponentially where one repetition can read a text in two ways: Weber and Seidl, On the degree of ambiguity of finite
automata, 1991. Both are looked for in the automaton of the pattern, so nothing is run and no clock is asked. A search
begins anew at each character, which is one more repetition, in front.

Read generously, so that nothing is missed: a look to the side of more than one character holds everywhere, and a
repetition of more than `COPIES` is endless.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

COPIES = 4
"""How many copies a counted repetition gets before it is taken for an endless one."""

ALPHABET = frozenset({*map(chr, range(128)), "é", "\u2028", "\x85"})
"""Characters that stand for all: a class of a pattern is what it takes of these."""

Characters = frozenset[str]


class Guard(NamedTuple):
    """Where a skip is open: before and after which characters, and whether at the start of the text. The end of a text
    is of no interest: nothing is read there."""

    before: Characters = ALPHABET
    after: Characters = ALPHABET
    start: bool = True


@dataclass
class Automaton:
    """States are numbers. A step reads a character of a set; a skip reads nothing."""

    marks: tuple[Characters, ...] = ()
    steps: list[tuple[int, Characters, int]] = field(default_factory=list)
    skips: dict[int, list[tuple[Guard, int]]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0

    def state(self) -> int:
        self.count += 1
        return self.count - 1

    def step(self, start: int, read: Characters, end: int) -> None:
        """What lies within a mark and what lies outside is read by steps of their own, for guards to tell them."""
        parts = [read]
        for mark in self.marks:
            parts = [half for part in parts for half in (part & mark, part - mark) if half]
        for part in parts:
            own = self.state()
            self.steps.append((start, part, own))
            self.skip(own, end)

    def skip(self, start: int, end: int, *guards: Guard) -> None:
        self.skips[start] += [(guard, end) for guard in guards or (Guard(),)]


def automaton(pattern: str, flags: int, searched: bool) -> Automaton:
    parsed = parser.parse(pattern, flags)
    builder = _Builder(Automaton(), parsed.state.flags, {})
    builder.sequence(parsed, 0)
    made = Automaton(tuple(dict.fromkeys(g.after for skips in builder.made.skips.values() for g, _ in skips)))
    start = made.state()
    if searched:
        made.step(start, ALPHABET, start)
    _Builder(made, parsed.state.flags, {}).sequence(parsed, start)
    return made


@dataclass
class _Builder:
    made: Automaton
    flags: int
    groups: dict[int, Any]

    def sequence(self, items: Iterable[tuple[Any, Any]], start: int) -> int:
        for code, argument in items:
            start = self.item(code, argument, start)
        return start

    def item(self, code: Any, argument: Any, start: int) -> int:
        made = self.made
        if code in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN):
            end = made.state()
            made.step(start, characters(code, argument, self.flags), end)
            return end
        if code is op.BRANCH:
            end = made.state()
            for branch in argument[1]:
                made.skip(self.sequence(branch, self._beside(start)), end)
            return end
        if code is op.SUBPATTERN:
            group, _, _, body = argument
            self.groups[group] = body
            return self.sequence(body, start)
        if code is op.ATOMIC_GROUP:
            return self.sequence(argument, start)
        if code is op.GROUPREF:
            return self.sequence(self.groups[argument], start)
        if code in (op.MAX_REPEAT, op.MIN_REPEAT):
            low, high, body = argument
            return self.repeat(low, high, body, start, ALPHABET)
        if code is op.POSSESSIVE_REPEAT:
            low, high, body = argument
            one = single(body, self.flags)
            return self.repeat(low, high, body, start, ALPHABET - one if one is not None else ALPHABET)
        if code in (op.AT, op.ASSERT, op.ASSERT_NOT):
            end = made.state()
            made.skip(start, end, *self.guards(code, argument))
            return end
        raise ValueError(f"{code} is not known here")

    def guards(self, code: Any, argument: Any) -> Iterator[Guard]:
        """Where an anchor or a look to the side holds."""
        if code is op.AT:
            word, newline = _class(((op.CATEGORY, op.CATEGORY_WORD),), 0), frozenset("\n")
            if argument is op.AT_BEGINNING_STRING or (argument is op.AT_BEGINNING and not self.flags & re.MULTILINE):
                yield Guard(after=frozenset())
            elif argument is op.AT_BEGINNING:
                yield Guard(after=newline)
            elif argument is op.AT_END:
                yield Guard(before=newline)
            elif argument is op.AT_END_STRING:
                yield Guard(before=frozenset())
            elif argument is op.AT_BOUNDARY:
                yield Guard(before=ALPHABET - word, after=word, start=False)
                yield Guard(before=word, after=ALPHABET - word)
            else:
                yield Guard()
            return
        direction, items = argument
        one = single(items, self.flags)
        if one is None:
            yield Guard()
            return
        side = one if code is op.ASSERT else ALPHABET - one
        yield Guard(side) if direction == 1 else Guard(after=side, start=code is op.ASSERT_NOT)

    def _beside(self, start: int) -> int:
        state = self.made.state()
        self.made.skip(start, state)
        return state

    def repeat(self, low: int, high: int, body: Any, start: int, before: Characters) -> int:
        """What is possessive is left only before characters that it would not have read."""
        made, guard = self.made, Guard(before)
        for _ in range(min(low, COPIES)):
            start = self.sequence(body, start)
        end = made.state()
        made.skip(start, end, guard)
        if high is op.MAXREPEAT or high - low > COPIES:
            loop = self._beside(start)
            last = self.sequence(body, loop)
            made.skip(last, loop)
            made.skip(last, end, guard)
            return end
        for _ in range(high - low):
            start = self.sequence(body, start)
            made.skip(start, end, guard)
        return end


def single(items: Any, flags: int) -> Characters | None:
    """The characters of what reads exactly one."""
    while len(items) == 1 and items[0][0] is op.SUBPATTERN:
        items = items[0][1][3]
    if len(items) == 1 and items[0][0] in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN):
        code, argument = items[0]
        return characters(code, argument, flags)
    if len(items) == 1 and items[0][0] is op.BRANCH:
        each = [single(branch, flags) for branch in items[0][1][1]]
        return frozenset().union(*[one for one in each if one is not None]) if None not in each else None
    return None


def characters(code: Any, argument: Any, flags: int) -> Characters:
    if code is op.ANY:
        return ALPHABET if flags & re.DOTALL else ALPHABET - {"\n"}
    if code is op.IN:
        return _class(tuple(argument), flags & re.IGNORECASE)
    found = _class(((op.LITERAL, argument),), flags & re.IGNORECASE)
    return ALPHABET - found if code is op.NOT_LITERAL else found


_CATEGORIES = {
    op.CATEGORY_SPACE: r"\s", op.CATEGORY_NOT_SPACE: r"\S", op.CATEGORY_WORD: r"\w", op.CATEGORY_NOT_WORD: r"\W",
    op.CATEGORY_DIGIT: r"\d", op.CATEGORY_NOT_DIGIT: r"\D",
}  # fmt: skip


@cache
def _class(items: tuple[tuple[Any, Any], ...], ignore_case: int) -> Characters:
    found: set[str] = set()
    for code, argument in items:
        if code is op.LITERAL:
            found.add(chr(argument))
        elif code is op.RANGE:
            found |= {each for each in ALPHABET if argument[0] <= ord(each) <= argument[1]}
        elif code is op.CATEGORY:
            found |= {each for each in ALPHABET if re.match(_CATEGORIES[argument], each)}
    if ignore_case:
        found |= {each.swapcase() for each in found if len(each.swapcase()) == 1}
    return frozenset(ALPHABET - found if items[0][0] is op.NEGATE else found)


# -- ways through -------------------------------------------------------------------------------------------------

Steps = dict[int, list[tuple[Characters, int]]]


def growth(pattern: str, flags: int = 0, *, searched: bool = True) -> float:
    """The power of the text's length that the time of a match, or of a search, grows with; infinite where it doubles
    with each character."""
    steps = _without_skips(automaton(pattern, flags, searched))
    part = _strong_parts(steps)
    loops = [state for state, onward in steps.items() if any(part[to] == part[state] for _, to in onward)]
    if any(_two_ways_back(steps, part, state) for state in loops):
        return math.inf
    shared = {one: [other for other in loops if other != one and _shared_run(steps, part, one, other)] for one in loops}
    reach = {state: _reached(steps, state) for state in loops}

    @cache
    def longest(state: int) -> int:
        """How many runs can be shared one after the other, from a state on."""
        here = [1 + longest(other) for other in shared[state] if part[other] != part[state]]
        later = [longest(other) for other in reach[state] if other in reach and part[other] != part[state]]
        return max([0, *here, *later])

    return 1 + max(map(longest, loops), default=0)


def _without_skips(made: Automaton) -> Steps:
    """Steps from the start (0) and from what each step leads to; two ways of skips to one step are two ways."""
    by_start: dict[int, list[tuple[int, Characters]]] = defaultdict(list)
    for number, (start, read, _) in enumerate(made.steps, 1):
        by_start[start].append((number, read))
    found: Steps = {}
    for source in range(len(made.steps) + 1):
        _, last, state = made.steps[source - 1] if source else (0, None, 0)
        found[source] = [
            (read & before, target)
            for reached, before in _skipping(made, state, last)
            for target, read in by_start[reached]
            if read & before
        ]
    return found


def _skipping(made: Automaton, start: int, last: Characters | None) -> Iterator[tuple[int, Characters]]:
    """Where skips lead to, once for each way that comes through no state twice, and before which characters. `last`
    was read before them, None at the start of the text."""
    waiting = [(start, ALPHABET, frozenset((start,)))]
    while waiting:
        state, before, seen = waiting.pop()
        yield state, before
        for guard, target in made.skips.get(state, ()):
            is_open = guard.start if last is None else guard.after & last
            if is_open and target not in seen and before & guard.before:
                waiting.append((target, before & guard.before, seen | {target}))


def _strong_parts(steps: Steps) -> dict[int, int]:
    """A number for each state; two have the same where each can be reached from the other."""
    reach = {state: _reached(steps, state) for state in steps}
    return {
        state: min(other for other in reach[state] | {state} if state in reach[other] or other == state)
        for state in steps
    }


def _reached(steps: Steps, start: int) -> set[int]:
    found: set[int] = set()
    waiting = [start]
    while waiting:
        for _, target in steps[waiting.pop()]:
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


def _two_ways_back(steps: Steps, part: dict[int, int], state: int) -> bool:
    """Whether a text leads from a state back to it in two ways."""
    start = (state, state, False)
    seen, waiting = {start}, [start]
    while waiting:
        one, other, apart = waiting.pop()
        for i, (read, to_one) in enumerate(steps[one]):
            for j, (also, to_other) in enumerate(steps[other]):
                if part[to_one] != part[state] or part[to_other] != part[state] or not read & also:
                    continue
                now = (to_one, to_other, apart or to_one != to_other or (one == other and i != j))
                if now == (state, state, True):
                    return True
                if now not in seen:
                    seen.add(now)
                    waiting.append(now)
    return False


def _shared_run(steps: Steps, part: dict[int, int], one: int, other: int) -> bool:
    """Whether a text leads from one state back to it, from it to the other, and from the other back to that."""
    start, goal = (one, one, other), (one, other, other)
    seen, waiting = {start}, [start]
    while waiting:
        first, between, last = waiting.pop()
        for read, to_first in steps[first]:
            if part[to_first] != part[one]:
                continue
            for also, to_last in steps[last]:
                both = read & also
                if part[to_last] != part[other] or not both:
                    continue
                for third, to_between in steps[between]:
                    now = (to_first, to_between, to_last)
                    if both & third and now not in seen:
                        if now == goal:
                            return True
                        seen.add(now)
                        waiting.append(now)
    return False
