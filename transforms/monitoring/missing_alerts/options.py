"""What alerts are held to."""

from typing import Literal

from fixer.model import RuleOptions, option


class Options(RuleOptions):
    job: str = option("", "the job of prometheus.yml that watches the application, where there are several")
    failures: float = option(0.01, "the share of answers that may be errors of the server")
    p50: float = option(0.2, "seconds that half of the answers may take")
    p95: float = option(0.5, "seconds that nineteen of twenty answers may take")
    p99: float = option(1.0, "seconds that ninety-nine of a hundred answers may take")
    prometheus: Literal["", "compose"] = option("", "compose: start Prometheus beside the application where none is")
