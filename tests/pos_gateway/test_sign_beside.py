"""What is signed beside the event loop is what would be signed on it."""

import asyncio
import threading

import pytest

from pos_gateway.sign_beside import BESIDE_FROM, signing_beside
from receipts import qr, speedups
from receipts.issue_receipts import sign_here
from receipts.keys import Signer
from tests.receipts.examples import GATEWAY

SIGNER = Signer(GATEWAY)


def links(count: int, filling: int = 0) -> tuple[list[bytes], list[int]]:
    return [bytes([filling]) * 60] * count, list(range(-1, count - 1))


def signing_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "signing"]


@pytest.mark.needs("speedups")
class TestSigningBeside:
    @pytest.mark.parametrize("count", [1, BESIDE_FROM - 1, BESIDE_FROM, 256])
    async def test_answers_as_signing_here_does(self, count: int) -> None:
        async with signing_beside() as sign:
            assert await sign(SIGNER, *links(count)) == qr.sign_links(SIGNER, *links(count))

    async def test_answers_each_its_own(self) -> None:
        asked = [links(BESIDE_FROM + at, at) for at in range(5)]
        async with signing_beside() as sign:
            answered = await asyncio.gather(*[sign(SIGNER, *one) for one in asked])
        assert answered == [qr.sign_links(SIGNER, *one) for one in asked]

    async def test_who_gives_up_takes_nobody_elses_answer(self) -> None:
        async with signing_beside() as sign:
            gone = asyncio.create_task(sign(SIGNER, *links(256, 1)))  # type: ignore[arg-type]
            waiting = asyncio.create_task(sign(SIGNER, *links(256, 2)))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            gone.cancel()
            assert await waiting == qr.sign_links(SIGNER, *links(256, 2))
            assert gone.cancelled()

    async def test_leaves_the_event_loop_to_others(self) -> None:
        async with signing_beside() as sign:
            signed = asyncio.create_task(sign(SIGNER, *links(5_000)))  # type: ignore[arg-type]
            turns = 0
            while not signed.done():
                await asyncio.sleep(0.001)
                turns += 1
        assert turns > 5

    async def test_its_thread_ends_with_it(self) -> None:
        async with signing_beside() as sign:
            await sign(SIGNER, *links(256))
            assert signing_threads() == ["signing"]
        assert signing_threads() == []

    async def test_refuses_what_are_no_links(self) -> None:
        async with signing_beside() as sign:
            with pytest.raises(ValueError, match="sixty bytes"):
                await sign(SIGNER, [b"short"] * BESIDE_FROM, links(BESIDE_FROM)[1])
            assert await sign(SIGNER, *links(256)) == qr.sign_links(SIGNER, *links(256))


async def test_signs_here_where_nothing_was_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speedups, "compiled", None)
    async with signing_beside() as sign:
        assert sign is sign_here
        assert signing_threads() == []
        assert await sign(SIGNER, *links(256)) == qr.sign_links(SIGNER, *links(256))
