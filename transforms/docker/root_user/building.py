"""Whether an image can change to its user before the application is copied, so that what is built belongs to it.

Else all of it is given away at the end, which puts every file into the image a second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.docker.privileges import folders_made, is_within
from fixer.languages.dockerfile import Flag, Instruction
from fixer.languages.shell import Command
from fixer.runtime.states import Container, State
from transforms.docker.root_user.folders import Folders

# Lists of what to install are only read.
MANIFESTS = re.compile(
    r"(^|/)([\w.-]*(requirements|constraints)[^/]*\.(txt|in)|requirements/?|package\*?(-lock)?\.json|pyproject\.toml|setup\.(py|cfg)"
    r"|(poetry|uv|yarn|Pipfile|composer|Gemfile|Cargo)\.lock|Pipfile|Gemfile|pnpm-lock\.yaml|\.npmrc|\.yarnrc\.yml"
    r"|composer\.json|go\.(mod|sum)|bun\.lockb?|Makefile)\*?$"
)
_BUILDERS = {
    "uv": ("sync",),
    "npm": ("ci", "install", "i", "run"), "yarn": ("", "install", "run", "build"),
    "pnpm": ("install", "i", "run", "build"), "bun": ("install", "i", "run"),
}  # fmt: skip
"""What installs and builds in the working folder alone; what it caches goes to the home of its user."""
_INSTALLS = ("", "ci", "i", "install", "sync")
_MANAGE = ("collectstatic", "compilemessages")
_ON_FILES = frozenset(("mkdir", "touch", "rm", "cp", "mv", "ln", "chmod", "sed", "dos2unix"))
_SAYS = frozenset(("cd", "echo", "printf", "set", "true", "test", "[", "ls"))
_ELSEWHERE = ("UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT", "NPM_CONFIG_PREFIX", "HOME")
"""Variables that move what these programs write."""


def builds_as_user(container: Container, folders: Folders, made: Instruction | None, home: str) -> Instruction | None:
    """The instruction before which the image can change to its user; None where a later one needs root, or an earlier
    one makes files that are changed later. `made` is what makes the user, if it is there, `home` empty where that is
    not known."""
    own = [state for state in container.states if state.stage is container.stage]
    acting = [state for state in own if state.instruction.op in ("RUN", "COPY", "ADD", "WORKDIR", "USER", "VOLUME")]
    if len(own) != len(container.states) or any(name in container.values for name in _ELSEWHERE):
        return None
    entered = {state.folder for state in acting if state.instruction.op == "WORKDIR"}
    first: State | None = None
    for at in range(len(acting) - 1, -1, -1):
        if not _is_unprivileged(acting[at], folders, entered, acting[:at]) or not _takes_caches_along(acting[at], home):
            break
        first = acting[at]
    rest = [state for state in acting if first is not None and state.instruction.index >= first.instruction.index]
    if not any(state.instruction.op == "RUN" or brings_sources(state, folders) for state in rest):
        return None
    if first is None or (made is not None and made.index > first.instruction.index):
        return None
    before = [state for state in acting if state.instruction.index < first.instruction.index]
    changed = any(state.instruction.op in ("USER", "VOLUME") for state in acting)
    filled = any(brings_sources(state, folders) for state in before)
    written = any(_writes_into(state, folders) for state in before)
    return None if changed or filled or written else first.instruction


def not_made_later(container: Container, folders: Folders, first: Instruction) -> Folders:
    """The folders without those that the build makes itself from this instruction on."""
    made: list[str] = []
    for state in container.states:
        if state.instruction.op == "RUN" and state.instruction.index >= first.index:
            made += folders_made(state.script, state.values, state.folder)
    return Folders(folders.roots, tuple(path for path in folders.data if path not in made))


def brings_sources(state: State, folders: Folders) -> bool:
    """Whether an instruction copies more into the application's folders than lists of what to install."""
    instruction = state.instruction
    if instruction.op not in ("COPY", "ADD") or not is_within(state.target or "/", folders.all):
        return False
    return not all(MANIFESTS.search(source) for source in instruction.args[:-1])


def _is_unprivileged(state: State, folders: Folders, entered: set[str], above: list[State]) -> bool:
    """Whether an instruction works for a user who owns the application's folders, and nothing else."""
    instruction = state.instruction
    if instruction.op in ("COPY", "ADD"):
        return state.target != ""
    if instruction.op == "WORKDIR":  # a folder that it must make itself would be root's
        return any(each.target == state.folder for each in above if each.instruction.op in ("COPY", "ADD"))
    if instruction.op != "RUN" or state.script.error or not state.script.commands or instruction.heredocs:
        return False
    if not is_within(state.folder, folders.roots) or not entered:
        return False
    return all(_runs_unprivileged(command, folders) for command in state.script.commands)


def caches_of_root(instruction: Instruction) -> Iterator[tuple[Flag, str]]:
    """The mounts of a RUN that keep a cache in root's home, with the path below it."""
    for flag in instruction.flags:
        options = dict(each.partition("=")[::2] for each in flag.value.split(","))
        target = options.get("target", options.get("dst", options.get("destination", "")))
        if flag.name == "mount" and options.get("type") == "cache" and target.startswith("/root/"):
            yield flag, target.removeprefix("/root/")


def moved(flag: Flag, path: str, home: str, number: str) -> str:
    """The same mount for another user, in whose home the program looks for its cache. A cache has the name of its
    target, so that another target is a new one, which belongs to the user.
    https://docs.docker.com/reference/dockerfile/#run---mounttypecache"""
    return f"{flag.value.replace(f'/root/{path}', f'{home}/{path}')},uid={number},gid={number}"


def _takes_caches_along(state: State, home: str) -> bool:
    """Whether what a RUN mounts can be read and written by another user."""
    known = dict(caches_of_root(state.instruction))
    for flag in state.instruction.flags if state.instruction.op == "RUN" else ():
        names = {each.partition("=")[0] for each in flag.value.split(",")}
        if flag.name != "mount" or "type=bind" in flag.value:
            continue
        if flag not in known or not home or "$" in flag.value or names & {"id", "uid", "gid", "mode", "from"}:
            return False
        folder, _, name = known[flag].rstrip("/").rpartition("/")
        # What stands above a mount is made by root, so that nothing else can be put there.
        if folder and not all(_only_installs_with(name, command) for command in state.script.commands):
            return False
    return True


def _only_installs_with(program: str, command: Command) -> bool:
    verb = next((word.text for word in command.args if not word.text.startswith("-")), "")
    return command.name in _SAYS or (command.name == program and verb in _INSTALLS)


def _runs_unprivileged(command: Command, folders: Folders) -> bool:
    beside = [redirect.target for redirect in command.redirects if ">" in redirect.operator]
    if not all(_is_inside(path, folders) for path in beside):
        return False
    words = [word.text for word in command.args if not word.text.startswith("-")]
    if command.name == "yarn" and words[:1] == ["workspace"]:
        words = words[2:]
    if command.name in _BUILDERS:
        return (words[0] if words else "") in _BUILDERS[command.name] and not command.has("-g", "--global")
    if command.name in _ON_FILES:
        return all(_is_inside(path, folders) for path in words)
    if command.name in ("python", "python3"):
        return len(words) > 1 and words[0].endswith("manage.py") and words[1] in _MANAGE
    return command.name in _SAYS


def _is_inside(path: str, folders: Folders) -> bool:
    """Whether a path is one of the application, as far as it says so."""
    if path.startswith("/"):
        return path == "/dev/null" or is_within(path, folders.all)
    return not path.startswith(("~", "..", "$"))


def _writes_into(state: State, folders: Folders) -> bool:
    """Whether a command that runs before may have made something in the application's folders."""
    if state.instruction.op != "RUN":
        return False
    inside = is_within(state.folder, folders.roots)
    return inside and any(_is_builder(command, folders) for command in state.script.commands)


def _is_builder(command: Command, folders: Folders) -> bool:
    paths = [word.text for word in command.args if not word.text.startswith("-")]
    on_files = command.name in _ON_FILES and any(_is_inside(path, folders) for path in paths)
    return command.name in _BUILDERS or on_files
