"""Repositories to run every rule over, and what must hold of each plan whatever the repository is."""

from __future__ import annotations

import difflib
import os
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from fixer.engine import plan
from fixer.model import FileChange, FileError, Plan, Rule, Source
from fixer.repository import Repository

ROOT = Path(__file__).parent.parent.parent


def corpus() -> Path | None:
    """`CORPUS`, or `shared/corpus` beside the project, or nothing."""
    named = os.environ.get("CORPUS")
    beside = ROOT.parent / "shared" / "corpus"
    return Path(named) if named else beside if beside.is_dir() else None


def repositories(folder: Path) -> list[Path]:
    """The topmost folders that look like a repository (`.git`, `.github`, an action, a Dockerfile), else the folder."""
    return list(_below(folder)) or [folder]


def _below(folder: Path) -> Iterator[Path]:
    names = {entry.name for entry in os.scandir(folder)}
    if names & {".git", ".github", "action.yml", "action.yaml", "Dockerfile"}:
        yield folder
        return
    for name in sorted(names - {"node_modules"}):
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            yield from _below(folder / name)


@dataclass
class Seen:
    """What one repository gave: broken promises, oddities to look at, and the changed files."""

    root: Path
    complaints: list[str] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    changed: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    fixes: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)

    def diff(self, path: str) -> str:
        before, after = (data.decode().splitlines(keepends=True) for data in self.changed[path])
        return "".join(difflib.unified_diff(before, after, f"{self.root.name}/{path}", "after", n=2))


def examine(root: Path, rules: Sequence[Rule], overlay: Mapping[str, Source] | None = None) -> Seen:
    """Runs the rules over one repository in memory; nothing is written."""
    seen = Seen(root)
    repository = Repository(root, overlay)
    try:
        found = plan(repository, rules)
        again = plan(repository.with_changes({path: c.after for path, c in found.files.items()}), rules)
    except Exception:  # a crash is what this looks for
        seen.complaints.append("crash: " + traceback.format_exc())
        return seen
    seen.complaints += [f"fault of {fault.rule_id} in {fault.path}: {fault.what}" for fault in found.faults]
    seen.complaints += [f"{r.rule.id} fixes again: {r.finding.path}: {r.finding.message}" for r in again.taken]
    seen.problems += [str(problem) for problem in found.problems]
    seen.fixes += [reported.rule.id for reported in found.taken]
    seen.blocked += [reported.rule.id for reported in found.left]
    for path, change in found.files.items():
        seen.complaints += [f"{path}: {complaint}" for complaint in broken(change, found)]
        seen.oddities += [f"{path}: {oddity}" for oddity in odd(change)]
        if change.before is not None:
            seen.changed[path] = (change.before.to_bytes(), change.after.to_bytes())
    return seen


def broken(change: FileChange, found: Plan) -> Iterator[str]:
    """What no fix may do to a file, whichever fix it is."""
    text = change.after.text
    if "".join(piece.text for piece in change.pieces) != text:
        yield "its pieces are not its text"
    if any(piece.origin is not None and not 0 <= piece.origin < len(found.taken) for piece in change.pieces):
        yield "a piece belongs to no fix"
    before = change.before
    if before is None:
        return
    if "".join(piece.text if piece.origin is None else piece.removed for piece in change.pieces) != before.text:
        yield "something changed that belongs to no fix"
    if before.bom != change.after.bom:
        yield "the byte order mark changed"
    if before.text == text:
        yield "it is in the plan and unchanged"
    if before.text.endswith("\n") != text.endswith("\n"):
        yield "the final newline changed"
    ends = set(re.findall(r"\r?\n", before.text))
    if len(ends) == 1 and set(re.findall(r"\r?\n", text)) - ends:
        yield f"line ends other than {ends} appeared"
    if change.path.endswith((".yml", ".yaml")) and anchors(before.text) != anchors(text):
        yield "its anchors or aliases changed"


def anchors(text: str) -> list[str]:
    """Every `&name` and `*name`, sorted."""
    tokens = yaml.scan(text, yaml.CSafeLoader)
    return sorted(repr(token) for token in tokens if isinstance(token, yaml.AnchorToken | yaml.AliasToken))


def odd(change: FileChange) -> Iterator[str]:
    """What a fix may do, but seldom should."""
    if change.before is None:
        return
    if "\t" in change.after.text and "\t" not in change.before.text:
        yield "a tab appeared"
    lost = comments(change.before.text) - comments(change.after.text)
    if lost and change.path.endswith((".yml", ".yaml", ".py")):
        yield f"comments gone: {sorted(lost)}"
    for line in set(change.after.text.splitlines()) - set(change.before.text.splitlines()):
        if line.endswith((" ", "\t")):
            yield f"a line got trailing blanks: {line!r}"


def comments(text: str) -> set[str]:
    """Comments that are alone on their line: those beside a value may be meant to change with it."""
    return {line.strip() for line in text.splitlines() if line.lstrip().startswith("#")}


def variants(root: Path, shapes: Mapping[str, Callable[[bytes], bytes]]) -> Iterator[tuple[str, dict[str, Source]]]:
    """The same repository in other shapes, as overlays."""
    repository = Repository(root)
    for name, shape in shapes.items():
        overlay: dict[str, Source] = {}
        for path in repository.files:
            data = (root / path).read_bytes()
            try:
                overlay[path] = Source.from_bytes(path, shape(data) if data else data)
            except FileError:
                continue
        yield name, overlay
