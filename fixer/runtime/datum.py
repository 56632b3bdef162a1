"""Values of which parts may not be known, and where each is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fixer.languages.tables import natural
from fixer.languages.yaml import Node, Yaml
from fixer.records import entity
from fixer.runtime.texts import Fixed, InYaml, Written

_OPEN, _CLOSE = "\ue000", "\ue001"
_HOLE = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_ENDS_A_WORD = re.compile(r"[\"'\\\n#,\[\]{}]|:(?=\s)")


def hole(name: str) -> str:
    """What stands in a text for something that is not known here, by its name. Readers of JSON and YAML take it for a
    word."""
    word = _ENDS_A_WORD.sub("", name)
    return f"{_OPEN}{word}{_CLOSE}"


def holes_of(text: str) -> tuple[str, ...]:
    """What of a text is not known, by its names."""
    return tuple(_HOLE.findall(text))


def is_hole(text: str) -> bool:
    """Whether nothing of a text is known."""
    return _HOLE.fullmatch(text) is not None


def as_shell(text: str) -> str:
    """The text as a shell would have it: `$name` for what is not known."""
    return _HOLE.sub(lambda found: f"${_variable(found[1])}", text)


@entity
class Datum:
    """A text (numbers and truth values too), a tuple of data, or a dict of them by their names; None for null.

    Texts, and names, may have holes. One that is nothing else stands for a value of which not even the kind is known.
    `open`: it is only so where nothing outside says otherwise. `text` is where it stands in a file.
    """

    value: str | tuple[Datum, ...] | dict[str, Datum] | None
    text: Written
    open: bool = False

    @classmethod
    def of_node(cls, document: Yaml, node: Node, *, whole: bool = True) -> Datum:
        """`whole`: the document is the file, so that what it says can be changed there."""
        value: Any
        if node.is_mapping:
            value = {name: cls.of_node(document, each, whole=whole) for name, each in node.value.items()}
            # A name without a value, where a template puts several in.
            value = {name: cls(name, each.text) if is_hole(name) else each for name, each in value.items()}
        elif node.is_sequence:
            value = tuple(cls.of_node(document, each, whole=whole) for each in node.items)
        else:
            value = None if node.is_empty else node.value
        editable = whole and node.is_scalar
        at = Fixed(document.source.path, document.source.line_of(node.start))
        return cls(value, InYaml(document, node) if editable else at)

    @classmethod
    def unknown(cls, name: str, text: Written) -> Datum:
        return cls(hole(name), text)

    @property
    def line(self) -> int:
        return self.text.line(0)

    def get(self, *names: str) -> Datum | None:
        """What stands under the first of these names that is there; None for null too."""
        inside = self.value if isinstance(self.value, dict) else {}
        found = next((inside[name] for name in names if name in inside), None)
        return found if found is not None and found.value is not None else None

    @property
    def items(self) -> tuple[Datum, ...]:
        return self.value if isinstance(self.value, tuple) else ()

    @property
    def holes(self) -> tuple[str, ...]:
        """What of a text is not known, by its names."""
        return holes_of(self.value) if isinstance(self.value, str) else ()

    @property
    def is_unknown(self) -> bool:
        """Whether nothing of it is known."""
        return isinstance(self.value, str) and is_hole(self.value)

    @property
    def said(self) -> str | None:
        """The text; None where some of it is not known, or where it is none."""
        return self.value if isinstance(self.value, str) and not self.holes else None

    @property
    def shell(self) -> str:
        """The text as a shell would have it; empty where it is none."""
        return as_shell(self.value) if isinstance(self.value, str) else ""

    @property
    def number(self) -> int | None:
        return natural(self.said)

    def unknown_names(self) -> Iterator[str]:
        """The names of what is not known of it and of what it holds."""
        yield from self.holes
        if isinstance(self.value, tuple):
            for each in self.value:
                yield from each.unknown_names()
        elif isinstance(self.value, dict):
            for name, each in self.value.items():
                yield from holes_of(name)
                yield from each.unknown_names()


def _variable(name: str) -> str:
    """The last word of a reference, as a name of a variable."""
    words = re.findall(r"[A-Za-z_]\w*", name)
    return words[-1] if words else "unknown"
