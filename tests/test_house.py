"""The fences of the house that a machine can check; CONTRIBUTING.md says why they stand."""

from __future__ import annotations

import ast
import difflib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixer.registry import all_rules
from tests.components import path as component
from tests.fixture_cases import CASES, FIXTURES, Case
from tests.sources import MODULES, ROOT, calls, dotted, imports, name, nodes, tree

# A rule is `transforms/<pack>/<rule>.py`, or `transforms/<pack>/<rule>/__init__.py` with more modules beside it.
RULE_MODULES = sorted(
    (*(p for p in ROOT.glob("transforms/*/*.py") if p.name != "__init__.py"), *ROOT.glob("transforms/*/*/__init__.py"))
)
ALL_OF_RULES = sorted({*RULE_MODULES, *(path for path in ROOT.glob("transforms/*/*/*.py"))})

# What a rule may import of the project and of others. Rules are pure functions: no files, programs, network, clock.
RULE_IMPORTS = (
    "fixer.records", "fixer.model", "fixer.languages",
    "fixer.github", "fixer.project", "fixer.docker", "fixer.django", "fixer.runtime",
    "fixer.deploy", "fixer.monitoring", "fixer.recovery", "fixer.scripts", "fixer.documents", "fixer.ignores",
    "fixer.selectors", "fixer.silence",
)  # fmt: skip
IMPURE = {
    "asyncio", "builtins", "ctypes", "datetime", "glob", "http", "importlib", "io", "multiprocessing", "os", "pathlib",
    "pickle", "random", "secrets", "shutil", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib",
}  # fmt: skip

# Modules that collect what nobody wanted to name, and the types that follow from them.
NAMELESS = re.compile(r"^_*(utils?|helpers?|commons?|base|manager|context|misc|shared|stuff)$")
NAMELESS_TYPE = re.compile(r"(Context|Manager|Helper|Utils?|Base)$")

PRINTERS = ("fixer/show/output.py",)
PRINTING = {
    "Console", "click.echo", "click.echo_via_pager", "click.secho", "echo", "os.write", "print", "secho",
    "sys.stderr.write", "sys.stdout.buffer.write", "sys.stdout.write",
}  # fmt: skip
# What these say is the same for every repository: the answers that a question takes, and a sign of life.
ASKING = {
    ("fixer/show/interactive.py", "click.prompt"),
    ("fixer/commands/configure.py", "click.prompt"),
    ("fixer/commands/waiting.py", "os.write"),
}
WRITERS = (
    "fixer/writing.py",
    "fixer/disk.py",
    "fixer/docs.py",
    "fixer/kept.py",  # beside the compiled modules, nothing of the user
    "fixer/commands/",
    "fixer/fleet/",
    "fixer/forge/",
    "fixer/github/catalog/",
)
WRITING = {
    "chmod", "fsync", "makedirs", "mkdir", "rename", "rmtree", "symlink", "symlink_to", "touch", "truncate", "unlink",
    "write_bytes", "write_text",
}  # fmt: skip

UNFINISHED = re.compile("|".join(("NotImplemented" + "Error", r"\bTO" + "DO", r"\bFIX" + "ME", r"\bXX" + "X")))
LEFT_OUT = re.compile("|".join((r"pytest\.sk" + "ip", r"pytest\.xf" + "ail", r"mark\.sk" + "ip", r"mark\.xf" + "ail")))


def called(path: Path) -> str:
    """The name of a rule's module: of its folder, where it is one."""
    return path.parent.name if path.name == "__init__.py" else path.stem


def folder_of(path: Path) -> tuple[str, ...]:
    """The package of a rule that is a folder, for a module in it."""
    parts = path.relative_to(ROOT).parts
    return (".".join(parts[:3]),) if len(parts) > 3 else ()


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def tracked(*patterns: str) -> list[Path]:
    """Files of the project: what git knows, or everything where this is not a git checkout."""
    listing = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode == 0:
        return [ROOT / path for path in listing.stdout.split("\0") if path and (ROOT / path).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]


# -- who may import whom ------------------------------------------------------------------------------------------


def test_the_nouns_import_nothing_but_the_standard_library() -> None:
    found = {*imports(ROOT / "fixer/model.py"), *imports(ROOT / "fixer/records.py")}
    found |= {*imports(ROOT / "fixer/kept.py")}
    assert [m for m in found - {"fixer.kept", "fixer.records"} if m.split(".")[0] not in sys.stdlib_module_names] == []


def test_rules_import_the_nouns_the_languages_the_facts_and_the_catalog_and_no_other_rule() -> None:
    offenders = [
        f"{name(path)}: {module}"
        for path in ALL_OF_RULES
        for module in imports(path)
        if not within(module, (*RULE_IMPORTS, *folder_of(path)))
        and (module.split(".")[0] not in sys.stdlib_module_names or module.split(".")[0] in IMPURE)
    ]
    assert offenders == []


def test_the_engine_finds_rules_and_names_none() -> None:
    offenders = [
        f"{name(path)}: {module}"
        for path in MODULES
        if path.is_relative_to(ROOT / "fixer")
        for module in imports(path)
        if within(module, ("transforms",)) and (name(path), module) != ("fixer/registry.py", "transforms")
    ]
    assert offenders == []


# What tells a pattern for GitHub's expressions: the name of a context with an escaped dot, or escaped braces.
EXPRESSION_PATTERN = re.compile(
    r"\b(env|inputs|job|matrix|needs|runner|secrets|steps|strategy|vars)(\\s\*)?\\\.|\\\$\\\{\\\{"
)


def test_only_their_reader_knows_how_expressions_are_written() -> None:
    offenders = [
        f"{name(path)}:{node.lineno}: {node.value}"
        for path in MODULES
        if name(path) != "fixer/github/expressions.py"
        for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and EXPRESSION_PATTERN.search(node.value)
    ]
    assert offenders == []


# -- who may write and print --------------------------------------------------------------------------------------


def test_all_text_leaves_at_one_edge() -> None:
    """What that edge escapes is for tests/test_output.py to say."""
    offenders = [
        f"{name(path)}:{call.lineno}: {function}"
        for path in MODULES
        if not name(path).startswith((*PRINTERS, "fixer/disk.py", "fixer/writing.py"))
        for function, call in calls(path)
        if function in PRINTING | {"click.prompt"} and (name(path), function) not in ASKING
    ]
    assert offenders == []


def test_only_the_writer_touches_files() -> None:
    offenders = [
        f"{name(path)}:{call.lineno}: {function}"
        for path in MODULES
        if not name(path).startswith(WRITERS)
        for function, call in calls(path)
        if function.rpartition(".")[2] in WRITING or function in {"os.replace", "os.rename"} or _opens_to_write(call)
    ]
    assert offenders == []


def _opens_to_write(call: ast.Call) -> bool:
    if dotted(call.func).rpartition(".")[2] != "open":
        return False
    modes = [a.value for a in (*call.args, *(k.value for k in call.keywords)) if isinstance(a, ast.Constant)]
    return any(isinstance(mode, str) and re.fullmatch(r"[rwxab+t]*[wxa+][rwxab+t]*", mode) for mode in modes)


PROGRAMS = {
    "fixer/repository.py": "git", "fixer/ignores.py": "git", "fixer/forge/git.py": "git",
    "fixer/forge/identity.py": "git", "fixer/github/catalog/update.py": "git",
    "fixer/review.py": "the editor of the person", "fixer/commands/apply.py": "the editor of the person",
    "fixer/commands/review.py": "the browser of the person",
}  # fmt: skip
_STARTS = re.compile(r"subprocess\.(run|Popen|call|check_\w+)|os\.(exec|spawn|posix_spawn|system|popen)\w*")


def test_programs_are_started_by_those_who_are_named() -> None:
    """The pager is click's; it is asked for by a terminal alone."""
    found = {
        name(path)
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and (_STARTS.fullmatch(dotted(node)) or dotted(node) == "webbrowser.open")
    }
    assert found == PROGRAMS.keys()


def test_only_the_engine_and_the_command_line_catch_everything() -> None:
    offenders = [
        f"{name(path)}:{node.lineno}"
        for path in MODULES
        # A review gives it to the thread that asked.
        if name(path) not in {"fixer/engine/asking.py", "fixer/cli.py", "fixer/review.py"}
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]
    assert offenders == []


def test_values_with_names_are_records() -> None:
    """A start makes hundreds of kinds, and each takes `NamedTuple` or a frozen dataclass ten times as long."""
    offenders = [
        f"{name(path)}: {node.name}"
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.ClassDef)
        and (
            any(ast.unparse(base) == "NamedTuple" for base in node.bases)
            or any("dataclass(" in (said := ast.unparse(each)) and "frozen" in said for each in node.decorator_list)
        )
    ]
    assert offenders == []


# -- names --------------------------------------------------------------------------------------------------------


def test_every_module_and_type_is_named_for_what_it_is() -> None:
    modules = [name(path) for path in MODULES if NAMELESS.match(path.stem) or NAMELESS.match(path.parent.name)]
    types = [
        f"{name(path)}: {node.name}"
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.ClassDef) and NAMELESS_TYPE.search(node.name)
    ]
    assert modules + types == []


def test_a_rule_has_one_name_in_four_places() -> None:
    rules = {called(path).replace("_", "-") for path in RULE_MODULES}

    assert {rule.id for rule in all_rules()} == rules
    assert {path.name for path in FIXTURES.iterdir() if path.is_dir()} - {"financehub"} == rules
    assert {path.stem for path in (ROOT / "docs/rules").glob("*.md")} == rules


# -- the shape of a rule ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", RULE_MODULES, ids=called)
def test_a_rule_is_a_value_at_the_end_of_its_module(path: Path) -> None:
    *before, last = tree(path).body

    assert isinstance(last, ast.Assign)
    assert [ast.unparse(target) for target in last.targets] == ["RULE"]
    assert "RULE" not in [ast.unparse(t) for node in before if isinstance(node, ast.Assign) for t in node.targets]
    assert "check" in [node.name for node in before if isinstance(node, ast.FunctionDef)]
    assert [ast.unparse(node) for node in before if isinstance(node, ast.With | ast.For | ast.While)] == []
    assert [ast.unparse(n) for n in before if isinstance(n, ast.Expr) and not isinstance(n.value, ast.Constant)] == []


@pytest.mark.parametrize("path", RULE_MODULES, ids=called)
def test_a_rule_says_why_and_when_it_leaves_things_alone(path: Path) -> None:
    docstring = ast.get_docstring(tree(path)) or ""
    first, _, rest = docstring.partition("\n")

    assert re.fullmatch(r"[A-Z`].*[.]", first), "the first line is one sentence"
    assert "## Why" in rest
    assert "## When it is left alone" in rest


def test_rules_make_no_edits_of_their_own() -> None:
    offenders = [
        f"{name(path)}:{call.lineno}"
        for path in ALL_OF_RULES
        for function, call in calls(path)
        if function.rpartition(".")[2] in {"Edit", "Change"}
    ]
    assert offenders == []


def test_rules_do_not_cut_the_text_of_files() -> None:
    offenders = [
        f"{name(path)}:{node.lineno}: {ast.unparse(node)}"
        for path in ALL_OF_RULES
        for node in nodes(path)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("source.text")
    ]
    assert offenders == []


def test_a_module_beside_a_rule_is_used_by_it() -> None:
    unused = [
        name(path)
        for path in ALL_OF_RULES
        if path not in RULE_MODULES
        and not any(
            imported.rpartition(".")[2] == path.stem
            for other in path.parent.glob("*.py")
            for imported in imports(other)
            if within(imported, folder_of(path))
        )
    ]
    assert unused == []


# -- scripts ------------------------------------------------------------------------------------------------------

SEEDS = ROOT / "tests/campaigns/seeds"  # odd on purpose
SHELL = [p for p in tracked("*.sh", ".ci/*") if not p.is_relative_to(FIXTURES) and not p.is_relative_to(SEEDS)]


@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("path", SHELL, ids=name)
def test_shellcheck_has_nothing_to_say_of_a_script(path: Path) -> None:
    """Ruff, over the whole tree, is the same for what is written in Python."""
    dialect = [] if path.read_text(encoding="utf-8").startswith("#!") else ["--shell=bash"]
    done = subprocess.run([component("shellcheck"), *dialect, path], capture_output=True, text=True)

    assert done.stdout + done.stderr == ""


def test_every_script_of_a_rule_is_used_and_every_one_that_is_used_is_there() -> None:
    said = {
        f"{name(path.parent)}/scripts/{ast.literal_eval(call.args[1])}"
        for path in MODULES
        for function, call in calls(path)
        if function in ("script", "template") and len(call.args) == 2 and isinstance(call.args[1], ast.Constant)
    }
    there = {name(path) for folder in ("fixer", "transforms") for path in (ROOT / folder).rglob("scripts/*.*")}

    assert said == {path for path in there if "__pycache__" not in path}


def test_a_rule_says_all_about_itself() -> None:
    assert [rule.id for rule in all_rules() if not rule.criterion or rule.criterion.endswith(".")] == []
    assert [rule.id for rule in all_rules() if rule.audit and rule.hours is None] == []


# -- fixtures -----------------------------------------------------------------------------------------------------


def of(rule_id: str) -> list[Case]:
    return [case for case in CASES if case.rule_id == rule_id]


RULE_IDS = [called(path).replace("_", "-") for path in RULE_MODULES]


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_a_rule_has_a_case_that_changes_and_one_that_stays(rule_id: str) -> None:
    assert any(case.after for case in of(rule_id))
    assert any(not case.after for case in of(rule_id))


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_a_rule_has_a_case_with_comments_around_the_spot(rule_id: str) -> None:
    """But one that adds files, and changes none."""
    changing = [case for case in of(rule_id) if case.after.keys() & case.before.keys()]

    assert any(map(_comment_near_a_change, changing)) or (not changing and any(case.after for case in of(rule_id)))


def _comment_near_a_change(case: Case, lines: int = 4) -> bool:
    for path in case.after.keys() & case.before.keys():
        before = case.before[path].decode().splitlines()
        for tag, start, end, *_ in difflib.SequenceMatcher(
            None, before, case.after[path].decode().splitlines(), autojunk=False
        ).get_opcodes():
            around = before[max(0, start - lines) : end + lines]
            if tag != "equal" and any("#" in line.replace("${#", "") for line in around):
                return True
    return False


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_a_rule_for_workflows_has_a_case_in_flow_style(rule_id: str) -> None:
    texts = [text.decode() for case in of(rule_id) for path, text in case.before.items() if ".github/" in path]

    assert not texts or any(_flow_mapping(text) for text in texts)


def _flow_mapping(text: str) -> bool:
    return any(re.search(r"(^|[:\-\[{,]\s+){\s*[\w'\"-]+\s*:", line.split(" #")[0]) for line in text.splitlines())


# -- nothing unfinished -------------------------------------------------------------------------------------------


def test_nothing_is_unfinished_and_no_test_is_left_out() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked("*.py")
        if not path.is_relative_to(FIXTURES)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line) or LEFT_OUT.search(line)
    ]
    assert offenders == []


def test_no_test_asserts_how_long_something_takes() -> None:
    """A busy machine must fail nothing: costs are counted, as in test_costs.py."""
    timed = re.compile(r"assert .*(monotonic|process_time|perf_counter|time)\(\) - |assert (spent|elapsed|seconds) <")
    offenders = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked("tests/*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if timed.search(line)
    ]
    assert offenders == []


def test_no_file_speaks_of_one_machine_or_of_a_package_registry() -> None:
    pattern = re.compile(r"(^|[^\w.])/(work|farm|home/\w+|Users/\w+)/|index-url *=? *https?:|\"resolved\": *\"http")
    offenders = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked("*.py", "*.md", "*.toml", "*.txt", "*.json", "*.yml", "Makefile", ".ci/*")
        if not path.is_relative_to(FIXTURES)
        and (match := pattern.search(path.read_text(encoding="utf-8")))
        and path != Path(__file__)
    ]
    assert offenders == []
