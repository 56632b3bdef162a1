"""A small GitHub on the loopback: its REST API as far as a pull request goes, and real git over HTTP.

It keeps state as GitHub does: one open pull request for a branch, labels and reviewers that stay, forks, tokens with
scopes, branches that are protected. Answers are made from the examples in GitHub's own OpenAPI description, so that
Prism can hold them to it. It serves at the address of an Enterprise Server: the API is below `/api/v3`.
"""

from __future__ import annotations

import base64
import copy
import json
import math
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.proofs.loopback import served

DESCRIPTION = Path(__file__).parent / "data/github-openapi.json"

WITHOUT_WORKFLOW = (
    "refusing to allow a Personal Access Token to create or update workflow `.github/workflows/ci.yml`"
    " without `workflow` scope"
)
# What GitHub's servers refuse in a push, refused at the same point: before any reference changes.
PRE_RECEIVE = f"""#!/bin/sh
while read -r old new ref; do
    if [ -n "$FAKEHUB_NO_WORKFLOW" ] && git rev-list --objects "$new" --not --all | grep -q ' .github/workflows/'; then
        echo '{WITHOUT_WORKFLOW.replace("'", "")}' >&2
        exit 1
    fi
    if grep -qx "$ref" protected 2>/dev/null; then
        echo "error: GH006: Protected branch update failed for $ref." >&2
        exit 1
    fi
done
"""


@dataclass
class Token:
    """Who it belongs to, and what it may do. `scopes` is None for a fine-grained token, which does not tell."""

    login: str = "ada"
    scopes: tuple[str, ...] | None = ("repo", "workflow")
    push: bool = True
    workflow: bool = True
    checks: bool = True
    permissions: Mapping[str, str] | None = None
    """Of a token of an app; None for one of a person."""
    ends: float = math.inf


@dataclass
class Pull:
    number: int
    repository: str
    head_owner: str
    head: str
    base: str
    title: str
    body: str
    draft: bool
    head_sha: str
    base_sha: str
    state: str = "open"
    merged: bool = False
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    checks: str = ""
    review: str = ""
    mergeable: str = "MERGEABLE"
    node: str = ""
    """Its id for GraphQL, which stays when the repository gets another name."""

    def __post_init__(self) -> None:
        self.node = self.node or f"PR_{self.repository}#{self.number}"


@dataclass
class Fault:
    """What goes wrong with requests that match `GET /repos/…`. `after`: the work is done and the answer is lost;
    `stall`: nothing is answered for so many seconds, then the connection ends; `half`: half of the answer comes, then
    the server closes its side and reads on for `stall` seconds."""

    match: str
    status: int = 502
    message: str = "injected"
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    after: bool = False
    stall: float = 0.0
    half: bool = False
    act: Callable[[], None] | None = None


class RefusedError(Exception):
    def __init__(
        self, status: int, message: str, *errors: dict[str, str], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": str(status),
        }
        if errors:
            self.body["errors"] = list(errors)


@cache
def examples() -> dict[str, Any]:
    description = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    return {name: example["value"] for name, example in description["components"]["examples"].items()}


class FakeHub:
    """`url` is its address; state is in its attributes, for tests to set and to look at."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.folder = folder
        self.tokens: dict[str, Token] = {"t0ken-of-ada": Token()}
        self.pulls: list[Pull] = []
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.forks: dict[str, str] = {}
        self.moved: dict[str, str] = {}
        """Names that repositories had once, with those that they have now."""
        self.about: dict[str, dict[str, Any]] = {}
        self.app, self.app_key = "", ""
        """The client id of an app, and its public key."""
        self.installations: dict[int, str] = {}
        """Accounts that have it."""
        self.suspended: dict[str, str] = {}
        self.permissions = {"contents": "write", "pull_requests": "write", "workflows": "write", "checks": "read"}
        self.granted_for = 3600.0
        """Seconds that a token of the app lasts."""
        self.base_checks: dict[str, str] = {}
        """The state of the checks of a repository's base branch."""
        self.lock = threading.RLock()

    def add_repository(self, slug: str) -> Path:
        path = self.folder / f"{slug}.git"
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
        self._equip(path)
        return path

    def seed(self, slug: str, files: Mapping[str, bytes], message: str = "Start", branch: str = "main") -> str:
        """A commit on top of the branch with these files and no others; makes the repository where there is none."""
        path = self.folder / f"{slug}.git"
        if not path.is_dir():
            self.add_repository(slug)
        lines = [f"commit refs/heads/{branch}\n".encode(), b"committer Ada <ada@example.com> 1767225600 +0000\n"]
        lines.append(b"data %d\n%s\n" % (len(message.encode()), message.encode()))
        if tip := self.tip(slug, branch):
            lines.append(f"from {tip}\n".encode())
        lines.append(b"deleteall\n")
        for name, data in files.items():
            lines.append(b"M 100644 inline %s\ndata %d\n%s\n" % (json.dumps(name).encode(), len(data), data))
        command = ["git", "-C", str(path), "fast-import", "--quiet"]
        subprocess.run(command, input=b"".join(lines), check=True, capture_output=True)
        return self.tip(slug, branch)

    def _equip(self, path: Path) -> None:
        self.git(path, "config", "http.receivepack", "true")
        self.git(path, "config", "uploadpack.allowReachableSHA1InWant", "true")
        self.git(path, "config", "uploadpack.allowFilter", "true")
        hook = path / "hooks/pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(PRE_RECEIVE)
        hook.chmod(0o755)

    def protect(self, slug: str, branch: str) -> None:
        with (self.folder / f"{slug}.git/protected").open("a") as file:
            file.write(f"refs/heads/{branch}\n")

    def move(self, slug: str, to: str) -> None:
        """Rename a repository, or hand it over to another account: who asks for the old name is led on."""
        with self.lock:
            (self.folder / to).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{slug}.git").rename(self.folder / f"{to}.git")
            self.moved[slug] = to
            for pull in self.pulls:
                if pull.repository == slug:
                    owner = to.partition("/")[0] if pull.head_owner == slug.partition("/")[0] else pull.head_owner
                    pull.repository, pull.head_owner = to, owner

    def delete(self, slug: str) -> None:
        with self.lock:
            shutil.rmtree(self.folder / f"{slug}.git")
            self.pulls = [pull for pull in self.pulls if pull.repository != slug]

    def git(self, path: Path, *arguments: str) -> str:
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(["git", "-C", str(path), *arguments], capture_output=True, text=True, env=environment)
        return done.stdout.strip()

    def tip(self, slug: str, branch: str) -> str:
        return self.git(self.folder / f"{slug}.git", "rev-parse", "--verify", "-q", f"refs/heads/{branch}")

    def count(self, pattern: str) -> int:
        return sum(bool(re.fullmatch(pattern, request)) for request in self.requests)

    # -- the API ------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, token: Token) -> tuple[int, Any]:
        path = self._led_on(method, path)
        for route_method, pattern, function in (*ROUTES, *APP_ROUTES):
            match = re.fullmatch(pattern, path)
            if method == route_method and match:
                groups = {key: urllib.parse.unquote(value) for key, value in match.groupdict().items()}
                with self.lock:
                    return function(self, token, query, body, **groups)
        raise RefusedError(404, "Not Found")

    def _led_on(self, method: str, path: str) -> str:
        """GitHub leads a request for an old name to an address that holds a number in place of the name."""
        numbered = re.fullmatch(r"/repositories/(\d+)(/.*|)", path)
        if numbered:
            return f"/repos/{list(self.moved.values())[int(numbered[1])]}{numbered[2]}"
        named = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*|)", path)
        if named and named[1] in self.moved and not (self.folder / f"{named[1]}.git").is_dir():
            there = f"{self.url}/api/v3/repositories/{list(self.moved).index(named[1])}{named[2]}"
            status = 301 if method == "GET" else 307
            raise RefusedError(status, "Moved Permanently", headers={"Location": there})
        return path

    def path_of(self, slug: str) -> Path:
        path = self.folder / f"{slug}.git"
        if not path.is_dir():
            raise RefusedError(404, "Not Found")
        return path

    def local(self, value: Any, slug: str = "octocat/Hello-World") -> Any:
        """An example with our addresses in place of GitHub's."""
        text = json.dumps(value).replace("https://api.github.com", f"{self.url}/api/v3")
        text = text.replace("https://github.com", self.url).replace("octocat/Hello-World", slug)
        return json.loads(text)

    def show_repository(self, slug: str, token: Token) -> Any:
        path = self.path_of(slug)
        owner, _, name = slug.partition("/")
        shown = self.local(copy.deepcopy(examples()["full-repository-default-response"]), slug)
        for key in ("template_repository", "parent", "source", "organization"):
            shown.pop(key, None)
        shown["owner"]["login"] = owner
        may_push = token.push or token.login == owner
        shown.update(
            name=name,
            full_name=slug,
            default_branch=(path / "HEAD").read_text().strip().removeprefix("ref: refs/heads/"),
            clone_url=f"{self.url}/{slug}.git",
            archived=(path / "archived").exists(),
            private=False,
            fork=slug in self.forks,
            language=None,  # the example lacks it, and the description asks for it
            security_and_analysis=None,
            permissions={"pull": True, "push": may_push, "admin": False, "maintain": False, "triage": False},
        )
        shown.update(self.about.get(slug, {}))
        return shown

    def list_repositories(self, slugs: Iterable[str], query: Mapping[str, str], token: Token) -> list[Any]:
        """A page of repositories, each as short as GitHub's own lists have them."""
        size, page = int(query.get("per_page", "30")), int(query.get("page", "1"))
        shown = []
        for slug in sorted(slugs)[(page - 1) * size : page * size]:
            whole = self.show_repository(slug, token)
            short = self.local(copy.deepcopy(examples()["minimal-repository-items"][0]), slug)
            shown.append({**short, **{key: whole[key] for key in short if key in whole}})
        return shown

    def repositories_of(self, owner: str) -> list[str]:
        return [f"{owner}/{path.name.removesuffix('.git')}" for path in (self.folder / owner).glob("*.git")]

    def show_pull(self, pull: Pull, *, simple: bool = False) -> Any:
        shown = self.local(
            copy.deepcopy(examples()["pull-request-simple-items"][0] if simple else examples()["pull-request"])
        )
        address = f"{self.url}/{pull.repository}/pull/{pull.number}"
        for side, owner, ref, sha in (
            ("head", pull.head_owner, pull.head, pull.head_sha),
            ("base", pull.repository.partition("/")[0], pull.base, pull.base_sha),
        ):
            shown[side].update(ref=ref, sha=sha, label=f"{owner}:{ref}")
        label, user = examples()["label-items"][0], shown["user"]
        shown.update(
            number=pull.number,
            node_id=pull.node,
            title=pull.title,
            body=pull.body,
            state=pull.state,
            draft=pull.draft,
            html_url=address,
            locked=False,
            milestone=None,
            assignees=[],
            requested_teams=[],
            requested_reviewers=[{**user, "login": login} for login in pull.reviewers],
            labels=[{**label, "name": name} for name in pull.labels],
            merged_at="2026-01-01T00:00:00Z" if pull.merged else None,
        )
        if not simple:
            shown["merged"] = pull.merged
        return shown

    def show_node(self, pull: Pull) -> Any:
        def rollup(state: str) -> Any:
            return {"state": state} if state else None

        tip = self.tip(pull.repository, pull.head)
        return {
            "id": pull.node,
            "number": pull.number,
            "url": f"{self.url}/{pull.repository}/pull/{pull.number}",
            "state": "MERGED" if pull.merged else pull.state.upper(),
            "mergeable": pull.mergeable,
            "reviewDecision": pull.review or None,
            "headRefOid": tip or pull.head_sha,
            "repository": {
                "nameWithOwner": pull.repository,
                "isArchived": (self.folder / f"{pull.repository}.git/archived").exists(),
            },
            "commits": {"nodes": [{"commit": {"statusCheckRollup": rollup(pull.checks)}}]},
            "baseRef": {"target": {"statusCheckRollup": rollup(self.base_checks.get(pull.repository, ""))}},
        }

    def pull(self, slug: str, number: str) -> Pull:
        for pull in self.pulls:
            if pull.repository == slug and pull.number == int(number):
                return pull
        raise RefusedError(404, "Not Found")


Answer = tuple[int, Any]


def get_repository(hub: FakeHub, token: Token, query: dict[str, str], body: Any, slug: str) -> Answer:
    return 200, hub.show_repository(slug, token)


def list_of_organisation(hub: FakeHub, token: Token, query: dict[str, str], body: Any, owner: str) -> Answer:
    slugs = hub.repositories_of(owner)
    if not slugs:
        raise RefusedError(404, "Not Found")
    return 200, hub.list_repositories(slugs, query, token)


def search(hub: FakeHub, token: Token, query: dict[str, str], body: Any) -> Answer:
    """`org:` and `topic:`, which is what the tests ask for."""
    words = dict(word.split(":") for word in query["q"].split())
    slugs = [
        slug
        for slug in hub.repositories_of(words["org"])
        if "topic" not in words or words["topic"] in hub.about.get(slug, {}).get("topics", [])
    ]
    shown = copy.deepcopy(examples()["repo-search-result-item-paginated"])
    short = shown["items"][0]
    found = hub.list_repositories(slugs, query, token)
    items = [{**short, **{key: one[key] for key in short if key in one}} for one in found]
    return 200, {**shown, "total_count": len(slugs), "items": items}


def get_branch(hub: FakeHub, token: Token, query: dict[str, str], body: Any, slug: str, branch: str) -> Answer:
    sha = hub.tip(slug, branch)
    if not sha:
        raise RefusedError(404, "Branch not found")
    shown = hub.local(copy.deepcopy(examples()["branch-get"]), slug)
    protected = hub.folder / f"{slug}.git/protected"
    names = protected.read_text().split() if protected.exists() else []
    shown.update(name=branch, protected=f"refs/heads/{branch}" in names)
    shown["commit"]["sha"] = sha
    return 200, shown


def compare(hub: FakeHub, token: Token, query: dict[str, str], body: Any, slug: str, base: str, head: str) -> Answer:
    path = hub.path_of(slug)
    tips = [hub.git(path, "rev-parse", "--verify", "-q", f"{name}^{{commit}}") for name in (base, head)]
    if not all(tips):
        raise RefusedError(404, "Not Found")
    common = hub.git(path, "merge-base", *tips)
    shown = hub.local(copy.deepcopy(examples()["commit-comparison"]), slug)
    if tips[0] == tips[1]:
        shown["status"] = "identical"
    else:
        shown["status"] = {tips[0]: "ahead", tips[1]: "behind"}.get(common, "diverged")
    return 200, shown


def list_pulls(hub: FakeHub, token: Token, query: dict[str, str], body: Any, slug: str) -> Answer:
    hub.path_of(slug)
    state = query.get("state", "open")
    found = [
        hub.show_pull(pull, simple=True)
        for pull in reversed(hub.pulls)
        if pull.repository == slug
        and state in ("all", pull.state)
        and query.get("head", f"{pull.head_owner}:{pull.head}") == f"{pull.head_owner}:{pull.head}"
        and query.get("base", pull.base) == pull.base
    ]
    return 200, found


def create_pull(hub: FakeHub, token: Token, query: dict[str, str], body: Any, slug: str) -> Answer:
    owner, _, branch = body["head"].rpartition(":")
    owner = owner or slug.partition("/")[0]
    home = next((fork for fork, parent in hub.forks.items() if parent == slug and fork.startswith(f"{owner}/")), slug)
    tips = {"head": hub.tip(home, branch), "base": hub.tip(slug, body["base"])}
    for side, sha in tips.items():
        if not sha:
            raise RefusedError(422, "Validation Failed", {"resource": "PullRequest", "field": side, "code": "invalid"})

    def refuse(message: str) -> RefusedError:
        return RefusedError(422, "Validation Failed", {"resource": "PullRequest", "code": "custom", "message": message})

    if tips["head"] == tips["base"]:
        raise refuse(f"No commits between {body['base']} and {branch}")
    for pull in hub.pulls:
        if (pull.repository, pull.head_owner, pull.head, pull.state) == (slug, owner, branch, "open"):
            raise refuse(f"A pull request already exists for {owner}:{branch}.")
    number = 1 + sum(pull.repository == slug for pull in hub.pulls)
    text, draft = body.get("body") or "", bool(body.get("draft"))
    made = Pull(number, slug, owner, branch, body["base"], body["title"], text, draft, tips["head"], tips["base"])
    hub.pulls.append(made)
    return 201, hub.show_pull(made)


def get_pull(hub: FakeHub, token: Token, query: dict[str, str], body: Any, slug: str, number: str) -> Answer:
    return 200, hub.show_pull(hub.pull(slug, number))


def patch_pull(hub: FakeHub, token: Token, query: dict[str, str], body: Any, slug: str, number: str) -> Answer:
    pull = hub.pull(slug, number)
    for key in ("title", "body", "state", "base"):
        setattr(pull, key, body.get(key, getattr(pull, key)))
    return 200, hub.show_pull(pull)


def add_labels(hub: FakeHub, token: Token, query: dict[str, str], body: Any, slug: str, number: str) -> Answer:
    pull = hub.pull(slug, number)
    pull.labels += [name for name in body["labels"] if name not in pull.labels]
    return 200, [{**examples()["label-items"][0], "name": name} for name in pull.labels]


def ask_reviewers(hub: FakeHub, token: Token, query: dict[str, str], body: Any, slug: str, number: str) -> Answer:
    pull = hub.pull(slug, number)
    if token.login in body.get("reviewers", []):
        raise RefusedError(422, "Review cannot be requested from pull request author.")
    pull.reviewers += [name for name in body.get("reviewers", []) if name not in pull.reviewers]
    return 201, hub.show_pull(pull, simple=True)


def fork(hub: FakeHub, token: Token, query: dict[str, str], body: Any, slug: str) -> Answer:
    name = f"{token.login}/{slug.partition('/')[2]}"
    path = hub.folder / f"{name}.git"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "-q", "--bare", str(hub.path_of(slug)), str(path)], check=True)
        hub._equip(path)
        hub.forks[name] = slug
    return 202, hub.show_repository(name, token)


def get_user(hub: FakeHub, token: Token, query: dict[str, str], body: Any) -> Answer:
    if token.permissions is not None:
        raise RefusedError(403, "Resource not accessible by integration")
    return 200, {
        **examples()["private-user-response-with-public-and-private-profile-information"],
        "login": token.login,
    }


def graphql(hub: FakeHub, token: Token, query: dict[str, str], body: Any) -> Answer:
    """The one question that is asked: many pull requests by their ids. An unknown id gives null, and an error."""
    by_node = {pull.node: pull for pull in hub.pulls}
    ids = body["variables"]["ids"]
    if len(ids) > 100:
        return 200, {"data": None, "errors": [{"type": "ARGUMENT_LIMIT", "message": "more than 100 ids"}]}
    nodes = [hub.show_node(by_node[name]) if name in by_node else None for name in ids]
    errors = [
        {"type": "NOT_FOUND", "path": ["nodes", number], "message": f"Could not resolve to a node with the id {name!r}"}
        for number, name in enumerate(ids)
        if name not in by_node
    ]
    for number, node in enumerate(nodes):
        if node is not None and not token.checks:
            node["commits"]["nodes"][0]["commit"]["statusCheckRollup"] = None
            path = ["nodes", number, "commits", "nodes", 0, "commit", "statusCheckRollup"]
            message = "Resource not accessible by personal access token"
            errors.append({"type": "FORBIDDEN", "path": path, "message": message})
    return 200, {"data": {"nodes": nodes}, **({"errors": errors} if errors else {})}


# -- apps -------------------------------------------------------------------------------------------------------


def of_app(hub: FakeHub, authorization: str) -> bool:
    """Whether a request is signed by the app, as GitHub checks it."""
    import jwt

    try:
        said = jwt.decode(
            authorization.removeprefix("Bearer "), hub.app_key, algorithms=["RS256"], issuer=hub.app,
            options={"require": ["iat", "exp", "iss"]},
        )  # fmt: skip
    except jwt.PyJWTError:
        return False
    return bool(said["exp"] - time.time() <= 600 and said["iat"] <= time.time())


def show_installation(hub: FakeHub, number: int) -> Any:
    shown = hub.local(copy.deepcopy(examples()["base-installation-items"][0]))
    account = hub.installations[number]
    shown.update(id=number, app_id=1, suspended_at=hub.suspended.get(account))
    # The description asks for what only an account has, and for what only an enterprise has.
    of_enterprise = dict.fromkeys(("created_at", "updated_at"), shown["created_at"])
    shown["account"].update(login=account, name=account, slug=account, **of_enterprise)
    return shown


def list_installations(hub: FakeHub, token: Token, query: dict[str, str], body: Any) -> Answer:
    return 200, [show_installation(hub, number) for number in hub.installations]


def grant(hub: FakeHub, token: Token, query: dict[str, str], body: Any, number: str) -> Answer:
    ends = time.time() + hub.granted_for
    made = f"ghs_{len(hub.tokens):036}"
    hub.tokens[made] = Token("deploys[bot]", None, permissions=hub.permissions, ends=ends)
    shown = hub.local(copy.deepcopy(examples()["installation-token"]))
    shown.pop("repositories")
    shown.update(
        token=made,
        expires_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends)),
        permissions=dict(hub.permissions),
        repository_selection="all",
    )
    return 201, shown


APP_ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", r"/app/installations", list_installations),
    ("POST", r"/app/installations/(?P<number>\d+)/access_tokens", grant),
]
"""What only an app may ask, signed with its key."""

_REPOSITORY = r"/repos/(?P<slug>[^/]+/[^/]+)"
ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", r"/user", get_user),
    ("POST", r"/graphql", graphql),
    ("GET", r"/(?:orgs|users)/(?P<owner>[^/]+)/repos", list_of_organisation),
    ("GET", r"/search/repositories", search),
    ("GET", _REPOSITORY, get_repository),
    ("GET", _REPOSITORY + r"/branches/(?P<branch>.+)", get_branch),
    ("GET", _REPOSITORY + r"/compare/(?P<base>.+)\.\.\.(?P<head>[^/]+)", compare),
    ("POST", _REPOSITORY + r"/forks", fork),
    ("GET", _REPOSITORY + r"/pulls", list_pulls),
    ("POST", _REPOSITORY + r"/pulls", create_pull),
    ("GET", _REPOSITORY + r"/pulls/(?P<number>\d+)", get_pull),
    ("PATCH", _REPOSITORY + r"/pulls/(?P<number>\d+)", patch_pull),
    ("POST", _REPOSITORY + r"/pulls/(?P<number>\d+)/requested_reviewers", ask_reviewers),
    ("POST", _REPOSITORY + r"/issues/(?P<number>\d+)/labels", add_labels),
]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The requests are in `FakeHub.requests`."""

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        raw = self._read_body()
        try:
            if re.match(r"/[^/]+/[^/]+\.git/", parts.path):
                self._serve_git(parts, raw)
            else:
                self._serve_api(parts, raw)
        except ConnectionError:  # clients are killed in tests
            self.close_connection = True

    do_POST = do_PATCH = do_GET  # noqa: N815

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        blocks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            blocks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(blocks)

    def _token(self) -> Token | None:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "basic":
            value = base64.b64decode(value).decode().partition(":")[2]
        token = self.hub.tokens.get(value)
        return token if token and time.time() < token.ends else None

    def _serve_api(self, parts: urllib.parse.SplitResult, raw: bytes) -> None:
        path = re.sub(r"^/api(/v3(?=/)|(?=/graphql$))", "", parts.path)
        request = f"{self.command} {path}"
        self.hub.requests.append(request)
        fault = self._fault(request)
        token = self._token()
        try:
            if fault and not fault.after and not fault.half:
                if fault.act:
                    fault.act()
                raise RefusedError(fault.status, fault.message, headers=fault.headers)
            if any(re.fullmatch(pattern, path) for _, pattern, _ in APP_ROUTES):
                token = Token() if of_app(self.hub, self.headers.get("Authorization", "")) else None
            if token is None:
                raise RefusedError(401, "Bad credentials")
            query = dict(urllib.parse.parse_qsl(parts.query))
            status, shown = self.hub.answer(self.command, path, query, json.loads(raw) if raw else {}, token)
            if fault and fault.act:
                fault.act()
            if fault and not fault.half:
                raise RefusedError(fault.status, fault.message, headers=fault.headers)
            scopes = {} if token.scopes is None else {"X-OAuth-Scopes": ", ".join(token.scopes)}
            self._send(status, json.dumps(shown).encode(), scopes, fault)
        except RefusedError as refused:
            self._send(refused.status, json.dumps(refused.body).encode(), refused.headers)

    def _fault(self, request: str) -> Fault | None:
        """What goes wrong with this request. Raises ConnectionError for one that is never answered."""
        with self.hub.lock:
            fault = next((f for f in self.hub.faults if f.times > 0 and re.fullmatch(f.match, request)), None)
            if fault is None:
                return None
            fault.times -= 1
        if fault.stall and not fault.half:
            time.sleep(fault.stall)
            raise ConnectionError("nobody answers")
        return fault

    def _send(self, status: int, data: bytes, headers: Mapping[str, str], half: Fault | None = None) -> None:
        shown = {
            "Content-Type": "application/json; charset=utf-8",
            "X-RateLimit-Limit": "5000",
            "X-RateLimit-Remaining": "4999",
            "X-RateLimit-Reset": str(int(time.time()) + 3600),
            **headers,
            "Content-Length": str(len(data)),
        }
        self.send_response(status)
        for key, value in shown.items():
            self.send_header(key, value)
        self.end_headers()
        if half is None:
            self.wfile.write(data)
            return
        self.wfile.write(data[: len(data) // 2])
        self.connection.shutdown(socket.SHUT_WR)  # the client may still send, and hears no more
        self.connection.settimeout(half.stall)
        with suppress(TimeoutError):
            self.rfile.read(1)
        raise ConnectionError("half closed")

    def _serve_git(self, parts: urllib.parse.SplitResult, raw: bytes) -> None:
        """git-http-backend(1). GitHub takes a token for git as Basic only."""
        request = f"{self.command} {parts.path}?{parts.query}"
        self.hub.requests.append(request)
        fault = self._fault(request)
        if fault and not fault.after and not fault.half:
            self._send(fault.status, fault.message.encode(), fault.headers)
            return
        authorization = self.headers.get_all("Authorization") or []
        if len(authorization) > 1:
            self._send(400, b'{"message": "Duplicate header: Authorization"}', {})
            return
        token = self._token() if authorization and authorization[0].lower().startswith("basic ") else None
        pushing = "receive-pack" in self.path
        owner, name = parts.path.split("/")[1:3]
        if token is None:
            self._send(401, b"", {"WWW-Authenticate": 'Basic realm="fakehub"'})
            return
        slug = f"{owner}/{name.removesuffix('.git')}"
        if not (self.hub.folder / f"{slug}.git").is_dir():
            now = self.hub.moved.get(slug)
            there = f"{self.hub.url}{self.path.replace(slug, now, 1)}" if now else ""
            self._send(301 if now else 404, b"Repository not found.", {"Location": there} if now else {})
            return
        if pushing and not (token.push or token.login == owner):
            self._send(
                403, f"Permission to {parts.path} denied to {token.login}.".encode(), {"Content-Type": "text/plain"}
            )
            return
        environment = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_PROJECT_ROOT": str(self.hub.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "REMOTE_USER": token.login,
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(raw)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "FAKEHUB_NO_WORKFLOW": "" if token.workflow else "1",
        }
        out = subprocess.run(["git", "http-backend"], input=raw, env=environment, capture_output=True).stdout
        head, _, body = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        if fault and not fault.half:
            self._send(fault.status, fault.message.encode(), fault.headers)
            return
        self._send(int(headers.pop("Status", "200").split()[0]), body, headers, fault)


def serving(folder: Path) -> Iterator[FakeHub]:
    """For a fixture."""
    made = FakeHub(folder)

    class Handler(_Handler):
        hub = made

    with served(Handler) as made.url:
        yield made
