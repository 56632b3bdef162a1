"""Shell scripts as rules see them: commands, where they stand, and whether their failure counts.

A script is parsed once, by the grammar of bash, and offsets count characters of the script's text. Commands are what
the shell would run: text in comments, quotes and here-documents is never one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from enum import StrEnum
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from fixer.model import Blocked
from fixer.records import entity
from fixer.scripts import Inside, Quoted, ScriptText

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

Placeholders = tuple[tuple[int, int], ...]
"""Where something else is put into a text before a shell sees it, such as GitHub's `${{ … }}`: starts and ends."""


_SAYS_NOTHING = frozenset(("echo", "printf", "true", ":", "test", "[", "[[", "cd"))
"""What around other commands only prepares or reports them."""


class Shell(NamedTuple):
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


class Silencer(NamedTuple):
    """One reason why a failure is silent. Taking away the text `start`..`end` removes an `or`; for a `pipe` it is
    the statement that holds the pipeline, for an `and` the `&&` with the blanks around it, for `errexit` the statement
    that goes on."""

    kind: Silence
    start: int
    end: int


class Word(NamedTuple):
    """One word, quotes removed. Where it is not `literal`, `text` holds its expansions as they were written."""

    text: str
    start: int
    end: int
    literal: bool = True


class Redirect(NamedTuple):
    """`operator` is `>`, `>>`, `<`, `>&`, `<<` …; `target` the file or descriptor (empty for a here-document)."""

    operator: str
    target: str
    start: int
    end: int


class Choice(NamedTuple):
    """An `if` that asks one command, or one pipe, how it ended. Each range holds the statements of a branch.

    `failed` is None where the `if` has no branch for that; `asked` is what it asks, `fi` where it ends.
    """

    asked: tuple[int, int]
    succeeded: tuple[int, int] | None
    failed: tuple[int, int] | None
    start: int
    fi: int


class Case(NamedTuple):
    """A branch of `case`: the word that is asked, the patterns of this branch, and those of the branches before it."""

    asked: str
    patterns: tuple[str, ...]
    before: tuple[str, ...]


@entity
class Command:
    """One simple command. `words` are as written; `argv` leaves out what only starts another program."""

    words: tuple[Word, ...]
    start: int
    end: int
    script: Script = field(repr=False)
    node: Node = field(repr=False)

    @cached_property
    def argv(self) -> tuple[Word, ...]:
        """The program and its arguments: `sudo`, `timeout 5`, `npx`, `python -m`, `uv run` … are seen through."""
        return self.words[_program(self.words) :]

    @cached_property
    def name(self) -> str:
        """The program, without the folder of an installed one (`.venv/bin/mypy` is `mypy`); empty where not known."""
        if not self.argv:
            return ""
        word = self.argv[0]
        found = re.fullmatch(r"(?:.*/)?(?:\.?s?bin|Scripts)/([\w.+-]+)", word.text)
        if found:
            return found[1]
        return word.text if word.literal else ""

    @property
    def args(self) -> tuple[Word, ...]:
        return self.argv[1:]

    def has(self, *options: str) -> bool:
        """Whether one of these options is given: `-f` also within `-sf`, `--cluster` also as `--cluster=x`."""
        return any(_is_option(word.text, option) for word in self.args for option in options)

    def value(self, *options: str) -> Word | None:
        """The value of an option: `--cluster x`, `--cluster=x`, `-o x`, `-ox`. The last one counts."""
        found = None
        for at, word in enumerate(self.args):
            for option in options:
                if word.text == option or (not option.startswith("--") and _ends_cluster(word.text, option)):
                    found = self.args[at + 1] if at + 1 < len(self.args) else None
                elif option.startswith("--") and word.text.startswith(option + "="):
                    offset = len(option) + 1
                    found = Word(word.text[offset:], word.start + offset, word.end, word.literal)
        return found

    @property
    def source(self) -> str:
        """The command as it is written."""
        return self.script.text[self.start : self.end]

    @cached_property
    def redirects(self) -> tuple[Redirect, ...]:
        return tuple(_redirects(self.node, self.script.text))

    @cached_property
    def outputs(self) -> tuple[Redirect, ...]:
        """Its own redirections, and those of the groups and loops that it stands in: `{ echo a; } > file`."""
        found = list(self.redirects)
        node = self.node.parent
        while node is not None and node.type not in ("command_substitution", "process_substitution"):
            parent = node.parent
            if parent is not None and parent.type == "redirected_statement" and node.type in _GROUPS:
                found += _redirects(node, self.script.text)
            node = parent
        return tuple(found)

    @cached_property
    def here_document(self) -> str:
        """The lines of its here-document; empty where it has none."""
        for redirect in self.redirects:
            if redirect.operator in ("<<", "<<-"):
                lines = self.script.text[redirect.start : redirect.end].split("\n")[1:-1]
                return "\n".join(line.lstrip("\t") if redirect.operator == "<<-" else line for line in lines)
        return ""

    @cached_property
    def structure(self) -> tuple[Structure, ...]:
        """What it stands in, from the inside out."""
        return tuple(_structure(self.node))

    def within(self, *structures: Structure) -> bool:
        return any(structure in structures for structure in self.structure)

    @property
    def alone(self) -> bool:
        """Whether it is a whole statement."""
        return _statement(self.node).type in ("command", "redirected_statement") and not self.within(
            Structure.PIPELINE, Structure.LIST
        )

    @cached_property
    def receivers(self) -> tuple[Command, ...]:
        """What reads its output: the first command of each later stage of its pipe."""
        found: list[Command] = []
        node = self.node
        while (parent := node.parent) is not None and parent.type in ("pipeline", "redirected_statement"):
            # What is computed for a file's name reads nothing; a pipe stands behind a here-document.
            beside = [
                each for each in parent.named_children if each.type not in ("file_redirect", "herestring_redirect")
            ]
            later = [stage for stage in beside if stage.start_byte >= node.end_byte]
            found += [c for stage in later if (c := self.script.first_command(stage)) is not None]
            node = parent
        return tuple(found)

    @cached_property
    def statement(self) -> tuple[int, int]:
        """Where the statement that holds it starts and ends, without what separates it from the next."""
        found = _statement(self.node)
        return found.start_byte, found.end_byte

    @cached_property
    def last(self) -> bool:
        """Whether its statement is the last of its sequence, which then ends as this statement does."""
        return _next_statement(_statement(self.node)) is None

    @cached_property
    def guard(self) -> str:
        """The test that decides whether it runs, as in `[ -f mypy.ini ] && mypy`; empty where there is none."""
        node = self.node
        while (parent := node.parent) is not None and parent.type not in _SEQUENCES:
            first = parent.named_children[0]
            if parent.type == "list" and node != first and _operator(parent).type == "&&":
                tests = [*_nodes(first, "test_command"), *_nodes(first, "command")]
                for test in tests:
                    text = self.script.text[test.start_byte : test.end_byte]
                    if test.type == "test_command" or text.split()[0] in _TESTS:
                        return text
            node = parent
        return ""

    @cached_property
    def decided_by(self) -> tuple[Command, ...]:
        """The commands that decide whether it runs: those of the conditions of `if`, and left of `&&` and `||`."""
        deciding: list[Node] = []
        node = self.node
        while (parent := node.parent) is not None:
            if parent.type in ("if_statement", "elif_clause"):
                conditions = parent.children_by_field_name("condition")
                deciding += [each for each in conditions if not _holds(each, self.node)]
            elif parent.type == "list" and node != parent.named_children[0]:
                deciding.append(parent.named_children[0])
            node = parent
        return tuple(c for c in self.script.commands if any(_holds(each, c.node) for each in deciding))

    @cached_property
    def pipe(self) -> tuple[int, int]:
        """Where its pipe starts and ends, with the redirections; itself where it stands in none."""
        node = self.node
        while (parent := node.parent) is not None and parent.type in ("redirected_statement", "pipeline"):
            node = parent
        return node.start_byte, node.end_byte

    @cached_property
    def function(self) -> str:
        """The name of the function that holds it; empty where none does."""
        node: Node | None = self.node
        while node is not None and node.type != "function_definition":
            node = node.parent
        name = node.child_by_field_name("name") if node is not None else None
        return self.script.text[name.start_byte : name.end_byte] if name is not None else ""

    @cached_property
    def choice(self) -> Choice | None:
        """The `if` that asks this command, or its pipe, and nothing else; None for one with `elif`."""
        node, negated = self.node, False
        while (parent := node.parent) is not None and parent.type in (
            "redirected_statement", "pipeline", "negated_command",
        ):  # fmt: skip
            negated ^= parent.type == "negated_command"
            node = parent
        if parent is None or parent.type != "if_statement" or not _is_condition(node, parent):
            return None
        asked = [each for each in parent.named_children if each.type != "comment" and _is_condition(each, parent)]
        if len(asked) != 1 or any(each.type == "elif_clause" for each in parent.named_children):
            return None
        otherwise = next((each for each in parent.named_children if each.type == "else_clause"), None)
        then = [each for each in parent.named_children if each not in (*asked, otherwise) and each.type != "comment"]
        branches = [_range(then), _range(otherwise.named_children if otherwise is not None else [])]
        succeeded, failed = reversed(branches) if negated else branches
        fi = parent.children[-1].start_byte
        return Choice((node.start_byte, node.end_byte), succeeded, failed, parent.start_byte, fi)

    @cached_property
    def case(self) -> Case | None:
        """The innermost branch of `case` that holds it."""
        item: Node | None = self.node
        while item is not None and item.type != "case_item":
            item = item.parent
        around = item.parent if item is not None else None
        asked = around.child_by_field_name("value") if around is not None else None
        if item is None or around is None or asked is None:
            return None
        before: list[str] = []
        for each in around.named_children:
            if each == item:
                break
            if each.type == "case_item":
                before += _patterns(each, self.script.text)
        return Case(_word(asked, self.script.text).text, tuple(_patterns(item, self.script.text)), tuple(before))

    @cached_property
    def fails_assignment(self) -> int | None:
        """Where `|| …` would go in `NAME=$(…)` if a failure of this command, there, ends the script; None if it does
        not. The status of a plain assignment is that of its substitution, and errexit looks at it."""
        node, pipefail = self.node, self.script.state(self.node).pipefail
        while (parent := node.parent) is not None and parent.type in ("redirected_statement", "pipeline"):
            if parent.type == "pipeline" and parent.named_children[-1] != node and not pipefail:
                return None
            node = parent
        if parent is None or parent.type != "command_substitution" or parent.named_children[-1] != node:
            return None
        value = parent
        while value.parent is not None and value.parent.type in ("string", "concatenation"):
            value = value.parent
        assignment = value.parent
        if assignment is None or assignment.type != "variable_assignment" or assignment.parent is None:
            return None
        around = assignment.parent
        if around.type not in _SEQUENCES or _is_condition(assignment, around):
            return None
        return node.end_byte if self.script.state(assignment).errexit else None

    @cached_property
    def assigned_to(self) -> str:
        """The variable that its output goes to, where its whole statement is `NAME=$(…)` and it is set nowhere else."""
        for name, word in self.script.assignments.items():
            if word.start <= self.start < word.end and (word.start - len(name) - 1, word.end) in self.script.statements:
                return name
        return ""

    @cached_property
    def block(self) -> int:
        """Which sequence of statements it stands in: equal for commands whose statements are neighbours."""
        parent = _statement(self.node).parent
        return parent.id if parent is not None else 0


@entity
class Script:
    """A parsed script. `error` says where the grammar could not follow it; there are no commands then."""

    text: str
    shell: Shell
    error: str = ""
    root: Node | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, shell: Shell = Shell(), placeholders: Placeholders = ()) -> Script:  # noqa: B008 (a tuple)
        return _parse(text, shell, placeholders)

    def part(self, start: int, end: int) -> ScriptText:
        """What is written there, to be written again."""
        return ScriptText.written(self.text[start:end])

    @cached_property
    def commands(self) -> tuple[Command, ...]:
        """Every command, in the order in which they are written."""
        if self.root is None or self.error:
            return ()
        made = (self._command(node) for node in _nodes(self.root, "command"))
        return tuple(command for command in made if command.words)

    @cached_property
    def code(self) -> str:
        """The text with its comments blanked out, so that offsets stay."""
        if self.root is None:
            return self.text
        comments = [(node.start_byte, node.end_byte) for node in _all(self.root, "comment")]
        return _overwritten(self.text, sorted(comments), " ")

    @cached_property
    def reads(self) -> frozenset[str]:
        """The variables that it reads, its own included."""
        if self.root is None or self.error:
            return frozenset()
        found = (node for kind in ("simple_expansion", "expansion") for node in _all(self.root, kind))
        names = (child for node in found for child in node.named_children if child.type == "variable_name")
        return frozenset(self.text[name.start_byte : name.end_byte] for name in names)

    @cached_property
    def assignments(self) -> dict[str, Word]:
        """Variables that are set once, by a plain statement; `local`, loops and a second value do not count."""
        found: dict[str, Word | None] = {}
        for node in _nodes(self.root, "variable_assignment") if self.root is not None and not self.error else ():
            name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
            if name is None or name.type != "variable_name":
                continue
            key = self.text[name.start_byte : name.end_byte]
            plain = node.parent is not None and node.parent.type in _PLAIN_ASSIGNMENT
            appends = any(child.type == "+=" for child in node.children)
            word = _word(value, self.text) if value is not None else Word("", node.end_byte, node.end_byte)
            found[key] = word if plain and key not in found and not appends else None
        return {key: word for key, word in found.items() if word is not None}

    @cached_property
    def exports(self) -> tuple[tuple[str, Word], ...]:
        """Variables that programs started later get: `export NAME=value`, and every value below `set -a`."""
        if self.root is None or self.error:
            return ()
        marks = [c.start for c in self.commands if c.words[0].text == "set" and c.has("-a")]
        found: list[tuple[str, Word]] = []
        for node in _nodes(self.root, "variable_assignment"):
            name, value, parent = node.child_by_field_name("name"), node.child_by_field_name("value"), node.parent
            if name is None or value is None or parent is None or parent.type == "command":
                continue
            exported = parent.type == "declaration_command" and parent.children[0].type == "export"
            if exported or any(mark < node.start_byte for mark in marks):
                found.append((self.text[name.start_byte : name.end_byte], _word(value, self.text)))
        return tuple(found)

    def assigns_behind(self, command: Command) -> bool:
        """Whether a statement behind a command, in the same sequence, sets a variable: what follows may look at it."""
        parent = _statement(command.node).parent
        later = (
            [node for node in parent.named_children if node.start_byte > command.start] if parent is not None else []
        )
        return any(node.type in ("variable_assignment", *_PLAIN_ASSIGNMENT) for node in later)

    @cached_property
    def loop_values(self) -> dict[str, tuple[Word, ...]]:
        """The words that `for name in …` goes through, for names that only one loop sets."""
        found: dict[str, tuple[Word, ...]] = {}
        names: list[str] = []
        for node in _nodes(self.root, "for_statement") if self.root is not None and not self.error else ():
            variable = node.child_by_field_name("variable")
            if variable is not None:
                names.append(self.text[variable.start_byte : variable.end_byte])
                values = node.children_by_field_name("value")
                found[names[-1]] = tuple(_word(value, self.text) for value in values if value.is_named)
        return {name: words for name, words in found.items() if names.count(name) == 1}

    def fails_within(self, start: int, end: int) -> bool:
        """Whether what stands there surely ends its shell or its function with a failure, if only by its last word."""
        inside = [command for command in self.commands if start <= command.start and command.end <= end]
        return any(self._is_failure(command) for command in inside)

    def _is_failure(self, command: Command) -> bool:
        if command.within(Structure.SUBSHELL, Structure.SUBSTITUTION):
            return False
        if command.name in ("exit", "return"):
            return not command.args or command.args[0].text != "0"
        if command.name == "false":
            return True
        # `die "no dump"`, a function of the script that exits
        return any(
            other.function == command.name and other.name == "exit" and bool(other.args) and other.args[0].text != "0"
            for other in self.commands
            if command.name
        )

    def silencers(self, command: Command) -> tuple[Silencer, ...]:
        """Everything that keeps a failure of this command from failing the step, from the inside out.

        Empty: its failure fails the step (or the function that holds it). With all of them removed it would.
        """
        return tuple(_Outward(command.node, self).silencers())

    @cached_property
    def statements(self) -> tuple[tuple[int, int], ...]:
        """Where each statement of the script starts and ends; what stands within another is part of that one."""
        if self.root is None or self.error:
            return ()
        return tuple((node.start_byte, node.end_byte) for node in self.root.named_children if node.type != "comment")

    def below(self, command: Command, lines: ScriptText) -> tuple[int, int, ScriptText] | None:
        """The edit that writes lines below the statement that holds a command; None where more stands behind that.

        A script of one line, which becomes several, then ends with a line end.
        """
        end = next((end for start, end in self.statements if start <= command.start < end), len(self.text))
        rest, _, _ = self.text[end:].partition("\n")
        if rest.strip() and not rest.lstrip().startswith("#"):
            return None
        at, new = end + len(rest), ScriptText.of("\n") + lines.rstrip("\n")
        return at, at, new if "\n" in self.text else ScriptText.lines([new])

    def without(self, gone: Callable[[Command], bool]) -> ScriptText:
        """The text without the statements, and the parts of `&&`, that do nothing but run commands that are `gone`.

        Comments right above a statement go with it. Loops and conditions go as a whole or stay as a whole.
        """
        if self.root is None or self.error:
            return ScriptText.written(self.text)
        cuts = [cut for node in self.root.named_children for cut in self._cuts(node, gone)]
        text = self.text
        for start, end in sorted(cuts, reverse=True):
            text = text[:start] + "\0" + text[end:]
        return ScriptText.written(_without_marked_lines(text) if cuts else text)

    def _cuts(
        self, node: Node, gone: Callable[[Command], bool], idle: frozenset[str] = _SAYS_NOTHING
    ) -> Iterator[tuple[int, int]]:
        commands = [command for command in self.commands if _holds(node, command.node)]
        going = [command for command in commands if gone(command)]
        if not going or node.type in _PLAIN_ASSIGNMENT or node.type == "variable_assignment":
            return
        if all(command in going or command.name in idle for command in commands):
            end = node.end_byte
            yield node.start_byte, end + 1 if self.text[end : end + 1] == ";" else end
        elif node.type == "list" and _operator(node).type == "&&":
            left, right = node.named_children[0], node.named_children[-1]
            for child in (left, right):
                for start, end in self._cuts(child, gone, idle - {"cd"}):  # what follows runs there
                    whole = (start, end) == (child.start_byte, child.end_byte)
                    if whole and child is right:
                        yield left.end_byte, end
                    elif whole:
                        yield start, right.start_byte
                    else:
                        yield start, end

    def _command(self, node: Node) -> Command:
        words = _joined([_word(child, self.text) for child in node.named_children if child.type not in _NOT_WORDS])
        start = words[0].start if words else node.start_byte
        return Command(words, start, node.end_byte, self, node)

    @cached_property
    def pipelines(self) -> frozenset[tuple[int, int]]:
        """The statements that hold a pipeline: where they start and end."""
        found = _nodes(self.root, "pipeline") if self.root is not None and not self.error else ()
        return frozenset((each.start_byte, each.end_byte) for each in map(_statement, found))

    def passes_on(self, stage: Node) -> bool:
        """Whether a stage of a pipe passes everything on and judges nothing."""
        if stage.type == "list":  # what the grammar makes of `a | b | c || d`, which is `{ a | b | c; } || d`
            return False
        first = self.first_command(stage)
        return first is not None and first.name in _PASSES_ON

    def first_command(self, node: Node) -> Command | None:
        """The first command within a node of the grammar."""
        first = next(_nodes(node, "command"), None)
        return self._command(first) if first is not None else None

    def outcome(self, node: Node) -> str:
        """How a statement ends: `succeeds`, `fails`, `exits` with a failure; empty where that is not known."""
        if node.type == "redirected_statement":
            node = node.named_children[0]
        if node.type in ("compound_statement", "subshell"):
            inside = [self.outcome(child) for child in node.named_children if child.type != "comment"]
            if "exits" in inside:
                return "exits" if node.type == "compound_statement" else "fails"
            return "succeeds" if inside and set(inside) == {"succeeds"} else ""
        if node.type != "command":
            return ""
        command = self._command(node)
        if any(">" in redirect.operator and redirect.target not in _NOWHERE for redirect in command.redirects):
            return ""
        if command.name in ("exit", "return"):
            return "succeeds" if command.args and command.args[0].text == "0" else "exits"
        return _OUTCOMES.get(command.name, "")

    def state(self, node: Node) -> Shell:
        """errexit and pipefail where this statement starts, after the `set` commands before it."""
        errexit, pipefail, posix = self.shell
        for command in self._sets:
            if command.end > node.start_byte:
                break
            if not _holds(_scope(command.node), node):
                continue
            for at, word in enumerate(command.words[1:], 1):
                on = word.text.startswith("-")
                if not on and not word.text.startswith("+"):
                    continue
                named = command.words[at + 1].text if word.text.endswith("o") and at + 1 < len(command.words) else ""
                errexit = on if "e" in word.text[1:] or named == "errexit" else errexit
                pipefail = on if named == "pipefail" else pipefail
        return Shell(errexit, pipefail, posix)

    @cached_property
    def _sets(self) -> tuple[Command, ...]:
        return tuple(command for command in self.commands if command.words[0].text == "set")


# -- making words -----------------------------------------------------------------------------------------------

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def word(text: str) -> Quoted | Blocked:
    """A text as one word of a script, quoted where it must be: `apps/api` as it is, `'apps/my api'` in quotes.

    Blocked for what no script of a workflow can hold: a line break or another control character, and `${{`, which
    GitHub replaces before a shell reads it.
    """
    if (blocked := _unspeakable(text)) is not None:
        return blocked
    if "'" in text:  # `"it's"`, where shlex writes `'it'"'"'s'`
        return Quoted(f'"{_escaped(text)}"')
    if text.startswith("="):  # `==` in front of a word is an operator for the grammar that reads it again
        return Quoted(f"'{text}'")
    return Quoted(shlex.quote(text))


def path_word(path: str) -> Quoted | Blocked:
    """A path as one word, which no program takes for an option: `./-rf`."""
    return word(f"./{path}" if path.startswith("-") else path)


def in_quotes(text: str) -> Inside | Blocked:
    """A text as it is written between the double quotes of a message: `"::error::cost \\$5 is missing"`."""
    return _unspeakable(text) or Inside(_escaped(text))


def expanded_word(text: str) -> Quoted | None:
    """A word of a script with its variables as one word of another, which puts their values in: `"$URL/health"`.

    None where it holds more than names of variables: quotes, escapes, commands.
    """
    return None if re.search(r'["`\\\n]|\$\(', text) else Quoted(f'"{text}"')


def _escaped(text: str) -> str:
    return re.sub(r'([$`"\\])', r"\\\1", text)


def _unspeakable(text: str) -> Blocked | None:
    if _CONTROL.search(text):
        return Blocked(f"{text!r} holds a character that no line of a script can hold", "rename it")
    if "${{" in text:
        return Blocked(f"GitHub would take `${{{{` in {text!r} for an expression", "rename it")
    return None


# -- parsing ----------------------------------------------------------------------------------------------------


@cache
def _parser() -> Parser:
    # Imported here because most files have no script that a rule wants to read.
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


@lru_cache(maxsize=4096)
def _parse(text: str, shell: Shell, placeholders: Placeholders) -> Script:
    # The parser counts bytes. With every placeholder and every other character written as a letter, bytes are
    # characters, and what will be put there is part of a word.
    masked = _overwritten(text, placeholders, "x")
    if not masked.isascii():
        masked = re.sub(r"[^\x00-\x7f]", "x", masked)
    # The grammar wants a separator where bash wants none: `f() { if a; then b; fi }`.
    masked = re.sub(r"\b(fi|done|esac) \}", r"\1;}", masked)
    root = _parser().parse(masked.encode("ascii")).root_node
    if len(masked) > _DEEPEST and (deep := _deeper(root, _DEEPEST)) is not None:
        return Script(text, shell, error=f"line {deep.start_point[0] + 1} of the script is nested too deeply")
    if not root.has_error:
        return Script(text, shell, root=root)
    line = next((node.start_point[0] for node in _errors(root)), 0)
    return Script(text, shell, error=f"line {line + 1} of the script is not understood")


def _overwritten(text: str, places: Iterable[tuple[int, int]], filler: str) -> str:
    """The text with other characters in these places, which are in its order."""
    made: list[str] = []
    at = 0
    for start, end in places:
        made += text[at:start], filler * (end - start)
        at = end
    return "".join([*made, text[at:]])


def _deeper(root: Node, limit: int) -> Node | None:
    """A node below more than so many others: each command is looked at within all that it stands in."""
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > limit:
            return node
        waiting.extend((child, depth + 1) for child in node.named_children if child.type not in _LEAVES)
    return None


def _errors(node: Node) -> Iterator[Node]:
    if node.is_error or node.is_missing:
        yield node
    for child in node.children:
        if child.has_error:
            yield from _errors(child)


_DEEPEST = 200
"""How many structures may stand in one another: also an `&&` in the left side of another."""
_NOT_WORDS = ("variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect", "comment")
_PLAIN_ASSIGNMENT = ("program", "variable_assignments", "declaration_command")
_LEAVES = frozenset(("word", "number", "raw_string", "ansi_c_string", "comment", "variable_name", "simple_expansion"))


def _nodes(root: Node, kind: str) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.type == kind:
            yield node
        waiting.extend(child for child in reversed(node.named_children) if child.type not in _LEAVES)


def _all(root: Node, kind: str) -> Iterator[Node]:
    """Every node of a kind, also where no command can stand."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.type == kind:
            yield node
        waiting.extend(reversed(node.named_children))


def _word(node: Node, text: str) -> Word:
    value, literal = _unquoted(node, text)
    return Word(value, node.start_byte, node.end_byte, literal)


_FILES = ("file_redirect", "herestring_redirect")


def _patterns(item: Node, text: str) -> list[str]:
    """The patterns of a branch of `case`."""
    return [_word(each, text).text for each in item.children_by_field_name("value")]


def _joined(words: list[Word]) -> tuple[Word, ...]:
    """Without the borders that the grammar sees within a word: `$A:$1` ends for it before the 1."""
    found: list[Word] = []
    for word in words:
        if found and found[-1].end == word.start:
            first = found.pop()
            word = Word(first.text + word.text, first.start, word.end, literal=False)
        found.append(word)
    return tuple(found)


def _unquoted(node: Node, text: str) -> tuple[str, bool]:
    """What a word means, and whether that is all known; expansions stay as they are written."""
    raw = text[node.start_byte : node.end_byte]
    plain = "${{" not in raw
    match node.type:
        case "word":
            return re.sub(r"\\(\n|.)", lambda found: "" if found[1] == "\n" else found[1], raw), plain and not (
                re.search(r"(?<!\\)[*?\[]", raw) or raw.startswith("~")
            )
        case "raw_string":
            return raw[1:-1], plain
        case "number":
            return raw, plain
        case "command_name":
            return _unquoted(node.children[0], text) if node.children else (raw, plain)
        case "string":
            return re.sub(r'\\([$`"\\\n])', lambda found: found[1].strip("\n"), raw[1:-1]), plain and all(
                child.type == "string_content" for child in node.named_children
            )
        case "concatenation":
            parts = [_unquoted(child, text) for child in node.children]
            return "".join(part for part, _ in parts), all(known for _, known in parts)
        case _:
            return raw, False


def _redirects(node: Node, text: str) -> Iterator[Redirect]:
    found = [child for child in node.children if child.type.endswith("_redirect")]
    child, parent = node, node.parent
    # In `a && b > file` the grammar gives the redirection to the whole list, the shell to its last command.
    while parent is not None and (
        parent.type == "redirected_statement"
        or (parent.type in ("list", "pipeline", "negated_command") and parent.named_children[-1] == child)
    ):
        if parent.type == "redirected_statement":
            found += parent.children_by_field_name("redirect")
        child, parent = parent, parent.parent
    for redirect in found:
        inner = [redirect, *redirect.children_by_field_name("redirect")]
        for each in inner:
            operator = next((c.type for c in each.children if not c.is_named), "")
            target = each.child_by_field_name("destination")
            name = _unquoted(target, text)[0] if target is not None else ""
            yield Redirect(operator, name, each.start_byte, each.end_byte)


# -- where a command stands -------------------------------------------------------------------------------------

_SEQUENCES = frozenset(
    (
        "program",
        "compound_statement",
        "subshell",
        "do_group",
        "if_statement",
        "elif_clause",
        "else_clause",
        "case_item",
        "while_statement",
        "command_substitution",
        "process_substitution",
    )
)
_GROUPS = frozenset(
    ("compound_statement", "subshell", "if_statement", "case_statement", "while_statement", "for_statement")
)
_LOOPS = frozenset(("while_statement", "for_statement", "c_style_for_statement"))


def _holds(outer: Node, inner: Node) -> bool:
    return outer.start_byte <= inner.start_byte and inner.end_byte <= outer.end_byte


def _statement(node: Node) -> Node:
    """The outermost node around a command that is still one statement of a sequence."""
    while (parent := node.parent) is not None and parent.type not in _SEQUENCES:
        node = parent
    return node


def _scope(node: Node) -> Node:
    """Where a setting of the shell holds: the block around it; groups in braces share the shell of what is around."""
    parent = _statement(node).parent
    while (
        parent is not None
        and parent.type == "compound_statement"
        and parent.parent is not None
        and parent.parent.type != "function_definition"
    ):
        parent = _statement(parent).parent
    return parent if parent is not None else node


def _is_condition(node: Node, parent: Node) -> bool:
    """Whether a statement is what an `if`, `elif`, `while` or `until` asks."""
    if parent.type == "while_statement":
        return node.type != "do_group"
    if parent.type not in ("if_statement", "elif_clause"):
        return False
    then = next((child for child in parent.children if child.type == "then"), None)
    return then is not None and node.end_byte <= then.start_byte


def _range(nodes: list[Node]) -> tuple[int, int] | None:
    """Where statements start and end, comments among them left out."""
    kept = [node for node in nodes if node.type != "comment"]
    return (kept[0].start_byte, kept[-1].end_byte) if kept else None


def _in_background(node: Node) -> bool:
    following = node.next_sibling
    return following is not None and following.type == "&"


def _structure(node: Node) -> Iterator[Structure]:
    while (parent := node.parent) is not None:
        if parent.type in _SEQUENCES and _in_background(node):
            yield Structure.BACKGROUND
        match parent.type:
            case "pipeline":
                yield Structure.PIPELINE
            case "list":
                yield Structure.LIST
            case "negated_command":
                yield Structure.NEGATION
            case "if_statement" | "elif_clause" | "else_clause" | "case_item":
                yield Structure.CONDITION if _is_condition(node, parent) else Structure.BRANCH
            case "while_statement" | "for_statement" | "c_style_for_statement":
                if parent.type == "while_statement" and _is_condition(node, parent):
                    yield Structure.CONDITION
                yield Structure.LOOP
            case "compound_statement":
                yield Structure.GROUP
            case "subshell":
                yield Structure.SUBSHELL
            case "function_definition":
                yield Structure.FUNCTION
            case "command_substitution" | "process_substitution":
                yield Structure.SUBSTITUTION
        node = parent


# -- whether a failure counts -----------------------------------------------------------------------------------

_OUTCOMES = {"true": "succeeds", ":": "succeeds", "echo": "succeeds", "printf": "succeeds", "false": "fails"}
_TESTS = ("test", "command", "which", "type", "hash")
_NOWHERE = ("/dev/null", "/dev/stderr", "/dev/stdout", "1", "2")
_PASSES_ON = {
    "tee", "cat", "sort", "uniq", "head", "tail", "sed", "cut", "tr", "column", "ts", "nl", "wc", "fold",
    "gzip", "pigz", "bzip2", "pbzip2", "xz", "zstd", "lz4", "gpg", "age", "openssl", "pv", "split", "base64", "dd",
    "aws", "gsutil", "gcloud", "rclone", "s3cmd", "azcopy",
}  # fmt: skip
"""Programs that pass their input on and succeed whatever it says; others may judge it."""


class _Outward:
    """Walks outward from a command, as if every silencer met so far were removed.

    https://www.gnu.org/software/bash/manual/html_node/The-Set-Builtin.html
    """

    def __init__(self, node: Node, script: Script) -> None:
        self.node = node
        self.script = script
        self.left_of: Node | None = None
        """The `&&` behind which the failure is only a status: errexit passes over it."""
        self.ended = ""
        """By what the failure has ended its shell (errexit, exit): what surrounds it in there is not reached."""
        self.judged = False
        """Whether a later stage of its pipe may fail on its own."""
        self.origin = node
        """Where its shell, or its stage of a pipe, begins."""

    def silencers(self) -> Iterator[Silencer]:
        while (parent := self.node.parent) is not None:
            kind = parent.type
            if kind == "function_definition":
                return
            if kind in ("command_substitution", "process_substitution"):
                yield _silencer(Silence.HANDLED, parent)
                return
            if kind == "negated_command" and self.ended != "exit":
                yield _silencer(Silence.HANDLED, parent)
            elif kind == "pipeline":
                yield from self._of_pipeline(parent)
            elif kind == "list" and self.ended != "exit":
                yield from self._of_list(parent)
            elif kind in _SEQUENCES:
                if _in_background(self.node):
                    yield _silencer(Silence.BACKGROUND, self.node)
                    return
                if self.ended != "exit" and _is_condition(self.node, parent):
                    yield _silencer(Silence.HANDLED, self.node)
                    return
                yield from self._of_sequence(parent)
            self.node = parent

    def _of_pipeline(self, pipeline: Node) -> Iterator[Silencer]:
        later = [stage for stage in pipeline.named_children if stage.start_byte >= self.node.end_byte]
        passes = all(map(self.script.passes_on, later))
        self.judged = self.judged or not passes
        if later and not self.script.state(pipeline).pipefail:
            kept = passes and not _status_is_read(pipeline, self.script.text)
            yield _silencer(Silence.PIPE if kept else Silence.HANDLED, _statement(pipeline))
        if len([stage for stage in pipeline.named_children if stage.type != "comment"]) > 1:
            self._leave_shell(pipeline)

    def _of_list(self, pair: Node) -> Iterator[Silencer]:
        operator, right = _operator(pair), pair.named_children[-1]
        if self.node.end_byte > operator.start_byte:
            return
        if operator.type == "&&":
            if self.ended:
                yield _silencer(Silence.HANDLED, pair)
            self.left_of = self.left_of or operator
            return
        outcome = self.script.outcome(right)
        if outcome == "exits" and not self.ended:
            self.ended, self.left_of = "exit", None
        elif outcome != "fails" or self.ended:
            # In `mypy | grep -v note || true` it may be meant for `grep`, which fails where it finds nothing.
            silence = Silence.OR if outcome == "succeeds" and not self.judged else Silence.HANDLED
            yield Silencer(silence, _trimmed_end(self.node, self.script.text), _end_with_redirect(pair))

    def _of_sequence(self, sequence: Node) -> Iterator[Silencer]:
        errexit = self.script.state(self.origin).errexit
        if not self.ended and errexit and self.left_of is None:
            self.ended = "errexit"
        elif not self.ended and (_next_statement(self.node) is not None or sequence.type == "do_group"):
            self.ended = "errexit"
            if _status_is_read(self.node, self.script.text):
                yield _silencer(Silence.HANDLED, self.node)
            elif errexit and self.left_of is not None:
                yield Silencer(
                    Silence.AND,
                    *_blanks_around(self.script.text, self.left_of.start_byte, self.left_of.end_byte),
                )
            else:
                yield _silencer(Silence.ERREXIT, self.node)
        if sequence.type == "subshell":
            self._leave_shell(sequence)

    def _leave_shell(self, node: Node) -> None:
        """What ended a shell of its own is, from here on, the status of this command."""
        self.ended, self.left_of, self.origin = "", None, node


def _silencer(silence: Silence, node: Node) -> Silencer:
    return Silencer(silence, node.start_byte, node.end_byte)


def _operator(node: Node) -> Node:
    return next(child for child in node.children if child.type in ("&&", "||"))


def _end_with_redirect(node: Node) -> int:
    """Where the right side of a list ends: the grammar gives its redirection to the whole list."""
    parent = node.parent
    return parent.end_byte if parent is not None and parent.type == "redirected_statement" else node.end_byte


def _trimmed_end(node: Node, text: str) -> int:
    return node.start_byte + len(text[node.start_byte : node.end_byte].rstrip())


def _blanks_around(text: str, start: int, end: int) -> tuple[int, int]:
    while start and (text[start - 1].isspace() or text[start - 1 : start + 1] == "\\\n"):
        start -= 1
    while end < len(text) and (text[end].isspace() or text[end : end + 2] == "\\\n"):
        end += 1
    return start, end


def _next_statement(node: Node) -> Node | None:
    following = node.next_named_sibling
    while following is not None and following.type == "comment":
        following = following.next_named_sibling
    return None if following is None or following.type in ("elif_clause", "else_clause", "do_group") else following


def _status_is_read(node: Node, text: str) -> bool:
    """Whether the next statement asks how this one ended."""
    following = _next_statement(_statement(node))
    return following is not None and bool(_STATUS.search(text, following.start_byte, following.end_byte))


_STATUS = re.compile(r"\$\?|\$\{?PIPESTATUS|\$\{\?")


def _without_marked_lines(text: str) -> str:
    """The text without its marks, without lines that hold nothing else, and without the comments above those."""
    lines: list[str] = []
    for line in text.split("\n"):
        left = line.replace("\0", "")
        if left == line or left.strip(" \t;\\"):
            lines.append(line if left == line else left.strip())
            continue
        while lines and lines[-1].lstrip().startswith("#"):
            lines.pop()
    return "\n".join(lines)


# -- programs that start others ---------------------------------------------------------------------------------


class _Starter(NamedTuple):
    """How a program names the one that it starts: options that take a value, then so many words of its own."""

    valued: str = ""
    words: int = 0
    module: str = ""
    """The option whose value is a Python module to run."""


_CONTAINER = "-e -u -w -v -p -l --env --env-file --user --workdir --volume --publish --name --entrypoint --index"
_STARTERS: dict[tuple[str, ...], _Starter] = {
    ("sudo",): _Starter("-u -g -h -p -C -r -t -U -D -R -T --user --group --host --chdir"),
    ("doas",): _Starter("-u -C"),
    ("sshpass",): _Starter("-p -f -d -P"),
    ("env",): _Starter("-u -C --unset --chdir"),
    ("time",): _Starter("-f -o --format --output"),
    ("timeout",): _Starter("-k -s --kill-after --signal", 1),
    ("nice",): _Starter("-n --adjustment"),
    ("ionice",): _Starter("-c -n --class --classdata"),
    ("nohup",): _Starter(),
    ("setsid",): _Starter(),
    ("tini",): _Starter("-p -e"),
    ("dumb-init",): _Starter("-r --rewrite"),
    ("stdbuf",): _Starter("-i -o -e"),
    ("exec",): _Starter("-a"),
    ("command",): _Starter(),
    ("builtin",): _Starter(),
    ("xvfb-run",): _Starter("-n -s -e -f -p -w --server-num --server-args"),
    ("npx",): _Starter("-p --package -w --workspace"),
    ("bunx",): _Starter("-p --package"),
    ("npm", "exec"): _Starter("-p --package -w --workspace"),
    ("pnpm", "exec"): _Starter("-C --dir -F --filter"),
    ("pnpm", "dlx"): _Starter("--package"),
    ("pnpx",): _Starter(),
    ("yarn", "exec"): _Starter(),
    ("yarn", "dlx"): _Starter("-p --package"),
    ("bun", "x"): _Starter("-p --package"),
    ("poetry", "run"): _Starter("-C -P --directory --project"),
    ("pipenv", "run"): _Starter(),
    ("pdm", "run"): _Starter("-p --project"),
    ("rye", "run"): _Starter("-p --pyproject"),
    ("hatch", "run"): _Starter(),
    ("pixi", "run"): _Starter("-e --environment --manifest-path"),
    ("conda", "run"): _Starter("-n -p --name --prefix --cwd"),
    ("micromamba", "run"): _Starter("-n -p -r"),
    ("pipx", "run"): _Starter("--spec --python --pip-args"),
    ("uv", "run"): _Starter(
        "-p -w -C --python --with --with-editable --with-requirements --group --only-group --no-group --extra "
        "--no-extra --package --project --directory --env-file --index --default-index --config-file --color",
        module="-m --module",
    ),
    ("coverage", "run"): _Starter(
        "--concurrency --context --data-file --debug --include --omit --rcfile --source", module="-m --module"
    ),
    ("uvx",): _Starter("-p -w --python --from --with --with-requirements --index --default-index"),
    ("uv", "tool", "run"): _Starter("-p -w --python --from --with --with-requirements --index --default-index"),
    ("bundle", "exec"): _Starter(),
    ("docker", "exec"): _Starter(_CONTAINER, 1),
    ("docker", "compose", "exec"): _Starter(_CONTAINER, 1),
    ("docker", "compose", "run"): _Starter(_CONTAINER, 1),
    ("docker-compose", "exec"): _Starter(_CONTAINER, 1),
    ("docker-compose", "run"): _Starter(_CONTAINER, 1),
    ("doppler", "run"): _Starter("-p -c --project --config"),
    ("infisical", "run"): _Starter("--env --path --projectId --token"),
    ("op", "run"): _Starter("--env-file"),
    ("chamber", "exec"): _Starter(words=1),
    ("gosu",): _Starter(words=1),
    ("su-exec",): _Starter(words=1),
    ("s6-setuidgid",): _Starter(words=1),
    ("ddtrace-run",): _Starter(),
    ("opentelemetry-instrument",): _Starter("--service_name --traces_exporter --metrics_exporter --logs_exporter"),
    ("newrelic-admin", "run-program"): _Starter(),
    ("watchmedo", "auto-restart"): _Starter("-d -p --directory --pattern --patterns --signal"),
}
# https://docs.docker.com/reference/cli/docker/compose/#options
_OF_COMPOSE = frozenset(
    ("-f", "--file", "-p", "--project-name", "--env-file", "--profile", "--project-directory", "--ansi", "--progress",
     "--parallel")
)  # fmt: skip
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_PYTHON = re.compile(r"(?:.*/)?(?:python|pypy|py)(?:\d+(?:\.\d+)*)?t?")


def _program(words: tuple[Word, ...]) -> int:
    """The index of the program that really runs."""
    at = 0
    while at < len(words):
        starter = _starter(words, at)
        if starter is None:
            return at
        found, size = starter
        after = _after(words, at + size, found)
        if after is None or after >= len(words):
            return at
        at = after
    return at


def _starter(words: tuple[Word, ...], at: int) -> tuple[_Starter, int] | None:
    first = words[at].text
    if _PYTHON.fullmatch(first):
        return _Starter("-W -X", module="-m"), 1
    name = first.rpartition("/")[2]
    behind = _behind_options(words, at + 1, _OF_COMPOSE) if name in ("docker", "docker-compose") else at + 1
    key = (name, *(word.text for word in words[behind : behind + 2]))
    if name == "docker" and key[1:2] == ("compose",):
        inner = _behind_options(words, behind + 1, _OF_COMPOSE)
        key = (name, "compose", *(word.text for word in words[inner : inner + 1]))
        if key in _STARTERS:
            return _STARTERS[key], inner + 1 - at
    elif behind > at + 1 and key[:2] in _STARTERS:
        return _STARTERS[key[:2]], behind + 1 - at
    for size in (3, 2, 1):
        if len(key) >= size and key[:size] in _STARTERS:
            return _STARTERS[key[:size]], size
    return None


def _behind_options(words: tuple[Word, ...], at: int, valued: frozenset[str]) -> int:
    """Where the first word stands that is no option, and no value of one of these."""
    while at < len(words) and words[at].text.startswith("-"):
        at += 2 if words[at].text in valued else 1
    return at


def _after(words: tuple[Word, ...], at: int, starter: _Starter) -> int | None:
    """Where the started program stands; None where the words start none."""
    valued, module, own = starter.valued.split(), starter.module.split(), starter.words
    while at < len(words):
        text = words[at].text
        if text in module:
            return at + 1
        if text == "--":
            at += 1
            if not own:
                return at
        elif text in valued:
            at += 2
        elif text.startswith("-") and len(text) > 1:
            if text in ("-c", "--call") or (text in ("-v", "-V") and not valued):
                return None
            at += 1
        elif _ASSIGNMENT.match(text):
            at += 1
        elif own:
            own, at = own - 1, at + 1
        else:
            # `python manage.py` runs a file: Python itself is the program.
            return None if module == ["-m"] else at
    return None


def _is_option(text: str, option: str) -> bool:
    if option.startswith("--"):
        return text == option or text.startswith(option + "=")
    return text == option or _clusters(text, option)


def _clusters(text: str, option: str) -> bool:
    return len(option) == 2 and re.fullmatch(r"-[A-Za-z]{2,}", text) is not None and option[1] in text


def _ends_cluster(text: str, option: str) -> bool:
    return len(option) == 2 and re.fullmatch(r"-[A-Za-z]{2,}", text) is not None and text.endswith(option[1])
