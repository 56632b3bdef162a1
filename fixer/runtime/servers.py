"""Databases, caches and poolers: what an image is, and which servers an environment names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from fixer.model import Span
from fixer.runtime.places import Place
from fixer.runtime.programs import Environment, Server, Value

_IMAGES: tuple[tuple[str, str, str], ...] = (
    (r"(postgres|postgis|pgvector|timescaledb(-ha)?|alpine-postgres|postgresql)(-\w+)*", "postgresql", "5432"),
    (r"(mysql|mariadb|percona)(-server)?", "mysql", "3306"),
    (r"(redis|valkey|keydb|dragonfly)(-stack)?(-server)?", "redis", "6379"),
    (r"(memcached)", "memcached", "11211"),
    (r"(rabbitmq)(-management)?", "rabbitmq", "5672"),
)
# Neon and Supabase say `pooler`; `.proxy-` is RDS Proxy, which refuses startup options as pgbouncer does:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy.html#rds-proxy.limitations
_POOLER = re.compile(r"pgbouncer|pgcat|odyssey|supavisor|pooler|pgpool|\.proxy-", re.IGNORECASE)
_POOLER_PORTS = frozenset(("6432", "6543"))
_SPEAKS_TLS = re.compile(r"ssl\s*=\s*on|ssl_cert_file|--tls-port|tls-cert-file|require_secure_transport", re.IGNORECASE)
_URL = re.compile(
    r"(?P<scheme>[a-z][\w+.-]*)://(?:[^@/\s]*@)?(?P<host>\[[^\]]*\]|[^:/?#\s,]*)(?::(?P<port>\d+))?(?P<rest>[/?][^\s]*)?$"
)
_SCHEMES = {
    "postgres": "postgresql", "postgresql": "postgresql", "postgis": "postgresql", "psql": "postgresql",
    "pgsql": "postgresql", "timescale": "postgresql", "timescalegis": "postgresql", "mysql": "mysql",
    "mysql2": "mysql", "mysqlgis": "mysql", "mariadb": "mysql", "redis": "redis", "rediss": "redis",
    "rediscache": "redis", "amqp": "rabbitmq", "amqps": "rabbitmq", "memcache": "memcached", "memcached": "memcached",
}  # fmt: skip
_HOST = re.compile(r"(^|_)(PG|POSTGRES\w*|DB|DATABASE|SQL|RDS|MYSQL|MARIADB|REDIS)_?(HOST|HOSTNAME|SERVER|ADDRESS)$")
_PORTS = {"postgresql": "5432", "mysql": "3306", "redis": "6379", "rabbitmq": "5672", "memcached": "11211"}
_LOCAL = re.compile(r"localhost$|127\.\d+\.\d+\.\d+$|\[?::1\]?$|host\.docker\.internal$|/")


def server_of_image(repository: str, said: str) -> Server | None:
    """The server that an image is, by its name without tag; None for another program. `said` is all that its service
    says: commands and mounts tell whether it speaks TLS."""
    base = repository.rpartition("/")[2].lower()
    nowhere = Place("", Span(0, 0), 0, "")
    if _POOLER.search(repository):
        return Server("postgresql", base, base, "6432", nowhere, "", True, None, True, repository)
    for pattern, engine, port in _IMAGES:
        if re.fullmatch(pattern, base):
            # The official images speak no TLS until they are given a certificate.
            speaks = _SPEAKS_TLS.search(said) is not None
            return Server(engine, base, base, port, nowhere, "", True, speaks, False, repository)
    return None


def is_pooler(host: str, port: str) -> bool:
    """Whether an address is that of a connection pooler, by its name or by the port that poolers use."""
    return _POOLER.search(host) is not None or port in _POOLER_PORTS


def is_local(host: str) -> bool:
    """Whether a host is the machine itself, or a socket."""
    return _LOCAL.match(host) is not None


def addresses(environment: Environment) -> Iterator[Server]:
    """The servers that the variables name, by URL or by host and port."""
    for name in environment.names:
        for value in environment.of(name):
            found = _of_url(value) or _of_host(value, environment)
            if found is not None:
                yield found


def _of_url(value: Value) -> Server | None:
    return server_of_url(value.text, value.place) if value.text and "://" in value.text else None


def server_of_url(text: str, place: Place) -> Server | None:
    """The server of a database URL; None for one of another kind, or whose host is not said."""
    found = _URL.match(text)
    if found is None:
        return None
    scheme = found["scheme"].partition("+")[0].removeprefix("django-")
    engine = _SCHEMES.get(scheme)
    if engine is None:
        return None
    host = unquote(found["host"])
    if "$" in text and "$" in host:
        host = ""
    port = found["port"] or _PORTS[engine]
    rest = found["rest"] or ""
    speaks: bool | None = True if re.search(r"sslmode=(require|verify)", rest) or scheme == "rediss" else None
    return Server(
        engine, "", host, port, place, "url", is_local(host), speaks, is_pooler(host, port) or "pgbouncer=true" in rest
    )


def _of_host(value: Value, environment: Environment) -> Server | None:
    named = _HOST.search(value.name.upper())
    if named is None or not value.text or "://" in value.text:
        return None
    engine = "redis" if "REDIS" in named[2] else "mysql" if named[2] in ("MYSQL", "MARIADB") else "postgresql"
    host, _, inside = value.text.partition(":")
    key = value.name[: named.start(3)] if named.start(3) <= len(value.name) else ""
    port = inside or environment.text(f"{key}PORT") or _PORTS[engine]
    return Server(engine, "", host, port, value.place, "environment", is_local(host), None, is_pooler(host, port))
