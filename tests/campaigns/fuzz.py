"""Mutated repositories through everything that fhfix does with one: `make fuzz`, or `python -m tests.campaigns.fuzz`.

Each input is a tree of a fixture, of `seeds/` (what was found before), or single workflows of `--corpus`, with a few
mutations. What must hold, whatever it is: no exception and no fault, no more than five seconds of the processor, edits
that say what they do, a second run that finds nothing to do, reports that are well formed; every tenth input on disk,
in a git repository: the patch is taken by git and gives the same bytes as the apply, and the undo takes all of it back.

An input is told again by its number: `--only NUMBER`; what failed is kept below `build/fuzz`. A new fixture changes
few of the other inputs: what held yesterday is asked again today.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib import import_module
from pathlib import Path

from fixer import engine, writing
from fixer.documents import document_type, kind_of
from fixer.engine.processes import in_processes
from fixer.forge.pull_request import body_of, commits_of
from fixer.model import FileError, Plan
from fixer.registry import all_rules
from fixer.repository import Repository
from fixer.show import json as as_json
from fixer.show.diff import patch
from fixer.show.github import annotate
from fixer.show.html import html
from fixer.show.page import About
from fixer.show.sarif import sarif
from fixer.show.summary import summary_of_a_job
from fixer.show.text import text
from tests.fixture_cases import write

ROOT = Path(__file__).parent.parent.parent
SEEDS = Path(__file__).parent / "seeds"
SECONDS = 5.0
ON_DISK = 10
"""Every so many inputs go through git, apply and undo as well."""

Tree = dict[str, bytes]

VALUES = (
    "", "{}", "[]", "null", "~", "true", "0", "''", '""', "*a", "&a x", "!!str x", "- x", "{a: b}", "[a, b]", "|", ">-",
    "${{ github.ref }}", "${{", "@", "`", "%", "\t", "-1", "1e999", "0x" + "f" * 400, "9" * 5000, "é", "\u202e",
    "\u2028", "\x0c", "22:22", "0o17", "1_000", "2001-01-01", ".inf", "NaN", "1e400", "!!binary aGk=",
    "!!python/name:os.x", "&a [*a]", "&a {<<: *a}", '"\\ud83d"', "[" * 2000, "{a: " * 300, "=", "!", "${a", "<<EOT",
    "\x00", "-rf", "*.y*", "\x85", "x" * 300, "a b", "$(id)", "; id", "'", '"', "\\", "#", ": ", "..", "/",
    "${A}${A}", "--",
)  # fmt: skip
LINES = (
    "", "---", "...", "#", "# fhfix: ignore[all]", "<<: *a", "? a", "- ", "  - ", "\t", "}", "]", "FROM", "RUN", "COPY",
    "USER", "ENV A=${A}${A}", "ARG A", "EOF", "  env:", "  with:", "    if:", "jobs:", "on:", "    steps:",
    "      - run:", "      - uses:", "services:", "    environment:", "import", "def x(", "x = [", '"""', "DATABASES =",
    "resource \"a\" \"b\" {", "\x0c", "\\", "\x00", "# escape=`", "RUN <<EOF",
 "ONBUILD RUN x", "COPY --from=0 / /", "{", "[" * 5000, '"a": "\\ud83d",', '"a": ' + "9" * 5000 + ",",
)  # fmt: skip


def trees(corpus: Path | None) -> dict[str, Tree]:
    """What is mutated, by its name."""
    found = {}
    for folder in sorted((ROOT / "fixtures").glob("*/*/before")):
        if folder.parent.parent.name != "financehub":
            name = folder.parent.relative_to(ROOT).as_posix()
            found[name] = {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files(folder)}
    for folder in sorted(SEEDS.iterdir()) if SEEDS.is_dir() else ():
        name = folder.relative_to(ROOT).as_posix()
        found[name] = {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files(folder)}
    if corpus is not None:
        for path in _files(corpus):
            if path.suffix in (".yml", ".yaml"):
                found[path.relative_to(corpus).as_posix()] = {f".github/workflows/{path.name}": path.read_bytes()}
    return found


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]


# -- mutations ----------------------------------------------------------------------------------------------------


class Dice(random.Random):
    """Chooses trees by name: one more or less changes what is chosen only where it would have been chosen itself.
    (Highest random weight: https://en.wikipedia.org/wiki/Rendezvous_hashing)"""

    def tree(self, among: Mapping[str, Tree]) -> Tree:
        key = self.randbytes(8)
        return among[max(among, key=lambda name: blake2b(name.encode(), key=key, digest_size=8).digest())]


def mutated(tree: Tree, dice: Dice, others: Mapping[str, Tree]) -> Tree:
    """A copy with one to four mutations in files that fhfix reads."""
    made = dict(tree)
    paths = sorted(
        path
        for path in made
        if kind_of(path) or path.endswith((".txt", ".toml", ".json", ".sh", ".tf", ".conf", ".cfg", ".md"))
    )
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 4))):
        if paths:
            path = dice.choice(paths)
            made[path] = _mutated(made[path], dice, others)
    return made


def _mutated(data: bytes, dice: Dice, others: Mapping[str, Tree]) -> bytes:
    kind = dice.randrange(14)
    if kind == 0 and data:
        at = dice.randrange(len(data))
        return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
    if kind == 1:
        return data[: dice.randrange(len(data) + 1)]
    if kind == 2:
        at = dice.choice((0, dice.randrange(len(data) + 1)))  # all of them, or line ends of two kinds
        return data[:at] + data[at:].replace(b"\n", dice.choice((b"\r\n", b"\r", b"\n\n", b"\x0c")))
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    at = dice.randrange(len(lines))
    if kind == 3:
        del lines[at]
    elif kind == 4:
        lines.insert(at, lines[dice.randrange(len(lines))])
    elif kind == 5:
        other = dice.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 6:
        lines.insert(at, dice.choice(LINES))
    elif kind == 7:
        lines[at] = " " * dice.randrange(9) + lines[at].lstrip()
    elif kind == 8:
        lines[at : at + dice.randrange(8)] = []
    elif kind == 9:
        lines[at:at] = lines[at : at + dice.randrange(12)] * dice.choice((1, 2, 30))
    elif kind == 10:
        tree = dice.tree(others)
        other_lines = tree[dice.choice(sorted(tree))].decode("utf-8", "surrogateescape").split("\n")
        start = dice.randrange(len(other_lines))
        lines[at:at] = other_lines[start : start + dice.randrange(1, 20)]
    else:  # the value behind a key, a word, or all that is nested below a key
        lines[at] = _other_value(lines[at], dice)
        if kind == 13:
            indent = len(lines[at]) - len(lines[at].lstrip())
            end = at + 1
            while end < len(lines) and lines[end].strip() and len(lines[end]) - len(lines[end].lstrip()) > indent:
                end += 1
            del lines[at + 1 : end]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _other_value(line: str, dice: random.Random) -> str:
    value = dice.choice(VALUES)
    head, colon, _ = line.partition(": ") if ": " in line else line.partition("=")
    if colon and dice.random() < 0.8:
        return head + colon + value
    if line.rstrip().endswith(":"):
        return f"{line.rstrip()} {value}"
    words = line.split(" ")
    words[dice.randrange(len(words))] = value
    return " ".join(words)


# -- what must hold -----------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What was looked at, and what did not hold: by kind, with the numbers of the inputs."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.counts.update(other.counts)
        self.failures += other.failures


def examine(tree: Tree, number: int, folder: Path) -> tuple[Counter[str], list[str]]:
    counts = Counter({"inputs": 1})
    started = time.process_time()
    try:
        wrong = list(_wrong(tree, number, folder, counts))
    except Exception:
        wrong = ["exception: " + traceback.format_exc(limit=-3).strip().replace("\n", " | ")]
    spent = time.process_time() - started
    if spent > SECONDS * (2 if number % ON_DISK == 0 else 1):
        wrong.append(f"slow: {spent:.1f} s")
    return counts, wrong


def _wrong(tree: Tree, number: int, folder: Path, counts: Counter[str]) -> Iterator[str]:
    rules = all_rules()
    repository = Repository(folder)
    plan = engine.plan(repository, rules)
    for fault in plan.faults:
        yield f"fault: {fault.rule_id}: {fault.what}"
    counts.update(edited=bool(plan.files), fixes=len(plan.taken), problems=len(plan.problems))
    for path, change in plan.files.items():
        before = "".join(p.text if p.origin is None else p.removed for p in change.pieces)
        after = "".join(piece.text for piece in change.pieces)
        if after != change.after.text or (change.before is not None and before != change.before.text):
            yield f"moved: {path}: its pieces do not give the file"
        yield from _unreadable(path, change.after.to_bytes())
    after_all = repository.with_changes({path: change.after for path, change in plan.files.items()})
    if plan.files:
        again = engine.plan(after_all, rules)
        if again.files:
            yield f"second run: {sorted(again.files)} by {sorted({r.rule.id for r in again.taken})}"
    if number % 5 == 0:
        report = engine.check(repository, rules)  # a plan asks the same questions first
        for fault in {*report.faults} - {*plan.faults}:
            yield f"fault: {fault.rule_id}: {fault.what}"
        _reports(repository, report, plan, after_all)
        counts.update(reported=1)
    if number % ON_DISK == 0:
        counts.update(on_disk=1)
        yield from _on_disk(folder, tree, plan)


def _unreadable(path: str, data: bytes) -> Iterator[str]:
    from fixer.model import Source

    kind = kind_of(path)
    if kind:
        try:
            document_type(kind).parse(Source.from_bytes(path, data))
        except FileError as error:
            yield f"unreadable: {error}"


def _reports(repository: Repository, report, plan: Plan, after: Repository) -> None:  # type: ignore[no-untyped-def]
    json.loads(as_json.report_json(report, repository.read))
    json.loads(as_json.plan_json(plan, after.read))
    json.loads(sarif(report, repository.read))
    lines = annotate(report, repository.read, "below").split("\n")
    assert all(line.startswith(("::", "fhfix: ")) for line in lines if line)
    assert len(lines) <= 12
    summary_of_a_job(report, repository.read, "fhfix apply")
    text(report, repository.read, verbose=True)
    assert html(plan, after.read, About("x")).rstrip().endswith("</html>")
    body_of(plan, "title", ())
    commits_of(plan)


def _on_disk(folder: Path, tree: Tree, plan: Plan) -> Iterator[str]:
    if not plan.files:
        return
    git = ["git", "-C", str(folder), "-c", "core.autocrlf=false", "-c", "core.fsmonitor=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    done = subprocess.run([*git, "apply", "--binary", "-"], input=patch(plan), capture_output=True)
    if done.returncode:
        yield f"patch: {done.stderr.decode(errors='replace').strip()[:200]}"
        return
    patched = _contents(folder)
    subprocess.run([*git, "apply", "-R", "-"], input=patch(plan), check=True)
    if _contents(folder) != tree:
        yield "patch: it is not taken back byte for byte"
    writing.apply(folder, plan)
    if _contents(folder) != patched:
        yield "apply: not what the patch makes"
    writing.undo(folder)
    if _contents(folder) != tree:
        yield "undo: not byte for byte"


def _contents(folder: Path) -> Tree:
    found = {}
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if not name.startswith(".git/"):
            found[name] = path.read_bytes()
    return found


# -- running ------------------------------------------------------------------------------------------------------


def tree_of(number: int, seed: int, sources: Mapping[str, Tree]) -> Tree:
    if number < len(sources):
        return [*sources.values()][number]  # each as it is, first
    dice = Dice(f"{seed}/{number}")
    return mutated(dice.tree(sources), dice, sources)


def laid_out(tree: Mapping[str, bytes], where: Path) -> Path:
    return write(Path(tempfile.mkdtemp(dir=where)), tree)


def run(numbers: Sequence[int], seed: int, sources: Mapping[str, Tree], keep: Path) -> Tally:
    tally = Tally()
    # What is written is of no worth: memory spares the disk.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fhfix-fuzz-", dir=memory) as where:
        for number in numbers:
            tree = tree_of(number, seed, sources)
            folder = laid_out(tree, Path(where))
            counts, wrong = examine(tree, number, folder)
            shutil.rmtree(folder)
            tally.counts.update(counts)
            tally.failures += [(number, what) for what in wrong]
            if wrong:
                shutil.rmtree(keep / str(number), ignore_errors=True)
                (keep / str(number)).mkdir(parents=True)
                shutil.rmtree(keep / str(number))
                shutil.copytree(laid_out(tree, Path(where)), keep / str(number))
    return tally


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--inputs", type=int, default=10_000)
    options.add_argument("--first", type=int, default=0, help="the number of the first one")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options.add_argument("--corpus", type=Path, help="a folder of workflow files")
    options.add_argument("--only", type=int, help="one input, by its number")
    options.add_argument("--keep", type=Path, default=ROOT / "build/fuzz")
    given = options.parse_args(arguments)
    sources = trees(given.corpus)
    numbers = [given.only] if given.only is not None else list(range(given.first, given.first + given.inputs))
    started = time.monotonic()
    all_rules()  # here, once: each process would load them anew, and the readers too
    for reader in ("libcst", "ruamel.yaml", "tree_sitter_bash"):
        import_module(reader)
    gc.disable()  # as the command does; a process does not live long
    # In shares, so that a process that dies takes few inputs with it, and none stays large.
    size = max(1, min(200, len(numbers) // given.processes))
    shares = [numbers[at : at + size] for at in range(0, len(numbers), size)]
    tally = Tally()
    for at in range(0, len(shares), given.processes):
        part = shares[at : at + given.processes]
        for share, made in zip(
            part, in_processes(lambda share: run(share, given.seed, sources, given.keep), part), strict=True
        ):
            if made is None:
                tally.failures.append((share[0], f"a process died in the inputs {share[0]} to {share[-1]}"))
            else:
                tally.add(made)
    for number, what in tally.failures:
        print(f"{number}: {what}")
    counts = ", ".join(f"{name} {count}" for name, count in tally.counts.items())
    print(f"seed {given.seed}: {counts}; {time.monotonic() - started:.0f} s; {len(tally.failures)} failures")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
