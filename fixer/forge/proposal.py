"""From a plan to its pull request: opened once, and from then on kept up to date.

Every step may be the last one before a crash, and the next run goes on from there: commits are the same however often
they are made, a push that was done is not done again, and a pull request is looked for before and after it is asked
for. GitHub itself holds the last guard: it takes one open pull request for a branch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

from fixer.audit.criteria import Criterion
from fixer.audit.needed import Needed
from fixer.forge.answers import Hosted, Pull, comparison, is_protected, pulls_of
from fixer.forge.git import Commit, Git, GitError, Remote, Workshop
from fixer.forge.github import ATTEMPTS, GitHub, GitHubError, Slug, token_from
from fixer.forge.pull_request import Body, body_of, commits_of, title_of
from fixer.model import Plan
from fixer.records import record

BRANCH = "fhfix"


class ProposalError(Exception):
    """Why there is no pull request, and what to do. Nothing was sent, unless the message says so.

    `kind` names a reason that is a person's word (`closed`, `others`, `archived`), `url` the pull request that it is
    about. `passing`: it may do when it is tried again, after `wait` seconds where GitHub says so.
    """

    def __init__(
        self, message: str, kind: str = "", url: str = "", *, passing: bool = False, wait: float = 0.0
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.url = url
        self.passing = passing
        self.wait = wait

    @classmethod
    def of(cls, error: GitError | GitHubError, more: str = "") -> Self:
        if isinstance(error, GitError):
            return cls(f"{error}{more}", passing=not error.final)
        return cls(f"{error}{more}", passing=error.uncertain or bool(error.wait), wait=error.wait)


@record
class Wish:
    """What the user asked for. Empty: what the repository suggests. `follows_base`: an open pull request moves to
    the base that is asked for now."""

    branch: str = BRANCH
    base: str = ""
    title: str = ""
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    draft: bool = False
    single_commit: bool = False
    fork: bool = False
    again: bool = False
    follows_base: bool = False
    remote: str = "origin"
    repository: str = ""


@record
class Outcome:
    """What became of it. `nothing`: there was nothing to propose, and nothing was sent. `commit` is the branch's."""

    action: Literal["created", "updated", "unchanged", "nothing"]
    url: str = ""
    commits: int = 0
    notes: tuple[str, ...] = ()
    number: int = 0
    node: str = ""
    commit: str = ""


@record
class Verified:
    """What the text of the pull request says beside the plan."""

    criteria: Sequence[Criterion] = ()
    needed_before: Sequence[Needed] = ()
    needed_after: Sequence[Needed] = ()


def propose(
    root: Path,
    plan: Plan,
    verified: Verified,
    wish: Wish,
    environment: Mapping[str, str],
    say: Callable[[str], None] = lambda line: None,
    hub: GitHub | None = None,
) -> Outcome:
    """Open or update the pull request for a plan. `hub` is asked where it is given; its token is not looked for then.
    Raises ProposalError."""
    if not plan.files:
        return Outcome("nothing")
    try:
        return _Proposal(root, plan, verified, wish, environment, say, hub).send()
    except (GitError, GitHubError) as error:
        raise ProposalError.of(error) from None


class _Proposal:
    def __init__(
        self,
        root: Path,
        plan: Plan,
        verified: Verified,
        wish: Wish,
        environment: Mapping[str, str],
        say: Callable[[str], None],
        hub: GitHub | None,
    ) -> None:
        self.plan = plan
        self.verified = verified
        self.wish = wish
        self.say = say
        self.notes: list[str] = []
        self.git = Git(root)
        self.head, self.base = self._checked_out()
        self.slug = _slug(self.git, wish)
        self.tip = ""
        token = hub.token if hub is not None else token_from(environment, self.slug)
        if not token:
            cloud = self.slug.host == "github.com"
            variables = "FHFIX_TOKEN or GH_TOKEN" if cloud else f"FHFIX_HOST to {self.slug.host} and FHFIX_TOKEN"
            raise ProposalError(
                f"there is no token for {self.slug.host}: set {variables} to one that may write contents, pull requests"
                " and workflows (classic: scopes `repo` and `workflow`)"
            )
        self.hub = hub or GitHub(self.slug.api, token, say=say)

    def send(self) -> Outcome:
        upstream = self._repository(self.slug)
        self.slug = _renamed(self.slug, upstream)
        self._check_scopes(upstream)
        home = self._home(upstream)
        earlier = self._pull_request(home)
        with self.git.workshop() as workshop:
            commits = commits_of(self.plan, single=self.wish.single_commit)
            pushed = self._push(workshop, commits, upstream, home)
        try:
            return self._open_or_update(home, earlier, pushed, len(commits))
        except GitHubError as error:
            pushed_already = f". The branch {self.wish.branch} is pushed; the next run goes on from there"
            raise ProposalError.of(error, pushed_already) from None

    # -- looking before doing -----------------------------------------------------------------------------------

    def _checked_out(self) -> tuple[str, str]:
        head = self.git.head()
        base = self.wish.base or self.git.branch()
        if not base:
            raise ProposalError("HEAD is detached: check out the branch to propose to, or name it with --base")
        if base == self.wish.branch:
            raise ProposalError(f"the pull request cannot go from {base} to itself: check out the branch to propose to")
        changed = self.git.uncommitted()
        if changed:
            shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
            raise ProposalError(f"there are changes that are not committed: {shown}; commit or stash them first")
        return head, base

    def _repository(self, slug: Slug) -> Hosted:
        answer = self.hub.maybe(f"/repos/{slug}")
        if answer is None:
            raise ProposalError(
                f"GitHub shows no repository {slug} to this token: does it exist, and may the token see it?"
            )
        found = Hosted.of(answer)
        if found.archived:
            raise ProposalError(f"{slug} is archived: nothing can be proposed there", "archived")
        return found

    def _check_scopes(self, upstream: Hosted) -> None:
        """Classic tokens say what they may do; for others a refused push says it."""
        scopes = self.hub.scopes
        if not scopes:
            return
        lacking = set()
        if "repo" not in scopes and (upstream.private or "public_repo" not in scopes):
            lacking.add("repo")
        if "workflow" not in scopes and any(path.startswith(".github/workflows/") for path in self.plan.files):
            lacking.add("workflow")
        if lacking:
            wanted = " and ".join(f"`{scope}`" for scope in sorted(lacking))
            raise ProposalError(
                f"the token lacks the scope {wanted}, without which GitHub refuses these changes; add it at"
                f" {self.slug.web}/settings/tokens"
            )

    def _home(self, upstream: Hosted) -> Hosted:
        """The repository that the branch is pushed to: this one, or a fork of it."""
        if upstream.may_push and not self.wish.fork:
            return upstream
        if not self.wish.fork:
            raise ProposalError(f"this token may not push to {self.slug}: ask for the right, or use --fork")
        fork = self.hub.request("POST", f"/repos/{self.slug}/forks", {"default_branch_only": True}, repeatable=True)
        slug = _renamed(self.slug, Hosted.of(fork))
        for attempt in range(ATTEMPTS + 1):  # GitHub makes a fork in its own time
            ready = self.hub.maybe(f"/repos/{slug}")
            if ready is not None:
                return Hosted.of(ready)
            self.hub.sleep(2.0**attempt)
        raise ProposalError(f"GitHub is still making the fork {slug}; run it again in a minute")

    def _pull_request(self, home: Hosted) -> Pull | None:
        """The open pull request of the branch, if there is one. One that was closed unmerged is not opened anew."""
        head = f"{home.owner}:{self.wish.branch}"
        found = self.hub.get(f"/repos/{self.slug}/pulls", head=head, state="all", sort="created", direction="desc")
        ours = [pull for pull in pulls_of(found) if pull.head == self.wish.branch]
        for pull in ours:
            if pull.is_open:
                if pull.base != self.base and not self.wish.follows_base:
                    raise ProposalError(
                        f"{pull.url} goes from {self.wish.branch} to {pull.base}, not to {self.base}:"
                        f" use --base {pull.base}, or another --branch"
                    )
                return Pull.of(self.hub.get(f"/repos/{self.slug}/pulls/{pull.number}"))
        if ours and not ours[0].merged and not self.wish.again:
            said = f"{ours[0].url} was closed without being merged; --again opens another one"
            raise ProposalError(said, "closed", ours[0].url)
        return None

    # -- the branch ---------------------------------------------------------------------------------------------

    def _push(self, workshop: Workshop, commits: Sequence[Commit], upstream: Hosted, home: Hosted) -> bool:
        """Bring the branch to where it belongs; whether that took a push."""
        branch = self.wish.branch
        source = self._remote(upstream)
        target = self._remote(home)
        tips = self.git.branches(source, self.base, branch)
        self._check_base(workshop, tips.get(self.base, ""))
        there = tips.get(branch, "") if target == source else self.git.branches(target, branch).get(branch, "")
        self.tip = tip = workshop.commit(self.head, commits)
        if there:
            if not workshop.knows(there):
                workshop.fetch(target, branch)
            self._leave_others_alone(workshop, there)
            if workshop.made_alike(there, tip, self.head):
                self.tip = there
                return False
            about = self.hub.maybe(f"/repos/{home.full_name}/branches/{quote(branch)}")
            if about is not None and is_protected(about):
                raise ProposalError(f"the branch {branch} is protected: use another --branch, or allow pushes to it")
        self.say(f"pushing {len(commits)} {'commit' if len(commits) == 1 else 'commits'} to {branch}")
        self.hub.audit(f"push {target.url} {branch} from {there or 'nothing'} to {tip}")
        try:
            workshop.push(target, tip, branch, expected=there)
        except GitError as error:
            self.hub.audit(f"push {target.url} {branch}: {error}")
            if self.git.branches(target, branch).get(branch) != tip:
                raise
            return False  # another run was faster, and pushed the same
        self.hub.audit(f"push {target.url} {branch}: done")
        return True

    def _leave_others_alone(self, workshop: Workshop, tip: str) -> None:
        """Raises where the branch holds work that is not ours. The history of a shallow clone ends too early to tell
        what belongs to the base; there GitHub is asked."""
        known = [self.head]
        while others := workshop.commits_of_others(tip, *known):
            newest = others[0][0]
            if newest in known or not workshop.shallow() or not self._on_base(newest):
                raise ProposalError(
                    f"somebody else has worked on {self.wish.branch}, and that is left alone:"
                    f" {'; '.join(shown for _, shown in others[:3])}."
                    " Merge or close that pull request, or use another --branch",
                    "others",
                )
            known.append(newest)

    def _on_base(self, commit: str) -> bool:
        found = self.hub.maybe(f"/repos/{self.slug}/compare/{quote(self.base)}...{commit}")
        return found is not None and comparison(found) in ("identical", "behind")

    def _check_base(self, workshop: Workshop, remote_tip: str) -> None:
        if not remote_tip:
            raise ProposalError(f"{self.slug} has no branch {self.base}: push it first, or name another with --base")
        if remote_tip == self.head:
            return
        ahead = workshop.knows(remote_tip) and workshop.is_ancestor(remote_tip, self.head)
        advice = "push your commits first" if ahead else "pull first"
        raise ProposalError(f"what is checked out is not {self.base} of {self.slug}: {advice}", passing=True)

    def _remote(self, about: Hosted) -> Remote:
        url = about.clone_url
        if not url.startswith(self.slug.web + "/"):
            raise ProposalError(f"GitHub names another host for git ({url}); the token is not sent there")
        return Remote(url, self.hub.token)

    # -- the pull request ---------------------------------------------------------------------------------------

    def _open_or_update(self, home: Hosted, earlier: Pull | None, pushed: bool, commits: int) -> Outcome:
        title = self.wish.title or title_of(self.plan)
        pull, created = earlier, False
        if pull is None:
            pull, created = self._create(home, title)
        changed = self._update(pull, title, created)
        changed |= self._label(pull)
        if created:
            action: Literal["created", "updated", "unchanged"] = "created"
        else:
            action = "updated" if pushed or changed else "unchanged"
        return Outcome(action, pull.url, commits, tuple(self.notes), pull.number, pull.node, self.tip)

    def _body(self, title: str, asked: Iterable[str]) -> str:
        verified = self.verified
        return body_of(self.plan, title, verified.criteria, verified.needed_before, verified.needed_after, asked)

    def _create(self, home: Hosted, title: str) -> tuple[Pull, bool]:
        """Ask for it, and where the answer is lost look whether it is there before asking again."""
        foreign = home.full_name.lower() != str(self.slug).lower()
        wanted = {
            "title": title,
            "head": (f"{home.owner}:" if foreign else "") + self.wish.branch,
            "base": self.base,
            "body": self._body(title, ()),
            "draft": self.wish.draft,
        }
        for attempt in range(ATTEMPTS):
            try:
                return Pull.of(self.hub.request("POST", f"/repos/{self.slug}/pulls", wanted)), True
            except GitHubError as error:
                there = error.status == 422 and "already exists" in str(error)
                if not error.uncertain and not there:
                    raise
                self.hub.sleep(2.0**attempt)
                found = self._pull_request(home)
                if found is not None:
                    return found, not there or attempt > 0
                last = error
        raise last

    def _update(self, pull: Pull, title: str, created: bool) -> bool:
        body = Body(pull.body)
        asked = body.asked | self._ask_reviewers(pull, body)
        wanted: dict[str, Any] = {}
        if not body.ours:
            self.notes.append("the text of the pull request is no longer ours, and was left alone")
        else:
            text = body.updated(self._body(title, asked))
            if text != body.text.replace("\r\n", "\n"):
                wanted["body"] = text
        named_by_us = body.ours and pull.title == body.title
        if pull.title != title and (named_by_us or self.wish.title):
            wanted["title"] = title
        if pull.base != self.base:
            wanted["base"] = self.base
        if wanted:
            self.hub.request("PATCH", f"/repos/{self.slug}/pulls/{pull.number}", wanted)
        return bool(wanted) and not created

    def _ask_reviewers(self, pull: Pull, body: Body) -> frozenset[str]:
        """Ask those who were not asked before: who has reviewed already is not bothered again."""
        wanted = [name.lstrip("@") for name in self.wish.reviewers if name.lstrip("@") not in body.asked]
        people = [name for name in wanted if "/" not in name]
        teams = [name.rpartition("/")[2] for name in wanted if "/" in name]
        if not wanted:
            return frozenset()
        try:
            self.hub.request(
                "POST",
                f"/repos/{self.slug}/pulls/{pull.number}/requested_reviewers",
                {"reviewers": people, "team_reviewers": teams},
                repeatable=True,
            )
        except GitHubError as error:
            if error.uncertain or error.status not in (403, 404, 422):
                raise
            self.notes.append(f"the reviewers were not asked: {error}")
            return frozenset()
        return frozenset(wanted)

    def _label(self, pull: Pull) -> bool:
        there = {label.lower() for label in pull.labels}
        lacking = [label for label in self.wish.labels if label.lower() not in there]
        if not lacking:
            return False
        try:
            self.hub.request(
                "POST", f"/repos/{self.slug}/issues/{pull.number}/labels", {"labels": lacking}, repeatable=True
            )
        except GitHubError as error:
            if error.uncertain or error.status not in (403, 404, 422):
                raise
            self.notes.append(f"the labels were not set: {error}")
            return False
        return True


def _slug(git: Git, wish: Wish) -> Slug:
    if "://" in wish.repository or "@" in wish.repository:
        return Slug.of(wish.repository)
    if wish.repository.count("/") == 1:
        try:
            web = Slug.of(git.address(wish.remote)).web
        except (GitError, GitHubError):
            web = "https://github.com"
        return Slug(web, *wish.repository.split("/"))
    if wish.repository:
        raise ProposalError(f"--repository {wish.repository}: must be OWNER/NAME or an address")
    return Slug.of(git.address(wish.remote))


def _renamed(slug: Slug, about: Hosted) -> Slug:
    """The repository by the name that GitHub has for it now."""
    owner, _, name = about.full_name.partition("/")
    return Slug(slug.web, owner, name)
