"""What one plan of the bundled repository does: no text is parsed twice, no fact is made again without a reason, and
git is asked once."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest

from fixer import documents, repository
from fixer.documents import document_type
from fixer.github.workflow import Workflow
from fixer.languages.makefile import targets
from fixer.model import Document, Profile, Source
from fixer.repository import Repository
from fixer.runtime import builds
from fixer.session import open_session
from tests.fixture_cases import write
from transforms.monitoring.missing_alerts import told

BUNDLED = Path(__file__).parent.parent / "fixtures" / "financehub" / "before"
KINDS = (
    "github.workflow.Workflow",
    "docker.compose.Compose",
    "languages.dockerfile.Dockerfile",
    "languages.lines.Lines",
    "languages.python.module.PythonModule",
    "languages.yaml.edit.Yaml",
)


class Done(NamedTuple):
    """How often each was done: texts parsed, by type and path; facts made, by name; parts of facts, by name, path and
    text; calls of git, by their words."""

    parsed: Counter[tuple[str, str, str]]
    facts: Counter[str]
    parts: Counter[tuple[str, str, str]]
    git: Counter[str]
    snapshots: int


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    root = tmp_path_factory.mktemp("counted") / "financehub"
    shutil.copytree(BUNDLED, root)
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    parsed: Counter[tuple[str, str, str]] = Counter()
    facts: Counter[str] = Counter()
    parts: Counter[tuple[str, str, str]] = Counter()
    git: Counter[str] = Counter()
    snapshots: list[Repository] = []
    with ExitStack() as counted:
        for kind in map(document_type, KINDS):
            parse = kind.__dict__.get("parse")
            if parse is not None:
                counted.enter_context(mock.patch.object(kind, "parse", classmethod(_counting(parse.__func__, parsed))))
        make, change, ask = Repository._newly_made, Repository.with_changes, repository._git

        def made(self: Repository, key: Any, before: Any) -> Any:
            kind, path = key
            if path:
                changed = self._overlay.get(path)
                parts[kind.__name__, path, changed.text if changed is not None else ""] += 1
            else:
                facts[kind.__name__] += 1
            return make(self, key, before)

        def changed(self: Repository, files: Any) -> Repository:
            snapshots.append(self)
            return change(self, files)

        def asked(root: Path, *words: str, **given: Any) -> Any:
            git[" ".join(words[:2])] += 1
            return ask(root, *words, **given)

        counted.enter_context(mock.patch.object(Repository, "_newly_made", made))
        counted.enter_context(mock.patch.object(Repository, "with_changes", changed))
        counted.enter_context(mock.patch.object(repository, "_git", asked))
        session = open_session(root)
        assert session.plan().taken
        session.coverage()
    return Done(parsed, facts, parts, git, len(snapshots))


def _counting(parse: Any, parsed: Counter[tuple[str, str, str]]) -> Any:
    def counting(cls: type[Document], source: Source) -> Document:
        parsed[cls.__name__, source.path, source.text] += 1
        found: Document = parse(cls, source)
        return found

    return counting


def test_no_text_is_parsed_twice(done: Done) -> None:
    assert done.parsed
    assert set(done.parsed.values()) == {1}


def test_a_fact_is_made_again_only_where_its_files_changed(done: Done) -> None:
    """Half of the snapshots change workflows, which most facts rest on."""
    assert all(times <= done.snapshots + 1 for times in done.facts.values())
    assert {name: done.facts[name] for name in ("Catalog", "Origin", "FrontEnds", "RawSql")} == {
        "Catalog": 1, "Origin": 1, "FrontEnds": 1, "RawSql": 1,
    }  # fmt: skip
    assert done.facts["DjangoProject"] <= done.facts["Workflows"] * 2 / 3, done.facts
    # Few fixes change what images are made, and fewer what a start of the application does.
    assert done.facts["Compositions"] <= done.facts["Workflows"] / 2, done.facts
    assert done.facts["_Application"] <= done.facts["Deployments"] / 2, done.facts


def test_what_one_file_says_is_made_once_for_each_of_its_texts(done: Done) -> None:
    """What a workflow runs and deploys, say, is a part of a fact: where another workflow changed, it stays."""
    assert {name for name, _, _ in done.parts} == {
        "_Builds",
        "_Running",
        "_Deploying",
        "_Followed",
        "_OfModule",
        "_Script",
        "_Said",
        "_Tells",
    }
    assert set(done.parts.values()) == {1}


def test_git_is_asked_once(done: Done) -> None:
    listed = done.git.pop("ls-files -z")
    ignored = done.git.pop("check-ignore --stdin")
    assert listed == 2  # what counts, and for the summary what git ignores
    assert ignored == 1  # all new files of all rules
    assert done.git == {"config --get": 1}


WORKFLOW = "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make test\n"


def test_what_is_not_there_costs_nothing(tmp_path: Path) -> None:
    """One workflow, and many files that nothing is known of: no fact about Django, a deployment or a database is asked
    for, no pattern is held against such a file, and none is read."""
    bystanders = {f"src/part{n % 20}/file{n}.{('ts', 'svg', 'css')[n % 3]}" for n in range(300)}
    write(tmp_path, {**dict.fromkeys(bystanders, ""), ".github/workflows/ci.yml": WORKFLOW})
    facts: set[str] = set()
    told: set[str] = set()
    make, kind = Repository._newly_made, documents._of

    def made(self: Repository, key: Any, before: Any) -> Any:
        facts.add(key[0].__name__)
        return make(self, key, before)

    def told_by(path: str) -> Any:
        told.add(path)
        return kind(path)

    with mock.patch.object(Repository, "_newly_made", made), mock.patch.object(documents, "_of", told_by):
        session = open_session(tmp_path)
        session.check()

    assert "DjangoProject" in facts
    assert facts.isdisjoint({"DatabaseServers", "Backups", "CloudWatch", "Routes", "Sessions", "RawSql", "Forks"})
    assert facts.isdisjoint({"Runtime", "JobPrograms", "_Running"})  # nothing but jobs runs anything
    assert told.isdisjoint(bystanders)
    assert bystanders.isdisjoint(session.repository.looked_at())


def test_a_makefile_is_read_once() -> None:
    assert targets("a: b\n\techo a\n") is targets("a: b\n\techo a\n")


def test_folders_of_images_are_read_once_for_all_that_are_built(tmp_path: Path) -> None:
    """And not for each of them anew: what runs without being built here may be any of them."""
    count = 30
    image = 'FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\nCMD ["gunicorn", "site.wsgi"]\n'
    images = {f"service{n}/Dockerfile": image for n in range(count)}
    write(tmp_path, {**images, "compose.yaml": "services:\n  web:\n    image: registry.example.com/shop/web:1\n"})
    called: Counter[str] = Counter()
    after = builds._called_after

    def counting(build: Any) -> str:
        called[build.path] += 1
        return after(build)

    with mock.patch.object(builds, "_called_after", counting):
        open_session(tmp_path).check()

    assert count < called.total() <= 4 * count


class There:
    """Whether a file and a folder are there."""

    made = 0

    @classmethod
    def detect(cls, repository: Repository) -> There | None:
        cls.made += 1
        return cls() if repository.exists("src/a.py") and repository.has_folder("src") else None


def test_what_is_there_is_not_asked_for_again(tmp_path: Path) -> None:
    """Changes only add files, so a new one beside those that are there makes nothing anew."""
    write(tmp_path, {"src/a.py": ""})
    before = Repository(tmp_path)
    there = before.fact(There)
    assert there is not None
    assert before.with_changes({"src/b.py": Source("src/b.py", "")}).fact(There) is there
    assert There.made == 1


def test_names_of_workflows_are_read_once(tmp_path: Path) -> None:
    """And not for each of those that nobody is told of."""
    count = 20
    scheduled = WORKFLOW.replace("on: push", 'name: Nightly\non:\n  schedule:\n    - cron: "0 3 * * *"')
    write(tmp_path, {f".github/workflows/nightly{n}.yml": scheduled for n in range(count)})
    read: Counter[str] = Counter()
    name = told._name

    def reading(workflow: Workflow) -> str:
        read[workflow.path] += 1
        return name(workflow)

    with mock.patch.object(told, "_name", reading):
        found = open_session(tmp_path, profile=Profile.AUDIT, select=["missing-alerts"]).check().findings

    assert len(found) == count
    assert read.total() == 2 * count
