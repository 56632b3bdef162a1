"""What was found in one repository: as data that a process sends to another, and that a file keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from fixer.model import Blocked, Fix, Plan, Report, Reported
from fixer.records import record
from fixer.selection import answer
from fixer.show.place import Read, place_of, source_of
from fixer.show.words import in_words

FORM = 1
"""Of what is kept; another one is not read."""

BLOCKED = "blocked"


@record
class Found:
    """A finding. `kind` is the tier of its fix, or `blocked`; `answer` the title of the fix, or why there is none;
    `change` what the fix does, in words; `text` the line on which it stands."""

    rule: str
    level: str
    kind: str
    answer: str
    path: str
    line: int
    message: str
    text: str = ""
    change: tuple[str, ...] = ()
    next_step: str = ""
    config: str = ""


@record
class Looked:
    """`fixes` and `files` count what a pull request would hold; they are 0 where only a check was made. `why` says why
    the repository could not be looked at, `passing` whether that may be otherwise in a while."""

    name: str
    branch: str = ""
    commit: str = ""
    found: tuple[Found, ...] = ()
    trouble: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    fixes: int = 0
    files: int = 0
    read: int = 0
    why: str = ""
    passing: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        found = tuple(Found(**{**each, "change": tuple(each["change"])}) for each in said["found"])
        return cls(**{**said, "found": found, "trouble": tuple(said["trouble"]), "faults": tuple(said["faults"])})


def found_of(reported: Iterable[Reported], read: Read) -> tuple[Found, ...]:
    return tuple(_found(each, read) for each in reported)


def _found(reported: Reported, read: Read) -> Found:
    finding, cure = reported.finding, reported.finding.cure
    source = source_of(finding.path, read)
    place = place_of(finding.span, source)
    start = min(finding.span.start, len(source.text))
    text = source.text[source.line_start(start) : source.line_end(start)].strip()
    kind, said = answer(reported)
    made = Found(reported.rule.id, str(reported.level), kind, said, finding.path, place.line, finding.message, text)
    return _answered(made, cure)


def _answered(made: Found, cure: Fix | Blocked) -> Found:
    if isinstance(cure, Fix):
        return replace(made, change=in_words(cure))
    return replace(made, next_step=cure.next_step, config=cure.config)


def troubles(made: Report | Plan) -> tuple[str, ...]:
    return tuple(str(problem) for problem in made.problems)


def faults(made: Report | Plan) -> tuple[str, ...]:
    return tuple(f"{fault.rule_id}: {fault.path}: {fault.what}" for fault in made.faults)


def kept(file: Path) -> Looked | None:
    """What a file keeps; None where there is none, or one of another form."""
    try:
        said = json.loads(file.read_bytes())
        return Looked.of(said["looked"]) if said["form"] == FORM else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it was cut short, or made by another version: it is made again
