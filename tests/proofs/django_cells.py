"""Pairs of Django and PostgreSQL driver, each installed into a folder of its own below `.proofs/`.

`python -m tests.proofs.django_cells` installs those of `make test`, with `full` those of `make proofs-full`.
A cell runs in a Python without any other package: `python -S` with `PYTHONPATH` naming its folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent.parent.parent / ".proofs" / "cells"

DRIVERS = {"psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]", "psycopg-pool": "psycopg[binary,pool]"}
# The oldest and newest Python that a Django runs on, https://docs.djangoproject.com/en/stable/faq/install/ and what
# was tried: 3.2 runs on 3.11 as well.
PYTHONS = {
    "3.2": ((3, 6), (3, 11)), "4.0": ((3, 8), (3, 11)), "4.1": ((3, 8), (3, 11)), "4.2": ((3, 8), (3, 13)),
    "5.0": ((3, 10), (3, 13)), "5.1": ((3, 10), (3, 13)), "5.2": ((3, 10), (3, 14)), "6.0": ((3, 12), (3, 14)),
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """`django` is a series such as 4.2."""

    django: str
    driver: str

    def __str__(self) -> str:
        return f"django-{self.django}-{self.driver}"

    @property
    def release(self) -> tuple[int, int]:
        major, minor = self.django.split(".")
        return int(major), int(minor)

    @property
    def requirements(self) -> str:
        """What the requirements.txt of a project of this pair says."""
        return f"Django~={self.django}.0\n{DRIVERS[self.driver]}\ngunicorn\n"

    @property
    def folder(self) -> Path:
        return FOLDER / str(self)

    @property
    def python(self) -> str | None:
        """A Python that this Django runs on, or None where the machine has none."""
        lowest, highest = PYTHONS[self.django]
        return next((path for version, path in pythons() if lowest <= version <= highest), None)

    @property
    def how(self) -> str:
        """What is missing, where `python` is None."""
        lowest, highest = (".".join(map(str, version)) for version in PYTHONS[self.django])
        return f"{self} needs a Python from {lowest} to {highest}"

    def install(self) -> None:
        """Idempotent; raises CalledProcessError where the package index does not give what is asked for."""
        wanted = [f"Django~={self.django}.0", DRIVERS[self.driver], "gunicorn", "uvicorn", "dj-database-url"]
        done = self.folder / "installed"
        if done.exists() and done.read_text() == f"{self.python} {wanted}":
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        # The pip of these tests, for a Python that may have none: Debian's comes without.
        pip = [sys.executable, "-m", "pip", "--python", str(self.python)]
        command = [*pip, "install", "--quiet", "--no-cache-dir", "--target", str(self.folder)]
        subprocess.run([*command, *wanted], check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
        done.write_text(f"{self.python} {wanted}")

    def run(
        self, *arguments: str, cwd: Path, env: dict[str, str] | None = None, timeout: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """Python with these arguments, in the folder of a project that is on its path."""
        return subprocess.run(
            self.command(*arguments), cwd=cwd, env=self.environment(cwd, env), timeout=timeout,
            capture_output=True, text=True,
        )  # fmt: skip

    def command(self, *arguments: str) -> list[str]:
        return [str(self.python), "-S", "-W", "ignore", *arguments]

    def environment(self, project: Path, env: dict[str, str] | None = None) -> dict[str, str]:
        """Nothing of the machine's own settings but PATH: neither PG… nor DJANGO_… may leak in."""
        path = os.pathsep.join([str(project), str(self.folder)])
        return {"PATH": os.environ["PATH"], "HOME": str(project), "PYTHONPATH": path, **(env or {})}


# The ends of the supported range, the pair that most projects have, and the one that can pool.
USUAL = (
    Cell("3.2", "psycopg2"), Cell("4.2", "psycopg2"), Cell("4.2", "psycopg"), Cell("5.2", "psycopg2"),
    Cell("5.2", "psycopg-pool"),
)  # fmt: skip
FULL = tuple(
    Cell(django, driver)
    for django in PYTHONS
    for driver in DRIVERS
    if driver == "psycopg2" or float(django) >= 4.2  # older Djangos know psycopg2 alone
)


def cells() -> tuple[Cell, ...]:
    return FULL if os.environ.get("FHFIX_PROOFS") == "full" else USUAL


@cache
def pythons() -> tuple[tuple[tuple[int, int], str], ...]:
    """(version, path) of this Python, then of those on PATH and of pyenv."""
    base = str(getattr(sys, "_base_executable", sys.executable))
    found: dict[tuple[int, int], str] = {sys.version_info[:2]: base}
    names = [path for minor in range(14, 8, -1) if (path := shutil.which(f"python3.{minor}"))]
    names += [str(path) for path in (Path.home() / ".pyenv" / "versions").glob("3.*/bin/python")]
    for name in names:
        ask = "import sys; print(*sys.version_info[:2])"
        answer = subprocess.run([name, "-c", ask], capture_output=True, text=True)
        if answer.returncode == 0:
            major, minor = map(int, answer.stdout.split())
            found.setdefault((major, minor), name)
    return tuple(found.items())


def _installed(cell: Cell) -> str:
    """What to say of a cell that is installed now, or cannot be."""
    if cell.python is None:
        return cell.how
    cell.install()
    return str(cell)


if __name__ == "__main__":
    pythons()  # asked for once, for all
    with ThreadPoolExecutor(2) as several:
        for said in several.map(_installed, FULL if "full" in sys.argv else USUAL):
            print(said)
