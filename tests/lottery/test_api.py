"""Draws over HTTP: what everybody may see, and what only its owner."""

import json
from typing import Annotated

import pytest
from fastapi import FastAPI, Header
from starlette.testclient import TestClient

from kernel.canonical import canonical_json, sha256
from lottery import api
from lottery.verify_draw import Verdict, verify, verify_together
from receipts.receipt import Nature, lottery_number
from runtime import http_errors
from runtime.database import Database
from tests.factories import World
from tests.lottery.conftest import Draws, claims_of_thirty
from tests.lottery.drawing import MONTH


def consumer_of_header(consumer: Annotated[int, Header()]) -> int:
    """Who asks, as the face's dependency answers it from a token."""
    return consumer


@pytest.fixture
def client(database: Database) -> TestClient:
    app = FastAPI(responses=http_errors.PROBLEM_RESPONSES)
    app.state.database = database
    app.include_router(api.router)
    app.include_router(api.make_router(consumer_of_header))
    http_errors.install(app)
    return TestClient(app)


def as_consumer(consumer: int) -> dict[str, str]:
    return {"consumer": str(consumer)}


class TestDraws:
    def test_are_none_at_first(self, client: TestClient) -> None:
        assert client.get("/v1/draws").json() == {"draws": []}

    @pytest.mark.parametrize("path", ["/v1/draws/2017-03", "/v1/draws/2017-03/transcript"])
    def test_say_that_a_month_is_unknown(self, client: TestClient, path: str) -> None:
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_draw")

    @pytest.mark.parametrize("path", ["/v1/draws/2017-13", "/v1/draws/march/transcript"])
    def test_say_that_a_month_is_malformed(self, client: TestClient, path: str) -> None:
        answer = client.get(path)
        assert (answer.status_code, answer.json()["faults"][0]["code"]) == (400, "month_form")

    async def test_publish_the_commitment_before_the_draw(self, world: World, draws: Draws, client: TestClient) -> None:
        await claims_of_thirty(world)
        commitment = draws.close()
        [listed] = client.get("/v1/draws").json()["draws"]
        shown = client.get("/v1/draws/2017-03").json()
        assert shown["state"] == listed["state"] == "committed"
        assert shown["numbers"] is shown["prizes"] is shown["drawn_at"] is None
        assert sha256(canonical_json(shown["commitment"])).hex() == shown["commitment_hash"]
        assert shown["commitment"] == commitment.to_json()
        assert shown["counts"]["eligible"] == 30
        assert client.get("/v1/draws/2017-03/transcript").status_code == 404

    @pytest.mark.usefixtures("generous")
    async def test_publish_the_transcript_byte_for_byte(self, world: World, draws: Draws, client: TestClient) -> None:
        await claims_of_thirty(world)
        draws.close()
        drawn = draws.run()
        shown = client.get("/v1/draws/2017-03").json()
        answer = client.get("/v1/draws/2017-03/transcript")
        assert answer.content == drawn.transcript
        assert answer.headers["content-type"] == "application/json"
        assert shown["state"] == "drawn"
        assert shown["numbers"] == json.loads(drawn.transcript)["numbers"]
        assert shown["prizes"] == {
            "count": len(drawn.prizes),
            "total_mongo": sum(prize.amount_mongo for prize in drawn.prizes),
        }


@pytest.mark.usefixtures("generous")
class TestMyEntries:
    async def test_show_each_consumer_his_own(self, world: World, draws: Draws, client: TestClient) -> None:
        claims = await claims_of_thirty(world)
        draws.close()
        drawn = draws.run()
        found = [client.get("/v1/me/entries", headers=as_consumer(n)).json()["entries"] for n in range(1, 6)]
        assert sorted(int(entry["entry"]) for entries in found for entry in entries) == sorted(claims)
        assert [len(entries) for entries in found] == [6] * 5
        shown = [
            (int(entry["entry"]), prize["tier"].replace("super", "0"), prize["amount_mongo"])
            for entries in found
            for entry in entries
            for prize in entry["prizes"]
        ]
        assert sorted(shown) == [(won.claim, str(won.tier), won.amount_mongo) for won in drawn.prizes]
        assert {(entry["draw"], entry["status"], entry["drawn"]) for entries in found for entry in entries} == {
            ("2017-03", "eligible", True)
        }

    async def test_wait_for_their_draw(self, world: World, client: TestClient) -> None:
        receipt, consumer = await world.sell(world.add_shop(), 1100), world.add_consumer()
        claim = (await world.claim(receipt, consumer)).claim.claim
        [entry] = client.get("/v1/me/entries", headers=as_consumer(consumer)).json()["entries"]
        assert entry == {
            "entry": str(claim),
            "receipt_id": str(receipt.id),
            "lottery": str(lottery_number(receipt.receipt_hash)),
            "draw": None,
            "draw_date": "2017-04-19",
            "status": "waiting",
            "drawn": False,
            "prizes": [],
        }
        assert client.get(f"/v1/me/entries/{claim}/proof", headers=as_consumer(consumer)).status_code == 404

    async def test_show_a_receipt_that_is_not_reported_yet(
        self, world: World, draws: Draws, client: TestClient
    ) -> None:
        till, consumer = world.add_till(), world.add_consumer()
        link = world.ring_up(till, 1100)
        await world.claim(link, consumer)
        draws.close()
        [entry] = client.get("/v1/me/entries", headers=as_consumer(consumer)).json()["entries"]
        assert (entry["status"], entry["draw"], entry["drawn"]) == ("provisional", "2017-03", False)
        assert entry["receipt_id"] == str(world.scan(link).payload.id)

    async def test_leave_out_a_scan_that_came_to_nothing(self, world: World, client: TestClient) -> None:
        """Somebody else claims the root while the scanned correction is still unreported."""
        till, first, second = world.add_till(), world.add_consumer(), world.add_consumer()
        root, correction = world.ring_up(till, 1100), world.sign(till, Nature.CORRECTION, 550, 50)
        await world.claim(correction, second)
        assert len(client.get("/v1/me/entries", headers=as_consumer(second)).json()["entries"]) == 1
        [stored] = await world.upload(till, root)
        await world.claim(stored, first)
        await world.correct_by_till(till, stored, correction)
        await world.follow()
        assert client.get("/v1/me/entries", headers=as_consumer(second)).json()["entries"] == []

    async def test_are_listed_a_hundred_at_a_time(self, world: World, client: TestClient) -> None:
        shop, consumer = world.add_shop(), world.add_consumer()
        claims = [(await world.claim(await world.sell(shop, 1100), consumer)).claim.claim for _ in range(101)]
        first = client.get("/v1/me/entries", headers=as_consumer(consumer)).json()
        rest = client.get(f"/v1/me/entries?before={first['next_before']}", headers=as_consumer(consumer)).json()
        assert [int(entry["entry"]) for entry in first["entries"] + rest["entries"]] == claims[::-1]
        assert rest["next_before"] is None


@pytest.mark.usefixtures("generous")
class TestMyProof:
    async def test_holds_offline_and_with_the_transcript(self, world: World, draws: Draws, client: TestClient) -> None:
        claims = await claims_of_thirty(world)
        draws.close()
        drawn = draws.run()
        winners = {prize.claim for prize in drawn.prizes}
        for at, claim in enumerate(claims):
            proof = client.get(f"/v1/me/entries/{claim}/proof", headers=as_consumer(at % 5 + 1)).content
            assert verify(proof)[-1].verdict is Verdict.HOLDS
            together = verify_together(drawn.transcript, proof)
            assert together.verdict is Verdict.HOLDS
            assert ("MNT" in together.detail) == (claim in winners)

    async def test_is_its_owners_alone(self, world: World, draws: Draws, client: TestClient) -> None:
        claims = await claims_of_thirty(world)
        draws.close()
        mine = client.get(f"/v1/me/entries/{claims[0]}/proof", headers=as_consumer(1))
        others = client.get(f"/v1/me/entries/{claims[0]}/proof", headers=as_consumer(2))
        unknown = client.get("/v1/me/entries/987654321/proof", headers=as_consumer(2))
        assert mine.status_code == 200
        assert "no-store" in mine.headers["cache-control"]
        assert (others.status_code, others.json()) == (404, unknown.json())

    async def test_says_why_a_receipt_was_excluded(self, world: World, draws: Draws, client: TestClient) -> None:
        receipt, consumer = await world.sell(world.add_shop(), 1100), world.add_consumer()
        claim = (await world.claim(receipt, consumer)).claim.claim
        await world.void(receipt)
        await world.follow()
        draws.close()
        proof = client.get(f"/v1/me/entries/{claim}/proof", headers=as_consumer(consumer)).content
        assert verify(proof)[-1].detail == "leaf 0 of 1: excluded: void"

    async def test_is_of_the_link_that_was_scanned_while_unreported(
        self, world: World, draws: Draws, client: TestClient
    ) -> None:
        till, consumer = world.add_till(), world.add_consumer()
        link = world.ring_up(till, 1100)
        claim = (await world.claim(link, consumer)).claim.claim
        draws.close()
        headers, path = as_consumer(consumer), f"/v1/me/entries/{claim}/proof"
        before = client.get(path, headers=headers).content
        assert verify(before)[-1].detail == "leaf 0 of 1: excluded: provisional"
        await world.upload(till, link)
        await world.follow()
        assert client.get(path, headers=headers).content == before
        draws.close(MONTH.plus(1))
        assert verify(client.get(path, headers=headers).content)[-1].detail == "leaf 0 of 1: it takes part"

    async def test_stays_that_of_the_scanned_correction_when_the_root_is_reported(
        self, world: World, draws: Draws, client: TestClient
    ) -> None:
        till, consumer = world.add_till(), world.add_consumer()
        root, correction = world.ring_up(till, 1100), world.sign(till, Nature.CORRECTION, 550, 50)
        claim = (await world.claim(correction, consumer)).claim.claim
        draws.close()
        headers, path = as_consumer(consumer), f"/v1/me/entries/{claim}/proof"
        before = client.get(path, headers=headers).content
        [stored] = await world.upload(till, root)
        await world.correct_by_till(till, stored, correction)
        await world.follow()
        assert client.get(path, headers=headers).content == before
        draws.close(MONTH.plus(1))
        proof = json.loads(client.get(path, headers=headers).content)
        assert proof["receipt_hash"] == stored.receipt_hash.hex()
        assert json.loads(before)["receipt_hash"] == world.scan(correction).receipt_hash.hex()
