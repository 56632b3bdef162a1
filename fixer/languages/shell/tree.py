"""The syntax tree of a script: which nodes there are, what stands around them, what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fixer.languages.shell.parts import Redirect, Structure, Word

if TYPE_CHECKING:
    from tree_sitter import Node


LEAVES = frozenset(("word", "number", "raw_string", "ansi_c_string", "comment", "variable_name", "simple_expansion"))


_KINDS = ("command", "for_statement", "pipeline", "test_command", "variable_assignment")


def by_kind(root: Node) -> dict[str, list[Node]]:
    """The nodes of some kinds, where a command can stand, in the order of the text."""
    found: dict[str, list[Node]] = {kind: [] for kind in _KINDS}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if (kind := node.type) in found:
            found[kind].append(node)
        waiting += [child for child in reversed(node.named_children) if child.type not in LEAVES]
    return found


def all_nodes(root: Node, kind: str) -> Iterator[Node]:
    """Every node of a kind, also where no command can stand."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.type == kind:
            yield node
        waiting.extend(reversed(node.named_children))


def word_at(node: Node, text: str) -> Word:
    value, literal = _unquoted(node, text)
    return Word(value, node.start_byte, node.end_byte, literal)


def patterns_of(item: Node, text: str) -> list[str]:
    """The patterns of a branch of `case`."""
    return [word_at(each, text).text for each in item.children_by_field_name("value")]


def joined_words(words: list[Word]) -> tuple[Word, ...]:
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


def _target(redirect: Node) -> list[Node]:
    """What a redirection names: for the grammar `$A_$B` is two."""
    found: list[Node] = []
    for part in redirect.children_by_field_name("destination"):
        if found and part.start_byte != found[-1].end_byte:
            break
        found.append(part)
    return found


def words_behind(node: Node, text: str) -> list[Word]:
    """The words of a command that stand behind its redirections, which the grammar gives to those."""
    found: list[Node] = []
    for redirect in _redirects(node):
        found += redirect.children_by_field_name("destination")[len(_target(redirect)) :]
        found += redirect.children_by_field_name("argument")
    return [word_at(each, text) for each in sorted(found, key=lambda each: each.start_byte)]


def redirects_of(node: Node, text: str) -> Iterator[Redirect]:
    for each in _redirects(node):
        operator = next((c.type for c in each.children if not c.is_named), "")
        target = _target(each)
        name = "".join(_unquoted(part, text)[0] for part in target)
        number = each.child_by_field_name("descriptor")
        descriptor = text[number.start_byte : number.end_byte] if number is not None else ""
        yield Redirect(operator, name, each.start_byte, target[-1].end_byte if target else each.end_byte, descriptor)


def _redirects(node: Node) -> Iterator[Node]:
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
        yield redirect
        yield from redirect.children_by_field_name("redirect")


SEQUENCES = frozenset(
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
GROUPS = frozenset(
    ("compound_statement", "subshell", "if_statement", "case_statement", "while_statement", "for_statement")
)


def holds(outer: Node, inner: Node) -> bool:
    return outer.start_byte <= inner.start_byte and inner.end_byte <= outer.end_byte


def statement_of(node: Node) -> Node:
    """The outermost node around a command that is still one statement of a sequence."""
    while (parent := node.parent) is not None and parent.type not in SEQUENCES:
        node = parent
    return node


def scope_of(node: Node) -> Node:
    """Where a setting of the shell holds: the block around it; groups in braces share the shell of what is around."""
    parent = statement_of(node).parent
    while (
        parent is not None
        and parent.type == "compound_statement"
        and parent.parent is not None
        and parent.parent.type != "function_definition"
    ):
        parent = statement_of(parent).parent
    return parent if parent is not None else node


def is_condition(node: Node, parent: Node) -> bool:
    """Whether a statement is what an `if`, `elif`, `while` or `until` asks."""
    if parent.type == "while_statement":
        return node.type != "do_group"
    if parent.type not in ("if_statement", "elif_clause"):
        return False
    then = next((child for child in parent.children if child.type == "then"), None)
    return then is not None and node.end_byte <= then.start_byte


def range_of(nodes: list[Node]) -> tuple[int, int] | None:
    """Where statements start and end, comments among them left out."""
    kept = [node for node in nodes if node.type != "comment"]
    return (kept[0].start_byte, kept[-1].end_byte) if kept else None


def in_background(node: Node) -> bool:
    following = node.next_sibling
    return following is not None and following.type == "&"


def structure_of(node: Node) -> Iterator[Structure]:
    while (parent := node.parent) is not None:
        if parent.type in SEQUENCES and in_background(node):
            yield Structure.BACKGROUND
        match parent.type:
            case "pipeline":
                yield Structure.PIPELINE
            case "list":
                yield Structure.LIST
            case "negated_command":
                yield Structure.NEGATION
            case "if_statement" | "elif_clause" | "else_clause" | "case_item":
                yield Structure.CONDITION if is_condition(node, parent) else Structure.BRANCH
            case "while_statement" | "for_statement" | "c_style_for_statement":
                if parent.type == "while_statement" and is_condition(node, parent):
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


def operator_of(node: Node) -> Node:
    return next(child for child in node.children if child.type in ("&&", "||"))


def next_statement(node: Node) -> Node | None:
    following = node.next_named_sibling
    while following is not None and following.type == "comment":
        following = following.next_named_sibling
    return None if following is None or following.type in ("elif_clause", "else_clause", "do_group") else following
