"""What names say: of the environment, of what is deployed, and of jobs that are no deployment of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fixer.github.expressions import only_after_failure
from fixer.github.workflow import Job, Workflow

STATIC = re.compile(r"\bdocs?\b|[_-]docs?\b|documentation|storybook|playground|github.pages|gh-pages", re.IGNORECASE)
PREVIEW = re.compile(r"preview|review[\s_-]?app", re.IGNORECASE)
ASIDE_OF_PRODUCTION = re.compile(
    r"\b(?:pr|pull[\s_-]?request)[\s_-]env|\bdestroy|tear[\s_-]?down|undeploy", re.IGNORECASE
)
"""What is made for one change, or taken away, has nothing to go back to."""
ROLLBACK = re.compile(r"roll[\s_-]?back|revert|undo", re.IGNORECASE)
PRODUCTION = re.compile(r"(?<![a-z])(?<!non[-_ ])(?<!pre[-_ ])(?:prod|production|live)(?![a-z])", re.IGNORECASE)
STAGING = re.compile(
    r"(?<![a-z])(?:stage|staging|stg|dev|develop|development|test|testing|qa|uat|preview|sandbox|demo|"
    r"(?:non|pre)[-_ ]?prod(?:uction)?)(?![a-z])",
    re.IGNORECASE,
)
FRONT_END = re.compile(r"front-?end|\bui\b|\bdocs\b|storybook", re.IGNORECASE)

_NOT_DJANGO = frozenset(("fastapi", "flask", "streamlit"))


def names_another_framework(texts: Iterable[str]) -> bool:
    """Whether a name says that an application in Python is made with something else than Django: `shop-flask`."""
    words = {word for text in texts for word in re.findall(r"[a-z]+", text.lower())}
    return not words.isdisjoint(_NOT_DJANGO) and "django" not in words


def is_preview(workflow: Workflow) -> bool:
    """Whether it runs for pull requests that are not merged yet: what it deploys has nothing to go back to."""
    requested = {"pull_request", "pull_request_target"} & set(workflow.triggers)
    others = set(workflow.triggers) - requested - {"schedule"}
    return bool(requested) and not others and "pull_request.merged" not in workflow.source.text


def is_rollback(job: Job) -> bool:
    """Whether a job exists to undo a deployment: by its name, or since it runs after a failure only."""
    if ROLLBACK.search(job.id) or ROLLBACK.search(job.name):
        return True
    condition = str(job.data.get("if", ""))
    names_a_failure = re.search(r"\b(?:failure|cancelled)\s*\(", condition) is not None
    return (names_a_failure and "!" not in condition) or only_after_failure(condition)


def named_deployment(job: Job, *, or_release: bool = True) -> bool:
    """Whether a name says so. What runs on a server in production may as well be maintenance."""
    texts = (job.id, job.name, job.workflow.name, job.workflow.path.rpartition("/")[2])
    words = r"deploy|ship|rollout|hotfix|(?:^|[^a-z])cd(?:[^a-z]|$)" + ("|release" if or_release else "")
    return any(re.search(words, text, re.IGNORECASE) for text in texts)
