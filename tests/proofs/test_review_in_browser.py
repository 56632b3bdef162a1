"""`fhfix review` as a person uses it, in a real browser: tick, see the result, apply, undo, close."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components import path

pytestmark = pytest.mark.needs("chromium", "playwright", "axe-core", "flask", "waitress")

PATH = ".github/workflows/ci.yml"
BEFORE = """\
on: push
jobs:
  types:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v3
      - run: mypy . || true
"""


def test_choose_see_apply_undo_and_close(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    file = tmp_path / PATH
    file.parent.mkdir(parents=True)
    file.write_text(BEFORE)
    program = "from fixer.cli import main; main()"
    command = [sys.executable, "-u", "-c", program, "review", "--no-browser", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert server.stdout is not None
    assert server.stderr is not None
    try:
        url = server.stdout.readline().strip()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=path("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(120_000)
            wrong: list[str] = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
            page.goto(url)
            assert "token" not in page.url
            page.click("#show-result")
            page.wait_for_selector("#result .hunk")
            assert "mypy . || true" in page.inner_text("#result")
            page.click("button[data-tick='none']")
            page.wait_for_selector("#result .empty")
            page.locator(".card", has_text="silent-type-check").locator(".tick").first.click()
            page.wait_for_selector("#result .hunk")
            assert "checkout@v5" not in page.inner_text("#result")
            page.evaluate(Path(path("axe-core")).read_text(encoding="utf-8"))
            faults = page.evaluate("axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")
            assert faults == []
            page.click("#apply")
            page.locator("#also", has_text="1 file written").wait_for()
            assert file.read_text() == BEFORE.replace(" || true", "")
            page.click("#undo")
            page.locator("#also", has_text="1 file taken back").wait_for()
            assert file.read_text() == BEFORE
            browser.close()
            assert wrong == []
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
        server.stderr.close()
