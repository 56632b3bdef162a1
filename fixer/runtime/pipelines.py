"""Pipelines of other forges than GitHub's, of which only this is read: whether they start containers, or give images
away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

_NAMES = (
    ".cirrus.yml", ".drone.yml", ".gitlab-ci.yml", ".travis.yml", ".woodpecker.yml", "Jenkinsfile",
    "azure-pipelines.yml", "azure-pipelines.yaml", "bitbucket-pipelines.yml", "buildspec.yml", "buildspec.yaml",
    "cloudbuild.yaml", "cloudbuild.yml",
)  # fmt: skip
_PATHS = (".circleci/config.yml", ".buildkite/pipeline.yml")
_STARTS = re.compile(r"\bdocker\b[^\n;&|]* (?:run|exec) |\bimage:\s*[\"']?\$\{?CI_REGISTRY_IMAGE\b")
_PUSHES = re.compile(r"\bdocker\b[^\n;&|]* push\b|--push\b|\bkaniko\b|\bbuildah push\b")
_AS_ROOT = re.compile(r" (?:--user[ =]|-u ?)(?:root|0)\b")


@record
class Pipeline:
    """One such file. `starts`: containers, for a command, as the user of their image; `pushes`: images, for others to
    run."""

    path: str
    starts: bool
    pushes: bool


def pipelines_of(repository: Repository) -> Iterator[Pipeline]:
    """Those that do anything with containers."""
    paths = [path for name in _NAMES for path in repository.named(name)]
    for path in sorted({*paths, *filter(repository.exists, _PATHS)}):
        text = repository.text(path)
        starts = any(_STARTS.search(line) and not _AS_ROOT.search(line) for line in text.splitlines())
        pushes = _PUSHES.search(text) is not None
        if starts or pushes:
            yield Pipeline(path, starts, pushes)
