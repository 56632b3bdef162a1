"""The pull request, against a GitHub that keeps state, with real git over HTTP: exactly one, with the right content."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from fixer.audit.needed import Needed, Use
from fixer.forge import github
from fixer.forge.app import App
from fixer.forge.github import GitHubError, Slug, token_from
from fixer.forge.proposal import Outcome, ProposalError, Verified, Wish, propose
from fixer.model import FileChange, Finding, Fix, Piece, Plan, Reported, Rule, Source, Span
from tests import examples
from tests.components import path as component
from tests.proofs.app_key import app_key
from tests.proofs.fakehub import FakeHub, Fault, Token, serving
from tests.proofs.loopback import served

pytestmark = pytest.mark.needs("git")

ROOT = Path(__file__).parent.parent.parent

TOKEN = "t0ken-of-ada"
CI, DEPLOY, SCRIPT = ".github/workflows/ci.yml", ".github/workflows/deploy.yml", "scripts/snapshot.sh"
REVIEWED = Wish(labels=("ci", "fhfix"), reviewers=("grace", "acme/platform"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    yield from serving(tmp_path / "hub")


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are noted, not waited for; the clock goes on all the same."""
    waits: list[float] = []
    monkeypatch.setattr(github.GitHub, "sleep", lambda self, seconds: waits.append(seconds))
    return waits


@pytest.fixture
def clone(hub: FakeHub, tmp_path: Path) -> Path:
    """A clone of acme/shop with what the plan of `examples` changes, pushed to main."""
    hub.add_repository("acme/shop")
    root = tmp_path / "shop"
    git(tmp_path, "init", "-q", "-b", "main", str(root))
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.com")
    git(root, "remote", "add", "origin", f"{hub.url}/acme/shop.git")
    for source in examples.sources():
        write(root, source.path, source.to_bytes())
    write(root, "README.md", b"# Shop\n")
    commit(root, "Start")
    push(hub, root)
    return root


def git(root: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def write(root: Path, path: str, data: bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(data)


def commit(root: Path, message: str) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", message)


def push(hub: FakeHub, root: Path, branch: str = "main", slug: str = "acme/shop") -> None:
    git(root, "push", "-q", str(hub.folder / f"{slug}.git"), f"HEAD:refs/heads/{branch}")


def send(root: Path, plan: Plan | None = None, wish: Wish = REVIEWED, token: str = TOKEN) -> Outcome:
    verified = Verified()
    return propose(root, plan or examples.plan(), verified, wish, environment_of(root, token))


def environment_of(root: Path, token: str = TOKEN) -> dict[str, str]:
    """The token, and the host that it is for."""
    return {"FHFIX_TOKEN": token, "FHFIX_HOST": git(root, "remote", "get-url", "origin").split("/")[2]}


def shallow(hub: FakeHub, root: Path) -> Path:
    """A clone of the last commit alone, as actions/checkout makes it."""
    git(root.parent, "clone", "-q", "--depth=1", f"file://{hub.folder}/acme/shop.git", str(root))
    git(root, "remote", "set-url", "origin", f"{hub.url}/acme/shop.git")
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.com")
    return root


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file of a clone, those of git included."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def shown(hub: FakeHub, path: str, branch: str = "fhfix", slug: str = "acme/shop") -> str:
    return hub.git(hub.folder / f"{slug}.git", "show", f"{branch}:{path}")


def assert_one_right_pull_request(hub: FakeHub, root: Path) -> None:
    [pull] = hub.pulls
    assert (pull.base, pull.head, pull.state) == ("main", "fhfix", "open")
    bare = hub.folder / "acme/shop.git"
    assert hub.git(bare, "merge-base", "main", "fhfix") == git(root, "rev-parse", "HEAD")
    changed = hub.git(bare, "diff", "--name-only", "main", "fhfix").split()
    assert changed == [CI, DEPLOY, SCRIPT]
    for path, change in examples.plan().files.items():
        assert shown(hub, path) == change.after.text.strip()
    assert "let mypy fail the step" in pull.body
    assert pull.title == "Fix 3 defects: D-010, D-009"
    assert pull.labels == ["ci", "fhfix"]
    assert pull.reviewers == ["grace"]


# -- create, update, nothing to do ------------------------------------------------------------------------------


def test_a_pull_request_is_opened_with_commits_text_labels_and_reviewers(hub: FakeHub, clone: Path) -> None:
    outcome = send(clone)

    assert (outcome.action, outcome.commits) == ("created", 2)
    assert outcome.url == f"{hub.url}/acme/shop/pull/1"
    assert_one_right_pull_request(hub, clone)


def test_there_is_one_commit_for_each_task_and_new_files_are_in_it(hub: FakeHub, clone: Path) -> None:
    send(clone)

    bare = hub.folder / "acme/shop.git"
    log = hub.git(bare, "log", "--reverse", "--name-status", "--format=%s", "main..fhfix")
    assert log.split("\n") == [
        "Fix D-010: Deployment safety and rollback",
        "",
        f"M\t{DEPLOY}",
        f"A\t{SCRIPT}",
        "Fix D-009: Continuous integration",
        "",
        f"M\t{CI}",
    ]
    assert hub.git(bare, "ls-tree", "fhfix", SCRIPT).startswith("100755 ")
    assert hub.git(bare, "log", "-1", "--format=%an <%ae>", "fhfix") == "Ada <ada@example.com>"


def test_one_commit_in_all_on_demand(hub: FakeHub, clone: Path) -> None:
    outcome = send(clone, wish=Wish(single_commit=True))

    assert outcome.commits == 1
    assert hub.git(hub.folder / "acme/shop.git", "rev-list", "--count", "main..fhfix") == "1"


def test_fixes_of_two_tasks_that_only_work_together_are_one_commit(hub: FakeHub, clone: Path) -> None:
    plan = examples.plan()
    before = Source(CI, examples.CI)
    pieces = (Piece(examples.CI), Piece("env: {A: 1,\n", 2), Piece("  B: 2}\n", 0))
    change = FileChange(CI, before, Source(CI, "".join(piece.text for piece in pieces)), pieces)

    outcome = send(clone, Plan({CI: change}, plan.taken))

    assert outcome.commits == 1
    assert shown(hub, CI).endswith("env: {A: 1,\n  B: 2}")


def test_nothing_in_the_clone_changes(hub: FakeHub, clone: Path) -> None:
    write(clone, "notes.txt", b"untracked, and nobody's business")
    before = snapshot(clone)

    send(clone)

    assert snapshot(clone) == before


def test_the_same_again_sends_nothing(hub: FakeHub, clone: Path) -> None:
    send(clone)
    tip = hub.tip("acme/shop", "fhfix")
    hub.requests.clear()

    outcome = send(clone)

    assert outcome.action == "unchanged"
    assert hub.tip("acme/shop", "fhfix") == tip
    assert [request for request in hub.requests if not re.match(r"GET|POST .*upload-pack", request)] == []
    assert_one_right_pull_request(hub, clone)


def test_when_the_base_moves_the_same_pull_request_is_brought_up_to_date(hub: FakeHub, clone: Path) -> None:
    send(clone)
    write(clone, "README.md", b"# The shop\n")
    commit(clone, "Say more")
    push(hub, clone)

    outcome = send(clone)

    assert outcome.action == "updated"
    assert_one_right_pull_request(hub, clone)


def test_more_fixes_update_the_same_pull_request(hub: FakeHub, clone: Path) -> None:
    whole = examples.plan()
    first = Plan({CI: whole.files[CI]}, whole.taken[:2])
    send(clone, first)
    assert hub.pulls[0].title == "Fix 2 defects: Continuous integration"

    outcome = send(clone, whole)

    assert outcome.action == "updated"
    assert_one_right_pull_request(hub, clone)


def test_with_nothing_to_do_nothing_is_sent_and_nothing_closed(hub: FakeHub, clone: Path) -> None:
    send(clone)
    hub.requests.clear()

    outcome = propose(clone, Plan({}, ()), Verified(), REVIEWED, {})

    assert outcome == Outcome("nothing")
    assert hub.requests == []
    assert hub.pulls[0].state == "open"


def test_a_merged_pull_request_makes_room_for_the_next(hub: FakeHub, clone: Path) -> None:
    whole = examples.plan()
    send(clone, Plan({CI: whole.files[CI]}, whole.taken[:2]))
    hub.pulls[0].state, hub.pulls[0].merged = "closed", True
    write(clone, CI, whole.files[CI].after.to_bytes())
    commit(clone, "Squashed")
    push(hub, clone)

    rest = {path: change for path, change in whole.files.items() if path != CI}
    outcome = send(clone, Plan(rest, whole.taken))

    assert (outcome.action, [pull.state for pull in hub.pulls]) == ("created", ["closed", "open"])
    assert hub.git(hub.folder / "acme/shop.git", "diff", "--name-only", "main", "fhfix").split() == [DEPLOY, SCRIPT]


def test_a_pull_request_that_was_turned_down_is_not_opened_again_by_itself(hub: FakeHub, clone: Path) -> None:
    send(clone)
    hub.pulls[0].state = "closed"

    with pytest.raises(ProposalError, match=r"pull/1 was closed without being merged; --again opens another"):
        send(clone)
    assert len(hub.pulls) == 1

    assert send(clone, wish=Wish(again=True)).action == "created"


# -- what people do stays ---------------------------------------------------------------------------------------


def test_what_people_wrote_and_ticked_stays(hub: FakeHub, clone: Path) -> None:
    send(clone)
    pull = hub.pulls[0]
    assert "- [ ] set the variable DB\\_INSTANCE (`missing-predeploy-backup`)" in pull.body
    pull.body = "Please merge before Friday.\n\n" + pull.body.replace(
        "- [ ] set the variable", "- [x] set the variable"
    )
    pull.body = pull.body.replace("\n", "\r\n") + "\r\nSeen by Grace."  # what a browser sends
    pull.title = "Safer deploys"
    pull.reviewers = []  # Grace has reviewed
    write(clone, "README.md", b"# The shop\n")
    commit(clone, "Say more")
    push(hub, clone)

    whole = examples.plan()
    assert send(clone, Plan(whole.files, whole.taken)).action == "updated"

    assert pull.title == "Safer deploys"
    assert "What stays" not in pull.body
    assert pull.body.startswith("Please merge before Friday.\n\n<!-- fhfix:begin -->")
    assert pull.body.endswith("Seen by Grace.")
    assert "- [x] set the variable DB\\_INSTANCE" in pull.body
    assert pull.body.count("fhfix:begin") == 1
    assert pull.reviewers == []


def test_commits_of_others_on_the_branch_are_left_alone(hub: FakeHub, clone: Path, tmp_path: Path) -> None:
    send(clone)
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", "-b", "fhfix", str(hub.folder / "acme/shop.git"), str(other))
    git(other, "config", "user.name", "Grace")
    git(other, "config", "user.email", "grace@example.com")
    write(other, "README.md", b"# Mine\n")
    git(other, "add", "-A")
    git(other, "commit", "-q", "--amend", "--no-edit")  # an amended commit keeps our message
    git(other, "push", "-qf", "origin", "fhfix")
    tip = hub.tip("acme/shop", "fhfix")

    with pytest.raises(ProposalError, match="somebody else has worked on fhfix, and that is left alone"):
        send(clone)

    assert hub.tip("acme/shop", "fhfix") == tip


def test_githubs_own_merge_of_the_base_is_nobodys_work(hub: FakeHub, clone: Path, tmp_path: Path) -> None:
    send(clone)
    write(clone, "README.md", b"# The shop\n")
    commit(clone, "Say more")
    push(hub, clone)
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", "-b", "fhfix", str(hub.folder / "acme/shop.git"), str(other))
    identity = ("-c", "user.name=GitHub", "-c", "user.email=noreply@github.com")
    git(other, *identity, "merge", "-q", "--no-ff", "-m", "Merge branch 'main' into fhfix", "origin/main")
    git(other, "push", "-q", "origin", "fhfix")

    assert send(clone).action == "updated"
    assert_one_right_pull_request(hub, clone)


# -- looking before doing ---------------------------------------------------------------------------------------


def test_a_dirty_tree_is_refused_by_name(hub: FakeHub, clone: Path) -> None:
    write(clone, "README.md", b"# Mine\n")

    with pytest.raises(ProposalError, match=r"not committed: README\.md; commit or stash"):
        send(clone)
    assert hub.requests == []


def test_a_file_that_git_does_not_know_is_refused_by_name(hub: FakeHub, clone: Path) -> None:
    git(clone, "rm", "-q", "--cached", DEPLOY)
    git(clone, "commit", "-qm", "Forget")
    push(hub, clone)

    with pytest.raises(ProposalError, match=r"deploy\.yml is not committed; commit it first"):
        send(clone)
    assert hub.pulls == []


def test_a_detached_head_needs_a_base(hub: FakeHub, clone: Path) -> None:
    git(clone, "checkout", "-q", "--detach")

    with pytest.raises(ProposalError, match=r"HEAD is detached: .* --base"):
        send(clone)
    assert send(clone, wish=Wish(base="main")).action == "created"


def test_commits_that_were_not_pushed_are_not_smuggled_in(hub: FakeHub, clone: Path) -> None:
    write(clone, "README.md", b"# The shop\n")
    commit(clone, "Say more")

    with pytest.raises(ProposalError, match="is not main of acme/shop: push your commits first"):
        send(clone)


def test_a_clone_that_is_behind_is_told_to_pull(hub: FakeHub, clone: Path) -> None:
    write(clone, "README.md", b"# The shop\n")
    commit(clone, "Say more")
    push(hub, clone)
    git(clone, "reset", "-q", "--hard", "HEAD~")

    with pytest.raises(ProposalError, match="is not main of acme/shop: pull first"):
        send(clone)


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        (lambda hub: hub.tokens.update({TOKEN: Token(scopes=("repo",))}), r"lacks the scope `workflow`"),
        (lambda hub: hub.tokens.update({TOKEN: Token(scopes=None, workflow=False)}), r"Workflows: write"),
        (lambda hub: hub.tokens.update({TOKEN: Token(push=False)}), r"may not push to acme/shop: .* --fork"),
        (lambda hub: hub.tokens.clear(), r"does not accept this token"),
        (lambda hub: hub.protect("acme/shop", "fhfix"), r"branch fhfix is protected"),
        (lambda hub: (hub.folder / "acme/shop.git/archived").touch(), r"acme/shop is archived"),
    ],
    ids=["no workflow scope", "no workflow permission", "no push right", "bad token", "protected", "archived"],
)
def test_what_is_not_allowed_is_said_before_anything_is_done(
    hub: FakeHub, clone: Path, arrange: Callable[[FakeHub], object], message: str
) -> None:
    arrange(hub)

    with pytest.raises(ProposalError, match=message):
        send(clone)

    assert hub.pulls == []
    assert hub.tip("acme/shop", "fhfix") == ""


def test_without_a_token_the_variables_are_named(hub: FakeHub, clone: Path) -> None:
    with pytest.raises(ProposalError, match=r"there is no token for (.*): set FHFIX_HOST to \1 and FHFIX_TOKEN"):
        propose(clone, examples.plan(), Verified(), REVIEWED, {"GH_TOKEN": "for github.com only"})
    assert hub.requests == []


def test_a_fork_carries_the_branch_of_those_who_may_not_push(hub: FakeHub, clone: Path) -> None:
    hub.tokens[TOKEN] = Token(push=False)

    for expected in ("created", "unchanged"):
        assert send(clone, wish=Wish(fork=True)).action == expected

    [pull] = hub.pulls
    assert (pull.repository, pull.head_owner, pull.head) == ("acme/shop", "ada", "fhfix")
    assert hub.tip("acme/shop", "fhfix") == ""
    assert shown(hub, SCRIPT, slug="ada/shop") == examples.plan().files[SCRIPT].after.text.strip()


def test_line_ends_that_git_converts_are_converted_and_others_are_not(hub: FakeHub, clone: Path) -> None:
    """One file is CRLF in the work tree alone, as on Windows, the other also in the repository."""
    ci_crlf, deploy_crlf = examples.sources(newline="\r\n")
    write(clone, ".gitattributes", f"{CI} text eol=crlf\n".encode())
    write(clone, CI, ci_crlf.to_bytes())
    write(clone, DEPLOY, deploy_crlf.to_bytes())
    commit(clone, "Line ends")
    push(hub, clone)
    bare = hub.folder / "acme/shop.git"
    assert hub.git(bare, "diff", "--name-only", "HEAD~", "HEAD").split() == [".gitattributes", DEPLOY]
    git(clone, "config", "core.autocrlf", "input")  # would convert a new file, and leaves one that has CRLF alone
    files = {}
    for path, before in ((CI, ci_crlf), (DEPLOY, deploy_crlf)):
        after = Source(path, before.text.replace("runs-on", "timeout-minutes: 5\r\n    runs-on"))
        files[path] = FileChange(path, before, after, (Piece(after.text, 0),))

    send(clone, Plan(files, examples.plan().taken[:1]), Wish(single_commit=True))

    assert hub.git(bare, "diff", "--numstat", "main", "fhfix").split("\n") == [f"1\t0\t{CI}", f"1\t0\t{DEPLOY}"]


# -- when things go wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": "7"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, {}],
    ids=["secondary", "primary", "without a header"],
)
@pytest.mark.parametrize("request_", [r"GET /repos/acme/shop", r"POST /repos/.*/pulls", r"POST /repos/.*/labels"])
def test_limits_are_waited_for(
    hub: FakeHub, clone: Path, nobody_waits: list[float], headers: dict[str, str], request_: str
) -> None:
    headers = {key: str(int(time.time()) + 30) if value == "soon" else value for key, value in headers.items()}
    hub.faults.append(Fault(request_, 403, "You have exceeded a secondary rate limit", headers, times=2))

    send(clone)

    wanted = 7 if "Retry-After" in headers else 25 if headers else 60
    assert len([wait for wait in nobody_waits if wanted <= wait <= max(wanted, 60)]) == 2
    assert_one_right_pull_request(hub, clone)


def test_a_limit_that_takes_too_long_says_when_to_come_back(hub: FakeHub, clone: Path) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 3000)}
    hub.faults.append(Fault("GET /repos/acme/shop", 403, "API rate limit exceeded", headers))

    with pytest.raises(ProposalError, match=r"limit for this token is used up until \d\d:\d\d:\d\d; run it again then"):
        send(clone)


def test_writing_requests_are_a_second_apart(hub: FakeHub, clone: Path, nobody_waits: list[float]) -> None:
    send(clone)

    writes = hub.count(r"(POST|PATCH) /repos/.*")
    assert writes == 4
    assert len([wait for wait in nobody_waits if 0.5 < wait <= 1]) == writes - 1


@pytest.mark.parametrize(
    "kind",
    [{}, {"after": True}, {"half": True, "stall": 0.1}],
    ids=["not done", "done, and the answer lost", "done, and half the answer lost"],
)
@pytest.mark.parametrize(
    "request_",
    [
        r"GET /repos/acme/shop",
        r"GET /repos/.*/pulls",
        r"POST /repos/.*/pulls",
        r"POST /repos/.*/requested_reviewers",
        r"PATCH /repos/.*/pulls/1",
        r"POST /repos/.*/labels",
    ],
)
def test_a_server_error_in_the_middle_makes_no_second_pull_request(
    hub: FakeHub, clone: Path, request_: str, kind: dict[str, Any]
) -> None:
    hub.faults.append(Fault(request_, 502, **kind))

    send(clone)

    assert_one_right_pull_request(hub, clone)


def test_a_server_that_stays_broken_is_given_up_and_the_next_run_goes_on(hub: FakeHub, clone: Path) -> None:
    hub.faults.append(Fault(r"POST /repos/.*/pulls", 503, times=github.ATTEMPTS))
    with pytest.raises(ProposalError, match="GitHub answered 503"):
        send(clone)
    assert hub.pulls == []

    assert send(clone).action == "created"
    assert_one_right_pull_request(hub, clone)


def test_a_token_without_the_permission_for_pull_requests_is_told_which_it_needs(hub: FakeHub, clone: Path) -> None:
    hub.faults.append(Fault(r"POST /repos/.*/pulls", 403, "Resource not accessible by personal access token"))

    with pytest.raises(ProposalError, match=r"lacks a permission: .* pull requests .*The branch fhfix is pushed"):
        send(clone)

    assert send(clone).action == "created"
    assert_one_right_pull_request(hub, clone)


def test_labels_and_reviewers_that_github_refuses_do_not_stop_the_rest(hub: FakeHub, clone: Path) -> None:
    outcome = send(clone, wish=Wish(reviewers=("ada",), labels=("ci",)))

    assert outcome.action == "created"
    assert "the reviewers were not asked" in outcome.notes[0]
    assert hub.pulls[0].labels == ["ci"]


WORKFLOW = """\
on: push
jobs:
  lint:
    runs-on: ubuntu-latest
    steps:
      - run: mypy . || true
"""


def command(hub: FakeHub, root: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    environment = {
        **{key: value for key, value in os.environ.items() if "TOKEN" not in key},
        "FHFIX_TOKEN": TOKEN,
        "FHFIX_HOST": hub.url.partition("://")[2],
        "GIT_CONFIG_GLOBAL": os.devnull,
        **variables,
    }
    code = "from fixer.cli import main; main()"
    arguments = ("pr", str(root), "--select", "silent-type-check", *arguments)
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.fixture
def real(hub: FakeHub, clone: Path) -> Path:
    """A clone in which the command finds one thing to fix."""
    write(clone, CI, WORKFLOW.encode())
    commit(clone, "A silent type check")
    push(hub, clone)
    return clone


@pytest.mark.parametrize("after", [False, True], ids=["before it is made", "after it was made"])
def test_killed_between_push_and_pull_request_the_next_run_finishes(hub: FakeHub, real: Path, after: bool) -> None:
    run: list[subprocess.Popen[str]] = []
    fault = Fault(r"POST /repos/.*/pulls", after=after, act=lambda: os.kill(run[0].pid, signal.SIGKILL))
    hub.faults.append(fault)
    run.append(command(hub, real, "--label", "ci"))
    run[0].communicate(timeout=60)
    assert run[0].returncode == -signal.SIGKILL
    assert hub.tip("acme/shop", "fhfix") != ""
    assert len(hub.pulls) == after

    again = command(hub, real, "--label", "ci")
    out, err = again.communicate(timeout=60)

    assert again.returncode == 0, err
    assert out.startswith("updated: " if after else "created: ")
    [pull] = hub.pulls
    assert pull.labels == ["ci"]
    assert shown(hub, CI) == WORKFLOW.replace(" || true", "").strip()
    assert "- [x] D-009.5" in pull.body
    assert hub.count(r"POST /acme/shop.git/git-receive-pack\?") == 1


def test_the_command_opens_updates_and_then_has_nothing_to_do(hub: FakeHub, real: Path) -> None:
    for expected in ("created: ", "unchanged: "):
        out, err = command(hub, real).communicate(timeout=60)
        assert out.startswith(expected), err
    write(real, CI, WORKFLOW.replace(" || true", "").encode())
    commit(real, "Merged by hand")
    push(hub, real)

    out, _ = command(hub, real).communicate(timeout=60)

    assert out == "nothing to propose: no fix is left to make\n"
    assert [pull.state for pull in hub.pulls] == ["open"]


def test_two_runs_at_once_open_one_pull_request(hub: FakeHub, real: Path) -> None:
    runs = [command(hub, real) for _ in range(3)]
    said = [run.communicate(timeout=120) for run in runs]

    assert [run.returncode for run in runs] == [0, 0, 0], said
    assert len(hub.pulls) == 1
    assert shown(hub, CI) == WORKFLOW.replace(" || true", "").strip()


def test_a_shallow_clone_will_do(hub: FakeHub, clone: Path, tmp_path: Path) -> None:
    write(clone, "README.md", b"# The shop\n")
    commit(clone, "Say more")
    push(hub, clone)

    actions = [send(shallow(hub, tmp_path / name)).action for name in ("one", "two")]
    write(clone, "README.md", b"# The very shop\n")
    commit(clone, "Say less")
    push(hub, clone)
    actions.append(send(shallow(hub, tmp_path / "three")).action)

    assert actions == ["created", "unchanged", "updated"]
    assert_one_right_pull_request(hub, clone)


def test_settings_that_the_environment_gives_to_git_still_hold(
    hub: FakeHub, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Grace")

    send(clone)

    assert hub.git(hub.folder / "acme/shop.git", "log", "-1", "--format=%an", "fhfix") == "Grace"


def test_hooks_of_the_clone_do_not_run(hub: FakeHub, clone: Path, tmp_path: Path) -> None:
    for name in ("pre-push", "pre-commit", "commit-msg", "post-index-change", "reference-transaction"):
        hook = clone / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)

    send(clone)

    assert not (tmp_path / "ran").exists()


# -- the token --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["", "refused push", "bad answers"])
def test_the_token_is_shown_nowhere(hub: FakeHub, real: Path, tmp_path: Path, trouble: str) -> None:
    """Not in output or errors, no configuration, no argument of any process, not in the pull request."""
    secret, basic = TOKEN, base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    if trouble == "refused push":
        hub.tokens[TOKEN] = Token(scopes=None, workflow=False)
    if trouble == "bad answers":
        hub.faults.append(Fault("GET /repos/acme/shop/pulls", 422, f"what is {secret}?"))
    log, programs = tmp_path / "arguments", tmp_path / "bin"
    programs.mkdir()
    (programs / "git").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {log}\nexec {component("git")} "$@"\n')
    (programs / "git").chmod(0o755)
    variables = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "GIT_TRACE": "1",
        "GIT_TRACE_CURL": "1",
        "GIT_TRACE_REDACT": "0",
        "GIT_CURL_VERBOSE": "1",
    }

    run = command(hub, real, **variables)
    out, err = run.communicate(timeout=60)

    assert (run.returncode == 0) == (not trouble)
    said = out + err + log.read_text() + "".join(pull.body + pull.title for pull in hub.pulls)
    assert "push" in said or trouble == "bad answers"
    for word in (secret, basic):
        assert word not in said
        assert not [path for path, data in snapshot(real).items() if word.encode() in data]


def test_a_header_that_another_program_left_in_the_configuration_does_not_double_ours(
    hub: FakeHub, clone: Path
) -> None:
    """actions/checkout leaves one; GitHub refuses a request with two."""
    git(clone, "config", f"http.{hub.url}/.extraheader", "AUTHORIZATION: basic c3RhbGU=")

    assert send(clone).action == "created"


def test_a_token_goes_to_its_own_host_only() -> None:
    tokens = {"GH_TOKEN": "public", "GH_ENTERPRISE_TOKEN": "own", "GITHUB_TOKEN": "run"}
    com, own = Slug.of("git@github.com:acme/shop.git"), Slug.of("https://git.acme.example/acme/shop")

    assert token_from(tokens, com) == "public"
    assert token_from({"GITHUB_TOKEN": "run", "GITHUB_SERVER_URL": "https://git.acme.example"}, own) == "run"
    assert token_from({"FHFIX_TOKEN": "mine", **tokens}, com) == "mine"
    # Another host is shown a token only where the user names it: the address may have come with a repository.
    for environment in (tokens, {"FHFIX_TOKEN": "mine", **tokens}, {"FHFIX_HOST": "github.com", **tokens}):
        assert token_from(environment, own) == ""
    assert token_from({"GH_HOST": "git.acme.example", **tokens}, own) == "own"
    assert token_from({"FHFIX_HOST": "Git.Acme.Example", "FHFIX_TOKEN": "mine", **tokens}, own) == "mine"
    assert token_from({"FHFIX_HOST": "git.acme.example", "FHFIX_TOKEN": "mine"}, com) == ""
    assert token_from({"FHFIX_HOST": "acme.ghe.com", "GH_TOKEN": "t"}, Slug.of("https://acme.ghe.com/a/b")) == "t"
    assert token_from({"GH_TOKEN": "t"}, Slug.of("https://evil.ghe.com/a/b")) == ""


def test_only_the_calls_that_need_it_see_the_token(hub: FakeHub, real: Path, tmp_path: Path) -> None:
    """The tokens themselves no process sees; the header stands in the environment of what speaks to the server."""
    log, programs = tmp_path / "environments", tmp_path / "bin"
    programs.mkdir()
    said = 'printf "%s " "$@" | tr "\\n" " " ; env | tr "\\n" " "; echo'
    (programs / "git").write_text(f'#!/bin/sh\n{{ {said}; }} >> {log}\nexec {component("git")} "$@"\n')
    (programs / "git").chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"

    run = command(hub, real, PATH=path, GH_TOKEN="other", MY_SECRET_TOKEN="mine", GITHUB_TOKEN="third")

    assert run.communicate(timeout=60)[1].count("FAULT") == 0
    assert run.returncode == 0
    lines = log.read_text().splitlines()
    assert len(lines) > 10
    assert [line for line in lines if "TOKEN=" in line] == []
    talking = [line for line in lines if "Authorization: Basic" in line]
    assert {word for line in talking for word in ("ls-remote", "fetch", "push") if f" {word} " in line} >= {"push"}
    assert [line for line in talking if not re.search(r" (ls-remote|fetch|push) ", line)] == []


def test_no_program_of_the_clones_configuration_runs_beside_the_token(
    hub: FakeHub, clone: Path, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\nenv >> {tmp_path}/ran\nexit 1\n")
    program.chmod(0o755)
    send(clone)
    (clone / "more.md").write_text("more\n")
    commit(clone, "More")
    push(hub, clone)
    programs = ("alternateRefsCommand", "sshCommand", "askPass", "fsmonitor", "gitProxy", "pager", "editor")
    others = ("gpg.program", "credential.helper", "uploadpack.packObjectsHook", "diff.external")
    for key in (*(f"core.{name}" for name in programs), *others):
        git(clone, "config", key, str(program))
    git(clone, "config", "push.gpgSign", "if-asked")
    git(clone, "config", "protocol.ext.allow", "always")

    assert send(clone).action == "updated"

    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "key", ["http.proxy", "http.sslVerify", "http.{url}.proxy", "http.curloptResolve", "remote.origin.proxy"]
)
def test_a_detour_that_the_clones_configuration_says_is_refused_by_name(hub: FakeHub, clone: Path, key: str) -> None:
    key = key.replace("{url}", hub.url)
    git(clone, "config", key, "http://127.0.0.1:9")
    before = len(hub.requests)

    with pytest.raises(
        ProposalError, match=r"the configuration of this clone sets .*\(git config --global\)"
    ) as refused:
        send(clone)

    assert key.lower() in str(refused.value).lower()
    assert not any("git-" in str(request) for request in hub.requests[before:])


def test_a_proxy_of_the_person_is_used(
    hub: FakeHub, clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").write_text(f'[http "{hub.url}"]\n\tproxy = http://127.0.0.1:9\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "own"))

    with pytest.raises(ProposalError, match="port 9"):
        send(clone)


def test_an_address_that_is_rewritten_to_a_program_is_refused(hub: FakeHub, clone: Path, tmp_path: Path) -> None:
    git(clone, "config", f"url.ext::sh -c env>{tmp_path}/ran;.insteadOf", f"{hub.url}/acme")
    git(clone, "config", "protocol.ext.allow", "always")

    with pytest.raises(ProposalError):
        send(clone, wish=Wish(repository=f"{hub.url}/acme/shop"))

    assert not (tmp_path / "ran").exists()


def test_a_program_in_the_current_folder_is_not_run(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (real / "git").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (real / "git").chmod(0o755)
    monkeypatch.chdir(real)
    monkeypatch.setenv("PATH", f".::{os.environ['PATH']}")

    for words in (["check"], ["audit"], ["check", "--changed-since", "HEAD"]):
        done = subprocess.run(
            [sys.executable, "-m", "fixer", *words], capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        assert done.returncode in (0, 1), done.stderr

    assert not (tmp_path / "ran").exists()


# -- answers that are none --------------------------------------------------------------------------------------


class Raw(BaseHTTPRequestHandler):
    """Answers every request with what `body` yields."""

    body: Callable[[], Iterator[bytes]] = staticmethod(lambda: iter(()))

    def do_GET(self) -> None:
        with suppress(OSError):
            for part in type(self).body():
                self.wfile.write(part)
                self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], Iterator[bytes]]], github.GitHub]]:
    monkeypatch.setattr(github, "ATTEMPTS", 1)
    monkeypatch.setattr(github, "WHOLE", 0.5)

    with served(Raw) as url:

        def answering(body: Callable[[], Iterator[bytes]]) -> github.GitHub:
            monkeypatch.setattr(Raw, "body", staticmethod(body))
            return github.GitHub(url, TOKEN)

        yield answering


def dripping(first: bytes, then: bytes) -> Callable[[], Iterator[bytes]]:
    def body() -> Iterator[bytes]:
        yield first
        while True:
            time.sleep(0.02)
            yield then

    return body


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "body",
    [
        dripping(HEAD + b"\r\n[", b" "),
        dripping(HEAD, b"X-A: b\r\n"),
        dripping(HEAD + b"X-A: ", b"b"),
        dripping(b"", b"H"),
    ],
    ids=["body", "headers", "one header", "status"],
)
def test_a_server_that_drips_is_left_after_a_while(raw: Any, body: Callable[[], Iterator[bytes]]) -> None:
    with pytest.raises(GitHubError, match="did not answer"):
        raw(body).get("/x")


def test_an_answer_without_an_end_is_cut(raw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "LARGEST", 1_000_000)
    monkeypatch.setattr(github, "WHOLE", 30.0)

    def body() -> Iterator[bytes]:
        yield HEAD + b"\r\n"
        while True:
            yield b"[" * 100_000

    with pytest.raises(GitHubError, match="larger than"):
        raw(body).get("/x")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "1" * 10_000, "<html>log in</html>", "\xff", "null", "5", '"x"', "[]", "{}"]
)
@pytest.mark.parametrize("path", ["/repos/acme/shop", "/repos/acme/shop/pulls"])
def test_an_answer_that_is_not_githubs_is_refused_in_words(hub: FakeHub, clone: Path, text: str, path: str) -> None:
    real_get = github.GitHub._send

    def portal(self: github.GitHub, method: str, asked: str, body: Any) -> Any:
        if asked.partition("?")[0] != path:
            return real_get(self, method, asked, body)
        try:
            return 200, {}, json.loads(text)
        except (ValueError, RecursionError):
            return 200, {}, {"message": ""}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(github.GitHub, "_send", portal)
        with pytest.raises(ProposalError, match=r"the answer is not GitHub's|shows no repository"):
            send(clone)
    assert hub.pulls == []


@pytest.mark.parametrize(
    ("address", "slug", "api"),
    [
        ("https://github.com/acme/shop.git", "acme/shop", "https://api.github.com"),
        ("https://ada:secret@github.com/acme/shop", "acme/shop", "https://api.github.com"),
        ("git@github.com:acme/shop.git", "acme/shop", "https://api.github.com"),
        ("ssh://git@ssh.github.com:443/acme/my.shop.git", "acme/my.shop", "https://api.github.com"),
        ("https://acme.ghe.com/acme/shop", "acme/shop", "https://api.acme.ghe.com"),
        ("https://git.acme.example:8443/acme/shop.git", "acme/shop", "https://git.acme.example:8443/api/v3"),
        ("git@git.acme.example:acme/shop", "acme/shop", "https://git.acme.example/api/v3"),
        ("http://127.0.0.1:8080/acme/shop.git", "acme/shop", "http://127.0.0.1:8080/api/v3"),
    ],
)
def test_addresses_are_read_as_git_writes_them(address: str, slug: str, api: str) -> None:
    found = Slug.of(address)

    assert (str(found), found.api) == (slug, api)
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    "address", ["/srv/git/shop.git", "https://ada:secret@git.acme.example/shop", "http://git.acme.example/a/b"]
)
def test_other_addresses_are_refused_without_their_passwords(address: str) -> None:
    with pytest.raises(GitHubError) as refusal:
        Slug.of(address)
    assert "secret" not in str(refusal.value)


# -- what is said -----------------------------------------------------------------------------------------------


def test_words_of_a_repository_mention_nobody_and_are_no_markup(hub: FakeHub, clone: Path) -> None:
    plan = examples.plan()
    rule: Rule = plan.taken[0].rule
    finding = Finding(CI, Span(0, 0), "see @grace and #12 <script>alert(1)</script> *now* `@v3`", Fix("ask @octocat"))
    noisy = Plan(plan.files, (Reported(rule, finding), *plan.taken[1:]))

    send(clone, noisy)

    text = hub.pulls[0].body
    assert "see @<!-- -->grace and #<!-- -->12 &lt;script>" in text
    assert "\\*now\\* `@v3`" in text
    assert "ask @<!-- -->octocat" in text


def test_fixes_of_one_kind_share_a_line_and_those_to_look_at_come_first(hub: FakeHub, clone: Path) -> None:
    plan = examples.plan()

    send(clone, Plan(plan.files, (*plan.taken, plan.taken[1])))

    lines = [line for line in hub.pulls[0].body.splitlines() if re.match(r"\* `|\*\*|</?details", line)]
    assert [line.partition(": ")[0] for line in lines] == [
        "**Deployment safety and rollback** (D-010)",
        f"* `{DEPLOY}:7` **take a snapshot first** (review, `missing-predeploy-backup`)",
        "<details><summary>Safe fixes</summary>",
        "**Continuous integration** (D-009)",
        f"* `{CI}:8` **let mypy fail the step** (safe, `silent-type-check`)",
        f"* `{CI}:7` **move to v6** (safe, `outdated-action`)",
        "</details>",
    ]


def test_a_secret_that_a_fix_speaks_of_is_asked_for_once(hub: FakeHub, clone: Path) -> None:
    plan = examples.plan()
    rule, fix = plan.taken[0].rule, Fix("upload", todo=("add the secret CODECOV_TOKEN",))
    speaking = Plan(plan.files, (Reported(rule, Finding(CI, Span(0, 0), "m", fix)), *plan.taken[1:]))
    after = [Needed("secrets", name, (Use(CI, 8, "a script"),)) for name in ("CODECOV_TOKEN", "OTHER_TOKEN")]

    propose(clone, speaking, Verified(needed_after=after), Wish(), environment_of(clone))

    asked = [line for line in hub.pulls[0].body.splitlines() if "_TOKEN" in line.replace("\\", "")]
    assert asked == [
        f"- [ ] add the secret CODECOV\\_TOKEN (`{rule.id}`)",
        f"- [ ] set the secret `OTHER_TOKEN`, which `{CI}` now reads",
    ]


def test_a_thousand_fixes_fit_into_the_text_that_github_takes(hub: FakeHub, clone: Path) -> None:
    plan = examples.plan()
    first = plan.taken[0]
    findings = (Finding(CI, Span(0, 0), f"check {n} is silent", Fix(f"let check {n} fail")) for n in range(1200))
    many = Plan(plan.files, tuple(replace(first, finding=finding) for finding in findings))

    send(clone, many, Wish(single_commit=True))

    assert len(hub.pulls[0].body) < 65_536
    assert "and more: the diff has all 1200 fixes" in hub.pulls[0].body
    assert hub.pulls[0].body.count("<details>") == hub.pulls[0].body.count("</details>")


# -- held to GitHub's own description ---------------------------------------------------------------------------


@pytest.mark.needs("node", "prism", "jwt")
@pytest.mark.parametrize("description", ["github-openapi.json", "github-enterprise-openapi.json"])
def test_every_request_and_answer_is_as_githubs_description_says(
    hub: FakeHub, clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, description: str
) -> None:
    """Prism stands between, and answers with an error where either side breaks the description."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(component("prism")) / "dist/index.js"
    log = (tmp_path / "prism.log").open("w")
    command = [component("node"), str(program), "proxy", "--errors", "-h", "127.0.0.1", "-p", str(port)]
    prism = subprocess.Popen(
        [*command, str(Path(__file__).parent / "data" / description), f"{hub.url}/api/v3"], stdout=log, stderr=log
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/user", prism)
        hub.requests.clear()
        monkeypatch.setattr(Slug, "api", property(lambda self: address))
        actions = [send(clone).action, send(clone).action]
        write(clone, "README.md", b"# The shop\n")
        commit(clone, "Say more")
        push(hub, clone)
        actions.append(send(clone, wish=Wish(title="Another title")).action)
        write(clone, "README.md", b"# The very shop\n")
        commit(clone, "Say less")
        push(hub, clone)
        actions.append(send(shallow(hub, tmp_path / "shallow"), wish=Wish(title="Another title")).action)
        asked = github.GitHub(address, TOKEN)
        listed = [
            *asked.all("/orgs/acme/repos", type="all", sort="full_name"),
            *asked.all("/users/acme/repos", type="owner", sort="full_name"),
            *asked.all("/search/repositories", "items", q="org:acme", sort="updated"),
        ]
        hub.app, hub.installations[7], (key, hub.app_key) = "Iv23liFHFIX", "acme", app_key()
        of_app = App(hub.url, hub.app, key).granted("acme")
        hub.tokens[TOKEN] = Token(push=False)
        actions.append(send(clone, wish=Wish(fork=True, branch="other")).action)
    finally:
        prism.terminate()
        prism.wait()
        log.close()

    assert actions == ["created", "unchanged", "updated", "updated", "created"], (tmp_path / "prism.log").read_text()[
        -3000:
    ]
    assert [each["full_name"] for each in listed] == ["acme/shop"] * 3
    assert of_app.permissions == hub.permissions
    assert hub.count(r"PATCH /repos/.*") == 2
    assert hub.count(r"GET /repos/.*/compare/.*") == 1
    assert hub.count(r"POST /repos/.*/forks") == 1
    assert "VIOLATIONS" not in (tmp_path / "prism.log").read_text()


def wait_for(address: str, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {TOKEN}"})
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
