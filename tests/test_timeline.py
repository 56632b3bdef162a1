"""What holds at a step: checkouts, tools, variables and files of the steps before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.github.timeline import LocalActions, Moment, Scope
from fixer.github.workflow import Step, Workflow
from fixer.model import Source
from fixer.repository import Repository
from tests.fixture_cases import write


def workflow(steps: str, *, job: str = "", top: str = "") -> Workflow:
    """One job; its steps are written at the first column."""
    body = "".join(f"      {line}\n" for line in steps.strip("\n").splitlines())
    head = f"on: push\n{top}jobs:\n  test:\n    runs-on: ubuntu-latest\n{job}    steps:\n"
    return Workflow.parse(Source(".github/workflows/ci.yml", head + body))


def at(found: Workflow, name: str) -> Moment:
    return Moment.before(step_of(found, name))


def step_of(found: Workflow, name: str) -> Step:
    return next(step for step in found.steps if step.name == name)


HERE = "- name: here\n  run: wanted\n"


# -- checkouts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        (HERE + "- uses: actions/checkout@v5\n", None),
        ("- uses: actions/checkout@v5\n" + HERE, "web/package.json"),
        ("- uses: actions/checkout@v5\n  with: { path: app }\n" + HERE, "app/web/package.json"),
        ("- uses: actions/checkout@v5\n  with: { repository: other/one }\n" + HERE, None),
        (
            "- uses: actions/checkout@v5\n  with: { repository: '${{ github.repository }}' }\n" + HERE,
            "web/package.json",
        ),
        ("- uses: actions/checkout@v5\n  if: github.event_name == 'push'\n" + HERE, None),
        ("- uses: actions/checkout@v5\n  if: always()\n" + HERE, "web/package.json"),
        ("- uses: actions/checkout@v5\n  continue-on-error: true\n" + HERE, None),
        ("- uses: actions/checkout@v5\n  with: { sparse-checkout: docs }\n" + HERE, None),
        ("- uses: actions/checkout@v5\n  with: { sparse-checkout: web/src }\n" + HERE, "web/package.json"),
        ("- uses: actions/checkout@v5\n- uses: actions/checkout@v5\n  with: { repository: a/b }\n" + HERE, None),
        (
            "- uses: actions/checkout@v5\n- uses: actions/checkout@v5\n  with: { repository: a/b, path: b }\n" + HERE,
            "web/package.json",
        ),
    ],
)
def test_a_file_lies_where_the_checkout_puts_it(steps: str, place: str | None) -> None:
    assert at(workflow(steps), "here").place_of("web/package.json") == place


def test_a_condition_that_both_steps_have_is_none() -> None:
    steps = (
        "- uses: actions/checkout@v5\n  if: env.A == '1'\n- name: here\n  if: ${{ env.A == '1' && env.B }}\n  run: x\n"
    )

    assert at(workflow(steps), "here").checkout is not None


def test_the_steps_of_the_repositorys_own_action_stand_in_the_place_of_its_call(tmp_path: Path) -> None:
    action = (
        "name: x\ndescription: x\nruns:\n  using: composite\n  steps:\n"
        "    - uses: actions/setup-python@v6\n      with: { python-version: '3.12' }\n"
    )
    found = workflow("- uses: actions/checkout@v5\n- uses: ./.github/actions/set-up\n" + HERE)
    write(tmp_path, {".github/actions/set-up/action.yml": action.encode()})
    actions = Repository(tmp_path).fact(LocalActions)
    assert actions is not None
    python = Moment.before(step_of(found, "here"), actions).tool("python")

    assert python is not None
    assert (python.version, python.certain) == ("3.12", True)
    assert [step.action for step in at(found, "here").unknown] == ["./.github/actions/set-up"]
    assert at(found, "here").tool("python") is None


# -- variables ----------------------------------------------------------------------------------------------------


def test_the_nearest_variable_wins_and_what_may_be_is_kept() -> None:
    steps = (
        "- run: echo 'A=exported' >> $GITHUB_ENV\n"
        "- if: github.actor == 'me'\n  run: echo A=perhaps >> \"${GITHUB_ENV}\"\n" + HERE
    )
    found = at(workflow(steps, job="    env: { A: job, B: job }\n", top="env: { A: top, C: top }\n"), "here")

    assert [(each.value, each.scope) for each in found.values("A")] == [
        ("perhaps", Scope.EXPORTED),
        ("exported", Scope.EXPORTED),
    ]
    assert {name: each.value for name, each in found.environment.items()} == {"A": "perhaps", "B": "job", "C": "top"}


@pytest.mark.parametrize(
    ("script", "variables"),
    [
        ('echo "A=1" >> $GITHUB_ENV', {"A": "1"}),
        ("echo A=1 | tee -a $GITHUB_ENV", {"A": "1"}),
        ('{ echo A=1; echo "B=$X"; } >> "$GITHUB_ENV"', {"A": "1", "B": None}),
        ("cat >> $GITHUB_ENV <<'E'\nA=1\nB=2\nE", {"A": "1", "B": "2"}),
        ("printf 'A=%s\\n' \"$X\" >> $GITHUB_ENV", {"A": None}),
        ("echo 'A<<E' >> $GITHUB_ENV", {"A": None}),
        ("cat .env >> $GITHUB_ENV", {"": None}),
        ("python export.py $GITHUB_ENV", {"": None}),
        ("echo A=1 >> $GITHUB_OUTPUT", {}),
    ],
)
def test_what_a_script_exports_is_read(script: str, variables: dict[str, str | None]) -> None:
    body = "".join(f"    {line}\n" for line in script.splitlines())
    found = at(workflow(f"- name: first\n  run: |\n{body}{HERE}"), "here")

    assert {name: each.value for name, each in found.environment.items()} == {k: v for k, v in variables.items() if k}
    assert [step.name for step in found.opens_environment] == (["first"] if "" in variables else [])


# -- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "written"),
    [
        ("- run: echo A=1 > .env\n", {(".env", True)}),
        ("- run: cp .env.example .env\n  working-directory: app\n", {("app/.env", True)}),
        ("- run: if x; then echo A=1 > .env; fi\n", {(".env", False)}),
        ("- run: test -f .env || touch .env\n", {(".env", False)}),
        ("- run: cat > app/.env <<E\n", set()),
        ("- run: echo A=1 > $HOME/.env\n", set()),
        ("- run: echo A=1 > .env\n- uses: actions/checkout@v5\n", set()),
        ("- run: echo A=1 > .env\n- uses: actions/checkout@v5\n  with: { path: app }\n", {(".env", True)}),
        ("- uses: SpicyPizza/create-envfile@v2\n  with: { directory: app }\n", {("app/.env", True)}),
    ],
)
def test_files_that_steps_before_wrote(steps: str, written: set[tuple[str, bool]]) -> None:
    assert {(each.path, each.certain) for each in at(workflow(steps + HERE), "here").written} == written


def test_steps_side_by_side_see_nothing_of_each_other() -> None:
    steps = "- parallel:\n  - uses: actions/checkout@v5\n  - name: here\n    run: wanted\n"

    assert at(workflow(steps), "here").earlier == ()


# -- typed views --------------------------------------------------------------------------------------------------


def test_a_matrix_says_what_a_job_runs_on() -> None:
    text = (
        "on: push\njobs:\n  a:\n    runs-on: ${{ matrix.os }}\n    container: node:24\n"
        "    strategy: { matrix: { os: [ubuntu-latest, windows-2025], v: [1, 2] } }\n"
        "    services:\n      db:\n        image: postgres:17\n        env: { POSTGRES_DB: shop }\n"
        "        ports: ['5432:5432']\n        options: --health-cmd pg_isready\n    steps: []\n"
        "  b: { runs-on: [self-hosted, linux], steps: [] }\n  c: { runs-on: { group: large }, steps: [] }\n"
    )
    jobs = Workflow.parse(Source(".github/workflows/ci.yml", text)).jobs
    a, b, c = jobs["a"], jobs["b"], jobs["c"]

    assert a.runs_on.labels == ("ubuntu-latest", "windows-2025")
    assert (a.runs_on.known, a.runs_on.may_be("windows"), a.runs_on.must_be("windows")) == (True, True, False)
    assert (b.runs_on.self_hosted, b.runs_on.known, b.runs_on.must_be("linux")) == (True, False, True)
    assert (c.runs_on.self_hosted, c.runs_on.group) == (True, "large")
    assert a.matrix is not None
    assert (len(a.matrix.combinations or ()), a.matrix.values("V"), b.matrix) == (4, [1, 2], None)
    assert a.container is not None
    assert a.container.image == "node:24"
    db = a.services["db"]
    assert (db.image, db.env, db.ports) == ("postgres:17", {"POSTGRES_DB": "shop"}, ("5432:5432",))
    assert db.options == "--health-cmd pg_isready"
