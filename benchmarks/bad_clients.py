"""Clients that would hold others up if the server let them: each kind on many connections, from a process of its own.

    python -m benchmarks.bad_clients PLAN.json KIND [--connections 200] [--seconds 10]

| kind          | what it does                                                                           |
|---------------|----------------------------------------------------------------------------------------|
| `slow`        | sends a receipt in pieces of 16 bytes, one each 50 ms, and then the next                |
| `half-sent`   | sends the head and half of a body, and then nothing                                    |
| `idle`        | connects and says nothing                                                              |
| `never-reads` | asks for the list of a day's receipts again and again, and reads no answer             |

Printed is one JSON object (`Seen`): what the server did to them.
"""

import argparse
import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.till_requests import LoadPlan, TillSeat, single_requests

PIECE_BYTES, PIECE_S = 16, 0.05
FIRST = 2 * 10**9
"""Number of the first body: beyond those of load clients."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How the server treated the connections."""

    connections: int
    closed: int
    """Connections that the server ended."""
    first_closed_s: float | None
    """How long after its beginning the first was."""


Behave = Callable[[socket.socket, LoadPlan, TillSeat, int], Awaitable[None]]


async def slow(connection: socket.socket, plan: LoadPlan, seat: TillSeat, number: int) -> None:
    """Send receipts in small pieces, and read the answers."""
    loop = asyncio.get_running_loop()
    while True:
        (request,) = single_requests(plan, seat, [number], "slow")
        for at in range(0, len(request), PIECE_BYTES):
            await loop.sock_sendall(connection, request[at : at + PIECE_BYTES])
            await asyncio.sleep(PIECE_S)
        if not await loop.sock_recv(connection, 1 << 16):
            raise ConnectionResetError
        number += 1_000_000


async def half_sent(connection: socket.socket, plan: LoadPlan, seat: TillSeat, number: int) -> None:
    """Send half of a receipt, and wait for what the server says to that."""
    loop = asyncio.get_running_loop()
    (request,) = single_requests(plan, seat, [number], "half")
    await loop.sock_sendall(connection, request[: len(request) * 3 // 4])
    while await loop.sock_recv(connection, 1 << 16):
        pass
    raise ConnectionResetError


async def idle(connection: socket.socket, _plan: LoadPlan, _seat: TillSeat, _number: int) -> None:
    """Say nothing, and wait for the server to hang up."""
    await asyncio.get_running_loop().sock_recv(connection, 1)
    raise ConnectionResetError


async def never_reads(connection: socket.socket, plan: LoadPlan, seat: TillSeat, _number: int) -> None:
    """Ask for long answers, and read none."""
    loop = asyncio.get_running_loop()
    today = time.strftime("%Y-%m-%d")
    request = (
        f"GET /v1/receipts?terminal={seat.terminal}&date={today} HTTP/1.1\r\nHost: {plan.host}:{plan.port}\r\n"
        f"Authorization: Bearer {seat.token}\r\n\r\n"
    ).encode()
    while True:
        await loop.sock_sendall(connection, request)
        await asyncio.sleep(PIECE_S)


KINDS: dict[str, Behave] = {"slow": slow, "half-sent": half_sent, "idle": idle, "never-reads": never_reads}


async def behave(plan: LoadPlan, kind: str, connections: int, seconds: float) -> Seen:
    """Behave badly for a while."""
    began, closed = time.monotonic(), list[float]()

    async def one(at: int) -> None:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(0)
            await asyncio.get_running_loop().sock_connect(connection, (plan.host, plan.port))
            try:
                await KINDS[kind](connection, plan, plan.seats[at % len(plan.seats)], FIRST + at)
            except OSError:
                closed.append(time.monotonic() - began)

    tasks = [asyncio.create_task(one(at)) for at in range(connections)]
    await asyncio.wait(tasks, timeout=seconds)
    seen = Seen(connections, len(closed), round(min(closed), 2) if closed else None)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seen


def main() -> None:
    """Behave badly, and print what the server did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    plan = LoadPlan.read(given.plan)
    print(json.dumps(asdict(asyncio.run(behave(plan, given.kind, given.connections, given.seconds)))))


if __name__ == "__main__":
    main()
