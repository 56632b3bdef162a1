"""What can be configured of this rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fixer.model import RuleOptions, option


class Options(RuleOptions):
    policy: Literal["supported", "latest", "audit"] = option("supported", "which major to take")
    majors: Mapping[str, int | str] = option(
        {}, 'the major of an action, or of it at one reference: {"actions/checkout@master" = "v5"}'
    )
    pin: Literal["as-is", "sha"] = option("as-is", "`sha` writes commits with the version beside them")
    relock: bool = option(False, "whether you run `gh actions-lock` after fhfix where there is an actions.lock")
