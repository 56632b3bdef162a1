"""Releases, executed: what the migrated steps hand to the new action or to gh, evaluated by GitHub's own expressions.

Neither the action nor `gh` can reach GitHub here; the test plays both and looks at what they are given.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from tests.fixture_cases import FIXTURES
from tests.proofs.github_code import github_code
from tests.proofs.runner import Play, Played, Runner, WorkflowRun, does_nothing

pytestmark = pytest.mark.needs("node", "github-parser")

RELEASE = ".github/workflows/release.yml"
GH = """\
#!/bin/sh
for word in "$@"; do printf '<%s>' "$word" >> "$GH_LOG"; done
echo "<token $GH_TOKEN><repository $GH_REPO>" >> "$GH_LOG"
if [ "$2" = view ]; then echo "https://github.example/releases/7"; fi
"""


class Release:
    """Plays softprops/action-gh-release."""

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []

    def __call__(self, with_: dict[str, Any], env: dict[str, str]) -> Played:
        self.given.append(with_)
        assets = '[{"browser_download_url": "https://github.example/manual.pdf"}]'
        return Played({"url": "https://github.example/releases/7", "id": "7", "assets": assets, "upload_url": "u"})


def run(case: str, release: Release, workspace: Path, **more: Any) -> WorkflowRun:
    text = (FIXTURES / "deprecated-release-action" / case / "after" / RELEASE).read_text()
    # A context of a step or job that cannot be there is a warning of GitHub's validator.
    assert github_code().problems(text) == []
    plays: dict[str, Play] = {"actions/checkout": does_nothing, "softprops/action-gh-release": release}
    return Runner(text, plays=plays, workspace=workspace, **more).run()


def test_the_release_is_of_the_commit_that_ran_and_its_address_is_still_read(tmp_path: Path) -> None:
    release = Release()
    found = run("release", release, tmp_path)
    assert found.result == "success"
    assert release.given[0]["tag_name"] == "v7"
    assert release.given[0]["name"] == "Release v7"
    assert release.given[0]["target_commitish"] == "0123456789" * 4
    assert "Released at https://github.example/releases/7 (7)" in found.log


def test_a_pushed_tag_is_no_longer_part_of_a_path_in_the_title_and_the_token_reaches_the_action(tmp_path: Path) -> None:
    release = Release()
    tag = {"ref": "refs/tags/v1.4", "ref_name": "v1.4"}
    run("personal-token-and-tag-in-the-title", release, tmp_path, github=tag, secrets={"RELEASE_BOT_TOKEN": "pat"})
    assert release.given[0]["name"] == "Shop v1.4"
    assert release.given[0]["token"] == "pat"
    assert release.given[0]["repository"] == "shop/releases"


def test_assets_get_their_names_before_they_are_uploaded(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("dist:\n\tmkdir -p dist; echo a > dist/shop.tar.gz; echo b > dist/SHA256SUMS\n")
    release = Release()
    seen: list[str] = []

    def look(with_: dict[str, Any], env: dict[str, str]) -> Played:
        for path in with_["files"].split():
            file = Path(path) if path.startswith("/") else tmp_path / path
            seen.append(f"{file.name}: {file.read_text().strip()}")
        return release(with_, env)

    tag = {"ref": "refs/tags/v1.4", "ref_name": "v1.4"}
    text = (FIXTURES / "deprecated-release-action" / "assets-right-behind" / "after" / RELEASE).read_text()
    plays = {"actions/checkout": does_nothing, "softprops/action-gh-release": look}
    assert Runner(text, plays=plays, workspace=tmp_path, github=tag).run().result == "success"
    assert seen == ["shop.tar.gz: a", "shop-v1.4.sha256: b"]


def test_an_asset_of_another_job_goes_to_the_same_release_and_leaves_it_a_draft(tmp_path: Path) -> None:
    rule = "manual.pdf linux windows:\n\tmkdir -p build; touch manual.pdf build/linux.zip build/windows.zip\n"
    (tmp_path / "Makefile").write_text(rule)
    release = Release()
    found = run("asset-built-later-and-in-another-job", release, tmp_path, inputs={"version": "v2.0"})
    assert found.result == "success", found.log
    assert {given["tag_name"] for given in release.given} == {"v2.0"}
    assert {str(given["draft"]).lower() for given in release.given} == {"true"}
    assert "The manual is at https://github.example/manual.pdf" in found.log


def test_gh_makes_the_same_release(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod((programs / "gh").stat().st_mode | stat.S_IXUSR)
    log = tmp_path / "calls"
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    shop = {"repository": "shop/shop"}
    found = run("with-gh", Release(), workspace, path=[programs], env={"GH_LOG": str(log)}, github=shop)
    assert found.result == "success", found.log
    create, view = log.read_text().splitlines()
    for wanted in (
        "<release><create><v7>",
        "<--title><Release v7>",
        '<--notes><Build "7">',
        f"<--target><{'0123456789' * 4}>",
        "<--draft>",
        "<--prerelease=false>",
        "<dist/shop.tar.gz>",
        "<token ghs_token><repository shop/shop>",
    ):
        assert wanted in create
    assert "<release><view>" in view
    assert "https://github.example/releases/7" in found.log
