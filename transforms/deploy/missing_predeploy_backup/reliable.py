"""A snapshot that is there already, given a name that no other run has, and waited for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fixer.deploy.command_lines import again, read
from fixer.deploy.commands import code_of
from fixer.github.workflow import Step
from fixer.languages.shell import Command, Script, Word, in_quotes
from fixer.model import Blocked, Parts, listed
from fixer.records import entity, record
from fixer.scripts import Inside, ScriptText, script

_DIFFERS = re.compile(r"(?i:run_?(?:id|number|attempt)|\bsha\b|_sha\b|uuid|\brandom\b|epoch)|%[sHNT]")
"""What is another one in each run, or at each time."""
_WAITS = re.compile(r"snapshot-(?:available|completed)|describe-db-(?:cluster-)?snapshots")
_CREATES: Mapping[tuple[str, ...], ScriptText] = {
    ("rds", "create-db-snapshot"): ScriptText.of("db-snapshot"),
    ("rds", "create-db-cluster-snapshot"): ScriptText.of("db-cluster-snapshot"),
}
_OF_THE_RUN = "-$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT"
_LONGER = ScriptText.of('"@name@-$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT"')
_QUOTED = ScriptText.of('"@name@"')
_SNAPSHOT = ScriptText.of('"$snapshot"')
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_PLAIN = re.compile(r"[\w.-]+")


@entity
class Snapshot:
    """A command that takes a snapshot of a database, called `named`; `kind` is how its options call it."""

    step: Step
    command: Command
    kind: ScriptText
    named: Word | None

    @classmethod
    def of(cls, command: Command, step: Step) -> Snapshot | None:
        """None where a command takes none."""
        line = read(command)
        kind = _CREATES.get(line.texts[:2]) if command.name == "aws" else None
        return cls(step, command, kind, line.value(f"--{kind}-identifier")) if kind is not None else None

    @property
    def flaws(self) -> list[str]:
        """Why nobody can rely on it."""
        found = ["its name is taken as soon as the job runs again"] if self._has_one_name else []
        return [*found, *(["nothing waits until it is available"] if self._is_not_waited_for else [])]

    @property
    def _has_one_name(self) -> bool:
        if self.named is None:
            return False
        # A variable may be set anywhere above it.
        text = code_of(self.step)[: self.command.end] if "$" in self.named.text else ""
        return _DIFFERS.search(f"{text} {self.named.text} {' '.join(self.step.env.values())}") is None

    @property
    def _is_not_waited_for(self) -> bool:
        job = self.step.job
        later = [code_of(self.step)[self.command.end :]]
        later += [code_of(other) for other in job.steps[self.step.index + 1 :]] if job is not None else []
        return _WAITS.search("\n".join(later)) is None

    def relied_on(self) -> Parts:
        """The edits after which it can be relied on; Blocked where they are not certain."""
        command, run = self.command, self.step.run
        whole = command.alone and not command.structure
        name = self._name() if self.named is not None and (whole or command.assigned_to) else None
        waiting = command.script.below(command, self._wait(name.word)) if name is not None else None
        if run is None or name is None or waiting is None:
            return self._by_hand()
        edits = [*name.edits, waiting] if self._is_not_waited_for else name.edits
        return self.step.workflow.splice_scalar(run, edits)

    def _by_hand(self) -> Blocked:
        steps = {
            "its name is taken as soon as the job runs again": f'put "{_OF_THE_RUN}" into the name',
            "nothing waits until it is available": f"wait for it with `aws rds wait {self.kind}-available`",
        }
        return Blocked(
            "how its step takes it, or what it calls it, is its own",
            f"{listed([steps[flaw] for flaw in self.flaws])}; or delete the step: fhfix then writes one",
        )

    def _wait(self, name: ScriptText) -> ScriptText:
        waiting = script(__package__, "wait-snapshot.sh")
        waiting = waiting.replaced(' "${place[@]}"', again(self.command, "--region", "--profile"))
        return waiting.replaced("db-snapshot", self.kind).replaced('"$snapshot"', name)

    # -- its name -------------------------------------------------------------------------------------------------

    def _name(self) -> Name | None:
        """How it is called from now on; None where that is not certain."""
        named, script = self.named, self.command.script
        assert named is not None
        written = script.part(named.start, named.end)
        variable = _VARIABLE.fullmatch(named.text)
        if variable is not None:
            if not self._has_one_name:
                return Name(written, ())
            value = script.assignments.get(variable[1] or variable[2])
            longer = _longer(value, script) if value is not None else None
            return Name(written, ((value.start, value.end, longer),)) if value is not None and longer else None
        if not self._has_one_name and named.literal:
            return Name(written, ())
        longer = _longer(named, script) if self._has_one_name else _QUOTED.filled(name=written.strip(chr(34)))
        if longer is None or "snapshot" in script.reads | script.assignments.keys() or self._is_named_later():
            return None
        start, _ = self.command.statement
        same = [word for word in self._words() if script.text[word.start : word.end] == written]
        edits = [(start, start, ScriptText.of("snapshot=@name@\n", name=longer))]
        edits += [(word.start, word.end, _SNAPSHOT) for word in same]
        return Name(_SNAPSHOT, tuple(edits))

    def _words(self) -> Iterator[Word]:
        """The words of the script from this command on."""
        for other in self.command.script.commands:
            if other.start >= self.command.start:
                yield from other.words

    def _is_named_later(self) -> bool:
        """Whether a later step speaks of it by its name."""
        job, named = self.step.job, self.named
        assert named is not None
        later = job.steps[self.step.index + 1 :] if job is not None else ()
        return any(named.text in str(other.data) for other in later)


@record
class Name:
    """The word that names a snapshot, and the edits that make it so."""

    word: ScriptText
    edits: tuple[tuple[int, int, ScriptText], ...]


def _longer(word: Word, script: Script) -> ScriptText | None:
    """A word of the shell with the number of the run behind it, in quotes; None where its own are not simple."""
    if word.literal and _PLAIN.fullmatch(word.text):
        name = in_quotes(word.text)
        return _LONGER.filled(name=name) if isinstance(name, Inside) else None
    inner = script.part(word.start, word.end)
    if inner[:1] == inner[-1:] == '"':
        inner = script.part(word.start + 1, word.end - 1)
    if re.search(r"['\"\\]", re.sub(r"\$\([^()]*\)", "", inner)):
        return None
    return _LONGER.filled(name=inner)
