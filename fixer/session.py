"""A repository opened: its configuration read, its rules chosen; then checked, planned, judged.

What the commands, and whatever else uses fhfix as a library, stand on. It prints nothing and ends no process.

    session = open_session(Path("shop"), select=["ci"])
    plan = session.plan()
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fixer import engine
from fixer.config import Config, ConfigError, Filter, load_config, together
from fixer.documents import KINDS, kind_of, word_of
from fixer.engine.asking import TooMuchError, within_bounds, without_the_costly
from fixer.ignores import Baseline, ChangedSince
from fixer.model import Coverage, FileError, Level, Plan, Profile, Report, Reported, Rule, Source, Tier, listed
from fixer.records import record
from fixer.registry import all_rules
from fixer.repository import Repository, find_root
from fixer.silence import Silence

if TYPE_CHECKING:
    from fixer.audit.criteria import Criterion

R = TypeVar("R")

Waiting = Callable[[str], AbstractContextManager[object]]
"""What surrounds work that takes time, called with what is being done: a sign of life, say."""


class SessionError(Exception):
    """Why a repository cannot be opened as it was asked for: one line for each thing that is wrong."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


class NoSuchPathError(SessionError):
    """There is no file or folder to open."""


def _silent(what: str) -> AbstractContextManager[object]:
    return nullcontext()


@record
class Session:
    """A repository, the rules that were chosen for it, and its configuration."""

    repository: Repository
    rules: tuple[Rule, ...]
    config: Config
    waiting: Waiting = _silent
    given_up: dict[str, FileError] = field(default_factory=dict)
    """The files that have taken too long: nobody tries them again."""

    def ask(self, what: Callable[[Repository], R], plan: Plan | None = None) -> R:
        """What the repository says beside its findings, now or once a plan is carried out. Raises FileError where it
        takes too long, whatever is left out."""
        return within_bounds(what, self._as_of(plan), self.given_up)

    def _as_of(self, plan: Plan | None) -> Repository:
        """Now, or once a plan is carried out; in both without what has taken too long."""
        handled = without_the_costly(self.repository, self.given_up.values())
        return handled if plan is None else handled.with_changes({p: each.after for p, each in plan.files.items()})

    def _gives_up(self, problems: Iterable[FileError]) -> None:
        self.given_up.update({each.path: each for each in problems if isinstance(each, TooMuchError)})

    def check(self) -> Report:
        with self.waiting("looking for findings"):
            silence = self._silence()
            found = engine.check(
                self.repository.told(silence),
                self._in_order(),
                options=self.config.options_for,
                wanted=self._wanted(silence),
                left_alone=self._left_alone(silence),
            )
        self._gives_up(found.problems)
        findings = together(found.findings, self.config)
        unknown = self._unknown_actions()
        problems = self._worth_saying((*found.problems, *self.given_up.values()))
        return Report(findings, found.faults, problems, self._coverage(problems, unknown))

    def plan(self, accept: engine.Accept | None = None) -> Plan:
        """Everything that an apply would do; `accept` is asked once for each fix."""
        # A question and a sign of life would write over each other.
        with self.waiting("planning fixes") if accept is None else nullcontext():
            silence = self._silence()
            made = engine.plan(
                self.repository.told(silence),
                self._in_order(),
                options=self.config.options_for,
                wanted=self._wanted(silence),
                left_alone=self._left_alone(silence),
                accept=accept,
                tiers=self.config.tiers,
            )
        self._gives_up(made.problems)
        left = together(made.left, self.config)
        return replace(made, left=left, problems=self._worth_saying(made.problems))

    def _in_order(self) -> list[Rule]:
        """Rules about what is silenced are asked when all others were."""
        return sorted(self.rules, key=lambda rule: rule.asks_for(Silence))

    def _silence(self) -> Silence:
        config = self.config
        baseline = next((each for each in config.filters if isinstance(each, Baseline)), None)
        idle = config.idle_patterns(self.repository)
        return Silence(all_rules(), self.rules, config.origin, config.patterns, idle, baseline)

    def _wanted(self, silence: Silence) -> engine.Wanted:
        def wanted(reported: Reported, source: Source) -> bool:
            silence.note(reported, source)
            return self.config.wants(reported, source)

        return wanted

    def _left_alone(self, silence: Silence) -> engine.LeftAlone:
        def left_alone(rule: Rule, source: Source) -> bool:
            silence.note_file(rule, source)
            return self.config.leaves_alone(rule, source)

        return left_alone

    def coverage(self, problems: Sequence[FileError] = ()) -> Coverage:
        """What has been looked at so far: by a check, or by a plan."""
        return self._coverage(problems, self._unknown_actions())

    def _coverage(self, problems: Sequence[FileError], unknown_actions: tuple[str, ...]) -> Coverage:
        paths = self.repository.looked_at()
        unread = {problem.path for problem in problems}
        kinds = Counter(word_of(path) for path in paths if path not in unread and not self.config.excludes(path))
        in_scope = self._in_scope() if self.config.exclude else ()
        excluded = sum(bool(kind_of(path)) for path in in_scope if self.config.excludes(path))
        left_out = self.repository.left_out | ({"excluded": excluded} if excluded else {})
        read = {word: kinds[word] for word in KINDS if kinds[word]}
        idle = self.config.asked_in_vain(self.repository)
        return Coverage(read, kinds[""], len(problems), left_out, unknown_actions, idle)

    def _in_scope(self) -> list[str]:
        return [path for path in self.repository.files if self.repository.in_scope(path)]

    def _unknown_actions(self) -> tuple[str, ...]:
        """The actions of which nothing is known, where their versions were to be judged."""
        if all(rule.id != "outdated-action" for rule in self.rules):
            return ()
        from fixer.github.catalog import Catalog
        from fixer.github.catalog.references import unknown_actions
        from fixer.github.workflow import Workflow

        def unknown(repository: Repository) -> tuple[str, ...]:
            documents = repository.documents(Workflow)
            return unknown_actions((each for each in documents if repository.in_scope(each.path)), Catalog.load())

        return self.ask(unknown)

    def again(self) -> Session:
        """The same with the files as they are on disk now."""
        there = self.repository
        return replace(self, repository=Repository(there.root, only=there.only, bring=there.bring), given_up={})

    def whole(self) -> Session:
        """The same for the whole repository, whatever path was named."""
        return replace(self, repository=Repository(self.repository.root)) if self.repository.only else self

    def with_settings(self, settings: Sequence[str]) -> Session:
        """The same with more options, `rules.<id>.<option>=<value>`. Raises SessionError for what is mistyped."""
        try:
            return replace(self, config=self.config.with_command_line(all_rules(), options=settings))
        except ConfigError as error:
            raise SessionError(error.errors) from None

    def after(self, plan: Plan) -> Repository:
        """The repository as it is when the plan is carried out."""
        return self._as_of(plan)

    def criteria(self, plan: Plan | None = None) -> list[Criterion]:
        """Which criteria hold now, or once a plan is carried out, in all that the session looks at: a tick must not
        come from an exclusion, a baseline or a comment that leaves findings out."""
        from fixer.audit.criteria import criteria

        silence = self._silence()
        whole = self._as_of(plan).told(silence)

        def noted(reported: Reported, source: Source) -> bool:
            silence.note(reported, source)
            return True

        with self.waiting("looking at the criteria"):
            found = engine.check(whole, self._in_order(), options=self.config.options_for, wanted=noted)
        return criteria(self.rules, whole, found, self.config.options_for)

    def _worth_saying(self, problems: Iterable[FileError]) -> tuple[FileError, ...]:
        found = {problem.path: problem for problem in (*self.repository.unlisted, *problems)}
        return tuple(found[path] for path in sorted(found) if not self.config.excludes(path))


def open_session(
    path: Path,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    exclude: Sequence[str] = (),
    settings: Sequence[str] = (),
    config: Path | None = None,
    baseline: Path | None = None,
    changed_since: str | None = None,
    tier: Tier | None = None,
    profile: Profile | None = None,
    min_severity: Level | None = None,
    waiting: Waiting = _silent,
    below: Mapping[str, Any] | None = None,
    bring: Callable[[str], None] | None = None,
) -> Session:
    """Opens the repository that holds `path`; the arguments are those of the command line.

    `settings` are `rules.<id>.<option>=<value>`. `below` is a table like that of a configuration file, and holds where
    the repository's own says nothing; `bring` is that of `Repository`. Raises SessionError for whatever does not exist
    or is mistyped.
    """
    repository = repository_at(path)
    if bring is not None:
        repository.bring = bring
    rules = all_rules()
    try:
        _ = repository.files  # where git refuses to say which they are, nothing can be done
        filters: list[Filter] = []
        if baseline is not None:
            filters.append(Baseline.load(baseline.resolve(), repository.root))
        if changed_since is not None:
            filters.append(ChangedSince.of(repository.root, changed_since))
        own = load_config(repository.root, config.resolve() if config else None, rules, below)
        chosen = own.with_command_line(
            rules,
            select=select,
            ignore=ignore,
            exclude=exclude,
            options=settings,
            tier=tier,
            profile=profile,
            min_severity=min_severity,
            filters=filters,
        )
    except ConfigError as error:
        raise SessionError(error.errors) from None
    except FileError as error:
        raise SessionError([str(error)]) from None
    why = _not_looked_at(repository, chosen)
    if why:
        raise SessionError([f"{path}: {why}"])
    return Session(repository, tuple(rule for rule in rules if chosen.selects(rule)), chosen, waiting)


def _not_looked_at(repository: Repository, chosen: Config) -> str:
    """Why nothing of what was named can be looked at, and what to do; empty where something can."""
    named = repository.only
    if not named:
        return ""
    paths = [path for path in repository.files if repository.in_scope(path)]
    if paths == [named] and not kind_of(named):
        return f"not a kind of file that fhfix reads; it reads {listed(f'{word}s' for word in KINDS)}"
    if paths and all(map(chosen.excludes, paths)):
        return "excluded; take the pattern out of `exclude` that names it"
    if paths:
        return ""
    if repository.why_left_out(f"{named}/"):
        return "vendored, so it is not looked at; run fhfix on what it is a copy of"
    if repository.ignored([named]):
        return f"git ignores it, so it is not looked at; `git check-ignore -v {named}` says where that stands"
    return ""


def repository_at(path: Path) -> Repository:
    """The repository that holds `path`; rules look only at what is below `path`."""
    try:
        full = path.resolve(strict=True)
    except OSError:
        raise NoSuchPathError([f"{path}: no such file or folder"]) from None
    root = find_root(full)
    return Repository(root, only="" if full == root else full.relative_to(root).as_posix())
