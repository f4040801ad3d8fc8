"""Receipts for benchmarks: a chain of sales signed by a key of its own."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from receipts.chain import ChainKey, Draft, advance, first_head
from receipts.document import Document, Line, Part
from receipts.keys import Key, Keyring, KeyRole, Signer, keyring_of, turnover_key
from receipts.qr import encode_text
from receipts.receipt import Nature, TaxType

SELLER, TERMINAL = 37900846788, 10012619
NOW = datetime(2017, 3, 1, 4, tzinfo=UTC)
GATEWAY = Ed25519PrivateKey.from_private_bytes(b"b" * 32)


def keyring() -> Keyring:
    """Answer the keys with which the texts verify."""
    public = GATEWAY.public_key().public_bytes_raw()
    return keyring_of([Key(public, KeyRole.GATEWAY, NOW - timedelta(days=1), NOW + timedelta(days=400))])


def texts(count: int) -> list[str]:
    """Answer the QR texts of a chain of sales, a few seconds apart."""
    secret = turnover_key(b"m" * 32, seller=SELLER, terminal=TERMINAL, epoch=1)
    key = ChainKey(Signer(GATEWAY), secret)
    head = first_head(seller=SELLER, terminal=TERMINAL, enrolment=b"benchmark", enrolled_at=NOW)
    made = []
    for at in range(count):
        total = 100_000 + at
        lines = (Line("Талх", "1", "ш", total, classification="2349010"),)
        part = Part(str(SELLER), TaxType.VAT_ABLE, total, total // 11, 0, lines)
        draft = Draft(Nature.SALE, business=False, lottery=True, branch=1, total_mongo=total, vat_mongo=total // 11,
                      document=Document(parts=(part,), reference=str(at)), part_sellers=(SELLER,))  # fmt: skip
        link, head = advance(head, draft, issued_at=NOW + timedelta(seconds=3 * at), key=key)
        made.append(encode_text(link.cose))
    return made
