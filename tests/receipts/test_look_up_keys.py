"""Published keys are found by the kid that a receipt names, the newest at once."""

from collections.abc import Iterable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from receipts import look_up_keys
from receipts.keys import Key
from receipts.look_up_keys import REMEMBERED_S, KeyLookup
from receipts.publish_keys import publish_keys, revoke_key
from runtime.database import Database, Role
from tests.factories import OPENED_AT
from tests.receipts.examples import GATEWAY, GATEWAY_KEY, ROOT, ROOT_KEY, STRANGER, key_of


class Asked:
    """The gateway's pool, which counts what it was asked."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.times = 0

    async def fetch(self, sql: str, kids: list[bytes]) -> Any:
        self.times += 1
        return await self.pool.fetch(sql, kids)


class Time:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def publish(database: Database, keys: Iterable[Key]) -> None:
    with database.transaction(Role.JOBS) as connection:
        publish_keys(connection, lambda: OPENED_AT, keys=keys, root=ROOT)


def revoke(database: Database, key: Key) -> None:
    with database.transaction(Role.JOBS) as connection:
        revoke_key(connection, lambda: OPENED_AT, kid=key.kid, root=ROOT)


class TestKeyLookup:
    async def test_asks_once_in_half_a_minute_for_whom_it_knows(self, database: Database) -> None:
        publish(database, [ROOT_KEY, GATEWAY_KEY])
        async with await database.pool(Role.CLAIMS, min_size=1, max_size=1) as pool:
            asked, time = Asked(pool), Time()
            lookup = KeyLookup(asked, elapsed_s=time)
            for _ in range(3):
                assert await lookup.keyring([GATEWAY_KEY.kid]) == {GATEWAY_KEY.kid: GATEWAY_KEY}
            assert asked.times == 1
            revoke(database, GATEWAY_KEY)
            time.now = REMEMBERED_S
            found = (await lookup.keyring([GATEWAY_KEY.kid]))[GATEWAY_KEY.kid]
            assert (asked.times, found.revoked_at) == (2, OPENED_AT)

    async def test_asks_each_time_for_whom_it_does_not_know(self, database: Database) -> None:
        new = key_of(STRANGER, GATEWAY_KEY.role)
        publish(database, [ROOT_KEY, GATEWAY_KEY])
        async with await database.pool(Role.CLAIMS, min_size=1, max_size=1) as pool:
            lookup = KeyLookup(pool, elapsed_s=Time())
            assert await lookup.keyring([new.kid]) == {}
            publish(database, [new])
            assert await lookup.keyring([new.kid, GATEWAY_KEY.kid]) == {new.kid: new, GATEWAY_KEY.kid: GATEWAY_KEY}
            assert await lookup.keyring([]) == {}

    async def test_forgets_the_first_when_it_knows_too_many(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(look_up_keys, "REMEMBERED_MAX", 2)
        made = [
            key_of(Ed25519PrivateKey.from_private_bytes(bytes([7]) * 31 + bytes([at])), GATEWAY_KEY.role)
            for at in range(3)
        ]
        publish(database, [ROOT_KEY, key_of(GATEWAY, GATEWAY_KEY.role), *made])
        async with await database.pool(Role.CLAIMS, min_size=1, max_size=1) as pool:
            asked = Asked(pool)
            lookup = KeyLookup(asked, elapsed_s=Time())
            for key in made:
                await lookup.keyring([key.kid])
            await lookup.keyring([made[2].kid, made[1].kid])
            assert asked.times == 3
            await lookup.keyring([made[0].kid])
            assert asked.times == 4
