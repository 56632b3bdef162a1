"""A PostgreSQL server of one's own, with or without TLS, and pgbouncer in front of it.

The programs of Debian's packages `postgresql` and `pgbouncer`; neither runs as root, so root becomes the user that
the package made. Everything listens on 127.0.0.1 and a free port, and is stopped by its own process.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import components

USER, PASSWORD, DATABASE = "app", "app-secret", "appdb"


@dataclass(frozen=True)
class Server:
    """Where a server, or a pooler, is reached as USER with PASSWORD. `folder` holds its data and its log."""

    port: int
    folder: Path
    host: str = "127.0.0.1"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def ask(self, sql: str) -> str:
        """What psql prints for a query of the superuser, unaligned."""
        psql = Path(components.path("postgres")).parent / "psql"
        command = [
            str(psql),
            "-h",
            str(self.folder),
            "-p",
            str(self.port),
            "-U",
            "postgres",
            "-AtX",
            "-c",
            sql,
            DATABASE,
        ]
        return subprocess.run(_as_user(command), check=True, capture_output=True, text=True, cwd="/").stdout.strip()


@contextlib.contextmanager
def postgres(*, tls: bool = False, programs: Path | None = None) -> Iterator[Server]:
    """A fresh cluster with one ordinary role and its database; `programs` is the folder of another version."""
    programs = programs or Path(components.path("postgres")).parent
    with _folder() as folder:
        data = folder / "data"
        _run(
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "--no-locale",
            "-E",
            "UTF8",
        )
        port = free_port()  # as late as can be: it is free only until somebody else takes it
        lines = [
            "listen_addresses = '127.0.0.1'", f"port = {port}", f"unix_socket_directories = '{folder}'",
            "fsync = off", "max_connections = 100", "log_line_prefix = '%p '",
        ]  # fmt: skip
        if tls:
            certificate(folder)
            lines += ["ssl = on", f"ssl_cert_file = '{folder}/server.crt'", f"ssl_key_file = '{folder}/server.key'"]
        with (data / "postgresql.auto.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        (data / "pg_hba.conf").write_text(
            "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8"
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                _as_user([str(programs / "postgres"), "-D", str(data)]), stdout=log, stderr=log, cwd="/"
            )
        server = Server(port, folder)
        try:
            _wait(port, process, server)
            for sql in (
                f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{PASSWORD}'",
                f"CREATE DATABASE {DATABASE} OWNER {USER}",
            ):
                psql = [str(programs / "psql"), "-h", str(folder), "-p", str(port), "-U", "postgres", "-qX", "-c", sql]
                _run(*psql, "postgres")
            yield server
        finally:
            _stop(process)


@contextlib.contextmanager
def pgbouncer(server: Server, ini: str = "", users: str = f'"{USER}" "{PASSWORD}"\n') -> Iterator[Server]:
    """Debian's pgbouncer, pooling by transaction; `ini` is a configuration that names its places as in a container."""
    port = free_port()
    with _folder() as folder:
        (folder / "users.txt").write_text(users, encoding="utf-8")
        there = ini.replace("0.0.0.0", "127.0.0.1\nunix_socket_dir =").replace(
            "listen_port = 5432", f"listen_port = {port}"
        )
        there = re.sub(r"host=\S+ port=\d+", f"host={server.host} port={server.port}", there)
        there = there.replace("/etc/pgbouncer/userlist.txt", f"{folder}/users.txt")
        (folder / "pgbouncer.ini").write_text(
            there
            or f"[databases]\n* = host={server.host} port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {folder}/users.txt\n"
            "pool_mode = transaction\ndefault_pool_size = 5\n",
            encoding="utf-8",
        )
        for path in folder.iterdir():
            _give(path)
        with (folder / "log").open("wb") as log:
            command = [components.path("pgbouncer"), str(folder / "pgbouncer.ini")]
            process = subprocess.Popen(_as_user(command), stdout=log, stderr=log, cwd="/")
        pooler = Server(port, folder)
        try:
            _wait(port, process, pooler)
            yield pooler
        finally:
            _stop(process)


def certificate(folder: Path) -> None:
    """A certificate for localhost, signed by itself."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", str(folder / "server.key"), "-out", str(folder / "server.crt")],
        check=True, capture_output=True,
    )  # fmt: skip
    for name in ("server.key", "server.crt"):
        (folder / name).chmod(0o600)
        _give(folder / name)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Short, since the path of a socket may have 107 bytes only."""
    folder = Path(tempfile.mkdtemp(prefix="fhfix-", dir="/tmp"))
    folder.chmod(0o755)
    _give(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)


def _as_user(command: list[str]) -> list[str]:
    return (
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        if os.geteuid() == 0
        else command
    )


def _run(*command: str) -> None:
    subprocess.run(_as_user(list(command)), check=True, capture_output=True, cwd="/")


def _wait(port: int, process: subprocess.Popen[bytes], server: Server) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"did not start: {server.log[-2000:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            if "database system is ready" in server.log or "process up" in server.log:
                return
        time.sleep(0.05)
    raise RuntimeError(f"not ready after 60 s: {server.log[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # for PostgreSQL a smart shutdown: it waits for clients
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        process.send_signal(3)
        process.wait(timeout=10)
