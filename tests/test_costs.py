"""What a committed file may cost: each of these once kept fhfix busy for seconds, minutes, or all of its memory.

Each is handled, or not handled by name; a workflow beside it is repaired all the same. No rule is to blame.
"""
# ruff: noqa: E501

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixer import engine
from fixer.registry import all_rules
from fixer.repository import Repository

WORKFLOW = "on: push\njobs:\n  types:\n    runs-on: ubuntu-latest\n    steps:\n      - run: mypy . || true\n"
CI = ".github/workflows/odd.yml"
DJANGO = {
    "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "shop/__init__.py": "",
}
SETTINGS = "DEBUG = False\nDATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'x'}}\n"

Tree = dict[str, str]


def job(*steps: str) -> str:
    lines = "".join(f"      - {step}\n" for step in steps)
    return f"on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n{lines}"


def script(text: str) -> str:
    inner = "".join(f"          {line}\n" for line in text.splitlines())
    return job("run: |\n" + inner.rstrip("\n"))


def doubling(levels: int) -> Tree:
    arguments = "".join(f"ARG A{n}=${{A{n - 1}}}${{A{n - 1}}}\n" for n in range(1, levels))
    return {"Dockerfile": f'FROM python:3.12\nARG A0=x\n{arguments}WORKDIR /$A{levels - 1}\nCOPY . .\nCMD ["python"]\n'}


def chain(count: int) -> Tree:
    files = {f"r{n}-requirements.txt": f"-r r{n + 1}-requirements.txt\n" for n in range(count)}
    return {**DJANGO, "shop/settings.py": SETTINGS, "requirements.txt": "django\n-r r0-requirements.txt\n", **files}


def importing(count: int) -> Tree:
    modules = {f"shop/settings/s{n}.py": f"from .s{n + 1} import *\n" for n in range(count)}
    modules[f"shop/settings/s{count}.py"] = SETTINGS
    return {**DJANGO, "shop/settings/__init__.py": "from .s0 import *\n", **modules}


COSTS: dict[str, Callable[[], Tree]] = {
    "arguments that double": lambda: doubling(40),
    "spaces in requirements": lambda: {**DJANGO, "shop/settings.py": SETTINGS, "requirements.txt": "django" + " " * 20_000 + "x"},
    "spaces in pyproject": lambda: {
        **DJANGO, "shop/settings.py": SETTINGS, "pyproject.toml": f"[project]\ndependencies = ['django{' ' * 20_000}x']\n",
    },
    "base64 in a line": lambda: {"Dockerfile": f"FROM python:3.12\nRUN echo {'QUJD' * 5_000}\nCOPY . .\nCMD [\"python\"]\n"},
    "many steps": lambda: {CI: job(*(f"run: echo {n}" for n in range(2000)))},
    "many alternatives": lambda: {CI: script("mypy . || \\\n" * 800 + "true")},
    "many conjunctions": lambda: {CI: script("mypy . && \\\n" * 1600 + "true")},
    "sleeps and checks": lambda: {CI: script("sleep 30\ncurl -f https://example.com\n" * 200)},
    "nested conditions": lambda: {CI: script("if true; then\n" * 3000 + "fi\n" * 3000)},
    "many jobs": lambda: {
        CI: "on: push\njobs:\n" + "".join(f"  j{n}:\n    runs-on: x\n    steps: [{{run: a}}]\n" for n in range(5_000)),
    },
    "many stages": lambda: {"Dockerfile": "".join(f"FROM python:3.12 AS s{n}\nCOPY . .\n" for n in range(5000))},
    "stages from stages": lambda: {
        "Dockerfile": "FROM python:3.12 AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\n" for n in range(1000)) + "COPY . .\n",
    },
    "many variables": lambda: {
        CI: "on: push\njobs:\n  a:\n    runs-on: x\n    env:\n" + "".join(f"      V{n}: x\n" for n in range(10_000))
        + "    steps:\n      - run: mypy . || true\n",
    },
    "a status report of digits": lambda: {"DEVOPS_STATUS.md": "makefile " + "0" * 20_000},
    "a chain of requirements": lambda: chain(1500),
    "a port of many digits": lambda: {"docker-compose.yml": f"services:\n  a:\n    image: x\n    ports: ['{'1' * 16_000}:80']\n"},
    "a version of many digits": lambda: {CI: job(f"uses: actions/checkout@{'1' * 16_000}")},
    "a number of many digits": lambda: {**DJANGO, "shop/settings.py": f"{SETTINGS}PORT = 0x{'f' * 4000}\n"},
    "many comments": lambda: {CI: "# fhfix: ignore[ci]\n" * 60_000 + WORKFLOW},
    "deep package.json": lambda: {"package.json": "[" * 100_000, "Makefile": "a:\n\tb\n"},
    "deep pyproject": lambda: {**DJANGO, "shop/settings.py": SETTINGS, "pyproject.toml": "a = " + "[" * 50_000},
    "settings that import settings": lambda: importing(1200),
    "a deep expression": lambda: {**DJANGO, "shop/settings.py": f"{SETTINGS}X = {'(' * 150}1{')' * 150}\nY = {'-' * 9_000}1\n"},
    "deep YAML": lambda: {CI: "a: " + "[" * 20_000},
    "a key of YAML that doubles": lambda: {
        "docker-compose.yml": "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", COSTS)
def test_a_file_that_costs_much_is_handled_or_named_and_the_rest_goes_on(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, seconds in (("DOCUMENT", 1.0), ("REPOSITORY", 2.0), ("DOCUMENT_IN_ALL", 3.0)):
        monkeypatch.setattr(f"fixer.engine.asking.{limit}", seconds)
    for path, text in {**COSTS[name](), ".github/workflows/good.yml": WORKFLOW}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()

    made = engine.plan(Repository(tmp_path), all_rules())

    spent = time.process_time() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert [f"{fault.rule_id}: {fault.what}" for fault in made.faults] == []
    assert ".github/workflows/good.yml" in made.files
    assert spent < 20, f"{spent:.1f} s; not handled: {[str(problem) for problem in made.problems]}"
    assert grown < 400_000, f"{grown} KiB"
