"""What a fleet holds, told: as text for a terminal, as JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from fixer.fleet.looked import Looked
from fixer.fleet.overview import FleetGroup, FleetOverview
from fixer.show.tool import NAME, tool_version
from fixer.show.words import shortened

VERSION = 1
"""Of the JSON; it changes only when a consumer could break."""

SHOWN = 25
"""Groups that the terminal shows; the page and the JSON have all."""


def fleet_text(seen: FleetOverview, *, every: bool = False) -> str:
    lines = [f"{seen.in_words()}."]
    for title, groups in (("", seen.groups), ("No fix", seen.blocked)):
        shown = groups if every else groups[:SHOWN]
        if shown:
            lines += ["", title] if title else [""]
            lines += _table(shown)
        if len(groups) > len(shown):
            lines.append(f"and {len(groups) - len(shown)} more groups: --verbose shows them, --html has all")
    if seen.lines:
        lines += ["", "A line of the fleet's configuration would unblock"]
        lines += [f"  {line.where}: {line.written}" for line in (seen.lines if every else seen.lines[:SHOWN])]
    if seen.not_looked_at:
        lines += ["", "Not looked at"]
        lines += [f"  {each.name}: {shortened(each.why, 200)}" for each in seen.not_looked_at]
    return "\n".join(lines) + "\n"


def _table(groups: list[FleetGroup]) -> list[str]:
    repositories = max(len(f"{len(group.repositories):,}") for group in groups)
    places = max(len(f"{group.places:,}") for group in groups)
    return [
        f"{group.level:<7}  {group.places:>{places},} {'place ' if group.places == 1 else 'places'} in "
        f"{len(group.repositories):>{repositories},}  {'' if group.is_blocked else group.kind + ': '}"
        f"{shortened(group.answer, 100)}  ({group.rule})"
        for group in groups
    ]


# -- for programs ---------------------------------------------------------------------------------------------------


def json_head() -> str:
    tool = json.dumps({"name": NAME, "version": tool_version()})
    return f'{{"version": {VERSION}, "kind": "fleet", "tool": {tool},\n"repositories": [\n'


def json_repository(looked: Looked, *, first: bool) -> str:
    said = looked.to_json()
    said["found"] = [{key: value for key, value in each.items() if value} for each in said["found"]]
    return ("" if first else ",\n") + json.dumps(said)


def json_tail(seen: FleetOverview) -> str:
    groups = [_group(group) for group in (*seen.groups, *seen.blocked)]
    lines = [
        {"key": line.key, "places": line.places, "repositories": len(line.repositories), "line": line.written}
        for line in seen.lines
    ]
    return f'\n],\n"groups": {json.dumps(groups)},\n"configuration": {json.dumps(lines)}}}\n'


def _group(group: FleetGroup) -> dict[str, Any]:
    return {
        "rule": group.rule,
        "level": group.level,
        "kind": group.kind,
        "answer": group.answer,
        "places": group.places,
        "repositories": group.repositories,
    }


COLUMNS = ("repository", "commit", "rule", "level", "kind", "answer", "path", "line", "message", "why not looked at")


def csv_head() -> str:
    return _row(COLUMNS)


def csv_repository(looked: Looked) -> Iterator[str]:
    if looked.why:
        yield _row((looked.name, looked.commit, *[""] * 7, looked.why))
    for each in looked.found:
        what = (each.rule, each.level, each.kind, each.answer, each.path, str(each.line), each.message)
        yield _row((looked.name, looked.commit, *what, ""))


def _row(cells: tuple[str, ...]) -> str:
    """What a repository says must be no formula for the program that opens the table."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(
        f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in cells
    )
    return text.getvalue()
