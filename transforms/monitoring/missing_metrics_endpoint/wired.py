"""django-prometheus that is wired by halves, in an order that leaves answers out, or for everybody to read."""

from __future__ import annotations

from collections.abc import Iterator

from fixer.django.project import DjangoProject
from fixer.django.setting_lists import SettingList
from fixer.model import Blocked, Finding, Fix, Level, Parts, Tier
from fixer.monitoring.django_prometheus import AFTER, APP, BEFORE
from fixer.monitoring.endpoints import Endpoints
from fixer.project.python_style import PythonStyles


def miscounted(project: DjangoProject, endpoints: Endpoints, styles: PythonStyles) -> Iterator[Finding]:
    """One of the two middlewares without the other, or others between them."""
    middleware = SettingList.of(project, project.production_path, "MIDDLEWARE")
    if middleware.unknown or not middleware.places:
        return
    there = [each for each in (BEFORE, AFTER) if middleware.has(each)]
    own = [each for each in middleware.names if "rometheus" in each and not each.startswith(f"{APP}.")]
    if own or (not there and (not endpoints.found or _speaks_of_metrics(middleware))):
        return  # classes of the project, or what else may count
    if not there:
        message = "metrics are published, and no middleware counts a request"
        title = "add both of Prometheus' middlewares"
        yield _finding(middleware, message, title, middleware.prepend((BEFORE, AFTER), styles))
    elif BEFORE not in there:
        message = "PrometheusBeforeMiddleware is missing: no request is timed as a whole"
        title = "add PrometheusBeforeMiddleware in front"
        yield _finding(middleware, message, title, middleware.prepend((BEFORE,), styles))
    elif AFTER not in there:
        message = "PrometheusAfterMiddleware is missing: no request is counted by its status or view"
        title = "add PrometheusAfterMiddleware right behind the other"
        yield _finding(middleware, message, title, middleware.put_behind(AFTER, BEFORE))
    else:
        yield from _apart(middleware)


def _speaks_of_metrics(middleware: SettingList) -> bool:
    return any(word in name.lower() for name in middleware.names for word in ("metric", "monitor", "telemetry"))


def _apart(middleware: SettingList) -> Iterator[Finding]:
    before, after = middleware.names.index(BEFORE), middleware.names.index(AFTER)
    parts = middleware.put_behind(AFTER, BEFORE)
    if after < before:
        message = "PrometheusAfterMiddleware stands before PrometheusBeforeMiddleware: nothing is timed as a whole"
        yield _finding(middleware, message, "put PrometheusBeforeMiddleware first", parts)
    elif after > before + 1:
        count = after - before - 1
        which = f"{count} middlewares stand" if count > 1 else "one middleware stands"
        message = (
            f"{which} between Prometheus' two: no status counts what {'they answer' if count > 1 else 'it answers'}"
        )
        title = "put PrometheusAfterMiddleware right behind the other"
        # As its documentation has it; so it is not wrong, and sees less.
        yield _finding(middleware, message, title, parts, Level.NOTE)


def _finding(middleware: SettingList, message: str, title: str, parts: Parts, level: Level = Level.WARNING) -> Finding:
    place = next((each for each in middleware.places if {BEFORE, AFTER} & set(each.items)), middleware.places[0])
    effect = f"{place.module.path}: answers of every middleware are counted by their status"
    fix = Fix.of(title, parts, tier=Tier.REVIEW, effects=(effect,))
    return Finding(place.module.path, place.module.span(place.node), message, fix, level)


def published(endpoints: Endpoints) -> Iterator[Finding]:
    """Routes by which everybody who reaches the application reads its metrics."""
    if endpoints.guard:
        return
    for each in endpoints.found:
        yield Finding(
            each.module.path,
            each.module.span(each.route),
            "whoever reaches the application reads its metrics",
            Blocked(
                "whether the network in front of it keeps others away is not in the repository",
                "let the proxy refuse this path from outside, or a middleware ask for a token; say so where it is",
                "rules.missing-metrics-endpoint.guarded = true",
            ),
            Level.WARNING,
        )
