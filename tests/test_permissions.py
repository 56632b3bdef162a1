"""What a job may do, and how it is given more: to the job, nothing taken away, callers too."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.github.permissions import grant, may, needed_by
from fixer.github.workflow import Job, Workflow
from fixer.github.workflows import Workflows
from fixer.model import Blocked, Source
from fixer.splice import splice

STEPS = "    steps:\n      - uses: actions/checkout@v5\n      - run: make release\n"
WANTED = {"contents": "write"}


def parse(text: str, path: str = ".github/workflows/ci.yml") -> Workflow:
    return Workflow.parse(Source(path, text))


def granted(text: str, job: str = "a") -> Any:
    """The permissions of the workflow and of its jobs afterwards; the reason where there is no fix."""
    workflow = parse(text)
    edits = grant(workflow.jobs[job], WANTED, Workflows((workflow,)))
    if isinstance(edits, Blocked):
        return edits.reason
    after = parse(splice(workflow.source.text, edits)).plain()
    found = {key: value["permissions"] for key, value in after["jobs"].items() if "permissions" in value}
    return found | ({"": after["permissions"]} if "permissions" in after else {})


@pytest.mark.parametrize(
    ("workflow", "job", "after"),
    [
        ("", "    permissions:\n      issues: write\n", {"a": {"issues": "write", "contents": "write"}}),
        ("", "    permissions: {issues: write}\n", {"a": {"issues": "write", "contents": "write"}}),
        ("", "    permissions:\n      contents: read\n", {"a": {"contents": "write"}}),
        ("", "    permissions:\n      contents: write\n", {"a": {"contents": "write"}}),
        ("", "    permissions: {}\n", {"a": {"contents": "write"}}),
        ("", "    permissions: write-all\n", {"a": "write-all"}),
        ("", "    permissions: read-all\n", {"a": {"contents": "write"}}),
        ("", "", {"a": {"contents": "write"}}),
        ("permissions: read-all\n", "", {"": "read-all", "a": {"contents": "write"}}),
        ("permissions: write-all\n", "", {"": "write-all"}),
        ("permissions: {}\n", "", {"": {}, "a": {"contents": "write"}}),
        (
            "permissions: {issues: write}\n",
            "",
            {"": {"issues": "write"}, "a": {"issues": "write", "contents": "write"}},
        ),
        (
            "permissions: {contents: read}\n",
            "    permissions: {}\n",
            {"": {"contents": "read"}, "a": {"contents": "write"}},
        ),
    ],
)
def test_the_job_gets_it_and_keeps_what_it_had(workflow: str, job: str, after: dict[str, Any]) -> None:
    other = f"  b:\n    runs-on: x\n{STEPS}"

    assert granted(f"on: push\n{workflow}jobs:\n  a:\n    runs-on: x\n{job}{STEPS}{other}") == after


@pytest.mark.parametrize("step", ["uses: some/action@v1", "uses: ./own", "run: gh issue list", "run: git push"])
@pytest.mark.parametrize("given", ["", "permissions: read-all\n"])
def test_nothing_is_written_where_it_is_not_known_what_a_step_needs(given: str, step: str) -> None:
    text = f"on: push\n{given}jobs:\n  a:\n    runs-on: x\n    steps:\n      - {step}\n"

    assert "is not known" in granted(text)


def test_what_the_other_steps_need_is_kept() -> None:
    text = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: github/codeql-action/upload-sarif@v4\n"

    assert granted(text) == {"a": {"actions": "read", "contents": "write", "security-events": "write"}}


@pytest.mark.parametrize(
    ("step", "needed"),
    [
        ("run: make\n", {}),
        ("run: git commit -m x\n", {}),
        ("run: |\n          # gh release create\n          make\n", {}),
        ("run: gh release create\n", None),
        ("run: make\n        env: {T: \"${{ Secrets['GITHUB_TOKEN'] }}\"}\n", None),
        ('run: make\n        env: {T: "${{ toJSON(secrets) }}"}\n', None),
        ('run: make\n        env: {T: "${{ secrets.OTHER }}"}\n', {}),
        ("run: Get-Item\n        shell: pwsh\n", None),
        ("uses: Actions/Setup-Node@v4\n", {}),
        ("uses: actions/checkout@v4\n", {"contents": "read"}),
    ],
)
def test_what_a_step_needs(step: str, needed: dict[str, str] | None) -> None:
    workflow = parse(f"on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - {step}")

    assert needed_by(workflow.steps[0]) == needed


def test_a_token_in_the_environment_of_the_workflow_may_be_used_by_any_script() -> None:
    text = "on: push\nenv: {T: '${{ github.token }}'}\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: make\n"

    assert needed_by(parse(text).steps[0]) is None


CALLED = f"on: workflow_call\njobs:\n  a:\n    runs-on: x\n    permissions: {{contents: read}}\n{STEPS}"
INHERITS = f"on: workflow_call\njobs:\n  a:\n    runs-on: x\n{STEPS}"


def called(text: str, caller: str) -> tuple[Job, Workflows]:
    workflow = parse(text, ".github/workflows/called.yml")
    calls = parse(
        f"on: push\njobs:\n  c:\n{caller}    uses: ./.github/workflows/called.yml\n", ".github/workflows/caller.yml"
    )
    return workflow.jobs["a"], Workflows((workflow, calls))


def test_who_calls_gets_it_too() -> None:
    job, workflows = called(CALLED, "    permissions: {issues: write}\n")
    edits = grant(job, WANTED, workflows)

    assert isinstance(edits, tuple)
    assert [edit.path for edit in edits] == [".github/workflows/called.yml", ".github/workflows/caller.yml"]


def test_a_job_that_inherits_is_left_as_it_is() -> None:
    job, workflows = called(INHERITS, "    permissions: {issues: write}\n")
    edits = grant(job, WANTED, workflows)

    assert isinstance(edits, tuple)
    assert [edit.path for edit in edits] == [".github/workflows/caller.yml"]


def test_a_caller_of_which_nothing_is_known_blocks() -> None:
    job, workflows = called(CALLED, "")

    assert isinstance(grant(job, WANTED, workflows), Blocked)


def test_callers_elsewhere_block() -> None:
    workflow = parse(CALLED)
    found = grant(workflow.jobs["a"], WANTED, Workflows((workflow,)))

    assert isinstance(found, Blocked)
    assert "other repositories" in found.reason


@pytest.mark.parametrize(
    ("caller", "answer"), [("", None), ("    permissions: write-all\n", True), ("    permissions: {}\n", False)]
)
def test_what_a_called_job_may_is_what_its_caller_may(caller: str, answer: bool | None) -> None:
    job, workflows = called(INHERITS, caller)

    assert may(job, WANTED, workflows) is answer
