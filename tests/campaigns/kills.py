"""Kills of the command in the middle of its work: `python -m tests.campaigns.kills --rounds 1000`.

`apply`, `undo` and `pr` are killed by SIGKILL at a random moment (`pr` against a GitHub on the loopback). After the
next start of fhfix every file must be what it was or what it becomes, all of them alike; a pull request is there once.
No process, no temporary folder and no half-written file may be left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fixer import writing
from fixer.engine import plan
from fixer.registry import all_rules
from fixer.repository import Repository
from tests.proofs.fakehub import serving
from tests.test_processes import of_group

ROOT = Path(__file__).parent.parent.parent
FILES = 24
WORKFLOW = "on: push\njobs:\n  types{n}:\n    runs-on: ubuntu-latest\n    steps:\n      - run: mypy . || true\n"
DOCKERFILE = 'FROM python:3.12\nWORKDIR /app\nCOPY . .\nCMD ["python", "x.py"]\n'

Tree = dict[str, bytes]


def contents(root: Path) -> Tree:
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith((".git/", ".fhfix/")):
            found[name] = path.read_bytes()
    return found


def repository(folder: Path) -> Path:
    """Workflows to change, and Dockerfiles beside which files are made."""
    (folder / ".github/workflows").mkdir(parents=True)
    for number in range(FILES):
        (folder / f".github/workflows/w{number}.yml").write_text(WORKFLOW.replace("{n}", str(number)))
        if number % 4 == 0:
            (folder / f"d{number}").mkdir()
            (folder / f"d{number}/Dockerfile").write_text(DOCKERFILE)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@example.com")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Start")
    return folder


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


FORKING = """
import json, os, sys
from fixer import __main__, writing
from fixer.commands import apply, pr, undo
from fixer.registry import all_rules
from fixer.verify import second_reading
import libcst, ruamel.yaml, tree_sitter_bash
all_rules()
for line in sys.stdin:
    words, environment = json.loads(line)
    child = os.fork()
    if child == 0:
        os.setsid()
        for number in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        os.environ.update(environment)
        sys.argv = ["fhfix", *words]
        try:
            __main__.main()
        except SystemExit as end:
            os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs the commands that it is told, each in a process forked from one that has loaded everything: what is killed is
then the work, and not the start of Python."""


class Runner:
    def __init__(self, temporary: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
        # Without a buffer of our own `select` knows whether there is an answer.
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKING], env=environment, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(
        self, words: Sequence[str], environment: Mapping[str, str], killed_after: float | None = None
    ) -> tuple[int, int]:
        """The process, and how it ended."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps([words, environment]).encode() + b"\n")
        number = int(stdout.readline())
        if killed_after is not None and not select.select([stdout], [], [], killed_after)[0]:
            os.kill(number, signal.SIGKILL)
        return number, int(stdout.readline())

    def close(self) -> None:
        self._process.communicate()


class Campaign:
    def __init__(self, dice: random.Random, folder: Path) -> None:
        self.dice = dice
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.root = repository(folder / "shop")
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.runner = Runner(self.temporary)
        self.before = contents(self.root)
        self.long: dict[str, float] = {}
        done = self.run("apply", str(self.root), "-q")
        assert done in (0, 1)
        self.after = contents(self.root)
        assert self.after != self.before
        assert self.run("undo", str(self.root)) == 0

    def run(self, *words: str, **environment: str) -> int:
        begun = time.monotonic()
        _, code = self.runner.run(words, environment)
        self.long[words[0]] = time.monotonic() - begun
        return code

    def killed(self, *words: str, **environment: str) -> bool:
        """Starts it, kills it at a random moment, and looks what is left; whether it was still running."""
        # Much of the time goes by before anything is written: the last part is of more interest.
        whole = self.long[words[0]]
        moment = whole * (self.dice.uniform(0.4, 1.05) if self.dice.random() < 0.8 else self.dice.random())
        number, code = self.runner.run(words, environment, moment)
        end = time.monotonic() + 10
        while of_group(number) and time.monotonic() < end:
            time.sleep(0.01)
        if of_group(number):
            self.failures.append(f"{words[0]}: processes are left: {of_group(number)}")
        return code == -signal.SIGKILL

    def writing(self, command: str) -> None:
        """One kill of `apply` or `undo`; then the other command, or the same once more, puts it right."""
        assert contents(self.root) == (self.before if command == "apply" else self.after)
        words = (command, str(self.root), *(["-q"] if command == "apply" else []))
        if not self.killed(*words):
            self.counts["came to its end"] += 1
        else:
            self.counts[f"{command} killed"] += 1
        torn = contents(self.root)
        self.counts["half-written"] += torn not in (self.before, self.after)
        next_command = self.dice.choice(("apply", "undo"))
        code = self.run(next_command, str(self.root), *(["-q"] if next_command == "apply" else []))
        found = contents(self.root)
        if next_command == "apply" and (code not in (0, 1) or found != self.after):
            self.failures.append(f"apply after a killed {command}: exit {code}, {self.differing(found, self.after)}")
        if next_command == "undo" and found not in (self.before, self.after):
            self.failures.append(f"undo after a killed {command}: exit {code}, {self.differing(found, self.before)}")
        wanted = self.after if self.dice.random() < 0.5 else self.before
        self.bring_to(wanted)

    def forked(self, rounds: int) -> None:
        """Kills of the writing alone, in a process forked from this one; a recovery may be killed too."""
        made = plan(Repository(self.root), all_rules())
        self.bring_to(self.before)
        whole = dict.fromkeys(("apply", "undo", "recover"), 0.02)
        for _ in range(rounds):
            found = contents(self.root)
            command = "recover" if writing.interrupted(self.root) else "apply" if found == self.before else "undo"
            begun = time.monotonic()
            child = os.fork()
            if child == 0:
                try:
                    if command == "apply":
                        writing.apply(self.root, made)
                    elif command == "undo":
                        writing.undo(self.root)
                    else:
                        writing.recover(self.root)
                finally:
                    os._exit(0)
            time.sleep(self.dice.uniform(0, whole[command] * 1.1))
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            if os.WIFSIGNALED(os.waitpid(child, 0)[1]):
                self.counts[f"writer killed in {command}"] += 1
            else:
                whole[command] = time.monotonic() - begun
            self.counts["half-written"] += contents(self.root) not in (self.before, self.after)
            if self.dice.random() < 0.3 and writing.interrupted(self.root):
                continue  # the recovery is killed as well
            writing.recover(self.root)
            if contents(self.root) not in (self.before, self.after):
                self.failures.append(f"torn after a killed {command}")
                self.bring_to(self.before)
        writing.recover(self.root)
        self.bring_to(self.before)

    def bring_to(self, wanted: Tree) -> None:
        found = contents(self.root)
        if found == self.before and wanted == self.after:
            self.run("apply", str(self.root), "-q")
        elif found != wanted:
            self.run("undo", str(self.root))
        if contents(self.root) != wanted:
            self.failures.append(f"not as wanted: {self.differing(contents(self.root), wanted)}")
            shutil.rmtree(self.root / ".git/fhfix", ignore_errors=True)
            git(self.root, "reset", "-q", "--hard")
            git(self.root, "clean", "-qfd")
            if wanted == self.after:
                self.run("apply", str(self.root), "-q")

    def differing(self, found: Tree, wanted: Tree) -> list[str]:
        return sorted(path for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path))[:5]

    def proposing(self, folder: Path, rounds: int) -> None:
        """Kills of `pr`: the next run ends with one right pull request, and the clone is what it was."""
        for hub in serving(folder / "hub"):
            bare = hub.add_repository("acme/shop")
            root = repository(folder / "clone")
            git(root, "remote", "add", "origin", f"{hub.url}/acme/shop.git")
            git(root, "push", "-q", str(bare), "main")
            before = contents(root)
            environment = {"FHFIX_TOKEN": "t0ken-of-ada", "FHFIX_HOST": hub.url.partition("://")[2]}
            environment |= {"GIT_CONFIG_GLOBAL": os.devnull}
            for _ in range(2):  # the first loads what the others have
                hub.pulls.clear()
                assert self.run("pr", str(root), **environment) == 0
            for _ in range(rounds):
                hub.pulls.clear()
                subprocess.run(["git", "-C", str(bare), "update-ref", "-d", "refs/heads/fhfix"], check=True)
                self.counts["pr killed"] += self.killed("pr", str(root), **environment)
                code = self.run("pr", str(root), **environment)
                if code or len(hub.pulls) != 1 or not hub.tip("acme/shop", "fhfix"):
                    self.failures.append(f"pr: exit {code}, {len(hub.pulls)} pull requests")
                if contents(root) != before:
                    self.failures.append("pr: the clone has changed")


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=200, help="kills of whole commands; a third of them of `pr`")
    options.add_argument("--writer", type=int, default=1000, help="kills of the writing alone")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args(arguments)
    with tempfile.TemporaryDirectory(
        prefix="campaign-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    ) as where:
        campaign = Campaign(random.Random(given.seed), Path(where))
        campaign.forked(given.writer)
        print(f"writer: {dict(campaign.counts)}; {len(campaign.failures)} failures", flush=True)
        pulls = given.rounds // 3
        for _ in range(given.rounds - pulls):
            campaign.writing("apply" if contents(campaign.root) == campaign.before else "undo")
        print(f"and commands: {dict(campaign.counts)}; {len(campaign.failures)} failures", flush=True)
        campaign.proposing(Path(where), pulls)
        campaign.runner.close()
        # What a killed `pr` leaves is its own temporary folder; the next run removes it.
        left = [path.name for path in campaign.temporary.iterdir()]
        staged = [str(path) for path in campaign.root.rglob(".fhfix-*")]
    for failure in campaign.failures:
        print(failure)
    print(f"seed {given.seed}: {dict(campaign.counts)}; left: {len(left)} temporary folders, {len(staged)} files")
    print(f"{len(campaign.failures)} failures")
    return 1 if campaign.failures or staged or left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
