"""GitHub's REST API, as far as a pull request needs it, on github.com, ghe.com and Enterprise Server.

Limits are obeyed as GitHub asks (https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api):
`retry-after`, then `x-ratelimit-reset`, then a minute; and a second between two requests that write.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

from fixer.records import record

TIMEOUT = 30.0
"""Seconds without a word from the server."""

WHOLE = 120.0
"""Seconds for a whole answer, however it comes."""

LARGEST = 32 * 1024 * 1024
"""Bytes of an answer; what fhfix asks for has some thousand."""

PATIENCE = 300.0
"""Seconds that one request waits for limits before fhfix says when to come back."""

ATTEMPTS = 4
"""How often a request is made that the server did not answer, or answered with a 5xx."""

GRAPHQL = "/graphql"

PAGE = 100
"""Items of a list that GitHub gives at once, at most."""

_A_YEAR = 365 * 86400.0
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class GitHubError(Exception):
    """What GitHub answered, or why there was no answer. `status` is 0 where there was none.

    `uncertain`: the request may have been carried out all the same. `wait` are the seconds that GitHub asks for.
    """

    def __init__(self, message: str, status: int = 0, *, uncertain: bool = False, wait: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.uncertain = uncertain
        self.wait = wait


@record
class Slug:
    """A repository on a host. `web` is the host's address without a final slash."""

    web: str
    owner: str
    name: str

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def host(self) -> str:
        return self.web.partition("://")[2]

    @property
    def api(self) -> str:
        """The address of the API. Enterprise Server has it below the host, the others on a host of its own."""
        if self.host == "github.com":
            return "https://api.github.com"
        if self.host.endswith(".ghe.com"):
            return f"https://api.{self.host}"
        return f"{self.web}/api/v3"

    @classmethod
    def of(cls, address: str) -> Self:
        """From a remote's address (HTTPS, SSH, or SSH's short form). Raises GitHubError for any other."""
        short = re.fullmatch(r"(?:[\w.-]+@)?([\w.-]+):(?!//)/?([^/]+)/([^/]+?)(?:\.git)?/?", address)
        if short:
            return cls(f"https://{short[1]}", short[2], short[3])
        parts = urllib.parse.urlsplit(address)
        path = re.fullmatch(r"/([^/]+)/([^/]+?)(?:\.git)?/?", parts.path)
        host = parts.hostname or ""
        if not path or not host or parts.scheme not in ("https", "http", "ssh", "git"):
            shown = re.sub(r"//[^/@]*@", "//", address)  # an address may carry a password
            raise GitHubError(f"{shown} is not the address of a repository on GitHub; name it with --repository")
        if parts.scheme in ("ssh", "git"):
            return cls(f"https://{'github.com' if host == 'ssh.github.com' else host}", path[1], path[2])
        port = f":{parts.port}" if parts.port else ""
        host = f"[{host}]" if ":" in host else host
        if parts.scheme == "http" and host not in _LOOPBACK:
            raise GitHubError(f"{host} is reached over http, which would show the token to others; use https")
        return cls(f"{parts.scheme}://{host}{port}", path[1], path[2])


def host_from(environment: Mapping[str, str]) -> str:
    """The host that the user means where no address says it, in lower case."""
    run = environment.get("GITHUB_SERVER_URL", "").partition("://")[2].strip("/")
    return (environment.get("FHFIX_HOST") or environment.get("GH_HOST") or run or "github.com").strip().lower()


def web_of(host: str) -> str:
    """Its address. Over http only this machine is reached, since a token would be shown to others."""
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    return f"{'http' if name in _LOOPBACK else 'https'}://{host}"


def token_from(environment: Mapping[str, str], slug: Slug) -> str:
    """The token for this host, or an empty string. A token belongs to one host, which the user names.

    The address of a repository may have come with it (that of a submodule does), so it does not decide who is shown a
    token. The variables are those of GitHub's own command line (`gh help environment`), and FHFIX_TOKEN with FHFIX_HOST
    before them; within a workflow GITHUB_SERVER_URL says the host.
    """
    run = environment.get("GITHUB_SERVER_URL", "").partition("://")[2].strip("/")
    named = host_from(environment)
    host = slug.host.lower()
    names = ["FHFIX_TOKEN"] if host == named else []
    if host == "github.com" or (host == named and host.endswith(".ghe.com")):
        names += ["GH_TOKEN", "GITHUB_TOKEN"]
    elif host == named:
        names += ["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", *(["GITHUB_TOKEN"] if host == run.lower() else [])]
    return next((environment[name].strip() for name in names if environment.get(name, "").strip()), "")


class _Connections:
    """The connections of one request, which are cut when its time is over."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.cut_off = False

    def handlers(self) -> list[urllib.request.BaseHandler]:
        kept = self._sockets

        class Plain(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                kept.append(self.sock)

        class Secure(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                kept.append(self.sock)

        class OverHttp(urllib.request.HTTPHandler):
            def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Plain, req)

        class OverHttps(urllib.request.HTTPSHandler):
            def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Secure, req)

        return [OverHttp(), OverHttps()]

    def cut(self) -> None:
        self.cut_off = True
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a repository that moved, and never carries the token to another host."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urllib.parse.urlsplit(newurl)[:2] != urllib.parse.urlsplit(req.full_url)[:2] or req.get_method() != "GET":
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass
class GitHub:
    """A client that waits, tries again where that is safe, and says clearly what went wrong."""

    api: str
    token: str = field(repr=False)
    say: Callable[[str], None] = lambda line: None
    audit: Callable[[str], None] = lambda line: None
    """Told of each request that writes, before it is sent and when it is answered."""

    scopes: frozenset[str] | None = None
    """What a classic token may do; None for other tokens, which do not tell."""

    _last_write: float = 0.0

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def get(self, path: str, **query: str) -> Any:
        return self.request("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def all(self, path: str, key: str = "", **query: str) -> Iterator[Any]:
        """Every item of a list that GitHub gives in pages; `key` is where the list stands in the answer."""
        for number in count(1):
            answer = self.get(path, **query, per_page=str(PAGE), page=str(number))
            items = answer.get(key) if key and isinstance(answer, dict) else answer
            if not isinstance(items, list):
                raise GitHubError(f"the answer to {path} is not GitHub's: it holds no list")
            yield from items
            if len(items) < PAGE:
                return

    def maybe(self, path: str) -> Any:
        """The answer, or None for 404."""
        try:
            return self.get(path)
        except GitHubError as error:
            if error.status == 404:
                return None
            raise

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, repeatable: bool | None = None
    ) -> Any:
        """The decoded answer. What is repeatable (by default all but POST) is asked again after a failure of the
        server; else the error is `uncertain`, and whoever asked looks before asking again."""
        repeatable = method != "POST" if repeatable is None else repeatable
        failures, waited = 0, 0.0
        writes = method != "GET" and path != GRAPHQL
        while True:
            if writes:
                self._pace()
                self.audit(f"{method} {self.api}{path}")
            status, headers, data = self._send(method, path, body)
            if writes:
                self.audit(f"{method} {self.api}{path}: {status or 'no answer'}")
            if 200 <= status < 300:
                if "x-oauth-scopes" in headers:
                    self.scopes = frozenset(re.findall(r"[\w:]+", headers["x-oauth-scopes"]))
                return data
            message = str(data.get("message") or "") if isinstance(data, dict) else ""
            delay = self._told_to_wait(status, headers, message)
            if delay is not None:
                waited += delay
                if waited > PATIENCE:
                    back = time.strftime("%H:%M:%S", time.localtime(time.time() + delay))
                    raise GitHubError(
                        f"GitHub's limit for this token is used up until {back}; run it again then", status, wait=delay
                    )
                self.say(f"GitHub asks to wait {delay:.0f} s")
                self.sleep(delay)
                continue
            if status and status < 500:
                raise GitHubError(self._explained(status, path, message, data), status)
            failures += 1
            reason = (
                f"GitHub answered {status} {message}".rstrip() if status else f"{self.api} did not answer: {message}"
            )
            if not repeatable or failures == ATTEMPTS:
                raise GitHubError(f"{reason}; run it again later", status, uncertain=True)
            self.sleep(2.0 ** (failures - 1))

    def query(self, text: str, variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str | int, ...]]]:
        """What GraphQL says, and the paths to what it does not tell this token, which is null. Raises GitHubError where
        it says nothing."""
        answer = self.request("POST", GRAPHQL, {"query": text, "variables": variables}, repeatable=True)
        data = answer.get("data") if isinstance(answer, dict) else None
        said_errors = answer.get("errors") if isinstance(answer, dict) else None
        errors = [each for each in said_errors if isinstance(each, dict)] if isinstance(said_errors, list) else []
        if isinstance(data, dict):
            return data, [tuple(each["path"]) for each in errors if _is_path(each.get("path"))]
        first = errors[0] if errors else {}
        limited = first.get("type") == "RATE_LIMITED"
        said = self._redacted(str(first.get("message") or "the answer is not GitHub's"))
        raise GitHubError(f"GitHub's GraphQL refused: {said}", 200, wait=60.0 if limited else 0.0)

    def written_now(self) -> None:
        """Let the second between two requests that write begin now."""
        self._last_write = time.time()

    def _pace(self) -> None:
        wait = self._last_write + 1.0 - time.time()
        if 0 < wait <= 1:
            self.sleep(wait)
        self._last_write = time.time()

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, Mapping[str, str], Any]:
        """Status (0: no answer), headers in lower case, decoded body."""
        # GraphQL stands beside the REST API: on an Enterprise Server at /api/graphql, not below /api/v3.
        api = self.api.removesuffix("/v3") if path == GRAPHQL else self.api
        request = urllib.request.Request(
            api + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                **({"Authorization": f"Bearer {self.token}"} if self.token else {}),
                "Content-Type": "application/json",
                "User-Agent": "fhfix",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        connections = _Connections()
        timer = threading.Timer(WHOLE, connections.cut)
        timer.daemon = True
        timer.start()
        try:
            try:
                opener = urllib.request.build_opener(_SameHost, *connections.handlers())
                answer = opener.open(request, timeout=TIMEOUT)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                raw = answer.read(LARGEST + 1)
                headers = {key.lower(): value for key, value in answer.headers.items()}
                status = int(answer.status)
                # `read` with a limit does not complain of a connection that ends.
                missing = getattr(answer, "length", None)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            return 0, {}, {"message": self._redacted(str(reason))}
        finally:
            timer.cancel()
        if connections.cut_off:
            return 0, {}, {"message": f"the answer took more than {WHOLE:.0f} seconds"}
        if len(raw) > LARGEST:
            return 0, {}, {"message": f"the answer is larger than {LARGEST // 1024 // 1024} MiB"}
        if missing:
            return 0, {}, {"message": f"the connection ended {missing} bytes before the answer did"}
        try:
            return status, headers, json.loads(raw) if raw else None
        except (ValueError, RecursionError):
            return status, headers, {"message": ""}

    def _redacted(self, text: str) -> str:
        return text.replace(self.token, "***") if self.token else text

    def _told_to_wait(self, status: int, headers: Mapping[str, str], message: str) -> float | None:
        if status not in (403, 429):
            return None
        if headers.get("retry-after", "").isdigit():
            return min(float(headers["retry-after"]), _A_YEAR)
        if headers.get("x-ratelimit-remaining") == "0" and headers.get("x-ratelimit-reset", "").isdigit():
            return min(max(0.0, float(headers["x-ratelimit-reset"]) - time.time()) + 1, _A_YEAR)
        if status == 429 or re.search(r"secondary rate limit|abuse detection", message, re.IGNORECASE):
            return 60.0
        return None

    def _explained(self, status: int, path: str, message: str, data: Any) -> str:
        if status == 401:
            return "GitHub does not accept this token: is it expired, or made for another host?"
        if status == 403 and "not accessible by" in message:
            return "this token lacks a permission: it needs contents, pull requests and workflows, each to write"
        details = []
        errors = data.get("errors") if isinstance(data, dict) else None
        for error in errors if isinstance(errors, list) else []:
            if isinstance(error, dict):
                details.append(str(error.get("message") or f"{error.get('field')} is {error.get('code')}"))
            else:
                details.append(str(error))
        said = self._redacted("; ".join([message, *details]))
        return f"GitHub refused {path.partition('?')[0]} ({status}): {said}"


def _is_path(value: object) -> bool:
    """Keys and indexes, https://spec.graphql.org/October2021/#sec-Errors."""
    return isinstance(value, list) and all(type(part) in (str, int) for part in value)
