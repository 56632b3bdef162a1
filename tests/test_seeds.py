"""What fuzzing has found once, and ten thousand inputs anew: no exception, no fault, and nothing for a second run, also
on disk."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.campaigns import fuzz
from tests.campaigns.fuzz import ON_DISK, SEEDS, Tree, examine, laid_out

FOLDERS = sorted(SEEDS.iterdir())
INPUTS, SHARE, SEED = 10_000, 250, 1


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_was_found_once_is_handled(folder: Path, tmp_path: Path) -> None:
    tree = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    _, wrong = examine(tree, 5 * ON_DISK, laid_out(tree, tmp_path))

    assert wrong == []


@cache
def sources() -> dict[str, Tree]:
    return fuzz.trees(None)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, INPUTS, SHARE))
def test_mutated_repositories_are_handled(first: int, tmp_path: Path) -> None:
    tally = fuzz.run(range(first, first + SHARE), SEED, sources(), keep=tmp_path)

    assert tally.counts["inputs"] == SHARE
    assert tally.failures == [], f"again by `python -m tests.campaigns.fuzz --seed {SEED} --only NUMBER`"
