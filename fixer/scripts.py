"""What a shell runs, as a type: text that was written as code, and words that were quoted before they came into it.

A name that a repository brings must never become a command. So a script is no `str` that anybody puts together, but a
`ScriptText`: a template of ours, whose placeholders take quoted words, numbers and other code; or what a person wrote
as code, in a script or as a command of the configuration. Whatever else is written into a script is refused by those
who write it: `Workflow`, `Dockerfile`, the engine for new files. A formatted string is a plain `str`, so it is refused
too.

Longer scripts stand in real files, in a folder `scripts` beside the module that uses them. So linters, formatters and
editors read them as what they are: shellcheck every `*.sh`, ruff every `*.py`.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Self, overload

from fixer.model import Address, Change

_PLACEHOLDER = re.compile(r"@(\w+)@")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BETWEEN = re.compile(r"\s*(?:\\|&&|,)?\s*")


class Quoted(str):
    """One word of a script, quoted where it must be. Only `fixer.languages.shell.quoting` makes these."""

    __slots__ = ()


class Inside(str):
    """Text as it stands between the double quotes of a script. Only `fixer.languages.shell.quoting` makes these."""

    __slots__ = ()


class ScriptText(str):
    """Code. Code behind code is code; together with any other text it is a `str` again."""

    __slots__ = ()

    @classmethod
    def of(cls, template: str, **parts: Quoted | Inside | ScriptText | int | float) -> Self:
        """A text of ours, `cd @folder@`, with these in its placeholders. `template` is always written out."""
        return cls(template)._filled(parts)

    @classmethod
    def written(cls, text: str) -> Self:
        """What a person wrote as code: in a script, or as a command of the configuration."""
        return cls(text)

    @classmethod
    def name(cls, name: str) -> Self:
        """The name of a variable. Raises ValueError for anything else."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a variable")
        return cls(name)

    @classmethod
    def blanks(cls, text: str) -> Self:
        """White space: a line end, what the next line is indented by. Raises TypeError for anything else."""
        if text.strip():
            raise TypeError(f"{text!r} are no blanks")
        return cls(text)

    @classmethod
    def lines(cls, lines: Iterable[ScriptText]) -> Self:
        """Each with a line end behind it."""
        return cls("".join(f"{_checked(line)}\n" for line in lines))

    @classmethod
    def joined(cls, between: str, parts: Iterable[ScriptText | Quoted | Inside]) -> Self:
        """With white space, `&&` or another operator between them."""
        if not _BETWEEN.fullmatch(between):
            raise TypeError(f"{between!r} is more than what stands between two commands or words")
        return cls(between.join(_checked(part) for part in parts))

    def filled(self, **parts: Quoted | Inside | ScriptText | int | float) -> Self:
        """The same with these in its placeholders."""
        return self._filled(parts)

    def _filled(self, parts: Mapping[str, Quoted | Inside | ScriptText | float]) -> Self:
        def put(found: re.Match[str]) -> str:
            if found[1] not in parts:
                return found[0]
            part = parts[found[1]]
            inside = _is_inside(self[self.rfind("\n", 0, found.start()) + 1 : found.start()])
            if isinstance(part, Inside) is not inside and isinstance(part, Inside | Quoted):
                raise TypeError(f"{found[0]} stands {'in' if inside else 'outside of'} quotes: {self!r}")
            if isinstance(part, int | float):
                return f"{part:g}" if isinstance(part, float) else str(part)
            return _checked(part)

        return type(self)(_PLACEHOLDER.sub(put, self)) if parts else self

    def replaced(self, old: str, new: ScriptText | Quoted) -> Self:
        """The same with other code wherever this stands."""
        return type(self)(str.replace(self, old, _checked(new)))

    def indented(self, blanks: str) -> Self:
        """With these blanks in front of each line that is not empty."""
        front = self.blanks(blanks)
        return type(self)(
            "".join(front + line if line.strip() else line for line in str.splitlines(self, keepends=True))
        )

    def splitlines(self, keepends: bool = False) -> list[Self]:  # type: ignore[override]
        return [type(self)(line) for line in str.splitlines(self, keepends)]

    @overload
    def __add__(self, other: ScriptText, /) -> Self: ...
    @overload
    def __add__(self, other: str, /) -> str: ...
    def __add__(self, other: str, /) -> str:
        text = str.__add__(self, other)
        return type(self)(text) if isinstance(other, ScriptText) else text

    def removesuffix(self, suffix: str, /) -> Self:
        return type(self)(str.removesuffix(self, suffix))

    def strip(self, chars: str | None = None, /) -> Self:
        return type(self)(str.strip(self, chars))

    def rstrip(self, chars: str | None = None, /) -> Self:
        return type(self)(str.rstrip(self, chars))

    def lstrip(self, chars: str | None = None, /) -> Self:
        return type(self)(str.lstrip(self, chars))


def _is_inside(line: str) -> bool:
    """Whether what follows this part of a line stands in double quotes."""
    return len(re.findall(r'(?<!\\)"', line)) % 2 == 1


def _checked(part: str) -> str:
    if not isinstance(part, ScriptText | Quoted | Inside):
        raise TypeError(f"{part!r} is neither code nor a quoted word")
    return part


def with_edits(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """A text with these ranges replaced: code again, where all that is new is code."""
    made, known = text, True
    for start, end, new in sorted(edits, reverse=True):
        made = made[:start] + new + made[end:]
        known = known and (isinstance(new, ScriptText) or not new.strip())
    return ScriptText.written(made) if known else made


def must_be_code(value: Any) -> None:
    """Raises TypeError for a script to be written that is no `ScriptText`."""
    if isinstance(value, str) and value and not isinstance(value, ScriptText):
        raise TypeError(f"{value!r} is not known to be code")


def known_to_be_code(change: Change, is_script: Callable[[Address], bool]) -> Change:
    """The change. Raises TypeError where it would write into a script what is no code; `is_script` says at which
    addresses of a file scripts stand."""
    value = change.value[2] if change.op == "splice" else change.value
    for at, text in _texts(change.at, value):
        if is_script(at):
            must_be_code(text)
    return change


def _texts(at: Address, value: Any) -> Iterator[tuple[Address, str]]:
    """Every text of a value that is to stand at an address, with its own address."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts((*at, key), each)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _texts((*at, number), each)


def plain(value: Any) -> Any:
    """The same data with ordinary texts in it, to be compared with what is read."""
    if isinstance(value, ScriptText | Quoted | Inside):
        return str.__str__(value)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    return value


@cache
def script(package: str, name: str) -> ScriptText:
    """The shell script `scripts/<name>` of a package: `script(__package__, "wait.sh")`. Raises OSError where it is
    missing.

    A first line `#!…`, and lines `# shellcheck …` below it, are for linters and editors: they are left out, since a
    step's `run:` has neither.
    """
    lines = template(package, name).splitlines(keepends=True)
    while lines and lines[0].startswith(("#!", "# shellcheck ")):
        lines.pop(0)
    return ScriptText.written("".join(lines))


@cache
def template(package: str, name: str) -> str:
    """The text of `scripts/<name>` of a package, where it is no shell script. Raises OSError where it is missing."""
    data = pkgutil.get_data(package, f"scripts/{name}")
    if data is None:
        raise OSError(f"{package} has no file scripts/{name}")
    return data.decode("utf-8")
