"""Whether an image can change to its user before the application is copied, so that what is built belongs to it.

Else all of it is given away at the end, which puts every file into the image a second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fixer.docker.privileges import folders_made, is_within
from fixer.languages.dockerfile import Flag, Instruction
from fixer.languages.shell import Command, Script
from fixer.languages.tables import json_object, mapping
from fixer.runtime.builds import ImageBuild
from fixer.runtime.states import Container, State
from transforms.docker.root_user.folders import SCRATCH, Folders

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
_KEEPS_LISTS = {
    "npm": (), "yarn": ("--frozen-lockfile", "--immutable"), "pnpm": ("--frozen-lockfile",),
    "bun": ("--frozen-lockfile",), "uv": ("--frozen", "--locked"),
}  # fmt: skip
"""The options with which an installer leaves the lists alone that it installs from; `npm ci` does so without any."""
_BUNDLERS = frozenset((
    "astro", "echo", "esbuild", "eslint", "gatsby", "nest", "next", "ng", "nuxi", "nuxt", "parcel", "react-scripts",
    "rollup", "svelte-kit", "true", "tsc", "tsup", "vite", "vue-cli-service", "vue-tsc", "webpack",
))  # fmt: skip
"""What writes into the folder of its package, unless a file that configures it names another."""
_CONFIGURES = re.compile(r"(^|/)[\w.-]+\.config\.[cm]?[jt]s$")
_WHEN_INSTALLED = ("preinstall", "install", "postinstall", "prepare")
_MANAGE = ("collectstatic", "compilemessages", "compilescss", "compress")
_ON_FILES = frozenset(("mkdir", "touch", "rm", "cp", "mv", "ln", "chmod", "sed", "dos2unix"))
_SAYS = frozenset(("cd", "echo", "printf", "set", "true", "test", "[", "ls"))
_ELSEWHERE = ("UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT", "NPM_CONFIG_PREFIX", "HOME")
"""Variables that move what these programs write."""


def builds_as_user(
    container: Container, folders: Folders, made: Instruction | None, home: str, *, has_home: bool
) -> Instruction | None:
    """The instruction before which the image can change to its user; None where a later one needs root, or an earlier
    one makes files that are changed later. `made` is what makes the user, if it is there, `home` empty where that is
    not known. Without a home of the user nothing is installed by it."""
    own = [state for state in container.states if state.stage is container.stage]
    acting = [state for state in own if state.instruction.op in ("RUN", "COPY", "ADD", "WORKDIR", "USER", "VOLUME")]
    if len(own) != len(container.states) or any(name in container.values for name in _ELSEWHERE):
        return None
    entered = {state.folder for state in acting if state.instruction.op == "WORKDIR"}
    first: State | None = None
    for at in range(len(acting) - 1, -1, -1):
        inside = _is_unprivileged(acting[at], folders, entered, acting[:at], container.build)
        if not inside or not _takes_caches_along(acting[at], home):
            break
        first = acting[at]
    rest = [state for state in acting if first is not None and state.instruction.index >= first.instruction.index]
    if not any(state.instruction.op == "RUN" or brings_sources(state, folders) for state in rest):
        return None
    if first is None or (made is not None and made.index > first.instruction.index):
        return None
    if not has_home and any(command.name in _BUILDERS for state in rest for command in state.script.commands):
        return None
    before = [state for state in acting if state.instruction.index < first.instruction.index]
    changed = any(state.instruction.op in ("USER", "VOLUME") for state in acting)
    filled = any(brings_sources(state, folders) for state in before)
    if any(_may_write_lists(command) for state in rest for command in state.script.commands):
        # What root has copied before, its user could not write.
        filled = filled or any(_is_copied_into(state, folders) for state in before)
    written = any(_writes_into(state, folders) for state in before)
    return None if changed or filled or written else first.instruction


def not_made_later(container: Container, folders: Folders, first: Instruction) -> Folders:
    """The folders without those that the build makes itself from this instruction on, where it can: in the application
    and below `/tmp`."""
    made: list[str] = []
    for state in container.states:
        if state.instruction.op == "RUN" and state.instruction.index >= first.index:
            made += folders_made(state.script, state.values, state.folder)
    kept = (path for path in folders.data if path not in made or not is_within(path, (*folders.roots, *SCRATCH)))
    return Folders(folders.roots, tuple(kept))


def brings_sources(state: State, folders: Folders) -> bool:
    """Whether an instruction copies more into the application's folders than lists of what to install."""
    return _is_copied_into(state, folders) and not all(
        MANIFESTS.search(source) for source in state.instruction.args[:-1]
    )


def _is_copied_into(state: State, folders: Folders) -> bool:
    return state.instruction.op in ("COPY", "ADD") and is_within(state.target or "/", folders.all)


def _may_write_lists(command: Command) -> bool:
    """Whether an installer brings the list of what is installed up to date, as `npm install` always does."""
    verb = next((word.text for word in command.args if not word.text.startswith("-")), "")
    if command.name not in _KEEPS_LISTS or verb not in _INSTALLS or verb == "ci":
        return False
    return not command.has(*_KEEPS_LISTS[command.name])


def _is_unprivileged(state: State, folders: Folders, entered: set[str], above: list[State], build: ImageBuild) -> bool:
    """Whether an instruction works for a user who owns the application's folders, and nothing else."""
    instruction = state.instruction
    if instruction.op in ("COPY", "ADD"):
        return state.target != ""
    if instruction.op == "WORKDIR":  # a folder that it must make itself would be root's
        return any(is_within(each.target, (state.folder,)) for each in above if each.instruction.op in ("COPY", "ADD"))
    if instruction.op != "RUN" or state.script.error or not state.script.commands or instruction.heredocs:
        return False
    if not is_within(state.folder, folders.roots) or not entered:
        return False
    return all(_runs_unprivileged(command, folders, build) for command in state.script.commands)


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


def _runs_unprivileged(command: Command, folders: Folders, build: ImageBuild) -> bool:
    beside = [redirect.target for redirect in command.redirects if ">" in redirect.operator]
    if not all(_is_inside(path, folders) for path in beside):
        return False
    words = [word.text for word in command.args if not word.text.startswith("-")]
    if command.name == "yarn" and words[:1] == ["workspace"]:
        words = words[2:]
    if command.name in _BUILDERS:
        verb = words[0] if words else ""
        if verb not in _BUILDERS[command.name] or command.has("-g", "--global"):
            return False
        if verb in ("run", "build"):
            return _stays_inside([words[-1]], build)
        return command.name == "uv" or _stays_inside(_WHEN_INSTALLED, build, given=False)
    if command.name == "mkdir" and not command.has("-p", "--parents"):
        # Those elsewhere are there already, given to the user.
        return all(_is_inside(path, Folders(folders.roots, ())) for path in words)
    if command.name in _ON_FILES:
        return all(_is_inside(path, folders) for path in words)
    if command.name in ("python", "python3"):
        return len(words) > 1 and words[0].endswith("manage.py") and words[1] in _MANAGE
    return command.name in _SAYS


def _stays_inside(names: Iterable[str], build: ImageBuild, *, given: bool = True) -> bool:
    """Whether what scripts of package.json run is known to write into the folder of their package alone. `given`: one
    of them must be there."""
    for path, text in build.texts.items():
        if _CONFIGURES.search(path) and re.search(r"[\"'`/]\.\./|[\"']\.\.[\"']", text):
            return False
    packages = [mapping(json_object(text).get("scripts")) for path, text in build.texts.items() if _is_package(path)]
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        codes = [str(scripts[name]) for scripts in packages if name in scripts]
        if name in seen or (not codes and not given):
            continue
        seen.add(name)
        for command in (each for code in codes for each in Script.parse(code).commands):
            verb = next((word.text for word in command.args if not word.text.startswith("-")), "")
            if command.name in _BUILDERS and verb in ("run", "build"):
                waiting.append(command.args[-1].text)
            elif command.name not in _BUNDLERS or ".." in command.source:
                return False
        if not codes:
            return False
    return True


def _is_package(path: str) -> bool:
    return path.rpartition("/")[2] == "package.json"


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
