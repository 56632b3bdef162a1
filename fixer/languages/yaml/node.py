"""What a YAML file holds: values, and where each of them stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from fixer.model import Address, Span
from fixer.records import record

# https://yaml.org/spec/1.2.2/#103-core-schema
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z|[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")


@record
class Tagged:
    """A value with a tag that is not of the core schema, such as `!reset` in a compose file."""

    tag: str
    value: Any


class Node:
    """A value and where it stands. `at` is its address; `start`..`end` its text without what follows it.

    `value` is the decoded text of a scalar, or the child nodes of a collection. An alias passes through to what it
    stands for, so its children carry the addresses of the anchor: edits land where the text is.
    """

    __slots__ = ("anchor", "at", "end", "key_spans", "start", "style", "tag", "target", "value")

    def __init__(self, at: Address, start: int, style: str, value: Any, anchor: str = "", tag: str = "") -> None:
        self.at = at
        self.start = start
        self.end = start
        self.style = style
        self.value: Any = value
        self.anchor = anchor
        self.tag = tag
        self.target: Node | None = None
        self.key_spans: dict[str, Span] = {}

    def get(self, key: str) -> Node | None:
        """The child under this key; None where there is none or where this is no mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def mapping(self, key: str) -> dict[str, Node]:
        """The children of the mapping under this key; empty where there is none."""
        child = self.get(key)
        return child.value if child is not None and child.is_mapping else {}

    def texts(self, key: str) -> dict[str, str]:
        """The scalars of the mapping under this key, as they are written."""
        return {name: child.value for name, child in self.mapping(key).items() if child.is_scalar}

    @property
    def items(self) -> list[Node]:
        """The children of a sequence; empty for anything else."""
        return self.value if isinstance(self.value, list) else []

    @property
    def children(self) -> Iterable[Node]:
        """Those of a mapping or a sequence."""
        return self.value.values() if isinstance(self.value, dict) else self.items

    def scalars(self) -> Iterator[Node]:
        """Every scalar in it, in the order of the text: what an anchor holds is not found again at its aliases."""
        if self.target is not None:
            return
        if self.is_scalar:
            yield self
        for child in self.children:
            yield from child.scalars()

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_sequence(self) -> bool:
        return isinstance(self.value, list)

    @property
    def is_scalar(self) -> bool:
        return isinstance(self.value, str)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said here: `env:` with nothing or only comments below, `null`, `{}` or `[]`."""
        if self.target is not None or self.tag:
            return False
        return not self.value if not self.is_scalar else self.style == "plain" and resolve(self.value) is None

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)

    @property
    def data(self) -> Any:
        """Plain data, made afresh: nothing in it is shared, not even between an anchor and its aliases."""
        if isinstance(self.value, dict):
            found: Any = {key: child.data for key, child in self.value.items()}
        elif isinstance(self.value, list):
            found = [child.data for child in self.value]
        elif self.style == "plain" and not self.tag:
            found = resolve(self.value)
        else:
            found = self.value
        if self.tag and not self.tag.startswith("tag:yaml.org,2002:") and self.tag != "!":
            return Tagged(self.tag, found)
        return found


_LONGEST_NUMBER = 4000
"""Digits; Python reads no more of them (sys.set_int_max_str_digits), and nobody means a number by them."""


def resolve(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    first = text[0]
    if first in "+-.0123456789" and len(text) <= _LONGEST_NUMBER:
        if _INT.match(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.match(text):
            return float(
                text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").lstrip(".")
                if "n" in text.lower()
                else text
            )
    return text


def dotted(at: Address) -> str:
    """An address as people write it: `jobs.test.steps[2].run`."""
    text = ""
    for step in at:
        text += f"[{step}]" if isinstance(step, int) else ("." if text else "") + step
    return text
