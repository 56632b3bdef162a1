"""A GitHub App signs in by itself: with its key at a GitHub of the loopback that checks the signature."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixer.cli import main
from fixer.forge import github, identity
from fixer.forge.app import App
from fixer.forge.github import GitHubError
from tests.proofs.app_key import app_key
from tests.proofs.fakehub import FakeHub, serving
from tests.proofs.test_fleet_campaign import assert_one_right_pull_request_each, ran, seed

pytestmark = pytest.mark.needs("git", "jwt")

APP = "Iv23liFHFIX"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """No token is known at all; the app is installed at acme."""
    key, public = app_key()
    (tmp_path / "app.pem").write_text(key)
    for made in serving(tmp_path / "hub"):
        made.tokens.clear()
        made.app, made.app_key = APP, public
        made.installations[7] = "acme"
        for name in ("FHFIX_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST", "GITHUB_SERVER_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("FHFIX_HOST", made.url.partition("://")[2])
        monkeypatch.setenv("FHFIX_APP", APP)
        monkeypatch.setenv("FHFIX_APP_KEY", str(tmp_path / "app.pem"))
        monkeypatch.setattr(github.GitHub, "sleep", lambda self, seconds: None)
        yield made


def check(tmp_path: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["fleet", "check", *words, "--cache", str(tmp_path / "cache")])


def granted(hub: FakeHub) -> int:
    return hub.count("POST /app/installations/.*")


def test_a_token_is_had_for_each_account_and_renewed_before_it_ends(hub: FakeHub) -> None:
    hub.installations[8] = "beta"
    tokens = identity.Tokens()
    hub.granted_for = identity.EARLY + 120

    first = [tokens.token_for(f"{hub.url}/{slug}.git") for slug in ("acme/a", "Acme/b", "beta/c")]
    hub.granted_for = identity.EARLY - 1
    late = identity.Tokens()
    second = [late.token_for(f"{hub.url}/acme/a.git") for _ in range(2)]

    assert first[0] == first[1] != first[2]
    assert len({*first, *second}) == 4
    assert granted(hub) == 4
    assert tokens.token_for("https://github.com/acme/a.git") == ""
    assert not any(token in repr(tokens) for token in first)


def test_a_fleet_is_checked_as_the_app(hub: FakeHub, tmp_path: Path) -> None:
    seed(hub, "a", "b")

    of_organisation, found = check(tmp_path, "--org", "acme"), check(tmp_path, "--search", "org:acme")

    assert (of_organisation.exit_code, found.exit_code) == (1, 1), of_organisation.output + found.output
    assert "2 repositories looked at" in of_organisation.output
    assert granted(hub) == 4  # one to list, one to clone, for each of both runs


def test_a_campaign_is_done_as_the_app_and_its_secrets_are_nowhere(hub: FakeHub, tmp_path: Path) -> None:
    names = ["a", "b"]
    seed(hub, *names)
    hub.granted_for = identity.EARLY - 60  # each repository is begun with a new one
    quick = ["--per-hour", "36000", "--poll", "0.3", "--author", "Ada <ada@example.com>", "--first", "3"]

    said = ran(
        hub, tmp_path, "pr", "deploys", "--org", "acme", "--cache", str(tmp_path / "cache"), "-y", *quick,
        environment={name: os.environ[name] for name in ("FHFIX_APP", "FHFIX_APP_KEY")} | {"FHFIX_TOKEN": ""},
    )  # fmt: skip

    assert_one_right_pull_request_each(hub, *names)
    assert granted(hub) >= 2 + 2 + 2  # for the listing and the check, and twice for each repository
    files = [path for folder in ("state", "cache") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    kept = b"".join(path.read_bytes() for path in files) + said.encode()
    key = (tmp_path / "app.pem").read_text()
    assert [secret for secret in (*hub.tokens, key.splitlines()[1]) if secret.encode() in kept] == []


def test_what_the_app_may_not_is_said_before_the_first_clone(hub: FakeHub, tmp_path: Path) -> None:
    seed(hub, "a")
    hub.permissions = {"contents": "write", "pull_requests": "write"}
    words = ["pr", "deploys", "--org", "acme", "-y", "--author", "Ada <ada@example.com>"]

    refused = CliRunner().invoke(main, ["fleet", *words, "--state", str(tmp_path / "state")])

    assert refused.exit_code == 3
    assert "at acme the app may not write workflows" in refused.output
    assert hub.count(".*git-upload-pack.*") == 0


@pytest.mark.parametrize(
    ("owner", "why"),
    [("beta", "not installed at beta"), ("", "installed at acme, gamma"), ("gamma", "suspended at gamma")],
)
def test_where_the_app_is_not_at_home_is_said(hub: FakeHub, owner: str, why: str) -> None:
    hub.installations[9] = "gamma"
    hub.suspended["gamma"] = "2026-01-01T00:00:00Z"
    app = App.of(os.environ)
    assert app is not None

    with pytest.raises(GitHubError, match=why):
        app.granted(owner)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("FHFIX_APP", "", "needs FHFIX_APP, its client id"),
        ("FHFIX_APP_KEY", "/nowhere/app.pem", "cannot be read"),
        ("FHFIX_APP_KEY", "-----BEGIN RSA PRIVATE KEY-----\nsecret words\n", "is no private key"),
        ("FHFIX_APP", "another", "GitHub does not accept"),
    ],
)
def test_a_key_that_will_not_do_is_said_and_not_shown(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    seed(hub, "a")
    monkeypatch.setenv(name, value)

    said = check(tmp_path, "--org", "acme")

    assert said.exit_code == 3
    assert why in said.output
    assert "secret words" not in said.output
