"""A new workflow that runs on a schedule and speaks to AWS as a job of the repository does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.deployments import Deployments
from fixer.github.action_files import ActionFiles
from fixer.github.catalog.actions import Catalog
from fixer.github.catalog.copied import copied
from fixer.github.expressions import ANY, names_read, reads_below
from fixer.github.workflow import Job, Workflow, new_workflow
from fixer.model import Blocked
from fixer.records import record
from fixer.runtime.picture import Runtime

Plain = dict[str, Any]

SIGNS_IN = "aws-actions/configure-aws-credentials"
_MEANS_NOTHING_ELSEWHERE = frozenset(("steps", "needs", "matrix", "strategy", "job", "inputs", ANY))


@record
class SignIn:
    """What a job has from another one so that it may speak to AWS: keys of the job, and its first step; `todo` is what
    a person must see to, since the other job has an environment."""

    keys: Plain
    step: Plain
    todo: tuple[str, ...]


def production(deployments: Deployments) -> DeployJob | None:
    """The job that deploys to production: one that says so, else one of which nothing says where to."""
    jobs = [job for found in deployments.jobs.values() for job in found]
    ranked = [job for wanted in ("production", "") for job in jobs if job.environment == wanted]
    return next(iter([*ranked, *(job for job in jobs if "${{" in job.environment)]), None)


def sign_in(jobs: Iterable[Job], catalog: Catalog, files: ActionFiles, *, takes_more: bool) -> SignIn | Blocked:
    """As the first of these jobs that does. `takes_more`: whether the new job takes secrets or variables besides."""
    for job in jobs:
        steps = [step for step in job.steps if step.action.lower() == SIGNS_IN]
        if not steps:
            continue
        made = {key: value for key, value in copied(steps[0], catalog, files).items() if key != "if"}
        foreign = sorted({read.context for read in reads_below(made)} & _MEANS_NOTHING_ELSEWHERE)
        known = {**job.workflow.env, **job.env}
        wanted = names_read("env", made)
        unknown = [name for name in wanted if name not in known]
        if foreign or unknown:
            what = foreign[0] if foreign else f"env.{unknown[0]}"
            return Blocked(
                f"job {job.id} signs in to AWS by `{what}`, which another job does not have",
                "take it from `vars` or `secrets`, then run fhfix again",
            )
        env = {name: known[name] for name in wanted}
        named = job.environment if job.environment and "${{" not in job.environment else ""
        takes = takes_more or any(read.context in ("secrets", "vars", ANY) for read in reads_below([made, env]))
        keys = _keys(made, env, named if takes else "")
        return SignIn(keys, made, tuple(_of_environment(named, keys)))
    return Blocked(
        "no job signs in to AWS with aws-actions/configure-aws-credentials",
        "back up where the database is, or let a job sign in to AWS, whose S3 then keeps the backups",
    )


def _keys(step: Plain, env: Mapping[str, str], environment: str) -> Plain:
    given = step.get("with") or {}
    made: Plain = {}
    if "role-to-assume" in given and "aws-access-key-id" not in given:
        made["permissions"] = {"contents": "read", "id-token": "write"}
    if environment:
        made["environment"] = environment  # its secrets, perhaps
    if env:
        made["env"] = dict(env)
    return made


def _of_environment(name: str, keys: Plain) -> Iterator[str]:
    """An environment may ask for an approval, for which nobody is there at night; and AWS may trust only its jobs."""
    if "environment" in keys:
        yield (
            f"if environment {name} asks for an approval or waits, every scheduled run does too: then give the job an "
            "environment of its own with these secrets"
        )
    elif name and "permissions" in keys:
        yield f"if the AWS role trusts only jobs of environment {name}, let it trust this workflow too"


def postgres_image(runtime: Runtime, configured: str, config: str) -> str | Blocked:
    """The image whose programs are of the server's own major: that of the compose files and of the jobs."""
    if configured:
        return configured
    images = [server.image for server in runtime.servers if server.engine == "postgresql" and not server.pooler]
    tagged = [image for image in images if ":" in image and "$" not in image and not image.endswith(":latest")]
    majors = {image.rpartition(":")[2].partition("@")[0].split("-")[0].split(".")[0].lstrip("pgv") for image in tagged}
    numbers = {major for major in majors if major.isdigit()}
    if len(numbers) == 1 and len(numbers) == len(majors):
        return tagged[0]
    why = f"its files name PostgreSQL {', '.join(sorted(numbers))}" if numbers else "no file names its version"
    return Blocked(
        f"which version of PostgreSQL production runs is not known: {why}",
        "name the image of that version: another client refuses, or writes what PostgreSQL there cannot restore",
        f'{config} = "postgres:17"',
    )


def scheduled_workflow(title: str, cron: str, job_id: str, job: Plain, like: Workflow) -> str:
    """The text of a workflow with one job, which a person can start too."""
    events = {"schedule": [{"cron": cron}], "workflow_dispatch": None}
    order = ("name", "runs-on", "timeout-minutes", "permissions", "environment", "services", "env", "steps")
    jobs = {job_id: {key: job[key] for key in order if key in job}}
    return new_workflow(
        title, events, jobs, like.style, permissions={"contents": "read"}, concurrency={"group": job_id}
    )
