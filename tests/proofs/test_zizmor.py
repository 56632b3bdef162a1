"""What zizmor finds in what fhfix wrote: nothing of a kind that the file did not have, but what is listed here.

A job that a rule adds is made from its neighbours' lines, and takes their laxness along: what the file has already is
theirs. A kind of finding that is new in a file is fhfix's own.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.components import path as component
from tests.fixture_cases import CASES

pytestmark = pytest.mark.needs("zizmor")

_SELF = "a step that is copied keeps its action of the repository; `$/` instead of `./` is not known to every runner"
_SIGN_IN = "the new workflow signs in by the step that the repository signs in with, as it stands there"
LISTED: dict[tuple[str, str], str] = {
    ("self-repository", "missing-deploy-migration"): _SELF,
    ("self-repository", "missing-predeploy-backup"): _SELF,
    ("self-repository", "missing-rollback"): _SELF,
    ("superfluous-actions", "deprecated-release-action"): "an action replaces an action; the option style takes gh",
    ("unpinned-uses", "missing-alerts"): "the new workflow names the checkout as the workflows beside it do, by a tag",
    ("unpinned-uses", "missing-backup-job"): _SIGN_IN,
    ("unpinned-uses", "missing-restore-test"): _SIGN_IN,
    ("unpinned-uses", "missing-trivy-scan"): "a workflow that only calls others has no reference whose style to follow",
}
"""Kinds by rule that are new in a file, and why they stay."""

Found = dict[str, Counter[str]]


def zizmor(folder: Path) -> Found:
    """Kinds of findings by file, in zizmor's regular persona."""
    command = [component("zizmor"), "--offline", "--no-config", "--no-exit-codes", "--format", "json", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: Found = {}
    for finding in json.loads(done.stdout):
        for location in finding["locations"]:
            if location["symbolic"]["kind"] == "Primary":
                path = Path(location["symbolic"]["key"]["Local"]["verbatim_path"]).relative_to(folder).as_posix()
                found.setdefault(path, Counter())[finding["ident"]] += 1
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, Found]:
    """What it finds in the changed workflows of all fixtures, before and after."""
    sides = []
    for side in ("before", "after"):
        folder = tmp_path_factory.mktemp(side)
        for case in CASES:
            tree = case.before if side == "before" else {**case.before, **case.after}
            for path, data in tree.items():
                if ".github/workflows/" in path and path in case.after:
                    target = folder / case.rule_id / case.folder.name / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(data)
        sides.append(zizmor(folder))
    return sides[0], sides[1]


def test_no_kind_of_finding_is_new_in_a_file_but_those_that_are_listed(both: tuple[Found, Found]) -> None:
    before, after = both
    new = {
        (kind, path.split("/")[0]): path
        for path, kinds in after.items()
        for kind in kinds
        if kind not in before.get(path, Counter())
    }

    assert {key: path for key, path in new.items() if key not in LISTED} == {}
    assert [key for key in LISTED if key not in new] == []


def test_zizmor_reads_the_fixtures(both: tuple[Found, Found]) -> None:
    before, after = both

    assert sum(map(Counter.total, before.values())) > 300
    assert len(after) > 100
