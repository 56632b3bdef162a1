"""A small plan and report, built by hand: two workflows and a Dockerfile with what a consumer of them must show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from fixer.model import (
    Blocked,
    Change,
    Edit,
    FileChange,
    Finding,
    Fix,
    Level,
    NewFile,
    Piece,
    Plan,
    Report,
    Reported,
    Rule,
    RuleOptions,
    Source,
    Span,
    Tier,
    option,
)

CI = """\
name: CI
on: push
jobs:
  lint:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v3  # the code
      - run: mypy . || true
      - run: ruff check .
"""
DEPLOY = """\
name: Deploy
on: workflow_dispatch
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - run: sleep 60
"""


def nothing(source: Source) -> Iterable[Finding]:
    return ()


class Majors(RuleOptions):
    policy: Literal["supported", "latest", "audit"] = option("supported", "which major to move to")
    majors: Mapping[str, int] = option({}, "a major per action")
    cooldown: int = option(3, "days")
    pin: str = option("", "how to pin")
    except_: Sequence[str] = option((), "actions to leave alone")


class Health(RuleOptions):
    url: str = option("", "the health URL")


def no_major(source: Source, options: Majors) -> Iterable[Finding]:
    return ()


def no_sleep(source: Source, options: Health) -> Iterable[Finding]:
    return ()


SILENT = Rule(
    "transforms.ci.silent_type_check",
    "A type check must be able to fail",
    nothing,
    audit=("D-009.5",),
    criterion="A type check that fails, fails its job",
    hours=(0.5, 0.5),
    level=Level.ERROR,
)
OUTDATED = Rule(
    "transforms.ci.outdated_action",
    "Actions at a supported major",
    no_major,
    audit=("D-009.1",),
    criterion="Every action is at a major version that is supported",
    hours=(1, 1),
)
SLEEP = Rule(
    "transforms.deploy.hardcoded_sleep",
    "Wait for health, not for time",
    no_sleep,
    audit=("D-010.3",),
    criterion="No deployment is waited for by the clock alone",
    hours=(2, 2),
)
BACKUP = Rule(
    "transforms.deploy.missing_predeploy_backup",
    "Snapshot before a deploy",
    nothing,
    audit=("D-010.6",),
    criterion="No deployment without a snapshot",
    hours=(2, 2),
    level=Level.NOTE,
)
RULES = (SILENT, OUTDATED, SLEEP, BACKUP)


def edit(source: Source, old: str, new: str, *changes: Change) -> Edit:
    start = source.text.index(old)
    return Edit(source.path, Span(start, start + len(old)), new, changes)


def findings(ci: Source, deploy: Source) -> Iterator[Reported]:
    silent = edit(ci, " || true", "", Change("set", ("jobs", "lint", "steps", 1, "run"), "mypy ."))
    yield Reported(
        SILENT,
        Finding(
            ci.path,
            silent.span,
            "the failure of mypy cannot fail this step",
            Fix("let mypy fail the step", (silent,), effects=("jobs.lint.steps[1].run: failure of mypy now fails it",)),
        ),
    )
    bump = edit(ci, "@v3", "@v6", Change("set", ("jobs", "lint", "steps", 0, "uses"), "actions/checkout@v6"))
    yield Reported(
        OUTDATED,
        Finding(ci.path, bump.span, "actions/checkout@v3 runs on a removed Node", Fix("move to v6", (bump,))),
    )
    step = edit(
        deploy,
        "      - run: sleep 60\n",
        "      - run: ./scripts/snapshot.sh\n      - run: sleep 60\n",
        Change("insert", ("jobs", "deploy", "steps", 0), {"run": "./scripts/snapshot.sh"}),
    )
    yield Reported(
        BACKUP,
        Finding(
            deploy.path,
            Span(step.span.start, step.span.start),
            "the database is not saved before it is migrated",
            Fix(
                "take a snapshot first",
                (step,),
                (NewFile("scripts/snapshot.sh", "#!/bin/sh\nset -eu\naws rds help\n", executable=True),),
                Tier.REVIEW,
                todo=("set the variable DB_INSTANCE",),
            ),
        ),
    )
    sleep = deploy.text.index("sleep 60")
    yield Reported(
        SLEEP,
        Finding(
            deploy.path,
            Span(sleep, sleep + 8),
            "sleep 60 waits for a deployment",
            Blocked(
                "the health URL is not known",
                "name the URL that answers 200 when the service is up",
                'rules.hardcoded-sleep.url = "https://example.org/health"',
            ),
        ),
    )


def sources(bom: bool = False, newline: str = "\n") -> tuple[Source, Source]:
    return (
        Source(".github/workflows/ci.yml", CI.replace("\n", newline), bom),
        Source(".github/workflows/deploy.yml", DEPLOY.replace("\n", newline), bom),
    )


def report() -> Report:
    return Report(tuple(findings(*sources())))


def plan() -> Plan:
    """What an apply of `report` does: three fixes, and one finding that stays blocked."""
    ci, deploy = sources()
    all_found = tuple(findings(ci, deploy))
    head, rest = ci.text.split("@v3")
    middle, tail = rest.split(" || true")
    ci_pieces = (Piece(head), Piece("@v6", 1, "@v3"), Piece(middle), Piece("", 0, " || true"), Piece(tail))
    above, below = deploy.text.split("      - run: sleep")
    step = "      - run: ./scripts/snapshot.sh\n"
    deploy_pieces = (Piece(above), Piece(step, 2), Piece("      - run: sleep" + below))
    fix = all_found[2].finding.cure
    assert isinstance(fix, Fix)
    script = fix.new_files[0]
    after_deploy = above + step + "      - run: sleep" + below
    blocked = all_found[3].finding
    at = after_deploy.index("sleep 60")
    left = Reported(SLEEP, Finding(blocked.path, Span(at, at + 8), blocked.message, blocked.cure))
    changes = (
        FileChange(ci.path, ci, Source(ci.path, "".join(p.text for p in ci_pieces)), ci_pieces),
        FileChange(deploy.path, deploy, Source(deploy.path, after_deploy), deploy_pieces),
        FileChange(script.path, None, Source(script.path, script.text), (Piece(script.text, 2),), executable=True),
    )
    return Plan({change.path: change for change in changes}, all_found[:3], (left,))


def read(path: str) -> Source:
    """The file before the plan."""
    return {source.path: source for source in sources()}[path]


def read_after(path: str) -> Source:
    return plan().files[path].after
