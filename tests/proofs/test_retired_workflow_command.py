"""The steps of the fixtures, executed before and after: the same outputs, variables and folders reach the runner."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from fixer.github.workflow import Workflow
from fixer.model import Source
from tests.fixture_cases import CASES, Case

CHANGING = [case for case in CASES if case.rule_id == "retired-workflow-command" and case.after]
# What the runner takes from standard output, and from which file it takes the same.
COMMANDS = {
    "GITHUB_OUTPUT": re.compile(r"^::set-output name=([^:]+)::(.*)$", re.MULTILINE),
    "GITHUB_ENV": re.compile(r"^::set-env name=([^:]+)::(.*)$", re.MULTILINE),
    "GITHUB_PATH": re.compile(r"^::add-path::()(.*)$", re.MULTILINE),
}


def scripts(contents: dict[str, bytes]) -> list[tuple[str, str]]:
    """The `run:` of each step, expressions replaced, and the command that GitHub starts for it."""
    found = []
    for path, data in contents.items():
        for step in Workflow.parse(Source.from_bytes(path, data)).steps:
            if step.run is not None:
                text = re.sub(r"\$\{\{.*?\}\}", "x", str(step.run.value))
                found.append((text, "-eo pipefail" if step.shell == "bash" else "-e"))
    return found


def told(script: str, flags: str, folder: Path) -> set[tuple[str, str, str]]:
    """What a step tells the runner, by either way: (file, name, value)."""
    folder.mkdir()
    files = {name: folder / name for name in COMMANDS}
    for file in files.values():
        file.touch()
    programs = folder / "bin"
    programs.mkdir()
    for name, says in (("pip", "/root/.cache/pip"), ("git", "1a2b3c4")):
        (programs / name).write_text(f"#!/bin/sh\necho {says}\n")
        (programs / name).chmod(0o755)
    (folder / "CHANGELOG.md").touch()
    (folder / "step.sh").write_text(script)
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "GITHUB_REF": "refs/tags/v1.2.3"}
    env |= {name: str(file) for name, file in files.items()}
    done = subprocess.run(
        ["bash", *flags.split(), "step.sh"], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    found = {(name, *match) for name, pattern in COMMANDS.items() for match in pattern.findall(done.stdout)}
    for name, file in files.items():
        for line in file.read_text().splitlines():
            key, _, value = line.partition("=") if name != "GITHUB_PATH" else ("", "", line)
            found.add((name, key, value))
    return found


@pytest.mark.parametrize("case", CHANGING, ids=lambda case: case.folder.name)
def test_the_runner_is_told_the_same(case: Case, tmp_path: Path) -> None:
    pairs = zip(scripts(dict(case.before)), scripts(dict(case.after)), strict=True)
    for number, ((before, flags), (after, _)) in enumerate(pairs):
        wanted = told(before, flags, tmp_path / f"{number}-before")
        assert told(after, flags, tmp_path / f"{number}-after") == wanted
        assert wanted or before == after
        assert not any(f"::{kind}" in line for kind in ("set-", "add-path") for line in code(after))


def code(script: str) -> list[str]:
    return [line for line in script.splitlines() if not line.lstrip().startswith("#")]
