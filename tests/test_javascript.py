"""What a module exports as an object, and that a member is added where it belongs, so that text and meaning agree."""

from __future__ import annotations

import pytest

from fixer.languages.javascript import JavaScript
from fixer.model import Blocked, Source
from fixer.splice import splice
from fixer.verify import kept_promise

PATH = "next.config.ts"


def parsed(text: str) -> JavaScript:
    return JavaScript.parse(Source(PATH, text))


@pytest.mark.parametrize(
    ("text", "members", "through"),
    [
        ("export default { a: 1, 'b': x() }", {"a": "1", "b": "x()"}, ()),
        ("module.exports = {};", {}, ()),
        ("const c: C = { a: 1 }\nexport default c", {"a": "1"}, ()),
        ("const c = { a: 1 } satisfies C;\nexport default (c as C);", {"a": "1"}, ()),
        (
            "const c = { a: 1 }\nmodule.exports = withA(withB({ b: 2 })(c), {})",
            {"a": "1"},
            ("withB({ b: 2 })", "withA"),
        ),
        ('/* é */ const c = { a: "é" }; export default c', {"a": '"é"'}, ()),
    ],
)
def test_the_object_that_is_exported_is_found(text: str, members: dict[str, str], through: tuple[str, ...]) -> None:
    found = parsed(text).exported
    assert not isinstance(found, Blocked)
    assert (found.members, found.through) == (members, through)


@pytest.mark.parametrize(
    "text",
    [
        "export const a = { a: 1 };",
        "export default (phase) => ({ a: 1 });",
        "export default dev ? { a: 1 } : { a: 2 };",
        "let c = { a: 1 }; export default c;",
        "const c = { a: 1 }; c.a = 2; export default c;",
        "const c = { a: 1 }; Object.assign(c, other); export default c;",
        "import c from './c'; export default c;",
        "export default withA({ a: 1 });",
        "export default compose([withA], { a: 1 });",
        "module.exports = { a: 1 }; module.exports.b = 2;",
        "if (x) module.exports = { a: 1 }; else module.exports = { a: 2 };",
        "export default {",
        "function f() { const c = { a: 1 }; } export default c;",
    ],
)
def test_what_is_not_plainly_exported_is_blocked(text: str) -> None:
    document = parsed(text)
    assert isinstance(document.exported, Blocked)
    assert isinstance(document.add("output", "standalone"), Blocked)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("export default {};\n", 'export default {\n  output: "x",\n};\n'),
        ("export default { a: 1 };", 'export default { output: "x", a: 1 };'),
        ("export default {a: 'b'}", "export default {output: 'x',a: 'b'}"),
        ("export default {\n  a: 1,\n};\n", 'export default {\n  output: "x",\n  a: 1,\n};\n'),
        ("export default {\r\n\ta: 1\r\n}", 'export default {\r\n\toutput: "x",\r\n\ta: 1\r\n}'),
        ("export default {\n    // a\n    a: 1,\n}", 'export default {\n    output: "x",\n    // a\n    a: 1,\n}'),
        ("export default {\n  /* options */\n};", 'export default {\n  output: "x",\n  /* options */\n};'),
        ("export default {\n\n  a: 1 };", 'export default {\n  output: "x",\n\n  a: 1 };'),
        ("export default { ...b,\n  a: 1 };", 'export default { output: "x", ...b,\n  a: 1 };'),
    ],
)
def test_a_member_is_added_in_front(before: str, after: str) -> None:
    document = parsed(before)
    parts = document.add("output", "x")
    assert not isinstance(parts, Blocked)
    assert splice(before, parts) == after
    kept_promise(document, parts, Source(PATH, after))


@pytest.mark.parametrize("text", ["export default { output: y };", "export default { // a comment\n  a: 1 };"])
def test_what_has_no_place_for_it_is_left_alone(text: str) -> None:
    assert isinstance(parsed(text).add("output", "x"), Blocked)
