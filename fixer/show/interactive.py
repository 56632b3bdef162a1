"""The interactive apply: each fix is shown and asked about, or many are chosen on one screen.

What is not taken is left exactly as it is; nothing is written before the last answer. Questions go to stderr, so that
standard output holds what was chosen, as a patch for instance, and nothing else.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from fixer.model import FileChange, Fix, Piece, Plan, Reported, Source
from fixer.repository import Repository
from fixer.show import output
from fixer.show.diff import Hunk, file_diff
from fixer.show.terminal import TIERS, show_fix
from fixer.show.visible import visible
from fixer.splice import ordered

FEW = 12
"""Up to so many fixes are asked about one by one; more are chosen on a screen first."""

_HELP = """\
y  take this fix
n  leave it
a  take it and all others of its rule
f  take it and all others in its file
q  take no more; what was taken so far is applied
Ctrl-C  stop, and write nothing"""

_SCREEN_HELP = """\
3 5-9     take or leave these fixes
safe, review, a rule's name, a file's path   take or leave all of that kind
all, none
s 3       show fix 3
Enter     apply what is marked
q         apply nothing"""


class Interactive:
    """Answers the engine's question of each fix. Asks on the terminal, unless an earlier answer says it."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or output.console(stderr=True)
        self._quit = False
        self._rules: set[str] = set()
        self._paths: set[str] = set()

    def __call__(self, reported: Reported, repository: Repository) -> bool:
        rule_id, path = reported.rule.id, reported.finding.path
        if self._quit:
            return False
        if rule_id in self._rules or path in self._paths:
            return True
        show_fix(reported, hunks_of(reported, repository), self._console)
        while True:
            answer = click.prompt("Take this fix? [y,n,a,f,q,?]", prompt_suffix=" ", err=True).strip().lower()
            if answer in ("y", "n"):
                return bool(answer == "y")
            if answer == "a":
                self._rules.add(rule_id)
                return True
            if answer == "f":
                self._paths.add(path)
                return True
            if answer == "q":
                self._quit = True
                return False
            self._console.print(Text(_HELP))


class Chosen:
    """Answers with what was marked on a screen beforehand.

    Without the fixes that are left, others may read differently than they did on the screen: those are asked about,
    but where nothing of their rule was marked in their file they are left too.
    """

    def __init__(self, taken: Sequence[Reported], marked: set[int], ask: Interactive) -> None:
        self._ask = ask
        # The same defect may stand several times in a file: the engine comes to them in the same order again.
        self._answers: dict[tuple[str, ...], deque[bool]] = defaultdict(deque)
        self._left: dict[tuple[str, str], bool] = {}
        for number, reported in enumerate(taken):
            self._answers[_words(reported)].append(number in marked)
            place = reported.rule.id, reported.finding.path
            self._left[place] = self._left.get(place, True) and number not in marked

    def __call__(self, reported: Reported, repository: Repository) -> bool:
        if answers := self._answers.get(_words(reported)):
            return answers.popleft()
        if self._left.get((reported.rule.id, reported.finding.path)):
            return False
        return self._ask(reported, repository)


def choose(plan: Plan, console: Console | None = None) -> Interactive | Chosen:
    """How to ask about the fixes of a plan: one by one, or on a screen where there are many.

    `plan` is what an apply would do if everything were taken; the answers are for planning once more.
    """
    console = console or output.console(stderr=True)
    ask = Interactive(console)
    if len(plan.taken) <= FEW:
        return ask
    return Chosen(plan.taken, _screen(plan, console), ask)


def hunks_of(reported: Reported, repository: Repository) -> list[tuple[str, Hunk]]:
    """What one fix does to the files as they are in this repository."""
    fix = reported.finding.cure
    assert isinstance(fix, Fix)
    changes: list[FileChange] = []
    for path in sorted({edit.path for edit in fix.edits}):
        before = repository.read(path)
        pieces: list[Piece] = []
        at = 0
        for edit in ordered(edit for edit in fix.edits if edit.path == path):
            removed = before.text[edit.span.start : edit.span.end]
            pieces += Piece(before.text[at : edit.span.start]), Piece(edit.text, 0, removed)
            at = edit.span.end
        pieces.append(Piece(before.text[at:]))
        after = Source(path, "".join(piece.text for piece in pieces), before.bom)
        changes.append(FileChange(path, before, after, tuple(pieces)))
    for file in fix.new_files:
        source = Source(file.path, file.text)
        changes.append(FileChange(file.path, None, source, (Piece(file.text, 0),), file.executable))
    return [(change.path, hunk) for change in changes for hunk in file_diff(change).hunks()]


def _words(reported: Reported) -> tuple[str, ...]:
    """What a person can tell a fix by."""
    finding = reported.finding
    return reported.rule.id, finding.path, finding.message, getattr(finding.cure, "title", "")


def _screen(plan: Plan, console: Console) -> set[int]:
    """Indexes of the fixes that are to be taken; all are marked to begin with. They are numbered by file and line."""
    lines = _lines(plan)
    found = [(r.finding.path, lines.get((index, r.finding.path), 0), index) for index, r in enumerate(plan.taken)]
    order = [index for _, _, index in sorted(found)]
    places = [line for _, line, _ in sorted(found)]
    listed = [plan.taken[index] for index in order]
    marked = set(range(len(listed)))
    _list(listed, places, marked, console)
    while True:
        question = f"{len(marked)} of {len(listed)} marked; numbers, names, Enter to apply, or ?"
        said = click.prompt(question, default="", show_default=False, err=True).strip()
        if not said:
            return {order[number] for number in marked}
        if said == "q":
            return set()
        if said == "?":
            console.print(Text(_SCREEN_HELP))
        elif said.startswith("s ") and (numbers := _numbers(said[2:], len(listed))):
            for number in numbers:
                _show(plan, order[number], console)
        elif _toggle(said.replace(",", " ").split(), listed, marked):
            _list(listed, places, marked, console)
        else:
            console.print(Text(f"{said!r} is no number, tier, rule or file of the list; ? for help"))


def _toggle(words: Sequence[str], taken: Sequence[Reported], marked: set[int]) -> bool:
    """Marks or unmarks; False, and nothing done, where a word means nothing."""
    wanted = set(marked)
    for word in words:
        if word in ("all", "none"):
            wanted = set(range(len(taken))) if word == "all" else set()
            continue
        numbers = set(_numbers(word, len(taken))) or {n for n, reported in enumerate(taken) if _is(reported, word)}
        if not numbers:
            return False
        wanted = wanted - numbers if numbers <= wanted else wanted | numbers
    marked.clear()
    marked.update(wanted)
    return True


def _is(reported: Reported, word: str) -> bool:
    tier = getattr(reported.finding.cure, "tier", "")
    return word in (reported.rule.id, reported.rule.pack, reported.finding.path, str(tier), *reported.rule.audit)


def _numbers(word: str, count: int) -> range:
    """Indexes from `3` or `5-9`; empty where it is neither, or outside of the list."""
    found = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", word.strip())
    if found is None:
        return range(0)
    low, high = int(found[1]), int(found[2] or found[1])
    return range(low - 1, high) if 1 <= low <= high <= count else range(0)


def _lines(plan: Plan) -> dict[tuple[int, str], int]:
    """The first line, as the file is now, that a fix changes in a file."""
    found: dict[tuple[int, str], int] = {}
    for path, change in plan.files.items():
        for block in file_diff(change).blocks:
            for origin in block.origins:
                found.setdefault((origin, path), block.before + 1)
    return found


def _list(taken: Sequence[Reported], places: Sequence[int], marked: set[int], console: Console) -> None:
    path = ""
    width = max(len(reported.rule.id) for reported in taken)
    for number, (reported, line) in enumerate(zip(taken, places, strict=True)):
        fix = reported.finding.cure
        assert isinstance(fix, Fix)
        if reported.finding.path != path:
            path = reported.finding.path
            console.print(Text(visible(path), "bold"), soft_wrap=True)
        console.print(
            Text.assemble(
                ("[x]" if number in marked else "[ ]", "green" if number in marked else "dim"),
                f" {number + 1:4}  ",
                (f"line {line:<5}" if line else " " * 10, "dim"),
                (f"{fix.tier:<6}", TIERS[fix.tier]),
                f"  {reported.rule.id:<{width}}  ",
                visible(fix.title),
            ),
            soft_wrap=True,
        )


def _show(plan: Plan, number: int, console: Console) -> None:
    """The hunks of one fix in the whole plan."""
    hunks = [
        (path, hunk)
        for path in sorted(plan.files)
        for diff in [file_diff(plan.files[path])]
        for hunk in diff.hunks([block for block in diff.blocks if number in block.origins])
    ]
    show_fix(plan.taken[number], hunks, console)
