"""The authority's keys in the data directory, and their place in the published list.

| file              | what                                                                                      |
|-------------------|-------------------------------------------------------------------------------------------|
| `root.key`        | certifies the others; needed only when the list changes, so an operator keeps it elsewhere |
| `gateway-N.key`   | signs receipts of gateway terminals; the highest N signs, older ones stay listed           |
| `turnover-N.key`  | the master secret of epoch N, from which each terminal's K is derived                      |
| `tokens.key`      | signs the tills' access tokens                                                             |
| `development.key` | signs the development issuer's tokens for consumers and officers                           |
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from kernel.clock import Clock
from receipts.chain import ChainKey
from receipts.keys import Key, KeyRole, Signer, turnover_key
from receipts.publish_keys import publish_keys
from runtime.key_files import secret_of, signing_key

VALID_FROM = datetime(2016, 1, 1, tzinfo=UTC)
"""Before the first e-receipt, so that a replay of any year verifies."""
VALID_FOR = timedelta(days=365 * 80)
EPOCH = 1


@dataclass(frozen=True, slots=True)
class Authority:
    """The keys of one data directory."""

    folder: Path
    root: Ed25519PrivateKey = field(repr=False)
    gateway: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> "Authority":
        """Read the keys of a folder, made where they are missing."""
        newest = max((_number(path) for path in folder.glob("gateway-*.key")), default=1)
        return cls(folder, signing_key(folder, "root.key"), signing_key(folder, f"gateway-{newest}.key"))

    @property
    def masters(self) -> dict[int, bytes]:
        """The turnover secrets by epoch."""
        return {EPOCH: secret_of(self.folder, f"turnover-{EPOCH}.key")}

    @property
    def token_key(self) -> bytes:
        """The secret that signs access tokens."""
        return secret_of(self.folder, "tokens.key")

    @property
    def development_key(self) -> bytes:
        """The secret of the development issuer."""
        return secret_of(self.folder, "development.key")

    def keys(self) -> list[Key]:
        """Answer the root and the signing gateway key as they are published."""
        until = VALID_FROM + VALID_FOR
        return [
            Key(key.public_key().public_bytes_raw(), role, VALID_FROM, until)
            for key, role in ((self.root, KeyRole.ROOT), (self.gateway, KeyRole.GATEWAY))
        ]

    def publish(self, connection: Connection, clock: Clock) -> str:
        """See to it that the keys stand in the published list, and answer it."""
        return publish_keys(connection, clock, keys=self.keys(), root=self.root)

    def rotate(self) -> "Authority":
        """Make a new gateway key, which signs from the next start on."""
        number = max(_number(path) for path in self.folder.glob("gateway-*.key")) + 1
        return Authority(self.folder, self.root, signing_key(self.folder, f"gateway-{number}.key"))


def chain_keys(authority: Authority) -> "ChainKeysOf":
    """Answer what signs and seals for each terminal, each terminal's K derived once."""
    return ChainKeysOf(Signer(authority.gateway), authority.masters)


class ChainKeysOf:
    """Answers the chain key of (seller, terminal, epoch)."""

    def __init__(self, signer: Signer, masters: dict[int, bytes]) -> None:
        @lru_cache(maxsize=100_000)
        def key_of(seller: int, terminal: int, epoch: int) -> ChainKey:
            return ChainKey(signer, turnover_key(masters[epoch], seller=seller, terminal=terminal, epoch=epoch))

        self._key_of = key_of

    def __call__(self, seller: int, terminal: int, epoch: int) -> ChainKey:
        """Answer the key."""
        return self._key_of(seller, terminal, epoch)


def _number(path: Path) -> int:
    digits = path.stem.removeprefix("gateway-")
    return int(digits) if digits.isdecimal() else 0
