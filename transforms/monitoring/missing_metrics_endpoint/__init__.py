"""The application exports no metrics, or ones that are wrong, so nobody sees that it is slow or failing.

## Why
Logs tell of one request, metrics of all of them: how many fail, how long they take, since when. What a README usually
advises, two middlewares and a route, does not work behind a server with several processes. Each counts for itself and
Prometheus meets now one, now the other: with two workers an `increase()` of 180 reads about 350, and an error share of
10 % reads 20 %. A route is also refused to a scraper: 400 by the check of the host, since it comes by address, 301 by a
redirect to https, 429 by a rate limit; and it answers everybody on the internet.

The fix asks for django-prometheus in a release that goes with the project's Django. A middleware before all others
answers `/metrics` to whoever shows METRICS_TOKEN as a bearer token, and to nobody while that variable is empty.
Prometheus' own two come right behind it, so that they also count what other middleware answers. Where gunicorn starts
several workers, a `gunicorn.conf.py` in the folder that it starts in gives them one folder to count in. The bounds of
the latencies stand at usual targets: 200 ms, 500 ms, 1 s. Databases and caches are left as they are.

## What else is found
A module that counts and that nothing imports, and middleware that counts what nothing publishes. django-prometheus, or
an endpoint of the project's own, behind several workers that share no folder. One of its middlewares without the other,
or others between the two, whose answers no status counts; and a route at which everybody reads the metrics, which is
reported only: who asks there today is not in the repository.

## When it is left alone
Where django-prometheus or a client of the project's own is wired, OpenTelemetry or a vendor's agent is asked for;
libraries, templates, and projects of which nothing tells by which server they run. Sentry alone is no metrics. A route
is left alone under a condition, within a decorator, where a proxy's configuration speaks of metrics, or a middleware
refuses somebody. Nothing is done by halves: a lock file, a MIDDLEWARE that is made at run time or counts already, two
that both run in production, and workers that gunicorn replaces (`max_requests`), each of which leaves its files for
good, block all of it and say what to do first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.django.project import DjangoProject
from fixer.django.pythons import Pythons
from fixer.django.routes import Routes
from fixer.django.setting_lists import SettingList
from fixer.django.settings import SettingsModule
from fixer.languages.python import PythonModule
from fixer.model import (
    Blocked,
    Finding,
    Fix,
    Level,
    NewFile,
    Parts,
    Profile,
    Rule,
    RuleOptions,
    Span,
    Tier,
    option,
)
from fixer.monitoring.django_prometheus import AFTER, APP, BEFORE, PACKAGE, Choice, release_for
from fixer.monitoring.endpoints import Endpoints
from fixer.monitoring.exporters import Exporters
from fixer.monitoring.processes import GunicornConfigs, Served, served
from fixer.monitoring.prometheus import PrometheusConfig, PrometheusFiles, ScrapeJob
from fixer.project.python_style import PythonStyles, Style, licence_header
from fixer.project.requiring import Release, Requiring
from fixer.runtime.picture import Runtime
from fixer.scripts import template
from transforms.monitoring.missing_metrics_endpoint.wired import miscounted, published
from transforms.monitoring.missing_metrics_endpoint.workers import sharing

BUCKETS = ("0.01", "0.025", "0.05", "0.1", "0.2", "0.35", "0.5", "0.75", "1", "2.5", "5", "10", 'float("inf")')
SETTING = "PROMETHEUS_LATENCY_BUCKETS"
WHY_BUCKETS = "# Bounds at the targets: 200 ms, 500 ms, 1 s."
_PATH = "/metrics"
_COUNTS = re.compile(r"metric|prometheus|statsd", re.IGNORECASE)
_URL_PATH = re.compile(r"/[\w./-]*", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_RELEASE = re.compile(r"\d+(?:\.\w+)*", re.ASCII)
WHY_FIRST = "First, so that what other middleware answers is counted, too."


class Options(RuleOptions):
    path: str = option("", "where Prometheus asks; by itself as prometheus.yml says, else /metrics")
    token_variable: str = option("METRICS_TOKEN", "the variable that holds what Prometheus must show")
    version: str = option("", "the least release of django-prometheus, where the one that fhfix knows is not wanted")
    guarded: bool = option(False, "the network in front of the application keeps others from its metrics")


def check(
    django: DjangoProject,
    runtime: Runtime,
    exporters: Exporters,
    requiring: Requiring,
    styles: PythonStyles,
    configs: GunicornConfigs,
    routes: Routes | None,
    endpoints: Endpoints,
    prometheus: PrometheusFiles,
    pythons: Pythons | None,
    options: Options,
) -> Iterator[Finding]:
    for project in django.projects:
        servers = served(project, runtime)
        if project.is_aside or not servers:
            continue
        if exporters.prometheus:
            yield from _uncounted(servers, exporters, configs)
            if "django-prometheus" in exporters.by:
                yield from miscounted(project, endpoints, styles)
                yield from () if options.guarded else published(endpoints)
        elif not exporters.by:
            cure = _cure(project, servers, requiring, styles, configs, routes, prometheus, pythons, options)
            yield _finding(project, exporters, cure)
        return  # what one of several projects exports is not told apart


def _finding(project: DjangoProject, exporters: Exporters, cure: Fix | Blocked) -> Finding:
    if exporters.unwired:
        module = exporters.unwired[0]
        message = f"{module.path} counts what happens, and nothing imports it: no metrics are exported"
        return Finding(module.path, _start(module), message, cure, Level.WARNING)
    message = "the application exports no metrics"
    if exporters.unpublished:
        message = "the middleware of django-prometheus counts, and no route or port publishes what it counts"
    home = _home(project)
    places = home.document.assignments.get("MIDDLEWARE", ())
    span = home.document.span(home.document.statement_of(places[-1])) if places else Span(0, 0)
    return Finding(home.path, span, message, cure, Level.WARNING if exporters.unpublished else None)


def _start(module: PythonModule) -> Span:
    return module.span(module.tree.body[0]) if module.tree.body else Span(0, 0)


def _home(project: DjangoProject) -> SettingsModule:
    """The settings module that says most of MIDDLEWARE."""
    chain = project.chain(project.production_path)
    return next((each for each in reversed(chain) if "MIDDLEWARE" in each.document.assignments), chain[-1])


# -- several workers that do not count together -------------------------------------------------------------------


def _uncounted(servers: tuple[Served, ...], exporters: Exporters, configs: GunicornConfigs) -> Iterator[Finding]:
    several = [each for each in servers if each.workers is not None and each.workers > 1]
    if exporters.shared or not several:
        return
    first = several[0]
    message = f"{first.workers} processes of {first.program} count apart, and Prometheus meets one of them at random"
    cure: Fix | Blocked
    if exporters.own_view:
        cure = Blocked(
            f"{exporters.own_view} publishes what one process has counted",
            "collect from all of them there: prometheus_client.multiprocess.MultiProcessCollector",
        )
    elif exporters.asked_late:
        cure = Blocked(
            f"{exporters.asked_late} makes numbers when Prometheus asks, and workers that count together export none of"
            " these",
            "export those from a process of their own, then run fhfix again",
        )
    else:
        parts = sharing(several, configs)
        cure = Fix.of(
            "let the workers count together",
            *parts,
            tier=Tier.REVIEW,
            effects=(f"{' and '.join(_files(parts))}: all workers count in one folder",),
            todo=("process_* and python_gc_* are no longer exported: they are of one process.",),
        )
    yield Finding(first.place.path, first.place.span, message, cure, Level.WARNING)


def _files(parts: tuple[Parts | NewFile, ...]) -> list[str]:
    edits = [part for part in parts if isinstance(part, tuple)]
    changed = [edit.path for each in edits for edit in each]
    return list(dict.fromkeys([*changed, *(part.path for part in parts if isinstance(part, NewFile))]))


# -- no metrics ---------------------------------------------------------------------------------------------------


def _cure(
    project: DjangoProject,
    servers: tuple[Served, ...],
    requiring: Requiring,
    styles: PythonStyles,
    configs: GunicornConfigs,
    routes: Routes | None,
    prometheus: PrometheusFiles,
    pythons: Pythons | None,
    options: Options,
) -> Fix | Blocked:
    asking = _asking(prometheus)
    url = options.path or (asking[1].path if asking is not None else _PATH)
    for name, value, pattern in (
        ("path", url, _URL_PATH),
        ("token-variable", options.token_variable, _VARIABLE),
        ("version", options.version or "0", _RELEASE),
    ):
        if not pattern.fullmatch(value):
            return Blocked(
                f"{value!r} cannot be written into the settings as it stands",
                "give another",
                f'rules.{RULE.id}.{name} = "…"',
            )
    choice = Choice(Release(options.version)) if options.version else release_for(project.version)
    if choice is None:
        return Blocked(
            f"fhfix knows no release of {PACKAGE} that goes with Django {project.version}",
            "say which one to ask for",
            f'rules.{RULE.id}.version = "…"',
        )
    pinned = project.version is not None and project.version.exact
    if pythons is not None and pythons.oldest < choice.python and not pinned:
        oldest, least = (".".join(map(str, release)) for release in (pythons.oldest, choice.python))
        return Blocked(
            f"{pythons.place} installs with Python {oldest}, for which there is no Django that {PACKAGE}"
            f" {choice.release.lowest} takes",
            f"test with Python {least} or later, or say which release of {PACKAGE} to ask for",
            f'rules.{RULE.id}.version = "2.3.1"',
        )
    if routes is not None and routes.answers(url):
        return Blocked(
            f"{url} is a page of the application already",
            "choose another path",
            f'rules.{RULE.id}.path = "/internal/metrics"',
        )
    path = _module_path(project, configs)
    name = project.module_name(path)
    if not name:
        return Blocked(f"{path} cannot be imported by name", "start the project where its settings are a package")
    middleware = SettingList.of(project, project.production_path, "MIDDLEWARE")
    counting = next((each for each in middleware.names if _COUNTS.search(each) and each not in (BEFORE, AFTER)), "")
    if counting:
        return Blocked(
            f"{counting} in MIDDLEWARE counts already, and how that is published is not known",
            "publish that for Prometheus, or take it out first",
        )
    for other in project.deployed_paths:
        first = [each.node for each in SettingList.of(project, other, "MIDDLEWARE").places[:1]]
        if first != [each.node for each in middleware.places[:1]]:
            return Blocked(
                f"{project.production_path} and {other} both run in production, each with a MIDDLEWARE of its own",
                "let one take it over from the other",
            )
    applications = SettingList.of(project, project.production_path, "INSTALLED_APPS")
    added = [f"{name}.MetricsMiddleware", *(each for each in (BEFORE, AFTER) if not middleware.has(each))]
    shared = sharing([each for each in servers if each.workers != 1], configs)
    token = options.token_variable
    parts: list[Parts | NewFile] = [
        requiring.add(PACKAGE, choice.release, "django", project.settings_path, "Monitoring"),
        applications.add(APP, styles, configs.packages(_import_root(project))) if not applications.has(APP) else (),
        middleware.prepend(added, styles, WHY_FIRST),
        _buckets(middleware, styles),
        NewFile(path, _module(project, styles.of(path), middleware, url, options)),
        *shared,
    ]
    file = f"/run/secrets/{token.lower()}"
    signs_in = asking is not None and not asking[1].signs_in and asking[1].path == url
    if asking is not None and signs_in:
        shown = asking[0].document.add_key(asking[1].node, "authorization", {"credentials_file": file})
        parts.append(shown)
    given = f"as the file {file}" if signs_in else "as `authorization: credentials_file`"
    todo = [
        f"Set {token} where the application runs, and give Prometheus the same, {given};"
        f" while it is empty, {url} answers 403 to everybody.",
        "Let Prometheus ask each container by itself: behind a load balancer it would meet one of them at random.",
    ]
    alone = next((each.started for each in servers if each.program == "gunicorn" and each.workers == 1), None)
    if alone is not None:
        todo.append(
            f"One worker counts, as {alone.path}:{alone.line} starts it: where something else starts more of them, give"
            " them a folder to count together, PROMETHEUS_MULTIPROC_DIR."
        )
    if choice.holds_back:
        todo.append(
            f"{PACKAGE} {choice.release.lowest} holds Django back at {choice.holds_back}: pip installs that one where"
            " a newer release is allowed."
        )
    effects = [
        f"{url}: requests, answers by status, exceptions and latencies, for whoever shows {token}",
        *(f"{each}: all workers count in one folder" for each in _files(shared)),
    ]
    if asking is not None and signs_in:
        effects.append(f"{asking[0].path}: job {asking[1].name} shows {token}")
    return Fix.of("export metrics for Prometheus", *parts, tier=Tier.REVIEW, effects=effects, todo=todo)


def _asking(prometheus: PrometheusFiles) -> tuple[PrometheusConfig, ScrapeJob] | None:
    """The job of the repository's Prometheus that asks the application already."""
    for config in prometheus.configs:
        job = prometheus.watching(config)
        if job is not None:
            return config, job
    return None


def _import_root(project: DjangoProject) -> str:
    tail = f"/{project.settings.replace('.', '/')}"
    path = f"/{project.settings_path.removesuffix('.py').removesuffix('/__init__')}"
    return path.removesuffix(tail).strip("/") if path.endswith(tail) else project.root


def _module_path(project: DjangoProject, configs: GunicornConfigs) -> str:
    """Beside the settings; beside their folder, where they have one of their own. A name that is taken is left."""
    folder = project.settings_path.rpartition("/")[0]
    if folder.rpartition("/")[2] == "settings" and folder != project.root:
        folder = folder.rpartition("/")[0]
    names = (f"{folder}/{stem}.py" if folder else f"{stem}.py" for stem in ("metrics", "prometheus_metrics"))
    return next((name for name in names if name not in configs.taken), f"{folder}/metrics_endpoint.py".lstrip("/"))


def _module(project: DjangoProject, style: Style, middleware: SettingList, url: str, options: Options) -> str:
    """The new module in the manner of the settings: their quotes, their licence, their reader of variables."""
    home = middleware.places[0].module if middleware.places else _home(project).document
    source = template(__package__, "metrics.py")
    source = source.replace('"/metrics"', f'"{url}"').replace("METRICS_TOKEN", options.token_variable)
    chain = project.chain(project.production_path)
    if any(origin.startswith("decouple.") for each in chain for origin in each.document.imported.values()):
        # It also reads files, which os.environ does not see.
        source = source.replace("import hmac\nimport os\n", "import hmac\n")
        source = source.replace("from django.http", "from decouple import config\nfrom django.http", 1)
        source = source.replace("os.environ.get(", "config(").replace(
            ', "")\n        expected', ', default="")\n        expected'
        )
    if style.is_typed:
        between = "\nfrom django.http import " if style.is_single_line else ", "
        source = source.replace(
            "import HttpResponseForbidden", f"import HttpRequest{between}HttpResponse{between}HttpResponseForbidden"
        )
        source = source.replace(
            "def process_request(self, request):",
            "def process_request(self, request: HttpRequest) -> HttpResponse | None:",
        )
    if style.blank_lines_after_imports > 1:
        source = source.replace("\n\n\nclass", "\n" * (style.blank_lines_after_imports + 1) + "class")
    return licence_header(home.source.text) + home.in_its_quotes(source)


def _buckets(middleware: SettingList, styles: PythonStyles) -> Parts:
    if not middleware.places:
        return ()
    place = middleware.places[0]
    module = place.module
    if SETTING in module.assignments:
        return ()
    setting = f"{SETTING} = ({', '.join(BUCKETS)})"
    if len(setting) > styles.of(module.path).width:
        # As black has it: one a line, with the comma that keeps them so.
        bounds = "".join(f"    {bound},\n" for bound in BUCKETS)
        setting = f"{SETTING} = (\n{bounds})"
    code = module.in_its_quotes(f"{WHY_BUCKETS}\n{setting}")
    return module.insert_after(module.statement_of(place.node), code, blank_lines=1)


def _is_served(django: DjangoProject, runtime: Runtime) -> bool:
    return any(not project.is_aside and served(project, runtime) for project in django.projects)


RULE = Rule(
    __name__,
    "The application exports no metrics, or wrong ones",
    check,
    audit=("D-004.1",),
    criterion="The application exports metrics, and all of its processes count together",
    hours=(2, 4),
    level=Level.NOTE,
    profile=Profile.AUDIT,
    applies=_is_served,
)
