"""Python that a rule wrote passes the gates that the repository's own passed: black, and ruff's usual rules."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import black
import pytest

from fixer.project.python_style import PythonStyles
from fixer.repository import Repository
from tests import components
from tests.fixture_cases import CASES, Case, sampled, write

WITH_PYTHON = [case for case in CASES if any(path.endswith(".py") for path in case.after)]


def complaints(root: Path, paths: list[str]) -> Counter[tuple[str, str]]:
    """(file, code) of what ruff says, with the repository's own width."""
    ruff = [components.path("ruff"), "check", "--select", "E,F,I,UP,B", "--output-format", "json", "--no-cache"]
    found: Counter[tuple[str, str]] = Counter()
    styles = Repository(root).fact(PythonStyles)
    assert styles is not None
    for path in paths:
        width = ["--line-length", str(styles.of(path).width)]
        done = subprocess.run([*ruff, *width, path], cwd=root, capture_output=True, text=True)
        found.update((path, each["code"]) for each in json.loads(done.stdout))
    return found


def is_black(root: Path, path: str) -> bool:
    """Whether black would leave a file as it is, in the quotes that it has."""
    text = (root / path).read_text(encoding="utf-8")
    styles = Repository(root).fact(PythonStyles)
    assert styles is not None
    mode = black.Mode(line_length=styles.of(path).width, string_normalization=False)
    return black.format_str(text, mode=mode) == text


@pytest.mark.needs("ruff")
@pytest.mark.parametrize("case", sampled(WITH_PYTHON))
def test_what_passed_the_gates_before_passes_them_after(case: Case, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    write(before, case.before)
    write(after, case.before | case.after)
    changed = [path for path in case.after if path.endswith(".py")]
    known = [path for path in changed if path in case.before]

    assert complaints(after, changed) - complaints(before, known) == Counter()
    assert [
        path for path in changed if not is_black(after, path) and (path not in known or is_black(before, path))
    ] == []
