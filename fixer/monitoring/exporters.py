"""What exports the metrics of the repository's application: a library that is wired, or the agent of a vendor."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from fixer.documents import DEVELOPMENT
from fixer.languages.python import PythonModule, dotted
from fixer.patterns import Rare
from fixer.project.packages import PythonPackages
from fixer.records import entity
from fixer.runtime.picture import Deployed

if TYPE_CHECKING:
    from fixer.repository import Repository

# Packages that send metrics by themselves, or that somebody sets up to do so.
_AGENTS = frozenset((
    "appsignal", "azure-monitor-opentelemetry", "datadog", "ddtrace", "django-statsd", "django-statsd-mozilla",
    "elastic-apm", "honeycomb-opentelemetry", "instana", "markus", "newrelic", "opencensus-ext-azure",
    "opencensus-ext-django",
    "opentelemetry-distro", "opentelemetry-instrumentation-django", "opentelemetry-sdk", "scout-apm",
    "skywalking", "apache-skywalking", "statsd", "aws-embedded-metrics", "logfire", "signoz",
))  # fmt: skip
_LAUNCHERS = frozenset(("ddtrace-run", "newrelic-admin", "opentelemetry-instrument", "sw-python"))
_LIBRARIES = (
    "prometheus", "opentelemetry", "ddtrace", "newrelic", "elasticapm", "statsd", "aws_embedded_metrics", "markus",
)  # fmt: skip
_SPEAKS = Rare(f"(?i){'|'.join(_LIBRARIES)}", *_LIBRARIES)
_OTHERS = re.compile(
    r"^\s*(?:from|import)\s+(opentelemetry|ddtrace|newrelic|elasticapm|statsd|aws_embedded_metrics|markus)\b", re.M
)
_DJANGO_PROMETHEUS = re.compile(r"\bdjango_prometheus\.?\s*(?:import\s+)?(middleware|urls|exports)\b")
_PUBLISHES_IT = re.compile(
    r"\bdjango_prometheus\.?\s*(?:import\s+)?(?:urls|exports)\b|ExportToDjangoView|PROMETHEUS_METRICS_EXPORT_(?:PORT|ADDRESS)"
)
_CLIENT = re.compile(r"^\s*(?:from|import)\s+prometheus_client\b", re.MULTILINE)
_PUBLISHES = re.compile(
    r"\b(generate_latest|make_[aw]sgi_app|start_(?:http|wsgi)_server|push(?:add)?_to_gateway|MetricsHandler)\b"
)
_SERVES_ITSELF = re.compile(r"\bstart_(?:http|wsgi)_server\(|\bpush(?:add)?_to_gateway\(")
_SHARED = Rare(r"(?i)PROMETHEUS_(MULTIPROC_DIR|METRICS_EXPORT_PORT_RANGE)", "prometheus_m")
_SAYING = (
    "", ".py", ".sh", ".yml", ".yaml", ".env", ".tf", ".json", ".toml", ".service", ".conf", ".ini", ".cfg", ".tpl",
)  # fmt: skip
_SUFFIXES = {
    "Counter": ("_total",),
    "Histogram": ("_bucket", "_sum", "_count"),
    "Summary": ("_sum", "_count"),
    "Info": ("_info",),
}
_ASIDE = re.compile(r"(^|/)(tests?|testing|examples?|docs?|benchmarks?)/|(^|/)(test_|conftest)[^/]*$")


def is_aside(path: str) -> bool:
    """Whether a module is a test or an example, which nothing serves."""
    return _ASIDE.search(path) is not None


@entity
class Exporters:
    """`by` says what exports metrics; empty where nothing does. `prometheus`: for Prometheus to fetch, by a library
    that counts in each process. `unwired` are modules that count and that nothing imports; `shared`: what counts in
    several processes is put together somewhere. `own_view` is a module of the project that publishes what one process
    has counted. `names` are the metrics that the project itself makes. `unpublished` is the module whose middleware
    counts where no route, port or view of the project publishes it. `prefixed_by` is the one that gives all names of
    django-prometheus a prefix. `asked_late` is one whose numbers are made when Prometheus asks."""

    by: str = ""
    prometheus: bool = False
    unwired: tuple[PythonModule, ...] = ()
    shared: bool = False
    own_view: str = ""
    names: frozenset[str] = frozenset()
    unpublished: str = ""
    prefixed_by: str = ""
    asked_late: str = ""

    @classmethod
    def detect(cls, repository: Repository) -> Exporters:
        """Every repository has this fact."""
        wired = repository.fact(_Wired)
        assert wired is not None  # detect says None of no repository
        return wired.exporters if wired.exporters.by else replace(wired.exporters, by=_agent(repository))


@entity
class _Wired:
    """What the modules of the repository export by themselves."""

    exporters: Exporters

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        modules = [
            module
            for module in repository.documents(PythonModule, lambda source: _SPEAKS.search(source.text) is not None)
            if not is_aside(module.path)
        ]
        unwired: list[PythonModule] = []
        by, own_view, prometheus, counts, published = "", "", False, "", False
        for module in modules:
            text = module.source.text
            if _DJANGO_PROMETHEUS.search(text):
                by, prometheus = f"{module.path} wires django-prometheus", True
                counts = counts or module.path
                published |= _PUBLISHES_IT.search(text) is not None
            elif _CLIENT.search(text) and _PUBLISHES.search(text):
                published = True
                if _SERVES_ITSELF.search(text) or _is_used(module, repository):
                    by, prometheus = by or f"{module.path} publishes metrics", True
                    own_view = module.path if "MultiProcessCollector" not in text else own_view
                else:
                    unwired.append(module)
            elif _OTHERS.search(text) and not DEVELOPMENT.search(module.path):
                by = by or f"{module.path} uses {_OTHERS.findall(text)[0]}"
        names = frozenset(name for module in modules if _CLIENT.search(module.source.text) for name in _named(module))
        unpublished = counts if not published else ""
        if unpublished:
            by, prometheus = "", False
        shared = prometheus and _is_shared(repository)
        prefixed = next((each.path for each in modules if "PROMETHEUS_METRIC_NAMESPACE" in each.assignments), "")
        late = next((each.path for each in modules if _is_asked_late(each)), "")
        return cls(Exporters(by, prometheus, tuple(unwired), shared, own_view, names, unpublished, prefixed, late))


def _is_asked_late(module: PythonModule) -> bool:
    """Whether it registers a collector of its own, or a function that gives a number: several processes that count in
    one folder export neither. https://prometheus.github.io/client_python/multiprocess/
    """
    calls = (dotted(node.func) for node in ast.walk(module.tree) if isinstance(node, ast.Call))
    return any(each.endswith(("REGISTRY.register", ".set_function")) for each in calls)


def _agent(repository: Repository) -> str:
    packages = repository.fact(PythonPackages)
    for requirement in packages.requirements if packages is not None else ():
        if requirement.name in _AGENTS and not requirement.development and not requirement.locked:
            return f"{requirement.path} asks for {requirement.name}"
    deployed = repository.fact(Deployed)
    for program in deployed.programs if deployed is not None else ():
        for started in (*program.commands, *program.calls):
            if _LAUNCHERS & set(started.argv[:2]):
                return f"{started.path}:{started.line} starts {' '.join(started.argv[:2])}"
    return ""


def _is_used(module: PythonModule, repository: Repository) -> bool:
    """Whether another module of the repository imports this one, or names it in a text, as MIDDLEWARE does."""
    dotted = module.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    tails = [".".join(dotted.split(".")[-count:]) for count in range(2, dotted.count(".") + 2)] or [dotted]
    last = dotted.rpartition(".")[2]
    folder = dotted.rpartition(".")[0]
    named = re.compile(rf"\b{re.escape(last)}\b")
    for other in repository.documents(PythonModule, lambda source: named.search(source.text) is not None):
        if other.path == module.path or is_aside(other.path):
            continue
        here = other.path.rpartition("/")[0]
        for origin in _imports(other, here.replace("/", ".")):
            if origin == dotted or origin.startswith(f"{dotted}.") or _ends_in(origin, tails, last, folder):
                return True
        if any(re.search(rf"[\"'](?:[\w.]*\.)?{re.escape(tail)}[.\"']", other.source.text) for tail in tails):
            return True
    return False


def _imports(module: PythonModule, package: str) -> Iterator[str]:
    """Dotted names of what a module imports, wherever the statement stands."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*filter(None, above), *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _ends_in(origin: str, tails: list[str], last: str, folder: str) -> bool:
    """Whether an absolute import means the module, whatever folder of the repository is the import root."""
    if "." not in origin:
        return origin == last and not folder
    return any(origin == tail or origin.startswith(f"{tail}.") for tail in tails)


def _is_shared(repository: Repository) -> bool:
    """Whether any file says where several processes count together."""
    images = (path for path in repository.holding("dockerfile") if "dockerfile" in path.rpartition("/")[2].lower())
    return any(_SHARED.search(repository.text(path)) for path in sorted({*repository.ending(*_SAYING), *images}))


def _named(module: PythonModule) -> Iterator[str]:
    """The metrics that a module makes: `Counter("name", …)` and the like."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        kind = ast.unparse(node.func).rpartition(".")[2]
        first = node.args[0]
        if kind not in ("Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"):
            continue
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            suffixes = _SUFFIXES.get(kind, ("",))
            yield from (first.value.removesuffix("_total") + suffix for suffix in suffixes)
