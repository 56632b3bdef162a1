"""Who reads the outputs of a step, and how they are renamed there, each in its own spelling."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from fixer.github.expressions import Read, is_whole, reads, renamed
from fixer.github.workflow import Step
from fixer.languages.yaml import Node
from fixer.model import Blocked, Parts, joined
from fixer.records import record
from fixer.scripts import ScriptText


@record
class OutputRead:
    """A read in one value of the file; `read` has its place in the text of `node`."""

    node: Node
    read: Read


def reads_of(step: Step, output: str) -> Iterator[OutputRead]:
    """Every read that may be of this output: by its name, or with others, as in `toJSON(steps)`."""
    if not step.id:
        return
    wanted = f"steps.{step.id}.outputs.{output}"
    root = step.job.node if step.job is not None else step.workflow.root
    for node in root.scalars():
        for read in reads(node.value, is_whole(node.at)):
            if read.may_read(wanted):
                yield OutputRead(node, read)


def rename_outputs(step: Step, names: Mapping[str, str], lost: Collection[str] = ()) -> Parts:
    """Makes what reads outputs by their old names read them by the new ones.

    Blocked where an output without a successor is read, and where a read takes several at once: what it looks for
    among them cannot be seen.
    """
    changed: dict[int, tuple[Node, list[tuple[int, int, ScriptText]]]] = {}
    for old in (*names, *lost):
        for found in reads_of(step, old):
            node, read = found.node, found.read
            if not read.is_(f"steps.{step.id}.outputs.{old}"):
                written = node.value[read.start : read.end]
                return Blocked(
                    f"`{written}` reads more than one output, and the new version names {old} otherwise or not at all",
                    f"read each output by its name, `steps.{step.id}.outputs.{old}`",
                )
            if old in lost:
                return Blocked(f"the new version no longer has the output {old}, which is read", "use another")
            edits = changed.setdefault(id(node), (node, []))[1]
            edits += renamed(node.value, read, f"steps.{step.id}.outputs.{names[old]}")
    return joined(step.workflow.splice_scalar(node, sorted(edits)) for node, edits in changed.values())
