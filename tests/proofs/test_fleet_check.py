"""A fleet on a GitHub of the loopback: found by the API, fetched in part, looked at once for each commit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fixer.cli import main
from fixer.fleet.clones import Room, opened, tip
from fixer.fleet.looking import DiedError, How, Look, in_own_process, look_at
from fixer.fleet.sources import Target, Wanted, from_organisation
from fixer.forge import github
from fixer.forge.git import Remote
from tests.fixture_cases import FIXTURES
from tests.proofs.fakehub import FakeHub, Fault, serving

pytestmark = pytest.mark.needs("git")

TOKEN = "t0ken-of-ada"
PNG = b"\x89PNG\0" * 400
DOCKERFILE = b"FROM python:3.11\nCOPY . /app\nCMD python /app/main.py\n"
CI = b"on: push\njobs:\n  lint:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v3\n"


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    for made in serving(tmp_path / "hub"):
        monkeypatch.setenv("FHFIX_HOST", made.url.partition("://")[2])
        monkeypatch.setenv("FHFIX_TOKEN", TOKEN)
        monkeypatch.setattr(github.GitHub, "sleep", lambda self, seconds: None)
        yield made


def check(tmp_path: Path, *arguments: str) -> Result:
    own = ["--cache", str(tmp_path / "cache"), "--processes", "2"]
    return CliRunner().invoke(main, ["fleet", "check", "--org", "acme", *own, *arguments])


def target(hub: FakeHub, slug: str) -> Target:
    return Target(slug, f"{hub.url}/{slug}.git")


# -- which they are -------------------------------------------------------------------------------------------------


def test_an_organisation_is_listed_in_pages_and_filtered(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "PAGE", 2)
    for name in ("a", "b", "c", "d", "e"):
        hub.seed(f"acme/{name}", {"Dockerfile": DOCKERFILE})
    hub.about["acme/a"] = {"archived": True}
    hub.about["acme/b"] = {"fork": True}
    hub.about["acme/c"] = {"topics": ["django"], "language": "Python", "pushed_at": "2026-03-01T00:00:00Z"}
    hub.about["acme/d"] = {"topics": ["django"], "pushed_at": "2020-01-01T00:00:00Z"}

    def listed(wanted: Wanted) -> list[str]:
        asked = from_organisation("acme", hub.url, lambda owner: github.GitHub(f"{hub.url}/api/v3", TOKEN), wanted)
        return [each.name for each in asked]

    assert listed(Wanted()) == ["acme/c", "acme/d", "acme/e"]
    assert listed(Wanted(archived=True, forks=True)) == [f"acme/{name}" for name in "abcde"]
    assert listed(Wanted(topics=("Django",), pushed_since="2021-01-01")) == ["acme/c"]
    assert listed(Wanted(languages=("python",), names=("c",))) == ["acme/c"]
    assert hub.count("GET /orgs/acme/repos") == 3 * 4


def test_a_search_finds_and_an_organisation_that_is_not_there_is_said(hub: FakeHub, tmp_path: Path) -> None:
    hub.seed("acme/a", {"Dockerfile": DOCKERFILE})
    hub.seed("acme/b", {"Dockerfile": DOCKERFILE})
    hub.about["acme/b"] = {"topics": ["shop"]}
    own = ["--cache", str(tmp_path / "cache"), "--format", "json"]

    found = CliRunner().invoke(main, ["fleet", "check", "--search", "org:acme topic:shop", *own])
    absent = CliRunner().invoke(main, ["fleet", "check", "--org", "nobody", *own])

    assert [each["name"] for each in json.loads(found.stdout)["repositories"]] == ["acme/b"]
    assert absent.exit_code == 3
    assert "no organisation or person nobody" in absent.stderr


# -- what is fetched ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        "financehub/before",
        "root-user",
        "missing-migration-check",
        "unpooled-database",
        "missing-trivy-scan/tests-called-by-a-deployment/before",
    ],
)
def test_a_partial_clone_is_answered_as_a_whole_one(hub: FakeHub, tmp_path: Path, case: str) -> None:
    folder = FIXTURES / case
    folder = folder if folder.name == "before" else next(iter(sorted(folder.glob("*/before"))))
    hub.seed("acme/a", {**files_of(folder), "logo.png": PNG, "src/deep/tool.c": b"int main;\n"})
    whole = tmp_path / "whole"
    subprocess.run(["git", "clone", "-q", str(hub.folder / "acme/a.git"), str(whole)], check=True)
    how = How(str(tmp_path / "cache"), profile="audit", planned=True)
    how.clones.mkdir(parents=True)

    part = look_at(Look(target(hub, "acme/a"), how, token=TOKEN))
    full = look_at(Look(Target("acme/a", folder=str(whole)), how))

    assert part.why == full.why == ""
    assert part.found == full.found
    assert (part.fixes, part.files, part.commit) == (full.fixes, full.files, full.commit)
    remote = Remote(target(hub, "acme/a").url, TOKEN)
    with opened(remote, tip(remote, how.clones), how.clones) as clone:
        written = how.session(clone.root, {}, clone.bring).plan().files
    planned = how.session(whole, {}).plan().files
    assert {path: each.after for path, each in written.items()} == {path: each.after for path, each in planned.items()}


def test_only_what_is_read_is_fetched_and_the_rest_stands_there_empty(hub: FakeHub, tmp_path: Path) -> None:
    files = {"Dockerfile": DOCKERFILE, "logo.png": PNG, "a/b.png": PNG, "x.toml": b"a = 1\n", "y.toml": b"b = 1\n"}
    commit = hub.seed("acme/a", {**files, "new\nline ü.txt": b"odd\n"})
    remote = Remote(f"{hub.url}/acme/a.git", TOKEN)

    with opened(remote, tip(remote, tmp_path), tmp_path) as clone:
        standing = {path: (clone.root / path).read_bytes() for path in clone.paths}
        clone.bring("x.toml")

        assert standing == {**dict.fromkeys(clone.paths, b""), "Dockerfile": DOCKERFILE}
        assert len(standing) == 6
        assert [(clone.root / f"{name}.toml").read_bytes() for name in "xy"] == [b"a = 1\n", b"b = 1\n"]
        config = (clone.root / ".git/config").read_text()
        assert "oken" not in config + "".join(f"{key}={value}" for key, value in os.environ.items() if "GIT" in key)
        have = subprocess.run(
            ["git", "-C", str(clone.root), "cat-file", "--batch-all-objects", "--batch-check"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert sum(" blob " in line for line in have.splitlines()) == 1 + 2 + 1  # the empty one too
        status = subprocess.run(["git", "-C", str(clone.root), "status", "--porcelain"], capture_output=True, text=True)
        assert (status.stdout, status.returncode) == ("", 0)
    assert commit == clone.tip.commit


def test_no_filter_that_the_user_has_runs_for_a_file_that_asks_for_it(hub: FakeHub, tmp_path: Path) -> None:
    configuration = tmp_path / "gitconfig"
    configuration.write_text(f'[filter "evil"]\n\tsmudge = touch {tmp_path}/ran\n\tclean = touch {tmp_path}/ran\n')
    hub.seed("acme/a", {"Dockerfile": DOCKERFILE, ".gitattributes": b"* filter=evil\n", "x.bin": b"x"})
    how = How(str(tmp_path / "cache"))
    how.clones.mkdir(parents=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
        looked = look_at(Look(target(hub, "acme/a"), how, token=TOKEN))

    assert (looked.why, bool(looked.found)) == ("", True)
    assert not (tmp_path / "ran").exists()


# -- looked at once -------------------------------------------------------------------------------------------------


def test_what_did_not_change_is_not_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    for name in ("a", "b"):
        hub.seed(f"acme/{name}", {"Dockerfile": DOCKERFILE, "ci.txt": b"x"})
    first = check(tmp_path)
    hub.requests.clear()

    same = check(tmp_path)
    fetched = hub.count(r"POST /acme/.*git-upload-pack.*")
    shutil.rmtree(tmp_path / "cache/clones")
    hub.seed("acme/b", {"Dockerfile": DOCKERFILE, ".github/workflows/ci.yml": CI})
    other = check(tmp_path)
    narrowed = check(tmp_path, "--select", "outdated-action")

    assert same.stdout == first.stdout
    assert fetched == 2  # each is asked for its commit alone
    assert "outdated-action" in other.stdout
    assert "outdated-action" not in first.stdout
    assert "root-user" not in narrowed.stdout
    assert {path.name for path in (tmp_path / "cache/clones").iterdir() if path.is_dir()} != set()


def test_the_oldest_clones_go_and_none_that_is_in_use(hub: FakeHub, tmp_path: Path) -> None:
    remotes = {}
    for name in ("a", "b"):
        hub.seed(f"acme/{name}", {"Dockerfile": DOCKERFILE})
        remotes[name] = Remote(f"{hub.url}/acme/{name}.git", TOKEN)
    with opened(remotes["a"], tip(remotes["a"], tmp_path), tmp_path) as first:
        pass
    with opened(remotes["b"], tip(remotes["b"], tmp_path), tmp_path) as second:
        Room(tmp_path, 0).make()

        assert not first.root.exists()
        assert second.root.exists()
    Room(tmp_path, 0).make()
    assert not second.root.exists()


def test_the_fleets_configuration_holds_below_the_repositorys_own(hub: FakeHub, tmp_path: Path) -> None:
    hub.seed("acme/a", {"Dockerfile": DOCKERFILE})
    own = b'ignore = ["outdated-action"]\nmin-severity = "note"\n'
    hub.seed("acme/b", {"Dockerfile": DOCKERFILE, ".github/workflows/ci.yml": CI, ".fhfix.toml": own})
    hub.seed("acme/c", {"Dockerfile": DOCKERFILE})
    config = tmp_path / "fleet.toml"
    config.write_text(
        'ignore = ["leaky-builder-stage"]\nmin-severity = "error"\n'
        '[repositories."acme/c"]\nleave-out = "frozen until May"\n'
    )

    done = check(tmp_path, "--fleet-config", str(config), "--format", "json")

    said = json.loads(done.stdout)
    rules: dict[str, set[Any]] = {each["name"]: {f["rule"] for f in each["found"]} for each in said["repositories"]}
    assert ["root-user" in rules[name] for name in ("acme/a", "acme/b")] == [False, True]  # its own level counts
    assert {"outdated-action", "leaky-builder-stage"} & rules["acme/b"] == set()  # what either leaves out is left out
    assert list(rules) == ["acme/a", "acme/b"]
    assert "acme/c is left out: frozen until May" in done.stderr


def test_a_path_that_is_asked_for_leaves_the_others_out(hub: FakeHub, tmp_path: Path) -> None:
    hub.seed("acme/a", {"Dockerfile": DOCKERFILE})
    hub.seed("acme/b", {"Dockerfile": DOCKERFILE, ".github/workflows/ci.yml": CI})

    done = check(tmp_path, "--holds", ".github/workflows/*")

    assert "1 repository looked at" in done.stdout


def test_what_cannot_be_looked_at_is_named_and_the_others_are(hub: FakeHub, tmp_path: Path) -> None:
    hub.seed("acme/a", {"Dockerfile": DOCKERFILE})
    hub.add_repository("acme/empty")
    hub.seed("acme/typo", {"Dockerfile": DOCKERFILE, ".fhfix.toml": b"colour = 1\n"})

    done = check(tmp_path, "--html", str(tmp_path / "fleet.html"))

    assert done.exit_code == 3
    assert "acme/empty: the repository is empty" in done.stdout
    assert "acme/typo: .fhfix.toml: colour: unknown key" in done.stdout
    assert "1 repository looked at" in done.stdout
    assert "acme/typo" in (tmp_path / "fleet.html").read_text()


def die(how: str) -> None:
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError("an odd value")


@pytest.mark.parametrize(
    ("how", "said"), [("killed", "the process was ended"), ("fault", r"FAULT: ValueError: an odd value \(.*\.py:\d+\)")]
)
def test_a_process_that_dies_is_told_from_one_that_answers(how: str, said: str) -> None:
    with pytest.raises(DiedError, match=said):
        in_own_process(die, how)


def test_the_token_is_in_nothing_that_is_kept_or_said(hub: FakeHub, tmp_path: Path) -> None:
    hub.seed("acme/a", {"Dockerfile": DOCKERFILE})
    hub.faults.append(Fault(r"GET /orgs/.*", status=502, message=TOKEN))

    done = check(tmp_path, "--html", str(tmp_path / "cache/fleet.html"))

    assert done.exit_code == 1
    assert TOKEN not in done.output
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(kept) > 10
    assert [path for path in kept if TOKEN.encode() in path.read_bytes()] == []
