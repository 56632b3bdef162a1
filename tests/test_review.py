"""`fhfix review` answers its own page and nobody else, over the loopback address; it applies, undoes, and ends."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from click.testing import CliRunner

import fixer.commands.review
from fixer import review
from fixer.cli import main
from fixer.editor import editor
from fixer.review import Review, serve
from fixer.session import open_session
from fixer.show.page import About

pytestmark = pytest.mark.needs("flask", "waitress")

PATH = ".github/workflows/ci.yml"
BEFORE = """\
on: push
jobs:
  types:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - run: mypy . || true
"""
AFTER = BEFORE.replace(" || true", "")


@dataclass
class Browser:
    """As much of one as the server can tell."""

    review: Review
    cookie: str = ""
    form: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: object = None, **headers: str | None) -> tuple[HTTPResponse, str]:
        """A header that is None is left out."""
        sent: dict[str, str | None] = {"Cookie": self.cookie or None}
        if method == "POST":
            sent |= {"Origin": self.review.origin, "X-Fhfix-Form": self.form, "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.review.port, timeout=120)
        given = {name: value for name, value in sent.items() if value is not None}
        connection.request(method, path, None if body is None else json.dumps(body), given)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def enter(self) -> str:
        """The page, as a browser comes to it from the address that was printed."""
        answer, _ = self.ask("GET", f"/?token={self.review.token}")
        assert (answer.status, answer.headers["Location"]) == (302, "/")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        self.cookie = cookie.partition(";")[0]
        page = self.ask("GET", "/")[1]
        found = re.search(r'name="fhfix-form" content="([\w-]+)"', page)
        assert found is not None
        self.form = found[1]
        return page


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "repo" / PATH).parent.mkdir(parents=True)
    (tmp_path / "repo" / PATH).write_text(BEFORE)
    return tmp_path / "repo"


@pytest.fixture
def browser(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    monkeypatch.setattr(review, "BEAT", 0.1)
    monkeypatch.setattr(review, "GRACE", 0.5)
    served = Review(open_session(repository, select=["silent-type-check"]), lambda: About("repo"))
    # Until a page is closed it never ends by itself: the tests are to end it.
    ready = threading.Event()
    over = threading.Event()

    def run() -> None:
        serve(served, lambda url: ready.set(), over.is_set)

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(30)
    yield Browser(served)
    over.set()
    thread.join(30)
    assert not thread.is_alive()


def test_the_page_has_the_fixes_and_may_ask_its_own_server_alone(browser: Browser) -> None:
    page = browser.enter()

    assert "silent-type-check" in page
    assert "connect-src &#39;self&#39;" in page
    assert "Open in the editor" in page


def test_the_address_works_once(browser: Browser) -> None:
    browser.enter()
    assert browser.ask("GET", f"/?token={browser.review.token}", Cookie=None)[0].status == 403


@pytest.mark.parametrize("token", ["", "x", "é"])
def test_without_the_token_nobody_enters(browser: Browser, token: str) -> None:
    from urllib.parse import quote

    assert browser.ask("GET", f"/?token={quote(token)}")[0].status == 403
    assert browser.ask("GET", "/")[0].status == 403
    assert browser.ask("GET", "/watch")[0].status == 403


@pytest.mark.parametrize("host", ["localhost", "evil.test", "127.0.0.1", "127.0.0.1:1"])
def test_another_host_is_refused(browser: Browser, host: str) -> None:
    browser.enter()
    assert browser.ask("GET", "/", Host=host)[0].status == 403
    assert browser.ask("POST", "/apply", {"names": []}, Host=host)[0].status == 403


@pytest.mark.parametrize("what", ["result", "apply", "undo", "open"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Origin": None},
        {"X_Fhfix_Form": None},
        {"X_Fhfix_Form": "x"},
        {"Cookie": None},
        {"Cookie": "fhfix-1=x"},
    ],
)
def test_what_changes_anything_needs_origin_session_and_token(
    browser: Browser, repository: Path, what: str, headers: dict[str, str | None]
) -> None:
    page = browser.enter()
    names = re.findall(r'data-id="(\w+)"', page)

    assert browser.ask("POST", f"/{what}", {"names": names, "path": PATH}, **headers)[0].status == 403
    assert (repository / PATH).read_text() == BEFORE


def test_the_result_is_that_of_what_is_ticked(browser: Browser) -> None:
    names = re.findall(r'data-id="(\w+)"', browser.enter())

    some = json.loads(browser.ask("POST", "/result", {"names": names})[1])
    none = json.loads(browser.ask("POST", "/result", {"names": []})[1])

    assert "- run: mypy ." in re.sub("<[^>]*>", "", some["html"])
    assert some["said"].startswith("1 fix")
    assert "Nothing would change." in none["html"]


def test_apply_writes_and_undo_takes_it_back(browser: Browser, repository: Path) -> None:
    names = re.findall(r'data-id="(\w+)"', browser.enter())

    assert json.loads(browser.ask("POST", "/apply", {"names": names})[1])["said"] == "1 file written"
    assert (repository / PATH).read_text() == AFTER
    assert "Nothing would change." in browser.ask("GET", "/")[1]
    assert json.loads(browser.ask("POST", "/undo")[1])["said"] == "1 file taken back"
    assert (repository / PATH).read_text() == BEFORE
    assert browser.ask("POST", "/undo")[0].status == 409


def test_what_is_wrong_is_said(browser: Browser) -> None:
    browser.enter()
    answer, text = browser.ask("POST", "/apply", {"names": ["no id"]})

    assert (answer.status, "is no id" in text) == (409, True)


def test_files_of_the_repository_open_in_the_editor(
    browser: Browser, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "vi"
    record.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/opened.part\nmv {tmp_path}/opened.part {tmp_path}/opened\n'
    )
    record.chmod(0o755)
    monkeypatch.setenv("VISUAL", f"{record} -R '; touch x'")
    (tmp_path / "outside").write_text("")
    (repository / "link").symlink_to(tmp_path / "outside")
    browser.enter()

    for path in ("../outside", "link", "/etc/passwd", "missing", ""):
        assert browser.ask("POST", "/open", {"path": path, "line": 1})[0].status == 409, path
    assert browser.ask("POST", "/open", {"path": PATH, "line": 7})[0].status == 200
    end = time.monotonic() + 60
    while not (tmp_path / "opened").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert (tmp_path / "opened").read_text().splitlines() == ["-R", "; touch x", "+7", str(repository / PATH)]


@pytest.mark.parametrize(
    ("environment", "line", "command"),
    [
        ({"VISUAL": "code --wait", "EDITOR": "vi"}, 3, ["code", "--wait", "--goto", "/r/a b:3"]),
        ({"EDITOR": "/usr/bin/vim"}, 3, ["/usr/bin/vim", "+3", "/r/a b"]),
        ({"EDITOR": "other"}, 3, ["other", "/r/a b"]),
        ({"EDITOR": "vi"}, 0, ["vi", "/r/a b"]),
        ({}, 3, []),
    ],
)
def test_editors_are_told_the_line(environment: dict[str, str], line: int, command: list[str]) -> None:
    assert editor(environment, Path("/r/a b"), line) == command


def test_it_ends_when_the_page_is_closed(browser: Browser) -> None:
    assert not browser.review.deserted
    browser.enter()
    connection = HTTPConnection("127.0.0.1", browser.review.port, timeout=60)
    connection.request("GET", "/watch", headers={"Cookie": browser.cookie})
    answer = connection.getresponse()
    assert answer.read(5) == b": sti"
    time.sleep(0.8)
    assert not browser.review.deserted
    answer.close()
    connection.close()
    end = time.monotonic() + 30
    while not browser.review.deserted and time.monotonic() < end:
        time.sleep(0.1)
    assert browser.review.deserted


def test_without_its_libraries_it_says_what_to_install(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixer.commands.review, "find_spec", lambda name: None)
    done = CliRunner().invoke(main, ["review", str(repository)])

    assert done.exit_code == 3
    assert "fhfix review needs flask and waitress" in done.output
    assert "fhfix[review]" in done.output
