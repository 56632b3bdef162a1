"""A job downloads its Python packages again in every run.

## Why
`actions/setup-python` keeps pip's, poetry's or pipenv's downloads between runs if it is told to, and takes the files
that the job installs from as the key.

## When it is left alone
Jobs that install only tools by name, since no file says what to cache; what root (`sudo pip`) or a container installs;
jobs that cache already, by whatever action; uv, which has a cache of its own; workflows that publish a release, where a
poisoned cache would end up in the product (https://docs.zizmor.sh/audits/#cache-poisoning).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from fixer.github.action_ref import ActionRef, version_of
from fixer.github.catalog.actions import Catalog
from fixer.github.catalog.references import reference
from fixer.github.timeline import LocalActions, Moment, is_in
from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import commands_of, folder_of
from fixer.languages.shell import Command
from fixer.model import Blocked, Finding, Fix, Level, Parts, Rule, RuleOptions, listed, option
from fixer.project.packages import PythonPackages
from fixer.records import record

CACHES = {"pip": "~/.cache/pip", "poetry": "~/.cache/pypoetry", "pipenv": "~/.local/share/virtualenvs"}
_INSTALLERS = frozenset(("pip", "pip3", "poetry", "pipenv"))
_OTHER_USERS = frozenset(("sudo", "doas", "docker", "docker-compose", "podman"))
PYTHON_CACHE = re.compile(r"pip|poetry|venv|virtualenv|pythonLocation|site-packages|python", re.IGNORECASE)
PUBLISHERS = re.compile(
    r"pypa/gh-action-pypi-publish|\btwine upload|\b(poetry|uv|flit|hatch|pdm) publish|softprops/action-gh-release|"
    r"actions/create-release|gh release (create|upload)|semantic-release"
)


@record
class Source:
    """What a command installs from: a requirements or lock file, or the folder of a package."""

    path: str
    is_package: bool = False


@record
class Installs:
    """What a job installs from: the manager, and its files in the repository; `problem` says why they are not known."""

    manager: str
    files: tuple[str, ...]
    problem: str = ""


class Options(RuleOptions):
    style: Literal["setup-python", "actions-cache"] = option("setup-python", "Who keeps the cache.")


def check(
    workflow: Workflow, packages: PythonPackages, actions: LocalActions, catalog: Catalog, options: Options
) -> Iterator[Finding]:
    text = workflow.source.text
    if "actions/setup-python" not in text or _publishes(workflow, text):
        return
    for job in workflow.jobs.values():
        if not any(map(_is_setup, job.steps)) or _caches(job, actions):
            continue
        for at, step in enumerate(job.steps):
            if step.node.target is not None or not _is_setup(step):
                continue
            installs = _installs(job.steps[at + 1 :], packages, actions)
            if installs is None or _keeps_nothing(Moment.before(step, actions)):
                continue
            fix = _fix(workflow, step, job, installs, actions, catalog, options)
            uses = step.uses or step.node
            yield Finding(
                workflow.path, uses.span, f"job {job.id} installs with {installs.manager} and caches nothing", fix
            )
            break


def _fix(
    workflow: Workflow,
    step: Step,
    job: Job,
    installs: Installs,
    actions: LocalActions,
    catalog: Catalog,
    options: Options,
) -> Fix | Blocked:
    if installs.problem:
        return Blocked(installs.problem, "set `cache` and `cache-dependency-path` by hand, or ignore this finding")
    paths = _paths_at(Moment.before(step, actions), installs.files)
    if isinstance(paths, Blocked):
        return paths
    if options.style == "actions-cache":
        return Fix.of(
            f"cache what {installs.manager} downloads", _explicit(workflow, step, job, installs.manager, paths, catalog)
        )
    version = version_of(ActionRef.parse(step.uses.value).ref) if step.uses is not None else None
    if version is not None and version[0] < 3:
        return Blocked(
            f"setup-python {version[0]} has no reliable cache", "outdated-action brings a newer one; run fhfix again"
        )
    if installs.manager == "poetry" and not _installed_before(job, step, "poetry"):
        return Blocked(
            "setup-python looks for poetry when it starts, and the job installs it later",
            "install poetry before setup-python (pipx install poetry), then run fhfix again",
        )
    files = "\n".join(paths) + "\n" if len(paths) > 1 else paths[0]
    added = {"cache": installs.manager, "cache-dependency-path": files}
    with_ = step.with_
    if with_ is None and step.node.get("with") is not None:
        return Blocked("the step's `with` is no mapping", "write it as one, then run fhfix again")
    if with_ is None:
        part: Parts = workflow.add_key(step.node, "with", added, after="uses")
    else:
        part = workflow.add_keys(with_, {key: value for key, value in added.items() if key not in with_.value})
    return Fix.of(
        f"cache what {installs.manager} downloads",
        part,
        effects=(f"jobs.{job.id}: {installs.manager} caches its downloads, keyed by {listed(paths)}",),
    )


def _paths_at(setup: Moment, files: tuple[str, ...]) -> tuple[str, ...] | Blocked:
    """Where the files lie when setup-python starts, which fails where it finds none of them."""
    places = [setup.place_of(file) for file in files]
    if None not in places:
        return tuple(place for place in places if place is not None)
    missing = files[places.index(None)]
    own = [checkout for checkout in setup.checkouts if checkout.is_own]
    if not own:
        why = "the repository is not checked out by then"
    elif not own[-1].certain:
        why = "the checkout before it stands under a condition, or may fail"
    else:
        why = "the checkout before it does not bring it"
    return Blocked(
        f"setup-python looks for {missing} when it starts, and {why}",
        "put a checkout that always runs before setup-python, then run fhfix again",
    )


def _explicit(
    workflow: Workflow, step: Step, job: Job, manager: str, paths: tuple[str, ...], catalog: Catalog
) -> Parts:
    """The cache as a step of its own, after setup-python."""
    hashed = ", ".join(f"'{path}'" for path in paths)
    steps = job.steps_node
    if steps is None or len(step.at) != 4 or not isinstance(step.at[-1], int):
        return Blocked("the step stands in a list that fhfix does not know", "add the cache by hand")
    prefix = f"${{{{ runner.os }}}}-{manager}-"
    new = {
        **workflow.step_name(f"Cache {manager} downloads"),
        "uses": reference(catalog, "actions/cache", workflow),
        "with": {
            "path": CACHES[manager],
            "key": f"{prefix}${{{{ hashFiles({hashed}) }}}}",
            "restore-keys": prefix,
        },
    }
    return workflow.insert_item(steps, step.at[-1] + 1, new)


def _is_setup(step: Step) -> bool:
    return step.uses is not None and ActionRef.parse(step.uses.value).repository.lower() == "actions/setup-python"


def _caches(job: Job, actions: LocalActions) -> bool:
    """Whether a step of the job, also within the repository's own actions, keeps Python packages between runs."""
    before = Moment.before(job.steps[-1], actions).earlier
    for step in (*(happened.step for happened in before), job.steps[-1]):
        action, given = step.action.lower(), step.inputs
        if "setup-python" in action and "cache" in given:
            return True
        if "cache" in action and any(PYTHON_CACHE.search(value) for value in given.values()):
            return True
    return False


def _keeps_nothing(moment: Moment) -> bool:
    """Whether pip is told to have no cache: any value of PIP_NO_CACHE_DIR does that, also `false`.

    `pip cache dir`, which setup-python asks, fails then.
    https://github.com/pypa/pip/blob/main/src/pip/_internal/cli/cmdoptions.py (_handle_no_cache_dir)
    """
    return any(variable.value != "" for variable in moment.values("PIP_NO_CACHE_DIR"))


def _publishes(workflow: Workflow, text: str) -> bool:
    push = workflow.root.get("on")
    tags = push.get("push") if push is not None else None
    return (
        "release" in workflow.triggers
        or (tags is not None and tags.get("tags") is not None)
        or bool(PUBLISHERS.search(text))
    )


def _installs(steps: tuple[Step, ...], packages: PythonPackages, actions: LocalActions) -> Installs | None:
    """What the steps install from; None where they install from no file of the repository, or keep no downloads."""
    found: dict[str, None] = {}
    manager = ""
    problem = ""
    for step in steps:
        commands = [command for command in commands_of(step) if _is_asked(command)]
        if not commands:
            continue
        moment = Moment.before(step, actions)
        if _keeps_nothing(moment):
            continue
        for command in commands:
            words = [word.text for word in command.args]
            if command.source.startswith("uv "):
                return None
            if command.name in ("pip", "pip3") and words[:1] == ["config"] and "no-cache-dir" in command.source:
                return None
            installed = _installed(command, words)
            if installed is None or _is_told_to_keep_nothing(command) or _is_of_another_user(command):
                continue
            kind, sources = installed
            if manager and manager != kind:
                return Installs(manager, (), f"the job installs with {manager} and with {kind}")
            folder = folder_of(command, step)
            for source in sources:
                if folder is None or re.search(r"[$*?]", source.path):
                    manager, problem = kind, f"which file `{command.source}` installs from cannot be told"
                    continue
                path = posixpath.normpath(posixpath.join(folder, source.path)).removeprefix("./")
                if _is_of_another_repository(moment, path):
                    continue
                manager = kind
                own = moment.file_at(path) or path
                known = packages.declaring_files(own) if source.is_package else packages.key_files(own)
                if not known:
                    problem = _why_no_key(replace(source, path=path))
                found |= dict.fromkeys(known)
    return Installs(manager, tuple(found), problem) if manager else None


def _is_asked(command: Command) -> bool:
    """Whether it is one of those that say what a job installs; most steps have none."""
    return command.name in _INSTALLERS or command.source.startswith("uv ")


def _installed(command: Command, words: list[str]) -> tuple[str, list[Source]] | None:
    """The manager, and what a command installs from, as it names it; None where it does not."""
    if command.name in ("pip", "pip3") and words[:1] == ["install"]:
        files = _pip_files(words)
        return ("pip", files) if files else None
    if command.name == "poetry" and words[:1] == ["install"]:
        return "poetry", [Source("poetry.lock")]
    if command.name == "pipenv" and words[:1] in (["install"], ["sync"]):
        return "pipenv", [Source("Pipfile.lock")]
    return None


def _is_told_to_keep_nothing(command: Command) -> bool:
    inline = command.script.text[command.statement[0] : command.start]
    return command.has("--no-cache-dir") or "PIP_NO_CACHE_DIR" in inline or "PIP_NO_CACHE_DIR" in command.source


def _is_of_another_user(command: Command) -> bool:
    """Whether pip runs as root or in a container, whose downloads are not where setup-python looks: it fails then."""
    starters = command.words[: len(command.words) - len(command.argv)]
    return any(word.text in _OTHER_USERS for word in starters)


def _is_of_another_repository(moment: Moment, path: str) -> bool:
    """Whether a path of the workspace lies in the checkout of another repository, for which this one has no key."""
    holders = [each for each in moment.checkouts if each.folder is not None and is_in(path, each.folder)]
    return bool(holders) and not holders[-1].is_own


def _pip_files(words: list[str]) -> list[Source]:
    """Requirements files, and folders of packages."""
    found: list[Source] = []
    for at, word in enumerate(words[1:], start=1):
        previous = words[at - 1]
        if previous in ("-r", "--requirement"):
            found.append(Source(word))
        elif word.startswith("--requirement="):
            found.append(Source(word.partition("=")[2]))
        elif word.startswith("-r") and len(word) > 2:
            found.append(Source(word[2:]))
        elif re.match(r"\.{1,2}(/|\[|$)", word) and not word.endswith((".whl", ".tar.gz")):
            found.append(Source(word.partition("[")[0], is_package=True))
    return found


def _why_no_key(source: Source) -> str:
    if source.is_package:
        where = source.path if source.path not in ("", ".") else "the repository"
        return f"no pyproject.toml, setup.cfg or setup.py in {where} names the packages that the job installs"
    return f"{source.path}, which the job installs from, is no file of the repository"


def _installed_before(job: Job, setup: Step, program: str) -> bool:
    for step in job.steps:
        if step.node is setup.node:
            return False
        uses = step.uses.value if step.uses is not None else ""
        commands = [command.source for command in commands_of(step) if program in command.source]
        if program in uses or any(re.search(r"\binstall\b|https://install\.", command) for command in commands):
            return True
    return False


def _installs_packages(workflow: Workflow, packages: PythonPackages, actions: LocalActions) -> bool:
    """Whether a job sets Python up and installs from a file of the repository, with a cache or without."""
    for job in workflow.jobs.values():
        for at, step in enumerate(job.steps):
            if _is_setup(step) and _installs(job.steps[at + 1 :], packages, actions) is not None:
                return True
    return False


RULE = Rule(
    __name__,
    "Python packages are downloaded again in every run",
    check,
    audit=("D-009.6",),
    criterion="Jobs that install the Python packages of the project have a cache",
    hours=(0.5, 0.5),
    level=Level.NOTE,
    applies=_installs_packages,
)
