"""What a committed file may cost: each of these once kept fhfix busy for seconds, minutes, or all of its memory.

Costs are counted in calls of functions, so that they are the same on every machine. What grows in size must not grow
faster in cost, but for what is named as quadratic, which the budget of a file bounds. No rule is to blame for any of it,
and a workflow beside it is repaired all the same.
"""
# ruff: noqa: E501

from __future__ import annotations

import cProfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from fixer import engine
from fixer.registry import all_rules
from fixer.repository import Repository
from tests.fixture_cases import write

WORKFLOW = "on: push\njobs:\n  types:\n    runs-on: ubuntu-latest\n    steps:\n      - run: mypy . || true\n"
CI = ".github/workflows/odd.yml"
DJANGO = {
    "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "requirements.txt": "django\npsycopg[binary,pool]\n",
    "shop/__init__.py": "",
}
SETTINGS = (
    "import os\nDEBUG = False\nDATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'x'}}\n"
)
IMAGE = "FROM python:3.12\n"

Tree = dict[str, str]

pytestmark = pytest.mark.slow


def job(*steps: str) -> Tree:
    lines = "".join(f"      - {step}\n" for step in steps)
    return {CI: f"on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n{lines}"}


def script(text: str) -> Tree:
    inner = "".join(f"          {line}\n" for line in text.splitlines())
    return job("run: |\n" + inner.rstrip("\n"))


def image(lines: str) -> Tree:
    return {"Dockerfile": f'{IMAGE}{lines}COPY . .\nCMD ["python"]\n'}


def settings(lines: str) -> Tree:
    return {**DJANGO, "shop/settings.py": SETTINGS + lines}


def chain(size: int) -> Tree:
    files = {f"r{n}-requirements.txt": f"-r r{n + 1}-requirements.txt\n" for n in range(size)}
    return {**settings(""), "requirements.txt": "django\n-r r0-requirements.txt\n", **files}


def importing(size: int) -> Tree:
    modules = {f"shop/settings/s{n}.py": f"from .s{n + 1} import *\n" for n in range(size)}
    modules[f"shop/settings/s{size}.py"] = SETTINGS
    return {**DJANGO, "shop/settings/__init__.py": "from .s0 import *\n", **modules}


def diamonds(size: int) -> Tree:
    """Modules of which each takes over two that take over the same two."""
    both = {
        f"shop/settings/{side}{n}.py": f"from .a{n + 1} import *\nfrom .b{n + 1} import *\n"
        for n in range(size)
        for side in "ab"
    }
    ends = {f"shop/settings/{side}{size}.py": SETTINGS for side in "ab"}
    return {**DJANGO, "shop/settings/__init__.py": "from .a0 import *\n", **both, **ends}


GROWING: dict[str, tuple[int, Callable[[int], Tree]]] = {
    "steps": (100, lambda n: job(*(f"run: echo {i}" for i in range(n)))),
    "jobs": (100, lambda n: {CI: "on: push\njobs:\n" + "".join(f"  j{i}:\n    runs-on: x\n    steps: [{{run: a}}]\n" for i in range(n))}),
    "variables": (200, lambda n: {CI: WORKFLOW + "    env:\n" + "".join(f"      V{i}: x\n" for i in range(n))}),
    "workflows": (50, lambda n: {f".github/workflows/w{i}.yml": WORKFLOW for i in range(n)}),
    "expressions in a line": (100, lambda n: job("run: echo " + "${{ github.ref }}" * n)),
    "terms of an expression": (100, lambda n: job("run: echo ${{ " + " && ".join(["github.ref"] * n) + " }}")),
    "parentheses of an expression": (50, lambda n: job("run: echo ${{ " + "(" * n + "1" + ")" * n + " }}")),
    "alternatives": (400, lambda n: script("mypy . || \\\n" * n + "true")),
    "conjunctions": (400, lambda n: script("mypy . && \\\n" * n + "true")),
    "nested conditions": (400, lambda n: script("if true; then\n" * n + "fi\n" * n)),
    "a pipe": (100, lambda n: script("mypy . | " + "cat | " * n + "cat")),
    "here-documents": (100, lambda n: script("cat <<EOF\nx\nEOF\n" * n)),
    "functions": (100, lambda n: script("f() { echo a; }\nf\n" * n)),
    "comments in a script": (200, lambda n: script("echo a # b\n" * n)),
    "settings of a shell": (100, lambda n: script("set -e\nset +e\nmake\n" * n)),
    "ignore comments": (1000, lambda n: {CI: "# fhfix: ignore[ci]\n" * n + WORKFLOW}),
    "stages": (100, lambda n: {"Dockerfile": "".join(f"{IMAGE.strip()} AS s{i}\nCOPY . .\n" for i in range(n))}),
    "instructions": (200, lambda n: image("RUN echo a\n" * n)),
    "words of an instruction": (400, lambda n: image("RUN apt-get install" + " a" * n + "\n")),
    "arguments": (100, lambda n: image("".join(f"ARG A{i}=x\n" for i in range(n)) + "WORKDIR /$A1\n")),
    "variables of an image": (100, lambda n: image("ENV " + " ".join(f"A{i}=$A{i - 1}x" for i in range(n)) + "\n")),
    "base64 in a line": (1000, lambda n: image(f"RUN echo {'QUJD' * n}\n")),
    "services": (50, lambda n: {**image(""), "docker-compose.yml": "services:\n" + "".join(f"  s{i}:\n    build: .\n    command: python a.py\n" for i in range(n))}),
    "statements of settings": (100, lambda n: settings("".join(f"X{i} = os.environ['a']\n" for i in range(n)))),
    "spaces in requirements": (1000, lambda n: {**settings(""), "requirements.txt": "django" + " " * n + "x"}),
    "spaces in pyproject": (1000, lambda n: {**settings(""), "pyproject.toml": f"[project]\ndependencies = ['django{' ' * n}x']\n"}),
    "a status report of digits": (1000, lambda n: {"DEVOPS_STATUS.md": "makefile " + "0" * n}),
    "layers of modules": (10, diamonds),
}  # fmt: skip

QUADRATIC: dict[str, tuple[int, Callable[[int], Tree]]] = {
    "findings in steps": (30, lambda n: job(*["run: mypy . || true"] * n)),
    "old actions": (30, lambda n: job(*["uses: actions/checkout@v2"] * n)),
    "deployments": (30, lambda n: job(*["run: kubectl set image deployment/a a=b"] * n)),
    "sleeps and checks": (15, lambda n: script("sleep 30\ncurl -f https://example.com\n" * n)),
    "sleeps after deployments": (15, lambda n: script("kubectl set image deployment/a a=b\nsleep 10\n" * n)),
    "stages from stages": (50, lambda n: {"Dockerfile": "FROM python:3.12 AS s0\n" + "".join(f"FROM s{i} AS s{i + 1}\n" for i in range(n)) + "COPY . .\n"}),
    "requirements that include others": (50, chain),
    "settings that import settings": (50, importing),
    "keys of a dict": (100, lambda n: settings("X = {\n" + "".join(f"  'a{i}': 1,\n" for i in range(n)) + "}\n")),
}  # fmt: skip

"""What still grows faster than its size, and why that is bounded: a file of more than 4 MiB is not read, and one that keeps
a rule or a fact busy for longer than `fixer.budget` allows is given up by name. A check of the largest that were tried:

* steps with findings, and old actions: 9,000 steps in 4 s of the processor; each fix is placed among the others.
* sleeps: 200 pairs with a check in 1 s, 300 behind deployments in 3 s; each looks at what was deployed before it.
* deployments: 2,000 in one job are given up after 10 s; each may be what another one waits for.
* stages: 1,000, each from the one before, in 1 s; each inherits what the others set.
* requirements: 3,000 files that include one another in 2 s; settings: 3,000 modules in 1 s, those beyond the depth left out.
* keys of a dict: 20,000 are given up after 10 s; a place is looked for among all of them.
"""

ODD: dict[str, Callable[[], Tree]] = {
    "arguments that double": lambda: image("ARG A0=x\n" + "".join(f"ARG A{n}=${{A{n - 1}}}${{A{n - 1}}}\n" for n in range(1, 40)) + "WORKDIR /$A39\n"),
    "a port of many digits": lambda: {"docker-compose.yml": f"services:\n  a:\n    image: x\n    ports: ['{'1' * 16_000}:80']\n"},
    "a version of many digits": lambda: job(f"uses: actions/checkout@{'1' * 16_000}"),
    "a number of many digits": lambda: settings(f"PORT = 0x{'f' * 4000}\n"),
    "a deep package.json": lambda: {"package.json": "[" * 100_000, "Makefile": "a:\n\tb\n"},
    "a deep pyproject": lambda: {**settings(""), "pyproject.toml": "a = " + "[" * 50_000},
    "a deep expression": lambda: settings(f"X = {'(' * 150}1{')' * 150}\nY = {'-' * 9_000}1\n"),
    "deep YAML": lambda: {CI: "a: " + "[" * 20_000},
    "a value of YAML that doubles": lambda: {
        "docker-compose.yml": "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
    },
    "a chain of imports that is longer than the stack": lambda: importing(400),
}  # fmt: skip

CALLS = 8_000_000
"""What an odd tree may cost: an ordinary one of a few files costs some ten thousand calls."""


def calls(tree: Tree, root: Path) -> int:
    """How many functions are called for a plan. The rest of what must hold is looked at here too."""
    write(root, {**tree, ".github/workflows/good.yml": WORKFLOW})
    profile = cProfile.Profile()
    profile.enable()
    made = engine.plan(Repository(root), all_rules())
    profile.disable()
    assert [f"{fault.rule_id}: {fault.what}" for fault in made.faults] == []
    assert [str(problem) for problem in made.problems if "too long" in problem.reason] == []
    assert ".github/workflows/good.yml" in made.files
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("name", [*GROWING, *QUADRATIC])
def test_what_grows_costs_no_more_than_in_proportion(name: str, tmp_path: Path) -> None:
    size, tree = (GROWING | QUADRATIC)[name]
    calls(tree(2), tmp_path / "warm")  # what is read or made once in a process

    small, large = calls(tree(size), tmp_path / "small"), calls(tree(2 * size), tmp_path / "large")

    assert large / small < (2.3 if name in GROWING else 4.3)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_costs_little(name: str, tmp_path: Path) -> None:
    assert calls(ODD[name](), tmp_path) < CALLS


@pytest.mark.parametrize("name", ["arguments that double", "a value of YAML that doubles"])
def test_what_doubles_does_not_fill_the_memory(name: str, tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        calls(ODD[name](), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()
