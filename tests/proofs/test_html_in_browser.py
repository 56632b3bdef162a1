"""The HTML preview in a real browser: it works by mouse and keys, on a phone, in both themes, with a thousand fixes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixer.model import FileChange, Finding, Fix, Piece, Plan, Reported, Source, Span
from fixer.selection import group_id
from fixer.show.html import html
from tests import examples
from tests.components import path
from tests.test_html import ABOUT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.needs("chromium", "playwright", "axe-core")

SWITCHES = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
DESKTOP, TABLET, PHONE = (1440, 900), (900, 1000), (390, 844)


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

    def open_page(plan: Plan, size: tuple[int, int] = DESKTOP, scheme: Any = "light", script: bool = True) -> Page:
        file = tmp_path / "preview.html"
        file.write_text(html(plan, examples.read_after, ABOUT), encoding="utf-8")
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, java_script_enabled=script
        )
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


def three_alike() -> Plan:
    """Three fixes of one group in one file, and one of another."""
    plan = examples.plan()
    bump = plan.taken[1]
    pieces = [Piece(part) for n in range(3) for part in (f"a{n}\nb\nc\nd\ne\nf\ng\nh\n", "uses: x@v3\n")]
    pieces = [Piece("uses: x@v6\n", n // 2, p.text) if n % 2 else p for n, p in enumerate(pieces)]
    before = "".join(p.removed or p.text for p in pieces)
    change = FileChange(
        "x.yml", Source("x.yml", before), Source("x.yml", "".join(p.text for p in pieces)), tuple(pieces)
    )
    alike = [Reported(bump.rule, replace(bump.finding, path="x.yml"), str(n)) for n in (1, 2, 3)]
    silent = plan.files[".github/workflows/ci.yml"]
    moved = tuple(replace(p, origin={0: 3, 1: 2, None: None}[p.origin]) for p in silent.pieces)
    files = {"x.yml": change, silent.path: replace(silent, pieces=moved)}
    return Plan(files, (*alike, plan.taken[0]), plan.left)


def cards(page: Page) -> int:
    return page.locator(".card[data-text]:visible").count()


def test_filter_kinds_and_links_narrow_what_is_shown(opened: Any) -> None:
    page = opened(examples.plan())
    assert cards(page) == 4

    page.fill("#filter", "mypy")
    assert cards(page) == 1
    assert page.text_content("#count") == "1 of 4"
    assert page.locator(".groups li:visible").count() == 1
    page.keyboard.press("Escape")
    assert cards(page) == 4
    page.select_option("#kind", "review")
    assert cards(page) == 1
    page.select_option("#kind", "stays")
    assert cards(page) == 1
    page.select_option("#kind", "")
    page.click("button[data-filter='D-010']")
    assert cards(page) == 2
    page.click("button[data-filter='D-010']")
    page.click(".chip[data-kind='error']")
    assert cards(page) == 1
    page.click(".chip[data-kind='error']")
    assert cards(page) == 4


def test_everything_works_by_keys_alone(opened: Any) -> None:
    page = opened(examples.plan())
    here = "document.activeElement.closest('.card').id"
    groups = page.evaluate("[...document.querySelectorAll('.card[data-group]')].map(card => card.id)")

    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate(here) == groups[1]
    page.keyboard.press("Enter")
    assert page.locator(f"#{groups[1]} > details[open]").count() == 0
    page.keyboard.press("k")
    assert page.evaluate(here) == groups[0]
    page.keyboard.press("c")
    assert page.text_content("#ticked") == "2 of 3"
    page.keyboard.press("c")
    page.keyboard.press("x")
    assert page.locator(".fold[open]").count() == 0
    page.keyboard.press("x")
    assert page.locator(".fold[open]").count() == 3
    was = page.locator("body.split").count()
    page.keyboard.press("u")
    assert page.locator("body.split").count() == 1 - was
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.keyboard.press("/")
    page.keyboard.type("jku")
    assert page.input_value("#filter") == "jku"


def test_the_command_is_that_of_what_is_ticked(opened: Any) -> None:
    plan = three_alike()
    one, two, three, mypy = (reported.id for reported in plan.taken)
    group = group_id(plan.taken[0])
    page = opened(plan)
    all_of = page.locator(f"#group-{group} > .tick")
    state = "box => box.indeterminate ? 'some' : box.checked ? 'all' : 'none'"

    def command() -> str:
        return str(page.text_content("#command"))

    assert command() == "fhfix apply"
    page.click(f"[data-id='{mypy}']")
    assert (command(), all_of.evaluate(state)) == (f"fhfix apply --only {group}", "all")
    page.click(f"[data-id='{two}']")
    assert (command(), all_of.evaluate(state)) == (f"fhfix apply --only {one},{three}", "some")
    all_of.click()
    assert command() == f"fhfix apply --only {group}"
    all_of.click()
    assert (command(), all_of.evaluate(state)) == ("nothing is ticked", "none")
    assert page.locator(f"#group-{group} .hunk").first.is_visible(), "what is not taken can still be read"
    page.click("button[data-tick='error']")
    assert command() == f"fhfix apply --only {mypy}"
    page.click("button[data-tick='all']")
    assert command() == "fhfix apply"


def test_a_fix_brings_along_what_it_stands_on_and_takes_it_away(opened: Any) -> None:
    plan = examples.plan()
    below, above, _ = (reported.id for reported in plan.taken)
    page = opened(replace(plan, needs={1: frozenset({0})}))
    ticked = "name => document.querySelector(`[data-id='${name}']`).checked"

    page.click("button[data-tick='none']")
    page.click(f"[data-id='{above}']")
    assert page.evaluate(ticked, below)
    assert page.text_content("#also") == "also ticked: 1 that goes with it"
    page.click(f"[data-id='{above}']")
    assert page.evaluate(ticked, below)
    page.click(f"[data-id='{above}']")
    page.click(f"[data-id='{below}']")
    assert not page.evaluate(ticked, above)


def test_what_is_copied_is_what_selection_takes(opened: Any) -> None:
    from fixer.selection import ids_in

    plan = three_alike()
    page = opened(plan)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: {writeText: async t => { window.got = t; }}})")

    page.click("#copy-selection")
    assert set(ids_in(page.evaluate("window.got"))) == {group_id(plan.taken[0]), plan.taken[3].id}
    page.click("[data-copy='command']")
    assert page.evaluate("window.got") == "fhfix apply"


def test_without_script_all_can_be_read(opened: Any) -> None:
    page = opened(three_alike(), script=False)

    assert page.locator(".tick:visible, .choice:visible, .tools:visible").count() == 0
    assert page.locator(".card .hunk:visible").count() >= 2
    last = page.locator(".member").last
    assert not last.locator(".hunk").first.is_visible()
    last.locator("summary").click()
    assert last.locator(".hunk").first.is_visible()


def test_print_shows_every_hunk_and_no_controls(opened: Any) -> None:
    page = opened(three_alike())
    page.emulate_media(media="print")

    assert page.locator(".tick:visible, .choice:visible, .tools:visible, nav:visible").count() == 0
    assert page.locator(".hunk:visible").count() == page.locator(".hunk").count()
    narrowest = min(hunk.bounding_box()["width"] for hunk in page.locator(".member .hunk").all())
    assert narrowest > 0.9 * page.viewport_size["width"]  # beside no column of ticks, which are not printed


def test_side_by_side_shows_before_beside_after_at_one_height(opened: Any) -> None:
    page = opened(examples.plan())
    assert page.locator("body.split").count() == 1
    old, new = (page.locator(f".changed > .{side} > .line").first.bounding_box() for side in ("old", "new"))
    assert old is not None
    assert new is not None
    assert old["y"] == new["y"]
    assert old["x"] + old["width"] <= new["x"] + 1

    page.click("#view")
    old, new = (page.locator(f".changed > .{side} > .line").first.bounding_box() for side in ("old", "new"))
    assert old is not None
    assert new is not None
    assert old["y"] + old["height"] <= new["y"] + 1


@pytest.mark.parametrize("size", [DESKTOP, TABLET, PHONE], ids=["desktop", "tablet", "phone"])
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_comment_that_is_new_can_be_read_on_its_mark(opened: Any, scheme: str) -> None:
    pin, line = Fix("pin it"), "- uses: owner/a-scanner-with-a-long-name@main\n"
    found = Reported(examples.OUTDATED, Finding("f.yml", Span(0, 0), "a/b follows a branch", pin))
    pinned = "- uses: owner/a-scanner-with-a-long-name@0f0f0f0f # v1.2.0\n"
    change = FileChange("f.yml", Source("f.yml", line), Source("f.yml", pinned), (Piece(pinned, 0, line),))
    page = opened(Plan({"f.yml": change}, (found,)), scheme=scheme)
    assert page.locator(".new mark .sc").count() == 1
    page.evaluate(Path(path("axe-core")).read_text(encoding="utf-8"))

    wrong = page.evaluate("axe.run('.new').then(r => r.violations.map(v => v.id))")

    assert wrong == []


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
    assert page.evaluate("document.activeElement.closest('.card').dataset.group")
    page.click("button[data-tick='none']")
    page.click("button[data-tick='all']")
    assert page.text_content("#ticked") == "1002 of 1002"

    page.fill("#filter", "service-77/ mypy")
    assert cards(page) == 1


def test_what_a_file_says_does_not_run(opened: Any) -> None:
    evil = "<img src=x onerror=document.title='run'><script>document.title='run'</script>"
    found = Reported(examples.SILENT, Finding("f", Span(0, 0), evil, Fix(evil)))
    change = FileChange("f", Source("f", ""), Source("f", evil), (Piece(evil, 0),))

    page = opened(Plan({"f": change}, (found,)))
    assert page.title() == "fhfix: owner/repo"
    assert evil in page.text_content(".changed .new code")
