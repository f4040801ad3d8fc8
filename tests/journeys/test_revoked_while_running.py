"""A key is rotated or revoked while the centre runs: it counts without a restart."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from barimt.demo.till_client import TillClient
from barimt.follow_keys import FOLLOW_S
from barimt.open_authority import revoke_published_key, rotate_gateway_key
from receipts.key_list import read_key_list
from receipts.keys import keyring_of
from receipts.verification import AskTheCentre, verify_text
from runtime.database import Role
from runtime.settings import Settings
from tests.crash.serve_process import ServeProcess
from tests.journeys.test_serve_survives import BODY, enrol, post
from tests.serving import Centre, Till, created, refused, wait_for

WITHIN_S = 60.0
RETRY_S = 0.2


@pytest.fixture
def process(open_dir: Path) -> ServeProcess:
    """A centre in processes of its own that has never run."""
    return ServeProcess(open_dir / "data")


def rotate(centre: Centre, settings: Settings) -> str:
    """Rotate as `barimt keys rotate` does, and answer the new kid."""
    with centre.database.transaction(Role.JOBS) as connection:
        key, _ = rotate_gateway_key(connection, centre.clock, settings=settings)
    return key.kid.hex()


def revoke(centre: Centre, settings: Settings, kid: str) -> None:
    """Revoke as `barimt keys revoke` does."""
    with centre.database.transaction(Role.JOBS) as connection:
        revoke_published_key(connection, centre.clock, settings=settings, kid=bytes.fromhex(kid))


def published(centre: Centre) -> dict[str, str | None]:
    """What `GET /v1/keys` says of gateway keys: kid, and since when it is revoked."""
    answer = centre.http.get("/v1/keys").json()
    signed = {key.kid.hex(): key for key in read_key_list(answer["signed"])}
    shown = {key["kid"]: key["revoked_at"] for key in answer["keys"] if key["role"] == "gateway"}
    assert all((signed[kid].revoked_at is None) is (revoked is None) for kid, revoked in shown.items())
    return shown


def kid_of(centre: Centre, text: str) -> str:
    """Who signed a QR text."""
    try:
        return verify_text(text, keyring_of(read_key_list(centre.http.get("/v1/keys").json()["signed"]))).key.kid.hex()
    except AskTheCentre as revoked:
        return revoked.verified.key.kid.hex()


def await_status(till: Till, status: int) -> httpx2.Response:
    """Post sales until one is answered so; the time is the promise."""

    def sell() -> httpx2.Response:
        time.sleep(RETRY_S)
        return till.post(till.body())

    return wait_for(sell, lambda answer: answer.status_code == status, WITHIN_S)


class TestGatewayKey:
    def test_revoked_it_signs_no_more_and_what_was_recorded_before_stays_good(
        self, centre: Centre, settings: Settings
    ) -> None:
        till, person = centre.enrol(), centre.add_person()
        before = [till.sell() for _ in range(2)]
        [kid] = published(centre)
        centre.set_clock(centre.now + timedelta(minutes=1))
        revoke(centre, settings, kid)
        assert published(centre)[kid] is not None
        problem = refused(await_status(till, 503), 503, "unavailable")
        assert "again" in problem["detail"]

        assert centre.http.get("/readyz").status_code == 503
        [line] = till.batch([{"key": "b-1", "receipt": till.body()}])
        assert (line["status"], line["problem"]["code"]) == (503, "unavailable")
        refused(till.void(before[1]["id"]), 503, "unavailable")
        assert till.get(f"/{before[0]['id']}").status_code == 200
        assert person.claim(qr=before[0]["qr"]).status_code == 200

        new = rotate(centre, settings)
        after = created(await_status(till, 201))
        assert kid_of(centre, after["qr"]) == new
        assert centre.http.get("/readyz").status_code == 200
        assert person.claim(qr=after["qr"]).status_code == 200

    def test_revoked_what_is_recorded_afterwards_counts_for_nothing(self, centre: Centre, settings: Settings) -> None:
        till, person = centre.enrol(), centre.add_person()
        [kid] = published(centre)
        revoke(centre, settings, kid)
        late = till.sell()  # before this worker has seen it
        refused(person.claim(qr=late["qr"]), 409, "key_revoked")

    def test_rotated_the_new_one_signs_and_its_receipts_can_be_claimed_at_once(
        self, centre: Centre, settings: Settings
    ) -> None:
        till, person = centre.enrol(), centre.add_person()
        first = till.sell()
        assert person.claim(qr=first["qr"]).status_code == 200  # the claims' side knows the old list now
        new = rotate(centre, settings)

        def sell() -> str:
            time.sleep(RETRY_S)
            return str(till.sell()["qr"])

        text = wait_for(sell, lambda text: kid_of(centre, text) == new, WITHIN_S)
        assert person.claim(qr=text).status_code == 200
        revoke(centre, settings, next(kid for kid in published(centre) if kid != new))
        time.sleep(FOLLOW_S + 1)
        assert kid_of(centre, till.sell()["qr"]) == new


class TestEveryWorker:
    def test_stops_signing_with_a_revoked_key_and_takes_up_the_new_one(self, process: ServeProcess) -> None:
        process.environment["BARIMT_WORKERS"] = "2"
        with process.running():
            client = enrol(process)
            post(process, client, "before")
            [kid] = [key["kid"] for key in json.loads(process.command("keys", "list", "--json"))["keys"]
                     if key["role"] == "gateway"]  # fmt: skip
            process.command("keys", "revoke", kid)
            time.sleep(FOLLOW_S + 2)
            assert self._statuses(process, client, "revoked") == {503}
            new = json.loads(process.command("keys", "rotate", "--json"))["kid"]
            time.sleep(FOLLOW_S + 2)
            assert self._statuses(process, client, "rotated") == {201}
        assert process.said.count('"no_signing_key"') == 2
        assert process.said.count(f'"{new}"') == 2

    def _statuses(self, process: ServeProcess, client: dict[str, str], name: str) -> set[int]:
        """Post over many connections, so that every worker is asked."""

        async def post_all() -> set[int]:
            async with AsyncExitStack() as stack:
                https = [
                    await stack.enter_async_context(httpx2.AsyncClient(base_url=process.url, timeout=60))
                    for _ in range(24)
                ]
                till = TillClient(https[0], client["client_id"], Path(client["key_file"]), client["token_url"])
                headers = await till.headers()
                answers = await asyncio.gather(
                    *[
                        http.post("/v1/receipts", json=BODY, headers=headers | {"Idempotency-Key": f"{name}-{at}"})
                        for at, http in enumerate(https)
                    ]
                )
                return {answer.status_code for answer in answers}

        return asyncio.run(post_all())
