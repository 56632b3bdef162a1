"""What every page of fhfix stands in: one style sheet, and a policy that allows exactly it and the page's own script.

A page is one file. Nothing is loaded from anywhere, and nothing leaves it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from fixer import kept
from fixer.model import Blocked, Fix
from fixer.records import record
from fixer.show.tool import tool_version
from fixer.show.visible import visible, visible_lines

if TYPE_CHECKING:
    from jinja2 import Environment


@record
class About:
    """What a page is of. `command` made it, `apply` would write what it shows; `date` is in words."""

    title: str
    command: str = "fhfix preview"
    apply: str = "fhfix apply"
    commit: str = ""
    date: str = ""


def rendered(template: str, scripts: Sequence[str] = (), connect: str = "", **values: Any) -> str:
    """A template of this package. `scripts` are files beside it; `connect` is where they may ask, if anywhere."""
    style, code = asset("report.css"), "".join(map(asset, scripts))
    policy = f"default-src 'none'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"
    policy += f"; script-src '{_hash(code)}'" if code else ""
    policy += f"; connect-src {connect}" if connect else ""
    return part(template, style=style, script=code, policy=policy, **values)


def part(template: str, **values: Any) -> str:
    """A template that is no whole page."""
    return _environment().get_template(template).render(version=tool_version(), **values)


@cache
def _environment() -> Environment:
    from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
    from jinja2.bccache import Bucket

    class Kept(BytecodeCache):
        """Compiled templates, beside the compiled modules: https://jinja.palletsprojects.com/en/stable/api/#bytecode-cache."""

        def load_bytecode(self, bucket: Bucket) -> None:
            if code := kept.told(f"{bucket.key} {bucket.checksum}"):
                bucket.bytecode_from_string(code)

        def dump_bytecode(self, bucket: Bucket) -> None:
            # What it becomes depends on the template, and on how this module sets Jinja up.
            kept.tell(f"{bucket.key} {bucket.checksum}", bucket.bytecode_to_string(), [__file__])

    environment = Environment(
        loader=PackageLoader("fixer.show"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_finalized, bytecode_cache=Kept(),
    )  # fmt: skip
    environment.filters |= {"visible": visible, "prose": _prose}
    environment.tests |= {"fix": lambda cure: isinstance(cure, Fix), "blocked": lambda cure: isinstance(cure, Blocked)}
    return environment


def _prose(text: str) -> Markup:
    """A sentence. What stands between backticks is code, as in everything that fhfix says."""
    parts = re.split(r"`([^`]+)`", visible(text))
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def _finalized(value: Any) -> Any:
    """Every value of a page, but for our own style and script, which are marked as safe."""
    return value if hasattr(value, "__html__") else visible_lines(str(value))


@cache
def asset(name: str) -> str:
    return files("fixer.show").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The hash of an inline style or script: https://www.w3.org/TR/CSP3/#external-hash."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
