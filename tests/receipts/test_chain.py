"""A chain: no gap, no broken link, a counter that never falls."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.canonical import sha256
from kernel.clock import business_day
from receipts import qr
from receipts.chain import Draft, Head, Link, TerminalDayFull, advance, first_head
from receipts.document import Document, encode_document
from receipts.ids import NUMBERS_A_DAY, ReceiptId
from receipts.keys import keyring_of
from receipts.receipt import Kind, Nature
from receipts.verification import verify_cose, verify_document, verify_successor
from tests.receipts.examples import (
    BY_GATEWAY,
    BY_TILL,
    ENROLMENT,
    GATEWAY_KEY,
    NOON,
    SALE,
    SELLER,
    TERMINAL,
    TILL_KEY,
    TURNOVER_KEY,
    draft,
    head,
)

KEYRING = keyring_of([GATEWAY_KEY, TILL_KEY])
MIDNIGHT = datetime(2017, 3, 1, 16, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def drafts() -> st.SearchStrategy[Draft]:
    """Any link: amounts with the sign of their nature, a start and a closing with none."""

    def of(nature: Nature, total: int, vat: int, parts: int) -> Draft:
        sign = {Nature.VOID: -1, Nature.START: 0, Nature.CLOSING: 0}.get(nature, 1)
        return draft(
            nature, total_mongo=sign * total, vat_mongo=sign * min(vat, total), part_sellers=(SELLER,) * parts,
            lottery=False,
        )  # fmt: skip

    return st.builds(of, st.sampled_from(Nature), st.integers(0, 10**9), st.integers(0, 10**8), st.integers(0, 4))


def run(drawn: Sequence[tuple[Draft, int]]) -> tuple[list[Link], Head]:
    """Sign one link a draft, each stated so many seconds after noon."""
    links, at = [], head()
    for content, seconds in drawn:
        link, at = advance(at, content, issued_at=NOON + seconds * SECOND, key=BY_GATEWAY)
        links.append(link)
    return links, at


class TestFirstHead:
    def test_follows_the_enrolment_record(self) -> None:
        assert first_head(seller=SELLER, terminal=TERMINAL, enrolment=ENROLMENT, enrolled_at=NOON) == Head(
            seller=SELLER,
            terminal=TERMINAL,
            counter=0,
            previous_hash=sha256(ENROLMENT),
            turnover_mongo=0,
            day=6263,
            next_number=0,
            last_issued_at=NOON,
        )


class TestAdvance:
    def test_says_in_the_qr_what_the_draft_says(self) -> None:
        stands = head(counter=41, turnover_mongo=1_000_000, next_number=7, previous_hash=bytes(range(32)))
        link, _ = advance(stands, draft(branch=12, lottery=True), issued_at=NOON + SECOND, key=BY_GATEWAY)
        expected_id = ReceiptId(SELLER, 12, 6263, 7, TERMINAL)
        assert qr.unpack(link.cose[18:78]) == qr.Payload(
            id=expected_id,
            issued_at=1488340801,
            total_mongo=560000,
            vat_mongo=50909,
            kind_bits=0x80,
            counter=41,
            chain=bytes(range(8)),
            turnover_sealed=qr.seal_turnover(1_560_000, turnover_key=TURNOVER_KEY, id=expected_id),
            document=sha256(encode_document(SALE))[:8],
        )

    def test_answers_the_link_as_it_is_stored(self) -> None:
        stands = head(counter=41, turnover_mongo=1_000_000, next_number=7)
        link, _ = advance(stands, draft(part_sellers=(SELLER, 5)), issued_at=NOON + SECOND, key=BY_GATEWAY)
        assert link == Link(
            id=ReceiptId(SELLER, 1, 6263, 7, TERMINAL),
            part_ids=(ReceiptId(SELLER, 1, 6263, 8, TERMINAL), ReceiptId(5, 1, 6263, 9, TERMINAL)),
            issued_at=NOON + SECOND,
            kind=Kind(Nature.SALE, lottery=True),
            counter=41,
            turnover_mongo=1_560_000,
            cose=link.cose,
            receipt_hash=sha256(link.cose),
            document=encode_document(SALE),
            document_hash=sha256(encode_document(SALE)),
        )

    def test_answers_where_the_chain_stands_then(self) -> None:
        stands = head(counter=41, turnover_mongo=1_000_000, next_number=7)
        link, after = advance(stands, draft(part_sellers=(SELLER, 5)), issued_at=NOON + SECOND, key=BY_GATEWAY)
        assert after == Head(SELLER, TERMINAL, 42, link.receipt_hash, 1_560_000, 6263, 10, NOON + SECOND)

    def test_signs_by_the_key_of_the_kid(self) -> None:
        for key, published in ((BY_GATEWAY, GATEWAY_KEY), (BY_TILL, TILL_KEY)):
            link, _ = advance(head(), draft(), issued_at=NOON, key=key)
            assert cbor2.loads(cbor2.loads(link.cose)[0])[4] == published.kid
            assert verify_cose(link.cose, KEYRING).key == published

    def test_marks_what_a_till_signs(self) -> None:
        link, _ = advance(head(), draft(business=True, lottery=False), issued_at=NOON, key=BY_TILL)
        assert link.kind == Kind(Nature.SALE, business=True, by_till=True)

    @pytest.mark.parametrize("nature", Nature)
    def test_adds_to_the_turnover_what_its_nature_says(self, nature: Nature) -> None:
        link, after = advance(head(turnover_mongo=100), draft(nature), issued_at=NOON, key=BY_GATEWAY)
        added = 560000 if nature in {Nature.SALE, Nature.INVOICE, Nature.CORRECTION} else 0
        assert link.turnover_mongo == after.turnover_mongo == 100 + added

    def test_never_lets_the_turnover_fall_for_a_void(self) -> None:
        void = draft(Nature.VOID, total_mongo=-560000, vat_mongo=-50909)
        link, _ = advance(head(turnover_mongo=560000), void, issued_at=NOON, key=BY_GATEWAY)
        assert link.turnover_mongo == 560000

    def test_raises_a_time_before_the_chains_last(self) -> None:
        link, after = advance(head(), draft(), issued_at=NOON - SECOND, key=BY_GATEWAY)
        assert link.issued_at == after.last_issued_at == NOON

    def test_takes_whole_seconds_alone(self) -> None:
        with pytest.raises(AssertionError):
            advance(head(), draft(), issued_at=NOON.replace(microsecond=1), key=BY_GATEWAY)

    def test_numbers_anew_from_midnight_in_ulaanbaatar(self) -> None:
        last, stands = advance(head(next_number=500), draft(), issued_at=MIDNIGHT - SECOND, key=BY_GATEWAY)
        first, _ = advance(stands, draft(), issued_at=MIDNIGHT, key=BY_GATEWAY)
        assert (last.id.day, last.id.number) == (6263, 500)
        assert (first.id.day, first.id.number) == (6264, 0)

    def test_uses_the_last_number_of_the_day(self) -> None:
        link, after = advance(head(next_number=NUMBERS_A_DAY - 2), draft(), issued_at=NOON, key=BY_GATEWAY)
        assert link.part_ids[-1].number == NUMBERS_A_DAY - 1
        assert after.next_number == NUMBERS_A_DAY

    @pytest.mark.parametrize("next_number", [NUMBERS_A_DAY - 1, NUMBERS_A_DAY])
    def test_refuses_when_the_day_has_too_few_numbers_left(self, next_number: int) -> None:
        with pytest.raises(TerminalDayFull) as caught:
            advance(head(next_number=next_number), draft(), issued_at=NOON, key=BY_GATEWAY)
        assert caught.value.code == "terminal_day_full"
        assert caught.value.values == {"terminal": "10012619"}

    def test_issues_again_after_midnight_when_the_day_was_full(self) -> None:
        link, _ = advance(head(next_number=NUMBERS_A_DAY), draft(), issued_at=MIDNIGHT, key=BY_GATEWAY)
        assert link.id.number == 0

    def test_gives_the_same_bytes_for_the_same_input(self) -> None:
        one, other = (advance(head(), draft(), issued_at=NOON, key=BY_GATEWAY) for _ in range(2))
        assert one == other

    @given(st.lists(st.tuples(drafts(), st.integers(-90_000, 200_000)), min_size=2, max_size=8))
    def test_keeps_every_invariant_of_a_chain(self, drawn: list[tuple[Draft, int]]) -> None:
        links, stands = run(drawn)
        numbers = [receipt_id for link in links for receipt_id in (link.id, *link.part_ids)]
        assert [link.counter for link in links] == list(range(len(links)))
        assert len(set(numbers)) == len(numbers)
        assert [link.id.day for link in links] == [business_day(link.issued_at) for link in links]
        added = [content.total_mongo if content.nature.adds_turnover else 0 for content, _ in drawn]
        assert [link.turnover_mongo for link in links] == [sum(added[: at + 1]) for at in range(len(added))]
        assert stands.previous_hash == links[-1].receipt_hash
        payloads = [verify_cose(link.cose, KEYRING).payload for link in links]
        for at in range(1, len(links)):
            verify_successor(payloads[at], payloads[at - 1], links[at - 1].cose)
        for payload, link in zip(payloads, links, strict=True):
            verify_document(payload, link.document)
            opened = qr.open_turnover(payload.turnover_sealed, turnover_key=TURNOVER_KEY, id=payload.id)
            assert opened == link.turnover_mongo

    @given(st.integers(0, 10**9), st.integers(0, 10**9))
    def test_bounds_the_money_between_two_receipts(self, hidden: int, shown: int) -> None:
        sales = [draft(total_mongo=total, vat_mongo=0) for total in (1, hidden, shown)]
        links, _ = run([(sale, 0) for sale in sales])
        assert links[2].turnover_mongo - links[0].turnover_mongo == hidden + shown

    def test_starts_with_a_link_without_content(self) -> None:
        link, _ = advance(head(), draft(Nature.START), issued_at=NOON, key=BY_GATEWAY)
        assert link.document == encode_document(Document())
        assert qr.unpack(link.cose[18:78]).chain == sha256(ENROLMENT)[:8]
