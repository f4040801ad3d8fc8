"""The vectors of refused receipts: at least one a step of docs/formats/verification.md, and one a word."""

from typing import Any

from kernel.canonical import sha256
from receipts import base45, qr
from receipts.receipt import Kind, Nature
from tests.changing import replace
from tests.vectors.actors import PRIVATE, kid, signed
from tests.vectors.receipts import gateway_chain, payload_of, till_chain

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
"""L of Ed25519: S + L satisfies the same equation, and a strict reader refuses it (RFC 8032, 5.1.7)."""
CHAIN = gateway_chain()
SALE = CHAIN[1]
PAYLOAD = payload_of(SALE)
TEXT = qr.encode_text(SALE.cose)
OF_TILL = payload_of(till_chain()[1])


def refused_vectors() -> list[dict[str, Any]]:
    """The file refused.json."""
    rows = [*_of_texts(), *_of_constants(), *_of_keys(), *_of_signatures(), *_of_kinds(), *_of_ranges()]
    rows += [*_of_documents(), *_of_chains()]
    assert len({row["name"] for row in rows}) == len(rows)
    return rows


def _row(name: str, step: int, why: str, text: str | bytes, **more: Any) -> dict[str, Any]:
    shown = text if isinstance(text, str) else qr.encode_text(text)
    return {"name": name, "step": step, "why": why, "keys": "published", "text": shown, "document": None,
            "previous": None, **more}  # fmt: skip


def _flipped(octets: bytes, at: int) -> bytes:
    changed = bytearray(octets)
    changed[at] ^= 1
    return bytes(changed)


def _of_texts() -> list[dict[str, Any]]:
    triple = TEXT[:100] + ":::" + TEXT[103:]
    return [
        _row("nothing", 1, "prefix", ""),
        _row("a prefix of version 2", 1, "prefix", "MB2:" + TEXT[4:]),
        _row("a prefix in small letters", 1, "prefix", "mb1:" + TEXT[4:]),
        _row("a prefix with a Cyrillic letter", 1, "prefix", "М" + TEXT[1:]),
        _row("a space before it", 1, "prefix", " " + TEXT),
        _row("the prefix alone", 1, "length", "MB1:"),
        _row("one character short", 1, "length", TEXT[:-1]),
        _row("one character long", 1, "length", TEXT + "0"),
        _row("a line end after it", 1, "length", TEXT + "\n"),
        _row("small letters", 2, "base45", TEXT[:4] + TEXT[4:].lower()),
        _row("a character outside the alphabet", 2, "base45", TEXT[:50] + "#" + TEXT[51:]),
        _row("a full-width digit", 2, "base45", TEXT[:50] + "０" + TEXT[51:]),
        _row("a Cyrillic letter", 2, "base45", TEXT[:50] + "А" + TEXT[51:]),
        _row("the largest triple", 2, "base45", triple),
        _row("a triple of 65536", 2, "base45", TEXT[:-3] + "GGW"),
    ]


def _of_constants() -> list[dict[str, Any]]:
    names = {
        0: "another array", 1: "another length of the protected header", 2: "another map", 3: "another label of alg",
        4: "another alg", 5: "another label of kid", 6: "another length of kid", 15: "a filled unprotected header",
        16: "a payload of another type", 17: "a payload of another length", 78: "a signature of another type",
        79: "a signature of another length",
    }  # fmt: skip
    eddsa = SALE.cose[:4] + b"\x27" + SALE.cose[5:]
    return [
        *(_row(name, 3, "constants", _flipped(SALE.cose, at)) for at, name in names.items()),
        _row("alg -8 (EdDSA)", 3, "constants", eddsa),
        _row("an array of indefinite length", 3, "constants", b"\x9f" + SALE.cose[1:]),
        _row("zeros", 3, "constants", bytes(144)),
    ]


def _of_keys() -> list[dict[str, Any]]:
    other_seller = replace(OF_TILL, id=replace(OF_TILL.id, seller=1))
    other_terminal = replace(OF_TILL, id=replace(OF_TILL.id, terminal=20000002))
    early = replace(PAYLOAD, issued_at=1483228799, id=replace(PAYLOAD.id, day=6204))
    late = replace(PAYLOAD, issued_at=1483228801, id=replace(PAYLOAD.id, day=6204))
    return [
        _row("a stranger's key", 4, "unknown", signed(PAYLOAD, "stranger")),
        _row("a key that another list names", 4, "unknown", SALE.cose, keys="the root alone"),
        _row("the root key at work", 4, "unknown", signed(PAYLOAD, "root")),
        _row("a till's key for another seller", 4, "scope", signed(other_seller, "till")),
        _row("a till's key for another terminal", 4, "scope", signed(other_terminal, "till")),
        _row("a second before the key", 4, "time", signed(early)),
        _row("a second after the key", 4, "time", signed(late, "gateway of 2016")),
        _row("a revoked key", 4, "revoked", SALE.cose, keys="a revoked gateway key"),
    ]


def _of_signatures() -> list[dict[str, Any]]:
    packed, signature = SALE.cose[18:78], SALE.cose[80:]
    larger = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    forged = PRIVATE["stranger"].sign(qr.to_sign(kid("gateway"), packed))
    tugrik = qr.pack(replace(PAYLOAD, total_mongo=PAYLOAD.total_mongo + 100))

    def with_signature(octets: bytes) -> bytes:
        return SALE.cose[:80] + octets

    zeros = with_signature(bytes(64))
    return [
        _row("a bit of R", 5, "signature", _flipped(SALE.cose, 80)),
        _row("a bit of S", 5, "signature", _flipped(SALE.cose, 143)),
        *(_row(f"a bit of octet {at}", 5, "signature", _flipped(SALE.cose, at)) for at in range(18, 78, 7)),
        _row("a signature of zeros", 5, "signature", zeros),
        _row("the signature of another receipt", 5, "signature", with_signature(CHAIN[2].cose[80:])),
        _row("S + L instead of S", 5, "signature", with_signature(signature[:32] + larger.to_bytes(32, "little"))),
        _row("a stranger under the gateway's kid", 5, "signature", qr.assemble(kid("gateway"), packed, forged)),
        _row("one tugrik more", 5, "signature", qr.assemble(kid("gateway"), tugrik, signature)),
        _row("a revoked key and a bad signature", 5, "signature", zeros, keys="a revoked gateway key"),
    ]


def _of_kinds() -> list[dict[str, Any]]:
    def of(bits: int, by: str = "gateway", payload: qr.Payload = PAYLOAD) -> bytes:
        return signed(replace(payload, kind_bits=bits, total_mongo=0, vat_mongo=0), by)

    return [
        _row("nature 8", 6, "kind", of(0x08)),
        _row("nature 15", 6, "kind", of(0x0F)),
        _row("bit 8", 6, "kind", of(0x0100)),
        _row("bit 15", 6, "kind", of(0x8000)),
        _row("a gateway's receipt marked as a till's", 6, "kind", of(0x20)),
        _row("a till's receipt not marked so", 6, "kind", of(0x00, "till", OF_TILL)),
        _row("a lottery number for a business", 6, "kind", of(0x90)),
        *(
            _row(f"a lottery number on nature {nature.value}", 6, "kind", of(Kind(nature, lottery=True).to_int()))
            for nature in (Nature.INVOICE, Nature.VOID, Nature.TRAINING, Nature.START, Nature.CLOSING)
        ),
        _row("a revoked key and a bad kind", 6, "kind", of(0x08), keys="a revoked gateway key"),
    ]


def _of_ranges() -> list[dict[str, Any]]:
    def of_id(**fields: int) -> bytes:
        return signed(replace(PAYLOAD, id=replace(PAYLOAD.id, **fields)))

    def of_amounts(nature: Nature, total: int, vat: int) -> bytes:
        return signed(replace(PAYLOAD, kind_bits=nature, total_mongo=total, vat_mongo=vat))

    morning = payload_of(CHAIN[9])
    return [
        _row("a seller number of 13 digits", 6, "id", of_id(seller=10**12)),
        _row("the day before", 6, "id", of_id(day=PAYLOAD.id.day - 1)),
        _row("the day after", 6, "id", of_id(day=PAYLOAD.id.day + 1)),
        _row("the day of UTC after midnight in Ulaanbaatar", 6, "id",
             signed(replace(morning, id=replace(morning.id, day=morning.id.day - 1)))),
        _row("a negative sale", 6, "amounts", of_amounts(Nature.SALE, -1, 0)),
        _row("more VAT than total", 6, "amounts", of_amounts(Nature.SALE, 10, 11)),
        _row("negative VAT", 6, "amounts", of_amounts(Nature.SALE, 10, -1)),
        _row("a negative correction", 6, "amounts", of_amounts(Nature.CORRECTION, -10, -1)),
        _row("a positive void", 6, "amounts", of_amounts(Nature.VOID, 10, 1)),
        _row("a void with positive VAT", 6, "amounts", of_amounts(Nature.VOID, -10, 1)),
        _row("a start with a total", 6, "amounts", of_amounts(Nature.START, 1, 0)),
        _row("a closing with a negative total", 6, "amounts", of_amounts(Nature.CLOSING, -1, 0)),
    ]  # fmt: skip


def _of_documents() -> list[dict[str, Any]]:
    loose = bytes.fromhex("a1001801")
    vouching = signed(replace(PAYLOAD, document=sha256(loose)[:8]))
    return [
        _row("another document", 7, "digest", SALE.cose, document=CHAIN[2].document.hex()),
        _row("a document with one bit changed", 7, "digest", SALE.cose, document=_flipped(SALE.document, 9).hex()),
        _row("no document at all", 7, "digest", SALE.cose, document=""),
        _row("a signed document that is not canonical", 7, "form", vouching, document=loose.hex()),
        _row("another document and another predecessor", 7, "digest", SALE.cose, document="", previous=TEXT),
    ]


def _of_chains() -> list[dict[str, Any]]:
    after = payload_of(CHAIN[2])
    earlier = replace(after, issued_at=PAYLOAD.issued_at - 1)
    fork = signed(replace(PAYLOAD, vat_mongo=PAYLOAD.vat_mongo - 1))
    broken = TEXT[:4] + base45.encode(SALE.cose[:-1] + b"\0")
    return [
        _row("a link left out", 8, "counter", CHAIN[3].cose, previous=TEXT),
        _row("the same link twice", 8, "counter", SALE.cose, previous=TEXT),
        _row("the links exchanged", 8, "counter", SALE.cose, previous=qr.encode_text(CHAIN[2].cose)),
        _row("the predecessor of another branch of a fork", 8, "link", CHAIN[2].cose, previous=qr.encode_text(fork)),
        _row("a predecessor on another terminal", 8, "terminal", CHAIN[1].cose,
             previous=qr.encode_text(till_chain()[0].cose)),
        _row("a time before the predecessor's", 8, "time", signed(earlier), previous=TEXT),
        _row("a predecessor that is forged", 8, "predecessor", CHAIN[2].cose, previous=broken),
        _row("a predecessor that is no receipt", 8, "predecessor", CHAIN[2].cose, previous=""),
        _row("a closing that follows the right document and the wrong link", 8, "counter", CHAIN[10].cose,
             document=CHAIN[10].document.hex(), previous=qr.encode_text(CHAIN[8].cose)),
    ]  # fmt: skip
