"""Choosing fixes on a terminal: groups to tick, beside them what the highlighted one changes.

The screen is written to stderr, so that standard output holds what was chosen, as a patch for instance, and nothing
else. Nothing is written here: the answer says what was chosen, or what a person wants done before choosing on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.events import Resize
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from fixer.model import Fix, Plan
from fixer.records import record
from fixer.show.changes import Changes
from fixer.show.diff import Block
from fixer.show.groups import Group, grouped
from fixer.show.terminal import LEVELS, SIGNS, TIERS
from fixer.show.visible import visible
from fixer.show.words import in_words

NARROW = 90
"""Columns below which list and diff stand above each other."""

LONGEST = 400
"""Lines of a diff that are shown."""


@record
class Take:
    """The ids of the fixes to make."""

    names: tuple[str, ...]


@record
class Edit:
    """A file to open in the editor, and the ids that are not ticked so far."""

    path: str
    line: int
    unticked: frozenset[str]


@record
class Never:
    """A rule that files are to be free of, and the ids that are not ticked so far."""

    rule_id: str
    paths: tuple[str, ...]
    unticked: frozenset[str]


Answer = Take | Edit | Never


@record
class Row:
    """A group, or one fix of it where `number` is not negative."""

    group: Group
    number: int = -1

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.group.numbers if self.number < 0 else (self.number,)


class Picker(App[Answer]):
    """Ends with an `Answer`, or with None where nothing is to be done."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #said { height: 1; padding: 0 1; text-style: bold; }
    #search { display: none; }
    #search.open { display: block; }
    #body { layout: horizontal; height: 1fr; }
    #rows { width: 2fr; height: 100%; border: none; padding: 0; }
    #side { width: 3fr; height: 100%; padding: 0 1; border-left: solid $primary-darken-2; }
    #body.narrow { layout: vertical; }
    .narrow #rows { width: 100%; height: 1fr; }
    .narrow #side { width: 100%; height: 1fr; padding: 0; border-left: none; border-top: solid $primary-darken-2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        # A narrow screen shows the first of them.
        Binding("space", "tick", "tick"),
        Binding("enter", "take", "apply", priority=True),
        Binding("q", "leave", "quit"),
        Binding("slash", "search", "search"),
        Binding("right,l", "open", "each"),
        Binding("left,h", "close", "group", show=False),
        Binding("a", "all", "all"),
        Binding("n", "none", "none"),
        Binding("s", "safe", "safe", show=False),
        Binding("e", "edit", "edit"),
        Binding("i", "never", "never here"),
        Binding("pagedown", "page(1)", "diff down", show=False, priority=True),
        Binding("pageup", "page(-1)", "diff up", show=False, priority=True),
        Binding("escape", "out", "back", priority=True),
    ]

    def __init__(self, plan: Plan, unticked: Iterable[str] = ()) -> None:
        super().__init__()
        self.plan = plan
        self.groups = grouped(plan.taken)
        self.ids = {n: name for group in self.groups for n, name in zip(group.numbers, group.ids, strict=True)}
        left = frozenset(unticked)
        self.ticked = {number for number, name in self.ids.items() if name not in left}
        self.changes = Changes(plan)
        self.opened: set[str] = set()
        self.rows: list[Row] = []

    # -- the screen ----------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Static(id="said")
        yield Input(placeholder="rule, file or words", id="search")
        with Container(id="body"):
            yield OptionList(id="rows")
            with VerticalScroll(id="side"):
                yield Static(id="diff")
        yield Footer()

    def on_mount(self) -> None:
        self._fill()
        self.query_one("#rows").focus()

    def on_resize(self, event: Resize) -> None:
        self.query_one("#body").set_class(event.size.width < NARROW, "narrow")

    def on_input_changed(self) -> None:
        self._fill()

    def on_option_list_option_highlighted(self) -> None:
        self._show()

    def _fill(self, at: Row | None = None) -> None:
        """The rows that the search leaves; the same one stays highlighted where it is still there."""
        words = self.query_one("#search", Input).value.lower().split()
        self.rows = []
        for group in self.groups:
            if not all(word in _searched(group) for word in words):
                continue
            self.rows.append(Row(group))
            if group.id in self.opened:
                self.rows += [Row(group, number) for number in group.numbers]
        listed = self.query_one("#rows", OptionList)
        listed.clear_options()
        listed.add_options([Option(self._label(row)) for row in self.rows])
        if self.rows:
            listed.highlighted = self.rows.index(at) if at in self.rows else 0
        self._tell()
        self._show()

    def _refresh(self) -> None:
        listed = self.query_one("#rows", OptionList)
        for index, row in enumerate(self.rows):
            listed.replace_option_prompt_at_index(index, self._label(row))
        self._tell()

    def _tell(self, more: str = "") -> None:
        said = f"{len(self.ticked)} of {len(self.ids)} ticked" + (f"; {more}" if more else "")
        self.query_one("#said", Static).update(Text(said, no_wrap=True, overflow="ellipsis"))

    def _label(self, row: Row) -> Text:
        on = sum(number in self.ticked for number in row.numbers)
        box = "[x]" if on == len(row.numbers) else "[~]" if on else "[ ]"
        label = Text(no_wrap=True, overflow="ellipsis")
        label.append(box, "green" if on else "dim")
        if row.number >= 0:
            member = self.plan.taken[row.number]
            return label.append(f"   {visible(member.finding.path)}:{self._line(row.number)}")
        label.append(f" {row.group.level!s:<7} ", LEVELS[row.group.level])
        label.append(visible(row.group.answer))
        count = len(row.group.numbers)
        return label.append(f"  ×{count}", "dim") if count > 1 else label

    def _show(self) -> None:
        row = self._row()
        self.query_one("#diff", Static).update(Text() if row is None else described(self.changes, row))
        self.query_one("#side", VerticalScroll).scroll_home(animate=False)

    def _row(self) -> Row | None:
        index = self.query_one("#rows", OptionList).highlighted
        return self.rows[index] if index is not None and index < len(self.rows) else None

    def _line(self, number: int) -> int:
        """The line that a fix changes first in the file of its finding; the first one where it changes another file."""
        return max(self.changes.line(number), 1)

    # -- keys ----------------------------------------------------------------------------------------------------------

    def action_tick(self) -> None:
        row = self._row()
        if row is None:
            return
        on = not all(number in self.ticked for number in row.numbers)
        wanted = set(row.numbers)
        reached = self._reached(wanted, on)
        more = len({number for number in reached - wanted if (number in self.ticked) != on})
        self.ticked = self.ticked | reached if on else self.ticked - reached
        self._refresh()
        if more:
            self._tell(f"{more} {'goes' if more == 1 else 'go'} with it")

    def _reached(self, wanted: set[int], on: bool) -> set[int]:
        """With what a fix stands on, where it is ticked; with what stands on it, where it is not."""
        found = set(wanted)
        while True:
            if on:
                more = {other for number in found for other in self.changes.together.get(number, ())}
            else:
                more = {number for number, others in self.changes.together.items() if others & found}
            if more <= found:
                return found
            found |= more

    def action_all(self) -> None:
        self.ticked = set(self.ids)
        self._refresh()

    def action_none(self) -> None:
        self.ticked = set()
        self._refresh()

    def action_safe(self) -> None:
        safe = {number for group in self.groups if group.tier == "safe" for number in group.numbers}
        self.ticked = self._reached(safe, True)
        self._refresh()

    def action_open(self) -> None:
        row = self._row()
        if row is not None and len(row.group.numbers) > 1:
            self.opened.add(row.group.id)
            self._fill(row)

    def action_close(self) -> None:
        row = self._row()
        if row is not None:
            self.opened.discard(row.group.id)
            self._fill(Row(row.group))

    def action_search(self) -> None:
        search = self.query_one("#search", Input)
        search.add_class("open")
        search.focus()

    def action_out(self) -> None:
        """Out of the search, and then out of what it left."""
        search = self.query_one("#search", Input)
        row = self._row()
        if search.has_focus or search.value:
            search.value = ""
            search.remove_class("open")
            self.query_one("#rows").focus()
            self._fill(row)
        elif row is not None and row.group.id in self.opened:
            self.action_close()

    def action_page(self, direction: int) -> None:
        side = self.query_one("#side", VerticalScroll)
        if direction > 0:
            side.scroll_page_down(animate=False)
        else:
            side.scroll_page_up(animate=False)

    def action_take(self) -> None:
        if self.query_one("#search", Input).has_focus:
            self.query_one("#rows").focus()
            return
        self.exit(Take(tuple(self.ids[number] for number in sorted(self.ticked))))

    def action_edit(self) -> None:
        row = self._row()
        if row is not None:
            number = row.numbers[0]
            self.exit(Edit(self.plan.taken[number].finding.path, self._line(number), self._unticked()))

    def action_never(self) -> None:
        row = self._row()
        if row is not None:
            paths = dict.fromkeys(self.plan.taken[number].finding.path for number in row.numbers)
            self.exit(Never(row.group.rule.id, tuple(paths), self._unticked()))

    def action_leave(self) -> None:
        self.exit(None)

    def _unticked(self) -> frozenset[str]:
        return frozenset(name for number, name in self.ids.items() if number not in self.ticked)


def described(changes: Changes, row: Row) -> Text:
    """What a group or a fix does, why, and its lines."""
    group, plan = row.group, changes.plan
    first = plan.taken[row.numbers[0]]
    fix = first.finding.cure
    assert isinstance(fix, Fix)
    text = Text()
    text.append(f"{visible(fix.title)}\n", "bold")
    text.append(f"{group.level} ", LEVELS[group.level])
    text.append(f"{fix.tier} ", TIERS[fix.tier])
    text.append(f"{group.rule.id}\n", "cyan")
    messages = dict.fromkeys(plan.taken[number].finding.message for number in row.numbers)
    for message in messages:
        text.append("why: ", "dim").append(f"{visible(message)}\n")
    for line in in_words(fix):
        text.append("change: ", "dim").append(f"{visible(line)}\n")
    for line in fix.todo:
        text.append("to do: ", "dim").append(f"{visible(line)}\n", "yellow")
    left = LONGEST
    blocks: dict[str, list[Block]] = {}
    for number in row.numbers:
        for path, own in changes.of(number).blocks.items():
            blocks.setdefault(path, []).extend(own)
    for path in sorted(blocks):
        text.append(f"\n{visible(path)}\n", "bold")
        for hunk in changes.diffs[path].hunks(blocks[path]):
            text.append(f"{hunk.header}\n", "magenta")
            for shown in hunk.lines[: max(left, 0)]:
                words = visible(shown.text.rstrip("\r\n"))
                text.append(f"{shown.sign}{words}\n", SIGNS[shown.sign])
            left -= len(hunk.lines)
    if left < 0:
        text.append(f"… {-left} more lines\n", "dim")
    return text


def _searched(group: Group) -> str:
    words = (group.rule.id, group.rule.pack, *group.rule.audit, str(group.level), str(group.tier), group.answer)
    return " ".join((*words, *group.paths, *group.messages)).lower()


def pick(plan: Plan, unticked: Iterable[str] = ()) -> Answer | None:
    """Asks on the terminal. `unticked` are ids of fixes that were left out before."""
    return Picker(plan, unticked).run()
