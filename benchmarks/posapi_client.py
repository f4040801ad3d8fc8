"""POS software for load: posts sales in PosAPI's words over keep-alive connections, each a different body.

    python -m benchmarks.posapi_client --port 7080 --tins 37900000001,… --connections 8 --seconds 10 [--rate 50]

Without `--rate` each connection posts its next sale when the last is answered. With it sales arrive at equal
distances, and a latency counts from the arrival, so that a till that stands still cannot hide what it kept from being
sent. Printed is one JSON object (`Posted`).
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count

from benchmarks.latencies import Latencies, latencies

HEAD_END = b"\r\n\r\n"
LINES = 5
PRICE = 1_120
"""Tugrik; with VAT of a tenth and no city tax a hundredth of it is not whole, as in a real shop."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What came back. `failed` counts answers that were no receipt."""

    receipts: int
    failed: int
    a_second: float
    cores: float
    latency: Latencies


def sale_body(tin: str, number: int) -> bytes:
    """Write a sale of five articles by which it can be told from every other."""
    prices = [PRICE + (number * 7 + at * 13) % 900 for at in range(LINES)]
    items = [
        {
            "name": f"Бараа {number} {at}", "barCode": None, "barCodeType": "UNDEFINED",
            "classificationCode": "2349010", "measureUnit": "ш", "qty": 1, "unitPrice": price, "totalAmount": price,
        }
        for at, price in enumerate(prices)
    ]  # fmt: skip
    total = sum(prices)
    body = {
        "branchNo": "001", "totalAmount": total, "districtCode": "2501", "merchantTin": tin, "posNo": "001",
        "type": "B2C_RECEIPT", "billIdSuffix": "01",
        "receipts": [{"totalAmount": total, "taxType": "VAT_ABLE", "merchantTin": tin, "items": items}],
        "payments": [{"code": "CASH", "status": "PAID", "paidAmount": total}],
    }  # fmt: skip
    return json.dumps(body, ensure_ascii=False).encode()


class Shop:
    """Posts until the time is over."""

    def __init__(self, port: int, tins: Sequence[str], first: int) -> None:
        self._port, self._tins = port, tins
        self._numbers = count(first)
        self.times_s: list[float] = []
        self.failed = 0

    async def closed(self, connections: int, ends: float) -> None:
        """Post sale after sale on every connection."""

        async def post_on() -> None:
            reader, writer = await self._connect()
            while time.perf_counter() < ends:
                await self._post(reader, writer, time.perf_counter())
            writer.close()

        await asyncio.gather(*[post_on() for _ in range(connections)])

    async def paced(self, connections: int, ends: float, rate: float) -> None:
        """Let sales arrive at equal distances; each takes a connection that is free, or waits for one."""
        free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        for _ in range(connections):
            free.put_nowait(await self._connect())

        async def sell(arrived: float) -> None:
            taken = await free.get()
            await self._post(*taken, arrived)
            free.put_nowait(taken)

        async with asyncio.TaskGroup() as sales:
            for arrives in _arrivals(time.perf_counter(), ends, rate):
                await asyncio.sleep(max(0.0, arrives - time.perf_counter()))
                sales.create_task(sell(arrives))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def _post(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, since: float) -> None:
        number = next(self._numbers)
        body = sale_body(self._tins[number % len(self._tins)], number)
        writer.write(b"POST /rest/receipt HTTP/1.1\r\nHost: till\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        head = await reader.readuntil(HEAD_END)
        length = next(
            int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )  # fmt: skip
        answer = await reader.readexactly(length)
        if head.startswith(b"HTTP/1.1 200") and b'"qrData"' in answer:
            self.times_s.append(time.perf_counter() - since)
        else:
            self.failed += 1


def _arrivals(begins: float, ends: float, rate: float) -> Iterator[float]:
    at = begins
    while at < ends:
        yield at
        at += 1 / rate


def main() -> None:
    """Post, and print what came back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tins", required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--first", type=int, default=0, help="Number of the first body; no two may have the same.")
    given = parser.parse_args()
    shop = Shop(given.port, given.tins.split(","), given.first)
    began, cpu = time.perf_counter(), time.process_time()
    ends = began + given.seconds
    paced = given.rate is not None
    asyncio.run(shop.paced(given.connections, ends, given.rate) if paced else shop.closed(given.connections, ends))
    took = time.perf_counter() - began
    posted = Posted(
        len(shop.times_s), shop.failed, round(len(shop.times_s) / took, 1),
        round((time.process_time() - cpu) / took, 2), latencies(shop.times_s),
    )  # fmt: skip
    print(json.dumps(asdict(posted)))


if __name__ == "__main__":
    main()
