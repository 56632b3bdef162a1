"""Code as a type: what goes into a script is a template of ours, a quoted word, or what a person wrote as code.

A name is run through a real bash, which says more than any list of what quoting must do.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fixer import engine
from fixer.docker.compose import Compose
from fixer.github.expressions import part_of_expression
from fixer.github.workflow import Workflow, new_workflow
from fixer.languages.dockerfile import Dockerfile, New
from fixer.languages.shell import expanded_word, in_quotes, path_word, word
from fixer.languages.yaml import Style
from fixer.model import Blocked, Finding, Fix, NewFile, Rule, Source, Span
from fixer.repository import Repository
from fixer.scripts import Inside, Quoted, ScriptText, script
from tests.sources import MODULES, calls, name

ODD = (
    "my app", "it's", 'say "hello"', "$(touch owned)", "`touch owned`", "$HOME", "${HOME}", "a;touch owned",
    "a&&touch owned",
    "a|touch owned", ">owned", "-rf", "--output=owned", "*", "?", "[a-z]", "~", "~root", "!", "#a", "=", "==", "a\\b",
    "a'b\"c", "{a,b}", "%s", "\\$(touch owned)", "é ü", "@name@",
)  # fmt: skip
"""What folders may be called."""
UNSPEAKABLE = ("a\nb", "a\rb", "a\x1bb", "a\u2028b", "a\x85b", "a\x00b", "${{ github.head_ref }}")
"""What no line of a script of a workflow can hold."""


def bash(text: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-c", text],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"HOME": "/h"},
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("name", ODD)
def test_bash_takes_a_word_for_what_it_is(name: str, tmp_path: Path) -> None:
    quoted, inside = word(name), in_quotes(name)
    assert isinstance(quoted, Quoted)
    assert isinstance(inside, Inside)

    said = bash(ScriptText.of("""printf '%s|' @word@ "<@inside@>"\n""", word=quoted, inside=inside), tmp_path)

    assert said == f"{name}|<{name}>|"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ODD)
def test_bash_goes_into_a_folder_and_takes_it_for_no_option(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    folder = path_word(name)
    assert isinstance(folder, Quoted)

    said = bash(ScriptText.of("cd @folder@\npwd\n", folder=folder), tmp_path)

    assert said == f"{tmp_path}/{name}\n"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", UNSPEAKABLE)
def test_what_no_line_can_hold_is_blocked(name: str) -> None:
    assert isinstance(word(name), Blocked)
    assert isinstance(path_word(name), Blocked)
    assert isinstance(in_quotes(name), Blocked)


def test_a_word_with_variables_is_put_in_by_the_shell_and_is_one_word(tmp_path: Path) -> None:
    made = expanded_word("$A/b c")
    assert isinstance(made, Quoted)

    said = bash(ScriptText.of("A='x  y;touch owned'\nprintf '%s|' @made@\n", made=made), tmp_path)

    assert said == "x  y;touch owned/b c|"
    assert [expanded_word(text) for text in ("$(id)", "`id`", 'a"b', "a\\b", "a\nb")] == [None] * 5


def test_a_placeholder_in_quotes_takes_what_was_escaped_for_quotes_and_no_other_does() -> None:
    quoted, inside = Quoted("'a b'"), Inside("a b")

    assert ScriptText.of('echo "in @name@"', name=inside) == 'echo "in a b"'
    assert ScriptText.of("cd @name@", name=quoted) == "cd 'a b'"
    with pytest.raises(TypeError, match="in quotes"):
        ScriptText.of('echo "in @name@"', name=quoted)
    with pytest.raises(TypeError, match="outside of quotes"):
        ScriptText.of("cd @name@", name=inside)
    with pytest.raises(TypeError, match="neither code nor"):
        ScriptText.of("cd @name@", name="a b")  # type: ignore[arg-type]


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    made = ScriptText.of("cd @one@ @two@", one=Quoted("@two@"), two=Quoted("x"))

    assert made == "cd @two@ x"


def test_code_stays_code_and_anything_else_makes_a_text_of_it() -> None:
    code = ScriptText.of("a @n@ @f@", n=3, f=0.5)

    assert code == "a 3 0.5"
    for kept in (
        code + code, code.strip(), code.rstrip("\n"), code.lstrip(), code.indented("  "), code.filled(),
        code.removesuffix("5"), code.replaced("a", code), code.splitlines()[0], ScriptText.lines([code]),
        ScriptText.joined("\n&& ", [code, code]), ScriptText.blanks("\n  "),
    ):  # fmt: skip
        assert type(kept) is ScriptText
    put = ScriptText.of("a %s {}")
    for lost in (
        code + "b",
        "b" + code,
        f"{code}",
        "".join([code, "b"]),
        code.replace("a", "b"),
        put % "b",
        put.format(1),
    ):
        assert type(lost) is str
    with pytest.raises(TypeError):
        ScriptText.joined("; rm -rf ", [code, code])
    with pytest.raises(TypeError):
        ScriptText.blanks("\n  b")
    with pytest.raises(TypeError):
        ScriptText.lines(["b"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="no name"):
        ScriptText.name("A=$(id)")
    with pytest.raises(ValueError, match="no part"):
        part_of_expression("a }} ${{ b")


# -- who refuses what is no code ----------------------------------------------------------------------------------

WORKFLOW = Workflow.parse(
    Source(
        ".github/workflows/a.yml",
        "on: push\njobs:\n  a:\n    steps:\n      - run: x\n      - uses: a/ssh@v1\n"
        "        with:\n          script: y\n",
    )
)
NAME = "a; b"


def refusing() -> Iterator[tuple[str, Any]]:
    steps = WORKFLOW.jobs["a"].steps
    ssh = steps[1].node.get("with")
    assert steps[0].run is not None
    assert ssh is not None
    sequence = WORKFLOW.node(("jobs", "a", "steps"))
    assert sequence is not None
    run, script_node = steps[0].run, ssh.get("script")
    assert script_node is not None
    compose = Compose.parse(Source("compose.yml", "services:\n  a:\n    image: b\n"))
    image = Dockerfile.parse(Source("Dockerfile", "FROM a\nCMD b\n"))
    first, last = image.instructions
    service = compose.services["a"].node
    yield "a key", lambda: WORKFLOW.add_key(steps[1].node, "run", f"cd {NAME}")
    yield "a step", lambda: WORKFLOW.insert_item(sequence, 0, {"run": f"cd {NAME}"})
    yield "a job", lambda: WORKFLOW.add_job("b", {"steps": [{"run": f"cd {NAME}"}]})
    yield "a job of a new workflow", lambda: new_workflow("a", {}, {"b": {"steps": [{"run": f"cd {NAME}"}]}}, Style())
    yield "another script", lambda: WORKFLOW.set_scalar(run, f"cd {NAME}")
    yield "a part of a script", lambda: WORKFLOW.splice_scalar(run, [(0, 0, f"cd {NAME};")])
    yield "several lines", lambda: WORKFLOW.splice_scalar(run, [(0, 0, f"cd {NAME}\n")])
    yield "a script on a server", lambda: WORKFLOW.splice_scalar(script_node, [(0, 0, f"cd {NAME};")])
    yield "other keys", lambda: WORKFLOW.edit_mapping(steps[0].node, set={"run": f"cd {NAME}"})
    yield "RUN", lambda: image.insert_after(first, New("RUN", f"cd {NAME}"))
    yield "CMD", lambda: image.set_body(last, f"cd {NAME}")
    yield "a command of compose", lambda: compose.add_key(service, "command", f"cd {NAME}")
    yield "a test of compose", lambda: compose.add_key(service, "healthcheck", {"test": ["CMD-SHELL", f"cd {NAME}"]})


@pytest.mark.parametrize(("what", "write"), list(refusing()), ids=lambda value: value if isinstance(value, str) else "")
def test_no_text_gets_into_a_script(what: str, write: Any) -> None:
    with pytest.raises(TypeError, match="not known to be code"):
        write()


def test_code_and_what_was_code_get_into_a_script() -> None:
    step = WORKFLOW.jobs["a"].steps[0]
    assert step.run is not None
    sequence = WORKFLOW.node(("jobs", "a", "steps"))
    assert sequence is not None

    assert not isinstance(WORKFLOW.insert_item(sequence, 0, dict(step.data)), Blocked)
    assert not isinstance(WORKFLOW.splice_scalar(step.run, [(0, 1, ScriptText.of("z")), (1, 1, "")]), Blocked)
    assert not isinstance(WORKFLOW.add_key(step.node, "working-directory", NAME), Blocked)


def test_a_new_script_that_is_no_code_is_a_fault_of_its_rule(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\n")

    def check(dockerfile: Dockerfile) -> Iterator[Finding]:
        text: str = f"cd {NAME}\n"
        yield Finding("Dockerfile", Span(0, 4), "odd", Fix.of("write", NewFile("run.sh", text)))

    made = engine.plan(Repository(tmp_path), [Rule("transforms.ci.odd", "Odd", check, criterion="Nothing odd")])

    assert made.files == {}
    assert "not known to be code" in made.faults[0].what


# -- nobody makes code in another way -----------------------------------------------------------------------------

WRITTEN = {
    "fixer/scripts.py": "code spliced with code, and the scripts beside a rule",
    "fixer/languages/shell/script.py": "a part of a script that was parsed",
    "fixer/github/workflow.py": "the `run:` of a step that is there",
    "fixer/github/combination.py": "a script with the values of its own matrix",
    "fixer/github/expressions.py": "a part of an expression, of which every character is looked at",
    "fixer/django/job_setup.py": "a script with the values of its own matrix",
    "fixer/django/ci.py": "a script that was code before its program was renamed",
    "fixer/deploy/local_actions.py": "some blocks of a script of ours",
    "fixer/deploy/new_steps.py": "a command of the configuration",
    "transforms/ci/missing_performance_tests.py": "a command of the configuration",
    "transforms/ci/retired_workflow_command.py": "what the script itself prints",
    "transforms/deploy/hardcoded_sleep.py": "a command of ways.toml and its options",
    "transforms/deploy/single_shot_health_check.py": "what the script itself does after a failure",
    "transforms/docker/single_stage_build/second.py": "an instruction that is there, for a second time",
    "transforms/recovery/silent_backup_failure/left_behind.py": "the file that the script itself names",
}
"""Who may say that a text is code, and what that text is."""


@cache
def all_calls() -> tuple[tuple[str, str, ast.Call], ...]:
    return tuple((name(path), called, call) for path in MODULES for called, call in calls(path))


def test_only_those_who_are_named_say_that_a_text_is_code() -> None:
    assert {path for path, called, _ in all_calls() if called == "ScriptText.written"} == WRITTEN.keys()
    assert [path for path, called, _ in all_calls() if called == "ScriptText"] == []


def test_only_the_shell_makes_words() -> None:
    assert {path for path, called, _ in all_calls() if called in ("Quoted", "Inside")} == {
        "fixer/languages/shell/quoting.py"
    }


def test_a_template_is_written_out() -> None:
    assert [
        f"{path}:{call.lineno}"
        for path, called, call in all_calls()
        if called == "ScriptText.of"
        and not (isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str))
    ] == []


def test_every_placeholder_has_its_part() -> None:
    wrong = []
    for path, called, call in all_calls():
        if called == "ScriptText.of" and call.keywords:
            wanted = set(re.findall(r"@(\w+)@", ast.literal_eval(call.args[0])))
            if wanted != {each.arg for each in call.keywords}:
                wrong.append(f"{path}:{call.lineno}")
    assert wrong == []


def test_the_scripts_of_rules_are_code() -> None:
    assert isinstance(script("transforms.deploy.missing_rollback", "check-health.sh"), ScriptText)
