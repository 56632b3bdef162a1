"""Files of variables, `NAME=value` a line, as docker compose and python-dotenv read them.

https://docs.docker.com/reference/compose-file/services/#env_file-format
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from fixer.languages.lines import Lines
from fixer.records import record

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][\w.]*)\s*(?:=\s*+(.*))?$")
_NAME = re.compile(r"(^\.?env(\.|$)|\.env(\.|$)|(^|[._-])environment$|(^|/)\.envs/)", re.IGNORECASE)
_EXAMPLE = re.compile(r"example|sample|template|dist|default|tmpl|\.tpl", re.IGNORECASE)


@record
class Entry:
    """One variable. `index` is its line, from 0; `text` is None for a name without a value."""

    name: str
    text: str | None
    index: int


def entries(document: Lines) -> Iterator[Entry]:
    """The variables of a file, in its order."""
    for index, line in enumerate(document.lines):
        if line.lstrip().startswith("#"):
            continue
        found = _LINE.match(line.strip())
        if found:
            yield Entry(found[1], None if found[2] is None else _unquoted(found[2]), index)


def is_env_file(path: str) -> bool:
    """Whether a file's name says that it holds variables: `.env`, `prod.env`, `.envs/.production/.django`."""
    return ("env" in path.lower() and _NAME.search(posixpath.basename(path)) is not None) or "/.envs/" in f"/{path}"


def is_example(path: str) -> bool:
    """Whether it only shows which variables there are."""
    return _EXAMPLE.search(posixpath.basename(path)) is not None


def _unquoted(text: str) -> str:
    quoted = re.match(r"""(["'])(.*?)\1(\s+#.*)?$""", text)
    if quoted:
        return quoted[2]
    return re.sub(r"\s+#.*$", "", text)
