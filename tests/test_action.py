"""The GitHub Action and the pre-commit hooks, executed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.components import path as component
from tests.examples import CI, DEPLOY
from tests.proofs.fakehub import serving

ROOT = Path(__file__).parent.parent
FHFIX = Path(sys.executable).parent / "fhfix"
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A repository with one silent type check."""
    (tmp_path / "work/.github/workflows").mkdir(parents=True)
    (tmp_path / "work/.github/workflows/ci.yml").write_text(CI)
    return tmp_path / "work"


def run_action(workspace: Path, **inputs: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """The action's last step as the runner runs it; also what it wrote into the runner's files."""
    temp = workspace.parent / "runner"
    (temp / "fhfix/bin").mkdir(parents=True)
    (temp / "fhfix/bin/fhfix").symlink_to(FHFIX)
    step = ACTION["runs"]["steps"][-1]
    files = {name: temp / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.touch()
    values = {name: str(given["default"]) for name, given in ACTION["inputs"].items()} | {
        name.replace("_", "-"): value for name, value in inputs.items()
    }
    env = {name: _filled(expression, values) for name, expression in step["env"].items()}
    env |= {name: str(file) for name, file in files.items()} | {"RUNNER_TEMP": str(temp)}
    # https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(shell, cwd=workspace, env=os.environ | env, capture_output=True, text=True, check=False)
    return done, {name: file.read_text() for name, file in files.items()}


def _filled(expression: str, inputs: Mapping[str, str]) -> str:
    if "github.action_repository" in expression:
        return "https://github.example/acme/fhfix"
    found = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", expression)
    assert found is not None, expression
    return inputs[found[1]]


@pytest.mark.slow
def test_a_check_annotates_the_run_fails_it_and_writes_the_summary(workspace: Path) -> None:
    done, files = run_action(workspace, select="silent-type-check")

    assert done.returncode == 1, done.stderr
    assert "::warning title=fhfix silent-type-check,file=.github/workflows/ci.yml,line=8" in done.stdout
    assert files["GITHUB_OUTPUT"] == "exit-code=1\n"
    summary = files["GITHUB_STEP_SUMMARY"]
    assert "| D-009 Continuous integration | · | 1 | · | 1 | · |" in summary
    assert "* `silent-type-check`: the failure of `mypy` cannot fail the step" in summary
    assert "\nfhfix apply --select silent-type-check --dry-run\n" in summary


@pytest.mark.slow
def test_a_check_without_findings_passes(workspace: Path) -> None:
    done, files = run_action(workspace, select="silent-type-check\nD-010\n", ignore="ci", exclude="x\ny z")

    assert (done.returncode, done.stdout) == (0, "")
    assert files["GITHUB_OUTPUT"] == "exit-code=0\n"
    assert "**No findings.**" in files["GITHUB_STEP_SUMMARY"]


@pytest.mark.slow
def test_findings_are_written_for_code_scanning(workspace: Path) -> None:
    done, _ = run_action(workspace, select="silent-type-check", sarif_file="found.sarif")

    assert done.returncode == 1
    run = json.loads((workspace / "found.sarif").read_text())["runs"][0]
    assert [result["ruleId"] for result in run["results"]] == ["silent-type-check"]
    page = "https://github.example/acme/fhfix/blob/HEAD/docs/rules/silent-type-check.md"
    assert [rule["helpUri"] for rule in run["tool"]["driver"]["rules"]] == [page]


@pytest.mark.slow
@pytest.mark.needs("git")
def test_the_pull_request_is_opened_in_the_name_of_the_bot(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = {"HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    runner |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.useConfigOnly", "GIT_CONFIG_VALUE_0": "true"}
    for name, value in runner.items():
        monkeypatch.setenv(name, value)
    person = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for hub in serving(tmp_path / "hub"):
        bare = hub.add_repository("acme/shop")
        monkeypatch.setenv("GITHUB_SERVER_URL", hub.url)  # as a runner sets it
        for arguments in (
            ("init", "-q", "-b", "main"),
            ("add", "-A"),
            (*person, "commit", "-qm", "Start"),
            ("push", "-q", str(bare), "main"),
            ("remote", "add", "origin", f"{hub.url}/acme/shop"),
        ):
            subprocess.run(["git", *arguments], cwd=workspace, check=True)

        inputs = {"mode": "pull-request", "token": "t0ken-of-ada", "labels": "ci\nfhfix", "reviewers": "grace"}
        done, files = run_action(workspace, select="outdated-action", safe="true", draft="true", **inputs)

        assert (done.returncode, files["GITHUB_OUTPUT"]) == (0, "exit-code=0\n"), done.stderr
        (pull,) = hub.pulls
        assert (pull.labels, pull.reviewers, pull.draft) == (["ci", "fhfix"], ["grace"], True)
        assert hub.git(bare, "log", "-1", "--format=%an %cn", "fhfix") == "github-actions[bot] github-actions[bot]"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"mode": "pull-request"}, "needs the input token"),
        ({"mode": "both"}, "mode must be check or pull-request, not both"),
        ({"select": "silent-typecheck"}, "did you mean 'silent-type-check'?"),
        ({"path": "nowhere"}, "no such file or folder"),
        ({"path": "--help"}, "no such file or folder"),
    ],
)
def test_wrong_inputs_are_said(workspace: Path, inputs: dict[str, str], message: str) -> None:
    done, _ = run_action(workspace, **inputs)

    assert done.returncode == 2
    assert message in done.stdout + done.stderr


def test_inputs_reach_the_shell_as_data(workspace: Path) -> None:
    run_action(workspace, path="$(touch owned)", select="`touch owned`", ignore='"; touch owned; "')

    assert not (workspace / "owned").exists()
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


@pytest.mark.needs("zizmor")
def test_the_linter_for_actions_finds_nothing() -> None:
    command = [component("zizmor"), "--offline", "--no-progress", str(ROOT / "action.yml")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.needs("check-jsonschema")
def test_the_action_keeps_to_the_schema_of_actions() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions"]
    assert subprocess.run([*command, str(ROOT / "action.yml")], capture_output=True, check=False).returncode == 0


# -- pre-commit ---------------------------------------------------------------------------------------------------


def run_hook(hook_id: str, workspace: Path) -> int:
    (hook,) = (hook for hook in HOOKS if hook["id"] == hook_id)
    program, *arguments = shlex.split(hook["entry"])
    assert program == "fhfix"
    return subprocess.run([FHFIX, *arguments], cwd=workspace, capture_output=True, check=False).returncode


@pytest.mark.slow
def test_the_hooks_fix_and_check(workspace: Path) -> None:
    (workspace / ".fhfix.toml").write_text('select = ["outdated-action"]\n')
    ci = workspace / ".github/workflows/ci.yml"

    assert run_hook("fhfix-check", workspace) == 1
    assert ci.read_text() == CI
    assert run_hook("fhfix", workspace) == 0
    assert ci.read_text() != CI
    assert ci.read_text() == CI.replace("@v3", re.search("@v[0-9.]+", ci.read_text())[0])  # type: ignore[index]
    assert run_hook("fhfix-check", workspace) == 0


@pytest.mark.slow
def test_the_fixing_hook_does_not_fail_for_what_it_cannot_fix(workspace: Path) -> None:
    blocked = DEPLOY.replace("sleep 60", "|\n          kubectl apply -f app.yml\n          sleep 60")
    (workspace / ".github/workflows/deploy.yml").write_text(blocked)
    (workspace / ".fhfix.toml").write_text('select = ["hardcoded-sleep"]\n')

    assert run_hook("fhfix", workspace) == 0
    assert run_hook("fhfix-check", workspace) == 1
    assert (workspace / ".github/workflows/deploy.yml").read_text() == blocked


@pytest.mark.parametrize(
    ("path", "concerns"),
    [
        (".github/workflows/ci.yml", True),
        ("tools/action.yaml", True),
        ("Dockerfile", True),
        ("a/Dockerfile.prod", True),
        ("docker-compose.override.yml", True),
        ("app/settings/base.py", True),
        ("app/local_settings.py", True),
        ("requirements/dev.txt", True),
        ("requirements-dev.txt", True),
        ("pyproject.toml", True),
        (".fhfix.toml", True),
        ("app/models.py", False),
        ("workflows/ci.yml", False),
        ("docs/Dockerfiles.md", False),
    ],
)
def test_the_hooks_run_for_files_that_rules_read(path: str, concerns: bool) -> None:
    assert [bool(re.search(hook["files"], path)) for hook in HOOKS] == [concerns, concerns]


def test_the_program_that_the_hooks_name_is_installed() -> None:
    assert shutil.which("fhfix", path=str(FHFIX.parent)) is not None
