"""Images that keep what pages of Next.js were built with."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.languages.dockerfile import Instruction, Stage
from fixer.languages.shell import Command, Script, Shell
from fixer.model import Blocked, Finding
from fixer.project.frontend import FrontEnd, FrontEnds
from fixer.runtime.builds import ImageBuild

_MANAGERS = frozenset(("npm", "yarn", "pnpm", "bun"))
_OWN_SERVER = re.compile(r"\b(?:node|ts-node|tsx|nodemon|bun)\s+\S")
_DEVELOPS = re.compile(r"\b(?:next|run|yarn|pnpm) dev\b")


def with_what_built_them(stage: Stage, build: ImageBuild, frontends: FrontEnds | None) -> Iterator[Finding]:
    """An image whose last stage builds the pages that it serves."""
    front = pages_of(build, frontends)
    built = next((each for each in stage.instructions if _builds(each)), None)
    if front is None or built is None or _copies_from_a_stage(stage):
        return
    starts = stage.last("CMD", "ENTRYPOINT")
    if starts is not None and _DEVELOPS.search(starts.text.replace('", "', " ")):
        return
    message = "the image keeps what its pages were built with: the modules of development, the sources and the cache"
    yield Finding(build.path, built.span, message, _why(front))


def pages_of(build: ImageBuild, frontends: FrontEnds | None) -> FrontEnd | None:
    """The front end in Next.js that an image is built from."""
    front = frontends.of(build.context) if frontends is not None and build.context is not None else None
    return front if front is not None and front.framework == "next" else None


def commands_of(instruction: Instruction) -> tuple[Command, ...]:
    """What a RUN runs."""
    if instruction.op != "RUN" or not instruction.script:
        return ()
    return Script.parse(instruction.script, Shell(posix=True)).commands


def _builds(instruction: Instruction) -> bool:
    for command in commands_of(instruction):
        words = [word.text for word in command.args]
        if (command.name in _MANAGERS and "build" in words[:2]) or (command.name == "next" and words[:1] == ["build"]):
            return True
    return False


def _copies_from_a_stage(stage: Stage) -> bool:
    return any(each.op == "COPY" and each.flag("from") is not None for each in stage.instructions)


def _why(front: FrontEnd) -> Blocked:
    if _OWN_SERVER.search(front.starts):
        return Blocked(
            f"`{front.starts}` starts a server of the project's own, which Next.js does not trace",
            "add a second stage with `npm ci --omit=dev`, and copy the server and `.next` there",
        )
    return Blocked(
        "what the pages load by name when they are asked for cannot be seen here, and such a copy builds and fails",
        'set `output: "standalone"` in next.config; copy .next/standalone, .next/static to .next/static and public to'
        ' public into a second stage, and let it start `["node", "server.js"]`',
    )
