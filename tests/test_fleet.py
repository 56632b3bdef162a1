"""A fleet without a server: its configuration, its clones in a folder, and how what is found is counted and told."""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixer.cli import main
from fixer.config import ConfigError, load_config
from fixer.fleet import clones, looking, sources, telling
from fixer.fleet.clones import Room, Tip
from fixer.fleet.configuration import load_fleet_config
from fixer.fleet.locks import LockError, alone
from fixer.fleet.looked import Found, Looked
from fixer.fleet.looking import How, Look, look_at
from fixer.fleet.overview import overview_of_fleet
from fixer.fleet.page import fleet_page
from fixer.fleet.sources import Target
from fixer.fleet.standing import Standing, as_they_stand
from fixer.forge import identity
from fixer.forge.answers import Listed
from fixer.forge.git import Remote
from fixer.forge.github import GitHub
from fixer.show.page import About

ROOT = Path(__file__).parent.parent
SLEEP = Found("hardcoded-sleep", "warning", "blocked", "no address is known", "a.yml", 7, "it sleeps", config="")
CHECKOUT = Found("outdated-action", "warning", "safe", "use actions/checkout v5.1.0", "ci.yml", 3, "v3 is old")


def waiting(value: str) -> Found:
    line = f'rules.hardcoded-sleep.url = "{value}"'
    return Found(SLEEP.rule, "warning", "blocked", SLEEP.answer, "a.yml", 7, "it sleeps", config=line)


def nobody(owner: str) -> GitHub:
    raise AssertionError("GitHub was asked")


# -- configuration --------------------------------------------------------------------------------------------------


def test_tables_of_later_patterns_win_and_a_repository_of_its_own_over_both(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(
        'ignore = ["missing-trivy-scan"]\n'
        "[rules.hardcoded-sleep]\nurl = 'https://all.example'\n"
        "[repositories.'acme/*'.rules.hardcoded-sleep]\nurl = 'https://acme.example'\n"
        "[repositories.'acme/old-*']\nleave-out = 'frozen'\n"
    )

    config = load_fleet_config(file)

    assert config.below("other/shop")["rules"]["hardcoded-sleep"]["url"] == "https://all.example"
    assert config.below("Acme/Shop")["rules"]["hardcoded-sleep"]["url"] == "https://acme.example"
    assert config.below("acme/old-shop")["ignore"] == ["missing-trivy-scan"]
    assert config.left_out("acme/old-shop") == "frozen"
    assert config.left_out("acme/shop") == ""


def test_what_any_of_them_leaves_out_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(
        'ignore = ["missing-trivy-scan"]\nexclude = ["/old/"]\nselect = ["all"]\n'
        '[per-path-ignores]\n"/docs/" = ["root-user"]\n'
        '[repositories."acme/*"]\nignore = ["outdated-action"]\nselect = ["docker", "ci"]\n'
    )
    (tmp_path / ".fhfix.toml").write_text(
        'ignore = ["root-user", "missing-trivy-scan"]\nexclude = ["/mine/"]\nselect = ["ci"]\n'
        '[per-path-ignores]\n"/docs/" = ["outdated-action"]\n"/web/" = ["root-user"]\n'
    )

    below = load_fleet_config(file).below("acme/shop")
    config = load_config(tmp_path, below=below)

    assert config.ignore == ("missing-trivy-scan", "outdated-action", "root-user")
    assert config.exclude == ("/old/", "/mine/")
    assert config.per_path_ignores == {"/docs/": ("root-user", "outdated-action"), "/web/": ("root-user",)}
    assert config.select == ("ci",)
    assert config.patterns == ("/mine/", "/web/")  # the others are no matter of this repository
    assert load_fleet_config(file).below("other/shop")["ignore"] == ["missing-trivy-scan"]


def test_all_that_is_wrong_with_a_fleet_configuration_is_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text("colour = 1\n[repositories.'a/*']\nleave-out = 3\nselect = ['nonsense']\n")

    with pytest.raises(ConfigError) as error:
        load_fleet_config(file)

    said = str(error.value)
    assert "colour: unknown key" in said
    assert "'a/*'.leave-out: must be a text" in said
    assert "repositories.'a/*'.select: no rule" in said


# -- folders that cannot be used ------------------------------------------------------------------------------------


def test_a_folder_that_knows_no_locks_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    remote = Remote("https://git.acme.example/acme/shop.git", "")
    how = Look(Target("acme/shop", remote.url), How(str(tmp_path)))
    monkeypatch.setattr(looking, "found", lambda remote, folder: (remote, Tip("main", "1" * 40)))
    (tmp_path / "clones").mkdir()

    looked = look_at(how)

    assert "cannot be locked: No locks available; name a folder on a disk of this machine" in looked.why
    with pytest.raises(LockError, match="cannot be written: No such file"), alone(tmp_path / "none/x.lock"):
        pass


def test_a_clone_is_measured_once_however_many_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []

    def size(place: Path) -> int:
        measured.append(place.name)
        return 0

    monkeypatch.setattr(clones, "_size", size)
    room = Room(tmp_path)
    for name in ("a-1", "b-2", "c-3"):
        (tmp_path / name).mkdir()
        room.make()

    assert measured == ["a-1", "b-2", "c-3"]


def test_one_holds_a_file_and_another_is_told(tmp_path: Path) -> None:
    with alone(tmp_path / "x.lock") as first, alone(tmp_path / "x.lock", wait=False) as second:
        assert (first, second) == (True, False)
    with alone(tmp_path / "x.lock", wait=False) as third:
        assert third


# -- sources --------------------------------------------------------------------------------------------------------


def test_a_file_names_repositories_addresses_and_clones(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "here")], check=True)
    file = tmp_path / "repos.txt"
    file.write_text(
        "# the shop\nacme/shop  # ours\n\nhttps://git.acme.example/acme/site.git\ngit@github.com:acme/shop.git\nhere\n"
    )

    found = sources.once(sources.from_file(file, "https://github.com", nobody, sources.Wanted()))

    assert [(each.name, each.url) for each in found] == [
        ("acme/shop", "https://github.com/acme/shop.git"),
        ("acme/site", "https://git.acme.example/acme/site.git"),
        ("here", ""),
    ]


def test_a_line_that_names_nothing_is_named_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "repos.txt").write_text("acme/shop\nnonsense\n")

    with pytest.raises(sources.SourceError, match=r"repos.txt:2: nonsense is no OWNER/NAME"):
        list(sources.from_file(tmp_path / "repos.txt", "https://github.com", nobody, sources.Wanted()))


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (sources.Wanted(), True),
        (sources.Wanted(topics=("django",)), True),
        (sources.Wanted(topics=("rust",)), False),
        (sources.Wanted(languages=("python",)), True),
        (sources.Wanted(languages=("go",)), False),
        (sources.Wanted(pushed_since="2026-01-01"), True),
        (sources.Wanted(pushed_since="2026-06-01"), False),
    ],
)
def test_filters_ask_what_github_says_of_a_repository(wanted: sources.Wanted, taken: bool) -> None:
    about = Listed("acme/shop", ("django",), "Python", False, False, False, "2026-03-01T00:00:00Z")

    assert wanted.takes_unasked(about) is taken


@pytest.mark.parametrize(("archived", "fork"), [(True, False), (False, True)])
def test_archived_ones_and_forks_come_only_where_that_is_said(archived: bool, fork: bool) -> None:
    about = Listed("acme/shop", (), "", archived, False, fork, "2026-03-01T00:00:00Z")

    assert not sources.Wanted().takes_unasked(about)
    assert sources.Wanted(archived=archived, forks=fork).takes_unasked(about)


def test_names_are_chosen_with_and_without_their_owner() -> None:
    wanted = sources.Wanted(names=("web-*", "acme/shop"), excepted=("*-old",))

    assert [name for name in ("acme/web-a", "acme/shop", "acme/web-old", "b/shop") if wanted.takes_name(name)] == [
        "acme/web-a",
        "acme/shop",
    ]


# -- tokens ---------------------------------------------------------------------------------------------------------


def test_a_credential_helper_is_asked_for_the_host_that_is_named_and_again_when_its_token_may_be_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "helper"
    helper.write_text(f'#!/bin/sh\ncat >> {tmp_path}/asked\necho "username=x"; echo "password=of-the-helper"\n')
    helper.chmod(0o755)
    (tmp_path / "gitconfig").write_text(f'[credential]\n\thelper = "{helper}"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    for name in ("FHFIX_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FHFIX_HOST", "git.acme.example")
    tokens, now = identity.Tokens(), time.time()
    ours, other = "https://git.acme.example/acme/shop.git", "https://github.com/acme/shop.git"

    found = [tokens.token_for(ours), tokens.token_for(ours), tokens.token_for(other)]
    asked = (tmp_path / "asked").read_text()
    monkeypatch.setattr(time, "time", lambda: now + identity.FRESH + 60)
    tokens.token_for(ours)

    assert found == ["of-the-helper", "of-the-helper", ""]
    assert {"protocol=https", "host=git.acme.example"} <= set(asked.split())
    assert asked.count("host=") == 1
    assert (tmp_path / "asked").read_text().count("host=") == 2
    assert "of-the-helper" not in repr(tokens)


# -- counted and told -----------------------------------------------------------------------------------------------

FLEET = [
    Looked("acme/a", "main", "1" * 40, (CHECKOUT, CHECKOUT, waiting("https://a.example"))),
    Looked("acme/b", "main", "2" * 40, (CHECKOUT, waiting("https://b.example"), waiting("https://b.example"))),
    Looked("acme/clean", "main", "3" * 40),
    Looked("acme/gone", why="no such repository"),
]


def test_the_same_change_is_one_group_over_all_repositories() -> None:
    seen = overview_of_fleet(FLEET)

    assert [(group.answer, group.where) for group in seen.groups] == [
        ("use actions/checkout v5.1.0", "3 places in 2 repositories")
    ]
    assert [(group.answer, group.where) for group in seen.blocked] == [
        ("no address is known", "3 places in 2 repositories")
    ]
    assert seen.in_words() == (
        "3 repositories looked at; 6 places in 2 repositories, 3 with a fix; 1 repository not looked at"
    )


def test_a_line_of_configuration_says_how_many_it_would_unblock() -> None:
    [line] = overview_of_fleet(FLEET).lines

    assert line.written == 'rules.hardcoded-sleep.url = "https://b.example"'
    assert (line.where, len(line.values)) == ("3 places in 2 repositories", 2)


def test_the_text_names_groups_lines_and_what_was_not_looked_at() -> None:
    text = telling.fleet_text(overview_of_fleet(FLEET))

    assert "warning  3 places in 2  safe: use actions/checkout v5.1.0  (outdated-action)" in text
    assert '  3 places in 2 repositories: rules.hardcoded-sleep.url = "https://b.example"' in text
    assert "  acme/gone: no such repository" in text


def test_json_and_csv_hold_every_finding() -> None:
    seen = overview_of_fleet(FLEET)
    parts = [telling.json_repository(each, first=number == 0) for number, each in enumerate(FLEET)]
    said = json.loads(telling.json_head() + "".join(parts) + telling.json_tail(seen))
    rows = list(
        csv.reader(io.StringIO(telling.csv_head() + "".join("".join(telling.csv_repository(e)) for e in FLEET)))
    )

    assert [len(each["found"]) for each in said["repositories"]] == [3, 3, 0, 0]
    assert said["groups"][0]["repositories"] == {"acme/a": 2, "acme/b": 1}
    assert len(rows) == 1 + 6 + 1
    assert rows[-1] == ["acme/gone", *[""] * 8, "no such repository"]


def test_what_a_repository_says_is_no_formula_of_a_spreadsheet() -> None:
    evil = Found("root-user", "note", "safe", "x", "=cmd|' /C calc'!A0", 1, "@SUM(1)")

    [row] = csv.reader(io.StringIO("".join(telling.csv_repository(Looked("acme/a", found=(evil,))))))

    assert (row[6], row[8]) == ("'=cmd|' /C calc'!A0", "'@SUM(1)")


def test_the_page_holds_all_and_no_markup_of_a_repository() -> None:
    evil = Found("root-user", "error", "safe", "use <b>it</b>", "a<script>.yml", 1, "why\x1b[2J", "<img src=x>")

    page = fleet_page(overview_of_fleet([*FLEET, Looked("acme/e<i>", found=(evil,))]), About("acme"))

    assert "3 places in 2 repositories" in page
    assert "rules.hardcoded-sleep.url" in page
    assert "acme/gone" in page
    for markup in ("<b>it", "<script>.yml", "<img", "<i>", "\x1b"):
        assert markup not in page


# -- the command over clones ----------------------------------------------------------------------------------------


def test_clones_below_a_folder_are_looked_at_as_they_stand(tmp_path: Path) -> None:
    for name, text in (("a", "FROM python:3.11\nCMD python app.py\n"), ("deep/b", "FROM scratch\n")):
        root = tmp_path / "clones" / name
        root.mkdir(parents=True)
        subprocess.run(["git", "init", "-q", str(root)], check=True)
        (root / "Dockerfile").write_text(text)
    own = ["--cache", str(tmp_path / "cache"), "--processes", "2", "--profile", "audit"]

    done = CliRunner().invoke(main, ["fleet", "check", "--path", str(tmp_path / "clones"), *own, "--format", "json"])

    said = json.loads(done.stdout)
    assert [each["name"] for each in said["repositories"]] == ["a", "deep/b"]
    assert {each["rule"]: sorted(each["repositories"]) for each in said["groups"]}.get("root-user") == ["a"]
    assert done.exit_code == 1


def test_no_source_is_wrong_usage_and_none_found_is_said(tmp_path: Path) -> None:
    nothing = CliRunner().invoke(main, ["fleet", "check"])
    empty = CliRunner().invoke(main, ["fleet", "check", "--path", str(tmp_path), "--cache", str(tmp_path / "cache")])

    assert (nothing.exit_code, empty.exit_code) == (2, 3)
    assert "no repository is meant" in empty.stderr


def test_other_commands_do_not_load_the_fleet() -> None:
    asked = (
        "import sys; from fixer.cli import main; main(['rules'], standalone_mode=False);"
        "print([name for name in sys.modules if 'fleet' in name or 'dbos' in name], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    "path", [["nodes", "x"], ["nodes", 7], ["nodes", -1], ["nodes", None], ["nodes", [0]], ["nodes", True], [], "nodes"]
)
def test_an_answer_about_pull_requests_that_is_not_githubs_changes_nothing(
    path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "https://github.com/acme/shop/pull/1"
    known = Standing("acme/shop", "open", address, 1, "N1", "abc")
    node = {"id": "N1", "url": "https://evil.example/a/b/pull/1", "state": "OPEN"}
    answer = {"data": {"nodes": [node]}, "errors": [{"message": "no", "path": path}]}
    monkeypatch.setattr(GitHub, "request", lambda *_, **__: answer)

    [now] = as_they_stand([known], GitHub("https://api.github.com", "t0ken"))

    assert (now.state, now.url) == ("open", address)
