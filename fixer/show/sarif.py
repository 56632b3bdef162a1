"""Findings as SARIF 2.1.0, with fixes, as GitHub's code scanning takes it.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. A fix that adds a file has no `fixes` entry: SARIF can
only say changes of files that are there, half a fix would be wrong, and GitHub refuses an empty one.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

from fixer.ignores import fingerprint
from fixer.model import Blocked, Fault, FileError, Fix, Level, Report, Reported, Rule
from fixer.show.place import Read, place_of, source_of
from fixer.show.tool import NAME, homepage, page_of, tool_version

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "%SRCROOT%"
"""The root of the repository, by the name that GitHub knows; where it lies on this machine is not said."""

_SEVERITY = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "recommendation"}
"""https://docs.github.com/code-security/reference/code-scanning/sarif-files/sarif-support-for-code-scanning"""

_SECURITY = {Level.ERROR: "8.0", Level.WARNING: "5.5", Level.NOTE: "2.0"}
"""The middles of what GitHub calls high, medium and low. Nothing is critical: a file shows no attacker."""


def sarif(report: Report, read: Read) -> str:
    rules = {reported.rule.id: reported.rule for reported in report.findings}
    numbers = {rule_id: number for number, rule_id in enumerate(sorted(rules))}
    driver: dict[str, Any] = {
        "name": NAME,
        "version": tool_version(),
        "semanticVersion": tool_version(),
        "rules": [_rule(rules[rule_id]) for rule_id in sorted(rules)],
    }
    if homepage():
        driver["informationUri"] = homepage()
    notifications = [*map(_fault, report.faults), *map(_problem, report.problems)]
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": not report.faults, "toolExecutionNotifications": notifications}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(reported, numbers, read) for reported in report.findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    first = rule.explanation.partition("\n")[0] or rule.summary
    said: dict[str, Any] = {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": _sentence(rule.summary)},
        "fullDescription": {"text": _sentence(first)},
        "help": {"text": rule.explanation or first, "markdown": rule.explanation or first},
        "defaultConfiguration": {"level": str(rule.level)},
        # What GitHub sorts and filters by.
        "properties": {
            "tags": [rule.pack, *rule.audit],
            "precision": "high",
            "problem.severity": _SEVERITY[rule.level],
        },
    }
    if rule.security:
        said["properties"]["tags"].insert(0, "security")
        said["properties"]["security-severity"] = _SECURITY[rule.level]
    if page_of(rule.id):
        said["helpUri"] = page_of(rule.id)
    return said


def _result(reported: Reported, numbers: dict[str, int], read: Read) -> dict[str, Any]:
    rule, finding = reported.rule, reported.finding
    source = source_of(finding.path, read)
    place = place_of(finding.span, source)
    said: dict[str, Any] = {
        "ruleId": rule.id,
        "ruleIndex": numbers[rule.id],
        "level": str(reported.level),
        "message": {"text": _message(reported)},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(finding.path), "region": place.region()}}],
        "partialFingerprints": {"fhfixLine/v1": fingerprint(rule.id, source, place.line)},
    }
    cure = finding.cure
    if isinstance(cure, Fix):
        said["properties"] = {"tier": str(cure.tier), "todo": list(cure.todo)}
        if cure.edits and not cure.new_files:
            said["fixes"] = [_fix(cure, read)]
    else:
        said["properties"] = {"blocked": cure.reason, "nextStep": cure.next_step, "config": cure.config}
    return said


def _fix(fix: Fix, read: Read) -> dict[str, Any]:
    changes: list[dict[str, Any]] = []
    for path in sorted({edit.path for edit in fix.edits}):
        source = source_of(path, read)
        edits = sorted((e for e in fix.edits if e.path == path), key=lambda edit: (edit.span.start, edit.span.end))
        replacements = [
            {"deletedRegion": place_of(edit.span, source).region(), "insertedContent": {"text": edit.text}}
            for edit in edits
        ]
        changes.append({"artifactLocation": _artifact(path), "replacements": replacements})
    return {"description": {"text": _sentence(fix.title)}, "artifactChanges": changes}


def _message(reported: Reported) -> str:
    cure = reported.finding.cure
    parts = [_sentence(reported.finding.message)]
    if isinstance(cure, Fix):
        parts.append(f"Fix ({cure.tier}): {_sentence(cure.title)}")
    else:
        parts.append(f"No fix: {_sentence(cure.reason)}{_next(cure)}")
    return " ".join(parts)


def _next(blocked: Blocked) -> str:
    said = f" Next: {_sentence(blocked.next_step)}" if blocked.next_step else ""
    return said + (f" Configure: {blocked.config}" if blocked.config else "")


def _fault(fault: Fault) -> dict[str, Any]:
    said: dict[str, Any] = {"level": "error", "message": {"text": f"Fault in {fault.rule_id}: {_sentence(fault.what)}"}}
    return said | _at(fault.path)


def _problem(problem: FileError) -> dict[str, Any]:
    return {"level": "warning", "message": {"text": f"Not handled: {_sentence(str(problem))}"}, **_at(problem.path)}


def _at(path: str) -> dict[str, Any]:
    return {"locations": [{"physicalLocation": {"artifactLocation": _artifact(path)}}]} if path else {}


def _artifact(path: str) -> dict[str, Any]:
    """A relative reference: the bytes of the path, percent-encoded."""
    return {"uri": quote(os.fsencode(path)), "uriBaseId": ROOT}


def _sentence(text: str) -> str:
    """SARIF wants messages to end like sentences."""
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?")) else f"{line}."
