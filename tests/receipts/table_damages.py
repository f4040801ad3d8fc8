"""Damages to what is recorded of receipts: succession, idempotency keys, claims, sightings."""

from sqlalchemy import text

from receipts.chain import Draft, Head, first_head
from receipts.document import Document
from receipts.receipt import Nature
from receipts.stored import ReceiptKey
from tests.changing import replace
from tests.factories import OPENED_AT
from tests.receipts.checked_world import Insider, sale_draft
from tests.receipts.link_damages import Places, damage


def named(key: ReceiptKey) -> str:
    """How a receipt is named of which only the key is known."""
    return "seller {} terminal {} day {} number {}".format(*key)


@damage("predecessors")
def predecessor_exchanged(by: Insider) -> Places:
    by.run(
        "UPDATE pos.successors SET number = :other WHERE by_number = :number",
        other=by.at.sale.number, number=by.at.correction.number,
    )  # fmt: skip
    return str(by.at.correction.id)


@damage("predecessors")
def bundle_exchanged(by: Insider) -> Places:
    by.run(
        "UPDATE pos.successors SET root_number = :other WHERE by_number = :number",
        other=by.at.sale.number, number=by.at.correction.number,
    )  # fmt: skip
    return str(by.at.correction.id)


@damage("predecessors")
def follower_of_another_bundle(by: Insider) -> Places:
    return str(by.correct(by.at.correction, root=by.at.sale).id)


@damage("successors")
def follower_of_nothing(by: Insider) -> Places:
    by.run("UPDATE pos.successors SET number = 99998 WHERE by_number = :number", number=by.at.correction.number)
    return str(by.at.correction.id)


@damage("successors")
def correction_recorded_as_a_void(by: Insider) -> Places:
    correction = by.correct(by.at.sale, root=by.at.sale)
    by.run("UPDATE pos.successors SET nature = 4 WHERE by_number = :number", number=correction.number)
    return str(correction.id)


@damage("successors")
def successor_invented(by: Insider) -> Places:
    by.run(
        "INSERT INTO pos.successors SELECT seller, terminal, day, number, terminal, day, 99998, terminal, day, number,"
        " 3, issued_at FROM pos.receipts WHERE (seller, counter) = (:seller, :counter)",
        seller=by.at.shop.seller, counter=by.at.sale.counter,
    )  # fmt: skip
    seller, terminal, day, _ = by.at.sale.key
    return named((seller, terminal, day, 99998))


@damage("successors")
def succession_forgotten(by: Insider) -> Places:
    by.run("DELETE FROM pos.successors WHERE by_number = :number", number=by.at.correction.number)
    return str(by.at.correction.id)


@damage("successors")
def succession_of_another_time(by: Insider) -> Places:
    by.run(
        "UPDATE pos.successors SET issued_at = issued_at + interval '1 second' WHERE by_number = :number",
        number=by.at.correction.number,
    )
    return str(by.at.correction.id)


@damage("one_successor")
def succession_doubled(by: Insider) -> Places:
    by.connection.execute(text("ALTER TABLE pos.successors DROP CONSTRAINT successors_pkey"))
    by.run(
        "INSERT INTO pos.successors SELECT * FROM pos.successors WHERE by_number = :number",
        number=by.at.correction.number,
    )
    return named(by.at.corrected.key)


@damage("after_void")
def void_corrected(by: Insider) -> Places:
    by.correct(by.at.void, root=by.at.voided)
    return str(by.at.void.id)


@damage("after_void")
def exercise_corrected(by: Insider) -> Places:
    by.correct(by.at.training, root=by.at.training)
    return str(by.at.training.id)


@damage("void_amounts")
def void_of_another_tax_type(by: Insider) -> Places:
    return by.change(by.at.void, "part_tax_types = ARRAY[3::smallint]")


@damage("void_amounts")
def void_of_less(by: Insider) -> Places:
    return by.change(by.at.void, "part_totals_mongo = ARRAY[0::bigint]")


@damage("void_amounts")
def void_of_city_tax(by: Insider) -> Places:
    return by.change(by.at.void, "city_tax_mongo = -1")


@damage("part_ids")
def part_id_given_to_a_receipt(by: Insider) -> Places:
    part = by.at.claimed.part_ids[1]
    by.issue(head_of_equal_terminal(by, part.number), start_draft())
    return str(part)


@damage("part_ids")
def part_id_given_to_two_parts(by: Insider) -> Places:
    """Both shops sell for the till's at terminals of one number, and come to the same number of the day."""
    draft = sale_draft(by.at.till.shop, 1_100_00)
    first = by.issue(by.head(by.at.shop), draft)
    start = by.issue(head_of_equal_terminal(by, first.number - 1), start_draft())
    by.issue(by.head(start), draft)
    return (str(first.part_ids[0]),) * 2


def head_of_equal_terminal(by: Insider, number: int) -> Head:
    """Enrol a terminal of the first one's number for the other shop; its chain begins at `number` of the day."""
    other, terminal = by.at.other, by.at.shop.terminal
    by.run(
        "INSERT INTO pos.terminals SELECT seller, :terminal, client_id, mode, branch, district, epoch, enrolment,"
        " enrolled_at FROM pos.terminals WHERE seller = :seller",
        terminal=terminal, seller=other.seller,
    )  # fmt: skip
    enrolment = by.connection.execute(
        text("SELECT enrolment FROM pos.terminals WHERE seller = :seller LIMIT 1"), {"seller": other.seller}
    ).scalar_one()
    head = first_head(seller=other.seller, terminal=terminal, enrolment=enrolment, enrolled_at=OPENED_AT)
    return replace(head, next_number=number)


def start_draft() -> Draft:
    """What opens a chain."""
    return Draft(Nature.START, business=False, lottery=False, branch=1, total_mongo=0, vat_mongo=0, document=Document())


@damage("keys_of_receipts")
def key_of_nothing(by: Insider) -> Places:
    by.run("UPDATE pos.idempotency SET number = 99998 WHERE number = :number", number=by.at.last.number)
    seller, terminal, day, _ = by.at.last.key
    return named((seller, terminal, day, 99998))


@damage("receipts_of_keys")
def receipt_of_two_keys(by: Insider) -> Places:
    by.run(
        "INSERT INTO pos.idempotency SELECT seller, client_id, 'again', received_month, content_hash, terminal, day,"
        " number FROM pos.idempotency WHERE number = :number",
        number=by.at.last.number,
    )
    return named(by.at.last.key), named(by.at.last.key)


@damage("receipts_of_keys")
def retried_into_a_second_receipt(by: Insider) -> Places:
    by.connection.execute(text("SELECT pos.ensure_month(2017, 4)"))
    by.run(
        "UPDATE pos.idempotency SET received_month = received_month + 1,"
        " key = (SELECT key FROM pos.idempotency WHERE number = :sale AND seller = :seller)"
        " WHERE number = :last AND seller = :seller",
        sale=by.at.sale.number, last=by.at.last.number, seller=by.at.shop.seller,
    )  # fmt: skip
    return named(by.at.last.key)


@damage("claimed_roots")
def claim_of_another_hash(by: Insider) -> Places:
    by.run("UPDATE claims.claims SET root_hash = sha256('another') WHERE claim = :claim", claim=by.at.claims["claimed"])
    return str(by.at.claimed.id)


@damage("claimed_roots")
def claim_of_another_month(by: Insider) -> Places:
    by.run("UPDATE claims.claims SET month = month + 1 WHERE claim = :claim", claim=by.at.claims["claimed"])
    return str(by.at.claimed.id)


@damage("claimed_roots")
def claim_of_nothing(by: Insider) -> Places:
    claim = by.at.claims["claimed"]
    by.run("UPDATE claims.claims SET root_number = 99998 WHERE claim = :claim", claim=claim)
    return f"claim {claim}"


@damage("one_claim")
def root_claimed_twice(by: Insider) -> Places:
    by.connection.execute(text("ALTER TABLE claims.claims DROP CONSTRAINT claims_pkey"))
    by.run(
        "INSERT INTO claims.claims SELECT seller, root_terminal, root_day, root_number, 9999, state, via, root_hash,"
        " month, claimed_at FROM claims.claims WHERE claim = :claim",
        claim=by.at.claims["claimed"],
    )
    by.run("INSERT INTO private.claim_owners VALUES (:consumer, 9999)", consumer=by.at.consumers[2])
    return named(by.at.claimed.key), named(by.at.claimed.key)


@damage("one_claim")
def claim_number_given_twice(by: Insider) -> Places:
    first, second = by.at.claims["claimed"], by.at.claims["corrected"]
    by.run("UPDATE claims.claims SET claim = :first WHERE claim = :second", first=first, second=second)
    by.run("DELETE FROM private.claim_owners WHERE claim = :second", second=second)
    return tuple(sorted((named(by.at.claimed.key), named(by.at.corrected.key))))


@damage("claim_owners")
def second_owner(by: Insider) -> Places:
    by.connection.execute(text("DROP INDEX private.claim_owners_by_claim"))
    claim = by.at.claims["claimed"]
    by.run("INSERT INTO private.claim_owners VALUES (:consumer, :claim)", consumer=by.at.consumers[2], claim=claim)
    return f"claim {claim}"


@damage("claim_owners")
def owner_forgotten(by: Insider) -> Places:
    claim = by.at.claims["unreported"]
    by.run("DELETE FROM private.claim_owners WHERE claim = :claim", claim=claim)
    return f"claim {claim}"


@damage("claim_owners")
def owner_of_nothing(by: Insider) -> Places:
    by.run("INSERT INTO private.claim_owners VALUES (:consumer, 9999)", consumer=by.at.consumers[2])
    return "claim 9999"


def _claim_moved(name: str) -> None:
    def claim_moved(by: Insider) -> Places:
        to = getattr(by.at, name)
        by.run(
            "UPDATE claims.claims SET root_number = :number, root_hash = :hash WHERE claim = :claim",
            number=to.number, hash=to.receipt_hash, claim=by.at.claims["claimed"],
        )  # fmt: skip
        return str(to.id)

    damage("claimable")(claim_moved)


for unclaimable in ("business", "invoice", "training"):
    _claim_moved(unclaimable)


@damage("own_sellers")
def claim_of_ones_own(by: Insider) -> Places:
    by.run(
        "INSERT INTO private.seller_people VALUES (:seller, :consumer, 'cashier', '2016-01-01', '2017-03-02')",
        seller=by.at.shop.seller, consumer=by.at.consumers[1],
    )  # fmt: skip
    return str(by.at.corrected.id)


@damage("own_sellers")
def claim_of_ones_own_part(by: Insider) -> Places:
    by.run(
        "INSERT INTO private.seller_people VALUES (:seller, :consumer, 'owner', '2017-03-01', NULL)",
        seller=by.at.other.seller, consumer=by.at.consumers[0],
    )  # fmt: skip
    return str(by.at.claimed.id)


@damage("void_claims")
def claim_of_a_void_alive(by: Insider) -> Places:
    by.run("UPDATE claims.claims SET state = 'final' WHERE claim = :claim", claim=by.at.claims["voided"])
    return str(by.at.voided.id)


@damage("void_claims")
def claim_void_for_nothing(by: Insider) -> Places:
    by.run("UPDATE claims.claims SET state = 'void' WHERE claim = :claim", claim=by.at.claims["claimed"])
    return str(by.at.claimed.id)


@damage("held_bytes")
def held_bytes_edited(by: Insider) -> Places:
    claim = by.at.claims["unreported"]
    by.run("UPDATE claims.held SET cose = set_byte(cose, 143, 0) WHERE claim = :claim", claim=claim)
    return f"claim {claim}"


@damage("held_bytes")
def held_hash_edited(by: Insider) -> Places:
    claim = by.at.claims["unreported"]
    by.run("UPDATE claims.held SET receipt_hash = sha256('another') WHERE claim = :claim", claim=claim)
    return f"claim {claim}"


@damage("held_reported")
def held_for_ever(by: Insider) -> Places:
    claim = by.at.claims["reported"]
    by.run("UPDATE claims.held SET state = 'lapsed' WHERE claim = :claim", claim=claim)
    return f"claim {claim}"


@damage("sightings")
def sighting_edited(by: Insider) -> Places:
    by.run(
        "UPDATE claims.sightings SET turnover_mongo = 0 WHERE (seller, number) = (:seller, :number)",
        seller=by.at.claimed.seller, number=by.at.claimed.number,
    )  # fmt: skip
    return str(by.at.claimed.id)


@damage("sightings")
def sighting_of_what_the_centre_never_stored(by: Insider) -> Places:
    by.run(
        "UPDATE claims.sightings SET receipt_hash = sha256('another') WHERE (seller, number) = (:seller, :number)",
        seller=by.at.shop.seller, number=by.at.claimed.number,
    )  # fmt: skip
    return named(by.at.claimed.key)
