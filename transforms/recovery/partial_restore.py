"""A restore that goes on after an error, and ends well with a part of the data.

## Why
psql reads a dump as it reads what a person types: after an error it takes the next command, and it ends well. A dump
that was cut off, or one that meets tables which are there already, leaves a part of the rows, or all rows as they were
before, and the script says "restored". With `ON_ERROR_STOP` the first error ends psql, and with `--single-transaction`
the database is then as it was before.

A dump restores into the database that it was made of only if it drops first what it makes: `--clean --if-exists`. Where
a script beside it makes the dump these are added there, together with `--no-owner` unless a superuser restores, who
makes everything its owner's again. An archive that cannot be read to its end is not begun; where the script drops the
database first, that is asked before.

A restore that "worked" may fail now, on errors that nobody saw. So every fix is for review.

## When it is left alone
Files that are no dumps by their name or by what the script calls itself (a schema, seeds), restores that set
ON_ERROR_STOP or one transaction, and dumps of a whole server (`pg_dumpall`), of which some statements always fail and
none may stand in a transaction: those are reported. So are restores of which no script beside them, that signs in
alike, makes the dumps, those behind which a service is started again or a folder cleaned up, those that are decided on
when the database is dropped already, dumps of a part or with `--create`, and those of a role that may not own the
extensions that the repository asks for: where a dump names what is not there, or is another's, a restore has always had
errors, and works all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.languages.shell import Command, Silence, Structure
from fixer.model import Blocked, Finding, Fix, Level, Rule, Tier
from fixer.recovery.aftermath import files_of, in_short, stays_undone
from fixer.recovery.scripts import DataScript, DataScripts, Splices
from fixer.scripts import ScriptText

_ALL_OR_NOTHING = ScriptText.of(" -v ON_ERROR_STOP=1 --single-transaction")
_CLEAN = ScriptText.of(" --clean --if-exists")
_CLEAN_FOR_ALL = ScriptText.of(" --clean --if-exists --no-owner")
_IF_EXISTS = ScriptText.of(" --if-exists")
_ENDS = ScriptText.of("tail -n 20 @file@ | grep -q 'database dump complete'")
_OR_SAYS = ScriptText.of(" || { echo 'the dump is not whole' >&2; @failure@; }")
_ENDS_PACKED = ScriptText.of("@unpack@ @file@ | tail -n 20 | grep -q 'database dump complete'")
_ARCHIVES = {
    ("gunzip", "zcat", "gzip"): (ScriptText.of("gzip -t @file@"), ScriptText.of("gunzip -c")),
    ("bunzip2", "bzcat", "bzip2"): (ScriptText.of("bzip2 -t @file@"), ScriptText.of("bunzip2 -c")),
    ("unxz", "xzcat", "xz"): (ScriptText.of("xz -t @file@"), ScriptText.of("unxz -c")),
    ("unzstd", "zstdcat", "zstd"): (ScriptText.of("zstd -tq @file@"), ScriptText.of("unzstd -c")),
}
"""By the programs that unpack an archive: what reads it to its end, and what writes what is in it."""
_PACKERS = frozenset(("gzip", "bzip2", "xz", "zstd"))
_DECOMPRESSES = frozenset(("-d", "-dc", "-cd", "--decompress"))
_PACKS = _PACKERS | {"pigz", "tee"}
_STOPS = re.compile(r"ON_ERROR_STOP")
_OF_A_DUMP = re.compile(r"restor|back-?_?up|dump|snapshot", re.IGNORECASE)
_RESTORES = re.compile(r"restor", re.IGNORECASE)
_MAKES = re.compile(r"\bcreatedb\b|\bCREATE\s+(?:DATABASE|SCHEMA)\b", re.IGNORECASE)
_DROPS = re.compile(r"\bdropdb\b|\bDROP\s+(?:DATABASE|SCHEMA|OWNED)\b|manage\.py (?:flush|reset_db)", re.IGNORECASE)
_ADDRESS = re.compile(r"://|UR[IL]|DSN|CONN", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{?(?P<name>\w+)\}?")
_SAYS = re.compile(r"(?:^|_)(?:say|log|info|warn|warning|msg|message|print|echo|note|step|status|notice)(?:_|$)")
"""What functions are called that tell people what a script does."""
_WIDTH = 100
"""Columns from which on conditions stand below each other."""
_VALUED = frozenset((
    "-c", "--command", "-d", "--dbname", "-f", "--file", "-v", "--set", "--variable", "-L", "--log-file", "-o",
    "--output", "-F", "--field-separator", "-P", "--pset", "-R", "--record-separator", "-T", "--table-attr", "-h",
    "--host", "-p", "--port", "-U", "--username",
))  # fmt: skip
"""Options of psql behind which a value stands."""
_UNPACKS = frozenset((*(name for names in _ARCHIVES for name in names), "unzip", "cat"))
_OF_A_PART = (
    "-t", "--table", "-T", "--exclude-table", "-n", "--schema", "-N", "--exclude-schema", "--exclude-table-data",
)  # fmt: skip
"""Options of pg_dump by which it leaves something out."""
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
    if _RESTORES.search(called) is not None or _OF_A_DUMP.search(given) is not None:
        return True
    return any(each.name in _UNPACKS - {"cat"} for each in unpacks)


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
    near = [dump for of, dump in _dumps(scripts) if _is_beside(of, place)]
    far = [dump for of, dump in _dumps(scripts) if dump.name == "pg_dumpall"]
    if any(dump.name == "pg_dumpall" for dump in near) or (far and not near):
        return Blocked(
            "a dump of a whole server makes roles that are there already, which is always an error",
            "dump the database itself, with `pg_dump --clean --if-exists`",
        )
    if not near and _database(command) == "postgres":
        return Blocked(
            "what is restored into the database postgres may be a dump of a whole server, which never restores all",
            "dump the database itself, with `pg_dump --clean --if-exists`, and name it here",
        )
    made = [(of, dump) for of, dump in _dumps(scripts) if _is_sql(dump) and _is_beside(of, place)]
    made = [(of, dump) for of, dump in made if of.path != place.path or not _keeps_what_was(dump, command)]
    beside = [(of, dump) for of, dump in made if _is_alike(of, dump, place, command)]
    if not beside or not _is_of(command, [dump for _, dump in beside]):
        return _of_unknown(place, made if not beside else [])
    before = [(of, dump) for of, dump in _dumps(scripts) if of.path == place.path and (of, dump) not in made]
    beside += [(of, dump) for of, dump in before if _is_sql(dump) and _is_alike(of, dump, place, command)]
    superuser = _is_superuser(place, command)
    if scripts.extension and not superuser:
        return Blocked(
            f"{scripts.extension} asks for an extension, and whether the role that restores owns it is not known: if"
            " not, every restore would end at that",
            "restore as its owner, with `psql -v ON_ERROR_STOP=1 --single-transaction`",
        )
    fresh = _makes_room(place, command)
    if (unfit := _unfit(place, command) or _unfit_dumps([dump for _, dump in beside], fresh=fresh)) is not None:
        return unfit
    ends = all(_is_whole(dump) for _, dump in beside)
    tested = _tested(place, command, ends)
    if not fresh and not tested:
        return Blocked(
            f"a dump of {beside[0][0].path} that broke off would drop all that is there, and give back a part",
            "ask whether `database dump complete` is among its last lines before it is restored, then let pg_dump write"
            " --clean --if-exists",
        )
    stopping = _stopping(place, command)
    if isinstance(tested, Blocked):
        return tested
    if isinstance(stopping, Blocked):
        return stopping
    edits = {place: [*tested, *stopping, (at, at, _ALL_OR_NOTHING)]}
    effects = ["the first error ends the restore, which then leaves nothing of itself behind"]
    todo = []
    for of, dump in beside:
        if fresh and not _only_drops(dump):
            continue
        missing = (
            _IF_EXISTS
            if dump.has("--clean", "-c")
            else _CLEAN  # a superuser makes everything its owner's again
            if superuser or dump.has("--no-owner", "-O")
            else _CLEAN_FOR_ALL
        )
        if not (dump.has("--clean", "-c") and dump.has("--if-exists")):
            end = dump.argv[0].end
            edits.setdefault(of, []).append((end, end, missing))
            effects.append(f"{of.path}: a dump drops what is there, if it is there, before it makes it anew")
    if not superuser:
        todo.append("if the database has extensions, restore as the role that owns them")
    if any(not _signs_in(of, dump)[2] for of, dump in beside):
        todo.append("restore once to try it: pg_dump 17 and later write a setting that older servers refuse")
    if len(effects) > 1 and fresh:
        todo.append("dumps that are there already restore only where all is that they drop")
    elif len(effects) > 1:
        todo.append("dumps that are there already restore into an empty database only")
    parts = (of.splice(sorted(ranges)) for of, ranges in edits.items())
    return Fix.of("restore all or nothing", *parts, tier=Tier.REVIEW, effects=effects, todo=todo)


def _is_of(command: Command, dumps: list[Command]) -> bool:
    """Whether a file that has one name alone is one that these dumps write: it has their name, or they write files by
    the day, say, into its folder."""
    first = [*_feeders(command), command][0]
    named = [_file(command), *(each.target for each in first.redirects if each.operator == "<")]
    named += [] if first is command else [each.text for each in first.args if not each.text.startswith("-")]
    for file in filter(None, named):
        folder, _, name = file.rpartition("/")
        if not re.search(r"[$*?`]", name):
            written = [each.rpartition("/") for dump in dumps for each in files_of(dump)]
            if not any(other == name or (of == folder and re.search(r"[$`]", other)) for of, _, other in written):
                return False
    return True


def _unfit(place: DataScript, command: Command) -> Blocked | None:
    """Why ending a script where a restore fails would do more than that, or where no dump can be asked before."""
    if (more := place.ends_more) is not None:
        return more
    if command.within(Structure.LOOP):
        return Blocked("it is one of several restores of a loop", "let the script fail when all of them are made")
    apart = [each for each in _drops(place, command) if not command.follows(each)]
    if apart:
        return Blocked(
            f"`{in_short(apart[0])}` and this restore do not always run together, so whether its dump is whole cannot"
            " be asked before",
            "ask whether the dump is whole before anything is dropped, then restore with"
            " `psql -v ON_ERROR_STOP=1 --single-transaction`",
        )
    text, choice = place.script.text, command.choice
    ends_anyway = place.script.fails_within(command.pipe[1], command.statement[1]) or (
        choice is not None and choice.failed is not None and place.script.fails_within(*choice.failed)
    )
    behind_another = text[command.statement[0] : _start(place, command)].strip(" !(")
    if behind_another and not command.within(Structure.CONDITION):
        return Blocked(
            "it stands behind `&&` or `||`, where a dump that is not whole would be passed over in silence",
            "let it be a statement of its own, then run fhfix again",
        )
    return None if ends_anyway else stays_undone(command, files_of(command))


def _unfit_dumps(dumps: list[Command], *, fresh: bool) -> Blocked | None:
    """Why a dump does not restore as a whole, if so."""
    for dump in dumps:
        if dump.has("--create", "-C"):
            return Blocked(
                "its dumps make the database themselves, which no transaction may hold",
                "dump without --create, or restore with `psql -v ON_ERROR_STOP=1` alone",
            )
        if not fresh and dump.has(*_OF_A_PART):
            return Blocked(
                "its dumps hold a part of the database, and what else is there may hang on what they would drop",
                "restore them into an empty database, with `psql -v ON_ERROR_STOP=1 --single-transaction`",
            )
    return None


def _of_unknown(place: DataScript, made: list[tuple[DataScript, Command]]) -> Blocked:
    """Dumps that name roles or extensions which are not here restore with errors, always, and well all the same."""
    if made:
        of, dump = made[0]
        return Blocked(
            f"{of.path} does not sign in as this script does: where its dumps name roles that are not here, every"
            " restore would end at that",
            "dump with --no-owner --no-privileges, and restore with `psql -v ON_ERROR_STOP=1 --single-transaction`"
            if not dump.has("--no-owner", "-O")
            else "dump with --no-privileges, too, and restore with `psql -v ON_ERROR_STOP=1 --single-transaction`",
        )
    return Blocked(
        f"no script beside {place.path} makes its dumps: where they name roles or extensions that are not here, every"
        " restore would end at that",
        "dump with --clean --if-exists --no-owner --no-privileges, and restore with"
        " `psql -v ON_ERROR_STOP=1 --single-transaction`",
    )


def _keeps_what_was(dump: Command, restore: Command) -> bool:
    """Whether a dump of the same script is made right before a restore, of what is there by then."""
    return dump.start < restore.start and dump.function == restore.function and dump.case == restore.case


def _is_alike(of: DataScript, dump: Command, place: DataScript, restore: Command) -> bool:
    """Whether what a dump names is there where it is restored: the same role on the same server, or neither named."""
    if dump.has("--no-owner", "-O") and dump.has("--no-privileges", "--no-acl", "-x"):
        return True
    return _signs_in(of, dump) == _signs_in(place, restore)


def _is_superuser(place: DataScript, command: Command) -> bool:
    """Whether it signs in as the role that the server's image makes, or within its container, where none but that is
    usual."""
    role, _, within, _ = _signs_in(place, command)
    started = {word.text for word in command.words[: len(command.words) - len(command.argv)]}
    return (
        "POSTGRES_USER" in role or role == "postgres" or (bool(within) and "exec" in started) or "postgres" in started
    )


def _signs_in(place: DataScript, command: Command) -> tuple[str, ...]:
    """The role, the host and the container by which a command reaches its database; its address, where it has one."""
    before = command.words[: len(command.words) - len(command.argv)]
    user, host = command.value("-U", "--username"), command.value("-h", "--host")
    database = _resolved(place, _database(command))
    return (
        _resolved(place, user.text if user is not None else "$PGUSER"),
        _resolved(place, host.text if host is not None else "$PGHOST"),
        _resolved(place, before[-1].text) if before else "",
        database if _ADDRESS.search(database) else "",
    )


def _resolved(place: DataScript, text: str) -> str:
    """What a variable was set to by the script, which may be another one."""
    for _ in range(3):
        found = _VARIABLE.fullmatch(text)
        value = place.script.assignments.get(found["name"]) if found is not None else None
        if value is None:
            break
        text = value.text
    return text.replace("{", "").replace("}", "")


def _database(command: Command) -> str:
    """Which database psql is told to use; else the one that is called like its user. Empty where neither is said.

    https://www.postgresql.org/docs/current/app-psql.html
    """
    given = command.value("-d", "--dbname")
    others: list[str] = []
    valued = False
    for word in command.args:
        if not word.text.startswith("-"):
            others += [] if valued else [word.text]
        valued = word.text in _VALUED
    if given is None and not others:
        given = command.value("-U", "--username")
    return given.text if given is not None else "".join(others[:1])


def _dumps(scripts: DataScripts) -> Iterator[tuple[DataScript, Command]]:
    for place in scripts.scripts:
        for command in place.commands(frozenset(("pg_dump", "pg_dumpall"))):
            if not command.has("--schema-only", "--version", "-V", "--help", "-s"):
                yield place, command


def _is_sql(dump: Command) -> bool:
    """Whether a dump is what psql reads, and is kept in a file."""
    given = dump.value("-F", "--format")
    is_sql = dump.name == "pg_dump" and (given is None or given.text in ("p", "plain"))
    of_data = dump.has("--data-only", "-a", "--section")  # pg_dump refuses them beside `--clean`
    return is_sql and not of_data and not any(receiver.name == "psql" for receiver in dump.receivers)


def _only_drops(dump: Command) -> bool:
    """Whether it drops what it makes, and fails where that is not there."""
    return dump.has("--clean", "-c") and not dump.has("--if-exists")


def _is_whole(dump: Command) -> bool:
    """Whether what pg_dump writes, its last line too, is kept as it is."""
    return all(receiver.name in _PACKS for receiver in dump.receivers)


def _is_beside(one: DataScript, other: DataScript) -> bool:
    return one.path.rpartition("/")[0] == other.path.rpartition("/")[0]


def _makes_room(place: DataScript, command: Command) -> bool:
    """Whether the script drops the database, or its tables, before, or makes a new one, and ends where it is there."""
    before = [each for each in _drops(place, command) if command.follows(each)]
    return any(_empties(each) or not place.script.silencers(each) for each in before)


def _drops(place: DataScript, command: Command) -> list[Command]:
    """What drops or makes databases, and may have run before a restore: not what stands in another branch."""
    commands = place.script.commands
    calls = [each for each in commands if command.function and each.name == command.function]
    before = [each for each in commands if each.function == command.function and _is_before(each, command)]
    before += [each for each in commands for call in calls if each.function == call.function and _is_before(each, call)]
    called = {each.name for each in before}
    found = [*before, *(each for each in commands if each.function in called)]
    return [each for each in found if _empties(each) or _MAKES.search(each.source) is not None]


def _is_before(other: Command, command: Command) -> bool:
    early, end = other.beside(command)
    return end <= command.start or (early == command.statement[0] and other.start < command.pipe[0])


def _empties(command: Command) -> bool:
    return command.name == "dropdb" or _DROPS.search(f"{command.source}\n{command.here_document}") is not None


def _stopping(place: DataScript, command: Command) -> Splices | Blocked:
    """What ends a script with a failure that goes on behind a restore which has failed."""
    found = [each for each in place.script.silencers(command) if each.kind is Silence.ERREXIT]
    failure = place.failure(command) if found else ScriptText.of("exit 1")
    if isinstance(failure, Blocked):
        return failure
    return [(each.end, each.end, ScriptText.of(" || @failure@", failure=failure)) for each in found]


def _tested(place: DataScript, command: Command, ends: bool) -> Splices | Blocked:
    """`gzip -t file` in front of `gunzip -c file | psql`: what gzip cannot read to its end is not begun. `ends`: nor
    what does not end as pg_dump ends. Where the script drops the database first, that is asked before."""
    tests = _tests(place, command, ends)
    if not tests:
        return []
    text = place.script.text
    start = _start(place, command)
    for other in _drops(place, command):
        early, _ = other.beside(command)
        if command.follows(other) and _is_known(place, tests, early, start):
            return _lines(place, _above(place, early), tests, other, ends)
    if command.choice is not None:
        end = command.choice.asked[1]
        width = len(text[text.rfind("\n", 0, start) + 1 : end].partition("\n")[0]) + len(tests[0])
        apart = ScriptText.blanks(" " if len(tests) == 1 and width < _WIDTH else f"\n{place.indent(start)}    ")
        if text.startswith("!", start):
            tests = [ScriptText.of("! ") + test + ScriptText.of(" ||") for test in tests]
        else:
            tests = [test + ScriptText.of(" &&") for test in tests]
        return [(start, start, ScriptText.joined(apart, tests) + apart)]
    if command.statement[0] == start and not text[:start].rpartition("\n")[2].strip():
        return _lines(place, start, tests, command, ends)
    if text.startswith("!", start) or "||" in text[command.statement[0] : start]:
        return []
    between = ScriptText.of(" && ")
    return [(start, start, ScriptText.joined(between, tests) + between)]


def _start(place: DataScript, command: Command) -> int:
    """Where its pipe starts, with the `!` in front of it."""
    before = place.script.text[: command.pipe[0]].rstrip(" ")
    return len(before) - 1 if before.endswith("!") else command.pipe[0]


def _lines(place: DataScript, start: int, tests: list[ScriptText], command: Command, ends: bool) -> Splices | Blocked:
    """Lines of their own, which end the script where they fail. `ends`: the last of them says nothing itself."""
    between = ScriptText.blanks(f"\n{place.indent(start)}")
    failure = place.failure(command)
    if isinstance(failure, Blocked):
        return failure
    fails = ScriptText.of("") if place.ends_at_errors(command) else ScriptText.of(" || @failure@", failure=failure)
    says = _OR_SAYS.filled(failure=failure) if ends else fails
    lines = [*(test + fails for test in tests[:-1]), tests[-1] + says]
    return [(start, start, ScriptText.joined(between, lines) + between)]


def _is_known(place: DataScript, tests: list[ScriptText], at: int, until: int) -> bool:
    """Whether the variables of these tests have their values there, and none is set between there and a restore."""
    names = re.findall(r"\$\{?(\w+)", " ".join(tests))
    between = place.script.text[at:until]
    return all(re.search(rf"\b{name}=|\bread\b[^\n]*\b{name}\b", between) is None for name in names)


def _above(place: DataScript, start: int) -> int:
    """Above what is said about the statement that starts there: comments, an `echo` without a condition, and what a
    function of that kind says."""
    said = {c.start for c in place.script.commands if _only_says(c)}
    offset = 0
    above: list[tuple[int, str]] = []
    for line in place.script.text[:start].splitlines(keepends=True):
        above.append((offset + len(line) - len(line.lstrip()), line.strip()))
        offset += len(line)
    if above and not above[-1][1]:
        above.pop()  # the blanks in front of the statement
    while above and (above[-1][1].startswith("#") or above[-1][0] in said) and not above[-1][1].startswith("#!"):
        start, _ = above.pop()
    return start


def _only_says(command: Command) -> bool:
    told = len(command.args) == 1 and " " in command.args[0].text and _SAYS.search(command.name) is not None
    return command.alone and (command.name in ("echo", "printf") or told)


def _tests(place: DataScript, command: Command, ends: bool) -> list[ScriptText]:
    """What asks whether the file that a restore reads is whole; nothing for one that is not a file of this machine."""
    first, *others = [*_feeders(command), command]
    if len(others) > 1 or place.script.text[command.pipe[0] : first.node.start_byte].strip(" !"):
        return []
    stdin = [each for each in first.redirects if each.operator == "<"]
    given = [(each.start, each.end) for each in stdin if len(first.redirects) == 1]
    if first is command:
        named = command.value("-f", "--file") if len(command.words) == len(command.argv) else None
        given += [(named.start, named.end)] if named is not None else []
        file = place.script.part(*given[0]) if given else None
        return [_ENDS.filled(file=file)] if ends and file is not None else []
    options = {word.text for word in first.args if word.text.startswith("-")}
    given += [(word.start, word.end) for word in first.args if not word.text.startswith("-")]
    if len(given) != 1 or len(first.redirects) != len(stdin) or len(first.words) != len(first.argv):
        return []
    file = place.script.part(*given[0])
    if first.name == "cat":
        return [_ENDS.filled(file=file)] if ends else []
    archive = next((each for names, each in _ARCHIVES.items() if first.name in names), None)
    if archive is None or (first.name in _PACKERS and not options & _DECOMPRESSES):
        return []
    test, unpack = archive
    return [test.filled(file=file), *([_ENDS_PACKED.filled(unpack=unpack, file=file)] if ends else [])]


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
