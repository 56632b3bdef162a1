"""A parsed script, its commands, and what can be asked of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from fixer.grammars import parser
from fixer.languages.shell.parts import Case, Choice, Redirect, Shell, Silencer, Structure, Word
from fixer.languages.shell.silencers import Outward
from fixer.languages.shell.starters import program_at
from fixer.languages.shell.tree import (
    GROUPS,
    SEQUENCES,
    all_nodes,
    by_kind,
    holds,
    is_condition,
    joined_words,
    next_statement,
    operator_of,
    patterns_of,
    range_of,
    redirects_of,
    scope_of,
    statement_of,
    structure_of,
    word_at,
    words_behind,
)
from fixer.records import entity
from fixer.scripts import ScriptText

if TYPE_CHECKING:
    from tree_sitter import Node


Placeholders = tuple[tuple[int, int], ...]
"""Where something else is put into a text before a shell sees it, such as GitHub's `${{ … }}`: starts and ends."""

_SAYS_NOTHING = frozenset(("echo", "printf", "true", ":", "test", "[", "[[", "cd"))
"""What around other commands only prepares or reports them."""
_DEEPEST = 200
"""How many structures may stand in one another: also an `&&` in the left side of another."""
_ENDS_A_COMMAND = re.compile(r"\b(?:then|elif|else|fi|do|done|esac)\b")
"""Reserved words that only go on with, or end, what another one began."""
_NOT_WORDS = ("variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect", "comment")
_PLAIN_ASSIGNMENT = ("program", "variable_assignments", "declaration_command")
_OUTCOMES = {"true": "succeeds", ":": "succeeds", "echo": "succeeds", "printf": "succeeds", "false": "fails"}
_DECIDES = (
    "if_statement", "elif_clause", "else_clause", "case_item", "while_statement", "for_statement",
    "c_style_for_statement", "function_definition",
)  # fmt: skip
"""What decides whether, or how often, that runs which stands in it."""
_TESTS = ("test", "command", "which", "type", "hash")
_NOWHERE = ("/dev/null", "/dev/stderr", "/dev/stdout", "1", "2")
_PASSES_ON = {
    "tee", "cat", "sort", "uniq", "head", "tail", "sed", "cut", "tr", "column", "ts", "nl", "wc", "fold",
    "gzip", "pigz", "bzip2", "pbzip2", "xz", "zstd", "lz4", "gpg", "age", "openssl", "pv", "split", "base64", "dd",
    "aws", "gsutil", "gcloud", "rclone", "s3cmd", "azcopy",
}  # fmt: skip
"""Programs that pass their input on and succeed whatever it says; others may judge it."""


_FILES = ("file_redirect", "herestring_redirect")


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
        return self.words[program_at(self.words) :]

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
        return tuple(redirects_of(self.node, self.script.text))

    @cached_property
    def outputs(self) -> tuple[Redirect, ...]:
        """Its own redirections, and those of the groups and loops that it stands in: `{ echo a; } > file`."""
        found = list(self.redirects)
        node = self.node.parent
        while node is not None and node.type not in ("command_substitution", "process_substitution"):
            parent = node.parent
            if parent is not None and parent.type == "redirected_statement" and node.type in GROUPS:
                found += redirects_of(node, self.script.text)
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
        return tuple(structure_of(self.node))

    def within(self, *structures: Structure) -> bool:
        return any(structure in structures for structure in self.structure)

    @property
    def alone(self) -> bool:
        """Whether it is a whole statement."""
        return statement_of(self.node).type in ("command", "redirected_statement") and not self.within(
            Structure.PIPELINE, Structure.LIST
        )

    @cached_property
    def receivers(self) -> tuple[Command, ...]:
        """What reads its output: the first command of each later stage of its pipe."""
        found: list[Command] = []
        node = self.node
        while (parent := node.parent) is not None and parent.type in ("pipeline", "redirected_statement"):
            # What is computed for a file's name reads nothing; a pipe stands behind a here-document.
            beside = [each for each in parent.named_children if each.type not in _FILES]
            later = [stage for stage in beside if stage.start_byte >= node.end_byte]
            found += [c for stage in later if (c := self.script.first_command(stage)) is not None]
            node = parent
        return tuple(found)

    @cached_property
    def statement(self) -> tuple[int, int]:
        """Where the statement that holds it starts and ends, without what separates it from the next."""
        found = statement_of(self.node)
        return found.start_byte, found.end_byte

    @cached_property
    def last(self) -> bool:
        """Whether its statement is the last of its sequence, which then ends as this statement does."""
        return next_statement(statement_of(self.node)) is None

    @cached_property
    def guard(self) -> str:
        """The test that decides whether it runs, as in `[ -f mypy.ini ] && mypy`; empty where there is none."""
        node = self.node
        while (parent := node.parent) is not None and parent.type not in SEQUENCES:
            first = parent.named_children[0]
            if parent.type == "list" and node != first and operator_of(parent).type == "&&":
                within = by_kind(first)
                tests = [*within["test_command"], *within["command"]]
                for test in tests:
                    text = self.script.text[test.start_byte : test.end_byte]
                    if test.type == "test_command" or text.split()[0] in _TESTS:
                        return text
            node = parent
        return ""

    @cached_property
    def _deciding(self) -> tuple[Node, ...]:
        found: list[Node] = []
        node = self.node
        while (parent := node.parent) is not None:
            if parent.type in ("if_statement", "elif_clause"):
                conditions = parent.children_by_field_name("condition")
                found += [each for each in conditions if not holds(each, self.node)]
            elif parent.type == "list" and node != parent.named_children[0]:
                found.append(parent.named_children[0])
            node = parent
        return tuple(found)

    @cached_property
    def decided_by(self) -> tuple[Command, ...]:
        """The commands that decide whether it runs: those of the conditions of `if`, and left of `&&` and `||`."""
        return tuple(c for c in self.script.commands if any(holds(each, c.node) for each in self._deciding))

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """What decides whether it runs, tests included, as it is written."""
        return tuple(self.script.text[each.start_byte : each.end_byte] for each in self._deciding)

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
        if parent is None or parent.type != "if_statement" or not is_condition(node, parent):
            return None
        asked = [each for each in parent.named_children if each.type != "comment" and is_condition(each, parent)]
        if len(asked) != 1 or any(each.type == "elif_clause" for each in parent.named_children):
            return None
        otherwise = next((each for each in parent.named_children if each.type == "else_clause"), None)
        then = [each for each in parent.named_children if each not in (*asked, otherwise) and each.type != "comment"]
        branches = [range_of(then), range_of(otherwise.named_children if otherwise is not None else [])]
        succeeded, failed = reversed(branches) if negated else branches
        fi = parent.children[-1].start_byte
        return Choice((node.start_byte, node.end_byte), succeeded, failed, parent.start_byte, fi)

    @property
    def is_repeated_for_ever(self) -> bool:
        """Whether it stands in a `while true` or `until false`, or in a function that is called in one."""
        return self._repeats(frozenset())

    def _repeats(self, seen: frozenset[str]) -> bool:
        node: Node | None = self.node
        while node is not None and node.type != "function_definition":
            if node.type == "while_statement" and node.named_children:
                asked = self.script.text[node.start_byte : node.named_children[0].end_byte].split()
                if asked in (["while", "true"], ["while", ":"], ["until", "false"], ["while", "[", "1", "]"]):
                    return True
            if node.type == "c_style_for_statement" and node.child_by_field_name("condition") is None:
                return True
            node = node.parent
        name = self.function
        calls = [each for each in self.script.commands if name and each.name == name and name not in seen]
        return any(each._repeats(seen | {name}) for each in calls)

    @property
    def is_repeated_until_it_succeeds(self) -> bool:
        """Whether it is asked in a loop without an end, which nothing but its success leaves in another way than by a
        failure: `while true; do if …; then break; fi; …; done`."""
        choice, loop = self.choice, self.node.parent
        while loop is not None and loop.type not in ("while_statement", "for_statement", "c_style_for_statement"):
            loop = loop.parent
        if choice is None or choice.succeeded is None or loop is None or loop.type != "while_statement":
            return False
        asked = [each for each in loop.named_children if is_condition(each, loop)]
        said = "".join(self.script.text[slice(*range_of([each]) or (0, 0))] for each in asked)
        if loop.children[0].type != "while" or said not in ("true", ":"):
            return False
        begin, end = choice.succeeded
        inside = [each for each in self.script.commands if holds(loop, each.node)]
        leaving = [each for each in inside if each.name == "break" or self.script.ends_well(each)]
        return bool(leaving) and all(begin <= each.start < end for each in leaving)

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
                before += patterns_of(each, self.script.text)
        return Case(word_at(asked, self.script.text).text, tuple(patterns_of(item, self.script.text)), tuple(before))

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
        if around.type not in SEQUENCES or is_condition(assignment, around):
            return None
        return node.end_byte if self.script.state(assignment).errexit else None

    @cached_property
    def assigned_to(self) -> str:
        """The variable that its output goes to, where its whole statement is `NAME=$(…)` and it is set nowhere else."""
        for name, word in self.script.assignments.items():
            if word.start <= self.start < word.end and (word.start - len(name) - 1, word.end) in self.script.statements:
                return name
        return ""

    def beside(self, other: Command) -> tuple[int, int]:
        """Where the statement that holds this command starts and ends, in the innermost sequence that holds the other
        too; an `if` and its `else` are two."""
        node = self.node
        while (parent := node.parent) is not None and not (parent.type in SEQUENCES and holds(parent, other.node)):
            node = parent
        if parent is not None and parent.type == "if_statement":
            branches = [each for each in parent.named_children if each.type in ("elif_clause", "else_clause")]
            if any(holds(each, other.node) for each in branches):
                return parent.start_byte, parent.end_byte
        return node.start_byte, node.end_byte

    def follows(self, other: Command) -> bool:
        """Whether both are reached together, unless something fails between: neither is a choice that the other is not
        part of, as in `if …; then dropdb; fi` or in another function."""
        return self._is_certain_beside(other) and other._is_certain_beside(self)

    def _is_certain_beside(self, other: Command) -> bool:
        """Whether it runs wherever what holds them both is reached."""
        node = self.node
        while (parent := node.parent) is not None:
            asked = is_condition(node, parent)
            if holds(parent, other.node):
                both = [each for each in parent.named_children if holds(each, other.node)]
                if parent.type == "list" and operator_of(parent).type == "||":
                    return False
                return parent.type != "if_statement" or not (asked or any(is_condition(each, parent) for each in both))
            if parent.type == "list" and node != parent.named_children[0]:
                return False
            if parent.type in _DECIDES and not (asked and parent.type in ("if_statement", "while_statement")):
                return False
            node = parent
        return False

    @cached_property
    def block(self) -> int:
        """Which sequence of statements it stands in: equal for commands whose statements are neighbours."""
        parent = statement_of(self.node).parent
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

    def _nodes(self, kind: str) -> Sequence[Node]:
        """Those of a kind, in their order; none where the grammar could not follow."""
        return self._by_kind.get(kind, ())

    @cached_property
    def _by_kind(self) -> dict[str, list[Node]]:
        return by_kind(self.root) if self.root is not None and not self.error else {}

    @cached_property
    def functions(self) -> frozenset[str]:
        """The functions in which commands stand."""
        return frozenset(each.function for each in self.commands if each.function)

    @cached_property
    def commands(self) -> tuple[Command, ...]:
        """Every command, in the order in which they are written."""
        made = (self._command(node) for node in self._nodes("command"))
        return tuple(command for command in made if command.words)

    @cached_property
    def code(self) -> str:
        """The text with its comments blanked out, so that offsets stay."""
        if self.root is None:
            return self.text
        comments = [(node.start_byte, node.end_byte) for node in all_nodes(self.root, "comment")]
        return _overwritten(self.text, sorted(comments), " ")

    @cached_property
    def reads(self) -> frozenset[str]:
        """The variables that it reads, its own included."""
        if self.root is None or self.error:
            return frozenset()
        found = (node for kind in ("simple_expansion", "expansion") for node in all_nodes(self.root, kind))
        names = (child for node in found for child in node.named_children if child.type == "variable_name")
        return frozenset(self.text[name.start_byte : name.end_byte] for name in names)

    @cached_property
    def assignments(self) -> dict[str, Word]:
        """Variables that are set once, by a plain statement; `local`, loops and a second value do not count."""
        found: dict[str, Word | None] = {}
        for node in self._nodes("variable_assignment"):
            name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
            if name is None or name.type != "variable_name":
                continue
            key = self.text[name.start_byte : name.end_byte]
            plain = node.parent is not None and node.parent.type in _PLAIN_ASSIGNMENT
            appends = any(child.type == "+=" for child in node.children)
            word = word_at(value, self.text) if value is not None else Word("", node.end_byte, node.end_byte)
            found[key] = word if plain and key not in found and not appends else None
        return {key: word for key, word in found.items() if word is not None}

    @cached_property
    def exports(self) -> tuple[tuple[str, Word], ...]:
        """Variables that programs started later get: `export NAME=value`, and every value below `set -a`."""
        marks = [c.start for c in self.commands if c.words[0].text == "set" and c.has("-a")]
        found: list[tuple[str, Word]] = []
        for node in self._nodes("variable_assignment"):
            name, value, parent = node.child_by_field_name("name"), node.child_by_field_name("value"), node.parent
            if name is None or value is None or parent is None or parent.type == "command":
                continue
            exported = parent.type == "declaration_command" and parent.children[0].type == "export"
            if exported or any(mark < node.start_byte for mark in marks):
                found.append((self.text[name.start_byte : name.end_byte], word_at(value, self.text)))
        return tuple(found)

    def assigns_behind(self, command: Command) -> bool:
        """Whether a statement behind a command, in the same sequence, sets a variable: what follows may look at it."""
        parent = statement_of(command.node).parent
        later = (
            [node for node in parent.named_children if node.start_byte > command.start] if parent is not None else []
        )
        return any(node.type in ("variable_assignment", *_PLAIN_ASSIGNMENT) for node in later)

    @cached_property
    def loop_values(self) -> dict[str, tuple[Word, ...]]:
        """The words that `for name in …` goes through, for names that only one loop sets."""
        found: dict[str, tuple[Word, ...]] = {}
        names: list[str] = []
        for node in self._nodes("for_statement"):
            variable = node.child_by_field_name("variable")
            if variable is not None:
                names.append(self.text[variable.start_byte : variable.end_byte])
                values = node.children_by_field_name("value")
                found[names[-1]] = tuple(word_at(value, self.text) for value in values if value.is_named)
        return {name: words for name, words in found.items() if names.count(name) == 1}

    def ends_well(self, command: Command) -> bool:
        """Whether a command ends the script, or its function, and not surely with a failure."""
        return command.name in ("exit", "return") and not self._is_failure(command)

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
        return tuple(Outward(command.node, self).silencers())

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
        commands = [command for command in self.commands if holds(node, command.node)]
        going = [command for command in commands if gone(command)]
        if not going or node.type in _PLAIN_ASSIGNMENT or node.type == "variable_assignment":
            return
        if all(command in going or command.name in idle for command in commands):
            end = node.end_byte
            following = node.next_sibling
            if following is not None and following.type == "&":  # of what ran in the background
                end = following.end_byte
            yield node.start_byte, end + 1 if self.text[end : end + 1] == ";" else end
        elif node.type == "list" and operator_of(node).type == "&&":
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
        own = [word_at(child, self.text) for child in node.named_children if child.type not in _NOT_WORDS]
        words = joined_words([*own, *words_behind(node, self.text)])
        start = words[0].start if words else node.start_byte
        return Command(words, start, node.end_byte, self, node)

    @cached_property
    def pipelines(self) -> frozenset[tuple[int, int]]:
        """The statements that hold a pipeline: where they start and end."""
        found = self._nodes("pipeline")
        return frozenset((each.start_byte, each.end_byte) for each in map(statement_of, found))

    @cached_property
    def fragile_pipes(self) -> tuple[tuple[int, int], ...]:
        """Pipes of which pipefail makes a failure where all is well: a reader that goes first ends what writes to it,
        and a program that finds nothing fails. Where they start and end; none of which nobody asks how it ended."""
        found: list[tuple[int, int]] = []
        for node in self._nodes("pipeline"):
            stages = [self.first_command(stage) for stage in node.named_children if stage.type != "comment"]
            if self._is_asked(node) and (any(map(_goes_first, stages[1:])) or any(map(_may_find_nothing, stages[:-1]))):
                found.append((node.start_byte, node.end_byte))
        return tuple(found)

    def _is_asked(self, node: Node) -> bool:
        """Whether the status of a pipe may decide anything."""
        statement = statement_of(node)
        around, following = statement.parent, next_statement(statement)
        if around is not None and around.type == "command_substitution":
            if not _is_of_an_assignment(around):
                return False  # a word of a command, whose own status counts
            if not self.state(node).errexit:
                return self._is_asked(around)
        if self.state(node).errexit or statement.type in ("list", "negated_command") or following is None:
            return True
        if around is not None and is_condition(statement, around):
            return True
        return re.search(r"\$\?|PIPESTATUS", self.text[following.start_byte : following.end_byte]) is not None

    def begins_with(self, function: str) -> str:
        """The first statement of a function of the script; empty where it has none of that name."""
        return self._beginnings.get(function, "")

    @cached_property
    def _beginnings(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for node in all_nodes(self.root, "function_definition") if self.root is not None else ():
            name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
            inside = body.named_children if body is not None else []
            first = next((each for each in inside if each.type != "comment"), None)
            if name is not None and first is not None:
                found[self.text[name.start_byte : name.end_byte]] = self.text[first.start_byte : first.end_byte]
        return found

    def passes_on(self, stage: Node) -> bool:
        """Whether a stage of a pipe passes everything on and judges nothing."""
        if stage.type == "list":  # what the grammar makes of `a | b | c || d`, which is `{ a | b | c; } || d`
            return False
        first = self.first_command(stage)
        return first is not None and first.name in _PASSES_ON

    def first_command(self, node: Node) -> Command | None:
        """The first command within a node of the grammar."""
        first = next(iter(by_kind(node)["command"]), None)
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
        errexit, pipefail, posix = self.shell.errexit, self.shell.pipefail, self.shell.posix
        for command in self._sets:
            if command.end > node.start_byte:
                break
            if not holds(scope_of(command.node), node):
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


@lru_cache(maxsize=4096)
def _parse(text: str, shell: Shell, placeholders: Placeholders) -> Script:
    # The parser counts bytes. With every placeholder and every other character written as a letter, bytes are
    # characters, and what will be put there is part of a word.
    masked = _overwritten(text, placeholders, "x")
    if not masked.isascii():
        masked = re.sub(r"[^\x00-\x7f]", "x", masked)
    # The grammar wants a separator where bash wants none: `f() { if a; then b; fi }`.
    masked = re.sub(r"\b(fi|done|esac) \}", r"\1;}", masked)
    # A line that the end of the script continues: nothing follows.
    inner = masked.rstrip()
    rest = masked[len(inner) :]
    if inner.endswith("\\") and not inner.endswith("\\\\") and (not rest or rest.lstrip("\r").startswith("\n")):
        masked = f"{inner[:-1]} {rest}"
    root = parser("bash").parse(masked.encode("ascii")).root_node
    if len(masked) > _DEEPEST and (deep := _deeper(root, _DEEPEST)) is not None:
        return Script(text, shell, error=f"line {deep.start_point[0] + 1} of the script is nested too deeply")
    wrong = next(_errors(root) if root.has_error else _swallowed(root, masked), None)
    if wrong is None and not root.has_error:
        return Script(text, shell, root=root)
    line = wrong.start_point[0] if wrong is not None else 0
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
    cursor, depth = root.walk(), 0  # which makes no objects of nodes
    while depth <= limit:
        if cursor.goto_first_child():
            depth += 1
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return None
            depth -= 1
    return cursor.node


def _errors(node: Node) -> Iterator[Node]:
    if node.is_error or node.is_missing:
        yield node
    for child in node.children:
        if child.has_error:
            yield from _errors(child)


def _swallowed(root: Node, text: str) -> Iterator[Node]:
    """Commands called `then` or `fi`: the grammar took the lines before for words of one command, and says no error.

    It does so behind `tee >(a; b) | c` on several lines.
    """
    if _ENDS_A_COMMAND.search(text) is None:
        return
    for node in by_kind(root)["command"]:
        if _ENDS_A_COMMAND.fullmatch(text, node.start_byte, node.child(0).end_byte):
            yield node


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


def _is_of_an_assignment(substitution: Node) -> bool:
    """Whether its status is that of a statement, `NAME=$(…)`."""
    node = substitution.parent
    while node is not None and node.type in ("string", "concatenation"):
        node = node.parent
    return node is not None and node.type == "variable_assignment"


def _goes_first(command: Command | None) -> bool:
    """Whether it may stop reading before the end."""
    if command is None or command.name in ("head", "read", "less"):
        return True
    if command.name in ("grep", "egrep", "fgrep", "zgrep"):
        return command.has("-q", "--quiet", "--silent", "-m", "--max-count", "-l")
    quits = {"sed": r"\bq\b|\dq", "awk": r"\bexit\b", "gawk": r"\bexit\b"}.get(command.name, "")
    return bool(quits) and any(re.search(quits, word.text) for word in command.args)


def _may_find_nothing(command: Command | None) -> bool:
    return command is None or command.name in ("grep", "egrep", "fgrep", "zgrep", "ls", "diff", "cmp", "pgrep", "which")


def _is_option(text: str, option: str) -> bool:
    if option.startswith("--"):
        return text == option or text.startswith(option + "=")
    return text == option or _clusters(text, option)


def _clusters(text: str, option: str) -> bool:
    return len(option) == 2 and re.fullmatch(r"-[A-Za-z]{2,}", text) is not None and option[1] in text


def _ends_cluster(text: str, option: str) -> bool:
    return len(option) == 2 and re.fullmatch(r"-[A-Za-z]{2,}", text) is not None and text.endswith(option[1])
