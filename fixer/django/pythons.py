"""With which releases of Python the jobs of a repository install its packages, and with which one it is deployed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from fixer.django.job_setup import installs
from fixer.github.combination import filled
from fixer.github.workflows import Workflows, commands_of
from fixer.records import entity, record
from fixer.runtime.picture import Runtime

if TYPE_CHECKING:
    from fixer.github.combination import Combination
    from fixer.github.workflow import Job
    from fixer.repository import Repository

_RELEASE = re.compile(r"3\.(\d+)(\.\d+)?")
_NAMED = re.compile(r"^\s*(?:python-)?(3\.\d+)(?![\d])")
_FILES = (".python-version", "runtime.txt")


@entity
class Pythons:
    """`oldest` is the lowest release, as (3, 8), that a job sets up and installs packages with; `place` says which."""

    oldest: tuple[int, int]
    place: str

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where no job says which it is."""
        workflows = repository.fact(Workflows)
        found = [
            (int(release[1]), job)
            for workflow in (workflows.documents if workflows is not None else ())
            for job in workflow.jobs.values()
            if any(installs(command) for step in job.steps for command in commands_of(step))
            for said in _said(job)
            if (release := _RELEASE.fullmatch(said)) is not None
        ]
        if not found:
            return None
        minor, job = min(found, key=lambda pair: pair[0])
        return cls((3, minor), f"job {job.id} of {job.workflow.path}")


@record
class DeployedPython:
    """The release, as (3, 7), of the one image of Python on which what is deployed runs Django."""

    release: tuple[int, int]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where no image says its release, or several say different ones."""
        named = (_NAMED.match(tag) for tag in _tags(repository))
        found = {match[1] if match is not None else "" for match in named}
        if len(found) != 1 or "" in found:
            return None
        return cls((3, int(found.pop().partition(".")[2])))


def _tags(repository: Repository) -> Iterator[str]:
    """The tags of the images of Python on which the deployed images that run Django are made."""
    runtime = repository.fact(Runtime)
    images = (each.image for each in runtime.deployed if each.is_django) if runtime is not None else ()
    bases = (image.stage.root.image for image in images if image is not None)
    return (base.tag for base in bases if base is not None and base.repository.rpartition("/")[2] == "python")


def release_of(repository: Repository, root: str, job: Job) -> str:
    """The release, such as `3.12`, on which the project runs: that of the image that is deployed, of the file in its
    folder or at the top that names one, or that all other jobs of the workflow set up. Empty where none is known."""
    files = (repository.text(f"{root}/{name}" if folder else name) for folder in (root, "") for name in _FILES)
    others = (each for each in job.workflow.jobs.values() if each is not job and each.matrix is None)
    said = (text for each in others for text in _said(each))
    for texts in (_tags(repository), files, said):
        found = {named[1] for text in texts if (named := _NAMED.match(text)) is not None}
        if len(found) == 1:
            return found.pop()
    return ""


def sets_up(job: Job, combination: Combination, release: str) -> bool:
    """Whether a job sets up this release of Python in one combination of its matrix."""
    given = (step.inputs.get("python-version", "") for step in job.steps if step.action == "actions/setup-python")
    return any(re.fullmatch(rf"{re.escape(release)}(\.\d+)?", str(filled(text, combination))) for text in given)


def _said(job: Job) -> Iterator[str]:
    """The values that `python-version` has in any job of the matrix."""
    for step in job.steps:
        if step.action != "actions/setup-python":
            continue
        made = job.matrix.combinations if job.matrix is not None else None
        for combination in made or [{}]:
            yield str(filled(step.inputs.get("python-version", ""), combination))
