"""Prometheus, Alertmanager and gunicorn of one's own: Debian's programs, and the project's own environment for Django.

Everything listens on 127.0.0.1 and a free port, and is stopped by its own process.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.components import path as component
from tests.proofs.loopback import served
from tests.proofs.postgres import free_port

TOKEN = "s3cret"


def get(port: int, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Status and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def until(wanted: Callable[[], object], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if wanted():
                return
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} s")


@contextlib.contextmanager
def running(command: list[str], folder: Path, log: Path, env: Mapping[str, str] | None = None) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **(env or {})}, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def gunicorn(folder: Path, log: Path, workers: int = 2, *options: str, at: int = 0, **env: str) -> Iterator[int]:
    """The application shop.wsgi in a folder, started there as its image starts it; its port."""
    port = at or free_port()
    program = str(Path(sys.executable).parent / "gunicorn")
    command = [program, "shop.wsgi:application", "--bind", f"127.0.0.1:{port}", "--workers", str(workers), *options]
    given = {"SECRET_KEY": "proof", "METRICS_TOKEN": TOKEN, "PYTHONDONTWRITEBYTECODE": "1", **env}
    with running(command, folder, log, given):
        until(lambda: get(port, "/metrics")[0], "gunicorn answers")
        yield port


@dataclass
class Prometheus:
    port: int

    def ask(self, query: str) -> list[tuple[dict[str, str], float]]:
        status, body = get(self.port, f"/api/v1/query?query={urllib.parse.quote(query)}")
        assert status == 200, body
        return [(each["metric"], float(each["value"][1])) for each in json.loads(body)["data"]["result"]]

    def value(self, query: str) -> float:
        """The one value of a query; 0 where there is none."""
        return sum(value for _, value in self.ask(query))

    def firing(self) -> set[str]:
        alerts = json.loads(get(self.port, "/api/v1/alerts")[1])["data"]["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}


@contextlib.contextmanager
def prometheus(folder: Path, config: str) -> Iterator[Prometheus]:
    port = free_port()
    (folder / "prometheus.yml").write_text(config, encoding="utf-8")
    command = [
        component("prometheus"),
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, folder, folder / "prometheus.log"):
        until(lambda: get(port, "/-/ready")[0] == 200, "Prometheus is ready")
        yield Prometheus(port)


@dataclass
class Receiver:
    """A small Slack: keeps what it is told, and answers as it is asked to."""

    url: str
    told: list[dict[str, object]] = field(default_factory=list)
    status: int = 200


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    found = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.told.append(json.loads(body))
            self.send_response(found.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with served(Handler) as url:
        found.url = f"{url}/services/T/B/x"
        yield found
