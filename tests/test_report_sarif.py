"""SARIF that Microsoft's validator has nothing to say against, with fixes that do what an apply does."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from dataclasses import replace
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from fixer.model import Fault, FileError, Finding, Fix, Level, Report, Reported, Source, Span
from fixer.show import tool
from fixer.show.sarif import sarif
from tests import examples
from tests.components import path
from tests.test_report_json import check_jsonschema

REPORT = Report(
    examples.report().findings,
    (Fault("silent-type-check", "a b.yml", "broke its promise"), Fault("root-user", "", "crashed")),
    (FileError("ü.yml", "not YAML", "look at line 3"),),
)


def run_of(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sarif(report, examples.read))["runs"][0]
    return found


@pytest.mark.slow
@pytest.mark.needs("sarif-multitool", "check-jsonschema")
@pytest.mark.parametrize("report", [REPORT, Report(())], ids=["findings", "nothing"])
def test_the_validator_of_the_format_finds_no_error(tmp_path: Path, report: Report) -> None:
    file = tmp_path / "report.sarif"
    file.write_text(sarif(report, examples.read))

    assert errors(file) == []
    # The schema of the standard comes with the validator.
    schema = Path(path("sarif-multitool")).with_name("sarif-2.1.0.json")
    assert check_jsonschema("--schemafile", schema, file)[0] == 0


@pytest.mark.slow
@pytest.mark.needs("sarif-multitool")
def test_the_validator_would_say_that_a_fix_without_changes_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "report.sarif"
    log = json.loads(sarif(REPORT, examples.read))
    log["runs"][0]["results"][0]["fixes"][0]["artifactChanges"] = []
    file.write_text(json.dumps(log))

    assert any("artifactChanges" in error for error in errors(file))


def errors(file: Path) -> list[str]:
    # The rules of the format, and those of GitHub.
    command = [path("sarif-multitool"), "validate", "--rule-kind", "Sarif;Gh", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Analysis completed successfully" in done.stdout, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if ": error " in line]


def test_rules_about_security_have_a_severity_for_github_and_others_have_none() -> None:
    leaky = replace(examples.SILENT, module="transforms.docker.leaky", level=Level.WARNING, security=True)
    found = [
        Reported(rule, Finding(".github/workflows/ci.yml", Span(0, 0), "m", Fix("t")))
        for rule in (leaky, examples.OUTDATED)
    ]

    security, other = (rule["properties"] for rule in run_of(Report(tuple(found)))["tool"]["driver"]["rules"])

    assert (security["security-severity"], security["tags"]) == ("5.5", ["security", "docker", "D-009.5"])
    assert "security-severity" not in other
    assert "security" not in other["tags"]


@pytest.mark.parametrize(
    ("declared", "environment", "record", "page"),
    [
        ("Homepage, https://fhfix.example/", "https://fork.example", None, "https://fhfix.example"),
        ("Changelog, https://c.example", "https://fork.example/a/b", None, "https://fork.example/a/b"),
        ("", "", {"url": "https://ada:t0ken@g.example/a/b.git", "vcs_info": {}}, "https://g.example/a/b"),
        ("", "", {"url": "file:///srv/fhfix", "dir_info": {}}, ""),
        ("", "", None, ""),
    ],
)
def test_links_lead_where_the_project_is_known_to_be_and_are_left_out_otherwise(
    declared: str, environment: str, record: dict[str, Any] | None, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Installed:
        metadata = Message()

        def read_text(self, name: str) -> str | None:
            return json.dumps(record) if record and name == "direct_url.json" else None

    Installed.metadata["Project-URL"] = declared
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Installed())
    monkeypatch.setenv("FHFIX_HOMEPAGE", environment)
    tool.homepage.cache_clear()

    driver = run_of(Report((next(examples.findings(*examples.sources())),)))["tool"]["driver"]

    tool.homepage.cache_clear()
    assert driver.get("informationUri", "") == page
    uri = f"{page}/blob/HEAD/docs/rules/silent-type-check.md" if page else ""
    assert driver["rules"][0].get("helpUri", "") == uri


def test_the_fixes_do_what_an_apply_does() -> None:
    ci = examples.read(".github/workflows/ci.yml").text
    for number, text in ((0, ci.replace(" || true", "")), (1, ci.replace("@v3", "@v6"))):
        (change,) = run_of(REPORT)["results"][number]["fixes"][0]["artifactChanges"]
        (replacement,) = change["replacements"]
        assert replaced(ci, replacement["deletedRegion"], replacement["insertedContent"]["text"]) == text


def replaced(text: str, region: dict[str, int], new: str) -> str:
    """As a consumer does it: lines and columns from 1, the end exclusive."""
    lines = text.splitlines(keepends=True)

    def offset(line: int, column: int) -> int:
        return sum(map(len, lines[: line - 1])) + column - 1

    start = offset(region["startLine"], region["startColumn"])
    return text[:start] + new + text[offset(region["endLine"], region["endColumn"]) :]


def test_a_fix_that_adds_a_file_is_not_said_by_half() -> None:
    results = run_of(REPORT)["results"]

    assert "fixes" not in results[2]
    assert results[2]["properties"] == {"tier": "review", "todo": ["set the variable DB_INSTANCE"]}
    assert "fixes" not in results[3]


def test_a_blocked_finding_carries_its_reason_and_next_step() -> None:
    text = run_of(REPORT)["results"][3]["message"]["text"]

    assert text == (
        "sleep 60 waits for a deployment. No fix: the health URL is not known. Next: name the URL that answers 200 "
        'when the service is up. Configure: rules.hardcoded-sleep.url = "https://example.org/health"'
    )


def test_paths_are_percent_encoded_references_to_the_root() -> None:
    notes = run_of(REPORT)["invocations"][0]["toolExecutionNotifications"]
    locations = [note["locations"][0]["physicalLocation"]["artifactLocation"] for note in notes if "locations" in note]

    assert [location["uri"] for location in locations] == ["a%20b.yml", "%C3%BC.yml"]
    assert run_of(REPORT)["invocations"][0]["executionSuccessful"] is False


def test_a_finding_keeps_its_fingerprint_when_it_moves() -> None:
    def print_of(text: str) -> str:
        span = Span(text.index("HERE"), text.index("HERE") + 4)
        report = Report((Reported(examples.SILENT, Finding("f", span, "m", Fix("t"))),))
        result = json.loads(sarif(report, lambda path: Source(path, text)))["runs"][0]["results"][0]
        found: str = result["partialFingerprints"]["fhfixLine/v1"]
        return found

    assert print_of("a\nHERE\n") == print_of("a\nb\nc\n  HERE\n")
    assert print_of("a\nHERE\n") != print_of("a\nHERE too\n")


def test_a_finding_has_the_level_of_its_rule_unless_it_says_another() -> None:
    finding = Finding(".github/workflows/ci.yml", Span(0, 1), "m", Fix("t"))
    lowered = replace(finding, level=Level.NOTE)
    run = run_of(Report((Reported(examples.SILENT, finding), Reported(examples.SILENT, lowered))))

    assert [result["level"] for result in run["results"]] == ["error", "note"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert rule["properties"]["problem.severity"] == "error"
