"""Every rule over any tree of real repositories: prints broken promises, what linters hold against it, odd diffs.

    python -m tests.corpus.run [FOLDER] [--rule ID] [--diffs] [--no-linters]

Without a folder: `CORPUS`, or `shared/corpus` beside the project. Exits 1 where a promise was broken. Nothing is
written to the tree.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from fixer.registry import all_rules
from tests.corpus.linters import worse
from tests.corpus.trees import Seen, corpus, examine, repositories

BATCH = 200
"""Changed workflows that the linters get at once."""


def one(rule_ids: Sequence[str], root: Path) -> Seen:
    return examine(root, [rule for rule in all_rules() if not rule_ids or rule.id in rule_ids])


def lint(changed: dict[str, tuple[bytes, bytes]]) -> list[str]:
    names = sorted(changed)
    return [
        complaint
        for start in range(0, len(names), BATCH)
        for complaint in worse({name: changed[name] for name in names[start : start + BATCH]})
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=corpus())
    parser.add_argument("--rule", action="append", default=[], help="only this rule; may be repeated")
    parser.add_argument("--diffs", action="store_true", help="print every diff")
    parser.add_argument("--no-linters", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.folder is None:
        parser.error("no folder given, CORPUS is not set, and there is no shared/corpus beside the project")

    roots = repositories(chosen.folder)
    complaints = 0
    fixes: Counter[str] = Counter()
    blocked: Counter[str] = Counter()
    changed: dict[str, tuple[bytes, bytes]] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for seen in pool.map(partial(one, chosen.rule), roots, chunksize=4):
            name = seen.root.relative_to(chosen.folder).as_posix()
            for line in (*seen.complaints, *(f"odd: {oddity}" for oddity in seen.oddities)):
                print(f"{name}: {line}", flush=True)
            if chosen.diffs:
                print(*(seen.diff(path) for path in seen.changed), sep="")
            complaints += len(seen.complaints)
            fixes.update(seen.fixes)
            blocked.update(seen.blocked)
            changed.update({f"{name}/{path}": pair for path, pair in seen.changed.items()})
    if not chosen.no_linters:
        held = lint({name: pair for name, pair in changed.items() if "/.github/workflows/" in name})
        complaints += len(held)
        print(*held, sep="\n")
    print(f"{len(roots)} repositories, {len(changed)} files changed, {complaints} broken promises")
    for rule in all_rules():
        if fixes[rule.id] or blocked[rule.id]:
            print(f"  {rule.id}: {fixes[rule.id]} fixed, {blocked[rule.id]} left with a reason")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
