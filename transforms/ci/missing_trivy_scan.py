"""No workflow scans the repository with Trivy, or one does whose results never arrive.

## Why
Trivy finds known holes in dependencies and images. Its results reach the Security tab only as SARIF, by a job that may
write there (`security-events: write`), and only if the upload also runs when the scan has failed the job.

## What is repaired
A scan that is uploaded but written in another format than SARIF, which GitHub rejects; a job without the permission;
an upload that is skipped when the scan fails, as it does where it has an `exit-code`. A mutable reference such as
`@master` is a finding of outdated-action.

## When it is left alone
Where any workflow scans already, with Trivy or with Grype or Snyk; repositories without a Django project or a
Dockerfile, those for development and tests aside; those without a workflow for pull requests. A second scan is never
added. A workflow that others call gets no job where one of the callers has not the permissions for it: GitHub would
start neither of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from fixer.django.project import DjangoProject
from fixer.github.action_ref import ActionRef
from fixer.github.catalog.actions import Catalog
from fixer.github.catalog.references import reference
from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import Workflows, commands_of
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, Tier, joined, option
from fixer.project.task_runners import TaskRunners

JOB = "trivy-scan"
SCAN = "aquasecurity/trivy-action"
UPLOAD = "github/codeql-action/upload-sarif"
# Actions and reusable workflows that scan, programs that do, and their images.
SCANS = re.compile(r"trivy|grype|anchore/scan-action|snyk|docker[/ ]scout|osv-scanner", re.IGNORECASE)
PROGRAMS = ("trivy", "grype", "snyk", "osv-scanner", "docker", "podman")
SCOPES = {"contents": "read", "actions": "read", "security-events": "write"}
# What these do needs no scope of the token beyond those that an upload of SARIF needs.
MODEST = frozenset(
    {
        "actions/checkout",
        "actions/setup-python",
        "actions/setup-node",
        "actions/setup-java",
        "actions/setup-go",
        "actions/cache",
        "actions/upload-artifact",
        "actions/download-artifact",
        "docker/setup-buildx-action",
        "docker/setup-qemu-action",
        "docker/build-push-action",
        SCAN,
        UPLOAD,
    }
)


class Options(RuleOptions):
    severity: Sequence[str] = option(("CRITICAL", "HIGH"), "What a scan that fhfix adds reports.")


def check(
    workflows: Workflows, runners: TaskRunners, catalog: Catalog, django: DjangoProject | None, options: Options
) -> Iterator[Finding]:
    scanned = runners.run("trivy")
    for workflow in workflows.documents:
        for job in workflow.jobs.values():
            scanned = scanned or _scans(job)
            scans = [step for step in job.steps if _name(step) == SCAN]
            if scans:
                yield from _repaired(workflows, workflow, job, scans)
    if not scanned and workflows.integrations and (django is not None or workflows.has_dockerfile):
        free = [each for each in workflows.integrations if _called_with(workflows, each) is None]
        integration = (free or workflows.integrations)[0]
        yield Finding(
            integration.path,
            next(iter(integration.jobs.values())).node.span,
            "no workflow scans the repository for known holes",
            _called_with(workflows, integration) or _added(workflows, integration, catalog, options),
        )


def _added(workflows: Workflows, integration: Workflow, catalog: Catalog, options: Options) -> Fix | Blocked:
    return Fix.of(
        f"add job {JOB}",
        # What it finds is advice, and where a plan has no code scanning the upload fails: nothing waits for it.
        integration.add_job(JOB, _job(integration, _model(integration, workflows), catalog, options), gates=False),
        tier=Tier.REVIEW,
        effects=(f"jobs.{JOB}: known holes of the dependencies appear in the Security tab",),
        todo=("Private repositories need GitHub Advanced Security for the upload to be accepted.",),
    )


def _called_with(workflows: Workflows, workflow: Workflow) -> Blocked | None:
    """Why the permissions must come from elsewhere, for a workflow that others call without them.

    GitHub starts no workflow that calls another one which asks for more than the calling job has.
    """
    callers = [*workflows.callers(workflow)]
    if "workflow_call" not in workflow.triggers or (callers and all(map(_may_pass_on, callers))):
        return None
    poor = [f"job {caller.id} of {caller.workflow.path}" for caller in callers if not _may_pass_on(caller)]
    return Blocked(
        f"it is called by {' and '.join(poor) or 'others'}, and cannot have more permissions than the caller",
        f"give the calling job the permissions {', '.join(f'{name}: {level}' for name, level in SCOPES.items())}",
    )


def _scans(job: Job) -> bool:
    used = [node.value for node in (job.uses, *(step.uses for step in job.steps)) if node is not None]
    run = (command for step in job.steps for command in commands_of(step) if command.name in PROGRAMS)
    return any(map(SCANS.search, used)) or any(SCANS.search(command.source) for command in run)


def _model(workflow: Workflow, workflows: Workflows) -> Workflow:
    """The workflow whose way of naming actions the job follows: its own, else the one that names most."""

    def remote(each: Workflow) -> int:
        return sum("@" in step.uses.value for step in each.steps if step.uses is not None)

    return workflow if remote(workflow) else max(workflows.documents, key=remote)


def _job(workflow: Workflow, model: Workflow, catalog: Catalog, options: Options) -> dict[str, Any]:
    return {
        **workflow.job_name("Trivy Scan"),
        "runs-on": "ubuntu-latest",
        "timeout-minutes": 15,
        "permissions": SCOPES,
        "steps": [
            {"uses": reference(catalog, "actions/checkout", model), **_credentials(workflow)},
            {
                **workflow.step_name("Scan dependencies and configuration"),
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


def _credentials(workflow: Workflow) -> dict[str, Any]:
    """The scan needs no credentials in its clone; said where the workflow's other checkouts say so."""
    checkouts = [step for step in workflow.steps if _name(step) == "actions/checkout"]
    kept = any(_input(step, "persist-credentials") != "false" for step in checkouts)
    return {} if kept else {"with": {"persist-credentials": False}}


# -- repairing a scan that is there -------------------------------------------------------------------------------


def _repaired(workflows: Workflows, workflow: Workflow, job: Job, scans: list[Step]) -> Iterator[Finding]:
    uploads = [step for step in job.steps if _name(step) == UPLOAD]
    seen: list[Step] = []  # several scans may write to one file, and a job has one set of permissions
    for scan in scans:
        output = _input(scan, "output")
        upload = next((step for step in uploads if output and _input(step, "sarif_file") == output), None)
        form = _input(scan, "format") or "table"
        if upload is None or scan.node.target is not None:
            continue
        if form != "sarif" and "${{" not in form:
            yield Finding(
                workflow.path,
                scan.node.span,
                f"Trivy writes {form} to {output}, and the upload accepts only SARIF",
                _sarif(workflow, job, scan, output),
            )
        if upload in seen:
            continue
        seen.append(upload)
        fails = any(_input(each, "exit-code") not in ("", "0") for each in scans)
        if fails and upload.node.get("if") is None and not upload.node.target:
            yield Finding(
                workflow.path,
                upload.node.span,
                "the results are not uploaded when the scan fails the job",
                Fix.of("upload the results in any case", workflow.add_key(upload.node, "if", "always()", after="uses")),
            )
    if seen and not _may_write(workflows, workflow, job):
        yield Finding(
            workflow.path,
            seen[0].node.span,
            f"job {job.id} uploads SARIF without the permission security-events: write",
            _permission(workflows, workflow, job),
        )


def _sarif(workflow: Workflow, job: Job, scan: Step, output: str) -> Fix | Blocked:
    for step in job.steps:
        if step.run is not None and output in step.run.value:
            return Blocked(
                f"step {step.name or 'with a script'!r} reads {output}, which would change its format",
                "write a second report for it, then run fhfix again",
            )
    with_ = scan.with_
    if with_ is None:
        return Blocked("the step has no inputs")
    form = with_.get("format")
    part: Parts = workflow.set_scalar(form, "sarif") if form is not None else workflow.add_key(with_, "format", "sarif")
    return Fix.of("write SARIF", part, effects=(f"jobs.{job.id}: the upload of {output} is no longer rejected",))


def _may_write(workflows: Workflows, workflow: Workflow, job: Job) -> bool:
    granted = _granted(job)
    if granted is None and set(workflow.triggers) <= {"workflow_call", "workflow_dispatch"}:
        return all(_granted(caller) for caller in workflows.callers(workflow))
    return granted is True


def _granted(job: Job) -> bool | None:
    """Whether the permissions that are written for a job let it upload; None where none are written."""
    given = _permissions(job)
    return given if given is None else given == "write-all" or _levels(given).get("security-events") == "write"


def _may_pass_on(caller: Job) -> bool:
    """Whether a job has all the permissions that a scan needs, so that what it calls may ask for them."""
    given = _permissions(caller)
    return given == "write-all" or all(_levels(given).get(name) in (level, "write") for name, level in SCOPES.items())


def _permissions(job: Job) -> Any:
    """What is written for a job, or for its whole workflow; None where nothing is."""
    places = (job.node.get("permissions"), job.workflow.root.get("permissions"))
    return next((place.data for place in places if place is not None), None)


def _levels(permissions: Any) -> dict[str, Any]:
    return permissions if isinstance(permissions, dict) else {}


def _permission(workflows: Workflows, workflow: Workflow, job: Job) -> Fix | Blocked:
    called = _called_with(workflows, workflow)
    if called is not None:
        return called
    title = "let the job write security events"
    own = job.node.get("permissions")
    if own is not None:
        if not own.is_mapping or not own.value:
            return Blocked(
                f"job {job.id} has permissions in a form that fhfix does not know", "add security-events: write"
            )
        missing = {key: value for key, value in SCOPES.items() if key not in own.value}
        parts: list[Parts] = [workflow.add_keys(own, missing)] if missing else []
        events = own.get("security-events")
        if events is not None:
            parts.append(workflow.set_scalar(events, "write"))
        return Fix.of(title, joined(parts))
    if job.uses is not None or job.steps_node is None:
        return Blocked(f"job {job.id} calls a reusable workflow", "give that one the permission")
    for step in job.steps:
        name = _name(step)
        if name and name not in MODEST and not name.startswith("actions/setup-"):
            return Blocked(
                f"job {job.id} runs {name}, and what it needs of the token is not known",
                "add a `permissions` block with security-events: write and what that action needs",
            )
        if re.search(
            r"GITHUB_TOKEN|github\.token|\bgh ", str(step.data.get("run", "")) + str(step.data.get("env", ""))
        ):
            return Blocked(
                f"job {job.id} uses the token in a script, and what it needs is not known",
                "add a `permissions` block with security-events: write and what the script needs",
            )
    scopes: dict[str, Any] = dict(SCOPES)
    wide = workflow.root.get("permissions")
    if wide is not None and wide.is_mapping:
        scopes = {**wide.data, **scopes}
    after = next((key for key in ("timeout-minutes", "runs-on") if key in job.node.value), None)
    return Fix.of(title, workflow.add_key(job.node, "permissions", scopes, after=after), tier=Tier.REVIEW)


def _name(step: Step) -> str:
    return ActionRef.parse(step.uses.value).name.lower() if step.uses is not None else ""


def _input(step: Step, name: str) -> str:
    with_ = step.with_
    found = with_.get(name) if with_ is not None else None
    return found.value if found is not None and found.is_scalar else ""


RULE = Rule(
    __name__,
    "No scan for known holes, or one whose results do not arrive",
    check,
    audit=("D-009.8",),
    criterion="Known holes are scanned for, and no result of a Trivy scan gets lost",
    hours=(1, 2),
)
