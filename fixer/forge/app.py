"""A GitHub App's own sign-in: a token for each account that has it installed, had with the app's key.

https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import field
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from fixer.forge.answers import Granted, Installed, granted_of, installations_of
from fixer.forge.github import GitHub, GitHubError, Slug, host_from, web_of
from fixer.records import record

NEEDED = ("contents", "pull_requests", "workflows")
"""What an app must be allowed to write for a pull request."""

_LASTS = 540
"""Seconds for which a signed word counts; GitHub takes ten minutes at most."""

_APART = 60
"""Seconds by which the clocks of two machines may differ."""


@record
class App:
    """An app on one host. `identity` is its client id or its number."""

    web: str
    identity: str
    key: str = field(repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        """The app of FHFIX_APP, on the host that the user names. Its key, FHFIX_APP_KEY, is a file or the text of one.
        Raises GitHubError where one of both is missing."""
        identity, key = (environment.get(name, "").strip() for name in ("FHFIX_APP", "FHFIX_APP_KEY"))
        if not identity and not key:
            return None
        if not identity or not key:
            raise GitHubError("a GitHub App needs FHFIX_APP, its client id, and FHFIX_APP_KEY, the file of its key")
        if find_spec("jwt") is None:
            raise GitHubError("a GitHub App needs PyJWT: install fhfix[fleet], for instance: pipx install '.[fleet]'")
        if not key.startswith("-----BEGIN"):
            try:
                key = Path(key).expanduser().read_text(encoding="ascii")
            except (OSError, UnicodeError) as error:
                raise GitHubError(f"the key of the app cannot be read: {error}") from None
        return cls(web_of(host_from(environment)), identity, key)

    def granted(self, owner: str) -> Granted:
        """A token for the repositories of an account; where none is named, of the only one that has the app."""
        hub = GitHub(Slug(self.web, "", "").api, self._signed())
        installed = _installed(hub, owner)
        if installed.suspended:
            raise GitHubError(f"the app is suspended at {installed.account}: an owner can lift that in its settings")
        path = f"/app/installations/{installed.number}/access_tokens"
        return granted_of(hub.request("POST", path, {}, repeatable=True))

    def _signed(self) -> str:
        import jwt

        now = int(time.time())
        said = {"iat": now - _APART, "exp": now + _LASTS, "iss": self.identity}
        try:
            return jwt.encode(said, self.key, algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError):
            raise GitHubError("FHFIX_APP_KEY is no private key: it is the .pem that GitHub gives for the app") from None


def _installed(hub: GitHub, owner: str) -> Installed:
    # GitHub finds an installation by its account too, but at one address for people and at another for organisations.
    everywhere = installations_of(list(hub.all("/app/installations")))
    found = [one for one in everywhere if not owner or one.account.lower() == owner.lower()]
    if len(found) == 1:
        return found[0]
    if owner:
        raise GitHubError(f"the app is not installed at {owner}")
    accounts = ", ".join(sorted(one.account for one in found)) or "nobody"
    raise GitHubError(f"whose repositories are meant? The app is installed at {accounts}; name one with --org")
