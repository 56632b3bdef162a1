"""A scan where none is: in which workflow, and as which job."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fixer.github.catalog.actions import Catalog
from fixer.github.catalog.references import reference
from fixer.github.expressions import conditions
from fixer.github.origin import DefaultBranch
from fixer.github.workflow import Workflow, new_workflow
from fixer.github.workflows import Workflows
from fixer.languages.tables import mapping
from fixer.languages.yaml import Flow
from fixer.model import Blocked, Finding, Fix, NewFile, Parts, RuleOptions, Tier, option

JOB = "trivy-scan"
SCAN = "aquasecurity/trivy-action"
UPLOAD = "github/codeql-action/upload-sarif"
SCOPES = {"contents": "read", "actions": "read", "security-events": "write"}
_DEFAULT_BRANCHES = ("main", "master", "trunk", "develop")
_ABOUT_ALL = re.compile(
    r"/(?:ci|ci[-_]?cd|main|build|checks?|quality|tests?|verify|pipeline|continuous-integration)\.ya?ml$", re.IGNORECASE
)
_MINUTES = 15


class Options(RuleOptions):
    severity: Sequence[str] = option(("CRITICAL", "HIGH"), "What a scan that fhfix adds reports.")


def added(workflows: Workflows, catalog: Catalog, branch: DefaultBranch | None, options: Options) -> Finding:
    names = (branch.name,) if branch is not None else _DEFAULT_BRANCHES
    place = next((each for each in _candidates(workflows) if _sees_everything(each, workflows, names)), None)
    shown = place or workflows.integration or workflows.documents[0]
    return Finding(
        shown.path,
        next(iter(shown.jobs.values())).node.span,
        "no workflow scans the repository for known holes",
        _fix(place, shown, workflows, catalog, names, options),
    )


def _fix(
    place: Workflow | None,
    shown: Workflow,
    workflows: Workflows,
    catalog: Catalog,
    names: Sequence[str],
    options: Options,
) -> Fix | Blocked:
    model = _model(shown, workflows)
    job = _job(shown, model, catalog, options)
    title, name = f"add job {JOB}", JOB
    part: Parts | NewFile
    if place is None:
        path = workflows.free_path("trivy", "trivy-scan")
        if isinstance(path, Blocked):
            return path
        title, name = f"add the workflow {path}", JOB
        part = NewFile(path, _workflow(job | {"timeout-minutes": _MINUTES}, shown, names))
    else:
        # What it finds is advice, and where a plan has no code scanning the upload fails: nothing waits for it.
        name = place.job_id(JOB)
        title = f"add job {name}"
        part = place.add_job(JOB, _guarded(job, place), gates=False)
    return Fix.of(
        title,
        part,
        tier=Tier.REVIEW,
        effects=(f"jobs.{name}: known holes of the dependencies, and secrets in files, appear in the Security tab",),
        todo=("Private repositories need GitHub Advanced Security for the upload to be accepted.",),
    )


# -- where ----------------------------------------------------------------------------------------------------------


def _candidates(workflows: Workflows) -> list[Workflow]:
    """The workflow that tests, and those whose results are in the Security tab already.

    Of several that test, most are about one part of the repository, and a scan of all of it is out of place there.
    """
    tests = workflows.integrations
    if len(tests) > 1:
        tests = tuple(each for each in tests if _ABOUT_ALL.search(each.path))
    secure = [each for each in workflows.documents if any("codeql-action" in step.action for step in each.steps)]
    return [*tests, *(each for each in secure if each not in tests)]


def _sees_everything(workflow: Workflow, workflows: Workflows, default: Sequence[str]) -> bool:
    """Whether it runs for every push to the default branch, and nothing else depends on how it ends."""
    if "workflow_call" in workflow.triggers or _waited_for(workflow, workflows):
        return False
    events = workflow.root.data["on"]
    if not isinstance(events, dict):
        return "push" in workflow.triggers
    if any("paths" in given or "paths-ignore" in given for given in events.values() if isinstance(given, dict)):
        return False
    return "push" in events and _is_of_default_branch(mapping(events["push"]), default)


def _is_of_default_branch(push: dict[str, Any], default: Sequence[str]) -> bool:
    """The default branch is not in the files: one of these names, or whatever is not left out."""
    branches = push.get("branches")
    if branches is None:
        return "tags" not in push and "tags-ignore" not in push
    names = branches if isinstance(branches, list) else [branches]
    return any(name in ("*", "**", *default) for name in names)


def _waited_for(workflow: Workflow, workflows: Workflows) -> bool:
    """Whether another workflow starts when this one has ended well, which a scan must not decide."""
    for other in workflows.documents:
        events = other.root.data.get("on")
        run = events.get("workflow_run") if isinstance(events, dict) else None
        names = run.get("workflows") if isinstance(run, dict) else None
        if workflow.name in (names if isinstance(names, list) else [names]):
            return True
    return False


def _guarded(job: dict[str, Any], place: Workflow) -> dict[str, Any]:
    """The job with the condition that every other job there has."""
    given = [other.node.get("if") for other in place.jobs.values()]
    wanted = {conditions(node.value) if node is not None and node.is_scalar else frozenset() for node in given}
    if len(wanted) != 1 or given[0] is None or not all(other.needs == [] for other in place.jobs.values()):
        return job
    head = {"name": job["name"]} if "name" in job else {}
    return {**head, "if": given[0].value, **job}


# -- what -----------------------------------------------------------------------------------------------------------


def _model(workflow: Workflow, workflows: Workflows) -> Workflow:
    """The workflow whose way of naming actions the job follows: its own, else the one that names most."""

    def remote(each: Workflow) -> int:
        return sum("@" in step.uses.value for step in each.steps if step.uses is not None)

    return workflow if remote(workflow) else max(workflows.documents, key=remote)


def _job(workflow: Workflow, model: Workflow, catalog: Catalog, options: Options) -> dict[str, Any]:
    jobs = workflow.jobs.values()
    limited = sum(job.node.get("timeout-minutes") is not None for job in jobs) * 2 >= len(jobs)
    return {
        **workflow.job_name("Trivy Scan"),
        "runs-on": "ubuntu-latest",
        **({"timeout-minutes": _MINUTES} if limited else {}),
        "permissions": SCOPES,
        "steps": [
            {"uses": reference(catalog, "actions/checkout", model), "with": {"persist-credentials": False}},
            {
                **workflow.step_name("Scan dependencies and secrets"),
                "uses": reference(catalog, SCAN, model),
                "with": {
                    "scan-type": "fs",
                    "scan-ref": ".",
                    "format": "sarif",
                    "output": "trivy-results.sarif",
                    "severity": ",".join(options.severity),
                    "ignore-unfixed": True,
                },
            },
            {
                **workflow.step_name("Upload the results to the Security tab"),
                "if": "always()",
                "uses": reference(catalog, UPLOAD, model),
                "with": {"sarif_file": "trivy-results.sarif", "category": "trivy"},
            },
        ],
    }


def _workflow(job: dict[str, Any], like: Workflow, default: Sequence[str]) -> str:
    """A workflow of its own, for pull requests, every push to the default branch, and once a week."""
    branches = tuple(default) if len(default) == 1 else _branches(like)
    push = {"branches": Flow(branches)} if branches else None
    order = ("name", "runs-on", "timeout-minutes", "permissions", "steps")
    events = {"pull_request": None, "push": push, "schedule": [{"cron": "17 4 * * 1"}]}
    jobs = {JOB: {key: job[key] for key in order if key in job}}
    return new_workflow("Trivy", events, jobs, like.style)


def _branches(like: Workflow) -> tuple[str, ...]:
    """The branches that the repository's own workflow runs for and that may be the default branch."""
    for event in ("push", "pull_request"):
        found = tuple(name for name in like.branches(event) if name in _DEFAULT_BRANCHES)
        if found:
            return found
    return ()
