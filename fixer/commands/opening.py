"""What every command that looks at a repository does first: find it, read its configuration, choose the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fixer import engine, writing
from fixer.commands.completion import rule_names
from fixer.commands.waiting import sign_of_life
from fixer.config import Config, ConfigError, Filter, load_config
from fixer.ignores import Baseline, ChangedSince
from fixer.model import FileError, Plan, Report, Rule, Tier
from fixer.registry import all_rules
from fixer.repository import Repository, find_root
from fixer.show.output import Refusal, say
from fixer.show.visible import visible

if TYPE_CHECKING:
    from fixer.audit.criteria import Criterion


def _separate(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for names in given for name in names.split(","))


OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.argument("path", type=click.Path(path_type=Path), default=Path()),
    click.option(
        "--select",
        multiple=True,
        metavar="RULE,…",
        callback=_separate,
        shell_complete=rule_names,
        help="Only these: rule ids, packs, or D-009.5; repeatable.",
    ),
    click.option(
        "--ignore",
        multiple=True,
        metavar="RULE,…",
        callback=_separate,
        shell_complete=rule_names,
        help="All but these; repeatable.",
    ),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave files alone (.gitignore patterns)."),
    click.option(
        "--set", "settings", multiple=True, metavar="rules.ID.NAME=VALUE", help="A rule's option; repeatable."
    ),
    click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Instead of the repository's own."),
    click.option("--baseline", type=click.Path(path_type=Path, dir_okay=False), help="Leave known findings out."),
    click.option("--changed-since", metavar="REV", help="Only findings on lines that differ from a git revision."),
)


def repository_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The path and the options that say which rules look at what; they arrive as one `opened`."""

    @click.pass_context
    def opening(context: click.Context, /, **values: Any) -> Any:
        names = ("path", "select", "ignore", "exclude", "settings", "config", "baseline", "changed_since")
        given = {name: values.pop(name) for name in names}
        writes = not values.get("dry_run", True)  # only `apply` has that option
        opened = open_repository(**given, safe=values.get("safe", False), writes=writes)
        return context.invoke(function, opened=opened, **values)

    opening.__doc__ = function.__doc__
    opening.__name__ = function.__name__
    # click collects parameters from the bottom up.
    opening.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    for option in reversed(OPTIONS):
        option(opening)
    return opening


@dataclass(frozen=True)
class Opened:
    """A repository, the rules that were chosen for it, and its configuration."""

    repository: Repository
    rules: tuple[Rule, ...]
    config: Config

    def check(self) -> Report:
        with sign_of_life("looking for findings"):
            found = engine.check(
                self.repository,
                self.rules,
                options=self.config.options_for,
                wanted=self.config.wants,
                left_alone=self.config.leaves_alone,
            )
        return Report(found.findings, found.faults, self._worth_saying(found.problems))

    def plan(self, accept: engine.Accept | None = None) -> Plan:
        # A question and a sign of life would write over each other.
        with sign_of_life("planning fixes") if accept is None else nullcontext():
            made = engine.plan(
                self.repository,
                self.rules,
                options=self.config.options_for,
                wanted=self.config.wants,
                left_alone=self.config.leaves_alone,
                accept=accept,
                tiers=self.config.tiers,
            )
        return Plan(made.files, made.taken, made.left, made.faults, self._worth_saying(made.problems))

    def after(self, plan: Plan) -> Repository:
        """The repository as it is when the plan is carried out."""
        return self.repository.with_changes({path: change.after for path, change in plan.files.items()})

    def criteria(self, plan: Plan | None = None) -> list[Criterion]:
        """Which criteria hold now, or once a plan is carried out, in the whole repository: a tick must not come from
        a path, an exclusion, a baseline or a comment that leaves findings out."""
        from fixer.audit.criteria import criteria

        whole = Repository(self.repository.root) if self.repository.only else self.repository
        if plan is not None:
            whole = whole.with_changes({path: change.after for path, change in plan.files.items()})
        with sign_of_life("looking at the criteria"):
            found = engine.check(whole, self.rules, options=self.config.options_for)
        return criteria(self.rules, whole, found)

    def _worth_saying(self, problems: Iterable[FileError]) -> tuple[FileError, ...]:
        return tuple(problem for problem in problems if not self.config.excludes(problem.path))


def open_repository(
    path: Path,
    select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    settings: tuple[str, ...] = (),
    config: Path | None = None,
    baseline: Path | None = None,
    changed_since: str | None = None,
    safe: bool = False,
    writes: bool = False,
) -> Opened:
    """Raises click's usage errors, exit code 2, for whatever does not exist or is mistyped."""
    repository = repository_at(path)
    whole_again(repository.root, writes=writes)
    rules = all_rules()
    try:
        _ = repository.files  # where git refuses to say which they are, nothing can be done
        filters: list[Filter] = []
        if baseline is not None:
            filters.append(Baseline.load(baseline.resolve(), repository.root))
        if changed_since is not None:
            filters.append(ChangedSince.of(repository.root, changed_since))
        chosen = load_config(repository.root, config.resolve() if config else None, rules).with_command_line(
            rules,
            select=select,
            ignore=ignore,
            exclude=exclude,
            options=settings,
            tier=Tier.SAFE if safe else None,
            filters=filters,
        )
    except ConfigError as error:
        raise click.UsageError("\n".join(map(visible, error.errors))) from None
    except FileError as error:
        raise click.UsageError(visible(str(error))) from None
    return Opened(repository, tuple(rule for rule in rules if chosen.selects(rule)), chosen)


def whole_again(root: Path, *, writes: bool) -> None:
    """After an apply or undo that was cut short the tree holds files from before and after: said before anything of
    it is looked at, and put right by a command that writes."""
    if not writing.interrupted(root):
        return
    if not writes:
        say("an earlier run was cut short, and this shows the files in between; run fhfix apply or undo")
        return
    try:
        recovery = writing.recover(root)
    except writing.WriteError as error:
        raise Refusal(*error.lines) from None
    if recovery is not None:
        say(str(recovery))


def repository_at(path: Path) -> Repository:
    """The repository that holds `path`; rules look only at what is below `path`."""
    try:
        full = path.resolve(strict=True)
    except OSError:
        raise click.BadParameter(f"{path}: no such file or folder", param_hint="PATH") from None
    root = find_root(full)
    return Repository(root, only="" if full == root else full.relative_to(root).as_posix())


def say_problems(made: Report | Plan) -> None:
    """One line each on stderr: what could not be handled, and what to do."""
    for problem in made.problems:
        say(f"not handled: {problem}")
    for fault in made.faults:
        where = f"{fault.path}: " if fault.path else ""
        say(f"FAULT in {fault.rule_id}: {where}{fault.what}; its work was dropped, please report this")


def exit_code(made: Report | Plan, *, found: bool, zero: bool = False) -> int:
    """3 for a fault of fhfix, 1 for what is left (0 where that was asked for), else 0."""
    return 3 if made.faults else 1 if (found or made.problems) and not zero else 0


exit_zero = click.option("--exit-zero", "zero", is_flag=True, help="Exit 0 although something is left.")
