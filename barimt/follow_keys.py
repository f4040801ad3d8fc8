"""Keep a worker's signing key in step with what is published: a key rotated or revoked elsewhere counts within seconds.

| event            | what it tells                                                                          |
|------------------|----------------------------------------------------------------------------------------|
| `signing_key`    | receipts are signed with another key from now on                                       |
| `no_signing_key` | every gateway key that is here is revoked or out of its time: issuing is answered 503   |
| `keys_unread`    | the published keys or a key file could not be read; what was known stays, it tries on   |
"""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import structlog

from barimt.authority import Authority, gateway_number, read_signers
from kernel.clock import Clock
from receipts.signing_keys import SigningKeys, valid_signer
from receipts.store import reading
from runtime.unusable import Unusable

FOLLOW_S = 5.0
"""One small query a worker; at most so long a revoked key still signs."""
_UNREAD = (OSError, asyncpg.InterfaceError, asyncpg.PostgresError, Unusable)
_log = structlog.get_logger()


class KeyFollower:
    """One worker's eye on the published gateway keys and on the key files. Belongs to one event loop."""

    def __init__(self, signing: SigningKeys, authority: Authority, database: Any, clock: Clock) -> None:
        self._signing = signing
        self._folder: Path = authority.folder
        self._database = database
        self._clock = clock
        self._signers = read_signers(authority.folder)

    async def follow(self) -> None:
        """Look once, and sign with the newest valid key. A key whose file was taken away meanwhile stays in use."""
        published = await reading.find_gateway_keys(self._database)
        self._signers |= read_signers(self._folder, self._signers)
        newest_first = [self._signers[name] for name in sorted(self._signers, key=gateway_number, reverse=True)]
        signer = valid_signer(newest_first, published, self._clock())
        before, after = (None if one is None else one.kid for one in (self._signing.signer, signer))
        if before == after:
            return
        self._signing.sign_with(signer)
        if signer is None:
            _log.error("no_signing_key", before=None if before is None else before.hex())
        else:
            _log.info("signing_key", kid=signer.kid.hex(), before=None if before is None else before.hex())

    async def follow_for_ever(self) -> None:
        """Look every `FOLLOW_S` seconds, through every failure of the database."""
        while True:
            await asyncio.sleep(FOLLOW_S)
            await self.look()

    async def look(self) -> None:
        """Look once; when the database is away what was known stays."""
        try:
            await self.follow()
        except _UNREAD as error:
            _log.warning("keys_unread", error=type(error).__name__)
