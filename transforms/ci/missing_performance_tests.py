"""The repository holds a load test, and no workflow runs it; or it holds none.

## Why
A load test that nobody runs says nothing. One that runs against no server, or without a threshold, always passes.

## What the new job does
It sets the project up with its services, applies the migrations, starts the application, waits until it is healthy,
runs locust without its window, keeps the results as an artifact, and fails when the share of failed requests or a
percentile of the response times is above its threshold (1 %; p50 200 ms, p95 500 ms, p99 1000 ms). It runs when it is
started by hand or by a schedule, not for every push, so nothing waits for it.

## When it is left alone
Where a workflow, or a task runner that one calls, already runs locust, k6, artillery, JMeter or pytest-benchmark.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from fixer.django.app_server import AppServer
from fixer.django.ci import DjangoCI, Plain
from fixer.django.local_access import local_access
from fixer.django.routes import HealthUrl
from fixer.github.catalog.actions import Catalog
from fixer.github.catalog.references import reference
from fixer.github.workflows import Workflows
from fixer.languages.shell import in_quotes, path_word, word
from fixer.model import Blocked, Finding, Fix, Level, Profile, Rule, RuleOptions, Tier, option
from fixer.project.packages import PythonPackages
from fixer.project.task_runners import TaskRunners
from fixer.project.test_suites import TestSuites
from fixer.scripts import Quoted, ScriptText

JOB = "performance-tests"
TOOLS = ("locust", "k6", "artillery", "jmeter", "wrk", "vegeta", "autocannon")
PORT = 8000
READY = 60  # seconds
RESULTS = ScriptText.of("performance")
"""What the names of the files with the results begin with."""

JUDGE = ScriptText.of("""\
import csv
import os
import sys

with open("@results@_stats.csv", newline="") as file:
    total = next(row for row in csv.DictReader(file) if row["Name"] == "Aggregated")
requests = int(total["Request Count"])
if not requests:
    sys.exit("no request was made")
measured = {
    "failures, %": 100 * int(total["Failure Count"]) / requests,
    "p50, ms": float(total["50%"]),
    "p95, ms": float(total["95%"]),
    "p99, ms": float(total["99%"]),
}
limits = {
    "failures, %": @failures@,
    "p50, ms": @p50@,
    "p95, ms": @p95@,
    "p99, ms": @p99@,
}
missed = [name for name, limit in limits.items() if measured[name] > limit]
lines = [f"{name}: {measured[name]:.1f} (limit {limit})" for name, limit in limits.items()]
with open(os.environ["GITHUB_STEP_SUMMARY"], "a") as summary:
    summary.write(f"{requests} requests\\n\\n" + "".join(f"- {line}\\n" for line in lines))
print(*lines, sep="\\n")
if missed:
    print("::error::above the limit: " + "; ".join(missed))
    sys.exit(1)
""")
START = ScriptText.of("""\
@prefix@@python@ manage.py migrate --noinput
@prefix@@start@ > "$GITHUB_WORKSPACE/server.log" 2>&1 &
deadline=$((SECONDS + @seconds@))
until curl --fail --silent --show-error --location --max-time 5 --output /dev/null @url@; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    echo "::error::@said@ was not healthy within @seconds@ s"
    cat "$GITHUB_WORKSPACE/server.log"
    exit 1
  fi
  sleep 2
done
""")
LOAD = ScriptText.of("""\
@locust@ --headless --locustfile @path@ \\
  --host http://localhost:@port@ --users @users@ --spawn-rate @rate@ --run-time @seconds@s \\
  --csv "$GITHUB_WORKSPACE/@results@" --exit-code-on-error 0
""")
LOCUST = ScriptText.of("locust")
INSTALL = ScriptText.of("pip install locust")
SERVERS = {
    "gunicorn": ScriptText.of("gunicorn @application@ --bind 127.0.0.1:@port@ --workers 2"),
    "uvicorn": ScriptText.of("uvicorn @application@ --host 127.0.0.1 --port @port@"),
    "daphne": ScriptText.of("daphne --bind 127.0.0.1 --port @port@ @application@"),
}
"""How the servers of production are started with few workers."""
ASGI_WORKERS = ScriptText.of(" --worker-class uvicorn.workers.UvicornWorker")


class Options(RuleOptions):
    locustfile: str = option("", "The load test, where it is not found by its name.")
    health_path: str = option("", "The path that answers 200 when the application is up.", about="path")
    start: str = option("", "The command that starts the application on port 8000, where it cannot be inferred.")
    users: int = option(20, "Simulated users.")
    spawn_rate: int = option(5, "Users that start per second.")
    seconds: int = option(60, "How long the test runs.")
    failures: int = option(1, "Percent of requests that may fail.")
    p50: int = option(200, "Milliseconds that half of the requests may take.")
    p95: int = option(500, "Milliseconds that 95 % of the requests may take.")
    p99: int = option(1000, "Milliseconds that 99 % of the requests may take.")
    env: Mapping[str, str] = option(
        {}, "Environment variables for the new job, for what cannot be inferred.", about="variable"
    )


def check(
    ci: DjangoCI,
    workflows: Workflows,
    runners: TaskRunners,
    suites: TestSuites,
    packages: PythonPackages,
    server: AppServer | None,
    health_url: HealthUrl,
    catalog: Catalog,
    options: Options,
) -> Iterator[Finding]:
    if _is_run(workflows, runners):
        return
    locustfile = options.locustfile or next((suite.path for suite in suites.load if suite.kind == "locust"), "")
    message = f"no workflow runs the load test {locustfile}" if locustfile else "no workflow runs a load test"
    cure = _cure(ci, locustfile, suites, packages, server, health_url, catalog, options)
    yield Finding(ci.workflow.path, ci.span, message, cure)


def _cure(
    ci: DjangoCI,
    locustfile: str,
    suites: TestSuites,
    packages: PythonPackages,
    server: AppServer | None,
    health_url: HealthUrl,
    catalog: Catalog,
    options: Options,
) -> Fix | Blocked:
    if not locustfile:
        return _no_load_test(suites)
    if ci.in_container:
        return Blocked("the tests run in a container of compose, and fhfix starts none", "add the job by hand")
    if locustfile not in suites.scripts:
        return Blocked(f"{locustfile} is no Python file of the repository", "write it (https://docs.locust.io)")
    health = options.health_path or health_url.path
    if not health:
        return _no_health_path(health_url)
    given = {**ci.given, **options.env}
    project = ci.with_settings(given.get("DJANGO_SETTINGS_MODULE", ""))
    access = local_access(project, given, RULE.id)
    if isinstance(access, Blocked):
        return access
    job = ci.new_job(
        RULE.id,
        "Performance Tests",
        minutes=20,
        env={**access, **options.env},
        project=project,
        with_tests=True,
        everything=True,
        serves=True,
    )
    if isinstance(job, Blocked):
        return job
    path, url = ci.path(locustfile), f"http://localhost:{PORT}{health}"
    if isinstance(path, Blocked):
        return path
    asked, said = path_word(url), in_quotes(url)
    if isinstance(asked, Blocked) or isinstance(said, Blocked):
        return asked if isinstance(asked, Blocked) else Blocked(f"{url!r} is no address", "name another path")
    job = _first(job, "if", "github.event_name == 'workflow_dispatch' || github.event_name == 'schedule'")
    locust, install = _locust(ci, job, packages)
    start = ScriptText.written(options.start) if options.start else _server(ci, packages, server)
    wait = START.filled(prefix=ci.prefix, python=ci.python, start=start, seconds=READY, url=asked, said=said)
    job["steps"] += [
        *install,
        ci.step(job, "Start the application", wait, at_root=True),
        ci.step(job, "Run the load test", _load_test(locust, path, options)),
        *_judging(ci, catalog, options),
    ]
    name = ci.workflow.job_id(JOB)
    return Fix.of(
        f"add job {name}",
        ci.add_job(JOB, job, gates=False),
        ci.workflow.add_trigger("workflow_dispatch") if "schedule" not in ci.workflow.triggers else (),
        tier=Tier.REVIEW,
        effects=(f"jobs.{name}: {locustfile} runs against the started application and fails above its thresholds",),
    )


def _no_load_test(suites: TestSuites) -> Blocked:
    other = next(iter(suites.load), None)
    reason = "the repository has no load test"
    if other is not None:
        reason = f"{other.path} is for {other.kind}, and only locust can be run by fhfix"
    return Blocked(
        reason,
        "write a locustfile (https://docs.locust.io), and name it",
        f'rules.{RULE.id}.locustfile = "tests/performance/locustfile.py"',
    )


def _no_health_path(health_url: HealthUrl) -> Blocked:
    reason = "no health URL of the application is known: no Dockerfile or compose file probes one"
    if health_url.refused:
        reason = f"containers are probed with {health_url.refused}, and the application has no such URL"
    return Blocked(
        reason,
        "name a path that answers 200 when the application is up",
        f'rules.{RULE.id}.health-path = "{health_url.likely or "/health/"}"',
    )


# -- the steps of the new job -------------------------------------------------------------------------------------


def _locust(ci: DjangoCI, job: Plain, packages: PythonPackages) -> tuple[ScriptText, list[Plain]]:
    """How locust is started, and the step that installs it where none of the job does."""
    if _installs_locust(job["steps"], packages):
        return ci.prefix + LOCUST, []
    if ci.prefix == "uv run ":  # its environment has no pip
        return ScriptText.of("uv run --with locust locust"), []
    if ci.prefix or ci.activation:
        return ci.prefix + LOCUST, [ci.step(job, "Install locust", ci.prefix + INSTALL)]
    return LOCUST, [{**ci.workflow.step_name("Install locust"), "run": INSTALL}]


def _load_test(locust: ScriptText, path: Quoted, options: Options) -> ScriptText:
    """The command; `path` is the word for the locustfile."""
    return LOAD.filled(
        locust=locust,
        path=path,
        port=PORT,
        users=options.users,
        rate=options.spawn_rate,
        seconds=options.seconds,
        results=RESULTS,
    )


def _judging(ci: DjangoCI, catalog: Catalog, options: Options) -> list[Plain]:
    """The steps that hold the results against the thresholds, and keep them whatever they are."""
    limits = {"failures": options.failures, "p50": options.p50, "p95": options.p95, "p99": options.p99}
    judge = {
        "shell": "python",
        "working-directory": "${{ github.workspace }}",
        "run": JUDGE.filled(results=RESULTS, **limits),
    }
    keep = {
        "if": "always()",
        "uses": reference(catalog, "actions/upload-artifact", ci.workflow),
        "with": {"name": "performance-results", "path": f"{RESULTS}*.csv\nserver.log\n"},
    }
    return [
        {**ci.workflow.step_name("Judge the results"), **judge},
        {**ci.workflow.step_name("Keep the results"), **keep},
    ]


def _server(ci: DjangoCI, packages: PythonPackages, server: AppServer | None) -> ScriptText:
    """The server that production uses, with few workers; Django's own where it is not known."""
    for command in server.commands if server is not None else ():
        application = command.application
        if command.server in SERVERS and re.fullmatch(r"[\w.]+:[\w]+", application):
            if not packages.has(command.server, ci.project.manage_py):
                continue
            named = word(application)
            if isinstance(named, Blocked):
                continue
            started = SERVERS[command.server].filled(application=named, port=PORT)
            by_uvicorn = command.server == "gunicorn" and command.interface == "asgi"
            return started + ASGI_WORKERS if by_uvicorn else started
    return ScriptText.of("python manage.py runserver --noreload 127.0.0.1:@port@", port=PORT)


def _installs_locust(steps: list[Plain], packages: PythonPackages) -> bool:
    """Whether a file that the steps install from asks for locust."""
    files = [path for path in packages.files if "locust" in packages.installed_by(path)]
    text = "\n".join(str(step.get("run", "")) for step in steps)
    return "locust" in text or any(re.search(rf"(?<![\w.-]){re.escape(posixpath.basename(f))}", text) for f in files)


def _first(job: Plain, key: str, value: str) -> Plain:
    """The job with one more key, after its name."""
    named = {"name": job["name"]} if "name" in job else {}
    return {**named, key: value, **{k: v for k, v in job.items() if k != "name"}}


def _is_run(workflows: Workflows, runners: TaskRunners) -> bool:
    if any(command.name in TOOLS or "--benchmark-only" in command.source for _, command in workflows.commands()):
        return True
    actions = (step.action for workflow in workflows.documents for step in workflow.steps)
    if any(re.search(r"/(setup-|run-)?k6|locust|artillery", action, re.IGNORECASE) for action in actions):
        return True
    return any(runners.run(tool) for tool in ("locust", "k6 run", "artillery", "--benchmark-only"))


RULE = Rule(
    __name__,
    "No workflow runs a load test",
    check,
    audit=("D-009.4",),
    criterion="The workflows do not go without a load test",
    hours=(4, 8),
    level=Level.NOTE,
    profile=Profile.AUDIT,
)
