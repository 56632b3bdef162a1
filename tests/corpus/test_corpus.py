"""Every rule over real repositories, or over ones made from the fixtures where no corpus is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.registry import all_rules
from tests.corpus.linters import worse
from tests.corpus.trees import corpus, examine, repositories, variants
from tests.fixture_cases import CASES, SHAPES, shaped, write

SAMPLE = 60
"""Repositories that an ordinary test run looks at. `make corpus` takes all of a corpus; all fixtures are in
tests/test_fixtures.py, test_ci_jobs.py, and among the inputs of tests/test_seeds.py."""


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = corpus()
    if folder is not None:
        found = repositories(folder)
    else:
        made = tmp_path_factory.mktemp("corpus")
        for case in CASES:
            write(made / case.name.replace("/", "+") / "repository", case.before)
        found = sorted(path / "repository" for path in made.iterdir())
    return found[:: max(1, len(found) // SAMPLE)]


def test_every_promise_is_kept_on_every_repository(trees: list[Path]) -> None:
    rules = all_rules()

    assert [
        f"{seen.root.name}: {what}" for seen in (examine(root, rules) for root in trees) for what in seen.complaints
    ] == []


def test_a_file_in_another_shape_is_fixed_in_the_same_way(trees: list[Path]) -> None:
    rules = all_rules()
    differing: list[str] = []
    for root in trees[::3]:
        plain = examine(root, rules)
        for shape, overlay in variants(root, SHAPES):
            seen = examine(root, rules, overlay)
            wanted = shaped({path: after for path, (_, after) in plain.changed.items()}, SHAPES[shape])
            differing += [f"{root.name}: {shape}: {complaint}" for complaint in seen.complaints]
            if {path: after for path, (_, after) in seen.changed.items()} != wanted:
                differing.append(f"{root.name}: {shape}: other fixes than as is")
    assert differing == []


@pytest.mark.needs("actionlint", "shellcheck", "zizmor", "check-jsonschema", "node", "github-parser")
def test_no_linter_says_of_the_result_what_it_did_not_say_before(trees: list[Path]) -> None:
    changed = {
        f"{root.name}/{path}": pair
        for root in trees
        for path, pair in examine(root, all_rules()).changed.items()
        if path.startswith(".github/workflows/")
    }

    assert worse(changed) == []
