"""Prometheus that watches and never tells: without rules, with rules that cannot fire, with nobody to tell."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from fixer.docker.pinned import pinned
from fixer.github.catalog.actions import Catalog
from fixer.github.workflows import Workflows
from fixer.languages.promql import Asked
from fixer.languages.yaml import Flow, Node, Yaml
from fixer.model import Blocked, Finding, Fix, Level, NewFile, Parts, Span, Tier, listed
from fixer.monitoring.django_prometheus import PACKAGE, exported, meant_by
from fixer.monitoring.exporters import Exporters
from fixer.monitoring.prometheus import AlertRule, PrometheusConfig, PrometheusFiles
from fixer.scripts import template
from transforms.monitoring.missing_alerts.options import Options
from transforms.monitoring.missing_alerts.tested import rules_workflow

_QUANTILES = (("50", "0.5"), ("95", "0.95"), ("99", "0.99"))
_PORT = 9093  # where Alertmanager listens
_MANY = 10_000
PLAIN = re.compile(r"[A-Za-z][\w.-]*")  # needs no quotes in YAML


# -- rules that cannot fire ---------------------------------------------------------------------------------------


def without_metrics(prometheus: PrometheusFiles, exporters: Exporters) -> Iterator[Finding]:
    """Rules that ask for metrics of Django which nobody exports."""
    if exporters.by and not exporters.prometheus:
        return  # what another library exports is not known
    known = (exported() if exporters.prometheus else frozenset()) | exporters.names | prometheus.recorded
    for rule in prometheus.rules:
        missing = [asked for asked in rule.metrics if asked.name.startswith("django_") and asked.name not in known]
        if missing:
            yield _unfed(rule, missing, exporters)


def _unfed(rule: AlertRule, missing: list[Asked], exporters: Exporters) -> Finding:
    names = list(dict.fromkeys(asked.name for asked in missing))
    idle = "never fires" if rule.is_alert else "records nothing"
    message = f"{rule.name} {idle}: nobody exports {listed(names)}"
    cure: Fix | Blocked
    if not exporters.prometheus:
        cure = Blocked("the application exports no metrics", "apply missing-metrics-endpoint, and run fhfix again")
    elif all(f"{name}_total" in exported() for name in names):
        # A counter is exported with this ending, whatever its own name ends in.
        edits = [(asked.end, asked.end, "_total") for asked in missing]
        effects = tuple(f"{rule.name}: asks for {name}_total" for name in names)
        parts = rule.document.splice_scalar(rule.expression, edits)
        cure = Fix.of(f"let {rule.name} ask for what is exported", parts, tier=Tier.REVIEW, effects=effects)
    else:
        said = [f"{meant_by(name)} for {name}" for name in names if meant_by(name)]
        cure = Blocked(
            f"{PACKAGE} exports no such metric, and what was meant may have other labels",
            f"ask for {listed(said)}" if said else "ask for one that /metrics lists",
        )
    return Finding(rule.document.source.path, rule.expression.span, message, cure, Level.WARNING)


# -- no rules at all ----------------------------------------------------------------------------------------------


def unruled(
    prometheus: PrometheusFiles, exporters: Exporters, workflows: Workflows | None, catalog: Catalog, targets: Options
) -> Iterator[Finding]:
    """Prometheus that watches the application and reads no rules."""
    if prometheus.rules or "django-prometheus" not in exporters.by:
        return
    for config in prometheus.configs:
        if not config.says("rule_files"):
            cure = _prefixed(exporters) or _ruled(config, prometheus, workflows, catalog, targets)
            span = _span(config.document, "scrape_configs")
            whom = "watches the application and " if prometheus.watching(config, targets.job) is not None else ""
            yield Finding(config.path, span, f"Prometheus {whom}has no rule to alert anybody", cure)


def _prefixed(exporters: Exporters) -> Blocked | None:
    if not exporters.prefixed_by:
        return None
    return Blocked(
        f"{exporters.prefixed_by} sets PROMETHEUS_METRIC_NAMESPACE, so that every name is another one",
        "write the rules by hand, with that prefix",
    )


def _ruled(
    config: PrometheusConfig,
    prometheus: PrometheusFiles,
    workflows: Workflows | None,
    catalog: Catalog,
    targets: Options,
) -> Fix | Blocked:
    chosen = prometheus.watching(config, targets.job)
    if chosen is None or not PLAIN.fullmatch(chosen.name):
        return Blocked(
            f"which job of {config.path} watches the application is not known",
            "name it",
            f'rules.missing-alerts.job = "{_likely(config)}"',
        )
    folder = config.path.rpartition("/")[0]
    stem = "alerts" if f"{folder}/alerts.yml".lstrip("/") not in prometheus.taken else "django-alerts"
    path = f"{folder}/{stem}.yml".lstrip("/")
    mounted, has_both = _mounted(config, prometheus, path)
    parts: list[Parts | NewFile] = [
        config.document.add_key(config.document.root, "rule_files", [f"{stem}.yml"], before="scrape_configs"),
        *mounted,
        NewFile(path, rules_of(chosen.name, targets)),
        NewFile(f"{folder}/{stem}.test.yml".lstrip("/"), tests_of(stem, chosen.name, targets)),
    ]
    bounds = listed([f"{each:g}" for each in (targets.p50, targets.p95, targets.p99)])
    todo = [f"PROMETHEUS_LATENCY_BUCKETS must have the bounds {bounds}: between two bounds a latency is guessed."]
    if not has_both:
        todo.append(f"Bring {path} to where Prometheus reads {config.path}, which says nothing of a missing file.")
    tested = rules_workflow(folder, config.path.rpartition("/")[2], stem, _image(prometheus), workflows, catalog)
    if tested is not None:
        parts.append(tested)
    else:
        todo.append(f"Let CI run `promtool test rules {path.removesuffix('.yml')}.test.yml`.")
    effects = (f"{path}: alerts when {chosen.name} is down or gone, or answers with errors or too slowly",)
    return Fix.of("add rules for alerts, with their tests", *parts, tier=Tier.REVIEW, effects=effects, todo=todo)


def _image(prometheus: PrometheusFiles) -> str:
    """The Prometheus that runs is the one that the rules are tested with."""
    images = [each.image_name for each in prometheus.servers if re.search(r":v?\d", each.image_name)]
    return images[0] if images else pinned("prometheus")


def _likely(config: PrometheusConfig) -> str:
    """A job that may be meant: none of Prometheus itself, nor of an exporter."""
    others = [each.name for each in config.jobs if not re.search(r"prometheus|export", each.name)]
    return next((name for name in others if name), "web")


def _mounted(config: PrometheusConfig, prometheus: PrometheusFiles, path: str) -> tuple[list[Parts], bool]:
    """The file of rules beside that of the configuration, where a container mounts only that one; and whether a
    container has both."""
    parts: list[Parts] = []
    name, beside = config.path.rpartition("/")[2], path.rpartition("/")[2]
    readers = [*_read_by(config, prometheus)]
    for document, volumes, index in readers:
        source, _, target = volumes.items[index].value.partition(":")
        if _meant(document, source) == config.path:
            line = f"{source.removesuffix(name)}{beside}:{target.replace(name, beside, 1)}"
            parts.append(document.insert_item(volumes, index + 1, line))
    return parts, bool(readers)


def _read_by(config: PrometheusConfig, prometheus: PrometheusFiles) -> Iterator[tuple[Yaml, Node, int]]:
    """Where containers of Prometheus mount a configuration, or its folder: the file, the volumes, and which of them."""
    for program in prometheus.servers:
        document, service = program.written or (None, None)
        volumes = service.get("volumes") if service is not None else None
        for index, item in enumerate(volumes.items if volumes is not None and volumes.is_sequence else ()):
            source = (item.value if item.is_scalar else "").partition(":")[0]
            if document is None or volumes is None or not source:
                continue
            if _meant(document, source) in (config.path, posixpath.dirname(config.path) or "."):
                yield document, volumes, index


def _meant(document: Yaml, source: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(document.source.path), source))


def rules_of(job: str, targets: Options) -> str:
    """The rules for a job of Prometheus."""
    text = template(__package__, "alerts.yml")
    seconds = (targets.p50, targets.p95, targets.p99)
    for (number, quantile), limit in zip(_QUANTILES, seconds, strict=True):
        latency = template(__package__, "latency.yml")
        text += latency.replace("NUMBER", number).replace("QUANTILE", quantile).replace("SECONDS", f"{limit:g}")
    return _filled(text, job, targets)


def tests_of(stem: str, job: str, targets: Options) -> str:
    """What promtool holds the rules of that stem against."""
    text = template(__package__, "alerts.test.yml").replace("ALERTS", stem)
    many, few = (round(_MANY * targets.failures * factor) for factor in (2, 0.5))
    between = (targets.p50 + max(targets.p95, targets.p50 * 1.5)) / 2
    for word, value in (
        ("MANY_GOOD", _MANY - many), ("MANY_BAD", many), ("FEW_GOOD", _MANY - few), ("FEW_BAD", few),
        ('"P50"', f'"{targets.p50:g}"'), ("within P50", f"within {targets.p50:g}"), ("BETWEEN", f"{between:g}"),
    ):  # fmt: skip
        text = text.replace(word, str(value))
    return _filled(text, job, targets)


def _filled(text: str, job: str, targets: Options) -> str:
    percent = f"{targets.failures * 100:g}"
    return text.replace("JOB", job).replace("FAILURES", f"{targets.failures:g}").replace("PERCENT", percent)


# -- nobody to tell -----------------------------------------------------------------------------------------------


def unsent(prometheus: PrometheusFiles) -> Iterator[Finding]:
    """Prometheus that reads rules, and knows no Alertmanager to send what fires."""
    for config in prometheus.configs:
        if config.says("alerting") or not config.says("rule_files"):
            continue
        files = {document.source.path for document, _, _ in _read_by(config, prometheus)}
        names = [each.name for each in prometheus.managers if each.place.path in files]  # known by name to each other
        cure: Fix | Blocked = Blocked(
            "where the Alertmanager of this Prometheus runs is not in the repository",
            f"name it in {config.path}, below `alerting:`",
        )
        if names:
            targets = {"targets": Flow(tuple(f"{name}:{_PORT}" for name in names[:1]))}
            alerting = {"alertmanagers": [{"static_configs": [targets]}]}
            edits = config.document.add_key(config.document.root, "alerting", alerting, after="rule_files")
            cure = Fix.of("send alerts to Alertmanager", edits, tier=Tier.REVIEW)
        yield Finding(config.path, _span(config.document, "rule_files"), "what its rules find is sent to nobody", cure)


def _span(document: Yaml, key: str) -> Span:
    root: Node = document.root
    return root.key_spans.get(key, Span(0, 0))
