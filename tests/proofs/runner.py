"""Runs a workflow's jobs on this machine with the semantics of GitHub's runner; `uses:` steps are played by the test.

Kept, as documented for workflows and read in actions/runner: the order of `needs` and its results; `success() &&`
where an `if:` has no status function; status functions of jobs and steps; expressions, by GitHub's own code; the
default shell `bash -e` without pipefail against `shell: bash` with it; the layers of env (workflow, job, GITHUB_ENV,
step); the files GITHUB_ENV, GITHUB_OUTPUT, GITHUB_PATH and GITHUB_STEP_SUMMARY with heredocs; `::add-mask::`; secrets
masked in logs; job outputs evaluated after a failure too, and dropped where they hold a masked value; continue-on-
error (outcome against conclusion); timeouts of steps and jobs; cancelling a job; matrix; `defaults.run`.

Composite actions of the repository, with their inputs, defaults and outputs, and GITHUB_ACTION_PATH.

Not kept: containers, services, concurrency, reusable workflows. A job that asks for one of them is refused.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.fixture_cases import write
from tests.proofs.github_code import ExpressionError, github_code

_STATUS_FUNCTION = re.compile(r"\b(success|failure|cancelled|always)\s*\(", re.IGNORECASE)
_SHELLS = {
    "": "bash -e {0}",
    "bash": "bash --noprofile --norc -eo pipefail {0}",
    "sh": "sh -e {0}",
    "python": "python3 {0}",
}
_COMMAND_FILES = ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY", "STATE")


class _Loader(yaml.SafeLoader):
    """YAML as GitHub reads it: `on` and `yes` are words."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")


@dataclass
class Played:
    """What a `uses:` step does when a test plays it."""

    outputs: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    masks: tuple[str, ...] = ()
    log: str = ""
    ok: bool = True


class CannotRunError(Exception):
    """A workflow that asks for what this runner does not keep, or uses an action that nobody plays."""


Play = Callable[[dict[str, Any], dict[str, str]], Played]
"""Given the step's `with:` and its environment."""


def does_nothing(with_: dict[str, Any], env: dict[str, str]) -> Played:
    return Played()


@dataclass
class StepRun:
    name: str
    outcome: str = "skipped"
    conclusion: str = "skipped"
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    seconds: float = 0.0


@dataclass
class JobRun:
    id: str
    result: str = "skipped"
    outputs: dict[str, str] = field(default_factory=dict)
    steps: list[StepRun] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    summary: str = ""

    def step(self, name: str) -> StepRun:
        return next(step for step in self.steps if step.name == name)

    @property
    def log(self) -> str:
        return "".join(f"[{step.conclusion}] {step.name}\n{step.log}" for step in self.steps)


@dataclass
class WorkflowRun:
    jobs: dict[str, JobRun]

    @property
    def result(self) -> str:
        results = {job.result for job in self.jobs.values()}
        return next((r for r in ("failure", "cancelled") if r in results), "success")

    @property
    def log(self) -> str:
        return "".join(f"== {job.id}: {job.result} {job.outputs}\n{job.log}" for job in self.jobs.values())


def read_command_file(text: str) -> dict[str, str]:
    """Names and values of a file like GITHUB_OUTPUT: `name=value`, or `name<<END … END`."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        heredoc = re.match(r"([^=]*?)<<(.+)$", line)
        if heredoc:
            body: list[str] = []
            for following in lines:
                if following == heredoc[2]:
                    break
                body.append(following)
            else:
                raise ValueError(f"Invalid value. Matching delimiter not found '{heredoc[2]}'")
            found[heredoc[1]] = "\n".join(body)
        elif "=" in line:
            name, value = line.split("=", 1)
            found[name] = value
        elif line:
            raise ValueError(f"Invalid format '{line}'")
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


class Runner:
    """One run of one workflow.

    `files` are the repository's own, by path, for its composite actions; a job has them once it has checked out.
    `plays` maps `owner/name` of an action to what it does; an action that is not named is refused. `cancel_in` is the
    name of a step that is cancelled, with its job, a tenth of a second after it started. `minute` is how many seconds a
    minute of `timeout-minutes` lasts.
    """

    def __init__(
        self,
        workflow: str,
        *,
        event: str = "push",
        github: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        plays: Mapping[str, Play] | None = None,
        env: Mapping[str, str] | None = None,
        path: Sequence[Path | str] = (),
        workspace: Path | None = None,
        only: Sequence[str] | None = None,
        cancel_in: str = "",
        minute: float = 60.0,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        self.data: dict[str, Any] = yaml.load(workflow, _Loader)
        self.secrets, self.variables, self.inputs = dict(secrets or {}), dict(variables or {}), dict(inputs or {})
        self.plays, self.only = dict(plays or {}), only
        self.cancel_in, self.minute = cancel_in, minute
        self.masks = {value for value in self.secrets.values() if value}
        self.folder = Path(tempfile.mkdtemp(prefix="runner-"))
        self.workspace = workspace or self.folder / "workspace"
        self.workspace.mkdir(exist_ok=True)
        self.files, self.checked_out = dict(files or {}), False
        self.groups: list[int] = []
        self.base = {
            "PATH": ":".join([*map(str, path), "/usr/local/bin:/usr/bin:/bin"]),
            "HOME": str(self.folder),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            **(env or {}),
        }
        self.github = {
            "event_name": event,
            "ref": "refs/heads/main",
            "ref_name": "main",
            "sha": "0123456789" * 4,
            "repository": "owner/repository",
            "repository_owner": "owner",
            "actor": "somebody",
            "run_id": "77",
            "run_number": "7",
            "run_attempt": "1",
            "workflow": self.data.get("name", ""),
            "workspace": str(self.workspace),
            "event": {"inputs": self.inputs},
            "server_url": "http://127.0.0.1",
            "token": "ghs_token",
            **(github or {}),
        }

    def run(self) -> WorkflowRun:
        jobs = self.data["jobs"]
        done: dict[str, JobRun] = {}
        needs = {
            name: [job["needs"]] if isinstance(job.get("needs"), str) else list(job.get("needs") or [])
            for name, job in jobs.items()
        }
        left = dict(jobs)
        try:
            while left:
                ready = [name for name in left if all(need in done for need in needs[name])]
                if not ready:
                    raise ValueError(f"a circle of needs, or an unknown job, among {sorted(left)}")
                for name in ready:
                    ancestors, todo = set[str](), list(needs[name])
                    while todo:
                        need = todo.pop()
                        if need not in ancestors:
                            ancestors.add(need)
                            todo += needs[need]
                    direct = {need: done[need] for need in needs[name]}
                    done[name] = self._job(name, left.pop(name), direct, [done[a].result for a in ancestors])
        finally:
            self._end_orphans()
            shutil.rmtree(self.folder, ignore_errors=True)
        return WorkflowRun({name: done[name] for name in jobs})

    def _end_orphans(self) -> None:
        """What steps left in the background is ended, as GitHub's runner does behind a job."""
        for group in self.groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self.groups.clear()

    # -- jobs ---------------------------------------------------------------------------------------------------

    def _job(self, name: str, job: dict[str, Any], needs: dict[str, JobRun], ancestors: list[str]) -> JobRun:
        code, run = github_code(), JobRun(name)
        contexts: dict[str, Any] = {
            "github": {**self.github, "job": name},
            "needs": {n: {"result": j.result, "outputs": j.outputs} for n, j in needs.items()},
            "vars": self.variables,
            "inputs": self.inputs,
        }
        if self.only is not None and name not in self.only:
            run.result = "success"
            return run
        if not self._holds(job.get("if"), contexts, ancestors=ancestors or ["success"]):
            return run
        for what in ("services", "container"):
            if job.get(what):
                raise CannotRunError(f"job {name}: {what}")
        strategy = job.get("strategy") or {}
        contexts["secrets"] = {**self.secrets, "GITHUB_TOKEN": "ghs_token"}
        results: list[str] = []
        for index, leg in enumerate(self._matrix(strategy.get("matrix"), contexts)):
            results.append(self._leg(run, job, {**contexts, "matrix": leg, "strategy": {"job-index": index}}))
            if results[-1] == "failure" and strategy.get("fail-fast", True):
                break
        run.result = next((r for r in ("failure", "cancelled") if r in results), "success")
        if run.result == "failure" and code.evaluate(job.get("continue-on-error", False), contexts) is True:
            run.result = "success"
        return run

    def _matrix(self, matrix: Any, contexts: dict[str, Any]) -> list[dict[str, Any]]:
        code = github_code()
        matrix = code.evaluate(matrix, contexts) or {}
        axes = {k: code.evaluate(v, contexts) for k, v in matrix.items() if k not in ("include", "exclude")}
        legs: list[dict[str, Any]] = [
            dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()) if axes
        ]
        excluded = matrix.get("exclude") or []
        legs = [leg for leg in legs if not any(all(leg.get(k) == v for k, v in e.items()) for e in excluded)]
        for extra in matrix.get("include") or []:
            hits = [leg for leg in legs if all(leg[k] == v for k, v in extra.items() if k in axes)]
            for leg in hits:
                leg.update(extra)
            if not hits:
                legs.append(dict(extra))
        return legs or [{}]

    def _leg(self, run: JobRun, job: dict[str, Any], contexts: dict[str, Any]) -> str:
        code = github_code()
        narrow = {k: contexts[k] for k in ("github", "secrets", "inputs", "vars")}
        fixed = {**code.interpolate(self.data.get("env") or {}, narrow)}
        fixed.update(code.interpolate(job.get("env") or {}, contexts))
        exported: dict[str, str] = {}
        paths: list[str] = []
        steps: dict[str, Any] = {}
        status = "success"
        runner = {"os": "Linux", "arch": "X64", "temp": str(self.folder), "tool_cache": str(self.folder)}
        defaults = {
            **((self.data.get("defaults") or {}).get("run") or {}),
            **((job.get("defaults") or {}).get("run") or {}),
        }
        self.checked_out = False
        limit = code.evaluate(job.get("timeout-minutes"), contexts)
        deadline = time.monotonic() + float(limit if limit is not None else 360) * self.minute

        def seen(env: Mapping[str, Any]) -> dict[str, Any]:
            return {**contexts, "env": dict(env), "steps": steps, "runner": runner, "job": {"status": status}}

        for index, step in enumerate(job.get("steps") or []):
            title = step.get("name") or step.get("id") or (step.get("uses") or "").split("@")[0] or f"run {index}"
            record = StepRun(title)
            run.steps.append(record)
            started = time.monotonic()
            env = {**fixed, **exported}
            cancelled = False
            try:
                if self._holds(step.get("if"), seen(env), status=status, folder=str(self.workspace)):
                    own = code.interpolate(step.get("env") or {}, seen(env), folder=str(self.workspace))
                    env = {**env, **{k: _text(v) for k, v in own.items()}}
                    record.name = code.interpolate(title, seen(env))
                    # A step that may run after the job's deadline still gets its time: the runner gives it five minutes
                    # once the job is being cancelled.
                    left = deadline - time.monotonic() if status != "cancelled" else 5 * self.minute
                    if str(step.get("uses", "")).startswith("./"):
                        ok, cancelled = self._composite(step, record, env, seen(env), exported, paths, run, left)
                    elif "uses" in step:
                        ok = self._uses(step, record, env, seen(env), exported)
                    else:
                        ok, cancelled = self._run(step, record, env, seen(env), exported, paths, defaults, run, left)
                    record.outcome = "success" if ok else "cancelled" if cancelled else "failure"
                    excused = code.evaluate(step.get("continue-on-error", False), seen(env)) in (True, "true")
                    record.conclusion = "success" if ok or (excused and not cancelled) else record.outcome
            except (ExpressionError, ValueError) as error:
                record.outcome = record.conclusion = "failure"
                record.log += f"::error::{error}\n"
            record.log, record.seconds = self._masked(record.log), time.monotonic() - started
            if step.get("id"):
                steps[step["id"]] = {
                    "outputs": record.outputs,
                    "outcome": record.outcome,
                    "conclusion": record.conclusion,
                }
            if status == "success" and record.conclusion in ("failure", "cancelled"):
                status = record.conclusion
        for name, value in (job.get("outputs") or {}).items():
            text = _text(code.interpolate(value, seen({**fixed, **exported}), status=status))
            if self._masked(text) != text:
                run.warnings.append(f"Skip output '{name}' since it may contain secret.")
            elif text:
                run.outputs[name] = text
        return status

    # -- steps --------------------------------------------------------------------------------------------------

    def _holds(self, condition: Any, contexts: dict[str, Any], **more: Any) -> bool:
        if isinstance(condition, bool):
            condition = str(condition).lower()
        text = "success()" if condition is None else str(condition)
        if not _STATUS_FUNCTION.search(text):
            inner = re.fullmatch(r"\s*\$\{\{(.*)\}\}\s*", text, re.DOTALL)
            text = f"success() && ({inner[1] if inner else text})"
        return github_code().holds(text, contexts, **more)

    def _masked(self, text: str) -> str:
        for mask in sorted(self.masks, key=len, reverse=True):
            text = text.replace(mask, "***")
        return text

    def _run(
        self,
        step: dict[str, Any],
        record: StepRun,
        env: dict[str, Any],
        contexts: dict[str, Any],
        exported: dict[str, str],
        paths: list[str],
        defaults: dict[str, Any],
        run: JobRun,
        job_seconds: float,
    ) -> tuple[bool, bool]:
        """Whether the step succeeded, and whether it was cancelled (by the test, or by the job's time limit)."""
        code = github_code()
        shell = _text(step.get("shell") or defaults.get("shell"))
        command = _SHELLS.get(shell, shell)
        script = Path(tempfile.mkstemp(dir=self.folder, suffix=".sh")[1])
        script.write_text(code.interpolate(step["run"], contexts, folder=str(self.workspace)), encoding="utf-8")
        files = {f"GITHUB_{name}": script.with_suffix(f".{name}") for name in _COMMAND_FILES}
        for file in files.values():
            file.touch()
        full = {
            **self.base,
            **{f"GITHUB_{k.upper()}": _text(v) for k, v in self.github.items() if isinstance(v, str | int)},
            "GITHUB_JOB": contexts["github"]["job"],
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": str(self.folder),
            **{k: _text(v) for k, v in env.items()},
            **{k: str(v) for k, v in files.items()},
        }
        full["PATH"] = ":".join([*reversed(paths), full["PATH"]])
        where = code.interpolate(step.get("working-directory") or defaults.get("working-directory") or ".", contexts)
        minutes = code.evaluate(step.get("timeout-minutes"), contexts)
        limit = float(minutes) * self.minute if minutes is not None else None
        by_hand = self.cancel_in != "" and record.name == self.cancel_in
        if by_hand:
            self.cancel_in = ""  # once
        cancel = 0.1 if by_hand else job_seconds
        seconds = min(cancel, limit) if limit is not None else cancel
        process = subprocess.Popen(
            [part.replace("{0}", str(script)) for part in command.split()],
            env=full,
            cwd=self.workspace / where,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        cancelled = by_hand  # also where a quick machine is done by then
        try:
            record.log = process.communicate(timeout=max(seconds, 0.01))[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            record.log = (process.communicate()[0] or "") + "\n##[error]The operation was canceled.\n"
            cancelled = limit is None or cancel < limit
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 0)  # something is left; the number is not given away while it is
            self.groups.append(process.pid)
        self.masks |= set(re.findall(r"^::add-mask::(.+)$", record.log, re.MULTILINE))
        record.outputs = read_command_file(files["GITHUB_OUTPUT"].read_text())
        exported.update(read_command_file(files["GITHUB_ENV"].read_text()))
        paths += [line for line in files["GITHUB_PATH"].read_text().splitlines() if line]
        run.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        return process.returncode == 0 and not cancelled, cancelled

    def _uses(
        self,
        step: dict[str, Any],
        record: StepRun,
        env: dict[str, Any],
        contexts: dict[str, Any],
        exported: dict[str, str],
    ) -> bool:
        action = step["uses"].split("@")[0]
        if action not in self.plays:
            raise CannotRunError(f"nobody plays {step['uses']}")
        with_ = github_code().interpolate(step.get("with") or {}, contexts, folder=str(self.workspace))
        played = self.plays[action](with_, {k: _text(v) for k, v in env.items()})
        self.checked_out |= action == "actions/checkout"
        record.outputs, record.log = played.outputs, played.log
        exported.update(played.env)
        self.masks |= set(played.masks)
        return played.ok

    def _composite(
        self,
        step: dict[str, Any],
        record: StepRun,
        env: dict[str, Any],
        contexts: dict[str, Any],
        exported: dict[str, str],
        paths: list[str],
        run: JobRun,
        seconds: float,
    ) -> tuple[bool, bool]:
        """Runs an action of the repository: its steps have shells of their own, its inputs, and steps of their own."""
        code, folder = github_code(), step["uses"].removeprefix("./")
        if not self.checked_out or f"{folder}/action.yml" not in self.files:
            record.log = f"::error::Can't find 'action.yml' under '{folder}'. Did you forget to run actions/checkout?\n"
            return False, False
        at = write(self.folder / "checkout", self.files)
        action = yaml.load(self.files[f"{folder}/action.yml"], _Loader)
        given = code.interpolate(step.get("with") or {}, contexts, folder=str(self.workspace))
        unknown = set(given) - set(action.get("inputs") or {})
        if unknown:
            raise ValueError(f"Unexpected input(s) {sorted(unknown)}")
        inputs = {name: _text(given.get(name, each.get("default"))) for name, each in action["inputs"].items()}
        own: dict[str, Any] = {}
        ok = cancelled = False
        for inner in action["runs"]["steps"]:
            if "shell" not in inner:
                raise ValueError("Required property is missing: shell")
            here = {**contexts, "inputs": inputs, "steps": own, "env": dict(env)}
            inner_env = code.interpolate(inner.get("env") or {}, here)
            full = {**env, **{k: _text(v) for k, v in inner_env.items()}, "GITHUB_ACTION_PATH": str(at / folder)}
            made = StepRun(record.name)
            ok, cancelled = self._run(inner, made, full, here, exported, paths, {}, run, seconds)
            record.log += made.log
            if inner.get("id"):
                own[inner["id"]] = {"outputs": made.outputs}
            if not ok:
                break
        for name, each in (action.get("outputs") or {}).items():
            record.outputs[name] = _text(code.interpolate(each["value"], {**contexts, "inputs": inputs, "steps": own}))
        return ok, cancelled
