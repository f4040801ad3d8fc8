"""Consumers and tills that sign by themselves: claims before the upload, after it, too late, and at the till."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from receipts import qr
from receipts.chain import Link
from receipts.document import Document
from receipts.receipt import Nature, TaxType
from tests.answered import Json
from tests.changing import replace
from tests.serving import OPENED_AT, Centre, Person, wait_for
from tests.signing import SigningTill, add_signing_till, broken, sale, statuses


@pytest.fixture
def till(shared_centre: Centre) -> Iterator[SigningTill]:
    """A till whose start link is uploaded."""
    made = add_signing_till(shared_centre)
    made.start()
    made.upload(made.links)
    yield made
    shared_centre.set_clock(OPENED_AT)


@pytest.fixture
def person(shared_centre: Centre) -> Person:
    return shared_centre.add_person()


def claim(person: Person, link: Link) -> Json:
    """Claim a receipt. The claims side looks for a key that it does not know once a second."""
    text = qr.encode_text(link.cose)
    answer = wait_for(lambda: person.claim(qr=text), lambda answer: answer.json().get("code") != "forged", 3)
    assert answer.status_code == 200, answer.text
    claimed: Json = answer.json()
    return claimed


def followed(till: SigningTill) -> None:
    """Wait until the claims have followed all that the till has left for them."""
    left = "SELECT count(*) FROM pos.outbox WHERE seller = %s"
    wait_for(lambda: till.centre.ask(left, till.seller), lambda rows: rows == [(0,)], 10)


class TestClaims:
    def test_makes_a_claim_final_that_came_before_the_upload(self, till: SigningTill, person: Person) -> None:
        sold = till.sell(11_000_00)
        assert claim(person, sold)["state"] == "provisional"
        assert person.get("/balance")["available_mongo"] == 0
        till.upload([sold])
        assert person.await_state("final")["receipt_id"] == str(sold.id)
        assert person.get("/balance")["available_mongo"] == 200_00

    def test_takes_a_claim_after_the_upload(self, till: SigningTill, person: Person) -> None:
        sold = till.sell(11_000_00)
        till.upload([sold])
        assert claim(person, sold)["state"] == "final"

    def test_revives_a_claim_that_lapsed(self, till: SigningTill, person: Person) -> None:
        sold = till.sell(11_000_00)
        claim(person, sold)
        till.centre.set_clock(OPENED_AT + timedelta(hours=72))
        person.await_state("lapsed")
        [verdict] = till.upload([sold])
        assert verdict["status"] == 201
        person.await_state("final")
        assert person.get("/balance")["available_mongo"] == 200_00

    def test_tells_no_till_that_a_receipt_was_claimed(self, till: SigningTill, person: Person) -> None:
        claimed, other = till.sell(11_000_00), till.sell(12_000_00)
        claim(person, claimed)
        first, second = till.upload([claimed, other])
        assert first["receipt"].keys() == second["receipt"].keys()

    def test_voids_a_claim_with_its_sale(self, till: SigningTill, person: Person) -> None:
        sold = till.sell(11_000_00)
        claim(person, sold)
        till.void(sold)
        till.upload(till.links[1:])
        person.await_state("void")
        assert person.get("/balance")["available_mongo"] == 0

    def test_binds_a_claim_of_a_correction_to_its_root(self, till: SigningTill, person: Person) -> None:
        root = till.sell(11_000_00)
        correction = till.correct(root, root, 5_500_00)
        assert claim(person, correction)["state"] == "provisional"
        till.upload(till.links[1:])
        assert person.await_state("final")["receipt_id"] == str(root.id)
        assert person.get("/balance")["available_mongo"] == 100_00

    def test_drops_a_claim_of_a_correction_of_nothing(self, till: SigningTill, person: Person) -> None:
        stranger = replace(till.links[0], id=replace(till.links[0].id, number=99_999))
        correction = till.correct(stranger, stranger, 5_500_00)
        claim(person, correction)
        [verdict] = till.upload([correction])
        assert verdict["receipt"]["findings"] == ["unknown_receipt"]
        followed(till)
        assert person.get("/balance")["provisional_mongo"] == 0

    def test_drops_a_claim_of_a_correction_of_an_invoice(self, till: SigningTill, person: Person) -> None:
        invoice = till.sell(11_000_00, nature=Nature.INVOICE, lottery=False)
        correction = till.correct(invoice, invoice, 5_500_00, lottery=False)
        claim(person, correction)
        verdicts = till.upload(till.links[1:])
        assert [verdict["receipt"]["findings"] for verdict in verdicts] == [[], []]
        followed(till)
        assert person.get("/balance")["provisional_mongo"] == 0

    def test_refunds_no_more_than_the_law_computes(self, till: SigningTill, person: Person) -> None:
        """A till may state as VAT all that was paid; whoever claims it is in league with the shop."""
        sold = till.sell(11_000_00, vat_mongo=11_000_00)
        [verdict] = till.upload([sold])
        assert verdict["receipt"]["findings"] == ["vat_mismatch"]
        assert claim(person, sold)["credit_mongo"] == 200_00
        assert person.get("/balance")["available_mongo"] == 200_00

    def test_refunds_nothing_below_zero(self, till: SigningTill, person: Person) -> None:
        [part] = sale(till, 11_000_00).document.parts
        negative = replace(part, vat_mongo=-50_000_00)
        other = replace(part, tax_type=TaxType.NO_VAT, vat_mongo=51_000_00)
        document = Document(parts=(negative, other))
        sold = till.sell(22_000_00, document=document, vat_mongo=1_000_00, part_sellers=(till.seller,) * 2)
        claim(person, sold)
        assert claim(till.centre.add_person(), till.sell())["state"] == "provisional"
        till.upload(till.links[1:])
        person.await_state("final")
        assert person.get("/balance")["available_mongo"] == 0

    def test_binds_no_claim_to_a_fork(self, till: SigningTill, person: Person) -> None:
        backup = till.copy()
        till.sell(11_000_00)
        branch = backup.sell(22_000_00)
        till.upload(till.links[1:])
        claim(person, branch)
        [verdict] = backup.upload([branch])
        assert verdict["receipt"]["fork"]
        followed(till)
        assert [one["state"] for one in person.get("/claims")["claims"]] == ["provisional"]
        till.centre.set_clock(OPENED_AT + timedelta(hours=72))
        person.await_state("lapsed")
        assert person.get("/balance")["available_mongo"] == 0


class TestEasy:
    def easy(self, till: SigningTill, link: Link, login_no: str) -> bool | None:
        [verdict] = till.upload([link], private={"consumer_no": login_no})
        assert verdict["status"] in {200, 201}, verdict
        said: bool | None = verdict["receipt"].get("easy")
        return said

    def test_claims_at_once_for_whoever_said_their_number(self, till: SigningTill, person: Person) -> None:
        sold = till.sell(11_000_00)
        assert self.easy(till, sold, person.login_no) is True
        assert [one["receipt_id"] for one in person.get("/claims")["claims"]] == [str(sold.id)]
        assert self.easy(till, sold, person.login_no) is True

    def test_says_no_for_a_number_that_nobody_has(self, till: SigningTill) -> None:
        assert self.easy(till, till.sell(), "99999999") is False

    def test_says_no_for_who_may_not_claim(self, till: SigningTill) -> None:
        owner = till.centre.add_person(owner_of=till.till)
        assert self.easy(till, till.sell(), owner.login_no) is False
        business = replace(sale(till, 11_000_00).document, buyer_tin="37900846789")
        sold = till.sell(11_000_00, business=True, lottery=False, document=business)
        assert self.easy(till, sold, owner.login_no) is False

    def test_says_no_where_somebody_else_had_scanned_it(self, till: SigningTill, person: Person) -> None:
        sold = till.sell(11_000_00)
        claim(till.centre.add_person(), sold)
        assert self.easy(till, sold, person.login_no) is False

    def test_says_nothing_of_a_receipt_that_is_older(self, till: SigningTill, person: Person) -> None:
        sold = till.sell(11_000_00)
        till.centre.set_clock(OPENED_AT + timedelta(seconds=61))
        assert self.easy(till, sold, person.login_no) is None
        person.await_claims(1)

    def test_says_nothing_where_no_number_was_said(self, till: SigningTill) -> None:
        [verdict] = till.upload([till.sell()])
        assert "easy" not in verdict["receipt"]

    def test_comes_before_whatever_else_waits(self, till: SigningTill, person: Person) -> None:
        till.sell_many(500)
        till.upload(till.links[1:])
        assert self.easy(till, till.sell(), person.login_no) is True

    def test_claims_no_fork(self, till: SigningTill, person: Person) -> None:
        backup = till.copy()
        till.sell()
        till.upload(till.links[1:])
        assert self.easy(till, backup.sell(2_200_00), person.login_no) is False
        assert person.get("/claims")["claims"] == []


class TestPoison:
    """A link that the database will not take, for a reason that nobody foresaw."""

    @pytest.fixture
    def poison(self, shared_centre: Centre) -> Iterator[int]:
        shared_centre.ask("ALTER TABLE pos.receipts ADD CONSTRAINT poison CHECK (total_mongo <> 66600) NOT VALID")
        yield 666_00
        shared_centre.ask("ALTER TABLE pos.receipts DROP CONSTRAINT poison")

    def test_fails_its_own_terminal_from_there_on_and_nobody_else(self, till: SigningTill, poison: int) -> None:
        other = add_signing_till(till.centre, till.till)
        other.start()
        lines = [till.sell(), other.links[0], till.sell(poison), other.sell(), till.sell(), other.sell()]
        verdicts = till.upload(lines)
        assert statuses(verdicts) == [201, 201, 503, 201, 503, 201]
        assert [counter for counter, _ in till.stored()] == [0, 1]
        assert len(other.stored()) == 3

    def test_is_stored_when_the_reason_is_gone(self, shared_centre: Centre) -> None:
        till = add_signing_till(shared_centre)
        till.start()
        shared_centre.ask("ALTER TABLE pos.receipts ADD CONSTRAINT poison CHECK (total_mongo <> 66600) NOT VALID")
        till.sell(666_00)
        assert statuses(till.upload(till.links)) == [201, 503]
        shared_centre.ask("ALTER TABLE pos.receipts DROP CONSTRAINT poison")
        assert statuses(till.upload(till.links)) == [200, 201]


def test_an_empty_document_is_no_sale(till: SigningTill) -> None:
    link = till.sign(sale(till, 0, document=Document(), part_sellers=(), lottery=False))
    [verdict] = till.upload([link])
    assert verdict["receipt"]["findings"] == ["nature_mismatch"]


def test_all_that_was_taken_holds_when_it_is_checked(shared_centre: Centre) -> None:
    assert broken(shared_centre) == {}
