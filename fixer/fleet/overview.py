"""What a fleet holds, over all repositories: counted as the answers come, with a few samples of each group.

It grows with the number of repositories and of kinds of findings, not with the number of findings.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from fixer.fleet.looked import BLOCKED, Found, Looked
from fixer.fleet.looking import HOLDS_NOT
from fixer.model import Level
from fixer.records import record

SAMPLES = 5
"""How many places of a group are shown."""

_RANKS = {str(level): level.rank for level in Level}


@dataclass(slots=True)
class FleetGroup:
    """Findings of one rule with one answer, over all repositories."""

    rule: str
    kind: str
    answer: str
    level: str
    places: int = 0
    repositories: dict[str, int] = field(default_factory=dict)
    samples: list[tuple[str, Found]] = field(default_factory=list)

    @property
    def is_blocked(self) -> bool:
        return self.kind == BLOCKED

    @property
    def where(self) -> str:
        """`812 places in 214 repositories`."""
        return in_places(self.places, len(self.repositories))

    def add(self, name: str, found: Found) -> None:
        self.level = min(self.level, found.level, key=lambda level: _RANKS[level])
        self.places += 1
        if name not in self.repositories and len(self.samples) < SAMPLES:
            self.samples.append((name, found))
        self.repositories[name] = self.repositories.get(name, 0) + 1


def in_places(places: int, repositories: int) -> str:
    said = "1 place" if places == 1 else f"{places:,} places"
    return f"{said} in {in_repositories(repositories)}"


def in_repositories(count: int) -> str:
    return "1 repository" if count == 1 else f"{count:,} repositories"


@dataclass(slots=True)
class Line:
    """What findings wait for: a line of the fleet's configuration, as far as it is the same for all. `key` is as in
    TOML; `proposed` are the values that repositories propose, the most frequent first."""

    key: str
    places: int = 0
    repositories: set[str] = field(default_factory=set)
    values: Counter[str] = field(default_factory=Counter)

    @property
    def where(self) -> str:
        return in_places(self.places, len(self.repositories))

    @property
    def written(self) -> str:
        """The line, with the value that most repositories propose."""
        return f"{self.key} = {self.values.most_common(1)[0][0]}"


@record
class Row:
    """A repository with its findings by rule; `levels` is the worst level of each."""

    name: str
    commit: str
    counts: dict[str, int]
    levels: dict[str, str]
    fixes: int


@dataclass(slots=True)
class FleetOverview:
    """Filled by `add`, one repository after the other."""

    groups_by_answer: dict[tuple[str, str, str], FleetGroup] = field(default_factory=dict)
    lines_by_key: dict[str, Line] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    clean: list[str] = field(default_factory=list)
    not_looked_at: list[Looked] = field(default_factory=list)
    trouble: list[tuple[str, str]] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    passed_over: int = 0

    def add(self, looked: Looked) -> None:
        if looked.why == HOLDS_NOT:
            self.passed_over += 1
            return
        if looked.why:
            self.not_looked_at.append(looked)
            return
        self.trouble += [(looked.name, each) for each in looked.trouble]
        self.faults += [(looked.name, each) for each in looked.faults]
        counts, levels = Counter[str](), dict[str, str]()
        for found in looked.found:
            counts[found.rule] += 1
            levels[found.rule] = min(levels.get(found.rule, found.level), found.level, key=lambda each: _RANKS[each])
            self._group(found).add(looked.name, found)
            for key, value in _values(found.config):
                line = self.lines_by_key.setdefault(key, Line(key))
                line.places += 1
                line.repositories.add(looked.name)
                line.values[value] += 1
        if counts:
            self.rows.append(Row(looked.name, looked.commit, dict(counts), levels, looked.fixes))
        else:
            self.clean.append(looked.name)

    def _group(self, found: Found) -> FleetGroup:
        key = (found.rule, found.kind, found.answer)
        return self.groups_by_answer.setdefault(key, FleetGroup(*key, found.level))

    @property
    def groups(self) -> list[FleetGroup]:
        """What has a fix, the worst level first, then what most repositories share."""
        return sorted((each for each in self.groups_by_answer.values() if not each.is_blocked), key=_order)

    @property
    def blocked(self) -> list[FleetGroup]:
        return sorted((each for each in self.groups_by_answer.values() if each.is_blocked), key=_order)

    @property
    def lines(self) -> list[Line]:
        """What would unblock most, first."""
        return sorted(self.lines_by_key.values(), key=lambda line: (-line.places, line.key))

    @property
    def count(self) -> int:
        return len(self.rows) + len(self.clean)

    @property
    def places(self) -> int:
        return sum(group.places for group in self.groups_by_answer.values())

    @property
    def rules(self) -> list[str]:
        """The rules that found something, by level and then by the number of findings."""
        places, worst = Counter[str](), dict[str, int]()
        for group in self.groups_by_answer.values():
            places[group.rule] += group.places
            worst[group.rule] = min(worst.get(group.rule, 9), _RANKS[group.level])
        return sorted(places, key=lambda rule: (worst[rule], -places[rule], rule))

    def sorted_rows(self) -> list[Row]:
        return sorted(self.rows, key=lambda row: row.name.lower())

    def in_words(self) -> str:
        said = f"{in_repositories(self.count)} looked at"
        fixes = sum(group.places for group in self.groups)
        if self.rows:
            said += f"; {in_places(self.places, len(self.rows))}, {fixes:,} with a fix"
        else:
            said += "; nothing found"
        if self.passed_over:
            said += f"; passed over {in_repositories(self.passed_over)} without such a path"
        if self.not_looked_at:
            said += f"; {in_repositories(len(self.not_looked_at))} not looked at"
        return said


def overview_of_fleet(all_looked: Iterable[Looked]) -> FleetOverview:
    made = FleetOverview()
    for looked in all_looked:
        made.add(looked)
    return made


def _order(group: FleetGroup) -> tuple[int, int, int, str, str]:
    return _RANKS[group.level], -len(group.repositories), -group.places, group.rule, group.answer


def _values(config: str) -> list[tuple[str, str]]:
    """Each option that a line of configuration sets, with its value as in TOML."""
    if not config:
        return []
    try:
        tomllib.loads(config)
    except tomllib.TOMLDecodeError:
        return []
    pairs = (line.partition(" = ")[::2] for line in config.splitlines())
    return [(key.strip(), value.strip()) for key, value in pairs if re.match(r"rules\.", key)]
