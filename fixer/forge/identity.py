"""Who fhfix is at a host: by a token of the environment, or of git's credential helper."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from fixer.forge.github import Slug, host_from, token_from
from fixer.surroundings import inherited


def token_for(slug: Slug, environment: Mapping[str, str] = os.environ) -> str:
    """The token for a repository, or an empty string: of the environment, else of a credential helper, and of the
    latter only for the host that the user named (gitcredentials(7))."""
    found = token_from(environment, slug)
    return found or (_of_helper(slug) if slug.host.lower() == host_from(environment) else "")


FRESH = 300.0
"""Seconds for which a token is not asked for again: one of a GitHub App, which a helper may give, lasts an hour."""


@dataclass
class Tokens:
    """Tokens by host."""

    _known: dict[str, tuple[str, float]] = field(default_factory=dict, repr=False)

    def token_for(self, url: str) -> str:
        """The token for the address of a repository; empty for none, and for no address."""
        if not url:
            return ""
        slug = Slug.of(url)
        token, asked = self._known.get(slug.web, ("", -FRESH))
        if time.monotonic() - asked >= FRESH:
            token = token_for(slug)
            self._known[slug.web] = token, time.monotonic()
        return token


def _of_helper(slug: Slug) -> str:
    """What git's credential helpers know of this host; empty where they know nothing, and nobody is asked."""
    around = {key: value for key, value in inherited().items() if not key.startswith("GIT_DIR")}
    around |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "GIT_CEILING_DIRECTORIES": "/"}
    asked = f"protocol={slug.web.partition('://')[0]}\nhost={slug.host}\n\n"
    try:
        done = subprocess.run(
            ["git", "-c", "core.askPass=", "credential", "fill"],
            input=asked.encode(),
            capture_output=True,
            env=around,
            cwd=tempfile.gettempdir(),
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = dict(line.partition("=")[::2] for line in done.stdout.decode("utf-8", "replace").splitlines())
    return lines.get("password", "") if done.returncode == 0 else ""
