"""What a user has decided not to hear about stays unsaid, and nothing else does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fixer import disk
from fixer.config import Config
from fixer.ignores import ABOVE, Baseline, ChangedSince, baseline_text
from fixer.model import FileError, Finding, Fix, Reported, Rule, Source, Span
from fixer.session import open_session
from tests.examples import OUTDATED, SILENT


def at(source: Source, text: str, rule: Rule = SILENT, nth: int = 1) -> Reported:
    start = -1
    for _ in range(nth):
        start = source.text.index(text, start + 1)
    return Reported(rule, Finding(source.path, Span(start, start + len(text)), "m", Fix("t")))


def heard(text: str, rule: Rule = SILENT) -> bool:
    source = Source("f", text)
    return Config().wants(at(source, "HERE", rule), source)


@pytest.mark.parametrize(
    "text",
    [
        "HERE # fhfix: ignore[silent-type-check]",
        "HERE  #fhfix:ignore[ci]",
        "HERE # noqa # fhfix: ignore[x, D-009.5] on purpose",
        "# fhfix: ignore[silent-type-check]\nHERE",
        "# fhfix: ignore[all]\n# because it is so\nHERE",
        "  # fhfix: ignore[D-009] -- reason\r\n  HERE\r\n",
        "# fhfix: ignore-file[ci]\nx\n\ny\nHERE",
        "x\nHERE\n\n# fhfix: ignore-file[silent-type-check]",
    ],
)
def test_a_comment_silences_the_finding_that_it_stands_at(text: str) -> None:
    assert not heard(text)
    assert heard("HERE")


@pytest.mark.parametrize(
    "text",
    [
        "HERE # fhfix: ignore[hardcoded-sleep]",
        "HERE # fhfix: ignore[]",
        "HERE # fhfix: ignore",
        "# fhfix: ignore[ci]\n\nHERE",
        "other # fhfix: ignore[ci]\nHERE",
        "HERE\n# fhfix: ignore[ci]",
        "other # fhfix: ignore-file[ci]\nHERE",
        "HERE # fhfix: ignore-file[ci]",
        "# fhfix: ignore-file[hardcoded-sleep]\nHERE",
    ],
)
def test_a_comment_elsewhere_or_about_another_rule_does_not(text: str) -> None:
    assert heard(text)


# -- baseline -----------------------------------------------------------------------------------------------------


def baseline(root: Path, *reported: Reported) -> Baseline:
    sources = {r.finding.path: Source(r.finding.path, (root / r.finding.path).read_text()) for r in reported}
    path = root / "baseline.json"
    path.write_text(baseline_text(reported, sources))
    return Baseline.load(path, root)


def test_known_findings_stay_known_when_they_move(tmp_path: Path) -> None:
    old = Source("f", "a\nHERE\n")
    (tmp_path / "f").write_text(old.text)
    known = baseline(tmp_path, at(old, "HERE"))
    moved = Source("f", "new\nlines\na\n  HERE\nHERE 2\n")
    (tmp_path / "f").write_text(moved.text)

    assert not known(at(moved, "HERE"), moved)
    assert known(at(moved, "HERE 2"), moved)
    assert known(at(moved, "HERE", OUTDATED), moved)


def test_a_second_line_like_a_known_one_is_new(tmp_path: Path) -> None:
    old = Source("f", "HERE\n")
    (tmp_path / "f").write_text(old.text)
    known = baseline(tmp_path, at(old, "HERE"))
    twice = Source("f", "HERE\nHERE\n")
    (tmp_path / "f").write_text(twice.text)

    assert [known(at(twice, "HERE", nth=n), twice) for n in (1, 2)] == [False, True]


def test_a_line_that_another_fix_has_changed_in_memory_is_still_known(tmp_path: Path) -> None:
    disk = Source("f", "a\nHERE v1\nb\n")
    (tmp_path / "f").write_text(disk.text)
    known = baseline(tmp_path, at(disk, "HERE"))
    memory = Source("f", "a\nnew\nHERE v2\nb\n")

    assert not known(at(memory, "HERE v2"), memory)
    assert known(at(Source("f", "a\nHERE v1\nb\nHERE v3\n"), "HERE v3"), Source("f", "a\nHERE v1\nb\nHERE v3\n"))


def test_the_baseline_file_is_sorted_and_says_what_it_holds(tmp_path: Path) -> None:
    source = Source("f", "HERE\nHERE\n")
    text = baseline_text([at(source, "HERE", nth=2), at(source, "HERE", OUTDATED)], {"f": source})

    assert [entry["rule"] for entry in json.loads(text)["findings"]] == ["outdated-action", "silent-type-check"]
    assert json.loads(text)["version"] == 1


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 2}', '{"version": 1}', '{"version": 1, "findings": ["a"]}', None]
)
def test_a_file_that_is_no_baseline_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "b.json").write_text(text)

    with pytest.raises(FileError, match="baseline"):
        Baseline.load(tmp_path / "b.json", tmp_path)


# -- lines that changed -------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "f").write_text("a\nHERE 1\nb\nHERE 2\n")
    (tmp_path / "same").write_text("HERE\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def test_only_findings_on_changed_lines_are_heard(repository: Path) -> None:
    now = Source("f", "new\na\nHERE 1\nb\nHERE two\n")
    (repository / "f").write_text(now.text)
    (repository / "untracked").write_text("HERE\n")
    since = ChangedSince.of(repository, "HEAD")

    assert not since(at(now, "HERE 1"), now)
    assert since(at(now, "HERE two"), now)
    assert not since(at(Source("same", "HERE\n"), "HERE"), Source("same", "HERE\n"))
    assert since(at(Source("untracked", "HERE\n"), "HERE"), Source("untracked", "HERE\n"))


def test_lines_are_those_on_disk_when_fixes_have_moved_them_in_memory(repository: Path) -> None:
    (repository / "f").write_text("a\nHERE 1\nb\nHERE two\n")
    since = ChangedSince.of(repository, "main")
    memory = Source("f", "inserted\na\nHERE one\nb\nHERE 2b\n")

    assert not since(at(memory, "HERE one"), memory)
    assert since(at(memory, "HERE 2b"), memory)


def test_the_revision_is_where_this_branch_left_it(repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "topic")
    (repository / "same").write_text("HERE changed\n")
    git(repository, "commit", "-q", "-a", "-m", "topic")
    git(repository, "checkout", "-q", "main")
    (repository / "f").write_text("a\nHERE main\nb\nHERE 2\n")
    git(repository, "commit", "-q", "-a", "-m", "main goes on")
    git(repository, "checkout", "-q", "topic")
    since = ChangedSince.of(repository, "main")

    same, other = Source("same", "HERE changed\n"), Source("f", "a\nHERE 1\nb\nHERE 2\n")
    assert since(at(same, "HERE"), same)
    assert not since(at(other, "HERE 1"), other)


def test_a_file_is_read_once_for_all_its_findings_and_again_when_it_changed(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = disk.read

    def counted(root: Path, path: str) -> tuple[bytes, int]:
        read.append(path)
        return real(root, path)

    monkeypatch.setattr(disk, "read", counted)
    now = Source("f", "new\na\nHERE 1\nb\nHERE two\n")
    (repository / "f").write_text(now.text)
    since = ChangedSince.of(repository, "HEAD")

    heard = [since(at(now, text), now) for text in ("HERE 1", "HERE two", "HERE 1")]
    once = list(read)
    (repository / "f").write_text("newer\na\nHERE 1, too\nb\nHERE two\n")
    later = Source("f", (repository / "f").read_text())

    assert heard == [False, True, False]
    assert once == ["f"]
    assert since(at(later, "HERE 1, too"), later)
    assert read == ["f", "f"]


def test_line_ends_that_git_converts_are_no_change(repository: Path) -> None:
    now = Source("f", "a\r\nHERE 1\r\nb\r\nHERE 3\r\n")
    (repository / "f").write_bytes(now.to_bytes())
    since = ChangedSince.of(repository, "HEAD")

    assert not since(at(now, "HERE 1"), now)
    assert since(at(now, "HERE 3"), now)


@pytest.mark.parametrize("revision", ["nothing", "--output=x", "HEAD~5"])
def test_an_unknown_revision_is_named(repository: Path, revision: str) -> None:
    with pytest.raises(FileError, match="git knows no such revision"):
        ChangedSince.of(repository, revision)
    assert not (repository / "x").exists()


def test_a_folder_that_is_no_repository_has_no_revisions(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="not a git repository"):
        ChangedSince.of(tmp_path, "main")


def test_a_comment_far_above_is_about_something_else(tmp_path: Path) -> None:
    """How far up is read must not grow with the file."""
    ignore, other = "# fhfix: ignore[silent-type-check]\n", "# why\n"
    near = "      " + ignore + ("      " + other) * (ABOVE - 2)
    far = "      " + ignore + ("      " + other) * ABOVE
    text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{comment}      - run: mypy . || true\n"
    for comment, found in ((near, 0), (far, 1)):
        path = tmp_path / str(found) / ".github/workflows/ci.yml"
        path.parent.mkdir(parents=True)
        path.write_text(text.format(comment=comment))
        made = open_session(tmp_path / str(found)).check().findings
        assert len([each for each in made if each.rule.id == "silent-type-check"]) == found
