"""How the continuous integration sets the Django project up, and a new job that does it in the same way.

A job that runs the tests and passes is the proof of what the project needs: what it runs without is not required.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from fixer.django.job_services import (
    LOCAL,
    POSTGRES_OPTIONS,
    REDIS_OPTIONS,
    address_of,
    copied_services,
    default_database,
    reached_vendors,
    redis_environment,
    vendor_of_service,
)
from fixer.django.job_setup import (
    ENV_FILE,
    Setup,
    installs,
    installs_project,
    names_service,
    preparation,
    setup_of,
    starts_servers,
    text_of,
    with_django,
    without_waits,
)
from fixer.django.naming import is_application
from fixer.django.project import DjangoProject
from fixer.django.pythons import release_of, sets_up
from fixer.django.settings import EnvRead, SettingsReader, module_reads, resolve
from fixer.django.test_run import TestRun, delegated, fails_its_job, judging, leaves_tests, manages, manages_it
from fixer.github.action_files import ActionFiles
from fixer.github.catalog.actions import Catalog
from fixer.github.combination import combination_of, filled
from fixer.github.expressions import ANY, reads_below, services_read
from fixer.github.recipe import Recipe
from fixer.github.timeline import NO_ACTIONS, LocalActions
from fixer.github.workflow import Job, Workflow
from fixer.github.workflows import Workflows, commands_of, folder_of, in_folder, script_of
from fixer.languages.python import item, text
from fixer.languages.shell import path_word
from fixer.languages.tables import mapping
from fixer.languages.toml import toml_value
from fixer.model import Blocked, Parts, Span
from fixer.project.packages import PythonPackages
from fixer.project.test_suites import TestSuites
from fixer.records import entity
from fixer.runtime.picture import Runtime
from fixer.scripts import Quoted, ScriptText, with_edits

if TYPE_CHECKING:
    from fixer.django.settings import Database
    from fixer.github.workflow import Step
    from fixer.languages.python import PythonModule
    from fixer.languages.shell import Command
    from fixer.repository import Repository

_CONFIGURES_TESTS = re.compile(r"(^|/)(pytest\.ini|pyproject\.toml|setup\.cfg|tox\.ini|conftest\.py)$")
_SECRET = re.compile(r"SECRET|SIGNING|ENCRYPT|SALT|JWT|TOKEN|API_?KEY|PASSWORD", re.I)
# What programs and libraries read that no file of the repository names.
_READ_BY_OTHERS = re.compile(r"(DJANGO|PG|PYTHON|PIP|UV|POETRY|PIPENV|PDM|LD|LC|AWS|GDAL|GEOS|PROJ)_?|(TZ|LANG|PATH)$")
_NO_OTHER = "and no other job that judges changes installs the project"
_FOR_SOMETHING_ELSE = re.compile(
    r"docs?\b|pages|release|publish|deploy|security|codeql|crowdin|weblate|transifex|translat|i18n|l10n", re.IGNORECASE
)
_OF_THE_FRONT_END = re.compile(r"node|npm|yarn|front-?end|react|angular|vue|javascript|typescript", re.IGNORECASE)
_OF_HISTORY = re.compile(r"\bgit\b|[-_]scm\b|vcs|versioneer|\bpbr\b|dynamic[-_]versioning|dunamai|versioningit")
_PACKAGING = ("pyproject.toml", "setup.py", "setup.cfg", "Makefile", "justfile", "Taskfile.yml", "tasks.py")
_BRINGS_PROGRAMS = frozenset({"apt", "apt-get", "pip", "pip3", "pipx", "curl", "wget", "ln", "install", "snap", "brew"})
# What makes the packages of an installer those of the Python that is called, in whatever step it stands.
_ONE_ENVIRONMENT = re.compile(
    r"virtualenvs[.-]create|VIRTUALENVS_CREATE|activate|--system|--env|SYSTEM_PYTHON|PROJECT_ENVIRONMENT|GITHUB_PATH|"
    r"\.venv|pip install|poetry export|poetry shell|pipenv shell|PIPENV_SYSTEM"
)
_PREFIXES = {
    "poetry": ScriptText.of("poetry run "),
    "pipenv": ScriptText.of("pipenv run "),
    "uv": ScriptText.of("uv run "),
    "pdm": ScriptText.of("pdm run "),
}

Plain = dict[str, Any]


@entity
class DjangoCI:
    """`run` is how the tests are run, and `job` the job that does it; what it does before is how the project is set up.

    Where no job tests, `job` is one that installs the packages, and None where there is no such job either, for which
    `reason` says why. `caller` calls a workflow of another repository which may test, where none is seen that does.
    `project` has the settings that manage.py names. `mentioned` are the variables of the job that some Python file
    names, `defaulted` those that the reader of the environment knows a default of; `of_pytest` those that the
    configuration of the tests sets itself. `python_release` is that of the project, where the job has several.
    `shares_environment`: poetry makes none of its own. `env_writers` are the scripts, as the job names them, that name
    an env file. `reads_history`: something that sets the project up may look at the commits before.
    """

    project: DjangoProject
    packages: PythonPackages | None
    workflow: Workflow
    run: TestRun | None
    job: Job | None
    caller: Job | None
    reason: str
    postgres_image: str
    lenient: frozenset[tuple[str, str]]
    defaulted: frozenset[str]
    mentioned: frozenset[str]
    of_pytest: Mapping[str, str]
    python_release: str
    catalog: Catalog
    action_files: ActionFiles
    shares_environment: bool = False
    env_writers: frozenset[str] = frozenset()
    reads_history: bool = True

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None without a Django project that is run or served, or without a workflow."""
        project = repository.fact(DjangoProject)
        workflows = repository.fact(Workflows)
        if project is None or workflows is None:
            return None
        if not project.manage_py and (project.is_aside or not _is_served(project)):
            return None
        run = TestRun.best(workflows, project)
        if run is not None and _is_of_another(run, repository):
            run = None
        packages = repository.fact(PythonPackages)
        job = run.job if run is not None else _job_that_installs(workflows, project, packages)
        if not project.manage_py:
            run = job = None
        suites = repository.fact(TestSuites)
        caller = _caller_of_another(workflows) if run is None else None
        shown = job or caller
        return cls(
            project,
            packages,
            shown.workflow if shown is not None else workflows.integration or workflows.documents[0],
            run,
            job,
            caller,
            _why_no_job(repository, workflows, project, packages),
            _postgres_image(repository),
            frozenset(_lenient(repository, project)),
            frozenset(_defaulted(repository, project)),
            _mentioned(repository, job),
            suites.environment if suites is not None else {},
            release_of(repository, project.root, job) if job is not None and job.matrix is not None else "",
            Catalog.load(),
            repository.fact(ActionFiles) or ActionFiles.detect(repository),
            any("create = false" in repository.text(path) for path in repository.named("poetry.toml")),
            frozenset(_env_writers(repository, job)) if job is not None else frozenset(),
            job is None or _reads_history(repository, project, job),
        )

    @property
    def span(self) -> Span:
        """Where a finding about all jobs points: at the job that is learnt from, or may test, else at `jobs`."""
        shown = self.job or self.caller
        return shown.node.span if shown is not None else self.workflow.root.key_spans["jobs"]

    @property
    def unseen(self) -> Blocked | None:
        """Why it is not known what the tests do, and what beside them."""
        if self.caller is None or self.caller.uses is None:
            return None
        called = str(self.caller.uses.value)
        return Blocked(
            f"job {self.caller.id} calls {called} of another repository, and what that does is not known",
            "add the job by hand where that workflow does not do it, else ignore this finding",
        )

    # -- a new job ------------------------------------------------------------------------------------------------

    def new_job(
        self,
        rule: str,
        title: str,
        *,
        minutes: int,
        env: Mapping[str, str],
        project: DjangoProject,
        with_tests: bool,
        everything: bool,
        serves: bool = False,
    ) -> Plain | Blocked:
        """A job up to the point where the project can run: runner, services, environment, checkout, install.

        `with_tests` keeps the packages and programs that only tests need, `everything` the services that are no
        database. `rule` is the id of the rule whose option `env` holds what cannot be inferred. `project` has the
        settings that the job uses; where it `serves` the application, wsgi.py must not choose others.
        """
        if self.job is None:
            next_step = "add a job that runs the tests: fhfix makes others after it"
            return Blocked(self.reason, next_step if self.project.manage_py else "add the job by hand")
        if isinstance(folder := path_word(self.project.root), Blocked):
            return folder
        if not self.in_container and (apart := self._in_another_environment()):
            return apart
        job, release = self.job, self.python_release
        combination = combination_of(job, lambda one: bool(release) and sets_up(job, one, release))
        # From 3.2 on makemigrations only warns where no database answers.
        database = with_tests or (self.project.version is not None and self.project.version.may_be_older_than(3, 2))
        setup = setup_of(self.job, self.run, combination, with_tests=with_tests, needs_database=database)
        if isinstance(setup, Blocked):
            return setup
        if self.in_container:
            setup = setup.rewritten(self._by_plugin)
            services: Plain = {}
            environment: Plain | Blocked = self._kept(project, setup)
        else:
            packages = self.packages or PythonPackages((), (), {}, {})
            setup = with_django(setup, self.project, packages, with_tests=with_tests)
            if isinstance(setup, Blocked):
                return setup
            found = self._services(project, setup, everything=everything, needs_database=with_tests)
            if isinstance(found, Blocked):
                return found
            behind = {name: each for name, each in mapping(self.job.data.get("services")).items() if name not in found}
            setup = without_waits(setup, behind, self.given)
            # What another of its steps uses would fail without, and so would settings that demand its port.
            demanded = services_read(self._demanded(project))
            used = (
                name
                for name, each in behind.items()
                if name.lower() in demanded or names_service(setup, name, each, self.given)
            )
            services = {**found, **{name: behind[name] for name in used}}
            environment = self._environment(rule, project, services, setup, env, serves=serves)
        if isinstance(environment, Blocked):
            return environment
        # Who configures the variables of the job knows that it works with them.
        if not self.in_container and not env and (unproven := self._unproven()):
            return unproven
        steps = [(each.step, each.data) for each in setup.steps]
        given: Plain = filled(environment, combination)
        history = with_tests or self.reads_history
        made = Recipe(self.job, self.catalog, self.action_files, combination, steps, services, given, history)
        return made.job(title, minutes)

    def _unproven(self) -> Blocked | None:
        """Why it is not known that Django starts after what the job does to set the project up."""
        assert self.job is not None, "new_job has said why"
        if not (self.run is not None and self.run.is_judged) and not any(
            _starts_django(command, step, self.project) and fails_its_job(command, step)
            for step in self.job.own_steps
            for command in commands_of(step)
        ):
            done = "ignores how its tests end" if self.run is not None else "installs the packages"
            return Blocked(
                f"job {self.job.id} {done}, and no other step of it shows that Django starts there",
                "let it run the tests, or `manage.py check`, then run fhfix again",
            )
        return None

    def _in_another_environment(self) -> Blocked | None:
        """Why the tests do not find what the job installs."""
        assert self.job is not None, "new_job has said why"
        if self.run is None or self.run.prefix or "/" in self.run.python or self.shares_environment:
            return None
        commands = [command for step in self.job.own_steps for command in commands_of(step) if installs(command)]
        own = {command.name for command in commands if command.args[0].text in ("install", "sync")} & _PREFIXES.keys()
        told = [
            self.workflow.root.data.get("env"),
            self.job.data.get("env"),
            *(step.data for step in self.job.own_steps),
        ]
        if not own or not all(command.name in own for command in commands) or _ONE_ENVIRONMENT.search(str(told)):
            return None
        installer = min(own)
        return Blocked(
            f"job {self.job.id} installs with {installer} into an environment of its own, and tests outside it",
            f"start it with `{installer} run`, then run fhfix again",
        )

    def add_job(self, name: str, job: Plain, *, gates: bool = True) -> Parts:
        """Adds a job under this name, spelled and announced as its neighbours are."""
        assert self.job is not None, "new_job has said why"
        banner = self.workflow.banner(name.replace("-", " ").capitalize(), self.job)
        return self.workflow.add_job(name, job, like=self.job, gates=gates, comment=banner)

    def step(self, job: Plain, title: str, command: ScriptText, *, at_root: bool = False, alone: bool = False) -> Plain:
        """A step of the new job that runs a command where, and after the preparation with which, the tests are run.

        `at_root`: the command wants to run in the folder of manage.py; `alone`: and nothing beside it.
        """
        made: Plain = self.workflow.step_name(title)
        command = self._by_plugin(command)
        if self.run is None or self.run.folder is None:
            keys = in_folder(self.project.root, command, self.run.step if self.run else self._last_step)
            assert not isinstance(keys, Blocked), "new_job looked at the name of the folder"
            return made | keys
        own = self.run.step.data
        prepared = preparation(self.run, alone=alone)
        lines = [prepared] if prepared else []
        reached = folder_of(script_of(ScriptText.lines([*lines, ScriptText.of("true")])).commands[-1], self.run.step)
        if reached is not None and reached != self.run.folder:  # the tests go there in a subshell
            folder = path_word(posixpath.relpath(self.run.folder or ".", reached or "."))
            assert not isinstance(folder, Blocked), "new_job looked at the name of the folder"
            lines.append(ScriptText.of("cd @folder@", folder=folder))
        if at_root and self.run.folder != self.project.root:
            folder = path_word(posixpath.relpath(self.project.root or ".", self.run.folder or "."))
            assert not isinstance(folder, Blocked), "new_job looked at the name of the folder"
            lines.append(ScriptText.of("cd @folder@", folder=folder))
        made |= {key: own[key] for key in ("working-directory", "shell") if key in own}
        known = self._known_beside(mapping(job.get("services")))
        made |= {"env": known} if known else {}
        if not lines and "\n" not in command:
            return made | {"run": command}
        return made | {"run": ScriptText.lines([*lines, command.rstrip("\n")])}

    @property
    def in_container(self) -> bool:
        """Whether the tests run in a container of compose that the steps start."""
        return self.run is not None and self.run.in_container

    @cached_property
    def _has_only_the_plugin(self) -> bool:
        """Whether the job runs where `docker-compose` is not, and installs none.

        https://github.blog/changelog/2024-04-10-github-hosted-runner-images-deprecation-notice-docker-compose-v1/
        """
        runner = self.job.data.get("runs-on") if self.job is not None else None
        if self.job is None or not isinstance(runner, str) or not re.match(r"ubuntu-(latest|2[2-9]\.04)$", runner):
            return False
        brought = (
            "docker-compose" in word.text
            for step in self.job.steps
            for command in commands_of(step)
            if command.name in _BRINGS_PROGRAMS
            for word in command.args
        )
        actions = (step.action for step in self.job.steps)
        return not any(brought) and not any("compose" in action for action in actions)

    def _by_plugin(self, text: ScriptText) -> ScriptText:
        """A script that calls docker's own compose where there is no `docker-compose`."""
        if "docker-compose" not in text or not self._has_only_the_plugin:
            return text
        starts = [
            word.start
            for command in script_of(text).commands
            for word in command.words
            if word.text == "docker-compose" and word.end - word.start == len(word.text)
        ]
        plugin = ScriptText.of("docker compose")
        changed = with_edits(text, [(start, start + len("docker-compose"), plugin) for start in sorted(set(starts))])
        return ScriptText.written(changed)

    @property
    def manage(self) -> ScriptText:
        """What a step runs management commands with: `poetry run python manage.py`."""
        if self.run is not None and self.run.folder is not None:
            return self.run.manage
        return self.prefix + ScriptText.of("python manage.py")

    @property
    def python(self) -> ScriptText:
        """The interpreter of the tests."""
        return self.run.python if self.run is not None else ScriptText.of("python")

    @property
    def pytest(self) -> ScriptText:
        """How a step starts pytest."""
        return self.run.pytest if self.run is not None else self.prefix + ScriptText.of("pytest")

    def path(self, path: str) -> Quoted | Blocked:
        """A path of the repository as one word of a step."""
        folder = self.project.root if self.run is None or self.run.folder is None else self.run.folder
        if self.in_container:
            folder = self.project.root
        return path_word(posixpath.relpath(path, folder or "."))

    @cached_property
    def prefix(self) -> ScriptText:
        """What the project's own programs are started with, such as `poetry run `; mostly empty."""
        if self.run is not None:
            return self.run.prefix
        commands = [command for step in self.job.steps for command in commands_of(step)] if self.job else []
        names = [command.name for command in commands if installs(command) and command.args[0].text != "pip"]
        return next((_PREFIXES[name] for name in names if name in _PREFIXES), ScriptText.of(""))

    @property
    def activation(self) -> bool:
        """Whether the step that runs the tests enters a virtual environment."""
        return self.run is not None and "activate" in preparation(self.run, alone=True)

    @property
    def _last_step(self) -> Step:
        assert self.job is not None
        return self.job.steps[-1]

    # -- settings -------------------------------------------------------------------------------------------------

    def with_settings(self, name: str) -> DjangoProject:
        """The project with other settings; as it is where no module has that name."""
        for path in self.project.modules:
            if name and self.project.module_name(path) == name:
                return replace(self.project, settings=name, settings_path=path)
        return self.project

    @property
    def given(self) -> dict[str, str]:
        """What the workflow and the job that runs the tests set, without what only a run could tell."""
        return {name: str(value) for name, value in self._all_given.items() if "${{" not in str(value)}

    @property
    def _all_given(self) -> Plain:
        return {**mapping(self.workflow.root.data.get("env")), **self._of_job, **self._of_test}

    @cached_property
    def _tested(self) -> tuple[DjangoProject, bool]:
        """The project with the settings of its tests, and whether that these can be imported is proven by the tests."""
        project, run = self.project, self.run
        if run is None:
            return project, False
        names = [run.assignments.get("DJANGO_SETTINGS_MODULE", ""), self.given.get("DJANGO_SETTINGS_MODULE", "")]
        option = run.command.value("--ds", "--settings")
        names.insert(0, option.text if option is not None else "")
        if run.is_pytest:
            names += [name for name, files in project.named.items() if any(map(_CONFIGURES_TESTS.search, files))]
        named = any(names)
        found = next((made for name in names if (made := self.with_settings(name)) is not project), project)
        # Without its migrations a project has none to miss.
        chain = found.chain(found.settings_path)
        if any("MIGRATION_MODULES" in each.document.assignments for each in chain):
            return project, found.settings_path == project.settings_path
        return found, run.is_judged and (named or not run.is_pytest)

    @property
    def tested(self) -> DjangoProject:
        """The project with the settings of its tests, as the job, the command or the configuration of pytest say."""
        return self._tested[0]

    def _is_proven(self, project: DjangoProject) -> bool:
        """Whether the tests import the same settings, so that what they run without is not required."""
        tested, proven = self._tested
        return proven and project.settings_path == tested.settings_path

    # -- services -------------------------------------------------------------------------------------------------

    def _services(
        self, project: DjangoProject, setup: Setup, *, everything: bool, needs_database: bool
    ) -> Plain | Blocked:
        """The databases that the tests have, and, where they have none, what the settings need."""
        assert self.job is not None
        services = copied_services(self.job, project, self.given, everything=everything)
        vendors = {vendor_of_service(each) for each in services.values()}
        database = default_database(project, self._all_given)
        if database is not None and not vendors & {"postgresql", "mysql"} and not setup.starts_servers:
            found = self._database(project, database)
            if isinstance(found, Blocked) and needs_database:
                return found
            if not isinstance(found, Blocked) and (needs_database or not self._does_without_database(project)):
                services |= found
        redis = everything and any(cache.is_redis for cache in project.caches) and "redis" not in vendors
        if redis and not setup.starts_servers:
            services["redis"] = {"image": "redis:7", "options": REDIS_OPTIONS, "ports": ["6379:6379"]}
        return services

    def _does_without_database(self, project: DjangoProject) -> bool:
        """Whether the tests do without, and Django only warns where it looks for a database and finds none.

        `makemigrations` does so from 3.2 on (measured: 3.1.14 fails, 3.2.25 warns).
        """
        return self._is_proven(project) and project.version is not None and project.version.at_least(3, 2)

    def _database(self, project: DjangoProject, database: Database) -> Plain | Blocked:
        """A service that no job has yet; empty where the settings need none, or are led to another host."""
        reached = reached_vendors(project, self.given)
        if reached is not None and not reached and database.reads.get("HOST") is not None:
            return {}
        wanted = reached or frozenset({database.vendor})
        if "mysql" in wanted:
            return Blocked("the default database is MySQL, and no job starts one", "add the job by hand")
        if "postgresql" not in wanted:
            return {}
        made = self._postgres(database)
        return made if isinstance(made, Blocked) else {"postgres": made}

    def _postgres(self, database: Database) -> Plain | Blocked:
        """A service for these settings, where they can be led to it."""
        assert self.job is not None
        if self.job.container is not None:
            return Blocked(
                f"job {self.job.id} runs in a container, so a database is reached by another name",
                "add the job by hand",
            )
        names = [read.name for read in database.reads.values()]
        twice = next((name for name in names if names.count(name) > 1), "")
        if twice:
            return Blocked(
                f"{database.path} makes several parts of the address of PostgreSQL from {twice}", "add the job by hand"
            )
        fixed = database.values
        if fixed.get("HOST", "localhost") not in LOCAL:
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
        port = f"{fixed.get('PORT') or 5432}:5432"
        return {"image": self.postgres_image, "env": env, "options": POSTGRES_OPTIONS, "ports": [port]}

    def has_real_services(self, job: Job) -> bool:
        """Whether a job starts what the settings use of databases and Redis."""
        if starts_servers(job.steps):
            return True
        vendors = {vendor_of_service(service) for service in mapping(job.data.get("services")).values()}
        return self._vendors_wanted <= vendors and ("redis" in vendors or not self._always_has_redis)

    @property
    def wants_services(self) -> bool:
        """Whether the settings of the tests use a database that is no file, or Redis."""
        return bool(self._vendors_wanted) or self._always_has_redis

    @property
    def _vendors_wanted(self) -> set[str]:
        database = default_database(self.tested, self._all_given)
        return {each for each in ("postgresql", "mysql") if database is not None and each == database.vendor}

    @property
    def _always_has_redis(self) -> bool:
        """Whether the settings of the tests have a cache in Redis, and under no condition another."""
        chain = self.tested.chain(self.tested.settings_path)
        said = [value for module in chain for value in module.document.assignments.get("CACHES", [])]
        return len(said) == 1 and any(cache.is_redis for cache in self.tested.caches)

    # -- environment ----------------------------------------------------------------------------------------------

    @cached_property
    def _of_job(self) -> Plain:
        return mapping(self.job.data.get("env")) if self.job is not None else {}

    @cached_property
    def _of_test(self) -> Plain:
        """What the step that runs the tests sets for itself; where none is seen, what the steps of the job agree on."""
        if self.run is not None:
            return {**mapping(self.run.step.data.get("env")), **self.run.assignments}
        given: dict[str, list[Any]] = {}
        for step in self.job.steps if self.job is not None else ():
            for name, value in mapping(step.data.get("env")).items():
                given.setdefault(name, []).append(value)
        return {name: values[0] for name, values in given.items() if all(each == values[0] for each in values)}

    @cached_property
    def _of_services(self) -> frozenset[str]:
        """The variables of the job that its services are made with: `${{ env.POSTGRES_DB }}`."""
        services = self.job.data.get("services") if self.job is not None else None
        return frozenset(read.name for read in reads_below(services) if read.context == "env")

    @cached_property
    def _of_step(self) -> Plain:
        """What of it cannot stand in the variables of a job: these know no `env`, no `job` and no `steps`."""
        return {name: value for name, value in self._of_test.items() if reads_of_steps(value)}

    def _known_beside(self, services: Plain) -> Plain:
        """The same without what tells of services that are not among these: it would be empty."""
        there = {ANY, *(name.lower() for name in services)}
        return {name: value for name, value in self._of_step.items() if services_read(value) <= there}

    def _demanded(self, project: DjangoProject) -> Plain:
        """The same, as far as the settings cannot be imported without."""
        wanted = {read.name for read in project.environment if read.required}
        return {name: value for name, value in self._of_step.items() if name in wanted}

    def _environment(
        self,
        rule: str,
        project: DjangoProject,
        services: Plain,
        setup: Setup,
        configured: Mapping[str, str],
        *,
        serves: bool,
    ) -> Plain | Blocked:
        """What settings.py reads: the values of the job that runs the tests, and those that its services need."""
        everywhere = mapping(self.workflow.root.data.get("env"))
        environment = self._kept(project, setup)
        known = {**everywhere, **environment, **self._known_beside(services)}
        chosen = known.get("DJANGO_SETTINGS_MODULE")
        servers = [name for name, files in project.named.items() if any(map(is_application, files))]
        defaults = {chosen} if chosen else {self.project.settings, *(servers if serves else ())}
        if project.settings and defaults - {project.settings}:
            environment["DJANGO_SETTINGS_MODULE"] = project.settings
        elif self.project.empty_settings and not {"DJANGO_SETTINGS_MODULE"} & {*known, *configured}:
            return Blocked(
                f"{self.project.manage_py} names {self.project.empty_settings}, which is empty: Django then knows no "
                "application",
                "name the settings that the job should use",
                f'rules.{rule}.env.DJANGO_SETTINGS_MODULE = "{self.project.settings}"',
            )
        told = {**self._addresses(project, services, known), **self._of_tests(project)}
        environment |= {name: value for name, value in told.items() if name not in known}
        missing = self._missing(project, setup, {**known, **environment, **configured})
        unset: dict[str, EnvRead] = {}
        for read in missing:
            if _SECRET.search(read.name):
                environment[read.name] = "only-for-tests"
            else:
                unset[read.name] = read
        if unset:
            return self._asked_for(rule, unset, configured)
        return {**environment, **configured}

    def _kept(self, project: DjangoProject, setup: Setup) -> Plain:
        """What the tests are given, as far as something reads it: the rest would only mislead."""
        database = default_database(project, self._all_given)
        opaque = database is None or database.shape == "opaque"  # which variables lead to it is not known then
        reads = {read.name for path in project.modules for read in project.environment_of(path)}
        given = {**self._of_job, **{name: v for name, v in self._of_test.items() if name not in self._of_step}}
        return {
            name: value
            for name, value in given.items()
            if opaque
            or name in reads | self.mentioned | self._of_services
            or _READ_BY_OTHERS.match(name)
            or re.search(rf"\b{re.escape(name)}\b", setup.text)
        }

    def _addresses(self, project: DjangoProject, services: Plain, known: Mapping[str, Any]) -> Plain:
        """The variables that lead the settings to the services."""
        found: Plain = {}
        in_container = self.job is not None and self.job.container is not None
        address = address_of(services, known, by_name=in_container)
        if address is not None:
            found |= project.database_environment(
                host=address.host,
                port=address.port,
                name=address.database,
                user=address.user,
                password=address.password,
            )
        if not in_container and any(vendor_of_service(service) == "redis" for service in services.values()):
            found = {**redis_environment(project), **found}
        return found

    def _of_tests(self, project: DjangoProject) -> Plain:
        """What only the configuration of pytest sets, and the settings demand."""
        if self.run is None or not self.run.is_pytest:
            return {}
        wanted = {read.name for read in project.environment}
        return {name: value for name, value in self.of_pytest.items() if name in wanted}

    def _missing(self, project: DjangoProject, setup: Setup, known: Mapping[str, Any]) -> Iterator[EnvRead]:
        """What the settings demand and nothing gives; nothing where the tests pass without it."""
        if self._is_proven(project) or setup.written or setup.names(self.env_writers):
            return
        for read in project.environment:
            lenient = read.name in self.defaulted or (read.path, read.reader) in self.lenient
            if read.required and read.name not in known and not lenient:
                yield read

    def _asked_for(self, rule: str, unset: Mapping[str, EnvRead], configured: Mapping[str, str]) -> Blocked:
        assert self.job is not None
        first, *others = unset.values()
        it, suits = ("them", "values that suit") if others else ("it", "a value that suits")
        more = f", the settings {len(unset)} variables in all" if others else ""
        wanted = {**configured, **dict.fromkeys(unset, "…")}.items()
        env = ", ".join(f"{name} = {toml_value(value)}" for name, value in wanted)
        return Blocked(
            f"{first.path}:{first.line} requires {first.name}{more}, and no job sets {it}",
            f"give {it} {suits} tests, or set {it} in job {self.job.id}",
            f"rules.{rule}.env = {{ {env} }}",
        )


def _starts_django(command: Command, step: Step, project: DjangoProject) -> bool:
    """Whether a command runs manage.py, pytest where its folder cannot be told, or leaves the tests to a file or to a
    task of the installer: `pipenv run tests`."""
    if manages(command):
        return manages_it(command, step, project)
    if command.name in ("pytest", "py.test"):
        return folder_of(command, step) is None
    task = command.name if command.words[0].text in _PREFIXES else ""
    return leaves_tests(command) or re.fullmatch(r"tests?", task) is not None


def _is_of_another(run: TestRun, repository: Repository) -> bool:
    """Whether the tests run in a service of compose with an image of its own, beside those that start Django."""
    runtime = repository.fact(Runtime) if run.in_container else None
    services = [each for each in runtime.programs if each.origin == "compose"] if runtime is not None else []
    words = {word.text for word in run.command.words}
    asked = {program.image for program in services if program.name in words}
    django = {program.image for program in services if program.is_django}
    return bool(asked and django) and None not in asked and not asked & django


def _is_served(project: DjangoProject) -> bool:
    """Whether a wsgi.py or asgi.py names its settings: it is no library with settings for its tests."""
    return any(is_application(file) for files in project.named.values() for file in files)


def reads_of_steps(value: Any) -> bool:
    """Whether a value reads what is only known while steps run."""
    return any(read.context in ("env", "job", "steps", "runner") for read in reads_below(value))


def _job_that_installs(workflows: Workflows, project: DjangoProject, packages: PythonPackages | None) -> Job | None:
    """A job that judges every change and installs the packages of the project, the one that does least else."""
    found = [
        job
        for workflow in judging(workflows)
        if workflow.sees_every_change
        for job in workflow.jobs.values()
        if job.node.get("if") is None and not _FOR_SOMETHING_ELSE.search(f"{workflow.path} {job.id}")
        if any(
            installs_project(step, command, project, packages)
            for step in job.own_steps
            for command in commands_of(step)
        )
    ]
    return min(found, key=lambda job: len(job.steps), default=None)


def _why_no_job(
    repository: Repository, workflows: Workflows, project: DjangoProject, packages: PythonPackages | None
) -> str:
    if not project.manage_py:
        return "the project has no manage.py that a job could run"
    for step, command in delegated(workflows):
        if step.job is not None:
            return f"job {step.job.id} leaves the tests to `{command.source}`, {_NO_OTHER}"
    actions = repository.fact(LocalActions) or NO_ACTIONS
    for workflow in judging(workflows):
        for step in workflow.steps:
            if step.job is not None and _may_install(step, actions, project, packages):
                return f"job {step.job.id} leaves what it does to {step.action}, {_NO_OTHER}"
    if caller := _caller_of_another(workflows):
        assert caller.uses is not None
        return f"job {caller.id} leaves what it does to {str(caller.uses.value).partition('@')[0]}, {_NO_OTHER}"
    return "no job that judges every change is seen to run the tests of the project, or to install its packages"


def _caller_of_another(workflows: Workflows) -> Job | None:
    """A job that judges changes by a workflow of another repository, which may test the project."""
    for workflow in judging(workflows):
        push = workflow.root.mapping("on").get("push")
        if (
            "pull_request" not in workflow.triggers
            and push is not None
            and push.get("tags")
            and not push.get("branches")
        ):
            continue  # what has a tag is judged already
        for job in workflow.jobs.values():
            called = str(job.uses.value) if job.uses is not None else ""
            named = f"{workflow.path} {job.id} {called}"
            if called and not called.startswith("./") and not _aside(named):
                return job
    return None


def _aside(named: str) -> bool:
    """Whether a job is named for something else than the tests of the project."""
    return _FOR_SOMETHING_ELSE.search(named) is not None or _OF_THE_FRONT_END.search(named) is not None


def _may_install(step: Step, actions: LocalActions, project: DjangoProject, packages: PythonPackages | None) -> bool:
    """Whether an action of the repository installs the project, or cannot be read."""
    if not step.action.startswith("./"):
        return False
    action = actions.of(step)
    if action is None:
        return True
    return any(
        inner.action.startswith("./")
        or any(installs_project(inner, command, project, packages) for command in commands_of(inner))
        for inner in action.steps
    )


def _env_writers(repository: Repository, job: Job) -> Iterator[str]:
    """The scripts of the repository, as a job names them, that may write an env file."""
    for named, path in _named_files(repository, job):
        if named.endswith((".py", ".sh")) and ENV_FILE.search(repository.text(path)):
            yield named


def _named_files(repository: Repository, job: Job) -> Iterator[tuple[str, str]]:
    """The files of the repository that the steps of a job name: as they name them, and where they are."""
    for step in job.own_steps:
        for command in commands_of(step):
            for word in command.words:
                path = posixpath.normpath(posixpath.join(folder_of(command, step) or "", word.text))
                if repository.exists(path):
                    yield word.text, path


def _reads_history(repository: Repository, project: DjangoProject, job: Job) -> bool:
    """Whether something that sets the project up may look at its history, by which many packages find their version."""
    if any(step.action.startswith("./") or _OF_HISTORY.search(text_of(step.data)) for step in job.own_steps):
        return True
    paths = {*project.modules, *(path for _, path in _named_files(repository, job))}
    paths.update(path for name in _PACKAGING for path in repository.named(name))
    return any(_OF_HISTORY.search(repository.text(path)) for path in paths)


def _mentioned(repository: Repository, job: Job | None) -> frozenset[str]:
    """The variables of a job, and of its steps, that a Python file of the repository names."""
    names = (
        {name for node in (job.node, *(step.node for step in job.steps)) for name in node.texts("env")} if job else ()
    )
    # A name is looked for as a word only where it occurs at all, which hardly any file does.
    missing = {name: re.compile(rf"\b{re.escape(name)}\b") for name in names if not _READ_BY_OTHERS.match(name)}
    wanted = frozenset(missing)
    for path in repository.ending(".py"):
        if missing and path.endswith(".py"):
            text = repository.text(path)
            for name in [name for name, word in missing.items() if name in text and word.search(text)]:
                del missing[name]
    return wanted - missing.keys()


def _lenient(repository: Repository, project: DjangoProject) -> Iterator[tuple[str, str]]:
    """Functions that read a variable and go on where it is not set, each with the module that calls it."""
    settings = SettingsReader(repository, project.root)
    for path, module in project.modules.items():
        for name in {read.reader for read in module_reads(module.document)}:
            function = settings.function(module.document, name)
            # django-getenv gives None for a variable that is not set.
            if module.document.imported.get(name) == "getenv.env" or (function is not None and not _demands(function)):
                yield path, name


def _defaulted(repository: Repository, project: DjangoProject) -> Iterator[str]:
    """The variables that are declared with a default where the reader is made: `env = Env(DEBUG=(bool, False))`.

    https://django-environ.readthedocs.io/en/latest/quickstart.html
    """
    settings = SettingsReader(repository, project.root)
    for module in project.modules.values():
        for name in {read.reader.partition(".")[0] for read in module_reads(module.document)}:
            home = settings.home_of(module.document, name)
            own = module.document.imported.get(name, "").rpartition(".")[2] or name
            for value in home.assignments.get(own, []) if home is not None else ():
                if home is not None and isinstance(value, ast.Call) and value.keywords:
                    yield from _declared(home, value)


def _declared(module: PythonModule, call: ast.Call) -> Iterator[str]:
    """The keywords of a call that have a type and a default, also those that `**` takes from a dict of the module."""
    for keyword in call.keywords:
        value = resolve(module, keyword.value)
        if keyword.arg is not None:
            pairs: list[tuple[str, ast.expr]] = [(keyword.arg, value)]
        elif isinstance(value, ast.Dict):
            pairs = [(text(key), each) for key, each in zip(value.keys, value.values, strict=True) if key is not None]
        else:
            continue
        yield from (name for name, each in pairs if isinstance(each, ast.Tuple) and len(each.elts) > 1)


def _demands(function: ast.FunctionDef) -> bool:
    """Whether a function that reads a variable fails where it is not set: by `environ[name]`, or by raising itself.

    What it raises under a condition on something else than the value of its variable says nothing.
    """
    arguments = {argument.arg for argument in function.args.args[:1]}
    caught = [node for node in ast.walk(function) if isinstance(node, ast.Try)]
    inside = {id(child) for each in caught for statement in each.body for child in ast.walk(statement)}
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and any(isinstance(child, ast.Raise) for child in ast.walk(node)):
            return True
        if not isinstance(node, ast.Subscript) or id(node) in inside or not isinstance(node.ctx, ast.Load):
            continue
        names = {child.id for child in ast.walk(node.slice) if isinstance(child, ast.Name)}
        if names & arguments and ast.unparse(node.value).endswith("environ"):
            return True
    return any(isinstance(node, ast.If) and _is_unset(node.test) and _raises(node) for node in ast.walk(function))


def _is_unset(test: ast.expr) -> bool:
    """Whether a condition asks for what has no value: `not value`, `value is None`, `name not in os.environ`."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return isinstance(test.operand, ast.Name)
    if isinstance(test, ast.BoolOp):
        return any(map(_is_unset, test.values))
    if not isinstance(test, ast.Compare):
        return False
    empty = isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value in (None, "")
    return (isinstance(test.ops[0], ast.Is | ast.Eq) and empty) or isinstance(test.ops[0], ast.NotIn)


def _raises(branch: ast.If) -> bool:
    return any(isinstance(child, ast.Raise) for statement in branch.body for child in ast.walk(statement))


def _postgres_image(repository: Repository) -> str:
    """The image of PostgreSQL that a compose file runs, else a current one."""
    for path in repository.glob("*compose*.y*ml"):
        found = re.search(r"^\s*image:\s*['\"]?(postgres:[\w.-]+)", repository.text(path), re.MULTILINE)
        if found:
            return found[1]
    return "postgres:16"
