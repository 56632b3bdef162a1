"""How the continuous integration sets the Django project up: what a new job copies from the job that runs the tests."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from fixer.facts.django import DjangoProject
from fixer.facts.python_packages import PythonPackages
from fixer.facts.settings_modules import Database
from fixer.facts.workflows import Workflows, commands_of, folder_of, in_folder
from fixer.languages.workflow import Job, Step, Workflow
from fixer.model import Blocked

if TYPE_CHECKING:
    from fixer.languages.shell import Command
    from fixer.repository import Repository

_INSTALLERS = frozenset({"pip", "pip3", "poetry", "pipenv", "uv", "pdm"})
_RUNNERS = ("poetry run", "pipenv run", "uv run", "pdm run", "hatch run")
_POSTGRES_OPTIONS = "--health-cmd pg_isready --health-interval 10s --health-timeout 5s --health-retries 5"
_REDIS_OPTIONS = '--health-cmd "redis-cli ping" --health-interval 10s --health-timeout 5s --health-retries 5'
_IMAGE = re.compile(r"(?:^|/)(?P<name>postgres|postgis|pgvector|timescaledb|mysql|mariadb|redis|valkey)[^/]*$", re.I)
_PORTS = {"redis": 6379, "valkey": 6379, "mysql": 3306, "mariadb": 3306}
_SECRET = re.compile(r"SECRET|SIGNING|ENCRYPT|SALT|JWT|TOKEN|API_?KEY|PASSWORD", re.I)

Plain = dict[str, Any]


@dataclass(frozen=True)
class ServiceAddress:
    """Where a service of a job is reached, and as whom."""

    name: str
    host: str
    port: str
    database: str = ""
    user: str = ""
    password: str = ""


@dataclass(frozen=True, eq=False)
class DjangoCI:
    """`job` is the job that runs the Django tests; what it does before them is how this project is set up."""

    project: DjangoProject
    packages: PythonPackages | None
    workflow: Workflow
    job: Job
    postgres_image: str

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None without a Django project with a manage.py, or without a workflow that runs its tests."""
        project = repository.fact(DjangoProject)
        workflows = repository.fact(Workflows)
        if project is None or workflows is None or not project.manage_py:
            return None
        found = _job_that_tests(workflows, project)
        if found is None:
            return None
        return cls(project, repository.fact(PythonPackages), found.workflow, found, _postgres_image(repository))

    # -- the parts of a new job -----------------------------------------------------------------------------------

    def new_job(
        self,
        rule: str,
        title: str,
        *,
        minutes: int,
        env: Mapping[str, str],
        with_tests: bool,
        redis: bool,
    ) -> Plain | Blocked:
        """A job up to the point where the project can run: runner, services, environment, checkout, install.

        The steps are the ones that the job which runs the tests does first. `with_tests` keeps the packages that
        only tests need; `rule` is the id of the rule whose option `env` holds what cannot be inferred.
        """
        copied = self.job.data
        if "uses" in copied:
            return Blocked(f"job {self.job.id} calls a reusable workflow")
        if any(key in copied for key in ("container",)):
            return Blocked(
                f"job {self.job.id} runs in a container, so its database is reached by another name",
                "add the job by hand",
            )
        services = self._services(redis=redis)
        if isinstance(services, Blocked):
            return services
        steps = self._setup(with_tests=with_tests)
        if isinstance(steps, Blocked):
            return steps
        environment = self._environment(rule, services, env)
        if isinstance(environment, Blocked):
            return environment
        job: Plain = {**self.workflow.job_name(title), "runs-on": self._runner(copied.get("runs-on"))}
        job["timeout-minutes"] = minutes
        job |= {key: copied[key] for key in ("defaults", "permissions") if key in copied}
        if services:
            job["services"] = services
        if environment:
            job["env"] = environment
        job["steps"] = steps
        return job

    def run(self, title: str, command: str) -> Plain:
        """A step that runs a command in the folder of manage.py, in the way in which the tests are run."""
        keys = in_folder(self.project.root, command, self._test_step, self._start)
        return {**self.workflow.step_name(title), **keys}

    @cached_property
    def prefix(self) -> str:
        """What the project's own programs are started with, such as `poetry run `; mostly empty."""
        for command in commands_of(self._test_step):
            for runner in _RUNNERS:
                if command.source.startswith(runner + " "):
                    return runner + " "
        return ""

    @cached_property
    def _test_step(self) -> Step:
        return next(step for step in self.job.steps if _tests(step, self.project))

    @property
    def _start(self) -> str:
        """The folder in which steps of the job run by default."""
        folder = Step(self.job.node, self.job, self.workflow).working_directory.removeprefix("./").rstrip("/")
        return "" if folder == "." else folder

    @staticmethod
    def _runner(runs_on: Any) -> Any:
        # `${{ matrix.os }}` has no meaning in a job without the matrix.
        return "ubuntu-latest" if "matrix." in str(runs_on) else runs_on

    # -- services -------------------------------------------------------------------------------------------------

    @property
    def database(self) -> Database | None:
        return next((each for each in self.project.databases if each.alias == "default"), None)

    def _services(self, *, redis: bool) -> Plain | Blocked:
        services: Plain = {}
        database = self.database
        vendor = database.vendor if database is not None else "sqlite"
        if vendor == "mysql":
            service = self._copied("mysql", "mariadb")
            if service is None:
                return Blocked("the default database is MySQL, and no job starts one", "add the job by hand")
            services["mysql"] = service
        elif vendor == "postgresql" or (database is not None and not vendor):
            service = self._copied("postgres", "postgis", "pgvector", "timescaledb")
            if service is None and vendor == "postgresql":
                service = {
                    "image": self.postgres_image,
                    "env": {"POSTGRES_DB": "test", "POSTGRES_USER": "test", "POSTGRES_PASSWORD": "test"},
                    "options": _POSTGRES_OPTIONS,
                    "ports": ["5432:5432"],
                }
            if service is not None:
                services["postgres"] = service
        if redis and any(cache.is_redis for cache in self.project.caches):
            services["redis"] = self._copied("redis", "valkey") or {
                "image": "redis:7",
                "options": _REDIS_OPTIONS,
                "ports": ["6379:6379"],
            }
        return services

    def _copied(self, *kinds: str) -> Plain | None:
        """The service of the job that runs the tests, made reachable from steps that run on the runner."""
        for service in (self.job.data.get("services") or {}).values():
            found = _IMAGE.search(str(service.get("image", "")).split(":")[0]) if isinstance(service, dict) else None
            if found and found["name"].lower() in kinds:
                made = dict(service)
                default = _PORTS.get(found["name"].lower(), 5432)
                made.setdefault("ports", [f"{default}:{default}"])
                if default == 5432:
                    made.setdefault("options", _POSTGRES_OPTIONS)
                return made
        return None

    @staticmethod
    def address(services: Mapping[str, Any], name: str) -> ServiceAddress | None:
        """Where a PostgreSQL or MySQL service listens. None where its port is chosen when the job runs."""
        service = services.get(name)
        if service is None:
            return None
        published = str((service.get("ports") or [""])[0])
        port = published.split(":")[0] if ":" in published else ""
        env = service.get("env") or {}
        kind = "POSTGRES" if name == "postgres" else "MYSQL"
        user = str(env.get(f"{kind}_USER", "postgres" if kind == "POSTGRES" else "root"))
        password = str(env.get(f"{kind}_PASSWORD", env.get("MYSQL_ROOT_PASSWORD", "")))
        database = str(env.get(f"{kind}_DB", env.get("MYSQL_DATABASE", user)))
        return ServiceAddress(name, "localhost", port, database, user, password) if port.isdigit() else None

    # -- environment ----------------------------------------------------------------------------------------------

    def _environment(self, rule: str, services: Plain, configured: Mapping[str, str]) -> Plain | Blocked:
        """What settings.py reads: the values of the job that runs the tests, and those that its services need."""
        copied: Plain = dict(self.job.data.get("env") or {})
        # Variables that the settings do not read would only mislead: FinanceHub's DATABASE_URL is one.
        reads = {read.name for path in self.project.modules for read in self.project.environment_of(path)}
        everywhere: Plain = dict(self.workflow.root.data.get("env") or {})
        environment = {name: value for name, value in copied.items() if name in reads or name.startswith("DJANGO_")}
        postgres = self.address(services, "postgres")
        if postgres is None and "postgres" in services:
            return Blocked(f"job {self.job.id} publishes PostgreSQL on a port that is chosen when it runs")
        if postgres is not None:
            environment |= self.project.database_environment(
                host=postgres.host,
                port=postgres.port,
                name=postgres.database,
                user=postgres.user,
                password=postgres.password,
            )
        if "redis" in services:
            for cache in self.project.caches:
                for read in cache.reads:
                    if not re.search("localhost|127.0.0.1", read.default or ""):
                        address = "redis://localhost:6379/0" if "URL" in read.name else "localhost"
                        environment.setdefault(read.name, address)
        for read in self.project.environment:
            known = read.name in environment or read.name in everywhere or read.name in configured
            if not read.required or known:
                continue
            if not _SECRET.search(read.name):
                return Blocked(
                    f"{read.path}:{read.line} requires {read.name}, and no job sets it",
                    f"give it a value that suits tests, or set it in job {self.job.id}",
                    f'rules.{rule}.env = {{ {read.name} = "…" }}',
                )
            environment[read.name] = "only-for-tests"
        return {**environment, **configured}

    # -- steps ----------------------------------------------------------------------------------------------------

    def _setup(self, *, with_tests: bool) -> list[Plain] | Blocked:
        """What the job does before it first uses the project, with an install that brings Django along."""
        steps: list[Plain] = []
        installs: list[tuple[int, Step, Command]] = []
        for step in self.job.steps:
            if _uses_project(step, self.project):
                break
            if step.node.get("if") is not None:
                return Blocked(
                    f"step {step.name or len(steps)} of job {self.job.id} runs under a condition", "add the job by hand"
                )
            found = [command for command in commands_of(step) if _installs(command)]
            installs += [(len(steps), step, command) for command in found]
            if "matrix." in str(step.data.get("run", "")):
                return Blocked(f"job {self.job.id} sets the project up from its matrix", "add the job by hand")
            steps.append(_without_matrix(step.data, self.job))
        if not any("actions/checkout" in str(step.get("uses", "")) for step in steps):
            return Blocked(f"job {self.job.id} does not check the repository out before it runs the tests")
        if not installs:
            return Blocked(
                f"job {self.job.id} does not install the project's packages in a way that fhfix knows",
                "add the job by hand",
            )
        if not self._brings_django(installs):
            missing = self.project.requirements[0] if self.project.requirements else ""
            if not missing or not missing.endswith((".txt", ".in")):
                return Blocked(f"no file that job {self.job.id} could install asks for Django", "add Django to one")
            place, step, command = installs[-1]
            folder = folder_of(command, step) or ""
            file = _relative(missing, folder)
            if with_tests:
                steps[place] = {**steps[place], "run": _with_requirement(step, command, file)}
            else:
                steps[place] = {**steps[place], "run": _only_requirement(step, command, file)}
        return steps

    def _brings_django(self, installs: list[tuple[int, Step, Command]]) -> bool:
        """Whether one of these commands installs Django, directly or by an included file."""
        for _, step, command in installs:
            if command.name not in ("pip", "pip3"):
                return True  # poetry, pipenv and uv install what their own file says
            folder = folder_of(command, step)
            if folder is None:
                continue
            for file in _requirement_files(command):
                path = _normal(folder, file)
                known = {path}
                todo = [path]
                while todo and self.packages is not None:
                    included = self.packages.includes.get(todo.pop(), ())
                    todo += [each for each in included if each not in known]
                    known |= set(included)
                if known & set(self.project.requirements):
                    return True
            for word in command.args[1:]:
                if re.match(r"(?i)django(\[|[=<>~!]|$)", word.text):
                    return True
                if word.text.split("[")[0] in (".", "./") and any(
                    each.endswith(("pyproject.toml", "setup.cfg")) for each in self.project.requirements
                ):
                    return True
        return False


def _postgres_image(repository: Repository) -> str:
    """The image of PostgreSQL that a compose file runs, else a current one."""
    for path in repository.glob("*compose*.y*ml"):
        found = re.search(r"^\s*image:\s*['\"]?(postgres:[\w.-]+)", repository.text(path), re.MULTILINE)
        if found:
            return found[1]
    return "postgres:16"


def _job_that_tests(workflows: Workflows, project: DjangoProject) -> Job | None:
    """The job that runs the project's tests, best one with a database; of the workflow for pull requests first."""
    ranked: list[tuple[tuple[bool, bool, bool], Job]] = []
    for workflow in workflows.documents:
        if not {"pull_request", "push", "merge_group"} & set(workflow.triggers):
            continue
        for job in workflow.jobs.values():
            if any(_tests(step, project) for step in job.steps if step.node.target is None):
                ranked.append((("pull_request" in workflow.triggers, "services" in job.data, not job.needs), job))
    return max(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _tests(step: Step, project: DjangoProject) -> bool:
    """Whether a step runs tests of the project: pytest or `manage.py test`, in its folder or above it."""
    for command in commands_of(step):
        folder = folder_of(command, step)
        if command.name == "pytest":
            root = project.root
            if folder is not None and (root == folder or root.startswith(folder + "/" if folder else "")):
                return True
        if _manages(command, "test"):
            return True
    return False


def _uses_project(step: Step, project: DjangoProject) -> bool:
    """Whether a step does more than setting up: runs manage.py, tests, or a checker."""
    if _tests(step, project):
        return True
    for command in commands_of(step):
        if _manages(command) or command.name in ("coverage", "tox", "nox", "flake8", "ruff", "black", "isort", "mypy"):
            return True
    return False


def manages(command: Command) -> str:
    """The management command that `manage.py` or `django-admin` is asked for; empty for another program."""
    words = [word.text for word in command.argv]
    for at, word in enumerate(words):
        if word == "manage.py" or word.endswith("/manage.py") or word in ("django-admin", "django"):
            return next((each for each in words[at + 1 :] if not each.startswith("-")), "")
        if at > 1:
            break
    return ""


def _manages(command: Command, *wanted: str) -> bool:
    found = manages(command)
    return bool(found) and (not wanted or found in wanted)


def _installs(command: Command) -> bool:
    words = [word.text for word in command.args]
    if command.name not in _INSTALLERS or not words:
        return False
    if command.name in ("pip", "pip3"):
        tools = {"pip", "setuptools", "wheel", "--upgrade", "-U", "-q", "--quiet"}
        return words[0] == "install" and bool(set(words[1:]) - tools)
    return words[0] in ("install", "sync", "pip")


def _requirement_files(command: Command) -> list[str]:
    words = [word.text for word in command.args]
    found = []
    for at, word in enumerate(words):
        if word in ("-r", "--requirement") and at + 1 < len(words):
            found.append(words[at + 1])
        elif word.startswith("--requirement="):
            found.append(word.partition("=")[2])
        elif word.startswith("-r") and len(word) > 2:
            found.append(word[2:])
    return found


def _with_requirement(step: Step, command: Command, file: str) -> str:
    """The script of the install step, with one more file of requirements."""
    assert step.run is not None
    text: str = step.run.value
    end = command.args[0].end
    return f"{text[:end]} -r {file}{text[end:]}"


def _only_requirement(step: Step, command: Command, file: str) -> str:
    """The script of the install step, installing this file instead of the others."""
    assert step.run is not None
    text: str = step.run.value
    return f"{text[: command.args[0].end]} -r {file}{text[command.end :]}"


def _without_matrix(step: Plain, job: Job) -> Plain:
    """A step for a job without a matrix: what came from it becomes its first value."""

    def value(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: value(child) for key, child in node.items()}
        if isinstance(node, list):
            return [value(child) for child in node]
        found = re.fullmatch(r"\$\{\{\s*matrix\.([\w-]+)\s*\}\}", node) if isinstance(node, str) else None
        if found:
            matrix = ((job.data.get("strategy") or {}).get("matrix") or {}) if job.data.get("strategy") else {}
            values = matrix.get(found[1]) if isinstance(matrix, dict) else None
            if isinstance(values, list) and values:
                return str(values[-1]) if isinstance(values[-1], float) else values[-1]
        return node

    return {key: value(child) for key, child in step.items()}


def _normal(folder: str, file: str) -> str:
    path = posixpath.normpath(posixpath.join(folder, file))
    return "" if path == "." else path


def _relative(path: str, folder: str) -> str:
    return posixpath.relpath(path, folder or ".")
