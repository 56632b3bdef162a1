"""Prometheus in the repository: what it scrapes, the rules that it reads, and whom it tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from fixer.documents import DEVELOPMENT
from fixer.languages.promql import Asked, asks_for_logs, metrics
from fixer.languages.tables import mapping, sequence
from fixer.languages.yaml import Node, Yaml
from fixer.records import entity
from fixer.runtime.picture import Runtime
from fixer.runtime.programs import Program

if TYPE_CHECKING:
    from fixer.model import Source
    from fixer.repository import Repository

# All keys that Prometheus takes. It refuses any other: a file with `scrape_configs` beside others is one of Promtail or
# of an agent. https://prometheus.io/docs/prometheus/latest/configuration/configuration/#configuration-file
_KEYS = frozenset((
    "alerting", "global", "otlp", "remote_read", "remote_write", "rule_files", "runtime", "scrape_config_files",
    "scrape_configs", "storage", "tracing",
))  # fmt: skip


@entity
class ScrapeJob:
    """One entry of `scrape_configs`. `hosts` are those of its targets, without ports, as far as they are written."""

    name: str
    hosts: tuple[str, ...]
    node: Node

    @property
    def path(self) -> str:
        """The path that is asked."""
        return _text(self.node.get("metrics_path")) or "/metrics"

    @property
    def signs_in(self) -> bool:
        """Whether it shows anything by which it may be known."""
        keys = ("authorization", "basic_auth", "bearer_token", "bearer_token_file", "oauth2")
        return any(self.node.get(key) is not None for key in keys)


@entity
class PrometheusConfig:
    """A file that Prometheus reads, with `scrape_configs`."""

    document: Yaml

    @property
    def path(self) -> str:
        return self.document.source.path

    @property
    def jobs(self) -> tuple[ScrapeJob, ...]:
        listed = self.document.root.get("scrape_configs")
        nodes = listed.items if listed is not None and listed.is_sequence else []
        return tuple(ScrapeJob(_text(node.get("job_name")), tuple(_hosts(node.data)), node) for node in nodes)

    def says(self, key: str) -> bool:
        """Whether a key of the file says anything."""
        found = self.document.root.get(key)
        return found is not None and bool(found.data)


@entity
class AlertRule:
    """One rule: the alert, or what it records, and the metrics that its expression asks for."""

    name: str
    is_alert: bool
    expression: Node
    document: Yaml

    @property
    def metrics(self) -> tuple[Asked, ...]:
        return metrics(_text(self.expression))


@entity
class PrometheusFiles:
    """`django` are the names under which the application's containers are known to others, `servers` and `managers` the
    containers that run Prometheus and Alertmanager. `taken` are all files."""

    configs: tuple[PrometheusConfig, ...]
    rules: tuple[AlertRule, ...]
    recorded: frozenset[str]
    django: frozenset[str]
    servers: tuple[Program, ...]
    managers: tuple[Program, ...]
    taken: frozenset[str]

    def watching(self, config: PrometheusConfig, name: str = "") -> ScrapeJob | None:
        """The job that asks the application: the one of this name, else the only one that names its containers."""
        if name:
            return next((each for each in config.jobs if each.name == name), None)
        found = [each for each in config.jobs if self.django & set(each.hosts)]
        return found[0] if len(found) == 1 else None

    @classmethod
    def detect(cls, repository: Repository) -> Self:
        """Every repository has this fact."""
        documents = [
            document
            for document in repository.documents(Yaml, _speaks)
            if not DEVELOPMENT.search(document.source.path) and document.root.is_mapping
        ]
        configs = tuple(PrometheusConfig(each) for each in documents if _configures_prometheus(each))
        rules: list[AlertRule] = []
        recorded: set[str] = set()
        for document in documents:
            for name, is_alert, expression in _rules(document):
                rules.append(AlertRule(name, is_alert, expression, document))
                recorded |= set() if is_alert else {name}
        runtime = repository.fact(Runtime) if configs else None
        programs = runtime.programs if runtime is not None else ()
        composed = [program for program in programs if program.origin == "compose"]
        return cls(
            configs,
            tuple(rules),
            frozenset(recorded),
            frozenset(program.name for program in programs if program.is_django and program.serves),
            tuple(each for each in composed if "prom/prometheus" in each.image_name),
            tuple(each for each in composed if "alertmanager" in each.image_name),
            frozenset(repository.files),
        )


def _speaks(source: Source) -> bool:
    return "scrape_configs:" in source.text or ("groups:" in source.text and "expr:" in source.text)


def _configures_prometheus(document: Yaml) -> bool:
    keys = mapping(document.root.data).keys()
    return "scrape_configs" in keys and keys <= _KEYS


def _text(node: Node | None) -> str:
    return node.value if node is not None and node.is_scalar else ""


def _hosts(job: object) -> Iterator[str]:
    for target in _listed(job, "static_configs", "targets"):
        yield target.partition("://")[2].partition(":")[0] if "://" in target else target.partition(":")[0]
    yield from _listed(job, "dns_sd_configs", "names")


def _listed(job: object, key: str, inner: str) -> Iterator[str]:
    for each in sequence(mapping(job).get(key)):
        yield from map(str, sequence(mapping(each).get(inner)))


def _rules(document: Yaml) -> Iterator[tuple[str, bool, Node]]:
    groups = document.root.get("groups")
    for group in groups.items if groups is not None and groups.is_sequence else ():
        rules = group.get("rules") if group.is_mapping else None
        for rule in rules.items if rules is not None and rules.is_sequence else ():
            expression = rule.get("expr") if rule.is_mapping else None
            if expression is not None and expression.is_scalar and not asks_for_logs(expression.value):
                alert = _text(rule.get("alert"))
                yield alert or _text(rule.get("record")), bool(alert), expression
