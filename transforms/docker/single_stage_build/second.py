"""The second stage of an image: what of the instructions before a build the image needs when it runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from fixer.docker.images import base_image
from fixer.docker.packages import installed, is_for_compiling, name_of, needed_at_run_time, release_of
from fixer.languages.dockerfile import Dockerfile, Instruction, New, Stage
from fixer.languages.shell import Command, Script, Shell, Structure, word
from fixer.model import Blocked, listed
from fixer.scripts import Quoted, ScriptText

_GIVES = frozenset(("useradd", "adduser", "groupadd", "addgroup", "chown"))
TIDIES = frozenset(("rm", "echo", "apt-get", "apt", "apk", "set", "true"))
MAKES_USERS = frozenset(("useradd", "adduser", "groupadd", "addgroup", "mkdir", "chown", "chmod", "ln"))
_INSTALLS_PACKAGES = re.compile(r"\b(?:apt-get|apt) (?:-\S+ )*install\b|\bapk (?:-\S+ )*add\b")
_UPDATES = re.compile(r"(?:apt-get|apt|apk) (?:-\S+ )*(?:update|upgrade)")
_JOINED_OTHERWISE = (Structure.PIPELINE, Structure.BRANCH, Structure.LOOP, Structure.SUBSTITUTION, Structure.BACKGROUND)


def commands_of(instruction: Instruction) -> tuple[Command, ...]:
    """What a RUN runs."""
    if instruction.op != "RUN" or not instruction.script:
        return ()
    return Script.parse(instruction.script, Shell(posix=True)).commands


def builder_name(dockerfile: Dockerfile, other: str) -> str:
    """What the stage that builds is called: `builder`, or the other name where one is called so already."""
    return "builder" if "builder" not in {each.name for each in dockerfile.stages} else other


def _moving(until: Sequence[Instruction]) -> list[Instruction]:
    """Those of the instructions before a build that make users or give them something of which the build itself has no
    need: they stand in the second stage alone."""
    found: list[Instruction] = []
    later: list[str] = []
    for instruction in reversed(until):
        commands = commands_of(instruction)
        names = {word.text for command in commands for word in command.args if not word.text.startswith("-")}
        gives = any(command.name in _GIVES for command in commands)
        alone = all(command.name in _GIVES or command.name in ("mkdir", "echo", "set", "true") for command in commands)
        if gives and alone and not any(_is_named(name, text) for name in names for text in later):
            found.append(instruction)
            continue
        later += [flag.value for flag in instruction.flags]
        if instruction.op == "RUN":  # WORKDIR and COPY make their folders themselves
            later.append(instruction.text)
    return found


def _is_named(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def repeated(
    dockerfile: Dockerfile,
    stage: Stage,
    until: Sequence[Instruction],
    builds: Callable[[Command], bool],
    is_source: Callable[[Instruction], bool],
    tools: Collection[str] = (),
) -> tuple[list[New], list[str], list[Instruction]] | Blocked:
    """What these instructions become in the second stage, which packages that compile are gone, and which instructions
    the first stage no longer needs.

    `builds` says which commands only build, `is_source` which COPY only brings what is built from, `tools` which other
    packages the build alone needs.
    """
    again: list[New] = []
    compiled: list[str] = []
    moved = _moving(until)
    for instruction in until:
        new = _in_second(dockerfile, instruction, builds, is_source, tools, compiled)
        if isinstance(new, Blocked):
            return new
        above = dockerfile.comment_above(instruction) if instruction in moved else ""
        again += [replace(each, comment=above) for each in new]
    image = stage.image
    base = base_image(image) if image is not None else None
    if image is None or base is None:
        return Blocked(f"what {stage.base} brings is not known", "write the stages by hand")
    runtime, unknown = needed_at_run_time(dict.fromkeys(compiled), base.family, release_of(image.tag))
    if unknown:
        return Blocked(
            f"what programs need at run time that were compiled with {listed(unknown)} is not known",
            "install the shared libraries of it in a second stage, and copy what was built there",
        )
    return _with_libraries(_without_idle(again), runtime, base.family), compiled, moved


def _in_second(
    dockerfile: Dockerfile,
    instruction: Instruction,
    builds: Callable[[Command], bool],
    is_source: Callable[[Instruction], bool],
    tools: Collection[str],
    compiled: list[str],
) -> list[New] | Blocked:
    """What an instruction before the install becomes in the second stage."""
    flags = tuple(flag.text for flag in instruction.flags)
    if instruction.op in ("COPY", "ADD"):
        return [] if is_source(instruction) else [_same(instruction, flags)]
    if instruction.op != "RUN":
        return [_same(instruction, flags)]
    commands = commands_of(instruction)
    line = dockerfile.line(instruction)
    others = [command for command in commands if not builds(command)]
    if commands and not others:
        return []
    packages = [command for command in others if installed(command)]
    if not packages and len(others) < len(commands) and all(command.name in TIDIES for command in others):
        return []
    if not packages and commands and all(command.name in MAKES_USERS | TIDIES for command in commands):
        return [_same(instruction, flags)]
    tidy = all(command in packages or command.name in TIDIES for command in others)
    if not packages or not tidy or instruction.heredocs or not _is_one_list(instruction):
        return Blocked(
            f"line {line}: whether the image needs what is done there, or only what is built, is not known",
            "write the stages by hand",
        )
    names = [name_of(word) for command in packages for word in installed(command)]
    family = "alpine" if packages[0].name == "apk" else "debian"
    gone = {name for name in names if is_for_compiling(name, "alpine" if family == "alpine" else "debian")}
    compiled += [name for name in names if name in gone]
    gone |= {name for name in names if name in tools}
    kept = [text for command in others if (text := _without(command, gone))]
    if not any(name not in gone for name in names):
        return []
    return [New("RUN", ScriptText.joined("\n&& ", kept), flags)]


def _same(instruction: Instruction, flags: tuple[str, ...]) -> New:
    body = instruction.body
    if (
        instruction.op in ("ENV", "LABEL")
        and len(instruction.words) > 1
        and all("=" in w.text for w in instruction.words)
    ):
        lines = [word.text for word in instruction.words]
        joint = "\n" if "  " in instruction.text else " "  # continued lines keep a line for each
        return New(instruction.op, joint.join(lines), flags)
    text = re.sub(r"\s{2,}(?=&&|\|\|)", "\n", instruction.text) if instruction.op == "RUN" else instruction.text
    return New(instruction.op, list(body) if isinstance(body, list) else ScriptText.written(text), flags)


def _is_one_list(instruction: Instruction) -> bool:
    """Whether it is commands joined by `&&`, so that each can go or stay."""
    script = Script.parse(instruction.script, Shell(posix=True))
    joined_by = script.code
    for command in reversed(script.commands):
        joined_by = joined_by[: command.start] + joined_by[command.end :]
    alone = not any(command.within(*_JOINED_OTHERWISE) for command in script.commands)
    return alone and not joined_by.replace("&&", "").replace("\\", "").strip()


def _without(command: Command, gone: set[str]) -> ScriptText:
    """A command without these packages; empty where it would install nothing."""
    packages = installed(command)
    if not packages:
        return command.script.part(command.start, command.end).strip()
    if all(name_of(word) in gone for word in packages):
        return ScriptText.of("")
    start, text = command.words[0].start, command.source
    found = list(packages)
    virtual = command.value("--virtual", "-t") if command.name == "apk" else None
    cut = [(word.start, word.end) for word in found if name_of(word) in gone]
    if virtual is not None:
        option = max((word for word in command.args if word.end < virtual.start), key=lambda word: word.start)
        cut.append((option.start, virtual.end))
    for left, right in sorted(cut, reverse=True):
        text = text[: left - start].rstrip() + text[right - start :]
    # A list that stands on several lines, one each, stays so: what continues a line has become blanks.
    return ScriptText.written("\n".join(re.split(r"\s{2,}", text.strip())))


def _without_idle(again: list[New]) -> list[New]:
    """Without an `apt-get update` behind which nothing is installed."""
    installs = any(new.op == "RUN" and re.search(r"\binstall\b|\badd\b", str(new.body)) for new in again)
    return [new for new in again if installs or new.op != "RUN" or not _UPDATES.match(str(new.body))]


_LIBRARIES = {
    "alpine": ScriptText.of("apk add --no-cache @packages@"),
    "debian": ScriptText.of(
        "apt-get update\n&& apt-get install -y --no-install-recommends @packages@\n&& rm -rf /var/lib/apt/lists/*"
    ),
}


def _packages(names: Iterable[str]) -> ScriptText:
    return ScriptText.joined(" ", [made for name in names if isinstance(made := word(name), Quoted)])


def _with_libraries(again: list[New], runtime: list[str], family: str) -> list[New]:
    """The shared libraries beside the packages that are installed anyway, or in an instruction of their own."""
    if not runtime:
        return again
    libraries = _packages(runtime)
    for at, new in enumerate(again):
        if new.op == "RUN" and isinstance(new.body, ScriptText) and _INSTALLS_PACKAGES.search(new.body):
            lines = new.body.splitlines()
            number = next(number for number, line in enumerate(lines) if _INSTALLS_PACKAGES.search(line))
            end = next((at for at in range(number + 1, len(lines)) if lines[at].startswith("&&")), len(lines))
            there = {name for line in lines[number:end] for name in line.split()}
            more = [_packages([name]) for name in runtime if name not in there]
            if end > number + 1:
                lines[end:end] = more
            else:
                lines[number] = ScriptText.joined(" ", (lines[number], *more)).rstrip()
            return [*again[:at], New("RUN", ScriptText.joined("\n", lines), new.flags), *again[at + 1 :]]
    made = New("RUN", _LIBRARIES["alpine" if family == "alpine" else "debian"].filled(packages=libraries))
    # Behind what configures the build, as people write it.
    at = next((at for at, new in enumerate(again) if new.op not in ("ARG", "ENV", "LABEL")), len(again))
    return [*again[:at], made, *again[at:]]
