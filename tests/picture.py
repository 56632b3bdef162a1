"""Makes docs/page.png, the picture of the page in README.md: `make picture`. Needs chromium and playwright."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.components import path

ROOT = Path(__file__).parent.parent
SIZE = (1280, 860)


def main() -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "harvestbook"
        shutil.copytree(ROOT / "fixtures/financehub/before", repository)
        subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
        fhfix = str(Path(sys.executable).parent / "fhfix")
        command = [fhfix, "preview", "--profile", "audit", "--html", "../page.html"]
        subprocess.run(command, cwd=repository, check=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light")
            page.goto((Path(folder) / "page.html").as_uri())
            page.click("button[data-tick='error']")
            page.locator(".card", has_text="mysql-options-on-postgres").first.scroll_into_view_if_needed()
            page.evaluate("document.querySelector('.card[data-text*=mysql-options]').scrollIntoView()")
            page.screenshot(path=str(ROOT / "docs/page.png"))
            browser.close()


if __name__ == "__main__":
    main()
