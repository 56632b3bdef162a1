"""Where django-prometheus' view is published by a URLconf, and what keeps strangers from it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from fixer.languages.python import PythonModule, dotted, text
from fixer.monitoring.exporters import is_aside
from fixer.records import entity

if TYPE_CHECKING:
    from fixer.model import Source
    from fixer.repository import Repository

_ROUTES = frozenset(("path", "re_path", "url"))
_URLS = "django_prometheus.urls"
_VIEW = "ExportToDjangoView"
_TOKEN = re.compile(r"(?:environ(?:\.get\(|\[)|getenv\(|config\(|env\()\s*[\"'](\w+)[\"']")
_PROXY = re.compile(r"nginx|caddy|traefik|haproxy|ingress|envoy|httpd|apache|varnish|\.conf(\.|$)", re.IGNORECASE)
_METRICS = re.compile(r"\bmetrics\b")
_PATH = re.compile(r"[\"'/]metrics\b")
_REFUSES = re.compile(r"Forbidden|PermissionDenied|REMOTE_ADDR|X_FORWARDED_FOR|Authorization|AUTHORIZATION|\b40[134]\b")


@entity
class Endpoint:
    """A route of a URLconf behind which the view stands as it is."""

    module: PythonModule
    route: ast.Call


@entity
class Endpoints:
    """`guard` is the file that speaks of metrics and may keep others away: a proxy's, or a module that refuses.
    `token` is the variable that holds what a middleware of the project wants to be shown."""

    found: tuple[Endpoint, ...]
    guard: str = ""
    token: str = ""

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Every repository has this fact."""
        speaking = repository.documents(PythonModule, lambda source: "django_prometheus" in source.text)
        modules = [module for module in speaking if not is_aside(module.path)]
        found = tuple(each for module in modules for each in _endpoints(module))
        tokens = (each for module in modules for each in _TOKEN.findall(_asking(module)))
        return cls(found, _guard(repository) if found else "", next(tokens, ""))


def _asking(module: PythonModule) -> str:
    """The text of a module that publishes metrics to whoever shows something."""
    code = module.source.text
    return code if _VIEW in code and "Authorization" in code and "Bearer" in code else ""


def _endpoints(module: PythonModule) -> Iterator[Endpoint]:
    """A route under a condition is left out: somebody has thought of who needs it."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or dotted(node.func) not in _ROUTES or len(node.args) < 2:
            continue
        if _publishes(module, node.args[1]) and not _is_conditional(module, node):
            yield Endpoint(module, node)


def _publishes(module: PythonModule, view: ast.expr) -> bool:
    if isinstance(view, ast.Call):
        if dotted(view.func).rpartition(".")[2] != "include" or not view.args:
            return False  # wrapped into something that may ask who comes
        first = view.args[0]
        first = first.elts[0] if isinstance(first, ast.Tuple) and first.elts else first
        return text(first) == _URLS or module.imported.get(dotted(first)) == _URLS
    return dotted(view).rpartition(".")[2] == _VIEW


def _is_conditional(module: PythonModule, node: ast.AST) -> bool:
    above = module.parent(node)
    while above is not None:
        if isinstance(above, ast.If | ast.IfExp | ast.Try):
            return True
        above = module.parent(above)
    return False


def _guard(repository: Repository) -> str:
    for path in repository.files:
        if _PROXY.search(path) and _METRICS.search(repository.text(path)):
            return path
    for module in repository.documents(PythonModule, _may_refuse):
        if not is_aside(module.path):
            return module.path
    return ""


def _may_refuse(source: Source) -> bool:
    """Whether a module, and not the settings, has a middleware that speaks of metrics and of who may not see them."""
    code = source.text
    if "iddleware" not in code or "MIDDLEWARE" in code:
        return False
    return _PATH.search(code) is not None and _REFUSES.search(code) is not None
