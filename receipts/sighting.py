"""A sighting: what a scanned QR showed of its till's chain. Two of them bound the money that passed in between."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime

from receipts.keys import turnover_key
from receipts.qr import open_turnover
from receipts.verification import Verified


@dataclass(frozen=True, slots=True)
class Sighting:
    """A genuine QR that somebody held up to us, whether or not its till has reported it. Amounts in möngö."""

    seller: int
    terminal: int
    day: int
    number: int
    receipt_hash: bytes
    kind: int
    counter: int
    total_mongo: int
    turnover_mongo: int
    issued_at: datetime
    seen_at: datetime

    @property
    def row(self) -> tuple[object, ...]:
        """The fields in the order of the table."""
        return astuple(self)


def sighting_of(verified: Verified, *, turnover_mongo: int, seen_at: datetime) -> Sighting:
    """Answer what a verified QR shows, its gross counter decrypted."""
    payload = verified.payload
    return Sighting(
        payload.id.seller,
        payload.id.terminal,
        payload.id.day,
        payload.id.number,
        verified.receipt_hash,
        payload.kind_bits,
        payload.counter,
        payload.total_mongo,
        turnover_mongo,
        datetime.fromtimestamp(payload.issued_at, UTC),
        seen_at,
    )


def decrypt_turnover(verified: Verified, masters: Mapping[int, bytes]) -> int:
    """Decrypt the gross counter of a QR with the master secret of its key's epoch (epoch -> 32 bytes)."""
    payload = verified.payload
    key = turnover_key(
        masters[verified.key.epoch],
        seller=payload.id.seller,
        terminal=payload.id.terminal,
        epoch=verified.key.epoch,
    )
    return open_turnover(payload.turnover_sealed, turnover_key=key, id=payload.id)
