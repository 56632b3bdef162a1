"""System calls that fail while fhfix writes: `python -m tests.campaigns.syscalls`; needs strace.

For each call that writes, and each of its occurrences in turn, it fails once (EIO), or from there on (ENOSPC), or the
process is killed there. After the next start every file is what it was or what it becomes, all of them alike, and no
output holds a traceback.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.campaigns.kills import ROOT, contents

WORKFLOW = "on: push\njobs:\n  types{n}:\n    runs-on: ubuntu-latest\n    steps:\n      - run: mypy . || true\n"
CALLS = ("fsync", "write", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir",
         "mkdirat", "openat", "fchmod", "fchown", "flock", "ftruncate", "pwrite64", "rmdir")  # fmt: skip
HOW = ("error=EIO:when={n}", "error=ENOSPC:when={n}+", "error=EACCES:when={n}", "signal=SIGKILL:when={n}")

WRITES = """
import os, signal, sys
from pathlib import Path
import hashlib, logging, shutil, traceback  # all that is loaded late: a Python that cannot be read is not of interest
from fixer import writing
from fixer.engine import plan
from fixer.registry import all_rules
from fixer.repository import Repository
root, said = Path(sys.argv[1]), sys.argv[2]
rules = [rule for rule in all_rules() if rule.id in ("silent-type-check", "leaky-builder-stage")]
made = plan(Repository(root), rules)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.stderr = open(said, "w", buffering=1)
        os.kill(os.getpid(), signal.SIGSTOP)
        code = 0
        try:
            writing.apply(root, made) if line == "apply\\n" else writing.undo(root)
        except writing.WriteError as error:
            print(error, file=sys.stderr)
            code = 3
        except BaseException:
            traceback.print_exc()
            code = 1
        os._exit(code)
    os.waitpid(child, os.WUNTRACED)  # it stands before its first call
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Writes as it is told, each time in a process forked from one that has planned, and that stops before its first call:
only the writing is of interest, and strace sees nothing else."""


def repository(folder: Path) -> Path:
    (folder / ".github/workflows").mkdir(parents=True)
    for number in range(3):
        (folder / f".github/workflows/w{number}.yml").write_text(WORKFLOW.replace("{n}", str(number)))
    (folder / "Dockerfile").write_text('FROM python:3.12\nWORKDIR /app\nCOPY . .\nCMD ["python", "x.py"]\n')
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


class Writer:
    def __init__(self, root: Path, folder: Path) -> None:
        self.said = folder / "said"
        self.log = folder / "log"
        around = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        words = [sys.executable, "-c", WRITES, str(root), str(self.said)]
        self._process = subprocess.Popen(words, env=around, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, command: str, *strace: str) -> int:
        """How it ended; a negative number is a signal."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(command, file=stdin, flush=True)
        number = int(stdout.readline())
        tracing = None
        if strace:
            words = ["strace", "-f", "-o", str(self.log), *strace, "-p", str(number)]
            tracing = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
            assert tracing.stderr is not None
            assert "attached" in tracing.stderr.readline()
        os.kill(number, signal.SIGCONT)
        ended = int(stdout.readline())
        if tracing is not None:
            tracing.communicate()
        return ended

    def counted(self, command: str) -> Counter[str]:
        """How often each call is made."""
        self.run(command, "-e", f"trace={','.join(CALLS)}")
        lines = self.log.read_text(errors="replace").splitlines()
        return Counter(name[1] for line in lines if (name := re.match(r"(?:\d+ +)?(\w+)\(", line)))

    def close(self) -> None:
        self._process.communicate()


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--faults", type=int, default=60)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args(arguments)
    dice = random.Random(given.seed)
    counts: Counter[str] = Counter()
    failures = []
    with tempfile.TemporaryDirectory(prefix="campaign-") as where:
        root = repository(Path(where) / "shop")
        before = contents(root)
        writer = Writer(root, Path(where))
        places = [("apply", call, n + 1) for call, count in writer.counted("apply").items() for n in range(count)]
        after = contents(root)
        assert after != before
        places += [("undo", call, n + 1) for call, count in writer.counted("undo").items() for n in range(count)]
        assert contents(root) == before
        wanted = [(place, how) for place in places for how in HOW]
        dice.shuffle(wanted)
        for (command, call, n), how in wanted[: given.faults]:
            start = before if command == "apply" else after
            if contents(root) != start:
                writer.run("undo" if command == "apply" else "apply")
            assert contents(root) == start, "the campaign cannot go on"
            inject = f"inject={call}:{how.format(n=n)}"
            ended = writer.run(command, "-e", f"trace={call}", "-e", inject)
            counts[how.partition(":")[0]] += 1
            counts["refused"] += ended == 3
            counts["half-written"] += contents(root) not in (before, after)
            if ended == 1:
                failures.append(f"{command} {inject}: {writer.said.read_text()[-300:]}")
            writer.run("undo")  # recovers, then takes back what is there to be taken back
            if contents(root) not in (before, after):
                failures.append(f"{command} {inject}: torn after the next start: {writer.said.read_text()[-200:]}")
                subprocess.run(["git", "-C", str(root), "clean", "-qfdx"], check=True)
                subprocess.run(["rm", "-rf", str(root / ".git/fhfix")], check=True)
                for path, data in before.items():
                    (root / path).write_bytes(data)
        writer.close()
    for failure in failures:
        print(failure)
    print(f"seed {given.seed}: {len(places)} places; {dict(counts)}; {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
