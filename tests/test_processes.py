"""Processes end with their parent, however it ends, and hold nothing of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixer.engine import processes
from fixer.engine.asking import DOCUMENTS_PER_PROCESS
from fixer.engine.processes import in_processes

ROOT = Path(__file__).parent.parent
WORKFLOW = "on: push\njobs:\n  types:\n    runs-on: ubuntu-latest\n    steps:\n      - run: mypy . || true\n"


def of_group(group: int) -> list[int]:
    """Processes of a group that still run; the dead that nobody has asked for do not."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                about = (path / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(about[2]) == group and about[0] != "Z":
                found.append(int(path.name))
    return found


def gone(group: int, seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while of_group(group) and time.monotonic() < end:
        time.sleep(0.02)
    return not of_group(group)


def test_each_share_is_answered_in_order() -> None:
    assert in_processes(lambda share: [share, os.getpid() != os.getppid()], ["a", "b", "c"]) == [
        ["a", True],
        ["b", True],
        ["c", True],
    ]


def test_this_process_does_something_while_the_others_work() -> None:
    done: list[str] = []
    assert in_processes(lambda share: share, ["a"], meanwhile=lambda: done.append("here")) == ["a"]
    assert done == ["here"]


def test_an_answer_may_be_larger_than_a_pipe() -> None:
    assert in_processes(lambda share: share * 3_000_000, ["x", "y"]) == ["x" * 3_000_000, "y" * 3_000_000]


def test_a_process_that_dies_answers_nothing_and_the_others_do() -> None:
    def work(share: int) -> int:
        if share == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if share == 2:
            raise ValueError("nobody sees this")
        return share

    assert in_processes(work, [0, 1, 2, 3]) == [0, None, None, 3]


LEAVING = """
import os
from fixer.engine.processes import in_processes
before = sorted(os.listdir("/proc/self/fd"))
in_processes(lambda share: share, [1, 2])
assert sorted(os.listdir("/proc/self/fd")) == before
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("alone")
"""


def test_no_process_and_no_file_is_left_open() -> None:
    # In a process of its own: what other tests started here may still be there.
    answer = subprocess.run([sys.executable, "-c", LEAVING], cwd=ROOT, capture_output=True, text=True)

    assert (answer.stdout, answer.stderr) == ("alone\n", "")


SLEEPING = """
import os, signal, sys, time
from fixer.engine import processes
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)  # the shell of the tests may ignore it, and nohup does
processes.sys.platform = sys.argv[1]
def work(share):
    os.write(int(sys.argv[2]), b"x")
    time.sleep(600)
processes.in_processes(work, [1, 2])
"""


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_killed_parent_leaves_no_process_and_no_reader_that_waits(platform: str, number: signal.Signals) -> None:
    ready, writer = os.pipe()
    command = [sys.executable, "-c", SLEEPING, platform, str(writer)]
    parent = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[writer], start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    os.close(writer)
    assert os.read(ready, 1) + os.read(ready, 1) == b"xx"
    os.close(ready)

    parent.send_signal(number)
    parent.communicate(timeout=120)

    assert gone(parent.pid)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    folder = root / ".github/workflows"
    folder.mkdir(parents=True)
    for number in range(2 * DOCUMENTS_PER_PROCESS):
        (folder / f"w{number}.yml").write_text(WORKFLOW.replace("types", f"types{number}") * 1)
    return root


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_command_can_be_ended_at_any_moment(many: Path, number: signal.Signals) -> None:
    for delay in (0.3, 0.6, 0.9, 1.3):
        running = subprocess.Popen(
            [sys.executable, "-m", "fixer", "check", "-q", str(many)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        time.sleep(delay)
        running.send_signal(number)
        _, said = running.communicate(timeout=120)

        assert gone(running.pid)
        ended = (running.returncode, said)  # before the work, during it, or 1 after it: there are findings
        assert ended in ((-number, b""), (128 + number, b"fhfix: stopped\n"), (1, b""))


def test_processes_are_used_where_there_are_many_documents(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fixer import engine
    from fixer.registry import all_rules
    from fixer.repository import Repository

    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    asked: list[int] = []
    real = processes.in_processes

    def counting(work, shares, meanwhile):  # type: ignore[no-untyped-def]
        asked.append(len(shares))
        return real(work, shares, meanwhile)

    monkeypatch.setattr("fixer.engine.asking.in_processes", counting)
    rules = [rule for rule in all_rules() if rule.id == "silent-type-check"]
    found = engine.check(Repository(many), rules)

    assert asked == [1]  # beside this one
    assert len(found.findings) == 2 * DOCUMENTS_PER_PROCESS
    assert found.faults == ()
