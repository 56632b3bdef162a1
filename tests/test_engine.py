"""The engine with toy rules that lie, crash, oscillate, or write valid YAML with the wrong nesting."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from unittest import mock

import pytest
from ruamel.yaml import YAML

from fixer.engine import PASSES, check, plan
from fixer.engine.asking import Asking
from fixer.github.workflow import Workflow
from fixer.model import (
    Blocked,
    Change,
    Edit,
    Finding,
    Fix,
    NewFile,
    Piece,
    Plan,
    Rule,
    RuleOptions,
    Source,
    Span,
    Tier,
    option,
)
from fixer.pieces import Runs
from fixer.repository import Repository
from fixer.scripts import ScriptText
from fixer.splice import splice
from tests.fixture_cases import write

WORKFLOW = """\
name: CI
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: make  # build
      - run: make test
"""
PATH = ".github/workflows/ci.yml"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    file = tmp_path / PATH
    file.parent.mkdir(parents=True)
    file.write_text(WORKFLOW)
    return Repository(tmp_path)


def rule(name: str, check_function: Callable[..., Iterator[Finding]]) -> Rule:
    return Rule(f"transforms.toy.{name}", name, check_function)


def found(workflow: Workflow, fix: Fix | Blocked, message: str = "a defect") -> Finding:
    return Finding(workflow.source.path, Span(0, 1), message, fix)


def rename(workflow: Workflow) -> Iterator[Finding]:
    """An honest rule: `make` becomes `make all`."""
    for step in workflow.steps:
        if step.run is not None and step.run.value == "make":
            fix = Fix.of("build all", workflow.set_scalar(step.run, ScriptText.of("make all")))
            yield Finding(workflow.source.path, step.run.span, "builds one thing", fix)


HONEST = rule("honest", rename)


def after(made: Plan) -> str:
    return made.files[PATH].after.text


def original(made: Plan) -> str:
    return "".join(p.removed + (p.text if p.origin is None else "") for p in made.files[PATH].pieces)


def test_a_fix_changes_what_it_names_and_nothing_else(repository: Repository) -> None:
    made = plan(repository, [HONEST])

    assert after(made) == WORKFLOW.replace("run: make  # build", "run: make all  # build")
    assert not made.faults
    assert [reported.rule.id for reported in made.taken] == ["honest"]


def test_the_pieces_hold_both_the_text_before_and_the_text_after(repository: Repository) -> None:
    def append(workflow: Workflow) -> Iterator[Finding]:
        steps = workflow.jobs["test"].steps_node
        assert steps is not None
        if len(steps.items) == 2:
            yield found(
                workflow, Fix.of("deliver", workflow.insert_item(steps, 2, {"run": ScriptText.of("make dist")}))
            )

    made = plan(repository, [HONEST, rule("append", append)])

    assert original(made) == WORKFLOW
    assert "".join(piece.text for piece in made.files[PATH].pieces) == after(made)
    assert {piece.origin for piece in made.files[PATH].pieces} == {None, 0, 1}


def test_a_rule_that_crashes_is_named_and_the_others_go_on(repository: Repository) -> None:
    def crash(workflow: Workflow) -> Iterator[Finding]:
        raise KeyError("oops")
        yield

    made = plan(repository, [rule("crash", crash), HONEST])

    assert [(fault.rule_id, fault.path) for fault in made.faults] == [("crash", PATH)]
    assert "KeyError" in made.faults[0].what
    assert "make all" in after(made)


def test_a_signal_while_a_rule_makes_a_class_is_no_fault_of_the_rule(repository: Repository) -> None:
    """Python 3.11 wraps what is raised there into a RuntimeError."""

    class Field:
        def __set_name__(self, owner: type, name: str) -> None:
            raise KeyboardInterrupt

    def interrupted(workflow: Workflow) -> Iterator[Finding]:
        type("Made", (), {"field": Field()})
        yield from ()

    with pytest.raises(KeyboardInterrupt):
        plan(repository, [rule("interrupted", interrupted)])


def test_a_rule_that_lies_about_its_text_is_named_and_the_file_kept(repository: Repository) -> None:
    def lie(workflow: Workflow) -> Iterator[Finding]:
        run = workflow.steps[0].run
        assert run is not None
        edit = Edit(PATH, run.span, "make nothing", (Change("set", run.at, "make everything"),))
        yield found(workflow, Fix("improve the build", (edit,)))

    made = plan(repository, [rule("lie", lie)])

    assert not made.files
    assert [fault.rule_id for fault in made.faults] == ["lie"]
    assert "make everything" in made.faults[0].what


def test_valid_yaml_with_the_wrong_nesting_is_caught(repository: Repository) -> None:
    def nest(workflow: Workflow) -> Iterator[Finding]:
        # The text puts the key into the step, the meaning says that it belongs to the job.
        steps = workflow.jobs["test"].steps_node
        assert steps is not None
        end = len(workflow.source.text) - 1
        edit = Edit(
            PATH,
            Span(end, end),
            "\n        timeout-minutes: 5",
            (Change("set", ("jobs", "test", "timeout-minutes"), 5),),
        )
        yield found(workflow, Fix("give the job a timeout", (edit,)))

    made = plan(repository, [rule("nest", nest), HONEST])

    assert [fault.rule_id for fault in made.faults] == ["nest"]
    assert "timeout-minutes" not in after(made)


def test_text_that_breaks_the_file_is_caught(repository: Repository) -> None:
    def break_it(workflow: Workflow) -> Iterator[Finding]:
        edit = Edit(PATH, Span(0, 4), "name: [", ())
        yield found(workflow, Fix("break it", (edit,)))

    made = plan(repository, [rule("break_it", break_it)])

    assert not made.files
    assert "cannot be read" in made.faults[0].what


def test_an_edit_that_changes_a_neighbour_unsaid_is_caught(repository: Repository) -> None:
    def take_more(workflow: Workflow) -> Iterator[Finding]:
        start = WORKFLOW.index("      - run: make  # build")
        edit = Edit(PATH, Span(start, len(WORKFLOW)), "", (Change("delete", ("jobs", "test", "steps", 0)),))
        yield found(workflow, Fix("drop a step", (edit,)))

    made = plan(repository, [rule("take_more", take_more)])

    assert not made.files
    assert [fault.rule_id for fault in made.faults] == ["take-more"]


def test_two_rules_that_undo_each_other_are_named_and_the_file_is_left_alone(repository: Repository) -> None:
    def to(old: str, new: str) -> Callable[[Workflow], Iterator[Finding]]:
        def check_function(workflow: Workflow) -> Iterator[Finding]:
            name = workflow.root.get("name")
            assert name is not None
            if name.value == old:
                yield found(workflow, Fix.of(f"name it {new}", workflow.set_scalar(name, new)))

        return check_function

    made = plan(repository, [rule("ping", to("CI", "Build")), rule("pong", to("Build", "CI")), HONEST])

    assert {fault.rule_id for fault in made.faults} == {"ping", "pong"}
    assert after(made) == WORKFLOW.replace("run: make  # build", "run: make all  # build")


def test_a_rule_that_grows_a_file_for_ever_is_named(repository: Repository) -> None:
    def grow(workflow: Workflow) -> Iterator[Finding]:
        steps = workflow.jobs["test"].steps_node
        assert steps is not None
        at = len(steps.items)
        yield found(
            workflow, Fix.of("add a step", workflow.insert_item(steps, at, {"run": ScriptText.of("echo @at@", at=at)}))
        )

    made = plan(repository, [rule("grow", grow)])

    assert not made.files
    assert f"{PASSES} passes" in made.faults[0].what


def test_a_fix_that_changes_nothing_is_a_fault(repository: Repository) -> None:
    def idle(workflow: Workflow) -> Iterator[Finding]:
        yield found(workflow, Fix("do nothing", (Edit(PATH, Span(0, 4), "name", ()),)))

    assert "change nothing" in plan(repository, [rule("idle", idle)]).faults[0].what


def test_a_new_file_never_overwrites_one_that_is_there_even_when_git_ignores_it(repository: Repository) -> None:
    (repository.root / "notes.txt").write_text("mine")

    def write(workflow: Workflow) -> Iterator[Finding]:
        yield found(workflow, Fix("add notes", (), (NewFile("notes.txt", "theirs"),)))

    made = plan(repository, [rule("write", write)])

    assert not made.files
    assert "overwrite" in made.faults[0].what


def test_a_new_file_that_git_would_ignore_is_blocked(repository: Repository) -> None:
    subprocess.run(["git", "init", "-q", repository.root], check=True)
    (repository.root / ".gitignore").write_text("*.txt\n")

    def write(workflow: Workflow) -> Iterator[Finding]:
        yield found(workflow, Fix("add notes", (), (NewFile("notes.txt", "theirs"),)))

    assert not plan(repository, [rule("write", write)]).faults
    cure = check(repository, [rule("write", write)]).findings[0].finding.cure

    assert isinstance(cure, Blocked)
    assert cure.reason == "git ignores notes.txt, so it would be in no commit"


def test_a_new_file_is_parsed_before_it_may_be_written(repository: Repository) -> None:
    def write(workflow: Workflow) -> Iterator[Finding]:
        yield found(workflow, Fix("add a workflow", (), (NewFile(".github/workflows/new.yml", "a: [\n"),)))

    made = plan(repository, [rule("write", write)])

    assert not made.files
    assert "cannot be read" in made.faults[0].what


def test_one_broken_fix_does_not_hold_back_the_others_of_its_rule(repository: Repository) -> None:
    def mixed(workflow: Workflow) -> Iterator[Finding]:
        yield from rename(workflow)
        edit = Edit(PATH, Span(0, 4), "nome", ())
        yield found(workflow, Fix("break the name", (edit,)))

    made = plan(repository, [rule("mixed", mixed)])

    assert "make all" in after(made)
    assert "break the name" in made.faults[0].what


def test_a_fix_that_contends_with_itself_is_a_fault_of_its_rule(repository: Repository) -> None:
    def twice(workflow: Workflow) -> Iterator[Finding]:
        run = workflow.steps[1].run
        assert run is not None
        edit = Edit(PATH, run.span, "make check", (Change("set", run.at, "make check"),))
        if run.value != "make check":
            yield found(workflow, Fix("check twice", (edit, edit)))

    made = plan(repository, [rule("twice", twice), HONEST])

    assert [fault.rule_id for fault in made.faults] == ["twice"]
    assert "overlaps" in made.faults[0].what
    assert after(made) == WORKFLOW.replace("make  # build", "make all  # build")


def test_several_fixes_of_one_script_are_made_at_once(tmp_path: Path) -> None:
    script = "".join(f"          make part{number}\n" for number in range(3))
    (tmp_path / PATH).parent.mkdir(parents=True)
    (tmp_path / PATH).write_text(f"on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: |\n{script}")
    asked: list[int] = []

    def parts(workflow: Workflow) -> Iterator[Finding]:
        run = workflow.steps[0].run
        assert run is not None
        asked.append(1)
        for at in (i for i in range(len(run.value)) if run.value.startswith("make ", i)):
            fix = Fix.of("make it quietly", workflow.splice_scalar(run, [(at + 4, at + 4, ScriptText.of(" -s"))]))
            if not run.value.startswith("make -s", at):
                yield Finding(PATH, workflow.span_of(run, at, at + 4), "makes noise", fix)

    made = plan(Repository(tmp_path), [rule("parts", parts)])

    assert after(made).count("make -s part") == 3
    assert made.faults == ()
    assert len(asked) == 2  # once for what there was, once for what came of it


def test_fixes_that_contend_for_a_place_are_made_one_after_the_other(repository: Repository) -> None:
    def number(workflow: Workflow) -> Iterator[Finding]:
        steps = workflow.jobs["test"].steps_node
        assert steps is not None
        there = [item.data["run"] for item in steps.items]
        for wanted in ("echo a", "echo b", "echo c"):
            if wanted not in there:
                fix = Fix.of(
                    f"add {wanted}", workflow.insert_item(steps, len(there), {"run": ScriptText.written(wanted)})
                )
                yield found(workflow, fix, wanted)

    made = plan(repository, [rule("number", number)])

    assert after(made) == WORKFLOW + "      - run: echo a\n      - run: echo b\n      - run: echo c\n"
    assert not made.faults


def test_a_fix_over_two_files_is_made_in_both_or_in_neither(repository: Repository) -> None:
    other = repository.root / ".github/workflows/other.yml"
    other.write_text(WORKFLOW)
    repository = Repository(repository.root)

    @dataclass(frozen=True)
    class Both:
        workflows: tuple[Workflow, ...]

        @classmethod
        def detect(cls, repository: Repository) -> Self | None:
            return cls(tuple(repository.documents(Workflow)))

    def check_both(both: Both, lies: bool) -> Iterator[Finding]:
        parts = []
        for workflow in both.workflows:
            name = workflow.root.get("name")
            assert name is not None
            if name.value == "CI":
                parts.append(workflow.set_scalar(name, "Build"))
        if len(parts) == 2:
            broken = (Edit(PATH, Span(9, 11), "of", ()),) if lies else ()
            yield found(both.workflows[0], Fix.of("rename both", *parts, broken))

    def honest(both: Both) -> Iterator[Finding]:
        yield from check_both(both, lies=False)

    def lying(both: Both) -> Iterator[Finding]:
        yield from check_both(both, lies=True)

    for function in (honest, lying):
        function.__annotations__ = {"both": Both, "return": Iterator[Finding]}

    assert set(plan(repository, [rule("honest_pair", honest)]).files) == {PATH, ".github/workflows/other.yml"}
    made = plan(repository, [rule("lying_pair", lying)])
    assert not made.files
    assert [fault.rule_id for fault in made.faults] == ["lying-pair"]


def test_a_rule_is_not_asked_where_the_repository_lacks_its_fact(repository: Repository) -> None:
    def needs(workflow: Workflow, nothing: Never) -> Iterator[Finding]:
        yield found(workflow, Blocked("must not be asked"))

    def may(workflow: Workflow, nothing: Never | None, options: Speed) -> Iterator[Finding]:
        assert nothing is None
        assert options.seconds == 5
        yield found(workflow, Blocked("asked"))

    report = check(repository, [rule("needs", needs), rule("may", may)])

    assert [reported.rule.id for reported in report.findings] == ["may"]
    assert not report.faults


class Speed(RuleOptions):
    seconds: int = option(5, "how long it takes")


@dataclass(frozen=True)
class Never:
    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        return None


@dataclass(frozen=True)
class Failing:
    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        raise RuntimeError("no such luck")


def test_where_many_documents_are_read_by_several_processes_the_answers_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixer.engine.asking.DOCUMENTS_PER_PROCESS", 20)
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    count = 2 * 20
    for number in range(count):
        (folder / f"{number}.yml").write_text(WORKFLOW)
    (folder / "broken.yml").write_text("a: [\n")

    def needs(workflow: Workflow, failing: Failing) -> Iterator[Finding]:
        yield found(workflow, Blocked("must not be asked"))

    made = plan(Repository(tmp_path), [rule("needs_what_fails", needs), HONEST])

    assert len(made.files) == count
    assert {change.after.text for change in made.files.values()} == {WORKFLOW.replace("make  #", "make all  #")}
    assert [(fault.rule_id, "no such luck" in fault.what) for fault in made.faults] == [("needs-what-fails", True)]
    assert [problem.path for problem in made.problems] == [".github/workflows/broken.yml"]


def test_no_rule_is_asked_again_where_nothing_has_changed_since(repository: Repository) -> None:
    asked: list[tuple[str, Repository]] = []
    ask = Asking._asked

    def asking(self: Asking, rule: Rule, there: Repository) -> Iterator[Finding]:
        asked.append((rule.id, there))
        return ask(self, rule, there)

    def nothing(workflow: Workflow) -> Iterator[Finding]:
        yield from ()

    with mock.patch.object(Asking, "_asked", asking):
        made = plan(repository, [rule("first", nothing), HONEST, rule("last", nothing)])

    assert after(made) == WORKFLOW.replace("run: make ", "run: make all ", 1)
    pictures = {id(there): there for _, there in asked}
    assert [[name for name, there in asked if there is each] for each in pictures.values()] == [
        ["first", "honest", "last"],
        ["last", "first", "honest"],
    ]


def test_a_refused_fix_is_asked_about_once_and_left(repository: Repository) -> None:
    asked: list[str] = []

    def refuse(reported: object, _: Repository) -> bool:
        asked.append(str(reported))
        return False

    made = plan(repository, [HONEST], accept=refuse)

    assert not made.files
    assert len(asked) == 1
    assert [reported.rule.id for reported in made.left] == ["honest"]


def test_only_the_wanted_tiers_are_taken(repository: Repository) -> None:
    def review(workflow: Workflow) -> Iterator[Finding]:
        name = workflow.root.get("name")
        assert name is not None
        if name.value == "CI":
            yield found(workflow, Fix.of("rename", workflow.set_scalar(name, "X"), tier=Tier.REVIEW))

    made = plan(repository, [rule("review", review)], tiers=frozenset({Tier.SAFE}))

    assert not made.files
    assert len(made.left) == 1


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_handled(repository: Repository) -> None:
    folder = repository.root / ".github/workflows"
    (folder / "latin.yml").write_bytes(b"name: caf\xe9\n")
    (folder / "broken.yml").write_text("a: [\n")
    (folder / "twice.yml").write_text("a: 1\na: 2\n")
    (folder / "link.yml").symlink_to(repository.root / PATH)
    (folder / "made.yml").write_text("# This file is generated by tox. Do not edit.\n" + WORKFLOW)

    made = plan(Repository(repository.root), [HONEST])

    assert set(made.files) == {PATH}
    problems = {problem.path.rpartition("/")[2]: problem.reason for problem in made.problems}
    assert set(problems) == {"latin.yml", "broken.yml", "twice.yml", "link.yml", "made.yml"}
    assert "UTF-8" in problems["latin.yml"]
    assert "generated" in problems["made.yml"]


@pytest.mark.parametrize("deep", [False, True])
def test_a_file_on_which_the_readers_disagree_is_refused_and_nobody_is_blamed(
    repository: Repository, deep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository.root / ".github/workflows/other.yml"
    other.write_text(WORKFLOW + ("deep: [[]]\n" if deep else "x: a tab ends this line\t\n"))
    if deep:  # for the other reader, whatever the stack holds already

        def load(reader: YAML, text: str) -> Any:
            if "deep" in text:
                raise RecursionError
            return loaded(reader, text)

        loaded = YAML.load
        monkeypatch.setattr(YAML, "load", load)

    made = plan(repository, [HONEST])

    assert list(made.files) == [PATH]
    assert not made.faults
    assert [problem.path for problem in made.problems] == [".github/workflows/other.yml"]


def test_a_file_that_git_knows_and_somebody_deleted_is_not_there(repository: Repository) -> None:
    gone = repository.root / ".github/workflows/gone.yml"
    gone.write_text(WORKFLOW)
    for arguments in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", "-C", str(repository.root), *arguments], check=True)
    gone.unlink()

    found = check(repository, [HONEST])

    assert repository.files == (PATH,)
    assert not found.problems


def test_an_anchor_is_edited_once_and_its_aliases_follow(tmp_path: Path) -> None:
    file = tmp_path / PATH
    file.parent.mkdir(parents=True)
    file.write_text(
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps: &steps\n      - run: make\n"
        "  b:\n    runs-on: x\n    steps: *steps\n"
    )

    made = plan(Repository(tmp_path), [HONEST])

    assert not made.faults
    assert after(made).count("make all") == 1


def test_insertions_at_one_place_keep_their_order() -> None:
    edits = [Edit("f", Span(1, 1), "A", ()), Edit("f", Span(1, 1), "B", ())]

    assert splice("xy", edits) == "xABy"


def test_a_file_knows_what_fixes_wrote_into_it() -> None:
    def source(runs: Runs) -> Source:
        return Source("f", "".join(piece.text for piece in runs.pieces), written=runs.written)

    runs = Runs((Piece("one\nthree\n"),))
    runs = runs.spliced([(Edit("f", Span(4, 4), "two\n", ()), 0), (Edit("f", Span(10, 10), "four\n", ()), 1)])
    first = source(runs)
    more = [Edit("f", Span(0, 0), "zero\n", ()), Edit("f", Span(5, 6), "W", ()), Edit("f", Span(8, 9), "", ())]
    then = source(runs.spliced([(edit, 2) for edit in more]))

    assert first.text == "one\ntwo\nthree\nfour\n"
    assert then.text == "zero\none\ntWo\nhree\nfour\n"
    assert [then.text[each.start : each.end] for each in then.written] == ["zero\n", "tWo\n", "four\n"]
    assert then.is_written(Span(10, 12))
    assert not then.is_written(Span(8, 12))
    assert not then.is_written(Span(12, 15))


def test_what_a_fix_wrote_is_no_part_of_the_set_up_of_the_project(tmp_path: Path) -> None:
    def adds_a_step(workflow: Workflow) -> Iterator[Finding]:
        steps = workflow.jobs["test"].steps_node
        if steps is not None and len(steps.items) == 2:
            yield found(workflow, Fix.of("look", workflow.insert_item(steps, 1, {"run": ScriptText.of("make look")})))

    def renames_a_step(workflow: Workflow) -> Iterator[Finding]:
        run = workflow.jobs["test"].steps[0].run
        if run is not None and run.value == "make":
            yield found(workflow, Fix.of("all", workflow.set_scalar(run, ScriptText.of("make all"))))

    seen: list[list[str]] = []

    def looks(workflow: Workflow) -> Iterator[Finding]:
        seen.append([step.run.value for step in workflow.jobs["test"].own_steps if step.run is not None])
        yield from ()

    write(tmp_path, {PATH: WORKFLOW.encode()})
    plan(Repository(tmp_path), [rule("a", adds_a_step), rule("b", renames_a_step), rule("c", looks)])

    assert seen[-1] == ["make all", "make test"]


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        splice("abc", [Edit("f", Span(0, 2), "", ()), Edit("f", Span(1, 3), "", ())])


@pytest.mark.parametrize("data", [b"a\r\nb\r", b"\xef\xbb\xbfa", b"", b"\xef\xbb\xbf", "ü\n".encode()])
def test_reading_and_writing_is_the_identity(data: bytes) -> None:
    assert Source.from_bytes("f", data).to_bytes() == data
