"""The interactive apply does what the answers say, and shows what each question is about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from fixer.engine import plan
from fixer.github.workflow import Workflow
from fixer.model import Finding, Fix, NewFile, Reported, Rule
from fixer.repository import Repository
from fixer.show.interactive import Interactive, choose


def replacing(old: str, new: str) -> Rule:
    """A rule that finds each step that runs `old`, and lets it run `new`."""

    def check(workflow: Workflow) -> Iterator[Finding]:
        for step in workflow.steps:
            if step.run is not None and step.run.value.startswith(old):
                number = step.run.value[len(old) :]
                cure = Fix.of(f"run {new}{number}", workflow.set_scalar(step.run, new + number))
                yield Finding(workflow.source.path, step.run.span, f"step {number} runs {old}", cure)

    return Rule(f"transforms.ci.{old}", f"no {old}", check)


RULES = (replacing("alpha", "one"), replacing("beta", "two"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return with_workflows(tmp_path, {"a": ["alpha1", "beta1", "alpha2"], "b": ["alpha3", "beta2"]})


def with_workflows(root: Path, steps: dict[str, list[str]]) -> Repository:
    folder = root / ".github/workflows"
    folder.mkdir(parents=True)
    for name, commands in steps.items():
        runs = "".join(f"      - run: {command}\n" for command in commands)
        text = f"on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n{runs}"
        (folder / f"{name}.yml").write_text(text)
    return Repository(root)


def answered(
    repository: Repository, *lines: str, screen: bool = False, rules: tuple[Rule, ...] = RULES
) -> tuple[list[str], str]:
    """The titles of the fixes that are taken, and what was shown."""
    taken: list[str] = []

    @click.command()
    def apply() -> None:
        console = Console(highlight=False, width=100)
        accept = choose(plan(repository, rules), console) if screen else Interactive(console)
        made = plan(repository, rules, accept=accept)
        taken.extend(getattr(reported.finding.cure, "title", "") for reported in made.taken)

    result = CliRunner().invoke(apply, input="".join(f"{line}\n" for line in lines))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return taken, result.output


# The rules ask in their order, files by name: alpha1, alpha2, alpha3, beta1, beta2.
@pytest.mark.parametrize(
    ("answers", "taken"),
    [
        (["y", "y", "y", "y", "y"], ["run one1", "run one2", "run one3", "run two1", "run two2"]),
        (["n", "n", "n", "n", "n"], []),
        (["n", "y", "n", "y", "n"], ["run one2", "run two1"]),
        (["a", "n", "n"], ["run one1", "run one2", "run one3"]),
        (["n", "f", "n", "n"], ["run one2", "run two1"]),
        (["y", "q"], ["run one1"]),
        (["a", "a"], ["run one1", "run one2", "run one3", "run two1", "run two2"]),
        (["?", "what", "Y", "q"], ["run one1"]),
    ],
)
def test_answers_decide_what_is_taken(repository: Repository, answers: list[str], taken: list[str]) -> None:
    assert answered(repository, *answers)[0] == taken


def test_each_question_shows_the_fix_and_its_hunk(repository: Repository) -> None:
    shown = answered(repository, "q")[1]

    assert "alpha  safe  run one1" in shown
    assert "why: step 1 runs alpha" in shown
    assert "-      - run: alpha1\n  +      - run: one1\n" in shown
    assert "Take this fix? [y,n,a,f,q,?]" in shown


def test_later_questions_show_the_file_as_the_answers_have_made_it(repository: Repository) -> None:
    shown = answered(repository, "y", "n", "n", "y", "n")[1]

    assert "       - run: one1\n  -      - run: beta1\n  +      - run: two1\n         - run: alpha2\n" in shown


def test_the_end_of_the_input_stops_everything(repository: Repository) -> None:
    taken, shown = answered(repository, "y", "y")

    assert taken == []
    assert "Aborted!" in shown


def test_a_few_fixes_are_asked_about_one_by_one(repository: Repository) -> None:
    assert answered(repository, "y", "q", screen=True)[0] == ["run one1"]


@pytest.fixture
def many(tmp_path: Path) -> Repository:
    return with_workflows(tmp_path, {"a": [f"alpha{n}" for n in range(9)], "b": ["beta1", "beta1", "alpha9", "beta2"]})


ALPHAS = [f"run one{n}" for n in range(10)]


@pytest.mark.parametrize(
    ("lines", "taken"),
    [
        ([""], [*ALPHAS, "run two1", "run two1", "run two2"]),
        (["q"], []),
        (["none", "3 5-6", ""], ["run one2", "run one4", "run one5"]),
        (["none", "beta", ""], ["run two1", "run two1", "run two2"]),
        (["alpha", ""], ["run two1", "run two1", "run two2"]),
        ([".github/workflows/a.yml", "10,11", ""], ["run one9", "run two2"]),
        (["safe", "all", "1-9", ""], ["run one9", "run two1", "run two1", "run two2"]),
        (["none", "11", ""], ["run two1"]),
        (["0", "14", "9-3", "nothing", "x-y", "none bad", ""], [*ALPHAS, "run two1", "run two1", "run two2"]),
    ],
)
def test_many_fixes_are_chosen_on_a_screen(many: Repository, lines: list[str], taken: list[str]) -> None:
    assert answered(many, *lines, screen=True)[0] == taken


def test_the_screen_lists_by_file_and_line_and_shows_what_is_asked_for(many: Repository) -> None:
    shown = answered(many, "?", "s 12", "2", "q", screen=True)[1]

    assert ".github/workflows/a.yml\n[x]    1  line 6    safe    alpha  run one0\n" in shown
    assert "[x]   12  line 8    safe    alpha  run one9\n[x]   13  line 9    safe    beta   run two2\n" in shown
    assert "13 of 13 marked" in shown
    assert "-      - run: alpha9\n  +      - run: one9\n" in shown
    assert "[ ]    2  line 7    safe    alpha  run one1\n" in shown
    assert "12 of 13 marked" in shown


def test_the_hunks_of_one_file_stand_below_one_name(tmp_path: Path) -> None:
    def check(workflow: Workflow) -> Iterator[Finding]:
        first, *_, last = workflow.steps
        assert first.run is not None
        assert last.run is not None
        if first.run.value != "done":
            parts = (workflow.set_scalar(first.run, "done"), workflow.set_scalar(last.run, "done"))
            yield Finding(workflow.source.path, first.run.span, "m", Fix.of("finish", *parts))

    repository = with_workflows(tmp_path, {"a": [f"x{n}" for n in range(20)]})
    shown = answered(repository, "y", rules=(Rule("transforms.ci.unfinished", "", check),))[1]

    assert (shown.count("@@ -"), shown.count(".github/workflows/a.yml\n")) == (2, 1)


def test_one_of_two_equal_fixes_can_be_taken(many: Repository) -> None:
    assert answered(many, "none", "11", "", screen=True)[0] == ["run two1"]


def counting() -> Rule:
    """A rule whose words depend on what the rule `alpha` has left of its file."""

    def check(workflow: Workflow) -> Iterator[Finding]:
        for step in workflow.steps:
            if step.run is not None and step.run.value.startswith("beta"):
                cure = Fix.of("count", workflow.set_scalar(step.run, "counted"))
                message = f"{workflow.source.text.count('alpha')} alphas"
                yield Finding(workflow.source.path, step.run.span, message, cure)

    return Rule("transforms.ci.counting", "counts", check)


@pytest.mark.parametrize(
    ("lines", "taken"),
    [
        (["none", "3", ""], ["run one2"]),
        (["none", "3", "counting", "", "y", "n"], ["run one2", "count"]),
    ],
)
def test_a_fix_that_reads_differently_now_is_left_or_asked_about(
    many: Repository, lines: list[str], taken: list[str]
) -> None:
    (many.root / ".github/workflows/b.yml").unlink()
    text = (many.root / ".github/workflows/a.yml").read_text()
    more = "".join(f"      - run: {run}\n" for run in ("alpha9", "alpha10", "alpha11", "beta1", "beta2"))
    (many.root / ".github/workflows/a.yml").write_text(text + more)

    rules = (RULES[0], counting())
    assert answered(Repository(many.root), *lines, screen=True, rules=rules)[0] == taken


def test_nobody_is_asked_twice_when_a_rule_has_to_be_left_out(repository: Repository) -> None:
    asked: list[str] = []

    def accept(reported: Reported, repository: Repository) -> bool:
        asked.append(getattr(reported.finding.cure, "title", ""))
        return True

    endless = (replacing("gamma", "delta"), replacing("delta", "gamma"))
    (repository.root / ".github/workflows/c.yml").write_text(
        "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - run: gamma\n"
    )
    made = plan(Repository(repository.root), (*RULES, *endless), accept=accept)

    assert {fault.rule_id for fault in made.faults} == {"gamma", "delta"}
    assert len(made.taken) == 5
    assert sorted(asked) == sorted(set(asked))


def test_new_files_are_shown_whole(tmp_path: Path) -> None:
    def check(workflow: Workflow) -> Iterator[Finding]:
        if "ready" not in workflow.source.text:
            root = workflow.root
            parts = workflow.add_key(root, "name", "ready")
            cure = Fix.of("add", parts, NewFile("run.sh", "#!/bin/sh\nexit 0\n", True))
            yield Finding(workflow.source.path, root.span, "m", cure)

    repository = with_workflows(tmp_path, {"a": ["x"]})
    shown: list[str] = []

    @click.command()
    def apply() -> None:
        rule = Rule("transforms.ci.adding", "s", check)
        made = plan(repository, [rule], accept=Interactive(Console(highlight=False, width=100)))
        shown.extend(made.files)

    output = CliRunner().invoke(apply, input="y\n").output
    assert "run.sh" in output
    assert "+exit 0" in output
    assert sorted(shown) == [".github/workflows/a.yml", "run.sh"]
