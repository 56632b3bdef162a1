"""fhfix against `zizmor --offline` on the same files: whole processes, in turn, as ratios.

    python -m benchmarks [--fhfix PROGRAM] [--repository FOLDER]… [--corpus FOLDER] [--rounds N] [--growth]

Seconds belong to one machine and its load; what is printed is how many times as much fhfix needs, round by round: the
median, and between which values the middle half of the rounds lies. Below 1 fhfix is ahead. Each run has a copy of the
folder to itself, so that nothing that an earlier one left there helps it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles

from benchmarks import growth
from benchmarks.processes import Programs, Run, Work, run

ROOT = Path(__file__).parent.parent
FIXTURE = ROOT / "fixtures" / "financehub" / "before"

ENOUGH = 2
"""How many rounds a comparison has at least, beside the first one."""

SECONDS = 40
"""After so many no further round begins, so that all of it ends within twenty minutes on a quiet machine."""

# Of the interpreter that runs fhfix: optimised builds take about four fifths of the time.
_BUILD = """
import platform, sysconfig
options = sysconfig.get_config_var("CONFIG_ARGS") or ""
build = [word for word in ("--enable-optimizations", "--with-lto") if word in options] or ["a plain build"]
print(platform.python_implementation(), platform.python_version(), "(" + ", ".join(build) + ")")
"""


def interpreter(program: Path) -> str:
    """What runs a console script, and how that was built."""
    python = program.parent / "python"
    done = subprocess.run([str(python), "-c", _BUILD], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def compare(what: str, rounds: int, ours: Callable[[], Run], theirs: Callable[[], Run]) -> None:
    """Turn and turn about, who is first changing; the first round warms the caches of both and does not count. Two
    rounds are enough where they take long."""
    pairs: list[tuple[Run, Run]] = []
    started = time.monotonic()
    for number in range(rounds + 1):
        if len(pairs) > ENOUGH and time.monotonic() - started > SECONDS:
            break
        if number % 2:
            mine = ours()
            other = theirs()
        else:
            other = theirs()
            mine = ours()
        pairs.append((mine, other))
    counted = pairs[1:]
    memory = median(mine.megabytes for mine, _ in counted) / median(other.megabytes for _, other in counted)
    print(
        f"{what:58} processor x {_spread([mine.cpu / other.cpu for mine, other in counted])}"
        f"  wall x {_spread([mine.wall / other.wall for mine, other in counted])}  memory x {memory:.2f}"
        f"  [{median(m.cpu for m, _ in counted):.2f} s : {median(o.cpu for _, o in counted):.2f} s]",
        flush=True,
    )


def shown(what: str, ours: Callable[[], Run], less: Callable[[], Run], rounds: int) -> None:
    """What a run needs for showing what it found, beyond a run that shows nothing: in milliseconds, and as a share."""
    ours(), less()
    pairs = [(ours().cpu, less().cpu) for _ in range(rounds)]
    milliseconds = median(1000 * (cpu - without) for cpu, without in pairs)
    print(f"{what:58} {milliseconds:.0f} ms, x {_spread([cpu / without for cpu, without in pairs])}", flush=True)


def _spread(ratios: list[float]) -> str:
    low, _, high = quantiles(ratios, n=4)
    return f"{median(ratios):.2f} ({low:.2f} to {high:.2f})"


def fresh(original: Path, work: Path, command: Work) -> Callable[[], Run]:
    """A run over a new copy each time, made outside of the measurement; a git repository stays one."""

    def once() -> Run:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(original, work, symlinks=True, ignore_dangling_symlinks=True)
        return run(command(work))

    return once


def halves(corpus: Path, work: Path) -> list[Path]:
    """The corpus as two folders with as many bytes in each, for two processes; no repository is cut in two."""
    sizes = {path: sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) for path in _repositories(corpus)}
    folders, weights = [work / "first", work / "second"], [0, 0]
    for path in sorted(sizes, key=lambda path: -sizes[path]):
        lighter = weights.index(min(weights))
        weights[lighter] += sizes[path]
        shutil.copytree(path, folders[lighter] / path.relative_to(corpus))
    return folders


def _repositories(folder: Path) -> Iterator[Path]:
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        if (path / ".github").is_dir() or not any(each.is_dir() for each in path.iterdir()):
            yield path
        else:
            yield from _repositories(path)


def repository(programs: Programs, folder: Path, rounds: int, work: Path) -> None:
    name = folder.name
    few = max(3, rounds // 3)
    ours, theirs = work / "ours" / name, work / "theirs" / name
    kinds: tuple[tuple[str, str, Work, Work, int], ...] = (
        ("check", "zizmor", programs.check, programs.lint, rounds),
        ("dry run, quiet", "zizmor --fix=all", programs.quiet_dry_run, programs.fix, few),
        ("dry run", "zizmor --fix=all", programs.dry_run, programs.fix, few),
        ("page", "zizmor --fix=all", programs.page, programs.fix, few),
        ("apply", "zizmor --fix=all", programs.apply, programs.fix, few),
    )
    for what, other, mine, their, times in kinds:
        compare(f"{name}: {what} : {other}", times, fresh(folder, ours, mine), fresh(folder, theirs, their))
    silent = fresh(folder, ours, programs.quiet_dry_run)
    shown(f"{name}: what the terminal shows of a dry run", fresh(folder, ours, programs.dry_run), silent, few)
    shown(f"{name}: what the page shows of it", fresh(folder, ours, programs.page), silent, few)


def start(programs: Programs, folder: Path, rounds: int) -> None:
    """What a run costs that does nothing, in units of zizmor's check."""
    for words in (["--version"], ["rules"]):
        command = [programs.fhfix, *words]
        compare(f"{' '.join(words)} : zizmor", rounds, lambda: run(command), lambda: run(programs.lint(folder)))  # noqa: B023


def throughput(programs: Programs, corpus: Path, rounds: int, work: Path) -> None:
    parts = halves(corpus, work / "halves")
    name = f"{corpus.name} ({sum(1 for f in corpus.rglob('*.y*ml') if f.is_file())} files)"
    lint = fresh(corpus, work / "theirs" / corpus.name, programs.lint)
    compare(f"{name}: check : zizmor", rounds, fresh(corpus, work / "ours" / corpus.name, programs.check), lint)
    compare(f"{name}: check, two at once : zizmor", rounds, lambda: run(*map(programs.check, parts)), lint)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n")[0])
    beside = Path(sys.executable).parent
    parser.add_argument("--fhfix", default=str(beside / "fhfix"), help="the program; its installed form is what counts")
    parser.add_argument("--zizmor", default=str(beside / "zizmor"))
    parser.add_argument("--repository", type=Path, action="append", default=[])
    parser.add_argument("--corpus", type=Path, action="append", default=[])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--growth", action="store_true", help="also double each input of benchmarks.growth")
    chosen = parser.parse_args(arguments)
    programs = Programs(chosen.fhfix, chosen.zizmor)
    print(f"fhfix on {interpreter(Path(chosen.fhfix))}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        fixture = Path(folder) / "financehub"
        shutil.copytree(FIXTURE, fixture)
        subprocess.run(["git", "init", "--quiet", str(fixture)], check=True)
        start(programs, fixture, max(3, chosen.rounds // 3))
        for number, root in enumerate((fixture, *(path.resolve() for path in chosen.repository))):
            repository(programs, root, chosen.rounds, Path(folder) / str(number))
        for number, corpus in enumerate(path.resolve() for path in chosen.corpus):
            throughput(programs, corpus, max(3, chosen.rounds // 3), Path(folder) / f"corpus{number}")
    if chosen.growth:
        growth.measure(programs, list(growth.INPUTS), rounds=1)


if __name__ == "__main__":
    main()
