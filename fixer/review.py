"""The page of a plan, served to one browser on this machine: choose, see the result, apply, undo, open an editor.

Other pages in that browser, and other people on the machine, must not reach it. It listens on the loopback address;
the address that is opened holds a token that is good for one use and becomes a cookie; what changes anything must name
that page as its origin and bring a second secret that only the page knows.
"""

from __future__ import annotations

import hmac
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, TypeVar

from fixer import writing
from fixer.editor import editor
from fixer.model import Plan
from fixer.selection import Chosen, ids_in
from fixer.session import Session
from fixer.show.html import chosen_html, html
from fixer.show.page import About
from fixer.show.words import plan_in_words

if TYPE_CHECKING:
    from flask import Flask, Request
    from flask.typing import ResponseReturnValue

R = TypeVar("R")

HOST = "127.0.0.1"

GRACE = 4.0
"""Seconds without a page before the server ends: a page that is loaded anew is gone for a moment."""

BEAT = 1.0
"""Seconds between two signs to the page; by the next one a page that was closed is noticed."""


@dataclass
class Review:
    """What the page works on. `about` says what the page is of, anew each time."""

    session: Session
    about: Callable[[], About]
    token: str = field(default_factory=secrets.token_urlsafe)
    port: int = 0
    _cookie: str = field(default_factory=secrets.token_urlsafe)
    _form: str = field(default_factory=secrets.token_urlsafe)
    _used: bool = False
    _pages: int = 0
    _left: float = 0.0
    _lock: Lock = field(default_factory=Lock)
    _work: Lock = field(default_factory=Lock)
    _wake: Callable[[], None] | None = None
    _waiting: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = field(default_factory=SimpleQueue)

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/?token={self.token}"

    @property
    def deserted(self) -> bool:
        """Whether there was a page, and is none any more."""
        return self._left > 0 and not self._pages and time.monotonic() - self._left > GRACE

    # -- what the page asks for ----------------------------------------------------------------------------------------

    def page(self) -> str:
        return self.locked(self._page)

    def _page(self) -> str:
        plan = self._session().plan()
        return html(
            plan, self.session.repository.read, self.about(), scripts=("report.js", "review.js"), form=self._form
        )

    def result(self, names: Sequence[str]) -> dict[str, Any]:
        """What these fixes make together."""
        chosen, plan = self._plan(names)
        return {"said": plan_in_words(plan), "html": chosen_html(plan), "unmet": list(chosen.unmet)}

    def apply(self, names: Sequence[str]) -> dict[str, Any]:
        chosen, plan = self._plan(names)
        receipt = writing.apply(self.session.repository.root, plan)
        count = len(receipt.changed) + len(receipt.created)
        return {"said": f"{count} {'file' if count == 1 else 'files'} written", "unmet": list(chosen.unmet)}

    def undo(self) -> dict[str, Any]:
        receipt = writing.undo(self.session.repository.root)
        count = len(receipt.changed) + len(receipt.removed)
        return {"said": f"{count} {'file' if count == 1 else 'files'} taken back"}

    def open(self, path: str, line: int) -> dict[str, Any]:
        """In the editor of VISUAL or EDITOR, which is started as it is, without a shell."""
        command = editor(os.environ, self._file(path), line)
        if not command:
            raise ValueError("neither VISUAL nor EDITOR names an editor")
        Thread(target=subprocess.run, args=(command,), daemon=True).start()
        return {"said": f"{path} is opened by {Path(command[0]).name}"}

    def _file(self, path: str) -> Path:
        """Raises ValueError for what is no file of the repository."""
        root = self.session.repository.root.resolve()
        file = root / path
        if not self.session.repository.exists(path) or file.resolve() != file:
            raise ValueError(f"{path} is no file of the repository")
        return file

    def _plan(self, names: Sequence[str]) -> tuple[Chosen, Plan]:
        chosen = Chosen(ids_in(" ".join(names)))
        return chosen, self._session().plan(chosen)

    def _session(self) -> Session:
        """As the files are now."""
        self.session = self.session.again()
        return self.session

    # -- who may ask ---------------------------------------------------------------------------------------------------

    def refused(self, request: Request) -> str:
        """Why a request is not answered, or nothing."""
        if request.host != f"{HOST}:{self.port}":
            return "wrong host"  # a name that somebody points at this machine
        if request.headers.get("Origin", self.origin) != self.origin:
            return "wrong origin"
        if not hmac.compare_digest(request.cookies.get(self.cookie, "").encode(), self._cookie.encode()):
            return "no session; open the address that fhfix review printed"
        if request.method == "GET":
            return ""
        if request.headers.get("Origin") != self.origin:
            return "no origin"
        if not hmac.compare_digest(request.headers.get("X-Fhfix-Form", "").encode(), self._form.encode()):
            return "no token"
        return ""

    def admitted(self, request: Request) -> bool:
        """Takes the token of the address, once."""
        right = hmac.compare_digest(request.args.get("token", "").encode(), self.token.encode())
        if not right or self._used or request.host != f"{HOST}:{self.port}":
            return False
        self._used = True
        return True

    @property
    def cookie(self) -> str:
        """Browsers keep cookies by host, not by port."""
        return f"fhfix-{self.port}"

    def watching(self) -> Iterator[bytes]:
        """Open for as long as the page is (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
        with self._present():
            while True:
                yield b": still here\n\n"
                time.sleep(BEAT)

    @contextmanager
    def _present(self) -> Iterator[None]:
        """Somebody looks at a page, or waits for one."""
        with self._lock:
            self._pages += 1
        try:
            yield
        finally:
            with self._lock:
                self._pages -= 1
                self._left = time.monotonic()

    @cached_property
    def app(self) -> Flask:
        return _app(self)

    @property
    def secret(self) -> str:
        return self._cookie

    def locked(self, work: Callable[[], R]) -> R:
        """One piece of work at a time."""
        with self._work, self._present():
            return self._by_the_server(work)

    # -- who works -----------------------------------------------------------------------------------------------------

    def served(self, wake: Callable[[], None] | None) -> None:
        """From now on the thread that serves does all work, when it is woken; with None nobody serves any more."""
        self._wake = wake
        while wake is None and not self._waiting.empty():
            self._waiting.get()[1].cancel()

    def _by_the_server(self, work: Callable[[], R]) -> R:
        """In the main thread, since time is limited in no other (`fixer.budget`): one file must not keep it busy."""
        if self._wake is None:
            return work()
        answer: Future[R] = Future()
        self._waiting.put((work, answer))
        self._wake()
        return answer.result()

    def catch_up(self) -> None:
        """Does what was asked for."""
        while not self._waiting.empty():
            work, answer = self._waiting.get()
            try:
                answer.set_result(work())
            except Exception as error:  # it is raised again where it was asked for
                answer.set_exception(error)


def _app(review: Review) -> Flask:
    from flask import Flask, jsonify, make_response, redirect, request

    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000

    @app.before_request
    def guard() -> ResponseReturnValue | None:
        if request.method == "GET" and request.path == "/" and review.admitted(request):
            response = make_response(redirect("/"))
            response.set_cookie(review.cookie, review.secret, httponly=True, samesite="Strict")
            return response
        refused = review.refused(request)
        return (f"{refused}\n", 403, {"Content-Type": "text/plain"}) if refused else None

    @app.after_request
    def close(response: Any) -> Any:
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        return response

    def names() -> list[str]:
        given = (request.get_json(silent=True) or {}).get("names", [])
        return [str(name) for name in given] if isinstance(given, list) else []

    def answer(work: Callable[[], dict[str, Any]]) -> ResponseReturnValue:
        try:
            return jsonify(review.locked(work))
        except (writing.WriteError, ValueError, OSError) as error:
            said = "; ".join(error.lines) if isinstance(error, writing.WriteError) else str(error)
            return jsonify({"error": said}), 409

    @app.get("/")
    def page() -> ResponseReturnValue:
        return review.page()

    @app.get("/watch")
    def watch() -> ResponseReturnValue:
        return app.response_class(review.watching(), mimetype="text/event-stream")

    @app.post("/result")
    def result() -> ResponseReturnValue:
        wanted = names()
        return answer(lambda: review.result(wanted))

    @app.post("/apply")
    def apply() -> ResponseReturnValue:
        wanted = names()
        return answer(lambda: review.apply(wanted))

    @app.post("/undo")
    def undo() -> ResponseReturnValue:
        return answer(review.undo)

    @app.post("/open")
    def open_file() -> ResponseReturnValue:
        given = request.get_json(silent=True) or {}
        path, line = str(given.get("path", "")), given.get("line", 0)
        return answer(lambda: review.open(path, line if isinstance(line, int) else 0))

    return app


def serve(review: Review, ready: Callable[[str], None], over: Callable[[], bool] | None = None) -> None:
    """Serves until it is over, by default until the page is closed, or the program is interrupted.

    `ready` is told the address.
    """
    from waitress import wasyncore
    from waitress.server import create_server

    sockets: dict[int, Any] = {}
    server = create_server(review.app, map=sockets, host=HOST, port=0, threads=6, ident="")
    review.port = int(server.effective_port)
    review.served(server.pull_trigger)
    ready(review.url)
    try:
        while not (over() if over else review.deserted):
            wasyncore.loop(timeout=0.2, map=sockets, count=1)
            review.catch_up()
    finally:
        review.served(None)
        wasyncore.close_all(sockets)
        server.task_dispatcher.shutdown(timeout=2)
