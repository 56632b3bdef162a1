"""fhfix against `zizmor --offline` on the same files: whole processes, in turn, as ratios.

    python -m benchmarks [--fhfix PROGRAM] [--repository FOLDER]… [--corpus FOLDER] [--rounds N]

Seconds belong to one machine and its load; what is printed is how many times as long fhfix takes, round by round:
the median, and between which values the middle half of the rounds lies. Below 1 fhfix is ahead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).parent.parent
FIXTURE = ROOT / "fixtures" / "financehub" / "before"
FINDINGS = {0, 1, 10, 11, 12, 13, 14}
"""Exit codes that say "done": zizmor's 11 to 14 stand for the severity of what it found."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""An installed program has its compiled modules beside it; the first round, which does not count, makes them here."""

Command = list[str]


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    megabytes: float


def run(*commands: Command) -> Run:
    """Wall time of whole processes, started together, and the greatest resident memory among them."""
    start = time.perf_counter()
    processes = [
        subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT) for c in commands
    ]
    memory = 0
    for command, process in zip(commands, processes, strict=True):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in FINDINGS:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        memory += usage.ru_maxrss
    return Run(time.perf_counter() - start, memory / 1024)


def compare(what: str, rounds: int, ours: Callable[[], Run], theirs: Callable[[], Run]) -> None:
    """Turn and turn about, who is first changing; the first round warms the caches of both and does not count."""
    pairs: list[tuple[Run, Run]] = []
    for number in range(rounds + 1):
        if number % 2:
            mine = ours()
            other = theirs()
        else:
            other = theirs()
            mine = ours()
        pairs.append((mine, other))
    time_ratios = sorted(mine.seconds / other.seconds for mine, other in pairs[1:])
    low, _, high = quantiles(time_ratios, n=4)
    memory = median(mine.megabytes for mine, _ in pairs) / median(other.megabytes for _, other in pairs)
    print(
        f"{what:58} time x {median(time_ratios):.2f} (middle half {low:.2f} to {high:.2f})  memory x {memory:.2f}"
        f"  [{median(m.seconds for m, _ in pairs[1:]):.2f} s : {median(o.seconds for _, o in pairs[1:]):.2f} s]",
        flush=True,
    )


@dataclass(frozen=True)
class Programs:
    fhfix: str
    zizmor: str

    def check(self, folder: Path) -> Command:
        return [self.fhfix, "check", str(folder)]

    def apply(self, folder: Path) -> Command:
        return [self.fhfix, "apply", str(folder)]

    def lint(self, folder: Path) -> Command:
        return [self.zizmor, "--offline", "--no-progress", "--no-config", str(folder)]

    def fix(self, folder: Path) -> Command:
        return [self.zizmor, "--offline", "--no-progress", "--no-config", "--fix=all", str(folder)]


def fresh(original: Path, work: Path, command: Callable[[Path], Command]) -> Callable[[], Run]:
    """A run over a new copy each time, made outside of the measurement; a git repository stays one."""

    def once() -> Run:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(original, work, symlinks=True, ignore_dangling_symlinks=True)
        return run(command(work))

    return once


def halves(corpus: Path, work: Path) -> list[Path]:
    """The corpus as two folders with as many bytes in each, for two processes."""
    sizes = {p: sum(f.stat().st_size for f in p.rglob("*") if f.is_file()) for p in corpus.iterdir() if p.is_dir()}
    folders, weights = [work / "first", work / "second"], [0, 0]
    for path in sorted(sizes, key=lambda path: -sizes[path]):
        lighter = weights.index(min(weights))
        weights[lighter] += sizes[path]
        shutil.copytree(path, folders[lighter] / path.name)
    return folders


def repository(programs: Programs, folder: Path, rounds: int, work: Path) -> None:
    name = folder.name
    compare(
        f"{name}: check : zizmor",
        rounds,
        lambda: run(programs.check(folder)),
        lambda: run(programs.lint(folder)),
    )
    compare(
        f"{name}: apply : zizmor --fix=all",
        max(3, rounds // 3),
        fresh(folder, work / "ours" / name, programs.apply),
        fresh(folder, work / "theirs" / name, programs.fix),
    )


def throughput(programs: Programs, corpus: Path, rounds: int, work: Path) -> None:
    parts = halves(corpus, work / "halves")
    name = f"{corpus.name} ({sum(1 for f in corpus.rglob('*.y*ml') if f.is_file())} files)"
    compare(
        f"{name}: check : zizmor",
        rounds,
        lambda: run(programs.check(corpus)),
        lambda: run(programs.lint(corpus)),
    )
    compare(
        f"{name}: check, two at once : zizmor",
        rounds,
        lambda: run(*map(programs.check, parts)),
        lambda: run(programs.lint(corpus)),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n")[0])
    beside = Path(sys.executable).parent
    parser.add_argument("--fhfix", default=str(beside / "fhfix"), help="the program; its installed form is what counts")
    parser.add_argument("--zizmor", default=str(beside / "zizmor"))
    parser.add_argument("--repository", type=Path, action="append", default=[])
    parser.add_argument("--corpus", type=Path, action="append", default=[])
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args(arguments)
    programs = Programs(chosen.fhfix, chosen.zizmor)
    with tempfile.TemporaryDirectory() as folder:
        fixture = Path(folder) / "financehub"
        shutil.copytree(FIXTURE, fixture)
        subprocess.run(["git", "init", "--quiet", str(fixture)], check=True)
        for number, root in enumerate((fixture, *(path.resolve() for path in chosen.repository))):
            repository(programs, root, chosen.rounds, Path(folder) / str(number))
        for number, corpus in enumerate(path.resolve() for path in chosen.corpus):
            throughput(programs, corpus, max(3, chosen.rounds // 3), Path(folder) / f"corpus{number}")


if __name__ == "__main__":
    main()
