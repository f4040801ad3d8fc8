"""Damages to what is kept beside links that tills signed: findings, tax months, forks, closings."""

from collections.abc import Callable

from kernel.canonical import sha256
from receipts.stored import StoredReceipt
from tests.receipts.checked_world import Insider
from tests.receipts.link_damages import Damage, Places, damage
from tests.receipts.table_damages import named

COMPOUND: list[tuple[set[str], Callable[[Insider], object]]] = []
"""Damages that break more than one invariant, with all of them."""


def compound(*codes: str) -> Callable[[Callable[[Insider], object]], Callable[[Insider], object]]:
    """Say which invariants a damage breaks."""

    def remember(does: Callable[[Insider], object]) -> Callable[[Insider], object]:
        COMPOUND.append((set(codes), does))
        return does

    return remember


def forget(by: Insider, receipt: StoredReceipt, code: str) -> str:
    """Remove a finding and answer the place of its link."""
    by.run(
        "DELETE FROM pos.link_findings WHERE receipt_hash = :hash AND code = :code",
        hash=receipt.receipt_hash, code=code,
    )  # fmt: skip
    return str(receipt.id)


def invent(by: Insider, receipt: StoredReceipt, code: str, path: str = "/x") -> str:
    """Write a finding that nobody found."""
    by.run(
        "INSERT INTO pos.link_findings VALUES (:seller, :hash, :code, :path, NULL)",
        seller=receipt.seller, hash=receipt.receipt_hash, code=code, path=path,
    )  # fmt: skip
    return str(receipt.id)


def _forgotten(invariant: str, link: str, code: str) -> None:
    def finding_forgotten(by: Insider) -> Places:
        return forget(by, getattr(by.at.liar, link), code)

    damage(invariant)(finding_forgotten)


for broken, at, found in (
    ("taxes", "taxed_wrongly", "vat_mismatch"),
    ("times", "of_last_week", "times"),
    ("numbers", "of_last_week", "numbers"),
    ("numbers", "numbered_twice", "numbers"),
    ("turnovers", "turned_over", "turnover_mismatch"),
    ("columns_of_document", "not_adding_up", "amounts_mismatch"),
    ("columns_of_document", "of_long_reference", "reference_form"),
    ("link_findings", "without_lottery", "lottery_bit"),
    ("link_findings", "of_last_week", "late"),
    ("link_findings", "ahead", "clock_ahead"),
    ("void_amounts", "void_of_less", "amounts_mismatch"),
):
    _forgotten(broken, at, found)


def _invented(invariant: str, code: str, path: str) -> None:
    def finding_invented(by: Insider) -> Places:
        return invent(by, by.at.liar.fine, code, path)

    damage(invariant)(finding_invented)


for broken, found, place in (
    ("link_findings", "times", "/issued_at"),
    ("link_findings", "numbers", "/id"),
    ("link_findings", "turnover_mismatch", "/turnover_mongo"),
    ("link_findings", "amounts_mismatch", "/total_mongo"),
    ("link_findings", "vat_mismatch", "/parts/0/vat_mongo"),
    ("link_findings", "lottery_bit", "/lottery"),
    ("found_links", "fork", "/qr"),
    ("found_links", "no_such_code", "/x"),
):
    _invented(broken, found, place)


@damage("link_findings")
def finding_edited(by: Insider) -> Places:
    by.run("UPDATE pos.link_findings SET expected = '1' WHERE code = 'turnover_mismatch'")
    return str(by.at.liar.turned_over.id)


@damage("link_findings")
def vat_finding_edited(by: Insider) -> Places:
    by.run("UPDATE pos.link_findings SET expected = '1' WHERE code = 'vat_mismatch'")
    return str(by.at.liar.taxed_wrongly.id)


@damage("found_links")
def finding_about_what_the_centre_signed(by: Insider) -> Places:
    return invent(by, by.at.sale, "late")


@damage("found_links")
def finding_about_nothing(by: Insider) -> Places:
    by.run("INSERT INTO pos.link_findings VALUES (1, sha256('nothing'), 'late', '/x', NULL)")
    return sha256(b"nothing").hex()


@compound("columns_of_document", "successors")
def followed_and_said_not_to_be(by: Insider) -> object:
    return invent(by, by.at.liar.correction, "unknown_receipt")


@compound("columns_of_document", "taxes")
def forgotten_that_a_merchant_is_unknown(by: Insider) -> object:
    return forget(by, by.at.liar.of_a_stranger, "merchant_unknown")


@compound("columns_of_document", "roots", "successors")
def forgotten_that_nothing_was_voided(by: Insider) -> object:
    return forget(by, by.at.liar.void_of_nothing, "unknown_receipt")


@compound("columns_of_document", "predecessors")
def forgotten_that_the_root_is_another(by: Insider) -> object:
    return forget(by, by.at.liar.correction, "root_mismatch")


@damage("taxes")
def computed_vat_edited(by: Insider) -> Places:
    return by.change(by.at.sale, "computed_vat_mongo = 0")


@damage("tax_months")
def month_forgotten(by: Insider) -> Places:
    by.run("DELETE FROM pos.tax_months WHERE tax_month = 2017 * 12 + 1")
    return str(by.at.liar.of_february.id)


@damage("tax_months")
def month_edited(by: Insider) -> Places:
    by.run("UPDATE pos.tax_months SET tax_month = tax_month - 1 WHERE tax_month = 2017 * 12 + 1")
    return str(by.at.liar.of_february.id)


def _month_invented(receipt: Callable[[Insider], StoredReceipt]) -> Damage:
    def month_invented(by: Insider) -> Places:
        key = dict(zip(("seller", "terminal", "day", "number"), receipt(by).key, strict=True))
        by.run("INSERT INTO pos.tax_months VALUES (:seller, :terminal, :day, :number, 2017 * 12)", **key)
        return str(receipt(by).id)

    return month_invented


damage("tax_months")(_month_invented(lambda by: by.at.sale))
damage("tax_months")(_month_invented(lambda by: by.at.liar.fine))


@damage("counted_receipts")
def month_of_nothing(by: Insider) -> Places:
    by.run("INSERT INTO pos.tax_months VALUES (1, 2, 3, 4, 5)")
    return named((1, 2, 3, 4))


@damage("closings")
def terminal_reopened(by: Insider) -> Places:
    by.run("UPDATE pos.terminals SET closed_at = NULL WHERE closed_at IS NOT NULL")
    return str(by.at.liar.closing.id)


def _fork_edited(invariant: str, assignment: str) -> None:
    def fork_edited(by: Insider) -> Places:
        digest = by.at.liar.forked_further.receipt_hash
        by.run(f"UPDATE pos.forks SET {assignment} WHERE receipt_hash = :hash", hash=digest)
        return digest.hex()

    damage(invariant)(fork_edited)


for broken, edited in (
    ("fork_bytes", "cose = set_byte(cose, 143, get_byte(cose, 143) # 1)"),
    ("fork_bytes", "document = set_byte(document, 9, get_byte(document, 9) # 1)"),
    ("fork_bytes", "total_mongo = total_mongo - 1"),
    ("fork_bytes", "vat_mongo = vat_mongo - 1"),
    ("fork_bytes", "turnover_mongo = turnover_mongo - 1"),
    ("fork_bytes", "issued_at = issued_at - interval '1 second'"),
    ("fork_bytes", "number = number + 1"),
    ("fork_bytes", "kind = kind + 16"),
    ("fork_bytes", "branch = branch + 1"),
    ("forks", "previous_hash = set_byte(previous_hash, 31, get_byte(previous_hash, 31) # 1)"),
):
    _fork_edited(broken, edited)


@compound("fork_bytes", "forks")
def fork_made_to_follow_another(by: Insider) -> object:
    digest = by.at.liar.fork.receipt_hash
    return by.run("UPDATE pos.forks SET previous_hash = sha256('another') WHERE receipt_hash = :hash", hash=digest)


@damage("forks")
def finding_of_a_fork_forgotten(by: Insider) -> Places:
    digest = by.at.liar.fork.receipt_hash
    by.run("DELETE FROM pos.link_findings WHERE receipt_hash = :hash", hash=digest)
    return digest.hex()


@damage("found_links")
def fork_deleted(by: Insider) -> Places:
    digest = by.at.liar.forked_further.receipt_hash
    by.run("DELETE FROM pos.forks WHERE receipt_hash = :hash", hash=digest)
    return digest.hex()


@compound("found_links", "forks")
def fork_deleted_on_which_another_builds(by: Insider) -> object:
    return by.run("DELETE FROM pos.forks WHERE receipt_hash = :hash", hash=by.at.liar.fork.receipt_hash)


@damage("forks")
def fork_that_stands_in_its_chain(by: Insider) -> Places:
    receipt = by.at.liar.fine
    by.run(
        "INSERT INTO pos.forks SELECT seller, receipt_hash, terminal, day, number, branch, issued_at, received_at,"
        " kind, counter, total_mongo, vat_mongo, turnover_mongo, (SELECT s.receipt_hash FROM pos.receipts s"
        " WHERE s.seller = r.seller AND s.counter = 0), cose, document, NULL FROM pos.receipts r"
        " WHERE receipt_hash = :hash",
        hash=receipt.receipt_hash,
    )
    invent(by, receipt, "fork", "/qr")
    return receipt.receipt_hash.hex()
