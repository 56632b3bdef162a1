"""The builders: edits of a Python file, by splicing."""

from __future__ import annotations

import ast
import copy
import re
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from fixer.languages.python.nodes import text
from fixer.languages.python.plain import (
    Code,
    expression_of,
    is_keyed,
    key_text,
    plain_node,
    plain_of,
    plain_statement,
)
from fixer.languages.python.reading import PythonText, string_of
from fixer.model import Address, Blocked, Change, Edit, Parts, Span, joined
from fixer.records import record

WIDTH = 88
"""Columns of black and ruff; beyond it a dict or call on one line is broken up rather than made longer."""


_NOQA = re.compile(r"noqa\s*:\s*([A-Z]+\d+(?:[\s,]+[A-Z]+\d+)*)")


@record
class _Entry:
    """One entry of a dict or item of a list as it stands in the text, with its comma if it has one."""

    start: int
    end: int
    comma: int | None


@record
class _Patch:
    span: Span
    text: str


class PythonModule(PythonText):
    """One Python file with what edits it."""

    # -- builders -------------------------------------------------------------------------------------------------

    def edit_dict(
        self,
        node: ast.Dict,
        *,
        set: Mapping[str, Any] | None = None,  # noqa: A002
        delete: Iterable[str] = (),
        add: Mapping[str, Any] | None = None,
        after: str = "",
        width: int = WIDTH,
    ) -> Parts:
        """Replaces values, deletes keys, and adds keys after another one (else at the end), in one go.

        Values are plain Python or `Code`. A dict that lost all its keys goes too where it is itself a value in a
        dict. Blocked for a comment in what would be removed, and for a key that is there twice.
        """
        set, add, delete = dict(set or {}), dict(add or {}), tuple(delete)  # noqa: A001
        keys = [key_text(key, value) for key, value in zip(node.keys, node.values, strict=True)]
        refused = self._refused(node, keys, (*set, *delete), add)
        if refused is not None:
            return refused
        if delete and len(delete) == len(keys):
            return self._blocked(node, "would lose every key that it has") if add else self._delete_emptied(node)
        entries = self._entries_of(node)
        gone = {keys.index(name) for name in delete}
        kept = [index for index in range(len(keys)) if index not in gone]
        anchor = keys.index(after) if after in keys and keys.index(after) not in gone else (kept or [-1])[-1]
        patches = self._broken_up(
            node, entries, gone, {keys.index(name): new for name, new in set.items()}, anchor, add, width
        )
        if not patches:
            steps = [self._replace(node.values[i], entries[i].end, set[keys[i]], node) for i in map(keys.index, set)]
            removed = self._remove(node, entries, gone)
            added = self._add(node, entries, anchor, add, keyed=True, width=width) if add else []
            for step in (*steps, removed, added):
                if isinstance(step, Blocked):
                    return step
                patches += [step] if isinstance(step, _Patch) else step

        return self._edits(patches, self._dict_changes(node, keys, set, delete, add, anchor + 1))

    def _refused(
        self, node: ast.Dict, keys: Sequence[str], changed: Iterable[str], added: Mapping[str, Any]
    ) -> Blocked | None:
        for name in changed:
            if keys.count(name) != 1:
                return self._blocked(node, f"has the key {name!r} {keys.count(name)} times")
        if any(name in keys for name in added):
            return self._blocked(node, f"already has a key of {', '.join(added)}")
        if id(node) not in self._addresses:
            return self._blocked(node, "stands in the head of a statement")
        return None

    def _dict_changes(
        self,
        node: ast.Dict,
        keys: Sequence[str],
        changed: Mapping[str, Any],
        deleted: Iterable[str],
        added: Mapping[str, Any],
        at: int,
    ) -> list[Change]:
        """The same as changes of plain data, of single keys: what else is edited in this dict says the same way what
        it does. New keys go before the key of index `at`."""
        address = self._addresses[id(node)]
        if is_keyed(node):
            return [
                *(Change("set", (*address, name), plain_of(new)) for name, new in changed.items()),
                *(Change("delete", (*address, name)) for name in deleted),
                *(Change("set", (*address, name), plain_of(new)) for name, new in added.items()),
            ]
        # A list of pairs: the last first, so that indexes stay true.
        gone = {keys.index(name) for name in deleted}
        changes = [Change("set", (*address, keys.index(name), name), plain_of(new)) for name, new in changed.items()]
        for index in range(len(keys), -1, -1):
            if index in gone:
                changes.append(Change("delete", (*address, index)))
            if index == at:
                pairs = [{name: plain_of(new)} for name, new in added.items()]
                changes += [Change("insert", (*address, index), pair) for pair in reversed(pairs)]
        return changes

    def set_value(self, node: ast.expr, new: Any) -> Parts:
        """Puts another value in the place of an expression. Blocked for a comment within the old one."""
        patch = self._replace(node, self.span(node).end, new, node)
        if isinstance(patch, Blocked):
            return patch
        address = self._addresses.get(id(node))
        if address is not None:
            return self._edits([patch], [Change("set", address, plain_of(new))])

        original = self.parent(node)
        if original is None:
            raise ValueError("not a node of this module")
        fields = list(ast.iter_fields(original))

        def on_parent(clone: ast.AST) -> None:
            for name, old in fields:
                if old is node:
                    setattr(clone, name, expression_of(new))
                elif isinstance(old, list) and any(each is node for each in old):
                    getattr(clone, name)[[each is node for each in old].index(True)] = expression_of(new)

        return self._edits([patch], [self._leaf_change(original, on_parent)])

    def append(self, node: ast.List | ast.Tuple, *values: Any) -> Parts:
        """Adds items at the end of a list or tuple."""
        return self.insert_items(node, len(node.elts), *values)

    def insert_items(
        self, node: ast.List | ast.Tuple, index: int, *values: Any, comment: str = "", width: int = WIDTH
    ) -> Parts:
        """Puts items into a list or tuple before the one at `index`, or at its end; `comment` stands above them where
        they get lines of their own."""
        if (blocked := self._without_brackets(node)) is not None:
            return blocked
        entries = self._entries_of(node)
        added = self._one_item_a_line(node, entries, index, values, comment, width)
        if not added and not index and entries:
            added = self._before_first(node, entries[0], values, comment)
        elif not added:
            added = self._add(node, entries, index - 1, dict(enumerate(values)), keyed=False)
        if isinstance(added, Blocked):
            return added
        address = self._addresses.get(id(node))
        if address is not None and isinstance(node, ast.List):
            return self._edits(
                added, [Change("insert", (*address, index + i), plain_of(new)) for i, new in enumerate(values)]
            )

        def on_copy(clone: ast.List | ast.Tuple) -> None:
            clone.elts[index:index] = map(expression_of, values)

        return self._edits(added, [self._leaf_change(node, on_copy)])

    def move_item(self, node: ast.List | ast.Tuple, old: int, new: int) -> Parts:
        """Puts the item at `old` in front of the one at `new`, which stands before it. Blocked where a comment is about
        it; one that also stands above the item before its new place goes without it."""
        if (blocked := self._without_brackets(node)) is not None:
            return blocked
        entries, value = self._entries_of(node), Code(self.text_of(node.elts[old]))
        if new:
            added = self._add(node, entries, new - 1, {0: value}, keyed=False)
        else:
            added = self._before_first(node, entries[0], [value], "")
        removed = self._remove(node, entries, {old})
        if isinstance(added, Blocked):
            return added
        if isinstance(removed, Blocked):
            return removed
        comment = self._comment_line(entries[old])
        if comment is not None:
            line = self.source.line_start(entries[new - 1].start) if new else 0
            above = self.source.text[self.source.line_start(line - 1) : line] if line else ""
            if above.strip() != self.source.text[comment.start : comment.end].strip():
                return self._blocked(node.elts[old], "has a comment of its own")
            removed = [_Patch(Span(comment.start, removed[0].span.end), "")]
        address = self._addresses.get(id(node))
        if address is not None and isinstance(node, ast.List):
            changes = [Change("delete", (*address, old)), Change("insert", (*address, new), plain_of(value))]
            return self._edits([*added, *removed], changes)

        def on_copy(clone: ast.List | ast.Tuple) -> None:
            clone.elts.insert(new, clone.elts.pop(old))

        return self._edits([*added, *removed], [self._leaf_change(node, on_copy)])

    def _without_brackets(self, node: ast.List | ast.Tuple) -> Blocked | None:
        if isinstance(node, ast.Tuple) and (not self.text_of(node).startswith("(") or not node.elts):
            return self._blocked(node, "is a tuple without parentheses or items")
        return None

    def _comment_line(self, entry: _Entry) -> Span | None:
        """The line right above an entry, with a blank one before it, where it is a comment and the entry stands alone
        below it."""
        text, line = self.source.text, self.source.line_start(entry.start)
        if not line or not self._on_own_lines(entry):
            return None
        start = self.source.line_start(line - 1)
        below = (
            text[self.source.line_end(entry.comma or entry.end) :].lstrip("\r").removeprefix("\n").partition("\n")[0]
        )
        if not text[start:line].strip().startswith("#") or below.strip().rstrip(")],"):
            return None
        before = self.source.line_start(start - 1) if start else 0
        return Span(before if not text[before:start].strip() else start, line)

    def _before_first(
        self, node: ast.expr, first: _Entry, values: Sequence[Any], comment: str
    ) -> list[_Patch] | Blocked:
        """Items at the beginning of a display; below its opening bracket, where what is there has lines of its own."""
        quote = self._quote_in(node)
        texts = [self._render(value, None, quote) for value in values]
        if not self._on_own_lines(first):
            return [_Patch(Span(first.start, first.start), "".join(f"{text}, " for text in texts))]
        opening = self.span(node).start
        start = self.source.line_end(opening)
        indent = self.source.text[self.source.line_start(first.start) : first.start]
        lines = [f"# {comment}"] * bool(comment) + [f"{text}," for text in texts]
        return [_Patch(Span(start, start), "".join(f"{self.source.newline}{indent}{line}" for line in lines))]

    def _one_item_a_line(
        self,
        node: ast.List | ast.Tuple,
        entries: list[_Entry],
        index: int,
        values: Sequence[Any],
        comment: str,
        width: int,
    ) -> list[_Patch] | Blocked:
        """A list on one line gets a line for each item where what is added would not fit; else nothing."""
        text, newline, span = self.source.text, self.source.newline, self.span(node)
        start, end = self.source.line_start(span.start), self.source.line_end(span.end)
        quote = self._quote_in(node)
        texts = [self._render(value, None, quote) for value in values]
        length = end - start + len(", ".join(texts)) + 2
        if "\n" in text[span.start : span.end] or text[span.end : end].strip(" ,)]}") or length <= width:
            return []
        outer = self._margin(start)
        items = [f"{text[entry.start : entry.end]}," for entry in entries]
        items[index:index] = [f"# {comment}"] * bool(comment) + [f"{each}," for each in texts]
        body = "".join(f"{newline}{outer}{self.indentation}{item}" for item in items)
        return [_Patch(span, text[span.start] + body + newline + outer + text[span.end - 1])]

    def add_arguments(self, call: ast.Call, values: Mapping[str, Any], *, width: int = WIDTH) -> Parts:
        """Adds keyword arguments behind those that are there, one a line where the others stand so or would not fit."""
        span = self.span(call)
        opening = next(token.end for token in self._tokens_in(self.span(call.func).end, span.end) if token.text == "(")
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        entries = self._entries(given, opening, span.end - 1)
        texts = [f"{name}={self._render(value, None, self._quote_in(call))}" for name, value in values.items()]
        patches = self._with_arguments(call, Span(opening, span.end - 1), entries, texts, width)
        if isinstance(patches, Blocked):
            return patches

        def on_copy(clone: ast.Call) -> None:
            clone.keywords += [ast.keyword(name, expression_of(value)) for name, value in values.items()]

        return self._edits(patches, [self._leaf_change(call, on_copy)])

    def _with_arguments(
        self, call: ast.Call, inside: Span, entries: list[_Entry], texts: list[str], width: int
    ) -> list[_Patch] | Blocked:
        text, newline = self.source.text, self.source.newline
        if self.comments_in(inside.start, inside.end):
            return self._blocked(call, "has a comment among its arguments")
        if not entries:
            return [_Patch(inside, self._alone(self.span(call), texts, texts, width))]
        last = entries[-1]
        line = self.source.line_start(last.start)
        end = last.end if last.comma is None else last.comma + 1
        if self._on_own_lines(last):
            indent = text[line : last.start]
            added = "".join(f"{newline}{indent}{each}," for each in texts)
            return [_Patch(Span(last.end, end), "," + added)]
        start = self.source.line_start(self.span(call).start)
        alone = "\n" not in text[start : inside.end]
        # All on a line of their own between the brackets, as black has it where that is enough.
        hangs = not text[line : entries[0].start].strip() and not text[end : self.source.line_end(end)].strip()
        fits = self.source.line_end(end if hangs else inside.end) - line + len(", ".join(texts)) + 2 <= width
        if fits or not (alone or hangs):
            return [_Patch(Span(last.end, end), ", " + ", ".join(texts))]
        items = [*(text[entry.start : entry.end] for entry in entries), *texts]
        return [_Patch(inside, self._one_a_line(start, items))]

    def _alone(self, span: Span, texts: Sequence[str], broken: Sequence[str], width: int) -> str:
        """What goes between empty brackets: on their line where there is room for it, else `broken`, one a line."""
        start = self.source.line_start(span.start)
        joined = ", ".join(texts)
        fits = self.source.line_end(span.end) - start + len(joined) <= width
        return joined if fits else self._one_a_line(start, broken)

    def _one_a_line(self, line: int, items: Sequence[str]) -> str:
        """The items, each on a line of its own below the line that starts at `line`, and the margin of what follows."""
        outer, newline = self._margin(line), self.source.newline
        return "".join(f"{newline}{outer}{self.indentation}{each}," for each in items) + newline + outer

    def _margin(self, line: int) -> str:
        """The blanks at the start of a line."""
        text = self.source.text[line : self.source.line_end(line)]
        return text[: len(text) - len(text.lstrip(" \t"))]

    def insert_after(self, statement: ast.stmt, code: str, *, blank_lines: int = 0) -> Parts:
        """Adds statements after another one, at its indentation. `code` is dedented and has no blank lines around it.

        Blocked where the statement shares its line with another.
        """
        span = self.span(statement)
        end = self.source.line_end(span.end)
        if any(token.kind != tokenize.COMMENT for token in self._tokens_in(span.end, end)) or not self._is_first(span):
            return self._blocked(statement, "shares its line with other code")
        indent = self.source.text[self.source.line_start(span.start) : span.start]
        *at, index = self._addresses[id(statement)]
        following = self.source.text[end:].removeprefix("\r").removeprefix("\n").partition("\n")[0]
        below = blank_lines if following.strip() else 0
        return self._insert(end, code, indent, (*at,), int(index) + 1, blank_lines, below)

    def append_code(self, code: str, *, blank_lines: int = 1) -> Parts:
        """Adds statements at the end of the file, below everything that is there."""
        text = self.source.text
        end = len(text.rstrip("\r\n"))
        if self.tree.body and isinstance(self.tree.body[-1], ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            blank_lines = max(blank_lines, 2)  # E305 of pycodestyle
        if not text.strip():  # a form feed or blanks alone are a line of their own
            blank_lines = 0 if end else -1
        return self._insert(end, code, "", (), len(self.tree.body), blank_lines)

    def add_import(self, module: str, above: ast.AST | None = None) -> Parts:
        """Adds `import module` among the imports at the top; nothing where `above`, a node, can name it already."""
        if self.name_of(module, above):
            return ()
        head = self._import_head()
        plain = [s for s in head if isinstance(s, ast.Import) and _is_standard(s.names[0].name)]
        earlier = [s for s in plain if s.names[0].name < module]
        if earlier and _is_standard(module):
            return self.insert_after(earlier[-1], f"import {module}")
        before = next((s for s in head if not _is_future(s)), None)
        if before is None and head:
            return self.insert_after(head[-1], f"import {module}", blank_lines=1)
        if before is None:
            return self._import_first(f"import {module}")
        return self._imports_above(before, module)

    def _imports_above(self, before: ast.Import | ast.ImportFrom, *modules: str) -> Parts:
        """In front of the first import, with a blank line between where that is not of the standard library."""
        first = before.names[0].name if isinstance(before, ast.Import) else "." * before.level + (before.module or "")
        start = self.source.line_start(self.span(before).start)
        start = self._comment_above(start) or start  # a comment at the very top is the file's own
        newline = self.source.newline
        lines = [f"import {module}" for module in modules]
        below = "" if _is_standard(first) else newline
        patch = _Patch(Span(start, start), "".join(line + newline for line in lines) + below)
        index = int(self._addresses[id(before)][0])
        return self._edits([patch], [Change("insert", (at,), line) for at, line in enumerate(lines, index)])

    def add_imports(self, *modules: str) -> Parts:
        """The same for several modules, which stand in one block where the file has no imports yet."""
        missing = [module for module in modules if not self.name_of(module)]
        if not self._import_head() and missing:
            return self._import_first(*(f"import {module}" for module in missing))
        own = [each for each in self._import_head() if not _is_future(each)]
        if missing and own and not any(_is_standard(_first_module(each)) for each in own):
            return self._imports_above(own[0], *missing)
        return joined(self.add_import(module) for module in missing)

    def add_import_from(self, module: str, name: str, *, first: bool = False) -> Parts:
        """Adds `from module import name` among the imports at the top, in the order of their modules. `first`: where
        nothing of its package is imported yet, in a section above all but the standard library's."""
        if self.imported.get(name) == f"{module}.{name}":
            return ()
        code = f"from {module} import {name}"
        head = self._import_head()
        if _is_standard(module) and head:
            return self._add_standard_import(head, module, code)
        earlier = [
            statement
            for statement in head
            if isinstance(statement, ast.ImportFrom)
            and not _is_future(statement)
            and not statement.level
            and (statement.module or "") < module
            and not _is_standard(statement.module or "")
        ]
        # Sections may be told apart by their packages: what is of the same one shows where its section is.
        package = module.partition(".")[0]
        same = [s for s in head if isinstance(s, ast.ImportFrom) and not s.level and _package(s) == package]
        if same:
            return self._in_order(same, module, code)
        below = [s for s in self._plain_imports() if s not in head and not s.level and _package(s) == package]
        if below:
            # What linters are told of an import below other code holds for both.
            told = [_below_code(comment) for comment in self.comments_beside(below[-1]) if "noqa" in comment]
            return self._in_order(below, module, "  ".join([code, *filter(None, told)]))
        others = [each for each in head if not _is_future(each) and not _is_standard(_first_module(each))]
        if first and others:
            return self._insert_import_before(others[0], code + self.source.newline)
        if earlier:
            return self.insert_after(earlier[-1], code)
        later = [s for s in head if isinstance(s, ast.ImportFrom) and not s.level and (s.module or "") > module]
        if later and not _is_standard(later[0].module or ""):
            return self._insert_import_before(later[0], code)
        if head:
            return self.insert_after(head[-1], code, blank_lines=1)
        body = self.tree.body
        if body and _is_docstring(body[0]):
            return self.insert_after(body[0], code, blank_lines=1)
        return self._blocked(body[0], "has no imports above it") if body else ()

    def _add_standard_import(self, head: Sequence[ast.Import | ast.ImportFrom], module: str, code: str) -> Parts:
        """Among the imports of the standard library, behind the plain ones; above all where there are none."""
        future = [each for each in head if _is_future(each)]
        plain = [each for each in head if isinstance(each, ast.Import) and _is_standard(each.names[0].name)]
        named = [each for each in head if isinstance(each, ast.ImportFrom) and each not in future and not each.level]
        named = [each for each in named if _is_standard(each.module or "")]
        if named:
            return self._in_order(named, module, code)
        if plain:
            return self.insert_after(plain[-1], code)
        if future:
            return self.insert_after(future[-1], code, blank_lines=1)
        return self._insert_import_before(head[0], code + self.source.newline)

    def _in_order(self, there: Sequence[ast.ImportFrom], module: str, code: str) -> Parts:
        """Behind the last of these imports whose module comes before this one, else in front of the first."""
        above = [each for each in there if (each.module or "") < module]
        return self.insert_after(above[-1], code) if above else self._insert_import_before(there[0], code)

    def add_sibling(
        self, package: str, name: str, *, relative: bool, known: bool, alone: bool = False, last: bool = True
    ) -> Parts | None:
        """Imports a module of the same package among the imports at the top, as the others of the package are; None
        where it cannot be told where it goes.

        `relative`: `from . import …` may be written. `known`: what sorts imports takes the package for the project's
        own. `alone`: each name has a line of its own. `last`: nothing else is imported below the relative ones.
        """
        head = self._import_head()
        near = [each for each in head if isinstance(each, ast.ImportFrom) and each.level == 1]
        absolute = [each for each in head if isinstance(each, ast.Import) or not each.level]
        top = (package or name).partition(".")[0]
        alike = [each for each in absolute if _first_module(each).partition(".")[0] == top and not _is_future(each)]
        if relative and package and (near or not alike):
            return self._add_relative(name, head, near, alone=alone, last=last)
        code = f"from {package} import {name}" if package else f"import {name}"
        if not head:
            return self._import_first(code)
        if alike:
            return self._add_alike(package, name, code, alike, alone=alone)
        if not known:
            return None
        if len(absolute) < len(head):
            first = next(each for each in head if each not in absolute)
            return self._insert_import_before(first, code + self.source.newline)
        return self.insert_after(head[-1], code, blank_lines=1)

    def _add_alike(
        self, package: str, name: str, code: str, alike: Sequence[ast.Import | ast.ImportFrom], *, alone: bool
    ) -> Parts | None:
        """Among other imports of the project's own packages, in the order of their modules, plain ones first."""
        kind = ast.ImportFrom if package else ast.Import
        same = [each for each in alike if isinstance(each, kind)]
        there = [each for each in same if isinstance(each, ast.ImportFrom) and each.module == package]
        if there and not alone:
            return self._import_too(there[0], name)
        above = [each for each in same if (_first_module(each), _first_name(each)) < (package or name, name)]
        if above:
            return self.insert_after(above[-1], code)
        if same:
            return self._insert_import_before(same[0], code)
        return self.insert_after(alike[-1], code) if package else self._insert_import_before(alike[0], code)

    def _add_relative(
        self,
        name: str,
        head: Sequence[ast.Import | ast.ImportFrom],
        near: Sequence[ast.ImportFrom],
        *,
        alone: bool,
        last: bool,
    ) -> Parts | None:
        code = f"from . import {name}"
        if not head:
            return self._import_first(code)
        if not near and not last:
            return None
        if not near:
            is_above = isinstance(head[-1], ast.ImportFrom) and head[-1].level > 1
            return self.insert_after(head[-1], code, blank_lines=0 if is_above else 1)
        if near[0].module:
            return self._insert_import_before(near[0], code)
        if not alone:
            return self._import_too(near[0], name)
        above = [each for each in near if not each.module and each.names[0].name < name]
        return self.insert_after(above[-1], code) if above else self._insert_import_before(near[0], code)

    def _insert_import_before(self, statement: ast.Import | ast.ImportFrom, code: str) -> Parts:
        start = self.source.line_start(self.span(statement).start)
        patch = _Patch(Span(start, start), code + self.source.newline)
        meaning = plain_statement(ast.parse(code).body[0])  # without what the code says to linters
        return self._edits([patch], [Change("insert", (int(self._addresses[id(statement)][0]),), meaning)])

    def _import_too(self, statement: ast.ImportFrom, name: str) -> Parts | None:
        """Another name for `from . import a, b`, or for the same of a package, in the order of the alphabet."""
        names = [*(alias.name for alias in statement.names), name]
        plain = all(alias.asname is None for alias in statement.names) and not self.spans_lines(statement)
        if not plain or names[:-1] != sorted(names[:-1]) or "(" in self.text_of(statement):
            return None
        code = f"from {'.' * statement.level}{statement.module or ''} import {', '.join(sorted(names))}"
        address = self._addresses[id(statement)]
        return self._edits([_Patch(self.span(statement), code)], [Change("set", address, code)])

    def _comment_above(self, start: int) -> int:
        """Where the block of comments that stands right above a line begins; the line itself where there is none."""
        found = start
        while found:
            line = self.source.line_start(found - 1)
            if not self.source.text[line:found].lstrip().startswith("#"):
                break
            found = line
        return found

    def literal(self, value: Any) -> str:
        """A value as this module would write it at its top level, dicts over several lines."""
        return self._render(value, "", self.quote)

    def inline(self, value: Any) -> str:
        """A value as this module would write it, all on one line."""
        return self._render(value, None, self.quote)

    # -- how builders do it ---------------------------------------------------------------------------------------

    def _import_head(self) -> list[ast.Import | ast.ImportFrom]:
        """The imports at the very top, below the docstring."""
        found: list[ast.Import | ast.ImportFrom] = []
        for index, statement in enumerate(self.tree.body):
            if isinstance(statement, ast.Import | ast.ImportFrom) and self._is_first(self.span(statement)):
                found.append(statement)
            elif index or not _is_docstring(statement):
                break
        return found

    def _plain_imports(self) -> list[ast.ImportFrom]:
        """What the module takes from others under no condition, also below other code."""
        return [s for s in self.tree.body if isinstance(s, ast.ImportFrom) and self._is_first(self.span(s))]

    def _import_first(self, *lines: str) -> Parts:
        body = self.tree.body
        if body and _is_docstring(body[0]):
            return self.insert_after(body[0], "\n".join(lines), blank_lines=1)
        start = self.source.line_start(self.span(body[0]).start) if body else len(self.source.text)
        start = self._comment_above(start) or start  # a comment at the very top is the file's own
        newline = self.source.newline
        above = "" if not start or self.source.text[start - 1] == "\n" else newline
        patch = _Patch(Span(start, start), above + "".join(line + newline for line in lines) + newline)
        return self._edits([patch], [Change("insert", (index,), line) for index, line in enumerate(lines)])

    def _insert(
        self, end: int, code: str, indent: str, at: Address, index: int, blank_lines: int, below: int = 0
    ) -> Parts:
        code = code.replace("\r\n", "\n").strip("\n")
        lines = [indent + line if line.strip() else "" for line in code.split("\n")]
        text = ("\n" * (blank_lines + 1) + "\n".join(lines) + "\n" * below).replace("\n", self.source.newline)
        changes = [
            Change("insert", (*at, index + i), plain_statement(new)) for i, new in enumerate(ast.parse(code).body)
        ]
        return self._edits([_Patch(Span(end, end), text)], changes)

    def _entries_of(self, node: ast.Dict | ast.List | ast.Tuple) -> list[_Entry]:
        span = self.span(node)
        return self._entries(node.values if isinstance(node, ast.Dict) else node.elts, span.start + 1, span.end - 1)

    def _entries(self, values: Sequence[ast.expr], first: int, last: int) -> list[_Entry]:
        """What stands between the outermost commas of a display; a comma after a comment still belongs to its entry."""
        ends = [self.span(each).end for each in values]  # a lambda has commas of its own
        found: list[_Entry] = []
        depth, start, end = 0, -1, -1
        for token in self._tokens_in(first, last):
            if token.kind == tokenize.COMMENT:
                continue
            if token.kind == tokenize.OP and token.text == "," and not depth and token.start >= ends[len(found)]:
                found.append(_Entry(start, end, token.start))
                start = -1
                continue
            if token.kind == tokenize.OP:
                depth += (token.text in "([{") - (token.text in ")]}")
            start, end = (token.start if start < 0 else start), token.end
        if start >= 0:
            found.append(_Entry(start, end, None))
        return found

    def _is_first(self, span: Span) -> bool:
        """Whether nothing but space stands before it on its line."""
        return not self.source.text[self.source.line_start(span.start) : span.start].strip()

    def _on_own_lines(self, entry: _Entry) -> bool:
        """Whether nothing but a comment shares the entry's lines."""
        end = entry.end if entry.comma is None else entry.comma + 1
        after = self._tokens_in(end, self.source.line_end(end))
        return self._is_first(Span(entry.start, end)) and all(token.kind == tokenize.COMMENT for token in after)

    def _add(
        self,
        node: ast.expr,
        entries: list[_Entry],
        anchor: int,
        add: Mapping[Any, Any],
        *,
        keyed: bool,
        width: int = WIDTH,
    ) -> list[_Patch] | Blocked:
        span = self.span(node)
        quote = self._quote_in(node)
        if not entries:
            if self.comments_in(span.start, span.end):
                return self._blocked(node, "is empty but for a comment")
            pairs = [self._pair(name, new, "", quote, keyed) for name, new in add.items()]
            inner = self._margin(self.source.line_start(span.start)) + self.indentation
            broken = [self._pair(name, new, inner, quote, keyed, trailing=True) for name, new in add.items()]
            inside = self._alone(span, pairs, broken, width) if keyed else ", ".join(pairs)
            return [_Patch(Span(span.start + 1, span.end - 1), inside)]
        entry = entries[anchor]
        if not self._on_own_lines(entry):
            start = self.source.line_start(entry.start)
            if (
                keyed
                and self._is_first(Span(entry.start, entry.end))
                and not self.comments_in(entry.end, self.source.line_end(entry.end))
            ):  # the last of several lines, which the closing brace shares
                indent = self.source.text[start : entry.start]
                pairs = [self._pair(name, new, indent, quote, keyed, trailing=True) for name, new in add.items()]
                text = "".join(f",{self.source.newline}{indent}{pair}" for pair in pairs)
                return [_Patch(Span(entry.end, entry.end), text)]
            inside = ", ".join(self._pair(name, new, "", quote, keyed) for name, new in add.items())
            # A comment behind the closing bracket is about the whole, and stays behind it.
            if self.comments_in(entry.end, min(span.end, self.source.line_end(entry.end))):
                return self._blocked(node, "has a comment where the new entry would go")
            return [_Patch(Span(entry.end, entry.end), f", {inside}")]
        indent = self.source.text[self.source.line_start(entry.start) : entry.start]
        pairs = [self._pair(name, new, indent, quote, keyed, trailing=True) for name, new in add.items()]
        end = entry.end if entry.comma is None else entry.comma + 1
        at = self.source.line_end(end)
        newline = self.source.newline
        text = "".join(f"{newline}{indent}{pair}," for pair in pairs)
        if entry.comma is not None:
            return [_Patch(Span(at, at), text)]
        if len(entries) > 1:  # black puts no comma behind the only entry, and one behind the last of several
            text = text[:-1]
        if at == end:
            return [_Patch(Span(at, at), "," + text)]
        return [_Patch(Span(end, end), ","), _Patch(Span(at, at), text)]

    def _broken_up(
        self,
        node: ast.Dict,
        entries: list[_Entry],
        gone: set[int],
        changed: Mapping[int, Any],
        anchor: int,
        add: Mapping[str, Any],
        width: int,
    ) -> list[_Patch]:
        """A dict on one line gets a line for each entry where what is added would not fit; else nothing."""
        text, span = self.source.text, self.span(node)
        start, end = self.source.line_start(span.start), self.source.line_end(span.end)
        quote = self._quote_in(node)
        inside = ", ".join(self._pair(name, new, "", quote, True) for name, new in add.items())
        alone = "\n" not in text[span.start : span.end] and not text[span.end : end].strip(" ,)]}")
        if not add or not entries or not alone or end - start + len(inside) + 2 <= width:
            return []
        inner = self._margin(start) + self.indentation
        lines: list[str] = []
        for index, entry in enumerate(entries):
            if index in changed:
                value = self._render(changed[index], inner, quote)
                lines.append(f"{string_of(key_text(node.keys[index], node.values[index]), quote)}: {value}")
            elif index not in gone:
                lines.append(text[entry.start : entry.end])
            if index == anchor:
                lines += [self._pair(name, new, inner, quote, True, trailing=True) for name, new in add.items()]
        return [_Patch(span, "{" + self._one_a_line(start, lines) + "}")]

    def _pair(self, name: Any, new: Any, indent: str, quote: str, keyed: bool, *, trailing: bool = False) -> str:
        text = self._render(new, indent if trailing else None, quote)
        return f"{string_of(name, quote)}: {text}" if keyed else text

    def _render(self, new: Any, indent: str | None, quote: str) -> str:
        """The text of a value; on one line where `indent` is None."""
        if isinstance(new, Code):
            return new.text
        if isinstance(new, str):
            return string_of(new, quote)
        if not isinstance(new, dict | list) or not new:
            return repr(new)
        opening, closing = "{}" if isinstance(new, dict) else "[]"
        inner = None if indent is None else indent + self.indentation
        if isinstance(new, dict):
            items = [f"{string_of(key, quote)}: {self._render(item, inner, quote)}" for key, item in new.items()]
        else:
            items = [self._render(item, inner, quote) for item in new]
        if indent is None or (isinstance(new, list) and len(", ".join(items)) < 60):
            return opening + ", ".join(items) + closing
        newline = self.source.newline
        return opening + "".join(f"{newline}{inner}{item}," for item in items) + newline + indent + closing

    def _quote_in(self, node: ast.AST) -> str:
        """The quote of most strings in an expression, of a dict's keys first; else that of what is around it."""
        around: ast.AST | None = node
        while around is not None and not isinstance(around, ast.Module):
            keys = [key for key in around.keys if key is not None] if isinstance(around, ast.Dict) else []
            quotes = self._quotes_in(keys) or self._quotes_in([around] if hasattr(around, "lineno") else [])
            if quotes:
                return max((self.quote, "'", '"'), key=quotes.count)
            around = self.parent(around)
        return self.quote

    def _quotes_in(self, nodes: Iterable[ast.AST]) -> list[str]:
        """The quotes of the strings on one line in some expressions; not of those with a quote within."""
        return [
            token.text[0]
            for span in map(self.span, nodes)
            for token in self._tokens_in(span.start, span.end)
            if token.kind == tokenize.STRING and token.text[0] in "'\"" and not {"'", '"'} & {*token.text[1:-1]}
        ]

    def _replace(self, old: ast.expr, end: int, new: Any, within: ast.expr) -> _Patch | Blocked:
        span = self.span(old)
        if self.comments_in(span.start, end):
            return self._blocked(old, "has a comment within")
        closing = self.source.text[span.end : end].count(")")  # parentheses around it, which `ast` does not count
        if closing:
            opening = [token.start for token in self._tokens_in(0, span.start) if token.text == "("]
            span = Span(opening[-closing], end)
        many = isinstance(new, dict) and self.spans_lines(within)
        indent = self._margin(self.source.line_start(span.start)) if many else None
        return _Patch(span, self._render(new, indent, self._quote_in(within)))

    def spans_lines(self, node: ast.AST) -> bool:
        """Whether a statement or expression has more than one line."""
        span = self.span(node)
        return "\n" in self.source.text[span.start : span.end]

    def _remove(self, node: ast.expr, entries: list[_Entry], gone: set[int]) -> list[_Patch] | Blocked:
        patches: list[_Patch] = []
        for first, last in _runs(sorted(gone)):
            run = entries[first : last + 1]
            if all(self._on_own_lines(entry) for entry in run):
                start, end = self.source.line_start(run[0].start), self.source.line_end(run[-1].comma or run[-1].end)
                end = self.source.text.index("\n", end) + 1
            elif last + 1 < len(entries):
                start, end = run[0].start, entries[last + 1].start
            else:
                start, end = entries[first - 1].end, run[-1].end
            if self.comments_in(start, end):
                return self._blocked(node, "has a comment in what would be removed")
            patches.append(_Patch(Span(start, end), ""))
        return patches

    def _delete_emptied(self, node: ast.Dict) -> Parts:
        holder = self.parent(node)
        if isinstance(holder, ast.Dict):
            key = holder.keys[[value is node for value in holder.values].index(True)]
            return self.edit_dict(holder, delete=(key_text(key, node),))
        span = self.span(node)
        if self.comments_in(span.start, span.end):
            return self._blocked(node, "has a comment in what would be removed")
        return self.set_value(node, {})

    def _leaf_change(self, node: ast.AST, edit: Callable[[Any], None]) -> Change:
        """The change of the whole expression or statement, the smallest that the plain data shows, around a node."""
        leaf: ast.AST | None = node
        while leaf is not None and id(leaf) not in self._addresses:
            leaf = self.parent(leaf)
        if leaf is None:
            raise ValueError("not a node of this module")
        known: dict[int, Any] = {}
        clone = copy.deepcopy(leaf, known)
        edit(known[id(node)])
        at, was, now = self._addresses[id(leaf)], plain_node(leaf), plain_node(clone)
        around = isinstance(was, dict) and was.keys() == {"code", "displays"}
        if around and isinstance(now, dict) and now.get("displays") == was["displays"]:
            return Change("set", (*at, "code"), now["code"])  # edits of the displays say themselves what they do
        return Change("set", at, now)

    def _edits(self, patches: Sequence[_Patch], changes: Sequence[Change]) -> tuple[Edit, ...]:
        """Edits of one builder call; the first carries what they mean together."""
        return tuple(
            Edit(self.path, patch.span, patch.text, () if index else tuple(changes))
            for index, patch in enumerate(sorted(patches, key=lambda patch: (patch.span.start, patch.span.end)))
        )

    def _blocked(self, node: ast.AST, reason: str) -> Blocked:
        name = self.text_of(node).partition("\n")[0][:40]
        return Blocked(f"{self.path}:{self.line_of(node)}: `{name}` {reason}", "change it by hand")


def _runs(indexes: list[int]) -> Iterator[tuple[int, int]]:
    """(first, last) of every run of consecutive numbers."""
    breaks = [i for i, (left, right) in enumerate(pairwise(indexes), 1) if right != left + 1]
    for start, end in pairwise([0, *breaks, len(indexes)]):
        if end > start:
            yield indexes[start], indexes[end - 1]


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and text(statement.value) != ""


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def _package(statement: ast.ImportFrom) -> str:
    return (statement.module or "").partition(".")[0]


def _first_module(statement: ast.Import | ast.ImportFrom) -> str:
    return statement.names[0].name if isinstance(statement, ast.Import) else statement.module or ""


def _first_name(statement: ast.Import | ast.ImportFrom) -> str:
    return statement.names[0].name


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _below_code(comment: str) -> str:
    """What a comment tells linters of an import that stands below other code; the rest is about its own name."""
    codes = _NOQA.search(comment)
    if codes is None:
        return comment
    return "# noqa: E402" if "E402" in codes[1] else ""
