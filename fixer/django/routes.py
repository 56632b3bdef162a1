"""The URLs that the Django project answers, as far as its URLconf says so literally."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self

from fixer.django.project import DjangoProject
from fixer.django.settings import joined
from fixer.languages.python import dotted, text
from fixer.project.test_suites import TestSuites
from fixer.records import record

if TYPE_CHECKING:
    from fixer.repository import Repository

_PATHS = frozenset({"path", "re_path", "url"})
# They serve files, or pages below a prefix of their own.
_ASIDE = frozenset({"static", "staticfiles_urlpatterns", "debug_toolbar_urls"})
_METHODS = frozenset({"get", "post", "put", "patch", "delete", "api_operation"})
_HEALTH = re.compile(r"(api/)?(_?health(z|check|-check|_check)?|livez?|readyz?|ping|up)/?")
_DEEPEST = 6


@record
class Route:
    """A URL without its first slash; `open_`: what stands there is the beginning of others, which are not known."""

    url: str
    open_: bool = False


@record
class Routes:
    """The routes of the URLconf that the settings of manage.py name."""

    routes: tuple[Route, ...]

    @classmethod
    def detect(cls, repository: Repository) -> Self | None:
        """None where the settings name no URLconf, or middleware may answer before it."""
        project = repository.fact(DjangoProject)
        if project is None:
            return None
        name = ""
        for module in project.chain(project.settings_path):
            if re.search(r"[\"'][\w.]*health\w*\.[\w.]*[mM]iddleware", module.document.source.text):
                return None
            for value in module.document.assignments.get("ROOT_URLCONF", []):
                name = text(value)
        reader = _Reader(repository, project.root)
        path = reader.path_of(name) if name else ""
        return cls(tuple(reader.urlconf(path, "", 0))) if path else None

    def answers(self, path: str) -> bool | None:
        """Whether a URL is there, with or without a slash at its end; None where that cannot be told."""
        wanted = path.strip("/")
        if any(not route.open_ and route.url.strip("/") == wanted for route in self.routes):
            return True
        return None if any(route.open_ and f"{wanted}/".startswith(route.url) for route in self.routes) else False

    def containing(self, word: str) -> str:
        """The shortest URL that has a word in it; empty where none has."""
        found = [f"/{route.url}" for route in self.routes if not route.open_ and word in route.url]
        return min(found, key=lambda url: (len(url), url), default="")


@record
class HealthUrl:
    """`path` answers 200 when the application is up, as far as files tell; empty where none is known.

    `refused` is what a container is probed with although the URLconf has no such URL, `likely` another of its
    URLs, such as the admin's page to log in.
    """

    path: str
    refused: str = ""
    likely: str = ""

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Always there."""
        project, suites, routes = repository.fact(DjangoProject), repository.fact(TestSuites), repository.fact(Routes)
        probed = suites.health_path(project.root) if suites is not None and project is not None else ""
        if routes is None or (probed and routes.answers(probed) is not False):
            return cls(probed)
        own = [f"/{route.url}" for route in routes.routes if not route.open_ and _HEALTH.fullmatch(route.url)]
        likely = routes.containing("health") or routes.containing("login/")
        return cls(min(own, key=len), probed, likely) if own else cls("", probed, likely)


class _Reader:
    def __init__(self, repository: Repository, root: str) -> None:
        self.repository = repository
        self.root = root
        self.trees: dict[str, ast.Module | None] = {}

    def path_of(self, name: str) -> str:
        """The file of a module of the project; empty where it has none."""
        inner = name.replace(".", "/")
        places = [joined(root, f"{inner}{end}") for root in (self.root, "") for end in (".py", "/__init__.py")]
        return next((place for place in places if self.repository.exists(place)), "")

    def tree(self, path: str) -> ast.Module | None:
        if path not in self.trees:
            self.trees[path] = _tree(path, self.repository)
        return self.trees[path]

    def urlconf(self, path: str, prefix: str, depth: int) -> Iterator[Route]:
        tree = self.tree(path)
        found = False
        for node in ast.walk(tree) if tree is not None and depth < _DEEPEST else ():
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and "urlpatterns" in map(dotted, targets):
                found = True
                for element in _elements(node.value) if node.value is not None else ():
                    yield from self.element(element, path, prefix, depth)
            elif isinstance(node, ast.Call) and dotted(node.func).startswith("urlpatterns."):
                yield Route(prefix, True)
        if not found:
            yield Route(prefix, True)

    def element(self, node: ast.expr, path: str, prefix: str, depth: int) -> Iterator[Route]:
        called = dotted(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
        if called in _ASIDE:
            return
        if not isinstance(node, ast.Call) or called not in _PATHS or len(node.args) < 2 or not _is_text(node.args[0]):
            yield Route(prefix, True)
            return
        written = text(node.args[0])
        literal = re.match(r"[^<]*" if called == "path" else r"\^?[\w/-]*(?=\$?$)|\^?[\w/-]*(?=[^?*+{])", written)
        url = prefix + (literal[0].lstrip("^") if literal else "")
        whole = literal is not None and literal[0] == written.removesuffix("$") and (called == "path" or "$" in written)
        view = node.args[1]
        is_include = isinstance(view, ast.Call) and dotted(view.func).rpartition(".")[2] == "include"
        if is_include and isinstance(view, ast.Call) and view.args:
            other = self.path_of(text(view.args[0])) if text(view.args[0]) else ""
            literal_so_far = called == "path" and literal is not None and literal[0] == written
            yield from self.urlconf(other, url, depth + 1) if other and literal_so_far else [Route(url, True)]
        elif dotted(view) == "admin.site.urls":
            yield from (Route(url, True), Route(f"{url}login/"))
        elif dotted(view).endswith(".urls"):
            yield from self.ninja(dotted(view).removesuffix(".urls"), path, url)
        else:
            yield Route(url, not whole)

    def ninja(self, name: str, path: str, prefix: str) -> Iterator[Route]:
        """The routes of a NinjaAPI; anything may be below the prefix of another object."""
        at = self.defined(name, path)
        tree = self.tree(at) if at else None
        made = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)] if tree is not None else []
        made = [node for node in made if name in map(dotted, node.targets) and _calls(node.value, "NinjaAPI")]
        if tree is None or not made:
            yield Route(prefix, True)
            return
        yield Route(f"{prefix}openapi.json")
        yield Route(f"{prefix}docs", not any(_keyword(node.value, "docs_url") == "/docs" for node in made))
        yield from self.operations(at, name, prefix)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and dotted(node.func) == f"{name}.add_router" and len(node.args) > 1:
                below = f"{prefix}{text(node.args[0]).strip('/')}"
                router = self.defined(dotted(node.args[1]), at)
                inner = self.repository.part(_Router, router) if router else None
                original = self.original(dotted(node.args[1]), at)
                nested = f"{original}.add_router" in self.repository.text(router) if router else False
                if inner is None or nested or not _is_text(node.args[0]):
                    yield Route(below, True)
                else:
                    yield from self.operations(router, original, f"{below}/")

    def operations(self, path: str, name: str, prefix: str) -> Iterator[Route]:
        module = self.repository.part(_Router, path)
        for target, method, url in module.operations if module is not None else ():
            if target == name:
                head = (url or "").partition("{")[0]
                yield Route(f"{prefix}{head.lstrip('/')}", head != url or method != "get")

    def imported(self, name: str, path: str) -> tuple[str, str] | None:
        """The module, and the name in it, of what another imports by `from … import …` under this name."""
        module = self.repository.part(_Router, path)
        found = module.imports.get(name) if module is not None else None
        if found is None:
            return None
        level, origin, original = found
        package = path.rpartition("/")[0].removeprefix(self.root).strip("/").replace("/", ".").split(".")
        above = package[: len(package) - level + 1] if level else []
        return ".".join([*filter(None, above), *([origin] if origin else [])]), original

    def defined(self, name: str, path: str) -> str:
        """The file that defines a name which this module uses; empty for one that is not of the project."""
        imported = self.imported(name, path)
        return path if imported is None and "." not in name else self.path_of(imported[0]) if imported else ""

    def original(self, name: str, path: str) -> str:
        imported = self.imported(name, path)
        return imported[1] if imported is not None else name


@record
class _Router:
    """What one module says of routers: the name, method and URL of each operation (None without an argument), and what
    it imports by `from … import …`: level, module and name behind each local name."""

    operations: tuple[tuple[str, str, str | None], ...]
    imports: Mapping[str, tuple[int, str, str]]

    @classmethod
    def detect(cls, repository: Repository, path: str) -> Self | None:
        tree = _tree(path, repository)
        return cls(tuple(_operations(tree)), dict(_imports(tree))) if tree is not None else None


def _tree(path: str, repository: Repository) -> ast.Module | None:
    try:
        return ast.parse(repository.text(path))
    except (SyntaxError, ValueError):
        return None


def _operations(tree: ast.Module) -> Iterator[tuple[str, str, str | None]]:
    for node in tree.body:
        for decorator in getattr(node, "decorator_list", ()):
            target, _, method = dotted(getattr(decorator, "func", None)).rpartition(".")
            if method in _METHODS:
                yield target, method, text(decorator.args[0]) if decorator.args else None


def _imports(tree: ast.Module) -> Iterator[tuple[str, tuple[int, str, str]]]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            yield from (
                (alias.asname or alias.name, (node.level, node.module or "", alias.name)) for alias in node.names
            )


def _elements(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp):
        yield from _elements(node.left)
        yield from _elements(node.right)
    elif isinstance(node, ast.List | ast.Tuple):
        yield from node.elts
    else:
        yield node


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _calls(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == name


def _keyword(node: ast.expr, name: str) -> str:
    keywords = node.keywords if isinstance(node, ast.Call) else []
    return next((text(keyword.value) for keyword in keywords if keyword.arg == name), "")
