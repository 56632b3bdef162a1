"""How time and memory grow with the input, beside zizmor: each input is made twice, once twice as large.

    python -m benchmarks.growth [--fhfix PROGRAM] [--rounds N] [INPUT …]

`growth` is how many times as much the doubled input costs, less what a run on next to nothing costs: 2 is linear, 4 is
quadratic. `of zizmor` compares the doubled input. Processor time (user and system) of whole processes, each on a copy
of its own; the least of the rounds counts, since a busy machine only adds.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Programs, Run, Work, run

Files = Iterator[tuple[str, str]]

_HEAD = "name: {name}\non: [push]\npermissions:\n  contents: read\njobs:\n"
_JOB = "  {name}:\n    runs-on: ubuntu-latest\n    timeout-minutes: 10\n    steps:\n"
_SHA = "11bd71901bbe5b1630ceea73d27597364c9af683"

# Ten lines without a finding, in the shapes that rules look at: tools, pipes, loops, files that a later step reads.
_QUIET = """\
      - name: Part {n}
        id: part-{n}
        env:
          PART: "{n}"
        run: |
          mypy src/part_{n} > report-{n}.txt
          for host in a b c; do echo "$host $PART"; done
          if [ -f report-{n}.txt ]; then tail -n 3 report-{n}.txt; fi
          echo "part={n}" >> "$GITHUB_OUTPUT"
        shell: bash
"""
_START = """\
      - uses: actions/checkout@v2
      - uses: actions/setup-python@v2
        with:
          python-version: "3.12"
      - run: pip install -r requirements.txt
"""
# Eleven lines with three findings.
_LOUD = """\
      - uses: actions/cache@v2
        with:
          path: part-{n}
          key: part-{n}
      - name: Types {n}
        run: mypy src/part_{n} || true
      - uses: actions/upload-artifact@v2
        with:
          name: part-{n}
          path: part-{n}
"""

_DOCKERFILE = """\
FROM python:3.12-slim AS build
WORKDIR /app
COPY requirements.txt ./
RUN pip install -r requirements.txt
COPY . .
FROM python:3.12-slim
WORKDIR /app
COPY --from=build /app /app
CMD ["gunicorn", "site{n}.wsgi"]
"""

_COMPOSE = """\
services:
  web:
    build: .
    command: python manage.py runserver 0.0.0.0:8000
    environment:
      DB_HOST: db
      DB_NAME: part{n}
    depends_on: [db]
  db:
    image: postgres:16
    volumes: ["data:/var/lib/postgresql/data"]
volumes:
  data:
"""

_SETTINGS = """\
import os

SECRET_KEY = os.environ["SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["example.org"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "books{n}"]
ROOT_URLCONF = "site{n}.urls"
DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("DB_NAME", "part{n}"),
        "HOST": os.environ.get("DB_HOST", "localhost"),
        "USER": os.environ.get("DB_USER", "web"),
        "PASSWORD": os.environ.get("DB_PASSWORD", ""),
    }}
}}
"""

_MANAGE = """\
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site{n}.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""

_PROJECT_WORKFLOW = """\
name: Project {n}
on: [push]
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    defaults:
      run:
        working-directory: project{n}
    services:
      db:
        image: postgres:16
        env:
          POSTGRES_PASSWORD: test
        ports: ["5432:5432"]
    env:
      DB_HOST: localhost
      DB_PASSWORD: test
    steps:
      - uses: actions/checkout@v2
      - uses: actions/setup-python@v2
        with:
          python-version: "3.12"
      - run: pip install -r requirements.txt
      - run: python manage.py test
"""


def _one_job(n: int) -> Files:
    steps = "".join(_QUIET.format(n=k) for k in range(n))
    yield ".github/workflows/ci.yml", _HEAD.format(name="CI") + _JOB.format(name="test") + steps


def _jobs(n: int) -> Files:
    jobs = "".join(_JOB.format(name=f"job-{k}") + "".join(_QUIET.format(n=part) for part in range(5)) for k in range(n))
    yield ".github/workflows/ci.yml", _HEAD.format(name="CI") + jobs


def _findings(n: int) -> Files:
    steps = _START + "".join(_LOUD.format(n=k) for k in range(n))
    yield ".github/workflows/ci.yml", _HEAD.format(name="CI") + _JOB.format(name="test") + steps
    yield "requirements.txt", "requests==2.32.3\n"


def _workflows(n: int) -> Files:
    for k in range(n):
        steps = _START + "".join(_LOUD.format(n=part) for part in range(2))
        yield f".github/workflows/part{k}.yml", _HEAD.format(name=f"Part {k}") + _JOB.format(name="test") + steps
    yield from _project(0)


def _projects(n: int) -> Files:
    for k in range(n):
        yield f".github/workflows/project{k}.yml", _PROJECT_WORKFLOW.format(n=k)
        yield from _project(k)


def _project(k: int) -> Files:
    folder = f"project{k}"
    yield f"{folder}/manage.py", _MANAGE.format(n=k)
    yield f"{folder}/site{k}/__init__.py", ""
    yield f"{folder}/site{k}/settings.py", _SETTINGS.format(n=k)
    yield f"{folder}/site{k}/urls.py", "urlpatterns = []\n"
    yield f"{folder}/books{k}/__init__.py", ""
    yield f"{folder}/requirements.txt", "django==5.1.4\npsycopg2==2.9.10\n"


def _dockerfiles(n: int) -> Files:
    for k in range(n):
        yield f"service{k}/Dockerfile", _DOCKERFILE.format(n=k)
        yield f"service{k}/requirements.txt", "django==5.1.4\n"


def _compose_files(n: int) -> Files:
    for k in range(n):
        yield f"service{k}/docker-compose.yml", _COMPOSE.format(n=k)
    yield from _project(0)


def _bystanders(n: int) -> Files:
    """Files that no rule reads, in folders of twenty, beside a small project."""
    for k in range(n):
        yield f"src/part{k // 400}/folder{k // 20}/file{k}.{('ts', 'css', 'svg', 'md')[k % 4]}", ""
    yield from _projects(1)


INPUTS: dict[str, tuple[Callable[[int], Files], int]] = {
    "lines of one job": (_one_job, 500),
    "jobs of a workflow": (_jobs, 90),
    "findings in one job": (_findings, 150),
    "workflows": (_workflows, 150),
    "Django projects, each with a workflow": (_projects, 150),
    "Dockerfiles": (_dockerfiles, 150),
    "compose files": (_compose_files, 150),
    "files that do not matter": (_bystanders, 30_000),
}
"""What is made, and how much of it the smaller input has."""


@dataclass(frozen=True)
class Measured:
    """What the single and the doubled input cost."""

    once: Run
    twice: Run

    def growth(self, nothing: Run) -> float:
        """Of processor time, without what every run costs."""
        return (self.twice.cpu - nothing.cpu) / max(self.once.cpu - nothing.cpu, 0.001)

    @property
    def memory(self) -> float:
        return self.twice.megabytes / self.once.megabytes


_SMALL = (
    ".github/workflows/small.yml",
    "on: [push]\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: date}]\n",
)
"""Stands in every input: zizmor takes no folder without a workflow."""


def written(folder: Path, files: Files) -> Path:
    for name, text in (_SMALL, *files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder


def least(folder: Path, work: Work, rounds: int, *, changes: bool) -> Run:
    """The cheapest of several runs; what changes the folder gets a copy each time."""
    runs: list[Run] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as copies:
            here = Path(copies) / folder.name if changes else folder
            if changes:
                shutil.copytree(folder, here)
            runs.append(run(work(here)))
    return min(runs, key=lambda each: each.cpu)


def measure(programs: Programs, wanted: Sequence[str], rounds: int) -> None:
    works: dict[str, tuple[Work, Work, bool]] = {
        "check": (programs.check, programs.lint, False),
        "dry run": (programs.quiet_dry_run, programs.fix, True),
        "apply": (programs.apply, programs.fix, True),
    }
    print(f"{'':40} {'':8} growth  zizmor's  of zizmor  memory: growth  of zizmor")
    with tempfile.TemporaryDirectory() as place:
        empty = written(Path(place) / "nothing", iter(()))
        # What a run costs on next to nothing; the first one also makes the compiled modules.
        nothing = {
            word: tuple(least(empty, work, 4, changes=changes) for work in (ours, theirs))
            for word, (ours, theirs, changes) in works.items()
        }
        for name in wanted:
            make, size = INPUTS[name]
            once = written(Path(place) / "once", make(size))
            twice = written(Path(place) / "twice", make(2 * size))
            for word, (ours, theirs, changes) in works.items():
                mine = Measured(*(least(folder, ours, rounds, changes=changes) for folder in (once, twice)))
                other = Measured(*(least(folder, theirs, rounds, changes=changes) for folder in (once, twice)))
                print(
                    f"{f'{name} ({size} to {2 * size})':40} {word:8}"
                    f" {mine.growth(nothing[word][0]):6.2f}"
                    f"  {other.growth(nothing[word][1]):8.2f}"
                    f"  {mine.twice.cpu / other.twice.cpu:9.2f}"
                    f"  {mine.memory:14.2f}  {mine.twice.megabytes / other.twice.megabytes:9.2f}"
                    f"   [{mine.twice.cpu:.2f} s, {mine.twice.megabytes:.0f} MB]",
                    flush=True,
                )
            shutil.rmtree(once)
            shutil.rmtree(twice)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=(__doc__ or "").split("\n")[0])
    beside = Path(sys.executable).parent
    parser.add_argument("--fhfix", default=str(beside / "fhfix"))
    parser.add_argument("--zizmor", default=str(beside / "zizmor"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("input", nargs="*", choices=[*INPUTS, []], metavar="INPUT", help=", ".join(INPUTS))
    chosen = parser.parse_args(arguments)
    measure(Programs(chosen.fhfix, chosen.zizmor), chosen.input or list(INPUTS), chosen.rounds)


if __name__ == "__main__":
    main()
