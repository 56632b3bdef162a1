"""What the repository's files say of the application that is deployed: that it migrates when it starts, that it has a
database, and that ECS takes it back by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from fixer.deploy.commands import says_migrate
from fixer.documents import DEVELOPMENT
from fixer.records import record
from fixer.runtime.picture import Runtime
from fixer.runtime.programs import ONCE

if TYPE_CHECKING:
    from fixer.repository import Repository

_DATABASE = re.compile(
    r"postgres|psycopg|mysql|mariadb|mongo|sqlserver|mssql|oracledb|aurora|\brds\b|(?:DATABASE|DB)_(?:URL|HOST|NAME)|"
    r"jdbc|\bpgx\b|npgsql",
    re.IGNORECASE,
)
_LIBRARY = re.compile(
    r"django|sqlalchemy|alembic|prisma|typeorm|sequelize|knex|drizzle|\"pg\"|\brails\b|activerecord|laravel|doctrine|"
    r"\bjpa\b|hibernate|flyway|liquibase|gorm|sqlx|diesel|entityframework|\becto\b",
    re.IGNORECASE,
)
"""What speaks to a database, where it is a dependency; elsewhere the word says nothing."""
_COMMENT = re.compile(r"(?:^|\s)#.*")


@record
class Application:
    """Which file says that the application migrates when it starts, and which one that it has a database."""

    migrates_on_start: str
    database: str

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Always something: no file may say so."""
        return cls(_migrates_on_start(repository), _database(repository))


@record
class Infrastructure:
    """Which file says that ECS goes back by itself."""

    breaker: str

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Always something: no file may say so."""
        return cls(_breaker(repository))


def _migrates_on_start(repository: Repository) -> str:
    """The file that migrates whenever the application starts: a task definition, a chart, or a script that an image
    starts with. Which image is deployed is not always seen; those for development are not."""
    paths = [path for path in repository.glob("*task-def*.json", "*/templates/*.yaml") if not _ASIDE.search(path)]
    images = [path for path in repository.glob("*Dockerfile*", "*Containerfile*") if not _ASIDE.search(path)]
    started = [name for path in images if not DEVELOPMENT.search(path) for name in _started_by(repository.text(path))]
    scripts = [path for path in repository.glob("*.sh", "*entrypoint*") if not _ASIDE.search(path)]
    paths += [path for path in images if not DEVELOPMENT.search(path)]
    paths += [path for path in scripts if path.rpartition("/")[2] in started]
    if not images:  # an image that is built elsewhere
        paths += [path for path in scripts if "entrypoint" in path]
    saying = (path for path in paths if _says_migrate(repository.text(path), path in images))
    return next((path for path in saying if not _runs_once(path, repository)), "")


def _runs_once(path: str, repository: Repository) -> bool:
    """Whether it is a task definition of ECS that no service keeps running."""
    runtime = repository.fact(Runtime) if path.endswith(".json") else None
    return any(each.path == path and each.origin == ONCE for each in (runtime.programs if runtime is not None else ()))


_BREAKER = re.compile(
    r"deployment_?circuit_?breaker\b.{0,200}?rollback\W+true|circuitBreaker\W+\{\W*rollback\W+true", re.I | re.S
)


def _breaker(repository: Repository) -> str:
    """The file in which infrastructure as code gives a service the circuit breaker of ECS that rolls back."""
    templates = ("*cloudformation*", "*template*.y*ml", "*template*.json", "*stack*.ts", "*stack*.py", "*service*.ts")
    paths = repository.glob("*.tf", *templates)
    return next((path for path in paths if _BREAKER.search(repository.text(path))), "")


_ASIDE = re.compile(r"(^|/)(tests?|node_modules|docs?)/")
_STARTS = re.compile(r"^\s*(?:CMD|ENTRYPOINT)\b(.*)$", re.MULTILINE | re.IGNORECASE)


def _started_by(dockerfile: str) -> Iterator[str]:
    """The names of the scripts that its stages start with."""
    for line in _STARTS.findall(dockerfile):
        yield from (path.rpartition("/")[2] for path in re.findall(r"[\w./-]+", line))


def _says_migrate(text: str, image: bool) -> bool:
    lines = _STARTS.findall(text) if image else text.splitlines()
    if image:  # a script that the image writes itself
        written = "|".join(map(re.escape, _started_by(text)))
        made = re.compile(rf">\s*\S*(?:{written})(?![\w.-])")
        lines += [line for line in text.splitlines() if written and made.search(line)]
    return any(says_migrate(line) and not line.lstrip().startswith("#") for line in lines)


def _database(repository: Repository) -> str:
    """The first file that names a database, or a library that speaks to one."""
    dependencies = repository.glob(
        *("*requirements*.txt", "*pyproject.toml", "*setup.cfg", "*Pipfile", "*package.json", "*schema.prisma"),
        *("*Gemfile", "*composer.json", "*go.mod", "*Cargo.toml", "*pom.xml", "*build.gradle*", "*.csproj", "*mix.exs"),
    )
    for path in dependencies:
        text = _COMMENT.sub("", repository.text(path))
        if _DATABASE.search(text) or _LIBRARY.search(text):
            return path
    others = repository.glob("*compose*.y*ml", "*.env*", "*task-def*.json", ".github/workflows/*.y*ml", "*.tf")
    return next((path for path in others if _DATABASE.search(_COMMENT.sub("", repository.text(path)))), "")
