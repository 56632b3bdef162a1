"""`fhfix init` and `fhfix preview`, as a person calls them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixer.cli import main
from tests.examples import CI, DEPLOY


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/ci.yml").write_text(CI)
    (tmp_path / ".github/workflows/deploy.yml").write_text(DEPLOY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fhfix(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_init_writes_a_file_that_changes_nothing(repository: Path) -> None:
    before = fhfix("check").output
    done = fhfix("init")

    wrote = [f"wrote {repository / name}\n" for name in (".fhfix.toml", ".fhfix.schema.json")]
    assert (done.exit_code, done.output) == (0, "".join(wrote))
    text = (repository / ".fhfix.toml").read_text()
    assert tomllib.loads(text) == {}
    assert "#   2 workflows in .github/workflows" in text
    assert fhfix("check").output == before


def test_the_schema_that_the_first_line_names_is_beside_it_unless_nobody_wants_it(repository: Path) -> None:
    fhfix("init")
    head = (repository / ".fhfix.toml").read_text().splitlines()[0]
    schema = repository / head.removeprefix("#:schema ")

    assert schema == repository / "./.fhfix.schema.json"
    assert schema.read_text() == fhfix("schema").output
    assert "hardcoded-sleep" in json.loads(schema.read_text())["properties"]["rules"]["properties"]

    (repository / ".fhfix.toml").unlink()
    schema.unlink()
    assert fhfix("init", "--no-schema").output == f"wrote {repository / '.fhfix.toml'}\n"
    assert "#:schema" not in (repository / ".fhfix.toml").read_text()


def test_what_init_suggests_can_be_taken_out_of_its_comment(repository: Path) -> None:
    asked = "rules.hardcoded-sleep.url."
    deploy = (repository / ".github/workflows/deploy.yml").read_text()
    (repository / ".github/workflows/deploy.yml").write_text(
        deploy.replace("sleep 60", "vercel deploy --prod && sleep 60")
    )
    lines = fhfix("init", "--stdout").output.splitlines()
    options = [line.removeprefix("# ") for line in lines if line.startswith("# rules.")]

    assert len([line for line in options if line.startswith(asked)]) == 1, "a finding asks"
    assert len(options) > 20
    (repository / ".fhfix.toml").write_text("\n".join(options))
    assert "rules.hardcoded-sleep.url: 'https://…' is a placeholder, not a value" in fhfix("check").output

    (repository / ".fhfix.toml").write_text("\n".join(options).replace("…", "x.example"))
    assert fhfix("check").exit_code == 1


def test_init_never_overwrites(repository: Path) -> None:
    (repository / ".fhfix.toml").write_text("ignore = ['ci']\n")
    done = fhfix("init")
    assert done.exit_code == 2
    assert ".fhfix.toml configures fhfix already" in done.output
    assert (repository / ".fhfix.toml").read_text() == "ignore = ['ci']\n"

    (repository / ".fhfix.toml").unlink()
    (repository / "pyproject.toml").write_text("[tool.fhfix]\nignore = ['ci']\n")
    assert "pyproject.toml configures fhfix already" in fhfix("init").output
    assert not (repository / ".fhfix.toml").exists()


def test_preview_writes_one_file_and_nothing_else(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("out") / "preview.html"
    done = fhfix("preview", "--html", str(file), "--title", "owner/repo")

    assert done.exit_code == 0
    assert "fix" in done.stderr
    assert "<h1>owner/repo</h1>" in file.read_text()
    assert (repository / ".github/workflows/ci.yml").read_text() == CI
    assert sorted(path.name for path in repository.iterdir()) == [".github"]


def test_preview_writes_to_standard_output(repository: Path) -> None:
    done = fhfix("preview", "--html", "-", "--select", "silent-type-check")

    assert done.stdout.startswith("<!doctype html>")
    assert "1 fix (1 review) in 1 file" in done.stderr


def test_preview_wants_a_file() -> None:
    done = fhfix("preview")

    assert done.exit_code == 2
    assert "Missing option '--html'" in done.output
