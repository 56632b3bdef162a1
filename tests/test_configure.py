"""`fhfix configure` asks for what findings wait for, refuses what is no value, and writes into files without harm."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixer.cli import main
from fixer.config import ConfigError, assigned, placeholder
from fixer.missing import Missing, configured, missing
from fixer.model import About, Blocked
from fixer.proposed import proposals
from fixer.registry import all_rules
from fixer.repository import Repository
from fixer.show.words import configuration
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
    "value",
    [
        "…", "...", "https://…/up", "https://example.org/health", "HTTP://A.EXAMPLE.COM:80", "<url>", "to" + "do",
        "your-url",
    ],
)  # fmt: skip
def test_a_placeholder_is_no_value(value: str) -> None:
    assert placeholder(value)


@pytest.mark.parametrize(
    "value",
    [
        "https://shop.test/example.org", "https://examples.org", "a < b", "${{ vars.X }}", "methods", "to" + "do-api",
        "go test ./...",
    ],
)  # fmt: skip
def test_other_words_are_values(value: str) -> None:
    assert not placeholder(value)


# -- what is proposed --------------------------------------------------------------------------------------------------

SIGNED_IN = """\
on: workflow_dispatch
env:
  CLUSTER: shop
jobs:
  production:
    runs-on: ubuntu-latest
    environment: {name: production, url: "https://shop.test/"}
    steps:
      - uses: actions/checkout@v5
      - uses: aws-actions/configure-aws-credentials@v5
        with: {role-to-assume: "${{ vars.ROLE }}", aws-region: eu-west-1}
      - run: aws ecs update-service --cluster $CLUSTER --service web --force-new-deployment
"""
NIGHTLY = """\
on: {schedule: [{cron: "0 3 * * *"}]}
jobs:
  smoke:
    runs-on: ubuntu-latest
    steps:
      - run: curl -f http://localhost:8000/health/
      - run: curl -f https://staging.shop.test/health/
      - run: curl -f "https://$HOST/health/"
      - run: aws rds create-db-snapshot --db-instance-identifier shop-production --db-snapshot-identifier nightly
      - run: echo ${{ vars.STAGING_DB_INSTANCE }}
"""
COMPOSE = """\
services:
  web:
    build: .
    command: sh -c "python manage.py migrate --noinput && gunicorn shop.wsgi"
    environment: {PAYMENT_REGION: eu, DATABASE_URL: "postgres://u@shop-old.abc.eu-west-1.rds.amazonaws.com/shop"}
"""


def asked_for(key: str, about: About) -> Missing:
    return Missing(key, "", "", about, ())


@pytest.mark.parametrize(
    ("key", "about", "proposed"),
    [
        ("rules.r.url.deploy", "address", ["https://staging.shop.test/health/", "https://shop.test"]),
        ("rules.r.health-path", "path", ["/health/"]),
        ("rules.r.env.PAYMENT_REGION", "variable", ["eu", "se", '"1"']),
        ("rules.r.command", "migration", ["python manage.py migrate --noinput"]),
        ("rules.r.instance", "instance", ["shop-production", "shop-old", "${{ vars.STAGING_DB_INSTANCE }}"]),
        ("rules.r.images", "", []),
    ],
)
def test_what_stands_elsewhere_in_the_repository_is_proposed(
    repository: Path, key: str, about: About, proposed: list[str]
) -> None:
    (repository / ".github/workflows/production.yml").write_text(SIGNED_IN)
    (repository / ".github/workflows/nightly.yml").write_text(NIGHTLY)
    (repository / "compose.yml").write_text(COMPOSE)
    (repository / ".env.sample").write_text("PAYMENT_REGION=se\n")
    (repository / "other.env").write_text("PAYMENT_REGION=1\n")
    (repository / "manage.py").write_text("")

    found = proposals(asked_for(key, about), Repository(repository))

    assert sorted(each.value for each in found) == sorted(proposed)
    assert all(each.where for each in found)


def test_each_value_that_is_proposed_can_be_given_and_makes_the_fix_possible(repository: Path) -> None:
    (repository / ".github/workflows/nightly.yml").write_text(NIGHTLY)
    asked = fhfix("configure", "--select", "hardcoded-sleep").output
    (setting,) = re.findall(r"--set (\S+)  \(.github/workflows/nightly.yml:7 asks it\)", asked)

    assert setting == f"{KEY}.deploy=https://staging.shop.test/health/"
    assert "+" in fhfix("configure", "-n", "--select", "hardcoded-sleep", "--set", setting).stderr


def test_on_a_terminal_enter_takes_what_is_proposed_first_and_a_number_another(repository: Path) -> None:
    (repository / ".github/workflows/nightly.yml").write_text(NIGHTLY)
    (repository / ".github/workflows/production.yml").write_text(SIGNED_IN)
    said = on_a_terminal("2")[1]

    assert "1. https://staging.shop.test/health/  (.github/workflows/nightly.yml:7 asks it)" in said
    assert "[https://staging.shop.test/health/]" in said
    assert tomllib.loads((repository / ".fhfix.toml").read_text()) == {
        "rules": {"hardcoded-sleep": {"url": {"deploy": "https://shop.test"}}}
    }


# -- the command -------------------------------------------------------------------------------------------------------


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
        if waiting and re.search(rf"{KEY}\S*( \[\S+\])?: $", said):
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


def test_what_several_findings_say_of_one_option_is_one_line() -> None:
    lines = (
        'rules.root-user.mounted = ["/a"]',
        'rules.root-user.mounted = ["/a", "/b"]',
        'rules.root-user.images."x:1" = "debian"',
        'rules.root-user.images."y:1" = "alpine"',
        "rules.root-user.low-ports = true",
        "rules.root-user.low-ports = true",
    )

    together = configuration(Blocked("why", config=line) for line in lines)

    assert len(together) == 3
    assert tomllib.loads("\n".join(together)) == {
        "rules": {
            "root-user": {
                "mounted": ["/a", "/b"],
                "images": {"x:1": "debian", "y:1": "alpine"},
                "low-ports": True,
            }
        }
    }
