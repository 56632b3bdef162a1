"""The audit document: findings by task, what is met, what the workflows need, and which claims of reports are true.

A box is ticked only where fhfix looked and found nothing. The Markdown is the document; the HTML is made from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from markupsafe import Markup

from fixer.audit.claims import Claim
from fixer.audit.criteria import Criterion, State
from fixer.audit.needed import PROVIDED, Needed
from fixer.audit.practices import Verdict
from fixer.model import Blocked, Coverage, Fault, FileChange, FileError, Fix, Piece, Report, Reported, Source
from fixer.records import record
from fixer.show.diff import Line, file_diff
from fixer.show.json import coverage_json
from fixer.show.looked_at import looked_at
from fixer.show.markdown import cell, code, fenced, words
from fixer.show.page import rendered
from fixer.show.place import Read, place_of, source_of
from fixer.show.tool import NAME, tool_version
from fixer.splice import ordered, splice
from fixer.tasks import Task, task_of

VERSION = 1
"""Of the JSON form: it changes when a consumer could break."""

LONGEST = 60
"""Lines of one change that the document shows; the others are counted."""


@record
class Change:
    """A place of a file before and after a fix, with a line around it. `line` counts from 1 in the file as it is."""

    path: str
    line: int
    lines: tuple[Line, ...]

    def side(self, signs: str) -> str:
        return "".join(line.text for line in self.lines if line.sign in signs)


@record
class Item:
    """A finding where it stands, with what its fix would do alone."""

    reported: Reported
    line: int
    changes: tuple[Change, ...]


@record
class Audit:
    """Everything that the document says. `after` are the criteria once every fix is applied.

    `items` may be fewer than the criteria have `left`: an exclusion, a baseline or a comment leaves some out.
    `commit` is empty where there is no git; `uncommitted` says that tracked files differ from it. `apply` is what to
    type for every fix.
    """

    name: str
    commit: str
    uncommitted: bool
    items: tuple[Item, ...]
    criteria: tuple[Criterion, ...]
    after: tuple[Criterion, ...]
    needed: tuple[Needed, ...]
    claims: tuple[Claim, ...]
    faults: tuple[Fault, ...] = ()
    problems: tuple[FileError, ...] = ()
    coverage: Coverage | None = None
    apply: str = "fhfix apply"


def items_of(report: Report, read: Read) -> tuple[Item, ...]:
    found = []
    for reported in report.findings:
        finding, cure = reported.finding, reported.finding.cure
        line = place_of(finding.span, source_of(finding.path, read)).line
        found.append(Item(reported, line, tuple(_changes(cure, read)) if isinstance(cure, Fix) else ()))
    return tuple(found)


def _changes(fix: Fix, read: Read) -> Iterator[Change]:
    """What a fix does alone, on the files as they are."""
    for path in dict.fromkeys(edit.path for edit in fix.edits):
        source, at = read(path), 0
        pieces: list[Piece] = []
        edits = ordered(edit for edit in fix.edits if edit.path == path)
        for edit in edits:
            start, end = edit.span.start, edit.span.end
            pieces += Piece(source.text[at:start]), Piece(edit.text, 0, source.text[start:end])
            at = end
        after = Source(path, splice(source.text, edits), source.bom)
        yield from _hunks(FileChange(path, source, after, (*pieces, Piece(source.text[at:]))))
    for file in fix.new_files:
        yield from _hunks(FileChange(file.path, None, Source(file.path, file.text), (Piece(file.text, 0),)))


def _hunks(change: FileChange) -> Iterator[Change]:
    for hunk in file_diff(change).hunks(context=1):
        first = next((line.before for line in hunk.lines if line.before), 1)
        yield Change(change.path, first, hunk.lines)


# -- the document -----------------------------------------------------------------------------------------------


def markdown(audit: Audit) -> str:
    blocks = [f"# DevOps audit of {words(audit.name)}", _summary(audit), *_overview(audit)]
    for task in _tasks(audit.criteria):
        blocks += _task(audit, task)
    blocks += [*_needs(audit.needed), *_reports(audit.claims), *_unseen(audit)]
    blocks += [
        "## How to read this",
        "A box is ticked where the rule looked at this tree and found nothing. That is all a tick says: whether the"
        " jobs pass, and whether secrets have the right values, only a run shows. Findings that an exclusion, a"
        " baseline, a comment or the profile leaves out are not listed, and keep their box open; `--profile audit` also"
        " lists practices that are missing. Hours are those of the audit that the rules come from, for the work by hand"
        " that is left.",
    ]
    return "\n\n".join(blocks) + "\n"


def _summary(audit: Audit) -> str:
    count = len(audit.items)
    fixes = sum(isinstance(item.reported.finding.cure, Fix) for item in audit.items)
    said = f"{count} {'finding' if count == 1 else 'findings'}: {fixes} with a fix, {count - fixes} blocked."
    left_out = sum(len(criterion.left) for criterion in audit.criteria) - count
    said += f" {left_out} more {'is' if left_out == 1 else 'are'} left out." if left_out else ""
    met = [sum(criterion.state is State.MET for criterion in side) for side in (audit.criteria, audit.after)]
    total = sum(criterion.state is not State.NOT_APPLICABLE for criterion in audit.criteria)
    said += f" {met[0]} of {total} criteria are met"
    half = sum(criterion.state is State.HALF for criterion in audit.criteria)
    said += f", {half} by half" if half else ""
    said += f"; {met[1]} would be after {code(audit.apply)}." if met[1] > met[0] else "."
    at = (
        f"Commit {code(audit.commit)}" + (", with changes since. " if audit.uncommitted else ". ")
        if audit.commit
        else ""
    )
    return f"{at}{said} Made by {NAME} {tool_version()}."


def _overview(audit: Audit) -> list[str]:
    rows = ["| task | priority | criteria met | findings | hours left |", "|---|---|---|---|---|"]
    for task in _tasks(audit.criteria):
        own = [criterion for criterion in _of(task, audit.criteria) if criterion.state is not State.NOT_APPLICABLE]
        left = sum(len(criterion.left) for criterion in own)
        met = sum(criterion.state is State.MET for criterion in own)
        hours = _hours(criterion for criterion in own if criterion.state in (State.OPEN, State.HALF))
        name = words(f"{task.reference} {task.title}".strip())
        rows.append(f"| {name} | {task.priority} | {met} of {len(own)} | {left} | {hours} |")
    return ["\n".join(rows)] if len(rows) > 2 else []


def _tasks(criteria: Iterable[Criterion]) -> list[Task]:
    """The tasks that this repository has anything to do with, most urgent first."""
    found = {task_of(c.rule).id: task_of(c.rule) for c in criteria if c.state is not State.NOT_APPLICABLE}
    return sorted(found.values(), key=lambda task: task.rank)


def _of(task: Task, criteria: Iterable[Criterion]) -> list[Criterion]:
    return [criterion for criterion in criteria if task_of(criterion.rule) == task]


def _hours(criteria: Iterable[Criterion]) -> str:
    known = [hours for criterion in criteria if (hours := criterion.rule.hours)]
    low, high = sum(low for low, _ in known), sum(high for _, high in known)
    return (f"{low:g}" if low == high else f"{low:g} to {high:g}") if known else "–"


def _task(audit: Audit, task: Task) -> list[str]:
    after = {criterion.rule.id: criterion.state for criterion in audit.after}
    blocks = [f"## {task.reference}: {words(task.title)}" if task.reference else f"## {words(task.title)}"]
    blocks.append(f"Priority: {task.priority}.")
    own = _of(task, audit.criteria)
    listed = {c.rule.id: [item for item in audit.items if item.reported.rule.id == c.rule.id] for c in own}
    boxes = [(c, len(listed[c.rule.id])) for c in own if c.state is not State.NOT_APPLICABLE]
    blocks.append("\n".join(_box(c, after.get(c.rule.id), count) for c, count in boxes))
    for criterion in own:
        items = listed[criterion.rule.id]
        if items:
            hours = _hours([criterion])
            estimate = f" Estimate by hand: {hours} h." if hours != "–" else ""
            blocks.append(f"### {criterion.references}: {code(criterion.rule.id)}")
            blocks.append(f"{_sentence(criterion.rule.summary)}{estimate}")
            for alike in _alike(items):
                blocks += _item(alike)
    absent = [code(c.rule.id) for c in own if c.state is State.NOT_APPLICABLE]
    if absent:
        blocks.append(f"Not applicable here: {', '.join(absent)}.")
    return blocks


def _box(criterion: Criterion, after: State | None, listed: int) -> str:
    """`listed` is how many of its findings the document shows."""
    said = f"{criterion.references}: {words(criterion.text)}"
    if criterion.state is State.MET:
        return f"- [x] {said}"
    if criterion.state is State.UNKNOWN:
        return f"- [ ] {said} (not known: {words(criterion.why)})"
    count = len(criterion.left)
    how = "see below for what is missing"
    if after is State.MET:
        how = "`fhfix apply` mends that"
    elif after is State.UNKNOWN:
        how = "`fhfix apply` mends that, as far as could be looked at"
    elif after is State.HALF and criterion.state is State.OPEN:
        how = "`fhfix apply` mends half of that"
    if listed < count:
        how = f"{count - listed} left out here" + (f"; {how}" if listed else "")
    half = f"half, since {words(criterion.why)}; " if criterion.state is State.HALF else ""
    return f"- [ ] {said} ({half}{count} {'finding' if count == 1 else 'findings'}; {how})"


def _alike(items: Iterable[Item]) -> Iterable[list[Item]]:
    """Findings that differ in nothing but their place stand together: the same action in every job, say."""
    groups: dict[tuple[Any, ...], list[Item]] = {}
    for item in items:
        cure = item.reported.finding.cure
        said = (cure.title, cure.tier, cure.todo) if isinstance(cure, Fix) else cure
        changed = tuple((line.sign, line.text) for change in item.changes for line in change.lines if line.sign != " ")
        groups.setdefault((item.reported.finding.message, said, changed), []).append(item)
    return groups.values()


def _item(alike: Sequence[Item]) -> list[str]:
    item = alike[0]
    finding, cure = item.reported.finding, item.reported.finding.cure
    places = ", ".join(code(f"{each.reported.finding.path}:{each.line}") for each in alike)
    head = f"**{places}** {_sentence(finding.message)}"
    if isinstance(cure, Blocked):
        said = f"Blocked: {_sentence(cure.reason)}"
        if cure.next_step:
            said += f" Next: {_sentence(cure.next_step)}"
        return [head, said, *([fenced(cure.config, "toml")] if cure.config else [])]
    blocks = [head, f"Fix ({cure.tier}): {_sentence(cure.title)}"]
    for change in item.changes:
        new = not any(line.before for line in change.lines)
        where = f"new file {code(change.path)}" if new else code(f"{change.path}:{change.line}")
        more = len(alike) - 1
        others = f", and likewise in {more} other {'place' if more == 1 else 'places'}" if more else ""
        blocks += [f"Before and after, {where}{others}:", fenced(_shortened(change.lines), "diff")]
    if cure.todo:
        blocks.append("To be done by a person:")
        blocks.append("\n".join(f"- [ ] {words(text)}" for text in cure.todo))
    return blocks


def _shortened(lines: Sequence[Line]) -> str:
    shown = [line.sign + line.text.rstrip("\r\n") for line in lines[:LONGEST]]
    more = len(lines) - len(shown)
    return "\n".join([*shown, *([f"  … {more} more {'line' if more == 1 else 'lines'}"] if more else [])])


def _sentence(text: str) -> str:
    said = words(text)
    if re.match(r"[a-z]+[\s,:;]", said):  # a word, not a name such as actions/checkout or psycopg2
        said = said[0].upper() + said[1:]
    return said + ("" if said.endswith((".", "!", "?")) else ".")


def _needs(needed: Sequence[Needed]) -> list[str]:
    if not needed:
        return []
    rows = ["| kind | name | read by |", "|---|---|---|"]
    for one in needed:
        kind = "secret" if one.kind == "secrets" else "variable"
        note = " (GitHub provides it)" if one.name == PROVIDED else ""
        places = "; ".join(f"{code(f'{use.path}:{use.line}')} {words(use.what)}" for use in one.uses)
        rows.append(f"| {kind} | {cell(code(one.name))}{note} | {cell(places)} |")
    return ["## Secrets and variables that the workflows need", "\n".join(rows)]


def _reports(claims: Sequence[Claim]) -> list[str]:
    if not claims:
        return []
    blocks = ["## What status reports say is there"]
    for report in dict.fromkeys(claim.report for claim in claims):
        own = [claim for claim in claims if claim.report == report]
        open_ = [claim for claim in own if claim.verdict is Verdict.NOT_CHECKABLE]
        wrong = [claim for claim in own if claim.verdict not in (Verdict.TRUE, Verdict.NOT_CHECKABLE)]
        checked = len(own) - len(open_)
        blocks.append(f"### {words(report)}")
        blocks.append(f"{checked - len(wrong)} of {checked} claims are true.")
        if wrong:
            rows = ["| line | says there is | in truth |", "|---|---|---|"]
            rows += [
                f"| {c.line} | {c.kind} {cell(code(c.said))} | {cell(words(c.found))} |"
                if c.kind in ("file", "make target", "secret")
                else f"| {c.line} | {c.said} {c.kind} | {cell(words(c.found))} |"
                if c.kind in ("workflows", "make targets")
                else f"| {c.line} | {c.kind}: {cell(words(c.said))} | {cell(words(c.found))} |"
                for c in wrong
            ]
            blocks.append("\n".join(rows))
        if open_:
            said = "; ".join(f"{words(claim.said)} (line {claim.line})" for claim in open_)
            blocks.append(f"Not to be seen in a tree, and not counted: {said}.")
    return blocks


def _unseen(audit: Audit) -> list[str]:
    looked = looked_at(audit.coverage) if audit.coverage is not None else ""
    lines = [f"- {words(str(problem))}" for problem in audit.problems]
    lines += [
        f"- {code(fault.rule_id)} failed at {code(fault.path or 'the repository')}: {words(fault.what)}"
        for fault in audit.faults
    ]
    blocks = ["## What was looked at", words(looked)] if looked else []
    return [*blocks, "## What could not be looked at", "\n".join(lines)] if lines else blocks


# -- for programs and browsers ----------------------------------------------------------------------------------


def as_json(audit: Audit) -> str:
    after = {criterion.rule.id: criterion.state for criterion in audit.after}
    found = {
        "version": VERSION,
        "kind": "audit",
        "tool": {"name": NAME, "version": tool_version()},
        "name": audit.name,
        "commit": audit.commit,
        "uncommitted": audit.uncommitted,
        "tasks": [{"id": task.id, "title": task.title, "priority": task.priority} for task in _tasks(audit.criteria)],
        "criteria": [
            {
                "rule": c.rule.id,
                "task": task_of(c.rule).id,
                "references": list(c.rule.audit),
                "text": c.text,
                "state": c.state,
                "state_after_apply": after.get(c.rule.id, c.state),
                "findings": len(c.left),
                "hours": c.rule.hours,
                "why": c.why,
            }
            for c in audit.criteria
        ],
        "findings": [_item_json(item) for item in audit.items],
        "needed": [
            {
                "kind": "secret" if one.kind == "secrets" else "variable",
                "name": one.name,
                "provided": one.name == PROVIDED,
                "uses": [{"path": use.path, "line": use.line, "for": use.what} for use in one.uses],
            }
            for one in audit.needed
        ],
        "claims": [
            {"report": c.report, "line": c.line, "kind": c.kind, "said": c.said, "verdict": c.verdict, "found": c.found}
            for c in audit.claims
        ],
        "problems": [{"path": p.path, "reason": p.reason, "advice": p.advice} for p in audit.problems],
        "faults": [{"rule": f.rule_id, "path": f.path, "what": f.what} for f in audit.faults],
        **coverage_json(audit.coverage),
    }
    return json.dumps(found, indent=2) + "\n"


def _item_json(item: Item) -> dict[str, Any]:
    finding, cure = item.reported.finding, item.reported.finding.cure
    found: dict[str, Any] = {
        "rule": item.reported.rule.id,
        "path": finding.path,
        "line": item.line,
        "message": finding.message,
    }
    if isinstance(cure, Blocked):
        found["blocked"] = {"reason": cure.reason, "next_step": cure.next_step, "config": cure.config}
    else:
        changes = [
            {"path": c.path, "line": c.line, "before": c.side(" -"), "after": c.side(" +")} for c in item.changes
        ]
        found["fix"] = {"title": cure.title, "tier": cure.tier, "todo": list(cure.todo), "changes": changes}
    return found


def as_html(audit: Audit) -> str:
    """The Markdown as one page that needs nothing else, readable in light and dark and on a phone."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown(audit))
    body = re.sub(r"<li>\[([ x])\] (.*?)</li>", _box_in_html, body, flags=re.DOTALL)
    body = re.sub(r'(<code class="language-diff">)(.*?)(</code>)', _coloured, body, flags=re.DOTALL)
    body = body.replace("<table>", '<div class="scroll" tabindex="0"><table>').replace("</table>", "</table></div>")
    body = body.replace("<pre>", '<pre tabindex="0">')  # what scrolls must be reached by keys
    body, parts = _linked(body)
    return rendered("audit.html", title=f"DevOps audit of {audit.name}", body=Markup(body), parts=parts)


def _linked(body: str) -> tuple[str, list[tuple[str, Markup]]]:
    """The page with a name for each second-level heading, and these names with the words of the headings."""
    parts: list[tuple[str, Markup]] = []

    def named(match: re.Match[str]) -> str:
        parts.append((f"part-{len(parts) + 1}", Markup(match[1])))
        return f'<h2 id="{parts[-1][0]}">{match[1]}</h2>'

    return re.sub(r"<h2>(.*?)</h2>", named, body), parts


def _box_in_html(match: re.Match[str]) -> str:
    ticked = " checked" if match[1] == "x" else ""
    return f'<li class="box"><label><input type="checkbox" disabled{ticked}> {match[2]}</label></li>'


def _coloured(match: re.Match[str]) -> str:
    kinds = {"+": "add", "-": "del"}
    lines = [
        f'<span class="{kinds[line[0]]}">{line}</span>' if line[:1] in kinds else line for line in match[2].split("\n")
    ]
    return match[1] + "\n".join(lines) + match[3]
