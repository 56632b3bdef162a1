"""Annotations are written as GitHub's own library writes them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixer.model import Blocked, Fault, FileError, Report
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


@pytest.mark.slow
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
    report = examples.report()
    first = report.findings[0]

    lines = annotate(report, examples.read, "below").splitlines()

    assert lines[0] == (
        "::error title=fhfix silent-type-check,file=.github/workflows/ci.yml,line=8,endLine=8,col=20,endColumn=28"
        f"::the failure of mypy cannot fail this step%0AFix (safe): let mypy fail the step [{first.id}]"
    )
    assert "%0ANo fix: the health URL is not known%0ANext: name the URL" in lines[1]
    assert len(lines) == 4


def test_a_fault_or_a_file_that_cannot_be_read_is_an_error() -> None:
    report = Report((), (Fault("root-user", "", "crashed"),), (FileError("a,b.yml", "not YAML", "look"),))

    assert annotate(report, examples.read, "below").splitlines() == [
        "::error title=fhfix fault in root-user::crashed",
        "::error title=fhfix%3A not handled,file=a%2Cb.yml::a,b.yml: not YAML; look",
    ]


def test_files_that_are_left_out_for_one_reason_are_one_annotation() -> None:
    generated = [FileError(f"{name}.yml", f"generated (by {name})", "change what makes it") for name in "abcde"]
    report = Report((), (), (*generated, FileError("f.yml", "not YAML", "look")))

    lines = annotate(report, examples.read, "below").splitlines()

    assert [line.rpartition("::")[2] for line in lines] == [
        "5 files: generated; change what makes it (a.yml, b.yml, c.yml and 2 more)",
        "f.yml: not YAML; look",
    ]


def test_the_same_in_many_places_is_one_annotation_and_ten_are_enough_the_worst_first() -> None:
    silent, outdated, *_ = examples.findings(*examples.sources())
    places = [replace(outdated, apart=str(number)) for number in range(3)]
    kinds = [outdated.with_cure(Blocked(f"reason {number}")) for number in range(12)]
    report = Report((*places, *kinds, silent), (Fault("root-user", "", "crashed"),))

    *shown, last = annotate(report, examples.read, "`fhfix check` prints them all").splitlines()

    assert len(shown) == 10
    assert [line.partition(",")[0].partition("::error title=")[2] for line in shown[:2]] == [
        "fhfix fault in root-user::crashed",
        "fhfix silent-type-check",
    ]
    ci = ".github/workflows/ci.yml"
    assert f"%0Aand 2 more places: {ci}:7, :7%0AFix" in shown[2]
    assert last == "fhfix: 5 more, for 5 findings: `fhfix check` prints them all"
