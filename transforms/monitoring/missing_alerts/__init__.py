"""Something fails and nobody is told: a workflow that runs by a clock or deploys, or an alert that cannot fire.

## Why
Whoever opened a pull request sees that it is red. A nightly run, or a deployment after the merge, fails while nobody
looks. A job at the end that says `${{ job.status }}` does not help: that is its own status, and it says success of a
run that has failed. Nor does a step with `if: failure()` in a job that waits for others: when they fail, it is skipped.

The fix adds a job that waits for all others and runs where one of them has failed. It tells the way that the
repository's workflows tell already, Slack or Discord, else it opens an issue, which needs no secret, and comments on it
while it is open. Where a push to any branch starts the workflow, it tells only of those that deploy. What the clock
starts several times a day tells of the first of several failures in a row. A secret that is empty is an error of the
job, not a silence. In a job that tells the wrong thing only its status and its condition change.

Rules for Prometheus pass `promtool check rules` also where nobody exports what they ask for; then they never fire.
What such a rule asks is held against the names that django-prometheus and the project's own code export. A Prometheus
that watches the application without any rule gets rules for it, with their tests: it does not answer, it is not asked,
more than 1 % of the answers are errors, and the latencies at the 50th, 95th and 99th percentile. A workflow holds them
against their tests when they change.

Metrics that no Prometheus of the repository asks for are a matter of where Prometheus runs. With `prometheus =
"compose"` it starts beside the application, under a profile, with Alertmanager that tells Slack.

## When it is left alone
Workflows for pull requests, reusable ones, and those that look after issues; workflows with any step that tells after
a failure, or that another one listens to by `workflow_run`; a step that tells the status of the job that it works in.
Rules in the form of Kubernetes objects, and Prometheus without an application that exports what fhfix knows, under the
names that fhfix knows: PROMETHEUS_METRIC_NAMESPACE gives them others.
"""

from __future__ import annotations

from collections.abc import Iterator

from fixer.deploy.deployments import Deployments
from fixer.github.catalog.actions import Catalog
from fixer.github.workflows import Workflows
from fixer.model import Finding, Level, Profile, Rule
from fixer.monitoring.endpoints import Endpoints
from fixer.monitoring.exporters import Exporters
from fixer.monitoring.prometheus import PrometheusFiles
from fixer.monitoring.telling import Tellers, is_housekeeping
from fixer.runtime.picture import Deployed
from transforms.monitoring.missing_alerts.composed import unwatched
from transforms.monitoring.missing_alerts.options import Options
from transforms.monitoring.missing_alerts.told import untold, wrongly_told
from transforms.monitoring.missing_alerts.watched import unruled, unsent, without_metrics


def check(
    prometheus: PrometheusFiles,
    exporters: Exporters,
    workflows: Workflows | None,
    tellers: Tellers | None,
    deployments: Deployments | None,
    endpoints: Endpoints,
    deployed: Deployed,
    catalog: Catalog,
    options: Options,
) -> Iterator[Finding]:
    if workflows is not None and tellers is not None:
        yield from wrongly_told(workflows, tellers)
        yield from untold(workflows, tellers, deployments)
    yield from without_metrics(prometheus, exporters)
    yield from unruled(prometheus, exporters, workflows, catalog, options)
    yield from unsent(prometheus)
    yield from unwatched(prometheus, exporters, endpoints, deployed, tellers, workflows, catalog, options)


def _has_something_to_tell(
    prometheus: PrometheusFiles, workflows: Workflows | None, deployments: Deployments | None, options: Options
) -> bool:
    if prometheus.configs or prometheus.rules or options.prometheus:
        return True
    documents = workflows.documents if workflows is not None else ()
    return any(
        (deployments is not None and deployments.of(each))
        or ("schedule" in each.triggers and not is_housekeeping(each))
        for each in documents
    )


RULE = Rule(
    __name__,
    "Something fails, and nobody is told",
    check,
    audit=("D-004.3",),
    criterion="Somebody is told when a scheduled run or a deployment fails, and no alert asks for what nobody exports",
    hours=(3, 5),
    level=Level.NOTE,
    profile=Profile.AUDIT,
    applies=_has_something_to_tell,
)
