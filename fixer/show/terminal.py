"""The plan on a terminal: first what matters, then each group of fixes with a sample; verbose, every hunk."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from fixer.model import Blocked, Fix, Level, Plan, Reported, Tier
from fixer.show.diff import FileDiff, Hunk, file_diff
from fixer.show.groups import Group, places
from fixer.show.overview import Overview, overview_of
from fixer.show.place import Read, place_of, source_of
from fixer.show.visible import visible
from fixer.show.words import Once, configuration, in_words, plan_in_words, shortened

SIGNS = {"-": "red", "+": "green", " ": "dim"}
TIERS = {Tier.SAFE: "green", Tier.REVIEW: "yellow"}
LEVELS = {Level.ERROR: "bold red", Level.WARNING: "yellow", Level.NOTE: "blue"}

SAMPLE = 10
"""Lines of a change that a group shows unless all are asked for."""

WIDE, NARROW = 9, 6
"""Characters of a number's column, and of one on a narrow terminal."""

FEW = 6
"""So many names are listed; of more, how many there are."""


def show(plan: Plan, read: Read, console: Console, *, verbose: bool = False, command: str = "") -> None:
    """`read` gives the file in which findings that stay have their place. `command` is what would write the plan;
    without it the plan is written already."""
    seen = overview_of(plan)
    diffs = {path: file_diff(plan.files[path]) for path in sorted(plan.files)}
    first_screen(plan, seen, console, command)
    if verbose:
        _everything(plan, diffs, console)
    else:
        todo = Once()
        for group in seen.groups:
            _group(group, diffs, todo, console)
    config = Once()
    for group in seen.stays:
        _stays(group, read, config, console)
    _prose(console, Text(plan_in_words(plan), "bold"))


# -- the first screen -------------------------------------------------------------------------------------------------


def first_screen(plan: Plan, seen: Overview, console: Console, command: str) -> None:
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
    if command:
        _heading(console, "Next")
        _commands(console, seen, command)
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


def _commands(console: Console, seen: Overview, command: str) -> None:
    """Not wrapped: they are to be copied."""
    offers = [(f"{command} --dry-run -v", "every changed line")]
    if seen.worst:
        names = ",".join(group.name for group in seen.worst)
        offers.append((f"{command} --only {names}", "only the most serious"))
    offers.append((f"{command} --safe", "only what keeps the meaning of each file"))
    offers.append((command, "everything; `fhfix undo` takes it back"))
    if seen.config:
        offers.append(("fhfix configure", "supply what the findings that stay wait for"))
    for words, meaning in offers:
        console.print(Text.assemble("  ", (words, "green"), ("   # " + meaning, "dim")), soft_wrap=True)


# -- groups -----------------------------------------------------------------------------------------------------------


def _group(group: Group, diffs: dict[str, FileDiff], todo: Once, console: Console) -> None:
    """What is done, where, why, and one sample of it."""
    _head(console, group)
    _paragraph(console, "at", ", ".join(_where(group, diffs)))
    for message in group.messages[:2]:
        _paragraph(console, "why", message)
    if len(group.messages) > 2:
        _paragraph(console, "why", f"and {len(group.messages) - 2} more of the kind")
    first = group.members[0].finding.cure
    assert isinstance(first, Fix)
    words = in_words(first)
    for line in words[:FEW]:
        _paragraph(console, "change", line)
    if len(words) > FEW:
        _paragraph(console, "change", f"and {len(words) - FEW} more")
    for line in group.also:
        _paragraph(console, "also gone", line)
    for line in todo.new(group.todo):
        _paragraph(console, "to do", line, "yellow")
    _sample(group.numbers[0], diffs, console)
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


def _where(group: Group, diffs: dict[str, FileDiff]) -> list[str]:
    """Each place as `file:line` of the file on disk; the file's name once for all its lines."""
    found: dict[str, list[int]] = {}
    for number, member in zip(group.numbers, group.members, strict=True):
        path = member.finding.path
        found.setdefault(path, []).append(_first_line(number, diffs.get(path)))
    return [
        f"{visible(path)}:{','.join(str(line) for line in lines if line)}".rstrip(":") for path, lines in found.items()
    ]


def _first_line(number: int, diff: FileDiff | None) -> int:
    """The line, from 1, that a fix changes first, in the file before; 0 where it changes another file."""
    blocks = diff.blocks if diff is not None else ()
    return next((block.before + 1 for block in blocks if number in block.origins), 0)


def _sample(number: int, diffs: dict[str, FileDiff], console: Console) -> None:
    """The beginning of what one fix changes, and how much more there is."""
    several = sum(any(number in block.origins for block in diff.blocks) for diff in diffs.values()) > 1
    left = SAMPLE
    more = 0
    for path, diff in diffs.items():
        chosen = [block for block in diff.blocks if number in block.origins]
        # Lines that it shares with other fixes say less of it.
        chosen = [block for block in chosen if len(block.origins) == 1] or chosen
        hunks = diff.hunks(chosen, context=1) if chosen else []
        if hunks and left > 0 and (several or not diff.change.before):
            new = "" if diff.change.before else "  (new file)"
            console.print(Text(f"  {visible(path)}{new}", "bold"), soft_wrap=True)
        for hunk in hunks:
            lines = hunk.lines[: max(left, 0)]
            if lines:
                _hunk(Hunk(hunk.header, lines, hunk.origins), console)
            left -= len(lines)
            more += len(hunk.lines) - len(lines)
    if more:
        console.print(Text(f"  … {more} more lines; -v shows them", "dim"))


# -- everything -------------------------------------------------------------------------------------------------------


def _everything(plan: Plan, diffs: dict[str, FileDiff], console: Console) -> None:
    """By file, and each hunk under the fix that made it."""
    explained: set[int] = set()
    for path, diff in diffs.items():
        new = "" if diff.change.before else "  (new file)"
        console.rule(Text(visible(path) + new, "bold"), align="left")
        for origins, blocks in diff.by_fixes():
            for origin in origins:
                _fix(plan.taken[origin], console, again=origin in explained)
                explained.add(origin)
            for hunk in diff.hunks(blocks):
                _hunk(hunk, console)
            console.print()


def show_fix(reported: Reported, hunks: Sequence[tuple[str, Hunk]], console: Console) -> None:
    """One fix with its hunks by path."""
    _fix(reported, console)
    for path, group in groupby(hunks, lambda each: each[0]):
        console.print(Text(f"  {visible(path)}", "bold"), soft_wrap=True)
        for _, hunk in group:
            _hunk(hunk, console)


def show_taken(plan: Plan, number: int, console: Console) -> None:
    """One fix of a plan with its hunks."""
    hunks = [
        (path, hunk)
        for path in sorted(plan.files)
        for diff in [file_diff(plan.files[path])]
        for hunk in diff.hunks([block for block in diff.blocks if number in block.origins])
    ]
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


def _stays(group: Group, read: Read, config: Once, console: Console) -> None:
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
    cure = group.members[0].finding.cure
    if isinstance(cure, Blocked):
        _blocked(group, cure, config, console)
    else:
        _paragraph(console, "not taken", f"{cure.title} ({cure.tier})")
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
