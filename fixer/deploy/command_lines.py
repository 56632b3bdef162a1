"""Command lines as their programs read them: words, options, and the values of options.

`options.toml` says which options of a program take a value; it says for which version, and where that is written.
What stands behind an option that it does not know may be the value of that option, so it is taken for no name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal

from fixer import kept
from fixer.languages.shell import Command, Word
from fixer.records import record
from fixer.scripts import ScriptText

SAME_PROGRAM = {"fly": "flyctl", "sls": "serverless"}
"""Second names of programs."""


@record
class OptionTable:
    """The options of a program: which take a value, which do not; by command, with those of all under no word."""

    valued: Mapping[tuple[str, ...], frozenset[str]]
    flags: Mapping[tuple[str, ...], frozenset[str]]

    @classmethod
    @cache
    def of(cls, program: str) -> OptionTable:
        """An empty table for a program that nobody has written down."""
        known = _tables().get(SAME_PROGRAM.get(program, program), {})
        levels: dict[tuple[str, ...], dict[str, list[str]]] = {(): known.get("options", {})}
        levels |= {tuple(name.split()): level for name, level in known.get("commands", {}).items()}
        return cls(
            {path: frozenset(level.get("valued", ())) for path, level in levels.items()},
            {path: frozenset(level.get("flags", ())) for path, level in levels.items()},
        )

    def takes_value(self, option: str, words: tuple[str, ...]) -> bool | None:
        """Whether an option behind these words takes the next word as its value; None where it is not known."""
        for size in range(len(words), -1, -1):
            if option in self.valued.get(words[:size], ()):
                return True
            if option in self.flags.get(words[:size], ()):
                return False
        return None


@cache
def _tables() -> dict[str, Any]:
    return kept.table(__file__, "options.toml")


@record
class CommandLine:
    """A command, read by the options of its program.

    `words` is what is neither an option nor the value of one, without the program. `unknown` is the first option that
    the program's table does not know, and `sure` how many words stand before it: a later one may be its value.
    """

    program: str
    words: tuple[Word, ...]
    options: tuple[tuple[str, Word | None], ...]
    unknown: str = ""
    sure: int = 0

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.words)

    def has(self, *names: str) -> bool:
        """Whether one of these options is given; `--detach=false` is given by that spelling only."""
        given = {name for name, word in self.options if word is None or word.text != "false"}
        given |= {f"{name}={word.text}" for name, word in self.options if word is not None}
        return not given.isdisjoint(names)

    def value(self, *names: str) -> Word | None:
        """The value of an option; the last one counts."""
        return next((word for name, word in reversed(self.options) if name in names), None)

    def is_sure_of(self, index: int) -> bool:
        """Whether the word at an index is a word for certain."""
        return not self.unknown or index < self.sure


def read(command: Command, *, unknown_takes_value: bool = False) -> CommandLine:
    """The words and options of a command; an option that is not known takes a value only if the caller says so."""
    program = command.name
    table = OptionTable.of(program)
    words: list[Word] = []
    options: list[tuple[str, Word | None]] = []
    unknown, sure = "", 0
    waiting = list(command.args)
    while waiting:
        word = waiting.pop(0)
        if word.text == "--":
            words += waiting
            break
        if not word.text.startswith("-") or word.text == "-":
            words.append(word)
            if program == "ssh":  # behind the host stands the command
                words += waiting if len(words) > 1 else ()
                waiting = [] if len(words) > 1 else waiting
            continue
        here = tuple(each.text for each in words)
        for name, value in _given(word, table, here):
            takes = table.takes_value(name, here)
            if takes is None and not unknown:
                unknown, sure = name, len(words)
            if value is None and (takes or (takes is None and unknown_takes_value)) and waiting:
                value = waiting.pop(0)
            options.append((name, value))
    return CommandLine(program, tuple(words), tuple(options), unknown, sure)


_AGAIN = {
    "--cluster": ScriptText.of(" --cluster @value@"),
    "--region": ScriptText.of(" --region @value@"),
    "--profile": ScriptText.of(" --profile @value@"),
}


def again(command: Command, *names: Literal["--cluster", "--region", "--profile"]) -> ScriptText:
    """Those of these options that a command has, as it gives them, each with a blank in front."""
    line = read(command)
    given = [(name, line.value(name)) for name in names]
    parts = [(name, command.script.part(word.start, word.end)) for name, word in given if word is not None]
    return ScriptText.joined("", [_AGAIN[name].filled(value=value) for name, value in parts])


def _given(word: Word, table: OptionTable, words: tuple[str, ...]) -> Iterator[tuple[str, Word | None]]:
    """The options of one word: `--name`, `--name=value`, `-n`, `-nvalue`, or several letters such as `-it`."""
    name, separator, _ = word.text.partition("=")
    if separator:
        yield name, _rest(word, len(name) + 1)
        return
    if name.startswith("--") or len(name) == 2 or table.takes_value(name, words) is not None:
        yield name, None
        return
    for at, letter in enumerate(name[1:], 1):
        takes = table.takes_value(f"-{letter}", words)
        if takes is None:
            yield name, None
            return
        behind = _rest(word, at + 1) if takes and at + 1 < len(name) else None
        yield f"-{letter}", behind
        if takes:
            return


def _rest(word: Word, offset: int) -> Word:
    """What is left of a word behind so many of its characters."""
    return Word(word.text[offset:], word.start + offset, word.end, word.literal)
