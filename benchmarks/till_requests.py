"""Requests as tills write them, made beforehand: raw HTTP/1.1, bodies of five lines of which no two are equal.

A load client must not pay for making requests while it measures, so that everything is bytes before the first is sent.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

LINES = 5
GOODS = tuple(
    name.encode()
    for name in (
        "Талх, атар 1-р зэрэг", "Сүү 3.2% 1 л", "Гурил дээд зэрэг 2 кг", "Элсэн чихэр 1 кг", "Будаа 5 кг",
        "Өндөг 10 ш", "Үхрийн мах 1 кг", "Хонины мах 1 кг", "Төмс 1 кг", "Лууван 1 кг", "Сонгино 1 кг",
        "Цай, ногоон 200 г", "Кофе 100 г", "Ус 1.5 л", "Шүүс, алим 1 л", "Тараг 500 г", "Ааруул 250 г", "Аарц 1 кг",
        "Цөцгийн тос 200 г", "Бяслаг 300 г", "Саван", "Шампунь 400 мл", "Шүдний оо", "Ариун цэврийн цаас 8 ш",
    )
)  # fmt: skip
UNIT = "ш".encode()
_LINE = b'{"name":"%b","quantity":"%d.000","unit":"%b","unit_price_mongo":%d,"total_mongo":%d,"barcode":"%013d"}'
_BODY = (
    b'{"type":"B2C_RECEIPT","seller_tin":"%b","terminal":"%b","parts":[{"tax_type":"VAT_ABLE","total_mongo":%d,'
    b'"lines":[%b]}],"payments":[{"method":"PAYMENT_CARD","amount_mongo":%d}]}'
)


@dataclass(frozen=True, slots=True)
class TillSeat:
    """A terminal that posts: whose it is, and the token that it posts with."""

    token: str
    seller_tin: str
    terminal: str


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Where a load client posts, and as whom."""

    host: str
    port: int
    seats: tuple[TillSeat, ...]

    def write(self, path: Path) -> None:
        """Write the plan for a client in another process. It holds tokens."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "LoadPlan":
        """Read a plan that `write` wrote."""
        told = json.loads(path.read_text(encoding="utf-8"))
        return cls(told["host"], told["port"], tuple(TillSeat(**seat) for seat in told["seats"]))


def receipt_body(seat: TillSeat, number: int) -> bytes:
    """Answer the body of the sale `number`: no other number has the same. Prices in möngö."""
    lines, total = [], 0
    for at in range(LINES):
        units = (number + at) % 3 + 1
        price = (number * 7 + at * 131) % 9_973 * 100 + 50_000
        total += units * price
        name = GOODS[(number + at * 5) % len(GOODS)]
        lines.append(_LINE % (name, units, UNIT, price, units * price, number * LINES + at))
    return _BODY % (seat.seller_tin.encode(), seat.terminal.encode(), total, b",".join(lines), total)


def single_requests(plan: LoadPlan, seat: TillSeat, numbers: Sequence[int], run: str) -> Iterator[bytes]:
    """Write a `POST /v1/receipts` for each number; `run` keeps the keys apart from those of other runs."""
    head = (
        _head(plan, seat, b"/v1/receipts", b"application/json")
        + b"Idempotency-Key: %b-%d\r\nContent-Length: %d\r\n\r\n"
    )
    name = run.encode()
    for number in numbers:
        body = receipt_body(seat, number)
        yield head % (name, number, len(body)) + body


def batch_request(plan: LoadPlan, seat: TillSeat, numbers: Sequence[int], run: str) -> bytes:
    """Write a `POST /v1/receipts/batch` of the sales of these numbers."""
    name = run.encode()
    lines = [b'{"key":"%b-%d","receipt":%b}' % (name, number, receipt_body(seat, number)) for number in numbers]
    body = b"\n".join(lines)
    head = _head(plan, seat, b"/v1/receipts/batch", b"application/x-ndjson") + b"Content-Length: %d\r\n\r\n"
    return head % len(body) + body


def _head(plan: LoadPlan, seat: TillSeat, path: bytes, media_type: bytes) -> bytes:
    place = f"{plan.host}:{plan.port}".encode()
    return (
        b"POST %b HTTP/1.1\r\nHost: %b\r\nAuthorization: Bearer %b\r\nContent-Type: %b\r\n"
        % (path, place, seat.token.encode(), media_type)
    )  # fmt: skip
