"""A restore that goes on after an error, and ends well with a part of the data.

## Why
psql reads a dump as it reads what a person types: after an error it takes the next command, and it ends well. A dump
that was cut off, or one that meets tables which are there already, leaves a part of the rows, or all rows as they were
before, and the script says "restored". With `ON_ERROR_STOP` the first error ends psql, and with `--single-transaction`
the database is then as it was before.

A dump restores into the database that it was made of only if it drops first what it makes: `--clean --if-exists`.
Where a script beside it makes the dump these are added there, together with `--no-owner`, without which a
restore under another role fails at the first table. An archive that gzip cannot read to its end is not begun.

A restore that "worked" may fail now, on errors that nobody saw. So every fix is for review.

## When it is left alone
Files that are no dumps by their name or by what the script calls itself (a schema, seeds), restores that set
ON_ERROR_STOP or one transaction, and dumps of a whole server (`pg_dumpall`), of which some statements always fail and
none may stand in a transaction: those are reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.languages.shell import Command, Silence, Structure
from fixer.model import Blocked, Finding, Fix, Level, Rule, Tier
from fixer.recovery.scripts import DataScript, DataScripts
from fixer.scripts import ScriptText

_ALL_OR_NOTHING = ScriptText.of(" -v ON_ERROR_STOP=1 --single-transaction")
_CLEAN = ScriptText.of(" --clean --if-exists")
_CLEAN_FOR_ALL = ScriptText.of(" --clean --if-exists --no-owner")
_TEST = ScriptText.of("gzip -t @file@")
_ENDS = ScriptText.of("tail -n 20 @file@ | grep -q 'database dump complete'")
_ENDS_PACKED = ScriptText.of("gunzip -c @file@ | tail -n 20 | grep -q 'database dump complete'")
_DECOMPRESSES = frozenset(("-d", "-dc", "-cd", "--decompress"))
_PACKS = frozenset(("gzip", "pigz", "bzip2", "xz", "zstd", "tee"))
_STOPS = re.compile(r"ON_ERROR_STOP")
_OF_A_DUMP = re.compile(r"restor|back-?_?up|dump|snapshot", re.IGNORECASE)
_DROPS = re.compile(r"\bdropdb\b|\bDROP\s+(?:DATABASE|SCHEMA|OWNED)\b|manage\.py (?:flush|reset_db)", re.IGNORECASE)
_UNPACKS = frozenset(("gunzip", "gzip", "zcat", "bunzip2", "bzcat", "xzcat", "unxz", "zstd", "zstdcat", "unzip", "cat"))
_FETCHES = frozenset(("aws", "gsutil", "gpg", "openssl"))


def check(scripts: DataScripts) -> Iterator[Finding]:
    for place in scripts.scripts:
        for command in place.commands(frozenset(("psql",))):
            if _restores(place, command) and not _stops(place, command):
                yield Finding(
                    place.path,
                    place.span_of(command.start, command.end),
                    "psql goes on after an error, so a restore can end well with a part of the data",
                    _cure(place, command, scripts),
                )
        for command in place.commands(frozenset(("pg_restore",))):
            yield from _ignored(place, command)


def _restores(place: DataScript, command: Command) -> bool:
    """Whether psql is given a dump."""
    if command.has("-c", "--command", "-l", "--list") or command.here_document:
        return False
    file = _file(command)
    before = _feeders(command)
    unpacks = [each for each in before if each.name in _UNPACKS | _FETCHES]
    if not file and not unpacks:
        return False
    if file and any(_writes(each, file) for each in place.script.commands if each.start < command.start):
        return False
    called = f"{place.path.rpartition('/')[2]} {command.function} {place.step.name if place.step is not None else ''}"
    given = " ".join((file, *(each.source for each in unpacks)))
    return _OF_A_DUMP.search(f"{called} {given}") is not None or any(
        each.name in _UNPACKS - {"cat"} for each in unpacks
    )


def _writes(command: Command, file: str) -> bool:
    """Whether a command writes what stands in the script itself into a file."""
    says = command.name in ("echo", "printf") or (command.name == "cat" and command.here_document != "")
    return says and any(each.target == file and ">" in each.operator for each in command.outputs)


def _file(command: Command) -> str:
    """The file that psql reads; empty where it reads a pipe or nothing."""
    given = command.value("-f", "--file")
    if given is not None:
        return given.text
    return next((each.target for each in command.redirects if each.operator == "<"), "")


def _feeders(command: Command) -> list[Command]:
    """The commands of its pipe that stand before it."""
    start = command.pipe[0]
    return [c for c in command.script.commands if start <= c.start < command.start]


def _stops(place: DataScript, command: Command) -> bool:
    if command.has("-1", "--single-transaction") or _STOPS.search(command.source):
        return True
    # A file of settings, or a variable that holds the options
    return any("$" in word.text and "OPT" in word.text.upper() for word in command.args)


def _cure(place: DataScript, command: Command, scripts: DataScripts) -> Fix | Blocked:
    at = command.argv[0].end
    if any(dump.name == "pg_dumpall" and _is_beside(of, place) for of, dump in _dumps(scripts)):
        return Blocked(
            "a dump of a whole server makes roles that are there already, which is always an error",
            "dump the database itself, with `pg_dump --clean --if-exists`",
        )
    plain = [(of, dump) for of, dump in _dumps(scripts) if _is_source_of(dump, of, place)]
    ends = bool(plain) and all(_is_whole(dump) for _, dump in plain)
    edits = {place: [*_tested(place, command, ends), (at, at, _ALL_OR_NOTHING)]}
    effects = ["the first error ends the restore, which then leaves nothing of itself behind"]
    todo = []
    for of, dump in plain if not _makes_room(place, command) else ():
        if not dump.has("--clean", "-c"):
            end = dump.argv[0].end
            edits.setdefault(of, []).append((end, end, _CLEAN if dump.has("--no-owner", "-O") else _CLEAN_FOR_ALL))
            effects.append(f"{of.path}: a dump drops what is there before it makes it anew")
    if not plain and not _makes_room(place, command):
        todo.append("make the dump with --clean --if-exists, or restore into an empty database")
    elif len(effects) > 1:
        todo.append("dumps that are there already restore into an empty database only")
    parts = (of.splice(ranges) for of, ranges in edits.items())
    return Fix.of("restore all or nothing", *parts, tier=Tier.REVIEW, effects=effects, todo=todo)


def _dumps(scripts: DataScripts) -> Iterator[tuple[DataScript, Command]]:
    for place in scripts.scripts:
        for command in place.commands(frozenset(("pg_dump", "pg_dumpall"))):
            if not command.has("--schema-only", "--version", "-V", "--help", "-s"):
                yield place, command


def _is_source_of(dump: Command, of: DataScript, place: DataScript) -> bool:
    """Whether a dump is what a restore beside it reads: SQL, for psql, that is kept in a file."""
    given = dump.value("-F", "--format")
    is_sql = dump.name == "pg_dump" and (given is None or given.text in ("p", "plain"))
    if dump.has("--data-only", "-a", "--section"):
        return False  # with `--clean` pg_dump refuses them
    return is_sql and _is_beside(of, place) and not any(receiver.name == "psql" for receiver in dump.receivers)


def _is_whole(dump: Command) -> bool:
    """Whether what pg_dump writes, its last line too, is kept as it is."""
    return all(receiver.name in _PACKS for receiver in dump.receivers)


def _is_beside(one: DataScript, other: DataScript) -> bool:
    return one.path.rpartition("/")[0] == other.path.rpartition("/")[0]


def _makes_room(place: DataScript, command: Command) -> bool:
    """Whether the script drops the database, or its tables, before."""
    return any(_empties(other) for other in place.script.commands if other.start < command.start)


def _empties(command: Command) -> bool:
    return command.name == "dropdb" or _DROPS.search(f"{command.source}\n{command.here_document}") is not None


def _tested(place: DataScript, command: Command, ends: bool) -> list[tuple[int, int, ScriptText]]:
    """`gzip -t file` in front of `gunzip -c file | psql`: what gzip cannot read to its end is not begun. `ends`: nor
    what does not end as pg_dump ends."""
    tests = _tests(place, command, ends)
    start = command.pipe[0]
    if not tests:
        return []
    if command.choice is not None:
        if command.within(Structure.NEGATION):
            return []
        apart = " " if len(tests) == 1 else f"\n{place.indent(start)}    "
        between = ScriptText.of(" &&") + ScriptText.blanks(apart)
        return [(start, start, ScriptText.joined(between, tests) + between)]
    if command.statement[0] != start or not place.script.state(command.node).errexit:
        return []
    # Before the database is dropped, where that is what the script does first.
    beside = [other for other in place.script.commands if other.block == command.block and _empties(other)]
    start = min([start, *(other.statement[0] for other in beside)])
    line = place.script.text[:start].rpartition("\n")[2]
    between = ScriptText.blanks(f"\n{line}")
    return [] if line.strip() else [(start, start, ScriptText.joined(between, tests) + between)]


def _tests(place: DataScript, command: Command, ends: bool) -> list[ScriptText]:
    """What asks whether the file that a restore reads is whole; nothing for one that is not a file of this machine."""
    first, *others = [*_feeders(command), command]
    if len(others) > 1 or first.start != command.pipe[0]:
        return []
    stdin = [each for each in first.redirects if each.operator == "<"]
    given = [(each.start, each.end) for each in stdin if len(first.redirects) == 1]
    if first is command:
        file = place.script.part(*given[0]) if given else None
        return [_ENDS.filled(file=file)] if ends and file is not None else []
    options = {word.text for word in first.args if word.text.startswith("-")}
    given += [(word.start, word.end) for word in first.args if not word.text.startswith("-")]
    decompresses = first.name in ("gunzip", "zcat") or (first.name == "gzip" and options & _DECOMPRESSES)
    if len(given) != 1 or len(first.redirects) != len(stdin) or len(first.words) != len(first.argv):
        return []
    if not decompresses and first.name != "cat":
        return []
    file = place.script.part(*given[0])
    if not decompresses:
        return [_ENDS.filled(file=file)] if ends else []
    return [_TEST.filled(file=file), *([_ENDS_PACKED.filled(file=file)] if ends else [])]


def _ignored(place: DataScript, command: Command) -> Iterator[Finding]:
    """pg_restore, whose failure is taken for harmless."""
    if command.has("-l", "--list", "--version"):
        return
    silencer = next((each for each in place.script.silencers(command) if each.kind is Silence.OR), None)
    if silencer is not None:
        cut = " ".join(place.script.text[silencer.start : silencer.end].split())
        yield Finding(
            place.path,
            place.span_of(command.start, silencer.end),
            f"`{cut}` follows pg_restore, so a restore of a part of the data ends well",
            Blocked(
                "which errors were meant to be harmless is not written down",
                "`--clean --if-exists --no-owner --exit-on-error` has none of the usual ones; then let it fail",
            ),
            Level.WARNING,
        )


def _restores_something(scripts: DataScripts) -> bool:
    return any(
        command.name == "pg_restore" or _restores(place, command)
        for place in scripts.scripts
        for command in place.commands(frozenset(("psql", "pg_restore")))
    )


RULE = Rule(
    __name__,
    "A restore goes on after an error, and ends well with a part of the data",
    check,
    audit=("D-005.4",),
    criterion="No restore ends well with a part of the data",
    hours=(1, 2),
    level=Level.ERROR,
    applies=_restores_something,
)
