"""What fuzzing has found once: no exception, no fault, and nothing for a second run, also on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaigns.fuzz import ON_DISK, SEEDS, examine, laid_out

FOLDERS = sorted(SEEDS.iterdir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_was_found_once_is_handled(folder: Path, tmp_path: Path) -> None:
    tree = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    _, wrong = examine(tree, 5 * ON_DISK, laid_out(tree, tmp_path))

    assert wrong == []
