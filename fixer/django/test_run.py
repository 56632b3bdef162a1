"""How the continuous integration runs the tests of a Django project: by which command, where, and started by what."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from fixer.github.workflows import commands_of, folder_of, script_of
from fixer.languages.shell import Script, Structure, path_word
from fixer.model import Blocked
from fixer.records import entity
from fixer.scripts import ScriptText

if TYPE_CHECKING:
    from fixer.django.project import DjangoProject
    from fixer.github.workflow import Job, Step, Workflow
    from fixer.github.workflows import Workflows
    from fixer.languages.shell import Command, Word

JUDGING = frozenset({"pull_request", "push", "merge_group"})
"""The events on which changes are judged."""

_PYTHON = re.compile(r"(?:[\w./-]*/)?python(?:\d+(?:\.\d+)*)?")
# They run another program in the environment of the project, whatever it is.
_RUNNERS = frozenset(
    {
        "poetry", "pipenv", "uv", "pdm", "hatch", "rye", "pixi", "conda", "micromamba", "docker", "docker-compose",
        "doppler",
    }
)  # fmt: skip
# They do something about the tests, which another program does not need.
_ABOUT_TESTS = frozenset({"coverage", "xvfb-run", "time", "timeout", "-m", "--module"})
_CONTAINERS = frozenset({"docker", "docker-compose"})
_SCRIPT_OF_TESTS = re.compile(
    r"(\./|\.?/?(scripts?|bin|ci)/)([\w-]+/)*[\w-]*test[\w-]*|([\w./-]*/)?[\w-]*test[\w-]*\.(sh|py)"
)
_TASK_OF_TESTS = re.compile(r"^([\w:-]+[:_-])?tests?([:_-][\w:-]+)?$|^(check|ci|verify)$")
_TESTS_INSIDE = re.compile(r"\bmanage\.py test\b|\b(pytest|tox|nox)\b")
_PART_OF_ALL = re.compile(r"e2e|end-to-end|smoke|bench|perf|selenium|playwright", re.IGNORECASE)


@entity
class TestRun:
    """`command` of `step` runs tests of `project`: pytest, or `manage.py test`."""

    __test__ = False  # pytest would take the name for a class of tests

    project: DjangoProject
    step: Step
    command: Command

    @classmethod
    def of(cls, step: Step, project: DjangoProject) -> TestRun | None:
        """The first command of a step that tests the project: in its folder, or in one above it."""
        found = next((each for each in commands_of(step) if _tests(each, step, project)), None)
        return cls(project, step, found) if found is not None else None

    @classmethod
    def best(cls, workflows: Workflows, project: DjangoProject) -> TestRun | None:
        """Of several the one that tests most, with a database, in the workflow for pull requests."""
        ranked: list[tuple[tuple[bool, ...], TestRun]] = []
        for workflow in judging(workflows):
            for job in workflow.jobs.values():
                found = next((run for step in job.own_steps if (run := cls.of(step, project)) is not None), None)
                if found is None or found.step.node.target is not None:
                    continue
                whole = not _PART_OF_ALL.search(f"{workflow.path} {job.id}")
                place = ("pull_request" in workflow.triggers, whole, bool(job.services), not job.needs)
                ranked.append((place, found))
        return max(ranked, key=lambda pair: pair[0])[1] if ranked else None

    @property
    def job(self) -> Job:
        assert self.step.job is not None
        return self.step.job

    @cached_property
    def is_judged(self) -> bool:
        """Whether the job fails where the tests do."""
        return fails_its_job(self.command, self.step)

    @property
    def is_pytest(self) -> bool:
        return self.command.name in ("pytest", "py.test")

    @cached_property
    def folder(self) -> str | None:
        """Where the command runs, from the top of the repository; None where that cannot be told."""
        return folder_of(self.command, self.step)

    @cached_property
    def assignments(self) -> dict[str, str]:
        """Variables that stand right before the command, where their values are literal."""
        text = self.command.script.text[self.command.node.start_byte : self.command.start]
        words = script_of(text.strip(), self.command.script.shell).assignments
        return {name: word.text for name, word in words.items() if word.literal}

    @cached_property
    def prefix(self) -> ScriptText:
        """What starts the project's own programs, such as `poetry run `; mostly empty."""
        starters = self.command.words[: len(self.command.words) - len(self.command.argv)]
        first = next((at for at, word in enumerate(starters) if word.text in _RUNNERS), None)
        if first is None:
            return ScriptText.of("")
        kept = starters[first:]
        for at, word in enumerate(kept):
            if word.text in _ABOUT_TESTS or _PYTHON.fullmatch(word.text):
                kept = kept[:at]
                break
        if not kept:
            return ScriptText.of("")
        return self.command.script.part(kept[0].start, kept[-1].end) + ScriptText.of(" ")

    @property
    def in_container(self) -> bool:
        """Whether the tests run in a container that the steps start, and not where the steps run."""
        return self.prefix.split(" ")[0] in _CONTAINERS

    @cached_property
    def python(self) -> ScriptText:
        """The interpreter, as the command names it."""
        for word in self.command.words:
            if _PYTHON.fullmatch(word.text):
                return self._as_written(word)
        program = self._as_written(self.command.argv[0])
        folder, slash, last = program.rpartition("/")
        if slash and folder.endswith("bin"):
            return ScriptText.of("@folder@/python", folder=program.removesuffix(f"/{last}"))
        return ScriptText.of("python")

    def _as_written(self, word: Word) -> ScriptText:
        return self.command.script.part(word.start, word.end)

    @property
    def pytest(self) -> ScriptText:
        """How pytest is started: as it is, or as a module of the interpreter that runs the tests."""
        words = [word.text for word in self.command.words]
        own = self._as_written(self.command.argv[0]) if self.is_pytest else ScriptText.of("pytest")
        at = words.index(self.command.argv[0].text) if self.is_pytest else -1
        by_python = at > 1 and words[at - 1] == "-m" and _PYTHON.fullmatch(words[at - 2])
        return self.prefix + (ScriptText.of("@python@ -m @own@", python=self.python, own=own) if by_python else own)

    @cached_property
    def manage(self) -> ScriptText:
        """manage.py with what starts it, from the folder of the tests: `poetry run python manage.py`."""
        for word in self.command.words:
            if word.text.endswith("manage.py"):
                own = self._as_written(word)
                if not word.text.startswith("./"):
                    own = ScriptText.of("@python@ @path@", python=self.python, path=own)
                return self.prefix + own
        path = self.project.manage_py
        if self.folder is not None and not self.in_container:
            path = posixpath.relpath(path, self.folder or ".")
        elif self.in_container:
            path = "manage.py"
        named = path_word(path)
        assert not isinstance(named, Blocked), "new_job looked at the name of the folder"
        return self.prefix + ScriptText.of("@python@ @path@", python=self.python, path=named)

    @cached_property
    def before(self) -> Script:
        """What the script of the step does before it runs the tests."""
        script = self.command.script
        start = min((s for s, e in script.statements if s <= self.command.start < e), default=self.command.start)
        # `cd backend && pytest`: what leads to the tests stands in their own statement.
        led = script.text[: self.command.node.start_byte].rstrip(" \t\n\\")
        whole = script_of(led.removesuffix("&&").rstrip(), script.shell)
        return whole if led.endswith("&&") and not whole.error else script_of(script.text[:start], script.shell)


def judging(workflows: Workflows) -> Iterator[Workflow]:
    """The workflows that judge changes, and those that such a workflow calls."""
    for workflow in workflows.documents:
        called = (job.workflow.triggers for job in workflows.callers(workflow))
        if JUDGING & {*workflow.triggers, *(event for triggers in called for event in triggers)}:
            yield workflow


def _tests(command: Command, step: Step, project: DjangoProject) -> bool:
    if manages(command) == "test":
        return manages_it(command, step, project)
    if command.name not in ("pytest", "py.test") or command.within(Structure.SUBSTITUTION):
        return False
    folder = folder_of(command, step)
    if folder is None:
        return False
    package = posixpath.join(project.root, project.settings.partition(".")[0])
    above = f"{project.root}/".startswith(f"{folder}/" if folder else "")
    return above or f"{folder}/".startswith(f"{project.root or package}/")


def manages_it(command: Command, step: Step, project: DjangoProject) -> bool:
    """Whether the manage.py that a command names is that of the project, as far as can be told from where it runs."""
    named = next((word.text for word in command.argv[:3] if posixpath.basename(word.text) == "manage.py"), "")
    folder = folder_of(command, step)
    elsewhere = {word.text for word in command.words} & _CONTAINERS
    if not named or not project.manage_py or folder is None or elsewhere or "$" in named or named.startswith("/"):
        return True
    return posixpath.normpath(posixpath.join(folder, named)) == project.manage_py


def manages(command: Command) -> str:
    """The management command that `manage.py` or `django-admin` is asked for; empty for another program."""
    words = [word.text for word in command.argv]
    for at, word in enumerate(words):
        if word in ("manage.py", "manage", "django-admin", "django") or word.endswith("/manage.py"):
            return next((each for each in words[at + 1 :] if not each.startswith("-")), "")
        if at > 1:
            break
    return ""


def fails_its_job(command: Command, step: Step) -> bool:
    """Whether a job ends red where a command of it fails."""
    tolerant = any(
        node.get("continue-on-error") is not None for node in (step.node, step.job.node if step.job else step.node)
    )
    return not tolerant and not command.script.silencers(command)


def delegated(workflows: Workflows) -> Iterator[tuple[Step, Command]]:
    """Commands of jobs that judge changes which leave the tests to a file, `make test`, `tox`, `./scripts/test.sh`, or
    to a shell in a container."""
    for workflow in judging(workflows):
        for step in workflow.steps:
            for command in commands_of(step) if not step.is_written else ():
                if leaves_tests(command):
                    yield step, command


def leaves_tests(command: Command) -> bool:
    """Whether a command leaves the tests to a file, or to a shell in a container."""
    runner = command.name in ("make", "just", "task", "invoke", "inv", "hatch", "poe")
    asked = runner and any(_TASK_OF_TESTS.search(word.text) for word in command.args)
    script = any(_SCRIPT_OF_TESTS.fullmatch(word.text) for word in command.argv[:2])
    inside = command.words[0].text in _CONTAINERS and any(_TESTS_INSIDE.search(w.text) for w in command.words)
    return command.name in ("tox", "nox") or asked or script or inside
