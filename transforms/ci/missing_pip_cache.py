"""A job downloads its Python packages again in every run.

## Why
`actions/setup-python` keeps pip's, poetry's or pipenv's downloads between runs if it is told to, and takes the files
that the job installs from as the key.

## When it is left alone
Jobs that install only tools by name, since no file says what to cache; jobs that cache already, by whatever action; uv,
which has a cache of its own; workflows that publish a release, where a poisoned cache would end up in the product
(https://docs.zizmor.sh/audits/#cache-poisoning).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from fixer.github.action_ref import ActionRef, version_of
from fixer.github.catalog.actions import Catalog
from fixer.github.catalog.references import reference
from fixer.github.workflow import Job, Step, Workflow
from fixer.github.workflows import commands_of, folder_of
from fixer.model import Blocked, Finding, Fix, Parts, Rule, RuleOptions, option
from fixer.project.packages import PythonPackages

CACHES = {"pip": "~/.cache/pip", "poetry": "~/.cache/pypoetry", "pipenv": "~/.local/share/virtualenvs"}
PUBLISHERS = re.compile(
    r"pypa/gh-action-pypi-publish|\btwine upload|\b(poetry|uv|flit|hatch|pdm) publish|softprops/action-gh-release|"
    r"actions/create-release|gh release (create|upload)|semantic-release"
)


class Installs(NamedTuple):
    """What a job installs from: the manager, and its files; `problem` says why they are not known."""

    manager: str
    files: tuple[str, ...]
    problem: str = ""


class Options(RuleOptions):
    style: Literal["setup-python", "actions-cache"] = option("setup-python", "Who keeps the cache.")


def check(workflow: Workflow, packages: PythonPackages, catalog: Catalog, options: Options) -> Iterator[Finding]:
    text = workflow.source.text
    if "actions/setup-python" not in text or _publishes(workflow, text):
        return
    for job in workflow.jobs.values():
        for at, step in enumerate(job.steps):
            if step.node.target is not None or not _is_setup(step):
                continue
            installs = _installs(job.steps[at + 1 :], packages)
            if installs is None or _caches(job):
                continue
            fix = _fix(workflow, step, job, installs, catalog, options)
            uses = step.uses or step.node
            yield Finding(
                workflow.path, uses.span, f"job {job.id} installs with {installs.manager} and caches nothing", fix
            )
            break


def _fix(
    workflow: Workflow, step: Step, job: Job, installs: Installs, catalog: Catalog, options: Options
) -> Fix | Blocked:
    if installs.problem:
        return Blocked(installs.problem, "set `cache` and `cache-dependency-path` by hand, or ignore this finding")
    if options.style == "actions-cache":
        return Fix.of(f"cache what {installs.manager} downloads", _explicit(workflow, step, job, installs, catalog))
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
    files = "\n".join(installs.files) + "\n" if len(installs.files) > 1 else installs.files[0]
    added = {"cache": installs.manager, "cache-dependency-path": files}
    with_ = step.with_
    if with_ is None and step.node.get("with") is not None:
        return Blocked("the step's `with` is no mapping")
    if with_ is None:
        part: Parts = workflow.add_key(step.node, "with", added, after="uses")
    else:
        part = workflow.add_keys(with_, {key: value for key, value in added.items() if key not in with_.value})
    return Fix.of(
        f"cache what {installs.manager} downloads",
        part,
        effects=(f"jobs.{job.id}: {installs.manager} caches its downloads, keyed by {' and '.join(installs.files)}",),
    )


def _explicit(workflow: Workflow, step: Step, job: Job, installs: Installs, catalog: Catalog) -> Parts:
    """The cache as a step of its own, after setup-python."""
    hashed = ", ".join(f"'{file}'" for file in installs.files)
    steps = job.steps_node
    if steps is None or len(step.at) != 4 or not isinstance(step.at[-1], int):
        return Blocked("the step stands in a list that fhfix does not know")
    prefix = f"${{{{ runner.os }}}}-{installs.manager}-"
    new = {
        **workflow.step_name(f"Cache {installs.manager} downloads"),
        "uses": reference(catalog, "actions/cache", workflow),
        "with": {
            "path": CACHES[installs.manager],
            "key": f"{prefix}${{{{ hashFiles({hashed}) }}}}",
            "restore-keys": prefix,
        },
    }
    return workflow.insert_item(steps, step.at[-1] + 1, new)


def _is_setup(step: Step) -> bool:
    return step.uses is not None and ActionRef.parse(step.uses.value).repository.lower() == "actions/setup-python"


def _caches(job: Job) -> bool:
    for step in job.steps:
        uses = step.uses.value.lower() if step.uses is not None else ""
        values = step.with_.data if step.with_ is not None else {}
        if "setup-python" in uses and "cache" in values:
            return True
        if re.search(r"cache", uses.partition("@")[0]) and re.search(
            r"pip|poetry|venv|virtualenv|pythonLocation|site-packages|python", str(values), re.IGNORECASE
        ):
            return True
    return False


def _publishes(workflow: Workflow, text: str) -> bool:
    push = workflow.root.get("on")
    tags = push.get("push") if push is not None else None
    return (
        "release" in workflow.triggers
        or (tags is not None and tags.get("tags") is not None)
        or bool(PUBLISHERS.search(text))
    )


def _installs(steps: tuple[Step, ...], packages: PythonPackages) -> Installs | None:
    """What the steps install from; None where they install from no file."""
    found: dict[str, None] = {}
    manager = ""
    problem = ""
    for step in steps:
        for command in commands_of(step):
            words = [word.text for word in command.args]
            if not words:
                continue
            if command.source.startswith("uv "):
                return None
            folder = folder_of(command, step)
            files: list[str] = []
            if command.name in ("pip", "pip3") and words[0] == "install":
                files = _pip_files(words)
                kind = "pip"
            elif command.name == "poetry" and words[0] == "install":
                files, kind = ["poetry.lock"], "poetry"
            elif command.name == "pipenv" and words[0] in ("install", "sync"):
                files, kind = ["Pipfile.lock"], "pipenv"
            if not files:
                continue
            if manager and manager != kind:
                return Installs(manager, (), f"the job installs with {manager} and with {kind}")
            manager = kind
            for file in files:
                if folder is None or re.search(r"[$*?]", file):
                    problem = f"which file `{command.source}` installs from cannot be told"
                    continue
                path = posixpath.normpath(posixpath.join(folder, file))
                known = _known(path, packages)
                if not known and path.endswith("pyproject.toml"):  # a package of the older kind
                    known = _known(path.removesuffix("pyproject.toml") + "setup.cfg", packages)
                if not known and path.endswith("pyproject.toml"):
                    problem = (
                        f"{path.removesuffix('pyproject.toml') or './'} has no pyproject.toml or setup.cfg as a key"
                    )
                elif not known:
                    problem = f"{path}, which the job installs from, is not a text file of the repository"
                found |= dict.fromkeys(known)
    return Installs(manager, tuple(found), problem) if manager else None


def _pip_files(words: list[str]) -> list[str]:
    found: list[str] = []
    for at, word in enumerate(words[1:], start=1):
        previous = words[at - 1]
        if previous in ("-r", "--requirement"):
            found.append(word)
        elif word.startswith("--requirement="):
            found.append(word.partition("=")[2])
        elif word.startswith("-r") and len(word) > 2:
            found.append(word[2:])
        elif re.match(r"\.{1,2}(/|\[|$)", word) and not word.endswith((".whl", ".tar.gz")):
            found.append(posixpath.join(word.partition("[")[0], "pyproject.toml"))
    return found


def _known(path: str, packages: PythonPackages) -> list[str]:
    """The file and those that it includes, as far as they are in the repository."""
    if path not in packages.files:
        return []
    found, todo = [path], [path]
    while todo:
        for other in packages.includes.get(todo.pop(), ()):
            if other not in found and other in packages.files:
                found.append(other)
                todo.append(other)
    return found


def _installed_before(job: Job, setup: Step, program: str) -> bool:
    for step in job.steps:
        if step.node is setup.node:
            return False
        uses = step.uses.value if step.uses is not None else ""
        commands = [command.source for command in commands_of(step) if program in command.source]
        if program in uses or any(re.search(r"\binstall\b|https://install\.", command) for command in commands):
            return True
    return False


RULE = Rule(
    __name__,
    "Python packages are downloaded again in every run",
    check,
    audit=("D-009.6",),
)
