"""The secrets and variables that workflows read, and where."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.github.expressions import ANY, is_whole, reads
from fixer.github.workflow import Workflow
from fixer.languages.yaml import Node
from fixer.records import record
from fixer.repository import Repository

# https://docs.github.com/actions/reference/workflows-and-actions/contexts

PROVIDED = "GITHUB_TOKEN"
"""GitHub makes this one for every run; nobody has to set it."""


@record
class Use:
    """One place that reads a secret or variable. `what` says for what: the job, and the key that it fills."""

    path: str
    line: int
    what: str


@record
class Needed:
    """A secret or variable by its name in GitHub's settings, with every place that reads it."""

    kind: str
    name: str
    uses: tuple[Use, ...]


def needed(repository: Repository) -> list[Needed]:
    """Everything that the workflows which are looked at read, secrets first, by name."""
    found: dict[tuple[str, str], set[Use]] = {}
    for workflow in repository.documents(Workflow):
        if not repository.in_scope(workflow.path):
            continue
        for kind, name, use in _uses(workflow):
            found.setdefault((kind, name), set()).add(use)
    return [
        Needed(kind, name, tuple(sorted(uses, key=lambda use: (use.path, use.line, use.what))))
        for (kind, name), uses in sorted(found.items())
    ]


def _uses(workflow: Workflow) -> Iterator[tuple[str, str, Use]]:
    for node in _scalars(workflow.root):
        for kind, name, start, end in _reads(node):
            line = workflow.source.line_of(workflow.span_of(node, start, end).start)
            yield kind, name, Use(workflow.path, line, _purpose(node))


def _scalars(node: Node) -> Iterator[Node]:
    """Every scalar, at its aliases too: each of them fills a key of its own."""
    if node.is_scalar:
        yield node
    for child in node.children:
        yield from _scalars(child)


def _reads(node: Node) -> Iterator[tuple[str, str, int, int]]:
    """Kind, name and place of what a scalar reads."""
    for read in reads(str(node.value), is_whole(node.at)):
        if read.context in ("secrets", "vars") and read.name != ANY:
            # Names are not case-sensitive, and GitHub shows them in capitals.
            yield read.context, read.name.upper(), read.start, read.end


def _purpose(node: Node) -> str:
    keys = [str(part) for part in node.at]
    job = f"job {keys[1]}" if keys[:1] == ["jobs"] and len(keys) > 1 else ""
    last = keys[-1] if keys else ""
    key = "" if last.isdigit() else {"run": "in a script", "if": "in a condition"}.get(last, f"as {last}")
    return ", ".join(part for part in (job, key) if part)
