"""Asks the rules (`check`), and folds their fixes to a fixpoint (`plan`)."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.engine.asking import (
    Asking,
    LeftAlone,
    OptionsFor,
    Wanted,
    applies,
    by_place,
    default_options,
    everything,
    nothing,
    partly,
)
from fixer.engine.fold import PASSES, Accept, Fold, Key
from fixer.engine.known import named
from fixer.model import Fault, Plan, Report, Reported, Rule, Tier
from fixer.repository import Repository

__all__ = [
    "PASSES", "Accept", "LeftAlone", "OptionsFor", "Wanted", "applies", "check",
    "default_options", "partly", "plan",
]  # fmt: skip


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
    asked = Asking(options, wanted, left_alone)
    repository = asked.settled(rules, repository)
    asked.ahead(rules, repository)
    findings = sorted(_found(asked, rules, repository), key=by_place)
    return Report(tuple(findings), tuple(asked.faults.values()), asked.problems_by_path())


def _found(asked: Asking, rules: Sequence[Rule], repository: Repository) -> list[Reported]:
    return [reported for found in asked.all_findings(rules, repository) for reported in named(found)]


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
    """Everything that an apply would do, which answers each finding of a check. Reads the disk, and writes nothing.

    `accept` is asked once for each fix; a fix that it refuses is left. Rules that lie, crash or never come to an
    end are named in `faults`, and nothing of their work remains.
    """
    excluded: dict[str, Fault] = {}
    asked = Asking(options, wanted, left_alone)
    repository = asked.settled(rules, repository)
    asked.ahead(rules, repository)
    answers: dict[Key, bool] = {}
    while True:
        remaining = [rule for rule in rules if rule.id not in excluded]
        start = _found(asked, remaining, repository)
        folded = Fold(repository, remaining, asked, accept, tiers, answers, start)
        offenders = folded.run()
        for problem in folded.refused:
            asked.problems[problem.path] = problem
            repository = repository.refusing(problem)
        if not offenders and not folded.refused:
            left, along = folded.left(), folded.along()
            faults = (*excluded.values(), *folded.faults())
            problems = folded.asked.problems_by_path()
            return Plan(folded.changes(), tuple(folded.taken), left, faults, problems, folded.needs, along)
        excluded.update(offenders)
