"""What rules write about oddly named folders is run by a real bash, in a tree with those folders.

The programs are stand-ins that note where they were started, and with which words.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixer import engine
from fixer.config import from_table
from fixer.registry import all_rules
from fixer.repository import Repository
from tests.fixture_cases import write

RULES = {rule.id: rule for rule in all_rules()}
CI = ".github/workflows/ci.yml"
NAMES = (
    "my api", "it's", 'a "b"', "$(touch owned)", "`touch owned`", "a;touch owned", ">owned", "-rf", "*", "~", "#a",
    "a\\b",
)  # fmt: skip
TEST = "pytest --ignore=tests/integration"
STAND_INS = ("python", "pip", "pytest", "locust", "gunicorn", "curl", "npm")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    for name in STAND_INS:
        program = folder / name
        program.write_text('#!/bin/bash\nprintf \'%s\\0\' "${0##*/}" "$PWD" "$@" END >> "$LOG"\n')
        program.chmod(0o755)
    return folder


class Started:
    """A program that a step started."""

    def __init__(self, words: list[str]) -> None:
        self.name, self.folder, *self.args = words

    def value(self, option: str) -> str:
        return self.args[self.args.index(option) + 1]


def planned(root: Path, tree: dict[str, str], rule_id: str, options: dict[str, Any]) -> dict[str, Any]:
    write(root, tree)
    config = from_table({"rules": {rule_id: options}} if options else {}, list(RULES.values()))
    plan = engine.plan(Repository(root), [RULES[rule_id]], options=config.options_for)
    assert plan.faults == ()
    assert [str(left.finding.cure) for left in plan.left] == []
    found: dict[str, Any] = yaml.safe_load(plan.files[CI].after.text if CI in plan.files else tree[CI])["jobs"]
    return found


def run(job: dict[str, Any], root: Path, programs: Path, log: Path) -> tuple[int, str, list[Started]]:
    """What the steps of a job do, one after the other until one fails."""
    log.touch()
    code, said = 0, ""
    for step in job["steps"]:
        if "run" not in step or step.get("shell") == "python":
            continue
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-c", step["run"]],
            cwd=root / step.get("working-directory", "."),
            env={
                "PATH": f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin", "LOG": str(log), "HOME": "/h",
                "GITHUB_WORKSPACE": str(log.parent), "GITHUB_STEP_SUMMARY": str(log.parent / "summary"),
            },
            capture_output=True, text=True,
        )  # fmt: skip
        code, said = done.returncode, said + done.stdout + done.stderr
        if code:
            break
    words = log.read_text(encoding="utf-8").split("\0")[:-1]
    return code, said, list(_started(words))


def _started(words: list[str]) -> Iterator[Started]:
    while words:
        end = words.index("END")
        yield Started(words[:end])
        words = words[end + 1 :]


def owned(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("owned") if path.is_file()]


def workflow(*steps: dict[str, Any]) -> str:
    job = {"runs-on": "ubuntu-latest", "steps": [{"uses": "actions/checkout@v5"}, *steps]}
    data = {"on": ["push", "pull_request"], "jobs": {"test": job}}
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False)


def may_be_another(name: str) -> bool:
    """Whether a folder is called what may be a variable, a home or an option: where a step works that names it is not
    certain, so nothing needs to be written."""
    return name.startswith(("-", "~")) or "$" in name or "`" in name


@pytest.mark.parametrize("name", NAMES)
def test_the_size_of_a_front_end_is_measured_where_it_is(name: str, tmp_path: Path, programs: Path) -> None:
    root = tmp_path / "repository"
    output = f"out {name}"
    angular = {"projects": {"web": {"architect": {"build": {"options": {"outputPath": output}}}}}}
    tree = {
        f"{name}/package.json": json.dumps({"scripts": {"build": "ng build"}, "dependencies": {"@angular/core": "20"}}),
        f"{name}/angular.json": json.dumps(angular),
        CI: workflow({"working-directory": name, "run": "npm ci\nnpm run build\n"}),
    }
    job = planned(root, tree, "missing-bundle-size-check", {"limit-mb": 1})["test"]
    if len(job["steps"]) == 2:
        assert may_be_another(name)
        return
    built = root / name / output
    built.mkdir(parents=True)

    small, said, _ = run(job, root, programs, tmp_path / "small")
    (built / "main.js").write_bytes(b"x" * 2_000_000)
    large, also, _ = run(job, root, programs, tmp_path / "large")

    assert (small, large) == (0, 1), said + also
    assert f"kB in {output}, limit 1024 kB" in said
    assert f"::error::{output} is " in also
    assert owned(tmp_path) == []


def django(name: str) -> dict[str, str]:
    folder = f"apps/{name}"
    return {
        f"{folder}/manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
        f"{folder}/shop/__init__.py": "",
        f"{folder}/shop/settings.py": (
            "SECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\n"
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db'}}\n"
        ),
        f"{folder}/shop/migrations/0001_initial.py": "",
        f"{folder}/pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = shop.settings\n",
        f"{folder}/{name} tests/integration/test_order.py": "def test_order(): pass\n",
        "requirements.txt": "django\npytest-django\nlocust\n",
    }


@pytest.mark.parametrize("at_top", [True, False], ids=["from the top", "in the folder"])
@pytest.mark.parametrize("name", NAMES)
def test_a_new_job_works_in_the_folder_of_the_project(name: str, at_top: bool, tmp_path: Path, programs: Path) -> None:
    folder = f"apps/{name}"
    test: dict[str, Any] = {"run": TEST} if at_top else {"working-directory": folder, "run": TEST}
    steps = ({"run": "pip install -r requirements.txt"}, test)
    tree = {**django(name), f"load/{name}/locustfile.py": "import locust\n", CI: workflow(*steps)}
    jobs: dict[str, tuple[str, dict[str, Any]]] = {
        "migrations-check": ("missing-migration-check", {}),
        "integration-tests": ("missing-integration-tests", {"path": f"{folder}/{name} tests/integration"}),
        "performance-tests": (
            "missing-performance-tests",
            {"locustfile": f"load/{name}/locustfile.py", "health-path": f"/{name}/", "start": "gunicorn shop.wsgi"},
        ),
    }
    for job, (rule_id, options) in jobs.items():
        root = tmp_path / job / "repository"

        code, said, started = run(planned(root, tree, rule_id, options)[job], root, programs, tmp_path / job / "log")

        assert code == 0, said
        assert owned(tmp_path) == []
        assert {each.folder for each in started} <= {str(root), str(root / folder)}
        for each in started:
            if each.name == "python":
                assert (Path(each.folder) / each.args[0]).is_file()
            if each.name == "pytest":
                assert (Path(each.folder) / next(arg for arg in each.args if "integration" in arg)).is_dir()
            if each.name == "locust":
                assert (Path(each.folder) / each.value("--locustfile")).is_file()
            if each.name == "curl":
                assert each.args[-1] == f"http://localhost:8000/{name}/"
        assert len(started) > 1
