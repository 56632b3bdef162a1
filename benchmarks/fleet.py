"""A fleet at work against a GitHub of the loopback, with real git over HTTP: `python -m benchmarks.fleet`.

`campaign`: a pull request for each repository, among faults of the server and kills of the program, of its workers and
of all at once; then every pull request is held against what a whole clone of its repository gives. `check`: how looking
at repositories grows with their number. `--corpus` is a folder of real workflows to make repositories of, beside the
bundled ones.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fixer.fleet.looking import in_own_process
from fixer.session import open_session
from tests.proofs.fakehub import FakeHub, Fault, serving
from tests.proofs.postgres import DATABASE, PASSWORD, USER, postgres

ROOT = Path(__file__).parent.parent
TOKEN = "t0ken-of-ada"
BRANCH = "fhfix-bench"
EXECUTABLE = [sys.executable, "-m", "fixer"]


# -- repositories ---------------------------------------------------------------------------------------------------


def contents(corpus: Path | None) -> list[dict[str, bytes]]:
    """What the repositories hold: the bundled ones, and three workflows of the corpus each."""
    made = [_files(folder) for folder in sorted((ROOT / "fixtures").glob("*/*/before"))]
    made = [files for files in made if files and sum(map(len, files.values())) < 100_000]
    workflows = sorted(corpus.rglob("*.y*ml")) if corpus else []
    for start in range(0, len(workflows) - 2, 3):
        some = workflows[start : start + 3]
        made.append({f".github/workflows/{number}.yml": path.read_bytes() for number, path in enumerate(some)})
    return made


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and ".git" not in path.relative_to(folder).parts
    }


def fill(hub: FakeHub, count: int, corpus: Path | None) -> None:
    """Repositories acme/r0000 … with a file that nobody reads in each; contents come again where there are too few."""
    kinds = contents(corpus)
    random.Random(1).shuffle(kinds)
    for number in range(count):
        slug = f"acme/r{number:04}"
        if number < len(kinds):
            hub.seed(slug, {**kinds[number], "docs/logo.png": b"\x89PNG\0" * 2000})
        else:
            shutil.copytree(hub.folder / f"acme/r{number % len(kinds):04}.git", hub.folder / f"{slug}.git")


# -- what goes wrong ------------------------------------------------------------------------------------------------


_KINDS = ("limit", "primary", "lost", "broken", "git", "push", "graphql", "slow", "half closed")
"""What goes wrong again and again; `silent`, a server that takes a connection and says nothing, is rarer."""


@dataclass
class Trouble:
    """Faults that come again and again, and what the server saw meanwhile. `early` are requests that came before the
    server's `retry-after` was over."""

    hub: FakeHub
    dice: random.Random
    injected: Counter[str] = field(default_factory=Counter)
    early: int = 0
    opened: list[float] = field(default_factory=list)
    _closed_until: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        silences = 3
        while not self.over.wait(self.dice.uniform(0.8, 2.4)):
            self._settle()
            if any(fault.times > 0 for fault in self.hub.faults):
                continue
            self.hub.faults.clear()
            kind = self.dice.choice(_KINDS)
            if silences and self.dice.random() < 0.03:
                kind, silences = "silent", silences - 1
            self.injected[kind] += 1
            self.hub.faults.append(self._fault(kind))

    def _fault(self, kind: str) -> Fault:
        seconds = self.dice.randint(1, 3)
        pulls, api = r"POST /repos/.*/pulls", r"(GET|POST|PATCH) /repos/.*"
        if kind == "limit":
            limit = {"Retry-After": str(seconds)}
            return Fault(api, 403, "You have exceeded a secondary rate limit", limit, act=lambda: self._close(seconds))
        if kind == "primary":
            reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + seconds)}
            return Fault(api, 429, "API rate limit exceeded", reset)
        return {
            "lost": Fault(pulls, 502, after=True),
            "broken": Fault(api, 503, times=2),
            "git": Fault(r"(GET|POST) /acme/.*git-upload-pack.*", 503),
            "push": Fault(r"POST /acme/.*git-receive-pack.*", 502, after=True),
            "graphql": Fault(r"POST /graphql", 502),
            "slow": Fault(api, stall=4.0),
            "half closed": Fault(
                r"(GET|POST|PATCH) /(repos/acme/.*|acme/.*git-(upload|receive)-pack.*)", half=True, stall=2.0
            ),
            "silent": Fault(r"(GET|POST) /(repos|acme)/.*", stall=75.0),
        }[kind]

    def _close(self, seconds: float) -> None:
        self._closed_until = time.monotonic() + seconds - 0.05

    def watch(self) -> None:
        """Stands before the server's own answer to each request."""
        real = self.hub.answer

        def answer(method: str, path: str, query: Any, body: Any, token: Any) -> tuple[int, Any]:
            if path.startswith("/repos/") and time.monotonic() < self._closed_until:
                self.early += 1
            status, shown = real(method, path, query, body, token)
            if method == "POST" and path.endswith("/pulls") and status == 201:
                self.opened.append(time.monotonic())
            return status, shown

        self.hub.answer = answer  # type: ignore[method-assign]

    def _settle(self) -> None:
        """Checks turn green; some are merged, as people do."""
        for pull in list(self.hub.pulls):
            if pull.checks == "PENDING":
                pull.checks = "SUCCESS"
            elif not pull.checks:
                pull.checks = "PENDING"


# -- the program ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """Resident kilobytes at a time, of the program with this number and of the largest of its processes; and the
    seconds of CPU that all of them have had."""

    number: int
    at: float
    own: int
    others: int
    cpu: float


@dataclass
class Runs:
    """The program, started and killed."""

    place: Path
    hub: FakeHub
    database: str = ""
    samples: list[Sample] = field(default_factory=list)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("FHFIX", "GH_"))}
        environment |= {
            "FHFIX_HOST": self.hub.url.partition("://")[2],
            "FHFIX_TOKEN": TOKEN,
            "FHFIX_FLEET_DATABASE": self.database,
            "PYTHONPATH": str(ROOT),
        }
        log = (self.place / "log").open("ab")
        command = [*EXECUTABLE, "fleet", *words]
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def sample(self, process: subprocess.Popen[bytes]) -> None:
        own, others, cpu = 0, 0, 0.0
        for pid, group, memory, seconds in _processes():
            if group == process.pid:
                own, others = (memory, others) if pid == process.pid else (own, max(others, memory))
                cpu += seconds
        if own:
            self.samples.append(Sample(process.pid, time.monotonic(), own, others, cpu))

    @property
    def longest_life(self) -> list[Sample]:
        """Of the program between two kills."""
        lives: dict[int, list[Sample]] = {}
        for sample in self.samples:
            lives.setdefault(sample.number, []).append(sample)
        return max(lives.values(), key=lambda life: life[-1].at - life[0].at)


def _processes() -> Iterator[tuple[int, int, int, float]]:
    """Number, group and resident kilobytes of every process, and the seconds of CPU that it and its ended children
    have had (proc(5), /proc/PID/stat)."""
    tick = os.sysconf("SC_CLK_TCK")
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                fields = (path / "stat").read_text().rpartition(")")[2].split()
                memory = int(fields[21]) * resource.getpagesize() // 1024
                yield int(path.name), int(fields[2]), memory, sum(map(int, fields[11:15])) / tick


def children(process: subprocess.Popen[bytes]) -> list[int]:
    return [pid for pid, group, _, _ in _processes() if group == process.pid and pid != process.pid]


# -- a campaign -----------------------------------------------------------------------------------------------------


def campaign(given: argparse.Namespace) -> None:
    with _place() as place, _serving(place) as hub:
        fill(hub, given.repositories, given.corpus)
        dice = random.Random(given.seed)
        trouble = Trouble(hub, dice)
        trouble.watch()
        threading.Thread(target=trouble.run, daemon=True).start()
        if given.postgres:
            with postgres() as server:
                url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{server.port}/{DATABASE}"
                _campaign(given, Runs(place, hub, url), trouble, dice)
        else:
            _campaign(given, Runs(place, hub), trouble, dice)


def _campaign(given: argparse.Namespace, runs: Runs, trouble: Trouble, dice: random.Random) -> None:
    hub = runs.hub
    state = ["--state", str(runs.place / "state")]
    begin = ["pr", "bench", "--org", "acme", "-y", "--cache", str(runs.place / "cache"), *state]
    begin += ["--author", "Ada <ada@example.com>", "--per-hour", str(given.per_hour), "--poll", "1", "--wave", "50"]
    begin += ["--open-at-a-time", str(given.repositories), "--at-once", "2" if given.postgres else "1"]
    workers = ["a", "b"] if given.postgres else ["a"]
    started = time.monotonic()
    running = {"a": runs.start(*begin, "--worker", "a")}
    kills: Counter[str] = Counter()
    while not hub.pulls:
        time.sleep(0.5)
        if running["a"].poll() is not None:
            running["a"] = runs.start(*begin, "--worker", "a")  # the listing itself met faults
    first = time.monotonic()
    print(f"looked at {given.repositories} repositories: {first - started:.0f} s", flush=True)
    done = False
    due = time.monotonic() + dice.uniform(*given.between)
    told = 0
    while not done:
        time.sleep(0.5)
        for name in workers:
            process = running.get(name)
            if process is None or process.poll() is not None:
                if process is not None and process.returncode in (0, 3) and name in running:
                    done = True
                    break
                running[name] = runs.start("resume", "bench", "--worker", name, *state)
            else:
                runs.sample(process)
        if time.monotonic() > due and sum(kills.values()) < given.kills:
            due = time.monotonic() + dice.uniform(*given.between)
            kills[_kill(running[dice.choice([name for name in workers if name in running])], dice)] += 1
        if len(hub.pulls) >= told + 50:
            told = len(hub.pulls)
            print(f"{time.monotonic() - first:6.0f} s: {told} pull requests, {sum(kills.values())} kills", flush=True)
    end = time.monotonic()
    trouble.over.set()
    for process in running.values():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    _tell(given, runs, trouble, kills, end - first)


def _kill(process: subprocess.Popen[bytes], dice: random.Random) -> str:
    """Of a process of the program, of the program alone, or of all at once."""
    kind = dice.choice(("all", "program", "process"))
    others = children(process)
    with suppress(ProcessLookupError):
        if kind == "process" and others:
            os.kill(dice.choice(others), signal.SIGKILL)
        elif kind == "program":
            os.kill(process.pid, signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGKILL)
    return kind


def _tell(given: argparse.Namespace, runs: Runs, trouble: Trouble, kills: Counter[str], seconds: float) -> None:
    hub = runs.hub
    right, wrong, wanted = judged(hub, runs.place, given.repositories)
    per_repository = Counter(pull.repository for pull in hub.pulls)
    opened = len(trouble.opened)
    gaps = [later - sooner for sooner, later in zip(trouble.opened, trouble.opened[1:], strict=False)]
    pushes = hub.count(r"POST /acme/.*git-receive-pack.*")
    life = runs.longest_life
    tenths = [life[len(life) * n // 10 : len(life) * (n + 1) // 10] for n in range(10)]
    audit = (runs.place / "state/bench.audit.jsonl").read_text().splitlines()
    said = {
        "repositories": given.repositories,
        "with something to fix": wanted,
        "right pull requests": right,
        "wrong": wrong,
        "missing": wanted - len(per_repository),
        "doubled": sum(count > 1 for count in per_repository.values()),
        "kills": dict(kills),
        "faults": dict(trouble.injected),
        "requests for a pull request": hub.count(r"POST /repos/.*/pulls"),
        "pushes": pushes,
        "early requests": trouble.early,
        "shortest gap in s": round(min(gaps), 2),
        "seconds": round(seconds),
        "per hour": round(opened / seconds * 3600),
        "share of the pacing": round(opened / seconds * 3600 / given.per_hour, 2),
        "longest life in s": round(life[-1].at - life[0].at),
        "program MB in its tenths": [max(sample.own for sample in part) // 1024 for part in tenths],
        "program MB at most": max(sample.own for sample in runs.samples) // 1024,
        "largest process MB": max(sample.others for sample in runs.samples) // 1024,
        "audit lines": len(audit),
        "state MB": round(sum(p.stat().st_size for p in (runs.place / "state").iterdir()) / 1e6, 1),
    }
    print(json.dumps(said, indent=2))
    if wrong or said["missing"] or said["doubled"]:
        sys.exit(1)


def judged(hub: FakeHub, place: Path, count: int) -> tuple[int, list[str], int]:
    """How many pull requests hold exactly what a whole clone gives, which do not, and how many there should be."""
    by_name = {pull.repository: pull for pull in hub.pulls}

    def judge(number: int) -> tuple[str, bool | None]:
        slug = f"acme/r{number:04}"
        bare, root = hub.folder / f"{slug}.git", place / f"judged/{number}"
        subprocess.run(["git", "clone", "-q", str(bare), str(root)], check=True, capture_output=True)
        files = in_own_process(_planned, root)
        changed = hub.git(bare, "diff", "--name-only", "main", BRANCH).split("\n") if slug in by_name else []
        same = sorted(files) == sorted(filter(None, changed))
        for path, data in files.items():
            shown = subprocess.run(["git", "-C", str(bare), "show", f"{BRANCH}:{path}"], capture_output=True).stdout
            same = same and shown == data
        shutil.rmtree(root)
        return slug, None if not files and slug not in by_name else same

    (place / "judged").mkdir()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = list(pool.map(judge, range(count)))
    wrong = [slug for slug, same in found if same is False]
    return sum(bool(same) for _, same in found), wrong, sum(same is not None for _, same in found)


def _planned(root: Path) -> dict[str, bytes]:
    return {path: change.after.to_bytes() for path, change in open_session(root).plan().files.items()}


# -- looking --------------------------------------------------------------------------------------------------------


def check(given: argparse.Namespace) -> None:
    """Cold, then again when nothing has changed."""
    for count in given.counts:
        with _place() as place, _serving(place) as hub:
            fill(hub, count, given.corpus)
            runs = Runs(place, hub)
            words = ["check", "--org", "acme", "--cache", str(place / "cache"), "--html", str(place / "fleet.html")]
            for name in ("cold", "again"):
                hub.requests.clear()
                started = time.monotonic()
                process = runs.start(*words)
                while process.poll() is None:
                    runs.sample(process)
                    time.sleep(0.5)
                seconds = time.monotonic() - started
                said = {
                    "repositories": count,
                    "run": name,
                    "seconds": round(seconds, 1),
                    "repositories in a second": round(count / seconds, 1),
                    "CPU ms for each": round(max(sample.cpu for sample in runs.samples) / count * 1000),
                    "program MB": max(sample.own for sample in runs.samples) // 1024,
                    "largest process MB": max(sample.others for sample in runs.samples) // 1024,
                    "git requests": hub.count(r"POST /acme/.*git-upload-pack.*"),
                    "API requests": hub.count(r"GET /(orgs|repos).*"),
                    "cache MB": round(sum(p.stat().st_blocks * 512 for p in (place / "cache").rglob("*")) / 1e6),
                    "page MB": round((place / "fleet.html").stat().st_size / 1e6, 2),
                    "exit code": process.returncode,
                }
                print(json.dumps(said), flush=True)
                runs.samples.clear()


# -- where it stands ------------------------------------------------------------------------------------------------


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fleet-bench-", ignore_cleanup_errors=True) as place:
        yield Path(place)


@contextmanager
def _serving(place: Path) -> Iterator[FakeHub]:
    yield from serving(place / "hub")


def main(arguments: list[str]) -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = options.add_subparsers(required=True)
    one = parts.add_parser("campaign")
    one.add_argument("--repositories", type=int, default=500)
    one.add_argument("--kills", type=int, default=24)
    one.add_argument("--between", type=float, nargs=2, default=(15.0, 40.0), help="seconds from one kill to the next")
    one.add_argument("--per-hour", type=float, default=1800.0)
    one.add_argument("--postgres", action="store_true", help="two workers on one PostgreSQL")
    one.add_argument("--seed", type=int, default=1)
    one.set_defaults(run=campaign)
    other = parts.add_parser("check")
    other.add_argument("counts", type=int, nargs="*", default=[50, 500, 5000])
    other.set_defaults(run=check)
    for each in (one, other):
        each.add_argument("--corpus", type=Path)
    given = options.parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = given.run
    run(given)


if __name__ == "__main__":
    main(sys.argv[1:])
