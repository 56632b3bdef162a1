"""What the final stage of a Dockerfile makes: the state at each instruction, and the programs that it starts."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from fixer.docker.builds import ImageBuild, local_sources, split
from fixer.docker.privileges import User, users_made
from fixer.languages.dockerfile import Dockerfile, Instruction, Stage, expanded
from fixer.languages.shell import Script

# Entrypoints that official images bring.
_OF_IMAGES = ("docker-entrypoint.sh", "docker-php-entrypoint")
# Servers with a file of settings: the one that they read without being told, and the options that name another.
_SETTINGS = {"gunicorn": ("gunicorn.conf.py", ("-c", "--config")), "uwsgi": ("", ("--ini",))}
_SCRIPT_NAME = re.compile(r"\.(sh|bash)$")
_NAMES_SCRIPT = re.compile(r"\.(sh|bash)\b|^(exec |source |\. )?[./]")


@dataclass(frozen=True)
class State:
    """Where an instruction acts: the working folder, the user (empty: the image's own), what variables say."""

    instruction: Instruction
    folder: str
    user: str
    values: dict[str, str | None]
    stage: Stage

    @property
    def target(self) -> str:
        """Where COPY or ADD puts files, absolute; empty where a variable hides it."""
        args = self.instruction.args
        path = expanded(args[-1], self.values) if args else None
        return posixpath.normpath(posixpath.join(self.folder, path)) if path is not None else ""

    @cached_property
    def script(self) -> Script:
        """The shell code of a RUN."""
        return Script.parse(self.instruction.script)


@dataclass(frozen=True)
class Program:
    """What the container starts: a command, or a script that one names. `missing` is a script that is not there."""

    where: str
    text: str
    script: Script
    missing: str = ""


@dataclass(frozen=True, eq=False)
class Container:
    """A container of the image that a Dockerfile's final stage makes."""

    dockerfile: Dockerfile
    build: ImageBuild

    @cached_property
    def states(self) -> tuple[State, ...]:
        """The state at each instruction that makes the final stage."""
        found: list[State] = []
        folder, user = "/", ""
        values: dict[str, str | None] = {}
        for stage in self.dockerfile.final.chain:
            for instruction in stage.instructions:
                if instruction.op in ("ARG", "ENV"):
                    for name, value in instruction.pairs:
                        known = self.dockerfile.global_args.get(name) if value is None else expanded(value, values)
                        values = {**values, name: known}
                elif instruction.op == "WORKDIR":
                    target = expanded(instruction.text, values)
                    folder = posixpath.normpath(posixpath.join(folder, target or instruction.text))
                elif instruction.op == "USER":
                    user = (expanded(instruction.text, values) or instruction.text).partition(":")[0]
                found.append(State(instruction, folder, user, values, stage))
        return tuple(found)

    @property
    def values(self) -> dict[str, str | None]:
        return self.states[-1].values if self.states else {}

    @property
    def folder(self) -> str:
        """The working folder of what is started."""
        return self.states[-1].folder if self.states else "/"

    def acting(self, *ops: str) -> Iterator[State]:
        return (state for state in self.states if state.instruction.op in ops)

    @cached_property
    def users(self) -> tuple[tuple[User, State], ...]:
        """Users that the Dockerfile makes, and where."""
        return tuple(
            (user, state)
            for state in self.acting("RUN")
            if re.search(r"useradd|adduser", state.instruction.script)
            for user in users_made(state.script, state.values)
        )

    @cached_property
    def programs(self) -> tuple[Program, ...]:
        """Every command with which it may start, the scripts that they name, and those that these name."""
        seen: set[str] = set()
        found: list[Program] = []
        for where, words in self._commands():
            text = " ".join(words)
            code = words[0] if len(words) == 1 else " ".join(map(_quoted, words))
            found.append(Program(where, text, Script.parse(code)))
            for at, word in enumerate(words[:-1]):
                if at and re.fullmatch(r"-\w*c", word):
                    found.append(Program(where, words[at + 1], Script.parse(words[at + 1])))
            found += self._named(where, text, seen)
        return tuple(found)

    @cached_property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """Files that set up the servers which it starts: the name as it is given, and the text (empty: not there)."""
        found: dict[str, str] = {}
        for program in self.programs:
            for command in program.script.commands:
                if command.name not in _SETTINGS:
                    continue
                default, options = _SETTINGS[command.name]
                given = command.value(*options)
                names = [given.text] if given else [w.text for w in command.args if w.text.endswith(".ini")]
                for name in names or ([default] if default in self.build.files else []):
                    base = posixpath.basename(name.removeprefix("file:"))
                    found[name] = next((self.build.text(path) for path in self._sources(base)), "")
        return tuple(found.items())

    def _commands(self) -> Iterator[tuple[str, list[str]]]:
        for op in ("ENTRYPOINT", "CMD"):
            instruction = self.dockerfile.final.last(op)
            words = [] if instruction is None else list(instruction.args) if instruction.is_json else [instruction.text]
            if instruction is not None and words:
                yield f"line {self.dockerfile.line(instruction)}", words
        for path, service in self.build.services:
            for given in (service.entrypoint, service.command):
                if given:
                    yield f"service {service.name!r} of {path}", split(given) or [str(given)]

    def _named(self, where: str, text: str, seen: set[str]) -> Iterator[Program]:
        for name in re.findall(r"(?<![\w${}./-])[\w${}./-]*\b[\w.-]+", text):
            plain = posixpath.basename(name)
            if plain in seen:
                continue
            seen.add(plain)
            scripts = self._scripts(plain)
            if not scripts and _SCRIPT_NAME.search(plain) and plain not in _OF_IMAGES:
                yield Program(where, "", Script.parse(""), name)
            for path, body in scripts:
                parsed = Script.parse(body)
                yield Program(path, body, parsed)
                for command in parsed.commands:
                    if _NAMES_SCRIPT.search(command.source):
                        yield from self._named(path, command.source, seen)

    def _scripts(self, name: str) -> list[tuple[str, str]]:
        """Shell scripts of this name that are copied into the image: path and text."""
        for state in self.acting("COPY", "ADD"):
            instruction = state.instruction
            if instruction.heredocs and posixpath.basename(instruction.args[-1]) == name:
                return [(instruction.args[-1], instruction.heredocs[0].text)]
        texts = ((path, self.build.text(path)) for path in self._sources(name))
        return [
            (path, text) for path, text in texts if _SCRIPT_NAME.search(path) or re.match(r"#!.*\b(ba|da|a)?sh\b", text)
        ]

    def _sources(self, name: str) -> tuple[str, ...]:
        """Files of the context that have this name in the image."""
        for state in self.acting("COPY", "ADD"):
            instruction = state.instruction
            renamed = bool(instruction.args) and posixpath.basename(instruction.args[-1]) == name
            for source in local_sources(instruction):
                if (renamed or posixpath.basename(source) == name) and source in self.build.files:
                    return (source,)
        return self.build.named(name)


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else "'" + word.replace("'", "'\\''") + "'"
