"""The metrics endpoint, executed: a site with two workers, asked by a real Prometheus, counts what was sent to it.

Without the folder that they share each worker counts for itself, and shows half.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from tests.fixture_cases import FIXTURES
from tests.proofs.monitoring import TOKEN, Prometheus, get, gunicorn, prometheus, until

pytestmark = pytest.mark.needs("prometheus", "django", "django-prometheus", "gunicorn")

ROUNDS, EACH = 12, 10
AS_A_PERSON = {"Host": "shop.example", "X-Forwarded-Proto": "https"}
AS_PROMETHEUS = {"Authorization": f"Bearer {TOKEN}"}
BY_VIEW = "django_http_requests_total_by_view_transport_method_total"
BY_STATUS = "django_http_responses_total_by_status_total"


def site(case: str, root: Path) -> Path:
    """A fixture's repository after its fix."""
    shutil.copytree(FIXTURES / "missing-metrics-endpoint" / case / "before", root)
    shutil.copytree(FIXTURES / "missing-metrics-endpoint" / case / "after", root, dirs_exist_ok=True)
    return root


@contextmanager
def watched(root: Path, folder: Path) -> Iterator[tuple[int, Prometheus]]:
    folder.mkdir()
    with gunicorn(root, folder / "gunicorn.log") as port:
        config = f"""\
global: {{scrape_interval: 500ms}}
scrape_configs:
- job_name: shop
  authorization: {{credentials: {TOKEN}}}
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""
        with prometheus(folder, config) as asked:
            until(lambda: asked.value('up{job="shop"}') == 1, "the site is scraped")
            yield port, asked


def counted(port: int, asked: Prometheus) -> tuple[float, float]:
    """What Prometheus sees of requests of which a tenth fail: their number by `increase`, and the share of 5xx."""
    for path in ("/hello/", "/broken/"):  # the series must be there before they grow
        get(port, path, AS_A_PERSON)
    begin = time.time()
    until(lambda: asked.value(f'count({BY_STATUS}{{status="500"}})') > 0, "a failure was scraped")
    time.sleep(1)
    for _ in range(ROUNDS):
        for number in range(EACH):
            get(port, "/broken/" if number == 0 else "/hello/", AS_A_PERSON)
        time.sleep(0.25)
    time.sleep(2)
    window = f"[{int(time.time() - begin) + 2}s]"
    good = asked.value(f'sum(increase({BY_VIEW}{{view="hello"}}{window}))')
    return good, asked.value(f'sum(increase({BY_STATUS}{{status="500"}}{window}))')


def open_to_scrapers(root: Path) -> Path:
    """A route would be refused to a scraper, which the other tests show; this one is about numbers."""
    with (root / "shop/settings.py").open("a") as settings:
        settings.write('\nALLOWED_HOSTS = ["*"]\nSECURE_SSL_REDIRECT = False\n')
    return root


def test_what_prometheus_sees_of_two_workers_is_what_was_sent(tmp_path: Path) -> None:
    good, bad = ROUNDS * (EACH - 1), ROUNDS
    with watched(open_to_scrapers(site("workers-that-count-apart", tmp_path / "fixed")), tmp_path / "one") as watching:
        fixed = counted(*watching)
    print("true", good, bad, "fixed", fixed)
    # `increase` guesses at the ends of its window.
    assert 0.85 * bad <= fixed[1] <= 1.2 * bad + 1
    assert 0.85 * good <= fixed[0] <= 1.2 * good + 1


def test_the_endpoint_answers_prometheus_alone_by_address_without_tls_and_counts_every_answer(tmp_path: Path) -> None:
    root = site("several-workers", tmp_path / "site")
    with watched(root, tmp_path / "one") as (port, asked):
        assert get(port, "/hello/")[0] == 400  # the check of the host, which the scraper does not meet
        assert get(port, "/hello/", {"Host": "shop.example"})[0] == 301
        assert get(port, "/hello/", AS_A_PERSON)[0] == 200
        assert get(port, "/metrics")[0] == 403
        assert get(port, "/metrics", {"Authorization": "Bearer wrong"})[0] == 403
        status, text = get(port, "/metrics", AS_PROMETHEUS)
        assert status == 200
        # What the middleware answers, too, which Prometheus' own order would not see.
        assert dict(re.findall(rf'{BY_STATUS}{{status="(\d+)"}} ([\d.]+)', text)) == {
            "200": "1.0",
            "301": "1.0",
            "400": "1.0",
        }
        assert 'latency_seconds_by_view_method_bucket{le="0.2"' in text
        until(lambda: asked.value(f'sum({BY_STATUS}{{status="301"}})') == 1, "Prometheus sees the redirect")
    with gunicorn(root, tmp_path / "log", METRICS_TOKEN="") as port:
        assert get(port, "/metrics", {"Authorization": "Bearer "})[0] == 403
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_the_folder_that_workers_count_in_is_gone_with_the_server(tmp_path: Path) -> None:
    root = site("several-workers", tmp_path / "site")
    kept = tmp_path / "temporary"
    kept.mkdir()
    with gunicorn(root, tmp_path / "log", TMPDIR=str(kept)) as port:
        get(port, "/hello/", AS_A_PERSON)
        assert list(kept.glob("metrics-*/counter_*.db"))
    assert list(kept.glob("metrics-*")) == []


def slow_requests_shown(root: Path, log: Path) -> float:
    """What is shown of two requests at the same time, which two workers must share: each has one hand."""
    with gunicorn(root, log) as port:
        asking = [Thread(target=get, args=(port, "/slow/3000/", AS_A_PERSON)) for _ in range(2)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        _, text = get(port, "/metrics", AS_PROMETHEUS)
    return sum(float(each) for each in re.findall(rf'{BY_VIEW}{{[^}}]*view="slow"[^}}]*}} ([\d.]+)', text))


def test_without_the_shared_folder_each_worker_shows_its_own_half(tmp_path: Path) -> None:
    """The fault that the first test must see, which Prometheus takes for a counter that starts again and again."""
    root = site("several-workers", tmp_path / "site")
    assert slow_requests_shown(root, tmp_path / "fixed") == 2
    (root / "gunicorn.conf.py").unlink()
    assert slow_requests_shown(root, tmp_path / "naive") == 1
