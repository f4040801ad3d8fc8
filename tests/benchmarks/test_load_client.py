"""The load client measures what it says: against a server that answers in pieces, stalls, refuses and hangs up."""

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest
from pydantic import ValidationError

from benchmarks import published_model
from benchmarks.latencies import latencies
from benchmarks.till_connections import Exhausted, Load, Window
from benchmarks.till_requests import LoadPlan, TillSeat, batch_request, receipt_body, single_requests
from kernel.refusal import Malformed
from pos_gateway import wire

SEAT = TillSeat("token", "37900000001", "10000001")
PLAN = LoadPlan("127.0.0.1", 1, (SEAT,))
CREATED = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}"
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{}"
BATCH = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
Answer = Callable[[socket.socket, int], None]


@contextmanager
def answering(answer: Answer) -> Iterator[tuple[str, int]]:
    """Serve one connection after another: `answer` is called for each request with its number from 0."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        numbers = iter(range(1_000_000))
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                while connection.recv(1 << 20):
                    try:
                        answer(connection, next(numbers))
                    except OSError:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[:2]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def closed(address: tuple[str, int], seconds: float = 0.2, requests: int = 100_000) -> Load:
    load = Load(address, [deque([b"x"] * requests)], 1)
    now = time.perf_counter()
    try:
        load.run_closed(Window(now, now, now + seconds), lambda: None)
    finally:
        load.close()
    return load


class TestClosedLoop:
    def test_counts_answers_that_come_in_pieces(self) -> None:
        def in_pieces(connection: socket.socket, _number: int) -> None:
            for at in (0, 5, 30, len(CREATED) - 1):
                connection.sendall(CREATED[at : {0: 5, 5: 30, 30: len(CREATED) - 1}.get(at)])
                time.sleep(0.001)

        with answering(in_pieces) as address:
            tally = closed(address).tally
        assert set(tally.statuses) == {b"201"}
        assert 3 < tally.receipts == tally.statuses[b"201"] == len(tally.issued_s)
        assert all(0.003 < took < 0.2 for took in tally.issued_s)

    def test_counts_the_issued_lines_of_a_batch_and_not_its_pieces(self) -> None:
        line = b'{"line":1,"key":"k","status":201,"receipt":{}}\n{"line":2,"key":"l","status":400}\n'

        def batch(connection: socket.socket, _number: int) -> None:
            connection.sendall(BATCH + b"%x\r\n%b" % (len(line), line))
            time.sleep(0.001)
            connection.sendall(b"\r\n0\r")
            time.sleep(0.001)
            connection.sendall(b"\n\r\n")

        with answering(batch) as address:
            tally = closed(address).tally
        assert tally.receipts == tally.statuses[b"200"] > 3

    def test_asks_again_after_a_refusal(self) -> None:
        with answering(lambda connection, number: connection.sendall(CREATED if number % 2 else REFUSED)) as address:
            load = closed(address)
        tally = load.tally
        assert abs(tally.statuses[b"503"] - tally.statuses[b"201"]) <= 1
        assert tally.without_retry_after == tally.broken == 0
        assert len(tally.refused_s) == tally.statuses[b"503"]

    def test_a_refusal_that_does_not_say_when_to_come_again_is_counted(self) -> None:
        silent = REFUSED.replace(b"retry-after: 1\r\n", b"")
        with answering(lambda connection, _number: connection.sendall(silent)) as address:
            tally = closed(address).tally
        assert tally.without_retry_after == tally.statuses[b"503"] > 0

    def test_connects_again_when_the_server_hangs_up(self) -> None:
        def hang_up(connection: socket.socket, number: int) -> None:
            if number % 3 == 2:
                connection.shutdown(socket.SHUT_RDWR)
            else:
                connection.sendall(CREATED)

        with answering(hang_up) as address:
            tally = closed(address).tally
        assert tally.broken > 3
        assert tally.receipts > tally.broken

    def test_a_run_whose_requests_did_not_last_is_no_run(self) -> None:
        with (
            answering(lambda connection, _number: connection.sendall(CREATED)) as address,
            pytest.raises(Exhausted),
        ):
            closed(address, requests=5)


class TestThrough:
    def test_ends_when_everything_is_answered(self) -> None:
        with answering(lambda connection, number: connection.sendall(CREATED if number % 2 else REFUSED)) as address:
            load = Load(address, [deque([b"x"] * 50)], 1)
            load.run_through()
            load.close()
        assert load.tally.receipts == load.tally.receipts_ever == 50
        assert load.tally.statuses == {b"201": 50, b"503": 50}


class TestOpenLoop:
    def test_counts_a_stall_for_every_sale_that_it_kept_from_being_sent(self) -> None:
        def stalling_once(connection: socket.socket, number: int) -> None:
            time.sleep(0.3 if number == 10 else 0)
            connection.sendall(CREATED)

        with answering(stalling_once) as address:
            load = Load(address, [deque([b"x"] * 1000)], 1)
            now = time.perf_counter()
            arrivals = iter([at * 0.002 for at in range(200)])
            load.run_open(Window(now, now, now + 0.6), arrivals, lambda: None, waiting_max=1000)
            load.close()
        assert len(load.tally.issued_s) == 200
        late = [took for took in load.tally.issued_s if took > 0.1]
        assert 80 < len(late) < 140, "one answer took long, but a hundred sales waited for it"

    def test_gives_up_what_too_many_wait_before(self) -> None:
        with answering(lambda _connection, _number: time.sleep(0.2)) as address:
            load = Load(address, [deque([b"x"] * 1000)], 1)
            now = time.perf_counter()
            arrivals = iter([at * 0.001 for at in range(100)])
            load.run_open(Window(now, now, now + 0.15), arrivals, lambda: None, waiting_max=10)
            load.close()
        assert load.tally.unsent == 89


class TestRequests:
    def test_no_two_bodies_are_equal_and_each_is_well_formed(self) -> None:
        bodies = [receipt_body(SEAT, number) for number in range(3000)]
        assert len(set(bodies)) == 3000
        for body in bodies:
            read = wire.submission_of(wire.read_receipt(body))
            (part,) = read.parts
            assert len({line.name for line in part.lines}) == len(part.lines) == 5
            assert sum(line.total_mongo for line in part.lines) == part.total_mongo == read.payments[0].amount_mongo
            published_model.Receipt.model_validate_json(body)

    def test_a_single_is_whole(self) -> None:
        first, second = single_requests(PLAN, SEAT, range(7, 9), "run")
        head, _, body = first.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert b"Idempotency-Key: run-7\r\n" in first
        assert b"Idempotency-Key: run-8\r\n" in second
        assert body == receipt_body(SEAT, 7)

    def test_a_batch_holds_its_receipts(self) -> None:
        lines = batch_request(PLAN, SEAT, range(10, 20), "run").partition(b"\r\n\r\n")[2].split(b"\n")
        assert [wire.read_batch_line(line).key for line in lines] == [f"run-{number}" for number in range(10, 20)]


class TestLatencies:
    def test_are_times_that_occurred(self) -> None:
        told = latencies(at / 1000 for at in range(1, 1001))
        assert (told.count, told.p50_ms, told.p99_ms, told.p999_ms, told.worst_ms) == (1000, 500, 990, 999, 1000)

    def test_of_nothing_are_nothing(self) -> None:
        assert latencies([]).count == 0


class TestPublishedModel:
    @pytest.mark.parametrize("name", ["Line", "Part", "Payment", "Receipt"])
    def test_declares_what_the_wire_declares(self, name: str) -> None:
        model, struct = getattr(published_model, name), getattr(wire, f"{name}In")
        assert declared(model.model_json_schema()) == declared(schema_of(struct))

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("seller_tin", "990000000000"),
            ("seller_tin", "379000000010000"),
            ("seller_tin", "37900000001\n"),
            ("terminal", "1234567"),
            ("reference", "a\x7f"),
            ("unknown", 1),
            ("corrects", "1" * 32),
            ("parts", []),
        ],
    )
    def test_refuses_what_the_wire_refuses(self, path: str, value: object) -> None:
        body = json.dumps(json.loads(receipt_body(SEAT, 1)) | {path: value}).encode()
        with pytest.raises(Malformed):
            wire.read_receipt(body)
        with pytest.raises(ValidationError):
            published_model.Receipt.model_validate_json(body)


def schema_of(struct: type[msgspec.Struct]) -> dict[str, object]:
    schema = msgspec.json.schema(struct)
    named: dict[str, object] = schema["$defs"][struct.__name__]
    return named


def declared(schema: dict[str, object]) -> dict[str, object]:
    """Answer fields, bounds and what is required; references, titles and the spelling of patterns do not count."""
    fields = schema["properties"]
    assert isinstance(fields, dict)
    return {
        "required": sorted(schema["required"]),  # type: ignore[call-overload]
        "closed": schema["additionalProperties"],
        "fields": {name: bounds(field) for name, field in sorted(fields.items())},
    }


def bounds(field: dict[str, object]) -> list[tuple[str, object]]:
    told = [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]  # type: ignore[attr-defined]
    (option,) = told
    lengths = () if "pattern" in option else ("minLength", "maxLength")  # a pattern says them by itself
    kept = ("type", "minimum", "maximum", *lengths, "minItems", "maxItems")
    values = sorted(option["enum"]) if "enum" in option else None
    return [(name, option[name]) for name in kept if name in option and not (name == "type" and values)] + [
        ("values", values)
    ]
