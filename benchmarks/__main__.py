"""fhfix against `zizmor --offline` on the same files: whole processes, in turn, as ratios.

    python -m benchmarks [--fhfix PROGRAM] [--repository FOLDER]… [--corpus FOLDER] [--rounds N]

Seconds belong to one machine and its load; what is printed is how many times as long fhfix takes, round by round:
the median, and between which values the middle half of the rounds lies. Below 1 fhfix is ahead.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles

from benchmarks.processes import Command, Programs, Run, run

ROOT = Path(__file__).parent.parent
FIXTURE = ROOT / "fixtures" / "financehub" / "before"


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
    time_ratios = sorted(mine.wall / other.wall for mine, other in pairs[1:])
    low, _, high = quantiles(time_ratios, n=4)
    memory = median(mine.megabytes for mine, _ in pairs) / median(other.megabytes for _, other in pairs)
    print(
        f"{what:58} time x {median(time_ratios):.2f} (middle half {low:.2f} to {high:.2f})  memory x {memory:.2f}"
        f"  [{median(m.wall for m, _ in pairs[1:]):.2f} s : {median(o.wall for _, o in pairs[1:]):.2f} s]",
        flush=True,
    )


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
