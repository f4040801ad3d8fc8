"""The vectors of genuine receipts: two chains, one signed by the gateway and one by a till, and edges."""

from datetime import UTC, datetime, timedelta
from typing import Any

from kernel.canonical import canonical_json
from receipts import qr
from receipts.chain import ChainKey, Draft, Head, Link, advance, first_head
from receipts.document import Document
from receipts.ids import ReceiptId
from receipts.keys import Signer, turnover_key
from receipts.receipt import Kind, Nature, lottery_number
from tests.changing import replace
from tests.vectors.actors import MASTER, PRIVATE, SELLER, TERMINAL, TILL_TERMINAL, signed
from tests.vectors.values import BASKET, BREAD

ENROLLED_AT = datetime(2017, 3, 1, 4, tzinfo=UTC)
BAKER = 37900846788
_BREAD_PART = replace(BASKET.parts[0], lines=(BREAD,))
ONE_PART = Document(parts=(_BREAD_PART,), sold_at=ENROLLED_AT + timedelta(minutes=40), district="2501")
BUSINESS = replace(ONE_PART, buyer_tin="61200064714", reference="order 7")


def enrolment(terminal: int, mode: str, epoch: int) -> bytes:
    """The enrolment record of a terminal of the vectors."""
    return canonical_json({
        "seller_tin": str(BAKER), "seller": f"{SELLER:012d}", "terminal": f"{terminal:08d}", "mode": mode,
        "branch": "001", "district": "2501", "epoch": epoch, "enrolled_at": ENROLLED_AT.isoformat(),
    })  # fmt: skip


def chain_key(terminal: int) -> ChainKey:
    """Who signs and seals on a terminal."""
    by_till = terminal == TILL_TERMINAL
    secret = turnover_key(MASTER, seller=SELLER, terminal=terminal, epoch=2 if by_till else 1)
    return ChainKey(Signer(PRIVATE["till" if by_till else "gateway"], by_till=by_till), secret)


def start_of(terminal: int, mode: str, epoch: int) -> Head:
    """A chain without a link."""
    record = enrolment(terminal, mode, epoch)
    return first_head(seller=SELLER, terminal=terminal, enrolment=record, enrolled_at=ENROLLED_AT)


def gateway_chain() -> list[Link]:
    """Every nature once, a sale before and one after midnight."""
    links: list[Link] = []
    at = start_of(TERMINAL, "gateway", 1)

    def add(nature: Nature, minutes: int, document: Document, **fields: Any) -> Link:
        nonlocal at
        total = sum(part.total_mongo for part in document.parts)
        vat = sum(part.vat_mongo for part in document.parts)
        content = {"business": False, "lottery": False, "branch": 1, "total_mongo": total, "vat_mongo": vat,
                   "part_sellers": tuple(int(part.merchant_tin) for part in document.parts), **fields}  # fmt: skip
        issued_at = ENROLLED_AT + timedelta(minutes=minutes)
        link, at = advance(
            at, Draft(nature, document=document, **content), issued_at=issued_at, key=chain_key(TERMINAL)
        )
        links.append(link)
        return link

    add(Nature.START, 0, Document(district="2501"))
    sale = add(Nature.SALE, 30, BASKET, lottery=True)
    business = add(Nature.SALE, 40, BUSINESS, business=True)
    invoice = add(Nature.INVOICE, 50, ONE_PART)
    add(Nature.PAYMENT, 60, replace(ONE_PART, pays_invoice=invoice.id), lottery=True)
    add(
        Nature.CORRECTION, 70, replace(ONE_PART, root_id=sale.id, previous_id=sale.id), lottery=True
    )  # the milk was brought back
    add(
        Nature.VOID, 80, Document(root_id=business.id, previous_id=business.id, reason="алдаа"),
        business=True, total_mongo=-business_total(), vat_mongo=-_BREAD_PART.vat_mongo,
    )  # fmt: skip
    add(Nature.TRAINING, 90, ONE_PART)
    add(Nature.SALE, 719, ONE_PART, lottery=True)
    add(Nature.SALE, 720, ONE_PART, lottery=True)
    add(Nature.CLOSING, 730, Document())
    return links


def business_total() -> int:
    """What the voided sale came to."""
    return _BREAD_PART.total_mongo


def till_chain() -> list[Link]:
    """A start, two sales and a closing, signed by a till."""
    links: list[Link] = []
    at = start_of(TILL_TERMINAL, "till", 2)
    steps = [(Nature.START, Document()), (Nature.SALE, ONE_PART), (Nature.SALE, ONE_PART), (Nature.CLOSING, Document())]
    for minutes, (nature, document) in enumerate(steps):
        total = business_total() if document.parts else 0
        vat = _BREAD_PART.vat_mongo if document.parts else 0
        draft = Draft(nature, business=False, lottery=nature is Nature.SALE, branch=1, total_mongo=total, vat_mongo=vat,
                      document=document, part_sellers=(BAKER,) * len(document.parts))  # fmt: skip
        link, at = advance(at, draft, issued_at=ENROLLED_AT + timedelta(minutes=minutes), key=chain_key(TILL_TERMINAL))
        links.append(link)
    return links


def payload_of(link: Link) -> qr.Payload:
    """What a link's sixty bytes say."""
    return qr.unpack(link.cose[18:78])


def edges() -> dict[str, bytes]:
    """Receipts at the ends of their ranges; the gateway signs them without a chain."""
    base = payload_of(gateway_chain()[1])
    last = ReceiptId(10**12 - 1, 999, 6263, 99_999, 99_999_999)
    return {
        "the largest amounts": signed(replace(base, total_mongo=2**47 - 1, vat_mongo=2**47 - 1)),
        "the smallest amounts": signed(replace(base, kind_bits=Nature.VOID, total_mongo=-(2**47), vat_mongo=-(2**47))),
        "a sale of nothing": signed(replace(base, total_mongo=0, vat_mongo=0)),
        "one möngö": signed(replace(base, total_mongo=1, vat_mongo=0)),
        "the largest id of its day": signed(replace(base, id=last)),
        "the smallest id of its day": signed(replace(base, id=ReceiptId(0, 0, 6263, 0, 0))),
        "the last counter": signed(replace(base, counter=2**32 - 1)),
        "a test receipt": signed(replace(base, kind_bits=Kind(Nature.SALE, test=True, lottery=True).to_int())),
        "the first second of the key": signed(
            replace(base, issued_at=1483228800, id=replace(base.id, day=6204)), "gateway"
        ),
        "the last second of the old key": signed(
            replace(base, issued_at=1483228800, id=replace(base.id, day=6204)), "gateway of 2016"
        ),
        "summer time of 2016": signed(
            replace(base, issued_at=1467298800, id=replace(base.id, day=6020)), "gateway of 2016"
        ),
    }


def fields_of(cose: bytes) -> dict[str, Any]:
    """All that 144 bytes say, by the names of docs/formats/qr-v1.md."""
    payload = qr.unpack(cose[18:78])
    kind = payload.kind
    return {
        "kid": cose[7:15].hex(),
        "id": str(payload.id),
        "issued_at": payload.issued_at,
        "total": payload.total_mongo,
        "vat": payload.vat_mongo,
        "kind": payload.kind_bits,
        "nature": kind.nature.value,
        "business": kind.business,
        "till": kind.by_till,
        "test": kind.test,
        "lottery": kind.lottery,
        "counter": payload.counter,
        "chain": payload.chain.hex(),
        "turnover": payload.turnover_sealed.hex(),
        "document": payload.document.hex(),
        "hash": qr.receipt_hash(cose).hex(),
        "signature": cose[80:].hex(),
    }


def receipt_vector(
    name: str, cose: bytes, document: bytes | None = None, turnover: int | None = None
) -> dict[str, Any]:
    """One genuine receipt; with its document and opened turnover where it is a link of a chain."""
    return {
        "name": name,
        "keys": "published",
        "text": qr.encode_text(cose),
        "cose": cose.hex(),
        "sig_structure": qr.to_sign(cose[7:15], cose[18:78]).hex(),
        "fields": fields_of(cose),
        "lottery_of_this_root": str(lottery_number(qr.receipt_hash(cose))),
        "document": None if document is None else document.hex(),
        "turnover_mongo": turnover,
    }


def receipt_vectors() -> list[dict[str, Any]]:
    """The file receipts.json: genuine receipts that stand alone."""
    return [receipt_vector(name, cose) for name, cose in edges().items()]


def chain_vectors() -> list[dict[str, Any]]:
    """The file chains.json: each chain from its enrolment to its closing."""
    return [
        {
            "name": name,
            "seller": SELLER,
            "terminal": terminal,
            "epoch": epoch,
            "enrolment": enrolment(terminal, name, epoch).hex(),
            "turnover_key": chain_key(terminal).turnover_key.hex(),
            "links": [
                receipt_vector(link.kind.nature.name.lower(), link.cose, link.document, link.turnover_mongo)
                for link in links
            ],
        }
        for name, terminal, epoch, links in (
            ("gateway", TERMINAL, 1, gateway_chain()), ("till", TILL_TERMINAL, 2, till_chain()),
        )
    ]  # fmt: skip
