"""The plan on a terminal: by file, and each hunk under the fix that made it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from fixer.model import Fix, Plan, Reported, Source, Tier
from fixer.show.diff import Hunk, file_diff
from fixer.show.visible import visible
from fixer.show.words import in_words, plan_in_words

SIGNS = {"-": "red", "+": "green", " ": "dim"}
TIERS = {Tier.SAFE: "green", Tier.REVIEW: "yellow"}


def show(plan: Plan, read: Callable[[str], Source], console: Console) -> None:
    """`read` gives the file after the plan, for the lines of findings that stay."""
    explained: set[int] = set()
    for path in sorted(plan.files):
        change = plan.files[path]
        diff = file_diff(change)
        console.rule(Text(visible(path) + ("" if change.before else "  (new file)"), "bold"), align="left")
        for origins, blocks in diff.by_fixes():
            for origin in origins:
                _fix(plan.taken[origin], console, again=origin in explained)
                explained.add(origin)
            for hunk in diff.hunks(blocks):
                _hunk(hunk, console)
            console.print()
    for reported in plan.left:
        _left(reported, read, console)
    _prose(console, Text(plan_in_words(plan), "bold"))


def show_fix(reported: Reported, hunks: Sequence[tuple[str, Hunk]], console: Console) -> None:
    """One fix with its hunks by path, as the interactive apply asks about it."""
    _fix(reported, console)
    for path, group in groupby(hunks, lambda each: each[0]):
        console.print(Text(f"  {visible(path)}", "bold"), soft_wrap=True)
        for _, hunk in group:
            _hunk(hunk, console)


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


def _left(reported: Reported, read: Callable[[str], Source], console: Console) -> None:
    finding = reported.finding
    line = read(finding.path).line_of(finding.span.start)
    head = Text.assemble(
        (f"{visible(finding.path)}:{line}", "bold"), "  ", (reported.rule.id, "bold cyan"), "  ", ("stays", "yellow")
    )
    console.print(head, soft_wrap=True)
    _paragraph(console, "finding", finding.message)
    cure = finding.cure
    if isinstance(cure, Fix):
        _paragraph(console, "not taken", f"{cure.title} ({cure.tier})")
    else:
        _paragraph(console, "no fix", cure.reason)
        if cure.next_step:
            _paragraph(console, "next", cure.next_step)
        if cure.config:  # not wrapped: it is to be copied
            line_to_copy = Text.assemble(("  configure: ", "dim"), (visible(cure.config), "green"))
            console.print(line_to_copy, soft_wrap=True)
    console.print()
