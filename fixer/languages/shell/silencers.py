"""Whether the failure of a command counts: what keeps it from failing the step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from fixer.languages.shell.parts import Shell, Silence, Silencer
from fixer.languages.shell.tree import SEQUENCES, in_background, is_condition, next_statement, operator_of, statement_of

if TYPE_CHECKING:
    from tree_sitter import Node


class Judged(Protocol):
    """What is asked of a script."""

    @property
    def text(self) -> str: ...

    def passes_on(self, stage: Node) -> bool: ...

    def outcome(self, node: Node) -> str: ...

    def state(self, node: Node) -> Shell: ...

    def begins_with(self, function: str) -> str: ...


class Outward:
    """Walks outward from a command, as if every silencer met so far were removed.

    https://www.gnu.org/software/bash/manual/html_node/The-Set-Builtin.html
    """

    def __init__(self, node: Node, script: Judged) -> None:
        self.node = node
        self.script = script
        self.left_of: Node | None = None
        """The `&&` behind which the failure is only a status: errexit passes over it."""
        self.ended = ""
        """By what the failure has ended its shell (errexit, exit): what surrounds it in there is not reached."""
        self.judged = False
        """Whether a later stage of its pipe may fail on its own."""
        self.origin = node
        """Where its shell, or its stage of a pipe, begins."""

    def silencers(self) -> Iterator[Silencer]:
        while (parent := self.node.parent) is not None:
            kind = parent.type
            if kind == "function_definition":
                return
            if kind in ("command_substitution", "process_substitution"):
                yield _silencer(Silence.HANDLED, parent)
                return
            if kind == "negated_command" and self.ended != "exit":
                yield _silencer(Silence.HANDLED, parent)
            elif kind == "pipeline":
                yield from self._of_pipeline(parent)
            elif kind == "list" and self.ended != "exit":
                yield from self._of_list(parent)
            elif kind in SEQUENCES:
                if in_background(self.node):
                    yield _silencer(Silence.BACKGROUND, self.node)
                    return
                if self.ended != "exit" and is_condition(self.node, parent):
                    yield _silencer(Silence.HANDLED, self.node)
                    return
                yield from self._of_sequence(parent)
            self.node = parent

    def _of_pipeline(self, pipeline: Node) -> Iterator[Silencer]:
        later = [stage for stage in pipeline.named_children if stage.start_byte >= self.node.end_byte]
        passes = all(map(self.script.passes_on, later))
        self.judged = self.judged or not passes
        if later and not self.script.state(pipeline).pipefail:
            kept = passes and not _status_is_read(pipeline, self.script, _STAGES)
            yield _silencer(Silence.PIPE if kept else Silence.HANDLED, statement_of(pipeline))
        if len([stage for stage in pipeline.named_children if stage.type != "comment"]) > 1:
            self._leave_shell(pipeline)

    def _of_list(self, pair: Node) -> Iterator[Silencer]:
        operator, right = operator_of(pair), pair.named_children[-1]
        if self.node.end_byte > operator.start_byte:
            return
        if operator.type == "&&":
            if self.ended:
                yield _silencer(Silence.HANDLED, pair)
            self.left_of = self.left_of or operator
            return
        outcome = self.script.outcome(right)
        if outcome == "exits" and not self.ended:
            self.ended, self.left_of = "exit", None
        elif outcome != "fails" or self.ended:
            # In `mypy | grep -v note || true` it may be meant for `grep`, which fails where it finds nothing.
            silence = Silence.OR if outcome == "succeeds" and not self.judged else Silence.HANDLED
            yield Silencer(silence, _trimmed_end(self.node, self.script.text), _end_with_redirect(pair))

    def _of_sequence(self, sequence: Node) -> Iterator[Silencer]:
        errexit = self.script.state(self.origin).errexit
        if not self.ended and errexit and self.left_of is None:
            self.ended = "errexit"
        elif not self.ended and (next_statement(self.node) is not None or sequence.type == "do_group"):
            self.ended = "errexit"
            if _status_is_read(self.node, self.script):
                yield _silencer(Silence.HANDLED, self.node)
            elif errexit and self.left_of is not None:
                yield Silencer(
                    Silence.AND,
                    *_blanks_around(self.script.text, self.left_of.start_byte, self.left_of.end_byte),
                )
            else:
                yield _silencer(Silence.ERREXIT, self.node)
        if sequence.type == "subshell":
            self._leave_shell(sequence)

    def _leave_shell(self, node: Node) -> None:
        """What ended a shell of its own is, from here on, the status of this command."""
        self.ended, self.left_of, self.origin = "", None, node


def _silencer(silence: Silence, node: Node) -> Silencer:
    return Silencer(silence, node.start_byte, node.end_byte)


def _end_with_redirect(node: Node) -> int:
    """Where the right side of a list ends: the grammar gives its redirection to the whole list."""
    parent = node.parent
    return parent.end_byte if parent is not None and parent.type == "redirected_statement" else node.end_byte


def _trimmed_end(node: Node, text: str) -> int:
    return node.start_byte + len(text[node.start_byte : node.end_byte].rstrip())


def _blanks_around(text: str, start: int, end: int) -> tuple[int, int]:
    while start and (text[start - 1].isspace() or text[start - 1 : start + 1] == "\\\n"):
        start -= 1
    while end < len(text) and (text[end].isspace() or text[end : end + 2] == "\\\n"):
        end += 1
    return start, end


_STATUS = re.compile(r"\$\?|\$\{?PIPESTATUS|\$\{\?")
_STAGES = re.compile(r"\$\{?PIPESTATUS")
"""What tells how every stage of a pipe ended; `$?` only tells it of the last."""


def _status_is_read(node: Node, script: Judged, asks: re.Pattern[str] = _STATUS) -> bool:
    """Whether the next statement asks how this one ended: itself, or as a function that asks first of all."""
    following = next_statement(statement_of(node))
    if following is None:
        return False
    name = following.child_by_field_name("name") if following.type == "command" else None
    called = script.begins_with(script.text[name.start_byte : name.end_byte]) if name is not None else ""
    return bool(asks.search(script.text, following.start_byte, following.end_byte) or asks.search(called))
