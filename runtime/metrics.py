"""What Prometheus may scrape at `/metrics`: how many requests, how they ended, how long they took."""

from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from runtime.access_log import Exchange

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics:
    """Counts exchanges by method, route template and status. An `access_log.Observer` when called."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self._requests = Counter("barimt_http_requests", "Requests answered", labels, registry=registry)
        self._seconds = Histogram(
            "barimt_http_seconds",
            "Time to the answer's last byte",
            ("method", "route"),
            buckets=BUCKETS_S,
            registry=registry,
        )

    def __call__(self, exchange: Exchange) -> None:
        """Count one exchange."""
        self._requests.labels(exchange.method, exchange.route, str(exchange.status)).inc()
        self._seconds.labels(exchange.method, exchange.route).observe(exchange.seconds)


def exposition(registry: CollectorRegistry, workers_dir: Path | None = None) -> bytes:
    """Write the metrics in Prometheus's text format.

    With several workers the parent sets `PROMETHEUS_MULTIPROC_DIR` to an empty folder before they start, and the
    worker that is asked hands it in here: the answer is then the sum over all of them.
    """
    if workers_dir is None:
        return generate_latest(registry)
    together = CollectorRegistry()
    MultiProcessCollector(together, path=str(workers_dir))  # type: ignore[no-untyped-call]
    return generate_latest(together)
