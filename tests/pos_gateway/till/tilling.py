"""Activated seats, sales and clocks for the tests of the till."""

import base64
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.canonical import canonical_json
from kernel.clock import business_date
from pos_gateway.till.installation import Installation
from pos_gateway.till.outcomes import Issued
from pos_gateway.till.seat import Activated, Seat
from pos_gateway.till.sent_body import SentBody
from receipts.document import Line
from receipts.ids import ReceiptId
from receipts.keys import Key, KeyRole, key_as_json
from receipts.receipt import Nature, TaxType
from receipts.rules import rules_on
from receipts.submission import Payment, StatedPart, Submission, price

OPENED_AT = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
"""09:00 in Ulaanbaatar."""
SHOP_TIN, TERMINAL = "37900846788", 20000001
TURNOVER_KEY = bytes(range(32))


@dataclass(slots=True)
class Hands:
    """A clock that the test moves; what runs while nobody sets the clock moves with it, unless the test says not."""

    now: datetime = OPENED_AT
    elapsed: float = 0.0

    def clock(self) -> datetime:
        """The business time."""
        return self.now

    def elapsed_s(self) -> float:
        """The seconds that have really passed."""
        return self.elapsed

    def forward(self, **given: float) -> None:
        """Let time pass."""
        passed = timedelta(**given)
        self.now += passed
        self.elapsed += passed.total_seconds()


@dataclass(slots=True)
class Activations:
    """Answers of the centre to activations, made here: each with keys of its own."""

    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    keys: list[Key] = field(default_factory=list)

    def activated(
        self,
        tin: str = SHOP_TIN,
        terminal: int = TERMINAL,
        *,
        at: datetime = OPENED_AT,
        days: int = 730,
        **changes: Any,
    ) -> Activated:
        """Answer an activation of a seller's terminal."""
        seed = next(self._numbers)
        signing, client = (Ed25519PrivateKey.from_private_bytes(bytes([kind, *seed.to_bytes(31)])) for kind in (1, 2))
        seller = int(tin)
        key = Key(
            signing.public_key().public_bytes_raw(), KeyRole.TILL, at, at + timedelta(days=days), seller, terminal
        )
        self.keys.append(key)
        enrolment = canonical_json({"seller": f"{seller:012d}", "terminal": f"{terminal:08d}", "at": at.isoformat()})
        answer = {
            "seller_tin": tin,
            "seller": f"{seller:012d}",
            "seller_name": "Дэлгүүр",
            "terminal": f"{terminal:08d}",
            "branch": "001",
            "district": "2501",
            "client_id": f"till-{terminal}",
            "token_url": "http://127.0.0.1:8000/v1/oauth/token",
            "epoch": 1,
            "enrolment": b64(enrolment),
            "enrolled_at": at.isoformat(),
            "turnover_key": b64(TURNOVER_KEY),
            "certificate": key_as_json(key),
            "test": False,
            "city_tax_payer": False,
            "vat_payer": True,
        }
        return Activated(answer | changes, signing, client)


async def sell(till: Installation, seat: Seat, submission: Submission | None = None, **sent: Any) -> Issued:
    """Issue a sale of the shop's, or another submission."""
    submission = submission or sale()
    day = business_date(till.clock())
    merchants = {tin: merchant for tin in {part.seller_tin for part in submission.parts}
                 if (merchant := till.merchant_of(tin)) is not None}  # fmt: skip
    priced = price(submission, merchants, rules=rules_on(day), day=day)
    invoice = sent.pop("invoice", submission.nature is Nature.INVOICE)
    return await till.issue(seat, submission, priced, invoice=invoice, body=SentBody(**sent))


def b64(octets: bytes) -> str:
    """Write octets in base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def sale(
    total_mongo: int = 560_000,
    *,
    nature: Nature = Nature.SALE,
    business: bool = False,
    tin: str = SHOP_TIN,
    tax_types: Sequence[TaxType] = (TaxType.VAT_ABLE,),
    corrects: ReceiptId | None = None,
    pays_invoice: ReceiptId | None = None,
    consumer_no: int | None = None,
    method: str = "CASH",
) -> Submission:
    """Bread for so much; with several tax types so much of each."""
    parts = tuple(
        StatedPart(
            tin, tax_type, total_mongo, None, None,
            (Line("Талх", "1", "ш", total_mongo,
                  tax_product={TaxType.VAT_FREE: "447", TaxType.VAT_ZERO: "501"}.get(tax_type)),),
        )
        for tax_type in tax_types
    )  # fmt: skip
    return Submission(
        nature, business, tin, parts,
        payments=(Payment(method, total_mongo * len(parts)),) if nature is not Nature.INVOICE else (),
        buyer_tin="61200064714" if business else None, corrects=corrects, pays_invoice=pays_invoice,
        consumer_no=consumer_no,
    )  # fmt: skip
