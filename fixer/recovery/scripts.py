"""The shell code of the repository that dumps or restores a database: where it stands, and how it is changed there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from fixer.documents import word_of
from fixer.github.workflow import Step, Workflow
from fixer.languages.lines import Lines
from fixer.languages.shell import Command, Script, Shell
from fixer.languages.yaml import Node
from fixer.model import Blocked, FileError, Parts, Span
from fixer.patterns import Rare
from fixer.records import entity
from fixer.scripts import ScriptText

if TYPE_CHECKING:
    from fixer.repository import Repository

DUMPS = frozenset(("pg_dump", "pg_dumpall", "mysqldump", "mariadb-dump", "mongodump"))
RESTORES = frozenset(("psql", "pg_restore"))
UPLOADS = frozenset(("aws", "gsutil", "gcloud", "rclone", "s3cmd", "azcopy", "b2", "mc"))
Splices = Sequence[tuple[int, int, ScriptText]]
"""Ranges of a script, and what takes their place."""
_NAMED = Rare(rf"\b({'|'.join(sorted(DUMPS | RESTORES))})\b", *sorted(DUMPS | RESTORES))
_SHEBANG = re.compile(r"#!\s*(?:/usr/bin/env\s+(?:-S\s+)?)?(?:\S*/)?(?P<shell>\w+)(?P<options>[^\n]*)")
_SHELLS = frozenset(("sh", "bash", "dash", "ash"))


@entity
class DataScript:
    """A script of the repository, or the `run:` of a step, that names a program which dumps or restores."""

    script: Script
    document: Lines | Workflow
    step: Step | None = None

    @property
    def path(self) -> str:
        return self.document.source.path

    def span_of(self, start: int, end: int) -> Span:
        if isinstance(self.document, Lines):
            return self.document.span_of(start, end)
        return self.document.span_of(self._run, start, end)

    def splice(self, edits: Splices) -> Parts:
        """Replaces ranges of the script. All that one fix does to a script is one call: two may meet on a line."""
        if isinstance(self.document, Lines):
            return self.document.splice(edits)
        return self.document.splice_scalar(self._run, edits)

    @property
    def _run(self) -> Node:
        assert self.step is not None
        assert self.step.run is not None
        return self.step.run

    def commands(self, programs: frozenset[str]) -> Iterator[Command]:
        return (command for command in self.script.commands if command.name in programs)

    def indent(self, offset: int) -> str:
        """The blanks in front of the line of an offset."""
        line = self.script.text[:offset].rpartition("\n")[2] + self.script.text[offset:].partition("\n")[0]
        return line[: len(line) - len(line.lstrip())]

    def pipefail(self, command: Command) -> tuple[Splices, Parts]:
        """What makes every stage of the pipe of a command count: in the script, and beside it."""
        if self.script.shell.posix or (self.step is not None and self._in_unknown_container):
            return (), Blocked(
                "sh has no pipefail, so the failure of all but the last program of a pipe is lost",
                "start it with bash, or write the dump to a file first",
            )
        if len(self.script.pipelines) == 1:
            if self.step is not None and not self.step.shell:
                return (), self.step.workflow.add_key(self.step.node, "shell", "bash", before="run")
            for other in self.script.commands:  # `set -e` and `set -eu` say pipefail too from now on
                plain = other.words[0].text == "set" and len(other.words) == 2 and other.alone and not other.structure
                if plain and re.fullmatch(r"-[eux]+", other.words[1].text) and other.end < command.start:
                    end = other.words[1].end
                    return ((end, end, ScriptText.of("o pipefail")),), ()
        start = command.statement[0]
        first = not self.script.text[:start].rpartition("\n")[2].strip()
        own = ScriptText.of("set -o pipefail") + ScriptText.blanks(f"\n{self.indent(start)}")
        return ((start, start, own if first else ScriptText.of("set -o pipefail; ")),), ()

    @property
    def _in_unknown_container(self) -> bool:
        return self.step is not None and self.step.job is not None and self.step.job.container is not None and (
            not self.step.shell
        )  # fmt: skip

    def failure(self, command: Command) -> ScriptText:
        """The statement that ends the script with a failure, written where a command stands.

        `return 1` where the function around it says so elsewhere too, and everybody who calls it passes it on.
        """
        name = command.function
        returns = any(
            other.function == name and other.name == "return" and other.args and other.args[0].text != "0"
            for other in self.script.commands
        )
        passed_on = bool(name) and returns and self._passed_on(name, frozenset())
        return ScriptText.of("return 1") if passed_on else ScriptText.of("exit 1")

    def _passed_on(self, function: str, seen: frozenset[str]) -> bool:
        """Whether the failure of a function ends the script, wherever it is called."""
        calls = [command for command in self.script.commands if command.name == function]
        return bool(calls) and all(
            not self.script.silencers(call)
            and (not call.function or call.function in seen or self._passed_on(call.function, seen | {function}))
            for call in calls
        )


@entity
class DataScripts:
    """All shell code that dumps or restores a database."""

    scripts: tuple[DataScript, ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where nothing dumps or restores."""
        found: list[DataScript] = []
        for document in _scripts(repository):
            script = Script.parse(document.text, _shell_of(document.text) or Shell(errexit=False))
            if not script.error:
                found.append(DataScript(script, document))
        for workflow in repository.documents(Workflow, lambda source: _NAMED.search(source.text) is not None):
            for step in workflow.steps:
                of_step = step.script
                if of_step is not None and not of_step.error and _NAMED.search(of_step.text):
                    found.append(DataScript(of_step, workflow, step))
        return cls(tuple(found)) if found else None


def _scripts(repository: Repository) -> Iterator[Lines]:
    """What is no script is not read, so that nobody is told that it was looked at."""
    for path in repository.ending("", ".sh", ".bash"):
        if word_of(path) != "script" or not _is_of_interest(path, repository.text(path)):
            continue
        with suppress(FileError):
            document = repository.document(path)
            if isinstance(document, Lines):
                yield document


def _is_of_interest(path: str, text: str) -> bool:
    return _NAMED.search(text) is not None and (_shell_of(text) is not None or path.endswith((".sh", ".bash")))


def _shell_of(text: str) -> Shell | None:
    """The shell that the first line names, with its options; None where it names another program, or none."""
    found = _SHEBANG.match(text)
    if found is None or found["shell"] not in _SHELLS:
        return None
    errexit = re.search(r"\s-\w*e", found["options"]) is not None
    return Shell(errexit, pipefail="pipefail" in found["options"], posix=found["shell"] != "bash")
