"""Nothing runs the integration tests of the Django project, or there are none.

## Why
Unit tests replace the database and the cache by stand-ins. That migrations, settings and services fit together shows
only when a test runs against the real ones.

## What the new job does
It starts the services that the settings use, PostgreSQL and Redis, waits until they are healthy, sets the project up
as the job does that runs the tests, and runs the suite. With `scaffold` a repository without a suite gets a small real
one: the health URL, a round trip to the database, and that every migration is applied.

## When it is left alone
Where a job, or a task runner that a workflow calls, already runs a suite with `integration` or `e2e` in its name, or
runs every test of the folder that the suite is in, with the services of the settings; in a repository without
workflows.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from fixer.django.ci import DjangoCI
from fixer.django.routes import HealthUrl
from fixer.django.test_run import delegated, manages
from fixer.github.workflows import Workflows, folder_of
from fixer.languages.shell import word
from fixer.model import Blocked, Finding, Fix, Level, NewFile, Rule, RuleOptions, Tier, option
from fixer.project.task_runners import TaskRunners
from fixer.project.test_suites import Suite, TestSuites
from fixer.scripts import ScriptText

JOB = "integration-tests"
NAMED = re.compile(r"integration|e2e|end[-_ ]to[-_ ]end", re.IGNORECASE)
OTHERS_LEFT_OUT = re.compile(r"not \w+( and not \w+)*")
# Options of `manage.py test`, https://docs.djangoproject.com/en/stable/ref/django-admin/#test
WITH_VALUES = (
    "--durations", "--parallel", "--pattern", "--pythonpath", "--settings", "--shuffle", "--testrunner",
    "--top-level-directory", "--verbosity", "-p", "-t", "-v",
)  # fmt: skip
RUNS = re.compile(r"\b(playwright test|cypress run|npm run (test:)?e2e|yarn (test:)?e2e|pnpm (run )?(test:)?e2e)\b")

SCAFFOLD = '''\
"""The application as a whole: a request through all layers, and the database."""

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import TestCase


class DatabaseTests(TestCase):
    def test_a_value_survives_the_round_trip(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s", ["sent and received"])
            self.assertEqual(cursor.fetchone(), ("sent and received",))

    def test_every_migration_is_applied(self):
        executor = MigrationExecutor(connection)
        leaves = executor.loader.graph.leaf_nodes()
        self.assertEqual(executor.migration_plan(leaves), [])
'''
SCAFFOLD_HEALTH = """

class HealthTests(TestCase):
    def test_the_application_says_that_it_is_healthy(self):
        response = self.client.get("{path}", follow=True)
        self.assertEqual(response.status_code, 200)
"""


class Options(RuleOptions):
    scaffold: bool = option(False, "Write a small suite where the repository has none.")
    path: str = option("", "The folder of the suite, where it is not found by its name.")
    env: Mapping[str, str] = option(
        {}, "Environment variables for the new job, for what cannot be inferred.", about="variable"
    )


def check(
    ci: DjangoCI,
    workflows: Workflows,
    runners: TaskRunners,
    suites: TestSuites,
    health: HealthUrl,
    options: Options,
) -> Iterator[Finding]:
    if _is_run(workflows, runners):
        return
    suite = _suite(ci, suites, options)
    if suite is not None and not suites.deselected and _is_among_all(ci, workflows, suite, suites.testpaths):
        return
    hidden: Blocked | None = None
    message = f"no job {'is seen to run' if ci.unseen else 'runs'} integration tests"
    if suite is not None:
        hidden = ci.unseen or _may_be_run(ci, workflows, suite)
        what = suite if suite.kind == "marker" else f"the integration tests in {suite}"
        runs = "is seen to run" if hidden is not None else "runs"
        services = " with the services that the settings use" if ci.wants_services else ""
        message = f"no job {runs} {what}{services}"
    yield Finding(ci.workflow.path, ci.span, message, hidden or _cure(ci, suite, health, options))


def _cure(ci: DjangoCI, suite: Suite | None, health: HealthUrl, options: Options) -> Fix | Blocked:
    new_files: list[NewFile] = []
    if suite is None:
        if not options.scaffold:
            return Blocked(
                "the repository has no integration tests that fhfix knows",
                "write some in tests/integration, or let fhfix write a small real suite",
                f"rules.{RULE.id}.scaffold = true",
            )
        folder = posixpath.join(ci.project.root, "tests", "integration")
        new_files = _scaffold(ci, folder, health)
        suite = Suite("pytest", folder)
    job = ci.new_job(
        RULE.id,
        "Integration Tests",
        minutes=20,
        env=options.env,
        project=ci.tested,
        with_tests=True,
        everything=True,
    )
    if isinstance(job, Blocked):
        return job
    command = _command(ci, suite)
    if isinstance(command, Blocked):
        return command
    job["steps"].append(ci.step(job, "Run integration tests", command))
    name = ci.workflow.job_id(JOB)
    return Fix.of(
        f"add job {name}",
        ci.add_job(JOB, job),
        *new_files,
        tier=Tier.REVIEW,
        effects=(f"jobs.{name}: runs {suite} against real services",),
    )


def _command(ci: DjangoCI, suite: Suite) -> ScriptText | Blocked:
    if ci.project.test_runner == "pytest":
        path = ci.path(suite.path)
        if isinstance(path, Blocked):
            return path
        if suite.kind == "marker":
            return ScriptText.of("@pytest@ -m integration -v", pytest=ci.pytest)
        return ScriptText.of("@pytest@ @path@ -v", pytest=ci.pytest, path=path)
    label = posixpath.relpath(suite.path, ci.project.root or ".").removesuffix(".py").replace("/", ".")
    if suite.kind == "marker":
        return ScriptText.of("@manage@ test --tag integration", manage=ci.manage)
    named = word(label)
    if isinstance(named, Blocked) or not re.fullmatch(r"\w+(\.\w+)*", label):
        return Blocked(f"{suite.path} is no package that `manage.py test` could import", "rename its folders")
    return ScriptText.of("@manage@ test @label@", manage=ci.manage, label=named)


def _suite(ci: DjangoCI, suites: TestSuites, options: Options) -> Suite | None:
    """The suite to run: the configured one, else one of the Django project."""
    if options.path:
        return Suite("pytest", options.path)
    python = [suite for suite in suites.integration if suite.kind in ("pytest", "marker")]
    inside = [suite for suite in python if not ci.project.root or suite.path.startswith(ci.project.root + "/")]
    return next(iter(inside or python), None)


def _is_among_all(ci: DjangoCI, workflows: Workflows, suite: Suite, testpaths: tuple[str, ...]) -> bool:
    """Whether a run with the services takes the suite in, because it takes everything below a folder."""
    for step, command in workflows.commands():
        if step.job is None or not ci.has_real_services(step.job):
            continue
        words = [word.text for word in command.args]
        folder = folder_of(command, step)
        if command.name == "pytest":
            paths = [word for word in words if not word.startswith("-") and re.search(r"/|\.py\b|^tests?$|^\.$", word)]
        elif manages(command) == "test":
            paths = [label.replace(".", "/") for label in _labels(words[words.index("test") :])]
        else:
            continue
        if folder is None or command.has("-k", "--tag", "--exclude-tag", "--ignore", "--ignore-glob", "--deselect"):
            continue
        marks = command.value("-m")
        if marks is not None and (not OTHERS_LEFT_OUT.fullmatch(marks.text) or "integration" in marks.text):
            continue
        covered = [posixpath.normpath(posixpath.join(folder, path)) for path in paths or ["."]]
        if not paths and command.name == "pytest" and testpaths:
            covered = list(testpaths)
        if suite.kind == "marker" and not paths:
            return True  # marked tests stand wherever tests do
        if any(path == "." or f"{suite.path}/".startswith(f"{path}/") for path in covered):
            return True
    return False


def _may_be_run(ci: DjangoCI, workflows: Workflows, suite: Suite) -> Blocked | None:
    """A job with the services that leaves its tests to a file, which may run these too."""
    for step, command in delegated(workflows):
        if step.job is not None and ci.has_real_services(step.job):
            has = "has the services and leaves" if ci.wants_services else "leaves"
            return Blocked(
                f"job {step.job.id} {has} its tests to `{command.source}`, which may run them",
                f"let a job run {suite} by name, or ignore this finding",
            )
    return None


def _labels(words: list[str]) -> list[str]:
    """What `manage.py test` is told to run; `words` begin with `test`."""
    return [word for before, word in pairwise(words) if re.match(r"[\w.]+$", word) and before not in WITH_VALUES]


def _scaffold(ci: DjangoCI, folder: str, health: HealthUrl) -> list[NewFile]:
    text = SCAFFOLD
    if health.path:
        text += SCAFFOLD_HEALTH.format(path=health.path)
    files = [NewFile(posixpath.join(folder, "test_application.py"), text)]
    if ci.project.test_runner != "pytest":  # unittest finds tests only in packages
        files.insert(0, NewFile(posixpath.join(folder, "__init__.py"), ""))
    return files


def _is_run(workflows: Workflows, runners: TaskRunners) -> bool:
    for workflow in workflows.documents:
        if any(NAMED.search(job.id) for job in workflow.jobs.values()):
            return True
    for step, command in workflows.commands():
        if RUNS.search(command.source):
            return True
        tests = command.name in ("pytest", "tox", "nox", "make") or "manage.py test" in command.source
        deselects = re.search(r"not integration|--ignore[= ]\S*integration|--exclude-tag", command.source)
        if tests and NAMED.search(command.source) and not deselects:
            return True
        if step.name and NAMED.search(step.name) and re.search(r"\btest", step.name, re.IGNORECASE):
            return True
    return runners.run("pytest", "integration") or runners.run("manage.py test", "integration")


RULE = Rule(
    __name__,
    "No job runs integration tests",
    check,
    audit=("D-009.3",),
    criterion="CI does not go without integration tests",
    hours=(4, 6),
    level=Level.NOTE,
)
