"""The fold: rules over an in-memory picture of the repository until a whole pass finds nothing to do.

Rules never conflict and need no priorities: each sees what the ones before it have done.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import PurePosixPath
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from fixer.documents import document_type, kind_of
from fixer.model import (
    Blocked,
    Edit,
    Fault,
    FileChange,
    FileError,
    Finding,
    Fix,
    NewFile,
    Options,
    Piece,
    Plan,
    Report,
    Reported,
    Rule,
    Source,
    Tier,
)
from fixer.repository import Repository
from fixer.splice import ordered, overlap, splice
from fixer.verify import broken_promise, second_reading

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

PASSES = 12
"""How often the rules may go over a repository before those that still find work are named as faults."""

DOCUMENTS_PER_PROCESS = 100
"""How many documents make a process of their own worth its start."""

CHANGES_PER_PROCESS = 16
"""Likewise for the second reading of what changed, which takes longer."""

BATCHES = 100
"""How many fixes of one rule may contend for one place before the rest waits for the next pass."""

OptionsFor = Callable[[Rule], Options]
Wanted = Callable[[Reported, Source], bool]
LeftAlone = Callable[[Rule, Source], bool]
Accept = Callable[[Reported, Repository], bool]


def default_options(rule: Rule) -> Options:
    return Options({option.name: option.default for option in rule.options})


def everything(reported: Reported, source: Source) -> bool:
    return True


def nothing(rule: Rule, source: Source) -> bool:
    return False


def check(
    repository: Repository,
    rules: Sequence[Rule],
    *,
    options: OptionsFor = default_options,
    wanted: Wanted = everything,
    left_alone: LeftAlone = nothing,
) -> Report:
    """Every finding of these rules, by path and position; nothing is changed.

    A fix that would change a file which is `left_alone`, or outside of what the repository is restricted to, is none.
    """
    asked = _Asked(options, wanted, left_alone)
    asked.ahead(rules, repository)
    findings = [reported for rule in rules for reported in asked.findings(rule, repository)]
    findings.sort(key=_by_place)
    return Report(tuple(findings), tuple(asked.faults.values()), asked.problems_by_path())


def plan(
    repository: Repository,
    rules: Sequence[Rule],
    *,
    options: OptionsFor = default_options,
    wanted: Wanted = everything,
    left_alone: LeftAlone = nothing,
    accept: Accept | None = None,
    tiers: frozenset[Tier] = frozenset(Tier),
) -> Plan:
    """Everything that an apply would do. Reads the disk, and writes nothing.

    `accept` is asked once for each fix; a fix that it refuses is left. Rules that lie, crash or never come to an
    end are named in `faults`, and nothing of their work remains.
    """
    excluded: dict[str, Fault] = {}
    asked = _Asked(options, wanted, left_alone)
    asked.ahead(rules, repository)
    answers: dict[_Key, bool] = {}
    while True:
        remaining = [rule for rule in rules if rule.id not in excluded]
        folded = _Fold(repository, remaining, asked, accept, tiers, answers)
        offenders = folded.run()
        for problem in folded.refused:
            asked.problems[problem.path] = problem
            repository = repository.refusing(problem)
        if not offenders and not folded.refused:
            faults = (*excluded.values(), *folded.faults())
            return Plan(folded.changes(), tuple(folded.taken), folded.left(), faults, folded.asked.problems_by_path())
        excluded.update(offenders)


# -- asking a rule ------------------------------------------------------------------------------------------------


@cache
def _signature(check_function: Callable[..., Iterable[Finding]]) -> tuple[tuple[str, Any, bool], ...]:
    """Names, types and optionality of what a check asks for."""
    hints = get_type_hints(check_function)
    hints.pop("return", None)
    return tuple((name, *_unwrapped(kind)) for name, kind in hints.items())


def _unwrapped(kind: Any) -> tuple[Any, bool]:
    if get_origin(kind) in (Union, UnionType):
        inner = [part for part in get_args(kind) if part is not type(None)]
        if len(inner) == 1:
            return inner[0], True
    return kind, False


@dataclass
class _Asked:
    """What rules answered. A check is a pure function, so it is not asked twice about the same values."""

    options: OptionsFor
    wanted: Wanted
    left_alone: LeftAlone
    faults: dict[tuple[str, str], Fault] = field(default_factory=dict)
    problems: dict[str, FileError] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[tuple[Any, ...], list[Finding]]] = field(default_factory=dict)

    def problems_by_path(self) -> tuple[FileError, ...]:
        return tuple(self.problems[path] for path in sorted(self.problems))

    def findings(self, rule: Rule, repository: Repository) -> list[Reported]:
        found: list[Reported] = []
        for finding in self._asked(rule, repository):
            reported = Reported(rule, self._within_bounds(rule, finding, repository))
            try:
                known = repository.in_scope(finding.path) and self.wanted(reported, repository.read(finding.path))
            except FileError:
                known = repository.in_scope(finding.path)
            if known:
                found.append(reported)
        return found

    def _within_bounds(self, rule: Rule, finding: Finding, repository: Repository) -> Finding:
        why = self._out_of_bounds(rule, finding.cure, repository) if isinstance(finding.cure, Fix) else None
        return finding if why is None else replace(finding, cure=why)

    def _out_of_bounds(self, rule: Rule, fix: Fix, repository: Repository) -> Blocked | None:
        """Why a fix may not be made here: for a file that it changes or adds."""
        for path in fix.paths:
            if not repository.in_scope(path):
                return Blocked(f"its fix also changes {path}, outside of {repository.only}", "run it on the repository")
            source = repository.read(path) if repository.exists(path) else Source(path, "")
            if self.left_alone(rule, source):
                return Blocked(
                    f"its fix also changes {path}, which is excluded", "include that file, or fix it by hand"
                )
        for file in fix.new_files:
            if repository.is_ignored(file.path):
                return Blocked(
                    f"git ignores {file.path}, so it would be in no commit",
                    f"stop ignoring it: `git check-ignore -v {file.path}` says where that stands",
                )
        return None

    def _asked(self, rule: Rule, repository: Repository) -> Iterator[Finding]:
        path = ""
        try:
            (_, subject, _), *others = _signature(rule.check)
            arguments: dict[str, Any] = {}
            for name, kind, optional in others:
                value = self.options(rule) if kind is Options else repository.fact(kind)
                if value is None and not optional:
                    return
                arguments[name] = value
            if _is_fact(subject):
                fact = repository.fact(subject)
                self.problems |= {problem.path: problem for problem in repository.unreadable}
                if fact is not None:
                    yield from self._answer(rule, "", fact, lambda: fact, arguments)
                return
            for path in repository.paths_of(subject):
                if path not in self.problems:
                    yield from self._of_document(rule, path, repository, arguments)
        except Exception as error:  # a rule must not take the others down with it
            self.faults[rule.id, path] = _fault(rule, path, error)

    def _of_document(self, rule: Rule, path: str, repository: Repository, arguments: dict[str, Any]) -> list[Finding]:
        try:
            return self._answer(rule, path, repository.read(path), lambda: repository.document(path), arguments)
        except FileError as problem:
            self.problems[path] = problem
        except Exception as error:
            self.faults[rule.id, path] = _fault(rule, path, error)
        return []

    def _answer(
        self, rule: Rule, path: str, value: Any, subject: Callable[[], Any], arguments: dict[str, Any]
    ) -> list[Finding]:
        """What the rule says of a subject, which is made only if the rule has not been asked about `value` yet."""
        values = (value, *(value for value in arguments.values() if not isinstance(value, Options)))
        known = self.answers.get((rule.id, path))
        if known is not None and all(a is b for a, b in zip(known[0], values, strict=True)):
            return known[1]
        findings = list(rule.check(subject(), **arguments))
        self.answers[rule.id, path] = (values, findings)
        return findings

    def ahead(self, rules: Sequence[Rule], repository: Repository) -> None:
        """Asks the rules about single documents in several processes, where there are many documents."""
        single = [rule for rule in rules if not _is_fact(_signature(rule.check)[0][1])]
        paths = sorted({path for rule in single for path in repository.paths_of(_signature(rule.check)[0][1])})
        processes = min(os.cpu_count() or 1, len(paths) // DOCUMENTS_PER_PROCESS)
        if processes < 2 or not hasattr(os, "fork"):
            return
        facts: dict[str, list[Any]] = {}  # once, before the processes part
        for rule in single:
            kinds = [kind for _, kind, _ in _signature(rule.check)[1:] if kind is not Options]
            with suppress(Exception):  # the fault is named when the rule is asked in its turn
                facts[rule.id] = [repository.fact(kind) for kind in kinds]
        single = [rule for rule in single if rule.id in facts]
        # Forked processes inherit the repository, the rules and the options; only findings come back.
        global _inherited
        _inherited = (self, single, repository)
        shares = [frozenset(paths[number::processes]) for number in range(processes)]
        with _pool(processes) as pool:
            for answers, problems, faults in pool.map(_asked_about, shares):
                self.problems |= problems
                self.faults |= faults
                for (rule_id, path), findings in answers.items():
                    self.answers[rule_id, path] = ((repository.read(path), *facts[rule_id]), findings)
        _inherited = None


_Answers = dict[tuple[str, str], list[Finding]]
_inherited: tuple[_Asked, list[Rule], Repository] | None = None


def _asked_about(
    share: frozenset[str],
) -> tuple[_Answers, dict[str, FileError], dict[tuple[str, str], Fault]]:
    """What a forked process does: its share of the documents, for every rule about single documents."""
    assert _inherited is not None
    asked, rules, repository = _inherited
    for rule in rules:
        for _ in asked._asked(rule, repository.restricted_to(share)):
            pass
    answers = {key: findings for key, (_, findings) in asked.answers.items() if key[1]}
    return answers, asked.problems, asked.faults


def _pool(processes: int) -> ProcessPoolExecutor:
    """Processes that inherit everything. Imported late: most repositories are small."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    return ProcessPoolExecutor(processes, get_context("fork"))


def _is_fact(kind: Any) -> bool:
    return callable(getattr(kind, "detect", None))


def _fault(rule: Rule, path: str, error: Exception) -> Fault:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return Fault(
        rule.id, path, f"{type(error).__name__}: {error} ({PurePosixPath(where.filename).name}:{where.lineno})"
    )


def _by_place(reported: Reported) -> tuple[str, int, str]:
    return reported.finding.path, reported.finding.span.start, reported.rule.id


# -- the fold -----------------------------------------------------------------------------------------------------


_Key = tuple[str, str, str, str, int]


class _Fold:
    def __init__(
        self,
        repository: Repository,
        rules: Sequence[Rule],
        asked: _Asked,
        accept: Accept | None,
        tiers: frozenset[Tier],
        answers: dict[_Key, bool],
    ) -> None:
        self.start = repository
        self.repository = repository
        self.rules = rules
        self.asked = asked
        self.accept = accept
        self.tiers = tiers
        self.taken: list[Reported] = []
        self.pieces: dict[str, list[Piece]] = {}
        self.executable: set[str] = set()
        self.answers = answers
        self.broken: dict[_Key, Fault] = {}
        self.refused: list[FileError] = []

    def run(self) -> dict[str, Fault]:
        """Folds to the fixpoint. Returns the rules that must be left out, with the reason; nobody: it is done."""
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
            if why and change.before is not None and second_reading(change.before):
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
        found = [r for rule in self.rules for r in self.asked.findings(rule, self.repository)]
        return tuple(sorted(found, key=_by_place))

    def changes(self) -> dict[str, FileChange]:
        found: dict[str, FileChange] = {}
        for path in sorted(self.pieces):
            before = self.start.read(path) if self.start.exists(path) else None
            after = self.repository.read(path)
            if before is None or before.text != after.text:
                pieces = tuple(self.pieces[path])
                found[path] = FileChange(path, before, after, pieces, path in self.executable)
        return found

    def _take_all(self, rule: Rule) -> str:
        """Takes the fixes of a rule; the path of one, or nothing."""
        moved = ""
        for _ in range(BATCHES):
            batch, deferred = self._batch(rule)
            batch = self._sound(batch)
            if not batch:
                break
            self._take(batch)
            moved = moved or batch[0].finding.path
            if not deferred:
                break
        return moved

    def _batch(self, rule: Rule) -> tuple[list[Reported], bool]:
        """The fixes that can be made at once, and whether others contend with them for the same text."""
        batch: list[Reported] = []
        edits: list[Edit] = []
        created: set[str] = set()
        deferred = False
        for reported in self.asked.findings(rule, self.repository):
            fix = reported.finding.cure
            if isinstance(fix, Blocked) or fix.tier not in self.tiers or self._key(reported) in self.broken:
                continue
            names = {file.path for file in fix.new_files}
            if names & created or _contend(edits, fix.edits):
                deferred = True
            elif self._accepted(reported):
                batch.append(reported)
                edits.extend(fix.edits)
                created |= names
        return batch, deferred

    def _sound(self, batch: list[Reported]) -> list[Reported]:
        """Those fixes that keep the promise; the others are remembered as broken."""
        try:
            self._changed(batch)
        except _BrokenPromiseError:
            sound: list[Reported] = []
            for reported in batch:
                try:
                    self._changed([reported])
                    sound.append(reported)
                except _BrokenPromiseError as broken:
                    key = self._key(reported)
                    self.broken[key] = Fault(reported.rule.id, broken.path, f"“{key[3]}”: {broken}")
            return sound if len(sound) < len(batch) else sound[:1]
        return batch

    def _changed(self, batch: list[Reported]) -> dict[str, Source]:
        """What the files become; raises where the fixes do not do what they say."""
        return self._edited(_edits(batch)) | self._created([f for r in batch for f in _fix(r).new_files])

    def _key(self, reported: Reported) -> _Key:
        """What makes two findings of two passes the same one: its words, and its place in the file as it was."""
        finding = reported.finding
        title = getattr(finding.cure, "title", "")
        place = _original(self.pieces.get(finding.path, ()), finding.span.start)
        return reported.rule.id, finding.path, finding.message, title, place

    def _accepted(self, reported: Reported) -> bool:
        if self.accept is None:
            return True
        key = self._key(reported)
        if key not in self.answers:
            self.answers[key] = self.accept(reported, self.repository)
        return self.answers[key]

    def _take(self, batch: list[Reported]) -> None:
        changed = self._changed(batch)
        first = len(self.taken)
        owned = [(edit, first + n) for n, reported in enumerate(batch) for edit in _fix(reported).edits]
        for path in sorted({edit.path for edit, _ in owned}):
            pieces = self.pieces.get(path) or [Piece(self.repository.read(path).text)]
            self.pieces[path] = _spliced(pieces, [(edit, owner) for edit, owner in owned if edit.path == path])
        for number, reported in enumerate(batch):
            for file in _fix(reported).new_files:
                self.pieces[file.path] = [Piece(file.text, first + number)]
                self.executable |= {file.path} if file.executable else set()
        self.taken.extend(batch)
        self.repository = self.repository.with_changes(changed)

    def _edited(self, edits: list[Edit]) -> dict[str, Source]:
        changed: dict[str, Source] = {}
        for path in sorted({edit.path for edit in edits}):
            here = [edit for edit in edits if edit.path == path]
            try:
                document = self.repository.document(path)
            except FileError as problem:
                raise _BrokenPromiseError(path, f"it edits a file that cannot be edited: {problem.reason}") from None
            if document is None:
                raise _BrokenPromiseError(path, "it edits a file of a kind that fhfix does not read")
            try:
                source = Source(path, splice(document.source.text, here), document.source.bom)
            except ValueError as error:
                raise _BrokenPromiseError(path, str(error)) from None
            if source.text == document.source.text:
                raise _BrokenPromiseError(path, "its edits change nothing")
            why = broken_promise(document, here, source)
            if why:
                raise _BrokenPromiseError(path, why)
            changed[path] = source
        return changed

    def _created(self, files: list[NewFile]) -> dict[str, Source]:
        changed: dict[str, Source] = {}
        for file in files:
            if self.repository.exists(file.path) or (self.start.root / file.path).exists():
                raise _BrokenPromiseError(file.path, "it would overwrite a file")
            source = Source(file.path, file.text)
            kind = kind_of(file.path)
            if kind:
                try:
                    document_type(kind).parse(source)
                except FileError as problem:
                    raise _BrokenPromiseError(file.path, f"the new file cannot be read: {problem.reason}") from None
            changed[file.path] = source
        return changed


class _BrokenPromiseError(Exception):
    def __init__(self, path: str, why: str) -> None:
        super().__init__(why)
        self.path = path


def _second_readings(sources: Sequence[Source]) -> list[str]:
    processes = min(os.cpu_count() or 1, len(sources) // CHANGES_PER_PROCESS)
    if processes < 2 or not hasattr(os, "fork"):
        return [second_reading(source) for source in sources]
    with _pool(processes) as pool:
        return list(pool.map(second_reading, sources, chunksize=4))


def _contend(taken: Sequence[Edit], wanted: Sequence[Edit]) -> bool:
    """Whether edits of two fixes touch the same text, insert at the same place, or set the same value."""
    for path in {edit.path for edit in wanted}:
        here = [edit for edit in taken if edit.path == path]
        mine = [edit for edit in wanted if edit.path == path]
        if overlap([*here, *mine]):
            return True
        places = {(edit.span.start, edit.span.end) for edit in here}
        if any((edit.span.start, edit.span.end) in places for edit in mine):
            return True
        values = {change.at for edit in here for change in edit.changes if change.op == "set"}
        if any(change.at in values for edit in mine for change in edit.changes):
            return True
    return False


def _fix(reported: Reported) -> Fix:
    assert isinstance(reported.finding.cure, Fix)
    return reported.finding.cure


def _edits(batch: Iterable[Reported]) -> list[Edit]:
    return [edit for reported in batch for edit in _fix(reported).edits]


def _spliced(pieces: list[Piece], edits: list[tuple[Edit, int]]) -> list[Piece]:
    """The same edits on the pieces of a file, so that every changed range knows which fix made it."""
    owners = {id(edit): owner for edit, owner in edits}
    for edit in reversed(ordered(edit for edit, _ in edits)):
        before, rest = _split(pieces, edit.span.start)
        gone, after = _split(rest, edit.span.end - edit.span.start)
        removed = "".join(p.removed + (p.text if p.origin is None else "") for p in gone)
        pieces = [*before, Piece(edit.text, owners[id(edit)], removed), *after]
    return pieces


def _original(pieces: Iterable[Piece], offset: int) -> int:
    """Where in the original text an offset of the changed text lies; for text of a fix, where the fix stands."""
    at = 0
    for piece in pieces:
        if offset < len(piece.text):
            return at + offset if piece.origin is None else at
        offset -= len(piece.text)
        at += len(piece.text) if piece.origin is None else len(piece.removed)
    return at + offset


def _split(pieces: list[Piece], offset: int) -> tuple[list[Piece], list[Piece]]:
    """Pieces before and from an offset; one that holds it is cut in two."""
    before: list[Piece] = []
    for number, piece in enumerate(pieces):
        if offset < len(piece.text) or (offset == 0 and not piece.text):
            if offset == 0:
                return before, pieces[number:]
            head = Piece(piece.text[:offset], piece.origin, piece.removed)
            tail = Piece(piece.text[offset:], piece.origin)
            return [*before, head], [tail, *pieces[number + 1 :]]
        before.append(piece)
        offset -= len(piece.text)
    return before, []
