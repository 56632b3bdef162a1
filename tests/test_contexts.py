"""Which contexts and functions may stand under which key, and what a job must have for them."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.github.contexts import availability, mistakes, new_mistake
from fixer.github.workflow import Workflow
from fixer.model import Source
from fixer.verify import rejected


def why(data: Any) -> list[str]:
    return [mistake.why for mistake in mistakes(data)]


def job(**keys: Any) -> dict[str, Any]:
    return {"jobs": {"a": {"runs-on": "ubuntu-latest", **keys}}}


@pytest.mark.parametrize(
    ("address", "contexts"),
    [
        (("env", "A"), {"github", "secrets", "inputs", "vars"}),
        (("jobs", "a", "env", "A"), {"github", "needs", "strategy", "matrix", "vars", "secrets", "inputs"}),
        (("jobs", "a", "if"), {"github", "needs", "vars", "inputs"}),
        (("jobs", "a", "services", "db", "image"), {"github", "needs", "strategy", "matrix", "vars", "inputs"}),
    ],
)
def test_the_row_of_a_key(address: tuple[str, ...], contexts: set[str]) -> None:
    available = availability(address)

    assert available is not None
    assert available.contexts == contexts


def test_the_narrowest_row_counts() -> None:
    environment, url = (
        availability(("jobs", "a", "environment", "name")),
        availability(("jobs", "a", "environment", "url")),
    )

    assert environment is not None
    assert url is not None
    assert "steps" in url.contexts
    assert "steps" not in environment.contexts


@pytest.mark.parametrize("address", [("jobs", "a", "uses"), ("jobs", "a", "steps", 0, "uses"), ("name",)])
def test_most_keys_take_no_expression(address: tuple[str | int, ...]) -> None:
    assert availability(address) is None


def test_a_context_where_github_has_none() -> None:
    assert why(job(env={"A": "${{ env.B }}"})) == [
        "GitHub has no context env at jobs.a.env.A, and rejects the workflow",
    ]
    assert why(job(env={"A": "${{ env['B'] }}"})) != []
    assert why(job(steps=[{"run": "x", "env": {"A": "${{ env.B }}"}}])) == []
    assert why(job(steps=[{"run": "x", "if": "secrets.A != ''"}])) != []


def test_a_function_where_github_has_none() -> None:
    assert why(job(env={"A": "${{ hashFiles('x') }}"})) == [
        "GitHub has no function hashfiles at jobs.a.env.A, and rejects the workflow",
    ]
    assert why(job(name="${{ format('{0}', github.ref) }}")) == []
    assert why({"jobs": {"a": {"if": "always()"}}}) == []


def test_a_service_must_be_there() -> None:
    steps = [{"run": "${{ job.services.DB.ports[5432] }}${{ toJSON(job.services) }}${{ job.status }}"}]

    assert why(job(steps=steps)) == ["the job a has no service DB"]
    assert why(job(steps=steps, services={"db": {"image": "postgres:16"}})) == []


def test_a_matrix_a_step_and_a_job_must_be_there() -> None:
    assert why(job(name="${{ matrix.os }}")) == ["the job a has no matrix"]
    assert why(job(name="${{ matrix.os }}", strategy={"matrix": {"os": ["x"]}})) == []
    assert why(job(env={"A": "${{ needs.b.result }}"})) == ["the job a does not need the job b"]
    assert why(job(needs="b", env={"A": "${{ toJSON(needs) }}${{ needs.B.result }}"})) == []
    steps = [{"run": "${{ steps.two.outputs.x }}"}, {"id": "two", "run": "${{ steps.TWO.outputs.x }}"}]
    assert why(job(steps=steps, outputs={"x": "${{ steps.two.outputs.x }}"})) == ["the job a has no step two before it"]


def test_an_expression_that_cannot_be_read() -> None:
    assert why(job(name="${{ a b }}")) == ["GitHub cannot read it: `b` is not expected"]


def test_an_action_has_no_secrets() -> None:
    steps = {"runs": {"using": "composite", "steps": [{"run": "x", "env": {"A": "${{ secrets.B }}"}}]}}

    assert [found.why for found in mistakes(steps, action=True)] == [
        "GitHub has no context secrets at runs.steps[0].env.A, and rejects the workflow",
    ]


def test_what_is_wrong_today_is_no_mistake_of_a_fix() -> None:
    wrong = job(name="${{ matrix.os }}")

    assert new_mistake(wrong, {"jobs": {"b": {}, **wrong["jobs"]}}) is None
    assert new_mistake({}, wrong) is not None


def test_a_fix_of_a_workflow_is_held_against_the_table() -> None:
    text = "on: push\nenv:\n  A: 1\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo\n"
    workflow = Workflow.parse(Source(".github/workflows/ci.yml", text))
    for value, wrong in (("${{ env.A }}", True), ("${{ github.sha }}", False)):
        edits = workflow.add_key(workflow.jobs["a"].node, "env", {"B": value})
        assert isinstance(edits, tuple)
        assert bool(rejected(workflow, edits)) == wrong
