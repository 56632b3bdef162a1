"""The options of pytest that a configuration file gives, read as pytest reads them.

https://docs.pytest.org/en/stable/reference/customize.html
"""

from __future__ import annotations

import configparser
import posixpath
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fixer.languages.tables import mapping, toml_table

if TYPE_CHECKING:
    from fixer.repository import Repository

_SECTIONS = {"pytest.ini": "pytest", "tox.ini": "pytest", "setup.cfg": "tool:pytest"}

Options = Mapping[str, tuple[str, ...]]
"""By name, the lines or items of each."""


def is_configuration(path: str) -> bool:
    """Whether pytest may find options in a file of this name."""
    name = posixpath.basename(path)
    return name == "pyproject.toml" or name in _SECTIONS


def options_of(path: str, repository: Repository) -> Options:
    """Empty where the file is broken: its own tool will complain."""
    text = repository.text(path)
    if "pytest" not in text:
        return {}
    if path.endswith(".toml"):
        options = mapping(mapping(mapping(toml_table(text).get("tool")).get("pytest")).get("ini_options"))
        return {name: _items(value) for name, value in options.items()}
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    section = _SECTIONS[posixpath.basename(path)]
    return {name: _items(value) for name, value in parser.items(section)} if parser.has_section(section) else {}


def words(option: tuple[str, ...]) -> tuple[str, ...]:
    """An option that is a command line, such as `addopts` and `testpaths`."""
    try:
        return tuple(shlex.split(" ".join(option)))
    except ValueError:
        return tuple(" ".join(option).split())


def _items(value: Any) -> tuple[str, ...]:
    lines = value if isinstance(value, list) else str(value).split("\n")
    return tuple(line for each in lines if (line := str(each).strip()))
