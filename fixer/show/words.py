"""What a fix changes, and what a plan holds, in words: `jobs.lint.steps[6].run: failure of mypy now fails the step`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from fixer.languages.toml import toml_value
from fixer.model import Address, Blocked, Change, Fix, Plan, Tier

LONGEST = 72
"""Characters of a value that are shown; a longer one is described."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*$")

TIER_WORDS = {
    Tier.SAFE: "keeps the meaning of its file except for the defect",
    Tier.REVIEW: "correct, but it adds a job, a gate or a call to a cloud, or only a run can try it: look at it",
}
"""What a person has to know of a tier."""


def in_words(fix: Fix) -> tuple[str, ...]:
    """What the rule says of its fix, else words derived from the changes. A path is named where there are several."""
    if fix.effects:
        return fix.effects
    several = len({edit.path for edit in fix.edits} | {file.path for file in fix.new_files}) > 1
    # An edit without changes is one of a comment, or a further place in a text whose first place says it all.
    meant = {edit.path for edit in fix.edits if edit.changes}
    said: dict[str, None] = {}
    for edit in fix.edits:
        prefix = f"{edit.path}: " if several else ""
        if edit.path not in meant:
            said[prefix + "only a comment changes"] = None
        said.update(dict.fromkeys(prefix + describe(change) for change in edit.changes))
    for file in fix.new_files:
        kind = "an executable file" if file.executable else "a file"
        said[f"{file.path}: {kind} of {_lines(file.text)} is added"] = None
    return tuple(said)


def configuration(cures: Iterable[Fix | Blocked]) -> tuple[str, ...]:
    """The lines that findings ask for, together: what several say of one option is one line, as TOML wants it."""
    wanted: dict[str, Any] = {}
    for config in dict.fromkeys(cure.config for cure in cures if isinstance(cure, Blocked) and cure.config):
        for rule, options in tomllib.loads(config)["rules"].items():
            for option, value in options.items():
                key = f"rules.{rule}.{option}"
                wanted[key] = _united(wanted[key], value) if key in wanted else value
    return tuple(f"{key} = {toml_value(value)}" for key, value in wanted.items())


def _united(one: Any, other: Any) -> Any:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {**other, **one}
    if isinstance(one, list) and isinstance(other, list):
        return [*one, *(each for each in other if each not in one)]
    return one


class Once:
    """Lines that a reader has seen already are not said again."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def new(self, lines: Iterable[str]) -> list[str]:
        """Those that were not said yet; where there are only such, a word that they stand above."""
        given = list(dict.fromkeys(lines))
        fresh = [line for line in given if line not in self._said]
        self._said.update(fresh)
        return fresh or ["as above"] * bool(given)


def plan_in_words(plan: Plan) -> str:
    """One line: fixes by tier, files, what stays."""
    tiers = [reported.finding.cure.tier for reported in plan.taken if isinstance(reported.finding.cure, Fix)]
    said = "nothing to change"
    if plan.files:
        parts = [f"{tiers.count(tier)} {tier}" for tier in Tier if tier in tiers]
        fixes, files = _count(len(tiers), "fix", "fixes"), _count(len(plan.files), "file", "files")
        said = f"{fixes} ({', '.join(parts)}) in {files}"
        if plan.along:
            said += f", which answer {len(plan.answered)} findings"
    if plan.left:
        blocked = sum(isinstance(reported.finding.cure, Blocked) for reported in plan.left)
        said += f"; {_count(len(plan.left), 'finding stays', 'findings stay')} ({blocked} blocked)"
    if plan.faults:
        said += f"; {_count(len(plan.faults), 'fault', 'faults')} of rules"
    if plan.problems:
        said += f"; {_count(len(plan.problems), 'file', 'files')} not read"
    return said


def describe(change: Change) -> str:
    where = address_in_words(change.at)
    if change.op == "insert":
        return f"{where}: inserted {value_in_words(change.value)}"
    if change.op == "delete":
        return f"{where}: removed"
    if change.op == "rename":
        return f"{where}: renamed to {change.value}"
    if change.op == "splice":
        new = change.value[2]
        return f"{where}: a part is now {value_in_words(new)}" if new.strip() else f"{where}: a part is removed"
    return f"{where}: now {value_in_words(change.value)}"


def address_in_words(at: Address) -> str:
    """`jobs.lint.steps[6].run`; a key that is not a plain word is quoted: `on["pull request"]`."""
    said = ""
    for part in at:
        if isinstance(part, int):
            said += f"[{part}]"
        elif _PLAIN_KEY.match(part):
            said += f".{part}" if said else part
        else:
            said += f'["{shortened(part)}"]'
    return said or "the file"


def value_in_words(value: Any) -> str:
    """A short value as it is, a long one by its size."""
    if isinstance(value, str):
        if "\n" in value.rstrip("\n"):
            return f"a text of {_lines(value)}"
        return shortened(value.rstrip("\n")) if value.strip() else repr(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "empty"
    if isinstance(value, dict):
        label = value.get("name") or value.get("uses") or value.get("id")
        if isinstance(label, str) and label.strip():
            return f"“{shortened(label)}”"
        flat = all(isinstance(v, str | int | float | bool) and "\n" not in str(v) for v in value.values())
        text = ", ".join(f"{k}: {value_in_words(v)}" for k, v in value.items()) if flat else ""
        return f"{{{text}}}" if flat and len(text) <= LONGEST else f"{', '.join(map(str, value))}"[:LONGEST]
    if isinstance(value, list | tuple):
        text = ", ".join(map(value_in_words, value))
        return f"[{text}]" if len(text) <= LONGEST else f"a list of {len(value)}"
    return shortened(str(value))


def shortened(text: str, longest: int = LONGEST) -> str:
    """One line, with an ellipsis where something was left out."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _lines(text: str) -> str:
    count = text.count("\n") + (not text.endswith("\n"))
    return "1 line" if count == 1 else f"{count} lines"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
