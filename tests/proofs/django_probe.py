"""Asks a Django project what its settings do. Runs in the Python of a cell, in the folder of the project.

python -S django_probe.py QUESTION… prints one JSON object with the answer, or the error, to each.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any


def ask(sql: str) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def request(path: str) -> tuple[str, str]:
    """(status, body) of one request, with all that a WSGI server sets off around it."""
    status: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "x", "SERVER_PORT": "80", "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.input": io.BytesIO(), "wsgi.version": (1, 0),
        "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http", "wsgi.multithread": True, "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }  # fmt: skip
    response = APPLICATION(environ, lambda text, headers, info=None: status.append(text))
    try:
        body = b"".join(response).decode()
    finally:
        response.close()
    return status[0].partition(" ")[0], body


def select() -> Any:
    return ask("SELECT 1")


def tls() -> Any:
    return ask("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


def limit() -> Any:
    return ask("SHOW statement_timeout")


def backends() -> int:
    """How many servers' processes twenty requests met."""
    return len({request("/pid")[1] for _ in range(20)})


def cancelled() -> list[Any]:
    """The error of a statement that takes too long, and whether the connection is of use afterwards."""
    start = time.monotonic()
    try:
        ask("SELECT pg_sleep(5)")
        return ["", time.monotonic() - start, None]
    except Exception as error:
        return [str(error).strip(), time.monotonic() - start, ask("SELECT 1")]


def healed() -> list[str]:
    """Statuses of requests before and after the server closed the connection between them."""
    from django.db import connection

    gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %s"

    before, pid = request("/pid")
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend({int(pid)})")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            cursor.execute(gone, [int(pid)])
            if cursor.fetchone()[0]:
                break
            time.sleep(0.05)
    other.close()
    return [before, request("/pid")[0], request("/pid")[0]]


def prepared() -> int:
    """How many statements the server holds prepared after the ORM asked the same often."""
    from shop.models import Item

    for _ in range(12):
        list(Item.objects.filter(name="x"))
    return int(ask("SELECT count(*) FROM pg_prepared_statements"))


def slow() -> None:
    for path in ("/fast", "/fast", "/fast", "/slow"):
        request(path)


def settings() -> dict[str, Any]:
    from django.conf import settings as configured

    default = dict(configured.DATABASES["default"])
    return {key: default.get(key) for key in ("CONN_MAX_AGE", "CONN_HEALTH_CHECKS", "OPTIONS", "POOL")}


def answer(question: str) -> dict[str, Any]:
    try:
        return {"is": globals()[question]()}
    except Exception as error:
        cause = error.__cause__
        return {"error": f"{type(error).__name__}: {error}", "cause": type(cause).__name__ if cause else ""}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")
    # As a server does: what this module sets up holds for what follows.
    APPLICATION: Callable[..., Any] = importlib.import_module("site_.wsgi").application
    print(json.dumps({question: answer(question) for question in sys.argv[1:]}))
    sys.stdout.flush()
    os._exit(0)  # a pool's threads must not be waited for
