"""What a person sees who waits, on a real (pseudo) terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.examples import CI

FHFIX = str(Path(sys.executable).parent / "fhfix")

WAITING = """
import signal
from fixer.commands import waiting
waiting.A_MOMENT = 3600
with waiting.sign_of_life("looking"):
    {what}
print("done")
"""
LATE = "signal.raise_signal(signal.SIGALRM)"  # what the timer does after a moment
NO_TIMER = "assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)"


def on_terminal(command: list[str], cwd: Path, **env: str) -> tuple[int, str]:
    """The exit code and everything that a terminal of 24 lines and 80 columns was sent."""
    leader, follower = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "PAGER", "LESS", "CI")}
    environment |= {"TERM": "xterm-256color", "LINES": "24", "COLUMNS": "80", **env}
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    said, end = b"", time.monotonic() + 120
    while time.monotonic() < end:
        ready, _, _ = select.select([leader], [], [], 0.1)
        try:
            data = os.read(leader, 65536) if ready else b""
        except OSError:  # the other side is closed
            break
        said += data
        if ready and not data:
            break
    os.close(leader)
    return process.wait(timeout=60), said.decode()


def test_a_sign_of_life_appears_after_a_moment_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code, said = on_terminal([sys.executable, "-c", WAITING.format(what=LATE)], tmp_path)

    assert code == 0
    assert re.search(r"⠋ looking, \d+ s", said)
    assert said.endswith("\r\x1b[Kdone\r\n")


@pytest.mark.parametrize(("what", "term"), [("pass", "xterm"), (NO_TIMER, "dumb")])
def test_no_sign_of_life_where_it_is_quick_or_the_terminal_cannot(tmp_path: Path, what: str, term: str) -> None:
    assert on_terminal([sys.executable, "-c", WAITING.format(what=what)], tmp_path, TERM=term) == (0, "done\r\n")


def test_no_sign_of_life_where_stderr_is_no_terminal() -> None:
    done = subprocess.run([sys.executable, "-c", WAITING.format(what=NO_TIMER)], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("done\n", "")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    for number in range(6):
        (tmp_path / f".github/workflows/ci{number}.yml").write_text(CI)
    (tmp_path / ".fhfix.toml").write_text('select = ["silent-type-check"]\n')
    return tmp_path


@pytest.mark.slow
def test_a_long_dry_run_goes_through_the_pager_with_colours(repository: Path) -> None:
    code, said = on_terminal([FHFIX, "apply", "--dry-run", "-v"], repository, PAGER="sed s/^/P:/")

    assert code == 0
    assert said.count("P:") > 24
    assert "\x1b[31m" in said


@pytest.mark.slow
def test_a_short_one_and_an_apply_do_not(repository: Path) -> None:
    one = [".github/workflows/ci1.yml"]
    assert "P:" not in on_terminal([FHFIX, "apply", "--dry-run", *one], repository, PAGER="sed s/^/P:/")[1]
    code, said = on_terminal([FHFIX, "apply"], repository, PAGER="sed s/^/P:/")

    assert (code, "P:" in said) == (0, False)
    assert "|| true" not in (repository / ".github/workflows/ci5.yml").read_text()


@pytest.mark.slow
def test_no_color_is_obeyed_on_a_terminal(repository: Path) -> None:
    for command in (["apply", "--dry-run"], ["check"]):
        said = on_terminal([FHFIX, *command], repository, NO_COLOR="1", PAGER="cat")[1]
        assert "silent-type-check" in said
        assert not re.search(r"\x1b\[[\d;]*3[0-7]m", said)


@pytest.mark.slow
def test_colour_can_be_forced_into_a_pipe(repository: Path) -> None:
    command = [FHFIX, "check"]
    plain = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False).stdout
    forced = subprocess.run(
        command, cwd=repository, env=os.environ | {"FORCE_COLOR": "1"}, capture_output=True, text=True, check=False
    ).stdout

    assert "\x1b" not in plain
    assert "\x1b[36msilent-type-check" in forced


def test_an_interactive_apply_wants_a_terminal_to_type_on(repository: Path) -> None:
    code, said = on_terminal(["bash", "-c", f"printf 'y\\n' | {FHFIX} apply --interactive"], repository)

    assert code == 2
    assert "--interactive needs a terminal" in said
    texts = [(repository / f".github/workflows/ci{n}.yml").read_text() for n in range(6)]
    assert all("|| true" in text for text in texts)
