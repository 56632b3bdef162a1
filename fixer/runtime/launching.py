"""What a container starts: ENTRYPOINT and CMD, and what a compose file or manifest puts in their place."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from fixer.records import entity
from fixer.runtime.following import SHELLS, Code, Followed, Where
from fixer.runtime.images import Image
from fixer.runtime.places import Place
from fixer.runtime.programs import Environment, Started, Value
from fixer.runtime.settings import loads, runs_django
from fixer.runtime.texts import Fixed, InInstruction, Written


@entity
class Launch:
    """One of the two, as words, each with the text that it stands in. `code` is the same as shell code where it is
    written in one string; `shell`: a shell reads it, so that it takes no arguments."""

    words: tuple[str, ...]
    texts: tuple[Written, ...]
    text: Written
    code: Code | None = None
    shell: bool = False

    @classmethod
    def of_code(cls, code: Code) -> Launch:
        """A string that is split into words."""
        try:
            words = tuple(shlex.split(code.script.text))
        except ValueError:
            words = (code.script.text,)
        return cls(words, (), code.text, code)

    @classmethod
    def of_shell(cls, code: Code) -> Launch:
        """A string that a shell reads."""
        return cls((code.script.text,), (), code.text, code, shell=True)

    @classmethod
    def of_words(cls, words: Sequence[str], text: Written) -> Launch:
        return cls(tuple(words), (), text)

    @property
    def followed_words(self) -> tuple[str, ...]:
        return ("/bin/sh", "-c", *self.words) if self.shell else self.words

    @property
    def is_rest(self) -> bool:
        """Whether it only makes sense behind an entrypoint: it begins with an option."""
        return not self.shell and self.words[:1] != () and self.words[0].startswith("-")

    @property
    def as_code(self) -> Code:
        if self.code is not None:
            return self.code
        for at, word in enumerate(self.words[:-1]):
            # A shell is told its code: that stands in one string, which can be changed.
            told = at and word == "-c" and self.words[at - 1].rpartition("/")[2] in SHELLS
            if told and at + 2 == len(self.words) and self.texts:
                return Code.of(self.words[-1], self.texts[-1])
        return Code.words(self.words, self.text)


@dataclass(eq=False)
class Launched:
    """The commands that run, what is not known of them, and which settings they load."""

    commands: list[Started]
    calls: tuple[Started, ...]
    unknown: tuple[str, ...]
    where: Where = field(repr=False)

    def settings(self, environment: Environment) -> frozenset[str]:
        return loads(self.commands, environment, self.where.repository)

    def is_django(self, environment: Environment) -> bool:
        return runs_django(self.commands, environment, self.where.repository)


def launched(
    entrypoint: Launch | None, command: Launch | None, image: Image | None, where: Where, name: str
) -> Launched:
    """What a container starts. What a service says wins over its image; an entrypoint of its own also drops the image's
    CMD: https://docs.docker.com/reference/compose-file/services/#entrypoint"""
    followed = Followed()
    if image is not None:
        command = command or (of_image(image, "CMD") if entrypoint is None else None)
        entrypoint = entrypoint or of_image(image, "ENTRYPOINT")
    if image is None and entrypoint is None and (command is None or command.is_rest):
        followed.unknown.append(f"{name}: what its image starts")
    elif entrypoint is None or not any(entrypoint.words):
        if command is not None:
            followed.run(command.as_code, where)
    elif entrypoint.shell or command is None:
        followed.run(entrypoint.as_code, where)
    else:
        words = (*entrypoint.words, *command.followed_words)
        followed.tail = (command.followed_words, command.as_code)
        # Two texts make one command: a part of it stands in neither alone.
        both = Fixed(entrypoint.text.path, entrypoint.text.line(0))
        followed.run(Code.words(words, both), where)
    return Launched(followed.commands, tuple(followed.calls), tuple(dict.fromkeys(followed.unknown)), where)


def of_image(image: Image, op: str) -> Launch | None:
    """ENTRYPOINT or CMD of an image. A CMD below an older ENTRYPOINT of the same stage still counts, one of a base does
    not: https://docs.docker.com/reference/dockerfile/#understand-how-cmd-and-entrypoint-interact"""
    found = image.command(op)
    if found is None:
        return None
    instruction, body = found
    text = InInstruction(image.dockerfile, instruction)
    if isinstance(body, list):
        items = tuple(InInstruction(image.dockerfile, instruction, at) for at in range(len(body)))
        return Launch(tuple(body), items, Fixed(image.path, image.dockerfile.line(instruction)))
    return Launch((body,), (text,), text, Code.of(body, text), shell=True)


def variables_of(image: Image) -> list[Value]:
    """What ENV says in an image, the last of a name first."""
    found = []
    for name, text, instruction in reversed(image.environment):
        place = Place.of(image.dockerfile.source, instruction.span.start, instruction.span.end, f"ENV {name}")
        found.append(Value(name, text, place))
    return found
