"""Who fhfix is at a host: a GitHub App, or by a token of the environment, or of git's credential helper."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from fixer.forge.app import App
from fixer.forge.github import Slug, host_from, token_from
from fixer.surroundings import inherited

FRESH = 300.0
"""Seconds for which a token is not asked for again: one that a helper gives may be of an app and last an hour."""

EARLY = 600.0
"""Seconds before its end at which an app's token is renewed: enough for the work that is begun with it."""


@dataclass
class Tokens:
    """Tokens by host; those of a GitHub App by owner too, since it has one for each account that installed it."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    _known: dict[str, tuple[str, float]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def token_for(self, url: str) -> str:
        """The token for the address of a repository; empty for none, and for no address. Raises GitHubError."""
        return self.token_of(Slug.of(url)) if url else ""

    def token_of(self, slug: Slug) -> str:
        """Likewise for a repository, or for an account where it has no name."""
        app = self.app_at(slug)
        place = f"{slug.web}/{slug.owner.lower()}" if app else slug.web
        with self._lock:
            token, until = self._known.get(place, ("", 0.0))
            if time.time() < until:
                return token
            if app:
                granted = app.granted(slug.owner)
                token, until = granted.token, granted.ends - EARLY
            else:
                token, until = _token_of(slug, self.environment), time.time() + FRESH
            self._known[place] = token, until
            return token

    def app_at(self, slug: Slug) -> App | None:
        """The GitHub App that signs in at this host. It goes before a token, which may be there by chance."""
        app = App.of(self.environment)
        return app if app and app.web.lower() == slug.web.lower() else None


def _token_of(slug: Slug, environment: Mapping[str, str]) -> str:
    """Of the environment, else of a credential helper, and of the latter only for the host that the user named
    (gitcredentials(7)); empty where there is none."""
    found = token_from(environment, slug)
    return found or (_of_helper(slug) if slug.host.lower() == host_from(environment) else "")


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
