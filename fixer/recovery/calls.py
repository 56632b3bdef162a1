"""Who calls a function of a script, and what becomes of its failure there."""

from __future__ import annotations

import re
from enum import StrEnum

from fixer.languages.shell import Command, Script, Silence


class Answer(StrEnum):
    """What a caller does where the function fails: it looks at that; it goes on, or ends with it, as the shell is set;
    it throws the failure away; or it is not known who calls it."""

    ASKS = "asks"
    PLAIN = "plain"
    IGNORES = "ignores"
    UNKNOWN = "unknown"


_IGNORING = frozenset((Silence.OR, Silence.AND, Silence.PIPE, Silence.BACKGROUND))
_EXPANSION = re.compile(r"\$(?:\{[^}]*\}|\w+|[@*#?!-])")


def answers(script: Script, function: str, seen: frozenset[str] = frozenset()) -> frozenset[Answer]:
    """Of all who call a function, and of those who call them."""
    found: set[Answer] = set()
    for call in script.commands:
        if call.name != function:
            if _may_call(call, function):
                found.add(Answer.UNKNOWN)
            continue
        kinds = {each.kind for each in script.silencers(call)}
        if kinds & _IGNORING:
            found.add(Answer.IGNORES)
        elif Silence.HANDLED in kinds:
            found.add(Answer.ASKS)
        elif not call.function:
            found.add(Answer.PLAIN)
        elif call.function not in seen:
            found |= answers(script, call.function, seen | {function})
    return frozenset(found or {Answer.UNKNOWN})


def _may_call(command: Command, function: str) -> bool:
    """Whether a command may be a call whose name is put together, `"backup_$kind"`, or hands the name on to another,
    as `retry 3 backup_db` and `trap backup_db EXIT` do."""
    first = command.argv[0] if command.argv else None
    if first is not None and not first.literal and first.text not in ("$@", "$*"):
        fixed = _EXPANSION.split(first.text)
        if any(fixed) and re.fullmatch(".*".join(map(re.escape, fixed)), function) is not None:
            return True
    return any(word.text == function for word in command.args) and command.name not in ("echo", "printf")
