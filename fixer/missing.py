"""The facts that blocked findings wait for, and how a configuration file comes to hold them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fixer.config import ConfigError, as_typed, from_table, merged, placeholder
from fixer.languages.toml import toml_value
from fixer.model import About, Blocked, Reported, Rule
from fixer.records import record

_PLAIN = re.compile(r"[A-Za-z0-9_-]+\Z")


@record
class Missing:
    """One value that findings wait for. `key` is as in TOML, `rules.<id>.<option>`.

    `proposed` is as typed behind `--set`, empty for none. `help` says what the option means and `about` what it stands
    for, `waiting` are the findings.
    """

    key: str
    proposed: str
    help: str
    about: About
    waiting: tuple[Reported, ...]

    @property
    def next_step(self) -> str:
        cure = self.waiting[0].finding.cure
        return cure.next_step or cure.reason if isinstance(cure, Blocked) else ""


def missing(left: Iterable[Reported]) -> list[Missing]:
    """In the order of the findings; a value that several wait for once."""
    asked: dict[str, tuple[Any, list[Reported]]] = {}
    for reported in left:
        cure = reported.finding.cure
        if not isinstance(cure, Blocked) or not cure.config:
            continue
        for key, value in _values(tomllib.loads(cure.config)):
            known, waiting = asked.get(key, (value, []))
            if isinstance(known, list) and isinstance(value, list):
                known = [*known, *(each for each in value if each not in known)]
            asked[key] = (known, [*waiting, reported])
    return [
        _missing(key, "" if placeholder(value) else as_typed(value), waiting) for key, (value, waiting) in asked.items()
    ]


def configured(text: str, more: Mapping[str, Any], rules: Sequence[Rule], name: str, below: str = "") -> str:
    """A configuration file with more tables, `{"rules": {"hardcoded-sleep": …}}`; comments and everything else stay.

    `below` is `tool.fhfix` for a pyproject.toml. Raises ConfigError where the file, or what it would say, is not sound.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = tuple(below.split(".")) if below else ()
    wanted: Mapping[str, Any] = more
    for part in reversed(path):
        wanted = {part: wanted}
    windows = "\r\n" in text
    plain = text.replace("\r\n", "\n")
    try:
        expected = merged(tomllib.loads(plain), wanted)
        document = tomlkit.parse(plain)
        _put(document, path, more)
        candidates = [tomlkit.dumps(document)]
    except (tomllib.TOMLDecodeError, TOMLKitError, TypeError) as error:
        raise ConfigError([f"{name}: {error}; add the line by hand"]) from None
    if not path:
        # A table after dotted keys, `rules.x.y = 1`, would take what follows along.
        candidates.append("".join(f"{key} = {toml_value(value)}\n" for key, value in _values(more)) + plain)
    after = next((each for each in candidates if _says(each, expected)), None)
    if after is None:
        raise ConfigError([f"{name}: cannot be extended without changing what it says; add the line by hand"])
    table = expected
    for part in path:
        table = table[part]
    from_table(table, rules, name, f"{below}." if below else "")
    return after.replace("\n", "\r\n") if windows else after


def _says(text: str, expected: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == expected
    except tomllib.TOMLDecodeError:
        return False


def _put(document: Any, path: Sequence[str], more: Mapping[str, Any]) -> None:
    """Tables are made on the way: each with a head of its own only where it holds values."""
    import tomlkit

    table = document
    for name in path:
        if name not in table:
            table[name] = tomlkit.table(is_super_table=True)
        table = table[name]
    for name, given in more.items():
        if name not in table:
            holds_tables = all(isinstance(value, Mapping) for value in given.values())
            table[name] = tomlkit.table(is_super_table=holds_tables)
        for key, value in given.items():
            if isinstance(value, Mapping) and key not in table[name]:
                table[name][key] = tomlkit.table()
        _fill(table[name], given)


def _fill(table: Any, given: Mapping[str, Any]) -> None:
    import tomlkit

    for key, value in given.items():
        if not isinstance(value, Mapping):
            table[key] = value
            continue
        if key not in table:
            table[key] = tomlkit.inline_table()
        _fill(table[key], value)


def _values(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each option that a line of configuration sets, with its value."""
    for rule_id, options in given.get("rules", {}).items():
        for option, value in options.items():
            parts = value.items() if isinstance(value, Mapping) and value else [("", value)]
            for key, part in parts:
                names = ["rules", rule_id, option, *([key] if key else [])]
                yield ".".join(map(_name, names)), part


def _name(key: str) -> str:
    return key if _PLAIN.match(key) else toml_value(key)


def _missing(key: str, proposed: str, waiting: Sequence[Reported]) -> Missing:
    name = key.split(".")[2]
    option = next(option for option in waiting[0].rule.options if option.name == name)
    return Missing(key, proposed, option.help, option.about, tuple(waiting))
