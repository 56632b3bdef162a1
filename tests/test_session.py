"""What programs use as a library: open, check, plan; errors of its own; nothing is printed and no process ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixer.model import Reported, Tier
from fixer.repository import Repository
from fixer.session import NoSuchPathError, SessionError, open_session

WORKFLOW = """\
on: push
jobs:
  lint:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v3
      - run: mypy . || true
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    (folder / "ci.yml").write_text(WORKFLOW)
    return tmp_path


def test_a_repository_is_opened_checked_and_planned(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = open_session(root, select=["silent-type-check"])
    report = session.check()
    plan = session.plan()

    assert [reported.rule.id for reported in report.findings] == ["silent-type-check"]
    assert plan.files[".github/workflows/ci.yml"].after.text == WORKFLOW.replace(" || true", "")
    assert session.after(plan).read(".github/workflows/ci.yml") == plan.files[".github/workflows/ci.yml"].after
    assert [criterion.state for criterion in session.criteria(plan)] == ["met"]
    assert (root / ".github/workflows/ci.yml").read_text() == WORKFLOW, "nothing is written"
    assert capsys.readouterr() == ("", "")


def test_a_fix_may_be_refused_and_a_tier_left_out(root: Path) -> None:
    asked: list[str] = []

    def refuse(reported: Reported, repository: Repository) -> bool:
        asked.append(reported.rule.id)
        return False

    refused = open_session(root, select=["ci"]).plan(refuse)
    safe = open_session(root, select=["ci"], tier=Tier.SAFE)

    assert asked
    assert not refused.files
    assert safe.config.tiers == {Tier.SAFE}


def test_what_takes_time_is_surrounded_by_what_the_caller_gives(root: Path) -> None:
    done: list[str] = []

    @contextmanager
    def waiting(what: str) -> Iterator[None]:
        yield
        done.append(what)

    session = open_session(root, select=["silent-type-check"], waiting=waiting)
    session.check()
    session.plan()

    assert done == ["looking for findings", "planning fixes"]


def test_what_is_wrong_is_an_error_of_the_session_all_at_once(root: Path) -> None:
    with pytest.raises(NoSuchPathError, match="no such file or folder"):
        open_session(root / "gone")
    with pytest.raises(SessionError) as raised:
        open_session(root, select=["nobody"], settings=["rules.hardcoded-sleep.timeout=soon"])
    assert len(raised.value.errors) == 2
    with pytest.raises(SessionError, match="not a git repository"):
        open_session(root, changed_since="main")
