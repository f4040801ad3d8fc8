"""Whether a QR text is a genuine receipt: a numbered list, the same for a phone, a tax officer and the centre.

(1) length and prefix; (2) canonical Base45; (3) the constants; (4) the key is known and within its scope and time;
(5) the signature; (6) the kind and the ranges; with a document (7) its digest; with the predecessor (8) the chain.
Docs: docs/formats/verification.md; one failing vector a step stands in tests/vectors/.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature

from kernel.canonical import sha256
from kernel.clock import business_day
from kernel.refusal import Malformed, Refusal
from receipts import base45, qr
from receipts.document import Document, decode_document
from receipts.keys import Key, Keyring, KeyRole
from receipts.qr import Payload
from receipts.receipt import Kind, Nature

STEPS = {
    1: "length and prefix",
    2: "Base45",
    3: "constants",
    4: "key",
    5: "signature",
    6: "kind and ranges",
    7: "document",
    8: "chain",
}
UNKNOWN_KEY = "unknown"
"""Why step 4 fails when no key of this kid is known; a reader may lack its shard, or have an old one."""
SELLER_NUMBER_MAX = 10**12 - 1


class NotGenuine(Refusal):
    """The text is not a genuine receipt; `step` says at which step of the list that was found, `why` in one word."""

    code = "forged"

    def __init__(self, step: int, why: str) -> None:
        super().__init__(step=str(step), reason=STEPS[step])
        self.step = step
        self.why = why


@dataclass(frozen=True, slots=True)
class Verified:
    """A genuine receipt: steps 1 to 6 hold."""

    payload: Payload
    kind: Kind
    key: Key
    cose: bytes
    receipt_hash: bytes


class AskTheCentre(NotGenuine):
    """The key was revoked: only the centre knows whether it had recorded exactly the bytes of `verified` before."""

    code = "key_revoked"

    def __init__(self, verified: Verified) -> None:
        super().__init__(4, "revoked")
        self.verified = verified


def kid_named(text: str) -> bytes | None:
    """Answer the kid that a QR text names, or None where steps 1 to 3 fail; nothing is verified yet."""
    if len(text) != qr.TEXT_LENGTH or not text.startswith(qr.PREFIX):
        return None
    cose = base45.decode(text[len(qr.PREFIX) :])
    pieces = None if cose is None else qr.take_apart(cose)
    return None if pieces is None else pieces[0]


def verify_text(text: str, keyring: Keyring) -> Verified:
    """Check steps 1 to 6 of a QR text. Raises `NotGenuine` (or `AskTheCentre`, a revoked key) at the first failing."""
    if len(text) != qr.TEXT_LENGTH or not text.startswith(qr.PREFIX):
        raise NotGenuine(1, "length" if text.startswith(qr.PREFIX) else "prefix")
    cose = base45.decode(text[len(qr.PREFIX) :])
    if cose is None:
        raise NotGenuine(2, "base45")
    return verify_cose(cose, keyring)


def verify_cose(cose: bytes, keyring: Keyring) -> Verified:
    """Check steps 3 to 6 of 144 bytes."""
    pieces = qr.take_apart(cose)
    if pieces is None:
        raise NotGenuine(3, "constants")
    kid, packed, signature = pieces
    payload = qr.unpack(packed)
    key = keyring.get(kid)
    _check_key(key, payload)
    assert key is not None
    try:
        key.verifier.verify(signature, qr.to_sign(kid, packed))
    except InvalidSignature:
        raise NotGenuine(5, "signature") from None
    verified = Verified(payload, _check_ranges(payload, key), key, cose, qr.receipt_hash(cose))
    if key.revoked_at is not None:
        raise AskTheCentre(verified)
    return verified


def _check_key(key: Key | None, payload: Payload) -> None:
    if key is None or key.role is KeyRole.ROOT:
        raise NotGenuine(4, UNKNOWN_KEY)
    if key.role is KeyRole.TILL and (key.seller, key.terminal) != (payload.id.seller, payload.id.terminal):
        raise NotGenuine(4, "scope")
    if not key.first_second <= payload.issued_at <= key.last_second:
        raise NotGenuine(4, "time")


def _check_ranges(payload: Payload, key: Key) -> Kind:
    kind = Kind.of_int(payload.kind_bits)
    if kind is None or kind.by_till is not (key.role is KeyRole.TILL):
        raise NotGenuine(6, "kind")
    if kind.lottery and (kind.business or kind.nature not in _MAY_CARRY_LOTTERY):
        raise NotGenuine(6, "kind")
    if payload.id.seller > SELLER_NUMBER_MAX or payload.id.day != _day_of_hour(payload.issued_at // 3600):
        raise NotGenuine(6, "id")
    sign = _SIGN[kind.nature]
    total, vat = payload.total_mongo * sign, payload.vat_mongo * sign
    if not 0 <= vat <= total or (sign == 0 and (payload.total_mongo or payload.vat_mongo)):
        raise NotGenuine(6, "amounts")
    return kind


@lru_cache(maxsize=4096)
def _day_of_hour(hour: int) -> int:
    """Answer the business day of an hour since 1970; midnight in Ulaanbaatar has always been at a full hour of UTC."""
    return business_day(datetime.fromtimestamp(hour * 3600, UTC))


_MAY_CARRY_LOTTERY = frozenset({Nature.SALE, Nature.PAYMENT, Nature.CORRECTION})
_SIGN = dict.fromkeys(Nature, 1) | {Nature.VOID: -1, Nature.START: 0, Nature.CLOSING: 0}


def verify_receipt(
    text: str, keyring: Keyring, *, document: bytes | None = None, previous: str | None = None
) -> Verified:
    """Check all that the reader has: steps 1 to 6, with a document step 7, with the predecessor's text step 8.
    Raises `NotGenuine`; a predecessor that is not genuine itself proves nothing and fails step 8.
    """
    verified = verify_text(text, keyring)
    if document is not None:
        verify_document(verified.payload, document)
    if previous is not None:
        try:
            before = verify_text(previous, keyring)
        except NotGenuine:
            raise NotGenuine(8, "predecessor") from None
        verify_successor(verified.payload, before.payload, before.cose)
    return verified


def verify_document(payload: Payload, document: bytes) -> Document:
    """Check step 7 and answer the document: it is the one that was signed, in its canonical form. Raises
    `NotGenuine`.
    """
    if sha256(document)[:8] != payload.document:
        raise NotGenuine(7, "digest")
    try:
        return decode_document(document)
    except Malformed:
        raise NotGenuine(7, "form") from None


def verify_successor(payload: Payload, previous: Payload, previous_cose: bytes) -> None:
    """Check step 8: `payload` is the next link after `previous` on the same terminal. Raises `NotGenuine`."""
    if (payload.id.seller, payload.id.terminal) != (previous.id.seller, previous.id.terminal):
        raise NotGenuine(8, "terminal")
    if payload.counter != previous.counter + 1:
        raise NotGenuine(8, "counter")
    if payload.chain != qr.receipt_hash(previous_cose)[:8]:
        raise NotGenuine(8, "link")
    if payload.issued_at < previous.issued_at:
        raise NotGenuine(8, "time")
