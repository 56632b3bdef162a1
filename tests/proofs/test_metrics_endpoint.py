"""The metrics endpoint, executed: a site with two workers, asked by a real Prometheus, counts what was sent to it.

What a README advises is run beside it, and is wrong: each worker counts for itself.
"""

from __future__ import annotations

import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fixture_cases import FIXTURES
from tests.proofs.monitoring import TOKEN, Prometheus, get, gunicorn, prometheus, until

pytestmark = pytest.mark.needs("prometheus", "django", "django-prometheus", "gunicorn")

ROUNDS, EACH = 8, 10
AS_A_PERSON = {"Host": "shop.example", "X-Forwarded-Proto": "https"}
AS_PROMETHEUS = {"Authorization": f"Bearer {TOKEN}"}
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
global: {{scrape_interval: 200ms}}
scrape_configs:
- job_name: shop
  authorization: {{credentials: {TOKEN}}}
  static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""
        with prometheus(folder, config) as asked:
            until(lambda: asked.value('up{job="shop"}') == 1, "the site is scraped")
            yield port, asked


@contextmanager
def turns(port: int) -> Iterator[Callable[[], None]]:
    """Of two workers one waits for the request of a connection that sends none, so that the other answers; each call
    has them change places, since the order in which workers take what comes is the system's affair.
    """

    def connected() -> socket.socket:
        return socket.create_connection(("127.0.0.1", port))

    waited_for = connected()

    def change() -> None:
        nonlocal waited_for
        before, waited_for = waited_for, connected()
        time.sleep(0.2)  # both are busy for as long
        before.close()

    try:
        yield change
    finally:
        waited_for.close()


def counted(port: int, asked: Prometheus) -> tuple[float, float]:
    """What Prometheus sees of requests of which a tenth fail: their number by `increase`, and the share of 5xx."""
    for path in ("/hello/", "/broken/"):  # the series must be there before they grow
        get(port, path, AS_A_PERSON)
    begin = time.time()

    def scraped() -> None:
        now = time.time()
        until(lambda: asked.value('timestamp(up{job="shop"})') > now, "the site is scraped")

    until(lambda: asked.value(f'count({BY_STATUS}{{status="500"}})') > 0, "a failure was scraped")
    with turns(port) as change:
        for _ in range(ROUNDS):
            scraped()
            for number in range(EACH):
                get(port, "/broken/" if number == 0 else "/hello/", AS_A_PERSON)
            scraped()
            change()
    scraped()
    window = f"[{int(time.time() - begin) + 2}s]"
    good = asked.value(f'sum(increase({BY_STATUS}{{status="200"}}{window}))')
    return good, asked.value(f'sum(increase({BY_STATUS}{{status="500"}}{window}))')


def open_to_scrapers(root: Path) -> Path:
    """A route would be refused to a scraper, which the other tests show; this one is about numbers."""
    with (root / "shop/settings.py").open("a") as settings:
        settings.write('\nALLOWED_HOSTS = ["*"]\nSECURE_SSL_REDIRECT = False\n')
    return root


def test_two_workers_count_together_and_what_a_readme_advises_does_not(tmp_path: Path) -> None:
    good, bad = ROUNDS * (EACH - 1), ROUNDS
    with watched(open_to_scrapers(site("workers-that-count-apart", tmp_path / "fixed")), tmp_path / "one") as watching:
        fixed = counted(*watching)
    naive = tmp_path / "naive"
    shutil.copytree(FIXTURES / "missing-metrics-endpoint/workers-that-count-apart/before", naive)
    with watched(open_to_scrapers(naive), tmp_path / "two") as watching:
        wrong = counted(*watching)
    print("true", good, bad, "fixed", fixed, "naive", wrong)
    # `increase` guesses at the ends of its window; scrapes are answers with 200, too, as many as the time allows.
    assert 0.85 * bad <= fixed[1] <= 1.2 * bad + 1
    assert 0.85 * good <= fixed[0]
    assert wrong[1] > 1.4 * bad
    assert wrong[0] > 1.4 * good


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


def test_without_the_shared_folder_the_two_workers_disagree(tmp_path: Path) -> None:
    """The fault that the first test must see: the same site whose workers are not told to share."""
    root = site("several-workers", tmp_path / "site")
    (root / "gunicorn.conf.py").unlink()

    def shown(port: int) -> float:
        get(port, "/hello/", AS_A_PERSON)
        _, text = get(port, "/metrics", AS_PROMETHEUS)
        return float(dict(re.findall(rf'{BY_STATUS}{{status="(\d+)"}} ([\d.]+)', text)).get("200", 0))

    with gunicorn(root, tmp_path / "log") as port, turns(port) as change:
        assert shown(port) == 1
        assert shown(port) == 2
        until(lambda: change() or shown(port) == 1, "the other worker answers, which has counted nothing so far")
