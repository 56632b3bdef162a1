"""What of the application a deployment puts into containers, and what is lost with each of them."""

from __future__ import annotations

from fixer.deploy.deploy_job import DeployJob
from fixer.deploy.ways import ECS, HELM, KUBERNETES, of_command
from fixer.django.project import DjangoProject
from fixer.languages.dockerfile import ImageRef
from fixer.runtime.docker_calls import files_of
from fixer.runtime.picture import Runtime
from fixer.runtime.programs import Program

_KEEPS_NOTHING = frozenset(
    ("Heroku", "Google Cloud", "App Engine", "AWS App Runner", "AWS Lambda", "AWS Elastic Beanstalk", "Cloud Foundry")
)
"""Ways of deploying after which no file is left that the version before has written."""


def composed(job: DeployJob, runtime: Runtime) -> tuple[Program, ...] | None:
    """The services of compose that a job starts; None where something of what it starts is none of these."""
    paths: set[str] = set()
    for deployment in job.deployments:
        found = {each: files_of(each, runtime.programs) for each in deployment.started}
        others = (each for each, files in found.items() if not files and of_command(each.command, server=True))
        if deployment.unread or not any(found.values()) or any(True for _ in others):
            return None
        paths = paths.union(*found.values())
    return tuple(program for program in runtime.programs if program.origin == "compose" and program.path in paths)


def composes_no_django(job: DeployJob, runtime: Runtime) -> bool:
    """Whether all that a job starts by compose are services that are not Django, by images that are known."""
    services = composed(job, runtime)
    return bool(services) and not any(map(_may_be_django, services or ()))


def _may_be_django(program: Program) -> bool:
    if program.is_django:
        return True
    # An image that the repository does not build is known where it is one of Docker's own.
    return program.image is None and "/" in ImageRef.parse(program.image_name).name


def loses_its_database(job: DeployJob, django: DjangoProject, runtime: Runtime) -> bool:
    """Whether production has nothing but SQLite in a file of its container, which each deployment makes anew."""
    projects = [project for project in django.projects if not project.is_aside]
    found = [each for project in projects for each in project.databases_of(project.production_path)]
    if not found or any(database.vendor != "sqlite" for database in found):
        return False
    if job.way.name in _KEEPS_NOTHING:
        return True
    services = composed(job, runtime) if job.way not in (ECS, KUBERNETES, HELM) else runtime.deployed
    known = [each for each in services or () if each.is_django and each.origin != "dockerfile"]
    return bool(known) and not any(each.mounts for each in known)
