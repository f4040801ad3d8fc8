"""What the gateway tells Prometheus: are tills waiting, and where.

A receipt passes through the stages in this order; where their seconds grow, there it waits:

| stage     | from                             | to                                        | slow when               |
|-----------|----------------------------------|-------------------------------------------|-------------------------|
| `read`    | the request's head is there      | its body is there and parsed              | clients send slowly     |
| `judge`   | then                             | the law has been asked                    | strangers are looked up |
| `wait`    | the order is in the pool         | a transaction takes it                    | too much is sold        |
| `lock`    | the transaction is asked for     | it is open, the terminals are locked      | workers share terminals |
| `look_up` | then                             | keys and predecessors are known           | the database is slow    |
| `sign`    | then                             | chains are advanced, links signed         | the processor is busy   |
| `store`   | then                             | the rows are written                      | the database is slow    |
| `commit`  | then                             | the commit is durable                     | the disk is slow        |
| `answer`  | the request knows the outcome    | its answer is made                        | the processor is busy   |

`read`, `judge`, `wait` and `answer` are observed for each receipt (of a batch `read` once), the others for each chunk.
"""

from collections.abc import Iterable, Sequence
from time import perf_counter

from kernel.refusal import Refusal, Unavailable
from pos_gateway.pool import Result, Waiting
from receipts.intake import Accepted
from runtime.meters import Counter, Family, Histogram, Kind, Meters

CHUNKS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
STAGES = ("read", "judge", "wait", "lock", "look_up", "sign", "store", "commit", "answer")
SECONDS = (5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ACTIVE_S = 60.0


class GatewayMetrics:
    """What one worker's gateway counts."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._declare_waiting()
        self._declare_ends()
        stages = meters.family(
            "barimt_stage_seconds",
            Kind.HISTOGRAM,
            "Where receipts spend their time, by stage (docs/operations.md has the table): tills wait where it grows.",
            ("stage",),
            SECONDS,
        )
        self._stages: dict[str, Histogram] = {name: meters.histogram(stages, name) for name in STAGES}
        self._read, self._judge, self._wait, *_, self._answer = self._stages.values()
        self._active: set[tuple[int, int]] = set()
        self._active_since = perf_counter()

    def _declare_waiting(self) -> None:
        meters = self._meters
        self._receipts = meters.histogram(
            meters.family(
                "barimt_chunk_receipts",
                Kind.HISTOGRAM,
                "Orders taken by one transaction. Near 256 the gateway is at its limit and what comes waits.",
                bounds=CHUNKS,
            )
        )
        self._seconds = meters.histogram(
            meters.family(
                "barimt_chunk_seconds",
                Kind.HISTOGRAM,
                "Time to issue a chunk, with what is tried again: how long an order waits at least when all is busy.",
                bounds=SECONDS,
            )
        )
        self._depth = meters.gauge(
            meters.family(
                "barimt_pool_receipts",
                Kind.SUM,
                "Orders that wait or are being issued. Near 4,096 a worker tills are about to be refused.",
            )
        )
        self._oldest = meters.gauge(
            meters.family(
                "barimt_pool_oldest_seconds",
                Kind.MAX,
                "How long the order that came first has waited for a transaction. Above a second tills are waiting.",
            )
        )
        self._terminals = meters.gauge(
            meters.family(
                "barimt_terminals_active",
                Kind.SUM,
                "Terminals that issued in the last full minute, by each worker. Falls when shops cannot reach us.",
            )
        )

    def _declare_ends(self) -> None:
        meters = self._meters
        orders = meters.family(
            "barimt_orders",
            Kind.COUNTER,
            "Orders settled: issued, repeated (a retry got its first answer), refused by a rule, failed (503 or 504).",
            ("outcome",),
        )
        self._issued, self._repeated, self._refused, self._failed = (
            meters.counter(orders, outcome) for outcome in ("issued", "repeated", "refused", "failed")
        )
        failures = meters.family(
            "barimt_chunk_failures",
            Kind.COUNTER,
            "Transactions that failed and are tried again by terminals: lost (no connection), refused (by the"
            " database), other (a fault of ours).",
            ("why",),
        )
        self._failures: dict[str, Counter] = {
            why: meters.counter(failures, why) for why in ("lost", "refused", "other")
        }
        links = meters.family(
            "barimt_signed_links",
            Kind.COUNTER,
            "Links that tills signed themselves: stored, repeated (sent again), fork (a till was copied or put back).",
            ("outcome",),
        )
        self._links: dict[str, Counter] = {
            outcome: meters.counter(links, outcome) for outcome in ("stored", "repeated", "fork")
        }
        self._problems: Family = meters.family(
            "barimt_problems",
            Kind.COUNTER,
            "Requests and lines of batches that ended without success, by the problem's code (/problems/{code}).",
            ("code",),
        )
        self._unavailable: Family = meters.family(
            "barimt_unavailable",
            Kind.COUNTER,
            "Requests and lines answered 503, by reason: pool_full (too much is sold), database (it is away),"
            " no valid signing key, shutting down.",
            ("reason",),
        )
        for reason in ("pool_full", "database"):  # there from the start, so that an alert sees the first one
            meters.counter(self._unavailable, reason)

    def single(self, began: float, read: float, judged: float, issued: float) -> None:
        """Count a receipt that was posted by itself and is answered now: when its stages ended, by `perf_counter`."""
        self._read.observe(read - began)
        self._judge.observe(judged - read)
        self._answer.observe(perf_counter() - issued)

    def batch_read(self, seconds: float) -> None:
        """Count the reading of a batch."""
        self._read.observe(seconds)

    def lines_judged(self, seconds: float, lines: int) -> None:
        """Count the judging of some lines of a batch, with their parsing."""
        self._judge.observe(seconds / lines, lines)

    def lines_answered(self, seconds: float, lines: int) -> None:
        """Count the making of some lines' verdicts."""
        self._answer.observe(seconds / lines, lines)

    def problem(self, code: str, failure: Exception | None = None) -> None:
        """Count a request or a line that ended without success, by the problem's code."""
        self._meters.counter(self._problems, code).inc()
        if isinstance(failure, Unavailable):
            self._meters.counter(self._unavailable, str(failure)).inc()

    def of_sequencer(self) -> "SequencerMetrics":
        """Answer what one sequencer is watched by."""
        return SequencerMetrics(self)

    def taken(self, waiting: Sequence[Waiting], began: float) -> None:
        """Count a chunk that a sequencer takes."""
        for entry in waiting:
            self._wait.observe(began - entry.since)
        self._receipts.observe(len(waiting))

    def settled(self, results: Sequence[Result], seconds: float) -> None:
        """Count how the orders of a chunk that was taken ended."""
        self._seconds.observe(seconds)
        for result in results:
            if isinstance(result, Refusal):
                self._refused.inc()
            elif isinstance(result, Exception):
                self._failed.inc()
            else:
                (self._repeated if result.repeated else self._issued).inc()

    def accepted(self, accepted: Accepted) -> None:
        """Count a link that a till signed and that is stored."""
        self._links["repeated" if accepted.repeated else "fork" if accepted.fork else "stored"].inc()

    def stage(self, name: str, seconds: float) -> None:
        """Count a chunk's time in a stage."""
        self._stages[name].observe(seconds)

    def chunk_failed(self, why: str) -> None:
        """Count a transaction that failed: `lost`, `refused` or `other`."""
        self._failures[why].inc()

    def issued_by(self, terminals: Iterable[tuple[int, int]]) -> None:
        """Note the terminals of a chunk."""
        self._active.update(terminals)

    def look(self, depth: int, oldest_since: float | None) -> None:
        """Take note of how the pool stands now: its depth, and since when its oldest order waits."""
        now = perf_counter()
        self._depth.set(depth)
        self._oldest.set(0.0 if oldest_since is None else now - oldest_since)
        if now - self._active_since >= ACTIVE_S:
            self._terminals.set(len(self._active))
            self._active, self._active_since = set(), now


class SequencerMetrics:
    """What watches one sequencer (`pos_gateway.sequence_batches.Watch`), which has one chunk at a time."""

    def __init__(self, metrics: GatewayMetrics) -> None:
        self._metrics = metrics
        self._began = 0.0

    def taken(self, waiting: Sequence[Waiting]) -> None:
        """Count a chunk that was taken out of the pool."""
        self._began = perf_counter()
        self._metrics.taken(waiting, self._began)

    def settled(self, results: Sequence[Result]) -> None:
        """Count how it ended."""
        self._metrics.settled(results, perf_counter() - self._began)
