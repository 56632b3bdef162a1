"""The fixtures: small repositories before and after one rule, found by glob, in four shapes."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from fixer.config import from_table
from fixer.model import BOM, Plan, Rule
from fixer.registry import all_rules
from fixer.repository import Repository
from fixer.session import Session

FIXTURES = Path(__file__).parent.parent / "fixtures"
CONFIG = "fhfix.toml"
"""Beside `before`: what the configuration of the case's repository says."""


@dataclass(frozen=True)
class Case:
    """`fixtures/<rule-id>/<case>/`. A case without `after` must stay as it is and yield no fix."""

    folder: Path

    @property
    def rule_id(self) -> str:
        return self.folder.parent.name

    @property
    def name(self) -> str:
        return f"{self.rule_id}/{self.folder.name}"

    @cached_property
    def before(self) -> dict[str, bytes]:
        return files(self.folder / "before")

    @cached_property
    def after(self) -> dict[str, bytes]:
        """Only the files that change or are new."""
        return {path: data for path, data in files(self.folder / "after").items() if self.before.get(path) != data}

    @property
    def config(self) -> str:
        path = self.folder / CONFIG
        return path.read_text(encoding="utf-8") if path.exists() else ""


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def crlf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def with_bom(data: bytes) -> bytes:
    return data if data.startswith(BOM) else BOM + data


def without_final_newline(data: bytes) -> bytes:
    return data.removesuffix(b"\n").removesuffix(b"\r")


SHAPES: Mapping[str, Callable[[bytes], bytes]] = {
    "as is": bytes,
    "CRLF": crlf,
    "BOM": with_bom,
    "no final newline": without_final_newline,
}

CASES = [Case(folder.parent) for folder in sorted(FIXTURES.glob("*/*/before"))]


def sampled(cases: Sequence[Case]) -> list[pytest.ParameterSet]:
    """Cases for a test in which those of one rule hardly differ: `make` tries one of each, `make test` tries all."""
    first = {case.rule_id: case for case in reversed(cases)}.values()
    return [pytest.param(case, marks=[] if case in first else [pytest.mark.slow], id=case.name) for case in cases]


def is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode("utf-8")
    except UnicodeDecodeError:
        return False


def shaped(contents: Mapping[str, bytes], shape: Callable[[bytes], bytes]) -> dict[str, bytes]:
    """Empty files and files that are not text stay as they are."""
    return {path: shape(data) if data and is_text(data) else data for path, data in contents.items()}


def write(root: Path, contents: Mapping[str, bytes | str]) -> Path:
    """The folder, with these files in it."""
    for path, data in contents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def planned(root: Path, contents: Mapping[str, bytes], rules: Sequence[Rule], config: str = "") -> Plan:
    """Writes a repository, and what these rules make of it under this configuration (TOML, as in `.fhfix.toml`)."""
    return opened(root, contents, rules, config).plan()


def opened(root: Path, contents: Mapping[str, bytes], rules: Sequence[Rule], config: str = "") -> Session:
    write(root, contents)
    said = {"profile": "audit", **tomllib.loads(config)}  # a fixture is about its rule, whatever profile that is of
    chosen = from_table(said, all_rules(), CONFIG)
    return Session(Repository(root), tuple(rules), chosen)
