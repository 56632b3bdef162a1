"""What a stage of a Dockerfile makes: the state at each instruction, and the commands that its containers run."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cached_property

from fixer.docker.privileges import User, users_made
from fixer.languages.dockerfile import Dockerfile, Instruction, Stage, expanded
from fixer.languages.shell import Script
from fixer.records import entity, record
from fixer.runtime.builds import ImageBuild
from fixer.runtime.images import local_sources
from fixer.runtime.programs import Started

# Servers with a file of settings: the one that they read without being told, and the options that name another.
_SETTINGS = {"gunicorn": ("gunicorn.conf.py", ("-c", "--config")), "uwsgi": ("", ("--ini",))}


@record
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


@entity
class Container:
    """A container of an image."""

    build: ImageBuild

    @property
    def dockerfile(self) -> Dockerfile:
        return self.build.dockerfile

    @property
    def stage(self) -> Stage:
        return self.build.image.stage

    @cached_property
    def states(self) -> tuple[State, ...]:
        """The state at each instruction that makes its stage."""
        found: list[State] = []
        folder, user = "/", ""
        values: dict[str, str | None] = {}
        for stage in self.stage.chain:
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
    def commands(self) -> tuple[Started, ...]:
        """Every command that it may run, whoever starts it."""
        return tuple(each for program in self.build.programs for each in program.commands)

    @cached_property
    def started(self) -> tuple[Started, ...]:
        """The same with what leads to other commands, such as `npm run start` and `exec gosu app "$@"`."""
        return tuple(each for program in self.build.programs for each in (*program.calls, *program.commands))

    @cached_property
    def unfollowed(self) -> tuple[str, ...]:
        """Why some of what it starts is not known."""
        return tuple(dict.fromkeys(text for program in self.build.programs for text in program.unfollowed))

    @cached_property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """Files that set up the servers which it starts: the name as it is given, and the text (empty: not there)."""
        found: dict[str, str] = {}
        for started in self.commands:
            command = started.command
            if command.name not in _SETTINGS:
                continue
            default, options = _SETTINGS[command.name]
            given = command.value(*options)
            names = [given.text] if given else [w.text for w in command.args if w.text.endswith(".ini")]
            for name in names or ([default] if default in self.build.files else []):
                base = posixpath.basename(name.removeprefix("file:"))
                found[name] = next((self.build.text(path) for path in self._sources(base)), "")
        return tuple(found.items())

    def _sources(self, name: str) -> tuple[str, ...]:
        """Files of the context that have this name in the image."""
        for state in self.acting("COPY", "ADD"):
            instruction = state.instruction
            renamed = bool(instruction.args) and posixpath.basename(instruction.args[-1]) == name
            for source in local_sources(instruction):
                if (renamed or posixpath.basename(source) == name) and source in self.build.files:
                    return (source,)
        return self.build.named(name)
