"""Signing on a thread beside the event loop: while it signs a chunk, the loop reads the next receipts.

A link holds the hash of the one before it, so that a chunk is signed as a whole. The thread is compiled and needs no
interpreter lock (`receipts._speedups`); where it is not there, the loop signs.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from threading import Thread

from receipts import speedups
from receipts.issue_receipts import Sign, sign_here
from receipts.keys import Signer
from receipts.speedups import Signed

BESIDE_FROM = 128
"""Links that are worth the way there and back: two milliseconds of signing. The tills of a smaller chunk would wait for
another thread to be woken, on a machine that may have no processor to spare."""


@asynccontextmanager
async def signing_beside() -> AsyncIterator[Sign]:
    """Run the thread, and answer what signs on it."""
    if speedups.compiled is None:
        yield sign_here
        return
    loop, beside = asyncio.get_running_loop(), speedups.compiled.SigningBeside()
    waiting: deque[asyncio.Future[list[Signed]]] = deque()

    async def sign(signer: Signer, packed: Sequence[bytes], after: Sequence[int]) -> list[Signed]:
        if len(packed) < BESIDE_FROM:
            return await sign_here(signer, packed, after)
        beside.begin(signer.secret, signer.kid, packed, after)
        waiting.append(loop.create_future())
        return await waiting[-1]

    def collect() -> None:
        signed, promise = beside.finished(), waiting.popleft()
        if not promise.done():  # nobody waits any more where it was cancelled
            promise.set_result(signed)

    thread = Thread(target=beside.run, name="signing", daemon=True)
    thread.start()
    loop.add_reader(beside.fileno, collect)
    try:
        yield sign
    finally:
        loop.remove_reader(beside.fileno)
        beside.close()
        thread.join()
