"""What the gateway tells Prometheus: are tills waiting, and where."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, Histogram

CHUNKS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class GatewayMetrics:
    """Chunk sizes, chunk seconds, and the depth of the pool."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._receipts = Histogram(
            "barimt_chunk_receipts", "Orders issued by one transaction", buckets=CHUNKS, registry=registry
        )
        self._seconds = Histogram("barimt_chunk_seconds", "Time of one issuing transaction", registry=registry)
        self._depth = Gauge("barimt_pool_receipts", "Orders that wait or are being issued", registry=registry)

    def observe_chunk(self, receipts: int, seconds: float) -> None:
        """Count one transaction of the sequencer."""
        self._receipts.observe(receipts)
        self._seconds.observe(seconds)

    def watch_depth(self, depth: Callable[[], int]) -> None:
        """Read the pool's depth whenever it is asked for."""
        self._depth.set_function(depth)
