"""Who is told when a workflow fails: steps and jobs that send a message, and when they do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self

from fixer.github.expressions import expressions_below, expressions_in, reads, reads_below
from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import Workflows
from fixer.languages.yaml import Node
from fixer.records import entity

if TYPE_CHECKING:
    from fixer.repository import Repository

Means = Literal["slack", "discord", "issue", "other"]

_MEANS: Mapping[Means, re.Pattern[str]] = {
    "slack": re.compile(r"slack", re.IGNORECASE),
    "discord": re.compile(r"discord", re.IGNORECASE),
    "issue": re.compile(r"create-?(an-)?issue|failed-build-issue|issue-bot|issues\.create", re.IGNORECASE),
    "other": re.compile(
        r"telegram|teams|pagerduty|mattermost|opsgenie|send-?mail|mail-?send|action-send|sendgrid|zulip|rocket\.?chat|"
        r"google-?chat|notif|alert|lark|feishu|dingtalk|wechat|wecom|ntfy|pushover|matrix-(message|send)|twilio|webhook|"
        r"ms-?teams|status-?embed|honeybadger|rollbar|sentry",
        re.IGNORECASE,
    ),
}
# In the words of a command that sends something.
_ADDRESS = re.compile(
    r"hooks\.slack|slack\.com|discord(app)?\.com/api/webhooks|WEBHOOK|webhook|api\.telegram|pagerduty|opsgenie|"
    r"office\.com|chat\.googleapis|ntfy|mattermost|SLACK|DISCORD|TEAMS|TELEGRAM"
)
_SENDERS = frozenset(("curl", "wget", "http", "slack"))
_MAILERS = frozenset(("sendmail", "mail", "mailx", "mutt", "msmtp", "swaks"))
_MAKES_ISSUE = re.compile(r"/issues\b.*--data", re.DOTALL)
_HARMLESS_ACTIONS = ("actions/download-artifact", "actions/checkout")
_HARMLESS = frozenset((
    "echo", "printf", "cat", "date", "jq", "set", "export", "test", "[", "[[", "true", "exit", "read", "curl", "grep",
    "sed",
))  # fmt: skip
_AFTER_FAILURE = frozenset(("always", "failure", "cancelled"))
_ENDED = ("outcome", "conclusion")
_HOUSEKEEPING = re.compile(
    r"^actions/(stale|labeler|first-interaction)$|lock-threads|^github/codeql-action|^ossf/scorecard|renovate|stale|"
    r"release-drafter|all-contributors|dependabot|update-contributors|label",
    re.IGNORECASE,
)
"""What looks after issues, or has a page of its own for what it finds."""


@entity
class Telling:
    """A step that sends a message to somebody."""

    step: Step
    means: Means

    @property
    def job(self) -> Job | None:
        return self.step.job

    @property
    def secret(self) -> str:
        """The secret that holds the address which it sends to; empty where it reads none."""
        found = [read for read in reads_below(self.step.data) if read.context == "secrets" and len(read.keys) > 1]
        names = [read.name for read in found if not read.is_("secrets.github_token")]
        return next((name for name in names if re.search(r"HOOK|URL", name.upper())), "")

    @property
    def after_failure(self) -> bool:
        """Whether it also runs where something before it has failed."""
        return runs_after_failure(self.step.condition) or asks_a_step(self.step.condition)


@entity
class Tellers:
    """Every step of the repository's workflows that tells somebody, and every workflow that others listen to."""

    found: tuple[Telling, ...]
    calls: tuple[Job, ...]
    heard: frozenset[str]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        workflows = repository.fact(Workflows)
        if workflows is None:
            return None
        found: list[Telling] = []
        calls: list[Job] = []
        for workflow in workflows.documents:
            for job in workflow.jobs.values():
                found += [Telling(step, means) for step in job.steps if (means := _means(step)) is not None]
                if job.uses is not None and any(pattern.search(job.uses.value) for pattern in _MEANS.values()):
                    calls.append(job)
        heard = {name for other in workflows.documents if _tells(other, found, calls) for name in _listens_to(other)}
        return cls(tuple(found), tuple(calls), frozenset(heard))

    @cached_property
    def channel(self) -> tuple[Means, str]:
        """The way in which the workflows tell somebody already: Slack's or Discord's secret; else an issue."""
        for telling in self.found:
            if telling.means in ("slack", "discord") and telling.secret:
                return telling.means, telling.secret
        return "issue", ""

    def of(self, workflow: Workflow) -> tuple[Telling, ...]:
        return tuple(each for each in self.found if each.step.workflow is workflow)

    def is_told_of(self, workflow: Workflow) -> bool:
        """Whether anybody is told when a job of this workflow fails, rightly or not."""
        if workflow.name in self.heard:
            return True
        if any(job.workflow is workflow and runs_after_failure(job.condition) for job in self.calls):
            return True
        return any(each.after_failure or _judges(each.job) for each in self.of(workflow))


def runs_after_failure(condition: str) -> bool:
    """Whether a condition lets something run although what it waits for has failed."""
    functions = {name for expression in expressions_in(condition, whole=True) for name in expression.functions}
    return bool(functions & _AFTER_FAILURE)


def asks_a_step(condition: str) -> bool:
    """Whether something runs where a step failed that the job goes on after: `steps.check.outcome == 'failure'`."""
    asked = (read for read in reads(condition, whole=True) if read.context == "steps")
    return ("failure" in condition or "!=" in condition) and any(read.keys[-1].text in _ENDED for read in asked)


def reads_own_status(step: Step) -> bool:
    """Whether a step says how the job that it is in goes."""
    return any(read.is_("job.status") for _, expression in expressions_below(step.data) for read in expression.reads)


def only_tells(job: Job, tellers: Tellers) -> bool:
    """Whether a job does no work but to tell somebody."""
    own = [each.step for each in tellers.found if each.job is job]
    return bool(own) and all(step in own or _is_harmless(step) for step in job.steps)


def is_housekeeping(workflow: Workflow) -> bool:
    """Whether all that a workflow does is to look after issues, or what has a page of its own."""
    jobs = workflow.jobs.values()
    return all(any(_HOUSEKEEPING.search(step.action) for step in job.steps if step.action) for job in jobs)


def _is_harmless(step: Step) -> bool:
    if step.uses is not None:
        return step.action in _HARMLESS_ACTIONS
    script = step.script
    return script is not None and all(command.name in _HARMLESS for command in script.commands)


def _judges(job: Job | None) -> bool:
    """Whether a job runs by what became of those that it waits for."""
    if job is None or not job.needs:
        return False
    return runs_after_failure(job.condition) or any(
        read.context == "needs" for read in reads(job.condition, whole=True)
    )


def _means(step: Step) -> Means | None:
    if step.uses is not None:
        if step.action == "actions/github-script":
            return "issue" if _MEANS["issue"].search(str(step.data.get("with", ""))) else None
        return next((means for means, pattern in _MEANS.items() if pattern.search(step.action)), None)
    script = step.script
    for command in script.commands if script is not None else ():
        words = [word.text for word in command.argv]
        if command.name in _MAILERS or words[1:3] == ["sns", "publish"]:
            return "other"
        if words[:3] in (["gh", "issue", "create"], ["gh", "issue", "comment"]):
            return "issue"
        if command.name in _SENDERS and (means := _sent(command.source + " ".join(step.env.values()))) is not None:
            return means
    if script is not None and _MAKES_ISSUE.search(script.code):
        return "issue"
    return None


def _sent(text: str) -> Means | None:
    """By what something goes to an address; None for an address that is nobody's."""
    if not _ADDRESS.search(text):
        return None
    return next((means for means in ("slack", "discord") if _MEANS[means].search(text)), "other")


def _tells(workflow: Workflow, found: list[Telling], calls: list[Job]) -> bool:
    return any(each.step.workflow is workflow for each in found) or any(job.workflow is workflow for job in calls)


def _listens_to(workflow: Workflow) -> Iterator[str]:
    event = workflow.root.mapping("on").get("workflow_run")
    names = event.data.get("workflows") if event is not None and isinstance(event.data, dict) else None
    yield from (str(name) for name in (names if isinstance(names, list) else [names]) if name)


def refused_status(step: Step) -> Node | None:
    """The status that 8398a7/action-slack does not take, so that the step fails instead of telling; None for others.

    https://github.com/8398a7/action-slack/blob/v3/src/client.ts
    """
    given = step.with_.get("status") if step.action == "8398a7/action-slack" and step.with_ is not None else None
    if given is None or not given.is_scalar or expressions_in(given.value):
        return None
    return None if given.value.strip().lower() in ("success", "failure", "cancelled", "custom") else given
