"""No workflow scans the repository with Trivy, or one does whose results never arrive.

## Why
Trivy finds known holes in dependencies and images. Its results reach the Security tab only as SARIF, by a job that may
write there (`security-events: write`), and only if the upload also runs when the scan has failed the job. The tab shows
the default branch: a scan that runs for pull requests alone never fills it.

## What is repaired
A scan that is uploaded but written in another format than SARIF, which GitHub rejects; a job without the permission;
an upload that is skipped when the scan fails, as it does where it has an `exit-code`, or that runs only then. A mutable
reference such as `@master` is a finding of outdated-action.

## Where a scan is added
As a job of the workflow that tests, or of one that looks for holes already, if that runs for every push to the default
branch: no filter of paths holds it back, no other workflow calls it, and none waits for it to succeed. Else as a
workflow of its own. What all other jobs there ask for in their `if:` holds for the scan too. `trivy fs` looks for known
holes of dependencies and for secrets; it looks at no configuration.

## When it is left alone
Where any workflow scans already, with Trivy or with Grype or Snyk; repositories without a Django project or a
Dockerfile, those for development and tests aside. A second scan is never added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.django.project import DjangoProject
from fixer.github.catalog.actions import Catalog
from fixer.github.origin import DefaultBranch
from fixer.github.workflow import Job
from fixer.github.workflows import Workflows, commands_of
from fixer.model import Finding, Rule
from fixer.project.task_runners import TaskRunners
from transforms.ci.missing_trivy_scan.added import Options, added
from transforms.ci.missing_trivy_scan.repaired import repaired

# Actions and reusable workflows that scan, programs that do, and their images.
_SCANS = re.compile(r"trivy|grype|anchore/scan-action|snyk|docker[/ ]scout|osv-scanner", re.IGNORECASE)
_PROGRAMS = ("trivy", "grype", "snyk", "osv-scanner", "docker", "podman")


def check(
    workflows: Workflows,
    runners: TaskRunners,
    catalog: Catalog,
    django: DjangoProject | None,
    branch: DefaultBranch | None,
    options: Options,
) -> Iterator[Finding]:
    yield from repaired(workflows)
    jobs = [job for workflow in workflows.documents for job in workflow.jobs.values()]
    if runners.run("trivy") or any(map(_scans, jobs)):
        return
    if django is not None or workflows.has_dockerfile:
        yield added(workflows, catalog, branch, options)


def _scans(job: Job) -> bool:
    used = [node.value for node in (job.uses, *(step.uses for step in job.steps)) if node is not None]
    if any(map(_SCANS.search, used)):
        return True
    commands = [command for step in job.steps for command in commands_of(step) if command.name in _PROGRAMS]
    return any(_SCANS.search(command.source) for command in commands)


def _has_something_to_scan(workflows: Workflows, django: DjangoProject | None) -> bool:
    """A project or an image; or a scan, whatever it looks at."""
    jobs = (job for workflow in workflows.documents for job in workflow.jobs.values())
    return django is not None or workflows.has_dockerfile or any(map(_scans, jobs))


RULE = Rule(
    __name__,
    "No scan for known holes, or one whose results do not arrive",
    check,
    audit=("D-009.8",),
    criterion="Known holes are scanned for, and no result of a Trivy scan gets lost",
    hours=(1, 2),
    applies=_has_something_to_scan,
    security=True,
)
