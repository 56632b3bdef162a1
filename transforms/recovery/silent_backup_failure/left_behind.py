"""The file that a failed dump leaves under the name of a good one."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.languages.shell import Command, Redirect, Silence, Structure
from fixer.model import Blocked, Finding, Fix, Level, Parts, Tier
from fixer.recovery.scripts import DataScript
from fixer.scripts import ScriptText

_ELSEWHERE = ("/dev/", "&", "-")


def left_behind(place: DataScript, dump: Command) -> Iterator[Finding]:
    """Where the failure of a dump counts, and its file stays all the same."""
    redirect = _file(place, dump)
    if redirect is None or place.step is not None:  # what a job leaves behind is gone with its machine
        return
    script = place.script
    if dump.receivers and not script.state(dump.node).pipefail:
        return  # a reader of its own judges it, so how the pipe ends does not tell how the dump did
    written = script.text[redirect.start : redirect.end].removeprefix(redirect.operator).strip()
    if _is_taken_away(place, written):
        return
    parts = _renamed(place, dump, redirect, written)
    if parts is None and "$(" not in written and "`" not in written:
        return
    cure: Fix | Blocked = Blocked(
        f"{written} may be another name when it is written a second time",
        "keep the name in a variable, then run fhfix again",
    )
    if parts is not None:
        cure = Fix.of(
            "give the file its name when the dump is whole",
            parts,
            tier=Tier.REVIEW,
            effects=[f"{redirect.target} is there only when {dump.name} has succeeded"],
        )
    yield Finding(
        place.path,
        place.span_of(redirect.start, redirect.end),
        f"a {dump.name} that fails half-way leaves its file where a good one is expected",
        cure,
        Level.WARNING,
    )


def _file(place: DataScript, dump: Command) -> Redirect | None:
    """Where the dump, or the last program of its pipe, writes to."""
    last = dump.receivers[-1] if dump.receivers else dump
    if dump.within(Structure.SUBSTITUTION, Structure.SUBSHELL, Structure.LOOP, Structure.NEGATION):
        return None
    files = [
        each for each in last.redirects if each.operator == ">" and not each.descriptor and not _is_device(each, last)
    ]
    return files[0] if len(files) == 1 and not files[0].target.endswith((".partial", ".tmp", ".part")) else None


def _is_device(redirect: Redirect, command: Command) -> bool:
    """Whether it is no file of its own: a device, or a variable that may be one."""
    value = command.script.assignments.get(redirect.target.strip("${}"))
    return redirect.target.startswith(_ELSEWHERE) or (value is not None and "/dev/" in value.text)


def _is_taken_away(place: DataScript, written: str) -> bool:
    """Whether the script deletes it, moves it, or looks at it itself."""
    name = written.strip("\"'").strip("${}")
    for command in place.script.commands:
        if command.name == "trap":
            return True
        if command.name in ("rm", "mv", "unlink") and any(name in word.text for word in command.args):
            return True
    return False


def _renamed(place: DataScript, dump: Command, redirect: Redirect, written: str) -> Parts | None:
    """The dump into `file.partial`, which becomes `file`; None for a shape in which that is not one command more."""
    # What a substitution gives may be another name the second time: the date, at midnight.
    if any(each in written for each in ("$(", "`", "'", "*", "?", "\n")) or " " in written.strip('"'):
        return None
    quoted = written.endswith('"')
    at = redirect.end - quoted
    name = ScriptText.written(written[:-1] if quoted else written)
    ending = ScriptText.of('"') if quoted else ScriptText.of("")
    end = dump.pipe[1]
    move = ScriptText.of("mv @name@.partial@ending@ @name@@ending@", name=name, ending=ending)
    also = ScriptText.of(" && @move@", move=move)
    choice = dump.choice
    if choice is not None:
        if choice.asked != dump.pipe:
            return None
        return place.splice(_with(at, end, also))
    start, stop = dump.statement
    if start != dump.pipe[0] or place.script.text[end:stop].lstrip().startswith("&&"):
        return None
    otherwise = place.script.text[end:stop]
    if otherwise.lstrip().startswith("||") and not place.script.fails_within(end, stop):
        return place.splice(_with(at, end, also))  # the script goes on
    if any(each.kind is Silence.HANDLED and each.start == start for each in place.script.silencers(dump)):
        return place.splice(_with(at, end, also))  # the next statement asks how this one ended
    if not otherwise.strip() and not place.ends_at_errors(dump):
        return place.splice(_with(at, end, also)) if dump.last else None  # its status is that of what holds it
    before = place.script.text[:start].rpartition("\n")[2]
    rest = place.script.text[stop:].partition("\n")[0]
    if before.strip() or (rest.strip() and not rest.lstrip().startswith("#")):
        return None
    return place.splice(_with(at, stop + len(rest.rstrip()), ScriptText.blanks(f"\n{before}") + move))


def _with(at: int, end: int, more: ScriptText) -> list[tuple[int, int, ScriptText]]:
    """The other name at `at`, and what comes at the end; they may meet."""
    partial = ScriptText.of(".partial")
    return [(at, at, partial + more)] if at == end else [(at, at, partial), (end, end, more)]
