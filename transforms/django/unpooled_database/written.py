"""Where and how it is written: into the literal, the arguments of a call, or as lines below."""

import ast
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from fixer.django.settings import Database, SettingsModule, is_item, resolve
from fixer.languages.python import Code, PythonModule, constant, dotted
from fixer.model import Blocked, Parts, listed
from transforms.django.unpooled_database.cell import Cell
from transforms.django.unpooled_database.homes import homes_of
from transforms.django.unpooled_database.lacking import Wanted
from transforms.django.unpooled_database.said import Age, Said, named, number, replacing_update

URL_CALLS = re.compile(r"^dj_database_url\.(config|parse)$|\.dj_db_url$")


def edits(settings: SettingsModule, said: Said, cell: Cell, wanted: Wanted) -> Iterator[Parts]:
    database = said.database
    if wanted.zero is not None:
        yield _zeroed(wanted.zero)
    homes = () if _suits_development(said, cell, wanted) else homes_of(cell.project, settings, database)
    update = replacing_update(cell.project.later_of(database))
    if homes:
        there = f" (in {listed(h.path for h in homes)})"
        # What is set to 0 is so where it stands.
        own = f"{said.at}.CONN_MAX_AGE: 0" if wanted.zero is not None else None
        wanted.effects = [
            effect if own is not None and effect.startswith(own) else effect + there for effect in wanted.effects
        ]
        for home in homes:
            yield from _lines_in(home.document, said, cell, wanted)
        if wanted.delete and isinstance(database.node, ast.Dict):
            yield database.module.edit_dict(database.node, delete=wanted.delete)
    elif update is not None and update.value is not None:
        yield from _around_call(update.module, update.value, update.statement, said, cell, wanted)
    elif isinstance(database.node, ast.Dict):
        yield from _in_literal(said, cell, wanted)
    elif wanted.add:
        yield from _around_call(database.module, database.node, database.statement, said, cell, wanted)


def _suits_development(said: Said, cell: Cell, wanted: Wanted) -> bool:
    """Whether what is added may as well hold for development and tests: they may keep connections for as long as they
    do already, but no longer; and a wait for one may end there, too, as long as none of them turns to another engine.
    """
    database = said.database
    if wanted.delete:
        return False
    if wanted.add:
        return wanted.add.keys() <= {"CONN_HEALTH_CHECKS"} and "CONN_MAX_AGE" in named(database)
    changed = {later.module.path for later in cell.project.later_of(database)}
    modules = (cell.project.modules[path] for path in changed if path in cell.project.modules)
    spared = any(module.role in ("development", "test") for module in modules)
    return wanted.add_options.keys() == {"connect_timeout"} and not spared


def _in_literal(said: Said, cell: Cell, wanted: Wanted) -> Iterator[Parts]:
    database, options, module = said.database, said.options, said.database.module
    assert isinstance(database.node, ast.Dict)
    add = dict(wanted.add)
    set_: dict[str, Any] = {}
    if wanted.add_options and options is None:
        if annotation := _without_dicts(database.statement):
            yield Blocked(
                f"DATABASES is annotated as {annotation}, which has no place for the dict of OPTIONS",
                "annotate it as `dict[str, dict[str, Any]]`, then run fhfix again",
            )
            return
        add["OPTIONS"] = wanted.add_options
    elif wanted.add_options and options is database.options and not module.spans_lines(database.node):
        # All on one line, which may get too long and be broken up: one edit for both.
        assert options is not None
        given = {_key(name): Code(module.text_of(v)) for name, v in zip(options.keys, options.values, strict=True)}
        set_["OPTIONS"] = {**given, **wanted.add_options}
    elif wanted.add_options and options is not None:
        width = cell.width(said.options_in)
        yield said.options_in.edit_dict(options, add=wanted.add_options, width=width)
    if add or set_ or wanted.delete:
        yield module.edit_dict(database.node, add=add, set=set_, delete=wanted.delete, width=cell.width(module))


def _without_dicts(statement: ast.stmt) -> str:
    """The annotation of what is assigned, where a type checker would refuse a dict among the values of a database."""
    said = ast.unparse(statement.annotation) if isinstance(statement, ast.AnnAssign) else ""
    inner = re.fullmatch(r"dict\[str, dict\[str, (.+)\]\]", said, re.IGNORECASE)
    return said if inner and not re.search(r"\b(Any|object|dict|Mapping)\b", inner[1], re.IGNORECASE) else ""


def _key(node: ast.expr | None) -> str:
    return str(constant(node))


def _around_call(
    module: PythonModule, value: ast.expr, statement: ast.stmt, said: Said, cell: Cell, wanted: Wanted
) -> Iterator[Parts]:
    """Arguments of what makes the database from a URL, else lines below the statement."""
    call = resolve(module, value)
    lines = dict(wanted.add)
    if isinstance(call, ast.Call) and URL_CALLS.search(_origin(module, call.func)):
        names = [name for name in lines if name != "CONN_HEALTH_CHECKS" or cell.takes_health_checks(module.path)]
        arguments = {name.lower(): lines[name] for name in names}
        if names and _may_take(module, call, arguments, cell.width(module)):
            lines = {name: value for name, value in lines.items() if name not in names}
            yield module.add_arguments(call, arguments, width=cell.width(module))
    if lines and (item := _item_of_variable(module, value, statement)):
        name, last = item
        code = "\n".join(f"{name}[{module.quoted(key)}] = {set_to!r}" for key, set_to in lines.items())
        yield module.insert_after(last, code)
    elif lines:
        last = _last_about(module, statement)
        noqa = _noqa(module, cell)
        code = "\n".join(f"{_target(module, said.database, n)} = {value!r}{noqa}" for n, value in lines.items())
        yield module.insert_after(last, code)


def _item_of_variable(module: PythonModule, value: ast.expr, statement: ast.stmt) -> tuple[str, ast.stmt] | None:
    """The variable that a database is kept in, with the last of its keys that are set one by one before it is used:
    `CONFIG["CONN_MAX_AGE"] = 60`."""
    if not isinstance(value, ast.Name) or statement not in module.tree.body:
        return None
    used = [each for each in ast.walk(module.tree) if isinstance(each, ast.Name) and each.id == value.id]
    items = [each for each in used if isinstance(module.parent(each), ast.Subscript)]
    if len(used) - len(items) > 2:  # what makes it and what takes it; a copy would take over what is set above
        return None
    above = module.tree.body[: module.tree.body.index(statement)]
    setting = [each for each in above if is_item(each) and any(node in items for node in ast.walk(each))]
    return (value.id, setting[-1]) if setting else None


def _may_take(module: PythonModule, call: ast.Call, arguments: Mapping[str, Any], width: int) -> bool:
    """Whether the call has room for arguments on its line, or may have a line for each: not within a dict on one."""
    holder = module.parent(call)
    if not isinstance(holder, ast.Dict) or module.spans_lines(holder):
        return True
    longer = sum(len(f", {name}={value!r}") for name, value in arguments.items())
    end = module.source.line_end(module.span(call).end)
    return end - module.source.line_start(module.span(call).start) + longer <= width


def _origin(module: PythonModule, function: ast.expr) -> str:
    """The full name of what is called: `dj_database_url.parse` for `parse as db_url`."""
    head, _, tail = dotted(function).partition(".")
    return f"{module.imported.get(head, head)}.{tail}".strip(".")


def _speaker(module: PythonModule, database: Database) -> PythonModule:
    """The module whose quotes count: that of the database, where one that takes it over has no text at all."""
    return module if module.own_quote else database.module


def _target(module: PythonModule, database: Database, *names: str) -> str:
    quoted = _speaker(module, database).quoted
    alias = quoted(database.alias)
    statement = database.statement
    if database.module is module and isinstance(statement, ast.Assign) and is_item(statement):
        target = statement.targets[0]
        assert isinstance(target, ast.Subscript)
        if isinstance(target.slice, ast.Name | ast.Attribute):  # a name that stands for the alias
            alias = ast.unparse(target.slice)
    return "DATABASES" + "".join(f"[{each}]" for each in (alias, *map(quoted, names)))


def _noqa(module: PythonModule, cell: Cell) -> str:
    """What linters need where DATABASES comes by a star, if that import itself needs it."""
    if "DATABASES" in module.assignments or "DATABASES" in module.imported:
        return ""
    stars = [each for each in module.tree.body if isinstance(each, ast.ImportFrom) and each.names[0].name == "*"]
    # Where one name of a star is marked, or the star itself, others are as well.
    marked = any("F405" in "".join(module.comments_beside(each)) for each in module.tree.body) or any(
        "noqa" in "".join(module.comments_beside(each)) for each in stars
    )
    return cell.styles.of(module.path).noqa("F405") if marked else ""


def _lines_in(module: PythonModule, said: Said, cell: Cell, wanted: Wanted) -> Iterator[Parts]:
    """The same as lines in a module that takes DATABASES over."""
    last = next((each for each in reversed(module.tree.body) if _speaks(each) or _takes_over(each)), None)
    if last is None:
        yield Blocked(f"{module.path} takes DATABASES over nowhere at its top level", "set it there by hand")
        return
    noqa = _noqa(module, cell)
    values: list[tuple[tuple[str, ...], Any]] = [((name,), value) for name, value in wanted.add.items()]
    if wanted.add_options and said.options is None:
        values.append((("OPTIONS",), wanted.add_options))
    else:
        values += [(("OPTIONS", name), value) for name, value in wanted.add_options.items()]
    inline = _speaker(module, said.database).inline
    code = "\n".join(f"{_target(module, said.database, *names)} = {inline(value)}{noqa}" for names, value in values)
    if code:
        below_imports = cell.styles.of(module.path).blank_lines_after_imports
        place = last if _speaks(last) else _last_import(module, last)
        yield module.insert_after(place, code, blank_lines=0 if _speaks(last) else below_imports)


def _last_import(module: PythonModule, statement: ast.stmt) -> ast.stmt:
    """The last of the imports that follow a statement at once: nothing belongs between them."""
    below = module.tree.body[module.tree.body.index(statement) + 1 :]
    following = takewhile(lambda each: isinstance(each, ast.Import | ast.ImportFrom), below)
    return next(iter(reversed(list(following))), statement)


def _zeroed(age: Age) -> Parts:
    value, node = number(age)
    if node is None:
        return Blocked(f"{age.at} keeps connections, for how long cannot be told", "set CONN_MAX_AGE to 0 there")
    return age.module.set_value(node, "0" if isinstance(value, str) else 0)


def _last_about(module: PythonModule, statement: ast.stmt) -> ast.stmt:
    """The last plain statement about DATABASES in the block of the one that defines it."""
    holder: Any = module.parent(statement)
    blocks = [b for b in (getattr(holder, name, None) for name in ("body", "orelse", "finalbody")) if b]
    block = next(b for b in blocks if any(each is statement for each in b))
    start = next(index for index, each in enumerate(block) if each is statement)
    about = [each for each in block[start:] if _speaks(each) and not hasattr(each, "body")]
    return about[-1] if about else statement


def _speaks(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "DATABASES" for node in ast.walk(statement))


def _takes_over(statement: ast.stmt) -> bool:
    names = {alias.name for alias in statement.names} if isinstance(statement, ast.ImportFrom) else set()
    return bool(names & {"*", "DATABASES"})
