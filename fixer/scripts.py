"""Scripts that rules write into workflows stand in real files, in a folder `scripts` beside the module that uses them.

So linters, formatters and editors read them as what they are: shellcheck every `*.sh`, ruff every `*.py`.
"""

from __future__ import annotations

import pkgutil
from functools import cache


@cache
def script(package: str, name: str) -> str:
    """The text of `scripts/<name>` of a package: `script(__package__, "wait.sh")`. Raises OSError where it is missing.

    A first line `#!…`, and lines `# shellcheck …` below it, are for linters and editors: they are left out, since a
    step's `run:` has neither.
    """
    data = pkgutil.get_data(package, f"scripts/{name}")
    if data is None:
        raise OSError(f"{package} has no file scripts/{name}")
    lines = data.decode("utf-8").splitlines(keepends=True)
    while lines and lines[0].startswith(("#!", "# shellcheck ")):
        lines.pop(0)
    return "".join(lines)
