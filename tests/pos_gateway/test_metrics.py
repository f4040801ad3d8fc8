"""What the gateway says of itself: every receipt is counted once, where it waited, and how it ended."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from kernel.clock import Month
from pos_gateway import metrics
from pos_gateway.metrics import STAGES, GatewayMetrics
from runtime.database import Role
from runtime.meters import Meters
from runtime.metrics import exposition
from tests.serving import OPENED_AT, Centre, created, part, refused, wait_for

Samples = dict[tuple[str, tuple[str, ...]], float]


def samples_of(text: str) -> Samples:
    """Answer every sample by its name and its labels' values."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scraped(centre: Centre) -> Samples:
    answer = centre.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return samples_of(answer.text)


class Growth:
    """How much the counters have grown since."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre
        self._before = scraped(centre)

    def __call__(self, name: str, *labels: str) -> float:
        return scraped(self._centre).get((name, labels), 0.0) - self._before.get((name, labels), 0.0)


@pytest.fixture
def growth(shared_centre: Centre) -> Growth:
    return Growth(shared_centre)


class TestOrders:
    def test_counts_each_once(self, shared_centre: Centre, growth: Growth) -> None:
        till = shared_centre.enrol()
        receipt = created(till.post(till.body(), "a"))
        assert till.post(till.body(), "a").status_code == 200
        refused(till.post(till.body(5), "a"), 422, "key_reused")
        till.batch([{"key": f"b-{at}", "receipt": till.body()} for at in range(30)] + [{"key": "c", "receipt": {}}])
        till.void(receipt["id"])
        assert growth("barimt_orders_total", "issued") == 1 + 30 + 1
        assert growth("barimt_orders_total", "repeated") == 1
        assert growth("barimt_orders_total", "refused") == 1
        assert growth("barimt_orders_total", "failed") == 0
        assert growth("barimt_problems_total", "key_reused") == 1
        assert growth("barimt_problems_total", "malformed") == 1
        assert growth("barimt_http_requests_total", "POST", "/v1/receipts", "201") == 1
        assert growth("barimt_http_requests_total", "POST", "/v1/receipts", "200") == 1

    def test_counts_a_token_that_is_refused(self, shared_centre: Centre, growth: Growth) -> None:
        assert shared_centre.enrol().ask_token("x").status_code == 401
        assert growth("barimt_problems_total", "invalid_client") == 1

    def test_counts_what_the_database_refuses(self, shared_centre: Centre, growth: Growth) -> None:
        good, guilty = shared_centre.enrol(), shared_centre.enrol()
        shared_centre.ask(
            f"ALTER TABLE pos.receipts ADD CONSTRAINT planted CHECK (seller <> {int(guilty.tin)}) NOT VALID"
        )
        try:
            assert guilty.post(guilty.body()).status_code == 503
        finally:
            shared_centre.ask("ALTER TABLE pos.receipts DROP CONSTRAINT planted")
        created(good.post(good.body()))
        assert growth("barimt_chunk_failures_total", "refused") == 2  # together and by itself
        assert growth("barimt_orders_total", "failed") == 1
        assert growth("barimt_unavailable_total", "database") == 1
        assert growth("barimt_problems_total", "unavailable") == 1


class TestStages:
    def test_each_is_timed(self, shared_centre: Centre, growth: Growth) -> None:
        till, began = shared_centre.enrol(), time.monotonic()
        for _ in range(3):
            till.sell()
        till.batch([{"key": f"s-{at}", "receipt": till.body(parts=[part(100)])} for at in range(5)])
        took = time.monotonic() - began
        for stage in ("judge", "wait", "answer"):
            assert growth("barimt_stage_seconds_count", stage) == 8
        assert growth("barimt_stage_seconds_count", "read") == 3 + 1
        chunks = growth("barimt_chunk_receipts_count")
        assert 4 <= chunks <= 8
        for stage in ("lock", "look_up", "sign", "store", "commit"):
            assert growth("barimt_stage_seconds_count", stage) == chunks
        seconds = [growth("barimt_stage_seconds_sum", stage) for stage in STAGES]
        assert all(second > 0 for second in seconds)
        in_transactions = sum(growth("barimt_stage_seconds_sum", stage) for stage in STAGES[3:8])
        assert in_transactions <= growth("barimt_chunk_seconds_sum") <= took

    def test_who_waits_is_seen_while_it_waits_and_where_afterwards(self, shared_centre: Centre, growth: Growth) -> None:
        till = shared_centre.enrol()
        headers = till.headers()
        with ThreadPoolExecutor(2) as threads, psycopg.connect(shared_centre.database.url(Role.OWNER)) as connection:
            chain = [int(till.terminals[0])]
            connection.execute("SELECT 1 FROM pos.chains WHERE terminal = %s FOR UPDATE", chain)
            posts = []
            for waits in (1, 2):
                body = till.body()
                posts.append(threads.submit(shared_centre.connect().post, "/v1/receipts", json=body,
                                            headers=headers | {"Idempotency-Key": f"w{waits}"}))  # fmt: skip
                wait_for(lambda: scraped(shared_centre)["barimt_pool_receipts", ()], lambda depth: depth == waits, 5)  # noqa: B023 - asked at once
            wait_for(lambda: scraped(shared_centre)["barimt_pool_oldest_seconds", ()], lambda oldest: oldest > 0.3, 5)
            connection.rollback()
            assert [post.result().status_code for post in posts] == [201, 201]
        assert growth("barimt_stage_seconds_sum", "lock") > 0.3
        assert growth("barimt_stage_seconds_sum", "wait") > 0.3
        assert growth("barimt_stage_seconds_sum", "commit") < 0.3
        found = wait_for(lambda: scraped(shared_centre), lambda seen: seen["barimt_pool_receipts", ()] == 0, 5)
        assert found["barimt_pool_oldest_seconds", ()] == 0


class TestPool:
    def test_the_centre_looks_by_itself(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        till.sell()
        found = wait_for(lambda: scraped(shared_centre), lambda seen: seen["barimt_loop_lag_seconds_count", ()] > 0, 5)
        assert found["barimt_pool_receipts", ()] == 0
        assert found["barimt_database_connections", ("tills", "busy")] >= 1


class TestReadings:
    def test_of_outbox_and_keys(self, shared_centre: Centre) -> None:
        found = scraped(shared_centre)
        assert found["barimt_database_up", ()] == 1
        assert found["barimt_outbox_rows", ()] >= 0
        assert found["barimt_outbox_oldest_seconds", ()] >= 0
        assert found["barimt_signing_key_valid_seconds", ()] > 365 * 86_400
        assert found["barimt_key_list_age_seconds", ()] >= 0

    def test_of_the_months_that_are_made(self, shared_centre: Centre) -> None:
        end_of_april = Month(2017, 4).ends_at  # the month after the centre's
        assert scraped(shared_centre)["barimt_months_made_seconds", ()] == (end_of_april - OPENED_AT).total_seconds()


class TestTerminals:
    def test_counts_those_of_the_last_full_minute(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = 0.0
        monkeypatch.setattr(metrics, "perf_counter", lambda: now)
        counted = GatewayMetrics(meters := Meters())

        def active() -> float:
            counted.look(0, None)
            return samples_of(exposition(meters).decode())["barimt_terminals_active", ()]

        counted.issued_by([(1, 1), (1, 2)])
        counted.issued_by([(1, 2), (2, 1)])
        assert active() == 0
        now = metrics.ACTIVE_S
        assert active() == 3
        counted.issued_by([(1, 1)])
        now = 2 * metrics.ACTIVE_S - 1
        assert active() == 3
        now = 2 * metrics.ACTIVE_S
        assert active() == 1
