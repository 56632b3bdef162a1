"""Text of a repository made safe to show on a terminal."""

from __future__ import annotations

import unicodedata

# Control, format (direction overrides among them), surrogate, and the two separators that some terminals obey.
_UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def visible(text: str) -> str:
    """Control and direction characters by their escapes: a file cannot move the cursor or reorder what is shown
    (https://trojansource.codes). Tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character == "\t" or unicodedata.category(character) not in _UNSAFE else ascii(character)[1:-1]
        for character in text
    )
