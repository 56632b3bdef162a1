"""The documentation says what the code does: what is generated is fresh, what is written by hand names what exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import click
import pytest
import yaml
from click.testing import CliRunner

from fixer.cli import main
from fixer.config import from_table
from fixer.docs import END, ROOT, START, explanation, generated, stale
from fixer.fleet.configuration import from_fleet_table
from fixer.model import Finding, Rule, RuleOptions, Source, option
from fixer.registry import all_rules
from tests.examples import nothing


def test_what_is_generated_is_fresh() -> None:
    assert sorted(stale(ROOT, all_rules())) == [], "run `make docs`"


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert broken == []


def test_every_option_and_command_that_the_documents_name_exists() -> None:
    known = set(re.findall(r"--[a-z][\w-]+", (ROOT / "docs/commands.md").read_text(encoding="utf-8")))
    documents = [ROOT / "README.md", *(p for p in ROOT.glob("docs/*.md") if p.name != "decisions.md")]
    for document in documents:
        for command in re.findall(r"`(fhfix [^`]+)`", document.read_text(encoding="utf-8")):
            assert command.split()[1] in main.list_commands(click.Context(main)) or command.split()[1].startswith(
                "--"
            ), command
            unknown = set(re.findall(r"(?<=\s)--[a-z][\w-]+", command)) - known
            assert not unknown, f"{document.name}: {command}"


def blocks(language: str) -> list[tuple[str, str]]:
    """Fenced blocks of a language in the documents that are written by hand, with the name of the document."""
    return [
        (document.name, block)
        for document in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))
        for block in re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.M | re.S)
    ]


@pytest.mark.parametrize(("document", "block"), blocks("toml"))
def test_every_configuration_in_the_documents_is_sound(document: str, block: str) -> None:
    table = tomllib.loads(block)

    assert from_fleet_table(table, document) if document == "fleet.md" else from_table(table, all_rules(), document)


def test_the_documents_use_hooks_inputs_and_ids_that_exist() -> None:
    hooks = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    inputs = set(yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"])
    said = [yaml.safe_load(block) for _, block in blocks("yaml")]
    used = [hook["id"] for each in said if "repos" in each for repo in each["repos"] for hook in repo["hooks"]]
    steps = [step for each in said if "jobs" in each for job in each["jobs"].values() for step in job["steps"]]
    given = {key for step in steps if "/fhfix@" in step["uses"] for key in step.get("with", {})}

    assert used == ["fhfix", "fhfix-check"]
    assert set(used) == hooks
    assert given == {"changed-since", "mode", "token"}
    assert given <= inputs


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("fhfix ap", ["apply"]),
        ("fhfix check --select silent-t", ["silent-type-check"]),
        pytest.param("fhfix apply --ignore D-009.", [f"D-009.{n}" for n in range(1, 9)], marks=pytest.mark.slow),
        pytest.param("fhfix explain D-012.3", ["D-012.3"], marks=pytest.mark.slow),
        pytest.param("fhfix check --format sa", ["sarif"], marks=pytest.mark.slow),
    ],
)
def test_a_shell_completes_commands_options_and_rules(words: str, completed: list[str]) -> None:
    count = str(len(words.split()) - 1)
    env = os.environ | {"COMP_WORDS": words, "COMP_CWORD": count, "_FHFIX_COMPLETE": "bash_complete"}
    fhfix = Path(sys.executable).parent / "fhfix"
    done = subprocess.run([fhfix], env=env, capture_output=True, text=True, check=True)

    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == completed


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one rule that has one fixture."""
    (tmp_path / "README.md").write_text(f"above\n{START}\nold\n{END}\nbelow\n")
    for folder, text in (("before", "a\nb\n"), ("after", "a\nc | `d`\n")):
        (tmp_path / "fixtures/loud-name/case" / folder).mkdir(parents=True)
        (tmp_path / "fixtures/loud-name/case" / folder / "notes.txt").write_text(text)
    return tmp_path


class Voice(RuleOptions):
    voice: Literal["", "low", "high"] = option("low", "how")


def no_name(source: Source, options: Voice) -> Iterable[Finding]:
    return ()


RULE = Rule("transforms.ci.loud_name", "names shout | loudly", no_name, ("D-009.9",))


def test_a_page_has_the_example_of_a_fixture_and_the_options(project: Path) -> None:
    pages = dict(generated(project, [RULE]))

    page = pages["docs/rules/loud-name.md"]
    assert "```diff\n--- a/notes.txt\n+++ b/notes.txt\n@@ -1,2 +1,2 @@\n a\n-b\n+c | `d`\n```\n" in page
    assert '| `rules.loud-name.voice` | `"low"` | How. One of: `low`, `high`. |' in page
    assert pages["README.md"].startswith(f"above\n{START}\n")
    assert "| [loud-name](docs/rules/loud-name.md) | D-009.9 | Names shout \\| loudly |  |" in pages["README.md"]
    assert pages["README.md"].endswith(f"{END}\nbelow\n")


def test_what_is_missing_changed_or_left_over_is_stale(project: Path) -> None:
    for path, text in generated(project, [RULE]):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    assert stale(project, [RULE]) == {}

    (project / "docs/rules/gone.md").write_text("a rule that is no more")
    (project / "docs/rules/loud-name.md").write_text("edited")
    (project / "docs/commands.md").unlink()
    assert {path: text is None for path, text in stale(project, [RULE]).items()} == {
        "docs/rules/gone.md": True,
        "docs/rules/loud-name.md": False,
        "docs/commands.md": False,
    }


@pytest.mark.slow
def test_the_check_of_the_module_says_what_is_stale() -> None:
    done = subprocess.run([sys.executable, "-m", "fixer.docs", "--check"], cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


def test_explain_takes_ids_packs_and_audit_references() -> None:
    one = CliRunner().invoke(main, ["explain", "silent-type-check"])
    assert one.output.startswith("# silent-type-check\n\nA type check whose failure cannot fail the job.\n")
    assert CliRunner().invoke(main, ["explain", "D-009.5"]).output == one.output
    assert CliRunner().invoke(main, ["explain", "ci"]).output.count("\n## Why\n") > 3

    wrong = CliRunner().invoke(main, ["explain", "silent-typecheck"])
    assert wrong.exit_code == 2
    assert "did you mean silent-type-check?" in wrong.output


def test_an_explanation_without_options_has_no_table() -> None:
    assert "## Configuration" not in explanation(Rule("transforms.ci.x", "s", nothing))
