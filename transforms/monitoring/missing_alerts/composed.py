"""Prometheus and Alertmanager beside the application, in the compose file that starts it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from fixer.docker.compose import Compose
from fixer.docker.pinned import pinned
from fixer.github.catalog.actions import Catalog
from fixer.github.workflows import Workflows
from fixer.languages.yaml import Flow
from fixer.model import Blocked, Finding, Fix, NewFile, Parts, Tier
from fixer.monitoring.endpoints import Endpoints
from fixer.monitoring.exporters import Exporters
from fixer.monitoring.processes import started_with
from fixer.monitoring.prometheus import PrometheusFiles
from fixer.monitoring.telling import Tellers
from fixer.runtime.picture import Deployed
from fixer.runtime.programs import Kind, Program, Started
from fixer.scripts import template
from transforms.monitoring.missing_alerts.options import Options
from transforms.monitoring.missing_alerts.tested import rules_workflow
from transforms.monitoring.missing_alerts.watched import PLAIN, rules_of, tests_of

_PROFILE = "monitoring"
_STEM = "alerts"


def unwatched(
    prometheus: PrometheusFiles,
    exporters: Exporters,
    endpoints: Endpoints,
    deployed: Deployed,
    tellers: Tellers | None,
    workflows: Workflows | None,
    catalog: Catalog,
    options: Options,
) -> Iterator[Finding]:
    """An application that exports metrics which no Prometheus of the repository asks for, where one is wanted."""
    if options.prometheus != "compose" or prometheus.configs or "django-prometheus" not in exporters.by:
        return
    found = next(((each, started) for each in deployed.programs for started in _served(each)), None)
    if found is None or found[0].written is None:
        return
    program, started = found
    document, node = found[0].written
    if isinstance(document, Compose):
        cure = _beside(document, program, started, prometheus, endpoints, tellers, workflows, catalog, options)
        message = f"{program.name} exports metrics, and no Prometheus asks for them"
        yield Finding(document.source.path, node.span, message, cure)


def _served(program: Program) -> Iterator[Started]:
    return iter(program.running(Kind.SERVER) if program.origin == "compose" and program.is_django else ())


def _beside(
    compose: Compose,
    program: Program,
    started: Started,
    prometheus: PrometheusFiles,
    endpoints: Endpoints,
    tellers: Tellers | None,
    workflows: Workflows | None,
    catalog: Catalog,
    options: Options,
) -> Fix | Blocked:
    port = started_with(started, "-b", "--bind", "-p", "--port").rpartition(":")[2]
    if not port.isdigit() or PLAIN.fullmatch(program.name) is None:
        return Blocked(f"at which port {program.name} serves is not known", "let its command say --bind 0.0.0.0:8000")
    if not endpoints.token:
        return Blocked(
            "nothing is seen that answers metrics to whoever shows a token",
            "let a middleware do that, as missing-metrics-endpoint writes it",
        )
    folder = posixpath.join(posixpath.dirname(compose.source.path), _PROFILE)
    paths = {name: posixpath.join(folder, name) for name in ("prometheus.yml", "alertmanager.yml", "alerts.yml")}
    taken = [each for each in paths.values() if each in prometheus.taken]
    services = compose.root.get("services")
    if taken or services is None or {"prometheus", "alertmanager"} & compose.services.keys():
        what = taken[0] if taken else "a service of that name"
        return Blocked(f"{what} is there already", "let it watch the application by hand")
    secret = tellers.channel[1] if tellers is not None and tellers.channel[0] == "slack" else "SLACK_WEBHOOK"
    secrets = {"metrics_token": endpoints.token, "slack_webhook": secret}
    last = list(compose.services)[-1]
    settings = template(__package__, "prometheus.yml").replace("JOB", program.name)
    settings = settings.replace("PORT", port).replace("ALERTS", _STEM)
    parts: list[Parts | NewFile] = [
        compose.add_keys(services, _services(program), after=last),
        _added(compose, "secrets", {name: {"environment": variable} for name, variable in secrets.items()}),
        _added(compose, "volumes", {"prometheus": None}),
        NewFile(paths["prometheus.yml"], settings),
        NewFile(paths["alertmanager.yml"], template(__package__, "alertmanager.yml")),
        NewFile(paths["alerts.yml"], rules_of(program.name, options)),
        NewFile(posixpath.join(folder, f"{_STEM}.test.yml"), tests_of(_STEM, program.name, options)),
    ]
    if not program.environment.sets(endpoints.token):
        parts.append(program.environment.add(endpoints.token, f"${{{endpoints.token}}}"))
    tested = rules_workflow(folder, "prometheus.yml", _STEM, pinned("prometheus"), workflows, catalog)
    return Fix.of(
        "start Prometheus and Alertmanager beside the application",
        *parts,
        *([tested] if tested is not None else []),
        tier=Tier.REVIEW,
        effects=(f"{compose.source.path}: `docker compose --profile {_PROFILE} up` watches {program.name}",),
        todo=(
            f"Set {endpoints.token} and {secret}, the address of Slack's webhook, where compose is started.",
            "Look at Prometheus through a tunnel: it listens on this machine alone, and asks for no password.",
        ),
    )


def _services(program: Program) -> dict[str, Any]:
    written = program.written[1].data if program.written is not None else {}
    given = {key: written[key] for key in ("networks", "restart") if key in written}
    both: dict[str, Any] = {"profiles": Flow((_PROFILE,)), **given}
    return {
        "prometheus": {
            "image": pinned("prometheus"),
            **both,
            "volumes": [f"./{_PROFILE}:/etc/prometheus:ro", "prometheus:/prometheus"],
            "secrets": ["metrics_token"],
            "ports": ["127.0.0.1:9090:9090"],
        },
        "alertmanager": {
            "image": pinned("alertmanager"),
            **both,
            "volumes": [f"./{_PROFILE}/alertmanager.yml:/etc/alertmanager/alertmanager.yml:ro"],
            "secrets": ["slack_webhook"],
        },
    }


def _added(compose: Compose, key: str, entries: Mapping[str, Any]) -> Parts:
    """Entries of a table at the top of the file, which may be there or not."""
    node = compose.root.get(key)
    if node is None:
        return compose.add_key(compose.root, key, dict(entries), after="services")
    return compose.add_keys(node, {name: value for name, value in entries.items() if node.get(name) is None})
