"""The fold: rules over an in-memory picture of the repository until a whole pass finds nothing to do.

Rules never conflict and need no priorities: each sees what the ones before it have done.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from fixer.budget import DOCUMENT, OutOfTime, limited
from fixer.engine.asking import TOO_MUCH, Asking, by_place, too_much
from fixer.engine.known import Known, Met
from fixer.engine.processes import in_processes
from fixer.model import (
    Blocked,
    Document,
    Edit,
    Fault,
    FileChange,
    FileError,
    Finding,
    Fix,
    NewFile,
    Piece,
    Reported,
    Rule,
    Source,
    Tier,
)
from fixer.pieces import Runs, relined
from fixer.repository import Repository, generated_by
from fixer.scripts import ScriptText
from fixer.splice import Claimed, splice
from fixer.verify import BrokenPromiseError, kept_promise, second_reading

PASSES = 12
"""How often the rules may go over a repository before those that still find work are named as faults."""

CHANGES_PER_PROCESS = 16
"""Likewise for the second reading of what changed, which takes longer."""

BATCHES = 100
"""How many fixes of one rule may contend for one place before the rest waits for the next pass."""

Accept = Callable[[Reported, Repository], bool]


Key = tuple[str, ...]
"""What makes two findings of two passes the same one."""


Changed = dict[str, Document | Source]
"""What files become, by path: read again, or the text of a file that is new."""


class Fold:
    def __init__(
        self,
        repository: Repository,
        rules: Sequence[Rule],
        asked: Asking,
        accept: Accept | None,
        tiers: frozenset[Tier],
        answers: dict[Key, bool],
        found: Sequence[Reported],
    ) -> None:
        self.start = repository
        self.repository = repository
        self.rules = rules
        self.asked = asked
        self.accept = accept
        self.tiers = tiers
        self.taken: list[Reported] = []
        self.needs: dict[int, frozenset[int]] = {}
        self.pieces: dict[str, Runs] = {}
        self.executable: set[str] = set()
        self.answers = answers
        self.known = Known(found)
        self.history: list[tuple[tuple[int, ...], Repository]] = []
        self.begun: dict[tuple[str, ...], int] = {}
        self.broken: dict[Key, Fault] = {}
        self.refused: list[FileError] = []

    def run(self) -> dict[str, Fault]:
        """Folds to the fixpoint. Returns the rules that must be left out, with the reason; nobody: it is done, unless
        files are `refused`."""
        try:
            offenders = self._run()
        except _TooMuchError as error:
            self.refused.append(error.problem)
            return {}
        # What was found wrong with a file on the way counts from the beginning.
        self.refused += [self.asked.problems[path] for path in self.pieces if path in self.asked.problems]
        return offenders

    def _run(self) -> dict[str, Fault]:
        for number in range(PASSES + 1):
            moved = {rule.id: path for rule in self.rules if (path := self._take_all(rule))}
            if not moved:
                return self._misread()
            if number == PASSES:
                return {
                    rule_id: Fault(rule_id, path, f"found new work in each of {PASSES} passes; all of it was dropped")
                    for rule_id, path in moved.items()
                }
        raise AssertionError("unreachable")

    def _misread(self) -> dict[str, Fault]:
        """The second, independent reading of every changed file. One that it could not follow before is refused."""
        changes = list(self.changes().values())
        for change, why in zip(changes, _second_readings([change.after for change in changes]), strict=True):
            if why and change.before is not None and _second_reading(change.before):
                self.refused.append(FileError(change.path, f"two readers do not agree: {why}", "repair it by hand"))
            elif why:
                origins = {piece.origin for piece in change.pieces if piece.origin is not None}
                return {
                    self.taken[origin].rule.id: Fault(self.taken[origin].rule.id, change.path, why)
                    for origin in sorted(origins)
                }
        return {}

    def faults(self) -> tuple[Fault, ...]:
        return (*self.asked.faults.values(), *self.broken.values())

    def left(self) -> tuple[Reported, ...]:
        """What stays of what was found at the beginning. What fixes brought with them is for a person to do."""
        stays: list[Reported] = []
        for met in (met for rule in self.rules for met in self._met(rule)):
            if met.owner < 0:
                stays.append(met.reported)
                self.known.answered(met.reported)
            else:
                self.taken[met.owner] = _with_todo(self.taken[met.owner], met.reported.finding)
        return tuple(sorted(stays, key=by_place))

    def along(self) -> dict[int, tuple[Reported, ...]]:
        """What was found at the beginning, and went with the fix of another finding; asked after `left`."""
        found: dict[int, tuple[Reported, ...]] = {}
        for reported in sorted(self.known.unanswered() if self.taken else (), key=by_place):
            owner = self._ended_by(reported)
            found[owner] = (*found.get(owner, ()), reported)
        return found

    def _ended_by(self, reported: Reported) -> int:
        """The fix that replaced the text of a finding; else that after which its rule no longer said it."""
        finding = reported.finding
        if (writer := self.pieces.get(finding.path, Runs()).replacing(finding.span)) >= 0:
            return writer
        return self._first_after(reported, found=False)

    def _begun_by(self, reported: Reported) -> int:
        """The fix in whose text a finding stands that was not there before; else that after which its rule said it."""
        if (writer := self.pieces.get(reported.finding.path, Runs()).writer_of(reported.finding.span)) >= 0:
            return writer
        if reported.words not in self.begun:
            self.begun[reported.words] = self._first_after(reported, found=True)
        return self.begun[reported.words]

    def _first_after(self, reported: Reported, *, found: bool) -> int:
        """The first fix after which a rule says this, or says it no longer; of those that were made at once, one that
        changes this file."""
        for owners, repository in self.history:
            said = any(each.words == reported.words for each in self.asked.findings(reported.rule, repository))
            if said is found:
                here = (owner for owner in owners if reported.finding.path in _fix(self.taken[owner]).paths)
                return next(here, owners[0])
        return len(self.taken) - 1

    def changes(self) -> dict[str, FileChange]:
        found: dict[str, FileChange] = {}
        for path in sorted(self.pieces):
            before = self.start.read(path) if self.start.exists(path) else None
            after = self.repository.read(path)
            if before is None or before.text != after.text:
                pieces = self.pieces[path].pieces
                found[path] = FileChange(path, before, after, pieces, path in self.executable)
        return found

    def _take_all(self, rule: Rule) -> str:
        """Takes the fixes of a rule; the path of one, or nothing."""
        moved = ""
        for _ in range(BATCHES):
            batch, deferred = self._batch(rule)
            batch, changed = self._sound(batch)
            if not batch:
                break
            self._take(batch, changed)
            moved = moved or batch[0].reported.finding.path
            if not deferred:
                break
        return moved

    def _batch(self, rule: Rule) -> tuple[list[Met], bool]:
        """The fixes that can be made at once, and whether others contend with them for the same text."""
        batch: list[Met] = []
        claimed: dict[str, Claimed] = {}
        created: set[str] = set()
        deferred = False
        for met in self._met(rule):
            fix = met.reported.finding.cure
            if isinstance(fix, Blocked) or fix.tier not in self.tiers or _key(met.reported) in self.broken:
                continue
            names = {file.path for file in fix.new_files}
            wanted = _by_path(fix.edits)
            if names & created or any(claimed.setdefault(p, Claimed()).contends(wanted[p]) for p in wanted):
                deferred = True
            elif self._accepted(met):
                batch.append(met)
                for path, edits in wanted.items():
                    claimed[path].add(edits)
                created |= names
        return batch, deferred

    def _met(self, rule: Rule) -> list[Met]:
        found = self.asked.findings(rule, self.repository)
        met = self.known.met(found, self.pieces, self.taken, self._begun_by)
        return [replace(each, reported=self._on_disk(each.reported)) for each in met] if self.pieces else met

    def _on_disk(self, reported: Reported) -> Reported:
        """The lines that it names are those of the files as they are on disk."""
        cure = reported.finding.cure
        said = relined(cure, reported.finding.path, self._line_on_disk)
        return reported if said is cure else reported.with_cure(said)

    def _line_on_disk(self, path: str, line: int) -> int:
        runs = self.pieces.get(path)
        if runs is None or not self.start.exists(path):
            return line
        place = runs.before(self.repository.read(path).start_of(line))
        return self.start.read(path).line_of(place.start)

    def _sound(self, batch: list[Met]) -> tuple[list[Met], Changed]:
        """Those fixes that keep the promise, and what they make; the others are remembered as broken."""
        with suppress(BrokenPromiseError):
            return batch, self._changed(batch)
        alone: list[tuple[Met, Changed]] = []
        for met in batch:
            try:
                alone.append((met, self._changed([met])))
            except BrokenPromiseError as broken:
                what = f"“{_fix(met.reported).title}”: {broken}"
                self.broken[_key(met.reported)] = Fault(met.reported.rule.id, broken.path, what)
        if not alone:
            return [], {}
        if len(alone) < len(batch):
            sound = [met for met, _ in alone]
            with suppress(BrokenPromiseError):
                return sound, self._changed(sound)
        # Each is good, and together they are not: one at a time.
        met, changed = alone[0]
        return [met], changed

    def _changed(self, batch: list[Met]) -> Changed:
        """What the files become; raises where the fixes do not do what they say."""
        fixes = [_fix(met.reported) for met in batch]
        edits = [edit for fix in fixes for edit in fix.edits]
        return self._edited(edits) | self._created([file for fix in fixes for file in fix.new_files])

    def _accepted(self, met: Met) -> bool:
        if self.accept is None or met.owner >= 0:  # whose fix was accepted
            return True
        key = _key(met.reported)
        if key not in self.answers:
            self.answers[key] = self.accept(met.reported, self.repository)
        return self.answers[key]

    def _take(self, batch: list[Met], changed: Changed) -> None:
        owners: list[int] = []
        owned: list[tuple[Edit, int]] = []
        for met in batch:
            fix, owner = _fix(met.reported), self._owned(met)
            owners.append(owner)
            owned += [(edit, owner) for edit in fix.edits]
            for file in fix.new_files:
                self.pieces[file.path] = Runs((Piece(file.text, owner),))
                self.executable |= {file.path} if file.executable else set()
        for edit, owner in owned:
            if below := self.pieces.get(edit.path, Runs()).writers(edit) - {owner}:
                self.needs[owner] = self.needs.get(owner, frozenset()) | below
        for path in sorted({edit.path for edit, _ in owned}):
            self.pieces[path] = self._runs(path).spliced([(edit, owner) for edit, owner in owned if edit.path == path])
        self.repository = self.repository.with_changes(changed)
        self.history.append((tuple(owners), self.repository))

    def _owned(self, met: Met) -> int:
        """The index of a fix that is taken: its own, or that of the fix which made it possible."""
        if met.owner >= 0:
            self.taken[met.owner] = _with(self.taken[met.owner], _fix(met.reported))
            return met.owner
        self.taken.append(met.reported)
        self.known.answered(met.reported)
        return len(self.taken) - 1

    def _runs(self, path: str) -> Runs:
        """A file as it is now, also one that no fix has touched."""
        return self.pieces.get(path) or Runs((Piece(self.repository.read(path).text),))

    def _edited(self, edits: list[Edit]) -> Changed:
        changed: Changed = {}
        for path, here in sorted(_by_path(edits).items()):
            try:
                with limited(DOCUMENT):
                    changed[path] = self._edited_file(path, here)
            except TOO_MUCH as error:
                raise _TooMuchError(too_much(path, error)) from None
        return changed

    def _edited_file(self, path: str, here: list[Edit]) -> Document:
        try:
            document = self.repository.document(path)
        except FileError as problem:
            raise BrokenPromiseError(path, f"it edits a file that cannot be edited: {problem.reason}") from None
        if document is None:
            raise BrokenPromiseError(path, "it edits a file of a kind that fhfix does not read")
        try:
            text = splice(document.source.text, here)
        except ValueError as error:
            raise BrokenPromiseError(path, str(error)) from None
        if text == document.source.text:
            raise BrokenPromiseError(path, "its edits change nothing")
        written = self._runs(path).spliced([(edit, len(self.taken)) for edit in here]).written
        return kept_promise(document, here, Source(path, text, document.source.bom, written))

    def _created(self, files: list[NewFile]) -> Changed:
        changed: Changed = {}
        for file in files:
            if self.repository.exists(file.path):
                raise BrokenPromiseError(file.path, "it would overwrite a file")
            if file.path.endswith(".sh") and not isinstance(file.text, ScriptText):
                raise BrokenPromiseError(file.path, "its text is not known to be code")
            try:
                document = self.asked.document_of(file)
            except FileError as problem:
                raise BrokenPromiseError(file.path, f"the new file cannot be read: {problem.reason}") from None
            generated = generated_by(file.path, file.text)  # then it is no document for anybody
            changed[file.path] = file.source if document is None or generated else document
        return changed


class _TooMuchError(Exception):
    """A file that cannot be verified within its bounds."""

    def __init__(self, problem: FileError) -> None:
        super().__init__(str(problem))
        self.problem = problem


def _second_readings(sources: Sequence[Source]) -> list[str]:
    processes = min(os.cpu_count() or 1, len(sources) // CHANGES_PER_PROCESS)
    if (os.cpu_count() or 1) < 2 or not hasattr(os, "fork"):
        return [_second_reading(source) for source in sources]
    if processes < 2:
        return _side_by_side(sources)
    shares = [sources[number::processes] for number in range(processes)]
    found = [""] * len(sources)

    def read(number: int) -> list[str]:
        return [*map(_second_reading, shares[number])]

    def keep(number: int, said: list[str] | None) -> None:
        found[number::processes] = read(number) if said is None else said  # None: its process died

    others = range(1, processes)
    for number, said in zip(others, in_processes(read, others, meanwhile=lambda: keep(0, read(0))), strict=True):
        keep(number, said)
    return found


def _side_by_side(sources: Sequence[Source]) -> list[str]:
    """Python is read in a process of its own while this one reads YAML: each reader takes longer to load than to read
    the few files of one repository. What is loaded already needs no second process."""
    python = [number for number, source in enumerate(sources) if source.path.endswith(".py")]
    found = [""] * len(sources)

    def read(numbers: Sequence[int]) -> list[str]:
        return [_second_reading(sources[number]) for number in numbers]

    def keep(numbers: Sequence[int], said: Sequence[str]) -> None:
        for number, why in zip(numbers, said, strict=True):
            found[number] = why

    others = [number for number in range(len(sources)) if number not in python]
    if not python or not others or "libcst" in sys.modules:
        keep(range(len(sources)), read(range(len(sources))))
        return found
    [said] = in_processes(read, [python], meanwhile=lambda: keep(others, read(others)))
    keep(python, said if said is not None else read(python))
    return found


def _second_reading(source: Source) -> str:
    try:
        with limited(DOCUMENT):
            return second_reading(source)
    except OutOfTime:
        return "the second reader takes too long"


def _by_path(edits: Iterable[Edit]) -> dict[str, list[Edit]]:
    found: dict[str, list[Edit]] = {}
    for edit in edits:
        found.setdefault(edit.path, []).append(edit)
    return found


def _key(reported: Reported) -> Key:
    return *reported.words, reported.apart


def _fix(reported: Reported) -> Fix:
    assert isinstance(reported.finding.cure, Fix)
    return reported.finding.cure


def _with(reported: Reported, other: Fix) -> Reported:
    """A finding whose fix also does what another does."""
    fix = _fix(reported)
    return reported.with_cure(
        replace(
            fix,
            edits=(*fix.edits, *other.edits),
            new_files=(*fix.new_files, *other.new_files),
            tier=max(fix.tier, other.tier, key=list(Tier).index),
            effects=(*fix.effects, *(other.effects or (other.title,))) if fix.effects else (),
            todo=tuple(dict.fromkeys((*fix.todo, *other.todo))),
        )
    )


def _with_todo(reported: Reported, left: Finding) -> Reported:
    """A finding whose fix leaves something to a person, since what it brings has a finding of its own."""
    cure = left.cure
    what = f"{cure.reason}; {cure.next_step}" if isinstance(cure, Blocked) else cure.title
    fix = _fix(reported)
    todo = tuple(dict.fromkeys((*fix.todo, f"{left.path}: {left.message}: {what}")))
    return reported.with_cure(replace(fix, todo=todo))
