"""Python modules: positions, meaning, and edits that keep the file's own style."""

from __future__ import annotations

import ast
import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixer.languages.python import Code, PythonModule, has_spread, is_settings, item, key
from fixer.model import Blocked, Edit, FileError, Parts, Source
from fixer.splice import splice
from fixer.verify import kept_promise, second_reading


def module(text: str, path: str = "app/settings.py") -> PythonModule:
    return PythonModule.parse(Source.from_bytes(path, text.encode()))


def value(found: PythonModule, name: str = "D") -> Any:
    return found.assignments[name][-1]


def edited(found: PythonModule, parts: Parts) -> str:
    """The text after the edits, which mean what they say and which another reader reads, too."""
    assert not isinstance(parts, Blocked), parts
    after = Source(found.path, splice(found.source.text, parts), found.source.bom)
    kept_promise(found, parts, after)
    assert second_reading(after) == ""
    return after.text


def dedent(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


# -- reading ------------------------------------------------------------------------------------------------------


def test_positions_count_characters_not_bytes_and_leave_the_mark_out() -> None:
    source = Source.from_bytes("s.py", "\ufeffNAME = 'é€😀'; D = {'ä': 1, 'ß': [2]}\r\n".encode())
    found = PythonModule.parse(source)

    assert source.bom
    assert found.text_of(value(found)) == "{'ä': 1, 'ß': [2]}"
    assert found.text_of(item(value(found), "ß") or ast.Pass()) == "[2]"
    assert found.line_of(value(found)) == 1


def test_positions_are_right_below_strings_of_several_lines_with_crlf() -> None:
    found = module('"""One\r\ntwo\r\n"""\r\nX = """\r\n\r\n"""\r\nD = {"a": 1}\r\n')

    assert found.text_of(value(found)) == '{"a": 1}'
    assert found.line_of(value(found)) == 7


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("print 'hello'\n", "line 1"),
        ("X = (\n", "line 1"),
        ("NAME = '{{ cookiecutter.name }}\n", "template"),
        ("{% if x %}\nX = 1\n", "template"),
        ("X = 1\rY = 2\n", "carriage returns"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(FileError, match=reason):
        module(text)


def test_a_settings_module_is_told_by_its_name_and_by_what_it_assigns() -> None:
    assert is_settings("core/settings.py", "DATABASES = {}\n")
    assert is_settings("config/settings/production.py", "from .base import *\n")
    assert is_settings("config/settings/base.py", "class Base:\n    INSTALLED_APPS: list[str] = []\n")
    assert not is_settings("core/settings.py", "def settings(): ...\n")
    assert not is_settings("core/views.py", "DATABASES = {}\n")
    assert not is_settings("docs/settings.md", "DATABASES = {}\n")


def test_the_plain_data_shows_dicts_and_lists_by_key_and_all_else_as_text() -> None:
    found = module(
        dedent(
            """
            import os
            D: dict[str, object] = {"a": {"b": os.getenv("X")}, "c": [1, *more]}
            S = {**base, "k": 1}
            if DEBUG:
                D["a"]["b"] = ("x" "y")
            """
        )
    )

    assert found.plain() == [
        "import os",
        {"D: dict[str, object]": {"a": {"b": "os.getenv('X')"}, "c": ["1", "*more"]}},
        {"S": [{"**base": None}, {"k": "1"}]},
        {"header": ast.dump(ast.If(ast.Name("DEBUG", ast.Load()), [], [])), "body": [{"D['a']['b']": "'xy'"}]},
    ]


def test_layout_and_comments_are_no_part_of_the_meaning() -> None:
    assert module("D = {'a': 1}\n").plain() == module('# x\nD = {\n  "a": 1,  # y\n}\n').plain()
    assert module("D = {'a': 1}\n").plain() != module("D = {'a': True}\n").plain()
    assert module("D = {'a': '1'}\n").plain() != module("D = {'a': 1}\n").plain()
    assert module("X = 1\nY = 2\n").plain() != module("Y = 2\nX = 1\n").plain()


def test_questions_about_displays() -> None:
    display = value(module("D = {'a': 1, 'a': 2, **x}\n"))

    assert ast.unparse(item(display, "a") or ast.Pass()) == "2"
    assert key(display, "b") is None
    assert has_spread(display)
    assert item(None, "a") is None


def test_a_module_knows_how_it_spells_what_it_imported() -> None:
    found = module("from os import environ as env, getenv\nimport dj_database_url as url\nimport os.path\n")

    assert found.name_of("os.environ.get") == "env.get"
    assert found.name_of("os.getenv") == "getenv"
    assert found.name_of("dj_database_url.config") == "url.config"
    assert found.name_of("json.loads") == ""


# -- imports ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beside", "line"),
    [("django.core.asgi", 5), ("django.urls", 4)],
    ids=["below its neighbour", "above its neighbour"],
)
def test_an_import_below_other_code_says_to_linters_what_its_neighbour_does(beside: str, line: int) -> None:
    found = module(f"import os\n\nos.getcwd()\n\nfrom {beside} import x  # noqa: E402\n")

    lines = edited(found, found.add_import_from("django.db.backends.signals", "connection_created")).split("\n")
    assert lines[line] == "from django.db.backends.signals import connection_created  # noqa: E402"


@pytest.mark.parametrize(
    ("comment", "copied"),
    [
        ("  # noqa", "  # noqa"),
        ("  # noqa: E402, F401", "  # noqa: E402"),
        ("  # noqa: F401 -- what the server loads", ""),
    ],
)
def test_what_linters_are_told_of_a_name_is_not_said_of_another(comment: str, copied: str) -> None:
    found = module(f"import os\n\nos.getcwd()\n\nfrom django.core.wsgi import x{comment}\n")

    after = edited(found, found.add_import_from("django.db.backends.signals", "connection_created"))
    assert after.endswith(f"import x{comment}\nfrom django.db.backends.signals import connection_created{copied}\n")


# -- editing dicts ------------------------------------------------------------------------------------------------

CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a line of its own, with the comma that the others have": (
        """
        D = {
            "a": 1,
            "b": 2,  # two
        }
        """,
        {"add": {"c": True}},
        """
        D = {
            "a": 1,
            "b": 2,  # two
            "c": True,
        }
        """,
    ),
    "no trailing comma stays none": (
        """
        D = {
            'a': 1,
            'b': 2  # two
        }
        """,
        {"add": {"c": {"d": [1, "x"]}}},
        """
        D = {
            'a': 1,
            'b': 2,  # two
            'c': {
                'd': [1, 'x'],
            }
        }
        """,
    ),
    "one line stays one line": (
        """
        D = {'a': 1}
        """,
        {"add": {"b": {"c": Code("os.getenv('X') or 'y'")}, "d": None}},
        """
        D = {'a': 1, 'b': {'c': os.getenv('X') or 'y'}, 'd': None}
        """,
    ),
    "one line with a trailing comma": ("D = {'a': 1,}\n", {"add": {"b": 2}}, "D = {'a': 1, 'b': 2,}\n"),
    "an empty dict": ("D = {}\n", {"add": {"b": "it's"}}, 'D = {"b": "it\'s"}\n'),
    "after another key": (
        """
        D = {
          "a": 1,

          # about b
          "b": 2,
        }
        """,
        {"add": {"c": 3}, "after": "a"},
        """
        D = {
          "a": 1,
          "c": 3,

          # about b
          "b": 2,
        }
        """,
    ),
    "tabs": ("D = {\n\t'a': 1,\n}\n", {"add": {"b": {"c": 1}}}, "D = {\n\t'a': 1,\n\t'b': {\n\t\t'c': 1,\n\t},\n}\n"),
    "several entries on a line": (
        """
        D = {"a": 1, "b": 2,
             "c": 3, "d": 4}
        """,
        {"add": {"e": 5}, "delete": ["c"]},
        """
        D = {"a": 1, "b": 2,
             "d": 4, "e": 5}
        """,
    ),
    "deleting lines": (
        """
        D = {
            # first
            "a": 1,
            "b": {
                "c": 2,
            },
            "d": 3
        }
        """,
        {"delete": ["b", "d"]},
        """
        D = {
            # first
            "a": 1,
        }
        """,
    ),
    "deleting at the end of a line": ("D = {'a': 1, 'b': 2, 'c': 3}\n", {"delete": ["b", "c"]}, "D = {'a': 1}\n"),
    "deleting at the start of a line": ("D = {'a': 1, 'b': 2, 'c': 3}\n", {"delete": ["a"]}, "D = {'b': 2, 'c': 3}\n"),
    "setting keeps what stands around it": (
        """
        D = {
            'a': ( 'x'
                   'y' ),  # why
            'b': 1}
        """,
        {"set": {"a": "z", "b": {"c": 1}}},
        """
        D = {
            'a': 'z',  # why
            'b': {
                'c': 1,
            }}
        """,
    ),
    "a comma below a comment": (
        """
        D = {
            "a": 1  # one
            ,
            "b": 2,
        }
        """,
        {"set": {"b": 3}},
        """
        D = {
            "a": 1  # one
            ,
            "b": 3,
        }
        """,
    ),
    "beside what is taken in": ("D = {**base, 'a': 1}\n", {"add": {"b": 2}}, "D = {**base, 'a': 1, 'b': 2}\n"),
    "a line that would be too long is broken up": (
        "D = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'application', 'HOST': 'localhost'}}\n",
        {"inner": "default", "set": {"NAME": "other"}, "add": {"CONN_MAX_AGE": 600, "OPTIONS": {"sslmode": "require"}}},
        """
        D = {'default': {
            'ENGINE': 'django.db.backends.postgresql',
            'NAME': 'other',
            'HOST': 'localhost',
            'CONN_MAX_AGE': 600,
            'OPTIONS': {
                'sslmode': 'require',
            },
        }}
        """,
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_edit_of_a_dict_keeps_its_style(name: str, newline: str) -> None:
    before, call, after = CASES[name]
    arguments = dict(call)
    found = module(dedent(before).replace("\n", newline))
    display = value(found)
    if "inner" in arguments:
        display = item(display, arguments.pop("inner"))

    assert edited(found, found.edit_dict(display, **arguments)) == dedent(after).replace("\n", newline)


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("D = {'NAME': \"it's\", 'HOST': \"h\", 'USER': \"u\"}", "'OPTIONS': {'a': 'b'}"),
        ('A = "x"\nD = {\'ENGINE\': "e", \'NAME\': "n"}', "'OPTIONS': {'a': 'b'}"),
        ("A = 'x', 'y', 'z'\nD = {\"ENGINE\": env('E')}", '"OPTIONS": {"a": "b"}'),
        ('A = "x"\nD = {**base, \'HOST\': "h"}', "'OPTIONS': {'a': 'b'}"),
    ],
)
def test_what_a_dict_is_given_has_the_quotes_of_its_keys(text: str, added: str) -> None:
    found = module(text + "\n")

    assert added in edited(found, found.edit_dict(value(found), add={"OPTIONS": {"a": "b"}}))


def test_an_empty_dict_is_filled_with_the_quotes_of_what_is_around_it() -> None:
    found = module('A = "x", "y", "z", "w"\nD = {\'NAME\': "n", \'OPTIONS\': {}}\n')
    options = item(value(found), "OPTIONS")
    assert isinstance(options, ast.Dict)

    assert "'OPTIONS': {'a': 1}" in edited(found, found.edit_dict(options, add={"a": 1}))


def test_a_dict_that_is_empty_goes_with_its_key() -> None:
    found = module("D = {\n    'a': {'x': 1},\n    'b': {\n        'y': 2,\n    },\n}\n")
    nested = item(value(found), "b")
    assert isinstance(nested, ast.Dict)

    assert edited(found, found.edit_dict(nested, delete=["y"])) == "D = {\n    'a': {'x': 1},\n}\n"


def test_a_dict_that_is_assigned_is_left_empty() -> None:
    found = module("X = 1\nD['a']['OPTIONS'] = {\n    'x': 1,\n}\n")
    assignment = found.tree.body[1]
    assert isinstance(assignment, ast.Assign)
    assert isinstance(assignment.value, ast.Dict)

    assert edited(found, found.edit_dict(assignment.value, delete=["x"])) == "X = 1\nD['a']['OPTIONS'] = {}\n"


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("D = {\n    'a': 1,  # one\n    'b': 2,\n}\n", {"delete": ["a"]}),
        ("D = {\n    'a': 1,\n    # two\n    'b': 2,\n}\n", {"delete": ["a", "b"]}),
        ("D = {'a': 1, 'a': 2}\n", {"delete": ["a"]}),
        ("D = {'a': 1}\n", {"delete": ["b"]}),
        ("D = {'a': 1}\n", {"add": {"a": 2}}),
        ("D = {'a': 1}\n", {"add": {"b": 2}, "delete": ["a"]}),
        ("D = {\n    # nothing yet\n}\n", {"add": {"a": 2}}),
        ("D = {'a': [  # list\n    1]}\n", {"set": {"a": 2}}),
    ],
)
def test_what_a_dict_cannot_give_is_blocked(text: str, call: dict[str, Any]) -> None:
    found = module(text)

    blocked = found.edit_dict(value(found), **call)

    assert isinstance(blocked, Blocked)
    assert blocked.reason.startswith("app/settings.py:1: ")


def test_a_dict_inside_of_a_call_is_edited_as_part_of_its_statement() -> None:
    found = module("D['x'].update({'a': 1, 'b': [2]})\n")
    call = found.tree.body[0]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    display = call.value.args[0]
    assert isinstance(display, ast.Dict)

    after = edited(found, found.edit_dict(display, set={"a": 3}, delete=["b"], add={"c": 4}))

    assert after == "D['x'].update({'a': 3, 'c': 4})\n"


# -- other edits --------------------------------------------------------------------------------------------------


def test_items_are_appended_in_the_style_of_the_list() -> None:
    found = module("A = [\n    'x',\n    'y'  # last\n]\nB = ['x']\nC = ('x', 'y')\nE = []\n")

    assert edited(found, found.append(value(found, "A"), "z")).startswith(
        "A = [\n    'x',\n    'y',  # last\n    'z'\n]"
    )
    assert "B = ['x', 'z', Path('q')]" in edited(found, found.append(value(found, "B"), "z", Code("Path('q')")))
    assert "C = ('x', 'y', 'z')" in edited(found, found.append(value(found, "C"), "z"))
    assert "E = ['z']" in edited(found, found.append(value(found, "E"), "z"))


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("a = {\n\t'b': {\n\t\t'c': 1,\n\t},\n}\n", "\t"),
        ("a = {\n  'b': 1,\n  'c': 2,\n}\ntry:\n\timport d\nexcept ImportError:\n  d = 0\n", "  "),
        ("a = 1\n", "    "),
    ],
)
def test_a_level_of_indentation_is_what_most_lines_have(text: str, step: str) -> None:
    assert module(text).indentation == step


def test_statements_go_below_others_at_their_indentation() -> None:
    found = module("if X:\n    A = 1  # one\n\nB = 2")
    condition = found.tree.body[0]
    assert isinstance(condition, ast.If)

    assert edited(found, found.insert_after(condition.body[0], "if Y:\n    C = 3")) == (
        "if X:\n    A = 1  # one\n    if Y:\n        C = 3\n\nB = 2"
    )
    assert edited(found, found.append_code("C = 3\nE = 4")) == "if X:\n    A = 1  # one\n\nB = 2\n\nC = 3\nE = 4"


def test_a_statement_that_shares_its_line_is_not_added_to() -> None:
    found = module("A = 1; B = 2\n")

    assert isinstance(found.insert_after(found.tree.body[0], "C = 3"), Blocked)


IMPORTS = {
    "in its place among others": ("import json\nimport sys\n", "import json\nimport os\nimport sys\n"),
    "below the docstring": ('"""Doc."""\n\nX = 1\n', '"""Doc."""\n\nimport os\n\nX = 1\n'),
    "where there is nothing": ("X = 1\n", "import os\n\nX = 1\n"),
    "below the future": (
        "from __future__ import annotations\n\nX = 1\n",
        "from __future__ import annotations\n\nimport os\n\nX = 1\n",
    ),
    "in a group of its own": ("from .base import *\n", "import os\n\nfrom .base import *\n"),
    "above a comment that belongs to another": (
        "# coding: utf-8\n\n# shared\nfrom .base import *\n",
        "# coding: utf-8\n\nimport os\n\n# shared\nfrom .base import *\n",
    ),
    "below the comment at the top": (
        "# Licence\nfrom pathlib import Path\n",
        "# Licence\nimport os\nfrom pathlib import Path\n",
    ),
    "not twice": ("import os\n", "import os\n"),
    "not beside a part of it": ("import os.path\n", "import os.path\n"),
}


def test_several_imports_above_those_of_others_are_one_block() -> None:
    found = module("import cloudenv\n\nworkers = cloudenv.count()\n")

    after = "import os\nimport shutil\n\nimport cloudenv\n\nworkers = cloudenv.count()\n"
    assert edited(found, found.add_imports("os", "shutil")) == after


@pytest.mark.parametrize("name", IMPORTS)
def test_an_import_is_added(name: str) -> None:
    before, after = IMPORTS[name]
    found = module(before)

    assert edited(found, found.add_import("os")) == after


def test_a_value_is_replaced_wherever_it_stands() -> None:
    found = module("f(a=1, b=[2])\n")
    call = found.tree.body[0]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)

    assert edited(found, found.set_value(call.value.keywords[0].value, 3)) == "f(a=3, b=[2])\n"


# -- properties ---------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["ENGINE", "NAME", "HOST", "OPTIONS", "é", "CONN_MAX_AGE", "x'y"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("aé'\"\\ \n#{", max_size=6) | st.just(Code("f(1, [2])")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("pqr"), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def displays(draw: st.DrawFn) -> tuple[str, list[str]]:
    """The text of a module with a dict in some style, and the dict's keys."""
    keys = draw(st.lists(NAMES, unique=True, max_size=5))
    quote = draw(st.sampled_from("'\""))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    indent = draw(st.sampled_from(["  ", "    ", "\t"]))
    entries = []
    for name in keys:
        written = draw(
            st.sampled_from(["1", "(2)", "g('a', 'b')", "[1, 2]", "{'q': 1}", '"""a\nb"""', "lambda a, b: 0"])
        )
        if newline != "\n":
            written = written.replace("\n", newline)
        quoted = repr(name) if quote in name else quote + name + quote
        entries.append(f"{quoted}: {written}")
    style = draw(st.sampled_from(["line", "lines", "packed"]))
    trailing = "," if draw(st.booleans()) and entries else ""
    if style == "line" or not entries:
        body = "{" + ", ".join(entries) + trailing + "}"
    elif style == "packed":
        body = "{" + f",{newline}{indent}".join(entries) + trailing + "}"
    else:
        marks = [draw(st.sampled_from(["", "  # note"])) for _ in entries]
        last = len(entries) - 1
        lines = [
            f"{indent}{entry}{',' if index < last else trailing}{mark}{newline}"
            for index, (entry, mark) in enumerate(zip(entries, marks, strict=True))
        ]
        body = "{" + newline + "".join(lines) + "}"
    after = draw(st.sampled_from(["", newline, f"{newline}Y = 2{newline}", f"  # end{newline}"]))
    return f"X = 1{newline}D = {body}{after}", keys


def outside(found: PythonModule, parts: tuple[Edit, ...]) -> tuple[str, str]:
    text = found.source.text
    return text[: min(e.span.start for e in parts)], text[max(e.span.end for e in parts) :]


@settings(max_examples=150, deadline=None)
@given(displays(), st.dictionaries(st.sampled_from(["new", "other"]), VALUES, min_size=1), st.data())
def test_whatever_is_added_or_set_means_what_it_says_and_moves_nothing_else(
    display: tuple[str, list[str]], add: dict[str, Any], data: st.DataObject
) -> None:
    text, keys = display
    found = module(text)
    changed = data.draw(st.dictionaries(st.sampled_from(keys), VALUES, max_size=2)) if keys else {}
    parts = found.edit_dict(value(found), add=add, set=changed)

    if isinstance(parts, Blocked):
        assert "comment" in parts.reason
        return
    after = edited(found, parts)
    head, tail = outside(found, parts)
    assert after.startswith(head)
    assert after.endswith(tail)


@settings(max_examples=150, deadline=None)
@given(displays(), st.data())
def test_deleting_keys_leaves_the_others(display: tuple[str, list[str]], data: st.DataObject) -> None:
    text, keys = display
    gone = data.draw(st.lists(st.sampled_from(keys), unique=True)) if keys else []
    found = module(text)
    parts = found.edit_dict(value(found), delete=gone)

    if isinstance(parts, Blocked):
        assert "comment" in parts.reason
        return
    left = value(module(edited(found, parts)))
    assert [k.value for k in left.keys] == [k for k in keys if k not in gone]


@settings(max_examples=100, deadline=None)
@given(displays(), VALUES)
def test_adding_and_then_deleting_is_the_identity(display: tuple[str, list[str]], new: Any) -> None:
    found = module(display[0])
    parts = found.edit_dict(value(found), add={"new": new})
    if isinstance(parts, Blocked) or not display[1]:
        return
    added = module(edited(found, parts))
    back = added.edit_dict(value(added), delete=["new"])

    assert module(edited(added, back)).plain() == found.plain()


@pytest.mark.parametrize(
    "text", ["", "\x0c", "   ", "\t\n", "\x0c\n", "# a", "# a\n", "\x0cB = 1\n", "import a\n\n\x0c", "\ufeff"]
)
def test_code_comes_into_a_module_that_hardly_says_anything(text: str) -> None:
    found = PythonModule.parse(Source.from_bytes("shop/settings.py", text.encode()))

    assert "\nC = 3" in "\n" + edited(found, found.append_code("C = 3"))
    assert "\nimport os\n" in "\n" + edited(found, found.add_import("os")).replace("\x0c", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("D = ('a', 'b')  # in this order\n", "D = ('a', 'b', 'c')  # in this order\n"),
        ("D = ['a', 'b']  # noqa\n", "D = ['a', 'b', 'c']  # noqa\n"),
        ("D = [\n    'a', 'b'] # both\n", "D = [\n    'a', 'b', 'c'] # both\n"),
    ],
)
def test_a_comment_behind_a_list_stays_behind_it(before: str, after: str) -> None:
    found = module(before)
    assert edited(found, found.append(value(found), "c")) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("D = {'a': 1}  # one\n", "D = {'a': 1, 'c': 2}  # one\n"),
        ("D = {\n    'a': 1,\n    'b': 1}  # both\n", "D = {\n    'a': 1,\n    'b': 1, 'c': 2}  # both\n"),
    ],
)
def test_a_comment_behind_a_dict_stays_behind_it(before: str, after: str) -> None:
    found = module(before)
    assert edited(found, found.edit_dict(value(found), add={"c": 2})) == after


def test_a_comment_about_the_last_item_still_blocks_what_would_come_before_it() -> None:
    found = module("D = ['a', 'b'  # about b\n]\n")
    assert isinstance(found.append(value(found), "c"), Blocked)
