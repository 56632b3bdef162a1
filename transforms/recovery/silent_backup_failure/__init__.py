"""A backup that can fail, or be left out, while the script that makes it ends well.

## Why
A backup is looked at on the day on which it is needed. `pg_dump … | gzip > file` under a shell without pipefail ends
well with the wrong password, and leaves 20 bytes; a script that warns where pg_dump is not installed says
"completed successfully" without a dump, and then deletes the older ones as it does every night. The same holds for a
dump that is one of several commands of a script that goes on after a failure, and for `|| true` and `|| echo …`.

Besides, a dump that fails half-way leaves its file under the name of a good one: the newest file is then the one that a
restore takes. It is written beside its name, and gets the name when it is whole. `pg_restore --list` reads the table of
contents, and passes a dump that was cut off or damaged behind it; `--file=/dev/null` reads it all.

Each fix makes a script fail where it went on before, so it is for review.

## When it is left alone
Dumps of the schema alone that begin no file of a backup, dumps that go straight into another database, and scripts that
look at the failure themselves (`$?`, `PIPESTATUS`, an `if` that exits), a check of which a comment says that it reads
the list alone. What only a person can decide is reported: a script that deploys or migrates and says that it goes on
without a dump, one that starts a service again, cleans up or tells by mail behind its dump, which would be left out,
one that a trap on ERR watches, that dumps in a loop without an end, or that another one sources, a function that is
called by a name put together, a pipe in a script that sh starts or may start, a dump in the background, old backups
that are deleted long before there is a new one, an upload of the whole folder each time, a copy of Redis' file that is
made after some seconds whatever Redis has saved by then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.languages.shell import Choice, Command, Silence, Silencer, Structure, Word, in_quotes
from fixer.model import Blocked, Finding, Fix, Level, Parts, Rule, Tier, joined
from fixer.recovery.aftermath import files_of, left_out
from fixer.recovery.scripts import DUMPS, RESTORES, UPLOADS, DataScript, DataScripts, Splices
from fixer.scripts import Inside, ScriptText
from transforms.recovery.silent_backup_failure.left_behind import left_behind

_ASKS = frozenset(("which", "type", "hash"))
_SAYS_SO = re.compile(r"--list\b|table of contents|\bTOC\b", re.IGNORECASE)
"""What a comment says of a check that is meant to read no more than that."""
_ELSEWHERE = frozenset(("docker", "podman", "nerdctl", "kubectl", "oc", "ssh", "sh", "bash"))
"""What starts programs within a container or a pod, on another machine, or from a text."""
_OF_THE_SCHEMA = frozenset(("--schema-only", "-s", "--no-data", "--version", "-V", "--help", "command", "which"))
_REMEMBER = ScriptText.of("failed=1")
_REMEMBERED = re.compile(r"\$\{failed:-0?\}")
_BUCKET = re.compile(r"BUCKET|S3|TARGET|DEST|REMOTE", re.IGNORECASE)
_KEYS = re.compile(r"\[\[? -n \"?\$\{?AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY)(?::?-)?\}?\"? \]\]? && ")


def check(scripts: DataScripts) -> Iterator[Finding]:
    for place in scripts.scripts:
        dumps = _backups(place)
        for dump in dumps:
            lost = _lost(place, dump)
            yield from lost
            if not lost and _is_backup(dump) and not _missing_program(place, dump):
                yield from left_behind(place, dump)
        yield from _skipped(place, dumps)
        if dumps:
            yield from _deleted_first(place, dumps)
            yield from _uploads(place)
            yield from _redis(place)
        yield from _half_read(place)
        yield from _unfollowed(place)


def _backups(place: DataScript) -> list[Command]:
    """The dumps that keep data, and those of the schema that begin the file of one."""
    dumps = [*place.commands(DUMPS)]
    kept = [each for each in dumps if _is_backup(each)]
    return [each for each in dumps if each in kept or any(_is_continued(each, other) for other in kept)]


def _is_continued(dump: Command, other: Command) -> bool:
    """Whether another dump comes later and writes to the end of its file."""
    files = {each.target for each in dump.outputs if each.is_of_output}
    return other.start > dump.start and any(each.operator == ">>" and each.target in files for each in other.outputs)


def _is_backup(dump: Command) -> bool:
    """Whether it keeps data: not the schema alone, not straight into another database or into nothing, not its
    version."""
    if dump.has("--schema-only", "--version", "-V", "--help", "--no-data") or (
        dump.name == "pg_dump" and dump.has("-s")
    ):
        return False
    last = dump.receivers[-1] if dump.receivers else dump
    if any(each.target == "/dev/null" and each.is_of_output for each in last.redirects):
        return False
    return not any(receiver.name in RESTORES | {"mysql", "mariadb"} for receiver in dump.receivers)


# -- a failure that nobody sees -----------------------------------------------------------------------------------


def _lost(place: DataScript, dump: Command) -> list[Finding]:
    script = place.script
    found = [each for each in script.silencers(dump) if each.kind is not Silence.HANDLED]
    if any(each.kind is Silence.HANDLED for each in script.silencers(dump)):
        found = [each for each in found if each.kind is Silence.PIPE]
    choice = dump.choice
    ignored = choice is not None and not (choice.failed is not None and script.fails_within(*choice.failed))
    if choice is not None and ignored and (_remembers(place, choice) or dump.is_repeated_until_it_succeeds):
        ignored = False
    if not found and not ignored:
        return []
    reasons = list(dict.fromkeys(_reason(place, each) for each in found))
    if ignored:
        reasons.append("the script only says so")
    span = place.span_of(dump.start, dump.end)
    message = f"the script goes on where {dump.name} fails: {'; '.join(reasons)}"
    goes_on = ignored or any(each.kind is not Silence.PIPE for each in found)
    failure = _failure(place, dump) if goes_on else _ended_by_errexit(place, dump)
    said = [(each.start, each.end) for each in found if each.kind is Silence.OR]
    said += [choice.failed] if ignored and choice is not None and choice.failed is not None else []
    well = any(_IS_WELL.search(script.text, *each) for each in said)
    if well or (said and dump.has("--table", "-t")):
        failure = Blocked(
            f"the script says that it goes on where {dump.name} fails, for a reason of its own",
            "end it there with `exit 1`, or ignore this finding",
        )
    if (ignored or any(each.kind is Silence.OR for each in found)) and not _is_about_backups(place):
        failure = _decided(place, f"{dump.name} fails")
    cure = (
        failure
        if isinstance(failure, Blocked)
        else Fix.of(
            f"end with a failure where {dump.name} fails",
            _parts(place, dump, found, *failure, choice if ignored else None),
            tier=Tier.REVIEW,
            effects=[f"a {dump.name} that fails ends {_ended(place, dump, failure[0])} with a failure"],
        )
    )
    level = Level.WARNING if dump.is_repeated_for_ever else None  # it is tried again, and nobody hears of a failure
    return [Finding(place.path, span, message, cure, level)]


_IS_WELL = re.compile(r"expected|optional|skip|continu|ignor|not found|not there|harmless", re.IGNORECASE)
"""What a message says of a failure that is meant to be passed over."""
_ABOUT_BACKUPS = re.compile(r"back-?_? ?up|dump|snapshot|archiv", re.IGNORECASE)


def _is_about_backups(place: DataScript) -> bool:
    """Whether making backups is what a script is for: another one, which deploys or migrates, may go on without."""
    name = place.path if place.step is None else place.step.name or place.path
    return _ABOUT_BACKUPS.search(name) is not None or any(map(_deletes, place.script.commands))


def _decided(place: DataScript, when: str) -> Blocked:
    return Blocked(
        f"{_what(place)} does more than back up, and was written to go on where {when}",
        "end it there with `exit 1`, or ignore this finding",
    )


def _what(place: DataScript) -> str:
    return "the script" if place.step is None else "the step"


def _ended(place: DataScript, dump: Command, failure: ScriptText) -> str:
    return dump.function if failure.startswith("return") else _what(place)


_SETS = re.compile(r"^\s*(?:local |export )?(\w+)\+?=|\(\(", re.MULTILINE)


def _remembers(place: DataScript, choice: Choice) -> bool:
    """Whether the branch after a failure sets a variable, which the script may look at when it ends, or the other one
    sets what is looked at below."""
    code = place.script.code
    if choice.failed is not None and _SETS.search(code[slice(*choice.failed)]):
        return True
    names = _SETS.findall(code[slice(*choice.succeeded)]) if choice.succeeded is not None else []
    below = code[choice.fi :]
    return any(name and re.search(rf"(?:\[|\btest|\bexit)[^\n]*\$\{{?{name}\b", below) for name in names)


def _reason(place: DataScript, silencer: Silencer) -> str:
    match silencer.kind:
        case Silence.OR:
            cut = " ".join(place.script.text[silencer.start : silencer.end].split())
            return f"`{cut}` follows"
        case Silence.PIPE:
            return "it is piped, and the shell has no pipefail"
        case Silence.AND:
            return "it stands left of `&&`, and the script goes on"
        case Silence.BACKGROUND:
            return "it runs in the background"
        case _:
            return "the shell goes on after a failure"


def _parts(
    place: DataScript, dump: Command, found: list[Silencer], failure: ScriptText, told: Splices, choice: Choice | None
) -> Parts:
    """All that makes the failure of a dump count, as one change of the script, and what goes beside it."""
    edits = list(told)
    beside: list[Parts] = []
    for each in found:
        if each.kind is Silence.PIPE:
            inside, key = place.pipefail(dump, (each.start, each.end))
            edits += inside
            beside.append(key)
            continue
        more = _counted(place, dump, each, failure)
        if isinstance(more, Blocked):
            return more
        edits += more
    if choice is not None:
        edits += _fails(place, dump, failure, choice)
    return joined((*beside, place.splice(list(dict.fromkeys(edits)))))


def _failure(place: DataScript, dump: Command) -> tuple[ScriptText, Splices] | Blocked:
    """What stands where the dump fails, and what else it takes.

    Where other backups come after it they are made all the same, and the script fails when they are, before it deletes
    older ones.
    """
    script = place.script
    others = [
        each
        for each in place.commands(DUMPS)
        if _comes_later(dump, each) and _is_backup(each) and not _is_continued(dump, each)
    ]
    failure = place.failure(dump)
    if isinstance(failure, Blocked):
        return failure
    asked = failure != ScriptText.of("exit 1")
    if not asked and (unfit := _unfit(dump)) is not None:
        return unfit
    if asked and (dump.within(Structure.LOOP) or any(each.function == dump.function for each in others)):
        return Blocked("it is one of several dumps of a function", "let the function fail when all of them are made")
    beside = left_out(dump, files_of(dump), in_function=asked)
    if isinstance(beside, Blocked):
        return beside
    if asked or not (others or beside or dump.within(Structure.LOOP)):
        return failure, ()
    around = dump.structure[1:] if dump.structure[:1] == (Structure.PIPELINE,) else dump.structure
    if Structure.SUBSHELL in around or Structure.PIPELINE in around:
        return Blocked("it runs in a shell of its own, so the script learns nothing of it", "let that shell fail")
    if _REMEMBERED.search(script.text):
        return _REMEMBER, ()
    if re.search(r"\bfailed=", script.code):
        return Blocked(
            "the script has a variable `failed` of its own", "let it end with a failure where one of its dumps fails"
        )
    last = max((each.start for each in others), default=dump.start)
    leaving = [each for each in script.commands if each.name == "exit" and each.start > dump.start]
    if any(script.ends_well(each) and not each.last for each in leaving) or any(map(_is_guarded, leaving)):
        return Blocked(
            "it ends well elsewhere too, before its last line", "let it end with a failure where one of its dumps fails"
        )
    deleting = [each for each in script.commands if _deletes(each)]
    if any(each.function or each.start < last for each in deleting):
        return Blocked(
            "older backups are deleted between its dumps, or in a function",
            "delete them last, and only where no dump has failed",
        )
    if deleting:
        start, end = deleting[0].beside(max(others, key=lambda each: each.start, default=dump))
        begin = script.text[:start].rpartition("\n")[2]
        if start < last or begin.strip():
            return Blocked(
                "older backups are deleted within the same statement",
                "delete them in one of their own, and only where no dump has failed",
            )
        halt = ScriptText.of('[ -z "${failed:-}" ] || exit 1\n') + ScriptText.blanks(begin)
        return _REMEMBER, [(start, start, halt)]
    start, end = script.statements[-1]
    if any(each.start >= start for each in leaving):
        halt = ScriptText.of('[ -z "${failed:-}" ] || exit 1\n')
        return _REMEMBER, [(start, start, halt)]
    return _REMEMBER, [(end, end, ScriptText.of('\nexit "${failed:-0}"'))]


def _is_guarded(leaving: Command) -> bool:
    """Whether a script ends there only under a condition, and well as far as can be told."""
    return leaving.script.ends_well(leaving) and leaving.statement not in leaving.script.statements


def _ended_by_errexit(place: DataScript, dump: Command) -> tuple[ScriptText, Splices] | Blocked:
    """Nothing stands where the dump fails: the shell ends there, once the whole pipe counts."""
    failure = ScriptText.of("exit 1"), ()
    if not place.ends_at_errors(dump):
        return failure  # who called it looks at that, or it is the last
    beside = left_out(dump, files_of(dump))
    if beside is True:
        return Blocked(
            f"{_what(place)} backs up more behind it, which would be left out where {dump.name} fails",
            "let it go on there, and end with `exit 1` when all is backed up",
        )
    return _unfit(dump) or beside or failure


def _unfit(dump: Command) -> Blocked | None:
    """Why ending the script where a dump fails would do more than that, if so."""
    if dump.is_repeated_for_ever:
        return Blocked(
            f"{dump.name} is run again and again by a loop without an end, and the script would end with it",
            "let the loop tell of it, by a health check that asks how old the newest dump is, say",
        )
    traps = [each for each in dump.script.commands if each.name == "trap" and "ERR" in [w.text for w in each.args]]
    if traps and not dump.script.state(dump.node).errexit:
        return Blocked(
            "a trap on ERR learns of a failure, and learns nothing of what stands in front of `||`",
            "let what the trap calls end with `exit 1`, or set errexit",
        )
    return None


def _comes_later(dump: Command, other: Command) -> bool:
    """Whether another dump may be made after this one: not in another branch of the same `if`."""
    start, end = dump.beside(other)
    return other.start > dump.start and not start <= other.start < end


def _counted(place: DataScript, dump: Command, silencer: Silencer, failure: ScriptText) -> Splices | Blocked:
    """What makes one reason go away."""
    text = place.script.text
    otherwise = ScriptText.of(" || @failure@", failure=failure)
    match silencer.kind:
        case Silence.OR:
            said = text[silencer.start : silencer.end]
            operator = said.index("||") + 2
            right = said[operator:].strip()
            if "\n" in right:
                return Blocked("what follows `||` stands on several lines", "let it end with `exit 1`")
            if right in ("true", ":"):
                return [(silencer.start, silencer.end, otherwise)]
            start = silencer.end - len(said[operator:].lstrip())
            end = ScriptText.of("; @failure@; }", failure=failure)
            return [(start, start, ScriptText.of("{ ")), (silencer.end, silencer.end, end)]
        case Silence.BACKGROUND:
            return Blocked("nobody waits for what runs in the background", "wait for it by its id, `wait $!`")
        case Silence.AND:
            at = dump.statement[1]
            return [(at, at, otherwise)]
        case _:
            return [(silencer.end, silencer.end, otherwise)]


_NOT_INSTALLED = ScriptText.of('echo "@program@ is not installed" >&2')
_FAILED = ScriptText.of('echo "@program@ failed" >&2')


def _fails(place: DataScript, command: Command, failure: ScriptText, choice: Choice) -> Splices:
    """A branch that ends with a failure, behind all that it says."""
    branch, fi = choice.failed, choice.fi
    missing = _asked(command)
    named = in_quotes(missing or command.name)
    assert isinstance(named, Inside), "it is the name of a program that this rule knows"
    says = (_NOT_INSTALLED if missing else _FAILED).filled(program=named)
    if branch is not None:
        indent = place.indent(branch[1])
        one_line = not place.script.text[: branch[1]].rpartition("\n")[2].strip() or "then" in _line(place, branch[1])
        own = ScriptText.of("\n@failure@", failure=failure.indented(indent))
        return [(branch[1], branch[1], ScriptText.of("; @failure@", failure=failure) if one_line else own)]
    indent = place.indent(fi)
    inner = place.indent(command.start)
    step = "    " if "    " in inner or not inner else "  "
    if place.script.text[:fi].rpartition("\n")[2].strip():
        return [(fi, fi, ScriptText.of("else @says@; @failure@; ", says=says, failure=failure))]
    lines = ScriptText.lines([ScriptText.of("else"), *(each.indented(indent + step) for each in (says, failure))])
    return [(fi, fi, lines + ScriptText.blanks(indent))]


def _line(place: DataScript, offset: int) -> str:
    return place.script.text[:offset].rpartition("\n")[2]


# -- left out where a program is missing --------------------------------------------------------------------------


def _asked(command: Command) -> str:
    """The program that `command -v pg_dump`, `which pg_dump` asks for."""
    words = [word.text for word in command.words]
    if len(words) > 2 and words[0] == "command" and words[1] in ("-v", "-V"):
        return words[2]
    return words[1] if len(words) > 1 and words[0] in _ASKS and not words[1].startswith("-") else ""


def _missing_program(place: DataScript, dump: Command) -> bool:
    return any(_passes_over(place, command) == dump.name for command in place.script.commands)


def _passes_over(place: DataScript, command: Command) -> str:
    """The program without which an `if` leaves out what it would do, and the script goes on."""
    program, choice = _asked(command), command.choice
    if program not in DUMPS | UPLOADS or choice is None or choice.succeeded is None:
        return ""
    runs = any(c.name == program and _within(c, choice.succeeded) for c in place.script.commands)
    failing = choice.failed is not None and place.script.fails_within(*choice.failed)
    does_it_otherwise = choice.failed is not None and any(
        _within(c, choice.failed)
        and (c.name in DUMPS | UPLOADS | {"docker", "docker-compose", "podman"} or _names(c, program))
        for c in place.script.commands
    )
    return program if runs and not failing and not does_it_otherwise and not _remembers(place, choice) else ""


def _names(command: Command, program: str) -> bool:
    """Whether a command starts a program by another one, `$COMPOSE exec db pg_dump`."""
    return command.name not in ("echo", "printf") and any(word.text == program for word in command.args)


def _within(command: Command, branch: tuple[int, int]) -> bool:
    return branch[0] <= command.start and command.end <= branch[1]


def _skipped(place: DataScript, dumps: list[Command]) -> Iterator[Finding]:
    for command in place.script.commands if dumps else ():
        program, choice = _passes_over(place, command), command.choice
        if not program or choice is None:
            continue
        dumping = program in DUMPS
        thing = "backup" if dumping else "upload"
        deletes = any(map(_deletes, place.script.commands)) and dumping
        message = f"no {thing} where {program} is not installed, and the script ends well" + (
            ", after it has deleted older backups" if deletes else ""
        )
        yield Finding(
            place.path,
            place.span_of(command.start, command.end),
            message,
            _not_passed_over(place, command, program, choice),
            Level.ERROR if dumping else Level.WARNING,
        )


def _not_passed_over(place: DataScript, command: Command, program: str, choice: Choice) -> Fix | Blocked:
    if not _is_about_backups(place):
        return _decided(place, f"{program} is not installed")
    if program in UPLOADS and choice.failed is not None:
        return Blocked(
            f"the script says that it goes on without {program}, with what is on this machine",
            "end it there with `exit 1`, or ignore this finding",
        )
    if program in UPLOADS and not any(map(_BUCKET.search, command.conditions)):
        return Blocked(
            f"nothing but {program} itself says whether a backup is to leave the machine",
            f"let the script ask for the bucket, and fail where there is one and no {program}",
        )
    failure = place.failure(command)
    if isinstance(failure, Blocked):
        return failure
    asked = failure != ScriptText.of("exit 1")
    if not asked and (unfit := _unfit(command)) is not None:
        return unfit
    beside = left_out(command, (), in_function=asked)
    if isinstance(beside, Blocked):
        return beside
    if beside:
        return Blocked(
            f"{_what(place)} backs up more than what {program} does, and that comes later",
            f"do that in any case, and then end with `exit 1` where there is no {program}",
        )
    return Fix.of(
        f"end with a failure where {program} is not installed",
        place.splice(_fails(place, command, failure, choice)),
        tier=Tier.REVIEW,
        effects=[f"where {program} is not installed, {_what(place)} ends with a failure"],
    )


# -- what happens to the others -----------------------------------------------------------------------------------


def _deletes(command: Command) -> bool:
    """Whether it deletes files by their age or number."""
    if command.name == "find":
        return command.has("-mtime", "-mmin", "-ctime", "-cmin") and (
            command.has("-delete") or any(word.text == "rm" for word in command.args)
        )
    return command.name == "xargs" and any(word.text == "rm" for word in command.args)


def _deleted_first(place: DataScript, dumps: list[Command]) -> Iterator[Finding]:
    first = min(dump.start for dump in dumps)
    for command in place.script.commands:
        if _deletes(command) and command.start < first and not command.function and not dumps[0].function:
            yield Finding(
                place.path,
                place.span_of(command.start, command.end),
                "older backups are deleted before there is a new one",
                _behind(place, command, next(dump for dump in dumps if dump.start == first)),
            )


def _behind(place: DataScript, deletion: Command, dump: Command) -> Fix | Blocked:
    """The deletion right behind the dump, and only where that has succeeded."""
    text = place.script.text
    start, end = deletion.statement
    begin, stop = dump.statement
    alone = not text[:start].rpartition("\n")[2].strip() and begin == dump.pipe[0] and stop == dump.pipe[1]
    if not alone or start != deletion.start or text[end:begin].strip() or "\n" in text[start:end] + text[begin:stop]:
        return Blocked("what else stands between the two is the script's own", "move it behind the dump")
    if dump.is_repeated_for_ever or any(each.kind is Silence.HANDLED for each in place.script.silencers(dump)):
        return Blocked(f"how {dump.name} ended is asked right behind it", "move it behind that, where it has succeeded")
    ends = place.ends_at_errors(dump)
    own = place.script.part(start, end).indented(place.indent(start) + ("" if ends else "  "))
    alike = ScriptText.of("\n@deletion@", deletion=own)
    behind = alike if ends else ScriptText.of(" &&") + alike
    return Fix.of(
        "delete them once there is a new one",
        place.splice([(start, begin, ScriptText.of("")), (stop, stop, behind)]),
        tier=Tier.REVIEW,
        effects=[
            f"{_what(place)} deletes older backups only where {dump.name} has succeeded, so there must be room for one"
            " more"
        ],
    )


def _uploads(place: DataScript) -> Iterator[Finding]:
    text = place.script.text
    for command in place.commands(UPLOADS):
        for condition in _KEYS.finditer(text, 0, command.start):
            line = text[condition.start() :].partition("\n")[0]
            if not _BUCKET.search(_KEYS.sub("", line)) or text.count("fi", condition.end(), command.start) > 2:
                continue
            yield Finding(
                place.path,
                place.span_of(condition.start(), condition.end() - 4),
                "no upload where the machine signs in by a role, and the script ends well",
                Blocked(
                    "the bucket has a name without being told one, so nothing else says whether to upload",
                    "let there be no upload where no bucket is named, then ask for that alone",
                )
                if _has_default(place, line)
                else Fix.of(
                    "upload wherever there is a bucket",
                    place.splice([(condition.start(), condition.end(), ScriptText.of(""))]),
                    tier=Tier.REVIEW,
                    effects=["the upload depends on the bucket alone; AWS's own chain finds the credentials"],
                ),
                Level.WARNING,
            )
            break
        words = [word.text for word in command.args]
        target = words[3] if len(words) > 3 else ""
        if words[:2] == ["s3", "sync"] and command.name == "aws" and re.search(r"\$\{?(?:TIMESTAMP|DATE|NOW)", target):
            yield Finding(
                place.path,
                place.span_of(command.start, command.end),
                f"all of {words[2]} is uploaded to a new folder each time, older backups included",
                Blocked("which files of the folder are new is the script's own", "copy the new file with `aws s3 cp`"),
                Level.NOTE,
            )


def _has_default(place: DataScript, asks: str) -> bool:
    """Whether a variable that is asked for there is set to something of its own."""
    names = re.findall(r"\$\{?(\w+)", _KEYS.sub("", asks))
    values = [place.script.assignments.get(name) for name in names]
    return any(each is not None and not re.fullmatch(r"\$\w+|\$\{\w+(?::?-)?\}", each.text) for each in values)


def _redis(place: DataScript) -> Iterator[Finding]:
    commands = place.script.commands
    for at, command in enumerate(commands):
        if command.name == "redis-cli" and any(word.text.upper() == "BGSAVE" for word in command.args):
            later = commands[at + 1 :]
            if any(each.name == "sleep" for each in later) and not any(
                word.text.upper() in ("LASTSAVE", "INFO") for each in later for word in each.args
            ):
                yield Finding(
                    place.path,
                    place.span_of(command.start, command.end),
                    "Redis' file is copied after some seconds, whether or not it was saved by then",
                    Blocked(
                        "where Redis keeps its file, and who may read it, is not known",
                        "let Redis send it: `redis-cli --rdb <file>` writes a whole one, or fails",
                    ),
                    Level.NOTE,
                )


def _half_read(place: DataScript) -> Iterator[Finding]:
    """`pg_restore --list` as the proof that a dump is whole."""
    proofs: dict[int, list[tuple[Command, Word]]] = {}
    for command in place.commands(frozenset(("pg_restore",))):
        word = next((word for word in command.args if word.text in ("-l", "--list")), None)
        if word is None or command.receivers or command.within(Structure.SUBSTITUTION):
            continue
        silent = [each for each in command.outputs if each.target == "/dev/null" and each.operator in (">", "&>")]
        limited = any(each.text == "timeout" for each in command.words[: len(command.words) - len(command.argv)])
        if (silent or command.choice is not None) and not _says_so(place, command) and not limited:
            top = next(start for start, end in place.script.statements if start <= command.start < end)
            proofs.setdefault(top, []).append((command, word))
    # What is asked where another way to ask has failed is asked for the same dump.
    for asked in proofs.values():
        command = asked[0][0]
        yield Finding(
            place.path,
            place.span_of(command.start, command.end),
            "`pg_restore --list` passes a dump that was cut off or damaged behind its table of contents",
            Fix.of(
                "read the whole dump",
                place.splice([(word.start, word.end, ScriptText.of("--file=/dev/null")) for _, word in asked]),
                tier=Tier.REVIEW,
                effects=["a dump that was cut off or damaged no longer passes; the check takes as long as a restore"],
            ),
        )


def _unfollowed(place: DataScript) -> Iterator[Finding]:
    """A dump within a command that starts it elsewhere: a container made for it, a pod, another machine, `sh -c`."""
    for command in place.script.commands:
        if command.name not in _ELSEWHERE and (not command.argv or command.argv[0].literal):
            continue
        said = [part for word in command.words[1:] for part in word.text.split()]
        program = next((each for each in said if each in DUMPS), "")
        last = command.receivers[-1] if command.receivers else command
        nowhere = any(each.is_of_output and each.target == "/dev/null" for each in last.redirects)
        if (
            not program
            or nowhere
            or last.name in RESTORES | {"mysql", "mariadb"}
            or not _OF_THE_SCHEMA.isdisjoint(said)
        ):
            continue
        silencers = place.script.silencers(command)
        found = [each for each in silencers if each.kind is not Silence.HANDLED]
        if found and len(found) == len(silencers):
            reasons = dict.fromkeys(_reason(place, each) for each in found)
            started = command.name or command.argv[0].text
            yield Finding(
                place.path,
                place.span_of(command.start, command.end),
                f"the script goes on where {program} fails: {'; '.join(reasons)}",
                Blocked(
                    f"{started} starts {program} where fhfix does not follow it",
                    f"let the script end with a failure where {started} ends with one, `set -eo pipefail` say",
                ),
                Level.WARNING,
            )


def _says_so(place: DataScript, command: Command) -> bool:
    """Whether a comment above it, or above what holds it, says that it reads the list."""
    top = next((start for start, end in place.script.statements if start <= command.start < end), command.start)
    lines = place.script.text[top : command.start].splitlines()
    comments = [place.comment_above(top), *(line for line in lines if line.lstrip().startswith("#"))]
    return any(map(_SAYS_SO.search, comments))


def _dumps_something(scripts: DataScripts) -> bool:
    return any(_is_backup(command) for place in scripts.scripts for command in place.commands(DUMPS))


RULE = Rule(
    __name__,
    "A backup can fail, and the script that makes it ends well",
    check,
    audit=("D-005.3",),
    criterion="No backup script ends well without a backup",
    hours=(1, 2),
    level=Level.ERROR,
    applies=_dumps_something,
)
