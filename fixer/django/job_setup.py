"""The steps by which a job sets the project up, and which of them another job needs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fixer.django.job_services import is_named
from fixer.django.test_run import TestRun, manages
from fixer.github.combination import Combination, filled, holds
from fixer.github.expressions import ANY, expressions_in, reads_below, services_read
from fixer.github.workflows import commands_of, folder_of, script_of
from fixer.languages.shell import Script, Structure, path_word
from fixer.model import Blocked
from fixer.project.packages import brings_django
from fixer.records import record
from fixer.scripts import ScriptText, with_edits

if TYPE_CHECKING:
    from fixer.django.project import DjangoProject
    from fixer.github.workflow import Job, Step
    from fixer.languages.shell import Command
    from fixer.project.packages import PythonPackages

Plain = dict[str, Any]

_PIP = frozenset({"pip", "pip3"})
_INSTALLERS = _PIP | {"poetry", "pipenv", "uv", "pdm", "hatch", "rye", "pixi", "conda", "mamba", "micromamba"}
_CHECKERS = frozenset(
    {
        "flake8", "ruff", "black", "isort", "mypy", "pyright", "pylint", "bandit", "safety", "pip-audit",
        "pip-licenses", "pre-commit", "codespell", "djlint", "curlylint", "eslint", "prettier", "shellcheck",
        "pycodestyle", "pydocstyle", "pyflakes", "autopep8", "yapf", "ty", "vulture", "radon", "semgrep",
    }
)  # fmt: skip
_REPORTERS = frozenset({"coverage", "coveralls", "codecov", "codecov-cli", "genbadge", "coverage-badge", "diff-cover"})
_TESTERS = frozenset({"pytest", "py.test", "tox", "nox"})
_OF_TESTS = re.compile(r"pytest([-_].*)?|tox(-.*)?|nox|tblib|unittest-xml-reporting")
"""Packages that only tests import."""
_FRONT_END = frozenset(
    {
        "npm", "npx", "yarn", "pnpm", "bun", "bunx", "node", "corepack", "nvm", "playwright", "webpack", "vite",
        "flutter", "dart", "gradle", "gradlew", "mvn", "ng", "cypress",
    }
)  # fmt: skip
# Programs that serve or work beside the tests: makemigrations talks to none of them.
_SERVERS = frozenset(
    {"celery", "gunicorn", "uvicorn", "daphne", "hypercorn", "uwsgi", "waitress-serve", "flower", "rq", "redis-server"}
)
_CLIENTS = frozenset(
    {
        "psql", "createdb", "dropdb", "createuser", "pg_isready", "mysql", "mysqladmin", "mariadb", "mariadb-admin",
        "redis-cli",
    }
)  # fmt: skip
_PREPARES = frozenset({"cd", "pushd", "source", ".", "set"})
_SAYS = frozenset({"echo", "printf", "ls", "pwd", "cat", "which", "tree", "whoami", "uname", "du", "df"})
# Alone they change nothing that a later step could see.
_IDLE = _PREPARES | _SAYS | {
    "popd", "true", ":", "export", "test", "[", "[[", "env", "date", "type", "free", "wc", "stat", "head", "tail",
    "cut", "sort", "grep", "bc", "nproc", "exit",
}  # fmt: skip
_OF_SYSTEM = frozenset({"apt", "apt-get", "aptitude"})
_OF_OTHERS = re.compile(
    r"gettext|shellcheck|yamllint|xvfb|chromium.*|firefox.*|nodejs|npm|yarn|graphviz|pandoc|latexmk|texlive.*"
)
"""Packages of the system that translations, browsers, documents and linters need, and neither settings nor models."""
_RUNS_TASKS = frozenset(
    {"make", "just", "task", "inv", "invoke", "hatch", "poe", "nox", "tox", "bash", "sh", "pdm", "rye"}
)
_TASK_THAT_JUDGES = re.compile(
    r"(.*[:/_-])?(lint(er|ers|ing)?|verify|audit|smoke|fmt|format(ting)?|style|type-?check(s|ing)?|pre-?commit)([:_-].*)?(\.(sh|py))?",
    re.IGNORECASE,
)
"""A task, or a script, that is named for looking at the code."""
_FILE_THAT_JUDGES = re.compile(r"(.*[/_-])?(lint(ing|ers?)?|style|quality)[^/]*")
_LOOKS = {
    "pip": ({"check"}, set()), "pip3": ({"check"}, set()), "poetry": ({"check"}, set()),
    "uv": ({"lock"}, {"--check", "--locked"}), "git": ({"diff", "status"}, set()),
    "terraform": ({"fmt", "validate"}, set()),
}  # fmt: skip
"""Programs that with one of these words first, and one of these options where there are any, only look."""
# Management commands after which nothing is there that tests would need; they make and migrate their own database.
_JUDGES = frozenset({"check", "test", "makemigrations", "migrate", "showmigrations", "diffsettings", "spectacular"})
# The other commands may run in what they start.
_CONTAINERS = frozenset({"docker", "docker-compose", "podman", "podman-compose"})
# They look whether a server answers, and change nothing.
_WAITS = frozenset(
    {"nc", "ncat", "curl", "wget", "sleep", "wait-for-it", "wait-for-it.sh", "wait-for", "wait-for.sh", "wait-on",
     "dockerize", "redis-cli", "mysqladmin", "mariadb-admin", "pg_isready", "break", "exit", "seq", "grep"}
)  # fmt: skip
# The program that sends a report is often loaded first: https://docs.codecov.com/docs/codecov-uploader
_OF_REPORTERS = re.compile(
    r"\bcodecov(\.io)?\b|\bcoveralls(\.io)?\b|\bcodacy\.com\b|\bcodeclimate\.com\b|\bcc-test-reporter\b", re.IGNORECASE
)
_BRINGS = frozenset({"curl", "wget", "chmod", "bash", "sh", "gpg", "gpgv", "shasum", "sha256sum", "mv", "tar", "grep"})
_PIP_ITSELF = frozenset({"pip", "setuptools", "wheel", "build", "virtualenv", "uv", "pip-tools"})
_ACTION_THAT_JUDGES = re.compile(
    r"lint|black|ruff|flake8|isort|mypy|pre-commit|reviewdog|codecov|coverall|upload-artifact|test-report|report|slack|"
    r"codeql|sonar|hadolint|trivy|gitleaks|bandit|semgrep|safety|dependency-review|label|comment|sticky|stale",
    re.IGNORECASE,
)
_ACTION_OF_FRONT_END = re.compile(
    r"setup-node|setup-java|flutter|setup-dart|setup-gradle|setup-android|setup-bun|/action-setup$|setup-yarn|setup-deno|setup-chrome|setup-firefox|setup-geckodriver|cypress|"
    r"chromedriver|browser-actions|playwright",
    re.IGNORECASE,
)
_CACHE_OF_OTHERS = re.compile(
    r"node_modules|\.npm|yarn|pnpm|pre-commit|mypy|ruff|playwright|cypress|buildx|pytest_cache|cargo|gradle",
    re.IGNORECASE,
)
ENV_FILE = re.compile(r"(^|[\s/'\"])\.env\b")
_ONLY_WHERE_ALL_IS_WELL = frozenset({"always", "failure", "cancelled"})


@record
class SetupStep:
    """`data` is what the new job has of `step`: all of it, or what is needed of its script."""

    step: Step
    data: Plain

    @property
    def script(self) -> Script:
        return script_of(str(self.data.get("run", "")))


@record
class Setup:
    """The steps, in order, and what in them installs packages: `installs` are commands with their steps.

    `started`: something in the steps may start a database or a cache by itself.
    """

    steps: tuple[SetupStep, ...]
    combination: Combination

    @cached_property
    def text(self) -> str:
        return "\n".join(text_of(each.data) for each in self.steps)

    def rewritten(self, change: Callable[[ScriptText], ScriptText]) -> Setup:
        """The same, with every script changed."""
        steps = tuple(
            replace(each, data={**each.data, "run": change(each.data["run"])}) if "run" in each.data else each
            for each in self.steps
        )
        return replace(self, steps=steps)

    @cached_property
    def starts_servers(self) -> bool:
        return starts_servers(each.step for each in self.steps)

    @cached_property
    def written(self) -> bool:
        """Whether a step writes an env file, or variables for later steps, whose content is not known here."""
        return ENV_FILE.search(self.text) is not None or "GITHUB_ENV" in self.text

    def names(self, scripts: frozenset[str]) -> bool:
        """Whether a step starts one of these scripts."""
        return any(
            word.text in scripts for each in self.steps for command in each.script.commands for word in command.words
        )


def text_of(step: Plain) -> str:
    """All that a step says, with the lines of its script as they stand there."""
    return "\n".join(map(str, step.values()))


def starts_servers(steps: Iterable[Step]) -> bool:
    """Whether a step starts a database or a cache beside the job: an action, compose, or one of the runner's own."""
    for step in steps:
        if re.search(r"postgres|mysql|mariadb|redis|valkey|database", step.action, re.IGNORECASE):
            return True
        for command in commands_of(step):
            program = command.argv[0].text.rpartition("/")[2] if command.argv else ""
            if program in ("docker", "docker-compose", "systemctl", "service", "pg_ctlcluster", "postgresql", "mysql"):
                return True
    return False


def without_waits(setup: Setup, behind: Mapping[str, Any], environment: Mapping[str, str]) -> Setup:
    """Without the steps that only wait for services which stay `behind` with the job that is learnt from."""
    steps = [
        each
        for each in setup.steps
        if not _only_waits(each) or not any(is_named(_told(each), *named, environment) for named in behind.items())
    ]
    return replace(setup, steps=tuple(steps))


def names_service(setup: Setup, name: str, service: Any, environment: Mapping[str, str]) -> bool:
    """Whether a step names a service beside the job, or reads how it is reached."""
    return any(
        is_named(_told(each), name, service, environment) or name.lower() in services_read(each.data)
        for each in setup.steps
    )


def _told(step: SetupStep) -> str:
    """What a step says to do, without its name: its script, or what its action is given."""
    return str(step.data.get("run") or step.data.get("with") or "")


def _only_waits(step: SetupStep) -> bool:
    if step.step.uses is not None:
        return re.search(r"wait|healthcheck", step.step.action, re.IGNORECASE) is not None
    return _script_waits(step.script)


def _script_waits(script: Script) -> bool:
    if script.error or not script.commands:
        return False
    for command in script.commands:
        if command.name in ("bash", "sh") and (inner := command.value("-c")) is not None:
            if not _script_waits(script_of(inner.text)):
                return False
        elif command.name not in _WAITS | _IDLE:
            return False
    return True


def _only_for_servers(script: Script) -> bool:
    """Whether a script only waits for databases, or makes and empties them: makemigrations looks at none for long."""
    names = {command.name for command in script.commands}
    return not script.error and bool(names & (_CLIENTS | _WAITS)) and names <= _CLIENTS | _WAITS | _IDLE


def setup_of(
    job: Job, run: TestRun | None, combination: Combination, *, with_tests: bool, needs_database: bool
) -> Setup | Blocked:
    """What a job does before it first tests the project; without `run`, up to the last step that installs packages.

    Steps and commands that judge the code, use the project or report are left out; without `with_tests`, so is what
    only the front end needs, and without `needs_database` what only prepares databases, or waits for them.
    """
    found: list[SetupStep] = []
    for step in _before(job, run):
        if not needs_database and step.script is not None and _only_for_servers(step.script):
            continue
        made = _kept(step, combination, with_tests=with_tests)
        if isinstance(made, Blocked):
            return made
        if made is not None:
            found.append(made)
    if run is not None and (installs := _installs_before(run, with_tests=with_tests)) is not None:
        found.append(installs)
    found = _without_unread_outputs(found)
    if not any("actions/checkout" in str(each.data.get("uses", "")) for each in found):
        return Blocked(
            f"job {job.id} does not check the repository out before it runs the tests", "add the job by hand"
        )
    return Setup(tuple(found), combination)


def _before(job: Job, run: TestRun | None) -> tuple[Step, ...]:
    if run is not None:
        return tuple(step for step in job.own_steps if step.at < run.step.at)
    steps = job.own_steps
    last = max((at for at, step in enumerate(steps) if any(map(installs, commands_of(step)))), default=-1)
    return steps[: last + 1]


def _kept(step: Step, combination: Combination, *, with_tests: bool) -> SetupStep | Blocked | None:
    """A step for the new job; None where it is not needed."""
    data = dict(filled(step.data, combination))
    if step.uses is not None and not _is_needed(step, with_tests=with_tests):
        return None
    if step.run is not None:
        script = step.script
        text = ScriptText.written(filled(step.run.value, combination))
        if script is not None:
            whole = script_of(text, script.shell)
            text = _needed(whole, with_tests=with_tests)
            left = script_of(text, script.shell).commands
            if (
                "name" in data
                and not any(map(installs, left))
                and len(_managing(left)) < len(_managing(whole.commands))
            ):
                data |= step.workflow.step_name("Prepare")  # what the step was named for is gone
        if not text.strip():
            return None
        if text != str(step.run.value):  # what stood last may be gone: a block ends where its text does
            text = ScriptText.written(text.rstrip() + ("\n" if text.endswith("\n") else ""))
        data["run"] = text
    condition = step.condition
    if not condition:
        return SetupStep(step, data)
    holding = holds(condition, combination)
    if holding is not None:
        data.pop("if")
        return SetupStep(step, data) if holding else None
    functions = {name for each in expressions_in(condition, whole=True) for name in each.functions}
    if functions & _ONLY_WHERE_ALL_IS_WELL:
        return None
    if any(read.context in ("matrix", ANY) for each in expressions_in(condition, whole=True) for read in each.reads):
        return Blocked(
            f"step {step.name or step.index + 1} of job {step.job.id if step.job else ''} runs under a condition "
            "that depends on its matrix",
            "add the job by hand",
        )
    return SetupStep(step, data)


def _managing(commands: Iterable[Command]) -> list[Command]:
    return [command for command in commands if manages(command)]


def _is_needed(step: Step, *, with_tests: bool) -> bool:
    """Whether the action of a step sets something up that the new job uses."""
    if _ACTION_THAT_JUDGES.search(step.action):
        return False
    if step.action == "actions/cache" and _CACHE_OF_OTHERS.search(step.inputs.get("path", "")):
        return with_tests and "node" in step.inputs.get("path", "")
    return with_tests or not _ACTION_OF_FRONT_END.search(step.action)


def _needed(script: Script, *, with_tests: bool) -> ScriptText:
    """The script without what judges, tests or reports; empty where nothing is left that a later step could see."""
    beside = [] if with_tests else [command for command in script.commands if _runs_beside(command)]
    waits = ("sleep", "wait") if beside else ()
    left = script.without(
        lambda command: _is_aside(command, with_tests=with_tests) or command in beside or command.name in waits
    )
    rest = script_of(left, script.shell)
    of_system = [command for command in rest.commands if command.name in _OF_SYSTEM]
    if of_system and not any(map(_installs_there, of_system)):
        left = rest.without(lambda command: command.name in _OF_SYSTEM)
        rest = script_of(left, script.shell)
    if rest.commands and rest.commands[-1].name == "cd":  # nothing is left to be done there
        left = rest.without(lambda command: command == rest.commands[-1])
    return left if _does_something(script_of(left, script.shell)) else ScriptText.of("")


def _is_aside(command: Command, *, with_tests: bool) -> bool:
    """Whether a command only judges, tests, reports or uses the project: no other job needs it repeated."""
    if any(_is_file(redirect.target) for redirect in command.outputs) and not _reports(command):
        return False
    if command.name in _CHECKERS | _SAYS | _TESTERS or _reports(command) or _only_says(command) or _only_looks(command):
        return True
    if asked := manages(command):
        return not with_tests or asked in _JUDGES
    if not with_tests and command.name in _OF_SYSTEM and (packages := _installs_there(command)):
        return all(map(_OF_OTHERS.fullmatch, packages))
    if not with_tests and (command.name in _FRONT_END | _SERVERS or _is_of_tests(command)):
        return True
    return _installs_only(command, with_tests=with_tests)


def _installs_there(command: Command) -> list[str]:
    """What a command installs of the system's packages."""
    words = [word.text for word in command.args if not word.text.startswith("-")]
    return words[1:] if words[:1] == ["install"] else []


def _reports(command: Command) -> bool:
    """Whether a command sends a report of the tests away, or brings the program that does."""
    program = posixpath.basename(command.name)
    return program in _REPORTERS or (program in _BRINGS and _OF_REPORTERS.search(command.source) is not None)


def _is_of_tests(command: Command) -> bool:
    """Whether Python runs what belongs to the tests: `python -c "from tests.data import …"`, `python tests/make.py`."""
    if re.fullmatch(r"python[\d.]*", command.name) is None:
        return False
    return any(re.search(r"(^|[\s/])tests?[./]", word.text) for word in command.args[:2])


def _runs_beside(command: Command) -> bool:
    """Whether a command runs in the background while others work, such as a worker that tests talk to; what is fetched
    or installed there is waited for, and containers may be where the others run."""
    return command.within(Structure.BACKGROUND) and not installs(command) and command.name not in _CONTAINERS


def _only_says(command: Command) -> bool:
    """Whether a command only prints what is installed."""
    first = command.args[0].text if command.args else ""
    if command.name in _PIP | {"uv", "poetry"}:
        return first in ("freeze", "list", "show", "--version", "-V")
    return re.match(r"python[\d.]*$", command.name) is not None and first in ("--version", "-V", "-VV")


def _only_looks(command: Command) -> bool:
    """Whether a command only looks at the code or at files: by a task or script that is named so, or by its words."""
    words = [word.text for word in command.args if not word.text.startswith("-")]
    known, options = _LOOKS.get(command.name, (frozenset(), frozenset()))
    if words and words[0] in known and (not options or command.has(*options)):
        return True
    if command.name == "find":
        return not command.has("-exec", "-execdir", "-ok", "-okdir", "-delete", "-fprint")
    if command.name in _RUNS_TASKS:
        tasks = [word for word in words if word != "run" and "=" not in word]
        return bool(tasks) and all(map(_TASK_THAT_JUDGES.fullmatch, tasks))
    return "/" in command.name and _TASK_THAT_JUDGES.fullmatch(command.name) is not None


def _installs_only(command: Command, *, with_tests: bool) -> bool:
    """Whether pip installs nothing but programs that judge; without `with_tests`, that test or report, too."""
    words = [word.text for word in command.args]
    if command.name not in _PIP or words[:1] != ["install"]:
        return False
    names = [re.split(r"[\[<>=!~ ]", word)[0].lower() for word in words[1:] if not word.startswith("-")]
    files = list(_requirement_files(words[1:]))
    if files and set(files) == set(names) and all(map(_FILE_THAT_JUDGES.fullmatch, files)):
        return True
    if not names or command.has("-r", "--requirement", "-e", "--editable"):
        return False
    tools = _CHECKERS if with_tests else _CHECKERS | _REPORTERS
    return all(name in tools or (not with_tests and _OF_TESTS.fullmatch(name)) for name in names)


def _does_something(script: Script) -> bool:
    if script.error:
        return True
    for command in script.commands:
        written = [each.target for each in command.outputs if ">" in each.operator]
        if command.name == "tee":
            written += [word.text for word in command.args if not word.text.startswith("-")]
        elif command.name not in _IDLE:
            return True
        if any(map(_is_file, written)):
            return True
    return False


def _is_file(target: str) -> bool:
    """Whether what is written there can be read by a later step."""
    return target not in ("/dev/null", "/dev/stderr", "/dev/stdout", "1", "2") and "GITHUB_STEP_SUMMARY" not in target


def _installs_before(run: TestRun, *, with_tests: bool) -> SetupStep | None:
    """What the script that runs the tests installs first, as a step of its own."""
    if not any(map(installs, run.before.commands)):
        return None
    needed = _needed(run.before, with_tests=with_tests)
    if not needed.strip():
        return None
    text = ScriptText.lines([needed.rstrip("\n")])
    data = {**run.step.workflow.step_name("Install the packages"), "run": text}
    data |= {key: run.step.data[key] for key in ("working-directory", "shell") if key in run.step.data}
    return SetupStep(run.step, data)


def preparation(run: TestRun, *, alone: bool) -> ScriptText:
    """What must stand before a command of the new job, as it stands before the tests: `cd`, `source`, `export`.

    Where the script of the tests installs something, a step of its own does the rest. `alone`: the command talks to
    nothing that the tests have running beside them.
    """
    split = any(map(installs, run.before.commands))

    def is_aside(command: Command) -> bool:
        if split:
            return command.name not in _PREPARES
        return command.name in _SAYS or _is_aside(command, with_tests=False) or (alone and _runs_beside(command))

    return run.before.without(is_aside).strip("\n")


def _without_unread_outputs(steps: Sequence[SetupStep]) -> list[SetupStep]:
    """Without the steps that only make outputs which no other of these steps reads."""
    read = {
        each.name.lower() for step in steps for each in reads_below(step.data, ("steps", 0)) if each.context == "steps"
    }
    found = []
    for each in steps:
        only_outputs = "GITHUB_OUTPUT" in str(each.data.get("run", "")) and not any(map(installs, each.script.commands))
        if not only_outputs or each.step.id.lower() in read or ANY in read:
            found.append(each)
    return found


# -- what is installed ------------------------------------------------------------------------------------------------


def installs(command: Command) -> bool:
    """Whether a command installs packages for Python, and not only its own tools."""
    words = [word.text for word in command.args]
    if command.name not in _INSTALLERS or not words:
        return False
    if command.name in _PIP:
        given = [re.split(r"[\[<>=!~]", word)[0] for word in words[1:] if not word.startswith("-")]
        asked = bool(set(given) - _PIP_ITSELF) or command.has("-r", "--requirement", "-e", "--group")
        return words[0] == "install" and asked
    return words[0] in ("install", "sync", "pip", "env", "update", "create")


def with_django(setup: Setup, project: DjangoProject, packages: PythonPackages, *, with_tests: bool) -> Setup | Blocked:
    """The same, where nothing that is installed could bring Django, with a file of requirements that does."""
    commands = [
        (place, command)
        for place, each in enumerate(setup.steps)
        for command in each.script.commands
        if installs(command)
    ]
    if not commands:
        return setup
    bring = [_brings_django(setup.steps[at].step, command, packages) for at, command in commands]
    if True in bring:
        return setup
    for at, command in commands:
        if missing := _file_that_is_not_there(setup, at, command, packages):
            return Blocked(
                f"{missing}, which the job installs from, is no file of the repository, and nothing else that it "
                "installs is seen to bring Django",
                "let the job install the project, then run fhfix again",
            )
    file = next((path for path in project.requirements if path.endswith((".txt", ".in"))), "")
    if not file or None in bring:
        return setup
    place, command = commands[-1]
    folder = folder_of(command, setup.steps[place].step) or ""
    name = path_word(posixpath.relpath(file, folder or "."))
    if isinstance(name, Blocked):
        return name
    end = command.args[0].end
    added = ScriptText.of(" -r @file@", file=name)
    new = with_edits(command.script.text, [(end, end if with_tests else command.end, added)])
    changed = replace(setup.steps[place], data={**setup.steps[place].data, "run": new})
    return replace(setup, steps=(*setup.steps[:place], changed, *setup.steps[place + 1 :]))


def installs_project(step: Step, command: Command, project: DjangoProject, packages: PythonPackages | None) -> bool:
    """Whether a command installs from a file of the repository that asks for Django."""
    folder = folder_of(command, step)
    if not installs(command) or folder is None or packages is None:
        return False
    words = [word.text for word in command.args[1:]]
    files = {posixpath.normpath(posixpath.join(folder, file)) for file in _requirement_files(words)}
    if (command.name not in _PIP and words[:1] != ["install"]) or command.has("--group"):
        files |= {posixpath.join(folder, name) for name in ("pyproject.toml", "Pipfile")}
    for word in words:
        if word[:1] == ".":
            inner = posixpath.normpath(posixpath.join(folder, word.partition("[")[0]))
            files |= {posixpath.normpath(posixpath.join(inner, name)) for name in ("pyproject.toml", "setup.cfg")}
    return any(file in project.requirements or "django" in packages.installed_by(file) for file in files)


def _file_that_is_not_there(setup: Setup, place: int, command: Command, packages: PythonPackages) -> str:
    """A file that pip is to read, and that neither the repository has nor a step before speaks of; mostly empty."""
    folder = folder_of(command, setup.steps[place].step)
    if command.name not in _PIP or folder is None:
        return ""
    before = "\n".join(str(each.data) for each in setup.steps[:place]) + command.script.text[: command.start]
    for file in _requirement_files([word.text for word in command.args[1:]]):
        path = posixpath.normpath(posixpath.join(folder, file))
        known = path in packages.files or path in packages.named
        if not known and "$" not in file and posixpath.basename(file) not in before:
            return path
    return ""


def _brings_django(step: Step, command: Command, packages: PythonPackages) -> bool | None:
    """Whether a command installs Django; None where not all is known that it installs."""
    folder = folder_of(command, step)
    if command.name not in _PIP or folder is None:
        return None
    words = [word.text for word in command.args[1:]]
    files = list(_requirement_files(words))
    rest = [word for word in words if not word.startswith("-") and word not in files]
    known = not command.has("-e", "--editable", "--group", "-c", "--constraint")
    known = known and not any("/" in word or word[0] == "." for word in rest)
    names = {re.split(r"[\[<>=!~; ]", word)[0] for word in rest}
    for file in files:
        path = posixpath.normpath(posixpath.join(folder, file))
        known = known and path in packages.files
        names |= packages.installed_by(path)
    return True if any(map(brings_django, names)) else False if known else None


def _requirement_files(words: Sequence[str]) -> Iterator[str]:
    for at, word in enumerate(words):
        if word in ("-r", "--requirement") and at + 1 < len(words):
            yield words[at + 1]
        elif word.startswith("--requirement="):
            yield word.partition("=")[2]
        elif word.startswith("-r") and len(word) > 2:
            yield word[2:]
