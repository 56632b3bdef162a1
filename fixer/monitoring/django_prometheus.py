"""django-prometheus: which of its releases goes with which Django, and the names of what it exports."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from fixer import kept
from fixer.project.packages import VersionRange
from fixer.project.requiring import Release
from fixer.records import record

PACKAGE = "django-prometheus"
APP = "django_prometheus"
BEFORE = "django_prometheus.middleware.PrometheusBeforeMiddleware"
AFTER = "django_prometheus.middleware.PrometheusAfterMiddleware"
_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


@record
class Choice:
    """The releases to ask for; `holds_back` is the release of Django that pip then takes where it would have taken a
    newer one, empty where it takes the same. `python` is the least for which there is such a Django."""

    release: Release
    holds_back: str = ""
    python: tuple[int, ...] = ()


def release_for(django: VersionRange | None) -> Choice | None:
    """What goes with the Django that the requirements allow; None where nothing does."""
    for row in _table()["release"]:
        for start, end in row["django"]:
            if _may_be_within(django, start, end):
                release = Release(row["lowest"], tuple(row.get("without", ())), row.get("below", ""))
                newer = django is None or not (django.exact or django.below) or django.below > _numbers(end)
                python = _numbers(row["python"]) if "python" in row else ()
                return Choice(release, row.get("holds-back", "") if newer else "", python)
    return None


def exported() -> frozenset[str]:
    """Every name that a query can ask for."""
    return _exported()


def meant_by(name: str) -> str:
    """What is exported in the place of a name that is not; empty where that is not known."""
    return str(_table()["meant"].get(name, ""))


@cache
def _exported() -> frozenset[str]:
    return frozenset(_names())


def _names() -> Iterator[str]:
    for kind, names in _table()["exported"].items():
        for name in names:
            yield from (name + suffix for suffix in _SUFFIXES[kind])


@cache
def _table() -> dict[str, Any]:
    return kept.table(__file__, "django_prometheus.toml")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _may_be_within(django: VersionRange | None, start: str, end: str) -> bool:
    """Whether some release that is allowed lies between two others."""
    if django is None:
        return True
    first, last = _numbers(start), _numbers(end)
    if django.exact:
        return first <= django.lowest[:2] < last
    return django.lowest[:2] < last and (not django.below or django.below[:2] > first or django.below > first)
