"""Findings and plans for programs: JSON with a version. The schema is docs/schema/report-1.json.

The version changes only when a consumer could break: new keys may come, known ones stay and keep their meaning.
Lines and columns count from 1, offsets from 0; columns and offsets are in characters, without a byte order mark.
"""

from __future__ import annotations

import json
from typing import Any

from fixer.model import Coverage, Edit, Fix, Plan, Report, Reported, Source, Span
from fixer.selection import group_id
from fixer.show.diff import file_patch
from fixer.show.place import Read, place_of, source_of
from fixer.show.statistics import counts
from fixer.show.tool import NAME, tool_version
from fixer.show.words import in_words

VERSION = 1


def report_json(report: Report, read: Read) -> str:
    """What `check` found."""
    return _dumped(
        {
            **_head("report"),
            "findings": [{**_ids(reported), **_finding(reported, read, edits=True)} for reported in report.findings],
            **_trouble(report),
            **coverage_json(report.coverage),
            "statistics": [
                {"rule": c.rule_id, "found": c.found, "safe": c.safe, "review": c.review, "blocked": c.blocked}
                for c in counts(report.findings)
            ],
        }
    )


def plan_json(plan: Plan, read: Read) -> str:
    """What an apply would do: each file with its patch, each fix taken with the files that it changed.

    `read` gives the files in which `left` has its positions: those on disk in a dry run, else those that are written.
    Positions of `taken` would be of files in between, and are not given.
    """
    changed: dict[int, list[str]] = {}
    for path in sorted(plan.files):
        for origin in {piece.origin for piece in plan.files[path].pieces if piece.origin is not None}:
            changed.setdefault(origin, []).append(path)
    return _dumped(
        {
            **_head("plan"),
            "files": [
                {
                    "path": path,
                    "new": plan.files[path].before is None,
                    "executable": plan.files[path].executable,
                    "patch": file_patch(plan.files[path]).decode(),
                }
                for path in sorted(plan.files)
            ],
            "taken": [
                {
                    **_ids(reported),
                    **_identity(reported),
                    "fix": _fix(reported.finding.cure, None),
                    "files": changed.get(number, []),
                    "also": [{**_ids(gone), **_identity(gone)} for gone in plan.along.get(number, ())],
                }
                for number, reported in enumerate(plan.taken)
                if isinstance(reported.finding.cure, Fix)
            ],
            "left": [{**_ids(reported), **_finding(reported, read, edits=False)} for reported in plan.left],
            **_trouble(plan),
        }
    )


def _dumped(value: dict[str, Any]) -> str:
    # Paths may hold bytes that are not UTF-8, as lone surrogates: ASCII carries them.
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"


def _head(kind: str) -> dict[str, Any]:
    return {"version": VERSION, "kind": kind, "tool": {"name": NAME, "version": tool_version()}}


def _ids(reported: Reported) -> dict[str, str]:
    return {"id": reported.id, "group": group_id(reported)}


def _identity(reported: Reported) -> dict[str, Any]:
    rule, finding = reported.rule, reported.finding
    return {
        "rule": rule.id,
        "pack": rule.pack,
        "audit": list(rule.audit),
        "level": str(reported.level),
        "path": finding.path,
        "message": finding.message,
    }


def _finding(reported: Reported, read: Read, *, edits: bool) -> dict[str, Any]:
    finding = reported.finding
    cure = finding.cure
    said = {**_identity(reported), **_span(finding.span, source_of(finding.path, read)), "fix": None, "blocked": None}
    if isinstance(cure, Fix):
        said["fix"] = _fix(cure, read if edits else None)
    else:
        said["blocked"] = {"reason": cure.reason, "next_step": cure.next_step, "config": cure.config}
    return said


def _fix(fix: Fix, read: Read | None) -> dict[str, Any]:
    """With its edits where `read` gives the files that they are edits of."""
    said: dict[str, Any] = {
        "title": fix.title,
        "tier": str(fix.tier),
        "effects": list(in_words(fix)),
        "todo": list(fix.todo),
    }
    if read is not None:
        said["edits"] = [_edit(edit, read) for edit in fix.edits]
        said["new_files"] = [{"path": f.path, "text": f.text, "executable": f.executable} for f in fix.new_files]
    return said


def _edit(edit: Edit, read: Read) -> dict[str, Any]:
    return {"path": edit.path, **_span(edit.span, source_of(edit.path, read)), "text": edit.text}


def _span(span: Span, source: Source) -> dict[str, Any]:
    place = place_of(span, source)
    return {
        "start": {"line": place.line, "column": place.column, "offset": span.start},
        "end": {"line": place.end_line, "column": place.end_column, "offset": span.end},
    }


def coverage_json(coverage: Coverage | None) -> dict[str, Any]:
    """The key `looked_at`; nothing where nobody asked."""
    if coverage is None:
        return {}
    return {
        "looked_at": {
            "files": dict(coverage.read),
            "others": coverage.others,
            "unreadable": coverage.unreadable,
            "left_out": dict(coverage.left_out),
            "unknown_actions": list(coverage.unknown_actions),
        }
    }


def _trouble(of: Report | Plan) -> dict[str, Any]:
    return {
        "faults": [{"rule": fault.rule_id, "path": fault.path, "what": fault.what} for fault in of.faults],
        "problems": [{"path": p.path, "reason": p.reason, "advice": p.advice} for p in of.problems],
    }
