"""A repository with one workflow, to choose fixes in, and rules that make fixes of what others wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fixer.github.workflow import Workflow
from fixer.model import Finding, Fix, Rule
from fixer.scripts import ScriptText

PATH = ".github/workflows/ci.yml"
BEFORE = """\
on: push
jobs:
  types:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v3
      - run: mypy . || true
      - uses: actions/checkout@v3
"""


def written(root: Path, text: str = BEFORE) -> Path:
    path = root / PATH
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return root


def with_steps(root: Path, *commands: str) -> Path:
    runs = "".join(f"      - run: {command}\n" for command in commands)
    return written(root, f"on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n{runs}")


def replacing(old: str, new: str) -> Rule:
    """A rule that finds each step that runs `old`, and lets it run `new`; what follows the word stays."""

    def check(workflow: Workflow) -> Iterator[Finding]:
        for step in workflow.steps:
            if step.run is not None and step.run.value.startswith(old):
                number = step.run.value[len(old) :]
                cure = Fix.of(f"run {new}{number}", workflow.set_scalar(step.run, ScriptText.written(new + number)))
                yield Finding(workflow.source.path, step.run.span, f"step {number} runs {old}", cure)

    return Rule(f"transforms.ci.{old}", f"no {old}", check)


def _loud(workflow: Workflow) -> Iterator[Finding]:
    for step in workflow.steps:
        if step.run is not None and not step.run.value.endswith("!"):
            cure = Fix.of(
                f"run {step.run.value}!", workflow.set_scalar(step.run, ScriptText.written(step.run.value + "!"))
            )
            yield Finding(workflow.source.path, step.run.span, f"step {step.index} is quiet", cure)


LOUD = Rule("transforms.ci.loud", "a quiet step", _loud)
"""Finds something in each step, whatever other rules make of it."""


def adding(job: str, *commands: str) -> Rule:
    """A rule that puts a job with these steps before the others, where there is none of its name."""

    def check(workflow: Workflow) -> Iterator[Finding]:
        if job in workflow.jobs:
            return
        value = {"runs-on": "ubuntu-latest", "steps": [{"run": ScriptText.written(command)} for command in commands]}
        jobs = workflow.root.get("jobs")
        assert jobs is not None
        cure = Fix.of(f"add {job}", workflow.add_key(jobs, job, value, before="test"))
        yield Finding(workflow.source.path, jobs.span, f"no job {job}", cure)

    return Rule(f"transforms.ci.{job}", f"no job {job}", check)
