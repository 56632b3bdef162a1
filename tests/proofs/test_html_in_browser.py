"""The HTML preview in a real browser: it works by mouse and keys, on a phone, in both themes, with a thousand fixes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixer.model import FileChange, Finding, Fix, Piece, Plan, Reported, Source, Span
from fixer.show.html import html
from tests import examples
from tests.components import path

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.needs("chromium", "playwright", "axe-core")

SWITCHES = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
DESKTOP, PHONE = (1440, 900), (375, 812)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path("chromium"), args=SWITCHES)
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """Opens a plan as a file, and fails where the page makes an error or asks for anything."""
    wrong: list[str] = []
    contexts = []

    def open_page(plan: Plan, size: tuple[int, int] = DESKTOP, scheme: Any = "light") -> Page:
        file = tmp_path / "preview.html"
        file.write_text(html(plan, examples.read_after, "owner/repo"), encoding="utf-8")
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        page.on("request", lambda asked: wrong.append(asked.url) if asked.url != file.as_uri() else None)
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def thousand() -> Plan:
    """As many fixes, one in each of 250 copies of the example's files, four in each."""
    plan = examples.plan()
    files: dict[str, FileChange] = {}
    taken: list[Reported] = []
    for number in range(334):
        base = len(taken)
        for reported in plan.taken:
            finding = replace(reported.finding, path=f"service-{number}/{reported.finding.path}")
            taken.append(Reported(reported.rule, finding))
        for name, change in plan.files.items():
            path_here = f"service-{number}/{name}"
            pieces = tuple(replace(p, origin=None if p.origin is None else base + p.origin) for p in change.pieces)
            before = replace(change.before, path=path_here) if change.before else None
            files[path_here] = FileChange(path_here, before, replace(change.after, path=path_here), pieces)
    return Plan(files, tuple(taken), plan.left)


def cards(page: Page) -> int:
    return page.locator(".card[data-text]:visible").count()


def test_filter_tier_and_links_narrow_what_is_shown(opened: Any) -> None:
    page = opened(examples.plan())
    assert cards(page) == 5

    page.fill("#filter", "mypy")
    assert cards(page) == 1
    assert page.text_content("#count") == "1 of 5"
    page.keyboard.press("Escape")
    assert cards(page) == 5
    page.select_option("#tier", "review")
    assert cards(page) == 2
    page.select_option("#tier", "stays")
    assert cards(page) == 1
    page.select_option("#tier", "")
    page.click("button[data-filter='D-010']")
    assert cards(page) == 3


def test_everything_works_by_keys_alone(opened: Any) -> None:
    page = opened(examples.plan())

    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.closest('.card').id") == "fix-2"
    page.keyboard.press("Enter")
    assert page.locator("#fix-2[open]").count() == 0
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.closest('.card').id") == "fix-1"
    page.keyboard.press("x")
    assert page.locator("details[open]").count() == 0
    page.keyboard.press("x")
    assert page.locator("details[open]").count() == 4
    was = page.locator("body.split").count()
    page.keyboard.press("u")
    assert page.locator("body.split").count() == 1 - was
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.keyboard.press("/")
    page.keyboard.type("jku")
    assert page.input_value("#filter") == "jku"


def test_side_by_side_shows_before_beside_after_at_one_height(opened: Any) -> None:
    page = opened(examples.plan())
    assert page.locator("body.split").count() == 1
    old, new = (page.locator(f"#fix-1 .changed > .{side}").bounding_box() for side in ("old", "new"))
    assert old is not None
    assert new is not None
    assert old["y"] == new["y"]
    assert old["x"] + old["width"] <= new["x"] + 1

    page.click("#view")
    old, new = (page.locator(f"#fix-1 .changed > .{side}").bounding_box() for side in ("old", "new"))
    assert old is not None
    assert new is not None
    assert old["y"] + old["height"] <= new["y"] + 1


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("split", [False, True], ids=["unified", "side-by-side"])
def test_the_page_never_scrolls_sideways(opened: Any, size: tuple[int, int], split: bool) -> None:
    page = opened(examples.plan(), size)
    if (page.locator("body.split").count() == 1) != split:
        page.keyboard.press("u")

    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_checker_finds_nothing(opened: Any, size: tuple[int, int], scheme: str) -> None:
    page = opened(examples.plan(), size, scheme)
    # Cards that are off the screen are not laid out until they are scrolled to; the checker would guess at them.
    page.evaluate("document.querySelectorAll('.card').forEach(card => { card.style.contentVisibility = 'visible' })")
    page.evaluate(Path(path("axe-core")).read_text(encoding="utf-8"))

    found = page.evaluate("axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")

    assert found == []


def test_the_theme_follows_the_system_until_it_is_switched(opened: Any) -> None:
    page = opened(examples.plan(), scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"

    dark = page.evaluate(background)
    page.click("#theme")
    light = page.evaluate(background)
    page.click("#theme")
    assert dark == page.evaluate(background) != light


def test_a_thousand_fixes_are_no_burden(opened: Any) -> None:
    plan = thousand()
    assert len(plan.taken) == 1002
    page = opened(plan)
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.closest('.card').id") == "fix-1"

    page.fill("#filter", "service-77/ mypy")
    assert cards(page) == 1


def test_what_a_file_says_does_not_run(opened: Any) -> None:
    evil = "<img src=x onerror=document.title='run'><script>document.title='run'</script>"
    found = Reported(examples.SILENT, Finding("f", Span(0, 0), evil, Fix(evil)))
    change = FileChange("f", Source("f", ""), Source("f", evil), (Piece(evil, 0),))

    page = opened(Plan({"f": change}, (found,)))
    assert page.title() == "fhfix: owner/repo"
    assert evil in page.text_content("#fix-1 .new code")
