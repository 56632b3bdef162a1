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

# Only the writing is of interest: the plan is made before strace begins to count.
WRITES = """
import hashlib, logging, os, shutil, sys  # all that is loaded late: a Python that cannot be read is not of interest
from pathlib import Path
from fixer import writing
from fixer.engine import plan
from fixer.registry import all_rules
from fixer.repository import Repository
root = Path(sys.argv[2])
if sys.argv[1] == "apply":
    rules = [rule for rule in all_rules() if rule.id in ("silent-type-check", "leaky-builder-stage")]
    made = plan(Repository(root), rules)
os.path.exists("/the-writing-begins-here")
try:
    writing.apply(root, made) if sys.argv[1] == "apply" else writing.undo(root)
except writing.WriteError as error:
    print(error, file=sys.stderr)
    sys.exit(3)
"""


def repository(folder: Path) -> Path:
    (folder / ".github/workflows").mkdir(parents=True)
    for number in range(3):
        (folder / f".github/workflows/w{number}.yml").write_text(WORKFLOW.replace("{n}", str(number)))
    (folder / "Dockerfile").write_text('FROM python:3.12\nWORKDIR /app\nCOPY . .\nCMD ["python", "x.py"]\n')
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def run(command: str, root: Path, *strace: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", WRITES, command, str(root)]
    around = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*strace, *words], capture_output=True, text=True, env=around, timeout=120)


def counted(command: str, root: Path, log: Path) -> dict[str, tuple[int, int]]:
    """For each call: its number when the writing begins, and in all."""
    run(command, root, "strace", "-f", "-qq", "-o", str(log), "-e", f"trace={','.join(CALLS)},stat,newfstatat")
    found: dict[str, list[int]] = {call: [0, 0] for call in CALLS}
    begun = False
    for line in log.read_text(errors="replace").splitlines():
        begun |= "the-writing-begins-here" in line
        name = re.match(r"(?:\d+ +)?(\w+)\(", line)
        if name and name[1] in found:
            found[name[1]][1] += 1
            found[name[1]][0] += not begun
    return {call: (before, every) for call, (before, every) in found.items() if every > before}


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
        places = []
        calls = counted("apply", root, Path(where) / "log")
        after = contents(root)
        assert after != before
        places += [("apply", call, n) for call, (first, last) in calls.items() for n in range(first + 1, last + 1)]
        calls = counted("undo", root, Path(where) / "log")
        assert contents(root) == before
        places += [("undo", call, n) for call, (first, last) in calls.items() for n in range(first + 1, last + 1)]
        wanted = [(place, how) for place in places for how in HOW]
        dice.shuffle(wanted)
        for (command, call, n), how in wanted[: given.faults]:
            start = before if command == "apply" else after
            if contents(root) != start:
                run("undo" if command == "apply" else "apply", root)
            assert contents(root) == start, "the campaign cannot go on"
            inject = f"inject={call}:{how.format(n=n)}"
            done = run(command, root, "strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject)
            counts[how.partition(":")[0]] += 1
            counts["refused"] += done.returncode == 3
            counts["half-written"] += contents(root) not in (before, after)
            if "Traceback" in done.stderr:
                failures.append(f"{command} {inject}: {done.stderr.strip()[-300:]}")
            again = run("undo", root)  # recovers, then takes back what is there to be taken back
            found = contents(root)
            if found not in (before, after):
                failures.append(f"{command} {inject}: torn after the next start: {again.stderr.strip()[-200:]}")
                subprocess.run(["rm", "-rf", str(root)], check=True)
                repository(root)
    for failure in failures:
        print(failure)
    print(f"seed {given.seed}: {len(places)} places; {dict(counts)}; {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
