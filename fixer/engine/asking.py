"""Asks rules: what a check wants by the types of its parameters, each only once about the same values."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, TypeVar

from fixer.budget import DOCUMENT, DOCUMENT_IN_ALL, REPOSITORY, OutOfTime, limited
from fixer.documents import document_type, kind_of
from fixer.engine.processes import in_processes
from fixer.model import (
    Asked,
    Blocked,
    Document,
    Fault,
    FileError,
    Finding,
    Fix,
    NewFile,
    Reported,
    Rule,
    RuleOptions,
    Source,
)
from fixer.repository import Repository
from fixer.verify import rejected, rejected_file

T = TypeVar("T")

DOCUMENTS_PER_PROCESS = 250
"""How many documents make a process of their own worth its start, which costs as much as about a hundred of them."""

REFUSALS = 8
"""How many files are left out because a fact cannot be had with them, before the rules that ask for it are named."""

TOO_MUCH = (OutOfTime, RecursionError, MemoryError)
"""What a file can cause that no rule is to blame for."""

OptionsFor = Callable[[Rule], RuleOptions]
Wanted = Callable[[Reported, Source], bool]
LeftAlone = Callable[[Rule, Source], bool]


def default_options(rule: Rule) -> RuleOptions:
    return rule.options_type()


def everything(reported: Reported, source: Source) -> bool:
    return True


def nothing(rule: Rule, source: Source) -> bool:
    return False


@dataclass
class Asking:
    """What rules answered. A check is a pure function, so it is not asked twice about the same values."""

    options: OptionsFor
    wanted: Wanted
    left_alone: LeftAlone
    faults: dict[tuple[str, str], Fault] = field(default_factory=dict)
    problems: dict[str, FileError] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[tuple[Any, ...], list[Finding]]] = field(default_factory=dict)
    new: dict[NewFile, Document | FileError | None] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    latest: dict[str, tuple[Repository, int, list[Reported]]] = field(default_factory=dict)
    """What each rule said last: of which repository, and how many files were given up by then."""

    def problems_by_path(self) -> tuple[FileError, ...]:
        return tuple(self.problems[path] for path in sorted(self.problems))

    def all_findings(self, rules: Sequence[Rule], repository: Repository) -> list[list[Reported]]:
        """What each of these rules finds. A rule about what the run itself tells is asked last: the findings of the
        others are a part of it."""
        reported: dict[str, list[Reported]] = {}
        given_up = self._given_up()
        about_the_run = [rule for rule in rules if any(map(rule.asks_for, repository.told_of))]
        others = [rule for rule in rules if rule not in about_the_run]
        for group in (others, *([rule] for rule in about_the_run)):
            found = [list(self._asked(rule, repository)) for rule in group]
            repository.ignored(path for findings in found for path in _new_paths(findings))  # git is asked once for all
            for rule, findings in zip(group, found, strict=True):
                reported[rule.id] = self._reported(rule, findings, repository)
                self.latest[rule.id] = repository, given_up, reported[rule.id]
            if any(rule.subject.is_fact for rule in group):
                self.problems |= {problem.path: problem for problem in repository.unreadable}
        return [reported[rule.id] for rule in rules]

    def findings(self, rule: Rule, repository: Repository) -> Sequence[Reported]:
        """What one rule finds; it is not asked again about the very repository that it was asked about last."""
        if (latest := self.latest.get(rule.id)) is not None:
            asked, given_up, found = latest
            if asked is repository and given_up == self._given_up():
                return found
        (found,) = self.all_findings([rule], repository)
        return found

    def _given_up(self) -> int:
        """How many files no rule is asked about any more."""
        return sum(isinstance(problem, TooMuchError) for problem in self.problems.values())

    def _reported(self, rule: Rule, findings: Iterable[Finding], repository: Repository) -> list[Reported]:
        found: list[Reported] = []
        for finding in findings:
            try:
                with limited(DOCUMENT):
                    reported = Reported(rule, self._within_bounds(rule, finding, repository))
                    if self._counts(reported, repository):
                        found.append(reported)
            except TOO_MUCH as error:
                self.problems[finding.path] = too_much(finding.path, error)
        return found

    def _counts(self, reported: Reported, repository: Repository) -> bool:
        path = reported.finding.path
        try:
            return repository.in_scope(path) and self.wanted(reported, repository.read(path))
        except FileError:
            return repository.in_scope(path)

    def _within_bounds(self, rule: Rule, finding: Finding, repository: Repository) -> Finding:
        why = self._out_of_bounds(rule, finding.cure, repository) if isinstance(finding.cure, Fix) else None
        return finding if why is None else replace(finding, cure=why)

    def _out_of_bounds(self, rule: Rule, fix: Fix, repository: Repository) -> Blocked | None:
        """Why a fix may not be made here: for a file that it changes or adds."""
        for path in fix.paths:
            if not repository.in_scope(path):
                return Blocked(f"its fix also changes {path}, outside of {repository.only}", "run it on the repository")
            there = repository.exists(path)
            try:
                source = repository.read(path) if there else Source(path, "")
                _ = repository.document(path) if there else None
            except FileError as problem:
                return Blocked(f"its fix also changes {path}, which is not handled: {problem.reason}", problem.advice)
            if self.left_alone(rule, source):
                return Blocked(
                    f"its fix also changes {path}, which is excluded", "include that file, or fix it by hand"
                )
        for file in fix.new_files:
            if not repository.exists(file.path) and os.path.lexists(repository.root / file.path):
                return Blocked(
                    f"{file.path} is there, and was not when fhfix looked which files there are", "run fhfix again"
                )
            if repository.ignored([file.path]):
                return Blocked(
                    f"git ignores {file.path}, so it would be in no commit",
                    f"stop ignoring it: `git check-ignore -v {file.path}` says where that stands",
                )
        return self._rejected(fix, repository)

    def _rejected(self, fix: Fix, repository: Repository) -> Blocked | None:
        """Why GitHub would not take what a fix writes."""
        reasons: list[str] = []
        for path in dict.fromkeys(edit.path for edit in fix.edits):
            document = repository.document(path)
            if document is not None:
                reasons.append(rejected(document, [edit for edit in fix.edits if edit.path == path]))
        for file in fix.new_files:
            with suppress(FileError):  # it is named when the fix is made
                if (new := self.document_of(file)) is not None:
                    reasons.append(rejected_file(new))
        why = next(filter(None, reasons), "")
        return Blocked(why, "write by hand what it stands for, then run fhfix again") if why else None

    def document_of(self, file: NewFile) -> Document | None:
        """A file that a fix adds, read; None for a kind that is not read. Raises FileError, the same one each time."""
        if file not in self.new:
            kind = kind_of(file.path)
            try:
                self.new[file] = document_type(kind).parse(file.source) if kind else None
            except FileError as error:
                self.new[file] = error
        found = self.new[file]
        if isinstance(found, FileError):
            raise found
        return found

    def _asked(self, rule: Rule, repository: Repository) -> Iterator[Finding]:
        path = ""
        try:
            subject = rule.subject
            arguments = self._arguments(rule, repository)
            if arguments is None:
                return
            if subject.is_fact:
                fact = arguments.pop(subject.name)
                with limited(REPOSITORY):
                    answer = self._answer(rule, "", fact, lambda: fact, arguments)
                yield from answer
                return
            for path in repository.paths_of(subject.kind):
                if path not in self.problems:
                    yield from self._of_document(rule, path, repository, arguments)
        except TOO_MUCH as error:
            # Whatever was asked for last is what keeps the facts busy, or nests too deeply for them.
            path = repository.asked_for
            self.problems[path] = too_much(path, error)
        except Exception as error:  # a rule must not take the others down with it
            self.faults[rule.id, path] = _fault(rule, path, error)

    def _arguments(self, rule: Rule, repository: Repository) -> dict[str, Any] | None:
        """What a check is called with besides documents; None where there is nothing that it would be asked about."""
        arguments: dict[str, Any] = {}
        for asked in _in_turn(rule, repository):
            value = self.options(rule) if asked.is_options else repository.fact(asked.kind)
            if value is None and not asked.optional:
                return None
            arguments[asked.name] = value
        return arguments if arguments or any(repository.paths_of(rule.subject.kind)) else None

    def _of_document(self, rule: Rule, path: str, repository: Repository, arguments: dict[str, Any]) -> list[Finding]:
        started = time.process_time()
        try:
            if self.spent[path] > DOCUMENT_IN_ALL:
                raise OutOfTime
            with limited(DOCUMENT):
                return self._answer(rule, path, repository.read(path), lambda: repository.document(path), arguments)
        except FileError as problem:
            self.problems[path] = problem
        except TOO_MUCH as error:
            self.problems[path] = too_much(path, error)
        except Exception as error:
            self.faults[rule.id, path] = _fault(rule, path, error)
        finally:
            self.spent[path] += time.process_time() - started
        return []

    def _answer(
        self, rule: Rule, path: str, value: Any, subject: Callable[[], Any], arguments: dict[str, Any]
    ) -> list[Finding]:
        """What the rule says of a subject, which is made only if the rule has not been asked about `value` yet."""
        values = (value, *(value for value in arguments.values() if not isinstance(value, RuleOptions)))
        known = self.answers.get((rule.id, path))
        if known is not None and all(a is b for a, b in zip(known[0], values, strict=True)):
            return known[1]
        findings = list(rule.check(subject(), **arguments))
        self.answers[rule.id, path] = (values, findings)
        return findings

    def settled(self, rules: Sequence[Rule], repository: Repository) -> Repository:
        """The repository without the files that keep its facts busy for too long, or nest too deeply for them."""
        known: dict[type[Any], Any] = {}
        for rule in rules:
            for asked in _in_turn(rule, repository):
                if asked.is_fact and asked.kind not in known:
                    known[asked.kind], repository = self._settled(asked.kind, repository)
                if asked.is_fact and known[asked.kind] is None and not asked.optional:
                    break
        return repository

    def _settled(self, kind: type[Any], repository: Repository) -> tuple[Any, Repository]:
        """A fact, and the repository without the files that it could not be had with."""
        fact = None
        with suppress(Exception):  # it is named when a rule is asked that wants this fact
            fact = within_bounds(lambda there: there.fact(kind), repository, self.problems)
        return fact, without_the_costly(repository, self.problems.values())

    def ahead(self, rules: Sequence[Rule], repository: Repository) -> None:
        """Asks the rules about single documents in several processes, where there are many documents."""
        single = [rule for rule in rules if not rule.subject.is_fact]
        paths = sorted({path for rule in single for path in repository.paths_of(rule.subject.kind)})
        processes = min(os.cpu_count() or 1, len(paths) // DOCUMENTS_PER_PROCESS)
        if processes < 2 or not hasattr(os, "fork"):
            return
        facts: dict[str, list[Any]] = {}  # once, before the processes part
        for rule in single:
            with suppress(Exception):  # the fault is named when the rule is asked in its turn
                arguments = self._arguments(rule, repository) or {}
                facts[rule.id] = [value for value in arguments.values() if not isinstance(value, RuleOptions)]
                _ = rule.check  # imported once for all of them
        single = [rule for rule in single if rule.id in facts]

        def ask(share: frozenset[str]) -> tuple[_Answers, dict[str, FileError], dict[tuple[str, str], Fault]]:
            """What each process does: its share of the documents, for every rule about single documents."""
            part = repository.restricted_to(share)
            for rule in single:
                for _ in self._asked(rule, part):
                    pass
            answers = {key: findings for key, (_, findings) in self.answers.items() if key[1]}
            return answers, self.problems, self.faults

        own, *others = [frozenset(paths[number::processes]) for number in range(processes)]
        for said in in_processes(ask, others, meanwhile=lambda: ask(own)):
            if said is None:
                continue  # its process died: the rules are asked once more, in their turn
            answers, problems, faults = said
            self.problems |= problems
            self.faults |= faults
            for (rule_id, path), findings in answers.items():
                self.answers[rule_id, path] = ((repository.read(path), *facts[rule_id]), findings)


_Answers = dict[tuple[str, str], list[Finding]]


class TooMuchError(FileError):
    """A file that uses up what one file may have."""


def too_much(path: str, error: BaseException) -> TooMuchError:
    """What is wrong with such a file."""
    if isinstance(error, OutOfTime):
        return TooMuchError(path, "takes too long to be read", "exclude it")
    what = "too large" if isinstance(error, MemoryError) else "nested too deeply"
    return TooMuchError(path, what, "exclude it")


def within_bounds(what: Callable[[Repository], T], repository: Repository, problems: dict[str, FileError]) -> T:
    """What a repository says; `problems` are told of the files that it must be without for that, since they take too
    long or nest too deeply. Raises FileError where it cannot be had, whatever is left out."""
    for _ in range(REFUSALS):
        try:
            with limited(REPOSITORY):
                return what(repository)
        except TOO_MUCH as error:
            problem = too_much(repository.asked_for, error)
        if problem.path in problems or not repository.exists(problem.path):
            break
        problems[problem.path] = problem
        repository = repository.without(problem)
    raise problem


def without_the_costly(repository: Repository, problems: Iterable[FileError]) -> Repository:
    """The repository without the files that were given up: nobody tries them again."""
    for problem in problems:
        if isinstance(problem, TooMuchError) and repository.exists(problem.path):
            with suppress(FileError):  # it is given up already
                repository = repository.without(problem)
    return repository


def _in_turn(rule: Rule, repository: Repository) -> tuple[Asked, ...]:
    """What a check asks for besides documents, nothing where there is no such document. A fact is asked for only if
    those before it are there: most repositories have no use for most facts. The options come last, since they stand in
    the rule's own module, which is imported only where it is asked."""
    if rule.subject.is_fact:
        return tuple(sorted(rule.asks, key=_is_options))
    there = next(repository.paths_of(rule.subject.kind), None) is not None
    return tuple(sorted(rule.asks[1:], key=_is_options)) if there else ()


def _is_options(asked: Asked) -> bool:
    return asked.is_options


def _new_paths(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        if isinstance(finding.cure, Fix):
            yield from (file.path for file in finding.cure.new_files)


def applies(rule: Rule, repository: Repository, options: RuleOptions) -> bool | Fault:
    """Whether there is anything to judge in what a rule looks at."""
    judges, asks = rule.applies, rule.asks_whether
    if judges is None:
        return True
    return _answered(rule, repository, lambda: any(judges(**given) for given in _given(asks, repository, options)))


def partly(rule: Rule, repository: Repository, options: RuleOptions) -> str | Fault:
    """What of a rule's criterion is so although it finds something; empty where nothing is."""
    tells, asks = rule.partly, rule.asks_what_holds
    if tells is None:
        return ""
    return _answered(
        rule,
        repository,
        lambda: next((said for given in _given(asks, repository, options) if (said := tells(**given))), ""),
    )


def _answered(rule: Rule, repository: Repository, question: Callable[[], T]) -> T | Fault:
    try:
        with limited(REPOSITORY):
            return question()
    except TOO_MUCH as error:
        problem = too_much(repository.asked_for, error)
        return Fault(rule.id, problem.path, problem.reason)
    except Exception as error:  # a rule must not take the others down with it
        return _fault(rule, "", error)


def _given(asks: tuple[Asked, ...], repository: Repository, options: RuleOptions) -> Iterator[dict[str, Any]]:
    """The arguments of a question; once for each document where it is about one kind of them."""
    facts = {asked.name: repository.fact(asked.kind) for asked in asks if asked.is_fact}
    if any(facts[asked.name] is None for asked in asks if asked.is_fact and not asked.optional):
        return
    subject = asks[0]
    given = {**facts, **{asked.name: options for asked in asks if asked.is_options}}
    if subject.is_fact:
        yield given
        return
    for document in repository.documents(subject.kind):
        if repository.in_scope(document.source.path):
            yield {subject.name: document, **given}


def _fault(rule: Rule, path: str, error: Exception) -> Fault:
    import traceback

    if isinstance(error.__cause__, KeyboardInterrupt):
        raise error.__cause__  # a signal: Python 3.11 wraps what is raised in a `__set_name__`, while a class is made
    where = traceback.extract_tb(error.__traceback__)[-1]
    return Fault(
        rule.id, path, f"{type(error).__name__}: {error} ({PurePosixPath(where.filename).name}:{where.lineno})"
    )


def by_place(reported: Reported) -> tuple[str, int, str]:
    return reported.finding.path, reported.finding.span.start, reported.rule.id
