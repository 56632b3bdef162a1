# ruff: noqa: E501 - tables read better on long lines
"""YAML: reading positions, and builders that change what they name and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from fixer.github.workflow import Workflow
from fixer.languages.yaml import (
    Commented,
    Flow,
    Node,
    Style,
    Tagged,
    Yaml,
    dotted,
    entry_lines,
    is_plain,
    render_scalar,
)
from fixer.model import Address, Blocked, FileError, Parts, Source
from fixer.scripts import ScriptText
from fixer.splice import splice
from fixer.verify import kept_promise, second_reading

WORKFLOW = """\
# Checks of every change.
name: 'CI'
on: [push, pull_request]

jobs:
  lint:   # quick
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4  # the code

      # The linter.
      - name: Lint
        run: |
          cd src
          ruff check . || true

          echo done
        env: { COLOR: "1", LEVEL: high }

  test:
    needs: lint
    runs-on: ubuntu-latest
    steps:
    - run: pytest
"""


def document(text: str, path: str = ".github/workflows/ci.yml") -> Yaml:
    return Yaml.parse(Source.from_bytes(path, text.encode()))


def node(doc: Yaml, *at: str | int) -> Node:
    found = doc.node(at)
    assert found is not None, at
    return found


def made(doc: Yaml, parts: Parts) -> str:
    """The text after the edits, which must keep the promise."""
    assert not isinstance(parts, Blocked), parts
    after = Source(doc.source.path, splice(doc.source.text, parts), doc.source.bom)
    kept_promise(doc, parts, after)
    return after.text


STEPS = ("jobs", "lint", "steps")
BUILDERS: list[tuple[str, Callable[[Yaml], Parts], str, str]] = [
    ("a plain scalar", lambda d: d.set_scalar(node(d, *STEPS, 0, "uses"), "a/b@v1"), "actions/checkout@v4", "a/b@v1"),
    ("a quoted scalar keeps its quotes", lambda d: d.set_scalar(node(d, "name"), "it's"), "'CI'", "'it''s'"),
    ("what needs quotes gets them", lambda d: d.set_scalar(node(d, "jobs", "test", "needs"), "a: b"), "needs: lint", "needs: 'a: b'"),
    ("a number for a text", lambda d: d.set_scalar(node(d, "jobs", "test", "needs"), 5), "needs: lint", "needs: 5"),
    ("a scalar becomes a list", lambda d: d.set_scalar(node(d, "jobs", "test", "needs"), Flow(("lint", "x"))), "needs: lint", "needs: [lint, x]"),
    ("a scalar becomes a block", lambda d: d.set_scalar(node(d, "jobs", "test", "steps", 0, "run"), "a\nb\n"), "    - run: pytest\n", "    - run: |\n        a\n        b\n"),
    ("a comment stays beside the block", lambda d: d.set_scalar(node(d, *STEPS, 0, "uses"), "a\nb"), "uses: actions/checkout@v4  # the code\n", "uses: |-  # the code\n          a\n          b\n"),
    ("a key after another", lambda d: d.add_key(node(d, *STEPS, 1), "if", "always()", after="name"), "- name: Lint\n", "- name: Lint\n        if: always()\n"),
    ("a key last in flow style", lambda d: d.add_key(node(d, *STEPS, 1, "env"), "X", True), 'LEVEL: high }', "LEVEL: high, X: true }"),
    ("a key before the first of an item", lambda d: d.add_key(node(d, *STEPS, 0), "id", "get", before="uses"), "- uses: actions/checkout@v4", "- id: get\n        uses: actions/checkout@v4"),
    ("a key below a block", lambda d: d.add_key(node(d, *STEPS, 1), "if", "x", after="run"), "          echo done\n", "          echo done\n        if: x\n"),
    ("a job with a blank line", lambda d: d.add_key(node(d, "jobs"), "new", {"runs-on": "x", "steps": [{"run": "a"}]}, after="lint"), "high }\n\n  test:", "high }\n\n  new:\n    runs-on: x\n    steps:\n    - run: a\n\n  test:"),
    ("a renamed key", lambda d: d.rename_key(node(d, *STEPS, 1, "env"), "LEVEL", "DEPTH"), "LEVEL: high", "DEPTH: high"),
    ("a deleted key", lambda d: d.delete(node(d, "jobs", "test"), "needs"), "    needs: lint\n", ""),
    ("a deleted key in flow style", lambda d: d.delete(node(d, *STEPS, 1, "env"), "COLOR"), '{ COLOR: "1", LEVEL: high }', "{ LEVEL: high }"),
    ("the last key takes its parent along", lambda d: d.delete(node(d, *STEPS, 1, "env"), "COLOR", "LEVEL"), '        env: { COLOR: "1", LEVEL: high }\n', ""),
    ("an item in flow style", lambda d: d.insert_item(node(d, "on"), 2, "merge_group"), "[push, pull_request]", "[push, pull_request, merge_group]"),
    ("an item in the distance of the others", lambda d: d.insert_item(node(d, *STEPS), 1, {"run": "x"}), "# the code\n", "# the code\n\n      - run: x\n"),
    ("a first item", lambda d: d.insert_item(node(d, "jobs", "test", "steps"), 0, {"run": "x"}), "    - run: pytest\n", "    - run: x\n    - run: pytest\n"),
    ("a line within a block", lambda d: d.splice_scalar(node(d, *STEPS, 1, "run"), [(7 + 12, 7 + 20, "")]), "ruff check . || true\n", "ruff check .\n"),
    ("a whole line of a block", lambda d: d.splice_scalar(node(d, *STEPS, 1, "run"), [(0, 7, "cd lib\npwd\n")]), "          cd src\n", "          cd lib\n          pwd\n"),
    ("a replaced comment", lambda d: d.set_comment(node(d, *STEPS, 0, "uses"), "v5"), "# the code", "# v5"),
    ("a new comment", lambda d: d.set_comment(node(d, "jobs", "test", "needs"), "why"), "needs: lint\n", "needs: lint # why\n"),
    ("a scalar with its comment", lambda d: d.add_key(node(d, "jobs", "test"), "uses", Commented("a/b@c", "v1"), after="needs"), "needs: lint\n", "needs: lint\n    uses: a/b@c # v1\n"),
    ("several changes of one mapping", lambda d: d.edit_mapping(node(d, *STEPS, 1, "env"), rename={"COLOR": "COLOUR"}, set={"LEVEL": "low"}), '{ COLOR: "1", LEVEL: high }', '{ COLOUR: "1", LEVEL: low }'),
]  # fmt: skip


@pytest.mark.parametrize(("build", "old", "new"), [row[1:] for row in BUILDERS], ids=[row[0] for row in BUILDERS])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_builder_changes_what_it_names(build: Callable[[Yaml], Parts], old: str, new: str, newline: str) -> None:
    doc = document(WORKFLOW.replace("\n", newline))

    after = made(doc, build(doc))

    assert WORKFLOW.count(old) == 1
    assert after == WORKFLOW.replace(old, new).replace("\n", newline)


@pytest.mark.parametrize(
    ("text", "build", "reason"),
    [
        ("a: &x {b: 1}\nc: *x\n", lambda d: d.add_key(node(d, "c"), "k", 1), "alias"),
        ("a: &x {b: 1}\nc: *x\n", lambda d: d.delete(d.root, "a"), "anchor"),
        ("a: 1  # why\nb: 2\n", lambda d: d.delete(d.root, "a"), "comment"),
        ("a:\n  # why\n  b: 1\nc: 2\n", lambda d: d.delete(d.root, "a"), "comment"),
        ("a: {b: 1}\n", lambda d: d.add_key(node(d, "a"), "k", {"x": 1}), "one line"),
        ("a: 1\n", lambda d: d.add_key(node(d, "a"), "k", 1), "not a mapping"),
        ("a: 1\n", lambda d: d.delete(d.root, "a"), "nothing would be left"),
        ("a: 1\nb: 2\n", lambda d: d.rename_key(d.root, "a", "b"), "already"),
        ("a: | # why\n  x\nb: 2\n", lambda d: d.delete(d.root, "a"), "comment"),
        ("a: !x 1\n", lambda d: d.set_scalar(node(d, "a"), 2), "tag !x"),
        ("a: !reset\n  b: 1\n", lambda d: d.add_key(node(d, "a"), "k", 1), "tag !reset"),
        ("on: {push, pull_request: }\n", lambda d: d.set_scalar(node(d, "on", "push"), 1), "without `:`"),
        # What stands below would become part of a block scalar.
        ("a:\n  b: 1\n     \nc: 2\n", lambda d: d.set_scalar(node(d, "a", "b"), "x\ny\n"), "below a.b"),
        ("a:\n  b: |\n    x\n  c: 1\n    # end\n", lambda d: d.delete(node(d, "a"), "c"), "below a.c"),
        ("a: |+\n  x\nb: 1\n\nc: 2\n", lambda d: d.delete(d.root, "b"), "below b"),
        ("a: 1\nb: 2\n  # end\n", lambda d: d.edit_mapping(d.root, delete=["b"], add={"c": "x\ny\n"}), "below"),
    ],
)
def test_a_shape_that_is_not_known_is_blocked_with_a_reason(
    text: str, build: Callable[[Yaml], Parts], reason: str
) -> None:
    parts = build(document(text))

    assert isinstance(parts, Blocked)
    assert reason in parts.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [1\n", "not valid YAML"),
        ("a: 1\na: 2\n", "duplicate key"),
        ("a: 1\n---\nb: 2\n", "several"),
        ("a: *x\n", "alias"),
        ("a:\n\t- b\n", "not valid YAML"),
        ("? [a, b]\n: c\n", "not a scalar"),
        ("on:\n  ? push\n  ? pull_request\n", "line 2: a key after `\\?`"),
        ("- &a uses: b\n- *a\n", "line 1: an anchor on a key"),
        ("a: 1 # x\u2028b: 2\n", "line 1: readers disagree on the character U\\+2028"),
        ("a: &x [1, *x]\n", r"alias \*x is part of itself \(line 1\)"),
        ("a: &x 1\nb: &x {c: *x}\n", r"alias \*x is part of itself \(line 2\)"),
        (
            "0: &x0 [a, b]\n" + "".join(f"{n + 1}: &x{n + 1} [*x{n}, *x{n}]\n" for n in range(30)),
            "more than 1000000 values",
        ),
        ("a: 1\nb: 2\rc: 3\n", "line 2: .*U\\+000D"),
        ("\ufeff\ufeffa: 1\n", "line 1: .*U\\+FEFF"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_when_it_is_parsed(text: str, reason: str) -> None:
    with pytest.raises(FileError, match=reason):
        document(text)


def test_scalars_are_those_of_the_core_schema() -> None:
    doc = document(
        "on: yes\na: 012\nb: 0o17\nc: 1_000\nd: 1e3\ne: ~\nf: !x y\ng: 2026-01-01\nh: 1:30\ni: .inf\nj: TRUE\n"
    )

    assert doc.plain() == {
        "on": "yes", "a": 12, "b": 15, "c": "1_000", "d": 1000.0, "e": None, "f": Tagged("!x", "y"),
        "g": "2026-01-01", "h": "1:30", "i": float("inf"), "j": True,
    }  # fmt: skip


def test_positions_count_characters_after_the_byte_order_mark() -> None:
    doc = Yaml.parse(Source.from_bytes("f.yml", b"\xef\xbb\xbf" + "a: 😀é\nb: x\n".encode()))

    assert made(doc, doc.set_scalar(node(doc, "b"), "z")) == "a: 😀é\nb: z\n"


def test_the_end_of_a_block_is_not_the_next_token() -> None:
    doc = document("a:\n  b: |\n    x\n\n\n# of c\nc: 1\n")

    assert doc.source.text[: node(doc, "a").end].endswith("    x")


def test_an_insertion_stands_above_the_comment_of_what_follows() -> None:
    doc = document("a:\n  b: 1\n# of c\nc: 1\n")

    assert made(doc, doc.add_key(node(doc, "a"), "k", 2)) == "a:\n  b: 1\n  k: 2\n# of c\nc: 1\n"


def test_an_insertion_below_blanks_that_stand_deeper_has_its_distance_from_what_follows() -> None:
    doc = document("steps:\n  - run: a\n        \n  - run: b\n")

    after = made(doc, doc.insert_item(node(doc, "steps"), 1, {"run": "x"}))

    assert after == "steps:\n  - run: a\n        \n  - run: x\n\n  - run: b\n"


def test_an_insertion_below_blanks_that_end_a_file_without_a_final_newline() -> None:
    doc = document("jobs:\n  a:\n    steps:\n      - uses: x\n\n  b:\n    steps: []\n          ")

    after = made(doc, doc.add_key(node(doc, "jobs"), "c", {"steps": [{"run": "echo 1\necho 2\n"}]}))

    assert after.endswith(
        "    steps: []\n          \n\n  c:\n    steps:\n      - run: |\n          echo 1\n          echo 2"
    )


def test_an_insertion_stands_below_the_comments_of_what_is_above() -> None:
    doc = document("jobs:\n  a:\n    steps:\n      - run: x\n      # - run: y\n")

    after = made(doc, doc.add_key(node(doc, "jobs"), "b", {"run": "1\n2\n"}))

    assert after.index("# - run: y") < after.index("  b:")


@pytest.mark.parametrize("put_out", ["#         run y --now", "#          run y --now", "# " + 10 * " " + "run y"])
def test_an_insertion_stands_below_what_was_put_out_of_what_is_above(put_out: str) -> None:
    doc = document(f"jobs:\n  a:\n    steps:\n      - run: |\n          run x\n{put_out}\n")

    after = made(doc, doc.add_key(node(doc, "jobs"), "b", {"run": "1\n2\n"}))

    assert after == doc.source.text + "\n  b:\n    run: |\n      1\n      2\n"


@pytest.mark.parametrize("comment", ["# of b", "#   b: 2", "#  b: 2", "\n#         run y", "#"])
def test_an_insertion_stands_above_what_was_put_out_beside_it(comment: str) -> None:
    doc = document(f"jobs:\n  a:\n    run: x\n{comment}\n")

    after = made(doc, doc.add_key(node(doc, "jobs"), "b", 1))

    assert after == f"jobs:\n  a:\n    run: x\n  b: 1\n{comment}\n"


@pytest.mark.parametrize("text", ["a:\n  - b: |\n      x", "a:\n  - b: |-\n      x", "a:\n  - b: x", "a:\n  - b:"])
def test_a_file_without_a_final_newline_gets_none(text: str) -> None:
    doc = document(text)

    after = made(doc, doc.insert_item(node(doc, "a"), 1, {"run": "y\nz\n"}))

    assert after == text + "\n  - run: |\n      y\n      z"


def test_one_edit_of_an_anchor_says_what_becomes_of_every_alias() -> None:
    doc = document("a: &x\n  steps: [1]\nb: *x\nc:\n  - *x\n")

    assert made(doc, doc.insert_item(node(doc, "a", "steps"), 1, 2)) == doc.source.text.replace("[1]", "[1, 2]")


def test_steps_of_an_alias_are_not_steps_again() -> None:
    text = "on: push\njobs:\n  a:\n    steps: &s\n      - run: x\n  b:\n    steps: *s\n"
    workflow = Workflow.parse(Source(".github/workflows/f.yml", text))

    assert [step.data for step in workflow.steps] == [{"run": "x"}]
    assert len(workflow.jobs["b"].steps) == 1


def test_steps_within_parallel_are_steps() -> None:
    text = "jobs:\n  a:\n    steps:\n      - run: x\n      - parallel:\n          - run: y\n          - run: z\n"
    workflow = Workflow.parse(Source(".github/workflows/f.yml", text))

    assert [step.data["run"] for step in workflow.steps] == ["x", "y", "z"]


def test_the_shell_of_a_step_comes_from_the_nearest_place() -> None:
    text = (
        "defaults:\n  run: {shell: sh}\njobs:\n  a:\n    defaults:\n      run:\n        shell: bash\n    steps:\n"
        "      - run: x\n      - {run: y, shell: pwsh}\n  b:\n    steps:\n      - run: z\n"
    )
    workflow = Workflow.parse(Source(".github/workflows/f.yml", text))

    assert [step.shell for step in workflow.steps] == ["bash", "pwsh", "sh"]


@pytest.mark.parametrize(
    ("needs", "after"),
    [("needs: a", "needs: [a, new]"), ("needs: [a, b]", "needs: [a, b, new]"), ("needs:\n      - a", "needs:\n      - a\n      - new")],
)  # fmt: skip
def test_a_new_job_is_waited_for_by_those_that_wait_for_its_model(needs: str, after: str) -> None:
    text = f"jobs:\n  a:\n    steps:\n      - run: x\n  b:\n    steps: []\n  gate:\n    {needs}\n    steps: []\n"
    workflow = Workflow.parse(Source(".github/workflows/f.yml", text))

    result = made(workflow, workflow.add_job("new", {"steps": [{"run": ScriptText.of("y")}]}, like=workflow.jobs["a"]))

    assert after in result
    assert result.index("new:") < result.index("gate:")


def test_a_new_job_that_waits_for_all_others_stands_below_them() -> None:
    text = "jobs:\n  a:\n    steps: []\n  b:\n    steps: []\n  deploy:\n    needs: [a, b]\n    steps: []\n"
    workflow = Workflow.parse(Source(".github/workflows/f.yml", text))
    job = {"needs": Flow(("a", "b", "deploy")), "steps": [{"run": ScriptText.of("y")}]}

    result = made(workflow, workflow.add_job("notify", job, gates=False))

    assert result.index("deploy:") < result.index("notify:")


@pytest.mark.parametrize(
    ("on", "after"), [("push", "[push, x]"), ("[push]", "[push, x]"), ("\n  push:", "\n  push:\n  x:")]
)
def test_a_trigger_is_added_in_the_form_that_is_there(on: str, after: str) -> None:
    workflow = Workflow.parse(Source(".github/workflows/f.yml", f"on: {on}\njobs: {{}}\n"))

    assert made(workflow, workflow.add_trigger("x")).startswith(f"on: {after}\n")
    assert workflow.add_trigger("push") == ()


# -- properties ---------------------------------------------------------------------------------------------------

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\x85\u2028\u2029\ufeff"),
    max_size=12,
)
WORDS = st.sampled_from(
    [
        "yes",
        "on",
        "null",
        "~",
        "1.0",
        "0x1F",
        "1_0",
        "12:30",
        "- a",
        "a: b",
        "# c",
        "a #b",
        "'",
        '"',
        "*x",
        "&y",
        "!z",
        "%",
        "@",
        "`",
        "[",
        "{",
        "|",
        ">",
        "a\nb\n",
        "a\n\n  b",
        " x ",
        "---",
        "...",
        "<<",
        "=",
    ]
)
SCALARS = st.one_of(TEXT, WORDS, st.integers(-1000, 1000), st.booleans())
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT.filter(bool), inner, max_size=3),
    max_leaves=8,
)
STYLES = st.builds(
    Style, indent=st.integers(2, 4), dash=st.integers(0, 4), quote=st.sampled_from("'\""), spaced=st.booleans()
)


@given(st.dictionaries(TEXT.filter(bool), VALUES, min_size=1, max_size=4), STYLES)
def test_what_is_rendered_reads_as_the_value(value: dict[str, Any], style: Style) -> None:
    text = "\n".join(line for key, child in value.items() for line in entry_lines(key, child, style)) + "\n"

    assert document(text).plain() == value


@given(TEXT)
def test_plain_text_is_a_string_for_readers_of_yaml_1_1_too(text: str) -> None:
    if is_plain(text):
        assert pyyaml.safe_load(f"a: {text}\n") == {"a": text}
    assert pyyaml.safe_load(f"a: {render_scalar(text, chr(39))}\n") == {"a": text}


def walk(found: Node) -> Iterator[Node]:
    yield found
    for child in found.value.values() if found.is_mapping else found.items:
        yield from walk(child)


@given(st.data())
def test_a_key_that_is_added_and_deleted_leaves_the_text_as_it_was(data: st.DataObject) -> None:
    doc = document(data.draw(st.sampled_from([WORKFLOW, WORKFLOW.rstrip("\n"), WORKFLOW.replace("\n", "\r\n")])))
    mappings = [each for each in walk(doc.root) if each.is_mapping and each.value]
    mapping = data.draw(st.sampled_from(mappings))
    value = data.draw(SCALARS if mapping.style == "flow" else VALUES)

    added = doc.add_key(mapping, "zz", value, after=data.draw(st.sampled_from(list(mapping.value))))
    again = document(made(doc, added))
    target = again.node(mapping.at)

    assert target is not None
    parts = again.delete(target, "zz")
    if isinstance(parts, Blocked):  # a `#` within the value may look like a comment
        assert "comment" in parts.reason
    else:
        rest = made(again, parts)
        assert re.sub(r"[\r\n]+", "\n", rest + "\n") == re.sub(r"[\r\n]+", "\n", doc.source.text + "\n")


@given(st.data())
def test_nothing_outside_of_an_edit_changes(data: st.DataObject) -> None:
    doc = document(data.draw(st.sampled_from([WORKFLOW, WORKFLOW.replace("\n", "\r\n"), WORKFLOW.rstrip("\n")])))
    scalars = [each for each in walk(doc.root) if each.is_scalar]
    scalar = data.draw(st.sampled_from(scalars))
    start = data.draw(st.integers(0, len(scalar.value)))
    end = data.draw(st.integers(start, len(scalar.value)))

    parts = doc.splice_scalar(scalar, [(start, end, data.draw(TEXT))])

    if not isinstance(parts, Blocked) and any(edit.changes for edit in parts):
        after = made(doc, parts)
        first, last = min(edit.span.start for edit in parts), max(edit.span.end for edit in parts)
        assert after[:first] == doc.source.text[:first]
        assert after.endswith(doc.source.text[last:])


@pytest.mark.parametrize("text", ["a: {b: 1, c: 2, d: 3}\n", "a: [b, c, d]\n"])
@pytest.mark.parametrize("which", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)])
def test_any_entries_of_a_flow_collection_can_go(text: str, which: tuple[int, ...]) -> None:
    doc = document(text)
    collection = node(doc, "a")
    gone = [list(collection.value)[each] if collection.is_mapping else each for each in which]
    wanted = node(document(text), "a").data
    for each in sorted(gone, reverse=True, key=str):
        del wanted[each]

    assert document(made(doc, doc.delete(collection, *gone))).plain() == {"a": wanted}


@pytest.mark.parametrize(
    ("text", "build", "after"),
    [
        ("- a: 1\n  b: 2\n  c: 3\n", lambda d: d.delete(node(d, 0), "a", "b"), "- c: 3\n"),
        ("a: 1\nb: 2\nc: 3", lambda d: d.delete(d.root, "b", "c"), "a: 1"),
        ("a: 1\n\nb: 2", lambda d: d.delete(d.root, "b"), "a: 1"),
        ("a: 1\nb: 2\nc: 3\nd: 4\n", lambda d: d.delete(d.root, "a", "b", "d"), "c: 3\n"),
        ("a: | # why\n  x\nb: 2\n", lambda d: d.set_scalar(node(d, "a"), "new"), "a: new # why\nb: 2\n"),
        ("a: | # why\n  x\nb: 2\n", lambda d: d.set_scalar(node(d, "a"), "y\nz"), "a: |- # why\n  y\n  z\nb: 2\n"),
        ("a: &x\nb: 1\n", lambda d: d.set_scalar(node(d, "a"), "new"), "a: &x new\nb: 1\n"),
        ("a: &x # all\n  # one\n  - b\n  - c\n", lambda d: d.insert_item(node(d, "a"), 0, "z"), "a: &x # all\n  # one\n  - z\n  - b\n  - c\n"),
        ("a:\n  - b: |+\n      x\n\n  - c: 1\n", lambda d: d.insert_item(node(d, "a"), 1, {"z": 1}), "a:\n  - b: |+\n      x\n\n  - z: 1\n  - c: 1\n"),
        ("a: 1\n    ", lambda d: d.add_key(d.root, "b", "x\ny"), "a: 1\n    \nb: |-\n  x\n  y"),
        ("a: 1\n    ", lambda d: d.add_key(d.root, "b", "x\ny\n"), "a: 1\n    \nb: |\n  x\n  y"),
        ("a: 1\nb: 2", lambda d: d.edit_mapping(d.root, delete=["b"], add={"c": "x\ny\n"}), "a: 1\nc: |\n  x\n  y"),
        ("a: 1\nb: 2\t\nc: 3\n", lambda d: d.edit_mapping(node(d), delete=["b", "c"], add={"z": 1}), "a: 1\nz: 1\n"),
        ("a: >-\n  x\n    \n", lambda d: d.set_scalar(node(d, "a"), "new"), "a: new\n"),
        # What an anchor is called by its aliases is not what they are called.
        ("a: &x 1\nb: *x\n", lambda d: d.rename_key(d.root, "a", "c"), "c: &x 1\nb: *x\n"),
        ("- &x 1\n- *x\n", lambda d: d.insert_item(d.root, 0, "z"), "- z\n- &x 1\n- *x\n"),
    ],
)  # fmt: skip
def test_unusual_layouts_are_edited_as_they_are(text: str, build: Callable[[Yaml], Parts], after: str) -> None:
    doc = document(text)

    assert made(doc, build(doc)) == after


def test_an_anchor_that_is_given_anew_makes_no_noise(recwarn: pytest.WarningsRecorder) -> None:
    assert second_reading(Source("a.yml", "a: &x 1\nb: &x 2\nc: *x\n")) == ""
    assert not recwarn.list


@pytest.mark.parametrize(("beside", "comment"), [(" # v1 ", "v1"), (" #\u00a0v1", "v1"), (" #", ""), ("", "")])
def test_the_comment_beside_a_scalar_is_known(beside: str, comment: str) -> None:
    doc = document(f"a: b/c@d{beside}\n")

    assert doc.comment_of(node(doc, "a")) == comment


def test_an_address_is_written_as_people_write_it() -> None:
    at: Address = ("jobs", "lint", "steps", 2, "run")

    assert dotted(at) == "jobs.lint.steps[2].run"


def test_a_second_reader_agrees() -> None:
    assert second_reading(Source("f.yml", WORKFLOW)) == ""


@pytest.mark.parametrize(
    ("flow", "template"),
    [(False, "k: {}\nz: 1\n"), (True, "k: {{a: {}, b: 1}}\nz: 1\n"), (False, "- {}\n- 1\n"), (True, "[{}, 1]\n")],
)
def test_whatever_may_stand_without_quotes_is_read_as_it_was_written(flow: bool, template: str) -> None:
    texts = ("".join(each) for length in (1, 2, 3) for each in product("?:-a #!|,[", repeat=length))
    plain = [text for text in texts if is_plain(text, flow=flow)]
    assert plain
    for text in plain:
        assert document(template.format(text)).plain() == document(template.format(json.dumps(text))).plain()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("run: |2\n    lint || true\n    next\n", "run: |2\n    lint\n    next\n"),
        ("run: |+\n  lint || true # why\n\nlast: 1\n", "run: |+\n  lint # why\n\nlast: 1\n"),
        ("run: |+\n  lint || true\n\n\n", "run: |+\n  lint\n\n\n"),
    ],
)
def test_a_block_with_an_indicator_stays_one(before: str, after: str) -> None:
    doc = document(before)
    run = node(doc, "run")
    start = run.value.index(" || true")

    assert made(doc, doc.splice_scalar(run, [(start, start + len(" || true"), "")])) == after


def test_the_second_reader_takes_a_tab_before_a_comment() -> None:
    assert second_reading(Source("a.yml", "on: push\t# why\nx: |\n  a\t# b\n")) == ""


@pytest.mark.parametrize(
    "value", ["!Sub a-${B}", "!GetAtt [A, B]", "!reset null", "{a: !If [x, {b: !Ref c}]}", "!x {y: 1}"]
)
def test_the_second_reader_takes_values_with_tags(value: str) -> None:
    """As templates of CloudFormation and compose files have them."""
    assert second_reading(Source("a.yml", f"k: {value}\n")) == ""


# -- what says nothing, and what is of another type ---------------------------------------------------------------

JOB = "jobs:\n  a:\n    runs-on: x\n    env:{}\n    steps: []\n"
FILLED = "\n      A: b"


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("", FILLED),
        (" {}", FILLED),
        (" null", FILLED),
        (" {} # why", " # why" + FILLED),
        ("  # why\n      # inside\n    # after", "  # why\n      # inside" + FILLED + "\n    # after"),
    ],
)
@pytest.mark.parametrize("inner", [False, True], ids=["by its owner", "itself"])
def test_what_says_nothing_counts_as_not_there_and_is_filled(written: str, filled: str, inner: bool) -> None:
    doc = document(JOB.replace("{}", written, 1))
    owner = doc.node(("jobs", "a"))
    env = doc.node(("jobs", "a", "env"))
    assert owner is not None
    assert env is not None
    assert env.is_empty

    parts = doc.add_keys(env, {"A": "b"}) if inner else doc.add_key(owner, "env", {"A": "b"}, before="gone")

    assert made(doc, parts) == JOB.replace("{}", filled, 1)


@pytest.mark.parametrize("written", [" &e", " !x", " [1]", " hey", " {\n      # c\n    }", " {B: c}"])
def test_what_says_something_else_is_blocked_and_never_raised(written: str) -> None:
    doc = document(JOB.replace("{}", written, 1))
    owner = doc.node(("jobs", "a"))
    assert owner is not None

    assert isinstance(doc.add_key(owner, "env", {"A": "b"}), Blocked)


def test_an_alias_is_blocked_where_a_mapping_is_to_be_filled() -> None:
    doc = document("x: &e\nenv: *e\nwith: *e\n")
    alias = doc.node(("env",))
    assert alias is not None

    assert isinstance(doc.add_key(alias, "A", "b"), Blocked)
    assert isinstance(doc.add_key(doc.root, "env", {"A": "b"}), Blocked)
    assert isinstance(doc.edit_mapping(alias, add={"A": "b"}), Blocked)


def test_a_mapping_of_no_key_takes_the_changes_of_a_migration() -> None:
    doc = document("steps:\n- uses: a\n  with: {}\n- run: b\n")
    given = doc.node(("steps", 0, "with"))
    assert given is not None

    parts = doc.edit_mapping(given, add={"c": "d"})

    assert made(doc, parts) == "steps:\n- uses: a\n  with:\n    c: d\n- run: b\n"


def test_an_empty_list_takes_items_below_its_key() -> None:
    doc = document("steps:\nx: 1\n")
    steps = doc.node(("steps",))
    assert steps is not None

    assert made(doc, doc.insert_item(steps, 0, {"run": "a"})) == "steps:\n  - run: a\nx: 1\n"


def test_a_neighbour_that_is_not_there_is_no_matter() -> None:
    doc = document("a: 1\nb: 2\n")

    assert made(doc, doc.add_key(doc.root, "c", 3, after="gone")) == "a: 1\nb: 2\nc: 3\n"
    assert made(doc, doc.add_key(doc.root, "c", 3, before="gone")) == "a: 1\nb: 2\nc: 3\n"
    assert isinstance(doc.rename_key(doc.root, "gone", "c"), Blocked)
