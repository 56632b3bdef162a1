"""Answers of a server that are not GitHub's: `python -m tests.campaigns.answers --answers 1000`.

Of each pull request that is opened against a GitHub on the loopback, one answer is changed: a value of another type,
a key less, another status, a page of HTML. It ends with a pull request or with words, the token is in neither, and
the clone is what it was. As many answers of GraphQL about a campaign's pull requests are changed, too.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fixer.fleet.standing import Standing, as_they_stand
from fixer.forge import github
from fixer.forge.proposal import ProposalError, Verified, Wish, propose
from tests import examples
from tests.proofs.fakehub import serving

TOKEN = "t0ken-of-ada"
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**30, 1.5, "", "x", "a/b/c", "../..", "\n", "\x1b[2J", [], [1], {}, {"a": 1},
    "é" * 5000, "<!-- fhfix:end -->", "https://evil.example/a/b.git",
)  # fmt: skip


def changed(answer: Any, dice: random.Random) -> Any:
    """One value somewhere in it is another, or missing."""
    made = copy.deepcopy(answer)
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            places.append((value, key))
            collect(inner)

    collect(made)
    if not places or dice.random() < 0.1:
        return dice.choice(VALUES)
    wanted = {"full_name", "clone_url", "owner", "login", "permissions", "push", "state", "head", "base", "ref",
              "body", "number", "html_url", "title", "labels", "name", "protected", "status", "merged_at",
              "archived"}  # fmt: skip
    used = [place for place in places if place[1] in wanted]
    parent, key = dice.choice(used if used and dice.random() < 0.8 else places)
    if isinstance(parent, dict) and dice.random() < 0.3:
        del parent[key]
    else:
        parent[key] = dice.choice(VALUES)
    return made


NODE = {
    "id": "N1", "url": "https://github.com/acme/shop/pull/1", "state": "OPEN", "mergeable": "CONFLICTING",
    "reviewDecision": None, "headRefOid": "abc", "repository": {"nameWithOwner": "acme/shop", "isArchived": False},
    "commits": {"nodes": [{"commit": {"statusCheckRollup": {"state": "SUCCESS"}}}]},
    "baseRef": {"target": {"statusCheckRollup": {"state": "FAILURE"}}},
}  # fmt: skip
QUERIED = {
    "data": {"nodes": [NODE, None]},
    "errors": [{"message": "x", "path": ["nodes", 0, "commits"]}, {"message": "y", "path": ["nodes", 1]}],
}


def standing(dice: random.Random) -> None:
    """What GraphQL says of the pull requests of a campaign, with one value or two changed."""
    answer = changed(QUERIED, dice)
    if dice.random() < 0.4:
        answer = changed(answer, dice)
    hub = github.GitHub("https://api.github.com", TOKEN)
    hub.request = lambda *_, **__: answer  # type: ignore[method-assign]
    known = Standing("acme/shop", "open", str(NODE["url"]), 1, "N1", "abc")
    try:
        [now] = as_they_stand([known], hub)
    except github.GitHubError:
        return
    assert now.slug.api == known.slug.api
    json.dumps(asdict(now))


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--answers", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args(arguments)
    counts: Counter[str] = Counter()
    failures: list[str] = []
    os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    github.GitHub.sleep = lambda self, seconds: None  # type: ignore[method-assign]
    real = github.GitHub._send
    with tempfile.TemporaryDirectory(
        prefix="campaign-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    ) as where:
        for hub in serving(Path(where) / "hub"):
            bare = hub.add_repository("acme/shop")
            root = Path(where) / "shop"
            git(Path(where), "init", "-q", "-b", "main", str(root))
            for source in examples.sources():
                (root / source.path).parent.mkdir(parents=True, exist_ok=True)
                (root / source.path).write_bytes(source.to_bytes())
            for words in (("add", "-A"), ("-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "Start")):
                git(root, *words)
            git(root, "config", "user.name", "Ada")
            git(root, "config", "user.email", "ada@example.com")
            git(root, "remote", "add", "origin", f"{hub.url}/acme/shop.git")
            git(root, "push", "-q", str(bare), "main")
            before = {str(p): p.read_bytes() for p in root.rglob("*") if p.is_file()}
            environment = {"FHFIX_TOKEN": TOKEN, "FHFIX_HOST": hub.url.partition("://")[2]}
            for number in range(given.answers):
                dice = random.Random(f"{given.seed}/{number}")
                left = dice.randrange(5)

                def sent(self: github.GitHub, method: str, path: str, body: Any, dice: random.Random = dice) -> Any:
                    nonlocal left
                    status, headers, data = real(self, method, path, body)
                    left -= 1
                    if left != -1:
                        return status, headers, data
                    counts["changed"] += 1
                    kind = dice.random()
                    if kind < 0.1:
                        return dice.choice((200, 201, 204, 301, 400, 404, 409, 422, 500, 503)), headers, data
                    if kind < 0.2:
                        return status, headers, {"message": ""}  # what a page of HTML is read as
                    if kind < 0.25:
                        odd = dice.choice(("9" * 400, "-1", "", "x", "1e9"))
                        names = ("retry-after", "x-ratelimit-reset", "x-oauth-scopes", "x-ratelimit-remaining")
                        return dice.choice((status, 403, 429)), {**headers, **dict.fromkeys(names, odd)}, data
                    return status, headers, changed(data, dice)

                github.GitHub._send = sent  # type: ignore[method-assign]
                if number % 3 == 0:
                    hub.pulls.clear()
                    subprocess.run(["git", "-C", str(bare), "update-ref", "-d", "refs/heads/fhfix"], check=False)
                wish = Wish(labels=("ci",), reviewers=("grace",))
                try:
                    outcome = propose(root, examples.plan(), Verified(), wish, environment)
                    counts[outcome.action] += 1
                    said = json.dumps([outcome.url, *outcome.notes])
                except ProposalError as error:
                    counts["said why not"] += 1
                    said = str(error)
                except Exception:
                    failures.append(f"{number}: {traceback.format_exc(limit=-2)}")
                    continue
                finally:
                    github.GitHub._send = real  # type: ignore[method-assign]
                if TOKEN in said:
                    failures.append(f"{number}: the token is shown: {said[:200]}")
            if before != {str(p): p.read_bytes() for p in root.rglob("*") if p.is_file()}:
                failures.append("the clone has changed")
    for number in range(given.answers):
        try:
            standing(random.Random(f"{given.seed}/standing/{number}"))
        except Exception:
            failures.append(f"{number}: {traceback.format_exc(limit=-2)}")
    for failure in failures:
        print(failure)
    print(f"seed {given.seed}: {given.answers} runs, {dict(counts)}; {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
