"""The shell code of the repository that dumps or restores a database: where it stands, and how it is changed there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from fixer.documents import word_of
from fixer.github.workflow import Step, Workflow
from fixer.languages.lines import Lines
from fixer.languages.shell import Command, Script, Shell, Silence, Structure
from fixer.languages.yaml import Node
from fixer.model import Blocked, FileError, Parts, Span
from fixer.patterns import Rare
from fixer.records import entity, record
from fixer.recovery.calls import Answer, answers
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
    run_by: str = ""
    """The file that starts it by `sh`, whatever its first line says."""
    within: str = ""
    """What runs it in a shell of its own: a script that sources it, or PostgreSQL's image, which does so when it makes
    its data."""
    says_its_shell: bool = True
    """Whether its first line names one: else whoever starts it decides."""

    @property
    def path(self) -> str:
        return self.document.source.path

    def span_of(self, start: int, end: int) -> Span:
        if isinstance(self.document, Lines):
            return self.document.span_of(start, end)
        return self.document.span_of(self._run, start, end)

    def splice(self, edits: Splices) -> Parts:
        """Replaces ranges of the script. All that one fix does to a script is one call: two may meet on a line.

        What is put in at one place stands there in the order of the edits.
        """
        at_one_place: dict[tuple[int, int], ScriptText] = {}
        for start, end, new in edits:
            before = at_one_place.get((start, end))
            at_one_place[start, end] = before + new if before is not None and start == end else new
        edits = [(*place, new) for place, new in at_one_place.items()]
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

    def comment_above(self, start: int) -> str:
        """The comment right above the line of an offset."""
        lines = self.script.text[:start].rpartition("\n")[0].split("\n")
        found: list[str] = []
        while lines and lines[-1].lstrip().startswith("#"):
            found.insert(0, lines.pop().strip())
        return "\n".join(found)

    def pipefail(self, command: Command, statement: tuple[int, int]) -> tuple[Splices, Parts]:
        """What makes every stage of a pipe count that passes on what a command says: in the script, and beside it.
        `statement` holds that pipe, in which the command may stand within a group."""
        if self.script.shell.posix or (self.step is not None and self._in_unknown_container):
            return (), Blocked(
                "sh has no pipefail, so the failure of all but the last program of a pipe is lost",
                "start it with bash, or write the dump to a file first",
            )
        if (more := self.ends_more) is not None:
            return (), more
        if not self.says_its_shell:
            return (), Blocked(
                "its first line names no shell, and sh, which may start it, has no pipefail and would end there",
                "let it begin with `#!/bin/bash`, or write the dump to a file first",
            )
        if self.run_by:
            return (), Blocked(
                f"{self.run_by} starts it by sh, which may have no pipefail and would end there",
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
        return self._for_this_pipe(command, *statement)

    def _for_this_pipe(self, command: Command, start: int, end: int) -> tuple[Splices, Parts]:
        """pipefail from the statement of a pipe on; for it alone where another pipe may break of it."""
        first = not self.script.text[:start].rpartition("\n")[2].strip()
        breaks = ScriptText.blanks(f"\n{self.indent(start)}")
        begin = ScriptText.of("set -o pipefail") + breaks if first else ScriptText.of("set -o pipefail; ")
        known = not command.function and not command.within(Structure.LOOP)
        later = [each for each in self.script.fragile_pipes if each[0] > command.pipe[0] or not known]
        if not later:
            return ((start, start, begin),), ()
        asked = any(each.kind is Silence.HANDLED for each in self.script.silencers(command))
        inside = any(start <= each[0] < end for each in later)
        if inside or asked or not first or self.script.text[end:].partition("\n")[0].strip():
            cut = " ".join(self.script.text[slice(*later[0])].split())
            return (), Blocked(
                f"with pipefail `{cut}` would fail too, where its reader goes first or nothing is found",
                "write the dump to a file of its own first, and pack that",
            )
        return ((start, start, begin), (end, end, breaks + ScriptText.of("set +o pipefail"))), ()

    @property
    def _in_unknown_container(self) -> bool:
        return self.step is not None and self.step.job is not None and self.step.job.container is not None and (
            not self.step.shell
        )  # fmt: skip

    @property
    def ends_more(self) -> Blocked | None:
        """Why more than this script would end where it does, if so."""
        return (
            Blocked(
                f"{self.within} runs it within itself, and would end with it",
                "let it return, or fail, where that is looked at",
            )
            if self.within
            else None
        )

    def failure(self, command: Command) -> ScriptText | Blocked:
        """The statement that ends the script with a failure, written where a command stands.

        In a function it is `return 1` where everybody who calls it looks at its failure, or where it says so elsewhere
        too and everybody passes it on.
        """
        name = command.function
        if not name:
            return self.ends_more or ScriptText.of("exit 1")
        found = answers(self.script, name)
        if found == {Answer.ASKS}:
            return ScriptText.of("return 1")
        if Answer.UNKNOWN in found:
            return Blocked(
                f"who calls {name}, and what becomes of its failure there, cannot be told",
                "let it return 1, and let whoever calls it end with a failure",
            )
        if found != {Answer.PLAIN}:
            return Blocked(
                f"what becomes of a failure of {name} is decided where it is called, not everywhere alike",
                "let it return 1, and let whoever calls it end with a failure",
            )
        returns = any(
            other.function == name and other.name == "return" and other.args and other.args[0].text != "0"
            for other in self.script.commands
        )
        if returns and self._passed_on(name, frozenset()):
            return ScriptText.of("return 1")
        return self.ends_more or ScriptText.of("exit 1")

    def ends_at_errors(self, command: Command) -> bool:
        """Whether errexit looks at a statement of its own beside this one: not in a function whose caller asks for its
        failure, which switches errexit off in there."""
        errexit = self.script.state(command.node).errexit
        return errexit and (not command.function or answers(self.script, command.function) == {Answer.PLAIN})

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
    """All shell code that dumps or restores a database. `extension`: where one of PostgreSQL is made, if anywhere."""

    scripts: tuple[DataScript, ...]
    extension: str = ""

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where nothing dumps or restores."""
        found: list[DataScript] = []
        for document in _scripts(repository):
            path, shell = document.source.path, _shell_of(document.text)
            script = Script.parse(document.text, shell or Shell(errexit=False))
            if not script.error:
                run_by, within = _run_by_sh(repository, path), _within(repository, path)
                says = shell is not None or path.endswith(".bash")
                found.append(DataScript(script, document, run_by=run_by, within=within, says_its_shell=says))
        for workflow in repository.documents(Workflow, lambda source: _NAMED.search(source.text) is not None):
            for step in workflow.steps:
                of_step = step.script
                if of_step is not None and not of_step.error and _NAMED.search(of_step.text):
                    found.append(DataScript(of_step, workflow, step))
        restores = any(command.name in RESTORES for place in found for command in place.script.commands)
        return cls(tuple(found), _extension(repository) if restores else "") if found else None


def _scripts(repository: Repository) -> Iterator[Lines]:
    """What is no script is not read, so that nobody is told that it was looked at."""
    for path in repository.ending("", ".sh", ".bash"):
        if word_of(path) != "script" or not _is_of_interest(path, repository.text(path)):
            continue
        with suppress(FileError):
            document = repository.document(path)
            if isinstance(document, Lines):
                yield document


# What stands before `sh` is looked at behind it: a pattern that begins with a word is found thirty times as fast.
_BY_SH = Rare(
    r"sh(?:(?<![\w./-]sh)|(?<=(?<![\w./-])/bin/sh)|(?<=(?<![\w./-])/usr/bin/sh))"
    r"[\"']?,?[ \t]+(?:-[a-z]+[ \t]+)?[\"']?[\w./${}-]*?(?P<name>[\w.-]+)(?![\w/-])",
    "sh",
)
_STARTERS = (".sh", ".bash", ".yml", ".yaml", ".json", ".toml", ".cron", ".service", ".md", ".txt", "")


@record
class _StartedBySh:
    """The names of the files that one file starts by `sh`."""

    names: frozenset[str]

    @classmethod
    def detect(cls, repository: Repository, path: str) -> Self | None:
        names = frozenset(found["name"] for found in _BY_SH.finditer(repository.text(path)))
        return cls(names) if names else None


def _run_by_sh(repository: Repository, path: str) -> str:
    """The file that starts a script by `sh`; empty where none does."""
    name = path.rpartition("/")[2]
    for other in repository.ending(*_STARTERS):
        started = repository.part(_StartedBySh, other) if other != path else None
        if started is not None and name in started.names:
            return other
    return ""


_INITDB = "docker-entrypoint-initdb.d"


def _within(repository: Repository, path: str) -> str:
    """What runs a script within its own shell, `. ./dump.sh`; empty where nothing does.

    https://hub.docker.com/_/postgres: what is in docker-entrypoint-initdb.d is sourced unless it may be executed; where
    it fails the container ends, and the next one takes the data for made.
    """
    folder, _, name = path.rpartition("/")
    if "initdb" in folder or any(_mounts(repository.text(each), folder, name) for each in _images(repository)):
        return f"PostgreSQL's image, by {_INITDB},"
    for other in repository.ending(".sh", ".bash", ""):
        if other == path or word_of(other) != "script" or name not in repository.text(other):
            continue
        for command in Script.parse(repository.text(other), Shell(errexit=False)).commands:
            if command.name in (".", "source") and command.args and command.args[0].text.rpartition("/")[2] == name:
                return other
    return ""


def _images(repository: Repository) -> Iterator[str]:
    """What builds images or starts containers, and gives PostgreSQL's image scripts to run."""
    paths = repository.ending(".yml", ".yaml", ".dockerfile", "")
    return (each for each in paths if _INITDB in repository.text(each))


def _mounts(text: str, folder: str, name: str) -> bool:
    """Whether a line brings a script, or its folder, to where PostgreSQL's image looks for scripts."""
    lines = (line.replace(":", " ").split() for line in text.splitlines() if _INITDB in line)
    given = {word.rstrip("/").rpartition("/")[2] for words in lines for word in words}
    return name in given or (folder.rpartition("/")[2] or ".") in given


_EXTENSION = Rare(
    r"(?i)\bcreate\s+extension\b|\bcreateextension\(|\b[a-z]+extension\(\)|backends\.postgis", "extension", "postgis"
)


@record
class _MakesExtension:
    @classmethod
    def detect(cls, repository: Repository, path: str) -> Self | None:
        return cls() if _EXTENSION.search(repository.text(path)) else None


def _extension(repository: Repository) -> str:
    """The file that makes an extension of PostgreSQL: its owner alone drops it, or says what it is."""
    paths = repository.ending(".sql", ".py", ".prisma", ".sh", ".rb", ".ts", ".js", ".go")
    return next((path for path in paths if repository.part(_MakesExtension, path) is not None), "")


def _is_of_interest(path: str, text: str) -> bool:
    return _NAMED.search(text) is not None and (_shell_of(text) is not None or path.endswith((".sh", ".bash")))


def _shell_of(text: str) -> Shell | None:
    """The shell that the first line names, with its options; None where it names another program, or none."""
    found = _SHEBANG.match(text)
    if found is None or found["shell"] not in _SHELLS:
        return None
    errexit = re.search(r"\s-\w*e", found["options"]) is not None
    return Shell(errexit, pipefail="pipefail" in found["options"], posix=found["shell"] != "bash")
