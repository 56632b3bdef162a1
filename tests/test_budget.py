"""What one file may cost: after that it is not handled, by name, and everything else goes on."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixer import budget, engine
from fixer.audit import claims
from fixer.budget import OutOfTime, limited
from fixer.cli import main
from fixer.config import Config, ConfigError, load_config
from fixer.fleet.looking import How, Look, in_own_process, look_at
from fixer.fleet.proposing import Job, Order, proposed
from fixer.fleet.sources import Target
from fixer.forge.github import GitHub
from fixer.github.workflow import Workflow
from fixer.model import FileError, Finding, Rule
from fixer.repository import Repository
from fixer.review import Review, serve
from fixer.session import Session, open_session
from fixer.show.page import About
from tests.proofs.fakehub import FakeHub, serving
from tests.test_review import Browser

TOKEN = "t0ken-of-ada"


def busy() -> None:
    for _ in itertools.count():
        pass


def late() -> None:
    """The time is up: what the timer does, done by hand."""
    signal.raise_signal(signal.SIGVTALRM)


# -- the limit ----------------------------------------------------------------------------------------------------


def test_a_loop_is_ended() -> None:
    with pytest.raises(OutOfTime), limited(0.05):
        busy()


def test_a_regular_expression_is_ended() -> None:
    with pytest.raises(OutOfTime), limited(0.05):
        re.match(r"(a+)+$", "a" * 60 + "b")


def test_waiting_costs_nothing() -> None:
    with limited(0.05):
        time.sleep(0.2)


def test_another_file_begins_anew() -> None:
    started = time.process_time()
    with limited(0.3):
        while time.process_time() - started < 0.6:
            budget.another_file()


def test_the_limit_is_gone_afterwards() -> None:
    before = signal.getsignal(signal.SIGVTALRM)

    with limited(0.05):
        pass

    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGVTALRM) == before


def test_in_another_thread_nothing_is_limited() -> None:
    done: list[bool] = []

    def work() -> None:
        with limited(0.01):
            sum(range(3_000_000))
        done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert done == [True]


# -- a file -------------------------------------------------------------------------------------------------------


WORKFLOW = "on: push\njobs:\n  {name}:\n    runs-on: ubuntu-latest\n    steps:\n      - run: mypy . || true\n"


class Jobs:
    """A fact that is had by reading every workflow."""

    names: tuple[str, ...] = ()

    @classmethod
    def detect(cls, repository: Repository) -> Jobs:
        made = cls()
        for document in repository.documents(Workflow):
            _hostile(document)
            made.names += (document.path,)
        return made


def _hostile(document: Workflow) -> None:
    if "loops" in document.source.text:
        late()
    if "nests" in document.source.text:
        _nest()


def _nest() -> None:
    _nest()


def _of_document(document: Workflow) -> Iterator[Finding]:
    _hostile(document)
    yield from ()


def _of_fact(jobs: Jobs) -> Iterator[Finding]:
    assert jobs.names == (".github/workflows/good.yml",)
    yield from ()


@pytest.fixture
def three(tmp_path: Path) -> Repository:
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    for name in ("good", "loops", "nests"):
        (folder / f"{name}.yml").write_text(WORKFLOW.replace("{name}", name))
    return Repository(tmp_path)


REASONS = [
    (".github/workflows/loops.yml", "takes too long to be read"),
    (".github/workflows/nests.yml", "nested too deeply"),
]


@pytest.mark.parametrize("check", [_of_document, _of_fact])
@pytest.mark.parametrize("ask", [engine.check, engine.plan])
def test_a_file_that_costs_too_much_is_named_and_the_others_are_handled(three: Repository, check, ask) -> None:  # type: ignore[no-untyped-def]
    from fixer.registry import all_rules

    silent = [rule for rule in all_rules() if rule.id == "silent-type-check"]

    made = ask(three, [Rule("transforms.ci.slow", "is slow", check), *silent])

    assert [(problem.path, problem.reason) for problem in made.problems] == REASONS
    assert made.faults == ()
    done = made.findings if hasattr(made, "findings") else made.taken
    assert [reported.finding.path for reported in done] == [".github/workflows/good.yml"]


HOSTILE = "on: push\njobs:\n  loops:\n    runs-on: ubuntu-latest\n    steps:\n      - run: mypy . || true\n"
COMMANDS = [
    ("check", 1),
    ("apply --dry-run", 0),
    ("apply", 1),
    ("preview --html {html}", 1),
    ("audit", 0),
    ("audit --format json", 0),
    ("init --stdout", 0),
    ("configure", 1),
]


def spend(text: str) -> None:
    """What a hostile text costs: all that is left, if there is a limit at all."""
    if "loops" in text:
        assert budget._running, "nothing limits this"
        late()


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workflow beside a good one, of which the jobs cost whoever asks for them all the time there is."""
    folder = tmp_path / "repository/.github/workflows"
    folder.mkdir(parents=True)
    (folder / "good.yml").write_text(WORKFLOW.replace("{name}", "good"))
    (folder / "bad.yml").write_text(HOSTILE)
    jobs = Workflow.__dict__["jobs"].func

    def costly(self: Workflow) -> object:
        spend(self.source.text)
        return jobs(self)

    monkeypatch.setattr(Workflow, "jobs", property(costly))
    return tmp_path / "repository"


@pytest.mark.parametrize(("command", "code"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_every_command_gives_the_file_up_and_goes_on(command: str, code: int, hostile: Path, tmp_path: Path) -> None:
    words = command.format(html=tmp_path / "page.html").split()

    result = CliRunner().invoke(main, [*words, str(hostile)])

    assert "nothing limits this" not in result.output
    assert re.search(r"bad\.yml: takes too long", result.output) is not None
    assert result.exit_code == code, result.output
    assert (hostile / ".github/workflows/bad.yml").read_text() == HOSTILE
    assert ("|| true" not in (hostile / ".github/workflows/good.yml").read_text()) == (words == ["apply"])


def test_a_look_at_one_of_a_fleet_gives_the_file_up_and_goes_on(hostile: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(hostile)], check=True)
    look = Look(Target("acme/shop", folder=str(hostile)), How(str(tmp_path / "cache")))

    looked = look_at(look)

    assert "bad.yml: takes too long" in str(looked.trouble)
    assert "good.yml" in str(looked.found)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setattr(GitHub, "sleep", lambda self, seconds: None)
    for made in serving(tmp_path / "hub"):
        monkeypatch.setenv("FHFIX_HOST", made.url.partition("://")[2])
        monkeypatch.setenv("FHFIX_TOKEN", TOKEN)
        yield made


def _seeded(hub: FakeHub, root: Path) -> None:
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.yml")}
    hub.seed("acme/shop", files)


def _proposes_the_good_one_and_names_the_other(hub: FakeHub) -> None:
    (pull,) = hub.pulls
    assert "### What was not looked at\n\n* `.github/workflows/bad.yml`: takes too long" in pull.body
    tree = hub.folder / "acme/shop.git"
    changed = hub.git(tree, "diff", "--name-only", "main", pull.head)
    assert changed.split() == [".github/workflows/good.yml"]


def test_a_pull_request_gives_the_file_up_and_goes_on(hub: FakeHub, hostile: Path, tmp_path: Path) -> None:
    _seeded(hub, hostile)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(hub.folder / "acme/shop.git"), str(clone)], check=True)
    settings = {
        "user.name": "Ada", "user.email": "ada@example.com", "remote.origin.url": f"{hub.url}/acme/shop.git",
    }  # fmt: skip
    for key, value in settings.items():
        subprocess.run(["git", "-C", str(clone), "config", key, value], check=True)

    result = CliRunner().invoke(main, ["pr", str(clone)])

    assert result.exit_code == 0, result.output
    assert re.search(r"bad\.yml: takes too long", result.output) is not None
    _proposes_the_good_one_and_names_the_other(hub)


def test_a_campaign_gives_the_file_up_and_goes_on(hub: FakeHub, hostile: Path, tmp_path: Path) -> None:
    _seeded(hub, hostile)
    order = Order("deploys", asdict(How("")), "Ada <ada@example.com>")
    target = Target("acme/shop", f"{hub.url}/acme/shop.git")

    standing = proposed(Job(order, target, {}, str(tmp_path / "cache"), str(tmp_path / "audit"), TOKEN)).standing

    assert standing.state == "open"
    assert "not handled: .github/workflows/bad.yml: takes too long" in standing.why
    _proposes_the_good_one_and_names_the_other(hub)


def test_a_question_that_no_file_can_be_left_out_of_is_refused_in_words(
    hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file that is left out is followed by another one that costs as much."""

    def refuse(session: Session, what: object, plan: object = None) -> None:
        raise FileError("a.yml", "takes too long to be read", "exclude it")

    monkeypatch.setattr(Session, "ask", refuse)

    result = CliRunner().invoke(main, ["audit", str(hostile)])

    assert result.exit_code == 3
    assert "fhfix: not handled: a.yml: takes too long to be read; exclude it\n" in result.stderr


def _ended() -> bool:
    try:
        with limited(0.05):
            busy()
    except OutOfTime:
        return True
    return False  # pragma: no cover


def test_time_is_limited_where_one_of_a_fleet_is_looked_at() -> None:
    assert in_own_process(_ended)


@pytest.mark.needs("flask", "waitress")
def test_the_page_of_a_review_gives_the_file_up_and_goes_on(hostile: Path) -> None:
    """Requests are answered by threads, and time is limited in the main one alone: the work is done there."""
    review = Review(open_session(hostile), lambda: About(hostile.name, "fhfix review", "fhfix apply"))
    answers: list[str] = []

    def browse() -> None:
        browser = Browser(review)
        answers.append(browser.enter())
        answers.append(browser.ask("POST", "/apply", {"names": []})[1])

    browsing = threading.Thread(target=browse)

    serve(review, lambda _: browsing.start(), lambda: not browsing.is_alive())

    assert "bad.yml" in answers[0]
    assert "takes too long" in answers[0]
    assert "good.yml" in answers[0]
    assert "written" in answers[1]


def test_a_status_report_that_costs_too_much_is_named_and_the_rest_of_the_audit_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "DEVOPS_STATUS.md").write_text("# Status\n\nIt loops\n")
    (tmp_path / "INFRASTRUCTURE_STATUS.md").write_text("# Status\n\n* `scripts/none.sh` is there\n")
    said = claims._said

    def costly(text: str) -> Iterator[tuple[int, str, str]]:
        spend(text)
        return said(text)

    monkeypatch.setattr(claims, "_said", costly)

    result = CliRunner().invoke(main, ["audit", str(tmp_path)])

    assert r"DEVOPS\_STATUS.md: takes too long" in result.output
    assert "scripts/none.sh" in result.output
    assert result.exit_code == 0


def test_a_second_reading_that_takes_too_long_refuses_the_file(
    three: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fixer.registry import all_rules

    silent = [rule for rule in all_rules() if rule.id == "silent-type-check"]
    monkeypatch.setattr(
        "fixer.engine.fold.second_reading", lambda source: late() if source.path.endswith("loops.yml") else ""
    )

    made = engine.plan(three, silent)

    assert sorted(made.files) == [".github/workflows/good.yml", ".github/workflows/nests.yml"]
    assert [problem.path for problem in made.problems] == [".github/workflows/loops.yml"]
    assert made.faults == ()


def test_a_new_file_that_appeared_meanwhile_is_no_fault_of_a_rule(tmp_path: Path) -> None:
    from fixer.registry import all_rules

    (tmp_path / "Dockerfile").write_text('FROM python:3.12\nWORKDIR /app\nCOPY . .\nCMD ["python", "x.py"]\n')
    repository = Repository(tmp_path)
    _ = repository.files
    (tmp_path / ".dockerignore").write_text("mine\n")

    made = engine.plan(repository, [rule for rule in all_rules() if rule.id == "leaky-builder-stage"])

    assert made.faults == ()
    assert "is there, and was not when fhfix looked" in str(made.left[0].finding.cure)


# -- the configuration --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".fhfix.toml", "pyproject.toml"])
@pytest.mark.parametrize("kind", ["zero", "pipe", "stdin", "elsewhere", "broken", "large", "folder"])
def test_a_configuration_that_is_no_ordinary_file_is_refused_at_once(tmp_path: Path, name: str, kind: str) -> None:
    root = tmp_path / "r"
    root.mkdir()
    (tmp_path / "other.toml").write_text("[secret]\nkey = 1\n")
    targets: dict[str, str | Path] = {
        "zero": "/dev/zero",
        "stdin": "/dev/stdin",
        "elsewhere": tmp_path / "other.toml",
        "broken": "nowhere",
    }
    if kind in targets:
        (root / name).symlink_to(targets[kind])
    elif kind == "pipe":
        os.mkfifo(root / name)
    elif kind == "folder":
        (root / name).mkdir()
    else:
        with (root / name).open("wb") as file:
            file.truncate(2_000_000_000)

    result = CliRunner().invoke(main, ["check", str(root)])

    assert result.exit_code == 2
    assert re.search(rf"{name}: (a symbolic link|not a regular file|larger than 4 MiB)", result.output)
    assert "secret" not in result.output


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 10_000, "a = '\x00'", "\xff"])
def test_a_configuration_that_is_no_toml_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / ".fhfix.toml").write_bytes(text.encode("latin-1"))

    with pytest.raises(ConfigError) as wrong:
        load_config(tmp_path)

    assert len(str(wrong.value).splitlines()) == 1


@pytest.mark.parametrize("pattern", ["*a" * 12 + "b", "*?" * 20 + "b", "**/" * 20 + "b", "*[ab]" * 10 + "c", "*-" * 9])
def test_a_pattern_takes_no_longer_for_its_stars(pattern: str) -> None:
    # One that tried each way to share the name among its stars would not come to an end.
    assert not Config(exclude=(pattern,)).excludes("a" * 255)
    assert not Config(exclude=(pattern,)).excludes("/".join("a" * 60))


def test_stars_mean_what_git_says() -> None:
    """Every short pattern of stars against every short name, held against the library's own reading."""
    from pathspec import GitIgnoreSpec

    names = ["".join(letters) for size in (1, 2, 3, 4) for letters in itertools.product("ab", repeat=size)]
    names += [f"{a}/{b}" for a in names[:6] for b in names[:6]]
    for size in (2, 3, 4):
        for letters in itertools.product(("a", "b", "*", "?", "[a]"), repeat=size):
            pattern = "".join(letters)
            theirs = GitIgnoreSpec.from_lines([pattern])
            ours = Config(exclude=(pattern,))
            assert [ours.excludes(name) for name in names] == [theirs.match_file(name) for name in names], pattern


def test_a_hostile_baseline_is_refused(tmp_path: Path) -> None:
    (tmp_path / "known.json").write_text("[" * 100_000)

    result = CliRunner().invoke(main, ["check", "--baseline", str(tmp_path / "known.json"), str(tmp_path)])

    assert result.exit_code == 2
    assert "not a baseline" in result.output


def test_recursion_has_its_usual_limit() -> None:
    """Nothing here may raise it: C code would use up the stack and crash."""
    assert sys.getrecursionlimit() <= 1500
