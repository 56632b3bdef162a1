"""What fhfix takes a repository to be, in words: for the first configuration file, so that a person can correct it."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.deploy.deployments import Deployments
from fixer.django.app_server import AppServer
from fixer.django.project import DjangoProject
from fixer.github.workflows import Workflows
from fixer.project.frontend import FrontEnds
from fixer.project.test_suites import TestSuites
from fixer.repository import Repository


def inferred(repository: Repository) -> Iterator[str]:
    """One line per thing that rules go by, with the file that says so."""
    workflows = repository.fact(Workflows)
    if workflows is not None:
        count = len(workflows.documents)
        yield f"{count} {'workflow' if count == 1 else 'workflows'} in .github/workflows"
    django = repository.fact(DjangoProject)
    for project in django.projects if django else ():
        yield from _project(project)
    server = repository.fact(AppServer)
    for command in server.deciding if server else ():
        kind = f" ({command.interface.upper()})" if command.interface else ""
        yield f"{command.path}:{command.line} starts the application with {command.server}{kind}"
    fronts = repository.fact(FrontEnds)
    for application in fronts.applications if fronts else ():
        yield f"a {application.framework} front end in {application.folder or 'the top folder'}"
    suites = repository.fact(TestSuites)
    if suites is not None:
        yield from (f"integration tests ({suite.kind}) in {suite.path}" for suite in suites.integration)
        yield from (f"load tests ({suite.kind}) in {suite.path}" for suite in suites.load)
        yield from (f"health URL {url} in {path}" for path, url in suites.health)
    deployments = repository.fact(Deployments)
    for path, jobs in (deployments.jobs if deployments else {}).items():
        for job in jobs:
            ways = ", ".join(dict.fromkeys(deployment.way.name for deployment in job.deployments))
            yield f"{path}: job {job.job.name} deploys by {ways}"


def _project(project: DjangoProject) -> Iterator[str]:
    version = f" {project.version.text}" if project.version and project.version.text else ""
    where = project.settings_path or project.manage_py or project.root
    yield f"Django{version}, settings in {where}"
    module = project.modules.get(project.settings_path)
    for database in module.databases if module else ():
        engine = f" with {database.engine}" if database.engine else ""
        yield f"database {database.alias!r}{engine}"
    if project.requirements:
        yield f"Django is installed from {', '.join(project.requirements)}"
    if project.driver:
        yield f"the PostgreSQL driver is {project.driver}"
