"""The editor of a person: VISUAL or EDITOR, started as it is, without a shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

LINE_FLAGS = {
    **dict.fromkeys(("vi", "vim", "nvim", "nano", "emacs", "emacsclient", "kak", "micro"), "+{line} {path}"),
    **dict.fromkeys(("code", "codium"), "--goto {path}:{line}"),
    **dict.fromkeys(("subl", "hx", "zed"), "{path}:{line}"),
}
"""How editors are told the line, by the name of the program."""


def editor(environment: Mapping[str, str], file: Path, line: int) -> list[str]:
    """The command of VISUAL or EDITOR with a file; empty where there is none."""
    words = shlex.split(environment.get("VISUAL") or environment.get("EDITOR") or "")
    if not words:
        return []
    flags = LINE_FLAGS.get(Path(words[0]).name) if line > 0 else None
    if flags is None:
        return [*words, str(file)]
    return [*words, *(part.format(line=line, path=file) for part in flags.split())]
