"""The configuration: `.fhfix.toml`, or `[tool.fhfix]` in pyproject.toml, and the command line.

What is said later wins: defaults, then the file, then the command line. There is one file: `--config FILE`, else
`.fhfix.toml`, else `pyproject.toml`, at the root of the repository. Everything unknown or mistyped is an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from fixer import disk
from fixer.ignores import file_ignored, ignored_by_comment
from fixer.languages.toml import toml_value
from fixer.model import Blocked, FileError, Level, Option, Profile, Reported, Rule, RuleOptions, Source, Tier
from fixer.records import record
from fixer.repository import Repository
from fixer.selectors import all_selectors, matches
from fixer.show.visible import visible

FILE = ".fhfix.toml"
_WITHOUT_DOT = "fhfix.toml"
SCHEMA = ".fhfix.schema.json"
"""Beside it, for editors."""

SETTINGS = (
    Option(
        "select", Sequence[str], (), "rules to run: ids, packs (`ci`), audit references (`D-009`, `D-009.5`), or `all`"
    ),
    Option("ignore", Sequence[str], (), "rules to leave out, named in the same ways; wins over `select`"),
    Option("exclude", Sequence[str], (), "files to leave alone, as patterns of .gitignore"),
    Option("tier", Literal["safe", "review"], "review", "`safe` takes only fixes that keep a file's meaning"),
    Option(
        "profile",
        Literal["default", "audit"],
        "default",
        "`default` is about what does not work, `audit` also about practices that are missing",
    ),
    Option("min-severity", Literal["note", "warning", "error"], "note", "leaves findings of a lower level out"),
    Option("per-path-ignores", Mapping[str, Any], {}, "patterns of .gitignore, each with rules to leave out there"),
    Option("rules", Mapping[str, Any], {}, "options of rules, `rules.<id>.<option>`"),
)

Filter = Callable[[Reported, Source], bool]


class ConfigError(Exception):
    """Everything that is wrong with a configuration, one line each: a usage error, exit code 2."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


@record
class Config:
    """Values that are known to be sound. `origin` is the file that they come from, empty for none; `inherited` are
    patterns that come from elsewhere, `asked` those of the command line."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    tier: Tier = Tier.REVIEW
    profile: Profile = Profile.DEFAULT
    min_severity: Level = Level.NOTE
    per_path_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origin: str = ""
    filters: tuple[Filter, ...] = ()
    inherited: frozenset[str] = frozenset()
    asked: tuple[str, ...] = ()

    def options_for(self, rule: Rule) -> RuleOptions:
        return rule.options_type.of(self.rules.get(rule.id, {}))

    def selects(self, rule: Rule) -> bool:
        chosen = not self.select or any(matches(selector, rule) for selector in self.select)
        return chosen and not any(matches(selector, rule) for selector in self.ignore)

    @property
    def tiers(self) -> frozenset[Tier]:
        return frozenset({Tier.SAFE}) if self.tier is Tier.SAFE else frozenset(Tier)

    def excludes(self, path: str) -> bool:
        """Whether `exclude` names this file; problems with such a file are not worth a word either."""
        return bool(self.exclude) and _matches_path(self.exclude, path)

    @property
    def patterns(self) -> tuple[str, ...]:
        """Of `exclude` and `per-path-ignores`, as far as the repository itself has them."""
        elsewhere = {*self.inherited, *self.asked}
        return tuple(p for p in dict.fromkeys((*self.exclude, *self.per_path_ignores)) if p not in elsewhere)

    def idle_patterns(self, repository: Repository) -> tuple[str, ...]:
        """Patterns of `exclude` and `per-path-ignores` that match no file, not even one that does not count."""
        return _idle(self.patterns, repository)

    def asked_in_vain(self, repository: Repository) -> tuple[str, ...]:
        """The same of the patterns that the command line leaves out."""
        return _idle(self.asked, repository)

    def leaves_alone(self, rule: Rule, source: Source) -> bool:
        """Whether a rule has no business with a file, by `exclude`, `per-path-ignores` or a comment in the file."""
        if self.excludes(source.path) or file_ignored(rule, source):
            return True
        return any(
            any(matches(selector, rule) for selector in selectors) and _matches_path((pattern,), source.path)
            for pattern, selectors in self.per_path_ignores.items()
        )

    def wants(self, reported: Reported, source: Source) -> bool:
        """Whether a finding counts: not excluded by its path, a comment in the file, or a filter."""
        if self.leaves_alone(reported.rule, source) or not self._matters(reported):
            return False
        if ignored_by_comment(reported, source):
            return False
        return all(wanted(reported, source) for wanted in self.filters)

    def _matters(self, reported: Reported) -> bool:
        """By level and profile. Who names a rule wants it, whatever profile it is of."""
        if reported.level.rank > self.min_severity.rank:
            return False
        practice = reported.rule.profile is Profile.AUDIT and reported.level is Level.NOTE
        return not practice or self.profile is Profile.AUDIT or bool(self.select)

    def with_command_line(
        self,
        rules: Sequence[Rule],
        *,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        exclude: Sequence[str] = (),
        tier: Tier | None = None,
        profile: Profile | None = None,
        min_severity: Level | None = None,
        options: Sequence[str] = (),
        filters: Sequence[Filter] = (),
    ) -> Config:
        """What the command line says on top. `select` replaces both lists of the file, since who names a rule wants
        it to run; `ignore` and `exclude` add; `options` are `rules.<id>.<option>=<TOML value or plain text>`."""
        errors = [*_bad_selectors("--select", select, rules), *_bad_selectors("--ignore", ignore, rules)]
        given: Mapping[str, Any] = self.rules
        for assignment in options:
            try:
                given = merged(given, _from_assignment(assignment, rules))
            except ConfigError as error:
                errors += error.errors
        for pattern in exclude:
            errors += _bad_pattern("--exclude ", pattern)
        if errors:
            raise ConfigError(errors)
        return replace(
            self,
            select=tuple(select) or self.select,
            ignore=(() if select else self.ignore) + tuple(ignore),
            exclude=self.exclude + tuple(exclude),
            asked=self.asked + tuple(p for p in exclude if p not in self.exclude),
            tier=tier or self.tier,
            profile=profile or self.profile,
            min_severity=min_severity or self.min_severity,
            rules=given,
            filters=self.filters + tuple(filters),
        )


def load_config(
    root: Path,
    explicit: Path | None = None,
    rules: Sequence[Rule] | None = None,
    below: Mapping[str, Any] | None = None,
) -> Config:
    """The configuration of a repository. Raises ConfigError, which says all that is wrong at once.

    `below` is a table of the same keys over which the repository's own is laid, for a fleet say.
    """
    table, name, prefix = _own_table(root, explicit)
    if not name and not below:
        return Config()
    if rules is None:
        from fixer.registry import all_rules

        rules = all_rules()
    found = from_table(laid_over(below or {}, table), rules, name, prefix)
    inherited = (*(below or {}).get("exclude", ()), *(below or {}).get("per-path-ignores", ()))
    return replace(found, inherited=frozenset(inherited))


def _own_table(root: Path, explicit: Path | None) -> tuple[Mapping[str, Any], str, str]:
    """What the repository's own file says, the file's name, and what its keys begin with; empty for no file."""
    path = explicit or root / FILE
    # A link that is broken is there, and wrong.
    if explicit is None and not os.path.lexists(path):
        if os.path.lexists(root / _WITHOUT_DOT):
            raise ConfigError(
                [f"{_WITHOUT_DOT}: not read, since the name is {FILE}; rename it, or name it by --config"]
            )
        path = root / "pyproject.toml"
        if not os.path.lexists(path):
            return {}, "", ""
    name = path.name if path.parent == root else str(path)
    text = _read(path, name)
    if explicit is None and path.name == "pyproject.toml" and b"fhfix" not in text:
        return {}, "", ""  # whatever else is wrong with it, a template for instance, is not our matter
    table = _parse(text, name)
    if path.name == "pyproject.toml" or (explicit and "fhfix" in _table(table.get("tool"))):
        found = _table(table.get("tool")).get("fhfix")
        if found is None and explicit is None:
            return {}, "", ""
        if not isinstance(found, dict):
            raise ConfigError([f"{name}: has no table [tool.fhfix]"])
        return found, name, "tool.fhfix."
    return table, name, ""


def from_table(table: Mapping[str, Any], rules: Sequence[Rule], name: str = FILE, prefix: str = "") -> Config:
    """The configuration that a parsed file says."""
    errors: list[str] = []
    for key in table:
        if key not in {setting.name for setting in SETTINGS}:
            errors.append(f"{prefix}{key}: unknown key{_suggestion(key, [s.name for s in SETTINGS])}")
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        value = table.get(setting.name, setting.default)
        wrong = _wrong_type(setting.kind, value)
        if wrong:
            errors.append(f"{prefix}{setting.name}: {wrong}")
            value = setting.default
        values[setting.name] = tuple(value) if isinstance(value, list) else value
    per_path = values["per-path-ignores"]
    for pattern, selectors in per_path.items():
        if isinstance(selectors, list) and _texts(selectors):
            errors += _bad_selectors(f"{prefix}per-path-ignores.{pattern!r}", selectors, rules)
        else:
            errors.append(f"{prefix}per-path-ignores.{pattern!r}: must be a list of rules")
    for key in ("select", "ignore"):
        errors += _bad_selectors(prefix + key, values[key], rules)
    errors += _bad_options(prefix, values["rules"], rules)
    for pattern in (*values["exclude"], *per_path):
        errors += _bad_pattern(prefix, pattern)
    if errors:
        raise ConfigError(f"{name}: {error}" for error in errors)
    return Config(
        values["select"],
        values["ignore"],
        values["exclude"],
        Tier(values["tier"]),
        Profile(values["profile"]),
        Level(values["min-severity"]),
        {pattern: tuple(selectors) for pattern, selectors in per_path.items()},
        {rule_id: {key: _frozen(value) for key, value in given.items()} for rule_id, given in values["rules"].items()},
        name,
    )


# -- the schema for editors ---------------------------------------------------------------------------------------


def json_schema(rules: Sequence[Rule]) -> dict[str, Any]:
    """JSON schema (draft 7, which editors for TOML know) of `.fhfix.toml`."""
    named = {"type": "array", "items": {"enum": list(dict.fromkeys(all_selectors(rules)))}}
    texts = {"type": "array", "items": {"type": "string"}}
    shapes: dict[str, dict[str, Any]] = {
        "select": named,
        "ignore": named,
        "exclude": texts,
        "tier": {"enum": [str(tier) for tier in Tier]},
        "profile": {"enum": [str(profile) for profile in Profile]},
        "min-severity": {"enum": [str(level) for level in Level]},
        "per-path-ignores": {"type": "object", "additionalProperties": named},
        "rules": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                rule.id: {
                    "type": "object",
                    "description": rule.summary,
                    "additionalProperties": False,
                    "properties": {option.name: _option_schema(option) for option in rule.options},
                }
                for rule in rules
                if rule.options
            },
        },
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of fhfix (.fhfix.toml, or [tool.fhfix] in pyproject.toml)",
        "type": "object",
        "additionalProperties": False,
        "properties": {setting.name: {"description": setting.help, **shapes[setting.name]} for setting in SETTINGS},
    }


def schema_text(rules: Sequence[Rule]) -> str:
    import json

    return json.dumps(json_schema(rules), indent=2, ensure_ascii=False) + "\n"


_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", Sequence: "array", Mapping: "object"}


def _option_schema(option: Option) -> dict[str, Any]:
    default = list(option.default) if isinstance(option.default, tuple) else option.default
    return {"description": option.help, **_type_schema(option.kind), "default": default}


def _type_schema(kind: Any) -> dict[str, Any]:
    if kind is Any:
        return {}
    if get_origin(kind) in (Union, UnionType):
        return {"anyOf": [_type_schema(part) for part in get_args(kind)]}
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    outer = get_origin(kind) or kind
    schema: dict[str, Any] = {"type": _JSON_TYPES[outer]}
    if outer is Sequence:
        schema["items"] = _type_schema(get_args(kind)[0])
    if outer is Mapping:
        schema["additionalProperties"] = _type_schema(get_args(kind)[1])
    return schema


# -- the file that `fhfix init` writes ----------------------------------------------------------------------------


def starting_text(
    rules: Sequence[Rule], left: Iterable[Reported], inferred: Iterable[str] = (), schema: str = ""
) -> str:
    """A commented configuration: what was inferred, every value that a blocked finding asks for, and the rest.

    `schema` is where editors find its schema, empty for nowhere:
    https://taplo.tamasfe.dev/configuration/directives.html
    """
    lines = [
        *([f"#:schema {schema}", ""] if schema else []),
        "# Configuration of fhfix. Every line is optional; what is commented out is the default.",
        "# Below [tool.fhfix] in pyproject.toml the same keys work.",
        "",
    ]
    facts = [_comment(line, "#   ") for line in inferred]
    if facts:
        lines += ["# Found in this repository:", *facts, ""]
    for setting in SETTINGS[:-2]:
        lines += [f"# {setting.help}", f"# {setting.name} = {toml_value(setting.default)}", ""]
    asked = _asked_for(left)
    if asked:
        lines.append("# Findings wait for these values: fill them in and take the `#` away.")
        for line, reasons in asked.items():
            lines += [*map(_comment, reasons), *map(_comment, line.split("\n")), ""]
    lines.append("# Options of rules, with their defaults.")
    for rule in rules:
        for option in rule.options:
            key = f"rules.{rule.id}.{option.name} = "
            whole = (key, f"rules.{rule.id}.{option.name}.")  # or a part of its table
            if not any(part.startswith(whole) for line in asked for part in line.splitlines()):  # TOML takes a key once
                choices = f" ({', '.join(option.choices)})" if option.choices else ""
                lines.append(f"# {key}{toml_value(option.default)}  # {option.help.rstrip('.')}{choices}")
    lines += ["", "# Rules to leave out below a path:", "# [per-path-ignores]", '# "examples/**" = ["ci"]', ""]
    return "\n".join(lines)


def _comment(text: str, mark: str = "# ") -> str:
    """One line, whatever the text holds: a name in it must not end the comment."""
    return f"{mark}{visible(text)}"


def _asked_for(left: Iterable[Reported]) -> dict[str, list[str]]:
    asked: dict[str, list[str]] = {}
    for reported in left:
        config = getattr(reported.finding.cure, "config", "")
        if config:
            reason = f"{reported.finding.path}: {' '.join(reported.finding.message.split())}"
            reasons = asked.setdefault(config, [])
            if reason not in reasons:
                reasons.append(reason)
    return asked


def together(found: Iterable[Reported], config: Config) -> tuple[Reported, ...]:
    """The findings, with configuration lines that can all be pasted into one file.

    TOML takes a key once: where several findings add to one list or table, each gets the line with what all of them
    add, and with what is configured already.
    """
    reported = tuple(found)
    added: dict[tuple[str, str], Any] = {}
    for rule_id, name, value in (said for each in reported for line in _lines_of(each) for said in _inline(line)):
        known = added.get((rule_id, name), config.rules.get(rule_id, {}).get(name, type(value)()))
        if isinstance(value, Mapping):
            added[rule_id, name] = {**known, **value} if isinstance(known, Mapping) else value
        else:
            added[rule_id, name] = list(dict.fromkeys((*known, *value))) if not isinstance(known, str) else value
    return tuple(_with_lines(each, [_joined_line(line, added) for line in _lines_of(each)]) for each in reported)


def _lines_of(reported: Reported) -> list[str]:
    cure = reported.finding.cure
    return cure.config.splitlines() if isinstance(cure, Blocked) else []


def _inline(line: str) -> list[tuple[str, str, Any]]:
    """Rule, option and value of a line that gives a whole list or table; none for another line."""
    import tomllib

    key, _, written = line.partition(" = ")
    if key.count(".") != 2 or written[:1] not in ("[", "{"):
        return []
    _, rule_id, name = key.split(".")
    return [(rule_id, name, tomllib.loads(f"value = {written}")["value"])]


def _joined_line(line: str, added: Mapping[tuple[str, str], Any]) -> str:
    for rule_id, name, value in _inline(line):
        if added[rule_id, name] != value:
            return f"rules.{rule_id}.{name} = {toml_value(added[rule_id, name])}"
    return line


def _with_lines(reported: Reported, lines: Sequence[str]) -> Reported:
    cure = reported.finding.cure
    if not lines or not isinstance(cure, Blocked):
        return reported
    return reported.with_cure(replace(cure, config="\n".join(lines)))


# -- what can be wrong --------------------------------------------------------------------------------------------


def parsed(file: Path) -> dict[str, Any]:
    """A file of TOML as it is. Raises ConfigError."""
    return _parse(_read(file, str(file)), str(file))


def _read(path: Path, name: str) -> bytes:
    """Links may have come with the repository, and are not followed: whoever wants one names its target."""
    try:
        return disk.read(path.parent, path.name)[0]
    except FileNotFoundError as error:
        raise ConfigError([f"{name}: cannot be read: {error.strerror}"]) from None
    except FileError as error:
        raise ConfigError([f"{name}: {error.reason}"]) from None


def _parse(data: bytes, name: str) -> dict[str, Any]:
    import tomllib  # late: many repositories have no configuration

    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{name}: not TOML: {error}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{name}: not UTF-8"]) from None
    except (RecursionError, ValueError) as error:  # a number of ten thousand digits, say
        why = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ConfigError([f"{name}: not TOML: {why}"]) from None


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _from_assignment(assignment: str, rules: Sequence[Rule]) -> dict[str, dict[str, Any]]:
    table = assigned(assignment)
    errors = _bad_options("", table, rules)
    if errors:
        raise ConfigError(f"--set {error}" for error in errors)
    return {rule_id: {name: _frozen(value) for name, value in given.items()} for rule_id, given in table.items()}


def assigned(assignment: str) -> dict[str, dict[str, Any]]:
    """`rules.<id>.<option>=<value>` as a table by rule and option; what is no value of TOML is a text.

    An option that is a table takes one more name: `rules.<id>.<option>.<key>=<value>`.
    """
    import tomllib

    key, equals, text = (part.strip() for part in assignment.partition("="))
    table: dict[str, Any] = {}
    for value in (text, toml_value(text)):
        with suppress(tomllib.TOMLDecodeError):
            table = _table(tomllib.loads(f"{key} = {value}").get("rules"))
            break
    if not equals or not table or not all(isinstance(options, dict) for options in table.values()):
        raise ConfigError([f"--set {assignment}: must be rules.<id>.<option>=<value>"])
    return table


def as_typed(value: Any) -> str:
    """A value as `--set` takes it: a text without quotes, unless it would be read as something else."""
    import tomllib

    if isinstance(value, str):
        try:
            tomllib.loads(f"value = {value}")
        except tomllib.TOMLDecodeError:
            return value
    return toml_value(value)


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both tables; where both have a value, that of the second, and where both have a table, both again."""
    both = dict(first)
    for key, value in second.items():
        there = both.get(key)
        if isinstance(there, Mapping) and isinstance(value, Mapping):
            both[key] = merged(there, value)
        else:
            both[key] = value
    return both


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two configurations, one over the other. What either leaves out is left out; of all else the upper one counts."""
    both = merged(below, above)
    for key in ("ignore", "exclude"):
        both |= _added(key, below, above)
    lower, upper = below.get("per-path-ignores"), above.get("per-path-ignores")
    if isinstance(lower, Mapping) and isinstance(upper, Mapping):
        for pattern in lower:
            both["per-path-ignores"] |= _added(pattern, lower, upper)
    return both


def _added(key: str, below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The lists that two tables have by a key, as one; nothing where one of them has none, or another thing."""
    first, second = below.get(key), above.get(key)
    if not (isinstance(first, list) and isinstance(second, list) and _texts(both := [*first, *second])):
        return {}
    return {key: [*dict.fromkeys(both)]}


def _bad_selectors(where: str, given: Iterable[str], rules: Sequence[Rule]) -> list[str]:
    unknown = [selector for selector in given if not any(matches(selector, rule) for rule in rules)]
    known = list(dict.fromkeys(all_selectors(rules))) if unknown else []
    return [
        f"{where}: no rule, pack or audit reference is called {selector!r}{_suggestion(selector, known)}"
        for selector in unknown
    ]


def _bad_options(prefix: str, tables: Mapping[str, Any], rules: Sequence[Rule]) -> list[str]:
    errors: list[str] = []
    by_id = {rule.id: rule for rule in rules}
    for rule_id, given in tables.items():
        where = f"{prefix}rules.{rule_id}"
        rule = by_id.get(rule_id)
        if rule is None:
            errors.append(f"{where}: no such rule{_suggestion(rule_id, list(by_id))}")
        elif not isinstance(given, dict):
            errors.append(f"{where}: must be a table of options")
        else:
            options = {option.name: option for option in rule.options}
            for key, value in given.items():
                if key not in options:
                    known = _suggestion(key, list(options)) or (
                        f"; it has {', '.join(options)}" if options else "; it has none"
                    )
                    errors.append(f"{where}.{key}: no such option{known}")
                elif wrong := _wrong_type(options[key].kind, value):
                    errors.append(f"{where}.{key}: {wrong}")
                elif unfilled := next(filter(placeholder, _texts_in(value)), ""):
                    errors.append(f"{where}.{key}: {unfilled!r} is a placeholder, not a value")
    return errors


_PLACEHOLDER = re.compile(
    r"\s*(?:…|\.{3}|<[^<>]+>|to-?do|fixme|tbd|(?:change|replace)[-_]?me|your[-_][\w-]+"
    r"|\w+://(?:[^/@\s]*@)?(?:…|\.{3}|<[^<>/]+>|your[-_][\w.-]+|(?:[\w-]+\.)*example\.(?:com|org|net))(?::\d+)?(?:/\S*)?)\s*",
    re.IGNORECASE,
)


def placeholder(value: Any) -> bool:
    """Whether a value stands for another one: `…`, `<name>` or `your-name` alone, or in the place of a host.

    RFC 2606 keeps the domains for examples.
    """
    return isinstance(value, str) and _PLACEHOLDER.fullmatch(value) is not None


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts_in(inner)


# In this order, since true and false are whole numbers for Python.
_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Sequence: "a list",
    Mapping: "a table",
}

_ACCEPTED: Mapping[Any, Any] = {Sequence: (list, tuple), Mapping: (dict,), float: (int, float)}


def _wrong_type(kind: Any, value: Any) -> str:
    """Why a value is not of the type that an option has; empty where it is."""
    if kind is Any:
        return ""
    if get_origin(kind) in (Union, UnionType):
        parts = get_args(kind)
        alike = next((part for part in parts if _is_a(_outer(part), value)), None)
        return _wrong_type(alike, value) if alike is not None else f"must be {_word(kind)}, not {_got(value)}"
    if not _is_a(_outer(kind), value):
        return f"must be {_word(kind)}, not {_got(value)}"
    if get_origin(kind) is Literal and value not in get_args(kind):
        known = [text for text in get_args(kind) if text]
        return f"must be one of {', '.join(known)}, not {value!r}{_suggestion(value, known)}"
    if _outer(kind) is Sequence and any(_wrong_type(get_args(kind)[0], item) for item in value):
        return f"must be a list, each item {_word(get_args(kind)[0])}"
    if _outer(kind) is Mapping:
        for key, item in value.items():
            if wrong := _wrong_type(get_args(kind)[1], item):
                return f"{key}: {wrong}"
    return ""


def _outer(kind: Any) -> Any:
    """Sequence for `Sequence[str]`, and str for a choice of texts."""
    return str if get_origin(kind) is Literal else get_origin(kind) or kind


def _is_a(outer: Any, value: Any) -> bool:
    return isinstance(value, _ACCEPTED.get(outer, outer)) and (outer is bool or not isinstance(value, bool))


def _word(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(map(_word, get_args(kind)))
    return _WORDS[_outer(kind)]


def _got(value: Any) -> str:
    for kind, word in _WORDS.items():
        if isinstance(value, _ACCEPTED.get(kind, kind)) and kind is not float:
            return word
    return "a number" if isinstance(value, float) else type(value).__name__


def _suggestion(word: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, known, 1, 0.6)
    return f"; did you mean {str(close[0])!r}?" if close else ""


def _texts(value: Any) -> bool:
    return all(isinstance(item, str) for item in value)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _bad_pattern(prefix: str, pattern: str) -> list[str]:
    try:
        _matches_path((pattern,), "x")
    except ValueError as error:
        return [f"{prefix}{pattern!r}: not a pattern: {error}"]
    return []


def _idle(patterns: tuple[str, ...], repository: Repository) -> tuple[str, ...]:
    names = repository.all_names() if patterns else ()
    return tuple(pattern for pattern in patterns if not any(_matches_path((pattern,), name) for name in names))


def _matches_path(patterns: tuple[str, ...], path: str) -> bool:
    return bool(_specification(patterns).match_file(path))


@cache
def _specification(patterns: tuple[str, ...]) -> Any:
    from pathspec import GitIgnoreSpec  # late: most repositories have no pattern

    made = GitIgnoreSpec.from_lines(patterns)
    for pattern in made.patterns:
        if pattern.regex is not None:
            pattern.regex = re.compile(_FIRST.sub(r"(?>[^/]*?\1)", pattern.regex.pattern))
    return made


_FIRST = re.compile(r"\[\^/\]\*((?:(?:[\w-]|\\\W|\[(?:[^]\\]|\\.)+\])(?![*+?]))+)(?=\[\^/\]\*)")
"""A star and the text behind it, where another star follows. Where that text stands first is as good as anywhere, so
there is nothing to try again: otherwise each star would multiply the time with the length of the name."""
