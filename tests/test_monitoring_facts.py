"""What exports metrics, what asks for them, and who is told: read from a repository, never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixer.languages.promql import metrics
from fixer.monitoring.django_prometheus import exported, release_for
from fixer.monitoring.endpoints import Endpoints
from fixer.monitoring.exporters import Exporters
from fixer.monitoring.prometheus import PrometheusFiles
from fixer.project.packages import PythonPackages
from fixer.repository import Repository
from tests.fixture_cases import write

VIEW = "from prometheus_client import Counter, generate_latest\nSEEN = Counter('seen', 'x')\n"


def repository(root: Path, files: dict[str, str]) -> Repository:
    write(root, {path: text.encode() for path, text in files.items()})
    return Repository(root)


@pytest.mark.parametrize(
    ("django", "wanted", "holds_back"),
    [
        ("Django>=4.2,<5.0", ">=2.5.0", ""),
        ("Django==5.1.4", ">=2.5.0", ""),
        ("Django==5.0.9", ">=2.4.1,<2.5.0", ""),
        ("Django~=5.0.1", ">=2.4.1,<2.5.0", ""),
        ("Django>=5.0,<6", ">=2.5.0", ""),
        ("Django==3.2.25", ">=2.3.1,<2.4.0", ""),
        ("Django>=3.2,<4.2", ">=2.3.1,<2.4.0", ""),
        ("Django==6.1.3", ">=2.4.0,!=2.4.1,<2.5.0", ""),
        ("Django>=6.1", ">=2.4.0,!=2.4.1,<2.5.0", ""),
        ("Django>=4.2", ">=2.5.0", "6.0"),
        ("Django", ">=2.5.0", "6.0"),
    ],
)
def test_the_release_goes_with_the_django_that_is_allowed(
    django: str, wanted: str, holds_back: str, tmp_path: Path
) -> None:
    packages = repository(tmp_path, {"requirements.txt": f"{django}\n"}).fact(PythonPackages)
    assert packages is not None
    choice = release_for(packages.version("django"))
    assert choice is not None
    assert (choice.release.range, choice.holds_back) == (wanted, holds_back)


def test_an_old_django_has_no_release(tmp_path: Path) -> None:
    packages = repository(tmp_path, {"requirements.txt": "Django==2.1\n"}).fact(PythonPackages)
    assert packages is not None
    assert release_for(packages.version("django")) is None


def test_names_are_those_that_a_query_asks_for() -> None:
    assert "django_http_responses_total_by_status_total" in exported()
    assert "django_http_requests_latency_seconds_by_view_method_bucket" in exported()
    assert "django_http_requests_total" not in exported()


COUNTING = "MIDDLEWARE = ['django_prometheus.middleware.PrometheusBeforeMiddleware']\n"


@pytest.mark.parametrize(
    ("files", "by"),
    [
        ({"shop/settings.py": COUNTING, "shop/urls.py": "x = include('django_prometheus.urls')\n"}, "wires"),
        ({"shop/settings.py": f"{COUNTING}PROMETHEUS_METRICS_EXPORT_PORT = 8001\n"}, "wires"),
        ({"shop/settings.py": COUNTING}, ""),  # it counts, and nothing publishes that
        (
            {"shop/settings.py": "INSTALLED_APPS = ['django_prometheus']\n", "requirements.txt": "django-prometheus\n"},
            "",
        ),
        ({"core/metrics.py": VIEW, "core/urls.py": "from .metrics import SEEN\n"}, "publishes"),
        ({"src/core/metrics.py": VIEW, "src/app/urls.py": "from core import metrics\n"}, "publishes"),
        ({"core/metrics.py": VIEW, "core/settings.py": "X = 'core.metrics.View'\n"}, "publishes"),
        ({"core/metrics.py": VIEW, "other/metrics.py": "", "other/views.py": "from .metrics import y\n"}, ""),
        ({"requirements.txt": "newrelic==9\n"}, "asks for newrelic"),
        ({"requirements-dev.txt": "newrelic==9\n"}, ""),
        ({"shop/tracing.py": "from opentelemetry import metrics\n"}, "opentelemetry"),
        ({"tests/test_x.py": "import statsd\n"}, ""),
        ({"requirements.txt": "sentry-sdk==2\n"}, ""),
    ],
)
def test_what_exports_metrics(files: dict[str, str], by: str, tmp_path: Path) -> None:
    found = repository(tmp_path, files).fact(Exporters)
    assert found is not None
    assert by in found.by if by else found.by == ""
    assert bool(found.unwired) == ("core/metrics.py" in files and not by)


def test_metrics_of_the_projects_own_have_the_names_that_they_are_exported_by(tmp_path: Path) -> None:
    own = "from prometheus_client import Counter, Histogram\nCounter('a_total', '')\nHistogram('b', '')\n"
    found = repository(tmp_path, {"shop/metrics.py": own}).fact(Exporters)
    assert found is not None
    assert found.names == {"a_total", "b_bucket", "b_sum", "b_count"}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("up == 0", ["up"]),
        (
            'sum by (job) (rate(a_total{x="b_total", y=~"c.."}[5m])) / sum(rate(d_total[5m])) by (le) > 0.01',
            ["a_total", "d_total"],
        ),
        ('histogram_quantile(0.5, sum by (job, le) (rate(a_bucket{job="x"}[5m]))) > 2e3', ["a_bucket"]),
        ("a:rate5m and on (instance) b offset 5m unless ignoring (c) d # e", ["a:rate5m", "b", "d"]),
        ('{__name__="a", job="b"} or {"c"}', ["a", "c"]),
        ("a * on (x) group_left (y, z) b", ["a", "b"]),
        ("topk(3, a) > bool 1h", ["a"]),
        ("absent(count)", ["count"]),
    ],
)
def test_what_an_expression_asks_for(expression: str, names: list[str]) -> None:
    found = metrics(expression)
    assert [asked.name for asked in found] == names
    assert [expression[asked.start : asked.end] for asked in found] == names


URLCONF = 'from django.urls import include, path\n\nurlpatterns = [path("", include("django_prometheus.urls"))]\n'
BEHIND_A_SWITCH = f"from django.conf import settings\n{URLCONF}".replace("urlpatterns =", "if settings.X:\n    urls =")
WRAPPED = "from django_prometheus.exports import ExportToDjangoView\nfrom django.urls import path\n"


@pytest.mark.parametrize(
    ("files", "open_", "guard"),
    [
        ({"urls.py": URLCONF}, 1, ""),
        ({"urls.py": f'{WRAPPED}urlpatterns = [path("metrics", ExportToDjangoView)]\n'}, 1, ""),
        ({"urls.py": f'{WRAPPED}urlpatterns = [path("metrics", for_staff(ExportToDjangoView))]\n'}, 0, ""),
        ({"urls.py": BEHIND_A_SWITCH}, 0, ""),
        ({"tests/urls.py": URLCONF}, 0, ""),
        ({"urls.py": URLCONF, "docker/nginx.conf": "location /metrics { deny all; }\n"}, 1, "docker/nginx.conf"),
        ({"urls.py": URLCONF, "docker/nginx.conf": "location / { proxy_pass http://web; }\n"}, 1, ""),
        (
            {"urls.py": URLCONF, "guard.py": 'class Middleware:\n    "Forbidden for /metrics"\n    pass\n'},
            1,
            "guard.py",
        ),
    ],
)
def test_who_reads_the_metrics_of_a_route(files: dict[str, str], open_: int, guard: str, tmp_path: Path) -> None:
    found = repository(tmp_path, files).fact(Endpoints)
    assert found is not None
    assert (len(found.found), found.guard) == (open_, guard)


@pytest.mark.parametrize(
    ("beside", "is_prometheus"),
    [
        ("global: {scrape_interval: 15s}\nalerting: {}\n", True),
        ("remote_write: [{url: http://store/write}]\n", True),
        ("server: {http_listen_port: 9080}\nclients: [{url: http://loki:3100/loki/api/v1/push}]\n", False),
        ("positions: {filename: /tmp/positions.yaml}\n", False),
        ("integrations: {}\nname: default\n", False),
    ],
)
def test_what_prometheus_would_refuse_is_none_of_its_files(beside: str, is_prometheus: bool, tmp_path: Path) -> None:
    jobs = "scrape_configs:\n  - job_name: shop\n    static_configs: [{targets: ['web:8000']}]\n"
    files = repository(tmp_path, {"monitoring/scrape.yml": beside + jobs}).fact(PrometheusFiles)
    assert files is not None
    assert bool(files.configs) is is_prometheus


def test_rules_about_logs_are_none_of_prometheus(tmp_path: Path) -> None:
    rule = "groups:\n  - name: a\n    rules:\n      - alert: Errors\n        expr: >-\n          "
    logs = 'sum(count_over_time({app="shop"} | json | level="error" [5m])) > 3\n'
    numbers = 'sum(rate(shop_errors_total{path=~"a|b"}[5m])) > 3\n'
    files = repository(tmp_path, {"logs.yml": rule + logs, "rules.yml": rule + numbers}).fact(PrometheusFiles)
    assert files is not None
    assert [(each.document.source.path, [name.name for name in each.metrics]) for each in files.rules] == [
        ("rules.yml", ["shop_errors_total"])
    ]
