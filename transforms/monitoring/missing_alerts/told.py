"""Workflows that fail unseen, and jobs that tell the wrong thing."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from fixer.deploy.deployments import Deployments
from fixer.github.expressions import expressions_below, expressions_in, is_whole, part_of_expression
from fixer.github.workflow import Job, Workflow
from fixer.github.workflows import Workflows
from fixer.languages.shell import in_quotes
from fixer.languages.tables import mapping, sequence
from fixer.languages.yaml import Flow, Node
from fixer.model import Blocked, Finding, Fix, Level, Parts, Span, Tier, joined, listed
from fixer.monitoring.telling import Tellers, Telling, is_housekeeping, only_tells, reads_own_status, runs_after_failure
from fixer.scripts import Inside, ScriptText, script

JOB = "notify"
VARIABLE = "RESULT"
RESULT = (
    "${{ contains(needs.*.result, 'failure') && 'failure'"
    " || contains(needs.*.result, 'cancelled') && 'cancelled' || 'success' }}"
)
FAILED = "contains(needs.*.result, 'failure')"
CANCELLED = "contains(needs.*.result, 'cancelled')"
_MINUTES = 5
_STATES = frozenset(("always", "failure", "cancelled", "success"))


def wrongly_told(workflows: Workflows, tellers: Tellers) -> Iterator[Finding]:
    """Jobs that wait for others and say how they themselves go, or that never run where the others fail."""
    for workflow in workflows.documents:
        for job in workflow.jobs.values():
            if not job.needs or not only_tells(job, tellers):
                continue
            telling = [each for each in tellers.of(workflow) if each.job is job]
            wrong = [each for each in telling if reads_own_status(each.step)]
            if wrong:
                yield _own_status(job, wrong)
            elif not runs_after_failure(job.condition) and all(each.step.condition == "failure()" for each in telling):
                yield _never(job, telling)


def _own_status(job: Job, wrong: list[Telling]) -> Finding:
    workflow = job.workflow
    message = f"job {job.id} tells its own status, which is success whatever became of the jobs that it waits for"
    name = VARIABLE if VARIABLE not in job.env else "RESULT_OF_JOBS"
    parts = [_renamed(workflow, each.step.node, name) for each in wrong]
    effects = [f"jobs.{job.id}: says what became of {listed(job.needs)}"]
    if not runs_after_failure(job.condition):
        parts.append(_condition(job, f"always() && ({job.condition})" if job.condition else "always()"))
        effects.append(f"jobs.{job.id}: also runs where {_any_of(job.needs)} has failed")
    env = job.node.get("env")
    parts.append(
        workflow.add_key(job.node, "env", {name: RESULT}, before="steps")
        if env is None
        else workflow.add_key(env, name, RESULT)
    )
    cure = Fix.of(f"let {job.id} tell what became of the run", *parts, tier=Tier.REVIEW, effects=effects)
    return Finding(workflow.path, wrong[0].step.span, message, cure, Level.WARNING)


def _renamed(workflow: Workflow, node: Node, name: str) -> Parts:
    """Every read of `job.status` in a step becomes one of a variable of the job."""
    parts: list[Parts] = []
    addresses = dict.fromkeys(at for at, _ in expressions_below(node.data, node.at))
    for at in addresses:
        scalar = workflow.node(at)
        if scalar is None or not scalar.is_scalar:
            return Blocked(f"{workflow.path}: an expression in a key cannot be changed", "change it by hand")
        found = [
            (read.start, read.end, part_of_expression(f"env.{name}"))
            for place, expression in expressions_below(scalar.value, at)
            if place == at
            for read in expression.reads
            if read.is_("job.status")
        ]
        if found and is_whole(at):
            return Blocked(f"{workflow.path}: a condition asks for the status of its own job", "ask for needs instead")
        if found:
            parts.append(workflow.splice_scalar(scalar, found))
    return joined(parts)


def _condition(job: Job, text: str) -> Parts:
    given = job.node.get("if")
    if given is not None:
        return job.workflow.set_scalar(given, text)
    return job.workflow.add_key(job.node, "if", text, after="needs")


def _any_of(jobs: Sequence[str]) -> str:
    return f"one of {listed(jobs)}" if len(jobs) > 1 else f"job {jobs[0]}"


def _never(job: Job, telling: list[Telling]) -> Finding:
    message = f"job {job.id} is skipped where the jobs that it waits for fail, so nobody is told"
    workflow = job.workflow
    parts = [_condition(job, f"failure() && ({job.condition})" if job.condition else "failure()")]
    parts += [workflow.delete(each.step.node, "if") for each in telling]
    effects = (f"jobs.{job.id}: runs where {_any_of(job.needs)} has failed",)
    cure = Fix.of(f"let {job.id} run after a failure", *parts, tier=Tier.REVIEW, effects=effects)
    return Finding(workflow.path, telling[0].step.span, message, cure, Level.WARNING)


# -- nobody is told -----------------------------------------------------------------------------------------------


def untold(workflows: Workflows, tellers: Tellers, deployments: Deployments | None) -> Iterator[Finding]:
    """Workflows that run by a clock or that deploy, and of whose failure nobody is told."""
    names = Counter(map(_name, workflows.documents))
    for workflow in workflows.documents:
        why, place = _matters(workflow, deployments)
        if why and not tellers.is_told_of(workflow):
            jobs = deployments.of(workflow) if deployments is not None else ()
            cure = _told(workflow, tellers, [each.job for each in jobs], is_shared=names[_name(workflow)] > 1)
            yield Finding(workflow.path, place, f"{why}, and nobody is told when it fails", cure)


def _matters(workflow: Workflow, deployments: Deployments | None) -> tuple[str, Span]:
    """Why nobody may see that it fails, and where that stands; empty for what its author sees, or others report."""
    if set(workflow.triggers) <= {"workflow_call", "workflow_dispatch", "pull_request", "pull_request_target"}:
        return "", Span(0, 0)
    deploying = deployments.of(workflow) if deployments is not None else ()
    if deploying:
        return f"job {deploying[0].id} deploys", deploying[0].deployments[0].span
    if "schedule" in workflow.triggers and not is_housekeeping(workflow):
        event = workflow.root.mapping("on").get("schedule")
        return "it runs by a clock", event.span if event is not None else Span(0, 0)
    return "", Span(0, 0)


def _told(workflow: Workflow, tellers: Tellers, deploying: Sequence[Job], *, is_shared: bool) -> Fix | Blocked:
    """`is_shared`: another workflow has its name, and two of one name would write into one issue."""
    means, secret = tellers.channel
    named, file = in_quotes(secret), in_quotes(posixpath.basename(workflow.path))
    if isinstance(named, Blocked):
        return named
    if isinstance(file, Blocked):
        return file
    only = _only_where_it_deploys(workflow, deploying)
    if isinstance(only, Blocked):
        return only
    name = workflow.job_id(JOB if JOB not in workflow.jobs else "notify-of-failure")
    often = _runs_often(workflow)
    rights = {"issues": "write"} if means == "issue" else {}
    if often:
        rights["actions"] = "read"
    job: dict[str, Any] = {
        **workflow.job_name("Notify"),
        "needs": Flow(tuple(workflow.jobs)),
        "if": _when(workflow, only),
        "runs-on": "ubuntu-latest",
        "timeout-minutes": _MINUTES,
        "permissions": rights or Flow({}),
        "steps": [
            _by_issue(workflow, file if is_shared else None, often=often)
            if means == "issue"
            else _by_message(means, secret, named, workflow, often=often)
        ],
    }
    whom = "opens an issue, or comments on the one that is open" if means == "issue" else f"tells {means.capitalize()}"
    whom += ", at the first of several failures in a row" if often else ""
    todo = [f"The secret {secret} must hold the address: the job is red while it is empty."] if secret else []
    return Fix.of(
        f"add job {name}, which {whom}",
        workflow.add_job(name, job, gates=False),
        tier=Tier.REVIEW,
        effects=(f"jobs.{name}: when a job fails{'' if _cancels(workflow) else ' or is cancelled'}, {whom}",),
        todo=todo,
    )


def _only_where_it_deploys(workflow: Workflow, deploying: Sequence[Job]) -> str | Blocked:
    """What must hold for a push that deploys, where one to any branch starts the workflow; else empty.

    Who pushes to a branch of their own sees that its tests fail.
    """
    event = workflow.root.mapping("on").get("push")
    filters = mapping(event.data) if event is not None else {}
    if "push" not in workflow.triggers or {"branches-ignore", "tags", "tags-ignore"} & set(filters):
        return ""
    if "branches" in filters and not any("*" in str(each) for each in sequence(filters["branches"])):
        return ""
    conditions = list(dict.fromkeys(" ".join(job.condition.split()) for job in deploying))
    if not all(conditions):
        return ""
    for each in conditions:
        found = [*expressions_in(each, whole=True)]
        if any(read.context != "github" for one in found for read in one.reads) or any(
            one.functions & _STATES for one in found
        ):
            return Blocked(
                f"a push to any branch starts it, and which of them deploy depends on more than the push: `if: {each}`",
                "add the job by hand, with a condition that holds where it deploys",
            )
    if {*workflow.triggers} - {"push", "pull_request", "pull_request_target"}:
        conditions.insert(0, "github.event_name != 'push'")
    if len(conditions) == 1:
        return conditions[0] if "||" not in conditions[0] else f"({conditions[0]})"
    return f"({' || '.join(f'({each})' if '&&' in each else each for each in conditions)})" if conditions else ""


def _when(workflow: Workflow, only: str) -> str:
    """After a failure; not for pull requests, whose authors see it, nor where a newer run cancels an older one."""
    clauses = ["always()"]
    if {"pull_request", "pull_request_target"} & set(workflow.triggers):
        clauses.append("github.event_name != 'pull_request'")
    if only:
        clauses.append(only)
    clauses.append(FAILED if _cancels(workflow) else f"({FAILED} || {CANCELLED})")
    return " && ".join(clauses)


def _cancels(workflow: Workflow) -> bool:
    """Whether a newer run cancels an older one, or the job of one that waits.

    https://docs.github.com/en/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency
    """
    concurrency = workflow.root.get("concurrency")
    said = mapping(concurrency.data).get("cancel-in-progress") if concurrency is not None else None
    return said not in (None, False, "false") or any(job.node.get("concurrency") for job in workflow.jobs.values())


def _runs_often(workflow: Workflow) -> bool:
    """Whether the clock starts it several times a day, so that a failure that lasts would be told of each time."""
    event = workflow.root.mapping("on").get("schedule")
    crons = [str(mapping(each).get("cron", "")) for each in sequence(event.data)] if event is not None else []
    return any(not field.isdigit() for cron in crons for field in cron.split()[:2])


def _first_in_a_row(workflow: Workflow) -> ScriptText:
    """Ends a step that tells where the run before has failed, too."""
    text = script(__package__, "first-in-a-row.sh")
    # A run that a newer one cancels is not told of.
    return text.replaced(" | cancelled", ScriptText.of("")) if _cancels(workflow) else text


def _undone(workflow: Workflow) -> dict[str, str]:
    """Where a script of ours runs, whatever the workflow says of its own: in bash, and nothing is checked out."""
    defaults = workflow.root.get("defaults")
    given = defaults.texts("run") if defaults is not None else {}
    shell = {} if given.get("shell", "bash").startswith("bash") else {"shell": "bash"}
    return shell | ({"working-directory": "."} if "working-directory" in given else {})


def _name(workflow: Workflow) -> str:
    """What GitHub calls it."""
    node = workflow.root.get("name")
    return str((node.data if node is not None else "") or workflow.path)


_TOKEN = "${{ github.token }}"


def _by_issue(workflow: Workflow, file: Inside | None, *, often: bool) -> dict[str, Any]:
    source = script(__package__, "tell-issue.sh")
    if file is not None:
        named = ScriptText.of('title="$GITHUB_WORKFLOW (@file@) fails"', file=file)
        source = source.replaced('title="$GITHUB_WORKFLOW fails"', named)
    if often:
        source = _first_in_a_row(workflow) + source
    return {
        "name": "Tell by an issue",
        **_undone(workflow),
        "env": {"GH_TOKEN": _TOKEN},
        "run": source,
    }


def _by_message(means: str, secret: str, named: Inside, workflow: Workflow, *, often: bool) -> dict[str, Any]:
    source = script(__package__, "tell-slack.sh").filled(secret=named)
    if means == "discord":
        source = source.replaced("{text: $text}", ScriptText.of("{content: $text}"))
    env = {"WEBHOOK": f"${{{{ secrets.{secret} }}}}"}
    if often:
        source, env = _first_in_a_row(workflow) + source, {"GH_TOKEN": _TOKEN, **env}
    return {
        "name": f"Tell {means.capitalize()}",
        **_undone(workflow),
        "env": env,
        "run": source,
    }
