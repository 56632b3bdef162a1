"""Scripts that PowerShell or cmd runs, line by line.

Both go on after a program that failed. PowerShell ends the step with the exit code of the last program, cmd with what
the last command that sets ERRORLEVEL left there.
https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#exit-codes-and-error-action-preference
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.github.expressions import places
from fixer.github.workflow import Step
from fixer.languages.shell import Command, Script
from fixer.records import record

_CMDLET = re.compile(r"[A-Za-z]+-[A-Za-z]\w*$")
# Aliases of cmdlets, and commands that are part of cmd: no program of their own.
_BUILT_IN = frozenset(
    (
        *("cat", "cd", "chdir", "cls", "copy", "cp", "del", "dir", "echo", "ls", "md", "mkdir", "move", "mv", "pwd"),
        *("rd", "rem", "ren", "rm", "rmdir", "set", "sleep", "type", "write"),
    )
)
# A script that looks at exit codes, branches, or is more than one command a line judges for itself.
_JUDGES = re.compile(
    r"[{}();|&<>`^]|\$\?|LASTEXITCODE|ERRORLEVEL|NativeCommandUseErrorActionPreference|^\s*(if|for)\b", re.I | re.M
)
_PLAIN_WORD = re.compile(r"[\w@%+=:,./-]+")


@record
class Line:
    """One command; `start`..`end` is its place in the script. `program` is false for what sets no exit code."""

    command: Command
    start: int
    end: int
    program: bool


@record
class WindowsScript:
    """A script of plain commands, one a line. `shell` is how people call what runs it."""

    shell: str
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, step: Step) -> WindowsScript | None:
        """None for a step that bash or sh runs on every runner, and for a script that is more than plain commands."""
        shell = _shell(step)
        if step.run is None or not shell or _JUDGES.search(_without_expressions(step)):
            return None
        lines = tuple(_lines(step.run.value))
        return cls(shell, tuple(line for line in lines if line is not None)) if None not in lines else None

    def forgotten(self, line: Line) -> bool:
        """Whether the failure of this command is forgotten, because another one comes after it."""
        later = [other for other in self.lines if other.start > line.start]
        return any(other.program for other in later) if self.shell == "PowerShell" else bool(later)

    @property
    def is_bash_too(self) -> bool:
        """Whether bash takes every line for what it is here: programs with plain words."""
        words = [word for line in self.lines for word in line.command.words]
        return all(line.program for line in self.lines) and all(_PLAIN_WORD.fullmatch(word.text) for word in words)


def _shell(step: Step) -> str:
    setting = step.shell.split()[0].lower() if step.shell else ""
    if setting in ("pwsh", "powershell"):
        return "PowerShell"
    if setting == "cmd":
        return "cmd"
    on_windows = step.job is not None and step.job.runs_on.may_be("windows") and step.job.container is None
    return "PowerShell" if not setting and on_windows else ""


def _without_expressions(step: Step) -> str:
    text = step.run.value if step.run is not None else ""
    for start, end in places(text):
        text = text[:start] + "x" * (end - start) + text[end:]
    return "\n".join(line for line in text.splitlines() if not _is_comment(line))


def _is_comment(line: str) -> bool:
    return line.lstrip().lower().startswith(("#", "::", "rem "))


def _lines(text: str) -> Iterator[Line | None]:
    """Every command; None for a line that is none by the grammar of a shell."""
    at = 0
    for written in text.splitlines(keepends=True):
        start, at = at, at + len(written)
        line = written.strip()
        if not line or _is_comment(line):
            continue
        start += len(written) - len(written.lstrip())
        commands = Script.parse(line, placeholders=places(line)).commands
        if len(commands) != 1:
            yield None
            continue
        name = commands[0].words[0].text
        program = not (_CMDLET.match(name) or name.lower() in _BUILT_IN or name.startswith(("$", "@")))
        yield Line(commands[0], start, start + len(line), program)
