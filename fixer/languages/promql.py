"""Prometheus' query language, as far as to say which metrics an expression asks for.

https://prometheus.io/docs/prometheus/latest/querying/basics/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.records import record

_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)|(?P<number>\d[\w.]*)"""
    r"""|(?P<name>[A-Za-z_:][\w:]*)|(?P<mark>.)""",
    re.DOTALL,
)
_LISTS = frozenset(("by", "without", "on", "ignoring", "group_left", "group_right"))
_WORDS = frozenset(("and", "or", "unless", "atan2", "bool", "offset", "inf", "nan", "start", "end"))
_AGGREGATORS = frozenset((
    "avg", "bottomk", "count", "count_values", "group", "limit_ratio", "limitk", "max", "min", "quantile", "stddev",
    "stdvar", "sum", "topk",
))  # fmt: skip


@record
class Token:
    kind: str
    text: str
    start: int


@record
class Asked:
    """A metric that an expression asks for, and where its name stands."""

    name: str
    start: int
    end: int


def metrics(expression: str) -> tuple[Asked, ...]:
    """The metrics that an expression asks for, in order; none where it asks for logs."""
    return () if asks_for_logs(expression) else tuple(_metrics(list(_tokens(expression))))


def asks_for_logs(expression: str) -> bool:
    """Whether an expression has a pipeline of LogQL, whose rules stand in files of the same form.

    https://grafana.com/docs/loki/latest/query/log_queries/
    """
    return any(token.kind == "mark" and token.text == "|" for token in _tokens(expression))


def _tokens(text: str) -> Iterator[Token]:
    for found in _TOKEN.finditer(text):
        if found.lastgroup != "skip":
            yield Token(str(found.lastgroup), found[0], found.start())


def _metrics(tokens: list[Token]) -> Iterator[Asked]:
    at = 0
    while at < len(tokens):
        token = tokens[at]
        following = tokens[at + 1].text if at + 1 < len(tokens) else ""
        at += 1
        if token.kind == "mark" and token.text in "{[":
            end = _closing(tokens, at, "}" if token.text == "{" else "]")
            yield from _named(tokens[at:end]) if token.text == "{" else ()
            at = end
        elif token.kind != "name" or token.text.lower() in _WORDS:
            continue
        elif token.text.lower() in _LISTS and following == "(":
            at = _closing(tokens, at + 1, ")")
        elif following != "(" and not (token.text in _AGGREGATORS and following.lower() in _LISTS):
            yield Asked(token.text, token.start, token.start + len(token.text))


def _closing(tokens: list[Token], at: int, mark: str) -> int:
    """The index behind the next such mark."""
    return next((index + 1 for index in range(at, len(tokens)) if tokens[index].text == mark), len(tokens))


def _named(matchers: list[Token]) -> Iterator[Asked]:
    """The name in `{__name__="up"}`, and in `{"up"}`."""
    for index, token in enumerate(matchers):
        before = [each.text for each in matchers[max(0, index - 2) : index]]
        if token.kind == "text" and (before == ["__name__", "="] or before[-1:] in ([], [","])):
            yield Asked(token.text[1:-1], token.start + 1, token.start + len(token.text) - 1)
