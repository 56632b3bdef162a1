"""What a program that fhfix runs inherits: no token, and no folder that the repository could have filled."""

from __future__ import annotations

import os


def inherited() -> dict[str, str]:
    """The environment without what ends in TOKEN, and with a PATH of absolute folders: a program that stands in the
    current folder is not run, as `gh` and Go's exec.LookPath refuse it."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("TOKEN")}
    folders = kept.get("PATH", os.defpath).split(os.pathsep)
    return kept | {"PATH": os.pathsep.join(folder for folder in folders if os.path.isabs(folder))}
