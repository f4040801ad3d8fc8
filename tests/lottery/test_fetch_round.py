"""Live draws against a beacon on loopback that replays recorded answers: fine, late, wrong and forged ones."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from kernel.canonical import sha256
from kernel.refusal import Refusal, Unavailable
from lottery.beacon import QUICKNET, RECORDED, Mode, WrongRandomness, WrongRound, WrongSignature
from lottery.fetch_round import BeaconLate, BeaconUnreachable, fetch_round, round_for
from lottery.run_draw import AlreadyDrawn
from lottery.transcript import verify_transcript
from lottery.verify_draw import Verdict
from tests.factories import World
from tests.lottery.conftest import Draws
from tests.lottery.drawing import LIVE_COMMITTED_AT, draw, entries_of

PATH = f"/{QUICKNET.hash.hex()}/public/1000"
FINE = {"round": 1000, "randomness": RECORDED.randomness.hex(), "signature": RECORDED.signature.hex()}
OTHER_SIGNATURE = bytes([RECORDED.signature[0] ^ 0x20]) + RECORDED.signature[1:]
FORGED = FINE | {"signature": OTHER_SIGNATURE.hex(), "randomness": sha256(OTHER_SIGNATURE).hex()}


class Beacon:
    """A drand relay that answers every request for the round with one status and body."""

    def __init__(self) -> None:
        self.status = 200
        self.body = json.dumps(FINE).encode()
        self.asked: list[str] = []


@pytest.fixture
def beacon() -> Iterator[tuple[Beacon, httpx2.Client]]:
    relay = Beacon()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            relay.asked.append(self.path)
            self.send_response(relay.status)
            self.send_header("Content-Length", str(len(relay.body)))
            self.end_headers()
            self.wfile.write(relay.body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with httpx2.Client(base_url=f"http://127.0.0.1:{server.server_port}") as client:
        yield relay, client
    server.shutdown()
    server.server_close()
    thread.join()


class TestFetchRound:
    def test_asks_for_the_round_of_quicknet(self, beacon: tuple[Beacon, httpx2.Client]) -> None:
        relay, client = beacon
        assert fetch_round(client, 1000) == RECORDED
        assert relay.asked == [PATH]

    @pytest.mark.parametrize("status", [404, 425])
    def test_says_that_the_beacon_is_late(self, beacon: tuple[Beacon, httpx2.Client], status: int) -> None:
        relay, client = beacon
        relay.status = status
        with pytest.raises(BeaconLate):
            fetch_round(client, 1000)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"null",
            b"[" * 4000,
            json.dumps(FINE | {"randomness": "zz"}).encode(),
            json.dumps(FINE | {"randomness": None}).encode(),
            json.dumps({"round": 1000}).encode(),
            json.dumps(FINE | {"round": "a"}).encode(),
            json.dumps(FINE | {"previous_signature": "0" * 5000}).encode(),
        ],
        ids=range(9),
    )
    def test_does_not_take_nonsense_for_a_round(self, beacon: tuple[Beacon, httpx2.Client], body: bytes) -> None:
        relay, client = beacon
        relay.body = body
        with pytest.raises(BeaconUnreachable):
            fetch_round(client, 1000)

    @pytest.mark.parametrize("status", [301, 500, 503])
    def test_can_be_tried_again_when_the_beacon_fails(self, beacon: tuple[Beacon, httpx2.Client], status: int) -> None:
        relay, client = beacon
        relay.status = status
        with pytest.raises(BeaconUnreachable):
            fetch_round(client, 1000)

    def test_can_be_tried_again_when_nobody_answers(self) -> None:
        with httpx2.Client(base_url="http://127.0.0.1:9") as client, pytest.raises(Unavailable):
            fetch_round(client, 1000)

    def test_takes_the_recorded_round_in_a_rehearsal(self, beacon: tuple[Beacon, httpx2.Client]) -> None:
        relay, client = beacon
        _, commitment, _ = draw(entries_of([]))
        assert round_for(client, commitment) == RECORDED
        assert relay.asked == []


class TestLiveDraw:
    async def test_draws_with_the_round_that_the_commitment_named(
        self, world: World, draws: Draws, beacon: tuple[Beacon, httpx2.Client]
    ) -> None:
        await world.claim(await world.sell(world.add_shop(), 1100), world.add_consumer())
        commitment = draws.close(mode=Mode.LIVE, real_now=LIVE_COMMITTED_AT)
        drawn = draws.run(beacon=round_for(beacon[1], commitment))
        steps = verify_transcript(drawn.transcript)
        assert [step.verdict for step in steps].count(Verdict.HOLDS) == 12
        assert "REHEARSAL" not in steps[3].detail

    @pytest.mark.parametrize(
        ("answer", "refusal"),
        [
            (FINE | {"round": 1001}, WrongRound),
            (FINE | {"randomness": "00" * 32}, WrongRandomness),
            (FORGED, WrongSignature),
        ],
    )
    async def test_refuses_a_wrong_answer_and_stays_undrawn(
        self,
        world: World,
        draws: Draws,
        beacon: tuple[Beacon, httpx2.Client],
        answer: dict[str, object],
        refusal: type[Refusal],
    ) -> None:
        relay, client = beacon
        commitment = draws.close(mode=Mode.LIVE, real_now=LIVE_COMMITTED_AT)
        relay.body = json.dumps(answer).encode()
        with pytest.raises(refusal):
            draws.run(beacon=round_for(client, commitment))
        relay.body = json.dumps(FINE).encode()
        draws.run(beacon=round_for(client, commitment))
        with pytest.raises(AlreadyDrawn):
            draws.run(beacon=round_for(client, commitment))

    async def test_refuses_the_recorded_round_when_the_commitment_came_after_it(
        self, world: World, draws: Draws, beacon: tuple[Beacon, httpx2.Client]
    ) -> None:
        """A commitment made when round 1000 was public names a later one, so the recorded answer is a wrong round."""
        commitment = draws.close(mode=Mode.LIVE, real_now=QUICKNET.time_of(1000) + timedelta(seconds=1))
        assert commitment.round > 1000
        with pytest.raises(WrongRound):
            draws.run(beacon=round_for(beacon[1], commitment))
