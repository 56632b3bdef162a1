"""Which runners are GitHub's own, and which of them it has taken away: a job that asks for those waits in vain."""

import re
from typing import Any

from fixer.github.expressions import expressions_in

# https://github.com/actions/runner-images#available-images
_RETIRED = {
    "ubuntu-16.04": "ubuntu", "ubuntu-18.04": "ubuntu", "ubuntu-20.04": "ubuntu",
    "macos-10.15": "macos", "macos-11": "macos", "macos-12": "macos", "macos-13": "macos",
    "windows-2016": "windows", "windows-2019": "windows",
}  # fmt: skip
_HOSTED = re.compile(r"(ubuntu|macos|windows)-", re.IGNORECASE)


def is_own(runs_on: Any) -> bool:
    """Whether a job asks for a machine of the repository's owners: by a label that is none of GitHub's."""
    labels = runs_on if isinstance(runs_on, list) else [runs_on]
    return isinstance(runs_on, str | list) and not any(
        _HOSTED.match(str(label)) or expressions_in(str(label)) for label in labels
    )


def current(runs_on: Any) -> Any:
    """The value of `runs-on`, for a new job: with the newest runner of its kind in the place of one that is gone."""
    if isinstance(runs_on, list):
        return [current(label) for label in runs_on]
    family = _RETIRED.get(runs_on) if isinstance(runs_on, str) else None
    return f"{family}-latest" if family else runs_on
