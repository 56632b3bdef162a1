"""A small GitHub on the loopback: issues, listed by label, opened, commented on, changed, and how runs ended."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.proofs.loopback import served


@dataclass
class Issues:
    url: str
    issues: list[dict[str, Any]] = field(default_factory=list)
    disabled: bool = False
    ended: list[str] = field(default_factory=list)
    """How the runs by the clock ended, of the workflow that is asked for; the newest last."""

    def open(self, labels: str) -> list[dict[str, Any]]:
        return [each for each in self.issues if each["state"] == "open" and labels in ("", *each["labels"])]


@contextmanager
def issues() -> Iterator[Issues]:
    hub = Issues("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            if "/actions/workflows/" in self.path:
                assert (query["event"], query["status"]) == (["schedule"], ["completed"])
                return self.answer(200, {"workflow_runs": [{"conclusion": each} for each in reversed(hub.ended)]})
            return self.answer(200, hub.open(query.get("labels", [""])[0]))

        def do_POST(self) -> None:
            body = self.body()
            if self.path.endswith("/issues"):
                number = len(hub.issues) + 1
                hub.issues.append({"number": number, "state": "open", "comments": [], "html_url": f"#{number}", **body})
                return self.answer(201, hub.issues[-1])
            hub.issues[int(self.path.split("/")[-2]) - 1]["comments"].append(body["body"])
            return self.answer(201, {})

        def do_PATCH(self) -> None:
            issue = hub.issues[int(self.path.split("/")[-1]) - 1]
            issue.update(self.body())
            self.answer(200, issue)

        def body(self) -> dict[str, Any]:
            found: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            return found

        def answer(self, status: int, body: object) -> None:
            if self.headers["Authorization"] != "Bearer ghs_token":
                status, body = 401, {"message": "Bad credentials"}
            elif hub.disabled:
                status, body = 410, {"message": "Issues has been disabled in this repository."}
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with served(Handler) as hub.url:
        yield hub
