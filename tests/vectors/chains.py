"""The vectors of signed receipts: a chain from its start to its closing, and a failing text for each step and word."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from receipts import base45, qr
from receipts.chain import ChainKey, Draft, Head, Link, advance, first_head
from receipts.document import Document, Line, Part
from receipts.keys import Signer, turnover_key
from receipts.receipt import Nature, TaxType
from tests.vectors.actors import KEYS, MASTER, PRIVATE, REVOKED, ROOT, SELLER, TERMINAL, list_of, signed

ENROLMENT = b'{"seller":"037900846788","terminal":"10012619"}'
STARTED_AT = datetime(2017, 3, 1, 1, tzinfo=UTC)
NATURES = (Nature.START, Nature.SALE, Nature.SALE, Nature.INVOICE, Nature.PAYMENT, Nature.CORRECTION, Nature.VOID,
           Nature.TRAINING, Nature.CLOSING)  # fmt: skip

WITH_LOTTERY = {Nature.SALE, Nature.PAYMENT, Nature.CORRECTION}


def chain() -> list[Link]:
    """Sign one link of every nature; the second sale is to a business."""
    secret = turnover_key(MASTER, seller=SELLER, terminal=TERMINAL, epoch=1)
    key = ChainKey(Signer(PRIVATE["gateway"]), secret)
    head = first_head(seller=SELLER, terminal=TERMINAL, enrolment=ENROLMENT, enrolled_at=STARTED_AT)
    links: list[Link] = []
    for at, nature in enumerate(NATURES):
        link, head = _next(links, head, nature, at, key)
        links.append(link)
    return links


def _next(links: list[Link], head: Head, nature: Nature, at: int, key: ChainKey) -> tuple[Link, Head]:
    empty = nature in {Nature.START, Nature.CLOSING}
    total = 0 if empty else 110_000 + at
    before = links[-1].id if nature in {Nature.CORRECTION, Nature.VOID} else None
    root = links[4].id if before else None
    parts = () if empty or nature is Nature.VOID else (
        Part(str(SELLER), TaxType.VAT_ABLE, total, total // 11, 0, (Line("Талх", "1", "ш", total),)),
    )  # fmt: skip
    sign = -1 if nature is Nature.VOID else 1
    draft = Draft(
        nature, business=at == 2, lottery=nature in {Nature.SALE, Nature.PAYMENT, Nature.CORRECTION} and at != 2,
        branch=1, total_mongo=sign * total, vat_mongo=sign * (total // 11),
        document=Document(parts=parts, root_id=root, previous_id=before, reason="алдаа" if sign < 0 else None),
        part_sellers=tuple(SELLER for _ in parts),
    )  # fmt: skip
    return advance(head, draft, issued_at=STARTED_AT + timedelta(hours=2 * at), key=key)


def receipt_vectors() -> dict[str, Any]:
    """The file receipts.json: key lists, the chain with every field, and refused texts, each with its step."""
    links = chain()
    return {
        "signed_keys": list_of(KEYS),
        "signed_keys_revoked": list_of([ROOT, REVOKED]),
        "enrolment": ENROLMENT.hex(),
        "chain": [_shown(link) for link in links],
        "refused": [_refusal(*one) for one in _refused(links)],
    }


def _shown(link: Link) -> dict[str, Any]:
    payload = qr.unpack(link.cose[18:78])
    return {
        "text": qr.encode_text(link.cose),
        "id": str(link.id),
        "issued_at": payload.issued_at,
        "nature": link.kind.nature.name,
        "business": link.kind.business,
        "lottery_bit": link.kind.lottery,
        "total_mongo": payload.total_mongo,
        "vat_mongo": payload.vat_mongo,
        "counter": payload.counter,
        "chain": payload.chain.hex(),
        "turnover_sealed": payload.turnover_sealed.hex(),
        "turnover_mongo": link.turnover_mongo,
        "document_digest": payload.document.hex(),
        "document": link.document.hex(),
        "receipt_hash": link.receipt_hash.hex(),
    }


Refused = tuple[str, int, str, str, bytes | None, str | None]
"""What it is, step, word, text, document, previous text."""


def _refused(links: list[Link]) -> list[Refused]:
    sale, after = links[1], links[2]
    text, payload = qr.encode_text(sale.cose), qr.unpack(sale.cose[18:78])

    def made(by: str = "gateway", **changes: Any) -> str:
        return qr.encode_text(signed(replace(payload, **changes), by))

    def raw(cose: bytes) -> str:
        return qr.PREFIX + base45.encode(cose)

    later = replace(payload, issued_at=payload.issued_at + 1)
    return [
        ("one character short", 1, "length", text[:-1], None, None),
        ("another prefix", 1, "prefix", "MB2:" + text[4:], None, None),
        ("small letters", 1, "prefix", text.lower(), None, None),
        ("a triple beyond 65535", 2, "base45", text[:4] + ":::" + text[7:], None, None),
        ("a character outside the alphabet", 2, "base45", text[:9] + "_" + text[10:], None, None),
        ("an indefinite array", 3, "constants", raw(b"\x9f" + sale.cose[1:]), None, None),
        ("another alg", 3, "constants", raw(sale.cose[:4] + b"\x26" + sale.cose[5:]), None, None),
        ("a stranger's key", 4, "unknown", made("stranger"), None, None),
        ("the root's key", 4, "unknown", made("root"), None, None),
        ("a till's key for another terminal", 4, "scope", made("till"), None, None),
        ("a key of another year", 4, "time", made("gateway of 2016"), None, None),
        ("one bit of the total", 5, "signature", raw(_flipped(sale.cose, 23)), None, None),
        ("one bit of the signature", 5, "signature", raw(_flipped(sale.cose, 143)), None, None),
        ("a reserved bit", 6, "kind", made(kind_bits=payload.kind_bits | 0x100), None, None),
        ("a nature that is none", 6, "kind", made(kind_bits=8), None, None),
        ("a till's bit with a gateway's key", 6, "kind", made(kind_bits=payload.kind_bits | 0x20), None, None),
        ("a lottery number for a business", 6, "kind", made(kind_bits=payload.kind_bits | 0x10), None, None),
        ("another day than that of its time", 6, "id", made(issued_at=payload.issued_at + 86_400), None, None),
        ("more VAT than money", 6, "amounts", made(vat_mongo=payload.total_mongo + 1), None, None),
        ("a negative sale", 6, "amounts", made(total_mongo=-1, vat_mongo=0), None, None),
        ("a void that adds", 6, "amounts", made(kind_bits=4), None, None),
        ("a start with money", 6, "amounts", made(kind_bits=6), None, None),
        ("another document", 7, "digest", text, after.document, None),
        ("a predecessor that is forged", 8, "predecessor", qr.encode_text(after.cose), None, text[:-3] + "000"),
        ("its own predecessor", 8, "counter", text, None, text),
        ("a link skipped", 8, "counter", qr.encode_text(links[3].cose), None, text),
        ("another predecessor of the same counter", 8, "link", qr.encode_text(after.cose), None,
         qr.encode_text(signed(later))),
    ]  # fmt: skip


def _flipped(octets: bytes, at: int) -> bytes:
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


def _refusal(name: str, step: int, why: str, text: str, document: bytes | None, previous: str | None) -> dict[str, Any]:
    return {"name": name, "step": step, "why": why, "text": text,
            "document": None if document is None else document.hex(), "previous": previous}  # fmt: skip
