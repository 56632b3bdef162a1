"""What a pull request holds: its commits, its title and its text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from fixer.audit.criteria import Criterion, State
from fixer.audit.needed import PROVIDED, Needed
from fixer.documents import document_type, kind_of
from fixer.forge.git import Commit, Content
from fixer.model import Blocked, FileChange, FileError, Fix, Plan, Reported, Source, Tier
from fixer.records import record
from fixer.show.groups import MESSAGES, Group, grouped
from fixer.show.markdown import code, fitting, length, words
from fixer.show.place import written
from fixer.show.visible import visible
from fixer.show.words import TIER_WORDS
from fixer.tasks import Task, task_of

LONGEST = 60_000
"""Characters of a text; GitHub takes 65,536, and people write below ours."""

_BEGIN, _END = "<!-- fhfix:begin -->", "<!-- fhfix:end -->"
# The marks count where they are a line of their own, which no name or message can be: each stands behind other text.
_BLOCK = re.compile(rf"^{_BEGIN}\n(.*?)^{_END}$", re.DOTALL | re.MULTILINE)
_TITLE = re.compile(r"^<!-- fhfix:title (.*) -->$", re.MULTILINE)
_ASKED = re.compile(r"^<!-- fhfix:asked (.*) -->$", re.MULTILINE)
_TO_DO = "### What a person must still do"

# -- commits ----------------------------------------------------------------------------------------------------


def commits_of(plan: Plan, *, single: bool = False) -> list[Commit]:
    """One commit for each task of the audit, most urgent first, or one in all."""
    groups: dict[str, list[int]] = {}
    tasks: dict[str, Task] = {}
    for index in sorted(range(len(plan.taken)), key=lambda index: task_of(plan.taken[index].rule).rank):
        task = task_of(plan.taken[index].rule)
        tasks[task.id] = task
        groups.setdefault(task.id, []).append(index)
    if single or len(groups) < 2:
        return [_whole(plan, next(iter(tasks.values())) if len(tasks) == 1 else None)]
    made: list[Commit] = []
    known: set[int] = set()
    now: dict[str, bytes | None] = {path: _before(change) for path, change in plan.files.items()}
    for number, (task_id, indexes) in enumerate(groups.items(), 1):
        known.update(indexes)
        files = {}
        for path, change in plan.files.items():
            after = change.after.to_bytes() if number == len(groups) else _partly(change, known)
            if after is not None and after != now[path]:
                if not _readable(path, after):
                    return [_whole(plan, None)]  # the fixes of two tasks meet at one place: they go together
                files[path] = Content(_before(change), after, change.executable)
                now[path] = after
        if files:
            made.append(Commit(_message(tasks[task_id], [plan.taken[index] for index in indexes]), files))
    return made


def _whole(plan: Plan, task: Task | None) -> Commit:
    files = {p: Content(_before(c), c.after.to_bytes(), c.executable) for p, c in plan.files.items()}
    return Commit(_message(task, plan.taken), files)


def _before(change: FileChange) -> bytes | None:
    return None if change.before is None else change.before.to_bytes()


def _partly(change: FileChange, fixes: Collection[int]) -> bytes | None:
    """A file with some of its fixes; None for a new file that none of them makes."""
    if change.before is None and not any(piece.origin in fixes for piece in change.pieces):
        return None
    text = "".join(p.text if p.origin is None or p.origin in fixes else p.removed for p in change.pieces)
    return Source(change.path, text, change.after.bom).to_bytes()


def _readable(path: str, data: bytes) -> bool:
    kind = kind_of(path)
    try:
        if kind:
            document_type(kind).parse(Source.from_bytes(path, data))
    except FileError:
        return False
    return True


def _message(task: Task | None, taken: Iterable[Reported]) -> str:
    lines = dict.fromkeys(
        f"* {visible(reported.finding.path)}: {visible(_title(reported))} ({reported.rule.id})" for reported in taken
    )
    about = f"{task.id}: {task.title}" if task else "workflows, Dockerfiles and settings"
    return f"Fix {about}\n\n" + "\n".join(lines)


# -- title and text ---------------------------------------------------------------------------------------------


def title_of(plan: Plan) -> str:
    tasks = sorted({task_of(reported.rule) for reported in plan.taken}, key=lambda task: task.rank)
    count = len(plan.answered)
    named = ", ".join(task.title if len(tasks) == 1 else task.id for task in tasks)
    return f"Fix {count} {'defect' if count == 1 else 'defects'}: {named}"


@record
class Body:
    """The text of a pull request: ours between two marks, and what people wrote around it."""

    text: str

    @property
    def _block(self) -> str:
        match = _BLOCK.search(self.text.replace("\r\n", "\n"))
        return match[1] if match else ""

    @property
    def ours(self) -> bool:
        return bool(self._block)

    @property
    def title(self) -> str:
        """The title that we gave; a person may have given another one since."""
        match = _TITLE.search(self._block)
        return match[1] if match else ""

    @property
    def asked(self) -> frozenset[str]:
        """The reviewers that were asked."""
        match = _ASKED.search(self._block)
        return frozenset(match[1].split() if match else ())

    def updated(self, fresh: str) -> str:
        """`fresh` in place of our part; what a person has ticked as done there stays ticked."""
        done = set(
            re.findall(r"^- \[[xX]\] (.*)$", self._block.partition(_TO_DO)[2].partition("\n### ")[0], re.MULTILINE)
        )
        head, heading, rest = fresh.partition(_TO_DO)
        for line in done:
            rest = rest.replace(f"- [ ] {line}\n", f"- [x] {line}\n", 1)
        new = head + heading + rest
        return _BLOCK.sub(lambda _: new.rstrip("\n"), self.text.replace("\r\n", "\n"), count=1)


def body_of(
    plan: Plan,
    title: str,
    criteria: Sequence[Criterion],
    needed_before: Sequence[Needed] = (),
    needed_after: Sequence[Needed] = (),
    asked: Iterable[str] = (),
) -> str:
    """Our part of the text, between its marks. `criteria` and lines are of the tree after the plan.

    Who has a minute reads what is to be done and what wants a look; safe fixes are folded away beside those.
    """
    plan = written(plan)
    fixes = [reported.finding.cure for reported in plan.taken if isinstance(reported.finding.cure, Fix)]
    head = [_counted(plan, fixes), ""]
    for tier in Tier:
        if count := sum(fix.tier is tier for fix in fixes):
            head.append(f"* **{count} {tier}**: {TIER_WORDS[tier]}")
    to_do = _to_do(plan, needed_before, needed_after)
    if to_do:
        head += ["", _TO_DO, "", *to_do]
    tail: list[str] = []
    ticks = [_tick(criterion) for criterion in criteria if criterion.state is not State.NOT_APPLICABLE]
    if ticks:
        tail += [
            "",
            "### Acceptance",
            "",
            "A tick means that fhfix looked at the tree of this branch and found nothing left. Whether the jobs pass is"
            " for the checks of this pull request to say.",
            "",
            *ticks,
        ]
    if plan.left:
        tail += ["", "### What stays", "", *(_left(reported) for reported in plan.left)]
    if plan.problems:
        tail += ["", "### What was not looked at", "", *(_not_handled(problem) for problem in plan.problems)]
    marks = [
        f"<!-- fhfix:title {' '.join(title.split()).replace('-->', '')} -->",
        *([f"<!-- fhfix:asked {' '.join(sorted(asked))} -->"] if asked else []),
    ]
    room = LONGEST - length([*head, *tail, *marks])
    more = f"* … and more: the diff has all {len(plan.taken)} fixes"
    look = fitting(_what(plan, Tier.REVIEW), room, more)
    safe = fitting(_what(plan, Tier.SAFE), room - length(look), more)
    if look and safe:
        safe = ["", "<details><summary>Safe fixes</summary>", "", *safe, "", "</details>"]
    what = ["", "### What changes, and why", "", *look, *safe]
    return "\n".join([_BEGIN, *marks, *head, *what, *tail, _END]) + "\n"


def _counted(plan: Plan, fixes: Sequence[Fix]) -> str:
    files = len(plan.files)
    new = sum(change.before is None for change in plan.files.values())
    said = f"{len(fixes)} {'fix' if len(fixes) == 1 else 'fixes'} in {files} {'file' if files == 1 else 'files'}"
    return said + (f", {new} of them new" if new else "") + ". No line changes that no fix below names."


def _what(plan: Plan, tier: Tier) -> list[str]:
    """A line for each group of fixes, with all its places, by task; the worst first, of tasks, too."""
    cures = [reported.finding.cure for reported in plan.taken]
    numbers = [number for number, cure in enumerate(cures) if isinstance(cure, Fix) and cure.tier is tier]
    along = {here: plan.along.get(number, ()) for here, number in enumerate(numbers)}
    tasks: dict[Task, list[Group]] = {}
    for group in grouped([plan.taken[number] for number in numbers], along):
        tasks.setdefault(task_of(group.rule), []).append(group)
    lines: list[str] = []
    for task, groups in tasks.items():
        lines += [*([""] if lines else []), f"**{task.title}** ({task.id})", ""]
        for group in groups:
            lines += _entry(plan, group, [numbers[here] for here in group.numbers])
    return lines


def _entry(plan: Plan, group: Group, numbers: Sequence[int]) -> Iterator[str]:
    """What a group of fixes does, and why. `numbers` are their indexes in the plan."""
    found: dict[str, set[int]] = {}
    for number in numbers:
        found.setdefault(plan.taken[number].finding.path, set()).update({_line(plan, number)} - {0})
    where = "; ".join(
        f"{path}:{', '.join(map(str, sorted(lines)))}" if lines else path for path, lines in found.items()
    )
    why = "; ".join(map(plain, group.messages[:MESSAGES]))
    more = f", and {len(group.messages) - MESSAGES} more of the kind" if len(group.messages) > MESSAGES else ""
    yield f"* {code(where)} **{plain(group.answer)}** ({group.tier}, `{group.rule.id}`): {why}{more}"
    yield from (f"  * also gone (`{gone.rule.id}`): {plain(gone.finding.message)}" for gone in group.along)


def _line(plan: Plan, index: int) -> int:
    """The line of the changed file on which a fix stands; 0 where a later fix replaced what it wrote."""
    change = plan.files.get(plan.taken[index].finding.path)
    line = 1
    for piece in change.pieces if change else ():
        if piece.origin == index:
            first = piece.text.startswith("\n")  # an insertion may begin with the end of the line above
            return line + first
        line += piece.text.count("\n")
    return 0


def _to_do(plan: Plan, before: Sequence[Needed], after: Sequence[Needed]) -> list[str]:
    lines: dict[str, None] = {}
    said = ""
    for reported in plan.taken:
        for text in reported.finding.cure.todo if isinstance(reported.finding.cure, Fix) else ():
            lines[f"- [ ] {plain(text)} (`{reported.rule.id}`)"] = None
            said += f"{text}\n"
    known = {(needed.kind, needed.name) for needed in before}
    for new in after:
        if (
            (new.kind, new.name) not in known
            and new.name != PROVIDED
            and not re.search(rf"\b{re.escape(new.name)}\b", said)
        ):
            kind = "secret" if new.kind == "secrets" else "variable"
            lines[f"- [ ] set the {kind} {code(new.name)}, which {code(new.uses[0].path)} now reads"] = None
    return list(lines)


def _tick(criterion: Criterion) -> str:
    said = f"{criterion.references}: {plain(criterion.text)}"
    if criterion.state is State.MET:
        return f"- [x] {said}"
    if criterion.state is State.OPEN:
        count = len(criterion.left)
        return f"- [ ] {said} ({count} {'finding stays' if count == 1 else 'findings stay'})"
    return f"- [ ] {said} (not known: {plain(criterion.why)})"


def _left(reported: Reported) -> str:
    finding, cure = reported.finding, reported.finding.cure
    said = f"* {code(finding.path)} (`{reported.rule.id}`): {plain(finding.message)}"
    if not isinstance(cure, Blocked):
        return said
    said += f"; no fix: {plain(cure.reason)}"
    if cure.next_step:
        said += f"; next: {plain(cure.next_step)}"
    return said + (f": {code(cure.config)}" if cure.config else "")


def _not_handled(problem: FileError) -> str:
    said = f"* {code(problem.path)}: {plain(problem.reason)}"
    return said + (f"; next: {plain(problem.advice)}" if problem.advice else "")


def _title(reported: Reported) -> str:
    cure = reported.finding.cure
    return cure.title if isinstance(cure, Fix) else reported.finding.message


def plain(text: str) -> str:
    return words(text, mentions=False)
