"""Connections that break before, in and after a commit: what was acknowledged is there once."""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx2
import psycopg
import pytest
from sqlalchemy import URL

from pos_gateway import sequence_batches
from runtime.database import Database, Role
from runtime.settings import Settings
from tests.answered import created, refused
from tests.pos_gateway.relay import Cut, Relay, relayed, through
from tests.serving import OPENED_AT, Centre, Till, served, wait_for

SALES = "SELECT count(*) FROM pos.receipts WHERE kind & 15 = 0"
KILL = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'barimt-gateway' AND datname = %s
"""
WAITING = """
SELECT a.pid FROM pg_stat_activity a
WHERE a.application_name = 'barimt-gateway' AND a.datname = %s AND cardinality(pg_blocking_pids(a.pid)) > 0
"""


@pytest.fixture
def relay(admin: psycopg.Connection) -> Iterator[Relay]:
    with relayed(admin) as opened:
        yield opened


@pytest.fixture
def relayed_centre(
    relay: Relay,
    settings: Settings,
    server_url: URL,
    database_name: str,
    run_passwords: Mapping[str, str],
    tmp_path: Path,
) -> Iterator[Centre]:
    """A centre whose database is at the other end of a relay."""
    clock_file = tmp_path / "clock"
    clock_file.write_text(OPENED_AT.isoformat(), encoding="ascii")
    settings = settings.model_copy(update={"clock_file": clock_file, "port": 0})
    url = through(relay, server_url.set(database=database_name))
    with (
        contextlib.closing(Database(url, run_passwords)) as database,
        served(settings, database, database_name) as opened,
    ):
        yield opened
        relay.come_back()


@contextlib.contextmanager
def locked(centre: Centre, terminal: str) -> Iterator[None]:
    """Hold a terminal's chain, so that the sequencer has to wait."""
    with psycopg.connect(centre.database.url(Role.OWNER)) as connection:
        connection.execute("SELECT 1 FROM pos.chains WHERE terminal = %s FOR UPDATE", [int(terminal)])
        yield


def await_waiting(admin: psycopg.Connection, centre: Centre) -> int:
    """Wait until the sequencer waits for a lock, and answer the number of its backend."""
    found = wait_for(lambda: admin.execute(WAITING, [centre.database_name]).fetchall(), bool, 5)
    return int(found[0][0])


def later(till: Till, key: str) -> "Future[httpx2.Response]":
    """Post a sale in a thread of its own."""
    with_token = till.headers(key)
    threads = ThreadPoolExecutor(1)
    try:
        return threads.submit(till.http.post, "/v1/receipts", json=till.body(), headers=with_token)
    finally:
        threads.shutdown(wait=False)


def sales(centre: Centre) -> int:
    """How many sales are stored."""
    return int(centre.ask(SALES)[0][0])


class TestBrokenConnections:
    def test_killed_before_the_commit_is_tried_again(self, centre: Centre, admin: psycopg.Connection) -> None:
        till = centre.enrol()
        with locked(centre, till.terminals[0]):
            posted = later(till, "k")
            admin.execute("SELECT pg_terminate_backend(%s)", [await_waiting(admin, centre)])
        receipt = created(posted.result())
        assert till.post(till.body(), "k").json() == receipt
        assert sales(centre) == 1

    @pytest.mark.parametrize("cut", list(Cut))
    def test_cut_around_the_commit_makes_one_receipt(self, relayed_centre: Centre, relay: Relay, cut: Cut) -> None:
        till = relayed_centre.enrol()
        till.sell()
        relay.plan = cut
        answer = till.post(till.body(), "k")
        assert relay.plan is None
        assert answer.status_code in {200, 201}
        again = till.post(till.body(), "k")
        assert (again.status_code, again.content) == (200, answer.content)
        assert sales(relayed_centre) == 2

    def test_cut_after_the_commit_and_away_is_unknown_and_known_later(
        self, relayed_centre: Centre, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sequence_batches, "PATIENCE_S", 0.5)
        monkeypatch.setattr(sequence_batches, "UNKNOWN_PATIENCE_S", 1.0)
        till = relayed_centre.enrol()
        till.sell()
        relay.plan, relay.stays_away = Cut.AFTER_COMMIT, True
        refused(till.post(till.body(), "k"), 504, "outcome_unknown")
        refused(till.post(till.body(), "other"), 503, "unavailable")
        relay.come_back()
        assert till.post(till.body(), "k").status_code == 200
        assert sales(relayed_centre) == 2

    def test_a_batch_cut_in_a_commit_tells_each_line_what_is_known(
        self, relayed_centre: Centre, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sequence_batches, "PATIENCE_S", 0.5)
        monkeypatch.setattr(sequence_batches, "UNKNOWN_PATIENCE_S", 1.0)
        till = relayed_centre.enrol()
        till.sell()
        lines = [{"key": f"b{at}", "receipt": till.body(100 + at)} for at in range(300)]
        relay.plan, relay.stays_away = Cut.AFTER_COMMIT, True
        verdicts = till.batch(lines)
        assert [verdict["line"] for verdict in verdicts] == list(range(1, 301))
        assert {verdict["status"] for verdict in verdicts} == {504, 503}
        relay.come_back()
        unknown = {verdict["key"] for verdict in verdicts if verdict["status"] == 504}
        again = till.batch(lines)
        assert {verdict["key"] for verdict in again if verdict["status"] == 200} == unknown
        assert sales(relayed_centre) == 301

    def test_clients_that_retry_through_a_storm_get_each_receipt_once(
        self, centre: Centre, admin: psycopg.Connection
    ) -> None:
        tills = [centre.enrol(terminals=2) for _ in range(4)]
        over = threading.Event()

        def kill() -> int:
            killed, pauses_s = 0, itertools.cycle((0.11, 0.23, 0.17, 0.31))
            while not over.wait(next(pauses_s)):
                killed += admin.execute(KILL, [centre.database_name]).fetchone()[0]  # type: ignore[index]
            return killed

        def post(at: int) -> str:
            till = tills[at % 4]
            for _ in range(50):
                answer = till.http.post("/v1/receipts", json=till.body(100 + at), headers=till.headers(f"s{at}"))
                if answer.status_code in {200, 201}:
                    return str(answer.json()["id"])
                assert answer.status_code in {503, 504}, answer.text
                time.sleep(0.05)
            raise AssertionError("never acknowledged")

        for till in tills:
            assert till.token
        with ThreadPoolExecutor(1) as killing, ThreadPoolExecutor(8) as posting:
            killer = killing.submit(kill)
            try:
                acknowledged = list(posting.map(post, range(400)))
            finally:
                over.set()
        assert killer.result() > 3
        assert len(set(acknowledged)) == 400
        assert sales(centre) == 400
        gaps = "SELECT count(*) FROM pos.chains c WHERE counter <> (SELECT count(*) FROM pos.receipts r WHERE \
                (r.seller, r.terminal) = (c.seller, c.terminal))"
        assert centre.ask(gaps) == [(0,)]


class TestDatabaseAway:
    def test_is_said_soon_and_over_soon(self, relayed_centre: Centre, relay: Relay) -> None:
        till = relayed_centre.enrol()
        till.sell()
        relay.leave()
        began = time.monotonic()
        answer = till.post(till.body(), "k")
        assert time.monotonic() - began < 5
        refused(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "2"
        began = time.monotonic()
        for _ in range(5):
            refused(till.post(till.body(), "k"), 503, "unavailable")
        assert time.monotonic() - began < 1
        [line, other] = till.batch([{"key": "b1", "receipt": till.body()}, {"key": "b2", "receipt": till.body()}])
        assert (line["status"], other["status"]) == (503, 503)
        relay.come_back()
        created(till.post(till.body(), "k"))
        assert sales(relayed_centre) == 2

    def test_a_short_absence_is_waited_out(self, relayed_centre: Centre, relay: Relay) -> None:
        till = relayed_centre.enrol()
        till.sell()
        relay.leave()
        threading.Timer(0.7, relay.come_back).start()
        created(till.post(till.body(), "k"))

    def test_whoever_is_not_known_yet_is_told_so_too(self, relayed_centre: Centre, relay: Relay) -> None:
        known, stranger = relayed_centre.enrol(), relayed_centre.enrol()
        assert known.token
        assertion = stranger.sign(stranger.claims())
        relay.leave()
        refused(stranger.ask_token(assertion), 503, "unavailable")
        refused(known.get("", key="k"), 503, "unavailable")


class TestGuilty:
    def test_what_nobody_foresaw_fails_one_terminal_only(self, centre: Centre) -> None:
        till, odd = centre.enrol(), centre.enrol()
        centre.ask("UPDATE pos.terminals SET epoch = 99 WHERE seller = %s", int(odd.tin))
        parts = [till, odd]
        assert all(one.token for one in parts)
        with locked(centre, till.terminals[0]):
            held = later(till, "first")
            posted = [later(one, "k") for one in parts]
        assert held.result().status_code == 201
        assert [answer.result().status_code for answer in posted] == [201, 500]
        assert posted[1].result().json()["code"] == "internal"
        created(till.post(till.body()))

    def test_of_a_batch_the_other_lines_get_their_verdicts(self, centre: Centre) -> None:
        till = centre.enrol(terminals=2)
        centre.ask("UPDATE pos.terminals SET epoch = 99 WHERE terminal = %s", int(till.terminals[1]))
        lines = [
            {"key": f"b{at}", "receipt": till.body(terminal=terminal)} for at, terminal in enumerate(till.terminals * 3)
        ]
        verdicts = till.batch(lines)
        assert [verdict["status"] for verdict in verdicts] == [201, 500] * 3
        assert {verdict["problem"]["code"] for verdict in verdicts[1::2]} == {"internal"}

    def test_what_the_database_refuses_fails_one_terminal_only(self, centre: Centre) -> None:
        till = centre.enrol(terminals=2)
        turnover = "UPDATE pos.chains SET turnover_mongo = %s WHERE terminal = %s"
        centre.ask(turnover, 2**63 - 1, int(till.terminals[1]))
        lines = [
            {"key": f"b{at}", "receipt": till.body(terminal=terminal)} for at, terminal in enumerate(till.terminals * 3)
        ]
        verdicts = till.batch(lines)
        assert [verdict["status"] for verdict in verdicts] == [201, 503] * 3
        tried = 2  # the chunk, and the guilty terminal by itself; it would be many if the same were asked for again
        assert metric(centre, 'barimt_chunk_failures_total{why="refused"}') == tried
        created(till.void(verdicts[0]["receipt"]["id"]))


class TestFullPool:
    def test_is_said_at_once_and_what_waits_is_issued(self, centre: Centre) -> None:
        till = centre.enrol()
        batches = [[{"key": f"{at}-{one}", "receipt": till.body()} for one in range(1000)] for at in range(5)]
        assert till.token
        with ThreadPoolExecutor(4) as threads:
            with locked(centre, till.terminals[0]):
                waiting = [threads.submit(till.batch, lines) for lines in batches[:4]]
                wait_for(lambda: depth(centre), lambda found: found == 4000, 8)
                began = time.monotonic()
                answer = till.post_lines(batches[4])
                assert time.monotonic() - began < 1
            assert {verdict["status"] for done in waiting for verdict in done.result()} == {201}
        refused(answer, 503, "pool_full")
        assert answer.headers["retry-after"] == "1"
        assert {verdict["status"] for verdict in till.batch(batches[4])} == {201}


class TestShutdown:
    def test_answers_what_waits(self, centre: Centre, admin: psycopg.Connection) -> None:
        till = centre.enrol()
        with locked(centre, till.terminals[0]):
            posted = [later(till, f"k{at}") for at in range(20)]
            await_waiting(admin, centre)
            wait_for(lambda: depth(centre), lambda found: found == 20, 5)
            centre.server.should_exit = True
            time.sleep(0.3)
        assert {answer.result().status_code for answer in posted} == {201}
        wait_for(lambda: "centre" not in {thread.name for thread in threading.enumerate()}, bool, 10)


def depth(centre: Centre) -> int:
    """How many orders wait."""
    return metric(centre, "barimt_pool_receipts")


def metric(centre: Centre, name: str) -> int:
    """What the metrics say."""
    lines = centre.http.get("/metrics").text.splitlines()
    return int(float(next(line for line in lines if line.startswith(f"{name} ")).split()[1]))
