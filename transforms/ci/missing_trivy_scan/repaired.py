"""Scans that are there, and whose results never arrive."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.github.action_ref import ActionRef
from fixer.github.expressions import conditions, expressions_in
from fixer.github.permissions import grant, may
from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import Workflows
from fixer.model import Blocked, Finding, Fix, Parts, Tier, joined
from transforms.ci.missing_trivy_scan.added import SCAN, SCOPES, UPLOAD


def repaired(workflows: Workflows) -> Iterator[Finding]:
    for workflow in workflows.documents:
        for job in workflow.jobs.values():
            yield from _repaired(workflows, workflow, job)


def _repaired(workflows: Workflows, workflow: Workflow, job: Job) -> Iterator[Finding]:
    scans = [step for step in job.steps if _name(step) == SCAN]
    uploads = [step for step in job.steps if _name(step) == UPLOAD]
    seen: list[Step] = []  # several scans may write to one file, and a job has one set of permissions
    for scan in scans:
        output = scan.inputs.get("output", "")
        upload = next((step for step in uploads if output and step.inputs.get("sarif_file") == output), None)
        if upload is None or scan.node.target is not None:
            continue
        form = scan.inputs.get("format", "") or "table"
        if form != "sarif" and not expressions_in(form):
            yield Finding(
                workflow.path,
                scan.node.span,
                f"Trivy writes {form} to {output}, and the upload accepts only SARIF",
                _sarif(workflow, job, scan, output),
            )
        if upload in seen:
            continue
        seen.append(upload)
        if upload.node.target is None:
            yield from _in_any_case(workflow, upload, scans)
    if seen and not may(job, _UPLOADS, workflows):
        yield Finding(
            workflow.path,
            seen[0].node.span,
            f"job {job.id} uploads SARIF without the permission security-events: write",
            Fix.of("let the job write security events", grant(job, SCOPES, workflows), tier=Tier.REVIEW),
        )


_UPLOADS = {"security-events": "write"}


def _in_any_case(workflow: Workflow, upload: Step, scans: list[Step]) -> Iterator[Finding]:
    """The upload must also run when the scan fails the job, and not only then."""
    condition = upload.node.get("if")
    title = "upload the results in any case"
    fails = any(scan.inputs.get("exit-code", "") not in ("", "0") and not scan.may_fail for scan in scans)
    if condition is None and fails:
        yield Finding(
            workflow.path,
            upload.node.span,
            "the results are not uploaded when the scan fails the job",
            Fix.of(title, workflow.add_key(upload.node, "if", "always()", after="uses")),
        )
    if condition is not None and conditions(condition.value) == {"failure()"}:
        yield Finding(
            workflow.path,
            condition.span,
            "the results are uploaded only after a failure (`failure()`), and closed holes stay in the Security tab",
            Fix.of(title, workflow.set_scalar(condition, "always()"), tier=Tier.REVIEW),  # it may be refused
        )


def _sarif(workflow: Workflow, job: Job, scan: Step, output: str) -> Fix | Blocked:
    for step in job.steps:
        if step.run is not None and output in step.run.value:
            return Blocked(
                f"{f'step {step.name!r}' if step.name else 'a script'} names {output}, whose format would change",
                "write a second report for it, then run fhfix again",
            )
    with_ = scan.with_
    if with_ is None:
        return Blocked("the step has no inputs", "give it `with: format: sarif`")
    form = with_.get("format")
    part: Parts = workflow.set_scalar(form, "sarif") if form is not None else workflow.add_key(with_, "format", "sarif")
    effects = [f"jobs.{job.id}: the upload of {output} is no longer rejected for its format"]
    if scan.inputs.get("severity", "") and "limit-severities-for-sarif" not in scan.inputs:
        # Without it SARIF holds, and the exit code counts, holes of every severity.
        part = joined([part, workflow.add_key(with_, "limit-severities-for-sarif", True)])
        effects.append(f"jobs.{job.id}: `severity` holds for SARIF too")
    # What appears in the Security tab can fail the check of a pull request.
    return Fix.of("write SARIF", part, tier=Tier.REVIEW, effects=effects)


def _name(step: Step) -> str:
    return ActionRef.parse(step.uses.value).name.lower() if step.uses is not None else ""
