"""The fleet as one page: the same change over all repositories, what is blocked, and repositories by rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fixer.fleet.overview import FleetOverview
from fixer.fleet.standing import Standing
from fixer.model import Level
from fixer.show.page import About, rendered
from fixer.show.words import TIER_WORDS


def fleet_page(seen: FleetOverview, about: About, standing: Sequence[Standing] = (), stopped: str = "") -> str:
    """`standing` is where the pull requests of a campaign stand, `stopped` why it does not go on."""
    return rendered(
        "fleet.html",
        ("fleet.js",),
        about=about,
        said=seen.in_words(),
        seen=seen,
        rows=seen.sorted_rows(),
        levels=list(Level),
        tiers=TIER_WORDS,
        standing=standing,
        states=sorted(Counter(one.state for one in standing).items(), key=lambda each: -each[1]),
        stopped=stopped,
    )
