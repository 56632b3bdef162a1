"""Components that a machine may lack: `needs`, and what the summary says of them; which tests run together."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.components import COMPONENTS, find

LEFT_OUT: Counter[str] = Counter()
hypothesis.settings.register_profile("without a clock", deadline=None)  # a busy machine fails nothing
hypothesis.settings.load_profile("without a clock")
collect_ignore = ["campaigns/seeds"]  # odd files, which are no tests


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(component, ...): what this test runs against, see tests/components.py")
    config.addinivalue_line("markers", "slow: left to `make test`; `make` alone goes without")


@pytest.fixture(autouse=True, scope="session")
def _no_test_waits_for_the_disk() -> Iterator[None]:
    """What is written is read by processes of this machine, before its power goes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


def missing(item: pytest.Item) -> list[str]:
    return [name for mark in item.iter_markers("needs") for name in mark.args if find(name) is None]


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Tests of a module of proofs run one after the other in one process, since its servers and images are theirs in
    common; the larger modules begin. Each other test goes to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if module.startswith("tests/proofs/") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together | None:
    return Together(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("CI"):
        return
    left_out = [item for item in items if missing(item)]
    for item in left_out:
        LEFT_OUT.update(missing(item))
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """What is loaded by now stays, so that the collector of garbage need not look at it; and it comes seldom, as the
    command line turns it off."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name in missing(item):
        pytest.fail(f"{name} is missing: {COMPONENTS[name].how}", pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    absent = [name for name in COMPONENTS if find(name) is None]
    if not absent:
        return
    terminalreporter.section("MISSING COMPONENTS", sep="!", red=True, bold=True)
    for name in absent:
        left_out = f"; {LEFT_OUT[name]} tests left out" if LEFT_OUT[name] else ""
        terminalreporter.write_line(f"{name}: {COMPONENTS[name].how}{left_out}")
