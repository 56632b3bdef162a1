"""Where the pull requests of a campaign stand: in one word each, asked of GitHub a hundred at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from fixer.forge.github import GitHub, Slug
from fixer.records import record

AT_ONCE = 100
"""Nodes that GitHub's GraphQL API gives for one request, at most."""

QUERY = """\
query ($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on PullRequest {
      id
      number
      url
      state
      mergeable
      reviewDecision
      headRefOid
      repository { nameWithOwner isArchived }
      commits(last: 1) { nodes { commit { statusCheckRollup { state } } } }
      baseRef { target { ... on Commit { statusCheckRollup { state } } } }
    }
  }
}
"""

BAD = frozenset(("red", "conflict", "failed"))
UNREADABLE = "checks not readable"
UNSEEN = "not visible"
SLOW = frozenset(("changes asked", "closed", "left alone", "archived", UNSEEN, "red like its base", UNREADABLE))
OPEN = frozenset(("open", "running", "green", "red", "red like its base", "conflict", "changes asked", UNREADABLE))
"""The states of a pull request that is not at its end."""

_NOT_SHOWN = "GitHub shows it no more to this token: it was deleted, or moved to where this token may not look"
_RUNNING = frozenset(("PENDING", "EXPECTED"))
_RED = frozenset(("FAILURE", "ERROR"))


@record
class Standing:
    """One repository of a campaign. `node` is the pull request's id for GraphQL, `commit` what was pushed; `why` says
    more where the state alone does not do."""

    name: str
    state: str
    url: str = ""
    number: int = 0
    node: str = ""
    commit: str = ""
    why: str = ""

    @property
    def slug(self) -> Slug:
        """The repository of the pull request, by the name that it has in its address."""
        return Slug.of("/".join(self.url.split("/")[:5]))

    @property
    def level(self) -> str:
        """How loud a page says it."""
        if self.state in BAD:
            return "error"
        return "warning" if self.state in SLOW else "note"


def as_they_stand(known: Iterable[Standing], hub: GitHub) -> list[Standing]:
    """The same, with what GitHub says of each pull request now. Raises GitHubError."""
    all_known = list(known)
    found: dict[str, dict[str, Any]] = {}
    unseen: set[str] = set()
    for part in _parts([one.node for one in all_known if one.node]):
        data, untold = hub.query(QUERY, {"ids": part})
        nodes = data.get("nodes")
        blind = {path[1] for path in untold if path[:1] == ("nodes",) and "commits" in path}
        for number, node in enumerate(nodes if isinstance(nodes, list) else []):
            if isinstance(node, dict) and isinstance(node.get("id"), str):
                found[node["id"]] = node | {"untold": number in blind}
        unseen |= {node for number, node in enumerate(part) if ("nodes", number) in untold}
    return [
        _now(one, found[one.node]) if one.node in found
        else replace(one, state=UNSEEN, why=_NOT_SHOWN) if one.node in unseen
        else one
        for one in all_known
    ]  # fmt: skip


def _parts(nodes: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(nodes), AT_ONCE):
        yield nodes[start : start + AT_ONCE]


def _now(known: Standing, node: dict[str, Any]) -> Standing:
    state, why = _state(node)
    said = [why]
    if state in OPEN and known.state == "failed":
        state, said = "failed", [known.why]
    elif state in OPEN and known.commit and node.get("headRefOid") not in (None, known.commit):
        said.append("somebody has pushed to the branch since")
    name = _place(node).get("nameWithOwner")
    if isinstance(name, str) and name.lower() != known.name.lower():
        said.append(f"it is {name} now")
    return replace(known, state=state, url=_address(node, known), why="; ".join(filter(None, said)))


def _address(node: dict[str, Any], known: Standing) -> str:
    """Its address now: a repository may be renamed, but its server stays."""
    url = node.get("url")
    same = isinstance(url, str) and url.startswith("/".join(known.url.split("/")[:3]) + "/")
    return url if same and isinstance(url, str) else known.url


def _state(node: dict[str, Any]) -> tuple[str, str]:
    """What stands most in the way comes first: a person's word, then a conflict, then the checks."""
    if node.get("state") in ("MERGED", "CLOSED"):
        return node["state"].lower(), ""
    if _place(node).get("isArchived"):
        return "archived", "its pull request is still open there"
    if node.get("reviewDecision") == "CHANGES_REQUESTED":
        return "changes asked", ""
    if node.get("mergeable") == "CONFLICTING":
        return "conflict", "run the campaign again to bring it up to date"
    checks = _rollup(_first(node.get("commits")))
    if checks in _RED:
        if _rollup(node.get("baseRef"), "target") in _RED:
            return "red like its base", ""
        return "red", ""
    if checks in _RUNNING:
        return "running", ""
    if not checks and node.get("untold"):
        return UNREADABLE, "this token may not read them: it needs checks and commit statuses, each to read"
    return ("green", "") if checks == "SUCCESS" else ("open", "")


def _place(node: dict[str, Any]) -> dict[str, Any]:
    """The repository in which it stands."""
    found = node.get("repository")
    return found if isinstance(found, dict) else {}


def _first(commits: Any) -> Any:
    nodes = commits.get("nodes") if isinstance(commits, dict) else None
    return nodes[0] if isinstance(nodes, list) and nodes else None


def _rollup(place: Any, key: str = "commit") -> str:
    """The state of all checks together; empty where there are none, or where they are not told."""
    commit = place.get(key) if isinstance(place, dict) else None
    checks = commit.get("statusCheckRollup") if isinstance(commit, dict) else None
    return str(checks.get("state") or "") if isinstance(checks, dict) else ""
