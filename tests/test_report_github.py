"""Annotations are written as GitHub's own library writes them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixer.model import Fault, FileError, Report
from fixer.show.github import annotate, command
from tests import examples
from tests.components import path

FORMATS = Path(__file__).parent / "proofs/formats"

SCRIPT = """
import { warning } from '@actions/core'
for (const [properties, message] of JSON.parse(process.argv[1])) warning(message, properties)
"""

WORDS = st.text(st.sampled_from("ab %:,\r\n0ADéß#"), min_size=1, max_size=12)


def github_writes(cases: list[tuple[dict[str, str | int], str]]) -> str:
    """Columns and lines have other names in the library than in the command."""
    names = {"line": "startLine", "col": "startColumn"}
    said = [({names.get(key, key): value for key, value in properties.items()}, text) for properties, text in cases]
    node = [path("node"), "--input-type=module", "-e", SCRIPT, json.dumps(said)]
    return subprocess.run(node, cwd=FORMATS, capture_output=True, check=True).stdout.decode()


@pytest.mark.needs("node", "actions-core")
@given(st.lists(st.tuples(WORDS, WORDS, st.integers(1, 99), WORDS), min_size=1, max_size=20))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_commands_are_byte_for_byte_those_of_githubs_library(cases: list[tuple[str, str, int, str]]) -> None:
    properties: list[tuple[dict[str, str | int], str]] = [
        ({"title": title, "file": file, "line": line, "endLine": line + 1, "col": 2, "endColumn": 9}, message)
        for title, file, line, message in cases
    ]

    assert "".join(command("warning", of, text) + "\n" for of, text in properties) == github_writes(properties)


def test_a_finding_has_its_level_at_its_line() -> None:
    lines = annotate(examples.report(), examples.read).splitlines()

    assert lines[0] == (
        "::error title=fhfix silent-type-check,file=.github/workflows/ci.yml,line=8,endLine=8,col=20,endColumn=28"
        "::the failure of mypy cannot fail this step%0AFix (safe): let mypy fail the step"
    )
    assert "%0ANo fix: the health URL is not known%0ANext: name the URL" in lines[3]
    assert len(lines) == 4


def test_a_fault_or_a_file_that_cannot_be_read_is_an_error() -> None:
    report = Report((), (Fault("root-user", "", "crashed"),), (FileError("a,b.yml", "not YAML", "look"),))

    assert annotate(report, examples.read).splitlines() == [
        "::error title=fhfix fault in root-user::crashed",
        "::error title=fhfix%3A not handled,file=a%2Cb.yml::a,b.yml: not YAML; look",
    ]
