"""Where the pull requests of a campaign stand: in one word each, asked of GitHub a hundred at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from fixer.forge.github import GitHub
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
      commits(last: 1) { nodes { commit { statusCheckRollup { state } } } }
      baseRef { target { ... on Commit { statusCheckRollup { state } } } }
    }
  }
}
"""

BAD = frozenset(("red", "conflict", "failed"))
UNREADABLE = "checks not readable"
SLOW = frozenset(("changes asked", "closed", "left alone", "archived", "red like its base", UNREADABLE))
OPEN = frozenset(("open", "running", "green", "red", "red like its base", "conflict", "changes asked", UNREADABLE))
"""The states of a pull request that is not at its end."""

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
    def level(self) -> str:
        """How loud a page says it."""
        if self.state in BAD:
            return "error"
        return "warning" if self.state in SLOW else "note"


def as_they_stand(known: Iterable[Standing], hub: GitHub) -> list[Standing]:
    """The same, with what GitHub says of each pull request now. Raises GitHubError."""
    all_known = list(known)
    found: dict[str, dict[str, Any]] = {}
    for part in _parts([one.node for one in all_known if one.node]):
        data, untold = hub.query(QUERY, {"ids": part})
        nodes = data.get("nodes")
        blind = {path[1] for path in untold if path[:1] == ("nodes",) and "commits" in path}
        for number, node in enumerate(nodes if isinstance(nodes, list) else []):
            if isinstance(node, dict) and isinstance(node.get("id"), str):
                found[node["id"]] = node | {"untold": number in blind}
    return [_now(one, found[one.node]) if one.node in found else one for one in all_known]


def _parts(nodes: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(nodes), AT_ONCE):
        yield nodes[start : start + AT_ONCE]


def _now(known: Standing, node: dict[str, Any]) -> Standing:
    state, why = _state(node)
    if state in OPEN and known.commit and node.get("headRefOid") not in (None, known.commit):
        why = "; ".join(filter(None, (why, "somebody has pushed to the branch since")))
    return replace(known, state=state, why=why)


def _state(node: dict[str, Any]) -> tuple[str, str]:
    """What stands most in the way comes first: a person's word, then a conflict, then the checks."""
    if node.get("state") in ("MERGED", "CLOSED"):
        return node["state"].lower(), ""
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


def _first(commits: Any) -> Any:
    nodes = commits.get("nodes") if isinstance(commits, dict) else None
    return nodes[0] if isinstance(nodes, list) and nodes else None


def _rollup(place: Any, key: str = "commit") -> str:
    """The state of all checks together; empty where there are none, or where they are not told."""
    commit = place.get(key) if isinstance(place, dict) else None
    checks = commit.get("statusCheckRollup") if isinstance(commit, dict) else None
    return str(checks.get("state") or "") if isinstance(checks, dict) else ""
