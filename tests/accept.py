"""Rewrites the `after` of fixtures from what the rules do now. The diff is to be read like code before it is kept.

python -m tests.accept RULE-ID        one rule's cases that have an `after`
python -m tests.accept financehub     the repository that all rules run over
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from fixer.registry import all_rules
from tests.fixture_cases import CASES, FIXTURES, Case, files, planned, write


def accept(before: dict[str, bytes], after: Path, rule_ids: set[str], config: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = planned(Path(folder), before, [rule for rule in all_rules() if rule.id in rule_ids], config)
    if found.faults:
        sys.exit("\n".join(f"{fault.rule_id}: {fault.path}: {fault.what}" for fault in found.faults))
    shutil.rmtree(after, ignore_errors=True)
    write(after, {path: change.after.to_bytes() for path, change in found.files.items()})
    print(f"{after.relative_to(FIXTURES)}: {len(found.files)} files, {len(found.taken)} fixes")


def main(name: str) -> None:
    if name == "financehub":
        folder = FIXTURES / name
        everything = {rule.id for rule in all_rules()}
        accept(files(folder / "before"), folder / "after", everything, Case(folder).config)
        return
    for case in CASES:
        if case.rule_id == name and (case.folder / "after").exists():
            accept(case.before, case.folder / "after", {name}, case.config)


if __name__ == "__main__":
    main(sys.argv[1])
