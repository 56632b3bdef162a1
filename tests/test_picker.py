"""`fhfix apply --interactive`: what is ticked is made, and nothing else; it works by keys and at 40 columns."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fixer.cli import main
from fixer.engine import plan
from fixer.model import Fix, Plan, Reported
from fixer.repository import Repository
from tests import examples
from tests.one_workflow import BEFORE, LOUD, PATH, replacing, with_steps, written

pytestmark = pytest.mark.needs("textual", "tomlkit")


def picked(made: Plan, *keys: str, size: tuple[int, int] = (120, 30)) -> tuple[Any, str]:
    """The answer after these keys, and what the screen showed before the last."""
    from fixer.show.picker import Picker

    async def press() -> tuple[Any, str]:
        picker = Picker(made)
        async with picker.run_test(size=size) as pilot:
            await pilot.pause()
            await pilot.press(*keys[:-1])
            await pilot.pause()
            shown = "\n".join(
                "".join(segment.text for segment in line) for line in picker.screen._compositor.render_strips()
            )
            await pilot.press(keys[-1])
        return picker.return_value, shown

    return asyncio.run(press())


def names(made: Plan, *keys: str, size: tuple[int, int] = (120, 30)) -> list[str]:
    """The titles of what is taken."""
    answer = picked(made, *keys, size=size)[0]
    by_id = {reported.id: reported for reported in made.taken}
    return [getattr(by_id[name].finding.cure, "title", "") for name in answer.names]


MYPY, BUMP, SNAPSHOT = "let mypy fail the step", "move to v6", "take a snapshot first"


# Groups stand by level: mypy is an error, the bump a warning, the snapshot a note.
@pytest.mark.parametrize(
    "size",
    [pytest.param((120, 30), id="wide", marks=pytest.mark.slow), pytest.param((40, 16), id="narrow")],
)
@pytest.mark.parametrize(
    ("keys", "taken"),
    [
        (["enter"], [MYPY, BUMP, SNAPSHOT]),
        (["space", "enter"], [BUMP, SNAPSHOT]),
        (["space", "space", "enter"], [MYPY, BUMP, SNAPSHOT]),
        (["n", "down", "space", "enter"], [BUMP]),
        (["n", "a", "enter"], [MYPY, BUMP, SNAPSHOT]),
        (["n", "s", "enter"], [MYPY, BUMP]),
        (["n", "slash", *"snap", "enter", "space", "escape", "enter"], [SNAPSHOT]),
        (["n", "slash", *"snap", "escape", "space", "enter"], [MYPY]),
        (["n", "enter"], []),
    ],
)
def test_what_is_ticked_is_taken(keys: list[str], taken: list[str], size: tuple[int, int]) -> None:
    assert names(examples.plan(), *keys, size=size) == taken


def test_quitting_takes_nothing() -> None:
    assert picked(examples.plan(), "q")[0] is None


def test_the_diff_of_what_is_highlighted_is_shown() -> None:
    first = picked(examples.plan(), "q")[1]
    second = picked(examples.plan(), "down", "q")[1]

    assert "-      - run: mypy . || true" in first
    assert "why: the failure of mypy cannot fail this step" in first
    assert "+      - uses: actions/checkout@v6" in second
    assert "mypy . ||" not in second


def test_at_forty_columns_list_and_diff_stand_above_each_other() -> None:
    lines = picked(examples.plan(), "q", size=(40, 20))[1].splitlines()

    assert all(len(line) <= 40 for line in lines)
    rows = [n for n, line in enumerate(lines) if line.startswith("[x]")]
    assert len(rows) == 3
    assert next(n for n, line in enumerate(lines) if "why:" in line) > rows[-1]


def test_fixes_that_stand_on_another_are_ticked_with_it() -> None:
    below = replace(examples.plan(), needs={1: frozenset({0})})

    assert names(below, "n", "down", "space", "enter") == [MYPY, BUMP]
    assert names(below, "space", "enter") == [SNAPSHOT]
    assert "1 goes with it" in picked(below, "space", "q")[1]


def test_one_fix_of_a_group_can_be_left() -> None:
    made = examples.plan()
    twice = Plan(made.files, (made.taken[1], replace(made.taken[1], apart="2")), (), needs={})

    assert len(picked(twice, "right", "down", "space", "enter")[0].names) == 1
    assert "[~]" in picked(twice, "right", "down", "space", "q")[1]


def test_editing_and_never_say_where_and_keep_what_is_ticked() -> None:
    from fixer.show.picker import Edit, Never

    made = examples.plan()
    mypy = made.taken[0].id

    assert picked(made, "space", "e")[0] == Edit(PATH, 8, frozenset({mypy}))
    assert picked(made, "space", "i")[0] == Never("silent-type-check", (PATH,), frozenset({mypy}))


def test_what_a_file_says_moves_no_cursor() -> None:
    made = examples.plan()
    evil = "a\x1b[2J\u202eb"
    bad = Reported(examples.SILENT, replace(made.taken[0].finding, message=evil, cure=Fix(evil)))
    shown = picked(Plan(made.files, (bad, *made.taken[1:])), "q")[1]

    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\x1b[2J" in shown


# -- the command on a terminal ----------------------------------------------------------------------------------------


DOWN = "\x1b[B"
"""From the outdated action, which stands first, to mypy."""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return written(tmp_path / "repo")


def on_a_terminal(
    repository: Path, *keys: str, options: tuple[str, ...] = (), columns: int = 40, **environment: str
) -> tuple[int, str]:
    """`fhfix apply -i` on a pseudo-terminal; a screen is waited for before each key."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, columns, 0, 0))
    command = [sys.executable, "-c", "from fixer.cli import main; main()", "apply", "-i", *options, str(repository)]
    process = subprocess.Popen(
        command,
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        start_new_session=True,
        env={
            **os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "TERM": "xterm", "COLUMNS": str(columns),
            **environment,
        },
    )  # fmt: skip
    os.close(slave)
    seen = b""
    waiting = list(keys)
    end = time.monotonic() + 120
    fresh = b""
    while time.monotonic() < end:
        if not select.select([master], [], [], 1.5)[0]:
            # The screen is drawn and still: the next key.
            if b"ticked" in fresh and waiting:
                key = waiting.pop(0)
                fresh = b"" if key in ("e", "i") else fresh
                os.write(master, key.encode())
            continue
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
        fresh += data
    assert process.stdout is not None
    out = process.stdout.read().decode()
    process.stdout.close()
    os.close(master)
    return process.wait(30), out


@pytest.mark.slow
@pytest.mark.parametrize("columns", [40, 120])
def test_a_person_chooses_and_it_is_written(repository: Path, columns: int) -> None:
    code, _ = on_a_terminal(repository, "n", DOWN, " ", "\r", columns=columns)

    assert code in (0, 1)
    assert (repository / PATH).read_text() == BEFORE.replace(" || true", "")


def test_standard_output_holds_what_was_chosen_alone(repository: Path) -> None:
    _, out = on_a_terminal(repository, "n", DOWN, " ", "\r", options=("-n", "--format", "patch"))

    assert out.startswith(f"diff --git a/{PATH}")
    assert "-      - run: mypy . || true" in out
    assert "checkout@v5" not in out
    assert (repository / PATH).read_text() == BEFORE


@pytest.mark.slow
def test_never_here_is_written_into_the_configuration(repository: Path) -> None:
    on_a_terminal(repository, DOWN, "i", "\r")

    found = tomllib.loads((repository / ".fhfix.toml").read_text())
    assert found == {"per-path-ignores": {f"/{PATH}": ["silent-type-check"]}}
    assert "mypy . || true" in (repository / PATH).read_text()
    assert "checkout@v3" not in (repository / PATH).read_text()


@pytest.mark.slow
def test_a_file_can_be_edited_before_choosing_on(repository: Path, tmp_path: Path) -> None:
    editor = tmp_path / "vi"
    editor.write_text('#!/bin/sh\nsed -i "s/ || true//" "$2"\n')
    editor.chmod(0o755)

    on_a_terminal(repository, "e", "n", "\r", VISUAL=str(editor))
    assert (repository / PATH).read_text() == BEFORE.replace(" || true", "")


def test_without_a_terminal_it_says_what_to_do(repository: Path) -> None:
    done = CliRunner().invoke(main, ["apply", "--interactive", str(repository)])

    assert done.exit_code == 2
    assert "--interactive needs a terminal; --only and --selection choose without one" in done.output
    assert (repository / PATH).read_text() == BEFORE


# -- what the answer means to the engine ------------------------------------------------------------------------------


def test_a_plan_knows_in_whose_text_a_fix_stands(tmp_path: Path) -> None:
    repository = Repository(with_steps(tmp_path, "alpha1", "quiet", "alpha2"))
    made = plan(repository, (replacing("alpha", "beta"), LOUD))
    titles = [getattr(reported.finding.cure, "title", "") for reported in made.taken]

    assert titles == ["run beta1", "run beta2", "run beta1!", "run quiet!", "run beta2!"]
    assert made.needs == {2: frozenset({0}), 4: frozenset({1})}


def test_nobody_is_asked_twice_when_a_rule_has_to_be_left_out(tmp_path: Path) -> None:
    asked: list[str] = []

    def accept(reported: Reported, repository: Repository) -> bool:
        asked.append(reported.id)
        return True

    repository = Repository(with_steps(tmp_path, "alpha1", "gamma", "alpha2"))
    endless = (replacing("gamma", "delta"), replacing("delta", "gamma"))
    made = plan(repository, (replacing("alpha", "one"), *endless), accept=accept)

    assert {fault.rule_id for fault in made.faults} == {"gamma", "delta"}
    assert len(made.taken) == 2
    assert sorted(asked) == sorted(set(asked))
