"""What scripts are made of, and what can be said of a command."""

from __future__ import annotations

import re
from enum import StrEnum

from fixer.records import record


@record
class Shell:
    """How a shell is started: `-e` ends it at the first failure, pipefail makes every stage of a pipe count."""

    errexit: bool = True
    pipefail: bool = False
    posix: bool = False

    @classmethod
    def named(cls, setting: str) -> Shell | None:
        """The shell of a `shell:` key; None for what is neither bash nor sh.

        The default is `bash -e {0}`, `bash` means `bash --noprofile --norc -eo pipefail {0}`, `sh` means `sh -e {0}`.
        https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell
        """
        words = setting.split()
        if not words:
            return cls()
        if setting == "bash":
            return cls(pipefail=True)
        if setting == "sh":
            return cls(posix=True)
        name = words[0].rpartition("/")[2]
        if name not in ("bash", "sh", "dash") or "{0}" not in words:
            return None
        errexit = pipefail = False
        for at, word in enumerate(words):
            if re.fullmatch(r"-[a-zA-Z]+", word):
                errexit |= "e" in word
                pipefail |= word.endswith("o") and words[at + 1 : at + 2] == ["pipefail"]
        return cls(errexit, pipefail, name != "bash")


class Structure(StrEnum):
    """What a command stands in."""

    PIPELINE = "pipeline"
    LIST = "list"
    CONDITION = "condition"
    BRANCH = "branch"
    LOOP = "loop"
    GROUP = "group"
    SUBSHELL = "subshell"
    FUNCTION = "function"
    SUBSTITUTION = "substitution"
    NEGATION = "negation"
    BACKGROUND = "background"


class Silence(StrEnum):
    """Why the failure of a command does not end the script with a failure.

    `or`: what follows `||` always succeeds. `pipe`: a later stage of the pipe decides, and passes everything on.
    `and`: it stands left of `&&`, and more statements follow. `errexit`: the shell goes on after a failure.
    `background`: nobody waits for it. `handled`: the script looks at the failure and decides itself.
    """

    OR = "or"
    PIPE = "pipe"
    AND = "and"
    ERREXIT = "errexit"
    BACKGROUND = "background"
    HANDLED = "handled"


@record
class Silencer:
    """One reason why a failure is silent. Taking away the text `start`..`end` removes an `or`; for a `pipe` it is
    the statement that holds the pipeline, for an `and` the `&&` with the blanks around it, for `errexit` the statement
    that goes on."""

    kind: Silence
    start: int
    end: int


@record
class Word:
    """One word, quotes removed. Where it is not `literal`, `text` holds its expansions as they were written."""

    text: str
    start: int
    end: int
    literal: bool = True


@record
class Redirect:
    """`operator` is `>`, `>>`, `<`, `>&`, `<<` …; `target` the file or descriptor (empty for a here-document);
    `descriptor` what stands in front of it, as in `2> log`."""

    operator: str
    target: str
    start: int
    end: int
    descriptor: str = ""

    @property
    def is_of_output(self) -> bool:
        """Whether what a program writes goes there, not its errors alone."""
        return ">" in self.operator and self.descriptor in ("", "1")


@record
class Choice:
    """An `if` that asks one command, or one pipe, how it ended. Each range holds the statements of a branch.

    `failed` is None where the `if` has no branch for that; `asked` is what it asks, `fi` where it ends.
    """

    asked: tuple[int, int]
    succeeded: tuple[int, int] | None
    failed: tuple[int, int] | None
    start: int
    fi: int


@record
class Case:
    """A branch of `case`: the word that is asked, the patterns of this branch, and those of the branches before it."""

    asked: str
    patterns: tuple[str, ...]
    before: tuple[str, ...]
