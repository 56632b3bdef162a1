"""The audit as a page in a real browser: nothing is asked for, nothing overflows, and it is accessible."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixer.audit.claims import Claim
from fixer.audit.document import as_html
from fixer.audit.needed import Needed, Use
from fixer.audit.practices import Verdict
from tests.components import path
from tests.test_audit import document

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.needs("chromium", "playwright", "axe-core")

SWITCHES = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(params=[(1440, "light"), (375, "dark")], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    width, scheme = request.param
    wrong: list[str] = []
    long = "/".join(["a-folder-with-a-long-name"] * 6)
    whole = document(
        needed=(Needed("secrets", "A_SECRET_WITH_A_VERY_LONG_NAME", (Use(long, 3, "job deploy"),)),),
        claims=(Claim("STATUS.md", 1, "file", long, Verdict.FALSE, "not there"),),
    )
    file = tmp_path / "audit.html"
    file.write_text(as_html(whole), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path("chromium"), args=SWITCHES)
        opened = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        opened.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        opened.on("request", lambda asked: wrong.append(asked.url) if asked.url != file.as_uri() else None)
        opened.goto(file.as_uri())
        yield opened
        browser.close()
    assert wrong == []


def test_nothing_is_wider_than_the_screen(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_accessibility_checker_finds_nothing(page: Page) -> None:
    page.evaluate(Path(path("axe-core")).read_text(encoding="utf-8"))

    found: Any = page.evaluate("axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")

    assert found == []


def test_open_criteria_are_seen_as_open_boxes(page: Page) -> None:
    assert page.locator("input[type=checkbox]").count() == 5
    assert page.locator("input[type=checkbox]:checked").count() == 0
    assert "The failure of mypy cannot fail this step." in page.inner_text("body")
