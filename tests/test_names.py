"""A name never becomes code: every fixture once more, with its folders and files called what a shell would obey.

Rules put names of folders and files into the commands that they write. Whatever they are called, the command that is
hidden in them must not be one of the commands of any script in the result.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import tree_sitter_bash
import yaml
from tree_sitter import Language, Node, Parser

from fixer import engine
from fixer.config import ConfigError, from_table
from fixer.documents import document_type, kind_of
from fixer.model import FileError, Source
from fixer.registry import all_rules
from fixer.repository import Repository
from tests.fixture_cases import CASES, Case, write

PARSER = Parser(Language(tree_sitter_bash.language()))
CANARY = "canary"
NAMES = (
    f"a $({CANARY})",
    f"b;{CANARY}",
    f"c`{CANARY}`'d",
    f'e" || {CANARY} #',
    f"-{CANARY}",
    "${{ github.head_ref }}x",
)
RULES = {rule.id: rule for rule in all_rules()}


def scripts(path: str, text: str) -> Iterator[str]:
    """Every shell script of a file: `run` and `command` in YAML, RUN in a Dockerfile, a script itself."""
    if path.endswith(".sh"):
        yield text
    elif path.endswith((".yml", ".yaml")):
        yield from _runs(yaml.load(text, Loader=yaml.BaseLoader))  # tags of CloudFormation are nothing here
    elif kind_of(path).endswith("Dockerfile"):
        for instruction in document_type(kind_of(path)).parse(Source(path, text)).instructions:  # type: ignore[attr-defined]
            if instruction.op == "RUN":
                yield instruction.script


def _runs(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            if key == "with" and isinstance(value, dict):
                yield from _runs({"script": value.get("script")})
            elif key in ("run", "command", "script") and isinstance(value, str):
                yield value
            elif key == "test" and isinstance(value, list) and value[:1] == ["CMD-SHELL"]:
                yield value[1]
            else:
                yield from _runs(value)
    elif isinstance(data, list):
        for value in data:
            yield from _runs(value)


def obeyed(script: str) -> list[str]:
    """Commands of a script that a name has brought; what GitHub would put into it counts as one."""
    found = ["${{ github.head_ref }}"] if "${{ github.head_ref }}" in script else []

    def look(node: Node) -> None:
        if node.type == "command_name" and CANARY in (node.text or b"").decode():
            found.append((node.text or b"").decode())
        for child in node.children:
            look(child)

    look(PARSER.parse(script.encode()).root_node)
    return found


def renamed(case: Case) -> Iterator[dict[str, bytes]]:
    """The case once for each of its folders and files, called another name."""
    parts = sorted({part for path in case.before for part in path.split("/")[:-1] if not part.startswith(".")})
    files = sorted(
        {
            path.rpartition("/")[2]
            for path in case.before
            if path.endswith((".py", ".sh", ".txt", ".toml", ".yml")) and not path.startswith(".github")
        }
    )
    for number, part in enumerate([*parts, *files]):
        name = NAMES[number % len(NAMES)].replace("/", "")
        _stem, dot, ending = part.partition(".")
        other = f"{name}{dot}{ending}" if part in files else name
        yield {
            "/".join(other if each == part else each for each in path.split("/")): data
            for path, data in case.before.items()
        }


# What these rules fix in their fixtures is gone where a folder or file of them has another name.
SILENT = {
    "deprecated-release-action", "missing-predeploy-backup", "missing-trivy-scan",
    "missing-uptime-check", "single-shot-health-check", "useless-ignore",
}  # fmt: skip
CHANGING = sorted((case for case in CASES if case.after), key=lambda case: case.rule_id)


@pytest.mark.slow
@pytest.mark.parametrize("rule_id", sorted({case.rule_id for case in CHANGING if any(renamed(case))}))
def test_a_name_in_the_tree_never_becomes_a_command(rule_id: str, tmp_path: Path) -> None:
    wrong = []
    looked_at = 0
    for case in CHANGING:
        if case.rule_id != rule_id:
            continue
        for number, tree in enumerate(renamed(case)):
            root = write(tmp_path / f"{case.name}-{number}", tree)
            config = from_table(tomllib.loads(case.config), list(RULES.values()))
            plan = engine.plan(Repository(root), [RULES[rule_id]], options=config.options_for)
            looked_at += bool(plan.files)
            wrong += [f"{case.name}: FAULT {fault.what}" for fault in plan.faults]
            for path, change in plan.files.items():
                before = list(scripts(path, change.before.text)) if change.before is not None else []
                for script in scripts(path, change.after.text):
                    if script not in before and obeyed(script):
                        wrong.append(f"{case.name}: {path}: {obeyed(script)} in {script!r:.300}")

    assert wrong == []
    assert (looked_at > 0) is (rule_id not in SILENT)


MANY = 6
"""Fixtures of a rule that are tried with each value: they do not differ in what becomes of an option."""
COMMANDS = {
    ("missing-deploy-migration", "command"), ("missing-performance-tests", "start"),
    ("missing-predeploy-backup", "command"), ("missing-rollback", "command"), ("missing-rollback", "record"),
}  # fmt: skip
"""Options that are commands themselves."""
HOSTILE = (f"x $({CANARY});{CANARY}", f'x";{CANARY};"', f"x';{CANARY};'\n{CANARY}\n")
WHOLE = {"url": "https://example.com/", "urls": "https://example.com/", "health-path": "/"}
"""What a value must begin with to be one."""


def texts(kind: Any) -> bool:
    """Whether any text may be given, and not only one of several."""
    return kind is str or any(map(texts, get_args(kind))) if get_origin(kind) is not Literal else False


def values(name: str, kind: Any) -> Iterator[Any]:
    for hostile in HOSTILE:
        text = WHOLE.get(name, "") + hostile
        within = str(kind)
        yield (
            {"A": text}
            if "Mapping" in within and "Union" not in within and "|" not in within
            else ([text] if within.startswith("collections.abc.Sequence") else text)
        )


OPTIONS = [
    pytest.param(rule.id, each.name, value, marks=[pytest.mark.slow] if number else [])
    for rule in RULES.values()
    for each in rule.options
    if texts(each.kind) and (rule.id, each.name) not in COMMANDS
    for number, value in enumerate(values(each.name, each.kind))
]


@pytest.mark.parametrize(("rule_id", "option", "value"), OPTIONS)
def test_an_option_that_is_no_command_never_becomes_one(rule_id: str, option: str, value: Any, tmp_path: Path) -> None:
    wrong = []
    for case in [case for case in CHANGING if case.rule_id == rule_id][:MANY]:
        given = tomllib.loads(case.config)
        given.setdefault("rules", {}).setdefault(rule_id, {})[option] = value
        try:
            config = from_table(given, list(RULES.values()))
        except ConfigError:
            continue  # refused, which is as good
        root = write(tmp_path / case.folder.name, case.before)
        plan = engine.plan(Repository(root), [RULES[rule_id]], options=config.options_for)
        wrong += [f"{case.name}: FAULT {fault.what}" for fault in plan.faults]
        for path, change in plan.files.items():
            for script in scripts(path, change.after.text):
                if obeyed(script):
                    wrong.append(f"{case.name}: {path}: {obeyed(script)} in {script!r:.300}")

    assert wrong == []


def test_every_command_of_the_configuration_is_an_option() -> None:
    """Every other option that takes a text is tried above."""
    assert {(rule.id, each.name) for rule in RULES.values() for each in rule.options} >= COMMANDS


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (f"cd a $({CANARY})", [CANARY]),
        (f"cd 'a $({CANARY})'", []),
        (f'echo "b;{CANARY}"', []),
        (f"cd b;{CANARY}", [CANARY]),
        (f'echo "`{CANARY}`"', [CANARY]),
        ("echo '${{ github.head_ref }}x'", ["${{ github.head_ref }}"]),
    ],
)
def test_a_command_in_a_name_would_be_noticed(script: str, found: list[str]) -> None:
    assert obeyed(script) == found


def test_every_kind_of_file_is_looked_into() -> None:
    workflow = "jobs:\n  a:\n    steps:\n      - run: x\n      - run: |\n          y\n"

    assert list(scripts(".github/workflows/a.yml", workflow)) == ["x", "y\n"]
    assert list(scripts("Dockerfile", "FROM a\nRUN x\n")) == ["x"]
    with pytest.raises(FileError):
        list(scripts("Dockerfile", "FROM"))
