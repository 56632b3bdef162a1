"""The plan on a terminal: first what matters, then each group of fixes with a sample; verbose, every hunk."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from fixer.model import Blocked, Fix, Level, Plan, Reported, Tier
from fixer.records import record
from fixer.show.changes import Changes
from fixer.show.diff import Hunk
from fixer.show.groups import Group, places
from fixer.show.overview import Overview, overview_of
from fixer.show.place import Read, place_of, source_of
from fixer.show.visible import visible
from fixer.show.words import Once, configuration, in_words, plan_in_words, shortened

SIGNS = {"-": "red", "+": "green", " ": "dim"}
TIERS = {Tier.SAFE: "green", Tier.REVIEW: "yellow"}
LEVELS = {Level.ERROR: "bold red", Level.WARNING: "yellow", Level.NOTE: "blue"}

SAMPLE = {Level.ERROR: 10, Level.WARNING: 7, Level.NOTE: 4}
"""Lines of a change that a group shows unless all are asked for: the less it matters, the fewer."""

WIDE, NARROW = 9, 6
"""Characters of a number's column, and of one on a narrow terminal."""

FEW = 6
"""So many names are listed; of more, how many there are."""


def show(
    plan: Plan, read: Read, console: Console, *, verbose: bool = False, command: str = "", chosen: str = ""
) -> None:
    """`read` gives the file in which findings that stay have their place. `command` is what would write everything,
    and with the options `chosen` this plan; without it the plan is written already."""
    seen = overview_of(plan)
    changes = Changes(plan)
    first_screen(plan, seen, console, command, chosen)
    if verbose:
        _everything(changes, console)
    else:
        todo = Once()
        for group in seen.groups:
            _group(group, changes, todo, console)
    config = Once()
    for group in seen.stays:
        if group.blocked is not None:
            _stays(group, group.blocked, read, config, console)
    _not_taken([group for group in seen.stays if group.blocked is None], console)
    _prose(console, Text(plan_in_words(plan), "bold"))


# -- the first screen -------------------------------------------------------------------------------------------------


def first_screen(plan: Plan, seen: Overview, console: Console, command: str, chosen: str = "") -> None:
    """At most 40 lines."""
    if not seen.rows:
        return
    _prose(console, Text(plan_in_words(plan), "bold"))
    _table(seen, console)
    if seen.worst:
        _heading(console, "Most serious")
    for group in seen.worst:
        _line(console, group)
    if seen.stays:
        _heading(console, "Stays")
    _listed(console, [f"{group.rule.id}: {group.answer}  ({places(group)})" for group in seen.stays])
    if seen.todo:
        _heading(console, "A person must")
    _listed(console, seen.todo)
    if command and (seen.groups or seen.config):
        _heading(console, "Next")
        _commands(console, seen, command, chosen)
    console.print()


def _table(seen: Overview, console: Console) -> None:
    """Tasks by level. On a narrow terminal titles are cut, numbers never."""
    names = [f"{row.reference} {row.title}".strip() for row in seen.rows]
    cell = WIDE if console.width >= 60 else NARROW
    columns = [*(str(level) for level in Level), "fixed", "stay"]
    wide = min(max(map(len, names)), max(console.width - 1 - cell * len(columns), NARROW))
    heads = "".join(f"{name[: cell - 1]:>{cell}}" for name in columns)
    console.print(Text(f"{'':{wide}}{heads}", "dim"), soft_wrap=True)
    for name, row in zip(names, seen.rows, strict=True):
        line = Text(f"{shortened(name, wide):{wide}}")
        for level in Level:
            line.append(f"{row.counts.get(level, 0) or '·':>{cell}}", LEVELS[level])
        line.append(f"{row.fixed or '·':>{cell}}{row.left or '·':>{cell}}")
        console.print(line, soft_wrap=True)


def _heading(console: Console, words: str) -> None:
    console.print(Text(words, "bold"))


def _line(console: Console, group: Group) -> None:
    line = Text("  ")
    line.append(f"{group.name}  ", "dim")
    line.append(f"{group.tier or 'stays':<6}  ", TIERS.get(group.tier, "yellow") if group.tier else "yellow")
    line.append(f"{group.rule.id}: {visible(group.answer)}")
    line.append(f"  ({visible(places(group))})", "dim")
    _one_line(console, line)


def _listed(console: Console, items: Sequence[str]) -> None:
    for item in items[:FEW]:
        _one_line(console, Text(f"  · {visible(shortened(item, 400))}"))
    if len(items) > FEW:
        console.print(Text(f"  · and {len(items) - FEW} more, below", "dim"))


def _one_line(console: Console, line: Text) -> None:
    """Cut at the width of the terminal."""
    console.print(line, overflow="ellipsis", no_wrap=True, width=max(console.width, 40))


def _commands(console: Console, seen: Overview, command: str, chosen: str) -> None:
    """Not wrapped: they are to be copied."""
    this = f"{command} {chosen}".rstrip()
    offers = [(f"{this} --dry-run -v", "every changed line")] if seen.groups else []
    if seen.groups and chosen:
        offers.append((this, "these; `fhfix undo` takes them back"))
    elif seen.groups:
        if seen.worst:
            names = ",".join(group.name for group in seen.worst)
            offers.append((f"{command} --only {names}", "only the most serious"))
        offers.append((f"{command} --safe", "only what keeps the meaning of each file"))
        offers.append((command, "everything; `fhfix undo` takes it back"))
    if seen.config:
        configure = command.replace("fhfix apply", "fhfix configure", 1)
        offers.append((configure, "supply what the findings that stay wait for"))
    for words, meaning in offers:
        console.print(Text.assemble("  ", (words, "green"), ("   # " + meaning, "dim")), soft_wrap=True)


# -- groups -----------------------------------------------------------------------------------------------------------


def _group(group: Group, changes: Changes, todo: Once, console: Console) -> None:
    """What is done, where, why, and one sample of it."""
    number = group.numbers[0]
    sample = _sample(changes, number, SAMPLE[group.level])
    _head(console, group)
    _paragraph(console, "at", ", ".join(_where(group, changes)))
    for message in group.messages[:2]:
        _paragraph(console, "why", message)
    if len(group.messages) > 2:
        _paragraph(console, "why", f"and {len(group.messages) - 2} more of the kind")
    first = group.members[0].finding.cure
    assert isinstance(first, Fix)
    # What the rule does not say in words of its own, lines that are all shown say better.
    words = in_words(first) if sample.more or first.effects else ()
    for line in words[:FEW]:
        _paragraph(console, "change", line)
    if len(words) > FEW:
        _paragraph(console, "change", f"and {len(words) - FEW} more")
    for line in group.also:
        _paragraph(console, "also gone", line)
    for line in todo.new(group.todo):
        _paragraph(console, "to do", line, "yellow")
    _within(changes, number, console)
    for path, hunk in sample.hunks:
        if path:
            new = "" if changes.diffs[path].change.before else "  (new file)"
            console.print(Text(f"  {visible(path)}{new}", "bold"), soft_wrap=True)
        _hunk(hunk, console)
    if sample.more:
        console.print(Text(f"  … {sample.more} more lines; -v shows them", "dim"))
    console.print()


def _head(console: Console, group: Group) -> None:
    tier = group.tier
    assert tier is not None
    head = Text()
    head.append(f"{group.level}", LEVELS[group.level])
    head.append(f"  {group.rule.id}", "bold cyan")
    head.append(f"  {tier}", TIERS[tier])
    head.append(f"  {visible(group.answer)}", "bold")
    head.append(f"  [{group.name}]", "dim")
    _prose(console, head)


def _where(group: Group, changes: Changes) -> list[str]:
    """Each place as `file:line` of the file on disk; the file's name once for all its lines."""
    found: dict[str, list[int]] = {}
    for number, member in zip(group.numbers, group.members, strict=True):
        found.setdefault(member.finding.path, []).append(changes.line(number))
    return [
        f"{visible(path)}:{','.join(str(line) for line in lines if line)}".rstrip(":") for path, lines in found.items()
    ]


def _within(changes: Changes, number: int, console: Console) -> None:
    """Whose lines are shown where a fix has none of its own."""
    by = changes.of(number).by
    if by != number:
        holder = changes.plan.taken[by]
        _paragraph(console, "within", f"{_title(holder)} [{holder.id}], which has other text in its place")


def _title(reported: Reported) -> str:
    cure = reported.finding.cure
    return cure.title if isinstance(cure, Fix) else cure.reason


@record
class _Sample:
    """The beginning of what one fix changes, and how many lines more there are. A path is given where it is news."""

    hunks: list[tuple[str, Hunk]]
    more: int


def _sample(changes: Changes, number: int, most: int) -> _Sample:
    by_path = changes.of(number).blocks
    found: list[tuple[str, Hunk]] = []
    more = 0
    for path, blocks in by_path.items():
        diff = changes.diffs[path]
        # Lines that it shares with other fixes say less of it.
        chosen = [block for block in blocks if len(block.origins) == 1] or blocks
        name = path if len(by_path) > 1 or not diff.change.before else ""
        for hunk in diff.hunks(chosen, context=1):
            lines = hunk.lines[:most]
            if lines:
                found.append((name, Hunk(hunk.header, lines, hunk.origins)))
                name = ""
            most -= len(lines)
            more += len(hunk.lines) - len(lines)
    return _Sample(found, more)


# -- everything -------------------------------------------------------------------------------------------------------


def _everything(changes: Changes, console: Console) -> None:
    """By file, and each hunk under the fix that made it."""
    explained: set[int] = set()
    for path, diff in changes.diffs.items():
        new = "" if diff.change.before else "  (new file)"
        console.rule(Text(visible(path) + new, "bold"), align="left")
        for origins, blocks in diff.by_fixes():
            for origin in origins:
                _explained(changes, origin, explained, console)
            for hunk in diff.hunks(blocks):
                _hunk(hunk, console)
            console.print()


def _explained(changes: Changes, number: int, explained: set[int], console: Console) -> None:
    """A fix, and those that have no lines of their own beside its."""
    _fix(changes.plan.taken[number], console, again=number in explained)
    if number not in explained:
        explained.add(number)
        for other in changes.within.get(number, ()):
            _fix(changes.plan.taken[other], console)
            _within(changes, other, console)


def show_fix(reported: Reported, hunks: Sequence[tuple[str, Hunk]], console: Console) -> None:
    """One fix with its hunks by path."""
    _fix(reported, console)
    for path, group in groupby(hunks, lambda each: each[0]):
        console.print(Text(f"  {visible(path)}", "bold"), soft_wrap=True)
        for _, hunk in group:
            _hunk(hunk, console)


def show_taken(plan: Plan, number: int, console: Console) -> None:
    """One fix of a plan with its hunks."""
    changes = Changes(plan)
    blocks = changes.of(number).blocks
    hunks = [(path, hunk) for path, chosen in blocks.items() for hunk in changes.diffs[path].hunks(chosen)]
    show_fix(plan.taken[number], hunks, console)


def _fix(reported: Reported, console: Console, again: bool = False) -> None:
    fix = reported.finding.cure
    assert isinstance(fix, Fix)
    head = Text.assemble(
        (reported.rule.id, "bold cyan"), "  ", (str(fix.tier), TIERS[fix.tier]), "  ", (visible(fix.title), "bold")
    )
    if again:
        _prose(console, head.append("  (explained above)", "dim"))
        return
    _prose(console, head)
    _paragraph(console, "why", reported.finding.message)
    for line in in_words(fix):
        _paragraph(console, "change", line)
    for line in fix.todo:
        _paragraph(console, "to do", line, "yellow")


def _stays(group: Group, cure: Blocked, read: Read, config: Once, console: Console) -> None:
    where = []
    for member in group.members:
        finding = member.finding
        place = place_of(finding.span, source_of(finding.path, read))
        where.append(f"{visible(finding.path)}:{place.line}")
    head = Text()
    head.append(f"{group.level}", LEVELS[group.level])
    head.append(f"  {group.rule.id}", "bold cyan")
    head.append("  stays", "yellow")
    head.append(f"  {', '.join(where)}", "bold")
    console.print(head, soft_wrap=True)
    for message in group.messages:
        _paragraph(console, "finding", message)
    _blocked(group, cure, config, console)
    console.print()


def _not_taken(groups: Sequence[Group], console: Console) -> None:
    """Fixes that were not chosen, a line each: who wants to see them chooses them."""
    if groups:
        _heading(console, "Not taken")
    for group in groups:
        _line(console, group)
    if groups:
        console.print()


def _blocked(group: Group, cure: Blocked, config: Once, console: Console) -> None:
    _paragraph(console, "no fix", cure.reason)
    if cure.next_step:
        _paragraph(console, "next", cure.next_step)
    for line in config.new(configuration(member.finding.cure for member in group.members)):
        # Not wrapped: it is to be copied.
        console.print(Text.assemble(("  configure: ", "dim"), (visible(line), "green")), soft_wrap=True)


# -- lines ------------------------------------------------------------------------------------------------------------


def _paragraph(console: Console, label: str, text: str, style: str = "") -> None:
    _prose(console, Text.assemble((f"{label}: ", "dim"), (visible(text), style)), "  ")


def _prose(console: Console, words: Text, indent: str = "") -> None:
    """Wrapped to the width, without the padding that would be copied along."""
    for line in words.wrap(console, max(console.width - len(indent), 20)):
        line.rstrip()
        console.print(Text.assemble(indent, line), soft_wrap=True)


def _hunk(hunk: Hunk, console: Console) -> None:
    """Lines are never wrapped: what is shown can be searched for and copied."""
    console.print(Text(f"  {hunk.header}", "magenta"), soft_wrap=True)
    ends = {line.text[len(line.text.rstrip("\r\n")) :] for line in hunk.lines}
    for line in hunk.lines:
        text = line.text.removesuffix("\n")
        # A carriage return is shown only where the line ends of a hunk differ.
        text = text.removesuffix("\r") if "\n" not in ends else text
        text = text.removeprefix("\ufeff") if 1 in (line.before, line.after) else text
        console.print(Text(f"  {line.sign}{visible(text)}", SIGNS[line.sign]), soft_wrap=True)
        if not line.text.endswith("\n"):
            console.print(Text("  \\ No newline at end of file", "dim"))
