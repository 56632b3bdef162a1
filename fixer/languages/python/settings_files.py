"""Which Python files are settings of Django: a cheap test, before they are parsed."""

from __future__ import annotations

import re

_SETTINGS_PATH = re.compile(r"(^|/)([^/]*settings[^/]*|settings/.+)\.py$", re.IGNORECASE)
_SETTINGS_TEXT = re.compile(
    r"^[ \t]*(DATABASES|INSTALLED_APPS|MIDDLEWARE|ROOT_URLCONF|SECRET_KEY|CACHES|LOGGING)\b[^=\n]*=(?!=)"
    r"|^from[ \t]+[.\w]+[ \t]+import[ \t]+\*",
    re.MULTILINE,
)


def may_be_settings(path: str) -> bool:
    """Whether the name of a file speaks of settings."""
    return path.endswith(".py") and "settings" in path.lower() and _SETTINGS_PATH.search(path) is not None


def is_settings(path: str, text: str) -> bool:
    """A cheap test: the name speaks of settings, and the text assigns one or imports all of another module."""
    return may_be_settings(path) and _SETTINGS_TEXT.search(text) is not None
