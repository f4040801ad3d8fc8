"""What Prometheus may scrape at `/metrics`: how many requests, how they ended, how long they took."""

from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from runtime.access_log import Exchange
from runtime.meters import Counter, Histogram, Kind, Meters

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics:
    """Counts exchanges by method, route template and status. An `access_log.Observer` when called."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._requests = meters.family(
            "barimt_http_requests",
            Kind.COUNTER,
            "Requests answered. Of POST /v1/receipts 201 is a receipt, 200 a retry that got its first answer.",
            ("method", "route", "status"),
        )
        self._seconds = meters.family(
            "barimt_http_seconds",
            Kind.HISTOGRAM,
            "Time from a request's head to its answer's last byte, with what the client itself takes to send and read.",
            ("method", "route"),
            BUCKETS_S,
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def __call__(self, exchange: Exchange) -> None:
        """Count one exchange."""
        name = (exchange.method, exchange.route, exchange.status)
        known = self._known.get(name)
        if known is None:
            method, route, status = name
            requests = self._meters.counter(self._requests, method, route, str(status))
            known = self._known[name] = requests, self._meters.histogram(self._seconds, method, route)
        known[0].inc()
        known[1].observe(exchange.seconds)


def exposition(*collectors: Collector) -> bytes:
    """Write what collectors know (`runtime.meters.Meters`, and what is read at this moment) as Prometheus's text."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)
