"""`fhfix configure` asks for what findings wait for, refuses what is no value, and writes into files without harm."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixer.cli import main
from fixer.config import ConfigError, assigned
from fixer.missing import configured, missing, placeholder
from fixer.registry import all_rules
from tests import examples

pytestmark = pytest.mark.needs("tomlkit")

RULES = all_rules()
DEPLOY = """\
on: workflow_dispatch
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - run: vercel deploy --prod
      - run: sleep 60
"""
KEY = "rules.hardcoded-sleep.url"
URL = "https://shop.test/health"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/deploy.yml").write_text(DEPLOY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fhfix(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_what_findings_wait_for_is_asked_once_and_placeholders_are_not_proposed() -> None:
    blocked = examples.report().findings[3]
    (asked,) = missing([blocked, blocked])

    assert (asked.key, asked.proposed, len(asked.waiting)) == ("rules.hardcoded-sleep.url", "", 2)
    assert asked.next_step == "name the URL that answers 200 when the service is up"


@pytest.mark.parametrize(
    "value", ["…", "a ... b", "https://example.org/health", "<url>", "to" + "do", "your-url", "EXAMPLE.com"]
)
def test_a_placeholder_is_no_value(value: str) -> None:
    assert placeholder(value)


@pytest.mark.parametrize(
    "value", ["https://shop.test/health", "https://examples.org", "a < b", "${{ vars.X }}", "methods"]
)
def test_other_words_are_values(value: str) -> None:
    assert placeholder(value) == ""


def test_set_writes_the_value_and_shows_the_fix_that_it_makes_possible(repository: Path) -> None:
    done = fhfix("configure", "--select", "hardcoded-sleep", "--set", f"{KEY}={URL}")

    assert done.exit_code == 0, done.output
    assert tomllib.loads((repository / ".fhfix.toml").read_text()) == {"rules": {"hardcoded-sleep": {"url": URL}}}
    assert "wait until https://shop.test/health" in done.stderr
    assert "-      - run: sleep 60" in done.stderr
    assert "wait until https://shop.test/health" in " ".join(
        fhfix("apply", "-n", "--select", "hardcoded-sleep").output.split()
    )


def test_a_dry_run_writes_nothing(repository: Path) -> None:
    assert fhfix("configure", "--dry-run", "--set", f"{KEY}={URL}").exit_code == 0
    assert not (repository / ".fhfix.toml").exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (f"{KEY}=https://…", "is a placeholder"),
        (f"{KEY}=https://example.org/up", "is a placeholder"),
        ("rules.hardcoded-sleep.urll=x", "did you mean 'url'"),
        ("rules.hardcoded-sleep.timeout=soon", "must be"),
    ],
)
def test_what_is_no_value_is_refused(repository: Path, setting: str, said: str) -> None:
    done = fhfix("configure", "--set", setting)

    assert done.exit_code == 2
    assert said in done.output
    assert not (repository / ".fhfix.toml").exists()


def test_without_a_terminal_it_says_what_to_give(repository: Path) -> None:
    done = fhfix("configure")

    assert done.exit_code == 2
    assert "there is no terminal to ask on" in done.output
    assert f"--set {KEY}.deploy=…" in done.output


def on_a_terminal(*lines: str) -> tuple[int, str]:
    """`fhfix configure` on a pseudo-terminal, each line typed when it asks."""
    master, slave = pty.openpty()
    program = "from fixer.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "configure", "--select", "hardcoded-sleep"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "TERM": "dumb"},
    )
    os.close(slave)
    said = ""
    waiting = list(lines)
    end = time.monotonic() + 90
    while time.monotonic() < end:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            data = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        said += data.decode()
        if waiting and said.rstrip(" ").endswith(":") and KEY in said.splitlines()[-1]:
            os.write(master, (waiting.pop(0) + "\n").encode())
    os.close(master)
    process.kill()
    return process.wait(), said


def test_a_person_is_asked_until_the_answer_is_a_value(repository: Path) -> None:
    code, said = on_a_terminal("https://example.com", URL)

    assert code in (0, -9), said
    assert "is a placeholder" in said
    assert "+" in said
    assert tomllib.loads((repository / ".fhfix.toml").read_text()) == {
        "rules": {"hardcoded-sleep": {"url": {"deploy": URL}}}
    }


def test_nothing_is_written_where_nothing_is_given(repository: Path) -> None:
    said = on_a_terminal("")[1]

    assert "nothing was given" in said
    assert not (repository / ".fhfix.toml").exists()


GIVEN = {"hardcoded-sleep": {"url": URL}}
TABLE = f'[rules.hardcoded-sleep]\nurl = "{URL}"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", f"{TABLE}\n"),
        ('# ours\nignore = ["ci"]  # why\n', f'# ours\nignore = ["ci"]  # why\n\n{TABLE}\n'),
        (
            "[rules.hardcoded-sleep]\n# seconds\ntimeout = 5\n",
            f'[rules.hardcoded-sleep]\n# seconds\ntimeout = 5\nurl = "{URL}"\n',
        ),
        ('[rules.hardcoded-sleep]\nurl = "https://old.test"  # ours\n', f"{TABLE}  # ours\n"),
    ],
)
def test_comments_and_everything_else_stay(text: str, expected: str) -> None:
    assert configured(text, {"rules": GIVEN}, RULES, ".fhfix.toml") == expected


def test_dotted_keys_at_the_top_are_extended() -> None:
    text = 'rules.root-user.low-ports = true\ntier = "safe"\n'
    found = tomllib.loads(configured(text, {"rules": GIVEN}, RULES, ".fhfix.toml"))

    assert found == {"rules": {"root-user": {"low-ports": True}, **GIVEN}, "tier": "safe"}


def test_line_ends_stay() -> None:
    text = configured('ignore = ["ci"]\r\n', {"rules": GIVEN}, RULES, ".fhfix.toml")

    assert text.count("\r\n") == text.count("\n") == 4


def test_pyproject_is_written_below_its_table() -> None:
    text = '[project]\nname = "x"\n\n[tool.fhfix]\nignore = ["ci"]\n\n[tool.ruff]\nline-length = 9\n'
    after = configured(text, {"rules": GIVEN}, RULES, "pyproject.toml", "tool.fhfix")

    assert tomllib.loads(after)["tool"] == {"fhfix": {"ignore": ["ci"], "rules": GIVEN}, "ruff": {"line-length": 9}}
    assert after.startswith('[project]\nname = "x"\n\n[tool.fhfix]\nignore = ["ci"]\n')


def test_what_would_be_wrong_is_not_written() -> None:
    with pytest.raises(ConfigError):
        configured("", {"rules": {"hardcoded-sleep": {"nonsense": 1}}}, RULES, ".fhfix.toml")
    with pytest.raises(ConfigError):
        configured("not toml", {"rules": GIVEN}, RULES, ".fhfix.toml")


def test_an_option_that_is_a_table_takes_one_more_name() -> None:
    assert assigned(f"{KEY}.deploy={URL}") == {"hardcoded-sleep": {"url": {"deploy": URL}}}
    assert assigned("rules.outdated-action.majors.'actions/checkout'=v5") == {
        "outdated-action": {"majors": {"actions/checkout": "v5"}}
    }
