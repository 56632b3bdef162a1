"""How the continuous integration sets the Django project up: what a new job copies from the job that runs the tests."""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from fixer.django.project import DjangoProject
from fixer.django.settings import Database, SettingsReader, module_reads
from fixer.github.action_files import ActionFiles
from fixer.github.catalog import Catalog
from fixer.github.catalog.copied import copied
from fixer.github.expressions import Expression, names_read, only, replaced
from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import Workflows, commands_of, folder_of, in_folder
from fixer.languages.python import item
from fixer.languages.shell import path_word
from fixer.model import Blocked
from fixer.project.packages import PythonPackages

if TYPE_CHECKING:
    from fixer.languages.shell import Command
    from fixer.repository import Repository

_INSTALLERS = frozenset({"pip", "pip3", "poetry", "pipenv", "uv", "pdm"})
_CHECKERS = frozenset(
    {
        "flake8", "ruff", "black", "isort", "mypy", "pyright", "pylint", "bandit", "safety", "pip-audit",
        "pip-licenses", "pre-commit", "codespell", "djlint", "curlylint", "eslint", "prettier", "shellcheck",
    }
)  # fmt: skip
_RUNNERS = ("poetry run", "pipenv run", "uv run", "pdm run", "hatch run")
_POSTGRES_OPTIONS = "--health-cmd pg_isready --health-interval 10s --health-timeout 5s --health-retries 5"
_REDIS_OPTIONS = '--health-cmd "redis-cli ping" --health-interval 10s --health-timeout 5s --health-retries 5'
_IMAGE = re.compile(r"(?:^|/)(?P<name>postgres|postgis|pgvector|timescaledb|mysql|mariadb|redis|valkey)[^/]*$", re.I)
_PORTS = {"redis": 6379, "valkey": 6379, "mysql": 3306, "mariadb": 3306}
# Which part of its address a variable of a cache is told by its name.
_PART_OF_REDIS = re.compile(
    r"(?P<url>URL|URI|DSN|LOCATION)|(?P<port>PORT)|(?P<index>(DB|INDEX|DATABASE)$)|(?P<host>HOST|SERVER|ADDR)", re.I
)
_REDIS = {"url": "redis://localhost:6379/0", "host": "localhost", "port": "6379", "index": "0"}
_CONFIGURES_TESTS = re.compile(r"(^|/)(pytest\.ini|pyproject\.toml|setup\.cfg|tox\.ini|conftest\.py)$")
_SECRET = re.compile(r"SECRET|SIGNING|ENCRYPT|SALT|JWT|TOKEN|API_?KEY|PASSWORD", re.I)

Plain = dict[str, Any]


@dataclass(frozen=True)
class ServiceAddress:
    """Where a PostgreSQL service of a job is reached from its steps, and as whom."""

    host: str
    port: str
    database: str
    user: str
    password: str


@dataclass(frozen=True, eq=False)
class DjangoCI:
    """`job` is the job that runs the Django tests; what it does before them is how this project is set up.

    `project` has the settings that manage.py names, `tested` those that the tests run with. `lenient` are functions
    that read the environment and have a default of their own, each with the module that calls it.
    """

    project: DjangoProject
    packages: PythonPackages | None
    workflow: Workflow
    job: Job
    postgres_image: str
    lenient: frozenset[tuple[str, str]]
    catalog: Catalog
    action_files: ActionFiles

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
        packages, image = repository.fact(PythonPackages), _postgres_image(repository)
        lenient = frozenset(_lenient(repository, project))
        catalog, files = Catalog.detect(repository), repository.fact(ActionFiles) or ActionFiles.detect(repository)
        return cls(project, packages, found.workflow, found, image, lenient, catalog, files)

    # -- the parts of a new job -----------------------------------------------------------------------------------

    def new_job(
        self,
        rule: str,
        title: str,
        *,
        minutes: int,
        env: Mapping[str, str],
        project: DjangoProject,
        with_tests: bool,
        redis: bool,
        serves: bool = False,
    ) -> Plain | Blocked:
        """A job up to the point where the project can run: runner, services, environment, checkout, install.

        The steps are the ones that the job which runs the tests does first. `with_tests` keeps the packages that
        only tests need; `rule` is the id of the rule whose option `env` holds what cannot be inferred. `project` has
        the settings that the job uses; where it `serves` the application, wsgi.py must not choose others.
        """
        copied = self.job.data
        if "container" in copied:
            return Blocked(
                f"job {self.job.id} runs in a container, so its database is reached by another name",
                "add the job by hand",
            )
        named = in_folder(self.project.root, "true", self._test_step)
        if isinstance(named, Blocked):
            return named
        services = self._services(project, redis=redis)
        if isinstance(services, Blocked):
            return services
        steps = self._setup(with_tests=with_tests)
        if isinstance(steps, Blocked):
            return steps
        environment = self._environment(rule, project, services, steps, env, serves=serves)
        if isinstance(environment, Blocked):
            return environment
        job: Plain = self.workflow.job_name(title)
        if names_read("needs", [steps, environment]) and "needs" in copied:
            job["needs"] = copied["needs"]
        job["runs-on"] = self._runner()
        job["timeout-minutes"] = minutes
        job |= {key: copied[key] for key in ("defaults", "permissions") if key in copied}
        if services:
            job["services"] = services
        if environment:
            job["env"] = environment
        job["steps"] = steps
        if names_read("matrix", job):
            return Blocked(f"job {self.job.id} sets the project up from its matrix", "add the job by hand")
        known = {str(step["id"]).lower() for step in steps if "id" in step}
        if {name.lower() for name in names_read("steps", job)} - known:
            return Blocked(f"job {self.job.id} sets the project up from outputs of other steps", "add the job by hand")
        return job

    def run(self, title: str, command: str) -> Plain:
        """A step that runs a command in the folder of manage.py, in the way in which the tests are run."""
        if self.activation:
            command = f"{self.activation}\n{command.rstrip()}\n"
        keys = in_folder(self.project.root, command, self._test_step)
        assert not isinstance(keys, Blocked), "new_job looked at the name of the folder"
        return {**self.workflow.step_name(title), **keys}

    @cached_property
    def prefix(self) -> str:
        """What the project's own programs are started with, such as `poetry run `; mostly empty."""
        for command in commands_of(self._test_step):
            for runner in _RUNNERS:
                if command.source.startswith(runner + " "):
                    return runner + " "
        return ""

    def with_settings(self, name: str) -> DjangoProject:
        """The project with other settings; as it is where no module has that name."""
        for path in self.project.modules:
            if name and self.project.module_name(path) == name:
                return replace(self.project, settings=name, settings_path=path)
        return self.project

    @property
    def given(self) -> dict[str, str]:
        """What the workflow and the job that runs the tests set, without what only a run could tell."""
        everything = {**self._environment_of(self.workflow.root.data), **self._given}
        return {name: str(value) for name, value in everything.items() if "${{" not in str(value)}

    @cached_property
    def tested(self) -> DjangoProject:
        """The project with the settings of its tests, as the job, the command or the configuration of pytest say."""
        project = self.project
        names = [self.given.get("DJANGO_SETTINGS_MODULE", "")]
        for command in commands_of(self._test_step):
            given = command.value("--ds", "--settings")
            names.append(given.text if given is not None else "")
        if any(command.name == "pytest" for command in commands_of(self._test_step)):
            names += [name for name, files in project.named.items() if any(map(_CONFIGURES_TESTS.search, files))]
        found = next((made for name in names if (made := self.with_settings(name)) is not project), project)
        # Without its migrations a project has none to miss.
        chain = found.chain(found.settings_path)
        return project if any("MIGRATION_MODULES" in each.document.assignments for each in chain) else found

    @cached_property
    def _test_step(self) -> Step:
        return next(step for step in self.job.steps if _tests(step, self.project))

    @cached_property
    def _given(self) -> Plain:
        """The environment of the step that runs the tests, as far as the job itself gives it."""
        return {**self._environment_of(self.job.data), **self._environment_of(self._test_step.data)}

    def _environment_of(self, place: Plain) -> Plain:
        env = place.get("env")
        return _without_matrix(env, self.job) if isinstance(env, dict) else {}

    @cached_property
    def activation(self) -> str:
        """How the step that runs the tests enters a virtual environment; mostly empty."""
        found = (command for command in commands_of(self._test_step) if command.name in ("source", "."))
        return next((command.source for command in found if "activate" in command.source), "")

    def _runner(self) -> Any:
        # `${{ matrix.os }}` has no meaning in a job without the matrix.
        runs_on = self.job.data.get("runs-on")
        if not names_read("matrix", runs_on):
            return runs_on
        only = _without_matrix({"runs-on": runs_on}, self.job)["runs-on"]
        return only if str(only).startswith("ubuntu-") else "ubuntu-latest"

    # -- services -------------------------------------------------------------------------------------------------

    def _services(self, project: DjangoProject, *, redis: bool) -> Plain | Blocked:
        """The databases that the tests have, and what the settings need besides."""
        services = self._copied("postgres", "postgis", "pgvector", "timescaledb", "mysql", "mariadb")
        database = _default(project)
        vendor = database.vendor if database is not None else ""
        if database is not None and vendor == "mysql" and not services:
            return Blocked("the default database is MySQL, and no job starts one", "add the job by hand")
        if database is not None and vendor == "postgresql" and not services:
            fixed = database.values
            if fixed.get("HOST", "localhost") not in ("", "localhost", "127.0.0.1"):
                return Blocked(
                    f"{database.path} looks for PostgreSQL on {fixed['HOST']}, and a job has it on localhost",
                    "let the settings read HOST from the environment",
                )
            host = item(database.node, "HOST")
            if isinstance(host, ast.Attribute | ast.Call) and not {"HOST", "URL"} & database.reads.keys():
                return Blocked(
                    f"{database.path}:{host.lineno} takes HOST from `{ast.unparse(host)}`, and no variable is seen "
                    "that leads it to the PostgreSQL of a job",
                    "let the settings read HOST from the environment",
                )
            env = {"POSTGRES_DB": fixed.get("NAME") or "test", "POSTGRES_USER": fixed.get("USER") or "test"}
            # A password that stands in the settings is not copied to yet another file.
            env |= {"POSTGRES_HOST_AUTH_METHOD": "trust"} if fixed.get("PASSWORD") else {"POSTGRES_PASSWORD": "test"}
            services["postgres"] = {
                "image": self.postgres_image,
                "env": env,
                "options": _POSTGRES_OPTIONS,
                "ports": [f"{fixed.get('PORT') or 5432}:5432"],
            }
        if redis:
            services |= self._copied("redis", "valkey")
            if any(cache.is_redis for cache in project.caches) and not any(map(_is_redis, services.values())):
                services["redis"] = {"image": "redis:7", "options": _REDIS_OPTIONS, "ports": ["6379:6379"]}
        return services

    def has_real_services(self, job: Job) -> bool:
        """Whether a job starts what the settings use of PostgreSQL and Redis."""
        services = [*(job.data.get("services") or {}).values()]
        database = _default(self.tested)
        wants_postgres = database is not None and database.vendor == "postgresql"
        has_postgres = any(_kind(service) and _PORTS.get(_kind(service), 5432) == 5432 for service in services)
        wants_redis = any(cache.is_redis for cache in self.tested.caches)
        return (has_postgres or not wants_postgres) and (any(map(_is_redis, services)) or not wants_redis)

    def _copied(self, *kinds: str) -> Plain:
        """The services of these kinds that the tests have, reachable from steps that run on the runner."""
        found: Plain = {}
        for name, service in (self.job.data.get("services") or {}).items():
            kind = _kind(service)
            if kind not in kinds:
                continue
            port = _PORTS.get(kind, 5432)
            made = dict(service)
            if str((made.get("ports") or [""])[0]) in ("", str(port), f"{port}/tcp"):
                made["ports"] = [f"{port}:{port}"]  # a port that is chosen when the job runs could not be named
            if port == 5432:
                made.setdefault("options", _POSTGRES_OPTIONS)
            found[name] = made
        return found

    @staticmethod
    def address(services: Mapping[str, Any]) -> ServiceAddress | None:
        """Where the PostgreSQL service listens; None where there is none, or on a port that is not known."""
        service = next((each for each in services.values() if _PORTS.get(_kind(each), 5432) == 5432), None)
        if service is None:
            return None
        port = str(service["ports"][0]).rpartition(":")[0].rpartition(":")[2]
        env = service.get("env") or {}
        user = str(env.get("POSTGRES_USER", "postgres"))
        database, password = str(env.get("POSTGRES_DB", user)), str(env.get("POSTGRES_PASSWORD", ""))
        return ServiceAddress("localhost", port, database, user, password) if port.isdigit() else None

    # -- environment ----------------------------------------------------------------------------------------------

    def _environment(
        self,
        rule: str,
        project: DjangoProject,
        services: Plain,
        steps: list[Plain],
        configured: Mapping[str, str],
        *,
        serves: bool,
    ) -> Plain | Blocked:
        """What settings.py reads: the values of the job that runs the tests, and those that its services need."""
        everywhere: Plain = dict(self.workflow.root.data.get("env") or {})
        environment = self._needed(project, steps)
        chosen = environment.get("DJANGO_SETTINGS_MODULE", everywhere.get("DJANGO_SETTINGS_MODULE"))
        servers = [name for name, files in project.named.items() if any(re.search(r"[aw]sgi\.py$", f) for f in files)]
        defaults = {chosen} if chosen else {self.project.settings, *(servers if serves else ())}
        if project.settings and defaults - {project.settings}:
            environment["DJANGO_SETTINGS_MODULE"] = project.settings
        postgres = self.address(services)
        if postgres is not None:
            environment |= project.database_environment(
                host=postgres.host,
                port=postgres.port,
                name=postgres.database,
                user=postgres.user,
                password=postgres.password,
            )
        if any(map(_is_redis, services.values())):
            for name, value in _redis_environment(project).items():
                environment.setdefault(name, value)
        written = any(re.search(r"(^|[\s/])\.env\b", str(step.get("run", ""))) for step in steps)
        unset: dict[str, str] = {}
        for read in project.environment:
            known = read.name in environment or read.name in everywhere or read.name in configured
            if not read.required or known or written or (read.path, read.reader) in self.lenient:
                continue
            if _SECRET.search(read.name):
                environment[read.name] = "only-for-tests"
            else:
                unset[read.name] = f"{read.path}:{read.line} requires {read.name}"
        if unset:
            several = len(unset) > 1
            it, suits = ("them", "values that suit") if several else ("it", "a value that suits")
            more = f", the settings {len(unset)} variables in all" if several else ""
            wanted = {**configured, **dict.fromkeys(unset, "…")}.items()
            env = ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in wanted)
            return Blocked(
                f"{next(iter(unset.values()))}{more}, and no job sets {it}",
                f"give {it} {suits} tests, or set {it} in job {self.job.id}",
                f"rules.{rule}.env = {{ {env} }}",
            )
        return {**environment, **configured}

    def _needed(self, project: DjangoProject, steps: list[Plain]) -> Plain:
        """What the tests are given, as far as the settings or the steps read it: the rest would only mislead."""
        reads = {read.name for path in project.modules for read in project.environment_of(path)}
        database = _default(project)
        opaque = database is None or database.shape == "opaque"  # which variables lead to it is not known then
        return {
            name: value
            for name, value in self._given.items()
            if opaque or name in reads or name.startswith("DJANGO_") or re.search(rf"\b{re.escape(name)}\b", str(steps))
        }

    # -- steps ----------------------------------------------------------------------------------------------------

    def _setup(self, *, with_tests: bool) -> list[Plain] | Blocked:
        """What the job does before it first uses the project, with an install that brings Django along."""
        steps: list[Plain] = []
        installs: list[tuple[int, Step, Command]] = []
        trusted = False
        for step in self.job.steps:
            if _uses_project(step, self.project):
                break
            script = str(step.data.get("run", ""))
            if _only_checks(step) or ((installs or trusted) and "GITHUB_OUTPUT" in script):
                continue  # outputs are for the steps that are not taken over
            if step.node.get("if") is not None:
                return Blocked(
                    f"step {step.name or len(steps)} of job {self.job.id} runs under a condition", "add the job by hand"
                )
            commands = commands_of(step)
            installs += [(len(steps), step, command) for command in commands if _installs(command)]
            # What a script, a Makefile or an action of the repository does is enough for the tests.
            trusted = trusted or any(map(_delegates, commands)) or str(step.data.get("uses", "")).startswith("./")
            steps.append(_without_matrix(copied(step, self.catalog, self.action_files), self.job))
        if not any("actions/checkout" in str(step.get("uses", "")) for step in steps):
            return Blocked(f"job {self.job.id} does not check the repository out before it runs the tests")
        if not installs and not trusted:
            return Blocked(
                f"job {self.job.id} does not install the project's packages in a way that fhfix knows",
                "add the job by hand",
            )
        if not trusted and not self._brings_django(installs):
            missing = next((file for file in self.project.requirements if file.endswith((".txt", ".in"))), "")
            if not missing:
                return Blocked(
                    f"no requirements file that job {self.job.id} could install asks for Django", "add Django to one"
                )
            place, step, command = installs[-1]
            folder = folder_of(command, step) or ""
            file = path_word(_relative(missing, folder))
            if isinstance(file, Blocked):
                return file
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
            if command.has("--group") and _normal(folder, "pyproject.toml") in self.project.requirements:
                return True
            for word in command.args[1:]:
                if re.match(r"(?i)django(\[|[=<>~!]|$)", word.text):
                    return True
                if word.text.split("[")[0] in (".", "./") and any(
                    each.endswith(("pyproject.toml", "setup.cfg")) for each in self.project.requirements
                ):
                    return True
        return False


def _lenient(repository: Repository, project: DjangoProject) -> Iterator[tuple[str, str]]:
    settings = SettingsReader(repository, project.root)
    for path, module in project.modules.items():
        for name in {read.reader for read in module_reads(module.document)}:
            function = settings.function(module.document, name)
            defaults = (*function.args.defaults, *function.args.kw_defaults) if function is not None else ()
            raises = function is not None and any(isinstance(node, ast.Raise) for node in ast.walk(function))
            # django-getenv gives None for a variable that is not set.
            if (any(defaults) and not raises) or module.document.imported.get(name) == "getenv.env":
                yield path, name


def _postgres_image(repository: Repository) -> str:
    """The image of PostgreSQL that a compose file runs, else a current one."""
    for path in repository.glob("*compose*.y*ml"):
        found = re.search(r"^\s*image:\s*['\"]?(postgres:[\w.-]+)", repository.text(path), re.MULTILINE)
        if found:
            return found[1]
    return "postgres:16"


def _job_that_tests(workflows: Workflows, project: DjangoProject) -> Job | None:
    """The job that runs the project's tests, best one with a database; of the workflow for pull requests first."""
    ranked: list[tuple[tuple[bool, ...], Job]] = []
    for workflow in workflows.documents:
        if not {"pull_request", "push", "merge_group"} & set(workflow.triggers):
            continue
        for job in workflow.jobs.values():
            if any(_tests(step, project) for step in job.steps if step.node.target is None):
                whole = not re.search(r"e2e|end-to-end|smoke|bench|perf", f"{workflow.path} {job.id}", re.IGNORECASE)
                place = ("pull_request" in workflow.triggers, whole, "services" in job.data, not job.needs)
                ranked.append((place, job))
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
    """Whether a step does more than setting up: runs manage.py or tests."""
    if _tests(step, project):
        return True
    return any(_manages(command) or command.name in ("coverage", "tox", "nox") for command in commands_of(step))


def _only_checks(step: Step) -> bool:
    """Whether a step does nothing but judge the code, which no other job needs to repeat."""
    names = [command.name for command in commands_of(step)]
    return any(name in _CHECKERS for name in names) and set(names) <= _CHECKERS | {"cd", "source", ".", "echo", "true"}


def manages(command: Command) -> str:
    """The management command that `manage.py` or `django-admin` is asked for; empty for another program."""
    words = [word.text for word in command.argv]
    for at, word in enumerate(words):
        if word in ("manage.py", "manage", "django-admin", "django") or word.endswith("/manage.py"):
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


def _delegates(command: Command) -> bool:
    """Whether a command leaves the work to a file of the repository."""
    if command.name in ("make", "just", "task", "invoke", "inv"):
        return True
    script = command.args[0].text if command.name in ("bash", "sh") and command.args else command.name
    return bool(re.search(r"\.(sh|bash)$|^\.?/?(scripts?|bin|ci)/", script)) and not script.startswith("/")


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
    """A step for a job without a matrix: what came from it becomes its last value, mostly the newest version."""
    strategy = job.data.get("strategy")
    matrix = strategy.get("matrix") if isinstance(strategy, dict) else None

    def last(name: str) -> Any:
        given = matrix if isinstance(matrix, dict) else {}
        values = next((found for key, found in given.items() if str(key).lower() == name.lower()), None)
        if not isinstance(values, list) or not values or isinstance(values[-1], dict | list):
            return None
        return str(values[-1]) if isinstance(values[-1], float) else values[-1]

    def of_matrix(expression: Expression) -> Any:
        read = expression.read
        return last(read.name) if read is not None and read.context == "matrix" and len(read.keys) == 2 else None

    def within(expression: Expression) -> str:
        value = of_matrix(expression)
        return expression.text if value is None else str(value)

    def value(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: value(child) for key, child in node.items()}
        if isinstance(node, list):
            return [value(child) for child in node]
        if not isinstance(node, str):
            return node
        expression = only(node)
        found = of_matrix(expression) if expression is not None and expression.text == node else None
        return replaced(node, within) if found is None else found

    return {key: value(child) for key, child in step.items()}


def _redis_environment(project: DjangoProject) -> Plain:
    """The address of a Redis service, in the variables of the caches that are told a part of it by name."""
    found: Plain = {}
    for read in (read for cache in project.caches for read in cache.reads):
        part = _PART_OF_REDIS.search(read.name)
        if part and part.lastgroup and not re.search("localhost|127.0.0.1", read.default or ""):
            found.setdefault(read.name, _REDIS[part.lastgroup])
    return found


def _default(project: DjangoProject) -> Database | None:
    return next((each for each in project.databases if each.alias == "default"), None)


def _kind(service: Any) -> str:
    """The name of the database that a service runs, such as `postgis`; empty for anything else."""
    image = str(service.get("image", "")) if isinstance(service, dict) else ""
    found = _IMAGE.search(image.partition("@")[0].split(":")[0])
    return found["name"].lower() if found else ""


def _is_redis(service: Any) -> bool:
    return _kind(service) in ("redis", "valkey")


def _normal(folder: str, file: str) -> str:
    path = posixpath.normpath(posixpath.join(folder, file))
    return "" if path == "." else path


def _relative(path: str, folder: str) -> str:
    return posixpath.relpath(path, folder or ".")
