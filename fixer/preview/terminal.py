"""The plan on a terminal: by file, and each hunk under the fix that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from fixer.model import Blocked, Fix, Plan, Reported, Source, Tier
from fixer.preview.patch import Block, Hunk, file_diff
from fixer.preview.semantic import in_words
from fixer.visible import visible

SIGNS = {"-": "red", "+": "green", " ": "dim"}
TIERS = {Tier.SAFE: "green", Tier.REVIEW: "yellow"}


def show(plan: Plan, read: Callable[[str], Source], console: Console) -> None:
    """`read` gives the file after the plan, for the lines of findings that stay."""
    explained: set[int] = set()
    for path in sorted(plan.files):
        change = plan.files[path]
        diff = file_diff(change)
        console.rule(Text(visible(path) + ("" if change.before else "  (new file)"), "bold"), align="left")
        for origins, blocks in _by_fixes(diff.blocks):
            for origin in origins:
                _fix(plan.taken[origin], console, again=origin in explained)
                explained.add(origin)
            for hunk in diff.hunks(blocks):
                _hunk(hunk, console)
            console.print()
    for reported in plan.left:
        _left(reported, read, console)
    console.print(Text(summary(plan), "bold"))


def show_fix(reported: Reported, hunks: Sequence[tuple[str, Hunk]], console: Console) -> None:
    """One fix with its hunks by path, as the interactive apply asks about it."""
    _fix(reported, console)
    for path, hunk in hunks:
        console.print(Text(f"  {visible(path)}", "bold"))
        _hunk(hunk, console)


def summary(plan: Plan) -> str:
    tiers = [reported.finding.cure.tier for reported in plan.taken if isinstance(reported.finding.cure, Fix)]
    said = "nothing to change"
    if plan.files:
        parts = [f"{tiers.count(tier)} {tier}" for tier in Tier if tier in tiers]
        fixes, files = _count(len(tiers), "fix", "fixes"), _count(len(plan.files), "file", "files")
        said = f"{fixes} ({', '.join(parts)}) in {files}"
    if plan.left:
        blocked = sum(isinstance(reported.finding.cure, Blocked) for reported in plan.left)
        said += f"; {_count(len(plan.left), 'finding stays', 'findings stay')} ({blocked} blocked)"
    if plan.faults:
        said += f"; {_count(len(plan.faults), 'fault', 'faults')} of rules"
    if plan.problems:
        said += f"; {_count(len(plan.problems), 'file', 'files')} not read"
    return said


def _by_fixes(blocks: Sequence[Block]) -> Iterator[tuple[tuple[int, ...], list[Block]]]:
    """Blocks that the same fixes made, in the order in which the file meets them first."""
    groups: dict[tuple[int, ...], list[Block]] = {}
    for block in blocks:
        groups.setdefault(block.origins, []).append(block)
    yield from groups.items()


def _fix(reported: Reported, console: Console, again: bool = False) -> None:
    fix = reported.finding.cure
    assert isinstance(fix, Fix)
    head = Text.assemble(
        (reported.rule.id, "bold cyan"), "  ", (str(fix.tier), TIERS[fix.tier]), "  ", (visible(fix.title), "bold")
    )
    if again:
        console.print(head.append("  (explained above)", "dim"))
        return
    console.print(head)
    _paragraph(console, "why", reported.finding.message)
    for line in in_words(fix):
        _paragraph(console, "change", line)
    for line in fix.todo:
        _paragraph(console, "to do", line, "yellow")


def _paragraph(console: Console, label: str, text: str, style: str = "") -> None:
    lead = f"{label}: "
    console.print(Padding(Text.assemble((lead, "dim"), (visible(text), style)), (0, 0, 0, 2)))


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
        if cure.config:
            _paragraph(console, "configure", cure.config, "green")
    console.print()


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
