"""What forks processes that have loaded the settings: workers of a task queue, or the project's own code.

A connection pool that was opened before a fork breaks in the child, https://github.com/celery/celery/issues/10554
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fixer.patterns import Rare
from fixer.project.packages import PythonPackages
from fixer.records import entity
from fixer.runtime.picture import Runtime
from fixer.runtime.programs import Kind

if TYPE_CHECKING:
    from fixer.repository import Repository

_QUEUES = ("celery", "rq", "django-rq", "django-q", "django-q2", "huey", "dramatiq", "procrastinate")
_FORKS = Rare(
    r"\bos\.fork\(|\bmultiprocessing\b|\bProcessPoolExecutor\b", "os.fork(", "multiprocessing", "ProcessPoolExecutor"
)
_PRELOADS = re.compile(r"--preload\b|^\s*preload_app\s*=\s*True", re.MULTILINE)
_ASIDE = re.compile(r"(^|/)(tests?|migrations|node_modules|\.?venv|site-packages)/|(^|/)(test_[^/]*|conftest)\.py$")
_STARTS = re.compile(r"(^|/)([^/]*Dockerfile[^/]*|Procfile|[^/]*\.(sh|ya?ml|toml)|gunicorn[^/]*\.py|start|entrypoint)$")


@entity
class Forks:
    """Read only when it is asked for: it means reading every module."""

    repository: Repository

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        return cls(repository)

    @cached_property
    def by(self) -> str:
        """A package, or the file that forks; an empty string where nothing is seen."""
        runtime = self.repository.fact(Runtime)
        for program in runtime.programs if runtime is not None else ():
            if program.is_django and program.running(Kind.WORKER):
                return str(program.place)
        packages = self.repository.fact(PythonPackages)
        for each in packages.requirements if packages is not None else ():
            if each.name in _QUEUES and not each.development:
                return f"{each.name} ({each.path})"
        for path in self.repository.files:
            if _ASIDE.search(path):
                continue
            if path.endswith(".py") and _FORKS.search(self.repository.text(path)):
                return path
            if _STARTS.search(path) and _PRELOADS.search(self.repository.text(path)):
                return f"{path} (preload)"
        return ""
