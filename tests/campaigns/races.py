"""Folders that become links while fhfix writes: `python -m tests.campaigns.races --trees 500`.

A process swaps a folder of the tree, and the state folder, with links to a folder outside, as fast as it can, while
another applies and undoes. Nothing outside may ever change.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

from fixer import writing
from fixer.model import FileChange, FileError, Piece, Plan, Source

NAMES = ("a/x.py", "a/b/y.py", "c/z.py")
SWAPPED = ("a", "a/b", "c", ".fhfix", ".fhfix/applied", ".git/fhfix/applied")


def plan_of() -> Plan:
    files = {}
    for name in NAMES:
        after = Source(name, "new = 1\n")
        files[name] = FileChange(name, Source(name, "old = 1\n"), after, (Piece(after.text),))
    new = Source("a/b/new.py", "new = 2\n")
    return Plan(files | {new.path: FileChange(new.path, None, new, (Piece(new.text),))}, ())


def outside(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def swapping(root: Path, away: Path, dice: random.Random) -> None:
    """For ever: a folder is renamed away, a link stands in its place, and the folder comes back."""
    while True:
        path = root / dice.choice(SWAPPED)
        with suppress(OSError):
            os.rename(path, root / "kept")
            os.symlink(away / dice.choice(("a", "a/b", ".")), path)
            os.unlink(path)
        with suppress(OSError):
            os.rename(root / "kept", path)


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trees", type=int, default=50)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args(arguments)
    counts: Counter[str] = Counter()
    changed = 0
    with tempfile.TemporaryDirectory(
        prefix="campaign-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    ) as where:
        for number in range(given.trees):
            dice = random.Random(f"{given.seed}/{number}")
            root, away = Path(where) / f"{number}/tree", Path(where) / f"{number}/away"
            for base, text in ((root, "old = 1\n"), (away, "mine = 1\n")):
                for name in NAMES:
                    (base / name).parent.mkdir(parents=True, exist_ok=True)
                    (base / name).write_text(text)
            for folder in ("20240101", "20240102", "00000001"):
                (away / folder).mkdir()
                (away / folder / "db.sql").write_text("dump")
            if number % 2:
                subprocess.run(["git", "init", "-q", str(root)], check=True)
            before = outside(away)
            child = os.fork()
            if child == 0:
                try:
                    swapping(root, away, dice)
                finally:
                    os._exit(1)
            try:
                for _ in range(6):
                    for command in ("apply", "undo"):
                        try:
                            writing.apply(root, plan_of()) if command == "apply" else writing.undo(root)
                            counts["done"] += 1
                        except (writing.WriteError, FileError, OSError) as error:
                            counts[type(error).__name__] += 1
            finally:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            if outside(away) != before:
                changed += 1
                print(f"tree {number}: changed outside: {sorted(outside(away).items() ^ before.items())[:5]}")
    print(f"seed {given.seed}: {given.trees} trees, {dict(counts)}; {changed} changed outside")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
