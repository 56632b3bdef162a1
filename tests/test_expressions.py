"""GitHub's expressions, in all spellings."""

from __future__ import annotations

import pytest

from fixer.github.expressions import (
    ANY,
    Call,
    Literal,
    Operation,
    Read,
    conditions,
    expressions_below,
    expressions_in,
    literals,
    masked,
    only_after_failure,
    only_read,
    reads,
    renamed,
    replaced,
)


def one(text: str) -> Read:
    [found] = reads(text)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "${{ steps.rel.outputs.html_url }}",
        "${{steps.rel.outputs.html_url}}",
        "${{ Steps.REL.outputs.HTML_URL }}",
        "${{ steps['rel'].outputs['html_url'] }}",
        "${{ steps[ 'rel' ] . outputs.html_url }}",
        "a ${{ format('{0}}}', steps.rel.outputs.html_url) }} b",
        "${{ true && (!steps.rel.outputs.html_url || 'x') }}",
    ],
)
def test_a_value_is_the_same_in_every_spelling(text: str) -> None:
    found = one(text)

    assert found.dotted == "steps.rel.outputs.html_url"
    assert found.is_("steps.rel.outputs.html_url")
    assert [text[key.start : key.end].lower() for key in found.keys] == ["steps", "rel", "outputs", "html_url"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("${{ toJSON(steps) }}", "steps"),
        ("${{ toJSON(steps.rel.outputs) }}", "steps.rel.outputs"),
        ("${{ steps[format('{0}', 'rel')].outputs.html_url }}", "steps.*.outputs.html_url"),
        ("${{ join(steps.*.outputs.html_url, ',') }}", "steps.*.outputs.html_url"),
        ("${{ steps[*].outputs }}", "steps.*.outputs"),
    ],
)
def test_an_open_read_may_read_what_it_does_not_name(text: str, path: str) -> None:
    found = one(text)

    assert found.dotted == path
    assert found.may_read("steps.rel.outputs.html_url")
    assert not found.is_("steps.rel.outputs.html_url")
    assert not found.may_read("needs.rel.outputs.html_url")


def test_a_key_that_is_computed_reads_what_computes_it() -> None:
    assert [read.dotted for read in reads("${{ steps[inputs.x].outputs[github.job] }}")] == [
        *("steps.*.outputs.*", "inputs.x", "github.job"),
    ]


def test_reading_something_inside_touches_but_does_not_read_all() -> None:
    found = one("${{ github.event.release.upload_url }}")

    assert found.touches("github.event")
    assert not found.may_read("github.event")
    assert found.may_read("github.event.release.upload_url.more")


@pytest.mark.parametrize(
    "text", ["${{ 'steps.rel.outputs.x' }}", "${{ 'it''s steps.x' }}", "steps.rel.outputs.x", "$ {{ steps.x }}"]
)
def test_strings_and_plain_text_read_nothing(text: str) -> None:
    assert reads(text) == ()


def test_a_bare_condition_is_an_expression_only_where_it_is_one() -> None:
    assert [read.dotted for read in reads("steps['types'].outcome == 'failure'", whole=True)] == ["steps.types.outcome"]
    assert [read.dotted for read in reads("${{ github.ref }} == 'x.steps.y'", whole=True)] == ["github.ref"]
    assert [at for at, _ in expressions_below({"if": "a.b", "with": {"if": "c.d"}, "${{ e.f }}": 1})] == [
        *(("if",), ("${{ e.f }}",)),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${{ }}", "empty"),
        ("${{ a.b", "not closed"),
        ("${{ a == }}", "too early"),
        ("${{ a b }}", "`b` is not expected"),
        ("${{ a = b }}", "not understood"),
        ('${{ "a" }}', "not understood"),
        ("${{ a.'b' }}", "no name"),
        ("${{ f(a,) }}", "not expected"),
        ("${{ " + "(" * 60 + "a" + ")" * 60 + " }}", "too deeply"),
    ],
)
def test_what_cannot_be_read_is_said_and_may_read_anything(text: str, why: str) -> None:
    [found] = expressions_in(text)

    assert why in found.error
    assert found.root is None
    assert found.reads[0].context == ANY
    assert found.reads[0].may_read("steps.rel.outputs.x")
    assert found.reads[0].touches("env")


def test_operators_bind_as_github_binds_them() -> None:
    [found] = expressions_in("a || !b && c == d < 1", whole=True)

    assert isinstance(found.root, Operation)
    assert found.root.operator == "||"
    conjunction = found.root.operands[1]
    assert isinstance(conjunction, Operation)
    assert conjunction.operator == "&&"
    negated, equal = conjunction.operands
    assert isinstance(negated, Operation)
    assert negated.operator == "!"
    assert isinstance(equal, Operation)
    assert equal.operator == "=="
    assert isinstance(equal.operands[1], Operation)
    assert equal.operands[1].operator == "<"


def test_a_chain_is_one_operation() -> None:
    [found] = expressions_in("a && b && c", whole=True)

    assert isinstance(found.root, Operation)
    assert len(found.root.operands) == 3


@pytest.mark.parametrize(
    ("text", "value", "written"),
    [
        ("'it''s'", "it's", "it's"),
        ("0x1F", 31.0, "31"),
        ("0o17", 15.0, "15"),
        ("-2.50", -2.5, "-2.5"),
        (".5e1", 5.0, "5"),
        ("3.10", 3.1, "3.1"),
        ("true", True, "true"),
        ("null", None, ""),
    ],
)
def test_literals(text: str, value: object, written: str) -> None:
    [found] = expressions_in(text, whole=True)

    assert isinstance(found.root, Literal)
    assert found.root.value == value
    assert found.root.text == written


def test_functions_are_named_in_lower_case_and_their_results_have_parts() -> None:
    [found] = expressions_in("${{ fromJSON(needs.a.outputs.m)[0].Version == hashFiles('**/x') && Always() }}")

    assert found.functions == {"fromjson", "hashfiles", "always"}
    assert [read.dotted for read in found.reads] == ["needs.a.outputs.m"]


def test_a_call_keeps_its_arguments() -> None:
    [found] = expressions_in("contains(github.ref, 'x')", whole=True)

    assert isinstance(found.root, Call)
    assert [type(argument) for argument in found.root.arguments] == [Read, Literal]


def test_a_name_is_replaced_in_its_own_spelling() -> None:
    text = "x ${{ Steps['rel'].outputs['html_url'] }} y"
    for start, end, new in reversed(renamed(text, one(text), "steps.rel.outputs.url")):
        text = text[:start] + new + text[end:]

    assert text == "x ${{ Steps['rel'].outputs['url'] }} y"


def test_text_around_expressions() -> None:
    text = "a-${{ github.sha }}-${{ '}}' }}"

    assert literals(text) == ("a-", "-", "")
    assert masked(text, "x") == "a-" + "x" * 17 + "-" + "x" * 11
    assert replaced(text, lambda expression: f"<{expression.inner}>") == "a-<github.sha>-<'}}'>"
    assert only_read(" ${{ github.ref }} ") == one(" ${{ github.ref }} ")
    assert only_read("v${{ github.ref }}") is None
    assert only_read("${{ github.ref || '' }}") is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", set()),
        ("github.event_name == 'push'", {"github.event_name == 'push'"}),
        ("${{ GitHub['event_name']=='push' && !(cancelled( )) }}", {"github.event_name == 'push'", "!cancelled()"}),
        ("(a.b || c.d == 1) && fromJSON(e.f).g", {"a.b || (c.d == 1)", "fromjson(e.f)['g']"}),
        ("${{ a.b }} && c.d", {"${{ a.b }} && c.d"}),
        ("a b", {"a b"}),
    ],
)
def test_what_must_hold_has_one_spelling(text: str, parts: set[str]) -> None:
    assert conditions(text) == parts


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("failure()", True),
        ("${{ failure() && github.ref != 'refs/heads/main' }}", True),
        ("always() && (needs.a.result == 'failure' || needs.b.result == 'cancelled')", True),
        ("always() && needs.a.outputs.healthy != 'true' && 'failure' == needs.a.result", True),
        ("failure() || cancelled()", True),
        ("always() && contains(needs.*.result, 'failure')", True),
        ("contains(needs.*.result, 'success')", False),
        ("failure() || inputs.again", False),
        ("!failure()", False),
        ("!cancelled() && needs.a.result == 'success'", False),
        ("needs.a.result != 'failure'", False),
        ("needs.a.outputs.state == 'failure'", False),
        ("always()", False),
        ("", False),
        ("failure(", False),
    ],
)
def test_a_condition_that_holds_only_after_a_failure(condition: str, wanted: bool) -> None:
    assert only_after_failure(condition) is wanted
