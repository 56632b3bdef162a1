"""What a program that fhfix runs inherits: no secret of ours, and no folder that the repository could have filled."""

from __future__ import annotations

import os

_SECRETS = ("TOKEN", "APP_KEY", "FLEET_DATABASE")
"""How the names of variables end that hold a token, the key of a GitHub App, or an address with a password."""


def inherited() -> dict[str, str]:
    """The environment without secrets, and with a PATH of absolute folders: a program that stands in the
    current folder is not run, as `gh` and Go's exec.LookPath refuse it."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith(_SECRETS)}
    folders = kept.get("PATH", os.defpath).split(os.pathsep)
    return kept | {"PATH": os.pathsep.join(folder for folder in folders if os.path.isabs(folder))}
