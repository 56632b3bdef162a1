"""The JSON formats keep to their published schema, and say enough to do what an apply does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixer.model import Fault, FileError, Plan, Report, Source
from fixer.show.json import plan_json, report_json
from tests import examples
from tests.test_patch import git_apply

SCHEMA = Path(__file__).parent.parent / "docs/schema/report-1.json"

TROUBLED = Report(
    examples.report().findings,
    (Fault("silent-type-check", "a.yml", "broke its promise"),),
    (FileError("b.yml", "not YAML", "look at line 3"),),
)


def check_jsonschema(*arguments: str | Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "check_jsonschema", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def strict(schema: Any) -> Any:
    """The schema with unknown keys refused, so that a key that it does not describe is found."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        closed["additionalProperties"] = False
    return closed


@pytest.mark.slow
@pytest.mark.needs("check-jsonschema")
def test_what_is_written_is_what_the_schema_describes(tmp_path: Path) -> None:
    assert check_jsonschema("--check-metaschema", SCHEMA)[0] == 0
    closed = tmp_path / "strict.json"
    closed.write_text(json.dumps(strict(json.loads(SCHEMA.read_text()))))
    for name, text in {
        "report": report_json(TROUBLED, examples.read),
        "nothing": report_json(Report(()), examples.read),
        "plan": plan_json(examples.plan(), examples.read_after),
        "no-plan": plan_json(Plan({}, ()), examples.read_after),
    }.items():
        file = tmp_path / f"{name}.json"
        file.write_text(text)
        for schema in (SCHEMA, closed):
            code, said = check_jsonschema("--schemafile", schema, file)
            assert code == 0, said


@pytest.mark.needs("check-jsonschema")
def test_the_schema_refuses_a_finding_with_neither_fix_nor_reason(tmp_path: Path) -> None:
    broken = json.loads(report_json(TROUBLED, examples.read))
    broken["findings"][0]["fix"] = None
    (tmp_path / "broken.json").write_text(json.dumps(broken))

    assert check_jsonschema("--schemafile", SCHEMA, tmp_path / "broken.json")[0] == 1


def test_positions_and_edits_are_those_of_the_files() -> None:
    report = json.loads(report_json(examples.report(), examples.read))

    first = report["findings"][0]
    assert (first["rule"], first["audit"], first["path"]) == (
        "silent-type-check",
        ["D-009.5"],
        ".github/workflows/ci.yml",
    )
    assert first["start"] == {"line": 8, "column": 20, "offset": examples.CI.index(" || true")}
    (edit,) = first["fix"]["edits"]
    text = examples.CI
    assert text[: edit["start"]["offset"]] + edit["text"] + text[edit["end"]["offset"] :] == text.replace(
        " || true", ""
    )
    assert report["findings"][2]["fix"]["new_files"][0]["executable"] is True
    assert report["findings"][3]["blocked"]["config"].startswith("rules.hardcoded-sleep.url")


def test_a_byte_order_mark_and_windows_line_ends_do_not_move_positions() -> None:
    ci, deploy = examples.sources(bom=True, newline="\r\n")
    # The example's text has bare line feeds; its findings are made again for this file.
    report = Report(tuple(examples.findings(ci, Source(deploy.path, examples.DEPLOY))))

    first = json.loads(report_json(report, {ci.path: ci, deploy.path: deploy}.__getitem__))["findings"][0]
    assert (first["start"]["line"], first["start"]["column"]) == (8, 20)


def test_the_patches_of_a_plan_can_be_applied(tmp_path: Path) -> None:
    for source in examples.sources():
        (tmp_path / source.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / source.path).write_bytes(source.to_bytes())
    plan = json.loads(plan_json(examples.plan(), examples.read_after))

    for file in plan["files"]:
        assert git_apply(tmp_path, file["patch"].encode()).returncode == 0
    for path, change in examples.plan().files.items():
        assert (tmp_path / path).read_bytes() == change.after.to_bytes()
    assert plan["taken"][2]["files"] == [".github/workflows/deploy.yml", "scripts/snapshot.sh"]


def test_a_path_that_is_not_utf_8_does_not_break_the_format() -> None:
    odd = FileError("caf\udce9.yml", "not YAML")

    assert json.loads(report_json(Report((), (), (odd,)), examples.read))["problems"][0]["path"] == "caf\udce9.yml"
