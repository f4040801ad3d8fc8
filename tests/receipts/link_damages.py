"""Damages to links, chains and keys, each with the one invariant that it breaks and the places that are to be named."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import text

from receipts.document import decode_document, encode_document
from tests.changing import replace
from tests.receipts.checked_world import ROOT_KEY, Insider, another_document

Places = str | tuple[str, ...]
Damage = Callable[[Insider], Places]
DAMAGES: list[tuple[str, Damage]] = []


def damage(code: str) -> Callable[[Damage], Damage]:
    """Say which one invariant a damage breaks."""

    def remember(does: Damage) -> Damage:
        DAMAGES.append((code, does))
        return does

    return remember


@damage("signatures")
def signature_forged(by: Insider) -> Places:
    return by.change(by.at.sale, "cose = set_byte(cose, 143, get_byte(cose, 143) # 1)")


@damage("signatures")
def signed_total_edited(by: Insider) -> Places:
    return by.change(by.at.claimed, "cose = set_byte(cose, 41, get_byte(cose, 41) # 1)")


@damage("signatures")
def cose_of_another_terminal(by: Insider) -> Places:
    return by.change(by.at.reported, "cose = :cose", cose=by.at.reported.cose[:20] + by.at.last.cose[20:])


@damage("terminals")
def terminal_removed(by: Insider) -> Places:
    start, sale = links_of_other(by)
    by.run("DELETE FROM pos.chains WHERE seller = :seller", seller=by.at.other.seller)
    by.run("DELETE FROM pos.terminals WHERE seller = :seller", seller=by.at.other.seller)
    return start, sale


@damage("terminals")
def first_terminal_removed(by: Insider) -> Places:
    by.run("DELETE FROM pos.chains WHERE seller = :seller", seller=by.at.shop.seller)
    by.run("DELETE FROM pos.terminals WHERE seller = :seller", seller=by.at.shop.seller)
    return tuple(str(one.id) for one in by.links_of(by.at.shop))


@damage("signers")
def signer_exchanged(by: Insider) -> Places:
    by.run("UPDATE pos.terminals SET mode = 'till' WHERE seller = :seller", seller=by.at.other.seller)
    return links_of_other(by)


@damage("receipt_hashes")
def hash_edited(by: Insider) -> Places:
    return by.change(by.at.sale, "receipt_hash = sha256('another')")


@damage("columns_of_qr")
def amount_edited(by: Insider) -> Places:
    return by.change(by.at.sale, "total_mongo = total_mongo - 1")


@damage("columns_of_qr")
def vat_edited(by: Insider) -> Places:
    return by.change(by.at.last, "vat_mongo = vat_mongo - 1")


@damage("columns_of_qr")
def time_edited(by: Insider) -> Places:
    return by.change(by.at.sale, "issued_at = issued_at + interval '1 second'")


@damage("columns_of_qr")
def kind_edited(by: Insider) -> Places:
    return by.change(by.at.sale, "kind = kind | 16")


@damage("columns_of_qr")
def branch_edited(by: Insider) -> Places:
    by.change(by.at.sale, "branch = 2")
    return str(replace(by.at.sale.id, branch=2))


@damage("columns_of_qr")
def counters_swapped(by: Insider) -> Places:
    sale, last = by.at.sale, by.at.last
    return (
        by.change(sale, "counter = :counter", counter=last.counter),
        by.change(last, "counter = :counter", counter=sale.counter),
    )


@damage("counters")
def receipt_deleted(by: Insider) -> Places:
    by.delete(by.at.sale)
    return str(by.at.last.id)


@damage("counters")
def start_deleted(by: Insider) -> Places:
    by.run("DELETE FROM pos.receipts WHERE seller = :seller AND counter = 0 AND number = 0", seller=by.at.shop.seller)
    return str(by.at.claimed.id)


@damage("chain_links")
def receipt_rewritten(by: Insider) -> Places:
    by.resign(by.at.sale, document=another_document(by.at.sale))
    return str(by.at.last.id)


@damage("chain_links")
def enrolment_rewritten(by: Insider) -> Places:
    by.run("UPDATE pos.terminals SET enrolment = enrolment || ' ' WHERE seller = :seller", seller=by.at.other.seller)
    return links_of_other(by)[0]


@damage("times")
def time_turned_back(by: Insider) -> Places:
    earlier = by.at.last.issued_at - timedelta(seconds=1)
    return by.resign(by.at.last, issued_at=int(earlier.timestamp()))


@damage("numbers")
def number_given_twice(by: Insider) -> Places:
    taken = by.at.sale.part_ids[0]
    return by.resign(by.at.last, id=taken)


@damage("numbers")
def parts_beyond_the_last_number(by: Insider) -> Places:
    by.connection.execute(text("ALTER TABLE pos.chains DROP CONSTRAINT chains_next_number_check"))
    return by.resign(by.at.last, id=replace(by.at.last.id, number=99_999))


@damage("sealed_turnovers")
def epoch_without_a_secret(by: Insider) -> Places:
    by.run("UPDATE pos.terminals SET epoch = 2 WHERE seller = :seller", seller=by.at.other.seller)
    return links_of_other(by)


@damage("sealed_turnovers")
def turnover_edited(by: Insider) -> Places:
    return by.change(by.at.sale, "turnover_mongo = turnover_mongo - 100")


@damage("turnovers")
def turnover_pushed_back(by: Insider) -> Places:
    return by.resign(by.at.last, turnover_mongo=by.at.last.turnover_mongo - 100)


@damage("document_digests")
def document_edited(by: Insider) -> Places:
    return by.change(by.at.sale, "document = set_byte(document, 9, get_byte(document, 9) # 1)")


@damage("document_digests")
def document_exchanged(by: Insider) -> Places:
    return by.change(
        by.at.sale, "document = :other, document_hash = sha256(:other)", other=another_document(by.at.sale)
    )


@damage("document_digests")
def document_made_to_follow_another(by: Insider) -> Places:
    document = replace(decode_document(by.at.correction.document), previous_id=by.at.sale.id)
    return by.change(by.at.correction, "document = :other", other=encode_document(document))


@damage("document_hashes")
def document_hash_edited(by: Insider) -> Places:
    return by.change(by.at.sale, "document_hash = sha256('another')")


@damage("document_forms")
def document_of_another_form(by: Insider) -> Places:
    return by.resign(by.at.last, document=by.at.last.document + b"\0")


@damage("document_forms")
def correction_of_another_form(by: Insider) -> Places:
    correction = by.correct(by.at.sale, root=by.at.sale)
    return by.resign(correction, document=correction.document + b"\0")


@damage("columns_of_document")
def part_edited(by: Insider) -> Places:
    return by.change(by.at.sale, "part_vats_mongo = ARRAY[0::bigint]")


@damage("columns_of_document")
def part_given_to_another(by: Insider) -> Places:
    return by.change(by.at.claimed, "part_merchants[2] = part_merchants[1]")


@damage("columns_of_document")
def part_emptied(by: Insider) -> Places:
    return by.change(by.at.claimed, "part_totals_mongo[2] = NULL")


@damage("columns_of_document")
def city_tax_edited(by: Insider) -> Places:
    return by.change(by.at.sale, "city_tax_mongo = 1")


@damage("columns_of_document")
def reference_edited(by: Insider) -> Places:
    return by.change(by.at.sale, "reference = 'A-1'")


@damage("columns_of_document")
def root_exchanged(by: Insider) -> Places:
    return by.change(by.at.correction, "root_number = :other", other=by.at.sale.number)


@damage("roots")
def root_invented(by: Insider) -> Places:
    return by.change(by.at.sale, "root_number = 99999")


@damage("roots")
def root_of_a_sale_exchanged(by: Insider) -> Places:
    return by.change(by.at.sale, "root_number = :other", other=by.at.last.number)


@damage("heads")
def last_receipt_deleted(by: Insider) -> Places:
    by.delete(by.at.last)
    return chain_of(by)


@damage("heads")
def head_removed(by: Insider) -> Places:
    by.run("DELETE FROM pos.chains WHERE seller = :seller", seller=by.at.shop.seller)
    return chain_of(by)


def _head_edited(assignment: str) -> None:
    def head_edited(by: Insider) -> Places:
        by.run(f"UPDATE pos.chains SET {assignment} WHERE seller = :seller", seller=by.at.shop.seller)
        return chain_of(by)

    damage("heads")(head_edited)


for edited in (
    "counter = counter + 1",
    "head_hash = sha256('another')",
    "turnover_mongo = 0",
    "day = day + 1",
    "next_number = 0",
    "last_issued_at = last_issued_at - interval '1 second'",
):
    _head_edited(edited)


@damage("key_list")
def key_prolonged(by: Insider) -> Places:
    by.run("UPDATE pos.keys SET not_after = not_after + interval '1 day' WHERE role = 'root'")
    return ROOT_KEY.kid.hex()


@damage("key_list")
def list_forged(by: Insider) -> Places:
    by.run("UPDATE pos.key_lists SET signed = overlay(signed PLACING '____' FROM length(signed) - 8)")
    return "key_list_signature at /"


@damage("key_list")
def list_removed(by: Insider) -> Places:
    by.run("DELETE FROM pos.key_lists")
    kids = by.connection.execute(text("SELECT encode(kid, 'hex') FROM pos.keys WHERE role <> 'till' ORDER BY kid"))
    prefixes = sorted(till.key.signer.kid.hex()[:2] for till in (by.at.till, by.at.liar.till))
    return (*kids.scalars(), *(f"{prefix}: key_shard_signature at /shards/{prefix}" for prefix in prefixes))


@damage("key_list")
def till_key_prolonged(by: Insider) -> Places:
    kid = by.at.till.key.signer.kid
    by.run("UPDATE pos.keys SET not_after = not_after + interval '1 day' WHERE kid = :kid", kid=kid)
    return till_kid(by)


@damage("key_list")
def till_key_slipped_in(by: Insider) -> Places:
    by.run(
        "INSERT INTO pos.keys SELECT substr(sha256(:key), 1, 8), :key, role, seller, terminal, epoch, not_before,"
        " not_after, revoked_at FROM pos.keys WHERE kid = :kid",
        key=bytes(32), kid=by.at.till.key.signer.kid,
    )  # fmt: skip
    return hashlib.sha256(bytes(32)).hexdigest()[:16]


@damage("key_list")
def shard_forged(by: Insider) -> Places:
    prefix = till_kid(by)[:2]
    by.run(
        "UPDATE pos.key_shards SET signed = overlay(signed PLACING '____' FROM length(signed) - 8)"
        " WHERE prefix = :prefix",
        prefix=prefix,
    )
    return f"{prefix}: key_shard_signature at /shards/{prefix}"


@damage("key_list")
def shard_removed(by: Insider) -> Places:
    by.run("DELETE FROM pos.key_shards WHERE prefix = :prefix", prefix=till_kid(by)[:2])
    return till_kid(by)


@damage("key_ids")
def kid_edited(by: Insider) -> Places:
    by.run("UPDATE pos.keys SET kid = '\\x0102030405060708' WHERE role = 'root'")
    return "0102030405060708"


def till_kid(by: Insider) -> str:
    """The kid of the till."""
    return by.at.till.key.signer.kid.hex()


def links_of_other(by: Insider) -> tuple[str, str]:
    """The ids of the other shop's start and sale."""
    sale = str(by.at.of_other.id)
    return sale[:20] + "00000" + sale[25:], sale


def chain_of(by: Insider) -> str:
    return f"{by.at.shop.seller:012d} {by.at.shop.terminal:08d}"
