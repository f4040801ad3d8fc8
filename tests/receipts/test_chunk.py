"""The decisions of one transaction, without a database: orders see each other, and a refused one leaves no trace."""

from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from receipts.chain import ChainKey, Head, TerminalDayFull, first_head
from receipts.chunk import Bundle, Chunk, LockedChain, conclude, first_difference, issue, repeat
from receipts.document import Line
from receipts.ids import ReceiptId
from receipts.keys import Signer
from receipts.orders import (
    AlreadyVoid,
    ClockAhead,
    InvoiceUnknown,
    Issued,
    KeyReused,
    NotCorrectable,
    NotLatest,
    SaleOrder,
    TerminalClosed,
    TerminalSuspended,
    TerminalUnknown,
    TooLate,
    UnknownReceipt,
    VoidOrder,
    WrongSigner,
)
from receipts.qr import sign_links, take_apart, unpack
from receipts.receipt import Nature, TaxType
from receipts.rules import rules_on
from receipts.stored import StoredReceipt
from receipts.submission import Merchant, Payment, StatedPart, Submission, price
from tests.changing import replace

NOW = datetime(2017, 3, 1, 4, tzinfo=UTC)
SHOP = Merchant(37900846788, "37900846788", vat_payer=True, city_tax_payer=False)
OTHER = Merchant(37900846789, "37900846789", vat_payer=True, city_tax_payer=False)
TERMINAL = 10012619
KEY = ChainKey(Signer(Ed25519PrivateKey.from_private_bytes(b"c" * 32)), b"k" * 32)
HEAD = first_head(seller=SHOP.seller, terminal=TERMINAL, enrolment=b"x", enrolled_at=NOW - timedelta(days=9))
CHAIN = LockedChain(HEAD, 1, "gateway", suspended=False, closed=False, branch=7)


def chunk_of(chain: LockedChain = CHAIN) -> Chunk:
    return Chunk(NOW, lambda *_: KEY, {(SHOP.seller, TERMINAL): chain})


def sale(total: int = 110_000, *, merchants: tuple[Merchant, ...] = (SHOP,), **given: Any) -> SaleOrder:
    parts = tuple(
        StatedPart(one.tin, TaxType.VAT_ABLE, total, None, None, (Line("Талх", "1", "ш", total),)) for one in merchants
    )
    terminal = given.pop("terminal", TERMINAL)
    submission = Submission(given.pop("nature", Nature.SALE), given.pop("business", False), SHOP.tin, parts, **given)
    if submission.business:
        submission = replace(submission, buyer_tin=OTHER.tin)
    known = {SHOP.tin: SHOP, OTHER.tin: OTHER}
    priced = price(submission, known, rules=rules_on(date(2017, 3, 1)), day=date(2017, 3, 1))
    return SaleOrder("c", "k", b"h" * 32, SHOP.seller, terminal, submission, priced)


def void(receipt: ReceiptId, reason: str = "алдаа") -> VoidOrder:
    return VoidOrder("c", "v", b"v" * 32, SHOP.seller, TERMINAL, receipt, reason)


def sold(chunk: Chunk, **given: Any) -> StoredReceipt:
    """Issue a sale and let the chunk know it as a bundle, as loading would."""
    receipt = issue(chunk, sale(**given))
    chunk.bundles[receipt.id] = Bundle(receipt, receipt)
    return receipt


def correction(of: StoredReceipt, **given: Any) -> SaleOrder:
    return sale(nature=Nature.CORRECTION, corrects=of.id, **given)


def concluded(chunk: Chunk) -> list[Issued]:
    return conclude(chunk, sign_links(KEY.signer, chunk.packed, chunk.after))


class TestSale:
    def test_advances_the_chain_for_the_next_order(self) -> None:
        chunk = chunk_of()
        first, second = issue(chunk, sale()), issue(chunk, sale(5, merchants=(SHOP, OTHER)))
        assert (first.counter, second.counter) == (0, 1)
        assert second.turnover_mongo == 110_000 + 10
        assert second.number == first.number + 2
        assert [part.seller for part in second.part_ids] == [SHOP.seller, OTHER.seller]
        assert chunk.heads[SHOP.seller, TERMINAL].next_number == second.number + 3
        assert [key for _, key in chunk.keys] == [first.key, second.key]

    def test_is_signed_after_the_one_before_it(self) -> None:
        chunk = chunk_of()
        for _ in range(3):
            issue(chunk, sale())
        before = HEAD.previous_hash
        for one in concluded(chunk):
            apart = take_apart(one.receipt.cose)
            assert apart is not None
            assert unpack(apart[1]).chain == before[:8]
            assert one.root_hash == one.receipt.receipt_hash == sha256(one.receipt.cose).digest()
            before = one.receipt.receipt_hash
        assert chunk.heads[SHOP.seller, TERMINAL].previous_hash == before

    def test_takes_the_terminals_branch_unless_told(self) -> None:
        assert issue(chunk_of(), sale()).branch == 7
        assert issue(chunk_of(), sale(branch=3)).branch == 3

    def test_is_dated_when_it_was_sold_within_the_limits(self) -> None:
        for age in (timedelta(0), timedelta(hours=72), timedelta(seconds=-60)):
            assert issue(chunk_of(), sale(sold_at=NOW - age)).issued_at == NOW - age
        assert issue(chunk_of(), sale()).issued_at == NOW

    def test_is_never_dated_before_the_chains_last(self) -> None:
        chunk = chunk_of()
        issue(chunk, sale(sold_at=NOW))
        assert issue(chunk, sale(sold_at=NOW - timedelta(hours=1))).issued_at == NOW

    def test_leaves_word_of_a_consumers_number(self) -> None:
        chunk = chunk_of()
        issued = issue(chunk, sale(consumer_no=11_000_000))
        assert [(event.event, event.root, event.login_no) for event in chunk.events] == [
            ("easy", issued.key, 11_000_000)
        ]

    def test_pays_an_invoice_that_there_is(self) -> None:
        chunk = chunk_of()
        invoice = issue(chunk, sale(nature=Nature.INVOICE))
        chunk.invoices[invoice.id] = invoice
        paid = issue(chunk, sale(nature=Nature.PAYMENT, pays_invoice=invoice.id))
        assert paid.turnover_mongo == invoice.turnover_mongo


class TestRefusals:
    @pytest.mark.parametrize(
        ("chain", "refusal"),
        [
            (replace(CHAIN, mode="till"), WrongSigner),
            (replace(CHAIN, closed=True), TerminalClosed),
            (replace(CHAIN, suspended=True), TerminalSuspended),
        ],
    )
    def test_of_the_terminal(self, chain: LockedChain, refusal: type[Exception]) -> None:
        with pytest.raises(refusal):
            issue(chunk_of(chain), sale())

    def test_of_a_terminal_that_is_not_there(self) -> None:
        with pytest.raises(TerminalUnknown):
            issue(chunk_of(), sale(terminal=1))

    @pytest.mark.parametrize(
        ("age", "refusal"), [(timedelta(seconds=-61), ClockAhead), (timedelta(hours=72, seconds=1), TooLate)]
    )
    def test_of_the_time(self, age: timedelta, refusal: type[Exception]) -> None:
        with pytest.raises(refusal):
            issue(chunk_of(), sale(sold_at=NOW - age))

    def test_of_a_day_without_numbers(self) -> None:
        full = replace(CHAIN, head=replace(HEAD, day=6263, next_number=99_999))
        with pytest.raises(TerminalDayFull):
            issue(chunk_of(full), sale())

    @pytest.mark.parametrize("nature", [Nature.SALE, None])
    def test_of_an_invoice_that_is_none(self, nature: Nature | None) -> None:
        chunk = chunk_of()
        receipt = issue(chunk, sale())
        if nature is not None:
            chunk.invoices[receipt.id] = receipt
        with pytest.raises(InvoiceUnknown):
            issue(chunk, sale(nature=Nature.PAYMENT, pays_invoice=receipt.id))

    def test_leave_no_trace(self) -> None:
        chunk = chunk_of()
        kept = sold(chunk)
        before = deepcopy(chunk)
        for order in (sale(sold_at=NOW + timedelta(days=1)), void(ReceiptId(1, 1, 1, 1, 1)),
                      correction(kept, business=True)):  # fmt: skip
            with pytest.raises((ClockAhead, UnknownReceipt, NotCorrectable)):
                issue(chunk, order)
        assert before == chunk


class TestCorrectionAndVoid:
    def test_a_correction_follows_its_receipt(self) -> None:
        chunk = chunk_of()
        root = sold(chunk)
        corrected = issue(chunk, correction(root, total=55_000))
        assert concluded(chunk)[1].root_hash == root.receipt_hash == chunk.receipts[0].receipt_hash
        assert corrected.kind_of.lottery is True
        assert corrected.root_key == root.key
        assert [(one.receipt, one.by, one.nature) for one in chunk.successors] == [
            (root.key, corrected.key, Nature.CORRECTION)
        ]
        assert [event.event for event in chunk.events] == ["correction"]

    def test_only_the_last_of_a_line_can_be_followed(self) -> None:
        chunk = chunk_of()
        root = sold(chunk)
        corrected = issue(chunk, correction(root))
        with pytest.raises(NotLatest) as caught:
            issue(chunk, correction(root))
        assert caught.value.values == {"latest": str(corrected.id)}
        issue(chunk, void(corrected.id))
        for named in (root, corrected):
            with pytest.raises(AlreadyVoid):
                issue(chunk, void(named.id))

    def test_a_void_takes_back_exactly_what_was_there(self) -> None:
        chunk = chunk_of()
        root = sold(chunk, merchants=(SHOP, OTHER))
        voided = issue(chunk, void(root.id))
        assert (voided.total_mongo, voided.vat_mongo) == (-root.total_mongo, -root.vat_mongo)
        assert voided.part_totals_mongo == [-110_000, -110_000]
        assert voided.turnover_mongo == root.turnover_mongo
        assert voided.kind_of.lottery is False
        assert chunk.successors[0].reason == "алдаа"
        assert chunk.events[0].event == "void"

    def test_a_start_is_not_voided(self) -> None:
        chunk = chunk_of()
        root = sold(chunk)
        start = replace(root, kind=int(Nature.START))
        chunk.bundles[root.id] = Bundle(start, start)
        with pytest.raises(NotCorrectable):
            issue(chunk, void(root.id))


class TestRepeat:
    def test_gives_the_first_answer_again(self) -> None:
        order = sale()
        receipt = issue(chunk_of(), order)
        assert repeat(order, order.content_hash, receipt, b"r" * 32) == Issued(receipt, b"r" * 32, repeated=True)

    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"sold_at": NOW}, "/sold_at"),
            ({"reference": "b"}, "/reference"),
            ({"business": True}, "/buyer_tin"),
            ({"pays_invoice": ReceiptId(1, 1, 1, 1, 1), "nature": Nature.PAYMENT}, "/pays_invoice"),
            ({"district": "2501"}, "/district"),
            ({"merchants": (SHOP, OTHER)}, "/parts"),
            ({"merchants": (OTHER,)}, "/parts/0/seller_tin"),
            ({"total": 5}, "/parts/0/total_mongo"),
            ({"payments": (Payment("CASH", 110_000),)}, "/payments"),
            ({"consumer_no": 11_000_000}, "/consumer_no"),
            ({"corrects": ReceiptId(1, 1, 1, 1, 1), "nature": Nature.CORRECTION}, "/corrects"),
        ],
    )
    def test_names_the_first_field_that_differs(self, changed: dict[str, Any], field: str) -> None:
        receipt = issue(chunk_of(), sale())
        other = replace(sale(**changed), content_hash=b"o" * 32)
        with pytest.raises(KeyReused) as caught:
            repeat(other, b"h" * 32, receipt, b"r" * 32)
        assert caught.value.values == {"field": field}

    def test_names_the_report_month_where_that_differs(self) -> None:
        receipt = issue(chunk_of(), sale(business=True))
        assert first_difference(sale(business=True, report_month="2017-02"), receipt) == "/report_month"

    def test_names_what_differs_of_a_void(self) -> None:
        chunk = chunk_of()
        root = sold(chunk)
        voided = issue(chunk, void(root.id))
        assert first_difference(void(root.id, "өөр"), voided) == "/reason"
        assert first_difference(void(ReceiptId(1, 1, 1, 1, 1)), voided) == "/id"
        assert first_difference(sale(), voided) == "/corrects"


def test_a_head_that_was_moved_is_the_next_orders_start() -> None:
    chunk = chunk_of()
    issue(chunk, sale())
    head = chunk.heads[SHOP.seller, TERMINAL]
    assert isinstance(head, Head)
    assert issue(chunk, sale()).counter == head.counter
