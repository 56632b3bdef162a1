"""Whole processes, measured from outside: processor time, wall time, memory."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FINDINGS = {0, 1, 10, 11, 12, 13, 14}
"""Exit codes that say "done": zizmor's 11 to 14 stand for the severity of what it found."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""An installed program has its compiled modules beside it; the first round, which does not count, makes them here."""

Command = list[str]


@dataclass(frozen=True, slots=True)
class Run:
    """`cpu` is user and system time in seconds, also that of processes which were started and waited for."""

    cpu: float
    wall: float
    megabytes: float


@dataclass(frozen=True)
class Programs:
    fhfix: str
    zizmor: str

    def check(self, folder: Path) -> Command:
        return [self.fhfix, "check", str(folder)]

    def dry_run(self, folder: Path) -> Command:
        return [self.fhfix, "apply", "--dry-run", str(folder)]

    def quiet_dry_run(self, folder: Path) -> Command:
        return [self.fhfix, "apply", "--dry-run", "--quiet", str(folder)]

    def apply(self, folder: Path) -> Command:
        return [self.fhfix, "apply", str(folder)]

    def page(self, folder: Path) -> Command:
        return [self.fhfix, "preview", "--html", "-", str(folder)]

    def lint(self, folder: Path) -> Command:
        return [self.zizmor, "--offline", "--no-progress", "--no-config", str(folder)]

    def fix(self, folder: Path) -> Command:
        return [self.zizmor, "--offline", "--no-progress", "--no-config", "--fix=all", str(folder)]


Work = Callable[[Path], Command]


def run(*commands: Command) -> Run:
    """Processes that are started together: their time, and the sum of what each needed at most."""
    start = time.perf_counter()
    processes = [
        subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT) for c in commands
    ]
    cpu = memory = 0.0
    for command, process in zip(commands, processes, strict=True):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in FINDINGS:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        cpu += usage.ru_utime + usage.ru_stime
        memory += usage.ru_maxrss
    return Run(cpu, time.perf_counter() - start, memory / 1024)
